-- The trace context in which an event was written, as a W3C traceparent, or
-- empty: who goes on with the order links back to it.
ALTER TABLE events ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';

-- Compensations that failed in a row, why the last one did, and since when
-- nobody tries any more; zero: it goes on.
ALTER TABLE sagas ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sagas ADD COLUMN last_error TEXT NOT NULL DEFAULT '';
ALTER TABLE sagas ADD COLUMN parked_at INTEGER NOT NULL DEFAULT 0;

-- Customers whose history with the shop has begun, as the user service tells.
CREATE TABLE histories (
    user_id   TEXT PRIMARY KEY,
    -- When the customer came.
    opened_at INTEGER NOT NULL
) STRICT;
