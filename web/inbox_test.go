package web_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

var (
	createContact = policy.Tool{Object: "contact", Operation: policy.Create}
	createDeal    = policy.Tool{Object: "deal", Operation: policy.Create}
	updateDeal    = policy.Tool{Object: "deal", Operation: policy.Update}
	createNote    = policy.Tool{Object: "note", Operation: policy.Create}
	createTask    = policy.Tool{Object: "task", Operation: policy.Create}
)

// followUp is a meeting with a plan, of which some is asked about.
type followUp struct {
	*bundle
	meeting    uuid.UUID
	connection uuid.UUID
	version    int64
}

// met is a meeting that Hilde hosted and Tom attended, both of Acme, with notes and
// with what was said. Nothing is planned yet.
func (b *bundle) met(t *testing.T, title string) *followUp {
	t.Helper()
	ctx := t.Context()
	source, err := b.store.SourceByName(ctx, &b.org.ID, "notes")
	if err != nil {
		source, err = b.store.CreateSource(ctx, store.NewSource{OrganizationID: &b.org.ID, Platform: "debrief", Name: "notes", Secrets: []store.Secret{"planted-secret"}}, store.Operator)
		require.NoError(t, err)
	}
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	yes := true
	e := meeting.Event{Provider: "debrief", Type: meeting.NotesReady, DedupeKey: uuid.NewString(), OccurredAt: start.Add(time.Hour), Details: meeting.Details{
		Keys: meeting.Keys{InstanceID: uuid.NewString()}, Title: title, ScheduledStart: start, ScheduledEnd: start.Add(time.Hour),
		Organizer: meeting.Person{Name: "Hilde Host", Email: "hilde@acme.example"},
		Attendees: []meeting.Attendee{
			{Person: meeting.Person{Name: "Hilde Host", Email: "hilde@acme.example"}, Attended: &yes},
			{Person: meeting.Person{Name: "Tom Tender", Email: "tom@acme.example"}, Attended: &yes},
			{Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}, Attended: &yes},
		},
		Summary:     meeting.Text{Format: "text", Text: "They want <b>two hundred</b> seats.", Language: "en"},
		ActionItems: []meeting.ActionItem{{Text: "Send the order form", AssigneeName: "Hilde Host"}},
		Transcript:  meeting.Transcript{Status: "ready", Segments: []meeting.Segment{{Speaker: "Jane Roe", StartSeconds: 724, Text: "We take two hundred seats, as spoken."}}},
	}}.Normalize()
	require.NoError(t, e.Validate())
	id, _, err := b.store.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: uuid.NewString(), Body: []byte("{}"), ReceivedAt: start.Add(time.Hour), Header: http.Header{}})
	require.NoError(t, err)
	understood, err := b.store.Understood(ctx, id, b.org.ID, []meeting.Event{e})
	require.NoError(t, err)
	require.Len(t, understood.MeetingIDs, 1)
	f := &followUp{bundle: b, meeting: understood.MeetingIDs[0], connection: uuid.New()}
	b.exec(t, fmt.Sprintf(`insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state, currencies)
		select '%s', organization_id, id, 'main', 4711, false, array['crm.objects.deals.write', 'crm.objects.contacts.write'], 'connected', array['EUR'] from apps
		on conflict do nothing`, f.connection))
	all, err := b.store.Connections(ctx, b.org.ID)
	require.NoError(t, err)
	f.connection = all[0].ID
	return f
}

// hosts makes somebody the host of the meeting.
func (f *followUp) hosts(t *testing.T, email string) {
	t.Helper()
	f.exec(t, fmt.Sprintf(`update meetings set host_person_id = '%s' where id = '%s'`, f.id(t, email), f.meeting))
}

func (f *followUp) plan(t *testing.T, drafts ...store.Draft) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, f.store.ApplyPreset(ctx, f.org.ID, policy.Permissions{
		createContact: policy.Ask, createDeal: policy.Ask, updateDeal: policy.Ask, createNote: policy.Allow, createTask: policy.Ask,
	}, store.Operator))
	m, err := f.store.MeetingByID(ctx, f.org.ID, f.meeting)
	require.NoError(t, err)
	f.version++
	f.exec(t, fmt.Sprintf(`update meetings set version = %d where id = '%s'`, m.Version+f.version, f.meeting))
	require.NoError(t, f.store.SavePlan(ctx, store.Plan{
		OrganizationID: f.org.ID, MeetingID: f.meeting, MeetingVersion: m.Version + f.version, ConnectionID: f.connection, Drafts: drafts,
		Resolution: planner.Resolution{
			Deals: []planner.Record{{ID: "900", Properties: map[string]string{"dealname": "Northwind, seats", "dealstage": "s1", "amount": "1000", "pipeline": "default"}}},
			DealPipelines: []hubspot.Pipeline{{ID: "default", Label: "Sales", Stages: []hubspot.Stage{
				{ID: "s1", Label: "Qualified"}, {ID: "s2", Label: "Order form sent"},
			}}},
			Properties: map[string][]hubspot.Property{"deal": {
				{Name: "dealname", Label: "Deal name", Type: "string", FieldType: "text"},
				{Name: "amount", Label: "Amount", Type: "number", FieldType: "number"},
				{Name: "closedate", Label: "Close date", Type: "datetime", FieldType: "date"},
			}},
		},
	}))
}

// usual is a plan of four: two contacts' worth of questions, a deal that hangs on
// one of them, and a note that is written without asking.
func usual() []store.Draft {
	return []store.Draft{
		{Key: "contact:jane", Tool: createContact, Content: store.ActionContent{
			Label: "Jane Roe", Purpose: "attended and is not in HubSpot yet", Properties: map[string]string{"email": "jane@northwind.example", "firstname": "Jane"},
		}},
		{Key: "deal:900", Tool: updateDeal, TargetID: "900", Content: store.ActionContent{
			Label: "Northwind, seats", Properties: map[string]string{"dealstage": "s2", "amount": "42000"}, Before: map[string]string{"dealstage": "s1", "amount": "1000"},
			Evidence: []meeting.Evidence{{Quote: "We take two hundred seats", Speaker: "Jane Roe", OffsetSeconds: 724}},
		}},
		{Key: "deal:new", Tool: createDeal, DependsOn: []string{"contact:jane"}, Content: store.ActionContent{
			Label: "Northwind, training", Properties: map[string]string{"dealname": "Northwind, training"},
			Associations: []store.AssociationRef{{Object: "contact", Key: "contact:jane", Required: true}},
		}},
		{Key: "note:1", Tool: createNote, Content: store.ActionContent{Label: "Notes of the meeting", Properties: map[string]string{"hs_note_body": "They want seats."}}},
	}
}

// question is the pending one about an action.
func (f *followUp) question(t *testing.T, key string) store.Approval {
	t.Helper()
	all, err := f.store.Approvals(t.Context(), f.org.ID, store.ApprovalFilter{MeetingID: f.meeting})
	require.NoError(t, err)
	for _, a := range slices.Backward(all) {
		if a.Action.Key == key {
			return a
		}
	}
	t.Fatalf("nothing asks about %s", key)
	return store.Approval{}
}

func (f *followUp) at(q store.Approval) string {
	return f.server.URL + "/inbox/" + f.meeting.String() + "/question/" + q.ID.String()
}

// answers is all that a decision changes, to compare.
func (b *bundle) answers(t *testing.T) string {
	t.Helper()
	return b.first(t, `
		select coalesce((select string_agg(p::text, chr(10) order by p.id) from approvals p), '') || coalesce((select string_agg(v::text, chr(10) order by v) from approval_votes v), '')
		       || coalesce((select string_agg(a.id || a.state || a.reason, chr(10) order by a.id) from actions a), '')
		       || (select count(*) from audit where kind in ('decision', 'visibility', 'connection', 'permission')) || (select count(*) from wakeups)`)
}

// first is the one value that a query has.
func (b *bundle) first(t *testing.T, query string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(context.Background(), query).Scan(&value))
	return value
}

func TestTheInboxShowsOneCardPerMeeting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind & seats")
	f.plan(t, usual()...)
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	require.Equal(t, "/inbox", approver.do(t, http.MethodGet, b.server.URL+"/").location)
	page := approver.do(t, http.MethodGet, b.server.URL+"/inbox")
	require.Equal(t, http.StatusOK, page.status)
	require.Equal(t, 1, strings.Count(page.body, `class="card"`))
	require.Equal(t, 3, strings.Count(page.body, `class="line"`))
	for _, part := range []string{
		"Northwind &amp; seats", "Order form sent", "Qualified", "“We take two hundred seats”", "12:04", "Jane Roe", "Goes on without an answer", "Notes of the meeting",
		"If you reject it, these are not carried out either:", "Approve all 3 lines", `type="number"`, `<option value="s2" selected>Order form sent</option>`,
	} {
		require.Contains(t, page.body, part)
	}
	require.NotContains(t, page.body, "as spoken", "the transcript is behind a button")
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'")
	require.Contains(t, page.header.Get("Content-Security-Policy"), "script-src 'self'; connect-src 'self'")
	require.NotContains(t, page.body, "style=")
	require.NotContains(t, page.body, "onclick")

	// In dependency order.
	order := []string{"t-" + f.question(t, "contact:jane").ID.String(), "t-" + f.question(t, "deal:900").ID.String(), "t-" + f.question(t, "deal:new").ID.String()}
	require.Less(t, strings.Index(page.body, order[0]), strings.Index(page.body, order[2]))

	one := approver.do(t, http.MethodGet, b.server.URL+"/inbox/"+f.meeting.String())
	require.Equal(t, http.StatusOK, one.status)
	require.Contains(t, one.body, "Everything that waits for an answer")
}

// Every way to answer, on each of the three pages.
func TestAnsweringOnThePages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	b.as(t, "hilde@acme.example", store.RoleMember)
	f.hosts(t, "hilde@acme.example")
	host := b.again(t, "hilde@acme.example")

	contact := f.question(t, "contact:jane")
	done := host.post(t, f.at(contact), "verdict", "approve", "on", "inbox")
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, "/inbox?done=approved&meeting="+f.meeting.String(), done.location)
	require.Equal(t, store.ApprovalApproved, f.question(t, "contact:jane").State)
	require.Equal(t, b.id(t, "hilde@acme.example").String(), f.decidedBy(t, contact.ID))
	require.Contains(t, host.do(t, http.MethodGet, b.server.URL+done.location).body, "Approved: 1 line.")

	// Only what differs is an edit; line ends are the browser's.
	deal := f.question(t, "deal:900")
	done = host.post(t, f.at(deal), "verdict", "edit", "on", "card", "v.amount", "41000", "was.v.amount", "42000", "v.dealstage", "s2", "was.v.dealstage", "s2")
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, "/inbox/"+f.meeting.String()+"?done=edited", done.location)
	deal = f.question(t, "deal:900")
	require.Equal(t, store.ApprovalEdited, deal.State)
	edited, _, err := b.store.Answers(t.Context(), b.org.ID, f.meeting)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"amount": "41000"}, edited["deal:900"])

	training := f.question(t, "deal:new")
	done = host.post(t, f.at(training), "verdict", "reject", "reason", "not before spring", "on", "meeting")
	require.Equal(t, "/meetings/"+f.meeting.String()+"?done=rejected#card", done.location)
	require.Equal(t, store.ApprovalRejected, f.question(t, "deal:new").State)
	page := host.do(t, http.MethodGet, b.server.URL+"/meetings/"+f.meeting.String()+"?done=rejected")
	require.Contains(t, page.body, "not before spring")
	require.Contains(t, page.body, "Ms hilde@acme.example")
	require.Contains(t, host.do(t, http.MethodGet, b.server.URL+"/inbox").body, "Nothing waits for an answer.")
	require.NotContains(t, host.do(t, http.MethodGet, b.server.URL+"/inbox?done=Send+money").body, "money")
}

func TestAnEditWithoutAChangeApproves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	q := f.question(t, "contact:jane")
	done := approver.post(t, f.at(q), "verdict", "edit", "v.firstname", "Jane\r\nB", "was.v.firstname", "Jane\nB")
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, store.ApprovalApproved, f.question(t, "contact:jane").State)
}

func TestApprovingAllThatWasShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	all := b.server.URL + "/inbox/" + f.meeting.String() + "/all"
	shown := []string{"on", "inbox", "approval", f.question(t, "contact:jane").ID.String(), "approval", f.question(t, "deal:900").ID.String()}
	done := approver.postAll(t, all, shown...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Contains(t, done.location, "n=2")
	require.Equal(t, store.ApprovalPending, f.question(t, "deal:new").State, "it was not on the page")

	// Once more, with one that is open: what is refused says so, the rest is done.
	again := approver.postAll(t, all, append(shown, "approval", f.question(t, "deal:new").ID.String())...)
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, again.body, "1 of 3 lines are approved.")
	require.Equal(t, store.ApprovalApproved, f.question(t, "deal:new").State)
	require.Equal(t, http.StatusConflict, approver.post(t, all).status)
}

// A meeting tool's line that could be about several records: one is picked.
func TestPickingARecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, store.Draft{Key: "deal:which", Tool: updateDeal, Content: store.ActionContent{
		Label: "Northwind", Doubt: "two deals could be meant", Properties: map[string]string{"amount": "42000", store.TargetProperty: ""}, MayCreate: true,
		Candidates: []store.Candidate{{ID: "900", Label: "Northwind, seats"}, {ID: "901", Label: "Northwind, support"}},
	}})
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	page := approver.do(t, http.MethodGet, b.server.URL+"/inbox").body
	require.Contains(t, page, "Which one is meant?")
	require.Contains(t, page, "None of these: make a new one")
	require.Equal(t, 3, strings.Count(page, `type="radio"`))
	require.NotContains(t, page, `value="approve"`, "nothing tells which one would be written")

	q := f.question(t, "deal:which")
	property := hidden(t, page, "candidates")
	refused := approver.post(t, f.at(q), "verdict", "edit", "candidates", property, "on", "inbox")
	require.Equal(t, http.StatusConflict, refused.status)
	require.Equal(t, store.ApprovalPending, f.question(t, "deal:which").State)
	done := approver.post(t, f.at(q), "verdict", "edit", "candidates", property, "pick", "901", "on", "inbox")
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	edited, _, err := b.store.Answers(t.Context(), b.org.ID, f.meeting)
	require.NoError(t, err)
	require.Equal(t, map[string]string{property: "901"}, edited["deal:which"])
}

// Each refusal is the judge's, stands beside the line, and decides nothing.
func TestRefusedAnswers(t *testing.T) { //nolint:tparallel // one story
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	b.as(t, "hilde@acme.example", store.RoleMember)
	host := b.again(t, "hilde@acme.example")
	f.hosts(t, "hilde@acme.example")
	contact, deal := f.question(t, "contact:jane"), f.question(t, "deal:900")

	t.Run("bad values keep what was typed", func(t *testing.T) {
		before := b.answers(t)
		out := approver.post(t, f.at(deal), "verdict", "edit", "on", "card", "v.amount", "", "was.v.amount", "42000", "v.nonsense", "1", "was.v.nonsense", "")
		require.Equal(t, http.StatusConflict, out.status)
		require.Contains(t, out.body, `role="alert">That property is not part of this question.`)
		require.Contains(t, out.body, `type="number" step="any" inputmode="decimal" value="">`)
		require.Contains(t, out.body, `data-key="e" data-keep open`)
		require.NotContains(t, out.body, "data-live", "the address is a form's: nothing to look at again")
		require.Equal(t, before, b.answers(t))
	})
	t.Run("no verdict", func(t *testing.T) {
		before := b.answers(t)
		require.Equal(t, http.StatusConflict, approver.post(t, f.at(deal), "verdict", "maybe").status)
		require.Equal(t, before, b.answers(t))
	})
	t.Run("twice", func(t *testing.T) {
		require.Equal(t, http.StatusSeeOther, approver.post(t, f.at(contact), "verdict", "reject").status)
		before := b.answers(t)
		out := approver.post(t, f.at(contact), "verdict", "approve", "on", "card")
		require.Equal(t, http.StatusConflict, out.status)
		require.Contains(t, out.body, "rejected")
		require.Equal(t, before, b.answers(t))
	})
	t.Run("stale", func(t *testing.T) {
		drafts := usual()
		drafts[1].Content.Properties["amount"] = "43000"
		f.plan(t, drafts...)
		before := b.answers(t)
		out := approver.post(t, f.at(deal), "verdict", "approve", "on", "inbox")
		require.Equal(t, http.StatusConflict, out.status)
		require.Contains(t, out.body, "withdrawn meanwhile")
		require.Equal(t, before, b.answers(t))
	})
	deal = f.question(t, "deal:900")
	t.Run("an answer is for one meeting", func(t *testing.T) {
		other := b.met(t, "Another")
		before := b.answers(t)
		out := approver.post(t, b.server.URL+"/inbox/"+other.meeting.String()+"/question/"+deal.ID.String(), "verdict", "approve", "on", "card")
		require.Equal(t, http.StatusConflict, out.status)
		require.Contains(t, out.body, "There is no such question.")
		require.Equal(t, before, b.answers(t))
	})
	t.Run("not theirs", func(t *testing.T) {
		before := b.answers(t)
		for name, person := range map[string]*browser{
			"a member who was not there": b.as(t, "nora@acme.example", store.RoleMember),
			"a viewer":                   b.as(t, "vera@acme.example", store.RoleViewer),
			"another organization":       b.stranger(t),
		} {
			for _, path := range []string{"/inbox/" + f.meeting.String(), "/meetings/" + f.meeting.String(), "/live?meeting=" + f.meeting.String()} {
				seen := person.do(t, http.MethodGet, b.server.URL+path)
				require.Equal(t, http.StatusNotFound, seen.status, "%s %s", name, path)
				require.NotContains(t, seen.body, "Northwind")
				made := person.do(t, http.MethodGet, b.server.URL+strings.Replace(path, f.meeting.String(), uuid.NewString(), 1))
				require.Equal(t, seen.body, made.body, "nobody is told whether it exists")
			}
			for _, verdict := range []string{"approve", "reject", "edit"} {
				out := person.post(t, f.at(deal), "verdict", verdict, "v.amount", "1", "on", "card")
				require.Equal(t, http.StatusNotFound, out.status, "%s %s", name, verdict)
			}
			require.Equal(t, http.StatusNotFound, person.post(t, b.server.URL+"/inbox/"+f.meeting.String()+"/all", "approval", deal.ID.String(), "on", "card").status, name)
			require.Equal(t, http.StatusNotFound, person.post(t, b.server.URL+"/meetings/"+f.meeting.String()+"/transcript").status, name)
			require.NotContains(t, person.do(t, http.MethodGet, b.server.URL+"/inbox").body, "Northwind", name)
			require.NotContains(t, person.do(t, http.MethodGet, b.server.URL+"/meetings").body, "Northwind", name)
		}
		require.Equal(t, before, b.answers(t))
	})
	t.Run("another site", func(t *testing.T) {
		before := b.answers(t)
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			for _, path := range []string{f.at(deal), b.server.URL + "/inbox/" + f.meeting.String() + "/all", b.server.URL + "/meetings/" + f.meeting.String() + "/transcript"} {
				form := strings.NewReader(url.Values{"verdict": {"approve"}, "approval": {deal.ID.String()}}.Encode())
				out := approver.send(t, http.MethodPost, path, form, append(header, "Content-Type", "application/x-www-form-urlencoded")...)
				require.Equal(t, http.StatusForbidden, out.status, header)
			}
		}
		require.Equal(t, before, b.answers(t))
	})
	t.Run("signed out", func(t *testing.T) {
		before := b.answers(t)
		scanner := newBrowser(t)
		require.Equal(t, http.StatusUnauthorized, scanner.post(t, f.at(deal), "verdict", "approve").status)
		link := scanner.do(t, http.MethodGet, b.server.URL+"/inbox/"+f.meeting.String())
		require.Equal(t, "/sign-in?to=%2Finbox%2F"+f.meeting.String(), link.location)
		require.Equal(t, before, b.answers(t))
	})
	t.Run("self-approval", func(t *testing.T) {
		org, err := b.store.Organization(t.Context(), b.org.ID)
		require.NoError(t, err)
		org.Settings.Approvals.NoSelfApproval = true
		require.NoError(t, b.store.UpdateSettings(t.Context(), org.ID, org.Domains, org.Settings, store.Operator))
		before := b.answers(t)
		out := host.post(t, f.at(deal), "verdict", "approve", "on", "card")
		require.Equal(t, http.StatusConflict, out.status)
		require.Contains(t, out.body, "wants somebody else to approve it")
		require.Equal(t, before, b.answers(t))
		require.Equal(t, http.StatusSeeOther, approver.post(t, f.at(deal), "verdict", "approve").status)
	})
}

// A link scanner follows every link it finds, with whatever session the browser
// has: n8n's and Activepieces's approvals were decided that way.
func TestNoGETDecides(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	one := func(table string) string { return b.first(t, `select id::text from `+table+` limit 1`) }
	deal := f.question(t, "deal:900").ID.String()
	briefing := b.first(t, `
		insert into briefings (id, organization_id, meeting_id, person_id) select gen_random_uuid(), m.organization_id, m.id, p.id
		from meetings m join people p on p.organization_id = m.organization_id where m.id = '`+f.meeting.String()+`' limit 1 returning id::text`)
	// What stands in an address, by where it stands: of what is there, so that the
	// page itself is shown. A route that is added later has to be said here.
	there := strings.NewReplacer(
		"/session/:token", strings.TrimPrefix(b.signInLink(t), b.server.URL), "/connect/:token", strings.TrimPrefix(b.connectLink(t), b.server.URL),
		"/people/:id", "/people/"+one("people"), "/connections/:id", "/connections/"+f.connection.String(),
		"/deliveries/:id", "/deliveries/"+one("deliveries"), "/audit/:id", "/audit/"+one("audit"), "/briefings/:id", "/briefings/"+briefing,
		":meeting", f.meeting.String(), ":approval", deal,
	)
	engine := gin.New()
	b.web.Register(engine)
	const standing = `select concat((select string_agg(l::text, chr(10) order by l::text) from sign_in_links l), (select string_agg(c::text, chr(10) order by c.id) from connection_attempts c),
		(select string_agg(o.settings::text, chr(10) order by o.id) from organizations o), (select string_agg(p::text, chr(10) order by p::text) from permissions p))`
	before, unused := b.answers(t), b.first(t, standing)
	walked := 0
	for _, route := range engine.Routes() {
		if route.Method != http.MethodGet {
			continue
		}
		path := there.Replace(route.Path)
		require.NotContains(t, path, ":", "say what stands in this address")
		walked++
		query := "?verdict=approve&approve=yes&approval=" + deal + "&on=card&pick=900&v.amount=1&do=save&name=hands-off&preset=hands-off&to=de"
		for _, header := range [][]string{
			nil,
			{"Purpose", "prefetch"},
			{"Sec-Purpose", "prefetch;prerender"},
			{"X-Moz", "prefetch"},
			{"User-Agent", "Slackbot-LinkExpanding 1.0"},
			{"X-HTTP-Method-Override", "POST"},
			{"X-Method-Override", "POST"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				status := b.visit(t, admin, method, b.server.URL+path+query, header)
				if method == http.MethodGet && !strings.HasSuffix(route.Path, "/callback") {
					require.Less(t, status, 400, "%s was not shown", route.Path)
				}
			}
		}
	}
	require.Greater(t, walked, 10)
	require.Equal(t, before, b.answers(t), "looking decided something")
	require.Equal(t, unused, b.first(t, standing), "looking used up a link, or set something")
	// And what only a POST does is not there for a GET.
	require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, f.at(f.question(t, "deal:900"))+"?verdict=approve").status)
}

// visit looks, and goes: some answers never end.
func (b *bundle) visit(t *testing.T, person *browser, method, address string, header []string) (status int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := person.Do(req)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 500, address)
	_ = res.Body.Close()
	return res.StatusCode
}

func TestWhoSeesWhichMeetings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	for email, sees := range map[string]bool{"hilde@acme.example": true, "tom@acme.example": true, "nora@acme.example": false} {
		b.as(t, email, store.RoleMember)
		if email == "hilde@acme.example" {
			f.hosts(t, email)
		}
		person := b.again(t, email)
		for _, path := range []string{"/inbox", "/meetings"} {
			require.Equal(t, sees, strings.Contains(person.do(t, http.MethodGet, b.server.URL+path).body, "Northwind"), "%s %s", email, path)
		}
		require.Equal(t, sees, person.do(t, http.MethodGet, b.server.URL+"/meetings/"+f.meeting.String()).status == http.StatusOK, email)
	}
	viewer := b.as(t, "vera@acme.example", store.RoleViewer)
	page := viewer.do(t, http.MethodGet, b.server.URL+"/inbox").body
	require.Contains(t, page, "3 questions wait for an answer, about 1 meeting.")
	require.NotContains(t, page, "Northwind")
	require.NotContains(t, viewer.do(t, http.MethodGet, b.server.URL+"/").location, "inbox")

	// A delegate sees what the one who delegates sees.
	nora := b.again(t, "nora@acme.example")
	b.exec(t, fmt.Sprintf(`insert into approval_delegations (organization_id, from_person_id, to_person_id, until) values ('%s', '%s', '%s', now() + interval '1 day')`,
		b.org.ID, b.id(t, "tom@acme.example"), b.id(t, "nora@acme.example")))
	require.Contains(t, nora.do(t, http.MethodGet, b.server.URL+"/inbox").body, "Northwind")
	b.exec(t, `update approval_delegations set until = now()`)
	require.NotContains(t, nora.do(t, http.MethodGet, b.server.URL+"/inbox").body, "Northwind")

	// Who owns a record that is asked about does, too.
	b.exec(t, `update approvals set record_owner = '4711:88'`)
	b.exec(t, fmt.Sprintf(`insert into person_identities (organization_id, kind, value, person_id) values ('%s', 'hubspot_owner', '4711:88', '%s')`, b.org.ID, b.id(t, "nora@acme.example")))
	require.Contains(t, nora.do(t, http.MethodGet, b.server.URL+"/inbox").body, "Northwind")
	require.Equal(t, http.StatusOK, nora.do(t, http.MethodGet, b.server.URL+"/inbox/"+f.meeting.String()).status)

	// Erased is erased: nobody's list knows who was there.
	require.NoError(t, b.store.EraseMeeting(t.Context(), b.org.ID, f.meeting, store.Operator))
	require.NotContains(t, b.again(t, "tom@acme.example").do(t, http.MethodGet, b.server.URL+"/meetings").body, f.meeting.String())
	require.Contains(t, b.as(t, "ada@acme.example", store.RoleAdmin).do(t, http.MethodGet, b.server.URL+"/meetings/"+f.meeting.String()).body, "were erased")
}

func TestAMeetingsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	b.exec(t, `update actions set state = 'written', record_id = '5001' where key = 'note:1'`)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	at := b.server.URL + "/meetings/" + f.meeting.String()
	page := admin.do(t, http.MethodGet, at).body
	for _, part := range []string{
		"They want &lt;b&gt;two hundred&lt;/b&gt; seats.", "Send the order form", "jane@northwind.example", "was there", "meeting.notes_ready", "notes", "Open the transcript",
	} {
		require.Contains(t, page, part)
	}
	require.NotContains(t, page, "as spoken")
	require.NotContains(t, page, "Temporal", "that is for the operator")

	trail := func() []store.AuditEntry {
		all, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditVisibility})
		require.NoError(t, err)
		return all
	}
	require.Empty(t, trail())
	opened := admin.post(t, at+"/transcript")
	require.Equal(t, http.StatusOK, opened.status)
	require.Contains(t, opened.body, "We take two hundred seats, as spoken.")
	require.Contains(t, opened.body, "12:04")
	require.Equal(t, http.StatusOK, admin.post(t, at+"/transcript").status)
	rows := trail()
	require.Len(t, rows, 2, "one row for each opening")
	require.Equal(t, b.id(t, "ada@acme.example"), *rows[0].Actor.PersonID)
	require.Equal(t, f.meeting, rows[0].Origin.ID)
	require.Equal(t, "transcript opened", rows[0].Reason)
}

func TestMeetingsArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	b.exec(t, fmt.Sprintf(`insert into meetings (id, organization_id, created_at) select gen_random_uuid(), '%s', now() - n * interval '1 minute' from generate_series(1, 60) n`, b.org.ID))
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	seen, pages, at := map[string]bool{}, 0, "/meetings"
	for at != "" {
		page := admin.do(t, http.MethodGet, b.server.URL+at).body
		for _, part := range strings.Split(page, `href="/meetings/`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			require.False(t, seen[id], "twice")
			seen[id] = true
		}
		_, next, _ := strings.Cut(page, `href="/meetings?before=`)
		if at, _, _ = strings.Cut(next, `"`); at != "" {
			at = "/meetings?before=" + at
		}
		pages++
	}
	require.Equal(t, 2, pages)
	require.Len(t, seen, 61)
	require.True(t, seen[f.meeting.String()])
}

func TestGermanPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	b.as(t, "greta@acme.example", store.RoleApprover)
	require.NoError(t, b.store.SetLanguage(t.Context(), b.org.ID, "greta@acme.example", "de"))
	greta := b.again(t, "greta@acme.example")
	page := greta.do(t, http.MethodGet, b.server.URL+"/inbox").body
	require.Contains(t, page, `<html lang="de">`)
	for _, part := range []string{"Posteingang", "Abmelden", "Genehmigen", "Ablehnen", "Alle 3 Zeilen genehmigen", "Northwind"} {
		require.Contains(t, page, part)
	}
	require.Contains(t, newBrowser(t).do(t, http.MethodGet, b.server.URL+"/sign-in", "Accept-Language", "fr, de-AT;q=0.8").body, `<html lang="de">`)
	require.Contains(t, newBrowser(t).do(t, http.MethodGet, b.server.URL+"/sign-in").body, `<html lang="en">`)
}

// A page that is open hears of what others do, until it or the server ends.
func TestLiveUpdates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	pages := []*hearing{b.hear(t, approver, "/live"), b.hear(t, approver, "/live?meeting="+f.meeting.String())}
	for _, page := range pages {
		require.Equal(t, "text/event-stream", page.header.Get("Content-Type"))
		require.Equal(t, "no-store", page.header.Get("Cache-Control"))
		page.next(t) // what it may have missed
	}
	// Each decision is heard of; one at a time, so that none hides behind another.
	for _, key := range []string{"deal:900", "contact:jane", "deal:new"} {
		require.Equal(t, http.StatusSeeOther, approver.post(t, f.at(f.question(t, key)), "verdict", "approve").status)
		for _, page := range pages {
			page.next(t)
		}
	}
	close(b.closing)
	for _, page := range pages {
		select {
		case <-page.ended:
		case <-time.After(20 * time.Second):
			t.Fatal("it goes on")
		}
	}
}

// again signs somebody in who is there already.
func (b *bundle) again(t *testing.T, email string) *browser {
	t.Helper()
	id := b.id(t, email)
	token, err := b.store.CreateSignInLink(t.Context(), store.SignedIn{OrganizationID: &b.org.ID, PersonID: &id})
	require.NoError(t, err)
	person := newBrowser(t)
	person.do(t, http.MethodPost, b.server.URL+"/session/"+token.Reveal())
	return person
}

// stranger is an admin of another organization.
func (b *bundle) stranger(t *testing.T) *browser {
	t.Helper()
	other := storetest.Organization(t, b.store)
	p, err := b.store.AddPerson(t.Context(), store.Person{
		OrganizationID: other.ID, Role: store.RoleAdmin, Name: "Stranger", Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "s@stranger.example"}},
	}, store.Operator)
	require.NoError(t, err)
	token, err := b.store.CreateSignInLink(t.Context(), store.SignedIn{OrganizationID: &other.ID, PersonID: &p.ID})
	require.NoError(t, err)
	person := newBrowser(t)
	person.do(t, http.MethodPost, b.server.URL+"/session/"+token.Reveal())
	return person
}

func (f *followUp) decidedBy(t *testing.T, approvalID uuid.UUID) (id string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), f.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(context.Background(), `select decided_by_person_id::text from approvals where id = $1 and via = $2`, approvalID, store.ViaWeb).Scan(&id))
	return id
}

// postAll sends a form with a field several times.
func (b *browser) postAll(t *testing.T, address string, fields ...string) answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.send(t, http.MethodPost, address, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// hearing is a page that follows changes.
type hearing struct {
	header http.Header
	events chan struct{}
	ended  chan struct{}
}

func (b *bundle) hear(t *testing.T, person *browser, path string) *hearing {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.server.URL+path, nil)
	require.NoError(t, err)
	res, err := person.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	h := &hearing{header: res.Header, events: make(chan struct{}, 1000), ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		defer func() { _ = res.Body.Close() }()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if lines.Text() == "event: changed" {
				h.events <- struct{}{}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-h.ended })
	return h
}

func (h *hearing) next(t *testing.T) {
	t.Helper()
	select {
	case <-h.events:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was heard")
	}
}
