-- Events written with the change they tell of, until every destination has them.
CREATE TABLE outbox (
    id BINARY(16) NOT NULL,
    subject BINARY(16) NOT NULL,
    sequence BIGINT NOT NULL,
    type VARCHAR(64) NOT NULL,
    body TEXT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_outbox_subject_sequence UNIQUE (subject, sequence)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
