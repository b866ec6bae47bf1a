DROP TABLE unlock_codes;
