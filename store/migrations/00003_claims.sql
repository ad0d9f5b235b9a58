-- +goose Up

-- The domain of a new company is claimed once per HubSpot account, whichever
-- organization wants it: HubSpot does not keep domains unique. Its keyed hash is
-- therefore made with the installation's key. Other natural keys stay hashed with
-- their organization's key, and so never meet another organization's.
alter table write_claims
  drop constraint write_claims_pkey,
  add primary key (hub_id, object_type, natural_key_mac),
  -- Of a contact: the keyed hash of its address's domain, as a company has it.
  -- HubSpot accounts may make a company from a new contact's address.
  add column domain_mac bytea;

create index write_claims_by_domain on write_claims (hub_id, domain_mac) where domain_mac is not null;
