-- +goose Up

-- An undo is planned in the follow-up's workflow, as rounds are: how often one was
-- asked for, and the latest that was planned.
alter table follow_ups add column undo_requested int not null default 0;
alter table follow_ups add column undo_planned int not null default 0;
alter table follow_ups add column undo_requested_at timestamptz;
alter table follow_ups add column undo_requested_by text not null default '';

-- Who sends wakeups hears of them when their transaction commits.
-- +goose StatementBegin
create function announce_wakeups() returns trigger language plpgsql as $$
begin
  perform pg_notify('debrief_wakeups', '');
  return null;
end $$;
-- +goose StatementEnd
create trigger wakeups_announced after insert on wakeups for each statement execute function announce_wakeups();
