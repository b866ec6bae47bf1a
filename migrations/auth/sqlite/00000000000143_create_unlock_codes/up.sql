-- One-time codes that let an owner try a password apart from all counts. `code_hash` is an HMAC over purpose, user and
-- code. `tries` is how often it was used so far.
CREATE TABLE unlock_codes (
    user_id    BLOB    NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    code_hash  TEXT    NOT NULL CHECK (length(code_hash) <= 64),
    epoch      INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    expires_at TEXT    NOT NULL CHECK (length(expires_at) = 24)
) STRICT;
CREATE INDEX ix_unlock_codes_expires_at ON unlock_codes (expires_at);
