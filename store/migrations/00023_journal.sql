-- +goose Up

-- HubSpot's journal tells what webhooks tell, too, and keeps it for three days. An
-- event is one event whoever tells it: the key no longer names app and subscription.
alter table crm_events
  add column origin text not null default 'webhook' check (origin in ('webhook', 'journal')),
  drop constraint crm_events_organization_id_hub_id_app_id_event_key_key;
delete from crm_events e using crm_events o
where o.organization_id = e.organization_id and o.hub_id = e.hub_id and o.event_key = e.event_key and o.id < e.id;
alter table crm_events add unique (organization_id, hub_id, event_key);

-- When the entry at journal_offset was published, and when the journal was last
-- read to its end: HubSpot forgets, and what it forgot unread is missing.
alter table apps
  add column journal_offset_at timestamptz,
  add column journal_read_at timestamptz;

-- When the app last asked the journal to tell of the account's records, and what it
-- does not tell of them.
alter table connections
  add column journal_subscribed_at timestamptz,
  add column journal_problem text not null default '';
