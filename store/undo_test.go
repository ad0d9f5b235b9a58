package store_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var archiveContact = policy.Tool{Object: "contact", Operation: policy.Archive}

// wrote does what the gate does when a write goes through.
func (b *bench) wrote(key, recordID string) {
	b.t.Helper()
	ctx := context.Background()
	id := b.action(key).ID
	begun, err := b.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(b.t, err)
	require.Equal(b.t, store.WriteSend, begun.Step, begun.Reason)
	_, err = b.EndWrite(ctx, store.WriteEnd{ActionID: id, CallID: begun.CallID, State: store.ActionWritten, RecordID: recordID, Call: store.CallResult{Outcome: store.Done}})
	require.NoError(b.t, err)
}

func (b *bench) requestUndo(actor store.Actor) error {
	return b.RequestUndo(context.Background(), b.org, b.meeting, actor)
}

func (b *bench) undo() store.Undo {
	b.t.Helper()
	u, err := b.UndoPreview(context.Background(), b.org, b.meeting)
	require.NoError(b.t, err)
	return u
}

// saveUndo plans an undo as if nobody had touched anything.
func (b *bench) saveUndo() {
	b.t.Helper()
	u := b.undo()
	plan := store.UndoPlan{OrganizationID: b.org, MeetingID: b.meeting, Number: u.Number}
	for _, item := range u.Items {
		plan.Steps = append(plan.Steps, store.UndoStep{
			Draft:        store.Draft{Key: item.Key, Tool: item.Tool, TargetID: item.RecordID, DependsOn: item.DependsOn, Content: store.ActionContent{Undoes: item.Actions, Properties: map[string]string{}}},
			ConnectionID: item.ConnectionID, Kept: item.Why,
		})
	}
	require.NoError(b.t, b.SaveUndo(context.Background(), plan))
}

func contactAndDeal() []store.Draft {
	deal := draft(updateDeal, "deal:7", map[string]string{"amount": "42000", "dealstage": "contractsent"})
	deal.TargetID = "7"
	deal.Content.Before = map[string]string{"amount": "40000"}
	return []store.Draft{draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}), deal}
}

func TestUndoPreviewSaysWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, updateDeal: policy.Ask, archiveContact: policy.Ask})
	b.plan(contactAndDeal()...)
	b.wrote("contact:1", "501")
	require.NoError(t, b.decide(b.question("deal:7"), store.Edit, map[string]string{"amount": "45000"}))
	b.wrote("deal:7", "7")

	u := b.undo()
	require.Equal(t, store.UndoNone, u.State)
	require.Equal(t, []store.UndoItem{
		{
			Key: "undo/1/deal:7", Tool: updateDeal, RecordID: "7", Label: "deal:7", ConnectionID: &b.connection, Actions: []uuid.UUID{b.action("deal:7").ID},
			Changes: []store.Change{
				{Property: "amount", Before: "45000", After: "40000"}, // as it was approved
				{Property: "dealstage", Before: "contractsent"},
			},
			Permission: policy.Ask,
		},
		{
			Key: "undo/1/contact:1", Tool: archiveContact, RecordID: "501", Label: "contact:1", ConnectionID: &b.connection,
			Actions: []uuid.UUID{b.action("contact:1").ID}, Permission: policy.Ask,
		},
	}, u.Items, "what was done last goes first")
}

func TestRequestUndo(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, updateDeal: policy.Ask, archiveContact: policy.Ask})
	b.plan(contactAndDeal()...)
	refused(t, b.requestUndo(store.Operator), "Nothing was written")
	require.Equal(t, store.ActionAsking, b.action("deal:7").State, "a refusal changes nothing")
	b.wrote("contact:1", "501")
	asked := b.question("deal:7")

	require.NoError(t, b.requestUndo(store.Operator))
	refused(t, b.requestUndo(store.Operator), "being undone already")
	require.Equal(t, store.UndoRequested, b.undo().State)
	require.Equal(t, store.ActionRejected, b.action("deal:7").State, "what was not written is not going to be")
	refused(t, b.decide(asked, store.Approve, nil), "withdrawn")
	require.Equal(t, store.NextUndo, b.look().Next)
	trail, err := b.AuditTrail(context.Background(), b.org, store.AuditFilter{OriginID: b.meeting, Kind: store.AuditDecision})
	require.NoError(t, err)
	last := trail[len(trail)-1]
	require.Equal(t, "undo 1 asked for", last.Reason)
	require.Equal(t, store.OriginUndo, last.Origin.Kind)

	b.saveUndo()
	b.saveUndo()
	require.Equal(t, store.UndoPlanned, b.undo().State)
	require.Equal(t, store.NextAnswer, b.look().Next)
	refused(t, b.requestUndo(store.Operator), "under way")

	// A later plan of the meeting leaves the undo alone, and asks about whatever it
	// wants itself.
	b.plan(append(contactAndDeal(), draft(createContact, "contact:2", map[string]string{"email": "joe@northwind.example"}))...)
	require.Equal(t, store.ActionAsking, b.action("undo/1/contact:1").State)
	require.Equal(t, store.ActionWritten, b.action("contact:1").State)
	require.Equal(t, store.ActionRejected, b.action("deal:7").State)
	require.Equal(t, store.AfterUndo, b.question("contact:2").Action.Content.Doubt)

	require.NoError(t, b.decide(b.question("undo/1/contact:1"), store.Approve, nil))
	b.wrote("undo/1/contact:1", "501")
	require.True(t, store.Undone(mustActions(b))[b.action("contact:1").ID])
	require.Empty(t, b.undo().Items)
	require.NoError(t, b.decide(b.question("contact:2"), store.Reject, nil))
	require.Equal(t, store.NextDone, b.look().Next)
	closed, err := b.CloseFollowUp(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.True(t, closed)
	f, err := b.FollowUpOf(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, map[store.ActionState]int{store.ActionWritten: 1}, f.Report.Undo)
	require.Equal(t, 1, f.Report.Actions[store.ActionWritten])
}

func mustActions(b *bench) []store.Action {
	b.t.Helper()
	all, err := b.ActionsOf(context.Background(), b.org, b.meeting)
	require.NoError(b.t, err)
	return all
}

// What is being written ends before the undo is planned: it could not be undone
// otherwise.
func TestAnUndoWaitsForWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, archiveContact: policy.Allow})
	b.plan(contactAndDeal()[0])
	id := b.action("contact:1").ID
	begun, err := b.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(t, err)
	require.NoError(t, b.requestUndo(store.Operator))
	look := b.look()
	require.Equal(t, store.NextWrite, look.Next)
	require.Len(t, look.Ready, 1)
	b.saveUndo()
	require.Equal(t, store.UndoRequested, b.undo().State)

	_, err = b.EndWrite(ctx, store.WriteEnd{ActionID: id, CallID: begun.CallID, State: store.ActionWritten, RecordID: "501", Call: store.CallResult{Outcome: store.Done}})
	require.NoError(t, err)
	require.Equal(t, store.NextUndo, b.look().Next)
	b.saveUndo()
	require.Equal(t, store.ActionReady, b.action("undo/1/contact:1").State)
}

// What is not configured is denied, also for an undo; and nobody's word is needed
// to see why.
func TestAnUndoPassesPermissions(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow})
	b.plan(contactAndDeal()[0])
	b.wrote("contact:1", "501")
	require.NoError(t, b.requestUndo(store.Operator))
	b.saveUndo()
	require.Equal(t, store.ActionDenied, b.action("undo/1/contact:1").State)
	require.Equal(t, store.NextDone, b.look().Next)

	// Allowed later, it is asked for anew.
	require.NoError(t, b.SetPermission(context.Background(), b.org, archiveContact, policy.Allow, store.Operator))
	require.NoError(t, b.requestUndo(store.Operator))
	b.saveUndo()
	require.Equal(t, store.ActionReady, b.action("undo/2/contact:1").State)
}

func TestWhoMayUndo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, archiveContact: policy.Ask})
	b.plan(contactAndDeal()[0])
	b.wrote("contact:1", "501")
	person := func(address string, role store.Role) store.Actor {
		p, err := b.AddPerson(ctx, store.Person{OrganizationID: b.org, Name: address, Role: role, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: address}}}, store.Operator)
		require.NoError(t, err)
		return store.Actor{Name: address, PersonID: &p.ID}
	}
	refused(t, b.requestUndo(person("viewer@acme.example", store.RoleViewer)), "Only the meeting's host")
	refused(t, b.requestUndo(person("member@acme.example", store.RoleMember)), "Only the meeting's host")
	require.NoError(t, b.requestUndo(person("approver@acme.example", store.RoleApprover)))
}
