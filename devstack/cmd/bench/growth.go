package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/devstack/bench"
	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/policy"
)

type growthCmd struct {
	Meetings []int         `help:"How many meetings are in the store; each more than the one before." default:"0,10000,100000,1000000"`
	Lean     bool          `help:"Meetings are loaded without what is sealed in them: for a disk that is small."`
	Accounts int           `help:"Over how many organizations, each with a HubSpot account." default:"64"`
	For      time.Duration `help:"How long each thing is measured." default:"30s"`
	Senders  int           `help:"How many senders post webhooks at the same time." default:"32"`
	Waiting  int           `help:"How many follow-ups of a busy account wait beside a quiet one." default:"500"`
	Quiet    int           `help:"How many of the quiet account are measured." default:"50"`
	Doc      string        `help:"The page that has the floors of calls." default:"docs/hubspot-calls.md" placeholder:"FILE"`
	Limit    time.Duration `help:"When to give up." default:"6h"`
	Out      string        `help:"Where the results go; empty: nowhere." default:"bench/results/growth.json" placeholder:"FILE"`
}

// grown is what was measured with so many meetings in the store.
type grown struct {
	Meetings int         `json:"meetings"`
	LoadS    float64     `json:"load_s"`
	Sizes    bench.Sizes `json:"sizes"`
	// Intake is a receiver without a relay.
	Intake       bench.Latency `json:"intake"`
	IntakePerSec float64       `json:"intake_per_second"`
	// One follow-up after another, and sixteen at once.
	One     turn          `json:"follow_ups_one"`
	Sixteen turn          `json:"follow_ups_sixteen"`
	Inbox   bench.Latency `json:"inbox"`
	Cases   []called      `json:"calls"`
	Alone   bench.Latency `json:"quiet_alone"`
	Beside  bench.Latency `json:"quiet_beside"`
}

type growthResults struct {
	Machine bench.Machine `json:"machine"`
	Lean    bool          `json:"lean,omitempty"`
	Parts   []grown       `json:"parts"`
}

// growth is one run.
type growth struct {
	*growthCmd
	*overhead

	tell     *story.Story
	binary   string
	document string
}

func (c *growthCmd) Run(ctx context.Context, all *cli, tell *story.Story) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	document, err := os.ReadFile(c.Doc)
	if err != nil {
		return fmt.Errorf("reading the floors: %w", err)
	}
	w, err := all.start(ctx, bench.Options{Settled: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	tell.Say("%s", w.Machine)
	if err := w.AddAccounts(ctx, c.Accounts, policy.Allow); err != nil {
		return err
	}
	g := &growth{growthCmd: c, overhead: &overhead{overheadCmd: &overheadCmd{For: c.For}, World: w, tell: tell}, tell: tell, binary: w.Binary, document: string(document)}
	// One real meeting of each organization is what the others are copies of.
	if _, err := g.times(ctx, g.sides()[0], c.Accounts, 8); err != nil {
		return fmt.Errorf("having the first meetings: %w", err)
	}
	var first []uuid.UUID
	if err := w.DB.QueryRow(ctx, `select array_agg(id) from meetings`).Scan(&first); err != nil {
		return fmt.Errorf("reading the first meetings: %w", err)
	}
	r := growthResults{Machine: w.Machine, Lean: c.Lean}
	copies := 1
	for _, n := range c.Meetings {
		part := grown{Meetings: n}
		begun := time.Now()
		if more := n/len(first) - copies + 1; more > 0 {
			if err := w.Load(ctx, first, copies, more*len(first), c.Lean); err != nil {
				return err
			}
			copies += more
		}
		part.LoadS = bench.Round(time.Since(begun).Seconds(), 1)
		if err := g.part(ctx, &part); err != nil {
			return fmt.Errorf("measuring with %d meetings: %w", n, err)
		}
		r.Parts = append(r.Parts, part)
	}
	r.print(tell)
	return measure.Write(c.Out, r)
}

func (g *growth) part(ctx context.Context, r *grown) (err error) {
	// Tokens of the simulator live for half an hour.
	if err := g.Connect(ctx); err != nil {
		return err
	}
	if r.Sizes, err = g.World.Sizes(ctx); err != nil {
		return err
	}
	g.tell.Say("%d meetings are there after %g s: %d MiB", r.Meetings, r.LoadS, r.Sizes.Debrief>>20)
	if err := g.intake(ctx, r); err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	s := g.sides()[0]
	if r.One, err = g.turn(ctx, s, 1); err != nil {
		return err
	}
	if r.Sixteen, err = g.turn(ctx, s, 16); err != nil {
		return err
	}
	browser, err := g.SignIn(ctx, g.World.Accounts[0])
	if err != nil {
		return err
	}
	var loads []time.Duration
	for range 100 {
		took, _, err := browser.Load(ctx, "/inbox")
		if err != nil {
			return err
		}
		loads = append(loads, took)
	}
	r.Inbox = bench.Took(loads)
	if r.Cases, err = measureCalls(ctx, g.World, g.document); err != nil {
		return err
	}
	fair := fairnessCmd{Waiting: g.Waiting, Quiet: g.Quiet}
	// Accounts of their own: what waits of the busy one is not done soon.
	from := len(g.World.Accounts)
	if err := g.AddAccounts(ctx, 2, policy.Allow); err != nil {
		return err
	}
	defer func(all []*bench.Account) { g.World.Accounts = all }(g.World.Accounts[:from])
	apart := *g.World
	apart.Accounts = g.World.Accounts[from:]
	f, err := fair.measure(ctx, &apart, g.tell)
	if err != nil {
		return err
	}
	r.Alone, r.Beside = f.Alone, f.Beside
	return nil
}

// intake posts webhooks to a receiver that leaves alone what it receives, and forgets them.
func (g *growth) intake(ctx context.Context, r *grown) (err error) {
	serve := g.Receivers()[0]
	if err := serve.Process().Stop(20 * time.Second); err != nil {
		return err
	}
	alone, err := process.Start(process.Options{
		Name: "serve", Path: g.binary, Args: []string{"serve", "--no-relay"}, Env: g.Env(), Output: os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, alone.Stop(20*time.Second), serve.Start(ctx)) }()
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := alone.WaitReady(ready, g.PublicURL()+"/readyz"); err != nil {
		return err
	}
	guests := make([]bench.Guest, len(g.World.Accounts))
	for i, a := range g.World.Accounts {
		if guests[i], err = g.AddGuest(a); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	begun := time.Now()
	until := begun.Add(g.growthCmd.For)
	for i := range g.Senders {
		all.Go(func() {
			for n := i; time.Now().Before(until); n++ {
				a := g.World.Accounts[n%len(g.World.Accounts)]
				body, failed := bench.Meeting(a, guests[n%len(guests)], time.Now())
				one := time.Now()
				if failed == nil {
					failed = g.Tell(ctx, a, body)
				}
				mu.Lock()
				took = append(took, time.Since(one))
				err = errors.Join(err, failed)
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	all.Wait()
	r.IntakePerSec = bench.Round(float64(len(took))/time.Since(begun).Seconds(), 0)
	r.Intake = bench.Took(took)
	if err != nil {
		return err
	}
	if _, err := g.DB.Exec(ctx, `delete from deliveries where state = 'received'`); err != nil {
		return fmt.Errorf("forgetting what was received: %w", err)
	}
	return nil
}

func (r growthResults) print(tell *story.Story) {
	tell.Chapter("Growth: with so many meetings in the store")
	rows := [][]string{{
		"meetings", "MiB", "webhooks a second", "p99 ms", "one follow-up p50, p99 ms", "16 at once, a second", "processors ms each", "inbox p99 ms", "quiet p99 alone, beside ms", "calls",
	}}
	for _, p := range r.Parts {
		calls := ""
		for _, c := range p.Cases {
			calls += strconv.Itoa(c.Ours) + " "
		}
		rows = append(rows, []string{
			strconv.Itoa(p.Meetings), strconv.FormatInt(p.Sizes.Debrief>>20, 10), bench.Number(p.IntakePerSec), bench.Number(p.Intake.P99),
			fmt.Sprintf("%g, %g", p.One.P50, p.One.P99), bench.Number(p.Sixteen.PerSecond), bench.Number(p.Sixteen.Spent), bench.Number(p.Inbox.P99),
			fmt.Sprintf("%g, %g", p.Alone.P99, p.Beside.P99), calls,
		})
	}
	tell.Table(rows...)
}
