package briefing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
)

// Which company somebody is of, nobody guesses.
func TestTheirCompanies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	company := func(name, domain string) string {
		return b.add(day(time.May, 1), "companies", map[string]string{"name": name, "domain": domain})
	}
	contact := func(email string, companies ...string) {
		id := b.add(day(time.May, 1), "contacts", map[string]string{"email": email})
		for _, c := range companies { // plainly, as Debrief links those whom it creates
			require.NoError(t, b.sim.Associate(b.hub, "contacts", id, "companies", c, true))
		}
	}
	mother := company("Mother", "mother.example")
	daughter := company("Daughter", "www.Daughter.example")
	company("Shipyard", "shipyard.example")
	company("Twin A", "twin.example")
	company("Twin B", "twin.example")
	contact("plain@elsewhere.example", mother)
	contact("both@daughter.example", mother, daughter)
	contact("neither@third.example", mother, daughter)
	contact("alone@free.example")
	tests := map[string]struct {
		guests []briefing.Guest
		want   string
	}{
		"linked plainly":             {[]briefing.Guest{{Email: "plain@elsewhere.example", Domain: "elsewhere.example"}}, "Mother"},
		"of two, by the domain":      {[]briefing.Guest{{Email: "both@daughter.example", Domain: "daughter.example"}}, "Daughter"},
		"of two, the older":          {[]briefing.Guest{{Email: "neither@third.example", Domain: "third.example"}}, "Mother"},
		"a stranger, by the domain":  {[]briefing.Guest{{Email: "new@shipyard.example", Domain: "shipyard.example"}}, "Shipyard"},
		"a stranger among twins":     {[]briefing.Guest{{Email: "new@twin.example", Domain: "twin.example"}}, ""},
		"free mail":                  {[]briefing.Guest{{Email: "new@free.example"}}, ""},
		"a contact without any":      {[]briefing.Guest{{Email: "alone@free.example"}}, ""},
		"a stranger's colleague":     {[]briefing.Guest{{Email: "new@elsewhere.example", Domain: "elsewhere.example"}, {Email: "plain@elsewhere.example", Domain: "elsewhere.example"}}, "Mother"},
		"nobody knows their company": {[]briefing.Guest{{Email: "new@nowhere.example", Domain: "nowhere.example"}}, ""},
	}
	var ins []briefing.Input
	for name, test := range tests {
		in := briefing.Input{Meeting: briefing.Meeting{Title: name, Start: at.Add(time.Hour)}, Account: briefing.Account{HubID: b.hub}, At: at, External: test.guests}
		ins = append(ins, in)
		brief := b.compose(in)
		require.Equal(t, test.want, companyOf(brief), name)
	}
	shared, err := briefing.Read(b.ctx, b.reader(), ins...)
	require.NoError(t, err)
	for _, in := range ins {
		require.Equal(t, tests[in.Meeting.Title].want, companyOf(shared.Brief(in)), "%s, with others", in.Meeting.Title)
	}
}

// companyOf names the first guest's company.
func companyOf(b briefing.Brief) string {
	for _, c := range b.Companies {
		if c.ID == b.People[0].CompanyID {
			return c.Name
		}
	}
	return ""
}

// What was before the meeting is told once, and what was not held is not.
func TestWhatWasBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	contact := b.add(day(time.May, 1), "contacts", map[string]string{"email": "jane@northwind.example"})
	for title, properties := range map[string]map[string]string{
		"called off": {"hs_meeting_start_time": "2026-11-20T10:00:00.000Z", "hs_meeting_outcome": "CANCELED"},
		"moved":      {"hs_meeting_start_time": "2026-11-19T10:00:00.000Z", "hs_meeting_outcome": "RESCHEDULED"},
		"same again": {"hs_meeting_start_time": "2026-11-18T10:10:00.000Z"},
		"held":       {"hs_meeting_start_time": "2026-11-17T10:00:00.000Z", "hs_meeting_outcome": "COMPLETED"},
		"no-show":    {"hs_meeting_start_time": "2026-11-16T10:00:00.000Z", "hs_meeting_outcome": "NO_SHOW"},
		"this one":   {"hs_meeting_start_time": "2026-11-24T07:50:00.000Z"},
	} {
		properties["hs_meeting_title"], properties["hs_timestamp"] = title, properties["hs_meeting_start_time"]
		b.add(day(time.November, 1), "meetings", properties, "contacts "+contact)
	}
	b.add(day(time.November, 1), "notes", map[string]string{"hs_note_body": "<p> </p>", "hs_timestamp": "2026-11-01T10:00:00.000Z"}, "contacts "+contact)
	brief := b.compose(briefing.Input{
		// It has begun a moment ago.
		Meeting: briefing.Meeting{ID: id(1), Start: at.Add(-5 * time.Minute)}, Account: briefing.Account{HubID: b.hub}, At: at,
		External: []briefing.Guest{{Email: "jane@northwind.example"}},
		Past: []briefing.Past{
			{MeetingID: id(2), Title: "followed up", Start: time.Date(2026, time.November, 18, 10, 0, 0, 0, time.UTC), With: []string{"jane@northwind.example"}, Promises: []briefing.Promise{
				{Text: "today", Due: time.Date(2026, time.November, 24, 0, 0, 0, 0, time.UTC)},
				{Text: "yesterday", Due: time.Date(2026, time.November, 23, 23, 0, 0, 0, time.UTC)},
				{Text: "no day"},
				{Text: "the platform's", Done: true},
				{Text: "gone", TaskID: "999"},
			}},
			{MeetingID: id(1), Title: "this one", Start: day(time.November, 2), With: []string{"jane@northwind.example"}},
			{MeetingID: id(3), Title: "others'", Start: day(time.November, 2), With: []string{"eve@shipyard.example"}},
			{MeetingID: id(4), Title: "to come", Start: day(time.December, 2), With: []string{"jane@northwind.example"}},
		},
	})
	var titles []string
	for _, e := range brief.History {
		titles = append(titles, e.Title)
	}
	require.Equal(t, []string{"followed up", "held", "no-show"}, titles)
	var states []briefing.PromiseState
	for _, p := range brief.History[0].Promises {
		states = append(states, p.State)
	}
	require.Equal(t, []briefing.PromiseState{briefing.PromiseOpen, briefing.PromiseLate, briefing.PromiseOpen, briefing.PromiseDone, briefing.PromiseUnknown}, states)
}
