-- One login of one user agent. Columns as in `Session`.
CREATE TABLE sessions (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id           BLOB    NOT NULL CHECK (length(user_id) = 16),
    epoch             INTEGER NOT NULL,
    counter           INTEGER NOT NULL,
    key_id            TEXT    NOT NULL CHECK (length(key_id) <= 64),
    nonce_hash        TEXT    NOT NULL CHECK (length(nonce_hash) <= 64),
    created_at        TEXT    NOT NULL,
    last_seen_at      TEXT    NOT NULL,
    issued_at         TEXT    NOT NULL,
    access_expires_at TEXT    NOT NULL,
    latest_expiry     TEXT    NOT NULL,
    expires_at        TEXT    NOT NULL,
    idle              INTEGER NOT NULL,
    absolute          INTEGER NOT NULL,
    amr               TEXT    NOT NULL CHECK (length(amr) <= 512),
    ip                TEXT             CHECK (length(ip) <= 64),
    user_agent        TEXT             CHECK (length(user_agent) <= 256),
    event_seq         INTEGER NOT NULL
) STRICT;
CREATE INDEX ix_sessions_user_id ON sessions (user_id, created_at, id);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);

-- Ids that cannot be used again, while a request to make them may still be on its way.
CREATE TABLE closed_sessions (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kept_until TEXT NOT NULL
) STRICT;
CREATE INDEX ix_closed_sessions_kept_until ON closed_sessions (kept_until);

-- Below these epochs nothing is made or stepped.
CREATE TABLE min_epochs (
    user_id    BLOB    NOT NULL PRIMARY KEY CHECK (length(user_id) = 16),
    min_epoch  INTEGER NOT NULL,
    kept_until TEXT    NOT NULL
) STRICT;
CREATE INDEX ix_min_epochs_kept_until ON min_epochs (kept_until);

-- Below these policy versions tokens are stale. `kind` is `user` or `role`, `name` an id or a role's name.
CREATE TABLE marks (
    kind       TEXT    NOT NULL,
    name       TEXT    NOT NULL CHECK (length(name) <= 64),
    min_pv     INTEGER NOT NULL,
    kept_until TEXT    NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;
CREATE INDEX ix_marks_kept_until ON marks (kept_until);

-- The append-only list that verifiers follow. `kind` is `session`, `user` or `role`. AUTOINCREMENT: a number
-- is never given twice, whatever was deleted.
CREATE TABLE revocations (
    seq           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind          TEXT    NOT NULL,
    name          TEXT    NOT NULL CHECK (length(name) <= 64),
    min_pv        INTEGER,
    revoked_until TEXT    NOT NULL
) STRICT;
CREATE INDEX ix_revocations_revoked_until ON revocations (revoked_until);

-- One row: what the store knows beyond sessions.
CREATE TABLE store (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    incarnation   TEXT    NOT NULL CHECK (length(incarnation) <= 64),
    latest_expiry TEXT    NOT NULL,
    absolute      INTEGER NOT NULL
) STRICT;
