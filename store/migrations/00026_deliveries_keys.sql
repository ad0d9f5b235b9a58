-- +goose Up

-- A delivery's body can't be opened once its key is gone, whether the row still names
-- that key or not. Without the foreign key each row costs PostgreSQL one look less when
-- it is stored, and deleting a key no look for the rows that it wrapped.
alter table deliveries drop constraint deliveries_wrapped_by_fkey;

-- Two meetings that become one look for what the younger one's key wraps: that was
-- understood, while what was just stored is wrapped by its source's.
drop index deliveries_by_key;
create index deliveries_by_key on deliveries (wrapped_by) where understood_at is not null;
