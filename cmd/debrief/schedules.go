package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/internal/poll"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

const (
	// schedulesAsked is how soon a change of settings reaches Temporal.
	schedulesAsked = 5 * time.Second
	// schedulesAnyway is how often Temporal is looked at where nothing changed here: it
	// may have been restored, or somebody edited a schedule by hand.
	schedulesAnyway = time.Hour
	// schedulesAgain is when it is tried again after something failed: one schedule, with
	// all others as they should be, or Temporal.
	schedulesAgain = 30 * time.Second
)

// keepSchedules keeps Temporal's schedules of digests as Postgres has them, until ctx
// ends: at once, when settings change, and now and then.
func keepSchedules(ctx context.Context, s *store.Store, schedules workflows.Schedules, log zerolog.Logger) {
	var known int64
	var keptAt time.Time
	poll.Loop{Interval: schedulesAsked, Complain: func(err error) { log.Error().Err(err).Msg("the schedules of digests could not be kept; trying again") }}.
		Run(ctx, nil, func(ctx context.Context) (bool, error) {
			asked, err := s.BriefingSchedulesAsked(ctx)
			if err != nil || asked == known && time.Since(keptAt) < schedulesAnyway {
				return false, err
			}
			kept, err := schedules.Keep(ctx)
			if kept != (workflows.Kept{}) {
				log.Info().Int("created", kept.Created).Int("updated", kept.Updated).Int("deleted", kept.Deleted).Msg("kept the schedules of digests")
			}
			known, keptAt = asked, time.Now()
			if err != nil {
				keptAt = keptAt.Add(schedulesAgain - schedulesAnyway)
			}
			return false, err
		})
}
