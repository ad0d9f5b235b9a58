-- +goose Up

-- The language model that an organization's meetings may be read by. Nothing is sent
-- anywhere but for meetings whose sources are all in model_sources.
create table models (
  organization_id uuid primary key references organizations on delete cascade,
  kind text not null check (kind in ('openai', 'anthropic')),
  endpoint text not null,
  name text not null,
  -- Null for an endpoint that wants no key.
  sealed_key bytea,
  -- What may be used in a month (UTC): tokens, and money in millionths of the unit
  -- that the prices are in; 0 is no bound.
  monthly_tokens bigint not null default 0 check (monthly_tokens >= 0),
  monthly_cost bigint not null default 0 check (monthly_cost >= 0),
  -- Per million tokens, in the same millionths; 0 is not known.
  input_price bigint not null default 0 check (input_price >= 0),
  output_price bigint not null default 0 check (output_price >= 0),
  changed_at timestamptz not null default now()
);

create table model_sources (
  -- Goes with the model: that words may be sent to one says nothing about another.
  organization_id uuid not null references models on delete cascade,
  source_id uuid not null references sources on delete cascade,
  primary key (organization_id, source_id)
);

-- Short instructions for meetings of a type: those with its words in their title.
create table playbooks (
  organization_id uuid not null references organizations on delete cascade,
  meeting_type text not null,
  instructions text not null,
  changed_at timestamptz not null default now(),
  primary key (organization_id, meeting_type)
);

-- One row per call, standing before it is made. Until it has ended, its tokens are
-- the most that it can cost.
create table model_calls (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  meeting_id uuid not null references meetings on delete cascade,
  meeting_version bigint not null,
  part int not null,
  parts int not null,
  try int not null,
  kind text not null,
  endpoint text not null,
  name text not null,
  -- Of the request, keyed by the meeting's key.
  request_digest text not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cost bigint not null,
  latency_ms bigint not null default 0,
  outcome text not null default 'attempted',
  status int not null default 0,
  audit_id bigint not null,
  begun_at timestamptz not null default now(),
  ended_at timestamptz
);

create index model_calls_used on model_calls (organization_id, begun_at);
create index model_calls_by_meeting on model_calls (meeting_id);

-- What a model made of one version of a meeting, or why it was not heard.
create table model_answers (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  meeting_id uuid not null references meetings on delete cascade,
  meeting_version bigint not null,
  outcome text not null,
  parts int not null,
  heard int not null,
  -- With the meeting's key.
  sealed bytea,
  made_at timestamptz not null default now(),
  unique (meeting_id, meeting_version)
);
