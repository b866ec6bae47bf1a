-- Events of other services whose effects are in this database.
CREATE TABLE inbox (
    source TEXT NOT NULL CHECK (length(source) <= 16),
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    received_at TEXT NOT NULL CHECK (length(received_at) = 24),
    CONSTRAINT pk_inbox PRIMARY KEY (source, event_id)
) STRICT;

CREATE INDEX ix_inbox_received_at ON inbox (received_at);
