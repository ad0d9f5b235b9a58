package activities_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// written is a meeting with a known guest and a new one, whose deal moves, all of
// it written.
func (b *bundle) written() (m activities.Meeting, deal string) {
	b.t.Helper()
	for _, object := range []string{"company", "contact", "deal", "ticket", "note", "task", "meeting"} {
		tool := policy.Tool{Object: object, Operation: policy.Archive}
		require.NoError(b.t, b.store.SetPermission(b.ctx, b.org.ID, tool, policy.Allow, store.Operator))
	}
	company := b.company("northwind.example")
	b.contact("known@northwind.example", company)
	deal = b.deal(company)
	m = b.takesPlace(func(e *meeting.Event) {
		e.ProposedActions = []meeting.ProposedAction{
			{Tool: "deal.update", Target: meeting.RecordRef{ID: deal}, Properties: map[string]string{"dealstage": "contractsent", "description": "They said yes."}},
		}
	}, "known@northwind.example", "new@northwind.example")
	b.followUp(m)
	return m, deal
}

// undo asks for an undo, plans it and carries it out.
func (b *bundle) undo(m activities.Meeting) {
	b.t.Helper()
	require.NoError(b.t, b.store.RequestUndo(b.ctx, m.OrganizationID, m.MeetingID, store.Operator))
	look, err := b.activities.Look(b.ctx, m)
	require.NoError(b.t, err)
	require.Equal(b.t, store.NextUndo, look.Next)
	b.step(func() error { return b.activities.PlanUndo(b.ctx, m) })
	b.step(func() error { return b.activities.PlanUndo(b.ctx, m) }) // plans nothing twice
	b.finish(m)
}

// finish writes whatever is ready, until nothing is.
func (b *bundle) finish(m activities.Meeting) {
	b.t.Helper()
	for {
		look, err := b.activities.Look(b.ctx, m)
		require.NoError(b.t, err)
		if look.Next != store.NextWrite {
			return
		}
		for _, action := range look.Ready {
			b.step(func() error { return b.activities.Write(b.ctx, activities.WriteInput{Meeting: m, ActionID: action.ID}) })
		}
	}
}

func (b *bundle) record(objectType, id string) hubspottest.Record {
	b.t.Helper()
	for _, r := range b.sim.Records(b.hub, objectType) {
		if r.ID == id {
			return r
		}
	}
	b.t.Fatalf("there is no %s %s", objectType, id)
	return hubspottest.Record{}
}

// undone are the undo's actions by the tool and the record.
func (b *bundle) undone(m activities.Meeting) map[string]store.Action {
	b.t.Helper()
	actions, err := b.store.ActionsOf(b.ctx, m.OrganizationID, m.MeetingID)
	require.NoError(b.t, err)
	found := map[string]store.Action{}
	for _, a := range actions {
		if a.Origin.Kind == store.OriginUndo {
			key := a.Tool.String() + " " + a.TargetID
			if a.State == store.ActionSkipped {
				key = "kept " + key
			}
			require.NotContains(b.t, found, key)
			found[key] = a
		}
	}
	return found
}

func (b *bundle) live(objectType string) int {
	n := 0
	for _, r := range b.sim.Records(b.hub, objectType) {
		if !r.Archived {
			n++
		}
	}
	return n
}

// tell delivers an event about a meeting that is there.
func (b *bundle) tell(e meeting.Event) {
	b.t.Helper()
	quoted(&e)
	e = e.Normalize()
	require.NoError(b.t, e.Validate())
	body, err := json.Marshal(e)
	require.NoError(b.t, err)
	delivery, _, err := b.store.InsertDelivery(b.ctx, store.NewDelivery{
		Source: b.source, DedupeKey: e.DedupeKey, Body: body, ReceivedAt: start.Add(2 * time.Hour), Header: http.Header{},
	})
	require.NoError(b.t, err)
	_, err = b.store.Understood(b.ctx, delivery, b.org.ID, []meeting.Event{e})
	require.NoError(b.t, err)
}

// settled looks until the meeting's events have settled.
func (b *bundle) settled(m activities.Meeting) (look store.Look) {
	b.t.Helper()
	require.Eventually(b.t, func() (done bool) {
		var err error
		look, err = b.activities.Look(b.ctx, m)
		return err == nil && look.Next != store.NextGather
	}, time.Minute, 50*time.Millisecond)
	return look
}

func TestUndoTakesEverythingBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m, deal := b.written()
	require.Equal(t, 2, b.live("contacts"))
	b.undo(m)

	require.Equal(t, "qualifiedtobuy", b.record("deals", deal).Properties["dealstage"])
	require.NotContains(t, b.record("deals", deal).Properties, "description")
	require.Equal(t, 1, b.live("contacts"), "the known one")
	for _, objectType := range []string{"notes", "tasks", "meetings"} {
		require.NotEmpty(t, b.sim.Records(b.hub, objectType))
		require.Zero(t, b.live(objectType), objectType)
	}
	for key, a := range b.undone(m) {
		require.Equal(t, store.ActionWritten, a.State, "%s: %s", key, a.Reason)
	}
	look, err := b.activities.Look(b.ctx, m)
	require.NoError(t, err)
	require.Equal(t, store.NextDone, look.Next)

	u, err := b.store.UndoPreview(b.ctx, m.OrganizationID, m.MeetingID)
	require.NoError(t, err)
	require.Empty(t, u.Items)
	var refusal *store.Refusal
	require.ErrorAs(t, b.store.RequestUndo(b.ctx, m.OrganizationID, m.MeetingID, store.Operator), &refusal, "once is enough")
}

func TestUndoSaysWhatItLeavesAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m, deal := b.written()
	contacts := b.sim.Records(b.hub, "contacts")
	made := contacts[len(contacts)-1].ID
	note, task := b.sim.Records(b.hub, "notes")[0].ID, b.sim.Records(b.hub, "tasks")[0].ID
	require.NoError(t, b.sim.Edit(b.hub, "deals", deal, map[string]string{"description": "They want two."}))
	require.NoError(t, b.sim.Edit(b.hub, "tasks", task, map[string]string{"hs_task_status": "COMPLETED"}))
	require.NoError(t, b.sim.Edit(b.hub, "contacts", made, map[string]string{"phone": "+49 30 1"}))
	require.NoError(t, b.sim.Archive(b.hub, "notes", note))
	b.undo(m)

	got := b.undone(m)
	require.Equal(t, store.ActionWritten, got["deal.update "+deal].State)
	require.Equal(t, map[string]string{"dealstage": "qualifiedtobuy"}, got["deal.update "+deal].Content.Properties)
	require.Equal(t, "somebody changed it since: description", got["kept deal.update "+deal].Reason)
	require.Equal(t, "qualifiedtobuy", b.record("deals", deal).Properties["dealstage"])
	require.Equal(t, "They want two.", b.record("deals", deal).Properties["description"])
	require.Contains(t, got["kept task.archive "+task].Reason, "somebody changed it since: hs_task_status")
	require.Contains(t, got["kept contact.archive "+made].Reason, "somebody changed it since: phone")
	require.Equal(t, "it was archived or deleted in HubSpot", got["kept note.archive "+note].Reason)
	require.False(t, b.record("tasks", task).Archived)
	require.False(t, b.record("contacts", made).Archived)
	require.True(t, b.sim.Records(b.hub, "meetings")[0].Archived, "what hangs on a record may go without it")
}

// A record that stays because somebody touched it keeps what Debrief made and
// linked it with only where that stays, too.
func TestUndoKeepsWhatHangsOnWhatStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m, _ := b.written()
	contacts := b.sim.Records(b.hub, "contacts")
	made := contacts[len(contacts)-1].ID
	note := b.sim.Records(b.hub, "notes")[0].ID
	require.NoError(t, b.sim.Edit(b.hub, "notes", note, map[string]string{"hs_note_body": "Corrected."}))
	b.undo(m)
	require.Equal(t, "it is linked with what stays: note "+note, b.undone(m)["kept contact.archive "+made].Reason)
	require.False(t, b.record("contacts", made).Archived)
}

// After an undo, nothing is written again by itself: not for a delivery that says
// the same, and for one that says something else only if somebody wants it.
func TestALaterRoundDoesNotFightAnUndo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var told meeting.Event
	company := b.company("northwind.example")
	deal := b.deal(company)
	m := b.takesPlace(func(e *meeting.Event) {
		e.ProposedActions = []meeting.ProposedAction{
			{Tool: "deal.update", Target: meeting.RecordRef{ID: deal}, Properties: map[string]string{"dealstage": "contractsent"}},
		}
		told = *e
	}, "new@northwind.example")
	b.followUp(m)
	for _, object := range []string{"contact", "note", "task", "meeting"} {
		require.NoError(t, b.store.SetPermission(b.ctx, b.org.ID, policy.Tool{Object: object, Operation: policy.Archive}, policy.Allow, store.Operator))
	}
	b.undo(m)
	before := b.sim.Writes()

	again := func(change func(*meeting.Event)) {
		told.OccurredAt = told.OccurredAt.Add(time.Minute)
		e := told
		e.DedupeKey = uuid.NewString()
		change(&e)
		b.tell(e)
		look := b.settled(m)
		require.Equal(t, store.NextPlan, look.Next)
		b.step(func() error { return b.activities.Plan(b.ctx, m) })
		b.finish(m)
	}
	again(func(e *meeting.Event) { e.Title = "Renewal review (2)" })
	require.Equal(t, before, b.sim.Writes(), "whatever is allowed")

	again(func(e *meeting.Event) {
		e.ProposedActions = []meeting.ProposedAction{
			{Tool: "deal.update", Target: meeting.RecordRef{ID: deal}, Properties: map[string]string{"dealstage": "presentationscheduled"}},
		}
	})
	require.Equal(t, before, b.sim.Writes(), "it is asked, though the tool is allowed")
	pending, err := b.store.Approvals(b.ctx, b.org.ID, store.ApprovalFilter{State: store.ApprovalPending})
	require.NoError(t, err)
	asked := false
	for _, p := range pending {
		require.Contains(t, p.Action.Content.Doubt, store.AfterUndo)
		asked = asked || p.Action.Tool.String() == "deal.update"
	}
	require.True(t, asked)
	require.Equal(t, "qualifiedtobuy", b.record("deals", deal).Properties["dealstage"])
}
