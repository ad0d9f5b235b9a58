package briefing_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/policy"
)

// told is a brief as it was told: Jane of Northwind, a deal, a ticket, a note.
func told() briefing.Brief {
	return briefing.Brief{
		Meeting: briefing.Meeting{ID: id(1), Title: "Renewal review", Start: at.Add(time.Hour), End: at.Add(2 * time.Hour), JoinURL: "https://meet.example/renewal"},
		Account: briefing.Account{HubID: 4711, Currency: "EUR"}, At: at,
		People: []briefing.Person{{
			Guest: briefing.Guest{Name: "Jane Roe", Email: "jane@northwind.example"}, ContactID: "101", CompanyID: "201",
			Owner: briefing.Owner{ID: "78", Name: "Sam Colleague"}, LastContact: day(time.November, 12),
		}},
		Companies: []briefing.Company{{ID: "201", Name: "Northwind", Owner: briefing.Owner{ID: "78", Name: "Sam Colleague"}}},
		Deals: []briefing.Deal{
			{ID: "301", Name: "Renewal", Stage: "Contract Sent", StageID: "contractsent", Amount: "42000", Currency: "EUR", Closes: "2026-12-15", Since: day(time.November, 12), Company: "Northwind"},
			{ID: "302", Name: "Last year's", Stage: "Closed Won", StageID: "closedwon", Closed: true},
		},
		Tickets: []briefing.Ticket{
			{ID: "401", Subject: "The export fails", State: "Waiting on us", StateID: "3", Priority: "HIGH", Opened: day(time.November, 19), Company: "Northwind"},
			{ID: "402", Subject: "Old trouble", State: "Closed", StateID: "4", Closed: true},
		},
		History: []briefing.Encounter{{Kind: briefing.Noted, RecordID: "501", ContactID: "101", At: day(time.November, 12), Created: day(time.November, 12), Text: "They like it.", By: "Sam Colleague", With: []string{"Jane Roe"}}},
		Records: []briefing.Record{{Object: "contact", ID: "101"}, {Object: "note", ID: "500"}, {Object: "note", ID: "501"}},
	}
}

// Made without the CRM, a brief takes over what one before said of that.
func TestABriefKeepsWhatItSaidOfTheCRM(t *testing.T) {
	t.Parallel()
	before := told()
	before.Meeting.RecordID = "601"
	omar := briefing.Person{Guest: briefing.Guest{Name: "Omar Diaz", Email: "omar@contoso.example"}}
	now := briefing.Brief{
		Meeting: before.Meeting, Account: before.Account, At: at.Add(time.Hour), CRMMissing: "The connection to HubSpot is gone.",
		People: []briefing.Person{{Guest: briefing.Guest{Name: "Jane", Email: "jane@northwind.example", Response: "declined"}}, omar}, Colleagues: []string{"Sam Colleague"},
	}
	now.Meeting.Start, now.Meeting.RecordID = at.Add(3*time.Hour), ""

	want := told()
	want.Meeting.Start, want.Meeting.RecordID = at.Add(3*time.Hour), "601"
	want.People[0].Response = "declined"
	want.People, want.Colleagues = append(want.People, omar), []string{"Sam Colleague"}
	require.Equal(t, want, before.Knowing(now))
	require.Empty(t, before.People[0].Response, "the one before stays as it was")
	var kinds []briefing.ChangeKind
	for _, c := range briefing.Changes(before, before.Knowing(now)) {
		kinds = append(kinds, c.Kind)
	}
	require.Equal(t, []briefing.ChangeKind{briefing.Moved, briefing.Declines, briefing.Joins}, kinds)
}

func TestOnlyWhatMattersIsAChange(t *testing.T) {
	t.Parallel()
	john := briefing.Person{Guest: briefing.Guest{Name: "John Miles", Email: "john@northwind.example"}, ContactID: "102"}
	note := func(id string, created time.Time) briefing.Encounter {
		return briefing.Encounter{Kind: briefing.Noted, RecordID: id, ContactID: "101", At: day(time.November, 1), Created: created, Text: "The budget is cut.", By: "Sam Colleague"}
	}
	later := at.Add(10 * time.Minute)
	readDeals := policy.Tool{Object: "deal", Operation: policy.Read}
	tests := map[string]struct {
		before, after func(*briefing.Brief)
		want          []string
	}{
		"time goes by": {after: func(b *briefing.Brief) {
			b.At = at.Add(49 * time.Hour)
			b.People[0].LastContact = later
			b.People[0].KnownBy = []string{"Dana Host"}
			b.Approvals = []briefing.Approval{{Title: "Update Deal"}}
			b.Points = []string{"Say hello."}
		}},
		"moved": {after: func(b *briefing.Brief) { b.Meeting.Start, b.Meeting.End = at.Add(26*time.Hour), at.Add(27*time.Hour) }, want: []string{
			"Moved from Tuesday, 24 November 2026, 10:00–11:00 CET to Wednesday, 25 November 2026, 11:00–12:00 CET",
		}},
		"shortened":         {after: func(b *briefing.Brief) { b.Meeting.End = at.Add(90 * time.Minute) }, want: []string{"Moved from Tuesday, 24 November 2026, 10:00–11:00 CET to Tuesday, 24 November 2026, 10:00–10:30 CET"}},
		"an end is known":   {before: func(b *briefing.Brief) { b.Meeting.End = time.Time{} }},
		"same time, zone":   {after: func(b *briefing.Brief) { b.Meeting.Start = b.Meeting.Start.In(time.FixedZone("", 3600)) }},
		"elsewhere":         {after: func(b *briefing.Brief) { b.Meeting.JoinURL = "https://meet.example/other" }, want: []string{"New place: https://meet.example/other"}},
		"no place any more": {after: func(b *briefing.Brief) { b.Meeting.JoinURL = "" }},
		"no web address":    {after: func(b *briefing.Brief) { b.Meeting.JoinURL = "javascript:alert(1)" }},
		"another title":     {after: func(b *briefing.Brief) { b.Meeting.Title = "Review" }},
		"somebody joins":    {after: func(b *briefing.Brief) { b.People = append(b.People, john) }, want: []string{"John Miles is coming, too"}},
		"one who declined at once": {after: func(b *briefing.Brief) {
			john := john
			john.Response = "declined"
			b.People = append(b.People, john)
		}},
		"somebody leaves, with a deal": {
			before: func(b *briefing.Brief) {
				b.People = append(b.People, john)
				b.Deals = append(b.Deals, briefing.Deal{ID: "303", Name: "John's", Stage: "New"})
			},
			want: []string{"John Miles is no longer coming"},
		},
		"from the ones looked up to the others": {
			before: func(b *briefing.Brief) { b.People = append(b.People, john) },
			after:  func(b *briefing.Brief) { b.Others = []briefing.Guest{john.Guest} },
		},
		"nobody knows their addresses": {after: func(b *briefing.Brief) {
			b.People = append(b.People, briefing.Person{Guest: briefing.Guest{Name: "Ann"}}, briefing.Person{Guest: briefing.Guest{Name: "Ben"}})
		}, want: []string{"Ann is coming, too", "Ben is coming, too"}},
		"declines":  {after: func(b *briefing.Brief) { b.People[0].Response = "declined" }, want: []string{"Jane Roe has declined"}},
		"accepts":   {after: func(b *briefing.Brief) { b.People[0].Response = "accepted" }},
		"new owner": {after: func(b *briefing.Brief) { b.People[0].Owner = briefing.Owner{ID: "77", Name: "Dana Host"} }, want: []string{"Jane Roe: new owner Dana Host"}},
		"nobody's": {after: func(b *briefing.Brief) { b.Companies[0].Owner = briefing.Owner{} }, want: []string{
			"Northwind: new owner nobody",
		}},
		"owner renamed": {after: func(b *briefing.Brief) { b.Companies[0].Owner.Name = "Sam C. Colleague" }},
		"owners may not be read any more": {after: func(b *briefing.Brief) {
			b.People[0].Owner, b.Companies[0].Owner = briefing.Owner{}, briefing.Owner{}
			b.Denied = []policy.Tool{{Object: "owner", Operation: policy.Read}}
		}},
		"stage": {after: func(b *briefing.Brief) { b.Deals[0].Stage, b.Deals[0].StageID = "Decision", "decision" }, want: []string{"Renewal: stage Decision, before Contract Sent"}},
		"won": {after: func(b *briefing.Brief) {
			b.Deals[0].Stage, b.Deals[0].StageID, b.Deals[0].Closed, b.Deals[0].Amount = "Closed Won", "closedwon", true, "1"
		}, want: []string{"Renewal: stage Closed Won, before Contract Sent"}},
		"stage renamed": {after: func(b *briefing.Brief) { b.Deals[0].Stage = "Contract sent" }},
		"amount":        {after: func(b *briefing.Brief) { b.Deals[0].Amount = "45000.50" }, want: []string{"Renewal: amount 45,000.5 EUR, before 42,000 EUR"}},
		"no amount":     {after: func(b *briefing.Brief) { b.Deals[0].Amount = "" }, want: []string{"Renewal: amount not set, before 42,000 EUR"}},
		"same amount":   {after: func(b *briefing.Brief) { b.Deals[0].Amount = "42000.00" }},
		"currency":      {after: func(b *briefing.Brief) { b.Deals[0].Currency = "USD" }, want: []string{"Renewal: amount 42,000 USD, before 42,000 EUR"}},
		"close date":    {after: func(b *briefing.Brief) { b.Deals[0].Closes = "2027-01-15" }, want: []string{"Renewal: closes on 15 January 2027, before 15 December 2026"}},
		"next step":     {after: func(b *briefing.Brief) { b.Deals[0].NextStep = "Wait" }},
		"days in stage": {after: func(b *briefing.Brief) { b.Deals[0].Since = day(time.November, 11) }},
		"new deal": {after: func(b *briefing.Brief) {
			b.Deals = append(b.Deals, briefing.Deal{ID: "304", Name: "More seats", Stage: "New", Company: "Northwind"})
		}, want: []string{"Open deal that was not in the brief: More seats (Northwind), New"}},
		"old deal is found": {after: func(b *briefing.Brief) {
			b.Deals = append(b.Deals, briefing.Deal{ID: "304", Name: "Old", Closed: true})
		}},
		"deal is gone":     {after: func(b *briefing.Brief) { b.Deals = b.Deals[1:] }, want: []string{"Renewal: no longer linked to them"}},
		"closed deal gone": {after: func(b *briefing.Brief) { b.Deals = b.Deals[:1] }},
		"deals are denied now": {after: func(b *briefing.Brief) {
			b.Deals, b.Denied = nil, []policy.Tool{readDeals}
		}},
		"deals were denied": {before: func(b *briefing.Brief) {
			b.Deals, b.Denied = nil, []policy.Tool{readDeals}
		}},
		"deals were refused": {before: func(b *briefing.Brief) { b.Deals, b.Refused = nil, []string{"deal"} }},
		"too many deals": {before: func(b *briefing.Brief) { b.Cut = []string{"deal"} }, after: func(b *briefing.Brief) {
			b.Deals[0].ID = "399"
		}},
		"ticket closed": {after: func(b *briefing.Brief) {
			b.Tickets[0].State, b.Tickets[0].StateID, b.Tickets[0].Closed = "Closed", "4", true
		}, want: []string{"The export fails: stage Closed, before Waiting on us"}},
		"ticket reopened": {after: func(b *briefing.Brief) {
			b.Tickets[1].State, b.Tickets[1].StateID, b.Tickets[1].Closed = "New", "1", false
		}, want: []string{"Old trouble: stage New, before Closed"}},
		"ticket answered": {after: func(b *briefing.Brief) { b.Tickets[0].State, b.Tickets[0].StateID = "Waiting on contact", "2" }},
		"priority":        {after: func(b *briefing.Brief) { b.Tickets[0].Priority = "URGENT" }, want: []string{"The export fails: priority urgent, before high"}},
		"new ticket": {after: func(b *briefing.Brief) {
			b.Tickets = append(b.Tickets, briefing.Ticket{ID: "403", Subject: "No login", State: "New"})
		}, want: []string{
			"Open ticket that was not in the brief: No login, New",
		}},
		"new note":         {after: func(b *briefing.Brief) { b.History = append(b.History, note("502", later)) }, want: []string{"New note by Sam Colleague: The budget is cut."}},
		"old note":         {after: func(b *briefing.Brief) { b.History = append(b.History, note("499", day(time.October, 1))) }},
		"a note seen then": {after: func(b *briefing.Brief) { b.History = append(b.History, note("500", later)) }},
		"HubSpot is gone": {after: func(b *briefing.Brief) {
			*b = briefing.Brief{Meeting: b.Meeting, Account: b.Account, At: b.At, CRMMissing: "gone", People: []briefing.Person{{Guest: b.People[0].Guest}}}
		}},
		"HubSpot is back": {before: func(b *briefing.Brief) {
			*b = briefing.Brief{Meeting: b.Meeting, Account: b.Account, At: b.At, CRMMissing: "gone", People: []briefing.Person{{Guest: b.People[0].Guest}}}
		}, want: []string{"HubSpot can be read again."}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := told(), told()
			if test.before != nil {
				test.before(&before)
			}
			if test.after != nil {
				test.after(&after)
			}
			changes := briefing.Changes(stored(t, before), stored(t, after))
			var got []string
			for _, l := range briefing.ChangeLines(changes, after, view(t, "en")) {
				require.Equal(t, briefing.Fact, l.Kind)
				require.NotEmpty(t, l.Link, "each line has the page where it stands")
				got = append(got, l.Text)
			}
			require.Equal(t, test.want, got)
			var again []briefing.Change
			raw, err := json.Marshal(changes)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(raw, &again))
			require.Equal(t, changes, again)
		})
	}
}

// stored is a brief as it comes back from where it was stored.
func stored(t *testing.T, b briefing.Brief) briefing.Brief {
	t.Helper()
	raw, err := json.Marshal(b)
	require.NoError(t, err)
	var out briefing.Brief
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// What happens in HubSpot between two briefs is found, and nothing else.
func TestChangesInHubSpot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.reviewed()
	before := b.compose(s.in)
	require.Empty(t, briefing.Changes(before, stored(t, b.compose(s.in))))

	later := at.Add(20 * time.Minute)
	edit := func(object, id string, properties map[string]string) {
		require.NoError(t, b.sim.Edit(b.hub, object, id, properties))
	}
	edit("deals", s.renewal, map[string]string{"dealstage": "closedwon"})
	edit("deals", s.pilot, map[string]string{"amount": "7500", "hs_next_step": "Call them"})
	edit("tickets", s.ticket, map[string]string{"hs_pipeline_stage": "4"})
	edit("contacts", s.paul, map[string]string{"hubspot_owner_id": b.owners["Sam"]})
	b.add(later, "notes", map[string]string{"hs_note_body": "Paul leaves in May.", "hs_timestamp": "2026-11-24T08:20:00.000Z"}, "contacts "+s.paul)
	s.in.At = later.Add(10 * time.Minute)
	after := b.compose(s.in)

	var got []string
	for _, l := range briefing.ChangeLines(briefing.Changes(before, after), after, view(t, "de")) {
		got = append(got, l.Text)
	}
	require.Equal(t, []string{
		"Paul Stone: zuständig ist jetzt Sam Colleague",
		"Harbor pilot: Betrag 7.500 EUR, zuvor 5.000,5 EUR",
		"Northwind renewal 2027: Phase Closed Won, zuvor Contract Sent",
		"The export fails: Phase Closed, zuvor Waiting on us",
		"Neue Notiz: Paul leaves in May.",
	}, got)
}
