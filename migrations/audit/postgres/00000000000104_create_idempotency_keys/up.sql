-- Idempotency-Keys of POST /audits: HMACs of key and body, and the record the first request made.
CREATE TABLE idempotency_keys (
    id          VARCHAR(64) NOT NULL PRIMARY KEY,
    fingerprint VARCHAR(64) NOT NULL,
    record_id   UUID        NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at);
