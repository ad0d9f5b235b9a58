package activities_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// TestShadowReport: a meeting is planned in shadow; then people enter one contact as
// it was planned, another with another name, move one deal as planned, one otherwise,
// and leave one; open one deal, and no ticket. Nothing is written by Debrief.
func TestShadowReport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, preset := range policy.Presets() {
		if preset.Name == "shadow" {
			require.NoError(t, b.store.UsePreset(b.ctx, b.org.ID, preset, store.Operator))
		}
	}
	company := b.company("northwind.example")
	b.contact("ann@northwind.example", company)
	deals := map[string]string{"as planned": b.deal(company), "otherwise": b.deal(company), "left": b.deal(company)}
	names := map[string]string{"as planned": "Harbour", "otherwise": "Orchard", "left": "Foundry"}
	for which, id := range deals {
		require.NoError(t, b.sim.Edit(b.hub, "deals", id, map[string]string{"dealname": names[which]}))
	}
	m := b.takesPlace(func(e *meeting.Event) {
		for which, id := range deals {
			said := "The " + names[which] + " deal is 48000, and the next step is a call."
			e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{Speaker: "Guest No1", Text: said})
			e.ProposedActions = append(e.ProposedActions, meeting.ProposedAction{
				Tool: "deal.update", Target: meeting.RecordRef{Object: "deal", ID: id}, Properties: map[string]string{"amount": "48000", "hs_next_step": "call"},
				Evidence: []meeting.Evidence{{Quote: said}},
			})
		}
		e.ProposedActions = append(e.ProposedActions,
			meeting.ProposedAction{Tool: "deal.create", Ref: "new", Properties: map[string]string{"dealname": "Storage", "amount": "900"}, AssociateWith: []meeting.RecordRef{{Object: "company", ID: company}}},
			meeting.ProposedAction{Tool: "ticket.create", Ref: "ticket", Properties: map[string]string{"subject": "Export is slow"}, AssociateWith: []meeting.RecordRef{{Object: "company", ID: company}}},
		)
	}, "ann@northwind.example", "joe@northwind.example", "kim@elsewhere.example", "lou@silent.example")
	_, err := b.activities.Look(b.ctx, m)
	require.NoError(t, err)
	b.step(func() error { return b.activities.Plan(b.ctx, m) })
	shadow := activities.Shadow{Store: b.store, Gate: b.activities.Gate, Actor: store.Operator}

	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, m.MeetingID)
	require.NoError(t, err)
	planned := map[string]int{}
	for _, a := range actions {
		require.Equal(t, store.ActionDenied, a.State)
		planned[a.Tool.String()]++
		if a.Tool.String() != "contact.create" {
			continue
		}
		properties := map[string]string{}
		maps.Copy(properties, a.Content.Properties)
		switch properties["email"] {
		case "joe@northwind.example":
			b.add("contacts", properties, nil)
		case "kim@elsewhere.example":
			properties["lastname"] = "Kimball"
			b.add("contacts", properties, nil)
		}
	}
	require.Equal(t, 3, planned["contact.create"])
	require.NoError(t, b.sim.Edit(b.hub, "deals", deals["as planned"], map[string]string{"amount": "48000.0", "hs_next_step": "Call"}))
	require.NoError(t, b.sim.Edit(b.hub, "deals", deals["otherwise"], map[string]string{"amount": "50000"}))
	b.add("deals", map[string]string{"dealname": "storage", "amount": "900", "pipeline": "default", "dealstage": "contractsent"}, map[string][]string{"companies": {company}})

	report, err := shadow.Report(b.ctx, b.org.ID, time.Now().Add(-24*time.Hour))
	require.NoError(t, err)
	counts := map[string]store.ShadowCounts{}
	for tool, n := range report.Tools {
		counts[tool.String()] = n
	}
	require.Equal(t, store.ShadowCounts{Same: 1, Different: 1, Nobody: 1}, counts["contact.create"])
	require.Equal(t, store.ShadowCounts{Same: 1, Different: 1, Nobody: 1}, counts["deal.update"])
	require.Equal(t, store.ShadowCounts{Different: 1}, counts["deal.create"], "another stage was entered")
	require.Equal(t, store.ShadowCounts{Nobody: 1}, counts["ticket.create"])
	require.Equal(t, store.ShadowCounts{Nobody: planned["company.create"]}, counts["company.create"])
	for _, object := range []string{"note", "task", "meeting"} {
		require.Equal(t, planned[object+".create"], counts[object+".create"].NotCompared, object)
	}
	require.Len(t, report.Lines, len(actions))
	require.Empty(t, b.sim.Writes(), "nothing is written for a report")
	raw, err := json.Marshal(report)
	require.NoError(t, err)
	for _, word := range []string{"Storage", "Kim", "northwind", "48000"} {
		require.NotContains(t, string(raw), word)
	}

	require.NoError(t, b.store.SetPermission(b.ctx, b.org.ID, policy.Tool{Object: "deal", Operation: policy.Read}, policy.Deny, store.Operator))
	report, err = shadow.Report(b.ctx, b.org.ID, time.Now().Add(-24*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 3, report.Tools[policy.Tool{Object: "deal", Operation: policy.Update}].NotCompared, "what may not be read is not compared")
	require.Contains(t, report.Lines, store.ShadowLine{
		ActionID: byTarget(t, actions, deals["left"]).ID, MeetingID: m.MeetingID, Tool: policy.Tool{Object: "deal", Operation: policy.Update},
		Outcome: store.ShadowNotCompared, Why: "Debrief may not read it",
	})
}

func byTarget(t *testing.T, actions []store.Action, id string) store.Action {
	t.Helper()
	for _, a := range actions {
		if a.TargetID == id {
			return a
		}
	}
	t.Fatal("nothing was planned for that record")
	return store.Action{}
}
