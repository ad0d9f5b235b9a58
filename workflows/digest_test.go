package workflows_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// morning plays Postgres and HubSpot to a digest.
type morning struct {
	*testsuite.TestWorkflowEnvironment

	group store.BriefingGroup

	mu    sync.Mutex
	parts []activities.DigestPart
	// together has the first so many parts wait until all of them are being read, and met
	// is closed then. alone: they never were.
	together int
	met      chan struct{}
	alone    bool
	// away has the reading by a connection fail, with that error, however often it is
	// tried.
	away map[uuid.UUID]error

	runs  []activities.DigestRun // that were planned and told
	read  map[uuid.UUID]string   // by connection: "read" or "bare"
	most  int                    // were read at once
	atOne int
	told  bool
	order []string
}

func newMorning(t *testing.T, at time.Time) *morning {
	t.Helper()
	m := &morning{
		TestWorkflowEnvironment: newEnvironment(), away: map[uuid.UUID]error{}, read: map[uuid.UUID]string{},
		group: store.BriefingGroup{OrganizationID: uuid.New(), Kind: store.NoticeBriefingDigest, Zone: "Europe/Berlin", Minutes: 450, Days: "mon,tue"},
	}
	m.SetStartTime(at)
	var a *activities.Activities
	m.OnActivity(a.PlanDigest, mock.Anything, mock.Anything).Return(func(_ context.Context, run activities.DigestRun) (activities.DigestPlan, error) {
		m.runs = append(m.runs, run)
		m.order = append(m.order, "plan")
		return activities.DigestPlan{Parts: m.parts}, nil
	})
	m.OnActivity(a.ComposeDigest, mock.Anything, mock.Anything).Return(m.compose)
	// As the workflow has them under way, whatever the machine makes of that.
	m.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) {
		m.atOne++
		m.most = max(m.most, m.atOne)
	})
	m.SetOnActivityCompletedListener(func(*activity.Info, converter.EncodedValue, error) { m.atOne-- })
	m.OnActivity(a.TellDigest, mock.Anything, mock.Anything).Return(func(_ context.Context, run activities.DigestRun) error {
		m.runs = append(m.runs, run)
		m.order = append(m.order, "tell")
		m.told = true
		return nil
	})
	return m
}

func (m *morning) compose(_ context.Context, in activities.DigestPartInput) error {
	m.mu.Lock()
	m.together--
	last := m.together == 0
	m.mu.Unlock()
	if last {
		for range 10_000 {
			runtime.Gosched() // one more that may begin does so now
		}
		close(m.met)
	}
	if m.met != nil {
		select {
		case <-m.met:
		case <-time.After(10 * time.Second):
			m.mu.Lock()
			m.alone = true
			m.mu.Unlock()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.away[in.Part.ConnectionID]; err != nil && !in.Bare {
		return err
	}
	m.order = append(m.order, "read")
	m.read[in.Part.ConnectionID] = "read"
	if in.Bare {
		m.read[in.Part.ConnectionID] = "bare"
	}
	return nil
}

func (m *morning) run(t *testing.T) {
	t.Helper()
	m.ExecuteWorkflow(workflows.Digest, m.group)
	require.True(t, m.IsWorkflowCompleted())
	require.NoError(t, m.GetWorkflowError())
}

func TestADigestIsToldOnceAllIsRead(t *testing.T) {
	t.Parallel()
	m := newMorning(t, on(t, "2026-11-23 07:30"))
	for range 20 {
		m.parts = append(m.parts, activities.DigestPart{ConnectionID: uuid.New(), People: []uuid.UUID{uuid.New()}})
	}
	m.together, m.met = 8, make(chan struct{})
	m.run(t)
	require.Len(t, m.read, 20)
	require.True(t, m.told)
	require.Equal(t, "tell", m.order[len(m.order)-1])
	require.False(t, m.alone)
	require.Equal(t, 8, m.most, "were read at once")
	for _, run := range m.runs {
		require.Equal(t, m.group, run.Group)
		require.True(t, run.At.Equal(on(t, "2026-11-23 07:30")))
	}
}

func TestADigestOfNobodyIsNotTold(t *testing.T) {
	t.Parallel()
	m := newMorning(t, on(t, "2026-11-23 07:30"))
	m.run(t)
	require.False(t, m.told)
}

// A morning does not wait for a connection that is gone, nor for HubSpot.
func TestADigestGoesOutWithoutHubSpot(t *testing.T) {
	t.Parallel()
	m := newMorning(t, on(t, "2026-11-23 07:30"))
	gone, slow, fine := uuid.New(), uuid.New(), uuid.New()
	for _, c := range []uuid.UUID{gone, slow, fine} {
		m.parts = append(m.parts, activities.DigestPart{ConnectionID: c, People: []uuid.UUID{uuid.New()}})
	}
	m.away[gone] = temporal.NewNonRetryableApplicationError("gone", activities.TypeDisconnected, nil, gone)
	m.away[slow] = errors.New("HubSpot is away")
	m.run(t)
	require.Equal(t, map[uuid.UUID]string{gone: "bare", slow: "bare", fine: "read"}, m.read)
	require.True(t, m.told)
	require.True(t, m.Now().Before(on(t, "2026-11-23 07:51")), "%s", m.Now())
}

func TestAGroupsScheduleIsNamedByAllThatItIs(t *testing.T) {
	t.Parallel()
	g := store.BriefingGroup{
		OrganizationID: uuid.MustParse("0190f7a1-0000-7000-8000-000000000001"), Kind: store.NoticeBriefingDigest, Zone: "Europe/Berlin", Minutes: 450, Days: "mon,fri",
	}
	require.Equal(t, "v1:digest:0190f7a1-0000-7000-8000-000000000001:digest:Europe/Berlin:0730:mon,fri", workflows.DigestID(g))
	names := []string{workflows.DigestID(g)}
	for _, change := range []func(*store.BriefingGroup){
		func(g *store.BriefingGroup) { g.OrganizationID = uuid.New() },
		func(g *store.BriefingGroup) { g.Kind = store.NoticeBriefingWeek },
		func(g *store.BriefingGroup) { g.Zone = "Europe/Paris" },
		func(g *store.BriefingGroup) { g.Minutes = 451 },
		func(g *store.BriefingGroup) { g.Days = "mon" },
	} {
		other := g
		change(&other)
		require.False(t, slices.Contains(names, workflows.DigestID(other)))
		names = append(names, workflows.DigestID(other))
	}
}
