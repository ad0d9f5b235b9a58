-- +goose Up

alter table approvals drop constraint approvals_kind_check;
alter table approvals add constraint approvals_kind_check check (kind in ('permission', 'outcome', 'choice', 'read'));
alter table approvals
  -- Who owned the record in HubSpot when it was asked, as people's identities name
  -- owners ("account:ID"); empty if nobody.
  add column record_owner text not null default '',
  -- How many reminders have been given: 1 after a while, 2 before the deadline.
  add column reminded smallint not null default 0,
  -- Since when admins and approvers are asked, since nobody had answered.
  add column escalated_at timestamptz;

-- What each person said to a question, also where more than one has to approve.
create table approval_votes (
  approval_id uuid not null references approvals on delete cascade,
  -- The person's ID; of whom no person is known, the part of Debrief: "operator".
  voter text not null,
  person_id uuid references people on delete set null,
  verdict text not null check (verdict in ('approve', 'edit', 'reject')),
  via text not null,
  at timestamptz not null default now(),
  primary key (approval_id, voter)
);

-- Who asked for the latest undo; null: the operator.
alter table follow_ups add column undo_requested_by_id uuid references people on delete set null;

-- Who answers in the place of whom, until when. One person has one delegate.
create table approval_delegations (
  organization_id uuid not null references organizations on delete cascade,
  from_person_id uuid not null,
  to_person_id uuid not null,
  until timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, from_person_id),
  foreign key (organization_id, from_person_id) references people (organization_id, id) on delete cascade,
  foreign key (organization_id, to_person_id) references people (organization_id, id) on delete cascade,
  constraint approval_delegations_to_another check (from_person_id <> to_person_id)
);
create index approval_delegations_to on approval_delegations (to_person_id);
