CREATE TABLE login_failures (
    id            BINARY(16)  NOT NULL PRIMARY KEY,
    counted_under VARCHAR(64) NOT NULL,
    failed_at     DATETIME(6) NOT NULL,
    INDEX ix_login_failures_counted_under (counted_under, failed_at),
    INDEX ix_login_failures_failed_at (failed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
