-- +goose Up

alter table people
  -- Who takes over what is open when this person is deactivated.
  add column stand_in_id uuid,
  -- Set when this one turned out to be somebody who was there already. The row
  -- stays, deactivated, so that the trail's IDs keep their meaning.
  add column merged_into uuid,
  -- HubSpot accounts that were asked and have no owner with this person's address.
  add column ownerless_in bigint[] not null default '{}',
  add constraint people_stand_in_is_another check (stand_in_id <> id),
  add constraint people_stand_in foreign key (organization_id, stand_in_id)
    references people (organization_id, id) on delete set null (stand_in_id),
  add constraint people_merged foreign key (organization_id, merged_into) references people (organization_id, id) on delete cascade,
  add constraint people_merged_is_deactivated check (merged_into is null or deactivated_at is not null);

-- Values are of the system that uses them: sign_in is "issuer|subject",
-- hubspot_user and hubspot_owner are "account:ID".
alter table person_identities
  -- Of a HubSpot owner: deactivated there.
  add column archived boolean not null default false,
  -- When the system last confirmed it; null for what an admin wrote.
  add column seen_at timestamptz;

-- Who answers for what a person has open: the person; once deactivated their
-- stand-in; and where there is none (or he is deactivated himself) every admin.
create view responsible_people as
select p.organization_id, p.id as person_id, r.id as responsible_id
from people p
join people r on r.organization_id = p.organization_id and r.deactivated_at is null
 and case
   when p.deactivated_at is null then r.id = p.id
   when exists (select from people s where s.id = p.stand_in_id and s.deactivated_at is null) then r.id = p.stand_in_id
   else r.role = 'admin' end;

-- Where an organization's people sign in (OpenID Connect).
create table identity_providers (
  organization_id uuid primary key references organizations on delete cascade,
  issuer text not null,
  client_id text not null,
  sealed_client_secret bytea not null,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);

-- A browser that went to its provider: the hashes of what it has to come back
-- with. The nonce and PKCE's verifier are derived from those and stored nowhere.
create table sign_in_attempts (
  state_hash bytea primary key,
  browser_hash bytea not null,
  organization_id uuid not null references organizations on delete cascade,
  -- A path of our own.
  return_to text not null,
  expires_at timestamptz not null,
  used_at timestamptz
);

alter table audit drop constraint audit_kind_check;
alter table audit add constraint audit_kind_check
  check (kind in ('call', 'decision', 'permission', 'connection', 'source', 'visibility', 'organization', 'person'));
