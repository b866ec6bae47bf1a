CREATE TABLE things (
    id BLOB NOT NULL CHECK (length(id) = 16) PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) <= 100),
    count INTEGER NOT NULL,
    active INTEGER NOT NULL,
    owner_id BLOB,
    created_at TEXT NOT NULL,
    deleted_at TEXT,
    CONSTRAINT uq_things_name UNIQUE (name)
) STRICT;
