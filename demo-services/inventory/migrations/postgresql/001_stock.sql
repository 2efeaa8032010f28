-- +goose Up
CREATE TABLE items (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    price     BIGINT NOT NULL CHECK (price > 0),
    -- What the shelf holds at most; restocking fills up to it.
    capacity  BIGINT NOT NULL CHECK (capacity >= 0),
    available BIGINT NOT NULL CHECK (available >= 0),
    -- What has been delivered to the shelf since it was first filled, so that
    -- what is on it can be accounted for.
    delivered BIGINT NOT NULL DEFAULT 0
);

-- Reservations expire unless they are confirmed.
CREATE TABLE reservations (
    order_id    TEXT PRIMARY KEY,
    -- RELEASED without lines is an order whose release came first. EXPIRED and
    -- RELEASED hold nothing any more.
    state       TEXT NOT NULL CHECK (state IN ('RESERVED', 'CONFIRMED', 'RELEASED', 'EXPIRED')),
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- The trace context of the reservation, as a W3C traceparent, or empty.
    traceparent TEXT NOT NULL DEFAULT ''
);

CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'RESERVED';

CREATE TABLE reservation_lines (
    order_id   TEXT NOT NULL REFERENCES reservations (order_id),
    position   BIGINT NOT NULL,
    item_id    TEXT NOT NULL REFERENCES items (id),
    name       TEXT NOT NULL,
    quantity   BIGINT NOT NULL CHECK (quantity > 0),
    unit_price BIGINT NOT NULL,
    PRIMARY KEY (order_id, position)
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
