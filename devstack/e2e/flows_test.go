package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
	"github.com/debriefhq/debrief/webhooks"
)

// Promise 2: the same event, any number of times, at once and days apart, is one
// event.
func TestADuplicateDeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	body, err := json.Marshal(call("once"))
	require.NoError(t, err)
	header := sc.signed("msg-1", time.Now(), body)
	var answers [10]reply
	var errs [10]error
	var posts sync.WaitGroup
	for i := range answers {
		posts.Go(func() { answers[i], errs[i] = send(sc.ctx, sc.SourceURL, body, header) })
	}
	posts.Wait()
	statuses := map[string]int{}
	for i, got := range answers {
		require.NoError(t, errs[i])
		require.Equal(t, http.StatusOK, got.status)
		statuses[got.said(t).Status]++
	}
	require.Equal(t, map[string]int{"accepted": 1, "duplicate": 9}, statuses)

	pending := sc.asked(4)
	for _, p := range pending {
		sc.run("approvals", "approve", p.ID.String())
	}
	sc.closed(1)
	require.Equal(t, map[string]int{
		"companies create": 1, "contacts create": 1, "deals create": 1, "tickets create": 1,
		"meetings create": 1, "notes create": 1, "tasks create": 1,
	}, counted(sc.writes()))

	before := sc.writes()
	for range 3 {
		require.Equal(t, "duplicate", sc.ask(sc.SourceURL, body, sc.signed("msg-1", time.Now(), body)).said(t).Status)
	}
	// What was not kept can't have an effect: nobody but the relay acts on a
	// delivery, and it reads this table.
	require.Len(t, sc.deliveries("all"), 1)
	require.Equal(t, 1, sc.followUp().Round)
	require.Equal(t, before, sc.writes())
}

// Promise 2: whatever the order in which a meeting's events come, and even if
// some come only after the first round was written, the CRM ends up the same.
func TestAnyOrderOfAMeetingsEvents(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.run("organizations", "set", "--notes-wait", "3s")
	sc.run("tools", "set", "allow", "contact.create", "company.create", "contact.update", "company.update", "deal.update")
	keep := sc.openStore()

	seed := rand.Uint64() //nolint:gosec // a seed for an order
	if given := os.Getenv("DEBRIEF_TEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("the orders come from DEBRIEF_TEST_SEED=%d", seed)
	shuffle := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // an order, not a secret

	meetings := 8
	if given := os.Getenv("DEBRIEF_TEST_ORDERS"); given != "" {
		var err error
		meetings, err = strconv.Atoi(given)
		require.NoError(t, err)
	}
	orders := make([][]int, meetings) // of the events
	early := make([]int, meetings)    // how many of them come before the first round is planned
	for n := range meetings {
		orders[n] = shuffle.Perm(zoomEvents)
		if n == 0 {
			orders[n] = []int{0, 1, 2, 3, 4} // as they happen
		}
		early[n] = zoomEvents
		if n%2 == 1 {
			// The notes, and the rest after the round that they begin.
			early[n] = slices.Index(orders[n], zoomSummary) + 1
		}
		t.Logf("meeting %d: %v, then %v", n, orders[n][:early[n]], orders[n][early[n]:])
	}
	post := func(n int, events []int) {
		for _, e := range events {
			status, err := sc.PostZoom(sc.ctx, zoomEvent(t, n, e))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
		}
	}
	for n := range meetings {
		post(n, orders[n][:early[n]])
	}
	// A meeting is one, however many events told of it.
	meetingOf := func() map[string]store.Delivery {
		byInstance := map[string]store.Delivery{}
		for _, d := range sc.deliveries("understood") {
			require.Len(t, d.MeetingIDs, 1)
			instance := strings.Split(d.DedupeKey, "+")[2]
			if known, ok := byInstance[instance]; ok {
				require.Equal(t, known.MeetingIDs, d.MeetingIDs)
			}
			byInstance[instance] = d
		}
		return byInstance
	}
	for n := range meetings {
		if early[n] == zoomEvents {
			continue
		}
		sc.eventually(fmt.Sprintf("the first round of meeting %d", n), func() bool {
			d, ok := meetingOf()[zoomInstance(n)]
			if !ok {
				return false
			}
			f, err := keep.FollowUpOf(sc.ctx, *d.OrganizationID, d.MeetingIDs[0])
			return err == nil && f.Round >= 1
		})
	}
	for n := range meetings {
		post(n, orders[n][early[n]:])
	}
	sc.eventually("everything to be understood, planned and written", func() bool {
		if len(sc.deliveries("understood")) < meetings*zoomEvents {
			return false
		}
		for _, d := range meetingOf() {
			look, err := keep.LookAt(sc.ctx, *d.OrganizationID, d.MeetingIDs[0])
			require.NoError(t, err)
			f, err := keep.FollowUpOf(sc.ctx, *d.OrganizationID, d.MeetingIDs[0])
			require.NoError(t, err)
			if look.Next != store.NextDone || f.State != "closed" {
				return false
			}
		}
		return true
	})

	require.Len(t, meetingOf(), meetings)
	creates := counted(sc.writes())
	maps.DeleteFunc(creates, func(what string, _ int) bool { return !strings.HasSuffix(what, " create") })
	require.Equal(t, map[string]int{
		"companies create": meetings, "contacts create": meetings, "meetings create": meetings, "notes create": meetings,
	}, creates, "one of each for each meeting")

	want := sc.recordsOf(0)
	require.Len(t, want, 4)
	require.Contains(t, want["meetings"], "hs_meeting_start_time: 0s\n")
	require.Contains(t, want["meetings"], "hs_meeting_end_time: 40m0s\n")
	for _, timeline := range []string{"meetings", "notes"} {
		require.Contains(t, want[timeline], "on companies: Harrow Mills, guest's company\n")
		require.Contains(t, want[timeline], "on contacts: guest, ines@harrowmills.example\n")
		require.Contains(t, want[timeline], "on deals: Harrow Mills: reporting\n")
		require.Contains(t, want[timeline], "hubspot_owner_id: 8801\n")
	}
	require.Contains(t, want["contacts"], "on companies: guest's company\n")
	require.Contains(t, want["contacts"], "firstname: Petra\n")
	for n := 1; n < meetings; n++ {
		require.Equal(t, want, sc.recordsOf(n), "meeting %d: %v, then %v", n, orders[n][:early[n]], orders[n][early[n]:])
	}
}

// What is said after a follow-up has closed opens its next round: only the
// difference is written, and the workflow is the same one.
func TestASecondRoundAfterClosing(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	first := known("twice")
	sc.post("msg-1", first)
	f := sc.closed(1)
	before := sc.writes()
	require.Equal(t, map[string]int{"meetings create": 1, "notes create": 1, "tasks create": 1}, counted(before))

	sc.post("msg-2", later(t, first, func(data map[string]any) {
		data["summary"] = map[string]any{"format": "markdown", "text": "Harrow Mills rolls out in Nantes instead."}
		data["attendees"] = append(data["attendees"].([]any), map[string]any{"name": "Priya Nair", "email": "priya@tidewell.example", "attended": true})
	}))
	pending := sc.asked(2)
	sc.run("approvals", "approve", about(t, pending, "company.create").ID.String())
	sc.run("approvals", "approve", about(t, pending, "contact.create").ID.String())
	again := sc.closed(2)

	after := sc.writes()
	require.Equal(t, before, after[:len(before)])
	require.Equal(t, map[string]int{"meetings update": 1, "notes update": 1, "companies create": 1, "contacts create": 1}, counted(after[len(before):]))
	notes := sc.world.Simulator.Records(sc.HubID, "notes")
	require.Len(t, notes, 1)
	require.Contains(t, notes[0].Properties["hs_note_body"], "Nantes")
	require.NotContains(t, notes[0].Properties["hs_note_body"], "Lyon")
	meetings := sc.world.Simulator.Records(sc.HubID, "meetings")
	require.Len(t, meetings, 1)
	require.Contains(t, meetings[0].Properties["hs_meeting_body"], "Priya Nair")
	priya := sc.records("contacts", "email")["priya@tidewell.example"]
	require.Len(t, priya, 1)
	for _, log := range []hubspottest.Record{notes[0], meetings[0]} {
		require.Contains(t, log.Associations["contacts"], priya[0].ID, "it is on the new contact's timeline, too")
	}

	require.Equal(t, f.WorkflowID, again.WorkflowID)
	// There may be more than one run for each round: an answer that was seen
	// before its own wake-up was sent makes one that finds nothing to do.
	sc.eventually("both rounds' runs to be over", func() bool {
		closed := 0
		for _, e := range sc.runs(again.WorkflowID) {
			switch e.GetStatus() {
			case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
				closed++
			case enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
			default:
				return false
			}
		}
		return closed >= 2
	})
	require.Equal(t, after, sc.writes())
}

// Notes that come while a question is open amend it: the old question is
// withdrawn, the new one marks what changed, and nothing else is asked anew.
func TestAnOpenQuestionIsAmended(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	first := call("amended")
	sc.post("msg-1", first)
	old := sc.asked(4)
	sc.post("msg-2", later(t, first, func(data map[string]any) {
		deal := data["proposed_actions"].([]any)[0].(map[string]any)
		deal["properties"].(map[string]any)["amount"] = "52000"
		deal["evidence"] = []map[string]any{{"quote": "no, a deal of fifty-two thousand euros", "speaker": "Ines Castell"}}
	}))
	var pending []store.Approval
	sc.eventually("the amended question", func() bool {
		pending = sc.asked(4)
		return about(t, pending, "deal.create").ID != about(t, old, "deal.create").ID
	})
	amended := about(t, pending, "deal.create")
	require.Equal(t, []string{"amount"}, amended.Action.Content.Changed)
	require.Equal(t, "52000", amended.Action.Content.Properties["amount"])
	require.Equal(t, about(t, old, "deal.create").ActionID, amended.ActionID, "the same action, asked anew")
	for _, tool := range []string{"company.create", "contact.create", "ticket.create"} {
		require.Equal(t, about(t, old, tool).ID, about(t, pending, tool).ID, "%s is not asked anew", tool)
	}
	withdrawn, err := sc.Approvals(sc.ctx, "withdrawn")
	require.NoError(t, err)
	require.Len(t, withdrawn, 1)
	require.Equal(t, about(t, old, "deal.create").ID, withdrawn[0].ID)
	require.Equal(t, "amended by what was said later", withdrawn[0].Reason)

	_, err = sc.Run(sc.ctx, "approvals", "approve", withdrawn[0].ID.String())
	require.ErrorContains(t, err, "withdrawn meanwhile")
	for _, p := range pending {
		sc.run("approvals", "approve", p.ID.String())
	}
	sc.closed(2)
	deals := sc.records("deals", "dealname")["Harrow Mills: Lyon rollout"]
	require.Len(t, deals, 1)
	require.Equal(t, "52000", deals[0].Properties["amount"])
}

// A question may be approved with other values: those are written, the rest as
// asked; and it is answered once.
func TestApprovedWithAnEdit(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	event := known("edited")
	event["data"].(map[string]any)["proposed_actions"] = call("")["data"].(map[string]any)["proposed_actions"].([]map[string]any)[:1]
	sc.post("msg-1", event)
	deal := sc.asked(1)[0].ID.String()
	_, err := sc.Run(sc.ctx, "approvals", "edit", deal, "--set", "hubspot_owner_team=x")
	require.ErrorContains(t, err, "not part of this question")
	sc.run("approvals", "edit", deal, "--set", "amount=45000", "--set", "dealname=Harrow Mills: Lyon, first phase")
	_, err = sc.Run(sc.ctx, "approvals", "approve", deal)
	require.ErrorContains(t, err, "already edited")
	sc.closed(1)
	require.Empty(t, sc.records("deals", "dealname")["Harrow Mills: Lyon rollout"])
	made := sc.records("deals", "dealname")["Harrow Mills: Lyon, first phase"]
	require.Len(t, made, 1)
	require.Equal(t, "45000", made[0].Properties["amount"])
	require.Equal(t, "8801", made[0].Properties["hubspot_owner_id"])
}

// What depended on something that was rejected is asked again without it, and
// stands alone then.
func TestARejectedCompanysContactIsAskedAgain(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.post("msg-1", unknown("dependent"))
	first := sc.asked(2)
	sc.run("approvals", "reject", about(t, first, "company.create").ID.String())
	var again store.Approval
	sc.eventually("the contact to be asked about again", func() bool {
		again = sc.asked(1)[0]
		return again.ID != about(t, first, "contact.create").ID
	})
	require.Equal(t, "contact.create", again.Action.Tool.String())
	require.Equal(t, []string{"associations"}, again.Action.Content.Changed)
	require.Contains(t, again.Action.Content.Purpose, "so it stands without it")
	sc.run("approvals", "approve", again.ID.String())
	sc.closed(1)

	require.Empty(t, sc.records("companies", "domain")["tidewell.example"])
	contacts := sc.records("contacts", "email")["priya@tidewell.example"]
	require.Len(t, contacts, 1)
	require.Empty(t, contacts[0].Associations["companies"])
	for _, log := range []string{"meetings", "notes"} {
		records := sc.world.Simulator.Records(sc.HubID, log)
		require.Len(t, records, 1)
		require.Equal(t, []string{contacts[0].ID}, records[0].Associations["contacts"])
	}
}

// What can't stand without something that was rejected is skipped, and says why.
func TestWhatNeedsARejectedRecordIsSkipped(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.post("msg-1", unknown("needy"))
	first := sc.asked(2)
	sc.run("approvals", "reject", about(t, first, "contact.create").ID.String())
	sc.run("approvals", "reject", about(t, first, "company.create").ID.String())
	f := sc.closed(1)
	states := map[string]string{}
	for _, a := range f.Actions {
		states[a.Tool.String()] = string(a.State)
		if a.State == store.ActionSkipped {
			require.Contains(t, a.Reason, "it needs ")
		}
	}
	require.Equal(t, map[string]string{
		"company.create": "rejected", "contact.create": "rejected",
		"meeting.create": "skipped", "note.create": "skipped", // on nobody's timeline they would be lost
		"task.create": "written", // it has an owner
	}, states)
	require.Equal(t, map[string]int{"tasks create": 1}, counted(sc.writes()))
}

// A question that nobody answers in time counts as rejected.
func TestAQuestionExpires(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.run("organizations", "set", "--approval-ttl", "1s")
	sc.post("msg-1", call("expired"))
	f := sc.closed(1)
	require.Equal(t, 4, f.Report.Actions[store.ActionExpired])
	require.Equal(t, 4, f.Report.Decisions[store.ApprovalExpired])
	require.Equal(t, map[string]int{"meetings create": 1, "notes create": 1, "tasks create": 1}, counted(sc.writes()))
	decisions := 0
	for _, e := range sc.trail("decision") {
		require.Equal(t, "deadline", e.Actor.Name)
		require.Equal(t, "expired", e.Reason)
		decisions++
	}
	require.Equal(t, 4, decisions)
	expired, err := sc.Approvals(sc.ctx, "expired")
	require.NoError(t, err)
	_, err = sc.Run(sc.ctx, "approvals", "approve", expired[0].ID.String())
	require.ErrorContains(t, err, "expired on")
}

// Promise 3: a tool that is switched to deny while its question waits does not
// run, whatever anyone answers.
func TestDenySwitchedOnWhileWaiting(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	event := known("denied")
	event["data"].(map[string]any)["proposed_actions"] = call("")["data"].(map[string]any)["proposed_actions"]
	sc.post("msg-1", event)
	pending := sc.asked(2)
	sc.run("tools", "set", "deny", "deal.create", "ticket.create")
	_, err := sc.Run(sc.ctx, "approvals", "approve", about(t, pending, "deal.create").ID.String())
	require.Error(t, err)
	f := sc.closed(1)
	require.Equal(t, 2, f.Report.Actions[store.ActionDenied])
	require.Equal(t, 2, f.Report.Decisions[store.ApprovalWithdrawn])
	for _, a := range f.Actions {
		if a.State == store.ActionDenied {
			require.Contains(t, a.Reason, "switched to deny")
		}
	}
	require.Equal(t, map[string]int{"meetings create": 1, "notes create": 1, "tasks create": 1}, counted(sc.writes()))
	for _, c := range sc.objectCalls() {
		require.NotEqual(t, "POST /crm/objects/2026-09/deals", c.Endpoint)
		require.NotEqual(t, "POST /crm/objects/2026-09/tickets", c.Endpoint)
	}
}

// Where nobody's address is known, the card asks who was there, and the answer
// is planned with.
func TestNobodysAddressIsKnown(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	event := known("nameless")
	event["data"].(map[string]any)["attendees"] = []map[string]any{
		{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
		{"name": "Ines C.", "attended": true},
	}
	sc.post("msg-1", event)
	question := sc.asked(1)[0]
	require.Equal(t, "meeting.create", question.Action.Tool.String())
	require.Contains(t, question.Action.Content.Properties, store.AttendeesProperty)
	require.Contains(t, question.Action.Content.Doubt, "Ines C.")
	require.Empty(t, sc.writes())
	_, err := sc.Run(sc.ctx, "approvals", "approve", question.ID.String())
	require.ErrorContains(t, err, store.AttendeesProperty)

	sc.run("approvals", "edit", question.ID.String(), "--set", store.AttendeesProperty+"=Ines Castell <ines@harrowmills.example>")
	sc.closed(2)
	require.Equal(t, map[string]int{"meetings create": 1, "notes create": 1, "tasks create": 1}, counted(sc.writes()))
	ines := sc.records("contacts", "email")["ines@harrowmills.example"][0].ID
	for _, log := range []string{"meetings", "notes"} {
		records := sc.world.Simulator.Records(sc.HubID, log)
		require.Equal(t, []string{ines}, records[0].Associations["contacts"])
		require.NotContains(t, records[0].Properties, store.AttendeesProperty)
	}
}

// A meeting that HubSpot has already, of the same people at the same time, is
// completed instead of logged twice.
func TestAMeetingThatHubSpotHasIsCompleted(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.run("tools", "set", "allow", "contact.update", "company.update", "deal.update")
	event := known("calendar")
	start, err := time.Parse(time.RFC3339, event["data"].(map[string]any)["actual_start"].(string))
	require.NoError(t, err)
	ines := sc.records("contacts", "email")["ines@harrowmills.example"][0].ID
	at := start.Add(5 * time.Minute).Format(time.RFC3339)
	booked, err := sc.world.Simulator.Add(sc.HubID, "meetings", hubspottest.Seed{
		Properties: map[string]string{
			"hs_timestamp": at, "hs_meeting_start_time": at, "hs_meeting_title": "From the calendar", "hs_meeting_outcome": "SCHEDULED",
		},
		Associations: map[string][]string{"contacts": {ines}},
	})
	require.NoError(t, err)
	sc.post("msg-1", event)
	sc.closed(1)
	meetings := sc.world.Simulator.Records(sc.HubID, "meetings")
	require.Len(t, meetings, 1)
	require.Equal(t, booked.ID, meetings[0].ID)
	require.Equal(t, "COMPLETED", meetings[0].Properties["hs_meeting_outcome"])
	require.Equal(t, "From the calendar", meetings[0].Properties["hs_meeting_title"], "what someone wrote stands")
	require.Len(t, meetings[0].Associations["companies"], 1)
	require.Equal(t, map[string]int{"meetings update": 1, "notes create": 1, "tasks create": 1}, counted(sc.writes()))
}

// internal is a meeting among the organization's own people.
func internal() map[string]any {
	event := known("internal")
	event["data"].(map[string]any)["attendees"] = []map[string]any{
		{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
		{"name": "Tomás Okafor", "email": "tomas@brightwater.example", "attended": true},
	}
	return event
}

// A meeting among the organization's own people is nobody's business: nothing of
// it is kept.
func TestAnInternalMeetingIsExcluded(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.post("msg-1", internal())
	sc.eventually("the delivery to be excluded", func() bool { return len(sc.deliveries("excluded")) == 1 })
	require.Empty(t, sc.followUp().Actions)
	require.Empty(t, sc.objectCalls(), "HubSpot is not even asked")
}

// Where an organization keeps such meetings, they are none of the CRM's business.
func TestAnInternalMeetingIsClosedUnplanned(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	o, err := sc.world.store.Organization(sc.ctx, sc.org)
	require.NoError(t, err)
	o.Settings.Exclusions.KeepInternal = true
	require.NoError(t, sc.world.store.UpdateSettings(sc.ctx, sc.org, o.Domains, o.Settings, store.Operator))
	sc.post("msg-1", internal())
	f := sc.closed(1)
	require.Empty(t, f.Actions)
	require.Empty(t, sc.objectCalls(), "HubSpot is not even asked")
}

// Promise 3: with nothing configured, everything is denied.
func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	made, err := shared.NewScene(ctx, "org-"+uuid.NewString()[:8], 5_000_000+hubs.Add(1))
	require.NoError(t, err)
	o, err := shared.store.OrganizationByName(ctx, made.Organization)
	require.NoError(t, err)
	sc := &scene{Scene: made, t: t, ctx: ctx, world: shared, org: o.ID}
	require.NoError(t, sc.Connect(ctx))
	sc.post("msg-1", call("locked"))
	f := sc.closed(1)
	require.NotEmpty(t, f.Actions)
	require.Equal(t, map[store.ActionState]int{store.ActionDenied: len(f.Actions)}, f.Report.Actions)
	for _, c := range sc.objectCalls() {
		// Which pipelines and properties there are is no tool's business, and nobody's
		// data.
		require.Regexp(t, "^GET /crm/(pipelines|properties)/", c.Endpoint)
	}
	refused := 0
	for _, e := range sc.trail("call") {
		if e.Tool != (policy.Tool{}) {
			require.Equal(t, store.Refused, e.Outcome, "row %d", e.ID)
			refused++
		}
	}
	require.Positive(t, refused)
}

// Promise 8: one row per call, standing before it and completed after it, and no
// name or value in it.
func TestTheTrail(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.post("msg-1", call("trail"))
	pending := sc.asked(4)
	sc.run("approvals", "approve", about(t, pending, "company.create").ID.String())
	sc.run("approvals", "approve", about(t, pending, "contact.create").ID.String())
	sc.run("approvals", "edit", about(t, pending, "deal.create").ID.String(), "--set", "amount=45000")
	sc.run("approvals", "reject", about(t, pending, "ticket.create").ID.String(), "--reason", "Ines solved it")
	f := sc.closed(1)

	trail := sc.trail("")
	require.Less(t, len(trail), 1000, "one page holds it all")
	plural := map[string]string{"company": "companies"}
	rows := map[string][]store.AuditEntry{} // of writes, by type, operation and record
	calls := 0
	for _, e := range trail {
		if e.Kind != store.AuditCall {
			continue
		}
		require.Equal(t, store.Done, e.Outcome, "row %d: %s", e.ID, e.Reason)
		require.NotNil(t, e.CompletedAt, "row %d", e.ID)
		require.Equal(t, store.Origin{Kind: "meeting", ID: f.MeetingID}, e.Origin)
		calls++
		object := plural[e.Tool.Object]
		if object == "" {
			object = e.Tool.Object + "s"
		}
		// A look before a write is a call of its own, and says so.
		if e.Tool.Operation != policy.Read && e.Reason == "" {
			where := fmt.Sprintf("%s %s %s", object, e.Tool.Operation, e.RecordID)
			rows[where] = append(rows[where], e)
		}
	}
	total := 0
	for _, c := range sc.objectCalls() {
		total += c.Count
	}
	require.Equal(t, total, calls, "one row per call: %v", sc.objectCalls())

	written := 0
	for _, w := range sc.writes() {
		if w.Operation == "associate" {
			continue // of the create before it
		}
		written++
		where := fmt.Sprintf("%s %s %s", w.ObjectType, w.Operation, w.ID)
		require.Len(t, rows[where], 1, where)
		row := rows[where][0]
		// Postgres's clock and the simulator's are this machine's.
		require.False(t, w.At.Before(row.At.Truncate(time.Millisecond)), "%s: the row stood before the call", where)
		require.False(t, row.CompletedAt.Before(w.At.Truncate(time.Millisecond)), "%s: and was completed after it", where)
		for name := range w.Properties {
			require.Contains(t, row.Properties, name, where)
		}
	}
	require.Len(t, rows, written)
	decisions := map[string]int{}
	for _, e := range trail {
		if e.Kind == store.AuditDecision {
			require.Equal(t, store.Operator.Name, e.Actor.Name)
			require.NotNil(t, e.ApprovalID)
			decisions[e.Reason]++
		}
	}
	require.Equal(t, map[string]int{"approved via command line": 2, "edited via command line": 1, "rejected via command line": 1}, decisions)

	raw := sc.run("audit", "list", "--json", "--limit", "1000")
	for _, word := range []string{"Priya", "Nair", "Ines", "Castell", "Mara", "Lindqvist", "idewell", "arrow", "Lyon", "45000", "48000", "SSO", "solved", "@"} {
		require.False(t, strings.Contains(raw, word), "%q is in the trail", word)
	}
}

// Whatever is wrong with an unverified request, the answer is one and the same,
// and nothing is kept of it.
func TestUnverifiedRequestsAreToldNothing(t *testing.T) {
	t.Parallel()
	sc := shared.unconnected(t)
	body, err := json.Marshal(known("unverified"))
	require.NoError(t, err)
	zoom := []byte(`{"event":"meeting.ended","event_ts":1790000000000,"payload":{"account_id":"a","object":{"uuid":"u","id":"1"}}}`)
	challenge := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"fresh-token-0123456789"}}`)
	now := time.Now()
	elsewhere := strings.TrimSuffix(sc.SourceURL, sc.SourceURL[strings.LastIndex(sc.SourceURL, "/"):])
	unsigned := map[string]string{"Content-Type": "application/json"}
	tampered := append(bytes.Clone(body), ' ')
	var first reply
	for _, tc := range []struct {
		name, address string
		body          []byte
		header        map[string]string
	}{
		{"an unknown source", elsewhere + "/" + uuid.NewString(), body, sc.signed("m", now, body)},
		{"no source at all", elsewhere + "/nonsense", body, sc.signed("m", now, body)},
		{"no signature", sc.SourceURL, body, unsigned},
		{"another body's signature", sc.SourceURL, tampered, sc.signed("m", now, body)},
		{"an hour old", sc.SourceURL, body, sc.signed("m", now.Add(-time.Hour), body)},
		{"an hour ahead", sc.SourceURL, body, sc.signed("m", now.Add(time.Hour), body)},
		{"Zoom: no signature", sc.ZoomURL, zoom, unsigned},
		{"Zoom: another secret's signature", sc.ZoomURL, zoom, signedZoom("another secret", now, zoom)},
		{"Zoom: older than its last retry", sc.ZoomURL, zoom, signedZoom(sc.ZoomSecret, now.Add(-91*time.Minute), zoom)},
		{"Zoom: a challenge of nobody", sc.ZoomURL, challenge, signedZoom("another secret", now, challenge)},
	} {
		got := sc.ask(tc.address, tc.body, tc.header)
		got.header.Del("Date")
		if first.status == 0 {
			first = got
			require.Equal(t, http.StatusUnauthorized, got.status)
		}
		require.Equal(t, first, got, tc.name)
	}
	require.Empty(t, sc.deliveries("all"))
}

// What is over the cap is refused, with or without its length told before.
func TestABodyOverTheCap(t *testing.T) {
	t.Parallel()
	sc := shared.unconnected(t)
	body := bytes.Repeat([]byte("x"), webhooks.MaxBody+1)
	header := sc.signed("large", time.Now(), body)
	header["Expect"] = "100-continue" // whoever is refused need not send it
	require.Equal(t, http.StatusRequestEntityTooLarge, sc.ask(sc.SourceURL, body, header).status)
	delete(header, "Expect")
	header["Transfer-Encoding"] = "chunked"
	require.Equal(t, http.StatusRequestEntityTooLarge, sc.ask(sc.SourceURL, body, header).status)
	require.Empty(t, sc.deliveries("all"))
}

// What is genuine but of no use is kept and listed; the sender is told so with a
// 2xx and nothing of the content.
func TestUnprocessableDeliveriesAreKeptAndListed(t *testing.T) {
	t.Parallel()
	sc := shared.unconnected(t)
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	reasons := map[string]bool{}
	for id, body := range map[string]string{
		"no-json":   "xyzzy is no JSON",
		"no-type":   `{"type":"meeting.xyzzy","timestamp":"2026-01-05T10:00:00Z","data":{}}`,
		"no-key":    `{"type":"meeting.ended","timestamp":"2026-01-05T10:00:00Z","data":{"title":"xyzzy"}}`,
		"mistyped":  `{"type":"meeting.ended","timestamp":"2026-01-05T10:00:00Z","data":{"title":["xyzzy"],"keys":{"instance_id":"i"}}}`,
		"very-deep": deep,
	} {
		got := sc.ask(sc.SourceURL, []byte(body), sc.signed(id, time.Now(), []byte(body)))
		require.Equal(t, http.StatusOK, got.status, id)
		said := got.said(t)
		require.Equal(t, "unprocessable", said.Status, id)
		require.NotEmpty(t, said.Reason, id)
		require.NotContains(t, got.body, "xyzzy", id)
		reasons[said.Reason] = true
		require.Equal(t, "duplicate", sc.ask(sc.SourceURL, []byte(body), sc.signed(id, time.Now(), []byte(body))).said(t).Status, id)
	}
	zoom := []byte(`{"event":"meeting.chat_message_sent","event_ts":1790000000000,"payload":{"account_id":"xyzzy","object":{"id":"1"}}}`)
	got := sc.ask(sc.ZoomURL, zoom, signedZoom(sc.ZoomSecret, time.Now(), zoom))
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "unprocessable", got.said(t).Status)
	reasons[got.said(t).Reason] = true

	listed := map[string]bool{}
	all := sc.deliveries("unprocessable")
	require.Len(t, all, 6)
	for _, d := range all {
		require.True(t, d.HasBody, "kept")
		listed[d.Reason] = true
	}
	require.Equal(t, reasons, listed)
}

// Zoom asks a new endpoint to prove that it knows the secret
// (developers.zoom.us/docs/api/webhooks, read 2026-02).
func TestZoomsURLValidation(t *testing.T) {
	t.Parallel()
	sc := shared.unconnected(t)
	body := []byte(`{"event":"endpoint.url_validation","event_ts":1790000000000,"payload":{"plainToken":"fresh-token-0123456789"}}`)
	got := sc.ask(sc.ZoomURL, body, signedZoom(sc.ZoomSecret, time.Now(), body))
	require.Equal(t, http.StatusOK, got.status)
	sum := hmac.New(sha256.New, []byte(sc.ZoomSecret))
	sum.Write([]byte("fresh-token-0123456789"))
	require.JSONEq(t, fmt.Sprintf(`{"plainToken":"fresh-token-0123456789","encryptedToken":%q}`, hex.EncodeToString(sum.Sum(nil))), got.body)
	require.Empty(t, sc.deliveries("all"))
}

// known is a meeting with Ines alone, whom HubSpot knows: nothing of it has to
// be asked about.
func known(instance string) map[string]any {
	event := call(instance)
	data := event["data"].(map[string]any)
	data["attendees"] = data["attendees"].([]map[string]any)[:2]
	data["summary"] = map[string]any{"format": "markdown", "text": "Harrow Mills rolls out in Lyon."}
	delete(data, "proposed_actions")
	return event
}

// unknown is a meeting with Priya alone, whom HubSpot does not know.
func unknown(instance string) map[string]any {
	event := known(instance)
	data := event["data"].(map[string]any)
	data["attendees"] = []map[string]any{
		{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
		{"name": "Priya Nair", "email": "priya@tidewell.example", "role": "guest", "attended": true},
	}
	return event
}

// later is an event about the same meeting that comes a minute after another.
func later(t *testing.T, event map[string]any, change func(data map[string]any)) map[string]any {
	t.Helper()
	raw, err := json.Marshal(event)
	require.NoError(t, err)
	var next map[string]any
	require.NoError(t, json.Unmarshal(raw, &next))
	at, err := time.Parse(time.RFC3339, next["timestamp"].(string))
	require.NoError(t, err)
	next["type"], next["timestamp"] = "meeting.notes_updated", at.Add(time.Minute).Format(time.RFC3339)
	change(next["data"].(map[string]any))
	return next
}

// The events of one Zoom meeting, in the order in which they happen.
const (
	zoomCreated = iota
	zoomHostJoined
	zoomGuestJoined
	zoomEnded
	zoomSummary
	zoomEvents
)

func zoomInstance(n int) string { return fmt.Sprintf("instance-of-%d==", n) }

var zoomDay = time.Now().UTC().Truncate(24 * time.Hour)

// zoomStart is when the meeting began. Meetings are hours apart: of the same
// people at the same time there is only one.
func zoomStart(n int) time.Time { return zoomDay.Add(-time.Duration(n+2) * 2 * time.Hour) }

// zoomEvent is one of the events of the nth meeting: Mara met Petra of a company
// that HubSpot does not know; Ines was invited.
func zoomEvent(t *testing.T, n, event int) []byte {
	t.Helper()
	start := zoomStart(n)
	topic := fmt.Sprintf("Onboarding #%03d", n)
	held := map[string]any{
		"uuid": zoomInstance(n), "id": fmt.Sprint(70_000_000_000 + n), "host_id": "host-mara", "topic": topic, "type": 2,
		"start_time": start.Format(time.RFC3339), "duration": 40, "timezone": "Europe/Berlin",
	}
	joined := func(id, participant, name, email string, after time.Duration) map[string]any {
		held["participant"] = map[string]any{
			"id": id, "user_id": participant, "participant_uuid": participant, "user_name": name, "email": email,
			"join_time": start.Add(after).Format(time.RFC3339),
		}
		return held
	}
	payload := map[string]any{"account_id": "account-1"}
	var name string
	var at time.Time
	switch event {
	case zoomCreated:
		name, at = "meeting.created", start.Add(-24*time.Hour)
		held["start_time"] = start.Add(-2 * time.Minute).Format(time.RFC3339) // it began a little late
		held["id"] = 70_000_000_000 + n                                       // a number here, text elsewhere
		// Petra is not among the invited: a contact that a round made of an address
		// alone would not get its name from a later one.
		held["settings"] = map[string]any{"meeting_invitees": []map[string]any{{"email": "Ines@harrowmills.example"}}}
		payload["operator"], payload["operator_id"], payload["object"] = "mara@brightwater.example", "host-mara", held
	case zoomHostJoined:
		name, at = "meeting.participant_joined", start
		payload["object"] = joined("host-mara", "p-host", "Mara Lindqvist", "mara@brightwater.example", 0)
	case zoomGuestJoined:
		name, at = "meeting.participant_joined", start.Add(time.Minute)
		payload["object"] = joined("", "p-guest", "Petra Nováková", guest(n), time.Minute)
	case zoomEnded:
		name, at = "meeting.ended", start.Add(40*time.Minute)
		held["end_time"] = at.Format(time.RFC3339)
		payload["object"] = held
	case zoomSummary:
		name, at = "meeting.summary_completed", start.Add(50*time.Minute)
		payload["object"] = map[string]any{
			"meeting_uuid": zoomInstance(n), "meeting_id": 70_000_000_000 + n, "meeting_host_id": "host-mara",
			"meeting_host_email": "mara@brightwater.example", "meeting_topic": topic,
			"meeting_start_time": start.Format(time.RFC3339), "meeting_end_time": start.Add(40 * time.Minute).Format(time.RFC3339),
			"summary_content": fmt.Sprintf("## Overview\nSite %03d goes live in March.", n),
		}
	}
	body, err := json.Marshal(map[string]any{"event": name, "event_ts": at.UnixMilli(), "payload": payload})
	require.NoError(t, err)
	return body
}

func guest(n int) string { return fmt.Sprintf("petra@site-%03d.example", n) }

// recordsOf are the records of the nth Zoom meeting as text, with what tells it
// from the others left out: numbers, IDs and the time of day.
func (sc *scene) recordsOf(n int) map[string]string {
	sc.t.Helper()
	names := map[string]string{} // of records, by type and ID
	for objectType, property := range map[string]string{"contacts": "email", "companies": "name", "deals": "dealname"} {
		for _, r := range sc.world.Simulator.Records(sc.HubID, objectType) {
			names[objectType+r.ID] = r.Properties[property]
			switch {
			case r.Properties["email"] == guest(n):
				names[objectType+r.ID] = "guest"
			case r.Properties["domain"] == strings.TrimPrefix(guest(n), "petra@"):
				names[objectType+r.ID] = "guest's company"
			}
		}
	}
	mine := func(objectType string, r hubspottest.Record) bool {
		switch objectType {
		case "contacts":
			return names["contacts"+r.ID] == "guest"
		case "companies":
			return names["companies"+r.ID] == "guest's company"
		case "meetings":
			return strings.Contains(r.Properties["hs_meeting_title"], fmt.Sprintf("#%03d", n))
		default:
			return strings.Contains(r.Properties["hs_note_body"], fmt.Sprintf("Site %03d ", n))
		}
	}
	number := strings.NewReplacer(fmt.Sprintf("#%03d", n), "#N", fmt.Sprintf("site-%03d", n), "site-N", fmt.Sprintf("Site-%03d", n), "Site-N", fmt.Sprintf("Site %03d", n), "Site N")
	all := map[string]string{}
	for _, objectType := range []string{"contacts", "companies", "meetings", "notes"} {
		var found []hubspottest.Record
		for _, r := range sc.world.Simulator.Records(sc.HubID, objectType) {
			if mine(objectType, r) {
				found = append(found, r)
			}
		}
		require.Len(sc.t, found, 1, "%s of meeting %d", objectType, n)
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(found[0].Properties)) {
			value := number.Replace(found[0].Properties[name])
			if slices.Contains([]string{"hs_object_id", "createdate", "lastmodifieddate", "hs_createdate", "hs_lastmodifieddate"}, name) {
				continue
			}
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				value = at.Sub(zoomStart(n)).String()
			}
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
		for _, to := range slices.Sorted(maps.Keys(found[0].Associations)) {
			if to == "meetings" || to == "notes" {
				continue // seen from their side
			}
			var ends []string
			for _, id := range found[0].Associations[to] {
				ends = append(ends, names[to+id])
			}
			slices.Sort(ends)
			fmt.Fprintf(&b, "on %s: %s\n", to, strings.Join(ends, ", "))
		}
		all[objectType] = b.String()
	}
	return all
}

// writes are those of Debrief in the scene's account.
func (sc *scene) writes() []hubspottest.Write {
	var mine []hubspottest.Write
	for _, w := range sc.world.Simulator.Writes() {
		if w.HubID == sc.HubID {
			mine = append(mine, w)
		}
	}
	return mine
}

// counted are writes by type and operation, without the associations.
func counted(writes []hubspottest.Write) map[string]int {
	counts := map[string]int{}
	for _, w := range writes {
		if w.Operation != "associate" {
			counts[w.ObjectType+" "+w.Operation]++
		}
	}
	return counts
}

// objectCalls are the calls about records that reached HubSpot.
func (sc *scene) objectCalls() []hubspottest.CallCount {
	var mine []hubspottest.CallCount
	for _, c := range sc.world.Simulator.Calls() {
		if c.HubID == sc.HubID && strings.Contains(c.Endpoint, " /crm/") {
			mine = append(mine, c)
		}
	}
	return mine
}

func (sc *scene) deliveries(state string) []store.Delivery {
	sc.t.Helper()
	var all []store.Delivery
	require.NoError(sc.t, sc.JSON(sc.ctx, &all, "deliveries", "list", "--state", state, "--limit", "1000"))
	return all
}

// trail is the audit trail, of one kind or of all.
func (sc *scene) trail(kind string) []store.AuditEntry {
	sc.t.Helper()
	var all []store.AuditEntry
	require.NoError(sc.t, sc.JSON(sc.ctx, &all, "audit", "list", "--kind", kind, "--limit", "1000"))
	return all
}

// openStore opens Debrief's own store, to look at what no command shows.
func (sc *scene) openStore() *store.Store {
	sc.t.Helper()
	var keyset string
	for _, entry := range sc.world.Env() {
		if file, ok := strings.CutPrefix(entry, "DEBRIEF_KEYSET_FILE="); ok {
			keyset = file
		}
	}
	v, err := vault.Load(keyset, "")
	require.NoError(sc.t, err)
	s, err := store.Open(sc.ctx, store.Options{URL: sc.world.DatabaseURL(), Vault: v, Name: "e2e", MaxConnections: 2})
	require.NoError(sc.t, err)
	sc.t.Cleanup(s.Close)
	return s
}

// runs are all runs of a workflow that Temporal knows.
func (sc *scene) runs(workflowID string) []*workflow.WorkflowExecutionInfo {
	sc.t.Helper()
	c, err := client.DialContext(sc.ctx, client.Options{HostPort: sc.world.Temporal.FrontendAddr(), Namespace: devstack.Namespace})
	require.NoError(sc.t, err)
	defer c.Close()
	list, err := c.ListWorkflow(sc.ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: devstack.Namespace, Query: fmt.Sprintf("WorkflowId = %q", workflowID),
	})
	require.NoError(sc.t, err)
	return list.GetExecutions()
}

// reply is what a sender sees.
type reply struct {
	status int
	header http.Header
	body   string
}

type said struct{ Status, Reason string }

func (r reply) said(t *testing.T) said {
	t.Helper()
	var s said
	require.NoError(t, json.Unmarshal([]byte(r.body), &s), r.body)
	return s
}

// ask posts a body as it is and returns the whole answer.
func (sc *scene) ask(address string, body []byte, header map[string]string) reply {
	sc.t.Helper()
	got, err := send(sc.ctx, address, body, header)
	require.NoError(sc.t, err)
	return got
}

// send is ask, for any goroutine.
func send(ctx context.Context, address string, body []byte, header map[string]string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if request.Header.Get("Transfer-Encoding") == "chunked" {
		request.Header.Del("Transfer-Encoding") // the transport's to set
		request.ContentLength = -1
	}
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(answer)}, err
}

// signed are the headers of Standard Webhooks.
func (sc *scene) signed(id string, at time.Time, body []byte) map[string]string {
	sc.t.Helper()
	signature, err := webhooks.SignStandard(sc.SourceSecret, id, at, body)
	require.NoError(sc.t, err)
	return map[string]string{
		"Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": signature,
	}
}

func signedZoom(secret string, at time.Time, body []byte) map[string]string {
	return map[string]string{
		"Content-Type": "application/json", "x-zm-request-timestamp": strconv.FormatInt(at.Unix(), 10), "x-zm-signature": webhooks.SignZoom(secret, at, body),
	}
}
