-- How often a password was guessed. `counted_under` is an HMAC of the identifier tried, known or not, or of the
-- client's address: who reads the table learns neither.
CREATE TABLE guess_counts (
    counted_under VARCHAR(64) NOT NULL PRIMARY KEY,
    failures      BIGINT      NOT NULL,
    counted_at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX ix_guess_counts_counted_at ON guess_counts (counted_at);
