-- Hashes of other systems are longer than our own.
ALTER TABLE credentials ALTER COLUMN password_hash TYPE VARCHAR(512);
