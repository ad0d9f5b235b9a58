package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Model answers requests.
type Model interface {
	// Ask makes one request, once. What goes wrong is a [*CallError], or the context's
	// own error.
	Ask(ctx context.Context, r Request) (Reply, error)
}

// Request is one request to a model.
type Request struct {
	// System says what is to be done.
	System string
	// Turns are what was asked and answered, beginning and ending with a question.
	Turns []Turn
	// Schema is the JSON schema of the answer.
	Schema map[string]any
	// MaxTokens bounds the answer.
	MaxTokens int64
}

// Turn is one side's part of a conversation.
type Turn struct {
	Answer bool // the model's
	Text   string
}

// size is how many bytes of text a request has, with the schema.
func (r Request) size() int {
	schema, _ := json.Marshal(r.Schema) // of maps, lists and strings
	n := len(r.System) + len(schema)
	for _, t := range r.Turns {
		n += len(t.Text)
	}
	return n
}

// Reply is a model's answer, as it came.
type Reply struct {
	Text string
	// InputTokens and OutputTokens are what the endpoint counted; 0 where it does not
	// tell.
	InputTokens, OutputTokens int64
}

// Failure is why there is no answer. Its text is for people, and the same each time.
type Failure string

// The failures.
const (
	// Refused: the model declined to answer.
	Refused Failure = "refused"
	// Cut: the answer ended before it was complete.
	Cut Failure = "cut"
	// Invalid: what came is not what was asked for.
	Invalid Failure = "invalid"
	// RateLimited: the endpoint asks for patience.
	RateLimited Failure = "rate_limited"
	// Unavailable: no answer, or one that says that the server is in trouble.
	Unavailable Failure = "unavailable"
	// Slow: no answer in time.
	Slow Failure = "slow"
	// Rejected: the endpoint does not take the request: its key, its model, its form.
	Rejected Failure = "rejected"
	// TooLong: there is more than a model is asked about.
	TooLong Failure = "too_long"
	// OverBudget: the month's budget is used up.
	OverBudget Failure = "over_budget"
	// TooOften: it was asked about the same words again and again.
	TooOften Failure = "too_often"
)

func (f Failure) Error() string {
	switch f {
	case Refused:
		return "the model declined to answer"
	case Cut:
		return "the model's answer was cut off"
	case Invalid:
		return "the model's answer was not what was asked for"
	case RateLimited:
		return "the model's endpoint asked for patience"
	case Unavailable:
		return "the model's endpoint could not be reached or had trouble"
	case Slow:
		return "the model did not answer in time"
	case Rejected:
		return "the model's endpoint did not take the request"
	case TooLong:
		return "the meeting is longer than a model is asked about"
	case OverBudget:
		return "the month's budget for the model is used up"
	case TooOften:
		return "the model was asked too often about this meeting"
	default:
		return "the model was not heard"
	}
}

// CallError is a failed call. It holds nothing of what was sent or received.
type CallError struct {
	Failure Failure
	// Status is HTTP's; 0 if there was no answer.
	Status int
	// RetryAfter is how long the endpoint wants to be left alone; 0 if it does not say.
	RetryAfter time.Duration
	// Reply has what the call cost, where it cost something.
	Reply Reply
}

func (e *CallError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s (HTTP %d)", e.Failure, e.Status)
	}
	return e.Failure.Error()
}

// Unwrap returns the failure.
func (e *CallError) Unwrap() error { return e.Failure }

// The kinds of endpoints.
const (
	OpenAI    = "openai"
	Anthropic = "anthropic"
)

// Config says which model is asked, and where.
type Config struct {
	Kind string
	// Endpoint is the base URL, such as https://api.openai.com/v1,
	// https://api.anthropic.com or http://127.0.0.1:11434/v1.
	Endpoint string
	Name     string
	// Key may be empty, for a server of one's own.
	Key string
	// Timeout of one request; 0 means two minutes.
	Timeout time.Duration
}

// CheckEndpoint says what is wrong with an endpoint, in a sentence; empty if
// nothing is. Words of meetings go over the network encrypted, or not at all.
func CheckEndpoint(endpoint string) string {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "The endpoint has to be a URL, such as https://api.openai.com/v1."
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "The endpoint's URL holds no user, query or fragment: the key is given by itself."
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	default:
		return "The endpoint has to be https, or http on this machine."
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const (
	defaultTimeout = 2 * time.Minute
	// mostBody is how much of a response is read: far more than the longest answer.
	mostBody = 4 << 20
)

// New returns the model that a configuration names. It makes no request.
func New(c Config) (Model, error) {
	if wrong := CheckEndpoint(c.Endpoint); wrong != "" {
		return nil, errors.New(wrong)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	// Of the environment it takes the machine's proxy alone: that sees where, not what.
	client := &http.Client{Transport: bounded{http.DefaultTransport}}
	switch c.Kind {
	case OpenAI:
		return newOpenAI(c, client), nil
	case Anthropic:
		return newAnthropic(c, client), nil
	default:
		return nil, fmt.Errorf("there is no kind of model %q: it is %s or %s", c.Kind, OpenAI, Anthropic)
	}
}

// bounded bounds what is read of a response, and follows no redirect: words and keys
// go where an admin said, and nowhere else.
type bounded struct{ next http.RoundTripper }

// RoundTrip makes the request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // it is told apart, and goes nowhere
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		_ = response.Body.Close() // nothing of it is read
		return nil, &CallError{Failure: Rejected, Status: response.StatusCode}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, mostBody), response.Body}
	return response, nil
}

// failed makes of what went wrong an error that says nothing of what was sent or
// received. status is 0 where no answer came.
func failed(ctx context.Context, err error, status int, header http.Header) error {
	if ctx.Err() != nil {
		return ctx.Err() //nolint:wrapcheck // the caller's own
	}
	e := &CallError{Failure: Unavailable, Status: status}
	var timeout net.Error
	var redirect *CallError
	switch {
	case errors.As(err, &redirect):
		e = redirect
	case status == http.StatusTooManyRequests:
		e.Failure, e.RetryAfter = RateLimited, retryAfter(header)
	case status == http.StatusRequestTimeout, status >= 500:
		e.RetryAfter = retryAfter(header)
	case status >= 300:
		e.Failure = Rejected
	case status >= 200:
		e.Failure = Cut // an answer that ended too early, or is none
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Failure = Slow
	}
	return e
}

func retryAfter(header http.Header) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, time.Hour)
	}
	return 0
}
