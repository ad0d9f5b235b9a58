package planner_test

import (
	"encoding/json"
	"fmt"
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
		"search companies by domain in 2",
		"read companies of 6 contacts", "read deals of 6 contacts", "read tickets of 6 contacts", "read meetings of 6 contacts",
		"read deals of 2 companies", "read tickets of 2 companies",
		"read 2 deals by id", "read 1 tickets by id", "read 2 meetings by id",
		"read companies of 1 meetings", "read deals of 1 meetings",
		"read the owner of an address",
		"read pipelines of deals", "read pipelines of tickets",
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
	require.Len(t, got.Tickets, 1)
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
		"read 2 contacts by email", "read 1 contacts by id", "search companies by domain in 2", "read companies of 1 contacts", "read 3 deals by id", "read owners",
	})
	require.Equal(t, "before", got.Deals[2].Properties["custom_field"])
	require.Empty(t, got.Deals[2].Links)
	require.Len(t, got.Owners, 2)
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
