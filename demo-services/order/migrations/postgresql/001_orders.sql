-- +goose Up
-- What has happened to orders. It is only ever added to; an order is what its
-- events come to, in the order of their versions.
CREATE TABLE events (
    -- The order of all events; readers keep how far they have come.
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id TEXT NOT NULL,
    -- 1 is the order's first. Of two writers that have seen the same order,
    -- the second finds its version taken.
    version  BIGINT NOT NULL CHECK (version > 0),
    type     TEXT NOT NULL,
    -- A JSON object; see fact.go.
    data     TEXT NOT NULL,
    at       BIGINT NOT NULL,
    -- The trace context in which it was written, as a W3C traceparent, or
    -- empty: who goes on with the order links back to it.
    traceparent TEXT NOT NULL DEFAULT '',
    UNIQUE (order_id, version)
);

-- Orders whose saga has not ended: a handful, however many orders there are.
CREATE TABLE sagas (
    order_id   TEXT PRIMARY KEY,
    -- It is here and in no event, because events stay for ever.
    card_token TEXT NOT NULL,
    -- The trace context of the order, as a JSON object of headers.
    headers    TEXT NOT NULL,
    -- When it may be taken over, and how often it was.
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    -- Compensations that failed in a row, why the last one did, and since when
    -- nobody tries any more; zero: it goes on.
    failures   BIGINT NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    parked_at  BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX sagas_due ON sagas (due_at);

-- Events that are not on the bus yet. A row is written in the transaction of
-- what it tells of, and deleted when the bus has acknowledged it.
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

-- The read model: orders as queries want them. It holds nothing that the
-- events do not, and may be thrown away.
CREATE TABLE order_views (
    id         TEXT PRIMARY KEY,
    version    BIGINT NOT NULL,
    user_id    TEXT NOT NULL,
    step       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    currency   TEXT NOT NULL,
    amount     BIGINT NOT NULL,
    -- A JSON array of the order's lines.
    lines      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX order_views_of_user ON order_views (user_id, created_at);
CREATE INDEX order_views_newest ON order_views (created_at);
CREATE INDEX order_views_statistics ON order_views (step, currency, amount);

-- The position of the last event that is in the read model.
CREATE TABLE projection (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    position BIGINT NOT NULL
);

INSERT INTO projection (only_row, position) VALUES (1, 0);

-- Customers whose history with the shop has begun, as the user service tells.
CREATE TABLE histories (
    user_id   TEXT PRIMARY KEY,
    -- When the customer came.
    opened_at BIGINT NOT NULL
);
