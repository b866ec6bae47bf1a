-- What role has been told stays.
DELETE FROM standing_changes WHERE sequence >= 0;
