-- Devices that a user logged in from: what a device token has to match. `nonce_hash` is SHA-256 of the token's nonce. A
-- row of an epoch that is not the account's proves nothing.
CREATE TABLE devices (
    device_id  UUID        NOT NULL PRIMARY KEY,
    user_id    UUID        NOT NULL,
    epoch      BIGINT      NOT NULL,
    counter    BIGINT      NOT NULL,
    nonce_hash VARCHAR(64) NOT NULL,
    used_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX ix_devices_user_id ON devices (user_id, used_at);
CREATE INDEX ix_devices_used_at ON devices (used_at);
