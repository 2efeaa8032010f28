-- +goose Up
-- A message is sent when sent_at is not 0, refused for good when due_at is NULL
-- without that, and otherwise waits until due_at. Whoever sends one moves due_at
-- to when others may take it for left alone. Times are in ms.
ALTER TABLE messages ADD COLUMN queued_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN due_at BIGINT;
ALTER TABLE messages ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
-- Why the last attempt has failed.
ALTER TABLE messages ADD COLUMN failure TEXT NOT NULL DEFAULT '';
-- The span that has handled the event, for those that send the message.
ALTER TABLE messages ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';

CREATE INDEX messages_due ON messages (due_at) WHERE due_at IS NOT NULL;
