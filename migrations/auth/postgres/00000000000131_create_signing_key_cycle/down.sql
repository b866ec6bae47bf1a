DELETE FROM signing_keys;
ALTER TABLE signing_keys RENAME CONSTRAINT uq_signing_keys_generation TO uq_signing_keys_active;
ALTER TABLE signing_keys ALTER COLUMN activates_at DROP NOT NULL, DROP COLUMN revoked_at;
ALTER TABLE signing_keys RENAME COLUMN activates_at TO retired_at;
ALTER TABLE signing_keys ALTER COLUMN generation TYPE INTEGER, ALTER COLUMN generation DROP NOT NULL;
ALTER TABLE signing_keys RENAME COLUMN generation TO active;
