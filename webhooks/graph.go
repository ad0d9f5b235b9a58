package webhooks

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// graphState is Microsoft Graph's: it signs nothing, and sends along with each
// notification of a batch the clientState that its subscription was made with
// (learn.microsoft.com/graph/change-notifications-delivery-webhooks, read 2026-11).
// One batch may hold notifications of several subscriptions, and of strangers'.
type graphState struct{}

// Graph takes a clientState of up to 128 characters.
const maxClientState = 128

func (graphState) CheckSecret(secret string) error {
	if len(secret) > maxClientState {
		return errors.New("the secret is too long: Microsoft Graph takes 128 characters")
	}
	return sharedSecret{}.CheckSecret(secret)
}

func (graphState) accepted() int { return http.StatusAccepted }

// Verify wants one notification that is ours. Whether there is one shows in the
// body alone.
func (g graphState) Verify(r Request, secret string, _ time.Time) error {
	_ = mac([]byte(secret), string(r.Body)) // hashed as every other platform's: see sharedSecret
	batch, err := readGraphBatch(r.Body)
	if err != nil || g.CheckSecret(secret) != nil {
		return WrongSignature
	}
	proven := false
	for _, item := range batch.Value {
		proven = stateOf(item, secret) || proven
	}
	if !proven {
		return WrongSignature
	}
	return nil
}

// Proven drops the notifications whose clientState is none of the secrets, and the
// clientState of the others: it has done its work. Notifications that were
// subscribed to under the older of two secrets stay.
func (g graphState) Proven(body []byte, secrets []store.Secret) []byte {
	batch, err := readGraphBatch(body)
	if err != nil {
		return nil
	}
	ours := graphBatch{Value: []json.RawMessage{}, ValidationTokens: batch.ValidationTokens}
	for _, item := range batch.Value {
		proven := false
		for _, secret := range secrets {
			proven = g.CheckSecret(secret.Reveal()) == nil && stateOf(item, secret.Reveal()) || proven
		}
		if !proven {
			continue
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(item, &fields) != nil {
			continue
		}
		for name := range fields {
			if strings.EqualFold(name, "clientState") {
				delete(fields, name)
			}
		}
		kept, err := json.Marshal(fields) // sorted: a repetition gives the same bytes
		if err != nil {
			continue
		}
		ours.Value = append(ours.Value, kept)
	}
	out, err := json.Marshal(ours)
	if err != nil {
		return nil
	}
	return out
}

func stateOf(item json.RawMessage, secret string) bool {
	var n struct {
		ClientState string `json:"clientState"`
	}
	if json.Unmarshal(item, &n) != nil {
		n.ClientState = ""
	}
	key := []byte(secret)
	return hmac.Equal(mac(key, n.ClientState), mac(key, secret))
}

// validationForm is what Graph's challenge may look like: text without anything
// that a browser or a terminal could take for more. Microsoft calls it opaque, and
// says that it never holds HTML.
var validationForm = regexp.MustCompile(`^[A-Za-z0-9 .,:;_~+/=!*@()-]{1,1000}$`)

// validationToken is Graph's challenge to a URL: it is sent before there is a
// subscription, and so can't be proven. It is asked for notifications and for
// lifecycle notifications, at the making of a subscription and at its renewal.
func validationToken(u *url.URL) (string, bool) {
	if !strings.Contains(u.RawQuery, "validationToken=") {
		return "", false
	}
	values := u.Query()["validationToken"]
	if len(values) != 1 || !validationForm.MatchString(values[0]) {
		return "", false
	}
	return values[0], true
}

// echo answers the challenge. It is answered for every source alike, known or not,
// before anything is looked up: so it tells nobody which there are.
func (r *Receiver) echo(c *gin.Context, token string) {
	r.count("handshake")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "default-src 'none'; sandbox")
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(token))
}

// graphBatch is what one request brings (changeNotificationCollection).
type graphBatch struct {
	Value []json.RawMessage `json:"value"`
	// ValidationTokens prove encrypted contents: see [graphMapping.reveal].
	ValidationTokens []string `json:"validationTokens,omitempty"`
}

// maxGraphNotices of one request are read; Graph sends far fewer.
const maxGraphNotices = 1000

func readGraphBatch(body []byte) (graphBatch, error) {
	var b graphBatch
	if err := checkShape(body); err != nil {
		return b, err
	}
	if err := decode(body, &b); err != nil {
		return b, err
	}
	if len(b.Value) > maxGraphNotices {
		return b, Unfit{"the request has more notifications than Microsoft Graph sends"}
	}
	return b, nil
}

// graphNotice is one notification (changeNotification).
type graphNotice struct {
	ID             string          `json:"id"`
	SubscriptionID string          `json:"subscriptionId"`
	ChangeType     string          `json:"changeType"`
	LifecycleEvent string          `json:"lifecycleEvent"`
	Resource       string          `json:"resource"`
	TenantID       string          `json:"tenantId"`
	Expires        string          `json:"subscriptionExpirationDateTime"`
	Encrypted      *graphEncrypted `json:"encryptedContent"`
	Data           struct {
		ETag string `json:"@odata.etag"`
		ID   string `json:"id"`
	} `json:"resourceData"`
}

// graphEncrypted is the resource itself, encrypted for us.
type graphEncrypted struct {
	Data          string `json:"data"`
	DataSignature string `json:"dataSignature"`
	DataKey       string `json:"dataKey"`
	CertificateID string `json:"encryptionCertificateId"`
}

func readGraphNotices(body []byte) ([]graphNotice, []string, error) {
	b, err := readGraphBatch(body)
	if err != nil {
		return nil, nil, err
	}
	notices := make([]graphNotice, 0, len(b.Value))
	for _, raw := range b.Value {
		var n graphNotice
		if err := decode(raw, &n); err != nil {
			return nil, nil, err
		}
		notices = append(notices, n)
	}
	if len(notices) == 0 {
		return nil, nil, Unfit{"the body has no notifications of Microsoft Graph"}
	}
	return notices, b.ValidationTokens, nil
}

// What notifications may tell of. Graph writes a resource as users/ID/events/ID or
// as onlineMeetings('ID')/transcripts('ID'), in capitals or not.
var (
	graphEventPath      = regexp.MustCompile(`(?i)^/?users[/(]'?([^/'()]{1,200})'?\)?/events[/(]'?([^/'()]{1,400})'?\)?$`)
	graphTranscriptPath = regexp.MustCompile(`(?i)onlineMeetings[/(]'?([^/'()]{1,600})'?\)?/transcripts[/(]'?([^/'()]{1,600})'?\)?$`)
	graphCallPath       = regexp.MustCompile(`(?i)^/?communications/callRecords[/(]'?([A-Za-z0-9-]{1,64})'?\)?$`)
)

type graphKind int

const (
	graphNothing graphKind = iota
	graphEventNotice
	graphTranscriptNotice
	graphCallNotice
)

// names says what the notification is about, by up to two IDs: user and event,
// meeting and transcript, or the call.
func (n graphNotice) names() (kind graphKind, first, second string) {
	if m := graphEventPath.FindStringSubmatch(n.Resource); m != nil {
		return graphEventNotice, m[1], m[2]
	}
	if m := graphTranscriptPath.FindStringSubmatch(n.Resource); m != nil {
		return graphTranscriptNotice, m[1], m[2]
	}
	if m := graphCallPath.FindStringSubmatch(n.Resource); m != nil {
		return graphCallNotice, m[1], ""
	}
	return graphNothing, "", ""
}

func (n graphNotice) deleted() bool { return strings.EqualFold(n.ChangeType, "deleted") }

// key names the change. A calendar's event is named by its version, whoever told
// it: a look through the calendar finds the same.
func (n graphNotice) key() string {
	kind, first, second := n.names()
	switch {
	case n.LifecycleEvent != "":
		return strings.Join([]string{"lifecycle", n.SubscriptionID, n.LifecycleEvent, n.Expires, n.ID}, ":")
	case kind == graphEventNotice && n.deleted():
		return "event.deleted:" + second
	case kind == graphEventNotice && n.Data.ETag != "":
		return "event:" + second + ":" + n.Data.ETag
	case kind == graphTranscriptNotice:
		return "transcript:" + second + ":" + n.ChangeType
	case kind == graphCallNotice && n.Data.ETag != "":
		return "call:" + first + ":" + n.Data.ETag
	case n.SubscriptionID != "":
		return strings.Join([]string{n.SubscriptionID, n.ChangeType, first, second, n.Data.ID, n.Data.ETag, n.ID}, ":")
	}
	return ""
}

// graphMapping reads Graph's notifications of calendars' events, of transcripts and
// of calls (Teams). They name what changed; the rest is what the API says of it,
// in [Delivery.Fetched]: see [graphMapping.Fetch].
type graphMapping struct {
	noHandshake
	unrouted
	*graphSession
}

func newGraphMapping() graphMapping { return graphMapping{graphSession: newGraphSession()} }

// Key: what changed, in which version. Several in one request are named together.
func (graphMapping) Key(d Delivery) string {
	notices, _, err := readGraphNotices(d.Body)
	if err != nil {
		return ""
	}
	keys := make([]string, 0, len(notices))
	for _, n := range notices {
		key := n.key()
		if key == "" {
			return ""
		}
		keys = append(keys, key)
	}
	return strings.Join(keys, "+")
}

// LookAgain says whether a subscription is about to end, has ended, or lost
// something: all of it is mended by looking after the source.
func (graphMapping) LookAgain(d Delivery) bool {
	notices, _, err := readGraphNotices(d.Body)
	return err == nil && slices.ContainsFunc(notices, func(n graphNotice) bool { return n.LifecycleEvent != "" })
}

// Thin says whether the delivery names anything that the API tells more of.
func (graphMapping) Thin(d Delivery) bool {
	notices, _, err := readGraphNotices(d.Body)
	return err == nil && slices.ContainsFunc(notices, func(n graphNotice) bool {
		kind, _, _ := n.names()
		return n.LifecycleEvent == "" && kind != graphNothing
	})
}

// Events: what can't be used of a batch does not take the rest with it; only if
// nothing is left, the first reason counts.
func (m graphMapping) Events(d Delivery) ([]meeting.Event, error) {
	notices, _, err := readGraphNotices(d.Body)
	if err != nil {
		return nil, err
	}
	var fetched graphFetched
	if d.Fetched != nil {
		if err := checkShape(d.Fetched); err != nil {
			return nil, err
		}
		if err := decode(d.Fetched, &fetched); err != nil {
			return nil, err
		}
	}
	var events []meeting.Event
	var reason error
	for _, n := range notices {
		found, err := n.events(fetched.Found[n.key()])
		for _, e := range found {
			e.Provider, e.ProviderAccountID = "microsoft", n.TenantID
			if p, problem := checkedEvent(e); problem == nil {
				events = append(events, p)
			} else if err == nil {
				err = problem
			}
		}
		if err != nil && reason == nil {
			reason = err
		}
	}
	// The same version may be told for several calendars.
	seen := map[string]bool{}
	events = slices.DeleteFunc(events, func(e meeting.Event) bool {
		twice := seen[e.DedupeKey]
		seen[e.DedupeKey] = true
		return twice
	})
	if len(events) == 0 && d.Fetched == nil && (m.Thin(d) || m.LookAgain(d)) {
		return nil, nil // it says nothing by itself, and is there to be asked about
	}
	if len(events) == 0 {
		return nil, reason
	}
	return events, nil
}

// checkedEvent returns the event if it could be used alone.
func checkedEvent(e meeting.Event) (meeting.Event, error) {
	e.DedupeKey = boundedKey(e.DedupeKey)
	err := e.Normalize().Validate()
	var invalid *meeting.InvalidError
	if errors.As(err, &invalid) {
		return e, Unfit{invalid.Error()}
	}
	return e, err
}

func (n graphNotice) events(found *graphFound) ([]meeting.Event, error) {
	kind, first, second := n.names()
	switch {
	case n.LifecycleEvent != "":
		return nil, Unfit{"it tells of the subscription, which is looked after"}
	case kind == graphEventNotice:
		return n.calendarEvents(second, found)
	case kind == graphTranscriptNotice:
		return []meeting.Event{n.transcript(first, second, found)}, nil
	case kind == graphCallNotice:
		return n.call(first, found)
	}
	return nil, Unfit{"Debrief does not use this kind of Microsoft Graph's notifications"}
}

// graphTime is a time with the name of its zone (dateTimeTimeZone). Debrief asks
// for UTC; a Windows name of a zone can't be read.
type graphTime struct {
	DateTime string `json:"dateTime"`
	TimeZone string `json:"timeZone"`
}

func (t graphTime) time() (time.Time, error) {
	if t.DateTime == "" {
		return time.Time{}, nil
	}
	zone, err := time.LoadLocation(t.TimeZone)
	if err != nil {
		return time.Time{}, Unfit{"a time's zone is not known by that name"}
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", t.DateTime, zone)
	if err != nil {
		return time.Time{}, Unfit{"a time can't be read"}
	}
	return at.UTC(), nil
}

type graphAddress struct {
	Email struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"emailAddress"`
}

func (a graphAddress) person() meeting.Person {
	return meeting.Person{Name: a.Email.Name, Email: a.Email.Address}
}

// graphEvent is an event of a calendar, as far as it is asked for.
type graphEvent struct {
	ID           string       `json:"id"`
	ETag         string       `json:"@odata.etag"`
	ICalUID      string       `json:"iCalUId"`
	Type         string       `json:"type"`
	Subject      string       `json:"subject"`
	Start        graphTime    `json:"start"`
	End          graphTime    `json:"end"`
	Zone         string       `json:"originalStartTimeZone"`
	IsAllDay     bool         `json:"isAllDay"`
	IsCancelled  bool         `json:"isCancelled"`
	IsOrganizer  bool         `json:"isOrganizer"`
	Sensitivity  string       `json:"sensitivity"`
	LastModified moment       `json:"lastModifiedDateTime"`
	Organizer    graphAddress `json:"organizer"`
	Attendees    []struct {
		graphAddress
		Type   string `json:"type"`
		Status struct {
			Response string `json:"response"`
		} `json:"status"`
	} `json:"attendees"`
	OnlineMeeting *struct {
		JoinURL string `json:"joinUrl"`
	} `json:"onlineMeeting"`
	OnlineMeetingURL string `json:"onlineMeetingUrl"`
}

// graphEventFields are those of graphEvent.
const graphEventFields = "id,iCalUId,type,subject,start,end,originalStartTimeZone,isAllDay,isCancelled,isOrganizer,sensitivity," +
	"lastModifiedDateTime,organizer,attendees,onlineMeeting,onlineMeetingUrl"

func (e graphEvent) joinURL() string {
	if e.OnlineMeeting != nil && e.OnlineMeeting.JoinURL != "" {
		return e.OnlineMeeting.JoinURL
	}
	return e.OnlineMeetingURL
}

// calendarEvents are those that a change in a calendar leads to: one, or one for
// each occurrence of a series.
func (n graphNotice) calendarEvents(id string, found *graphFound) ([]meeting.Event, error) {
	if n.deleted() && (found == nil || found.Event == nil) {
		// The organizer's own copy is the meeting's second name: see tell.
		return []meeting.Event{{
			Type: meeting.Canceled, DedupeKey: n.key(), ProviderEventType: "event.deleted", Details: meeting.Details{Keys: meeting.Keys{InstanceID: id}},
		}}, nil
	}
	if found == nil || found.Event == nil {
		return nil, Unfit{"the event was not there any more when it was asked for"}
	}
	name := "event." + strings.ToLower(n.ChangeType)
	if !strings.EqualFold(found.Event.Type, "seriesMaster") {
		e, err := found.Event.tell(name, n.deleted())
		if err != nil {
			return nil, err
		}
		return []meeting.Event{e}, nil
	}
	var events []meeting.Event
	for _, occurrence := range found.Instances {
		// A series that was called off calls off what is still to come of it.
		occurrence.IsCancelled = occurrence.IsCancelled || found.Event.IsCancelled
		if e, err := occurrence.tell(name, n.deleted()); err == nil {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return nil, Unfit{"no occurrence of the series lies in the weeks ahead"}
	}
	return events, nil
}

// tell: the iCalUId is one occurrence's in every calendar that holds it. The copy
// of the organizer has another name for it, which is all that is told of it when
// it is deleted.
func (e graphEvent) tell(name string, deleted bool) (meeting.Event, error) {
	switch {
	case e.IsAllDay:
		return meeting.Event{}, Unfit{"an event that lasts all day is no meeting"}
	case len(e.Attendees) == 0:
		return meeting.Event{}, Unfit{"an event that nobody is invited to is no meeting"}
	case e.ICalUID == "":
		return meeting.Event{}, Unfit{"the event has no iCalUId"}
	case deleted && !e.IsOrganizer:
		return meeting.Event{}, Unfit{"somebody who was invited took it out of their own calendar; the meeting stands"}
	}
	start, err := e.Start.time()
	if err != nil {
		return meeting.Event{}, err
	}
	end, err := e.End.time()
	if err != nil {
		return meeting.Event{}, err
	}
	out := meeting.Event{Type: meeting.Scheduled, DedupeKey: "event:" + e.ID + ":" + e.ETag, OccurredAt: e.LastModified.time(), ProviderEventType: name}
	if name == "event.updated" {
		out.Type = meeting.Rescheduled
	}
	if deleted || e.IsCancelled {
		out.Type = meeting.Canceled
		out.DedupeKey += ":canceled"
	}
	out.Keys = meeting.Keys{InstanceID: e.ICalUID, ICalUID: e.ICalUID, CalendarEventID: e.ID, JoinURL: e.joinURL()}
	if e.IsOrganizer {
		out.Keys.PreviousInstanceID = e.ID
	}
	e.describe(&out)
	out.ScheduledStart, out.ScheduledEnd = start, end
	return out, nil
}

// describe fills in what a calendar knows of a meeting besides its times.
func (e graphEvent) describe(out *meeting.Event) {
	out.Title = e.Subject
	if e.Zone == "UTC" || strings.Contains(e.Zone, "/") && !strings.Contains(e.Zone, ":") {
		out.TimeZone = e.Zone // an IANA name; Windows has its own
	}
	out.Private = strings.EqualFold(e.Sensitivity, "private") || strings.EqualFold(e.Sensitivity, "confidential")
	out.Organizer = e.Organizer.person()
	out.Attendees = []meeting.Attendee{{Person: out.Organizer, Role: "host"}}
	for _, a := range e.Attendees {
		if strings.EqualFold(a.Type, "resource") || strings.EqualFold(a.Email.Address, out.Organizer.Email) {
			continue // a room, or the organizer again
		}
		person := meeting.Attendee{Person: a.person(), Role: "invitee"}
		switch strings.ToLower(a.Status.Response) {
		case "accepted":
			person.Response = "accepted"
		case "declined":
			person.Response = "declined"
		case "tentativelyaccepted":
			person.Response = "tentative"
		}
		out.Attendees = append(out.Attendees, person)
	}
}

// decodeGraph reads an answer of Graph's, which is as deep and as large as any body
// may be.
func decodeGraph(raw []byte, into any) error {
	if err := checkShape(raw); err != nil {
		return err
	}
	return decode(bytes.TrimSpace(raw), into)
}
