package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// A meeting is undone: what was there before is back, what Debrief made is
// archived, and what somebody changed since stays as it is and says so.
func TestAMeetingIsUndone(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.run("tools", "set", "allow", "note.archive", "task.archive", "meeting.archive", "contact.archive", "company.archive", "ticket.archive")
	sc.run("tools", "set", "ask", "deal.archive", "deal.update")
	known := sc.records("deals", "dealname")["Harrow Mills: reporting"][0]
	event := call("undone")
	data := event["data"].(map[string]any)                                                         //nolint:forcetypeassert // made above
	data["proposed_actions"] = append(data["proposed_actions"].([]map[string]any), map[string]any{ //nolint:forcetypeassert // made above
		"tool": "deal.update", "ref": "known", "target": map[string]any{"id": known.ID},
		"properties": map[string]any{"hs_next_step": "Send the offer", "description": "They want it."},
	})
	sc.post("msg-1", event)
	for _, p := range sc.asked(5) {
		sc.run("approvals", "approve", p.ID.String())
	}
	f := sc.closed(1)
	require.Len(t, sc.live("contacts", "email")["priya@tidewell.example"], 1)
	made := sc.records("deals", "dealname")["Harrow Mills: Lyon rollout"][0]

	// People work on: one of the values that were written, and the new contact's company.
	require.NoError(t, sc.world.Simulator.Edit(sc.HubID, "deals", known.ID, map[string]string{"description": "They want two."}))
	company := sc.records("companies", "domain")["tidewell.example"][0]
	require.NoError(t, sc.world.Simulator.Edit(sc.HubID, "companies", company.ID, map[string]string{"phone": "+49 30 1"}))

	var preview store.Undo
	require.NoError(t, json.Unmarshal([]byte(sc.run("undo", f.MeetingID.String(), "--dry-run", "--json")), &preview))
	require.NotEmpty(t, preview.Items)
	require.Equal(t, "closed", sc.followUp().State, "a dry run changes nothing")
	sc.run("undo", f.MeetingID.String())
	for _, p := range sc.asked(2) { // the update and the archive of a deal
		sc.run("approvals", "approve", p.ID.String())
	}
	sc.eventually("the undo to close", func() bool {
		f = sc.followUp()
		return f.State == "closed" && len(f.Report.Undo) > 0
	})

	now := sc.records("deals", "dealname")["Harrow Mills: reporting"][0].Properties
	require.Equal(t, known.Properties["hs_next_step"], now["hs_next_step"])
	require.Equal(t, "They want two.", now["description"])
	require.Empty(t, sc.live("contacts", "email")["priya@tidewell.example"])
	require.Empty(t, sc.live("deals", "dealname")[made.Properties["dealname"]])
	require.Len(t, sc.live("companies", "domain")["tidewell.example"], 1, "somebody touched it")
	for _, objectType := range []string{"notes", "tasks", "meetings", "tickets"} {
		require.Empty(t, sc.live(objectType, "hs_object_id"), objectType)
	}
	kept := map[string]string{}
	for _, a := range f.Actions {
		if a.Origin.Kind == store.OriginUndo && a.State == store.ActionSkipped {
			kept[a.Tool.String()] = a.Reason
		}
	}
	require.Equal(t, map[string]string{
		"deal.update": "somebody changed it since: description", "company.archive": "somebody changed it since: phone",
	}, kept)

	// The same delivery once more, and a later one that says the same in other
	// words, write nothing back.
	before := sc.writes()
	sc.post("msg-1", event)
	data["title"] = "Rollout and renewal, with Lyon"
	sc.post("msg-2", event)
	sc.eventually("a second round", func() bool { return sc.followUp().Round == 2 })
	for _, p := range sc.pending() {
		require.Contains(t, p.Action.Content.Doubt, store.AfterUndo)
	}
	require.Equal(t, before, sc.writes())
}

// live are the records that are not archived.
func (sc *scene) live(objectType, property string) map[string][]hubspottest.Record {
	byValue := map[string][]hubspottest.Record{}
	for value, records := range sc.records(objectType, property) {
		for _, r := range records {
			if !r.Archived {
				byValue[value] = append(byValue[value], r)
			}
		}
	}
	return byValue
}

func (sc *scene) pending() []store.Approval {
	sc.t.Helper()
	pending, err := sc.Approvals(sc.ctx, "pending")
	require.NoError(sc.t, err)
	return pending
}
