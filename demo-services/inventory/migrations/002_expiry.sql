-- Reservations expire unless they are confirmed. Those of before, which never
-- did, count as confirmed.
CREATE TABLE reservations_that_expire (
    order_id    TEXT PRIMARY KEY,
    -- RELEASED without lines is an order whose release came first. EXPIRED and
    -- RELEASED hold nothing any more.
    state       TEXT NOT NULL CHECK (state IN ('RESERVED', 'CONFIRMED', 'RELEASED', 'EXPIRED')),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    -- The trace context of the reservation, as a W3C traceparent, or empty.
    traceparent TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO reservations_that_expire (order_id, state, created_at, expires_at)
    SELECT order_id, CASE state WHEN 'RESERVED' THEN 'CONFIRMED' ELSE state END, created_at, created_at FROM reservations;

DROP TABLE reservations;
ALTER TABLE reservations_that_expire RENAME TO reservations;
CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'RESERVED';

-- What has been delivered to the shelf since it was first filled, so that what
-- is on it can be accounted for.
ALTER TABLE items ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
UPDATE items SET delivered = available - capacity + (
    SELECT coalesce(sum(line.quantity), 0) FROM reservation_lines AS line
    JOIN reservations ON reservations.order_id = line.order_id
    WHERE line.item_id = items.id AND reservations.state = 'CONFIRMED');

-- Events that are not on the bus yet; see platform.Outbox.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT NOT NULL UNIQUE,
    subject    TEXT NOT NULL,
    payload    BLOB NOT NULL,
    headers    TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
