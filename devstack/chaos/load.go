package chaos

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/debriefhq/debrief/devstack"
)

const (
	// answerWithin is how long a platform waits for an answer.
	answerWithin = 5 * time.Second
	// sendAgainMost bounds the pauses between a platform's tries.
	sendAgainMost = 2 * time.Second
)

// load sends the script's deliveries, each at its time and until it is acknowledged. It
// returns when all are, or ctx ends.
func (w *world) load(ctx context.Context, began time.Time) {
	var all sync.WaitGroup
	defer all.Wait()
	tell := func(organization int, deliveries []Delivery) {
		for _, d := range deliveries {
			all.Go(func() { w.deliver(ctx, w.tenants[organization], d, began.Add(d.At)) })
		}
	}
	for _, m := range w.script.Meetings {
		tell(m.Organization, m.Deliveries)
	}
	for _, b := range w.script.Bookings {
		tell(b.Organization, b.Deliveries)
	}
}

// deliver sends a delivery at its time, as often as the script says.
func (w *world) deliver(ctx context.Context, t *tenant, d Delivery, at time.Time) {
	if !sleep(ctx, time.Until(at)) {
		return
	}
	var copies sync.WaitGroup
	for n := range d.Copies {
		copies.Go(func() { w.send(ctx, t, d, d.Receiver+n) })
	}
	copies.Wait()
	if d.Again && ctx.Err() == nil {
		w.send(ctx, t, d, d.Receiver+1)
	}
}

// send sends a delivery until it is acknowledged, first to one receiver and then to
// the others.
func (w *world) send(ctx context.Context, t *tenant, d Delivery, to int) {
	pause := 100 * time.Millisecond
	for ; ; to++ {
		if w.post(ctx, t, d, w.Receivers()[to%receivers]) {
			w.ledger.delivered(d.ID)
			return
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, sendAgainMost)
	}
}

func (w *world) post(ctx context.Context, t *tenant, d Delivery, to *devstack.Instance) (acknowledged bool) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	there := *t.Scene
	there.SourceURL = to.URL() + t.SourceURL
	status, err := there.Post(ctx, d.ID, d.Body)
	return err == nil && status >= http.StatusOK && status < http.StatusMultipleChoices
}

// sleep waits, and says whether ctx goes on.
func sleep(ctx context.Context, long time.Duration) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
