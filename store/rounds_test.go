package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// A revision that is planned while the action that it changes is in flight is not lost:
// once it is known what became of the action, one more round is planned, and no more.
func TestARevisionOfWhatIsInFlight(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const key = "deal:7"
	revised := func() store.Draft { return dealDraft(map[string]string{"amount": "3"}) }
	setup := func(t *testing.T) (*bench, int64) {
		b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
		b.plan(dealDraft(map[string]string{"amount": "2"}))
		return b, b.begin(key)
	}
	end := func(b *bench, call int64, state store.ActionState, outcome store.Outcome) {
		b.t.Helper()
		_, err := b.EndWrite(ctx, store.WriteEnd{ActionID: b.action(key).ID, CallID: call, State: state, RecordID: "7", Call: store.CallResult{Outcome: outcome}})
		require.NoError(b.t, err)
	}
	// again saves the plan that was asked for, by a planner that knows what was written.
	again := func(b *bench, drafts ...store.Draft) {
		b.t.Helper()
		_, answers, err := b.Answers(ctx, b.org, b.meeting)
		require.NoError(b.t, err)
		require.NoError(b.t, b.SavePlan(ctx, store.Plan{
			OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: answers, ConnectionID: b.connection, Drafts: drafts,
			Written: map[string]bool{key: b.action(key).State.Happened()},
		}))
	}

	t.Run("it is written", func(t *testing.T) {
		t.Parallel()
		b, call := setup(t)
		b.plan(revised())
		require.Equal(t, store.NextWrite, b.look().Next, "it may have to be looked after")
		end(b, call, store.ActionWritten, store.Done)
		require.Equal(t, store.NextPlan, b.look().Next)
		again(b, revised())
		require.Equal(t, store.NextDone, b.look().Next, "whoever knows it, and wants it all the same, is heard once")
	})
	t.Run("it is to be tried again", func(t *testing.T) {
		t.Parallel()
		b, call := setup(t)
		b.plan(revised())
		end(b, call, store.ActionReady, store.Failed)
		require.Equal(t, store.NextPlan, b.look().Next, "before the old amount is sent again")
		again(b, revised())
		require.Equal(t, store.NextWrite, b.look().Next)
		require.Equal(t, "3", b.action(key).Content.Properties["amount"])
	})
	t.Run("nobody knows for long", func(t *testing.T) {
		t.Parallel()
		b, call := setup(t)
		end(b, call, store.ActionUnknown, store.Unknown)
		b.plan(revised())
		require.NotEqual(t, store.NextPlan, b.look().Next)
		b.ExecForTest(t, `update actions set state = 'written', may_exist_since = null where origin_id = $1`, b.meeting)
		require.Equal(t, store.NextPlan, b.look().Next)
	})
	t.Run("the same is wanted", func(t *testing.T) {
		t.Parallel()
		b, call := setup(t)
		b.plan(dealDraft(map[string]string{"amount": "2"}))
		end(b, call, store.ActionWritten, store.Done)
		require.Equal(t, store.NextDone, b.look().Next)
	})
	t.Run("it is written while the planner reads", func(t *testing.T) {
		t.Parallel()
		b, call := setup(t)
		end(b, call, store.ActionWritten, store.Done)
		b.version++
		b.ExecForTest(t, `update meetings set version = $2 where id = $1`, b.meeting, b.version)
		require.NoError(t, b.SavePlan(ctx, store.Plan{
			OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, ConnectionID: b.connection, Drafts: []store.Draft{revised()}, Written: map[string]bool{},
		}))
		require.Equal(t, store.NextPlan, b.look().Next)
		again(b)
		require.Equal(t, store.NextDone, b.look().Next)
	})
}

// What was decided is not withdrawn as if nobody had asked for it, only because a round
// was planned while its tool was denied: the row says why, and once the tool is allowed
// again the next round has it.
func TestAPlanThatIsMadeWhileAToolIsDenied(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Allow})
	deal, contact := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}), draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
	b.plan(contact, deal)
	require.NoError(t, b.decide(b.question("deal:1"), store.Approve, nil))
	require.Equal(t, store.ActionReady, b.action("deal:1").State)

	b.set(createDeal, policy.Deny)
	b.plan(contact) // the planner drafts nothing that is denied
	require.Equal(t, store.ActionDenied, b.action("deal:1").State)
	require.Equal(t, "Create Deal was switched to deny", b.action("deal:1").Reason)

	b.set(createDeal, policy.Ask)
	b.plan(contact, deal)
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)

	b.plan(contact)
	require.Equal(t, store.ActionWithdrawn, b.action("deal:1").State, "nobody wants it any more")
}
