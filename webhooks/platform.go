package webhooks

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// Platform says how one sender of webhooks works. Make one with [NewPlatform]:
// the zero value authenticates nothing and is refused everywhere.
type Platform struct {
	name           string
	authentication Authentication
	mapping        Mapping
}

// Authentication is how a platform proves that a request is its own. There is
// one to a platform, and no platform without.
type Authentication interface {
	// CheckSecret says with a sentence why secret can't be a signing secret of
	// this kind. An empty one never can.
	CheckSecret(secret string) error
	// Verify says whether the request was signed with secret, over its raw
	// bytes, inside the time window. It fails with a [Refusal]; whether that is
	// [MissingSignature] depends on the header and the URL alone. Any other error
	// says that it can't be judged for now, and the platform has to send it again.
	Verify(r Request, secret string, now time.Time) error
}

// partial is an authentication that may prove a part of a body and not the rest.
type partial interface {
	// Proven returns the body with nothing in it but what one of the secrets
	// proves. It is called with a body that was verified, and only what it
	// returns is stored.
	Proven(body []byte, secrets []store.Secret) []byte
}

// acknowledging is an authentication of a platform that wants another answer than
// 200 to what was stored. With 204 the answer has no body.
type acknowledging interface{ accepted() int }

// acknowledge says that a delivery is stored.
func (p Platform) acknowledge(c *gin.Context, a answer) {
	status := http.StatusOK
	if said, is := p.authentication.(acknowledging); is {
		status = said.accepted()
	}
	if status == http.StatusNoContent {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return
	}
	c.JSON(status, a)
}

// Request is what an authentication sees: nothing of it is decoded.
type Request struct {
	// URL is where it was sent to, by Debrief's public address.
	URL    *url.URL
	Header http.Header
	Body   []byte
}

// Mapping is what a platform's bodies mean.
type Mapping interface {
	// Handshake returns the answer to a challenge, or ok false if the body is
	// none. It is called with a body whose signature was verified with secret.
	Handshake(body []byte, secret string) (answer any, ok bool)
	// Key names the delivery: the same for each attempt to deliver it.
	Key(d Delivery) string
	// Events returns what the delivery says, or an [Unfit] error.
	Events(d Delivery) ([]meeting.Event, error)
}

// Delivery is what a mapping sees of a webhook: only what is stored of it, so
// that it can be mapped again at any time.
type Delivery struct {
	SourceID uuid.UUID
	// ReceivedAt is when it came.
	ReceivedAt time.Time
	Header     http.Header
	Body       []byte
	// Fetched is what the platform's API answered about it, where the webhook
	// itself only names something; nil where nothing was asked.
	Fetched []byte
}

// noHandshake is of platforms that challenge nobody.
type noHandshake struct{}

func (noHandshake) Handshake([]byte, string) (any, bool) { return nil, false }

// unrouted is of platforms whose webhooks name no account that they could be routed by.
type unrouted struct{}

func (unrouted) ofOne() {}

// NewPlatform returns a platform, or an error where anything is missing.
func NewPlatform(name string, a Authentication, m Mapping) (Platform, error) {
	switch {
	case name == "":
		return Platform{}, errors.New("a platform needs a name")
	case a == nil:
		return Platform{}, fmt.Errorf("platform %s needs an authentication: unsigned webhooks are never accepted", name)
	case m == nil:
		return Platform{}, fmt.Errorf("platform %s needs a mapping", name)
	}
	return Platform{name: name, authentication: a, mapping: m}, nil
}

// Name is what sources call the platform.
func (p Platform) Name() string { return p.name }

// Proof is how the platform proves that a request is its own, in a few words.
func (p Platform) Proof() string {
	switch a := p.authentication.(type) {
	case bodySignature:
		return "a signature of the body in " + a.header
	case sharedSecret:
		if a.header == "" {
			return "a token in the URL"
		}
		return "a secret in the header " + a.header
	case signedToken:
		return "a signed token (RS256) over the URL and the body"
	case standardWebhooks:
		return "a signature as Standard Webhooks makes it"
	case graphState:
		return "the secret as the clientState of each notification"
	case pushIdentity:
		return "a signed token (RS256) of the service account that Pub/Sub pushes for"
	case channelToken:
		return "a token in the header X-Goog-Channel-Token, another one for each channel"
	case nobody:
		return "nothing: it sends no webhooks, Debrief reads it"
	case hubspotSignature:
		return "a signature of the method, the URL, the body and the time, or of the body"
	default:
		return "a signature of the time and the body"
	}
}

// OfOne says that the platform's webhooks name no account before the rest is fetched:
// a source of it is one organization's, and never the installation's.
func (p Platform) OfOne() bool {
	_, is := p.mapping.(interface{ ofOne() })
	return is
}

// Hint is what an operator has to know besides the URL and the secret; often
// nothing.
func (p Platform) Hint() string {
	switch a := p.authentication.(type) {
	case sharedSecret:
		if a.header == "" {
			return "Add ?token= and the secret to the URL. Whatever logs URLs on the way, a proxy say, sees it: tell it not to."
		}
		return "Let it send the header " + a.header + " with the secret."
	case signedToken:
		return "It has to post to exactly this URL: the URL is signed."
	case pushIdentity:
		return "Make a Pub/Sub push subscription that posts to this URL, with authentication by that service account. Debrief has Meet publish to its topic: give it the credentials."
	case channelToken:
		return "Debrief has the calendars watched itself: give it the credentials."
	case nobody:
		return "Nothing posts anything: from now on Debrief reads the meetings that HubSpot tells of, in the accounts that are connected."
	case graphState:
		return "Debrief makes the subscriptions itself, with this secret: give it the app's credentials."
	default:
		return ""
	}
}

// CheckSecret says with a sentence why secret can't be used with this platform.
func (p Platform) CheckSecret(secret string) error {
	if p.authentication == nil {
		return errors.New("the platform has no authentication")
	}
	return p.authentication.CheckSecret(secret)
}

// Platforms are those that Debrief knows, by name: those that have code of their
// own, and those that are [Definition]s.
func Platforms() map[string]Platform { return maps.Clone(shipped()) }

var shipped = sync.OnceValue(func() map[string]Platform {
	known := map[string]Platform{}
	add := func(p Platform, err error) {
		if err != nil {
			panic(err) // a mistake in what ships
		}
		known[p.name] = p
	}
	for _, p := range []struct {
		name           string
		authentication Authentication
		mapping        Mapping
	}{
		{"calcom", calcomSignature, calcomMapping{}},
		{"calendly", calendlySignature{}, calendlyMapping{}},
		{"debrief", standardWebhooks{}, debriefMapping{}},
		{"fathom", standardWebhooks{}, fathomMapping{}},
		{"fireflies", firefliesSignature, firefliesMapping{}},
		{"google-calendar", channelToken{}, googleCalendarMapping{}},
		{"google-meet", pushIdentity{keys: newPublishedKeys(googleKeys, nil)}, googleMeetMapping{}},
		{"granola", standardWebhooks{}, granolaMapping{}},
		{"hubspot", hubspotSignature{}, hubspotMapping{}},
		{store.HubSpotMeetings, nobody{}, hubspotMeetings{}},
		{"microsoft", graphState{}, newGraphMapping()},
		{"recall", standardWebhooks{}, recallMapping{}},
		{"zoom", zoomSignature{}, zoomMapping{}},
	} {
		add(NewPlatform(p.name, p.authentication, p.mapping))
	}
	for _, d := range definitions() {
		add(d.Platform())
	}
	return known
})

// Unfit says why a genuine delivery can't be used. The reason is a sentence for
// the operator and the sender, and quotes nothing of the body.
type Unfit struct{ Reason string }

// Error is the reason.
func (e Unfit) Error() string { return e.Reason }

// Refusal is why a request was not accepted as the platform's. The sender never
// learns which.
type Refusal string

// The refusals, as they are counted and logged.
const (
	UnknownSource     Refusal = "unknown source"
	MissingSignature  Refusal = "missing signature"
	WrongSignature    Refusal = "wrong signature"
	OutsideTimeWindow Refusal = "timestamp outside the window"
)

// Error names the refusal.
func (r Refusal) Error() string { return string(r) }

var eventName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_. -]{0,79}$`)

// notUsed is the verdict on a genuine event that Debrief has no use for. Its name
// is told if it looks like one.
func notUsed(platform, event string) Unfit {
	if !eventName.MatchString(event) {
		return Unfit{"the body has no event that " + platform + " would send"}
	}
	return Unfit{"Debrief does not use " + possessive(platform) + " event " + event}
}

func possessive(name string) string {
	if strings.HasSuffix(name, "s") {
		return name + "'"
	}
	return name + "'s"
}
