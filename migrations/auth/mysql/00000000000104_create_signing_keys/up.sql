-- Keys that sign access tokens, sealed under KEY_ENCRYPTION_KEYS. `active` is 1 for the one that signs and NULL for
-- the others: unique, so that replicas starting at once agree on one. A retired key stays published until the last
-- token it signed has expired.
CREATE TABLE signing_keys (
    kid        VARCHAR(64) NOT NULL PRIMARY KEY,
    algorithm  VARCHAR(16) NOT NULL,
    sealed_key TEXT        NOT NULL,
    active     INTEGER,
    created_at DATETIME(6) NOT NULL,
    retired_at DATETIME(6),
    CONSTRAINT uq_signing_keys_active UNIQUE (active)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
