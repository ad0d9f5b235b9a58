package hubspottest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

const tokenAt = "/oauth/2026-09/token"

// code connects as the admin and returns the code; more is put on the address.
func (s *sim) code(more string) string {
	s.t.Helper()
	back, err := s.Consent(s.URL+s.authorize(strings.Join(scopes, " "), "")+more, hub, admin, true)
	require.NoError(s.t, err)
	to, err := url.Parse(back)
	require.NoError(s.t, err)
	return to.Query().Get("code")
}

func (s *sim) exchange(code string, more ...string) answer {
	s.t.Helper()
	return s.form(tokenAt, append([]string{"grant_type", "authorization_code", "client_id", client, "client_secret", secret, "redirect_uri", redirect, "code", code}, more...)...)
}

func TestCodes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	code := s.code("")
	require.Equal(t, 200, s.exchange(code).status)
	again := s.exchange(code)
	require.Equal(t, 400, again.status)
	require.Equal(t, "BAD_AUTH_CODE", again.body["status"], "a code is of one use")
	require.Equal(t, "invalid_grant", again.body["error"])
	late := s.code("")
	s.Advance(time.Hour)
	require.Equal(t, "BAD_AUTH_CODE", s.exchange(late).body["status"])
	require.Equal(t, "BAD_REDIRECT_URI", s.form(tokenAt, "grant_type", "authorization_code", "client_id", client, "client_secret", secret, "redirect_uri", "https://other.example", "code", s.code("")).body["status"])
	require.Equal(t, "BAD_CLIENT_ID", s.form(tokenAt, "grant_type", "authorization_code", "client_id", "x").body["status"])
	s.AddApp(hubspottest.App{ClientID: "other", ClientSecret: secret})
	require.Equal(t, "BAD_AUTH_CODE", s.form(tokenAt, "grant_type", "authorization_code", "client_id", "other", "client_secret", secret, "redirect_uri", redirect, "code", s.code("")).body["status"], "another app's")
}

func TestPKCE(t *testing.T) {
	t.Parallel()
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	hashed := base64.RawURLEncoding.EncodeToString(sum[:])
	tests := map[string]struct {
		challenge, verifier string
		status              any
	}{
		"none asked, none given":    {"", "", nil},
		"none asked, one given":     {"", verifier, nil},
		"S256":                      {"&code_challenge=" + hashed + "&code_challenge_method=S256", verifier, nil},
		"plain":                     {"&code_challenge=" + verifier, verifier, nil},
		"S256, missing":             {"&code_challenge=" + hashed + "&code_challenge_method=S256", "", "BAD_CODE_VERIFIER"},
		"S256, wrong":               {"&code_challenge=" + hashed + "&code_challenge_method=S256", verifier + "x", "BAD_CODE_VERIFIER"},
		"S256, the challenge given": {"&code_challenge=" + hashed + "&code_challenge_method=S256", hashed, "BAD_CODE_VERIFIER"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			a := s.exchange(s.code(tt.challenge), "code_verifier", tt.verifier)
			require.Equal(t, tt.status, a.body["status"])
			require.Equal(t, tt.status == nil, a.status == 200)
		})
	}
}

func TestAccessTokensLastHalfAnHour(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Advance(29*time.Minute + 50*time.Second)
	require.Equal(t, 200, s.api("GET", objects+"contacts", "").status)
	s.Advance(10 * time.Second)
	require.Equal(t, "EXPIRED_AUTHENTICATION", s.api("GET", objects+"contacts", "").body["category"])
}

func TestRefreshTokensMayRotate(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes, RotateRefreshTokens: true})
	_, old := s.Token(client, hub, admin)
	refresh := func(token string) answer {
		return s.form(tokenAt, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", token)
	}
	next := refresh(old).body["refresh_token"].(string)
	require.NotEqual(t, old, next)
	require.Equal(t, "BAD_REFRESH_TOKEN", refresh(old).body["status"])
	require.Equal(t, 200, refresh(next).status)
}

func TestRefreshTokensMayRotateLeniently(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes, RotateLeniently: true})
	_, old := s.Token(client, hub, admin)
	refresh := func(token string) answer {
		return s.form(tokenAt, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", token)
	}
	next := refresh(old).body["refresh_token"].(string)
	require.NotEqual(t, old, next)
	require.Equal(t, 200, refresh(old).status, "until the new one is used")
	require.Equal(t, 200, refresh(next).status)
	require.Equal(t, "BAD_REFRESH_TOKEN", refresh(old).body["status"])
}

func TestTheEndOfAnAccount(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, refresh := s.Token(client, hub, admin)
	s.RemovePortal(hub)
	a := s.form(tokenAt, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", refresh)
	require.Equal(t, 400, a.status)
	require.Equal(t, map[string]any{"status": "BAD_HUB", "message": "missing or unknown hub id", "error": "access_denied", "error_description": "missing or unknown hub id"}, a.body)
	require.Equal(t, 401, s.api("GET", objects+"contacts", "").status)
}

func TestUninstalling(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*sim){
		"by the app":      func(s *sim) { require.Equal(s.t, 204, s.api("DELETE", "/appinstalls/v3/external-install", "").status) },
		"by the customer": func(s *sim) { s.Uninstall(hub, client) },
		"by the control API": func(s *sim) {
			s.send("POST", "/sim/portals/77/uninstall", "application/json", `{"clientId":"app-1"}`, "")
		},
		"only revoked, not gone": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			_, refresh := s.Token(client, hub, admin)
			want := 401
			if do == nil {
				s.RevokeGrants(hub, client)
				want = 200
			} else {
				do(s)
			}
			require.Equal(t, "BAD_REFRESH_TOKEN", s.form(tokenAt, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", refresh).body["status"])
			require.Equal(t, want, s.api("GET", "/account-info/2026-09/details", "").status)
		})
	}
	s := setup(t)
	s.token, _ = s.Token(client, hub, admin, "tickets")
	require.Equal(t, 403, s.api("DELETE", "/appinstalls/2026-09/external-install", "").status, "it needs the scope oauth")
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddApp(hubspottest.App{ClientID: "personal", ClientSecret: secret, RequiredScopes: scopes, UserLevel: true, PrivateDistribution: true})
	access, refresh := s.Token("personal", hub, sales)
	ask := func(pairs ...string) answer {
		return s.form(tokenAt+"/introspect", append([]string{"client_id", "personal", "client_secret", secret}, pairs...)...)
	}
	a := ask("token", access)
	require.Equal(t, 200, a.status)
	for k, v := range map[string]any{
		"active": true, "token": access, "hub_id": 77.0, "user_id": 2.0, "client_id": "personal", "user": "sam@acme.example", "hub_domain": "acme.example",
		"token_use": "access_token", "token_type": "Bearer", "is_private_distribution": true,
	} {
		require.Equal(t, v, a.body[k], k)
	}
	require.Equal(t, true, a.at("signed_access_token.isUserLevel"))
	require.Len(t, a.body["scopes"], len(scopes))
	require.LessOrEqual(t, a.body["expires_in"], 1800.0)
	require.Equal(t, true, ask("access_token", access).body["active"], "as the guide names it")
	require.Equal(t, "refresh_token", ask("refresh_token", refresh).body["token_use"])
	require.Equal(t, map[string]any{"active": false}, s.form(tokenAt+"/introspect", "client_id", client, "client_secret", secret, "token", access).body, "another app's")
	s.Advance(time.Hour)
	require.Equal(t, map[string]any{"active": false}, ask("token", access).body)
	require.Equal(t, true, ask("token", refresh).body["active"])
}

func TestLegacyTokenEndpoints(t *testing.T) {
	t.Parallel()
	s := setup(t)
	access, refresh := s.Token(client, hub, admin)
	a := s.send("GET", "/oauth/v1/access-tokens/"+access, "", "", "")
	require.Equal(t, 200, a.status)
	require.Equal(t, "access", a.body["token_type"])
	require.EqualValues(t, hub, a.body["hub_id"])
	require.Equal(t, "ada@acme.example", a.body["user"])
	require.Equal(t, 404, s.send("GET", "/oauth/v1/access-tokens/nothing", "", "", "").status)
	r := s.send("GET", "/oauth/v1/refresh-tokens/"+refresh, "", "", "")
	require.Equal(t, refresh, r.body["token"])
	require.Equal(t, 204, s.send("DELETE", "/oauth/v1/refresh-tokens/"+refresh, "", "", "").status)
	require.Equal(t, "BAD_REFRESH_TOKEN", s.send("GET", "/oauth/v1/refresh-tokens/"+refresh, "", "", "").body["status"])
	require.Equal(t, 200, s.send("GET", "/oauth/v1/access-tokens/"+access, "", "", "").status, "the access token keeps working")
}

func TestTheRightsOfAUser(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddApp(hubspottest.App{ClientID: "personal", RequiredScopes: scopes, UserLevel: true})
	s.AddUser(hub, hubspottest.User{ID: sales, OwnerID: "32", Email: "sam@acme.example", HiddenProperties: []string{"contacts.phone"}, NoAssociations: true})
	company := s.create("companies", `{"name":"C"}`)
	id := s.create("contacts", `{"email":"a@x.example","phone":"1"}`)
	at := objects + "contacts/" + id
	for _, userLevel := range []bool{false, true} {
		app := client
		if userLevel {
			app = "personal"
		}
		s.token, _ = s.Token(app, hub, sales)
		read := s.api("GET", at+"?properties=phone,email&propertiesWithHistory=phone", "")
		require.Equal(t, !userLevel, read.at("properties.phone") != nil)
		require.Equal(t, !userLevel, read.at("propertiesWithHistory.phone") != nil)
		require.NotNil(t, read.at("properties.email"))
		require.Equal(t, !userLevel, s.api("PATCH", at, `{"properties":{"phone":"1"}}`).status == 200)
		status := map[bool]int{false: 200, true: 403}[userLevel]
		require.Equal(t, status, s.api("PUT", at+"/associations/default/companies/"+company, "").status)
		require.Equal(t, status, s.api("POST", "/crm/associations/2026-09/contacts/companies/batch/associate/default", fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q}}]}`, id, company)).status)
		require.Equal(t, 200, s.api("GET", at+"/associations/companies", "").status)
	}
}
