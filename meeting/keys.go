package meeting

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// KeyKind is the namespace of a [Key]'s value.
type KeyKind string

// The kinds of keys. Instance and recording IDs are scoped by who gave them out.
const (
	KeyInstance      KeyKind = "instance"
	KeyRecording     KeyKind = "recording"
	KeyICalUID       KeyKind = "ical_uid"
	KeyCalendarEvent KeyKind = "calendar_event"
	KeyBooking       KeyKind = "booking"
	KeyRoom          KeyKind = "room"
	KeyPeople        KeyKind = "people"
)

// Key is a name of one occurrence: two events with a common key are about the
// same meeting. A key without a start stands alone; one with a start is common
// to two events only if their starts are at most Tolerance apart.
type Key struct {
	Kind KeyKind
	// Scope says who gave the value out, where its uniqueness ends with them.
	Scope     string
	Value     string
	Start     time.Time
	Tolerance time.Duration
}

// Alone says whether the key needs no start.
func (k Key) Alone() bool { return k.Start.IsZero() }

// Exclusive says whether two values of this kind and scope contradict each
// other: a platform that gave two instance IDs speaks of two occurrences, even
// in the same room within minutes.
func (k Key) Exclusive() bool { return k.Kind == KeyInstance }

// How far apart two starts may be under one name.
const (
	// An iCalUID or a calendar's event ID is shared by a whole series, whose
	// occurrences are seldom closer than half a working day; platforms tell the
	// actual instead of the scheduled start, or an occurrence is moved by an hour.
	calendarTolerance = 3 * time.Hour
	// A booking is one occurrence with most schedulers; some let a series share
	// its ID, daily at the closest.
	bookingTolerance = 12 * time.Hour
	// A room is used back to back all day: only what is early or late for the
	// same start may count.
	roomTolerance = 15 * time.Minute
	// Two people of different companies begin one meeting at a time. Schedulers and
	// calendars agree on the minute; what starts later is the next meeting.
	peopleTolerance = 2 * time.Minute
)

// maxPairs bounds the names that people give a meeting.
const maxPairs = 50

// CorrelationKeys are the names by which the event's meeting can be found. An
// event without any can't be told to belong to a meeting: see [Event.Validate].
func CorrelationKeys(e Event) []Key { return correlationKeys(e.Normalize()) }

func correlationKeys(e Event) []Key {
	var keys []Key
	alone := func(kind KeyKind, value string) {
		if value != "" {
			keys = append(keys, Key{Kind: kind, Scope: e.scope(), Value: value})
		}
	}
	alone(KeyInstance, e.Keys.InstanceID)
	if e.Keys.PreviousInstanceID != e.Keys.InstanceID {
		alone(KeyInstance, e.Keys.PreviousInstanceID)
	}
	// A recording is of one occurrence, although one occurrence may have several.
	alone(KeyRecording, e.Keys.RecordingID)

	// Of a meeting that started late both starts are known; only one counts, or
	// its lateness would reach into the room's next meeting.
	start := e.ScheduledStart
	if start.IsZero() {
		start = e.ActualStart
	}
	starts := []time.Time{start}
	if previous := e.Keys.PreviousStart; !previous.IsZero() && !previous.Equal(start) {
		starts = append(starts, previous)
	}
	seen := map[Key]bool{}
	within := func(kind KeyKind, value string, tolerance time.Duration) {
		for _, s := range starts {
			k := Key{Kind: kind, Value: value, Start: s, Tolerance: tolerance}
			if value != "" && !s.IsZero() && !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	within(KeyICalUID, e.Keys.ICalUID, calendarTolerance)
	within(KeyCalendarEvent, e.Keys.CalendarEventID, calendarTolerance)
	within(KeyBooking, e.Keys.BookingUID, bookingTolerance)
	within(KeyBooking, e.Keys.PreviousBookingUID, bookingTolerance)
	if id := e.Keys.ProviderMeetingID; id != "" && e.Provider != "" {
		within(KeyRoom, e.scope()+":"+id, roomTolerance)
	}
	within(KeyRoom, Room(e.Keys.JoinURL), roomTolerance)
	for _, pair := range pairs(e) {
		within(KeyPeople, pair, peopleTolerance)
	}
	return keys
}

// pairs are the host with each of the others, where they are of two companies:
// the last resort for platforms that know a meeting under no common name, and
// only by the start that was scheduled. Two colleagues are no such pair: their
// calendars have two things at once every day.
func pairs(e Event) []string {
	if e.ScheduledStart.IsZero() {
		return nil
	}
	var hosts, all []string
	add := func(email string, host bool) {
		if email == "" {
			return
		}
		all = append(all, email)
		if host {
			hosts = append(hosts, email)
		}
	}
	add(e.Organizer.Email, true)
	for _, a := range e.Attendees {
		add(a.Email, a.Role == "host")
	}
	var found []string
	for _, host := range hosts {
		for _, other := range all {
			if domain(host) == domain(other) {
				continue
			}
			found = append(found, min(host, other)+" "+max(host, other))
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return found[:min(len(found), maxPairs)]
}

func domain(email string) string { return email[strings.LastIndex(email, "@")+1:] }

// scope is who gave out the event's IDs.
func (e Event) scope() string {
	if e.Provider == Own {
		return Own + "/" + e.ProviderAccountID
	}
	return e.Provider
}

// Zoom's join URLs: /j/<number>, /s/<number>, /w/<number>, /wc/<number>/join,
// /wc/join/<number>. Numbers have 9 to 11 digits.
var zoomNumber = regexp.MustCompile(`^/(?:j|s|w|wc|wc/join)/(\d{9,11})(?:/|$)`)

// Room names the room that a join URL leads to, without scheme, query, password
// and fragment: the same for every spelling of the URL, and for Zoom the same
// as its meeting number ("zoom:91234567890"). It is empty where joinURL is no
// web address with a path.
func Room(joinURL string) string {
	u, err := url.Parse(strings.TrimSpace(joinURL))
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if host == "zoom.us" || strings.HasSuffix(host, ".zoom.us") || host == "zoomgov.com" || strings.HasSuffix(host, ".zoomgov.com") {
		if m := zoomNumber.FindStringSubmatch(u.Path); m != nil {
			return "zoom:" + m[1]
		}
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if path == "" || host == "" {
		return "" // a platform's home page is nobody's room
	}
	return host + path
}
