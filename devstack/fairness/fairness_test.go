package fairness

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/pgserver"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/workflows"
)

const namespace = "fairness"

// within is generous by default, since tests run on busy machines; a wait for the
// 5,000 would be several minutes. For the record it is measured with -within=2s.
var within = flag.Duration("within", 20*time.Second, "how long the other account's write may take")

// world is one worker with everything that it needs.
type world struct {
	t       *testing.T
	ctx     context.Context
	store   *store.Store
	db      *pgxpool.Pool
	sim     *hubspottest.Server
	client  client.Client
	starter workflows.Starter
	tokens  tokens
	app     hubspottest.App
}

// tokens are by connection. Refreshing them is not what is shown here.
type tokens map[uuid.UUID]string

func (k tokens) Token(_ context.Context, connection uuid.UUID) (store.Secret, int64, error) {
	return store.Secret(k[connection]), 1, nil
}

func (tokens) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

func setup(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, tokens: tokens{}}

	postgres, err := pgserver.Start(ctx, pgserver.Options{Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = postgres.Stop() })
	// As the worker has it: 16 connections.
	w.store, err = store.Open(ctx, store.Options{URL: postgres.URL("postgres"), Vault: storetest.Vault(t)})
	require.NoError(t, err)
	t.Cleanup(w.store.Close)
	_, err = w.store.Migrate(ctx)
	require.NoError(t, err)
	w.db, err = pgxpool.New(ctx, postgres.URL("postgres"))
	require.NoError(t, err)
	t.Cleanup(w.db.Close)

	w.sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(w.sim.Close)
	w.app = w.sim.AddApp(hubspottest.App{RequiredScopes: []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write"}})

	server, err := temporaldev.Start(ctx, temporaldev.Options{
		Namespaces: []string{namespace},
		SearchAttributes: map[string]enumspb.IndexedValueType{
			workflows.FollowUpStatus.GetName():      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			workflows.DebriefOrganization.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	w.client, err = client.DialContext(ctx, client.Options{
		HostPort: server.FrontendAddr(), Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	w.starter = workflows.Starter{Client: w.client}

	gate := crm.New(crm.Options{
		Store: w.store, Tokens: w.tokens,
		Client: hubspot.New(hubspot.Options{BaseURL: w.sim.URL, HTTPClient: &http.Client{Timeout: 10 * time.Second}}),
	})
	work := worker.New(w.client, workflows.TaskQueue, workflows.WorkerOptions())
	workflows.Register(work)
	work.RegisterActivity(&activities.Activities{Store: w.store, Gate: gate, Log: zerolog.Nop()})
	require.NoError(t, work.Start())
	t.Cleanup(work.Stop)
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(w.ctx, sql, args...)
	require.NoError(w.t, err)
}

// account is an organization with a HubSpot account, where contacts may be made.
type account struct {
	hub        int64
	org        uuid.UUID
	connection uuid.UUID
}

func (w *world) account() account {
	w.t.Helper()
	a := account{hub: w.sim.AddPortal(hubspottest.Portal{}).HubID, org: storetest.Organization(w.t, w.store).ID}
	user := w.sim.AddUser(a.hub, hubspottest.User{Email: "host@acme.example", SuperAdmin: true})
	_, a.connection = storetest.Connection(w.t, w.db, a.org, a.hub, w.app.RequiredScopes...)
	w.tokens[a.connection], _ = w.sim.Token(w.app.ClientID, a.hub, user.ID)
	tool := policy.Tool{Object: "contact", Operation: policy.Create}
	require.NoError(w.t, w.store.SetPermission(w.ctx, a.org, tool, policy.Allow, store.Operator))
	return a
}

// meeting plans so many new contacts, ready to be written.
func (w *world) meeting(a account, contacts int) uuid.UUID {
	w.t.Helper()
	id := uuid.New()
	w.exec(`insert into meetings (id, organization_id, data_key_id, state, has_ended, has_notes, first_word_at, version, updated_at)
		select $1, id, data_key_id, 'ended', true, true, now() - interval '1 hour', 1, now() - interval '1 hour' from organizations where id = $2`, id, a.org)
	drafts := make([]store.Draft, 0, contacts)
	for i := range contacts {
		email := fmt.Sprintf("p%d.%s@northwind.example", i, id)
		drafts = append(drafts, store.Draft{
			Key: email, Tool: policy.Tool{Object: "contact", Operation: policy.Create},
			Content: store.ActionContent{Label: "A contact", NaturalKey: "email:" + email, Properties: map[string]string{"email": email}},
		})
	}
	require.NoError(w.t, w.store.SavePlan(w.ctx, store.Plan{
		OrganizationID: a.org, MeetingID: id, MeetingVersion: 1, ConnectionID: a.connection, Drafts: drafts,
	}))
	return id
}

// written counts the contacts that an account got.
func (w *world) written(a account) int {
	n := 0
	for _, write := range w.sim.Writes() {
		if write.HubID == a.hub && write.Operation == "create" {
			n++
		}
	}
	return n
}

// queued counts the writes of follow-ups that are under way or wait for it.
func (w *world) queued(meetings []uuid.UUID) int {
	n := 0
	for _, id := range meetings {
		d, err := w.client.DescribeWorkflowExecution(w.ctx, workflows.FollowUpID(id), "")
		if err == nil {
			n += len(d.GetPendingActivities())
		}
	}
	return n
}

// Five thousand writes of one account stand in the queue, and it may make a
// hundred calls in ten seconds. One write of another account does not wait for
// any of them: at once, and as often as one comes. The large account goes on all
// the while.
func TestFiveThousandWritesOfOneAccountDelayNobodyElse(t *testing.T) {
	const meetings, contacts = 25, 200
	w := setup(t)
	large, small := w.account(), w.account()
	var queue, single []uuid.UUID
	for range meetings {
		queue = append(queue, w.meeting(large, contacts))
	}
	for range 8 {
		single = append(single, w.meeting(small, 1))
	}
	for _, id := range queue {
		require.NoError(t, w.starter.Wake(w.ctx, large.org, id, "test"))
	}
	started := time.Now()
	require.Eventually(t, func() bool { return w.queued(queue)+w.written(large) >= meetings*contacts }, 2*time.Minute, 200*time.Millisecond)
	t.Logf("5,000 writes were queued %s after the first wake-up; %d of them are written", time.Since(started).Round(time.Millisecond), w.written(large))

	serve := func(meetings []uuid.UUID) {
		for _, id := range meetings {
			before, asked := w.written(small), time.Now()
			require.NoError(t, w.starter.Wake(w.ctx, small.org, id, "test"))
			require.Eventually(t, func() bool { return w.written(small) > before }, 20*time.Second, 10*time.Millisecond)
			took := time.Since(asked)
			t.Logf("the other account's write took %s, with %d of the large one written and %d that wait for their turn",
				took.Round(time.Millisecond), w.written(large), w.waiting(large))
			require.Less(t, took, *within)
		}
	}
	serve(single[:4])
	// Once its limit is reached, those of the large account wait for their turn.
	require.Eventually(t, func() bool { return w.waiting(large) >= 100 }, 2*time.Minute, 200*time.Millisecond)
	before := w.written(large)
	serve(single[4:])
	require.Eventually(t, func() bool { return w.written(large) >= before+50 }, 2*time.Minute, 200*time.Millisecond, "the large one goes on")
	require.Less(t, w.written(large), meetings*contacts/2, "the queue was full all the time")
	require.Zero(t, w.refused(), "HubSpot had to refuse nothing")
	// What is left is never done: this test is about who waits for whom.
	for _, id := range queue {
		require.NoError(t, w.client.TerminateWorkflow(w.ctx, workflows.FollowUpID(id), "", "the test is over"))
	}
}

// waiting counts the writes that have a turn which is still to come.
func (w *world) waiting(a account) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(w.ctx, `select count(*) from limit_waits where hub_id = $1`, a.hub).Scan(&n))
	return n
}

// refused counts the calls that ran into a limit of HubSpot's.
func (w *world) refused() (n int) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(w.ctx, `select count(*) from audit where status = 429`).Scan(&n))
	return n
}
