package webhooks

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// firefliesSignature is Fireflies'. It is sent only where a secret was set
// (docs.fireflies.ai/graphql-api/webhooks-v2, read 2026-04).
var firefliesSignature = bodySignature{header: "X-Hub-Signature", prefix: "sha256="}

// firefliesMapping reads Fireflies' webhooks, version 2 and the older one. They
// name a meeting and tell nothing of it: the rest is the answer of its API to
// transcript(id), in [Delivery.Fetched].
type firefliesMapping struct{ noHandshake }

type firefliesBody struct {
	Event     string `json:"event"`
	Timestamp moment `json:"timestamp"`
	MeetingID string `json:"meeting_id"`
	// The older version.
	EventType  string `json:"eventType"`
	OldMeeting string `json:"meetingId"`
}

type firefliesTranscript struct {
	Title          string   `json:"title"`
	OrganizerEmail string   `json:"organizer_email"`
	HostEmail      string   `json:"host_email"`
	Participants   []string `json:"participants"`
	Attendees      []struct {
		DisplayName string `json:"displayName"`
		Name        string `json:"name"`
		Email       string `json:"email"`
	} `json:"meeting_attendees"`
	Date          moment  `json:"date"`     // milliseconds
	Duration      float64 `json:"duration"` // minutes
	MeetingLink   string  `json:"meeting_link"`
	CalID         string  `json:"cal_id"`
	TranscriptURL string  `json:"transcript_url"`
	Sentences     []struct {
		Speaker string  `json:"speaker_name"`
		Text    string  `json:"text"`
		Start   float64 `json:"start_time"` // seconds
	} `json:"sentences"`
	Summary struct {
		Overview string `json:"overview"`
		Short    string `json:"short_summary"`
		// One text, grouped by person.
		ActionItems string `json:"action_items"`
	} `json:"summary"`
}

// Key: what happened to which meeting. There is no ID of the delivery.
func (firefliesMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	var b firefliesBody
	if err := decode(d.Body, &b); err != nil {
		return ""
	}
	return b.key()
}

func (b firefliesBody) key() string {
	event, id := first(b.Event, b.EventType), first(b.MeetingID, b.OldMeeting)
	if event == "" || id == "" {
		return ""
	}
	return event + ":" + id
}

func (firefliesMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b firefliesBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	name := first(b.Event, b.EventType)
	e := meeting.Event{DedupeKey: b.key(), OccurredAt: b.Timestamp.time(), Provider: "fireflies", ProviderEventType: name}
	e.Keys.InstanceID = first(b.MeetingID, b.OldMeeting)
	if e.Keys.InstanceID == "" {
		return nil, Unfit{"the body names no meeting"}
	}
	switch name {
	case "meeting.transcribed", "meeting.summarized", "Transcription completed":
		// Without what the API adds, it says only that there is something to get.
		e.Type = meeting.TranscriptReady
		e.Transcript = meeting.Transcript{Status: "ready", Ref: e.Keys.InstanceID}
	default:
		return nil, notUsed("Fireflies", name)
	}
	if d.Fetched == nil {
		return []meeting.Event{e}, nil
	}
	var answer struct {
		Data struct {
			Transcript *firefliesTranscript `json:"transcript"`
		} `json:"data"`
	}
	if err := checkShape(d.Fetched); err != nil {
		return nil, err
	}
	if err := decode(d.Fetched, &answer); err != nil {
		return nil, err
	}
	if answer.Data.Transcript == nil {
		return nil, Unfit{"Fireflies does not have the meeting any more"}
	}
	answer.Data.Transcript.tell(&e)
	return []meeting.Event{e}, nil
}

func (t firefliesTranscript) tell(e *meeting.Event) {
	e.Title, e.ReportURL = t.Title, t.TranscriptURL
	e.Keys.JoinURL, e.Keys.CalendarEventID = t.MeetingLink, t.CalID
	e.ActualStart = t.Date.time()
	if !e.ActualStart.IsZero() && t.Duration > 0 && t.Duration < 60*24 {
		e.ActualEnd = e.ActualStart.Add(time.Duration(t.Duration * float64(time.Minute)))
	}
	e.Organizer.Email = first(t.OrganizerEmail, t.HostEmail)
	for _, a := range t.Attendees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: first(a.DisplayName, a.Name), Email: a.Email}, Role: "invitee"})
	}
	for _, email := range t.Participants {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: email}, Role: "invitee"})
	}
	for _, s := range t.Sentences {
		e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{Speaker: s.Speaker, Text: s.Text, StartSeconds: s.Start})
	}
	e.Summary = meeting.Text{Format: "markdown", Text: first(t.Summary.Overview, t.Summary.Short)}
	e.NextSteps = meeting.Text{Format: "markdown", Text: t.Summary.ActionItems}
	e.ActionItems = linesByPerson(t.Summary.ActionItems)
	if e.Summary.Text != "" || len(e.ActionItems) > 0 {
		e.Type = meeting.NotesReady
	}
}

// API is Fireflies' (docs.fireflies.ai, "Authorization" and "Limits", read 2026-11):
// 60 calls a minute on the Business plan, and fewer a day on smaller ones, which its
// own answers then say.
func (firefliesMapping) API() APISpec {
	return APISpec{
		BaseURL: "https://api.fireflies.ai", Every: 2 * time.Second,
		Credentials: []Credential{{Name: "api_key", Help: "the API key from Fireflies' Settings, Developer settings"}},
	}
}

// Thin: each webhook that means something.
func (firefliesMapping) Thin(d Delivery) bool {
	var b firefliesBody
	if decode(d.Body, &b) != nil || first(b.MeetingID, b.OldMeeting) == "" {
		return false
	}
	switch first(b.Event, b.EventType) {
	case "meeting.transcribed", "meeting.summarized", "Transcription completed":
		return true
	default:
		return false
	}
}

const firefliesTranscriptQuery = `query Transcript($id: String!) { transcript(id: $id) {
	id title date duration organizer_email host_email participants
	meeting_attendees { displayName name email }
	meeting_link cal_id transcript_url
	sentences { speaker_name text start_time }
	summary { overview short_summary action_items }
	meeting_info { summary_status }
} }`

// Fetch gets the transcript. Where the webhook says that there is a summary, one that
// is still being made is waited for.
func (firefliesMapping) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	var b firefliesBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	var data json.RawMessage
	err := firefliesAsk(ctx, api, firefliesTranscriptQuery, map[string]any{"id": first(b.MeetingID, b.OldMeeting)}, &data)
	if err != nil {
		return nil, err
	}
	var got struct {
		Transcript *struct {
			Info struct {
				SummaryStatus string `json:"summary_status"`
			} `json:"meeting_info"`
		} `json:"transcript"`
	}
	if err := json.Unmarshal(data, &got); err != nil || got.Transcript == nil {
		return nil, NotYet{Platform: api.Platform}
	}
	if b.Event == "meeting.summarized" && strings.EqualFold(got.Transcript.Info.SummaryStatus, "processing") {
		return nil, NotYet{Platform: api.Platform}
	}
	return json.Marshal(map[string]json.RawMessage{"data": data})
}

// firefliesAsk asks Fireflies' GraphQL API and decodes the answer's data into out.
// What GraphQL calls errors come with status 200 as well (docs.fireflies.ai, "Error
// codes", read 2026-11).
func firefliesAsk(ctx context.Context, api API, query string, variables map[string]any, out any) error {
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Code       string `json:"code"`
			Extensions struct {
				Code     string `json:"code"`
				Status   int    `json:"status"`
				Metadata struct {
					RetryAfter moment `json:"retryAfter"`
				} `json:"metadata"`
			} `json:"extensions"`
		} `json:"errors"`
	}
	err := api.Bearer(api.Credentials["api_key"]).Post(ctx, "/graphql", map[string]any{"query": query, "variables": variables}, &answer)
	if err != nil {
		return err
	}
	for _, e := range answer.Errors {
		code := first(e.Extensions.Code, e.Code)
		switch status := e.Extensions.Status; {
		case code == "too_many_requests" || status == http.StatusTooManyRequests:
			var after time.Duration
			if at := e.Extensions.Metadata.RetryAfter.time(); !at.IsZero() {
				after = time.Until(at)
			}
			return api.TooMany(ctx, after)
		case code == "object_not_found" || status == http.StatusNotFound:
			return NotYet{Platform: api.Platform}
		case code == "auth_failed" || status == http.StatusUnauthorized:
			return Refused{Platform: api.Platform, Status: http.StatusUnauthorized}
		case code == "require_elevated_privilege" || code == "forbidden" || status == http.StatusForbidden:
			return Refused{Platform: api.Platform, Status: http.StatusForbidden}
		case status >= http.StatusInternalServerError || code == "internal_server_error":
			return Later{Platform: api.Platform, Reason: "is in trouble"}
		default:
			return Denied{Platform: api.Platform, Status: max(status, http.StatusBadRequest)}
		}
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return Later{Platform: api.Platform, Reason: "answered with what is no JSON of the expected shape", Odd: true}
	}
	return nil
}

var trailingClock = regexp.MustCompile(`\s*\((\d{1,3}(?::\d{2}){1,2})\)\s*$`)

// linesByPerson reads action items that stand one a line under the names of who
// promised them, each with the place in the recording behind it.
func linesByPerson(markdown string) []meeting.ActionItem {
	var items []meeting.ActionItem
	under := ""
	for _, line := range splitLines(markdown) {
		if level, name := heading(line); level > 0 {
			under = ""
			if mdName.MatchString(name) {
				under = name
			}
			continue
		}
		if m := mdBullet.FindStringSubmatch(line); m != nil {
			line = m[2]
		}
		item := meeting.ActionItem{AssigneeName: under, Parsed: true}
		if m := trailingClock.FindStringSubmatch(line); m != nil {
			item.OffsetSeconds = int(clockSeconds(m[1]))
			line = line[:len(line)-len(m[0])]
		}
		if item.Text = line; line != "" {
			items = append(items, item)
		}
	}
	return items
}
