package agents_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	hubID     = 4711
	publicURL = "https://debrief.acme.example"
)

// bundle is an organization with one person who has an agent, a HubSpot account and,
// where a test wants one, a worker.
type bundle struct {
	t       *testing.T
	ctx     context.Context
	store   *store.Store
	db      *pgxpool.Pool
	sim     *hubspottest.Server
	gate    *crm.Gate
	service *agents.Service
	org     uuid.UUID
	person  store.Person
	conn    uuid.UUID
	errors  func() []string
}

type token string

func (k token) Token(context.Context, uuid.UUID) (store.Secret, int64, error) {
	return store.Secret(k), 1, nil
}
func (token) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

func setup(t *testing.T, permissions ...string) *bundle {
	t.Helper()
	b := &bundle{t: t, ctx: context.Background(), conn: uuid.New()}
	var url string
	b.store, url = storetest.New(t)
	var err error
	b.db, err = pgxpool.New(b.ctx, url)
	require.NoError(t, err)
	t.Cleanup(b.db.Close)
	b.sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(b.sim.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	app := b.sim.AddApp(hubspottest.App{RequiredScopes: []string{
		"oauth", "crm.objects.companies.read", "crm.objects.companies.write", "crm.objects.contacts.read", "crm.objects.contacts.write",
		"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
	}})
	b.sim.AddPortal(hubspottest.Portal{HubID: hubID, Settings: hubspottest.Settings{NoRateLimits: true}})
	user := b.sim.AddUser(hubID, hubspottest.User{Email: "mara@acme.example", SuperAdmin: true})
	access, _ := b.sim.Token(app.ClientID, hubID, user.ID)

	b.org = storetest.Organization(t, b.store).ID
	appID := uuid.New()
	b.exec(`insert into apps (id, organization_id, name, level, client_id, sealed_client_secret) values ($1, $2, 'app', 'account', 'client', '\x00')`, appID, b.org)
	b.exec(`insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state)
		values ($1, $2, $3, 'main', $4, false, '{}', 'connected')`, b.conn, b.org, appID, hubID)
	b.person, err = b.store.AddPerson(b.ctx, store.Person{
		OrganizationID: b.org, Name: "Mara Lind", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	b.permit(permissions...)

	b.gate = crm.New(crm.Options{Store: b.store, Tokens: token(access), CallTimeout: 5 * time.Second, Client: hubspot.New(hubspot.Options{BaseURL: b.sim.URL})})
	var mu sync.Mutex
	var failed []string
	b.errors = func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(failed) }
	b.service = agents.New(agents.Options{
		Store: b.store, Gate: b.gate, Connections: connections.New(b.store, connections.Options{PublicURL: publicURL, Provider: connections.HubSpot()}),
		PublicURL: publicURL, Wait: 10 * time.Second,
		OnError: func(_ context.Context, doing string, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, doing+": "+err.Error())
		},
	})
	t.Cleanup(func() { require.Empty(t, b.errors()) })
	return b
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.db.Exec(b.ctx, sql, args...)
	require.NoError(b.t, err)
}

func (b *bundle) count(sql string, args ...any) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow(b.ctx, sql, args...).Scan(&n))
	return n
}

func (b *bundle) permit(pairs ...string) {
	b.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		tool, err := policy.ParseTool(pairs[i])
		require.NoError(b.t, err)
		require.NoError(b.t, b.store.SetPermission(b.ctx, b.org, tool, policy.Permission(pairs[i+1]), store.Operator))
	}
}

func (b *bundle) caller() agents.Caller {
	return agents.Caller{OrganizationID: b.org, PersonID: b.person.ID, Source: store.OriginAgent, Client: "tests 1.0"}
}

// worker does what the workflow of a follow-up does, until the test ends.
func (b *bundle) worker() {
	ctx, stop := context.WithCancel(b.ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			b.work(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	b.t.Cleanup(func() { stop(); done.Wait() })
}

// work carries out all that is woken now.
func (b *bundle) work(ctx context.Context) {
	a := &activities.Activities{Store: b.store, Gate: b.gate, Log: zerolog.Nop()}
	woken, err := b.store.ClaimWakeups(ctx, 10)
	if err != nil {
		return
	}
	for _, w := range woken {
		m := activities.Meeting{OrganizationID: w.OrganizationID, MeetingID: w.MeetingID}
		look, err := a.Look(ctx, m)
		if err != nil {
			continue
		}
		for _, ready := range look.Ready {
			_ = a.Write(ctx, activities.WriteInput{Meeting: m, ActionID: ready.ID})
		}
		_ = b.store.DeleteWakeup(ctx, w.ID)
	}
}

func (b *bundle) add(objectType string, properties map[string]string) string {
	b.t.Helper()
	r, err := b.sim.Add(hubID, objectType, hubspottest.Seed{Properties: properties})
	require.NoError(b.t, err)
	return r.ID
}

func (b *bundle) writes() int { return len(b.sim.Writes()) }

func (b *bundle) approve(callID uuid.UUID, verdict store.Verdict) {
	b.t.Helper()
	approvals, err := b.store.Approvals(b.ctx, b.org, store.ApprovalFilter{State: store.ApprovalPending, MeetingID: callID})
	require.NoError(b.t, err)
	require.Len(b.t, approvals, 1)
	_, err = b.store.Decide(b.ctx, store.Decision{OrganizationID: b.org, ApprovalID: approvals[0].ID, Verdict: verdict, Actor: store.Operator, Via: "test"})
	require.NoError(b.t, err)
}

// session is a client's of the SDK.
type session struct {
	*mcp.ClientSession

	t *testing.T
}

// inMemory connects a client to a server of the caller's.
func (b *bundle) inMemory() *session {
	b.t.Helper()
	caller := b.caller()
	caller.Client = ""
	near, far := mcp.NewInMemoryTransports()
	server, err := b.service.Server(caller).Connect(b.ctx, far, nil)
	require.NoError(b.t, err)
	return b.connect(near, func() { _ = server.Wait() })
}

// overHTTP connects one over HTTP with a token.
func (b *bundle) overHTTP(bearer string) (*session, error) {
	server := httptest.NewServer(b.service.Handler())
	b.t.Cleanup(server.Close)
	httpClient := &http.Client{Transport: authorized(bearer)}
	client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "2.1"}, nil)
	s, err := client.Connect(b.ctx, &mcp.StreamableClientTransport{Endpoint: server.URL, HTTPClient: httpClient, MaxRetries: -1, DisableStandaloneSSE: true}, nil)
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return &session{s, b.t}, nil
}

type authorized string

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(a))
	return http.DefaultTransport.RoundTrip(r)
}

func (b *bundle) connect(transport mcp.Transport, closed func()) *session {
	b.t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "2.1"}, nil)
	s, err := client.Connect(b.ctx, transport, nil)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = s.Close(); closed() })
	return &session{s, b.t}
}

func (s *session) names() []string {
	s.t.Helper()
	list, err := s.ListTools(context.Background(), nil)
	require.NoError(s.t, err)
	var names []string
	for _, t := range list.Tools {
		names = append(names, t.Name)
	}
	return names
}

// call calls a tool and decodes its answer; an error of the tool is returned as text.
func (s *session) call(name string, arguments map[string]any, into any) (problem string) {
	s.t.Helper()
	res, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		return "protocol: " + err.Error()
	}
	require.NotEmpty(s.t, res.Content)
	text, ok := res.Content[0].(*mcp.TextContent)
	require.True(s.t, ok)
	if res.IsError {
		return text.Text
	}
	require.NoError(s.t, json.Unmarshal([]byte(text.Text), into))
	return ""
}
