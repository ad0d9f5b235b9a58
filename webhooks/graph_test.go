package webhooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

const (
	graphSecret    = "harbor-client-state-0123456789abcdef"
	oldGraphSecret = "harbor-client-state-of-last-year-00"
	graphTenantID  = "c3a1b7d2-9999-4888-8777-666655554444"
)

// withState is a fixture as Graph sends it, each notification with a clientState.
func withState(t testing.TB, name, state string) []byte {
	t.Helper()
	var batch struct {
		Value []map[string]any `json:"value"`
	}
	require.NoError(t, json.Unmarshal(fixture(t, "microsoft/"+name+".json"), &batch))
	for _, item := range batch.Value {
		item["clientState"] = state
	}
	raw, err := json.Marshal(batch)
	require.NoError(t, err)
	return raw
}

// join makes one batch of several.
func join(t testing.TB, bodies ...[]byte) []byte {
	t.Helper()
	var all graphBatch
	for _, body := range bodies {
		var one graphBatch
		require.NoError(t, json.Unmarshal(body, &one))
		all.Value = append(all.Value, one.Value...)
		all.ValidationTokens = append(all.ValidationTokens, one.ValidationTokens...)
	}
	raw, err := json.Marshal(all)
	require.NoError(t, err)
	return raw
}

var graphHeader = http.Header{"Content-Type": {"application/json; charset=utf-8"}}

// The challenge is answered with itself as plain text, for every source alike and
// for none, and only if it can be nothing else.
func TestGraphChallenge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	graph := b.source(t, "microsoft", graphSecret)
	zoom := b.source(t, "zoom", zoomSecret)
	const token = "Validation: Testing client application reachability for subscription Request-Id: 522a8e7e-096a-494c-aaf1-ac0dcfca45b7"
	ask := func(id, query string) response {
		got := send(t, b.url+"/webhooks/"+id+query, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, http.NoBody)
		got.header.Del("Date")
		return got
	}
	want := ask(graph.ID.String(), "?validationToken="+url.QueryEscape(token))
	require.Equal(t, http.StatusOK, want.status)
	require.Equal(t, token, want.body)
	require.Equal(t, "text/plain; charset=utf-8", want.header.Get("Content-Type"))
	require.Equal(t, "nosniff", want.header.Get("X-Content-Type-Options"))
	require.Equal(t, "default-src 'none'; sandbox", want.header.Get("Content-Security-Policy"))
	for _, id := range []string{zoom.ID.String(), uuid.NewString(), "zoom", graph.ID.String() + "/"} {
		require.Equal(t, want, ask(id, "?validationToken="+url.PathEscape(token)), "who asks learns of no source")
	}
	refused := ask(uuid.NewString(), "")
	require.Equal(t, http.StatusUnauthorized, refused.status)
	for name, query := range map[string]string{
		"empty": "?validationToken=", "HTML": "?validationToken=" + url.QueryEscape("<script>alert(1)</script>"), "a quote": "?validationToken=%22", "an entity": "?validationToken=%26lt%3B",
		"a line feed": "?validationToken=a%0Ab", "a NUL": "?validationToken=a%00", "beyond ASCII": "?validationToken=%C3%A9", "invalid UTF-8": "?validationToken=%ff",
		"a template": "?validationToken=%7B%7B7*7%7D%7D", "too long": "?validationToken=" + strings.Repeat("a", 1001), "twice": "?validationToken=a&validationToken=b", "another name": "?xvalidationToken=a",
	} {
		require.Equal(t, refused, ask(graph.ID.String(), query), name)
	}
	require.Equal(t, http.StatusOK, ask(graph.ID.String(), "?validationToken="+strings.Repeat("a", 1000)).status)
	require.Empty(t, b.stored(t))
}

// Each notification is judged by itself: what is ours is kept, without the secret,
// and what is not leaves nothing. The sender learns it of none.
func TestGraphItemByItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ours, strangers := withState(t, "event.created", graphSecret), withState(t, "callrecord.created", "another-client-state-0123456789")
	for name, tc := range map[string]struct {
		body []byte
		kept []string // resources
	}{
		"ours":                        {ours, []string{"event"}},
		"ours and a stranger's":       {join(t, strangers, ours), []string{"event"}},
		"under the older secret":      {withState(t, "event.created", oldGraphSecret), []string{"event"}},
		"under both secrets":          {join(t, withState(t, "transcript.created", oldGraphSecret), ours, strangers), []string{"transcript", "event"}},
		"a stranger's":                {strangers, nil},
		"no state":                    {fixture(t, "microsoft/event.created.json"), nil},
		"an empty state":              {withState(t, "event.created", ""), nil},
		"a state that begins so":      {withState(t, "event.created", graphSecret[:20]), nil},
		"a state in another case":     {withState(t, "event.created", strings.ToUpper(graphSecret)), nil},
		"a state that is a list":      {[]byte(`{"value":[{"clientState":["` + graphSecret + `"]}]}`), nil},
		"a state that is null":        {[]byte(`{"value":[{"clientState":null}]}`), nil},
		"a state beside the list":     {[]byte(`{"clientState":"` + graphSecret + `","value":[{}]}`), nil},
		"an empty list":               {[]byte(`{"value":[]}`), nil},
		"no list":                     {[]byte(`{"value":{}}`), nil},
		"null":                        {[]byte(`null`), nil},
		"nothing":                     {nil, nil},
		"no JSON":                     {[]byte(`clientState=` + graphSecret), nil},
		"truncated":                   {ours[:len(ours)-2], nil},
		"something behind it":         {append(bytes.Clone(ours), `{}`...), nil},
		"100,000 deep":                {[]byte(strings.Repeat("[", 100_000)), nil},
		"more than Graph sends":       {[]byte(`{"value":[` + strings.Repeat(`{"clientState":"`+graphSecret+`"},`, 1000) + `{}]}`), nil},
		"numbers for notifications":   {[]byte(`{"value":[1,2,3]}`), nil},
		"compressed":                  {[]byte("\x1f\x8b\x08\x00" + graphSecret), nil},
		"ten megabytes of strangers'": {[]byte(`{"value":[{"clientState":"` + strings.Repeat("a", 9<<20) + `"}]}`), nil},
	} {
		source := b.source(t, "microsoft", graphSecret, oldGraphSecret)
		got := b.send(t, source, graphHeader, tc.body)
		stored, err := b.store.Deliveries(t.Context(), store.DeliveryFilter{SourceID: source.ID})
		require.NoError(t, err)
		if tc.kept == nil {
			require.Equal(t, http.StatusUnauthorized, got.status, name)
			require.Empty(t, stored, name)
			continue
		}
		require.Equal(t, http.StatusAccepted, got.status, "%s: %s", name, got.body)
		require.Len(t, stored, 1, name)
		body, err := b.store.Body(t.Context(), stored[0].ID)
		require.NoError(t, err)
		require.NotContains(t, string(body), "clientState", name)
		require.NotContains(t, string(body), "client-state", name)
		notices, _, err := readGraphNotices(body)
		require.NoError(t, err)
		require.Len(t, notices, len(tc.kept), name)
		for i, want := range tc.kept {
			require.Contains(t, strings.ToLower(notices[i].Resource), want, name)
		}
		again := b.send(t, source, graphHeader, tc.body)
		require.Equal(t, http.StatusAccepted, again.status, name)
		require.Contains(t, again.body, "duplicate", name)
	}
}

func TestGraphSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "short", strings.Repeat("a", 40), strings.Repeat("ab", 65), " " + graphSecret} {
		require.Error(t, graphState{}.CheckSecret(secret), secret)
		body := []byte(fmt.Sprintf(`{"value":[{"clientState":%q}]}`, secret))
		require.Equal(t, WrongSignature, graphState{}.Verify(Request{Body: body}, secret, now))
		require.NotContains(t, string(graphState{}.Proven(body, []store.Secret{store.Secret(secret)})), "{}")
	}
	require.NoError(t, graphState{}.CheckSecret(graphSecret))
}

func TestGraphKeys(t *testing.T) {
	t.Parallel()
	p := Platforms()["microsoft"]
	for name, want := range map[string]string{
		"event.created":             `event:AAkALgHarborRenewal=:W/"DwAAABYAAAHarbor01"`,
		"event.updated":             `event:AAkALgHarborRenewal=:W/"DwAAABYAAAHarbor02"`,
		"event.deleted":             "event.deleted:AAkALgHarborRenewal=",
		"transcript.created":        "transcript:MSMjdHJhbnNjcmlwdC1vbmU:created",
		"callrecord.created":        `call:e5a1f0c7-0a0b-4c0d-8e0f-101112131415:W/"1"`,
		"lifecycle.reauthorization": "lifecycle:5d1c8d3e-6f0a-4a43-9d0e-2f1f0b6c7a11:reauthorizationRequired:2026-10-08T13:00:00.0000000+00:00:",
	} {
		d := Delivery{Body: fixture(t, "microsoft/"+name+".json")}
		require.Equal(t, want, p.key(d), name)
		require.Equal(t, strings.HasPrefix(name, "lifecycle"), graphMapping{}.LookAgain(d), name)
		require.Equal(t, !strings.HasPrefix(name, "lifecycle"), graphMapping{}.Thin(d), name)
	}
	both := Delivery{Body: join(t, fixture(t, "microsoft/event.deleted.json"), fixture(t, "microsoft/transcript.created.json"))}
	require.Equal(t, "event.deleted:AAkALgHarborRenewal=+transcript:MSMjdHJhbnNjcmlwdC1vbmU:created", p.key(both))
}

// What Graph alone says, without the credentials to ask: little, and no more is made
// of it.
func TestGraphAlone(t *testing.T) {
	t.Parallel()
	understand := func(name string) ([]meeting.Event, error) {
		return Platforms()["microsoft"].understand(Delivery{Body: fixture(t, "microsoft/"+name+".json")})
	}
	for _, name := range []string{"event.created", "event.updated", "callrecord.created", "lifecycle.reauthorization"} {
		got, err := understand(name)
		require.NoError(t, err, "it is kept, to be asked about")
		require.Empty(t, got, name)
	}
	_, err := Platforms()["microsoft"].understand(Delivery{Body: []byte(`{"value":[{"changeType":"created","resource":"teams/1/channels/2/messages/3"}]}`)})
	require.Equal(t, Unfit{"Debrief does not use this kind of Microsoft Graph's notifications"}, err)
	got, err := understand("transcript.created")
	require.NoError(t, err)
	require.Equal(t, []meeting.Event{{
		Type: meeting.TranscriptReady, DedupeKey: "transcript:MSMjdHJhbnNjcmlwdC1vbmU:created", Provider: "microsoft", ProviderEventType: "transcript.created",
		ProviderAccountID: graphTenantID, Details: meeting.Details{
			Keys:       meeting.Keys{RecordingID: "MSMjdHJhbnNjcmlwdC1vbmU", ProviderMeetingID: "MSpoYXJib3ItcmVuZXdhbA"},
			Transcript: meeting.Transcript{Status: "ready", Ref: "MSMjdHJhbnNjcmlwdC1vbmU"},
		},
	}}, got)
	got, err = understand("event.deleted")
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, meeting.Canceled, got[0].Type)
	require.Equal(t, "AAkALgHarborRenewal=", got[0].Keys.InstanceID)
}

func graphEventOf(change func(*graphEvent)) graphEvent {
	e := graphEvent{
		ID: "AAkALgHarborRenewal=", ETag: `W/"DwAAABYAAAHarbor01"`, ICalUID: "040000008200E00074C5B7101A82E008-harbor", Type: "singleInstance",
		Subject: "Harbor and Northwind: renewal", IsOrganizer: true, Sensitivity: "normal", Zone: "Europe/Lisbon", LastModified: moment(now.Add(-24 * time.Hour)),
		Start: graphTime{"2026-10-06T14:00:00.0000000", "UTC"}, End: graphTime{"2026-10-06T14:45:00.0000000", "UTC"},
	}
	_ = json.Unmarshal([]byte(`{
		"organizer": {"emailAddress": {"name": "Inês Duarte", "address": "ines@harbor.example"}},
		"attendees": [
			{"type": "required", "status": {"response": "accepted"}, "emailAddress": {"name": "Tom Okafor", "address": "Tom.Okafor@northwind.example"}},
			{"type": "optional", "status": {"response": "tentativelyAccepted"}, "emailAddress": {"name": "Lena Sato", "address": "lena@northwind.example"}},
			{"type": "required", "status": {"response": "organizer"}, "emailAddress": {"name": "Inês Duarte", "address": "INES@harbor.example"}},
			{"type": "resource", "status": {"response": "none"}, "emailAddress": {"name": "Room 4", "address": "room4@harbor.example"}}],
		"onlineMeeting": {"joinUrl": "https://teams.microsoft.com/l/meetup-join/19%3ameeting_harbor%40thread.v2/0?context=%7b%22Tid%22%7d"}}`), &e)
	if change != nil {
		change(&e)
	}
	return e
}

func found(t testing.TB, body []byte, f graphFound) Delivery {
	t.Helper()
	notices, _, err := readGraphNotices(body)
	require.NoError(t, err)
	raw, err := json.Marshal(graphFetched{Found: map[string]*graphFound{notices[0].key(): &f}})
	require.NoError(t, err)
	return Delivery{Body: body, Fetched: raw, ReceivedAt: now}
}

func TestGraphEvents(t *testing.T) {
	t.Parallel()
	p := Platforms()["microsoft"]
	start := time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC)
	want := meeting.Event{
		Type: meeting.Scheduled, DedupeKey: `event:AAkALgHarborRenewal=:W/"DwAAABYAAAHarbor01"`, OccurredAt: now.Add(-24 * time.Hour),
		Provider: "microsoft", ProviderEventType: "event.created", ProviderAccountID: graphTenantID,
		Details: meeting.Details{
			Keys: meeting.Keys{
				InstanceID: "040000008200E00074C5B7101A82E008-harbor", PreviousInstanceID: "AAkALgHarborRenewal=", ICalUID: "040000008200E00074C5B7101A82E008-harbor",
				CalendarEventID: "AAkALgHarborRenewal=", JoinURL: "https://teams.microsoft.com/l/meetup-join/19%3ameeting_harbor%40thread.v2/0",
			},
			Title: "Harbor and Northwind: renewal", TimeZone: "Europe/Lisbon", ScheduledStart: start, ScheduledEnd: start.Add(45 * time.Minute),
			Organizer: meeting.Person{Name: "Inês Duarte", Email: "ines@harbor.example"},
			Attendees: []meeting.Attendee{
				{Person: meeting.Person{Name: "Inês Duarte", Email: "ines@harbor.example"}, Role: "host"},
				{Person: meeting.Person{Name: "Tom Okafor", Email: "tom.okafor@northwind.example"}, Role: "invitee", Response: "accepted"},
				{Person: meeting.Person{Name: "Lena Sato", Email: "lena@northwind.example"}, Role: "invitee", Response: "tentative"},
			},
		},
	}
	e := graphEventOf(nil)
	got, err := p.understand(found(t, fixture(t, "microsoft/event.created.json"), graphFound{Event: &e}))
	require.NoError(t, err)
	require.Equal(t, []meeting.Event{want}, got)

	for name, tc := range map[string]struct {
		fixture string
		change  func(*graphEvent)
		want    meeting.EventType
		unfit   string
	}{
		"moved":                           {fixture: "event.updated", want: meeting.Rescheduled},
		"called off":                      {fixture: "event.updated", change: func(e *graphEvent) { e.IsCancelled = true }, want: meeting.Canceled},
		"deleted, and still to be read":   {fixture: "event.deleted", want: meeting.Canceled},
		"deleted by one who was invited":  {fixture: "event.deleted", change: func(e *graphEvent) { e.IsOrganizer = false }, unfit: "somebody who was invited took it out of their own calendar; the meeting stands"},
		"all day":                         {fixture: "event.created", change: func(e *graphEvent) { e.IsAllDay = true }, unfit: "an event that lasts all day is no meeting"},
		"nobody invited":                  {fixture: "event.created", change: func(e *graphEvent) { e.Attendees = nil }, unfit: "an event that nobody is invited to is no meeting"},
		"no iCalUId":                      {fixture: "event.created", change: func(e *graphEvent) { e.ICalUID = "" }, unfit: "the event has no iCalUId"},
		"a zone that only Windows knows":  {fixture: "event.created", change: func(e *graphEvent) { e.Start.TimeZone = "W. Europe Standard Time" }, unfit: "a time's zone is not known by that name"},
		"no time":                         {fixture: "event.created", change: func(e *graphEvent) { e.Start.DateTime = "tomorrow" }, unfit: "a time can't be read"},
		"an end before the start":         {fixture: "event.created", change: func(e *graphEvent) { e.Start, e.End = e.End, e.Start }, unfit: "scheduled_end is before the start"},
		"a series with nothing to come":   {fixture: "event.created", change: func(e *graphEvent) { e.Type = "seriesMaster" }, unfit: "no occurrence of the series lies in the weeks ahead"},
		"the copy of one who was invited": {fixture: "event.created", change: func(e *graphEvent) { e.IsOrganizer = false }, want: meeting.Scheduled},
	} {
		e := graphEventOf(tc.change)
		got, err := p.understand(found(t, fixture(t, "microsoft/"+tc.fixture+".json"), graphFound{Event: &e}))
		if tc.unfit != "" {
			require.Equal(t, Unfit{tc.unfit}, err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, got, 1, name)
		require.Equal(t, tc.want, got[0].Type, name)
		require.Equal(t, e.IsOrganizer, got[0].Keys.PreviousInstanceID != "", name)
	}
	private := graphEventOf(func(e *graphEvent) { e.Sensitivity = "private" })
	got, err = p.understand(found(t, fixture(t, "microsoft/event.created.json"), graphFound{Event: &private}))
	require.NoError(t, err)
	require.True(t, got[0].Private)
}

// Each occurrence of a series is a meeting of its own, the moved one included.
func TestGraphSeries(t *testing.T) {
	t.Parallel()
	master := graphEventOf(func(e *graphEvent) { e.Type = "seriesMaster" })
	f := graphFound{Event: &master}
	for week := range 3 {
		f.Instances = append(f.Instances, graphEventOf(func(e *graphEvent) {
			e.Type, e.ID, e.ICalUID = "occurrence", fmt.Sprintf("occurrence-%d", week), fmt.Sprintf("uid-%d", week)
			e.Start.DateTime, e.End.DateTime = fmt.Sprintf("2026-10-%02dT14:00:00", 6+7*week), fmt.Sprintf("2026-10-%02dT14:45:00", 6+7*week)
		}))
	}
	got, err := Platforms()["microsoft"].understand(found(t, fixture(t, "microsoft/event.created.json"), f))
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, time.Date(2026, 10, 20, 14, 0, 0, 0, time.UTC), got[2].ScheduledStart)
	require.Equal(t, "uid-2", got[2].Keys.InstanceID)
	master.IsCancelled = true
	got, err = Platforms()["microsoft"].understand(found(t, fixture(t, "microsoft/event.updated.json"), f))
	require.NoError(t, err)
	require.Len(t, got, 3)
	for _, e := range got {
		require.Equal(t, meeting.Canceled, e.Type)
	}
}

func TestVTT(t *testing.T) {
	t.Parallel()
	const text = "\ufeffWEBVTT\r\n\r\nNOTE made by\na machine\n\n0:0:0.0 --> 0:0:5.320\n<v Inês Duarte>Shall we renew?</v>\n\n" +
		"c1/2\n00:00:06.500 --> 00:00:08.000 align:start\n<v.loud Tom Okafor>Yes,\nby <b>Friday</b> &amp; not later.</v>\n\n" +
		"-0:0:2.0 --> 0:0:1.0\n<v Tom Okafor>Before it began.</v>\n\n01:02.5 --> 01:03.000\nNobody's words\n\n1:00:00.000 --> 1:00:01.000\n"
	require.Equal(t, []meeting.Segment{
		{Speaker: "Inês Duarte", Text: "Shall we renew?"},
		{Speaker: "Tom Okafor", StartSeconds: 6.5, Text: "Yes,\nby Friday & not later."},
		{Speaker: "Tom Okafor", Text: "Before it began."},
		{StartSeconds: 62.5, Text: "Nobody's words"},
		{StartSeconds: 3600},
	}, vttSegments(text))
	require.Empty(t, vttSegments(""))
	require.Empty(t, vttSegments("WEBVTT\n\n--> x\n"))
}

func FuzzMicrosoft(f *testing.F) {
	seed(f, "microsoft")
	fuzzMapping(f, "microsoft")
}

// FuzzGraphBatch: whatever comes, only what has the secret is stored, and never the
// secret itself.
func FuzzGraphBatch(f *testing.F) {
	for _, name := range []string{"event.created", "transcript.created", "lifecycle.reauthorization"} {
		f.Add(withState(f, name, graphSecret))
	}
	f.Add([]byte(`{"value":[{"clientState":"` + graphSecret + `","ClientState":"x"},{"CLIENTSTATE":"` + graphSecret + `"}],"validationTokens":["a.b.c"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if (graphState{}).Verify(Request{Body: body}, graphSecret, now) != nil {
			return
		}
		kept := graphState{}.Proven(body, []store.Secret{graphSecret})
		batch, err := readGraphBatch(kept)
		require.NoError(t, err)
		require.NotEmpty(t, batch.Value)
		for _, item := range batch.Value {
			var fields map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(item, &fields))
			for name := range fields {
				require.False(t, strings.EqualFold(name, "clientState"))
			}
		}
		require.Equal(t, WrongSignature, graphState{}.Verify(Request{Body: kept}, graphSecret, now))
	})
}

// FuzzGraphFetched: whatever Graph answers, nothing breaks.
func FuzzGraphFetched(f *testing.F) {
	body := fixture(f, "microsoft/event.created.json")
	e := graphEventOf(nil)
	f.Add(found(f, body, graphFound{Event: &e}).Fetched)
	f.Add([]byte(`{"found":{"transcript:MSMjdHJhbnNjcmlwdC1vbmU:created":{"transcript":{"id":"1"},"vtt":"0:0:0.0 --> 0:0:1.0\n<v A>b</v>","insights":[{"actionItems":[{"title":"a"}]}]}}}`))
	p := Platforms()["microsoft"]
	all := join(f, body, fixture(f, "microsoft/transcript.created.json"), fixture(f, "microsoft/callrecord.created.json"), fixture(f, "microsoft/event.deleted.json"))
	f.Fuzz(func(t *testing.T, fetched []byte) {
		events, err := p.understand(Delivery{Body: all, Fetched: append([]byte{}, fetched...), ReceivedAt: now})
		if err != nil {
			require.IsType(t, Unfit{}, err)
		}
		for _, e := range events {
			require.NoError(t, e.Validate())
		}
	})
}
