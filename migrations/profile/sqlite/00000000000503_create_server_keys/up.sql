-- Random keys the service makes for itself at its first start; `secret` is 32 bytes in hex.
CREATE TABLE server_keys (
    name       TEXT NOT NULL PRIMARY KEY CHECK (length(name) <= 32),
    secret     TEXT NOT NULL CHECK (length(secret) = 64),
    created_at TEXT NOT NULL
) STRICT;
