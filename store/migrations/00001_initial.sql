-- +goose Up

-- Words (what was said, what is planned, what people typed) lie in columns
-- named sealed…, under a data key of their owner. Deleting a data key erases
-- them wherever copies are. Everything else is IDs, states and times.

create extension if not exists btree_gist;

create table data_keys (
  id uuid primary key,
  -- Wrapped by the vault's keyset, bound to this row's ID.
  wrapped bytea not null,
  created_at timestamptz not null default now()
);

-- Who uses Debrief, apart from all others. settings is read by store.Settings; what is absent has its default.
create table organizations (
  id uuid primary key,
  name text not null unique,
  domains text[] not null default '{}',
  settings jsonb not null default '{}',
  data_key_id uuid not null references data_keys,
  created_at timestamptz not null default now()
);

-- One human of an organization, and the names under which systems know them.
create table people (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  name text not null default '',
  role text not null default 'member' check (role in ('admin', 'approver', 'member', 'viewer')),
  deactivated_at timestamptz,
  created_at timestamptz not null default now(),
  unique (organization_id, id)
);

create table person_identities (
  organization_id uuid not null,
  kind text not null check (kind in ('email', 'sign_in', 'slack_user', 'hubspot_user', 'hubspot_owner', 'zoom_host')),
  value text not null,
  person_id uuid not null,
  primary key (organization_id, kind, value),
  foreign key (organization_id, person_id) references people (organization_id, id) on delete cascade
);
create index person_identities_by_person on person_identities (person_id);

-- A platform and its secrets, with its own URL. organization_id is null where
-- one URL serves the whole installation and events are routed by account.
create table sources (
  id uuid primary key,
  organization_id uuid references organizations on delete cascade,
  platform text not null,
  name text not null,
  -- One or two signing secrets, newest first, as a JSON list sealed by the vault.
  sealed_secrets bytea not null,
  data_key_id uuid not null references data_keys,
  settings jsonb not null default '{}',
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  unique nulls not distinct (organization_id, name)
);

-- The platform accounts whose events an installation's source may carry, and
-- the organization that each belongs to.
create table source_accounts (
  source_id uuid not null references sources on delete cascade,
  account_id text not null,
  organization_id uuid not null references organizations on delete cascade,
  primary key (source_id, account_id)
);

-- One received webhook, verbatim. The body is sealed with a key of its own;
-- body_key is that key, wrapped by the source's data key until the delivery is
-- understood and by its meeting's afterwards (wrapped_by says which).
create table deliveries (
  id uuid primary key,
  source_id uuid not null references sources on delete cascade,
  organization_id uuid references organizations on delete cascade,
  dedupe_key text not null,
  body_mac bytea not null,
  received_at timestamptz not null default now(),
  headers jsonb not null default '{}',
  size_bytes int not null,
  body_key bytea,
  wrapped_by uuid references data_keys on delete set null,
  sealed_body bytea,
  state text not null default 'received'
    check (state in ('received', 'understood', 'unprocessable', 'excluded', 'unrouted')),
  reason text not null default '',
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  understood_at timestamptz,
  unique (source_id, dedupe_key, body_mac)
);
create index deliveries_due on deliveries (next_attempt_at) where state = 'received';
create index deliveries_by_organization on deliveries (organization_id, received_at desc);

-- One occurrence. sealed is the folded meeting (meeting.Meeting as JSON).
create table meetings (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  data_key_id uuid references data_keys on delete set null,
  state text not null default 'scheduled' check (state in ('scheduled', 'started', 'ended', 'canceled')),
  starts_at timestamptz,
  ends_at timestamptz,
  has_ended boolean not null default false,
  has_notes boolean not null default false,
  is_test boolean not null default false,
  host_person_id uuid references people on delete set null,
  -- When the first of "ended" and "notes ready" was folded in.
  first_word_at timestamptz,
  -- Grows whenever the folded content changes.
  version bigint not null default 0,
  content_mac bytea,
  sealed bytea,
  -- Set when this meeting turned out to be another one.
  merged_into uuid references meetings on delete cascade,
  erased_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id)
);
create index meetings_by_start on meetings (organization_id, starts_at desc);

-- A name that belongs to one occurrence. Without a window it stands alone; with
-- one it counts only for a start inside it. Values are keyed hashes, since join
-- URLs carry passwords.
create table meeting_keys (
  organization_id uuid not null,
  kind text not null,
  value_mac bytea not null,
  valid_during tstzrange,
  meeting_id uuid not null,
  foreign key (organization_id, meeting_id) references meetings (organization_id, id) on delete cascade,
  constraint meeting_keys_one_occurrence
    exclude using gist (organization_id with =, kind with =, value_mac with =, valid_during with &&)
    where (valid_during is not null)
);
create unique index meeting_keys_alone on meeting_keys (organization_id, kind, value_mac) where valid_during is null;
create index meeting_keys_by_meeting on meeting_keys (meeting_id);

-- What a delivery means. sealed is meeting.Event as JSON under the meeting's key.
create table events (
  id uuid primary key,
  organization_id uuid not null,
  source_id uuid not null references sources on delete cascade,
  delivery_id uuid not null references deliveries on delete cascade,
  meeting_id uuid not null,
  dedupe_key text not null,
  content_mac bytea not null,
  type text not null,
  occurred_at timestamptz,
  received_at timestamptz not null,
  -- Null once the meeting's words were erased.
  sealed bytea,
  -- Per organization: an installation's source carries events of several.
  unique (source_id, organization_id, dedupe_key, content_mac),
  foreign key (organization_id, meeting_id) references meetings (organization_id, id) on delete cascade
);
create index events_by_meeting on events (meeting_id);
create index events_by_delivery on events (delivery_id);

-- A HubSpot app: account-level, or user-level (acts as the user).
create table apps (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  name text not null,
  level text not null check (level in ('account', 'user')),
  client_id text not null,
  sealed_client_secret bytea not null,
  created_at timestamptz not null default now(),
  unique (organization_id, name),
  unique (organization_id, client_id)
);

-- A named grant of one app to one HubSpot account.
create table connections (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  app_id uuid not null references apps,
  name text not null,
  hub_id bigint not null,
  hub_domain text not null default '',
  -- The user who granted it; part of the identity only for a user-level app.
  user_id bigint,
  person_id uuid references people on delete set null,
  is_user_level boolean not null,
  scopes text[] not null,
  state text not null
    check (state in ('connected', 'expired', 'needs_reconnect', 'revoked', 'uninstalled', 'misconfigured')),
  state_reason text not null default '',
  state_changed_at timestamptz not null default now(),
  sealed_refresh_token bytea,
  -- Grows with every refresh and reconnect: who finds a higher one adopts it.
  token_version bigint not null default 0,
  last_success_at timestamptz,
  created_at timestamptz not null default now(),
  unique (organization_id, name)
);
create unique index connections_account on connections (app_id, hub_id) where not is_user_level;
create unique index connections_user on connections (app_id, hub_id, user_id) where is_user_level;

-- Access tokens, on their way between processes: ciphertext, lost on a crash.
create unlogged table access_tokens (
  connection_id uuid primary key references connections on delete cascade,
  token_version bigint not null,
  sealed bytea not null,
  expires_at timestamptz not null
);

-- A way to connect that somebody began: the one-time link, then OAuth's state.
create table connection_attempts (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  app_id uuid not null references apps on delete cascade,
  connection_name text not null,
  -- Hashes of the one-time link's token, of OAuth's state, and of the cookie
  -- that ties the state to the browser that began.
  link_hash bytea not null unique,
  state_hash bytea unique,
  browser_hash bytea,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  outcome text not null default ''
);

-- What is not here is denied.
create table permissions (
  organization_id uuid not null references organizations on delete cascade,
  object_type text not null,
  operation text not null check (operation in ('read', 'create', 'update', 'archive')),
  permission text not null check (permission in ('deny', 'ask', 'allow')),
  conditions jsonb not null default '[]',
  updated_at timestamptz not null default now(),
  primary key (organization_id, object_type, operation)
);

-- The work after a meeting, as far as Postgres must know of it.
create table follow_ups (
  meeting_id uuid primary key,
  organization_id uuid not null,
  state text not null default 'open' check (state in ('open', 'closed')),
  round int not null default 0,
  -- The meeting's version that the latest round was planned from.
  planned_version bigint not null default 0,
  -- How many answers change what should be planned, and how many of them the
  -- latest round was planned with.
  answers bigint not null default 0,
  planned_answers bigint not null default 0,
  connection_id uuid references connections on delete set null,
  -- Set while it waits for that connection to come back.
  paused_since timestamptz,
  -- What the records were at planning time (the planner's input), under the
  -- meeting's key.
  sealed_resolution bytea,
  report jsonb not null default '{}',
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  foreign key (organization_id, meeting_id) references meetings (organization_id, id) on delete cascade
);
create index follow_ups_paused on follow_ups (connection_id) where paused_since is not null;
create index follow_ups_open on follow_ups (organization_id, opened_at desc) where state = 'open';

-- One intended tool call. sealed is store.ActionContent as JSON under the key of
-- its origin.
create table actions (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  origin_kind text not null check (origin_kind in ('meeting', 'agent', 'script', 'undo')),
  origin_id uuid not null,
  data_key_id uuid references data_keys on delete set null,
  round int not null,
  -- Stable over rounds: origin, tool, target or natural key, purpose.
  key text not null,
  object_type text not null,
  operation text not null check (operation in ('read', 'create', 'update', 'archive')),
  -- The record to update, once it is known.
  target_id text not null default '',
  position int not null,
  depends_on uuid[] not null default '{}',
  state text not null check (state in
    ('denied', 'asking', 'ready', 'writing', 'written', 'unchanged', 'failed',
     'unknown', 'rejected', 'expired', 'skipped', 'withdrawn')),
  reason text not null default '',
  content_mac bytea not null,
  sealed bytea,
  -- The record that was written.
  record_id text not null default '',
  -- Set when a call was sent and nothing told whether it happened, whatever
  -- becomes of the action then. Until that is known, or a human wants it sent
  -- all the same, nothing may send it again.
  may_exist_since timestamptz,
  connection_id uuid references connections on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (origin_id, key)
);
create index actions_by_organization on actions (organization_id, created_at desc);

-- A question about one action. While it is pending there is one at most.
create table approvals (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  action_id uuid not null references actions on delete cascade,
  kind text not null default 'permission' check (kind in ('permission', 'outcome', 'choice')),
  state text not null default 'pending'
    check (state in ('pending', 'approved', 'edited', 'rejected', 'expired', 'withdrawn')),
  -- What was asked: a decision about other content is refused.
  content_mac bytea not null,
  round int not null,
  asked_at timestamptz not null default now(),
  expires_at timestamptz not null,
  decided_at timestamptz,
  decided_by text not null default '',
  decided_by_person_id uuid references people on delete set null,
  via text not null default '',
  reason text not null default '',
  -- The properties as edited, JSON under the origin's key.
  sealed_edit bytea
);
create unique index approvals_one_pending on approvals (action_id) where state = 'pending';
create index approvals_pending on approvals (organization_id, expires_at) where state = 'pending';
create index approvals_by_action on approvals (action_id);

-- Who creates the record with this natural key. Taken before a create is sent,
-- so that two follow-ups that want the same new company make one.
create table write_claims (
  hub_id bigint not null,
  object_type text not null,
  natural_key_mac bytea not null,
  organization_id uuid not null references organizations on delete cascade,
  action_id uuid references actions on delete set null,
  record_id text not null default '',
  claimed_at timestamptz not null default now(),
  primary key (hub_id, object_type, natural_key_mac, organization_id)
);

-- The trail. A CRM call's row stands before the call as attempted, and is
-- completed after it. Names and values stand beside it, erasable.
create table audit (
  id bigint generated always as identity primary key,
  organization_id uuid not null references organizations on delete cascade,
  at timestamptz not null default now(),
  kind text not null check (kind in ('call', 'decision', 'permission', 'connection', 'source', 'visibility', 'organization')),
  actor text not null,
  actor_person_id uuid,
  on_behalf_of text not null default '',
  origin_kind text not null default '',
  origin_id uuid,
  round int not null default 0,
  action_id uuid,
  approval_id uuid,
  tool text not null default '',
  connection_id uuid,
  object_type text not null default '',
  record_id text not null default '',
  properties text[] not null default '{}',
  value_macs jsonb not null default '{}',
  reason text not null default '',
  outcome text not null default 'done'
    check (outcome in ('attempted', 'done', 'failed', 'refused', 'unknown')),
  status int not null default 0,
  category text not null default '',
  correlation_id text not null default '',
  completed_at timestamptz
);
create index audit_by_organization on audit (organization_id, id desc);
create index audit_by_origin on audit (origin_id, id);
create index audit_open_calls on audit (action_id) where outcome = 'attempted';

create table audit_details (
  audit_id bigint primary key references audit on delete cascade,
  data_key_id uuid references data_keys on delete set null,
  sealed bytea
);

-- Workflows that have to look again. Written in the transaction that gives them
-- a reason; sent by whoever comes first, deleted when Temporal has it.
create table wakeups (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  meeting_id uuid not null references meetings on delete cascade,
  reason text not null,
  created_at timestamptz not null default now(),
  next_attempt_at timestamptz not null default now(),
  attempts int not null default 0
);
create index wakeups_due on wakeups (next_attempt_at);

-- Signed-in browsers, and the one-time links that sign one in.
create table sessions (
  token_hash bytea primary key,
  organization_id uuid references organizations on delete cascade,
  person_id uuid references people on delete cascade,
  -- A session of the operator of this installation, not of a person.
  is_operator boolean not null default false,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);

create table sign_in_links (
  token_hash bytea primary key,
  organization_id uuid references organizations on delete cascade,
  person_id uuid references people on delete cascade,
  is_operator boolean not null default false,
  expires_at timestamptz not null,
  used_at timestamptz
);

-- This installation: one row, made when it is first asked for. Its data key
-- seals what passes through Temporal and belongs to no meeting.
create table installation (
  singleton boolean primary key default true check (singleton),
  data_key_id uuid not null references data_keys
);
