package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

type options struct {
	Debrief  string        `help:"The debrief binary, built without the race detector." default:"bin/debrief" env:"DEBRIEF_BINARY" placeholder:"FILE"`
	Waiting  int           `help:"How many briefs wait for days to come." default:"10000"`
	Accounts int           `help:"How many HubSpot accounts have briefs in the crowded minute." default:"100"`
	Each     int           `help:"How many each of them has." default:"10"`
	One      int           `help:"How many one more account has." default:"50"`
	AtOnce   int           `help:"How many meetings at most are told of whose briefs do not wait yet." default:"256"`
	Limit    time.Duration `help:"When to give up." default:"45m"`
	Out      string        `help:"Where the results go; empty: nowhere." default:"bench/results/briefings.json" placeholder:"FILE"`
}

// results are what is written down.
type results struct {
	At         time.Time `json:"at"`
	Processors int       `json:"processors"`
	// Load is how many processes wanted a processor in the minute before, others' included.
	Load       string `json:"load_before"`
	PostgreSQL string `json:"postgresql"`
	Fsync      string `json:"fsync"`

	Waiting waiting `json:"waiting"`
	Crowd   crowd   `json:"crowded_minute"`
}

// waiting is what came of the briefs of days to come.
type waiting struct {
	Briefs    int     `json:"briefs"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	// From the moment that the meeting is stored until its workflow waits.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// The worker's resident size in mebibytes, and what is added for each brief.
	MemoryBefore float64 `json:"worker_mib_before"`
	MemoryAfter  float64 `json:"worker_mib_after"`
	MemoryEach   float64 `json:"worker_kib_each"`
	// Room in the database for each: of the tables of briefs, and of all (the delivery,
	// the meeting and their indexes included), in bytes.
	BriefBytes    int64 `json:"brief_bytes"`
	DatabaseBytes int64 `json:"database_bytes"`
}

// crowd is what came of those that were due at once.
type crowd struct {
	Briefs   int `json:"briefs"`
	Accounts int `json:"accounts"`
	// From the moment that they were due until the mail server had taken the mail.
	P50 float64 `json:"p50_s"`
	P99 float64 `json:"p99_s"`
	Max float64 `json:"max_s"`
	// One is the last of the account that has many.
	One    float64 `json:"one_account_max_s"`
	Failed int     `json:"failed"`
	Twice  int     `json:"twice"`
	// Calls to HubSpot, and how many of them it refused for a limit.
	Calls   int `json:"calls"`
	Refused int `json:"refused"`
	// Memory is the worker's largest resident size in mebibytes.
	Memory float64 `json:"worker_mib_peak"`
	// Processor time in seconds.
	Worker     float64 `json:"cpu_worker_s"`
	PostgreSQL float64 `json:"cpu_postgresql_s"`
	// Rest is that of this program: Temporal, the simulator and the mail server.
	Rest float64 `json:"cpu_temporal_and_simulators_s"`
}

func main() {
	measure.Main("briefings", "Measures what briefs cost that wait, and how fast they go out when many are due at once.", run)
}

// bench is one run.
type bench struct {
	options
	*devstack.Stack

	db       *pgxpool.Pool
	store    *store.Store
	mails    *mailServer
	accounts []account
	out      results
}

func run(ctx context.Context, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	if o.Debrief, err = measure.Binary(o.Debrief); err != nil {
		return err
	}
	if o.Accounts < 1 || o.Each < 1 || o.One < 1 || o.Waiting < 1 || o.AtOnce < 1 {
		return errors.New("each number has to be one at least")
	}
	b := &bench{options: o, out: results{At: time.Now().UTC().Truncate(time.Second), Processors: runtime.NumCPU(), Load: load()}}
	if b.mails, err = startMail(); err != nil {
		return err
	}
	defer b.mails.stop()
	b.Stack, err = devstack.Start(ctx, devstack.Options{
		Debrief: o.Debrief, Prepare: devstack.Prepare, NoUI: true,
		Env: []string{"DEBRIEF_SMTP_URL=smtp://" + b.mails.addr, "DEBRIEF_MAIL_FROM=Debrief <debrief@bench.example>", "DEBRIEF_LOG_LEVEL=warn"}, Output: os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	if err := b.open(ctx); err != nil {
		return err
	}
	defer b.db.Close()
	defer b.store.Close()
	if err := b.makeAccounts(ctx); err != nil {
		return err
	}
	if err := b.schedule(ctx); err != nil {
		return err
	}
	if err := b.crowd(ctx); err != nil {
		return err
	}
	return b.report()
}

func (b *bench) open(ctx context.Context) (err error) {
	keyset := ""
	for _, entry := range b.Env() {
		if file, ok := strings.CutPrefix(entry, "DEBRIEF_KEYSET_FILE="); ok {
			keyset = file
		}
	}
	v, err := vault.Load(keyset, "")
	if err != nil {
		return err
	}
	if b.store, err = store.Open(ctx, store.Options{URL: b.DatabaseURL(), Vault: v, Name: "bench", MaxConnections: 4}); err != nil {
		return err
	}
	if b.db, err = pgxpool.New(ctx, b.DatabaseURL()); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	b.out.PostgreSQL, b.out.Fsync, err = measure.PostgreSQL(ctx, b.db)
	return err
}

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e4) / 10 }
func seconds(d time.Duration) float64      { return math.Round(d.Seconds()*100) / 100 }

// load is the machine's, or nothing where the system has no /proc.
func load() string {
	raw, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}

// memory is the worker's resident size now.
func (b *bench) memory() float64 { return process.Mebibytes(b.Worker().Pid(), "VmRSS:") }

// report prints the table, writes the results down, and says what failed.
func (b *bench) report() error {
	r, w, c := b.out, b.out.Waiting, b.out.Crowd
	fmt.Printf("\nPostgreSQL %s, fsync %s, %d processors, load %s before\n\n", r.PostgreSQL, r.Fsync, r.Processors, r.Load)
	fmt.Printf("%-34s %9s %9s %9s %9s   %s\n", "", "briefs", "p50", "p99", "max", "")
	fmt.Printf("%-34s %9d %7.0fms %7.0fms %7.0fms   %.0f a second\n", "(a) from understood to waiting", w.Briefs, w.P50, w.P99, w.Max, w.PerSecond)
	fmt.Printf("%-34s %9d %8.1fs %8.1fs %8.1fs   over %d accounts; failed %d, twice %d\n", "(b) from due to delivered", c.Briefs, c.P50, c.P99, c.Max, c.Accounts, c.Failed, c.Twice)
	fmt.Printf("%-34s %9d %9s %9s %8.1fs\n", "    of the account with most", b.One, "", "", c.One)
	fmt.Printf("\n(a) the worker had %.0f MiB before and %.0f MiB after: %.1f KiB each. In the database %d bytes each, of which %d are the brief's\n",
		w.MemoryBefore, w.MemoryAfter, w.MemoryEach, w.DatabaseBytes, w.BriefBytes)
	fmt.Printf("(b) %d calls to HubSpot, of which it refused %d; the worker had %.0f MiB at most; processor time: worker %.1f s, PostgreSQL %.1f s, Temporal and the simulators %.1f s\n",
		c.Calls, c.Refused, c.Memory, c.Worker, c.PostgreSQL, c.Rest)
	if err := measure.Write(b.Out, r); err != nil {
		return err
	}
	if c.Failed+c.Twice+c.Refused > 0 {
		return fmt.Errorf("%d briefs were not delivered, %d were delivered twice, and HubSpot refused %d calls", c.Failed, c.Twice, c.Refused)
	}
	return nil
}

// sorted sorts durations, and returns them.
func sorted(all []time.Duration) []time.Duration {
	slices.Sort(all)
	return all
}
