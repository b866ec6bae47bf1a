-- One row per event and destination that does not have it yet. `next_at` is the end of the lease of whoever
-- is sending it (`lease`), or of the wait after a failure.
CREATE TABLE outbox_deliveries (
    destination TEXT NOT NULL CHECK (length(destination) <= 16),
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (length(state) <= 8),
    attempts INTEGER NOT NULL,
    next_at TEXT NOT NULL CHECK (length(next_at) = 24),
    lease BLOB CHECK (length(lease) = 16),
    CONSTRAINT pk_outbox_deliveries PRIMARY KEY (destination, event_id),
    CONSTRAINT uq_outbox_deliveries_destination_subject_sequence UNIQUE (destination, subject, sequence),
    CONSTRAINT fk_outbox_deliveries_event_id FOREIGN KEY (event_id) REFERENCES outbox (id)
) STRICT;

CREATE INDEX ix_outbox_deliveries_event_id ON outbox_deliveries (event_id);
