-- At most one row, never removed: the latch of `POST /internal/v1/administrators` (SECURITY rule 13).
CREATE TABLE first_administrator (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    user_id    BLOB    NOT NULL CHECK (length(user_id) = 16),
    created_at TEXT    NOT NULL
) STRICT;
