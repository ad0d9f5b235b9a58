package meeting

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Fold adds up what the events of one occurrence say. The result depends on
// the events alone: not on their order, and not on how often each is given.
//
// Of events with the same dedupe key one counts, the latest revision. Each field
// then has the value of the event that is to be trusted most in it and, among
// equals, of the last one: by when it occurred, then by its type, dedupe key and
// content, and never by when it arrived.
func Fold(events []Event) Meeting {
	f := folding{}
	for _, e := range inOrder(events) {
		f.add(e)
	}
	return f.meeting()
}

// inOrder normalizes the events, keeps one of each dedupe key, and sorts them
// so that a later one has the last word.
func inOrder(events []Event) []Event {
	type ranked struct {
		Event
		content []byte
	}
	all := make([]ranked, 0, len(events))
	for _, e := range events {
		e = e.Normalize()
		content, err := json.Marshal(e)
		if err != nil {
			content = nil // a value that JSON can't hold, which no event from JSON has
		}
		all = append(all, ranked{e, content})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(
			a.OccurredAt.Compare(b.OccurredAt), // not known is the zero time: first
			cmp.Compare(slices.Index(known, a.Type), slices.Index(known, b.Type)),
			strings.Compare(a.DedupeKey, b.DedupeKey),
			bytes.Compare(a.content, b.content),
		)
	})
	last := map[string]int{}
	for i, e := range all {
		last[e.name(e.content)] = i
	}
	out := make([]Event, 0, len(last))
	for i, e := range all {
		if last[e.name(e.content)] == i {
			out = append(out, e.Event)
		}
	}
	return out
}

// name is what makes two events the same one; without a dedupe key only the
// whole content can.
func (e Event) name(content []byte) string {
	if e.DedupeKey != "" {
		return "key:" + e.DedupeKey
	}
	return "content:" + string(content)
}

// best keeps the value that is trusted most, among equals the last one offered.
type best[T any] struct {
	value T
	trust int
	set   bool
}

func (b *best[T]) offer(v T, trust int, said bool) {
	if said && (!b.set || trust >= b.trust) {
		b.value, b.trust, b.set = v, trust, true
	}
}

type span struct{ start, end time.Time }

type folding struct {
	out Meeting

	title, timeZone, hostID best[string]
	scheduled               best[span]
	scheduledEnd            best[time.Time]
	actualStart, actualEnd  best[time.Time]
	organizer               best[Person]
	summary, nextSteps      best[Text]
	actionItems             best[[]ActionItem]
	transcript              best[Transcript]
	recordingURL, reportURL best[string]
	answers                 best[[]Answer]
	cancellation            best[Cancellation]

	attendees []Attendee
	tookPlace bool
	canceled  bool
}

func (f *folding) add(e Event) {
	f.out.IsTest = f.out.IsTest || e.IsTest
	f.out.Private = f.out.Private || e.Private
	if e.Provider != "" && !slices.Contains(f.out.Providers, e.Provider) {
		f.out.Providers = append(f.out.Providers, e.Provider)
	}
	f.addProgress(e)
	f.out.Keys.add(e.Keys)

	// A notetaker invents titles; who scheduled or held it knows its name.
	f.title.offer(e.Title, without(e.Type, NotesReady, NotesUpdated, TranscriptReady, RecordingReady), e.Title != "")
	f.timeZone.offer(e.TimeZone, 0, e.TimeZone != "")
	f.hostID.offer(e.HostID, 0, e.HostID != "")

	s := span{e.ScheduledStart, e.ScheduledEnd}
	if s.end.IsZero() && !f.scheduled.value.end.IsZero() {
		// Moved without an end: it keeps its length.
		s.end = s.start.Add(f.scheduled.value.end.Sub(f.scheduled.value.start))
	}
	f.scheduled.offer(s, with(e.Type, Scheduled, Rescheduled), !s.start.IsZero())
	f.scheduledEnd.offer(e.ScheduledEnd, with(e.Type, Scheduled, Rescheduled), !e.ScheduledEnd.IsZero())

	// A notetaker knows when it began to record, the platform when people met.
	held := with(e.Type, Started, ParticipantJoined, ParticipantLeft) + 2*with(e.Type, Ended)
	f.actualStart.offer(e.ActualStart, held, !e.ActualStart.IsZero())
	f.actualEnd.offer(e.ActualEnd, held, !e.ActualEnd.IsZero())

	organizer := e.Organizer
	if organizer.Name == "" && organizer.Email == f.organizer.value.Email {
		organizer.Name = f.organizer.value.Name
	}
	// Who scheduled or held it knows the host; a notetaker knows whose it is itself.
	f.organizer.offer(organizer, said(organizer.Email)*(1+without(e.Type, NotesReady, NotesUpdated, TranscriptReady, RecordingReady)), organizer != Person{})

	notes := with(e.Type, NotesReady, NotesUpdated)
	f.summary.offer(e.Summary, notes, e.Summary.Text != "")
	f.nextSteps.offer(e.NextSteps, notes, e.NextSteps.Text != "")
	// Items that a platform gives as such over those that we read out of prose.
	given := 1
	if slices.ContainsFunc(e.ActionItems, func(i ActionItem) bool { return i.Parsed }) {
		given = 0
	}
	f.actionItems.offer(e.ActionItems, given, len(e.ActionItems) > 0)
	f.transcript.offer(e.Transcript, transcriptTrust(e.Transcript), e.Transcript.Status != "" || e.Transcript.Ref != "" || len(e.Transcript.Segments) > 0)
	f.recordingURL.offer(e.RecordingURL, 0, e.RecordingURL != "")
	f.reportURL.offer(e.ReportURL, 0, e.ReportURL != "")
	f.answers.offer(e.Answers, 0, len(e.Answers) > 0)
	f.cancellation.offer(e.Cancellation, with(e.Type, Canceled), e.Cancellation != Cancellation{})

	for name, v := range e.Tracking {
		if f.out.Tracking == nil {
			f.out.Tracking = map[string]string{}
		}
		f.out.Tracking[name] = v
	}
	for _, h := range e.CRMHints {
		if !slices.Contains(f.out.CRMHints, h) {
			f.out.CRMHints = append(f.out.CRMHints, h)
		}
	}
	for _, p := range e.ProposedActions {
		f.addProposal(p)
	}
	for _, a := range e.Attendees {
		if e.Type == ParticipantJoined || e.Type == ParticipantLeft {
			yes := true
			a.Attended = &yes
		}
		if a.Source == "" {
			a.Source = e.Provider
		}
		f.attendees = append(f.attendees, a)
	}
}

func (f *folding) addProgress(e Event) {
	switch e.Type {
	case Scheduled, Rescheduled:
		f.canceled = false // called off, and then on again
	case Canceled:
		f.canceled = true
	case Started, ParticipantJoined, ParticipantLeft, RecordingReady, TranscriptReady:
		f.tookPlace = true
	case Ended:
		f.tookPlace, f.out.HasEnded = true, true
		// Who tells the end together with what was said tells the notes.
		if e.Summary.Text != "" || e.NextSteps.Text != "" || len(e.ActionItems) > 0 {
			f.out.HasNotes = true
		}
	case NotesReady, NotesUpdated:
		f.tookPlace, f.out.HasEnded, f.out.HasNotes = true, true, true
	case NoShow:
	}
}

// addProposal: a later event corrects the proposal with the same ref, and the
// same proposal without one counts once.
func (f *folding) addProposal(p ProposedAction) {
	same := func(q ProposedAction) bool {
		if p.Ref != "" || q.Ref != "" {
			return p.Ref == q.Ref
		}
		return equalJSON(p, q)
	}
	if i := slices.IndexFunc(f.out.ProposedActions, same); i >= 0 {
		f.out.ProposedActions[i] = p
		return
	}
	f.out.ProposedActions = append(f.out.ProposedActions, p)
}

func (f *folding) meeting() Meeting {
	m := f.out
	m.Title, m.TimeZone, m.HostID = f.title.value, f.timeZone.value, f.hostID.value
	m.ScheduledStart, m.ScheduledEnd = f.scheduled.value.start, f.scheduled.value.end
	if m.ScheduledEnd.IsZero() {
		m.ScheduledEnd = f.scheduledEnd.value
	}
	m.ActualStart, m.ActualEnd = f.actualStart.value, f.actualEnd.value
	// Start and end may come from two events that don't fit each other.
	if m.ScheduledEnd.Before(m.ScheduledStart) {
		m.ScheduledEnd = time.Time{}
	}
	if m.ActualEnd.Before(m.ActualStart) {
		m.ActualEnd = time.Time{}
	}
	m.Organizer = f.organizer.value
	m.Summary, m.NextSteps, m.ActionItems = f.summary.value, f.nextSteps.value, f.actionItems.value
	m.Transcript, m.RecordingURL, m.ReportURL = f.transcript.value, f.recordingURL.value, f.reportURL.value
	m.Answers = f.answers.value
	m.Attendees = mergeAttendees(f.attendees)
	slices.Sort(m.Providers)
	slices.SortFunc(m.CRMHints, func(a, b CRMHint) int {
		return cmp.Or(strings.Compare(a.CRM, b.CRM), strings.Compare(a.Object, b.Object), strings.Compare(a.ID, b.ID), strings.Compare(a.RecordURL, b.RecordURL))
	})

	switch {
	case m.HasEnded:
		m.State = StateEnded
	case f.tookPlace:
		m.State = StateStarted
	case f.canceled:
		m.State = StateCanceled
		m.Cancellation = f.cancellation.value
	default:
		m.State = StateScheduled
	}
	return m
}

// add overwrites each key that the later event names.
func (k *Keys) add(later Keys) {
	for _, p := range []struct {
		to   *string
		from string
	}{
		{&k.InstanceID, later.InstanceID},
		{&k.PreviousInstanceID, later.PreviousInstanceID},
		{&k.ProviderMeetingID, later.ProviderMeetingID},
		{&k.RecordingID, later.RecordingID},
		{&k.ICalUID, later.ICalUID},
		{&k.CalendarEventID, later.CalendarEventID},
		{&k.JoinURL, later.JoinURL},
		{&k.BookingUID, later.BookingUID},
		{&k.PreviousBookingUID, later.PreviousBookingUID},
	} {
		if p.from != "" {
			*p.to = p.from
		}
	}
	if !later.PreviousStart.IsZero() {
		k.PreviousStart = later.PreviousStart
	}
}

// mergeAttendees makes one of those with the same e-mail address. One without an
// address is whoever of the others has the same name, if that is one alone.
func mergeAttendees(all []Attendee) []Attendee {
	byEmail := map[string]*Attendee{}
	named := map[string][]string{} // name → addresses that ever had it
	for _, a := range all {
		if a.Email == "" {
			continue
		}
		if byEmail[a.Email] == nil {
			byEmail[a.Email] = &Attendee{Person: Person{Email: a.Email}}
		}
		if n := sameName(a.Name); n != "" && !slices.Contains(named[n], a.Email) {
			named[n] = append(named[n], a.Email)
		}
	}
	byName := map[string]*Attendee{}
	for _, a := range all {
		name := sameName(a.Name)
		into := byEmail[a.Email]
		if a.Email == "" && len(named[name]) == 1 {
			into = byEmail[named[name][0]]
		}
		if into == nil {
			if byName[name] == nil {
				byName[name] = &Attendee{}
			}
			into = byName[name]
		}
		into.add(a)
	}
	var out []Attendee
	for _, m := range []map[string]*Attendee{byEmail, byName} {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			out = append(out, *m[key])
		}
	}
	return out
}

func sameName(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// roles from the weakest to the strongest: a host who joins stays the host.
var roles = []string{"", "participant", "guest", "invitee", "host"}

func (a *Attendee) add(b Attendee) {
	for _, p := range []struct {
		to   *string
		from string
	}{{&a.Name, b.Name}, {&a.Email, b.Email}, {&a.Response, b.Response}, {&a.JobTitle, b.JobTitle}, {&a.Source, b.Source}} {
		if p.from != "" {
			*p.to = p.from
		}
	}
	if b.Role != "" && (a.Role == "" || slices.Index(roles, b.Role) >= slices.Index(roles, a.Role)) {
		a.Role = b.Role
	}
	if b.Attended != nil && (a.Attended == nil || *b.Attended) {
		a.Attended = b.Attended
	}
	a.NoShow = (a.NoShow || b.NoShow) && (a.Attended == nil || !*a.Attended)
	if b.External != nil {
		a.External = b.External
	}
}

func transcriptTrust(t Transcript) int {
	switch {
	case len(t.Segments) > 0:
		return 3
	case t.Status == "ready":
		return 2
	default:
		return said(t.Ref)
	}
}

// with is 1 for an event of one of those types, else 0; without is its reverse.
func with(t EventType, types ...EventType) int {
	if slices.Contains(types, t) {
		return 1
	}
	return 0
}

func without(t EventType, types ...EventType) int { return 1 - with(t, types...) }

func said(s string) int {
	if s == "" {
		return 0
	}
	return 1
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
