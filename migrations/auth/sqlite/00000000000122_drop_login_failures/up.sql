-- `guess_counts` took its place.
DROP TABLE login_failures;
