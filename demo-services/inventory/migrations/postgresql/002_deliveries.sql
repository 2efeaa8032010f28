-- +goose Up
-- The one row says for which turn a delivery has come last; turns are counted from
-- 1970, and each has one delivery however many instances the service has.
CREATE TABLE deliveries (
    id   BIGINT PRIMARY KEY CHECK (id = 1),
    turn BIGINT NOT NULL
);

INSERT INTO deliveries (id, turn) VALUES (1, 0);
