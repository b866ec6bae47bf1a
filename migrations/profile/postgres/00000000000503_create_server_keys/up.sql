-- Random keys the service makes for itself at its first start; `secret` is 32 bytes in hex.
CREATE TABLE server_keys (
    name       VARCHAR(32) NOT NULL PRIMARY KEY,
    secret     VARCHAR(64) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
