package webhooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
)

// tending is a mapping whose sources are looked after at their platform:
// subscriptions that would lapse are renewed, and what a platform that repeats
// nothing never sent is asked for.
type tending interface {
	calling
	// Tend looks after a source once. It is called again after any error, and after
	// a crash: what it makes at the platform it keeps at once, or looks for first.
	Tend(ctx context.Context, api API, t Tending) (Tended, error)
}

// lookingAgain is a mapping some of whose deliveries say that something is to be
// done at the platform now: a subscription that was removed, a calendar that changed.
type lookingAgain interface {
	LookAgain(d Delivery) bool
}

// Tending is what one look after a source is given.
type Tending struct {
	SourceID uuid.UUID
	// URL is where the platform posts to, Secret the newest one that it signs with.
	URL      string
	Secret   store.Secret
	Settings store.SourceSettings
	// State is what the last look kept, a JSON text; nil at the first. It is stored
	// sealed: tokens, IDs and times, and nothing of what was said or of who is met,
	// since no erasure looks into it.
	State []byte
	// Begun is since when the source is looked after. What is older was not wanted:
	// the source was disabled, or not there.
	Begun time.Time
	Now   time.Time
	// Ending: the source was disabled. What stands at the platform is to be removed,
	// and nothing is asked for. What is kept is forgotten afterwards.
	Ending bool
	// Keep keeps a state at once. It fails where a newer look has begun, and then
	// this one has to end.
	Keep func(ctx context.Context, state []byte) error
}

// Tended is what a look came to.
type Tended struct {
	// State is kept for the next look; nil keeps what stands.
	State []byte
	// Found is what no webhook brought. It is stored before the state is kept, and
	// beside an error, too.
	Found []Polled
	// Next is when to look again: in a minute at the earliest, in a day at the
	// latest.
	Next time.Time
	// Words say in a sentence what stands, for the operator: no secret, no name.
	Words string
}

// Polled is what a webhook would have told.
type Polled struct {
	// Delivery is as the webhook would have been: its headers and its body are what
	// counts, and they are the same whenever the same is found.
	Delivery Delivery
	// Told are the keys of webhooks that told it, if one came; a key that ends in a
	// colon stands for all that begin so.
	Told []string
	// Since is when it happened: such a webhook came after it.
	Since time.Time
}

const (
	// soonestLook and latestLook bound when a source is looked at again.
	soonestLook, latestLook = time.Minute, 24 * time.Hour
	// After a failure: a minute, doubled each time, up to this.
	longestBackoff = 15 * time.Minute
	// Credentials that are refused are tried again now and then: what was taken
	// away may have been given back at the platform. New ones are tried at once.
	refusedLook = 6 * time.Hour
	// A platform that can't be reached for so many looks keeps what it has of a
	// source that was disabled: subscriptions end by themselves.
	endingFailures = 20
	// clockSkew is how far the clocks of platforms may be off.
	clockSkew = 5 * time.Minute
)

// KeeperOptions are what a [Keeper] needs.
type KeeperOptions struct {
	Store     *store.Store
	Platforms map[string]Platform
	APIs      *APIs
	// PublicURL is where Debrief is reached from outside.
	PublicURL string
	Log       zerolog.Logger
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Keeper looks after sources at their platforms. It is what the activity of upkeep
// calls; make one with [NewKeeper].
type Keeper struct{ options KeeperOptions }

// NewKeeper returns a keeper.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{o}
}

// Tend looks after a source once. See [activities.Tender].
func (k *Keeper) Tend(ctx context.Context, sourceID uuid.UUID) (activities.Tended, error) {
	s := k.options.Store
	source, err := s.Source(ctx, sourceID)
	if errors.Is(err, store.ErrNotFound) {
		return activities.Tended{Ended: true}, nil
	}
	if err != nil {
		return activities.Tended{}, err
	}
	platform, err := PlatformOf(source, k.options.Platforms)
	if err != nil {
		return activities.Tended{}, err
	}
	mapping, tends := platform.mapping.(tending)
	api, calls := k.options.APIs.Of(source, platform)
	if !tends || !calls {
		return activities.Tended{Ended: true}, s.EndUpkeep(ctx, sourceID)
	}
	look, err := s.BeginUpkeep(ctx, source)
	if err != nil {
		return activities.Tended{}, err
	}
	ending := source.DisabledAt != nil
	if ending && look.State == nil {
		return activities.Tended{Ended: true}, s.EndUpkeep(ctx, sourceID)
	}
	now := k.options.Now()
	tended, failure := tendSafely(ctx, mapping, api, Tending{
		SourceID: sourceID, URL: strings.TrimRight(k.options.PublicURL, "/") + "/webhooks/" + sourceID.String(), Secret: source.Secrets[0], Settings: source.Settings,
		State: look.State, Begun: look.BegunAt, Now: now, Ending: ending,
		Keep: func(ctx context.Context, state []byte) error { return s.KeepUpkeep(ctx, look, state) },
	})
	if errors.Is(failure, store.ErrOvertaken) || ctx.Err() != nil {
		return activities.Tended{}, cmp.Or(failure, ctx.Err())
	}
	if !ending {
		if err := k.store(ctx, source, platform, tended.Found); err != nil {
			return activities.Tended{}, err
		}
	}
	switch {
	case failure != nil:
		return k.failed(ctx, source, look, ending, failure)
	case ending:
		return activities.Tended{Ended: true}, s.EndUpkeep(ctx, sourceID)
	}
	if source.API.RefusedAt != nil {
		if err := s.AcceptAPI(ctx, source); err != nil {
			return activities.Tended{}, err
		}
	}
	next := clampTime(tended.Next, now.Add(soonestLook), now.Add(latestLook))
	return activities.Tended{Next: next, Words: tended.Words}, s.FinishUpkeep(ctx, look, tended.State, tended.Words, next)
}

// failed says with the source what went wrong, and when it is tried again.
func (k *Keeper) failed(ctx context.Context, source store.Source, look store.UpkeepLook, ending bool, failure error) (activities.Tended, error) {
	var refused Refused
	isRefused := errors.As(failure, &refused)
	if ending && (isRefused || look.Failures >= endingFailures) {
		return activities.Tended{Ended: true}, k.options.Store.EndUpkeep(ctx, look.SourceID)
	}
	var later Later
	isLater := errors.As(failure, &later)
	if isLater && later.Reason == notItsTurn && later.After <= soonestLook {
		return activities.Tended{}, failure // other calls of this source come first; nothing is wrong
	}
	wait := min(soonestLook<<min(look.Failures, 10), longestBackoff)
	switch {
	case isRefused:
		wait = refusedLook
		// The source says so, and a person is told once.
		if err := k.options.Store.RefuseAPI(ctx, source, refused.Error(), refused.Status != http.StatusForbidden); err != nil {
			return activities.Tended{}, err
		}
	case isLater:
		wait = max(wait, later.After)
	}
	words := problemOf(failure)
	k.options.Log.Warn().Err(failure).Stringer("source", look.SourceID).Dur("again_in", wait).Msg("a source could not be looked after at its platform; it will be tried again")
	next := k.options.Now().Add(min(wait, latestLook))
	return activities.Tended{Next: next, Words: words}, k.options.Store.FailUpkeep(ctx, look, words, next)
}

// problemOf is a failure as the operator reads it.
func problemOf(failure error) string {
	var (
		notYet  NotYet
		refused Refused
		later   Later
		denied  Denied
		unfit   Unfit
	)
	switch {
	case errors.As(failure, &notYet):
		return notYet.Error()
	case errors.As(failure, &refused):
		return refused.Error()
	case errors.As(failure, &later):
		return later.Error()
	case errors.As(failure, &denied):
		return denied.Error()
	case errors.As(failure, &unfit):
		return unfit.Error()
	default:
		return "it failed; the worker's log says why"
	}
}

// store puts what was found where webhooks come in.
func (k *Keeper) store(ctx context.Context, source store.Source, platform Platform, found []Polled) error {
	for _, p := range found {
		p.Delivery.SourceID = source.ID
		n := store.PolledDelivery{
			NewDelivery: store.NewDelivery{
				Source: source, DedupeKey: platform.key(p.Delivery), Body: p.Delivery.Body, Header: p.Delivery.Header, ReceivedAt: k.options.Now(),
			},
			Since: p.Since,
		}
		for _, key := range p.Told {
			n.Told = append(n.Told, boundedKey(key))
		}
		if _, _, err := k.options.Store.InsertPolled(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// tendSafely calls Tend, and makes an error of a panic: what a platform answers must
// not take the process with it. What panicked may quote it: only its type is told.
func tendSafely(ctx context.Context, m tending, api API, t Tending) (tended Tended, err error) {
	defer func() {
		if p := recover(); p != nil {
			tended, err = Tended{}, fmt.Errorf("looking after source %s: the mapping panicked (%T)", t.SourceID, p)
		}
	}()
	return m.Tend(ctx, api, t)
}

func clampTime(t, earliest, latest time.Time) time.Time {
	switch {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	default:
		return t
	}
}
