package webhooks

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/meeting"
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
	// Verify says whether the request was signed with secret, over these raw
	// bytes, inside the time window. It fails with a [Refusal]; whether that is
	// [MissingSignature] depends on the header alone.
	Verify(header http.Header, body []byte, secret string, now time.Time) error
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
	Header   http.Header
	Body     []byte
}

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

// CheckSecret says with a sentence why secret can't be used with this platform.
func (p Platform) CheckSecret(secret string) error {
	if p.authentication == nil {
		return errors.New("the platform has no authentication")
	}
	return p.authentication.CheckSecret(secret)
}

// Platforms are those that Debrief knows, by name.
func Platforms() map[string]Platform {
	known := map[string]Platform{}
	for _, p := range []struct {
		name           string
		authentication Authentication
		mapping        Mapping
	}{
		{"debrief", standardWebhooks{}, debriefMapping{}},
		{"zoom", zoomSignature{}, zoomMapping{}},
	} {
		platform, err := NewPlatform(p.name, p.authentication, p.mapping)
		if err != nil {
			panic(err) // a mistake in the list above
		}
		known[p.name] = platform
	}
	return known
}

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
