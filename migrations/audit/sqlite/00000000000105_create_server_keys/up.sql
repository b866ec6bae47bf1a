-- Secrets the service makes for itself at its first start.
CREATE TABLE server_keys (
    name       TEXT NOT NULL PRIMARY KEY CHECK (length(name) <= 32),
    secret     TEXT NOT NULL CHECK (length(secret) = 64),
    created_at TEXT NOT NULL CHECK (length(created_at) = 24)
) STRICT;
