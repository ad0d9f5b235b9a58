package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// person adds somebody with the address name@acme.example.
func (b *bench) person(name string, role store.Role, more ...store.Identity) store.Person {
	b.t.Helper()
	p, err := b.AddPerson(context.Background(), store.Person{
		OrganizationID: b.org, Name: name, Role: role,
		Identities: append([]store.Identity{{Kind: store.IdentityEmail, Value: name + "@acme.example"}}, more...),
	}, store.Operator)
	require.NoError(b.t, err)
	return p
}

func (b *bench) hostedBy(p store.Person) {
	b.t.Helper()
	b.ExecForTest(b.t, `update meetings set host_person_id = $2 where id = $1`, b.meeting, p.ID)
}

// attendedBy says who was there, by addresses.
func (b *bench) attendedBy(addresses ...string) {
	b.t.Helper()
	var m meeting.Meeting
	for _, address := range addresses {
		m.Attendees = append(m.Attendees, meeting.Attendee{Person: meeting.Person{Email: address}})
	}
	b.SetMeetingContentForTest(b.t, b.org, b.meeting, m)
}

func (b *bench) setApprovals(change func(*store.ApprovalSettings)) error {
	b.t.Helper()
	o, err := b.Organization(context.Background(), b.org)
	require.NoError(b.t, err)
	change(&o.Settings.Approvals)
	return b.UpdateSettings(context.Background(), b.org, o.Domains, o.Settings, store.Operator)
}

// asks plans one deal that is asked about, and returns the question.
func (b *bench) asks(key string) store.Approval {
	b.t.Helper()
	b.plan(draft(createDeal, key, map[string]string{"dealname": "Renewal", "amount": "40000"}))
	return b.question(key)
}

func by(p store.Person, verdict store.Verdict, approval store.Approval) store.Decision {
	return store.Decision{
		OrganizationID: approval.OrganizationID, ApprovalID: approval.ID, Verdict: verdict,
		Actor: store.Actor{Name: "web page", PersonID: &p.ID}, Via: store.ViaWeb,
	}
}

func byOperator(verdict store.Verdict, approval store.Approval) store.Decision {
	return store.Decision{
		OrganizationID: approval.OrganizationID, ApprovalID: approval.ID, Verdict: verdict, Actor: store.Operator, Via: store.ViaCommandLine,
	}
}

func byTemporal(verdict store.Verdict, approval store.Approval) store.Decision {
	return store.Decision{
		OrganizationID: approval.OrganizationID, ApprovalID: approval.ID, Verdict: verdict,
		Actor: store.Actor{Name: "temporal operator"}, Via: store.ViaTemporal,
	}
}

func (b *bench) try(d store.Decision) error {
	_, err := b.Decide(context.Background(), d)
	return err
}

func (b *bench) decisionsOf(p store.Approval) int {
	b.t.Helper()
	return b.CountForTest(b.t, `select count(*) from audit where kind = 'decision' and approval_id = $1`, p.ID)
}

// Fifty at once, from every entrance, each with another verdict: one is the
// decision, and each of the others is told why it is not.
func TestOfFiftyAtOnceOneDecides(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	o, err := b.Organization(context.Background(), b.org)
	require.NoError(t, err)
	o.Settings.TemporalDecisions = true
	require.NoError(t, b.UpdateSettings(context.Background(), b.org, o.Domains, o.Settings, store.Operator))
	people := []store.Person{b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("mara", store.RoleMember)}
	b.hostedBy(people[2])

	rush := func(p store.Approval) (won int, late int) {
		t.Helper()
		var wg sync.WaitGroup
		errs := make([]error, 50)
		for i := range errs {
			d := by(people[i%3], []store.Verdict{store.Approve, store.Reject, store.Edit}[i%3], p)
			d.Via = []string{store.ViaWeb, store.ViaSlack, store.ViaMail}[i/3%3]
			if d.Verdict == store.Edit {
				d.Edit = map[string]string{"amount": fmt.Sprint(i)}
			}
			if i%10 == 8 {
				d.Actor, d.Via = store.Operator, store.ViaCommandLine
			}
			if i%10 == 9 {
				d.Actor, d.Via = store.Actor{Name: "temporal operator"}, store.ViaTemporal
			}
			wg.Go(func() {
				if i == 25 {
					_, errs[i] = b.LookAt(context.Background(), b.org, b.meeting) // the workflow's timer
					if errs[i] == nil {
						errs[i] = &store.Refusal{Sentence: "no decision"}
					}
					return
				}
				errs[i] = b.try(d)
			})
		}
		wg.Wait()
		for i, err := range errs {
			if err == nil {
				won++
				continue
			}
			var refusal *store.Refusal
			require.ErrorAs(t, err, &refusal, "decider %d", i)
			require.NotEmpty(t, refusal.Sentence)
			if strings.Contains(refusal.Sentence, "already") || strings.Contains(refusal.Sentence, "expired") {
				late++
			}
		}
		return won, late
	}

	open := b.asks("deal:1")
	won, late := rush(open)
	require.Equal(t, 1, won)
	require.Equal(t, 48, late, "each is told by whom it was decided")
	require.Equal(t, 1, b.decisionsOf(open))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from approval_votes where approval_id = $1`, open.ID))

	// At the deadline either somebody decided or it expired, never both.
	for round := range 3 {
		p := b.asks(fmt.Sprintf("deal:deadline%d", round))
		b.ExecForTest(t, `update approvals set expires_at = clock_timestamp() + interval '30 milliseconds' where id = $1`, p.ID)
		won, _ := rush(p)
		b.ExecForTest(t, `update approvals set expires_at = least(expires_at, now()) where id = $1`, p.ID)
		b.look()
		require.LessOrEqual(t, won, 1)
		require.Equal(t, 1, b.decisionsOf(p), "either a person's or the deadline's")
		ended := b.questionByID(p.ID)
		require.Equal(t, won == 0, ended.State == store.ApprovalExpired, "%d won, and it is %s", won, ended.State)
	}

	// After it nobody does.
	p := b.asks("deal:late")
	b.ExecForTest(t, `update approvals set expires_at = now() where id = $1`, p.ID)
	won, late = rush(p)
	require.Zero(t, won)
	require.Equal(t, 49, late)
	require.Equal(t, store.ApprovalExpired, b.questionByID(p.ID).State)
}

func (b *bench) questionByID(id uuid.UUID) store.Approval {
	b.t.Helper()
	all, err := b.Approvals(context.Background(), b.org, store.ApprovalFilter{ID: id})
	require.NoError(b.t, err)
	require.Len(b.t, all, 1)
	return all[0]
}

func TestAQuorumTakesDifferentPeople(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ada, finn, mara := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("mara", store.RoleMember)
	b.hostedBy(mara)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 3 }))
	p := b.asks("deal:1")

	decided, err := b.Decide(context.Background(), by(mara, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalPending, decided.State)
	require.Equal(t, "Create Deal: approved by you; 2 more people have to approve.", decided.Sentence)
	for _, via := range []string{store.ViaWeb, store.ViaSlack, store.ViaMail, store.ViaCommandLine} {
		again := by(mara, store.Approve, p)
		again.Via = via
		refused(t, b.try(again), "You approved this already")
	}
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)
	require.Equal(t, store.NextAnswer, b.look().Next, "nothing runs on one of three")
	require.NoError(t, b.try(byOperator(store.Approve, p)))
	refused(t, b.try(byOperator(store.Approve, p)), "You approved this already")
	shown := b.questionByID(p.ID)
	require.Equal(t, 3, shown.Quorum)
	require.Equal(t, []string{"mara", "operator"}, []string{shown.Votes[0].Name, shown.Votes[1].Name})

	decided, err = b.Decide(context.Background(), by(ada, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalApproved, decided.State)
	require.Equal(t, store.NextWrite, b.look().Next)
	refused(t, b.try(by(finn, store.Reject, p)), "already approved: by ada")
	require.Equal(t, 3, b.decisionsOf(p), "each word is in the trail")

	// One who rejects is enough, whoever approved before.
	p = b.asks("deal:2")
	require.NoError(t, b.try(by(ada, store.Approve, p)))
	require.NoError(t, b.try(by(finn, store.Approve, p)))
	require.NoError(t, b.try(by(ada, store.Reject, p)), "who approved may think again")
	refused(t, b.try(by(mara, store.Approve, p)), "already rejected")
	require.Equal(t, store.ActionRejected, b.action("deal:2").State)
}

func TestAnEditUnderAQuorumStartsOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ada, finn, mara := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("mara", store.RoleMember)
	b.hostedBy(mara)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	p := b.asks("deal:1")
	require.NoError(t, b.try(by(finn, store.Approve, p)))
	edit := by(ada, store.Edit, p)
	edit.Edit = map[string]string{"amount": "42000"}
	decided, err := b.Decide(context.Background(), edit)
	require.NoError(t, err)
	require.Contains(t, decided.Sentence, "asked about anew with the edited values: one more person has to approve")
	require.Equal(t, store.NextAnswer, b.look().Next)

	anew := b.question("deal:1")
	require.NotEqual(t, p.ID, anew.ID)
	require.Equal(t, "42000", anew.Action.Content.Properties["amount"])
	require.Equal(t, []string{"amount"}, anew.Action.Content.Changed)
	require.Len(t, anew.Votes, 1, "finn approved another amount")
	require.Equal(t, "ada", anew.Votes[0].Name)
	refused(t, b.try(by(ada, store.Approve, anew)), "You approved this already")
	refused(t, b.try(by(mara, store.Approve, p)), "already edited")
	same := by(mara, store.Edit, anew)
	same.Edit = map[string]string{"amount": "42000"}
	decided, err = b.Decide(context.Background(), same)
	require.NoError(t, err)
	require.Equal(t, store.ApprovalApproved, decided.State, "an edit that changes nothing approves")
	require.Equal(t, store.NextWrite, b.look().Next)
}

// An edit that is not the last word must not be taken for an approval, should the
// plan come back to what was asked before it.
func TestAnEditThatNobodySecondedApprovesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ada, _ := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	p := b.asks("deal:1")
	edit := by(ada, store.Edit, p)
	edit.Edit = map[string]string{"amount": "1"}
	require.NoError(t, b.try(edit))
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "40000"}))
	b.ExecForTest(t, `update approvals set state = 'withdrawn' where state = 'pending'`)
	b.ExecForTest(t, `update actions set state = 'ready' where key = 'deal:1'`)
	w, err := b.CheckWrite(context.Background(), b.action("deal:1").ID)
	require.NoError(t, err)
	require.Equal(t, store.WriteAsk, w.Step)
}

// A vote counts as long as whoever gave it may approve.
func TestWhoLostTheRightHasNoVote(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	ada, finn, ben := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("ben", store.RoleApprover)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	p := b.asks("deal:1")
	require.NoError(t, b.try(by(finn, store.Approve, p)))
	_, err := b.DeactivatePerson(ctx, b.org, finn.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	decided, err := b.Decide(ctx, by(ada, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalPending, decided.State, "finn has left since")
	require.NoError(t, b.MergePeople(ctx, b.org, ada.ID, ben.ID, store.Operator))
	refused(t, b.try(by(ada, store.Approve, p)), "one more person has to approve")

	// With fewer to approve the same word is enough.
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 1 }))
	decided, err = b.Decide(ctx, by(ada, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalApproved, decided.State)
}

// Windmill had it twice: one of several ways to resume skipped the check. Here
// every entrance and every verdict that lets something run is tried by whoever it
// is done for.
func TestASecondPathDoesNotSkipTheSelfApprovalCheck(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	mara, ada, ben := b.person("mara", store.RoleAdmin), b.person("ada", store.RoleAdmin), b.person("ben", store.RoleMember)
	b.hostedBy(mara)
	b.attendedBy("mara@acme.example")
	o, err := b.Organization(ctx, b.org)
	require.NoError(t, err)
	o.Settings.TemporalDecisions = true
	o.Settings.Approvals.NoSelfApproval = true
	o.Settings.Approvals.Approvers = []uuid.UUID{mara.ID, ada.ID}
	require.NoError(t, b.UpdateSettings(ctx, b.org, o.Domains, o.Settings, store.Operator))
	require.NoError(t, b.Delegate(ctx, b.org, mara.ID, ben.ID, time.Now().Add(time.Hour), store.Operator))
	p := b.asks("deal:1")

	for _, via := range []string{store.ViaWeb, store.ViaSlack, store.ViaMail, store.ViaCommandLine, store.ViaTemporal, "another one"} {
		for _, verdict := range []store.Verdict{store.Approve, store.Edit} {
			for _, who := range []store.Person{mara, ben} {
				d := by(who, verdict, p)
				d.Via = via
				if verdict == store.Edit {
					d.Edit = map[string]string{"amount": "1"}
				}
				refused(t, b.try(d), "somebody else to approve")
			}
		}
	}
	refused(t, b.try(byOperator(store.Approve, p)), "--as EMAIL")
	refused(t, b.try(byTemporal(store.Approve, p)), "tells nobody who clicked")
	web := byOperator(store.Approve, p)
	web.Via = store.ViaWeb
	refused(t, b.try(web), "--as EMAIL")
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)
	require.Zero(t, b.CountForTest(t, `select count(*) from approval_votes`))

	require.NoError(t, b.try(by(ada, store.Approve, p)))
	// Saying no to what is done on one's own behalf is always possible.
	for i, d := range []func(store.Approval) store.Decision{
		func(p store.Approval) store.Decision { return by(mara, store.Reject, p) },
		func(p store.Approval) store.Decision { return by(ben, store.Reject, p) },
		func(p store.Approval) store.Decision { return byTemporal(store.Reject, p) },
		func(p store.Approval) store.Decision { return byOperator(store.Reject, p) },
	} {
		require.NoError(t, b.try(d(b.asks(fmt.Sprintf("deal:no%d", i)))))
	}
}

// Who asked for an undo may not approve it either.
func TestWhoAskedForAnUndoDoesNotApproveIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ada, finn := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.NoSelfApproval = true }))
	p := b.asks("deal:1")
	b.ExecForTest(t, `update actions set origin_kind = 'undo' where id = $1`, p.ActionID)
	b.ExecForTest(t, `update follow_ups set undo_requested_by_id = $1`, finn.ID)
	refused(t, b.try(by(finn, store.Approve, p)), "somebody else to approve")
	require.NoError(t, b.try(by(ada, store.Approve, p)))
}

func TestSelfApprovalCountsForNoQuorum(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	mara, ada, finn := b.person("mara", store.RoleMember), b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover)
	b.hostedBy(mara)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	p := b.asks("deal:1")
	require.NoError(t, b.try(by(mara, store.Approve, p)))
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.NoSelfApproval = true }))
	decided, err := b.Decide(context.Background(), by(ada, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalPending, decided.State, "mara's word was given before and counts no more")
	decided, err = b.Decide(context.Background(), by(finn, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalApproved, decided.State)
}

func TestNamedApproversApprove(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, updateDeal: policy.Ask})
	ctx := context.Background()
	mara, ada, finn, noa := b.person("mara", store.RoleMember), b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("noa", store.RoleMember)
	b.hostedBy(mara)
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{noa.ID} }))
	p := b.asks("deal:1")
	refused(t, b.try(by(mara, store.Approve, p)), "named who approves")
	refused(t, b.try(by(finn, store.Approve, p)), "named who approves")
	require.NoError(t, b.try(by(noa, store.Approve, p)))
	require.NoError(t, b.try(by(ada, store.Approve, b.asks("deal:2"))))
	require.NoError(t, b.try(by(mara, store.Reject, b.asks("deal:3"))), "no is anybody's to say who is asked")

	asked := draft(updateDeal, "deal:4", map[string]string{"amount": "1", store.TargetProperty: ""})
	b.plan(asked)
	answer := by(mara, store.Edit, b.question("deal:4"))
	answer.Edit = map[string]string{store.TargetProperty: "7"}
	require.NoError(t, b.try(answer), "the host knows which record is meant: it is planned anew with that, and asked about")
	require.Equal(t, store.NextPlan, b.look().Next)

	// Who turned out to be another is named as that one.
	nora := b.person("nora", store.RoleMember)
	require.NoError(t, b.MergePeople(ctx, b.org, nora.ID, noa.ID, store.Operator))
	require.NoError(t, b.try(by(nora, store.Approve, b.asks("deal:5"))))
	whom, err := b.Approvers(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, []store.Asked{{PersonID: nora.ID, Name: "nora"}}, whom)
}

// A delegate has the rights of who delegates, for that time, and no more.
func TestDelegation(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	mara, ben, cleo, vera := b.person("mara", store.RoleMember), b.person("ben", store.RoleMember), b.person("cleo", store.RoleMember), b.person("vera", store.RoleViewer)
	ada := b.person("ada", store.RoleAdmin)
	b.hostedBy(mara)
	soon := time.Now().Add(time.Hour)
	p := b.asks("deal:1")
	refused(t, b.try(by(ben, store.Approve, p)), "for the meeting's host")
	refused(t, b.MaySee(ctx, b.org, b.meeting, ben.ID), "for its host")

	self := store.Actor{Name: "web page", PersonID: &mara.ID}
	require.NoError(t, b.Delegate(ctx, b.org, mara.ID, ben.ID, soon, self))
	require.NoError(t, b.MaySee(ctx, b.org, b.meeting, ben.ID))
	whom, err := b.Approvers(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, []store.Asked{{PersonID: ben.ID, Name: "ben", InsteadOf: &mara.ID}}, whom)
	require.NoError(t, b.try(by(ben, store.Approve, p)))
	require.NoError(t, b.try(by(mara, store.Approve, b.asks("deal:2"))), "who delegates may still answer")

	// It is not passed on.
	require.NoError(t, b.Delegate(ctx, b.org, ben.ID, cleo.ID, soon, store.Operator))
	p = b.asks("deal:3")
	refused(t, b.try(by(cleo, store.Approve, p)), "for the meeting's host")

	// It ends.
	b.ExecForTest(t, `update approval_delegations set until = now() where from_person_id = $1`, mara.ID)
	refused(t, b.try(by(ben, store.Approve, p)), "for the meeting's host")
	require.NoError(t, b.Delegate(ctx, b.org, mara.ID, ben.ID, soon, self))
	require.NoError(t, b.EndDelegation(ctx, b.org, mara.ID, self))
	refused(t, b.try(by(ben, store.Approve, p)), "for the meeting's host")
	require.ErrorIs(t, b.EndDelegation(ctx, b.org, mara.ID, self), store.ErrNotFound)

	// Two who share one right are one voice.
	require.NoError(t, b.Delegate(ctx, b.org, mara.ID, ben.ID, soon, self))
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	require.NoError(t, b.try(by(ben, store.Approve, p)))
	decided, err := b.Decide(ctx, by(mara, store.Approve, p))
	require.NoError(t, err)
	require.Equal(t, store.ApprovalPending, decided.State)
	require.NoError(t, b.try(by(ada, store.Approve, p)))
	require.Equal(t, store.ActionReady, b.action("deal:3").State)

	for want, err := range map[string]error{
		"their own delegate":    b.Delegate(ctx, b.org, mara.ID, mara.ID, soon, self),
		"deactivated or a view": b.Delegate(ctx, b.org, mara.ID, vera.ID, soon, self),
		"in the future":         b.Delegate(ctx, b.org, mara.ID, ben.ID, time.Now().Add(-time.Minute), self),
		"only an admin can":     b.Delegate(ctx, b.org, cleo.ID, mara.ID, soon, self),
		"nothing to delegate":   b.Delegate(ctx, b.org, vera.ID, mara.ID, soon, store.Operator),
		"a year at most":        b.Delegate(ctx, b.org, mara.ID, ben.ID, time.Now().AddDate(2, 0, 0), self),
	} {
		refused(t, err, want)
	}
	foreign := storetest.Organization(t, b.Store)
	require.ErrorIs(t, b.Delegate(ctx, foreign.ID, mara.ID, ben.ID, soon, store.Operator), store.ErrNotFound)
	all, err := b.Delegations(ctx, b.org)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, 4, b.CountForTest(t, `select count(*) from audit where reason like '%approvals delegated to%'`))
}

func TestExpiryPolicies(t *testing.T) {
	t.Parallel()
	pass := func(b *bench, p store.Approval) {
		b.ExecForTest(b.t, `update approvals set expires_at = now() where id = $1`, p.ID)
	}
	t.Run("escalate once", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		ctx := context.Background()
		mara, ada, finn := b.person("mara", store.RoleMember), b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover)
		b.hostedBy(mara)
		require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.OnExpiry = store.ExpiryEscalates }))
		p := b.asks("deal:1")
		whom, err := b.Approvers(ctx, b.org, b.meeting)
		require.NoError(t, err)
		require.Equal(t, []store.Asked{{PersonID: mara.ID, Name: "mara"}}, whom)

		pass(b, p)
		require.Equal(t, store.NextAnswer, b.look().Next)
		escalated := b.questionByID(p.ID)
		require.Equal(t, store.ApprovalPending, escalated.State)
		require.True(t, escalated.Escalated)
		require.WithinDuration(t, time.Now().Add(7*24*time.Hour), escalated.ExpiresAt, time.Minute)
		whom, err = b.Approvers(ctx, b.org, b.meeting)
		require.NoError(t, err)
		require.Equal(t, []store.Asked{{PersonID: mara.ID, Name: "mara"}, {PersonID: finn.ID, Name: "finn"}, {PersonID: ada.ID, Name: "ada"}}, whom)
		require.Equal(t, 1, b.CountForTest(t, `select count(*) from notices where kind = 'approval.escalated'`))
		b.look()
		require.Equal(t, 1, b.CountForTest(t, `select count(*) from notices where kind = 'approval.escalated'`))

		pass(b, p)
		refused(t, b.try(by(ada, store.Approve, p)), "expired")
		require.Equal(t, store.NextDone, b.look().Next)
		require.Equal(t, store.ApprovalExpired, b.questionByID(p.ID).State)
		require.Equal(t, store.ActionExpired, b.action("deal:1").State)
	})
	t.Run("who answers before the escalation does", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.OnExpiry = store.ExpiryEscalates }))
		p := b.asks("deal:1")
		pass(b, p)
		require.NoError(t, b.try(byOperator(store.Approve, p)), "at the deadline it escalates, it does not end")
		require.Equal(t, store.NextWrite, b.look().Next)
	})
	t.Run("leave open", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.OnExpiry = store.ExpiryLeavesOpen }))
		p := b.asks("deal:1")
		for range 3 {
			pass(b, p)
			require.Equal(t, store.NextAnswer, b.look().Next)
			require.True(t, b.questionByID(p.ID).ExpiresAt.After(time.Now().Add(time.Hour)))
		}
		pass(b, p)
		require.NoError(t, b.try(byOperator(store.Approve, p)))
	})
}

func TestReminders(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	reminders := func() int {
		b.look()
		b.look()
		return b.CountForTest(t, `select count(*) from notices where kind = 'approval.reminder'`)
	}
	age := func(d string) {
		b.ExecForTest(t, `update approvals set asked_at = asked_at - $1::interval, expires_at = expires_at - $1::interval where state = 'pending'`, d)
	}
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "a"}), draft(createDeal, "deal:2", map[string]string{"dealname": "b"}))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from notices where kind = 'approval.asked'`), "one word for all that a round asks")
	require.Equal(t, 0, reminders())
	age("25 hours")
	require.Equal(t, 1, reminders(), "one for both questions")
	age("72 hours")
	require.Equal(t, 1, reminders())
	age("48 hours")
	require.Equal(t, 2, reminders(), "and one a day before the deadline")
	age("20 hours")
	require.Equal(t, 2, reminders())

	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.RemindAfter = -1 }))
	p := b.asks("deal:3")
	age("30 hours")
	require.Equal(t, 2, reminders(), "none where nobody wants any")
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.RemindAfter = store.Duration(2 * time.Hour) }))
	require.NoError(t, b.try(byOperator(store.Reject, p)))
	require.Equal(t, 2, reminders(), "nor of what is answered")
	b.ExecForTest(t, `update organizations set settings = jsonb_set(settings, '{approval_ttl}', '"6h"')`)
	b.asks("deal:4")
	age("3 hours")
	require.Equal(t, 3, reminders())
	age("2 hours")
	require.Equal(t, 3, reminders(), "a short question has one")
}

func TestApprovalSettingsAreChecked(t *testing.T) { //nolint:tparallel // one organization, changed in turn
	t.Parallel()
	b := newBench(t, nil)
	ctx := context.Background()
	ada, finn, vera := b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover), b.person("vera", store.RoleViewer)
	for name, c := range map[string]struct {
		change func(*store.ApprovalSettings)
		want   string
	}{
		"a quorum below zero":             {func(a *store.ApprovalSettings) { a.Quorum = -1 }, "from 1 to 10"},
		"a quorum of everybody":           {func(a *store.ApprovalSettings) { a.Quorum = 11 }, "from 1 to 10"},
		"more than there are":             {func(a *store.ApprovalSettings) { a.Quorum = 3 }, "3 are needed, and there are 2"},
		"one more without self-approval":  {func(a *store.ApprovalSettings) { a.Quorum, a.NoSelfApproval = 2, true }, "3 are needed, one more"},
		"more than are named":             {func(a *store.ApprovalSettings) { a.Quorum, a.Approvers = 2, []uuid.UUID{ada.ID} }, "2 are needed, and there are 1"},
		"a viewer as approver":            {func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{vera.ID} }, "not a viewer"},
		"somebody unknown as an approver": {func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{uuid.New()} }, "of the 1 that are named, 0 are"},
		"one approver twice":              {func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{finn.ID, finn.ID} }, "twice"},
		"another policy":                  {func(a *store.ApprovalSettings) { a.OnExpiry = "approve" }, "no expiry policy"},
		"a reminder at once":              {func(a *store.ApprovalSettings) { a.RemindAfter = 1 }, "a minute at the soonest"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, b.setApprovals(c.change), c.want) })
	}
	_, err := b.CreateOrganization(ctx, "other", []string{"other.example"}, store.Settings{Approvals: store.ApprovalSettings{Quorum: 20}}, store.Operator)
	refused(t, err, "from 1 to 10")
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) {
		*a = store.ApprovalSettings{Quorum: 2, Approvers: []uuid.UUID{finn.ID}, OnExpiry: store.ExpiryEscalates, RemindAfter: store.Duration(time.Hour)}
	}))
	trail, err := b.AuditTrail(ctx, b.org, store.AuditFilter{Kind: store.AuditOrganization})
	require.NoError(t, err)
	require.Equal(t, "approvals: quorum 1 → quorum 2, approvers person "+finn.ID.String()+", reminder after 1h0m0s, on expiry escalate", trail[len(trail)-1].Reason)
	require.Equal(t, []string{"after", "before"}, trail[len(trail)-1].Properties)
	require.ErrorIs(t, b.UpdateSettings(ctx, uuid.New(), nil, store.Settings{}, store.Operator), store.ErrNotFound)
}

// Whoever comes too late is told who decided, when, what and where.
func TestADecidedQuestionTellsWhoDecided(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	dana, mara, nobody := b.person("Dana", store.RoleApprover), b.person("mara", store.RoleMember), b.person("nia", store.RoleMember)
	b.hostedBy(mara)
	p := b.asks("deal:1")
	d := by(dana, store.Reject, p)
	d.Via = store.ViaSlack
	require.NoError(t, b.try(d))
	on := b.questionByID(p.ID).DecidedAt.UTC().Format("2 January 2006 15:04 UTC")
	refused(t, b.try(by(mara, store.Approve, p)), "This question was already rejected: by Dana, on "+on+", via slack.")
	refused(t, b.try(by(dana, store.Approve, p)), "already rejected: by you, on "+on)
	refused(t, b.try(byOperator(store.Approve, p)), "by Dana")
	refused(t, b.try(by(nobody, store.Approve, p)), "for the meeting's host") // and learns nothing
	require.Equal(t, 1, b.decisionsOf(p))

	p = b.asks("deal:2")
	require.NoError(t, b.try(byOperator(store.Approve, p)))
	refused(t, b.try(by(mara, store.Reject, p)), "already approved: by the operator, on ")
}

// A refused answer uses nothing up: one-time links and tokens that are spent by a
// failed try leave the run waiting for ever.
func TestARefusedAnswerDoesNotUseUpTheQuestion(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	mara, vera := b.person("mara", store.RoleMember), b.person("vera", store.RoleViewer)
	b.hostedBy(mara)
	p := b.asks("deal:1")
	refused(t, b.try(by(vera, store.Approve, p)), "A viewer")
	bad := by(mara, store.Edit, p)
	bad.Edit = map[string]string{"nonsense": "1"}
	refused(t, b.try(bad), "not part of this question")
	refused(t, b.try(store.Decision{OrganizationID: b.org, ApprovalID: p.ID, Verdict: "maybe", Actor: store.Operator, Via: "test"}), "Say approve")
	require.Zero(t, b.CountForTest(t, `select count(*) from approval_votes`))
	require.NoError(t, b.try(by(mara, store.Approve, p)))
}

// An answer that comes before anybody waits for it is not missed: it stands in
// Postgres with its wake-up, and the next look sees it.
func TestAnAnswerBeforeTheWaitBeginsIsNotMissed(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	p := b.asks("deal:1")
	require.NoError(t, b.try(byOperator(store.Approve, p)))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1 and reason = $2`, b.meeting, "decision "+p.ID.String()))
	look := b.look()
	require.Equal(t, store.NextWrite, look.Next)
	require.True(t, look.Ready[0].Decided)
}

// A message with buttons in a channel must not let everybody there decide, and
// nobody whom the entrance does not know.
func TestNobodyDecidesWhomTheEntranceDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	member := b.person("zoe", store.RoleMember)
	p := b.asks("deal:1")
	for _, via := range []string{store.ViaSlack, store.ViaMail} {
		d := byOperator(store.Approve, p)
		d.Via = via
		refused(t, b.try(d), "Nobody knows who answered")
		d.Actor = store.Actor{Name: "slack"}
		refused(t, b.try(d), "Nobody knows who answered")
		d = by(member, store.Approve, p)
		d.Via = via
		refused(t, b.try(d), "for the meeting's host")
	}
	refused(t, b.try(store.Decision{OrganizationID: b.org, ApprovalID: p.ID, Verdict: store.Approve, Via: store.ViaWeb}), "Nobody knows who answered")
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)
}

// What was answered once is not to be answered again because the run begins anew.
func TestALaterRoundDoesNotRepeatTheReviews(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createCompany: policy.Ask, createContact: policy.Ask})
	drafts := []store.Draft{
		draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}),
		draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}),
		draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}),
	}
	b.plan(drafts...)
	require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:1"))))
	require.NoError(t, b.try(byOperator(store.Reject, b.question("company:1"))))
	open := b.question("contact:1")
	b.plan(drafts...)
	require.Equal(t, store.ActionReady, b.action("deal:1").State)
	require.Equal(t, store.ActionRejected, b.action("company:1").State)
	require.Equal(t, open.ID, b.question("contact:1").ID)
	require.Len(t, b.questions(""), 3)
}

// An answer to what was asked before is no answer to what is asked now.
func TestAStaleAnswerIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	p := b.asks("deal:1")
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "900000"}))
	refused(t, b.try(byOperator(store.Approve, p)), "withdrawn")
	anew := b.question("deal:1")
	b.ExecForTest(t, `update actions set content_mac = 'other' where key = 'deal:1'`)
	refused(t, b.try(byOperator(store.Approve, anew)), "has changed since it was asked")
	b.ExecForTest(t, `update actions set state = 'written' where key = 'deal:1'`)
	refused(t, b.try(byOperator(store.Approve, anew)), "no longer to be decided: it is written")
}

func TestAPickIsNeededAndIsARecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
	asks := func(key string, mayCreate bool) store.Approval {
		d := draft(updateDeal, key, map[string]string{"amount": "2"})
		d.Content.Doubt = "it could be either of two deals"
		d.Content.Candidates = []store.Candidate{{ID: "7", Label: "Renewal"}, {ID: "8", Label: "Expansion"}}
		d.Content.MayCreate = mayCreate
		b.plan(d)
		return b.question(key)
	}
	pick := func(p store.Approval, id string) error {
		d := byOperator(store.Edit, p)
		d.Edit = map[string]string{store.TargetProperty: id}
		return b.try(d)
	}
	p := asks("deal:1", false)
	refused(t, b.try(byOperator(store.Approve, p)), "any of 2 records: pick one")
	only := byOperator(store.Edit, p)
	only.Edit = map[string]string{"amount": "3"}
	refused(t, b.try(only), "pick one")
	refused(t, pick(p, ""), "pick one")
	refused(t, pick(p, store.NoneOfThese), "not possible here")
	refused(t, pick(p, "Renewal"), "no record's ID")
	require.NoError(t, pick(p, "7"))
	require.Equal(t, store.NextPlan, b.look().Next)
	answers, _, err := b.Answers(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, map[string]string{store.TargetProperty: "7"}, answers["deal:1"])

	p = asks("deal:2", true)
	refused(t, b.try(byOperator(store.Approve, p)), "none of these")
	require.NoError(t, pick(p, store.NoneOfThese))
	require.NoError(t, pick(asks("deal:3", true), "99"), "one that nobody thought of")
	require.NoError(t, b.try(byOperator(store.Reject, asks("deal:4", false))))
}

// What the record had when it was first asked about, what it has now and what is
// proposed: the approver sees all three.
func TestAskingAgainShowsAllThreeVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	ctx := context.Background()
	d := draft(updateDeal, "deal:1", map[string]string{"amount": "42000", "dealname": "Renewal"})
	d.TargetID, d.Content.Before = "7", map[string]string{"amount": "40000", "dealname": "Old"}
	b.plan(d)
	require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:1"))))
	for i, now := range []string{"41000", "41500"} {
		require.NoError(t, b.AskAgain(ctx, b.org, b.action("deal:1").ID, "permission", "it changed in HubSpot", map[string]string{"amount": now, "dealname": "Old"}))
		p := b.question("deal:1")
		require.Equal(t, map[string]string{"amount": "40000"}, p.Action.Content.Earlier, "as first asked, of what changed (%d)", i)
		require.Equal(t, now, p.Action.Content.Before["amount"])
		require.Equal(t, "42000", p.Action.Content.Properties["amount"])
		require.NoError(t, b.try(byOperator(store.Approve, p)))
	}

	// So it is when a later round changes an open question.
	d = draft(updateDeal, "deal:2", map[string]string{"amount": "5"})
	d.TargetID, d.Content.Before = "8", map[string]string{"amount": "1"}
	b.plan(d)
	d.Content.Properties, d.Content.Before = map[string]string{"amount": "6"}, map[string]string{"amount": "2"}
	b.plan(d)
	c := b.question("deal:2").Action.Content
	require.Equal(t, []string{"1", "2", "6"}, []string{c.Earlier["amount"], c.Before["amount"], c.Properties["amount"]})
}

// A meeting's content is seen by its host, its internal attendees, its approvers
// and a named role; nobody else.
func TestWhoMaySee(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	ctx := context.Background()
	connection, err := b.Connection(ctx, b.org, b.connection)
	require.NoError(t, err)
	owner := store.Identity{Kind: store.IdentityHubSpotOwner, Value: fmt.Sprint(connection.HubID) + ":501"}
	host, guest, owns := b.person("mara", store.RoleMember), b.person("noa", store.RoleMember), b.person("ola", store.RoleMember, owner)
	named, nobody, vera := b.person("nick", store.RoleMember), b.person("pia", store.RoleMember), b.person("vera", store.RoleViewer)
	b.hostedBy(host)
	b.attendedBy("noa@acme.example", "vera@acme.example", "jane@northwind.example")
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{named.ID} }))
	for _, p := range []store.Person{host, guest, named, b.person("ada", store.RoleAdmin), b.person("finn", store.RoleApprover)} {
		require.NoError(t, b.MaySee(ctx, b.org, b.meeting, p.ID), p.Name)
	}
	refused(t, b.MaySee(ctx, b.org, b.meeting, nobody.ID), "for its host")
	refused(t, b.MaySee(ctx, b.org, b.meeting, vera.ID), "A viewer sees no meetings")
	refused(t, b.MaySee(ctx, b.org, b.meeting, owns.ID), "for its host")
	refused(t, b.MaySee(ctx, b.org, uuid.New(), host.ID), "no such meeting")
	refused(t, b.MaySee(ctx, b.org, b.meeting, uuid.New()), "no such meeting")
	foreign := storetest.Organization(t, b.Store)
	refused(t, b.MaySee(ctx, foreign.ID, b.meeting, host.ID), "no such meeting")

	d := draft(updateDeal, "deal:1", map[string]string{"amount": "2"})
	d.TargetID = "7"
	b.version++
	b.ExecForTest(t, `update meetings set version = $2 where id = $1`, b.meeting, b.version)
	require.NoError(t, b.SavePlan(ctx, store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, ConnectionID: b.connection, Drafts: []store.Draft{d},
		Resolution: map[string]any{"deals": []any{map[string]any{"id": "7", "properties": map[string]string{"hubspot_owner_id": "501"}}}},
	}))
	require.NoError(t, b.MaySee(ctx, b.org, b.meeting, owns.ID), "it is asked about the owner's record")
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from approvals where record_owner = $1`, owner.Value))
	_, err = b.DeactivatePerson(ctx, b.org, guest.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	refused(t, b.MaySee(ctx, b.org, b.meeting, guest.ID), "deactivated")
}

func TestWhomToAsk(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	names := func() []string {
		t.Helper()
		asked, err := b.Approvers(ctx, b.org, b.meeting)
		require.NoError(t, err)
		var all []string
		for _, a := range asked {
			all = append(all, a.Name)
		}
		return all
	}
	ada, mara, sven := b.person("ada", store.RoleAdmin), b.person("mara", store.RoleMember), b.person("sven", store.RoleMember)
	b.person("finn", store.RoleApprover)
	require.Equal(t, []string{"finn"}, names(), "nobody hosted it")
	b.hostedBy(mara)
	require.Equal(t, []string{"mara"}, names())
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Quorum = 2 }))
	require.Equal(t, []string{"mara", "finn"}, names())
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.NoSelfApproval = true }))
	require.Equal(t, []string{"finn", "ada"}, names(), "not on whose behalf it is")
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { *a = store.ApprovalSettings{} }))
	require.NoError(t, b.UpdatePerson(ctx, b.org, mara.ID, store.PersonChange{StandInID: &sven.ID}, store.Operator))
	_, err := b.DeactivatePerson(ctx, b.org, mara.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.Equal(t, []string{"sven"}, names())
	require.NoError(t, b.setApprovals(func(a *store.ApprovalSettings) { a.Approvers = []uuid.UUID{sven.ID, ada.ID} }))
	require.Equal(t, []string{"ada", "sven"}, names(), "all that are named")
	_, err = b.Approvers(ctx, b.org, uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)
}

// Reading is asked about once for a meeting: nothing is planned before it is
// answered, and the answer counts for the meeting's reads alone.
func TestAskingToRead(t *testing.T) {
	t.Parallel()
	readContact, readDeal := policy.Tool{Object: "contact", Operation: policy.Read}, policy.Tool{Object: "deal", Operation: policy.Read}
	readCompany := policy.Tool{Object: "company", Operation: policy.Read}
	b := newBench(t, policy.Permissions{readContact: policy.Ask, readDeal: policy.Ask, readCompany: policy.Allow, createDeal: policy.Ask})
	ctx := context.Background()
	ask := func() bool {
		t.Helper()
		wait, err := b.AskToRead(ctx, b.org, b.meeting, b.connection, []policy.Tool{readContact, readDeal, readCompany})
		require.NoError(t, err)
		return wait
	}
	may := func(tool policy.Tool, origin store.Origin) policy.Permission {
		t.Helper()
		d, err := b.CallPermission(ctx, b.org, origin, tool)
		require.NoError(t, err)
		return d.Permission
	}
	this := store.Origin{Kind: "meeting", ID: b.meeting}
	b.ExecForTest(t, `update meetings set version = 1 where id = $1`, b.meeting)
	b.version = 1
	require.Equal(t, store.NextPlan, b.look().Next)
	require.True(t, ask())
	require.True(t, ask(), "and is not asked twice")
	look := b.look()
	require.Equal(t, store.NextAnswer, look.Next, "nothing is planned before it is answered")
	require.Len(t, look.Pending, 1)
	p := b.question("read")
	require.Equal(t, "read", p.Kind)
	require.Equal(t, map[string]string{"contact": "read", "deal": "read"}, p.Action.Content.Properties, "what is allowed is not asked about")
	edit := byOperator(store.Edit, p)
	edit.Edit = map[string]string{"contact": "write"}
	refused(t, b.try(edit), "nothing to edit")
	require.Equal(t, policy.Ask, may(readContact, this))

	require.NoError(t, b.try(byOperator(store.Approve, p)))
	require.Equal(t, policy.Allow, may(readContact, this))
	require.Equal(t, policy.Allow, may(policy.Tool{Object: "0-3", Operation: policy.Read}, this))
	require.Equal(t, policy.Ask, may(readContact, store.Origin{Kind: "meeting", ID: b.NewMeetingForTest(t, b.org)}), "for this meeting alone")
	require.Equal(t, policy.Ask, may(readContact, store.Origin{}), "and for nothing else")
	require.False(t, ask())
	require.Equal(t, store.NextPlan, b.look().Next)
	deal := draft(createDeal, "deal:1", map[string]string{"dealname": "x"})
	b.plan(deal)
	b.plan(deal)
	require.Equal(t, policy.Allow, may(readContact, this), "rounds don't end it")
	require.Equal(t, store.NextAnswer, b.look().Next, "it is nothing to write")
	require.NoError(t, b.try(byOperator(store.Reject, b.question("deal:1"))))
	require.Equal(t, store.NextDone, b.look().Next)

	// A denial counts at once; more than was asked about is asked about.
	b.deny(readContact)
	require.Equal(t, policy.Deny, may(readContact, this))
	require.NoError(t, b.SetPermission(ctx, b.org, readCompany, policy.Ask, store.Operator))
	require.True(t, ask())
	anew := b.question("read")
	require.Equal(t, map[string]string{"company": "read", "deal": "read"}, anew.Action.Content.Properties)
	require.NoError(t, b.try(byOperator(store.Reject, anew)))
	require.Equal(t, policy.Ask, may(readDeal, this))
	require.False(t, ask(), "no is an answer")

	// Another account is another question.
	other := b.NewConnectionForTest(t, b.org, "connected")
	b.ExecForTest(t, `update connections set hub_id = 2002 where id = $1`, other)
	wait, err := b.AskToRead(ctx, b.org, b.meeting, other, []policy.Tool{readDeal})
	require.NoError(t, err)
	require.True(t, wait)
	// What is allowed by now is not asked about any more.
	require.NoError(t, b.SetPermission(ctx, b.org, readDeal, policy.Allow, store.Operator))
	b.look()
	require.Empty(t, b.questions(store.ApprovalPending))
	require.Equal(t, store.ActionWithdrawn, b.action("read").State)
	require.NoError(t, b.SetPermission(ctx, b.org, readDeal, policy.Ask, store.Operator))
	require.True(t, ask(), "and again once it asks")
	b.ExecForTest(t, `update approvals set expires_at = now() where state = 'pending'`)
	b.look()
	require.False(t, ask(), "nobody's answer is no")
}
