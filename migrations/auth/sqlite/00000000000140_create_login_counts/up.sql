-- How often a login was tried (login throttling). `counted_under` is an HMAC of what is counted: a device, a session, a
-- known source of an account, an identifier with a source, an account, or a source: who reads the table learns none of
-- them. `decays_from` is the time since which failures are forgotten one by one; from `forgotten_at` on nothing counts.
-- `guess_counts` stays for replicas of the version before, and is dropped by a later version.
CREATE TABLE login_counts (
    counted_under TEXT    NOT NULL PRIMARY KEY CHECK (length(counted_under) <= 64),
    failures      INTEGER NOT NULL,
    counted_at    TEXT    NOT NULL CHECK (length(counted_at) = 24),
    decays_from   TEXT    NOT NULL CHECK (length(decays_from) = 24),
    forgotten_at  TEXT    NOT NULL CHECK (length(forgotten_at) = 24)
) STRICT;
CREATE INDEX ix_login_counts_forgotten_at ON login_counts (forgotten_at);
