-- Random keys the service makes for itself at its first start; `secret` is 32 bytes in hex.
CREATE TABLE server_keys (
    name       VARCHAR(32) NOT NULL PRIMARY KEY,
    sealed_key VARCHAR(512) NOT NULL,
    created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
