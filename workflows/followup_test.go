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

// world plays Postgres and HubSpot to a follow-up in a time-skipping environment:
// what it has to do next is what the fields say.
type world struct {
	*testsuite.TestWorkflowEnvironment

	in workflows.FollowUpInput

	// mu: activities run side by side, and so do looks.
	mu           sync.Mutex
	gatherUntil  time.Time
	notes        bool
	planned      int // rounds that were planned
	version      int // rounds that there are reasons for
	ready        []store.ReadyAction
	pending      []store.PendingQuestion
	disconnected bool
	planFails    error
	paused       bool
	pausedOn     uuid.UUID
	connection   uuid.UUID
	// undoing: an undo was asked for, and undo is what it then writes.
	undoing bool
	undo    []store.ReadyAction
	// asks: the model is asked before each round, and consultFails is why it can't be.
	asks, asked  bool
	consultFails error
	notHeard     int

	looks    int
	written  []uuid.UUID
	decided  []activities.DecideInput
	closings int
	cards    int
	// slow is an action whose write takes ten minutes; onWrite happens when one
	// ends; decideFails is how often deciding fails before it works.
	slow        uuid.UUID
	onWrite     func(uuid.UUID)
	decideFails int
	// whileClosing happens after the follow-up was found to be done.
	whileClosing func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		TestWorkflowEnvironment: newEnvironment(),
		in:                      workflows.FollowUpInput{OrganizationID: uuid.New(), MeetingID: uuid.New()},
		version:                 1, notes: true,
	}
	var a *activities.Activities
	w.OnActivity(a.Look, mock.Anything, mock.Anything).Return(w.look)
	w.OnActivity(a.Plan, mock.Anything, mock.Anything).Return(w.plan)
	w.OnActivity(a.Write, mock.Anything, mock.MatchedBy(func(in activities.WriteInput) bool { return in.ActionID != w.slow })).Return(w.write)
	w.OnActivity(a.Write, mock.Anything, mock.Anything).After(10 * time.Minute).Return(w.write)
	w.OnActivity(a.Consult, mock.Anything, mock.Anything).Return(w.consult)
	w.OnActivity(a.NotHeard, mock.Anything, mock.Anything).Return(w.withoutModel)
	w.OnActivity(a.PlanUndo, mock.Anything, mock.Anything).Return(w.planUndo)
	w.OnActivity(a.Pause, mock.Anything, mock.Anything).Return(w.pause)
	w.OnActivity(a.Card, mock.Anything, mock.Anything).Return(func(context.Context, activities.Meeting) (string, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cards++
		return "a card", nil
	})
	w.OnActivity(a.Decide, mock.Anything, mock.Anything).Return(w.decide)
	w.OnActivity(a.Close, mock.Anything, mock.Anything).Return(func(context.Context, activities.Meeting) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.closings++
		closed := w.planned == w.version
		if w.whileClosing != nil {
			w.whileClosing()
		}
		return closed, nil
	})
	t.Cleanup(func() { w.AssertExpectations(quiet{}) })
	return w
}

// quiet: not every story calls every activity.
type quiet struct{}

func (quiet) Logf(string, ...any)   {}
func (quiet) Errorf(string, ...any) {}
func (quiet) FailNow()              {}

func (w *world) look(_ context.Context, m activities.Meeting) (store.Look, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if m.MeetingID != w.in.MeetingID || m.OrganizationID != w.in.OrganizationID {
		return store.Look{}, errors.New("asked about another meeting")
	}
	look := store.Look{Ready: w.ready, Pending: w.pending}
	switch {
	case w.paused && w.disconnected:
		look.Next = store.NextPause
	case w.undoing:
		look.Next = store.NextUndo
	case w.planned < w.version && !w.notes && w.Now().Before(w.gatherUntil):
		look.Next, look.Until = store.NextGather, w.gatherUntil
	case w.planned < w.version:
		look.Next, look.AskModel = store.NextPlan, w.asks && !w.asked
	case len(w.ready) > 0:
		look.Next = store.NextWrite
	case len(w.pending) > 0:
		look.Next, look.Until = store.NextAnswer, w.pending[0].ExpiresAt
	default:
		look.Next = store.NextDone
	}
	return look, nil
}

func (w *world) plan(context.Context, activities.Meeting) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disconnected {
		return temporal.NewNonRetryableApplicationError("gone", activities.TypeDisconnected, nil, w.connection)
	}
	if w.planFails != nil {
		return w.planFails
	}
	w.planned = w.version
	return nil
}

func (w *world) consult(context.Context, activities.Meeting) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disconnected {
		return temporal.NewNonRetryableApplicationError("gone", activities.TypeDisconnected, nil, w.connection)
	}
	if w.consultFails != nil {
		return w.consultFails
	}
	w.asked = true
	return nil
}

func (w *world) withoutModel(context.Context, activities.NotHeardInput) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notHeard++
	w.asked = true
	return nil
}

func (w *world) planUndo(context.Context, activities.Meeting) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.disconnected {
		return temporal.NewNonRetryableApplicationError("gone", activities.TypeDisconnected, nil, w.connection)
	}
	w.undoing, w.ready, w.pending = false, w.undo, nil
	return nil
}

func (w *world) pause(_ context.Context, in activities.PauseInput) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused, w.pausedOn = true, in.ConnectionID
	return nil
}

func (w *world) write(_ context.Context, in activities.WriteInput) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = append(w.written, in.ActionID)
	if w.onWrite != nil {
		w.onWrite(in.ActionID)
	}
	var left []store.ReadyAction
	for _, r := range w.ready {
		if r.ID != in.ActionID {
			left = append(left, r)
		}
	}
	w.ready = left
	return nil
}

func (w *world) decide(_ context.Context, in activities.DecideInput) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.decideFails > 0 {
		w.decideFails--
		return "", errors.New("the database blinked")
	}
	for i, p := range w.pending {
		if p.ApprovalID == in.ApprovalID {
			w.decided = append(w.decided, in)
			w.pending = append(w.pending[:i:i], w.pending[i+1:]...)
			w.ready = append(w.ready, store.ReadyAction{ID: in.ApprovalID, Title: p.Title})
			return p.Title + ": approved.", nil
		}
	}
	return "", temporal.NewNonRetryableApplicationError("This question was already approved.", activities.TypeRefused, nil)
}

func (w *world) run() { w.ExecuteWorkflow(workflows.FollowUp, w.in) }

func (w *world) after(d time.Duration, f func()) { w.RegisterDelayedCallback(f, d) }

func (w *world) wake() {
	w.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "test"})
}

func question(expires time.Time) store.PendingQuestion {
	return store.PendingQuestion{ApprovalID: uuid.New(), Title: "Create Deal", ExpiresAt: expires}
}

func (w *world) continuedAsNew(t *testing.T) {
	t.Helper()
	require.True(t, w.IsWorkflowCompleted())
	require.True(t, workflow.IsContinueAsNewError(w.GetWorkflowError()), "got %v", w.GetWorkflowError())
}

func TestAFollowUpFromTheFirstWordToEverythingWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready = []store.ReadyAction{{ID: uuid.New(), Title: "Create Contact"}, {ID: uuid.New(), Title: "Create Note"}}
	want := []uuid.UUID{w.ready[0].ID, w.ready[1].ID}
	w.run()

	require.True(t, w.IsWorkflowCompleted())
	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, 1, w.planned)
	require.ElementsMatch(t, want, w.written)
}

func TestItWaitsForNotesAndGoesOnAtOnceWhenTheyCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.Now()
	w.notes, w.gatherUntil = false, start.Add(15*time.Minute)
	w.after(4*time.Minute, func() { w.notes = true; w.wake() })
	w.run()

	require.NoError(t, w.GetWorkflowError())
	require.WithinDuration(t, start.Add(4*time.Minute), w.Now(), time.Minute)
}

func TestItGoesOnWithoutNotesAfterABoundedTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.Now()
	w.notes, w.gatherUntil = false, start.Add(10*time.Minute)
	w.run()

	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, 1, w.planned)
	require.WithinDuration(t, start.Add(10*time.Minute), w.Now(), time.Minute)
}

// A wait of days happens in a run of its own, so that a deploy replays little.
func TestItContinuesAsNewBeforeItWaitsForPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pending = []store.PendingQuestion{question(w.Now().Add(7 * 24 * time.Hour))}
	w.run()
	w.continuedAsNew(t)
	require.Equal(t, 1, w.planned)
	require.Equal(t, 2, w.looks, "at once, and not only when the history has grown")
}

// A program error is seen, not waited for.
func TestAnUnknownRefusalOfTheStoreFailsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planFails = temporal.NewNonRetryableApplicationError("not there", activities.TypeNotFound, nil)
	w.run()
	require.ErrorContains(t, w.GetWorkflowError(), "not there")
	require.False(t, w.paused)
}

func TestAnAnswerWakesItAndItContinuesToTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	p := question(w.Now().Add(7 * 24 * time.Hour))
	w.pending = []store.PendingQuestion{p}
	w.after(time.Hour, func() {
		_, err := w.decide(context.Background(), activities.DecideInput{ApprovalID: p.ApprovalID, Verdict: store.Approve})
		require.NoError(t, err)
		w.wake()
	})
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, []uuid.UUID{p.ApprovalID}, w.written)
}

// Nobody answers: the question's deadline ends the wait, by Postgres's clock, in
// however many runs.
func TestADeadlineIsSeenWithoutAnyMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	deadline := w.Now().Add(3 * time.Hour)
	w.pending = []store.PendingQuestion{question(deadline)}
	w.after(3*time.Hour, func() { w.pending = nil })
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.WithinDuration(t, deadline, w.Now(), time.Minute)
}

func TestALostWakeUpCostsMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	start := w.Now()
	w.pending = []store.PendingQuestion{question(start.Add(7 * 24 * time.Hour))}
	w.after(time.Hour, func() { w.pending = nil }) // and nobody says so
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Less(t, w.Now().Sub(start), time.Hour+16*time.Minute)
}

func TestALongWaitKeepsItsHistoryShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	w.pending = []store.PendingQuestion{question(w.Now().Add(365 * 24 * time.Hour))}
	w.run()
	w.continuedAsNew(t)
	require.LessOrEqual(t, w.looks, 101)
}

func TestALostConnectionPausesAndNeverFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.disconnected, w.connection = true, uuid.New()
	w.run()
	w.continuedAsNew(t)
	require.True(t, w.paused)
	require.Equal(t, w.connection, w.pausedOn, "on the connection that is gone, whichever the follow-up had")

	next := newWorld(t)
	next.disconnected, next.paused = true, true
	next.after(20*time.Hour, func() { next.disconnected = false; next.wake() })
	next.run()
	require.NoError(t, next.GetWorkflowError())
	require.Equal(t, 1, next.planned, "it goes on where it was")
}

// What comes while it closes opens the next round instead of being lost.
func TestAnEventThatComesWhileItClosesIsPlanned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready = []store.ReadyAction{{ID: uuid.New(), Title: "Create Note"}}
	w.whileClosing = func() {
		if w.version == 1 {
			w.version = 2
			w.wake()
		}
	}
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, 2, w.planned)
	require.Equal(t, 2, w.closings)
}

func TestDecidingInTheTemporalUI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	p := question(w.Now().Add(7 * 24 * time.Hour))
	w.pending = []store.PendingQuestion{p}
	var refusedShape, refused error
	var accepted any
	update := func(in workflows.DecideInput, done func(any, error)) {
		w.UpdateWorkflow(workflows.UpdateDecide, uuid.NewString(), &testsuite.TestUpdateCallback{
			OnReject:   func(err error) { done(nil, err) },
			OnAccept:   func() {},
			OnComplete: done,
		}, in)
	}
	w.after(time.Minute, func() {
		update(workflows.DecideInput{Approval: p.ApprovalID, Verdict: "perhaps"}, func(_ any, err error) { refusedShape = err })
	})
	w.after(2*time.Minute, func() {
		update(workflows.DecideInput{Approval: uuid.New(), Verdict: store.Approve}, func(_ any, err error) { refused = err })
	})
	w.after(3*time.Minute, func() {
		update(workflows.DecideInput{Approval: p.ApprovalID, Verdict: store.Edit, Properties: map[string]string{"amount": "1"}, Name: "Dana"},
			func(v any, err error) { accepted = v; require.NoError(t, err) })
	})
	w.run()

	require.NoError(t, w.GetWorkflowError())
	require.ErrorContains(t, refusedShape, "approve")
	require.ErrorContains(t, refused, "already approved")
	require.Equal(t, "Create Deal: approved.", accepted)
	require.Len(t, w.decided, 1)
	require.Equal(t, "Dana", w.decided[0].Name)
	require.Equal(t, map[string]string{"amount": "1"}, w.decided[0].Edit)
	require.Equal(t, []uuid.UUID{p.ApprovalID}, w.written)
}

func TestDecidingBySignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	p := question(w.Now().Add(7 * 24 * time.Hour))
	w.pending = []store.PendingQuestion{p}
	w.after(time.Minute, func() {
		w.SignalWorkflow(workflows.SignalDecide, workflows.DecideInput{Approval: p.ApprovalID, Verdict: "perhaps"})
		w.SignalWorkflow(workflows.SignalDecide, workflows.DecideInput{Approval: p.ApprovalID, Verdict: store.Approve})
	})
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, []uuid.UUID{p.ApprovalID}, w.written)
}

// One write that can't end, because HubSpot is away, holds up nothing but itself.
func TestASlowWriteHoldsUpNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	p := question(w.Now().Add(7 * 24 * time.Hour))
	w.slow = uuid.New()
	w.ready, w.pending = []store.ReadyAction{{ID: w.slow, Title: "Create Note"}}, []store.PendingQuestion{p}
	start := w.Now()
	var writtenAfter time.Duration
	w.onWrite = func(id uuid.UUID) {
		if id == p.ApprovalID {
			writtenAfter = w.Now().Sub(start)
		}
	}
	w.after(time.Minute, func() {
		_, err := w.decide(context.Background(), activities.DecideInput{ApprovalID: p.ApprovalID, Verdict: store.Approve})
		require.NoError(t, err)
		w.wake()
	})
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.ElementsMatch(t, []uuid.UUID{w.slow, p.ApprovalID}, w.written)
	require.Less(t, writtenAfter, 2*time.Minute)
	require.Greater(t, w.Now().Sub(start), 5*time.Minute)
}

// A decision that came by signal is judged before the run continues as new, also
// when the judging itself needs a second try.
func TestADecisionBySignalSurvivesContinueAsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	p := question(w.Now().Add(7 * 24 * time.Hour))
	w.ready, w.pending = []store.ReadyAction{{ID: uuid.New(), Title: "Create Note"}}, []store.PendingQuestion{p, question(w.Now().Add(7 * 24 * time.Hour))}
	w.decideFails = 1
	w.onWrite = func(uuid.UUID) {
		w.onWrite = nil
		w.SignalWorkflow(workflows.SignalDecide, workflows.DecideInput{Approval: p.ApprovalID, Verdict: store.Approve})
	}
	w.run()
	w.continuedAsNew(t)
	require.Len(t, w.decided, 1)
}

// An undo comes before what else there is to do, also for a follow-up that waits
// or has lost its connection, and goes on as actions like any other.
func TestAnUndoIsPlannedAndWritten(t *testing.T) {
	t.Parallel()
	t.Run("of a closed one", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.planned, w.undoing, w.undo = 1, true, []store.ReadyAction{{ID: uuid.New(), Title: "Archive Note"}}
		want := w.undo[0].ID
		w.run()
		require.NoError(t, w.GetWorkflowError())
		require.Equal(t, []uuid.UUID{want}, w.written)
	})

	t.Run("of one that waits for answers", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.planned, w.pending = 1, []store.PendingQuestion{question(w.Now().Add(24 * time.Hour))}
		w.undo = []store.ReadyAction{{ID: uuid.New(), Title: "Update Deal"}}
		want := w.undo[0].ID
		w.after(time.Hour, func() { w.undoing = true; w.wake() })
		w.run()
		require.NoError(t, w.GetWorkflowError())
		require.Equal(t, []uuid.UUID{want}, w.written)
	})

	t.Run("without a connection", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.planned, w.undoing, w.disconnected, w.connection = 1, true, true, uuid.New()
		w.run()
		w.continuedAsNew(t)
		require.Equal(t, w.connection, w.pausedOn)
		require.True(t, w.undoing, "it is still to be done")
	})
}

func TestWhatIsPendingCanBeQueried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	p := question(w.Now().Add(time.Hour))
	w.pending = []store.PendingQuestion{p}
	var got []store.PendingQuestion
	w.after(time.Minute, func() {
		answer, err := w.QueryWorkflow(workflows.QueryPending)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&got))
	})
	w.after(time.Hour, func() { w.pending = nil })
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Len(t, got, 1)
	require.Equal(t, p.ApprovalID, got[0].ApprovalID)
}

// Whoever looks in the Temporal UI sees the question that is open now.
func TestAQuestionThatTookTheOthersPlaceIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned = 1
	expires := w.Now().Add(time.Hour)
	w.pending = []store.PendingQuestion{question(expires)}
	w.after(time.Minute, func() {
		require.Equal(t, 1, w.cards)
		w.pending = []store.PendingQuestion{question(expires)}
		w.wake()
	})
	w.after(time.Hour, func() { w.pending = nil })
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, 2, w.cards)
}

// What a look does not say is not so any more.
func TestALookForgetsTheOneBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.planned, w.slow = 1, uuid.New()
	w.ready, w.pending = []store.ReadyAction{{ID: w.slow, Title: "Create Note"}}, []store.PendingQuestion{question(w.Now().Add(time.Hour))}
	pending := func() (got []store.PendingQuestion) {
		answer, err := w.QueryWorkflow(workflows.QueryPending)
		require.NoError(t, err)
		require.NoError(t, answer.Get(&got))
		return got
	}
	w.after(time.Minute, func() {
		require.Len(t, pending(), 1)
		w.pending = nil
		w.wake()
	})
	w.after(2*time.Minute, func() { require.Empty(t, pending()) })
	w.run()
	require.NoError(t, w.GetWorkflowError())
}

func TestWorkflowIDs(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	back, err := workflows.MeetingOfWorkflow(workflows.FollowUpID(id))
	require.NoError(t, err)
	require.Equal(t, id, back)
	for _, bad := range []string{"", "v1:follow-up:", "v1:briefing:" + id.String(), "v2:follow-up:" + id.String()} {
		_, err := workflows.MeetingOfWorkflow(bad)
		require.Error(t, err, bad)
	}
}
