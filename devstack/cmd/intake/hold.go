package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// held is a rate at which no backlog grows, with everything on.
type held struct {
	part
	// Before and After are how much waited to be understood or passed on in the
	// middle of the measurement and at its end.
	Before int `json:"backlog_before"`
	After  int `json:"backlog_after"`
}

// backlog counts what was received and not understood, and wakeups that Temporal
// does not have.
func (b *bench) backlog(ctx context.Context) (n int, err error) {
	err = b.db.QueryRow(ctx, `
		select (select count(*) from deliveries where state = 'received') + (select count(*) from wakeups)`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting the backlog: %w", err)
	}
	return n, nil
}

// drained waits until there is no backlog any more, and returns how long it took.
func (b *bench) drained(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := b.backlog(ctx)
		if err != nil || left == 0 {
			return time.Since(begun), err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%d deliveries are left: %w", left, ctx.Err())
		case <-tick.C:
		}
	}
}

// hold finds the rate: a burst says how fast it is understood, and what is a
// little slower has to be held for as long as each of the other parts was.
func (b *bench) hold(ctx context.Context) (*held, error) {
	// What the other parts have left would be understood first.
	if _, err := b.db.Exec(ctx, `truncate deliveries cascade`); err != nil {
		return nil, fmt.Errorf("emptying the table: %w", err)
	}
	if err := errors.Join(b.StartServe(ctx), b.StartWorker(ctx)); err != nil {
		return nil, err
	}
	const burst = 2 * time.Second
	first, err := b.pace(ctx, burst, 0, 500)
	if err != nil {
		return nil, err
	}
	rest, err := b.drained(ctx)
	if err != nil {
		return nil, err
	}
	rate := float64(len(first.took)) / (first.elapsed + rest).Seconds()
	const tries = 6
	for try := 1; ; try++ {
		rate *= 0.85
		h := &held{part: part{Failed: first.failed}}
		half := b.For / 2
		for _, backlog := range []*int{&h.Before, &h.After} {
			t, err := b.pace(ctx, half, 0, rate)
			if err != nil {
				return nil, err
			}
			h.add(t)
			if *backlog, err = b.backlog(ctx); err != nil {
				return nil, err
			}
		}
		h.sum()
		// A second's worth comes and goes.
		if float64(h.After) <= max(float64(h.Before), rate) {
			_, err := b.drained(ctx)
			return h, err
		}
		if try == tries {
			return nil, fmt.Errorf("at %.0f a second the backlog still grows, from %d to %d", rate, h.Before, h.After)
		}
		if _, err := b.drained(ctx); err != nil {
			return nil, err
		}
	}
}
