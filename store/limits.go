package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
)

// limitLate is how long after it was let through a call may still go out: the
// token, the intent and the wire take their time, and an attempt makes its calls
// one after the other. Lanes count with a window that is so much longer than
// HubSpot's.
const limitLate = time.Second

// mostAllowed and longestWindow bound what a header may say of a limit.
const (
	mostAllowed   = 1000
	longestWindow = time.Minute
)

// firstLimit is what is taken for a limit until HubSpot's answers say otherwise:
// the lowest that any kind of app has (developers.hubspot.com, "API usage
// guidelines", November 2026). Search answers never say.
func firstLimit(b hubspot.Bucket) (allowed int, window time.Duration) {
	if b == hubspot.SearchBucket {
		return 5, time.Second
	}
	return 100, 10 * time.Second
}

// lane is a share of one limit. What was let through stands in a log, so that no
// stretch as long as HubSpot's window ever holds more calls than the lane may
// make, whoever comes when; and what it may make it can make, at once or evenly.
// Who has to wait gets a turn. Turns only say when to come: they can't be lost,
// and who comes late finds the log as it is then.
type lane struct {
	hubID  int64
	appID  uuid.UUID
	bucket hubspot.Bucket
	name   string

	// allowed is HubSpot's limit in a window, of which the lane has its share.
	allowed int
	window  time.Duration

	// taken are the last calls that were let through, at most a window's worth.
	taken []time.Time
	// nextAt is the next turn to be given out, in order of asking.
	nextAt time.Time
	// againAt is the next for those whose turn came and found the log full.
	againAt      time.Time
	blockedUntil time.Time
	// slipped is how far all turns have been put off, ever.
	slipped time.Duration
}

const (
	generalLane = "general"
	// peopleLane has a fifth: nobody's click waits behind 5,000 writes.
	peopleLane = "people"
)

func (l *lane) most() int {
	people := l.allowed / 5
	if l.name == peopleLane {
		return people
	}
	return l.allowed - people
}

func (l *lane) span() time.Duration { return l.window + limitLate }

// spacing is what lies between the turns of those who wait, so that they don't
// come in herds.
func (l *lane) spacing() time.Duration { return l.span() / time.Duration(max(1, l.most())) }

// free is when the log has room for so many calls.
func (l *lane) free(now time.Time, calls int) time.Time {
	at := later(now, l.blockedUntil)
	if i := len(l.taken) - l.most() + calls - 1; i >= 0 {
		at = later(at, l.taken[i].Add(l.span()))
	}
	return at
}

// earliest is when somebody new can make so many calls: behind all who wait. But
// where half of what the lane may make lies idle, those whose turns these are do
// not come (they queue for a worker, behind newcomers), and nobody is better off
// for waiting too.
func (l *lane) earliest(now time.Time, calls int) time.Time {
	free := l.free(now, calls)
	if !free.After(now) && l.idle(now, calls) {
		return free
	}
	return later(later(l.nextAt, l.againAt), free)
}

// idle says whether the log stays half empty with so many more calls.
func (l *lane) idle(now time.Time, calls int) bool {
	i := len(l.taken) - l.most()/2 + calls - 1
	return i < 0 || i < len(l.taken) && l.taken[i].Add(l.span()).Before(now)
}

// queue gives out the next turn.
func (l *lane) queue(now time.Time, calls int) time.Time {
	at := l.earliest(now, calls)
	l.nextAt = at.Add(l.spacing() * time.Duration(calls))
	return at
}

// requeue gives another turn to somebody whose turn has come in vain, before all
// that did not have theirs yet.
func (l *lane) requeue(now time.Time, calls int) time.Time {
	at := later(l.againAt, l.free(now, calls))
	l.againAt = at.Add(l.spacing() * time.Duration(calls))
	l.slip(now, l.spacing()*time.Duration(calls))
	return at
}

// log notes calls that are let through.
func (l *lane) log(at time.Time, calls int) {
	l.taken = append(l.taken, slices.Repeat([]time.Time{at}, calls)...)
	slices.SortStableFunc(l.taken, time.Time.Compare)
	l.trim()
}

func (l *lane) trim() { l.taken = l.taken[max(0, len(l.taken)-l.most()):] }

// charge notes calls that were made without a turn. Those who wait make room.
func (l *lane) charge(now time.Time, calls int) {
	calls = min(calls, l.most())
	l.slip(now, l.spacing()*time.Duration(calls))
	l.log(now, calls)
}

// slip puts off everybody who has a turn.
func (l *lane) slip(now time.Time, by time.Duration) {
	if l.nextAt.After(now) {
		l.nextAt, l.slipped = l.nextAt.Add(by), l.slipped+by
	}
}

// block lets nothing pass before that time. Who waits keeps their place.
func (l *lane) block(now, until time.Time) {
	if by := until.Sub(later(now, l.blockedUntil)); by > 0 {
		l.slip(now, by)
		l.blockedUntil = until
		l.nextAt, l.againAt = later(l.nextAt, until), later(l.againAt, until)
	}
}

// setBack moves the lane with a clock that was set back: what was let through
// can't have been later than now, but for somebody's patience. It says whether
// it was.
func (l *lane) setBack(now time.Time) bool {
	if len(l.taken) == 0 {
		return false
	}
	by := l.taken[len(l.taken)-1].Sub(now)
	if by <= limitLate {
		return false
	}
	for i := range l.taken {
		l.taken[i] = l.taken[i].Add(-by)
	}
	l.nextAt, l.againAt, l.blockedUntil = l.nextAt.Add(-by), l.againAt.Add(-by), l.blockedUntil.Add(-by)
	l.slipped -= by
	return true
}

// inWindow counts the calls that HubSpot's window holds now.
func (l *lane) inWindow(now time.Time) int {
	n := 0
	for _, at := range l.taken {
		if at.After(now.Add(-l.window)) && !at.After(now) {
			n++
		}
	}
	return n
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Reservation asks for a turn to call HubSpot.
type Reservation struct {
	ConnectionID uuid.UUID
	// Holder names what waits, such as an action: who comes again under the same
	// name finds their place.
	Holder string
	// Calls are how many an attempt is expected to make, by what they count
	// against. One turn admits them all.
	Calls map[hubspot.Bucket]int
	// People: a human waits for it.
	People bool
	// Patience is how long the caller would rather wait where it is than come
	// again: such a turn counts as used.
	Patience time.Duration
	// DayShare is how much of the account's daily sum is ours, as a fraction,
	// unless People wait.
	DayShare float64
}

// Turn is when a caller may call.
type Turn struct {
	// Admitted: after Wait, all the calls may be made. Else: come again after
	// Wait.
	Admitted bool
	Wait     time.Duration
	// OfDay: what it waits for is the day's sum, not its place.
	OfDay bool
	// Limits are what is known of each limit.
	Limits map[hubspot.Bucket]LimitState
}

// LimitState is one limit as it stands.
type LimitState struct {
	// Allowed calls in a Window, by what HubSpot says.
	Allowed int
	Window  time.Duration
	// Used are those of ours that the window holds, with what others are known
	// to have made.
	Used int
}

// Reserve lets a holder's calls through, or gives it a turn: the same one each
// time that it asks, until it was let through. Order is that of asking, in the
// lane for people and in the general one apart. All processes share it, by
// PostgreSQL's clock.
func (s *Store) Reserve(ctx context.Context, r Reservation) (Turn, error) {
	var turn Turn
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		t, err := s.limits(ctx, tx, r.ConnectionID, r.Holder, r.buckets())
		if err != nil {
			return err
		}
		var keep ticket
		turn, keep = t.reserve(r)
		return t.save(ctx, keep)
	})
	if err != nil {
		return Turn{}, fmt.Errorf("reserving calls for connection %s: %w", r.ConnectionID, err)
	}
	return turn, nil
}

// buckets are what the calls count against, the burst first: turns are given out
// for that alone, and the others only matter when it has come.
func (r Reservation) buckets() []hubspot.Bucket {
	var buckets []hubspot.Bucket
	for _, b := range []hubspot.Bucket{hubspot.BurstBucket, hubspot.AssociationBucket, hubspot.SearchBucket} {
		if r.Calls[b] > 0 {
			buckets = append(buckets, b)
		}
	}
	return buckets
}

// limitTx is an account's limits, locked.
type limitTx struct {
	tx     pgx.Tx
	holder string
	now    time.Time
	// lanes are none if there is no such connection: whoever is asked for its
	// token will say so.
	lanes []*lane
	hubID int64
	// ticket is the holder's turn; its lane is nil if there is none.
	ticket ticket
	day    *limitDay

	buckets []hubspot.Bucket
	changed map[*lane]bool
	spent   int // of the day
}

// ticket is somebody's turn in a lane.
type ticket struct {
	lane *lane
	at   time.Time
	// again: its turn had come once, or HubSpot said when to come. The lane's
	// slipping does not concern it.
	again bool
}

type limitDay struct {
	allowed, remaining, used int
	endsAt, blockedUntil     time.Time
}

func (s *Store) limits(ctx context.Context, tx pgx.Tx, connectionID uuid.UUID, holder string, buckets []hubspot.Bucket) (*limitTx, error) {
	t := &limitTx{tx: tx, holder: holder, buckets: buckets, changed: map[*lane]bool{}}
	for range 2 {
		if err := t.load(ctx, connectionID); err != nil {
			return nil, err
		}
		if len(t.lanes) == 2*len(buckets) {
			return t, nil
		}
		var allowed []int
		var windows []int64
		for _, b := range buckets {
			n, window := firstLimit(b)
			allowed, windows = append(allowed, n), append(windows, window.Milliseconds())
		}
		if _, err := tx.Exec(ctx, `
			insert into limit_lanes (hub_id, app_id, bucket, lane, allowed, window_ms)
			select c.hub_id, `+limitApp("b.bucket")+`, b.bucket, lanes.name, b.allowed, b.window_ms
			from connections c, unnest($2::text[], $3::int[], $4::bigint[]) b (bucket, allowed, window_ms),
			  (values ('general'), ('people')) lanes (name)
			where c.id = $1 order by 3, 4 on conflict do nothing`, connectionID, buckets, allowed, windows); err != nil {
			return nil, fmt.Errorf("opening the limits: %w", err)
		}
	}
	return t, nil
}

// limitApp is the app that a bucket belongs to.
func limitApp(bucket string) string {
	return `case ` + bucket + ` when 'search' then '00000000-0000-0000-0000-000000000000' else coalesce(c.app_id, c.id) end`
}

func (t *limitTx) load(ctx context.Context, connectionID uuid.UUID) error {
	t.lanes, t.ticket, t.day = nil, ticket{}, nil
	var batch pgx.Batch
	batch.Queue(`
		select l.hub_id, l.app_id, l.bucket, l.lane, l.allowed, l.window_ms, l.taken, l.next_at, l.again_at, l.blocked_until, l.slipped_us, w.at, w.again, clock_timestamp()
		from connections c
		join limit_lanes l on l.hub_id = c.hub_id and l.bucket = any($2) and l.app_id = `+limitApp("l.bucket")+`
		left join limit_waits w on w.holder = $3 and w.hub_id = l.hub_id and w.app_id = l.app_id and w.bucket = l.bucket and w.lane = l.lane
		where c.id = $1 order by l.bucket, l.lane for update of l`, connectionID, t.buckets, t.holder,
	).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var l lane
			var at *time.Time
			var again *bool
			var window, slipped int64
			if err := rows.Scan(&l.hubID, &l.appID, &l.bucket, &l.name, &l.allowed, &window, &l.taken, &l.nextAt, &l.againAt, &l.blockedUntil, &slipped, &at, &again, &t.now); err != nil {
				return err
			}
			l.window, l.slipped = time.Duration(window)*time.Millisecond, time.Duration(slipped)*time.Microsecond
			if l.setBack(t.now) {
				t.changed[&l] = true
			}
			t.lanes, t.hubID = append(t.lanes, &l), l.hubID
			if at != nil && again != nil {
				t.ticket = ticket{lane: &l, at: *at, again: *again}
				switch {
				case !*again:
					t.ticket.at = at.Add(l.slipped)
				case at.After(l.againAt): // given out before the clock was set back
					t.ticket.at = t.now
				}
			}
		}
		return rows.Err()
	})
	batch.Queue(`
		select d.allowed, d.remaining, d.used, d.ends_at, d.blocked_until
		from limit_days d join connections c on c.hub_id = d.hub_id where c.id = $1`, connectionID,
	).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var d limitDay
			if err := rows.Scan(&d.allowed, &d.remaining, &d.used, &d.endsAt, &d.blockedUntil); err != nil {
				return err
			}
			t.day = &d
		}
		return rows.Err()
	})
	if err := t.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("reading the limits: %w", err)
	}
	return nil
}

// of are the lanes of a bucket: the general one, and the people's.
func (t *limitTx) of(b hubspot.Bucket) (general, people *lane) {
	for _, l := range t.lanes {
		switch {
		case l.bucket != b:
		case l.name == peopleLane:
			people = l
		default:
			general = l
		}
	}
	return general, people
}

func (t *limitTx) reserve(r Reservation) (turn Turn, keep ticket) {
	if len(t.lanes) == 0 {
		return Turn{Admitted: true}, ticket{}
	}
	turn.Limits = map[hubspot.Bucket]LimitState{}
	for _, b := range t.buckets {
		turn.Limits[b] = t.state(b)
	}
	if until, held := t.heldByDay(r); held {
		turn.Wait, turn.OfDay = until.Sub(t.now), true
		return turn, t.ticket
	}
	soon := t.now.Add(r.Patience)
	held := t.ticket
	if held.at.After(soon) {
		turn.Wait = held.at.Sub(t.now)
		return turn, held
	}
	// Its turn has come, or it is new. When can all of its calls be made?
	chosen := make([]*lane, len(t.buckets))
	start, narrow := later(t.now, held.at), 0
	for i, b := range t.buckets {
		earliest := (*lane).earliest
		if held.again || held.lane != nil && i == 0 {
			earliest = (*lane).free
		}
		general, people := t.of(b)
		chosen[i] = general
		if held.lane != nil && held.lane.bucket == b && held.lane.most() > 0 {
			chosen[i] = held.lane
		} else if r.People && people.most() >= r.Calls[b] && !earliest(people, t.now, r.Calls[b]).After(earliest(general, t.now, r.calls(b, general))) {
			chosen[i] = people
		}
		if at := earliest(chosen[i], t.now, r.calls(b, chosen[i])); at.After(start) {
			start, narrow = at, i
		}
	}
	if !start.After(soon) {
		for i, b := range t.buckets {
			chosen[i].log(start, r.calls(b, chosen[i]))
			t.changed[chosen[i]] = true
			if b != hubspot.AssociationBucket { // batches of associations have a day of their own
				t.spent += r.Calls[b]
			}
		}
		turn.Admitted, turn.Wait = true, start.Sub(t.now)
		return turn, ticket{}
	}
	l := chosen[narrow]
	calls := r.calls(t.buckets[narrow], l)
	keep = ticket{lane: chosen[0], again: held.lane != nil || narrow > 0}
	if keep.again {
		keep.at = l.requeue(t.now, calls)
	} else {
		keep.at = l.queue(t.now, calls)
	}
	t.changed[l] = true
	turn.Wait = keep.at.Sub(t.now)
	return turn, keep
}

// calls are never more than a lane ever has room for.
func (r Reservation) calls(b hubspot.Bucket, l *lane) int { return min(r.Calls[b], l.most()) }

func (t *limitTx) state(b hubspot.Bucket) LimitState {
	general, people := t.of(b)
	return LimitState{Allowed: general.allowed, Window: general.window, Used: general.inWindow(t.now) + people.inWindow(t.now)}
}

func (t *limitTx) heldByDay(r Reservation) (until time.Time, held bool) {
	d := t.day
	switch {
	case d == nil, !t.now.Before(later(d.endsAt, d.blockedUntil)):
		return time.Time{}, false
	case t.now.Before(d.blockedUntil):
		return d.blockedUntil, true
	case r.People, d.allowed == 0, r.DayShare <= 0:
		return time.Time{}, false
	// The last hundredth is for people, whoever used the rest.
	case float64(d.used) >= r.DayShare*float64(d.allowed), d.remaining*100 <= d.allowed:
		return d.endsAt, true
	default:
		return time.Time{}, false
	}
}

// save stores what changed, and the holder's turn: none, if keep has no lane.
func (t *limitTx) save(ctx context.Context, keep ticket) error {
	var batch pgx.Batch
	for _, l := range t.lanes {
		if t.changed[l] {
			batch.Queue(`
				update limit_lanes set allowed = $5, window_ms = $6, taken = $7, next_at = $8, again_at = $9, blocked_until = $10, slipped_us = $11
				where hub_id = $1 and app_id = $2 and bucket = $3 and lane = $4`,
				l.hubID, l.appID, l.bucket, l.name, l.allowed, l.window.Milliseconds(), l.taken, l.nextAt, l.againAt, l.blockedUntil, l.slipped.Microseconds())
		}
	}
	switch l := keep.lane; {
	case keep == t.ticket:
	case l == nil:
		batch.Queue(`delete from limit_waits where holder = $1 and hub_id = $2`, t.holder, t.hubID)
	default:
		at := keep.at
		if !keep.again {
			at = at.Add(-l.slipped)
		}
		batch.Queue(`
			insert into limit_waits (holder, hub_id, app_id, bucket, lane, at, again) values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (holder, hub_id) do update set app_id = $3, bucket = $4, lane = $5, at = $6, again = $7, created_at = now()`,
			t.holder, l.hubID, l.appID, l.bucket, l.name, at, keep.again)
		// Whoever never came again leaves a row. Now and then some are swept.
		if rand.IntN(64) == 0 { //nolint:gosec // no secret
			batch.Queue(`
				delete from limit_waits where ctid in (
				  select ctid from limit_waits where created_at < now() - interval '2 days' order by created_at limit 200 for update skip locked)`)
		}
	}
	if t.day != nil && t.spent > 0 {
		// The first call of a new day finds the old day's end.
		batch.Queue(`
			update limit_days set used = case when ends_at <= now() then $2 else used + $2 end,
			  remaining = case when ends_at <= now() then allowed else remaining end,
			  ends_at = case when ends_at <= now() then ends_at + ceil(extract(epoch from now() - ends_at) / 86400 + 0.000001) * interval '1 day' else ends_at end
			where hub_id = $1`, t.hubID, t.spent)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := t.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("storing the limits: %w", err)
	}
	return nil
}

// ChargeCalls notes calls that an attempt made beyond those that its turn was
// for: they happened, and whoever waits makes room for them.
func (s *Store) ChargeCalls(ctx context.Context, connectionID uuid.UUID, bucket hubspot.Bucket, people bool, calls int) error {
	return s.withLimit(ctx, connectionID, "", bucket, func(t *limitTx, general, peoples *lane) ticket {
		l := general
		if people && peoples.most() > 0 {
			l = peoples
		}
		l.charge(t.now, calls)
		t.changed[l] = true
		if bucket != hubspot.AssociationBucket {
			t.spent = calls
		}
		return ticket{}
	})
}

// BelieveLimit takes over what an answer's headers say of a limit, and charges
// what others than us have used of it. Callers spare it where the headers say
// nothing new: it costs a transaction.
func (s *Store) BelieveLimit(ctx context.Context, connectionID uuid.UUID, bucket hubspot.Bucket, said hubspot.RateLimit) (LimitState, error) {
	var state LimitState
	err := s.withLimit(ctx, connectionID, "", bucket, func(t *limitTx, general, people *lane) ticket {
		if allowed := min(said.Max, mostAllowed); said.HasBurst && allowed > 0 && said.Interval >= time.Second && said.Interval <= longestWindow {
			for _, l := range []*lane{general, people} {
				l.allowed, l.window = allowed, said.Interval
				l.trim()
				t.changed[l] = true
			}
			// Our own are charged before they are made: what is more is others'.
			others := said.Max - said.Remaining - general.inWindow(t.now) - people.inWindow(t.now)
			if others > LimitMargin(said.Max) {
				general.charge(t.now, others)
			}
		}
		state = t.state(bucket)
		return ticket{}
	})
	return state, err
}

// LimitMargin is how far HubSpot's count and ours may be apart without a reason
// that matters.
func LimitMargin(allowed int) int { return max(3, allowed/20) }

// BlockLimit lets nothing of a bucket pass for a while, since HubSpot said so by
// a 429. Whoever waits keeps their place, and the holder, if one is named, comes
// first.
func (s *Store) BlockLimit(ctx context.Context, connectionID uuid.UUID, bucket hubspot.Bucket, holder string, wait time.Duration) error {
	return s.withLimit(ctx, connectionID, holder, bucket, func(t *limitTx, general, people *lane) ticket {
		until := t.now.Add(wait)
		for _, l := range []*lane{general, people} {
			// Many attempts run into one wall: what the first one moved, the
			// next does not move again by what it came later.
			if until.Sub(l.blockedUntil) > wait/4 {
				l.block(t.now, until)
				t.changed[l] = true
			}
		}
		if holder == "" {
			return ticket{}
		}
		t.changed[general] = true
		return ticket{lane: general, at: general.requeue(t.now, 1), again: true}
	})
}

// withLimit changes one limit under its lock.
func (s *Store) withLimit(ctx context.Context, connectionID uuid.UUID, holder string, bucket hubspot.Bucket, change func(t *limitTx, general, people *lane) (keep ticket)) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		t, err := s.limits(ctx, tx, connectionID, holder, []hubspot.Bucket{bucket})
		if err != nil || len(t.lanes) == 0 {
			return err
		}
		general, people := t.of(bucket)
		return t.save(ctx, change(t, general, people))
	})
	if err != nil {
		return fmt.Errorf("changing the %s limit of connection %s: %w", bucket, connectionID, err)
	}
	return nil
}

// BelieveDay takes over what an answer says of the account's daily sum.
func (s *Store) BelieveDay(ctx context.Context, connectionID uuid.UUID, allowed, remaining int) error {
	day, err := s.dayOf(ctx, connectionID)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, `
		insert into limit_days (hub_id, allowed, remaining, ends_at) values ($1, $2, $3, $4)
		on conflict (hub_id) do update set allowed = $2, remaining = $3, ends_at = $4,
		  used = case when limit_days.ends_at <= now() then 0 else limit_days.used end`, day.hubID, allowed, remaining, day.endsAt)
	if err != nil {
		return fmt.Errorf("storing the daily sum of HubSpot account %d: %w", day.hubID, err)
	}
	return nil
}

// BlockDay lets nothing of an account pass before midnight in its time zone,
// since HubSpot said that the day's sum is used up, and says how long that is. If
// the time zone is not known, it is tried again each hour.
func (s *Store) BlockDay(ctx context.Context, connectionID uuid.UUID) (time.Duration, error) {
	day, err := s.dayOf(ctx, connectionID)
	if err != nil {
		return 0, err
	}
	until := day.endsAt
	if !day.zoneKnown {
		until = day.now.Add(time.Hour)
	}
	_, err = s.pool.Exec(ctx, `
		insert into limit_days (hub_id, ends_at, blocked_until) values ($1, $2, $3)
		on conflict (hub_id) do update set ends_at = $2, blocked_until = $3,
		  used = case when limit_days.ends_at <= now() then 0 else limit_days.used end`, day.hubID, day.endsAt, until)
	if err != nil {
		return 0, fmt.Errorf("closing the day of HubSpot account %d: %w", day.hubID, err)
	}
	return until.Sub(day.now), nil
}

// accountDay is an account's day as it is now.
type accountDay struct {
	hubID       int64
	now, endsAt time.Time
	zoneKnown   bool
}

func (s *Store) dayOf(ctx context.Context, connectionID uuid.UUID) (accountDay, error) {
	var d accountDay
	var zone string
	err := s.pool.QueryRow(ctx, `
		select c.hub_id, now(), coalesce((select other.time_zone from connections other where other.hub_id = c.hub_id and other.time_zone <> '' limit 1), '')
		from connections c where c.id = $1`, connectionID).Scan(&d.hubID, &d.now, &zone)
	if err := notFound(err, fmt.Sprintf("reading the account of connection %s", connectionID)); err != nil {
		return accountDay{}, err
	}
	// An empty name is UTC's, too.
	location, err := time.LoadLocation(zone)
	d.zoneKnown = err == nil && zone != ""
	if !d.zoneKnown {
		location = time.UTC
	}
	d.endsAt = nextMidnight(d.now, location)
	return d, nil
}

// nextMidnight is when the day after begins, also where that day has 23 hours.
func nextMidnight(now time.Time, in *time.Location) time.Time {
	local := now.In(in)
	return time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, in)
}
