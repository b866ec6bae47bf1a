-- Secrets the service makes for itself at its first start.
CREATE TABLE server_keys (
    name       TEXT NOT NULL PRIMARY KEY CHECK (length(name) <= 32),
    sealed_key TEXT NOT NULL CHECK (length(sealed_key) <= 512),
    created_at TEXT NOT NULL CHECK (length(created_at) = 24)
) STRICT;
