package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// webhookTimeout bounds one post: Standard Webhooks 1.0.0 ("Best practices for senders":
// 15 to 30 seconds; read in November 2026).
const webhookTimeout = 15 * time.Second

// The headers of Standard Webhooks 1.0.0.
const (
	headerWebhookID        = "webhook-id"
	headerWebhookTimestamp = "webhook-timestamp"
	headerWebhookSignature = "webhook-signature"
)

// errGone is [SendError.code] of an endpoint that is gone for good.
const errGone = "gone"

// WebhookOptions say where webhooks may go.
type WebhookOptions struct {
	// AllowLoopback lets them go to this machine, too; never to other addresses that
	// are not public.
	AllowLoopback bool
}

// Webhooks posts signed messages. Make it with [NewWebhooks]; it is safe for
// concurrent use. Its errors are [*SendError]s, and hold no address.
type Webhooks struct {
	http *http.Client
}

// NewWebhooks returns what posts webhooks. It connects to nothing yet.
func NewWebhooks(o WebhookOptions) *Webhooks {
	dialer := &net.Dialer{Timeout: webhookTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		// After the name was resolved: a name that leads elsewhere the next time does
		// not help.
		at, err := netip.ParseAddrPort(address)
		if err != nil || !mayPostTo(at.Addr(), o.AllowLoopback) {
			return errNotPublic
		}
		return nil
	}}
	return &Webhooks{http: &http.Client{
		Timeout: webhookTimeout,
		// No proxy: it would resolve the name itself.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: webhookTimeout,
			ResponseHeaderTimeout: webhookTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
		// A redirect leads where nobody allowed it to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errNotPublic = errors.New("not a public address")

// global6 is all that IANA has given out of IPv6 to be reached from anywhere; what is not
// in it leads to this machine, into this network or, translated, to an IPv4 address.
var global6 = netip.MustParsePrefix("2000::/3")

// reserved are addresses that look global and are not the public internet's (IANA's
// special-purpose address registries, read in November 2026).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	// Of these, Teredo and 6to4 lead to IPv4 addresses, whichever.
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
}

// mayPostTo says whether an address is a public one, or this machine where that is
// allowed.
func mayPostTo(a netip.Addr, loopback bool) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() {
		return loopback
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !global6.Contains(a) {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Post sends a message to an endpoint. The ID is the same for each try, and holds no
// full stop. It returns nil once the endpoint has answered 2xx.
func (w *Webhooks) Post(ctx context.Context, e store.WebhookEndpoint, id string, at time.Time, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return &SendError{Reason: "the endpoint's address is not one", Permanent: true}
	}
	signature, err := signWebhook(e.Secrets, id, at, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Debrief")
	request.Header.Set(headerWebhookID, id)
	request.Header.Set(headerWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(headerWebhookSignature, signature)
	response, err := w.http.Do(request)
	switch {
	case errors.Is(err, errNotPublic):
		return &SendError{Reason: "the endpoint's address is not a public one", Permanent: true}
	case err != nil:
		// The cause holds the address.
		return &SendError{Reason: "the endpoint can't be reached, or did not answer in time"}
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return &SendError{Reason: "the endpoint is gone (410)", Permanent: true, code: errGone}
	default:
		return &SendError{Reason: fmt.Sprintf("the endpoint answered %d", status), After: retryAfter(response.Header.Get("Retry-After"))}
	}
}

// retryAfter reads how many seconds an endpoint wants to be left alone; 0 for what it
// did not say so.
func retryAfter(s string) time.Duration {
	seconds, err := strconv.Atoi(s)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// signWebhook is the value of the header with the signatures, one for each secret:
// Standard Webhooks 1.0.0, "Signature scheme" (read in November 2026).
func signWebhook(secrets []store.Secret, id string, at time.Time, body []byte) (string, error) {
	signatures := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), "whsec_"))
		if err != nil || len(key) < 24 {
			return "", errors.New("the secret of a webhook endpoint is none")
		}
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		_, _ = mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if len(signatures) == 0 {
		return "", errors.New("a webhook endpoint has no secret")
	}
	return strings.Join(signatures, " "), nil
}

// SendWebhookTest posts a test message to an endpoint, and records what came of it.
func SendWebhookTest(ctx context.Context, s *store.Store, w *Webhooks, e store.WebhookEndpoint, id uuid.UUID, now time.Time) error {
	body, err := webhookBody("test", now, struct{}{})
	if err != nil {
		return err
	}
	return post(ctx, s, w, e, webhookID(id), now, body)
}

// post sends to an endpoint and records what came of it.
func post(ctx context.Context, s *store.Store, w *Webhooks, e store.WebhookEndpoint, id string, now time.Time, body []byte) error {
	err := w.Post(ctx, e, id, now, body)
	problem, gone := "", false
	var failed *SendError
	if errors.As(err, &failed) {
		problem, gone = failed.Reason, failed.code == errGone
	} else if err != nil {
		return err
	}
	if err := s.WebhookTried(context.WithoutCancel(ctx), e, problem, gone); err != nil {
		return err
	}
	return err
}
