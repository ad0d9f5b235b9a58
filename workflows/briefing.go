package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
)

// BriefingInput names the brief: one meeting, for one person. Everything else is read.
type BriefingInput = store.BriefingKey

// Briefing tells a person of a meeting before it begins. It waits until the brief is
// due, has it made, and then looks until the meeting has begun whether what was told
// still holds. A meeting that moves, is canceled or gets another host says so in
// Postgres; what is told here only ends a wait.
//
// It fails only for what a program error would cause; whatever HubSpot, Postgres or
// people do makes it wait.
func Briefing(ctx workflow.Context, in BriefingInput) error {
	b := &briefing{in: in, log: log.With(workflow.GetLogger(ctx), "meeting", in.MeetingID, "person", in.PersonID)}
	b.setup(ctx)
	return b.run(ctx)
}

type briefing struct {
	in   BriefingInput
	told workflow.ReceiveChannel
	log  log.Logger

	look store.BriefingLook // what it saw last
	// composing: a brief is being made. composed: one was since the last look began.
	composing, composed bool
	// failures is how often in a row making it came to nothing.
	failures int
	// worked: this run has more in its history than waiting.
	worked bool
	failed error // of making a brief, for a program error
}

func (b *briefing) setup(ctx workflow.Context) {
	b.told = workflow.GetSignalChannelWithOptions(ctx, SignalLookAgain, workflow.SignalChannelOptions{Description: describeLookAgain})
}

func (b *briefing) run(ctx workflow.Context) error {
	for looks := 1; ; looks++ {
		if err := b.lookAgain(ctx); err != nil {
			return err
		}
		switch {
		case b.look.Ended && b.told.Len() > 0:
			continue // it was told in the midst of that look
		case b.look.Ended:
			return nil // what is still being made finds the same, and tells nobody
		case b.look.Compose && !b.composing:
			b.composeTheBrief(ctx)
		}
		if !b.composing && (looks >= looksPerRun || b.worked && b.look.Until.Sub(workflow.Now(ctx)) > longWait) {
			// The new run looks at once: what it was told meanwhile is seen.
			return workflow.NewContinueAsNewError(ctx, Briefing, b.in)
		}
		if err := cmp.Or(b.waitForWhatIsNext(ctx), b.failed); err != nil {
			return err
		}
	}
}

func (b *briefing) lookAgain(ctx workflow.Context) error {
	forgetSignals(b.told)
	b.composed = false
	// Into a value of its own: decoded over the last one, what this look does not say
	// would keep its value.
	var look store.BriefingLook
	if err := workflow.ExecuteLocalActivity(short(ctx, "Look"), activity.LookAtBriefing, b.in).Get(ctx, &look); err != nil {
		return fmt.Errorf("looking at the brief: %w", err)
	}
	b.look = look
	workflow.SetCurrentDetails(ctx, b.details())
	return nil
}

// composeTheBrief begins to make the brief, and waits for nothing: HubSpot may be away
// while the meeting moves or is canceled.
func (b *briefing) composeTheBrief(ctx workflow.Context) {
	b.composing, b.worked = true, true
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { b.composing, b.composed = false, true }()
		b.failed = cmp.Or(b.failed, b.compose(ctx))
	})
}

func (b *briefing) compose(ctx workflow.Context) error {
	if b.failures > 0 {
		// It is due again after it came to nothing. Whatever the reason: not in a hurry.
		if err := workflow.Sleep(ctx, time.Duration(min(b.failures, 12))*5*time.Second); err != nil {
			return err
		}
	}
	err := workflow.ExecuteActivity(preparing(ctx, "Make the brief", inTurn(b.look.HubID, false)), activity.ComposeBriefing, b.in).Get(ctx, nil)
	var failure *temporal.ApplicationError
	switch {
	case err == nil:
		b.failures = 0
		return nil
	case temporal.IsCanceledError(err) || !errors.As(err, &failure):
		return err
	case failure.Type() == activities.TypeDisconnected:
		return b.pause(ctx, failure)
	default:
		b.failures++
		b.log.Warn("a brief could not be made; it will be tried again", "type", failure.Type())
		return nil
	}
}

// pause makes a lost connection a reason to wait.
func (b *briefing) pause(ctx workflow.Context, failure *temporal.ApplicationError) error {
	in := activities.PauseBriefingInput{Briefing: b.in}
	if failure.HasDetails() {
		if err := failure.Details(&in.ConnectionID); err != nil {
			return fmt.Errorf("reading which connection is gone: %w", err)
		}
	}
	return workflow.ExecuteLocalActivity(short(ctx, "Pause"), activity.PauseBriefing, in).Get(ctx, nil)
}

// waitForWhatIsNext waits until the brief was made, or somebody said to look again, or
// it is time.
func (b *briefing) waitForWhatIsNext(ctx workflow.Context) error {
	_, err := workflow.AwaitWithOptions(ctx,
		workflow.AwaitOptions{Timeout: b.timeToWait(ctx), TimerOptions: workflow.TimerOptions{Summary: b.whatItWaitsFor()}},
		func() bool { return b.composed || b.told.Len() > 0 })
	return err
}

func (b *briefing) timeToWait(ctx workflow.Context) time.Duration {
	atMost := briefingLookEvery
	if b.look.Paused || b.isTold() || b.composing {
		atMost = lookAgainEvery
	}
	if b.look.Until.IsZero() {
		return atMost
	}
	// What is due is so by the clock of a worker: a little later is surer.
	return min(atMost, max(b.look.Until.Sub(workflow.Now(ctx))+100*time.Millisecond, time.Second))
}

// isTold says whether a brief is out, or on its way.
func (b *briefing) isTold() bool {
	return b.look.State == store.BriefingReady || b.look.State == store.BriefingDelivered
}

func (b *briefing) whatItWaitsFor() string {
	switch {
	case b.composing:
		return "Wait for the brief"
	case b.look.Paused:
		return "Wait for the connection to come back"
	case b.isTold():
		return "Wait for changes until the meeting begins"
	default:
		return "Wait until the brief is due"
	}
}

// details are what the Temporal UI shows: states and times.
func (b *briefing) details() string {
	rows := []string{"", "", "| | UTC |", "|---|---|"}
	for _, row := range []struct {
		what string
		at   time.Time
	}{{"due", b.look.DueAt}, {"the meeting begins", b.look.StartsAt}} {
		if !row.at.IsZero() {
			rows = append(rows, "| "+row.what+" | "+row.at.UTC().Format(time.DateTime)+" |")
		}
	}
	state := "**" + string(b.look.State) + "**"
	if b.look.Reason != "" {
		state += ": " + b.look.Reason
	}
	return state + strings.Join(rows, "\n") + "\n"
}
