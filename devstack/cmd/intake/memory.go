package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/debriefhq/debrief/devstack/process"
)

// Memory is flat if the receiver's median resident size in the last third is at
// most so much more than in the second: the first is for filling caches and pools.
const (
	flatFactor = 1.10
	flatMiB    = 8
)

// watchMemory loads the receiver with deliveries, every fifth sent again, and prints
// how much memory it has: thirty times in all.
func (b *bench) watchMemory(ctx context.Context) (err error) {
	b.serving, err = b.receiver(ctx)
	if b.serving != nil {
		defer func() { err = errors.Join(err, b.serving.Stop(20*time.Second)) }()
	}
	if err != nil {
		return err
	}
	const samples = 30
	var sizes []float64
	requests, failed := 0, 0
	begun := time.Now()
	for range samples {
		t, err := b.send(ctx, b.Memory/samples, 5)
		if err != nil {
			return err
		}
		requests, failed = requests+len(t.took), failed+t.failed
		size := process.Mebibytes(b.serving.Pid(), "VmRSS:")
		if size == 0 {
			return errors.New("this system does not say how much memory a process has")
		}
		sizes = append(sizes, size)
		fmt.Printf("%6.0f s  %9d requests  %5.0f MiB resident\n", time.Since(begun).Seconds(), requests, size)
		// What is held here to be looked up would be what grows.
		if err := b.lookUp(ctx); err != nil {
			return err
		}
		if failed > 0 || b.out.Missing > 0 {
			return fmt.Errorf("%d requests failed, and %d acknowledged deliveries are missing", failed, b.out.Missing)
		}
		if _, err := b.db.Exec(ctx, `truncate deliveries cascade`); err != nil {
			return fmt.Errorf("emptying the table: %w", err)
		}
	}
	before, after := median(sizes[samples/3:2*samples/3]), median(sizes[2*samples/3:])
	if after > before*flatFactor+flatMiB {
		return fmt.Errorf("the memory grows: %.0f MiB in the second third, %.0f MiB in the last", before, after)
	}
	fmt.Printf("flat: %.0f MiB in the second third, %.0f MiB in the last\n", before, after)
	return nil
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
