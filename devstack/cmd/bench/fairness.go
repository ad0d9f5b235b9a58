package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/debriefhq/debrief/devstack/bench"
	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/policy"
)

type fairnessCmd struct {
	Waiting int           `help:"How many follow-ups of the busy account wait." default:"5000"`
	Quiet   int           `help:"How many of the quiet account are measured, one after another: alone, and beside." default:"100"`
	Limit   time.Duration `help:"When to give up." default:"1h"`
	Out     string        `help:"Where the results go; empty: nowhere." default:"bench/results/fairness.json" placeholder:"FILE"`
}

type fairnessResults struct {
	Machine bench.Machine `json:"machine"`
	Waiting int           `json:"waiting"`
	Alone   bench.Latency `json:"alone"`
	Beside  bench.Latency `json:"beside"`
	// Written is how many follow-ups of the busy account had something written by then.
	Before  int `json:"busy_written_before"`
	Written int `json:"busy_written_after"`
	// Refused is how often HubSpot had to refuse a call for a limit.
	Refused int          `json:"refused"`
	Goals   []bench.Goal `json:"goals"`
}

func (c *fairnessCmd) Run(ctx context.Context, all *cli, tell *story.Story) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	w, err := all.start(ctx, bench.Options{Settled: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	tell.Say("%s", w.Machine)
	if err := w.AddAccounts(ctx, 2, policy.Allow); err != nil {
		return err
	}
	r, err := c.measure(ctx, w, tell)
	if err != nil {
		return err
	}
	tell.Chapter("Fairness: a quiet account's follow-ups, from the webhook until all is written")
	row := func(what string, l bench.Latency) []string {
		return []string{what, fmt.Sprint(l.N), bench.Number(l.P50), bench.Number(l.P99), bench.Number(l.Max)}
	}
	tell.Table([]string{"", "n", "p50 ms", "p99 ms", "max ms"}, row("alone", r.Alone), row(fmt.Sprintf("beside an account with %d waiting", r.Waiting), r.Beside))
	tell.Say("of the busy account %d were begun to be written before and %d afterwards; HubSpot refused %d calls", r.Before, r.Written, r.Refused)
	tell.Say("")
	bench.PrintGoals(tell, r.Goals)
	return measure.Write(c.Out, r)
}

// measure needs two accounts: the first one is quiet, the second busy.
func (c *fairnessCmd) measure(ctx context.Context, w *bench.World, tell *story.Story) (r fairnessResults, err error) {
	quiet, busy := w.Accounts[0], w.Accounts[1]
	r.Machine, r.Waiting = w.Machine, c.Waiting
	if _, err := followUps(ctx, w, quiet, 5); err != nil {
		return r, err // nobody measures a first time
	}
	alone, err := followUps(ctx, w, quiet, c.Quiet)
	if err != nil {
		return r, err
	}
	r.Alone = bench.Took(alone)
	for range c.Waiting {
		g, err := w.AddGuest(busy)
		if err != nil {
			return r, err
		}
		body, err := bench.Meeting(busy, g, time.Now().Add(-time.Hour))
		if err != nil {
			return r, err
		}
		if err := w.Tell(ctx, busy, body); err != nil {
			return r, err
		}
	}
	tell.Say("%d follow-ups of the busy account were told of", c.Waiting)
	if err := begun(ctx, w, busy, c.Waiting); err != nil {
		return r, err
	}
	if r.Before, err = written(ctx, w, busy); err != nil {
		return r, err
	}
	tell.Say("all of them have begun; %d have something written", r.Before)
	beside, err := followUps(ctx, w, quiet, c.Quiet)
	if err != nil {
		return r, err
	}
	r.Beside = bench.Took(beside)
	if r.Written, err = written(ctx, w, busy); err != nil {
		return r, err
	}
	r.Refused = w.HubSpot.TooMany()
	if r.Written >= c.Waiting {
		return r, errors.New("nothing waited any more when the last was measured: have more wait, or measure fewer")
	}
	r.Goals = []bench.Goal{
		bench.AtMost(fmt.Sprintf("p99 beside %d waiting, over alone", r.Waiting), r.Beside.P99/r.Alone.P99, 2, " ×"),
		bench.AtMost("calls that HubSpot refused for a limit", float64(r.Refused), 0, ""),
	}
	return r, nil
}

// followUps does some, one after another.
func followUps(ctx context.Context, w *bench.World, a *bench.Account, n int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for range n {
		g, err := w.AddGuest(a)
		if err != nil {
			return nil, err
		}
		one, err := w.FollowUp(ctx, a, g)
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	return took, nil
}

// begun waits until so many follow-ups of an account have looked for the first time.
func begun(ctx context.Context, w *bench.World, a *bench.Account, n int) error {
	for {
		var looked int
		if err := w.DB.QueryRow(ctx, `select count(*) from follow_ups where organization_id = $1`, a.Organization.ID).Scan(&looked); err != nil {
			return fmt.Errorf("counting follow-ups: %w", err)
		}
		if looked >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d follow-ups have begun: %w", looked, n, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// written counts the follow-ups of an account that have written something.
func written(ctx context.Context, w *bench.World, a *bench.Account) (n int, err error) {
	err = w.DB.QueryRow(ctx, `select count(distinct origin_id) from actions where organization_id = $1 and state = 'written'`, a.Organization.ID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting what is written: %w", err)
	}
	return n, nil
}
