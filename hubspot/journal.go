package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The webhooks journal is where an app learns that an account has installed or
// uninstalled it: no webhook tells that. It is read with a token of the app's
// own ([OAuth.ClientCredentials]), in order, file by file, and keeps what
// happened while nobody read (developers.hubspot.com, "Webhooks journal").

// JournalScopes returns the scopes that a token needs to subscribe to the
// journal and to read it.
func JournalScopes() []string {
	return []string{
		"developer.webhooks_journal.read",
		"developer.webhooks_journal.subscriptions.read",
		"developer.webhooks_journal.subscriptions.write",
	}
}

// Event types of [Client.SubscribeLifecycle].
const (
	AppInstalled   = "4-1909196"
	AppUninstalled = "4-1916193"
)

// SubscribeLifecycle has the journal hold [AppInstalled] or [AppUninstalled]
// events of all of the app's accounts from now on. It is an [ErrConflict] if it
// does already.
func (c *Client) SubscribeLifecycle(ctx context.Context, eventTypeID string) error {
	body := map[string]any{"subscriptionType": "APP_LIFECYCLE_EVENT", "eventTypeId": eventTypeID, "properties": []string{}}
	return c.do(ctx, call{
		method: http.MethodPost, endpoint: "/webhooks-journal/subscriptions/" + APIVersion, body: body, write: true, bucket: JournalBucket,
	}, nil)
}

// JournalEntry says where one file of the journal is.
type JournalEntry struct {
	// Offset is the entry's own: pass it to [Client.NextJournalEntry] once the
	// file's events are dealt with.
	Offset string
	// URL is where the file is, good until ExpiresAt. Who has it can read the
	// file: keep it out of logs.
	URL       string
	ExpiresAt time.Time
}

// String names the entry, without its URL.
func (e JournalEntry) String() string { return "hubspot.JournalEntry(" + plainToken(e.Offset) + ")" }

// GoString is String: %#v must print no URL either.
func (e JournalEntry) GoString() string { return e.String() }

// NextJournalEntry finds the entry after an offset, or the earliest one that
// the journal still has if the offset is empty. found is false if there is
// nothing new.
func (c *Client) NextJournalEntry(ctx context.Context, offset string) (entry JournalEntry, found bool, err error) {
	r := call{method: http.MethodGet, endpoint: "/webhooks-journal/journal/" + APIVersion + "/earliest", bucket: JournalBucket, mayBeEmpty: true}
	if offset != "" {
		r.endpoint, r.args = "/webhooks-journal/journal/"+APIVersion+"/offset/{offset}/next", []string{offset}
	}
	var out journalEntryJSON
	err = c.do(ctx, r, &out)
	switch {
	case errors.Is(err, ErrNotFound):
		// Which of 204 and 404 it is at the journal's end is not documented.
		return JournalEntry{}, false, nil
	case err != nil:
		return JournalEntry{}, false, err
	case out == journalEntryJSON{}:
		return JournalEntry{}, false, nil
	case out.URL == "" || out.Offset == "":
		return JournalEntry{}, false, fmt.Errorf("hubspot: a journal entry without an address or an offset")
	}
	return JournalEntry{Offset: string(out.Offset), URL: string(out.URL), ExpiresAt: looseTime(string(out.ExpiresAt))}, true, nil
}

type journalEntryJSON struct {
	URL       lenient `json:"url"`
	Offset    lenient `json:"currentOffset"`
	ExpiresAt lenient `json:"expiresAt"`
}

// Kinds of [JournalEvent] that [Client.SubscribeLifecycle] brings.
const (
	LifecycleEvent  = "app_lifecycle_event"
	ActionInstall   = "APP_INSTALL"
	ActionUninstall = "APP_UNINSTALL"
)

// JournalEvent is one event of the journal.
type JournalEvent struct {
	// Type is such as [LifecycleEvent], Action such as [ActionUninstall].
	Type, Action string
	// HubID is the account that it happened in.
	HubID      int64
	OccurredAt time.Time
}

type journalJSON struct {
	Events []struct {
		Type       lenient `json:"type"`
		Action     lenient `json:"action"`
		PortalID   lenient `json:"portalId"`
		OccurredAt lenient `json:"occurredAt"`
	} `json:"journalEvents"`
}

func (j journalJSON) events() []JournalEvent {
	var events []JournalEvent
	for _, e := range j.Events {
		events = append(events, JournalEvent{
			Type: string(e.Type), Action: string(e.Action), HubID: e.PortalID.int64(), OccurredAt: looseTime(string(e.OccurredAt)),
		})
	}
	return events
}

// JournalEvents reads the file of an entry, which HubSpot's storage serves: the
// token is not sent there. It goes to https addresses alone, and to http on
// this machine if the API itself is there (a simulator). Whatever goes wrong
// there, an expired address included, is an [ErrUnavailable]: ask for the entry
// again, by the offset before it.
func (c *Client) JournalEvents(ctx context.Context, entry JournalEntry) ([]JournalEvent, error) {
	r := call{method: http.MethodGet, endpoint: "(a file of the webhooks journal)", bucket: NoBucket}
	if !c.mayFetch(entry.URL) {
		return nil, fmt.Errorf("hubspot: %s %s: the address is not https", r.method, r.endpoint)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, entry.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("hubspot: %s %s: the address is not usable", r.method, r.endpoint)
	}
	var out journalJSON
	err = c.send(req, r, &out)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		// A storage's 401 or 403 says nothing of our token and scopes.
		err = &TransportError{Method: r.method, Endpoint: r.endpoint, StatusCode: refused.StatusCode, Sent: true, cause: errors.New("the storage does not serve it")}
	}
	if err != nil {
		return nil, err
	}
	if out.Events == nil {
		// Going on would lose what the file has under another name.
		return nil, fmt.Errorf("hubspot: %s %s: it has no list of events", r.method, r.endpoint)
	}
	return out.events(), nil
}

func (c *Client) mayFetch(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	base, err := url.Parse(c.baseURL)
	return err == nil && u.Scheme == "http" && loopback(u) && loopback(base)
}

func loopback(u *url.URL) bool {
	return u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
}
