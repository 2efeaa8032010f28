CREATE TABLE items (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    price     INTEGER NOT NULL CHECK (price > 0),
    -- What the shelf holds at most; restocking fills up to it.
    capacity  INTEGER NOT NULL CHECK (capacity >= 0),
    available INTEGER NOT NULL CHECK (available >= 0)
) STRICT;

-- A row with state RELEASED and no lines is an order whose release came first.
CREATE TABLE reservations (
    order_id   TEXT PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('RESERVED', 'RELEASED')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE reservation_lines (
    order_id   TEXT NOT NULL REFERENCES reservations (order_id),
    position   INTEGER NOT NULL,
    item_id    TEXT NOT NULL REFERENCES items (id),
    name       TEXT NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    unit_price INTEGER NOT NULL,
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;
