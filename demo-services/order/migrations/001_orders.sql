CREATE TABLE orders (
    id              TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL,
    email           TEXT NOT NULL,
    currency        TEXT NOT NULL,
    -- Emptied when the order has ended.
    card_token      TEXT NOT NULL,
    expected_amount INTEGER NOT NULL,
    amount          INTEGER NOT NULL DEFAULT 0,
    -- How far the saga has come; see order.go.
    step            TEXT NOT NULL CHECK (step IN ('CREATED', 'RESERVED', 'PAID', 'CONFIRMED', 'CANCELLING', 'CANCELLED')),
    -- Why it is cancelled, and what belongs to the reason, as a JSON object.
    reason          TEXT NOT NULL DEFAULT '',
    details         TEXT NOT NULL DEFAULT '{}',
    -- What a compensation has to give back.
    undo_payment    INTEGER NOT NULL DEFAULT 0,
    undo_stock      INTEGER NOT NULL DEFAULT 0,
    -- The trace context of the order, as a JSON object of headers.
    headers         TEXT NOT NULL,
    -- When a saga that has not ended may be taken over, and how often it was.
    due_at          INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

-- Sagas that have not ended: a handful, however many orders there are.
CREATE INDEX orders_unfinished ON orders (due_at) WHERE step NOT IN ('CONFIRMED', 'CANCELLED');

CREATE TABLE order_lines (
    order_id   TEXT NOT NULL REFERENCES orders (id),
    position   INTEGER NOT NULL,
    item_id    TEXT NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    -- Known once stock is reserved.
    name       TEXT NOT NULL DEFAULT '',
    unit_price INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

-- Events that are not on the bus yet. A row is written in the transaction of
-- what it tells of, and deleted when the bus has acknowledged it.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT NOT NULL UNIQUE,
    subject    TEXT NOT NULL,
    payload    BLOB NOT NULL,
    headers    TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
