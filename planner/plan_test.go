package planner_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

func TestNothingIsPlanned(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*planner.Input){
		"internal":     attendees(attendee("Dana", "dana@acme.example"), attendee("Sam", "sam@acme.example")),
		"canceled":     func(in *planner.Input) { in.Meeting.State = meeting.StateCanceled },
		"nobody came":  attendees(meeting.Attendee{Person: meeting.Person{Email: "jane@northwind.example"}, NoShow: true}),
		"with a room":  attendees(attendee("Dana", "dana@acme.example"), attendee("Sam", "sam@acme.example"), attendee("Blue", "c_1@resource.calendar.google.com")),
		"with a taker": attendees(attendee("Dana", "dana@acme.example"), attendee("Sam", "sam@acme.example"), attendee("Fireflies.ai Notetaker", "")),
		"but proposals": func(in *planner.Input) {
			in.Meeting.Attendees = []meeting.Attendee{attendee("Sam", "sam@acme.example")}
			propose(&in.Meeting, meeting.ProposedAction{Tool: "deal.create", Properties: map[string]string{"dealname": "x"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, plan(t, input(change, notes("s", "n"), items(meeting.ActionItem{Text: "call"}))))
		})
	}
}

func TestUnknownAttendee(t *testing.T) {
	t.Parallel()
	in := input()
	in.Meeting.Attendees[1].JobTitle = "Head of Operations"
	drafts := plan(t, in)
	require.Equal(t, []string{"company.create", "contact.create", "meeting.create"}, tools(drafts))
	company, contact, log := drafts[0], drafts[1], drafts[2]

	require.Equal(t, store.ActionContent{
		Label: "Northwind (northwind.example)", Purpose: "the company of someone who attended is not in HubSpot yet; its name is guessed from the domain",
		NaturalKey: "domain:northwind.example",
		Properties: map[string]string{"domain": "northwind.example", "name": "Northwind", "hubspot_owner_id": "77"},
	}, company.Content)
	require.Equal(t, "company.create:"+hash("domain:northwind.example"), company.Key)

	require.Equal(t, store.ActionContent{
		Label: "Jane Roe (jane@northwind.example)", Purpose: "attended and is not in HubSpot yet", NaturalKey: "email:jane@northwind.example",
		Properties:   map[string]string{"email": "jane@northwind.example", "firstname": "Jane", "lastname": "Roe", "jobtitle": "Head of Operations", "hubspot_owner_id": "77"},
		Associations: []store.AssociationRef{{Object: "company", Key: company.Key}},
	}, contact.Content)
	require.Equal(t, []string{company.Key}, contact.DependsOn)

	require.Equal(t, []store.AssociationRef{{Object: "company", Key: company.Key}, {Object: "contact", Key: contact.Key}}, log.Content.Associations)
	require.Equal(t, map[string]string{
		"hs_timestamp": "2026-11-20T14:00:00.000Z", "hs_meeting_title": "Renewal review", "hs_meeting_outcome": "COMPLETED",
		"hs_meeting_start_time": "2026-11-20T14:00:00.000Z", "hs_meeting_end_time": "2026-11-20T14:45:00.000Z",
		"hs_meeting_body": "<p>Attendees: Dana Host, Jane Roe</p>", "hubspot_owner_id": "77",
	}, log.Content.Properties)
}

func TestKnownAttendee(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(known))
	require.Equal(t, []string{"meeting.create"}, tools(drafts))
	require.Equal(t, []string{"company 201", "contact 101"}, ids(drafts[0].Content.Associations))
	require.Empty(t, drafts[0].DependsOn)
}

func TestCompanies(t *testing.T) {
	t.Parallel()
	jane, bob := attendee("Jane", "jane@northwind.example"), attendee("Bob", "bob@northwind.example")
	contact := func(company ...string) func(*planner.Input) {
		return func(in *planner.Input) {
			c := planner.Record{ID: "101", Properties: map[string]string{"email": "jane@northwind.example"}}
			for _, id := range company {
				id, primary := strings.CutSuffix(id, "!")
				c.Links = append(c.Links, planner.Link{Object: "company", ID: id, Primary: primary})
			}
			in.Resolution.Contacts = []planner.Record{c}
		}
	}
	companies := func(pairs ...string) func(*planner.Input) {
		return func(in *planner.Input) {
			for i := 0; i < len(pairs); i += 2 {
				in.Resolution.Companies = append(in.Resolution.Companies, planner.Record{ID: pairs[i], Properties: map[string]string{"domain": pairs[i+1]}})
			}
		}
	}
	companiesOf := func(d store.Draft) []string {
		var on []string
		for _, a := range ids(d.Content.Associations) {
			if strings.HasPrefix(a, "company") {
				on = append(on, a)
			}
		}
		return on
	}
	tests := map[string]struct {
		changes   []func(*planner.Input)
		tools     []string
		companies []string // that the meeting is on
		contact   string   // the company of a new contact
		doubt     string
	}{
		"known by domain":                {[]func(*planner.Input){attendees(jane), companies("201", "www.Northwind.example")}, []string{"meeting.create", "contact.create"}, []string{"company 201"}, "company 201", ""},
		"free mail makes none":           {[]func(*planner.Input){attendees(attendee("Jane", "jane@gmail.com")), companies("201", "gmail.com")}, []string{"contact.create", "meeting.create"}, nil, "", ""},
		"two with the domain":            {[]func(*planner.Input){attendees(jane), companies("201", "northwind.example", "202", "northwind.example")}, []string{"contact.create", "meeting.create"}, nil, "", "several companies"},
		"one for two people":             {[]func(*planner.Input){attendees(jane, bob)}, []string{"company.create", "contact.create", "contact.create", "meeting.create"}, []string{"company company.create"}, "company company.create", ""},
		"the contact's, other domain":    {[]func(*planner.Input){attendees(jane), contact("203"), companies("203", "group.example")}, []string{"meeting.create"}, []string{"company 203"}, "", ""},
		"the colleague's":                {[]func(*planner.Input){attendees(jane, bob), contact("203"), companies("203", "group.example")}, []string{"meeting.create", "contact.create"}, []string{"company 203"}, "company 203", ""},
		"of several the domain's":        {[]func(*planner.Input){attendees(jane), contact("203!", "201"), companies("203", "group.example", "201", "northwind.example")}, []string{"meeting.create"}, []string{"company 201"}, "", ""},
		"of several the primary":         {[]func(*planner.Input){attendees(jane), contact("203", "204!"), companies("203", "a.example", "204", "b.example")}, []string{"meeting.create"}, []string{"company 204"}, "", ""},
		"of several none":                {[]func(*planner.Input){attendees(jane), contact("203", "204"), companies("203", "a.example", "204", "b.example")}, []string{"meeting.create"}, nil, "", ""},
		"a known contact without any":    {[]func(*planner.Input){attendees(jane), contact()}, []string{"meeting.create", "company.create"}, nil, "", ""},
		"the subdomain's own":            {[]func(*planner.Input){attendees(attendee("J", "j@eu.northwind.example")), companies("201", "northwind.example", "205", "eu.northwind.example")}, []string{"meeting.create", "contact.create"}, []string{"company 205"}, "company 205", ""},
		"the subdomain's parent":         {[]func(*planner.Input){attendees(attendee("J", "j@eu.northwind.example")), companies("201", "northwind.example")}, []string{"meeting.create", "contact.create"}, []string{"company 201"}, "company 201", ""},
		"companies may not be looked up": {[]func(*planner.Input){attendees(jane), denied("company")}, []string{"company.create", "contact.create", "meeting.create"}, []string{"company company.create"}, "company company.create", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drafts := plan(t, input(test.changes...))
			require.Equal(t, test.tools, tools(drafts))
			require.Equal(t, test.companies, companiesOf(one(t, drafts, "meeting.create")))
			for _, c := range find(drafts, "contact.create") {
				if test.contact == "" {
					require.Empty(t, companiesOf(c))
				} else {
					require.Equal(t, []string{test.contact}, companiesOf(c))
				}
				require.Contains(t, c.Content.Doubt, test.doubt)
			}
		})
	}
	d := one(t, plan(t, input(attendees(jane), contact())), "company.create")
	require.Equal(t, []string{"contact 101", "meeting meeting.create"}, ids(d.Content.Associations), "the known contact joins the new company")
}

func denied(objects ...string) func(*planner.Input) {
	return func(in *planner.Input) {
		for _, o := range objects {
			in.Resolution.Denied = append(in.Resolution.Denied, policy.Tool{Object: o, Operation: policy.Read})
		}
	}
}

func TestWhatMayNotBeLookedUpIsAsked(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(denied("contact", "company")))
	require.Equal(t, "Debrief may not read companies, so it can't tell whether this one exists", one(t, drafts, "company.create").Content.Doubt)
	require.Equal(t, "Debrief may not read contacts, so it can't tell whether this one exists", one(t, drafts, "contact.create").Content.Doubt)
}

func TestSecondaryAddress(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(known, func(in *planner.Input) {
		in.Resolution.Contacts[0].Properties["email"] = "roe@old.example"
		in.Resolution.Contacts[0].Properties["hs_additional_emails"] = "x@y.example;Jane@northwind.example"
	}))
	require.Equal(t, []string{"meeting.create"}, tools(drafts))
}

func TestMeetingThatHubSpotHas(t *testing.T) {
	t.Parallel()
	has := func(at time.Time, properties map[string]string, links ...planner.Link) func(*planner.Input) {
		return func(in *planner.Input) {
			properties = maps.Clone(properties)
			properties["hs_meeting_start_time"] = hubspot.FormatDateTime(at)
			in.Resolution.Meetings = append(in.Resolution.Meetings, planner.Record{ID: "501", Properties: properties, Links: links})
		}
	}
	scheduled := map[string]string{"hs_meeting_title": "Call with Northwind", "hs_meeting_body": "<p>Agenda</p>", "hs_meeting_outcome": "SCHEDULED", "hs_timestamp": "2026-11-20T14:00:00.000Z"}
	links := []planner.Link{{Object: "contact", ID: "101"}, {Object: "company", ID: "201"}}

	drafts := plan(t, input(known, has(friday.Add(10*time.Minute), scheduled, links...)))
	require.Equal(t, []string{"meeting.update"}, tools(drafts))
	require.Equal(t, "501", drafts[0].TargetID)
	require.Equal(t, map[string]string{"hs_meeting_outcome": "COMPLETED", "hs_meeting_end_time": "2026-11-20T14:45:00.000Z", "hubspot_owner_id": "77"}, drafts[0].Content.Properties,
		"what someone wrote stands")
	require.Equal(t, map[string]string{"hs_meeting_outcome": "SCHEDULED", "hs_meeting_end_time": "", "hubspot_owner_id": ""}, drafts[0].Content.Before, "empty is known, too")

	drafts = plan(t, input(known, has(friday.Add(16*time.Minute), scheduled, links...)))
	require.Equal(t, []string{"meeting.create"}, tools(drafts), "another time")

	drafts = plan(t, input(known, deal("301", "Renewal", "new"), has(friday, scheduled, links[:1]...)))
	require.Equal(t, []string{"meeting.update", "meeting.update"}, tools(drafts))
	link := drafts[slices.IndexFunc(drafts, func(d store.Draft) bool { return len(d.Content.Properties) == 0 })]
	require.Equal(t, []string{"company 201", "deal 301"}, ids(link.Content.Associations))

	bob := attendee("Bob", "bob@northwind.example")
	drafts = plan(t, input(known, attendees(attendee("Jane", "jane@northwind.example"), bob), has(friday, scheduled, links...)))
	require.Equal(t, []string{"company 201", "meeting 501"}, ids(one(t, drafts, "contact.create").Content.Associations), "a new contact brings the link along")

	drafts = plan(t, input(known, has(friday, scheduled, links...), has(friday, scheduled, links...))) //nolint:gocritic // two meetings alike
	require.Contains(t, drafts[0].Content.Doubt, "more than one meeting")

	// The next round finds what it completed, even if HubSpot's times moved on.
	in := input(known, has(friday, scheduled, links...))
	in = written(in, plan(t, in))
	require.Empty(t, plan(t, in))
	in.Resolution.Meetings = nil
	require.Empty(t, plan(t, in))
}

func TestNote(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(known, notes("All **good**.\n> a quotation", "- send the offer"), items(meeting.ActionItem{Text: "something else", Completed: true})))
	require.Equal(t, []string{"meeting.create", "note.create"}, tools(drafts))
	require.Equal(t, map[string]string{
		"hs_timestamp": "2026-11-20T14:00:00.000Z", "hubspot_owner_id": "77",
		"hs_note_body": "<p><strong>Summary</strong></p><p>All <strong>good</strong>.</p><p><strong>Next steps</strong></p><ul><li>send the offer</li></ul>",
	}, drafts[1].Content.Properties)
	require.Equal(t, drafts[0].Content.Associations, drafts[1].Content.Associations)
	require.NotContains(t, drafts[0].Content.Properties["hs_meeting_body"], "good", "no text twice")

	drafts = plan(t, input(known, items(meeting.ActionItem{Text: "Send the offer", AssigneeName: "Dana"})))
	require.Equal(t, []string{"meeting.create", "task.create"}, tools(drafts), "nobody wrote anything of the talk")
	drafts = plan(t, input(known, notes("Good.", ""), items(meeting.ActionItem{Text: "Send the offer", AssigneeName: "Dana"})))
	require.Equal(t, "<p><strong>Summary</strong></p><p>Good.</p><p><strong>Next steps</strong></p><ul><li>Send the offer</li></ul>", one(t, drafts, "note.create").Content.Properties["hs_note_body"])
}

func TestOnBehalf(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(known, notes("Good.", ""), func(in *planner.Input) { in.OnBehalf = true; in.Host.Name = "Dana <Host>" }))
	for tool, property := range map[string]string{"meeting.create": "hs_meeting_body", "note.create": "hs_note_body"} {
		require.Contains(t, one(t, drafts, tool).Content.Properties[property], "<p>Logged by Debrief on behalf of Dana &lt;Host&gt;.</p>")
	}
}

// What nobody said changes nothing, whoever proposes it, and the plan says what it
// left out, in no words of it.
func TestProposalsNeedWhatWasSaid(t *testing.T) {
	t.Parallel()
	propose := func(by, tool, quote string) planner.Proposals {
		return planner.Proposals{By: by, Actions: []meeting.ProposedAction{{
			Tool: tool, Properties: map[string]string{"dealname": "Zebra", "amount": "5000"}, Evidence: []meeting.Evidence{{Quote: quote, Speaker: "The Pope"}},
		}}}
	}
	in := input(known, pipelines, func(in *planner.Input) {
		in.Meeting.Transcript.Segments = []meeting.Segment{{Speaker: "Jane Roe", StartSeconds: 61, Text: "We'd take the Zebra for five thousand."}}
	})
	in.Proposed = []planner.Proposals{
		propose("model", "deal.create", "We'd take the Zebra for five thousand"),
		propose("model", "deal.create", "we take the zebra for nine thousand"),
		propose("model", "line_item.create", "We'd take the Zebra for five thousand"),
		{By: "phrases", Actions: []meeting.ProposedAction{{Tool: "ticket.create", Properties: map[string]string{"subject": "Zebra"}}}},
	}
	planned := planner.Plan(in)
	deal := one(t, planned.Drafts, "deal.create")
	require.Equal(t, "nobody spoke of opening a deal", deal.Content.Doubt)
	require.Equal(t, []meeting.Evidence{{Quote: "We'd take the Zebra for five thousand", Speaker: "Jane Roe", OffsetSeconds: 61, Source: "transcript"}}, deal.Content.Evidence,
		"who said it is not for the planner to say")
	require.Empty(t, find(planned.Drafts, "ticket.create"))
	require.Equal(t, []planner.Dropped{
		{By: "model", Tool: "deal.create", Why: planner.DroppedWrongQuote},
		{By: "model", Tool: "line_item.create", Why: planner.DroppedNoTool},
		{By: "phrases", Tool: "ticket.create", Why: planner.DroppedNoQuote},
	}, planned.Dropped)

	// A value that does not follow is a question.
	in.Proposed[0].Actions[0].Properties["amount"] = "50000"
	require.Equal(t, "nobody spoke of opening a deal; amount is another number than the one that was said", one(t, planner.Plan(in).Drafts, "deal.create").Content.Doubt)

	// Where the platform kept the transcript to itself, its own quotations can't be
	// looked up. A planner that was given the words quotes them.
	in.Meeting.Transcript.Segments = nil
	require.Empty(t, find(planner.Plan(in).Drafts, "deal.create"))
	in.Meeting.ProposedActions, in.Proposed = in.Proposed[0].Actions, nil
	require.Equal(t, "the words that it quotes can't be looked up, since the transcript is not here", one(t, planner.Plan(in).Drafts, "deal.create").Content.Doubt)
}

func TestTranscriptStaysOut(t *testing.T) {
	t.Parallel()
	in := input(known, notes("Good.", ""), items(meeting.ActionItem{Text: "call"}))
	in.Meeting.Transcript = meeting.Transcript{Segments: []meeting.Segment{{Text: "a zebra costs nothing"}}, Ref: "zebra"}
	in.Meeting.RecordingURL, in.Meeting.Keys.JoinURL = "https://zebra.example", "https://zebra.example"
	in.Meeting.ProposedActions = []meeting.ProposedAction{{Tool: "deal.create", Properties: map[string]string{"dealname": "d"}, Evidence: []meeting.Evidence{{Quote: "a zebra costs nothing"}}}}
	drafts := plan(t, in)
	require.Contains(t, tools(drafts), "deal.create")
	for _, d := range drafts {
		d.Content.Evidence = nil // for the approver, and not written
		raw, err := json.Marshal(d)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "zebra")
	}
}

func TestDeals(t *testing.T) {
	t.Parallel()
	on := func(drafts []store.Draft, tool string) []string {
		var deals []string
		for _, a := range ids(find(drafts, tool)[0].Content.Associations) {
			if strings.HasPrefix(a, "deal") {
				deals = append(deals, a)
			}
		}
		return deals
	}
	base := []func(*planner.Input){known, pipelines, notes("Good.", ""), items(meeting.ActionItem{Text: "call"})}
	with := func(more ...func(*planner.Input)) planner.Input { return input(append(slices.Clone(base), more...)...) }

	drafts := plan(t, with(deal("301", "Renewal", "new"), deal("302", "Old", "won")))
	for _, tool := range []string{"meeting.create", "note.create", "task.create"} {
		require.Equal(t, []string{"deal 301"}, on(drafts, tool), tool)
	}

	in := with(deal("301", "Renewal", "new"), deal("302", "Expansion", "offer"), titled("Catch-up"))
	drafts = plan(t, in)
	log := one(t, drafts, "meeting.create")
	require.Empty(t, on(drafts, "meeting.create"))
	require.Equal(t, "it could belong to either of 2 open deals: pick one, or it is put on none of them", log.Content.Doubt)
	require.Contains(t, log.Content.Properties, planner.DealProperty)
	require.Equal(t, planner.DealProperty, log.Content.CandidateProperty)
	require.False(t, log.Content.MayCreate)
	require.Equal(t, []store.Candidate{
		{ID: "302", Label: "Expansion", Reasons: []string{"company:Northwind", "open", "stage:Offer sent"}},
		{ID: "301", Label: "Renewal", Reasons: []string{"company:Northwind", "open", "stage:New"}},
	}, log.Content.Candidates, "nothing tells them apart: the younger first")
	require.Contains(t, one(t, drafts, "note.create").DependsOn, log.Key, "the answer concerns the note, too")

	in.Answers = planner.Answers{log.Key: {planner.DealProperty: " 302 ", "hs_meeting_title": "As edited"}}
	drafts = plan(t, in)
	answered := one(t, drafts, "meeting.create")
	require.Equal(t, log.Key, answered.Key)
	require.Empty(t, answered.Content.Doubt)
	require.NotContains(t, answered.Content.Properties, planner.DealProperty)
	require.Equal(t, "As edited", answered.Content.Properties["hs_meeting_title"])
	require.Equal(t, []string{"deal 302"}, on(drafts, "meeting.create"))
	require.Equal(t, []string{"deal 302"}, on(drafts, "note.create"))

	in.Answers[log.Key][planner.DealProperty] = "999"
	require.NotEmpty(t, one(t, plan(t, in), "meeting.create").Content.Doubt, "no such deal")
	in.Answers[log.Key][planner.DealProperty] = store.NoneOfThese
	drafts = plan(t, in)
	require.Empty(t, one(t, drafts, "meeting.create").Content.Doubt, "none of them is an answer, too")
	require.Empty(t, on(drafts, "meeting.create"))

	in = with(deal("301", "Renewal", "new"), deal("302", "Expansion", "offer"), func(in *planner.Input) {
		in.Meeting.CRMHints = []meeting.CRMHint{{CRM: "hubspot", Object: "deal", ID: "302"}}
	})
	require.Equal(t, []string{"deal 302"}, on(plan(t, in), "meeting.create"), "the platform names it")

	in = with(deal("301", "Renewal", "new"), deal("302", "Expansion", "offer"), proposals(meeting.ProposedAction{
		Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}, Properties: map[string]string{"dealstage": "offer"},
	}))
	require.Equal(t, []string{"deal 301"}, on(plan(t, in), "meeting.create"), "a proposal is about it")

	in = with(func(in *planner.Input) {
		in.Resolution.Deals = []planner.Record{{ID: "303", Properties: map[string]string{"dealstage": "new"}}}
	})
	require.Empty(t, on(plan(t, in), "meeting.create"), "somebody else's deal")
}

func TestTasks(t *testing.T) {
	t.Parallel()
	known := func(in *planner.Input) {
		known(in)
		in.Resolution.Owners = []planner.Owner{{ID: "78", Email: "sam@acme.example"}}
		in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("Sam Lee", "sam@acme.example"), attendee("Kim Kay", "kim@acme.example"), attendee("Bob", "bob@gmail.com"))
		in.Resolution.Contacts = append(in.Resolution.Contacts, planner.Record{ID: "102", Properties: map[string]string{"email": "bob@gmail.com"}})
	}
	all := []string{"company 201", "contact 101", "contact 102"}
	tests := map[string]struct {
		item         meeting.ActionItem
		subject      string
		owner        string
		due          string
		body         string
		associations []string
	}{
		"nobody's":          {meeting.ActionItem{Text: "Send the **offer**"}, "Send the offer", "77", "2026-11-23T16:00:00.000Z", "", all},
		"the host's":        {meeting.ActionItem{Text: "Send", AssigneeEmail: "Dana@acme.example", AssigneeName: "Dana"}, "Send", "77", "2026-11-23T16:00:00.000Z", "", all},
		"a colleague's":     {meeting.ActionItem{Text: "Send", AssigneeEmail: "sam@acme.example"}, "Send", "78", "2026-11-23T16:00:00.000Z", "", all},
		"one without owner": {meeting.ActionItem{Text: "Send", AssigneeEmail: "kim@acme.example"}, "Send", "77", "2026-11-23T16:00:00.000Z", "<p>For Kim Kay, who is no owner in HubSpot.</p>", all},
		"a name alone":      {meeting.ActionItem{Text: "Send", AssigneeName: "Alex"}, "Send", "77", "2026-11-23T16:00:00.000Z", "<p>For Alex.</p>", all},
		"someone's outside": {meeting.ActionItem{Text: "Sign", AssigneeEmail: "jane@northwind.example"}, "Waiting on Jane Roe: Sign", "77", "2026-11-23T16:00:00.000Z", "", []string{"company 201", "contact 101"}},
		"with a due date":   {meeting.ActionItem{Text: "Send", DueAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}, "Send", "77", "2026-12-01T16:00:00.000Z", "", all},
		"with a due time":   {meeting.ActionItem{Text: "Send", DueAt: time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC)}, "Send", "77", "2026-12-01T09:30:00.000Z", "", all},
		"a long one":        {meeting.ActionItem{Text: strings.Repeat("long ", 60) + "end"}, strings.TrimSpace(strings.Repeat("long ", 60)[:199]) + "…", "77", "2026-11-23T16:00:00.000Z", "<p>" + strings.Repeat("long ", 60) + "end</p>", all},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := one(t, plan(t, input(known, items(test.item))), "task.create")
			require.Equal(t, map[string]string{
				"hs_task_subject": test.subject, "hubspot_owner_id": test.owner, "hs_timestamp": test.due, "hs_task_status": "NOT_STARTED", "hs_task_type": "TODO",
				"hs_task_body": test.body + "<p>From the meeting “Renewal review” on 20 November 2026.</p>",
			}, d.Content.Properties)
			require.Equal(t, test.associations, ids(d.Content.Associations))
		})
	}
}

func TestTaskKeys(t *testing.T) {
	t.Parallel()
	key := func(item meeting.ActionItem) string {
		return one(t, plan(t, input(known, items(item))), "task.create").Key
	}
	require.Equal(t, key(meeting.ActionItem{Text: "Send  the offer."}), key(meeting.ActionItem{Text: "send the Offer"}))
	require.NotEqual(t, key(meeting.ActionItem{Text: "Send the offer"}), key(meeting.ActionItem{Text: "Send the contract"}))
	require.Equal(t, key(meeting.ActionItem{ID: "7", Text: "Send the offer"}), key(meeting.ActionItem{ID: "7", Text: "Send the contract"}))
	twice := plan(t, input(known, items(meeting.ActionItem{Text: "Send the offer"}, meeting.ActionItem{ID: "7", Text: "send the offer."}, meeting.ActionItem{Text: "x", Completed: true})))
	require.Len(t, find(twice, "task.create"), 1)
	require.Equal(t, key(meeting.ActionItem{ID: "7", Text: "send the offer."}), one(t, twice, "task.create").Key)
}

func TestNobodysAddressIsKnown(t *testing.T) {
	t.Parallel()
	in := input(pipelines, notes("Good.", "- call"), items(meeting.ActionItem{Text: "call"}), attendees(attendee("Dana Host", "dana@acme.example"), attendee("Jane Roe", "")))
	drafts := plan(t, in)
	require.Equal(t, []string{"meeting.create"}, tools(drafts))
	require.Equal(t, "nobody's address is known: who was there? The platform names Jane Roe", drafts[0].Content.Doubt)
	require.Contains(t, drafts[0].Content.Properties, store.AttendeesProperty)
	require.Empty(t, drafts[0].Content.Associations)

	in.Answers = planner.Answers{drafts[0].Key: {store.AttendeesProperty: "Jane Roe <jane@northwind.example>"}}
	answered := plan(t, in)
	require.Equal(t, []string{"company.create", "contact.create", "meeting.create", "note.create", "task.create"}, tools(answered))
	require.Equal(t, drafts[0].Key, answered[2].Key)
	require.Empty(t, answered[2].Content.Doubt)
	require.NotContains(t, answered[2].Content.Properties, store.AttendeesProperty)

	alone := plan(t, input(attendees()))
	require.Equal(t, "nobody's address is known: who was there?", alone[0].Content.Doubt)
}

func TestProposedDeal(t *testing.T) {
	t.Parallel()
	propose := func(properties map[string]string, more ...func(*planner.Input)) store.Draft {
		changes := append([]func(*planner.Input){known, pipelines, proposals(meeting.ProposedAction{Tool: "deal.create", Ref: "d1", Properties: properties})}, more...)
		drafts := plan(t, input(changes...))
		return one(t, drafts, "deal.create")
	}
	d := propose(map[string]string{"dealname": "Expansion", "amount": "2500"})
	require.Equal(t, map[string]string{"dealname": "Expansion", "amount": "2500", "pipeline": "default", "dealstage": "new", "hubspot_owner_id": "77"}, d.Content.Properties)
	require.Equal(t, []string{"company 201", "contact 101", "meeting meeting.create"}, ids(d.Content.Associations))
	require.Empty(t, d.Content.Doubt)
	require.Equal(t, "deal.create:"+hash("create ref:d1"), d.Key)

	d = propose(map[string]string{"dealname": "x", "dealstage": "p1"})
	require.Equal(t, "other", d.Content.Properties["pipeline"], "the stage's pipeline")
	d = propose(map[string]string{"dealname": "x", "dealstage": "offer SENT"})
	require.Equal(t, "offer", d.Content.Properties["dealstage"], "by its label")
	d = propose(map[string]string{"dealname": "x", "dealstage": "nowhere"})
	require.Equal(t, "dealstage is no stage of this account's pipelines, so the proposed “nowhere” was left out", d.Content.Doubt)
	require.Equal(t, "new", d.Content.Properties["dealstage"], "what would fail is not asked")
	d = propose(map[string]string{"amount": "1"})
	require.Equal(t, "a new deal needs dealname", d.Content.Doubt)
	require.Contains(t, d.Content.Properties, "dealname", "for the approver to fill in")
	d = propose(map[string]string{"dealname": "x", "amount": "a lot"})
	require.Equal(t, "amount is not a number, so the proposed “a lot” was left out", d.Content.Doubt)
	require.Contains(t, d.Content.Properties, "amount", "for the approver to fill in")
	require.Empty(t, d.Content.Properties["amount"])
	d = propose(map[string]string{"dealname": "x", "hs_object_id": "1", "createdate": "2026-01-01", "Bad Name": "1", "debrief_deal": "5"})
	require.Equal(t, "a property with an odd name can't be set and was left out; createdate can't be set and was left out; hs_object_id can't be set and was left out", d.Content.Doubt)
	require.NotContains(t, d.Content.Properties, "hs_object_id")
	require.NotContains(t, d.Content.Properties, "debrief_deal")
	d = propose(map[string]string{"dealname": "x", "hubspot_owner_id": "Sam@acme.example"}, func(in *planner.Input) { in.Resolution.Owners = []planner.Owner{{ID: "78", Email: "sam@acme.example"}} })
	require.Equal(t, "78", d.Content.Properties["hubspot_owner_id"], "the source names another owner")
	d = propose(map[string]string{"dealname": "x", "hubspot_owner_id": "sam@acme.example"})
	require.Equal(t, "77", d.Content.Properties["hubspot_owner_id"])
	require.Contains(t, d.Content.Doubt, "owner is not known")
	d = propose(map[string]string{"dealname": "renewal"}, deal("301", "Renewal", "new"))
	require.Equal(t, "HubSpot has an open deal with this name already", d.Content.Doubt)
	d = propose(map[string]string{"dealname": "x"}, func(in *planner.Input) { in.Resolution.DealPipelines = nil })
	require.Equal(t, "a new deal needs pipeline; a new deal needs dealstage", d.Content.Doubt)
}

func TestProposedTicket(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(known, pipelines, proposals(
		meeting.ProposedAction{Tool: "deal.create", Ref: "d1", Properties: map[string]string{"dealname": "Expansion"}, AssociateWith: []meeting.RecordRef{{Ref: "t1"}, {Object: "company", Domain: "northwind.example"}}},
		meeting.ProposedAction{
			Tool: "ticket.create", Ref: "t1", Properties: map[string]string{"subject": "Export fails", "hs_ticket_priority": "HIGH"},
			AssociateWith: []meeting.RecordRef{{Ref: "d1"}, {Email: "Jane@northwind.example"}, {Object: "deal", ID: "999"}},
		},
	)))
	require.Equal(t, []string{"meeting.create", "deal.create", "ticket.create"}, tools(drafts))
	log, deal, ticket := drafts[0], drafts[1], drafts[2]
	require.Equal(t, map[string]string{"subject": "Export fails", "hs_ticket_priority": "HIGH", "hs_pipeline": "0", "hs_pipeline_stage": "1", "hubspot_owner_id": "77"}, ticket.Content.Properties)
	require.Equal(t, []string{"company 201", "contact 101"}, ids(log.Content.Associations))
	require.Equal(t, []string{"company 201", "meeting meeting.create"}, ids(deal.Content.Associations))
	require.Equal(t, []string{"contact 101", "deal deal.create"}, ids(ticket.Content.Associations), "the later one carries the link")
	require.Equal(t, "it can't be linked as proposed: the deal can't be found in HubSpot", ticket.Content.Doubt)
}

func TestProposedPeopleMerge(t *testing.T) {
	t.Parallel()
	quote := []meeting.Evidence{{Quote: "I run operations"}}
	merged := plan(t, input(proposals(
		meeting.ProposedAction{Tool: "contact.create", Ref: "c", Properties: map[string]string{"email": "JANE@northwind.example", "jobtitle": "COO"}, Evidence: quote},
		meeting.ProposedAction{Tool: "company.create", Properties: map[string]string{"domain": "https://x", "name": "x"}},
		meeting.ProposedAction{Tool: "company.create", Properties: map[string]string{"domain": "www.northwind.example", "name": "Northwind Trading"}},
	)))
	require.Equal(t, []string{"company.create", "contact.create", "meeting.create"}, tools(merged), "a company without a domain is none that can be told from others")
	contact := one(t, merged, "contact.create")
	require.Equal(t, "contact.create:"+hash("email:jane@northwind.example"), contact.Key)
	require.Equal(t, map[string]string{"email": "jane@northwind.example", "firstname": "Jane", "lastname": "Roe", "jobtitle": "COO", "hubspot_owner_id": "77"}, contact.Content.Properties)
	require.Equal(t, []meeting.Evidence{{Quote: "I run operations", Source: "transcript"}}, contact.Content.Evidence)
	require.Empty(t, contact.Content.Doubt)
	company := merged[0]
	require.Equal(t, "Northwind Trading (northwind.example)", company.Content.Label)
	require.Equal(t, "northwind.example", company.Content.Properties["domain"])
	require.Empty(t, company.Content.Doubt)

	filled := plan(t, input(known, proposals(meeting.ProposedAction{Tool: "contact.create", Properties: map[string]string{"email": "jane@northwind.example", "jobtitle": "COO", "lastname": "Other"}})))
	require.Equal(t, []string{"contact.update", "meeting.create"}, tools(filled))
	require.Equal(t, map[string]string{"jobtitle": "COO"}, filled[0].Content.Properties, "what HubSpot has stands")
	require.Equal(t, "101", filled[0].TargetID)

	doubts := plan(t, input(known, proposals(
		meeting.ProposedAction{Tool: "contact.create", Properties: map[string]string{"email": "sam@acme.example"}},
		meeting.ProposedAction{Tool: "contact.create", Properties: map[string]string{"lastname": "Unknown"}},
	)))
	require.Len(t, find(doubts, "contact.create"), 2)
	for _, d := range find(doubts, "contact.create") {
		require.NotEmpty(t, d.Content.Doubt)
	}
}

func TestProposedUpdate(t *testing.T) {
	t.Parallel()
	update := func(target meeting.RecordRef, properties map[string]string, more ...func(*planner.Input)) []store.Draft {
		changes := append([]func(*planner.Input){known, pipelines, deal("301", "Renewal", "new"), proposals(meeting.ProposedAction{Tool: "deal.update", Ref: "u", Target: target, Properties: properties})}, more...)
		return find(plan(t, input(changes...)), "deal.update")
	}
	byID := meeting.RecordRef{Object: "deal", ID: "301"}

	got := update(byID, map[string]string{"amount": "1000.00", "dealstage": "Offer sent", "dealname": "Renewal"})
	require.Len(t, got, 1)
	require.Equal(t, "301", got[0].TargetID)
	require.Equal(t, map[string]string{"dealstage": "offer"}, got[0].Content.Properties, "what is equal is dropped")
	require.Equal(t, map[string]string{"dealstage": "new"}, got[0].Content.Before)
	require.Empty(t, got[0].Content.Doubt)

	require.Empty(t, update(byID, map[string]string{"amount": "1000.0"}), "nothing left")
	require.Equal(t, "it would clear amount", update(byID, map[string]string{"amount": ""})[0].Content.Doubt)
	require.Equal(t, "the stage belongs to another pipeline than the deal", update(byID, map[string]string{"dealstage": "p1"})[0].Content.Doubt)

	unsure := update(meeting.RecordRef{}, map[string]string{"amount": "2"})
	require.Equal(t, "301", unsure[0].TargetID)
	require.Contains(t, unsure[0].Content.Doubt, "this is the only open one")
	require.Equal(t, "301", unsure[0].Content.Properties[store.TargetProperty])

	lost := update(meeting.RecordRef{ID: "999"}, map[string]string{"amount": "2"})
	require.Empty(t, lost[0].TargetID)
	require.Equal(t, "the deal can't be found in HubSpot", lost[0].Content.Doubt)
	require.Empty(t, lost[0].Content.Properties[store.TargetProperty])
	found := update(meeting.RecordRef{ID: "999"}, map[string]string{"amount": "2"}, func(in *planner.Input) {
		in.Answers = planner.Answers{lost[0].Key: {store.TargetProperty: "301"}}
	})
	require.Equal(t, lost[0].Key, found[0].Key)
	require.Equal(t, "301", found[0].TargetID)
	require.Empty(t, found[0].Content.Doubt)

	require.Equal(t, "Debrief may not look it up", update(meeting.RecordRef{ID: "999"}, map[string]string{"amount": "2"}, denied("deal"))[0].Content.Doubt)
	require.Contains(t, update(meeting.RecordRef{Ref: "nothing"}, map[string]string{"amount": "2"})[0].Content.Doubt, "a proposal that there is not")

	both := find(plan(t, input(known, pipelines, deal("301", "Renewal", "new"), proposals(
		meeting.ProposedAction{Tool: "deal.update", Ref: "a", Target: byID, Properties: map[string]string{"amount": "5", "dealstage": "offer"}},
		meeting.ProposedAction{Tool: "deal.update", Ref: "b", Target: byID, Properties: map[string]string{"amount": "6", "dealstage": "offer"}},
	))), "deal.update")
	require.Len(t, both, 2)
	for _, d := range both {
		require.Equal(t, "two proposals disagree about amount", d.Content.Doubt)
	}
}

func TestProposedUpdateOfSomeoneNew(t *testing.T) {
	t.Parallel()
	drafts := plan(t, input(proposals(
		meeting.ProposedAction{Tool: "contact.update", Target: meeting.RecordRef{Email: "jane@northwind.example"}, Properties: map[string]string{"jobtitle": "COO"}},
		meeting.ProposedAction{Tool: "company.update", Target: meeting.RecordRef{Domain: "northwind.example"}, Properties: map[string]string{"city": "Bern"}},
	)))
	require.Equal(t, []string{"company.create", "contact.create", "meeting.create"}, tools(drafts))
	require.Equal(t, "Bern", drafts[0].Content.Properties["city"])
	require.Equal(t, "COO", drafts[1].Content.Properties["jobtitle"])
}

func TestUnknownToolsAreNotPlanned(t *testing.T) {
	t.Parallel()
	var list []meeting.ProposedAction
	for _, tool := range []string{"", "deal", "deal.archive", "deal.read", "note.create", "task.update", "p1_car.create", "owner.update", "dealer.create"} {
		list = append(list, meeting.ProposedAction{Tool: tool, Properties: map[string]string{"dealname": "x"}})
	}
	require.Equal(t, []string{"meeting.create"}, tools(plan(t, input(known, pipelines, proposals(list...)))))
}

func rich() planner.Input {
	return input(known, pipelines, deal("301", "Renewal", "new"), notes("Good.", "- call"),
		attendees(attendee("Dana Host", "dana@acme.example"), attendee("Jane Roe", "jane@northwind.example"), attendee("Bob Bay", "bob@harbor.example"), attendee("Eve", "eve@gmail.com"), attendee("E.", "eve@gmail.com")),
		items(meeting.ActionItem{ID: "1", Text: "call"}, meeting.ActionItem{Text: "write"}, meeting.ActionItem{Text: "sign", AssigneeEmail: "bob@harbor.example"}),
		proposals(
			meeting.ProposedAction{Tool: "deal.update", Target: meeting.RecordRef{ID: "301"}, Properties: map[string]string{"amount": "5"}},
			meeting.ProposedAction{Tool: "deal.create", Ref: "d", Properties: map[string]string{"dealname": "Expansion"}},
			meeting.ProposedAction{Tool: "ticket.create", Ref: "t", Properties: map[string]string{"subject": "Export fails"}, AssociateWith: []meeting.RecordRef{{Ref: "d"}}},
			meeting.ProposedAction{Tool: "contact.create", Properties: map[string]string{"email": "bob@harbor.example", "jobtitle": "CTO"}},
			meeting.ProposedAction{Tool: "contact.create", Properties: map[string]string{"email": "bob@harbor.example", "jobtitle": "CFO"}},
		))
}

func TestOrder(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		// All logs have the deal 301 to be on, so the new records take the links along.
		"deal.update", "meeting.create", "note.create", "task.create", "task.create", "task.create",
		"company.create", "contact.create", "contact.create", "deal.create", "ticket.create",
	}, tools(plan(t, rich())))
}

func TestPlanIsDeterministic(t *testing.T) {
	t.Parallel()
	want := plan(t, rich())
	rapid.Check(t, func(t *rapid.T) {
		in := rich()
		in.Meeting.Attendees = rapid.Permutation(in.Meeting.Attendees).Draw(t, "attendees")
		in.Meeting.ActionItems = rapid.Permutation(in.Meeting.ActionItems).Draw(t, "items")
		in.Meeting.ProposedActions = rapid.Permutation(in.Meeting.ProposedActions).Draw(t, "proposals")
		raw, err := json.Marshal(in.Resolution)
		require.NoError(t, err)
		in.Resolution = planner.Resolution{}
		require.NoError(t, json.Unmarshal(raw, &in.Resolution))
		before, err := json.Marshal(in.Subject)
		require.NoError(t, err)
		require.Equal(t, want, plan(t, in))
		after, err := json.Marshal(in.Subject)
		require.NoError(t, err)
		require.JSONEq(t, string(before), string(after), "the input is left alone")
	})
}

func TestASecondRoundPlansOnlyTheDifference(t *testing.T) {
	t.Parallel()
	first := rich()
	drafts := plan(t, first)
	rapid.Check(t, func(t *rapid.T) {
		// Any part of it happened: what is left is planned as before, with the
		// records that are there by now.
		happened := slices.DeleteFunc(slices.Clone(drafts), func(store.Draft) bool { return rapid.Bool().Draw(t, "not yet") })
		left := plan(t, written(first, happened))
		for _, d := range left {
			require.False(t, slices.ContainsFunc(happened, func(h store.Draft) bool { return h.Key == d.Key }))
		}
		for _, d := range drafts {
			if !slices.ContainsFunc(happened, func(h store.Draft) bool { return h.Key == d.Key }) {
				require.True(t, slices.ContainsFunc(left, func(l store.Draft) bool { return l.Key == d.Key }), d.Key)
			}
		}
	})
	require.Empty(t, plan(t, written(first, drafts)), "all happened: nothing to do")
}

func TestWhatIsPendingStaysTheSameQuestion(t *testing.T) {
	t.Parallel()
	first := rich()
	drafts := plan(t, first)
	byKey := map[string]store.Draft{}
	for _, d := range drafts {
		byKey[d.Key] = d
	}
	rapid.Check(t, func(t *rapid.T) {
		// What happened had what it depends on.
		var happened []store.Draft
		done := map[string]bool{}
		for _, d := range drafts {
			waits := slices.ContainsFunc(d.DependsOn, func(key string) bool { return !done[key] })
			if !waits && rapid.IntRange(0, 4).Draw(t, "happens") > 0 {
				happened, done[d.Key] = append(happened, d), true
			}
		}
		later := written(first, happened)
		company := "company.create:" + hash("domain:harbor.example")
		if done[company] && rapid.Bool().Draw(t, "found by now") {
			later.Resolution.Companies = append(slices.Clone(later.Resolution.Companies), planner.Record{
				ID: later.Written[company].RecordID, Properties: map[string]string{"domain": "harbor.example"},
			})
		}
		left := plan(t, later)
		require.Len(t, left, len(drafts)-len(happened))
		for _, d := range left {
			require.Equal(t, byKey[d.Key], d, "nothing about it has changed")
		}
	})
}

func TestALogDoesNotWaitForNewRecords(t *testing.T) {
	t.Parallel()
	first := input(known, notes("Good.", "- call"), items(meeting.ActionItem{ID: "1", Text: "call"}),
		attendees(attendee("Jane Roe", "jane@northwind.example"), attendee("Bob Bay", "bob@northwind.example")))
	drafts := plan(t, first)
	require.Equal(t, []string{"meeting.create", "note.create", "task.create", "contact.create"}, tools(drafts))
	logs, contact := drafts[:3], drafts[3]
	for _, d := range logs {
		require.Empty(t, d.DependsOn, d.Key)
		require.Equal(t, []string{"company 201", "contact 101"}, ids(d.Content.Associations), d.Key)
	}
	task := "task.create:" + hash("item:1")
	require.Equal(t, []store.AssociationRef{
		{Object: "company", RecordID: "201"}, {Object: "meeting", Key: "meeting.create:log"}, {Object: "note", Key: "note.create:summary"}, {Object: "task", Key: task},
	}, contact.Content.Associations)
	require.Equal(t, []string{"meeting.create:log", "note.create:summary", task}, contact.DependsOn)

	// The logs are written, and nobody has answered about the contact yet.
	in := written(first, logs)
	require.Equal(t, []store.Draft{contact}, plan(t, in))
	for name, test := range map[string]struct {
		change func(*planner.Input)
		tools  []string
	}{
		"other words":    {notes("Better.", "- call"), []string{"contact.create", "note.update"}},
		"longer":         {func(in *planner.Input) { in.Meeting.ActualEnd = friday.Add(time.Hour) }, []string{"contact.create", "meeting.update"}},
		"item done":      {items(meeting.ActionItem{ID: "1", Text: "call", Completed: true}), []string{"contact.create", "task.update"}},
		"item corrected": {items(meeting.ActionItem{ID: "1", Text: "call Bob"}), []string{"contact.create", "task.update"}},
	} {
		later := in
		test.change(&later)
		left := plan(t, later)
		require.Equal(t, test.tools, tools(left), name)
		require.Equal(t, contact, left[0], name)
	}
	require.Empty(t, plan(t, written(in, []store.Draft{contact})), "the contact brought the links along")
}

func TestALogWaits(t *testing.T) {
	t.Parallel()
	both := attendees(attendee("Jane Roe", "jane@northwind.example"), attendee("Bob Bay", "bob@northwind.example"))
	base := []func(*planner.Input){notes("Good.", "- call"), items(meeting.ActionItem{Text: "call"}), both}
	with := func(more ...func(*planner.Input)) planner.Input { return input(append(slices.Clone(base), more...)...) }
	bob := "contact.create:" + hash("email:bob@northwind.example")
	contact := func(drafts []store.Draft) store.Draft {
		return drafts[slices.IndexFunc(drafts, func(d store.Draft) bool { return d.Key == bob })]
	}

	// Nothing is there to log it on. It goes on waiting when some of the new
	// records are: else what is asked about the others would change.
	in := with()
	drafts := plan(t, in)
	require.Equal(t, []string{"company.create", "contact.create", "contact.create", "meeting.create", "note.create", "task.create"}, tools(drafts))
	company := drafts[0]
	in = written(in, drafts[:1])
	require.Equal(t, drafts[1:], plan(t, in))
	in.Resolution.Companies = []planner.Record{{ID: in.Written[company.Key].RecordID, Properties: map[string]string{"domain": "northwind.example"}}}
	require.Equal(t, drafts[1:], plan(t, in), "found by now")

	// Its own tool asks: that must not hold up the contact.
	in = with(known, func(in *planner.Input) {
		in.Permission = func(tool policy.Tool) policy.Permission {
			if tool.Object == "task" {
				return policy.Ask
			}
			return policy.Allow
		}
	})
	drafts = plan(t, in)
	require.Equal(t, []string{"meeting.create", "note.create", "contact.create", "task.create"}, tools(drafts))
	require.Equal(t, []string{"company 201", "meeting meeting.create", "note note.create"}, ids(drafts[2].Content.Associations))
	require.Equal(t, []string{bob}, drafts[3].DependsOn)

	// It asks about its deal: it waits then, and when it is answered. The task
	// does not ask.
	in = with(known, pipelines, deal("301", "Renewal", "new"), deal("302", "Expansion", "offer"), titled("Catch-up"))
	drafts = plan(t, in)
	require.Equal(t, []string{"task.create", "contact.create", "meeting.create", "note.create"}, tools(drafts))
	require.Equal(t, []string{"company 201", "task task.create"}, ids(contact(drafts).Content.Associations))
	in.Answers = planner.Answers{"meeting.create:log": {planner.DealProperty: "302"}}
	answered := plan(t, in)
	require.Equal(t, contact(drafts), contact(answered), "its question stays the same")
	require.Equal(t, []string{bob}, one(t, answered, "meeting.create").DependsOn)
	require.Equal(t, []string{bob}, one(t, answered, "note.create").DependsOn)
}

func TestLaterNotesCorrectWhatWasWritten(t *testing.T) {
	t.Parallel()
	in := input(known, notes("One.", ""), items(meeting.ActionItem{ID: "1", Text: "call"}))
	in = written(in, plan(t, in))
	texts := []string{"Two.", "One.", "Three."} // it changes, changes back, and changes
	for n, text := range texts {
		notes(text, "")(&in)
		drafts := plan(t, in)
		require.Equal(t, []string{"note.update"}, tools(drafts))
		d := drafts[0]
		require.Equal(t, "note.update:summary:"+string(rune('1'+n)), d.Key)
		require.Equal(t, in.Written["note.create:summary"].RecordID, d.TargetID)
		require.Equal(t, map[string]string{"hs_note_body": "<p><strong>Summary</strong></p><p>" + text + "</p><p><strong>Next steps</strong></p><ul><li>call</li></ul>"}, d.Content.Properties)
		require.NotEqual(t, d.Content.Properties, d.Content.Before)
		require.Contains(t, d.Content.Before["hs_note_body"], "Summary")
		require.Equal(t, d.Key, plan(t, in)[0].Key, "while it is pending its key stays")
		in = written(in, drafts)
		require.Empty(t, plan(t, in))
	}
	in.Meeting.ActualEnd = in.Meeting.ActualEnd.Add(time.Hour)
	require.Equal(t, []string{"meeting.update"}, tools(plan(t, in)))
}

func TestWhatAnApproverEditedIsNotUndone(t *testing.T) {
	t.Parallel()
	in := input(known, notes("One.", ""))
	in = written(in, plan(t, in))
	w := in.Written["note.create:summary"]
	w.Edit = map[string]string{"hs_note_body": "<p>better</p>"}
	in.Written["note.create:summary"] = w
	require.Empty(t, plan(t, in))
	notes("Two.", "")(&in)
	d := one(t, plan(t, in), "note.update")
	require.Contains(t, d.Content.Doubt, "hs_note_body was edited when it was approved")
	require.Equal(t, "<p>better</p>", d.Content.Before["hs_note_body"])
}

func TestALaterAttendeeAddsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	in := input(notes("One.", ""))
	drafts := plan(t, in)
	in = written(in, drafts)
	in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("Bob Bay", "bob@northwind.example"))
	later := plan(t, in)
	require.Equal(t, []string{"contact.create", "meeting.update"}, tools(later))
	require.Equal(t, []string{"company company.create", "meeting meeting.create", "note note.create"}, ids(later[0].Content.Associations))
	require.Equal(t, map[string]string{"hs_meeting_body": "<p>Attendees: Bob Bay, Dana Host, Jane Roe</p>"}, later[1].Content.Properties)
	require.Empty(t, plan(t, written(in, later)))

	// Someone whom HubSpot knows is linked by an action of its own.
	in.Resolution.Contacts = []planner.Record{{ID: "103", Properties: map[string]string{"email": "bob@northwind.example"}, Links: []planner.Link{{Object: "company", ID: in.Written[drafts[0].Key].RecordID}}}}
	later = plan(t, in)
	require.ElementsMatch(t, []string{"meeting.update", "meeting.update", "note.update"}, tools(later))
	for _, d := range later {
		if len(d.Content.Properties) == 0 {
			require.Equal(t, []string{"contact 103"}, ids(d.Content.Associations))
		}
	}
	require.Empty(t, plan(t, written(in, later)))
}

func TestACompletedItemCompletesItsTask(t *testing.T) {
	t.Parallel()
	in := input(known, items(meeting.ActionItem{ID: "1", Text: "call"}))
	in.Meeting.NextSteps = meeting.Text{Text: "- call"}
	in = written(in, plan(t, in))
	in.Meeting.ActionItems[0].Completed = true
	drafts := plan(t, in)
	require.Equal(t, []string{"task.update"}, tools(drafts))
	require.Equal(t, map[string]string{"hs_task_status": "COMPLETED"}, drafts[0].Content.Properties)
	require.Empty(t, plan(t, written(in, drafts)))
}

func TestAMeetingOnOneRecordNeedsIt(t *testing.T) {
	t.Parallel()
	d := one(t, plan(t, input(attendees(attendee("Bo", "bo@gmail.com")))), "meeting.create")
	require.Len(t, d.Content.Associations, 1)
	require.True(t, d.Content.Associations[0].Required)
}

func TestMeetingWithoutTimes(t *testing.T) {
	t.Parallel()
	d := one(t, plan(t, input(known, func(in *planner.Input) {
		in.Meeting.ActualStart, in.Meeting.ActualEnd = time.Time{}, time.Time{}
		in.HeardAt = friday
	})), "meeting.create")
	require.Equal(t, "2026-11-20T14:00:00.000Z", d.Content.Properties["hs_timestamp"])
	require.NotContains(t, d.Content.Properties, "hs_meeting_start_time")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	require.Empty(t, planner.Check("task", false, map[string]string{"hs_task_subject": "x", "hs_timestamp": "2026-11-20T14:00:00Z", planner.DealProperty: "1"}, planner.Resolution{}))
	require.Equal(t, []string{"hs_createdate can't be set", "hs_timestamp is not a date", "hubspot_owner_id is no owner in HubSpot"},
		planner.Check("task", false, map[string]string{"hs_createdate": "x", "hs_timestamp": "tomorrow", "hubspot_owner_id": "dana@acme.example"}, planner.Resolution{}))
	require.Equal(t, []string{"a new contact needs email"}, planner.Check("contact", true, map[string]string{"firstname": "Jane"}, planner.Resolution{}))
	long := strings.Repeat("x", 65_537)
	require.Equal(t, []string{"hs_note_body is longer than HubSpot takes"}, planner.Check("note", false, map[string]string{"hs_note_body": long}, planner.Resolution{}))
}

// A note of a briefing is asked about before anything was planned.
func TestEditsAreCheckedWithoutAResolution(t *testing.T) {
	t.Parallel()
	note := policy.Tool{Object: "note", Operation: policy.Create}
	for at, problems := range map[string]int{"2026-11-20T14:00:00Z": 0, "tomorrow": 1} {
		found, err := planner.CheckEdit(note, map[string]string{"hs_timestamp": at, "hs_note_body": "<p>Briefing</p>"}, nil)
		require.NoError(t, err)
		require.Len(t, found, problems)
	}
	_, err := planner.CheckEdit(note, nil, json.RawMessage(`"nonsense"`))
	require.Error(t, err)
}

// Which event told a name first makes no difference in the end.
func TestAContactThatWasAddedWithoutANameGetsIt(t *testing.T) {
	t.Parallel()
	in := rich()
	in.Written = map[string]planner.Written{}
	var key string
	for _, d := range planner.Plan(in).Drafts {
		if d.Tool.String() != "contact.create" {
			continue
		}
		key = d.Key
		content := d.Content
		content.Properties = map[string]string{"email": d.Content.Properties["email"], "jobtitle": "as somebody wrote it"}
		in.Written[key] = planner.Written{RecordID: "900", Content: content}
		break
	}
	require.NotEmpty(t, key)
	var updated store.Draft
	for _, d := range planner.Plan(in).Drafts {
		require.NotEqual(t, key, d.Key)
		if d.Tool.String() == "contact.update" && d.TargetID == "900" {
			updated = d
		}
	}
	require.NotEmpty(t, updated.Content.Properties["lastname"])
	require.NotContains(t, updated.Content.Properties, "email")
	require.NotContains(t, updated.Content.Properties, "jobtitle", "what stands there stands")
}

// A meeting stays on the deals that it was logged on, whatever has become of them: the
// next open deal of the company is not what was spoken of.
func TestAMeetingStaysOnItsDeal(t *testing.T) {
	t.Parallel()
	first := planner.Plan(input(known, pipelines, deal("301", "Renewal", "offer"), notes("We agreed.", "")))
	later := written(input(known, pipelines, deal("301", "Renewal", "won"), deal("302", "Expansion", "new"), notes("We agreed.", "")), first.Drafts)
	require.Empty(t, planner.Plan(later).Drafts)

	// One that was logged on none joins the only open one, as before.
	none := planner.Plan(input(known, pipelines, notes("We agreed.", "")))
	joined := planner.Plan(written(input(known, pipelines, deal("302", "Expansion", "new"), notes("We agreed.", "")), none.Drafts)).Drafts
	require.NotEmpty(t, joined)
	for _, d := range joined {
		require.Equal(t, []string{"deal 302"}, ids(d.Content.Associations))
	}
}
