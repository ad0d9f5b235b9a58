package store

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/hubspot"
)

var epoch = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// Whatever comes, whenever, for however many calls, and however late who waited
// comes: as long as calls go out within limitLate of being let through, no window
// of HubSpot's holds more than the account may make, and everybody gets through.
func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		allowed := rapid.IntRange(1, 40).Draw(t, "allowed")
		window := time.Duration(rapid.SampledFrom([]int{1, 10}).Draw(t, "seconds")) * time.Second
		lanes := []*lane{
			{name: generalLane, bucket: hubspot.BurstBucket, allowed: allowed, window: window},
			{name: peopleLane, bucket: hubspot.BurstBucket, allowed: allowed, window: window},
		}
		// Holders that come when they are told to, or somewhat later.
		type holder struct {
			r      Reservation
			comes  time.Time
			ticket ticket
			tries  int
		}
		var holders []*holder
		now := epoch
		for range rapid.IntRange(1, 150).Draw(t, "arrivals") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "gap")) * time.Millisecond)
			holders = append(holders, &holder{comes: now, r: Reservation{
				Calls: map[hubspot.Bucket]int{hubspot.BurstBucket: rapid.IntRange(1, 6).Draw(t, "calls")}, People: rapid.Bool().Draw(t, "people"),
				Patience: 250 * time.Millisecond,
			}})
		}
		var calls []time.Time
		for len(holders) > 0 {
			next := slices.MinFunc(holders, func(a, b *holder) int { return a.comes.Compare(b.comes) })
			slipped := time.Duration(0)
			if l := next.ticket.lane; l != nil && !next.ticket.again {
				slipped = l.slipped
			}
			held := next.ticket
			held.at = held.at.Add(slipped)
			tx := &limitTx{now: next.comes, lanes: lanes, ticket: held, buckets: next.r.buckets(), changed: map[*lane]bool{}}
			turn, keep := tx.reserve(next.r)
			require.GreaterOrEqual(t, turn.Wait, time.Duration(0))
			if turn.Admitted {
				require.LessOrEqual(t, turn.Wait, next.r.Patience)
				for range min(next.r.Calls[hubspot.BurstBucket], lanes[0].most()) {
					late := time.Duration(rapid.IntRange(0, int(limitLate/time.Millisecond)-1).Draw(t, "late")) * time.Millisecond
					calls = append(calls, next.comes.Add(turn.Wait+late))
				}
				holders = slices.DeleteFunc(holders, func(h *holder) bool { return h == next })
				continue
			}
			next.tries++
			require.Less(t, next.tries, 200, "everybody gets through")
			if !keep.again {
				keep.at = keep.at.Add(-keep.lane.slipped)
			}
			next.ticket = keep
			next.comes = next.comes.Add(turn.Wait + time.Duration(rapid.SampledFrom([]int{0, 0, 20, 900, 5000}).Draw(t, "latecomer"))*time.Millisecond)
		}
		for _, l := range lanes {
			require.LessOrEqual(t, len(l.taken), l.most(), "bounded")
		}
		requireWithin(t, calls, allowed, window)
	})
}

func requireWithin(t require.TestingT, calls []time.Time, allowed int, window time.Duration) {
	slices.SortFunc(calls, time.Time.Compare)
	for i, from := range calls {
		n := 0
		for _, at := range calls[i:] {
			if at.Sub(from) < window {
				n++
			}
		}
		require.LessOrEqual(t, n, allowed, "calls in the window from %s on", from)
	}
}

// fill lets through all that a general lane has.
func fill(l *lane, now time.Time) {
	for l.free(now, 1).Equal(now) {
		l.log(now, 1)
	}
}

// All that the lane may make it can make: at once, and then without a pause.
func TestALaneGivesAllThatItHas(t *testing.T) {
	t.Parallel()
	l := &lane{name: generalLane, allowed: 100, window: 10 * time.Second}
	fill(l, epoch)
	require.Len(t, l.taken, 80, "eighty at once")
	for i := range 240 {
		want := epoch.Add(11*time.Second + time.Duration(i)*(11*time.Second/80))
		require.Equal(t, want, l.queue(epoch, 1), "a window later, and what calls may be late; then one by one, not in herds")
	}
	for i := range 240 {
		due := epoch.Add(11*time.Second + time.Duration(i)*(11*time.Second/80))
		require.Equal(t, due, l.free(due, 1), "who comes in time finds room")
		l.log(due, 1)
	}
	require.Equal(t, 20, (&lane{name: peopleLane, allowed: 100}).most())
	require.Equal(t, 5, (&lane{name: generalLane, allowed: 5}).most()+(&lane{name: peopleLane, allowed: 5}).most())
	require.Zero(t, (&lane{name: peopleLane, allowed: 4}).most(), "too few to share")
}

// Who has a turn and does not come holds up nobody while half of the lane lies
// idle; beyond that, newcomers stand behind those who wait.
func TestAnIdleLaneWaitsForNobody(t *testing.T) {
	t.Parallel()
	l := &lane{name: generalLane, allowed: 100, window: 10 * time.Second}
	fill(l, epoch)
	first := l.queue(epoch, 1)
	for range 500 {
		l.queue(epoch, 1)
	}
	require.Equal(t, epoch.Add(11*time.Second), first)
	now := epoch.Add(11*time.Second + time.Millisecond) // the log is empty, and nobody has come
	for range 40 {
		require.Equal(t, now, l.earliest(now, 1))
		l.log(now, 1)
	}
	require.True(t, l.earliest(now, 1).After(now.Add(time.Minute)), "the other half is for those who wait")
	require.Equal(t, now, l.free(now, 1), "and they find it free")
	l.block(now, now.Add(5*time.Second))
	require.True(t, l.earliest(now, 1).After(now.Add(time.Minute)))
}

// A block puts everybody off, in order, and only by as much as it is longer than
// the one before.
func TestABlockKeepsThePlaces(t *testing.T) {
	t.Parallel()
	l := &lane{name: generalLane, allowed: 100, window: 10 * time.Second}
	fill(l, epoch)
	l.queue(epoch, 1)
	second := l.queue(epoch, 1)
	now := epoch.Add(time.Second)
	l.block(now, now.Add(10*time.Second))
	require.Equal(t, 10*time.Second, l.slipped)
	l.block(now.Add(time.Second), now.Add(11*time.Second))
	require.Equal(t, 11*time.Second, l.slipped, "a second more")
	require.True(t, l.queue(now.Add(time.Second), 1).After(second.Add(l.slipped)), "behind those that waited")

	idle := &lane{name: generalLane, allowed: 100, window: 10 * time.Second}
	idle.block(epoch, epoch.Add(10*time.Second))
	require.Equal(t, epoch.Add(10*time.Second), idle.earliest(epoch, 1))
	require.Equal(t, epoch.Add(10*time.Second), idle.free(epoch, 1), "for whoever had a turn, too")
}

// Calls that an attempt makes beyond its turn delay those that wait.
func TestAChargeMakesTheOthersWait(t *testing.T) {
	t.Parallel()
	l := &lane{name: generalLane, allowed: 100, window: 10 * time.Second}
	fill(l, epoch)
	waits := l.queue(epoch, 1)
	l.charge(epoch.Add(time.Second), 4)
	require.Equal(t, 4*l.spacing(), l.slipped)
	require.False(t, l.queue(epoch.Add(time.Second), 1).Before(waits.Add(5*l.spacing())))
}

func TestNextMidnight(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// Clocks go back on 25 October 2026: that day has 25 hours.
	require.Equal(t, time.Date(2026, 10, 25, 23, 0, 0, 0, time.UTC), nextMidnight(time.Date(2026, 10, 24, 22, 30, 0, 0, time.UTC), berlin).UTC())
	require.Equal(t, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), nextMidnight(epoch, time.UTC))
}

// Whoever ran into a 429 of one limit comes first there, and counts against the
// others as before.
func TestATurnInOneLimitIsNoneInAnother(t *testing.T) {
	t.Parallel()
	lanes := map[hubspot.Bucket]*lane{}
	tx := &limitTx{now: epoch, changed: map[*lane]bool{}, buckets: []hubspot.Bucket{hubspot.BurstBucket, hubspot.SearchBucket}}
	for _, b := range tx.buckets {
		allowed, window := firstLimit(b)
		lanes[b] = &lane{name: generalLane, bucket: b, allowed: allowed, window: window}
		tx.lanes = append(tx.lanes, lanes[b], &lane{name: peopleLane, bucket: b, allowed: allowed, window: window})
	}
	tx.ticket = ticket{lane: lanes[hubspot.SearchBucket], at: epoch, again: true}
	turn, _ := tx.reserve(Reservation{Calls: map[hubspot.Bucket]int{hubspot.BurstBucket: 3, hubspot.SearchBucket: 1}})
	require.True(t, turn.Admitted)
	require.Len(t, lanes[hubspot.BurstBucket].taken, 3)
	require.Len(t, lanes[hubspot.SearchBucket].taken, 1)
}

// A limit that is lowered to next to nothing leaves the people's lane without a
// share. Who waits there still gets turns.
func TestALaneWithoutAShareGivesTurns(t *testing.T) {
	t.Parallel()
	general := &lane{name: generalLane, bucket: hubspot.BurstBucket, allowed: 3, window: 10 * time.Second}
	people := &lane{name: peopleLane, bucket: hubspot.BurstBucket, allowed: 3, window: 10 * time.Second}
	for _, l := range []*lane{general, people} {
		l.block(epoch, epoch.Add(10*time.Second))
	}
	tx := &limitTx{
		now: epoch, changed: map[*lane]bool{}, buckets: []hubspot.Bucket{hubspot.BurstBucket}, lanes: []*lane{general, people},
		ticket: ticket{lane: people, at: epoch},
	}
	turn, keep := tx.reserve(Reservation{Calls: map[hubspot.Bucket]int{hubspot.BurstBucket: 1}, People: true})
	require.False(t, turn.Admitted)
	require.Equal(t, general, keep.lane, "the one that has a share")
	require.Equal(t, 10*time.Second, turn.Wait)
}

// A clock that is set back by an hour does not stop the account for an hour.
func TestAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	l := &lane{name: generalLane, allowed: 100, window: 10 * time.Second}
	fill(l, epoch)
	first := l.queue(epoch, 1)
	ticket := first.Add(-l.slipped)
	l.block(epoch, epoch.Add(5*time.Second))
	now := epoch.Add(-time.Hour)
	require.True(t, l.setBack(now))
	require.Equal(t, now.Add(11*time.Second), l.free(now, 1))
	require.Equal(t, now.Add(16*time.Second), ticket.Add(l.slipped), "who waits, waits as long as before")
	require.False(t, l.nextAt.After(now.Add(time.Minute)))
	require.False(t, l.blockedUntil.After(now.Add(5*time.Second)))
	require.False(t, l.setBack(now), "once")
}
