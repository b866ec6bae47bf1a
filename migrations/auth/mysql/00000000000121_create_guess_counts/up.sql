-- How often a password was guessed. `counted_under` is an HMAC of the identifier tried, known or not, or of the
-- client's address: who reads the table learns neither.
CREATE TABLE guess_counts (
    counted_under VARCHAR(64) NOT NULL PRIMARY KEY,
    failures      BIGINT      NOT NULL,
    counted_at    DATETIME(6) NOT NULL,
    INDEX ix_guess_counts_counted_at (counted_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
