-- +goose Up

-- The records of the CRM that a follow-up knows, in its connection's account: by them
-- it is found when something happens to one.
create table follow_up_records (
  meeting_id uuid not null references follow_ups on delete cascade,
  organization_id uuid not null,
  object_type text not null,
  record_id text not null,
  -- What its latest plan changes or links. Of what was only read, a closed follow-up
  -- keeps nothing.
  planned boolean not null default false,
  -- HubSpot told that it was created. The search index may not have it yet, so the
  -- next plan reads it by its ID.
  told boolean not null default false,
  primary key (meeting_id, object_type, record_id)
);
create index follow_up_records_by_record on follow_up_records (organization_id, record_id, object_type);

-- Planned by an earlier version: its records are not listed above.
alter table follow_ups add column records_listed boolean not null default false;
create index follow_ups_not_listed on follow_ups (organization_id) where state = 'open' and not records_listed;

create index actions_waiting_by_target on actions (organization_id, target_id) where state in ('asking', 'ready') and target_id <> '';
create index actions_created on actions (organization_id, record_id) where operation = 'create' and record_id <> '';

-- The keyed hash of what a record would be recognized by that an action wants to
-- create: a contact's address, a company's domain, a name. Under the organization's key.
alter table actions add column likeness_mac bytea;
create index actions_waiting_creates on actions (organization_id, object_type, likeness_mac) where state in ('asking', 'ready') and operation = 'create';


-- Follow-ups whose histories at Temporal were written before a person was struck out
-- of their meeting. They are deleted there: the meeting's key goes on opening them.
create table erased_histories (
  meeting_id uuid primary key,
  organization_id uuid not null references organizations on delete cascade,
  erasure_id uuid not null references erasures on delete cascade,
  since timestamptz not null default now()
);
create index erased_histories_by_erasure on erased_histories (erasure_id);
