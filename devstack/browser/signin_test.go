package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// client is Debrief as an organization's provider knows it.
type client struct {
	ID          string `json:"client_id"`
	Secret      string `json:"client_secret"`
	RedirectURI string `json:"redirect_uri"`
}

func newClient() client {
	return client{ID: "debrief-" + uuid.NewString()[:8], Secret: uuid.NewString(), RedirectURI: stack.PublicURL() + "/sign-in/callback"}
}

// identityProvider starts a real OpenID Connect provider (npm oidc-provider) with
// these clients, and returns its issuer.
func identityProvider(t *testing.T, clients ...client) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "oidc")
	require.DirExists(t, filepath.Join(dir, "node_modules"), "the sign-in test needs an identity provider: `npm ci` in devstack/oidc, or `make test` which does so")
	raw, err := json.Marshal(clients)
	require.NoError(t, err)
	cmd := exec.Command("node", "server.mjs") //nolint:gosec,noctx // our own server; it ends with its standard input
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), "CLIENTS="+string(raw)), &output
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	// What it says before and after is not for us.
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http://127.0.0.1:") {
			issuer := lines.Text()
			go func() {
				for lines.Scan() {
				}
			}()
			return issuer
		}
	}
	require.Fail(t, "the identity provider did not start", output.String())
	return ""
}

// company is an organization of its own that signs in at the provider.
func company(t *testing.T, name, issuer string, c client) {
	t.Helper()
	ctx := t.Context()
	_, err := stack.Run(ctx, "organizations", "create", name, "--domain", name+".example")
	require.NoError(t, err)
	_, err = stack.RunWith(ctx, strings.NewReader(c.Secret+"\n"), "identity-provider", "set", "--issuer", issuer, "--client-id", c.ID, "-o", name)
	require.NoError(t, err)
	_, err = stack.Run(ctx, "people", "add", "ada@"+name+".example", "--name", "Ada Brunel", "--role", "admin", "-o", name)
	require.NoError(t, err)
}

// logIn goes the way from Debrief's page over the provider's, as somebody does
// who types these addresses.
func logIn(p *page, at, as string) {
	p.t.Helper()
	p.open(stack.PublicURL() + "/people")
	p.shows("Your e-mail address at work")
	p.accessible()
	p.typeInto("#email", at)
	p.click("button", "Continue")
	p.shows("Log in to the identity provider")
	p.typeInto("[name=email]", as)
	p.click("button", "Log in")
}

func TestPeopleSignInAtTheirIdentityProvider(t *testing.T) {
	t.Parallel()
	quarry, pottery := "quarry-"+uuid.NewString()[:8], "pottery-"+uuid.NewString()[:8]
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	one, two := newClient(), newClient()
	issuer := identityProvider(t, one, two)
	company(t, quarry, issuer, one)
	company(t, pottery, issuer, two)
	ada, mara, eve := window.page(ctx, t), window.page(ctx, t), window.page(ctx, t)

	// The admin was named beforehand and is known by the address.
	logIn(ada, "ada@"+quarry+".example", "ada@"+quarry+".example")
	ada.shows("Ada Brunel, " + quarry)
	ada.until("the page that was asked for", `location.pathname === "/people"`)
	ada.screenshot("people")
	require.NotContains(t, ada.text(), pottery)

	// Nobody knew Mara: her address makes her a member.
	logIn(mara, "mara@"+quarry+".example", "mara@"+quarry+".example")
	mara.shows("Sign out")
	require.NotContains(t, mara.text(), "Add somebody", "that is for admins")

	// Somebody of another organization is nobody here.
	logIn(eve, "eve@"+quarry+".example", "eve@"+pottery+".example")
	eve.shows("You were not signed in")
	eve.accessible()
	require.Contains(t, eve.text(), "not in a domain of this organization")
	eve.open(stack.PublicURL() + "/people")
	eve.shows("Your e-mail address at work")

	// A way in that is none says the same for everything.
	eve.typeInto("#email", "eve@nowhere.example")
	eve.click("button", "Continue")
	eve.shows("Nobody can sign in with that address here")

	// Out, and in again: the provider still knows the browser.
	mara.click("button", "Sign out")
	mara.shows("Your e-mail address at work")
	mara.open(stack.PublicURL() + "/people")
	mara.shows("Your e-mail address at work")
	mara.typeInto("#email", "mara@"+quarry+".example")
	mara.click("button", "Continue")
	mara.shows("Sign out")

	// Deactivated: out at once, and refused.
	ada.open(stack.PublicURL() + "/people")
	ada.click("a", "mara")
	ada.shows("Known as")
	ada.accessible()
	ada.screenshot("person")
	ada.click("button", "Deactivate")
	ada.shows("signed out everywhere")
	mara.open(stack.PublicURL() + "/people")
	mara.shows("Your e-mail address at work")
	mara.typeInto("#email", "mara@"+quarry+".example")
	mara.click("button", "Continue")
	mara.shows("You are deactivated here")

	var people []store.Person
	out, err := stack.Run(ctx, "people", "list", "--all", "--json", "-o", quarry)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &people))
	require.Len(t, people, 2)
	for _, p := range people {
		require.Len(t, p.Values(store.IdentitySignIn), 1, "each is known by the provider's subject from now on")
		require.Equal(t, p.Name == "Ada Brunel", p.Active())
	}
}
