-- Who has which role. `expires_at` is whole seconds; from it on the row gives nothing.
CREATE TABLE role_assignments (
    id         UUID        NOT NULL PRIMARY KEY,
    user_id    UUID        NOT NULL,
    role_id    UUID        NOT NULL,
    expires_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT uq_role_assignments_user_id_role_id UNIQUE (user_id, role_id),
    CONSTRAINT fk_role_assignments_role_id FOREIGN KEY (role_id) REFERENCES roles (id)
);
CREATE INDEX ix_role_assignments_role_id ON role_assignments (role_id, id);
CREATE INDEX ix_role_assignments_expires_at ON role_assignments (expires_at);
