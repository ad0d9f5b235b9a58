-- +goose Up

-- When a data key is deleted (a meeting is erased, excluded, or merged into another),
-- PostgreSQL looks for the deliveries that it wrapped.
create index deliveries_by_key on deliveries (wrapped_by) where wrapped_by is not null;
