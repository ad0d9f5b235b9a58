package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// modelBench is an organization with a meeting from a source that its model is on for.
type modelBench struct {
	*intake
	meeting uuid.UUID
	version int64
	model   store.ModelSettings
}

func newModelBench(t *testing.T) *modelBench {
	t.Helper()
	b := &modelBench{intake: newIntake(t)}
	b.meeting = b.deliver(t, metEvent("one", tenOClock, attendee("Jane Roe", jane))).MeetingIDs[0]
	b.version = b.versionOf(t)
	b.model = store.ModelSettings{OrganizationID: b.organization.ID, Kind: "openai", Endpoint: "https://models.example/v1", Name: "small-1", Key: "sk-planted"}
	require.NoError(t, b.SetModel(context.Background(), b.model, store.Operator))
	require.NoError(t, b.SwitchModel(context.Background(), b.organization.ID, b.source.ID, true, store.Operator))
	return b
}

func (b *modelBench) versionOf(t *testing.T) int64 {
	t.Helper()
	m, err := b.MeetingByID(context.Background(), b.organization.ID, b.meeting)
	require.NoError(t, err)
	return m.Version
}

func (b *modelBench) call() store.ModelCall {
	return store.ModelCall{
		OrganizationID: b.organization.ID, MeetingID: b.meeting, MeetingVersion: b.version, Part: 1, Parts: 1, Try: 1, Endpoint: b.model.Endpoint,
		Digest: "digest", InputTokens: 1_000, OutputTokens: 500,
	}
}

func (b *modelBench) switchedOn(t *testing.T) int {
	t.Helper()
	return b.CountForTest(t, `select count(*) from model_sources where organization_id = $1`, b.organization.ID)
}

// What an admin agreed to for one endpoint holds for no other, whoever is at it at once.
func TestASourceIsSwitchedOnForOneEndpointAlone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	elsewhere := func(b *modelBench) error {
		other := b.model
		other.Endpoint = "https://elsewhere.example/v1"
		return b.SetModel(ctx, other, store.Operator)
	}
	for name, meanwhile := range map[string]func(b *modelBench) error{
		"another endpoint": elsewhere,
		"forgotten, and another": func(b *modelBench) error {
			return errors.Join(b.ForgetModel(ctx, b.organization.ID, store.Operator), elsewhere(b))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newModelBench(t)
			require.NoError(t, b.SwitchModel(ctx, b.organization.ID, b.source.ID, false, store.Operator))
			// Somebody is about to switch it on: what SwitchModel does, not committed yet.
			other, err := pgx.Connect(ctx, b.url)
			require.NoError(t, err)
			defer other.Close(ctx)
			tx, err := other.Begin(ctx)
			require.NoError(t, err)
			_, err = tx.Exec(ctx, `select from models where organization_id = $1 for no key update`, b.organization.ID)
			require.NoError(t, err)
			_, err = tx.Exec(ctx, `insert into model_sources (organization_id, source_id) values ($1, $2)`, b.organization.ID, b.source.ID)
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() { done <- meanwhile(b) }()
			require.Eventually(t, func() bool {
				return b.CountForTest(t, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0
			}, 10*time.Second, 10*time.Millisecond, "it waits")
			require.NoError(t, tx.Commit(ctx))
			require.NoError(t, <-done)
			require.Zero(t, b.switchedOn(t))
		})
	}
}

// A key that can't be opened any more keeps nobody from naming another one.
func TestAModelsKeyThatIsLost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newModelBench(t)
	m, err := b.ModelWithKey(ctx, b.organization.ID)
	require.NoError(t, err)
	require.Equal(t, "sk-planted", m.Key.Reveal())
	b.ExecForTest(t, `update models set sealed_key = '\xdead'`)
	m, err = b.Model(ctx, b.organization.ID)
	require.NoError(t, err)
	require.True(t, m.HasKey)
	require.Empty(t, m.Key.Reveal())
	_, err = b.ModelWithKey(ctx, b.organization.ID)
	require.Error(t, err)
	m.Key = "sk-another"
	require.NoError(t, b.SetModel(ctx, m, store.Operator))
	m, err = b.ModelWithKey(ctx, b.organization.ID)
	require.NoError(t, err)
	require.Equal(t, "sk-another", m.Key.Reveal())
}

// Calls that are begun at once stay inside of the budget together.
func TestCallsAtOnceKeepTheBudget(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newModelBench(t)
	b.model.MonthlyTokens = 3*1_500 + 100
	require.NoError(t, b.SetModel(ctx, b.model, store.Operator))
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = b.BeginModelCall(ctx, b.call()) })
	}
	all.Wait()
	begun := 0
	for _, err := range errs {
		if err == nil {
			begun++
			continue
		}
		require.ErrorIs(t, err, store.ErrModelBudget)
	}
	require.Equal(t, 3, begun)
}

func TestWhatACallCosts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newModelBench(t)
	b.model.InputPrice, b.model.OutputPrice = 2_000_000, 8_000_000 // 2 and 8 for a million
	require.NoError(t, b.SetModel(ctx, b.model, store.Operator))
	const setAside = store.Micros(1_000*2 + 500*8)
	for name, c := range map[string]struct {
		end  store.ModelCallEnd
		cost store.Micros
	}{
		"as it was counted":               {store.ModelCallEnd{Status: 200, InputTokens: 700, OutputTokens: 10}, 700*2 + 10*8},
		"answered, and not counted":       {store.ModelCallEnd{Status: 200}, setAside},
		"a body that broke off":           {store.ModelCallEnd{Failure: "cut", Status: 200}, setAside},
		"not heard":                       {store.ModelCallEnd{Failure: "slow"}, setAside},
		"an error of the endpoint's":      {store.ModelCallEnd{Failure: "unavailable", Status: 503}, 0},
		"an answer at its limit, counted": {store.ModelCallEnd{Failure: "cut", InputTokens: 900, OutputTokens: 500}, 900*2 + 500*8},
	} {
		id, err := b.BeginModelCall(ctx, b.call())
		require.NoError(t, err)
		before, err := b.ModelUse(ctx, b.organization.ID)
		require.NoError(t, err)
		require.NoError(t, b.EndModelCall(ctx, id, c.end))
		after, err := b.ModelUse(ctx, b.organization.ID)
		require.NoError(t, err)
		require.Equal(t, c.cost, after.Cost-before.Cost+setAside, name)
	}
	for _, m := range []store.ModelSettings{{InputPrice: 1}, {OutputPrice: 1}, {}} {
		m.OrganizationID, m.Kind, m.Endpoint, m.Name, m.MonthlyCost = b.organization.ID, "openai", b.model.Endpoint, "small-1", 1
		err := b.SetModel(ctx, m, store.Operator)
		var refusal *store.Refusal
		require.ErrorAs(t, err, &refusal, "what has no price can't be held to a budget")
	}
}

// A worker that dies in the midst of it, again and again, does not pay for ever.
func TestCallsAboutOneVersionAreBounded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newModelBench(t)
	var err error
	begun := 0
	for ; err == nil && begun < 1_000; begun++ {
		_, err = b.BeginModelCall(ctx, b.call())
	}
	require.ErrorIs(t, err, store.ErrModelCalls)
	require.Equal(t, 61, begun)
	b.ExecForTest(t, `update meetings set version = version + 1 where id = $1`, b.meeting)
	b.version++
	_, err = b.BeginModelCall(ctx, b.call())
	require.NoError(t, err, "more was said")
}

// A meeting that became another while it was asked about, be it that somebody was erased
// from it, gets no answer that was made of what it was.
func TestAnAnswerToWhatAMeetingWas(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newModelBench(t)
	b.ExecForTest(t, `update organizations set domains = '{acme.example}' where id = $1`, b.organization.ID)
	sam := attendee("Sam Poe", "sam@northwind.example")
	b.meeting = b.deliver(t, metEvent("two", tenOClock.AddDate(0, 0, 1), attendee("Jane Roe", jane), sam)).MeetingIDs[0]
	b.version = b.versionOf(t)
	_, err := b.BeginModelCall(ctx, b.call())
	require.NoError(t, err)

	_, err = b.EraseContact(ctx, store.ErasureRequest{OrganizationID: b.organization.ID, HubID: 1001, Emails: []string{jane}}, store.Actor{Name: "debrief"})
	require.NoError(t, err)
	_, err = b.BeginModelCall(ctx, b.call())
	require.ErrorIs(t, err, store.ErrModelOff, "what it was is not sent any more")
	require.NoError(t, b.SaveModelAnswer(ctx, b.organization.ID, b.meeting, store.ModelAnswer{MeetingVersion: b.version, Outcome: store.ModelAnswered, Parts: 1, Heard: 1}, "Jane Roe wants it"))
	require.Zero(t, b.CountForTest(t, `select count(*) from model_answers where meeting_id = $1`, b.meeting))

	now := b.versionOf(t)
	require.Greater(t, now, b.version)
	require.NoError(t, b.SaveModelAnswer(ctx, b.organization.ID, b.meeting, store.ModelAnswer{MeetingVersion: now, Outcome: store.ModelAnswered, Parts: 1, Heard: 1}, "nothing"))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from model_answers where meeting_id = $1`, b.meeting))
}
