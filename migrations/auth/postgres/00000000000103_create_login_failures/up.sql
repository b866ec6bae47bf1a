-- Wrong passwords of the last minutes. `counted_under` is an HMAC of the identifier tried, known or not, or of the
-- client's address: who reads the table learns neither.
CREATE TABLE login_failures (
    id            UUID        NOT NULL PRIMARY KEY,
    counted_under VARCHAR(64) NOT NULL,
    failed_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX ix_login_failures_counted_under ON login_failures (counted_under, failed_at);
CREATE INDEX ix_login_failures_failed_at ON login_failures (failed_at);
