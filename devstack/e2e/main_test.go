// Package e2e proves Debrief end to end: the real binary, PostgreSQL and
// Temporal server, with HubSpot simulated.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
	"github.com/debriefhq/debrief/webhooks"
	"github.com/debriefhq/debrief/workflows"
)

// binary is the debrief that ships: the one that DEBRIEF_BINARY names, or else
// bin/debrief. `make test` builds it with the race detector.
func binary() string {
	if path := os.Getenv("DEBRIEF_BINARY"); path != "" {
		return path
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "bin", "debrief")
}

// logs of the processes under test go here, to be searched for secrets.
type logs struct {
	mu    sync.Mutex
	lines []byte
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, p...)
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.lines)
}

// world is a stack with what it logged. Tests look into its database themselves:
// each command is a process of its own, and looking again and again by commands
// would be most of what the suite does.
type world struct {
	*devstack.Stack

	logs  *logs
	store *store.Store
}

// start brings a stack up, for one test or for all.
func start(options devstack.Options) (*world, error) {
	if _, err := os.Stat(binary()); err != nil {
		return nil, fmt.Errorf("the debrief binary is missing: `make build`, or `make test` which does so: %w", err)
	}
	w := &world{logs: &logs{}}
	options.Debrief, options.Fast, options.Prepare, options.Output = binary(), true, devstack.Prepare, w.logs
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stack, err := devstack.Start(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, w.logs)
	}
	w.Stack = stack
	if err := w.openStore(ctx); err != nil {
		return nil, errors.Join(err, stack.Stop())
	}
	return w, nil
}

// openStore opens the stack's database, also anew when it was away.
func (w *world) openStore(ctx context.Context) error {
	if w.store != nil {
		w.store.Close()
	}
	keyset := ""
	for _, entry := range w.Env() {
		if file, ok := strings.CutPrefix(entry, "DEBRIEF_KEYSET_FILE="); ok {
			keyset = file
		}
	}
	v, err := vault.Load(keyset, "")
	if err != nil {
		return err
	}
	w.store, err = store.Open(ctx, store.Options{URL: w.DatabaseURL(), Vault: v, Name: "e2e", MaxConnections: 8})
	return err
}

// shared is the stack that most tests use side by side, each with an
// organization and a HubSpot account of its own.
var shared *world

func TestMain(m *testing.M) {
	var err error
	if shared, err = start(devstack.Options{NoUI: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	shared.store.Close()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// own starts a stack for one test alone, because the test breaks it.
func own(t *testing.T, options devstack.Options) *world {
	t.Helper()
	w, err := start(options)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.logs)
		}
		w.store.Close()
		require.NoError(t, w.Stop())
	})
	return w
}

var hubs atomic.Int64

// scene makes a connected organization with the recommended permissions.
func (w *world) scene(t *testing.T) *scene {
	t.Helper()
	sc := w.unconnected(t)
	sc.connect()
	return sc
}

// connect connects HubSpot in a browser's stead.
func (sc *scene) connect() {
	sc.t.Helper()
	apps, err := sc.world.store.Apps(sc.ctx, sc.org)
	require.NoError(sc.t, err)
	service := connections.New(sc.world.store, connections.Options{PublicURL: sc.world.PublicURL()})
	login, err := service.BeginLogin(sc.ctx, connections.LoginRequest{OrganizationID: sc.org, AppID: apps[0].ID, Name: "hubspot"}, store.Operator)
	require.NoError(sc.t, err)
	require.NoError(sc.t, sc.Follow(sc.ctx, login.URL))
}

func (w *world) unconnected(t *testing.T) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	made := &devstack.Scene{Organization: "org-" + uuid.NewString()[:8], HubID: 5_000_000 + hubs.Add(1), ZoomSecret: uuid.NewString()}
	made.On(w.Stack)
	require.NoError(t, devstack.AddAccount(w.Simulator, made.HubID))
	o, err := w.store.CreateOrganization(ctx, made.Organization, []string{"brightwater.example"}, store.Settings{}, store.Operator)
	require.NoError(t, err)
	_, err = w.store.CreateApp(ctx, store.App{OrganizationID: o.ID, Name: "hubspot", Level: store.AccountLevel, ClientID: devstack.ClientID}, devstack.ClientSecret, store.Operator)
	require.NoError(t, err)
	made.SourceSecret, err = webhooks.NewStandardSecret()
	require.NoError(t, err)
	source := func(platform, secret string) string {
		made, err := w.store.CreateSource(ctx, store.NewSource{OrganizationID: &o.ID, Platform: platform, Name: platform, Secrets: []store.Secret{store.Secret(secret)}}, store.Operator)
		require.NoError(t, err)
		return w.PublicURL() + "/webhooks/" + made.ID.String()
	}
	made.SourceURL, made.ZoomURL = source("debrief", made.SourceSecret), source("zoom", made.ZoomSecret)
	for _, preset := range policy.Presets() {
		if preset.Name == "recommended" {
			require.NoError(t, w.store.ApplyPreset(ctx, o.ID, preset.Permissions, store.Operator))
		}
	}
	return &scene{Scene: made, t: t, ctx: ctx, world: w, org: o.ID}
}

// scene is an organization under test.
type scene struct {
	*devstack.Scene

	t     *testing.T
	ctx   context.Context //nolint:containedctx // a test's
	world *world
	org   uuid.UUID
}

// FollowUps lists the organization's follow-ups with their actions.
func (sc *scene) FollowUps(ctx context.Context) ([]devstack.FollowUp, error) {
	list, err := sc.world.store.FollowUps(ctx, sc.org, 50)
	if err != nil {
		return nil, err
	}
	all := make([]devstack.FollowUp, len(list))
	for i, f := range list {
		all[i] = devstack.FollowUp{FollowUp: f, WorkflowID: workflows.FollowUpID(f.MeetingID)}
		if all[i].Actions, err = sc.world.store.ActionsOf(ctx, sc.org, f.MeetingID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Approvals lists the organization's questions in that state, or "all".
func (sc *scene) Approvals(ctx context.Context, state string) ([]store.Approval, error) {
	return sc.world.store.Approvals(ctx, sc.org, store.ApprovalFilter{State: store.ApprovalState(strings.TrimPrefix(state, "all")), Limit: 500})
}

func (sc *scene) run(args ...string) string {
	sc.t.Helper()
	out, err := sc.Run(sc.ctx, args...)
	require.NoError(sc.t, err)
	return string(out)
}

// eventually polls until check returns true. Nothing here sleeps to wait for
// something; it looks until it sees it, or a deadline.
func (sc *scene) eventually(what string, check func() bool) {
	sc.t.Helper()
	deadline := time.Now().Add(3 * time.Minute) // these machines are slow at times
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		if time.Now().After(deadline) {
			sc.t.Fatalf("waited in vain for: %s\n%s", what, sc.state())
		}
		select {
		case <-sc.ctx.Done():
			sc.t.Fatalf("the test's time is up while waiting for: %s\n%s", what, sc.state())
		case <-tick.C:
		}
	}
}

// state is what an operator would look at.
func (sc *scene) state() string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	all, _ := sc.FollowUps(ctx)
	text := ""
	for _, f := range all {
		text += fmt.Sprintf("follow-up %s: %s, round %d, paused %v\n", f.MeetingID, f.State, f.Round, f.PausedSince)
		for _, a := range f.Actions {
			text += fmt.Sprintf("  %-16s %-40s %-10s %s\n", a.Tool.Title(), a.Content.Label, a.State, a.Reason)
		}
	}
	out, _ := sc.Run(ctx, "deliveries", "list")
	return text + string(out)
}

// followUp returns the organization's only follow-up, as it is now.
func (sc *scene) followUp() devstack.FollowUp {
	sc.t.Helper()
	all, err := sc.FollowUps(sc.ctx)
	require.NoError(sc.t, err)
	require.LessOrEqual(sc.t, len(all), 1, "one meeting, one follow-up")
	if len(all) == 0 {
		return devstack.FollowUp{}
	}
	return all[0]
}

// closed waits until the follow-up of the round has closed.
func (sc *scene) closed(round int) devstack.FollowUp {
	sc.t.Helper()
	var f devstack.FollowUp
	sc.eventually(fmt.Sprintf("round %d to close", round), func() bool {
		f = sc.followUp()
		return f.State == "closed" && f.Round == round
	})
	return f
}

// asked waits until so many questions are pending, with nothing left to write.
func (sc *scene) asked(n int) []store.Approval {
	sc.t.Helper()
	var pending []store.Approval
	sc.eventually(fmt.Sprintf("%d questions", n), func() bool {
		var err error
		pending, err = sc.Approvals(sc.ctx, "pending")
		require.NoError(sc.t, err)
		return len(pending) == n
	})
	return pending
}

// about picks the question about a tool.
func about(t *testing.T, pending []store.Approval, tool string) store.Approval {
	t.Helper()
	for _, p := range pending {
		if p.Action.Tool.String() == tool {
			return p
		}
	}
	require.Failf(t, "no such question", "nothing asks about %s", tool)
	return store.Approval{}
}

// records are what the account holds of a type, by the value of a property.
func (sc *scene) records(objectType, property string) map[string][]hubspottest.Record {
	byValue := map[string][]hubspottest.Record{}
	for _, r := range sc.world.Simulator.Records(sc.HubID, objectType) {
		value := r.Properties[property]
		byValue[value] = append(byValue[value], r)
	}
	return byValue
}

// post sends an event and requires a 2xx.
func (sc *scene) post(id string, event map[string]any) {
	sc.t.Helper()
	require.NoError(sc.t, devstack.Quoted(event["data"].(map[string]any))) //nolint:forcetypeassert // made by the tests
	body, err := json.Marshal(event)
	require.NoError(sc.t, err)
	status, err := sc.Post(sc.ctx, id, body)
	require.NoError(sc.t, err)
	require.Less(sc.t, status, 300)
}

// call is a meeting that ended, with notes and proposals: Mara of Brightwater met
// Ines of Harrow Mills, whom HubSpot knows, and Priya of Tidewell, whom it doesn't.
func call(instance string) map[string]any {
	start := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Minute)
	return map[string]any{
		"type": "meeting.notes_ready", "timestamp": start.Add(time.Hour).Format(time.RFC3339),
		"data": map[string]any{
			"keys":  map[string]any{"instance_id": instance},
			"title": "Rollout and renewal", "actual_start": start.Format(time.RFC3339), "actual_end": start.Add(45 * time.Minute).Format(time.RFC3339),
			"organizer": map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
			"attendees": []map[string]any{
				{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
				{"name": "Ines Castell", "email": "ines@harrowmills.example", "role": "invitee", "attended": true},
				{"name": "Priya Nair", "email": "priya@tidewell.example", "role": "guest", "attended": true, "job_title": "Rollout Lead"},
			},
			"summary":      map[string]any{"format": "markdown", "text": "Harrow Mills rolls out in Lyon with Tidewell."},
			"next_steps":   map[string]any{"format": "markdown", "text": "- Mara sends the offer."},
			"action_items": []map[string]any{{"id": "offer", "text": "Send the offer for Lyon", "assignee_email": "mara@brightwater.example"}},
			"transcript": map[string]any{"status": "ready", "segments": []map[string]any{
				{"speaker": "Ines Castell", "start_s": 600, "text": "Lyon would be a deal of forty-eight thousand euros."},
				{"speaker": "Ines Castell", "start_s": 900, "text": "Please open a ticket, for new people the SSO login loops."},
			}},
			"proposed_actions": []map[string]any{
				{
					"tool": "deal.create", "ref": "lyon", "properties": map[string]any{"dealname": "Harrow Mills: Lyon rollout", "amount": "48000", "deal_currency_code": "EUR"},
					"associate_with": []map[string]any{{"domain": "harrowmills.example"}, {"email": "ines@harrowmills.example"}},
					"evidence":       []map[string]any{{"quote": "Lyon would be a deal of forty-eight thousand euros", "speaker": "Ines Castell"}},
				},
				{
					"tool": "ticket.create", "ref": "sso", "properties": map[string]any{"subject": "SSO login loops"},
					"associate_with": []map[string]any{{"email": "ines@harrowmills.example"}},
					"evidence":       []map[string]any{{"quote": "Please open a ticket, for new people the SSO login loops", "speaker": "Ines Castell"}},
				},
			},
		},
	}
}
