-- +goose Up
CREATE TABLE items (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    price     INTEGER NOT NULL CHECK (price > 0),
    -- What the shelf holds at most; restocking fills up to it.
    capacity  INTEGER NOT NULL CHECK (capacity >= 0),
    available INTEGER NOT NULL CHECK (available >= 0),
    -- What has been delivered to the shelf since it was first filled, so that
    -- what is on it can be accounted for.
    delivered INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Reservations expire unless they are confirmed.
CREATE TABLE reservations (
    order_id    TEXT PRIMARY KEY,
    -- RELEASED without lines is an order whose release came first. EXPIRED and
    -- RELEASED hold nothing any more.
    state       TEXT NOT NULL CHECK (state IN ('RESERVED', 'CONFIRMED', 'RELEASED', 'EXPIRED')),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- The trace context of the reservation, as a W3C traceparent, or empty.
    traceparent TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'RESERVED';

CREATE TABLE reservation_lines (
    order_id   TEXT NOT NULL REFERENCES reservations (order_id),
    position   INTEGER NOT NULL,
    item_id    TEXT NOT NULL REFERENCES items (id),
    name       TEXT NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_price INTEGER NOT NULL,
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

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
