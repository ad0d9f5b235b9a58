package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// company is an installation with one organization, and its settings file.
func company(t *testing.T) (*store.Store, store.Organization, func(args ...string) (int, string, string)) {
	t.Helper()
	s, databaseURL := storetest.New(t)
	settings := writeFile(t, "database-url: "+databaseURL+"\nkeyset-file: "+keysetFile(t)+"\npublic-url: https://debrief.example\n")
	return s, storetest.Organization(t, s), func(args ...string) (int, string, string) {
		t.Helper()
		return runCommand(t, append([]string{"--config", settings}, args...)...)
	}
}

// checks run commands that have to succeed, and return what they print; and
// commands that have to fail with a code and a part of what they say.
func checks(t *testing.T, debrief func(args ...string) (int, string, string)) (ok func(args ...string) string, fails func(code int, part string, args ...string)) {
	t.Helper()
	ok = func(args ...string) string {
		t.Helper()
		code, stdout, stderr := debrief(args...)
		require.Equal(t, exitOK, code, stderr)
		return stdout
	}
	fails = func(code int, part string, args ...string) {
		t.Helper()
		got, _, stderr := debrief(args...)
		require.Equal(t, code, got, stderr)
		require.Contains(t, stderr, part)
	}
	return ok, fails
}

func TestPeopleCommands(t *testing.T) {
	t.Parallel()
	s, o, debrief := company(t)
	ok, fails := checks(t, debrief)
	require.Contains(t, ok("people", "list"), "Nobody yet")
	require.Contains(t, ok("people", "add", "Ada@acme.example", "--name", "Ada Brunel", "--role", "admin"), "Ada Brunel is a person")
	ok("people", "add", "mara@acme.example")
	ok("people", "add", "m.lindqvist@acme.example", "--role", "viewer")
	fails(exitRefused, "belongs to somebody else", "people", "add", "mara@acme.example")
	fails(exitUsage, "role", "people", "add", "x@acme.example", "--role", "king")

	ok("people", "set", "mara@acme.example", "--name", "Mara Lindqvist", "--role", "approver", "--stand-in", "ada@acme.example",
		"--add", "hubspot_owner=4711:88", "--add", "sign_in=https://login.acme.example|a,b")
	shown := ok("people", "show", "mara@acme.example")
	for _, part := range []string{"Mara Lindqvist", "approver", "4711:88", "https://login.acme.example|a,b", "Ada Brunel"} {
		require.Contains(t, shown, part)
	}
	fails(exitUsage, "KIND=VALUE", "people", "set", "mara@acme.example", "--add", "email")
	fails(exitRefused, "no kind", "people", "set", "mara@acme.example", "--add", "fax=1")
	fails(exitUsage, "no such zoom_host", "people", "set", "mara@acme.example", "--remove", "zoom_host=1")
	fails(exitUsage, "nobody of "+o.Name, "people", "show", "nobody@acme.example")
	fails(exitRefused, "last admin", "people", "deactivate", "ada@acme.example")
	ok("people", "set", "mara@acme.example", "--stand-in", "none", "--remove", "hubspot_owner=4711:88")

	ok("people", "merge", "mara@acme.example", "m.lindqvist@acme.example")
	require.Contains(t, ok("people", "deactivate", "m.lindqvist@acme.example"), "now up to Ada Brunel")
	var people []store.Person
	require.NoError(t, json.Unmarshal([]byte(ok("people", "list", "--json")), &people))
	require.Len(t, people, 1)
	require.NoError(t, json.Unmarshal([]byte(ok("people", "list", "--all", "--json")), &people))
	require.Len(t, people, 2)
	mara, err := s.PersonByEmail(t.Context(), o.ID, "mara@acme.example")
	require.NoError(t, err)
	require.False(t, mara.Active())
	require.Nil(t, mara.StandInID)
	require.Empty(t, mara.Values(store.IdentityHubSpotOwner))

	fails(exitUsage, "deactivated", "sign-in", "--person", "mara@acme.example")
	ok("people", "reactivate", mara.ID.String())
	var link struct{ URL string }
	require.NoError(t, json.Unmarshal([]byte(ok("sign-in", "--person", "mara@acme.example", "--json")), &link))
	token, found := strings.CutPrefix(link.URL, "https://debrief.example/session/")
	require.True(t, found)
	_, who, err := s.SignIn(t.Context(), store.Secret(token))
	require.NoError(t, err)
	require.Equal(t, store.SignedIn{OrganizationID: &o.ID, PersonID: &mara.ID}, who)
}

func TestIdentityProviderCommands(t *testing.T) {
	t.Parallel()
	s, o, debrief := company(t)
	var issuer string
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": issuer, "authorization_endpoint": issuer + "/a", "token_endpoint": issuer + "/t", "jwks_uri": issuer + "/k",
		})
	}))
	t.Cleanup(provider.Close)
	issuer = provider.URL
	secret := writeFile(t, "quince\n")

	code, _, stderr := debrief("identity-provider", "set", "--issuer", issuer+"/other", "--client-id", "debrief", "--secret-file", secret)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "does not answer")
	code, stdout, stderr := debrief("identity-provider", "set", "--issuer", issuer, "--client-id", "debrief", "--secret-file", secret)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "https://debrief.example/sign-in/callback")
	require.NotContains(t, stdout, "quince")
	_, kept, err := s.IdentityProviderWithSecret(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, "quince", kept.Reveal())
	code, stdout, _ = debrief("identity-provider", "list", "--json")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, issuer)
	require.NotContains(t, stdout, "quince")
	code, _, _ = debrief("identity-provider", "remove")
	require.Equal(t, exitOK, code)
	code, _, _ = debrief("identity-provider", "remove")
	require.Equal(t, exitUsage, code)
}
