-- Random keys the service makes for itself at its first start; `secret` is 32 bytes in hex.
CREATE TABLE server_keys (
    name       TEXT NOT NULL PRIMARY KEY CHECK (length(name) <= 32),
    sealed_key TEXT NOT NULL CHECK (length(sealed_key) <= 512),
    created_at TEXT NOT NULL
) STRICT;
