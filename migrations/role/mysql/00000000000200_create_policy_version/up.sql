-- One row. Raised first by every transaction that changes a role or an assignment: its lock makes them serial,
-- its number orders them.
CREATE TABLE policy_version (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT  NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
