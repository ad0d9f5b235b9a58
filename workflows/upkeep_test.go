package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/workflows"
)

// kept plays a platform with one subscription to the upkeep of a source.
type kept struct {
	*testsuite.TestWorkflowEnvironment

	begun    time.Time
	expires  time.Time
	lapsed   bool
	disabled bool
	// enabledMeanwhile has a look that finds the source disabled be told so while the
	// source is enabled again.
	enabledMeanwhile bool
	// breaks has the next so many calls fail on our side, away those of the platform.
	breaks, away int
	looks        []time.Duration // since the beginning
}

const subscriptionLives = time.Hour

func newKept(t *testing.T) *kept {
	t.Helper()
	k := &kept{TestWorkflowEnvironment: newEnvironment()}
	k.begun = k.Now()
	var a *activities.Activities
	k.OnActivity(a.Tend, mock.Anything, mock.Anything).Return(func(context.Context, activities.TendInput) (activities.Tended, error) {
		now := k.Now()
		k.looks = append(k.looks, now.Sub(k.begun).Round(time.Second))
		if k.breaks > 0 {
			k.breaks--
			return activities.Tended{}, errors.New("Postgres is away")
		}
		switch {
		case k.disabled:
			if k.disabled = !k.enabledMeanwhile; k.enabledMeanwhile {
				k.enabledMeanwhile = false
				k.tell()
			}
			return activities.Tended{Ended: true}, nil
		case k.away > 0:
			k.away--
			return activities.Tended{Next: now.Add(time.Minute), Words: "the platform can't be reached"}, nil
		}
		if !k.expires.IsZero() && now.After(k.expires) {
			k.lapsed = true
		}
		k.expires = now.Add(subscriptionLives)
		return activities.Tended{Next: now.Add(subscriptionLives / 2)}, nil
	})
	return k
}

func (k *kept) tell() {
	k.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "the source changed"})
}

// disableAt ends it at that time.
func (k *kept) disableAt(after time.Duration) {
	k.RegisterDelayedCallback(func() { k.disabled = true; k.tell() }, after)
}

func (k *kept) run(t *testing.T) {
	t.Helper()
	k.RegisterDelayedCallback(k.tell, 0)
	k.ExecuteWorkflow(workflows.Upkeep, workflows.UpkeepInput{SourceID: uuid.New()})
	require.True(t, k.IsWorkflowCompleted())
	require.False(t, k.lapsed, "a subscription lapsed")
}

func TestASubscriptionIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.disableAt(3*time.Hour + 15*time.Minute)
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	// Every half hour, and when it is disabled.
	m := time.Minute
	require.Equal(t, []time.Duration{0, 30 * m, 60 * m, 90 * m, 120 * m, 150 * m, 180 * m, 195 * m}, k.looks)
}

func TestBeingToldEndsTheSleep(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	// The first begins a look, and what comes during that is one more.
	k.RegisterDelayedCallback(func() { k.tell(); k.tell(); k.tell(); k.tell() }, 10*time.Minute)
	k.disableAt(20 * time.Minute)
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	require.Equal(t, []time.Duration{0, 10 * time.Minute, 10 * time.Minute, 20 * time.Minute}, k.looks)
}

func TestAPlatformThatIsAwayIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.away = 3
	k.disableAt(10 * time.Minute)
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	m := time.Minute
	require.Equal(t, []time.Duration{0, m, 2 * m, 3 * m, 10 * m}, k.looks)
}

// A wait after a failure ends when the credentials are set anew.
func TestBeingToldEndsTheWaitAfterAFailure(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.away = 1
	k.RegisterDelayedCallback(k.tell, 20*time.Second)
	k.disableAt(10 * time.Minute)
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	require.Equal(t, []time.Duration{0, 20 * time.Second, 10 * time.Minute}, k.looks)
}

func TestUpkeepIsNeverGivenUp(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.breaks = 6 // a minute's worth
	k.disableAt(24 * time.Hour)
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	require.Zero(t, k.breaks)
	require.False(t, k.expires.IsZero())
}

func TestADisabledSourceEndsItsUpkeep(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.disabled = true
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	require.Equal(t, []time.Duration{0}, k.looks)
}

// What is told in the midst of the last look is not left for a workflow that ended.
func TestASourceThatIsEnabledMeanwhileIsLookedAfter(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.disabled, k.enabledMeanwhile = true, true
	k.disableAt(5 * time.Minute)
	k.run(t)
	require.NoError(t, k.GetWorkflowError())
	require.Equal(t, []time.Duration{0, 0, 5 * time.Minute}, k.looks)
}

func TestUpkeepContinuesAsNew(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.run(t)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, k.GetWorkflowError(), &next)
	require.Len(t, k.looks, 100)
	// After the last sleep, so that the new run's first look is in time.
	require.Equal(t, 100*30*time.Minute, k.Now().Sub(k.begun).Round(time.Minute))
}

func TestEachSourceHasItsUpkeep(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v1:upkeep:0190f7a1-0000-7000-8000-000000000001",
		workflows.UpkeepID(uuid.MustParse("0190f7a1-0000-7000-8000-000000000001")))
}
