-- +goose Up

-- Who made a link to connect: it dies when they may no longer make one. Null: the
-- operator of the installation.
alter table connection_attempts add column created_by uuid references people on delete set null;

-- What HubSpot granted is deleted when nobody says in time what should become of it.
create index connection_attempts_kept on connection_attempts (expires_at) where sealed_grant is not null;
