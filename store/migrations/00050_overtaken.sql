-- +goose Up

-- A later round wanted it otherwise while nobody knew whether it had happened. Once that
-- is known, one more round is planned.
alter table actions add column overtaken boolean not null default false;
