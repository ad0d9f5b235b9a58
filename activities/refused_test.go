package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// card is the meeting's card in English.
func (b *bundle) card(m activities.Meeting) card.Card {
	b.t.Helper()
	facts, err := b.store.CardFacts(b.ctx, m.OrganizationID, m.MeetingID)
	require.NoError(b.t, err)
	return card.Of(facts, words.Printer{})
}

// planned opens the follow-up and makes its plan.
func (b *bundle) planned(m activities.Meeting) {
	b.t.Helper()
	_, err := b.activities.Look(b.ctx, m)
	require.NoError(b.t, err)
	b.step(func() error { return b.activities.Plan(b.ctx, m) })
}

// write carries out what is ready, and what that makes ready.
func (b *bundle) write(m activities.Meeting) {
	b.t.Helper()
	for {
		look, err := b.activities.Look(b.ctx, m)
		require.NoError(b.t, err)
		if len(look.Ready) == 0 {
			return
		}
		for _, action := range look.Ready {
			b.step(func() error { return b.activities.Write(b.ctx, activities.WriteInput{Meeting: m, ActionID: action.ID}) })
		}
	}
}

func (b *bundle) decide(l card.Line, verdict store.Verdict, edit map[string]string) {
	b.t.Helper()
	_, err := b.store.Decide(b.ctx, store.Decision{
		OrganizationID: b.org.ID, ApprovalID: *l.ApprovalID, Verdict: verdict, Edit: edit, Actor: store.Operator, Via: store.ViaCommandLine,
	})
	require.NoError(b.t, err)
}

func line(t *testing.T, c card.Card, title string) card.Line {
	t.Helper()
	for _, l := range c.Lines {
		if l.Title == title {
			return l
		}
	}
	t.Fatalf("no line %q", title)
	return card.Line{}
}

// What HubSpot refuses when it is carried out, since an admin's rule wants more, is
// asked again with HubSpot's words and a place for what it wants.
func TestWhatHubSpotRefusesIsAskedAgainWithItsWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.sim.SetRules(b.hub, "deals", hubspottest.Rule{When: "dealstage", Is: []string{"closedlost"}, Require: []string{"closed_lost_reason"}}))
	company := b.company("northwind.example")
	b.contact("jane@northwind.example", company)
	deal := b.deal(company)
	m := b.takesPlace(func(e *meeting.Event) {
		e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.update", Target: meeting.RecordRef{ID: deal}, Properties: map[string]string{"dealstage": "Closed Lost"}}}
	}, "jane@northwind.example")
	b.planned(m)
	b.write(m)

	l := line(t, b.card(m), "Update Deal")
	require.True(t, l.Open(), l.StateText)
	require.Contains(t, l.Doubt, "HubSpot refused it: ")
	require.Contains(t, l.Doubt, `"closed_lost_reason" is required`)
	require.Equal(t, []string{"dealstage", "closed_lost_reason"}, []string{l.Changes[0].Property, l.Changes[1].Property})
	require.Equal(t, "Closed Lost", l.Changes[0].New)
	require.Equal(t, "(empty)", l.Changes[1].New)

	// Approved as it is, it is refused again; nothing else happens.
	b.decide(l, store.Approve, nil)
	b.write(m)
	l = line(t, b.card(m), "Update Deal")
	require.True(t, l.Open(), l.StateText)

	b.decide(l, store.Edit, map[string]string{"closed_lost_reason": "no budget"})
	b.write(m)
	require.Equal(t, store.ActionWritten, line(t, b.card(m), "Update Deal").State)
	require.Equal(t, "no budget", b.sim.Records(b.hub, "deals")[0].Properties["closed_lost_reason"])
}

// What would fail is found before anybody is asked, by what the account says of its
// own properties.
func TestWhatWouldFailIsNotAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.AddProperty(b.hub, "deals", "renewal_term")
	company := b.company("northwind.example")
	b.contact("jane@northwind.example", company)
	deal := b.deal(company)
	m := b.takesPlace(func(e *meeting.Event) {
		e.ProposedActions = []meeting.ProposedAction{{
			Tool: "deal.update", Target: meeting.RecordRef{ID: deal},
			Properties: map[string]string{
				"no_such_property": "x", "dealtype": "Existingbusiness", "amount": "about forty", "hs_priority": "urgent", "createdate": "2026-01-01", "renewal_term": "12 months",
			},
		}}
	}, "jane@northwind.example")
	b.planned(m)
	l := line(t, b.card(m), "Update Deal")
	require.True(t, l.Open(), "a doubt asks, also where the tool is allowed")
	values := map[string]string{}
	for _, c := range l.Changes {
		values[c.Property] = c.Input.Value
	}
	require.Equal(t, map[string]string{"dealtype": "existingbusiness", "amount": "", "hs_priority": "", "renewal_term": "12 months"}, values)
	for _, sentence := range []string{
		"the account has no property no_such_property, so it was left out",
		"createdate can't be set and was left out",
		"Amount is not a number, so the proposed “about forty” was left out",
		"Priority has no such option, so the proposed “urgent” was left out",
	} {
		require.Contains(t, l.Doubt, sentence)
	}
	b.decide(l, store.Edit, map[string]string{"amount": "40000"})
	b.write(m)
	require.Equal(t, store.ActionWritten, line(t, b.card(m), "Update Deal").State)
	properties := b.sim.Records(b.hub, "deals")[0].Properties
	require.Equal(t, "40000", properties["amount"])
	require.Equal(t, "existingbusiness", properties["dealtype"])
}

// Which of several deals is meant is the approver's to say, and none of them makes
// a new one, also where everything is allowed.
func TestAmbiguityIsAQuestion(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(old, other string) string{
		"this one":      func(old, _ string) string { return old },
		"none of these": func(string, string) string { return store.NoneOfThese },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			company := b.company("northwind.example")
			b.contact("jane@northwind.example", company)
			old, other := b.deal(company), b.deal(company)
			m := b.takesPlace(func(e *meeting.Event) {
				e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.update", Target: meeting.RecordRef{ID: "99999999"}, Properties: map[string]string{"amount": "42000", "dealname": "Two hundred seats"}}}
			}, "jane@northwind.example")
			b.planned(m)
			l := line(t, b.card(m), "Update Deal")
			require.True(t, l.Open())
			require.Len(t, l.Candidates, 2)
			require.True(t, l.MayCreate)
			require.Contains(t, l.Candidates[0].Reasons, "of Company of northwind.example")
			require.Contains(t, l.Candidates[0].Reasons, "stage: Qualified To Buy")
			// The meeting's own question is which deal it belongs to; it waits.
			b.decide(l, store.Edit, map[string]string{l.CandidateProperty: answer(old, other)})
			b.step(func() error { return b.activities.Plan(b.ctx, m) })
			b.write(m)

			deals := map[string]map[string]string{}
			for _, r := range b.sim.Records(b.hub, "deals") {
				deals[r.ID] = r.Properties
			}
			if name == "this one" {
				require.Len(t, deals, 2)
				require.Equal(t, "42000", deals[old]["amount"])
				require.Empty(t, deals[other]["amount"])
				return
			}
			require.Len(t, deals, 3)
			require.Equal(t, store.ActionWritten, line(t, b.card(m), "Create Deal").State)
			made := deals[line(t, b.card(m), "Create Deal").RecordID]
			require.Equal(t, "42000", made["amount"])
			require.Equal(t, "Two hundred seats", made["dealname"])
			require.Equal(t, "appointmentscheduled", made["dealstage"], "the default pipeline's first open stage")
		})
	}
}
