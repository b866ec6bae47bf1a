ALTER TABLE store DROP COLUMN renewed_at;
ALTER TABLE sessions DROP COLUMN late_source;
ALTER TABLE sessions DROP COLUMN late_count;
ALTER TABLE sessions DROP COLUMN late_counter;
ALTER TABLE sessions DROP COLUMN rotated;
