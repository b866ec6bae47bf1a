-- `permissions`: JSON array, sorted. `names_bytes`: what its names take in a token. `version` is the entity tag
-- and the number of the last event about the role.
CREATE TABLE roles (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT    NOT NULL CHECK (length(name) <= 63),
    description TEXT             CHECK (length(description) <= 500),
    permissions TEXT    NOT NULL CHECK (length(permissions) <= 8000),
    names_bytes INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    CONSTRAINT uq_roles_name UNIQUE (name)
) STRICT;
