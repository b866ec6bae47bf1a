-- Keys that sign access tokens, sealed under KEY_ENCRYPTION_KEYS. Of those whose time has come (activates_at) the one
-- with the highest generation signs; a key is published before and after. Unique: of replicas that make a key at once
-- one does. A revoked key is published no more and has no private half left.
ALTER TABLE signing_keys RENAME COLUMN active TO generation;
ALTER TABLE signing_keys ALTER COLUMN generation TYPE BIGINT, ALTER COLUMN generation SET NOT NULL;
ALTER TABLE signing_keys RENAME COLUMN retired_at TO activates_at;
ALTER TABLE signing_keys ALTER COLUMN activates_at SET NOT NULL, ADD COLUMN revoked_at TIMESTAMPTZ;
ALTER TABLE signing_keys RENAME CONSTRAINT uq_signing_keys_active TO uq_signing_keys_generation;
