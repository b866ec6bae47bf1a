DROP TABLE standing_changes;
