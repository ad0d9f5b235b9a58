package webhooks

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
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
	return checkSecret(secret, "copy the app's Secret Token from Zoom's Feature page")
}

func (z zoomSignature) Verify(r Request, secret string, now time.Time) error {
	timestamp, signature := one(r.Header, "X-Zm-Request-Timestamp"), one(r.Header, "X-Zm-Signature")
	if timestamp == "" || signature == "" {
		return MissingSignature
	}
	encoded, versioned := strings.CutPrefix(signature, "v0=")
	got, err := hex.DecodeString(encoded)
	if z.CheckSecret(secret) != nil || !versioned || err != nil ||
		!hmac.Equal(got, mac([]byte(secret), "v0:", timestamp, ":", string(r.Body))) {
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
	Event   string `json:"event"`
	EventTS whole  `json:"event_ts"` // milliseconds
	Payload struct {
		PlainToken string     `json:"plainToken"`
		AccountID  string     `json:"account_id"`
		Operator   string     `json:"operator"`
		OperatorID string     `json:"operator_id"`
		Object     zoomObject `json:"object"`
		OldObject  struct {
			StartTime moment `json:"start_time"`
		} `json:"old_object"`
	} `json:"payload"`
}

// zoomObject is a meeting as the meeting.* events have it, or a summary: they
// share no names, and an event has the ones of its kind.
type zoomObject struct {
	UUID      string `json:"uuid"`
	ID        text   `json:"id"` // text in some events, a number in others
	HostID    string `json:"host_id"`
	HostEmail string `json:"host_email"`
	Type      whole  `json:"type"`
	Topic     string `json:"topic"`
	StartTime moment `json:"start_time"`
	EndTime   moment `json:"end_time"`
	Duration  whole  `json:"duration"` // minutes
	Timezone  string `json:"timezone"`
	JoinURL   string `json:"join_url"`

	Occurrences []struct {
		OccurrenceID text   `json:"occurrence_id"`
		StartTime    moment `json:"start_time"`
		Duration     whole  `json:"duration"`
		Status       string `json:"status"`
	} `json:"occurrences"`
	Settings struct {
		Private  bool `json:"private_meeting"`
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

	MeetingUUID      string `json:"meeting_uuid"`
	MeetingID        text   `json:"meeting_id"`
	MeetingTopic     string `json:"meeting_topic"`
	MeetingHostID    string `json:"meeting_host_id"`
	MeetingHostEmail string `json:"meeting_host_email"`
	MeetingStart     moment `json:"meeting_start_time"`
	MeetingEnd       moment `json:"meeting_end_time"`
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

	FileID   text   `json:"file_id"`
	ShareURL string `json:"share_url"`
	Files    []struct {
		ID       text   `json:"id"`
		FileType string `json:"file_type"`
	} `json:"recording_files"`

	zoomBooking
}

// zoomBooking is what Zoom's scheduler tells.
type zoomBooking struct {
	InviteeEmail string `json:"invitee_email"`
	InviteeFirst string `json:"invitee_first_name"`
	InviteeLast  string `json:"invitee_last_name"`
	TimeZone     string `json:"time_zone"`
	Rescheduled  bool   `json:"rescheduled"`
	Questions    []struct {
		Question string          `json:"question"`
		Answer   json.RawMessage `json:"answer"` // a text or a list of them
	} `json:"questions_and_answers"`
	Tracking     map[string]string `json:"tracking"`
	Cancellation struct {
		By     string `json:"canceled_by"`
		ByType string `json:"canceler_type"`
		Reason string `json:"reason"`
	} `json:"cancellation"`
	Scheduled struct {
		EventID   string `json:"event_id"`
		Summary   string `json:"summary"`
		Start     moment `json:"start_date_time"`
		End       moment `json:"end_date_time"`
		Attendees []struct {
			Name  string `json:"display_name"`
			Email string `json:"email"`
		} `json:"attendees"`
		Guests   []string `json:"guests"`
		External struct {
			Kind      string `json:"kind"`
			MeetingID text   `json:"meeting_id"`
			JoinURL   string `json:"meeting_join_url"`
		} `json:"external_location"`
	} `json:"scheduled_event"`
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
	parts := []string{b.Event, b.Payload.AccountID, first(o.UUID, o.MeetingUUID, string(o.ID), o.Scheduled.EventID), strconv.FormatInt(int64(b.EventTS), 10)}
	if who := first(o.Participant.UUID, o.Participant.User, o.Participant.ID, o.InviteeEmail); who != "" {
		parts = append(parts, who)
	}
	return strings.Join(parts, "+")
}

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
		return b.scheduled(e)
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
	case "meeting.summary_completed", "meeting.summary_updated", "meeting.summary_shared", "meeting.summary_recovered":
		e.Type = meeting.NotesReady
		if b.Event != "meeting.summary_completed" {
			e.Type = meeting.NotesUpdated
		}
		e.ActualStart, e.ActualEnd = time.Time(o.MeetingStart), time.Time(o.MeetingEnd)
		e.Organizer.Email = o.MeetingHostEmail
		e.ReportURL = o.SummaryDocURL
		o.summary(&e)
		if e.Type == meeting.NotesUpdated && e.Summary.Text == "" && e.NextSteps.Text == "" {
			return nil, Unfit{"the event brings no notes"}
		}
	case "meeting.summary_trashed", "meeting.summary_deleted":
		return nil, Unfit{"Zoom's notes were deleted there; what Debrief has of the meeting stays until it is erased here"}
	case "meeting.aic_transcript_completed":
		e.Type = meeting.TranscriptReady
		e.ActualStart = time.Time(o.MeetingStart)
		e.Transcript = meeting.Transcript{Status: "ready", Ref: string(o.FileID)}
	case "recording.completed", "recording.transcript_completed":
		e.Type = meeting.RecordingReady
		e.ActualStart = time.Time(o.StartTime)
		e.Organizer.Email = o.HostEmail
		e.RecordingURL = o.ShareURL
		if b.Event == "recording.transcript_completed" {
			e.Type = meeting.TranscriptReady
			for _, f := range o.Files {
				if f.FileType == "TRANSCRIPT" {
					e.Transcript = meeting.Transcript{Status: "ready", Ref: string(f.ID)}
				}
			}
		}
	case "scheduler.scheduled_event_created", "scheduler.scheduled_event_canceled":
		b.booking(&e)
	default:
		return nil, notUsed("Zoom", b.Event)
	}
	if d.Fetched == nil {
		return []meeting.Event{e}, nil
	}
	var fetched zoomFetched
	if err := checkShape(d.Fetched); err != nil {
		return nil, err
	}
	if err := decode(d.Fetched, &fetched); err != nil {
		return nil, err
	}
	fetched.tell(&e)
	return []meeting.Event{e}, nil
}

// API is Zoom's, with the access tokens of a server-to-server OAuth app
// (developers.zoom.us/docs/internal-apps/s2s-oauth and /docs/api/rate-limits, read
// 2026-11): 10 calls a second of the kind "medium", on the smallest plan.
func (zoomMapping) API() APISpec {
	return APISpec{
		BaseURL: "https://api.zoom.us/v2", Every: 200 * time.Millisecond,
		Credentials: []Credential{
			{Name: "account_id", Help: "the account ID of a server-to-server OAuth app"},
			{Name: "client_id", Help: "the app's client ID"},
			{Name: "client_secret", Help: "the app's client secret"},
		},
	}
}

// Thin: these name a meeting that is over, and not who was there.
func (zoomMapping) Thin(d Delivery) bool {
	var b zoomBody
	if decode(d.Body, &b) != nil || first(b.Payload.Object.UUID, b.Payload.Object.MeetingUUID) == "" {
		return false
	}
	return b.Event == "meeting.ended" || b.Event == "meeting.summary_completed"
}

// zoomFetched is who was there and who was invited, and nothing else of what Zoom
// tells of them.
type zoomFetched struct {
	Participants []zoomPerson `json:"participants,omitempty"`
	Invitees     []zoomPerson `json:"invitees,omitempty"`
}

type zoomPerson struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// The most that is asked for: 300 a page is Zoom's own bound.
const zoomPages, zoomPage = 100, "300"

// Fetch gets who was there, which Zoom knows some time after the end, and who was
// invited. Smaller plans are not told the first, and a meeting that was deleted has
// not the second: either is enough.
func (m zoomMapping) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	var b zoomBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	o := b.Payload.Object
	api = api.BearerFrom("account", m.token(api))
	var denied Denied
	participants, err := m.participants(ctx, api, first(o.UUID, o.MeetingUUID))
	if err != nil && !errors.As(err, &denied) {
		return nil, err
	}
	invitees, invited := m.invitees(ctx, api, first(string(o.ID), string(o.MeetingID)))
	var absent NotYet
	var alsoDenied Denied
	if invited != nil && !errors.As(invited, &absent) && !errors.As(invited, &alsoDenied) {
		return nil, invited
	}
	if err != nil && len(invitees) == 0 {
		return nil, err
	}
	return json.Marshal(zoomFetched{Participants: participants, Invitees: invitees})
}

func (zoomMapping) token(api API) func(context.Context) (Token, error) {
	return func(ctx context.Context) (Token, error) {
		var answer struct {
			Token   store.Secret `json:"access_token"`
			Expires int          `json:"expires_in"` // seconds
		}
		err := api.At("https://zoom.us").Basic(api.Credentials["client_id"].Reveal(), api.Credentials["client_secret"]).
			Post(ctx, "/oauth/token", url.Values{"grant_type": {"account_credentials"}, "account_id": {api.Credentials["account_id"].Reveal()}}, &answer)
		return Token{Value: answer.Token, Lives: time.Duration(answer.Expires) * time.Second}, err
	}
}

func (zoomMapping) participants(ctx context.Context, api API, uuid string) ([]zoomPerson, error) {
	var people []zoomPerson
	met := map[zoomPerson]bool{}
	query := url.Values{"page_size": {zoomPage}}
	for range zoomPages {
		var page struct {
			Participants []struct {
				Name  string `json:"name"`
				Email string `json:"user_email"`
			} `json:"participants"`
			Next string `json:"next_page_token"`
		}
		if err := api.Get(ctx, "/past_meetings/"+zoomUUID(uuid)+"/participants", query, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Participants {
			// Who left and came again stands there twice.
			if who := (zoomPerson{p.Name, p.Email}); !met[who] {
				met[who] = true
				people = append(people, who)
			}
		}
		if page.Next == "" {
			break
		}
		query.Set("next_page_token", page.Next)
	}
	return people, nil
}

func (zoomMapping) invitees(ctx context.Context, api API, id string) ([]zoomPerson, error) {
	if id == "" {
		return nil, nil
	}
	var scheduled struct {
		Settings struct {
			Invitees []zoomPerson `json:"meeting_invitees"`
		} `json:"settings"`
	}
	err := api.Get(ctx, "/meetings/"+url.PathEscape(id), nil, &scheduled)
	return scheduled.Settings.Invitees, err
}

// zoomUUID writes a meeting's uuid into a path: one that begins with a slash or has
// two of them has to be encoded twice (developers.zoom.us/docs/api, read 2026-11).
func zoomUUID(uuid string) string {
	escaped := url.PathEscape(uuid)
	if strings.HasPrefix(uuid, "/") || strings.Contains(uuid, "//") {
		escaped = url.PathEscape(escaped)
	}
	return escaped
}

func (f zoomFetched) tell(e *meeting.Event) {
	was := true
	for _, p := range f.Participants {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: p.Name, Email: p.Email}, Role: "participant", Attended: &was})
	}
	for _, p := range f.Invitees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: p.Email}, Role: "invitee"})
	}
}

// maxOccurrences of one series are understood: each is a meeting of its own, and
// all of them are one transaction. It is years of a daily meeting.
const maxOccurrences = 500

// The types of meetings that recur. Their uuid is the series'.
const (
	zoomSeriesWithoutTimes = 3
	zoomSeries             = 8
)

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
	e.Private = o.Settings.Private
	if len(o.Occurrences) == 0 {
		if o.Type == zoomSeries || o.Type == zoomSeriesWithoutTimes {
			e.Keys.InstanceID = ""
		}
		e.ScheduledStart, e.ScheduledEnd = span(o.StartTime, o.Duration)
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
		one.ScheduledStart, one.ScheduledEnd = span(occurrence.StartTime, occurrence.Duration)
		if occurrence.Status == "deleted" || e.Type == meeting.Canceled {
			one.Type = meeting.Canceled
		}
		events = append(events, one)
	}
	return events, nil
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

// booking is of Zoom's own scheduler, which knows the calendar's event.
func (b zoomBody) booking(e *meeting.Event) {
	o, s := b.Payload.Object.zoomBooking, b.Payload.Object.Scheduled
	e.Type = meeting.Scheduled
	e.Title, e.TimeZone = s.Summary, o.TimeZone
	e.Keys = meeting.Keys{CalendarEventID: s.EventID}
	e.ScheduledStart, e.ScheduledEnd = s.Start.time(), s.End.time()
	if s.External.Kind == "zoom" {
		e.Keys.ProviderMeetingID, e.Keys.JoinURL = string(s.External.MeetingID), s.External.JoinURL
	}
	if b.Event == "scheduler.scheduled_event_canceled" {
		e.Type = meeting.Canceled
		e.Cancellation = meeting.Cancellation{By: o.Cancellation.By, ByType: o.Cancellation.ByType, Reason: o.Cancellation.Reason}
		if o.Rescheduled {
			// Half of a move: where to, the other half says. The old time finds the
			// meeting, and is not told again.
			e.Type, e.Cancellation = meeting.Rescheduled, meeting.Cancellation{}
			e.Keys.PreviousStart = e.ScheduledStart
			e.ScheduledStart, e.ScheduledEnd = time.Time{}, time.Time{}
		}
	}
	name := strings.TrimSpace(o.InviteeFirst + " " + o.InviteeLast)
	e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: name, Email: o.InviteeEmail}, Role: "invitee"})
	for _, a := range s.Attendees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: a.Name, Email: a.Email}})
	}
	for _, guest := range s.Guests {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: guest}, Role: "guest"})
	}
	for _, q := range o.Questions {
		e.Answers = append(e.Answers, meeting.Answer{Question: q.Question, Answer: said(q.Answer)})
	}
	e.Tracking = o.Tracking
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
