package card_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// resolution is what HubSpot knew: a deal of Northwind's in euros, two pipelines, and
// the account's own names of things.
const resolution = `{
	"contacts": [{"id": "101", "properties": {"firstname": "Jane", "lastname": "Roe", "email": "jane@northwind.example"}}],
	"companies": [{"id": "201", "properties": {"name": "Northwind"}}],
	"deals": [{"id": "301", "properties": {"dealname": "Northwind, 200 seats", "deal_currency_code": "EUR", "pipeline": "default"}}],
	"owners": [{"id": "77", "email": "dana@acme.example", "name": "Dana Host"}, {"id": "78", "email": "sam@acme.example"}],
	"deal_pipelines": [
		{"id": "default", "label": "Sales", "stages": [{"id": "1", "label": "New"}, {"id": "1238712", "label": "Contract sent"}, {"id": "9", "label": "Old stage", "archived": true}]},
		{"id": "partners", "label": "Partners", "stages": [{"id": "p1", "label": "First talk"}]}
	],
	"properties": {"deal": [
		{"name": "dealstage", "label": "Deal stage", "type": "enumeration", "fieldType": "radio"},
		{"name": "amount", "label": "Amount", "type": "number", "fieldType": "number"},
		{"name": "closedate", "label": "Close date", "type": "datetime", "fieldType": "date"},
		{"name": "dealtype", "label": "Deal type", "type": "enumeration", "fieldType": "select",
			"options": [{"value": "newbusiness", "label": "New business"}, {"value": "legacy", "label": "Legacy", "hidden": true}]},
		{"name": "regions", "label": "Regions", "type": "enumeration", "fieldType": "checkbox",
			"options": [{"value": "n", "label": "North"}, {"value": "s", "label": "South"}]},
		{"name": "renewal", "label": "Is a renewal", "type": "bool", "fieldType": "booleancheckbox"},
		{"name": "seats", "label": "Seats", "type": "number", "fieldType": "number"},
		{"name": "kickoff", "label": "Kick-off", "type": "datetime", "fieldType": "date"},
		{"name": "summary_text", "label": "Summary", "type": "string", "fieldType": "textarea"}
	]}
}`

var (
	updateDeal = policy.Tool{Object: "deal", Operation: policy.Update}
	createNote = policy.Tool{Object: "note", Operation: policy.Create}
	asked      = time.Date(2026, time.November, 20, 15, 0, 0, 0, time.UTC)
)

// facts are those of a meeting in Berlin with these actions; each that is asking has a
// pending question.
func facts(actions ...store.Action) store.CardFacts {
	f := store.CardFacts{
		Connection: &store.Connection{HubID: 4711, Name: "main", AccountType: "STANDARD", Currencies: []string{"USD"}, TimeZone: "America/New_York"},
		Questions:  map[uuid.UUID][]store.CardQuestion{}, Resolution: json.RawMessage(resolution), HostName: "Dana Host",
	}
	f.Meeting.ID = uuid.New()
	f.Meeting.Content.Title = "Renewal review"
	f.Meeting.Content.TimeZone = "Europe/Berlin"
	f.Meeting.Content.ActualStart = asked.Add(-time.Hour)
	for i := range actions {
		if actions[i].ID == uuid.Nil {
			actions[i].ID = uuid.New()
		}
		if actions[i].State == store.ActionAsking {
			f.Questions[actions[i].ID] = []store.CardQuestion{{Approval: store.Approval{
				ID: uuid.New(), Kind: "permission", State: store.ApprovalPending, AskedAt: asked, ExpiresAt: asked.Add(time.Duration(i+1) * time.Hour),
			}}}
		}
	}
	f.Actions = actions
	return f
}

func update(properties, before map[string]string) store.Action {
	return store.Action{
		Key: "deal.update:x:1", Tool: updateDeal, TargetID: "301", State: store.ActionAsking,
		Content: store.ActionContent{Label: "Northwind, 200 seats", Purpose: "proposed after the meeting", Properties: properties, Before: before},
	}
}

func TestValuesReadAsPeopleReadThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		property, before, value string
		want, german            card.Change
	}{
		"a stage": {
			"dealstage", "1", "1238712",
			card.Change{Label: "Deal stage", Old: "New", New: "Contract sent"},
			card.Change{Old: "New", New: "Contract sent"},
		},
		"a stage of another pipeline": {
			"dealstage", "1", "p1",
			card.Change{Label: "Deal stage", Old: "New", New: "First talk (Partners)"},
			card.Change{Old: "New", New: "First talk (Partners)"},
		},
		"a stage that nobody knows": {
			"dealstage", "1", "gone", card.Change{Label: "Deal stage", Old: "New", New: "gone"}, card.Change{Old: "New", New: "gone"},
		},
		"a pipeline": {
			"pipeline", "default", "partners",
			card.Change{Label: "pipeline", Old: "Sales", New: "Partners"},
			card.Change{Old: "Sales", New: "Partners"},
		},
		"money in the deal's currency": {
			"amount", "1000", "42000.50",
			card.Change{Label: "Amount", Old: "1,000 EUR", New: "42,000.5 EUR"},
			card.Change{Old: "1.000 EUR", New: "42.000,5 EUR"},
		},
		"no money": {
			"amount", "", "a lot", card.Change{Label: "Amount", New: "a lot"}, card.Change{New: "a lot"},
		},
		"a day": {
			"closedate", "2026-11-30T00:00:00Z", "2026-12-01",
			card.Change{Label: "Close date", Old: "30 November 2026", New: "1 December 2026"},
			card.Change{Old: "30. November 2026", New: "1. Dezember 2026"},
		},
		"a time, where the meeting was": {
			"kickoff", "", "2026-12-01T09:30:00.000Z",
			card.Change{Label: "Kick-off", New: "1 December 2026, 10:30 CET"},
			card.Change{New: "1. Dezember 2026, 10:30 Uhr MEZ"},
		},
		"an option": {
			"dealtype", "legacy", "newbusiness",
			card.Change{Label: "Deal type", Old: "Legacy", New: "New business"},
			card.Change{Old: "Legacy", New: "New business"},
		},
		"several options": {
			"regions", "n", "n;s", card.Change{Label: "Regions", Old: "North", New: "North, South"}, card.Change{Old: "North", New: "North, South"},
		},
		"yes or no": {
			"renewal", "false", "true", card.Change{Label: "Is a renewal", Old: "No", New: "Yes"}, card.Change{Old: "Nein", New: "Ja"},
		},
		"a number": {
			"seats", "200", "1500", card.Change{Label: "Seats", Old: "200", New: "1,500"}, card.Change{Old: "200", New: "1.500"},
		},
		"an owner": {
			"hubspot_owner_id", "78", "77",
			card.Change{Label: "hubspot_owner_id", Old: "sam@acme.example", New: "Dana Host"},
			card.Change{Old: "sam@acme.example", New: "Dana Host"},
		},
		"an owner whom nobody knows": {
			"hubspot_owner_id", "", "99", card.Change{Label: "hubspot_owner_id", New: "99"}, card.Change{New: "99"},
		},
		"nothing": {
			"seats", "200", "", card.Change{Label: "Seats", Old: "200", New: "(empty)"}, card.Change{Old: "200", New: "(leer)"},
		},
		"the same": {
			"seats", "200", "200", card.Change{Label: "Seats", New: "200"}, card.Change{New: "200"},
		},
		"a property that is not described": {
			"secret_field", "", "x", card.Change{Label: "secret_field", New: "x"}, card.Change{New: "x"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := facts(update(map[string]string{test.property: test.value}, map[string]string{test.property: test.before}))
			got := card.Of(f, words.Printer{}).Lines[0].Changes
			require.Len(t, got, 1)
			require.Equal(t, test.property, got[0].Property)
			require.Equal(t, test.want.Label, got[0].Label)
			require.Equal(t, test.want.Old, got[0].Old)
			require.Equal(t, test.want.New, got[0].New)
			german := card.Of(f, words.In("de")).Lines[0].Changes[0]
			require.Equal(t, test.german.Old, german.Old)
			require.Equal(t, test.german.New, german.New)
		})
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	stages := []card.Option{{Value: "1", Label: "New"}, {Value: "1238712", Label: "Contract sent"}}
	for _, test := range []struct {
		property, value string
		want            card.Input
	}{
		{"dealstage", "1", card.Input{Kind: card.InputChoice, Value: "1", Options: stages}},
		{"dealstage", "p1", card.Input{Kind: card.InputChoice, Value: "p1", Options: append([]card.Option{{Value: "p1", Label: "First talk (Partners)"}}, stages...)}},
		{"amount", "42000", card.Input{Kind: card.InputNumber, Value: "42000"}},
		{"closedate", "2026-11-30T00:00:00Z", card.Input{Kind: card.InputDate, Value: "2026-11-30"}},
		{"kickoff", "1796117400000", card.Input{Kind: card.InputDateTime, Value: "2026-12-01T09:30:00Z"}},
		{"dealtype", "", card.Input{Kind: card.InputChoice, Options: []card.Option{{Value: "newbusiness", Label: "New business"}}}},
		{"regions", "n", card.Input{Kind: card.InputChoices, Value: "n", Options: []card.Option{{Value: "n", Label: "North"}, {Value: "s", Label: "South"}}}},
		{"renewal", "true", card.Input{Kind: card.InputChoice, Value: "true", Options: []card.Option{{Value: "true", Label: "Yes"}, {Value: "false", Label: "No"}}}},
		{"summary_text", "x", card.Input{Kind: card.InputTextarea, Value: "x"}},
		{"dealname", "x", card.Input{Kind: card.InputText, Value: "x"}},
	} {
		f := facts(update(map[string]string{test.property: test.value}, nil))
		require.Equal(t, test.want, card.Of(f, words.Printer{}).Lines[0].Changes[0].Input, "%s %s", test.property, test.value)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	a := update(map[string]string{"dealstage": "1238712", "amount": "42000", "aaa": "x"}, map[string]string{"dealstage": "1", "amount": "2000"})
	a.Content.Doubt = "it would clear Amount; 100% of nothing"
	a.Content.Changed = []string{"amount"}
	a.Content.Earlier = map[string]string{"amount": "1000"}
	a.Content.Associations = []store.AssociationRef{{Object: "contact", RecordID: "101"}, {Object: "company", RecordID: "999"}, {Object: "note", Key: "note"}}
	a.Content.Evidence = []meeting.Evidence{
		{Quote: "We take 200 seats", Speaker: "Jane Roe", OffsetSeconds: 12*60 + 4}, {Quote: "late", OffsetSeconds: 3725}, {Quote: "so", Source: "summary"},
	}
	note := store.Action{Key: "note", Tool: createNote, State: store.ActionReady, Content: store.ActionContent{
		Label: "Summary of Renewal review", Properties: map[string]string{"hs_note_body": "<p><strong>Summary</strong></p><ul><li>A &amp; B</li><li>C</li></ul><p>Done<br>now</p>"},
		Associations: []store.AssociationRef{{Object: "deal", Key: a.Key, Required: true}},
	}}
	f := facts(a, note)
	f.Actions[1].DependsOn = []uuid.UUID{f.Actions[0].ID}

	c := card.Of(f, words.Printer{})
	require.Equal(t, "Renewal review", c.Title)
	require.Equal(t, "Dana Host", c.Host)
	require.Equal(t, card.Account{HubID: 4711, Name: "main"}, c.Account)
	require.Equal(t, asked.Add(time.Hour), c.Until.UTC())
	require.Len(t, c.Open(), 1)
	l := c.Lines[0]
	require.Equal(t, "https://app.hubspot.com/contacts/4711/record/0-3/301", l.URL)
	require.Equal(t, "Update Deal", l.Title)
	require.Equal(t, "Northwind, 200 seats", l.Record)
	require.Equal(t, "Waits for an answer", l.StateText)
	require.Empty(t, l.Asks, "the doubt says it")
	require.Equal(t, []string{"amount", "dealstage", "aaa"}, []string{l.Changes[0].Property, l.Changes[1].Property, l.Changes[2].Property}, "what matters first")
	require.True(t, l.Changes[0].Amended)
	require.Equal(t, "1,000 EUR", *l.Changes[0].Earlier, "all three versions")
	require.Nil(t, l.Changes[1].Earlier)
	require.Equal(t, "May start the account's own automation: Deal stage.", l.Automation)
	require.Equal(t, []string{"Jane Roe", "company 999", "Summary of Renewal review (new)"}, l.Links)
	require.Equal(t, []string{"Create Note: Summary of Renewal review"}, l.FallsWith)
	require.Equal(t, []card.Evidence{{Quote: "We take 200 seats", Speaker: "Jane Roe", At: "12:04"}, {Quote: "late", At: "01:02:05"}, {Quote: "so", At: "summary"}}, l.Evidence)
	require.Equal(t, "Summary\n• A & B\n• C\nDone\nnow", c.Lines[1].Changes[0].New, "HTML as text")
	require.Empty(t, c.Lines[1].URL, "not there yet")

	german := card.Of(f, words.In("de")).Lines[0]
	require.Equal(t, "Deal ändern", german.Title)
	require.Equal(t, "nach dem Meeting vorgeschlagen", german.Why)
	require.Equal(t, "es würde Amount leeren; 100% of nothing", german.Doubt, "what has no translation stays")
	require.Equal(t, []string{"Notiz anlegen: Zusammenfassung: Renewal review"}, german.FallsWith)
}

func TestDecidedLine(t *testing.T) {
	t.Parallel()
	a := update(map[string]string{"amount": "42000", "seats": "3"}, map[string]string{"amount": "1000"})
	a.State, a.Reason, a.RecordID = store.ActionWritten, "edited", "301"
	f := facts(a)
	at := asked.Add(time.Minute)
	f.Questions[f.Actions[0].ID] = []store.CardQuestion{
		{Approval: store.Approval{ID: uuid.New(), State: store.ApprovalWithdrawn, DecidedAt: &asked}, By: "debrief"},
		{Approval: store.Approval{ID: uuid.New(), State: store.ApprovalEdited, DecidedAt: &at, Via: store.ViaCommandLine}, By: "Dana Host", Edit: map[string]string{"amount": "45000"}, Said: "a rebate"},
	}
	l := card.Of(f, words.Printer{}).Lines[0]
	require.Equal(t, "45,000 EUR", l.Changes[0].New, "what was written")
	require.Equal(t, "45000", l.Changes[0].Input.Value)
	require.Equal(t, "3", l.Changes[1].New)
	require.Equal(t, &card.Decision{State: store.ApprovalEdited, By: "Dana Host", Via: "command line", At: at.In(l.Decision.At.Location()), Reason: "a rebate"}, l.Decision)
	require.False(t, l.Open())
	require.Empty(t, l.FallsWith)

	// Answered since the action was read: nobody is asked to answer it.
	f.Actions[0].State = store.ActionAsking
	require.Empty(t, card.Of(f, words.Printer{}).Open())
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	a := update(map[string]string{"amount": "5", store.TargetProperty: "301"}, nil)
	a.Content.Candidates = []store.Candidate{
		{ID: "301", Label: "Renewal", Reasons: []string{"owner:Dana Host", "contact:Jane Roe", "company:Northwind", "open", "stage:New", "activity:2026-11-19", "a code of tomorrow"}},
		{ID: "302", Label: "Old", Reasons: []string{"closed", "name", "attendee", "domain:northwind.example"}},
	}
	a.Content.MayCreate = true
	log := store.Action{Tool: policy.Tool{Object: "meeting", Operation: policy.Create}, State: store.ActionAsking, Content: store.ActionContent{
		Properties: map[string]string{"debrief_deal": ""}, CandidateProperty: "debrief_deal", Candidates: []store.Candidate{{ID: "301", Label: "Renewal"}},
	}}
	lost := update(map[string]string{"amount": "5", store.TargetProperty: ""}, nil)
	c := card.Of(facts(a, log, lost), words.Printer{})
	require.Equal(t, store.TargetProperty, c.Lines[0].CandidateProperty)
	require.Equal(t, "301", c.Lines[0].CandidatePicked)
	require.True(t, c.Lines[0].MayCreate)
	require.Len(t, c.Lines[0].Changes, 1, "the question is asked by its candidates")
	require.Equal(t, []card.Candidate{
		{ID: "301", Label: "Renewal", URL: "https://app.hubspot.com/contacts/4711/record/0-3/301", Reasons: []string{
			"owner Dana Host attended", "linked to Jane Roe, who attended", "of Northwind", "open", "stage: New", "last activity 19 November 2026",
		}},
		{ID: "302", Label: "Old", URL: "https://app.hubspot.com/contacts/4711/record/0-3/302", Reasons: []string{"closed", "has this name", "attended", "has the domain northwind.example"}},
	}, c.Lines[0].Candidates)
	require.Equal(t, "debrief_deal", c.Lines[1].CandidateProperty)
	require.Equal(t, "https://app.hubspot.com/contacts/4711/record/0-3/301", c.Lines[1].Candidates[0].URL, "a deal, though the line is a meeting")
	require.Equal(t, "Which record is meant (its ID in HubSpot)", c.Lines[2].Changes[0].Label, "none to pick: it is typed")
}

func TestAccountsAndErasure(t *testing.T) {
	t.Parallel()
	f := facts()
	f.Connection.AccountType, f.FromTest = "SANDBOX", true
	require.Equal(t, "TEST ACCOUNT: this goes to the HubSpot account 4711 (main).", card.Of(f, words.Printer{}).Account.Warning(words.Printer{}))
	f.Connection.AccountType = "STANDARD"
	require.Equal(t, "AUS EINER TESTQUELLE: Das geht in das echte HubSpot-Konto 4711 (main).", card.Of(f, words.Printer{}).Account.Warning(words.In("de")))
	f.FromTest = false
	require.Empty(t, card.Of(f, words.Printer{}).Account.Warning(words.Printer{}))

	erased := store.CardFacts{Actions: []store.Action{{ID: uuid.New(), Tool: createNote, State: store.ActionWritten, RecordID: "5"}}}
	erased.Meeting.ErasedAt = &asked
	c := card.Of(erased, words.Printer{})
	require.Equal(t, "Erased meeting", c.Title)
	require.Equal(t, &asked, c.ErasedAt)
	require.Equal(t, "note", c.Lines[0].Record)
	require.Empty(t, c.Lines[0].URL)
}

// What people wrote moves no terminal's cursor and looks like no other column.
func TestText(t *testing.T) {
	t.Parallel()
	a := update(map[string]string{"dealstage": "1238712"}, map[string]string{"dealstage": "1"})
	a.ID = uuid.MustParse("01930000-0000-7000-8000-000000000001")
	a.Content.Evidence = []meeting.Evidence{{Quote: "We take\n\x1b[31m200\u202e seats", Speaker: "Jane Roe", OffsetSeconds: 65}}
	a.Content.Candidates, a.Content.MayCreate = []store.Candidate{{ID: "301", Label: "Renewal", Reasons: []string{"open"}}}, true
	f := facts(a)
	f.Questions[a.ID][0].ID = uuid.MustParse("01930000-0000-7000-8000-000000000002")
	want := `Renewal review · 20 November 2026, 15:00 CET · Dana Host

Update Deal: Northwind, 200 seats
  state                   Waits for an answer
  record                  https://app.hubspot.com/contacts/4711/record/0-3/301
  why                     proposed after the meeting
  asked because           Update Deal is set to ask each time.
  Deal stage (dealstage)  New → Contract sent
  automation              May start the account's own automation: Deal stage.
  said                    “We take [31m200 seats” Jane Roe, 01:05
  debrief_target=301      Renewal (open)
  debrief_target=new      none of these: make a new one
  question                01930000-0000-7000-8000-000000000002, until 20 November 2026, 17:00 CET
`
	require.Equal(t, want, card.Text(card.Of(f, words.Printer{}), words.Printer{}))
}
