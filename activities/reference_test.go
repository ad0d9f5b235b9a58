package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(m)
}

// bundle is one organization with a HubSpot account, and the activities between
// them.
type bundle struct {
	t          *testing.T
	ctx        context.Context
	store      *store.Store
	sim        *hubspottest.Server
	hub        int64
	org        store.Organization
	source     store.Source
	token      token
	activities *activities.Activities
}

// token is an access token that never ends.
type token string

func (k token) Token(context.Context, uuid.UUID) (store.Secret, int64, error) {
	return store.Secret(k), 1, nil
}

func (k token) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

func setup(t *testing.T) *bundle {
	t.Helper()
	ctx := context.Background()
	s, url := storetest.New(t)
	b := &bundle{t: t, ctx: ctx, store: s, org: storetest.Organization(t, s)}

	b.sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(b.sim.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	scopes := []string{
		"oauth", "crm.objects.companies.read", "crm.objects.companies.write", "crm.objects.contacts.read", "crm.objects.contacts.write",
		"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
	}
	app := b.sim.AddApp(hubspottest.App{RequiredScopes: scopes})
	b.hub = b.sim.AddPortal(hubspottest.Portal{}).HubID
	dana := b.sim.AddUser(b.hub, hubspottest.User{Email: "dana@acme.example", FirstName: "Dana", LastName: "Host", SuperAdmin: true})
	b.sim.AddUser(b.hub, hubspottest.User{Email: "sam@acme.example", FirstName: "Sam", LastName: "Colleague"})
	access, _ := b.sim.Token(app.ClientID, b.hub, dana.ID)
	b.token = token(access)

	pool, err := pgxpool.New(ctx, url)
	require.NoError(t, err)
	defer pool.Close()
	appID := uuid.New()
	_, err = pool.Exec(ctx, `insert into apps (id, organization_id, name, level, client_id, sealed_client_secret) values ($1, $2, 'app', 'account', 'client', '\x00')`, appID, b.org.ID)
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state)
		values ($1, $2, $3, 'main', $4, false, $5, 'connected')`, uuid.New(), b.org.ID, appID, b.hub, scopes)
	require.NoError(t, err)
	b.source, err = s.CreateSource(ctx, store.NewSource{
		OrganizationID: &b.org.ID, Platform: "debrief", Name: "platform", Secrets: []store.Secret{"whsec_not-used-by-this-test"},
	}, store.Operator)
	require.NoError(t, err)
	everything := policy.Permissions{}
	for _, info := range policy.Tools() {
		everything[info.Tool] = policy.Allow
	}
	require.NoError(t, s.ApplyPreset(ctx, b.org.ID, everything, store.Operator))

	b.activities = &activities.Activities{
		Store: s, Log: zerolog.Nop(),
		Gate:        b.newGate(),
		Connections: connections.New(s, connections.Options{}),
	}
	return b
}

// newGate is another process's: its caches are empty.
func (b *bundle) newGate() *crm.Gate {
	return crm.New(crm.Options{Store: b.store, Tokens: b.token, Client: hubspot.New(hubspot.Options{BaseURL: b.sim.URL})})
}

func (b *bundle) add(objectType string, properties map[string]string, associations map[string][]string) string {
	b.t.Helper()
	r, err := b.sim.Add(b.hub, objectType, hubspottest.Seed{Properties: properties, Associations: associations})
	require.NoError(b.t, err)
	return r.ID
}

func (b *bundle) company(domain string) string {
	b.t.Helper()
	return b.add("companies", map[string]string{"domain": domain, "name": "Company of " + domain}, nil)
}

func (b *bundle) contact(email, company string) string {
	b.t.Helper()
	var links map[string][]string
	if company != "" {
		links = map[string][]string{"companies": {company}}
	}
	return b.add("contacts", map[string]string{"email": email, "firstname": "Known", "lastname": "Person"}, links)
}

func (b *bundle) deal(company string) string {
	b.t.Helper()
	return b.add("deals", map[string]string{"dealname": "Lighthouse renewal", "pipeline": "default", "dealstage": "qualifiedtobuy"},
		map[string][]string{"companies": {company}})
}

// start is when the meetings of these tests begin.
var start = time.Date(2026, time.October, 6, 10, 0, 0, 0, time.UTC)

// quoted has what is proposed said in the meeting, where it quotes nothing yet.
func quoted(e *meeting.Event) {
	for i, a := range e.ProposedActions {
		if len(a.Evidence) > 0 {
			continue
		}
		said := "they told us"
		switch {
		case strings.HasPrefix(a.Tool, "ticket."):
			said = "they want a ticket for"
		case strings.HasPrefix(a.Tool, "deal."):
			said = "of the Lighthouse renewal they told us"
		}
		for _, name := range slices.Sorted(maps.Keys(a.Properties)) {
			said += " " + a.Properties[name]
		}
		e.ProposedActions[i].Evidence = []meeting.Evidence{{Quote: said}}
		e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{Speaker: "Guest No1", Text: said})
	}
}

// takesPlace has a meeting of Dana's and Sam's with these guests told with its
// notes.
func (b *bundle) takesPlace(change func(*meeting.Event), guests ...string) activities.Meeting {
	b.t.Helper()
	attended := true
	e := meeting.Event{Type: meeting.NotesReady, DedupeKey: uuid.NewString(), OccurredAt: start.Add(time.Hour), Provider: meeting.Own, ProviderAccountID: b.source.ID.String()}
	e.Keys.InstanceID = uuid.NewString()
	e.Title = "Renewal review"
	e.ActualStart, e.ActualEnd = start, start.Add(45*time.Minute)
	e.Organizer = meeting.Person{Name: "Dana Host", Email: "dana@acme.example"}
	e.Attendees = []meeting.Attendee{{Person: meeting.Person{Name: "Sam Colleague", Email: "sam@acme.example"}, Attended: &attended}}
	for i, email := range guests {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: fmt.Sprintf("Guest No%d", i+1), Email: email}, Attended: &attended})
	}
	e.Summary = meeting.Text{Format: "text", Text: "The renewal was agreed on."}
	e.ActionItems = []meeting.ActionItem{
		{ID: "1", Text: "Send the contract", AssigneeEmail: "dana@acme.example"},
		{ID: "2", Text: "Prepare the workshop", AssigneeEmail: "sam@acme.example"},
	}
	if change != nil {
		change(&e)
	}
	quoted(&e)
	e = e.Normalize()
	require.NoError(b.t, e.Validate())
	body, err := json.Marshal(e)
	require.NoError(b.t, err)
	delivery, _, err := b.store.InsertDelivery(b.ctx, store.NewDelivery{
		Source: b.source, DedupeKey: e.DedupeKey, Body: body, ReceivedAt: start.Add(time.Hour), Header: http.Header{},
	})
	require.NoError(b.t, err)
	before, err := b.store.Meetings(b.ctx, b.org.ID, store.MeetingFilter{})
	require.NoError(b.t, err)
	_, err = b.store.Understood(b.ctx, delivery, b.org.ID, []meeting.Event{e})
	require.NoError(b.t, err)
	after, err := b.store.Meetings(b.ctx, b.org.ID, store.MeetingFilter{})
	require.NoError(b.t, err)
	for _, m := range after {
		if !slices.ContainsFunc(before, func(known store.Meeting) bool { return known.ID == m.ID }) {
			return activities.Meeting{OrganizationID: b.org.ID, MeetingID: m.ID}
		}
	}
	b.t.Fatal("the event made no meeting")
	return activities.Meeting{}
}

// followUp plans a meeting, approves whatever is asked, and writes it all.
func (b *bundle) followUp(m activities.Meeting) {
	b.t.Helper()
	_, err := b.activities.Look(b.ctx, m) // opens the follow-up
	require.NoError(b.t, err)
	b.step(func() error { return b.activities.Plan(b.ctx, m) })
	for {
		look, err := b.activities.Look(b.ctx, m)
		require.NoError(b.t, err)
		require.NotEqual(b.t, store.NextPlan, look.Next, "one round is enough for a meeting that is told at once")
		for _, question := range look.Pending {
			_, err := b.store.Decide(b.ctx, store.Decision{
				OrganizationID: b.org.ID, ApprovalID: question.ApprovalID, Verdict: store.Approve, Actor: store.Operator, Via: "test",
			})
			require.NoError(b.t, err)
		}
		for _, action := range look.Ready {
			b.step(func() error { return b.activities.Write(b.ctx, activities.WriteInput{Meeting: m, ActionID: action.ID}) })
		}
		if len(look.Pending)+len(look.Ready) == 0 {
			break
		}
	}
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, m.MeetingID)
	require.NoError(b.t, err)
	for _, a := range actions {
		require.Equal(b.t, store.ActionWritten, a.State, "%s: %s", a.Key, a.Reason)
	}
}

// step does what Temporal does: it comes back when a step says so, which it may
// before its first call, to stay within the account's limits.
func (b *bundle) step(step func() error) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		err := step()
		later, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok || later.Type() != activities.TypeLater || time.Now().After(deadline) {
			require.NoError(b.t, err)
			return
		}
		<-time.After(later.NextRetryDelay())
	}
}

// warm has everything read that is kept for a while, by a meeting of others.
func (b *bundle) warm() {
	b.t.Helper()
	company := b.company("lighthouse.example")
	b.contact("ann@lighthouse.example", company)
	b.followUp(b.takesPlace(proposing(b.deal(company)), "ann@lighthouse.example", "bob@elsewhere.example"))
}

// row is a line of a table of docs/hubspot-calls.md: how often a step calls an
// endpoint at least, and how often Debrief does.
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

// counted are the calls of the account by endpoint, without the version.
func (b *bundle) counted() map[string]int {
	counted := map[string]int{}
	for _, c := range b.sim.Calls() {
		require.Equal(b.t, b.hub, c.HubID)
		counted[unversioned(c.Endpoint)] += c.Count
	}
	return counted
}

func unversioned(endpoint string) string {
	return strings.ReplaceAll(endpoint, "/"+hubspot.APIVersion, "")
}

// TestReferenceMeetingTakesTheFewestCalls counts what one meeting costs. The
// numbers of each table are reasoned in docs/hubspot-calls.md, which has the
// same rows: a call more, or one fewer, has to be reasoned there.
func TestReferenceMeetingTakesTheFewestCalls(t *testing.T) {
	t.Parallel()
	resolve := []row{
		{"who they are", "POST /crm/objects/contacts/batch/read", 1, 1, burst},
		{"their companies", "POST /crm/associations/contacts/companies/batch/read", 1, 1, link},
		{"their tickets", "POST /crm/associations/contacts/tickets/batch/read", 1, 1, link},
		{"their meetings", "POST /crm/associations/contacts/meetings/batch/read", 1, 1, link},
		{"their tasks", "POST /crm/associations/contacts/tasks/batch/read", 1, 1, link},
		{"the companies of the domains", "POST /crm/objects/companies/search", 1, 1, search},
		{"the known company's tickets", "POST /crm/associations/companies/tickets/batch/read", 1, 1, link},
		{"the deal that is named", "POST /crm/objects/deals/batch/read", 1, 1, burst},
	}
	write := []row{
		{"is the new company there by now", "POST /crm/objects/companies/search", 0, 1, search},
		{"the new company", "POST /crm/objects/companies", 1, 1, burst},
		{"the new contact", "POST /crm/objects/contacts", 1, 1, burst},
		{"the deal as it is now", "GET /crm/objects/deals/{id}", 1, 1, burst},
		{"the deal's move", "PATCH /crm/objects/deals/{id}", 1, 1, burst},
		{"the ticket", "POST /crm/objects/tickets", 1, 1, burst},
		{"the meeting", "POST /crm/objects/meetings", 1, 1, burst},
		{"the note", "POST /crm/objects/notes", 0, 1, burst},
		{"the two tasks", "POST /crm/objects/tasks", 1, 2, burst},
	}
	reference := slices.Concat(resolve, write)
	kept := []row{
		{"owners", "GET /crm/owners", 1, 1, burst},
		{"pipelines and stages of deals", "GET /crm/pipelines/deals", 1, 1, burst},
		{"pipelines and stages of tickets", "GET /crm/pipelines/tickets", 1, 1, burst},
		{"properties of companies", "GET /crm/properties/companies", 0, 1, burst},
		{"properties of contacts", "GET /crm/properties/contacts", 0, 1, burst},
		{"properties of deals", "GET /crm/properties/deals", 0, 1, burst},
		{"properties of tickets", "GET /crm/properties/tickets", 0, 1, burst},
		{"properties of meetings", "GET /crm/properties/meetings", 0, 1, burst},
		{"properties of notes", "GET /crm/properties/notes", 0, 1, burst},
		{"properties of tasks", "GET /crm/properties/tasks", 0, 1, burst},
	}
	homeless := []row{
		{"have those two a company by now", "POST /crm/associations/contacts/companies/batch/read", 0, 1, link},
	}
	past := []row{
		{"their tickets themselves", "POST /crm/objects/tickets/batch/read", 1, 1, burst},
		{"their meetings themselves", "POST /crm/objects/meetings/batch/read", 1, 1, burst},
	}
	small := []row{
		{"who it is", "POST /crm/objects/contacts/batch/read", 0, 1, burst},
		{"the contact with all its links", "GET /crm/objects/contacts/{id}", 1, 1, burst},
		{"the company with its deals", "GET /crm/objects/companies/{id}", 1, 1, burst},
		{"the deals", "POST /crm/objects/deals/batch/read", 1, 1, burst},
		{"the meeting", "POST /crm/objects/meetings", 1, 1, burst},
		{"the note", "POST /crm/objects/notes", 0, 1, burst},
		{"the task", "POST /crm/objects/tasks", 1, 1, burst},
	}
	made := []string{"company.create", "contact.create", "deal.update", "meeting.create", "note.create", "task.create", "task.create", "ticket.create"}

	// oneNew: five are known at the known company, the sixth and that one's
	// company are new.
	oneNew := func(b *bundle) activities.Meeting {
		company := b.company("northwind.example")
		guests := []string{"new@harbor.example"}
		for i := range 5 {
			guests = append(guests, fmt.Sprintf("known%d@northwind.example", i))
			b.contact(guests[i+1], company)
		}
		return b.takesPlace(proposing(b.deal(company)), guests...)
	}
	tests := map[string]struct {
		section string // of the document
		cold    bool
		keyed   bool // the account has the property for keys
		meeting func(*bundle) activities.Meeting
		made    []string
		rows    []row
	}{
		"one of six is new": {section: "The reference meeting", meeting: oneNew, made: made, rows: reference},
		"three at each company": {
			section: "People without a company",
			meeting: func(b *bundle) activities.Meeting {
				company := b.company("northwind.example")
				guests := []string{"new@harbor.example"}
				for i := range 3 {
					guests = append(guests, fmt.Sprintf("known%d@northwind.example", i))
					b.contact(guests[i+1], company)
				}
				for i := range 2 {
					guests = append(guests, fmt.Sprintf("known%d@harbor.example", i))
					b.contact(guests[i+4], "")
				}
				return b.takesPlace(proposing(b.deal(company)), guests...)
			},
			made: made, rows: slices.Concat(reference, homeless),
		},
		"new records carry a key": {
			section: "The reference meeting",
			meeting: oneNew, made: made, rows: reference, keyed: true,
		},
		"nothing is kept yet": {section: "Nothing kept yet", cold: true, meeting: oneNew, made: made, rows: slices.Concat(reference, kept)},
		"the people have a past": {
			section: "People with a past",
			meeting: func(b *bundle) activities.Meeting {
				m := oneNew(b)
				for _, contact := range b.sim.Records(b.hub, "contacts") {
					b.add("meetings", map[string]string{"hs_timestamp": hubspot.FormatDateTime(start.AddDate(0, -1, 0))}, map[string][]string{"contacts": {contact.ID}})
					b.add("tickets", map[string]string{"subject": "Another matter", "hs_pipeline": "0", "hs_pipeline_stage": "1"}, map[string][]string{"contacts": {contact.ID}})
				}
				return m
			},
			made: made, rows: slices.Concat(reference, past),
		},
		"a customer alone": {
			section: "A small meeting",
			meeting: func(b *bundle) activities.Meeting {
				company := b.company("northwind.example")
				b.contact("known@northwind.example", company)
				b.deal(company)
				return b.takesPlace(func(e *meeting.Event) { e.ActionItems = e.ActionItems[:1] }, "known@northwind.example")
			},
			made: []string{"meeting.create", "note.create", "task.create"}, rows: small,
		},
	}
	document, err := os.ReadFile("../docs/hubspot-calls.md")
	require.NoError(t, err)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if test.keyed {
				for _, object := range crm.KeyObjects() {
					b.sim.AddProperty(b.hub, object, store.KeyProperty+"!")
				}
			}
			if !test.cold {
				b.warm()
			}
			m := test.meeting(b)
			b.sim.ResetCalls()
			b.followUp(m)

			actions, err := b.store.ActionsOf(b.ctx, m.OrganizationID, m.MeetingID)
			require.NoError(t, err)
			var made []string
			for _, a := range actions {
				made = append(made, a.Tool.String())
			}
			require.ElementsMatch(t, test.made, made)

			floor, ours, calls := 0, 0, map[string]int{}
			text := section(t, string(document), test.section)
			for _, r := range test.rows {
				floor, ours = floor+r.floor, ours+r.ours
				calls[r.endpoint] += r.ours
				line := fmt.Sprintf("| %s | `%s` | %d | %d | %s |", r.step, r.endpoint, r.floor, r.ours, r.budget)
				if slices.Contains(reference, r) {
					// The other sections say only what comes on top.
					require.Contains(t, section(t, string(document), "The reference meeting"), line)
				} else {
					require.Contains(t, text, line)
				}
			}
			require.Equal(t, calls, b.counted())
			require.Contains(t, text, fmt.Sprintf("| **all calls** | | **%d** | **%d** |", floor, ours))
		})
	}
}

// section is a section of a Markdown document, with its tables' padding gone.
func section(t *testing.T, document, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(document, "\n## "+heading+"\n")
	require.True(t, found, "the document has no section %q", heading)
	text, _, _ = strings.Cut(text, "\n## ")
	return strings.Join(strings.Fields(text), " ")
}

// proposing moves a deal and opens a ticket.
func proposing(deal string) func(*meeting.Event) {
	return func(e *meeting.Event) {
		e.ProposedActions = []meeting.ProposedAction{
			{Tool: "deal.update", Target: meeting.RecordRef{ID: deal}, Properties: map[string]string{"dealstage": "contractsent"}},
			{Tool: "ticket.create", Properties: map[string]string{"subject": "The export fails"}},
		}
	}
}
