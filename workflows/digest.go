package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
)

// Digest tells the people of a group together what is ahead of them: today, or this
// week. A schedule begins it, which knows no names: who belongs to the group is asked
// when it runs, and who was told that day is not told again.
func Digest(ctx workflow.Context, group store.BriefingGroup) error {
	d := &digest{log: log.With(workflow.GetLogger(ctx), "organization", group.OrganizationID)}
	d.setup(ctx, group)
	return d.run(ctx)
}

type digest struct {
	in  activities.DigestRun
	log log.Logger
}

// scheduledFor is the time that a schedule began a workflow for; Temporal sets it.
var scheduledFor = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

func (d *digest) setup(ctx workflow.Context, group store.BriefingGroup) {
	// One that catches up after midnight is still that of the day before.
	at, known := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledFor)
	if !known {
		at = workflow.Now(ctx)
	}
	d.in = activities.DigestRun{Group: group, At: at}
}

func (d *digest) run(ctx workflow.Context) error {
	plan, err := d.askWhoIsTold(ctx)
	if err != nil {
		return err
	}
	if len(plan.Parts) == 0 {
		return nil
	}
	if err := d.readTheirMeetings(ctx, plan.Parts); err != nil {
		return err
	}
	return d.tellThem(ctx)
}

func (d *digest) askWhoIsTold(ctx workflow.Context) (plan activities.DigestPlan, err error) {
	err = workflow.ExecuteActivity(patient(ctx, "Ask who is told"), activity.PlanDigest, d.in).Get(ctx, &plan)
	if err != nil {
		return plan, fmt.Errorf("asking who is told: %w", err)
	}
	return plan, nil
}

// readTheirMeetings reads some parts side by side: each is another connection, or some
// more people.
func (d *digest) readTheirMeetings(ctx workflow.Context, parts []activities.DigestPart) error {
	places := workflow.NewSemaphore(ctx, digestParts)
	open, failed := len(parts), error(nil)
	for _, part := range parts {
		if err := places.Acquire(ctx, 1); err != nil {
			return err
		}
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { open--; places.Release(1) }()
			failed = errors.Join(failed, d.readAPart(ctx, part))
		})
	}
	if err := workflow.Await(ctx, func() bool { return open == 0 }); err != nil {
		return err
	}
	return failed
}

// readAPart reads the meetings of some people. A morning does not wait for HubSpot:
// what can't be read in time is told without it.
func (d *digest) readAPart(ctx workflow.Context, part activities.DigestPart) error {
	in := activities.DigestPartInput{Run: d.in, Part: part}
	turn := inTurn(part.HubID, false)
	err := workflow.ExecuteActivity(hurried(ctx, "Read the meetings", turn), activity.ComposeDigest, in).Get(ctx, nil)
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	d.log.Warn("the meetings of a digest could not be read in HubSpot", "connection", part.ConnectionID)
	in.Bare = true
	if err := workflow.ExecuteActivity(preparing(ctx, "Go on without HubSpot", turn), activity.ComposeDigest, in).Get(ctx, nil); err != nil {
		return fmt.Errorf("going on without HubSpot: %w", err)
	}
	return nil
}

func (d *digest) tellThem(ctx workflow.Context) error {
	err := workflow.ExecuteActivity(patient(ctx, "Tell them"), activity.TellDigest, d.in).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("telling them: %w", err)
	}
	return nil
}
