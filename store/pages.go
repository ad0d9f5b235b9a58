package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DeliveryKey is where a page of deliveries ends: what was received before it
// comes next. The zero key is the newest end.
type DeliveryKey struct {
	ReceivedAt time.Time
	ID         uuid.UUID
}

// String writes a key as [ParseDeliveryKey] reads it; the zero key is empty.
func (k DeliveryKey) String() string {
	if k.ID == uuid.Nil {
		return ""
	}
	return k.ReceivedAt.UTC().Format(time.RFC3339Nano) + "_" + k.ID.String()
}

// ParseDeliveryKey reads a key. An empty text is the zero key.
func ParseDeliveryKey(text string) (DeliveryKey, error) {
	if text == "" {
		return DeliveryKey{}, nil
	}
	at, id, _ := strings.Cut(text, "_")
	var k DeliveryKey
	var err error
	if k.ReceivedAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return DeliveryKey{}, errors.New("this is not a place in the list of deliveries")
	}
	if k.ID, err = uuid.Parse(id); err != nil {
		return DeliveryKey{}, errors.New("this is not a place in the list of deliveries")
	}
	return k, nil
}

// DeliverySearch selects deliveries of one organization; with the zero ID, those
// that belong to none, since nobody connected the sender's account. Other zero
// fields select all.
type DeliverySearch struct {
	OrganizationID uuid.UUID
	SourceID       uuid.UUID
	MeetingID      uuid.UUID
	State          DeliveryState
	// From and Until bound when it was received: not before From, before Until.
	From, Until time.Time
	// Before pages back.
	Before DeliveryKey
	// Limit bounds the page; 0 means 50, at most 1,000.
	Limit int
}

// FoundDelivery is a delivery as it is listed.
type FoundDelivery struct {
	Delivery
	// Source is the source's name.
	Source string `json:"source"`
	// Starts are when its meetings start, in the order of MeetingIDs; nil where
	// nothing told.
	Starts []*time.Time `json:"starts,omitempty"`
}

// Key is the delivery's place in the list.
func (d FoundDelivery) Key() DeliveryKey { return DeliveryKey{d.ReceivedAt, d.ID} }

// foundDelivery reads deliveries with their meetings, each as what it is now.
const foundDelivery = `
	select ` + deliveryColumns + `, s.name, coalesce(m.ids, '{}'), coalesce(m.starts, '{}')
	from deliveries d join sources s on s.id = d.source_id
	left join lateral (
	  select array_agg(k.id order by k.id) as ids, array_agg(k.starts_at order by k.id) as starts
	  from meetings k where k.id in (
	    select coalesce(m.merged_into, m.id) from events e join meetings m on m.id = e.meeting_id
    -- One for the whole installation may tell of several organizations' meetings.
    where e.delivery_id = d.id and (d.organization_id is null or e.organization_id = d.organization_id))
	) m on true`

func scanFound(row pgx.Row) (FoundDelivery, error) {
	var f FoundDelivery
	var meetings []uuid.UUID
	var err error
	f.Delivery, err = scanDelivery(row, &f.Source, &meetings, &f.Starts)
	f.MeetingIDs = meetings
	return f, err
}

// SearchDeliveries lists what was received, newest first.
func (s *Store) SearchDeliveries(ctx context.Context, f DeliverySearch) ([]FoundDelivery, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	// A condition on the time beside the one on the row: the index of an
	// organization's deliveries is read by it.
	rows, err := s.pool.Query(ctx, foundDelivery+ofOrganization(f.OrganizationID)+`
		  and ($2::uuid is null or d.source_id = $2)
		  and ($3 = '' or d.state = $3)
		  and ($4::timestamptz is null or d.received_at >= $4) and ($5::timestamptz is null or d.received_at < $5)
		  and ($6::timestamptz is null or d.received_at <= $6) and ($6::timestamptz is null or (d.received_at, d.id) < ($6, $7))
		  and ($8::uuid is null or exists (
		    select from events e join meetings m on m.id = e.meeting_id
		    where e.delivery_id = d.id and (m.id = $8 or m.merged_into = $8)))
		order by d.received_at desc, d.id desc limit $9`,
		nullID(f.OrganizationID), nullID(f.SourceID), string(f.State), nullTime(f.From), nullTime(f.Until),
		nullTime(f.Before.ReceivedAt), f.Before.ID, nullID(f.MeetingID), min(f.Limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("searching deliveries: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (FoundDelivery, error) { return scanFound(row) })
	if err != nil {
		return nil, fmt.Errorf("searching deliveries: %w", err)
	}
	return found, nil
}

// ofOrganization is the condition on $1. "is not distinct from" would say both,
// and no index serves it.
func ofOrganization(id uuid.UUID) string {
	if id == uuid.Nil {
		return ` where d.organization_id is null and $1::uuid is null`
	}
	return ` where d.organization_id = $1::uuid`
}

// DeliveryDetails is one delivery with what it told.
type DeliveryDetails struct {
	FoundDelivery
	Events []DeliveryEvent `json:"events,omitempty"`
	// Versions is how many deliveries of its source have its dedupe key, each with
	// another body: itself and its revisions.
	Versions int `json:"versions"`
	// NextAttemptAt is when a received one is looked at again.
	NextAttemptAt time.Time `json:"next_attempt_at"`
}

// DeliveryEvent is one event that a delivery told of.
type DeliveryEvent struct {
	Type       string     `json:"type"`
	OccurredAt *time.Time `json:"occurred_at,omitempty"`
	MeetingID  uuid.UUID  `json:"meeting_id"`
	StartsAt   *time.Time `json:"starts_at,omitempty"`
}

// DeliveryDetails returns one delivery of an organization, or, with the zero ID,
// of none. It fails with [ErrNotFound] for any other.
func (s *Store) DeliveryDetails(ctx context.Context, organizationID, id uuid.UUID) (DeliveryDetails, error) {
	found, err := scanFound(s.pool.QueryRow(ctx, foundDelivery+ofOrganization(organizationID)+` and d.id = $2`, nullID(organizationID), id))
	if err != nil {
		return DeliveryDetails{}, err
	}
	out := DeliveryDetails{FoundDelivery: found}
	err = s.pool.QueryRow(ctx, `
		select d.next_attempt_at, (select count(*) from deliveries o where o.source_id = d.source_id and o.dedupe_key = d.dedupe_key)
		from deliveries d where d.id = $1`, id).Scan(&out.NextAttemptAt, &out.Versions)
	if err != nil {
		return DeliveryDetails{}, fmt.Errorf("reading delivery %s: %w", id, err)
	}
	rows, err := s.pool.Query(ctx, `
		select e.type, e.occurred_at, k.id, k.starts_at
		from events e join meetings m on m.id = e.meeting_id join meetings k on k.id = coalesce(m.merged_into, m.id)
		where e.delivery_id = $1 and ($2::uuid is null or e.organization_id = $2) order by e.occurred_at nulls last, e.id`, id, nullID(organizationID))
	if err != nil {
		return DeliveryDetails{}, fmt.Errorf("reading the events of delivery %s: %w", id, err)
	}
	out.Events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e DeliveryEvent, err error) {
		err = row.Scan(&e.Type, &e.OccurredAt, &e.MeetingID, &e.StartsAt)
		return e, err
	})
	if err != nil {
		return DeliveryDetails{}, fmt.Errorf("reading the events of delivery %s: %w", id, err)
	}
	return out, nil
}

// AuditRow returns one row of an organization's trail, or [ErrNotFound].
func (s *Store) AuditRow(ctx context.Context, organizationID uuid.UUID, id int64) (AuditEntry, error) {
	rows, err := s.AuditTrail(ctx, organizationID, AuditFilter{ID: id})
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("reading audit row %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return AuditEntry{}, err
	}
	return rows[0], nil
}

// OpenAuditValues returns what stands beside a row of the trail, by property name:
// the values that were written, or how a rule read before and after. It writes
// down that they were looked at and by whom: without that row nothing is returned.
// It fails with [ErrNotFound] if there is none of the organization or nothing
// beside it, and with [ErrErased] if that was erased. It checks nobody's right to
// see them.
func (s *Store) OpenAuditValues(ctx context.Context, organizationID uuid.UUID, id int64, actor Actor) (map[string]string, error) {
	var values map[string]string
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var origin Origin
		var originID, keyID *uuid.UUID
		var sealed []byte
		err := tx.QueryRow(ctx, `
			select a.origin_kind, a.origin_id, d.data_key_id, d.sealed from audit a join audit_details d on d.audit_id = a.id
			where a.organization_id = $1 and a.id = $2`, organizationID, id).Scan(&origin.Kind, &originID, &keyID, &sealed)
		if err != nil {
			return notFound(err, "reading them")
		}
		if originID != nil {
			origin.ID = *originID
		}
		if sealed == nil {
			return ErrErased
		}
		key, err := s.dataKey(ctx, tx, keyID)
		if err != nil {
			return err
		}
		if err := openJSON(key, sealed, &values, auditDetailsPlace(id)); err != nil {
			return err
		}
		return s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditVisibility, Actor: actor, Origin: origin, Reason: fmt.Sprintf("values of row %d of the trail shown", id),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("opening the values of audit row %d: %w", id, err)
	}
	return values, nil
}

// SetPersonLanguage sets the language of what a person reads, by its BCP 47 tag.
// It fails with [ErrNotFound] if nobody of the organization is that person.
func (s *Store) SetPersonLanguage(ctx context.Context, organizationID, personID uuid.UUID, language string) error {
	tag, err := s.pool.Exec(ctx, `update people set language = $3 where organization_id = $1 and id = $2`, organizationID, personID, language)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("setting the language of person %s: %w", personID, err)
	}
	return nil
}
