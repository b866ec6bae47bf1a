-- The counter, and the built-in roles with the ids that `models/role.rs` knows. They have always been there, so
-- their time is the epoch.
INSERT INTO policy_version (id, version) VALUES (1, 1);
INSERT INTO roles (id, name, description, permissions, names_bytes, version, created_at, updated_at)
VALUES (X'00000000000070008000000000000001', 'admin', 'May do everything', '["*"]', 12, 1, '1970-01-01 00:00:00', '1970-01-01 00:00:00');
INSERT INTO roles (id, name, description, permissions, names_bytes, version, created_at, updated_at)
VALUES (X'00000000000070008000000000000002', 'user', 'What every user may do', '[]', 7, 1, '1970-01-01 00:00:00', '1970-01-01 00:00:00');
