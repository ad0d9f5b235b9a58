package webhooks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

const (
	graphMeetingID    = "MSpoYXJib3ItcmVuZXdhbA"
	graphTranscriptID = "MSMjdHJhbnNjcmlwdC1vbmU"
	graphCallID       = "e5a1f0c7-0a0b-4c0d-8e0f-101112131415"
	graphOrganizerID  = "0f4b2c1e-1111-4222-8333-444455556666"
	graphJoinURL      = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_harbor%40thread.v2/0?context=%7b%22Tid%22%7d"
	allTranscripts    = "communications/onlineMeetings/getAllTranscripts"
	allCalls          = "communications/callRecords"
	inesCalendar      = "users/ines@harbor.example/events"
)

func transcriptOf() map[string]any {
	return map[string]any{
		"id": graphTranscriptID, "meetingId": graphMeetingID, "callId": graphCallID, "createdDateTime": "2026-10-06T14:18:30Z", "endDateTime": "2026-10-06T14:46:00Z",
		"meetingOrganizer": map[string]any{"application": nil, "user": map[string]any{"id": graphOrganizerID, "displayName": nil}},
	}
}

// held is what Graph has of the fixtures' meeting once it was held.
func (g *graphDouble) held(t *testing.T) {
	t.Helper()
	text := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return string(raw)
	}
	room := "/users/" + graphOrganizerID + "/onlineMeetings/" + graphMeetingID
	other := graphEventOf(func(e *graphEvent) {
		e.ID, e.ICalUID, e.Subject = "another", "another-uid", "Another"
		e.OnlineMeeting.JoinURL = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_other%40thread.v2/0"
	})
	earlier := graphEventOf(func(e *graphEvent) {
		e.ID, e.ICalUID, e.Start.DateTime, e.End.DateTime = "earlier", "earlier-uid", "2026-10-06T12:00:00", "2026-10-06T12:30:00"
	})
	g.set(func() {
		g.resources["/communications/onlineMeetings/"+graphMeetingID+"/transcripts/"+graphTranscriptID] = text(transcriptOf())
		g.resources[room+"/transcripts/"+graphTranscriptID+"/content"] = "WEBVTT\n\n0:0:0.0 --> 0:0:5.320\n<v Inês Duarte>Shall we renew?</v>\n\n0:0:6.0 --> 0:0:8.0\n<v Tom Okafor>Yes.</v>\n"
		g.resources[room] = text(map[string]any{
			"id": graphMeetingID, "subject": "Renewal", "joinWebUrl": graphJoinURL, "participants": map[string]any{
				"organizer": map[string]any{"upn": "ines@harbor.example", "identity": map[string]any{"user": map[string]any{"id": graphOrganizerID, "displayName": "Inês Duarte"}}},
				"attendees": []any{map[string]any{"upn": "tom.okafor@northwind.example", "identity": map[string]any{"user": map[string]any{"displayName": "Tom Okafor"}}}},
			},
		})
		g.resources["/users/"+graphOrganizerID+"/calendarView"] = text([]graphEvent{other, earlier, graphEventOf(nil)})
		g.resources["/users/"+graphOrganizerID+"/events/AAkALgHarborRenewal="] = text(graphEventOf(nil))
		insights := "/copilot/users/" + graphOrganizerID + "/onlineMeetings/" + graphMeetingID + "/aiInsights"
		g.resources[insights] = `[{"id":"of-another-call","callId":"another"},{"id":"insight","callId":"` + graphCallID + `"}]`
		g.resources[insights+"/insight"] = `{"id":"insight","callId":"` + graphCallID + `",
			"meetingNotes":[{"title":"Renewal","text":"Northwind renews for a year.","subpoints":[{"title":"Price","text":"stays at 12,000 EUR"}]}],
			"actionItems":[{"title":"Contract","text":"Send the contract","ownerDisplayName":"Inês Duarte"}]}`
		g.resources["/communications/callRecords/"+graphCallID] = `{"id":"` + graphCallID + `","type":"groupCall","version":1,"joinWebUrl":"` + graphJoinURL + `",
			"startDateTime":"2026-10-06T14:01:30Z","endDateTime":"2026-10-06T14:46:55Z","lastModifiedDateTime":"2026-10-06T14:50:00Z",
			"organizer_v2":{"identity":{"user":{"id":"` + graphOrganizerID + `","displayName":"Inês Duarte"}}}}`
		g.resources["/communications/callRecords/"+graphCallID+"/participants_v2"] = `[
			{"identity":{"user":{"id":"` + graphOrganizerID + `","displayName":"Inês Duarte","userPrincipalName":"ines@harbor.example"}}},
			{"identity":{"guest":{"displayName":"Tom Okafor"}}}]`
	})
}

func (g *graphBundle) fetchAndUnderstand(t *testing.T, d Delivery) []meeting.Event {
	t.Helper()
	raw, err := newGraphMapping().Fetch(t.Context(), g.api(t), d)
	require.NoError(t, err)
	d.Fetched = raw
	events, err := Platforms()["microsoft"].understand(d)
	require.NoError(t, err)
	return events
}

// From the subscription to the meeting: Debrief subscribes, Graph challenges and
// notifies, Debrief fetches, and what the calendar, the call and the transcript tell
// is one meeting.
func TestGraphFromSubscriptionToMeeting(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, map[string]store.Secret{graphUsers: "Ines@harbor.example"})
	g.graph.held(t)
	tended, err := g.tend(t, now, nil)
	require.NoError(t, err)
	require.Equal(t, "3 subscriptions, until 2026-10-08 14:51", tended.Words)
	require.Equal(t, []string{allCalls, allTranscripts, inesCalendar}, g.graph.standing())
	for _, resource := range g.graph.standing() {
		s := g.graph.subscription(resource)
		require.Equal(t, graphSecret, s["clientState"])
		require.Equal(t, "https://debrief.example/webhooks/"+g.id.String(), s["lifecycleNotificationUrl"])
		require.Contains(t, s["preferred"], `IdType="ImmutableId"`)
	}

	start := time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC)
	require.Equal(t, http.StatusAccepted, g.graph.notify(inesCalendar, "Users/"+graphOrganizerID+"/Events/AAkALgHarborRenewal=", "created", `W/"1"`, nil))
	planned := g.fetchAndUnderstand(t, g.received(t))
	require.Equal(t, http.StatusAccepted, g.graph.notify(allTranscripts,
		"communications/onlineMeetings('"+graphMeetingID+"')/transcripts('"+graphTranscriptID+"')", "created", "", nil))
	told := g.fetchAndUnderstand(t, g.received(t))
	require.Equal(t, http.StatusAccepted, g.graph.notify(allCalls, "communications/callRecords/"+graphCallID, "created", `W/"1"`, nil))
	ended := g.fetchAndUnderstand(t, g.received(t))

	require.Len(t, told, 1)
	require.Equal(t, meeting.NotesReady, told[0].Type)
	require.Equal(t, "040000008200E00074C5B7101A82E008-harbor", told[0].Keys.ICalUID, "the calendar's event of the same room that is nearest")
	require.Equal(t, start, told[0].ScheduledStart)
	require.Equal(t, graphCallID, told[0].Keys.RecordingID)
	require.Equal(t, []meeting.Segment{{Speaker: "Inês Duarte", Text: "Shall we renew?"}, {Speaker: "Tom Okafor", StartSeconds: 6, Text: "Yes."}}, told[0].Transcript.Segments)
	require.Equal(t, "## Renewal\n\nNorthwind renews for a year.\n- Price: stays at 12,000 EUR", told[0].Summary.Text)
	require.Equal(t, []meeting.ActionItem{{Text: "Contract: Send the contract", AssigneeName: "Inês Duarte"}}, told[0].ActionItems)

	m := meeting.Fold(append(append(planned, told...), ended...))
	require.Equal(t, meeting.StateEnded, m.State)
	require.Equal(t, "Harbor and Northwind: renewal", m.Title)
	require.Equal(t, start.Add(90*time.Second), m.ActualStart)
	require.Equal(t, "ines@harbor.example", m.Organizer.Email)
	require.Len(t, m.Attendees, 3)
	for _, a := range m.Attendees {
		require.Equal(t, a.Email != "lena@northwind.example", a.Attended != nil && *a.Attended, a.Email)
	}
	// The same room, the same iCalUId and the same start, whoever tells it.
	common := func(a, b meeting.Event) bool {
		for _, x := range meeting.CorrelationKeys(a) {
			for _, y := range meeting.CorrelationKeys(b) {
				if x.Kind == y.Kind && x.Value == y.Value && x.Kind != meeting.KeyPeople {
					return true
				}
			}
		}
		return false
	}
	require.True(t, common(planned[0], told[0]))
	require.True(t, common(planned[0], ended[0]))
	require.Equal(t, 1, g.graph.issued, "one access token for all of it")
}

// The whole way through the store: what calendars, transcripts and calls tell in any
// order is one meeting, and Cal.com's booking with the same iCalUId is it, too.
func TestGraphIsOneMeeting(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, nil)
	g.graph.held(t)
	_, err := g.tend(t, now, nil)
	require.NoError(t, err)
	var all []meeting.Event
	for _, n := range []string{"transcript.created", "callrecord.created", "event.created"} {
		all = append(all, g.fetchAndUnderstand(t, Delivery{SourceID: g.id, ReceivedAt: now, Body: fixture(t, "microsoft/"+n+".json")})...)
	}
	all = append(all, meeting.Event{
		Type: meeting.Scheduled, DedupeKey: "booking", Provider: "calcom", OccurredAt: now.Add(-48 * time.Hour), Details: meeting.Details{
			Keys:           meeting.Keys{ICalUID: "040000008200E00074C5B7101A82E008-harbor", BookingUID: "harbor-booking"},
			ScheduledStart: time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC),
		},
	})
	require.Len(t, all, 4)
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}} {
		b := setup(t)
		source := b.source(t, "microsoft", graphSecret)
		for _, i := range order {
			body := []byte(fmt.Sprintf(`{"value":[],"n":%d}`, i))
			id, inserted, err := b.store.InsertDelivery(t.Context(), store.NewDelivery{Source: source, DedupeKey: fmt.Sprint("d", i), Body: body, ReceivedAt: now})
			require.NoError(t, err)
			require.True(t, inserted)
			_, err = b.store.Understood(t.Context(), id, b.organization.ID, []meeting.Event{all[i]})
			require.NoError(t, err)
		}
		stored, err := b.store.Deliveries(t.Context(), store.DeliveryFilter{SourceID: source.ID})
		require.NoError(t, err)
		meetings := map[string]bool{}
		for _, d := range stored {
			require.Len(t, d.MeetingIDs, 1)
			meetings[d.MeetingIDs[0].String()] = true
		}
		require.Len(t, meetings, 1, "%v", order)
	}
}

// What the app may not read is left out; what it was told of has to be there.
func TestGraphFetchFailures(t *testing.T) {
	t.Parallel()
	transcript := Delivery{ReceivedAt: now, Body: fixture(t, "microsoft/transcript.created.json")}
	event := Delivery{ReceivedAt: now, Body: fixture(t, "microsoft/event.created.json")}
	deleted := Delivery{ReceivedAt: now, Body: fixture(t, "microsoft/event.deleted.json")}
	room := "/users/" + graphOrganizerID + "/onlineMeetings/" + graphMeetingID
	content := room + "/transcripts/" + graphTranscriptID + "/content"
	eventPath := "/users/" + graphOrganizerID + "/events/AAkALgHarborRenewal="
	insights := "/copilot/users/" + graphOrganizerID + "/onlineMeetings/" + graphMeetingID + "/aiInsights"
	for name, tc := range map[string]struct {
		delivery Delivery
		change   func(g *graphDouble)
		want     error
		typ      meeting.EventType
	}{
		"all there":                   {delivery: transcript, typ: meeting.NotesReady},
		"without Copilot":             {delivery: transcript, change: func(g *graphDouble) { g.statuses[insights] = 403 }, typ: meeting.TranscriptReady},
		"insights not there yet":      {delivery: Delivery{ReceivedAt: time.Now(), Body: transcript.Body}, change: func(g *graphDouble) { g.resources[insights] = "[]" }, want: NotYet{Platform: "microsoft"}},
		"insights not there for long": {delivery: Delivery{ReceivedAt: time.Now().Add(-graphNotesFor), Body: transcript.Body}, change: func(g *graphDouble) { g.resources[insights] = "[]" }, typ: meeting.TranscriptReady},
		"no insights at all":          {delivery: transcript, change: func(g *graphDouble) { delete(g.resources, insights) }, typ: meeting.TranscriptReady},
		"no calendar allowed":         {delivery: transcript, change: func(g *graphDouble) { g.statuses["/users/"+graphOrganizerID+"/calendarView"] = 403 }, typ: meeting.NotesReady},
		"no meeting allowed":          {delivery: transcript, change: func(g *graphDouble) { g.statuses[room] = 403 }, typ: meeting.NotesReady},
		"content not there yet":       {delivery: transcript, change: func(g *graphDouble) { delete(g.resources, content) }, want: NotYet{Platform: "microsoft"}},
		"content not allowed":         {delivery: transcript, change: func(g *graphDouble) { g.statuses[content] = 403 }, want: Refused{Platform: "microsoft", Status: 403}},
		"in trouble on the way":       {delivery: transcript, change: func(g *graphDouble) { g.statuses[insights] = 503 }, want: Later{Platform: "microsoft", Reason: "is in trouble (503)"}},
		"too many calls":              {delivery: event, change: func(g *graphDouble) { g.throttled[eventPath] = 1 }, want: Later{Platform: "microsoft", Reason: "asks for fewer calls (429)", After: 7 * time.Second}},
		"event not there yet":         {delivery: event, change: func(g *graphDouble) { delete(g.resources, eventPath) }, want: NotYet{Platform: "microsoft"}},
		"deleted and gone":            {delivery: deleted, change: func(g *graphDouble) { delete(g.resources, eventPath) }, typ: meeting.Canceled},
		"deleted and still there":     {delivery: deleted, typ: meeting.Canceled},
		"an answer that is no JSON":   {delivery: event, change: func(g *graphDouble) { g.resources[eventPath] = `"<html>"` }, want: Later{Platform: "microsoft", Reason: "answered with what is no JSON of the expected shape", Odd: true}},
		"a transcript that has no organizer": {delivery: transcript, change: func(g *graphDouble) {
			g.resources["/communications/onlineMeetings/"+graphMeetingID+"/transcripts/"+graphTranscriptID] = `{"id":"1"}`
		}, want: Denied{Platform: "microsoft", Status: 422}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := setupGraph(t, nil)
			g.graph.held(t)
			if tc.change != nil {
				g.graph.set(func() { tc.change(g.graph) })
			}
			raw, err := newGraphMapping().Fetch(t.Context(), g.api(t), tc.delivery)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			d := tc.delivery
			d.Fetched = raw
			events, err := Platforms()["microsoft"].understand(d)
			require.NoError(t, err)
			require.Len(t, events, 1)
			require.Equal(t, tc.typ, events[0].Type)
		})
	}
}

// Of a batch, what is missing for good holds up nothing else, and what was told twice
// is asked for once.
func TestGraphFetchOfABatch(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, nil)
	g.graph.held(t)
	gone := bytes.ReplaceAll(fixture(t, "microsoft/event.updated.json"), []byte("AAkALgHarborRenewal="), []byte("AAkALgGone="))
	body := join(t, gone, fixture(t, "microsoft/event.created.json"), fixture(t, "microsoft/event.created.json"), fixture(t, "microsoft/lifecycle.reauthorization.json"))
	_, err := newGraphMapping().Fetch(t.Context(), g.api(t), Delivery{Body: body, ReceivedAt: time.Now()})
	require.Equal(t, NotYet{Platform: "microsoft"}, err, "it may still come")
	before := g.graph.called("GET /v1.0/users/")
	events := g.fetchAndUnderstand(t, Delivery{Body: body, ReceivedAt: time.Now().Add(-graphPatience - time.Minute)})
	require.Len(t, events, 1)
	require.Equal(t, before+2, g.graph.called("GET /v1.0/users/"))
}

func TestGraphRefusesTheApp(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, map[string]store.Secret{graphClientSecret: "another-client-secret"})
	g.graph.held(t)
	_, err := newGraphMapping().Fetch(t.Context(), g.api(t), Delivery{Body: fixture(t, "microsoft/event.created.json"), ReceivedAt: now})
	var refused Refused
	require.ErrorAs(t, err, &refused)
	require.NotContains(t, err.Error(), "secret")
	_, err = g.tend(t, now, nil)
	require.ErrorAs(t, err, &refused)
	require.Empty(t, g.graph.standing())
}

// An access token that was revoked is got anew, once.
func TestGraphTokenRevoked(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, nil)
	g.graph.held(t)
	d := Delivery{Body: fixture(t, "microsoft/event.created.json"), ReceivedAt: now}
	g.fetchAndUnderstand(t, d)
	g.graph.set(func() { clear(g.graph.tokens) })
	g.fetchAndUnderstand(t, d)
	require.Equal(t, 2, g.graph.issued)
}

// Contents that Graph encrypted for us save a call; whatever is wrong with them, they
// are asked for instead, and say nothing.
func TestGraphRichNotifications(t *testing.T) {
	t.Parallel()
	key := graphTestKeys()[1]
	plain, err := json.Marshal(transcriptOf())
	require.NoError(t, err)
	other, err := json.Marshal(map[string]any{"id": "another", "meetingId": graphMeetingID, "meetingOrganizer": map[string]any{"user": map[string]any{"id": "mallory"}}})
	require.NoError(t, err)
	encrypted := func(change func(e map[string]string)) map[string]string {
		e := encryptedFor(t, &key.PublicKey, graphCertificateID(key), plain)
		if change != nil {
			change(e)
		}
		return e
	}
	flip := func(field string, at int) func(map[string]string) {
		return func(e map[string]string) {
			raw, err := base64.StdEncoding.DecodeString(e[field])
			require.NoError(t, err)
			raw[at] ^= 1
			e[field] = base64.StdEncoding.EncodeToString(raw)
		}
	}
	token := func(head, claims map[string]any) []string { return []string{graphToken(t, head, claims)} }
	good := token(nil, nil)
	set := func(name string, v any) map[string]any { return map[string]any{name: v} }
	g := setupGraph(t, map[string]store.Secret{graphKey: store.Secret(pemOf(graphTestKeys()[2]) + pemOf(key))})
	g.graph.held(t)
	rich := func(encrypted map[string]string, tokens []string) Delivery {
		var batch struct {
			Value  []map[string]any `json:"value"`
			Tokens []string         `json:"validationTokens"`
		}
		require.NoError(t, json.Unmarshal(fixture(t, "microsoft/transcript.created.json"), &batch))
		batch.Value[0]["EncryptedContent"], batch.Tokens = encrypted, tokens // written so, too
		body, err := json.Marshal(batch)
		require.NoError(t, err)
		return Delivery{SourceID: g.id, ReceivedAt: now, Body: body}
	}
	for name, tc := range map[string]struct {
		encrypted map[string]string
		tokens    []string
		tenant    string
		received  time.Time
		down      bool
		revealed  bool
	}{
		"as Graph makes it":                {revealed: true},
		"beside another tenant's token":    {tokens: append(token(nil, map[string]any{"iss": "https://sts.windows.net/11111111-2222-4333-8444-555555555555/"}), good...), revealed: true},
		"looked at long after the receipt": {received: now.Add(time.Hour), revealed: true},
		"no token":                         {tokens: []string{}},
		"expired at the receipt":           {received: now.Add(2 * time.Hour)},
		"no expiry":                        {tokens: token(nil, set("exp", nil))},
		"not yet valid":                    {tokens: token(nil, set("nbf", now.Add(time.Hour).Unix()))},
		"for another app":                  {tokens: token(nil, set("aud", "11111111-2222-4333-8444-555555555555"))},
		"from another app":                 {tokens: token(nil, set("appid", graphClientID))},
		"from nobody":                      {tokens: token(nil, set("appid", nil))},
		"of another tenant":                {tokens: token(nil, set("iss", "https://sts.windows.net/11111111-2222-4333-8444-555555555555/"))},
		"of another issuer":                {tokens: token(nil, set("iss", "https://sts.example/"+graphTenantID+"/"))},
		"notification of another tenant":   {tenant: "11111111-2222-4333-8444-555555555555"},
		"signed by another":                {tokens: token(set("forged", true), nil)},
		"signed with another key's name":   {tokens: token(map[string]any{"kid": "mallory"}, nil)},
		"the public key as a secret":       {tokens: token(set("alg", "HS256"), nil)},
		"no algorithm":                     {tokens: token(set("alg", "none"), nil)},
		"a token in pieces":                {tokens: []string{"", ".", "a.b", "a.b.c", "a.b.c.d", strings.Repeat("a", 9<<10), good[0] + "x", strings.Replace(good[0], ".", "..", 1)}},
		"a critical header":                {tokens: token(set("crit", []string{"x"}), nil)},
		"a key of its own":                 {tokens: token(map[string]any{"jwk": map[string]any{"kty": "oct", "k": "AAAA"}, "forged": true}, nil)},
		"sixty tokens":                     {tokens: append(make([]string, 60), good...)},
		"keys away":                        {down: true},
		"content changed":                  {encrypted: encrypted(flip("data", 5))},
		"last block changed":               {encrypted: encrypted(flip("data", 31))},
		"signature changed":                {encrypted: encrypted(flip("dataSignature", 0))},
		"no signature":                     {encrypted: encrypted(func(e map[string]string) { delete(e, "dataSignature") })},
		"key changed":                      {encrypted: encrypted(flip("dataKey", 9))},
		"no key":                           {encrypted: encrypted(func(e map[string]string) { delete(e, "dataKey") })},
		"another certificate":              {encrypted: encrypted(func(e map[string]string) { e["encryptionCertificateId"] = "debrief-0" })},
		"no base64":                        {encrypted: encrypted(func(e map[string]string) { e["data"] = "***" })},
		"half a block":                     {encrypted: encrypted(func(e map[string]string) { e["data"] = "AAAA" })},
		"encrypted for another":            {encrypted: encryptedFor(t, &graphTestKeys()[2].PublicKey, graphCertificateID(key), plain)},
		"genuine, of another transcript":   {encrypted: encryptedFor(t, &key.PublicKey, graphCertificateID(key), other)},
		"genuine, and no JSON":             {encrypted: encryptedFor(t, &key.PublicKey, graphCertificateID(key), []byte("{"))},
		"genuine, and empty":               {encrypted: encryptedFor(t, &key.PublicKey, graphCertificateID(key), nil)},
	} {
		g.graph.set(func() { g.graph.keysDown, g.graph.keysAsked = tc.down, 0 })
		if tc.encrypted == nil {
			tc.encrypted = encrypted(nil)
		}
		if tc.tokens == nil {
			tc.tokens = good
		}
		if tc.received.IsZero() {
			tc.received = now
		}
		d := rich(tc.encrypted, tc.tokens)
		notices, tokens, err := readGraphNotices(d.Body)
		require.NoError(t, err)
		if tc.tenant != "" {
			notices[0].TenantID = tc.tenant
		}
		revealed := newGraphSession().reveal(t.Context(), g.api(t), tc.received, notices[0], tokens)
		require.Equal(t, tc.revealed, revealed != nil, name)
		require.LessOrEqual(t, g.graph.keysAsked, 5, "%s: tokens of strangers don't make us ask again and again", name)
	}
	g.graph.set(func() { g.graph.keysDown = false })
	asked := "GET /v1.0/communications/onlineMeetings/" + graphMeetingID + "/transcripts/" + graphTranscriptID
	for calls, d := range []Delivery{rich(encrypted(nil), good), rich(encrypted(flip("data", 5)), good)} {
		before := len(g.graph.calls)
		events := g.fetchAndUnderstand(t, d)
		require.Len(t, events, 1)
		require.Len(t, events[0].Transcript.Segments, 2)
		require.Equal(t, graphOrganizerID, events[0].HostID)
		n := 0
		for _, c := range g.graph.calls[before:] {
			if c == asked {
				n++
			}
		}
		require.Equal(t, calls, n, "what is proven is not asked for")
	}
}

// Subscriptions are renewed by every look, made again when they were removed, and
// found again when what was made was not kept.
func TestGraphTends(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, map[string]store.Secret{graphUsers: `["ines@harbor.example", "rui@harbor.example"]`, graphKey: store.Secret(pemOf(graphTestKeys()[1]))})
	g.graph.set(func() {
		g.graph.resources["/users/ines@harbor.example/calendarView"] = "[]"
		g.graph.statuses["/subscriptions:users/rui@harbor.example/events"] = 403
	})
	tended, err := g.tend(t, now, nil)
	require.NoError(t, err)
	require.Equal(t, "3 subscriptions, until 2026-10-08 14:51; calendars are not permitted (1)", tended.Words)
	require.Equal(t, now.Add(graphLook), tended.Next)
	transcripts := g.graph.subscription(allTranscripts)
	require.Equal(t, true, transcripts["includeResourceData"])
	require.Equal(t, graphCertificateID(graphTestKeys()[1]), transcripts["encryptionCertificateId"])
	require.Nil(t, g.graph.subscription(inesCalendar)["includeResourceData"])
	for _, state := range g.states {
		require.NotContains(t, string(state), graphSecret)
	}

	// Twelve hours later.
	at := now.Add(graphLook)
	tended, err = g.tend(t, at, nil)
	require.NoError(t, err)
	require.Contains(t, tended.Words, "until 2026-10-09 02:51")
	require.Equal(t, 3, g.graph.called("PATCH /v1.0/subscriptions/"))
	require.Equal(t, 3, g.graph.next, "none was made anew")

	// Woken at once again: nothing to renew.
	_, err = g.tend(t, at.Add(time.Minute), nil)
	require.NoError(t, err)
	require.Equal(t, 3, g.graph.called("PATCH /v1.0/subscriptions/"))

	// reauthorizationRequired for all, and one was removed.
	at = at.Add(10 * time.Minute)
	g.graph.set(func() { delete(g.graph.subs, fmt.Sprint(transcripts["id"])) })
	_, err = g.tend(t, at, nil)
	require.NoError(t, err)
	require.Equal(t, 6, g.graph.called("PATCH /v1.0/subscriptions/"))
	require.Equal(t, []string{allCalls, allTranscripts, inesCalendar}, g.graph.standing())

	// The crash after the making and before the keeping: the stray one goes.
	kept := len(g.states)
	g.graph.set(func() { delete(g.graph.subs, fmt.Sprint(g.graph.order[len(g.graph.order)-1])) })
	broken := errors.New("the database is away")
	_, err = g.tend(t, at.Add(time.Hour), func(t *Tending) {
		inner, n := t.Keep, 0
		t.Keep = func(ctx context.Context, state []byte) error {
			if n++; n == 2 {
				return broken
			}
			return inner(ctx, state)
		}
	})
	require.ErrorIs(t, err, broken)
	require.Len(t, g.states, kept+1)
	require.Len(t, g.graph.standing(), 3)
	_, err = g.tend(t, at.Add(2*time.Hour), nil)
	require.NoError(t, err)
	require.Equal(t, []string{allCalls, allTranscripts, inesCalendar}, g.graph.standing())

	// Another secret: each is made anew, and the old one goes when the new one stands.
	at = at.Add(3 * time.Hour)
	_, err = g.tend(t, at, func(t *Tending) { t.Secret = oldGraphSecret })
	require.NoError(t, err)
	require.Equal(t, []string{allCalls, allTranscripts, inesCalendar}, g.graph.standing())
	for _, resource := range g.graph.standing() {
		require.Equal(t, oldGraphSecret, g.graph.subscription(resource)["clientState"])
	}

	// What was refused is tried again after a while.
	g.graph.set(func() {
		clear(g.graph.statuses)
		g.graph.resources["/users/rui@harbor.example/calendarView"] = "[]"
	})
	at = at.Add(24 * time.Hour)
	_, err = g.tend(t, at, func(t *Tending) { t.Secret = oldGraphSecret })
	require.NoError(t, err)
	require.Len(t, g.graph.standing(), 4)

	// The source is disabled.
	_, err = g.tend(t, at.Add(time.Hour), func(t *Tending) { t.Ending = true })
	require.NoError(t, err)
	require.Empty(t, g.graph.standing())
}

// A receiver that does not answer the challenge is subscribed to nothing.
func TestGraphChallengeUnanswered(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, nil)
	g.graph.toOurs = func(string, http.Header, []byte) (int, string, string) { return http.StatusOK, "text/html", "hello" }
	_, err := g.tend(t, now, nil)
	require.Equal(t, Denied{Platform: "microsoft", Status: 400}, err)
	require.Empty(t, g.graph.standing())
}

// What no notification told is found in the calendar, in the form of one: it has the
// same key, so that what came already is a duplicate.
func TestGraphLooksThroughCalendars(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, map[string]store.Secret{graphUsers: "ines@harbor.example"})
	at := now.Add(-24 * time.Hour)
	event := func(id string, start time.Time, modified time.Time, attendees string) string {
		return fmt.Sprintf(`{"id":%q,"@odata.etag":"W/\"%s\"","iCalUId":"uid-%s","start":{"dateTime":%q,"timeZone":"UTC"},"lastModifiedDateTime":%q,"attendees":%s}`,
			id, id, id, start.Format("2006-01-02T15:04:05"), modified.Format(time.RFC3339), attendees)
	}
	const tom = `[{"emailAddress":{"address":"tom.okafor@northwind.example"}}]`
	list := []string{
		event("old", at.Add(2*time.Hour), at.Add(-90*24*time.Hour), tom), event("alone", at.Add(2*time.Hour), at, "[]"), event("new", at.Add(3*time.Hour), at.Add(-2*time.Hour), tom),
	}
	g.graph.set(func() {
		g.graph.resources["/users/ines@harbor.example/calendarView"] = "[" + strings.Join(list, ",") + "]"
	})
	ids := func(found []Polled) (all []string) {
		for _, p := range found {
			notices, _, err := readGraphNotices(p.Delivery.Body)
			require.NoError(t, err)
			_, _, id := notices[0].names()
			all = append(all, id)
			require.Equal(t, `event:`+id+`:W/"`+id+`"`, Platforms()["microsoft"].key(p.Delivery))
			require.True(t, graphMapping{}.Thin(p.Delivery))
		}
		return all
	}
	tended, err := g.tend(t, at, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"old", "new"}, ids(tended.Found), "at first all that is ahead")
	tended, err = g.tend(t, at.Add(12*time.Hour), nil)
	require.NoError(t, err)
	require.Empty(t, tended.Found)
	list = append(list, event("moved", at.Add(30*time.Hour), at.Add(13*time.Hour), tom), event("nearer", at.Add(12*time.Hour+graphWindow+time.Hour), at.Add(-time.Hour*900), tom))
	g.graph.set(func() {
		g.graph.resources["/users/ines@harbor.example/calendarView"] = "[" + strings.Join(list, ",") + "]"
	})
	tended, err = g.tend(t, at.Add(24*time.Hour), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"nearer", "moved"}, ids(tended.Found))
}

func TestGraphCredentials(t *testing.T) {
	t.Parallel()
	p := Platforms()["microsoft"]
	form := func(change func(map[string]any)) []byte {
		c := map[string]any{"tenant_id": graphTenantID, "client_id": graphClientID, "client_secret": graphAppSecret}
		change(c)
		raw, err := json.Marshal(c)
		require.NoError(t, err)
		return raw
	}
	got, err := p.ReadCredentials(form(func(c map[string]any) { c["users"] = []string{"B@harbor.example", "a@harbor.example"} }))
	require.NoError(t, err)
	all, err := graphMailboxes(got)
	require.NoError(t, err)
	require.Equal(t, []string{"a@harbor.example", "b@harbor.example"}, all)
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"a name for the tenant": {func(c map[string]any) { c["tenant_id"] = "harbor.example" }, "tenant_id should be an ID"},
		"no secret":             {func(c map[string]any) { delete(c, "client_secret") }, "client_secret is missing"},
		"a path for a user":     {func(c map[string]any) { c["users"] = "../../admin" }, "users should be addresses"},
		"too many users":        {func(c map[string]any) { c["users"] = strings.Repeat("a@harbor.example,", 3) + manyUsers() }, "users are more than 500"},
		"no key":                {func(c map[string]any) { c["encryption_key"] = "secret words" }, "encryption_key should be one RSA private key"},
		"three keys":            {func(c map[string]any) { c["encryption_key"] = strings.Repeat(pemOf(graphTestKeys()[1]), 3) }, "encryption_key should be one RSA private key"},
	} {
		_, err := p.ReadCredentials(form(tc.change))
		require.ErrorContains(t, err, tc.want, name)
		require.NotContains(t, err.Error(), "secret words")
	}
}

func manyUsers() string {
	var b strings.Builder
	for i := range 501 {
		fmt.Fprintf(&b, "user%d@harbor.example ", i)
	}
	return b.String()
}

// Through the receiver, the relay and the steps of the Delivery workflow: one POST
// with three notifications, and a stranger's, ends as one meeting.
func TestGraphThroughTheRelay(t *testing.T) {
	t.Parallel()
	g := setupGraph(t, nil)
	g.graph.held(t)
	source, err := g.store.Source(t.Context(), g.id)
	require.NoError(t, err)
	body := join(t, withState(t, "transcript.created", graphSecret), withState(t, "callrecord.created", graphSecret), withState(t, "event.created", graphSecret),
		withState(t, "event.deleted", "another-client-state-0123456789"))
	require.Equal(t, http.StatusAccepted, g.send(t, source, graphHeader, body).status)
	claimed, err := g.store.ClaimDeliveries(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	result, err := understandStored(t.Context(), g.store, Platforms(), claimed[0])
	require.NoError(t, err)
	require.True(t, result.fetching)
	f := &Fetcher{Store: g.store, Platforms: Platforms(), APIs: g.apis}
	require.NoError(t, f.Fetch(t.Context(), claimed[0].ID))
	require.NoError(t, f.Understand(t.Context(), claimed[0].ID, ""))
	d, err := g.store.DeliveryByID(t.Context(), claimed[0].ID)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnderstood, d.State, d.Reason)
	require.Len(t, d.MeetingIDs, 1)

	// A lifecycle notification has the source looked after, and settles.
	asked, err := g.store.ClaimUpkeeps(t.Context(), 10)
	require.NoError(t, err)
	for _, a := range asked {
		require.NoError(t, g.store.ToldUpkeep(t.Context(), a))
	}
	require.Equal(t, http.StatusAccepted, g.send(t, source, graphHeader, withState(t, "lifecycle.reauthorization", graphSecret)).status)
	claimed, err = g.store.ClaimDeliveries(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	result, err = understandStored(t.Context(), g.store, Platforms(), claimed[0])
	require.NoError(t, err)
	require.False(t, result.fetching)
	asked, err = g.store.ClaimUpkeeps(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, asked, 1)
}
