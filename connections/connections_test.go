package connections_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/vault"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		os.Exit(fleetWorker()) // one of a test's processes
	}
	storetest.Main(m)
}

const (
	hubID     = 4711
	otherHub  = 4712
	publicURL = "https://debrief.acme.example"
)

// bundle is one organization that wants to connect one app.
type bundle struct {
	*connections.Service
	store     *store.Store
	url       string
	sim       *hubspottest.Server
	simApp    hubspottest.App
	user      hubspottest.User
	org       store.Organization
	app       store.App
	transport *http.Transport
	clock     *clock
}

// clock is the simulator's: both age together.
type clock struct {
	sim *hubspottest.Server
}

func (c *clock) Now() time.Time          { return c.sim.Now() }
func (c *clock) advance(d time.Duration) { c.sim.Advance(d) }

func setup(t *testing.T, change ...func(*hubspottest.App)) *bundle {
	t.Helper()
	b := &bundle{}
	b.store, b.url = storetest.New(t)
	b.sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(b.sim.Close)
	b.clock = &clock{b.sim}
	b.simApp = hubspottest.App{RedirectURIs: []string{publicURL + connections.CallbackPath}}
	for _, s := range connections.Scopes() {
		b.simApp.RequiredScopes = append(b.simApp.RequiredScopes, s.Name)
	}
	for _, c := range change {
		c(&b.simApp)
	}
	b.simApp = b.sim.AddApp(b.simApp)
	b.sim.AddPortal(hubspottest.Portal{HubID: hubID, Domain: "acme.example"})
	b.sim.AddPortal(hubspottest.Portal{HubID: otherHub, Domain: "other.example"})
	b.user = b.sim.AddUser(hubID, hubspottest.User{Email: "ada@acme.example", SuperAdmin: true})
	b.sim.AddUser(otherHub, hubspottest.User{ID: b.user.ID, Email: "ada@acme.example", SuperAdmin: true})
	b.transport = &http.Transport{}
	t.Cleanup(b.transport.CloseIdleConnections)
	b.Service = b.service(b.store)
	b.org = storetest.Organization(t, b.store)
	level := store.AccountLevel
	if b.simApp.UserLevel {
		level = store.UserLevel
	}
	var err error
	b.app, err = b.store.CreateApp(context.Background(), store.App{
		OrganizationID: b.org.ID, Name: "hubspot", Level: level, ClientID: b.simApp.ClientID,
	}, store.Secret(b.simApp.ClientSecret), store.Operator)
	require.NoError(t, err)
	return b
}

// service is another process's.
func (b *bundle) service(s *store.Store) *connections.Service {
	return connections.New(s, connections.Options{
		PublicURL: publicURL, Provider: provider(b.sim.URL),
		HTTPClient: &http.Client{Transport: b.transport}, Now: b.clock.Now,
	})
}

// begin opens a link in a browser and returns the consent page's address.
func (b *bundle) begin(t *testing.T, name string, browser store.Secret) (link store.Secret, authorize string) {
	t.Helper()
	login, err := b.BeginLogin(t.Context(), connections.LoginRequest{OrganizationID: b.org.ID, AppID: b.app.ID, Name: name}, store.Operator)
	require.NoError(t, err)
	text, ok := strings.CutPrefix(login.URL, publicURL+"/connect/")
	require.True(t, ok, "the link is on the public URL")
	authorize, err = b.Authorize(t.Context(), store.Secret(text), browser)
	require.NoError(t, err)
	return store.Secret(text), authorize
}

// click connects on HubSpot's page and returns what the browser comes back with.
func (b *bundle) click(t *testing.T, authorize string, hub int64, browser store.Secret) connections.Return {
	t.Helper()
	back, err := b.sim.Consent(authorize, hub, b.user.ID, true)
	require.NoError(t, err)
	return comesBack(t, back, browser)
}

func comesBack(t *testing.T, back string, browser store.Secret) connections.Return {
	t.Helper()
	u, err := url.Parse(back)
	require.NoError(t, err)
	require.Equal(t, publicURL+connections.CallbackPath, u.Scheme+"://"+u.Host+u.Path)
	q := u.Query()
	return connections.Return{State: store.Secret(q.Get("state")), Code: store.Secret(q.Get("code")), Error: q.Get("error"), Browser: browser}
}

func (b *bundle) connect(t *testing.T, name string, hub int64) connections.Result {
	t.Helper()
	_, authorize := b.begin(t, name, "browser-1")
	result, err := b.Callback(t.Context(), b.click(t, authorize, hub, "browser-1"))
	require.NoError(t, err)
	return result
}

// forMeeting chooses for a meeting that nothing is known of.
func (b *bundle) forMeeting(t *testing.T) (store.Connection, error) {
	t.Helper()
	meeting := uuid.New()
	b.exec(t, `insert into meetings (id, organization_id) values ($1, $2)`, meeting, b.org.ID)
	c, err := b.ForMeeting(t.Context(), b.org.ID, meeting)
	b.exec(t, `delete from meetings where id = $1`, meeting)
	return c, err
}

func (b *bundle) tokenCalls() int {
	n := 0
	for _, c := range b.sim.Calls() {
		if c.Endpoint == "POST /oauth/2026-09/token" {
			n += c.Count
		}
	}
	return n
}

func (b *bundle) works(t *testing.T, access store.Secret) error {
	t.Helper()
	c := hubspot.New(hubspot.Options{BaseURL: b.sim.URL, HTTPClient: &http.Client{Transport: b.transport}}).As(access.Reveal())
	_, err := c.AccountDetails(t.Context())
	return err
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

func (b *bundle) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var n int
	require.NoError(t, conn.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// paused adds follow-ups that wait for a connection; nil: for any.
func (b *bundle) paused(t *testing.T, connection *uuid.UUID, n int) {
	t.Helper()
	b.exec(t, `
		with m as (
		  insert into meetings (id, organization_id) select gen_random_uuid(), $1::uuid from generate_series(1, $2::int) returning id)
		insert into follow_ups (meeting_id, organization_id, connection_id, paused_since)
		select id, $1::uuid, $3::uuid, now() from m`, b.org.ID, n, connection)
}

// rested lets the time pass for which HubSpot asked to be left alone: it is
// counted by the database's clock.
func (b *bundle) rested(t *testing.T) {
	t.Helper()
	b.exec(t, `update connections set token_rest_until = now() where token_rest_until is not null`)
}

func (b *bundle) state(t *testing.T, id uuid.UUID) store.ConnectionState {
	t.Helper()
	c, err := b.store.Connection(t.Context(), b.org.ID, id)
	require.NoError(t, err)
	return c.State
}

func TestConnect(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, authorize := b.begin(t, "main", "browser-1")

	u, err := url.Parse(authorize)
	require.NoError(t, err)
	require.Equal(t, "oauth crm.objects.contacts.read crm.objects.contacts.write crm.objects.companies.read crm.objects.companies.write "+
		"crm.objects.deals.read crm.objects.deals.write crm.objects.owners.read tickets", u.Query().Get("scope"), "exactly the nine")
	require.Empty(t, u.Query().Get("optional_scope"))
	require.Empty(t, u.Query().Get("code_challenge"))

	back := b.click(t, authorize, hubID, "browser-1")
	result, err := b.Callback(t.Context(), back)
	require.NoError(t, err)
	require.False(t, result.Reconnected)
	require.Empty(t, result.Missing)
	c := result.Connection
	require.Equal(t, "main", c.Name)
	require.Equal(t, store.Connected, c.State)
	require.EqualValues(t, hubID, c.HubID)
	require.Equal(t, "acme.example", c.HubDomain)
	require.Equal(t, b.user.ID, c.UserID)
	require.False(t, c.IsUserLevel)
	require.Len(t, c.Scopes, 9)

	access, version, err := b.Token(t.Context(), c.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1, version)
	require.NoError(t, b.works(t, access))
	require.Equal(t, 1, b.tokenCalls(), "the code's token is used, not refreshed")

	picked, err := b.forMeeting(t)
	require.NoError(t, err)
	require.Equal(t, c.ID, picked.ID)

	require.NoError(t, goneFromDatabase(t, b, access.Reveal(), b.simApp.ClientSecret, back.State.Reveal(), back.Code.Reveal(), "browser-1", "ada@acme.example"))
	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditConnection})
	require.NoError(t, err)
	require.Equal(t, "connected: HubSpot account 4711, user "+fmt.Sprint(b.user.ID), trail[len(trail)-1].Reason)
}

// goneFromDatabase fails if any table holds one of the texts in clear.
func goneFromDatabase(t *testing.T, b *bundle, texts ...string) error {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(context.Background(), `select table_name from information_schema.tables where table_schema = 'public'`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(tables), 10)
	for _, table := range tables {
		for _, text := range texts {
			var n int
			err := conn.QueryRow(context.Background(), fmt.Sprintf(
				`select count(*) from %s x where x::text like '%%' || $1 || '%%' or x::text like '%%' || encode(convert_to($1, 'utf8'), 'hex') || '%%'`,
				pgx.Identifier{table}.Sanitize()), text).Scan(&n)
			require.NoError(t, err)
			if n > 0 {
				return fmt.Errorf("table %s holds %.4s…", table, text)
			}
		}
	}
	return nil
}

func TestStateMisuse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		spoil  func(t *testing.T, b *bundle, in *connections.Return)
		public string
	}{
		{"unknown state", func(_ *testing.T, _ *bundle, in *connections.Return) { in.State = "made-up" }, "did not begin"},
		{"no state", func(_ *testing.T, _ *bundle, in *connections.Return) { in.State = "" }, "did not begin"},
		{"another browser", func(_ *testing.T, _ *bundle, in *connections.Return) { in.Browser = "browser-2" }, "another browser"},
		{"no cookie", func(_ *testing.T, _ *bundle, in *connections.Return) { in.Browser = "" }, "another browser"},
		{"expired", func(t *testing.T, b *bundle, _ *connections.Return) {
			b.exec(t, `update connection_attempts set expires_at = now() - interval '1 second'`)
		}, "took too long"},
		{"reused", func(t *testing.T, b *bundle, in *connections.Return) {
			_, err := b.Callback(t.Context(), *in)
			require.NoError(t, err)
		}, "used already"},
		{"canceled at HubSpot", func(_ *testing.T, _ *bundle, in *connections.Return) { in.Code, in.Error = "", "access_denied" }, "canceled"},
		{"no code", func(_ *testing.T, _ *bundle, in *connections.Return) { in.Code = "" }, "canceled"},
		{"unknown code", func(_ *testing.T, _ *bundle, in *connections.Return) { in.Code = "made-up" }, "works once"},
		{"wrong client secret", func(t *testing.T, b *bundle, _ *connections.Return) {
			require.NoError(t, b.store.SetAppSecret(t.Context(), b.org.ID, b.app.ID, "wrong", store.Operator))
		}, "client ID, its secret"},
		{"HubSpot away", func(_ *testing.T, b *bundle, _ *connections.Return) {
			b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Status: 503})
		}, "could not be reached"},
		{"introspection fails", func(_ *testing.T, b *bundle, _ *connections.Return) {
			b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token/introspect", Status: 500})
		}, "could not be reached"},
		{"token unknown to introspection", func(_ *testing.T, b *bundle, _ *connections.Return) {
			b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token/introspect", Status: 200, Body: `{"active":false}`})
		}, "does not fit"},
		{"token of another app", func(_ *testing.T, b *bundle, _ *connections.Return) {
			b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token/introspect", Status: 200, Body: `{"active":true,"hub_id":4711,"client_id":"another"}`})
		}, "does not fit"},
		{"token of another account", func(_ *testing.T, b *bundle, _ *connections.Return) {
			b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token/introspect", Status: 200, Body: `{"active":true,"hub_id":4712}`})
		}, "does not fit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, authorize := b.begin(t, "main", "browser-1")
			in := b.click(t, authorize, hubID, "browser-1")
			test.spoil(t, b, &in)
			before := b.count(t, `select count(*) from connections`)
			_, err := b.Callback(t.Context(), in)
			var refused *connections.LoginError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Public(), test.public)
			require.Equal(t, before, b.count(t, `select count(*) from connections`), "nothing was connected")
			for _, text := range []string{err.Error(), refused.Public()} {
				for _, secret := range []string{in.Code.Reveal(), in.State.Reveal(), b.simApp.ClientSecret} {
					if secret != "" {
						require.NotContains(t, text, secret)
					}
				}
			}
		})
	}
}

// A foreign browser must not be able to spend somebody's state.
func TestForeignCallbackSpendsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, authorize := b.begin(t, "main", "browser-1")
	in := b.click(t, authorize, hubID, "browser-1")
	foreign := in
	foreign.Browser = "browser-2"
	_, err := b.Callback(t.Context(), foreign)
	require.ErrorIs(t, err, store.ErrForeign)
	_, err = b.Callback(t.Context(), in)
	require.NoError(t, err)
}

func TestLinkMisuse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	link, first := b.begin(t, "main", "browser-1")

	_, err := b.Authorize(t.Context(), link, "browser-2")
	require.ErrorIs(t, err, store.ErrForeign, "the link is the first browser's")
	second, err := b.Authorize(t.Context(), link, "browser-1")
	require.NoError(t, err, "going back and on again is no misuse")
	_, err = b.Callback(t.Context(), b.click(t, first, hubID, "browser-1"))
	require.ErrorIs(t, err, store.ErrNotFound, "the newest state counts")

	// Canceling leaves the link good, and its state spent.
	back, err := b.sim.Consent(second, hubID, b.user.ID, false)
	require.NoError(t, err)
	canceled := comesBack(t, back, "browser-1")
	_, err = b.Callback(t.Context(), canceled)
	require.ErrorContains(t, err, "canceled")
	_, err = b.Callback(t.Context(), canceled)
	require.ErrorIs(t, err, store.ErrNotFound)
	third, err := b.Authorize(t.Context(), link, "browser-1")
	require.NoError(t, err)
	_, err = b.Callback(t.Context(), b.click(t, third, hubID, "browser-1"))
	require.NoError(t, err)

	_, err = b.Authorize(t.Context(), link, "browser-1")
	require.ErrorIs(t, err, store.ErrUsed)
	_, err = b.Invitation(t.Context(), link)
	require.ErrorIs(t, err, store.ErrUsed)
	_, err = b.Authorize(t.Context(), "made-up", "browser-1")
	require.ErrorIs(t, err, store.ErrNotFound)

	late, _ := b.begin(t, "late", "browser-1")
	b.exec(t, `update connection_attempts set expires_at = now() - interval '1 second' where used_at is null`)
	_, err = b.Authorize(t.Context(), late, "browser-1")
	require.ErrorIs(t, err, store.ErrExpired)
}

// HubSpot's page refuses without a callback: nothing comes back, nothing changes.
func TestRefusedByRoleNeverComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := b.sim.AddUser(hubID, hubspottest.User{Email: "bob@acme.example"})
	_, authorize := b.begin(t, "main", "browser-1")
	_, err := b.sim.Consent(authorize, hubID, user.ID, true)
	require.ErrorContains(t, err, "You do not have the correct role to grant these permissions")
	require.Equal(t, 1, b.count(t, `select count(*) from connection_attempts where used_at is null and outcome = ''`))
}

func TestReconnectIsRecognized(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.connect(t, "main", hubID)
	again := b.connect(t, "main", hubID)
	require.True(t, again.Reconnected)
	require.Equal(t, first.Connection.ID, again.Connection.ID)
	require.EqualValues(t, 2, again.Connection.TokenVersion)
	_, version, err := b.Token(t.Context(), first.Connection.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, version, "the new token is used at once")

	// The name of another portal's connection: nothing is replaced.
	_, authorize := b.begin(t, "main", "browser-1")
	_, err = b.Callback(t.Context(), b.click(t, authorize, otherHub, "browser-1"))
	var refused *connections.LoginError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Public(), "account 4711")
	c, err := b.store.ConnectionByName(t.Context(), b.org.ID, "main")
	require.NoError(t, err)
	require.EqualValues(t, hubID, c.HubID)

	other := b.connect(t, "other", otherHub)
	require.NotEqual(t, first.Connection.ID, other.Connection.ID)
	_, err = b.forMeeting(t)
	var undecided *connections.UndecidedError
	require.ErrorAs(t, err, &undecided)
	require.Contains(t, undecided.Public(), "Several connections could act: main, other.")
}

// An account that is connected already, under another name or by somebody else,
// is not replaced without a word.
func TestAConnectedAccountIsAQuestion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.connect(t, "main", hubID).Connection
	exists := func(name string) (connections.Return, *store.ExistsError) {
		t.Helper()
		_, authorize := b.begin(t, name, "browser-1")
		back := b.click(t, authorize, hubID, "browser-1")
		_, err := b.Callback(t.Context(), back)
		var found *store.ExistsError
		require.ErrorAs(t, err, &found)
		require.Equal(t, first.ID, found.Connection.ID)
		version := b.count(t, `select token_version from connections where id = $1`, first.ID)
		require.EqualValues(t, first.TokenVersion, version, "nothing was replaced")
		return back, found
	}

	back, found := exists("second name")
	require.False(t, found.OtherUser)
	require.Equal(t, 1, b.count(t, `select count(*) from connection_attempts where sealed_grant is not null`))
	_, err := b.Replace(t.Context(), back.State, "another browser")
	require.ErrorIs(t, err, store.ErrForeign)
	require.NoError(t, b.Keep(t.Context(), back.State, back.Browser))
	require.Zero(t, b.count(t, `select count(*) from connection_attempts where sealed_grant is not null`))
	_, err = b.Replace(t.Context(), back.State, back.Browser)
	require.ErrorIs(t, err, store.ErrNotFound, "what was granted is forgotten")

	b.user = b.sim.AddUser(hubID, hubspottest.User{Email: "bob@acme.example", SuperAdmin: true})
	back, found = exists("main")
	require.True(t, found.OtherUser)
	result, err := b.Replace(t.Context(), back.State, back.Browser)
	require.NoError(t, err)
	require.True(t, result.Reconnected)
	require.Equal(t, "main", result.Connection.Name, "it keeps its name")
	require.Equal(t, b.user.ID, result.Connection.UserID)
	access, _, err := b.Token(t.Context(), first.ID)
	require.NoError(t, err)
	require.NoError(t, b.works(t, access))
	require.NoError(t, goneFromDatabase(t, b, access.Reveal()))
}

func TestAnotherAccountThanExpected(t *testing.T) {
	t.Parallel()
	b := setup(t)
	login, err := b.BeginLogin(t.Context(), connections.LoginRequest{OrganizationID: b.org.ID, AppID: b.app.ID, Name: "main", HubID: hubID}, store.Operator)
	require.NoError(t, err)
	link := store.Secret(strings.TrimPrefix(login.URL, publicURL+"/connect/"))
	authorize, err := b.Authorize(t.Context(), link, "browser-1")
	require.NoError(t, err)
	require.Contains(t, authorize, "/oauth/4711/authorize?")
	_, err = b.Callback(t.Context(), b.click(t, strings.Replace(authorize, "/oauth/4711/", "/oauth/", 1), otherHub, "browser-1"))
	var refused *connections.LoginError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Public(), "This link is for HubSpot account 4711, and you chose account")
	require.Zero(t, b.count(t, `select count(*) from connections`))
}

func TestUninstallingFromOurSide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.connect(t, "main", hubID).Connection
	access, _, err := b.Token(t.Context(), c.ID)
	require.NoError(t, err)
	require.NoError(t, b.Uninstall(t.Context(), b.org.ID, c.ID, store.Operator))
	require.Equal(t, store.Uninstalled, b.state(t, c.ID))
	require.Error(t, b.works(t, access), "HubSpot ended all tokens of the account")
	require.Zero(t, b.count(t, `select count(*) from connections where sealed_refresh_token is not null`))
	require.Zero(t, b.count(t, `select count(*) from access_tokens`))
	_, _, err = b.Token(t.Context(), c.ID)
	require.ErrorIs(t, err, connections.ErrPaused)
}

// A grant that was ended here while HubSpot was away is ended there later, by
// whoever comes first.
func TestRevocationsAreFinished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token/revoke", Status: 503})
	require.Error(t, b.Disconnect(t.Context(), b.org.ID, id, store.Operator))
	require.Equal(t, store.Revoked, b.state(t, id))
	require.NoError(t, b.FinishRevocations(t.Context()))
	require.Equal(t, 1, b.count(t, `select count(*) from connections where sealed_refresh_token is not null`), "not at once")
	b.exec(t, `update connections set state_changed_at = now() - interval '2 minutes'`)
	require.NoError(t, b.FinishRevocations(t.Context()))
	require.Zero(t, b.count(t, `select count(*) from connections where sealed_refresh_token is not null`))
	require.NoError(t, b.FinishRevocations(t.Context()))
}

func TestImportedToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	token, _ := b.sim.Token(b.simApp.ClientID, hubID, b.user.ID)
	c, err := b.store.ImportToken(t.Context(), b.org.ID, "private app", store.Granted{HubID: hubID, Scopes: []string{"oauth"}}, store.Secret(token), store.Operator)
	require.NoError(t, err)
	require.True(t, c.IsStatic())
	access, version, err := b.Token(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, token, access.Reveal())
	require.Zero(t, b.tokenCalls())

	// Refused once, it is refused for good: there is nothing to refresh it with.
	require.ErrorIs(t, b.Invalidate(t.Context(), c.ID, version), connections.ErrPaused)
	require.Equal(t, store.NeedsReconnect, b.state(t, c.ID))
	require.Zero(t, b.tokenCalls())
	again, err := b.store.ImportToken(t.Context(), b.org.ID, "private app", store.Granted{HubID: hubID}, "another", store.Operator)
	require.NoError(t, err)
	require.Equal(t, c.ID, again.ID)
	access, _, err = b.Token(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, "another", access.Reveal())

	require.NoError(t, b.Disconnect(t.Context(), b.org.ID, c.ID, store.Operator))
	require.Zero(t, b.count(t, `select count(*) from connections where sealed_static_token is not null`))
	_, _, err = b.Token(t.Context(), c.ID)
	require.ErrorIs(t, err, connections.ErrPaused)
}

// Nobody tells of an uninstall but the journal: work pauses, and a later
// connection is not ended by an older event.
func TestUninstallIsSeenInTheJournal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	other := b.connect(t, "other", otherHub).Connection.ID
	read := func() {
		t.Helper()
		b.exec(t, `update apps set journal_due_at = now()`)
		worked, err := b.ReadJournal(t.Context())
		require.NoError(t, err)
		require.True(t, worked)
	}
	read() // subscribes
	worked, err := b.ReadJournal(t.Context())
	require.NoError(t, err)
	require.False(t, worked, "not due again")
	require.Equal(t, store.Connected, b.state(t, id))

	b.sim.Uninstall(hubID, b.simApp.ClientID)
	read()
	require.Equal(t, store.Uninstalled, b.state(t, id))
	require.Equal(t, store.Connected, b.state(t, other))
	require.Zero(t, b.count(t, `select count(*) from access_tokens where connection_id = $1`, id))

	// Read again from the beginning, as after a restored backup.
	b.connect(t, "main", hubID)
	b.exec(t, `update apps set journal_offset = ''`)
	read()
	require.Equal(t, store.Connected, b.state(t, id))

	// An app that may not read it loses nothing.
	b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Status: 400, Times: 2, Body: `{"status":"BAD_SCOPES","error":"invalid_scope","message":"no"}`})
	read()
	require.Equal(t, 1, b.count(t, `select count(*) from apps where journal_problem <> '' and journal_due_at > now() + interval '50 minutes'`))
	require.Equal(t, store.Connected, b.state(t, id))
}

// A token that could not be renewed for a passing reason shows as expired, and
// is connected again by itself.
func TestExpired(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.exec(t, `update access_tokens set expires_at = now() - interval '1 minute'`)
	b.sim.Advance(time.Hour)
	b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Status: 503})
	fresh := b.service(b.store)
	_, _, err := fresh.Token(t.Context(), id)
	require.ErrorIs(t, err, connections.ErrTransient)
	require.Equal(t, store.Expired, b.state(t, id))
	c, err := b.store.Connection(t.Context(), b.org.ID, id)
	require.NoError(t, err)
	require.NotNil(t, c.LastErrorAt)
	b.rested(t)
	_, _, err = fresh.Token(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, store.Connected, b.state(t, id))
}

// A scope that is taken away shows with the next refresh: its questions are
// withdrawn, and asked again once it is back.
func TestScopesTakenAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.connect(t, "main", hubID).Connection
	b.paused(t, &c.ID, 2)
	b.exec(t, `update follow_ups set paused_since = null`)
	b.sim.Inject(hubspottest.Fault{
		Path: "/oauth/2026-09/token", Status: 200,
		Body: `{"access_token":"narrow","refresh_token":"r","expires_in":1800,"token_type":"bearer","hub_id":4711,"scopes":["oauth","tickets"]}`,
	})
	require.NoError(t, b.Invalidate(t.Context(), c.ID, c.TokenVersion))
	c, err := b.store.Connection(t.Context(), b.org.ID, c.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"oauth", "tickets"}, c.Scopes)
	require.Equal(t, 2, b.count(t, `select count(*) from wakeups where reason = 'scopes changed'`))
	require.Equal(t, "crm.objects.deals.write", c.Missing(policy.Tool{Object: "deal", Operation: policy.Update}))
	require.Empty(t, c.Missing(policy.Tool{Object: "ticket", Operation: policy.Create}))
}

func TestTheAccountIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.AddPortal(hubspottest.Portal{HubID: 99, Domain: "sandbox.example", Type: "SANDBOX", TimeZone: "Europe/Berlin", Currency: "EUR"})
	b.sim.AddUser(99, hubspottest.User{ID: b.user.ID, Email: "ada@acme.example", SuperAdmin: true})
	c := b.connect(t, "main", 99).Connection
	require.Equal(t, "SANDBOX", c.AccountType)
	require.Equal(t, "Europe/Berlin", c.TimeZone)
	require.Equal(t, []string{"EUR"}, c.Currencies)
	require.True(t, c.IsTest())

	_, err := b.forMeeting(t)
	require.ErrorContains(t, err, "from a production source, and the connection leads to a test account: main")
	require.NoError(t, b.store.SetAnyEnvironment(t.Context(), b.org.ID, c.ID, true, store.Operator))
	_, err = b.forMeeting(t)
	require.NoError(t, err)
}

func TestUserLevelConnectionsAreByUser(t *testing.T) {
	t.Parallel()
	b := setup(t, func(a *hubspottest.App) { a.UserLevel = true })
	ada := b.connect(t, "ada", hubID)
	require.True(t, ada.Connection.IsUserLevel)
	b.user = b.sim.AddUser(hubID, hubspottest.User{Email: "bob@acme.example", InstallApps: true})
	bob := b.connect(t, "bob", hubID)
	require.False(t, bob.Reconnected, "another user's grant is never replaced")
	require.NotEqual(t, ada.Connection.ID, bob.Connection.ID)
	require.True(t, b.connect(t, "bob", hubID).Reconnected)
}

// What was granted is stored, whatever was asked for.
func TestGrantedScopesCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, authorize := b.begin(t, "main", "browser-1")
	in := b.click(t, authorize, hubID, "browser-1")
	b.sim.Inject(hubspottest.Fault{
		Path: "/oauth/2026-09/token/introspect", Status: 200,
		Body: `{"active":true,"hub_id":4711,"scopes":["oauth","tickets","crm.objects.contacts.read"]}`,
	})
	result, err := b.Callback(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{"crm.objects.contacts.read", "oauth", "tickets"}, result.Connection.Scopes)
	require.Equal(t, []string{
		"crm.objects.contacts.write", "crm.objects.companies.read", "crm.objects.companies.write",
		"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read",
	}, result.Missing)
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.forMeeting(t)
	require.ErrorIs(t, err, connections.ErrNoConnection)
	_, _, err = b.Token(t.Context(), uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)
}

// Two processes, eight callers each, one token that has expired: HubSpot is
// asked once, and all go on with the same token.
func TestOneRefreshInTheFleet(t *testing.T) {
	t.Parallel()
	for _, rotating := range []bool{false, true} {
		t.Run(fmt.Sprintf("rotating=%v", rotating), func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(a *hubspottest.App) { a.RotateRefreshTokens = rotating })
			id := b.connect(t, "main", hubID).Connection.ID
			second, err := store.Open(t.Context(), store.Options{URL: b.url, Vault: storetest.Vault(t), MaxConnections: 8})
			require.NoError(t, err)
			t.Cleanup(second.Close)
			services := []*connections.Service{b.service(b.store), b.service(second)}

			for round := range 3 {
				b.clock.advance(26 * time.Minute) // refreshed ahead: it had 4 left
				b.sim.ResetCalls()
				// A slow answer, so that everybody is waiting by then.
				b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Latency: 100 * time.Millisecond})
				ask(t, b, services, round+2, func(s *connections.Service) (store.Secret, int64, error) {
					return s.Token(t.Context(), id)
				})
				require.Equal(t, 1, b.tokenCalls())
			}

			// The same after a 401 that everybody got at once.
			b.sim.ResetCalls()
			b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Latency: 100 * time.Millisecond})
			ask(t, b, services, 5, func(s *connections.Service) (store.Secret, int64, error) {
				if err := s.Invalidate(t.Context(), id, 4); err != nil {
					return "", 0, err
				}
				return s.Token(t.Context(), id)
			})
			require.Equal(t, 1, b.tokenCalls())
		})
	}
}

func ask(t *testing.T, b *bundle, services []*connections.Service, wantVersion int, f func(*connections.Service) (store.Secret, int64, error)) {
	t.Helper()
	var wg sync.WaitGroup
	tokens := make(chan store.Secret, 16)
	failures := make(chan error, 16)
	for _, s := range services {
		for range 8 {
			wg.Go(func() {
				access, version, err := f(s)
				if err == nil && version != int64(wantVersion) {
					err = fmt.Errorf("version %d instead of %d", version, wantVersion)
				}
				if err != nil {
					failures <- err
					return
				}
				tokens <- access
			})
		}
	}
	wg.Wait()
	close(tokens)
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	var first store.Secret
	for access := range tokens {
		if first == "" {
			first = access
		}
		require.Equal(t, first.Reveal(), access.Reveal(), "everyone adopts the winner's")
	}
	require.NoError(t, b.works(t, first))
}

func TestRotatedRefreshTokensAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t, func(a *hubspottest.App) { a.RotateRefreshTokens = true })
	id := b.connect(t, "main", hubID).Connection.ID
	for want := int64(2); want < 6; want++ {
		b.clock.advance(31 * time.Minute)
		access, version, err := b.Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, version)
		require.NoError(t, b.works(t, access))
	}
}

func TestRefusedForGoodPausesAndReconnectingResumes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.sim.Uninstall(hubID, b.simApp.ClientID)
	_, version, err := b.Token(t.Context(), id)
	require.NoError(t, err, "nobody knows yet")

	err = b.Invalidate(t.Context(), id, version)
	var paused *connections.PausedError
	require.ErrorAs(t, err, &paused)
	require.ErrorIs(t, err, connections.ErrPaused)
	require.Equal(t, store.NeedsReconnect, paused.State)
	require.Equal(t, `The connection "main" waits: HubSpot no longer accepts it; connect it again, and everything goes on where it was.`, paused.Public())
	require.Equal(t, store.NeedsReconnect, b.state(t, id))
	require.Zero(t, b.count(t, `select count(*) from access_tokens`))
	b.sim.ResetCalls()
	_, _, err = b.Token(t.Context(), id)
	require.ErrorIs(t, err, connections.ErrPaused)
	require.ErrorIs(t, b.Invalidate(t.Context(), id, version), connections.ErrPaused)
	require.Zero(t, b.tokenCalls(), "HubSpot is not asked again")
	picked, err := b.forMeeting(t)
	require.NoError(t, err)
	require.Equal(t, id, picked.ID, "work waits for it")

	b.paused(t, &id, 1000)
	b.paused(t, nil, 3)
	b.exec(t, `insert into meetings (id, organization_id) values (gen_random_uuid(), $1)`, b.org.ID)
	b.exec(t, `insert into follow_ups (meeting_id, organization_id, connection_id) select id, organization_id, $1 from meetings where id not in (select meeting_id from follow_ups)`, id)
	require.Zero(t, b.count(t, `select count(*) from wakeups`))

	result := b.connect(t, "main", hubID)
	require.True(t, result.Reconnected)
	require.Equal(t, id, result.Connection.ID)
	require.Equal(t, store.Connected, b.state(t, id))
	require.Equal(t, 1003, b.count(t, `select count(distinct meeting_id) from wakeups where reason = 'reconnected'`), "exactly those that waited")
	require.Equal(t, 1003, b.count(t, `select count(*) from wakeups`))
	access, _, err := b.Token(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, b.works(t, access))

	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditConnection})
	require.NoError(t, err)
	reasons, err := json.Marshal(trail)
	require.NoError(t, err)
	require.Contains(t, string(reasons), "connected → needs_reconnect: hubspot: refreshing the token: 400 invalid_grant BAD_REFRESH_TOKEN")
	require.Contains(t, string(reasons), "reconnected, was needs_reconnect")
}

func TestMisconfiguredDropsNothingAndHealsItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	require.NoError(t, b.store.SetAppSecret(t.Context(), b.org.ID, b.app.ID, "wrong", store.Operator))

	b.clock.advance(26 * time.Minute)
	access, _, err := b.Token(t.Context(), id)
	require.NoError(t, err, "the old token has four minutes left")
	require.NoError(t, b.works(t, access))
	require.Equal(t, store.Misconfigured, b.state(t, id))

	b.clock.advance(5 * time.Minute)
	_, _, err = b.Token(t.Context(), id)
	var misconfigured *connections.MisconfiguredError
	require.ErrorAs(t, err, &misconfigured)
	require.NotErrorIs(t, err, connections.ErrPaused)
	require.NotContains(t, err.Error(), "wrong")
	require.Equal(t, 1, b.count(t, `select count(*) from connections where sealed_refresh_token is not null`))

	b.paused(t, &id, 2)
	require.NoError(t, b.store.SetAppSecret(t.Context(), b.org.ID, b.app.ID, store.Secret(b.simApp.ClientSecret), store.Operator))
	access, _, err = b.Token(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, b.works(t, access))
	require.Equal(t, store.Connected, b.state(t, id))
	require.Equal(t, 2, b.count(t, `select count(*) from wakeups`))
}

func TestTransientFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault hubspottest.Fault
		after time.Duration
	}{
		{"429 with Retry-After", hubspottest.Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}}, 7 * time.Second},
		{"502", hubspottest.Fault{Status: 502}, 3 * time.Second},
		{"423", hubspottest.Fault{Status: 423}, 2 * time.Second},
		{"477", hubspottest.Fault{Status: 477, Header: map[string]string{"Retry-After": "90"}}, 90 * time.Second},
		{"cut", hubspottest.Fault{CutBeforeCommit: true}, 0},
		{"200 without a token", hubspottest.Fault{Status: 200, Body: `{}`}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.connect(t, "main", hubID).Connection.ID
			test.fault.Path, test.fault.Times = "/oauth/2026-09/token", -1
			b.sim.Inject(test.fault)

			b.clock.advance(26 * time.Minute)
			access, _, err := b.Token(t.Context(), id)
			require.NoError(t, err, "the old token has four minutes left")
			require.NoError(t, b.works(t, access))

			b.clock.advance(5 * time.Minute)
			b.rested(t)
			_, _, err = b.Token(t.Context(), id)
			var transient *connections.TransientError
			require.ErrorAs(t, err, &transient)
			require.Equal(t, test.after, transient.RetryAfter)
			require.Equal(t, store.Connected, b.state(t, id))

			b.sim.ClearFaults()
			if test.after > 0 {
				b.sim.ResetCalls()
				for _, process := range []*connections.Service{b.Service, b.service(b.store)} {
					_, _, err = process.Token(t.Context(), id)
					require.ErrorAs(t, err, &transient, "no process before HubSpot wants to be asked")
					require.LessOrEqual(t, transient.RetryAfter, test.after)
				}
				require.Zero(t, b.tokenCalls())
				b.rested(t)
			}
			_, _, err = b.Token(t.Context(), id)
			require.NoError(t, err)
		})
	}
}

// A process dies between HubSpot's answer and our commit, simulated by a commit
// that fails. Where HubSpot gives the same refresh token again, the next refresh
// heals it. Where it rotates them strictly, the only good one is lost: the
// connection says so, its work waits, and reconnecting wakes it.
func TestCommitLost(t *testing.T) {
	t.Parallel()
	for _, rotating := range []bool{false, true} {
		t.Run(fmt.Sprintf("rotating=%v", rotating), func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(a *hubspottest.App) { a.RotateRefreshTokens = rotating })
			id := b.connect(t, "main", hubID).Connection.ID
			b.exec(t, `
				create function no_commit() returns trigger language plpgsql as $$ begin raise exception 'the connection broke'; end $$;
				create constraint trigger no_commit after update on connections deferrable initially deferred
				for each row execute function no_commit()`)
			b.clock.advance(31 * time.Minute)
			_, _, err := b.Token(t.Context(), id)
			require.ErrorContains(t, err, "the connection broke")
			require.Equal(t, 1, b.count(t, `select token_version from connections`))
			require.Equal(t, 2, b.tokenCalls(), "HubSpot did answer")
			b.exec(t, `drop trigger no_commit on connections`)

			access, version, err := b.Token(t.Context(), id)
			if !rotating {
				require.NoError(t, err)
				require.EqualValues(t, 2, version)
				require.NoError(t, b.works(t, access))
				return
			}
			require.ErrorIs(t, err, connections.ErrPaused)
			require.Equal(t, store.NeedsReconnect, b.state(t, id))
			b.paused(t, &id, 1)
			require.True(t, b.connect(t, "main", hubID).Reconnected)
			require.Equal(t, 1, b.count(t, `select count(*) from wakeups`))
		})
	}
}

// Unlogged tables are empty after a crash of PostgreSQL.
func TestLostAccessTokensAreMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.exec(t, `truncate access_tokens`)
	access, version, err := b.Token(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	require.NoError(t, b.works(t, access))
}

func TestWrongKeysTouchNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.paused(t, &id, 1)
	keyset, err := vault.NewKeyset()
	require.NoError(t, err)
	wrong, err := vault.New(keyset)
	require.NoError(t, err)
	blind, err := store.Open(t.Context(), store.Options{URL: b.url, Vault: wrong})
	require.NoError(t, err)
	t.Cleanup(blind.Close)
	b.sim.ResetCalls()

	s := b.service(blind)
	_, _, err = s.Token(t.Context(), id)
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	require.ErrorContains(t, err, b.app.ID.String(), "it says what it can't read")
	require.ErrorIs(t, s.Invalidate(t.Context(), id, 1), vault.ErrCannotOpen)
	require.Zero(t, b.tokenCalls())

	require.Equal(t, store.Connected, b.state(t, id))
	access, version, err := b.service(b.store).Token(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 1, version)
	require.NoError(t, b.works(t, access))
}

func TestCiphertextsMovedBetweenRowsDoNotOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine := b.connect(t, "main", hubID).Connection.ID
	other := b.connect(t, "other", otherHub).Connection.ID
	b.exec(t, `update connections set sealed_refresh_token = (select sealed_refresh_token from connections where id = $2) where id = $1`, mine, other)
	b.exec(t, `update access_tokens set sealed = (select sealed from access_tokens where connection_id = $2) where connection_id = $1`, mine, other)
	b.sim.ResetCalls()
	_, _, err := b.service(b.store).Token(t.Context(), mine)
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	require.Zero(t, b.tokenCalls())
	require.Equal(t, store.Connected, b.state(t, mine))

	// The column counts, too.
	b.exec(t, `update connections set sealed_refresh_token = (select sealed from access_tokens where connection_id = $1) where id = $1`, other)
	require.ErrorIs(t, b.Invalidate(t.Context(), other, 1), vault.ErrCannotOpen)
	// And a client secret is its app's.
	b.exec(t, `update apps set id = gen_random_uuid() where false`)
	second, err := b.store.CreateApp(t.Context(), store.App{OrganizationID: b.org.ID, Name: "second", Level: store.AccountLevel, ClientID: "second"}, "x", store.Operator)
	require.NoError(t, err)
	b.exec(t, `update apps set sealed_client_secret = (select sealed_client_secret from apps where id = $2) where id = $1`, second.ID, b.app.ID)
	_, _, err = b.store.AppWithSecret(t.Context(), b.org.ID, second.ID)
	require.ErrorIs(t, err, vault.ErrCannotOpen)
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	elsewhere := b.service(b.store)
	_, _, err := elsewhere.Token(t.Context(), id)
	require.NoError(t, err)

	// HubSpot is away: it ends here at once, and is finished later.
	b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token/revoke", Status: 503})
	err = b.Disconnect(t.Context(), b.org.ID, id, store.Operator)
	var refused *connections.LoginError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Public(), "Disconnect once more")
	require.Equal(t, store.Revoked, b.state(t, id))
	require.Zero(t, b.count(t, `select count(*) from access_tokens`))
	_, _, err = b.Token(t.Context(), id)
	require.ErrorIs(t, err, connections.ErrPaused)
	b.clock.advance(5 * time.Second)
	_, _, err = elsewhere.Token(t.Context(), id)
	require.ErrorIs(t, err, connections.ErrPaused, "another process's memory does not outlive it")

	require.NoError(t, b.Disconnect(t.Context(), b.org.ID, id, store.Operator))
	require.Zero(t, b.count(t, `select count(*) from connections where sealed_refresh_token is not null`))
	require.NoError(t, b.Disconnect(t.Context(), b.org.ID, id, store.Operator), "twice is no harm")
	require.ErrorIs(t, b.Disconnect(t.Context(), uuid.New(), id, store.Operator), store.ErrNotFound, "another organization's is not there")

	require.True(t, b.connect(t, "main", hubID).Reconnected)
	access, _, err := b.Token(t.Context(), id)
	require.NoError(t, err)
	require.NoError(t, b.works(t, access))
}

// Who asks may give up without spoiling it for the others.
func TestGivingUpDoesNotStopARefresh(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.clock.advance(31 * time.Minute)
	b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Latency: 300 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := b.Token(ctx, id)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	access, version, err := b.Token(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	require.NoError(t, b.works(t, access))
	require.Equal(t, 2, b.tokenCalls(), "the code, and one refresh")
}

func TestOrganizationsAreApart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	stranger := storetest.Organization(t, b.store)
	_, err := b.store.Connection(t.Context(), stranger.ID, id)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.store.ConnectionByName(t.Context(), stranger.ID, "main")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.store.App(t.Context(), stranger.ID, b.app.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.BeginLogin(t.Context(), connections.LoginRequest{OrganizationID: stranger.ID, AppID: b.app.ID, Name: "main"}, store.Operator)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, b.store.SetAppSecret(t.Context(), stranger.ID, b.app.ID, "x", store.Operator), store.ErrNotFound)
	require.ErrorIs(t, b.store.SetConnectionState(t.Context(), stranger.ID, id, store.Revoked, "", store.Operator), store.ErrNotFound)
	list, err := b.store.Connections(t.Context(), stranger.ID)
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, store.Connected, b.state(t, id))
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	s := store.Secret("the-secret")
	in := store.Refreshing{ClientSecret: s, RefreshToken: s}
	encoded, err := json.Marshal(in)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, s), fmt.Sprintf("%+v %#v", in, in), string(encoded),
		errors.Join(fmt.Errorf("with %v", in)).Error(),
	} {
		require.NotContains(t, text, "the-secret")
		require.NotContains(t, text, fmt.Sprintf("%x", "the-secret"))
	}
}

// provider is HubSpot at the simulator's address.
func provider(url string) connections.Provider {
	p := connections.HubSpot()
	p.AuthorizeURL, p.BaseURL = url+"/oauth/authorize", url
	return p
}
