-- Role has not been told of those who were suspended before.
INSERT INTO standing_changes (user_id, sequence, began_at)
SELECT id, version, updated_at FROM users WHERE status = 'suspended';
