DROP TABLE store;
DROP TABLE revocations;
DROP TABLE marks;
DROP TABLE min_epochs;
DROP TABLE closed_sessions;
DROP TABLE sessions;
