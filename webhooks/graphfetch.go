package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

const (
	graphBase  = "https://graph.microsoft.com"
	graphLogin = "https://login.microsoftonline.com"
	// The fields of the credentials.
	graphTenant, graphClient, graphClientSecret, graphUsers, graphKey = "tenant_id", "client_id", "client_secret", "users", "encryption_key"
	// Graph allows some thousand calls in ten minutes for one app and mailbox.
	graphEvery = 100 * time.Millisecond
	// What a notification names may not be there yet: replicas follow each other.
	// After so long the rest of its batch waits no longer.
	graphPatience = 10 * time.Minute
	// Copilot's notes come some time after the transcript. Where the organizer may
	// have them, the transcript waits so long for them.
	graphNotesFor = 2 * time.Hour
	// How far ahead the occurrences of a series are read. Later ones are found by
	// looking through the calendar, when they are nearer.
	graphAhead = 60 * 24 * time.Hour
	graphPages = 10
)

// graphSession is what a process keeps of Graph: the keys that its tokens are
// signed with.
type graphSession struct {
	mu   sync.Mutex
	keys map[string]*publishedKeys
}

func newGraphSession() *graphSession { return &graphSession{keys: map[string]*publishedKeys{}} }

var graphGUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// API is Microsoft Graph's, in the global cloud.
func (graphMapping) API() APISpec {
	return APISpec{
		BaseURL: graphBase, Every: graphEvery,
		Credentials: []Credential{
			{Name: graphTenant, Help: "the directory (tenant) ID, from the app registration's overview"},
			{Name: graphClient, Help: "the application (client) ID, from the app registration's overview"},
			{Name: graphClientSecret, Help: "a client secret of the app registration: its value, not its ID"},
			{Name: graphUsers, Help: "whose calendars to follow: addresses or object IDs, separated by commas", Optional: true},
			{Name: graphKey, Help: "an RSA private key in PEM, to have transcripts' notifications encrypted; the former one may follow it", Optional: true},
		},
		Check: func(c map[string]store.Secret) error {
			for _, name := range []string{graphTenant, graphClient} {
				if !graphGUID.MatchString(c[name].Reveal()) {
					return fmt.Errorf("%s should be an ID such as 8e460676-ae3f-4b1e-8790-ee0fb5d6148f", name)
				}
			}
			if _, err := graphMailboxes(c); err != nil {
				return err
			}
			if c[graphKey] != "" {
				_, err := graphKeys(c[graphKey])
				return err
			}
			return nil
		},
	}
}

// maxMailboxes is how many calendars one source follows: each is a subscription.
const maxMailboxes = 500

var graphMailbox = regexp.MustCompile(`^[A-Za-z0-9._%+@'-]{1,200}$`)

// graphMailboxes are those whose calendars are followed.
func graphMailboxes(c map[string]store.Secret) ([]string, error) {
	raw := strings.TrimSpace(c[graphUsers].Reveal())
	var all []string
	if strings.HasPrefix(raw, "[") {
		if json.Unmarshal([]byte(raw), &all) != nil {
			return nil, errors.New("users should be a list of addresses")
		}
	} else {
		all = strings.FieldsFunc(raw, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' })
	}
	for i := range all {
		if all[i] = strings.ToLower(strings.TrimSpace(all[i])); !graphMailbox.MatchString(all[i]) {
			return nil, errors.New("users should be addresses or object IDs, separated by commas")
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > maxMailboxes {
		return nil, fmt.Errorf("users are more than %d", maxMailboxes)
	}
	return all, nil
}

// graphCalls makes api call Graph as the app itself (client credentials:
// learn.microsoft.com/graph/auth-v2-service). IDs of calendars' events are wanted as
// they stay when an event moves, and times in UTC.
func graphCalls(api API) API {
	c := api.Credentials
	login := api.At(graphLogin)
	return api.BearerFrom("graph", func(ctx context.Context) (Token, error) {
		var answer struct {
			AccessToken string `json:"access_token"`
			ExpiresIn   whole  `json:"expires_in"`
		}
		err := login.Post(ctx, "/"+url.PathEscape(c[graphTenant].Reveal())+"/oauth2/v2.0/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {c[graphClient].Reveal()}, "client_secret": {c[graphClientSecret].Reveal()},
			"scope": {graphBase + "/.default"},
		}, &answer)
		return Token{Value: store.Secret(answer.AccessToken), Lives: time.Duration(answer.ExpiresIn) * time.Second}, err
	}).With("Prefer", `IdType="ImmutableId", outlook.timezone="UTC"`)
}

// graphFetched is what the API said about a delivery, by the keys of its
// notifications.
type graphFetched struct {
	Found map[string]*graphFound `json:"found"`
}

// graphFound is what it said about one of them: an event or the occurrences of a
// series, a transcript with its meeting, or a call.
type graphFound struct {
	Event     *graphEvent  `json:"event,omitempty"`
	Instances []graphEvent `json:"instances,omitempty"`

	Transcript *graphTranscript `json:"transcript,omitempty"`
	Meeting    *graphMeeting    `json:"meeting,omitempty"`
	VTT        string           `json:"vtt,omitempty"`
	Insights   []graphInsight   `json:"insights,omitempty"`

	Call         *graphCall         `json:"call,omitempty"`
	Participants []graphParticipant `json:"participants,omitempty"`

	// Planned is the calendar's event that a transcript or call belongs to.
	Planned *graphEvent `json:"planned,omitempty"`
}

type graphIdentity struct {
	User *struct {
		ID          string `json:"id"`
		DisplayName string `json:"displayName"`
		UPN         string `json:"userPrincipalName"`
	} `json:"user"`
	Guest *struct {
		DisplayName string `json:"displayName"`
	} `json:"guest"`
}

func (i graphIdentity) userID() string {
	if i.User == nil {
		return ""
	}
	return i.User.ID
}

func (i graphIdentity) person() meeting.Person {
	switch {
	case i.User != nil:
		return meeting.Person{Name: i.User.DisplayName, Email: i.User.UPN}
	case i.Guest != nil:
		return meeting.Person{Name: i.Guest.DisplayName}
	}
	return meeting.Person{}
}

// graphTranscript says of which call a transcript is (callTranscript).
type graphTranscript struct {
	ID        string        `json:"id"`
	MeetingID string        `json:"meetingId"`
	CallID    string        `json:"callId"`
	Created   moment        `json:"createdDateTime"`
	Ended     moment        `json:"endDateTime"`
	Organizer graphIdentity `json:"meetingOrganizer"`
}

// graphMeeting is an onlineMeeting: one room, that a series uses again and again.
type graphMeeting struct {
	ID           string `json:"id"`
	Subject      string `json:"subject"`
	JoinURL      string `json:"joinWebUrl"`
	Participants struct {
		Organizer graphInvited   `json:"organizer"`
		Attendees []graphInvited `json:"attendees"`
	} `json:"participants"`
}

type graphInvited struct {
	UPN      string        `json:"upn"`
	Identity graphIdentity `json:"identity"`
}

func (i graphInvited) person() meeting.Person {
	p := i.Identity.person()
	p.Email = first(p.Email, i.UPN)
	return p
}

// graphInsight is what Copilot made of a call (callAiInsight).
type graphInsight struct {
	ID     string `json:"id"`
	CallID string `json:"callId"`
	Notes  []struct {
		Title     string `json:"title"`
		Text      string `json:"text"`
		Subpoints []struct {
			Title string `json:"title"`
			Text  string `json:"text"`
		} `json:"subpoints"`
	} `json:"meetingNotes"`
	ActionItems []struct {
		Title string `json:"title"`
		Text  string `json:"text"`
		Owner string `json:"ownerDisplayName"`
	} `json:"actionItems"`
}

// graphCall is a callRecord.
type graphCall struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Start     moment `json:"startDateTime"`
	End       moment `json:"endDateTime"`
	Modified  moment `json:"lastModifiedDateTime"`
	JoinURL   string `json:"joinWebUrl"`
	Organizer struct {
		Identity graphIdentity `json:"identity"`
	} `json:"organizer_v2"`
}

type graphParticipant struct {
	Identity graphIdentity `json:"identity"`
}

// Fetch gets what the notifications name. Of a meeting's many sides only the one
// that was told of has to be there: what the app may not read is left out.
func (m graphMapping) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	notices, tokens, err := readGraphNotices(d.Body)
	if err != nil {
		return nil, err
	}
	calls := graphCalls(api)
	fetched := graphFetched{Found: map[string]*graphFound{}}
	for _, n := range notices {
		if n.LifecycleEvent != "" || fetched.Found[n.key()] != nil {
			continue
		}
		var found *graphFound
		switch kind, first, second := n.names(); kind {
		case graphEventNotice:
			found, err = fetchGraphEvent(ctx, calls, first, second, n.deleted(), d.ReceivedAt)
		case graphTranscriptNotice:
			revealed := m.reveal(ctx, api, d.ReceivedAt, n, tokens)
			found, err = fetchGraphTranscript(ctx, calls, first, second, revealed, time.Since(d.ReceivedAt) < graphNotesFor)
		case graphCallNotice:
			found, err = fetchGraphCall(ctx, calls, first)
		case graphNothing:
			continue
		}
		var notYet NotYet
		var denied Denied
		switch {
		case err == nil:
			fetched.Found[n.key()] = found
		case errors.As(err, &notYet) && len(notices) > 1 && time.Since(d.ReceivedAt) > graphPatience:
		case errors.As(err, &denied) && len(notices) > 1:
		default:
			return nil, err
		}
	}
	raw, err := json.Marshal(fetched)
	if err != nil {
		return nil, errors.New("encoding what Microsoft Graph answered")
	}
	return raw, nil
}

// spare is nil where an answer that is not needed is not to be had: it is not
// there, or the app may not read it.
func spare(err error) error {
	var notYet NotYet
	var denied Denied
	var refused Refused
	if errors.As(err, &notYet) || errors.As(err, &denied) || errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return nil
	}
	return err
}

// graphList reads a list page by page.
func graphList[T any](ctx context.Context, calls API, path string, query url.Values) ([]T, error) {
	var all []T
	for range graphPages {
		var page struct {
			Value []T    `json:"value"`
			Next  string `json:"@odata.nextLink"`
		}
		if err := calls.Get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		if page.Next == "" {
			break
		}
		path, query = page.Next, nil
	}
	return all, nil
}

func graphSelect(fields string) url.Values { return url.Values{"$select": {fields}} }

func graphUser(id string) string { return "/v1.0/users/" + url.PathEscape(id) }

// fetchGraphEvent: of a deleted event nothing may be left, which is fine.
func fetchGraphEvent(ctx context.Context, calls API, user, id string, deleted bool, now time.Time) (*graphFound, error) {
	path := graphUser(user) + "/events/" + url.PathEscape(id)
	found := &graphFound{Event: &graphEvent{}}
	err := calls.Get(ctx, path, graphSelect(graphEventFields), found.Event)
	if err != nil && deleted {
		return &graphFound{}, spare(err)
	}
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(found.Event.Type, "seriesMaster") {
		query := graphSelect(graphEventFields)
		query.Set("startDateTime", now.UTC().Format(time.RFC3339))
		query.Set("endDateTime", now.Add(graphAhead).UTC().Format(time.RFC3339))
		query.Set("$top", "100")
		found.Instances, err = graphList[graphEvent](ctx, calls, path+"/instances", query)
	}
	return found, err
}

func fetchGraphTranscript(ctx context.Context, calls API, meetingID, id string, revealed *graphTranscript, wait bool) (*graphFound, error) {
	found := &graphFound{Transcript: revealed}
	if revealed == nil {
		found.Transcript = &graphTranscript{}
		path := "/v1.0/communications/onlineMeetings/" + url.PathEscape(meetingID) + "/transcripts/" + url.PathEscape(id)
		if err := calls.Get(ctx, path, nil, found.Transcript); err != nil {
			return nil, err
		}
	}
	organizer := found.Transcript.Organizer.userID()
	if organizer == "" {
		return nil, Denied{Platform: calls.Platform, Status: http.StatusUnprocessableEntity} // nobody's, and so not to be read
	}
	var err error
	if found.Insights, err = fetchGraphInsights(ctx, calls, organizer, meetingID, found.Transcript.CallID, wait); err != nil {
		return nil, err
	}
	room := graphUser(organizer) + "/onlineMeetings/" + url.PathEscape(meetingID)
	var vtt []byte
	query := url.Values{"$format": {"text/vtt"}}
	if err := calls.With("Accept", "text/vtt").Get(ctx, room+"/transcripts/"+url.PathEscape(id)+"/content", query, &vtt); err != nil {
		return nil, err
	}
	found.VTT = string(vtt)
	var about graphMeeting
	switch err := calls.Get(ctx, room, graphSelect("id,subject,joinWebUrl,participants"), &about); {
	case err == nil:
		found.Meeting = &about
	case spare(err) != nil:
		return nil, err
	}
	if found.Meeting != nil {
		found.Planned, err = fetchGraphPlanned(ctx, calls, organizer, found.Meeting.JoinURL, found.Transcript.Created.time())
	}
	return found, err
}

// fetchGraphInsights: who has no Copilot may not ask for them. For others they are
// made some time after the transcript, and wait says to come again for them.
func fetchGraphInsights(ctx context.Context, calls API, organizer, meetingID, callID string, wait bool) ([]graphInsight, error) {
	path := "/v1.0/copilot/users/" + url.PathEscape(organizer) + "/onlineMeetings/" + url.PathEscape(meetingID) + "/aiInsights"
	listed, err := graphList[graphInsight](ctx, calls, path, nil)
	if err != nil {
		return nil, spare(err)
	}
	var all []graphInsight
	for _, one := range listed {
		if callID == "" || one.CallID != callID {
			continue // of another meeting in the same room
		}
		// The list has no contents.
		var whole graphInsight
		if err := calls.Get(ctx, path+"/"+url.PathEscape(one.ID), nil, &whole); spare(err) != nil {
			return nil, err
		} else if err == nil {
			all = append(all, whole)
		}
	}
	if len(all) == 0 && callID != "" && wait {
		return nil, fmt.Errorf("waiting for Copilot's notes: %w", NotYet{Platform: calls.Platform})
	}
	return all, nil
}

func fetchGraphCall(ctx context.Context, calls API, id string) (*graphFound, error) {
	found := &graphFound{Call: &graphCall{}}
	path := "/v1.0/communications/callRecords/" + url.PathEscape(id)
	err := calls.Get(ctx, path, nil, found.Call)
	if err != nil {
		return nil, err
	}
	found.Participants, err = graphList[graphParticipant](ctx, calls, path+"/participants_v2", nil)
	if serious := spare(err); serious != nil {
		return nil, serious
	}
	if organizer := found.Call.Organizer.Identity.userID(); organizer != "" {
		found.Planned, err = fetchGraphPlanned(ctx, calls, organizer, found.Call.JoinURL, found.Call.Start.time())
		return found, err
	}
	return found, nil
}

// People come early and begin late. What lies further from the calendar's time is
// another meeting in the same room.
const (
	graphEarly = 30 * time.Minute
	graphLate  = 3 * time.Hour
)

// fetchGraphPlanned finds the event that was planned for a call: the one with the
// same room in the organizer's calendar that starts nearest to it.
func fetchGraphPlanned(ctx context.Context, calls API, organizer, joinURL string, began time.Time) (*graphEvent, error) {
	room := meeting.Room(joinURL)
	if room == "" || began.IsZero() {
		return nil, nil //nolint:nilnil // there is none
	}
	query := graphSelect(graphEventFields)
	query.Set("startDateTime", began.Add(-graphLate).UTC().Format(time.RFC3339))
	query.Set("endDateTime", began.Add(graphEarly).UTC().Format(time.RFC3339))
	query.Set("$top", "50")
	all, err := graphList[graphEvent](ctx, calls, graphUser(organizer)+"/calendarView", query)
	if err != nil {
		return nil, spare(err)
	}
	var nearest *graphEvent
	least := graphLate + time.Second
	for _, e := range all {
		start, err := e.Start.time()
		if err != nil || meeting.Room(e.joinURL()) != room || start.After(began.Add(graphEarly)) {
			continue
		}
		if away := began.Sub(start).Abs(); away < least {
			nearest, least = &e, away
		}
	}
	return nearest, nil
}

// planned fills in what the calendar knows of a call, or else what the call's
// platform does.
func (f graphFound) planned(e *meeting.Event) {
	if f.Planned == nil {
		return
	}
	f.Planned.describe(e)
	e.ScheduledStart, _ = f.Planned.Start.time()
	e.ScheduledEnd, _ = f.Planned.End.time()
	e.Keys.ICalUID, e.Keys.CalendarEventID = f.Planned.ICalUID, f.Planned.ID
	e.Keys.JoinURL = first(e.Keys.JoinURL, f.Planned.joinURL())
}

// transcript tells of a transcript, and of the notes where there are any. A call's
// ID is that of its transcripts and of its record: of one occurrence there may be
// several, since everybody may leave and come back.
func (n graphNotice) transcript(meetingID, id string, found *graphFound) meeting.Event {
	e := meeting.Event{Type: meeting.TranscriptReady, DedupeKey: n.key(), ProviderEventType: "transcript." + strings.ToLower(n.ChangeType)}
	e.Keys = meeting.Keys{RecordingID: id, ProviderMeetingID: meetingID}
	e.Transcript = meeting.Transcript{Status: "ready", Ref: id}
	if found == nil || found.Transcript == nil {
		return e
	}
	t := found.Transcript
	e.Keys.RecordingID = first(t.CallID, id)
	e.ActualStart, e.OccurredAt = t.Created.time(), first2(t.Ended, t.Created)
	found.planned(&e)
	if m := found.Meeting; m != nil {
		e.Title, e.Keys.JoinURL = first(e.Title, m.Subject), first(m.JoinURL, e.Keys.JoinURL)
		if found.Planned == nil {
			e.Organizer = m.Participants.Organizer.person()
			e.Attendees = append(e.Attendees, meeting.Attendee{Person: e.Organizer, Role: "host"})
			for _, a := range m.Participants.Attendees {
				e.Attendees = append(e.Attendees, meeting.Attendee{Person: a.person(), Role: "invitee"})
			}
		}
	}
	e.HostID = t.Organizer.userID()
	e.Transcript.Segments = vttSegments(found.VTT)
	var notes strings.Builder
	for _, insight := range found.Insights {
		for _, note := range insight.Notes {
			fmt.Fprintf(&notes, "\n\n## %s\n\n%s", oneLine(note.Title), note.Text)
			for _, s := range note.Subpoints {
				fmt.Fprintf(&notes, "\n- %s", strings.Trim(oneLine(s.Title)+": "+oneLine(s.Text), ": "))
			}
		}
		for _, item := range insight.ActionItems {
			text := first(item.Text, item.Title)
			if item.Title != "" && item.Title != text {
				text = item.Title + ": " + text
			}
			e.ActionItems = append(e.ActionItems, meeting.ActionItem{Text: text, AssigneeName: item.Owner})
		}
	}
	if e.Summary = (meeting.Text{Format: "markdown", Text: strings.TrimSpace(notes.String())}); e.Summary.Text != "" || len(e.ActionItems) > 0 {
		e.Type = meeting.NotesReady
	}
	return e
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// call tells the end of a meeting: a record is made when everybody has left.
func (n graphNotice) call(id string, found *graphFound) ([]meeting.Event, error) {
	if found == nil || found.Call == nil {
		return nil, Unfit{"the call was not there when it was asked for"}
	}
	c := found.Call
	if c.JoinURL == "" || strings.EqualFold(c.Type, "peerToPeer") {
		return nil, Unfit{"a call from one to another is no meeting"}
	}
	e := meeting.Event{Type: meeting.Ended, DedupeKey: n.key(), OccurredAt: first2(c.End, c.Modified), ProviderEventType: "callRecord." + strings.ToLower(n.ChangeType)}
	e.Keys = meeting.Keys{RecordingID: id, JoinURL: c.JoinURL}
	e.ActualStart, e.ActualEnd = c.Start.time(), c.End.time()
	found.planned(&e)
	if found.Planned == nil {
		e.Organizer = c.Organizer.Identity.person()
	}
	e.HostID = c.Organizer.Identity.userID()
	for _, p := range found.Participants {
		there := true
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: p.Identity.person(), Role: "participant", Attended: &there})
	}
	return []meeting.Event{e}, nil
}

var (
	vttTiming = regexp.MustCompile(`^\s*(-?)(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)\s+-->`)
	vttVoice  = regexp.MustCompile(`(?s)^<v(?:\.[^ \t>]*)?[ \t]+([^>]+)>(.*)$`)
	vttTag    = regexp.MustCompile(`</?[a-z][^>]*>`)
)

// vttSegments are the cues of a WebVTT text (w3.org/TR/webvtt1), each with the voice
// that its text begins with. What comes before the recording began is at its start.
func vttSegments(vtt string) []meeting.Segment {
	var all []meeting.Segment
	lines := strings.Split(strings.ReplaceAll(vtt, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		m := vttTiming.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		var said []string
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
			said = append(said, lines[i])
		}
		s := meeting.Segment{Text: strings.Join(said, "\n")}
		if m[1] == "" {
			hours, _ := strconv.Atoi(first(m[2], "0"))
			minutes, _ := strconv.Atoi(m[3])
			seconds, _ := strconv.ParseFloat(m[4], 64)
			s.StartSeconds = float64(hours*3600+minutes*60) + seconds
		}
		if v := vttVoice.FindStringSubmatch(s.Text); v != nil {
			s.Speaker, s.Text = html.UnescapeString(v[1]), v[2]
		}
		s.Text = html.UnescapeString(vttTag.ReplaceAllString(s.Text, ""))
		all = append(all, s)
	}
	return all
}
