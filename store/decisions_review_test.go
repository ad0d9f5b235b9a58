package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// A card is read in several statements. A question that was asked in between, about
// other values than were read, must not stand under the old ones: its approver would
// approve what nobody saw.
func TestACardShowsNoOldValuesUnderANewQuestion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.asks("deal:1")
	before, err := b.ActionsOf(ctx, b.org, b.meeting)
	require.NoError(t, err)
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "900000"}))
	anew := b.question("deal:1")

	questions, err := b.CardQuestionsForTest(ctx, b.org, b.meeting, before)
	require.NoError(t, err)
	for _, q := range questions[before[0].ID] {
		require.NotEqual(t, anew.ID, q.ID, "it is about an amount that this card does not show")
	}
	facts, err := b.CardFacts(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, "900000", facts.Actions[0].Content.Properties["amount"])
	all := facts.Questions[facts.Actions[0].ID]
	require.Equal(t, anew.ID, all[len(all)-1].ID)
}

// When unsure, ask: also where a later round is unsure about what an earlier one was
// sure of, and the values are the same.
func TestALaterDoubtIsAskedAboutBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	doubtful := func(properties map[string]string) store.Draft {
		d := draft(createContact, "contact:1", properties)
		d.Content.Doubt, d.Content.MayCreate = "two contacts match", true
		d.Content.Candidates = []store.Candidate{{ID: "7", Label: "Jane Roe"}, {ID: "8", Label: "Jane Row"}}
		return d
	}
	values := map[string]string{"email": "jane@northwind.example"}
	for _, permission := range []policy.Permission{policy.Allow, policy.Ask} {
		t.Run(string(permission), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createContact: permission})
			b.plan(draft(createContact, "contact:1", values))
			b.plan(doubtful(values))
			p := b.question("contact:1")
			require.Equal(t, "two contacts match", p.Action.Content.Doubt)
			refused(t, b.try(byOperator(store.Approve, p)), "pick one")
			b.plan(doubtful(values))
			require.Equal(t, p.ID, b.question("contact:1").ID, "it is asked once")
		})
	}
	t.Run("what somebody decided stays decided", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createContact: policy.Ask})
		b.plan(draft(createContact, "contact:1", values))
		require.NoError(t, b.try(byOperator(store.Approve, b.question("contact:1"))))
		b.plan(doubtful(values))
		require.Equal(t, store.ActionReady, b.action("contact:1").State)
	})
}

// Who may not approve may say which record is meant, and nothing else along with it:
// the tool may be allowed, and then nobody would look at the values any more.
func TestAnAnswerBringsNoOtherValuesAlong(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*store.ApprovalSettings, store.Person){
		"named approvers":  func(a *store.ApprovalSettings, ada store.Person) { a.Approvers = []uuid.UUID{ada.ID} },
		"no self-approval": func(a *store.ApprovalSettings, _ store.Person) { a.NoSelfApproval = true },
		"quorum":           func(a *store.ApprovalSettings, _ store.Person) { a.Quorum = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
			ada, mara := b.person("ada", store.RoleAdmin), b.person("mara", store.RoleMember)
			b.person("ben", store.RoleAdmin)
			b.hostedBy(mara)
			require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { change(a, ada) }))
			d := draft(updateDeal, "deal:1", map[string]string{"amount": "2"})
			d.Content.Doubt = "it could be either of two deals"
			d.Content.Candidates = []store.Candidate{{ID: "7", Label: "Renewal"}, {ID: "8", Label: "Expansion"}}
			b.plan(d)
			answer := by(mara, store.Edit, b.question("deal:1"))
			answer.Edit = map[string]string{store.TargetProperty: "7", "amount": "900000"}
			refused(t, b.try(answer), "by itself")
			require.Equal(t, store.ActionAsking, b.action("deal:1").State)
			answer.Edit = map[string]string{store.TargetProperty: "7"}
			require.NoError(t, b.try(answer))
		})
	}
}

// An approval of the run's second question about something must work like the first:
// questions that come after everybody had answered are told, too.
func TestWhatIsAskedAfterAllWasAnsweredIsTold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	told := func(b *bench) int {
		b.t.Helper()
		return b.CountForTest(b.t, `select count(*) from notices where kind = 'approval.asked'`)
	}
	t.Run("HubSpot said no", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "a"}), draft(createDeal, "deal:2", map[string]string{"dealname": "b"}))
		require.Equal(t, 1, told(b), "one word for all of a round")
		require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:1"))))
		require.NoError(t, b.AskAgain(ctx, b.org, b.action("deal:1").ID, "permission", "HubSpot wants a close date", nil))
		require.Equal(t, 1, told(b), "something was still open: whoever is at it finds it there")
		require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:1"))))
		require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:2"))))
		require.NoError(t, b.AskAgain(ctx, b.org, b.action("deal:1").ID, "permission", "HubSpot wants a close date", nil))
		require.NoError(t, b.AskAgain(ctx, b.org, b.action("deal:2").ID, "permission", "HubSpot wants a close date", nil))
		require.Equal(t, 2, told(b), "nobody would look again")
	})
	t.Run("an undo asks", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createContact: policy.Ask, archiveContact: policy.Ask})
		b.plan(contactAndDeal()[0])
		require.NoError(t, b.try(byOperator(store.Approve, b.question("contact:1"))))
		b.wrote("contact:1", "501")
		require.NoError(t, b.requestUndo(store.Operator))
		b.saveUndo()
		require.Len(t, b.questions(store.ApprovalPending), 1)
		require.Equal(t, 2, told(b))
	})
	t.Run("what only takes another's place is not told again", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createCompany: policy.Ask, createDeal: policy.Ask})
		deal := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
		deal.DependsOn = []string{"company:1"}
		deal.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}}
		b.plan(draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}), deal)
		require.NoError(t, b.try(byOperator(store.Reject, b.question("company:1"))))
		b.look()
		require.Empty(t, b.question("deal:1").Action.Content.Associations)
		require.Equal(t, 1, told(b))
	})
}

// Who turns a permission wakes whatever it is about: an undo, and the question
// whether to read, too. Else they wait for the slow timer.
func TestAChangedPermissionWakesUndosAndReadQuestions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	woken := func(b *bench) int {
		b.t.Helper()
		return b.CountForTest(b.t, `select count(*) from wakeups where reason = 'permission changed'`)
	}
	t.Run("undo", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createContact: policy.Allow, archiveContact: policy.Ask})
		b.plan(contactAndDeal()[0])
		b.wrote("contact:1", "501")
		require.NoError(t, b.requestUndo(store.Operator))
		b.saveUndo()
		require.NoError(t, b.SetPermission(ctx, b.org, archiveContact, policy.Deny, store.Operator))
		require.Equal(t, 1, woken(b))
		b.look()
		require.Equal(t, store.ActionDenied, b.action("undo/1/contact:1").State)
	})
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{readContact: policy.Ask})
		wait, err := b.AskToRead(ctx, b.org, b.meeting, b.connection, []policy.Tool{readContact})
		require.NoError(t, err)
		require.True(t, wait)
		require.NoError(t, b.SetPermission(ctx, b.org, readContact, policy.Allow, store.Operator))
		require.Equal(t, 1, woken(b))
		b.look()
		require.Empty(t, b.questions(store.ApprovalPending))
	})
}

// Whose message in Slack it is may lose sight of the meeting without anything of the
// meeting changing. Then the message changes.
func TestWhoLosesSightOfMeetingsLosesTheMessages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	member := store.RoleViewer
	for name, lose := range map[string]func(b *bench, p, ada store.Person) error{
		"role": func(b *bench, p, _ store.Person) error {
			return b.UpdatePerson(ctx, b.org, p.ID, store.PersonChange{Role: &member}, store.Operator)
		},
		"deactivated": func(b *bench, p, _ store.Person) error {
			_, err := b.DeactivatePerson(ctx, b.org, p.ID, store.DeactivatedByAdmin, store.Operator)
			return err
		},
		"delegation ended": func(b *bench, _, ada store.Person) error { return b.EndDelegation(ctx, b.org, ada.ID, store.Operator) },
		"delegated to another": func(b *bench, _, ada store.Person) error {
			return b.Delegate(ctx, b.org, ada.ID, b.person("eve", store.RoleMember).ID, time.Now().Add(time.Hour), store.Operator)
		},
		"another host": func(b *bench, _, ada store.Person) error { b.hostedBy(ada); return nil },
		"no longer a named approver": func(b *bench, _, _ store.Person) error {
			return b.setApprovals(func(a *store.ApprovalSettings) { a.Approvers = nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Ask})
			p, ada := b.person("zoe", store.RoleMember), b.person("ada", store.RoleAdmin)
			b.hostedBy(p)
			require.NoError(t, b.Delegate(ctx, b.org, ada.ID, p.ID, time.Now().Add(time.Hour), store.Operator))
			require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{p.ID} }))
			b.asks("deal:1")
			require.NoError(t, b.MaySee(ctx, b.org, b.meeting, p.ID))
			b.ExecForTest(t, `insert into slack_messages (id, organization_id, meeting_id, person_id, channel_id, ts, shown_changes) values (gen_random_uuid(), $1, $2, $3, 'D1', '1.1', 1)`, b.org, b.meeting, p.ID)
			require.NoError(t, lose(b, p, ada))
			require.Equal(t, 1, b.CountForTest(t, `select count(*) from slack_messages where person_id = $1 and changes > shown_changes`, p.ID))
		})
	}
}

// Who is a named approver stays one, and sees what they may answer, when they turn out
// to be somebody else here.
func TestAMergedApproverSeesTheInbox(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	named, kept := b.person("zoe", store.RoleMember), b.person("zoe.roe", store.RoleMember)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{named.ID} }))
	b.asks("deal:1")
	require.NoError(t, b.MergePeople(ctx, b.org, kept.ID, named.ID, store.Operator))
	require.NoError(t, b.MaySee(ctx, b.org, b.meeting, kept.ID))
	page, _, err := b.Inbox(ctx, b.org, &kept.ID, store.InboxMeeting{}, 10)
	require.NoError(t, err)
	require.Len(t, page, 1)
}

// A migration builds indexes on tables that are in use and as large as they are: it is
// not ended after the time that a query may take. Nor does it wait for a lock so long
// that everybody else waits behind it.
func TestAMigrationMayTakeLongButWaitsForNoLock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	db := b.MigrationDBForTest()
	t.Cleanup(func() { _ = db.Close() })
	var statement, lock string
	require.NoError(t, db.QueryRowContext(context.Background(), `select current_setting('statement_timeout'), current_setting('lock_timeout')`).Scan(&statement, &lock))
	require.Equal(t, "0", statement)
	require.Equal(t, "10s", lock)
}

// Where several have to approve, those who look on hear of the first who did.
func TestAVoteIsHeardOf(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	finn := b.person("finn", store.RoleApprover)
	b.person("ada", store.RoleAdmin)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	p := b.asks("deal:1")
	require.NoError(t, b.Watch(context.Background(), b.org))
	ctx, stop := context.WithCancel(context.Background())
	listening, heard, ended := make(chan struct{}), make(chan uuid.UUID, 10), make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.Listen(ctx, func() { close(listening) }, func(_, meetingID uuid.UUID) { heard <- meetingID })
	}()
	t.Cleanup(func() { stop(); <-ended })
	<-listening
	require.NoError(t, b.try(by(finn, store.Approve, p)))
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)
	select {
	case id := <-heard:
		require.Equal(t, b.meeting, id)
	case <-time.After(10 * time.Second):
		t.Fatal("nobody hears of it")
	}
}

// Everybody does everything with one meeting at once. Some of it is refused; nothing
// waits in a circle, and no answer is lost.
func TestNothingThatDecidesWaitsInACircle(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Ask, updateDeal: policy.Ask, archiveContact: policy.Ask})
	ada, finn, mara, again := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("mara", store.RoleMember), b.person("mara.l", store.RoleMember)
	b.hostedBy(mara)
	for _, p := range []store.Person{ada, finn, mara, again} {
		b.ExecForTest(t, `insert into slack_messages (id, organization_id, meeting_id, person_id, channel_id, ts) values (gen_random_uuid(), $1, $2, $3, 'D1', '1.1')`, b.org, b.meeting, p.ID)
	}
	require.NoError(t, b.Watch(ctx, b.org))
	b.plan(contactAndDeal()...)
	var version atomic.Int64
	version.Store(b.version)
	decide := func(d store.Decision) error {
		all, err := b.Approvals(ctx, b.org, store.ApprovalFilter{State: store.ApprovalPending})
		if err != nil || len(all) == 0 {
			return err
		}
		p := all[0]
		d.OrganizationID, d.ApprovalID = b.org, p.ID
		if d.Verdict == store.Edit {
			for name := range p.Action.Content.Properties {
				d.Edit = map[string]string{name: uuid.NewString()}
			}
		}
		_, err = b.Decide(ctx, d)
		return err
	}
	role := map[bool]store.Role{true: store.RoleApprover, false: store.RoleMember}
	steps := []func(i int) error{
		func(int) error { return decide(by(ada, store.Approve, store.Approval{})) },
		func(int) error { return decide(by(finn, store.Edit, store.Approval{})) },
		func(int) error { return decide(by(mara, store.Reject, store.Approval{})) },
		func(int) error { _, err := b.LookAt(ctx, b.org, b.meeting); return err },
		func(i int) error {
			v := version.Add(1)
			drafts := contactAndDeal()
			drafts[1].Content.Properties["amount"] = fmt.Sprint(i)
			b.ExecForTest(t, `update meetings set version = greatest(version, $2) where id = $1`, b.meeting, v)
			return b.SavePlan(ctx, store.Plan{OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: v, ConnectionID: b.connection, Drafts: drafts})
		},
		func(i int) error {
			return b.SetPermission(ctx, b.org, createDeal, []policy.Permission{policy.Ask, policy.Deny, policy.Allow}[i%3], store.Operator)
		},
		func(i int) error {
			r := role[i%2 == 0]
			return b.UpdatePerson(ctx, b.org, finn.ID, store.PersonChange{Role: &r}, store.Operator)
		},
		func(i int) error {
			return b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum, a.Approvers = 1+i%2, []uuid.UUID{finn.ID, ada.ID}[:1+i%2] })
		},
		func(i int) error {
			if i%2 == 0 {
				return b.Delegate(ctx, b.org, ada.ID, mara.ID, time.Now().Add(time.Hour), store.Operator)
			}
			return b.EndDelegation(ctx, b.org, ada.ID, store.Operator)
		},
		func(int) error {
			b.ExecForTest(t, `update approvals set expires_at = now() where state = 'pending' and id in (select id from approvals where state = 'pending' order by id limit 1)`)
			return nil
		},
		func(i int) error {
			if i != 10 {
				return b.requestUndo(store.Operator)
			}
			return b.MergePeople(ctx, b.org, mara.ID, again.ID, store.Operator)
		},
		func(int) error {
			_, err := b.ClaimSlackMessages(ctx, 10)
			return err
		},
	}
	var all sync.WaitGroup
	for _, step := range steps {
		all.Go(func() {
			for i := range 20 {
				err := step(i)
				var refusal *store.Refusal
				if err != nil && !errors.As(err, &refusal) && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	unwoken := b.CountForTest(t, `
		select count(*) from approvals p where p.state in ('approved', 'edited', 'rejected')
		and not exists (select from wakeups w where w.reason = 'decision ' || p.id)`)
	require.Zero(t, unwoken)
}

// With no worker up nobody gives a question its next deadline. What can still be
// answered then is still shown.
func TestWhatStaysOpenAtItsDeadlineStaysInTheInbox(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for onExpiry, shown := range map[store.ExpiryPolicy][2]int{ // before and after it was escalated
		store.ExpiryRejects: {0, 0}, store.ExpiryEscalates: {1, 0}, store.ExpiryLeavesOpen: {1, 1},
	} {
		t.Run(string(onExpiry), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Ask})
			ada := b.person("ada", store.RoleAdmin)
			require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.OnExpiry = onExpiry }))
			p := b.asks("deal:1")
			b.ExecForTest(t, `update approvals set expires_at = now() - interval '1 minute'`)
			for i, want := range shown {
				page, _, err := b.Inbox(ctx, b.org, &ada.ID, store.InboxMeeting{}, 10)
				require.NoError(t, err)
				require.Len(t, page, want)
				questions, _, err := b.OpenQuestions(ctx, b.org)
				require.NoError(t, err)
				require.Equal(t, want, questions)
				meetings, err := b.MeetingsSeen(ctx, b.org, &ada.ID, store.ListedMeeting{}, 10)
				require.NoError(t, err)
				require.Equal(t, want, meetings[0].Questions)
				if i == 0 {
					b.ExecForTest(t, `update approvals set escalated_at = now()`)
				}
			}
			err := b.try(by(ada, store.Approve, p))
			if shown[1] == 1 {
				require.NoError(t, err)
			} else {
				refused(t, err, "expired")
			}
		})
	}
}
