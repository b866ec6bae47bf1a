-- One per registered user. `status` is `active`, `suspended` or `deleted`; a deleted user's row keeps id, status and
-- times, the hash is gone. `epoch` is raised whenever every session so far must end. `status_sequence` is that of
-- the last change of status profile told; `event_seq` numbers the events about the credential.
CREATE TABLE credentials (
    user_id         BLOB    NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    status          TEXT    NOT NULL CHECK (length(status) <= 16),
    password_hash   TEXT             CHECK (length(password_hash) <= 128),
    epoch           INTEGER NOT NULL,
    status_sequence INTEGER NOT NULL,
    event_seq       INTEGER NOT NULL,
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24)
) STRICT;
