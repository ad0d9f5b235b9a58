package planner

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

func draftsOf(in Input, tool string) (found []store.Draft) {
	for _, d := range Plan(in).Drafts {
		if d.Tool.String() == tool {
			found = append(found, d)
		}
	}
	return found
}

func quotes(d store.Draft) (all []string) {
	for _, e := range d.Content.Evidence {
		all = append(all, e.Quote)
	}
	return all
}

// A ticket that the platform names and a rule hears is one, and what refers to its name
// is linked to it.
func TestOnceWithARef(t *testing.T) {
	t.Parallel()
	const heard, repeated = "Please open a ticket for the frozen export.", "I'll open a ticket for the export."
	const deal = "We open a new deal, Export support."
	in := talk("Jane Roe: "+heard, "Dana Host: "+repeated, "Dana Host: "+deal)
	in.Meeting.ProposedActions = []meeting.ProposedAction{
		{Tool: "ticket.create", Ref: "t1", Properties: map[string]string{"subject": "Export is frozen", "hs_ticket_priority": "HIGH"}, Evidence: []meeting.Evidence{{Quote: repeated}}},
		{Tool: "deal.create", Properties: map[string]string{"dealname": "Export support"}, Evidence: []meeting.Evidence{{Quote: deal}}, AssociateWith: []meeting.RecordRef{{Ref: "t1"}}},
	}
	in.Proposed = []Proposals{{By: ByPhrases, Actions: []meeting.ProposedAction{
		{Tool: "ticket.create", Properties: map[string]string{"subject": "The frozen export"}, Evidence: []meeting.Evidence{{Quote: heard}}},
	}}}
	tickets := draftsOf(in, "ticket.create")
	require.Len(t, tickets, 1)
	require.ElementsMatch(t, []string{heard, repeated}, quotes(tickets[0]))
	deals := draftsOf(in, "deal.create")
	require.Len(t, deals, 1)
	require.NotContains(t, deals[0].Content.Doubt, "can't be linked")
	require.Equal(t, "HIGH", tickets[0].Content.Properties["hs_ticket_priority"])
	linked := slices.Concat(deals[0].Content.Associations, tickets[0].Content.Associations)
	require.True(t, slices.ContainsFunc(linked, func(a store.AssociationRef) bool { return a.Key == deals[0].Key || a.Key == tickets[0].Key }), "at one of its ends")
}

// Who names two tickets means two, and a third without a name is one of them.
func TestOnceOfTwoRefs(t *testing.T) {
	t.Parallel()
	const heard = "Please open a ticket for the frozen export and one for the broken clock."
	in := talk("Jane Roe: " + heard)
	evidence := []meeting.Evidence{{Quote: heard}}
	in.Meeting.ProposedActions = []meeting.ProposedAction{
		{Tool: "ticket.create", Ref: "t1", Properties: map[string]string{"subject": "Frozen export"}, Evidence: evidence},
		{Tool: "ticket.create", Ref: "t2", Properties: map[string]string{"subject": "Broken clock"}, Evidence: evidence},
	}
	in.Proposed = []Proposals{{By: ByPhrases, Actions: []meeting.ProposedAction{
		{Tool: "ticket.create", Properties: map[string]string{"subject": "The broken clock"}, Evidence: evidence},
	}}}
	var subjects []string
	for _, d := range draftsOf(in, "ticket.create") {
		subjects = append(subjects, d.Content.Properties["subject"])
	}
	require.ElementsMatch(t, []string{"Frozen export", "Broken clock"}, subjects)
}

// A named update of a deal and another planner's of the same deal are one, and so is one
// that does not tell which deal it means.
func TestOnceOfAnUpdateWithARef(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]meeting.RecordRef{"of the same deal": {ID: "31"}, "of no deal": {Name: "the account"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const heard = "For the plan it's fifty seats."
			in := talk("Jane Roe: "+heard, "Dana Host: Good.")
			in.Meeting.ProposedActions = []meeting.ProposedAction{{
				Tool: "deal.update", Ref: "u1", Target: meeting.RecordRef{ID: "31"}, Properties: map[string]string{"seats": "50"}, Evidence: []meeting.Evidence{{Quote: heard}},
			}}
			in.Proposed = []Proposals{{By: ByPhrases, Actions: []meeting.ProposedAction{
				{Tool: "deal.update", Target: target, Properties: map[string]string{"seats": "50"}, Evidence: []meeting.Evidence{{Quote: "fifty seats"}}},
			}}}
			updates := draftsOf(in, "deal.update")
			require.Len(t, updates, 1)
			require.Equal(t, "31", updates[0].TargetID)
			require.Equal(t, "50", updates[0].Content.Properties["seats"])
			require.ElementsMatch(t, []string{heard, "fifty seats"}, quotes(updates[0]))
		})
	}
}
