-- +goose Up

-- What the limiter of each HubSpot account knows, shared by all processes.
-- Unlogged: it changes with every call and is worth seconds. After a crash of
-- PostgreSQL the lanes are empty, everybody queues anew, and HubSpot's own 429
-- says what is too much.

-- A lane is a share of one of HubSpot's limits: "people" is for what a human
-- waits for, "general" for everything else.
create unlogged table limit_lanes (
  hub_id bigint not null,
  -- HubSpot counts bursts for each app apart. Searches it counts for the whole
  -- account: there the app is the zero ID.
  app_id uuid not null,
  bucket text not null check (bucket in ('burst', 'search', 'association')),
  lane text not null check (lane in ('general', 'people')),
  -- HubSpot's limit, of which the lane has its share: so many calls a window.
  allowed int not null check (allowed > 0),
  window_ms bigint not null check (window_ms > 0),
  -- The last calls that were let through, oldest first, at most as many as the
  -- lane has in one window.
  taken timestamptz[] not null default '{}',
  -- The next turn for somebody new, and for those whose turn came in vain.
  next_at timestamptz not null default 'epoch',
  again_at timestamptz not null default 'epoch',
  -- HubSpot said that nothing passes before this.
  blocked_until timestamptz not null default 'epoch',
  -- How far all turns have been put off, ever.
  slipped_us bigint not null default 0,
  primary key (hub_id, app_id, bucket, lane)
);

-- Who waits, and until when. To a first turn, what the lane has slipped is to be
-- added.
create unlogged table limit_waits (
  holder text not null,
  hub_id bigint not null,
  app_id uuid not null,
  bucket text not null,
  lane text not null,
  at timestamptz not null,
  again boolean not null,
  created_at timestamptz not null default now(),
  primary key (holder, hub_id)
);
create index limit_waits_by_age on limit_waits (created_at);

-- The daily sum of an account, where HubSpot's answers show one.
create unlogged table limit_days (
  hub_id bigint primary key,
  -- HubSpot's, for all apps together; 0 if it never showed one.
  allowed int not null default 0,
  remaining int not null default 0,
  -- Our calls since the day began.
  used int not null default 0,
  -- When the day ends: midnight in the account's time zone.
  ends_at timestamptz not null,
  -- HubSpot said that nothing passes before this.
  blocked_until timestamptz not null default 'epoch'
);
