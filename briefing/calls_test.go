package briefing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/hubspot"
)

// row is a line of a table of docs/hubspot-calls.md: how often a step calls an endpoint
// at least, and how often Debrief does.
type row struct {
	step, endpoint string
	floor, ours    int
	budget         string
}

// The budgets of HubSpot's that a call counts against.
const (
	burst  = "10 s"
	link   = "links"
	search = "search"
)

// counted are the account's calls by endpoint, without the version.
func (b *bundle) counted() map[string]int {
	counted := map[string]int{}
	for _, c := range b.sim.Calls() {
		counted[strings.ReplaceAll(c.Endpoint, "/"+hubspot.APIVersion, "")] += c.Count
	}
	return counted
}

// TestABriefTakesTheFewestCalls counts what a brief costs. The numbers are reasoned in
// docs/hubspot-calls.md, which has the same rows: a call more, or one fewer, has to be
// reasoned there.
func TestABriefTakesTheFewestCalls(t *testing.T) {
	t.Parallel()
	contacts := []row{
		{"who they are", "POST /crm/objects/contacts/batch/read", 1, 1, burst},
		{"their deals", "POST /crm/associations/contacts/deals/batch/read", 1, 1, link},
		{"their tickets", "POST /crm/associations/contacts/tickets/batch/read", 1, 1, link},
		{"their meetings", "POST /crm/associations/contacts/meetings/batch/read", 1, 1, link},
		{"their notes", "POST /crm/associations/contacts/notes/batch/read", 1, 1, link},
	}
	themselves := []row{
		{"the deals themselves", "POST /crm/objects/deals/batch/read", 1, 1, burst},
		{"the tickets themselves", "POST /crm/objects/tickets/batch/read", 1, 1, burst},
		{"the meetings themselves", "POST /crm/objects/meetings/batch/read", 1, 1, burst},
		{"the notes themselves", "POST /crm/objects/notes/batch/read", 1, 1, burst},
	}
	reference := slices.Concat(contacts, []row{{"the two companies", "GET /crm/objects/companies/{id}", 2, 2, burst}}, themselves,
		[]row{{"the tasks that were promised", "POST /crm/objects/tasks/batch/read", 1, 1, burst}})
	kept := []row{
		{"owners", "GET /crm/owners", 1, 1, burst},
		{"pipelines and stages of deals", "GET /crm/pipelines/deals", 1, 1, burst},
		{"pipelines and stages of tickets", "GET /crm/pipelines/tickets", 1, 1, burst},
		{"properties of companies", "GET /crm/properties/companies", 1, 1, burst},
	}
	strangers := []row{
		{"the company of the first", "POST /crm/associations/contacts/companies/batch/read", 1, 1, link},
		{"the companies of the domains", "POST /crm/objects/companies/search", 1, 1, search},
	}
	small := []row{
		{"who it is", "POST /crm/objects/contacts/batch/read", 0, 1, burst},
		{"the contact with all its links", "GET /crm/objects/contacts/{id}", 1, 1, burst},
		{"the company with its links", "GET /crm/objects/companies/{id}", 1, 1, burst},
		{"the deal", "POST /crm/objects/deals/batch/read", 1, 1, burst},
		{"the note", "POST /crm/objects/notes/batch/read", 1, 1, burst},
	}
	digest := slices.Concat(contacts, []row{
		{"the companies", "POST /crm/objects/companies/batch/read", 1, 1, burst},
		{"the companies' deals", "POST /crm/associations/companies/deals/batch/read", 1, 1, link},
		{"the companies' tickets", "POST /crm/associations/companies/tickets/batch/read", 1, 1, link},
	}, themselves)

	one := func(in briefing.Input) []briefing.Input { return []briefing.Input{in} }
	tests := map[string]struct {
		section string // of the document
		cold    bool
		meet    func(*bundle) []briefing.Input
		rows    []row
	}{
		"six from two companies": {section: "A briefing", meet: func(b *bundle) []briefing.Input { return one(b.reviewed().in) }, rows: reference},
		"nothing kept yet": {
			section: "Nothing kept yet, before a meeting", cold: true,
			meet: func(b *bundle) []briefing.Input { return one(b.reviewed().in) }, rows: slices.Concat(reference, kept),
		},
		"whose company nothing tells": {
			section: "Somebody whose company nothing tells",
			meet: func(b *bundle) []briefing.Input {
				s := b.reviewed()
				require.NoError(b.t, b.sim.Edit(b.hub, "contacts", s.john, map[string]string{"associatedcompanyid": ""}))
				s.in.External[5].Email, s.in.External[5].Domain = "nils@shipyard.example", "shipyard.example"
				return one(s.in)
			}, rows: slices.Concat(reference, strangers),
		},
		"one customer": {
			section: "A brief of a small meeting",
			meet: func(b *bundle) []briefing.Input {
				s := b.reviewed()
				company := b.add(day(time.May, 1), "companies", map[string]string{"name": "Lighthouse", "domain": "lighthouse.example"})
				contact := b.add(day(time.May, 1), "contacts", map[string]string{"email": "ann@lighthouse.example"}, "companies "+company)
				b.add(day(time.May, 1), "deals", map[string]string{"dealname": "Lamps", "pipeline": "default", "dealstage": "contractsent"}, "companies "+company)
				b.add(day(time.May, 1), "notes", map[string]string{"hs_note_body": "Likes lamps", "hs_timestamp": "2026-05-01T12:00:00.000Z"}, "contacts "+contact)
				s.in.External = []briefing.Guest{{Email: "ann@lighthouse.example", Domain: "lighthouse.example"}}
				s.in.Past = nil
				return one(s.in)
			}, rows: small,
		},
		"a digest of fifty": {section: "A digest of fifty meetings", meet: (*bundle).fifty, rows: digest},
	}
	pages := document(t, "hubspot-calls.md")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ins := test.meet(b)
			if !test.cold {
				b.warm()
			}
			b.sim.ResetCalls()
			_, err := briefing.Read(b.ctx, b.reader(), ins...)
			require.NoError(t, err)

			floor, ours, calls := 0, 0, map[string]int{}
			expected := map[hubspot.Bucket]int{hubspot.BurstBucket: 0, hubspot.AssociationBucket: 0}
			text := section(t, pages, test.section)
			for _, r := range test.rows {
				floor, ours = floor+r.floor, ours+r.ours
				calls[r.endpoint] += r.ours
				switch {
				case slices.Contains(kept, r):
				case r.budget == burst:
					expected[hubspot.BurstBucket] += r.ours
				case r.budget == link:
					expected[hubspot.AssociationBucket] += r.ours
				}
				line := fmt.Sprintf("| %s | `%s` | %d | %d | %s |", r.step, r.endpoint, r.floor, r.ours, r.budget)
				if slices.Contains(reference, r) && test.section != "A digest of fifty meetings" {
					// The other sections say only what comes on top.
					require.Contains(t, section(t, pages, "A briefing"), line)
				} else {
					require.Contains(t, text, line)
				}
			}
			require.Equal(t, calls, b.counted())
			if name != "whose company nothing tells" {
				require.Equal(t, expected, briefing.Expected(ins...), "a turn is asked for as many")
			}
			require.Contains(t, text, fmt.Sprintf("| **all calls** | | **%d** | **%d** |", floor, ours))
		})
	}
}

// warm has everything read that is kept for a while.
func (b *bundle) warm() {
	b.t.Helper()
	reader := b.reader()
	_, err := reader.Owners(b.ctx, hubspot.OwnersQuery{Limit: 500})
	require.NoError(b.t, err)
	for _, object := range []string{hubspot.Deals, hubspot.Tickets} {
		_, err = reader.Pipelines(b.ctx, object)
		require.NoError(b.t, err)
	}
	_, _, err = reader.Definitions(b.ctx, hubspot.Companies, []string{"industry", "lifecyclestage"})
	require.NoError(b.t, err)
}

// fifty are the meetings of a busy day.
func (b *bundle) fifty() []briefing.Input {
	b.t.Helper()
	var ins []briefing.Input
	const then = "2026-05-01T12:00:00.000Z"
	for i := range 50 {
		domain := fmt.Sprintf("customer%d.example", i)
		company := b.add(day(time.May, 1), "companies", map[string]string{"name": fmt.Sprintf("Customer %d", i), "domain": domain})
		b.add(day(time.May, 1), "deals", map[string]string{"dealname": fmt.Sprintf("Deal %d", i), "pipeline": "default", "dealstage": "contractsent"}, "companies "+company)
		if i%2 == 0 {
			b.add(day(time.May, 1), "tickets", map[string]string{"subject": fmt.Sprintf("Ticket %d", i), "hs_pipeline": "0", "hs_pipeline_stage": "1"}, "companies "+company)
		}
		in := briefing.Input{Meeting: briefing.Meeting{ID: id(byte(i)), Start: at.Add(time.Hour)}, Account: briefing.Account{HubID: b.hub}, At: at}
		for j := range 2 {
			email := fmt.Sprintf("person%d@%s", j, domain)
			contact := b.add(day(time.May, 1), "contacts", map[string]string{"email": email, "firstname": fmt.Sprintf("Person %d-%d", i, j)}, "companies "+company)
			b.add(day(time.May, 1), "notes", map[string]string{"hs_note_body": fmt.Sprintf("Note %d-%d", i, j), "hs_timestamp": then}, "contacts "+contact)
			if j == 0 {
				b.add(day(time.May, 1), "meetings", map[string]string{"hs_meeting_title": fmt.Sprintf("Meeting %d", i), "hs_timestamp": then, "hs_meeting_start_time": then}, "contacts "+contact)
			}
			in.External = append(in.External, briefing.Guest{Email: email, Domain: domain})
		}
		ins = append(ins, in)
	}
	return ins
}

// A brief of a shared reading is what it would be alone: nothing of another meeting's.
func TestADigestSharesItsReadsAndNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ins := b.fifty()
	ins = append(ins, b.reviewed().in)
	reading, err := briefing.Read(b.ctx, b.reader(), ins...)
	require.NoError(t, err)
	for _, i := range []int{0, 7, 49, 50} {
		require.Equal(t, b.compose(ins[i]), reading.Brief(ins[i]), "meeting %d", i)
	}
	text := reading.Brief(ins[7]).Page(view(t, "en")).Text()
	for _, want := range []string{"Person 7-0", "Person 7-1", "Customer 7", "Deal 7", "Note 7-0", "Note 7-1", "Meeting 7", "No open tickets."} {
		require.Contains(t, text, want)
	}
}

// section is a part of a Markdown document under a heading of its own, with its tables'
// padding gone.
func section(t *testing.T, document, heading string) string {
	t.Helper()
	for _, level := range []string{"## ", "### "} {
		_, text, found := strings.Cut(document, "\n"+level+heading+"\n")
		if !found {
			continue
		}
		for _, next := range []string{"\n## ", "\n### "} {
			text, _, _ = strings.Cut(text, next)
		}
		return strings.Join(strings.Fields(text), " ")
	}
	t.Fatalf("the document has no section %q", heading)
	return ""
}
