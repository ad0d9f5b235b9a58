package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/devstack/story"
)

// settle takes every fault back and waits, for so long at most, until nothing is left to
// do. People go on answering.
func (w *world) settle(ctx context.Context) (string, error) {
	w.ledger.notMet(len(w.Simulator.Faults()))
	w.Simulator.ClearFaults()
	until := time.Now().Add(w.opts.Settle)
	calm := 0
	for {
		left, err := w.leftIn(ctx)
		if err == nil && len(left) == 0 {
			// What has just ended may begin again: a wake-up may be on its way.
			if calm++; calm == 3 {
				return "", nil
			}
		} else {
			calm = 0
		}
		switch {
		case time.Now().After(until) && err != nil:
			return "", fmt.Errorf("looking for what is left to do: %w", err)
		case time.Now().After(until):
			return fmt.Sprintf("after %s there is still something: %s", w.opts.Settle, summary(left)), nil
		case !sleep(ctx, time.Second):
			return "", ctx.Err()
		}
	}
}

func summary(left []Leftover) string {
	counts := map[string]int{}
	for _, l := range left {
		counts[l.What]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d × %s", counts[what], what))
	}
	return strings.Join(parts, ", ")
}

// report says every ten seconds how far things are.
func (w *world) report(ctx context.Context, tell *story.Story) {
	began := time.Now()
	for sleep(ctx, 10*time.Second) {
		deliveries, decisions, kills, faults := w.ledger.counts()
		var followUps, closed, asked int
		err := w.db.QueryRow(ctx, `select count(*), count(*) filter (where state = 'closed'), (select count(*) from approvals where state = 'pending') from follow_ups`).Scan(&followUps, &closed, &asked)
		counted := fmt.Sprintf("%d follow-ups, %d closed, %d questions", followUps, closed, asked)
		if err != nil {
			counted = "PostgreSQL is away"
		}
		tell.Say("%4ds  %s; %d deliveries and %d decisions acknowledged; %d kills, %d other faults", int(time.Since(began).Seconds()), counted, deliveries, decisions, kills, faults)
	}
}

// note writes one line to the log, beside those of the processes.
func (w *world) note(format string, args ...any) {
	_, _ = fmt.Fprintf(w.log, "chaos | "+format+"\n", args...)
}
