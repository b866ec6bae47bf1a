-- How often a login was tried (login throttling). `counted_under` is an HMAC of what is counted: a device, a session, a
-- known source of an account, an identifier with a source, an account, or a source: who reads the table learns none of
-- them. `decays_from` is the time since which failures are forgotten one by one; from `forgotten_at` on nothing counts.
-- `guess_counts` stays for replicas of the version before, and is dropped by a later version.
CREATE TABLE login_counts (
    counted_under VARCHAR(64) NOT NULL PRIMARY KEY,
    failures      BIGINT      NOT NULL,
    counted_at    DATETIME(6) NOT NULL,
    decays_from   DATETIME(6) NOT NULL,
    forgotten_at  DATETIME(6) NOT NULL,
    INDEX ix_login_counts_forgotten_at (forgotten_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
