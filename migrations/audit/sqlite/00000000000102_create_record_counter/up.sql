-- One row: the last `seq` given out. Writers take its lock, so that `seq` follows the order of commits.
CREATE TABLE record_counter (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
) STRICT;
