package workflows_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// booked plays Postgres and HubSpot to the brief of one meeting: what it has to do is
// what the fields say, at the time that the environment has come to.
type booked struct {
	*testsuite.TestWorkflowEnvironment

	key store.BriefingKey

	// mu: a brief is made while somebody looks.
	mu       sync.Mutex
	start    time.Time
	lead     time.Duration
	notify   store.NotifySettings
	canceled bool
	// marked: something changed that the brief was made of. matters: it is worth telling.
	marked, matters bool
	disconnected    bool
	paused          bool
	connection      uuid.UUID
	// fails has the next so many tries to make it fail, of that error.
	fails int
	err   error
	// while is called when a brief is being made, afterLook when a look is over.
	while, afterLook func()

	// now is when the next run begins.
	now time.Time
	// changes are to come, runs is how many runs it took.
	changes []change
	runs    int

	looks   []time.Time
	tries   []time.Time
	told    []time.Time // when a brief went out
	pauses  []uuid.UUID
	skipped string
}

func newBooked(t *testing.T, now, start time.Time) *booked {
	t.Helper()
	b := &booked{
		start: start, lead: time.Hour,
		key: store.BriefingKey{OrganizationID: uuid.New(), MeetingID: uuid.New(), PersonID: uuid.New()},
	}
	b.now = now
	return b
}

// beginRun gives it an environment for one run.
func (b *booked) beginRun(now time.Time) {
	b.TestWorkflowEnvironment = newEnvironment()
	b.SetStartTime(now)
	b.SetWorkflowRunTimeout(400 * 24 * time.Hour)
	b.runs++
	for i := range b.changes {
		if c := &b.changes[i]; !c.happened {
			b.RegisterDelayedCallback(func() { b.happens(c) }, c.at.Sub(now))
		}
	}
	var a *activities.Activities
	b.OnActivity(a.LookAtBriefing, mock.Anything, mock.Anything).Return(b.look)
	b.OnActivity(a.ComposeBriefing, mock.Anything, mock.Anything).Return(b.compose)
	b.OnActivity(a.PauseBriefing, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.PauseBriefingInput) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.paused = b.disconnected
		b.pauses = append(b.pauses, in.ConnectionID)
		return nil
	})
}

func (b *booked) look(_ context.Context, k store.BriefingKey) (store.BriefingLook, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	b.looks = append(b.looks, now)
	if k != b.key {
		return store.BriefingLook{}, errors.New("asked about another brief")
	}
	end := b.start.Add(5 * time.Minute)
	isTold := len(b.told) > 0
	look := store.BriefingLook{State: store.BriefingWaiting, Paused: b.paused, StartsAt: b.start, Until: end}
	if isTold {
		look.State = store.BriefingDelivered
	}
	at, skip := store.BriefingDue(now, b.start, b.lead, b.notify)
	look.DueAt = at
	switch {
	case b.canceled:
		look.Ended = true
	case skip != "" && !isTold:
		look.Ended, b.skipped = true, skip
	case !now.Before(end):
		look.Ended = true
	case isTold && b.marked, !isTold && !at.After(now):
		look.Compose = !b.paused
	case !isTold:
		look.Until = at
	}
	if b.afterLook != nil {
		b.afterLook()
	}
	return look, nil
}

func (b *booked) compose(context.Context, store.BriefingKey) error {
	if b.while != nil {
		b.while()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	b.tries = append(b.tries, now)
	if b.disconnected {
		return temporal.NewNonRetryableApplicationError("gone", activities.TypeDisconnected, nil, b.connection)
	}
	if b.fails > 0 {
		b.fails--
		return b.err
	}
	if b.canceled || !now.Before(b.start) || len(b.told) > 0 && !b.marked {
		return nil
	}
	if len(b.told) == 0 || b.matters {
		b.told = append(b.told, now)
	}
	b.marked, b.matters = false, false
	return nil
}

// change is something that happens at a time, of which the workflow is told, or not.
type change struct {
	at     time.Time
	what   func()
	untold bool

	happened bool
}

// change lets something happen at a time, and tells the workflow.
func (b *booked) change(at time.Time, what func()) {
	b.changes = append(b.changes, change{at: at, what: what})
}

func (b *booked) happens(c *change) {
	b.mu.Lock()
	c.what()
	c.happened = true
	b.mu.Unlock()
	if !c.untold {
		b.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "the meeting changed"})
	}
}

// run runs it to its end, through all its runs.
func (b *booked) run(t *testing.T) {
	t.Helper()
	for {
		b.beginRun(b.now)
		b.ExecuteWorkflow(workflows.Briefing, b.key)
		require.True(t, b.IsWorkflowCompleted())
		var next *workflow.ContinueAsNewError
		if !errors.As(b.GetWorkflowError(), &next) {
			require.NoError(t, b.GetWorkflowError())
			return
		}
		require.Less(t, b.runs, 100)
		b.now = b.Now()
	}
}

// on is that time of a test's day, in Berlin.
func on(t *testing.T, local string) time.Time {
	t.Helper()
	return in(t, "Europe/Berlin", local)
}

func in(t *testing.T, zone, local string) time.Time {
	t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04", local, location)
	require.NoError(t, err)
	return at
}

// toldAt requires that those are the times of what went out, to the second.
func (b *booked) toldAt(t *testing.T, want ...time.Time) {
	t.Helper()
	require.Len(t, b.told, len(want), "%v", b.told)
	for i, at := range want {
		require.WithinDuration(t, at, b.told[i], 2*time.Second)
		require.False(t, b.told[i].Before(at), "too early: %s", b.told[i])
	}
}

func TestABriefIsToldAheadOfTheMeeting(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.run(t)
	b.toldAt(t, on(t, "2026-11-03 13:00"))
	require.WithinDuration(t, on(t, "2026-11-03 14:05"), b.Now(), 2*time.Second, "it goes on until the meeting has begun")
}

func TestABriefFollowsItsMeeting(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		at, to string // the meeting of 3 November, 14:00, is moved then, to
		told   []string
	}{
		"later":                              {"2026-11-02 12:00", "2026-11-05 10:00", []string{"2026-11-05 09:00"}},
		"earlier":                            {"2026-11-02 12:00", "2026-11-02 18:00", []string{"2026-11-02 17:00"}},
		"earlier, inside the lead time":      {"2026-11-02 12:00", "2026-11-02 12:20", []string{"2026-11-02 12:00"}},
		"earlier, to what is past":           {"2026-11-02 12:00", "2026-11-02 11:00", nil},
		"later, when it was due in a moment": {"2026-11-03 12:59", "2026-11-03 15:00", []string{"2026-11-03 14:00"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
			b.change(on(t, test.at), func() { b.start = on(t, test.to) })
			b.run(t)
			var want []time.Time
			for _, at := range test.told {
				want = append(want, on(t, at))
			}
			b.toldAt(t, want...)
		})
	}
}

func TestACanceledMeetingIsToldToNobody(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.change(on(t, "2026-11-02 10:00"), func() { b.canceled = true })
	b.run(t)
	b.toldAt(t)
	require.WithinDuration(t, on(t, "2026-11-02 10:00"), b.Now(), time.Second)
}

// A leaver's brief, and that of somebody who is the host no more, ends as a canceled
// one does. Here it happens while HubSpot is away and the brief is being made.
func TestABriefThatIsBeingMadeWaitsForNobody(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-03 09:00"), on(t, "2026-11-03 14:00"))
	b.fails, b.err = 1000, errors.New("HubSpot is away")
	b.change(on(t, "2026-11-03 13:10"), func() { b.canceled = true })
	b.run(t)
	b.toldAt(t)
	require.WithinDuration(t, on(t, "2026-11-03 13:10"), b.Now(), time.Minute)
}

func TestTheClocksChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ zone, now, start, due string }{
		// Europe goes back at 03:00 on 25 October 2026, and forward at 02:00 on 28 March 2027.
		"back, between booking and meeting":    {"Europe/Berlin", "2026-10-20 10:00", "2026-10-27 09:00", "2026-10-26 09:00"},
		"forward, between booking and meeting": {"Europe/Berlin", "2027-03-22 10:00", "2027-03-30 09:00", "2027-03-29 09:00"},
		"New York goes forward on 14 March":    {"America/New_York", "2027-03-10 10:00", "2027-03-16 09:00", "2027-03-15 09:00"},
		"Lord Howe goes back by half an hour":  {"Australia/Lord_Howe", "2027-04-01 10:00", "2027-04-06 09:00", "2027-04-05 09:00"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooked(t, in(t, test.zone, test.now), in(t, test.zone, test.start))
			b.lead = 24 * time.Hour
			b.notify.TimeZone = test.zone
			b.run(t)
			b.toldAt(t, in(t, test.zone, test.due))
		})
	}
}

// The lead is a length of time, not a time of day: across a change it is still so long.
func TestTheLeadCrossesAChangeOfTheClocks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ start, due string }{
		"back":    {"2026-10-25 09:00", "2026-10-24 10:00"},
		"forward": {"2027-03-28 09:00", "2027-03-27 08:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := on(t, test.start)
			b := newBooked(t, start.Add(-72*time.Hour), start)
			b.lead = 24 * time.Hour
			b.run(t)
			b.toldAt(t, on(t, test.due))
		})
	}
}

// Each occurrence of a series is a meeting of its own.
func TestASeriesIsToldOccurrenceByOccurrence(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"2026-10-23 09:00", "2026-10-30 09:00", "2026-11-06 09:00"} {
		b := newBooked(t, on(t, "2026-10-01 09:00"), on(t, start))
		b.run(t)
		b.toldAt(t, b.start.Add(-time.Hour))
	}
}

func TestAChangeAfterDeliveryIsToldIfItMatters(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.change(on(t, "2026-11-03 13:20"), func() { b.marked = true })
	b.change(on(t, "2026-11-03 13:40"), func() { b.marked, b.matters = true, true })
	b.run(t)
	require.Len(t, b.tries, 3)
	b.toldAt(t, on(t, "2026-11-03 13:00"), on(t, "2026-11-03 13:40"))
}

// What changes while the brief is being made is looked at when it is.
func TestAChangeWhileItIsBeingMadeIsNotLost(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.while = func() {
		if len(b.tries) == 0 {
			b.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "the meeting changed"})
			return
		}
		b.matters = true
	}
	b.change(on(t, "2026-11-03 13:30"), func() { b.marked = true })
	b.run(t)
	b.toldAt(t, on(t, "2026-11-03 13:00"), on(t, "2026-11-03 13:30"))
}

func TestALostConnectionIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.disconnected, b.connection = true, uuid.New()
	b.change(on(t, "2026-11-03 13:25"), func() { b.disconnected, b.paused = false, false })
	b.run(t)
	require.Equal(t, []uuid.UUID{b.connection}, b.pauses, "it asks for nothing while it waits")
	b.toldAt(t, on(t, "2026-11-03 13:25"))
}

// The message that a connection is back may be lost.
func TestAConnectionThatComesBackIsSeen(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.disconnected = true
	b.changes = []change{{at: on(t, "2026-11-03 13:16"), what: func() { b.disconnected, b.paused = false, false }, untold: true}}
	b.run(t)
	require.Len(t, b.told, 1)
	require.True(t, b.told[0].Before(on(t, "2026-11-03 13:31").Add(time.Minute)), "%s", b.told[0])
}

func TestHubSpotIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.fails, b.err = 10, errors.New("HubSpot is away")
	b.run(t)
	require.Len(t, b.told, 1)
	require.True(t, b.told[0].Before(on(t, "2026-11-03 13:08")), "%s", b.told[0])
}

// What can't be made for a reason that trying again does not mend is tried again all
// the same, and not in a hurry.
func TestABriefThatCannotBeMadeEndsWithItsMeeting(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.fails, b.err = 100000, temporal.NewNonRetryableApplicationError("no", activities.TypeRefused, nil)
	b.run(t)
	b.toldAt(t)
	require.Less(t, len(b.tries), 100)
	require.Greater(t, len(b.tries), 20)
}

func TestALateStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		now     string
		told    bool
		skipped string
	}{
		"inside the lead time":   {"2026-11-03 13:45", true, ""},
		"when it has just begun": {"2026-11-03 14:06", false, "it had begun"},
		"when it is long past":   {"2026-11-05 09:00", false, "it had begun"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooked(t, on(t, test.now), on(t, "2026-11-03 14:00"))
			b.run(t)
			require.Equal(t, test.skipped, b.skipped)
			if !test.told {
				b.toldAt(t)
				require.Empty(t, b.tries)
				return
			}
			b.toldAt(t, on(t, test.now))
		})
	}
}

func TestQuietHoursComeBeforeTheLead(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 08:15"))
	b.notify = store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00"}
	b.run(t)
	require.Len(t, b.told, 1)
	require.True(t, b.told[0].After(on(t, "2026-11-02 19:00")) && b.told[0].Before(on(t, "2026-11-02 20:00")), "%s", b.told[0])
}

// A meeting that is months away costs a look every six hours, and no run of more than
// a hundred.
func TestABriefOfAMeetingInMonthsContinuesAsNew(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-07-01 09:00"), on(t, "2026-11-03 14:00"))
	b.change(on(t, "2026-09-15 11:00"), func() { b.start = on(t, "2026-11-04 16:00") })
	b.run(t)
	b.toldAt(t, on(t, "2026-11-04 15:00"))
	require.Equal(t, 6, b.runs)
	require.Less(t, len(b.looks), 520)
}

// With a long way to go after it was made, it waits in a run of its own.
func TestABriefThatWasMadeWaitsInARunOfItsOwn(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-02 09:00"), on(t, "2026-11-03 14:00"))
	b.lead = 24 * time.Hour
	b.change(on(t, "2026-11-02 20:00"), func() { b.marked, b.matters = true, true })
	b.run(t)
	b.toldAt(t, on(t, "2026-11-02 14:00"), on(t, "2026-11-02 20:00"))
	require.Equal(t, 3, b.runs, "the wait for it to be due, and that after each time that it was made")
}

// What is told in the midst of the last look is not left for a workflow that ended.
func TestAMeetingThatComesBackIsTold(t *testing.T) {
	t.Parallel()
	b := newBooked(t, on(t, "2026-11-03 09:00"), on(t, "2026-11-03 14:00"))
	b.canceled = true
	b.afterLook = func() {
		b.canceled, b.afterLook = false, nil
		b.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "it takes place after all"})
	}
	b.run(t)
	b.toldAt(t, on(t, "2026-11-03 13:00"))
}

func TestEachBriefHasItsWorkflow(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v1:briefing:0190f7a1-0000-7000-8000-000000000001:0190f7a1-0000-7000-8000-000000000002",
		workflows.BriefingID(store.BriefingKey{
			OrganizationID: uuid.New(), MeetingID: uuid.MustParse("0190f7a1-0000-7000-8000-000000000001"),
			PersonID: uuid.MustParse("0190f7a1-0000-7000-8000-000000000002"),
		}))
}
