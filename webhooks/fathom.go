package webhooks

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// fathomMapping reads Fathom's one event, "new meeting content ready"
// (developers.fathom.ai, read 2026-04). It has no type of its own; nearly
// everything in it may be null, by what the webhook was set up to include.
type fathomMapping struct{ noHandshake }

type fathomBody struct {
	Title          string `json:"title"`
	MeetingTitle   string `json:"meeting_title"`
	RecordingID    text   `json:"recording_id"`
	ShareURL       string `json:"share_url"`
	URL            string `json:"url"`
	CreatedAt      moment `json:"created_at"`
	ScheduledStart moment `json:"scheduled_start_time"`
	ScheduledEnd   moment `json:"scheduled_end_time"`
	RecordingStart moment `json:"recording_start_time"`
	RecordingEnd   moment `json:"recording_end_time"`
	Language       string `json:"transcript_language"`
	Transcript     []struct {
		Speaker struct {
			Name  string `json:"display_name"`
			Email string `json:"matched_calendar_invitee_email"`
		} `json:"speaker"`
		Text      string `json:"text"`
		Timestamp string `json:"timestamp"` // "HH:MM:SS"
	} `json:"transcript"`
	Summary struct {
		Markdown string `json:"markdown_formatted"`
	} `json:"default_summary"`
	ActionItems []struct {
		Description string `json:"description"`
		Completed   bool   `json:"completed"`
		Timestamp   string `json:"recording_timestamp"`
		PlaybackURL string `json:"recording_playback_url"`
		Assignee    struct {
			Name  string `json:"name"`
			Email string `json:"email"`
		} `json:"assignee"`
	} `json:"action_items"`
	Invitees []struct {
		Name       string `json:"name"`
		Speaker    string `json:"matched_speaker_display_name"`
		Email      string `json:"email"`
		IsExternal *bool  `json:"is_external"`
	} `json:"calendar_invitees"`
	RecordedBy struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	} `json:"recorded_by"`
	CRMMatches struct {
		Contacts  []fathomRecord `json:"contacts"`
		Companies []fathomRecord `json:"companies"`
		Deals     []fathomRecord `json:"deals"`
	} `json:"crm_matches"`
}

type fathomRecord struct {
	URL string `json:"record_url"`
}

// Key is the webhook-id: constant over attempts, by Standard Webhooks.
func (fathomMapping) Key(d Delivery) string { return messageID(d.Header) }

func (m fathomMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b fathomBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	if b.RecordingID == "" {
		return nil, Unfit{"the body names no recording"}
	}
	e := meeting.Event{
		Type: meeting.NotesReady, DedupeKey: m.Key(d), OccurredAt: b.CreatedAt.time(),
		Provider: "fathom", ProviderEventType: "new_meeting_content_ready",
	}
	// Two colleagues may each record the same meeting: no instance of their own.
	e.Keys.RecordingID = string(b.RecordingID)
	e.Title = first(b.MeetingTitle, b.Title)
	e.ScheduledStart, e.ScheduledEnd = b.ScheduledStart.time(), b.ScheduledEnd.time()
	e.ActualStart, e.ActualEnd = b.RecordingStart.time(), b.RecordingEnd.time()
	e.Organizer = meeting.Person{Name: b.RecordedBy.Name, Email: b.RecordedBy.Email}
	e.RecordingURL, e.ReportURL = b.URL, b.ShareURL
	for _, i := range b.Invitees {
		a := meeting.Attendee{Person: meeting.Person{Name: first(i.Name, i.Speaker), Email: i.Email}, Role: "invitee", External: i.IsExternal}
		if i.Speaker != "" {
			spoke := true
			a.Attended = &spoke
		}
		e.Attendees = append(e.Attendees, a)
	}
	notes, steps := splitNextSteps(b.Summary.Markdown)
	e.Summary = meeting.Text{Format: "markdown", Text: notes, Language: "en"} // always English, by Fathom's own words
	e.NextSteps = meeting.Text{Format: "markdown", Text: steps, Language: "en"}
	for _, i := range b.ActionItems {
		e.ActionItems = append(e.ActionItems, meeting.ActionItem{
			Text: i.Description, Completed: i.Completed, AssigneeName: i.Assignee.Name, AssigneeEmail: i.Assignee.Email,
			URL: i.PlaybackURL, OffsetSeconds: int(clockSeconds(i.Timestamp)),
		})
	}
	if len(e.ActionItems) == 0 {
		e.ActionItems = actionItems(steps)
	}
	for _, s := range b.Transcript {
		e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{
			Speaker: s.Speaker.Name, Email: s.Speaker.Email, Text: s.Text, StartSeconds: clockSeconds(s.Timestamp),
		})
	}
	if len(e.Transcript.Segments) > 0 {
		e.Transcript.Status, e.Transcript.Ref = "ready", string(b.RecordingID)
	}
	for object, records := range map[string][]fathomRecord{"contact": b.CRMMatches.Contacts, "company": b.CRMMatches.Companies, "deal": b.CRMMatches.Deals} {
		for _, r := range records {
			e.CRMHints = append(e.CRMHints, crmHint(object, r.URL))
		}
	}
	sortHints(e.CRMHints)
	return []meeting.Event{e}, nil
}

// clockSeconds reads "HH:MM:SS" or "MM:SS"; what is neither is 0.
func clockSeconds(s string) float64 {
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0
	}
	seconds := 0
	for _, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 999 {
			return 0
		}
		seconds = seconds*60 + n
	}
	return float64(seconds)
}

var recordNumber = regexp.MustCompile(`/(\d{1,20})/?$`)

// crmHint is a record by its page's address. Of HubSpot's own pages the last
// number is the record's ID; in any other CRM only the address is known.
func crmHint(object, recordURL string) meeting.CRMHint {
	h := meeting.CRMHint{Object: object, RecordURL: recordURL}
	u, err := url.Parse(recordURL)
	if err != nil || u.Scheme != "https" {
		return h
	}
	if host := strings.ToLower(u.Hostname()); host == "app.hubspot.com" || strings.HasPrefix(host, "app-") && strings.HasSuffix(host, ".hubspot.com") {
		h.CRM = "hubspot"
		if m := recordNumber.FindStringSubmatch(u.Path); m != nil {
			h.ID = m[1]
		}
	}
	return h
}
