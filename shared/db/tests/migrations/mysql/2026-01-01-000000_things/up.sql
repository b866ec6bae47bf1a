CREATE TABLE things (
    id BINARY(16) NOT NULL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    count BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    owner_id BINARY(16),
    created_at DATETIME(6) NOT NULL,
    deleted_at DATETIME(6),
    CONSTRAINT uq_things_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
