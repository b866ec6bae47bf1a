-- Who may be an administrator, as far as profile has told (SECURITY rule 3); no row: nothing was told, the user can
-- log in. The message with the highest `sequence` counts. Rows stay: they tell late messages from new ones.
CREATE TABLE user_standings (
    user_id    BINARY(16)  NOT NULL PRIMARY KEY,
    state      VARCHAR(16) NOT NULL,
    sequence   BIGINT      NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    CONSTRAINT ck_user_standings_state CHECK (state IN ('reserved', 'inactive', 'active')),
    INDEX ix_user_standings_state_updated_at (state, updated_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
