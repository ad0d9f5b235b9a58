package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Whatever people, planners, admins and the clock do, in whatever order:
//   - a question ends once, and what it ended as stays;
//   - a decision that is refused changes nothing;
//   - an action may be sent only if its latest question was approved by as many
//     different people as were wanted then, none of whom may not approve, with just
//     the values that they were shown or wrote;
//   - each accepted word has one row in the trail.
func TestTheJudgeUnderAnySequence(t *testing.T) {
	t.Parallel()
	shared := newBench(t, policy.Permissions{createDeal: policy.Ask})
	people := []store.Person{
		shared.person("ada", store.RoleAdmin), shared.person("finn", store.RoleApprover), shared.person("mara", store.RoleMember),
		shared.person("noa", store.RoleMember), shared.person("vera", store.RoleViewer),
	}
	host := people[2]
	rapid.Check(t, func(r *rapid.T) {
		b := *shared
		b.meeting, b.version = b.NewMeetingForTest(t, b.org), 0
		b.hostedBy(host)
		m := &judgeModel{bench: &b, people: people, host: host, ended: map[uuid.UUID]store.ApprovalState{}}
		m.settings(r)
		m.plan(r)
		r.Repeat(map[string]func(*rapid.T){
			"decide":       m.decide,
			"decide again": m.decide, // more often than the rest
			"plan":         m.plan,
			"expire":       m.expire,
			"look":         func(*rapid.T) { m.look() },
			"ask anew":     m.askAnew,
			"settings":     m.settings,
			"":             m.check,
		})
	})
}

type judgeModel struct {
	*bench

	people []store.Person
	host   store.Person
	set    store.ApprovalSettings
	amount int

	ended map[uuid.UUID]store.ApprovalState
	words int // accepted
	// approved is for which values of which question the action may run; nil if
	// nobody has allowed it.
	approved *string
	voters   map[string]bool
	question uuid.UUID
}

func (m *judgeModel) settings(r *rapid.T) {
	set := store.ApprovalSettings{
		Quorum:         rapid.IntRange(1, 2).Draw(r, "quorum"),
		NoSelfApproval: rapid.Bool().Draw(r, "no self-approval"),
		OnExpiry:       rapid.SampledFrom(store.ExpiryPolicies()).Draw(r, "on expiry"),
	}
	if rapid.IntRange(0, 3).Draw(r, "named") == 0 {
		set.Approvers = []uuid.UUID{m.people[1].ID, m.people[3].ID}
	}
	require.NoError(r, m.setApprovals(func(a *store.ApprovalSettings) { *a = set }))
	m.set = set
}

func (m *judgeModel) plan(r *rapid.T) {
	m.amount = rapid.IntRange(1, 3).Draw(r, "amount")
	m.bench.plan(draft(createDeal, "deal", map[string]string{"amount": fmt.Sprint(m.amount)}))
}

func (m *judgeModel) expire(r *rapid.T) {
	m.ExecForTest(m.t, `update approvals p set expires_at = now() from actions a where a.id = p.action_id and a.origin_id = $1 and p.state = 'pending'`, m.meeting)
	if rapid.Bool().Draw(r, "and look") {
		m.look()
	}
}

func (m *judgeModel) askAnew(*rapid.T) {
	if m.action("deal").State == store.ActionReady {
		require.NoError(m.t, m.AskAgain(context.Background(), m.org, m.action("deal").ID, "permission", "it changed", map[string]string{}))
		m.approved = nil
	}
}

// all lists the questions of the meeting.
func (m *judgeModel) all() []store.Approval {
	all, err := m.Approvals(context.Background(), m.org, store.ApprovalFilter{MeetingID: m.meeting, Limit: 1000})
	require.NoError(m.t, err)
	return all
}

func (m *judgeModel) decide(r *rapid.T) {
	all := m.all()
	p := all[len(all)-1]
	if rapid.IntRange(0, 4).Draw(r, "stale") == 0 {
		p = rapid.SampledFrom(all).Draw(r, "question")
	}
	d := byOperator(store.Approve, p)
	who := rapid.IntRange(-1, len(m.people)-1).Draw(r, "who")
	if who >= 0 {
		d = by(m.people[who], store.Approve, p)
	}
	d.Via = rapid.SampledFrom([]string{store.ViaWeb, store.ViaSlack, store.ViaMail, store.ViaCommandLine, store.ViaTemporal}).Draw(r, "via")
	d.Verdict = rapid.SampledFrom([]store.Verdict{store.Approve, store.Approve, store.Edit, store.Reject}).Draw(r, "verdict")
	if d.Verdict == store.Edit {
		d.Edit = map[string]string{"amount": fmt.Sprint(rapid.IntRange(1, 3).Draw(r, "edit"))}
	}
	before := m.state()
	decided, err := m.Decide(context.Background(), d)
	var refusal *store.Refusal
	if errors.As(err, &refusal) {
		require.NotEmpty(r, refusal.Sentence)
		require.Equal(r, before, m.state(), "refused: %s", refusal.Sentence)
		return
	}
	require.NoError(r, err)
	m.words++
	require.Equal(r, store.ApprovalPending, p.State, "a settled question was decided again")
	m.allowed(r, d, decided, p)
}

// allowed follows what the accepted words amount to, by the rules as they are
// written down, not as they are coded.
func (m *judgeModel) allowed(r *rapid.T, d store.Decision, decided store.Decided, p store.Approval) {
	voter := "operator"
	if d.Actor.PersonID != nil {
		voter = d.Actor.PersonID.String()
	}
	if d.Verdict == store.Reject {
		require.Equal(r, store.ApprovalRejected, decided.State)
		m.approved = nil
		return
	}
	require.NotEqual(r, m.people[4].ID.String(), voter, "a viewer approved")
	if voter != "operator" && voter != m.people[0].ID.String() && len(m.set.Approvers) > 0 {
		require.True(r, slices.Contains(m.set.Approvers, *d.Actor.PersonID), "somebody approved who is not named")
	}
	if m.set.NoSelfApproval {
		require.NotEqual(r, m.host.ID.String(), voter, "a host approved what is done on their behalf")
		require.NotEqual(r, "operator", voter, "somebody unknown approved")
	}
	if m.question != p.ID {
		m.question, m.voters = p.ID, map[string]bool{}
	}
	m.voters[voter] = true
	value := p.Action.Content.Properties["amount"]
	if d.Verdict == store.Edit {
		value = d.Edit["amount"]
	}
	switch decided.State {
	case store.ApprovalApproved:
		require.GreaterOrEqual(r, len(m.voters), m.set.Quorum, "too few approved")
		m.approved = &value
	case store.ApprovalEdited:
		if m.set.Quorum > 1 {
			all := m.all()
			m.question, m.voters = all[len(all)-1].ID, map[string]bool{voter: true}
			return
		}
		m.approved = &value
	default:
		require.Equal(r, store.ApprovalPending, decided.State)
		require.Greater(r, m.set.Quorum, 1)
	}
}

// state is everything that a refused decision must not change.
func (m *judgeModel) state() []string {
	var s []string
	for _, p := range m.all() {
		s = append(s, fmt.Sprint(p.ID, p.State, p.ExpiresAt, p.DecidedBy, len(p.Votes)))
	}
	a := m.action("deal")
	return append(s, fmt.Sprint(a.State, a.Content.Properties), fmt.Sprint(
		m.CountForTest(m.t, `select count(*) from audit where origin_id = $1`, m.meeting), m.CountForTest(m.t, `select count(*) from wakeups where meeting_id = $1`, m.meeting)))
}

func (m *judgeModel) check(r *rapid.T) {
	pending := 0
	for _, p := range m.all() {
		if p.State == store.ApprovalPending {
			pending++
			continue
		}
		if was, ended := m.ended[p.ID]; ended {
			require.Equal(r, was, p.State, "a question that had ended changed")
		}
		m.ended[p.ID] = p.State
	}
	a := m.action("deal")
	require.LessOrEqual(r, pending, 1)
	require.Equal(r, a.State == store.ActionAsking, pending == 1, "the action is %s", a.State)
	require.Equal(r, m.words, m.CountForTest(m.t, `
		select count(*) from audit where origin_id = $1 and kind = 'decision' and actor not in ('deadline', 'debrief')`, m.meeting))

	w, err := m.CheckWrite(context.Background(), a.ID)
	require.NoError(r, err)
	if w.Step == store.WriteAsk || w.Step == store.WriteSettled {
		return
	}
	require.NotNil(r, m.approved, "it would be sent, and nobody allowed it")
	require.Equal(r, *m.approved, w.Properties["amount"], "other values would be sent than were approved")
}
