-- At most one row, never removed: the latch of `POST /internal/v1/administrators` (SECURITY rule 13).
CREATE TABLE first_administrator (
    id         INTEGER     NOT NULL PRIMARY KEY CHECK (id = 1),
    user_id    BINARY(16)  NOT NULL,
    created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
