package webhooks

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

const (
	standardSecret = "whsec_ZGVicmllZi10ZXN0LXNlY3JldC1vZi0zMi1ieXRlcyE="
	otherSecret    = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhpcnR5LXR3by1ieXRlcw=="
	zoomSecret     = "zoom-secret-token-of-the-tests"
	calendlySecret = "calendly-signing-key-harbor"
	otherToken     = "a-token-that-nobody-here-knows"
	// printf h4rb0r_Token-0123456789 | openssl dgst -sha256 -hmac <zoomSecret>
	opensslToken = "cee71f2adb7bb4ea6e719929c211af6d340f13d16b2a319442075a8cc95619c9"
)

// now is when the tests' webhooks arrive: just after the meeting's summary.
var now = time.Date(2026, 10, 6, 14, 51, 0, 0, time.UTC)

func zoomFixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "zoom", name+".json"))
	require.NoError(t, err)
	return raw
}

func example(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile("../docs/events/meeting-event.example.json")
	require.NoError(t, err)
	return raw
}

func zoomHeader(secret string, at time.Time, body []byte) http.Header {
	return http.Header{
		"Content-Type":           {"application/json; charset=utf-8"},
		"X-Zm-Request-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"X-Zm-Signature":         {SignZoom(secret, at, body)},
	}
}

func standardHeader(t testing.TB, secret, id string, at time.Time, body []byte) http.Header {
	t.Helper()
	signature, err := SignStandard(secret, id, at, body)
	require.NoError(t, err)
	return http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signature},
	}
}

func TestPlatformNeedsAnAuthentication(t *testing.T) {
	t.Parallel()
	_, err := NewPlatform("imagined", nil, zoomMapping{})
	require.ErrorContains(t, err, "needs an authentication")
	_, err = NewPlatform("imagined", zoomSignature{}, nil)
	require.Error(t, err)
	_, err = NewPlatform("", zoomSignature{}, zoomMapping{})
	require.Error(t, err)
	require.Error(t, Platform{}.CheckSecret("a secret that is long enough"))
	require.Len(t, Platforms(), 22)
}

// Their webhooks name no account, so that nothing could be routed.
func TestPlatformsOfOneOrganization(t *testing.T) {
	t.Parallel()
	var of []string
	for name, p := range Platforms() {
		if p.OfOne() {
			of = append(of, name)
		}
	}
	require.ElementsMatch(t, []string{"google-calendar", "google-meet", "hubspot-meetings", "microsoft"}, of)
}

// The vector of the specification's own test suites.
func TestStandardVector(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	body := []byte(`{"test": 2432232314}`)
	at := time.Unix(1614265330, 0)
	signature, err := SignStandard(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature)
	require.NoError(t, standardWebhooks{}.Verify(Request{Header: standardHeader(t, secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body), Body: body}, secret, at))
}

func TestVerifyStandard(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1}`)
	set := func(name string, values ...string) func(http.Header) {
		return func(h http.Header) { h[name] = values }
	}
	good, err := SignStandard(standardSecret, "msg_1", now, body)
	require.NoError(t, err)
	bad, err := SignStandard(otherSecret, "msg_1", now, body)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		at     time.Time
		change func(http.Header)
		body   string
		want   error
	}{
		"as signed":                      {},
		"five minutes old":               {at: now.Add(-5 * time.Minute)},
		"five minutes early":             {at: now.Add(5 * time.Minute)},
		"older":                          {at: now.Add(-5*time.Minute - time.Second), want: OutsideTimeWindow},
		"earlier":                        {at: now.Add(5*time.Minute + time.Second), want: OutsideTimeWindow},
		"second signature matches":       {change: set("Webhook-Signature", bad+" "+good)},
		"signatures in two headers":      {change: set("Webhook-Signature", bad, good)},
		"unknown version beside ours":    {change: set("Webhook-Signature", "v1a,AAAA "+good)},
		"unknown version alone":          {change: set("Webhook-Signature", strings.Replace(good, "v1,", "v1a,", 1)), want: WrongSignature},
		"without a version":              {change: set("Webhook-Signature", strings.TrimPrefix(good, "v1,")), want: WrongSignature},
		"another secret":                 {change: set("Webhook-Signature", bad), want: WrongSignature},
		"no signature":                   {change: set("Webhook-Signature"), want: MissingSignature},
		"no timestamp":                   {change: set("Webhook-Timestamp"), want: MissingSignature},
		"no id":                          {change: set("Webhook-Id"), want: MissingSignature},
		"two timestamps":                 {change: set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10), "1"), want: MissingSignature},
		"another timestamp":              {change: set("Webhook-Timestamp", strconv.FormatInt(now.Unix()+1, 10)), want: WrongSignature},
		"another id":                     {change: set("Webhook-Id", "msg_2"), want: WrongSignature},
		"re-serialized":                  {body: `{"a": 1}`, want: WrongSignature},
		"truncated":                      {body: `{"a":`, want: WrongSignature},
		"no base64":                      {change: set("Webhook-Signature", "v1,***"), want: WrongSignature},
		"empty signature":                {change: set("Webhook-Signature", "v1,"), want: WrongSignature},
		"a timestamp that is no number":  {change: set("Webhook-Timestamp", "now"), want: WrongSignature},
		"a timestamp of another century": {at: time.Unix(1<<41, 0), want: OutsideTimeWindow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := tc.at
			if at.IsZero() {
				at = now
			}
			header := standardHeader(t, standardSecret, "msg_1", at, body)
			if tc.change != nil {
				tc.change(header)
			}
			got := body
			if tc.body != "" {
				got = []byte(tc.body)
			}
			require.Equal(t, tc.want, standardWebhooks{}.Verify(Request{Header: header, Body: got}, standardSecret, now))
		})
	}
	// An ID with a dot could hide another timestamp.
	dotted := standardHeader(t, standardSecret, "msg.1", now, body)
	require.Equal(t, WrongSignature, standardWebhooks{}.Verify(Request{Header: dotted, Body: body}, standardSecret, now))
}

func TestVerifyZoom(t *testing.T) {
	t.Parallel()
	body := zoomFixture(t, "meeting.ended")
	set := func(name string, values ...string) func(http.Header) {
		return func(h http.Header) { h[name] = values }
	}
	for name, tc := range map[string]struct {
		at     time.Time
		change func(http.Header)
		secret string
		want   error
	}{
		"as signed":              {},
		"Zoom's third retry":     {at: now.Add(-85 * time.Minute)},
		"90 minutes old":         {at: now.Add(-90 * time.Minute)},
		"older":                  {at: now.Add(-90*time.Minute - time.Second), want: OutsideTimeWindow},
		"five minutes early":     {at: now.Add(5 * time.Minute)},
		"earlier":                {at: now.Add(5*time.Minute + time.Second), want: OutsideTimeWindow},
		"another secret":         {secret: "another-secret", want: WrongSignature},
		"no version":             {change: set("X-Zm-Signature", strings.TrimPrefix(SignZoom(zoomSecret, now, body), "v0=")), want: WrongSignature},
		"another version":        {change: set("X-Zm-Signature", "v1="+SignZoom(zoomSecret, now, body)[3:]), want: WrongSignature},
		"no hex":                 {change: set("X-Zm-Signature", "v0=zz"), want: WrongSignature},
		"empty":                  {change: set("X-Zm-Signature", "v0="), want: WrongSignature},
		"none":                   {change: set("X-Zm-Signature"), want: MissingSignature},
		"two":                    {change: set("X-Zm-Signature", "v0=00", SignZoom(zoomSecret, now, body)), want: MissingSignature},
		"no timestamp":           {change: set("X-Zm-Request-Timestamp"), want: MissingSignature},
		"milliseconds as a time": {change: set("X-Zm-Request-Timestamp", "1791298260000"), want: WrongSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, secret := now, zoomSecret
			if !tc.at.IsZero() {
				at = tc.at
			}
			if tc.secret != "" {
				secret = tc.secret
			}
			header := zoomHeader(secret, at, body)
			if tc.change != nil {
				tc.change(header)
			}
			require.Equal(t, tc.want, zoomSignature{}.Verify(Request{Header: header, Body: body}, zoomSecret, now))
		})
	}
}

// A secret that is empty, or would decode to nothing, verifies nothing: else
// anyone could sign.
func TestEmptySecrets(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	for _, secret := range []string{"", " ", "whsec_", "whsec_AAAA", "whsec_***", "no-secret-provided"} {
		require.Error(t, standardWebhooks{}.CheckSecret(secret), secret)
		_, err := SignStandard(secret, "msg_1", now, body)
		require.Error(t, err, secret)
		header := standardHeader(t, standardSecret, "msg_1", now, body)
		require.Equal(t, WrongSignature, standardWebhooks{}.Verify(Request{Header: header, Body: body}, secret, now), secret)
	}
	for _, secret := range []string{"", " ", "short"} {
		require.Error(t, zoomSignature{}.CheckSecret(secret))
		require.Equal(t, WrongSignature, zoomSignature{}.Verify(Request{Header: zoomHeader(secret, now, body), Body: body}, secret, now))
	}
	fresh, err := NewStandardSecret()
	require.NoError(t, err)
	require.NoError(t, standardWebhooks{}.CheckSecret(fresh))
}

func zoomEvents(t testing.TB, name string) []meeting.Event {
	t.Helper()
	events, err := Platforms()["zoom"].understand(Delivery{Body: zoomFixture(t, name)})
	require.NoError(t, err)
	return events
}

func TestZoomEvents(t *testing.T) {
	t.Parallel()
	const instance = "/kP9vX2mSQyW3b//7RtLeA=="
	start := time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC)
	began, over := start.Add(90*time.Second), start.Add(46*time.Minute+55*time.Second)
	event := func(typ meeting.EventType, name, key string, at time.Time, d meeting.Details) meeting.Event {
		return meeting.Event{Type: typ, DedupeKey: key, OccurredAt: at, Provider: "zoom", ProviderEventType: name, ProviderAccountID: "HarborAcct_01", Details: d}
	}
	held := meeting.Details{
		Keys:  meeting.Keys{InstanceID: instance, ProviderMeetingID: "84412345678"},
		Title: "Harbor and Northwind: renewal", TimeZone: "Europe/Lisbon", HostID: "hIneSDuarTe01", ActualStart: began,
	}
	ines := meeting.Person{Name: "Inês Duarte", Email: "ines@harbor.example"}

	created := held
	created.ActualStart, created.ScheduledStart, created.ScheduledEnd = time.Time{}, start, start.Add(45*time.Minute)
	created.Keys.JoinURL = "https://harbor.zoom.us/j/84412345678"
	created.Organizer = meeting.Person{Email: "ines@harbor.example"}
	created.Attendees = []meeting.Attendee{{Person: meeting.Person{Email: "tom.okafor@northwind.example"}, Role: "invitee"}}
	require.Equal(t, []meeting.Event{event(meeting.Scheduled, "meeting.created",
		"meeting.created+HarborAcct_01+"+instance+"+1791208800000", start.Add(-24*time.Hour).In(time.UTC), created)}, zoomEvents(t, "meeting.created"))

	joined := held
	joined.Organizer, joined.Attendees = ines, []meeting.Attendee{{Person: ines, Role: "host"}}
	require.Equal(t, []meeting.Event{event(meeting.ParticipantJoined, "meeting.participant_joined",
		"meeting.participant_joined+HarborAcct_01+"+instance+"+1791295290000+A1B2C3D4-host", began, joined)}, zoomEvents(t, "meeting.participant_joined.host"))

	ended := held
	ended.ActualEnd = over
	require.Equal(t, []meeting.Event{event(meeting.Ended, "meeting.ended",
		"meeting.ended+HarborAcct_01+"+instance+"+1791298015000", over, ended)}, zoomEvents(t, "meeting.ended"))

	notes := held
	notes.TimeZone, notes.ActualEnd = "", over
	notes.Organizer = meeting.Person{Email: "ines@harbor.example"}
	notes.ReportURL = "https://docs.zoom.us/doc/plantedDoc"
	notes.Summary = meeting.Text{Format: "markdown", Text: "## Overview\nNorthwind renews for a year – with 40 more seats 🚢.\n\n## Risks\nNone so far."}
	notes.NextSteps = meeting.Text{Format: "markdown", Text: "- **Inês Duarte:** Send the quote by Friday.\n- [x] Tom Okafor: Send a sample file.\n- Book a call with legal."}
	notes.ActionItems = []meeting.ActionItem{
		{Text: "Send the quote by Friday.", AssigneeName: "Inês Duarte", Parsed: true},
		{Text: "Send a sample file.", AssigneeName: "Tom Okafor", Completed: true, Parsed: true},
		{Text: "Book a call with legal.", Parsed: true},
	}
	require.Equal(t, []meeting.Event{event(meeting.NotesReady, "meeting.summary_completed",
		"meeting.summary_completed+HarborAcct_01+"+instance+"+1791298200000", start.Add(50*time.Minute), notes)}, zoomEvents(t, "meeting.summary_completed"))

	legacy := zoomEvents(t, "meeting.summary_completed.legacy")[0]
	require.Equal(t, "Northwind renews.\n\n## Seats\n\nForty more.", legacy.Summary.Text)
	require.Equal(t, []meeting.ActionItem{{Text: "send the quote", AssigneeName: "Inês Duarte", Parsed: true}, {Text: "Book a call", Parsed: true}}, legacy.ActionItems)

	moved := zoomEvents(t, "meeting.updated")[0]
	require.Equal(t, meeting.Rescheduled, moved.Type)
	require.Equal(t, start.Add(time.Hour), moved.ScheduledStart)
	require.Equal(t, start, moved.Keys.PreviousStart, "by the old start it is found")

	series := zoomEvents(t, "meeting.created.series")
	require.Len(t, series, 2, "one meeting for each occurrence")
	require.NotEqual(t, series[0].DedupeKey, series[1].DedupeKey)
	for i, e := range series {
		require.Empty(t, e.Keys.InstanceID, "a series' uuid names no occurrence")
		require.Equal(t, start.AddDate(0, 0, 7*i), e.ScheduledStart)
	}
}

func TestUnfit(t *testing.T) {
	t.Parallel()
	zoom := func(change func(map[string]any)) string {
		var body map[string]any
		require.NoError(t, json.Unmarshal(zoomFixture(t, "meeting.ended"), &body))
		change(body)
		raw, err := json.Marshal(body)
		require.NoError(t, err)
		return string(raw)
	}
	object := func(change func(map[string]any)) string {
		return zoom(func(b map[string]any) { change(b["payload"].(map[string]any)["object"].(map[string]any)) })
	}
	own := func(data string) string {
		return `{"type":"meeting.ended","timestamp":"2026-10-06T14:47:10Z","data":` + data + `}`
	}
	for name, tc := range map[string]struct{ platform, body, want string }{
		"no JSON":             {"zoom", "hello", "the body is not JSON"},
		"nothing":             {"debrief", "", "the body is not JSON"},
		"cut off":             {"debrief", `{"type":"meeting.ended"`, "the body is not JSON"},
		"two values":          {"debrief", own(`{"keys":{"instance_id":"1"}}`) + "{}", "the body has something after its JSON"},
		"a list":              {"debrief", "[]", "the body has the wrong type: it should be an object"},
		"deep":                {"debrief", strings.Repeat("[", 100_000), "the JSON is nested deeper than 64 levels"},
		"deep objects":        {"zoom", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), "the JSON is nested deeper than 64 levels"},
		"wide":                {"debrief", own(`{"attendees":[` + strings.Repeat("{},", maxValues) + `{}]}`), "the JSON has more than 500000 values"},
		"unknown event":       {"zoom", zoom(func(b map[string]any) { b["event"] = "meeting.alert" }), "Debrief does not use Zoom's event meeting.alert"},
		"event of a stranger": {"zoom", zoom(func(b map[string]any) { b["event"] = "<script>secret" }), "the body has no event that Zoom would send"},
		"end before start":    {"zoom", object(func(o map[string]any) { o["end_time"] = "2026-10-06T13:00:00Z" }), "actual_end is before the start"},
		"no occurrence": {
			"zoom", object(func(o map[string]any) { delete(o, "uuid"); delete(o, "start_time") }),
			"keys name no occurrence: give an instance_id, or another key together with scheduled_start or actual_start",
		},
		"a time of its own":    {"zoom", object(func(o map[string]any) { o["start_time"] = "yesterday, secret" }), "a time is not in RFC 3339, such as 2026-09-08T15:00:00Z"},
		"an id of its own":     {"zoom", object(func(o map[string]any) { o["id"] = map[string]any{"secret": 1} }), "an id is neither text nor a number"},
		"a challenge as event": {"zoom", `{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1:{}"}}`, "the challenge's token is not one of Zoom's"},
		"unknown type":         {"debrief", `{"type":"meeting.secret","timestamp":"2026-10-06T14:47:10Z","data":{"keys":{"instance_id":"1"}}}`, "type is not an event type of Debrief's"},
		"no timestamp":         {"debrief", `{"type":"meeting.ended","data":{"keys":{"instance_id":"1"}}}`, "timestamp is missing"},
		"no keys":              {"debrief", own(`{"title":"x"}`), "keys name no occurrence: give an instance_id, or another key together with scheduled_start or actual_start"},
		"number as text":       {"debrief", own(`{"title":4711}`), "data.title has the wrong type: it should be text"},
		"text as list":         {"debrief", own(`{"attendees":"secret"}`), "data.attendees has the wrong type: it should be a list"},
		"a time as number":     {"debrief", own(`{"actual_start":1}`), "the body has a value of the wrong type"},
		"a wrong time":         {"debrief", own(`{"actual_start":"06.10.2026"}`), "a time is not in RFC 3339, such as 2026-09-08T15:00:00Z"},
		"an archive": {
			"debrief", own(`{"keys":{"instance_id":"1"},"proposed_actions":[{"tool":"deal.archive","properties":{"a":"b"}}]}`),
			"proposed_actions.tool should be <object>.create or <object>.update, such as deal.create",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Platforms()[tc.platform].understand(Delivery{Header: http.Header{"Webhook-Id": {"msg_1"}}, Body: []byte(tc.body)})
			require.Equal(t, Unfit{tc.want}, err)
		})
	}
	_, err := Platforms()["zoom"].understand(Delivery{Header: http.Header{"Content-Encoding": {"gzip"}}, Body: zoomFixture(t, "meeting.ended")})
	require.Equal(t, Unfit{"the body is compressed: send it as it is"}, err)
}

// What is odd and yet fit.
func TestFit(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"null attendees":   `{"keys":{"instance_id":"1"},"attendees":null}`,
		"unknown fields":   `{"keys":{"instance_id":"1","new":{}},"future":[1,{"x":null}]}`,
		"duplicate keys":   `{"keys":{"instance_id":"0"},"keys":{"instance_id":"1"}}`,
		"invalid UTF-8":    "{\"keys\":{\"instance_id\":\"1\"},\"title\":\"\xff\"}",
		"NUL":              `{"keys":{"instance_id":"1\u0000"},"title":"a\u0000b"}`,
		"escaped brackets": `{"keys":{"instance_id":"1"},"title":"` + strings.Repeat(`[{\"`, 100) + `"}`,
		"without an end":   `{"keys":{"instance_id":"1"},"actual_start":"2026-10-06T14:00:00.1234567+02:00"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := Platforms()["debrief"].understand(Delivery{
				Header: http.Header{"Webhook-Id": {"msg_1"}},
				Body:   []byte(`{"type":"meeting.ended","timestamp":"2026-10-06T14:47:10Z","data":` + body + `}`),
			})
			require.NoError(t, err)
			require.Equal(t, "1", events[0].Keys.InstanceID)
			require.Equal(t, "msg_1", events[0].DedupeKey)
		})
	}
}

func TestOwnIDsAreTheSendersOwn(t *testing.T) {
	t.Parallel()
	source := uuid.New()
	body := `{"type":"meeting.ended","timestamp":"2026-10-06T14:47:10Z","data":{"keys":{"instance_id":"1"},"provider":"PROVIDER","provider_account_id":"x"}}`
	events, err := Platforms()["debrief"].understand(Delivery{SourceID: source, Header: http.Header{"Webhook-Id": {"m"}}, Body: []byte(strings.Replace(body, "PROVIDER", "", 1))})
	require.NoError(t, err)
	require.Equal(t, source.String(), events[0].ProviderAccountID)
	events, err = Platforms()["debrief"].understand(Delivery{SourceID: source, Header: http.Header{"Webhook-Id": {"m"}}, Body: []byte(strings.Replace(body, "PROVIDER", "zoom", 1))})
	require.NoError(t, err)
	require.Equal(t, "zoom", events[0].Provider)
	require.Equal(t, "x", events[0].ProviderAccountID)
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	answer, is := zoomMapping{}.Handshake(zoomFixture(t, "endpoint.url_validation"), zoomSecret)
	require.True(t, is)
	// HMAC-SHA256 of the token under the secret, worked out with openssl.
	require.Equal(t, map[string]string{"plainToken": "h4rb0r_Token-0123456789", "encryptedToken": opensslToken}, answer)
	for _, token := range []string{"", "v0:1791298260:{}", strings.Repeat("a", 65), "a b", "a\n"} {
		raw, err := json.Marshal(map[string]any{"event": "endpoint.url_validation", "payload": map[string]any{"plainToken": token}})
		require.NoError(t, err)
		_, is := zoomMapping{}.Handshake(raw, zoomSecret)
		require.False(t, is, "%q would make the endpoint sign what a sender chose", token)
	}
}

func TestDedupeKeysFitAnIndex(t *testing.T) {
	t.Parallel()
	for _, k := range []string{strings.Repeat("x", 300), "a b", "é", "a\x00"} {
		require.True(t, strings.HasPrefix(boundedKey(k), "sha256:"), k)
	}
	require.Equal(t, "msg_1", boundedKey("msg_1"))
	require.True(t, strings.HasPrefix(Platforms()["zoom"].key(Delivery{Body: []byte("x")}), "body:"))
}

func schema(t *testing.T) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("../docs/events/meeting-event.schema.json")
	require.NoError(t, err)
	var s map[string]any
	require.NoError(t, json.Unmarshal(raw, &s))
	return s
}

func TestExampleIsValid(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("event.json", any(schema(t))))
	compiled, err := compiler.Compile("event.json")
	require.NoError(t, err)

	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(example(t)))
	require.NoError(t, err)
	require.NoError(t, compiled.Validate(document))
	wrong, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"type":"meeting.ended","timestamp":"2026-10-06T14:47:10Z","data":{"keys":{},"title":4711}}`))
	require.NoError(t, err)
	require.Error(t, compiled.Validate(wrong), "the schema does forbid something")

	events, err := Platforms()["debrief"].understand(Delivery{Header: http.Header{"Webhook-Id": {"msg_1"}}, Body: example(t)})
	require.NoError(t, err)
	require.Len(t, events[0].ProposedActions, 2)
	require.Len(t, events[0].Attendees, 2)
}

// Every field that the event can carry stands in the schema, and the schema
// promises none that is not read.
func TestSchemaIsComplete(t *testing.T) {
	t.Parallel()
	root := schema(t)
	defs := root["$defs"].(map[string]any)
	types := root["properties"].(map[string]any)["type"].(map[string]any)["enum"].([]any)
	require.Len(t, types, len(meeting.Types()))
	for _, typ := range meeting.Types() {
		require.Contains(t, types, string(typ))
	}
	var walk func(path string, typ reflect.Type, s map[string]any)
	walk = func(path string, typ reflect.Type, s map[string]any) {
		if ref, is := s["$ref"].(string); is {
			s = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		}
		switch {
		case typ.Kind() == reflect.Pointer:
			walk(path, typ.Elem(), s)
		case typ.Kind() == reflect.Slice:
			require.Equal(t, "array", s["type"], path)
			walk(path+"[]", typ.Elem(), s["items"].(map[string]any))
		case typ == reflect.TypeFor[time.Time]():
			require.Equal(t, "date-time", s["format"], path)
		case typ.Kind() == reflect.Struct:
			properties := s["properties"].(map[string]any)
			fields := map[string]bool{}
			for _, f := range reflect.VisibleFields(typ) {
				if f.Anonymous || len(f.Index) > 1 && f.Type == nil {
					continue
				}
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				require.NotEmpty(t, name, "%s.%s", path, f.Name)
				fields[name] = true
				require.Contains(t, properties, name, path)
				walk(path+"."+name, f.Type, properties[name].(map[string]any))
			}
			for name := range properties {
				require.True(t, fields[name], "%s.%s is in the schema and not in the event", path, name)
			}
		default:
			want := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Float64: "number", reflect.Map: "object"}[typ.Kind()]
			require.Equal(t, want, s["type"], path)
		}
	}
	walk("event", reflect.TypeFor[ownEvent](), root)
}

func FuzzZoom(f *testing.F) {
	names, err := filepath.Glob("testdata/zoom/*.json")
	require.NoError(f, err)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(raw)
	}
	fuzzMapping(f, "zoom")
}

func FuzzDebrief(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(`{"type":"meeting.ended","timestamp":"2026-10-06T14:47:10Z","data":{"keys":{"instance_id":"1"},"attendees":null}}`))
	fuzzMapping(f, "debrief")
}

// fuzzMapping: no body panics, what comes out is valid, and it comes out again.
func fuzzMapping(f *testing.F, platform string) {
	f.Helper()
	p := Platforms()[platform]
	f.Fuzz(func(t *testing.T, body []byte) { checkMapping(t, p, body) })
}

func checkMapping(t *testing.T, p Platform, body []byte) {
	t.Helper()
	d := Delivery{Header: http.Header{"Webhook-Id": {"msg_1"}}, Body: body}
	require.LessOrEqual(t, len(p.key(d)), 512)
	_, _ = p.mapping.Handshake(body, zoomSecret)
	events, err := p.understand(d)
	if err != nil {
		require.IsType(t, Unfit{}, err)
		return
	}
	for _, e := range events {
		require.NoError(t, e.Validate())
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		var again meeting.Event
		require.NoError(t, json.Unmarshal(raw, &again))
		second, err := json.Marshal(again.Normalize())
		require.NoError(t, err)
		require.Equal(t, string(raw), string(second), "stored and read, it is the same event")
	}
}

func FuzzVerify(f *testing.F) {
	body := []byte(`{"a":1}`)
	signature, err := SignStandard(standardSecret, "msg_1", now, body)
	require.NoError(f, err)
	timestamp := strconv.FormatInt(now.Unix(), 10)
	f.Add("msg_1", timestamp, signature, body)
	f.Add("msg_1", timestamp, SignZoom(zoomSecret, now, body), body)
	f.Add("msg_1", timestamp, SignCalendly(calendlySecret, now, body), body)
	f.Add("msg_1", timestamp, firefliesSignature.sign(zoomSecret, body), body)
	f.Add("msg_1", timestamp, "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.AAAA", body)
	f.Add("", "-1", "v1,", []byte{})
	key, _ := tokenKey(f)
	at, err := url.Parse("https://debrief.example/webhooks/1?token=" + otherToken[:19])
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		header := http.Header{
			"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature},
			"X-Zm-Request-Timestamp": {timestamp}, "X-Zm-Signature": {signature},
			"Calendly-Webhook-Signature": {signature}, "X-Cal-Signature-256": {signature}, "X-Hub-Signature": {signature},
			"X-Debrief-Secret": {signature}, "Authorization": {signature},
		}
		r := Request{URL: at, Header: header, Body: body}
		// Nobody here knows these secrets.
		for secret, all := range map[string][]Authentication{
			otherSecret: {standardWebhooks{}, zoomSignature{}, calendlySignature{}, calcomSignature, firefliesSignature},
			otherToken:  {sharedSecret{header: "X-Debrief-Secret"}, sharedSecret{}},
			key:         {signedToken{}},
		} {
			for _, a := range all {
				require.Error(t, a.Verify(r, secret, now))
				_ = a.Verify(r, signature, now)
			}
		}
	})
}

func FuzzNextSteps(f *testing.F) {
	f.Add("## Overview\nx\n\n## Next steps\n- **Inês Duarte:** y\n### Tom Okafor\n1. z\n## Risks\nw")
	f.Add("**Next Steps:**\n* [ ] a")
	f.Fuzz(func(t *testing.T, markdown string) {
		notes, steps := splitNextSteps(markdown)
		require.LessOrEqual(t, len(notes)+len(steps), len(markdown))
		for _, i := range actionItems(steps) {
			require.True(t, i.Parsed)
		}
	})
}

func TestNextStepsUnderNames(t *testing.T) {
	t.Parallel()
	notes, steps := splitNextSteps("Intro\n\n**Next Steps:**\n* Plain\n\n## After\nEnd")
	require.Equal(t, "Intro\n\n## After\nEnd", notes)
	require.Equal(t, "* Plain", steps)
	require.Equal(t, []meeting.ActionItem{
		{Text: "Call legal", AssigneeName: "Tom Okafor", Parsed: true},
		{Text: "note: not a name", AssigneeName: "Tom Okafor", Parsed: true},
	}, actionItems("### Tom Okafor\n- Call legal\n- note: not a name"))
}
