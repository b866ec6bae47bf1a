-- Who has which role. `expires_at` is whole seconds; from it on the row gives nothing.
CREATE TABLE role_assignments (
    id         BINARY(16)  NOT NULL PRIMARY KEY,
    user_id    BINARY(16)  NOT NULL,
    role_id    BINARY(16)  NOT NULL,
    expires_at DATETIME(6),
    created_at DATETIME(6) NOT NULL,
    CONSTRAINT uq_role_assignments_user_id_role_id UNIQUE (user_id, role_id),
    CONSTRAINT fk_role_assignments_role_id FOREIGN KEY (role_id) REFERENCES roles (id),
    INDEX ix_role_assignments_role_id (role_id, id),
    INDEX ix_role_assignments_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
