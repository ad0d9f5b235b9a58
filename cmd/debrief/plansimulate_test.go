package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

func TestDealRules(t *testing.T) {
	t.Parallel()
	on, off, days, none := true, false, 30, 0
	was := store.DealSettings{Days: 7, AnyOwner: true}
	require.Equal(t, was, dealRules{}.applied(was), "what is not named stays")
	require.Equal(t, store.DealSettings{Days: 30, AnyContact: true}, dealRules{DealDays: &days, DealContacts: &off, DealOwners: &on}.applied(was))
	require.Equal(t, time.Duration(0), dealRules{DealDays: &none}.applied(was).Within())
}

func TestDaysBack(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"30d": 30 * 24 * time.Hour, "12h": 12 * time.Hour, "0d": 0, "-3h": 0, "soon": 0, "": 0} {
		got, err := daysBack(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == 0, err != nil, text)
	}
}

func TestPrintSimulation(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	(&app{out: &out}).printSimulation(activities.Simulation{
		Meetings: 3, Unplanned: 1, AskedThen: 1,
		Differing: []activities.SimulatedMeeting{{
			ID: uuid.Nil, Title: "Catch-up\nwith more",
			Now:  planner.DealChoice{Deals: []planner.NamedDeal{{ID: "301", Name: "Rollout"}}},
			Then: planner.DealChoice{Asked: true, Among: []planner.NamedDeal{{ID: "301", Name: "Rollout"}, {ID: "302"}}},
		}},
	})
	require.Contains(t, out.String(), "Rollout  asks: Rollout, deal 302\n")
	require.Contains(t, out.String(), "1 of 3 meetings would differ; which deal is meant would be asked for 1 of them, now it is for 0.")
	require.Contains(t, out.String(), "Of 1 more nothing is recorded")

	out.Reset()
	(&app{out: &out}).printSimulation(activities.Simulation{Meetings: 2})
	require.Contains(t, out.String(), "Nothing would differ.")
}
