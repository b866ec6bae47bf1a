DROP TABLE signing_keys;
CREATE TABLE signing_keys (
    kid        TEXT NOT NULL PRIMARY KEY CHECK (length(kid) <= 64),
    algorithm  TEXT NOT NULL CHECK (length(algorithm) <= 16),
    sealed_key TEXT NOT NULL,
    active     INTEGER,
    created_at TEXT NOT NULL CHECK (length(created_at) = 24),
    retired_at TEXT          CHECK (length(retired_at) = 24),
    CONSTRAINT uq_signing_keys_active UNIQUE (active)
) STRICT;
