package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/vault"
)

// DeliveryState is the verdict on a delivery.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryReceived      DeliveryState = "received"      // stored, not understood yet
	DeliveryFetching      DeliveryState = "fetching"      // waits for what the platform's API says about it
	DeliveryUnderstood    DeliveryState = "understood"    // its events stand in their meetings
	DeliveryUnprocessable DeliveryState = "unprocessable" // genuine, but not what Debrief can use
	DeliveryExcluded      DeliveryState = "excluded"      // not wanted: its content was dropped
	DeliveryUnrouted      DeliveryState = "unrouted"      // of an account that nobody connected
)

// DeliveryOrigin is how a delivery came.
type DeliveryOrigin string

// The origins of deliveries.
const (
	OriginWebhook DeliveryOrigin = "webhook" // the platform sent it
	OriginPoll    DeliveryOrigin = "poll"    // Debrief asked for what the platform had not sent
)

// Delivery is one received webhook, without its body: see [Store.Body].
type Delivery struct {
	ID       uuid.UUID `json:"id"`
	SourceID uuid.UUID `json:"source_id"`
	// Platform is the source's.
	Platform string `json:"platform"`
	// OrganizationID is nil for one of an installation's source that is not
	// routed yet.
	OrganizationID *uuid.UUID        `json:"organization_id,omitempty"`
	DedupeKey      string            `json:"dedupe_key"`
	ReceivedAt     time.Time         `json:"received_at"`
	Headers        map[string]string `json:"headers,omitempty"`
	Size           int               `json:"size_bytes"`
	HasBody        bool              `json:"has_body"`
	State          DeliveryState     `json:"state"`
	Reason         string            `json:"reason,omitempty"`
	Attempts       int               `json:"attempts"`
	// Duplicates is how often it came again.
	Duplicates int `json:"duplicates"`
	// Origin is how it came.
	Origin       DeliveryOrigin `json:"origin"`
	UnderstoodAt *time.Time     `json:"understood_at,omitempty"`
	// RedoID is set on a copy that was made to be done as new: see
	// [Store.RedoDelivery].
	RedoID *uuid.UUID `json:"redo_id,omitempty"`
	// FetchedAt is when the platform's API told what it only names.
	FetchedAt *time.Time `json:"fetched_at,omitempty"`
	// MeetingIDs are the meetings that it told of.
	MeetingIDs []uuid.UUID `json:"meeting_ids,omitempty"`
}

// NewDelivery is a webhook whose signature was verified.
type NewDelivery struct {
	Source     Source
	DedupeKey  string // see [Store.InsertDelivery]; at most 512 bytes
	Body       []byte
	Header     http.Header
	ReceivedAt time.Time
	// State and Reason are the verdict, where it is known at once; the zero
	// State means received. An excluded delivery is stored without its body.
	State  DeliveryState
	Reason string
	// Origin is how it came; the zero value means by webhook. What was asked for is
	// stored by [Store.InsertPolled].
	Origin DeliveryOrigin
}

// keptHeaders are the only ones that are stored: what tells deliveries apart and
// helps to understand them. Signatures, authorization and cookies never are.
var keptHeaders = []string{
	"Content-Type", "Content-Encoding", "User-Agent", "Webhook-Id", "Webhook-Timestamp", "Svix-Id", "Svix-Timestamp",
	"X-Zm-Request-Timestamp", "X-Zm-Request-Id", "X-Zm-Trackingid",
}

const maxHeader = 256

func keep(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range keptHeaders {
		v := h.Get(name)
		if v == "" {
			continue
		}
		raw := make([]byte, 0, min(len(v), maxHeader))
		for _, c := range []byte(v) {
			if c >= ' ' && c < 0x7f && len(raw) < maxHeader {
				raw = append(raw, c)
			}
		}
		kept[http.CanonicalHeaderKey(name)] = string(raw)
	}
	return kept
}

func bodyPlace(id uuid.UUID) string    { return "deliveries.sealed_body:" + id.String() }
func bodyKeyPlace(id uuid.UUID) string { return "deliveries.body_key:" + id.String() }

// InsertDelivery stores a delivery, sealed, and says whether it was new: one of
// the same source with the same dedupe key and the same body stands already
// otherwise, and is counted. When it returns nil, the delivery is committed. What
// comes at the same time is stored together. It may be stored in spite of an error.
func (s *Store) InsertDelivery(ctx context.Context, n NewDelivery) (id uuid.UUID, inserted bool, err error) {
	sourceKey, err := s.dataKey(ctx, s.pool, &n.Source.dataKeyID)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("storing a delivery: %w", err)
	}
	d := &waitingDelivery{
		id: newID(), sourceID: n.Source.ID, organizationID: n.Source.OrganizationID, dedupeKey: n.DedupeKey, mac: sourceKey.MAC(n.Body),
		receivedAt: n.ReceivedAt, size: len(n.Body), state: cmp.Or(n.State, DeliveryReceived), reason: n.Reason,
		origin: cmp.Or(n.Origin, OriginWebhook),
	}
	if n.State != DeliveryExcluded {
		if _, d.sealedBody, d.wrapped, err = sealBody(sourceKey, d.id, n.Body); err != nil {
			return uuid.Nil, false, fmt.Errorf("storing a delivery: %w", err)
		}
		d.wrappedBy = &n.Source.dataKeyID
	}
	headers, err := json.Marshal(keep(n.Header))
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("encoding the headers of a delivery: %w", err)
	}
	d.headers = string(headers)
	if sabotage.Is(sabotage.ForgetDelivery) && d.mac[0]%8 == 0 {
		return d.id, true, nil
	}
	if sabotage.Is(sabotage.Twice) {
		d.dedupeKey += ":" + d.id.String()
	}
	if err := s.insertTogether(ctx, d); err != nil {
		return uuid.Nil, false, fmt.Errorf("storing a delivery: %w", err)
	}
	if !d.inserted {
		return uuid.Nil, false, nil
	}
	return d.id, true, nil
}

// deliveryColumns of deliveries d joined with sources s.
const deliveryColumns = `d.id, d.source_id, s.platform, d.organization_id, d.dedupe_key, d.received_at, d.headers, d.size_bytes,
	d.sealed_body is not null, d.state, d.reason, d.attempts, d.duplicates, d.understood_at, d.redo_id, d.origin, d.fetched_at`

func scanDelivery(row pgx.Row, more ...any) (Delivery, error) {
	var d Delivery
	var headers []byte
	to := append([]any{
		&d.ID, &d.SourceID, &d.Platform, &d.OrganizationID, &d.DedupeKey, &d.ReceivedAt, &headers, &d.Size,
		&d.HasBody, &d.State, &d.Reason, &d.Attempts, &d.Duplicates, &d.UnderstoodAt, &d.RedoID, &d.Origin, &d.FetchedAt,
	}, more...)
	if err := row.Scan(to...); err != nil {
		return Delivery{}, notFound(err, "reading a delivery")
	}
	if err := json.Unmarshal(headers, &d.Headers); err != nil {
		return Delivery{}, fmt.Errorf("decoding the headers of delivery %s: %w", d.ID, err)
	}
	return d, nil
}

// ClaimDeliveries takes up to limit deliveries that are received and due, the
// longest due first. A claim is a lease: who has not settled it after half a
// minute, or died, loses it to the next; the lease doubles with each attempt, up
// to a quarter of an hour, so that one that can't be understood for now does not
// crowd out the others. Claims of several processes never overlap.
func (s *Store) ClaimDeliveries(ctx context.Context, limit int) ([]Delivery, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
		  select id from deliveries where state = 'received' and next_attempt_at <= now()
		  order by next_attempt_at limit $1 for update skip locked)
		update deliveries d set attempts = d.attempts + 1,
		  next_attempt_at = now() + least(interval '15 minutes', interval '30 seconds' * 2 ^ least(d.attempts, 10))
		from due, sources s where d.id = due.id and s.id = d.source_id
		returning `+deliveryColumns, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming deliveries: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Delivery, error) { return scanDelivery(row) })
}

// Body returns what was received, byte for byte, or [ErrErased] if it was
// dropped or erased.
func (s *Store) Body(ctx context.Context, id uuid.UUID) ([]byte, error) {
	body, _, err := s.BodyAndFetched(ctx, id)
	return body, err
}

// BodyAndFetched returns what was received, as [Store.Body] does, and what the
// platform's API told about it, or nil.
func (s *Store) BodyAndFetched(ctx context.Context, id uuid.UUID) (body, fetched []byte, err error) {
	var sealed, sealedFetched, wrapped []byte
	var wrappedBy *uuid.UUID
	err = s.pool.QueryRow(ctx, `select sealed_body, sealed_fetched, body_key, wrapped_by from deliveries where id = $1`, id).
		Scan(&sealed, &sealedFetched, &wrapped, &wrappedBy)
	if err := notFound(err, "reading the body of a delivery"); err != nil {
		return nil, nil, err
	}
	if sealed == nil || wrapped == nil {
		return nil, nil, fmt.Errorf("reading the body of delivery %s: %w", id, ErrErased)
	}
	key, err := s.bodyKey(ctx, s.pool, id, wrapped, wrappedBy)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the body of delivery %s: %w", id, err)
	}
	if body, err = key.Open(sealed, bodyPlace(id)); err != nil {
		return nil, nil, fmt.Errorf("reading the body of delivery %s: %w", id, err)
	}
	if sealedFetched == nil {
		return body, nil, nil
	}
	if fetched, err = key.Open(sealedFetched, fetchedPlace(id)); err != nil {
		return nil, nil, fmt.Errorf("reading what was fetched for delivery %s: %w", id, err)
	}
	return body, fetched, nil
}

func (s *Store) bodyKey(ctx context.Context, q querier, id uuid.UUID, wrapped []byte, wrappedBy *uuid.UUID) (*vault.DataKey, error) {
	owner, err := s.dataKey(ctx, q, wrappedBy)
	if err != nil {
		return nil, err
	}
	return owner.UnwrapKey(wrapped, bodyKeyPlace(id))
}

// SettleDelivery gives a delivery its verdict, where that is not "understood". One
// that has a verdict already keeps it.
func (s *Store) SettleDelivery(ctx context.Context, id uuid.UUID, state DeliveryState, reason string) error {
	_, err := s.pool.Exec(ctx, `
		update deliveries set state = $2::text, reason = $3,
		  sealed_body = case when $2::text = 'excluded' then null else sealed_body end,
		  sealed_fetched = case when $2::text = 'excluded' then null else sealed_fetched end,
		  body_key = case when $2::text = 'excluded' then null else body_key end
		where id = $1 and state in ('received', 'fetching')`, id, string(state), reason)
	if err != nil {
		return fmt.Errorf("settling delivery %s: %w", id, err)
	}
	return nil
}

// ExplainDelivery says of a delivery why it has no verdict yet. It stays as it is,
// and is tried again.
func (s *Store) ExplainDelivery(ctx context.Context, id uuid.UUID, reason string) error {
	_, err := s.pool.Exec(ctx, `update deliveries set reason = $2 where id = $1 and state in ('received', 'fetching')`, id, reason)
	if err != nil {
		return fmt.Errorf("explaining delivery %s: %w", id, err)
	}
	return nil
}

// DeliveryByID returns one delivery with the meetings that it told of.
func (s *Store) DeliveryByID(ctx context.Context, id uuid.UUID) (Delivery, error) {
	var meetings []uuid.UUID
	d, err := scanDelivery(s.pool.QueryRow(ctx, selectDelivery+` where d.id = $1`, id), &meetings)
	d.MeetingIDs = meetings
	return d, err
}

const selectDelivery = `
	select ` + deliveryColumns + `,
	       array(select distinct e.meeting_id from events e where e.delivery_id = d.id order by 1)
	from deliveries d join sources s on s.id = d.source_id`

// DeliveryFilter selects deliveries. Zero fields select all.
type DeliveryFilter struct {
	OrganizationID uuid.UUID
	SourceID       uuid.UUID
	MeetingID      uuid.UUID
	State          DeliveryState
	// Before pages back: deliveries received earlier only.
	Before time.Time
	// Limit bounds the page; 0 means 50, at most 1,000.
	Limit int
}

// Deliveries lists what was received, newest first.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	rows, err := s.pool.Query(ctx, selectDelivery+`
		where ($1::uuid is null or d.organization_id = $1) and ($2::uuid is null or d.source_id = $2)
		  and ($3 = '' or d.state = $3) and ($4::timestamptz is null or d.received_at < $4)
		  and ($5::uuid is null or exists (select from events e where e.delivery_id = d.id and e.meeting_id = $5))
		order by d.received_at desc, d.id desc limit $6`,
		nullID(f.OrganizationID), nullID(f.SourceID), string(f.State), nullTime(f.Before), nullID(f.MeetingID), min(f.Limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("listing deliveries: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Delivery, error) {
		var meetings []uuid.UUID
		d, err := scanDelivery(row, &meetings)
		d.MeetingIDs = meetings
		return d, err
	})
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
