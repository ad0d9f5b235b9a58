package webhooks

import (
	"crypto/hmac"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// calendlySignature is Calendly's: "t=<seconds>,v1=<hex>" in one header, an
// HMAC-SHA256 of "<t>.<body>" under the signing key as it is
// (developer.calendly.com, webhook signatures, read 2026).
type calendlySignature struct{}

// Calendly's own sample uses three minutes; others use five. A retry is signed
// anew.
const calendlyWindow = 5 * time.Minute

func (calendlySignature) CheckSecret(secret string) error {
	return checkSecret(secret, "take the signing_key that the subscription was made with")
}

func (c calendlySignature) Verify(r Request, secret string, now time.Time) error {
	signed := one(r.Header, "Calendly-Webhook-Signature")
	if signed == "" {
		return MissingSignature
	}
	var timestamp string
	var signatures []string
	for part := range strings.SplitSeq(signed, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "t" && timestamp != "":
			return WrongSignature // of two times, one could be signed and the other used
		case name == "t":
			timestamp = value
		case name == "v1":
			signatures = append(signatures, value)
		}
	}
	if c.CheckSecret(secret) != nil {
		return WrongSignature
	}
	want := mac([]byte(secret), timestamp, ".", string(r.Body))
	matched := false
	for _, s := range signatures {
		got, err := hex.DecodeString(s)
		matched = (err == nil && hmac.Equal(got, want)) || matched
	}
	if !matched {
		return WrongSignature
	}
	return within(timestamp, now, calendlyWindow, calendlyWindow)
}

// SignCalendly returns the Calendly-Webhook-Signature header of a request, as
// Calendly makes it.
func SignCalendly(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac([]byte(secret), t, ".", string(body)))
}

// calendlyMapping reads Calendly's events about invitees and recaps.
type calendlyMapping struct{ noHandshake }

type calendlyBody struct {
	Event     string `json:"event"`
	CreatedAt moment `json:"created_at"`
	CreatedBy string `json:"created_by"`
	Payload   struct {
		URI         string `json:"uri"`
		Email       string `json:"email"`
		Name        string `json:"name"`
		FirstName   string `json:"first_name"`
		LastName    string `json:"last_name"`
		Timezone    string `json:"timezone"`
		Rescheduled bool   `json:"rescheduled"`
		OldInvitee  string `json:"old_invitee"`
		NewInvitee  string `json:"new_invitee"`
		Questions   []struct {
			Question string `json:"question"`
			Answer   text   `json:"answer"`
		} `json:"questions_and_answers"`
		Tracking     map[string]*text     `json:"tracking"`
		Cancellation calendlyCancellation `json:"cancellation"`
		Event        calendlyEvent        `json:"scheduled_event"`

		// A recap. Only the uri and the three texts are documented; where it says
		// which meeting it is of, it is read.
		EventURI    string `json:"event"`
		Summary     string `json:"summary_md"`
		ActionItems string `json:"action_items_md"`
		Discussion  string `json:"discussion_md"`
		Start       moment `json:"start_time"`
		End         moment `json:"end_time"`
	} `json:"payload"`
}

type calendlyCancellation struct {
	By     string `json:"canceled_by"`
	ByType string `json:"canceler_type"`
	Reason string `json:"reason"`
}

type calendlyEvent struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	Status   string `json:"status"`
	Start    moment `json:"start_time"`
	End      moment `json:"end_time"`
	Location struct {
		JoinURL string `json:"join_url"`
	} `json:"location"`
	Invitees struct {
		Limit whole `json:"limit"`
	} `json:"invitees_counter"`
	Members []struct {
		Email string `json:"user_email"`
		Name  string `json:"user_name"`
	} `json:"event_memberships"`
	Guests []struct {
		Email string `json:"email"`
	} `json:"event_guests"`
	Cancellation calendlyCancellation `json:"cancellation"`
}

// Key: Calendly gives its deliveries no ID. The time is taken as it is written.
func (calendlyMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	var b calendlyBody
	if err := decode(d.Body, &b); err != nil || b.Event == "" || b.Payload.URI == "" {
		return ""
	}
	return b.key()
}

func (b calendlyBody) key() string {
	return b.Event + ":" + b.Payload.URI + ":" + b.CreatedAt.time().UTC().Format("2006-01-02T15:04:05.000000Z")
}

// eventOf is the event's URI in an invitee's: …/scheduled_events/ID/invitees/ID.
func eventOf(invitee string) string {
	event, _, found := strings.Cut(invitee, "/invitees/")
	if !found {
		return ""
	}
	return event
}

func (calendlyMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b calendlyBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	p, s := b.Payload, b.Payload.Event
	if b.Event == "" || p.URI == "" {
		return nil, Unfit{"the body names no event and no invitee or recap"}
	}
	e := meeting.Event{DedupeKey: b.key(), OccurredAt: b.CreatedAt.time(), Provider: "calendly", ProviderEventType: b.Event}
	e.Keys.InstanceID = first(s.URI, p.EventURI)
	switch b.Event {
	case "invitee.created", "invitee.canceled", "invitee_no_show.created", "invitee_no_show.deleted":
		if s.URI == "" {
			return nil, Unfit{"the body names no scheduled event"}
		}
		b.invitee(&e)
	case "meeting_recap.created", "meeting_recap.updated":
		e.Type = meeting.NotesReady
		if b.Event == "meeting_recap.updated" {
			e.Type = meeting.NotesUpdated
		}
		e.Keys.RecordingID = p.URI // what names the recap of one occurrence
		e.Title = first(s.Name, p.Name)
		e.ScheduledStart, e.ScheduledEnd = first2(s.Start, p.Start), first2(s.End, p.End)
		notes := p.Summary
		if p.Discussion != "" {
			notes = strings.TrimSpace(notes + "\n\n" + p.Discussion)
		}
		e.Summary = meeting.Text{Format: "markdown", Text: notes}
		e.NextSteps = meeting.Text{Format: "markdown", Text: p.ActionItems}
		e.ActionItems = actionItems(p.ActionItems)
	default:
		return nil, notUsed("Calendly", b.Event)
	}
	return []meeting.Event{e}, nil
}

func first2(a, b moment) time.Time {
	if a.time().IsZero() {
		return b.time()
	}
	return a.time()
}

func (b calendlyBody) invitee(e *meeting.Event) {
	p, s := b.Payload, b.Payload.Event
	e.Keys.JoinURL = s.Location.JoinURL
	e.Title, e.TimeZone = s.Name, p.Timezone
	e.ScheduledStart, e.ScheduledEnd = s.Start.time(), s.End.time()
	for i, m := range s.Members {
		host := meeting.Person{Name: m.Name, Email: m.Email}
		if i == 0 {
			e.Organizer = host
		}
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: host, Role: "host"})
	}
	name := first(p.Name, strings.TrimSpace(p.FirstName+" "+p.LastName))
	invitee := meeting.Attendee{Person: meeting.Person{Name: name, Email: p.Email}, Role: "invitee"}
	group := s.Invitees.Limit > 1
	switch b.Event {
	case "invitee.created":
		e.Type = meeting.Scheduled
		if old := eventOf(p.OldInvitee); old != "" && old != s.URI {
			e.Type = meeting.Rescheduled
			if !group { // of a group, one person moved, and the meeting did not
				e.Keys.PreviousInstanceID = old
			}
		}
	case "invitee.canceled":
		c := p.Cancellation
		if c == (calendlyCancellation{}) {
			c = s.Cancellation
		}
		next := eventOf(p.NewInvitee)
		switch {
		case group && s.Status != "canceled":
			// One person of several left: the meeting takes place.
			e.Type = meeting.Scheduled
			invitee.Response = "declined"
		case p.Rescheduled && !group:
			// A move: the second half says where to. Nothing of the old time is told,
			// whichever half comes first.
			e.Type = meeting.Rescheduled
			e.Keys = meeting.Keys{InstanceID: first(next, s.URI), PreviousInstanceID: s.URI, PreviousStart: s.Start.time()}
			e.ScheduledStart, e.ScheduledEnd = time.Time{}, time.Time{}
		default:
			e.Type = meeting.Canceled
			e.Cancellation = meeting.Cancellation{By: c.By, ByType: c.ByType, Reason: c.Reason}
		}
	default:
		e.Type = meeting.NoShow
		invitee.NoShow = b.Event == "invitee_no_show.created"
	}
	e.Attendees = append(e.Attendees, invitee)
	for _, g := range s.Guests {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: g.Email}, Role: "guest"})
	}
	for _, q := range p.Questions {
		e.Answers = append(e.Answers, meeting.Answer{Question: q.Question, Answer: string(q.Answer)})
	}
	for name, v := range p.Tracking {
		if v != nil {
			if e.Tracking == nil {
				e.Tracking = map[string]string{}
			}
			e.Tracking[name] = string(*v)
		}
	}
}
