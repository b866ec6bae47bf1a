-- `version` is the entity tag and the number of the last event about the user: 0 while pending. Of a deleted
-- user only id, status, version and times are left. `email` and `username` are copies: auth keeps them unique.
-- `updated_at` of a pending user is when somebody last tried to complete the registration.
CREATE TABLE users (
    id              UUID NOT NULL PRIMARY KEY,
    status          VARCHAR(16) NOT NULL,
    email           VARCHAR(254),
    email_canonical VARCHAR(254),
    email_verified  BOOLEAN NOT NULL,
    username        VARCHAR(64),
    given_name      VARCHAR(100),
    family_name     VARCHAR(100),
    phone           VARCHAR(16),
    locale          VARCHAR(35),
    timezone        VARCHAR(64),
    version         BIGINT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT ck_users_status CHECK (status IN ('pending', 'active', 'suspended', 'deleted')),
    CONSTRAINT ck_users_personal CHECK (
        (status <> 'deleted' AND email IS NOT NULL AND email_canonical IS NOT NULL)
        OR (status = 'deleted' AND email IS NULL AND email_canonical IS NULL AND username IS NULL AND given_name IS NULL
            AND family_name IS NULL AND phone IS NULL AND locale IS NULL AND timezone IS NULL)
    )
);
CREATE INDEX ix_users_status_id ON users (status, id);
CREATE INDEX ix_users_email_canonical ON users (email_canonical);
CREATE INDEX ix_users_username ON users (username);
