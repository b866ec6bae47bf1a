-- One row per event and destination that does not have it yet. `next_at` is the end of the lease of whoever
-- is sending it (`lease`), or of the wait after a failure.
CREATE TABLE outbox_deliveries (
    destination VARCHAR(16) NOT NULL,
    event_id BINARY(16) NOT NULL,
    subject BINARY(16) NOT NULL,
    sequence BIGINT NOT NULL,
    state VARCHAR(8) NOT NULL,
    attempts INTEGER NOT NULL,
    next_at DATETIME(6) NOT NULL,
    lease BINARY(16),
    PRIMARY KEY (destination, event_id),
    CONSTRAINT uq_outbox_deliveries_destination_subject_sequence UNIQUE (destination, subject, sequence),
    KEY ix_outbox_deliveries_event_id (event_id),
    CONSTRAINT fk_outbox_deliveries_event_id FOREIGN KEY (event_id) REFERENCES outbox (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
