-- Devices that a user logged in from: what a device token has to match. `nonce_hash` is SHA-256 of the token's nonce. A
-- row of an epoch that is not the account's proves nothing.
CREATE TABLE devices (
    device_id  BLOB    NOT NULL PRIMARY KEY CHECK (length(device_id) = 16),
    user_id    BLOB    NOT NULL CHECK (length(user_id) = 16),
    epoch      INTEGER NOT NULL,
    counter    INTEGER NOT NULL,
    nonce_hash TEXT    NOT NULL CHECK (length(nonce_hash) <= 64),
    used_at    TEXT    NOT NULL CHECK (length(used_at) = 24)
) STRICT;
CREATE INDEX ix_devices_user_id ON devices (user_id, used_at);
CREATE INDEX ix_devices_used_at ON devices (used_at);
