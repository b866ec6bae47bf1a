DELETE FROM signing_keys;
ALTER TABLE signing_keys
    DROP INDEX uq_signing_keys_generation,
    DROP COLUMN revoked_at,
    CHANGE activates_at retired_at DATETIME(6),
    CHANGE generation active INTEGER,
    ADD CONSTRAINT uq_signing_keys_active UNIQUE (active);
