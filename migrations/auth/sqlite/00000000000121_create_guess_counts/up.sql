-- How often a password was guessed. `counted_under` is an HMAC of the identifier tried, known or not, or of the
-- client's address: who reads the table learns neither.
CREATE TABLE guess_counts (
    counted_under TEXT    NOT NULL PRIMARY KEY CHECK (length(counted_under) <= 64),
    failures      INTEGER NOT NULL,
    counted_at    TEXT    NOT NULL CHECK (length(counted_at) = 24)
) STRICT;
CREATE INDEX ix_guess_counts_counted_at ON guess_counts (counted_at);
