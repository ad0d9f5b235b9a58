package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// Fetcher gets what deliveries only name from their platforms' APIs, and has them
// understood with it. It is what the activities of the Delivery workflow call.
type Fetcher struct {
	Store     *store.Store
	Platforms map[string]Platform
	APIs      *APIs
}

// oddFor is how long after the webhook an API is asked again that answers with what
// can't be used. A platform that has changed its answers does so for ever, and what
// the webhook itself tells must not wait for that.
const oddFor = 6 * time.Hour

// unusable is an answer that the mapping can't read: asked again, it is the same.
type unusable struct{ platform, reason string }

func (e unusable) Error() string {
	return "what " + e.platform + "'s API told can't be used: " + e.reason
}

// Final is for who only sees an error.
func (unusable) Final() bool { return true }

// Fetch gets what a delivery only names and keeps it, sealed, with the delivery. It
// fails with the errors of an [API]; a sentence then stands with the delivery, and,
// where the credentials are refused, with the source. There is nothing to do where it
// has its verdict, or has been got, or where the source has no credentials any more.
func (f *Fetcher) Fetch(ctx context.Context, deliveryID uuid.UUID) error {
	d, err := f.Store.DeliveryByID(ctx, deliveryID)
	if err != nil || d.State != store.DeliveryFetching {
		return err
	}
	source, err := f.Store.Source(ctx, d.SourceID)
	if err != nil {
		return err
	}
	platform, err := PlatformOf(source, f.Platforms)
	if err != nil {
		return fmt.Errorf("fetching for delivery %s: %w", d.ID, err)
	}
	body, fetched, err := f.Store.BodyAndFetched(ctx, d.ID)
	if errors.Is(err, store.ErrErased) {
		return f.Store.SettleDelivery(ctx, d.ID, store.DeliveryExcluded, wordsErased)
	}
	if err != nil || fetched != nil {
		return err
	}
	mapping, is := platform.mapping.(fetching)
	api, has := f.APIs.Of(source, platform)
	if !is || !has {
		return f.Store.ExplainDelivery(ctx, d.ID, "the source has no API credentials any more; it is understood without")
	}
	if source.API.RefusedAt != nil {
		may, err := f.Store.AskRefusedAPI(ctx, source)
		if err != nil {
			return err
		}
		if !may {
			return f.refused(ctx, d, source, Refused{Platform: platform.name, Status: http.StatusUnauthorized})
		}
	}
	raw, err := fetchSafely(ctx, platform, mapping, api, deliveryOf(d, body, nil))
	return f.settle(ctx, d, source, raw, err)
}

// fetchSafely fetches, and sees that what comes can be read.
func fetchSafely(ctx context.Context, p Platform, mapping fetching, api API, d Delivery) (raw []byte, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			raw, err = nil, unusable{p.name, fmt.Sprintf("reading it panicked (%T)", panicked)}
		}
	}()
	var unfit Unfit
	raw, err = mapping.Fetch(ctx, api, d)
	switch {
	case errors.As(err, &unfit):
		return nil, unusable{p.name, unfit.Reason}
	case err != nil || raw == nil:
		return nil, err
	}
	d.Fetched = raw
	if _, err := p.understand(d); errors.As(err, &unfit) {
		return nil, unusable{p.name, unfit.Reason}
	}
	return raw, nil
}

// settle keeps what came of asking.
func (f *Fetcher) settle(ctx context.Context, d store.Delivery, source store.Source, raw []byte, err error) error {
	var (
		refused Refused
		later   Later
		absent  NotYet
		final   interface {
			error
			Final() bool
		}
	)
	switch {
	case errors.As(err, &refused):
		if err := f.Store.RefuseAPI(ctx, source, refused.Error(), refused.Status != http.StatusForbidden); err != nil {
			return err
		}
		return f.refused(ctx, d, source, refused)
	case errors.As(err, &later) && later.Reason == notItsTurn:
		return err
	case errors.As(err, &later) && later.Odd && time.Since(d.ReceivedAt) > oddFor:
		err = unusable{later.Platform, "it " + later.Reason}
		return f.explained(ctx, d, err.Error(), err)
	case errors.As(err, &later):
		return f.explained(ctx, d, later.Error()+"; it is tried again", err)
	case err == nil, errors.As(err, &absent), errors.As(err, &final):
		// Whatever the answer is, the credentials are good.
		if source.API.RefusedAt != nil {
			if err := f.Store.AcceptAPI(ctx, source); err != nil {
				return err
			}
		}
	}
	if err != nil {
		if absent.Platform == "" && final == nil {
			return err
		}
		return f.explained(ctx, d, err.Error(), err)
	}
	if raw == nil {
		return nil
	}
	err = f.Store.StoreFetched(ctx, d.ID, raw)
	if errors.Is(err, store.ErrErased) {
		return f.Store.SettleDelivery(ctx, d.ID, store.DeliveryExcluded, wordsErased)
	}
	return err
}

func (f *Fetcher) refused(ctx context.Context, d store.Delivery, source store.Source, err Refused) error {
	return f.explained(ctx, d, err.Error()+"; it waits for others: `debrief sources credentials "+source.Name+"`", err)
}

// explained lets the delivery say what it waits for, and returns cause.
func (f *Fetcher) explained(ctx context.Context, d store.Delivery, reason string, cause error) error {
	if d.Reason != reason {
		if err := f.Store.ExplainDelivery(ctx, d.ID, reason); err != nil {
			return err
		}
	}
	return cause
}

// Understand gives a delivery that waited for what it names its verdict, with that or,
// where without says why, without.
func (f *Fetcher) Understand(ctx context.Context, deliveryID uuid.UUID, without string) error {
	d, err := f.Store.DeliveryByID(ctx, deliveryID)
	if err != nil || d.State != store.DeliveryFetching {
		return err
	}
	if without != "" && !strings.Contains(d.Reason, without) {
		if err := f.Store.ExplainDelivery(ctx, d.ID, strings.TrimPrefix(d.Reason+"; "+without, "; ")); err != nil {
			return err
		}
	}
	_, err = understandStored(ctx, f.Store, f.Platforms, d)
	return err
}
