package web_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/web"
)

const clientID, clientSecret = "debrief-at-acme", "quince-client-secret"

// openIDProvider is an OpenID Connect provider that can be made to answer wrongly.
type openIDProvider struct {
	*httptest.Server

	t   *testing.T
	key *rsa.PrivateKey

	mu       sync.Mutex
	codes    map[string]issued
	userInfo map[string]any
	// authMethods, if set, are advertised; namesItself, too.
	authMethods []string
	namesItself bool
	asked       int
}

// issued is what a code stands for.
type issued struct {
	challenge string
	idToken   string
}

func newOpenIDProvider(t *testing.T) *openIDProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p := &openIDProvider{t: t, key: key, codes: map[string]issued{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked++
		says := map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "none", "HS256"}, "authorization_response_iss_parameter_supported": p.namesItself,
		}
		if p.authMethods != nil {
			says["token_endpoint_auth_methods_supported"] = p.authMethods
		}
		if p.userInfo != nil {
			says["userinfo_endpoint"] = p.URL + "/me"
		}
		answerJSON(w, says)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer an-access-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answerJSON(w, p.userInfo)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *openIDProvider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !known || id != clientID || secret != clientSecret || basic == (p.authMethods != nil) || encode(sum[:]) != code.challenge {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		answerJSON(w, map[string]any{"error": "invalid_grant", "error_description": "the code " + r.PostFormValue("code") + " is none"})
		return
	}
	out := map[string]any{"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 60}
	if code.idToken != "" {
		out["id_token"] = code.idToken
	}
	answerJSON(w, out)
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// sign makes a JWT.
func (p *openIDProvider) sign(alg string, key *rsa.PrivateKey, claims map[string]any) string {
	p.t.Helper()
	head, err := json.Marshal(map[string]any{"alg": alg, "kid": "1"})
	require.NoError(p.t, err)
	body, err := json.Marshal(claims)
	require.NoError(p.t, err)
	signed := encode(head) + "." + encode(body)
	switch alg {
	case "none":
		return signed + "."
	case "HS256":
		mac := hmac.New(sha256.New, []byte(clientSecret))
		mac.Write([]byte(signed))
		return signed + "." + encode(mac.Sum(nil))
	}
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(p.t, err)
	return signed + "." + encode(signature)
}

// honest are the claims about a user for a browser that came to that address.
func (p *openIDProvider) honest(address, sub, email string) map[string]any {
	q := query(p.t, address)
	return map[string]any{
		"iss": p.URL, "sub": sub, "aud": clientID, "nonce": q.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"email": email, "email_verified": true, "name": "Mara Lindqvist",
	}
}

// issue makes a code for an ID token, and returns where the browser goes with it.
func (p *openIDProvider) issue(address, idToken string) string {
	p.t.Helper()
	q := query(p.t, address)
	code := uuid.NewString()
	p.mu.Lock()
	p.codes[code] = issued{challenge: q.Get("code_challenge"), idToken: idToken}
	p.mu.Unlock()
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
}

// agree is what an honest provider does.
func (p *openIDProvider) agree(address, sub, email string) string {
	p.t.Helper()
	return p.issue(address, p.sign("RS256", p.key, p.honest(address, sub, email)))
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Query()
}

// provided is a bundle whose organization signs in at a provider.
func provided(t *testing.T) (*bundle, *openIDProvider) {
	t.Helper()
	b, p := setup(t), newOpenIDProvider(t)
	require.NoError(t, b.store.SetIdentityProvider(t.Context(), store.IdentityProvider{OrganizationID: b.org.ID, Issuer: p.URL, ClientID: clientID}, clientSecret, store.Operator))
	return b, p
}

// toProvider begins to sign in and returns the provider's address.
func (b *bundle) toProvider(t *testing.T, person *browser, fields ...string) string {
	t.Helper()
	going := person.post(t, b.server.URL+"/sign-in", fields...)
	require.Equal(t, http.StatusOK, going.status, going.body)
	address, found := strings.CutPrefix(going.header.Get("Refresh"), "0; url=")
	require.True(t, found)
	return address
}

func (b *bundle) signedIn(t *testing.T, person *browser) bool {
	t.Helper()
	return person.do(t, http.MethodGet, b.server.URL+"/overview").status == http.StatusOK
}

func (b *bundle) lastCause() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.causes) == 0 {
		return ""
	}
	return b.causes[len(b.causes)-1]
}

func TestSigningInByOpenIDConnect(t *testing.T) {
	t.Parallel()
	b, p := provided(t)
	person := newBrowser(t)

	seen := person.do(t, http.MethodGet, b.server.URL+"/people?show=all")
	require.Equal(t, "/sign-in?to=%2Fpeople%3Fshow%3Dall", seen.location)
	page := person.do(t, http.MethodGet, b.server.URL+seen.location)
	require.Contains(t, page.body, `value="/people?show=all"`)
	require.Contains(t, page.body, strings.TrimPrefix(p.URL, "http://"))
	require.Empty(t, page.cookies)
	require.Zero(t, p.asked, "looking asks nobody")

	address := b.toProvider(t, person, "to", "/people?show=all")
	q := query(t, address)
	require.True(t, strings.HasPrefix(address, p.URL+"/authorize?"))
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.Equal(t, b.server.URL+web.SignInCallbackPath, q.Get("redirect_uri"))
	require.Equal(t, clientID, q.Get("client_id"))
	require.Equal(t, "openid profile email", q.Get("scope"))
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		require.Len(t, q.Get(name), 43, name)
	}
	require.NotContains(t, address, clientSecret)
	again := query(t, b.toProvider(t, person))
	require.NotEqual(t, q.Get("state"), again.Get("state"))
	require.NotEqual(t, q.Get("nonce"), again.Get("nonce"))
	require.NotEqual(t, q.Get("code_challenge"), again.Get("code_challenge"))

	// Somebody put a session into the browser beforehand: it is not theirs after.
	planted := newBrowser(t).do(t, http.MethodPost, b.signInLink(t)).cookies[0].Value
	site, err := url.Parse(b.server.URL)
	require.NoError(t, err)
	person.Jar.SetCookies(site, []*http.Cookie{{Name: web.SessionCookie, Value: planted, Path: "/"}})

	in := person.do(t, http.MethodGet, p.agree(address, "sub-1", "Mara@acme.example"))
	require.Equal(t, http.StatusSeeOther, in.status, in.body)
	require.Equal(t, "/people?show=all", in.location)
	require.Equal(t, web.SessionCookie, in.cookies[0].Name)
	require.NotEqual(t, planted, in.cookies[0].Value)
	require.True(t, in.cookies[0].HttpOnly)
	_, err = b.store.Session(t.Context(), store.Secret(planted))
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Equal(t, "/inbox", person.do(t, http.MethodGet, b.server.URL+"/").location)
	home := person.do(t, http.MethodGet, b.server.URL+"/overview")
	require.Contains(t, home.body, "You are signed in to "+b.org.Name+" as member")
	require.Contains(t, home.body, "Mara Lindqvist")
	require.NotContains(t, home.body, "Temporal")
	require.Equal(t, "/", person.do(t, http.MethodGet, b.server.URL+"/sign-in").location, "no need to")
	require.False(t, b.web.IsOperator(&http.Request{Header: http.Header{"Cookie": {web.SessionCookie + "=" + in.cookies[0].Value}}}))

	// Out, from our own page only.
	require.Equal(t, http.StatusForbidden, person.do(t, http.MethodPost, b.server.URL+"/sign-out", "Sec-Fetch-Site", "cross-site").status)
	require.True(t, b.signedIn(t, person))
	require.Equal(t, "/sign-in", person.post(t, b.server.URL+"/sign-out").location)
	require.False(t, b.signedIn(t, person))
	_, err = b.store.Session(t.Context(), store.Secret(in.cookies[0].Value))
	require.ErrorIs(t, err, store.ErrNotFound, "the session has ended, not only the cookie")
	require.Equal(t, "/sign-in", person.post(t, b.server.URL+"/sign-out").location)

	require.NotContains(t, b.lastCause(), clientSecret)
}

// What a provider, or somebody between, may get wrong or try. None of it signs in.
func TestSignInsThatDontCount(t *testing.T) {
	t.Parallel()
	b, p := provided(t)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	with := func(change map[string]any) func(string) string {
		return func(address string) string {
			claims := p.honest(address, "sub-1", "mara@acme.example")
			maps.Copy(claims, change)
			return p.issue(address, p.sign("RS256", p.key, claims))
		}
	}
	signed := func(alg string, key *rsa.PrivateKey) func(string) string {
		return func(address string) string {
			return p.issue(address, p.sign(alg, key, p.honest(address, "sub-1", "mara@acme.example")))
		}
	}
	plus := func(address, more string) string { return p.agree(address, "sub-1", "mara@acme.example") + more }
	for name, c := range map[string]struct {
		back   func(address string) string
		status int
		cause  string
	}{
		"wrong nonce":         {with(map[string]any{"nonce": "another"}), 502, "nonce"},
		"no nonce":            {with(map[string]any{"nonce": nil}), 502, "nonce"},
		"wrong audience":      {with(map[string]any{"aud": "another"}), 502, "audience"},
		"for several":         {with(map[string]any{"aud": []string{clientID, "another"}}), 502, "several"},
		"another's, for us":   {with(map[string]any{"aud": []string{clientID, "another"}, "azp": "another"}), 502, "several"},
		"expired":             {with(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), 502, "expired"},
		"wrong issuer":        {with(map[string]any{"iss": "https://evil.example"}), 502, "issue"},
		"alg none":            {signed("none", nil), 502, "verifying"},
		"alg HS256":           {signed("HS256", nil), 502, "verifying"},
		"a foreign key":       {signed("RS256", foreign), 502, "verifying"},
		"no ID token":         {func(a string) string { return p.issue(a, "") }, 502, "verifying"},
		"email not verified":  {with(map[string]any{"email_verified": false}), 403, ""},
		"nor as text":         {with(map[string]any{"email_verified": "false"}), 403, ""},
		"no e-mail address":   {with(map[string]any{"email": nil, "email_verified": nil}), 403, ""},
		"another domain":      {with(map[string]any{"email": "eve@other.example"}), 403, ""},
		"another code":        {func(a string) string { return strings.Replace(plus(a, ""), "code=", "code=x", 1) }, 502, "exchanging"},
		"no code":             {func(a string) string { return query(t, a).Get("redirect_uri") + "?state=" + query(t, a).Get("state") }, 502, "exchanging"},
		"another provider's":  {func(a string) string { return plus(a, "&iss=https%3A%2F%2Fevil.example") }, 502, "iss"},
		"the provider's no":   {func(a string) string { return plus(a, "&error=access_denied&error_description=%3Cscript%3E") }, 502, "error"},
		"another one's state": {func(a string) string { return strings.Replace(plus(a, ""), "state=", "state=x", 1) }, 404, ""},
		// A code that was made for another browser's sign-in: PKCE.
		"an injected code": {func(a string) string {
			stolen := query(t, p.agree(b.toProvider(t, newBrowser(t)), "sub-9", "victim@acme.example")).Get("code")
			return query(t, a).Get("redirect_uri") + "?" + url.Values{"code": {stolen}, "state": {query(t, a).Get("state")}}.Encode()
		}, 502, "exchanging"},
	} {
		person := newBrowser(t)
		address := b.toProvider(t, person, "to", "/people")
		back := c.back(address)
		out := person.do(t, http.MethodGet, back)
		require.Equal(t, c.status, out.status, "%s: %s", name, out.body)
		require.Contains(t, out.body, "You were not signed in", name)
		require.Contains(t, out.body, `<a href="/sign-in">Begin again</a>`)
		require.NotContains(t, out.body, "<script", name)
		require.Empty(t, out.cookies, name)
		require.False(t, b.signedIn(t, person), name)
		if c.cause != "" {
			require.Contains(t, b.lastCause(), c.cause, name)
			if code := query(t, back).Get("code"); code != "" {
				require.NotContains(t, b.lastCause(), code, "%s: the code is in the log", name)
			}
		}
		if c.status != http.StatusNotFound {
			require.Equal(t, http.StatusGone, person.do(t, http.MethodGet, p.agree(address, "sub-1", "mara@acme.example")).status, "%s: the state is used up", name)
		}
	}
	people, err := b.store.People(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Empty(t, people)
}

func TestOneSignInOneBrowser(t *testing.T) {
	t.Parallel()
	b, p := provided(t)
	person, stranger := newBrowser(t), newBrowser(t)
	address := b.toProvider(t, person)
	back := p.agree(address, "sub-1", "mara@acme.example")

	// Somebody who is lured to another one's answer is not signed in as them.
	require.Equal(t, http.StatusForbidden, stranger.do(t, http.MethodGet, back).status)
	b.toProvider(t, stranger)
	lured := stranger.do(t, http.MethodGet, back)
	require.Equal(t, http.StatusForbidden, lured.status)
	require.Contains(t, lured.body, "another browser")
	require.False(t, b.signedIn(t, stranger))

	require.Equal(t, http.StatusSeeOther, person.do(t, http.MethodGet, back).status)
	reused := person.do(t, http.MethodGet, back)
	require.Equal(t, http.StatusGone, reused.status)
	require.Contains(t, reused.body, "finished already")

	late := b.toProvider(t, stranger)
	b.exec(t, `update sign_in_attempts set expires_at = now() - interval '1 second' where used_at is null`)
	out := stranger.do(t, http.MethodGet, p.agree(late, "sub-2", "eve@acme.example"))
	require.Equal(t, http.StatusGone, out.status)
	require.Contains(t, out.body, "ten minutes")
}

// After signing in a browser stays on our site, whatever the request said.
func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	b, p := provided(t)
	for _, evil := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/\t/evil.example", "/%09/evil.example/..//evil.example", "///evil.example",
		"javascript:alert(1)", "evil.example", " /people", "/people\nX: y", "/..//evil.example", "/%5cevil.example", "/%2f/evil.example", "", "/" + strings.Repeat("x", 2000),
	} {
		person := newBrowser(t)
		page := person.do(t, http.MethodGet, b.server.URL+"/sign-in?to="+url.QueryEscape(evil))
		require.Contains(t, page.body, `name="to" value="/"`, evil)
		in := person.do(t, http.MethodGet, p.agree(b.toProvider(t, person, "to", evil), "sub-1", "mara@acme.example"))
		require.Equal(t, "/", in.location, evil)
		require.Equal(t, "/", person.do(t, http.MethodGet, b.server.URL+"/sign-in?to="+url.QueryEscape(evil)).location, evil)
	}
}

// With several providers the address says which one, and nothing says who is here.
func TestTheAddressNamesTheOrganization(t *testing.T) {
	t.Parallel()
	b, p := provided(t)
	second := newOpenIDProvider(t)
	other, err := b.store.CreateOrganization(t.Context(), "bolt", []string{"bolt.example"}, store.Settings{}, store.Operator)
	require.NoError(t, err)
	_, err = b.store.CreateOrganization(t.Context(), "without", []string{"without.example"}, store.Settings{}, store.Operator)
	require.NoError(t, err)
	require.NoError(t, b.store.SetIdentityProvider(t.Context(), store.IdentityProvider{OrganizationID: other.ID, Issuer: second.URL, ClientID: clientID}, clientSecret, store.Operator))

	person := newBrowser(t)
	page := person.do(t, http.MethodGet, b.server.URL+"/sign-in")
	require.Contains(t, page.body, `name="email"`)
	for _, secret := range []string{"127.0.0.1:" + strings.Split(p.URL, ":")[2], "127.0.0.1:" + strings.Split(second.URL, ":")[2], "bolt", b.org.Name} {
		require.NotContains(t, page.body+page.header.Get("Content-Security-Policy"), secret)
	}
	require.True(t, strings.HasPrefix(b.toProvider(t, person, "email", "x@BOLT.example"), second.URL))
	require.True(t, strings.HasPrefix(b.toProvider(t, person, "email", " x@acme.example"), p.URL))

	same := func(email string) string {
		out := person.post(t, b.server.URL+"/sign-in", "email", email)
		require.Equal(t, http.StatusUnprocessableEntity, out.status)
		require.Empty(t, out.cookies)
		return strings.ReplaceAll(out.body, `value="`+email+`"`, "")
	}
	require.Equal(t, same("x@nowhere.example"), same("x@without.example"), "an organization without a provider is none")
	require.Equal(t, same("x@nowhere.example"), same("nonsense"))

	// Whoever the one provider vouches for is nobody at the other organization.
	in := person.do(t, http.MethodGet, second.agree(b.toProvider(t, person, "email", "x@bolt.example"), "sub-1", "mara@acme.example"))
	require.Equal(t, http.StatusForbidden, in.status)
	require.Contains(t, in.body, "not in a domain of this organization")
	// An answer to the one is no answer to the other.
	address := b.toProvider(t, person, "email", "x@bolt.example")
	mixed := person.do(t, http.MethodGet, p.agree(address, "sub-1", "x@bolt.example"))
	require.Equal(t, http.StatusBadGateway, mixed.status)
	require.False(t, b.signedIn(t, person))
}

func TestWithoutAProvider(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := newBrowser(t)
	page := person.do(t, http.MethodGet, b.server.URL+"/sign-in")
	require.Contains(t, page.body, "debrief identity-provider set")
	require.Equal(t, http.StatusUnprocessableEntity, person.post(t, b.server.URL+"/sign-in", "email", "x@acme.example").status)
	require.Equal(t, http.StatusNotFound, person.do(t, http.MethodGet, b.server.URL+web.SignInCallbackPath+"?state=x&code=y").status)
	require.Equal(t, http.StatusForbidden, person.do(t, http.MethodPost, b.server.URL+"/sign-in", "Sec-Fetch-Site", "cross-site").status)
}

// What honest providers do differently.
func TestProvidersDiffer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(p *openIDProvider, claims map[string]any){
		"secret in the form":           func(p *openIDProvider, _ map[string]any) { p.authMethods = []string{"client_secret_post"} },
		"says nothing of verification": func(_ *openIDProvider, claims map[string]any) { delete(claims, "email_verified") },
		"verified as text":             func(_ *openIDProvider, claims map[string]any) { claims["email_verified"] = "true" },
		"several audiences, ours": func(_ *openIDProvider, claims map[string]any) {
			claims["aud"], claims["azp"] = []string{"x", clientID}, clientID
		},
		"the address at the user's information": func(p *openIDProvider, claims map[string]any) {
			delete(claims, "email")
			p.userInfo = map[string]any{"sub": "sub-1", "email": "mara@acme.example", "email_verified": true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := provided(t)
			change(p, map[string]any{})
			person := newBrowser(t)
			address := b.toProvider(t, person)
			claims := p.honest(address, "sub-1", "mara@acme.example")
			change(p, claims)
			in := person.do(t, http.MethodGet, p.issue(address, p.sign("RS256", p.key, claims)))
			require.Equal(t, http.StatusSeeOther, in.status, in.body)
			found, err := b.store.PersonByEmail(t.Context(), b.org.ID, "mara@acme.example")
			require.NoError(t, err)
			require.Equal(t, []string{p.URL + "|sub-1"}, found.Values(store.IdentitySignIn))
		})
	}
	for name, info := range map[string]map[string]any{
		"of another":   {"sub": "sub-2", "email": "victim@acme.example"},
		"not verified": {"sub": "sub-1", "email": "victim@acme.example", "email_verified": false},
	} {
		t.Run("information "+name, func(t *testing.T) {
			t.Parallel()
			b, p := provided(t)
			p.userInfo = info
			person := newBrowser(t)
			address := b.toProvider(t, person)
			claims := p.honest(address, "sub-1", "")
			require.GreaterOrEqual(t, person.do(t, http.MethodGet, p.issue(address, p.sign("RS256", p.key, claims))).status, 400)
			require.False(t, b.signedIn(t, person))
		})
	}
	t.Run("names itself", func(t *testing.T) {
		t.Parallel()
		b, p := provided(t)
		p.namesItself = true
		person := newBrowser(t)
		require.Equal(t, http.StatusBadGateway, person.do(t, http.MethodGet, p.agree(b.toProvider(t, person), "sub-1", "mara@acme.example")).status, "and has to")
		in := person.do(t, http.MethodGet, p.agree(b.toProvider(t, person), "sub-1", "mara@acme.example")+"&iss="+url.QueryEscape(p.URL))
		require.Equal(t, http.StatusSeeOther, in.status)
	})
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		b, p := provided(t)
		p.Close()
		out := newBrowser(t).post(t, b.server.URL+"/sign-in")
		require.Equal(t, http.StatusBadGateway, out.status)
		require.NotContains(t, out.body, "refused")
		require.Empty(t, out.cookies)
	})
}

// Leaving, and what a role may, count at once.
func TestASessionFollowsThePerson(t *testing.T) {
	t.Parallel()
	b, p := provided(t)
	_, err := b.store.AddPerson(t.Context(), store.Person{OrganizationID: b.org.ID, Role: store.RoleAdmin, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "ada@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	person := newBrowser(t)
	require.Equal(t, http.StatusSeeOther, person.do(t, http.MethodGet, p.agree(b.toProvider(t, person), "sub-1", "mara@acme.example")).status)
	mara, err := b.store.PersonByEmail(t.Context(), b.org.ID, "mara@acme.example")
	require.NoError(t, err)

	viewer := store.RoleViewer
	require.Equal(t, http.StatusOK, person.do(t, http.MethodGet, b.server.URL+"/people/"+mara.ID.String()).status)
	require.NoError(t, b.store.UpdatePerson(t.Context(), b.org.ID, mara.ID, store.PersonChange{Role: &viewer}, store.Operator))
	require.Equal(t, http.StatusForbidden, person.do(t, http.MethodGet, b.server.URL+"/people/"+mara.ID.String()).status)
	_, err = b.store.DeactivatePerson(t.Context(), b.org.ID, mara.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.False(t, b.signedIn(t, person))
	require.Equal(t, http.StatusUnauthorized, person.post(t, b.server.URL+"/people").status)
	out := person.do(t, http.MethodGet, p.agree(b.toProvider(t, person), "sub-1", "mara@acme.example"))
	require.Equal(t, http.StatusForbidden, out.status)
	require.Contains(t, out.body, "You are deactivated here")
	require.Equal(t, store.RoleViewer, mustPerson(t, b, mara.ID).Role)
}

func mustPerson(t *testing.T, b *bundle, id uuid.UUID) store.Person {
	t.Helper()
	p, err := b.store.Person(t.Context(), b.org.ID, id)
	require.NoError(t, err)
	return p
}

// The operator chooses between organizations; nobody else can.
func TestTheOperatorChoosesAnOrganization(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := storetest.Organization(t, b.store)
	operator := newBrowser(t)
	operator.do(t, http.MethodPost, b.signInLink(t))
	require.Equal(t, "/organization?to=%2Fpeople", operator.do(t, http.MethodGet, b.server.URL+"/people").location)
	require.Equal(t, http.StatusConflict, operator.post(t, b.server.URL+"/people", "email", "x@acme.example").status)
	page := operator.do(t, http.MethodGet, b.server.URL+"/organization?to=%2Fpeople")
	require.Contains(t, page.body, b.org.Name)
	require.Contains(t, page.body, other.Name)
	require.Equal(t, http.StatusNotFound, operator.post(t, b.server.URL+"/organization", "organization", "x").status)
	require.Equal(t, "/", operator.post(t, b.server.URL+"/organization", "organization", other.ID.String(), "to", "//evil.example").location)
	chosen := operator.post(t, b.server.URL+"/organization", "organization", other.ID.String(), "to", "/people")
	require.Equal(t, "/people", chosen.location)
	require.Contains(t, operator.do(t, http.MethodGet, b.server.URL+"/").body, "You are signed in to "+other.Name)

	person := b.as(t, "mara@acme.example", store.RoleAdmin)
	require.Equal(t, "/", person.do(t, http.MethodGet, b.server.URL+"/organization").location)
	require.Equal(t, http.StatusNotFound, person.post(t, b.server.URL+"/organization", "organization", other.ID.String()).status)
	require.Contains(t, person.do(t, http.MethodGet, b.server.URL+"/overview").body, "You are signed in to "+b.org.Name)
}

// as is a browser that a new person of the organization is signed in with, by a
// link.
func (b *bundle) as(t *testing.T, email string, role store.Role) *browser {
	t.Helper()
	p, err := b.store.AddPerson(t.Context(), store.Person{
		OrganizationID: b.org.ID, Role: role, Name: "Ms " + email, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: email}},
	}, store.Operator)
	require.NoError(t, err)
	token, err := b.store.CreateSignInLink(t.Context(), store.SignedIn{OrganizationID: &b.org.ID, PersonID: &p.ID})
	require.NoError(t, err)
	person := newBrowser(t)
	require.Equal(t, "/", person.do(t, http.MethodPost, b.server.URL+"/session/"+token.Reveal()).location)
	return person
}
