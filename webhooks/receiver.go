package webhooks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/store"
)

// DefaultBodyLimit is the largest body of a source that sets no other: events
// with transcripts are the largest that platforms send, and none states a bound.
const DefaultBodyLimit = 10 << 20

const (
	// A platform that needs longer than this for a body is no platform.
	bodyTimeout = 30 * time.Second
	// Bodies up to smallBody are read as they come; of larger ones only so many
	// at once, so that nobody fills the memory without a signature; and of one
	// source fewer, so that who knows one does not hold up the others.
	smallBody         = 256 << 10
	largeBodies       = 16
	largeBodiesSource = 4
	// How long a source is believed without asking Postgres: so long a change
	// of its secrets takes to reach every receiver.
	sourceTTL      = 2 * time.Second
	sourcesInCache = 10_000
	refusalLogging = 10 * time.Second
)

// ReceiverOptions are what a [Receiver] needs.
type ReceiverOptions struct {
	Store     *store.Store
	Platforms map[string]Platform
	Log       zerolog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Received is called after a delivery was committed and answered, to have it
	// understood at once; it must not block. May be nil: a relay finds it anyway.
	Received func()
}

// Receiver answers the platforms. It is safe for concurrent use, and any number
// of them may share one database.
type Receiver struct {
	store     *store.Store
	platforms map[string]Platform
	log       zerolog.Logger
	now       func() time.Time
	received  func()
	large     chan struct{}

	mu       sync.Mutex
	sources  map[uuid.UUID]cachedSource
	largeOf  map[uuid.UUID]chan struct{} // of known sources only
	counts   map[string]uint64
	lastSaid time.Time
	unsaid   int
}

type cachedSource struct {
	source store.Source
	known  bool
	until  time.Time
}

// NewReceiver returns a receiver.
func NewReceiver(o ReceiverOptions) *Receiver {
	r := &Receiver{
		store: o.Store, platforms: o.Platforms, log: o.Log, now: o.Now, received: o.Received,
		large: make(chan struct{}, largeBodies), sources: map[uuid.UUID]cachedSource{}, largeOf: map[uuid.UUID]chan struct{}{}, counts: map[string]uint64{},
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.received == nil {
		r.received = func() {}
	}
	return r
}

// Register adds POST /webhooks/:source, with and without a slash at the end: a
// redirect counts as a failure with most platforms.
func (r *Receiver) Register(router gin.IRoutes) {
	router.POST("/webhooks/:source", r.receive)
	router.POST("/webhooks/:source/", r.receive)
}

// Counts are how many requests ended how since the start: "accepted",
// "duplicate", "handshake", "unprocessable", "excluded", "too large",
// "unavailable", "unreadable", or by their [Refusal].
func (r *Receiver) Counts() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

func (r *Receiver) count(outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[outcome]++
}

// answer is the body of every response but a handshake's.
type answer struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (r *Receiver) receive(c *gin.Context) {
	ctx := c.Request.Context()
	source, known, err := r.source(ctx, c.Param("source"))
	if err != nil {
		r.unavailable(c, err)
		return
	}
	if refusal := r.hopeless(c.Request.Header, source, known); refusal != nil {
		if err := r.drain(c, source); err != nil {
			r.unreadable(c, err)
			return
		}
		r.refuse(c, source, refusal)
		return
	}
	body, err := r.read(c, source)
	if err != nil {
		r.unreadable(c, err)
		return
	}
	secret, refusal := r.verify(c.Request.Header, body, source)
	if refusal != nil {
		r.refuse(c, source, refusal)
		return
	}
	platform := r.platforms[source.Platform]
	if challenge, is := platform.mapping.Handshake(body, secret); is {
		r.count("handshake")
		c.JSON(http.StatusOK, challenge)
		return
	}

	d := Delivery{SourceID: source.ID, Header: c.Request.Header, Body: body}
	n := store.NewDelivery{
		Source: source, DedupeKey: platform.key(d), Body: body, Header: c.Request.Header,
		ReceivedAt: r.now(), State: store.DeliveryReceived,
	}
	var unfit Unfit
	switch _, err := safely(platform, d); {
	case source.DisabledAt != nil:
		n.State, n.Reason = store.DeliveryExcluded, "the source is disabled"
	case errors.As(err, &unfit):
		n.State, n.Reason = store.DeliveryUnprocessable, unfit.Reason
	}
	_, inserted, err := r.store.InsertDelivery(ctx, n)
	if err != nil {
		r.unavailable(c, err)
		return
	}
	a := answer{Status: "accepted", Reason: n.Reason}
	switch {
	case !inserted:
		a = answer{Status: "duplicate"}
	case n.State != store.DeliveryReceived:
		a.Status = string(n.State)
	}
	r.count(a.Status)
	c.JSON(http.StatusOK, a)
	if inserted && n.State == store.DeliveryReceived {
		r.received()
	}
}

// safely maps the delivery; a mapping that panics is the relay's to report, and
// the delivery is kept.
func safely(p Platform, d Delivery) (events int, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the mapping panicked")
		}
	}()
	found, err := p.understand(d)
	return len(found), err
}

// source returns the source that the URL names. One that is unknown is looked up
// and remembered like any other: how long it takes tells nobody whether it is.
func (r *Receiver) source(ctx context.Context, param string) (store.Source, bool, error) {
	id, err := uuid.Parse(param)
	if err != nil || len(param) != 36 {
		return store.Source{}, false, nil
	}
	now := r.now()
	r.mu.Lock()
	cached, found := r.sources[id]
	r.mu.Unlock()
	if found && now.Before(cached.until) {
		return cached.source, cached.known, nil
	}
	source, err := r.store.Source(ctx, id)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Source{}, false, err
	}
	if _, implemented := r.platforms[source.Platform]; known && !implemented {
		r.log.Error().Stringer("source", id).Str("platform", source.Platform).Msg("a source's platform is not known to this program")
		known = false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sources) >= sourcesInCache {
		clear(r.sources)
	}
	r.sources[id] = cachedSource{source: source, known: known, until: now.Add(sourceTTL)}
	return source, known, nil
}

var (
	errTooLarge = errors.New("the body is over the limit")
	errBusy     = errors.New("too many large bodies at once")
)

// limited returns the body, up to the source's limit and for so long as any body
// may take. What it returns second has to be called afterwards.
func limited(c *gin.Context, source store.Source) (io.Reader, func(), error) {
	limit := source.Settings.BodyLimit
	if limit <= 0 {
		limit = DefaultBodyLimit
	}
	if c.Request.ContentLength > limit {
		return nil, nil, errTooLarge
	}
	// Deadlines of the connection go by the real clock, whatever ours says.
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // a test's recorder has none
	return http.MaxBytesReader(c.Writer, c.Request.Body, limit), func() { _ = control.SetReadDeadline(time.Time{}) }, nil
}

// read reads the body, up to the source's limit.
func (r *Receiver) read(c *gin.Context, source store.Source) ([]byte, error) {
	in, done, err := limited(c, source)
	if err != nil {
		return nil, err
	}
	defer done()
	body, err := io.ReadAll(io.LimitReader(in, smallBody))
	if err != nil {
		return nil, bodyError(err)
	}
	if len(body) < smallBody {
		return body, nil
	}
	soon := time.NewTimer(time.Second)
	defer soon.Stop()
	for _, slots := range []chan struct{}{r.largeBodiesOf(source.ID), r.large} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }() //nolint:gocritic // held until all is read
		case <-c.Request.Context().Done():
			return nil, c.Request.Context().Err()
		case <-soon.C:
			return nil, errBusy
		}
	}
	rest, err := io.ReadAll(in)
	if err != nil {
		return nil, bodyError(err)
	}
	return append(body, rest...), nil
}

func (r *Receiver) largeBodiesOf(source uuid.UUID) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	slots, found := r.largeOf[source]
	if !found {
		slots = make(chan struct{}, largeBodiesSource)
		r.largeOf[source] = slots
	}
	return slots
}

// drain reads the body of a request that is refused already, and keeps nothing
// of it. It is hashed, as the others are: whoever measures must not see that no
// signature was compared.
func (r *Receiver) drain(c *gin.Context, source store.Source) error {
	in, done, err := limited(c, source)
	if err != nil {
		return err
	}
	defer done()
	sum := hmac.New(sha256.New, []byte("nobody's secret"))
	if _, err := io.Copy(sum, in); err != nil {
		return bodyError(err)
	}
	_ = hmac.Equal(sum.Sum(nil), nil)
	return nil
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return err
}

// hopeless says why a request can't be the platform's, whatever its body is, or
// nil.
func (r *Receiver) hopeless(header http.Header, source store.Source, known bool) error {
	if !known || len(source.Secrets) == 0 {
		return UnknownSource
	}
	// Whether a signature is there at all shows without the body.
	err := r.platforms[source.Platform].authentication.Verify(header, nil, source.Secrets[0].Reveal(), r.now())
	if errors.Is(err, MissingSignature) {
		return MissingSignature
	}
	return nil
}

// verify returns the secret that signed the request, or why it is refused.
func (r *Receiver) verify(header http.Header, body []byte, source store.Source) (string, error) {
	var refusal error = UnknownSource
	now := r.now()
	for _, secret := range source.Secrets {
		err := r.platforms[source.Platform].authentication.Verify(header, body, secret.Reveal(), now)
		if err == nil {
			return secret.Reveal(), nil
		}
		refusal = err
		if errors.Is(err, OutsideTimeWindow) {
			break // signed with this one
		}
	}
	return "", refusal
}

// refuse gives the one answer that every unverified request gets, whatever was
// wrong with it. It is counted, and logged once in a while.
func (r *Receiver) refuse(c *gin.Context, source store.Source, refusal error) {
	r.count(refusal.Error())
	now := r.now()
	r.mu.Lock()
	r.unsaid++
	said := r.unsaid
	due := now.Sub(r.lastSaid) >= refusalLogging
	if due {
		r.lastSaid, r.unsaid = now, 0
	}
	r.mu.Unlock()
	if due {
		line := r.log.Warn().Str("refusal", refusal.Error()).Int("refused_since_last_line", said)
		if source.ID != uuid.Nil {
			line = line.Stringer("source", source.ID)
		}
		line.Msg("refused a webhook")
	}
	c.JSON(http.StatusUnauthorized, answer{Status: "unauthorized"})
}

func (r *Receiver) unavailable(c *gin.Context, err error) {
	r.count("unavailable")
	r.log.Error().Err(err).Msg("could not store a webhook")
	// A platform retries a 5xx, and none a 4xx.
	c.JSON(http.StatusServiceUnavailable, answer{Status: "unavailable", Reason: "please send it again later"})
}

func (r *Receiver) unreadable(c *gin.Context, err error) {
	c.Header("Connection", "close") // what is left of the body is not read
	switch {
	case errors.Is(err, errTooLarge):
		r.count("too large")
		c.JSON(http.StatusRequestEntityTooLarge, answer{Status: "too large"})
	case errors.Is(err, errBusy):
		r.count("unavailable")
		c.JSON(http.StatusServiceUnavailable, answer{Status: "unavailable", Reason: "please send it again later"})
	case errors.Is(err, os.ErrDeadlineExceeded):
		r.count("unreadable")
		c.JSON(http.StatusRequestTimeout, answer{Status: "too slow"})
	default:
		r.count("unreadable")
		c.JSON(http.StatusBadRequest, answer{Status: "unreadable"})
	}
}
