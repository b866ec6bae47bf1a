-- Hashes of other systems are longer than our own.
ALTER TABLE credentials MODIFY password_hash VARCHAR(512);
