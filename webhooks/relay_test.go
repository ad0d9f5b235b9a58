package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
	"github.com/debriefhq/debrief/workflows"
)

// ended makes n meetings that wait to be woken, and returns their IDs.
func (b *bundle) ended(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	source := b.source(t, "zoom", zoomSecret)
	for i := range n {
		// Names and hours of their own: nothing takes them for one meeting.
		body := []byte(fmt.Sprintf(`{"event":"meeting.ended","event_ts":%d,"payload":{"account_id":"HarborAcct_01","object":{
			"uuid":"relay-%d==","id":%d,"topic":"Relay %d","host_id":"h","start_time":%q,"end_time":%q}}}`,
			1791300000000+i, i, 900+i, i, now.AddDate(0, 0, -i).Format(time.RFC3339), now.AddDate(0, 0, -i).Add(time.Hour).Format(time.RFC3339)))
		require.Equal(t, http.StatusOK, b.send(t, source, zoomHeader(zoomSecret, now, body), body).status)
	}
	b.understandAll(t)
	var ids []uuid.UUID
	for _, m := range b.meetings(t) {
		ids = append(ids, m.ID)
	}
	require.Len(t, ids, n)
	b.sql(t, `delete from wakeups`)
	for _, id := range ids {
		require.NoError(t, b.store.Wake(context.Background(), b.organization.ID, id, "a test"))
	}
	return ids
}

func (b *bundle) sql(t *testing.T, statement string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), statement)
	require.NoError(t, err)
}

// attempts are those of the wakeups that are left, by meeting.
func (b *bundle) attempts(t *testing.T) map[uuid.UUID]int {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(context.Background(), `select meeting_id, attempts from wakeups`)
	require.NoError(t, err)
	left := map[uuid.UUID]int{}
	var id uuid.UUID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { left[id] = n; return nil })
	require.NoError(t, err)
	return left
}

type wakerFunc func(ctx context.Context, meetingID uuid.UUID) error

func (f wakerFunc) Wake(ctx context.Context, _, meetingID uuid.UUID, _ string) error {
	return f(ctx, meetingID)
}

// What one wakeup can't do is its own trouble; only Temporal's absence is all of
// theirs, and then none pays for another's attempt.
func TestWakeupsAreSettledOneByOne(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err     error
		kept    bool // the one that fails is tried again
		stopped bool // the others are put back unsent
	}{
		"erased":            {err: fmt.Errorf("waking: %w", store.ErrErased)},
		"not there":         {err: fmt.Errorf("waking: %w", store.ErrNotFound)},
		"its own trouble":   {err: errors.New("the input is too large"), kept: true},
		"refused":           {err: serviceerror.NewInvalidArgument("no"), kept: true},
		"Temporal is away":  {err: fmt.Errorf("waking: %w", serviceerror.NewUnavailable("away")), kept: true, stopped: true},
		"Temporal is late":  {err: serviceerror.NewDeadlineExceeded("late"), kept: true, stopped: true},
		"Temporal is full":  {err: serviceerror.NewResourceExhausted(0, "full"), kept: true, stopped: true},
		"nothing came back": {err: context.DeadlineExceeded, kept: true, stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ids := b.ended(t, claimWakeups)
			var first uuid.UUID // fails, whichever comes first
			var woken []uuid.UUID
			relay := NewRelay(RelayOptions{Store: b.store, Log: zerolog.New(b.log), Waker: wakerFunc(func(_ context.Context, id uuid.UUID) error {
				if first == uuid.Nil {
					first = id
				}
				if id == first {
					return tc.err
				}
				woken = append(woken, id)
				return nil
			})})
			more, err := relay.wakeSome(context.Background())
			require.Equal(t, !tc.stopped, more)
			require.Equal(t, tc.kept, err != nil)
			if tc.stopped {
				require.Empty(t, woken)
				want := map[uuid.UUID]int{}
				for _, id := range ids {
					want[id] = 0
				}
				want[first] = 1
				require.Equal(t, want, b.attempts(t))
				return
			}
			require.Len(t, woken, claimWakeups-1)
			want := map[uuid.UUID]int{}
			if tc.kept {
				want[first] = 1
			} else {
				require.Contains(t, b.log.String(), "dropped")
			}
			require.Equal(t, want, b.attempts(t))
		})
	}
}

// A wakeup is sent when it is written, whoever writes it: nobody waits for the
// relay's next look.
func TestAWakeupIsHeardOf(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.ended(t, 1)[0]
	b.sql(t, `delete from wakeups`)
	woken := make(chan uuid.UUID, 10)
	relay := NewRelay(RelayOptions{Store: b.store, Interval: time.Hour, Log: zerolog.New(b.log), Waker: wakerFunc(func(_ context.Context, id uuid.UUID) error {
		woken <- id
		return nil
	})})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); relay.Run(ctx) }()
	defer func() { stop(); <-ended }()

	for range 3 {
		b.sql(t, fmt.Sprintf(`insert into wakeups (id, organization_id, meeting_id, reason) values (gen_random_uuid(), '%s', '%s', 'another process')`, b.organization.ID, id))
		select {
		case got := <-woken:
			require.Equal(t, id, got)
		case <-time.After(time.Minute):
			t.Fatal("it is not heard of")
		}
	}
}

// temporalServer counts what would start; it answers nothing else.
type temporalServer struct {
	workflowservice.UnimplementedWorkflowServiceServer
	mu      sync.Mutex
	started []string
}

func (s *temporalServer) SignalWithStartWorkflowExecution(_ context.Context, in *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = append(s.started, in.GetWorkflowId())
	return &workflowservice.SignalWithStartWorkflowExecutionResponse{RunId: "r"}, nil
}

// lostKey is a store that has no key for one meeting.
type lostKey struct {
	*store.Store
	meeting uuid.UUID
}

func (l lostKey) DataKeyForMeeting(ctx context.Context, meetingID uuid.UUID) (uuid.UUID, *vault.DataKey, error) {
	if meetingID == l.meeting {
		return uuid.Nil, nil, fmt.Errorf("looking for a data key: %w", store.ErrNotFound)
	}
	return l.Store.DataKeyForMeeting(ctx, meetingID)
}

// With the real client, codec and store: a wakeup that can't be sealed is told
// from an absent Temporal, through everything that the SDK wraps errors in.
func TestAWakeupThatCannotBeSealedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	ids := b.ended(t, 3)

	dial := func(address string) workflows.Starter {
		o := client.Options{HostPort: address}
		codec.Configure(&o, lostKey{b.store, ids[0]})
		c, err := client.NewLazyClient(o)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return workflows.Starter{Client: c}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	temporal := &temporalServer{}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, temporal)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	starter := dial(listener.Addr().String())

	require.ErrorIs(t, starter.Wake(ctx, b.organization.ID, ids[0], "x"), store.ErrNotFound)
	relay := NewRelay(RelayOptions{Store: b.store, Log: zerolog.New(b.log), Waker: starter})
	more, err := relay.wakeSome(ctx)
	require.NoError(t, err)
	require.True(t, more)
	require.ElementsMatch(t, []string{workflows.FollowUpID(ids[1]), workflows.FollowUpID(ids[2])}, temporal.started)
	require.Empty(t, b.attempts(t))

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	step, done := context.WithTimeout(ctx, 300*time.Millisecond)
	defer done()
	require.True(t, isAway(dial(closed.Addr().String()).Wake(step, b.organization.ID, ids[1], "x")))
}

// A delivery that fails for ever says so where it is listed, and is tried still.
func TestADeliveryThatIsNeverUnderstoodSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	body := zoomFixture(t, "meeting.ended")
	require.Equal(t, http.StatusOK, b.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)
	broken, err := NewPlatform("zoom", zoomSignature{}, panicking{})
	require.NoError(t, err)
	relay := NewRelay(RelayOptions{Store: b.store, Platforms: map[string]Platform{"zoom": broken}, Log: zerolog.New(b.log)})
	for _, want := range []string{"", "it could not be understood 20 times; the log says why; it is tried again every quarter of an hour"} {
		b.sql(t, `update deliveries set next_attempt_at = now()`)
		_, err = relay.understandSome(context.Background())
		require.ErrorContains(t, err, "panicked")
		d := b.stored(t)[0]
		require.Equal(t, store.DeliveryReceived, d.State)
		require.Equal(t, want, d.Reason)
		b.sql(t, `update deliveries set attempts = 19`)
	}
	require.Contains(t, b.log.String(), b.stored(t)[0].ID.String())
	require.NotContains(t, b.log.String(), "planted")

	relay.options.Platforms = Platforms() // a version that understands it
	b.sql(t, `update deliveries set next_attempt_at = now()`)
	_, err = relay.understandSome(context.Background())
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
	require.Empty(t, b.stored(t)[0].Reason)
}

func series(t *testing.T, occurrences int) []byte {
	t.Helper()
	type occurrence struct {
		ID       string    `json:"occurrence_id"`
		Start    time.Time `json:"start_time"`
		Duration int       `json:"duration"`
		Status   string    `json:"status"`
	}
	var all []occurrence
	for i := range occurrences {
		start := now.Add(time.Duration(i+1) * time.Hour)
		all = append(all, occurrence{fmt.Sprint(start.UnixMilli()), start, 30, "available"})
	}
	raw, err := json.Marshal(map[string]any{"event": "meeting.created", "event_ts": now.UnixMilli(), "payload": map[string]any{
		"account_id": "HarborAcct_01",
		"object":     map[string]any{"uuid": "series==", "id": 1, "topic": "Hourly", "host_id": "h", "occurrences": all},
	}})
	require.NoError(t, err)
	return raw
}

// So many occurrences as are understood are understood in the time there is; of
// more, the reason is told.
func TestLongSeries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	body := series(t, maxOccurrences+1)
	got := b.send(t, zoom, zoomHeader(zoomSecret, now, body), body)
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, `{"status":"unprocessable","reason":"the series has more than 500 occurrences"}`, got.body)
	require.Equal(t, store.DeliveryUnprocessable, b.stored(t)[0].State)

	body = series(t, maxOccurrences)
	require.Equal(t, http.StatusOK, b.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)
	relay := NewRelay(RelayOptions{Store: b.store, Platforms: Platforms(), Log: zerolog.New(b.log)})
	_, err := relay.understandSome(context.Background())
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
	all, err := b.store.Meetings(context.Background(), b.organization.ID, store.MeetingFilter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, all, maxOccurrences)
	require.Equal(t, meeting.StateScheduled, all[0].Content.State)
}
