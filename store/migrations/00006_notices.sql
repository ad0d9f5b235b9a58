-- +goose Up

alter table people add column language text not null default 'en' check (language in ('en', 'de'));

-- What somebody has to be told. A row is written in the transaction that has the
-- reason, and sent by whoever comes first. It holds IDs: names and addresses are
-- read when it is sent.
create table notices (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  kind text not null,
  -- The one thing that a person is told once about.
  dedupe_key text not null,
  -- Whose business it is; null: the admins'.
  concerns_id uuid,
  -- Who is told, that is who answers for it; null: there was nobody.
  person_id uuid,
  about jsonb not null default '{}',
  state text not null default 'queued' check (state in ('queued', 'sent', 'failed', 'dropped')),
  reason text not null default '',
  attempts int not null default 0,
  first_attempt_at timestamptz,
  next_attempt_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  settled_at timestamptz,
  unique nulls not distinct (organization_id, dedupe_key, person_id),
  foreign key (organization_id, concerns_id) references people (organization_id, id) on delete cascade,
  foreign key (organization_id, person_id) references people (organization_id, id) on delete cascade
);
create index notices_due on notices (next_attempt_at) where state = 'queued';
create index notices_by_organization on notices (organization_id, created_at desc);
