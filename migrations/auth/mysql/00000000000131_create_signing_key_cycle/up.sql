-- Keys that sign access tokens, sealed under KEY_ENCRYPTION_KEYS. Of those whose time has come (activates_at) the one
-- with the highest generation signs; a key is published before and after. Unique: of replicas that make a key at once
-- one does. A revoked key is published no more and has no private half left.
ALTER TABLE signing_keys
    DROP INDEX uq_signing_keys_active,
    CHANGE active generation BIGINT NOT NULL,
    CHANGE retired_at activates_at DATETIME(6) NOT NULL,
    ADD COLUMN revoked_at DATETIME(6),
    ADD CONSTRAINT uq_signing_keys_generation UNIQUE (generation);
