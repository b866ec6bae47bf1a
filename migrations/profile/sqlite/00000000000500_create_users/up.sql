-- `version` is the entity tag and the number of the last event about the user: 0 while pending. Of a deleted
-- user only id, status, version and times are left. `email` and `username` are copies: auth keeps them unique.
-- `updated_at` of a pending user is when somebody last tried to complete the registration.
CREATE TABLE users (
    id              BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    status          TEXT CHECK (length(status) <= 16) NOT NULL,
    email           TEXT CHECK (length(email) <= 254),
    email_canonical TEXT CHECK (length(email_canonical) <= 254),
    email_verified  INTEGER NOT NULL,
    username        TEXT CHECK (length(username) <= 64),
    given_name      TEXT CHECK (length(given_name) <= 100),
    family_name     TEXT CHECK (length(family_name) <= 100),
    phone           TEXT CHECK (length(phone) <= 16),
    locale          TEXT CHECK (length(locale) <= 35),
    timezone        TEXT CHECK (length(timezone) <= 64),
    version         INTEGER NOT NULL,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    CONSTRAINT ck_users_status CHECK (status IN ('pending', 'active', 'suspended', 'deleted')),
    CONSTRAINT ck_users_personal CHECK (
        (status <> 'deleted' AND email IS NOT NULL AND email_canonical IS NOT NULL)
        OR (status = 'deleted' AND email IS NULL AND email_canonical IS NULL AND username IS NULL AND given_name IS NULL
            AND family_name IS NULL AND phone IS NULL AND locale IS NULL AND timezone IS NULL)
    )
) STRICT;
CREATE INDEX ix_users_status_id ON users (status, id);
CREATE INDEX ix_users_email_canonical ON users (email_canonical);
CREATE INDEX ix_users_username ON users (username);
