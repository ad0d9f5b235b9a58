package hubspottest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxEventsPerBatch   = 100
	maxDeliveryAttempts = 11 // the first and ten retries
	maxDeliveriesKept   = 10_000
	deliveryTimeout     = 5 * time.Second
	usualConcurrency    = 10
)

// retryAfter is when, counted from the first attempt, each retry is due: ten
// within 24 hours. HubSpot spreads them at random; so do we, by up to a tenth.
var retryAfter = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 45 * time.Minute, 2 * time.Hour,
	4 * time.Hour, 7 * time.Hour, 11 * time.Hour, 15 * time.Hour, 21 * time.Hour,
}

// Webhooks is where an app hears of changes, and of which. Changes that
// [Server.Add] makes are not told; those of [Server.Edit] and its like are, as
// made by a user in HubSpot.
type Webhooks struct {
	// TargetURL is one for the app, whatever the account. Empty: none.
	TargetURL     string         `json:"targetUrl"`
	Subscriptions []Subscription `json:"subscriptions"`
	// MaxConcurrentRequests at one time. Default: 10.
	MaxConcurrentRequests int `json:"maxConcurrentRequests,omitempty"`
	// Timeout is how long, in real time, an answer may take. Default: 5 s.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Manual: nothing goes out by itself, only by [Server.DeliverWebhooks].
	Manual bool `json:"manual,omitempty"`
	// Duplicates is how many more times each batch is sent after it was taken.
	Duplicates int `json:"duplicates,omitempty"`
	// NewestFirst turns the order of the waiting events around.
	NewestFirst bool `json:"newestFirst,omitempty"`
	// SignV2: X-HubSpot-Signature is of version v2 instead of v1. The one of
	// version v3 is there in any case.
	SignV2 bool `json:"signV2,omitempty"`
	// OlderShape: the type is called eventType, and a creation's changeFlag is
	// NEW instead of CREATED. HubSpot's own examples differ.
	OlderShape bool `json:"olderShape,omitempty"`
}

// Subscription asks for one kind of change.
type Subscription struct {
	ID int64 `json:"id"` // 0: the simulator chooses
	// Type is such as "contact.propertyChange", or "object.creation" with an
	// ObjectType.
	Type string `json:"subscriptionType"`
	// ObjectType is a name or a type ID; of "object.…" alone.
	ObjectType string `json:"objectType,omitempty"`
	// PropertyName is of propertyChange alone.
	PropertyName string `json:"propertyName,omitempty"`
	// Paused subscriptions are kept and not served.
	Paused bool `json:"paused,omitempty"`
	// CreatedAt and UpdatedAt are set by the simulator.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// Delivery is one attempt to deliver a batch of events.
type Delivery struct {
	At       time.Time `json:"at"`
	ClientID string    `json:"clientId"`
	URL      string    `json:"url"`
	Events   int       `json:"events"`
	// Attempt is from 0, as attemptNumber is.
	Attempt int `json:"attempt"`
	// Status is 0 if there was no answer; Error then says why.
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
	// GaveUp: it was the last.
	GaveUp bool `json:"gaveUp,omitempty"`
}

var subscriptionKinds = []string{created, deleted, propertyChanged, associationChanged, merged, restored, privacyDeleted}

func (sub *Subscription) check() error {
	object, kind, _ := strings.Cut(sub.Type, ".")
	switch {
	case !slices.Contains(subscriptionKinds, kind) || object == "":
		return fmt.Errorf("there are no webhooks of type %q", sub.Type)
	case object == "object" && sub.ObjectType == "":
		return fmt.Errorf("a subscription to %s needs an object type", sub.Type)
	case kind == propertyChanged && sub.PropertyName == "":
		return fmt.Errorf("a subscription to %s needs a property name", sub.Type)
	case kind == privacyDeleted && object != "contact":
		return fmt.Errorf("there are no webhooks of type %q", sub.Type)
	case object == "product" && kind == associationChanged:
		return fmt.Errorf("there are no webhooks of type %q", sub.Type)
	}
	return nil
}

// SetWebhooks replaces where an app hears of changes, and of which. Whatever
// waits to be delivered goes to the new address.
func (s *Server) SetWebhooks(clientID string, w Webhooks) (Webhooks, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.Apps[clientID] == nil {
		return Webhooks{}, fmt.Errorf("there is no app %q", clientID)
	}
	if w.TargetURL != "" {
		if u, err := url.Parse(w.TargetURL); err != nil || u.Host == "" {
			return Webhooks{}, fmt.Errorf("the target URL is not one")
		}
	}
	w.Subscriptions = slices.Clone(w.Subscriptions)
	for i := range w.Subscriptions {
		if err := w.Subscriptions[i].check(); err != nil {
			return Webhooks{}, err
		}
		s.stamp(&w.Subscriptions[i])
	}
	s.st.Hooks[clientID] = &w
	s.startSender()
	s.sender.poke()
	out := w
	out.Subscriptions = slices.Clone(w.Subscriptions)
	return out, nil
}

func (s *Server) stamp(sub *Subscription) {
	if sub.ID == 0 {
		sub.ID = s.st.newID() % 100_000_000
	}
	sub.UpdatedAt = s.now()
	if sub.CreatedAt.IsZero() {
		sub.CreatedAt = sub.UpdatedAt
	}
}

// Deliveries lists the attempts to deliver webhooks, the last 10,000 of them.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Delivery{}
	for _, id := range sortedKeys(s.hooks) {
		out = append(out, s.hooks[id].attempts...)
	}
	sortBy(out, func(a, b Delivery) bool { return a.At.Before(b.At) })
	return out
}

// hookQueue is what one app is still to hear.
type hookQueue struct {
	fresh    []hookEvent
	again    []*hookBatch
	inFlight int
	attempts []Delivery
}

type hookEvent struct {
	hub  int64
	body map[string]any
}

type hookBatch struct {
	clientID string
	events   []hookEvent
	attempt  int
	due      time.Time
	// first is when the first attempt was made.
	first time.Time
	// copies are still to be sent once it is taken.
	copies int
}

func (s *Server) queueWebhooks(clientID string, c change) {
	w := s.st.Hooks[clientID]
	if w.TargetURL == "" {
		return
	}
	for i := range w.Subscriptions {
		sub := &w.Subscriptions[i]
		if !sub.wants(c) {
			continue
		}
		s.startSender()
		h := s.hookQueue(clientID)
		h.fresh = append(h.fresh, hookEvent{c.hub, w.event(s.st.newID()%10_000_000_000, s.st.Apps[clientID].AppID, sub, c)})
		s.sender.poke()
	}
}

func (s *Server) hookQueue(clientID string) *hookQueue {
	h := s.hooks[clientID]
	if h == nil {
		h = &hookQueue{}
		s.hooks[clientID] = h
	}
	return h
}

func (sub *Subscription) wants(c change) bool {
	object, kind, _ := strings.Cut(sub.Type, ".")
	if sub.Paused || kind != c.kind || kind == propertyChanged && sub.PropertyName != c.property {
		return false
	}
	if object == "object" {
		return sub.ObjectType == c.t.ID || strings.EqualFold(sub.ObjectType, c.t.Name) || strings.EqualFold(sub.ObjectType, c.t.Singular)
	}
	return object == c.t.Singular
}

func (w *Webhooks) event(id, appID int64, sub *Subscription, c change) map[string]any {
	e := map[string]any{
		"eventId": id, "subscriptionId": sub.ID, "portalId": c.hub, "appId": appID,
		"occurredAt": c.at.UnixMilli(), "subscriptionType": sub.Type, "attemptNumber": 0, "changeSource": c.source, "sourceId": c.sourceID,
		"isSensitive": false,
	}
	generic := strings.HasPrefix(sub.Type, "object.")
	if generic {
		e["objectTypeId"] = c.t.ID
	}
	if w.OlderShape {
		e["eventType"] = sub.Type
		delete(e, "subscriptionType")
	}
	if c.kind != associationChanged {
		e["objectId"] = number(c.id)
	}
	switch c.kind {
	case created:
		e["changeFlag"] = "CREATED"
		if w.OlderShape {
			e["changeFlag"] = "NEW"
		}
	case deleted, privacyDeleted:
		e["changeFlag"] = "DELETED"
	case restored:
		e["changeFlag"] = "RESTORED"
	case propertyChanged:
		e["propertyName"], e["propertyValue"] = c.property, c.value
	case associationChanged:
		e["associationType"] = upperSingular(c.t) + "_TO_" + upperSingular(c.to)
		e["fromObjectId"], e["toObjectId"] = number(c.id), number(c.toID)
		e["associationRemoved"], e["isPrimaryAssociation"] = c.removed, c.primary
		if generic {
			e["fromObjectTypeId"], e["toObjectTypeId"] = c.t.ID, c.to.ID
		}
	case merged:
		ids := make([]int64, len(c.mergedIDs))
		for i, id := range c.mergedIDs {
			ids[i] = number(id)
		}
		e["primaryObjectId"], e["mergedObjectIds"], e["newObjectId"], e["numberOfPropertiesMoved"] = number(c.id), ids, number(c.id), c.moved
	}
	return e
}

// sender is the one goroutine that delivers webhooks, and those that it starts:
// never more than the apps allow. It begins with the first webhook.
type sender struct {
	wake chan struct{}

	mu     sync.Mutex
	closed bool
	cancel context.CancelFunc
	done   chan struct{}
}

func (d *sender) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *sender) stop() {
	d.mu.Lock()
	d.closed = true
	cancel, done := d.cancel, d.done
	d.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (s *Server) startSender() {
	d := &s.sender
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.done = cancel, make(chan struct{})
	go func() {
		defer close(d.done)
		s.send(ctx)
	}()
}

func newHookClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: usualConcurrency, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *Server) send(ctx context.Context) {
	client := newHookClient()
	var running sync.WaitGroup
	defer client.CloseIdleConnections()
	defer running.Wait()
	for ctx.Err() == nil {
		batch, wait := s.nextBatch()
		if batch != nil {
			running.Go(func() {
				s.deliver(ctx, client, batch)
				s.sender.poke()
			})
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.sender.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// nextBatch takes what may go out now, or says how long to wait.
func (s *Server) nextBatch() (*hookBatch, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, wait := s.now(), time.Hour
	for _, clientID := range sortedKeys(s.hooks) {
		h, w := s.hooks[clientID], s.st.Hooks[clientID]
		most := usualConcurrency
		if w != nil && w.MaxConcurrentRequests > 0 {
			most = w.MaxConcurrentRequests
		}
		if w == nil || w.Manual || h.inFlight >= most {
			continue
		}
		for i, b := range h.again {
			if !b.due.After(now) {
				h.again = slices.Delete(h.again, i, i+1)
				h.inFlight++
				return b, 0
			}
			wait = min(wait, b.due.Sub(now))
		}
		if b := h.freshBatch(clientID, w, now); b != nil {
			h.inFlight++
			return b, 0
		}
	}
	return nil, wait
}

// freshBatch takes up to 100 events that were never sent.
func (h *hookQueue) freshBatch(clientID string, w *Webhooks, now time.Time) *hookBatch {
	n := min(len(h.fresh), maxEventsPerBatch)
	if n == 0 {
		return nil
	}
	if w.NewestFirst {
		slices.Reverse(h.fresh)
	}
	b := &hookBatch{clientID: clientID, events: slices.Clone(h.fresh[:n]), due: now, first: now, copies: w.Duplicates}
	h.fresh = slices.Delete(h.fresh, 0, n)
	if w.NewestFirst {
		slices.Reverse(h.fresh)
	}
	return b
}

// DeliverWebhooks sends what waits, and what is to be sent again though its
// time has not come, once each and one batch after another, and returns when
// the answers are there.
func (s *Server) DeliverWebhooks(ctx context.Context) error {
	s.mu.Lock()
	s.settle()
	var batches []*hookBatch
	for _, clientID := range sortedKeys(s.hooks) {
		h, w := s.hooks[clientID], s.st.Hooks[clientID]
		if w == nil {
			continue
		}
		taken := h.again
		h.again = nil
		for b := h.freshBatch(clientID, w, s.now()); b != nil; b = h.freshBatch(clientID, w, s.now()) {
			taken = append(taken, b)
		}
		h.inFlight += len(taken)
		batches = append(batches, taken...)
	}
	s.mu.Unlock()
	client := newHookClient()
	defer client.CloseIdleConnections()
	for _, b := range batches {
		s.deliver(ctx, client, b)
	}
	// What the background has taken may still be on its way.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.delivering() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("delivering webhooks: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return ctx.Err()
}

func (s *Server) delivering() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hooks {
		if h.inFlight > 0 {
			return true
		}
	}
	return false
}

// deliver makes one attempt and sees to what follows from it.
func (s *Server) deliver(ctx context.Context, client *http.Client, b *hookBatch) {
	s.mu.Lock()
	w, app := s.st.Hooks[b.clientID], s.st.Apps[b.clientID]
	h := s.hookQueue(b.clientID)
	// An account that has uninstalled the app is not told of any more.
	b.events = slices.DeleteFunc(b.events, func(e hookEvent) bool { return !s.st.Installs[installKey(e.hub, b.clientID)] })
	if w == nil || app == nil || w.TargetURL == "" || len(b.events) == 0 {
		h.inFlight--
		s.mu.Unlock()
		return
	}
	bodies := make([]map[string]any, len(b.events))
	for i, e := range b.events {
		e.body["attemptNumber"] = b.attempt
		bodies[i] = e.body
	}
	attempt := Delivery{At: s.now(), ClientID: b.clientID, URL: w.TargetURL, Events: len(bodies), Attempt: b.attempt}
	raw, secret, v2, timeout := encode(bodies), app.ClientSecret, w.SignV2, w.Timeout
	sentAt := s.realNow()
	s.mu.Unlock()

	if timeout <= 0 {
		timeout = deliveryTimeout
	}
	quick, cancel := context.WithTimeout(ctx, timeout)
	status, err := post(quick, client, attempt.URL, raw, secret, sentAt, v2)
	cancel()

	s.mu.Lock()
	defer s.mu.Unlock()
	h.inFlight--
	attempt.Status = status
	if err != nil {
		attempt.Error = err.Error()
	}
	switch taken := status >= 200 && status < 300; {
	case taken && b.copies > 0:
		b.copies--
		b.due = s.now()
		h.again = append(h.again, b)
	case taken || ctx.Err() != nil:
	case b.attempt+1 >= maxDeliveryAttempts:
		attempt.GaveUp = true
	default:
		spread := retryAfter[b.attempt]
		b.attempt++
		b.due = b.first.Add(spread - time.Duration(rand.Int64N(int64(spread)/10)))
		h.again = append(h.again, b)
	}
	h.attempts = append(h.attempts, attempt)
	if len(h.attempts) > maxDeliveriesKept {
		h.attempts = slices.Delete(h.attempts, 0, maxDeliveriesKept/10)
	}
}

// post sends one signed batch. The time in its signature is real, not the
// simulator's: receivers compare it with their own clock.
func post(ctx context.Context, client *http.Client, target string, body []byte, secret string, at time.Time, v2 bool) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("making the request: %w", err)
	}
	sign(req.Header, req.Method, target, body, secret, at, v2)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "HubSpot Webhooks simulator")
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, nil
}

// decodedInURI are the escapes that HubSpot decodes before it signs a URI
// (developers.hubspot.com, request validation).
var decodedInURI = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

func sign(h http.Header, method, uri string, body []byte, secret string, at time.Time, v2 bool) {
	older, version := secret, "v1"
	if v2 {
		older, version = secret+method+uri, "v2"
	}
	sum := sha256.Sum256(append([]byte(older), body...))
	h.Set("X-HubSpot-Signature", hex.EncodeToString(sum[:]))
	h.Set("X-HubSpot-Signature-Version", version)
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range []string{method, decodedInURI.Replace(uri), string(body), stamp} {
		_, _ = io.WriteString(mac, part)
	}
	h.Set("X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	h.Set("X-HubSpot-Request-Timestamp", stamp)
}

// The endpoints by which legacy apps configure their webhooks.

func (s *Server) addWebhookRoutes() {
	at := "/webhooks/" + APIVersion + "/{appId}"
	own := func(fn func(*request, *Webhooks) reply) route { return route{public: true, fn: withWebhooks(fn)} }
	s.handle("GET "+at+"/settings", own(readHookSettings))
	s.handle("PUT "+at+"/settings", own(writeHookSettings))
	s.handle("DELETE "+at+"/settings", own(clearHookSettings))
	s.handle("GET "+at+"/subscriptions", own(listSubscriptions))
	s.handle("POST "+at+"/subscriptions", own(createSubscription))
	s.handle("POST "+at+"/subscriptions/batch/update", own(updateSubscriptions))
	s.handle("GET "+at+"/subscriptions/{id}", own(readSubscription))
	s.handle("PATCH "+at+"/subscriptions/{id}", own(updateSubscription))
	s.handle("DELETE "+at+"/subscriptions/{id}", own(deleteSubscription))
}

// withWebhooks lets in whoever has the developer's API key.
func withWebhooks(fn func(*request, *Webhooks) reply) func(*request) reply {
	return func(q *request) reply {
		for id, app := range q.s.st.Apps {
			if strconv.FormatInt(app.AppID, 10) != q.vars["appId"] {
				continue
			}
			if q.query.Get("hapikey") != app.DeveloperAPIKey {
				break
			}
			w := q.s.st.Hooks[id]
			if w == nil {
				w = &Webhooks{}
				q.s.st.Hooks[id] = w
			}
			return fn(q, w)
		}
		return problem(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "The API key provided is invalid.")
	}
}

func (w *Webhooks) settings(q *request) map[string]any {
	most := w.MaxConcurrentRequests
	if most == 0 {
		most = usualConcurrency
	}
	return map[string]any{
		"targetUrl": w.TargetURL, "throttling": map[string]any{"maxConcurrentRequests": most, "period": "SECONDLY"},
		"createdAt": formatTime(q.now), "updatedAt": formatTime(q.now),
	}
}

func readHookSettings(q *request, w *Webhooks) reply {
	if w.TargetURL == "" {
		return notFound()
	}
	return reply{status: http.StatusOK, body: w.settings(q)}
}

func writeHookSettings(q *request, w *Webhooks) reply {
	var in struct {
		TargetURL  string `json:"targetUrl"`
		Throttling struct {
			MaxConcurrentRequests int `json:"maxConcurrentRequests"`
		} `json:"throttling"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if u, err := url.Parse(in.TargetURL); err != nil || u.Host == "" {
		return invalid("targetUrl must be a URL")
	}
	w.TargetURL, w.MaxConcurrentRequests = in.TargetURL, in.Throttling.MaxConcurrentRequests
	return reply{status: http.StatusOK, body: w.settings(q)}
}

func clearHookSettings(_ *request, w *Webhooks) reply {
	w.TargetURL = ""
	return reply{status: http.StatusNoContent}
}

func (sub *Subscription) render() map[string]any {
	out := map[string]any{
		"id": strconv.FormatInt(sub.ID, 10), "eventType": sub.Type, "active": !sub.Paused,
		"createdAt": formatTime(sub.CreatedAt), "updatedAt": formatTime(sub.UpdatedAt),
	}
	if sub.PropertyName != "" {
		out["propertyName"] = sub.PropertyName
	}
	if sub.ObjectType != "" {
		out["objectTypeId"] = sub.ObjectType
	}
	return out
}

func listSubscriptions(_ *request, w *Webhooks) reply {
	results := []any{}
	for i := range w.Subscriptions {
		results = append(results, w.Subscriptions[i].render())
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func createSubscription(q *request, w *Webhooks) reply {
	var in struct {
		EventType    string `json:"eventType"`
		PropertyName string `json:"propertyName"`
		ObjectTypeID string `json:"objectTypeId"`
		Active       bool   `json:"active"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	sub := Subscription{Type: in.EventType, PropertyName: in.PropertyName, ObjectType: in.ObjectTypeID, Paused: !in.Active}
	if err := sub.check(); err != nil {
		return invalid("%s", err)
	}
	for _, have := range w.Subscriptions {
		if have.Type == sub.Type && have.PropertyName == sub.PropertyName && have.ObjectType == sub.ObjectType {
			return problem(http.StatusConflict, "CONFLICT", "A subscription of that kind already exists")
		}
	}
	q.s.stamp(&sub)
	w.Subscriptions = append(w.Subscriptions, sub)
	return reply{status: http.StatusCreated, body: sub.render()}
}

func (w *Webhooks) subscription(id string) *Subscription {
	for i := range w.Subscriptions {
		if strconv.FormatInt(w.Subscriptions[i].ID, 10) == id {
			return &w.Subscriptions[i]
		}
	}
	return nil
}

func readSubscription(q *request, w *Webhooks) reply {
	sub := w.subscription(q.vars["id"])
	if sub == nil {
		return notFound()
	}
	return reply{status: http.StatusOK, body: sub.render()}
}

func updateSubscription(q *request, w *Webhooks) reply {
	var in struct {
		Active *bool `json:"active"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	sub := w.subscription(q.vars["id"])
	if sub == nil {
		return notFound()
	}
	if in.Active != nil {
		sub.Paused = !*in.Active
	}
	q.s.stamp(sub)
	return reply{status: http.StatusOK, body: sub.render()}
}

func updateSubscriptions(q *request, w *Webhooks) reply {
	var in struct {
		Inputs []struct {
			ID     looseID `json:"id"`
			Active bool    `json:"active"`
		} `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	results := []any{}
	var errors []any
	for _, one := range in.Inputs {
		sub := w.subscription(string(one.ID))
		if sub == nil {
			errors = append(errors, map[string]any{
				"status": "error", "category": "OBJECT_NOT_FOUND", "message": "There is no such subscription.", "context": map[string]any{"ids": []string{string(one.ID)}},
			})
			continue
		}
		sub.Paused = !one.Active
		q.s.stamp(sub)
		results = append(results, sub.render())
	}
	return q.batchReply(http.StatusOK, results, errors)
}

func deleteSubscription(q *request, w *Webhooks) reply {
	w.Subscriptions = slices.DeleteFunc(w.Subscriptions, func(sub Subscription) bool { return strconv.FormatInt(sub.ID, 10) == q.vars["id"] })
	return reply{status: http.StatusNoContent}
}
