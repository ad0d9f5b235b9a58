-- +goose Up

-- What a source needs to use its platform's API: a JSON object of named fields,
-- sealed by the vault. credentials_at says which ones they are: those of another
-- time are others.
alter table sources
  add column sealed_credentials bytea,
  add column credentials_at timestamptz,
  -- Since when the platform refuses them, when it was last asked, and in what words.
  add column api_refused_at timestamptz,
  add column api_asked_at timestamptz,
  add column api_problem text not null default '',
  -- When the next call may be made, of all that the fleet makes.
  add column api_next_at timestamptz not null default '-infinity';

-- A delivery that only names something waits in state 'fetching' for what the
-- platform's API answers about it; that is sealed with the key of its body.
-- next_attempt_at is then when its workflow has to be told to look.
alter table deliveries
  add column sealed_fetched bytea,
  add column fetched_at timestamptz,
  drop constraint deliveries_state_check,
  add constraint deliveries_state_check
    check (state in ('received', 'fetching', 'understood', 'unprocessable', 'excluded', 'unrouted'));
create index deliveries_fetching on deliveries (next_attempt_at) where state = 'fetching';

-- What is in nobody's hands is what may be dropped by age.
drop index deliveries_with_body;
create index deliveries_with_body on deliveries (organization_id, received_at)
  where sealed_body is not null and state not in ('received', 'fetching');
