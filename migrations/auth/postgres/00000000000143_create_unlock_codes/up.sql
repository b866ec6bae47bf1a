-- One-time codes that let an owner try a password apart from all counts. `code_hash` is an HMAC over purpose, user and
-- code. `tries` is how often it was used so far.
CREATE TABLE unlock_codes (
    user_id    UUID        NOT NULL PRIMARY KEY,
    code_hash  VARCHAR(64) NOT NULL,
    epoch      BIGINT      NOT NULL,
    tries      BIGINT      NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX ix_unlock_codes_expires_at ON unlock_codes (expires_at);
