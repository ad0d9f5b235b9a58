package store_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

func TestADeliveryThatHasToWaitHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	insert := func(key string) (bool, error) {
		_, inserted, err := in.InsertDelivery(ctx, store.NewDelivery{
			Source: in.source, DedupeKey: key, Body: []byte(`{}`), ReceivedAt: tenOClock, Header: http.Header{},
		})
		return inserted, err
	}
	inserted, err := insert("again")
	require.NoError(t, err)
	require.True(t, inserted)

	// Somebody, such as the relay, has the row locked.
	conn, err := pgx.Connect(ctx, in.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	lock, err := conn.Begin(ctx)
	require.NoError(t, err)
	_, err = lock.Exec(ctx, `select from deliveries where dedupe_key = 'again' for update`)
	require.NoError(t, err)

	type answer struct {
		inserted bool
		err      error
	}
	again := make(chan answer, 1)
	go func() {
		inserted, err := insert("again")
		again <- answer{inserted, err}
	}()
	require.Eventually(t, func() bool {
		var waiting int
		err := in.count(ctx, &waiting, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
		return err == nil && waiting > 0
	}, 10*time.Second, 10*time.Millisecond, "it waits for the lock")
	for range 20 {
		inserted, err := insert(uuid.NewString())
		require.NoError(t, err)
		require.True(t, inserted)
	}
	require.Empty(t, again, "the lock is still held")

	require.NoError(t, lock.Rollback(ctx))
	a := <-again
	require.NoError(t, a.err)
	require.False(t, a.inserted)
	var duplicates int
	require.NoError(t, in.count(ctx, &duplicates, `select duplicates from deliveries where dedupe_key = 'again'`))
	require.Equal(t, 1, duplicates)
}

// count reads one number beside the store.
func (in *intake) count(ctx context.Context, n *int, sql string) error {
	conn, err := pgx.Connect(ctx, in.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.QueryRow(ctx, sql).Scan(n)
}
