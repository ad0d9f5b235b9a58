-- +goose Up

-- Who was at a meeting, by keyed hashes of their addresses under the
-- organization's key: so that a person's list finds the meetings that they
-- attended without opening any. Rows go with the meeting's words.
create table meeting_attendees (
  organization_id uuid not null,
  meeting_id uuid not null,
  address_mac bytea not null,
  primary key (meeting_id, address_mac),
  foreign key (organization_id, meeting_id) references meetings (organization_id, id) on delete cascade
);
create index meeting_attendees_by_address on meeting_attendees (organization_id, address_mac);

create index meetings_by_time on meetings (organization_id, (coalesce(starts_at, created_at)) desc, id desc) where merged_into is null;

-- Which organizations somebody has a page open of. Only their changes are
-- announced: a transaction that announces holds a lock while it commits that all
-- others who announce wait for. Lost on a crash; pages watch again by themselves.
create unlogged table watched (
  organization_id uuid primary key references organizations on delete cascade,
  until timestamptz not null
);

-- Announces "organization meeting" when the transaction commits, once for each
-- meeting however many rows of it changed. IDs only.
-- +goose StatementBegin
create function announce_change() returns trigger language plpgsql as $$
declare
  meeting uuid;
begin
  if not exists (select from watched where organization_id = new.organization_id and until > now()) then
    return null;
  end if;
  case tg_table_name
    when 'actions' then meeting := new.origin_id;
    when 'approvals' then select origin_id into meeting from actions where id = new.action_id;
    when 'follow_ups' then meeting := new.meeting_id;
    else meeting := new.id;
  end case;
  perform pg_notify('debrief_changes', new.organization_id || ' ' || meeting);
  return null;
end $$;
-- +goose StatementEnd

create trigger actions_announce after insert or update of state, sealed on actions for each row execute function announce_change();
create trigger approvals_announce after insert or update on approvals for each row execute function announce_change();
create trigger follow_ups_announce after update of state, paused_since, paused_reason on follow_ups for each row execute function announce_change();
create trigger meetings_announce after insert or update of version, erased_at, merged_into, host_person_id on meetings for each row execute function announce_change();
