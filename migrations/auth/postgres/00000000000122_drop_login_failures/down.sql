CREATE TABLE login_failures (
    id            UUID        NOT NULL PRIMARY KEY,
    counted_under VARCHAR(64) NOT NULL,
    failed_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX ix_login_failures_counted_under ON login_failures (counted_under, failed_at);
CREATE INDEX ix_login_failures_failed_at ON login_failures (failed_at);
