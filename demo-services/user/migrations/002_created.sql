-- When the user came to the shop; zero for those who were there before.
ALTER TABLE users ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
