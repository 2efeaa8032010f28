-- The trace context in which the charge was opened, as a W3C traceparent, or
-- empty: who finds out its outcome later links to it.
ALTER TABLE charges ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';

-- Charges and refunds whose outcome is not known.
CREATE INDEX charges_unknown ON charges (updated_at) WHERE state IN ('PENDING', 'REFUNDING');

-- Events that are not on the bus yet; see platform.Outbox.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT NOT NULL UNIQUE,
    subject    TEXT NOT NULL,
    payload    BLOB NOT NULL,
    headers    TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
