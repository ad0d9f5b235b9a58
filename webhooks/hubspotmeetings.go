package webhooks

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// nobody proves nothing: it is the authentication of a platform that sends no
// webhooks. What Debrief reads of HubSpot's meetings comes in by its own hand.
type nobody struct{}

func (nobody) CheckSecret(secret string) error { return checkSecret(secret, "let Debrief make one") }

func (nobody) Verify(Request, string, time.Time) error { return WrongSignature }

// Silent says that the platform sends nothing, so that its secret is nobody's
// business.
func (p Platform) Silent() bool {
	_, is := p.authentication.(nobody)
	return is
}

// hubspotMeetings reads the meetings that stand in HubSpot itself, as
// [activities.Activities.ReadHubSpotMeeting] stores them: each delivery is all that
// HubSpot says of one, at one time.
type hubspotMeetings struct {
	noHandshake
	unrouted
}

func (m hubspotMeetings) Key(d Delivery) string {
	var record store.MeetingRecord
	if checkShape(d.Body) != nil || decode(d.Body, &record) != nil {
		return ""
	}
	return record.DedupeKey()
}

func (m hubspotMeetings) Events(d Delivery) ([]meeting.Event, error) {
	var record store.MeetingRecord
	if err := decode(d.Body, &record); err != nil {
		return nil, err
	}
	if record.HubID == 0 || record.ID == "" {
		return nil, Unfit{"the body names no meeting of an account"}
	}
	e := meeting.Event{
		Type: meeting.Scheduled, OccurredAt: record.At, Provider: "hubspot", ProviderEventType: "meeting record",
	}
	// A record is one occurrence, and keeps its ID where it is moved.
	e.Keys.InstanceID = strconv.FormatInt(record.HubID, 10) + "/" + record.ID
	if record.Gone {
		e.Type, e.Cancellation = meeting.Canceled, meeting.Cancellation{Reason: "deleted in HubSpot"}
		return ofRecord(record, e), nil
	}
	if err := hubspotTimes(record.Properties, &e); err != nil {
		return nil, err
	}
	e.Keys.ICalUID = record.Properties["hs_i_cal_uid"]
	e.Keys.JoinURL = hubspotRoom(record.Properties)
	e.Title = record.Properties["hs_meeting_title"]
	e.Organizer = record.Host
	for _, p := range record.Colleagues {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: p, Role: "invitee"})
	}
	for _, c := range record.Contacts {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: c.Person, Role: "invitee", JobTitle: c.JobTitle})
	}
	for _, id := range record.DealIDs {
		e.CRMHints = append(e.CRMHints, meeting.CRMHint{CRM: "hubspot", Object: "deal", ID: id})
	}
	hubspotOutcome(record, &e)
	return ofRecord(record, e), nil
}

// ofRecord names the event: what the record says later revises what it said before,
// so that whoever was taken off the list of attendees is off it. That it ended stays
// said, whatever becomes of the outcome.
func ofRecord(record store.MeetingRecord, e meeting.Event) []meeting.Event {
	e.DedupeKey = record.Name() + string(e.Type)
	return []meeting.Event{e}
}

func hubspotTimes(properties map[string]string, e *meeting.Event) error {
	start, err := hubspot.ParseDateTime(cmp.Or(properties["hs_meeting_start_time"], properties["hs_timestamp"]))
	if err != nil {
		return Unfit{"the meeting has no start"}
	}
	e.ScheduledStart = start
	// One that ends before it starts has no end that could be believed.
	if end, err := hubspot.ParseDateTime(properties["hs_meeting_end_time"]); err == nil && !end.Before(start) {
		e.ScheduledEnd = end
	}
	return nil
}

// conferences are the hosts of rooms. The location may be any link: a calendar's
// page is the same for all its meetings.
var conferences = []string{"zoom.us", "zoomgov.com", "meet.google.com", "teams.microsoft.com", "teams.live.com", "webex.com", "whereby.com", "gotomeeting.com", "meet.goto.com", "chime.aws"}

func hubspotRoom(properties map[string]string) string {
	for _, name := range []string{"hs_video_conference_url", "hs_meeting_location"} {
		u, err := url.Parse(strings.TrimSpace(properties[name]))
		if err != nil || u.Scheme != "https" {
			continue
		}
		host := strings.ToLower(u.Hostname())
		if slices.ContainsFunc(conferences, func(c string) bool { return host == c || strings.HasSuffix(host, "."+c) }) {
			return u.String()
		}
	}
	return ""
}

// hubspotOutcome: HubSpot has an outcome and no event for each. Completed before it
// began is a plan, and no end.
func hubspotOutcome(record store.MeetingRecord, e *meeting.Event) {
	switch strings.ToUpper(record.Properties["hs_meeting_outcome"]) {
	case "CANCELED", "CANCELLED":
		e.Type = meeting.Canceled
		e.Cancellation = meeting.Cancellation{Reason: "canceled in HubSpot"}
	case "NO_SHOW":
		e.Type = meeting.NoShow
	case "RESCHEDULED":
		e.Type = meeting.Rescheduled
	case "COMPLETED":
		if record.At.Before(e.ScheduledStart) {
			return
		}
		e.Type = meeting.Ended
		// The description is the invitation's, or what Debrief itself wrote.
		e.Summary = meeting.Text{Format: "html", Text: record.Properties["hs_internal_meeting_notes"]}
	}
}
