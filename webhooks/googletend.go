package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// API is Google's.
func (googleCalendarMapping) API() APISpec {
	return APISpec{BaseURL: googleAPIs, Every: googleEvery, Limited: googleLimited, Credentials: googleCredentials, Check: checkGoogle}
}

const (
	// calendarHorizon is how far ahead entries are told: a series may have no end.
	calendarHorizon = 60 * 24 * time.Hour
	// calendarStep is by how much the horizon is moved at a time.
	calendarStep = 24 * time.Hour
	// channelLife is how long a channel is asked for; Google may give less. It is
	// replaced in time, since channels are not renewed.
	channelLife, channelSpare = 7 * 24 * time.Hour, 24 * time.Hour
	// foundAtOnce is after how many entries a look leaves the other calendars to the
	// next one.
	foundAtOnce = 1000
)

// calendarsState is what is known of a source's calendars: one for each person, by
// address.
type calendarsState struct {
	Channels  map[string]calendarChannel `json:"channels,omitempty"`
	Calendars map[string]calendarState   `json:"calendars,omitempty"`
}

// calendarChannel is a channel through which Google tells that a calendar changed.
type calendarChannel struct {
	ID       string    `json:"id"`
	Token    string    `json:"token"`
	Resource string    `json:"resource"` // Google's name for what is watched
	Expires  time.Time `json:"expires"`
}

// calendarState is how far a calendar was looked through.
type calendarState struct {
	// SyncToken is Google's mark of it.
	SyncToken string `json:"sync_token,omitempty"`
	// Since is when it was looked through last.
	Since time.Time `json:"since,omitzero"`
	// Horizon is up to where entries were told.
	Horizon time.Time `json:"horizon,omitzero"`
	// Told are the entries that were told and are not over, by ID, with their ends:
	// of what is cancelled Google says little more than the ID, and nobody is to
	// hear of what they never heard of.
	Told map[string]time.Time `json:"told,omitempty"`
}

// Tend has a channel for each person's calendar, and finds what changed.
func (m googleCalendarMapping) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	g, err := newGoogle(api)
	if err != nil {
		return Tended{}, err
	}
	l := calendarLook{google: g, Tending: t}
	if l.stood, err = readState[calendarsState](t.State); err != nil {
		return Tended{}, err
	}
	if l.next, err = readState[calendarsState](t.State); err != nil {
		return Tended{}, err
	}
	if t.Ending {
		for person := range l.next.Channels {
			if err := l.stop(ctx, person); err != nil && !refusedFor(err) {
				return Tended{}, err
			}
		}
		return Tended{}, nil
	}
	return l.run(ctx)
}

// calendarLook is one look through the calendars.
type calendarLook struct {
	google
	Tending

	// stood is the state before this look, next the one after it. What was found is
	// stored first: until then only channels are kept.
	stood, next calendarsState
	found       []Polled
	refused     int
}

func (l *calendarLook) run(ctx context.Context) (Tended, error) {
	if l.next.Channels == nil {
		l.next.Channels = map[string]calendarChannel{}
	}
	if l.next.Calendars == nil {
		l.next.Calendars = map[string]calendarState{}
	}
	for person := range l.next.Channels {
		if !slices.Contains(l.people, person) {
			if err := l.stop(ctx, person); err != nil && !refusedFor(err) {
				return l.tended(l.Now), err
			}
			delete(l.next.Calendars, person)
		}
	}
	var lastRefusal, failed error
	expires := l.Now.Add(channelLife)
	for i, person := range l.people {
		err := l.watch(ctx, person)
		if err == nil {
			err = l.lookThrough(ctx, person)
		}
		switch {
		case refusedFor(err) || gone(err):
			l.refused++
			lastRefusal = err
			continue
		case passing(err):
			failed = err
			continue
		case err != nil:
			return l.tended(l.Now), err
		}
		if c := l.next.Channels[person]; c.Expires.Before(expires) {
			expires = c.Expires
		}
		if len(l.found) >= foundAtOnce && i < len(l.people)-1 {
			return l.tended(l.Now), nil // the rest in a minute
		}
	}
	if failed != nil {
		return l.tended(l.Now), failed
	}
	if l.refused == len(l.people) {
		return l.tended(l.Now), lastRefusal
	}
	next := expires.Add(-channelSpare)
	if l.refused > 0 {
		next = l.Now.Add(time.Hour)
	}
	return l.tended(next), nil
}

func (l *calendarLook) tended(next time.Time) Tended {
	state, err := json.Marshal(l.next)
	if err != nil {
		state = nil // of texts and times: it can be encoded
	}
	return Tended{State: state, Found: l.found, Next: next, Words: words(len(l.people), l.refused, "calendars", "are watched")}
}

// words say how many of something are looked after, and why not all.
func words(all, refused int, of, how string) string {
	said := fmt.Sprintf("%d of %d %s %s", all-refused, all, of, how)
	if refused > 0 {
		said += "; Google refuses the rest: check that these people have accounts, and that the scopes are delegated"
	}
	return said
}

func readState[T any](raw []byte) (T, error) {
	var state T
	if len(raw) == 0 {
		return state, nil
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return state, errors.New("reading what was kept of the platform: it is not as this program keeps it")
	}
	return state, nil
}

// keep keeps the channels at once, and nothing of how far calendars were read.
func (l *calendarLook) keep(ctx context.Context) error {
	state, err := json.Marshal(calendarsState{Channels: l.next.Channels, Calendars: l.stood.Calendars})
	if err != nil {
		return fmt.Errorf("encoding the channels: %w", err)
	}
	return l.Keep(ctx, state)
}

// watch makes sure that there is a channel for a person's calendar, with a token
// of the newest secret. One that Google made and whose making we did not hear of
// tells us the same until it expires.
func (l *calendarLook) watch(ctx context.Context, person string) error {
	stands, found := l.next.Channels[person]
	if found && stands.Resource != "" && l.Now.Before(stands.Expires.Add(-channelSpare)) &&
		stands.Token == (channelToken{}).token(l.Secret.Reveal(), stands.ID) {
		return nil
	}
	channel := calendarChannel{ID: uuid.NewString()}
	channel.Token = channelToken{}.token(l.Secret.Reveal(), channel.ID)
	var made struct {
		Resource   string `json:"resourceId"`
		Expiration whole  `json:"expiration"` // milliseconds, as text
	}
	err := l.as(person, scopeCalendar, googleAPIs).Post(ctx, "/calendar/v3/calendars/primary/events/watch", map[string]any{
		"id": channel.ID, "type": "web_hook", "address": l.URL, "token": channel.Token,
		"expiration": strconv.FormatInt(l.Now.Add(channelLife).UnixMilli(), 10),
	}, &made)
	if err != nil {
		return fmt.Errorf("watching a calendar: %w", err)
	}
	channel.Resource, channel.Expires = made.Resource, l.Now.Add(channelLife)
	if at := time.UnixMilli(int64(made.Expiration)).UTC(); made.Expiration > 0 && at.Before(channel.Expires) {
		channel.Expires = at
	}
	l.next.Channels[person] = channel
	if err := l.keep(ctx); err != nil {
		return err
	}
	if found {
		return l.stopChannel(ctx, person, stands)
	}
	return nil
}

// stop ends a person's channel. One that stays, because the person left, expires.
func (l *calendarLook) stop(ctx context.Context, person string) error {
	channel := l.next.Channels[person]
	delete(l.next.Channels, person)
	return l.stopChannel(ctx, person, channel)
}

func (l *calendarLook) stopChannel(ctx context.Context, person string, channel calendarChannel) error {
	if channel.Resource == "" || !l.Now.Before(channel.Expires) {
		return nil
	}
	err := l.as(person, scopeCalendar, googleAPIs).Post(ctx, "/calendar/v3/channels/stop",
		map[string]string{"id": channel.ID, "resourceId": channel.Resource}, nil)
	if gone(err) || deniedAtAll(err) || refusedFor(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ending a channel: %w", err)
	}
	return nil
}

// lookThrough finds what changed in a person's calendar since the last look, and
// what came over the horizon.
func (l *calendarLook) lookThrough(ctx context.Context, person string) error {
	c := l.next.Calendars[person]
	c.Told = cloneTold(c.Told, l.Now)
	horizon := l.Now.Add(calendarHorizon)
	if c.Horizon.IsZero() {
		c.Horizon = horizon
	}
	var found []Polled
	token, err := l.changes(ctx, person, url.Values{"syncToken": {c.SyncToken}}, c.SyncToken != "", func(e calendarEntry) {
		found = l.tell(found, person, &c, e)
	})
	var denied Denied
	if c.SyncToken != "" && errors.As(err, &denied) && denied.Status == http.StatusGone {
		// Google has forgotten the mark: all that is to come is read again, and what
		// was told and is not there any more was cancelled meanwhile.
		c.SyncToken, c.Told, found, err = "", cloneTold(l.next.Calendars[person].Told, l.Now), nil, nil
	}
	if err != nil {
		return fmt.Errorf("looking through a calendar: %w", err)
	}
	if c.SyncToken == "" {
		seen := map[string]bool{}
		since := l.Begun
		if !c.Since.IsZero() {
			since = c.Since
		}
		token, err = l.changes(ctx, person, url.Values{"timeMin": {since.UTC().Format(time.RFC3339)}}, true, func(e calendarEntry) {
			seen[e.ID] = true
			found = l.tell(found, person, &c, e)
		})
		if err != nil {
			return fmt.Errorf("reading a calendar: %w", err)
		}
		for _, id := range slices.Sorted(maps.Keys(c.Told)) {
			if !seen[id] && c.Told[id].After(l.Now) {
				found = l.tell(found, person, &c, calendarEntry{ID: id, Status: "cancelled"})
			}
		}
	}
	if horizon.Sub(c.Horizon) >= calendarStep {
		from := c.Horizon
		c.Horizon = horizon
		_, err := l.changes(ctx, person, url.Values{"timeMin": {from.UTC().Format(time.RFC3339)}, "timeMax": {horizon.UTC().Format(time.RFC3339)}}, true, func(e calendarEntry) {
			found = l.tell(found, person, &c, e)
		})
		if err != nil {
			return fmt.Errorf("reading on in a calendar: %w", err)
		}
	}
	c.SyncToken, c.Since = token, l.Now
	l.next.Calendars[person] = c
	l.found = append(l.found, found...)
	return nil
}

// cloneTold leaves out what is over.
func cloneTold(told map[string]time.Time, now time.Time) map[string]time.Time {
	clone := map[string]time.Time{}
	for id, end := range told {
		if end.After(now.Add(-24 * time.Hour)) {
			clone[id] = end
		}
	}
	return clone
}

// changes reads a list of entries to its end and returns Google's mark of it.
func (l *calendarLook) changes(ctx context.Context, person string, query url.Values, ask bool, each func(calendarEntry)) (token string, err error) {
	if !ask {
		return "", nil
	}
	query.Set("singleEvents", "true")
	query.Set("maxResults", "250")
	err = pages(ctx, l.as(person, scopeCalendar, googleAPIs), "/calendar/v3/calendars/primary/events", query, func(page struct {
		Items []calendarEntry `json:"items"`
		Next  string          `json:"nextSyncToken"`
	},
	) {
		token = page.Next
		for _, e := range page.Items {
			each(e)
		}
	})
	return token, err
}

// tell adds an entry to what was found, if anybody is to hear of it.
func (l *calendarLook) tell(found []Polled, person string, c *calendarState, e calendarEntry) []Polled {
	_, told := c.Told[e.ID]
	organizer := strings.ToLower(e.Organizer.Email)
	switch {
	case e.ID == "":
		return found
	case e.Status == "cancelled":
		if !told {
			return found
		}
		delete(c.Told, e.ID)
		if e.Updated.time().IsZero() {
			e.Updated = moment(l.Now.UTC().Truncate(time.Second)) // it has to be later than what was told
		}
		// Nothing of it counts but that it is off.
		e = calendarEntry{ID: e.ID, ETag: e.ETag, Status: e.Status, Updated: e.Updated, Sequence: e.Sequence, SeriesID: e.SeriesID}
	case organizer != person && slices.Contains(l.people, organizer):
		// It is told by its organizer's calendar: out of this one it may have been
		// taken without being off.
		return found
	case !told && (!e.isMeeting() || e.Start.DateTime.time().After(c.Horizon) || e.End.DateTime.time().Before(l.Begun)):
		return found
	default:
		c.Told[e.ID] = e.End.DateTime.time()
	}
	body, err := json.Marshal(e)
	if err != nil {
		return found // of texts and times: it can be encoded
	}
	return append(found, Polled{Delivery: Delivery{SourceID: l.SourceID, Body: body}, Since: e.Updated.time()})
}

// meetState is what is known of a source's subscriptions: one for each person, by
// address.
type meetState map[string]meetSubscription

type meetSubscription struct {
	// User is Google's number of the person.
	User string `json:"user,omitempty"`
	// Name is the subscription's: subscriptions/<id>.
	Name    string    `json:"name,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// meetSpare is how long before its end a subscription is renewed. They live for
// seven days (developers.google.com/workspace/events/guides/create-subscription,
// read 2026-11), and Google reminds of it 12 hours and 1 hour before.
const meetSpare = 48 * time.Hour

// workspaceSubscription is a subscription as the Workspace Events API has it
// (developers.google.com/workspace/events/reference/rest/v1/subscriptions, read
// 2026-11).
type workspaceSubscription struct {
	Name    string `json:"name"`
	State   string `json:"state"` // ACTIVE, SUSPENDED, DELETED
	Expires moment `json:"expireTime"`
}

var (
	subscriptionName = regexp.MustCompile(`^subscriptions/[A-Za-z0-9_-]{1,250}$`)
	googleUser       = regexp.MustCompile(`^[0-9]{1,40}$`)
)

// Tend has a subscription for each person.
func (m googleMeetMapping) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	g, err := newGoogle(api)
	if err != nil {
		return Tended{}, err
	}
	state, err := readState[meetState](t.State)
	if err != nil {
		return Tended{}, err
	}
	if state == nil {
		state = meetState{}
	}
	l := meetLook{google: g, Tending: t, state: state, topic: api.Credentials["topic"].Reveal()}
	return l.run(ctx)
}

// meetLook is one look after the subscriptions.
type meetLook struct {
	google
	Tending

	state meetState
	topic string
}

func (l *meetLook) run(ctx context.Context) (Tended, error) {
	for person := range l.state {
		if l.Ending || !slices.Contains(l.people, person) {
			if err := l.remove(ctx, person); err != nil {
				return Tended{}, err
			}
		}
	}
	if l.Ending {
		return Tended{}, nil
	}
	refused := 0
	var lastRefusal, failed error
	next := l.Now.Add(24 * time.Hour)
	for _, person := range l.people {
		err := l.subscribe(ctx, person)
		switch {
		case refusedFor(err) || gone(err):
			refused++
			lastRefusal = err
			continue
		case passing(err):
			failed = err
			continue
		case err != nil:
			return Tended{}, err
		}
		if s := l.state[person]; s.Name == "" {
			next = l.Now // Google is still at it
		} else if at := s.Expires.Add(-meetSpare); at.Before(next) {
			next = at
		}
	}
	if failed != nil {
		return Tended{}, failed
	}
	if refused == len(l.people) {
		return Tended{}, lastRefusal
	}
	if soon := l.Now.Add(time.Hour); refused > 0 && soon.Before(next) {
		next = soon
	}
	state, err := json.Marshal(l.state)
	if err != nil {
		return Tended{}, fmt.Errorf("encoding the subscriptions: %w", err)
	}
	return Tended{State: state, Next: next, Words: words(len(l.people), refused, "people's meetings", "are subscribed to")}, nil
}

func (l *meetLook) events(person string) API { return l.as(person, scopeMeet, workspaceEvent) }

// subscribe makes sure that the person's subscription stands, and will.
func (l *meetLook) subscribe(ctx context.Context, person string) error {
	s := l.state[person]
	if s.User == "" {
		var who struct {
			ID string `json:"id"`
		}
		if err := l.as(person, scopeWho, googleAPIs).Get(ctx, "/oauth2/v2/userinfo", nil, &who); err != nil {
			return fmt.Errorf("asking who somebody is: %w", err)
		}
		if !googleUser.MatchString(who.ID) {
			return Later{Platform: l.api.Platform, Reason: "did not say who somebody is"}
		}
		s.User = who.ID
	}
	var stands workspaceSubscription
	var err error
	if s.Name != "" {
		err = l.events(person).Get(ctx, "/v1/"+s.Name, nil, &stands)
	}
	if s.Name == "" || gone(err) || refusedFor(err) { // of one that is over Google may say either
		stands, err = l.find(ctx, person, s.User)
	}
	if err != nil {
		return fmt.Errorf("looking for a subscription: %w", err)
	}
	switch {
	case stands.Name == "" || stands.State == "DELETED":
		stands, err = l.create(ctx, person, s.User)
	case stands.State == "SUSPENDED":
		// It keeps its end: that is looked at next.
		err = l.events(person).Post(ctx, "/v1/"+stands.Name+":reactivate", struct{}{}, nil)
		if deniedAtAll(err) {
			err = Later{Platform: l.api.Platform, Reason: "keeps a subscription suspended: check the topic, and that Meet may publish to it"}
		}
	}
	if err == nil && stands.Name != "" && stands.Expires.time().Before(l.Now.Add(meetSpare)) {
		stands, err = l.renew(ctx, person, stands)
	}
	if err != nil {
		return fmt.Errorf("keeping a subscription: %w", err)
	}
	if stands.Name != "" && !subscriptionName.MatchString(stands.Name) {
		return Later{Platform: l.api.Platform, Reason: "named a subscription in another way"}
	}
	s.Name, s.Expires = stands.Name, stands.Expires.time()
	l.state[person] = s
	state, err := json.Marshal(l.state)
	if err != nil {
		return fmt.Errorf("encoding the subscriptions: %w", err)
	}
	return l.Keep(ctx, state)
}

func target(user string) string { return "//cloudidentity.googleapis.com/users/" + user }

// find looks for the subscription that stands: Google allows one for each person.
func (l *meetLook) find(ctx context.Context, person, user string) (stands workspaceSubscription, err error) {
	filter := `event_types:"` + meetEnded + `" AND target_resource="` + target(user) + `"`
	err = pages(ctx, l.events(person), "/v1/subscriptions", url.Values{"filter": {filter}}, func(page struct {
		Subscriptions []workspaceSubscription `json:"subscriptions"`
	},
	) {
		for _, s := range page.Subscriptions {
			if subscriptionName.MatchString(s.Name) {
				stands = s
			}
		}
	})
	return stands, err
}

// operation is what the Workspace Events API answers to a change: what came of it,
// once it is done.
type operation struct {
	Done     bool                  `json:"done"`
	Response workspaceSubscription `json:"response"`
	Error    struct {
		Code int `json:"code"`
	} `json:"error"`
}

func (o operation) result(platform string) (workspaceSubscription, error) {
	if o.Error.Code != 0 {
		return workspaceSubscription{}, Later{Platform: platform, Reason: "could not make a subscription: check the topic, and that Meet may publish to it"}
	}
	if !o.Done {
		return workspaceSubscription{}, nil // it is found by the next look
	}
	return o.Response, nil
}

func (l *meetLook) create(ctx context.Context, person, user string) (workspaceSubscription, error) {
	var o operation
	err := l.events(person).Post(ctx, "/v1/subscriptions", map[string]any{
		"targetResource": target(user), "eventTypes": meetEvents, "notificationEndpoint": map[string]string{"pubsubTopic": l.topic},
	}, &o)
	var denied Denied
	if errors.As(err, &denied) && denied.Status == http.StatusConflict {
		return workspaceSubscription{}, nil // made meanwhile; it is found by the next look
	}
	if err != nil {
		return workspaceSubscription{}, err
	}
	return o.result(l.api.Platform)
}

// renew has it live as long as Google allows.
func (l *meetLook) renew(ctx context.Context, person string, s workspaceSubscription) (workspaceSubscription, error) {
	var o operation
	err := l.events(person).Do(ctx, http.MethodPatch, "/v1/"+s.Name, url.Values{"updateMask": {"ttl"}}, map[string]string{"ttl": "0s"}, &o)
	if err != nil {
		return s, err
	}
	renewed, err := o.result(l.api.Platform)
	if renewed.Name == "" {
		renewed = s
	}
	return renewed, err
}

// remove ends a person's subscription. One that can't be, because the person left,
// ends by itself.
func (l *meetLook) remove(ctx context.Context, person string) error {
	if name := l.state[person].Name; name != "" {
		err := l.events(person).Do(ctx, http.MethodDelete, "/v1/"+name, nil, nil, nil)
		if err != nil && !gone(err) && !refusedFor(err) && !deniedAtAll(err) {
			return fmt.Errorf("ending a subscription: %w", err)
		}
	}
	delete(l.state, person)
	return nil
}
