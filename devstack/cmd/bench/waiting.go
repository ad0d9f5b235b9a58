package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/debriefhq/debrief/devstack/bench"
	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

type waitingCmd struct {
	Whole    int           `help:"How many follow-ups come by webhooks and are planned." default:"10000"`
	Straight int           `help:"How many more are begun in their waiting phase: planned by this program." default:"100000"`
	Accounts int           `help:"Over how many HubSpot accounts." default:"64"`
	AtOnce   int           `help:"How many at most are on their way to waiting." default:"256"`
	Idle     time.Duration `help:"For how long it is measured what waiting costs while nothing happens." default:"2m"`
	Pages    int           `help:"How often the inbox's first page is loaded." default:"300"`
	Decide   int           `help:"How many are decided, one after another." default:"100"`
	Cache    int           `help:"How many workflows the worker keeps in memory; 0: as it ships." placeholder:"N"`
	Limit    time.Duration `help:"When to give up." default:"4h"`
	Out      string        `help:"Where the results go; empty: nowhere." default:"bench/results/waiting.json" placeholder:"FILE"`
}

// waited is what so many that wait came to.
type waited struct {
	What      string  `json:"what"`
	Waiting   int     `json:"waiting"`
	Seconds   float64 `json:"seconds_to_wait"`
	PerSecond float64 `json:"per_second"`
	// Standstill is the longest time in which no other one came to wait.
	Standstill float64 `json:"longest_standstill_s"`
	// Memory is the worker's resident size in mebibytes: when the last one waits, at
	// most so far, and after being idle.
	Memory     float64 `json:"worker_mib"`
	MemoryPeak float64 `json:"worker_mib_peak"`
	MemoryIdle float64 `json:"worker_mib_idle"`
	Serve      float64 `json:"serve_mib"`
	Temporal   float64 `json:"temporal_mib"`

	Sizes bench.Sizes `json:"sizes"`
	// Idle is the share of one processor that each has while all wait.
	Idle bench.Spent `json:"processors_idle"`

	Inbox      bench.Latency `json:"inbox"`
	InboxBytes int64         `json:"inbox_bytes"`
	// Answered is until the page says so, Applied until it is written to HubSpot.
	Answered bench.Latency `json:"decision_answered"`
	Applied  bench.Latency `json:"decision_applied"`
}

type waitingResults struct {
	Machine bench.Machine `json:"machine"`
	Cache   int           `json:"cached_workflows,omitempty"`
	Before  struct {
		Memory float64     `json:"worker_mib"`
		Sizes  bench.Sizes `json:"sizes"`
	} `json:"before"`
	Parts []waited     `json:"parts"`
	Goals []bench.Goal `json:"goals"`
}

// waiting is one run.
type waiting struct {
	*waitingCmd
	*bench.World

	tell        *story.Story
	mu          sync.Mutex
	connections map[uuid.UUID]uuid.UUID // by organization
}

func (c *waitingCmd) Run(ctx context.Context, all *cli, tell *story.Story) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	o := bench.Options{Settled: true}
	if c.Cache > 0 {
		o.Env = []string{"DEBRIEF_CACHED_WORKFLOWS=" + strconv.Itoa(c.Cache)}
	}
	w, err := all.start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	tell.Say("%s", w.Machine)
	if err := w.AddAccounts(ctx, c.Accounts, policy.Ask); err != nil {
		return err
	}
	b := &waiting{waitingCmd: c, World: w, tell: tell, connections: map[uuid.UUID]uuid.UUID{}}
	r := waitingResults{Machine: w.Machine, Cache: c.Cache}
	// What each account has only once is at hand from then on.
	if _, err := b.reach(ctx, len(w.Accounts), b.byWebhook); err != nil {
		return err
	}
	r.Before.Memory = b.mebibytes(w.Worker())
	if r.Before.Sizes, err = w.Sizes(ctx); err != nil {
		return err
	}
	tell.Say("the worker has %.0f MiB before", r.Before.Memory)
	for _, part := range []struct {
		what string
		n    int
		do   func(context.Context, int) error
	}{
		{"whole follow-ups", c.Whole, b.byWebhook},
		{"begun in their waiting phase", c.Straight, b.straight},
	} {
		if part.n == 0 {
			continue
		}
		one, err := b.reach(ctx, part.n, part.do)
		if err != nil {
			return fmt.Errorf("having %s wait: %w", part.what, err)
		}
		one.What = part.what
		if err := b.measure(ctx, &one); err != nil {
			return err
		}
		r.Parts = append(r.Parts, one)
	}
	for _, p := range r.Parts {
		at := strconv.Itoa(p.Waiting) + " waiting: "
		r.Goals = append(r.Goals,
			bench.AtMost(at+"memory of the worker", max(p.Memory, p.MemoryIdle), 300, " MiB"),
			bench.AtMost(at+"the inbox's first page, p99", p.Inbox.P99, 100, " ms"))
	}
	if len(r.Parts) == 2 {
		r.Goals = append(r.Goals, bench.AtMost("memory of the worker, the second over the first", r.Parts[1].Memory/r.Parts[0].Memory, 1.1, " ×"))
	}
	r.print(tell)
	return measure.Write(c.Out, r)
}

func (b *waiting) mebibytes(p *process.Process) float64 {
	return bench.Round(process.Mebibytes(p.Pid(), "VmRSS:"), 0)
}

// waits counts the follow-ups that wait for an answer, as Temporal knows them.
func (b *waiting) waits(ctx context.Context) (int, error) {
	counted, err := b.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running' and FollowUpStatus = 'waiting_approval'",
	})
	if err != nil {
		return 0, fmt.Errorf("counting those that wait: %w", err)
	}
	return int(counted.GetCount()), nil
}

// settled counts those that wait once all others are over.
func (b *waiting) settled(ctx context.Context) (int, error) {
	for {
		open, err := b.Open(ctx, "FollowUp")
		if err != nil {
			return 0, err
		}
		if n, err := b.waits(ctx); err != nil || n == open {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting until follow-ups that were decided are written: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// reach has so many more wait, and never more on their way than so many.
func (b *waiting) reach(ctx context.Context, n int, do func(context.Context, int) error) (r waited, err error) {
	before, err := b.settled(ctx)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	defer func() { cancel(nil); all.Wait() }()
	places := make(chan struct{}, b.AtOnce)
	next := make(chan int)
	all.Go(func() {
		defer close(next)
		for i := range n {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range 8 {
		all.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	begun := time.Now()
	moved, said := begun, begun
	for r.Waiting < n {
		select {
		case <-ctx.Done():
			return r, errors.Join(fmt.Errorf("%d of %d wait", r.Waiting, n), context.Cause(ctx))
		case <-time.After(250 * time.Millisecond):
		}
		now, err := b.waits(ctx)
		if err != nil {
			return r, err
		}
		for ; r.Waiting < min(now-before, n); r.Waiting++ {
			r.Standstill = max(r.Standstill, bench.Round(time.Since(moved).Seconds(), 1))
			moved = time.Now()
			select {
			case <-places:
			default:
				return r, errors.New("more follow-ups wait than were begun")
			}
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			b.tell.Say("%6.0f s  %7d of %d wait  %5.0f MiB", time.Since(begun).Seconds(), r.Waiting, n, b.mebibytes(b.Worker()))
		}
	}
	r.Seconds = bench.Round(time.Since(begun).Seconds(), 1)
	r.PerSecond = bench.Round(float64(n)/r.Seconds, 1)
	r.Waiting += before
	return r, nil
}

func (b *waiting) byWebhook(ctx context.Context, i int) error {
	a := b.World.Accounts[i%len(b.World.Accounts)]
	g, err := b.AddGuest(a)
	if err != nil {
		return err
	}
	// Over many days: hosts have some meetings a day.
	body, err := bench.Meeting(a, g, time.Now().Add(-time.Duration(1+i/len(b.World.Accounts)%1000)*time.Hour))
	if err != nil {
		return err
	}
	return b.Tell(ctx, a, body)
}

// straight stores a plan as planning would, with one question, and has its follow-up look.
func (b *waiting) straight(ctx context.Context, i int) error {
	a := b.World.Accounts[i%len(b.World.Accounts)]
	meeting := uuid.New()
	connection, err := b.connection(ctx, a)
	if err != nil {
		return err
	}
	if _, err := b.DB.Exec(ctx, `
		insert into meetings (id, organization_id, data_key_id, state, has_ended, has_notes, first_word_at, version, updated_at)
		select $1, id, data_key_id, 'ended', true, true, now() - interval '1 hour', 1, now() - interval '1 hour' from organizations where id = $2`,
		meeting, a.Organization.ID); err != nil {
		return fmt.Errorf("storing a meeting: %w", err)
	}
	if err := b.Store.EnsureHost(ctx, a.Organization.ID, meeting, a.Host(), "Host"); err != nil {
		return err
	}
	if err := b.Store.SavePlan(ctx, store.Plan{
		OrganizationID: a.Organization.ID, MeetingID: meeting, MeetingVersion: 1, ConnectionID: connection, Resolution: planner.Resolution{},
		Drafts: []store.Draft{{
			Key: "note.create:summary", Tool: policy.Tool{Object: "note", Operation: policy.Create},
			Content: store.ActionContent{Label: "Summary", Properties: map[string]string{
				"hs_timestamp": hubspot.FormatDateTime(time.Now()), "hs_note_body": strings.Repeat("They want it. ", 40),
			}},
		}},
	}); err != nil {
		return err
	}
	return b.Store.Wake(ctx, a.Organization.ID, meeting, "bench")
}

func (b *waiting) connection(ctx context.Context, a *bench.Account) (uuid.UUID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id, known := b.connections[a.Organization.ID]; known {
		return id, nil
	}
	all, err := b.Store.Connections(ctx, a.Organization.ID)
	if err != nil || len(all) != 1 {
		return uuid.Nil, errors.Join(fmt.Errorf("there are %d connections", len(all)), err)
	}
	b.connections[a.Organization.ID] = all[0].ID
	return all[0].ID, nil
}

// measure looks at what waits.
func (b *waiting) measure(ctx context.Context, r *waited) (err error) {
	r.Memory, r.MemoryPeak = b.mebibytes(b.Worker()), bench.Round(process.Mebibytes(b.Worker().Pid(), "VmHWM:"), 0)
	b.tell.Say("%d wait: the worker has %.0f MiB; now nothing happens for %s", r.Waiting, r.Memory, b.Idle)
	before, begun := b.Spent(), time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.Idle):
	}
	spent, long := b.Spent().Since(before), time.Since(begun).Seconds()
	for _, part := range []*float64{&spent.Serve, &spent.Worker, &spent.Postgres, &spent.Temporal, &spent.TemporalPostgres, &spent.Rest} {
		*part = bench.Round(*part/long, 3)
	}
	r.Idle, r.MemoryIdle = spent, b.mebibytes(b.Worker())
	r.Serve, r.Temporal = b.mebibytes(b.Stack.Serve()), b.mebibytes(b.TemporalInstance().Process())
	if r.Sizes, err = b.World.Sizes(ctx); err != nil {
		return err
	}
	a := b.World.Accounts[0]
	browser, err := b.SignIn(ctx, a)
	if err != nil {
		return err
	}
	var loads []time.Duration
	for range b.Pages {
		took, size, err := browser.Load(ctx, "/inbox")
		if err != nil {
			return err
		}
		loads, r.InboxBytes = append(loads, took), size
	}
	r.Inbox = bench.Took(loads)
	// A token may have ended meanwhile.
	if err := b.Connect(ctx); err != nil {
		return err
	}
	return b.decide(ctx, browser, a, r)
}

// decide approves some questions of an account, the oldest first.
func (b *waiting) decide(ctx context.Context, browser *bench.Browser, a *bench.Account, r *waited) error {
	rows, err := b.DB.Query(ctx, `
		select p.id, p.action_id, a.origin_id from approvals p join actions a on a.id = p.action_id
		where a.organization_id = $1 and p.state = 'pending' and a.object_type = 'note' order by p.id limit $2`, a.Organization.ID, b.Decide)
	if err != nil {
		return fmt.Errorf("looking for questions: %w", err)
	}
	type question struct{ approval, action, meeting uuid.UUID }
	var some []question
	for rows.Next() {
		var q question
		if err := rows.Scan(&q.approval, &q.action, &q.meeting); err != nil {
			rows.Close()
			return fmt.Errorf("looking for questions: %w", err)
		}
		some = append(some, q)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("looking for questions: %w", err)
	}
	var answered, applied []time.Duration
	for _, q := range some {
		begun := time.Now()
		if err := browser.Submit(ctx, fmt.Sprintf("/inbox/%s/question/%s", q.meeting, q.approval), url.Values{"verdict": {"approve"}}); err != nil {
			return err
		}
		answered = append(answered, time.Since(begun))
		for state := ""; state != string(store.ActionWritten); {
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting until it is written: %w", ctx.Err())
			case <-time.After(10 * time.Millisecond):
			}
			if err := b.DB.QueryRow(ctx, `select state from actions where id = $1`, q.action).Scan(&state); err != nil {
				return fmt.Errorf("looking whether it is written: %w", err)
			}
		}
		applied = append(applied, time.Since(begun))
	}
	r.Answered, r.Applied = bench.Took(answered), bench.Took(applied)
	return nil
}

func (r waitingResults) print(tell *story.Story) {
	tell.Chapter("Waiting: follow-ups that wait for people")
	mib := func(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }
	rows := [][]string{{"", "waiting", "a second", "standstill s", "worker MiB", "idle", "PostgreSQL MiB", "Temporal MiB", "lists MiB", "inbox p50, p99 ms", "decided p50, p99 ms", "written p50, p99 ms"}}
	for _, p := range r.Parts {
		rows = append(rows, []string{
			p.What, strconv.Itoa(p.Waiting), bench.Number(p.PerSecond), bench.Number(p.Standstill), bench.Number(p.Memory), bench.Number(p.MemoryIdle),
			mib(p.Sizes.Debrief), mib(p.Sizes.Temporal), mib(p.Sizes.Visibility),
			fmt.Sprintf("%g, %g", p.Inbox.P50, p.Inbox.P99), fmt.Sprintf("%g, %g", p.Answered.P50, p.Answered.P99), fmt.Sprintf("%g, %g", p.Applied.P50, p.Applied.P99),
		})
	}
	tell.Table(rows...)
	for _, p := range r.Parts {
		tell.Say("%d waiting while nothing happens, in processors: worker %g, Temporal %g, its PostgreSQL %g, Debrief's %g, receiver %g",
			p.Waiting, p.Idle.Worker, p.Idle.Temporal, p.Idle.TemporalPostgres, p.Idle.Postgres, p.Idle.Serve)
	}
	tell.Say("")
	bench.PrintGoals(tell, r.Goals)
}
