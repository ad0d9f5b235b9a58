package planner_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// lively gives the deals 301 and 302 owners, people and a past.
func lively(in *planner.Input) {
	in.Resolution.Owners = []planner.Owner{{ID: "77", Email: "dana@acme.example", Name: "Dana Host"}, {ID: "78", Email: "sam@acme.example", Name: "Sam"}}
	set := func(id string, properties map[string]string, links ...planner.Link) {
		for i, d := range in.Resolution.Deals {
			if d.ID == id {
				maps.Copy(d.Properties, properties)
				in.Resolution.Deals[i].Links = slices.Concat(d.Links, links)
			}
		}
	}
	set("301", map[string]string{"hubspot_owner_id": "77", "notes_last_updated": "2026-11-01T08:00:00Z"})
	set("302", map[string]string{"hubspot_owner_id": "78", "notes_last_updated": "2026-11-19T08:00:00Z"}, planner.Link{Object: "contact", ID: "101"})
	set("303", map[string]string{"notes_last_updated": "2026-11-20T08:00:00Z"})
}

var moveIt = meeting.ProposedAction{Tool: "deal.update", Ref: "u", Properties: map[string]string{"amount": "5"}}

func TestCandidatesOfAnUpdate(t *testing.T) {
	t.Parallel()
	in := input(known, pipelines, deal("301", "Renewal", "new"), deal("302", "Expansion", "offer"), deal("303", "Third", "new"), deal("304", "Old", "won"),
		lively, proposals(moveIt))
	d := one(t, plan(t, in), "deal.update")
	require.Equal(t, "it does not say which deal is meant", d.Content.Doubt)
	require.Equal(t, store.TargetProperty, d.Content.CandidateProperty)
	require.True(t, d.Content.MayCreate)
	require.Empty(t, d.Content.Properties[store.TargetProperty])
	require.Equal(t, []store.Candidate{
		{ID: "301", Label: "Renewal", Reasons: []string{"owner:Dana Host", "company:Northwind", "named", "open", "stage:New", "activity:2026-11-01"}},
		{ID: "302", Label: "Expansion", Reasons: []string{"contact:Jane Roe", "company:Northwind", "open", "stage:Offer sent", "activity:2026-11-19"}},
		{ID: "303", Label: "Third", Reasons: []string{"company:Northwind", "open", "stage:New", "activity:2026-11-20"}},
	}, d.Content.Candidates, "whose owner was there, then who was there, then the latest")

	// One of them is an answer.
	in.Answers = planner.Answers{d.Key: {store.TargetProperty: "302"}}
	picked := one(t, plan(t, in), "deal.update")
	require.Equal(t, "302", picked.TargetID)
	require.Empty(t, picked.Content.Doubt)
	require.Empty(t, picked.Content.Candidates)
	require.Equal(t, map[string]string{"amount": "5"}, picked.Content.Properties)

	// None of them is, too: then it is a new one, which lacks a name.
	in.Answers = planner.Answers{d.Key: {store.TargetProperty: store.NoneOfThese}}
	drafts := plan(t, in)
	require.Empty(t, find(drafts, "deal.update"))
	made := one(t, drafts, "deal.create")
	require.Equal(t, "a new deal needs dealname", made.Content.Doubt)
	require.Equal(t, map[string]string{"amount": "5", "dealname": "", "pipeline": "default", "dealstage": "new", "hubspot_owner_id": "77"}, made.Content.Properties)
	require.Contains(t, ids(made.Content.Associations), "company 201")

	// Written, the next round changes what it made, and asks nothing about the others.
	next := written(in, drafts)
	require.Empty(t, find(plan(t, next), "deal.create"))
	require.Empty(t, find(plan(t, next), "deal.update"))
}

func TestCandidatesOfOtherObjects(t *testing.T) {
	t.Parallel()
	d := one(t, plan(t, input(known, proposals(meeting.ProposedAction{Tool: "contact.update", Target: meeting.RecordRef{ID: "999"}, Properties: map[string]string{"jobtitle": "COO"}}))), "contact.update")
	require.Equal(t, []store.Candidate{{ID: "101", Label: "Jane Roe (jane@northwind.example)", Reasons: []string{"attendee", "company:Northwind"}}}, d.Content.Candidates)
	require.False(t, d.Content.MayCreate, "nothing tells whom to add")

	two := func(in *planner.Input) {
		in.Resolution.Companies = []planner.Record{
			{ID: "201", Properties: map[string]string{"name": "Northwind", "domain": "northwind.example"}},
			{ID: "202", Properties: map[string]string{"name": "Northwind Ltd", "domain": "www.northwind.example"}},
		}
	}
	both := []store.Candidate{
		{ID: "202", Label: "Northwind Ltd (www.northwind.example)", Reasons: []string{"domain:northwind.example"}},
		{ID: "201", Label: "Northwind (northwind.example)", Reasons: []string{"domain:northwind.example"}},
	}
	in := input(two, proposals(meeting.ProposedAction{Tool: "company.update", Target: meeting.RecordRef{Domain: "northwind.example"}, Properties: map[string]string{"city": "Bern"}}))
	drafts := plan(t, in)
	d = one(t, drafts, "company.update")
	require.Equal(t, both, d.Content.Candidates)
	require.True(t, d.Content.MayCreate)

	// The new contact could be of either.
	contact := one(t, drafts, "contact.create")
	require.Equal(t, planner.CompanyProperty, contact.Content.CandidateProperty)
	require.Equal(t, both, contact.Content.Candidates)
	require.False(t, contact.Content.MayCreate)
	in.Answers = planner.Answers{contact.Key: {planner.CompanyProperty: "202"}, d.Key: {store.TargetProperty: "201"}}
	drafts = plan(t, in)
	contact = one(t, drafts, "contact.create")
	require.Empty(t, contact.Content.Doubt)
	require.NotContains(t, contact.Content.Properties, planner.CompanyProperty)
	require.Contains(t, ids(contact.Content.Associations), "company 202")
	require.Equal(t, "201", one(t, drafts, "company.update").TargetID)
	in.Answers[contact.Key] = map[string]string{planner.CompanyProperty: store.NoneOfThese}
	contact = one(t, plan(t, in), "contact.create")
	require.Empty(t, contact.Content.Doubt)
	require.NotContains(t, ids(contact.Content.Associations), "company 202")

	// A company that is proposed though there are two.
	in = input(two, proposals(meeting.ProposedAction{Tool: "company.create", Properties: map[string]string{"domain": "northwind.example", "city": "Bern"}}))
	create := one(t, plan(t, in), "company.create")
	require.Equal(t, "HubSpot has 2 companies with this domain already", create.Content.Doubt)
	require.Equal(t, both, create.Content.Candidates)
	require.Equal(t, store.NoneOfThese, create.Content.Properties[store.TargetProperty], "approved as it is, it is created")
	in.Answers = planner.Answers{create.Key: {store.TargetProperty: "201"}}
	drafts = plan(t, in)
	require.Empty(t, find(drafts, "company.create"))
	require.Equal(t, map[string]string{"city": "Bern"}, one(t, drafts, "company.update").Content.Properties)
	in.Answers = planner.Answers{create.Key: {store.TargetProperty: store.NoneOfThese}}
	require.Empty(t, one(t, plan(t, in), "company.create").Content.Doubt)
}

func TestADealThatMayBeThereAlready(t *testing.T) {
	t.Parallel()
	propose := meeting.ProposedAction{Tool: "deal.create", Ref: "d", Properties: map[string]string{"dealname": "renewal", "amount": "2000", "dealstage": "offer"}}
	in := input(known, pipelines, deal("301", "Renewal", "new"), deal("302", "Renewal", "won"), proposals(propose))
	d := one(t, plan(t, in), "deal.create")
	require.Equal(t, "HubSpot has an open deal with this name already", d.Content.Doubt)
	require.Equal(t, []store.Candidate{{ID: "301", Label: "Renewal", Reasons: []string{"name", "company:Northwind", "open", "stage:New"}}}, d.Content.Candidates)
	require.True(t, d.Content.MayCreate)
	require.Equal(t, store.NoneOfThese, d.Content.Properties[store.TargetProperty])

	in.Answers = planner.Answers{d.Key: {store.TargetProperty: "301"}}
	drafts := plan(t, in)
	require.Empty(t, find(drafts, "deal.create"))
	update := one(t, drafts, "deal.update")
	require.Equal(t, "301", update.TargetID)
	require.Equal(t, map[string]string{"dealname": "renewal", "amount": "2000", "dealstage": "offer"}, update.Content.Properties)
	require.Equal(t, map[string]string{"dealname": "Renewal", "amount": "1000", "dealstage": "new"}, update.Content.Before)
	require.Contains(t, update.Content.Doubt, "it would replace amount of the record that was picked", "the approver did not see what stands there")

	in.Answers = planner.Answers{d.Key: {store.TargetProperty: store.NoneOfThese}}
	d = one(t, plan(t, in), "deal.create")
	require.Empty(t, d.Content.Doubt)
	require.NotContains(t, d.Content.Properties, store.TargetProperty)
}

// defined lets the account describe what deals have.
func defined(in *planner.Input) {
	readOnly := &hubspot.PropertyModification{ReadOnlyValue: true}
	in.Resolution.Properties = map[string][]hubspot.Property{"deal": {
		{Name: "amount", Label: "Amount", Type: "number"},
		{Name: "dealname", Label: "Deal name", Type: "string"},
		{Name: "dealtype", Label: "Deal type", Type: "enumeration", FieldType: "select", Options: []hubspot.PropertyOption{{Label: "New business", Value: "newbusiness"}}},
		{Name: "regions", Label: "Regions", Type: "enumeration", FieldType: "checkbox", Options: []hubspot.PropertyOption{{Label: "North", Value: "north"}, {Label: "South", Value: "south"}}},
		{Name: "won_by", Label: "Won by", Type: "enumeration", FieldType: "select"},
		{Name: "seats", Label: "Seats", Type: "number"},
		{Name: "renewal", Label: "Renewal", Type: "bool"},
		{Name: "signed_on", Label: "Signed on", Type: "date"},
		{Name: "score", Label: "Score", Type: "number", Calculated: true},
		{Name: "locked", Label: "Locked", Type: "string", Modification: readOnly},
	}}
	in.Resolution.Undefined = map[string][]string{"deal": {"ghost"}}
}

func TestDraftsAreCheckedAgainstTheAccount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		property, value string
		want            string // what is written
		doubt           string
	}{
		{"dealtype", "newbusiness", "newbusiness", ""},
		{"dealtype", "NEW business", "newbusiness", ""},
		{"dealtype", "other", "", "Deal type has no such option, so the proposed “other” was left out"},
		{"regions", "north;South", "north;south", ""},
		{"regions", ";north", ";north", ""},
		{"regions", "north;x", "", "Regions has no such option, so the proposed “north;x” was left out"},
		{"won_by", "12", "12", ""}, // its options are elsewhere
		{"seats", "200", "200", ""},
		{"seats", "many", "", "Seats is not a number, so the proposed “many” was left out"},
		{"renewal", "true", "true", ""},
		{"renewal", "either", "", "Renewal is neither true nor false, so the proposed “either” was left out"},
		{"signed_on", "2026-11-20", "2026-11-20", ""},
		{"signed_on", "soon", "", "Signed on is not a date, so the proposed “soon” was left out"},
		{"amount", "lots", "1000", "Amount is not a number, so the proposed “lots” was left out"}, // what it is now
		{"not_described", "x", "x", ""},
	} {
		in := input(known, pipelines, deal("301", "Renewal", "new"), defined, proposals(meeting.ProposedAction{
			Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}, Properties: map[string]string{test.property: test.value},
		}))
		d := one(t, plan(t, in), "deal.update")
		require.Equal(t, test.doubt, d.Content.Doubt, test.property)
		require.Equal(t, map[string]string{test.property: test.want}, d.Content.Properties)
		if test.doubt != "" {
			require.Equal(t, test.want, d.Content.Before[test.property], "approved as it is, nothing changes")
		}
		if test.property == "amount" {
			next := written(in, plan(t, in))
			require.Empty(t, find(plan(t, next), "deal.update"), "and is not asked again in the next round")
		}
	}
	for property, doubt := range map[string]string{
		"ghost": "the account has no property ghost, so it was left out", "score": "Score can't be set and was left out", "locked": "Locked can't be set and was left out",
	} {
		d := one(t, plan(t, input(known, pipelines, deal("301", "Renewal", "new"), defined, proposals(meeting.ProposedAction{
			Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}, Properties: map[string]string{property: "1", "seats": "2"},
		}))), "deal.update")
		require.Equal(t, doubt, d.Content.Doubt)
		require.Equal(t, map[string]string{"seats": "2"}, d.Content.Properties)
	}

	// Of a new one, what can't be is empty for the approver to fill in.
	d := one(t, plan(t, input(known, pipelines, defined, proposals(meeting.ProposedAction{
		Tool: "deal.create", Properties: map[string]string{"dealtype": "other", "dealstage": "nowhere", "pipeline": "Partners"},
	}))), "deal.create")
	require.Empty(t, d.Content.Properties["dealtype"])
	require.Contains(t, d.Content.Properties, "dealtype")
	require.Equal(t, "other", d.Content.Properties["pipeline"], "by its label")
	require.Equal(t, "p1", d.Content.Properties["dealstage"])
	require.Contains(t, d.Content.Doubt, "a new deal needs Deal name")

	// The judge of edits says the same.
	in := input(known, pipelines, defined)
	for _, test := range []struct {
		properties map[string]string
		want       []string
	}{
		{map[string]string{"dealtype": "newbusiness", "seats": "1", "debrief_target": "new"}, nil},
		{map[string]string{"dealtype": "New business", "ghost": "1"}, []string{"Deal type has no such option", "ghost can't be set"}},
		{map[string]string{"pipeline": "default", "dealstage": "p1"}, []string{"the stage belongs to another pipeline than the deal"}},
	} {
		require.Equal(t, test.want, planner.Check("deal", false, test.properties, in.Resolution))
	}
}

func TestResolveKeepsTheDefinitionsOfWhatDraftsUse(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	in.Meeting.Attendees = in.Meeting.Attendees[:1]
	propose(&in.Meeting, meeting.ProposedAction{Tool: "deal.create", Properties: map[string]string{"dealname": "x", "ghost": "1", "amount": "1"}})
	crm.properties = map[string][]hubspot.Property{"deals": {
		{Name: "dealname", Label: "Deal name", Type: "string"}, {Name: "amount", Label: "Amount", Type: "number"}, {Name: "unused", Label: "Unused"},
	}}
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Equal(t, map[string][]hubspot.Property{"deal": {{Name: "amount", Label: "Amount", Type: "number"}, {Name: "dealname", Label: "Deal name", Type: "string"}}}, got.Properties)
	require.Contains(t, got.Undefined["deal"], "ghost")
	require.NotContains(t, got.Undefined, "meeting", "which the account does not let be read")
	require.Equal(t, []string{"amount", "deal_currency_code", "dealname", "dealstage", "ghost", "hubspot_owner_id", "pipeline"}, crm.asked["deals"])
	require.NotContains(t, crm.asked, "contacts", "everyone is known: no draft uses theirs")
}

func TestOwnersOfCandidatesAreNamed(t *testing.T) {
	t.Parallel()
	in, crm := ofOne()
	propose(&in.Meeting, meeting.ProposedAction{Tool: "deal.update", Target: meeting.RecordRef{ID: "999"}, Properties: map[string]string{"hubspot_owner_id": "90"}})
	for i := range crm.records["deals"] {
		crm.records["deals"][i].Properties["hubspot_owner_id"] = "91"
	}
	crm.owners = append(crm.owners, hubspot.Owner{ID: "90", FirstName: "New", LastName: "Owner"}, hubspot.Owner{ID: "91", Email: "old@acme.example"}, hubspot.Owner{ID: "92", Email: "x@acme.example"})
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Subset(t, got.Owners, []planner.Owner{{ID: "90", Name: "New Owner"}, {ID: "91", Email: "old@acme.example"}})
	require.NotContains(t, got.Owners, planner.Owner{ID: "92", Email: "x@acme.example"})
}

func TestTheCurrencyIsWhatWasSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		account []string
		quote   string
		want    string
		doubt   string
	}{
		{[]string{"EUR", "USD"}, "let's say €42,000 then", "EUR", ""},
		{[]string{"EUR", "USD"}, "that would be 42k EUR", "EUR", ""},
		{[]string{"EUR", "USD"}, "42.000 Euro im Jahr", "EUR", ""},
		{[]string{"EUR", "USD"}, "$42,000 is fine", "USD", ""},
		{[]string{"USD", "CAD"}, "$42,000 is fine", "", ""}, // whose dollars?
		{[]string{"EUR", "USD"}, "€42,000, so about $45,000", "EUR", "amount could be one of several that were said"},
		{[]string{"EUR", "USD"}, "42 thousand", "", ""},
		{[]string{"EUR"}, "we said GBP 42,000", "", "the amount was said in GBP, which the account does not have"},
		{[]string{"EUR"}, "the Q4 42 KPI review", "", "amount is another number than the one that was said"},
		{nil, "€42,000", "", ""},
	} {
		in := input(known, pipelines, proposals(meeting.ProposedAction{
			Tool: "deal.create", Properties: map[string]string{"dealname": "x", "amount": "42000"}, Evidence: []meeting.Evidence{{Quote: "So, a new deal: " + test.quote}},
		}))
		in.Currencies = test.account
		d := one(t, plan(t, in), "deal.create")
		require.Equal(t, test.want, d.Content.Properties["deal_currency_code"], test.quote)
		require.Equal(t, test.doubt, d.Content.Doubt, test.quote)
	}
}

func TestConfidenceIsTheLowest(t *testing.T) {
	t.Parallel()
	high, low := 0.9, 0.4
	target := meeting.RecordRef{ID: "301"}
	d := one(t, plan(t, input(known, pipelines, deal("301", "Renewal", "new"), proposals(
		meeting.ProposedAction{Tool: "deal.update", Ref: "u", Target: target, Properties: map[string]string{"amount": "5"}, Confidence: &high},
		meeting.ProposedAction{Tool: "deal.update", Ref: "u", Target: target, Properties: map[string]string{"dealstage": "offer"}, Confidence: &low},
	))), "deal.update")
	require.Equal(t, &low, d.Content.Confidence)
	require.Nil(t, one(t, plan(t, input(known)), "meeting.create").Content.Confidence)
	require.Equal(t, policy.Update, d.Tool.Operation)
}
