-- The audit log. Rows are added and never changed or removed: no code here updates or deletes one. `seq` is the order
-- of commits; `record` is the canonical JSON (RFC 8785) as received, the other columns are copied from it to search by.
CREATE TABLE records (
    seq         INTEGER NOT NULL PRIMARY KEY,
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    recorded_at TEXT    NOT NULL CHECK (length(recorded_at) = 24),
    occurred_at TEXT    NOT NULL CHECK (length(occurred_at) = 24),
    action      TEXT    NOT NULL CHECK (length(action) <= 64),
    actor_id    BLOB             CHECK (length(actor_id) = 16),
    target_type TEXT    NOT NULL CHECK (length(target_type) <= 64),
    target_id   TEXT    NOT NULL CHECK (length(target_id) <= 128),
    outcome     TEXT    NOT NULL CHECK (length(outcome) <= 16),
    reported_by TEXT    NOT NULL CHECK (length(reported_by) <= 64),
    record      TEXT    NOT NULL CHECK (length(record) <= 32768),
    CONSTRAINT uq_records_id UNIQUE (id)
) STRICT;
CREATE INDEX ix_records_actor_id ON records (actor_id, seq);
CREATE INDEX ix_records_target_id ON records (target_id, seq);
CREATE INDEX ix_records_action ON records (action, seq);
CREATE INDEX ix_records_occurred_at ON records (occurred_at);
