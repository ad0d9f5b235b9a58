package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/debriefhq/debrief/devstack/story"
)

// Options are those of a run.
type Options struct {
	// Seed draws everything.
	Seed uint64
	// Duration of load and faults together.
	Duration time.Duration
	// Rate is how many follow-ups begin a second.
	Rate float64
	// Organizations is how many there are.
	Organizations int
	// Settle bounds the wait until nothing is left to do.
	Settle time.Duration
	// Faults is what is done to the system; [Schedule] draws it.
	Faults []Fault
	// Debrief is the binary.
	Debrief string
	// TemporalProgram runs Temporal: see devstack.Options.
	TemporalProgram []string
	// Log is the file that gets what Debrief's processes log.
	Log string
	// Env is added to the environment of Debrief's processes.
	Env []string
}

// Result is what a run came to.
type Result struct {
	FollowUps, Kills, Faults int
	Findings                 []Finding
}

// Count is how many findings there are of a kind.
func (r Result) Count(k Kind) (n int) {
	for _, f := range r.Findings {
		if f.Kind == k {
			n++
		}
	}
	return n
}

// String is the last line of a run.
func (r Result) String() string {
	return fmt.Sprintf("followups=%d kills=%d faults=%d lost=%d duplicated=%d wrong=%d stuck=%d",
		r.FollowUps, r.Kills, r.Faults, r.Count(Lost), r.Count(Duplicated), r.Count(Wrong), r.Count(Stuck))
}

// Run brings the world up, plays the script while it breaks things, lets it settle and
// audits. What is wrong with the world is no error but findings; an error says that there
// is no result.
func Run(ctx context.Context, o Options, tell *story.Story) (_ Result, err error) {
	began := time.Now().Truncate(time.Second)
	script, err := Draw(o.Seed, o.Organizations, o.Duration, o.Rate, began)
	if err != nil {
		return Result{}, err
	}
	tell.Chapter(fmt.Sprintf("SEED=%d DURATION=%s: %d meetings in %d organizations", o.Seed, o.Duration, len(script.Meetings), len(script.Organizations)))
	w, err := newWorld(ctx, o, script, tell)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	tell.Chapter("Load and faults")
	p := newPeople(w)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	beside.Go(func() { p.run(watching) })
	beside.Go(func() { w.report(watching, tell) })
	started := time.Now()
	var faults sync.WaitGroup
	faults.Go(func() { w.breakThings(ctx, started, o.Faults) })
	w.load(ctx, started)
	faults.Wait()
	tell.Say("All deliveries are acknowledged, and the last fault is over, after %s.", time.Since(started).Round(time.Second))

	tell.Chapter("Everything is up again: it settles")
	step := tell.Step("Nothing left to do")
	left, err := w.settle(ctx)
	if err != nil {
		step.Failed(err)
		return Result{}, err
	}
	step.Done(left)
	stop()
	beside.Wait()

	tell.Chapter("Audit")
	step = tell.Step("Looking at everything")
	facts, err := w.collect(ctx)
	if err != nil {
		step.Failed(err)
		return Result{}, err
	}
	step.Done(fmt.Sprintf("%d writes, %d calls in the trail, %d decisions, %d messages", len(facts.Writes), len(facts.Calls), len(facts.Decisions), len(facts.Told)))
	_, _, kills, broken := w.ledger.counts()
	result := Result{FollowUps: len(facts.FollowUps), Kills: kills, Faults: broken, Findings: Audit(script, w.ledger, facts)}
	w.print(tell, result, p)
	w.dossiers(ctx, result.Findings, facts)
	return result, ctx.Err()
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
