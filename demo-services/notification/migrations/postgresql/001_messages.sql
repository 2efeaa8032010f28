-- +goose Up
CREATE TABLE messages (
    -- One message for each event, however often the event comes.
    event_id  TEXT PRIMARY KEY,
    order_id  TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject   TEXT NOT NULL,
    body      TEXT NOT NULL,
    sent_at   BIGINT NOT NULL
);

CREATE INDEX messages_order ON messages (order_id);
