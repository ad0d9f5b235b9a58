-- +goose Up

-- A vote that is not the last one changes nothing but itself: who has the page open
-- is told as of any other change.
-- +goose StatementBegin
create function announce_vote() returns trigger language plpgsql as $$
declare
  question record;
begin
  select p.organization_id, a.origin_id as meeting into question from approvals p join actions a on a.id = p.action_id where p.id = new.approval_id;
  if exists (select from watched where organization_id = question.organization_id and until > now()) then
    perform pg_notify('debrief_changes', question.organization_id || ' ' || question.meeting);
  end if;
  return null;
end $$;
-- +goose StatementEnd

create trigger approval_votes_announce after insert on approval_votes for each row execute function announce_vote();
