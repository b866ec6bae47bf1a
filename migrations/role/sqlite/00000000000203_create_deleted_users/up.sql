-- Ids of deleted users: nobody assigns them a role any more (SECURITY rule 32).
CREATE TABLE deleted_users (
    user_id    BLOB NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    deleted_at TEXT NOT NULL
) STRICT;
