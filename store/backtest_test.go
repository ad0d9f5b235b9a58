package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func lastWeek() time.Time { return time.Now().Add(-7 * 24 * time.Hour) }

// TestBacktest: four actions were planned (one allowed, one in doubt, one asked
// about, one denied), and judged anew by other policies, that nobody saved.
func TestBacktest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createContact: policy.Allow, updateDeal: policy.Ask})
	doubtful := draft(createContact, "contact:2", map[string]string{"email": "j@northwind.example"})
	doubtful.Content.Doubt = "two contacts match"
	b.plan(
		draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}), doubtful,
		dealDraft(map[string]string{"amount": "60000"}), draft(createCompany, "company:1", map[string]string{"domain": "northwind.example"}),
	)
	run := func(p *policy.Policy) store.Backtest {
		t.Helper()
		got, err := b.Backtest(ctx, b.org, lastWeek(), p)
		require.NoError(t, err)
		require.Equal(t, 4, got.Actions)
		return got
	}
	asItStands := run(nil)
	require.Equal(t, store.BacktestCounts{Deny: 1, Ask: 2, Allow: 1}, asItStands.BacktestCounts)
	require.Equal(t, map[policy.Tool]store.BacktestCounts{
		createContact: {Ask: 1, Allow: 1}, updateDeal: {Ask: 1}, createCompany: {Deny: 1},
	}, asItStands.Tools)
	require.Empty(t, asItStands.Rules)
	require.Empty(t, asItStands.Differences)

	p, err := b.Policy(ctx, b.org)
	require.NoError(t, err)
	opened := p.With(policy.Permissions{updateDeal: policy.Allow, createCompany: policy.Ask})
	require.Equal(t, store.BacktestCounts{Ask: 2, Allow: 2, Changed: 2}, run(&opened).BacktestCounts)
	ruled, err := opened.WithRule(policy.Rule{Name: "never so much", When: bigDeals.When, Then: policy.Deny})
	require.NoError(t, err)
	got := run(&ruled)
	require.Equal(t, map[string]store.BacktestCounts{"never so much": {Deny: 1, Changed: 1}}, got.Rules)
	deal := b.action("deal:7")
	require.Contains(t, got.Differences, store.BacktestDifference{
		ActionID: deal.ID, MeetingID: b.meeting, Tool: updateDeal, Was: policy.Ask, Would: policy.Deny, Rule: "never so much",
	})
	for _, preset := range policy.Presets() {
		previewed, err := b.PolicyWithPreset(ctx, b.org, preset)
		require.NoError(t, err)
		want := map[string]store.BacktestCounts{
			"locked": {Deny: 4, Changed: 3}, "shadow": {Deny: 4, Changed: 3},
			"recommended": {Ask: 4, Changed: 2}, "hands-off": {Ask: 2, Allow: 2, Changed: 1},
		}[preset.Name]
		require.Equal(t, want, run(&previewed).BacktestCounts, preset.Name)
	}

	raw, err := json.Marshal(got)
	require.NoError(t, err)
	for _, word := range []string{"northwind", "jane", "60000", "two contacts"} {
		require.NotContains(t, string(raw), word, "words stay sealed")
	}
	rules, err := b.Rules(ctx, b.org)
	require.NoError(t, err)
	require.Empty(t, rules, "a preview saves nothing")
	require.Equal(t, store.ActionAsking, b.action("deal:7").State)

	b.ExecForTest(t, `update actions set created_at = now() - interval '8 days' where key = 'company:1'`)
	later, err := b.Backtest(ctx, b.org, lastWeek(), nil)
	require.NoError(t, err)
	require.Equal(t, 3, later.Actions)
	other := storetest.Organization(t, b.Store)
	none, err := b.Backtest(ctx, other.ID, lastWeek(), nil)
	require.NoError(t, err)
	require.Zero(t, none.Actions, "another organization's are its own")

	b.ExecForTest(t, `delete from data_keys where id = (select data_key_id from meetings where id = $1)`, b.meeting)
	erased, err := b.Backtest(ctx, b.org, lastWeek(), nil)
	require.NoError(t, err)
	require.Equal(t, []int{0, 3}, []int{erased.Actions, erased.Erased})
}

// ended makes that many ended questions about a tool, one a minute, the last
// one now.
func (b *bench) ended(tool policy.Tool, person *uuid.UUID, states ...store.ApprovalState) {
	b.t.Helper()
	for i, state := range states {
		action := uuid.New()
		b.ExecForTest(b.t, `
			insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac)
			values ($1, $2, 'meeting', $3, 1, $4, $5, $6, 0, 'written', '\x00')`, action, b.org, b.meeting, action.String(), tool.Object, string(tool.Operation))
		b.ExecForTest(b.t, `
			insert into approvals (id, organization_id, action_id, state, content_mac, round, expires_at, decided_at, decided_by, decided_by_person_id)
			values (gen_random_uuid(), $1, $2, $3, '\x00', 1, now() + interval '1 day', now() - make_interval(mins => $4), 'x', $5)`,
			b.org, action, string(state), len(states)-i, person)
	}
}

func (b *bench) somebody(email string, role store.Role) uuid.UUID {
	b.t.Helper()
	p, err := b.AddPerson(context.Background(), store.Person{
		OrganizationID: b.org, Role: role, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: email}},
	}, store.Operator)
	require.NoError(b.t, err)
	return p.ID
}

func times(n int, state store.ApprovalState) []store.ApprovalState {
	all := make([]store.ApprovalState, n)
	for i := range all {
		all[i] = state
	}
	return all
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const yes = store.ApprovalApproved
	for _, test := range []struct {
		name       string
		permission policy.Permission
		states     []store.ApprovalState
		anonymous  bool
		want       int // approvals in a row; 0: not suggested
	}{
		{"thirty", policy.Ask, times(30, yes), false, 30},
		{"twenty-nine", policy.Ask, times(29, yes), false, 0},
		{"more", policy.Ask, times(41, yes), false, 41},
		{"one edited in between", policy.Ask, append(append(times(29, yes), store.ApprovalEdited), times(29, yes)...), false, 0},
		{"one rejected in between", policy.Ask, append(append(times(29, yes), store.ApprovalRejected), times(29, yes)...), false, 0},
		{"one expired in between", policy.Ask, append(append(times(29, yes), store.ApprovalExpired), times(29, yes)...), false, 0},
		{"the row begins after it", policy.Ask, append([]store.ApprovalState{store.ApprovalEdited}, times(30, yes)...), false, 30},
		{"the last one was edited", policy.Ask, append(times(40, yes), store.ApprovalEdited), false, 0},
		{"withdrawn ones say nothing", policy.Ask, append(append(times(15, yes), store.ApprovalWithdrawn), times(15, yes)...), false, 30},
		{"of nobody who is known", policy.Ask, times(40, yes), true, 0},
		{"a tool that is allowed already", policy.Allow, times(30, yes), false, 0},
		{"a tool that is denied by now", policy.Deny, times(30, yes), false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createContact: test.permission, createDeal: policy.Ask})
			ada := b.somebody("ada@acme.example", store.RoleApprover)
			person := &ada
			if test.anonymous {
				person = nil
			}
			b.ended(createContact, person, test.states...)
			b.ended(createDeal, &ada, times(12, yes)...)
			got, err := b.Suggestions(ctx, b.org)
			require.NoError(t, err)
			if test.want == 0 {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, createContact, got[0].Tool)
			require.Equal(t, test.want, got[0].Approved)
			require.Equal(t, 1, got[0].People)
			p, err := b.Permission(ctx, b.org, createContact)
			require.NoError(t, err)
			require.Equal(t, policy.Ask, p.Permission, "it is never switched by itself")
		})
	}
}

func TestADismissedSuggestionStaysAway(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{createContact: policy.Ask})
	ada := b.somebody("ada@acme.example", store.RoleApprover)
	require.ErrorIs(t, b.DismissSuggestion(ctx, b.org, createContact, store.Operator), store.ErrNotFound)
	b.ended(createContact, &ada, times(30, store.ApprovalApproved)...)
	require.NoError(t, b.DismissSuggestion(ctx, b.org, createContact, store.Operator))
	b.ended(createContact, &ada, times(30, store.ApprovalApproved)...)
	got, err := b.Suggestions(ctx, b.org)
	require.NoError(t, err)
	require.Empty(t, got)
	trail, err := b.AuditTrail(ctx, b.org, store.AuditFilter{Kind: store.AuditPermission})
	require.NoError(t, err)
	require.Equal(t, "suggested for allow after 30 approvals in a row: dismissed", trail[len(trail)-1].Reason)

	for _, to := range []policy.Permission{policy.Allow, policy.Ask} {
		require.NoError(t, b.SetPermission(ctx, b.org, createContact, to, store.Operator))
	}
	got, err = b.Suggestions(ctx, b.org)
	require.NoError(t, err)
	require.Len(t, got, 1, "whoever changed the permission thought of it anew")
}

// BenchmarkBacktest: what a page waits for.
func BenchmarkBacktest(b *testing.B) {
	ctx := context.Background()
	s, _ := storetest.New(b)
	org := storetest.Organization(b, s)
	require.NoError(b, s.ApplyPreset(ctx, org.ID, policy.Presets()[2].Permissions, store.Operator))
	require.NoError(b, s.SetRule(ctx, org.ID, bigDeals, store.Operator))
	connection := s.NewConnectionForTest(b, org.ID, "connected")
	for range 100 {
		id := s.NewMeetingForTest(b, org.ID)
		var drafts []store.Draft
		for i := range 10 {
			drafts = append(drafts, draft(createContact, fmt.Sprint("contact:", i), map[string]string{"email": strings.Repeat("x", i) + "@northwind.example", "phone": "1"}))
		}
		require.NoError(b, s.SavePlan(ctx, store.Plan{OrganizationID: org.ID, MeetingID: id, MeetingVersion: 1, ConnectionID: connection, Drafts: drafts}))
	}
	for b.Loop() {
		got, err := s.Backtest(ctx, org.ID, lastWeek(), nil)
		require.NoError(b, err)
		require.Equal(b, 1000, got.Actions)
	}
}
