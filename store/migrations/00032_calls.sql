-- +goose Up

-- A call of an agent or a script. Its row among the meetings holds no words of a
-- meeting but a title, and its host is the person for whom it is done: so a follow-up
-- carries it like what comes of a meeting.
create table calls (
  meeting_id uuid primary key,
  organization_id uuid not null,
  origin_kind text not null check (origin_kind in ('agent', 'script')),
  -- The caller's own key for it, or all that it says, as keyed hashes.
  name_mac bytea not null,
  keyed boolean not null,
  request_mac bytea not null,
  -- When its result was told to the caller.
  handed_over_at timestamptz,
  foreign key (organization_id, meeting_id) references meetings (organization_id, id) on delete cascade
);
-- The same call comes once: by its key for good, else until its result was told.
create unique index calls_once on calls (organization_id, name_mac) where keyed or handed_over_at is null;

-- The lists of meetings pass calls over without looking at each.
alter table meetings add column is_call boolean not null default false;
drop index meetings_by_time;
create index meetings_by_time on meetings (organization_id, (coalesce(starts_at, created_at)) desc, id desc) where merged_into is null and not is_call;

-- With what an agent signs in for a person. Only the hash is stored.
create table caller_tokens (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  person_id uuid not null,
  name text not null,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz,
  foreign key (organization_id, person_id) references people (organization_id, id) on delete cascade
);
