package workflows

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
)

// UpkeepInput names the source that is looked after.
type UpkeepInput struct {
	SourceID uuid.UUID `json:"source_id"`
}

// Upkeep looks after a source at its platform: what would lapse there is renewed,
// and what was never sent is asked for. It looks, sleeps until the look said, or
// until it is told to look again, and ends when there is nothing to look after: the
// source is disabled or has no credentials. A platform that fails is looked at again
// later; nothing of this is ever given up.
func Upkeep(ctx workflow.Context, in UpkeepInput) error {
	u := &upkeep{in: in}
	u.setup(ctx)
	return u.run(ctx)
}

type upkeep struct {
	in   UpkeepInput
	told workflow.ReceiveChannel
}

func (u *upkeep) setup(ctx workflow.Context) {
	u.told = workflow.GetSignalChannelWithOptions(ctx, SignalLookAgain, workflow.SignalChannelOptions{Description: describeLookAgain})
}

func (u *upkeep) run(ctx workflow.Context) error {
	for looks := 1; ; looks++ {
		forgetSignals(u.told)
		tended, err := u.lookAfterTheSource(ctx)
		if err != nil {
			return err
		}
		switch {
		case !tended.Ended:
			if err := u.waitUntil(ctx, tended.Next); err != nil {
				return err
			}
		case u.told.Len() == 0:
			return nil
		}
		// The new run looks at once: what it was told meanwhile is seen.
		if looks >= looksPerRun {
			return workflow.NewContinueAsNewError(ctx, Upkeep, u.in)
		}
	}
}

func (u *upkeep) lookAfterTheSource(ctx workflow.Context) (tended activities.Tended, err error) {
	err = workflow.ExecuteActivity(patient(ctx, "Look after the source"), activity.Tend, activities.TendInput{SourceID: u.in.SourceID}).Get(ctx, &tended)
	if err != nil {
		return tended, fmt.Errorf("looking after the source: %w", err)
	}
	workflow.SetCurrentDetails(ctx, tended.Words)
	return tended, nil
}

// waitUntil waits for that time, or for being told to look again.
func (u *upkeep) waitUntil(ctx workflow.Context, next time.Time) error {
	_, err := workflow.AwaitWithOptions(ctx,
		workflow.AwaitOptions{Timeout: max(next.Sub(workflow.Now(ctx)), time.Second), TimerOptions: workflow.TimerOptions{Summary: "Until the next look"}},
		func() bool { return u.told.Len() > 0 })
	return err
}
