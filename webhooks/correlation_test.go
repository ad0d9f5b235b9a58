package webhooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// desk is an organization with sources, whose deliveries come through the endpoint.
type desk struct {
	*bundle
	sources map[string]store.Source
	sent    int
}

// secrets fit every platform of these tests.
var secrets = map[string]store.Secret{
	"zoom": zoomSecret, "calendly": calendlySecret, "calcom": "calcom-harbor-secret", "fathom": standardSecret, "recall": standardSecret,
	"debrief": standardSecret, "circleback": "circleback-harbor-secret", "fireflies": "fireflies-harbor-secret",
}

func newDesk(t *testing.T, b *bundle) *desk {
	t.Helper()
	b.organization = storetest.Organization(t, b.store)
	return &desk{bundle: b, sources: map[string]store.Source{}}
}

// post signs a body as its platform does, and has it understood.
func (d *desk) post(t *testing.T, platform string, body []byte) {
	t.Helper()
	source, found := d.sources[platform]
	if !found {
		source = d.source(t, platform, secrets[platform])
		d.sources[platform] = source
	}
	secret := secrets[platform].Reveal()
	d.sent++
	header := http.Header{"Content-Type": {"application/json"}}
	switch a := Platforms()[platform].authentication.(type) {
	case zoomSignature:
		header = zoomHeader(secret, now, body)
	case calendlySignature:
		header.Set("Calendly-Webhook-Signature", SignCalendly(secret, now, body))
	case bodySignature:
		header.Set(a.header, a.sign(secret, body))
	case standardWebhooks:
		header = standardHeader(t, secret, fmt.Sprintf("msg_%d", d.sent), now, body)
	}
	got := d.send(t, source, header, body)
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.NotContains(t, got.body, "unprocessable", platform)
	d.understandAll(t)
}

func (d *desk) postFile(t *testing.T, name string) {
	t.Helper()
	platform, _, _ := strings.Cut(name, "/")
	d.post(t, platform, fixture(t, name))
}

// inAllOrders posts the deliveries in each order, each to an organization of its
// own, and requires the same meetings of all.
func inAllOrders(t *testing.T, deliveries []string, check func(t *testing.T, found []store.Meeting)) {
	t.Helper()
	b := setup(t)
	var want string
	var walk func(done, left []string)
	walk = func(done, left []string) {
		if len(left) > 0 {
			for i := range left {
				rest := append(append([]string{}, left[:i]...), left[i+1:]...)
				walk(append(append([]string{}, done...), left[i]), rest)
			}
			return
		}
		d := newDesk(t, b)
		for _, name := range done {
			d.postFile(t, name)
		}
		found := d.meetings(t)
		contents := make([]meeting.Meeting, 0, len(found))
		for _, m := range found {
			contents = append(contents, m.Content)
		}
		raw, err := json.Marshal(contents)
		require.NoError(t, err)
		if want == "" {
			want = string(raw)
			check(t, found)
		}
		require.Equal(t, want, string(raw), "%v", done)
	}
	walk(nil, deliveries)
}

// One call through a scheduler, the platform that it was held on, and a notetaker
// that knows neither's names: one meeting, in all six orders.
func TestThreePlatformsMakeOneMeeting(t *testing.T) {
	t.Parallel()
	for name, deliveries := range map[string][]string{
		"Calendly, Zoom, Fathom":      {"calendly/invitee.created.json", "zoom/meeting.created.json", "fathom/new_meeting_content_ready.json"},
		"Cal.com, Recall, Circleback": {"calcom/BOOKING_CREATED.json", "recall/bot.call_ended.json", "circleback/notes.json"},
		"Cal.com, and Zoom's two":     {"calcom/BOOKING_CREATED.json", "zoom/meeting.ended.json", "zoom/meeting.summary_completed.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inAllOrders(t, deliveries, func(t *testing.T, found []store.Meeting) {
				t.Helper()
				require.Len(t, found, 1)
				m := found[0].Content
				require.Equal(t, meeting.StateEnded, m.State)
				require.Equal(t, two, m.ScheduledStart)
				require.Equal(t, ines.Email, m.Organizer.Email)
			})
		})
	}
}

// A Calendly reschedule is a move, whatever of it comes first; so is Cal.com's.
func TestARescheduleIsAMove(t *testing.T) {
	t.Parallel()
	for name, deliveries := range map[string][]string{
		"Calendly": {"calendly/invitee.created.json", "calendly/invitee.canceled.rescheduled.json", "calendly/invitee.created.rescheduled.json"},
		"Cal.com":  {"calcom/BOOKING_CREATED.json", "calcom/BOOKING_RESCHEDULED.json", "calcom/MEETING_ENDED.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inAllOrders(t, deliveries, func(t *testing.T, found []store.Meeting) {
				t.Helper()
				require.Len(t, found, 1)
				require.Equal(t, meeting.StateScheduled, found[0].Content.State, "neither off nor over")
				require.Equal(t, time.Date(2026, 10, 8, 9, 0, 0, 0, time.UTC), found[0].Content.ScheduledStart)
				require.Nil(t, found[0].FirstWordAt, "a scheduled end begins no follow-up")
			})
		})
	}
}

func TestACancellationIsOne(t *testing.T) {
	t.Parallel()
	for _, deliveries := range [][]string{
		{"calendly/invitee.created.json", "calendly/invitee.canceled.json"},
		{"calcom/BOOKING_CREATED.json", "calcom/BOOKING_CANCELLED.json"},
		{"zoom/meeting.created.json", "zoom/meeting.deleted.json"},
		{"zoom/scheduler.scheduled_event_created.json", "zoom/scheduler.scheduled_event_canceled.json"},
	} {
		inAllOrders(t, deliveries, func(t *testing.T, found []store.Meeting) {
			t.Helper()
			require.Len(t, found, 1, "%v", deliveries)
			require.Equal(t, meeting.StateCanceled, found[0].Content.State, "%v", deliveries)
		})
	}
}

func zoomEnded(id string, number int, start time.Time, minutes int) []byte {
	return fmt.Appendf(nil, `{"event":"meeting.ended","event_ts":%d,"payload":{"account_id":"HarborAcct_01","object":{
		"uuid":%q,"id":%d,"topic":"T","host_id":"h","start_time":%q,"end_time":%q}}}`,
		start.Add(time.Duration(minutes)*time.Minute).UnixMilli(), id, number, start.Format(time.RFC3339), start.Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339))
}

func fathomOf(t *testing.T, recording int, scheduled time.Time, minutes int) []byte {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal(fixture(t, "fathom/new_meeting_content_ready.json"), &body))
	body["recording_id"] = recording
	body["scheduled_start_time"], body["scheduled_end_time"] = scheduled.Format(time.RFC3339), scheduled.Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339)
	body["recording_start_time"], body["recording_end_time"] = scheduled.Add(time.Minute).Format(time.RFC3339), scheduled.Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339)
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	return raw
}

func own(t *testing.T, typ, at string, data map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"type": typ, "timestamp": at, "data": data})
	require.NoError(t, err)
	return raw
}

// What only looks alike stays apart.
func TestLookAlikesStayApart(t *testing.T) { //nolint:tparallel // one receiver
	t.Parallel()
	b := setup(t)
	starts := func(t *testing.T, d *desk) []time.Time {
		t.Helper()
		var all []time.Time
		for _, m := range d.meetings(t) {
			all = append(all, m.Content.Start())
		}
		return all
	}
	t.Run("a weekly series, and one of it moved", func(t *testing.T) {
		d := newDesk(t, b)
		weekly := func(typ, at string, start time.Time, keys map[string]any) {
			keys["ical_uid"] = "weekly@calendar.harbor.example"
			d.post(t, "debrief", own(t, typ, at, map[string]any{
				"keys": keys, "scheduled_start": start.Format(time.RFC3339), "scheduled_end": start.Add(30 * time.Minute).Format(time.RFC3339),
			}))
		}
		for week := range 4 {
			weekly("meeting.scheduled", "2026-10-01T09:00:00Z", two.AddDate(0, 0, 7*week), map[string]any{})
		}
		weekly("meeting.rescheduled", "2026-10-02T09:00:00Z", two.AddDate(0, 0, 9), map[string]any{"previous_start": two.AddDate(0, 0, 7).Format(time.RFC3339)})
		require.Equal(t, []time.Time{two.AddDate(0, 0, 21), two.AddDate(0, 0, 14), two.AddDate(0, 0, 9), two}, starts(t, d))
		// Its notes come under the new time.
		weekly("meeting.notes_ready", "2026-10-15T15:00:00Z", two.AddDate(0, 0, 9), map[string]any{})
		require.Len(t, d.meetings(t), 4)
	})
	t.Run("a personal room twice in an hour", func(t *testing.T) {
		d := newDesk(t, b)
		d.post(t, "zoom", zoomEnded("first==", 5551112222, two, 12))
		d.post(t, "zoom", zoomEnded("second==", 5551112222, two.Add(14*time.Minute), 20))
		require.Len(t, d.meetings(t), 2, "Zoom tells them apart")
		// A notetaker that knows the room and the start alone finds the nearer one.
		d.post(t, "debrief", own(t, "meeting.notes_ready", "2026-10-06T14:40:00Z", map[string]any{
			"provider": "notes", "keys": map[string]any{"recording_id": "r", "join_url": "https://zoom.us/j/5551112222"},
			"actual_start": two.Add(13 * time.Minute).Format(time.RFC3339), "summary": map[string]any{"format": "text", "text": "N"},
		}))
		found := d.meetings(t)
		require.Len(t, found, 2)
		for _, m := range found {
			require.Equal(t, m.Content.Keys.InstanceID == "second==", m.Content.HasNotes && m.Content.Summary.Text == "N")
		}
	})
	t.Run("slots of a quarter of an hour in one room", func(t *testing.T) {
		d := newDesk(t, b)
		slot := func(i int) []byte {
			body := bytes.ReplaceAll(fixture(t, "calendly/invitee.created.json"), []byte("HARBOREV1"), fmt.Appendf(nil, "SLOT%d", i))
			body = bytes.Replace(body, []byte("2026-10-06T14:45:00.000000Z"), []byte(two.Add(time.Duration(15*i+15)*time.Minute).Format(time.RFC3339)), 1)
			return bytes.Replace(body, []byte("2026-10-06T14:00:00.000000Z"), []byte(two.Add(time.Duration(15*i)*time.Minute).Format(time.RFC3339)), 1)
		}
		for i := range 4 {
			d.post(t, "calendly", slot(i))
		}
		for i := range 4 { // each begins a minute early
			d.post(t, "zoom", zoomEnded(fmt.Sprintf("slot%d==", i), 84412345678, two.Add(time.Duration(15*i-1)*time.Minute), 14))
		}
		found := d.meetings(t)
		require.Len(t, found, 4)
		for _, m := range found {
			require.Equal(t, []string{"calendly", "zoom"}, m.Content.Providers)
			require.Equal(t, m.Content.ScheduledStart.Add(-time.Minute), m.Content.ActualStart)
		}
	})
	t.Run("back to back, the same people", func(t *testing.T) {
		d := newDesk(t, b)
		for i := range 4 {
			d.post(t, "fathom", fathomOf(t, 100+i, two.Add(time.Duration(15*i)*time.Minute), 15))
		}
		require.Len(t, d.meetings(t), 4)
		// A colleague's recording of the second one is the second one.
		d.post(t, "fathom", fathomOf(t, 200, two.Add(15*time.Minute), 15))
		require.Len(t, d.meetings(t), 4)
	})
	t.Run("two bookings of the same people at the same time", func(t *testing.T) {
		d := newDesk(t, b)
		d.postFile(t, "calendly/invitee.created.json")
		d.post(t, "calendly", bytes.ReplaceAll(fixture(t, "calendly/invitee.created.json"), []byte("HARBOREV1"), []byte("HARBOREV9")))
		require.Len(t, d.meetings(t), 2, "Calendly says that they are two")
	})
	t.Run("colleagues with two things at once", func(t *testing.T) {
		d := newDesk(t, b)
		at := func(id string) {
			d.post(t, "debrief", own(t, "meeting.scheduled", "2026-10-01T09:00:00Z", map[string]any{
				"keys": map[string]any{"ical_uid": id}, "scheduled_start": two.Format(time.RFC3339),
				"organizer": map[string]any{"email": "a@harbor.example"}, "attendees": []map[string]any{{"email": "b@harbor.example"}},
			}))
		}
		at("standup")
		at("review")
		require.Len(t, d.meetings(t), 2)
	})
}

// exclude sets the rules of the desk's organization.
func (d *desk) exclude(t *testing.T, domains []string, x meeting.Exclusions) {
	t.Helper()
	settings := d.organization.Settings
	settings.Exclusions = x
	require.NoError(t, d.store.UpdateSettings(t.Context(), d.organization.ID, domains, settings, store.Operator))
}

func (d *desk) states(t *testing.T) map[store.DeliveryState]int {
	t.Helper()
	all, err := d.store.Deliveries(t.Context(), store.DeliveryFilter{OrganizationID: d.organization.ID})
	require.NoError(t, err)
	found := map[store.DeliveryState]int{}
	for _, delivery := range all {
		found[delivery.State]++
		if delivery.State == store.DeliveryExcluded {
			require.False(t, delivery.HasBody, "its content is dropped")
			require.NotEmpty(t, delivery.Reason)
		}
	}
	return found
}

func TestExcluded(t *testing.T) { //nolint:tparallel // one receiver
	t.Parallel()
	b := setup(t)
	internal := []string{"harbor.example", "northwind.example"}
	for name, tc := range map[string]struct {
		domains    []string
		exclusions meeting.Exclusions
		want       meeting.Exclusion
	}{
		"colleagues alone":           {domains: internal, want: "internal"},
		"colleagues, wanted":         {domains: internal, exclusions: meeting.Exclusions{KeepInternal: true}},
		"somebody from outside":      {domains: []string{"harbor.example"}},
		"nobody said who is who":     {domains: nil},
		"a word of the title":        {domains: []string{"harbor.example"}, exclusions: meeting.Exclusions{TitleWords: []string{"RENEWAL"}}, want: "title word: renewal"},
		"a part of a word":           {domains: []string{"harbor.example"}, exclusions: meeting.Exclusions{TitleWords: []string{"new"}}},
		"the host":                   {domains: []string{"harbor.example"}, exclusions: meeting.Exclusions{Hosts: []string{"Ines@harbor.example"}}, want: "host: ines@harbor.example"},
		"a guest is no host":         {domains: []string{"harbor.example"}, exclusions: meeting.Exclusions{Hosts: []string{tom.Email}}},
		"a domain":                   {domains: []string{"harbor.example"}, exclusions: meeting.Exclusions{Domains: []string{"@northwind.example"}}, want: "domain: northwind.example"},
		"the end of a domain's name": {domains: []string{"harbor.example"}, exclusions: meeting.Exclusions{Domains: []string{"wind.example"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, b)
			d.exclude(t, tc.domains, tc.exclusions)
			d.postFile(t, "zoom/meeting.created.json")
			d.postFile(t, "zoom/meeting.ended.json") // names nobody and has no list
			d.postFile(t, "zoom/meeting.summary_completed.json")
			found := d.meetings(t)
			require.Len(t, found, 1)
			require.Equal(t, tc.want, found[0].Excluded)
			if tc.want == "" {
				require.NotEmpty(t, found[0].Content.Summary.Text)
				require.Equal(t, map[store.DeliveryState]int{store.DeliveryUnderstood: 3}, d.states(t))
				return
			}
			require.Equal(t, meeting.Meeting{}, found[0].Content)
			require.Nil(t, found[0].FirstWordAt, "it begins no follow-up")
			require.Equal(t, map[store.DeliveryState]int{store.DeliveryExcluded: 3}, d.states(t))
		})
	}
}

// What was kept before it could be known is dropped when it is known, and what
// comes after somebody from outside is kept.
func TestExclusionsFollowWhatIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := newDesk(t, b)
	d.exclude(t, []string{"harbor.example", "northwind.example"}, meeting.Exclusions{})
	d.postFile(t, "zoom/meeting.participant_joined.host.json")
	d.postFile(t, "zoom/meeting.participant_joined.guest.json")
	require.Empty(t, d.meetings(t)[0].Excluded, "others may still join")
	d.postFile(t, "zoom/meeting.ended.json")
	require.Equal(t, meeting.ExcludedInternal, d.meetings(t)[0].Excluded, "it is over: nobody else came")
	require.Equal(t, map[store.DeliveryState]int{store.DeliveryExcluded: 3}, d.states(t))

	stranger := bytes.ReplaceAll(fixture(t, "zoom/meeting.participant_joined.guest.json"), []byte("tom.okafor@northwind.example"), []byte("eve@fabrikam.example"))
	d.post(t, "zoom", bytes.Replace(stranger, []byte("A1B2C3D4-guest"), []byte("A1B2C3D4-eve"), 1))
	d.postFile(t, "zoom/meeting.summary_completed.json")
	m := d.meetings(t)[0]
	require.Empty(t, m.Excluded)
	require.NotEmpty(t, m.Content.Summary.Text)
	require.NotNil(t, m.FirstWordAt)

	// A rule that is taken back drops nothing any more.
	d = newDesk(t, b)
	d.exclude(t, []string{"harbor.example"}, meeting.Exclusions{TitleWords: []string{"renewal"}})
	d.postFile(t, "zoom/meeting.created.json")
	d.exclude(t, []string{"harbor.example"}, meeting.Exclusions{})
	d.postFile(t, "zoom/meeting.summary_completed.json")
	require.Empty(t, d.meetings(t)[0].Excluded)
	require.Equal(t, map[store.DeliveryState]int{store.DeliveryExcluded: 1, store.DeliveryUnderstood: 1}, d.states(t))

	private := own(t, "meeting.notes_ready", "2026-10-06T14:50:00Z", map[string]any{"keys": map[string]any{"instance_id": "p"}, "private": true, "summary": map[string]any{"format": "text", "text": "planted"}})
	d.post(t, "debrief", private)
	require.Equal(t, 2, d.states(t)[store.DeliveryExcluded])
}

// Only who signs learns a source's bounds, and what is over them is not lost where
// the platform sends it again.
func TestBoundsOfASource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.source(t, "zoom", zoomSecret)
	require.NoError(t, b.store.SetSource(t.Context(), source.ID, store.SourceSettings{RateLimit: 2, BodyLimit: 4 << 10}, store.Operator))
	large := append(fixture(t, "zoom/meeting.ended.json"), bytes.Repeat([]byte(" "), 5<<10)...)
	require.Equal(t, http.StatusRequestEntityTooLarge, b.send(t, source, zoomHeader(zoomSecret, now, large), large).status)
	require.Equal(t, http.StatusUnauthorized, b.send(t, source, zoomHeader("another-secret-token", now, large), large).status, "a forger is not told")
	unknown := send(t, b.url+"/webhooks/"+uuid.NewString(), zoomHeader(zoomSecret, now, large), bytes.NewReader(large))
	require.Equal(t, http.StatusUnauthorized, unknown.status)

	var last response
	for i := range 3 {
		for range 5 { // forgeries use up nothing
			body := zoomEnded("forged", 9, two, 1)
			require.Equal(t, http.StatusUnauthorized, b.send(t, source, zoomHeader("another-secret-token", now, body), body).status)
		}
		body := zoomEnded(fmt.Sprint(i), i, two, 30)
		last = b.send(t, source, zoomHeader(zoomSecret, now, body), body)
		if i < 2 {
			require.Equal(t, http.StatusOK, last.status)
		}
	}
	require.Equal(t, http.StatusServiceUnavailable, last.status, "a platform sends that again; a 4xx it would not")
	require.Equal(t, "31", last.header.Get("Retry-After"))
	require.Len(t, b.stored(t), 2)
	require.Equal(t, uint64(1), b.receiver.Counts()["too many"])
}

// A platform that Debrief does not know, from a definition that the source carries.
func TestOwnDefinition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source, err := b.store.CreateSource(t.Context(), store.NewSource{
		OrganizationID: &b.organization.ID, Platform: "acme-notes", Name: "acme", Secrets: []store.Secret{"acme-notes-secret"},
		Settings: store.SourceSettings{Definition: "name: acme-notes\ntitle: Acme\nverify: {scheme: body-hmac, header: X-Acme}\nevents: [{type: meeting.notes_ready}]\nmeeting: {instance_id: id, title: t}"},
	}, store.Operator)
	require.NoError(t, err)
	body := []byte(`{"id":4711,"t":"Renewal"}`)
	header := http.Header{"X-Acme": {bodySignature{}.sign("acme-notes-secret", body)}}
	require.Equal(t, http.StatusOK, b.send(t, source, header, body).status)
	require.Equal(t, http.StatusUnauthorized, b.send(t, source, header, []byte(`{"id":4712,"t":"Renewal"}`)).status)
	require.Equal(t, http.StatusOK, b.send(t, source, header, body).status)
	b.understandAll(t)
	require.Equal(t, "Renewal", b.meetings(t)[0].Content.Title)
	require.Equal(t, "4711", b.meetings(t)[0].Content.Keys.InstanceID)
	require.Equal(t, 1, b.stored(t)[0].Duplicates, "it came twice")
}
