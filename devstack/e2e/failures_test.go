package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/freeport"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// The types that Debrief writes to.
var writtenTypes = []string{"companies", "contacts", "deals", "tickets", "meetings", "notes", "tasks"}

// census counts the records of each type.
func (sc *scene) census() map[string]int {
	counts := map[string]int{}
	for _, objectType := range writtenTypes {
		counts[objectType] = len(sc.world.Simulator.Records(sc.HubID, objectType))
	}
	return counts
}

// allowAll lets everything be written without a question.
func (sc *scene) allowAll() {
	sc.t.Helper()
	args := []string{"tools", "set", "allow"}
	for _, tool := range policy.Tools() {
		args = append(args, tool.Tool.String())
	}
	sc.run(args...)
}

// audited requires that the trail tells of every record that was created, and
// that no write's row was left open.
func (sc *scene) audited() {
	sc.t.Helper()
	var trail []store.AuditEntry
	require.NoError(sc.t, sc.JSON(sc.ctx, &trail, "audit", "list", "--limit", "1000"))
	told := map[string]int{}
	for _, e := range trail {
		if e.Kind != store.AuditCall {
			continue
		}
		if e.Tool.Operation == policy.Create && e.Outcome == store.Done && e.RecordID != "" {
			told[e.RecordID]++
		}
	}
	for _, w := range sc.world.Simulator.Writes() {
		if w.HubID == sc.HubID && w.Operation == "create" {
			require.NotZero(sc.t, told[w.ID], "the trail does not tell of the creation of a record of %s", w.ObjectType)
		}
	}
	f := sc.followUp()
	for _, a := range f.Actions {
		require.NotEqual(sc.t, store.ActionWriting, a.State)
		require.NotEqual(sc.t, store.ActionUnknown, a.State)
	}
}

// scenes makes several.
func (w *world) scenes(t *testing.T, n int) []*scene {
	t.Helper()
	all := make([]*scene, n)
	for i := range all {
		all[i] = w.scene(t)
	}
	return all
}

// isClosed says whether the organization's only follow-up has ended.
func (sc *scene) isClosed() bool {
	sc.t.Helper()
	list, err := sc.world.store.FollowUps(sc.ctx, sc.org, 10)
	require.NoError(sc.t, err)
	require.LessOrEqual(sc.t, len(list), 1)
	return len(list) == 1 && list[0].State == "closed"
}

// judge answers what is asked, as a person would: a lost outcome by looking into
// HubSpot, anything else by approving it.
func (sc *scene) judge() {
	sc.t.Helper()
	pending, err := sc.Approvals(sc.ctx, "pending")
	require.NoError(sc.t, err)
	for _, p := range pending {
		answer := "approve"
		if p.Kind == "outcome" && sc.holds(p.Action) {
			answer = "reject"
		}
		// A question may be withdrawn before the answer comes: then it comes anew.
		_, _ = sc.Run(sc.ctx, "approvals", answer, p.ID.String())
	}
}

// holds says whether HubSpot has what an action would create.
func (sc *scene) holds(a store.Action) bool {
	plural := map[string]string{
		"company": "companies", "contact": "contacts", "deal": "deals", "ticket": "tickets", "meeting": "meetings", "note": "notes", "task": "tasks",
	}[a.Tool.Object]
	return slices.ContainsFunc(sc.world.Simulator.Records(sc.HubID, plural), func(r hubspottest.Record) bool {
		for _, name := range []string{"domain", "email", "dealname", "subject", "hs_meeting_title", "hs_task_subject"} {
			if want := a.Content.Properties[name]; want != "" && r.Properties[name] != want {
				return false
			}
		}
		return true
	})
}

// A killing is one moment at which the worker dies.
type killing struct {
	endpoint string // method and path, as the simulator counts calls
	nth      int    // which of a follow-up's calls to it, from 0
	after    bool   // HubSpot has done it, and nobody was told
}

func (k killing) String() string {
	moment := "before"
	if k.after {
		moment = "after"
	}
	return fmt.Sprintf("%s call %d of %s", moment, k.nth+1, k.endpoint)
}

// fault holds the call until the worker is dead.
func (k killing) fault(hubID int64) hubspottest.Fault {
	method, path, _ := strings.Cut(k.endpoint, " ")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = "*"
		}
	}
	return hubspottest.Fault{
		Method: method, Path: strings.Join(parts, "/"), HubID: hubID, Skip: k.nth,
		Latency: time.Hour, CutBeforeCommit: !k.after, CutAfterCommit: k.after,
	}
}

// killings are all moments around the calls that a follow-up makes: before each,
// and after each that changes something.
func killings(calls map[string]int) []killing {
	var all []killing
	for _, endpoint := range slices.Sorted(maps.Keys(calls)) {
		changes := !strings.HasPrefix(endpoint, "GET ") && !strings.HasSuffix(endpoint, "/search") && !strings.HasSuffix(endpoint, "/batch/read")
		for nth := range calls[endpoint] {
			all = append(all, killing{endpoint, nth, false})
			if changes {
				all = append(all, killing{endpoint, nth, true})
			}
		}
	}
	return all
}

func (sc *scene) calls() map[string]int {
	counts := map[string]int{}
	for _, c := range sc.world.Simulator.Calls() {
		if c.HubID == sc.HubID {
			counts[c.Endpoint] = c.Count
		}
	}
	return counts
}

// promoted is call with a change of a contact whom HubSpot knows.
func promoted(instance string) map[string]any {
	event := call(instance)
	data := event["data"].(map[string]any)
	data["proposed_actions"] = append(data["proposed_actions"].([]map[string]any), map[string]any{
		"tool": "contact.update", "ref": "ines", "target": map[string]any{"email": "ines@harrowmills.example"},
		"properties": map[string]any{"jobtitle": "Chief Operating Officer"},
		"evidence":   []map[string]any{{"quote": "I am Chief Operating Officer now", "speaker": "Ines Castell"}},
	})
	return event
}

// The worker is killed between any two steps: before each call to HubSpot, after
// each that changed something, while questions wait, and between an answer and
// its write. Whatever was under way ends as if nothing had happened: no record
// twice, none missing.
func TestTheWorkerIsKilledBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	// All moments are reached before the kill: a call may hang for that long.
	w := own(t, devstack.Options{NoUI: true, Env: []string{"DEBRIEF_HUBSPOT_CALL_TIMEOUT=60s"}})

	undisturbed := w.scenes(t, 1)[0]
	undisturbed.allowAll()
	w.Simulator.ResetCalls()
	undisturbed.post("msg-1", promoted("call-1"))
	undisturbed.closed(1)
	want, moments := undisturbed.census(), killings(undisturbed.calls())
	require.Equal(t, map[string]int{"companies": 2, "contacts": 2, "deals": 2, "tickets": 1, "meetings": 1, "notes": 1, "tasks": 1}, want)
	t.Logf("%d moments: %v", len(moments), moments)

	all := w.scenes(t, len(moments)+2)
	waiting, answered, running := all[0], all[1], all[2:]
	for _, sc := range all[:2] {
		sc.post("msg-1", promoted("call-1"))
	}
	for i, sc := range running {
		sc.allowAll()
		w.Simulator.Inject(moments[i].fault(sc.HubID))
	}
	open := waiting.asked(5)
	decided := answered.asked(5)
	w.Simulator.Inject(killing{endpoint: "POST /crm/objects/2026-09/companies"}.fault(answered.HubID))
	for _, p := range decided {
		answered.run("approvals", "approve", p.ID.String())
	}
	for _, sc := range running {
		sc.post("msg-1", promoted("call-1"))
	}
	waiting.eventually("every follow-up to hang in its call", func() bool {
		return len(w.Simulator.Faults()) == 0
	})
	require.NoError(t, w.Worker().Kill())
	waiting.run("approvals", "approve", about(t, open, "deal.create").ID.String())

	// The simulator is not still working on what it was sent: no need to wait for it.
	w.startWorker(t, "DEBRIEF_HUBSPOT_CALL_TIMEOUT=2s", "DEBRIEF_HUBSPOT_LATE_COMMIT=1s")
	left := slices.Clone(all)
	waiting.eventually("all follow-ups to end", func() bool {
		left = slices.DeleteFunc(left, func(sc *scene) bool {
			if sc.isClosed() {
				return true
			}
			sc.judge()
			return false
		})
		return len(left) == 0
	})
	for i, sc := range all {
		moment := "while waiting, or between answer and write"
		if i >= 2 {
			moment = moments[i-2].String()
		}
		require.Equal(t, want, sc.census(), moment)
		require.Equal(t, "Chief Operating Officer", sc.records("contacts", "email")["ines@harrowmills.example"][0].Properties["jobtitle"], moment)
		sc.audited()
	}
}

// The worker is killed when Postgres knows what was done and Temporal does not:
// nothing is planned or written again.
func TestTheWorkerIsKilledBeforeItTellsTemporal(t *testing.T) {
	t.Parallel()
	w := own(t, devstack.Options{NoUI: true, Env: []string{"DEBRIEF_HUBSPOT_CALL_TIMEOUT=30s"}})
	writing, planning := w.scene(t), w.scene(t)
	writing.allowAll()
	planning.allowAll()
	conn, err := pgx.Connect(writing.ctx, w.DatabaseURL())
	require.NoError(t, err)
	defer func() { _ = conn.Close(writing.ctx) }()
	count := func(query string) (n int) {
		require.NoError(t, conn.QueryRow(writing.ctx, query).Scan(&n))
		return n
	}

	// One is in the middle of its last call to HubSpot, and has yet to record
	// how it ended.
	w.Simulator.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/deals", HubID: writing.HubID, Latency: 8 * time.Second})
	writing.post("msg-1", call("call-1"))
	writing.eventually("all but the deal to be written", func() bool {
		return len(w.Simulator.Faults()) == 0 && count(`select count(*) from actions where state = 'written'`) == 6
	})
	held, err := conn.Begin(writing.ctx)
	require.NoError(t, err)
	_, err = held.Exec(writing.ctx, `lock table actions in share row exclusive mode`)
	require.NoError(t, err)
	// The other has its plan, and has yet to store it.
	planning.post("msg-1", call("call-1"))
	writing.eventually("both to wait for Postgres", func() bool {
		return count(`select count(*) from pg_locks where relation = 'actions'::regclass and not granted`) == 2
	})
	require.NoError(t, w.Temporal.Down())
	require.NoError(t, held.Rollback(writing.ctx))
	writing.eventually("both to be in Postgres", func() bool {
		return count(`select count(*) from actions where state = 'written'`) == 7 && count(`select count(*) from actions`) == 14
	})
	require.NoError(t, w.Worker().Kill())
	require.NoError(t, w.Temporal.Up(writing.ctx))
	require.NoError(t, w.StartWorker(writing.ctx))
	for _, sc := range []*scene{writing, planning} {
		f := sc.closed(1)
		require.Equal(t, map[store.ActionState]int{store.ActionWritten: len(f.Actions)}, f.Report.Actions)
		require.Equal(t, map[string]int{"companies": 2, "contacts": 2, "deals": 2, "tickets": 1, "meetings": 1, "notes": 1, "tasks": 1}, sc.census())
		sc.audited()
	}
}

// startWorker starts the worker with other settings, in place of the stack's own.
func (w *world) startWorker(t *testing.T, env ...string) {
	t.Helper()
	w.startBeside(t, "worker", w.Ports.Worker, env...)
}

// startBeside starts another process of Debrief, and waits until it is ready.
func (w *world) startBeside(t *testing.T, command string, port int, env ...string) {
	t.Helper()
	p, err := process.Start(process.Options{
		Name: "another " + command, Path: binary(), Args: []string{command}, Env: append(w.Env(), env...), Output: w.logs,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Stop(20*time.Second)) })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, p.WaitReady(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", port)))
}

// What Debrief needs is away for a while: nothing that it acknowledged is lost,
// and what it can't keep it does not acknowledge.
func TestTemporalThenPostgresThenTheWorkerAreAway(t *testing.T) {
	t.Parallel()
	w := own(t, devstack.Options{NoUI: true})
	running, later, asking := w.scene(t), w.scene(t), w.scene(t)
	running.allowAll()
	later.allowAll()

	require.NoError(t, w.Temporal.Down())
	running.post("msg-1", call("call-1"))
	var kept []store.Delivery
	require.NoError(t, running.JSON(running.ctx, &kept, "deliveries", "list"))
	require.Len(t, kept, 1)
	require.Empty(t, running.followUp().Actions)
	require.NoError(t, w.Temporal.Up(running.ctx))
	running.closed(1)
	want := running.census()
	require.Equal(t, 2, want["deals"])

	asking.post("msg-1", call("call-1"))
	pending := asking.asked(4)
	require.NoError(t, w.Postgres.Stop())
	body, err := json.Marshal(call("call-1"))
	require.NoError(t, err)
	for range 2 {
		status, err := later.Post(later.ctx, "msg-1", body)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, status, "platforms send a 5xx again, and never a 4xx")
	}
	require.NoError(t, w.StartPostgres(later.ctx))
	require.NoError(t, w.openStore(later.ctx))
	later.eventually("the receiver to take webhooks again", func() bool {
		status, err := later.Post(later.ctx, "msg-1", body)
		return err == nil && status < 300
	})
	later.closed(1)
	require.Equal(t, want, later.census())

	require.NoError(t, w.Worker().Stop(20*time.Second))
	for _, p := range pending {
		asking.run("approvals", "approve", p.ID.String())
	}
	decided, err := asking.Approvals(asking.ctx, "approved")
	require.NoError(t, err)
	require.Len(t, decided, 4, "decisions are recorded with no worker up")
	require.Len(t, asking.records("deals", "dealname"), 1, "nothing is written with no worker up")
	require.NoError(t, w.StartWorker(asking.ctx))
	asking.closed(1)
	require.Equal(t, want, asking.census())
	asking.audited()
}

// A refused refresh makes the follow-up wait, and connecting again makes it go on
// where it was. Nobody else notices.
func TestARefusedRefreshPausesAndReconnectingResumes(t *testing.T) {
	t.Parallel()
	w := own(t, devstack.Options{NoUI: true})
	sc, other := w.scene(t), w.scene(t)
	var apps []store.App
	require.NoError(t, sc.JSON(sc.ctx, &apps, "apps", "list"))
	require.Len(t, apps, 1)
	sc.post("msg-1", call("call-1"))
	other.post("msg-1", call("call-1"))
	pending, others := sc.asked(4), other.asked(4)
	sc.eventually("what is allowed to be written", func() bool {
		return sc.census()["meetings"] == 1 && sc.census()["tasks"] == 1
	})

	w.Simulator.Advance(31 * time.Minute) // access tokens end after thirty
	w.Simulator.RevokeGrants(sc.HubID, apps[0].ClientID)
	for _, p := range pending {
		sc.run("approvals", "approve", p.ID.String())
	}
	sc.eventually("the follow-up to wait for its connection", func() bool {
		f := sc.followUp()
		return f.State == "open" && f.PausedSince != nil
	})
	connection := func() store.Connection {
		var connections []store.Connection
		require.NoError(t, sc.JSON(sc.ctx, &connections, "connections", "list"))
		require.Len(t, connections, 1)
		return connections[0]
	}
	require.Equal(t, store.NeedsReconnect, connection().State)
	require.Empty(t, sc.records("deals", "dealname")["Harrow Mills: Lyon rollout"])

	for _, p := range others {
		other.run("approvals", "approve", p.ID.String())
	}
	require.Nil(t, other.closed(1).PausedSince)
	require.Empty(t, sc.records("deals", "dealname")["Harrow Mills: Lyon rollout"], "it still waits")

	require.NoError(t, sc.Connect(sc.ctx))
	require.Equal(t, store.Connected, connection().State)
	require.Nil(t, sc.closed(1).PausedSince)
	require.Equal(t, other.census(), sc.census())
	sc.audited()
}

// HubSpot is busy, locked, being migrated, and loses answers: each call is made
// again when that is right, and no record is made twice.
func TestHubSpotIsUnwellForAWhile(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.allowAll()
	objects := func(path string) string { return "/crm/objects/2026-09/" + path }
	for _, fault := range []hubspottest.Fault{
		{Path: objects("companies/search"), Status: http.StatusServiceUnavailable},
		{Path: objects("contacts/batch/read"), Status: http.StatusTooManyRequests},
		{Path: objects("contacts"), Status: http.StatusTooManyRequests, Times: 2, Header: map[string]string{"Retry-After": "1"}},
		{Path: objects("companies"), Status: http.StatusLocked, Times: 2},
		{Path: objects("deals"), Status: 477, Header: map[string]string{"Retry-After": "1"}},
		{Path: objects("tickets"), Status: http.StatusServiceUnavailable},
		{Path: objects("meetings"), CutAfterCommit: true},
		{Path: objects("notes"), TruncateBody: true},
		{Path: objects("tasks"), Status: http.StatusGatewayTimeout, AnswerAfterCommit: true},
	} {
		fault.Method, fault.HubID = http.MethodPost, sc.HubID
		sc.world.Simulator.Inject(fault)
	}
	sc.post("msg-1", call("call-1"))
	f := sc.closed(1)
	for _, left := range sc.world.Simulator.Faults() {
		require.NotEqual(t, sc.HubID, left.HubID, "%s %s went well at once", left.Method, left.Path)
	}
	require.Equal(t, map[string]int{"companies": 2, "contacts": 2, "deals": 2, "tickets": 1, "meetings": 1, "notes": 1, "tasks": 1}, sc.census())
	require.Equal(t, map[store.ActionState]int{store.ActionWritten: len(f.Actions)}, f.Report.Actions)
	asked, err := sc.Approvals(sc.ctx, "all")
	require.NoError(t, err)
	require.Empty(t, asked, "nobody had to be asked")
	sc.audited()
}

// Two receivers and two workers do what one does: the same events reach both,
// several times, and each record is made once.
func TestTwoReceiversAndTwoWorkers(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.allowAll()
	sc.world.Simulator.Configure(sc.HubID, func(s *hubspottest.Settings) { s.NoRateLimits = true })
	ports, err := freeport.Find(2)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	sc.world.startBeside(t, "serve", ports[0], "DEBRIEF_LISTEN="+address)
	sc.world.startBeside(t, "worker", ports[1], fmt.Sprintf("DEBRIEF_HEALTH_LISTEN=127.0.0.1:%d", ports[1]))
	second := *sc.Scene
	second.SourceURL = "http://" + address + strings.TrimPrefix(sc.SourceURL, sc.world.PublicURL())

	const meetings = 4
	var wg sync.WaitGroup
	answers := make(chan error, 4*meetings)
	for i := range meetings {
		event := call(fmt.Sprintf("call-%d", i))
		data := event["data"].(map[string]any)
		start := time.Now().Add(-time.Duration(3+2*i) * time.Hour).UTC().Truncate(time.Minute)
		data["actual_start"], data["actual_end"] = start.Format(time.RFC3339), start.Add(30*time.Minute).Format(time.RFC3339)
		data["title"] = fmt.Sprintf("Rollout, part %d", i)
		// Each its own: what another meeting has made already would be a question.
		proposed := data["proposed_actions"].([]map[string]any)
		proposed[0]["properties"] = map[string]any{"dealname": fmt.Sprintf("Lyon, part %d", i), "amount": "100", "deal_currency_code": "EUR"}
		proposed[1]["properties"] = map[string]any{"subject": fmt.Sprintf("SSO login loops, part %d", i)}
		delete(proposed[0], "evidence") // of other names and amounts
		delete(proposed[1], "evidence")
		require.NoError(t, devstack.Quoted(data))
		body, err := json.Marshal(event)
		require.NoError(t, err)
		for n := range 4 {
			receiver := []*devstack.Scene{sc.Scene, &second}[n%2]
			wg.Go(func() {
				// The same delivery at both, and the same event as another delivery.
				status, err := receiver.Post(sc.ctx, fmt.Sprintf("msg-%d-%d", i, n/2), body)
				if err == nil && status >= 300 {
					err = fmt.Errorf("the receiver answers %d", status)
				}
				answers <- err
			})
		}
	}
	wg.Wait()
	for range 4 * meetings {
		require.NoError(t, <-answers)
	}
	sc.eventually("every follow-up to end", func() bool {
		var all []store.FollowUp
		require.NoError(t, sc.JSON(sc.ctx, &all, "follow-ups", "list"))
		require.LessOrEqual(t, len(all), meetings)
		return len(all) == meetings && !slices.ContainsFunc(all, func(f store.FollowUp) bool { return f.State != "closed" })
	})
	require.Equal(t, map[string]int{
		"companies": 2, "contacts": 2, "deals": 1 + meetings, "tickets": meetings, "meetings": meetings, "notes": meetings, "tasks": meetings,
	}, sc.census())
}
