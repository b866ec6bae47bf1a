-- Who has which role. `expires_at` is whole seconds; from it on the row gives nothing.
CREATE TABLE role_assignments (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id    BLOB NOT NULL CHECK (length(user_id) = 16),
    role_id    BLOB NOT NULL,
    expires_at TEXT,
    created_at TEXT NOT NULL,
    CONSTRAINT uq_role_assignments_user_id_role_id UNIQUE (user_id, role_id),
    CONSTRAINT fk_role_assignments_role_id FOREIGN KEY (role_id) REFERENCES roles (id)
) STRICT;
CREATE INDEX ix_role_assignments_role_id ON role_assignments (role_id, id);
CREATE INDEX ix_role_assignments_expires_at ON role_assignments (expires_at);
