package hubspottest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// accessTokenLife is HubSpot's.
	accessTokenLife = 30 * time.Minute
	// codeLife is ours: HubSpot says only that it is short.
	codeLife = 10 * time.Minute
)

type grant struct {
	ClientID string   `json:"clientId"`
	HubID    int64    `json:"hubId"`
	UserID   int64    `json:"userId"`
	Scopes   []string `json:"scopes"`
}

type authCode struct {
	grant
	RedirectURI string `json:"redirectUri"`
	// Challenge is of PKCE (RFC 7636), if the app sent one.
	Challenge       string    `json:"challenge,omitempty"`
	ChallengeMethod string    `json:"challengeMethod,omitempty"`
	ExpiresAt       time.Time `json:"expiresAt"`
}

type refreshToken struct {
	grant
	Token string `json:"token"`
	// Dead: revoked, rotated away or uninstalled.
	Dead bool `json:"dead,omitempty"`
	// Before is the token that this one's first use ends; see App.RotateLeniently.
	Before string `json:"before,omitempty"`
}

type accessToken struct {
	grant
	ExpiresAt time.Time `json:"expiresAt"`
	// Uninstalled ends a token at once; a revoked refresh token does not.
	Uninstalled bool `json:"uninstalled,omitempty"`
}

func (s *Server) addOAuthRoutes() {
	at := "/oauth/" + APIVersion + "/token"
	s.handle("POST "+at, route{public: true, fn: token})
	s.handle("POST "+at+"/introspect", route{public: true, fn: introspect})
	s.handle("POST "+at+"/revoke", route{public: true, fn: revoke})
	s.handle("GET /oauth/v1/access-tokens/{token}", route{public: true, fn: legacyAccessToken})
	s.handle("GET /oauth/v1/refresh-tokens/{token}", route{public: true, fn: legacyRefreshToken})
	s.handle("DELETE /oauth/v1/refresh-tokens/{token}", route{public: true, fn: legacyRevoke})
	s.handle("DELETE /appinstalls/"+APIVersion+"/external-install", route{bucket: burstBucket, scopes: func(*request) []string { return []string{"oauth"} }, fn: uninstall})
}

func oauthProblem(status, code, message string) reply {
	return reply{status: http.StatusBadRequest, body: map[string]any{
		"error": code, "error_description": message, "status": status, "message": message,
	}}
}

// form reads the parameters, which count only in a form body.
func (q *request) form() (url.Values, bool) {
	mediaType, _, _ := strings.Cut(q.header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded") {
		return nil, false
	}
	values, err := url.ParseQuery(string(q.body))
	return values, err == nil
}

// client checks the app's credentials.
func (q *request) client() (url.Values, *App, *reply) {
	form, ok := q.form()
	if !ok {
		out := problem(http.StatusUnsupportedMediaType, "VALIDATION_ERROR", "The request must be application/x-www-form-urlencoded.")
		return nil, nil, &out
	}
	app := q.s.st.Apps[form.Get("client_id")]
	if app == nil {
		out := oauthProblem("BAD_CLIENT_ID", "invalid_client", "missing or invalid client id")
		return nil, nil, &out
	}
	if form.Get("client_secret") != app.ClientSecret {
		out := oauthProblem("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
		return nil, nil, &out
	}
	return form, app, nil
}

func token(q *request) reply {
	form, app, refused := q.client()
	if refused != nil {
		return *refused
	}
	st := q.s.st
	switch form.Get("grant_type") {
	case "authorization_code":
		code := st.Codes[form.Get("code")]
		// A code is spent by its first use, a failed one included.
		delete(st.Codes, form.Get("code"))
		if code == nil || code.ClientID != app.ClientID || q.now.After(code.ExpiresAt) {
			return oauthProblem("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code")
		}
		if code.RedirectURI != form.Get("redirect_uri") {
			return oauthProblem("BAD_REDIRECT_URI", "invalid_grant", "missing or invalid redirect uri")
		}
		if st.Portals[code.HubID] == nil {
			return oauthProblem("BAD_HUB", "access_denied", "missing or unknown hub id")
		}
		if code.Challenge != "" && !code.verified(form.Get("code_verifier")) {
			return oauthProblem("BAD_CODE_VERIFIER", "invalid_grant", "missing or invalid code verifier")
		}
		return q.issue(q.s.newGrant(code.grant))
	case "refresh_token":
		r := st.Refresh[form.Get("refresh_token")]
		if r == nil || r.Dead || r.ClientID != app.ClientID {
			return oauthProblem("BAD_REFRESH_TOKEN", "invalid_grant", "refresh token is invalid, expired or revoked")
		}
		if st.Portals[r.HubID] == nil {
			return oauthProblem("BAD_HUB", "access_denied", "missing or unknown hub id")
		}
		if before := st.Refresh[r.Before]; before != nil {
			before.Dead = true
		}
		if app.RotateRefreshTokens || app.RotateLeniently {
			r.Dead = app.RotateRefreshTokens
			r = &refreshToken{grant: r.grant, Token: "na1-" + newUUID(), Before: r.Token}
			st.Refresh[r.Token] = r
		}
		return q.issue(r)
	}
	if form.Get("grant_type") == "client_credentials" {
		return q.issueToApp(app, strings.Fields(form.Get("scope")))
	}
	return oauthProblem("BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type")
}

// verified compares a PKCE verifier with the challenge of the consent.
func (c *authCode) verified(verifier string) bool {
	if c.ChallengeMethod == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return verifier == c.Challenge
}

// newGrant keeps a new refresh token; the first of an app in an account is its
// installation.
func (s *Server) newGrant(g grant) *refreshToken {
	r := &refreshToken{grant: g, Token: "na1-" + newUUID()}
	s.st.Refresh[r.Token] = r
	if key := installKey(g.HubID, g.ClientID); !s.st.Installs[key] {
		s.st.Installs[key] = true
		s.lifecycle(g.ClientID, g.HubID, "APP_INSTALL")
	}
	return r
}

// installKey is text, since it is a key of saved JSON.
func installKey(hubID int64, clientID string) string {
	return strconv.FormatInt(hubID, 10) + "/" + clientID
}

// appScopes are those that a token of the app's own may carry.
var appScopes = []string{
	"developer.webhooks_journal.read", "developer.webhooks_journal.subscriptions.read", "developer.webhooks_journal.subscriptions.write",
	"developer.webhooks_journal.snapshots.read", "developer.webhooks_journal.snapshots.write",
}

// issueToApp answers client_credentials: a token of no account, without a
// refresh token.
func (q *request) issueToApp(app *App, scopes []string) reply {
	for _, scope := range scopes {
		if !slices.Contains(appScopes, scope) && !slices.Contains(app.RequiredScopes, scope) && !slices.Contains(app.OptionalScopes, scope) {
			return oauthProblem("BAD_SCOPES", "invalid_scope", "missing or unknown scopes: "+scope)
		}
	}
	if len(scopes) == 0 {
		return oauthProblem("BAD_SCOPES", "invalid_scope", "missing or unknown scopes")
	}
	access := q.keepAccess(grant{ClientID: app.ClientID, Scopes: scopes})
	return reply{status: http.StatusOK, body: map[string]any{
		"token_type": "bearer", "token_use": "access_token", "access_token": access, "expires_in": int(accessTokenLife.Seconds()), "scopes": scopes,
	}}
}

// keepAccess makes an access token. Those long expired are cleared away when
// their number has doubled, so that no single call pays for all.
func (q *request) keepAccess(g grant) string {
	st := q.s.st
	if len(st.Access) > 2*q.s.tokensAtPrune+100 {
		maps.DeleteFunc(st.Access, func(_ string, t *accessToken) bool { return q.now.After(t.ExpiresAt.Add(24 * time.Hour)) })
		q.s.tokensAtPrune = len(st.Access)
	}
	access := "CMh" + randomHex(60)
	st.Access[access] = &accessToken{grant: g, ExpiresAt: q.now.Add(accessTokenLife)}
	return access
}

func (q *request) issue(r *refreshToken) reply {
	access := q.keepAccess(r.grant)
	return reply{status: http.StatusOK, body: map[string]any{
		"token_type": "bearer", "token_use": "access_token", "access_token": access, "refresh_token": r.Token,
		"expires_in": int(accessTokenLife.Seconds()), "hub_id": r.HubID, "user_id": r.UserID, "scopes": r.Scopes,
	}}
}

func (q *request) describe(g grant) map[string]any {
	out := map[string]any{
		"active": true, "hub_id": g.HubID, "user_id": g.UserID, "client_id": g.ClientID,
		"scopes": g.Scopes, "token_type": "Bearer",
	}
	if app := q.s.st.Apps[g.ClientID]; app != nil {
		out["app_id"] = app.AppID
	}
	if p := q.s.st.Portals[g.HubID]; p != nil {
		out["hub_domain"] = p.Domain
		if u := p.Users[g.UserID]; u != nil {
			out["user"] = u.Email
		}
	}
	return out
}

func introspect(q *request) reply {
	form, app, refused := q.client()
	if refused != nil {
		return *refused
	}
	inactive := reply{status: http.StatusOK, body: map[string]any{"active": false}}
	// The reference says "token", the guide names the token's kind.
	text := cmp.Or(form.Get("token"), form.Get("access_token"), form.Get("refresh_token"))
	if a := q.s.st.Access[text]; a != nil {
		if a.ClientID != app.ClientID || a.Uninstalled || !q.now.Before(a.ExpiresAt) {
			return inactive
		}
		out := q.describe(a.grant)
		out["token"], out["token_use"], out["is_private_distribution"] = text, "access_token", app.PrivateDistribution
		out["expires_in"] = int(a.ExpiresAt.Sub(q.now).Seconds())
		out["signed_access_token"] = map[string]any{
			"expiresAt": a.ExpiresAt.UnixMilli(), "scopes": "", "hubId": a.HubID, "userId": a.UserID,
			"appId": app.AppID, "signature": "", "newSignature": "", "scopeToScopeGroupPks": "", "trialScopes": "", "trialScopeToScopeGroupPks": "",
			"hublet": "na1", "isUserLevel": app.UserLevel, "isPrivateDistribution": app.PrivateDistribution,
		}
		return reply{status: http.StatusOK, body: out}
	}
	if r := q.s.st.Refresh[text]; r != nil && !r.Dead && r.ClientID == app.ClientID {
		out := q.describe(r.grant)
		out["token"], out["token_use"] = text, "refresh_token"
		return reply{status: http.StatusOK, body: out}
	}
	return inactive
}

func revoke(q *request) reply {
	form, app, refused := q.client()
	if refused != nil {
		return *refused
	}
	if r := q.s.st.Refresh[form.Get("token")]; r != nil && r.ClientID == app.ClientID {
		r.Dead = true
	}
	return reply{status: http.StatusOK, body: map[string]any{}}
}

func legacyAccessToken(q *request) reply {
	a := q.s.st.Access[q.vars["token"]]
	if a == nil || a.Uninstalled || !q.now.Before(a.ExpiresAt) {
		return problem(http.StatusNotFound, "OBJECT_NOT_FOUND", "access token is invalid, expired or revoked")
	}
	out := q.describe(a.grant)
	delete(out, "active")
	out["token"], out["token_type"], out["expires_in"] = q.vars["token"], "access", int(a.ExpiresAt.Sub(q.now).Seconds())
	return reply{status: http.StatusOK, body: out}
}

func legacyRefreshToken(q *request) reply {
	r := q.s.st.Refresh[q.vars["token"]]
	if r == nil || r.Dead {
		return oauthProblem("BAD_REFRESH_TOKEN", "invalid_grant", "refresh token is invalid, expired or revoked")
	}
	out := q.describe(r.grant)
	delete(out, "active")
	out["token"], out["token_type"] = r.Token, "refresh"
	return reply{status: http.StatusOK, body: out}
}

func legacyRevoke(q *request) reply {
	if r := q.s.st.Refresh[q.vars["token"]]; r != nil {
		r.Dead = true
	}
	return reply{status: http.StatusNoContent}
}

func uninstall(q *request) reply {
	q.s.uninstall(q.portal.HubID, q.app.ClientID)
	return reply{status: http.StatusNoContent}
}

func (s *Server) uninstall(hubID int64, clientID string) {
	if key := installKey(hubID, clientID); s.st.Installs[key] {
		delete(s.st.Installs, key)
		s.lifecycle(clientID, hubID, "APP_UNINSTALL")
		// Not documented; who connects again has to subscribe again.
		s.st.Journal[clientID] = slices.DeleteFunc(s.st.Journal[clientID], func(sub *journalSubscription) bool { return sub.PortalID == hubID })
	}
	for _, r := range s.st.Refresh {
		if r.HubID == hubID && r.ClientID == clientID {
			r.Dead = true
		}
	}
	for _, a := range s.st.Access {
		if a.HubID == hubID && a.ClientID == clientID {
			a.Uninstalled = true
		}
	}
}

// Uninstall removes an app from an account, as its admin would: refresh tokens
// and access tokens end.
func (s *Server) Uninstall(hubID int64, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uninstall(hubID, clientID)
}

// RevokeGrants ends the refresh tokens of an app in an account; access tokens
// go on until they expire, as at HubSpot.
func (s *Server) RevokeGrants(hubID int64, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.st.Refresh {
		if r.HubID == hubID && r.ClientID == clientID {
			r.Dead = true
		}
	}
}

// Token gives an access token and a refresh token without the consent page,
// with these scopes or, if there are none, all of the app's.
func (s *Server) Token(clientID string, hubID, userID int64, scopes ...string) (access, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.st.Apps[clientID]
	if app == nil {
		panic("hubspottest: there is no app " + clientID)
	}
	s.mustPortal(hubID)
	if len(scopes) == 0 {
		scopes = slices.Concat(app.RequiredScopes, app.OptionalScopes)
	}
	r := s.newGrant(grant{clientID, hubID, userID, scopes})
	q := &request{s: s, now: s.now()}
	body := q.issue(r).body.(map[string]any)
	return body["access_token"].(string), r.Token
}

func bearer(h http.Header) string {
	text, ok := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return strings.TrimSpace(text)
}

// authenticate finds out who calls. A call that a fault committed late was let
// in at its arrival: q.now is that time.
func (q *request) authenticate() *reply {
	text := bearer(q.header)
	if text == "" {
		out := problem(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
		return &out
	}
	t := q.s.st.Access[text]
	if t != nil && t.Uninstalled {
		out := problem(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
		return &out
	}
	// A token that cannot be read counts as expired in 1970.
	expired := time.UnixMilli(0).UTC()
	if t != nil {
		expired = t.ExpiresAt
	}
	if !q.now.Before(expired) {
		ago := q.now.Sub(expired)
		since := strconv.Itoa(int(ago.Seconds())) + " second(s)"
		if ago > 48*time.Hour {
			since = strconv.Itoa(int(ago.Hours()/24)) + " day(s)"
		}
		out := problem(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION",
			"The OAuth token used to make this call expired "+since+" ago.",
			"context", map[string]any{"expire time": []string{expired.Format("2006-01-02T15:04:05.000Z")}})
		return &out
	}
	q.token, q.app, q.portal = t, q.s.st.Apps[t.ClientID], q.s.st.Portals[t.HubID]
	if q.app == nil || q.portal == nil {
		// The app or the account is gone, or the token is the app's own.
		out := problem(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
		return &out
	}
	return nil
}

// authenticateApp takes the app's own tokens alone.
func (q *request) authenticateApp() *reply {
	t := q.s.st.Access[bearer(q.header)]
	if t == nil || t.HubID != 0 || !q.now.Before(t.ExpiresAt) || q.s.st.Apps[t.ClientID] == nil {
		out := problem(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
		return &out
	}
	q.token, q.app = t, q.s.st.Apps[t.ClientID]
	if q.route.scopes != nil {
		if needed := q.route.scopes(q); !slices.ContainsFunc(needed, func(one string) bool { return slices.Contains(t.Scopes, one) }) {
			out := missingScopes(needed)
			return &out
		}
	}
	return nil
}

// user is who a user-level app acts for; nil for an account-level one.
func (q *request) user() *User {
	if q.app == nil || !q.app.UserLevel {
		return nil
	}
	return q.portal.Users[q.token.UserID]
}

func (q *request) allows(scope string) bool {
	if !slices.Contains(q.token.Scopes, scope) {
		return false
	}
	u := q.user()
	return u == nil || !slices.Contains(u.DeniedScopes, scope)
}

func (q *request) authorize() *reply {
	if q.route.scopes == nil {
		return nil
	}
	needed := q.route.scopes(q)
	if len(needed) == 0 {
		return nil
	}
	if slices.ContainsFunc(needed, q.allows) {
		return nil
	}
	out := missingScopes(needed)
	return &out
}

func missingScopes(needed []string) reply {
	return problem(http.StatusForbidden, "MISSING_SCOPES",
		"This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.",
		"errors", []any{map[string]any{
			"message": "One or more of the following scopes are required.",
			"context": map[string]any{"requiredGranularScopes": needed},
		}},
		"links", map[string]any{"scopes": "https://developers.hubspot.com/scopes"})
}

var consentPage = template.Must(template.New("consent").Parse(pageHead + `
<main class="narrow">
<h1>Connect {{.App.Name}} to HubSpot</h1>
<p>{{.App.Name}} asks to:</p>
<ul>{{range .Scopes}}<li><code>{{.}}</code></li>{{end}}{{range .Optional}}<li><code>{{.}}</code> <small>(optional)</small></li>{{end}}</ul>
<form method="post" action="/oauth/authorize">
{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">
{{end}}<label for="account">Account and user</label>
<select id="account" name="account">
{{range .Choices}}<option value="{{.Value}}">{{.Label}}</option>
{{end}}</select>
<p class="actions"><button type="submit" name="decision" value="connect" class="primary">Connect app</button>
<button type="submit" name="decision" value="cancel">Cancel</button></p>
</form></main>` + pageFoot))

var refusalPage = template.Must(template.New("refusal").Parse(pageHead + `
<main class="narrow"><h1>{{.Heading}}</h1><p>{{.Text}}</p></main>` + pageFoot))

// noRole is HubSpot's text, for a user without the role as for an account
// without the tool.
const noRole = "You do not have the correct role to grant these permissions. Please contact your administrator"

func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = refusalPage.Execute(w, map[string]string{"Title": "Uh oh!", "Heading": "Uh oh!", "Text": text})
}

type consent struct {
	app                *App
	scopes, optional   []string
	redirectURI, state string
	challenge, method  string
}

// readConsent checks what an app asks for. Whatever is wrong ends on HubSpot's
// own page: nothing goes back to the app.
func (s *Server) readConsent(values url.Values) (consent, string) {
	c := consent{
		app: s.st.Apps[values.Get("client_id")], redirectURI: values.Get("redirect_uri"), state: values.Get("state"),
		scopes: strings.Fields(values.Get("scope")), optional: strings.Fields(values.Get("optional_scope")),
		challenge: values.Get("code_challenge"), method: cmp.Or(values.Get("code_challenge_method"), "plain"),
	}
	if c.app == nil {
		return c, "Couldn't complete the connection: the client ID is not known."
	}
	if !slices.Contains(c.app.RedirectURIs, c.redirectURI) {
		return c, "Authorization failed because the redirect URL doesn't match the registered URL."
	}
	for _, required := range c.app.RequiredScopes {
		if !slices.Contains(c.scopes, required) {
			return c, "Authorization failed because there is a mismatch between the scopes in the install URL and the app's configured scopes: " + required + " is missing."
		}
	}
	known := slices.Concat(c.app.RequiredScopes, c.app.OptionalScopes)
	for _, asked := range slices.Concat(c.scopes, c.optional) {
		if !slices.Contains(known, asked) {
			return c, "Authorization failed because there is a mismatch between the scopes in the install URL and the app's configured scopes: " + asked + " is not configured."
		}
	}
	return c, ""
}

func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request, segments []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if err := r.ParseForm(); err != nil {
		s.refuse(w, http.StatusBadRequest, "The request could not be read.")
		return
	}
	values := r.Form
	c, refusal := s.readConsent(values)
	if refusal != "" {
		s.refuse(w, http.StatusBadRequest, refusal)
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.askConsent(w, c, segments, values)
	case http.MethodPost:
		s.takeConsent(w, r, c, values)
	default:
		s.refuse(w, http.StatusMethodNotAllowed, "This page takes GET and POST.")
	}
}

func (s *Server) askConsent(w http.ResponseWriter, c consent, segments []string, values url.Values) {
	var only int64
	if len(segments) == 3 {
		only, _ = strconv.ParseInt(segments[1], 10, 64)
	}
	type choice struct{ Value, Label string }
	var choices []choice
	for hub, p := range s.st.Portals {
		if only != 0 && hub != only {
			continue
		}
		for _, u := range p.Users {
			if !u.Archived {
				choices = append(choices, choice{fmt.Sprintf("%d:%d", hub, u.ID), fmt.Sprintf("%s (%d), as %s", p.Name, hub, u.Email)})
			}
		}
	}
	sortBy(choices, func(a, b choice) bool { return a.Label < b.Label })
	if len(choices) == 0 {
		s.refuse(w, http.StatusForbidden, "There is no account that you could choose.")
		return
	}
	hidden := map[string]string{}
	for _, name := range []string{"client_id", "redirect_uri", "scope", "optional_scope", "state", "code_challenge", "code_challenge_method"} {
		hidden[name] = values.Get(name)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = consentPage.Execute(w, map[string]any{
		"Title": "Connect " + c.app.Name, "App": c.app, "Scopes": c.scopes, "Optional": c.optional, "Hidden": hidden, "Choices": choices,
	})
}

func (s *Server) takeConsent(w http.ResponseWriter, r *http.Request, c consent, values url.Values) {
	hubText, userText, _ := strings.Cut(values.Get("account"), ":")
	hub, _ := strconv.ParseInt(hubText, 10, 64)
	userID, _ := strconv.ParseInt(userText, 10, 64)
	p := s.st.Portals[hub]
	back, err := url.Parse(c.redirectURI)
	if err != nil {
		s.refuse(w, http.StatusBadRequest, "The redirect URL is not one.")
		return
	}
	answer := back.Query()
	if c.state != "" {
		answer.Set("state", c.state)
	}
	if values.Get("decision") != "connect" {
		if p != nil && p.Settings.CancelShowsPage {
			s.refuse(w, http.StatusOK, "The app was not connected.")
			return
		}
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user cancelled.")
		back.RawQuery = answer.Encode()
		http.Redirect(w, r, back.String(), http.StatusFound)
		return
	}
	var u *User
	if p != nil {
		u = p.Users[userID]
	}
	if u == nil || u.Archived || !u.SuperAdmin && !u.InstallApps {
		s.refuse(w, http.StatusForbidden, noRole)
		return
	}
	granted := []string{}
	for _, scope := range c.scopes {
		if slices.Contains(p.UnavailableScopes, scope) {
			s.refuse(w, http.StatusForbidden, noRole)
			return
		}
		granted = append(granted, scope)
	}
	for _, scope := range c.optional {
		if !slices.Contains(p.UnavailableScopes, scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	code := newUUID()
	s.st.Codes[code] = &authCode{
		grant: grant{c.app.ClientID, hub, userID, granted}, RedirectURI: c.redirectURI, ExpiresAt: s.now().Add(codeLife),
		Challenge: c.challenge, ChallengeMethod: c.method,
	}
	answer.Set("code", code)
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// Consent clicks "Connect app" (or "Cancel") on the consent page as a user, and
// returns where the browser is sent. If the page refuses, the error says what
// stands on it.
func (s *Server) Consent(authorizationURL string, hubID, userID int64, connect bool) (redirect string, err error) {
	u, err := url.Parse(authorizationURL)
	if err != nil {
		return "", fmt.Errorf("reading the authorization URL: %w", err)
	}
	form := u.Query()
	form.Set("account", fmt.Sprintf("%d:%d", hubID, userID))
	form.Set("decision", "cancel")
	if connect {
		form.Set("decision", "connect")
	}
	r := httptest.NewRequest(http.MethodPost, "/oauth/authorize", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if to := w.Header().Get("Location"); to != "" {
		return to, nil
	}
	return "", fmt.Errorf("HubSpot's page says (%d): %s", w.Code, plainText(w.Body.String()))
}
