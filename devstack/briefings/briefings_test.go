package briefings

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
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
	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/pgserver"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/webhooks"
	"github.com/debriefhq/debrief/workflows"
)

const namespace = "briefings"

// How long it takes is for `make bench-briefings` to say, which has the real worker.
const (
	// accounts have each briefs that are due in the crowded minute, and one more has many.
	accounts, each, many = 3, 4, 40
	// waiting briefs are of a day that is to come.
	waiting = 30
	// patience is for a machine that others use, too.
	patience = 5 * time.Minute
)

type world struct {
	t      *testing.T
	ctx    context.Context
	store  *store.Store
	db     *pgxpool.Pool
	sim    *hubspottest.Server
	app    hubspottest.App
	client client.Client
	tokens tokens
}

// tokens are by connection. Refreshing them is not what is shown here.
type tokens map[uuid.UUID]string

func (k tokens) Token(_ context.Context, connection uuid.UUID) (store.Secret, int64, error) {
	return store.Secret(k[connection]), 1, nil
}

func (tokens) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

func setup(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, tokens: tokens{}}
	postgres, err := pgserver.Start(ctx, pgserver.Options{Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = postgres.Stop() })
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
	w.app = w.sim.AddApp(hubspottest.App{RequiredScopes: []string{
		"oauth", "crm.objects.companies.read", "crm.objects.contacts.read", "crm.objects.deals.read", "crm.objects.owners.read", "tickets",
	}})
	server, err := temporaldev.Start(ctx, temporaldev.Options{
		Namespaces: []string{namespace},
		SearchAttributes: map[string]enumspb.IndexedValueType{
			workflows.FollowUpStatus.GetName():      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			workflows.DebriefOrganization.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	options := client.Options{HostPort: server.FrontendAddr(), Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	codec.Configure(&options, w.store)
	w.client, err = client.DialContext(ctx, options)
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	gate := crm.New(crm.Options{
		Store: w.store, Tokens: w.tokens,
		Client: hubspot.New(hubspot.Options{BaseURL: w.sim.URL, HTTPClient: &http.Client{Timeout: 10 * time.Second}}),
	})
	work := worker.New(w.client, workflows.TaskQueue, workflows.WorkerOptions())
	workflows.Register(work)
	work.RegisterActivity(&activities.Activities{Store: w.store, Gate: gate, Connections: connections.New(w.store, connections.Options{}), Log: zerolog.Nop()})
	require.NoError(t, work.Start())
	t.Cleanup(work.Stop)
	relay := webhooks.NewRelay(webhooks.RelayOptions{Store: w.store, Briefings: workflows.Starter{Client: w.client}, Log: zerolog.Nop()})
	relaying := make(chan struct{})
	relayCtx, stop := context.WithCancel(ctx)
	go func() { defer close(relaying); relay.Run(relayCtx) }()
	t.Cleanup(func() { stop(); <-relaying })
	return w
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(w.ctx, sql, args...).Scan(&n))
	return n
}

// account is an organization with a host and a HubSpot account.
type account struct {
	org    uuid.UUID
	hub    int64
	host   store.Person
	source store.Source
}

func (w *world) account() account {
	w.t.Helper()
	a := account{hub: w.sim.AddPortal(hubspottest.Portal{}).HubID, org: storetest.Organization(w.t, w.store).ID}
	user := w.sim.AddUser(a.hub, hubspottest.User{Email: "host@acme.example", SuperAdmin: true})
	_, connection := storetest.Connection(w.t, w.db, a.org, a.hub, w.app.RequiredScopes...)
	w.tokens[connection], _ = w.sim.Token(w.app.ClientID, a.hub, user.ID)
	everything := policy.Permissions{}
	for _, info := range policy.Tools() {
		everything[info.Tool] = policy.Allow
	}
	require.NoError(w.t, w.store.ApplyPreset(w.ctx, a.org, everything, store.Operator))
	var err error
	a.host, err = w.store.AddPerson(w.ctx, store.Person{
		OrganizationID: a.org, Name: "Host", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "host@acme.example"}},
	}, store.Operator)
	require.NoError(w.t, err)
	a.source, err = w.store.CreateSource(w.ctx, store.NewSource{
		OrganizationID: &a.org, Platform: "debrief", Name: "platform", Secrets: []store.Secret{"whsec_not-used-by-this-test"},
	}, store.Operator)
	require.NoError(w.t, err)
	for i := range 6 {
		company, err := w.sim.Add(a.hub, "companies", hubspottest.Seed{Properties: map[string]string{"domain": fmt.Sprintf("northwind%d.example", i), "name": "Northwind"}})
		require.NoError(w.t, err)
		_, err = w.sim.Add(a.hub, "contacts", hubspottest.Seed{
			Properties:   map[string]string{"email": fmt.Sprintf("jane@northwind%d.example", i), "firstname": "Jane"},
			Associations: map[string][]string{"companies": {company.ID}},
		})
		require.NoError(w.t, err)
	}
	return a
}

// meets has the host of an account meet Jane.
func (w *world) meets(a account, n int, at time.Time, typ meeting.EventType, instance string) store.BriefingKey {
	e := meeting.Event{Type: typ, DedupeKey: uuid.NewString(), OccurredAt: time.Now(), Provider: meeting.Own, ProviderAccountID: a.source.ID.String()}
	e.Keys.InstanceID, e.Title = instance, "Renewal"
	e.ScheduledStart, e.ScheduledEnd = at, at.Add(30*time.Minute)
	e.Organizer = meeting.Person{Name: "Host", Email: "host@acme.example"}
	e.Attendees = []meeting.Attendee{{Person: meeting.Person{Name: "Jane", Email: fmt.Sprintf("jane@northwind%d.example", n%6)}}}
	e = e.Normalize()
	body, err := json.Marshal(e)
	require.NoError(w.t, err)
	delivery, _, err := w.store.InsertDelivery(w.ctx, store.NewDelivery{Source: a.source, DedupeKey: e.DedupeKey, Body: body, ReceivedAt: time.Now(), Header: http.Header{}})
	require.NoError(w.t, err)
	u, err := w.store.Understood(w.ctx, delivery, a.org, []meeting.Event{e})
	require.NoError(w.t, err)
	require.Len(w.t, u.MeetingIDs, 1)
	return store.BriefingKey{OrganizationID: a.org, MeetingID: u.MeetingIDs[0], PersonID: a.host.ID}
}

const (
	untold = `select count(*) from briefings where told < asked or look_at is null`
	ready  = `select count(*) from notices where kind = 'briefing.ready'`
)

func (w *world) status(k store.BriefingKey) enumspb.WorkflowExecutionStatus {
	w.t.Helper()
	d, err := w.client.DescribeWorkflowExecution(w.ctx, workflows.BriefingID(k), "")
	require.NoError(w.t, err)
	return d.GetWorkflowExecutionInfo().GetStatus()
}

func TestBriefsOnARealServer(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var all []account
	for range accounts {
		all = append(all, w.account())
	}
	large := w.account()
	all = append(all, large)

	// Briefs of meetings that are weeks away wait.
	begun := time.Now()
	keys := make([]store.BriefingKey, waiting)
	instances := make([]string, waiting)
	var writers sync.WaitGroup
	for part := range 4 {
		writers.Go(func() {
			for i := part; i < waiting; i += 4 {
				instances[i] = uuid.NewString()
				keys[i] = w.meets(all[i%len(all)], i, begun.Add(time.Duration(72+i%1000)*time.Hour), meeting.Scheduled, instances[i])
			}
		})
	}
	writers.Wait()
	stored := time.Since(begun)
	require.Eventually(t, func() bool { return w.count(untold) == 0 }, patience, 100*time.Millisecond)
	t.Logf("%d briefs that wait: stored in %s, all looked at after %s", waiting, stored.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	require.Zero(t, w.count(ready))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, w.status(keys[0]))

	// One is canceled, one erased, and one comes back: their workflows end, and begin.
	w.meets(all[0], 0, begun.Add(72*time.Hour), meeting.Canceled, instances[0])
	require.NoError(t, w.store.EraseMeeting(w.ctx, keys[1].OrganizationID, keys[1].MeetingID, store.Operator))
	for _, k := range keys[:2] {
		require.Eventually(t, func() bool { return w.status(k) == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED }, 30*time.Second, 50*time.Millisecond)
	}

	// The crowded minute: all are inside of the lead time, so due at once.
	want := accounts*each + many
	begun = time.Now()
	for part := range 4 {
		writers.Go(func() {
			for i := part; i < want; i += 4 {
				a := large
				if i < accounts*each {
					a = all[i%accounts]
				}
				w.meets(a, i, begun.Add(45*time.Minute), meeting.Scheduled, uuid.NewString())
			}
		})
	}
	writers.Wait()
	stored = time.Since(begun)
	require.Eventually(t, func() bool { return w.count(ready) == want }, patience, 100*time.Millisecond, "%d of %d", w.count(ready), want)
	took := time.Since(begun)
	require.Eventually(t, func() bool { return w.count(untold) == 0 }, patience, 100*time.Millisecond)
	require.Equal(t, want, w.count(`select count(*) from briefings where version = 1 and composed_at is not null`), "each is made once")
	require.Equal(t, want, w.count(`select count(distinct about->>'briefing_id') from notices`), "and told once")
	require.Equal(t, want, w.count(`select count(*) from notices`))
	t.Logf("%d briefs due at once over %d accounts: stored in %s, all made after %s; %d calls, %d refused by a limit", want, len(all),
		stored.Round(time.Millisecond), took.Round(time.Millisecond), w.count(`select count(*) from audit where kind = 'call'`), w.count(`select count(*) from audit where status = 429`))
	require.Zero(t, w.count(`select count(*) from audit where status = 429`), "HubSpot had to refuse nothing")
	require.Zero(t, w.count(`select count(*) from briefings where bare`))
}
