-- What users log in by. `kind` is `email` or `username`; `canonical` is unique and looked up, `written` is what the
-- user wrote and mail goes to. `held_until`: the user is deleted and nobody else gets the name before this.
CREATE TABLE identifiers (
    user_id    UUID         NOT NULL,
    kind       VARCHAR(16)  NOT NULL,
    canonical  VARCHAR(254) NOT NULL,
    written    VARCHAR(254) NOT NULL,
    held_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ  NOT NULL,
    PRIMARY KEY (user_id, kind),
    CONSTRAINT uq_identifiers_kind_canonical UNIQUE (kind, canonical),
    CONSTRAINT fk_identifiers_user_id FOREIGN KEY (user_id) REFERENCES credentials (user_id)
);
CREATE INDEX ix_identifiers_held_until ON identifiers (held_until);
