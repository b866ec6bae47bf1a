DELETE FROM record_counter;
