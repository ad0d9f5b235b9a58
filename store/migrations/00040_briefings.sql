-- +goose Up

-- When and how a person is briefed; what is not in it is as the organization says.
alter table people add column briefing jsonb not null default '{}';

-- Grows with whatever may have changed who has a digest, and when.
alter table organizations add column digests_asked bigint not null default 0;

-- The brief of one meeting for one person, its host.
create table briefings (
  id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  meeting_id uuid not null,
  person_id uuid not null,
  state text not null default 'waiting' check (state in ('waiting', 'ready', 'delivered', 'skipped', 'canceled', 'failed')),
  -- Why it is skipped, canceled or failed.
  reason text not null default '',
  -- As the last look found them.
  starts_at timestamptz,
  due_at timestamptz,
  -- The keyed hash of what matters of the meeting: when, who, under which title.
  seen_mac bytea,
  -- Grows with whatever a new brief would see; composed_changes is how much of that the
  -- last one saw, changed_at since when there is more.
  changes bigint not null default 0,
  composed_changes bigint not null default 0,
  changed_at timestamptz,
  -- The last brief, and the one that the person was told last, under the meeting's key.
  version bigint not null default 0,
  sealed bytea,
  sealed_told bytea,
  composed_at timestamptz,
  -- The last brief was made without the CRM.
  bare boolean not null default false,
  -- The HubSpot account that it was read from.
  hub_id bigint not null default 0,
  -- The version whose notice was queued last; 0: none was.
  queued_version bigint not null default 0,
  first_sent_at timestamptz,
  last_sent_at timestamptz,
  -- By which channel it went, and what that needs to go on in the same thread: IDs.
  channel text not null default '',
  thread jsonb,
  -- Somebody wants it now.
  hurried boolean not null default false,
  -- Its connection is gone (null: all of the organization's are).
  paused_since timestamptz,
  connection_id uuid references connections on delete set null,
  -- asked grows whenever its workflow has to look; told is how much of that Temporal has.
  asked bigint not null default 1,
  told bigint not null default 0,
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  -- When the workflow looks next; infinity: it has ended. Null: it has not looked since
  -- it was asked to.
  look_at timestamptz,
  created_at timestamptz not null default now(),
  unique (meeting_id, person_id),
  foreign key (organization_id, meeting_id) references meetings (organization_id, id) on delete cascade,
  foreign key (organization_id, person_id) references people (organization_id, id) on delete cascade
);
create index briefings_due on briefings (next_attempt_at);
create index briefings_by_person on briefings (organization_id, person_id, starts_at);
create index briefings_by_start on briefings (organization_id, starts_at);
create index briefings_paused on briefings (organization_id) where paused_since is not null;
create index briefings_kept on briefings (starts_at) where sealed is not null or sealed_told is not null;

-- The records that the last brief was made of: by them it is found when something
-- happens to one.
create table briefing_records (
  briefing_id uuid not null references briefings on delete cascade,
  organization_id uuid not null,
  hub_id bigint not null,
  object_type text not null,
  record_id text not null,
  primary key (briefing_id, object_type, record_id)
);
create index briefing_records_by_record on briefing_records (organization_id, record_id, object_type);

create index meetings_to_brief on meetings (organization_id, starts_at) where state in ('scheduled', 'started') and merged_into is null and host_person_id is not null;

-- Meetings that are known already: the first look says whether there is anything to
-- brief somebody on.
insert into briefings (id, organization_id, meeting_id, person_id, starts_at)
select gen_random_uuid(), m.organization_id, m.id, m.host_person_id, m.starts_at
from meetings m join people p on p.id = m.host_person_id
where m.state = 'scheduled' and not m.has_ended and not m.has_notes and m.starts_at > now() and m.merged_into is null and m.erased_at is null
  and m.excluded = '' and p.deactivated_at is null;
