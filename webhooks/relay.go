package webhooks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"

	"github.com/debriefhq/debrief/internal/poll"
	"github.com/debriefhq/debrief/store"
)

// Waker lets the workflow of a meeting look again, and begins it if there is
// none. Being told twice must do no harm. It fails with [store.ErrErased] or
// [store.ErrNotFound] where a meeting can't be told anything any more.
type Waker interface {
	Wake(ctx context.Context, organizationID, meetingID uuid.UUID, reason string) error
}

// CRMTeller lets the workflow of a record look at what happened to it, and begins
// it if there is none. Being told twice must do no harm.
type CRMTeller interface {
	TellCRM(ctx context.Context, r store.CRMRecord) error
}

// DeliveryTeller lets the workflow of a delivery get what the delivery only names, and
// begins it if there is none. Being told twice must do no harm.
type DeliveryTeller interface {
	Deliver(ctx context.Context, d store.Delivery) error
}

// Upkeeper lets the workflow that looks after a source look again, and begins it if
// there is none. Being asked twice must do no harm.
type Upkeeper interface {
	LookAfter(ctx context.Context, sourceID uuid.UUID, organizationID *uuid.UUID) error
}

// Briefer lets the workflow of a brief look again, and begins it if there is none. Being
// told twice must do no harm. It fails as a [Waker] does.
type Briefer interface {
	TellBriefing(ctx context.Context, k store.BriefingKey) error
}

// RelayOptions are what a [Relay] needs.
type RelayOptions struct {
	Store     *store.Store
	Platforms map[string]Platform
	// Waker takes the wakeups. Nil leaves them to the relay of another process.
	Waker Waker
	// CRM is told of the records that something happened to in the CRM. Nil leaves
	// them to the relay of another process.
	CRM CRMTeller
	// Deliveries is told of the deliveries that only name something. Nil leaves them
	// to the relay of another process.
	Deliveries DeliveryTeller
	// Upkeep is told of the sources that have to be looked after. Nil leaves them to
	// the relay of another process.
	Upkeep Upkeeper
	// Briefings is told of the briefs that have to be looked at. Nil leaves them to the
	// relay of another process.
	Briefings Briefer
	Log       zerolog.Logger
	// Interval between two looks when nothing calls; 0 means one second.
	Interval time.Duration
	// Workers understand deliveries side by side; 0 means four.
	Workers int
}

// Relay understands what is stored and not understood, and sends the wakeups
// that are written. Any number of relays may share one database: what one has
// claimed, another leaves alone, and takes over if the first dies.
type Relay struct {
	options    RelayOptions
	deliveries chan struct{}
	wakeups    chan struct{}
	fetches    chan struct{}
}

const (
	claimDeliveries = 4
	// Somebody may be waiting for what a wakeup begins: a few senders side by
	// side, and none with a long row of them.
	claimWakeups = 4
	// Of HubSpot's events, which come a hundred at a time.
	claimCRMRecords = 32
	claimUpkeeps    = 16
	claimFetches    = 8
	// A setting that changes may concern thousands of briefs.
	claimBriefings = 32
	wakers         = 4
	briefers       = 2
	// How long one step may take. A shutdown waits for it, so that a delivery
	// that is being understood need not wait for its lease to end.
	understandTimeout = 20 * time.Second
	wakeTimeout       = 5 * time.Second
	// From so many attempts on, a delivery says itself that it is not understood.
	explainAfter = 20
)

// NewRelay returns a relay; [Relay.Run] starts it.
func NewRelay(o RelayOptions) *Relay {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Workers <= 0 {
		o.Workers = 4
	}
	return &Relay{options: o, deliveries: make(chan struct{}, o.Workers), wakeups: make(chan struct{}, wakers), fetches: make(chan struct{}, 1)}
}

// Poke says that there is something to understand. It never blocks: when all
// workers are at it already, they find it when they look for more.
func (r *Relay) Poke() {
	select {
	case r.deliveries <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, and returns when what was begun is done.
func (r *Relay) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range r.options.Workers {
		workers.Go(func() { r.loop(ctx, r.deliveries, r.understandSome) })
	}
	if r.options.Waker != nil {
		for range wakers {
			workers.Go(func() { r.loop(ctx, r.wakeups, r.wakeSome) })
		}
		workers.Go(func() { r.listen(ctx) })
	}
	if r.options.CRM != nil {
		// Nobody waits for these: the interval is soon enough, and gathers what
		// HubSpot tells of one record in several events.
		workers.Go(func() { r.loop(ctx, nil, r.tellSome) })
	}
	if r.options.Upkeep != nil {
		workers.Go(func() { r.loop(ctx, nil, r.lookAfterSome) })
	}
	if r.options.Briefings != nil {
		for range briefers {
			workers.Go(func() { r.loop(ctx, nil, r.briefSome) })
		}
	}
	if r.options.Deliveries != nil {
		workers.Go(func() { r.loop(ctx, r.fetches, r.fetchSome) })
	}
	workers.Wait()
}

// listen has wakeups sent as soon as they are written, by whatever process. Where
// that does not work, the interval is what remains.
func (r *Relay) listen(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var complained time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := r.options.Store.ListenWakeups(ctx, r.pokeWaker)
		if err != nil && ctx.Err() == nil && time.Since(complained) > refusalLogging {
			complained = time.Now()
			r.options.Log.Error().Err(err).Msg("the relay does not hear of wakeups, and looks for them instead")
		}
		timer.Reset(r.options.Interval)
	}
}

func (r *Relay) pokeWaker() {
	select {
	case r.wakeups <- struct{}{}:
	default:
	}
}

// loop calls some as [poll.Loop] does. It says that there is no more where an error
// concerns them all, and not a single one.
func (r *Relay) loop(ctx context.Context, called <-chan struct{}, some func(context.Context) (bool, error)) {
	poll.Loop{Interval: r.options.Interval, Quiet: refusalLogging, Complain: func(err error) {
		r.options.Log.Error().Err(err).Msg("the relay will try again")
	}}.Run(ctx, called, some)
}

// understandSome claims a few deliveries and understands them. One that fails
// stays claimed, and comes again when its lease is over.
func (r *Relay) understandSome(ctx context.Context) (more bool, err error) {
	claimed, err := r.options.Store.ClaimDeliveries(ctx, claimDeliveries)
	if err != nil {
		return false, err
	}
	var firstErr error
	for _, d := range claimed {
		step, done := context.WithTimeout(context.WithoutCancel(ctx), understandTimeout)
		result, err := understandStored(step, r.options.Store, r.options.Platforms, d)
		done()
		if err != nil && firstErr == nil {
			firstErr = err
		}
		if err != nil && d.Attempts >= explainAfter {
			r.explain(context.WithoutCancel(ctx), d, err)
		}
		if result.Woken {
			r.pokeWaker()
		}
		if result.fetching {
			select {
			case r.fetches <- struct{}{}:
			default:
			}
		}
	}
	return len(claimed) > 0, firstErr
}

// explain lets a delivery that fails again and again say so where it is listed.
// It is still tried, at the longest lease: a later version may understand it.
// While Postgres is away nothing is claimed, so that attempts are the delivery's
// own.
func (r *Relay) explain(ctx context.Context, d store.Delivery, cause error) {
	r.options.Log.Error().Err(cause).Stringer("delivery", d.ID).Int("attempts", d.Attempts).Msg("a delivery could not be understood; it will be tried again")
	why := "the log says why"
	if errors.Is(cause, context.DeadlineExceeded) {
		why = fmt.Sprintf("it takes longer than %d seconds", int(understandTimeout.Seconds()))
	}
	step, done := context.WithTimeout(ctx, wakeTimeout)
	defer done()
	reason := fmt.Sprintf("it could not be understood %d times; %s; it is tried again every quarter of an hour", d.Attempts, why)
	if err := r.options.Store.ExplainDelivery(step, d.ID, reason); err != nil {
		r.options.Log.Error().Err(err).Msg("the relay will try again")
	}
}

// wakeSome sends a few wakeups, and settles each by itself. One whose meeting
// has no words any more is dropped, and one that fails waits alone; only when
// Temporal is away is the rest put back unsent.
func (r *Relay) wakeSome(ctx context.Context) (more bool, err error) {
	claimed, err := r.options.Store.ClaimWakeups(ctx, claimWakeups)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	var firstErr error
	away := false
	for _, w := range claimed {
		settle := r.options.Store.ReturnWakeup
		if !away {
			step, done := context.WithTimeout(lasting, wakeTimeout)
			err := r.options.Waker.Wake(step, w.OrganizationID, w.MeetingID, w.Reason)
			done()
			switch {
			case err == nil:
				settle = r.options.Store.DeleteWakeup
			case errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrNotFound):
				// Its input can't be sealed, now or later.
				r.options.Log.Info().Stringer("organization", w.OrganizationID).Stringer("meeting", w.MeetingID).
					Msg("a wakeup was dropped: its meeting was erased, or merged into another")
				settle = r.options.Store.DeleteWakeup
			default:
				settle = r.options.Store.RetryWakeup
				away = isAway(err)
				if firstErr == nil || away {
					firstErr = err
				}
			}
		}
		if err := settle(lasting, w.ID); err != nil {
			return false, err
		}
	}
	return len(claimed) > 0 && !away, firstErr
}

// tellSome tells the workflows of a few records. What fails stays claimed, and
// comes again when its lease is over.
func (r *Relay) tellSome(ctx context.Context) (more bool, err error) {
	claimed, err := r.options.Store.ClaimCRMRecords(ctx, claimCRMRecords)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	for _, record := range claimed {
		step, done := context.WithTimeout(lasting, wakeTimeout)
		err := r.options.CRM.TellCRM(step, record)
		done()
		if err != nil {
			return false, err
		}
		if err := r.options.Store.TellCRMRecord(lasting, record); err != nil {
			return false, err
		}
	}
	return len(claimed) > 0, nil
}

// fetchSome tells the workflows of a few deliveries. What fails stays claimed, and
// comes again when its lease is over.
func (r *Relay) fetchSome(ctx context.Context) (more bool, err error) {
	claimed, err := r.options.Store.ClaimFetching(ctx, claimFetches)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	for _, d := range claimed {
		step, done := context.WithTimeout(lasting, wakeTimeout)
		err := r.options.Deliveries.Deliver(step, d)
		done()
		if err != nil {
			return false, err
		}
		if err := r.options.Store.ToldFetching(lasting, d); err != nil {
			return false, err
		}
	}
	return len(claimed) > 0, nil
}

// lookAfterSome has a few sources looked after that changed, or whose workflow has
// not looked for too long. What fails stays claimed, and comes again when its lease
// is over.
func (r *Relay) lookAfterSome(ctx context.Context) (more bool, err error) {
	claimed, err := r.options.Store.ClaimUpkeeps(ctx, claimUpkeeps)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	for _, asked := range claimed {
		settle := r.options.Store.NoUpkeep
		if r.tends(asked.Platform) {
			step, done := context.WithTimeout(lasting, wakeTimeout)
			err := r.options.Upkeep.LookAfter(step, asked.SourceID, asked.OrganizationID)
			done()
			if err != nil {
				return false, err
			}
			settle = r.options.Store.ToldUpkeep
		}
		if err := settle(lasting, asked); err != nil {
			return false, err
		}
	}
	return len(claimed) > 0, nil
}

// briefSome tells the workflows of a few briefs. One whose meeting has no words any more
// has nobody to tell; one that fails stays claimed, and comes again when its lease is
// over; only when Temporal is away is the rest put back untold.
func (r *Relay) briefSome(ctx context.Context) (more bool, err error) {
	claimed, err := r.options.Store.ClaimBriefings(ctx, claimBriefings)
	if err != nil {
		return false, err
	}
	lasting := context.WithoutCancel(ctx)
	var firstErr error
	away := false
	for _, asked := range claimed {
		settle := r.options.Store.ReturnBriefing
		if !away {
			step, done := context.WithTimeout(lasting, wakeTimeout)
			err := r.options.Briefings.TellBriefing(step, asked.BriefingKey)
			done()
			if err != nil && !errors.Is(err, store.ErrErased) && !errors.Is(err, store.ErrNotFound) {
				away = isAway(err)
				if firstErr == nil || away {
					firstErr = err
				}
				continue
			}
			settle = r.options.Store.ToldBriefing
		}
		if err := settle(lasting, asked); err != nil {
			return false, err
		}
	}
	return len(claimed) > 0 && !away, firstErr
}

// tends says whether a platform's sources are looked after; those of a definition
// never are.
func (r *Relay) tends(platform string) bool {
	_, is := r.options.Platforms[platform].mapping.(tending)
	return is
}

// isAway says whether Temporal can't be reached or takes nothing for now, as
// opposed to not taking this one.
func isAway(err error) bool {
	var (
		unavailable *serviceerror.Unavailable
		late        *serviceerror.DeadlineExceeded
		exhausted   *serviceerror.ResourceExhausted
	)
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &unavailable) || errors.As(err, &late) || errors.As(err, &exhausted)
}
