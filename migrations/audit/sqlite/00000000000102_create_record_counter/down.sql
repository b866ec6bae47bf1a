DROP TABLE record_counter;
