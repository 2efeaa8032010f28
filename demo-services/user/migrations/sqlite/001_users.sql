-- +goose Up
CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    email         TEXT NOT NULL UNIQUE,
    blocked       INTEGER NOT NULL DEFAULT 0,
    -- When the user came to the shop.
    created_at    INTEGER NOT NULL,
    -- The hash of the user's password after bcrypt; empty for those who can't sign in.
    password_hash TEXT NOT NULL DEFAULT ''
) STRICT;

-- The keys that sign tokens. A key that is too old signs no more and is
-- removed when the last token that it has signed has expired.
CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    seed       BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Events that are not on the bus yet; see platform.Outbox.
CREATE TABLE outbox (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id      TEXT NOT NULL UNIQUE,
    subject       TEXT NOT NULL,
    payload       BLOB NOT NULL,
    headers       TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    -- Until when an instance of the service publishes an event, so that no other does.
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;
