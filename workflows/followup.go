package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/store"
)

// FollowUpInput names the meeting that is followed up. Everything else is read.
type FollowUpInput struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	MeetingID      uuid.UUID `json:"meeting_id"`
}

// FollowUp does the work after a meeting, from the first word about it to
// everything written. It works in rounds: what is said later, even after it
// closed, opens the next one under the same workflow ID.
//
// It fails only for what a program error would cause; whatever HubSpot,
// Postgres or people do makes it wait.
func FollowUp(ctx workflow.Context, in FollowUpInput) error {
	f := &followUp{in: in, writing: map[uuid.UUID]bool{}, tries: map[uuid.UUID]int{}, log: log.With(workflow.GetLogger(ctx), "meeting", in.MeetingID)}
	if err := f.setup(ctx); err != nil {
		return err
	}
	return f.run(ctx)
}

type followUp struct {
	in  FollowUpInput
	log log.Logger

	look store.Look // what it saw last
	// shown is what the Temporal UI shows, as far as the workflow knows it.
	shown store.Look
	// woken: somebody said "look again" since the last look began.
	woken bool
	// worked: this run has more in its history than waiting.
	worked bool
	// writing are the actions whose write is under way, and tries how often this
	// run began one.
	writing map[uuid.UUID]bool
	tries   map[uuid.UUID]int
	failed  error // of a write, for a program error

	// decisions come by signal; deciding is how many are being judged.
	decisions workflow.ReceiveChannel
	deciding  int
}

// activity gives the methods of the activities by reference; it is never called.
var activity *activities.Activities // a typed nil, for method references

func (f *followUp) setup(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryPending,
		func() ([]store.PendingQuestion, error) { return f.look.Pending, nil },
		workflow.QueryHandlerOptions{Description: describePending})
	if err != nil {
		return fmt.Errorf("offering the query: %w", err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateDecide, f.decide,
		workflow.UpdateHandlerOptions{Validator: f.decidable, Description: describeDecide})
	if err != nil {
		return fmt.Errorf("offering the update: %w", err)
	}
	f.decisions = workflow.GetSignalChannelWithOptions(ctx, SignalDecide, workflow.SignalChannelOptions{Description: describeDecide})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var in DecideInput
			f.decisions.Receive(ctx, &in)
			f.deciding++
			err := f.decidable(ctx, in)
			if err == nil {
				_, err = f.decide(ctx, in)
			}
			if err != nil {
				// Nobody waits for a signal's answer. The refusal itself may repeat
				// what was typed, so it stays out of the log.
				f.log.Warn("a decision by signal was refused", "approval", in.Approval)
			}
			f.deciding--
		}
	})
	wakeUps := workflow.GetSignalChannelWithOptions(ctx, SignalLookAgain, workflow.SignalChannelOptions{Description: describeLookAgain})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var why LookAgain
			wakeUps.Receive(ctx, &why)
			f.woken = true
		}
	})
	return nil
}

func (f *followUp) run(ctx workflow.Context) error {
	for looks := 1; ; looks++ {
		if looks > looksPerRun && len(f.writing) == 0 {
			return f.continueInANewRun(ctx)
		}
		if err := f.lookAgain(ctx); err != nil {
			return err
		}
		var err error
		switch f.look.Next {
		case store.NextGather:
			err = f.waitForWhatStillComes(ctx)
		case store.NextPlan:
			if f.look.AskModel {
				err = f.askTheModel(ctx)
				break
			}
			err = f.planARound(ctx)
		case store.NextUndo:
			err = f.planTheUndo(ctx)
		case store.NextWrite:
			err = f.writeWhatIsReady(ctx)
		case store.NextAnswer, store.NextPause:
			// A long wait is a run of its own, so that a deploy replays little.
			if f.worked && len(f.writing) == 0 {
				return f.continueInANewRun(ctx)
			}
			err = f.waitForPeople(ctx)
		case store.NextDone:
			if len(f.writing) > 0 {
				err = f.waitUntil(ctx, time.Time{}, "Wait for what is under way")
				break
			}
			var closed bool
			if closed, err = f.close(ctx); err == nil && closed && !f.woken {
				return f.handlersFinished(ctx)
			}
		default:
			return fmt.Errorf("the store says %q, which this version of the workflow does not know", f.look.Next)
		}
		if err := cmp.Or(err, f.failed); err != nil {
			return err
		}
	}
}

// lookAfresh marks the histories of runs that decode each look into a value of its own.
const lookAfresh = "look afresh"

func (f *followUp) lookAgain(ctx workflow.Context) error {
	f.woken = false
	// Decoded over the last one, what this look does not say would keep its value, and
	// a question that took another's place would not be shown.
	var look store.Look
	into := &look
	if workflow.GetVersion(ctx, lookAfresh, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		into = &f.look // a run that v0.5.0 or an earlier version began shows the card when they would
		f.look.AskModel = false
	}
	if err := workflow.ExecuteLocalActivity(short(ctx, "Look"), activity.Look, f.meeting()).Get(ctx, into); err != nil {
		return err
	}
	f.look = *into
	return f.show(ctx)
}

func (f *followUp) waitForWhatStillComes(ctx workflow.Context) error {
	return f.waitUntil(ctx, f.look.Until, "Wait for what usually still comes")
}

// planARound resolves who was there and what HubSpot knows, plans, and stores
// the difference to what earlier rounds did, with its permissions and questions.
func (f *followUp) planARound(ctx workflow.Context) error {
	f.worked = true
	err := workflow.ExecuteActivity(remote(ctx, "Resolve and plan", inTurn(f.look.HubID, false)), activity.Plan, f.meeting()).Get(ctx, nil)
	return f.pauseIfDisconnected(ctx, err)
}

// askTheModel has the organization's language model asked about the meeting as it is
// now, where an admin switched that on. The answer is recorded; the next look plans
// with it, or sees that more was said meanwhile. What keeps failing is not worth
// waiting for: the plan goes on without a model, and says so.
func (f *followUp) askTheModel(ctx workflow.Context) error {
	f.worked = true
	err := workflow.ExecuteActivity(consulting(ctx, "Ask the model", inTurn(f.look.HubID, false)), activity.Consult, f.meeting()).Get(ctx, nil)
	if err = f.pauseIfDisconnected(ctx, err); err == nil || temporal.IsCanceledError(err) {
		return err
	}
	return workflow.ExecuteLocalActivity(short(ctx, "Go on without the model"), activity.NotHeard,
		activities.NotHeardInput{Meeting: f.meeting(), MeetingVersion: f.look.MeetingVersion}).Get(ctx, nil)
}

// planTheUndo compares what was written with what HubSpot has now, and stores what
// is to be taken back. From there on those are actions like any other.
func (f *followUp) planTheUndo(ctx workflow.Context) error {
	f.worked = true
	err := workflow.ExecuteActivity(remote(ctx, "Plan the undo", inTurn(f.look.HubID, true)), activity.PlanUndo, f.meeting()).Get(ctx, nil)
	return f.pauseIfDisconnected(ctx, err)
}

// writeWhatIsReady begins to write what depends on nothing that is still open,
// and waits for the first that ends or for whatever else comes: a write that
// takes hours, because HubSpot is away, holds up nothing but itself.
func (f *followUp) writeWhatIsReady(ctx workflow.Context) error {
	f.worked = true
	for _, ready := range f.look.Ready {
		if !f.writing[ready.ID] {
			f.writing[ready.ID] = true
			f.tries[ready.ID]++
			workflow.Go(ctx, func(ctx workflow.Context) { f.write(ctx, ready) })
		}
	}
	return f.waitUntil(ctx, f.look.Until, "Wait for what is being written")
}

// write writes one action, to its end.
func (f *followUp) write(ctx workflow.Context, ready store.ReadyAction) {
	defer func() {
		delete(f.writing, ready.ID)
		f.woken = true
	}()
	if tries := f.tries[ready.ID]; tries > 1 {
		// It ended before and is ready again. Whatever the reason: not in a hurry.
		pause := time.Duration(min(tries-1, 12)) * 5 * time.Second
		if err := workflow.Sleep(ctx, pause); err != nil {
			f.failed = err
			return
		}
	}
	turn := inTurn(f.look.HubID, ready.Decided)
	err := workflow.ExecuteActivity(remote(ctx, ready.Title, turn), activity.Write,
		activities.WriteInput{Meeting: f.meeting(), ActionID: ready.ID}).Get(ctx, nil)
	f.failed = cmp.Or(f.failed, f.pauseIfDisconnected(ctx, err))
}

// pauseIfDisconnected makes a lost connection a reason to wait.
func (f *followUp) pauseIfDisconnected(ctx workflow.Context, err error) error {
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) || failure.Type() != activities.TypeDisconnected {
		return err
	}
	in := activities.PauseInput{Meeting: f.meeting()}
	if failure.HasDetails() {
		if err := failure.Details(&in.ConnectionID); err != nil {
			return fmt.Errorf("reading which connection is gone: %w", err)
		}
	}
	return workflow.ExecuteLocalActivity(short(ctx, "Pause"), activity.Pause, in).Get(ctx, nil)
}

// waitForPeople waits for an answer, a deadline, or a connection to come back.
func (f *followUp) waitForPeople(ctx workflow.Context) error {
	if f.look.Next == store.NextPause {
		return f.waitUntil(ctx, time.Time{}, "Wait for the connection to come back")
	}
	return f.waitUntil(ctx, f.look.Until, "Wait for answers")
}

// waitUntil waits for a wake-up, that time, or the next slow look.
func (f *followUp) waitUntil(ctx workflow.Context, until time.Time, summary string) error {
	timeout := lookAgainEvery
	if sabotage.Is(sabotage.Stuck) {
		timeout = 365 * 24 * time.Hour
	}
	if !until.IsZero() {
		// A deadline is checked by Postgres's clock: a little later is surer.
		timeout = min(timeout, max(until.Sub(workflow.Now(ctx))+100*time.Millisecond, time.Second))
	}
	_, err := workflow.AwaitWithOptions(ctx,
		workflow.AwaitOptions{Timeout: timeout, TimerOptions: workflow.TimerOptions{Summary: summary}},
		func() bool { return f.woken })
	return err
}

// continueInANewRun continues as new, with nothing but the IDs: everything else is
// read.
func (f *followUp) continueInANewRun(ctx workflow.Context) error {
	if err := f.handlersFinished(ctx); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, FollowUp, f.in)
}

func (f *followUp) close(ctx workflow.Context) (closed bool, err error) {
	err = workflow.ExecuteLocalActivity(short(ctx, "Close"), activity.Close, f.meeting()).Get(ctx, &closed)
	return closed, err
}

func (f *followUp) handlersFinished(ctx workflow.Context) error {
	// The SDK counts updates alone.
	return workflow.Await(ctx, func() bool {
		return workflow.AllHandlersFinished(ctx) && f.deciding == 0 && f.decisions.Len() == 0
	})
}

// show puts what is open before whoever looks at the workflow in the Temporal UI.
func (f *followUp) show(ctx workflow.Context) error {
	if f.shown.Next == f.look.Next && slices.EqualFunc(f.shown.Pending, f.look.Pending, sameQuestion) {
		return nil
	}
	f.shown = f.look
	if err := workflow.UpsertTypedSearchAttributes(ctx, FollowUpStatus.ValueSet(status(f.look.Next))); err != nil {
		return fmt.Errorf("setting the status: %w", err)
	}
	if f.look.Next != store.NextAnswer && f.look.Next != store.NextPause {
		workflow.SetCurrentDetails(ctx, "")
		return nil
	}
	var card string
	if err := workflow.ExecuteLocalActivity(short(ctx, "Card"), activity.Card, f.meeting()).Get(ctx, &card); err != nil {
		return err
	}
	workflow.SetCurrentDetails(ctx, card)
	return nil
}

// sameQuestion compares by what does not depend on a machine's time zone.
func sameQuestion(a, b store.PendingQuestion) bool {
	return a.ApprovalID == b.ApprovalID && a.ExpiresAt.Equal(b.ExpiresAt)
}

// decidable refuses, before anything is recorded, what can't be a decision.
func (f *followUp) decidable(_ workflow.Context, in DecideInput) error {
	switch {
	case in.Approval == uuid.Nil:
		return temporal.NewNonRetryableApplicationError(`Say which question: "approval" is its ID, as the details show it.`, activities.TypeRefused, nil)
	case in.Verdict != store.Approve && in.Verdict != store.Edit && in.Verdict != store.Reject:
		return temporal.NewNonRetryableApplicationError(`Say "verdict": "approve", "edit" or "reject".`, activities.TypeRefused, nil)
	default:
		return nil
	}
}

// decide hands an answer from the Temporal UI to the one judge.
func (f *followUp) decide(ctx workflow.Context, in DecideInput) (string, error) {
	var sentence string
	err := workflow.ExecuteLocalActivity(short(ctx, "Decide"), activity.Decide, activities.DecideInput{
		Meeting: f.meeting(), ApprovalID: in.Approval, Verdict: in.Verdict, Edit: in.Properties, Reason: in.Reason, Name: in.Name,
	}).Get(ctx, &sentence)
	if err != nil {
		return "", err
	}
	f.woken = true
	return sentence, nil
}

func (f *followUp) meeting() activities.Meeting {
	return activities.Meeting{OrganizationID: f.in.OrganizationID, MeetingID: f.in.MeetingID}
}
