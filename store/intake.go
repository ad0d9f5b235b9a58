package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// intake puts deliveries that come at the same time into the table together: one
// statement and one commit for all that came while the last one was written. One that
// comes alone waits for nobody. Each is answered when its transaction is committed.
//
// One transaction is under way at a time: two would lock the same source, organization
// and key for their foreign keys, which costs PostgreSQL more than the second one gains
// (docs/performance.md). Only where one is late, such as for a row that somebody has
// locked, does another begin: one delivery must not hold up those that come after it.
type intake struct {
	mu      sync.Mutex
	waiting []*waitingDelivery
	busy    bool          // somebody takes what waits
	slots   chan struct{} // held by each transaction, late ones included
}

// waitingDelivery is a row of deliveries on its way.
type waitingDelivery struct {
	id, sourceID        uuid.UUID
	organizationID      *uuid.UUID
	dedupeKey           string
	mac                 []byte
	receivedAt          time.Time
	headers             string
	size                int
	wrapped, sealedBody []byte
	wrappedBy           *uuid.UUID
	state               DeliveryState
	reason              string
	origin              DeliveryOrigin

	inserted bool
	err      error
	done     chan struct{}
}

const (
	intakeAtOnce = 4
	intakeLate   = 100 * time.Millisecond
	intakeRows   = 64
	intakeBytes  = 4 << 20 // of bodies, in one statement of several
	// A delivery that nobody waits for any more is still written.
	intakeTimeout = 30 * time.Second
)

func newIntake() *intake { return &intake{slots: make(chan struct{}, intakeAtOnce)} }

// insertTogether stores a delivery and returns when it is committed. An error says
// nothing about the others that it went with.
func (s *Store) insertTogether(ctx context.Context, d *waitingDelivery) error {
	d.done = make(chan struct{})
	in := s.intake
	in.mu.Lock()
	in.waiting = append(in.waiting, d)
	if !in.busy {
		in.busy = true
		go s.drainIntake(context.WithoutCancel(ctx))
	}
	in.mu.Unlock()
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drainIntake stores what waits until nothing does, or until it was late and another
// has taken over.
func (s *Store) drainIntake(ctx context.Context) {
	s.intake.slots <- struct{}{}
	defer func() { <-s.intake.slots }()
	for {
		some := s.intake.take()
		if len(some) == 0 {
			return
		}
		late := time.AfterFunc(intakeLate, func() { s.drainIntake(ctx) })
		s.insertSome(ctx, some)
		for _, d := range some {
			close(d.done)
		}
		if !late.Stop() {
			return
		}
	}
}

func (in *intake) take() []*waitingDelivery {
	in.mu.Lock()
	defer in.mu.Unlock()
	n, size := 0, 0
	for n < len(in.waiting) && n < intakeRows {
		if size += in.waiting[n].size; n > 0 && size > intakeBytes {
			break
		}
		n++
	}
	some := slices.Clone(in.waiting[:n])
	in.waiting = slices.Delete(in.waiting, 0, n)
	if n == 0 {
		in.busy = false
	}
	return some
}

// insertSome stores deliveries in one transaction, or, where that fails, each in
// its own: one that can't be stored must not take the others with it.
func (s *Store) insertSome(ctx context.Context, some []*waitingDelivery) {
	ctx, cancel := context.WithTimeout(ctx, intakeTimeout)
	defer cancel()
	err := s.insertRows(ctx, some)
	if err == nil || len(some) == 1 {
		for _, d := range some {
			d.err = err
		}
		return
	}
	for _, d := range some {
		d.err = s.insertRows(ctx, []*waitingDelivery{d})
	}
}

// insertRows stores deliveries in one statement, and marks those that were new.
func (s *Store) insertRows(ctx context.Context, some []*waitingDelivery) error {
	// In one order everywhere, since two statements that count the same rows in
	// two orders would wait for each other for ever.
	slices.SortStableFunc(some, func(a, b *waitingDelivery) int {
		return cmp.Or(bytes.Compare(a.sourceID[:], b.sourceID[:]), cmp.Compare(a.dedupeKey, b.dedupeKey), bytes.Compare(a.mac, b.mac))
	})
	var rows intakeColumns
	var first *waitingDelivery
	for _, d := range some {
		// The same one twice in one statement is what PostgreSQL refuses.
		if first != nil && first.sourceID == d.sourceID && first.dedupeKey == d.dedupeKey && bytes.Equal(first.mac, d.mac) {
			rows.duplicates[len(rows.duplicates)-1]++
			continue
		}
		first = d
		rows.add(d)
	}
	// Where xmax is set, the row was there before: it is only counted.
	found, err := s.pool.Query(ctx, `
		insert into deliveries (id, source_id, organization_id, dedupe_key, body_mac, received_at, headers, size_bytes,
		                        body_key, wrapped_by, sealed_body, state, reason, origin, duplicates)
		select id, source_id, organization_id, dedupe_key, body_mac, received_at, headers::jsonb, size_bytes,
		       body_key, wrapped_by, sealed_body, state, reason, origin, duplicates
		from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::timestamptz[], $7::text[], $8::int[],
		            $9::bytea[], $10::uuid[], $11::bytea[], $12::text[], $13::text[], $14::text[], $15::int[])
		  as n (id, source_id, organization_id, dedupe_key, body_mac, received_at, headers, size_bytes,
		        body_key, wrapped_by, sealed_body, state, reason, origin, duplicates)
		on conflict (source_id, dedupe_key, body_mac) do update set duplicates = deliveries.duplicates + 1 + excluded.duplicates
		returning id, xmax = 0`,
		rows.ids, rows.sources, rows.organizations, rows.keys, rows.macs, rows.received, rows.headers, rows.sizes,
		rows.wrapped, rows.wrappedBy, rows.sealed, rows.states, rows.reasons, rows.origins, rows.duplicates)
	if err != nil {
		return fmt.Errorf("storing deliveries: %w", err)
	}
	defer found.Close()
	inserted := map[uuid.UUID]bool{}
	for found.Next() {
		var id pgtype.UUID
		var isNew bool
		if err := found.Scan(&id, &isNew); err != nil {
			return fmt.Errorf("storing deliveries: %w", err)
		}
		inserted[id.Bytes] = isNew
	}
	if err := found.Err(); err != nil {
		return fmt.Errorf("storing deliveries: %w", err)
	}
	for _, d := range some {
		d.inserted = inserted[d.id]
	}
	return nil
}

// intakeColumns are deliveries by column.
type intakeColumns struct {
	// Flat: pgx encodes other slices of these types by reflection.
	ids, sources, organizations, wrappedBy  pgtype.FlatArray[pgtype.UUID]
	keys, headers, states, reasons, origins []string
	macs, wrapped, sealed                   pgtype.FlatArray[[]byte]
	received                                []time.Time
	sizes, duplicates                       []int32
}

func (c *intakeColumns) add(d *waitingDelivery) {
	c.ids = append(c.ids, pgtype.UUID{Bytes: d.id, Valid: true})
	c.sources = append(c.sources, pgtype.UUID{Bytes: d.sourceID, Valid: true})
	c.organizations = append(c.organizations, optionalUUID(d.organizationID))
	c.wrappedBy = append(c.wrappedBy, optionalUUID(d.wrappedBy))
	c.keys, c.headers = append(c.keys, d.dedupeKey), append(c.headers, d.headers)
	c.states, c.reasons, c.origins = append(c.states, string(d.state)), append(c.reasons, d.reason), append(c.origins, string(d.origin))
	c.macs, c.wrapped, c.sealed = append(c.macs, d.mac), append(c.wrapped, d.wrapped), append(c.sealed, d.sealedBody)
	c.received = append(c.received, d.receivedAt)
	c.sizes, c.duplicates = append(c.sizes, int32(d.size)), append(c.duplicates, 0)
}

func optionalUUID(id *uuid.UUID) pgtype.UUID {
	if id == nil {
		return pgtype.UUID{}
	}
	return pgtype.UUID{Bytes: *id, Valid: true}
}
