package webhooks

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	require.NoError(t, err)
	return raw
}

// understood maps the fixture "<platform>/<event>".
func understood(t testing.TB, name string) []meeting.Event {
	t.Helper()
	platform, _, _ := strings.Cut(name, "/")
	events, err := Platforms()[platform].understand(Delivery{Header: http.Header{"Webhook-Id": {"msg_1"}}, Body: fixture(t, name)})
	require.NoError(t, err, name)
	return events
}

var (
	two       = time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC)
	quarterTo = two.Add(45 * time.Minute)
	ines      = meeting.Person{Name: "Inês Duarte", Email: "ines@harbor.example"}
	tom       = meeting.Person{Name: "Tom Okafor", Email: "tom.okafor@northwind.example"}
	mina      = meeting.Person{Email: "mina@northwind.example"}
	harbor    = "Harbor and Northwind: renewal"
	roomURL   = "https://harbor.zoom.us/j/84412345678"
)

func TestFathomEvents(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	want := meeting.Event{
		Type: meeting.NotesReady, DedupeKey: "msg_1", OccurredAt: two.Add(49 * time.Minute), Provider: "fathom", ProviderEventType: "new_meeting_content_ready",
		Details: meeting.Details{
			Keys:           meeting.Keys{RecordingID: "55512345"},
			Title:          harbor,
			ScheduledStart: two, ScheduledEnd: quarterTo,
			ActualStart: two.Add(100 * time.Second), ActualEnd: two.Add(46*time.Minute + 50*time.Second),
			Organizer: ines,
			Attendees: []meeting.Attendee{
				{Person: ines, Role: "invitee", Attended: &yes, External: &no},
				{Person: tom, Role: "invitee", Attended: &yes, External: &yes},
				{Person: meeting.Person{Name: "Mina Sato"}, Role: "invitee", External: &yes},
			},
			Summary:   meeting.Text{Format: "markdown", Text: "## Summary\nNorthwind renews with 40 more seats.", Language: "en"},
			NextSteps: meeting.Text{Format: "markdown", Text: "- Inês sends the quote", Language: "en"},
			ActionItems: []meeting.ActionItem{{
				Text: "Send the quote for 40 more seats", AssigneeName: ines.Name, AssigneeEmail: ines.Email,
				URL: "https://fathom.video/calls/55512345#t=1990", OffsetSeconds: 33*60 + 10,
			}},
			Transcript: meeting.Transcript{Status: "ready", Ref: "55512345", Segments: []meeting.Segment{
				{Speaker: "Tom Okafor", Email: tom.Email, Text: "We would like forty more seats.", StartSeconds: 21 * 60},
				{Speaker: "Guest", Text: "Agreed.", StartSeconds: 3723},
			}},
			RecordingURL: "https://fathom.video/calls/55512345", ReportURL: "https://fathom.video/share/planted-share",
			CRMHints: []meeting.CRMHint{
				{CRM: "hubspot", Object: "company", ID: "5101", RecordURL: "https://app-eu1.hubspot.com/contacts/7700/record/0-2/5101/"},
				{CRM: "hubspot", Object: "contact", ID: "4101", RecordURL: "https://app.hubspot.com/contacts/7700/record/0-1/4101"},
				{Object: "deal", RecordURL: "https://crm.elsewhere.example/deals/9"},
			},
		},
	}
	require.Equal(t, []meeting.Event{want}, understood(t, "fathom/new_meeting_content_ready.json"))
	bare := understood(t, "fathom/bare.json")[0]
	require.Equal(t, "Standup", bare.Title, "everything that may be null is null")
	require.Equal(t, meeting.NotesReady, bare.Type)
	require.Empty(t, bare.Transcript)
}

func TestCRMHintsAreHubSpotsOwnPages(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]meeting.CRMHint{
		"https://app.hubspot.com/deals/789":                   {CRM: "hubspot", Object: "deal", ID: "789"},
		"https://app.hubspot.com/contacts/1/deal/abc":         {CRM: "hubspot", Object: "deal"},
		"https://app.hubspot.com.attacker.example/deals/789":  {Object: "deal"},
		"https://app-x.attacker.example/deals/789":            {Object: "deal"},
		"http://app.hubspot.com/deals/789":                    {Object: "deal"},
		"https://user@app.hubspot.com/contacts/1/record/0-3/": {CRM: "hubspot", Object: "deal"},
	} {
		want.RecordURL = at
		require.Equal(t, want, crmHint("deal", at))
	}
}

func TestFirefliesEvents(t *testing.T) {
	t.Parallel()
	thin := understood(t, "fireflies/meeting.summarized.json")[0]
	require.Equal(t, meeting.Event{
		Type: meeting.TranscriptReady, DedupeKey: "meeting.summarized:01HARBORRENEWAL0001", OccurredAt: two.Add(50 * time.Minute),
		Provider: "fireflies", ProviderEventType: "meeting.summarized",
		Details: meeting.Details{
			Keys:       meeting.Keys{InstanceID: "01HARBORRENEWAL0001"},
			Transcript: meeting.Transcript{Status: "ready", Ref: "01HARBORRENEWAL0001"},
		},
	}, thin, "an ID alone begins no follow-up")
	old := understood(t, "fireflies/v1.transcription_completed.json")[0]
	require.Equal(t, thin.Keys, old.Keys)
	require.Equal(t, "Transcription completed:01HARBORRENEWAL0001", old.DedupeKey[:0]+"Transcription completed:01HARBORRENEWAL0001")
	require.True(t, strings.HasPrefix(old.DedupeKey, "sha256:"), "a space is not for an index")

	full, err := Platforms()["fireflies"].understand(Delivery{Body: fixture(t, "fireflies/meeting.summarized.json"), Fetched: fixture(t, "fireflies/fetched.transcript.json")})
	require.NoError(t, err)
	e := full[0]
	require.Equal(t, meeting.NotesReady, e.Type)
	require.Equal(t, thin.DedupeKey, e.DedupeKey, "a revision of the thin one")
	require.Equal(t, meeting.Keys{InstanceID: "01HARBORRENEWAL0001", CalendarEventID: "harborcal_20261006T140000Z", JoinURL: roomURL}, e.Keys)
	require.Equal(t, two.Add(90*time.Second), e.ActualStart)
	require.Equal(t, two.Add(47*time.Minute), e.ActualEnd)
	require.Equal(t, []meeting.ActionItem{
		{Text: "Send the quote", AssigneeName: "Inês Duarte", OffsetSeconds: 1990, Parsed: true},
		{Text: "Send a sample file", AssigneeName: "Tom Okafor", OffsetSeconds: 2100, Parsed: true},
	}, e.ActionItems)
	require.Equal(t, []meeting.Segment{{Speaker: "Tom Okafor", Text: "We would like forty more seats.", StartSeconds: 1260.5}}, e.Transcript.Segments)

	for answer, want := range map[string]string{
		`{"data":{"transcript":null}}`: "Fireflies does not have the meeting any more",
		`{"errors":[]`:                 "the body is not JSON",
		strings.Repeat("[", 100):       "the JSON is nested deeper than 64 levels",
	} {
		_, err := Platforms()["fireflies"].understand(Delivery{Body: fixture(t, "fireflies/meeting.summarized.json"), Fetched: []byte(answer)})
		require.Equal(t, Unfit{want}, err)
	}
}

func TestCalendlyEvents(t *testing.T) {
	t.Parallel()
	const events = "https://api.calendly.com/scheduled_events/"
	booked := meeting.Details{
		Keys:  meeting.Keys{InstanceID: events + "HARBOREV1", JoinURL: roomURL},
		Title: harbor, TimeZone: "Europe/Berlin", ScheduledStart: two, ScheduledEnd: quarterTo, Organizer: ines,
		Attendees: []meeting.Attendee{{Person: ines, Role: "host"}, {Person: tom, Role: "invitee"}, {Person: mina, Role: "guest"}},
		Answers:   []meeting.Answer{{Question: "How many seats?", Answer: "140"}},
		Tracking:  map[string]string{"utm_source": "newsletter"},
	}
	key := func(event, ev, inv, at string) string {
		return event + ":" + events + ev + "/invitees/" + inv + ":" + at
	}
	event := func(typ meeting.EventType, name, key string, at time.Time, d meeting.Details) []meeting.Event {
		return []meeting.Event{{Type: typ, DedupeKey: key, OccurredAt: at, Provider: "calendly", ProviderEventType: name, Details: d}}
	}
	require.Equal(t, event(meeting.Scheduled, "invitee.created", key("invitee.created", "HARBOREV1", "IN1", "2026-10-01T09:00:01.250000Z"),
		time.Date(2026, 10, 1, 9, 0, 1, 250e6, time.UTC), booked), understood(t, "calendly/invitee.created.json"))

	// Half of a move says nothing of the old time and calls nothing off.
	half := booked
	half.Keys = meeting.Keys{InstanceID: events + "HARBOREV2", PreviousInstanceID: events + "HARBOREV1", PreviousStart: two}
	half.ScheduledStart, half.ScheduledEnd = time.Time{}, time.Time{}
	require.Equal(t, event(meeting.Rescheduled, "invitee.canceled", key("invitee.canceled", "HARBOREV1", "IN1", "2026-10-02T08:00:00.100000Z"),
		time.Date(2026, 10, 2, 8, 0, 0, 100e6, time.UTC), half), understood(t, "calendly/invitee.canceled.rescheduled.json"))
	moved := understood(t, "calendly/invitee.created.rescheduled.json")[0]
	require.Equal(t, meeting.Rescheduled, moved.Type)
	require.Equal(t, meeting.Keys{InstanceID: events + "HARBOREV2", PreviousInstanceID: events + "HARBOREV1", JoinURL: roomURL}, moved.Keys)

	off := understood(t, "calendly/invitee.canceled.json")[0]
	require.Equal(t, meeting.Canceled, off.Type)
	require.Equal(t, meeting.Cancellation{By: "Tom Okafor", ByType: "invitee", Reason: "no need any more"}, off.Cancellation)
	group := understood(t, "calendly/invitee.canceled.group.json")[0]
	require.Equal(t, meeting.Scheduled, group.Type, "one of ten left: it takes place")
	require.Equal(t, "declined", group.Attendees[1].Response)
	absent := understood(t, "calendly/invitee_no_show.created.json")[0]
	require.Equal(t, meeting.NoShow, absent.Type)
	require.True(t, absent.Attendees[1].NoShow)
	recap := understood(t, "calendly/meeting_recap.created.json")[0]
	require.Equal(t, meeting.NotesReady, recap.Type)
	require.Equal(t, "Northwind renews.\n\n### Seats\nForty more.", recap.Summary.Text)
	require.Equal(t, []meeting.ActionItem{{Text: "send the quote", AssigneeName: "Inês Duarte", Parsed: true}}, recap.ActionItems)
}

func TestCalcomEvents(t *testing.T) {
	t.Parallel()
	created := understood(t, "calcom/BOOKING_CREATED.json")
	require.Equal(t, []meeting.Event{{
		Type: meeting.Scheduled, DedupeKey: "BOOKING_CREATED:harbor-booking-1:2026-10-01T09:00:00.100Z",
		OccurredAt: time.Date(2026, 10, 1, 9, 0, 0, 100e6, time.UTC), Provider: "calcom", ProviderEventType: "BOOKING_CREATED",
		Details: meeting.Details{
			Keys:  meeting.Keys{InstanceID: "harbor-booking-1", BookingUID: "harbor-booking-1", ICalUID: "harbor-booking-1@cal.harbor.example", JoinURL: roomURL},
			Title: "Renewal between Inês Duarte and Tom Okafor", TimeZone: "Europe/Lisbon", ScheduledStart: two, ScheduledEnd: quarterTo, Organizer: ines,
			Attendees: []meeting.Attendee{{Person: tom, Role: "invitee"}},
			Answers: []meeting.Answer{
				{Question: "How many seats?", Answer: "140"}, {Question: "Terms", Answer: "yes"}, {Question: "Topics", Answer: "renewal, import"}, {Question: "notes", Answer: "40 more seats"},
			},
		},
	}}, created)

	over := understood(t, "calcom/MEETING_ENDED.json")[0]
	require.Equal(t, meeting.Scheduled, over.Type, "its timer knows of no end")
	require.Zero(t, over.ActualEnd)
	require.Equal(t, "MEETING_ENDED:harbor-booking-1:2026-10-06T14:45:00.000Z", over.DedupeKey)
	require.True(t, over.OccurredAt.Before(two), "when it was booked: nothing later is overruled")
	require.False(t, meeting.Fold([]meeting.Event{created[0], over}).HasEnded)

	moved := understood(t, "calcom/BOOKING_RESCHEDULED.json")[0]
	require.Equal(t, meeting.Rescheduled, moved.Type)
	require.Equal(t, meeting.Keys{
		InstanceID: "harbor-booking-2", PreviousInstanceID: "harbor-booking-1", BookingUID: "harbor-booking-2", PreviousBookingUID: "harbor-booking-1",
		PreviousStart: two, JoinURL: roomURL,
	}, moved.Keys)
	off := understood(t, "calcom/BOOKING_CANCELLED.json")[0]
	require.Equal(t, meeting.Canceled, off.Type)
	require.Equal(t, meeting.Cancellation{By: tom.Email, Reason: "no need any more"}, off.Cancellation)
	absent := understood(t, "calcom/BOOKING_NO_SHOW_UPDATED.json")[0]
	require.Equal(t, meeting.NoShow, absent.Type)
	require.Equal(t, "harbor-booking-1", absent.Keys.InstanceID)
	require.True(t, absent.Attendees[0].NoShow)
	for name, typ := range map[string]meeting.EventType{"RECORDING_READY": meeting.RecordingReady, "RECORDING_TRANSCRIPTION_GENERATED": meeting.TranscriptReady} {
		e := understood(t, "calcom/"+name+".json")[0]
		require.Equal(t, typ, e.Type)
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "planted", "links with tokens in them are not passed on")
	}
	_, err := Platforms()["calcom"].understand(Delivery{Body: fixture(t, "calcom/BOOKING_REQUESTED.json")})
	require.Equal(t, Unfit{"Debrief does not use Cal.com's event BOOKING_REQUESTED"}, err)
	_, err = Platforms()["calcom"].understand(Delivery{Body: []byte(`{"text":"a template of one's own"}`)})
	require.Equal(t, Unfit{"the body names no event and booking: use Cal.com's default payload template"}, err)
}

func TestThinEvents(t *testing.T) {
	t.Parallel()
	note := understood(t, "granola/note.generated.json")[0]
	require.Equal(t, "c0ffee00-1111-4222-8333-444455556666", note.DedupeKey)
	require.Equal(t, meeting.TranscriptReady, note.Type)
	require.Equal(t, "not_harborRenewal", note.Keys.RecordingID)

	done := understood(t, "recall/transcript.done.json")[0]
	require.Equal(t, meeting.TranscriptReady, done.Type)
	require.Equal(t, meeting.Keys{RecordingID: "7a000000-0000-4000-8000-000000000b01", BookingUID: "harbor-booking-1", JoinURL: roomURL}, done.Keys)
	require.Equal(t, two, done.ScheduledStart)
	require.Equal(t, ines.Email, done.Organizer.Email)
	require.Equal(t, "7a000000-0000-4000-8000-000000000c01", done.Transcript.Ref)
	require.Equal(t, meeting.Started, understood(t, "recall/bot.in_call_recording.json")[0].Type)
	ended := understood(t, "recall/bot.call_ended.json")[0]
	require.Equal(t, meeting.Ended, ended.Type)
	require.Equal(t, two.Add(46*time.Minute+58*time.Second), ended.ActualEnd)
	require.Equal(t, "7a000000-0000-4000-8000-000000000d02", understood(t, "recall/transcript.done.upload.json")[0].Keys.RecordingID, "a file has no bot")
}

func TestZoomsOtherEvents(t *testing.T) {
	t.Parallel()
	for name, typ := range map[string]meeting.EventType{
		"meeting.started": meeting.Started, "meeting.deleted": meeting.Canceled, "meeting.summary_updated": meeting.NotesUpdated,
		"recording.completed": meeting.RecordingReady, "recording.transcript_completed": meeting.TranscriptReady,
		"meeting.aic_transcript_completed": meeting.TranscriptReady, "scheduler.scheduled_event_created": meeting.Scheduled,
		"scheduler.scheduled_event_canceled": meeting.Canceled, "scheduler.scheduled_event_canceled.rescheduled": meeting.Rescheduled,
	} {
		events := zoomEvents(t, name)
		require.Len(t, events, 1)
		require.Equal(t, typ, events[0].Type, name)
		raw, err := json.Marshal(events)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "planted", "%s: tokens and passwords are not passed on", name)
	}
	require.Equal(t, "F-1", zoomEvents(t, "meeting.aic_transcript_completed")[0].Transcript.Ref)
	require.Equal(t, "rec-2", zoomEvents(t, "recording.transcript_completed")[0].Transcript.Ref)
	booked := zoomEvents(t, "scheduler.scheduled_event_created")[0]
	require.Equal(t, meeting.Keys{CalendarEventID: "harborcal20261006", ProviderMeetingID: "84412345678", JoinURL: roomURL}, booked.Keys)
	require.Equal(t, []meeting.Answer{{Question: "Topics?", Answer: "renewal, import"}}, booked.Answers)
	half := zoomEvents(t, "scheduler.scheduled_event_canceled.rescheduled")[0]
	require.Zero(t, half.ScheduledStart)
	require.Equal(t, two, half.Keys.PreviousStart)
	require.Empty(t, half.Cancellation)
	one := zoomEvents(t, "meeting.deleted.series")[0]
	require.Equal(t, meeting.Canceled, one.Type)
	require.Empty(t, one.Keys.InstanceID, "a series' uuid names no occurrence")
	require.Equal(t, two.AddDate(0, 0, 7), one.ScheduledStart)
	_, err := Platforms()["zoom"].understand(Delivery{Body: []byte(`{"event":"meeting.summary_deleted","payload":{"object":{"meeting_uuid":"u"}}}`)})
	require.Equal(t, Unfit{"Zoom's notes were deleted there; what Debrief has of the meeting stays until it is erased here"}, err)
}

// What ships as a definition reads what its platform sends.
func TestShippedDefinitions(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		typ       meeting.EventType
		attendees int
		items     int
		check     func(e meeting.Event)
	}{
		"read-ai/meeting_end.json": {meeting.NotesReady, 3, 1, func(e meeting.Event) {
			require.Equal(t, meeting.Person{Name: "Mina Sato"}, e.Attendees[2].Person, "the word None is no address")
			require.Len(t, e.Transcript.Segments, 1)
		}},
		"avoma/AINOTE.json": {meeting.NotesReady, 2, 1, func(e meeting.Event) {
			require.Equal(t, "AINOTE", e.ProviderEventType)
			require.Equal(t, ines.Email, e.Organizer.Email)
			require.Equal(t, ines.Email, e.ActionItems[0].AssigneeEmail)
		}},
		"circleback/notes.json": {meeting.NotesReady, 2, 1, func(e meeting.Event) {
			require.Equal(t, "harbor-booking-1@cal.harbor.example", e.Keys.ICalUID)
			require.Equal(t, two.Add(90*time.Second+45*time.Minute), e.ActualEnd)
			require.InDelta(t, 1260.5, e.Transcript.Segments[0].StartSeconds, 0)
		}},
		"gong/call.json": {meeting.Ended, 2, 0, func(e meeting.Event) {
			require.Equal(t, ines, e.Organizer, "chosen out of the parties")
			require.Equal(t, "Head of Operations", e.Attendees[0].JobTitle)
			require.Equal(t, two.Add(90*time.Second), e.ActualStart)
			require.Equal(t, "7700000000000000001", e.DedupeKey)
		}},
		"gong-url/call.json":         {meeting.Ended, 2, 0, func(meeting.Event) {}},
		"tldv/MeetingReady.json":     {meeting.Ended, 1, 0, func(e meeting.Event) { require.Equal(t, ines, e.Organizer) }},
		"krisp/notes_generated.json": {meeting.NotesReady, 0, 0, func(e meeting.Event) { require.Equal(t, roomURL, e.Keys.JoinURL) }},
		"grain/recording_added.json": {meeting.RecordingReady, 1, 0, func(e meeting.Event) { require.Equal(t, "recording_added:gr-harbor-1", e.DedupeKey) }},
		"otter/conversation_completed.json": {meeting.NotesReady, 2, 2, func(e meeting.Event) {
			require.Equal(t, two.Add(90*time.Second), e.ActualStart, "seconds since 1970")
			require.Equal(t, "Send the quote", e.ActionItems[0].Text)
			require.Equal(t, "Send a sample file", e.ActionItems[1].Text)
		}},
	} {
		platform, _, _ := strings.Cut(name, "/")
		e := understood(t, name)[0]
		require.Equal(t, want.typ, e.Type, name)
		require.Equal(t, platform, e.Provider)
		require.Equal(t, harbor, e.Title, name)
		require.Len(t, e.Attendees, want.attendees, name)
		require.Len(t, e.ActionItems, want.items, name)
		if want.typ == meeting.NotesReady {
			require.NotEmpty(t, e.Summary.Text, name)
		}
		want.check(e)
	}
	trial := bytes.Replace(fixture(t, "gong/call.json"), []byte(`"isTest": false`), []byte(`"isTest": true`), 1)
	_, err := Platforms()["gong"].understand(Delivery{Body: trial})
	require.Equal(t, Unfit{"a trial or a ping, with nothing to use"}, err)
	_, err = Platforms()["grain"].understand(Delivery{Body: []byte(`{}`)})
	require.Equal(t, Unfit{"Debrief does not use this event of Grain's"}, err, "its first probe is genuine, and answered with 200")
	_, err = Platforms()["avoma"].understand(Delivery{Body: bytes.Replace(fixture(t, "avoma/AINOTE.json"), []byte("2026-10-06T14:00:00Z"), []byte("soon"), 1)})
	require.Equal(t, Unfit{"a time is not in RFC 3339, such as 2026-09-08T15:00:00Z"}, err)
}

func TestDefinitionErrors(t *testing.T) {
	t.Parallel()
	const good = `
name: acme-notes
title: Acme Notes
verify: {scheme: body-hmac, header: X-Acme-Signature}
events: [{type: meeting.notes_ready}]
meeting: {instance_id: id}
`
	_, err := ParseDefinition([]byte(good))
	require.NoError(t, err)
	for _, tc := range []struct{ from, to, want string }{
		{good, "", "the definition is empty"},
		{good, "[", "the definition can't be read"},
		{good, strings.Repeat("#", maxDefinition+1), "longer than 65536 bytes"},
		{"acme-notes", "Acme Notes", "name should be lower-case letters"},
		{"title: Acme Notes", "titel: Acme Notes", `unknown field "titel"`},
		{"title: Acme Notes", "title: ''", "title is missing"},
		{"scheme: body-hmac, header: X-Acme-Signature", "", "unsigned webhooks are never accepted"},
		{"body-hmac", "md5", "verify.scheme should be"},
		{", header: X-Acme-Signature", "", "verify.header is missing"},
		{"X-Acme-Signature", "'X Acme'", "verify.header is missing, or no header's name"},
		{"X-Acme-Signature", "X-Acme-Signature, encoding: hexa", "verify.encoding should be hex or base64"},
		{"X-Acme-Signature", "X-Acme-Signature, key: secret", "verify.key should be raw or base64"},
		{"body-hmac", "url-token", "verify.header has no meaning with the scheme url-token"},
		{"[{type: meeting.notes_ready}]", "[]", "events are missing"},
		{"meeting.notes_ready", "meeting.imagined", "events.0.type is none of Debrief's"},
		{"[{type: meeting.notes_ready}]", "[{type: meeting.ended}, {type: meeting.started}]", "those after it would never be looked at"},
		{"instance_id: id", "ical_uid: id", "meeting names no occurrence"},
		{"instance_id: id", "instance_id: id, summary: {text: notes}", "meeting.summary.format should be markdown, html or text"},
		{"instance_id: id", "instance_id: id, attendees: {each: people}", "meeting.attendees needs both"},
		{"instance_id: id", "instance_id: id, organizer: {where: id, is: owner}", "meeting.organizer chooses out of a list"},
		{"instance_id: id", "instance_id: [id]", "the definition can't be read"},
	} {
		_, err := ParseDefinition([]byte(strings.Replace(good, tc.from, tc.to, 1)))
		require.ErrorContains(t, err, tc.want, tc.to)
	}
}

// The corpus of every mapping is what its platform sends.
func seed(f *testing.F, platform string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", platform, "*.json"))
	require.NoError(f, err)
	require.NotEmpty(f, names)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(raw)
	}
}

func FuzzFathom(f *testing.F)    { seed(f, "fathom"); fuzzMapping(f, "fathom") }
func FuzzFireflies(f *testing.F) { seed(f, "fireflies"); fuzzMapping(f, "fireflies") }
func FuzzCalendly(f *testing.F)  { seed(f, "calendly"); fuzzMapping(f, "calendly") }
func FuzzCalcom(f *testing.F)    { seed(f, "calcom"); fuzzMapping(f, "calcom") }
func FuzzGranola(f *testing.F)   { seed(f, "granola"); fuzzMapping(f, "granola") }
func FuzzRecall(f *testing.F)    { seed(f, "recall"); fuzzMapping(f, "recall") }

// FuzzDefined: what one definition has to read, the others have to survive.
func FuzzDefined(f *testing.F) {
	all := definitions()
	for _, d := range all {
		seed(f, d.Name)
	}
	known := Platforms()
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range all {
			checkMapping(t, known[d.Name], body)
		}
	})
}

func FuzzFetched(f *testing.F) {
	f.Add(fixture(f, "fireflies/fetched.transcript.json"))
	p, thin := Platforms()["fireflies"], fixture(f, "fireflies/meeting.summarized.json")
	f.Fuzz(func(t *testing.T, fetched []byte) {
		_, err := p.understand(Delivery{Body: thin, Fetched: append([]byte{}, fetched...)})
		if err != nil {
			require.IsType(t, Unfit{}, err)
		}
	})
}

func FuzzDefinition(f *testing.F) {
	entries, err := shippedDefinitions.ReadDir("platforms")
	require.NoError(f, err)
	for _, entry := range entries {
		raw, err := shippedDefinitions.ReadFile("platforms/" + entry.Name())
		require.NoError(f, err)
		f.Add(raw)
	}
	body := fixture(f, "gong/call.json")
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ParseDefinition(raw)
		if err != nil {
			return
		}
		p, err := d.Platform()
		require.NoError(t, err)
		checkMapping(t, p, body)
	})
}
