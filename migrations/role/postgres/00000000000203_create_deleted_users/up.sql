-- Ids of deleted users: nobody assigns them a role any more (SECURITY rule 32).
CREATE TABLE deleted_users (
    user_id    UUID        NOT NULL PRIMARY KEY,
    deleted_at TIMESTAMPTZ NOT NULL
);
