package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
)

// TaskQueue is where Debrief's workers look for work.
const TaskQueue = "debrief"

const (
	// lookAgainEvery bounds what a lost wake-up costs. Each look of a follow-up
	// that waits for days adds a few events to its history, hence minutes.
	lookAgainEvery = 15 * time.Minute
	// looksPerRun bounds a run's history: then it continues as new.
	looksPerRun = 100
)

// short is for steps of our own: a few statements in Postgres. Local activities:
// idempotent, and no event but their result.
func short(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		// A transaction takes milliseconds; a lock may be held for as long as
		// the database's own timeouts allow.
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			// Postgres being away is no reason to give up, only to ask less often.
			MaximumInterval: time.Minute,
		},
		Summary: summary,
	})
}

// remote is for what talks to HubSpot: ordinary activities, to be seen, retried
// and reset in the Temporal UI.
func remote(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		// One step is some calls of at most 30 s each (the client's timeout).
		StartToCloseTimeout: 3 * time.Minute,
		// A killed worker is noticed by its silence. Several beats may get lost
		// on a busy machine before an attempt is taken for dead; should it live
		// all the same, the gate lets only one of the two write.
		HeartbeatTimeout: 5 * activities.BeatEvery,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			// HubSpot's own outages last minutes to hours, and a follow-up is
			// never given up for one. A rate limit's delay comes with the error.
			MaximumInterval: 5 * time.Minute,
		},
		Summary: summary,
	})
}
