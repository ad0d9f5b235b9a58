-- +goose Up

-- How often the same delivery came again.
alter table deliveries add column duplicates int not null default 0;

-- Why the meeting's content is not kept, or ''. Its names stay, so that what still
-- comes for it is dropped, too.
alter table meetings add column excluded text not null default '';
