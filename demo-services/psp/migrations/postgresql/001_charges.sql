-- +goose Up
CREATE TABLE charges (
    -- The client's Idempotency-Key.
    key          TEXT PRIMARY KEY,
    id           TEXT NOT NULL,
    -- VOIDED without an amount is a refund that came before its charge.
    state        TEXT NOT NULL CHECK (state IN ('CAPTURED', 'DECLINED', 'REFUNDED', 'VOIDED')),
    decline_code TEXT NOT NULL DEFAULT '',
    amount       BIGINT NOT NULL DEFAULT 0,
    currency     TEXT NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL
);
