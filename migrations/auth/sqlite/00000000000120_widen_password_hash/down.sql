ALTER TABLE credentials ADD COLUMN narrow_hash TEXT CHECK (length(narrow_hash) <= 128);
UPDATE credentials SET narrow_hash = password_hash;
ALTER TABLE credentials DROP COLUMN password_hash;
ALTER TABLE credentials RENAME COLUMN narrow_hash TO password_hash;
