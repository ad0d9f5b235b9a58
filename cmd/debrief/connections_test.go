package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/freeport"
	"github.com/debriefhq/debrief/store/storetest"
)

const simHub = 4711

// terminal is a fresh installation beside a simulated HubSpot, to which commands
// are typed.
type terminal struct {
	t        *testing.T
	sim      *hubspottest.Server
	app      hubspottest.App
	user     hubspottest.User
	settings string
	port     int
	// flags of a login, and the exit code that it ends with.
	flags []string
	ends  int
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	_, databaseURL := storetest.New(t)
	x := &terminal{t: t, sim: hubspottest.NewServer(hubspottest.Options{})}
	t.Cleanup(x.sim.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	x.port = freePort(t)
	app := hubspottest.App{RedirectURIs: []string{fmt.Sprintf("http://localhost:%d%s", x.port, connections.CallbackPath)}}
	for _, scope := range connections.Scopes() {
		app.RequiredScopes = append(app.RequiredScopes, scope.Name)
	}
	x.app = x.sim.AddApp(app)
	x.sim.AddPortal(hubspottest.Portal{HubID: simHub, Domain: "acme.example", TimeZone: "Europe/Berlin", Currency: "EUR"})
	x.user = x.sim.AddUser(simHub, hubspottest.User{Email: "ada@acme.example", SuperAdmin: true})
	x.settings = writeFile(t, strings.Join([]string{
		"database-url: " + databaseURL, "keyset-file: " + keysetFile(t),
		"hubspot-base-url: " + x.sim.URL, "hubspot-authorize-url: " + x.sim.URL + "/oauth/authorize",
	}, "\n")+"\n")
	x.ok("organizations", "create", "acme", "--domain", "acme.example")
	return x
}

func freePort(t *testing.T) int {
	t.Helper()
	ports, err := freeport.Find(1)
	require.NoError(t, err)
	return ports[0]
}

// typed runs a command with what a person types.
func (x *terminal) typed(in string, args ...string) (code int, stdout, stderr string) {
	x.t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), append([]string{"--config", x.settings}, args...), strings.NewReader(in), &out, &errs)
	return code, out.String(), errs.String()
}

func (x *terminal) run(args ...string) (code int, stdout, stderr string) {
	x.t.Helper()
	return x.typed("", args...)
}

func (x *terminal) ok(args ...string) string {
	x.t.Helper()
	code, stdout, stderr := x.run(args...)
	require.Equal(x.t, exitOK, code, stderr)
	return stdout
}

// screen is what a running command has printed so far.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	printed chan struct{}
}

func newScreen() *screen { return &screen{printed: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.printed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var consentPage = regexp.MustCompile(`http://\S+/oauth/\S*authorize\?\S+`)

// login connects in a terminal: back gets the address to which HubSpot sends the
// browser, and the terminal's keyboard.
func (x *terminal) login(name string, back func(address string, keyboard io.Writer)) string {
	x.t.Helper()
	keys, keyboard := io.Pipe()
	defer keyboard.Close()
	var out bytes.Buffer
	errs := newScreen()
	ended := make(chan int, 1)
	go func() {
		ended <- run(context.Background(), append([]string{"--config", x.settings, "connections", "login", name, "--terminal", "--port", fmt.Sprint(x.port)}, x.flags...), keys, &out, errs)
	}()
	page := ""
	for page == "" {
		select {
		case <-errs.printed:
			page = consentPage.FindString(errs.String())
		case code := <-ended:
			x.t.Fatalf("login ended with %d: %s", code, errs)
		}
	}
	address, err := x.sim.Consent(page, simHub, x.user.ID, true)
	require.NoError(x.t, err)
	back(address, keyboard)
	require.Equal(x.t, x.ends, <-ended, errs)
	return out.String()
}

func browse(t *testing.T) func(string, io.Writer) {
	return func(address string, _ io.Writer) {
		response, err := http.Get(address)
		require.NoError(t, err)
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Contains(t, string(page), "HubSpot is connected.")
	}
}

// From nothing to a connection and back, by commands alone.
func TestConnectingByCommands(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.run("connections", "login", "main")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "debrief apps add")
	code, _, stderr = x.typed(x.app.ClientID+"\n"+x.app.ClientSecret+"\n", "apps", "add", "hubspot")
	require.Equal(t, exitOK, code, stderr)
	require.NotContains(t, stderr, x.app.ClientSecret)

	link := x.ok("connections", "login", "main", "--valid-for", "72h")
	require.Contains(t, link, "/connect/")
	require.Contains(t, x.ok("connections", "attempts"), "link waits")

	require.Contains(t, x.login("main", browse(t)), "connected to HubSpot account 4711 acme.example")
	list := x.ok("connections", "list")
	for _, part := range []string{"main", "4711 acme.example", "account", "HubSpot user " + fmt.Sprint(x.user.ID), "connected", "HubSpot has no API that lists them", "/integrations-settings/4711/installed"} {
		require.Contains(t, list, part)
	}
	require.Equal(t, "connected\n", x.ok("connections", "get"))
	require.Equal(t, "Europe/Berlin\n", x.ok("connections", "get", "main", "--field", "time_zone"))
	require.Len(t, strings.Fields(x.ok("connections", "get", "main", "--field", "scopes")), 9)
	require.Contains(t, x.ok("audit", "list"), "app ", "adding an app stands in the trail")
	code, _, stderr = x.run("connections", "get", "main", "--field", "refresh_token", "--json")
	require.Equal(t, exitUsage, code)
	var told struct {
		Error struct {
			Code    string
			Exit    int
			Message string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stderr), &told))
	require.Equal(t, "usage", told.Error.Code)
	require.Equal(t, exitUsage, told.Error.Exit)
	code, _, _ = x.run("connections", "inspect", "nobody")
	require.Equal(t, exitNotFound, code)

	inspected := x.ok("connections", "inspect", "main")
	require.Contains(t, inspected, "***", "the token is masked")
	require.Contains(t, inspected, "hubspot (built in)")
	for _, writes := range []string{"connections list", "connections inspect"} {
		require.NotContains(t, x.ok(strings.Fields(writes)...), "na1-")
	}

	out := x.ok("connections", "logout", "main")
	require.Contains(t, out, "What remains")
	code, _, stderr = x.run("connections", "export", "--reason", "a test")
	require.Equal(t, exitRefused, code, stderr)
	require.Contains(t, x.ok("connections", "list"), "revoked")
}

// On a machine without a browser, the address at which the browser ends
// elsewhere is pasted.
func TestLoginByPasting(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.typed(x.app.ClientSecret+"\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, code, stderr)
	out := x.login("main", func(address string, keyboard io.Writer) {
		_, err := fmt.Fprintf(keyboard, "what was it again?\n%s\n", address)
		require.NoError(t, err)
	})
	require.Contains(t, out, "main is connected")
}

// Whatever else calls the terminal's address does not end a login: any page in a
// browser of this machine can, and any of its users.
func TestLoginOutlivesStrayAnswers(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.typed(x.app.ClientSecret+"\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, code, stderr)
	get := func(address, host string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(page)
	}
	out := x.login("main", func(address string, keyboard io.Writer) {
		base := fmt.Sprintf("http://localhost:%d%s", x.port, connections.CallbackPath)
		status, page := get(base+"?state=guessed&code=theirs", "")
		require.Equal(t, http.StatusOK, status)
		require.NotContains(t, page, "HubSpot is connected.")
		status, _ = get(address, "rebound.example")
		require.Equal(t, http.StatusMisdirectedRequest, status, "another name that leads here")
		_, err := fmt.Fprintf(keyboard, "http://localhost/?state=guessed&code=theirs\n")
		require.NoError(t, err)
		browse(t)(address, keyboard)
	})
	require.Contains(t, out, "main is connected")
}

// Who else listens where a browser takes "localhost" for would get the answer.
func TestLoginListensOnBothOrNeither(t *testing.T) {
	t.Parallel()
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		other, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	}
	require.NoError(t, err)
	defer other.Close()
	_, err = listenLocally(t.Context(), other.Addr().(*net.TCPAddr).Port)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}

// In a terminal, too, nobody's grant is replaced without a word.
func TestReplacingInATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.typed(x.app.ClientSecret+"\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, code, stderr)
	x.login("main", browse(t))
	first := x.user.ID
	x.user = x.sim.AddUser(simHub, hubspottest.User{Email: "bob@acme.example", SuperAdmin: true})
	pasted := func(address string, keyboard io.Writer) {
		_, err := fmt.Fprintln(keyboard, address)
		require.NoError(t, err)
	}
	x.ends = exitRefused
	x.login("main", pasted)
	require.Contains(t, x.ok("connections", "inspect", "main"), "HubSpot user "+fmt.Sprint(first))
	x.ends, x.flags = exitOK, []string{"--replace"}
	require.Contains(t, x.login("main", pasted), "main is connected")
	require.Contains(t, x.ok("connections", "inspect", "main"), "HubSpot user "+fmt.Sprint(x.user.ID))
}

// A secret that HubSpot no longer accepts is replaced, and nothing is connected
// again.
func TestReplacingAnAppsSecret(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.typed("wrong\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, code, stderr)
	code, _, _ = x.typed(x.app.ClientSecret+"\n", "apps", "secret", "nobody's")
	require.Equal(t, exitNotFound, code)
	code, stdout, stderr := x.typed(x.app.ClientSecret+"\n", "apps", "secret", "hubspot")
	require.Equal(t, exitOK, code, stderr)
	require.NotContains(t, stdout+stderr, x.app.ClientSecret)
	require.Contains(t, x.login("main", browse(t)), "main is connected")
}

// An access token leaves only with an admin's leave and a reason, and stands in
// the trail; the refresh token never does.
func TestRevealing(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.typed(x.app.ClientSecret+"\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, code, stderr)
	x.login("main", browse(t))

	code, stdout, stderr := x.run("connections", "get", "--show-token", "--reason", "debugging")
	require.Equal(t, exitRefused, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "--reveal=on")
	x.ok("connections", "set", "main", "--reveal=on")
	code, stdout, stderr = x.run("connections", "get", "--show-token")
	require.Equal(t, exitUsage, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "--reason")

	token := strings.TrimSpace(x.ok("connections", "get", "--show-token", "--reason", "debugging"))
	require.NotEmpty(t, token)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.sim.URL+"/account-info/2026-09/details", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, "it is the real one")

	for format, want := range map[string]string{
		"env": "HUBSPOT_ACCESS_TOKEN=" + token + "\n", "shell": "export HUBSPOT_ACCESS_TOKEN='" + token + "'\n", "json": `"HUBSPOT_ACCESS_TOKEN": "` + token + `"`,
	} {
		exported := x.ok("connections", "export", "--format", format, "--reason", "a test")
		require.Contains(t, exported, want)
		require.NotContains(t, strings.ToLower(exported), "refresh")
	}
	trail := x.ok("audit", "list")
	require.Equal(t, 4, strings.Count(trail, "outside permissions"), "%s", trail)
	require.NotContains(t, trail, token)
}

func TestImportedTokenByCommand(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	access, _ := x.sim.Token(x.app.ClientID, simHub, x.user.ID)
	code, _, stderr := x.typed("not-a-token\n", "connections", "import", "private")
	require.NotEqual(t, exitOK, code)
	require.NotContains(t, stderr, "not-a-token")
	code, stdout, stderr := x.typed(access+"\n", "connections", "import", "private")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "a static token of HubSpot account 4711")
	list := x.ok("connections", "list")
	require.Contains(t, list, "static token")
	require.Contains(t, list, "not told", "HubSpot does not say what it is good for")
	require.Equal(t, "never\n", x.ok("connections", "get", "--field", "expires_at"))
	require.Contains(t, x.ok("connections", "logout"), "delete it there, too")
}

func TestRulesByCommand(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	access, _ := x.sim.Token(x.app.ClientID, simHub, x.user.ID)
	code, _, stderr := x.typed(access+"\n", "connections", "import", "private")
	require.Equal(t, exitOK, code, stderr)
	code, _, stderr = x.run("connections", "rules", "set", "private")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--default")
	x.ok("sources", "add", "debrief", "--generate")
	x.ok("connections", "rules", "set", "private", "--source", "debrief")
	x.ok("connections", "rules", "set", "private", "--host-domain", "acme.example")
	rules := x.ok("connections", "rules")
	require.Contains(t, rules, "debrief")
	require.Contains(t, rules, "acme.example")
	x.ok("connections", "set", "private", "--default")
	require.Contains(t, x.ok("connections", "list"), "* private")
	code, _, _ = x.run("connections", "rules", "set", "private", "--source", "nobody")
	require.Equal(t, exitNotFound, code)
}

// The doctor finds what is wrong, says what to do, and hangs on nothing.
func TestDoctor(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	access, _ := x.sim.Token(x.app.ClientID, simHub, x.user.ID)
	code, _, stderr := x.typed(access+"\n", "connections", "import", "private")
	require.Equal(t, exitOK, code, stderr)
	nobody := freePort(t)
	code, stdout, stderr := x.run("doctor", "--temporal-address", fmt.Sprintf("127.0.0.1:%d", nobody))
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "1 of 8 checks found something wrong")
	for _, part := range []string{"!!  Temporal", "ok  schema", "ok  sealed rows", "ok  clock", "connected to account 4711", "nothing is lost"} {
		require.Contains(t, stdout, part)
	}
	x.sim.Uninstall(simHub, x.app.ClientID)
	_, stdout, _ = x.run("doctor", "--temporal-address", fmt.Sprintf("127.0.0.1:%d", nobody))
	require.Contains(t, stdout, "!!  acme: private")
}

// The project files fit what Debrief asks for, and nothing that is there is
// overwritten.
func TestHubSpotInit(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	code, stdout, stderr := runCommand(t, "--public-url=https://debrief.acme.example", "hubspot", "init", directory)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "10 accounts")
	require.Contains(t, stdout, "25 with marketplace")
	for _, kind := range []string{"account", "user"} {
		raw, err := os.ReadFile(filepath.Join(directory, kind, "src", "app", "app-hsmeta.json"))
		require.NoError(t, err)
		var file struct {
			Config struct {
				IsUserLevel bool `json:"isUserLevel"`
				Auth        struct {
					RedirectURLs   []string `json:"redirectUrls"`
					RequiredScopes []string `json:"requiredScopes"`
					OptionalScopes []string `json:"optionalScopes"`
				} `json:"auth"`
			} `json:"config"`
		}
		require.NoError(t, json.Unmarshal(raw, &file))
		require.Equal(t, kind == "user", file.Config.IsUserLevel)
		require.Equal(t, []string{"https://debrief.acme.example/oauth/hubspot/callback", "http://localhost:8737/oauth/hubspot/callback"}, file.Config.Auth.RedirectURLs)
		require.Equal(t, connections.HubSpot().Scopes, file.Config.Auth.RequiredScopes)
		require.Equal(t, connections.HubSpot().OptionalScopes, file.Config.Auth.OptionalScopes)
		require.NotContains(t, string(raw), "https://debrief.example")
	}
	manifest, err := os.ReadFile(filepath.Join(directory, "slack-manifest.json"))
	require.NoError(t, err)
	require.Contains(t, string(manifest), "https://debrief.acme.example/slack/interactions")

	code, _, stderr = runCommand(t, "--public-url=https://debrief.acme.example", "hubspot", "init", directory)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "is there already")
	code, _, stderr = runCommand(t, "--public-url=http://debrief.acme.example", "hubspot", "init", t.TempDir())
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "https alone")
}

// A provider's definition is a file: print, edit, and the file wins.
func TestProviderFile(t *testing.T) {
	t.Parallel()
	_, stdout, _ := runCommand(t, "connections", "provider")
	require.Contains(t, stdout, `"source": "built in"`)
	file := filepath.Join(t.TempDir(), "hubspot.json")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(stdout, "https://api.hubapi.com", "https://api-eu1.hubapi.com", 1)), 0o600))
	code, stdout, stderr := runCommand(t, "--hubspot-provider", file, "connections", "provider")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "https://api-eu1.hubapi.com")
	require.Contains(t, stdout, `"source": "custom"`)
	for content, want := range map[string]string{
		`{"scopez": []}`:                 "scopez",
		`{"scopes": ["tickets"]}`:        `"oauth"`,
		`{"base_url": "api.hubapi.com"}`: "base_url",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		code, _, stderr := runCommand(t, "--hubspot-provider", file, "connections", "provider")
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "--hubspot-provider (DEBRIEF_HUBSPOT_PROVIDER)")
		require.Contains(t, stderr, want)
	}
	code, _, stderr = runCommand(t, "connections", "login", "main", "--scopes", "content")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, `"content" is not one that the app declares`)
}
