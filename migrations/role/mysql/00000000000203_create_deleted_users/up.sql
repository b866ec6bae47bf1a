-- Ids of deleted users: nobody assigns them a role any more (SECURITY rule 32).
CREATE TABLE deleted_users (
    user_id    BINARY(16)  NOT NULL PRIMARY KEY,
    deleted_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
