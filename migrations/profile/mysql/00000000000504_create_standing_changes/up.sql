-- Changes of users' standing that role has not confirmed (SECURITY rule 3). While the user's `version` is below
-- `sequence`, the change is announced and may still be made, by raising the version to `sequence`; from then on it is
-- decided, and role is told what the user's status says.
CREATE TABLE standing_changes (
    user_id    BINARY(16)  NOT NULL PRIMARY KEY,
    sequence   BIGINT      NOT NULL,
    began_at   DATETIME(6) NOT NULL,
    CONSTRAINT fk_standing_changes_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    INDEX ix_standing_changes_began_at (began_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
