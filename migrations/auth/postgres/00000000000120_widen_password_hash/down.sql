ALTER TABLE credentials ALTER COLUMN password_hash TYPE VARCHAR(128);
