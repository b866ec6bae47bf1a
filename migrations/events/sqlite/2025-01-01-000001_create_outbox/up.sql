-- Events written with the change they tell of, until every destination has them.
CREATE TABLE outbox (
    id BLOB NOT NULL CHECK (length(id) = 16),
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    sequence INTEGER NOT NULL,
    type TEXT NOT NULL CHECK (length(type) <= 64),
    body TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 24),
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT uq_outbox_subject_sequence UNIQUE (subject, sequence)
) STRICT;
