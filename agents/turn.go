package agents

import (
	"context"
	"errors"
	"time"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
)

// turnPatience is how long a read waits for its turn at HubSpot's limits.
const turnPatience = 15 * time.Second

// inTurn makes a read, and waits for its turn at HubSpot's limits for a while: whoever
// calls would have to do the same. What HubSpot itself fails with is not waited for.
func inTurn(ctx context.Context, read func() error) error {
	deadline := time.Now().Add(turnPatience)
	for {
		err := read()
		var later *crm.RetryError
		var hub *hubspot.Error
		if !errors.As(err, &later) || errors.As(err, &hub) && !errors.Is(err, hubspot.ErrRateLimited) || time.Now().Add(later.After).After(deadline) {
			return err
		}
		timer := time.NewTimer(later.After)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
