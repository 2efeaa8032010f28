-- +goose Up
CREATE TABLE charges (
    order_id     TEXT PRIMARY KEY,
    -- PENDING: psp may or may not have taken the money.
    -- REFUNDING: psp has not confirmed yet that it gave the money back.
    -- VOIDED: the refund came before any charge.
    state        TEXT NOT NULL CHECK (state IN ('PENDING', 'CHARGED', 'DECLINED', 'REFUNDING', 'REFUNDED', 'VOIDED')),
    charge_id    TEXT NOT NULL DEFAULT '',
    decline_code TEXT NOT NULL DEFAULT '',
    amount       INTEGER NOT NULL DEFAULT 0,
    currency     TEXT NOT NULL DEFAULT '',
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    -- The trace context in which the charge was opened, as a W3C traceparent, or
    -- empty: who finds out its outcome later links to it.
    traceparent  TEXT NOT NULL DEFAULT ''
) STRICT;

-- Charges and refunds whose outcome is not known.
CREATE INDEX charges_unknown ON charges (updated_at) WHERE state IN ('PENDING', 'REFUNDING');

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
