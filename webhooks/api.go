package webhooks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// calling is a mapping whose platform has an API that Debrief uses. Without a
// source's credentials it is not used.
type calling interface {
	API() APISpec
}

// fetching is a mapping some of whose deliveries only name something: the rest is
// what the platform's API answers.
type fetching interface {
	calling
	// Thin says whether this delivery needs it.
	Thin(d Delivery) bool
	// Fetch gets what the delivery only names, as one JSON text for
	// [Delivery.Fetched]. It may be called again after it succeeded. Errors of an
	// [API] are returned as they are or wrapped.
	Fetch(ctx context.Context, api API, d Delivery) ([]byte, error)
}

// APISpec says how a platform's API is used.
type APISpec struct {
	// BaseURL is where it listens, without a slash at the end. A source's settings
	// may name another one.
	BaseURL string
	// Every is the time between two calls with one source's credentials, by the
	// whole fleet: the platform's own limit, or half of it.
	Every time.Duration
	// Credentials are what it wants.
	Credentials []Credential
	// Check says with a sentence what is wrong with credentials that have all
	// fields; nil checks nothing more. It quotes none of them.
	Check func(credentials map[string]store.Secret) error
	// Limited says of an answer that is no 2xx whether it means "too many calls"; nil
	// where only status 429 does.
	Limited func(status int, body []byte) bool
}

// Credential is one field of what an API wants.
type Credential struct {
	Name string `json:"name"` // in the JSON object
	Help string `json:"help"` // what it is and where it is found, in a few words
	// Optional: it may be absent.
	Optional bool `json:"optional,omitempty"`
}

// The errors of an [API]. None holds a token, a body or an ID.

// NotYet says that the platform has nothing under that name (404). What a webhook names may
// appear later than the webhook.
type NotYet struct{ Platform string }

// Error says it in a few words.
func (e NotYet) Error() string { return e.Platform + " has nothing about it (404)" }

// NotThere is for who only sees an error.
func (NotYet) NotThere() bool { return true }

// Refused says that the platform does not accept the credentials (401), or they may not do
// this (403). Somebody has to give others, or to allow more.
type Refused struct {
	Platform string
	Status   int
}

// Error says it in a few words.
func (e Refused) Error() string {
	if e.Status == http.StatusForbidden {
		return e.Platform + " does not let the credentials do that (403)"
	}
	return fmt.Sprintf("%s refuses the credentials (%d)", e.Platform, e.Status)
}

// CredentialsRefused is for who only sees an error.
func (Refused) CredentialsRefused() bool { return true }

// Later says that the platform asks for patience (429), is in trouble (5xx), can't be
// reached, or broke off.
type Later struct {
	Platform string
	Reason   string        // a few words of our own
	After    time.Duration // what it asked for; 0 if it did not say
	// Odd: it did answer, with what can't be used. Something in between may have done
	// that, so that it is asked again, but not for ever: see [oddFor].
	Odd bool
}

// Error says it in a few words.
func (e Later) Error() string { return e.Platform + " " + e.Reason }

// RetryAfter is for who only sees an error.
func (e Later) RetryAfter() time.Duration { return e.After }

// Denied is any other status. Asking again changes nothing.
type Denied struct {
	Platform string
	Status   int
}

// Final is for who only sees an error.
func (Denied) Final() bool { return true }

// Error says it in a few words.
func (e Denied) Error() string { return fmt.Sprintf("%s's API answered %d", e.Platform, e.Status) }

const (
	// apiTimeout bounds one call, reading its answer included.
	apiTimeout = 30 * time.Second
	// maxAnswer bounds one answer: a day's transcript is some megabytes.
	maxAnswer = 16 << 20
	// maxRetryAfter bounds what a platform may ask for. Asked again, it can say more.
	maxRetryAfter = time.Hour
	// A first call waits only so long for its turn: somebody else may use the
	// worker's place. Those that follow it in one piece of work wait longer, so that
	// it comes to an end.
	firstTurn, nextTurn = 2 * time.Second, 30 * time.Second
)

// APIs makes [API]s. One to a process: it keeps the access tokens that were got
// with credentials. They are never stored. Make one with [NewAPIs].
type APIs struct {
	store  *store.Store
	http   *http.Client
	mu     sync.Mutex
	tokens map[heldBy]heldToken
}

// NewAPIs returns APIs over a client, or over one of its own if that is nil. Of the
// client only the transport is used.
func NewAPIs(s *store.Store, client *http.Client) *APIs {
	c := &http.Client{Timeout: apiTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // credentials must not travel to where an answer points
	}}
	if client != nil {
		c.Transport = client.Transport
	}
	return &APIs{store: s, http: c, tokens: map[heldBy]heldToken{}}
}

// Of returns the API of a source's platform for one piece of work, and false where
// there is none or the source has no credentials for it.
func (a *APIs) Of(source store.Source, p Platform) (API, bool) {
	c, is := p.mapping.(calling)
	if !is || len(source.Credentials) == 0 {
		return API{}, false
	}
	spec := c.API()
	api := API{BaseURL: spec.BaseURL, Credentials: source.Credentials, Platform: p.name, work: &work{apis: a, source: source, spec: spec}}
	if source.Settings.APIURL != "" {
		api.BaseURL, api.work.moved = source.Settings.APIURL, true
	}
	return api, true
}

// API makes calls with a source's credentials: paced, bounded, to one origin and
// never redirected. Methods that change how it calls return another API. The zero
// value calls nothing.
type API struct {
	// BaseURL is the origin of all calls, with a path if the API has one.
	BaseURL string
	// Credentials are the source's, by the names of [APISpec.Credentials].
	Credentials map[string]store.Secret
	// Platform is its name, for errors.
	Platform string

	work   *work
	header http.Header
	// authorize returns the Authorization header; fresh says that the last one was
	// refused. A func, because fmt prints the fields of a struct, and of a func an
	// address.
	authorize func(ctx context.Context, fresh bool) (string, error)
	// renews says that a fresh one may be another one.
	renews bool
}

// work is what the calls for one delivery, or one look, have in common.
type work struct {
	apis   *APIs
	source store.Source
	spec   APISpec
	moved  bool // the settings name another base
	calls  int
}

// At returns the API at another origin of the same platform, such as that of its
// tokens. Where the source's settings name a base, that one stands for all.
func (a API) At(base string) API {
	if a.work == nil || !a.work.moved {
		a.BaseURL = base
	}
	return a
}

// With returns an API that sends a header with each call. It is no place for secrets.
func (a API) With(name, value string) API {
	a.header = a.header.Clone()
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

// Authorization returns an API that sends "<scheme> <secret>" with each call.
func (a API) Authorization(scheme string, secret store.Secret) API {
	value := strings.TrimSpace(scheme + " " + secret.Reveal())
	a.authorize, a.renews = func(context.Context, bool) (string, error) { return value, nil }, false
	return a
}

// Bearer returns an API that sends a bearer token with each call.
func (a API) Bearer(token store.Secret) API { return a.Authorization("Bearer", token) }

// Basic returns an API that sends a name and a password with each call.
func (a API) Basic(name string, password store.Secret) API {
	return a.Authorization("Basic", store.Secret(base64.StdEncoding.EncodeToString([]byte(name+":"+password.Reveal()))))
}

// Token is an access token and how long it lives.
type Token struct {
	Value store.Secret
	Lives time.Duration
}

type heldBy struct {
	sourceID uuid.UUID
	name     string
}

type heldToken struct {
	token store.Secret
	// of says which credentials it was got with.
	of    time.Time
	until time.Time
}

// BearerFrom returns an API that sends access tokens which get makes out of the
// credentials. They are kept in this process until shortly before they expire, by
// source and name; one that is refused (401) is got anew, once. A 400 or 401 to get
// means that the credentials are refused.
func (a API) BearerFrom(name string, get func(ctx context.Context) (Token, error)) API {
	work := a.work
	platform := a.Platform
	a.renews = true
	a.authorize = func(ctx context.Context, fresh bool) (string, error) {
		if work == nil {
			return "", errors.New("the API calls nothing")
		}
		token, err := work.apis.token(ctx, work.source, name, fresh, get)
		var denied Denied
		if errors.As(err, &denied) && denied.Status == http.StatusBadRequest {
			err = Refused{Platform: platform, Status: denied.Status}
		}
		if err != nil {
			return "", err
		}
		return "Bearer " + token.Reveal(), nil
	}
	return a
}

func (a *APIs) token(ctx context.Context, source store.Source, name string, fresh bool, get func(context.Context) (Token, error)) (store.Secret, error) {
	key := heldBy{source.ID, name}
	var of time.Time
	if source.API.CredentialsAt != nil {
		of = *source.API.CredentialsAt
	}
	a.mu.Lock()
	held, found := a.tokens[key]
	a.mu.Unlock()
	if found && !fresh && held.of.Equal(of) && time.Now().Before(held.until) {
		return held.token, nil
	}
	token, err := get(ctx)
	if err != nil {
		return "", err
	}
	if token.Value == "" {
		return "", Later{Platform: source.Platform, Reason: "gave no access token"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tokens) >= tokensHeld {
		clear(a.tokens)
	}
	// A tenth of its life is left for clocks that differ and calls under way.
	a.tokens[key] = heldToken{token: token.Value, of: of, until: time.Now().Add(token.Lives * 9 / 10)}
	return token.Value, nil
}

const tokensHeld = 10_000

// Get is [API.Do] with GET.
func (a API) Get(ctx context.Context, path string, query url.Values, out any) error {
	return a.Do(ctx, http.MethodGet, path, query, nil, out)
}

// Post is [API.Do] with POST.
func (a API) Post(ctx context.Context, path string, in, out any) error {
	return a.Do(ctx, http.MethodPost, path, nil, in, out)
}

// Do makes one call, when it is its turn. A path that begins with a slash is added
// to BaseURL as it is (escape what is put into it); anything else has to be a URL of
// BaseURL's origin, such as the link to a next page. in is sent as JSON, or, if it is
// url.Values, as a form; nil sends nothing. The answer is decoded as JSON into out,
// or, if that is a *[]byte, stored as it came; nil drops it. It fails with [NotYet],
// [Refused], [Later] or [Denied].
func (a API) Do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	target, err := a.target(path, query)
	if err != nil {
		return err
	}
	err = a.call(ctx, method, target, in, out, a.authorize, false)
	var refused Refused
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && a.renews {
		err = a.call(ctx, method, target, in, out, a.authorize, true)
	}
	return err
}

// Download gets what an answer of the API points to, such as a signed link to a
// file, without credentials: over https, or from BaseURL's own origin.
func (a API) Download(ctx context.Context, link string, out any) error {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && !sameOrigin(link, a.BaseURL)) {
		return Later{Platform: a.Platform, Reason: "answered with a link that is none", Odd: true}
	}
	err = a.call(ctx, http.MethodGet, link, nil, out, nil, false)
	var refused Refused
	var absent NotYet
	if errors.As(err, &refused) || errors.As(err, &absent) {
		// The link has expired: the credentials are another matter.
		return Later{Platform: a.Platform, Reason: "gave a link that is good for nothing"}
	}
	return err
}

func (a API) target(path string, query url.Values) (string, error) {
	target := path
	switch {
	case strings.HasPrefix(path, "/"):
		target = strings.TrimRight(a.BaseURL, "/") + path
	case !sameOrigin(path, a.BaseURL):
		return "", Later{Platform: a.Platform, Reason: "answered with a link to somewhere else", Odd: true}
	}
	if len(query) > 0 {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + query.Encode()
	}
	return target, nil
}

func sameOrigin(one, other string) bool {
	a, err := url.Parse(one)
	if err != nil {
		return false
	}
	b, err := url.Parse(other)
	return err == nil && a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) && a.Host != "" && a.User == nil
}

func (a API) call(ctx context.Context, method, target string, in, out any, authorize func(context.Context, bool) (string, error), fresh bool) error {
	if a.work == nil {
		return errors.New("the API calls nothing")
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout+nextTurn)
	defer cancel()
	authorization := ""
	if authorize != nil {
		var err error
		if authorization, err = authorize(ctx, fresh); err != nil {
			return err
		}
	}
	request, err := a.request(ctx, method, target, in)
	if err != nil {
		return err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	if err := a.work.turn(ctx); err != nil {
		return err
	}
	answer, err := a.work.apis.http.Do(request)
	if err != nil {
		return a.unreached(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if status := answer.StatusCode; status < 200 || status > 299 {
		if limited := a.work.spec.Limited; limited != nil && limited(status, body) {
			return a.TooMany(ctx, retryAfter(answer.Header, time.Now()))
		}
		return a.unanswered(ctx, answer)
	}
	switch {
	case err != nil:
		return a.unreached(ctx, err)
	case len(body) > maxAnswer:
		return Denied{Platform: a.Platform, Status: http.StatusRequestEntityTooLarge}
	}
	return a.read(body, answer.Header, out)
}

func (a API) request(ctx context.Context, method, target string, in any) (*http.Request, error) {
	var body io.Reader
	contentType := ""
	switch in := in.(type) {
	case nil:
	case url.Values:
		body, contentType = strings.NewReader(in.Encode()), "application/x-www-form-urlencoded"
	default:
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, errors.New("encoding a call")
		}
		body, contentType = bytes.NewReader(raw), "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, errors.New("a call's URL can't be used") // err quotes it
	}
	maps.Copy(request.Header, a.header)
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	request.Header.Set("User-Agent", "debrief")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return request, nil
}

// read decodes an answer. One that is no JSON comes from something in between, or
// was cut.
func (a API) read(body []byte, header http.Header, out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = body
		return nil
	}
	if kind, _, err := mime.ParseMediaType(header.Get("Content-Type")); err == nil && strings.HasPrefix(kind, "text/html") {
		return Later{Platform: a.Platform, Reason: "answered with a page instead of JSON"}
	}
	if err := checkShape(body); err != nil {
		return Denied{Platform: a.Platform, Status: http.StatusRequestEntityTooLarge}
	}
	if err := json.Unmarshal(body, out); err != nil {
		return Later{Platform: a.Platform, Reason: "answered with what is no JSON of the expected shape", Odd: true} // err may quote it
	}
	return nil
}

// unreached says why there was no answer. The client's own error has the URL.
func (a API) unreached(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("calling %s: %w", a.Platform, ctx.Err())
	}
	reason := "broke off"
	var network net.Error
	var dial *net.OpError
	switch {
	case errors.As(err, &network) && network.Timeout():
		reason = "did not answer in time"
	case errors.As(err, &dial) && dial.Op == "dial":
		reason = "can't be reached"
	}
	return Later{Platform: a.Platform, Reason: reason}
}

func (a API) unanswered(ctx context.Context, answer *http.Response) error {
	switch status := answer.StatusCode; {
	case status == http.StatusNotFound:
		return NotYet{Platform: a.Platform}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Refused{Platform: a.Platform, Status: status}
	case status == http.StatusTooManyRequests:
		return a.TooMany(ctx, retryAfter(answer.Header, time.Now()))
	case status == http.StatusRequestTimeout || status >= http.StatusInternalServerError:
		return Later{Platform: a.Platform, Reason: fmt.Sprintf("is in trouble (%d)", status), After: retryAfter(answer.Header, time.Now())}
	default:
		return Denied{Platform: a.Platform, Status: status}
	}
}

// TooMany is what the platform says when there were too many calls: the whole fleet
// makes none with these credentials until after is over. It is for platforms that do
// not say it with status 429.
func (a API) TooMany(ctx context.Context, after time.Duration) error {
	if after <= 0 {
		after = 10 * time.Second
	}
	after = min(after, maxRetryAfter)
	if err := a.work.apis.store.DelayAPI(ctx, a.work.source.ID, after); err != nil {
		return err
	}
	return Later{Platform: a.Platform, Reason: "asks for fewer calls (429)", After: after}
}

func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter))
	}
	return 0
}

const notItsTurn = "is asked as often as it allows, and others are before this"

// turn waits until it is this source's turn to make a call.
func (w *work) turn(ctx context.Context) error {
	patience := nextTurn
	if w.calls == 0 {
		patience = firstTurn
	}
	wait, reserved, err := w.apis.store.ReserveAPI(ctx, w.source.ID, w.spec.Every, patience)
	if err != nil {
		return err
	}
	if !reserved {
		return Later{Platform: w.source.Platform, Reason: notItsTurn, After: wait}
	}
	w.calls++
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// CheckAPIURL says what is wrong with another base for a platform's API: https, or
// http on this machine; no user, query or fragment.
func CheckAPIURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("it should look like https://api.example.com")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("it should begin with https:// (http:// is for this machine alone)")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// ReadCredentials reads what an operator gives for a platform's API: a JSON object
// of its fields, or, where there is one field only, that one alone. What is wrong
// with it is said without quoting it.
func (p Platform) ReadCredentials(raw []byte) (map[string]store.Secret, error) {
	c, is := p.mapping.(calling)
	if !is {
		return nil, fmt.Errorf("Debrief does not use an API of %s", p.name)
	}
	spec := c.API()
	raw = bytes.TrimSpace(raw)
	var object map[string]json.RawMessage
	if len(raw) > 0 && raw[0] != '{' && len(spec.Credentials) > 0 && !hasMore(spec.Credentials) {
		object = map[string]json.RawMessage{}
		quoted, err := json.Marshal(string(raw))
		if err != nil {
			return nil, errors.New("the credentials can't be read")
		}
		object[spec.Credentials[0].Name] = quoted
	} else if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("the credentials should be a JSON object with %s", p.fields())
	}
	credentials := map[string]store.Secret{}
	for _, field := range spec.Credentials {
		value := strings.TrimSpace(string(object[field.Name]))
		delete(object, field.Name)
		var s string
		if json.Unmarshal([]byte(value), &s) == nil {
			value = strings.TrimSpace(s)
		}
		switch {
		case value != "" && value != "null":
			credentials[field.Name] = store.Secret(value) // an object or a list is kept as its JSON
		case !field.Optional:
			return nil, fmt.Errorf("%s is missing: %s", field.Name, field.Help)
		}
	}
	if len(object) > 0 {
		return nil, fmt.Errorf("the credentials have a field too many: %s are all", p.fields())
	}
	if spec.Check != nil {
		if err := spec.Check(credentials); err != nil {
			return nil, err
		}
	}
	return credentials, nil
}

// hasMore says whether more than the first field is needed.
func hasMore(fields []Credential) bool {
	for _, f := range fields[1:] {
		if !f.Optional {
			return true
		}
	}
	return false
}

// Credentials are what the platform's API wants; none where Debrief does not use it.
func (p Platform) Credentials() []Credential {
	if c, is := p.mapping.(calling); is {
		return c.API().Credentials
	}
	return nil
}

func (p Platform) fields() string {
	var names []string
	for _, c := range p.Credentials() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}
