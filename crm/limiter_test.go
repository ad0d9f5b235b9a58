package crm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// windowPasses lets all windows pass, and with them what HubSpot refused.
func (b *bundle) windowPasses() {
	b.t.Helper()
	b.exec(`update limit_lanes set taken = '{}', next_at = 'epoch', again_at = 'epoch', blocked_until = 'epoch' where hub_id = $1`, b.hub)
	b.exec(`delete from limit_waits where hub_id = $1`, b.hub)
}

// limited has an account that counts, and a limiter that has seen nothing of it.
func limited(t *testing.T, settings hubspottest.Settings) *bundle {
	t.Helper()
	b := setup(t)
	b.sim.Configure(b.hub, func(s *hubspottest.Settings) { *s = settings })
	b.exec(`delete from limit_lanes where hub_id = $1`, b.hub)
	b.permit("contact.read", "allow", "contact.create", "allow", "company.read", "allow")
	return b
}

// origin is a reader's of its own: another follow-up.
func (b *bundle) reader(g *crm.Gate, waited bool) *crm.Reader {
	scope := b.scope()
	scope.Origin.ID, scope.Waited = uuid.New(), waited
	return g.Reader(scope)
}

// statuses counts the answers by status.
func (b *bundle) statuses() map[int]int {
	b.t.Helper()
	out := map[int]int{}
	for _, c := range b.calls() {
		out[c.Status]++
	}
	return out
}

// persist calls until it works, as Temporal does: when it is told to.
func persist(ctx context.Context, call func() error) error {
	for {
		err := call()
		var later *crm.RetryError
		if !errors.As(err, &later) {
			return err
		}
		select {
		case <-time.After(later.After):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *bundle) lane(bucket, lane string) (allowed, waiting int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow(b.ctx, `
		select max(allowed), (select count(*) from limit_waits where hub_id = $1 and bucket = $2 and lane = $3)
		from limit_lanes where hub_id = $1 and bucket = $2 and lane = $3`, b.hub, bucket, lane).Scan(&allowed, &waiting))
	return allowed, waiting
}

// Eight processes under pressure, for more than a window's worth of calls: HubSpot
// never has to refuse.
func TestEightProcessesStayWithinTheLimit(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{})
	contact := b.add("contacts", map[string]string{"email": email})
	const wanted = 130 // HubSpot allows 110 in a window
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		gate := b.newGate()
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					r := b.reader(gate, true)
					err := persist(ctx, func() error {
						_, err := r.Get(b.ctx, "contact", contact.ID, hubspot.GetOptions{})
						return err
					})
					if err == nil && done.Add(1) >= wanted {
						cancel()
					}
				}
			})
		}
	}
	wg.Wait()
	statuses := b.statuses()
	require.Zero(t, statuses[http.StatusTooManyRequests], "%v", statuses)
	require.GreaterOrEqual(t, done.Load(), int64(wanted))
	allowed, _ := b.lane("burst", "general")
	require.Equal(t, 110, allowed, "the headers are believed")
}

// What a human waits for has a slice of its own.
func TestTheReservedSlice(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{})
	contact := b.add("contacts", map[string]string{"email": email})
	get := func(waited bool) error {
		_, err := b.reader(b.gate, waited).Get(b.ctx, "contact", contact.ID, hubspot.GetOptions{})
		return err
	}
	require.NoError(t, get(false)) // five, by expectation
	refused := 0
	for range 40 {
		if err := get(false); err != nil {
			requireRetry(t, err)
			refused++
		}
	}
	require.Positive(t, refused, "the general lane is full")
	for range 20 {
		require.NoError(t, get(true), "a fifth is for people")
	}
	require.Zero(t, b.statuses()[http.StatusTooManyRequests])
}

// A 429 of one stops the others before they run into it, for as long as its
// policy takes, and a waiting turn is not lost by it.
func TestRefusalsOfEachPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		search     bool
		least      time.Duration
		longest    time.Duration
	}{
		{name: "ten-secondly", body: `{"status":"error","policyName":"TEN_SECONDLY_ROLLING"}`, least: 9 * time.Second, longest: 11 * time.Second},
		{name: "secondly", body: `{"status":"error","message":"You have reached your secondly limit."}`, search: true, least: 300 * time.Millisecond, longest: 2 * time.Second},
		{name: "daily", body: `{"status":"error","policyName":"DAILY","message":"You have reached your daily limit."}`, least: time.Minute, longest: 26 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := limited(t, hubspottest.Settings{})
			b.exec(`update connections set time_zone = 'Pacific/Auckland' where id = $1`, b.conn)
			b.sim.Inject(hubspottest.Fault{Status: http.StatusTooManyRequests, Body: c.body})
			call := func() error {
				r := b.reader(b.newGate(), true)
				if c.search {
					_, err := r.Search(b.ctx, "company", hubspot.SearchRequest{})
					return err
				}
				_, err := r.Owners(b.ctx, hubspot.OwnersQuery{})
				return err
			}
			if !c.search {
				b.permit("owner.read", "allow")
			}
			first := requireRetry(t, call()).After
			require.GreaterOrEqual(t, first, c.least)
			require.LessOrEqual(t, first, c.longest)
			before := len(b.calls())
			if c.search {
				require.Equal(t, 1, b.statuses()[http.StatusTooManyRequests])
				return
			}
			second := requireRetry(t, call()).After
			require.GreaterOrEqual(t, second, c.least/2)
			require.LessOrEqual(t, second, c.longest)
			require.Len(t, b.calls(), before, "nothing was sent")
			if c.name == "daily" {
				zone, err := time.LoadLocation("Pacific/Auckland")
				require.NoError(t, err)
				now := time.Now().In(zone)
				midnight := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, zone)
				require.InDelta(t, midnight.Sub(now).Seconds(), second.Seconds(), 10, "midnight in the account's time zone")
			}
		})
	}
}

// Another app, or another installation with the same one, uses the limit too: the
// headers tell, and what they used is not ours.
func TestOthersUseTheLimit(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{})
	contact := b.add("contacts", map[string]string{"email": email})
	others := hubspot.New(hubspot.Options{BaseURL: b.sim.URL}).As(b.tokens.token)
	for range 95 {
		_, err := others.Get(b.ctx, hubspot.Contacts, contact.ID, hubspot.GetOptions{})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 15*time.Second)
	defer cancel()
	passed := 0
	for range 30 {
		_, err := b.reader(b.gate, false).Get(ctx, "contact", contact.ID, hubspot.GetOptions{})
		if err == nil {
			passed++
			continue
		}
		requireRetry(t, err)
	}
	require.Positive(t, passed)
	require.Less(t, passed, 15, "110 less 95")
	require.Zero(t, b.statuses()[http.StatusTooManyRequests])
}

// The daily sum is the account's. Beyond our share of it only people pass.
func TestTheDailyShare(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{NoRateLimits: true})
	b.permit("owner.read", "allow")
	b.exec(`insert into limit_days (hub_id, allowed, remaining, used, ends_at) values ($1, 1000, 500, 795, now() + interval '3 hours')`, b.hub)
	owners := func(waited bool) error {
		r := b.reader(b.newGate(), waited)
		_, err := r.Owners(b.ctx, hubspot.OwnersQuery{})
		return err
	}
	require.NoError(t, owners(false), "its five and a search make 801")
	err := requireRetry(t, owners(false))
	require.InDelta(t, (3 * time.Hour).Seconds(), err.After.Seconds(), 10)
	require.Contains(t, err.Error(), "midnight")
	require.NoError(t, owners(true), "people pass")

	// The new day.
	b.exec(`update limit_days set ends_at = now() - interval '1 hour' where hub_id = $1`, b.hub)
	require.NoError(t, owners(false))
	var used int
	var ends time.Time
	require.NoError(t, b.db.QueryRow(b.ctx, `select used, ends_at from limit_days where hub_id = $1`, b.hub).Scan(&used, &ends))
	require.Equal(t, 6, used)
	require.InDelta(t, 23, time.Until(ends).Hours(), 0.1)
}

// Search has five a second, without headers.
func TestSearches(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{})
	const wanted = 15 // three seconds' worth
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	gates := []*crm.Gate{b.newGate(), b.newGate(), b.newGate()}
	var done atomic.Int64
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				r := b.reader(gates[i%len(gates)], false)
				if persist(ctx, func() error {
					_, err := r.Search(b.ctx, "company", hubspot.SearchRequest{})
					return err
				}) == nil && done.Add(1) >= wanted {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, b.statuses()[http.StatusTooManyRequests])
	require.GreaterOrEqual(t, done.Load(), int64(wanted))
}

// A turn stands in Postgres: another process, after a restart, finds it, and
// nobody overtakes.
// Who says what is going to be read has a turn for that, and not for searches; the one
// that comes up all the same waits for its own.
func TestExpectedCallsAndASearchThatWasNot(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{})
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	reader := func() *crm.Reader {
		scope := b.scope()
		scope.Origin.ID, scope.Expects = uuid.New(), map[hubspot.Bucket]int{hubspot.BurstBucket: 2}
		return b.gate.Reader(scope)
	}
	var all sync.WaitGroup
	for range 9 {
		all.Go(func() {
			r := reader()
			for range 2 {
				_, err := r.BatchRead(ctx, "contacts", hubspot.BatchReadInput{IDs: []string{"1"}, Properties: []string{"email"}})
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	taken := func(bucket string) (n int) {
		require.NoError(t, b.db.QueryRow(b.ctx, `select coalesce(sum(cardinality(taken)), 0)::int from limit_lanes where hub_id = $1 and bucket = $2`, b.hub, bucket).Scan(&n))
		return n
	}
	require.Equal(t, 18, taken(string(hubspot.BurstBucket)))
	require.Zero(t, taken(string(hubspot.SearchBucket)))

	for range 3 {
		all.Go(func() {
			r := reader()
			assert.NoError(t, persist(ctx, func() error {
				_, err := r.Search(ctx, "companies", hubspot.SearchRequest{Properties: []string{"name"}})
				return err
			}))
		})
	}
	all.Wait()
	require.Equal(t, 3, taken(string(hubspot.SearchBucket)), "each has one turn, and is charged no other")
}

func TestATurnOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	b := limited(t, hubspottest.Settings{})
	first := b.plan(contactDraft())["contact"]
	// The account's lane is full for the next three seconds.
	b.exec(`insert into limit_lanes (hub_id, app_id, bucket, lane, allowed, window_ms, taken)
		select c.hub_id, c.app_id, 'burst', lane, 100, 10000, array_fill(now() - interval '8 seconds', array[80])
		from connections c, unnest(array['general', 'people']) lane where c.id = $1`, b.conn)
	// Turns are compared by what they are at least: a machine that pauses between a
	// turn and the look at the clock would move it.
	asked := time.Now()
	_, err := b.newGate().Write(b.ctx, first.ID, crm.Attempt{})
	after := requireRetry(t, err).After
	require.LessOrEqual(t, after, 3*time.Second)
	_, err = b.newGate().Write(b.ctx, first.ID, crm.Attempt{})
	require.LessOrEqual(t, requireRetry(t, err).After, after, "the same turn")
	_, waiting := b.lane("burst", "general")
	require.Equal(t, 1, waiting)

	last := asked.Add(after)
	for i := range 3 {
		asked := time.Now()
		_, err := b.reader(b.newGate(), false).Get(b.ctx, "contact", fmt.Sprint(i+1), hubspot.GetOptions{})
		after := requireRetry(t, err).After
		require.True(t, time.Now().Add(after).After(last), "in order")
		last = asked.Add(after)
	}
	require.Eventually(t, func() bool {
		result, err := b.newGate().Write(b.ctx, first.ID, crm.Attempt{})
		return err == nil && result.State == store.ActionWritten
	}, 10*time.Second, 100*time.Millisecond)
}
