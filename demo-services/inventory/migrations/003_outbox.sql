-- Until when an instance of the service publishes an event, so that no other does.
ALTER TABLE outbox ADD COLUMN claimed_until INTEGER NOT NULL DEFAULT 0;
