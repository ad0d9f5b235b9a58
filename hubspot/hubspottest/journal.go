package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	installEvent   = "4-1909196"
	uninstallEvent = "4-1916193"

	// journalKeeps is HubSpot's: the journal goes back three days.
	journalKeeps = 3 * 24 * time.Hour
	// journalFileLife is ours: HubSpot says only that the address expires.
	journalFileLife = 5 * time.Minute
)

// journalSubscription is what an app has asked the webhooks journal for. Its
// JSON is the API's.
type journalSubscription struct {
	ID           int64  `json:"id"`
	AppID        int64  `json:"appId"`
	Type         string `json:"subscriptionType"`
	EventTypeID  string `json:"eventTypeId,omitempty"`
	ObjectTypeID string `json:"objectTypeId,omitempty"`
	// PortalID 0 is every account that has installed the app.
	PortalID  int64    `json:"portalId,omitempty"`
	Actions   []string `json:"actions"`
	ObjectIDs []int64  `json:"objectIds"`
	// AssociatedTypeIDs are of ASSOCIATION: the types at the other end.
	AssociatedTypeIDs []string  `json:"associatedObjectTypeIds,omitempty"`
	Properties        []string  `json:"properties"`
	CreatedAt         milliTime `json:"createdAt"`
	UpdatedAt         milliTime `json:"updatedAt"`
}

func (a *journalSubscription) same(b *journalSubscription) bool {
	return a.Type == b.Type && a.EventTypeID == b.EventTypeID && a.ObjectTypeID == b.ObjectTypeID && a.PortalID == b.PortalID
}

// journal is what an app can still read.
type journal struct{ entries []*journalEntry }

// journalEntry is one file. What happens before it is read for the first time
// joins it.
type journalEntry struct {
	offset string
	at     time.Time
	events []any
	read   bool
	// expiresAt is of the file's address.
	expiresAt time.Time
}

func (s *Server) addJournalRoutes() {
	need := func(b bucket, fn func(*request) reply, scopes ...string) route {
		return route{app: true, bucket: b, scopes: func(*request) []string { return scopes }, fn: fn}
	}
	const prefix = "developer.webhooks_journal."
	at := "/webhooks-journal/journal/" + APIVersion
	s.handle("GET "+at+"/earliest", need(journalBucket, journalEarliest, prefix+"read"))
	s.handle("GET "+at+"/latest", need(journalBucket, journalLatest, prefix+"read"))
	s.handle("GET "+at+"/offset/{offset}/next", need(journalBucket, journalNext, prefix+"read"))
	at = "/webhooks-journal/subscriptions/" + APIVersion
	s.handle("POST "+at, need(subscriptionBucket, createJournalSubscription, prefix+"subscriptions.write"))
	s.handle("GET "+at, need(subscriptionBucket, listJournalSubscriptions, prefix+"subscriptions.read"))
	s.handle("GET "+at+"/{id}", need(subscriptionBucket, readJournalSubscription, prefix+"subscriptions.read"))
	s.handle("DELETE "+at+"/portals/{hub}", need(subscriptionBucket, deleteJournalSubscriptions, prefix+"subscriptions.write"))
	s.handle("DELETE "+at+"/{id}", need(subscriptionBucket, deleteJournalSubscription, prefix+"subscriptions.write"))
	s.handle("GET /webhooks-journal/files/{offset}", route{public: true, fn: journalFile})
}

// publish adds an event to an app's journal.
func (s *Server) publish(clientID string, event any) {
	j := s.journals[clientID]
	if j == nil {
		j = &journal{}
		s.journals[clientID] = j
	}
	now := s.now()
	j.entries = slices.DeleteFunc(j.entries, func(e *journalEntry) bool { return now.Sub(e.at) > journalKeeps })
	if n := len(j.entries); n > 0 && !j.entries[n-1].read && len(j.entries[n-1].events) < maxEventsPerBatch {
		j.entries[n-1].events = append(j.entries[n-1].events, event)
		return
	}
	j.entries = append(j.entries, &journalEntry{offset: newUUID(), at: now, events: []any{event}})
}

// lifecycle writes of an installation or its end.
func (s *Server) lifecycle(clientID string, hubID int64, action string) {
	event := map[string]string{"APP_INSTALL": installEvent, "APP_UNINSTALL": uninstallEvent}[action]
	for _, sub := range s.st.Journal[clientID] {
		if sub.Type == "APP_LIFECYCLE_EVENT" && sub.EventTypeID == event && (sub.PortalID == 0 || sub.PortalID == hubID) {
			s.publish(clientID, map[string]any{
				"type": "app_lifecycle_event", "action": action, "eventTypeId": event, "portalId": hubID, "appId": sub.AppID, "occurredAt": formatTime(s.now()),
			})
		}
	}
}

var journalActions = map[string]string{
	created: "CREATE", propertyChanged: "UPDATE", deleted: "DELETE", merged: "MERGE", restored: "RESTORE", privacyDeleted: "GDPR_DELETE",
}

// journalChange writes of a change to a record.
func (s *Server) journalChange(clientID string, c change) {
	app := s.st.Apps[clientID]
	for _, sub := range s.st.Journal[clientID] {
		if !sub.wants(c) {
			continue
		}
		event := app.journalEvent(c)
		s.publish(clientID, event)
		if app.JournalUnruly {
			s.publish(clientID, event)
		}
	}
}

var journalKinds = map[string]string{associationChanged: "ASSOCIATION", privacyDeleted: "GDPR_PRIVACY_DELETION"}

func (c change) journalType() string {
	if kind := journalKinds[c.kind]; kind != "" {
		return kind
	}
	return "OBJECT"
}

func (c change) journalAction() string {
	switch {
	case c.kind == associationChanged && c.removed:
		return "ASSOCIATION_REMOVED"
	case c.kind == associationChanged:
		return "ASSOCIATION_ADDED"
	}
	return journalActions[c.kind]
}

func (a *journalSubscription) wants(c change) bool {
	switch {
	case a.PortalID != c.hub || a.Type != c.journalType() || a.ObjectTypeID != c.t.ID:
		return false
	case c.kind == associationChanged && !slices.Contains(a.AssociatedTypeIDs, c.to.ID):
		return false
	case c.kind == propertyChanged && !slices.Contains(a.Properties, c.property):
		return false
	}
	return slices.Contains(a.Actions, c.journalAction()) && (len(a.ObjectIDs) == 0 || slices.Contains(a.ObjectIDs, number(c.id)))
}

func (a *App) journalEvent(c change) map[string]any {
	event := map[string]any{"type": strings.ToLower(c.journalType()), "action": c.journalAction(), "portalId": c.hub, "occurredAt": formatTime(c.at)}
	if c.kind == associationChanged {
		event["fromObjectTypeId"], event["fromObjectId"] = c.t.ID, number(c.id)
		event["toObjectTypeId"], event["toObjectId"] = c.to.ID, number(c.toID)
		event["isPrimary"] = c.primary
		return event
	}
	event["objectTypeId"], event["objectId"] = c.t.ID, number(c.id)
	switch {
	case c.kind == propertyChanged:
		event["propertyChanges"] = map[string]string{c.property: c.value}
	case c.kind == merged && a.JournalMerges == "property":
		event["propertyChanges"] = map[string]string{"hs_merged_object_ids": strings.Join(c.mergedIDs, ";")}
	case c.kind == merged && a.JournalMerges != "bare":
		event["primaryObjectId"], event["newObjectId"], event["mergedObjectIds"] = number(c.id), number(c.id), c.mergedIDs
	}
	return event
}

var journalTypes = []string{"OBJECT", "ASSOCIATION", "APP_LIFECYCLE_EVENT", "LIST_MEMBERSHIP", "GDPR_PRIVACY_DELETION"}

func createJournalSubscription(q *request) reply {
	sub := &journalSubscription{}
	if refused := q.decode(sub); refused != nil {
		return *refused
	}
	lifecycle := sub.Type == "APP_LIFECYCLE_EVENT"
	switch {
	case !slices.Contains(journalTypes, sub.Type):
		return invalid("Invalid subscriptionType: %s", sub.Type)
	case lifecycle && sub.EventTypeID != installEvent && sub.EventTypeID != uninstallEvent:
		return invalid("Invalid eventTypeId: %s", sub.EventTypeID)
	case !lifecycle && sub.PortalID == 0:
		return invalid("portalId is required")
	case !lifecycle && !q.s.st.Installs[installKey(sub.PortalID, q.app.ClientID)]:
		return problem(http.StatusForbidden, "MISSING_SCOPES", "The app is not installed in that account.")
	case !lifecycle && sub.Type != "LIST_MEMBERSHIP" && sub.ObjectTypeID == "":
		return invalid("objectTypeId is required")
	case !lifecycle && len(sub.Actions) == 0:
		return invalid("actions is required")
	case sub.Type == "OBJECT" && sub.Properties == nil:
		return invalid("properties is required")
	case sub.Type == "ASSOCIATION" && len(sub.AssociatedTypeIDs) == 0:
		return invalid("associatedObjectTypeIds is required")
	}
	if t := q.s.st.Portals[sub.PortalID]; t != nil && sub.ObjectTypeID != "" {
		t := t.typeOf(sub.ObjectTypeID)
		if t == nil {
			return invalid("Unknown objectTypeId: %s", sub.ObjectTypeID)
		}
		if !slices.ContainsFunc(t.Read, func(scope string) bool { return slices.Contains(q.token.Scopes, scope) }) {
			return missingScopes(t.Read)
		}
	}
	for _, have := range q.s.st.Journal[q.app.ClientID] {
		if have.same(sub) {
			if q.app.JournalUpserts {
				have.Actions, have.Properties, have.ObjectIDs, have.AssociatedTypeIDs, have.UpdatedAt = sub.Actions, sub.Properties, sub.ObjectIDs, sub.AssociatedTypeIDs, q.stamp()
				return reply{status: http.StatusOK, body: *have}
			}
			return problem(http.StatusConflict, "CONFLICT", "A subscription of that kind already exists")
		}
	}
	sub.ID, sub.AppID = q.s.st.newID()%100_000_000, q.app.AppID
	sub.CreatedAt, sub.UpdatedAt = q.stamp(), q.stamp()
	q.s.st.Journal[q.app.ClientID] = append(q.s.st.Journal[q.app.ClientID], sub)
	return reply{status: http.StatusCreated, body: *sub}
}

func listJournalSubscriptions(q *request) reply {
	results := []any{}
	for _, sub := range q.s.st.Journal[q.app.ClientID] {
		results = append(results, *sub)
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func readJournalSubscription(q *request) reply {
	for _, sub := range q.s.st.Journal[q.app.ClientID] {
		if strconv.FormatInt(sub.ID, 10) == q.vars["id"] {
			return reply{status: http.StatusOK, body: *sub}
		}
	}
	return notFound()
}

func deleteJournalSubscription(q *request) reply {
	st := q.s.st
	st.Journal[q.app.ClientID] = slices.DeleteFunc(st.Journal[q.app.ClientID], func(sub *journalSubscription) bool {
		return strconv.FormatInt(sub.ID, 10) == q.vars["id"]
	})
	return reply{status: http.StatusNoContent}
}

func deleteJournalSubscriptions(q *request) reply {
	st := q.s.st
	st.Journal[q.app.ClientID] = slices.DeleteFunc(st.Journal[q.app.ClientID], func(sub *journalSubscription) bool {
		return strconv.FormatInt(sub.PortalID, 10) == q.vars["hub"]
	})
	return reply{status: http.StatusNoContent}
}

// journalEntries are those that are not too old.
func (q *request) journalEntries() []*journalEntry {
	j := q.s.journals[q.app.ClientID]
	if j == nil {
		return nil
	}
	for i, e := range j.entries {
		if q.now.Sub(e.at) <= journalKeeps {
			return j.entries[i:]
		}
	}
	return nil
}

func (q *request) journalEntry(e *journalEntry) reply {
	if e == nil {
		if q.app.JournalEmptyIs404 {
			return notFound()
		}
		return reply{status: http.StatusNoContent}
	}
	e.read, e.expiresAt = true, q.now.Add(journalFileLife)
	return reply{status: http.StatusOK, body: map[string]any{
		"url": q.s.URL + "/webhooks-journal/files/" + e.offset, "currentOffset": e.offset, "expiresAt": formatTime(e.expiresAt),
	}}
}

func journalEarliest(q *request) reply {
	if entries := q.journalEntries(); len(entries) > 0 {
		return q.journalEntry(entries[0])
	}
	return q.journalEntry(nil)
}

func journalLatest(q *request) reply {
	if entries := q.journalEntries(); len(entries) > 0 {
		return q.journalEntry(entries[len(entries)-1])
	}
	return q.journalEntry(nil)
}

func journalNext(q *request) reply {
	entries := q.journalEntries()
	at := slices.IndexFunc(entries, func(e *journalEntry) bool { return e.offset == q.vars["offset"] })
	if at < 0 {
		return notFound()
	}
	if at+1 < len(entries) {
		return q.journalEntry(entries[at+1])
	}
	return q.journalEntry(nil)
}

// journalFile is what an entry's address leads to, without a token.
func journalFile(q *request) reply {
	if q.header.Get("Authorization") != "" {
		// The address is signed for a store that is not HubSpot's API; it
		// refuses a second way to authenticate.
		return reply{status: http.StatusBadRequest}
	}
	for clientID, j := range q.s.journals {
		for _, e := range j.entries {
			if e.offset != q.vars["offset"] {
				continue
			}
			if !q.now.Before(e.expiresAt) {
				return reply{status: http.StatusForbidden}
			}
			return reply{status: http.StatusOK, body: map[string]any{
				"offset": e.offset, "journalEvents": q.s.inFile(clientID, e), "publishedAt": formatTime(e.at),
			}}
		}
	}
	return notFound()
}

func (s *Server) inFile(clientID string, e *journalEntry) []any {
	events := slices.Clone(e.events)
	if app := s.st.Apps[clientID]; app != nil && app.JournalUnruly {
		slices.Reverse(events)
	}
	return events
}
