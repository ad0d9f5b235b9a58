-- +goose Up

-- How somebody wants to be told: time zone, quiet hours, digest. What is not there
-- is as the organization says.
alter table people add column notify jsonb not null default '{}';

-- An organization's app in its Slack workspace.
create table slack_apps (
  organization_id uuid primary key references organizations on delete cascade,
  -- Slack's names of the workspace, of the app, and of the app's own user.
  team_id text not null,
  team_name text not null,
  app_id text not null,
  bot_user_id text not null,
  sealed_bot_token bytea not null,
  sealed_signing_secret bytea not null,
  -- Where meetings are announced by title and link; empty: nowhere.
  channel_id text not null default '',
  channel_name text not null default '',
  -- Why Slack does not accept the app, in words for people; empty if it does.
  problem text not null default '',
  -- Slack wants to be left alone until then.
  paused_until timestamptz not null default now(),
  -- When somebody's click was last verified with the signing secret.
  verified_at timestamptz,
  connected_at timestamptz not null default now(),
  unique (team_id, app_id)
);

-- The one message about a meeting that a person, or the channel (no person), gets.
-- It is edited when the card changes. Its ID is the marker by which it is found in
-- Slack if nobody knows any more whether it was posted.
create table slack_messages (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  meeting_id uuid not null references meetings on delete cascade,
  person_id uuid,
  -- Slack's names of the conversation and of the message in it; empty before it
  -- is known to be posted.
  channel_id text not null default '',
  ts text not null default '',
  -- When it was last sent without an answer that says what became of it.
  posting_since timestamptz,
  -- What it shows.
  shown_hash bytea,
  -- How often the card has changed, and up to where the message shows it.
  changes bigint not null default 1,
  shown_changes bigint not null default 0,
  -- Each claim has a number, by which who lost it is told from who has it.
  claims bigint not null default 0,
  claimed_until timestamptz not null default now(),
  -- Why nobody edits it any more; empty while it is.
  closed text not null default '',
  created_at timestamptz not null default now(),
  unique nulls not distinct (meeting_id, person_id),
  foreign key (organization_id, person_id) references people (organization_id, id) on delete cascade
);
create index slack_messages_due on slack_messages (claimed_until)
  where changes > shown_changes and ts <> '' and closed = '';

-- Whatever changes a question or an action, in whatever way, makes the messages
-- about it out of date, in the same transaction.
-- +goose StatementBegin
create function slack_messages_changed() returns trigger language plpgsql as $$
begin
  case tg_table_name
    when 'approvals' then
      update slack_messages set changes = changes + 1
      where meeting_id = (select origin_id from actions where id = new.action_id);
    when 'actions' then
      update slack_messages set changes = changes + 1 where meeting_id = new.origin_id;
    when 'meetings' then
      update slack_messages set changes = changes + 1 where meeting_id = new.id;
  end case;
  return null;
end $$;
-- +goose StatementEnd
create trigger slack_messages_asked after insert on approvals
  for each row execute function slack_messages_changed();
create trigger slack_messages_answered after update of state on approvals
  for each row when (old.state is distinct from new.state) execute function slack_messages_changed();
create trigger slack_messages_acted after update of state on actions
  for each row when (old.state is distinct from new.state) execute function slack_messages_changed();
-- The words go from Slack, too, and so does what is left of one that became
-- another.
create trigger slack_messages_erased after update of erased_at, merged_into on meetings
  for each row when (old.erased_at is distinct from new.erased_at or old.merged_into is distinct from new.merged_into)
  execute function slack_messages_changed();
