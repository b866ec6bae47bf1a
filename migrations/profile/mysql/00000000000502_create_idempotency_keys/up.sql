-- `id` is an HMAC of operation and key, `fingerprint` one of the body: neither key nor body is kept. Whether the
-- request was answered is told by the status of the user it made; until `locked_until` an attempt may be running.
CREATE TABLE idempotency_keys (
    id           VARCHAR(64) NOT NULL PRIMARY KEY,
    fingerprint  VARCHAR(64) NOT NULL,
    user_id      BINARY(16) NOT NULL,
    locked_until DATETIME(6) NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    expires_at   DATETIME(6) NOT NULL,
    INDEX ix_idempotency_keys_user_id (user_id),
    INDEX ix_idempotency_keys_expires_at (expires_at),
    CONSTRAINT fk_idempotency_keys_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
