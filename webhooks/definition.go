package webhooks

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/debriefhq/debrief/meeting"
)

// Definition is a platform that is written down instead of programmed: which
// signature it has, and where in its JSON things stand. Some ship with Debrief
// (platforms/*.yaml); an operator can add others, with [ParseDefinition].
//
// A place in the JSON is a path: names, and numbers for entries of lists, joined
// by dots ("data.items.0.id"); "." is the whole value; "a | b" is the first of
// several that is there.
type Definition struct {
	// Name is the platform's: lower-case letters, digits, - and _.
	Name string `yaml:"name"`
	// Title is what people call it.
	Title string `yaml:"title"`
	// Verify is how it proves that a request is its own.
	Verify DefinedSignature `yaml:"verify"`
	// Dedupe are the places that together name a delivery, the same for each
	// attempt. Without them, or where none is there, the body itself does.
	Dedupe []place `yaml:"dedupe"`
	// Skip are values that mark a delivery as nothing to use, such as a ping.
	Skip map[place]string `yaml:"skip"`
	// Events say what a delivery tells; the first whose conditions hold counts.
	Events []DefinedEvent `yaml:"events"`
	// Meeting says where its facts stand.
	Meeting DefinedMeeting `yaml:"meeting"`
}

// DefinedSignature names one of the ways to verify.
type DefinedSignature struct {
	// Scheme is standard-webhooks, body-hmac, header-secret, url-token or
	// signed-token.
	Scheme string `yaml:"scheme"`
	// Header has the signature (body-hmac) or the secret (header-secret).
	Header string `yaml:"header"`
	// Prefix stands before the signature: "sha256=". For body-hmac.
	Prefix string `yaml:"prefix"`
	// Encoding of the signature: hex (the default) or base64. For body-hmac.
	Encoding string `yaml:"encoding"`
	// Key is raw (the default), or base64 where the secret is the key in base64.
	// For body-hmac.
	Key string `yaml:"key"`
}

// DefinedEvent is one kind of event.
type DefinedEvent struct {
	// When are the values that places must have. Without any, it always holds.
	When map[place]string `yaml:"when"`
	// Type is the event's type in Debrief's terms.
	Type meeting.EventType `yaml:"type"`
}

// DefinedMeeting says where a meeting's facts stand in the body.
type DefinedMeeting struct {
	InstanceID      place `yaml:"instance_id"`
	RecordingID     place `yaml:"recording_id"`
	MeetingID       place `yaml:"meeting_id"`
	ICalUID         place `yaml:"ical_uid"`
	CalendarEventID place `yaml:"calendar_event_id"`
	BookingUID      place `yaml:"booking_uid"`
	JoinURL         place `yaml:"join_url"`

	AccountID place `yaml:"account_id"`
	IsTest    place `yaml:"is_test"`
	Private   place `yaml:"private"`
	// OccurredAt and the other times may be RFC 3339, or seconds or milliseconds
	// since 1970.
	OccurredAt     place `yaml:"occurred_at"`
	Title          place `yaml:"title"`
	TimeZone       place `yaml:"timezone"`
	ScheduledStart place `yaml:"scheduled_start"`
	ScheduledEnd   place `yaml:"scheduled_end"`
	ActualStart    place `yaml:"actual_start"`
	ActualEnd      place `yaml:"actual_end"`
	// ActualSeconds is how long it took, where there is no end.
	ActualSeconds place `yaml:"actual_seconds"`

	Organizer DefinedPerson `yaml:"organizer"`
	Attendees DefinedPerson `yaml:"attendees"`
	Guests    DefinedPerson `yaml:"guests"`

	Summary   DefinedText `yaml:"summary"`
	NextSteps DefinedText `yaml:"next_steps"`
	// ActionItems without a list are read out of next_steps.
	ActionItems DefinedItems `yaml:"action_items"`
	Transcript  DefinedLines `yaml:"transcript"`

	RecordingURL place `yaml:"recording_url"`
	ReportURL    place `yaml:"report_url"`
}

// DefinedPerson is a person, or with each a list of them. Of a list, Where and Is
// choose: the value at the place Where of an entry equals that at Is of the body.
type DefinedPerson struct {
	Each  place `yaml:"each"`
	Where place `yaml:"where"`
	Is    place `yaml:"is"`
	Name  place `yaml:"name"`
	Email place `yaml:"email"`
	Title place `yaml:"job_title"`
}

// DefinedText is prose: markdown, html or text.
type DefinedText struct {
	Format string `yaml:"format"`
	Text   place  `yaml:"text"`
}

// DefinedItems is a list of action items.
type DefinedItems struct {
	Each          place `yaml:"each"`
	ID            place `yaml:"id"`
	Text          place `yaml:"text"`
	AssigneeName  place `yaml:"assignee_name"`
	AssigneeEmail place `yaml:"assignee_email"`
	DueAt         place `yaml:"due_at"`
	Completed     place `yaml:"completed"`
}

// DefinedLines is a transcript.
type DefinedLines struct {
	Ref     place `yaml:"ref"`
	Each    place `yaml:"each"`
	Speaker place `yaml:"speaker"`
	Email   place `yaml:"email"`
	Text    place `yaml:"text"`
	Start   place `yaml:"start_s"`
}

//go:embed platforms/*.yaml
var shippedDefinitions embed.FS

// definitions are those that ship.
func definitions() []Definition {
	entries, err := shippedDefinitions.ReadDir("platforms")
	if err != nil {
		panic(err) // it is compiled in
	}
	all := make([]Definition, 0, len(entries))
	for _, entry := range entries {
		raw, err := shippedDefinitions.ReadFile(path.Join("platforms", entry.Name()))
		if err != nil {
			panic(err)
		}
		d, err := ParseDefinition(raw)
		if err != nil {
			panic(fmt.Errorf("%s: %w", entry.Name(), err)) // a mistake in what ships
		}
		all = append(all, d)
	}
	return all
}

// maxDefinition is the largest definition in bytes.
const maxDefinition = 64 << 10

var platformName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// ParseDefinition reads a definition in YAML (or JSON, which is YAML). Its errors
// are sentences that say what is wrong and where.
func ParseDefinition(raw []byte) (Definition, error) {
	if len(raw) > maxDefinition {
		return Definition{}, fmt.Errorf("the definition is longer than %d bytes", maxDefinition)
	}
	var d Definition
	decoder := yaml.NewDecoder(bytes.NewReader(raw), yaml.DisallowUnknownField())
	if err := decoder.Decode(&d); err != nil {
		if errors.Is(err, io.EOF) {
			return Definition{}, errors.New("the definition is empty")
		}
		return Definition{}, fmt.Errorf("the definition can't be read: %s", strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	if err := d.check(); err != nil {
		return Definition{}, err
	}
	return d, nil
}

func (d Definition) check() error {
	if !platformName.MatchString(d.Name) {
		return errors.New("name should be lower-case letters, digits, - and _, such as acme-notes")
	}
	if strings.TrimSpace(d.Title) == "" {
		return errors.New("title is missing: what people call the platform")
	}
	if _, err := d.Verify.authentication(); err != nil {
		return err
	}
	if len(d.Events) == 0 {
		return errors.New("events are missing: say at least once what a delivery tells, such as type: meeting.notes_ready")
	}
	for i, e := range d.Events {
		if !slices.Contains(meeting.Types(), e.Type) {
			return fmt.Errorf("events.%d.type is none of Debrief's: they are %s", i, strings.Trim(fmt.Sprint(meeting.Types()), "[]"))
		}
		if len(e.When) == 0 && i < len(d.Events)-1 {
			return fmt.Errorf("events.%d has no when, so those after it would never be looked at", i)
		}
	}
	m := d.Meeting
	if m.InstanceID == "" && m.RecordingID == "" {
		named := m.MeetingID != "" || m.ICalUID != "" || m.CalendarEventID != "" || m.BookingUID != "" || m.JoinURL != ""
		if !named || m.ScheduledStart == "" && m.ActualStart == "" {
			return errors.New("meeting names no occurrence: give instance_id or recording_id, or another ID together with scheduled_start or actual_start")
		}
	}
	for field, t := range map[string]DefinedText{"summary": m.Summary, "next_steps": m.NextSteps} {
		if t.Text != "" && !slices.Contains([]string{"markdown", "html", "text"}, t.Format) {
			return fmt.Errorf("meeting.%s.format should be markdown, html or text", field)
		}
	}
	for _, list := range []struct {
		field      string
		each, item place
	}{
		{"action_items", m.ActionItems.Each, m.ActionItems.Text},
		{"transcript", m.Transcript.Each, m.Transcript.Text},
		{"attendees", m.Attendees.Each, m.Attendees.Email + m.Attendees.Name},
		{"guests", m.Guests.Each, m.Guests.Email + m.Guests.Name},
	} {
		if (list.each == "") != (list.item == "") {
			return fmt.Errorf("meeting.%s needs both: each (where the list stands) and what stands in its entries", list.field)
		}
	}
	if (m.Organizer.Where == "") != (m.Organizer.Is == "") || m.Organizer.Where != "" && m.Organizer.Each == "" {
		return errors.New("meeting.organizer chooses out of a list with all three: each, where and is")
	}
	return nil
}

// authentication is the one that the definition names. There is none of nothing:
// what proves nothing is not accepted.
func (s DefinedSignature) authentication() (Authentication, error) {
	only := func(allowed ...string) error {
		for _, f := range []struct{ name, value string }{
			{"header", s.Header}, {"prefix", s.Prefix}, {"encoding", s.Encoding}, {"key", s.Key},
		} {
			if f.value != "" && !slices.Contains(allowed, f.name) {
				return fmt.Errorf("verify.%s has no meaning with the scheme %s", f.name, s.Scheme)
			}
		}
		if slices.Contains(allowed, "header") && (s.Header == "" || strings.ContainsAny(s.Header, " :\r\n\t")) {
			return errors.New("verify.header is missing, or no header's name")
		}
		return nil
	}
	switch s.Scheme {
	case "standard-webhooks":
		return standardWebhooks{}, only()
	case "body-hmac":
		if err := only("header", "prefix", "encoding", "key"); err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"", "hex", "base64"}, s.Encoding) {
			return nil, errors.New("verify.encoding should be hex or base64")
		}
		if !slices.Contains([]string{"", "raw", "base64"}, s.Key) {
			return nil, errors.New("verify.key should be raw or base64")
		}
		return bodySignature{header: http.CanonicalHeaderKey(s.Header), prefix: s.Prefix, base64: s.Encoding == "base64", keyBase64: s.Key == "base64"}, nil
	case "header-secret":
		return sharedSecret{header: http.CanonicalHeaderKey(s.Header)}, only("header")
	case "url-token":
		return sharedSecret{}, only()
	case "signed-token":
		return signedToken{}, only()
	case "":
		return nil, errors.New("verify.scheme is missing: unsigned webhooks are never accepted")
	default:
		return nil, errors.New("verify.scheme should be standard-webhooks, body-hmac, header-secret, url-token or signed-token")
	}
}

// Platform is the platform that d defines.
func (d Definition) Platform() (Platform, error) {
	a, err := d.Verify.authentication()
	if err != nil {
		return Platform{}, err
	}
	return NewPlatform(d.Name, a, definedMapping{d: d})
}

// definedMapping reads bodies as a definition says.
type definedMapping struct {
	noHandshake
	d Definition
}

func (m definedMapping) Key(d Delivery) string {
	if id := messageID(d.Header); id != "" && m.d.Verify.Scheme == "standard-webhooks" && len(m.d.Dedupe) == 0 {
		return id
	}
	if checkShape(d.Body) != nil {
		return ""
	}
	v, err := decodeAny(d.Body)
	if err != nil {
		return ""
	}
	return m.key(v)
}

// key: a part that is not there is empty, so that the others keep their places.
func (m definedMapping) key(v any) string {
	parts := make([]string, 0, len(m.d.Dedupe))
	said := false
	for _, p := range m.d.Dedupe {
		part := p.text(v)
		said = said || part != ""
		parts = append(parts, part)
	}
	if !said {
		return ""
	}
	return strings.Join(parts, ":")
}

func (m definedMapping) Events(d Delivery) ([]meeting.Event, error) {
	v, err := decodeAny(d.Body)
	if err != nil {
		return nil, err
	}
	if _, is := v.(map[string]any); !is {
		return nil, Unfit{"the body has the wrong type: it should be an object"}
	}
	for p, value := range m.d.Skip {
		if strings.EqualFold(p.text(v), value) {
			return nil, Unfit{"a trial or a ping, with nothing to use"}
		}
	}
	i := slices.IndexFunc(m.d.Events, func(e DefinedEvent) bool { return e.holds(v) })
	if i < 0 {
		return nil, Unfit{"Debrief does not use this event of " + possessive(m.d.Title)}
	}
	e := meeting.Event{Type: m.d.Events[i].Type, DedupeKey: m.Key(d), Provider: m.d.Name}
	if e.DedupeKey == "" {
		e.DedupeKey = bodyKey(d.Body)
	}
	for _, value := range m.d.Events[i].When {
		// Of several conditions the longest value says most, and always the same.
		if len(value) > len(e.ProviderEventType) || len(value) == len(e.ProviderEventType) && value > e.ProviderEventType {
			e.ProviderEventType = value
		}
	}
	if err := m.d.Meeting.fill(&e, v); err != nil {
		return nil, err
	}
	return []meeting.Event{e}, nil
}

func (e DefinedEvent) holds(v any) bool {
	for p, value := range e.When {
		if p.text(v) != value {
			return false
		}
	}
	return true
}

// fill puts into e what stands in v. What is not there stays empty; only a time
// that is none is an error, since a meeting would else go astray.
func (m DefinedMeeting) fill(e *meeting.Event, v any) error {
	for _, f := range []struct {
		to   *string
		from place
	}{
		{&e.Keys.InstanceID, m.InstanceID},
		{&e.Keys.RecordingID, m.RecordingID},
		{&e.Keys.ProviderMeetingID, m.MeetingID},
		{&e.Keys.ICalUID, m.ICalUID},
		{&e.Keys.CalendarEventID, m.CalendarEventID},
		{&e.Keys.BookingUID, m.BookingUID},
		{&e.Keys.JoinURL, m.JoinURL},
		{&e.ProviderAccountID, m.AccountID},
		{&e.Title, m.Title},
		{&e.TimeZone, m.TimeZone},
		{&e.Summary.Text, m.Summary.Text},
		{&e.NextSteps.Text, m.NextSteps.Text},
		{&e.Transcript.Ref, m.Transcript.Ref},
		{&e.RecordingURL, m.RecordingURL},
		{&e.ReportURL, m.ReportURL},
	} {
		*f.to = f.from.text(v)
	}
	e.Summary.Format, e.NextSteps.Format = m.Summary.Format, m.NextSteps.Format
	e.IsTest, e.Private = m.IsTest.yes(v), m.Private.yes(v)
	for _, f := range []struct {
		to   *time.Time
		from place
	}{
		{&e.OccurredAt, m.OccurredAt},
		{&e.ScheduledStart, m.ScheduledStart},
		{&e.ScheduledEnd, m.ScheduledEnd},
		{&e.ActualStart, m.ActualStart},
		{&e.ActualEnd, m.ActualEnd},
	} {
		at, err := parseMoment(f.from.text(v))
		if err != nil {
			return err
		}
		*f.to = at
	}
	if seconds := m.ActualSeconds.number(v); e.ActualEnd.IsZero() && !e.ActualStart.IsZero() && seconds > 0 && seconds < 31*24*3600 {
		e.ActualEnd = e.ActualStart.Add(time.Duration(seconds * float64(time.Second)))
	}
	if people := m.Organizer.people(v); len(people) > 0 {
		e.Organizer = people[0].Person
	}
	for role, list := range map[string]DefinedPerson{"invitee": m.Attendees, "guest": m.Guests} {
		for _, a := range list.people(v) {
			a.Role = role
			e.Attendees = append(e.Attendees, a)
		}
	}
	slices.SortStableFunc(e.Attendees, func(a, b meeting.Attendee) int { return strings.Compare(b.Role, a.Role) })
	for _, item := range m.ActionItems.Each.list(v) {
		i := meeting.ActionItem{
			ID: m.ActionItems.ID.text(item), Text: m.ActionItems.Text.text(item), Completed: m.ActionItems.Completed.yes(item),
			AssigneeName: m.ActionItems.AssigneeName.text(item), AssigneeEmail: m.ActionItems.AssigneeEmail.text(item),
		}
		if at, err := parseMoment(m.ActionItems.DueAt.text(item)); err == nil { // "next week" is no time, and no reason to drop the item
			i.DueAt = at
		}
		e.ActionItems = append(e.ActionItems, i)
	}
	if len(e.ActionItems) == 0 && e.NextSteps.Format == "markdown" {
		e.ActionItems = actionItems(e.NextSteps.Text)
	}
	for _, line := range m.Transcript.Each.list(v) {
		e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{
			Speaker: m.Transcript.Speaker.text(line), Email: m.Transcript.Email.text(line), Text: m.Transcript.Text.text(line),
			StartSeconds: m.Transcript.Start.number(line),
		})
	}
	if len(e.Transcript.Segments) > 0 || e.Transcript.Ref != "" {
		e.Transcript.Status = "ready"
	}
	return nil
}

func (p DefinedPerson) people(v any) []meeting.Attendee {
	read := func(item any) meeting.Attendee {
		return meeting.Attendee{Person: meeting.Person{Name: p.Name.text(item), Email: p.Email.text(item)}, JobTitle: p.Title.text(item)}
	}
	if p.Each == "" {
		if one := read(v); one.Person != (meeting.Person{}) {
			return []meeting.Attendee{one}
		}
		return nil
	}
	var found []meeting.Attendee
	wanted := p.Is.text(v)
	for _, item := range p.Each.list(v) {
		if p.Where == "" || wanted != "" && p.Where.text(item) == wanted {
			found = append(found, read(item))
		}
	}
	return found
}

// place is where something stands in a JSON value; see [Definition].
type place string

// find returns what stands there, or nil.
func (p place) find(v any) any {
	for way := range strings.SplitSeq(string(p), "|") {
		if found := walk(v, strings.TrimSpace(way)); found != nil && found != "" {
			return found
		}
	}
	return nil
}

func walk(v any, way string) any {
	switch way {
	case "":
		return nil
	case ".":
		return v
	}
	for step := range strings.SplitSeq(way, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// text is a text or a number that stands there. Some platforms write an absent
// value as a word.
func (p place) text(v any) string {
	switch found := p.find(v).(type) {
	case string:
		if found == "None" || found == "null" {
			return ""
		}
		return found
	case json.Number:
		return found.String()
	case bool:
		return strconv.FormatBool(found)
	default:
		return ""
	}
}

func (p place) yes(v any) bool { return p.text(v) == "true" }

func (p place) number(v any) float64 {
	n, err := strconv.ParseFloat(p.text(v), 64)
	if err != nil || n != n || n < 0 || n > 1e9 {
		return 0
	}
	return n
}

func (p place) list(v any) []any {
	found, _ := p.find(v).([]any)
	return found
}

// decodeAny reads one JSON value; numbers stay as they are written.
func decodeAny(body []byte) (any, error) {
	if err := checkShape(body); err != nil {
		return nil, err
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, Unfit{"the body is not JSON"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, Unfit{"the body has something after its JSON"}
	}
	return v, nil
}
