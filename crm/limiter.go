package crm

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

const (
	// patience is how long a call may wait in place: to come again costs more.
	// Longer would hold a worker's slot, which others could use.
	patience = 250 * time.Millisecond
	// admission is how long a turn lets an attempt go on: longer than any takes.
	admission = 3 * time.Minute
	// believeEvery bounds how often one process reports that HubSpot's count and
	// ours differ.
	believeEvery = time.Second
	// searchPatience is the same for a search that comes up amid other reads: all of
	// them would be made again.
	searchPatience = 10 * time.Second
	// limiterSize bounds what a process remembers of limits. Forgetting costs a
	// transaction.
	limiterSize = 10_000
)

// limiter makes all processes together stay within each account's limits. What
// it knows stands in Postgres; here is only what spares a statement.
type limiter struct {
	store *store.Store
	share float64
	now   func() time.Time

	mu     sync.Mutex
	limits map[limitKey]*knownLimit
	days   map[uuid.UUID]knownDay
}

type limitKey struct {
	connectionID uuid.UUID
	bucket       hubspot.Bucket
}

type knownLimit struct {
	store.LimitState
	believedAt time.Time
}

type knownDay struct{ allowed, remaining int }

func newLimiter(s *store.Store, share float64, now func() time.Time) *limiter {
	return &limiter{store: s, share: share, now: now, limits: map[limitKey]*knownLimit{}, days: map[uuid.UUID]knownDay{}}
}

// attempt is what one turn admits: a write, or a set of reads. Having begun, it
// is never stopped half-way: calls beyond those expected are charged afterwards.
type attempt struct {
	limiter      *limiter
	connectionID uuid.UUID
	holder       string
	calls        map[hubspot.Bucket]int
	people       bool

	mu         sync.Mutex
	admittedAt time.Time
	made       map[hubspot.Bucket]int
	// searches have had turns of their own, and are yet to be made.
	searches int
	// after is how long HubSpot, by its last 429, wants us to wait.
	after time.Duration
}

type attemptKey struct{}

// writeAttempt expects what [Gate.Write] does, as the package's documentation
// has it.
func (l *limiter) writeAttempt(w store.Write) *attempt {
	calls := map[hubspot.Bucket]int{hubspot.BurstBucket: 1}
	if w.Action.Tool.Operation == policy.Update {
		if len(w.Properties) > 0 {
			calls[hubspot.BurstBucket]++ // read first
		}
		calls[hubspot.BurstBucket] += max(0, len(w.Associations)-1)
	} else if w.Action.Tool.Object == "company" && w.Properties["domain"] != "" {
		calls[hubspot.SearchBucket]++
	}
	if w.Step == store.WriteLook {
		calls[hubspot.BurstBucket]++
	}
	return &attempt{
		limiter: l, connectionID: w.ConnectionID, holder: "action:" + w.Action.ID.String(), calls: calls, people: w.ApprovalID != nil,
	}
}

// readAttempt expects what planning reads of a small meeting, or, where somebody
// waits for it, one call; so it does for an agent or a script.
func (l *limiter) readAttempt(scope Scope) *attempt {
	if ofCall(scope.Origin) {
		return l.singleAttempt(scope, hubspot.BurstBucket)
	}
	a := &attempt{
		limiter: l, connectionID: scope.ConnectionID, holder: "read:" + scope.Origin.Kind + ":" + scope.Origin.ID.String(), people: scope.Waited,
		calls: map[hubspot.Bucket]int{hubspot.BurstBucket: 5, hubspot.AssociationBucket: 4, hubspot.SearchBucket: 1},
	}
	if scope.Expects != nil {
		a.calls = maps.Clone(scope.Expects)
	}
	if scope.Waited {
		a.calls = map[hubspot.Bucket]int{hubspot.BurstBucket: 1}
	}
	if scope.Origin.ID == uuid.Nil {
		a.holder = "read:" + uuid.NewString()
	}
	return a
}

// admit waits for the attempt's turn: a moment in place, else by a RetryError
// that says when. It does nothing for an attempt that was admitted.
func (a *attempt) admit(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiter
	if !a.admittedAt.IsZero() && l.now().Sub(a.admittedAt) < admission {
		return nil
	}
	turn, err := l.store.Reserve(ctx, store.Reservation{
		ConnectionID: a.connectionID, Holder: a.holder, Calls: a.calls, People: a.people, Patience: patience, DayShare: l.share,
	})
	if err != nil {
		return err
	}
	l.know(a.connectionID, turn.Limits)
	if err := await(ctx, turn); err != nil {
		return err
	}
	a.admittedAt, a.made, a.after = l.now(), map[hubspot.Bucket]int{}, 0
	return nil
}

// await waits in place for a turn that has come, or nearly; for another it is a
// RetryError that says when.
func await(ctx context.Context, turn store.Turn) error {
	switch {
	case turn.OfDay:
		return &RetryError{After: turn.Wait, Reason: "today's share of the HubSpot account's calls is used up; it goes on at midnight in the account's time zone"}
	case !turn.Admitted:
		return &RetryError{After: turn.Wait, Reason: "HubSpot's limit of requests is shared with others; its turn is reserved"}
	case turn.Wait <= 0:
		return nil
	}
	timer := time.NewTimer(turn.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admitSearch waits for the turn of a search that was not expected. The attempt's own
// comes first: a search has to follow its turn at once.
func (a *attempt) admitSearch(ctx context.Context) error {
	if err := a.admit(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	turn, err := a.limiter.store.Reserve(ctx, store.Reservation{
		ConnectionID: a.connectionID, Holder: a.holder + ":search", Calls: map[hubspot.Bucket]int{hubspot.SearchBucket: 1},
		People: a.people, Patience: searchPatience, DayShare: a.limiter.share,
	})
	if err != nil {
		return err
	}
	a.limiter.know(a.connectionID, turn.Limits)
	if err := await(ctx, turn); err != nil {
		return err
	}
	a.searches++
	return nil
}

// know remembers what was read of limits.
func (l *limiter) know(connectionID uuid.UUID, limits map[hubspot.Bucket]store.LimitState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for bucket, state := range limits {
		l.limit(connectionID, bucket).LimitState = state
	}
}

func (l *limiter) limit(connectionID uuid.UUID, bucket hubspot.Bucket) *knownLimit {
	key := limitKey{connectionID, bucket}
	if l.limits[key] == nil {
		if len(l.limits) >= limiterSize {
			clear(l.limits)
		}
		l.limits[key] = &knownLimit{}
	}
	return l.limits[key]
}

// observe is told of every call of every gate's client when it is over. What it
// can't store it leaves: the call is made, and the next one says the same.
func (l *limiter) observe(ctx context.Context, info hubspot.ResponseInfo) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return
	}
	switch info.Bucket {
	case hubspot.BurstBucket, hubspot.SearchBucket, hubspot.AssociationBucket:
	default:
		return
	}
	var transport *hubspot.TransportError
	if errors.As(info.Err, &transport) && !transport.Sent {
		return
	}
	// The call may have used up its time; what it taught us takes a moment more.
	ctx, cancel := completing(ctx)
	defer cancel()
	if a.unexpected(info.Bucket) {
		_ = l.store.ChargeCalls(ctx, a.connectionID, info.Bucket, a.people, 1)
	}
	l.believe(ctx, a, info)
	if errors.Is(info.Err, hubspot.ErrRateLimited) {
		l.block(ctx, a, info)
	}
}

// unexpected counts a call, and says whether the turn was not for it.
func (a *attempt) unexpected(bucket hubspot.Bucket) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if bucket == hubspot.SearchBucket && a.searches > 0 {
		a.searches--
		return false
	}
	if a.made == nil {
		a.made = map[hubspot.Bucket]int{}
	}
	a.made[bucket]++
	return a.made[bucket] > a.calls[bucket]
}

// believe passes on what the headers say, where it is news.
func (l *limiter) believe(ctx context.Context, a *attempt, info hubspot.ResponseInfo) {
	said := info.RateLimit
	if said.HasBurst && l.isNews(a.connectionID, info.Bucket, said) {
		if state, err := l.store.BelieveLimit(ctx, a.connectionID, info.Bucket, said); err == nil {
			l.know(a.connectionID, map[hubspot.Bucket]store.LimitState{info.Bucket: state})
		}
	}
	if said.HasDaily && l.isNewOfDay(a.connectionID, knownDay{said.DailyMax, said.DailyRemaining}) {
		_ = l.store.BelieveDay(ctx, a.connectionID, said.DailyMax, said.DailyRemaining)
	}
}

func (l *limiter) isNews(connectionID uuid.UUID, bucket hubspot.Bucket, said hubspot.RateLimit) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.limit(connectionID, bucket)
	if said.Max == known.Allowed && said.Interval == known.Window && said.Max-said.Remaining-known.Used <= store.LimitMargin(said.Max) {
		return false
	}
	if now := l.now(); now.Sub(known.believedAt) >= believeEvery {
		known.believedAt = now
		return true
	}
	return false
}

// isNewOfDay: a hundredth of the day is worth a statement.
func (l *limiter) isNewOfDay(connectionID uuid.UUID, said knownDay) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.days[connectionID]
	if moved := known.remaining - said.remaining; ok && known.allowed == said.allowed && max(moved, -moved)*100 <= said.allowed {
		return false
	}
	if len(l.days) >= limiterSize {
		clear(l.days)
	}
	l.days[connectionID] = said
	return true
}

// block keeps everybody from running into a wall that one has found.
func (l *limiter) block(ctx context.Context, a *attempt, info hubspot.ResponseInfo) {
	after := max(hubspot.RetryDelay(info.Err), time.Second)
	if isDaily(info.Err) {
		if wait, err := l.store.BlockDay(ctx, a.connectionID); err == nil {
			after = wait
		}
	} else {
		_ = l.store.BlockLimit(ctx, a.connectionID, info.Bucket, a.holder, after)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.after, a.admittedAt = after, time.Time{}
}

// isDaily says that a 429 is about the day's sum. Where HubSpot names no policy,
// package hubspot has read its sentence: only a day is waited for that long.
func isDaily(err error) bool {
	var e *hubspot.Error
	return errors.As(err, &e) && (strings.HasPrefix(strings.ToUpper(e.PolicyName), "DAILY") ||
		e.PolicyName == "" && e.RetryAfter == 0 && hubspot.RetryDelay(err) >= time.Hour)
}

// later turns a 429 into a RetryError with the wait that [limiter.block] found.
func (a *attempt) later(err error) error {
	if !errors.Is(err, hubspot.ErrRateLimited) {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	reason := "HubSpot's limit of requests is reached"
	if isDaily(err) {
		reason = "the HubSpot account's calls of today are used up; it goes on at midnight in the account's time zone"
	}
	return &RetryError{After: max(a.after, hubspot.RetryDelay(err), time.Second), Reason: reason, cause: err}
}
