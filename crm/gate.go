package crm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Tokens hands out access tokens; package connections does.
type Tokens interface {
	// Token returns a usable access token and its version.
	Token(ctx context.Context, connectionID uuid.UUID) (token store.Secret, version int64, err error)
	// Invalidate says that HubSpot did not accept the token of that version.
	Invalidate(ctx context.Context, connectionID uuid.UUID, version int64) error
}

// Options are what a gate is made of.
type Options struct {
	Store  *store.Store
	Tokens Tokens
	// Client has no token of its own.
	Client *hubspot.Client
	// CallTimeout bounds one call to HubSpot; 0 means 30 s.
	CallTimeout time.Duration
	// LateCommit is how long HubSpot may still be working on a request that
	// nobody waits for any more; 0 means 100 s, its 524 (developers.hubspot.com,
	// "Error handling"). Shorter is for tests.
	LateCommit time.Duration
	// CacheAge is how old owners, pipelines and what is known of keys may be; 0
	// means five minutes.
	CacheAge time.Duration
	// DailyShare is how much of an account's daily sum of calls is ours, as a
	// fraction, where HubSpot shows such a sum: other apps share it. Beyond it
	// only what a human waits for passes. 0 means 0.8.
	DailyShare float64
	// Now is the clock that ages the cache; nil means time.Now.
	Now func() time.Time
}

// Gate is the one way to HubSpot's objects. It is safe for concurrent use.
type Gate struct {
	store       *store.Store
	tokens      Tokens
	client      *hubspot.Client
	callTimeout time.Duration
	lateCommit  time.Duration
	cache       *cache
	limiter     *limiter
}

// New makes a gate.
func New(o Options) *Gate {
	if o.CallTimeout <= 0 {
		o.CallTimeout = 30 * time.Second
	}
	if o.LateCommit <= 0 {
		o.LateCommit = 100 * time.Second
	}
	if o.CacheAge <= 0 {
		o.CacheAge = 5 * time.Minute
	}
	if o.DailyShare <= 0 {
		o.DailyShare = 0.8
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := newLimiter(o.Store, o.DailyShare, o.Now)
	return &Gate{
		store: o.Store, tokens: o.Tokens, client: o.Client.Observed(l.observe), limiter: l, callTimeout: o.CallTimeout, lateCommit: o.LateCommit,
		cache: newCache(o.CacheAge, o.Now),
	}
}

// Scope says for whom a call is made.
type Scope struct {
	OrganizationID uuid.UUID
	ConnectionID   uuid.UUID
	Origin         store.Origin
	Round          int
	// Actor is who calls; empty means "follow-up", or an agent or a script by the
	// origin.
	Actor store.Actor
	// OnBehalfOf is the ID of whom it is done for. No name, no address.
	OnBehalfOf string
	// Waited: a human waits for it, such as for a page. It goes before what runs
	// in the background.
	Waited bool
	// Expects are the calls that a reader of the scope is going to make, where somebody
	// knows: it gets a turn for all of them, and a search that is not among them has a
	// turn of its own. Nil stands for what planning reads of a small meeting.
	Expects map[hubspot.Bucket]int
}

func (s Scope) entry() store.AuditEntry {
	if s.Actor.Name == "" {
		s.Actor.Name = actorOf(s.Origin)
	}
	return store.AuditEntry{
		OrganizationID: s.OrganizationID, Actor: s.Actor, OnBehalfOf: s.OnBehalfOf, Origin: s.Origin, Round: s.Round,
		ConnectionID: &s.ConnectionID,
	}
}

// actorOf is who calls where nobody says so.
func actorOf(o store.Origin) string {
	if ofCall(o) {
		return o.Kind
	}
	return "follow-up"
}

// ofCall says whether an agent or a script calls.
func ofCall(o store.Origin) bool { return o.Kind == store.OriginAgent || o.Kind == store.OriginScript }

// session is a client with a token that can be renewed once.
type session struct {
	gate         *Gate
	connectionID uuid.UUID
	attempt      *attempt
	client       *hubspot.Client
	version      int64
	renewed      bool
}

// connect asks for a token and waits for the attempt's turn. An error of the
// token's owner passes through: a paused connection pauses the work. That comes
// first: who has to be told that it is paused needs no turn for it.
func (g *Gate) connect(ctx context.Context, a *attempt) (*session, error) {
	s := &session{gate: g, connectionID: a.connectionID, attempt: a}
	if err := s.token(ctx); err != nil {
		return nil, err
	}
	return s, a.admit(ctx)
}

func (s *session) token(ctx context.Context) error {
	token, version, err := s.gate.tokens.Token(ctx, s.connectionID)
	if err != nil {
		return &tokenError{err}
	}
	if sabotage.Is(sabotage.LogToken) {
		println("calling HubSpot with the access token", token.Reveal())
	}
	s.client, s.version = s.gate.client.As(token.Reveal()), version
	return nil
}

// tokenError marks that a call was not made for want of a token.
type tokenError struct{ cause error }

func (e *tokenError) Error() string { return "getting a token: " + e.cause.Error() }
func (e *tokenError) Unwrap() error { return e.cause }

// do makes one call, and once more with a new token if HubSpot did not accept
// this one: what HubSpot answers 401 to, it has not done.
func (s *session) do(ctx context.Context, call func(context.Context, *hubspot.Client) error) error {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, attemptKey{}, s.attempt), s.gate.callTimeout)
	defer cancel()
	err := s.attempt.later(call(ctx, s.client))
	if !errors.Is(err, hubspot.ErrUnauthorized) || s.renewed {
		return err
	}
	s.renewed = true
	if err := s.gate.tokens.Invalidate(ctx, s.connectionID, s.version); err != nil {
		return &tokenError{err}
	}
	if err := s.token(ctx); err != nil {
		return err
	}
	return s.attempt.later(call(ctx, s.client))
}

// audited makes one permitted call with its audit row before and after it. The
// call returns the ID of the record that it was about, if that was one.
func (g *Gate) audited(ctx context.Context, s *session, e store.AuditEntry, tools []policy.Tool, approved bool,
	call func(context.Context, *hubspot.Client) (recordID string, err error),
) error {
	id, err := g.store.BeginToolCall(ctx, e, tools, approved)
	if err != nil {
		return err
	}
	var recordID string
	err = s.do(ctx, func(ctx context.Context, c *hubspot.Client) (err error) {
		recordID, err = call(ctx, c)
		return err
	})
	result := outcome(err)
	result.RecordID = recordID
	// The row is completed even if nobody waits for the call any more.
	done, cancel := completing(ctx)
	defer cancel()
	if endErr := g.store.EndCall(done, id, result); endErr != nil {
		return errors.Join(err, endErr)
	}
	return err
}

// completing is the time to record what happened, whatever became of ctx.
func completing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
