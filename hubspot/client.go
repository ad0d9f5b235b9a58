package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// APIVersion is the date-based version of HubSpot's API that every call uses.
// It became generally available on 2026-09-08 and is supported for 18 months
// (developers.hubspot.com, "Platform versioning").
const APIVersion = "2026-09"

// DefaultBaseURL is where HubSpot's API listens.
const DefaultBaseURL = "https://api.hubapi.com"

const (
	defaultTimeout          = 30 * time.Second
	defaultMaxResponseBytes = 32 << 20
	userAgent               = "debrief-hubspot"
)

// Options configure a [Client]. The zero value talks to HubSpot itself.
type Options struct {
	// BaseURL is the API's root, without a trailing slash. Default:
	// [DefaultBaseURL].
	BaseURL string
	// HTTPClient carries the requests. It is copied: redirects are never
	// followed (a token must not travel to where an answer points), and a
	// zero Timeout becomes Timeout below. Default: a client on
	// http.DefaultTransport.
	HTTPClient *http.Client
	// Timeout bounds one call, reading its answer included, if HTTPClient
	// does not already. Default: 30 s.
	Timeout time.Duration
	// MaxResponseBytes bounds the body of one answer. Default: 32 MiB.
	MaxResponseBytes int64
	// OnRequest, if set, is asked before every call, on the caller's goroutine
	// and with the call's context, which is how it knows whose call it is. An
	// error keeps the call from being sent, and is what the call returns,
	// wrapped: a limiter says so that the time has not come.
	OnRequest func(context.Context, RequestInfo) error
	// OnResponse, if set, is told of every call when it is over, likewise. It
	// is not called for what OnRequest refused.
	OnResponse func(context.Context, ResponseInfo)
}

// Bucket is the budget that a call counts against (developers.hubspot.com,
// "API usage guidelines", and the rate-limit exemptions of HubSpot's API
// descriptions). Everything but the journal counts against the day's as well.
type Bucket string

const (
	// BurstBucket: so many requests in ten seconds, by account and app; its
	// state is in the answers' headers.
	BurstBucket Bucket = "burst"
	// SearchBucket: five searches a second and account, all apps together.
	// Answers carry no headers.
	SearchBucket Bucket = "search"
	// AssociationBucket: batches of associations have a burst and a day of
	// their own.
	AssociationBucket Bucket = "association"
	// JournalBucket: the webhooks journal counts by app, not by account.
	JournalBucket Bucket = "journal"
	// NoBucket: the files of the journal, which HubSpot's storage serves, and
	// the token endpoints.
	NoBucket Bucket = "none"
)

// RequestInfo tells about one call. It holds no ID, no value and no token: it
// may be logged, and be the name of a span.
type RequestInfo struct {
	Method string
	// Endpoint is the path with placeholders for IDs, such as
	// "/crm/objects/2026-09/contacts/{id}".
	Endpoint string
	// Bucket is what the call counts against.
	Bucket Bucket
	// Write says that the call changes something at HubSpot. Method does not:
	// searches and batch reads are POSTs.
	Write bool
}

// ResponseInfo tells about one call that is over. It may be logged.
type ResponseInfo struct {
	RequestInfo
	// StatusCode is 0 if no answer came.
	StatusCode int
	// RateLimit is what the answer said of the account's limits.
	RateLimit RateLimit
	// CorrelationID names the call at HubSpot's support; may be empty.
	CorrelationID string
	Duration      time.Duration
	// Err is what the call returns, nil if it went well: errors.As finds the
	// [*Error] with its PolicyName, [RetryDelay] the wait that it asks for.
	// Its text may be logged; the Message of an [*Error] may not.
	Err error
}

// RateLimit is what an answer's X-HubSpot-RateLimit headers said. Search
// answers carry none, and calls with an OAuth token carry no daily ones
// (developers.hubspot.com, "API usage guidelines").
type RateLimit struct {
	// HasBurst says that Max, Remaining and Interval were there.
	HasBurst       bool
	Max, Remaining int
	Interval       time.Duration
	// HasDaily says that DailyMax and DailyRemaining were there.
	HasDaily                 bool
	DailyMax, DailyRemaining int
}

// Client calls HubSpot's API. It is immutable, safe for concurrent use, and
// cheap to copy with [Client.As].
type Client struct {
	baseURL          string
	http             *http.Client
	maxResponseBytes int64
	onRequest        func(context.Context, RequestInfo) error
	onResponse       func(context.Context, ResponseInfo)
	// token is a func because fmt prints the unexported fields of a struct
	// without asking them, and prints a func as an address.
	token func() string
}

// New returns a client without a token: use [Client.As].
func New(o Options) *Client {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.MaxResponseBytes <= 0 {
		o.MaxResponseBytes = defaultMaxResponseBytes
	}
	return &Client{
		baseURL:          strings.TrimRight(o.BaseURL, "/"),
		http:             safeHTTPClient(o.HTTPClient, o.Timeout),
		maxResponseBytes: o.MaxResponseBytes,
		onRequest:        o.OnRequest,
		onResponse:       o.OnResponse,
	}
}

// As returns a copy of the client that acts with an access token.
func (c *Client) As(accessToken string) *Client {
	copied := *c
	copied.token = func() string { return accessToken }
	return &copied
}

// String names the client, without its token.
func (c *Client) String() string { return "hubspot.Client(" + c.baseURL + ")" }

// GoString is String: %#v must print no token either.
func (c *Client) GoString() string { return c.String() }

// safeHTTPClient copies h so that it follows no redirect and has a timeout.
func safeHTTPClient(h *http.Client, timeout time.Duration) *http.Client {
	copied := http.Client{}
	if h != nil {
		copied = *h
	}
	if copied.Timeout <= 0 {
		copied.Timeout = timeout
	}
	if copied.Timeout <= 0 {
		copied.Timeout = defaultTimeout
	}
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}

// call is one request to be made.
type call struct {
	method string
	// endpoint is the path with {placeholders}; args fill them in order.
	endpoint string
	args     []string
	query    url.Values
	body     any
	// write says that the call changes something at HubSpot.
	write bool
	// bucket is [BurstBucket] if empty.
	bucket Bucket
	// mayBeEmpty takes 204 for an answer that has nothing to tell. Elsewhere
	// it is none: a create without a record is not known to have happened.
	mayBeEmpty bool
	// status, if not nil, is set to that of the answer.
	status *int
}

func (r call) info() RequestInfo {
	if r.bucket == "" {
		r.bucket = BurstBucket
	}
	return RequestInfo{Method: r.method, Endpoint: r.endpoint, Bucket: r.bucket, Write: r.write}
}

// path fills the placeholders. An empty argument is refused here: GET
// /contacts/ with no ID would list contacts, and DELETE would do something
// that nobody meant.
func (r call) path() (string, error) {
	var b strings.Builder
	rest := r.endpoint
	for _, arg := range r.args {
		open := strings.IndexByte(rest, '{')
		end := strings.IndexByte(rest, '}')
		if open < 0 || end < open {
			return "", fmt.Errorf("hubspot: %s %s: too many path arguments", r.method, r.endpoint)
		}
		if arg == "" || arg == "." || arg == ".." {
			return "", fmt.Errorf("hubspot: %s %s: %s is missing or not usable in a path", r.method, r.endpoint, rest[open+1:end])
		}
		b.WriteString(rest[:open])
		b.WriteString(url.PathEscape(arg))
		rest = rest[end+1:]
	}
	b.WriteString(rest)
	return b.String(), nil
}

// do makes the call and decodes a 2xx answer into out, if out is not nil.
func (c *Client) do(ctx context.Context, r call, out any) error {
	path, err := r.path()
	if err != nil {
		return err
	}
	target := c.baseURL + path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("hubspot: encoding the body of %s %s: %w", r.method, r.endpoint, err)
		}
		body = bytes.NewReader(encoded)
	}

	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		// url.Error would print the address, and an address may hold an e-mail.
		return fmt.Errorf("hubspot: %s %s: the base URL is not usable", r.method, r.endpoint)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != nil {
		req.Header.Set("Authorization", "Bearer "+c.token())
	}
	return c.send(req, r, out)
}

// send makes the request that a call became.
func (c *Client) send(req *http.Request, r call, out any) error {
	ctx := req.Context()
	info := ResponseInfo{RequestInfo: r.info()}
	if c.onRequest != nil {
		if err := c.onRequest(ctx, info.RequestInfo); err != nil {
			return fmt.Errorf("hubspot: %s %s: not sent: %w", r.method, r.endpoint, err)
		}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	started := time.Now()
	err := c.receive(req, r, &info, out)
	if c.onResponse != nil {
		info.Duration, info.Err = time.Since(started), err
		c.onResponse(ctx, info)
	}
	return err
}

// receive sends the request, reads its answer and decodes it.
func (c *Client) receive(req *http.Request, r call, info *ResponseInfo, out any) error {
	unusable := func(sent bool, cause error) error {
		return &TransportError{Method: r.method, Endpoint: r.endpoint, StatusCode: info.StatusCode, Sent: sent, write: r.write, cause: withoutURL(cause)}
	}
	if err := req.Context().Err(); err != nil {
		return unusable(false, err)
	}
	// A request has certainly not left if a connection was wanted and none was
	// had. A transport that tells of neither leaves it open.
	var wanted, had atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { had.Store(true) },
	}))
	res, err := c.http.Do(req)
	if err != nil {
		return unusable(had.Load() || !wanted.Load(), err)
	}
	defer res.Body.Close()
	info.StatusCode = res.StatusCode
	if r.status != nil {
		*r.status = res.StatusCode
	}
	info.RateLimit = parseRateLimit(res.Header)
	info.CorrelationID = plainToken(res.Header.Get("X-HubSpot-Correlation-Id"))

	raw, err := readBounded(res.Body, c.maxResponseBytes)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		// Whatever could be read of an error's body serves; the status decides.
		e := decodeError(res.StatusCode, res.Header, raw)
		e.Method, e.Endpoint, e.write = r.method, r.endpoint, r.write
		if id := plainToken(e.CorrelationID); id != "" {
			info.CorrelationID = id
		} else {
			e.CorrelationID = info.CorrelationID
		}
		return e
	}
	switch {
	case err != nil:
		return unusable(true, err)
	case out == nil, r.mayBeEmpty && res.StatusCode == http.StatusNoContent:
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		// encoding/json quotes what it could not read: that is content.
		return unusable(true, fmt.Errorf("%d bytes that are not the JSON expected (%T)", len(raw), err))
	}
	return nil
}

// ErrResponseTooLarge is the cause of a [TransportError] when an answer was
// longer than Options.MaxResponseBytes.
var ErrResponseTooLarge = errors.New("the answer is longer than the limit")

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return raw, fmt.Errorf("reading the answer: %w", err)
	}
	if int64(len(raw)) > limit {
		return raw[:limit], fmt.Errorf("%w of %d bytes", ErrResponseTooLarge, limit)
	}
	return raw, nil
}

// withoutURL takes out of a net/http error what may be private: the address,
// which may hold an e-mail address, as in GET
// /contacts/{email}?idProperty=email, and what it quotes of an answer that is
// no HTTP.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var malformed textproto.ProtocolError
	if errors.As(err, &malformed) {
		return &quietError{"a malformed header", err}
	}
	if before, _, quoted := strings.Cut(err.Error(), `"`); quoted {
		return &quietError{strings.TrimSpace(before), err}
	}
	return err
}

// quietError is its cause with another text.
type quietError struct {
	text  string
	cause error
}

func (e *quietError) Error() string { return e.text }
func (e *quietError) Unwrap() error { return e.cause }

func parseRateLimit(h http.Header) RateLimit {
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(h.Get("X-HubSpot-RateLimit-" + name))
		return n, err == nil && n >= 0
	}
	var l RateLimit
	highest, ok1 := number("Max")
	remaining, ok2 := number("Remaining")
	ms, ok3 := number("Interval-Milliseconds")
	if ok1 && ok2 && ok3 && ms <= 24*60*60*1000 {
		l.HasBurst, l.Max, l.Remaining, l.Interval = true, highest, remaining, time.Duration(ms)*time.Millisecond
	}
	daily, ok1 := number("Daily")
	dailyRemaining, ok2 := number("Daily-Remaining")
	if ok1 && ok2 {
		l.HasDaily, l.DailyMax, l.DailyRemaining = true, daily, dailyRemaining
	}
	return l
}
