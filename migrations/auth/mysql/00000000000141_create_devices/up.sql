-- Devices that a user logged in from: what a device token has to match. `nonce_hash` is SHA-256 of the token's nonce. A
-- row of an epoch that is not the account's proves nothing.
CREATE TABLE devices (
    device_id  BINARY(16)  NOT NULL PRIMARY KEY,
    user_id    BINARY(16)  NOT NULL,
    epoch      BIGINT      NOT NULL,
    counter    BIGINT      NOT NULL,
    nonce_hash VARCHAR(64) NOT NULL,
    used_at    DATETIME(6) NOT NULL,
    INDEX ix_devices_user_id (user_id, used_at),
    INDEX ix_devices_used_at (used_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
