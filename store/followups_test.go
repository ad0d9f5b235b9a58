package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

var (
	createContact = policy.Tool{Object: "contact", Operation: policy.Create}
	createCompany = policy.Tool{Object: "company", Operation: policy.Create}
	createDeal    = policy.Tool{Object: "deal", Operation: policy.Create}
	updateDeal    = policy.Tool{Object: "deal", Operation: policy.Update}
)

// bench is one organization with one meeting that has ended.
type bench struct {
	*store.Store

	t          testing.TB
	org        uuid.UUID
	meeting    uuid.UUID
	connection uuid.UUID
	version    int64
}

func newBench(t testing.TB, permissions policy.Permissions) *bench {
	t.Helper()
	s, _ := storetest.New(t)
	org := storetest.Organization(t, s)
	require.NoError(t, s.ApplyPreset(context.Background(), org.ID, permissions, store.Operator))
	return &bench{
		Store: s, t: t, org: org.ID, meeting: s.NewMeetingForTest(t, org.ID),
		connection: s.NewConnectionForTest(t, org.ID, "connected"),
	}
}

// plan saves the next round's plan.
func (b *bench) plan(drafts ...store.Draft) {
	b.t.Helper()
	b.version++
	b.ExecForTest(b.t, `update meetings set version = $2 where id = $1`, b.meeting, b.version)
	require.NoError(b.t, b.SavePlan(context.Background(), store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, ConnectionID: b.connection, Drafts: drafts,
	}))
}

func (b *bench) look() store.Look {
	b.t.Helper()
	look, err := b.LookAt(context.Background(), b.org, b.meeting)
	require.NoError(b.t, err)
	return look
}

func (b *bench) action(key string) store.Action {
	b.t.Helper()
	actions, err := b.ActionsOf(context.Background(), b.org, b.meeting)
	require.NoError(b.t, err)
	for _, a := range actions {
		if a.Key == key {
			return a
		}
	}
	b.t.Fatalf("there is no action %s", key)
	return store.Action{}
}

// question returns the pending question about an action.
func (b *bench) question(key string) store.Approval {
	b.t.Helper()
	for _, p := range b.questions(store.ApprovalPending) {
		if p.Action.Key == key {
			return p
		}
	}
	b.t.Fatalf("there is no pending question about %s", key)
	return store.Approval{}
}

func (b *bench) questions(state store.ApprovalState) []store.Approval {
	b.t.Helper()
	all, err := b.Approvals(context.Background(), b.org, store.ApprovalFilter{State: state})
	require.NoError(b.t, err)
	return all
}

func (b *bench) decide(p store.Approval, verdict store.Verdict, edit map[string]string) error {
	_, err := b.Decide(context.Background(), store.Decision{
		OrganizationID: b.org, ApprovalID: p.ID, Verdict: verdict, Edit: edit, Actor: store.Operator, Via: "test",
	})
	return err
}

// written forces what the gate does when a write went through.
func (b *bench) written(key, recordID string) {
	b.t.Helper()
	b.ExecForTest(b.t, `update actions set state = 'written', record_id = $3 where origin_id = $1 and key = $2`, b.meeting, key, recordID)
}

func draft(tool policy.Tool, key string, properties map[string]string) store.Draft {
	return store.Draft{Key: key, Tool: tool, Content: store.ActionContent{Label: key, Properties: properties}}
}

func refused(t *testing.T, err error, part string) {
	t.Helper()
	var refusal *store.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Contains(t, refusal.Sentence, part)
}

func TestNothingConfiguredDeniesEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.plan(draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}))

	require.Equal(t, store.ActionDenied, b.action("contact:1").State)
	require.Equal(t, store.NextDone, b.look().Next)
	require.Empty(t, b.questions(""))
}

func TestPermissionsDecideWhatBecomesOfAPlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, createDeal: policy.Ask})
	doubtful := draft(createContact, "contact:2", map[string]string{"email": "j@northwind.example"})
	doubtful.Content.Doubt = "two contacts match"
	b.plan(
		draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}),
		doubtful,
		draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}),
		draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}),
	)

	require.Equal(t, store.ActionReady, b.action("contact:1").State)
	require.Equal(t, store.ActionAsking, b.action("contact:2").State, "a doubt asks even where the tool is allowed")
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)
	require.Equal(t, store.ActionDenied, b.action("company:1").State)

	look := b.look()
	require.Equal(t, store.NextWrite, look.Next, "what depends on no open question is written at once")
	require.Len(t, look.Ready, 1)
	require.Len(t, look.Pending, 2)
}

func TestALaterRoundPlansOnlyTheDifference(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, createDeal: policy.Ask, createCompany: policy.Ask})
	contact := draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
	company := draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"})
	b.plan(contact, company, draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "40000"}))
	b.written("contact:1", "501")
	first, unchanged := b.question("deal:1"), b.question("company:1")

	b.plan(contact, company, draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "42000"}))

	require.Equal(t, store.ActionWritten, b.action("contact:1").State, "what is written stays written")
	require.Equal(t, unchanged.ID, b.question("company:1").ID, "what did not change is not asked twice")
	second := b.question("deal:1")
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, []string{"amount"}, second.Action.Content.Changed)
	refused(t, b.decide(first, store.Approve, nil), "withdrawn")
	require.NoError(t, b.decide(second, store.Approve, nil))

	b.plan(contact)
	require.Equal(t, store.ActionWithdrawn, b.action("company:1").State, "what nobody wants any more is withdrawn")
	require.Equal(t, store.ActionWithdrawn, b.action("deal:1").State, "also if it was approved and has not happened")
}

func TestADecisionIsJudgedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	p := b.question("deal:1")

	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			verdict := store.Approve
			if i%2 == 1 {
				verdict = store.Reject
			}
			errs[i] = b.decide(p, verdict, nil)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		var refusal *store.Refusal
		require.ErrorAs(t, err, &refusal)
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where approval_id = $1`, p.ID))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, b.meeting))
}

func TestWhatADecisionIsRefusedFor(t *testing.T) {
	t.Parallel()
	const deals = "update approvals set expires_at = now() - interval '1 second' where id = $1"
	for name, c := range map[string]struct {
		verdict store.Verdict
		edit    map[string]string
		before  func(b *bench, p store.Approval)
		via     string
		want    string
	}{
		"an unknown verdict":              {verdict: "yes", want: "approve, edit or reject"},
		"an edit of nothing":              {verdict: store.Edit, want: "at least one property"},
		"an edit of another property":     {verdict: store.Edit, edit: map[string]string{"closedate": "2026-12-01"}, want: "not part of this question"},
		"an approval with values":         {verdict: store.Approve, edit: map[string]string{"amount": "1"}, want: "say edit"},
		"after the deadline":              {verdict: store.Approve, before: func(b *bench, p store.Approval) { b.ExecForTest(b.t, deals, p.ID) }, want: "expired"},
		"a tool that is denied by now":    {verdict: store.Approve, before: func(b *bench, _ store.Approval) { b.deny(createDeal) }, want: "switched to deny"},
		"the Temporal UI while it is off": {verdict: store.Approve, via: store.ViaTemporal, want: "are off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Ask})
			b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "40000"}))
			p := b.question("deal:1")
			if c.before != nil {
				c.before(b, p)
			}
			via := c.via
			if via == "" {
				via = "test"
			}
			_, err := b.Decide(context.Background(), store.Decision{
				OrganizationID: b.org, ApprovalID: p.ID, Verdict: c.verdict, Edit: c.edit, Actor: store.Operator, Via: via,
			})
			refused(t, err, c.want)
			require.Equal(t, 0, b.CountForTest(t, `select count(*) from audit where kind = 'decision' and approval_id = $1 and actor = 'operator'`, p.ID))
		})
	}
}

func (b *bench) deny(tool policy.Tool) {
	b.t.Helper()
	require.NoError(b.t, b.SetPermission(context.Background(), b.org, tool, policy.Deny, store.Operator))
}

func TestAnotherOrganizationsQuestionIsNotThere(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	other := storetest.Organization(t, b.Store)

	_, err := b.Decide(context.Background(), store.Decision{
		OrganizationID: other.ID, ApprovalID: b.question("deal:1").ID, Verdict: store.Approve, Actor: store.Operator, Via: "test",
	})
	refused(t, err, "no such question")
	_, err = b.Action(context.Background(), other.ID, b.action("deal:1").ID)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestADenialWithdrawsTheQuestion(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	b.deny(createDeal)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, b.meeting), "the workflow is told")

	require.Equal(t, store.NextDone, b.look().Next)
	require.Equal(t, store.ActionDenied, b.action("deal:1").State)
	require.Len(t, b.questions(store.ApprovalWithdrawn), 1)
}

// What the connection's scopes do not let anybody do is not asked about: it
// waits, and is asked once the scope is there.
func TestABlockedScopeWithdrawsTheQuestion(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Allow})
	scopes := func(list ...string) {
		b.ExecForTest(t, `update connections set scopes = $2 where id = $1`, b.connection, list)
	}
	both := []string{"crm.objects.deals.write", "crm.objects.contacts.write"}
	scopes(both...)
	b.plan(
		draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}),
		draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}),
	)
	b.question("deal:1")
	b.written("contact:1", "77")

	scopes("crm.objects.contacts.write")
	require.Equal(t, store.NextPause, b.look().Next)
	require.Empty(t, b.questions(store.ApprovalPending))
	withdrawn := b.questions(store.ApprovalWithdrawn)
	require.Len(t, withdrawn, 1)
	require.Equal(t, "blocked: scope crm.objects.deals.write is not granted; reconnect with it", withdrawn[0].Reason)
	require.Equal(t, store.ActionReady, b.action("deal:1").State)
	require.Equal(t, store.NextPause, b.look().Next, "looking again changes nothing")

	// A later round does not ask either.
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal, larger"}))
	require.Empty(t, b.questions(store.ApprovalPending))

	scopes(both...)
	require.Equal(t, store.NextAnswer, b.look().Next)
	require.NoError(t, b.decide(b.question("deal:1"), store.Approve, nil))
	require.Equal(t, store.NextWrite, b.look().Next)
}

// Which connection acts is chosen once, by whoever may.
func TestAChoiceEndsThePause(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createContact: policy.Allow})
	ctx := context.Background()
	b.ExecForTest(t, `update meetings set version = 1, has_notes = true, updated_at = now() - interval '1 hour' where id = $1`, b.meeting)
	require.Equal(t, store.NextPlan, b.look().Next)
	require.NoError(t, b.PauseForChoice(ctx, b.org, b.meeting, "Several connections could act: a, b."))
	require.Equal(t, store.NextPause, b.look().Next, "that some connection works ends nothing")
	f, err := b.FollowUpOf(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, "Several connections could act: a, b.", f.PausedReason)

	stranger := storetest.Organization(t, b.Store)
	require.ErrorIs(t, b.ChooseConnection(ctx, stranger.ID, b.meeting, b.connection, store.Operator), store.ErrNotFound)
	other := b.NewConnectionForTest(t, stranger.ID, "connected")
	require.ErrorIs(t, b.ChooseConnection(ctx, b.org, b.meeting, other, store.Operator), store.ErrNotFound)
	require.Equal(t, store.NextPause, b.look().Next)

	require.NoError(t, b.ChooseConnection(ctx, b.org, b.meeting, b.connection, store.Operator))
	require.Equal(t, store.NextPlan, b.look().Next)
	choice, err := b.ChoiceFor(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, b.connection, *choice.Chosen)
	count, _, err := b.PendingWakeups(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, count)

	// A rule does the same, for all that wait.
	require.NoError(t, b.PauseForChoice(ctx, b.org, b.meeting, "again"))
	_, err = b.AddConnectionRule(ctx, store.ConnectionRule{OrganizationID: b.org, HostDomain: "@Acme.example", ConnectionID: b.connection}, store.Operator)
	require.NoError(t, err)
	require.Equal(t, store.NextPlan, b.look().Next)
	rules, err := b.ConnectionRules(ctx, b.org)
	require.NoError(t, err)
	require.Len(t, rules, 1)
	require.Equal(t, "acme.example", rules[0].HostDomain)
	_, err = b.AddConnectionRule(ctx, store.ConnectionRule{OrganizationID: stranger.ID, HostDomain: "acme.example", ConnectionID: b.connection}, store.Operator)
	require.ErrorIs(t, err, store.ErrNotFound, "another organization's connection is not there")
}

func TestExpiryRejects(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	require.WithinDuration(t, time.Now().Add(7*24*time.Hour), b.look().Until, time.Minute, "seven days by default")

	b.ExecForTest(t, `update approvals set expires_at = now()`)
	require.Equal(t, store.NextDone, b.look().Next)
	require.Equal(t, store.ActionExpired, b.action("deal:1").State)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where actor = 'deadline' and reason = 'expired'`))
}

// What depends on something that will not happen is asked again without it where
// it can stand alone, and else skipped.
func TestDependentsOfWhatWillNotHappen(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createCompany: policy.Ask, createDeal: policy.Ask, createContact: policy.Allow, updateDeal: policy.Allow})
	company := draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"})
	contact := draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
	contact.DependsOn = []string{"company:1"}
	contact.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}}
	deal := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
	deal.DependsOn = []string{"company:1"}
	deal.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}, {Object: "contact", RecordID: "77"}}
	required := draft(createDeal, "deal:2", map[string]string{"dealname": "Expansion"})
	required.DependsOn = []string{"company:1"}
	required.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1", Required: true}}
	target := draft(updateDeal, "deal:3", map[string]string{"amount": "1"})
	target.DependsOn = []string{"deal:2"}
	target.Content.TargetKey = "deal:2"
	b.plan(company, contact, deal, required, target)
	require.Equal(t, store.NextAnswer, b.look().Next, "the contact waits for the company")
	before := b.question("deal:1")

	require.NoError(t, b.decide(b.question("company:1"), store.Reject, nil))
	look := b.look()

	require.Equal(t, store.NextWrite, look.Next)
	require.Equal(t, b.action("contact:1").ID, look.Ready[0].ID, "an allowed one goes on without it")
	require.Empty(t, b.action("contact:1").Content.Associations)
	again := b.question("deal:1")
	require.NotEqual(t, before.ID, again.ID, "an asked one is asked again")
	require.Equal(t, []store.AssociationRef{{Object: "contact", RecordID: "77"}}, again.Action.Content.Associations)
	require.Equal(t, store.ActionSkipped, b.action("deal:2").State)
	require.Equal(t, store.ActionSkipped, b.action("deal:3").State, "and what needs the skipped one is skipped too")
}

func TestApprovedDependentWaitsForItsPrerequisite(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createCompany: policy.Ask, createDeal: policy.Ask})
	deal := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
	deal.DependsOn = []string{"company:1"}
	deal.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}}
	b.plan(draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}), deal)

	require.NoError(t, b.decide(b.question("deal:1"), store.Approve, nil))
	require.Equal(t, store.NextAnswer, b.look().Next)
	b.ExecForTest(t, `update approvals set state = 'approved' where state = 'pending'`)
	b.written("company:1", "9")
	look := b.look()
	require.Equal(t, store.NextWrite, look.Next)
	require.Equal(t, b.action("deal:1").ID, look.Ready[0].ID)
}

func TestAnAnswerIsPlannedWith(t *testing.T) {
	t.Parallel()
	createMeeting := policy.Tool{Object: "meeting", Operation: policy.Create}
	b := newBench(t, policy.Permissions{createMeeting: policy.Allow})
	asked := draft(createMeeting, "meeting:log", map[string]string{"hs_meeting_title": "Renewal", store.AttendeesProperty: ""})
	asked.Content.Doubt = "nobody's address is known"
	b.plan(asked)
	p := b.question("meeting:log")
	refused(t, b.decide(p, store.Approve, nil), "who was there")
	require.NoError(t, b.decide(p, store.Edit, map[string]string{store.AttendeesProperty: "jane@northwind.example"}))
	require.Equal(t, store.NextPlan, b.look().Next)
	answers, version, err := b.Answers(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{"meeting:log": {store.AttendeesProperty: "jane@northwind.example"}}, answers)

	require.NoError(t, b.SavePlan(context.Background(), store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: version, ConnectionID: b.connection,
		Drafts: []store.Draft{draft(createMeeting, "meeting:log", map[string]string{"hs_meeting_title": "Renewal"})},
	}))
	require.Equal(t, store.ActionReady, b.action("meeting:log").State, "under the same key, without the doubt")
	require.Equal(t, store.NextWrite, b.look().Next)
}

// An edit that was approved but not written yet is not asked about again when a
// later round plans it with the approver's values.
func TestAnEditSurvivesTheNextRound(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "40000"}))
	require.NoError(t, b.decide(b.question("deal:1"), store.Edit, map[string]string{"amount": "42000"}))

	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal", "amount": "42000"}))
	require.Equal(t, store.ActionReady, b.action("deal:1").State)
	require.Empty(t, b.questions(store.ApprovalPending))
}

func TestGatheringWaitsForNotesButNotForEver(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.ExecForTest(t, `update meetings set has_notes = false, first_word_at = now(), updated_at = now() where id = $1`, b.meeting)
	look := b.look()
	require.Equal(t, store.NextGather, look.Next)
	require.WithinDuration(t, time.Now().Add(15*time.Minute), look.Until, time.Minute)

	b.ExecForTest(t, `update meetings set first_word_at = now() - interval '16 minutes', updated_at = now() - interval '16 minutes' where id = $1`, b.meeting)
	require.Equal(t, store.NextPlan, b.look().Next, "it goes on with what it has")
}

func TestAPausedFollowUpGoesOnWhenItsConnectionIsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Allow})
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	b.ExecForTest(t, `update connections set state = 'needs_reconnect' where id = $1`, b.connection)
	require.NoError(t, b.PauseFollowUp(context.Background(), b.org, b.meeting, &b.connection))
	require.Equal(t, store.NextPause, b.look().Next)

	b.ExecForTest(t, `update connections set state = 'connected' where id = $1`, b.connection)
	require.Equal(t, store.NextWrite, b.look().Next)
}

func TestClosing(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Allow})
	b.plan(
		draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}),
		draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	closed, err := b.CloseFollowUp(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.False(t, closed, "something is open")

	b.written("contact:1", "501")
	require.NoError(t, b.decide(b.question("deal:1"), store.Reject, nil))
	closed, err = b.CloseFollowUp(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.True(t, closed)
	f, err := b.FollowUpOf(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.Equal(t, "closed", f.State)
	require.Equal(t, 1, f.Report.Allowed)
	require.Equal(t, 1, f.Report.Decisions[store.ApprovalRejected])
	require.Equal(t, 1, f.Report.Actions[store.ActionWritten])
}

// A copy of the database shows no words: not what is planned, not what people
// typed, not in the trail.
func TestWordsAreSealed(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	const word = "rumpelstilzchen"
	d := draft(createDeal, "deal:1", map[string]string{"dealname": word, "amount": "40000"})
	d.Content.Label, d.Content.Purpose, d.Content.Doubt = word, word, word
	b.plan(d)
	_, err := b.Decide(context.Background(), store.Decision{
		OrganizationID: b.org, ApprovalID: b.question("deal:1").ID, Verdict: store.Edit, Edit: map[string]string{"dealname": word + "!"},
		Reason: word, Actor: store.Operator, Via: "test",
	})
	require.NoError(t, err)
	for _, table := range []string{"actions", "approvals", "audit", "audit_details", "follow_ups", "wakeups"} {
		n := b.CountForTest(t, fmt.Sprintf(`select count(*) from %s t where t::text like '%%' || $1 || '%%'`, table), word)
		require.Zero(t, n, table)
		// bytea prints as hex
		n = b.CountForTest(t, fmt.Sprintf(`select count(*) from %s t where t::text like '%%' || encode($1::bytea, 'hex') || '%%'`, table), []byte(word))
		require.Zero(t, n, table)
	}
}

func TestAskAgainKeepsOneQuestion(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	d := draft(updateDeal, "deal:1", map[string]string{"amount": "42000"})
	d.TargetID, d.Content.Before = "7", map[string]string{"amount": "40000"}
	b.plan(d)
	require.NoError(t, b.decide(b.question("deal:1"), store.Approve, nil))

	for range 2 {
		require.NoError(t, b.AskAgain(context.Background(), b.org, b.action("deal:1").ID, "permission", "it changed in HubSpot", map[string]string{"amount": "41000"}))
	}
	p := b.question("deal:1")
	require.Equal(t, "it changed in HubSpot", p.Action.Content.Doubt)
	require.Equal(t, map[string]string{"amount": "41000"}, p.Action.Content.Before)
	require.Len(t, b.questions(store.ApprovalPending), 1)
	require.False(t, errors.Is(b.decide(p, store.Approve, nil), store.ErrNotFound))
}

func TestAskingAgainKeepsTheEdit(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	d := draft(updateDeal, "deal:1", map[string]string{"amount": "42000", "dealname": "Renewal"})
	d.TargetID, d.Content.Before = "7", map[string]string{"amount": "40000"}
	b.plan(d)
	require.NoError(t, b.decide(b.question("deal:1"), store.Edit, map[string]string{"amount": "43000"}))
	require.NoError(t, b.AskAgain(context.Background(), b.org, b.action("deal:1").ID, "permission", "it changed in HubSpot", nil))
	require.Equal(t, map[string]string{"amount": "43000", "dealname": "Renewal"}, b.question("deal:1").Action.Content.Properties)
}

func TestWhatWasRejectedIsNotAskedAgainForALink(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	d := draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"})
	b.plan(d)
	require.NoError(t, b.decide(b.question("deal:1"), store.Reject, nil))

	d.Content.Associations = []store.AssociationRef{{Object: "contact", RecordID: "77"}}
	b.plan(d)
	require.Equal(t, store.ActionRejected, b.action("deal:1").State)

	d.Content.Properties = map[string]string{"dealname": "Renewal", "amount": "9"}
	b.plan(d)
	require.Equal(t, store.ActionAsking, b.action("deal:1").State, "another proposal is another question")
}

// A note without a timeline is nobody's: it falls with the last of its records,
// and stands with any other.
func TestANoteFallsWithTheLastOfItsRecords(t *testing.T) {
	t.Parallel()
	createNote := policy.Tool{Object: "note", Operation: policy.Create}
	b := newBench(t, policy.Permissions{createContact: policy.Ask, createCompany: policy.Ask, createNote: policy.Allow})
	note := draft(createNote, "note:1", map[string]string{"hs_note_body": "x"})
	note.DependsOn = []string{"contact:1", "company:1"}
	note.Content.Associations = []store.AssociationRef{{Object: "contact", Key: "contact:1"}, {Object: "company", Key: "company:1"}}
	b.plan(
		draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}),
		draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}), note)
	require.NoError(t, b.decide(b.question("company:1"), store.Reject, nil))
	b.look()
	require.Equal(t, store.ActionReady, b.action("note:1").State)
	require.NoError(t, b.decide(b.question("contact:1"), store.Reject, nil))
	b.look()
	require.Equal(t, store.ActionSkipped, b.action("note:1").State)
}

// An answer that comes while a plan is being made is planned with in the next.
func TestAnAnswerDuringPlanningIsNotLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
	asked := draft(updateDeal, "deal:1", map[string]string{"amount": "42000", store.TargetProperty: ""})
	asked.Content.Doubt = "which deal?"
	b.plan(asked)
	_, seen, err := b.Answers(context.Background(), b.org, b.meeting)
	require.NoError(t, err)
	require.NoError(t, b.decide(b.question("deal:1"), store.Edit, map[string]string{store.TargetProperty: "7"}))

	b.version++
	b.ExecForTest(t, `update meetings set version = $2 where id = $1`, b.meeting, b.version)
	require.NoError(t, b.SavePlan(context.Background(), store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: seen, ConnectionID: b.connection,
	}))
	require.Equal(t, store.NextPlan, b.look().Next)
}

func TestAnEditThatLeavesTheQuestionOpenIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	b.plan(draft(updateDeal, "deal:1", map[string]string{"amount": "42000", store.TargetProperty: ""}))
	refused(t, b.decide(b.question("deal:1"), store.Edit, map[string]string{"amount": "1"}), "which record is meant")
}

// A prerequisite that was rejected does not make its dependent be asked again in
// every round that plans it anew.
func TestARejectedPrerequisiteIsNotAskedAboutEveryRound(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createCompany: policy.Ask, createContact: policy.Ask})
	company := draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"})
	contact := draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
	contact.DependsOn = []string{"company:1"}
	contact.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company:1"}}
	b.plan(company, contact)
	require.NoError(t, b.decide(b.question("company:1"), store.Reject, nil))
	b.look()
	p := b.question("contact:1")
	b.plan(company, contact)
	require.Equal(t, p.ID, b.question("contact:1").ID)
}
