package webhooks

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// calcomSignature is Cal.com's. A webhook without a secret has the literal
// "no-secret-provided" in its place, which is no signature
// (cal.com/docs/developing/guides/automation/webhooks, read 2026).
var calcomSignature = bodySignature{header: "X-Cal-Signature-256"}

// calcomMapping reads Cal.com's events, in its default template. Most are wrapped
// in a payload; those that a timer sends are flat.
type calcomMapping struct{ noHandshake }

type calcomBody struct {
	Trigger   string          `json:"triggerEvent"`
	CreatedAt moment          `json:"createdAt"`
	Payload   json.RawMessage `json:"payload"`
}

type calcomPerson struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	TimeZone string `json:"timeZone"`
	NoShow   bool   `json:"noShow"`
}

type calcomBooking struct {
	UID             string         `json:"uid"`
	BookingUID      string         `json:"bookingUid"`
	Title           string         `json:"title"`
	StartTime       moment         `json:"startTime"`
	EndTime         moment         `json:"endTime"`
	Organizer       calcomPerson   `json:"organizer"` // where it is wrapped
	User            calcomPerson   `json:"user"`      // where it is flat
	UserEmail       string         `json:"userPrimaryEmail"`
	Attendees       []calcomPerson `json:"attendees"`
	ICalUID         string         `json:"iCalUID"`
	Status          string         `json:"status"`
	AdditionalNotes text           `json:"additionalNotes"`
	Location        text           `json:"location"`
	Metadata        loose[struct {
		VideoCallURL string `json:"videoCallUrl"`
	}] `json:"metadata"`
	VideoCallData loose[struct {
		URL string `json:"url"`
	}] `json:"videoCallData"`
	RescheduleUID      string                           `json:"rescheduleUid"`
	RescheduleStart    moment                           `json:"rescheduleStartTime"`
	CancellationReason string                           `json:"cancellationReason"`
	CancelledBy        string                           `json:"cancelledBy"`
	Responses          loose[map[string]calcomResponse] `json:"responses"`
	OwnResponses       loose[map[string]calcomResponse] `json:"userFieldsResponses"`
}

type calcomResponse struct {
	Label text            `json:"label"`
	Value json.RawMessage `json:"value"`
}

func (calcomMapping) read(body []byte) (calcomBody, calcomBooking, error) {
	var b calcomBody
	var booking calcomBooking
	if err := decode(body, &b); err != nil {
		return b, booking, err
	}
	data := []byte(b.Payload)
	if len(data) == 0 || string(data) == "null" {
		data = body
	}
	err := decode(data, &booking)
	return b, booking, err
}

// Key: Cal.com gives its deliveries no ID. What its timers send says when the
// booking was made instead of when it was sent, so there the end counts.
func (m calcomMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	b, booking, err := m.read(d.Body)
	uid := first(booking.UID, booking.BookingUID)
	if err != nil || b.Trigger == "" || uid == "" {
		return ""
	}
	return b.key(booking)
}

func (b calcomBody) key(booking calcomBooking) string {
	at := b.CreatedAt
	if len(b.Payload) == 0 {
		at = booking.EndTime
	}
	return b.Trigger + ":" + first(booking.UID, booking.BookingUID) + ":" + at.time().UTC().Format("2006-01-02T15:04:05.000Z")
}

func (m calcomMapping) Events(d Delivery) ([]meeting.Event, error) {
	b, booking, err := m.read(d.Body)
	if err != nil {
		return nil, err
	}
	uid := first(booking.UID, booking.BookingUID)
	if b.Trigger == "" || uid == "" {
		return nil, Unfit{"the body names no event and booking: use Cal.com's default payload template"}
	}
	e := meeting.Event{DedupeKey: b.key(booking), OccurredAt: b.CreatedAt.time(), Provider: "calcom", ProviderEventType: b.Trigger}
	// A booking's uid is of one occurrence: those of a series have one each.
	e.Keys = meeting.Keys{InstanceID: uid, BookingUID: uid, ICalUID: booking.ICalUID, JoinURL: first(booking.Metadata.it.VideoCallURL, booking.VideoCallData.it.URL)}
	if e.Keys.JoinURL == "" && strings.HasPrefix(string(booking.Location), "https://") {
		e.Keys.JoinURL = string(booking.Location)
	}
	e.Title = booking.Title
	e.ScheduledStart, e.ScheduledEnd = booking.StartTime.time(), booking.EndTime.time()
	host := booking.Organizer
	if host.Email == "" {
		host = booking.User
	}
	e.Organizer = meeting.Person{Name: host.Name, Email: first(host.Email, booking.UserEmail)}
	e.TimeZone = host.TimeZone
	for _, p := range booking.Attendees {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: p.Name, Email: p.Email}, Role: "invitee", NoShow: p.NoShow})
	}
	e.Answers = booking.answers()

	switch b.Trigger {
	case "BOOKING_CREATED", "BOOKING_REASSIGNED", "BOOKING_LOCATION_UPDATED", "INSTANT_MEETING_ACCEPTED":
		e.Type = meeting.Scheduled
		if b.Trigger != "BOOKING_CREATED" {
			e.Type = meeting.Rescheduled
		}
		if booking.Status != "" && !strings.EqualFold(booking.Status, "ACCEPTED") {
			return nil, Unfit{"the booking is not accepted: it is no meeting yet"}
		}
	case "BOOKING_RESCHEDULED":
		e.Type = meeting.Rescheduled
		e.Keys.PreviousInstanceID, e.Keys.PreviousBookingUID = booking.RescheduleUID, booking.RescheduleUID
		e.Keys.PreviousStart = booking.RescheduleStart.time()
	case "BOOKING_CANCELLED":
		e.Type = meeting.Canceled
		e.Cancellation = meeting.Cancellation{By: booking.CancelledBy, Reason: booking.CancellationReason}
	case "BOOKING_NO_SHOW_UPDATED":
		e.Type = meeting.NoShow
	case "MEETING_STARTED", "MEETING_ENDED":
		// Cal.com's timers send these at the scheduled times, whatever people do:
		// they tell the booking once more, and nothing else. createdAt is the
		// booking's, so that nothing later is overruled.
		if booking.Status != "" && !strings.EqualFold(booking.Status, "ACCEPTED") {
			return nil, Unfit{"the booking is not accepted: its time came and went"}
		}
		e.Type = meeting.Scheduled
	case "RECORDING_READY":
		e.Type = meeting.RecordingReady // the link has a token in it, so it is not told
	case "RECORDING_TRANSCRIPTION_GENERATED":
		e.Type = meeting.TranscriptReady
		e.Transcript = meeting.Transcript{Status: "ready", Ref: uid}
	default:
		return nil, notUsed("Cal.com", b.Trigger)
	}
	return []meeting.Event{e}, nil
}

// standing are the questions of every form whose answers stand elsewhere.
var standing = []string{"name", "email", "location", "title", "guests", "attendeePhoneNumber", "smsReminderNumber"}

func (b calcomBooking) answers() []meeting.Answer {
	var answers []meeting.Answer
	for _, responses := range []map[string]calcomResponse{b.Responses.it, b.OwnResponses.it} {
		for name, r := range responses {
			if slices.Contains(standing, name) {
				continue
			}
			a := meeting.Answer{Question: first(string(r.Label), name), Answer: said(r.Value)}
			if a.Answer != "" && !slices.Contains(answers, a) {
				answers = append(answers, a)
			}
		}
	}
	if notes := string(b.AdditionalNotes); notes != "" && !slices.ContainsFunc(answers, func(a meeting.Answer) bool { return a.Answer == notes }) {
		answers = append(answers, meeting.Answer{Question: "notes", Answer: notes})
	}
	slices.SortFunc(answers, func(a, b meeting.Answer) int {
		return strings.Compare(a.Question+"\x00"+a.Answer, b.Question+"\x00"+b.Answer)
	})
	return answers
}

// said is an answer as text: of a list its entries, of an object its value.
func said(raw json.RawMessage) string {
	var t text
	if len(raw) > 0 && raw[0] != '[' && raw[0] != '{' && raw[0] != 't' && raw[0] != 'f' && t.UnmarshalJSON(raw) == nil {
		return string(t)
	}
	var list []text
	if json.Unmarshal(raw, &list) == nil {
		var words []string
		for _, v := range list {
			words = append(words, string(v))
		}
		return strings.Join(words, ", ")
	}
	var yes bool
	if json.Unmarshal(raw, &yes) == nil {
		return map[bool]string{true: "yes", false: "no"}[yes]
	}
	var object struct {
		Value       text `json:"value"`
		OptionValue text `json:"optionValue"`
	}
	if json.Unmarshal(raw, &object) == nil {
		return first(string(object.OptionValue), string(object.Value))
	}
	return ""
}
