-- Who may be an administrator, as far as profile has told (SECURITY rule 3); no row: nothing was told, the user can
-- log in. The message with the highest `sequence` counts. Rows stay: they tell late messages from new ones.
CREATE TABLE user_standings (
    user_id    UUID        NOT NULL PRIMARY KEY,
    state      VARCHAR(16) NOT NULL,
    sequence   BIGINT      NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT ck_user_standings_state CHECK (state IN ('reserved', 'inactive', 'active'))
);
CREATE INDEX ix_user_standings_state_updated_at ON user_standings (state, updated_at);
