-- +goose Up

-- Where an organization's briefs are posted to.
create table webhook_endpoints (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  name text not null,
  url text not null,
  -- The kinds of notices that go there.
  events text[] not null,
  -- What signs them: the secret, and for a day the one before it.
  sealed_secrets bytea not null,
  -- It answered that it is gone. Null: it is not.
  disabled_at timestamptz,
  -- What came of the last try, in words of our own; empty: it was taken.
  problem text not null default '',
  tried_at timestamptz,
  created_at timestamptz not null default now(),
  unique (organization_id, name)
);

-- How far a notice that briefs somebody has come: by which channel it is tried, since
-- when, and whether that may have taken it. IDs and words of our own.
alter table notices add column progress jsonb;
create index notices_briefing on notices (next_attempt_at) where state = 'queued' and kind like 'briefing.%';
