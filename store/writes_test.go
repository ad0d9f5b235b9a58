package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// writes is one organization with a meeting and a connection.
type writes struct {
	*store.Store

	t       *testing.T
	db      *pgxpool.Pool
	org     uuid.UUID
	meeting uuid.UUID
	conn    uuid.UUID
}

func newWrites(t *testing.T) *writes {
	t.Helper()
	s, url := storetest.New(t)
	db, err := pgxpool.New(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	w := &writes{Store: s, t: t, db: db, org: storetest.Organization(t, s).ID, meeting: uuid.New()}
	_, w.conn = storetest.Connection(t, db, w.org, 1)
	w.exec(`insert into meetings (id, organization_id, data_key_id, version, has_notes, first_word_at)
		select $1, id, data_key_id, 1, true, now() from organizations where id = $2`, w.meeting, w.org)
	return w
}

func (w *writes) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(context.Background(), sql, args...)
	require.NoError(w.t, err)
}

// ready plans one create that may be sent.
func (w *writes) ready() uuid.UUID {
	w.t.Helper()
	ctx := context.Background()
	create := policy.Tool{Object: "contact", Operation: policy.Create}
	require.NoError(w.t, w.SetPermission(ctx, w.org, create, policy.Allow, store.Operator))
	require.NoError(w.t, w.SavePlan(ctx, store.Plan{
		OrganizationID: w.org, MeetingID: w.meeting, MeetingVersion: 1, ConnectionID: w.conn,
		Drafts: []store.Draft{{Key: "k", Tool: create, Content: store.ActionContent{
			NaturalKey: "email:jane@northwind.example", Properties: map[string]string{"email": "jane@northwind.example", "debrief_deal": "1"},
		}}},
	}))
	actions, err := w.ActionsOf(ctx, w.org, w.meeting)
	require.NoError(w.t, err)
	return actions[0].ID
}

func (w *writes) state(id uuid.UUID) store.ActionState {
	w.t.Helper()
	a, err := w.Action(context.Background(), w.org, id)
	require.NoError(w.t, err)
	return a.State
}

func TestBeginWriteOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWrites(t)
	id := w.ready()

	checked, err := w.CheckWrite(ctx, id)
	require.NoError(t, err)
	require.Equal(t, store.WriteSend, checked.Step)
	require.Equal(t, store.ActionReady, w.state(id), "a check begins nothing")
	require.Equal(t, map[string]string{"email": "jane@northwind.example"}, checked.Properties, "a question to the approver is not HubSpot's")

	begun, err := w.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(t, err)
	require.Equal(t, store.WriteSend, begun.Step)
	require.Equal(t, store.ActionWriting, w.state(id))

	second, err := w.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(t, err)
	require.Equal(t, store.WriteLook, second.Step, "its outcome is open: look first")
	require.Equal(t, begun.CallID, second.CallID)
	require.Equal(t, begun.Properties, second.Properties)

	third, err := w.BeginWrite(ctx, id, store.WriteIntent{Looked: begun.CallID})
	require.NoError(t, err)
	require.Equal(t, store.WriteSend, third.Step)
	require.NotEqual(t, begun.CallID, third.CallID)
	late, err := w.BeginWrite(ctx, id, store.WriteIntent{Looked: begun.CallID})
	require.NoError(t, err)
	require.Equal(t, store.WriteLook, late.Step, "who looked after the first call knows nothing of the second")
}

func TestEndWriteOvertaken(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWrites(t)
	id := w.ready()
	first, err := w.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(t, err)
	second, err := w.BeginWrite(ctx, id, store.WriteIntent{Looked: first.CallID})
	require.NoError(t, err)

	a, err := w.EndWrite(ctx, store.WriteEnd{ActionID: id, CallID: first.CallID, State: store.ActionReady, Call: store.CallResult{Outcome: store.Failed}})
	require.NoError(t, err)
	require.Equal(t, store.ActionWriting, a.State, "the first attempt has no say any more")

	a, err = w.EndWrite(ctx, store.WriteEnd{ActionID: id, CallID: second.CallID, State: store.ActionWritten, RecordID: "12", Call: store.CallResult{Outcome: store.Done}})
	require.NoError(t, err)
	require.Equal(t, store.ActionWritten, a.State)
	a, err = w.EndWrite(ctx, store.WriteEnd{ActionID: id, CallID: second.CallID, State: store.ActionFailed, Call: store.CallResult{Outcome: store.Failed}})
	require.NoError(t, err)
	require.Equal(t, store.ActionWritten, a.State, "what is settled stays settled")
	require.Equal(t, "12", a.RecordID)

	trail, err := w.AuditTrail(ctx, w.org, store.AuditFilter{Kind: store.AuditCall})
	require.NoError(t, err)
	require.Len(t, trail, 2)
	require.Equal(t, store.Unknown, trail[0].Outcome)
	require.Equal(t, store.Done, trail[1].Outcome)
	require.Equal(t, []string{"email"}, trail[1].Properties)
}

func TestEndWriteWithoutACallChangesNoOpenOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWrites(t)
	id := w.ready()
	_, err := w.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(t, err)
	a, err := w.EndWrite(ctx, store.WriteEnd{ActionID: id, State: store.ActionUnchanged, RecordID: "12"})
	require.NoError(t, err)
	require.Equal(t, store.ActionWriting, a.State)
}

// TestDenyWhileACallIsOpen: nothing is sent any more, not even a look, and what
// may have happened is not forgotten.
func TestDenyWhileACallIsOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWrites(t)
	id := w.ready()
	_, err := w.BeginWrite(ctx, id, store.WriteIntent{})
	require.NoError(t, err)
	require.NoError(t, w.SetPermission(ctx, w.org, policy.Tool{Object: "contact", Operation: policy.Create}, policy.Deny, store.Operator))
	checked, err := w.CheckWrite(ctx, id)
	require.NoError(t, err)
	require.Equal(t, store.WriteSettled, checked.Step)
	require.Equal(t, store.ActionUnknown, w.state(id))
}

func TestErasedWords(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWrites(t)
	id := w.ready()
	w.exec(`update actions set data_key_id = null`)
	checked, err := w.CheckWrite(ctx, id)
	require.NoError(t, err)
	require.Equal(t, store.WriteSettled, checked.Step)
	require.Equal(t, store.ActionFailed, w.state(id))
}

func TestWriteNeedsAConnection(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWrites(t)
	id := w.ready()
	w.exec(`update follow_ups set connection_id = null`)
	w.exec(`delete from connections`)
	_, err := w.CheckWrite(ctx, id)
	require.ErrorIs(t, err, store.ErrNoConnection)
	_, err = w.CheckWrite(ctx, uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)
}

// TestWritesAndDecisionsDoNotWaitInACircle runs rounds' looks, decisions' locks
// and writes of one meeting at once.
func TestWritesAndDecisionsDoNotWaitInACircle(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	w := newWrites(t)
	id := w.ready()
	done := make(chan error, 3)
	go func() {
		for range 30 {
			if _, err := w.LookAt(ctx, w.org, w.meeting); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 2 {
		go func() {
			for range 30 {
				begun, err := w.BeginWrite(ctx, id, store.WriteIntent{})
				if err == nil && begun.Step == store.WriteSend {
					_, err = w.EndWrite(ctx, store.WriteEnd{ActionID: id, CallID: begun.CallID, State: store.ActionReady, Call: store.CallResult{Outcome: store.Failed}})
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 3 {
		require.NoError(t, <-done)
	}
}
