CREATE TABLE things (
    id UUID NOT NULL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    count BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    owner_id UUID,
    created_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ,
    CONSTRAINT uq_things_name UNIQUE (name)
);
