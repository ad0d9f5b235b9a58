-- +goose Up

-- What HubSpot's webhooks told about an account's records, one row for each event
-- and organization that has a connection to the account. A row is its own wakeup:
-- while it is received, the workflow of its record is told of it again and again.
create table crm_events (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  hub_id bigint not null,
  app_id bigint not null,
  -- Of an event and no other; HubSpot's own event IDs repeat.
  event_key text not null,
  kind text not null,
  -- A name ("contact") or, of what Debrief has no name for, a type ID.
  object_type text not null,
  object_id text not null,
  property text not null default '',
  -- The property's new value, under the organization's key. Null once erased.
  sealed_value bytea,
  -- The records that a merge made one, without the one that is left.
  merged_ids text[] not null default '{}',
  change_source text not null default '',
  occurred_at timestamptz not null,
  received_at timestamptz not null default now(),
  state text not null default 'received' check (state in ('received', 'done', 'echo')),
  outcome text not null default '',
  settled_at timestamptz,
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  unique (organization_id, hub_id, app_id, event_key)
);
create index crm_events_due on crm_events (next_attempt_at) where state = 'received';
create index crm_events_by_record on crm_events (organization_id, hub_id, object_type, object_id, occurred_at);
create index crm_events_merges on crm_events using gin (merged_ids) where kind = 'merge';
create index audit_by_record on audit (organization_id, record_id) where kind = 'call' and record_id <> '';

-- Who was to be forgotten, and what proves that it was done. IDs and counts; the
-- addresses, under the organization's key, only until it is done.
create table erasures (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  hub_id bigint not null default 0,
  contact_id text not null default '',
  sealed_addresses bytea,
  actor text not null,
  report jsonb not null default '{}',
  begun_at timestamptz not null default now(),
  done_at timestamptz
);
create index erasures_by_contact on erasures (organization_id, hub_id, contact_id);
