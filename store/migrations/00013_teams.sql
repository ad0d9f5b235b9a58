-- +goose Up

-- A team is a name that people have in common. Permissions of a team are about
-- the meetings that its people host, and only make stricter.
alter table people add column team text not null default '';
alter table permission_rules add column team text not null default '';

create table team_permissions (
  organization_id uuid not null references organizations on delete cascade,
  team text not null,
  object_type text not null,
  operation text not null check (operation in ('read', 'create', 'update', 'archive')),
  permission text not null check (permission in ('deny', 'ask', 'allow')),
  updated_at timestamptz not null default now(),
  primary key (organization_id, team, object_type, operation)
);

-- Suggestions that somebody did not want. They go when the tool's permission is
-- changed.
create table dismissed_suggestions (
  organization_id uuid not null references organizations on delete cascade,
  object_type text not null,
  operation text not null,
  dismissed_at timestamptz not null default now(),
  primary key (organization_id, object_type, operation)
);

-- What was decided lately, for backtests and suggestions.
create index approvals_decided on approvals (organization_id, decided_at desc) where state in ('approved', 'edited', 'rejected', 'expired');
