-- Times of the last rotations by the store's clock (`Rotations`), and the late repetitions so far. The defaults are what
-- is known of a session that was rotated before.
ALTER TABLE sessions ADD COLUMN rotated TEXT NOT NULL DEFAULT '' CHECK (length(rotated) <= 160);
ALTER TABLE sessions ADD COLUMN late_counter INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN late_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN late_source TEXT NOT NULL DEFAULT '' CHECK (length(late_source) <= 321);
-- When a store found to have gone back was last begun anew.
ALTER TABLE store ADD COLUMN renewed_at TEXT;
