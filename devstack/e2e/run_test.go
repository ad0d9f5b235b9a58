package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// program runs one under `debrief run`, for Mara.
func (sc *scene) program(debrief string, command ...string) *exec.Cmd {
	args := append([]string{"--organization", sc.Organization, "run", "--person", maraEmail, "--verbose", "--"}, command...)
	cmd := exec.CommandContext(sc.ctx, debrief, args...)
	cmd.Env = sc.world.Env()
	return cmd
}

// accessTokens are all that the simulator has given out, with those to refresh them.
func (sc *scene) accessTokens() []string {
	sc.t.Helper()
	file := filepath.Join(sc.t.TempDir(), "simulator.json")
	require.NoError(sc.t, sc.world.Simulator.Save(file))
	raw, err := os.ReadFile(file)
	require.NoError(sc.t, err)
	var state struct{ Access, Refresh map[string]struct{} }
	require.NoError(sc.t, json.Unmarshal(raw, &state))
	var all []string
	for _, issued := range []map[string]struct{}{state.Access, state.Refresh} {
		for token := range issued {
			all = append(all, token)
		}
	}
	require.NotEmpty(sc.t, all)
	return all
}

// A program that was written for HubSpot's own Node client, by the address that it takes
// and by the proxy that it doesn't know of: what is allowed happens, what is denied or
// described by no tool is refused, what asks happens after an approval and a second call,
// once, and the program finds no token anywhere.
func TestHubSpotsOwnClientUnderRun(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"address", "proxy"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			underRun(shared.scene(t), way)
		})
	}
}

func underRun(sc *scene, way string) { //nolint:thelper // one story, told twice
	t := sc.t
	sc.mara()
	iris := sc.browser(sc.colleague("Iris Vandal", "iris@brightwater.example", store.RoleApprover))
	sc.permit(
		"contact.read", "allow", "company.read", "allow", "deal.read", "allow", "owner.read", "allow",
		"contact.update", "allow", "deal.create", "ask", "ticket.create", "deny",
	)
	ines := sc.records("contacts", "email")["ines@harrowmills.example"][0].ID
	before := sc.calls()

	_, file, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(file), "..", "..", "conformance", "through-run.mjs")
	cmd := sc.program(binary(), "node", script, way)
	var reported strings.Builder
	cmd.Stderr = &reported
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(reported.String())
		}
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	var printed strings.Builder
	next := func(name string, status int) map[string]any {
		t.Helper()
		require.True(t, lines.Scan(), "the program ended before %s", name)
		printed.WriteString(lines.Text())
		var said struct {
			Name   string
			Status int
			Body   map[string]any
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &said), lines.Text())
		require.Equal(t, name, said.Name, lines.Text())
		require.Equal(t, status, said.Status, lines.Text())
		return said.Body
	}
	refused := func(name, category string) string {
		t.Helper()
		body := next(name, 403)
		require.Equal(t, category, body["category"], name)
		message, _ := body["message"].(string)
		require.NotEmpty(t, message, name)
		return message
	}
	goOn := func() {
		t.Helper()
		_, err := io.WriteString(in, "\n")
		require.NoError(t, err)
	}

	require.InDelta(t, 1, next("search", 200)["total"], 0)
	require.Equal(t, ines, next("get", 200)["id"])
	for _, name := range []string{"page", "batch", "owners", "properties", "pipelines", "links"} {
		require.NotEmpty(t, next(name, 200)["results"], name)
	}
	updated, _ := next("update", 200)["properties"].(map[string]any)
	require.Equal(t, "Head of Fleet", updated["jobtitle"])
	require.Equal(t, "Head of Fleet", sc.records("contacts", "email")["ines@harrowmills.example"][0].Properties["jobtitle"])

	require.Contains(t, refused("denied", "DEBRIEF_DENIED"), "Create Ticket is denied")
	require.Contains(t, refused("archive", "DEBRIEF_NO_TOOL"), "archive nothing")
	for _, name := range []string{"archive many", "forget", "delete"} {
		refused(name, "DEBRIEF_NO_TOOL")
	}
	for _, name := range []string{"token", "refresh"} {
		require.Contains(t, refused(name, "DEBRIEF_NO_TOOL"), "Debrief's own affair")
	}
	for _, name := range []string{"graphql", "upload"} {
		require.Contains(t, refused(name, "DEBRIEF_NO_TOOL"), "No tool")
	}
	require.Equal(t, "INVALID_AUTHENTICATION", next("other token", 401)["category"])

	seen, _ := next("look", 200)["seen"].(string)
	require.Contains(t, seen, "BEGIN CERTIFICATE", "it looked around")
	require.Contains(t, seen, "HUBSPOT_ACCESS_TOKEN")
	require.NotContains(t, seen, "PRIVATE KEY")

	question := func(name string) store.Approval {
		t.Helper()
		message := refused(name, "DEBRIEF_APPROVAL_NEEDED")
		asked := sc.pending()
		require.Len(t, asked, 1, "nobody is asked twice")
		require.Contains(t, message, sc.world.PublicURL()+"/inbox/"+asked[0].Action.Origin.ID.String())
		return asked[0]
	}
	asked := question("asked")
	require.Equal(t, asked.ID, question("asked again").ID)
	require.Empty(t, sc.records("deals", "dealname")["Twelve buses"])
	iris.onThePage(asked, store.Approve, "")
	goOn()
	made, _ := next("approved", 200)["properties"].(map[string]any)
	require.Equal(t, "Twelve buses", made["dealname"])
	require.Len(t, sc.records("deals", "dealname")["Twelve buses"], 1)

	sc.byCommand(question("asked for more"), store.Reject, "one too many")
	goOn()
	require.Contains(t, refused("rejected", "DEBRIEF_DENIED"), "rejected")
	require.NoError(t, cmd.Wait())

	require.Equal(t, map[string]int{"contacts update": 1, "deals create": 1}, counted(sc.writes()), "each of it once, and nothing else")
	for _, token := range sc.accessTokens() {
		require.NotContains(t, printed.String(), token)
		require.NotContains(t, reported.String(), token)
	}
	for endpoint, count := range sc.calls() {
		if regexp.MustCompile(`^DELETE |/oauth/|/archive|/gdpr|/graphql|/files/`).MatchString(endpoint) {
			require.Equal(t, before[endpoint], count, endpoint)
		}
	}
	scripts := 0
	for _, e := range sc.trail("call") {
		if e.Origin.Kind == store.OriginScript {
			scripts++
		}
	}
	require.GreaterOrEqual(t, scripts, 10, "each of its requests is in the trail")
	require.Contains(t, reported.String(), "debrief run: POST deal.create 403")
}

// A program of the same user finds neither Debrief's settings in its own environment nor
// a way to look into the process that has them.
func TestAProgramCantLookIntoDebrief(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.mara()
	sc.permit("contact.read", "allow")
	// Root may look everywhere: then both run as somebody else.
	dir, err := os.MkdirTemp("", "debrief-e2e-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	place := func(name, from string, mode os.FileMode) string {
		raw, err := os.ReadFile(from)
		require.NoError(t, err)
		to := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(to, raw, mode))
		return to
	}
	debrief, keyset := place("debrief", binary(), 0o755), place("keyset.json", sc.keysetFile(), 0o600)
	cmd := sc.program(debrief, "sh", "-c", `
		for file in environ mem maps; do
			if (: </proc/$PPID/$file) 2>/dev/null; then echo "opened $file"; fi
		done
		ls /proc/$PPID/fd >/dev/null 2>&1 && echo "listed fd"
		env; ls -l /proc/self/fd; cat /proc/self/environ
		echo looked`)
	cmd.Env = append(cmd.Env, "DEBRIEF_KEYSET_FILE="+keyset, "TMPDIR="+dir)
	if os.Getuid() == 0 {
		const nobody = 65534
		for _, name := range []string{dir, keyset} {
			require.NoError(t, os.Chown(name, nobody, nobody))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	require.NoError(t, err, problem.String())
	require.Contains(t, string(out), "looked")
	require.NotContains(t, string(out), "opened")
	require.NotContains(t, string(out), "listed")
	require.Contains(t, string(out), "HUBSPOT_ACCESS_TOKEN=debrief-run-")
	require.NotContains(t, string(out), "DEBRIEF_")
	password, err := pgx.ParseConfig(sc.world.DatabaseURL())
	require.NoError(t, err)
	require.NotContains(t, string(out), url.QueryEscape(password.Password))
	for _, token := range sc.accessTokens() {
		require.NotContains(t, string(out), token)
	}
	left, err := filepath.Glob(filepath.Join(dir, "debrief-run-*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left on disk")
}

// The program's own way to end is the command's, and it has Debrief's help until then.
func TestSignalsReachTheProgram(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.mara()
	cmd := sc.program(binary(), "sh", "-c", `trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.1; done`)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "ready", lines.Text())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.True(t, lines.Scan())
	require.Equal(t, "told", lines.Text())
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 3, exit.ExitCode())
}
