package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// What comes at once goes into the table together: each is answered for itself,
// one that can't be stored harms nobody, and one that is sent again is counted.
func TestDeliveriesAreStoredTogether(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	nobodys := in.source
	nobodys.ID = uuid.New() // no such source
	const each = 40
	var all sync.WaitGroup
	var mu sync.Mutex
	ids, refused := map[uuid.UUID]bool{}, 0
	for i := range 3 * each {
		all.Go(func() {
			n := store.NewDelivery{Source: in.source, DedupeKey: fmt.Sprint(i % each), Body: []byte("{}"), ReceivedAt: tenOClock}
			if i >= 2*each {
				n.Source = nobodys
			}
			id, inserted, err := in.InsertDelivery(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				refused++
			case inserted:
				ids[id] = true
			}
		})
	}
	all.Wait()
	require.Equal(t, each, refused, "those of the source that is not there")
	require.Len(t, ids, each, "each is new once")
	stored, err := in.Deliveries(ctx, store.DeliveryFilter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, stored, each)
	for _, d := range stored {
		require.True(t, ids[d.ID])
		require.Equal(t, 1, d.Duplicates)
		body, err := in.Body(ctx, d.ID)
		require.NoError(t, err)
		require.Equal(t, "{}", string(body))
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	ended := event(meeting.Ended, "e", instance("u1"), began(0))
	notes := event(meeting.NotesReady, "n", instance("u1"), words("said"))
	first, second := in.insert(t, ended), in.insert(t, notes)

	// A dry run tells what would come of it, and nothing does.
	would, err := in.PreviewUnderstood(ctx, first, in.organization.ID, []meeting.Event{ended.Normalize()})
	require.NoError(t, err)
	require.Len(t, would.Changed, 1)
	require.Empty(t, in.meetings(t))

	m := in.understand(t, first, ended).MeetingIDs[0]
	in.understand(t, second, notes)
	version := in.meetings(t)[0].Version
	would, err = in.PreviewUnderstood(ctx, first, in.organization.ID, []meeting.Event{ended.Normalize()})
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{m}, would.MeetingIDs)
	require.Empty(t, would.Changed)
	d, err := in.DeliveryByID(ctx, first)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnderstood, d.State)

	// Resuming changes no meeting that has it all, and has its follow-up look again.
	in.exec(t, `delete from wakeups`)
	require.NoError(t, in.ResumeDelivery(ctx, first, store.Operator))
	woken, err := in.ClaimWakeups(ctx, 10)
	require.NoError(t, err)
	require.Len(t, woken, 1)
	require.Equal(t, m, woken[0].MeetingID)
	in.understand(t, first, ended)
	require.Equal(t, version, in.meetings(t)[0].Version)

	// Done as new, both make one meeting more, however often the same redo is asked for.
	redo := uuid.New()
	var copies []uuid.UUID
	for _, id := range []uuid.UUID{first, second} {
		copied, err := in.RedoDelivery(ctx, id, redo, store.Operator)
		require.NoError(t, err)
		copies = append(copies, copied)
		again, err := in.RedoDelivery(ctx, id, redo, store.Operator)
		require.NoError(t, err)
		require.Equal(t, uuid.Nil, again)
		body, err := in.Body(ctx, copied)
		require.NoError(t, err)
		was, err := in.Body(ctx, id)
		require.NoError(t, err)
		require.Equal(t, was, body)
	}
	fresh := in.understand(t, copies[0], ended).MeetingIDs[0]
	require.NotEqual(t, m, fresh)
	require.Equal(t, []uuid.UUID{fresh}, in.understand(t, copies[1], notes).MeetingIDs)
	require.Len(t, in.meetings(t), 2)
	require.Equal(t, "said", in.meetings(t)[0].Content.Summary.Text)
	// What the platform sends afterwards is still the first one's.
	require.Equal(t, []uuid.UUID{m}, in.deliver(t, event(meeting.RecordingReady, "r", instance("u1"))).MeetingIDs)
	// Another redo is another meeting.
	copied, err := in.RedoDelivery(ctx, first, uuid.New(), store.Operator)
	require.NoError(t, err)
	require.NotContains(t, []uuid.UUID{m, fresh}, in.understand(t, copied, ended).MeetingIDs[0])

	trail, err := in.AuditTrail(ctx, in.organization.ID, store.AuditFilter{})
	require.NoError(t, err)
	told := map[string]int{}
	for _, e := range trail {
		if e.RecordID == first.String() {
			require.Equal(t, store.Operator.Name, e.Actor.Name)
			told[e.Reason[:len("delivery ")+4]]++
		}
	}
	require.Equal(t, map[string]int{"delivery repl": 1, "delivery done": 2}, told)
}

func TestPayloadsAreDroppedByAge(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	ended := event(meeting.Ended, "e", instance("u1"), began(0), words("said"))
	old, waiting := in.insert(t, ended), in.insert(t, event(meeting.Ended, "w", instance("u2")))
	in.understand(t, old, ended)

	n, err := in.PruneAllPayloads(ctx, tenOClock.Add(90*24*time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "90 days, unless the settings say otherwise")
	require.NoError(t, in.UpdateSettings(ctx, in.organization.ID, in.organization.Domains, store.Settings{KeepPayloads: store.Duration(-1)}, store.Operator))
	n, err = in.PruneAllPayloads(ctx, tenOClock.AddDate(9, 0, 0))
	require.NoError(t, err)
	require.Zero(t, n, "for ever")
	require.NoError(t, in.UpdateSettings(ctx, in.organization.ID, in.organization.Domains, store.Settings{KeepPayloads: store.Duration(time.Hour)}, store.Operator))
	n, err = in.PruneAllPayloads(ctx, tenOClock.Add(time.Hour+time.Second))
	require.NoError(t, err)
	require.Equal(t, 1, n)

	_, err = in.Body(ctx, old)
	require.ErrorIs(t, err, store.ErrErased)
	require.Equal(t, "said", in.meetings(t)[0].Content.Summary.Text, "the meeting stays")
	require.ErrorIs(t, in.ResumeDelivery(ctx, old, store.Operator), store.ErrErased)
	_, err = in.RedoDelivery(ctx, old, uuid.New(), store.Operator)
	require.ErrorIs(t, err, store.ErrErased)
	_, err = in.Body(ctx, waiting)
	require.NoError(t, err, "what is not understood yet is kept")
}
