package connections

import (
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
	// Provider says where HubSpot is; its zero value is [HubSpot].
	Provider Provider
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
	if o.Provider.Name == "" {
		o.Provider = HubSpot()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		store: s, options: o, slots: make(chan struct{}, parallelRefreshes),
		tokens: map[uuid.UUID]cachedToken{},
	}
}

// RedirectURL is the redirect address that HubSpot apps have to declare.
func (s *Service) RedirectURL() string { return s.options.PublicURL + CallbackPath }

func (s *Service) oauth(app store.App, secret store.Secret) hubspot.OAuth {
	return hubspot.OAuth{
		ClientID: app.ClientID, ClientSecret: secret.Reveal(), RedirectURL: s.RedirectURL(),
		AuthorizeURL: s.options.Provider.AuthorizeURL, BaseURL: s.options.Provider.BaseURL, HTTPClient: s.options.HTTPClient,
	}
}

func (s *Service) hubspot(accessToken string) *hubspot.Client {
	return hubspot.New(hubspot.Options{BaseURL: s.options.Provider.BaseURL, HTTPClient: s.options.HTTPClient}).As(accessToken)
}

// Provider says where HubSpot is, and what is asked of it.
func (s *Service) Provider() Provider { return s.options.Provider }
