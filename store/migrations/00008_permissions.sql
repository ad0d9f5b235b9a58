-- +goose Up

-- A row with a host is about that host's meetings, and only makes stricter what
-- the organization's own row says.
alter table permissions
  drop column conditions,
  drop constraint permissions_pkey,
  add column host_person_id uuid,
  add constraint permissions_one unique nulls not distinct (organization_id, object_type, operation, host_person_id),
  add constraint permissions_of_a_host foreign key (organization_id, host_person_id) references people (organization_id, id) on delete cascade;

-- Conditions on top of the permissions. Those of a preset go when another preset
-- comes.
create table permission_rules (
  organization_id uuid not null references organizations on delete cascade,
  name text not null,
  expression text not null,
  permission text not null check (permission in ('deny', 'ask', 'allow')),
  loosens boolean not null default false,
  host_person_id uuid,
  of_preset boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (organization_id, name),
  foreign key (organization_id, host_person_id) references people (organization_id, id) on delete cascade
);
