-- Idempotency-Keys of POST /audits: HMACs of key and body, and the record the first request made.
CREATE TABLE idempotency_keys (
    id          VARCHAR(64) NOT NULL PRIMARY KEY,
    fingerprint VARCHAR(64) NOT NULL,
    record_id   BINARY(16)  NOT NULL,
    expires_at  DATETIME(6) NOT NULL,
    INDEX ix_idempotency_keys_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
