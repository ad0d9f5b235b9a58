-- +goose Up

-- What HubSpot says of an account, and what went wrong last.
alter table connections
  alter column app_id drop not null,
  -- When somebody last clicked, rather than when it was refreshed.
  add column granted_at timestamptz not null default now(),
  -- STANDARD, SANDBOX, DEVELOPER_TEST or APP_DEVELOPER; empty if it was not told.
  add column account_type text not null default '',
  add column time_zone text not null default '',
  -- The company currency first, then the others.
  add column currencies text[] not null default '{}',
  add column last_error text not null default '',
  add column last_error_at timestamptz,
  -- The one that acts where no rule says otherwise: one of the organization's,
  -- and one of each person's.
  add column is_default boolean not null default false,
  -- An admin let it write for sources of the other kind (production or test).
  add column any_environment boolean not null default false,
  -- Until when HubSpot asked not to be asked for a token again.
  add column token_rest_until timestamptz,
  -- An admin let its access tokens be shown and exported.
  add column reveal boolean not null default false,
  -- An access token that never expires: of a private app, or a service key.
  add column sealed_static_token bytea,
  -- Apart from a static token, a connection is a grant of an app.
  add constraint connections_app_or_token check (app_id is not null or not is_user_level);
create unique index connections_static on connections (organization_id, hub_id) where app_id is null;
create unique index connections_default on connections (organization_id, (case when is_user_level then person_id end)) nulls not distinct where is_default;

-- Whether what a source sends is real.
alter table sources add column environment text not null default 'production' check (environment in ('production', 'test'));

-- Which connection acts for which meetings. Conditions that are null hold always;
-- the first rule that holds counts, those that name a source before the others.
create table connection_rules (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  source_id uuid references sources on delete cascade,
  host_person_id uuid references people on delete cascade,
  host_domain text,
  connection_id uuid not null references connections on delete cascade,
  created_at timestamptz not null default now(),
  check (num_nonnulls(source_id, host_person_id, host_domain) > 0),
  unique nulls not distinct (organization_id, source_id, host_person_id, host_domain)
);

alter table follow_ups
  -- The connection that somebody chose for this meeting, where nothing else told.
  add column chosen_connection_id uuid references connections on delete set null,
  -- What a pause is for: a connection that is gone, or the choice between several.
  add column paused_for text not null default 'connection' check (paused_for in ('connection', 'choice')),
  add column paused_reason text not null default '';

-- The account that a link is for, where whoever made it knows; who made it; and
-- what HubSpot granted, while its receiver has yet to say what should become of
-- it because the account is connected already.
alter table connection_attempts
  add column expected_hub_id bigint,
  add column optional_scopes text[] not null default '{}',
  add column sealed_grant bytea,
  add column existing_connection_id uuid references connections on delete cascade;

-- How far an app's journal was read, in which HubSpot tells of uninstalls.
alter table apps
  add column journal_offset text not null default '',
  add column journal_due_at timestamptz not null default now(),
  add column journal_problem text not null default '';
