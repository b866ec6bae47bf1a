-- Who may be an administrator, as far as profile has told (SECURITY rule 3); no row: nothing was told, the user can
-- log in. The message with the highest `sequence` counts. Rows stay: they tell late messages from new ones.
CREATE TABLE user_standings (
    user_id    BLOB    NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    state      TEXT    NOT NULL CHECK (state IN ('reserved', 'inactive', 'active')),
    sequence   INTEGER NOT NULL,
    updated_at TEXT    NOT NULL
) STRICT;
CREATE INDEX ix_user_standings_state_updated_at ON user_standings (state, updated_at);
