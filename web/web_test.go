package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/web"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	storetest.Main(m)
}

type bundle struct {
	store   *store.Store
	url     string
	service *connections.Service
	web     *web.Web
	server  *httptest.Server
	sim     *hubspottest.Server
	simApp  hubspottest.App
	user    hubspottest.User
	org     store.Organization
	app     store.App
	closing chan struct{}

	mu     sync.Mutex
	causes []string // what OnError was told
}

const hubID = 4711

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{closing: make(chan struct{})}
	b.store, b.url = storetest.New(t)
	b.sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(b.sim.Close)
	b.server = httptest.NewUnstartedServer(nil)
	public := "http://" + b.server.Listener.Addr().String()

	b.simApp = hubspottest.App{RedirectURIs: []string{public + connections.CallbackPath}}
	for _, s := range connections.Scopes() {
		b.simApp.RequiredScopes = append(b.simApp.RequiredScopes, s.Name)
	}
	b.simApp = b.sim.AddApp(b.simApp)
	b.sim.AddPortal(hubspottest.Portal{HubID: hubID, Domain: "acme.example"})
	b.user = b.sim.AddUser(hubID, hubspottest.User{Email: "ada@acme.example", SuperAdmin: true})

	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	b.service = connections.New(b.store, connections.Options{
		PublicURL: public, Provider: provider(b.sim.URL), HTTPClient: &http.Client{Transport: transport},
	})
	var err error
	b.web, err = web.New(b.store, b.service, web.Options{
		PublicURL: public, AuthorizeURL: b.sim.URL + "/oauth/authorize", Closing: b.closing,
		HTTPClient: &http.Client{Transport: transport},
		Preview: func(context.Context, store.Delivery) (web.Previewed, error) {
			return web.Previewed{Events: []meeting.EventType{meeting.Ended, meeting.NotesReady}, Changes: true}, nil
		},
		OnError: func(_ context.Context, doing string, err error) {
			t.Logf("%s: %v", doing, err)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.causes = append(b.causes, err.Error())
		},
	})
	require.NoError(t, err)
	engine := gin.New()
	b.web.Register(engine)
	b.server.Config.Handler = engine
	b.server.Start()
	t.Cleanup(b.server.Close)

	b.org = storetest.Organization(t, b.store)
	b.app, err = b.store.CreateApp(t.Context(), store.App{
		OrganizationID: b.org.ID, Name: "Debrief for Acme", Level: store.AccountLevel, ClientID: b.simApp.ClientID,
	}, store.Secret(b.simApp.ClientSecret), store.Operator)
	require.NoError(t, err)
	return b
}

func (b *bundle) exec(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), sql)
	require.NoError(t, err)
}

// browser keeps cookies and does not leave the site: it stops at redirects.
type browser struct {
	http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type answer struct {
	status   int
	body     string
	location string
	header   http.Header
	cookies  []*http.Cookie
}

func (b *browser) do(t *testing.T, method, address string, header ...string) answer {
	t.Helper()
	return b.send(t, method, address, nil, header...)
}

// post sends a form, as a browser does from our own page.
func (b *browser) post(t *testing.T, address string, fields ...string) answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send(t, http.MethodPost, address, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

func (b *browser) send(t *testing.T, method, address string, form io.Reader, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, form)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, string(body), res.Header.Get("Location"), res.Header, res.Cookies()}
}

func (b *bundle) signInLink(t *testing.T) string {
	t.Helper()
	token, err := b.store.CreateSignInLink(t.Context(), store.SignedIn{IsOperator: true})
	require.NoError(t, err)
	return b.server.URL + "/session/" + token.Reveal()
}

func (b *bundle) connectLink(t *testing.T) string {
	t.Helper()
	login, err := b.service.BeginLogin(t.Context(), connections.LoginRequest{OrganizationID: b.org.ID, AppID: b.app.ID, Name: "main"}, store.Operator)
	require.NoError(t, err)
	return login.URL
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	link := b.signInLink(t)
	scanner, person := newBrowser(t), newBrowser(t)

	for range 3 {
		seen := scanner.do(t, http.MethodGet, link)
		require.Equal(t, http.StatusOK, seen.status)
		require.Empty(t, seen.cookies, "looking signs nobody in")
	}
	require.Equal(t, "/sign-in?to=%2F", person.do(t, http.MethodGet, b.server.URL+"/").location)

	seen := person.do(t, http.MethodGet, link)
	require.Contains(t, seen.body, `<form method="post" action="`+strings.TrimPrefix(link, b.server.URL)+`"><button>Sign in</button></form>`)
	in := person.do(t, http.MethodPost, link)
	require.Equal(t, http.StatusSeeOther, in.status)
	require.Equal(t, "/", in.location)
	require.Len(t, in.cookies, 1)
	cookie := in.cookies[0]
	require.Equal(t, web.SessionCookie, cookie.Name)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.Equal(t, 12*60*60, cookie.MaxAge)
	require.False(t, cookie.Secure, "the public URL is http")
	home := person.do(t, http.MethodGet, b.server.URL+"/")
	require.Contains(t, home.body, "You are signed in to "+b.org.Name+" as the operator")

	again := scanner.do(t, http.MethodPost, link)
	require.Equal(t, http.StatusGone, again.status)
	require.Contains(t, again.body, "used already")
	require.Empty(t, again.cookies)

	// Over is over, whatever the cookie says.
	b.exec(t, `update sessions set expires_at = now() - interval '1 second'`)
	require.Equal(t, http.StatusSeeOther, person.do(t, http.MethodGet, b.server.URL+"/").status)
}

// A browser drops the redirect of a form to where the policy does not name: the
// link would be used up, and nothing seen to happen.
func TestSigningInLeadsElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const home = "http://temporal.example:8233"
	pages, err := web.New(b.store, b.service, web.Options{PublicURL: b.server.URL, AuthorizeURL: b.sim.URL + "/oauth/authorize", Home: home})
	require.NoError(t, err)
	engine := gin.New()
	pages.Register(engine)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)

	link := server.URL + strings.TrimPrefix(b.signInLink(t), b.server.URL)
	person := newBrowser(t)
	seen := person.do(t, http.MethodGet, link)
	require.Contains(t, seen.header.Get("Content-Security-Policy"), "form-action 'self' "+b.sim.URL+" "+home)
	require.Equal(t, home, person.do(t, http.MethodPost, link).location)
}

func TestSignInMisuse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := newBrowser(t)

	unknown := person.do(t, http.MethodPost, b.server.URL+"/session/made-up")
	require.Equal(t, http.StatusNotFound, unknown.status)
	require.Contains(t, unknown.body, "not known here")
	require.NotContains(t, unknown.body, "made-up")

	link := b.signInLink(t)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		refused := person.do(t, http.MethodPost, link, header...)
		require.Equal(t, http.StatusForbidden, refused.status, header)
		require.Empty(t, refused.cookies)
	}
	b.exec(t, `update sign_in_links set expires_at = now() - interval '1 second'`)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		late := person.do(t, method, link)
		require.Equal(t, http.StatusGone, late.status)
		require.Contains(t, late.body, "15 minutes")
	}
	fresh := person.do(t, http.MethodPost, b.signInLink(t), "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, fresh.status)
}

// The whole way of a person who connects, cookies included.
func TestConnect(t *testing.T) {
	t.Parallel()
	b := setup(t)
	link := b.connectLink(t)
	scanner, person := newBrowser(t), newBrowser(t)
	require.Equal(t, http.StatusOK, scanner.do(t, http.MethodGet, link).status)

	seen := person.do(t, http.MethodGet, link)
	require.Equal(t, http.StatusOK, seen.status)
	for _, text := range []string{
		"Super Admin", "App Marketplace Access", "“main”", "“Debrief for Acme”", "You do not have the correct role to grant these permissions. Please contact your administrator",
		"Only admins may install apps", "The account lacks a tool", "One permission is unticked", "decided afterwards, tool by tool",
	} {
		require.Contains(t, seen.body, text)
	}
	require.Equal(t, 9, strings.Count(seen.body, "<dt>"))
	for _, scope := range connections.Scopes() {
		require.Contains(t, seen.body, "<dt><code>"+scope.Name+"</code></dt>")
	}

	going := person.do(t, http.MethodPost, link)
	require.Equal(t, http.StatusSeeOther, going.status)
	require.True(t, strings.HasPrefix(going.location, b.sim.URL+"/oauth/authorize?"))
	require.Contains(t, going.header.Get("Content-Security-Policy"), "form-action 'self' "+b.sim.URL, "a browser follows the redirect only if the policy names it")
	require.Len(t, going.cookies, 1)
	require.True(t, going.cookies[0].HttpOnly)
	require.Equal(t, 7*24*60*60, going.cookies[0].MaxAge, "as long as any link works, which belongs to this browser now")

	back, err := b.sim.Consent(going.location, hubID, b.user.ID, true)
	require.NoError(t, err)
	stranger := newBrowser(t).do(t, http.MethodGet, back)
	require.Equal(t, http.StatusForbidden, stranger.status)
	require.Contains(t, stranger.body, "another browser")

	done := person.do(t, http.MethodGet, back)
	require.Equal(t, http.StatusOK, done.status)
	require.Contains(t, done.body, "Connected: HubSpot account 4711 (acme.example), as “main”")
	require.Contains(t, done.body, "everything is still off")
	require.Contains(t, done.body, "<summary>9 scopes</summary>")
	require.NotContains(t, done.body, "did not grant everything")

	reloaded := person.do(t, http.MethodGet, back)
	require.Equal(t, http.StatusGone, reloaded.status)
	require.Contains(t, reloaded.body, "used already")
	require.Equal(t, http.StatusGone, person.do(t, http.MethodGet, link).status)

	// A second time: recognized.
	link = b.connectLink(t)
	going = person.do(t, http.MethodPost, link)
	require.Empty(t, cookieValueChanged(t, person, b.server.URL, going))
	back, err = b.sim.Consent(going.location, hubID, b.user.ID, true)
	require.NoError(t, err)
	done = person.do(t, http.MethodGet, back)
	require.Contains(t, done.body, "connected already")
	require.Contains(t, done.body, "The permissions are as they were")
}

// cookieValueChanged returns the new value if the browser's token was replaced.
func cookieValueChanged(t *testing.T, b *browser, site string, a answer) string {
	t.Helper()
	u, err := url.Parse(site)
	require.NoError(t, err)
	for _, had := range b.Jar.Cookies(u) {
		for _, got := range a.cookies {
			if had.Name == got.Name && had.Value != got.Value {
				return got.Value
			}
		}
	}
	return ""
}

func TestTwoLinksSideBySide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := newBrowser(t)
	first := person.do(t, http.MethodPost, b.connectLink(t))
	second := person.do(t, http.MethodPost, b.connectLink(t))
	for _, going := range []answer{second, first} {
		back, err := b.sim.Consent(going.location, hubID, b.user.ID, true)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, person.do(t, http.MethodGet, back).status)
	}
}

func TestConnectMisuse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := newBrowser(t)

	unknown := person.do(t, http.MethodGet, b.server.URL+"/connect/made-up")
	require.Equal(t, http.StatusNotFound, unknown.status)
	require.Contains(t, unknown.body, "not known here")
	link := b.connectLink(t)
	require.Equal(t, http.StatusForbidden, person.do(t, http.MethodPost, link, "Sec-Fetch-Site", "cross-site").status)

	for _, query := range []string{"", "?state=made-up&code=x", "?error=access_denied", "?error=%3Cscript%3E&state=%3Cscript%3E"} {
		nothing := person.do(t, http.MethodGet, b.server.URL+connections.CallbackPath+query)
		require.Equal(t, http.StatusNotFound, nothing.status, query)
		require.NotContains(t, nothing.body, "<script>")
		require.NotContains(t, nothing.body, "made-up")
	}

	going := person.do(t, http.MethodPost, link)
	require.Equal(t, http.StatusForbidden, newBrowser(t).do(t, http.MethodPost, link).status, "the link is the first browser's")
	back, err := b.sim.Consent(going.location, hubID, b.user.ID, false)
	require.NoError(t, err)
	canceled := person.do(t, http.MethodGet, back)
	require.Equal(t, http.StatusBadRequest, canceled.status)
	require.Contains(t, canceled.body, "Nothing was changed")
	require.Equal(t, http.StatusSeeOther, person.do(t, http.MethodPost, link).status, "it may be tried again")

	b.exec(t, `update connection_attempts set expires_at = now() - interval '1 second'`)
	late := person.do(t, http.MethodGet, link)
	require.Equal(t, http.StatusGone, late.status)
	require.Contains(t, late.body, "expired")
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := newBrowser(t)
	for _, address := range []string{b.signInLink(t), b.connectLink(t), b.server.URL + connections.CallbackPath} {
		h := person.do(t, http.MethodGet, address).header
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
		require.NotContains(t, h.Get("Content-Security-Policy"), "script-src")
		require.Equal(t, "no-store", h.Get("Cache-Control"))
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	}
	page := person.do(t, http.MethodGet, b.signInLink(t)).body
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "style=")
	_, rest, found := strings.Cut(page, `<link rel="stylesheet" href="`)
	require.True(t, found)
	path, _, _ := strings.Cut(rest, `"`)
	css := person.do(t, http.MethodGet, b.server.URL+path)
	require.Equal(t, http.StatusOK, css.status)
	require.Equal(t, "text/css; charset=utf-8", css.header.Get("Content-Type"))
	require.Contains(t, css.body, "prefers-color-scheme: dark")
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []web.Options{{}, {PublicURL: "debrief.example"}, {PublicURL: "ftp://debrief.example"}, {PublicURL: "https://debrief.example", AuthorizeURL: "/oauth"}} {
		_, err := web.New(nil, nil, o)
		require.Error(t, err)
	}
}

// failing is a store that is away.
type failing struct{ web.Store }

var errAway = errors.New("dial tcp 10.0.0.1:5432: connect: refused")

func (failing) CheckSignInLink(context.Context, store.Secret) error { return errAway }
func (failing) SignIn(context.Context, store.Secret) (store.Secret, store.SignedIn, error) {
	return "", store.SignedIn{}, errAway
}

type succeeding struct{ web.Store }

func (succeeding) SignIn(context.Context, store.Secret) (store.Secret, store.SignedIn, error) {
	return "a-session", store.SignedIn{IsOperator: true}, nil
}

func TestOurOwnFailuresSayNothingOfTheirCause(t *testing.T) {
	t.Parallel()
	var told []error
	w, err := web.New(failing{}, nil, web.Options{PublicURL: "https://debrief.example", OnError: func(_ context.Context, _ string, err error) { told = append(told, err) }})
	require.NoError(t, err)
	engine := gin.New()
	w.Register(engine)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		out := httptest.NewRecorder()
		engine.ServeHTTP(out, httptest.NewRequest(method, "/session/x", nil))
		require.Equal(t, http.StatusServiceUnavailable, out.Code)
		require.NotContains(t, out.Body.String(), "10.0.0.1")
	}
	require.Len(t, told, 2)
}

func TestCookiesAreSecureBehindHTTPS(t *testing.T) {
	t.Parallel()
	w, err := web.New(succeeding{}, nil, web.Options{PublicURL: "https://debrief.example"})
	require.NoError(t, err)
	engine := gin.New()
	w.Register(engine)
	out := httptest.NewRecorder()
	engine.ServeHTTP(out, httptest.NewRequest(http.MethodPost, "/session/x", nil))
	require.Equal(t, http.StatusSeeOther, out.Code)
	require.True(t, out.Result().Cookies()[0].Secure)
}

// provider is HubSpot at the simulator's address.
func provider(url string) connections.Provider {
	p := connections.HubSpot()
	p.AuthorizeURL, p.BaseURL = url+"/oauth/authorize", url
	return p
}
