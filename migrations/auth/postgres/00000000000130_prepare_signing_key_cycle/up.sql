-- A key has signed since it was made. Retired ones do not stay: their last tokens are refreshed.
DELETE FROM signing_keys WHERE active IS NULL;
UPDATE signing_keys SET retired_at = created_at;
