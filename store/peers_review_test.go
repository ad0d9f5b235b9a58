package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// What other systems with approvals were found to do, each as what must not happen
// here.

// A question's ID is no right to answer it, whoever has seen it and by whatever
// entrance it comes.
func TestAQuestionsIDAloneDecidesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	member, viewer := b.person("zoe", store.RoleMember), b.person("vera", store.RoleViewer)
	p := b.asks("deal:1")
	for _, via := range []string{store.ViaWeb, store.ViaSlack, store.ViaMail, store.ViaCommandLine, store.ViaTemporal, "another one"} {
		for _, verdict := range []store.Verdict{store.Approve, store.Edit, store.Reject} {
			for who, why := range map[*store.Person]string{&member: "for the meeting's host", &viewer: "A viewer answers no questions"} {
				d := by(*who, verdict, p)
				d.Via = via
				if verdict == store.Edit {
					d.Edit = map[string]string{"amount": "1"}
				}
				refused(t, b.try(d), why)
			}
		}
	}
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)
	require.Zero(t, b.CountForTest(t, `select count(*) from approval_votes`))
}

// Going on after an answer skips nothing: what an approved action needs and what
// failed is not passed over.
func TestGoingOnAfterAnApprovalSkipsNoFailedStep(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createCompany: policy.Allow, createDeal: policy.Ask, createContact: policy.Ask})
	needs := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
	needs.DependsOn = []string{"company:1"}
	needs.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1", Required: true}}
	stands := draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
	stands.DependsOn = []string{"company:1"}
	stands.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}}
	b.plan(draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}), needs, stands)
	require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:1"))))
	require.NoError(t, b.try(byOperator(store.Approve, b.question("contact:1"))))
	require.Equal(t, "company:1", b.actionOf(b.look().Ready[0]).Key)
	require.Len(t, b.look().Ready, 1)

	b.ExecForTest(t, `update actions set state = 'failed', reason = 'HubSpot refused it' where key = 'company:1'`)
	require.Equal(t, store.NextAnswer, b.look().Next)
	require.Equal(t, store.ActionSkipped, b.action("deal:1").State, "it can't be without it")
	anew := b.question("contact:1")
	require.Empty(t, anew.Action.Content.Associations, "and this was approved with it, so it is asked about without it")
}

func (b *bench) actionOf(r store.ReadyAction) store.Action {
	b.t.Helper()
	a, err := b.Action(context.Background(), b.org, r.ID)
	require.NoError(b.t, err)
	return a
}

// What was done before the question is not done again because it was answered.
func TestAnAnswerDoesNotRepeatWhatWasDoneBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, createDeal: policy.Ask})
	b.plan(draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}), draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	b.wrote("contact:1", "501")
	require.NoError(t, b.try(byOperator(store.Approve, b.question("deal:1"))))
	look := b.look()
	require.Equal(t, store.NextWrite, look.Next)
	require.Len(t, look.Ready, 1)
	require.Equal(t, "deal:1", b.actionOf(look.Ready[0]).Key)
	again, err := b.BeginWrite(context.Background(), b.action("contact:1").ID, store.WriteIntent{})
	require.NoError(t, err)
	require.Equal(t, store.WriteSettled, again.Step)
}

// The second question about the same thing works as the first one did: asked,
// answered, carried out, with its own wake-up.
func TestTheSecondQuestionIsAnsweredLikeTheFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	p := b.asks("deal:1")
	for range 3 {
		require.NoError(t, b.try(byOperator(store.Approve, p)))
		require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where reason = $1`, "decision "+p.ID.String()))
		require.Equal(t, store.NextWrite, b.look().Next)
		require.NoError(t, b.AskAgain(context.Background(), b.org, b.action("deal:1").ID, "permission", "HubSpot wants a close date", nil))
		require.Equal(t, store.NextAnswer, b.look().Next)
		p = b.question("deal:1")
	}
	require.NoError(t, b.try(byOperator(store.Approve, p)))
	b.wrote("deal:1", "900")
	require.Equal(t, store.NextDone, b.look().Next)
}

// A question that is answered never leaves the run waiting: each decision has a
// wake-up, from the same transaction.
func TestNoDecisionLeavesTheRunWaiting(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]store.Decision{
		"approve": {Verdict: store.Approve}, "reject": {Verdict: store.Reject}, "edit": {Verdict: store.Edit, Edit: map[string]string{"amount": "41000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Ask})
			p := b.asks("deal:1")
			d := d
			d.OrganizationID, d.ApprovalID, d.Actor, d.Via = b.org, p.ID, store.Operator, store.ViaCommandLine
			require.NoError(t, b.try(d))
			require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1 and reason = $2`, b.meeting, "decision "+p.ID.String()))
			require.NotEqual(t, store.NextAnswer, b.look().Next)
		})
	}
}

// What an approver wrote arrives: it is what is sent, and what was proposed is not.
func TestWhatTheApproverWroteIsNotLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	p := b.asks("deal:1")
	d := byOperator(store.Edit, p)
	d.Edit = map[string]string{"amount": "41000"}
	require.NoError(t, b.try(d))
	sent, err := b.BeginWrite(context.Background(), b.action("deal:1").ID, store.WriteIntent{})
	require.NoError(t, err)
	require.Equal(t, store.WriteSend, sent.Step, sent.Reason)
	require.Equal(t, map[string]string{"dealname": "Renewal", "amount": "41000"}, sent.Properties)
	require.Equal(t, p.ID, *sent.ApprovalID)
}

// An approval is for once. It never changes what a tool may do, however often it is
// given.
func TestAnApprovalIsForOnceAndNotForAlways(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	before, err := b.Permissions(ctx, b.org)
	require.NoError(t, err)
	var drafts []store.Draft
	for _, key := range []string{"deal:1", "deal:2", "deal:3"} {
		drafts = append(drafts, draft(createDeal, key, map[string]string{"dealname": "Renewal"}))
		b.plan(drafts...)
		require.Equal(t, store.ActionAsking, b.action(key).State)
		require.NoError(t, b.try(byOperator(store.Approve, b.question(key))))
	}
	after, err := b.Permissions(ctx, b.org)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// After the end nothing can be answered: not what was written, not what was undone,
// not what was erased.
func TestNothingIsAnsweredAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("written", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		p := b.asks("deal:1")
		require.NoError(t, b.try(byOperator(store.Approve, p)))
		b.wrote("deal:1", "900")
		closed, err := b.CloseFollowUp(ctx, b.org, b.meeting)
		require.NoError(t, err)
		require.True(t, closed)
		refused(t, b.try(byOperator(store.Reject, p)), "already approved")
		require.Equal(t, store.ActionWritten, b.action("deal:1").State)
	})
	t.Run("undone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createContact: policy.Allow, createDeal: policy.Ask})
		b.plan(contactAndDeal()[0], draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
		b.wrote("contact:1", "501")
		p := b.question("deal:1")
		require.NoError(t, b.requestUndo(store.Operator))
		refused(t, b.try(byOperator(store.Approve, p)), "withdrawn")
	})
	t.Run("erased", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, policy.Permissions{createDeal: policy.Ask})
		p := b.asks("deal:1")
		require.NoError(t, b.EraseMeeting(ctx, b.org, b.meeting, store.Operator))
		for _, verdict := range []store.Verdict{store.Approve, store.Edit, store.Reject} {
			d := byOperator(verdict, p)
			d.Edit, d.Reason = map[string]string{"amount": "1"}, "words under a key that is gone"
			refused(t, b.try(d), "withdrawn")
		}
	})
}
