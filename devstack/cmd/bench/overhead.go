package main

import (
	"context"
	"encoding/json"
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
	"github.com/debriefhq/debrief/internal/freeport"
	"github.com/debriefhq/debrief/policy"
)

type overheadCmd struct {
	AtOnce   []int         `help:"How many follow-ups are under way at once." default:"1,16,64"`
	Rounds   int           `help:"In how many rounds both take turns; what is told is the median." default:"5"`
	For      time.Duration `help:"How long a turn is." default:"15s"`
	Slow     time.Duration `help:"How long HubSpot takes for each call when the critical path is measured." default:"100ms"`
	SlowN    int           `name:"slow-n" help:"How many follow-ups of each are measured so." default:"30"`
	Accounts int           `help:"Over how many HubSpot accounts; each has its own limit." default:"64"`
	Trace    bool          `help:"Print when each call of a follow-up began and ended, too, where HubSpot takes its time."`
	Limit    time.Duration `help:"When to give up." default:"1h"`
	Out      string        `help:"Where the results go; empty: nowhere." default:"bench/results/overhead.json" placeholder:"FILE"`
}

// turn is what one of both came to in one turn.
type turn struct {
	bench.Latency

	PerSecond float64 `json:"per_second"`
	// Spent is processor time in milliseconds for each follow-up, of all processes but
	// the simulator's and the senders'.
	Spent float64 `json:"cpu_ms_each"`
	Parts parts   `json:"cpu_ms_each_of"`
}

// parts are whose processor time it was.
type parts struct {
	// Receiver and Worker are Debrief's, or both together the bare program.
	Receiver float64 `json:"receiver"`
	Worker   float64 `json:"worker"`
	Postgres float64 `json:"postgresql"`
	Temporal float64 `json:"temporal"`
	// TemporalPostgres is the PostgreSQL that Temporal keeps its state in.
	TemporalPostgres float64 `json:"temporal_postgresql"`
}

func (p parts) sum() float64 {
	return p.Receiver + p.Worker + p.Postgres + p.Temporal + p.TemporalPostgres
}

// level is what both came to with so many at once: medians of the rounds.
type level struct {
	AtOnce  int    `json:"at_once"`
	Debrief turn   `json:"debrief"`
	Bare    turn   `json:"bare"`
	Rounds  rounds `json:"rounds"`
	// Debrief's over the bare one's.
	RatioP50  float64 `json:"ratio_p50"`
	RatioP99  float64 `json:"ratio_p99"`
	RatioRate float64 `json:"ratio_rate"`
}

type rounds struct {
	Debrief []turn `json:"debrief"`
	Bare    []turn `json:"bare"`
}

// slow is what came of a HubSpot that takes its time, one follow-up after another.
type slow struct {
	CallMS float64 `json:"call_ms"`
	// Path is for how long the bare program has a call under way: those that can't
	// overlap.
	Path     float64       `json:"critical_path_ms"`
	Debrief  bench.Latency `json:"debrief"`
	Bare     bench.Latency `json:"bare"`
	Ratio    float64       `json:"ratio"`
	CallsOf  int           `json:"calls_debrief"`
	CallsOfB int           `json:"calls_bare"`
}

type overheadResults struct {
	Machine bench.Machine `json:"machine"`
	Levels  []level       `json:"levels"`
	Slow    slow          `json:"slow_hubspot"`
	Goals   []bench.Goal  `json:"goals"`
}

// overhead is one run.
type overhead struct {
	*overheadCmd
	*bench.World

	tell *story.Story
	bare *process.Process
	url  string
	next int
	mu   sync.Mutex
}

func (c *overheadCmd) Run(ctx context.Context, all *cli, tell *story.Story) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	w, err := all.start(ctx, bench.Options{Settled: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	tell.Say("%s", w.Machine)
	if err := w.AddAccounts(ctx, c.Accounts, policy.Allow); err != nil {
		return err
	}
	o := &overhead{overheadCmd: c, World: w, tell: tell}
	stop, err := o.startBare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	results, err := o.measure(ctx)
	if err != nil {
		return err
	}
	results.print(tell)
	return measure.Write(c.Out, results)
}

// startBare starts the bare program beside.
func (o *overhead) startBare(ctx context.Context) (stop func() error, err error) {
	ports, err := freeport.Find(1)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	tokens := map[int64]string{}
	for _, a := range o.World.Accounts {
		tokens[a.Hub] = a.Token
	}
	raw, err := json.Marshal(tokens)
	if err != nil {
		return nil, fmt.Errorf("encoding the tokens: %w", err)
	}
	listen := "127.0.0.1:" + strconv.Itoa(ports[0])
	o.url = "http://" + listen
	o.bare, err = process.Start(process.Options{
		Name: "bare", Path: self, Args: []string{"bare", "--listen", listen, "--temporal", o.TemporalAddr(), "--hubspot", o.HubSpot.URL},
		Env: append(os.Environ(), bareTokens+"="+string(raw)), Output: os.Stderr,
	})
	if err != nil {
		return nil, err
	}
	stop = func() error { return o.bare.Stop(20 * time.Second) }
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := o.bare.WaitReady(ready, o.url+"/readyz"); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// side is one of both.
type side struct {
	name, workflow string
	followUp       func(context.Context, *bench.Account, bench.Guest) (time.Duration, error)
}

func (o *overhead) sides() []side {
	return []side{
		{"Debrief", "FollowUp", o.FollowUp},
		{"bare", bareWorkflow, o.bareFollowUp},
	}
}

// bareFollowUp is what [bench.World.FollowUp] is, by the bare program.
func (o *overhead) bareFollowUp(ctx context.Context, a *bench.Account, g bench.Guest) (time.Duration, error) {
	begun := time.Now().Add(-time.Hour).UTC()
	body, err := json.Marshal(bareMeeting{
		ID: uuid.NewString(), Hub: a.Hub, Guest: g.Email, Title: "Renewal", Summary: "The renewal was agreed on.", Task: "Send the contract",
		Begun: begun, Ended: begun.Add(30 * time.Minute),
	})
	if err != nil {
		return 0, fmt.Errorf("encoding a meeting: %w", err)
	}
	return o.Until(ctx, g, func() error { return o.Post(ctx, o.url+"/webhook", body, nil) })
}

func (o *overhead) measure(ctx context.Context) (r overheadResults, err error) {
	r.Machine = o.Machine
	// Nobody measures a first time: connections are made, and what is kept of each
	// account is read.
	for _, s := range o.sides() {
		if _, err := o.times(ctx, s, len(o.World.Accounts), 8); err != nil {
			return r, fmt.Errorf("warming %s up: %w", s.name, err)
		}
	}
	for _, atOnce := range o.AtOnce {
		l := level{AtOnce: atOnce}
		for round := range o.Rounds {
			for _, s := range o.sides() {
				t, err := o.turn(ctx, s, atOnce)
				if err != nil {
					return r, fmt.Errorf("measuring %s with %d at once: %w", s.name, atOnce, err)
				}
				if s.workflow == bareWorkflow {
					l.Rounds.Bare = append(l.Rounds.Bare, t)
				} else {
					l.Rounds.Debrief = append(l.Rounds.Debrief, t)
				}
				o.tell.Say("%2d at once, round %d, %-7s %6d follow-ups  %6.1f a second  p50 %7.1f ms  p99 %7.1f ms  %5.1f ms of processors each",
					atOnce, round+1, s.name, t.N, t.PerSecond, t.P50, t.P99, t.Spent)
			}
		}
		l.sum()
		r.Levels = append(r.Levels, l)
	}
	if r.Slow, err = o.slow(ctx); err != nil {
		return r, err
	}
	for _, l := range r.Levels {
		at := strconv.Itoa(l.AtOnce) + " at once: "
		r.Goals = append(r.Goals,
			bench.AtMost(at+"latency p50, Debrief's over the bare program's", l.RatioP50, 1.5, " ×"),
			bench.AtMost(at+"latency p99, Debrief's over the bare program's", l.RatioP99, 1.5, " ×"),
			bench.AtLeast(at+"follow-ups a second, Debrief's over the bare program's", l.RatioRate, 0.7, " ×"))
	}
	r.Goals = append(r.Goals, bench.AtMost(fmt.Sprintf("%g ms a call: latency over the critical path", r.Slow.CallMS), r.Slow.Ratio, 1.15, " ×"))
	return r, nil
}

func (l *level) sum() {
	for _, s := range []struct {
		to     *turn
		rounds []turn
	}{{&l.Debrief, l.Rounds.Debrief}, {&l.Bare, l.Rounds.Bare}} {
		s.to.P50 = bench.MedianOf(s.rounds, func(t turn) float64 { return t.P50 })
		s.to.P99 = bench.MedianOf(s.rounds, func(t turn) float64 { return t.P99 })
		s.to.Max = bench.MedianOf(s.rounds, func(t turn) float64 { return t.Max })
		s.to.PerSecond = bench.MedianOf(s.rounds, func(t turn) float64 { return t.PerSecond })
		s.to.Spent = bench.MedianOf(s.rounds, func(t turn) float64 { return t.Spent })
		s.to.Parts = parts{
			bench.MedianOf(s.rounds, func(t turn) float64 { return t.Parts.Receiver }), bench.MedianOf(s.rounds, func(t turn) float64 { return t.Parts.Worker }),
			bench.MedianOf(s.rounds, func(t turn) float64 { return t.Parts.Postgres }), bench.MedianOf(s.rounds, func(t turn) float64 { return t.Parts.Temporal }),
			bench.MedianOf(s.rounds, func(t turn) float64 { return t.Parts.TemporalPostgres }),
		}
		for _, t := range s.rounds {
			s.to.N += t.N
		}
	}
	l.RatioP50 = bench.Round(l.Debrief.P50/l.Bare.P50, 2)
	l.RatioP99 = bench.Round(l.Debrief.P99/l.Bare.P99, 2)
	l.RatioRate = bench.Round(l.Debrief.PerSecond/l.Bare.PerSecond, 2)
}

// account is whose turn it is: all have the same share.
func (o *overhead) account() *bench.Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next++
	return o.World.Accounts[o.next%len(o.World.Accounts)]
}

// turn has one of both work for a while with so many at once. Its rate counts until all
// workflows are over: nothing is left for later.
func (o *overhead) turn(ctx context.Context, s side, atOnce int) (turn, error) {
	before, begun := o.spent(), time.Now()
	until := begun.Add(o.For)
	took, err := o.each(ctx, s, atOnce, func(int) bool { return time.Now().Before(until) })
	if err != nil {
		return turn{}, err
	}
	if err := o.idle(ctx, s.workflow); err != nil {
		return turn{}, err
	}
	elapsed := time.Since(begun)
	t := turn{Latency: bench.Took(took), PerSecond: bench.Round(float64(len(took))/elapsed.Seconds(), 1)}
	now := o.spent()
	each := func(now, before float64) float64 { return bench.Round((now-before)*1000/float64(max(t.N, 1)), 1) }
	t.Parts = parts{
		each(now.Receiver, before.Receiver), each(now.Worker, before.Worker), each(now.Postgres, before.Postgres),
		each(now.Temporal, before.Temporal), each(now.TemporalPostgres, before.TemporalPostgres),
	}
	t.Spent = bench.Round(t.Parts.sum(), 1)
	return t, nil
}

// spent is what each has spent so far, in seconds.
func (o *overhead) spent() parts {
	s := o.Spent()
	p := parts{s.Serve, s.Worker, s.Postgres, s.Temporal, s.TemporalPostgres}
	if o.bare != nil {
		p.Worker += process.ProcessorTime(o.bare.Pid()).Seconds()
	}
	return p
}

// idle waits until no workflow of a type is left, as lists know it.
func (o *overhead) idle(ctx context.Context, workflowType string) error {
	for {
		n, err := o.Open(ctx, workflowType)
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d workflows don't end: %w", n, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// times does so many.
func (o *overhead) times(ctx context.Context, s side, n, atOnce int) ([]time.Duration, error) {
	took, err := o.each(ctx, s, atOnce, func(done int) bool { return done < n })
	return took, errors.Join(err, o.idle(ctx, s.workflow))
}

// each has follow-ups done, so many at once, for as long as more says.
func (o *overhead) each(ctx context.Context, s side, atOnce int, more func(begun int) bool) (took []time.Duration, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	begun := 0
	for range atOnce {
		all.Go(func() {
			for {
				mu.Lock()
				goOn := err == nil && more(begun)
				begun++
				mu.Unlock()
				if !goOn {
					return
				}
				a := o.account()
				g, failed := o.AddGuest(a)
				var one time.Duration
				if failed == nil {
					one, failed = s.followUp(ctx, a, g)
				}
				mu.Lock()
				took = append(took, one)
				err = errors.Join(err, failed)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return took, err
}

// slow measures both against a HubSpot that takes its time.
func (o *overhead) slow(ctx context.Context) (r slow, err error) {
	o.HubSpot.Answer(o.Slow)
	defer o.HubSpot.Answer(0)
	took := map[string][]time.Duration{}
	var paths []float64
	calls := map[string]int{}
	for range o.SlowN {
		for _, s := range o.sides() {
			o.HubSpot.Listen()
			one, err := o.times(ctx, s, 1, 1)
			if err != nil {
				return r, fmt.Errorf("measuring %s with a slow HubSpot: %w", s.name, err)
			}
			heard := o.HubSpot.Heard()
			took[s.name] = append(took[s.name], one...)
			if o.Trace {
				o.trace(s, heard, one)
			}
			calls[s.name] += len(heard)
			if s.workflow == bareWorkflow {
				paths = append(paths, bench.Milliseconds(bench.Busy(heard)))
			}
		}
	}
	r = slow{CallMS: bench.Milliseconds(o.Slow), Path: bench.Median(paths), Debrief: bench.Took(took["Debrief"]), Bare: bench.Took(took["bare"])}
	r.CallsOf, r.CallsOfB = calls["Debrief"]/o.SlowN, calls["bare"]/o.SlowN
	r.Ratio = bench.Round(r.Debrief.P50/r.Path, 2)
	if r.CallsOf != r.CallsOfB {
		return r, fmt.Errorf("a follow-up of Debrief's makes %d calls and one of the bare program's %d: they can't be compared", r.CallsOf, r.CallsOfB)
	}
	return r, nil
}

// trace prints when the calls of a follow-up were under way, from the webhook on.
func (o *overhead) trace(s side, calls []bench.Call, took []time.Duration) {
	o.tell.Say("%s: %v", s.name, took)
	if len(calls) == 0 || len(took) == 0 {
		return
	}
	begun := calls[len(calls)-1].Ended
	for _, c := range calls {
		if c.Ended.After(begun) {
			begun = c.Ended
		}
	}
	begun = begun.Add(-took[0])
	for _, c := range calls {
		o.tell.Say("%6.0f to %6.0f ms  %s %s", bench.Milliseconds(c.Begun.Sub(begun)), bench.Milliseconds(c.Ended.Sub(begun)), c.Method, c.Path)
	}
}

func (r overheadResults) print(tell *story.Story) {
	tell.Chapter("Overhead: a follow-up, from the webhook until all is written")
	rows := [][]string{{"", "", "a second", "p50 ms", "p99 ms", "processors ms each", "receiver", "worker", "PostgreSQL", "Temporal", "its PostgreSQL"}}
	row := func(what, who string, t turn) []string {
		return []string{what, who, bench.Number(t.PerSecond), bench.Number(t.P50), bench.Number(t.P99), bench.Number(t.Spent),
			bench.Number(t.Parts.Receiver), bench.Number(t.Parts.Worker), bench.Number(t.Parts.Postgres), bench.Number(t.Parts.Temporal), bench.Number(t.Parts.TemporalPostgres)}
	}
	for _, l := range r.Levels {
		rows = append(rows, row(strconv.Itoa(l.AtOnce)+" at once", "Debrief", l.Debrief), row("", "bare", l.Bare))
	}
	rows = append(rows,
		[]string{fmt.Sprintf("%g ms a call", r.Slow.CallMS), "Debrief", "", bench.Number(r.Slow.Debrief.P50), bench.Number(r.Slow.Debrief.P99), ""},
		[]string{fmt.Sprintf("critical path %g ms", r.Slow.Path), "bare", "", bench.Number(r.Slow.Bare.P50), bench.Number(r.Slow.Bare.P99), ""})
	tell.Table(rows...)
	tell.Say("")
	bench.PrintGoals(tell, r.Goals)
}
