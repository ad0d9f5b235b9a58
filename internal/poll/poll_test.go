package poll_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/internal/poll"
)

func TestItLooksAgainWhileThereIsMoreAndThenWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		begun := time.Now()
		var mu sync.Mutex
		var looks []time.Duration
		called := make(chan struct{}, 1)
		go poll.Loop{Interval: 10 * time.Second}.Run(ctx, called, func(context.Context) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			looks = append(looks, time.Since(begun))
			return len(looks) == 1, nil
		})
		time.Sleep(15 * time.Second)
		called <- struct{}{}
		synctest.Wait()
		mu.Lock()
		require.Equal(t, []time.Duration{0, 0, 10 * time.Second, 15 * time.Second}, looks)
		mu.Unlock()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, looks, 5, "the interval counts from the last look")
	})
}

func TestItComplainsOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var complaints atomic.Int32
		go poll.Loop{Quiet: time.Minute, Complain: func(error) { complaints.Add(1) }}.Run(ctx, nil, func(context.Context) (bool, error) {
			return false, errors.New("away")
		})
		time.Sleep(90 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, complaints.Load())
	})
}
