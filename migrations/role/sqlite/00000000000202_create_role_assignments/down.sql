DROP TABLE role_assignments;
