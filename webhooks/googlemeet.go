package webhooks

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// googleMeetMapping reads Google Meet's events, as the Workspace Events API sends
// them through a Pub/Sub push subscription
// (developers.google.com/workspace/events/guides/events-meet, read 2026-11). They
// name a conference or something that came of it. Pub/Sub's proof does not cover
// them: nothing in them is believed, and what they name is asked of Meet's API.
type googleMeetMapping struct {
	noHandshake
	unrouted
}

// pushedMessage is a push, wrapped as Pub/Sub does by default.
type pushedMessage struct {
	Message struct {
		Attributes struct {
			Type string `json:"ce-type"`
		} `json:"attributes"`
		Data      string `json:"data"` // JSON in base64
		MessageID text   `json:"messageId"`
	} `json:"message"`
}

// meetNamed is what an event's data has: the name of one of them.
type meetNamed struct {
	Record     meetName `json:"conferenceRecord"`
	Transcript meetName `json:"transcript"`
	Notes      meetName `json:"smartNote"`
	Recording  meetName `json:"recording"`
}

type meetName struct {
	Name string `json:"name"`
}

const (
	meetStarted    = "google.workspace.meet.conference.v2.started"
	meetEnded      = "google.workspace.meet.conference.v2.ended"
	meetTranscript = "google.workspace.meet.transcript.v2.fileGenerated"
	meetNotes      = "google.workspace.meet.smartNote.v2.fileGenerated"
	meetRecording  = "google.workspace.meet.recording.v2.fileGenerated"

	// How a subscription fares: expirationReminder, expired, suspended.
	meetLifecycle = "google.workspace.events.subscription.v1."
)

// meetEvents are those that Debrief subscribes to.
var meetEvents = []string{meetStarted, meetEnded, meetTranscript, meetNotes, meetRecording}

// meetResource is a name that may stand in a path: conferenceRecords/<id>, or what
// belongs to one.
var meetResource = regexp.MustCompile(`^(conferenceRecords/[A-Za-z0-9_-]{1,200})(?:/(transcripts|smartNotes|recordings)/[A-Za-z0-9_-]{1,200})?$`)

// named is what a delivery is about.
type named struct {
	event    string // its type
	resource string // the whole name
	record   string // the conference's
}

// read returns what a delivery names; a lifecycle event names nothing.
func (googleMeetMapping) read(body []byte) (named, error) {
	var push pushedMessage
	if err := decode(body, &push); err != nil {
		return named{}, err
	}
	n := named{event: push.Message.Attributes.Type}
	if strings.HasPrefix(n.event, meetLifecycle) {
		return n, nil
	}
	if !slices.Contains(meetEvents, n.event) {
		return named{}, notUsed("Google", n.event)
	}
	data, err := base64.StdEncoding.DecodeString(push.Message.Data)
	if err != nil {
		return named{}, Unfit{"the message's data is not in base64"}
	}
	if err := checkShape(data); err != nil {
		return named{}, err
	}
	var about meetNamed
	if err := decode(data, &about); err != nil {
		return named{}, err
	}
	kind := ""
	switch n.event {
	case meetStarted, meetEnded:
		n.resource = about.Record.Name
	case meetTranscript:
		n.resource, kind = about.Transcript.Name, "transcripts"
	case meetNotes:
		n.resource, kind = about.Notes.Name, "smartNotes"
	case meetRecording:
		n.resource, kind = about.Recording.Name, "recordings"
	}
	m := meetResource.FindStringSubmatch(n.resource)
	if len(m) < 3 || m[2] != kind {
		return named{}, Unfit{"the message names no conference, or not what its type says"}
	}
	n.record = m[1]
	return n, nil
}

// Key is the message's ID: constant over attempts to deliver it.
func (googleMeetMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	var push pushedMessage
	if decode(d.Body, &push) != nil || push.Message.MessageID == "" {
		return ""
	}
	return "pubsub:" + string(push.Message.MessageID)
}

// LookAgain: a subscription is about to end, did, or is suspended.
func (m googleMeetMapping) LookAgain(d Delivery) bool {
	if checkShape(d.Body) != nil {
		return false
	}
	n, err := m.read(d.Body)
	return err == nil && n.resource == ""
}

// Thin: whatever names something.
func (m googleMeetMapping) Thin(d Delivery) bool {
	if checkShape(d.Body) != nil {
		return false
	}
	n, err := m.read(d.Body)
	return err == nil && n.resource != ""
}

// meetFetched is what Meet's API says about a delivery; names and shapes as in its
// reference (developers.google.com/workspace/meet/api/reference/rest/v2, read
// 2026-11). Participants have no addresses.
type meetFetched struct {
	Record struct {
		Name  string `json:"name"`
		Start moment `json:"startTime,omitzero"`
		End   moment `json:"endTime,omitzero"`
		Space string `json:"space"`
	} `json:"record"`
	Space struct {
		URI string `json:"meetingUri"`
	} `json:"space"`
	Participants []meetParticipant `json:"participants,omitempty"`
	Entries      []meetEntry       `json:"entries,omitempty"`
	// File is the transcript, the notes or the recording that was generated.
	File struct {
		Start moment `json:"startTime,omitzero"`
		Docs  struct {
			Document string `json:"document,omitempty"`
			URI      string `json:"exportUri,omitempty"`
		} `json:"docsDestination,omitzero"`
		Drive struct {
			URI string `json:"exportUri,omitempty"`
		} `json:"driveDestination,omitzero"`
	} `json:"file"`
	// Notes are the words of the document with the notes, in Markdown.
	Notes string `json:"notes,omitempty"`
	// Calendar is the entry of the calendar that the conference was held for, if it
	// may be read and there is one.
	Calendar *calendarEntry `json:"calendar,omitempty"`
}

type meetParticipant struct {
	Name     string      `json:"name"`
	SignedIn meetPerson  `json:"signedinUser,omitzero"`
	Unknown  meetPerson  `json:"anonymousUser,omitzero"`
	Phone    *meetPerson `json:"phoneUser,omitempty"` // a number, in part
}

type meetPerson struct {
	Name string `json:"displayName,omitempty"`
}

func (p meetParticipant) displayName() string { return first(p.SignedIn.Name, p.Unknown.Name) }

type meetEntry struct {
	Participant string `json:"participant"`
	Text        string `json:"text"`
	Start       moment `json:"startTime,omitzero"`
}

// API is Google's. Its credentials name the topic for the subscriptions, too.
func (googleMeetMapping) API() APISpec {
	return APISpec{
		BaseURL: googleMeet, Every: googleEvery, Limited: googleLimited,
		Credentials: append(slices.Clone(googleCredentials),
			Credential{Name: "topic", Help: "the Pub/Sub topic that Meet's events go to: projects/<project>/topics/<topic>"}),
		Check: func(credentials map[string]store.Secret) error {
			if !pubsubTopic.MatchString(credentials["topic"].Reveal()) {
				return errors.New("topic should look like projects/my-project/topics/meet-events")
			}
			return checkGoogle(credentials)
		},
	}
}

var pubsubTopic = regexp.MustCompile(`^projects/[a-z0-9.:-]{1,100}/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}$`)

// Fetch gets what the delivery names, as one of the people who may see it: who owns
// the room or was there.
func (m googleMeetMapping) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	n, err := m.read(d.Body)
	if err != nil {
		return nil, err
	}
	g, err := newGoogle(api)
	if err != nil {
		return nil, err
	}
	var missing, refused error
	for _, person := range g.people {
		fetched, err := g.conference(ctx, person, n)
		var notYet NotYet
		switch {
		case err == nil:
			return json.Marshal(fetched)
		case errors.As(err, &notYet):
			missing = err
		case refusedFor(err):
			refused = err
		default:
			return nil, err
		}
	}
	// To a stranger Meet says that there is no such conference, or that it is not
	// theirs. Only where nobody could ask at all are the credentials at fault.
	return nil, cmp.Or(missing, refused)
}

// conference gets what n names, as the person sees it.
func (g google) conference(ctx context.Context, person string, n named) (meetFetched, error) {
	var f meetFetched
	api := g.as(person, scopeMeet, googleMeet)
	if err := api.Get(ctx, "/v2/"+n.record, nil, &f.Record); err != nil {
		return f, fmt.Errorf("getting the conference: %w", err)
	}
	if n.event == meetEnded && f.Record.End.time().IsZero() {
		return f, NotYet{Platform: api.Platform} // the record follows its event
	}
	if meetSpace.MatchString(f.Record.Space) {
		if err := api.Get(ctx, "/v2/"+f.Record.Space, nil, &f.Space); err != nil && !gone(err) && !refusedFor(err) {
			return f, fmt.Errorf("getting the room: %w", err)
		}
	}
	err := pages(ctx, api, "/v2/"+n.record+"/participants", url.Values{"pageSize": {"250"}}, func(page struct {
		Participants []meetParticipant `json:"participants"`
	},
	) {
		f.Participants = append(f.Participants, page.Participants...)
	})
	if err != nil {
		return f, fmt.Errorf("getting who was there: %w", err)
	}
	if n.resource != n.record {
		if err := api.Get(ctx, "/v2/"+n.resource, nil, &f.File); err != nil {
			return f, fmt.Errorf("getting what was generated: %w", err)
		}
	}
	switch n.event {
	case meetTranscript:
		err := pages(ctx, api, "/v2/"+n.resource+"/entries", url.Values{"pageSize": {"100"}}, func(page struct {
			Entries []meetEntry `json:"transcriptEntries"`
		},
		) {
			f.Entries = append(f.Entries, page.Entries...)
		})
		if err != nil {
			return f, fmt.Errorf("getting the transcript: %w", err)
		}
	case meetNotes:
		words, err := g.document(ctx, person, f.File.Docs.Document)
		if err != nil {
			return f, err
		}
		f.Notes = words
	}
	entry, err := g.entryOf(ctx, person, f)
	if err != nil {
		return f, err
	}
	f.Calendar = entry
	return f, nil
}

var (
	meetSpace  = regexp.MustCompile(`^spaces/[A-Za-z0-9_-]{1,128}$`)
	documentID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)
)

// document is the words of a Google Doc. Without leave to read it there is a link
// to it, and no words.
func (g google) document(ctx context.Context, person, id string) (string, error) {
	if !documentID.MatchString(id) {
		return "", nil
	}
	var words []byte
	err := g.as(person, scopeDrive, googleAPIs).With("Accept", "text/markdown").
		Get(ctx, "/drive/v3/files/"+id+"/export", url.Values{"mimeType": {"text/markdown"}}, &words)
	if gone(err) || refusedFor(err) || deniedAtAll(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("getting the notes: %w", err)
	}
	return string(words), nil
}

// meetEarly is how long before the scheduled start people may begin a call. Who
// begins one in a room still earlier, or when the meeting should be over, does it for
// something else.
const meetEarly = 15 * time.Minute

// entryOf is the entry of the person's calendar that a conference was held for: it
// has the same room, and its time is when the conference began; of several, the
// nearest start counts. It brings the addresses that Meet does not tell. Without
// leave to read the calendar there is none.
func (g google) entryOf(ctx context.Context, person string, f meetFetched) (*calendarEntry, error) {
	start, room := f.Record.Start.time(), meeting.Room(f.Space.URI)
	if start.IsZero() || room == "" {
		return nil, nil
	}
	var best *calendarEntry
	query := url.Values{ // what is not over at timeMin, and began before timeMax
		"singleEvents": {"true"}, "maxResults": {"250"},
		"timeMin": {start.Format(time.RFC3339)}, "timeMax": {start.Add(meetEarly + time.Second).Format(time.RFC3339)},
	}
	err := pages(ctx, g.as(person, scopeCalendar, googleAPIs), "/calendar/v3/calendars/primary/events", query, func(page struct {
		Items []calendarEntry `json:"items"`
	},
	) {
		for _, e := range page.Items {
			from, to := e.Start.DateTime.time(), e.End.DateTime.time()
			if e.Status == "cancelled" || !e.isMeeting() || meeting.Room(e.joinURL()) != room || start.Before(from.Add(-meetEarly)) || !start.Before(to) {
				continue
			}
			if best == nil || from.Sub(start).Abs() < best.Start.DateTime.time().Sub(start).Abs() {
				best = &e
			}
		}
	})
	if gone(err) || refusedFor(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the conference in the calendar: %w", err)
	}
	return best, nil
}

// maxPages of one list are read: a transcript of a day, a calendar of many years.
const maxPages = 400

// pages reads a list of Google's to its end.
func pages[T any](ctx context.Context, api API, path string, query url.Values, each func(T)) error {
	for range maxPages {
		var raw json.RawMessage
		if err := api.Get(ctx, path, query, &raw); err != nil {
			return err
		}
		var page T
		var next struct {
			Token string `json:"nextPageToken"`
		}
		if json.Unmarshal(raw, &page) != nil || json.Unmarshal(raw, &next) != nil {
			return Later{Platform: api.Platform, Reason: "answered with a list of another shape", Odd: true}
		}
		each(page)
		if next.Token == "" {
			return nil
		}
		query.Set("pageToken", next.Token)
	}
	return Denied{Platform: api.Platform, Status: 413}
}

func gone(err error) bool {
	var notYet NotYet
	return errors.As(err, &notYet)
}

func deniedAtAll(err error) bool {
	var denied Denied
	return errors.As(err, &denied)
}

func (m googleMeetMapping) Events(d Delivery) ([]meeting.Event, error) {
	n, err := m.read(d.Body)
	if err != nil {
		return nil, err
	}
	if n.resource == "" || d.Fetched == nil {
		return nil, nil // a subscription's; or all that there is of it is a name
	}
	if err := checkShape(d.Fetched); err != nil {
		return nil, err
	}
	var f meetFetched
	if err := decode(d.Fetched, &f); err != nil {
		return nil, err
	}
	if f.Record.Name != n.record {
		return nil, Unfit{"Google Meet answered with another conference"}
	}
	e := meeting.Event{Provider: "google-meet"}
	// A conference ends when the last one leaves, and who comes back begins another
	// one: of one meeting there may be several.
	e.Keys = meeting.Keys{RecordingID: n.record, JoinURL: f.Space.URI}
	e.ActualStart = f.Record.Start.time()
	f.calendar(&e)
	var events []meeting.Event
	if !f.Record.End.time().IsZero() {
		// Who is not the host is told of the transcript and not of the end. Told
		// twice, it is the same event.
		ended := e
		ended.Type, ended.ProviderEventType, ended.DedupeKey = meeting.Ended, meetEnded, n.record+":ended"
		ended.OccurredAt, ended.ActualEnd = f.Record.End.time(), f.Record.End.time()
		ended.Attendees = append(slices.Clone(e.Attendees), f.participants()...)
		events = append(events, ended)
	}
	e.ProviderEventType, e.DedupeKey = n.event, n.resource
	e.OccurredAt = cmp.Or(f.File.Start.time(), e.ActualStart)
	switch n.event {
	case meetEnded:
		if len(events) == 0 {
			return nil, Unfit{"the conference goes on: it was begun again"}
		}
		return events, nil
	case meetStarted:
		e.Type, e.DedupeKey = meeting.Started, n.record+":started"
	case meetTranscript:
		e.Type = meeting.TranscriptReady
		e.Transcript = meeting.Transcript{Status: "ready", Ref: n.resource, Segments: f.segments()}
	case meetNotes:
		// Without its words it is a link.
		e.Type, e.ReportURL = meeting.TranscriptReady, f.File.Docs.URI
		if f.Notes != "" {
			e.Type = meeting.NotesReady
			notes, steps := splitNextSteps(f.Notes)
			e.Summary = meeting.Text{Format: "markdown", Text: notes}
			e.NextSteps = meeting.Text{Format: "markdown", Text: steps}
			e.ActionItems = actionItems(steps)
		}
	case meetRecording:
		e.Type, e.RecordingURL = meeting.RecordingReady, f.File.Drive.URI
	}
	return append(events, e), nil
}

// calendar adds what the calendar's entry says: a title, when it was to be, and who
// was invited.
func (f meetFetched) calendar(e *meeting.Event) {
	if f.Calendar == nil {
		return
	}
	c := f.Calendar.event()
	e.Keys.CalendarEventID, e.Keys.ICalUID = c.Keys.CalendarEventID, c.Keys.ICalUID
	e.Title, e.TimeZone, e.Private = c.Title, c.TimeZone, c.Private
	e.ScheduledStart, e.ScheduledEnd = c.ScheduledStart, c.ScheduledEnd
	e.Organizer, e.Attendees = c.Organizer, c.Attendees
}

func (f meetFetched) participants() []meeting.Attendee {
	var all []meeting.Attendee
	there := true
	for _, p := range f.Participants {
		if name := p.displayName(); name != "" { // a part of a telephone number is nobody's
			all = append(all, meeting.Attendee{Person: meeting.Person{Name: name}, Role: "participant", Attended: &there})
		}
	}
	slices.SortFunc(all, func(a, b meeting.Attendee) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (f meetFetched) segments() []meeting.Segment {
	speakers := map[string]string{}
	for _, p := range f.Participants {
		speakers[p.Name] = p.displayName()
	}
	start := f.Record.Start.time()
	var all []meeting.Segment
	for _, entry := range f.Entries {
		s := meeting.Segment{Speaker: speakers[entry.Participant], Text: entry.Text}
		if at := entry.Start.time(); !at.IsZero() && at.After(start) {
			s.StartSeconds = at.Sub(start).Seconds()
		}
		all = append(all, s)
	}
	return all
}
