package webhooks

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// granolaMapping reads Granola's webhooks (docs.granola.ai/webhooks, read 2026).
// They name a note and tell nothing of it: the rest is the answer of its API to
// GET /v1/notes/{id}, in [Delivery.Fetched].
type granolaMapping struct{ noHandshake }

type granolaBody struct {
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	NoteID     string `json:"note_id"`
	OccurredAt moment `json:"occurred_at"`
}

type granolaPerson struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// granolaNote is a note as the API has it; all but the ID may be null.
type granolaNote struct {
	Title         string          `json:"title"`
	WebURL        string          `json:"web_url"`
	Owner         granolaPerson   `json:"owner"`
	Attendees     []granolaPerson `json:"attendees"`
	CalendarEvent struct {
		ID        string          `json:"calendar_event_id"`
		Title     string          `json:"event_title"`
		Organizer string          `json:"organiser"`
		Invitees  []granolaPerson `json:"invitees"`
		Start     moment          `json:"scheduled_start_time"`
		End       moment          `json:"scheduled_end_time"`
	} `json:"calendar_event"`
	Summary    string `json:"summary_markdown"`
	PlainText  string `json:"summary_text"`
	Transcript []struct {
		Speaker struct {
			// microphone is the note's owner; speaker is everybody else.
			Source string `json:"source"`
			Label  string `json:"diarization_label"`
		} `json:"speaker"`
		Text  string `json:"text"`
		Start moment `json:"start_time"`
	} `json:"transcript"`
}

// Key is Granola's own event ID: constant over attempts.
func (granolaMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	var b granolaBody
	if err := decode(d.Body, &b); err != nil {
		return ""
	}
	return b.EventID
}

// API is Granola's (docs.granola.ai, read 2026-11): 25 calls in 5 seconds, 300 a
// minute.
func (granolaMapping) API() APISpec {
	return APISpec{
		BaseURL: "https://public-api.granola.ai", Every: 400 * time.Millisecond,
		Credentials: []Credential{{Name: "api_key", Help: "an API key from Granola's Settings, which begins with grn_"}},
	}
}

// Thin: each webhook about a note.
func (granolaMapping) Thin(d Delivery) bool {
	var b granolaBody
	return decode(d.Body, &b) == nil && b.NoteID != "" && (b.EventType == "note.generated" || b.EventType == "note.edited")
}

// Fetch gets the note. One that Granola still works on is not found.
func (granolaMapping) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	var b granolaBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	var note json.RawMessage
	err := api.Bearer(api.Credentials["api_key"]).Get(ctx, "/v1/notes/"+url.PathEscape(b.NoteID), url.Values{"include": {"transcript"}}, &note)
	return note, err
}

func (granolaMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b granolaBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	if b.EventID == "" || b.NoteID == "" {
		return nil, Unfit{"the body names no event and note"}
	}
	switch b.EventType {
	case "note.generated", "note.edited":
	default:
		return nil, notUsed("Granola", b.EventType)
	}
	// Without what the API adds, it says only that there is something to get.
	e := meeting.Event{Type: meeting.TranscriptReady, DedupeKey: b.EventID, OccurredAt: b.OccurredAt.time(), Provider: "granola", ProviderEventType: b.EventType}
	e.Keys.RecordingID = b.NoteID
	e.Transcript = meeting.Transcript{Status: "ready", Ref: b.NoteID}
	if d.Fetched == nil {
		return []meeting.Event{e}, nil
	}
	if err := checkShape(d.Fetched); err != nil {
		return nil, err
	}
	var note granolaNote
	if err := decode(d.Fetched, &note); err != nil {
		return nil, err
	}
	note.tell(&e)
	return []meeting.Event{e}, nil
}

func (n granolaNote) tell(e *meeting.Event) {
	e.Title, e.ReportURL = first(n.Title, n.CalendarEvent.Title), n.WebURL
	e.Keys.CalendarEventID = n.CalendarEvent.ID
	e.ScheduledStart, e.ScheduledEnd = n.CalendarEvent.Start.time(), n.CalendarEvent.End.time()
	e.Organizer.Email = n.CalendarEvent.Organizer
	if e.Organizer.Email == "" || e.Organizer.Email == n.Owner.Email {
		e.Organizer = meeting.Person(n.Owner)
	}
	e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person(n.Owner), Role: "participant"})
	for _, p := range n.Attendees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person(p), Role: "invitee"})
	}
	for _, p := range n.CalendarEvent.Invitees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person(p), Role: "invitee"})
	}
	var began time.Time
	for _, s := range n.Transcript {
		if began.IsZero() {
			began = s.Start.time()
		}
		segment := meeting.Segment{Speaker: s.Speaker.Label, Text: s.Text}
		if at := s.Start.time(); at.After(began) {
			segment.StartSeconds = at.Sub(began).Seconds()
		}
		if s.Speaker.Source == "microphone" && s.Speaker.Label == "" {
			segment.Speaker, segment.Email = n.Owner.Name, n.Owner.Email
		}
		e.Transcript.Segments = append(e.Transcript.Segments, segment)
	}
	e.ActualStart = began
	notes, steps := splitNextSteps(n.Summary)
	e.Summary = meeting.Text{Format: "markdown", Text: notes}
	if n.Summary == "" {
		e.Summary = meeting.Text{Format: "text", Text: n.PlainText}
	}
	e.NextSteps = meeting.Text{Format: "markdown", Text: steps}
	e.ActionItems = actionItems(steps)
	if e.Summary.Text != "" || e.NextSteps.Text != "" {
		e.Type = meeting.NotesReady
		if e.ProviderEventType == "note.edited" {
			e.Type = meeting.NotesUpdated
		}
	}
}
