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
	"net/url"
	"strconv"
	"strings"
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
	// OnResponse, if set, is told of every call when it is over, on the
	// caller's goroutine and with the call's context. It holds no ID, no
	// body and no token, and may be logged.
	OnResponse func(context.Context, ResponseInfo)
}

// ResponseInfo tells about one call that is over.
type ResponseInfo struct {
	Method string
	// Endpoint is the path with placeholders for IDs, such as
	// "/crm/objects/2026-09/contacts/{id}".
	Endpoint string
	// StatusCode is 0 if no answer came.
	StatusCode int
	// RateLimit is what the answer said of the account's limits.
	RateLimit RateLimit
	// CorrelationID names the call at HubSpot's support; may be empty.
	CorrelationID string
	Duration      time.Duration
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
	// write says that the call changes something at HubSpot. POST alone does
	// not say it: searches and batch reads are POSTs.
	write bool
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

	// A request can only have reached HubSpot if a connection was had for it.
	sent := false
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), r.method, target, body)
	if err != nil {
		// url.Error would print the address, and an address may hold an e-mail.
		return fmt.Errorf("hubspot: %s %s: the base URL is not usable", r.method, r.endpoint)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if c.token != nil {
		req.Header.Set("Authorization", "Bearer "+c.token())
	}

	info := ResponseInfo{Method: r.method, Endpoint: r.endpoint}
	started := time.Now()
	defer func() {
		if c.onResponse != nil {
			info.Duration = time.Since(started)
			c.onResponse(ctx, info)
		}
	}()

	res, err := c.http.Do(req)
	if err != nil {
		return &TransportError{Method: r.method, Endpoint: r.endpoint, Sent: sent, write: r.write, cause: withoutURL(err)}
	}
	defer res.Body.Close()
	info.StatusCode = res.StatusCode
	info.RateLimit = parseRateLimit(res.Header)
	info.CorrelationID = plainToken(res.Header.Get("X-HubSpot-Correlation-Id"))

	raw, err := readBounded(res.Body, c.maxResponseBytes)
	failed := res.StatusCode < 200 || res.StatusCode > 299
	if failed {
		// Whatever could be read of an error's body serves; the status decides.
		e := decodeError(res.StatusCode, res.Header, raw)
		e.Method, e.Endpoint, e.write = r.method, r.endpoint, r.write
		if e.CorrelationID == "" {
			e.CorrelationID = info.CorrelationID
		} else {
			info.CorrelationID = e.CorrelationID
		}
		return e
	}
	if err == nil && out != nil {
		if err = json.Unmarshal(raw, out); err != nil {
			// encoding/json quotes what it could not read: that is content.
			err = fmt.Errorf("%d bytes that are not the JSON expected (%T)", len(raw), err)
		}
	}
	if err != nil {
		return &TransportError{Method: r.method, Endpoint: r.endpoint, StatusCode: res.StatusCode, Sent: true, write: r.write, cause: withoutURL(err)}
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

// withoutURL takes the address out of a net/http error: it may hold an e-mail
// address, as in GET /contacts/{email}?idProperty=email.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

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
