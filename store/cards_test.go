package store_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestCardFacts(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Ask})
	b.plan(
		draft(createContact, "contact", map[string]string{"email": "jane@northwind.example"}),
		draft(createDeal, "deal", map[string]string{"dealname": "Renewal", "amount": "1"}),
	)
	facts := func() store.CardFacts {
		t.Helper()
		f, err := b.CardFacts(context.Background(), b.org, b.meeting)
		require.NoError(t, err)
		return f
	}
	first := b.question("deal")
	_, err := b.Decide(context.Background(), store.Decision{
		OrganizationID: b.org, ApprovalID: first.ID, Verdict: store.Edit, Edit: map[string]string{"amount": "2"}, Reason: "a rebate",
		Actor: store.Operator, Via: store.ViaCommandLine,
	})
	require.NoError(t, err)

	f := facts()
	require.Equal(t, b.meeting, f.Meeting.ID)
	require.Equal(t, b.connection, f.Connection.ID)
	require.Len(t, f.Actions, 2)
	require.JSONEq(t, "null", string(f.Resolution))
	deal := f.Questions[first.ActionID]
	require.Len(t, deal, 1)
	require.Equal(t, store.ApprovalEdited, deal[0].State)
	require.Equal(t, "operator", deal[0].By)
	require.Equal(t, map[string]string{"amount": "2"}, deal[0].Edit)
	require.Equal(t, "a rebate", deal[0].Said)
	require.Equal(t, 1, deal[0].Quorum)
	open := f.Questions[b.question("contact").ActionID]
	require.Len(t, open, 1)
	require.Nil(t, open[0].DecidedAt)
	require.Empty(t, open[0].Edit)

	// Asked again: the line has both, the newest last.
	b.plan(
		draft(createContact, "contact", map[string]string{"email": "jane@northwind.example", "firstname": "Jane"}),
		draft(createDeal, "deal", map[string]string{"dealname": "Renewal", "amount": "1"}),
	)
	open = facts().Questions[open[0].ActionID]
	require.Len(t, open, 2)
	require.Equal(t, store.ApprovalWithdrawn, open[0].State)
	require.Equal(t, store.ApprovalPending, open[1].State)

	// Another organization's it is not.
	_, err = b.CardFacts(context.Background(), storetest.Organization(t, b.Store).ID, b.meeting)
	require.ErrorIs(t, err, store.ErrNotFound)

	// Erased: what happened stays, no words.
	require.NoError(t, b.EraseMeeting(context.Background(), b.org, b.meeting, store.Operator))
	f = facts()
	require.NotNil(t, f.Meeting.ErasedAt)
	require.Len(t, f.Actions, 2)
	for _, a := range f.Actions {
		require.Empty(t, a.Content.Properties)
		for _, q := range f.Questions[a.ID] {
			require.Empty(t, q.Edit)
			require.Empty(t, q.Said)
		}
	}
}

// What falls with a line is what its rejection settles.
func TestFallsWith(t *testing.T) {
	t.Parallel()
	createNote := policy.Tool{Object: "note", Operation: policy.Create}
	b := newBench(t, policy.Permissions{createCompany: policy.Ask, createContact: policy.Ask, createDeal: policy.Ask, createNote: policy.Ask})
	to := func(object, key string, required bool) store.AssociationRef {
		return store.AssociationRef{Object: object, Key: key, Required: required}
	}
	linked := func(tool policy.Tool, key string, refs ...store.AssociationRef) store.Draft {
		d := draft(tool, key, map[string]string{"name": key})
		for _, r := range refs {
			d.DependsOn = append(d.DependsOn, r.Key)
		}
		d.Content.Associations = refs
		return d
	}
	b.plan(
		linked(createCompany, "company"),
		linked(createContact, "contact", to("company", "company", false)),
		linked(createDeal, "deal", to("company", "company", true)),
		linked(createNote, "note of the deal", to("deal", "deal", false)),
		linked(createNote, "note of both", to("deal", "deal", false), to("contact", "contact", false)),
		linked(createNote, "note of the company and the deal", to("company", "company", false), to("deal", "deal", false)),
	)
	f, err := b.CardFacts(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	falls := map[string][]string{}
	for _, a := range f.Actions {
		for _, other := range f.FallsWith(a.ID) {
			falls[a.Key] = append(falls[a.Key], other.Key)
		}
	}
	require.Equal(t, map[string][]string{
		"company": {"deal", "note of the deal", "note of the company and the deal"},
		"deal":    {"note of the deal"},
	}, falls)
	require.Empty(t, f.FallsWith(uuid.New()))

	// And so it comes to pass.
	require.NoError(t, b.decide(b.question("company"), store.Reject, nil))
	b.look()
	for _, a := range f.Actions {
		state := b.action(a.Key).State
		switch a.Key {
		case "company":
			require.Equal(t, store.ActionRejected, state)
		case "contact", "note of both":
			require.Equal(t, store.ActionAsking, state, a.Key)
		default:
			require.Equal(t, store.ActionSkipped, state, a.Key)
		}
	}
}

// A question that comes back shows what was first asked about, what the record has now
// and what would be written; and what HubSpot misses has a place to be filled in.
func TestAskedAgainWithAllVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
	move := store.Draft{Key: "move", Tool: updateDeal, TargetID: "301", Content: store.ActionContent{
		Label: "Renewal", Properties: map[string]string{"amount": "9", "dealstage": "won"}, Before: map[string]string{"amount": "5", "dealstage": "new"},
	}}
	b.plan(move)
	id := b.action("move").ID
	again := func(before map[string]string, missing ...string) store.ActionContent {
		t.Helper()
		require.NoError(t, b.AskAgain(context.Background(), b.org, id, "permission", "why", before, missing...))
		return b.question("move").Action.Content
	}
	c := again(map[string]string{"amount": "7", "dealstage": "new"})
	require.Equal(t, map[string]string{"amount": "5"}, c.Earlier)
	require.Equal(t, "7", c.Before["amount"])
	require.Equal(t, []string{"amount"}, c.Changed)

	require.NoError(t, b.decide(b.question("move"), store.Approve, nil))
	c = again(map[string]string{"amount": "8", "dealstage": "new"})
	require.Equal(t, map[string]string{"amount": "5"}, c.Earlier, "what was asked about first")
	require.Equal(t, "8", c.Before["amount"])

	require.NoError(t, b.decide(b.question("move"), store.Approve, nil))
	c = again(nil, "closed_won_reason", "amount")
	require.Equal(t, map[string]string{"amount": "9", "dealstage": "won", "closed_won_reason": ""}, c.Properties)
	require.Equal(t, "why", c.Doubt)
	require.NoError(t, b.decide(b.question("move"), store.Edit, map[string]string{"closed_won_reason": "price"}))
	require.Equal(t, store.ActionReady, b.action("move").State)
}
