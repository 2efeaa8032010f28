-- The hash of the user's password after bcrypt; empty for those who can't sign in.
ALTER TABLE users ADD COLUMN password_hash TEXT NOT NULL DEFAULT '';
-- The keys that sign tokens. A key that is too old signs no more and is
-- removed when the last token that it has signed has expired.
CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    seed       BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
