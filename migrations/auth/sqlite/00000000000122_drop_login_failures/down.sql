CREATE TABLE login_failures (
    id            BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    counted_under TEXT NOT NULL CHECK (length(counted_under) <= 64),
    failed_at     TEXT NOT NULL CHECK (length(failed_at) = 24)
) STRICT;
CREATE INDEX ix_login_failures_counted_under ON login_failures (counted_under, failed_at);
CREATE INDEX ix_login_failures_failed_at ON login_failures (failed_at);
