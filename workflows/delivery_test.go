package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/workflows"
)

// platform plays a meeting platform to the workflow of a delivery: what is to fail
// fails first, and then it answers.
type platform struct {
	*testsuite.TestWorkflowEnvironment

	fails   []error
	always  error
	asked   int
	asks    []time.Duration // when it was asked, since the beginning
	without []activities.Without
}

func newPlatform(t *testing.T, fails ...error) *platform {
	t.Helper()
	p := &platform{TestWorkflowEnvironment: newEnvironment(), fails: fails}
	began := p.Now()
	var a *activities.Activities
	p.OnActivity(a.Fetch, mock.Anything, mock.Anything).Return(func(context.Context, activities.DeliveryInput) error {
		p.asked++
		p.asks = append(p.asks, p.Now().Sub(began).Round(time.Second))
		if len(p.fails) > 0 {
			err := p.fails[0]
			p.fails = p.fails[1:]
			return err
		}
		return p.always
	})
	p.OnActivity(a.Understand, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.DeliveryInput) error {
		p.without = append(p.without, in.Without)
		return nil
	})
	return p
}

func (p *platform) run(t *testing.T) {
	t.Helper()
	p.ExecuteWorkflow(workflows.Delivery, workflows.DeliveryInput{DeliveryID: uuid.New()})
	require.True(t, p.IsWorkflowCompleted())
	require.NoError(t, p.GetWorkflowError())
}

func (p *platform) tell() {
	p.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "a delivery waits"})
}

func of(kind string) error {
	return temporal.NewNonRetryableApplicationError("the platform says no", kind, nil)
}

func TestADeliveryIsFetchedAndUnderstood(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.run(t)
	require.Equal(t, 1, p.asked)
	require.Equal(t, []activities.Without{""}, p.without)
}

// What passes is retried by Temporal, and what is asked for is obeyed.
func TestADeliveryOutlastsTrouble(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, errors.New("hung up"),
		temporal.NewApplicationErrorWithOptions("asks for fewer calls", activities.TypeLater, temporal.ApplicationErrorOptions{NextRetryDelay: time.Hour}))
	p.run(t)
	require.Equal(t, []activities.Without{""}, p.without)
	require.Len(t, p.asks, 3)
	require.GreaterOrEqual(t, p.asks[2]-p.asks[1], time.Hour)
}

// What is not there yet is looked for less and less often, and not for ever.
func TestADeliveryIsUnderstoodWithoutWhatNeverAppears(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.always = of(activities.TypeNotYet)
	p.run(t)
	require.Equal(t, []activities.Without{activities.NeverAppeared}, p.without)
	require.Equal(t, []time.Duration{0, 30 * time.Second, 90 * time.Second, 210 * time.Second, 450 * time.Second, 930 * time.Second, 1890 * time.Second}, p.asks[:7])
	require.InDelta(t, 6*time.Hour, p.asks[len(p.asks)-1], float64(31*time.Minute))
	require.Less(t, p.asked, 25)
}

func TestADeliveryIsUnderstoodWithoutWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.always = of(activities.TypeDenied)
	p.run(t)
	require.Equal(t, 1, p.asked)
	require.Equal(t, []activities.Without{activities.NotGiven}, p.without)
}

// Where the credentials are refused it waits, for days if it has to, asks once an
// hour, and goes on when it is told that there are others.
func TestADeliveryWaitsForCredentials(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.always = of(activities.TypeCredentialsRefused)
	p.RegisterDelayedCallback(func() {
		require.Equal(t, 49, p.asked)
		require.Empty(t, p.without)
		p.always = nil
		p.tell()
	}, 48*time.Hour+time.Minute)
	p.run(t)
	require.Equal(t, 50, p.asked)
	require.Equal(t, 48*time.Hour+time.Minute, p.asks[49])
	require.Equal(t, []activities.Without{""}, p.without)
}

// Waiting for credentials does not use up the time in which it may appear.
func TestADeliveryThatWaitedMayStillAppear(t *testing.T) {
	t.Parallel()
	fails := []error{of(activities.TypeNotYet)}
	for range 24 {
		fails = append(fails, of(activities.TypeCredentialsRefused))
	}
	p := newPlatform(t, append(fails, of(activities.TypeNotYet), of(activities.TypeNotYet))...)
	p.run(t)
	require.Equal(t, []activities.Without{""}, p.without)
}

// A run that waits for long continues as new, and forgets nothing but its history.
func TestADeliveryContinuesAsNew(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.always = of(activities.TypeCredentialsRefused)
	in := workflows.DeliveryInput{DeliveryID: uuid.New()}
	p.ExecuteWorkflow(workflows.Delivery, in)
	require.True(t, p.IsWorkflowCompleted())
	require.True(t, workflowContinues(p.GetWorkflowError()))
	require.Equal(t, 100, p.asked)
	require.Empty(t, p.without)
}

// A signal that comes while it asks is not a reason to end, nor to ask for ever.
func TestADeliveryThatIsToldMeanwhileEnds(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, errors.New("hung up"))
	p.RegisterDelayedCallback(p.tell, 0)
	p.RegisterDelayedCallback(p.tell, 500*time.Millisecond)
	p.run(t)
	require.Equal(t, []activities.Without{""}, p.without)
}

func TestEachDeliveryHasItsWorkflow(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v1:delivery:0190f7a1-0000-7000-8000-000000000001", workflows.DeliveryID(uuid.MustParse("0190f7a1-0000-7000-8000-000000000001")))
}

func workflowContinues(err error) bool {
	var again *workflow.ContinueAsNewError
	return errors.As(err, &again)
}
