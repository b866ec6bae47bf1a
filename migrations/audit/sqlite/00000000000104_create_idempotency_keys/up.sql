-- Idempotency-Keys of POST /audits: HMACs of key and body, and the record the first request made.
CREATE TABLE idempotency_keys (
    id          TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 64),
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
    record_id   BLOB NOT NULL CHECK (length(record_id) = 16),
    expires_at  TEXT NOT NULL CHECK (length(expires_at) = 24)
) STRICT;
CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at);
