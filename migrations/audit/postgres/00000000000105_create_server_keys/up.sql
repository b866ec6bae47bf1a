-- Secrets the service makes for itself at its first start.
CREATE TABLE server_keys (
    name       VARCHAR(32) NOT NULL PRIMARY KEY,
    sealed_key VARCHAR(512) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
