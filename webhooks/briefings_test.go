package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

type brieferFunc func(k store.BriefingKey) error

func (f brieferFunc) TellBriefing(_ context.Context, k store.BriefingKey) error { return f(k) }

// scheduled makes n meetings of one host, each with somebody from outside.
func (b *bundle) scheduled(t *testing.T, n int) (ids []uuid.UUID) {
	t.Helper()
	ctx := context.Background()
	_, err := b.store.AddPerson(ctx, store.Person{
		OrganizationID: b.organization.ID, Name: "Dana", Role: store.RoleMember,
		Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "dana@" + b.organization.Domains[0]}},
	}, store.Operator)
	require.NoError(t, err)
	source := b.source(t, "zoom", zoomSecret)
	for i := range n {
		start := time.Now().Add(time.Duration(i+1) * 24 * time.Hour)
		e := meeting.Event{Type: meeting.Scheduled, DedupeKey: uuid.NewString(), Provider: "zoom", OccurredAt: time.Now()}
		e.Keys.InstanceID, e.Title, e.ScheduledStart, e.ScheduledEnd = uuid.NewString(), fmt.Sprintf("Meeting %d", i), start, start.Add(time.Hour)
		e.Organizer = meeting.Person{Email: "dana@" + b.organization.Domains[0]}
		e.Attendees = []meeting.Attendee{{Person: meeting.Person{Email: "jane@northwind.example"}}}
		id, _, err := b.store.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: e.DedupeKey, Body: []byte("{}"), ReceivedAt: time.Now(), Header: http.Header{}})
		require.NoError(t, err)
		u, err := b.store.Understood(ctx, id, b.organization.ID, []meeting.Event{e.Normalize()})
		require.NoError(t, err)
		ids = append(ids, u.MeetingIDs...)
	}
	require.Len(t, ids, n)
	return ids
}

// untold are the meetings whose brief's workflow does not know yet.
func (b *bundle) untold(t *testing.T) []uuid.UUID {
	t.Helper()
	return b.briefed(t, `told < asked`)
}

// briefed are the meetings whose brief is like that.
func (b *bundle) briefed(t *testing.T, like string) []uuid.UUID {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, b.databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select meeting_id from briefings where `+like)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	return ids
}

// While Temporal is away nobody is told; then each brief's workflow is, and one that
// can't be told holds up nobody.
func TestBriefsAreToldOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.scheduled(t, 40)
	require.Len(t, b.untold(t), 40)
	stubborn, erased := ids[7], ids[9]
	var mu sync.Mutex
	told := map[uuid.UUID]int{}
	run := func(tell brieferFunc, until func() bool) {
		t.Helper()
		relay := NewRelay(RelayOptions{Store: b.store, Log: zerolog.Nop(), Interval: 10 * time.Millisecond, Briefings: tell})
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { relay.Run(ctx) })
		defer func() { stop(); running.Wait() }()
		require.Eventually(t, until, 20*time.Second, 20*time.Millisecond)
	}
	tried := 0
	run(func(store.BriefingKey) error {
		mu.Lock()
		defer mu.Unlock()
		tried++
		return serviceerror.NewUnavailable("away")
	}, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return tried >= 2
	})
	require.Len(t, b.untold(t), 40)
	require.Less(t, tried, 10, "who is away is not asked for each")
	require.Len(t, b.briefed(t, `next_attempt_at > now() + interval '10 seconds'`), tried, "the others come back at once")
	// What was tried comes back when its lease is over.
	b.sql(t, `update briefings set next_attempt_at = now()`)
	run(func(k store.BriefingKey) error {
		mu.Lock()
		defer mu.Unlock()
		switch k.MeetingID {
		case stubborn:
			return errors.New("no")
		case erased:
			return store.ErrErased
		}
		told[k.MeetingID]++
		return nil
	}, func() bool { return len(b.untold(t)) == 1 })
	require.Equal(t, []uuid.UUID{stubborn}, b.untold(t))
	require.Len(t, told, 38)
	for id, n := range told {
		require.Equal(t, 1, n, "%s", id)
	}
}
