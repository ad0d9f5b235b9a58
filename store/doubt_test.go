package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// begin records the intent to write an action, and returns its call.
func (b *bench) begin(key string) int64 {
	b.t.Helper()
	begun, err := b.BeginWrite(context.Background(), b.action(key).ID, store.WriteIntent{})
	require.NoError(b.t, err)
	require.Equal(b.t, store.WriteSend, begun.Step, begun.Reason)
	return begun.CallID
}

// lose sends an action whose answer is lost, and asks what became of it.
func (b *bench) lose(key string) int64 {
	b.t.Helper()
	call := b.begin(key)
	id := b.action(key).ID
	_, err := b.EndWrite(context.Background(), store.WriteEnd{
		ActionID: id, CallID: call, State: store.ActionUnknown, Reason: "lost", Call: store.CallResult{Outcome: store.Unknown},
	})
	require.NoError(b.t, err)
	require.NoError(b.t, b.AskAgain(context.Background(), b.org, id, "outcome", "its answer was lost", nil))
	require.Equal(b.t, "outcome", b.question(key).Kind)
	return call
}

func (b *bench) set(tool policy.Tool, p policy.Permission) {
	b.t.Helper()
	require.NoError(b.t, b.SetPermission(context.Background(), b.org, tool, p, store.Operator))
}

func (b *bench) expireAll() {
	b.t.Helper()
	b.ExecForTest(b.t, `update approvals set expires_at = now() where state = 'pending'`)
	b.look()
}

// Whatever happens to an action whose answer was lost: without a human's word
// about just that, it is not sent a second time.
func TestWhatMayExistIsNotSentAgain(t *testing.T) {
	t.Parallel()
	deal := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
	other := draft(createDeal, "deal:1", map[string]string{"dealname": "Expansion"})
	for name, c := range map[string]struct {
		happens func(b *bench)
		want    store.ActionState
	}{
		"planned otherwise":      {func(b *bench) { b.plan(other) }, store.ActionAsking},
		"no longer wanted":       {func(b *bench) { b.plan() }, store.ActionAsking},
		"rejected":               {func(b *bench) { b.reject("deal:1") }, store.ActionRejected},
		"rejected, then planned": {func(b *bench) { b.reject("deal:1"); b.plan(other) }, store.ActionRejected},
		"expired, then planned":  {func(b *bench) { b.expireAll(); b.plan(other) }, store.ActionExpired},
		"denied by a round, allowed, then planned": {func(b *bench) {
			b.set(createDeal, policy.Deny)
			b.look()
			b.set(createDeal, policy.Allow)
			b.plan(deal)
			b.plan(other)
		}, store.ActionDenied},
		"denied by the gate, allowed, then planned": {func(b *bench) {
			b.set(createDeal, policy.Deny)
			_, err := b.CheckWrite(context.Background(), b.action("deal:1").ID)
			require.NoError(b.t, err)
			b.set(createDeal, policy.Allow)
			b.plan(other)
		}, store.ActionDenied},
		"what it depended on was undone": {func(b *bench) {
			b.ExecForTest(b.t, `update actions set state = 'rejected' where key = 'company:1'`)
			b.look()
		}, store.ActionAsking},
		"freed by force": {func(b *bench) {
			b.ExecForTest(b.t, `update approvals set state = 'withdrawn'`)
			b.ExecForTest(b.t, `update actions set state = 'ready' where key = 'deal:1'`)
		}, store.ActionReady},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Allow, createCompany: policy.Allow})
			d := deal
			d.DependsOn = []string{"company:1"}
			d.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}}
			b.plan(draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}), d)
			b.written("company:1", "9")
			b.lose("deal:1")
			c.happens(b)

			a := b.action("deal:1")
			require.Equal(t, c.want, a.State)
			require.NotNil(t, a.MayExistSince)
			require.Equal(t, map[string]string{"dealname": "Renewal"}, a.Content.Properties)
			require.Len(t, a.Content.Associations, 1, "what was sent stays as it was sent")
			w, err := b.BeginWrite(context.Background(), a.ID, store.WriteIntent{})
			require.NoError(t, err)
			require.Contains(t, []store.WriteStep{store.WriteSettled, store.WriteAsk}, w.Step)
			if c.want == store.ActionAsking {
				require.Equal(t, "outcome", b.question("deal:1").Kind)
			}
			if a.State.Settled() {
				require.Contains(t, a.Reason, "not known")
			}
			if c.want == store.ActionReady {
				require.NoError(t, b.AskAgain(context.Background(), b.org, a.ID, "permission", w.Reason, nil))
				require.Equal(t, "outcome", b.question("deal:1").Kind, "the question is what became of it")
			}
		})
	}
}

func (b *bench) reject(key string) {
	b.t.Helper()
	require.NoError(b.t, b.decide(b.question(key), store.Reject, nil))
}

func TestAHumanMayHaveItSentAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Allow})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	b.lose("deal:1")
	require.NoError(t, b.decide(b.question("deal:1"), store.Approve, nil))
	require.Nil(t, b.action("deal:1").MayExistSince)
	b.begin("deal:1")
}

// Who wrote after all says so, even if everybody had given it up.
func TestALostAnswerThatComes(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createCompany: policy.Allow})
	d := draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"})
	d.Content.NaturalKey = "domain:northwind.example"
	b.plan(d)
	call := b.lose("company:1")
	b.reject("company:1")
	end := store.WriteEnd{ActionID: b.action("company:1").ID, CallID: call, State: store.ActionFailed, Call: store.CallResult{Outcome: store.Failed}}
	a, err := b.EndWrite(context.Background(), end)
	require.NoError(t, err)
	require.Equal(t, store.ActionRejected, a.State)
	require.NotNil(t, a.MayExistSince)

	end.State, end.RecordID, end.NaturalKey = store.ActionWritten, "12", d.Content.NaturalKey
	a, err = b.EndWrite(context.Background(), end)
	require.NoError(t, err)
	require.Equal(t, store.ActionWritten, a.State)
	require.Nil(t, b.action("company:1").MayExistSince)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from write_claims where record_id = '12'`))
}

func TestDependentsOfWhatWasLeftInDoubt(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Allow, createCompany: policy.Allow})
	d := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
	d.DependsOn = []string{"company:1"}
	d.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1", Required: true}}
	b.plan(draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}), d)
	b.lose("company:1")
	require.Equal(t, store.NextAnswer, b.look().Next)
	b.reject("company:1")
	require.Equal(t, store.NextDone, b.look().Next)
	require.Equal(t, store.ActionSkipped, b.action("deal:1").State)
}

// A question about an action that is being written would forget the call.
func TestNobodyIsAskedAboutWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Allow})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	b.begin("deal:1")
	require.NoError(t, b.AskAgain(context.Background(), b.org, b.action("deal:1").ID, "permission", "late", nil))
	require.Equal(t, store.ActionWriting, b.action("deal:1").State)
	require.Empty(t, b.questions(store.ApprovalPending))
}

func TestOnlyWhatIsAskedAboutCanBeDecided(t *testing.T) {
	t.Parallel()
	for _, verdict := range []store.Verdict{store.Approve, store.Reject} {
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
		b.written("deal:1", "7")
		refused(t, b.decide(b.question("deal:1"), verdict, nil), "is written")
		require.Equal(t, store.ActionWritten, b.action("deal:1").State)
	}
}

func TestWhatEndsAnActionEndsItsQuestion(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, id uuid.UUID) error{
		"an attempt that was under way": func(b *bench, id uuid.UUID) error {
			_, err := b.EndWrite(context.Background(), store.WriteEnd{ActionID: id, State: store.ActionUnchanged, RecordID: "7"})
			return err
		},
		"the gate's own check": func(b *bench, id uuid.UUID) error {
			b.ExecForTest(b.t, `update actions set data_key_id = null where id = $1`, id)
			_, err := b.CheckWrite(context.Background(), id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Ask})
			b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
			p := b.question("deal:1")
			require.NoError(t, end(b, p.ActionID))
			require.True(t, b.action("deal:1").State.Settled())
			require.Empty(t, b.questions(store.ApprovalPending))
			refused(t, b.decide(p, store.Approve, nil), "withdrawn")
			require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where approval_id = $1 and reason like 'withdrawn: %'`, p.ID))
		})
	}
}

func TestErasingEndsTheFollowUp(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Allow, createCompany: policy.Allow})
	contact := func(key, email string) store.Draft {
		d := draft(createContact, key, map[string]string{"email": email})
		d.Content.NaturalKey = "email:" + email
		return d
	}
	company := draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"})
	company.Content.NaturalKey = "domain:northwind.example"
	b.plan(
		draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}),
		contact("contact:1", "jane@northwind.example"), contact("contact:2", "joe@northwind.example"),
		contact("contact:3", "jim@northwind.example"), company)
	p := b.question("deal:1")
	out := b.begin("contact:2")
	_, err := b.EndWrite(ctx, store.WriteEnd{
		ActionID: b.action("contact:3").ID, CallID: b.begin("contact:3"), State: store.ActionReady, Call: store.CallResult{Outcome: store.Failed},
	})
	require.NoError(t, err)
	b.lose("company:1")
	require.Equal(t, 3, b.CountForTest(t, `select count(*) from write_claims`))
	woken := b.CountForTest(t, `select count(*) from wakeups`)

	require.NoError(t, b.EraseMeeting(ctx, b.org, b.meeting, store.Operator))

	for key, want := range map[string]store.ActionState{
		"deal:1": store.ActionWithdrawn, "contact:1": store.ActionWithdrawn, "contact:2": store.ActionUnknown,
		"contact:3": store.ActionWithdrawn, "company:1": store.ActionWithdrawn,
	} {
		require.Equal(t, want, b.action(key).State, key)
	}
	require.NotNil(t, b.action("contact:2").MayExistSince)
	require.NotNil(t, b.action("company:1").MayExistSince)
	require.Empty(t, b.questions(store.ApprovalPending))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where approval_id = $1 and reason like 'withdrawn: %'`, p.ID))
	refused(t, b.decide(p, store.Approve, nil), "withdrawn")
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where id = $1 and outcome = 'unknown' and completed_at is not null`, out))
	require.Zero(t, b.CountForTest(t, `select count(*) from audit where outcome = 'attempted'`))
	require.Equal(t, 2, b.CountForTest(t, `select count(*) from write_claims`), "of what may exist, and of nothing else")
	f, err := b.FollowUpOf(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, "closed", f.State)
	require.Equal(t, 4, f.Report.Actions[store.ActionWithdrawn])
	require.Equal(t, woken, b.CountForTest(t, `select count(*) from wakeups`), "nobody can be told")
	require.Equal(t, store.NextDone, b.look().Next)

	// The call's answer comes after all.
	a, err := b.EndWrite(ctx, store.WriteEnd{
		ActionID: b.action("contact:2").ID, CallID: out, State: store.ActionWritten, RecordID: "12", Call: store.CallResult{Outcome: store.Done},
	})
	require.NoError(t, err)
	require.Equal(t, store.ActionWritten, a.State)
	// Nobody can be asked about what nobody can read.
	b.ExecForTest(t, `update actions set state = 'unknown' where key = 'company:1'`)
	require.NoError(t, b.AskAgain(ctx, b.org, b.action("company:1").ID, "outcome", "lost", nil))
	require.Equal(t, store.ActionUnknown, b.action("company:1").State)
}

func TestAnEndedMeetingIsNotPlanned(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"erased": `update meetings set data_key_id = null where id = $1`,
		"merged": `update meetings set merged_into = id where id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Allow})
			b.ExecForTest(t, sql, b.meeting)
			b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
			require.Zero(t, b.CountForTest(t, `select count(*) from actions`))
			f, err := b.FollowUpOf(context.Background(), b.org, b.meeting)
			require.NoError(t, err)
			require.Zero(t, f.Round)
		})
	}
}

func TestAFollowUpGoesOnThroughAnotherConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state  string
		others []string // their states
		hub    int      // of the others
		want   store.Next
	}{
		"revoked":                   {"revoked", []string{"connected"}, 1001, store.NextWrite},
		"uninstalled":               {"uninstalled", []string{"connected", "revoked"}, 1001, store.NextWrite},
		"may come back":             {"needs_reconnect", []string{"connected"}, 1001, store.NextPause},
		"two others":                {"revoked", []string{"connected", "connected"}, 1001, store.NextPause},
		"other one not connected":   {"revoked", []string{"expired"}, 1001, store.NextPause},
		"other one's other account": {"revoked", []string{"connected"}, 2002, store.NextPause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Allow, createContact: policy.Allow})
			b.plan(
				draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}),
				draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}))
			b.written("contact:1", "501")
			var others []uuid.UUID
			for _, state := range c.others {
				others = append(others, b.NewConnectionForTest(t, b.org, state))
			}
			b.ExecForTest(t, `update connections set hub_id = $2 where id <> $1`, b.connection, c.hub)
			b.ExecForTest(t, `update connections set state = $2 where id = $1`, b.connection, c.state)
			require.NoError(t, b.PauseFollowUp(context.Background(), b.org, b.meeting, &b.connection))

			require.Equal(t, c.want, b.look().Next)
			uses := b.connection
			if c.want == store.NextWrite {
				uses = others[0]
			}
			require.Equal(t, uses, *b.action("deal:1").ConnectionID)
			require.Equal(t, b.connection, *b.action("contact:1").ConnectionID, "what was written was written through the old one")
			f, err := b.FollowUpOf(context.Background(), b.org, b.meeting)
			require.NoError(t, err)
			require.Equal(t, uses, *f.ConnectionID)
			require.Equal(t, c.want == store.NextPause, f.PausedSince != nil)
		})
	}
}

// behind runs f while another transaction holds the follow-up's row and has done
// sql, and lets that one commit when f waits for it.
func (w *writes) behind(sql string, f func() error) time.Time {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tx, err := w.db.Begin(ctx)
	require.NoError(w.t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	_, err = tx.Exec(ctx, `select from follow_ups where meeting_id = $1 for update`, w.meeting)
	require.NoError(w.t, err)
	_, err = tx.Exec(ctx, sql, w.meeting)
	require.NoError(w.t, err)
	done := make(chan error, 1)
	go func() { done <- f() }()
	require.Eventually(w.t, func() bool {
		var waiting bool
		err := w.db.QueryRow(ctx, `
			select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting)
		return err == nil && waiting
	}, 10*time.Second, 5*time.Millisecond)
	var at time.Time
	require.NoError(w.t, tx.QueryRow(ctx, `select clock_timestamp()`).Scan(&at))
	require.NoError(w.t, tx.Commit(ctx))
	require.NoError(w.t, <-done)
	return at
}

func TestALookThatWaitedSeesTheMeetingAsItIs(t *testing.T) {
	t.Parallel()
	w := newWrites(t)
	w.ready()
	var look store.Look
	w.behind(`update meetings set version = 9 where id = $1`, func() (err error) {
		look, err = w.LookAt(context.Background(), w.org, w.meeting)
		return err
	})
	require.EqualValues(t, 9, look.MeetingVersion)
}

// HubSpot's time to work on a call counts from the call, not from the beginning
// of the transaction that recorded it and waited for a lock before.
func TestACallBeginsWhenItBegins(t *testing.T) {
	t.Parallel()
	w := newWrites(t)
	id := w.ready()
	var begun store.Write
	released := w.behind(`update meetings set version = version where id = $1`, func() (err error) {
		begun, err = w.BeginWrite(context.Background(), id, store.WriteIntent{})
		return err
	})
	require.Equal(t, store.WriteSend, begun.Step)
	trail, err := w.AuditTrail(context.Background(), w.org, store.AuditFilter{Kind: store.AuditCall})
	require.NoError(t, err)
	require.Len(t, trail, 1)
	require.False(t, trail[0].At.Before(released), "%s is before %s", trail[0].At, released)
	require.Positive(t, begun.Age, "the commit took its time, too")
}

// What a workflow keeps must not depend on the machine's time zone.
func TestTimesForWorkflowsAreUTC(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	look := b.look()
	require.Same(t, time.UTC, look.Until.Location())
	require.Same(t, time.UTC, look.Pending[0].ExpiresAt.Location())

	b.ExecForTest(t, `update meetings set version = version + 1, updated_at = now() where id = $1`, b.meeting)
	look = b.look()
	require.Equal(t, store.NextGather, look.Next)
	require.Same(t, time.UTC, look.Until.Location())
}
