package workflows

import (
	"strconv"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
)

// TaskQueue is where Debrief's workers look for work.
const TaskQueue = "debrief"

const (
	// What a webhook names may appear at the platform's API later than the webhook:
	// seconds later as a rule, after a long meeting an hour. It is looked for after
	// notYetFirst, then half as often each time, and not beyond notYetFor.
	notYetFirst, notYetMost, notYetFor = 30 * time.Second, 30 * time.Minute, 6 * time.Hour
	// refusedAgain is when a platform that refused the credentials is asked again
	// without anybody having said that there are others: what they may do is changed
	// at the platform, too. It is longer than store.RefusedAgain, so that not all who
	// wait find that one of them has just asked.
	refusedAgain = time.Hour
	// lookAgainEvery bounds what a lost wake-up costs. Each look of a follow-up
	// that waits for days adds a few events to its history, hence minutes.
	lookAgainEvery = 15 * time.Minute
	// looksPerRun bounds a run's history: then it continues as new.
	looksPerRun = 100
	// briefingLookEvery is lookAgainEvery for a brief that is not due, which may be so
	// for months: each look adds a few events to a history, and whatever moves a meeting
	// tells the workflow.
	briefingLookEvery = 6 * time.Hour
	// longWait is how long a brief that was made has to wait to do so in a run of its
	// own, so that a deploy replays little.
	longWait = 6 * time.Hour
	// digestParts is how many connections a digest is read by at the same time.
	digestParts = 8
)

// When a schedule begins a digest that it could not begin in time.
const (
	// A second digest of one morning is pointless: one that is still at work when the
	// next is due, a day later or an hour where clocks change, is left to it.
	digestOverlap = enums.SCHEDULE_OVERLAP_POLICY_SKIP
	// After Temporal was away: a digest at half past nine is late, one at noon is none.
	// The next comes tomorrow, and every meeting has its brief.
	digestCatchUp = 2 * time.Hour
	// The same for a digest that was begun while no worker was up, or Postgres away.
	digestInTime = 2 * time.Hour
	// lastSkippedHour is the last hour of a day that clocks leave out somewhere: at
	// 03:00 they go forward in the east of Europe.
	lastSkippedHour = 3
)

// atOnce is how many activities of a kind one worker runs at the same time. Each
// takes a connection to Postgres (the pool has 16) for moments, and may wait for
// HubSpot for seconds. With the SDK's thousand, one account's queue would come to
// stand inside the worker, where nobody is fair, and all would wait for Postgres.
// Who needs more runs more workers.
const atOnce = 24

// WorkerOptions are those of every worker of [TaskQueue].
func WorkerOptions() worker.Options {
	return worker.Options{
		MaxConcurrentActivityExecutionSize: atOnce, MaxConcurrentLocalActivityExecutionSize: atOnce,
		// A task that comes with its workflow's answer would go past the queue, and
		// past its fairness.
		DisableEagerActivities: true,
		// The SDK would hold beats back for most of the time that is given them.
		MaxHeartbeatThrottleInterval: activities.BeatEvery, DefaultHeartbeatThrottleInterval: activities.BeatEvery,
	}
}

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

// ordinary is for activities that are seen, retried and reset in the Temporal UI. An
// attempt has that long; after one that failed the next comes soon, and then less and
// less often, but never longer apart than that.
func ordinary(summary string, atMost, apart time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: atMost,
		// A killed worker is noticed by its silence. Several beats may get lost
		// on a busy machine before an attempt is taken for dead; should it live
		// all the same, the gate lets only one of the two write.
		HeartbeatTimeout: 5 * activities.BeatEvery,
		RetryPolicy:      &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: apart},
		Summary:          summary,
	}
}

// remote is for what talks to HubSpot. One step is some calls of at most 30 s each (the
// client's timeout). HubSpot's own outages last minutes to hours, and a follow-up is
// never given up for one. A rate limit's delay comes with the error.
func remote(ctx workflow.Context, summary string, turn temporal.Priority) workflow.Context {
	o := ordinary(summary, 3*time.Minute, 5*time.Minute)
	o.Priority = turn
	return workflow.WithActivityOptions(ctx, o)
}

// consulting is for asking a language model. A question has twelve minutes in all; what
// is read for it comes before. What the model fails at is no failure of the activity,
// which is tried again for killed workers, and for HubSpot and Postgres being away: for
// a bounded time, since a plan is made without a model, too.
func consulting(ctx workflow.Context, summary string, turn temporal.Priority) workflow.Context {
	o := ordinary(summary, 15*time.Minute, time.Minute)
	o.RetryPolicy.MaximumAttempts = 6
	o.Priority = turn
	return workflow.WithActivityOptions(ctx, o)
}

// preparing is for making a brief: some ten calls to HubSpot. It has to be there when
// the meeting begins, so it is tried again sooner than what may come in the evening.
func preparing(ctx workflow.Context, summary string, turn temporal.Priority) workflow.Context {
	o := ordinary(summary, 3*time.Minute, time.Minute)
	o.Priority = turn
	return workflow.WithActivityOptions(ctx, o)
}

// hurried is for reading what a digest tells. It goes out in time, with HubSpot or
// without.
func hurried(ctx workflow.Context, summary string, turn temporal.Priority) workflow.Context {
	o := ordinary(summary, 10*time.Minute, time.Minute)
	o.ScheduleToCloseTimeout = 20 * time.Minute
	o.Priority = turn
	return workflow.WithActivityOptions(ctx, o)
}

// asking is for one question to a meeting platform: some calls of at most 30 s each,
// and the turns that they wait for. A platform may be away for hours, and nothing is
// given up for that. What a 429 asks for, and a source's next turn, come with the error.
func asking(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, ordinary(summary, 5*time.Minute, 5*time.Minute))
}

// thorough is for what goes through all that an organization has: opening some
// ten thousand sealed texts takes seconds, and many more take minutes. A person is to
// be forgotten: it is never given up.
func thorough(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, ordinary(summary, time.Hour, 5*time.Minute))
}

// patient is for looking after a source at its platform: page after page, at the
// pace that the platform allows. What fails there is no error here, but a reason to
// look again later; Postgres being away is no reason to give up.
func patient(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, ordinary(summary, 10*time.Minute, time.Minute))
}

// inTurn makes the task queue serve HubSpot accounts in turn, whatever each of
// them has waiting. What a human allowed is in a turn of its own: a higher
// priority would go before everything of everybody, and thousands of approvals
// of one account would starve the others.
func inTurn(hubID int64, decided bool) temporal.Priority {
	if hubID == 0 {
		return temporal.Priority{} // the workflow's: its organization
	}
	key := strconv.FormatInt(hubID, 10)
	if decided {
		key += "/decided"
	}
	return temporal.Priority{FairnessKey: key}
}
