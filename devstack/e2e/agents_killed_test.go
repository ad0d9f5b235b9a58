package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// The worker, the server and the agent itself are killed in the middle of a call: each
// write happens once, and whoever makes the same call again learns how it went.
func TestAnAgentsCallsOutliveEverybody(t *testing.T) {
	t.Parallel()
	w := own(t, devstack.Options{NoUI: true, Env: []string{"DEBRIEF_HUBSPOT_CALL_TIMEOUT=60s"}})
	sc := w.scene(t)
	sc.permit("contact.read", "allow", "contact.create", "allow", "company.read", "allow", "company.update", "allow", "deal.read", "allow", "deal.create", "allow")
	token := sc.token(sc.mara(), time.Hour)
	connect := func() *agent { return sc.agent(sc.overHTTP(token, http.DefaultTransport)) }
	a := connect()
	company := sc.records("companies", "domain")["harrowmills.example"][0].ID
	calls := []struct {
		tool      string
		arguments map[string]any
		hangs     killing
	}{
		{
			"contact_create", map[string]any{"properties": map[string]any{"email": "priya@tidewell.example"}, "key": "priya"},
			killing{"POST /crm/objects/2026-09/contacts", 0, true},
		},
		{
			"deal_create", map[string]any{
				"properties":   map[string]any{"dealname": "Lyon", "pipeline": "default", "dealstage": "qualifiedtobuy"},
				"associations": []any{map[string]any{"object": "company", "id": company}}, "key": "lyon",
			},
			killing{"POST /crm/objects/2026-09/deals", 0, false},
		},
	}

	// HubSpot has made the contact and told nobody, and has yet to make the deal, when
	// the worker dies.
	before := make([]agents.Result, len(calls))
	var calling sync.WaitGroup
	for i, c := range calls {
		w.Simulator.Inject(c.hangs.fault(sc.HubID))
		calling.Go(func() { _ = a.call(c.tool, c.arguments, &before[i]) })
	}
	sc.eventually("both to hang", func() bool { return len(w.Simulator.Faults()) == 0 })
	require.NoError(t, w.Worker().Kill())
	w.startWorker(t, "DEBRIEF_HUBSPOT_CALL_TIMEOUT=5s", "DEBRIEF_HUBSPOT_LATE_COMMIT=1s")
	calling.Wait()
	after := make([]agents.Result, len(calls))
	for i, c := range calls {
		require.Empty(t, a.call(c.tool, c.arguments, &after[i]), c.tool)
		require.Equal(t, before[i].CallID, after[i].CallID, c.tool)
		// Where HubSpot can't tell whether it was made, a person looks.
		sc.eventually(c.tool+" to be over", func() bool {
			for _, p := range sc.pending() {
				require.Equal(t, "outcome", p.Kind, c.tool)
			}
			sc.judge()
			actions, err := w.store.ActionsOf(sc.ctx, sc.org, after[i].CallID)
			require.NoError(t, err)
			return len(actions) == 1 && actions[0].State.Settled()
		})
		after[i] = a.over(after[i].CallID)
		require.Equal(t, store.ActionWritten, after[i].State, "%s: %s", c.tool, after[i].Reason)
		require.Equal(t, after[i], a.write(c.tool, c.arguments), c.tool)
	}
	require.Equal(t, sc.records("contacts", "email")["priya@tidewell.example"][0].ID, after[0].RecordID)
	require.Len(t, sc.records("deals", "dealname")["Lyon"], 1)
	require.Equal(t, map[string]int{"contacts create": 1, "deals create": 1}, counted(sc.writes()))

	// The server dies while the worker writes, and so does an agent's own.
	slow := hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/contacts", HubID: sc.HubID, Latency: 2 * time.Second}
	begun := func() bool { return len(w.Simulator.Faults()) == 0 }
	noah := map[string]any{"properties": map[string]any{"email": "noah@tidewell.example"}, "key": "noah"}
	w.Simulator.Inject(slow)
	var lost agents.Result
	calling.Go(func() { _ = a.call("contact_create", noah, &lost) })
	sc.eventually("the call to be made", begun)
	require.NoError(t, w.Serve().Kill())
	calling.Wait()
	require.Empty(t, lost.State, "nobody answered")
	require.NoError(t, w.StartServe(sc.ctx))
	a = connect()
	require.Equal(t, store.ActionWritten, a.over(a.write("contact_create", noah).CallID).State)

	lena := map[string]any{"properties": map[string]any{"email": "lena@tidewell.example"}, "key": "lena"}
	program := sc.overPipes()
	own := sc.agent(&mcp.CommandTransport{Command: program})
	w.Simulator.Inject(slow)
	calling.Go(func() { _ = own.call("contact_create", lena, &lost) })
	sc.eventually("the call to be made", begun)
	require.NoError(t, program.Process.Kill())
	calling.Wait()
	require.Empty(t, lost.State, "nobody answered")
	require.Equal(t, store.ActionWritten, a.over(a.write("contact_create", lena).CallID).State)
	require.Equal(t, map[string]int{"contacts create": 3, "deals create": 1}, counted(sc.writes()))
}
