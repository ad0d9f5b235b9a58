package webhooks

import (
	"crypto/hmac"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// channelToken is how Google Calendar proves a notification: by the token of the
// channel that it comes through, as it was given when the channel was made
// (developers.google.com/workspace/calendar/api/guides/push, read 2026-11). Each
// channel has a token of its own, made of its ID with the source's secret, so that
// the secret itself is sent nowhere and a token is of no use with another channel.
type channelToken struct{}

func (channelToken) CheckSecret(secret string) error { return sharedSecret{}.CheckSecret(secret) }

// token is the one of the channel with that ID: 64 characters, of the 256 that
// Google allows.
func (channelToken) token(secret, channel string) string {
	return hex.EncodeToString(mac([]byte(secret), "google-calendar channel ", channel))
}

func (t channelToken) Verify(r Request, secret string, _ time.Time) error {
	channel, token := one(r.Header, "X-Goog-Channel-Id"), one(r.Header, "X-Goog-Channel-Token")
	if channel == "" || token == "" {
		return MissingSignature
	}
	// Hashed as every other platform's body is: see sharedSecret.
	_ = mac([]byte(secret), string(r.Body))
	if t.CheckSecret(secret) != nil || !hmac.Equal([]byte(token), []byte(t.token(secret, channel))) {
		return WrongSignature
	}
	// The token covers no body, and a notification has none. What has one in a
	// delivery of this platform was fetched by us.
	if len(r.Body) > 0 {
		return WrongSignature
	}
	return nil
}

// accepted: see §"Receive notifications" of the guide; 204 is one of five.
func (channelToken) accepted() int { return 204 }

// googleCalendarMapping reads Google Calendar. A notification says only that
// something changed, or with "sync" that there is a channel; what it was, Tend
// finds, and each entry that changed is a delivery of its own.
type googleCalendarMapping struct {
	noHandshake
	unrouted
}

// calendarEntry is a calendar's event as events.list gives it, with singleEvents:
// each occurrence of a series by itself. Of one that was cancelled, only the ID
// and for an occurrence its series and original start are certain to be there
// (developers.google.com/workspace/calendar/api/v3/reference/events, read 2026-11).
type calendarEntry struct {
	ID             string           `json:"id"`
	ETag           string           `json:"etag,omitempty"`
	Status         string           `json:"status,omitempty"` // confirmed, tentative, cancelled
	Updated        moment           `json:"updated,omitzero"`
	Summary        string           `json:"summary,omitempty"`
	Location       string           `json:"location,omitempty"`
	EventType      string           `json:"eventType,omitempty"`
	Visibility     string           `json:"visibility,omitempty"`
	ICalUID        string           `json:"iCalUID,omitempty"`
	Sequence       whole            `json:"sequence,omitempty"`
	Start          calendarTime     `json:"start,omitzero"`
	End            calendarTime     `json:"end,omitzero"`
	SeriesID       string           `json:"recurringEventId,omitempty"`
	OriginalStart  calendarTime     `json:"originalStartTime,omitzero"`
	Organizer      calendarPerson   `json:"organizer,omitzero"`
	Attendees      []calendarPerson `json:"attendees,omitempty"`
	HangoutLink    string           `json:"hangoutLink,omitempty"`
	ConferenceData struct {
		EntryPoints []calendarEntryPoint `json:"entryPoints,omitempty"`
	} `json:"conferenceData,omitzero"`
}

type calendarEntryPoint struct {
	Type string `json:"entryPointType"`
	URI  string `json:"uri"`
}

type calendarPerson struct {
	Email     string `json:"email,omitempty"`
	Name      string `json:"displayName,omitempty"`
	Self      bool   `json:"self,omitempty"`
	Resource  bool   `json:"resource,omitempty"` // a room or a thing
	Organizer bool   `json:"organizer,omitempty"`
	Optional  bool   `json:"optional,omitempty"`
	Response  string `json:"responseStatus,omitempty"` // needsAction, declined, tentative, accepted
}

// calendarTime is a time, or for a whole day its date.
type calendarTime struct {
	Date     string `json:"date,omitempty"`
	DateTime moment `json:"dateTime,omitzero"`
	TimeZone string `json:"timeZone,omitempty"`
}

// key names the entry as it is now: another change gives another ETag.
func (c calendarEntry) key() string {
	return c.ID + ":" + first(strings.Trim(c.ETag, `"`), c.Updated.time().UTC().Format(time.RFC3339Nano), c.Status)
}

// Key: of a notification its number in its channel, of an entry what it is now.
func (googleCalendarMapping) Key(d Delivery) string {
	if len(d.Body) == 0 {
		if channel, number := one(d.Header, "X-Goog-Channel-Id"), one(d.Header, "X-Goog-Message-Number"); channel != "" && number != "" {
			return "channel:" + channel + ":" + number
		}
		return ""
	}
	if checkShape(d.Body) != nil {
		return ""
	}
	var e calendarEntry
	if decode(d.Body, &e) != nil || e.ID == "" {
		return ""
	}
	return e.key()
}

// LookAgain: whatever a notification says, the calendars are to be looked through.
func (googleCalendarMapping) LookAgain(d Delivery) bool { return len(d.Body) == 0 }

func (googleCalendarMapping) Events(d Delivery) ([]meeting.Event, error) {
	if len(d.Body) == 0 {
		return nil, nil // see LookAgain
	}
	var c calendarEntry
	if err := decode(d.Body, &c); err != nil {
		return nil, err
	}
	if c.ID == "" {
		return nil, Unfit{"the body names no entry of a calendar"}
	}
	e := c.event()
	switch {
	case c.Status == "cancelled":
		e.Type = meeting.Canceled
	case !c.isMeeting():
		return nil, Unfit{"the entry is no meeting with others: it takes whole days, is of another kind, or has nobody else in it"}
	case c.Sequence > 0 || !e.Keys.PreviousStart.IsZero():
		e.Type = meeting.Rescheduled
	default:
		e.Type = meeting.Scheduled
	}
	return []meeting.Event{e}, nil
}

// event is what the entry says, still without a type.
func (c calendarEntry) event() meeting.Event {
	// An entry's ID is the same in the calendars of all who are invited, and an
	// occurrence of a series keeps its own when it is moved.
	e := meeting.Event{DedupeKey: c.key(), OccurredAt: c.Updated.time(), Provider: "google-calendar", ProviderEventType: first(c.Status, "confirmed")}
	e.Keys = meeting.Keys{InstanceID: c.ID, CalendarEventID: c.ID, ICalUID: c.ICalUID, JoinURL: c.joinURL()}
	e.Title, e.TimeZone = c.Summary, c.Start.TimeZone
	e.ScheduledStart, e.ScheduledEnd = c.Start.DateTime.time(), c.End.DateTime.time()
	if original := c.OriginalStart.DateTime.time(); !original.IsZero() && !original.Equal(e.ScheduledStart) {
		e.Keys.PreviousStart = original
	}
	e.Private = c.Visibility == "private" || c.Visibility == "confidential"
	e.Organizer = meeting.Person{Name: c.Organizer.Name, Email: c.Organizer.Email}
	for _, a := range c.Attendees {
		if a.Resource {
			continue
		}
		attendee := meeting.Attendee{Person: meeting.Person{Name: a.Name, Email: a.Email}, Role: "invitee"}
		if a.Organizer {
			attendee.Role = "host"
			e.Organizer.Name = first(e.Organizer.Name, a.Name)
		}
		if a.Response != "needsAction" {
			attendee.Response = a.Response
		}
		e.Attendees = append(e.Attendees, attendee)
	}
	return e
}

// isMeeting: out of office, focus time, birthdays and days off are none, nor is
// what somebody noted for themselves.
func (c calendarEntry) isMeeting() bool {
	if c.EventType != "" && c.EventType != "default" && c.EventType != "fromGmail" {
		return false
	}
	if c.Start.DateTime.time().IsZero() {
		return false
	}
	return slices.ContainsFunc(c.Attendees, func(a calendarPerson) bool { return !a.Resource && !a.Self })
}

func (c calendarEntry) joinURL() string {
	for _, p := range c.ConferenceData.EntryPoints {
		if p.Type == "video" {
			return p.URI
		}
	}
	if c.HangoutLink == "" && strings.HasPrefix(c.Location, "https://") {
		return c.Location
	}
	return c.HangoutLink
}
