-- One per registered user. `status` is `active`, `suspended` or `deleted`; a deleted user's row keeps id, status and
-- times, the hash is gone. `epoch` is raised whenever every session so far must end. `status_sequence` is that of
-- the last change of status profile told; `event_seq` numbers the events about the credential.
CREATE TABLE credentials (
    user_id         UUID        NOT NULL PRIMARY KEY,
    status          VARCHAR(16) NOT NULL,
    password_hash   VARCHAR(128),
    epoch           BIGINT      NOT NULL,
    status_sequence BIGINT      NOT NULL,
    event_seq       BIGINT      NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);
