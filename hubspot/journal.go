package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The webhooks journal is where an app learns that an account has installed or
// uninstalled it: no webhook tells that. Where an app subscribes to an account's
// records, it tells their changes, too, those included that no webhook could
// deliver. It is read with a token of the app's own ([OAuth.ClientCredentials]), in
// order, file by file, and keeps what happened while nobody read
// (developers.hubspot.com, "Webhooks journal", 2026).

// JournalKeeps is how long HubSpot keeps what the journal tells.
const JournalKeeps = 3 * 24 * time.Hour

// JournalScopes returns the scopes that a token needs to subscribe to the
// journal and to read it. For an account's records it needs those of the records
// as well, such as crm.objects.contacts.read.
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

// Types of a [JournalSubscription].
const (
	JournalObjects          = "OBJECT"
	JournalAssociations     = "ASSOCIATION"
	JournalPrivacyDeletions = "GDPR_PRIVACY_DELETION"
)

// JournalSubscription is what the journal is to tell of one account's records of
// one type.
type JournalSubscription struct {
	// Type is [JournalObjects], or a like of it.
	Type         string
	HubID        int64
	ObjectTypeID string
	// Properties are those whose changes are told, of [JournalObjects] alone.
	Properties []string
	// AssociatedTypeIDs are the types at the other end, of [JournalAssociations]
	// alone.
	AssociatedTypeIDs []string
}

func (j JournalSubscription) body() map[string]any {
	body := map[string]any{"subscriptionType": j.Type, "portalId": j.HubID, "objectTypeId": j.ObjectTypeID}
	switch j.Type {
	case JournalObjects:
		body["actions"] = []string{"CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE"}
		body["properties"], body["objectIds"] = append([]string{}, j.Properties...), []int64{}
	case JournalAssociations:
		body["actions"] = []string{"ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"}
		body["associatedObjectTypeIds"], body["objectIds"] = append([]string{}, j.AssociatedTypeIDs...), []int64{}
	case JournalPrivacyDeletions:
		body["actions"] = []string{"GDPR_DELETE"}
	}
	return body
}

// SubscribeJournal has the journal hold such events from now on. One that is there
// already is replaced, or an [ErrConflict]: HubSpot's pages say both. It is an
// [ErrMissingScopes] where the app is not installed in the account, or its token
// may not see such records.
func (c *Client) SubscribeJournal(ctx context.Context, j JournalSubscription) error {
	return c.do(ctx, call{
		method: http.MethodPost, endpoint: "/webhooks-journal/subscriptions/" + APIVersion, body: j.body(), write: true, bucket: JournalBucket,
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

// Types and actions of a [JournalEvent] about the app itself.
const (
	LifecycleEvent  = "app_lifecycle_event"
	ActionInstall   = "APP_INSTALL"
	ActionUninstall = "APP_UNINSTALL"
)

// JournalFile is what one entry of the journal tells.
type JournalFile struct {
	Events []JournalEvent
	// PublishedAt is when HubSpot put it there; zero if it does not say.
	PublishedAt time.Time
}

// JournalEvent is one event of the journal.
type JournalEvent struct {
	// Type is such as [LifecycleEvent], Action such as [ActionUninstall].
	Type, Action string
	// HubID is the account that it happened in.
	HubID      int64
	OccurredAt time.Time
	// Changes are what it tells of the account's records, as webhooks would: one
	// for each property. They have no subscription and no source.
	Changes []WebhookEvent
}

type journalJSON struct {
	Events      []journalEventJSON `json:"journalEvents"`
	PublishedAt lenient            `json:"publishedAt"`
}

type journalEventJSON struct {
	Type         lenient           `json:"type"`
	Action       lenient           `json:"action"`
	PortalID     lenient           `json:"portalId"`
	OccurredAt   lenient           `json:"occurredAt"`
	ObjectTypeID lenient           `json:"objectTypeId"`
	ObjectID     lenient           `json:"objectId"`
	Properties   journalProperties `json:"propertyChanges"`
	FromTypeID   lenient           `json:"fromObjectTypeId"`
	FromID       lenient           `json:"fromObjectId"`
	ToTypeID     lenient           `json:"toObjectTypeId"`
	ToID         lenient           `json:"toObjectId"`
	IsPrimary    flag              `json:"isPrimary"`
	PrimaryID    lenient           `json:"primaryObjectId"`
	MergedIDs    lenients          `json:"mergedObjectIds"`
	NewID        lenient           `json:"newObjectId"`
}

// journalProperties are new values by property. HubSpot's pages show values alone;
// an object with a value in it is read as well. Anything else is none.
type journalProperties map[string]string

func (p *journalProperties) UnmarshalJSON(raw []byte) error {
	*p = nil
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil //nolint:nilerr // dropped
	}
	*p = journalProperties{}
	for name, value := range all {
		var text lenient
		var wrapped struct {
			Value    lenient `json:"value"`
			NewValue lenient `json:"newValue"`
		}
		if len(value) > 0 && value[0] == '{' {
			if json.Unmarshal(value, &wrapped) == nil {
				text = cmp.Or(wrapped.Value, wrapped.NewValue)
			}
		} else if json.Unmarshal(value, &text) != nil {
			continue
		}
		(*p)[name] = string(text)
	}
	return nil
}

func (j journalJSON) file() JournalFile {
	file := JournalFile{PublishedAt: looseTime(string(j.PublishedAt))}
	for _, e := range j.Events {
		if looseTime(string(e.OccurredAt)).IsZero() {
			e.OccurredAt = j.PublishedAt // its key needs a time
		}
		file.Events = append(file.Events, JournalEvent{
			Type: string(e.Type), Action: string(e.Action), HubID: e.PortalID.int64(), OccurredAt: looseTime(string(e.OccurredAt)), Changes: e.changes(),
		})
	}
	return file
}

// mergedObjectIDs is the property in which HubSpot keeps what was merged into a
// record.
const mergedObjectIDs = "hs_merged_object_ids"

// changes go by the action: what type an event of records has is not documented.
func (e journalEventJSON) changes() []WebhookEvent {
	change := WebhookEvent{
		HubID: e.PortalID.int64(), OccurredAt: looseTime(string(e.OccurredAt)), ObjectTypeID: string(e.ObjectTypeID), ObjectID: string(e.ObjectID),
	}
	as := func(kind string) WebhookEvent {
		out := change
		out.Kind, out.Type = kind, "object."+kind
		return out
	}
	action := string(e.Action)
	if strings.Contains(strings.ToLower(string(e.Type)), "privacy") {
		action = "GDPR_DELETE"
	}
	var changes []WebhookEvent
	switch action {
	case "CREATE":
		changes = append(changes, as(EventCreation))
	case "DELETE":
		changes = append(changes, as(EventDeletion))
	case "RESTORE":
		changes = append(changes, as(EventRestore))
	case "MERGE":
		changes = append(changes, e.merge(as(EventMerge)))
	case "GDPR_DELETE":
		forgotten := as(EventPrivacyDeletion)
		// There is none of anything but contacts.
		forgotten.ObjectTypeID, forgotten.Type = singularTypeIDs["contact"], "contact."+EventPrivacyDeletion
		changes = append(changes, forgotten)
	case "ASSOCIATION_ADDED", "ASSOCIATION_REMOVED":
		link := as(EventAssociationChange)
		link.ObjectTypeID, link.ObjectID = string(e.FromTypeID), ""
		link.AssociationType = associationName(string(e.FromTypeID), string(e.ToTypeID))
		link.FromObjectID, link.ToObjectID = string(e.FromID), string(e.ToID)
		link.AssociationRemoved, link.MadePrimary = action == "ASSOCIATION_REMOVED", bool(e.IsPrimary)
		return []WebhookEvent{link}
	case "UPDATE":
	default:
		return nil // of the app, of a list, a snapshot
	}
	for _, name := range slices.Sorted(maps.Keys(e.Properties)) {
		if name == mergedObjectIDs {
			continue // told by the merge itself
		}
		changed := as(EventPropertyChange)
		changed.PropertyName, changed.PropertyValue = name, e.Properties[name]
		changes = append(changes, changed)
	}
	return changes
}

// merge completes a merge with what the event says of it, which is not documented:
// it may name the records as a webhook does, or only what the property says that
// all were merged into this one. It may name none.
func (e journalEventJSON) merge(m WebhookEvent) WebhookEvent {
	m.PrimaryObjectID = cmp.Or(string(e.PrimaryID), m.ObjectID)
	m.NewObjectID, m.MergedObjectIDs = string(e.NewID), e.MergedIDs
	if len(m.MergedObjectIDs) == 0 {
		for id := range strings.SplitSeq(e.Properties[mergedObjectIDs], ";") {
			if id = strings.TrimSpace(id); id != "" {
				m.MergedObjectIDs = append(m.MergedObjectIDs, id)
			}
		}
	}
	return m
}

// associationName is what a webhook calls a change of such links.
func associationName(fromTypeID, toTypeID string) string {
	name := func(typeID string) string {
		for singular, id := range singularTypeIDs {
			if id == typeID {
				return strings.ToUpper(singular)
			}
		}
		return typeID
	}
	return name(fromTypeID) + "_TO_" + name(toTypeID)
}

// JournalFile reads the file of an entry, which HubSpot's storage serves: the
// token is not sent there. It goes to https addresses alone, and to http on
// this machine if the API itself is there (a simulator). Whatever goes wrong
// there, an expired address included, is an [ErrUnavailable]: ask for the entry
// again, by the offset before it.
func (c *Client) JournalFile(ctx context.Context, entry JournalEntry) (JournalFile, error) {
	r := call{method: http.MethodGet, endpoint: "(a file of the webhooks journal)", bucket: NoBucket}
	if !c.mayFetch(entry.URL) {
		return JournalFile{}, fmt.Errorf("hubspot: %s %s: the address is not https", r.method, r.endpoint)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, entry.URL, nil)
	if err != nil {
		return JournalFile{}, fmt.Errorf("hubspot: %s %s: the address is not usable", r.method, r.endpoint)
	}
	var out journalJSON
	err = c.send(req, r, &out)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		// A storage's 401 or 403 says nothing of our token and scopes.
		err = &TransportError{Method: r.method, Endpoint: r.endpoint, StatusCode: refused.StatusCode, Sent: true, cause: errors.New("the storage does not serve it")}
	}
	if err != nil {
		return JournalFile{}, err
	}
	if out.Events == nil {
		// Going on would lose what the file has under another name.
		return JournalFile{}, fmt.Errorf("hubspot: %s %s: it has no list of events", r.method, r.endpoint)
	}
	return out.file(), nil
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
