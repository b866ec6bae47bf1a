-- `permissions`: JSON array, sorted. `names_bytes`: what its names take in a token. `version` is the entity tag
-- and the number of the last event about the role.
CREATE TABLE roles (
    id          BINARY(16)    NOT NULL PRIMARY KEY,
    name        VARCHAR(63)   NOT NULL,
    description VARCHAR(500),
    permissions VARCHAR(8000) NOT NULL,
    names_bytes INTEGER       NOT NULL,
    version     BIGINT        NOT NULL,
    created_at  DATETIME(6)   NOT NULL,
    updated_at  DATETIME(6)   NOT NULL,
    CONSTRAINT uq_roles_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
