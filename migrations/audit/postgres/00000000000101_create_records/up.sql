-- The audit log. Rows are added and never changed or removed: no code here updates or deletes one. `seq` is the order
-- of commits; `record` is the canonical JSON (RFC 8785) as received, the other columns are copied from it to search by.
CREATE TABLE records (
    seq         BIGINT        NOT NULL PRIMARY KEY,
    id          UUID          NOT NULL,
    recorded_at TIMESTAMPTZ   NOT NULL,
    occurred_at TIMESTAMPTZ   NOT NULL,
    action      VARCHAR(64)   NOT NULL,
    actor_id    UUID,
    target_type VARCHAR(64)   NOT NULL,
    target_id   VARCHAR(128)  NOT NULL,
    outcome     VARCHAR(16)   NOT NULL,
    reported_by VARCHAR(64)   NOT NULL,
    record      VARCHAR(32768) NOT NULL,
    CONSTRAINT uq_records_id UNIQUE (id)
);
CREATE INDEX ix_records_actor_id ON records (actor_id, seq);
CREATE INDEX ix_records_target_id ON records (target_id, seq);
CREATE INDEX ix_records_action ON records (action, seq);
CREATE INDEX ix_records_occurred_at ON records (occurred_at);
