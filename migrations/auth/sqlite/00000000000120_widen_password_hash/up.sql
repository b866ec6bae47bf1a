-- Hashes of other systems are longer than our own.
ALTER TABLE credentials ADD COLUMN wide_hash TEXT CHECK (length(wide_hash) <= 512);
UPDATE credentials SET wide_hash = password_hash;
ALTER TABLE credentials DROP COLUMN password_hash;
ALTER TABLE credentials RENAME COLUMN wide_hash TO password_hash;
