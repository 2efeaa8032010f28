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
    updated_at   INTEGER NOT NULL
) STRICT;
