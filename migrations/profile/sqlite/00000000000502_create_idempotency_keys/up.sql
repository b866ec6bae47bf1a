-- `id` is an HMAC of operation and key, `fingerprint` one of the body: neither key nor body is kept. Whether the
-- request was answered is told by the status of the user it made; until `locked_until` an attempt may be running.
CREATE TABLE idempotency_keys (
    id           TEXT CHECK (length(id) = 64) NOT NULL PRIMARY KEY,
    fingerprint  TEXT CHECK (length(fingerprint) = 64) NOT NULL,
    user_id      BLOB NOT NULL,
    locked_until TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    CONSTRAINT fk_idempotency_keys_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX ix_idempotency_keys_user_id ON idempotency_keys (user_id);
CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at);
