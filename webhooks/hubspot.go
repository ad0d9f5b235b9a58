package webhooks

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

// hubspotSignature is HubSpot's, under the app's client secret: the HMAC of method,
// URL, body and time in X-HubSpot-Signature-v3, or the older hash of secret and
// body in X-HubSpot-Signature, of version v1 (v2: with method and URL). See
// [hubspot.VerifyV3]. Webhooks may carry either or both, and either is enough:
// who replays one could leave the other out. The older ones have no time; a
// replay of theirs holds events that stand already.
type hubspotSignature struct{}

func (hubspotSignature) CheckSecret(secret string) error {
	return checkSecret(secret, "copy the app's client secret from its Auth page in HubSpot")
}

func (h hubspotSignature) Verify(r Request, secret string, now time.Time) error {
	v3, timestamp := one(r.Header, "X-Hubspot-Signature-V3"), one(r.Header, "X-Hubspot-Request-Timestamp")
	older, version := one(r.Header, "X-Hubspot-Signature"), one(r.Header, "X-Hubspot-Signature-Version")
	if v3 == "" && older == "" {
		return MissingSignature
	}
	if h.CheckSecret(secret) != nil {
		return WrongSignature
	}
	uri := ""
	if r.URL != nil {
		uri = r.URL.String()
	}
	refusal := WrongSignature
	if v3 != "" {
		switch err := hubspot.VerifyV3(secret, http.MethodPost, uri, r.Body, v3, timestamp, now); {
		case err == nil:
			return nil
		case errors.Is(err, hubspot.ErrSignatureTime) && older == "":
			refusal = OutsideTimeWindow // under any secret
		}
	}
	var err error
	switch version {
	case "v1":
		err = hubspot.VerifyV1(secret, r.Body, older)
	case "v2":
		err = hubspot.VerifyV2(secret, http.MethodPost, uri, r.Body, older)
	default:
		err = hubspot.ErrSignature
	}
	if err == nil {
		return nil
	}
	return refusal
}

// crmMapping is of a platform that tells of records, not of meetings.
type crmMapping interface {
	// changes returns what the body tells, or an [Unfit] error.
	changes(body []byte) ([]hubspot.WebhookEvent, error)
}

// hubspotMapping reads HubSpot's batches: up to 100 events, in no order, some for
// the second time. A batch that is sent again is another delivery (each event
// counts its attempts); its events are the same, by their own keys.
type hubspotMapping struct{ noHandshake }

func (hubspotMapping) Key(Delivery) string { return "" }

// Events finds no meetings; an error is the one of changes.
func (m hubspotMapping) Events(d Delivery) ([]meeting.Event, error) {
	_, err := m.changes(d.Body)
	return nil, err
}

// hubspotEvents is how many events of one body are read: HubSpot sends 100.
const hubspotEvents = 1000

func (hubspotMapping) changes(body []byte) ([]hubspot.WebhookEvent, error) {
	if err := checkShape(body); err != nil {
		return nil, err
	}
	events, err := hubspot.ParseWebhook(body)
	switch {
	case err != nil:
		return nil, Unfit{"the body is not a list of HubSpot's events"}
	case len(events) == 0:
		return nil, Unfit{"the list of HubSpot's events is empty"}
	case len(events) > hubspotEvents:
		return nil, Unfit{"the list has more events than HubSpot sends"}
	}
	// One that can't be used must not take the others with it.
	usable := slices.DeleteFunc(events, func(e hubspot.WebhookEvent) bool { return e.HubID == 0 || e.Kind == "" })
	if len(usable) == 0 {
		return nil, Unfit{"no event names an account and what happened there"}
	}
	return usable, nil
}
