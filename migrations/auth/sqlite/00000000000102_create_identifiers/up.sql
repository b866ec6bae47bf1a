-- What users log in by. `kind` is `email` or `username`; `canonical` is unique and looked up, `written` is what the
-- user wrote and mail goes to. `held_until`: the user is deleted and nobody else gets the name before this.
CREATE TABLE identifiers (
    user_id    BLOB NOT NULL,
    kind       TEXT NOT NULL CHECK (length(kind) <= 16),
    canonical  TEXT NOT NULL CHECK (length(canonical) <= 254),
    written    TEXT NOT NULL CHECK (length(written) <= 254),
    held_until TEXT          CHECK (length(held_until) = 24),
    created_at TEXT NOT NULL CHECK (length(created_at) = 24),
    PRIMARY KEY (user_id, kind),
    CONSTRAINT uq_identifiers_kind_canonical UNIQUE (kind, canonical),
    CONSTRAINT fk_identifiers_user_id FOREIGN KEY (user_id) REFERENCES credentials (user_id)
) STRICT;
CREATE INDEX ix_identifiers_held_until ON identifiers (held_until);
