-- +goose Up

-- Set on what an operator had done as new: deliveries of one redo find each other
-- and no other meeting, and a meeting of it is found by nothing else.
alter table deliveries add column redo_id uuid;

-- What is still kept of old deliveries.
create index deliveries_with_body on deliveries (organization_id, received_at)
  where sealed_body is not null and state <> 'received';
