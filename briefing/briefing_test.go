package briefing_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var points = []string{
	"Say when the export will work again, before the contract comes up.",
	"Ask Jane who their contact for IT will be.",
}

// The page was written by hand, before there was anything that could write it.
func TestABriefAsText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.reviewed()
	brief := b.compose(s.in)
	require.Equal(t, brief, stored(t, brief))
	require.Equal(t, brief, b.compose(s.in), "the same again")
	brief.Points = points

	want := func(n int) string { return example(t, n) }
	require.Equal(t, want(1), s.page.Replace(brief.Page(view(t, "en")).Text()))
	german := s.page.Replace(brief.Page(view(t, "de")).Text())
	require.True(t, strings.HasPrefix(german, want(2)+"\n"), german)
	require.Contains(t, german, want(3))

	s.in.Meeting.Start, s.in.Meeting.End, s.in.At = s.in.Meeting.Start.Add(25*time.Hour), s.in.Meeting.End.Add(25*time.Hour), at.Add(time.Hour)
	s.in.External = append(s.in.External, briefing.Guest{Name: "Eve Marsh", Email: "eve@shipyard.example"})
	require.NoError(t, b.sim.Edit(b.hub, "deals", s.renewal, map[string]string{"amount": "45000"}))
	after := b.compose(s.in)
	require.Equal(t, want(4), s.page.Replace(briefing.ChangesPage(briefing.Changes(brief, after), after, view(t, "en")).Text()))

	entry := briefing.Entry{Brief: brief, Path: "/briefings/" + id(9).String()}
	require.Equal(t, want(5), briefing.DigestPage("Your meetings today", []briefing.Entry{entry}, view(t, "en")).Text())
}

// example is one of the texts in docs/briefings.md, counted from 1.
func example(t *testing.T, n int) string {
	t.Helper()
	text, _, found := strings.Cut(strings.Split(document(t, "briefings.md"), "```text\n")[n], "```")
	require.True(t, found)
	return text
}

// What may not be read is absent, and the brief says so; the rest is as it was.
func TestDeniedReadsAreAbsentAndSaySo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.reviewed()
	all := b.compose(s.in).Page(view(t, "en")).Text()
	tests := map[string]struct {
		says   string
		absent []string // of what the whole brief has
		keeps  []string
	}{
		"contact.read": {
			says: "Contacts may not be read (the tool contact.read is not allowed).",
			// Without contacts nobody's name, and no records of theirs; their companies are
			// found by their domains.
			absent: []string{"Jane Roe, Head", "/0-1/", "They want the export", "First call", "Not in HubSpot yet"},
			keeps:  []string{"Northwind renewal 2027", "The export fails", "Kick-off", "Ann Field (ann@northwind.example), Northwind"},
		},
		"company.read": {
			says:   "Companies may not be read (the tool company.read is not allowed).",
			absent: []string{"Their companies", "Computer software", "/0-2/", "The export fails"},
			keeps:  []string{"Jane Roe, Head", "Northwind renewal 2027", "Harbor pilot"},
		},
		"deal.read": {
			says: "Deals may not be read (the tool deal.read is not allowed).", absent: []string{"OPEN DEALS", "Harbor pilot", "/0-3/", "Next step"},
			keeps: []string{"The export fails", "Jane Roe, Head", "Computer software"},
		},
		"ticket.read": {
			says: "Tickets may not be read (the tool ticket.read is not allowed).", absent: []string{"OPEN TICKETS", "The export fails"}, keeps: []string{"Harbor pilot"},
		},
		"meeting.read": {
			says: "Meetings may not be read (the tool meeting.read is not allowed).", absent: []string{"First call", "Last contact: 3 November"}, keeps: []string{"Kick-off", "They want the export"},
		},
		"note.read": {
			says: "Notes may not be read (the tool note.read is not allowed).", absent: []string{"They want the export"}, keeps: []string{"Kick-off", "First call"},
		},
		"task.read": {
			says: "Tasks may not be read (the tool task.read is not allowed).", absent: []string{"2026): done"}, keeps: []string{"Send the contract (Dana Host, until 13 November 2026): not known"},
		},
		"owner.read": {
			says: "Owners may not be read (the tool owner.read is not allowed).", absent: []string{"owner: ", "note by"}, keeps: []string{"Jane Roe, Head", "held by Sam Colleague"},
		},
	}
	shared, err := briefing.Read(b.ctx, b.reader(), s.in)
	require.NoError(t, err)
	for name, test := range tests { // one after the other: they share the account's permissions
		b.allowAllBut(name)
		b.sim.ResetCalls()
		denied := b.compose(s.in)
		text := denied.Page(view(t, "en")).Text()
		object, _, _ := strings.Cut(name, ".")
		for endpoint := range b.counted() {
			require.NotContains(t, endpoint, "/"+map[string]string{"company": "companies"}[object]+object+"s/", "%s: nothing is asked for", name)
		}
		// Out of a reading that others share, nothing of it is taken either.
		tool, err := policy.ParseTool(name)
		require.NoError(t, err)
		in := s.in
		in.Denied = []policy.Tool{tool}
		for which, text := range map[string]string{"alone": text, "shared": shared.Brief(in).Page(view(t, "en")).Text()} {
			require.Contains(t, text, test.says, "%s, %s", name, which)
			for _, absent := range test.absent {
				require.NotContains(t, strings.ToLower(text), strings.ToLower(absent), "%s, %s", name, which)
			}
			for _, kept := range test.keeps {
				require.Contains(t, text, kept, "%s, %s", name, which)
			}
		}
		for _, absent := range test.absent {
			if absent != "Not in HubSpot yet" && absent != "2026): done" && absent != "owner: " {
				require.Contains(t, strings.ToLower(all), strings.ToLower(absent), "%s: the test looks for nothing", name)
			}
		}
	}
}

// What is known to be denied is not even tried, unless another meeting may.
func TestWhatIsKnownToBeDeniedIsNotTried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.reviewed()
	mine, others := s.in, s.in
	mine.Denied = briefing.ReadTools()
	b.sim.ResetCalls()
	brief := b.compose(mine)
	require.Empty(t, b.counted())
	require.Empty(t, brief.Records)
	require.Equal(t, briefing.ReadTools(), brief.Denied)
	shared, err := briefing.Read(b.ctx, b.reader(), mine, others)
	require.NoError(t, err)
	require.Equal(t, brief, shared.Brief(mine))
	require.Equal(t, b.compose(others), shared.Brief(others))
	refused, err := b.store.AuditTrail(b.ctx, b.org.ID, store.AuditFilter{Limit: 200})
	require.NoError(t, err)
	for _, e := range refused {
		require.NotEqual(t, store.Refused, e.Outcome)
	}
}

// A scope that the account did not grant is no permission of Debrief's, and as little a
// reason to tell nothing.
func TestWhatHubSpotDoesNotLetBeReadIsAbsent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.reviewed()
	b.scopes = []string{"oauth", "crm.objects.companies.read", "crm.objects.contacts.read", "crm.objects.deals.read", "crm.objects.owners.read"}
	text := b.compose(s.in).Page(view(t, "en")).Text()
	require.Contains(t, text, "Tickets can't be read: HubSpot does not let Debrief.")
	require.NotContains(t, text, "The export fails")
	require.Contains(t, text, "Harbor pilot")
}

// Any other failure ends it: a brief is not silently half of one.
func TestAFailureIsNoBrief(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.reviewed()
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/*/deals/batch/read", Status: http.StatusBadGateway, Times: 1})
	_, err := briefing.Compose(b.ctx, b.reader(), s.in)
	require.ErrorContains(t, err, "reading deals: ")
	require.ErrorIs(t, err, hubspot.ErrUnavailable)
	_, err = briefing.Compose(b.ctx, b.reader(), s.in)
	require.NoError(t, err)
}

// nobody answers nothing.
type nobody struct{ briefing.CRM }

func TestWithoutHubSpot(t *testing.T) {
	t.Parallel()
	s := setup(t).reviewed()
	s.in.CRMMissing, s.in.Denied = "nobody answered in time", briefing.ReadTools()
	brief, err := briefing.Compose(t.Context(), nobody{}, s.in)
	require.NoError(t, err)
	require.Empty(t, brief.Records)
	require.Equal(t, `Renewal review
Dienstag, 24. November 2026, 10:00–10:45 Uhr MEZ
Teilnehmen: https://meet.example/renewal
Gastgeber: Dana Host · außerdem dabei: Sam Colleague

WAS FEHLT

* Aus HubSpot ließ sich nichts lesen.
* niemand hat rechtzeitig geantwortet

WER KOMMT

* jane@northwind.example
  Letzter Kontakt: 10. November 2026 · bekannt mit: Sam Colleague
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000001
* J. Miles (john@northwind.example)
  Letzter Kontakt: 10. November 2026 · bekannt mit: Sam Colleague
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000001
* Ann Field (ann@northwind.example)
  Kommt vielleicht
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000001
* paul@harbor.example
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000001
* mia@harbor.example
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000001
* Nils Berg (nils@harbor.example)
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000001

LETZTE MEETINGS UND NOTIZEN

* 10. November 2026: Kick-off, geführt von Sam Colleague, mit jane@northwind.example, J. Miles
  Zugesagt: Send the contract (Dana Host, bis 13. November 2026): nicht bekannt
  Zugesagt: Name a contact for IT (Jane Roe, bis 20. November 2026): überfällig
  https://debrief.acme.example/meetings/00000000-0000-4000-8000-000000000002

FRAGEN, DIE AUF EINE ANTWORT WARTEN

* Deal ändern: Northwind renewal 2027
  Gefragt am 10. November 2026 · Sie können antworten
  https://debrief.acme.example/inbox/00000000-0000-4000-8000-000000000002

Stand: 24. November 2026, 09:00 Uhr MEZ.
`, brief.Page(view(t, "de")).Text())
}

// A crowd is bounded, and what is left out is counted.
func TestBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	company := b.add(day(time.May, 1), "companies", map[string]string{"name": "Crowd", "domain": "crowd.example"})
	in := briefing.Input{Meeting: briefing.Meeting{ID: id(1), Start: at.Add(time.Hour)}, Account: briefing.Account{HubID: b.hub}, At: at}
	for i := range 30 {
		email := fmt.Sprintf("guest%02d@crowd.example", i)
		contact := b.add(day(time.May, 1), "contacts", map[string]string{"email": email, "firstname": fmt.Sprintf("Guest%02d", i)}, "companies "+company)
		in.External = append(in.External, briefing.Guest{Email: email, Domain: "crowd.example"})
		b.add(day(time.May, 1), "deals", map[string]string{"dealname": fmt.Sprintf("Deal %02d", i), "pipeline": "default", "dealstage": "contractsent", "closedate": fmt.Sprintf("2026-12-%02d", i+1)}, "companies "+company)
		b.add(day(time.May, 1), "tickets", map[string]string{"subject": fmt.Sprintf("Ticket %02d", i), "hs_pipeline": "0", "hs_pipeline_stage": "1"}, "companies "+company)
		for n := range 6 {
			when := day(time.May, 1).AddDate(0, 0, i+n)
			b.add(when, "notes", map[string]string{"hs_note_body": fmt.Sprintf("Note %02d-%d", i, n), "hs_timestamp": hubspot.FormatDateTime(when)}, "contacts "+contact)
		}
	}
	brief := b.compose(in)
	require.Len(t, brief.People, briefing.MostPeople)
	require.Len(t, brief.Others, 18)
	require.Len(t, brief.History, briefing.MostPast*briefing.MostPeople)
	page := brief.Page(view(t, "en"))
	shown := map[string]int{}
	for _, s := range page.Sections {
		for _, l := range s.Lines {
			if !l.Detail {
				shown[s.Heading]++
			}
		}
	}
	require.Equal(t, map[string]int{"Who is coming": 13, "Their companies": 1, "Open deals": 6, "Open tickets": 6, "Last meetings and notes": 9}, shown)
	text := page.Text()
	require.Contains(t, text, "* Guest11, Crowd\n")
	require.NotContains(t, text, "Guest12")
	require.Contains(t, text, "and 18 more")
	require.Contains(t, text, "and 25 more")
	require.Contains(t, text, "* Deal 04 (Crowd)\n")
	require.NotContains(t, text, "Deal 05")
	require.Contains(t, text, "Note 11-5")
	require.NotContains(t, text, "Note 11-2", "three of a person")
}
