// Package poll is the loop of everything that takes work out of the database and
// does it: a few at a time for as long as there is more, then again when it is
// called for or an interval is over.
package poll

import (
	"context"
	"time"
)

// Loop says how often to look. Its zero value looks once a second and tells
// nobody of errors.
type Loop struct {
	// Interval between two looks when nothing calls; 0 means one second.
	Interval time.Duration
	// Complain is told of an error, once in [Loop.Quiet] at most: what fails now
	// fails again at the next look. Nil for nobody.
	Complain func(error)
	// Quiet is how long Complain is spared; 0 means ten minutes.
	Quiet time.Duration
}

// Run calls some until ctx ends, and returns when what was begun is done. some
// does a few and says whether there may be more to do at once; called (or nil)
// lets it look before the interval is over.
func (l Loop) Run(ctx context.Context, called <-chan struct{}, some func(context.Context) (more bool, err error)) {
	if l.Interval <= 0 {
		l.Interval = time.Second
	}
	if l.Quiet <= 0 {
		l.Quiet = 10 * time.Minute
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var complained time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-called:
		case <-timer.C:
		}
		for ctx.Err() == nil {
			more, err := some(ctx)
			if err != nil && ctx.Err() == nil && l.Complain != nil && time.Since(complained) > l.Quiet {
				complained = time.Now()
				l.Complain(err)
			}
			if !more {
				break
			}
		}
		timer.Reset(l.Interval)
	}
}
