package web_test

import (
	"context"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// link makes a link to connect under a name.
func (b *bundle) link(t *testing.T, r connections.LoginRequest) string {
	t.Helper()
	r.OrganizationID = b.org.ID
	if r.AppID == uuid.Nil {
		r.AppID = b.app.ID
	}
	login, err := b.service.BeginLogin(t.Context(), r, store.Operator)
	require.NoError(t, err)
	return login.URL
}

// consents goes the way from a link over the consent page and back, as one of
// HubSpot's users.
func (b *bundle) consents(t *testing.T, person *browser, link string, userID int64) answer {
	t.Helper()
	going := person.do(t, http.MethodPost, link)
	require.Equal(t, http.StatusSeeOther, going.status, going.body)
	back, err := b.sim.Consent(going.location, hubID, userID, true)
	require.NoError(t, err)
	return person.do(t, http.MethodGet, back)
}

// connect connects the account under the name "main" and returns its page.
func (b *bundle) connect(t *testing.T) store.Connection {
	t.Helper()
	done := b.consents(t, newBrowser(t), b.connectLink(t), b.user.ID)
	require.Equal(t, http.StatusOK, done.status, done.body)
	return b.only(t)
}

func (b *bundle) only(t *testing.T) store.Connection {
	t.Helper()
	all, err := b.store.Connections(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func (b *bundle) trail(t *testing.T) []store.AuditEntry {
	t.Helper()
	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditConnection})
	require.NoError(t, err)
	return trail
}

func hidden(t *testing.T, body, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	require.NotNil(t, found, body)
	return html.UnescapeString(found[1])
}

// What somebody knows before they click: by the link, and by the app's kind.
func TestTheConnectPageSaysWhatIsAskedOfWhom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userApp, err := b.store.CreateApp(t.Context(), store.App{
		OrganizationID: b.org.ID, Name: "Debrief for one", Level: store.UserLevel, ClientID: "another",
	}, "secret", store.Operator)
	require.NoError(t, err)
	person := newBrowser(t)

	account := person.do(t, http.MethodGet, b.link(t, connections.LoginRequest{Name: "main", HubID: 815, OptionalScopes: []string{"crm.schemas.deals.write"}})).body
	require.Contains(t, account, "It has to be HubSpot account <strong>815</strong>")
	require.Contains(t, account, "HubSpot&#39;s own limits on a person do not apply")
	require.Contains(t, account, `<code>crm.schemas.deals.write</code> <span class="tag">optional</span>`)
	require.Contains(t, account, "Hand this link to whoever it is")

	user := person.do(t, http.MethodGet, b.link(t, connections.LoginRequest{AppID: userApp.ID, Name: "mine"})).body
	require.Contains(t, user, "Debrief will act in HubSpot <strong>as you</strong>")
	require.NotContains(t, user, "do not apply")
	require.NotContains(t, user, "optional")
	require.NotContains(t, user, "It has to be")
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.connect(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/connections").body, "9 granted, none missing")
	b.exec(t, `update connections set scopes = array_remove(scopes, 'tickets')`)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/connections").body, "8 granted, <strong>missing:</strong> <br><code>tickets</code>")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/connections/"+c.ID.String()).body, "HubSpot did not grant: <code>tickets</code>")
}

// What an organization allows already holds for what is connected next.
func TestConnectedSaysWhatIsOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tool, err := policy.ParseTool("contact.read")
	require.NoError(t, err)
	require.NoError(t, b.store.SetPermission(t.Context(), b.org.ID, tool, policy.Allow, store.Operator))
	done := b.consents(t, newBrowser(t), b.connectLink(t), b.user.ID)
	require.Contains(t, done.body, "What your organization had turned on before (1 tool) holds here, too.")
	require.NotContains(t, done.body, "still off")
}

// Nobody's grant is replaced without a word, and the word is a POST of the
// browser that began.
func TestAnAccountThatIsConnectedAlready(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.connect(t)
	bob := b.sim.AddUser(hubID, hubspottest.User{Email: "bob@acme.example", SuperAdmin: true})
	callback := b.server.URL + connections.CallbackPath
	person := newBrowser(t)
	unchanged := func() {
		t.Helper()
		require.Equal(t, first.TokenVersion, b.only(t).TokenVersion)
		require.Equal(t, b.user.ID, b.only(t).UserID)
	}

	link := b.link(t, connections.LoginRequest{Name: "second"})
	asked := b.consents(t, person, link, bob.ID)
	require.Equal(t, http.StatusOK, asked.status)
	for _, text := range []string{
		"HubSpot account 4711 (acme.example) is connected already, as “main”. Nothing was replaced.", "HubSpot user ", "another HubSpot user", "of the kind “user”",
	} {
		require.Contains(t, asked.body, text)
	}
	unchanged()
	state := hidden(t, asked.body, "state")
	require.NotContains(t, asked.body, "?state=", "in no address of ours")

	for do, how := range map[string][2]string{"replace": {"do", "replace"}, "keep": {"do", "keep"}} {
		require.Equal(t, http.StatusForbidden, newBrowser(t).post(t, callback, "state", state, how[0], how[1]).status, do)
		require.Equal(t, http.StatusNotFound, person.post(t, callback, "state", "made-up", how[0], how[1]).status, do)
		require.Equal(t, http.StatusBadRequest, person.do(t, http.MethodPost, callback+"?do="+do+"&state="+state).status, "only a form counts")
	}
	require.Equal(t, http.StatusBadRequest, person.post(t, callback, "state", state).status)
	require.Equal(t, http.StatusForbidden, person.do(t, http.MethodPost, callback, "Sec-Fetch-Site", "cross-site").status)
	require.Equal(t, http.StatusGone, person.do(t, http.MethodGet, callback+"?code=x&state="+state).status, "a GET replaces nothing")
	unchanged()

	kept := person.post(t, callback, "state", state, "do", "keep")
	require.Equal(t, http.StatusOK, kept.status)
	require.Contains(t, kept.body, "stays as it is")
	unchanged()
	require.Equal(t, http.StatusNotFound, person.post(t, callback, "state", state, "do", "replace").status, "what was forgotten is gone")
	unchanged()

	asked = b.consents(t, person, link, bob.ID)
	replaced := person.post(t, callback, "state", hidden(t, asked.body, "state"), "do", "replace")
	require.Equal(t, http.StatusOK, replaced.status)
	require.Contains(t, replaced.body, "that connection was renewed and keeps its name")
	now := b.only(t)
	require.Equal(t, "main", now.Name)
	require.Equal(t, bob.ID, now.UserID)
	require.Greater(t, now.TokenVersion, first.TokenVersion)

	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/connections").body, "second: reconnected, was connected")
}

// Who may see and do what. Each role's refusal stands at the handler.
func TestRolesOnTheConnectionsPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.connect(t)
	one := "/connections/" + c.ID.String()
	posts := []string{
		"/connections", one + "/login", one + "/default", one + "/any-environment", one + "/reveal", one + "/rules", one + "/rules/remove", one + "/disconnect", one + "/uninstall",
	}
	for _, role := range store.Roles() {
		person := b.as(t, string(role)+"@acme.example", role)
		page := person.do(t, http.MethodGet, b.server.URL+"/connections")
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, "Which integrations are enabled? 1 connected.")
		require.Contains(t, person.do(t, http.MethodGet, b.server.URL+"/overview").body, "1 connected")
		require.Equal(t, role != store.RoleViewer, strings.Contains(page.body, ">main<") || strings.Contains(page.body, "<li>main "), role)
		for _, detail := range []string{"4711", "9 granted", "Latest attempts", "Connect an account"} {
			require.Equal(t, role == store.RoleAdmin, strings.Contains(page.body, detail), "%s %s", role, detail)
		}
		if role == store.RoleAdmin {
			for _, path := range posts {
				require.Equal(t, http.StatusForbidden, person.do(t, http.MethodPost, b.server.URL+path, "Sec-Fetch-Site", "cross-site").status, path)
			}
			continue
		}
		for _, path := range []string{one, one + "/disconnect"} {
			require.Equal(t, http.StatusForbidden, person.do(t, http.MethodGet, b.server.URL+path).status, "%s %s", role, path)
		}
		for _, path := range posts {
			out := person.post(t, b.server.URL+path, "name", "main", "on", "yes", "domain", "acme.example", "app", b.app.ID.String())
			require.Equal(t, http.StatusForbidden, out.status, "%s %s", role, path)
			require.Contains(t, out.body, "this is for: admin")
		}
	}
	for _, path := range posts {
		require.Equal(t, http.StatusUnauthorized, newBrowser(t).post(t, b.server.URL+path).status, path)
	}
	now := b.only(t)
	require.Equal(t, c, now, "nothing has changed")
}

// The organization comes from the session: a connection of another one is not
// there.
func TestNobodySeesAnotherOrganizationsConnections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.connect(t)
	mine := b.org
	b.org = storetest.Organization(t, b.store)
	stranger := b.as(t, "eve@elsewhere.example", store.RoleAdmin)
	app := b.app.ID
	b.org = mine
	page := stranger.do(t, http.MethodGet, b.server.URL+"/connections").body
	require.Contains(t, page, "None: not connected")
	require.NotContains(t, page, "4711")
	one := b.server.URL + "/connections/" + c.ID.String()
	for _, path := range []string{"", "/disconnect"} {
		require.Equal(t, http.StatusNotFound, stranger.do(t, http.MethodGet, one+path).status)
	}
	for _, path := range []string{"/login", "/default", "/any-environment", "/reveal", "/rules", "/rules/remove", "/disconnect", "/uninstall"} {
		require.Equal(t, http.StatusNotFound, stranger.post(t, one+path, "on", "yes", "domain", "acme.example", "name", "main").status, path)
	}
	require.Equal(t, http.StatusNotFound, stranger.post(t, b.server.URL+"/connections", "name", "theirs", "app", app.String()).status)
	require.Equal(t, http.StatusNotFound, stranger.do(t, http.MethodGet, b.server.URL+"/connections/x").status)
	require.Equal(t, c, b.only(t))
}

// Each state has a name and a sentence of its own, and so have the two that
// belong to no connection.
func TestEveryStateIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	page := func() string { return admin.do(t, http.MethodGet, b.server.URL+"/connections").body }
	require.Contains(t, page(), "None: not connected.")
	require.Contains(t, page(), `<span class="tag warn">not connected</span>`)

	going := newBrowser(t).do(t, http.MethodPost, b.connectLink(t))
	require.Equal(t, http.StatusSeeOther, going.status)
	require.Contains(t, page(), "1 connecting.")
	require.Contains(t, page(), "main: at HubSpot")
	require.NotContains(t, page(), "not connected")

	b.exec(t, `update connection_attempts set expires_at = now() - interval '1 second'`)
	require.Contains(t, page(), "main: never came back from HubSpot")
	require.Contains(t, page(), `<a href="#says-no">why that is, and what to do</a>`)
	require.Contains(t, page(), `<h2 id="says-no">`)
	require.Contains(t, page(), "None: not connected.")

	c := b.connect(t)
	meanings := map[string]bool{}
	for state, label := range map[store.ConnectionState]string{
		store.Connected: "connected", store.Expired: "expired", store.NeedsReconnect: "needs reconnect", store.Revoked: "revoked",
		store.Uninstalled: "uninstalled", store.Misconfigured: "misconfigured",
	} {
		b.exec(t, `update connections set state = '`+string(state)+`'`)
		require.Contains(t, page(), "Which integrations are enabled? 1 "+label+".")
		one := admin.do(t, http.MethodGet, b.server.URL+"/connections/"+c.ID.String()).body
		require.Contains(t, one, ">"+label+"</span>")
		_, rest, _ := strings.Cut(one, `class="lead"`)
		_, rest, _ = strings.Cut(rest, "<p>")
		meaning, _, _ := strings.Cut(rest, "</p>")
		require.Greater(t, len(meaning), 30)
		meanings[meaning] = true
	}
	require.Len(t, meanings, 6)

	b.exec(t, `update connections set state = 'uninstalled', account_type = 'DEVELOPER_TEST', is_default = true, last_error = 'HubSpot is <away>', last_error_at = now()`)
	b.connectLink(t)
	seen := page()
	for _, text := range []string{
		`<span class="tag warn">uninstalled</span> <span class="tag">connecting</span>`, "developer test", `<span class="tag test">TEST</span>`,
		`<span class="tag">default</span>`, "HubSpot is &lt;away&gt;", "https://app.hubspot.com/integrations-settings/4711/installed", "HubSpot has no API that lists them",
	} {
		require.Contains(t, seen, text)
	}
}

// What an admin does, and how the trail names it.
func TestAnAdminManagesConnections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	ada := b.id(t, "ada@acme.example")
	list := b.server.URL + "/connections"

	for _, wrong := range [][]string{
		{"app", b.app.ID.String()}, {"name", "main"}, {"name", "main", "app", b.app.ID.String(), "account", "x"},
	} {
		out := admin.post(t, list, wrong...)
		require.Equal(t, http.StatusConflict, out.status, wrong)
		require.Contains(t, out.body, `class="problem"`)
	}
	require.Equal(t, http.StatusNotFound, admin.post(t, list, "name", "main", "app", uuid.NewString()).status)

	begun := admin.post(t, list, "name", " main ", "app", b.app.ID.String(), "account", "4711", "for", "me")
	require.Equal(t, http.StatusSeeOther, begun.status)
	require.True(t, strings.HasPrefix(begun.location, b.server.URL+"/connect/"))
	require.Equal(t, http.StatusOK, b.consents(t, admin, begun.location, b.user.ID).status)
	c := b.only(t)
	require.Equal(t, "main", c.Name)
	one := list + "/" + c.ID.String()
	require.Equal(t, http.StatusConflict, admin.post(t, list, "name", "main", "app", b.app.ID.String()).status)

	// A link to hand over is shown, not followed, and works for three days.
	handed := admin.post(t, one+"/login", "for", "somebody else")
	require.Equal(t, http.StatusOK, handed.status)
	link := regexp.MustCompile(`<code>(http[^<]+/connect/[^<]+)</code>`).FindStringSubmatch(handed.body)
	require.NotNil(t, link, handed.body)
	require.NotContains(t, admin.do(t, http.MethodGet, one).body, "/connect/", "it is shown once")
	expires := b.newestExpiry(t)
	require.WithinDuration(t, time.Now().Add(72*time.Hour), expires, 5*time.Minute)
	require.Contains(t, newBrowser(t).do(t, http.MethodGet, link[1]).body, "It has to be HubSpot account <strong>4711</strong>")

	again := admin.post(t, one+"/login", "for", "me")
	require.Contains(t, b.consents(t, admin, again.location, b.user.ID).body, "was renewed and keeps its name")
	refused := admin.post(t, one+"/login", "for", "me", "scope", "made.up")
	require.Equal(t, http.StatusConflict, refused.status)
	require.Contains(t, refused.body, "does not declare")

	for path, fields := range map[string][]string{"/default": nil, "/any-environment": {"on", "yes"}, "/reveal": {"on", "yes"}} {
		require.Contains(t, admin.post(t, one+path, fields...).location, "done=changed", path)
	}
	c = b.only(t)
	require.True(t, c.IsDefault)
	require.True(t, c.AnyEnvironment)
	require.True(t, c.Reveal)
	seen := admin.do(t, http.MethodGet, one+"?done=changed").body
	require.Contains(t, seen, "The change is saved.")
	require.Contains(t, seen, "test meetings go to this production account")
	require.Contains(t, seen, "may show and export")
	require.NotContains(t, admin.do(t, http.MethodGet, one+"?done=Send+money").body, "money")
	for _, path := range []string{"/any-environment", "/reveal"} {
		require.Contains(t, admin.post(t, one+path, "on", "no").location, "done=changed", path)
	}
	require.False(t, b.only(t).AnyEnvironment)
	require.False(t, b.only(t).Reveal)

	require.Equal(t, http.StatusConflict, admin.post(t, one+"/rules").status)
	require.Equal(t, http.StatusNotFound, admin.post(t, one+"/rules", "host", uuid.NewString()).status)
	require.Contains(t, admin.post(t, one+"/rules", "host", ada.String(), "domain", "@Acme.example").location, "done=changed")
	seen = admin.do(t, http.MethodGet, one).body
	require.Contains(t, seen, "Meetings hosted by Ms ada@acme.example, hosted by anybody at acme.example")
	require.Contains(t, admin.post(t, one+"/rules/remove", "rule", hidden(t, seen, "rule")).location, "done=changed")
	require.Contains(t, admin.do(t, http.MethodGet, one).body, "No rule names it.")

	// Uninstalling takes the name, typed.
	require.Contains(t, admin.do(t, http.MethodGet, one+"/disconnect").body, "stays valid there for up to 30 minutes")
	require.Equal(t, store.Connected, b.only(t).State, "looking ends nothing")
	mistyped := admin.post(t, one+"/uninstall", "name", "Main")
	require.Equal(t, http.StatusConflict, mistyped.status)
	require.Contains(t, mistyped.body, "type the connection&#39;s name")
	require.Equal(t, store.Connected, b.only(t).State)
	require.Contains(t, admin.post(t, one+"/uninstall", "name", "main").location, "done=uninstalled")
	require.Equal(t, store.Uninstalled, b.only(t).State)

	again = admin.post(t, one+"/login", "for", "me")
	require.Equal(t, http.StatusOK, b.consents(t, admin, again.location, b.user.ID).status)
	require.Equal(t, store.Connected, b.only(t).State)
	require.Contains(t, admin.post(t, one+"/disconnect").location, "done=disconnected")
	require.Equal(t, store.Revoked, b.only(t).State)

	did := map[string]bool{}
	for _, e := range b.trail(t) {
		if e.Actor.Name == "web page" && e.Actor.PersonID != nil && *e.Actor.PersonID == ada {
			did[e.Reason] = true
		}
	}
	for _, reason := range []string{
		"link to connect made", "made the default", "writing for sources of the other kind turned on", "showing its access tokens turned on",
		"showing its access tokens turned off", "grant revoked at HubSpot, tokens deleted", "connected → revoked: disconnected", "revoked → uninstalled: uninstalled from our side",
	} {
		require.Contains(t, did, reason)
	}
}

// newestExpiry is when the newest link ends.
func (b *bundle) newestExpiry(t *testing.T) time.Time {
	t.Helper()
	all, err := b.store.Attempts(t.Context(), b.org.ID, 1)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0].ExpiresAt
}

// HubSpot may be away just then: what happened and what did not is said.
func TestDisconnectingWhileHubSpotIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	c := b.connect(t)
	one := b.server.URL + "/connections/" + c.ID.String()
	b.sim.Inject(hubspottest.Fault{Times: -1, Status: http.StatusServiceUnavailable})
	uninstalled := admin.post(t, one+"/uninstall", "name", "main")
	require.Equal(t, http.StatusBadGateway, uninstalled.status)
	require.Contains(t, uninstalled.body, "nothing was changed")
	require.Equal(t, store.Connected, b.only(t).State)

	out := admin.post(t, one+"/disconnect")
	require.Equal(t, http.StatusBadGateway, out.status)
	require.Contains(t, out.body, "HubSpot has not confirmed")
	require.Contains(t, out.body, ">revoked</span>", "the page shows the state as it is now")
	b.sim.ClearFaults()
	require.Contains(t, admin.post(t, one+"/disconnect").location, "done=disconnected")
	require.Equal(t, 0, b.count(t, `select count(*) from connections where sealed_refresh_token is not null`))
}

func (b *bundle) count(t *testing.T, sql string) int {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var n int
	require.NoError(t, conn.QueryRow(context.Background(), sql).Scan(&n))
	return n
}

// An imported token has no app and no grant: what the pages offer is less.
func TestAnImportedTokenOnThePages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	c, err := b.store.ImportToken(t.Context(), b.org.ID, "imported", store.Granted{HubID: 99, AccountType: "SANDBOX"}, "pat-secret", store.Operator)
	require.NoError(t, err)
	one := b.server.URL + "/connections/" + c.ID.String()
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/connections").body, "static token")
	page := admin.do(t, http.MethodGet, one).body
	require.Contains(t, page, "does not say which scopes")
	require.NotContains(t, page, "pat-secret")
	require.NotContains(t, page, "/login")
	require.Equal(t, http.StatusConflict, admin.post(t, one+"/login").status)
	require.NotContains(t, admin.do(t, http.MethodGet, one+"/disconnect").body, "/uninstall")
	require.Equal(t, http.StatusBadGateway, admin.post(t, one+"/uninstall", "name", "imported").status)
	require.Contains(t, admin.post(t, one+"/disconnect").location, "done=disconnected")
	require.Contains(t, admin.do(t, http.MethodGet, one).body, "delete it there")
}
