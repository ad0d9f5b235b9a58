package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

var (
	stack  *devstack.Stack
	window *chromium
	output logs
)

// logs are what the processes under test said.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	binary := os.Getenv("DEBRIEF_BINARY")
	if binary == "" {
		_, file, _, _ := runtime.Caller(0)
		binary = filepath.Join(filepath.Dir(file), "..", "..", "bin", "debrief")
	}
	if _, err := os.Stat(binary); err != nil {
		return 1, fmt.Errorf("the debrief binary is missing: `make build`, or `make test` which does so: %w", err)
	}
	if window, err = startChromium(); err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := window.stop(); err == nil {
			err = stopErr
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if stack, err = devstack.Start(ctx, devstack.Options{Debrief: binary, Fast: true, Prepare: devstack.Prepare, Output: &output}); err != nil {
		return 1, fmt.Errorf("%w\n%s", err, &output)
	}
	defer func() {
		if stopErr := stack.Stop(); err == nil {
			err = stopErr
		}
	}()
	return m.Run(), nil
}

var hubs atomic.Int64

// scene is an organization under test, with somebody's browser.
type scene struct {
	*devstack.Scene
	*page

	t   *testing.T
	ctx context.Context //nolint:containedctx // a test's
}

// newScene makes an organization that is not connected yet.
func newScene(t *testing.T) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	made, err := stack.NewScene(ctx, "brightwater-"+uuid.NewString()[:8], 6_000_000+hubs.Add(1))
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(output.String())
		}
	})
	return &scene{Scene: made, page: window.page(ctx, t), t: t, ctx: ctx}
}

// connected is a scene with a connection and the recommended permissions.
func connected(t *testing.T) *scene {
	t.Helper()
	sc := newScene(t)
	require.NoError(t, sc.Connect(sc.ctx))
	sc.run("tools", "preset", "recommended")
	return sc
}

func (sc *scene) run(args ...string) {
	sc.t.Helper()
	_, err := sc.Run(sc.ctx, args...)
	require.NoError(sc.t, err)
}

func (sc *scene) eventually(what string, check func() bool) {
	sc.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		require.True(sc.t, time.Now().Before(deadline) && sc.ctx.Err() == nil, "waited in vain for: %s", what)
		<-tick.C
	}
}

// asked waits until so many questions are pending, and returns the one about a
// tool.
func (sc *scene) asked(n int, tool string) store.Approval {
	sc.t.Helper()
	var pending []store.Approval
	sc.eventually(fmt.Sprintf("%d questions", n), func() bool {
		var err error
		pending, err = sc.Approvals(sc.ctx, "pending")
		require.NoError(sc.t, err)
		return len(pending) == n
	})
	about := sc.pending(tool)
	require.NotEmpty(sc.t, about, "nothing asks about %s", tool)
	return about[0]
}

// pending are the questions about a tool.
func (sc *scene) pending(tool string) []store.Approval {
	sc.t.Helper()
	pending, err := sc.Approvals(sc.ctx, "pending")
	require.NoError(sc.t, err)
	return slices.DeleteFunc(pending, func(p store.Approval) bool { return p.Action.Tool.String() != tool })
}

// workflow waits for the organization's follow-up and returns its page in the
// Temporal UI.
func (sc *scene) workflow() string {
	sc.t.Helper()
	var id string
	sc.eventually("a follow-up", func() bool {
		all, err := sc.FollowUps(sc.ctx)
		require.NoError(sc.t, err)
		if len(all) == 1 {
			id = all[0].WorkflowID
		}
		return id != ""
	})
	return stack.TemporalUIURL() + "/namespaces/" + devstack.Namespace + "/workflows/" + id
}

// signIn signs the browser in as a person does: by the link that the command
// prints.
func (sc *scene) signIn() {
	sc.t.Helper()
	out, err := stack.Run(sc.ctx, "sign-in", "--json")
	require.NoError(sc.t, err)
	var link struct{ URL string }
	require.NoError(sc.t, json.Unmarshal(out, &link))
	sc.open(link.URL)
	sc.click("button", "Sign in")
	sc.until("the Temporal UI", "location.origin === "+quote(stack.TemporalUIURL()))
}

// holds returns the account's records of a type with that value.
func (sc *scene) holds(objectType, property, value string) []hubspottest.Record {
	var found []hubspottest.Record
	for _, r := range stack.Simulator.Records(sc.HubID, objectType) {
		if r.Properties[property] == value {
			found = append(found, r)
		}
	}
	return found
}

// post sends the notes of a meeting: Mara of Brightwater met Priya of Tidewell,
// whom HubSpot doesn't know. quince is a word that is said nowhere else.
func (sc *scene) post() {
	sc.t.Helper()
	sc.send(sc.meeting())
}

func (sc *scene) meeting() map[string]any {
	start := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Minute)
	return map[string]any{
		"keys":  map[string]any{"instance_id": "browser-" + sc.Organization},
		"title": "Cold storage for the quince harvest", "actual_start": start.Format(time.RFC3339), "actual_end": start.Add(30 * time.Minute).Format(time.RFC3339),
		"organizer": map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
		"attendees": []map[string]any{
			{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
			{"name": "Ines Castell", "email": "ines@harrowmills.example", "role": "invitee", "attended": true},
			{"name": "Priya Nair", "email": "priya@tidewell.example", "role": "guest", "attended": true, "job_title": "Rollout Lead"},
		},
		"summary": map[string]any{"format": "markdown", "text": "Harrow Mills wants cold storage before the quince harvest."},
		"proposed_actions": []map[string]any{{
			"tool": "deal.create", "ref": "storage", "properties": map[string]any{"dealname": "Harrow Mills: quince storage", "amount": "48000"},
			"associate_with": []map[string]any{{"domain": "harrowmills.example"}, {"email": "ines@harrowmills.example"}},
			"evidence":       []map[string]any{{"quote": "Storage would be a deal of forty-eight thousand euros", "speaker": "Ines Castell"}},
		}},
	}
}

// send sends the notes of a meeting with these details.
func (sc *scene) send(data map[string]any) {
	sc.t.Helper()
	require.NoError(sc.t, devstack.Quoted(data))
	body, err := json.Marshal(map[string]any{"type": "meeting.notes_ready", "timestamp": time.Now().UTC().Format(time.RFC3339), "data": data})
	require.NoError(sc.t, err)
	status, err := sc.Post(sc.ctx, uuid.NewString(), body)
	require.NoError(sc.t, err)
	require.Less(sc.t, status, 300)
}
