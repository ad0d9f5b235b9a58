package webhooks

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// zoomSignature is Zoom's: an HMAC-SHA256, in lower-case hex, of
// "v0:<timestamp>:<body>" under the app's Secret Token
// (developers.zoom.us/docs/api/webhooks, read 2026-02).
type zoomSignature struct{}

// Zoom retries after 5, 25 and 85 minutes, never after a 4xx, and does not say
// whether a retry keeps its first timestamp. A shorter window could lose every
// retry for good; a replay inside this one is a duplicate, and harmless.
const (
	zoomPast   = 90 * time.Minute
	zoomFuture = 5 * time.Minute
)

func (zoomSignature) CheckSecret(secret string) error {
	if len(strings.TrimSpace(secret)) < 8 {
		return errors.New("the secret is too short: copy the app's Secret Token from Zoom's Feature page")
	}
	if strings.TrimSpace(secret) != secret {
		return errors.New("the secret begins or ends with a space")
	}
	return nil
}

func (z zoomSignature) Verify(header http.Header, body []byte, secret string, now time.Time) error {
	timestamp, signature := one(header, "X-Zm-Request-Timestamp"), one(header, "X-Zm-Signature")
	if timestamp == "" || signature == "" {
		return MissingSignature
	}
	encoded, versioned := strings.CutPrefix(signature, "v0=")
	got, err := hex.DecodeString(encoded)
	if z.CheckSecret(secret) != nil || !versioned || err != nil ||
		!hmac.Equal(got, mac([]byte(secret), "v0:", timestamp, ":", string(body))) {
		return WrongSignature
	}
	return within(timestamp, now, zoomPast, zoomFuture)
}

// SignZoom returns the x-zm-signature header of a request, as Zoom makes it.
func SignZoom(secret string, timestamp time.Time, body []byte) string {
	return "v0=" + hex.EncodeToString(mac([]byte(secret), "v0:", strconv.FormatInt(timestamp.Unix(), 10), ":", string(body)))
}

// zoomMapping reads Zoom's meeting events.
type zoomMapping struct{}

type zoomBody struct {
	Event   string  `json:"event"`
	EventTS zoomInt `json:"event_ts"` // milliseconds
	Payload struct {
		PlainToken string     `json:"plainToken"`
		AccountID  string     `json:"account_id"`
		Operator   string     `json:"operator"`
		OperatorID string     `json:"operator_id"`
		Object     zoomObject `json:"object"`
		OldObject  struct {
			StartTime zoomTime `json:"start_time"`
		} `json:"old_object"`
	} `json:"payload"`
}

// zoomObject is a meeting as the meeting.* events have it, or a summary: they
// share no names, and an event has the ones of its kind.
type zoomObject struct {
	UUID      string   `json:"uuid"`
	ID        zoomText `json:"id"` // text in some events, a number in others
	HostID    string   `json:"host_id"`
	Topic     string   `json:"topic"`
	StartTime zoomTime `json:"start_time"`
	EndTime   zoomTime `json:"end_time"`
	Duration  zoomInt  `json:"duration"` // minutes
	Timezone  string   `json:"timezone"`
	JoinURL   string   `json:"join_url"`

	Occurrences []struct {
		OccurrenceID zoomText `json:"occurrence_id"`
		StartTime    zoomTime `json:"start_time"`
		Duration     zoomInt  `json:"duration"`
		Status       string   `json:"status"`
	} `json:"occurrences"`
	Settings struct {
		Invitees []struct {
			Email string `json:"email"`
		} `json:"meeting_invitees"`
	} `json:"settings"`
	Participant struct {
		ID    string `json:"id"`
		UUID  string `json:"participant_uuid"`
		User  string `json:"user_id"`
		Name  string `json:"user_name"`
		Email string `json:"email"`
	} `json:"participant"`

	MeetingUUID      string   `json:"meeting_uuid"`
	MeetingID        zoomText `json:"meeting_id"`
	MeetingTopic     string   `json:"meeting_topic"`
	MeetingHostID    string   `json:"meeting_host_id"`
	MeetingHostEmail string   `json:"meeting_host_email"`
	MeetingStart     zoomTime `json:"meeting_start_time"`
	MeetingEnd       zoomTime `json:"meeting_end_time"`
	// Since 2025-04-24 the summary is Markdown in summary_content, and since
	// 2025-08-18 there is summary_doc_url; before, it came in parts.
	SummaryContent  string `json:"summary_content"`
	SummaryDocURL   string `json:"summary_doc_url"`
	SummaryOverview string `json:"summary_overview"`
	SummaryDetails  []struct {
		Label   string `json:"label"`
		Summary string `json:"summary"`
	} `json:"summary_details"`
	NextSteps []string `json:"next_steps"`
}

// zoomChallenge is what a plainToken may look like. Zoom's are 22 characters of
// this alphabet. One with other characters could be the text of an event that
// somebody wants to have signed: Zoom's answer uses the events' own key.
var zoomChallenge = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

const zoomValidation = "endpoint.url_validation"

func (zoomMapping) Handshake(body []byte, secret string) (any, bool) {
	if checkShape(body) != nil {
		return nil, false
	}
	var b zoomBody
	if err := decode(body, &b); err != nil || b.Event != zoomValidation || !zoomChallenge.MatchString(b.Payload.PlainToken) {
		return nil, false
	}
	return map[string]string{
		"plainToken":     b.Payload.PlainToken,
		"encryptedToken": hex.EncodeToString(mac([]byte(secret), b.Payload.PlainToken)),
	}, true
}

// Key: Zoom gives its events no ID, and x-zm-request-id may be another one in a
// retry. What, whose, where, when and who together are the event.
func (zoomMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	var b zoomBody
	if err := decode(d.Body, &b); err != nil || b.Event == "" {
		return ""
	}
	return b.key()
}

func (b zoomBody) key() string {
	o := b.Payload.Object
	parts := []string{b.Event, b.Payload.AccountID, first(o.UUID, o.MeetingUUID, string(o.ID)), strconv.FormatInt(int64(b.EventTS), 10)}
	if who := first(o.Participant.UUID, o.Participant.User, o.Participant.ID); who != "" {
		parts = append(parts, who)
	}
	return strings.Join(parts, "+")
}

var zoomEventName = regexp.MustCompile(`^[a-z_]{1,40}(\.[a-z_]{1,60}){1,3}$`)

func (zoomMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b zoomBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	if b.Event == zoomValidation {
		return nil, Unfit{"the challenge's token is not one of Zoom's"}
	}
	e := meeting.Event{
		DedupeKey: b.key(), Provider: "zoom", ProviderEventType: b.Event, ProviderAccountID: b.Payload.AccountID,
	}
	if b.EventTS > 0 {
		e.OccurredAt = time.UnixMilli(int64(b.EventTS))
	}
	o := b.Payload.Object
	e.Keys = meeting.Keys{InstanceID: first(o.UUID, o.MeetingUUID), ProviderMeetingID: first(string(o.ID), string(o.MeetingID)), JoinURL: o.JoinURL}
	e.Title, e.TimeZone, e.HostID = first(o.Topic, o.MeetingTopic), o.Timezone, first(o.HostID, o.MeetingHostID)
	switch b.Event {
	case "meeting.created":
		e.Type = meeting.Scheduled
		return b.scheduled(e)
	case "meeting.updated":
		// Has only what changed; without a uuid and a start it names no
		// occurrence, and validation says so.
		e.Type = meeting.Rescheduled
		e.Keys.PreviousStart = time.Time(b.Payload.OldObject.StartTime)
		return b.scheduled(e)
	case "meeting.deleted":
		e.Type = meeting.Canceled
		e.ScheduledStart = time.Time(o.StartTime)
	case "meeting.started":
		e.Type = meeting.Started
		e.ActualStart = time.Time(o.StartTime)
	case "meeting.participant_joined", "meeting.participant_left":
		e.Type = meeting.ParticipantJoined
		if b.Event == "meeting.participant_left" {
			e.Type = meeting.ParticipantLeft
		}
		e.ActualStart = time.Time(o.StartTime)
		b.participant(&e)
	case "meeting.ended":
		e.Type = meeting.Ended
		e.ActualStart, e.ActualEnd = time.Time(o.StartTime), time.Time(o.EndTime)
	case "meeting.summary_completed", "meeting.summary_updated":
		e.Type = meeting.NotesReady
		if b.Event == "meeting.summary_updated" {
			e.Type = meeting.NotesUpdated
		}
		e.ActualStart, e.ActualEnd = time.Time(o.MeetingStart), time.Time(o.MeetingEnd)
		e.Organizer.Email = o.MeetingHostEmail
		e.ReportURL = o.SummaryDocURL
		o.summary(&e)
	default:
		if !zoomEventName.MatchString(b.Event) {
			return nil, Unfit{"the body has no event that Zoom would send"}
		}
		return nil, Unfit{fmt.Sprintf("Debrief does not use Zoom's event %s", b.Event)}
	}
	return []meeting.Event{e}, nil
}

// maxOccurrences of one series are understood: each is a meeting of its own, and
// all of them are one transaction. It is years of a daily meeting.
const maxOccurrences = 500

// scheduled completes an event about a meeting to come, and makes one for each
// occurrence of a series. A series' uuid names no occurrence.
func (b zoomBody) scheduled(e meeting.Event) ([]meeting.Event, error) {
	o := b.Payload.Object
	for _, invitee := range o.Settings.Invitees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: invitee.Email}, Role: "invitee"})
	}
	if b.Payload.OperatorID != "" && b.Payload.OperatorID == o.HostID {
		e.Organizer.Email = b.Payload.Operator // who scheduled it for themselves
	}
	if len(o.Occurrences) == 0 {
		e.ScheduledStart, e.ScheduledEnd = zoomSpan(o.StartTime, o.Duration)
		return []meeting.Event{e}, nil
	}
	if len(o.Occurrences) > maxOccurrences {
		return nil, Unfit{fmt.Sprintf("the series has more than %d occurrences", maxOccurrences)}
	}
	var events []meeting.Event
	for _, occurrence := range o.Occurrences {
		one := e
		one.DedupeKey += "+" + first(string(occurrence.OccurrenceID), time.Time(occurrence.StartTime).UTC().Format(time.RFC3339))
		one.Keys.InstanceID = ""
		one.ScheduledStart, one.ScheduledEnd = zoomSpan(occurrence.StartTime, occurrence.Duration)
		if occurrence.Status == "deleted" {
			one.Type = meeting.Canceled
		}
		events = append(events, one)
	}
	return events, nil
}

func zoomSpan(start zoomTime, minutes zoomInt) (time.Time, time.Time) {
	from := time.Time(start)
	if from.IsZero() || minutes <= 0 || minutes > 60*24*31 {
		return from, time.Time{}
	}
	return from, from.Add(time.Duration(minutes) * time.Minute)
}

func (b zoomBody) participant(e *meeting.Event) {
	p := b.Payload.Object.Participant
	a := meeting.Attendee{Person: meeting.Person{Name: p.Name, Email: p.Email}, Role: "participant"}
	if p.ID != "" && p.ID == b.Payload.Object.HostID {
		a.Role = "host"
		e.Organizer = a.Person
	}
	e.Attendees = []meeting.Attendee{a}
}

// summary fills in the notes, of the new shape or of the old one.
func (o zoomObject) summary(e *meeting.Event) {
	if o.SummaryContent != "" {
		notes, steps := splitNextSteps(o.SummaryContent)
		e.Summary = meeting.Text{Format: "markdown", Text: notes}
		e.NextSteps = meeting.Text{Format: "markdown", Text: steps}
		e.ActionItems = actionItems(steps)
		return
	}
	var notes strings.Builder
	notes.WriteString(o.SummaryOverview)
	for _, d := range o.SummaryDetails {
		if label := strings.TrimSpace(d.Label); label != "" {
			notes.WriteString("\n\n## " + label)
		}
		notes.WriteString("\n\n" + d.Summary)
	}
	e.Summary = meeting.Text{Format: "markdown", Text: notes.String()}
	var steps strings.Builder
	for _, step := range o.NextSteps {
		steps.WriteString("- " + strings.Join(strings.Fields(step), " ") + "\n")
	}
	e.NextSteps = meeting.Text{Format: "markdown", Text: steps.String()}
	e.ActionItems = actionItems(steps.String())
}

// zoomText is a string that Zoom also sends as a number.
type zoomText string

func (t *zoomText) UnmarshalJSON(raw []byte) error {
	var s string
	switch {
	case bytes.Equal(raw, []byte("null")):
		return nil
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
	default:
		var n json.Number
		if err := json.Unmarshal(raw, &n); err != nil {
			return Unfit{"an id is neither text nor a number"}
		}
		s = n.String()
	}
	*t = zoomText(s)
	return nil
}

// zoomInt is a whole number that may come as text.
type zoomInt int64

func (i *zoomInt) UnmarshalJSON(raw []byte) error {
	var t zoomText
	if err := t.UnmarshalJSON(raw); err != nil {
		return Unfit{"a number is not a number"}
	}
	if t == "" {
		return nil
	}
	n, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		return Unfit{"a number is not a whole number"}
	}
	*i = zoomInt(n)
	return nil
}

// zoomTime is a time that may be empty.
type zoomTime time.Time

func (t *zoomTime) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return Unfit{"a time is not text"}
	}
	if s == "" {
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Unfit{"a time is not in RFC 3339, such as 2026-09-08T15:00:00Z"}
	}
	*t = zoomTime(parsed)
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
