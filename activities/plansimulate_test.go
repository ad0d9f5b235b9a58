package activities_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

// Other rules are tried on what is recorded: HubSpot is not asked, nothing is written,
// and the settings stay.
func TestSimulatingRulesForDeals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	company := b.company("northwind.example")
	contact := b.contact("known@northwind.example", company)
	won := b.add("deals", map[string]string{
		"dealname": "Rollout", "pipeline": "default", "dealstage": "closedwon", "closedate": hubspot.FormatDateTime(start.AddDate(0, 0, -20)),
	}, map[string][]string{"companies": {company}, "contacts": {contact}})
	b.contact("other@harbor.example", b.company("harbor.example"))
	quiet := func(e *meeting.Event) { e.Title, e.Summary.Text = "Catch-up", "It went well." }

	differs := b.takesPlace(quiet, "known@northwind.example")
	b.followUp(differs)
	same := b.takesPlace(quiet, "other@harbor.example")
	b.followUp(same)
	unplanned := b.takesPlace(quiet, "known@northwind.example")
	b.sim.ResetCalls()
	before, err := b.store.ActionsOf(b.ctx, b.org.ID, differs.MeetingID)
	require.NoError(t, err)

	// A worker without a gate can do it.
	offline := &activities.Activities{Store: b.store}
	rules := store.DealSettings{Days: 30}
	got, err := offline.Simulate(b.ctx, b.org.ID, []uuid.UUID{differs.MeetingID, same.MeetingID, unplanned.MeetingID}, rules)
	require.NoError(t, err)
	require.Equal(t, activities.Simulation{
		Then: rules, Meetings: 2, Unplanned: 1,
		Differing: []activities.SimulatedMeeting{{
			ID: differs.MeetingID, Title: "Catch-up", Start: start,
			Then: planner.DealChoice{Deals: []planner.NamedDeal{{ID: won, Name: "Rollout"}}},
		}},
	}, got)

	require.Empty(t, b.sim.Calls())
	after, err := b.store.ActionsOf(b.ctx, b.org.ID, differs.MeetingID)
	require.NoError(t, err)
	require.Equal(t, before, after)
	organization, err := b.store.Organization(b.ctx, b.org.ID)
	require.NoError(t, err)
	require.Zero(t, organization.Settings.Deals)
}
