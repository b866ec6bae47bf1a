-- One row per event and destination that does not have it yet. `next_at` is the end of the lease of whoever
-- is sending it (`lease`), or of the wait after a failure.
CREATE TABLE outbox_deliveries (
    destination varchar(16) NOT NULL,
    event_id uuid NOT NULL,
    subject uuid NOT NULL,
    sequence bigint NOT NULL,
    state varchar(8) NOT NULL,
    attempts integer NOT NULL,
    next_at timestamptz NOT NULL,
    lease uuid,
    CONSTRAINT pk_outbox_deliveries PRIMARY KEY (destination, event_id),
    CONSTRAINT uq_outbox_deliveries_destination_subject_sequence UNIQUE (destination, subject, sequence),
    CONSTRAINT fk_outbox_deliveries_event_id FOREIGN KEY (event_id) REFERENCES outbox (id)
);

CREATE INDEX ix_outbox_deliveries_event_id ON outbox_deliveries (event_id);
