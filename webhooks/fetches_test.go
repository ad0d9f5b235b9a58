package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// through has a thin webhook received, fetched and understood, and returns its meeting.
func (b *bundle) through(t *testing.T, source store.Source, header http.Header, body []byte) meeting.Meeting {
	t.Helper()
	ctx := context.Background()
	require.Equal(t, http.StatusOK, b.send(t, source, header, body).status)
	b.understandAll(t)
	d := b.stored(t)[0]
	require.Equal(t, store.DeliveryFetching, d.State, d.Reason)
	require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))
	d = b.stored(t)[0]
	require.Equal(t, store.DeliveryUnderstood, d.State, d.Reason)
	b.nothingTold(t)
	found := b.meetings(t)
	require.Len(t, found, 1)
	return found[0].Content
}

func emails(m meeting.Meeting) []string {
	var all []string
	for _, a := range m.Attendees {
		all = append(all, a.Email)
	}
	return all
}

const granolaNoteAnswer = `{
 "id": "not_harborRenewal", "object": "note", "title": "Renewal with Northwind", "web_url": "https://notes.granola.example/d/harbor",
 "owner": {"name": "Inês Duarte", "email": "ines@harbor.example"},
 "calendar_event": {
  "event_title": "Harbor and Northwind: renewal", "organiser": "ines@harbor.example", "calendar_event_id": "harborcal_20261006T140000Z",
  "scheduled_start_time": "2026-10-06T14:00:00Z", "scheduled_end_time": "2026-10-06T14:45:00Z",
  "invitees": [{"email": "tom.okafor@northwind.example"}]
 },
 "attendees": [{"name": "Tom Okafor", "email": "tom.okafor@northwind.example"}, {"name": null, "email": "lee@northwind.example"}],
 "folder_membership": null,
 "summary_text": "Forty more seats.",
 "summary_markdown": "### Renewal\n\nForty more seats.\n\n### Next steps\n\n- Inês Duarte: send the quote",
 "transcript": [
  {"speaker": {"source": "microphone"}, "text": "How many seats?", "start_time": "2026-10-06T14:01:30Z", "end_time": "2026-10-06T14:01:32Z"},
  {"speaker": {"source": "speaker"}, "text": "Forty more.", "start_time": "2026-10-06T14:01:33.5Z", "end_time": "2026-10-06T14:01:35Z"}
 ]
}`

func granola(t *testing.T) *double {
	t.Helper()
	return newDouble(t, bearing("Bearer", apiKey, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/notes/not_harborRenewal" || r.URL.Query().Get("include") != "transcript" {
			status(http.StatusNotFound)(w, r)
			return
		}
		says("application/json", granolaNoteAnswer)(w, r)
	}))
}

func TestGranolasNoteIsFetched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := granola(t)
	api.failNext(status(http.StatusNotFound), status(http.StatusBadGateway)) // it still works on the note, and is in trouble
	source := b.fetchable(t, "granola", api, apiKey, standardSecret)
	body := fixture(t, "granola/note.generated.json")
	m := b.through(t, source, standardHeader(t, standardSecret, "msg_1", now, body), body)

	require.Equal(t, "Renewal with Northwind", m.Title)
	require.Equal(t, "### Renewal\n\nForty more seats.", m.Summary.Text)
	require.Equal(t, []meeting.ActionItem{{Text: "send the quote", AssigneeName: "Inês Duarte", Parsed: true}}, m.ActionItems)
	require.ElementsMatch(t, []string{"ines@harbor.example", "tom.okafor@northwind.example", "lee@northwind.example"}, emails(m))
	require.Equal(t, meeting.Person{Name: "Inês Duarte", Email: "ines@harbor.example"}, m.Organizer)
	require.Equal(t, time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC), m.ScheduledStart)
	require.Equal(t, []meeting.Segment{
		{Speaker: "Inês Duarte", Email: "ines@harbor.example", Text: "How many seats?"},
		{Text: "Forty more.", StartSeconds: 3.5},
	}, m.Transcript.Segments)
	require.Len(t, api.requests(), 3)
}

// recallAPI has a transcript whose file lies elsewhere on it.
func recallAPI(t *testing.T) *double {
	t.Helper()
	var api *double
	api = newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/file" && r.Header.Get("Authorization") == "" && r.URL.Query().Get("signature") == "planted-signature":
			says("application/octet-stream", `[
				{"participant": {"id": 100, "name": "Inês Duarte", "is_host": true, "platform": "unknown", "extra_data": {"planted": 1}, "email": null},
				 "words": [{"text": "How", "start_timestamp": {"relative": 2.5, "absolute": "2026-10-06T14:01:32Z"}}, {"text": "many?", "start_timestamp": {"relative": 2.9}}]},
				{"participant": {"id": 200, "name": "Tom Okafor", "is_host": false, "email": "tom.okafor@northwind.example"},
				 "words": [{"text": "Forty.", "start_timestamp": {"relative": 4}}]},
				{"participant": {"id": null, "name": null}, "words": []},
				{"participant": {"id": 100, "name": "Inês Duarte", "is_host": true}, "words": [{"text": "Good.", "start_timestamp": {"relative": 5}}]}]`)(w, r)
		case r.URL.Path == "/file":
			status(http.StatusForbidden)(w, r)
		case r.Header.Get("Authorization") != "Token "+apiKey:
			status(http.StatusUnauthorized)(w, r)
		case r.URL.Path == "/api/v1/transcript/7a000000-0000-4000-8000-000000000c01/":
			says("application/json", `{"id":"7a000000-0000-4000-8000-000000000c01","status":{"code":"done"},"data":{"download_url":"`+api.URL+`/file?signature=planted-signature"}}`)(w, r)
		default:
			status(http.StatusNotFound)(w, r)
		}
	})
	return api
}

func TestRecallsTranscriptIsFetched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := recallAPI(t)
	api.failNext(says("application/json", `{"data":{"download_url":null}}`)) // not written yet
	source := b.fetchable(t, "recall", api, apiKey, standardSecret)
	body := fixture(t, "recall/transcript.done.json")
	m := b.through(t, source, standardHeader(t, standardSecret, "msg_1", now, body), body)

	require.Equal(t, []meeting.Segment{
		{Speaker: "Inês Duarte", StartSeconds: 2.5, Text: "How many?"},
		{Speaker: "Tom Okafor", Email: "tom.okafor@northwind.example", StartSeconds: 4, Text: "Forty."},
		{Speaker: "Inês Duarte", StartSeconds: 5, Text: "Good."},
	}, m.Transcript.Segments)
	names := map[string]string{}
	for _, a := range m.Attendees {
		names[a.Name] = a.Role
	}
	require.Equal(t, map[string]string{"Inês Duarte": "host", "Tom Okafor": "participant"}, names)
	require.Len(t, api.requests(), 3)
}

// A link that has expired says nothing of the credentials: a new one is asked for.
func TestRecallsLinkMayExpire(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := recallAPI(t)
	source := b.fetchable(t, "recall", api, apiKey, standardSecret)
	body := fixture(t, "recall/transcript.done.json")
	require.Equal(t, http.StatusOK, b.send(t, source, standardHeader(t, standardSecret, "msg_1", now, body), body).status)
	b.understandAll(t)
	api.failNext(says("application/json", `{"data":{"download_url":"`+api.URL+`/file?signature=expired"}}`))
	require.ErrorAs(t, b.fetcher().Fetch(context.Background(), b.stored(t)[0].ID), new(Later))
	after, err := b.store.Source(context.Background(), source.ID)
	require.NoError(t, err)
	require.Equal(t, "set", after.API.State())
	require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(context.Background(), b.stored(t)[0]))
	require.Len(t, b.meetings(t)[0].Content.Transcript.Segments, 3)
}

// What tells of no transcript is understood at once.
func TestRecallIsThinOnlyForTranscripts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"transcript.done": true, "transcript.done.upload": true, "bot.call_ended": false, "bot.in_call_recording": false} {
		require.Equal(t, want, recallMapping{}.Thin(Delivery{Body: fixture(t, "recall/"+name+".json")}), name)
	}
}

// zoom plays Zoom's API: tokens that it can end, pages, and a uuid that has to be
// encoded twice.
type zoom struct {
	*double

	token string // the one that is good
	got   int    // how many were given out
	// Answers other than people, where they are set.
	participants, invitees http.HandlerFunc
}

func zoomAPI(t *testing.T) *zoom {
	t.Helper()
	z := &zoom{}
	z.double = newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		z.mu.Lock()
		token, participants, invitees := z.token, z.participants, z.invitees
		z.mu.Unlock()
		switch path := r.URL.EscapedPath(); {
		case path == "/oauth/token":
			name, password, _ := r.BasicAuth()
			_ = r.ParseForm()
			if name != "client" || password != "planted-client-secret" || r.PostForm.Get("grant_type") != "account_credentials" || r.PostForm.Get("account_id") != "HarborAcct_01" {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"reason":"planted","error":"invalid_client"}`))
				return
			}
			z.mu.Lock()
			z.got++
			z.token = fmt.Sprintf("planted-token-%d", z.got)
			token = z.token
			z.mu.Unlock()
			says("application/json", `{"access_token":"`+token+`","token_type":"bearer","expires_in":3599,"scope":"meeting:read"}`)(w, r)
		case r.Header.Get("Authorization") != "Bearer "+token:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"code":124,"message":"Access token is expired."}`))
		case path == "/past_meetings/%252FkP9vX2mSQyW3b%252F%252F7RtLeA==/participants" && participants != nil:
			participants(w, r)
		case path == "/past_meetings/%252FkP9vX2mSQyW3b%252F%252F7RtLeA==/participants":
			page := map[string]string{
				"":         `{"page_size":300,"next_page_token":"two of+3","participants":[{"id":"","name":"Tom Okafor","user_email":"tom.okafor@northwind.example"},{"name":"Inês Duarte","user_email":"ines@harbor.example"}]}`,
				"two of+3": `{"page_size":300,"next_page_token":"","participants":[{"name":"Tom Okafor","user_email":"tom.okafor@northwind.example"},{"name":"A guest","user_email":""}]}`,
			}[r.URL.Query().Get("next_page_token")]
			says("application/json", page)(w, r)
		case path == "/meetings/84412345678" && invitees != nil:
			invitees(w, r)
		case path == "/meetings/84412345678":
			says("application/json", `{"id":84412345678,"password":"planted","settings":{"meeting_invitees":[{"email":"lee@northwind.example"}]}}`)(w, r)
		default:
			status(http.StatusNotFound)(w, r)
		}
	})
	return z
}

func (z *zoom) expire() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.token = "planted-another"
}

const zoomCredentials = `{"account_id":"HarborAcct_01","client_id":"client","client_secret":"planted-client-secret"}`

func TestZoomsPeopleAreFetched(t *testing.T) {
	t.Parallel()
	denied := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":200,"message":"planted: only for paid plans"}`))
	}
	for name, tc := range map[string]struct {
		participants, invitees http.HandlerFunc
		want                   []string
	}{
		"all":                {want: []string{"tom.okafor@northwind.example", "ines@harbor.example", "", "lee@northwind.example"}},
		"no longer invited":  {invitees: status(http.StatusNotFound), want: []string{"tom.okafor@northwind.example", "ines@harbor.example", ""}},
		"the smallest plan":  {participants: denied, want: []string{"lee@northwind.example"}},
		"nobody was invited": {invitees: says("application/json", `{"settings":{}}`), want: []string{"tom.okafor@northwind.example", "ines@harbor.example", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			api := zoomAPI(t)
			api.participants, api.invitees = tc.participants, tc.invitees
			source := b.fetchable(t, "zoom", api.double, zoomCredentials, zoomSecret)
			body := zoomFixture(t, "meeting.ended")
			m := b.through(t, source, zoomHeader(zoomSecret, now, body), body)
			require.ElementsMatch(t, tc.want, emails(m))
			require.Equal(t, 1, api.got)
		})
	}
}

// An access token is got once for many calls, and anew when Zoom has ended it.
func TestZoomsTokenIsKept(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := zoomAPI(t)
	source := b.fetchable(t, "zoom", api.double, zoomCredentials, zoomSecret)
	fetcher := b.fetcher()
	for i, name := range []string{"meeting.ended", "meeting.summary_completed"} {
		body := zoomFixture(t, name)
		require.Equal(t, http.StatusOK, b.send(t, source, zoomHeader(zoomSecret, now, body), body).status)
		b.understandAll(t)
		if i == 1 {
			api.expire()
		}
		require.NoError(t, fetcher.Fetch(ctx, b.stored(t)[0].ID), name)
		require.Equal(t, i+1, api.got, name)
	}
	require.Equal(t, 0, b.count(t, `select count(*) from sources where settings::text like '%planted%'`))

	// Other credentials have other tokens.
	require.NoError(t, b.store.SetSourceCredentials(ctx, source.ID, source.Credentials, store.Operator))
	b.sql(t, `update deliveries set state = 'fetching', sealed_fetched = null`)
	require.NoError(t, fetcher.Fetch(ctx, b.stored(t)[0].ID))
	require.Equal(t, 3, api.got)
}

func TestZoomRefusesTheApp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := zoomAPI(t)
	source := b.fetchable(t, "zoom", api.double, strings.Replace(zoomCredentials, "planted-client-secret", "planted-wrong", 1), zoomSecret)
	body := zoomFixture(t, "meeting.ended")
	require.Equal(t, http.StatusOK, b.send(t, source, zoomHeader(zoomSecret, now, body), body).status)
	b.understandAll(t)
	require.ErrorAs(t, b.fetcher().Fetch(context.Background(), b.stored(t)[0].ID), new(Refused))
	after, err := b.store.Source(context.Background(), source.ID)
	require.NoError(t, err)
	require.Equal(t, "zoom refuses the credentials (400)", after.API.Problem)
	b.nothingTold(t)
}

// What Zoom tells about the meetings of each kind of event.
func TestZoomIsThinForWhatIsOver(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"meeting.ended": true, "meeting.summary_completed": true, "meeting.summary_completed.legacy": true,
		"meeting.created": false, "meeting.participant_joined.guest": false, "meeting.started": false, "scheduler.scheduled_event_created": false,
	} {
		require.Equal(t, want, zoomMapping{}.Thin(Delivery{Body: zoomFixture(t, name)}), name)
	}
}

func TestZoomUUID(t *testing.T) {
	t.Parallel()
	for uuid, want := range map[string]string{
		"kP9vX2mSQyW3b7RtLeA==":  "kP9vX2mSQyW3b7RtLeA==",
		"kP9/vX2mSQyW3b7RtLeA==": "kP9%2FvX2mSQyW3b7RtLeA==",
		"/kP9vX2mSQyW3b7RtLeA==": "%252FkP9vX2mSQyW3b7RtLeA==",
		"kP9//X2mSQyW3b7+tLeA==": "kP9%252F%252FX2mSQyW3b7+tLeA==",
	} {
		require.Equal(t, want, zoomUUID(uuid), uuid)
	}
}

// Whatever an API answers, what was fetched is read without a panic, and what can't
// be is said to be unfit.
func FuzzFetchedBodies(f *testing.F) {
	known := Platforms()
	thin := map[string][]byte{
		"granola": fixture(f, "granola/note.generated.json"), "recall": fixture(f, "recall/transcript.done.json"), "zoom": fixture(f, "zoom/meeting.ended.json"),
	}
	f.Add([]byte(granolaNoteAnswer))
	f.Add([]byte(`{"said":[{"name":"Tom Okafor","email":"tom.okafor@northwind.example","host":true,"start":1.5,"text":"Forty."}]}`))
	f.Add([]byte(`{"participants":[{"name":"Tom Okafor","email":"tom.okafor@northwind.example"}],"invitees":[{"email":"lee@northwind.example"}]}`))
	f.Fuzz(func(t *testing.T, fetched []byte) {
		for name, body := range thin {
			d := Delivery{Body: body, Header: http.Header{"Webhook-Id": {"msg_1"}}, Fetched: append([]byte{}, fetched...)}
			if _, err := known[name].understand(d); err != nil {
				require.IsType(t, Unfit{}, err, name)
			}
		}
	})
}

// What is thin by a webhook that lies is no reason to panic either.
func FuzzThin(f *testing.F) {
	for _, name := range []string{"granola/note.generated.json", "recall/transcript.done.json", "zoom/meeting.ended.json", "fireflies/meeting.summarized.json"} {
		f.Add(fixture(f, name))
	}
	known := Platforms()
	f.Fuzz(func(_ *testing.T, body []byte) {
		if checkShape(body) != nil {
			return
		}
		for _, p := range known {
			if m, is := p.mapping.(fetching); is {
				m.Thin(Delivery{Body: body})
			}
		}
	})
}
