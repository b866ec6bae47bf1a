-- One-time codes that let an owner try a password apart from all counts. `code_hash` is an HMAC over purpose, user and
-- code. `tries` is how often it was used so far.
CREATE TABLE unlock_codes (
    user_id    BINARY(16)  NOT NULL PRIMARY KEY,
    code_hash  VARCHAR(64) NOT NULL,
    epoch      BIGINT      NOT NULL,
    tries      BIGINT      NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    INDEX ix_unlock_codes_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
