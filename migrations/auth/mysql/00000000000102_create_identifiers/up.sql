-- What users log in by. `kind` is `email` or `username`; `canonical` is unique and looked up, `written` is what the
-- user wrote and mail goes to. `held_until`: the user is deleted and nobody else gets the name before this.
CREATE TABLE identifiers (
    user_id    BINARY(16)   NOT NULL,
    kind       VARCHAR(16)  NOT NULL,
    canonical  VARCHAR(254) NOT NULL,
    written    VARCHAR(254) NOT NULL,
    held_until DATETIME(6),
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (user_id, kind),
    CONSTRAINT uq_identifiers_kind_canonical UNIQUE (kind, canonical),
    CONSTRAINT fk_identifiers_user_id FOREIGN KEY (user_id) REFERENCES credentials (user_id),
    INDEX ix_identifiers_held_until (held_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
