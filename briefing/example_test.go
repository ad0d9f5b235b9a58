package briefing_test

import (
	"fmt"
	"time"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/words"
)

// Somebody who was told of a meeting is told again only of what matters.
func ExampleChanges() {
	start := time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC)
	told := briefing.Brief{
		Meeting: briefing.Meeting{Title: "Renewal review", Start: start}, Account: briefing.Account{HubID: 4711},
		At:    start.Add(-time.Hour),
		Deals: []briefing.Deal{{ID: "301", Name: "Renewal", Stage: "Contract sent", StageID: "8", Since: start.AddDate(0, 0, -12)}},
	}
	now := told
	now.At = start.Add(-30 * time.Minute)
	now.Deals = []briefing.Deal{{ID: "301", Name: "Renewal", Stage: "Closed won", StageID: "9", Closed: true, Since: now.At}}

	view := briefing.View{Printer: words.In("en"), Zone: time.UTC, BaseURL: "https://debrief.acme.example"}
	if changes := briefing.Changes(told, now); len(changes) > 0 {
		fmt.Print(briefing.ChangesPage(changes, now, view).Text())
	}
	// Output:
	// Renewal review
	// Tuesday, 24 November 2026, 09:00 UTC
	//
	// WHAT CHANGED
	//
	// * Renewal: stage Closed won, before Contract sent
	//   https://app.hubspot.com/contacts/4711/record/0-3/301
	//
	// As of 24 November 2026, 08:30 UTC.
}
