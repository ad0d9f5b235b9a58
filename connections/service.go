package connections

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// CallbackPath is where HubSpot sends the browser back to: the public URL with
// this path is the redirect address that a HubSpot app declares.
const CallbackPath = "/oauth/hubspot/callback"

const (
	// ahead is how long before its end a token counts as old. It covers clocks
	// that differ, and calls that take their time.
	ahead = 5 * time.Minute
	// callTimeout bounds one call to HubSpot's OAuth endpoints. It is shorter
	// than the store's wait for the row lock that is held meanwhile, so that
	// who waits outlasts who calls.
	callTimeout = 10 * time.Second
	// trusted is how long a token in memory is used without looking whether
	// its connection still stands.
	trusted = 3 * time.Second
	// parallelRefreshes bounds the database connections that wait for HubSpot,
	// well below the pool's size.
	parallelRefreshes = 4
)

// Options say where HubSpot is, and how it gets back here.
type Options struct {
	// PublicURL is this installation's address, as browsers reach it.
	PublicURL string
	// AuthorizeURL is HubSpot's consent page; empty for HubSpot's own.
	AuthorizeURL string
	// APIURL is the root of HubSpot's API; empty for HubSpot's own.
	APIURL string
	// HTTPClient carries the calls; nil for the default transport.
	HTTPClient *http.Client
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Service is one process's way to connections. Make it with [New]; it is safe
// for concurrent use.
type Service struct {
	store   *store.Store
	options Options

	flights singleflight.Group
	slots   chan struct{}

	mu     sync.Mutex
	tokens map[uuid.UUID]cachedToken
	// rest is until when HubSpot asked not to be asked for a token again.
	rest map[uuid.UUID]time.Time
}

type cachedToken struct {
	access  store.Secret
	version int64
	// until is when it has to be looked at again.
	until time.Time
}

// New returns a service.
func New(s *store.Store, o Options) *Service {
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		store: s, options: o, slots: make(chan struct{}, parallelRefreshes),
		tokens: map[uuid.UUID]cachedToken{}, rest: map[uuid.UUID]time.Time{},
	}
}

// RedirectURL is the redirect address that HubSpot apps have to declare.
func (s *Service) RedirectURL() string { return s.options.PublicURL + CallbackPath }

func (s *Service) oauth(app store.App, secret store.Secret) hubspot.OAuth {
	return hubspot.OAuth{
		ClientID: app.ClientID, ClientSecret: secret.Reveal(), RedirectURL: s.RedirectURL(),
		AuthorizeURL: s.options.AuthorizeURL, BaseURL: s.options.APIURL, HTTPClient: s.options.HTTPClient,
	}
}

// ForMeeting picks the connection that acts for an organization's meetings: the
// only one there is. One that has ended counts only if there is no other: then
// work waits for it. The error is [ErrNoConnection], or an [*AmbiguousError]
// when several could act.
func (s *Service) ForMeeting(ctx context.Context, organizationID uuid.UUID) (store.Connection, error) {
	all, err := s.store.Connections(ctx, organizationID)
	if err != nil {
		return store.Connection{}, fmt.Errorf("choosing a connection: %w", err)
	}
	candidates := make([]store.Connection, 0, len(all))
	for _, c := range all {
		// Those are gone on purpose; one that needs a reconnect is not.
		if c.State != store.Revoked && c.State != store.Uninstalled {
			candidates = append(candidates, c)
		}
	}
	if len(candidates) == 0 {
		candidates = all
	}
	switch len(candidates) {
	case 0:
		return store.Connection{}, ErrNoConnection
	case 1:
		return candidates[0], nil
	}
	ambiguous := &AmbiguousError{}
	for _, c := range candidates {
		ambiguous.Names = append(ambiguous.Names, c.Name)
	}
	return store.Connection{}, ambiguous
}
