-- One row. Raised first by every transaction that changes a role or an assignment: its lock makes them serial,
-- its number orders them.
CREATE TABLE policy_version (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
