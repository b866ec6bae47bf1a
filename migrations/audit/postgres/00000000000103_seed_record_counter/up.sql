INSERT INTO record_counter (id, seq) VALUES (1, 0);
