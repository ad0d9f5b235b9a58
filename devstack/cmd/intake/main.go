package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/process"
)

type options struct {
	Debrief string        `help:"The debrief binary, built without the race detector." default:"bin/debrief" env:"DEBRIEF_BINARY" placeholder:"FILE"`
	For     time.Duration `help:"How long each part is measured, all its rounds together." default:"30s"`
	Rounds  int           `help:"In how many rounds the parts take turns." default:"5"`
	Senders int           `help:"How many clients pgbench has, and how many senders the receiver." default:"32"`
	Body    int           `help:"Size of a webhook in bytes." default:"1024"`
	Out     string        `help:"Where the results go; empty: nowhere." default:"bench/results/intake.json" placeholder:"FILE"`
	Memory  time.Duration `help:"Instead of all that: load the receiver for so long, and see whether its memory stays flat." placeholder:"10m"`
	Whole   bool          `help:"Measure (d), too." default:"true" negatable:""`
}

// part is what one part of the measurement came to.
type part struct {
	Requests  int     `json:"requests"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	Failed    int     `json:"failed"`
	// Processor time in microseconds for each request: of PostgreSQL, of the
	// receiver, and of who sends (pgbench, or the senders).
	PostgreSQL float64 `json:"cpu_postgresql_us,omitempty"`
	Receiver   float64 `json:"cpu_receiver_us,omitempty"`
	Client     float64 `json:"cpu_client_us,omitempty"`

	took  []time.Duration
	spent spent
}

// turn is what a part came to in one round.
type turn struct {
	took    []time.Duration
	failed  int
	elapsed time.Duration
	spent   spent
}

func (p *part) add(t turn) {
	p.took = append(p.took, t.took...)
	p.Failed += t.failed
	p.Seconds += t.elapsed.Seconds()
	p.spent.add(t.spent)
}

func (p *part) sum() {
	slices.Sort(p.took)
	p.Requests = len(p.took)
	if p.Requests == 0 {
		return
	}
	p.PerSecond = float64(p.Requests) / p.Seconds
	each := func(d time.Duration) float64 { return math.Round(float64(d.Microseconds()) / float64(p.Requests)) }
	p.PostgreSQL, p.Receiver, p.Client = each(p.spent.PostgreSQL), each(p.spent.Receiver), each(p.spent.Client)
	p.P50, p.P99, p.Max = at(p.took, 50), at(p.took, 99), at(p.took, 100)
}

// at is a percentile in milliseconds.
func at(sorted []time.Duration, percent int) float64 {
	return float64(measure.Percentile(sorted, percent).Microseconds()) / 1000
}

// results are what is written down.
type results struct {
	At         time.Time `json:"at"`
	Processors int       `json:"processors"`
	PostgreSQL string    `json:"postgresql"`
	Fsync      string    `json:"fsync"`
	Senders    int       `json:"senders"`
	Rounds     int       `json:"rounds"`
	BodyBytes  int       `json:"body_bytes"`
	RowBytes   int       `json:"row_bytes"`

	Pgbench    part `json:"pgbench"`
	Distinct   part `json:"distinct"`
	Duplicates part `json:"duplicates"`
	// Ratio is Distinct's rate over Pgbench's, RatioP99 its 99th percentile over
	// Pgbench's.
	Ratio    float64 `json:"ratio"`
	RatioP99 float64 `json:"ratio_p99"`
	// Missing are acknowledged deliveries that are not in the table.
	Missing int `json:"missing"`
	// Memory is the receiver's largest resident size in mebibytes.
	Memory float64 `json:"receiver_peak_mib"`
	Held   *held   `json:"held,omitempty"`
}

func main() {
	// The servers that this program runs have a large heap, and pgbench has none
	// to collect while it sends.
	debug.SetGCPercent(400)
	measure.Main("intake", "Measures how fast Debrief takes webhooks in.", run)
}

// bench is one run.
type bench struct {
	options
	*devstack.Stack

	scene   *devstack.Scene
	db      *pgxpool.Pool
	serving *process.Process // the receiver alone
	acked   map[string]bool
	sent    int
	out     results
}

func run(ctx context.Context, o options) (err error) {
	// Five times what is measured is plenty, and nobody waits for ever.
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute+15*o.For+2*o.Memory)
	defer cancel()
	if o.Debrief, err = measure.Binary(o.Debrief); err != nil {
		return err
	}
	stack, err := devstack.Start(ctx, devstack.Options{Debrief: o.Debrief, Prepare: devstack.Prepare, NoUI: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Stop()) }()
	b := &bench{options: o, Stack: stack, acked: map[string]bool{}}
	if b.scene, err = stack.NewScene(ctx, "bench", devstack.DemoHub); err != nil {
		return err
	}
	if b.db, err = pgxpool.New(ctx, stack.DatabaseURL()); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	defer b.db.Close()
	if err := b.describe(ctx); err != nil {
		return err
	}
	// What the stack has begun would understand what comes, and be measured, too.
	if err := errors.Join(stack.Worker().Stop(20*time.Second), stack.Serve().Stop(20*time.Second)); err != nil {
		return err
	}
	if o.Memory > 0 {
		return b.watchMemory(ctx)
	}
	if err := b.takeTurns(ctx); err != nil {
		return err
	}
	if err := b.lookUp(ctx); err != nil {
		return err
	}
	if b.Whole {
		if b.out.Held, err = b.hold(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

func (b *bench) describe(ctx context.Context) error {
	var err error
	b.out = results{At: time.Now().UTC().Truncate(time.Second), Processors: runtime.NumCPU(), Senders: b.Senders, Rounds: b.Rounds, BodyBytes: b.Body}
	if b.out.PostgreSQL, b.out.Fsync, err = measure.PostgreSQL(ctx, b.db); err != nil {
		return err
	}
	if b.out.Fsync != "on" {
		return errors.New("PostgreSQL's fsync is off: what would be measured is nothing")
	}
	return nil
}

// receiver starts a `debrief serve` that leaves alone what it receives.
func (b *bench) receiver(ctx context.Context) (*process.Process, error) {
	p, err := process.Start(process.Options{
		Name: "serve", Path: b.Debrief, Args: []string{"serve", "--no-relay"}, Env: append(b.Env(), "DEBRIEF_LOG_LEVEL=warn"), Output: os.Stderr,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return p, p.WaitReady(ctx, b.PublicURL()+"/readyz")
}

func (b *bench) takeTurns(ctx context.Context) (err error) {
	serve, err := b.receiver(ctx)
	if serve != nil {
		defer func() { b.serving, err = nil, errors.Join(err, serve.Stop(20*time.Second)) }()
	}
	if err != nil {
		return err
	}
	b.serving = serve
	// Nobody measures a first time: connections are made, and pages are read.
	if _, err := b.send(ctx, time.Second, 0); err != nil {
		return err
	}
	if err := b.preparePgbench(ctx); err != nil {
		return err
	}
	if _, err := b.pgbench(ctx, time.Second); err != nil {
		return err
	}
	long := max(b.For/time.Duration(b.Rounds), time.Second)
	for range b.Rounds {
		for _, of := range []struct {
			to *part
			do func() (turn, error)
		}{
			{&b.out.Pgbench, func() (turn, error) { return b.pgbench(ctx, long) }},
			{&b.out.Distinct, func() (turn, error) { return b.send(ctx, long, 0) }},
			{&b.out.Duplicates, func() (turn, error) { return b.send(ctx, long, 5) }},
		} {
			t, err := of.do()
			if err != nil {
				return err
			}
			of.to.add(t)
		}
		b.out.Memory = max(b.out.Memory, peak(serve.Pid()))
	}
	for _, p := range []*part{&b.out.Pgbench, &b.out.Distinct, &b.out.Duplicates} {
		p.sum()
	}
	b.out.Ratio = b.out.Distinct.PerSecond / b.out.Pgbench.PerSecond
	b.out.RatioP99 = b.out.Distinct.P99 / b.out.Pgbench.P99
	return nil
}

// lookUp looks for every acknowledged delivery: there has to be one row for each.
func (b *bench) lookUp(ctx context.Context) error {
	rows, err := b.db.Query(ctx, `select dedupe_key from deliveries`)
	if err != nil {
		return fmt.Errorf("looking the deliveries up: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return fmt.Errorf("looking the deliveries up: %w", err)
		}
		delete(b.acked, key)
	}
	b.out.Missing = len(b.acked)
	return rows.Err()
}

// report prints the table, writes the results down, and says what failed.
func (b *bench) report() error {
	r := b.out
	fmt.Printf("PostgreSQL %s, fsync %s, %d processors; %d at once, %d rounds, bodies of %d bytes, rows of %d\n\n",
		r.PostgreSQL, r.Fsync, r.Processors, r.Senders, r.Rounds, r.BodyBytes, r.RowBytes)
	fmt.Printf("%-34s %10s %9s %9s %9s %7s   %s\n", "", "per second", "p50 ms", "p99 ms", "max ms", "failed", "processor µs each: PostgreSQL, receiver, client")
	for _, line := range []struct {
		name string
		part
	}{{"(a) pgbench, one row each", r.Pgbench}, {"(b) receiver, all distinct", r.Distinct}, {"(c) receiver, 20 % duplicates", r.Duplicates}} {
		fmt.Printf("%-34s %10.0f %9.2f %9.2f %9.2f %7d   %.0f, %.0f, %.0f\n", line.name, line.PerSecond, line.P50, line.P99, line.Max, line.Failed,
			line.PostgreSQL, line.Receiver, line.Client)
	}
	if h := r.Held; h != nil {
		fmt.Printf("%-34s %10.0f %9.2f %9.2f %9.2f %7d   backlog %d, then %d\n", "(d) relay, Temporal, worker on", h.PerSecond, h.P50, h.P99, h.Max, h.Failed, h.Before, h.After)
	}
	fmt.Printf("\n(b) / (a): %.2f of the rate, %.2f times the p99; acknowledged and not found: %d; the receiver took %.0f MiB at most\n",
		r.Ratio, r.RatioP99, r.Missing, r.Memory)
	if err := measure.Write(b.Out, r); err != nil {
		return err
	}
	failed := r.Distinct.Failed + r.Duplicates.Failed
	if r.Held != nil {
		failed += r.Held.Failed
	}
	if failed > 0 || r.Missing > 0 {
		return fmt.Errorf("%d requests failed, and %d acknowledged deliveries are missing", failed, r.Missing)
	}
	return nil
}
