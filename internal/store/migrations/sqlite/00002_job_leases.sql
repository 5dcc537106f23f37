-- Which process works on a job, and until when it has the word on it. One whose lease has ended may be taken over.

-- +goose Up

ALTER TABLE jobs ADD COLUMN lease_holder TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN lease_until INTEGER;

-- +goose Down

ALTER TABLE jobs DROP COLUMN lease_until;
ALTER TABLE jobs DROP COLUMN lease_holder;
