package hubspot

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// What a webhook tells, as [WebhookEvent.Kind].
const (
	EventCreation          = "creation"
	EventDeletion          = "deletion"
	EventRestore           = "restore"
	EventMerge             = "merge"
	EventPropertyChange    = "propertyChange"
	EventAssociationChange = "associationChange"
	EventPrivacyDeletion   = "privacyDeletion"
)

// WebhookEvent is one event of a webhook's body. HubSpot delivers events late,
// more than once and out of order: read the record to learn what is so now.
type WebhookEvent struct {
	// EventID is not unique, and 0 in some: see [WebhookEvent.Key].
	EventID, SubscriptionID, AppID int64
	// HubID is the account. One address serves all accounts of an app.
	HubID      int64
	OccurredAt time.Time
	// Type is HubSpot's name for it, such as "contact.propertyChange" or
	// "object.creation"; Kind is what stands behind the dot.
	Type, Kind string
	// ObjectTypeID is such as "0-1", of types that this package names and of
	// "object." events; otherwise empty.
	ObjectTypeID string
	// ObjectID is empty in a change of associations.
	ObjectID string
	// AttemptNumber is 0 for the first delivery.
	AttemptNumber int
	// PropertyName and PropertyValue are of a change of a property.
	PropertyName, PropertyValue string
	// Sensitive says that the value is of a property marked so.
	Sensitive bool
	// ChangeSource and SourceID say who did it, such as "INTEGRATION" and an
	// app: an app sees its own changes too. ChangeFlag is such as "NEW".
	ChangeSource, SourceID, ChangeFlag string

	// PrimaryObjectID, MergedObjectIDs and NewObjectID are of a merge.
	PrimaryObjectID string
	MergedObjectIDs []string
	NewObjectID     string

	// These are of a change of associations: AssociationType is a name such as
	// "CONTACT_TO_COMPANY".
	AssociationType                 string
	FromObjectID, ToObjectID        string
	AssociationRemoved, MadePrimary bool
}

type eventJSON struct {
	EventID          lenient  `json:"eventId"`
	SubscriptionID   lenient  `json:"subscriptionId"`
	AppID            lenient  `json:"appId"`
	PortalID         lenient  `json:"portalId"`
	OccurredAt       lenient  `json:"occurredAt"`
	SubscriptionType lenient  `json:"subscriptionType"`
	EventType        lenient  `json:"eventType"`
	ObjectTypeID     lenient  `json:"objectTypeId"`
	FromObjectTypeID lenient  `json:"fromObjectTypeId"`
	ObjectID         lenient  `json:"objectId"`
	AttemptNumber    lenient  `json:"attemptNumber"`
	PropertyName     lenient  `json:"propertyName"`
	PropertyValue    lenient  `json:"propertyValue"`
	IsSensitive      flag     `json:"isSensitive"`
	ChangeSource     lenient  `json:"changeSource"`
	SourceID         lenient  `json:"sourceId"`
	ChangeFlag       lenient  `json:"changeFlag"`
	PrimaryObjectID  lenient  `json:"primaryObjectId"`
	MergedObjectIDs  lenients `json:"mergedObjectIds"`
	NewObjectID      lenient  `json:"newObjectId"`
	AssociationType  lenient  `json:"associationType"`
	FromObjectID     lenient  `json:"fromObjectId"`
	ToObjectID       lenient  `json:"toObjectId"`
	Removed          flag     `json:"associationRemoved"`
	IsPrimary        flag     `json:"isPrimaryAssociation"`
}

// lenients is a list of texts; anything else is none.
type lenients []string

func (l *lenients) UnmarshalJSON(raw []byte) error {
	*l = nil
	var list []lenient
	if json.Unmarshal(raw, &list) != nil {
		return nil //nolint:nilerr // dropped
	}
	for _, one := range list {
		*l = append(*l, string(one))
	}
	return nil
}

// ErrWebhookBody: the body is not a list of events.
var ErrWebhookBody = errors.New("hubspot: the body is not a list of webhook events")

// ParseWebhook reads the body of a webhook, after its signature was verified:
// up to 100 events as HubSpot sends them, all that the body has as this reads
// it; bound the body where it is received. What HubSpot leaves out stays
// empty: look at HubID and Type.
func ParseWebhook(body []byte) ([]WebhookEvent, error) {
	var list []eventJSON
	if json.Unmarshal(body, &list) != nil || list == nil {
		// encoding/json would quote what it could not read.
		return nil, ErrWebhookBody
	}
	events := make([]WebhookEvent, 0, len(list))
	for _, e := range list {
		events = append(events, e.event())
	}
	return events, nil
}

func (e eventJSON) event() WebhookEvent {
	out := WebhookEvent{
		EventID: e.EventID.int64(), SubscriptionID: e.SubscriptionID.int64(), AppID: e.AppID.int64(), HubID: e.PortalID.int64(),
		OccurredAt: looseTime(string(e.OccurredAt)), Type: string(e.SubscriptionType), ObjectTypeID: string(e.ObjectTypeID), ObjectID: string(e.ObjectID),
		AttemptNumber: int(e.AttemptNumber.int64()), PropertyName: string(e.PropertyName), PropertyValue: string(e.PropertyValue), Sensitive: bool(e.IsSensitive),
		ChangeSource: string(e.ChangeSource), SourceID: string(e.SourceID), ChangeFlag: string(e.ChangeFlag),
		PrimaryObjectID: string(e.PrimaryObjectID), MergedObjectIDs: e.MergedObjectIDs, NewObjectID: string(e.NewObjectID),
		AssociationType: string(e.AssociationType), FromObjectID: string(e.FromObjectID), ToObjectID: string(e.ToObjectID),
		AssociationRemoved: bool(e.Removed), MadePrimary: bool(e.IsPrimary),
	}
	if out.Type == "" {
		out.Type = string(e.EventType) // as some of HubSpot's pages have it
	}
	object, kind, _ := strings.Cut(out.Type, ".")
	out.Kind = kind
	if out.ObjectTypeID == "" {
		out.ObjectTypeID = cmp.Or(singularTypeIDs[object], string(e.FromObjectTypeID))
	}
	return out
}

// singularTypeIDs are for the names that event types begin with.
var singularTypeIDs = map[string]string{"contact": "0-1", "company": "0-2", "deal": "0-3", "ticket": "0-5"}

// Key is the same for each delivery of one event, and for no other: HubSpot's
// advice is subscription, object, property and time, since event IDs repeat. The
// kind stands for the subscription, so that two subscriptions to the same thing
// ("contact.creation", "object.creation"), two apps and the journal tell one event.
// Where an event has no single object, its ends or parts stand for it. The key
// holds IDs and names, no value.
func (e WebhookEvent) Key() string {
	n := func(i int64) string { return strconv.FormatInt(i, 10) }
	at := n(e.OccurredAt.UnixMilli())
	if e.OccurredAt.IsZero() {
		at = "event " + n(e.EventID)
	}
	object := e.ObjectTypeID
	if object == "" {
		object, _, _ = strings.Cut(e.Type, ".")
	}
	parts := []string{n(e.HubID), e.Kind, object, e.ObjectID, at}
	switch e.Kind {
	case EventPropertyChange:
		parts = append(parts, e.PropertyName)
	case EventMerge:
		parts = append(append(parts, e.PrimaryObjectID, e.NewObjectID), e.MergedObjectIDs...)
	case EventAssociationChange:
		parts = append(parts, e.AssociationType, e.FromObjectID, e.ToObjectID, strconv.FormatBool(e.AssociationRemoved), strconv.FormatBool(e.MadePrimary))
	}
	for i, p := range parts {
		// A separator within a part must not make two events one.
		parts[i] = strings.NewReplacer(`\`, `\\`, "/", `\/`).Replace(p)
	}
	return strings.Join(parts, "/")
}
