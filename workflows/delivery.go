package workflows

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
)

// DeliveryInput names the delivery.
type DeliveryInput struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
}

// Delivery gets what a delivery only names from the platform's API, and has it
// understood. What the platform has not yet is waited for, for some hours; where it
// refuses the credentials, the delivery waits until somebody has set others.
func Delivery(ctx workflow.Context, in DeliveryInput) error {
	d := &delivery{in: in}
	if err := d.setup(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

type delivery struct {
	in   DeliveryInput
	told workflow.ReceiveChannel
}

func (d *delivery) setup(ctx workflow.Context) error {
	d.told = workflow.GetSignalChannelWithOptions(ctx, SignalLookAgain, workflow.SignalChannelOptions{Description: describeLookAgain})
	return nil
}

func (d *delivery) run(ctx workflow.Context) error {
	var waited time.Duration // for what is not there yet
	wait := notYetFirst
	for looks := 1; ; looks++ {
		forgetSignals(d.told)
		err := d.fetchWhatItNames(ctx)
		switch {
		case err == nil:
			return d.understand(ctx, "")
		case isOf(err, activities.TypeNotYet) && waited >= notYetFor:
			return d.understand(ctx, activities.NeverAppeared)
		case isOf(err, activities.TypeNotYet):
			waited += d.waitFor(ctx, "Waiting for it to appear at the platform", wait)
			wait = min(2*wait, notYetMost)
		case isOf(err, activities.TypeCredentialsRefused):
			d.waitFor(ctx, "Waiting for credentials that the platform accepts", refusedAgain)
		case isOf(err, activities.TypeDenied):
			return d.understand(ctx, activities.NotGiven)
		default:
			return fmt.Errorf("getting what the delivery names: %w", err)
		}
		if looks >= looksPerRun {
			return workflow.NewContinueAsNewError(ctx, Delivery, d.in)
		}
	}
}

func (d *delivery) fetchWhatItNames(ctx workflow.Context) error {
	return workflow.ExecuteActivity(asking(ctx, "Get what the webhook only names"), activity.Fetch, activities.DeliveryInput{DeliveryID: d.in.DeliveryID}).Get(ctx, nil)
}

// waitFor waits until it is told to look, or for that long, and says how long it was.
func (d *delivery) waitFor(ctx workflow.Context, what string, atMost time.Duration) time.Duration {
	since := workflow.Now(ctx)
	timerCtx, cancel := workflow.WithCancel(ctx)
	timer := workflow.NewTimerWithOptions(timerCtx, atMost, workflow.TimerOptions{Summary: what})
	workflow.NewSelector(ctx).
		AddReceive(d.told, func(workflow.ReceiveChannel, bool) {}).
		AddFuture(timer, func(workflow.Future) {}).
		Select(ctx)
	cancel()
	return workflow.Now(ctx).Sub(since)
}

func (d *delivery) understand(ctx workflow.Context, without activities.Without) error {
	err := workflow.ExecuteLocalActivity(short(ctx, "Understand it"), activity.Understand, activities.DeliveryInput{DeliveryID: d.in.DeliveryID, Without: without}).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("understanding the delivery: %w", err)
	}
	return nil
}

// isOf says whether an activity ended with an error of that type.
func isOf(err error, kind string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == kind
}
