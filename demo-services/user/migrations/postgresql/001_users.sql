-- +goose Up
CREATE TABLE users (
    -- In the order of bytes, as lists are, whatever the database's own is.
    id            TEXT COLLATE "C" PRIMARY KEY,
    name          TEXT NOT NULL,
    email         TEXT NOT NULL UNIQUE,
    blocked       BOOLEAN NOT NULL DEFAULT FALSE,
    -- When the user came to the shop.
    created_at    BIGINT NOT NULL,
    -- The hash of the user's password after bcrypt; empty for those who can't sign in.
    password_hash TEXT NOT NULL DEFAULT ''
);

-- The keys that sign tokens. A key that is too old signs no more and is
-- removed when the last token that it has signed has expired.
CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    seed       BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Events that are not on the bus yet; see platform.Outbox.
CREATE TABLE outbox (
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      TEXT NOT NULL UNIQUE,
    subject       TEXT NOT NULL,
    payload       BYTEA NOT NULL,
    headers       TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    -- Until when an instance of the service publishes an event, so that no other does.
    claimed_until BIGINT NOT NULL DEFAULT 0
);
