-- +goose Up

-- Whoever may see less than before has their messages in Slack written anew.
create index slack_messages_of on slack_messages (person_id);
-- +goose StatementBegin
create function slack_reader_changed() returns trigger language plpgsql as $$
declare
  readers uuid[];
begin
  case tg_table_name
    when 'people' then readers := array[old.id];
    when 'person_identities' then readers := array[old.person_id];
    when 'approval_delegations' then readers := array[old.to_person_id];
    else readers := array(select id::uuid from jsonb_array_elements_text(old.settings->'approvals'->'approvers') id);
  end case;
  update slack_messages set changes = changes + 1
  where person_id in (select coalesce(merged_into, id) from people where id = any(readers));
  return null;
end $$;
-- +goose StatementEnd
create trigger slack_reader_changed after update of role, deactivated_at on people
  for each row when (old.role is distinct from new.role or old.deactivated_at is distinct from new.deactivated_at)
  execute function slack_reader_changed();
create trigger slack_reader_changed after delete on person_identities
  for each row when (old.kind in ('email', 'hubspot_owner')) execute function slack_reader_changed();
create trigger slack_reader_changed after delete or update of to_person_id, until on approval_delegations
  for each row execute function slack_reader_changed();
create trigger slack_reader_changed after update of settings on organizations
  for each row when (jsonb_typeof(old.settings->'approvals'->'approvers') = 'array'
    and old.settings->'approvals'->'approvers' is distinct from new.settings->'approvals'->'approvers')
  execute function slack_reader_changed();
-- Who hosted a meeting and who attended it may turn out to be others.
create trigger slack_messages_seen after update of version, host_person_id on meetings
  for each row when (old.version is distinct from new.version or old.host_person_id is distinct from new.host_person_id)
  execute function slack_messages_changed();
