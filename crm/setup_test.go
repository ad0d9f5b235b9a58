package crm_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(m)
}

// bundle is one organization with one meeting, one HubSpot account, and a gate
// between them.
type bundle struct {
	t       *testing.T
	ctx     context.Context
	store   *store.Store
	db      *pgxpool.Pool
	sim     *hubspottest.Server
	app     hubspottest.App
	hub     int64
	tokens  *tokens
	wire    *wire
	gate    *crm.Gate
	org     store.Organization
	meeting uuid.UUID
	conn    uuid.UUID
	version int64
}

// tokens is a token owner of one connection.
type tokens struct {
	mu          sync.Mutex
	token       string
	next        string
	version     int64
	invalidated []int64
	err         error
}

func (k *tokens) Token(context.Context, uuid.UUID) (store.Secret, int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return store.Secret(k.token), k.version, k.err
}

func (k *tokens) Invalidate(_ context.Context, _ uuid.UUID, version int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.invalidated = append(k.invalidated, version)
	if k.next != "" {
		k.token, k.version = k.next, k.version+1
	}
	return nil
}

// wire lets a test see each request before it goes out.
type wire struct {
	mu     sync.Mutex
	before func(*http.Request)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		before(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *wire) onRequest(f func(*http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

const wide = 10 * time.Minute // more than a lost call is waited for

// database is shared by the cases of one test, each with an organization of its
// own: a database for each would take most of the time.
type database struct {
	store *store.Store
	pool  *pgxpool.Pool
	// hubs numbers the accounts: organizations that share one are another matter.
	hubs *atomic.Int64
}

func newDatabase(t *testing.T) database {
	t.Helper()
	s, url := storetest.New(t)
	pool, err := pgxpool.New(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return database{store: s, pool: pool, hubs: &atomic.Int64{}}
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return newDatabase(t).setup(t)
}

func (d database) setup(t *testing.T) *bundle {
	t.Helper()
	return d.setupAt(t, time.Now)
}

// setupAt is setup with a HubSpot whose clock shows another time.
func (d database) setupAt(t *testing.T, now func() time.Time) *bundle {
	t.Helper()
	b := &bundle{
		t: t, ctx: context.Background(), store: d.store, db: d.pool, meeting: uuid.New(),
		tokens: &tokens{version: 7}, wire: &wire{},
	}
	b.sim = hubspottest.NewServer(hubspottest.Options{Now: now})
	t.Cleanup(b.sim.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	b.app = b.sim.AddApp(hubspottest.App{RequiredScopes: []string{
		"oauth", "crm.objects.companies.read", "crm.objects.companies.write", "crm.objects.contacts.read", "crm.objects.contacts.write",
		"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
	}})
	b.hub = b.sim.AddPortal(hubspottest.Portal{HubID: 1000 + d.hubs.Add(1), Settings: hubspottest.Settings{NoRateLimits: true}}).HubID
	user := b.sim.AddUser(b.hub, hubspottest.User{Email: "host@acme.example", SuperAdmin: true})
	b.tokens.token, _ = b.sim.Token(b.app.ClientID, b.hub, user.ID)

	b.addOrganization()
	return b
}

// neighbour is another organization with a connection to the same account.
func (b *bundle) neighbour() *bundle {
	n := &bundle{
		t: b.t, ctx: b.ctx, store: b.store, db: b.db, meeting: uuid.New(),
		sim: b.sim, app: b.app, hub: b.hub, tokens: b.tokens, wire: b.wire,
	}
	n.addOrganization()
	return n
}

func (b *bundle) addOrganization() {
	b.t.Helper()
	b.org = storetest.Organization(b.t, b.store)
	var app uuid.UUID
	app, b.conn = storetest.Connection(b.t, b.db, b.org.ID, b.hub)
	storetest.NoLimits(b.t, b.db, b.hub, app)
	b.addMeeting(b.meeting)
	b.gate = b.newGate()
}

// admin calls HubSpot past the gate, with every scope that it needs.
func (b *bundle) admin() *hubspot.Client {
	token, _ := b.sim.Token(b.app.ClientID, b.hub, 0, append(slices.Clone(b.app.RequiredScopes),
		"crm.schemas.contacts.write", "crm.schemas.companies.write", "crm.schemas.deals.write", "crm.objects.custom.read", "crm.objects.custom.write")...)
	return hubspot.New(hubspot.Options{BaseURL: b.sim.URL}).As(token)
}

// dropProperty deletes a property in the account.
func (b *bundle) dropProperty(objectType, name string) {
	b.t.Helper()
	token, _ := b.sim.Token(b.app.ClientID, b.hub, 0, "crm.schemas."+objectType+".write")
	req, err := http.NewRequestWithContext(b.ctx, http.MethodDelete, b.sim.URL+"/crm/properties/2026-09/"+objectType+"/"+name, nil)
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	_ = res.Body.Close()
	require.Equal(b.t, http.StatusNoContent, res.StatusCode)
}

// propertyOf is the key property of an object type, if it is there.
func (b *bundle) propertyOf(objectType string) []hubspot.Property {
	b.t.Helper()
	all, err := b.admin().Properties(b.ctx, objectType)
	require.NoError(b.t, err)
	return slices.DeleteFunc(all, func(p hubspot.Property) bool { return p.Name != store.KeyProperty })
}

// newGate is another process: it shares nothing with others but the database.
func (b *bundle) newGate() *crm.Gate { return b.mortalGate(nil) }

// mortalGate is a process that is told of each call when HubSpot has answered, on
// the goroutine that made it.
func (b *bundle) mortalGate(answered func(context.Context, hubspot.ResponseInfo)) *crm.Gate {
	return crm.New(crm.Options{
		Store: b.store, Tokens: b.tokens, CallTimeout: 5 * time.Second,
		Client: hubspot.New(hubspot.Options{BaseURL: b.sim.URL, HTTPClient: &http.Client{Transport: b.wire}, OnResponse: answered}),
	})
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.db.Exec(b.ctx, sql, args...)
	require.NoError(b.t, err)
}

func (b *bundle) addMeeting(id uuid.UUID) {
	b.t.Helper()
	b.exec(`insert into meetings (id, organization_id, data_key_id, has_notes, first_word_at)
		select $1, id, data_key_id, true, now() from organizations where id = $2`, id, b.org.ID)
}

// permit sets permissions as "contact.create", "allow", ….
func (b *bundle) permit(pairs ...string) {
	b.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		tool, err := policy.ParseTool(pairs[i])
		require.NoError(b.t, err)
		require.NoError(b.t, b.store.SetPermission(b.ctx, b.org.ID, tool, policy.Permission(pairs[i+1]), store.Operator))
	}
}

// plan saves a round of the meeting, and returns its actions by key.
func (b *bundle) plan(drafts ...store.Draft) map[string]store.Action {
	b.t.Helper()
	return b.planFor(b.meeting, drafts...)
}

func (b *bundle) planFor(meeting uuid.UUID, drafts ...store.Draft) map[string]store.Action {
	b.t.Helper()
	b.version++
	b.exec(`update meetings set version = $2 where id = $1`, meeting, b.version)
	require.NoError(b.t, b.store.SavePlan(b.ctx, store.Plan{
		OrganizationID: b.org.ID, MeetingID: meeting, MeetingVersion: b.version, ConnectionID: b.conn, Drafts: drafts,
	}))
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, meeting)
	require.NoError(b.t, err)
	byKey := map[string]store.Action{}
	for _, a := range actions {
		byKey[a.Key] = a
	}
	return byKey
}

func (b *bundle) action(id uuid.UUID) store.Action {
	b.t.Helper()
	a, err := b.store.Action(b.ctx, b.org.ID, id)
	require.NoError(b.t, err)
	return a
}

// decide answers the pending question about an action.
func (b *bundle) decide(action uuid.UUID, verdict store.Verdict, edit map[string]string) {
	b.t.Helper()
	approvals, err := b.store.Approvals(b.ctx, b.org.ID, store.ApprovalFilter{State: store.ApprovalPending})
	require.NoError(b.t, err)
	for _, p := range approvals {
		if p.ActionID == action {
			_, err := b.store.Decide(b.ctx, store.Decision{
				OrganizationID: b.org.ID, ApprovalID: p.ID, Verdict: verdict, Edit: edit, Actor: store.Operator, Via: "test",
			})
			require.NoError(b.t, err)
			return
		}
	}
	b.t.Fatalf("no question is pending about action %s", action)
}

func (b *bundle) write(id uuid.UUID) (crm.WriteResult, error) {
	return b.gate.Write(b.ctx, id, crm.Attempt{OnBehalfOf: "person-1"})
}

func (b *bundle) mustWrite(id uuid.UUID) crm.WriteResult {
	b.t.Helper()
	r, err := b.write(id)
	require.NoError(b.t, err)
	return r
}

// lateEnough makes the open call so old that HubSpot can't be working on it.
func (b *bundle) lateEnough() {
	b.t.Helper()
	b.sim.Advance(wide)
	b.exec(`update audit set at = at - interval '10 minutes' where outcome = 'attempted' and organization_id = $1`, b.org.ID)
}

func (b *bundle) add(objectType string, properties map[string]string) hubspottest.Record {
	b.t.Helper()
	r, err := b.sim.Add(b.hub, objectType, hubspottest.Seed{Properties: properties})
	require.NoError(b.t, err)
	return r
}

// writes are the account's writes of that operation ("create", …).
func (b *bundle) writes(operation string) []hubspottest.Write {
	var out []hubspottest.Write
	for _, w := range b.sim.Writes() {
		if w.Operation == operation {
			out = append(out, w)
		}
	}
	return out
}

// call is an audit row of a call, straight from the table.
type call struct {
	Tool, Outcome, Reason, RecordID, Category string
	Status                                    int
	Completed                                 bool
}

func (b *bundle) calls() []call {
	b.t.Helper()
	rows, err := b.db.Query(b.ctx, `select tool, outcome, reason, record_id, category, status, completed_at is not null from audit where kind = 'call' and organization_id = $1 order by id`, b.org.ID)
	require.NoError(b.t, err)
	defer rows.Close()
	var out []call
	for rows.Next() {
		var c call
		require.NoError(b.t, rows.Scan(&c.Tool, &c.Outcome, &c.Reason, &c.RecordID, &c.Category, &c.Status, &c.Completed))
		out = append(out, c)
	}
	require.NoError(b.t, rows.Err())
	return out
}

func (b *bundle) scope() crm.Scope {
	return crm.Scope{OrganizationID: b.org.ID, ConnectionID: b.conn, Origin: store.Origin{Kind: "meeting", ID: b.meeting}, Round: 1}
}

func requireRetry(t *testing.T, err error) *crm.RetryError {
	t.Helper()
	var retry *crm.RetryError
	require.True(t, errors.As(err, &retry), "want a RetryError, got %v", err)
	require.Positive(t, retry.After)
	return retry
}

const email = "jane.roe@northwind.example"

func contactDraft() store.Draft {
	return store.Draft{Key: "contact", Tool: policy.Tool{Object: "contact", Operation: policy.Create}, Content: store.ActionContent{
		Label: "Jane Roe", NaturalKey: "email:" + email,
		Properties: map[string]string{"email": email, "firstname": "Jane", "lastname": "Roe"},
	}}
}

func companyDraft() store.Draft {
	return store.Draft{Key: "company", Tool: policy.Tool{Object: "company", Operation: policy.Create}, Content: store.ActionContent{
		Label: "Northwind", NaturalKey: "domain:northwind.example",
		Properties: map[string]string{"name": "Northwind", "domain": "northwind.example"},
	}}
}
