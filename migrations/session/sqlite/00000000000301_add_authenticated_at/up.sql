-- When the user last proved who they are; so far, at login. The default is for the rows of this moment alone.
ALTER TABLE sessions ADD COLUMN authenticated_at TEXT NOT NULL DEFAULT '';
UPDATE sessions SET authenticated_at = created_at;
