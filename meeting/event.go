package meeting

import "time"

// EventType is what happened to a meeting, in one vocabulary for all platforms.
type EventType string

// The event types. A platform's own names are mapped to these in webhooks/.
const (
	Scheduled         EventType = "meeting.scheduled"
	Rescheduled       EventType = "meeting.rescheduled"
	Canceled          EventType = "meeting.canceled"
	NoShow            EventType = "meeting.no_show"
	Started           EventType = "meeting.started"
	ParticipantJoined EventType = "meeting.participant_joined"
	ParticipantLeft   EventType = "meeting.participant_left"
	Ended             EventType = "meeting.ended"
	NotesReady        EventType = "meeting.notes_ready"
	NotesUpdated      EventType = "meeting.notes_updated"
	TranscriptReady   EventType = "meeting.transcript_ready"
	RecordingReady    EventType = "meeting.recording_ready"
)

// Own is the provider of an event in Debrief's own format whose sender names no
// platform. The IDs in it are the sender's own, so they count only together
// with ProviderAccountID, which names the sender.
const Own = "debrief"

// Event is what one delivery, or one part of it, says about one meeting. Every
// field but Type and DedupeKey may be empty: platforms differ in what they tell.
type Event struct {
	Type EventType `json:"type"`
	// DedupeKey is unique per source: the same event told twice has the same
	// key. The same key with other content is a revision of the event.
	DedupeKey string `json:"dedupe_key"`
	// OccurredAt is when it happened, if the platform says so.
	OccurredAt time.Time `json:"occurred_at,omitzero"`
	// IsTest marks a platform's test event.
	IsTest bool `json:"is_test,omitempty"`

	Provider          string `json:"provider,omitempty"`            // zoom, …; see Own
	ProviderEventType string `json:"provider_event_type,omitempty"` // the platform's own name
	ProviderAccountID string `json:"provider_account_id,omitempty"`

	Details
}

// Details are the facts about a meeting that an event may carry and that the
// folded meeting holds.
type Details struct {
	Keys Keys `json:"keys,omitzero"`

	Title          string    `json:"title,omitempty"`
	ScheduledStart time.Time `json:"scheduled_start,omitzero"`
	ScheduledEnd   time.Time `json:"scheduled_end,omitzero"`
	ActualStart    time.Time `json:"actual_start,omitzero"`
	ActualEnd      time.Time `json:"actual_end,omitzero"`
	TimeZone       string    `json:"timezone,omitempty"` // IANA name

	// Organizer is the host. HostID is the host's ID at the platform, where
	// that is all it tells (Zoom's host_id).
	Organizer Person `json:"organizer,omitzero"`
	HostID    string `json:"host_id,omitempty"`

	Attendees []Attendee `json:"attendees,omitempty"`

	// Private is what the host marked as nobody else's business.
	Private bool `json:"private,omitempty"`

	Summary     Text         `json:"summary,omitzero"`
	NextSteps   Text         `json:"next_steps,omitzero"`
	ActionItems []ActionItem `json:"action_items,omitempty"`
	Transcript  Transcript   `json:"transcript,omitzero"`

	RecordingURL string `json:"recording_url,omitempty"`
	ReportURL    string `json:"report_url,omitempty"`

	Answers  []Answer          `json:"answers,omitempty"`
	Tracking map[string]string `json:"tracking,omitempty"` // utm_source, …
	CRMHints []CRMHint         `json:"crm_hints,omitempty"`

	Cancellation Cancellation `json:"cancellation,omitzero"`

	// ProposedActions are what the platform's own agent would change in the
	// CRM. They are validated, permitted and asked about like anyone's.
	ProposedActions []ProposedAction `json:"proposed_actions,omitempty"`
}

// Keys are the names by which platforms know a meeting. InstanceID stands
// alone; the others name an occurrence only together with its start.
type Keys struct {
	InstanceID         string `json:"instance_id,omitempty"`          // one occurrence at one platform (Zoom's uuid)
	PreviousInstanceID string `json:"previous_instance_id,omitempty"` // of a platform that gives a moved occurrence another ID
	ProviderMeetingID  string `json:"provider_meeting_id,omitempty"`  // may recur (Zoom's meeting number)
	RecordingID        string `json:"recording_id,omitempty"`
	ICalUID            string `json:"ical_uid,omitempty"`
	CalendarEventID    string `json:"calendar_event_id,omitempty"`
	JoinURL            string `json:"join_url,omitempty"`
	BookingUID         string `json:"booking_uid,omitempty"`
	PreviousBookingUID string `json:"previous_booking_uid,omitempty"`
	// PreviousStart is the start that the occurrence had before it was moved.
	PreviousStart time.Time `json:"previous_start,omitzero"`
}

// Person is someone by name and e-mail address; either may be missing.
type Person struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Attendee is someone invited to or present at the meeting.
type Attendee struct {
	Person
	Role     string `json:"role,omitempty"`     // host, invitee, guest, participant
	Response string `json:"response,omitempty"` // accepted, declined, tentative
	Attended *bool  `json:"attended,omitempty"` // nil: not known
	NoShow   bool   `json:"no_show,omitempty"`
	// External is what the platform believes. Whether someone is external for
	// Debrief follows from the organization's own domains.
	External *bool  `json:"is_external,omitempty"`
	Source   string `json:"source,omitempty"` // the platform that told
	JobTitle string `json:"job_title,omitempty"`
}

// Text is prose with its format: markdown, html or text.
type Text struct {
	Format   string `json:"format,omitempty"`
	Text     string `json:"text,omitempty"`
	Language string `json:"language,omitempty"`
}

// ActionItem is something that someone promised to do.
type ActionItem struct {
	// ID is the item's stable name at the platform, if it gives one: an item
	// whose text is corrected keeps it.
	ID            string    `json:"id,omitempty"`
	Text          string    `json:"text"`
	AssigneeName  string    `json:"assignee_name,omitempty"`
	AssigneeEmail string    `json:"assignee_email,omitempty"`
	DueAt         time.Time `json:"due_at,omitzero"`
	Completed     bool      `json:"completed,omitempty"`
	URL           string    `json:"url,omitempty"`
	OffsetSeconds int       `json:"offset_s,omitempty"`
	Parsed        bool      `json:"parsed,omitempty"` // taken out of prose by us
}

// Transcript is where a transcript is, or the transcript itself.
type Transcript struct {
	Status   string    `json:"status,omitempty"` // none, pending, ready
	Ref      string    `json:"ref,omitempty"`    // the platform's ID or URL
	Segments []Segment `json:"segments,omitempty"`
}

// Segment is one utterance.
type Segment struct {
	Speaker      string  `json:"speaker,omitempty"`
	Email        string  `json:"email,omitempty"`
	StartSeconds float64 `json:"start_s,omitempty"`
	Text         string  `json:"text"`
}

// Answer is what an invitee answered when booking.
type Answer struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// CRMHint names a CRM record that the platform believes to be concerned.
type CRMHint struct {
	CRM       string `json:"crm,omitempty"`    // hubspot, …
	Object    string `json:"object,omitempty"` // contact, company, deal, …
	ID        string `json:"id,omitempty"`
	RecordURL string `json:"record_url,omitempty"`
}

// Cancellation says who called the meeting off, and why.
type Cancellation struct {
	By     string `json:"by,omitempty"`
	ByType string `json:"by_type,omitempty"` // host, invitee
	Reason string `json:"reason,omitempty"`
}

// ProposedAction is one change in the CRM that a platform proposes.
type ProposedAction struct {
	// Tool is the operation on an object type, such as "deal.create".
	Tool string `json:"tool"`
	// Ref names the proposal within the meeting, so that a later event can
	// correct it and other proposals can refer to its record.
	Ref string `json:"ref,omitempty"`
	// Target is the record to update; empty for a create.
	Target RecordRef `json:"target,omitzero"`
	// Properties by HubSpot's internal names, values as HubSpot takes them.
	Properties map[string]string `json:"properties"`
	// AssociateWith are records that a created one is linked to.
	AssociateWith []RecordRef `json:"associate_with,omitempty"`
	// Evidence is what was said that supports the change.
	Evidence []Evidence `json:"evidence,omitempty"`
	// Confidence of who proposes it, from 0 to 1; nil if nobody says.
	Confidence *float64 `json:"confidence,omitempty"`
}

// RecordRef points at a CRM record in one of five ways: by ID, a contact by
// e-mail, a company by domain, the record of another proposal by its ref, or any of
// them by the name that was said.
type RecordRef struct {
	Object string `json:"object,omitempty"` // contact, company, deal, ticket, …
	ID     string `json:"id,omitempty"`
	Email  string `json:"email,omitempty"`
	Domain string `json:"domain,omitempty"`
	Ref    string `json:"ref,omitempty"`
	// Name is what the record was called: "Priya", "the renewal", "Northwind". Which
	// one it means is looked up among those who were there and what belongs to them.
	Name string `json:"name,omitempty"`
}

// Evidence is a quotation, with its speaker and place where they are known.
type Evidence struct {
	Quote         string `json:"quote"`
	Speaker       string `json:"speaker,omitempty"`
	OffsetSeconds int    `json:"offset_s,omitempty"`
	Source        string `json:"source,omitempty"` // summary, action_item, transcript, notes
}
