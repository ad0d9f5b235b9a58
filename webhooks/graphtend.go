package webhooks

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// Of what is subscribed to, Graph allows under three days for each
	// (learn.microsoft.com/graph/api/resources/subscription, read 2026-11). Half of
	// it is left to find out that a renewal fails.
	graphLives, graphLook = 48 * time.Hour, 12 * time.Hour
	// A look that comes so soon after the last renewal renews nothing.
	graphRenewed = 2 * time.Minute
	// What the app may not subscribe to is tried again after so long.
	graphRefusedFor = 6 * time.Hour
	// How far ahead calendars are looked through for what no notification told, and
	// how much longer than the last look back: clocks and replicas differ.
	graphWindow, graphOverlap = 14 * 24 * time.Hour, time.Hour
)

// graphKept is what is kept between two looks after a source.
type graphKept struct {
	Subscriptions []graphSubscription `json:"subscriptions,omitempty"`
	// Refused is until when a resource is not tried again.
	Refused map[string]time.Time `json:"refused,omitempty"`
	// Looked is until when each calendar was looked through.
	Looked map[string]time.Time `json:"looked,omitempty"`
}

// graphSubscription is one that stands at Graph.
type graphSubscription struct {
	ID       string    `json:"id"`
	Resource string    `json:"resource"`
	Until    time.Time `json:"until"`
	Renewed  time.Time `json:"renewed"`
	// Mark says under which URL, secret and key it was made: with others it is made
	// anew, since Graph changes none of them.
	Mark string `json:"mark"`
}

// graphWanted is what to subscribe to.
type graphWanted struct {
	resource, changes string
	key               *rsa.PrivateKey // to have the contents encrypted for; may be nil
}

func graphWants(api API) ([]graphWanted, error) {
	mailboxes, err := graphMailboxes(api.Credentials)
	if err != nil {
		return nil, Unfit{err.Error()}
	}
	transcripts := graphWanted{resource: "communications/onlineMeetings/getAllTranscripts", changes: "created"}
	if secret := api.Credentials[graphKey]; secret != "" {
		keys, err := graphKeys(secret)
		if err != nil {
			return nil, Unfit{err.Error()}
		}
		transcripts.key = keys[0]
	}
	all := []graphWanted{transcripts, {resource: "communications/callRecords", changes: "created,updated"}}
	for _, mailbox := range mailboxes {
		all = append(all, graphWanted{resource: "users/" + mailbox + "/events", changes: "created,updated,deleted"})
	}
	return all, nil
}

func (w graphWanted) mark(t Tending) string {
	id := ""
	if w.key != nil {
		id = graphCertificateID(w.key)
	}
	return hex.EncodeToString(mac([]byte(t.Secret.Reveal()), "subscription\x00", t.URL, "\x00", id)[:16])
}

// Tend keeps a subscription for all that the app may read, and looks through the
// calendars for what was missed. Each look renews, which is what Graph wants when
// it says reauthorizationRequired; what was removed is made again; and what was
// missed is found in the calendars.
func (m graphMapping) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	var kept graphKept
	if t.State != nil {
		if err := json.Unmarshal(t.State, &kept); err != nil {
			return Tended{}, errors.New("reading what was kept of Microsoft Graph's subscriptions")
		}
	}
	if kept.Refused == nil {
		kept.Refused = map[string]time.Time{}
	}
	if kept.Looked == nil {
		kept.Looked = map[string]time.Time{}
	}
	calls := graphCalls(api)
	keep := func() error {
		raw, err := json.Marshal(kept)
		if err != nil {
			return errors.New("encoding what is kept of Microsoft Graph's subscriptions")
		}
		return t.Keep(ctx, raw)
	}
	if t.Ending {
		for _, s := range kept.Subscriptions {
			if err := deleteGraphSubscription(ctx, calls, s.ID); err != nil {
				return Tended{}, err
			}
		}
		return Tended{}, dropGraphStrays(ctx, calls, t.URL, nil)
	}
	wants, err := graphWants(api)
	if err != nil {
		return Tended{}, err
	}
	if err := m.subscribe(ctx, calls, t, wants, &kept, keep); err != nil {
		return Tended{}, err
	}
	var found []Polled
	for _, w := range wants[2:] {
		polled, err := lookThroughGraph(ctx, calls, w.resource, t, kept.Looked[w.resource])
		var refused Refused
		var notYet NotYet
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusForbidden, errors.As(err, &notYet):
			continue // told with the subscription
		case err != nil:
			return Tended{Found: found}, err
		}
		kept.Looked[w.resource] = t.Now
		found = append(found, polled...)
	}
	state, err := json.Marshal(kept)
	if err != nil {
		return Tended{Found: found}, errors.New("encoding what is kept of Microsoft Graph's subscriptions")
	}
	tended := Tended{State: state, Found: found, Next: t.Now.Add(graphLook), Words: kept.words(wants, t.Now)}
	for _, s := range kept.Subscriptions {
		if early := s.Until.Add(-graphLives / 4); early.Before(tended.Next) {
			tended.Next = early // Graph gave it less time
		}
	}
	return tended, nil
}

func (k graphKept) words(wants []graphWanted, now time.Time) string {
	if len(k.Subscriptions) == 0 {
		return "no subscription: the app has none of the permissions"
	}
	until := slices.MinFunc(k.Subscriptions, func(a, b graphSubscription) int { return a.Until.Compare(b.Until) }).Until
	var words strings.Builder
	fmt.Fprintf(&words, "%d subscriptions, until %s", len(k.Subscriptions), until.UTC().Format("2006-01-02 15:04"))
	refused := map[string]int{}
	for i, w := range wants {
		kind := "calendars"
		if i < 2 {
			kind = []string{"transcripts", "calls"}[i]
		}
		if now.Before(k.Refused[w.resource]) {
			refused[kind]++
		}
	}
	for _, kind := range []string{"transcripts", "calls", "calendars"} {
		if refused[kind] > 0 {
			fmt.Fprintf(&words, "; %s are not permitted", kind)
			if kind == "calendars" {
				fmt.Fprintf(&words, " (%d)", refused[kind])
			}
		}
	}
	return words.String()
}

// subscribe renews what stands, makes what is missing, and removes what is not
// wanted any more.
func (m graphMapping) subscribe(ctx context.Context, calls API, t Tending, wants []graphWanted, kept *graphKept, keep func() error) error {
	standing := map[string]bool{}
	remaining := []graphSubscription{}
	var outdated []graphSubscription
	for _, s := range kept.Subscriptions {
		wanted := slices.ContainsFunc(wants, func(w graphWanted) bool { return w.resource == s.Resource && w.mark(t) == s.Mark })
		if !wanted || standing[s.Resource] {
			outdated = append(outdated, s)
			remaining = append(remaining, s) // until its successor is made
			continue
		}
		renewed, err := renewGraphSubscription(ctx, calls, s, t.Now)
		if err != nil {
			return err
		}
		if renewed.ID != "" {
			standing[s.Resource] = true
			remaining = append(remaining, renewed)
		}
	}
	kept.Subscriptions = remaining
	if err := keep(); err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(wants), func(w graphWanted) bool {
		return standing[w.resource] || t.Now.Before(kept.Refused[w.resource])
	})
	if len(missing) > 0 {
		// One that was made and not kept would tell everything twice.
		if err := dropGraphStrays(ctx, calls, t.URL, kept.Subscriptions); err != nil {
			return err
		}
	}
	for _, w := range missing {
		made, err := makeGraphSubscription(ctx, calls, t, w)
		var refused Refused
		var notYet NotYet
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusForbidden, errors.As(err, &notYet):
			kept.Refused[w.resource] = t.Now.Add(graphRefusedFor) // not permitted, or no such mailbox
			continue
		case err != nil:
			return err
		}
		delete(kept.Refused, w.resource)
		kept.Subscriptions = append(kept.Subscriptions, made)
		if err := keep(); err != nil {
			return err
		}
	}
	for _, s := range outdated {
		if err := deleteGraphSubscription(ctx, calls, s.ID); err != nil {
			return err
		}
		kept.Subscriptions = slices.DeleteFunc(kept.Subscriptions, func(k graphSubscription) bool { return k.ID == s.ID })
	}
	return nil
}

type graphSubscriptionBody struct {
	ID            string    `json:"id,omitempty"`
	ChangeType    string    `json:"changeType,omitempty"`
	URL           string    `json:"notificationUrl,omitempty"`
	LifecycleURL  string    `json:"lifecycleNotificationUrl,omitempty"`
	Resource      string    `json:"resource,omitempty"`
	Until         time.Time `json:"expirationDateTime,omitzero"`
	ClientState   string    `json:"clientState,omitempty"`
	WithData      bool      `json:"includeResourceData,omitempty"`
	Certificate   string    `json:"encryptionCertificate,omitempty"`
	CertificateID string    `json:"encryptionCertificateId,omitempty"`
}

func makeGraphSubscription(ctx context.Context, calls API, t Tending, w graphWanted) (graphSubscription, error) {
	body := graphSubscriptionBody{
		ChangeType: w.changes, URL: t.URL, LifecycleURL: t.URL, Resource: w.resource, Until: t.Now.Add(graphLives).UTC(), ClientState: t.Secret.Reveal(),
	}
	if w.key != nil {
		certificate, err := graphCertificate(w.key, t.Now)
		if err != nil {
			return graphSubscription{}, err
		}
		body.WithData, body.Certificate, body.CertificateID = true, certificate, graphCertificateID(w.key)
	}
	var made graphSubscriptionBody
	if err := calls.Post(ctx, "/v1.0/subscriptions", body, &made); err != nil {
		return graphSubscription{}, err
	}
	if made.ID == "" || made.Until.IsZero() {
		return graphSubscription{}, Later{Platform: calls.Platform, Reason: "made a subscription without an ID or an end"}
	}
	return graphSubscription{ID: made.ID, Resource: w.resource, Until: made.Until, Renewed: t.Now, Mark: w.mark(t)}, nil
}

// renewGraphSubscription returns the zero value where there is none any more.
func renewGraphSubscription(ctx context.Context, calls API, s graphSubscription, now time.Time) (graphSubscription, error) {
	if now.Sub(s.Renewed) < graphRenewed && now.Before(s.Until.Add(-graphLook)) {
		return s, nil
	}
	var renewed graphSubscriptionBody
	err := calls.Do(ctx, http.MethodPatch, "/v1.0/subscriptions/"+url.PathEscape(s.ID), nil, graphSubscriptionBody{Until: now.Add(graphLives).UTC()}, &renewed)
	var notYet NotYet
	var refused Refused
	switch {
	case errors.As(err, &notYet), errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		return graphSubscription{}, nil
	case err != nil:
		return s, err
	}
	s.Until, s.Renewed = renewed.Until, now
	if s.Until.IsZero() {
		s.Until = now.Add(graphLives)
	}
	return s, nil
}

func deleteGraphSubscription(ctx context.Context, calls API, id string) error {
	err := calls.Do(ctx, http.MethodDelete, "/v1.0/subscriptions/"+url.PathEscape(id), nil, nil, nil)
	var notYet NotYet
	if errors.As(err, &notYet) {
		return nil
	}
	return err
}

// dropGraphStrays removes the app's subscriptions to our URL that are not kept.
func dropGraphStrays(ctx context.Context, calls API, to string, kept []graphSubscription) error {
	all, err := graphList[graphSubscriptionBody](ctx, calls, "/v1.0/subscriptions", nil)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.URL != to || slices.ContainsFunc(kept, func(k graphSubscription) bool { return k.ID == s.ID }) {
			continue
		}
		if err := deleteGraphSubscription(ctx, calls, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// graphCertificate is a key's public half as Graph wants it: a certificate, which
// may be of one's own making, in base64. Its issuer and its time mean nothing there.
func graphCertificate(key *rsa.PrivateKey, now time.Time) (string, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Debrief"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", errors.New("making a certificate of the encryption_key")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// lookThroughGraph finds the events of a calendar that changed since the last look,
// or came into the window since: at the first look all that are ahead.
func lookThroughGraph(ctx context.Context, calls API, resource string, t Tending, last time.Time) ([]Polled, error) {
	query := graphSelect("id,iCalUId,start,attendees,isAllDay,lastModifiedDateTime")
	query.Set("startDateTime", t.Now.UTC().Format(time.RFC3339))
	query.Set("endDateTime", t.Now.Add(graphWindow).UTC().Format(time.RFC3339))
	query.Set("$top", "100")
	all, err := graphList[graphEvent](ctx, calls, "/v1.0/"+calendarOf(resource), query)
	if err != nil {
		return nil, err
	}
	var found []Polled
	for _, e := range all {
		start, err := e.Start.time()
		modified := e.LastModified.time()
		known := !last.IsZero() && err == nil && modified.Before(last.Add(-graphOverlap)) && start.Before(last.Add(graphWindow))
		if known || e.IsAllDay || len(e.Attendees) == 0 || e.ID == "" {
			continue
		}
		body, err := json.Marshal(map[string]any{"value": []any{map[string]any{
			"changeType": "updated", "resource": resource + "/" + e.ID, "tenantId": calls.Credentials[graphTenant].Reveal(),
			"resourceData": map[string]string{"@odata.type": "#Microsoft.Graph.Event", "@odata.etag": e.ETag, "id": e.ID},
		}}})
		if err != nil {
			return nil, errors.New("encoding a calendar's event")
		}
		found = append(found, Polled{Delivery: Delivery{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, Since: modified})
	}
	slices.SortStableFunc(found, func(a, b Polled) int { return cmp.Compare(a.Since.UnixNano(), b.Since.UnixNano()) })
	return found, nil
}

func calendarOf(resource string) string {
	return resource[:len(resource)-len("/events")] + "/calendarView"
}
