-- The next start makes a key.
DELETE FROM signing_keys;
