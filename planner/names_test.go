package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// northwind is an account: of Northwind, Jane (101) and Chris (102) were there, Marísa
// (103) and Michael (104) are their colleagues, and Priya Nair (105) is elsewhere.
func northwind() (planner.Subject, *fakeCRM) {
	in := input(attendees(
		attendee("Dana Host", "dana@acme.example"), attendee("Sam Lee", "sam@acme.example"),
		attendee("Jane Roe", "jane@northwind.example"), attendee("Christopher Poole", "chris@northwind.example"),
	)).Subject
	in.Host.OwnerID = ""
	in.Meeting.Title = "Catch-up"
	return in, &fakeCRM{
		records: map[string][]hubspot.Record{
			"contacts": {
				record("101", "email", "jane@northwind.example", "firstname", "Jane", "lastname", "Roe"),
				record("102", "email", "chris@northwind.example", "firstname", "Christopher", "lastname", "Poole"),
				record("103", "email", "marisa@northwind.example", "firstname", "Marísa", "lastname", "Quint"),
				record("104", "email", "michael@northwind.example", "firstname", "Michael", "lastname", "Stone"),
				record("105", "email", "priya@elsewhere.example", "firstname", "Priya", "lastname", "Nair"),
				record("106", "email", "jane.fox@northwind.example", "firstname", "Jane", "lastname", "Fox"),
			},
			"companies": {record("201", "name", "Northwind Ltd", "domain", "northwind.example"), record("202", "name", "Gila Freight", "domain", "gila.example")},
			"deals": {
				record("301", "dealname", "Night desk", "dealstage", "new", "pipeline", "default"),
				record("302", "dealname", "Renewal 2027", "dealstage", "new", "pipeline", "default"),
				record("303", "dealname", "Gila fleet", "dealstage", "new", "pipeline", "default"),
			},
		},
		links: map[string][]string{
			"contacts 101 companies": {"201"}, "contacts 102 companies": {"201"}, "companies 201 contacts": {"101", "102", "103", "104", "106"},
			"companies 201 deals": {"301", "302"},
		},
		owners: []hubspot.Owner{
			{ID: "77", Email: "dana@acme.example", FirstName: "Dana", LastName: "Host"},
			{ID: "78", Email: "sam@acme.example", FirstName: "Sam", LastName: "Lee"},
			{ID: "79", Email: "tomas@acme.example", FirstName: "Tomás", LastName: "Vega"},
			{ID: "80", Email: "sam.hill@acme.example", FirstName: "Sam", LastName: "Hill"},
			{ID: "81", Email: "ana.v@acme.example", FirstName: "Ana", LastName: "Vidal"},
			{ID: "82", Email: "ana.s@acme.example", FirstName: "Ana", LastName: "Soto"},
		},
	}
}

// say has somebody propose something in words that were said.
func say(in *planner.Subject, by, speaker, quote string, a meeting.ProposedAction) {
	a.Evidence = []meeting.Evidence{{Quote: quote}}
	in.Meeting.Transcript.Segments = append(in.Meeting.Transcript.Segments, meeting.Segment{Speaker: speaker, StartSeconds: float64(10 * len(in.Meeting.Transcript.Segments)), Text: quote})
	if by == planner.ByPlatform {
		in.Meeting.ProposedActions = append(in.Meeting.ProposedActions, a)
		return
	}
	in.Proposed = append(in.Proposed, planner.Proposals{By: by, Actions: []meeting.ProposedAction{a}})
}

func candidateIDs(list []store.Candidate) []string {
	var ids []string
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestNames(t *testing.T) {
	t.Parallel()
	colleagues := []string{"read contacts of 1 companies", "read 3 contacts by id"}
	title := map[string]string{"jobtitle": "Head of Grid"}
	step := map[string]string{"hs_next_step": "Legal review"}
	tests := map[string]struct {
		object string
		target meeting.RecordRef
		quote  string
		before string
		by     string // the model, if it is empty
		props  map[string]string
		// want is the record; several are offered; dropped says why nothing is left.
		want    string
		several []string
		dropped string
		// calls that the name takes, on top.
		calls []string
	}{
		"the first name of who was there":          {object: "contact", target: meeting.RecordRef{Name: "Jane"}, quote: "Jane is head of grid now", want: "101"},
		"the last name":                            {object: "contact", target: meeting.RecordRef{Name: "Ms Roe"}, quote: "Ms Roe is head of grid now", want: "101"},
		"a short form":                             {object: "contact", target: meeting.RecordRef{Name: "Chris"}, quote: "Chris is head of grid now", want: "102"},
		"a possessive":                             {object: "contact", target: meeting.RecordRef{Name: "Jane’s"}, quote: "Jane’s title is head of grid now", want: "101"},
		"a colleague, without the accent":          {object: "contact", target: meeting.RecordRef{Name: "Marisa"}, quote: "Marisa is head of grid now", want: "103", calls: colleagues},
		"a colleague's whole name":                 {object: "contact", target: meeting.RecordRef{Name: "Jane Fox"}, quote: "Jane Fox is head of grid now", want: "106", calls: colleagues},
		"a colleague's short form":                 {object: "contact", target: meeting.RecordRef{Name: "Mike"}, quote: "Mike is head of grid now", several: []string{"104"}, calls: colleagues},
		"misspelled":                               {object: "contact", target: meeting.RecordRef{Name: "Jaine"}, quote: "Jaine is head of grid now", several: []string{"101", "102"}, calls: colleagues},
		"found in the whole account":               {object: "contact", target: meeting.RecordRef{Name: "Priya Nair"}, quote: "Priya Nair is head of grid now", several: []string{"105"}, calls: append(slices.Clone(colleagues), "search contacts by firstname in 0")},
		"a first name is not searched":             {object: "contact", target: meeting.RecordRef{Name: "Priya"}, quote: "Priya is head of grid now", several: []string{"101", "102"}, calls: colleagues},
		"one of our own":                           {object: "contact", target: meeting.RecordRef{Name: "Sam"}, quote: "Sam is head of grid now", dropped: planner.DroppedColleague},
		"of the platform":                          {object: "contact", by: planner.ByPlatform, target: meeting.RecordRef{Name: "Jane"}, quote: "Jane is head of grid now", want: "101"},
		"by ID, and the words name another":        {object: "contact", target: meeting.RecordRef{ID: "102"}, quote: "Jane Roe is head of grid now", dropped: planner.DroppedOtherNamed},
		"by ID, and the words name it":             {object: "contact", target: meeting.RecordRef{ID: "102"}, quote: "Christopher is head of grid now", want: "102"},
		"by ID, of whom they speak":                {object: "contact", target: meeting.RecordRef{ID: "102"}, before: "Let me introduce Christopher.", quote: "He runs the whole grid now", want: "102"},
		"by ID, and nobody is named":               {object: "contact", target: meeting.RecordRef{ID: "102"}, quote: "He runs the whole grid now", several: []string{"101", "102"}},
		"by ID, who speaks":                        {object: "contact", target: meeting.RecordRef{ID: "101"}, quote: "I took the grid over from Chris", want: "101"},
		"by ID, found by the name that was said":   {object: "contact", target: meeting.RecordRef{ID: "103"}, quote: "A Marísa Quint agora é head of grid", want: "103", calls: colleagues},
		"by ID, of nobody's":                       {object: "contact", target: meeting.RecordRef{ID: "105"}, quote: "she runs the whole grid now", dropped: planner.DroppedNoRecord},
		"the deal by its name":                     {object: "deal", target: meeting.RecordRef{Name: "the night desk deal"}, quote: "it goes to legal next", want: "301"},
		"the renewal, in another language":         {object: "deal", target: meeting.RecordRef{Name: "die Verlängerung"}, quote: "geht zuerst in die Rechtsabteilung", want: "302"},
		"the deal, and they speak of one":          {object: "deal", target: meeting.RecordRef{Name: "the deal"}, before: "So, the night desk.", quote: "it goes to legal next", want: "301"},
		"the deal, of several":                     {object: "deal", target: meeting.RecordRef{Name: "the deal"}, quote: "it goes to legal next", several: []string{"301", "302"}},
		"nothing is said, of several":              {object: "deal", quote: "it goes to legal next", several: []string{"301", "302"}},
		"the company's deal, of several":           {object: "deal", target: meeting.RecordRef{Name: "the Northwind deal"}, quote: "it goes to legal next", several: []string{"301", "302"}},
		"the other one":                            {object: "deal", target: meeting.RecordRef{ID: "302"}, before: "The night desk is fine.", quote: "the other one goes to legal next", several: []string{"301", "302"}},
		"by ID, and the words name another deal":   {object: "deal", target: meeting.RecordRef{ID: "302"}, quote: "the night desk goes to legal", dropped: planner.DroppedOtherNamed},
		"by ID, and they speak of another deal":    {object: "deal", target: meeting.RecordRef{ID: "302"}, before: "So, the night desk.", quote: "it goes to legal next", several: []string{"301", "302"}},
		"a deal of somebody who was not there":     {object: "deal", target: meeting.RecordRef{Name: "the Gila deal"}, quote: "Gila goes to legal next", several: []string{"303"}, calls: []string{"search deals by dealname in 0"}},
		"a deal that there is not":                 {object: "deal", target: meeting.RecordRef{Name: "the Zebra deal"}, quote: "Zebra goes to legal next", several: []string{"301", "302"}, calls: []string{"search deals by dealname in 0"}},
		"the company":                              {object: "company", props: map[string]string{"city": "Leeds"}, target: meeting.RecordRef{Name: "the company"}, quote: "we moved to Leeds", want: "201"},
		"the company by its name":                  {object: "company", props: map[string]string{"city": "Leeds"}, target: meeting.RecordRef{Name: "Northwind"}, quote: "Northwind moved to Leeds", want: "201"},
		"a company of nobody who was there":        {object: "company", props: map[string]string{"city": "Leeds"}, target: meeting.RecordRef{Name: "Gila Freight"}, quote: "Gila Freight moved to Leeds", several: []string{"202"}, calls: []string{"search companies by name in 0"}},
		"to whom: one of ours":                     {object: "deal", props: map[string]string{"hubspot_owner_id": "Tomas"}, target: meeting.RecordRef{Name: "night desk"}, quote: "I hand the night desk to Tomás", want: "301 79"},
		"to whom: who was there before who wasn't": {object: "deal", props: map[string]string{"hubspot_owner_id": "Sam"}, target: meeting.RecordRef{Name: "night desk"}, quote: "Sam takes the night desk", want: "301 78"},
		"to whom: two of a name":                   {object: "deal", props: map[string]string{"hubspot_owner_id": "Ana", "hs_next_step": "Legal"}, target: meeting.RecordRef{Name: "night desk"}, quote: "Ana takes the night desk to Legal", want: "301 "},
		"to whom: by ID, another is named":         {object: "deal", props: map[string]string{"hubspot_owner_id": "80"}, target: meeting.RecordRef{Name: "night desk"}, quote: "I hand the night desk to Tomás Vega", dropped: planner.DroppedOtherNamed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			propose := func(a meeting.ProposedAction) (planner.Subject, *fakeCRM) {
				in, crm := northwind()
				if test.before != "" {
					in.Meeting.Transcript.Segments = []meeting.Segment{{Speaker: "Jane Roe", Text: test.before}}
				}
				by := test.by
				if by == "" {
					by = "model"
				}
				say(&in, by, "Jane Roe", test.quote, a)
				return in, crm
			}
			props := test.props
			if props == nil {
				props = map[string]map[string]string{"contact": title, "deal": step}[test.object]
			}
			update := meeting.ProposedAction{Tool: test.object + ".update", Target: test.target, Properties: props}
			in, crm := propose(update)
			got, err := planner.Resolve(t.Context(), crm, in)
			require.NoError(t, err)
			extra := slices.DeleteFunc(slices.Clone(crm.calls), func(call string) bool {
				return !slices.Contains(colleagues, call) && !strings.HasPrefix(call, "search")
			})
			require.Equal(t, test.calls, append([]string(nil), extra...))

			planned := planner.Plan(planner.Input{Subject: in, Resolution: got, Hash: hash})
			drafts := find(planned.Drafts, update.Tool)
			if test.dropped != "" {
				require.Empty(t, drafts)
				require.Len(t, planned.Dropped, 1)
				require.Equal(t, test.dropped, planned.Dropped[0].Why)
				return
			}
			require.Len(t, drafts, 1, "%v", planned.Dropped)
			id, owner, gives := strings.Cut(test.want, " ")
			require.Equal(t, id, drafts[0].TargetID, drafts[0].Content.Doubt)
			require.Equal(t, test.several, candidateIDs(drafts[0].Content.Candidates))
			switch {
			case gives:
				require.Equal(t, owner, drafts[0].Content.Properties["hubspot_owner_id"])
				require.Equal(t, owner == "", drafts[0].Content.Doubt != "")
			case test.several != nil:
				require.NotEmpty(t, drafts[0].Content.Doubt)
				// An answer settles it.
				in.Answers = planner.Answers{drafts[0].Key: {store.TargetProperty: test.several[0]}}
				got, err := planner.Resolve(t.Context(), crm, in)
				require.NoError(t, err)
				answered := find(planner.Plan(planner.Input{Subject: in, Resolution: got, Hash: hash}).Drafts, update.Tool)
				require.Len(t, answered, 1)
				require.Equal(t, test.several[0], answered[0].TargetID)
			default:
				require.Empty(t, drafts[0].Content.Doubt)
			}
		})
	}
}

// However many names, a plan searches twice at most.
func TestNamesAreSearchedLittle(t *testing.T) {
	t.Parallel()
	in, crm := northwind()
	for _, object := range []string{"contact", "company", "deal", "ticket"} {
		for _, name := range []string{"Zed Zebra", "Yan Yak", "Xi Xerus", "Will Wombat", "Vic Vole", "Una Unau", "Tim Tapir"} {
			say(&in, "model", "Jane Roe", "we told "+name+" about it", meeting.ProposedAction{
				Tool: object + ".update", Target: meeting.RecordRef{Name: name}, Properties: map[string]string{"description": "told"},
			})
		}
	}
	_, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	searches := slices.DeleteFunc(slices.Clone(crm.calls), func(call string) bool { return !strings.HasPrefix(call, "search") })
	require.Equal(t, []string{"search contacts by firstname in 0", "search deals by dealname in 0"}, searches)

	// What may not be read is not searched.
	in, crm = northwind()
	crm.deny = map[string]bool{"contact": true}
	say(&in, "model", "Jane Roe", "we told Zed Zebra about it", meeting.ProposedAction{
		Tool: "contact.update", Target: meeting.RecordRef{Name: "Zed Zebra"}, Properties: map[string]string{"jobtitle": "told"},
	})
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	require.Contains(t, got.Denied, policy.Tool{Object: "contact", Operation: policy.Read})
	require.False(t, slices.ContainsFunc(crm.calls, func(call string) bool { return strings.HasPrefix(call, "search contacts") }))
}

// What is linked by name is linked with what the name means.
func TestLinkedByName(t *testing.T) {
	t.Parallel()
	in, crm := northwind()
	say(&in, planner.ByPlatform, "Jane Roe", "please create a ticket: the export fails for Marisa on the night desk", meeting.ProposedAction{
		Tool: "ticket.create", Properties: map[string]string{"subject": "The export fails"},
		AssociateWith: []meeting.RecordRef{{Object: "contact", Name: "Marisa"}, {Object: "deal", Name: "the night desk"}},
	})
	got, err := planner.Resolve(t.Context(), crm, in)
	require.NoError(t, err)
	ticket := one(t, planner.Plan(planner.Input{Subject: in, Resolution: got, Hash: hash}).Drafts, "ticket.create")
	require.Equal(t, []string{"contact 103", "deal 301"}, ids(ticket.Content.Associations))
}
