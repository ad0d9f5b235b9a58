package webhooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/store"
)

// MaxBody is the largest body in bytes: events with transcripts are the largest
// that platforms send, and none states a bound. A source may set a lower one, and
// only who signs learns which: see [store.SourceSettings].
const MaxBody = 10 << 20

const (
	// A platform that needs longer than this for a body is no platform.
	bodyTimeout = 30 * time.Second
	// Bodies up to smallBody are read as they come; of larger ones only so many
	// at once, so that nobody fills the memory without a signature; and of one
	// source fewer, so that who knows one does not hold up the others.
	smallBody         = 256 << 10
	announcedBody     = 16 << 10
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
	// PublicURL is how platforms reach this installation. Only signatures that
	// cover the URL need it.
	PublicURL string
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
	publicURL string
	log       zerolog.Logger
	now       func() time.Time
	received  func()
	large     chan struct{}
	// patience is bodyTimeout; tests have less.
	patience time.Duration

	mu       sync.Mutex
	sources  map[uuid.UUID]cachedSource
	largeOf  map[uuid.UUID]chan struct{} // of known sources only
	rates    map[uuid.UUID]*rate         // of sources with a limit
	counts   map[string]uint64
	lastSaid time.Time
	unsaid   int
}

type cachedSource struct {
	source   store.Source
	platform Platform
	known    bool
	until    time.Time
}

// NewReceiver returns a receiver.
func NewReceiver(o ReceiverOptions) *Receiver {
	r := &Receiver{
		store: o.Store, platforms: o.Platforms, publicURL: strings.TrimRight(o.PublicURL, "/"), log: o.Log, now: o.Now, received: o.Received,
		large: make(chan struct{}, largeBodies), sources: map[uuid.UUID]cachedSource{}, largeOf: map[uuid.UUID]chan struct{}{},
		rates: map[uuid.UUID]*rate{}, counts: map[string]uint64{}, patience: bodyTimeout,
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
// "duplicate", "handshake", "unprocessable", "excluded", "too large", "too many",
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
	if token, is := validationToken(c.Request.URL); is {
		r.echo(c, token)
		return
	}
	at, err := r.source(ctx, c.Param("source"))
	if err != nil {
		r.unavailable(c, err)
		return
	}
	source := at.source
	request := r.request(c, source.ID)
	if refusal := r.hopeless(request, at); refusal != nil {
		if err := r.drain(c); err != nil {
			r.unreadable(c, err)
			return
		}
		r.refuse(c, source, refusal)
		return
	}
	request.Body, err = r.read(c, source)
	if err != nil {
		r.unreadable(c, err)
		return
	}
	secret, refusal := r.verify(request, at)
	if refusal != nil {
		var known Refusal
		if !errors.As(refusal, &known) {
			r.unavailable(c, refusal) // it can't be judged for now
			return
		}
		r.refuse(c, source, refusal)
		return
	}
	if a, is := at.platform.authentication.(partial); is {
		request.Body = a.Proven(request.Body, source.Secrets)
	}
	// From here on the sender is the platform, and may know what is wrong.
	if challenge, is := at.platform.mapping.Handshake(request.Body, secret); is {
		r.count("handshake")
		c.JSON(http.StatusOK, challenge)
		return
	}
	if limit := source.Settings.BodyLimit; limit > 0 && int64(len(request.Body)) > limit {
		r.unreadable(c, errTooLarge)
		return
	}
	if wait := r.tooMany(source); wait > 0 {
		r.count("too many")
		// Not 429: most platforms retry a 5xx, and none a 4xx.
		c.Header("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		c.JSON(http.StatusServiceUnavailable, answer{Status: "unavailable", Reason: "please send it again later"})
		return
	}

	d := Delivery{SourceID: source.ID, Header: request.Header, Body: request.Body}
	n := store.NewDelivery{
		Source: source, DedupeKey: at.platform.key(d), Body: request.Body, Header: request.Header,
		ReceivedAt: r.now(), State: store.DeliveryReceived,
	}
	var unfit Unfit
	switch _, err := safely(at.platform, d); {
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
	at.platform.acknowledge(c, a)
	if inserted && n.State == store.DeliveryReceived {
		r.received()
	}
}

// request is what an authentication sees, still without the body. Its URL is the
// one that the operator gave to the platform, whatever proxies made of it.
func (r *Receiver) request(c *gin.Context, source uuid.UUID) Request {
	request := Request{Header: c.Request.Header}
	if at, err := url.Parse(r.publicURL + "/webhooks/" + source.String()); err == nil {
		at.RawQuery = c.Request.URL.RawQuery
		request.URL = at
	}
	return request
}

// rate is a source's allowance: it fills up to a minute's worth.
type rate struct {
	left float64
	at   time.Time
}

// tooMany takes one delivery off the source's allowance, or says how long until
// there is one again. Only what is genuine counts: others could else use it up.
func (r *Receiver) tooMany(source store.Source) time.Duration {
	limit := float64(source.Settings.RateLimit)
	if limit <= 0 {
		return 0
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	a, found := r.rates[source.ID]
	if !found {
		a = &rate{left: limit, at: now}
		r.rates[source.ID] = a
	}
	a.left = min(limit, a.left+limit*now.Sub(a.at).Minutes())
	a.at = now
	if a.left < 1 {
		return time.Duration((1 - a.left) / limit * float64(time.Minute))
	}
	a.left--
	return 0
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
func (r *Receiver) source(ctx context.Context, param string) (cachedSource, error) {
	id, err := uuid.Parse(param)
	if err != nil || len(param) != 36 {
		return cachedSource{}, nil
	}
	now := r.now()
	r.mu.Lock()
	cached, found := r.sources[id]
	r.mu.Unlock()
	if found && now.Before(cached.until) {
		return cached, nil
	}
	looked := cachedSource{until: now.Add(sourceTTL)}
	looked.source, err = r.store.Source(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return cachedSource{}, err
	}
	if looked.known = err == nil; looked.known {
		if looked.platform, err = PlatformOf(looked.source, r.platforms); err != nil {
			r.log.Error().Err(err).Stringer("source", id).Msg("a source's platform is not known to this program")
			looked.known = false
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sources) >= sourcesInCache {
		clear(r.sources)
	}
	r.sources[id] = looked
	return looked, nil
}

// PlatformOf returns the platform of a source: the one of its own definition, or
// else the known one that it names.
func PlatformOf(source store.Source, known map[string]Platform) (Platform, error) {
	if source.Settings.Definition != "" {
		d, err := ParseDefinition([]byte(source.Settings.Definition))
		if err != nil {
			return Platform{}, fmt.Errorf("reading the definition of source %s: %w", source.ID, err)
		}
		return d.Platform()
	}
	platform, found := known[source.Platform]
	if !found {
		return Platform{}, fmt.Errorf("this program does not know the platform %q", source.Platform)
	}
	return platform, nil
}

var (
	errTooLarge = errors.New("the body is over the limit")
	errBusy     = errors.New("too many large bodies at once")
)

// limited returns the body, up to the largest one and for so long as any body
// may take. What it returns second has to be called afterwards. Until a signature
// is verified, all sources have the same bounds: others would tell them apart.
func (r *Receiver) limited(c *gin.Context) (io.Reader, func(), error) {
	if c.Request.ContentLength > MaxBody {
		return nil, nil, errTooLarge
	}
	// Deadlines of the connection go by the real clock, whatever ours says.
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(r.patience)) // a test's recorder has none
	return http.MaxBytesReader(c.Writer, c.Request.Body, MaxBody), func() { _ = control.SetReadDeadline(time.Time{}) }, nil
}

// read reads the body.
func (r *Receiver) read(c *gin.Context, source store.Source) ([]byte, error) {
	in, done, err := r.limited(c)
	if err != nil {
		return nil, err
	}
	defer done()
	// Room for what was announced, up to what a lie about it may cost.
	announced := min(max(c.Request.ContentLength, 0), announcedBody)
	read := bytes.NewBuffer(make([]byte, 0, announced+bytes.MinRead))
	if _, err := read.ReadFrom(io.LimitReader(in, smallBody)); err != nil {
		return nil, bodyError(err)
	}
	body := read.Bytes()
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
func (r *Receiver) drain(c *gin.Context) error {
	in, done, err := r.limited(c)
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
func (r *Receiver) hopeless(request Request, at cachedSource) error {
	if !at.known || len(at.source.Secrets) == 0 {
		return UnknownSource
	}
	// Whether a signature is there at all shows without the body.
	err := at.platform.authentication.Verify(request, at.source.Secrets[0].Reveal(), r.now())
	if errors.Is(err, MissingSignature) {
		return MissingSignature
	}
	return nil
}

// verify returns the secret that signed the request, or why it is refused.
func (r *Receiver) verify(request Request, at cachedSource) (string, error) {
	var refusal error = UnknownSource
	now := r.now()
	for _, secret := range at.source.Secrets {
		err := at.platform.authentication.Verify(request, secret.Reveal(), now)
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
