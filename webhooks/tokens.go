package webhooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// publishedKeys are the keys that an issuer signs its tokens with, as it publishes
// them (a JSON Web Key Set, RFC 7517). They are kept, and asked for again when a
// token names one that is not there, but not for every such token: anybody can
// name one. It is safe for concurrent use.
type publishedKeys struct {
	set *oidc.RemoteKeySet
}

const (
	keysTimeout = 5 * time.Second
	maxKeys     = 1 << 20 // bytes of a key set
	// How long the answer of an issuer is taken for the newest one.
	keysFresh = time.Minute
)

// newPublishedKeys returns the keys at that URL. A nil transport is the default one.
func newPublishedKeys(url string, transport http.RoundTripper) *publishedKeys {
	client := &http.Client{Timeout: keysTimeout, Transport: &keysTransport{next: transport}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // no issuer has its keys elsewhere
	}}
	return &publishedKeys{set: oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), url)}
}

// verify returns what a token says that issuer signed for audience by RS256, and
// that has not expired at now. It fails with a [Refusal], or with another error
// where the keys can't be had for now.
func (k *publishedKeys) verify(ctx context.Context, token, issuer, audience string, now time.Time) (*oidc.IDToken, error) {
	if len(token) > maxToken || issuer == "" || audience == "" {
		return nil, WrongSignature
	}
	asked := &askedKeys{KeySet: k.set}
	verifier := oidc.NewVerifier(issuer, asked, &oidc.Config{
		ClientID: audience, SupportedSigningAlgs: []string{oidc.RS256}, Now: func() time.Time { return now.Add(-tokenLeeway) },
	})
	verified, err := verifier.Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case err == nil:
		return verified, nil
	case asked.away != nil:
		return nil, fmt.Errorf("asking for the keys of %s: %w", issuer, asked.away)
	case errors.As(err, &expired):
		return nil, OutsideTimeWindow
	default:
		return nil, WrongSignature
	}
}

// askedKeys remembers that the keys could not be had: the verifier's error says it
// in words alone.
type askedKeys struct {
	oidc.KeySet
	away error
}

func (a *askedKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := a.KeySet.VerifySignature(ctx, token)
	if errors.Is(err, errKeysAway) || ctx.Err() != nil {
		a.away = errKeysAway
	}
	return payload, err
}

var errKeysAway = errors.New("the issuer's keys can't be had for now")

// keysTransport fails for every answer but a key set, and repeats a fresh one
// instead of asking again.
type keysTransport struct {
	next http.RoundTripper // nil: the default one

	mu   sync.Mutex
	last []byte
	at   time.Time
}

func (t *keysTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || time.Since(t.at) > keysFresh {
		body, err := t.ask(r)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errKeysAway, err)
		}
		t.last, t.at = body, time.Now()
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(t.last)), ContentLength: int64(len(t.last)),
	}, nil
}

func (t *keysTransport) ask(r *http.Request) ([]byte, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	answer, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxKeys))
}
