package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/vault"
)

// CRMRecord names a record of a HubSpot account as an organization sees it. It is
// what the workflow of CRM events is about.
type CRMRecord struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	HubID          int64     `json:"hub_id"`
	// Object is a name as tools have it ("contact"), or else HubSpot's type ID.
	Object string `json:"object"`
	ID     string `json:"id"`
}

// CRMEventState is how far an event has come.
type CRMEventState string

// The states of a CRM event.
const (
	CRMEventReceived CRMEventState = "received"
	CRMEventDone     CRMEventState = "done"
	// CRMEventEcho: Debrief did that itself.
	CRMEventEcho CRMEventState = "echo"
)

// CRMEvent is one event as it is listed: no values.
type CRMEvent struct {
	ID           uuid.UUID     `json:"id"`
	Record       CRMRecord     `json:"record"`
	Kind         string        `json:"kind"`
	Property     string        `json:"property,omitempty"`
	MergedIDs    []string      `json:"merged_ids,omitempty"`
	ChangeSource string        `json:"change_source,omitempty"`
	OccurredAt   time.Time     `json:"occurred_at"`
	ReceivedAt   time.Time     `json:"received_at"`
	State        CRMEventState `json:"state"`
	// Outcome says what became of it, in IDs and counts.
	Outcome string `json:"outcome,omitempty"`

	sealed []byte
}

func crmValuePlace(id uuid.UUID) string { return "crm_events.sealed_value:" + id.String() }

// objectNames are the type IDs of what tools have names for.
var objectNames = map[string]string{"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-27": "task", "0-46": "note", "0-47": "meeting"}

// crmRecordOf returns what an event is about; of a merge, the record that is left.
func crmRecordOf(e hubspot.WebhookEvent) (object, id string) {
	object = e.ObjectTypeID
	if name, known := objectNames[object]; known {
		object = name
	}
	if object == "" {
		object, _, _ = strings.Cut(e.Type, ".")
	}
	switch e.Kind {
	case hubspot.EventMerge:
		for _, id := range []string{e.NewObjectID, e.PrimaryObjectID, e.ObjectID} {
			if id != "" {
				return object, id
			}
		}
	case hubspot.EventAssociationChange:
		return object, e.FromObjectID
	}
	return object, e.ObjectID
}

// consequences are the kinds that something may wait for. The others are only
// kept: what is linked in HubSpot is read when it is planned with.
var consequences = map[string]bool{
	hubspot.EventCreation: true, hubspot.EventDeletion: true, hubspot.EventRestore: true, hubspot.EventMerge: true,
	hubspot.EventPropertyChange: true, hubspot.EventPrivacyDeletion: true,
}

// UnderstoodCRM puts the events of a delivery of HubSpot's where each organization
// that has a connection to their account finds them, and settles the delivery, in
// one transaction. Each event is kept once for all its deliveries. A source of one
// organization brings events to that one alone. Events of an account that nobody
// connected leave the delivery unrouted, with its body, until somebody does; else
// the body is dropped, since its values would outlive the people that they are of.
// It says how many events wait for their workflow.
func (s *Store) UnderstoodCRM(ctx context.Context, deliveryID uuid.UUID, events []hubspot.WebhookEvent) (waiting int, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		waiting = 0
		var state DeliveryState
		var only *uuid.UUID
		err := tx.QueryRow(ctx, `
			select d.state, s.organization_id from deliveries d join sources s on s.id = d.source_id where d.id = $1 for update of d`, deliveryID).Scan(&state, &only)
		if err := notFound(err, "reading the delivery"); err != nil {
			return err
		}
		if state != DeliveryReceived {
			return nil
		}
		routes, err := s.crmRoutes(ctx, tx, events, only)
		if err != nil {
			return err
		}
		unrouted := 0
		organizations := map[uuid.UUID]bool{}
		var touched touchedRecords
		for _, e := range events {
			to := routes[e.HubID]
			if len(to) == 0 {
				unrouted++
			}
			for _, r := range to {
				organizations[r.organization] = true
				waits, err := s.insertCRMEvent(ctx, tx, r, crmByWebhook, e)
				if err != nil {
					return err
				}
				touched.add(r.organization, e)
				if waits {
					waiting++
				}
			}
		}
		if err := touched.mark(ctx, tx); err != nil {
			return err
		}
		var owner *uuid.UUID
		for id := range organizations {
			owner = &id
		}
		if len(organizations) != 1 {
			owner = only
		}
		verdict, reason := DeliveryUnderstood, ""
		if unrouted > 0 {
			verdict, reason = DeliveryUnrouted, fmt.Sprintf("%d of %d events are of HubSpot accounts that nobody connected", unrouted, len(events))
		}
		_, err = tx.Exec(ctx, `
			update deliveries set state = $2::text, reason = $3, organization_id = coalesce($4, organization_id), understood_at = now(),
			  sealed_body = case when $2::text = 'understood' then null else sealed_body end,
			  body_key = case when $2::text = 'understood' then null else body_key end
			where id = $1`, deliveryID, string(verdict), reason, owner)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("understanding delivery %s: %w", deliveryID, err)
	}
	return waiting, nil
}

type crmRoute struct {
	organization uuid.UUID
	key          *vault.DataKey
}

// crmRoutes are the organizations that have a connection to each account, whatever
// its state: what HubSpot tells of an account counts also while it is paused.
func (s *Store) crmRoutes(ctx context.Context, tx pgx.Tx, events []hubspot.WebhookEvent, only *uuid.UUID) (map[int64][]crmRoute, error) {
	hubs := make([]int64, 0, len(events))
	for _, e := range events {
		hubs = append(hubs, e.HubID)
	}
	rows, err := tx.Query(ctx, `
		select distinct c.hub_id, o.id, o.data_key_id from connections c join organizations o on o.id = c.organization_id
		where c.hub_id = any($1) and c.hub_id <> 0 and ($2::uuid is null or o.id = $2) order by 1, 2`, hubs, only)
	if err != nil {
		return nil, fmt.Errorf("routing by account: %w", err)
	}
	type row struct {
		hub     int64
		org, by uuid.UUID
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var out row
		err := r.Scan(&out.hub, &out.org, &out.by)
		return out, err
	})
	if err != nil {
		return nil, fmt.Errorf("routing by account: %w", err)
	}
	routes := map[int64][]crmRoute{}
	for _, f := range found {
		key, err := s.dataKey(ctx, tx, &f.by)
		if err != nil {
			return nil, err
		}
		routes[f.hub] = append(routes[f.hub], crmRoute{f.org, key})
	}
	return routes, nil
}

// insertCRMEvent keeps an event for an organization, unless it is there, and says
// whether it waits for its workflow.
func (s *Store) insertCRMEvent(ctx context.Context, tx pgx.Tx, r crmRoute, origin crmOrigin, e hubspot.WebhookEvent) (bool, error) {
	id := newID()
	object, record := crmRecordOf(e)
	var sealed []byte
	var err error
	// What was said stands under the key of its meeting, and nowhere else.
	words := e.PropertyName == "hs_internal_meeting_notes" || e.PropertyName == "hs_meeting_body"
	if e.Kind == hubspot.EventPropertyChange && !words {
		if sealed, err = r.key.Seal([]byte(e.PropertyValue), crmValuePlace(id)); err != nil {
			return false, err
		}
	}
	state, outcome := CRMEventReceived, ""
	if why, err := whyNothingWaits(ctx, tx, e.Kind, CRMRecord{OrganizationID: r.organization, HubID: e.HubID, Object: bounded(object), ID: bounded(record)}); err != nil {
		return false, err
	} else if why != "" {
		state, outcome = CRMEventDone, why
	}
	merged := []string{}
	if e.Kind == hubspot.EventMerge {
		for _, gone := range append([]string{e.PrimaryObjectID}, e.MergedObjectIDs...) {
			if gone != "" && gone != record {
				merged = append(merged, gone)
			}
		}
	}
	occurred := e.OccurredAt
	if occurred.IsZero() {
		occurred = time.Now()
	}
	if stands, err := s.toldOtherwise(ctx, tx, r, origin, e, merged); err != nil || stands {
		return false, err
	}
	name := []byte(e.Key())
	if e.Kind == hubspot.EventPropertyChange {
		// Of two changes in the moment that HubSpot's clock shows, each counts.
		name = append(name, r.key.MAC([]byte(e.PropertyValue))...)
	}
	sum := sha256.Sum256(name)
	tag, err := tx.Exec(ctx, `
		insert into crm_events (id, organization_id, hub_id, app_id, event_key, kind, object_type, object_id, property, sealed_value, merged_ids,
		                        change_source, occurred_at, state, outcome, settled_at, origin)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text, $15, case when $14::text = 'received' then null else now() end, $16)
		on conflict (organization_id, hub_id, event_key) do nothing`,
		id, r.organization, e.HubID, e.AppID, hex.EncodeToString(sum[:]), bounded(e.Kind), bounded(object), bounded(record), bounded(e.PropertyName), sealed, merged,
		bounded(e.ChangeSource), occurred, string(state), outcome, string(origin))
	if err != nil {
		return false, fmt.Errorf("keeping an event of HubSpot's: %w", err)
	}
	return tag.RowsAffected() == 1 && state == CRMEventReceived, nil
}

// whyNothingWaits says why no workflow is begun for such an event of a record; empty
// if one is.
func whyNothingWaits(ctx context.Context, q querier, kind string, r CRMRecord) (string, error) {
	if r.ID == "" {
		return "nothing waits for such an event", nil
	}
	if r.Object == "meeting" {
		// It is read, whatever happened to it: its attendees are links.
		if followed, err := meetingsFollowed(ctx, q, r.OrganizationID); err != nil || followed {
			return "", err
		}
	}
	switch {
	case !consequences[kind]:
		return "nothing waits for such an event", nil
	case kind == hubspot.EventCreation:
		// An import makes thousands: no workflow for what nobody waits for.
		if waited, err := isWaitedFor(ctx, q, r); err != nil || waited {
			return "", err
		}
		return "nobody is asked whether to create such a record", nil
	}
	return "", nil
}

// bounded keeps what a sender named fit for an index and a page.
func bounded(name string) string {
	name = strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "")
	if len(name) > 128 {
		return strings.ToValidUTF8(name[:128], "")
	}
	return name
}

// ClaimCRMRecords takes up to limit records with events that wait and are due. A
// claim lasts half a minute: who has not told the workflow by then, or died,
// loses it to the next.
func (s *Store) ClaimCRMRecords(ctx context.Context, limit int) ([]CRMRecord, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
		  select id from crm_events where state = 'received' and next_attempt_at <= now()
		  order by next_attempt_at limit $1 for update skip locked),
		claimed as (
		  update crm_events e set attempts = e.attempts + 1, next_attempt_at = now() + interval '30 seconds'
		  from due where e.id = due.id returning e.organization_id, e.hub_id, e.object_type, e.object_id)
		select distinct organization_id, hub_id, object_type, object_id from claimed`, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming events of HubSpot's: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (CRMRecord, error) {
		var r CRMRecord
		err := row.Scan(&r.OrganizationID, &r.HubID, &r.Object, &r.ID)
		return r, err
	})
}

// TellCRMRecord says that the workflow of the record knows of its events. Should
// it not settle them, it is told again after a quarter of an hour.
func (s *Store) TellCRMRecord(ctx context.Context, r CRMRecord) error {
	_, err := s.pool.Exec(ctx, `
		update crm_events set next_attempt_at = greatest(next_attempt_at, now() + interval '15 minutes')
		where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4 and state = 'received' and attempts > 0`,
		r.OrganizationID, r.HubID, r.Object, r.ID)
	if err != nil {
		return fmt.Errorf("settling a claim of events of HubSpot's: %w", err)
	}
	return nil
}

const selectCRMEvent = `
	select id, organization_id, hub_id, object_type, object_id, kind, property, merged_ids, change_source, occurred_at, received_at, state, outcome, sealed_value
	from crm_events`

func scanCRMEvent(row pgx.CollectableRow) (CRMEvent, error) {
	var e CRMEvent
	err := row.Scan(&e.ID, &e.Record.OrganizationID, &e.Record.HubID, &e.Record.Object, &e.Record.ID, &e.Kind, &e.Property, &e.MergedIDs, &e.ChangeSource,
		&e.OccurredAt, &e.ReceivedAt, &e.State, &e.Outcome, &e.sealed)
	return e, err
}

// CRMEvents lists an organization's events, the latest received first.
func (s *Store) CRMEvents(ctx context.Context, organizationID uuid.UUID, limit int) ([]CRMEvent, error) {
	rows, err := s.pool.Query(ctx, selectCRMEvent+` where organization_id = $1 order by received_at desc, id desc limit $2`, organizationID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing events of HubSpot's: %w", err)
	}
	return pgx.CollectRows(rows, scanCRMEvent)
}

// crmValue is what a property became, or ok false if that was erased.
func (s *Store) crmValue(key *vault.DataKey, e CRMEvent) (value string, ok bool, err error) {
	if e.sealed == nil {
		return "", false, nil
	}
	raw, err := key.Open(e.sealed, crmValuePlace(e.ID))
	if err != nil {
		return "", false, fmt.Errorf("opening the value of event %s: %w", e.ID, err)
	}
	return string(raw), true, nil
}

// reroute has what HubSpot sent of accounts that nobody had connected looked at
// again. It is called when a connection is made.
func reroute(ctx context.Context, q querier) error {
	_, err := q.Exec(ctx, `
		update deliveries d set state = 'received', reason = '', attempts = 0, next_attempt_at = now()
		from sources s where s.id = d.source_id and s.platform = 'hubspot' and d.state = 'unrouted'`)
	if err != nil {
		return fmt.Errorf("routing HubSpot's events again: %w", err)
	}
	return nil
}

// organizationKey is the key of what belongs to an organization and no meeting.
func (s *Store) organizationKey(ctx context.Context, q querier, organizationID uuid.UUID) (*vault.DataKey, error) {
	var id *uuid.UUID
	if err := q.QueryRow(ctx, `select data_key_id from organizations where id = $1`, organizationID).Scan(&id); err != nil {
		return nil, notFound(err, "reading the organization")
	}
	key, err := s.dataKey(ctx, q, id)
	if errors.Is(err, ErrErased) {
		return nil, fmt.Errorf("the organization's key is gone: %w", err)
	}
	return key, err
}
