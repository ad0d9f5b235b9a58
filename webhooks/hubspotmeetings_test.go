package webhooks

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// inHubSpot is an organization whose HubSpot account tells of its meetings, by its
// journal alone.
type inHubSpot struct {
	*bundle

	t          *testing.T
	sim        *hubspottest.Server
	hub        int64
	host       hubspottest.User
	service    *connections.Service
	activities *activities.Activities
	// calendar is another app, which puts meetings into HubSpot.
	calendar *hubspot.Client
}

func inHubSpotSetup(t *testing.T) *inHubSpot {
	t.Helper()
	h := &inHubSpot{bundle: setup(t), t: t, hub: 4711}
	ctx := context.Background()
	h.sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(h.sim.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	app := hubspottest.App{RedirectURIs: []string{"https://debrief.acme.example" + connections.CallbackPath}}
	for _, s := range connections.Scopes() {
		app.RequiredScopes = append(app.RequiredScopes, s.Name)
	}
	app = h.sim.AddApp(app)
	h.sim.AddPortal(hubspottest.Portal{HubID: h.hub, Domain: "acme.example"})
	h.host = h.sim.AddUser(h.hub, hubspottest.User{Email: "dana@acme.example", FirstName: "Dana", LastName: "Host", SuperAdmin: true})
	h.sim.AddUser(h.hub, hubspottest.User{Email: "sam@acme.example", FirstName: "Sam", LastName: "Colleague"})
	where := connections.HubSpot()
	where.AuthorizeURL, where.BaseURL = h.sim.URL+"/oauth/authorize", h.sim.URL
	h.service = connections.New(h.store, connections.Options{
		PublicURL: "https://debrief.acme.example", Provider: where, HTTPClient: &http.Client{Transport: transport}, Now: h.sim.Now,
	})
	calendar := h.sim.AddApp(hubspottest.App{Name: "Calendar", RequiredScopes: app.RequiredScopes})
	access, _ := h.sim.Token(calendar.ClientID, h.hub, h.host.ID)
	h.calendar = hubspot.New(hubspot.Options{BaseURL: h.sim.URL, HTTPClient: &http.Client{Transport: transport}}).As(access)
	made, err := h.store.CreateApp(ctx, store.App{OrganizationID: h.organization.ID, Name: "hubspot", Level: store.AccountLevel, ClientID: app.ClientID}, store.Secret(app.ClientSecret), store.Operator)
	require.NoError(t, err)
	login, err := h.service.BeginLogin(ctx, connections.LoginRequest{OrganizationID: h.organization.ID, AppID: made.ID, Name: "main"}, store.Operator)
	require.NoError(t, err)
	authorize, err := h.service.Authorize(ctx, store.Secret(login.URL[len("https://debrief.acme.example/connect/"):]), "browser")
	require.NoError(t, err)
	back, err := h.sim.Consent(authorize, h.hub, h.host.ID, true)
	require.NoError(t, err)
	u, err := url.Parse(back)
	require.NoError(t, err)
	_, err = h.service.Callback(ctx, connections.Return{State: store.Secret(u.Query().Get("state")), Code: store.Secret(u.Query().Get("code")), Browser: "browser"})
	require.NoError(t, err)
	h.activities = &activities.Activities{
		Store: h.store, Log: zerolog.Nop(), Connections: h.service,
		Gate: crm.New(crm.Options{Store: h.store, Tokens: h.service, Client: hubspot.New(hubspot.Options{BaseURL: h.sim.URL, HTTPClient: &http.Client{Transport: transport}})}),
	}
	h.allow("meeting", "contact", "deal", "owner")
	h.journal() // subscribes
	return h
}

func (h *inHubSpot) allow(objects ...string) {
	h.t.Helper()
	preset := policy.Permissions{}
	for _, object := range objects {
		preset[policy.Tool{Object: object, Operation: policy.Read}] = policy.Allow
	}
	require.NoError(h.t, h.store.ApplyPreset(context.Background(), h.organization.ID, preset, store.Operator))
}

func (h *inHubSpot) journal() {
	h.t.Helper()
	h.sql(h.t, `update apps set journal_due_at = now()`)
	_, err := h.service.ReadJournal(context.Background())
	require.NoError(h.t, err)
}

// happens lets the journal be read, and does what the workflows and the relay do.
// It says how many meetings were to be read.
func (h *inHubSpot) happens() (read int) {
	h.t.Helper()
	h.sim.Advance(time.Minute)
	h.journal()
	h.sql(h.t, `update crm_events set next_attempt_at = now() where state = 'received'`)
	records, err := h.store.ClaimCRMRecords(context.Background(), 100)
	require.NoError(h.t, err)
	for _, r := range records {
		followed, err := h.store.FollowCRMRecord(context.Background(), r)
		require.NoError(h.t, err)
		if followed.Meeting {
			read++
			// HubSpot's limits ask for patience, which a workflow has.
			require.Eventually(h.t, func() bool { return h.activities.ReadHubSpotMeeting(context.Background(), r) == nil }, 30*time.Second, 20*time.Millisecond)
		}
	}
	h.understandAll(h.t)
	return read
}

func (h *inHubSpot) add(object string, properties map[string]string) string {
	h.t.Helper()
	record, err := h.sim.Add(h.hub, object, hubspottest.Seed{Properties: properties})
	require.NoError(h.t, err)
	return record.ID
}

func (h *inHubSpot) edit(id string, properties map[string]string) {
	h.t.Helper()
	require.NoError(h.t, h.sim.Edit(h.hub, "meetings", id, properties))
}

func (h *inHubSpot) count(statement string, args ...any) (n int) {
	h.t.Helper()
	conn, err := pgx.Connect(context.Background(), h.databaseURL)
	require.NoError(h.t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(h.t, conn.QueryRow(context.Background(), statement, args...).Scan(&n))
	return n
}

func (h *inHubSpot) one() meeting.Meeting {
	h.t.Helper()
	all := h.meetings(h.t)
	require.Len(h.t, all, 1)
	return all[0].Content
}

// scheduled is a meeting tomorrow of the host and a contact, linked to a deal.
func (h *inHubSpot) scheduled() (id string, start time.Time) {
	h.t.Helper()
	start = h.sim.Now().Add(24 * time.Hour).Truncate(time.Hour).UTC()
	contact := h.add("contacts", map[string]string{"email": "ines@nord.example", "firstname": "Ines", "lastname": "Mora", "jobtitle": "CFO"})
	deal := h.add("deals", map[string]string{"dealname": "Nord", "dealstage": "appointmentscheduled"})
	record, err := h.calendar.Create(context.Background(), hubspot.Meetings, hubspot.CreateInput{Properties: map[string]string{
		"hs_timestamp": hubspot.FormatDateTime(start), "hs_meeting_title": "Nord: pilot", "hs_meeting_start_time": hubspot.FormatDateTime(start),
		"hs_meeting_end_time": hubspot.FormatDateTime(start.Add(30 * time.Minute)), "hubspot_owner_id": h.host.OwnerID,
		"hs_meeting_location": "https://acme.zoom.us/j/91234567890?pwd=secret",
	}})
	require.NoError(h.t, err)
	id = record.ID
	require.NoError(h.t, h.sim.Associate(h.hub, "meetings", id, "contacts", contact, true))
	require.NoError(h.t, h.sim.Associate(h.hub, "meetings", id, "deals", deal, true))
	return id, start
}

func (h *inHubSpot) followed() store.Source {
	h.t.Helper()
	return h.source(h.t, store.HubSpotMeetings, "nobody-knows-it-nobody-needs-it")
}

func TestAMeetingOfHubSpotsIsFollowedFromItsPlanToItsEnd(t *testing.T) {
	t.Parallel()
	h := inHubSpotSetup(t)
	source := h.followed()
	id, start := h.scheduled()
	require.Equal(t, 1, h.happens(), "several events, one reading")
	m := h.one()
	require.Equal(t, meeting.StateScheduled, m.State)
	require.Equal(t, "Nord: pilot", m.Title)
	require.Equal(t, start, m.ScheduledStart)
	require.Equal(t, start.Add(30*time.Minute), m.ScheduledEnd)
	require.Equal(t, meeting.Person{Name: "Dana Host", Email: "dana@acme.example"}, m.Organizer)
	require.Equal(t, "https://acme.zoom.us/j/91234567890", m.Keys.JoinURL)
	require.Len(t, m.Attendees, 1)
	require.Equal(t, "ines@nord.example", m.Attendees[0].Email)
	require.Equal(t, "CFO", m.Attendees[0].JobTitle)
	require.Len(t, m.CRMHints, 1)
	require.Equal(t, []string{"hubspot"}, m.Providers)
	require.Zero(t, h.count(`select count(*) from deliveries where source_id = $1 and origin <> 'poll'`, source.ID))

	require.Zero(t, h.happens(), "nothing happened")
	later := start.Add(2 * time.Hour)
	h.edit(id, map[string]string{"hs_meeting_start_time": hubspot.FormatDateTime(later), "hs_meeting_end_time": hubspot.FormatDateTime(later.Add(time.Hour))})
	require.Equal(t, 1, h.happens())
	m = h.one()
	require.Equal(t, later, m.ScheduledStart)
	require.Equal(t, later.Add(time.Hour), m.ScheduledEnd)

	another := h.add("contacts", map[string]string{"email": "leo@nord.example"})
	require.NoError(t, h.sim.Associate(h.hub, "meetings", id, "contacts", another, true))
	require.Equal(t, 1, h.happens())
	require.Len(t, h.one().Attendees, 2, "a link changes no time of the record")
	require.NoError(t, h.sim.Associate(h.hub, "meetings", id, "contacts", another, false))
	require.Equal(t, 1, h.happens())
	require.Len(t, h.one().Attendees, 1, "who was taken off is off")

	h.edit(id, map[string]string{"hs_meeting_outcome": "COMPLETED"})
	require.Equal(t, 1, h.happens())
	require.Equal(t, meeting.StateScheduled, h.one().State, "completed before it began is a plan")
	h.sim.Advance(28 * time.Hour)
	h.edit(id, map[string]string{"hs_internal_meeting_notes": "<p>They want a pilot.</p>"})
	require.Equal(t, 1, h.happens())
	m = h.one()
	require.Equal(t, meeting.StateEnded, m.State)
	require.True(t, m.HasNotes)
	require.Equal(t, "<p>They want a pilot.</p>", m.Summary.Text)
	require.NotZero(t, h.count(`select count(*) from wakeups`), "its follow-up begins")
	require.Equal(t, 1, h.count(`select count(*) from crm_events where property = 'hs_internal_meeting_notes' and sealed_value is null`), "words stand under their meeting's key")
	require.Zero(t, h.count(`select count(*) from crm_events where state = 'received'`))
	require.Zero(t, h.count(`select count(*) from deliveries where state <> 'understood'`))
}

func TestAMeetingThatIsCalledOffInHubSpot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(h *inHubSpot, id string)
		want meeting.State
	}{
		"canceled": {func(h *inHubSpot, id string) { h.edit(id, map[string]string{"hs_meeting_outcome": "CANCELED"}) }, meeting.StateCanceled},
		"deleted":  {func(h *inHubSpot, id string) { require.NoError(h.t, h.sim.Archive(h.hub, "meetings", id)) }, meeting.StateCanceled},
		"no show":  {func(h *inHubSpot, id string) { h.edit(id, map[string]string{"hs_meeting_outcome": "NO_SHOW"}) }, meeting.StateScheduled},
		"off, and on again": {func(h *inHubSpot, id string) {
			h.edit(id, map[string]string{"hs_meeting_outcome": "CANCELED"})
			h.happens()
			h.edit(id, map[string]string{"hs_meeting_outcome": "SCHEDULED"})
		}, meeting.StateScheduled},
		"deleted, and restored": {func(h *inHubSpot, id string) {
			require.NoError(h.t, h.sim.Archive(h.hub, "meetings", id))
			h.happens()
			require.NoError(h.t, h.sim.Restore(h.hub, "meetings", id))
			h.edit(id, map[string]string{"hs_meeting_title": "Nord, again"})
		}, meeting.StateScheduled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := inHubSpotSetup(t)
			h.followed()
			id, _ := h.scheduled()
			h.happens()
			test.do(h, id)
			require.Equal(t, 1, h.happens())
			require.Equal(t, test.want, h.one().State)
		})
	}
}

// What Debrief wrote about a meeting is no meeting of its own, whoever touches it
// afterwards.
func TestWhatDebriefWroteIsNoMeeting(t *testing.T) {
	t.Parallel()
	h := inHubSpotSetup(t)
	h.followed()
	id, start := h.scheduled()
	h.sql(t, `insert into audit (organization_id, kind, actor, tool, object_type, record_id, connection_id, outcome)
		select organization_id, 'call', 'follow-up', 'meeting.create', 'meeting', '`+id+`', id, 'done' from connections`)
	require.Zero(t, h.happens())
	h.edit(id, map[string]string{"hs_meeting_title": "Renamed by a user", "hs_meeting_start_time": hubspot.FormatDateTime(start.Add(time.Hour))})
	require.Zero(t, h.happens())
	require.Empty(t, h.meetings(t))
	require.Zero(t, h.count(`select count(*) from crm_events where state = 'received'`))
}

func TestHubSpotsMeetingsAreFollowedWhereThatIsWanted(t *testing.T) {
	t.Parallel()
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		h := inHubSpotSetup(t)
		h.scheduled()
		require.Zero(t, h.happens())
		require.Empty(t, h.meetings(t))
	})
	t.Run("disabled", func(t *testing.T) {
		t.Parallel()
		h := inHubSpotSetup(t)
		require.NoError(t, h.store.DisableSource(context.Background(), h.followed().ID, store.Operator))
		h.scheduled()
		require.Zero(t, h.happens())
	})
	for _, missing := range []string{"meeting", "contact", "owner"} {
		t.Run(missing+" may not be read", func(t *testing.T) {
			t.Parallel()
			h := inHubSpotSetup(t)
			h.followed()
			require.NoError(t, h.store.SetPermission(context.Background(), h.organization.ID, policy.Tool{Object: missing, Operation: policy.Read}, policy.Deny, store.Operator))
			h.scheduled()
			require.Equal(t, 1, h.happens())
			require.Empty(t, h.meetings(t))
			require.NotZero(t, h.count(`select count(*) from crm_events where outcome like '%`+missing+`.read is not allowed'`))
			require.NotZero(t, h.count(`select count(*) from audit where outcome = 'refused'`))
		})
	}
	t.Run("a deal may not be read", func(t *testing.T) {
		t.Parallel()
		h := inHubSpotSetup(t)
		h.followed()
		require.NoError(t, h.store.SetPermission(context.Background(), h.organization.ID, policy.Tool{Object: "deal", Operation: policy.Read}, policy.Deny, store.Operator))
		h.scheduled()
		h.happens()
		require.Empty(t, h.one().CRMHints)
	})
	t.Run("the connection is gone for a while", func(t *testing.T) {
		t.Parallel()
		h := inHubSpotSetup(t)
		h.followed()
		h.scheduled()
		h.sql(t, `update connections set state = 'needs_reconnect'`)
		h.happens()
		require.Empty(t, h.meetings(t))
		require.NotZero(t, h.count(`select count(*) from crm_events where state = 'received'`), "nothing is dropped")
		h.sql(t, `update connections set state = 'connected'`)
		require.Equal(t, 1, h.happens())
		h.one()
	})
}

// HubSpot's calendar has what other platforms tell, too.
func TestAMeetingOfHubSpotsIsTheOneThatOthersTellOf(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"hubspot", "zoom"} {
		t.Run(first+" first", func(t *testing.T) {
			t.Parallel()
			h := inHubSpotSetup(t)
			h.followed()
			zoom := h.source(t, "zoom", zoomSecret)
			start := h.sim.Now().Add(24 * time.Hour).Truncate(time.Hour).UTC()
			body := []byte(`{"event":"meeting.created","event_ts":1791300000000,"payload":{"account_id":"HarborAcct_01","object":{"uuid":"nord-1==","id":91234567890,"topic":"Pilot","host_id":"h","start_time":"` + start.Format(time.RFC3339) + `","duration":30}}}`)
			send := func() {
				require.Equal(t, http.StatusOK, h.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)
				h.understandAll(t)
			}
			if first == "zoom" {
				send()
			}
			h.scheduled()
			h.happens()
			if first == "hubspot" {
				send()
			}
			require.Equal(t, []string{"hubspot", "zoom"}, h.one().Providers)
		})
	}
}

func TestNothingIsPostedToASourceOfHubSpotsMeetings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := Platforms()[store.HubSpotMeetings]
	require.True(t, p.Silent())
	require.Error(t, p.CheckSecret(""))
	source := b.source(t, store.HubSpotMeetings, "nobody-knows-it-nobody-needs-it")
	body, err := json.Marshal(store.MeetingRecord{HubID: 1, ID: "2", At: now, Properties: map[string]string{"hs_timestamp": "2026-11-22T09:00:00Z"}})
	require.NoError(t, err)
	header := http.Header{"Authorization": {"Bearer nobody-knows-it-nobody-needs-it"}}
	require.Equal(t, http.StatusUnauthorized, b.send(t, source, header, body).status)
	require.Empty(t, b.meetings(t))
}

func TestWhatARecordOfHubSpotsMeetingsMeans(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	with := func(more map[string]string) map[string]string {
		all := map[string]string{"hs_meeting_start_time": "2026-11-22T09:00:00.000Z", "hs_meeting_end_time": "2026-11-22T09:30:00.000Z"}
		maps.Copy(all, more)
		return all
	}
	for name, test := range map[string]struct {
		properties map[string]string
		want       meeting.EventType
		room       string
		unfit      bool
		check      func(t *testing.T, e meeting.Event)
	}{
		"no outcome":                      {properties: with(nil), want: meeting.Scheduled},
		"completed":                       {properties: with(map[string]string{"hs_meeting_outcome": "COMPLETED", "hs_meeting_body": "<p>What Debrief wrote</p>"}), want: meeting.Ended, check: func(t *testing.T, e meeting.Event) { require.Empty(t, e.Summary.Text) }},
		"completed, in the future":        {properties: map[string]string{"hs_timestamp": "2026-11-23T09:00:00Z", "hs_meeting_outcome": "COMPLETED"}, want: meeting.Scheduled},
		"rescheduled":                     {properties: with(map[string]string{"hs_meeting_outcome": "RESCHEDULED"}), want: meeting.Rescheduled},
		"an outcome of the account's own": {properties: with(map[string]string{"hs_meeting_outcome": "TENTATIVE"}), want: meeting.Scheduled},
		"by its timestamp":                {properties: map[string]string{"hs_timestamp": "1795338000000"}, want: meeting.Scheduled},
		"no start":                        {properties: map[string]string{"hs_meeting_title": "x"}, unfit: true},
		"an end before its start":         {properties: map[string]string{"hs_meeting_start_time": "2026-11-22T09:00:00Z", "hs_meeting_end_time": "2026-11-22T08:00:00Z"}, want: meeting.Scheduled, check: func(t *testing.T, e meeting.Event) { require.True(t, e.ScheduledEnd.IsZero()) }},
		"a conference":                    {properties: with(map[string]string{"hs_video_conference_url": "https://meet.google.com/abc-defg-hij", "hs_meeting_location": "Room 4"}), want: meeting.Scheduled, room: "https://meet.google.com/abc-defg-hij"},
		"a page of a calendar":            {properties: with(map[string]string{"hs_meeting_location": "https://calendar.google.com/calendar/event?eid=1"}), want: meeting.Scheduled},
		"a link that looks like it":       {properties: with(map[string]string{"hs_meeting_location": "https://zoom.us.example/j/91234567890"}), want: meeting.Scheduled},
		"a place":                         {properties: with(map[string]string{"hs_meeting_location": "Harbour street 4"}), want: meeting.Scheduled},
		"an iCalUID":                      {properties: with(map[string]string{"hs_i_cal_uid": "x@calendar.example"}), want: meeting.Scheduled, check: func(t *testing.T, e meeting.Event) { require.Equal(t, "x@calendar.example", e.Keys.ICalUID) }},
	} {
		body, err := json.Marshal(store.MeetingRecord{HubID: 4711, ID: "9", At: at, Properties: test.properties, Host: meeting.Person{Email: "dana@acme.example"}})
		require.NoError(t, err)
		d := Delivery{SourceID: uuid.New(), Body: body}
		events, err := Platforms()[store.HubSpotMeetings].understand(d)
		if test.unfit {
			require.ErrorAs(t, err, &Unfit{}, name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, events, 1)
		e := events[0]
		require.Equal(t, test.want, e.Type, name)
		require.Equal(t, test.room, e.Keys.JoinURL, name)
		require.Equal(t, "4711/9", e.Keys.InstanceID)
		require.Equal(t, at, e.OccurredAt)
		require.Equal(t, "meeting:4711:9:1795348800000", hubspotMeetings{}.Key(d))
		if test.check != nil {
			test.check(t, e)
		}
	}
	for _, body := range []string{``, `{}`, `[]`, `{"hub_id":0,"id":"1"}`, `{"hub_id":1,"properties":{"hs_timestamp":5}}`} {
		_, err := Platforms()[store.HubSpotMeetings].understand(Delivery{Body: []byte(body)})
		require.ErrorAs(t, err, &Unfit{}, body)
	}
}
