package crm_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// undo asks for an undo and saves it as Postgres alone would have it, without a
// look at HubSpot: what the gate does about that is what is tested here.
func (b *bundle) undo() map[string]store.Action {
	b.t.Helper()
	require.NoError(b.t, b.store.RequestUndo(b.ctx, b.org.ID, b.meeting, store.Operator))
	u, err := b.store.UndoPreview(b.ctx, b.org.ID, b.meeting)
	require.NoError(b.t, err)
	plan := store.UndoPlan{OrganizationID: b.org.ID, MeetingID: b.meeting, Number: u.Number}
	for _, item := range u.Items {
		step := store.UndoStep{
			Draft: store.Draft{Key: item.Key, Tool: item.Tool, TargetID: item.RecordID, DependsOn: item.DependsOn, Content: store.ActionContent{
				Label: item.Label, Properties: map[string]string{}, Before: map[string]string{}, Undoes: item.Actions,
			}},
			ConnectionID: item.ConnectionID, Kept: item.Why,
		}
		for _, c := range item.Changes {
			step.Content.Properties[c.Property], step.Content.Before[c.Property] = c.After, c.Before
		}
		plan.Steps = append(plan.Steps, step)
	}
	require.NoError(b.t, b.store.SaveUndo(b.ctx, plan))
	byKey := map[string]store.Action{}
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, b.meeting)
	require.NoError(b.t, err)
	for _, a := range actions {
		byKey[a.Key] = a
	}
	return byKey
}

// created is a contact that the meeting made, with a note on it.
func (b *bundle) created() (contact, note string) {
	b.t.Helper()
	b.permit("contact.create", "allow", "note.create", "allow", "contact.archive", "allow", "note.archive", "allow")
	a := b.plan(contactDraft(), store.Draft{
		Key: "note", Tool: policy.Tool{Object: "note", Operation: policy.Create}, DependsOn: []string{"contact"},
		Content: store.ActionContent{
			Label: "Notes", Properties: map[string]string{"hs_timestamp": "2026-11-20T10:00:00Z", "hs_note_body": "They want it."},
			Associations: []store.AssociationRef{{Object: "contact", Key: "contact"}},
		},
	})
	contact, note = b.mustWrite(a["contact"].ID).RecordID, b.mustWrite(a["note"].ID).RecordID
	b.sim.Advance(time.Minute)
	return contact, note
}

func (b *bundle) isArchived(objectType, id string) bool {
	b.t.Helper()
	for _, r := range b.sim.Records(b.hub, objectType) {
		if r.ID == id {
			return r.Archived
		}
	}
	b.t.Fatalf("there is no %s %s", objectType, id)
	return false
}

const (
	undoContact = "undo/1/contact"
	undoNote    = "undo/1/note"
)

func TestUndoArchivesWhatNobodyTouched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	contact, note := b.created()
	a := b.undo()
	require.Equal(t, []uuid.UUID{a[undoNote].ID}, a[undoContact].DependsOn, "what hangs on it goes first")

	_, err := b.write(a[undoContact].ID)
	requireRetry(t, err)
	require.False(t, b.isArchived("contacts", contact))
	require.Equal(t, store.ActionWritten, b.mustWrite(a[undoNote].ID).State)
	r := b.mustWrite(a[undoContact].ID)
	require.Equal(t, store.ActionWritten, r.State)
	require.Equal(t, r, b.mustWrite(a[undoContact].ID), "a replay answers what happened")
	require.True(t, b.isArchived("notes", note))
	require.True(t, b.isArchived("contacts", contact))
	require.Len(t, b.writes("archive"), 2)

	trail, err := b.store.AuditTrail(b.ctx, b.org.ID, store.AuditFilter{ActionID: a[undoContact].ID, Kind: store.AuditCall})
	require.NoError(t, err)
	last := trail[len(trail)-1]
	require.Equal(t, policy.Tool{Object: "contact", Operation: policy.Archive}, last.Tool)
	require.Equal(t, store.Origin{Kind: store.OriginUndo, ID: b.meeting}, last.Origin)
	require.Equal(t, contact, last.RecordID)
	require.Equal(t, store.Done, last.Outcome)

	// Another meeting that wants the same person makes a new contact.
	other := uuid.New()
	b.addMeeting(other)
	again := b.planFor(other, contactDraft())["contact"]
	r = b.mustWrite(again.ID)
	require.Equal(t, store.ActionWritten, r.State)
	require.NotEqual(t, contact, r.RecordID)
}

func TestUndoKeepsWhatSomebodyTouched(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, c := range map[string]struct {
		touch func(b *bundle, contact, note string)
		want  string
	}{
		"a value that was written": {func(b *bundle, contact, _ string) {
			require.NoError(b.t, b.sim.Edit(b.hub, "contacts", contact, map[string]string{"firstname": "Janet"}))
		}, "somebody changed it since: firstname"},
		"another value": {func(b *bundle, contact, _ string) {
			require.NoError(b.t, b.sim.Edit(b.hub, "contacts", contact, map[string]string{"phone": "+49 30 1"}))
		}, "somebody changed it since: phone"},
		"another app": {func(b *bundle, contact, _ string) {
			_, err := b.admin().Update(b.ctx, "contacts", contact, map[string]string{"city": "Lyon"})
			require.NoError(b.t, err)
		}, "somebody changed it since: city"},
		"a link": {func(b *bundle, contact, _ string) {
			company := b.add("companies", map[string]string{"name": "Northwind", "domain": "northwind.example"})
			require.NoError(b.t, b.sim.Associate(b.hub, "contacts", contact, "companies", company.ID, true))
		}, "it is linked with what stays: company "},
		"a call on its timeline": {func(b *bundle, contact, _ string) {
			call := b.add("calls", map[string]string{"hs_timestamp": "2026-11-21T10:00:00Z"})
			require.NoError(b.t, b.sim.Associate(b.hub, "calls", call.ID, "contacts", contact, true))
		}, "it is linked with what stays: calls "},
		"another meeting": {func(b *bundle, _, _ string) {
			other := uuid.New()
			b.addMeeting(other)
			require.Equal(b.t, store.ActionUnchanged, b.mustWrite(b.planFor(other, contactDraft())["contact"].ID).State)
		}, "another meeting uses it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			contact, note := b.created()
			a := b.undo()
			c.touch(b, contact, note)
			require.Equal(t, store.ActionWritten, b.mustWrite(a[undoNote].ID).State)
			r := b.mustWrite(a[undoContact].ID)
			require.True(t, r.NeedsQuestion)
			require.Contains(t, r.Reason, c.want)
			require.False(t, b.isArchived("contacts", contact))

			// Who was told of it and wants it all the same is obeyed; of something
			// else that happened since, they are told anew.
			require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, a[undoContact].ID, "permission", r.Reason, nil))
			b.decide(a[undoContact].ID, store.Approve, nil)
			require.NoError(t, b.sim.Edit(b.hub, "contacts", contact, map[string]string{"jobtitle": "CTO"}))
			r = b.mustWrite(a[undoContact].ID)
			require.True(t, r.NeedsQuestion)
			require.Contains(t, r.Reason, "jobtitle")
			require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, a[undoContact].ID, "permission", r.Reason, nil))
			b.decide(a[undoContact].ID, store.Approve, nil)
			require.Equal(t, store.ActionWritten, b.mustWrite(a[undoContact].ID).State)
			require.True(t, b.isArchived("contacts", contact))
		})
	}

	t.Run("a note of ours that stays keeps its contact", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		contact, note := b.created()
		b.permit("note.archive", "ask")
		a := b.undo()
		b.decide(a[undoNote].ID, store.Reject, nil)
		r := b.mustWrite(a[undoContact].ID)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, "it is linked with what stays: note "+note, r.Reason)
		require.False(t, b.isArchived("contacts", contact))
	})

	t.Run("merged", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		contact, _ := b.created()
		a := b.undo()
		b.mustWrite(a[undoNote].ID)
		into := b.add("contacts", map[string]string{"email": "other@northwind.example"})
		require.NoError(t, b.sim.Merge(b.hub, "contacts", into.ID, contact))
		r := b.mustWrite(a[undoContact].ID)
		require.Equal(t, store.ActionSkipped, r.State)
		require.Equal(t, "it was merged into "+into.ID+" in HubSpot", r.Reason)
		require.False(t, b.isArchived("contacts", into.ID))
	})

	t.Run("archived by somebody", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		contact, _ := b.created()
		a := b.undo()
		b.mustWrite(a[undoNote].ID)
		require.NoError(t, b.sim.Archive(b.hub, "contacts", contact))
		require.Equal(t, store.ActionUnchanged, b.mustWrite(a[undoContact].ID).State)
		require.Len(t, b.writes("archive"), 1, "that of the note")
	})

	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		contact, note := b.created()
		a := b.undo()
		b.permit("note.archive", "deny", "contact.archive", "deny")
		require.Equal(t, store.ActionDenied, b.mustWrite(a[undoNote].ID).State)
		require.Equal(t, store.ActionDenied, b.mustWrite(a[undoContact].ID).State)
		require.False(t, b.isArchived("contacts", contact))
		require.False(t, b.isArchived("notes", note))
	})
}

// TestUndoArchivesOnce: whatever happens to the call and to the process.
func TestUndoArchivesOnce(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	const path = "/crm/objects/2026-09/notes/*"
	for name, fault := range map[string]hubspottest.Fault{
		"cut before it happened": {CutBeforeCommit: true},
		"its answer was lost":    {CutAfterCommit: true},
		"502 after it happened":  {Status: http.StatusBadGateway, AnswerAfterCommit: true},
		"503":                    {Status: http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			_, note := b.created()
			a := b.undo()
			fault.Method, fault.Path = http.MethodDelete, path
			b.sim.Inject(fault)
			r, err := b.write(a[undoNote].ID)
			for range 3 {
				if err == nil {
					break
				}
				requireRetry(t, err)
				r, err = b.write(a[undoNote].ID)
			}
			require.NoError(t, err)
			require.Equal(t, store.ActionWritten, r.State)
			require.True(t, b.isArchived("notes", note))
			require.Len(t, b.writes("archive"), 1)
			require.Empty(t, b.sim.Faults())
		})
	}

	for _, moment := range []string{"between the record of the call and the call", "between the call and its record"} {
		t.Run("killed "+moment, func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			_, note := b.created()
			a := b.undo()
			die := func() {
				b.killed(func(gate *crm.Gate) { _, _ = gate.Write(b.ctx, a[undoNote].ID, crm.Attempt{}) })
			}
			if moment == "between the call and its record" {
				die()
				require.True(t, b.isArchived("notes", note))
			} else {
				begun, err := b.store.BeginWrite(b.ctx, a[undoNote].ID, store.WriteIntent{})
				require.NoError(t, err)
				require.Equal(t, store.WriteSend, begun.Step)
			}
			require.Equal(t, store.ActionWriting, b.action(a[undoNote].ID).State)
			r, err := b.newGate().Write(b.ctx, a[undoNote].ID, crm.Attempt{})
			require.NoError(t, err)
			require.Equal(t, store.ActionWritten, r.State)
			require.Len(t, b.writes("archive"), 1)
		})
	}

	t.Run("touched while the answer was lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		_, note := b.created()
		a := b.undo()
		b.sim.Inject(hubspottest.Fault{Method: http.MethodDelete, Path: path, CutBeforeCommit: true})
		_, err := b.write(a[undoNote].ID)
		requireRetry(t, err)
		require.NoError(t, b.sim.Edit(b.hub, "notes", note, map[string]string{"hs_note_body": "They want two."}))
		r := b.mustWrite(a[undoNote].ID)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, store.ActionReady, r.State)
		require.False(t, b.isArchived("notes", note))
	})
}

type killed struct{}

// killed lets a process die when HubSpot has answered its archive.
func (b *bundle) killed(work func(*crm.Gate)) {
	b.t.Helper()
	gate := b.mortalGate(func(_ context.Context, info hubspot.ResponseInfo) {
		if info.Method == http.MethodDelete {
			panic(killed{})
		}
	})
	defer func() {
		require.Equal(b.t, killed{}, recover(), "it should have died")
	}()
	work(gate)
}

// TestUndoRestores: values go back where the record still has what was written;
// two rounds that changed the same value go back to what was there before both.
func TestUndoRestores(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	prepare := func(t *testing.T) (*bundle, string) {
		b := db.setup(t)
		b.permit("deal.update", "allow", "deal.read", "allow")
		deal := b.add("deals", map[string]string{"dealname": "Rollout", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "1000"})
		first := store.Draft{Key: "move", Tool: policy.Tool{Object: "deal", Operation: policy.Update}, TargetID: deal.ID, Content: store.ActionContent{
			Label:      "Rollout",
			Properties: map[string]string{"dealstage": "contractsent", "amount": "2000", "description": "They said yes."},
			Before:     map[string]string{"dealstage": "qualifiedtobuy", "amount": "1000"},
		}}
		second := store.Draft{Key: "more", Tool: first.Tool, TargetID: deal.ID, Content: store.ActionContent{
			Label: "Rollout", Properties: map[string]string{"amount": "3000"}, Before: map[string]string{"amount": "2000"},
		}}
		require.Equal(t, store.ActionWritten, b.mustWrite(b.plan(first)["move"].ID).State)
		require.Equal(t, store.ActionWritten, b.mustWrite(b.plan(first, second)["more"].ID).State)
		return b, deal.ID
	}

	t.Run("all", func(t *testing.T) {
		t.Parallel()
		b, deal := prepare(t)
		a := b.undo()["undo/1/move"]
		require.Equal(t, map[string]string{"dealstage": "qualifiedtobuy", "amount": "1000", "description": ""}, a.Content.Properties)
		require.Len(t, a.Content.Undoes, 2)
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State)
		now := b.sim.Records(b.hub, "deals")[0]
		require.Equal(t, deal, now.ID)
		require.Equal(t, "1000", now.Properties["amount"])
		require.Equal(t, "qualifiedtobuy", now.Properties["dealstage"])
		require.NotContains(t, now.Properties, "description", "there was none")
	})

	t.Run("somebody changed one", func(t *testing.T) {
		t.Parallel()
		b, deal := prepare(t)
		require.NoError(t, b.sim.Edit(b.hub, "deals", deal, map[string]string{"amount": "2500"}))
		u, err := b.store.UndoPreview(b.ctx, b.org.ID, b.meeting)
		require.NoError(t, err)
		require.Len(t, u.Items, 1)
		scope := b.scope()
		scope.Origin.Kind = store.OriginUndo
		found, err := b.gate.Reader(scope).Restorable(b.ctx, "deal", deal, u.Items[0].Changes)
		require.NoError(t, err)
		require.Equal(t, []store.Change{{Property: "amount", Before: "3000", After: "1000"}}, found.Changed)
		require.Equal(t, []store.Change{
			{Property: "dealstage", Before: "contractsent", After: "qualifiedtobuy"}, {Property: "description", Before: "They said yes."},
		}, found.Changes)
	})

	t.Run("somebody changes one after the plan", func(t *testing.T) {
		t.Parallel()
		b, deal := prepare(t)
		a := b.undo()["undo/1/move"]
		require.NoError(t, b.sim.Edit(b.hub, "deals", deal, map[string]string{"amount": "2500"}))
		r := b.mustWrite(a.ID)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, "changed in HubSpot since the question: amount", r.Reason)
		require.Equal(t, "2500", b.sim.Records(b.hub, "deals")[0].Properties["amount"])
	})
}

func ExampleTouched_Why() {
	fmt.Println(crm.Touched{
		Changed: []string{"amount", "dealstage"}, Links: []store.AssociationRef{{Object: "note", RecordID: "301"}},
	}.Why())
	// Output: somebody changed it since: amount, dealstage; it is linked with what stays: note 301
}
