package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Upkeep is how a source is looked after at its platform: what the platform would
// let lapse is renewed, and what it never sent is asked for.
type Upkeep struct {
	SourceID uuid.UUID `json:"source_id"`
	// BegunAt is since when; nil where the source is not looked after: it is
	// disabled, has no credentials, or its platform needs none of it.
	BegunAt *time.Time `json:"begun_at,omitempty"`
	// LookedAt is when the last look ended well, NextAt when the next one is due.
	LookedAt *time.Time `json:"looked_at,omitempty"`
	NextAt   *time.Time `json:"next_at,omitempty"`
	// Words say what stands, Problem what went wrong at the last try; empty if
	// nothing did.
	Words   string `json:"words,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// ErrOvertaken says that a newer look after the same source has begun: what an
// older one still finds out is not kept.
var ErrOvertaken = errors.New("a newer look has begun")

func upkeepPlace(id uuid.UUID) string { return "upkeeps.sealed_state:" + id.String() }

// lostAfter is how long after its time a look is missed: then the workflow is told
// again, in case that it is lost.
const lostAfter = "interval '15 minutes'"

// AskUpkeep has the source looked after soon: something changed at its platform.
func (s *Store) AskUpkeep(ctx context.Context, sourceID uuid.UUID) error {
	return askUpkeep(ctx, s.pool, sourceID)
}

// askUpkeep is [Store.AskUpkeep] inside a transaction: the source is looked after
// again if, and only if, the transaction commits.
func askUpkeep(ctx context.Context, q querier, sourceID uuid.UUID) error {
	_, err := q.Exec(ctx, `
		insert into upkeeps (source_id) values ($1)
		on conflict (source_id) do update set asked = upkeeps.asked + 1, attempts = 0, next_attempt_at = now()`, sourceID)
	if err != nil {
		return fmt.Errorf("asking to look after source %s: %w", sourceID, err)
	}
	return nil
}

// AskedUpkeep is a source whose workflow has to be told to look.
type AskedUpkeep struct {
	SourceID uuid.UUID
	// OrganizationID is nil for a source of the whole installation.
	OrganizationID *uuid.UUID
	Platform       string
	asked          int64
}

// ClaimUpkeeps takes up to limit sources whose workflow has to be told, the longest
// due first. A claim is a lease that doubles from half a minute to a quarter of an
// hour with each attempt. Claims of several processes never overlap.
func (s *Store) ClaimUpkeeps(ctx context.Context, limit int) ([]AskedUpkeep, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
		  select source_id from upkeeps where next_attempt_at <= now() order by next_attempt_at limit $1 for update skip locked)
		update upkeeps u set attempts = u.attempts + 1,
		  next_attempt_at = now() + least(interval '15 minutes', interval '30 seconds' * 2 ^ least(u.attempts, 10))
		from due, sources s where u.source_id = due.source_id and s.id = u.source_id
		returning u.source_id, s.organization_id, s.platform, u.asked`, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming sources to look after: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a AskedUpkeep, err error) {
		err = row.Scan(&a.SourceID, &a.OrganizationID, &a.Platform, &a.asked)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming sources to look after: %w", err)
	}
	return claimed, nil
}

// ToldUpkeep says that the workflow knows. What was asked meanwhile is told next.
func (s *Store) ToldUpkeep(ctx context.Context, a AskedUpkeep) error {
	return s.settleUpkeep(ctx, a, `greatest(coalesce(next_at, now()), now()) + `+lostAfter)
}

// NoUpkeep says that there is nothing to look after: the platform needs none.
func (s *Store) NoUpkeep(ctx context.Context, a AskedUpkeep) error {
	return s.settleUpkeep(ctx, a, `'infinity'`)
}

func (s *Store) settleUpkeep(ctx context.Context, a AskedUpkeep, next string) error {
	_, err := s.pool.Exec(ctx, `
		update upkeeps set told = greatest(told, $2), attempts = 0, next_attempt_at = case when asked > $2 then now() else `+next+` end
		where source_id = $1`, a.SourceID, a.asked)
	if err != nil {
		return fmt.Errorf("settling a claim of source %s: %w", a.SourceID, err)
	}
	return nil
}

// UpkeepLook is one look after a source.
type UpkeepLook struct {
	SourceID uuid.UUID
	// State is what the last look kept; nil if there was none.
	State []byte
	// BegunAt is since when the source is looked after.
	BegunAt time.Time
	// Failures is how many looks before this one went wrong in a row.
	Failures int

	number int64
}

// BeginUpkeep begins a look after a source. Those that still go on are overtaken.
func (s *Store) BeginUpkeep(ctx context.Context, source Source) (UpkeepLook, error) {
	look := UpkeepLook{SourceID: source.ID}
	var sealed []byte
	err := s.pool.QueryRow(ctx, `
		insert into upkeeps (source_id, look, begun_at) values ($1, 1, now())
		on conflict (source_id) do update set look = upkeeps.look + 1, begun_at = coalesce(upkeeps.begun_at, now())
		returning look, begun_at, failures, sealed_state`, source.ID).Scan(&look.number, &look.BegunAt, &look.Failures, &sealed)
	if err != nil {
		return UpkeepLook{}, fmt.Errorf("beginning to look after source %s: %w", source.ID, err)
	}
	if sealed == nil {
		return look, nil
	}
	if look.State, err = s.vault.Open(sealed, upkeepPlace(source.ID)); err != nil {
		return UpkeepLook{}, fmt.Errorf("opening what is kept of source %s: %w", source.ID, err)
	}
	return look, nil
}

// KeepUpkeep keeps state in the midst of a look, so that what was made at the
// platform is known whatever happens next. It fails with [ErrOvertaken] if a newer
// look has begun.
func (s *Store) KeepUpkeep(ctx context.Context, look UpkeepLook, state []byte) error {
	sealed, err := s.sealUpkeep(look, state)
	if err != nil {
		return err
	}
	return s.changeUpkeep(ctx, look, `sealed_state = $3`, sealed)
}

// FinishUpkeep ends a look that went well: state is kept (nil keeps what stands),
// words say what stands, next is when to look again.
func (s *Store) FinishUpkeep(ctx context.Context, look UpkeepLook, state []byte, words string, next time.Time) error {
	sealed, err := s.sealUpkeep(look, state)
	if err != nil {
		return err
	}
	return s.changeUpkeep(ctx, look, `sealed_state = coalesce($3, sealed_state), words = $4, problem = '', failures = 0, looked_at = now(), next_at = $5::timestamptz,
		next_attempt_at = case when told < asked then next_attempt_at else $5::timestamptz + `+lostAfter+` end`, sealed, words, next)
}

// FailUpkeep says what went wrong at a look. next is when it is tried again.
func (s *Store) FailUpkeep(ctx context.Context, look UpkeepLook, problem string, next time.Time) error {
	return s.changeUpkeep(ctx, look, `problem = $3, failures = failures + 1, next_at = $4::timestamptz,
		next_attempt_at = case when told < asked then next_attempt_at else $4::timestamptz + `+lostAfter+` end`, problem, next)
}

// EndUpkeep says that a source is not looked after any more, and forgets what was
// kept. Should it be again, that begins anew.
func (s *Store) EndUpkeep(ctx context.Context, sourceID uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		update upkeeps set look = look + 1, begun_at = null, sealed_state = null, words = '', problem = '', failures = 0, next_at = null,
		  next_attempt_at = case when told < asked then next_attempt_at else 'infinity' end
		where source_id = $1`, sourceID)
	if err != nil {
		return fmt.Errorf("ending to look after source %s: %w", sourceID, err)
	}
	return nil
}

func (s *Store) sealUpkeep(look UpkeepLook, state []byte) ([]byte, error) {
	if state == nil {
		return nil, nil
	}
	sealed, err := s.vault.Seal(state, upkeepPlace(look.SourceID))
	if err != nil {
		return nil, fmt.Errorf("keeping what was found out about source %s: %w", look.SourceID, err)
	}
	return sealed, nil
}

// changeUpkeep sets columns of the look's source, with arguments from $3 on.
func (s *Store) changeUpkeep(ctx context.Context, look UpkeepLook, set string, args ...any) error {
	tag, err := s.pool.Exec(ctx, `update upkeeps set `+set+` where source_id = $1 and look = $2`, append([]any{look.SourceID, look.number}, args...)...)
	if err != nil {
		return fmt.Errorf("keeping what was found out about source %s: %w", look.SourceID, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("keeping what was found out about source %s: %w", look.SourceID, ErrOvertaken)
	}
	return nil
}

// Upkeeps say of each source of an organization how it is looked after, or with a
// nil organizationID of all.
func (s *Store) Upkeeps(ctx context.Context, organizationID *uuid.UUID) (map[uuid.UUID]Upkeep, error) {
	rows, err := s.pool.Query(ctx, `
		select u.source_id, u.begun_at, u.looked_at, u.next_at, u.words, u.problem
		from upkeeps u join sources s on s.id = u.source_id where $1::uuid is null or s.organization_id = $1`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing how sources are looked after: %w", err)
	}
	found := map[uuid.UUID]Upkeep{}
	var u Upkeep
	_, err = pgx.ForEachRow(rows, []any{&u.SourceID, &u.BegunAt, &u.LookedAt, &u.NextAt, &u.Words, &u.Problem}, func() error {
		found[u.SourceID] = u
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing how sources are looked after: %w", err)
	}
	return found, nil
}

// PolledDelivery is what Debrief asked a platform for.
type PolledDelivery struct {
	// NewDelivery has the dedupe key that its webhook would have had, as far as that
	// can be known.
	NewDelivery
	// Told are the dedupe keys of the webhooks that would have told it; one that ends
	// in a colon stands for all that begin so.
	Told []string
	// Since is when it happened: its webhook came after that. Zero means any time.
	Since time.Time
}

// InsertPolled stores what was asked for as [Store.InsertDelivery] stores a webhook,
// unless that webhook came, or the same was found before. A webhook that comes at
// the same time or later stands beside it, and leads to the same meeting.
func (s *Store) InsertPolled(ctx context.Context, p PolledDelivery) (id uuid.UUID, inserted bool, err error) {
	p.Origin = OriginPoll
	sourceKey, err := s.dataKey(ctx, s.pool, &p.Source.dataKeyID)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("storing what was asked for: %w", err)
	}
	exact, prefixes := []string{p.DedupeKey}, []string{}
	for _, key := range p.Told {
		if n := len(key); n > 0 && key[n-1] == ':' {
			prefixes = append(prefixes, key)
		} else {
			exact = append(exact, key)
		}
	}
	// No index serves the beginning of a key; one of the organization's deliveries
	// by time bounds what is read.
	var stands bool
	err = s.pool.QueryRow(ctx, `
		select exists (select from deliveries where source_id = $1 and dedupe_key = $2 and body_mac = $3)
		    or exists (select from deliveries where source_id = $1 and dedupe_key = any($4) and origin = 'webhook')
		    or (cardinality($5::text[]) > 0 and exists (
		        select from deliveries d, unnest($5::text[]) as t (beginning)
		        where d.source_id = $1 and d.organization_id = $6 and d.received_at >= $7 and d.origin = 'webhook' and starts_with(d.dedupe_key, t.beginning)))`,
		p.Source.ID, p.DedupeKey, sourceKey.MAC(p.Body), exact, prefixes, p.Source.OrganizationID, p.Since).Scan(&stands)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("looking whether a delivery came already: %w", err)
	}
	if stands {
		return uuid.Nil, false, nil
	}
	return s.InsertDelivery(ctx, p.NewDelivery)
}
