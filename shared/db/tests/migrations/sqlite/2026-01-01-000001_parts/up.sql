CREATE TABLE parts (
    thing_id BLOB NOT NULL,
    part_no INTEGER NOT NULL,
    code TEXT NOT NULL CHECK (length(code) <= 100),
    PRIMARY KEY (thing_id, part_no),
    CONSTRAINT uq_parts_thing_id_code UNIQUE (thing_id, code),
    CONSTRAINT fk_parts_thing_id FOREIGN KEY (thing_id) REFERENCES things (id)
) STRICT;
