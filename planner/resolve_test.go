package planner_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
)

func record(id string, properties ...string) hubspot.Record {
	r := hubspot.Record{ID: id, Properties: map[string]string{}}
	for i := 0; i < len(properties); i += 2 {
		r.Properties[properties[i]] = properties[i+1]
	}
	return r
}

// reference is a meeting of six external people of two companies, all of them
// known, with a deal, a ticket and the meeting itself in HubSpot.
func reference() (planner.Subject, *fakeCRM) {
	in := input().Subject
	in.Host.OwnerID = ""
	in.Meeting.Attendees = nil
	crm := &fakeCRM{
		records: map[string][]hubspot.Record{
			"companies": {record("201", "name", "Northwind", "domain", "northwind.example"), record("202", "name", "Harbor", "domain", "harbor.example")},
			"deals":     {record("301", "dealname", "Renewal", "dealstage", "new", "pipeline", "default"), record("302", "dealname", "Old", "dealstage", "won", "pipeline", "default")},
			"tickets":   {record("401", "subject", "Export fails", "hs_pipeline_stage", "1")},
			"meetings": {
				record("501", "hs_meeting_title", "Renewal", "hs_meeting_start_time", hubspot.FormatDateTime(friday.Add(5*time.Minute)), "secret", "not asked for"),
				record("502", "hs_meeting_start_time", hubspot.FormatDateTime(friday.Add(-24*time.Hour))),
			},
		},
		links: map[string][]string{
			"companies 201 deals": {"301", "302"}, "contacts 101 deals": {"301"}, "contacts 102 tickets": {"401"},
			"contacts 101 meetings": {"501", "502"}, "meetings 501 companies": {"201"},
		},
		primary: map[string]bool{"contacts 101 companies 201": true},
		owners:  []hubspot.Owner{{ID: "77", Email: "Dana@acme.example", FirstName: "Dana", LastName: "Host"}},
	}
	for i := range 6 {
		company, domain := "201", "northwind.example"
		if i >= 3 {
			company, domain = "202", "harbor.example"
		}
		id, email := fmt.Sprint(101+i), fmt.Sprintf("person%d@%s", i, domain)
		in.Meeting.Attendees = append(in.Meeting.Attendees, attendee(fmt.Sprintf("Person %d", i), email))
		crm.records["contacts"] = append(crm.records["contacts"], record(id, "email", email))
		crm.links["contacts "+id+" companies"] = []string{company}
	}
	return in, crm
}

func TestResolveReadsLittle(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Equal(t, []string{
		"read 6 contacts by email",
		"read companies of 6 contacts", "read deals of 6 contacts", "read meetings of 6 contacts",
		"read 2 companies by id", "read deals of 2 companies",
		"read 2 deals by id", "read 2 meetings by id",
		"read one of the meetings with its companies, deals",
		"read owners",
		"read pipelines of deals",
	}, crm.calls)

	require.Len(t, got.Contacts, 6)
	require.Equal(t, []planner.Link{
		{Object: "company", ID: "201", Primary: true}, {Object: "deal", ID: "301"}, {Object: "meeting", ID: "501"}, {Object: "meeting", ID: "502"},
	}, got.Contacts[0].Links)
	require.Len(t, got.Companies, 2)
	require.Equal(t, []planner.Link{{Object: "company", ID: "201"}, {Object: "contact", ID: "101"}}, got.Deals[0].Links)
	require.Equal(t, []planner.Record{{
		ID:         "501",
		Properties: map[string]string{"hs_meeting_title": "Renewal", "hs_meeting_start_time": "2026-11-20T14:05:00.000Z"},
		Links:      []planner.Link{{Object: "company", ID: "201"}, {Object: "contact", ID: "101"}},
	}}, got.Meetings)
	require.Equal(t, []planner.Owner{{ID: "77", Email: "dana@acme.example", Name: "Dana Host"}}, got.Owners)
	require.Empty(t, got.Tickets) // nothing is proposed about one
	require.Empty(t, got.Denied)

	raw, err := json.Marshal(got)
	require.NoError(t, err)
	var again planner.Resolution
	require.NoError(t, json.Unmarshal(raw, &again))
	require.Equal(t, got, again)
}

func TestResolveOfAnInternalMeetingReadsNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*planner.Input){
		"internal": attendees(attendee("Dana", "dana@acme.example"), attendee("Sam", "sam@acme.example")),
		"canceled": func(in *planner.Input) { in.Meeting.State = meeting.StateCanceled },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crm := &fakeCRM{}
			got, err := planner.Resolve(t.Context(), crm, input(change).Subject)
			require.NoError(t, err)
			require.Equal(t, planner.Resolution{}, got)
			require.Empty(t, crm.calls)
		})
	}
}

func TestResolveOfUnknownPeople(t *testing.T) {
	t.Parallel()
	crm := &fakeCRM{}
	_, err := planner.Resolve(t.Context(), crm, input().Subject) // the host's owner is known
	require.NoError(t, err)
	require.Equal(t, []string{"read 1 contacts by email", "search companies by domain in 1"}, crm.calls)
}

func TestResolveGoesOnWithoutWhatIsDenied(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	crm.deny = map[string]bool{"company": true, "deal": true, "owner": true}
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Len(t, got.Contacts, 6)
	require.Empty(t, got.Companies)
	require.Empty(t, got.Deals)
	require.Len(t, got.Meetings, 1)
	require.ElementsMatch(t, []policy.Tool{
		{Object: "company", Operation: policy.Read}, {Object: "deal", Operation: policy.Read}, {Object: "owner", Operation: policy.Read},
	}, got.Denied)
}

func TestResolveFails(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	crm.fail = hubspot.ErrUnavailable
	_, err := planner.Resolve(t.Context(), crm, in)
	require.ErrorIs(t, err, hubspot.ErrUnavailable)
	require.NotContains(t, err.Error(), "@")
	require.NotErrorIs(t, err, policy.ErrDenied)
}

func TestResolveReadsWhatProposalsName(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	in.Meeting.Attendees = in.Meeting.Attendees[:1]
	in.Meeting.ProposedActions = []meeting.ProposedAction{
		{Tool: "deal.update", Target: meeting.RecordRef{ID: "303"}, Properties: map[string]string{"custom_field": "x", "hubspot_owner_id": "sam@acme.example"}},
		{Tool: "contact.update", Target: meeting.RecordRef{Email: "Bob@Harbor.example"}, Properties: map[string]string{"jobtitle": "CTO"}},
		{Tool: "ticket.create", Properties: map[string]string{"subject": "x"}, AssociateWith: []meeting.RecordRef{{Object: "company", Domain: "harbor.example"}, {Object: "contact", ID: "999"}}},
		{Tool: "deal.update", Target: meeting.RecordRef{ID: "not a number"}},
		{Tool: "deal.burn", Target: meeting.RecordRef{ID: "1"}},
	}
	crm.records["deals"] = append(crm.records["deals"], record("303", "dealname", "Named", "custom_field", "before"))
	crm.records["contacts"] = append(crm.records["contacts"], record("110", "email", "bob@harbor.example"), record("999", "email", "eve@harbor.example"))
	crm.owners = append(crm.owners, hubspot.Owner{ID: "78", Email: "sam@acme.example"})
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Subset(t, crm.calls, []string{
		"read 2 contacts by email", "read 1 contacts by id", "search companies by domain in 2", "read 1 deals by id", "read owners",
	})
	require.Equal(t, "before", got.Deals[0].Properties["custom_field"])
	require.Empty(t, got.Deals[0].Links)
	require.Empty(t, got.Tickets) // person0's company has none, and person1 did not come
	require.Len(t, got.Owners, 2)
}

// ofOne is the reference meeting with one guest.
func ofOne() (planner.Subject, *fakeCRM) {
	in, crm := reference()
	in.Meeting.Attendees = in.Meeting.Attendees[:1]
	in.Host.OwnerID = "77"
	return in, crm
}

func TestResolveReadsFewRecordsWithTheirLinks(t *testing.T) {
	t.Parallel()
	in, crm := ofOne()
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Equal(t, []string{
		"read 1 contacts by email",
		"read one of the contacts with its companies, deals, meetings",
		"read one of the companies with its deals",
		"read 2 deals by id", "read 2 meetings by id",
		"read one of the meetings with its companies, deals",
		"read pipelines of deals",
	}, crm.calls)

	// Read the other way, it is the same.
	in, crm = ofOne()
	crm.cut = map[string]bool{}
	for _, link := range []string{"contacts 101 companies", "contacts 101 deals", "contacts 101 meetings", "companies 201 deals", "meetings 501 companies"} {
		crm.cut[link] = true
	}
	again, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Subset(t, crm.calls, []string{"read companies of 1 contacts", "read meetings of 1 contacts", "read deals of 1 companies"})
	for i := range again.Contacts[0].Links {
		again.Contacts[0].Links[i].Primary = false // what one record's read does not say
	}
	require.Equal(t, got, again)
}

func TestResolveOfOneWithSeveralCompanies(t *testing.T) {
	t.Parallel()
	in, crm := ofOne()
	crm.links["contacts 101 companies"] = []string{"201", "202"}
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Subset(t, crm.calls, []string{"read companies of 1 contacts", "read 2 companies by id", "read deals of 1 companies"})
	require.Equal(t, planner.Link{Object: "company", ID: "201", Primary: true}, got.Contacts[0].Links[0])
	require.Len(t, got.Companies, 2)
}

func TestResolveOfOneGoesOnWithoutWhatIsDenied(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		deny  []string
		calls []string
	}{
		"deals": {
			deny: []string{"deal"},
			calls: []string{
				"read 1 contacts by email", "denied: deals", "read one of the contacts with its companies, meetings",
				"denied: deals", "read one of the companies with its ", "read 2 meetings by id", "denied: deals", "read one of the meetings with its companies",
			},
		},
		"companies": {
			deny: []string{"company"},
			calls: []string{
				"read 1 contacts by email", "denied: companies", "read one of the contacts with its deals, meetings",
				"search companies by domain in 1",
				"read 1 deals by id", "read 2 meetings by id", "denied: companies", "read one of the meetings with its deals",
				"read pipelines of deals",
			},
		},
		"all that is linked": {
			deny:  []string{"company", "deal", "meeting"},
			calls: []string{"read 1 contacts by email", "denied: companies", "denied: deals", "denied: meetings", "search companies by domain in 1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, crm := ofOne()
			crm.deny = map[string]bool{}
			var want []policy.Tool
			for _, object := range test.deny {
				crm.deny[object] = true
				want = append(want, policy.Tool{Object: object, Operation: policy.Read})
			}
			got, err := planner.Resolve(t.Context(), crm, in)
			require.NoError(t, err)
			require.Equal(t, test.calls, crm.calls)
			require.ElementsMatch(t, want, got.Denied)
			require.Len(t, got.Contacts, 1)
		})
	}
}

func TestResolveOfOneWhoIsGoneSinceGoesOn(t *testing.T) {
	t.Parallel()
	in, crm := ofOne()
	// Merged between the two reads: found by address, not by ID any more.
	crm.gone = map[string]bool{"contacts 101": true}
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Empty(t, got.Contacts[0].Links)
}

func TestResolveSearchesForCompaniesThatNoLinkTells(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*planner.Subject, *fakeCRM)
		calls  []string // about companies
	}{
		"all are linked": {
			change: func(*planner.Subject, *fakeCRM) {},
			calls:  []string{"read companies of 6 contacts", "read 2 companies by id"},
		},
		"somebody is new": {
			change: func(in *planner.Subject, _ *fakeCRM) {
				in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("New", "new@lake.example"))
			},
			calls: []string{"read companies of 6 contacts", "search companies by domain in 3"},
		},
		"a contact has no company": {
			change: func(_ *planner.Subject, crm *fakeCRM) { delete(crm.links, "contacts 104 companies") },
			calls:  []string{"read companies of 6 contacts", "search companies by domain in 2"},
		},
		"somebody new has free mail": {
			change: func(in *planner.Subject, _ *fakeCRM) {
				in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("New", "new@gmail.com"))
			},
			calls: []string{"read companies of 6 contacts", "read 2 companies by id"},
		},
		"a company is linked that has another domain": {
			change: func(in *planner.Subject, crm *fakeCRM) {
				in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("New", "new@lake.example"))
				crm.records["companies"][1].Properties["domain"] = "other.example"
			},
			calls: []string{"read companies of 6 contacts", "search companies by domain in 3", "read 1 companies by id"},
		},
		"a proposal names a domain": {
			change: func(in *planner.Subject, _ *fakeCRM) {
				in.Meeting.ProposedActions = []meeting.ProposedAction{{Tool: "company.create", Properties: map[string]string{"domain": "lake.example"}}}
			},
			calls: []string{"read companies of 6 contacts", "search companies by domain in 3"},
		},
		"a contact is proposed who is not there": {
			// There may be two companies of that domain, and one of them is linked.
			change: func(in *planner.Subject, _ *fakeCRM) {
				in.Meeting.ProposedActions = []meeting.ProposedAction{{Tool: "contact.create", Properties: map[string]string{"email": "bob@harbor.example"}}}
			},
			calls: []string{"read companies of 6 contacts", "search companies by domain in 2"},
		},
		"a contact is proposed who is there": {
			change: func(in *planner.Subject, _ *fakeCRM) {
				in.Meeting.ProposedActions = []meeting.ProposedAction{{Tool: "contact.create", Properties: map[string]string{"email": "person1@northwind.example"}}}
			},
			calls: []string{"read companies of 6 contacts", "read 2 companies by id"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, crm := reference()
			test.change(&in, crm)
			got, err := planner.Resolve(t.Context(), crm, in)
			require.NoError(t, err)
			require.Len(t, got.Companies, 2)
			var calls []string
			for _, c := range crm.calls {
				if strings.Contains(c, "companies of 6") || strings.HasPrefix(c, "search") || strings.HasSuffix(c, "companies by id") {
					calls = append(calls, c)
				}
			}
			require.Equal(t, test.calls, calls)
		})
	}
}

func TestResolveReadsOtherDealsAndTicketsWhereTheyMatter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		proposals []meeting.ProposedAction
		hints     []meeting.CRMHint
		deals     bool
		tickets   bool
	}{
		"nothing is named":              {deals: true},
		"the deal to move is named":     {proposals: []meeting.ProposedAction{{Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}}}},
		"the platform names it":         {hints: []meeting.CRMHint{{CRM: "hubspot", Object: "deal", ID: "301"}}},
		"the platform names an old one": {hints: []meeting.CRMHint{{Object: "deal", ID: "302"}}, deals: true},
		"the named one is not there":    {proposals: []meeting.ProposedAction{{Tool: "deal.update", Target: meeting.RecordRef{ID: "999"}}}, deals: true},
		"it does not say which":         {proposals: []meeting.ProposedAction{{Tool: "deal.update"}}, hints: []meeting.CRMHint{{Object: "deal", ID: "301"}}, deals: true},
		"it is to be linked": {
			// What it is linked to already is not linked again.
			proposals: []meeting.ProposedAction{{Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}, AssociateWith: []meeting.RecordRef{{Email: "person0@northwind.example"}}}},
			deals:     true,
		},
		"a new deal": {
			// It may be there under the same name.
			proposals: []meeting.ProposedAction{{Tool: "deal.create", Properties: map[string]string{"dealname": "Renewal"}}}, deals: true,
		},
		"a new ticket":           {proposals: []meeting.ProposedAction{{Tool: "ticket.create"}}, deals: true, tickets: true},
		"a ticket that is named": {proposals: []meeting.ProposedAction{{Tool: "ticket.update", Target: meeting.RecordRef{ID: "401"}}}, deals: true},
		"a new ticket for a named deal": {
			proposals: []meeting.ProposedAction{{Tool: "ticket.create"}, {Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}}}, tickets: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, crm := reference()
			in.Meeting.ProposedActions, in.Meeting.CRMHints = test.proposals, test.hints
			_, err := planner.Resolve(t.Context(), crm, in)
			require.NoError(t, err)
			for object, want := range map[string]bool{"deals": test.deals, "tickets": test.tickets} {
				require.Equal(t, want, slices.Contains(crm.calls, "read "+object+" of 6 contacts"), "%s: %q", object, crm.calls)
			}
		})
	}
}

func TestResolveOwnersOfALargeAccount(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("Sam", "sam@acme.example"), attendee("Kim", "kim@acme.example"))
	in.Meeting.ActionItems = []meeting.ActionItem{
		{Text: "a", AssigneeEmail: "sam@acme.example"}, {Text: "b", AssigneeEmail: "kim@acme.example"}, {Text: "c", AssigneeEmail: "person1@northwind.example"},
	}
	crm.owners = append(crm.owners, hubspot.Owner{ID: "78", Email: "sam@acme.example"}, hubspot.Owner{ID: "79", Email: "kim@acme.example", Archived: true})
	crm.page = 1
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Equal(t, []planner.Owner{{ID: "77", Email: "dana@acme.example", Name: "Dana Host"}, {ID: "78", Email: "sam@acme.example"}}, got.Owners)
	owners := 0
	for _, c := range crm.calls {
		if c == "read owners" || c == "read the owner of an address" {
			owners++
		}
	}
	require.Equal(t, 3, owners) // the first page, then the two that it did not have
}

func TestResolveReadsTheNewestOfMany(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	for i := range 1000 {
		crm.links["contacts 101 meetings"] = append(crm.links["contacts 101 meetings"], fmt.Sprint(600+i))
	}
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Equal(t, []string{"meeting"}, got.Cut)
	n := 0
	for _, c := range crm.calls {
		if c == "read 100 meetings by id" {
			n++
		}
	}
	require.Equal(t, 3, n)
}

// A webinar has more people than one batch of associations takes.
func TestResolveOfACrowd(t *testing.T) {
	t.Parallel()
	in, crm := reference()
	for i := range hubspot.MaxAssociationReads {
		email := fmt.Sprintf("guest%d@northwind.example", i)
		in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("Guest", email))
		crm.records["contacts"] = append(crm.records["contacts"], record(fmt.Sprint(1000+i), "email", email))
	}
	_, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Subset(t, crm.calls, []string{"read companies of 1000 contacts", "read companies of 6 contacts"})
}
