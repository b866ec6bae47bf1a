CREATE TABLE parts (
    thing_id BINARY(16) NOT NULL,
    part_no BIGINT NOT NULL,
    code VARCHAR(100) NOT NULL,
    PRIMARY KEY (thing_id, part_no),
    CONSTRAINT uq_parts_thing_id_code UNIQUE (thing_id, code),
    CONSTRAINT fk_parts_thing_id FOREIGN KEY (thing_id) REFERENCES things (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
