ALTER TABLE credentials MODIFY password_hash VARCHAR(128);
