-- Keys that sign access tokens, sealed under KEY_ENCRYPTION_KEYS. Of those whose time has come (activates_at) the one
-- with the highest generation signs; a key is published before and after. Unique: of replicas that make a key at once
-- one does. A revoked key is published no more and has no private half left.
CREATE TABLE signing_keys_new (
    kid          TEXT    NOT NULL PRIMARY KEY CHECK (length(kid) <= 64),
    algorithm    TEXT    NOT NULL CHECK (length(algorithm) <= 16),
    sealed_key   TEXT    NOT NULL,
    generation   INTEGER NOT NULL,
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    activates_at TEXT    NOT NULL CHECK (length(activates_at) = 24),
    revoked_at   TEXT             CHECK (length(revoked_at) = 24),
    CONSTRAINT uq_signing_keys_generation UNIQUE (generation)
) STRICT;
INSERT INTO signing_keys_new
    SELECT kid, algorithm, sealed_key, 1, created_at, retired_at, NULL FROM signing_keys;
DROP TABLE signing_keys;
ALTER TABLE signing_keys_new RENAME TO signing_keys;
