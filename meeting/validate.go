package meeting

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// InvalidError says why an event is unfit. Its text names the field and the
// rule, and never quotes a value: it is shown to senders and operators.
type InvalidError struct {
	Field   string // as in the event's JSON
	Problem string
}

// Error is a sentence without its full stop.
func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Limits of one event. They are far above what platforms send, and keep one
// event from filling the memory or the database.
const (
	maxShort      = 1_000   // runes of a title, name, key, URL …
	maxText       = 500_000 // runes of a summary or of next steps
	maxPassage    = 20_000  // runes of an action item, an answer, a quotation
	maxValue      = 65_536  // runes of a property's value: HubSpot's own limit
	maxAttendees  = 2_000
	maxItems      = 500
	maxSegments   = 50_000
	maxProposals  = 100
	maxProperties = 100
	maxEntries    = 100 // answers, tracking parameters, hints, links, quotations
)

// Nothing that a meeting platform tells of lies outside these years.
var (
	earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

var (
	providerForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,39}$`)
	toolForm     = regexp.MustCompile(`^[a-z0-9_]{1,100}\.(create|update)$`)
	objectForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	propertyForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	refForm      = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,100}$`)
)

// known lists the event types in the order of their precedence: of two events
// of the same moment, the later in this list has the last word.
var known = []EventType{
	Scheduled, Rescheduled, NoShow, Canceled, Started, ParticipantJoined, ParticipantLeft,
	Ended, RecordingReady, TranscriptReady, NotesReady, NotesUpdated,
}

// Types are all event types.
func Types() []EventType { return slices.Clone(known) }

// Normalize returns the event as Debrief keeps it: text trimmed and valid,
// e-mail addresses in lower case (what is none is dropped), times in UTC, join
// URLs without query and password, entries that say nothing left out. It is
// idempotent and leaves its argument as it is.
func (e Event) Normalize() Event {
	e.DedupeKey = clean(e.DedupeKey)
	e.Provider = strings.ToLower(clean(e.Provider))
	e.ProviderEventType = clean(e.ProviderEventType)
	e.ProviderAccountID = clean(e.ProviderAccountID)
	e.OccurredAt = utc(e.OccurredAt)
	e.Details = e.Details.normalize()
	return e
}

func (d Details) normalize() Details {
	for _, s := range []*string{
		&d.Keys.InstanceID, &d.Keys.PreviousInstanceID, &d.Keys.ProviderMeetingID, &d.Keys.RecordingID, &d.Keys.ICalUID, &d.Keys.CalendarEventID,
		&d.Keys.BookingUID, &d.Keys.PreviousBookingUID,
		&d.Title, &d.TimeZone, &d.Organizer.Name, &d.HostID, &d.Transcript.Status, &d.Transcript.Ref,
		&d.RecordingURL, &d.ReportURL, &d.Cancellation.By, &d.Cancellation.ByType, &d.Cancellation.Reason,
	} {
		*s = clean(*s)
	}
	d.Keys.JoinURL = withoutQuery(clean(d.Keys.JoinURL))
	for _, t := range []*time.Time{&d.Keys.PreviousStart, &d.ScheduledStart, &d.ScheduledEnd, &d.ActualStart, &d.ActualEnd} {
		*t = utc(*t)
	}
	d.Organizer.Email = cleanEmail(d.Organizer.Email)
	d.Summary, d.NextSteps = d.Summary.normalize(), d.NextSteps.normalize()

	d.Attendees = mapped(d.Attendees, func(a *Attendee) bool {
		a.Name, a.Email = clean(a.Name), cleanEmail(a.Email)
		a.Role, a.Response = strings.ToLower(clean(a.Role)), strings.ToLower(clean(a.Response))
		a.Source, a.JobTitle = clean(a.Source), clean(a.JobTitle)
		return a.Name != "" || a.Email != ""
	})
	d.ActionItems = mapped(d.ActionItems, func(i *ActionItem) bool {
		i.ID, i.Text, i.AssigneeName, i.URL = clean(i.ID), clean(i.Text), clean(i.AssigneeName), clean(i.URL)
		i.AssigneeEmail, i.DueAt = cleanEmail(i.AssigneeEmail), utc(i.DueAt)
		return i.Text != ""
	})
	d.Transcript.Segments = mapped(d.Transcript.Segments, func(s *Segment) bool {
		s.Speaker, s.Email, s.Text = clean(s.Speaker), cleanEmail(s.Email), clean(s.Text)
		return s.Text != ""
	})
	d.Answers = mapped(d.Answers, func(a *Answer) bool {
		a.Question, a.Answer = clean(a.Question), clean(a.Answer)
		return a.Answer != ""
	})
	d.Tracking = cleanMap(d.Tracking, true)
	d.CRMHints = mapped(d.CRMHints, func(h *CRMHint) bool {
		h.CRM, h.Object, h.ID, h.RecordURL = clean(h.CRM), clean(h.Object), clean(h.ID), clean(h.RecordURL)
		return h.ID != "" || h.RecordURL != ""
	})
	d.ProposedActions = mapped(d.ProposedActions, func(p *ProposedAction) bool {
		p.Tool, p.Ref, p.Target = strings.ToLower(clean(p.Tool)), clean(p.Ref), p.Target.normalize()
		p.Properties = cleanMap(p.Properties, false)
		p.AssociateWith = mapped(p.AssociateWith, func(r *RecordRef) bool {
			*r = r.normalize()
			return *r != RecordRef{}
		})
		p.Evidence = mapped(p.Evidence, func(v *Evidence) bool {
			v.Quote, v.Speaker, v.Source = clean(v.Quote), clean(v.Speaker), clean(v.Source)
			return v.Quote != ""
		})
		return true
	})
	return d
}

func (t Text) normalize() Text {
	t.Format, t.Text, t.Language = strings.ToLower(clean(t.Format)), clean(t.Text), clean(t.Language)
	if t.Text == "" {
		return Text{}
	}
	return t
}

func (r RecordRef) normalize() RecordRef {
	return RecordRef{
		Object: strings.ToLower(clean(r.Object)), ID: clean(r.ID), Email: cleanEmail(r.Email),
		Domain: strings.ToLower(clean(r.Domain)), Ref: clean(r.Ref), Name: clean(r.Name),
	}
}

// Validate says with an [InvalidError] whether a normalized event is unfit to be
// folded, and why.
func (e Event) Validate() error {
	var c checker
	c.must(slices.Contains(known, e.Type), "type", "is not an event type of Debrief's")
	c.must(e.DedupeKey != "", "dedupe_key", "is missing")
	c.short("dedupe_key", e.DedupeKey)
	c.must(providerForm.MatchString(e.Provider), "provider", "should be a short name in lower case, such as zoom")
	c.short("provider_event_type", e.ProviderEventType)
	c.short("provider_account_id", e.ProviderAccountID)
	c.time("occurred_at", e.OccurredAt)
	e.check(&c)
	named := slices.ContainsFunc(correlationKeys(e), func(k Key) bool { return k.Kind != KeyPeople })
	c.must(named, "keys",
		"name no occurrence: give an instance_id, or another key together with scheduled_start or actual_start")
	return c.err()
}

func (d Details) check(c *checker) {
	k := d.Keys
	for _, v := range [...]struct{ field, value string }{
		{"keys.instance_id", k.InstanceID},
		{"keys.previous_instance_id", k.PreviousInstanceID},
		{"keys.provider_meeting_id", k.ProviderMeetingID},
		{"keys.recording_id", k.RecordingID},
		{"keys.ical_uid", k.ICalUID},
		{"keys.calendar_event_id", k.CalendarEventID},
		{"keys.join_url", k.JoinURL},
		{"keys.booking_uid", k.BookingUID},
		{"keys.previous_booking_uid", k.PreviousBookingUID},
		{"title", d.Title},
		{"timezone", d.TimeZone},
		{"organizer.name", d.Organizer.Name},
		{"organizer.email", d.Organizer.Email},
		{"host_id", d.HostID},
		{"transcript.status", d.Transcript.Status},
		{"transcript.ref", d.Transcript.Ref},
		{"cancellation.by", d.Cancellation.By},
		{"cancellation.by_type", d.Cancellation.ByType},
	} {
		c.short(v.field, v.value)
	}
	c.text("cancellation.reason", d.Cancellation.Reason, maxPassage)
	c.text("recording_url", d.RecordingURL, 4*maxShort)
	c.text("report_url", d.ReportURL, 4*maxShort)
	for _, t := range [...]struct {
		field string
		at    time.Time
	}{
		{"keys.previous_start", k.PreviousStart},
		{"scheduled_start", d.ScheduledStart},
		{"scheduled_end", d.ScheduledEnd},
		{"actual_start", d.ActualStart},
		{"actual_end", d.ActualEnd},
	} {
		c.time(t.field, t.at)
	}
	c.span("scheduled_end", d.ScheduledStart, d.ScheduledEnd)
	c.span("actual_end", d.ActualStart, d.ActualEnd)
	c.prose("summary", d.Summary)
	c.prose("next_steps", d.NextSteps)

	c.count("attendees", len(d.Attendees), maxAttendees)
	for _, a := range d.Attendees {
		c.short("attendees.name", a.Name)
		c.short("attendees.email", a.Email)
		c.short("attendees.role", a.Role)
		c.short("attendees.response", a.Response)
		c.short("attendees.job_title", a.JobTitle)
		c.short("attendees.source", a.Source)
	}
	c.count("action_items", len(d.ActionItems), maxItems)
	for _, i := range d.ActionItems {
		c.short("action_items.id", i.ID)
		c.text("action_items.text", i.Text, maxPassage)
		c.short("action_items.assignee_name", i.AssigneeName)
		c.short("action_items.assignee_email", i.AssigneeEmail)
		c.text("action_items.url", i.URL, 4*maxShort)
		c.time("action_items.due_at", i.DueAt)
	}
	c.count("transcript.segments", len(d.Transcript.Segments), maxSegments)
	for _, s := range d.Transcript.Segments {
		c.short("transcript.segments.speaker", s.Speaker)
		c.short("transcript.segments.email", s.Email)
		c.text("transcript.segments.text", s.Text, maxPassage)
	}
	c.count("answers", len(d.Answers), maxEntries)
	for _, a := range d.Answers {
		c.text("answers.question", a.Question, maxPassage)
		c.text("answers.answer", a.Answer, maxPassage)
	}
	c.count("tracking", len(d.Tracking), maxEntries)
	for name, v := range d.Tracking {
		c.short("tracking", name)
		c.short("tracking", v)
	}
	c.count("crm_hints", len(d.CRMHints), maxEntries)
	for _, h := range d.CRMHints {
		c.short("crm_hints.crm", h.CRM)
		c.short("crm_hints.object", h.Object)
		c.short("crm_hints.id", h.ID)
		c.short("crm_hints.record_url", h.RecordURL)
	}
	d.checkProposals(c)
}

func (d Details) checkProposals(c *checker) {
	c.count("proposed_actions", len(d.ProposedActions), maxProposals)
	refs := map[string]bool{}
	for _, p := range d.ProposedActions {
		c.must(toolForm.MatchString(p.Tool), "proposed_actions.tool", "should be <object>.create or <object>.update, such as deal.create")
		if p.Ref != "" {
			c.must(refForm.MatchString(p.Ref), "proposed_actions.ref", "should be at most 100 letters, digits and . _ : -")
			c.must(!refs[p.Ref], "proposed_actions.ref", "names two proposals")
			refs[p.Ref] = true
		}
		c.must(p.Confidence == nil || *p.Confidence >= 0 && *p.Confidence <= 1, "proposed_actions.confidence", "should be a number from 0 to 1")
		c.must(len(p.Properties) > 0, "proposed_actions.properties", "are missing")
		c.count("proposed_actions.properties", len(p.Properties), maxProperties)
		for name, v := range p.Properties {
			c.must(propertyForm.MatchString(name), "proposed_actions.properties", "should have HubSpot's internal names: lower-case letters, digits and _")
			c.text("proposed_actions.properties", v, maxValue)
		}
		switch {
		case strings.HasSuffix(p.Tool, ".update"):
			c.must(p.Target != RecordRef{}, "proposed_actions.target", "is missing: an update needs the record to update")
		default:
			c.must(p.Target == RecordRef{}, "proposed_actions.target", "has no place in a create")
		}
		if p.Target != (RecordRef{}) {
			p.Target.check(c, "proposed_actions.target", strings.TrimSuffix(p.Tool, ".update"))
		}
		c.count("proposed_actions.associate_with", len(p.AssociateWith), maxEntries)
		for _, r := range p.AssociateWith {
			r.check(c, "proposed_actions.associate_with", "")
		}
		c.count("proposed_actions.evidence", len(p.Evidence), maxEntries)
		for _, v := range p.Evidence {
			c.text("proposed_actions.evidence.quote", v.Quote, maxPassage)
			c.short("proposed_actions.evidence.speaker", v.Speaker)
			c.short("proposed_actions.evidence.source", v.Source)
		}
	}
}

// check: a record is pointed at in exactly one way. object is the type that it
// must have, where that is given by what it is for.
func (r RecordRef) check(c *checker, field, object string) {
	ways := 0
	for _, v := range []string{r.ID, r.Email, r.Domain, r.Ref, r.Name} {
		if v != "" {
			ways++
		}
		c.short(field, v)
	}
	c.must(ways == 1, field, "should point at a record in one way: id, email, domain, ref or name")
	c.must(r.Object == "" || objectForm.MatchString(r.Object), field+".object", "should be an object type, such as deal")
	c.must(r.Object == "" || object == "" || r.Object == object, field+".object", "is not the type that the tool writes")
	c.must(r.ID == "" || r.Object != "" || object != "", field+".object", "is missing: an id needs its object type")
	c.must(r.Name == "" || r.Object != "" || object != "", field+".object", "is missing: a name needs its object type")
	c.must(r.Email == "" || r.Object == "" || r.Object == "contact", field, "points at a contact by email, and only at a contact")
	c.must(r.Domain == "" || r.Object == "" || r.Object == "company", field, "points at a company by domain, and only at a company")
}

// checker keeps the first problem in the order of the fields' names, so that the
// same event always fails with the same sentence.
type checker struct{ problems []InvalidError }

func (c *checker) must(ok bool, field, problem string) {
	if !ok {
		c.problems = append(c.problems, InvalidError{Field: field, Problem: problem})
	}
}

func (c *checker) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	first := slices.MinFunc(c.problems, func(a, b InvalidError) int {
		return strings.Compare(a.Error(), b.Error())
	})
	return &first
}

func (c *checker) short(field, v string) { c.text(field, v, maxShort) }

func (c *checker) text(field, v string, limit int) {
	// Bytes bound the runes: no need to count those of a short text.
	if len(v) > limit && utf8.RuneCountInString(v) > limit {
		c.must(false, field, fmt.Sprintf("is longer than %d characters", limit))
	}
}

func (c *checker) prose(field string, t Text) {
	c.text(field+".text", t.Text, maxText)
	c.short(field+".language", t.Language)
	c.must(slices.Contains([]string{"", "markdown", "html", "text"}, t.Format), field+".format", "should be markdown, html or text")
}

func (c *checker) count(field string, n, limit int) {
	if n > limit {
		c.must(false, field, fmt.Sprintf("are more than %d", limit))
	}
}

func (c *checker) time(field string, t time.Time) {
	c.must(t.IsZero() || (t.After(earliest) && t.Before(latest)), field, "lies outside the years 2000 to 2099")
}

func (c *checker) span(field string, start, end time.Time) {
	if !start.IsZero() && !end.IsZero() {
		c.must(!end.Before(start), field, "is before the start")
		c.must(end.Sub(start) <= 31*24*time.Hour, field, "is more than 31 days after the start")
	}
}

// clean trims s and makes it storable: valid UTF-8, without NUL.
func clean(s string) string {
	if !utf8.ValidString(s) { // which is much faster than to make it valid
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.TrimSpace(strings.ReplaceAll(s, "\x00", ""))
}

// cleanEmail returns the address in lower case, or nothing where s is none:
// platforms send "None", "null" and phone numbers in its place.
func cleanEmail(s string) string {
	s = strings.ToLower(clean(s))
	s = strings.TrimPrefix(s, "mailto:")
	local, domain, found := strings.Cut(s, "@")
	if !found || local == "" || domain == "" || strings.ContainsAny(s, " \t\r\n<>,;\"") || strings.Contains(domain, "@") {
		return ""
	}
	return s
}

// withoutQuery drops what may hold a password.
func withoutQuery(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment, u.User = "", false, "", "", nil
	return u.String()
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// mapped changes a copy of each element and keeps those for which keep says so.
func mapped[T any](in []T, keep func(*T) bool) []T {
	var out []T
	for _, v := range in {
		if keep(&v) {
			out = append(out, v)
		}
	}
	return out
}

// cleanMap cleans names and values. An empty value is kept unless dropEmpty: in
// a property it clears the field.
func cleanMap(in map[string]string, dropEmpty bool) map[string]string {
	var out map[string]string
	for _, name := range slices.Sorted(maps.Keys(in)) {
		k, v := clean(name), clean(in[name])
		if k == "" || (dropEmpty && v == "") {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out
}
