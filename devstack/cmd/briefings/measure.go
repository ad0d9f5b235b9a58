package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/process"
)

const (
	// lookEvery is how exactly it is seen when a workflow waits.
	lookEvery = 100 * time.Millisecond
	// sayEvery is how often progress is printed.
	sayEvery = 10 * time.Second
	// lead is the default: how long before the start a brief is due.
	lead = time.Hour
	// senders tell of meetings at the same time.
	senders = 8
	// crowdPatience is how long the crowded minute may take.
	crowdPatience = 10 * time.Minute
)

// schedule has many briefs wait.
func (b *bench) schedule(ctx context.Context) error {
	w := &b.out.Waiting
	// What the tables have already is small, but it is there.
	sizes := func() (briefs, all int64, err error) {
		err = b.db.QueryRow(ctx, `select pg_total_relation_size('briefings') + pg_total_relation_size('briefing_records'), pg_database_size(current_database())`).Scan(&briefs, &all)
		if err != nil {
			err = fmt.Errorf("measuring the database: %w", err)
		}
		return briefs, all, err
	}
	briefsBefore, allBefore, err := sizes()
	if err != nil {
		return err
	}
	w.MemoryBefore = b.memory()
	fmt.Printf("the worker has %.0f MiB\n", w.MemoryBefore)
	day := time.Now().Truncate(time.Minute).Add(72 * time.Hour)
	// Over a hundred days.
	took, elapsed, err := b.tell(ctx, 1, b.Waiting, func(n int) (account, time.Time) {
		return b.accounts[n%len(b.accounts)], day.Add(time.Duration(n%14400) * 10 * time.Minute)
	})
	if err != nil {
		return err
	}
	w.Briefs, w.Seconds, w.PerSecond = len(took), seconds(elapsed), math.Round(float64(len(took))/elapsed.Seconds()*10)/10
	w.P50, w.P99, w.Max = milliseconds(measure.Percentile(took, 50)), milliseconds(measure.Percentile(took, 99)), milliseconds(measure.Percentile(took, 100))
	w.MemoryAfter = b.memory()
	w.MemoryEach = (w.MemoryAfter - w.MemoryBefore) * 1024 / float64(w.Briefs)
	briefsAfter, allAfter, err := sizes()
	w.BriefBytes, w.DatabaseBytes = (briefsAfter-briefsBefore)/int64(w.Briefs), (allAfter-allBefore)/int64(w.Briefs)
	return err
}

// tell tells of n meetings, never of more at once than so many whose briefs do not wait,
// and returns for each, sorted, how long it took from stored to waiting.
func (b *bench) tell(ctx context.Context, part, n int, which func(int) (account, time.Time)) (took []time.Duration, elapsed time.Duration, err error) {
	if _, err := b.db.Exec(ctx, `
		create unlogged table if not exists bench_waiting (id uuid primary key, part int not null, took interval not null)`); err != nil {
		return nil, 0, fmt.Errorf("preparing the measurement: %w", err)
	}
	begun := time.Now()
	places := make(chan struct{}, b.AtOnce)
	next := make(chan int)
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	defer func() { cancel(nil); all.Wait() }()
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
	for range senders {
		all.Go(func() {
			for i := range next {
				a, start := which(i)
				if err := b.meet(ctx, a, i, start); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said, waits := begun, 0
	for waits < n {
		select {
		case <-ctx.Done():
			return nil, 0, errors.Join(fmt.Errorf("%d of %d briefs wait", waits, n), context.Cause(ctx))
		case <-tick.C:
		}
		tag, err := b.db.Exec(ctx, `
			insert into bench_waiting select id, $2, clock_timestamp() - created_at from (
			  select id, created_at from briefings order by created_at desc limit $1) b
			where exists (select from briefings n where n.id = b.id and n.look_at is not null and n.told >= n.asked)
			on conflict do nothing`, 20*b.AtOnce, part)
		if err != nil {
			return nil, 0, fmt.Errorf("looking who waits: %w", err)
		}
		for range tag.RowsAffected() {
			select {
			case <-places:
			default:
				return nil, 0, errors.New("more briefs wait than were told of")
			}
			waits++
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			fmt.Printf("%6.0f s  %6d of %d briefs wait  %5.0f MiB\n", time.Since(begun).Seconds(), waits, n, b.memory())
		}
	}
	elapsed = time.Since(begun)
	rows, err := b.db.Query(ctx, `select extract(epoch from took)::float8 from bench_waiting where part = $1`, part)
	if err != nil {
		return nil, 0, fmt.Errorf("reading how long it took: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s float64
		if err := rows.Scan(&s); err != nil {
			return nil, 0, fmt.Errorf("reading how long it took: %w", err)
		}
		took = append(took, time.Duration(s*float64(time.Second)))
	}
	return sorted(took), elapsed, rows.Err()
}

// crowd has many briefs due at once.
func (b *bench) crowd(ctx context.Context) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	var meets []account
	for i := range max(b.Each, b.One) {
		for _, a := range b.accounts {
			if i < a.briefs {
				meets = append(meets, a)
			}
		}
	}
	// So long before, on this machine, that all of them wait.
	ahead := time.Duration(1.5*float64(len(meets))/max(b.out.Waiting.PerSecond, 1)*float64(time.Second)) + 20*time.Second
	due := time.Now().Add(ahead).Truncate(time.Second)
	fmt.Printf("%d briefs are due in %s\n", len(meets), ahead.Round(time.Second))
	if _, _, err := b.tell(ctx, 2, len(meets), func(n int) (account, time.Time) { return meets[n], due.Add(lead) }); err != nil {
		return err
	}
	if time.Now().After(due) {
		return errors.New("not all of them waited when they were due: this machine has too much else to do")
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	b.Simulator.ResetCalls()
	before := b.spent()
	if err := b.delivered(ctx, due, len(meets)); err != nil {
		return err
	}
	return b.count(ctx, due, before)
}

// delivered waits until all that were due are told.
func (b *bench) delivered(ctx context.Context, due time.Time, n int) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := time.Now()
	for {
		var over int
		err := b.db.QueryRow(ctx, `select count(*) from briefings where starts_at = $1 and state not in ('waiting', 'ready')`, due.Add(lead)).Scan(&over)
		if err != nil {
			return fmt.Errorf("counting who is told: %w", err)
		}
		if over == n || time.Since(due) > crowdPatience {
			return nil // who is not has failed
		}
		if time.Since(said) >= sayEvery/2 {
			said = time.Now()
			fmt.Printf("%6.0f s  %6d of %d are told\n", time.Since(due).Seconds(), over, n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (b *bench) count(ctx context.Context, due time.Time, before spent) error {
	c := &b.out.Crowd
	now := b.spent()
	c.Worker, c.PostgreSQL, c.Rest = seconds(now.worker-before.worker), seconds(now.postgres-before.postgres), seconds(now.own-before.own)
	c.Accounts, c.Memory = len(b.accounts), process.Mebibytes(b.Worker().Pid(), "VmHWM:")
	rows, err := b.db.Query(ctx, `
		select coalesce(extract(epoch from first_sent_at - $1)::float8, 0), organization_id = $2, state = 'delivered' and channel = 'email'
		from briefings where starts_at = $3`, due, b.accounts[b.Accounts].organization.ID, due.Add(lead))
	if err != nil {
		return fmt.Errorf("reading how long it took: %w", err)
	}
	defer rows.Close()
	var took []time.Duration
	for rows.Next() {
		var s float64
		var ofOne, delivered bool
		if err := rows.Scan(&s, &ofOne, &delivered); err != nil {
			return fmt.Errorf("reading how long it took: %w", err)
		}
		c.Briefs++
		if !delivered {
			c.Failed++
			continue
		}
		took = append(took, time.Duration(s*float64(time.Second)))
		if ofOne {
			c.One = max(c.One, seconds(took[len(took)-1]))
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading how long it took: %w", err)
	}
	took = sorted(took)
	c.P50, c.P99, c.Max = seconds(measure.Percentile(took, 50)), seconds(measure.Percentile(took, 99)), seconds(measure.Percentile(took, 100))
	mails, again := b.mails.count()
	c.Failed, c.Twice = max(c.Failed, c.Briefs-mails), again+max(0, mails-c.Briefs)
	for _, call := range b.Simulator.Calls() {
		c.Calls += call.Count
	}
	c.Refused = b.Simulator.TooMany()
	return nil
}

// spent is processor time.
type spent struct{ worker, postgres, own time.Duration }

func (b *bench) spent() spent {
	return spent{process.ProcessorTime(b.Worker().Pid()), process.FamilyProcessorTime(b.Postgres.Pid()), process.ProcessorTime(os.Getpid())}
}
