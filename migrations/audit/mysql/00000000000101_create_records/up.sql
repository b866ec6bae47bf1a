-- The audit log. Rows are added and never changed or removed: no code here updates or deletes one. `seq` is the order
-- of commits; `record` is the canonical JSON (RFC 8785) as received, the other columns are copied from it to search by.
CREATE TABLE records (
    seq         BIGINT        NOT NULL PRIMARY KEY,
    id          BINARY(16)    NOT NULL,
    recorded_at DATETIME(6)   NOT NULL,
    occurred_at DATETIME(6)   NOT NULL,
    action      VARCHAR(64)   NOT NULL,
    actor_id    BINARY(16),
    target_type VARCHAR(64)   NOT NULL,
    target_id   VARCHAR(128)  NOT NULL,
    outcome     VARCHAR(16)   NOT NULL,
    reported_by VARCHAR(64)   NOT NULL,
    record      MEDIUMTEXT    NOT NULL,
    CONSTRAINT uq_records_id UNIQUE (id),
    INDEX ix_records_actor_id (actor_id, seq),
    INDEX ix_records_target_id (target_id, seq),
    INDEX ix_records_action (action, seq),
    INDEX ix_records_occurred_at (occurred_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
