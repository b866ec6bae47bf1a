-- Events of other services whose effects are in this database.
CREATE TABLE inbox (
    source VARCHAR(16) NOT NULL,
    event_id BINARY(16) NOT NULL,
    received_at DATETIME(6) NOT NULL,
    PRIMARY KEY (source, event_id),
    KEY ix_inbox_received_at (received_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
