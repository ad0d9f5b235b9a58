-- +goose Up

-- How a delivery came: the platform sent it, or Debrief asked for what it had not
-- sent.
alter table deliveries add column origin text not null default 'webhook' check (origin in ('webhook', 'poll'));

-- Sources that are looked after at their platforms. asked grows whenever something
-- changed that the next look should see, in the transaction that changed it; told is
-- how much of that Temporal has.
create table upkeeps (
  source_id uuid primary key references sources on delete cascade,
  asked bigint not null default 1,
  told bigint not null default 0,
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  -- Grows with each look: one that a newer look has overtaken keeps nothing.
  look bigint not null default 0,
  -- Since when it is looked after; null while it is not.
  begun_at timestamptz,
  -- What the platform's side keeps from look to look, sealed by the vault: tokens,
  -- IDs and times, and nothing that was said.
  sealed_state bytea,
  words text not null default '',
  -- What went wrong at the last look, and at how many in a row.
  problem text not null default '',
  failures int not null default 0,
  looked_at timestamptz,
  next_at timestamptz
);
create index upkeeps_due on upkeeps (next_attempt_at);
insert into upkeeps (source_id) select id from sources;
