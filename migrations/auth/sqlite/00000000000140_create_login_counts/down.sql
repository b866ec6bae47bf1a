DROP TABLE login_counts;
