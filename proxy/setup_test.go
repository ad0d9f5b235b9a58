package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/proxy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	hubID     = 4711
	publicURL = "https://debrief.acme.example"
)

// bundle is an organization with a HubSpot account, one of its people, and a proxy for a
// program of that person's.
type bundle struct {
	t      *testing.T
	ctx    context.Context
	store  *store.Store
	db     *pgxpool.Pool
	sim    *hubspottest.Server
	gate   *crm.Gate
	access string
	org    uuid.UUID
	person store.Person
	server *proxy.Server
	// env is the program's.
	env map[string]string

	mu     sync.Mutex
	served []proxy.Served
	// mayFail: what Debrief itself can't explain is expected.
	mayFail atomic.Bool
}

type token string

func (k token) Token(context.Context, uuid.UUID) (store.Secret, int64, error) {
	return store.Secret(k), 1, nil
}
func (token) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

func setup(t *testing.T, permissions ...string) *bundle {
	t.Helper()
	b := &bundle{t: t, ctx: context.Background()}
	var databaseURL string
	b.store, databaseURL = storetest.New(t)
	var err error
	b.db, err = pgxpool.New(b.ctx, databaseURL)
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
	b.access, _ = b.sim.Token(app.ClientID, hubID, user.ID)

	b.org = storetest.Organization(t, b.store).ID
	appID, connection := uuid.New(), uuid.New()
	b.exec(`insert into apps (id, organization_id, name, level, client_id, sealed_client_secret) values ($1, $2, 'app', 'account', 'client', '\x00')`, appID, b.org)
	b.exec(`insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state)
		values ($1, $2, $3, 'main', $4, false, '{}', 'connected')`, connection, b.org, appID, hubID)
	b.person, err = b.store.AddPerson(b.ctx, store.Person{
		OrganizationID: b.org, Name: "Mara Lind", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	b.permit(permissions...)

	b.gate = crm.New(crm.Options{Store: b.store, Tokens: token(b.access), CallTimeout: 5 * time.Second, Client: hubspot.New(hubspot.Options{BaseURL: b.sim.URL})})
	service := agents.New(agents.Options{
		Store: b.store, Gate: b.gate, Connections: connections.New(b.store, connections.Options{PublicURL: publicURL, Provider: connections.HubSpot()}),
		PublicURL: publicURL, Wait: 3 * time.Second,
	})
	b.server, err = proxy.Start(b.ctx, proxy.Options{
		Calls: service, Caller: agents.Caller{OrganizationID: b.org, PersonID: b.person.ID, Source: store.OriginScript, Client: "tests"},
		Report: func(s proxy.Served) { b.mu.Lock(); defer b.mu.Unlock(); b.served = append(b.served, s) },
		Failed: func(err error) {
			if !b.mayFail.Load() {
				t.Errorf("a request failed: %s", err)
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.server.Close()) })
	b.env = map[string]string{}
	for _, entry := range b.server.Env(nil) {
		name, value, _ := strings.Cut(entry, "=")
		b.env[name] = value
	}
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

// worker carries out what may be, until the test ends.
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

func (b *bundle) work(ctx context.Context) {
	rows, err := b.db.Query(ctx, `select id from actions where origin_kind = 'script' and state in ('ready', 'writing')`)
	if err != nil {
		return
	}
	var ids []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		if rows.Scan(&id) == nil {
			ids = append(ids, id)
		}
	}
	rows.Close()
	for _, id := range ids {
		_, _ = b.gate.Write(ctx, id, crm.Attempt{})
	}
}

func (b *bundle) add(objectType string, properties map[string]string) string {
	b.t.Helper()
	r, err := b.sim.Add(hubID, objectType, hubspottest.Seed{Properties: properties})
	require.NoError(b.t, err)
	return r.ID
}

// approve answers all open questions.
func (b *bundle) approve(verdict store.Verdict) {
	b.t.Helper()
	approvals, err := b.store.Approvals(b.ctx, b.org, store.ApprovalFilter{State: store.ApprovalPending})
	require.NoError(b.t, err)
	require.NotEmpty(b.t, approvals)
	for _, a := range approvals {
		_, err = b.store.Decide(b.ctx, store.Decision{OrganizationID: b.org, ApprovalID: a.ID, Verdict: verdict, Actor: store.Operator, Via: "test"})
		require.NoError(b.t, err)
	}
}

// answer is one, with its body as JSON.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) links() map[string]any    { m, _ := a.body["links"].(map[string]any); return m }
func (a answer) results() []any           { l, _ := a.body["results"].([]any); return l }
func (a answer) values() map[string]any   { m, _ := a.body["properties"].(map[string]any); return m }
func (a answer) category() (category any) { return a.body["category"] }

// call makes a request to the base URL, as a program would.
func (b *bundle) call(method, path, body string) answer {
	b.t.Helper()
	return b.send(http.DefaultClient, b.env["HUBSPOT_BASE_URL"], method, path, body, nil)
}

// send makes a request with a client; headers replace those that a program sends.
func (b *bundle) send(c *http.Client, base, method, path, body string, headers map[string]string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.ctx, method, base+path, strings.NewReader(body))
	require.NoError(b.t, err)
	r.Header.Set("Authorization", "Bearer "+b.env["HUBSPOT_ACCESS_TOKEN"])
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	return b.do(c, r)
}

func (b *bundle) do(c *http.Client, r *http.Request) answer {
	b.t.Helper()
	res, err := c.Do(r)
	require.NoError(b.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.NewDecoder(bytes.NewReader(raw)).Decode(&a.body)
	return a
}

// direct asks HubSpot itself, with the token.
func (b *bundle) direct(method, path, body string) answer {
	b.t.Helper()
	return b.send(http.DefaultClient, b.sim.URL, method, path, body, map[string]string{"Authorization": "Bearer " + b.access})
}

// through is a client like those that know the usual variables.
func (b *bundle) through() *http.Client {
	b.t.Helper()
	roots := x509.NewCertPool()
	raw, err := os.ReadFile(b.env["NODE_EXTRA_CA_CERTS"])
	require.NoError(b.t, err)
	require.True(b.t, roots.AppendCertsFromPEM(raw))
	address, err := url.Parse(b.env["HTTPS_PROXY"])
	require.NoError(b.t, err)
	transport := &http.Transport{Proxy: http.ProxyURL(address), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
