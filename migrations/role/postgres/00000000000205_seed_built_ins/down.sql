DELETE FROM role_assignments;
DELETE FROM roles;
DELETE FROM policy_version;
