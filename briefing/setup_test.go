package briefing_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/words"
)

func TestMain(m *testing.M) {
	storetest.Main(m)
}

// at is when the briefs of these tests are made: an hour before the meeting.
var at = time.Date(2026, time.November, 24, 8, 0, 0, 0, time.UTC)

func day(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)
}

// id makes IDs that can be told apart.
func id(n byte) uuid.UUID { return uuid.UUID{6: 0x40, 8: 0x80, 15: n} }

// bundle is an organization with a HubSpot account, and a gate between them.
type bundle struct {
	t      *testing.T
	ctx    context.Context
	sim    *hubspottest.Server
	clock  atomic.Pointer[time.Time] // HubSpot's
	app    hubspottest.App
	hub    int64
	store  *store.Store
	org    store.Organization
	conn   uuid.UUID
	gate   *crm.Gate
	dana   int64
	scopes []string          // of the next token; nil for the app's
	owners map[string]string // by first name
}

// Token is a token that is as young as HubSpot's clock.
func (b *bundle) Token(context.Context, uuid.UUID) (store.Secret, int64, error) {
	access, _ := b.sim.Token(b.app.ClientID, b.hub, b.dana, b.scopes...)
	return store.Secret(access), 1, nil
}

func (b *bundle) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

func setup(t *testing.T) *bundle {
	t.Helper()
	s, url := storetest.New(t)
	b := &bundle{t: t, ctx: context.Background(), store: s, org: storetest.Organization(t, s), owners: map[string]string{}}
	b.clock.Store(&at)
	b.sim = hubspottest.NewServer(hubspottest.Options{Now: func() time.Time { return *b.clock.Load() }})
	t.Cleanup(b.sim.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	scopes := []string{
		"oauth", "crm.objects.companies.read", "crm.objects.contacts.read", "crm.objects.deals.read", "crm.objects.owners.read", "tickets",
	}
	b.app = b.sim.AddApp(hubspottest.App{RequiredScopes: scopes})
	b.hub = b.sim.AddPortal(hubspottest.Portal{HubID: 4711, Settings: hubspottest.Settings{NoRateLimits: true}}).HubID
	for _, u := range []hubspottest.User{
		{Email: "dana@acme.example", FirstName: "Dana", LastName: "Host", SuperAdmin: true, OwnerID: "77"},
		{Email: "sam@acme.example", FirstName: "Sam", LastName: "Colleague", OwnerID: "78"},
	} {
		u = b.sim.AddUser(b.hub, u)
		b.owners[u.FirstName] = u.OwnerID
		if u.FirstName == "Dana" {
			b.dana = u.ID
		}
	}

	pool, err := pgxpool.New(b.ctx, url)
	require.NoError(t, err)
	defer pool.Close()
	var app uuid.UUID
	app, b.conn = storetest.Connection(t, pool, b.org.ID, b.hub, scopes...)
	storetest.NoLimits(t, pool, b.hub, app)
	b.allowAllBut()
	b.gate = b.newGate()
	return b
}

// newGate is another process's: its caches are empty.
func (b *bundle) newGate() *crm.Gate {
	return crm.New(crm.Options{Store: b.store, Tokens: b, Client: hubspot.New(hubspot.Options{BaseURL: b.sim.URL})})
}

// allowAllBut permits everything but these tools.
func (b *bundle) allowAllBut(denied ...string) {
	b.t.Helper()
	permissions := policy.Permissions{}
	for _, info := range policy.Tools() {
		permissions[info.Tool] = policy.Allow
	}
	for _, name := range denied {
		tool, err := policy.ParseTool(name)
		require.NoError(b.t, err)
		permissions[tool] = policy.Deny
	}
	require.NoError(b.t, b.store.ApplyPreset(b.ctx, b.org.ID, permissions, store.Operator))
}

func (b *bundle) reader() briefing.CRM {
	return b.gate.Reader(crm.Scope{OrganizationID: b.org.ID, ConnectionID: b.conn, Origin: store.Origin{Kind: "meeting", ID: id(1)}})
}

// add puts a record into the account that is as old as HubSpot's clock is then.
func (b *bundle) add(when time.Time, objectType string, properties map[string]string, links ...string) string {
	b.t.Helper()
	b.clock.Store(&when)
	defer b.clock.Store(&at)
	associations := map[string][]string{}
	for _, link := range links {
		object, to, _ := strings.Cut(link, " ")
		associations[object] = append(associations[object], to)
		if objectType == "contacts" && object == "companies" {
			properties["associatedcompanyid"] = to // the primary one
		}
	}
	r, err := b.sim.Add(b.hub, objectType, hubspottest.Seed{Properties: properties, Associations: associations})
	require.NoError(b.t, err)
	return r.ID
}

func (b *bundle) compose(in briefing.Input) briefing.Brief {
	b.t.Helper()
	brief, err := briefing.Compose(b.ctx, b.reader(), in)
	require.NoError(b.t, err)
	return brief
}

// scene is the meeting of docs/briefings.md, with the page's IDs by the account's own.
type scene struct {
	in                     briefing.Input
	page                   *strings.Replacer
	jane, john, paul       string
	northwind, harbor      string
	renewal, pilot, ticket string
	note, call, task       string
}

// reviewed is that meeting, of six people from two companies, with its records.
func (b *bundle) reviewed() scene {
	b.t.Helper()
	var s scene
	dana, sam := b.owners["Dana"], b.owners["Sam"]
	company := func(name, domain, industry, employees, lifecycle, owner string) string {
		return b.add(day(time.January, 5), "companies", map[string]string{
			"name": name, "domain": domain, "industry": industry, "numberofemployees": employees, "lifecyclestage": lifecycle, "hubspot_owner_id": owner,
		})
	}
	s.northwind = company("Northwind", "northwind.example", "COMPUTER_SOFTWARE", "250", "customer", sam)
	s.harbor = company("Harbor Works", "harbor.example", "MANUFACTURING", "1200", "opportunity", "")
	contact := func(first, last, email, title, owner, lastContact, company string) string {
		properties := map[string]string{"firstname": first, "lastname": last, "email": email, "jobtitle": title, "hubspot_owner_id": owner}
		if lastContact != "" {
			properties["notes_last_contacted"] = lastContact
		}
		return b.add(day(time.February, 5), "contacts", properties, "companies "+company)
	}
	s.jane = contact("Jane", "Roe", "jane@northwind.example", "Head of Purchasing", sam, "2026-11-12T12:00:00.000Z", s.northwind)
	s.john = contact("John", "Miles", "john@northwind.example", "", dana, "", s.northwind)
	ann := contact("Ann", "Field", "ann@northwind.example", "", "", "", s.northwind)
	s.paul = contact("Paul", "Stone", "paul@harbor.example", "Plant Manager", dana, "", s.harbor)
	mia := contact("Mia", "Lund", "mia@harbor.example", "", "", "", s.harbor)

	s.renewal = b.add(day(time.November, 12), "deals", map[string]string{
		"dealname": "Northwind renewal 2027", "pipeline": "default", "dealstage": "contractsent", "amount": "42000", "deal_currency_code": "EUR",
		"closedate": "2026-12-15", "hs_next_step": "Send the signed contract", "hubspot_owner_id": sam,
	}, "companies "+s.northwind, "contacts "+s.jane)
	s.pilot = b.add(day(time.November, 20), "deals", map[string]string{
		"dealname": "Harbor pilot", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "5000.5",
		"closedate": "2026-11-20", "hubspot_owner_id": dana,
	}, "contacts "+s.paul)
	b.add(day(time.May, 2), "deals", map[string]string{"dealname": "Northwind 2026", "pipeline": "default", "dealstage": "closedwon"}, "companies "+s.northwind)
	s.ticket = b.add(day(time.November, 19), "tickets", map[string]string{
		"subject": "The export fails", "hs_pipeline": "0", "hs_pipeline_stage": "3", "hs_ticket_priority": "HIGH",
	}, "companies "+s.northwind)
	b.add(day(time.June, 2), "tickets", map[string]string{"subject": "Old trouble", "hs_pipeline": "0", "hs_pipeline_stage": "4"}, "contacts "+s.jane)

	s.note = b.add(day(time.November, 12), "notes", map[string]string{
		"hs_note_body": "<div><p>They want the export</p><p>fixed before they&nbsp;sign.</p></div>", "hs_timestamp": "2026-11-12T12:00:00.000Z", "hubspot_owner_id": sam,
	}, "contacts "+s.jane)
	own := b.add(day(time.November, 10), "notes", map[string]string{"hs_note_body": "What Debrief wrote", "hs_timestamp": "2026-11-10T12:00:00.000Z"}, "contacts "+s.jane)
	meeting := func(title, start, owner, contact string) string {
		return b.add(day(time.November, 3), "meetings", map[string]string{
			"hs_meeting_title": title, "hs_meeting_start_time": start, "hs_timestamp": start, "hubspot_owner_id": owner, "hs_meeting_outcome": "COMPLETED",
		}, "contacts "+contact)
	}
	s.call = meeting("First call", "2026-11-03T12:00:00.000Z", dana, s.paul)
	kickOff := meeting("Kick-off, as Debrief logged it", "2026-11-10T13:00:00.000Z", dana, s.jane)
	meeting("This one, as the calendar logged it", "2026-11-24T09:00:00.000Z", dana, s.jane)
	meeting("One to come", "2026-12-01T09:00:00.000Z", dana, s.jane)
	s.task = b.add(day(time.November, 10), "tasks", map[string]string{"hs_task_subject": "Send the contract", "hs_task_status": "COMPLETED", "hs_timestamp": "2026-11-13T12:00:00.000Z"})

	s.in = briefing.Input{
		Meeting: briefing.Meeting{
			ID: id(1), Title: "Renewal review", Start: at.Add(time.Hour), End: at.Add(105 * time.Minute), JoinURL: "https://meet.example/renewal",
			Host: "Dana Host", HostOwnerID: dana,
		},
		Account: briefing.Account{HubID: b.hub, Currency: "EUR"}, At: at, MayCreate: true,
		External: []briefing.Guest{
			{Email: "jane@northwind.example", Domain: "northwind.example"},
			{Name: "J. Miles", Email: "john@northwind.example", Domain: "northwind.example", Response: "accepted"},
			{Name: "Ann Field", Email: "ann@northwind.example", Domain: "northwind.example", Response: "tentative"},
			{Email: "paul@harbor.example", Domain: "harbor.example"},
			{Email: "mia@harbor.example", Domain: "harbor.example"},
			{Name: "Nils Berg", Email: "nils@harbor.example", Domain: "harbor.example"},
		},
		Colleagues: []string{"Sam Colleague"},
		Past: []briefing.Past{{
			MeetingID: id(2), Title: "Kick-off", Start: time.Date(2026, time.November, 10, 13, 0, 0, 0, time.UTC), Host: "Sam Colleague",
			With: []string{"jane@northwind.example", "john@northwind.example", "gone@northwind.example"}, RecordID: kickOff, NoteIDs: []string{own},
			Promises: []briefing.Promise{
				{Text: "Send the contract", By: "Dana Host", Due: day(time.November, 13), TaskID: s.task},
				{Text: "Name a contact for IT", By: "Jane Roe", Due: day(time.November, 20)},
			},
		}},
		Approvals: []briefing.Approval{{MeetingID: id(2), Title: "Update Deal", Record: "Northwind renewal 2027", Asked: day(time.November, 10), Mine: true}},
	}
	var pairs []string
	for typeID, records := range map[string]map[string]string{
		"0-1": {s.jane: "101", s.john: "102", ann: "103", s.paul: "104", mia: "105"},
		"0-2": {s.northwind: "201", s.harbor: "202"},
		"0-3": {s.renewal: "301", s.pilot: "302"},
		"0-5": {s.ticket: "401"},
	} {
		for own, page := range records {
			pairs = append(pairs, "/"+typeID+"/"+own+"\n", "/"+typeID+"/"+page+"\n")
		}
	}
	s.page = strings.NewReplacer(pairs...)
	return s
}

// view is that of a reader in Berlin.
func view(t *testing.T, language string) briefing.View {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return briefing.View{Printer: words.In(language), Zone: berlin, BaseURL: "https://debrief.acme.example"}
}

// document is a page of docs/.
func document(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + name)
	require.NoError(t, err)
	return string(raw)
}
