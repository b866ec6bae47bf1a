-- At most one row, never removed: the latch of `POST /internal/v1/administrators` (SECURITY rule 13).
CREATE TABLE first_administrator (
    id         INTEGER     NOT NULL PRIMARY KEY CHECK (id = 1),
    user_id    UUID        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
