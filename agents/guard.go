package agents

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"golang.org/x/time/rate"

	"github.com/debriefhq/debrief/store"
)

// The most that one token, and all who have none that works, may ask for.
const (
	callsASecond    = 5
	callsAtOnce     = 40
	strangersSecond = 10
	strangersAtOnce = 50
)

// guard lets in who has a token that works, and nobody by way of a browser's page
// from elsewhere.
func (s *Service) guard(next http.Handler, limits *limits) http.Handler {
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limits.worked(bearerOf(r))
		if !limits.of(tokenOf(r).ID).Allow() {
			tooMany(w)
			return
		}
		next.ServeHTTP(w, r)
	})
	signedIn := auth.RequireBearerToken(s.bearer, nil)(limited)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := bearerOf(r)
		switch {
		case !s.ours(r):
			http.Error(w, "this address is not for pages of other sites", http.StatusForbidden)
		case !limits.mayTry(value):
			tooMany(w)
		default:
			answer := &statusWriter{ResponseWriter: w}
			signedIn.ServeHTTP(answer, r)
			if answer.status == http.StatusUnauthorized {
				limits.failed(value)
			}
		}
	})
}

// bearerOf is the token that a request carries, as package auth reads it.
func bearerOf(r *http.Request) string {
	fields := strings.Fields(r.Header.Get("Authorization"))
	if len(fields) != 2 || !strings.EqualFold(fields[0], "Bearer") {
		return ""
	}
	return fields[1]
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "2")
	http.Error(w, "too many calls: try again in two seconds", http.StatusTooManyRequests)
}

// statusWriter remembers how it was answered.
type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	if status == http.StatusUnauthorized {
		// RFC 9110, 15.5.2: it says how to sign in.
		w.Header().Set("WWW-Authenticate", `Bearer realm="debrief"`)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

const tokenExtra = "token"

// bearer finds whose token it is.
func (s *Service) bearer(ctx context.Context, value string, _ *http.Request) (*auth.TokenInfo, error) {
	if !lookedUp(value) {
		return nil, fmt.Errorf("that is no token of Debrief's: %w", auth.ErrInvalidToken)
	}
	token, err := s.options.Store.Bearer(ctx, value)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("that token does not work (any more): %w", auth.ErrInvalidToken)
	}
	if err != nil {
		s.options.OnError(ctx, "looking for a token", err)
		return nil, errors.New("tokens can't be read just now: try again")
	}
	return &auth.TokenInfo{UserID: token.PersonID.String(), Expiration: token.ExpiresAt, Extra: map[string]any{tokenExtra: token}}, nil
}

// tokenOf is a request's token: guard has seen to it that it has one.
func tokenOf(r *http.Request) store.CallerToken {
	token, _ := auth.TokenInfoFromContext(r.Context()).Extra[tokenExtra].(store.CallerToken)
	return token
}

// callerOf is who calls with a token.
func callerOf(token store.CallerToken) Caller {
	return Caller{OrganizationID: token.OrganizationID, PersonID: token.PersonID, Source: store.OriginAgent, Client: token.Name}
}

// ours says that a request is meant for this installation, and comes from no page of
// another site: a page that had its name lead here can read nothing.
func (s *Service) ours(r *http.Request) bool {
	public, err := url.Parse(s.options.PublicURL)
	if err != nil {
		return false
	}
	for _, origin := range r.Header.Values("Origin") {
		if origin != public.Scheme+"://"+public.Host {
			return false
		}
	}
	if strings.EqualFold(r.Host, public.Host) {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// limits are how much each may ask for.
type limits struct {
	strangers *rate.Limiter

	mu    sync.Mutex
	calls map[uuid.UUID]*rate.Limiter
	// known are the hashes of tokens that worked: who guesses locks nobody out who has
	// one (TestGuessingLocksNobodyOut).
	known map[[sha256.Size]byte]bool
}

func newLimits() *limits {
	return &limits{
		strangers: rate.NewLimiter(strangersSecond, strangersAtOnce),
		calls:     map[uuid.UUID]*rate.Limiter{}, known: map[[sha256.Size]byte]bool{},
	}
}

// mostLimits bounds how many are remembered: then all begin anew.
const mostLimits = 10_000

func (l *limits) of(token uuid.UUID) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.calls[token]
	if !ok {
		if len(l.calls) >= mostLimits {
			clear(l.calls)
		}
		limiter = rate.NewLimiter(callsASecond, callsAtOnce)
		l.calls[token] = limiter
	}
	return limiter
}

// lookedUp says whether a token looks like one of ours: nothing else reaches the
// database.
func lookedUp(value string) bool { return strings.HasPrefix(value, store.CallerTokenPrefix) }

// mayTry says whether a token may be looked up now.
func (l *limits) mayTry(value string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !lookedUp(value) || l.known[sha256.Sum256([]byte(value))] || l.strangers.Tokens() >= 1
}

// worked notes that a token works.
func (l *limits) worked(value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= mostLimits {
		clear(l.known)
	}
	l.known[sha256.Sum256([]byte(value))] = true
}

// failed notes that a token does not work (any more).
func (l *limits) failed(value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, sha256.Sum256([]byte(value)))
	if lookedUp(value) {
		l.strangers.Allow()
	}
}
