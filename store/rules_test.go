package store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var (
	updateContact = policy.Tool{Object: "contact", Operation: policy.Update}
	logMeeting    = policy.Tool{Object: "meeting", Operation: policy.Create}
	bigDeals      = policy.Rule{Name: "big deals", When: `property == "amount" && new > 50000`, Then: policy.Ask}
)

func (b *bench) rule(r policy.Rule) {
	b.t.Helper()
	require.NoError(b.t, b.SetRule(context.Background(), b.org, r, store.Operator))
}

func (b *bench) check(key string) store.Write {
	b.t.Helper()
	w, err := b.CheckWrite(context.Background(), b.action(key).ID)
	require.NoError(b.t, err)
	return w
}

// dealDraft updates deal 7 from an amount of 1.
func dealDraft(properties map[string]string) store.Draft {
	d := draft(updateDeal, "deal:7", properties)
	d.TargetID, d.Content.Before = "7", map[string]string{"amount": "1"}
	return d
}

func TestARuleAsksWhereThePlanIsMade(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
	b.rule(bigDeals)
	small := dealDraft(map[string]string{"amount": "50000"})
	small.Key, small.TargetID = "deal:8", "8"
	b.plan(dealDraft(map[string]string{"amount": "50001"}), small)

	require.Equal(t, store.ActionAsking, b.action("deal:7").State)
	require.Equal(t, `the rule "big deals" asks (amount)`, b.question("deal:7").Reason)
	require.Equal(t, store.ActionReady, b.action("deal:8").State)
	require.Equal(t, store.WriteAsk, b.check("deal:7").Step)
	require.Equal(t, store.WriteSend, b.check("deal:8").Step)
}

func TestAnEditThatTripsARuleIsAskedAboutAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	b.rule(bigDeals)
	b.plan(dealDraft(map[string]string{"amount": "40000"}))
	first := b.question("deal:7")

	decided, err := b.Decide(ctx, store.Decision{
		OrganizationID: b.org, ApprovalID: first.ID, Verdict: store.Edit, Edit: map[string]string{"amount": "60000"}, Actor: store.Operator, Via: "test",
	})
	require.NoError(t, err)
	require.Equal(t, store.ApprovalEdited, decided.State)
	require.Contains(t, decided.Sentence, `asked about anew with the edited values: the rule "big deals"`)
	second := b.question("deal:7")
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, "60000", second.Action.Content.Properties["amount"])
	require.Equal(t, []string{"amount"}, second.Action.Content.Changed)
	require.Equal(t, `asked about anew with the edited values: the rule "big deals"`, second.Reason)
	require.Equal(t, store.NextAnswer, b.look().Next)
	require.Equal(t, store.WriteAsk, b.check("deal:7").Step, "the edit alone lets nothing through")
	refused(t, b.decide(first, store.Approve, nil), "already edited")

	require.NoError(t, b.decide(second, store.Edit, map[string]string{"amount": "70000"}), "whom the rule asked may say another amount")
	require.Empty(t, b.questions(store.ApprovalPending))
	w := b.check("deal:7")
	require.Equal(t, store.WriteSend, w.Step)
	require.Equal(t, map[string]string{"amount": "70000"}, w.Properties)
}

func TestAnEditThatARuleDeniesIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	b.rule(policy.Rule{Name: "never so much", When: `property == "amount" && new > 50000`, Then: policy.Deny})
	b.plan(dealDraft(map[string]string{"amount": "40000"}))
	q := b.question("deal:7")

	refused(t, b.decide(q, store.Edit, map[string]string{"amount": "60000"}), `the rule "never so much" denies it (amount)`)
	require.Equal(t, q, b.question("deal:7"), "nothing changed")
	require.NoError(t, b.decide(q, store.Edit, map[string]string{"amount": "45000"}))
	require.Equal(t, store.ActionReady, b.action("deal:7").State)
}

func TestARuleThatDeniesWhilePendingWithdraws(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	b.plan(dealDraft(map[string]string{"amount": "60000"}))
	q := b.question("deal:7")
	never := bigDeals
	never.Then = policy.Deny
	b.rule(never)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1 and reason = 'permission changed'`, b.meeting))

	refused(t, b.decide(q, store.Approve, nil), `the rule "big deals" denies it (amount)`)
	require.Equal(t, store.NextDone, b.look().Next)
	require.Equal(t, store.ActionDenied, b.action("deal:7").State)
	require.Equal(t, `the rule "big deals" denies it (amount)`, b.action("deal:7").Reason)
	require.Equal(t, store.ApprovalWithdrawn, b.questions("")[0].State)
}

// TestARuleStopsTheWrite: what was approved is judged again at the moment of the
// call, with the values as they were edited.
func TestARuleStopsTheWrite(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]map[string]string{"as planned": nil, "as edited": {"amount": "60000"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
			amount, verdict := "60000", store.Approve
			if edit != nil {
				amount, verdict = "1000", store.Edit
			}
			b.plan(dealDraft(map[string]string{"amount": amount}))
			require.NoError(t, b.decide(b.question("deal:7"), verdict, edit))
			require.Equal(t, store.WriteSend, b.check("deal:7").Step)

			never := bigDeals
			never.Then = policy.Deny
			b.rule(never)
			w, err := b.BeginWrite(ctx, b.action("deal:7").ID, store.WriteIntent{Actor: store.Operator})
			require.NoError(t, err)
			require.Equal(t, store.WriteSettled, w.Step)
			require.Equal(t, store.ActionDenied, b.action("deal:7").State)
			require.Contains(t, b.action("deal:7").Reason, `the rule "big deals" denies it`)
		})
	}
}

// TestARuleThatAsksStopsAnAllowedWrite: nobody was asked, since the rule came
// after the plan.
func TestARuleThatAsksStopsAnAllowedWrite(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
	b.plan(dealDraft(map[string]string{"amount": "60000"}))
	require.Equal(t, store.WriteSend, b.check("deal:7").Step)
	b.rule(bigDeals)
	w := b.check("deal:7")
	require.Equal(t, store.WriteAsk, w.Step)
	require.Equal(t, `the rule "big deals" asks (amount)`, w.Reason)
}

func TestRulesLeaveATrail(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, nil)
	b.rule(bigDeals)
	b.rule(bigDeals)
	changed := bigDeals
	changed.When, changed.Then = `property == "amount" && new > 70000`, policy.Deny
	b.rule(changed)
	rules, err := b.Rules(ctx, b.org)
	require.NoError(t, err)
	require.Equal(t, []policy.Rule{changed}, rules)
	require.NoError(t, b.RemoveRule(ctx, b.org, "big deals", store.Operator))
	require.ErrorIs(t, b.RemoveRule(ctx, b.org, "big deals", store.Operator), store.ErrNotFound)
	var wrong *policy.RuleError
	require.ErrorAs(t, b.SetRule(ctx, b.org, policy.Rule{Name: "x", When: "amount > 5", Then: policy.Ask}, store.Operator), &wrong)
	require.ErrorIs(t, b.SetRule(ctx, uuid.New(), bigDeals, store.Operator), store.ErrNotFound)
	require.ErrorIs(t, b.SetRule(ctx, b.org, policy.Rule{Name: "x", When: "fills", Then: policy.Ask, Host: uuid.NewString()}, store.Operator), store.ErrNotFound)

	trail, err := b.AuditTrail(ctx, b.org, store.AuditFilter{Kind: store.AuditPermission})
	require.NoError(t, err)
	var reasons []string
	for _, e := range trail {
		reasons = append(reasons, e.Reason)
	}
	require.Equal(t, []string{`rule "big deals": none → ask`, `rule "big deals": ask → deny`, `rule "big deals": deny → none`}, reasons)
	require.Zero(t, b.CountForTest(t, `select count(*) from audit where reason like '%50000%'`), "expressions may name customers: they stand sealed beside the row")
}

// TestHosts: a host's permission and a host's rule count for that host's
// meetings, and only make stricter.
func TestHosts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow, updateContact: policy.Ask, createContact: policy.Allow})
	mara, err := b.AddPerson(ctx, store.Person{OrganizationID: b.org, Role: store.RoleViewer, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	also, err := b.AddPerson(ctx, store.Person{OrganizationID: b.org, Role: store.RoleViewer, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara.l@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	require.NoError(t, b.SetHostPermission(ctx, b.org, also.ID, updateDeal, policy.Deny, store.Operator))
	require.NoError(t, b.SetHostPermission(ctx, b.org, mara.ID, updateContact, policy.Allow, store.Operator))
	b.rule(policy.Rule{Name: "Mara's", When: `object == "contact"`, Then: policy.Ask, Host: mara.ID.String()})
	require.ErrorIs(t, b.SetHostPermission(ctx, b.org, uuid.New(), updateDeal, policy.Deny, store.Operator), store.ErrNotFound)

	contact := draft(updateContact, "contact:1", map[string]string{"phone": "1"})
	contact.TargetID = "1"
	b.plan(dealDraft(map[string]string{"amount": "2"}), contact, draft(createContact, "contact:2", map[string]string{"email": "j@northwind.example"}))
	require.Equal(t, store.ActionReady, b.action("deal:7").State, "nobody knows the host")
	require.Equal(t, store.ActionReady, b.action("contact:2").State)

	b.ExecForTest(t, `update meetings set host_person_id = $2 where id = $1`, b.meeting, mara.ID)
	require.Equal(t, store.ActionAsking, b.action("contact:1").State, "a host's allow opens nothing")
	require.Equal(t, store.WriteAsk, b.check("contact:2").Step)
	require.Equal(t, store.WriteSend, b.check("deal:7").Step)

	read := policy.Tool{Object: "deal", Operation: policy.Read}
	require.NoError(t, b.SetPermission(ctx, b.org, read, policy.Allow, store.Operator))
	require.NoError(t, b.SetHostPermission(ctx, b.org, mara.ID, read, policy.Deny, store.Operator))
	call := store.AuditEntry{OrganizationID: b.org, ConnectionID: &b.connection, Tool: read, Actor: store.Operator}
	_, err = b.BeginToolCall(ctx, call, []policy.Tool{read}, false)
	require.NoError(t, err, "for nobody's meeting")
	call.Origin = store.Origin{Kind: "meeting", ID: b.meeting}
	_, err = b.BeginToolCall(ctx, call, []policy.Tool{read}, false)
	require.ErrorIs(t, err, policy.ErrDenied)

	require.NoError(t, b.MergePeople(ctx, b.org, mara.ID, also.ID, store.Operator))
	require.Equal(t, store.WriteSettled, b.check("deal:7").Step, "what was said about either holds for both")
	require.Equal(t, store.ActionDenied, b.action("deal:7").State)
}

// TestTeams: a team's permission and a team's rule count for the meetings that its
// people host, however the team is spelled, and only make stricter.
func TestTeams(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow, updateContact: policy.Ask, createContact: policy.Allow})
	mara, err := b.AddPerson(ctx, store.Person{OrganizationID: b.org, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	join := func(team string) {
		t.Helper()
		require.NoError(t, b.UpdatePerson(ctx, b.org, mara.ID, store.PersonChange{Team: &team}, store.Operator))
	}
	refused(t, b.SetTeamPermission(ctx, b.org, "Sales", updateDeal, policy.Deny, store.Operator), `nobody belongs to a team "Sales"`)
	refused(t, b.SetRule(ctx, b.org, policy.Rule{Name: "x", When: "true", Then: policy.Ask, Team: "Sales"}, store.Operator), "nobody belongs")
	join(" Sales ")
	require.NoError(t, b.SetTeamPermission(ctx, b.org, "sales", updateDeal, policy.Deny, store.Operator))
	require.NoError(t, b.SetTeamPermission(ctx, b.org, "SALES", updateContact, policy.Allow, store.Operator))
	b.rule(policy.Rule{Name: "of sales", When: `operation == "create"`, Then: policy.Ask, Team: "sales"})
	b.rule(policy.Rule{Name: "of sales", When: `operation == "create"`, Then: policy.Ask, Team: "sales"})
	b.ExecForTest(t, `update meetings set host_person_id = $2 where id = $1`, b.meeting, mara.ID)

	contact := draft(updateContact, "contact:1", map[string]string{"phone": "1"})
	contact.TargetID = "1"
	b.plan(dealDraft(map[string]string{"amount": "2"}), contact, draft(createContact, "contact:2", map[string]string{"email": "j@northwind.example"}))
	require.Equal(t, store.ActionDenied, b.action("deal:7").State)
	require.Equal(t, "Update Deal is set to deny for this team", b.action("deal:7").Reason)
	require.Equal(t, store.ActionAsking, b.action("contact:1").State, "a team's allow opens nothing")
	require.Equal(t, `the rule "of sales" asks (email)`, b.question("contact:2").Reason)

	read := policy.Tool{Object: "deal", Operation: policy.Read}
	require.NoError(t, b.SetPermission(ctx, b.org, read, policy.Allow, store.Operator))
	require.NoError(t, b.SetTeamPermission(ctx, b.org, "sales", read, policy.Deny, store.Operator))
	d, err := b.CallPermission(ctx, b.org, store.Origin{Kind: "meeting", ID: b.meeting}, read)
	require.NoError(t, err)
	require.Equal(t, policy.Deny, d.Permission)

	join("")
	require.Equal(t, store.WriteAsk, b.check("contact:1").Step)
	d, err = b.CallPermission(ctx, b.org, store.Origin{Kind: "meeting", ID: b.meeting}, read)
	require.NoError(t, err)
	require.Equal(t, policy.Allow, d.Permission, "who left the team is no longer of it")
	join("sALES")
	teams, err := b.Teams(ctx, b.org)
	require.NoError(t, err)
	require.Equal(t, map[string][]uuid.UUID{"Sales": {mara.ID}}, teams)

	trail, err := b.AuditTrail(ctx, b.org, store.AuditFilter{Kind: store.AuditPermission})
	require.NoError(t, err)
	var reasons []string
	for _, e := range trail {
		if strings.Contains(e.Reason, "team") {
			reasons = append(reasons, e.Reason)
		}
	}
	require.Equal(t, []string{
		`allow → deny for the meetings of team "Sales"`, `rule "of sales": none → ask for the meetings of team "Sales"`, `allow → deny for the meetings of team "Sales"`,
	}, reasons)
}

func TestPresetsBringTheirRules(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, nil)
	presets := map[string]policy.Preset{}
	for _, p := range policy.Presets() {
		presets[p.Name] = p
	}
	use := func(name string) {
		t.Helper()
		require.NoError(t, b.UsePreset(ctx, b.org, presets[name], store.Operator))
	}
	use("shadow")
	doubtful := draft(logMeeting, "meeting:2", map[string]string{"hs_meeting_title": "Y"})
	doubtful.Content.Doubt = "two match"
	b.plan(dealDraft(map[string]string{"amount": "2"}), draft(logMeeting, "meeting:1", map[string]string{"hs_meeting_title": "X"}), doubtful)
	require.Equal(t, "in shadow: it would have been asked about, since Update Deal is set to ask", b.action("deal:7").Reason)
	require.Equal(t, "in shadow: it would have been written without asking", b.action("meeting:1").Reason)
	require.Equal(t, "in shadow: it would have been asked about, since it is in doubt", b.action("meeting:2").Reason)
	for _, key := range []string{"deal:7", "meeting:1", "meeting:2"} {
		require.Equal(t, store.ActionDenied, b.action(key).State)
		require.Equal(t, store.WriteSettled, b.check(key).Step)
	}
	require.Empty(t, b.questions(""))

	b.rule(bigDeals)
	use("hands-off")
	rules, err := b.Rules(ctx, b.org)
	require.NoError(t, err)
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{"big deals", "changes an owner", "closes a deal", "replaces a value"}, names, "shadow's went, ours stayed")
	fills := dealDraft(map[string]string{"description": "d"})
	fills.Key, fills.Content.Before = "deal:8", map[string]string{"description": ""}
	b.plan(dealDraft(map[string]string{"amount": "2"}), fills)
	require.Equal(t, store.ActionAsking, b.action("deal:7").State)
	require.Equal(t, `the rule "replaces a value" asks (amount)`, b.question("deal:7").Reason)
	require.Equal(t, store.ActionReady, b.action("deal:8").State)
}

// TestWhatRulesKnow: the source, whose record it is, the pipeline and the
// currencies come from the meeting, the plan and the connection.
func TestWhatRulesKnow(t *testing.T) {
	t.Parallel()
	jane := meeting.Attendee{Person: meeting.Person{Name: "Jane Roe", Email: "Jane@northwind.example"}}
	resolution := map[string]any{
		"contacts":  []any{map[string]any{"id": "1", "properties": map[string]string{"email": "jane@northwind.example"}}},
		"companies": []any{map[string]any{"id": "2", "properties": map[string]string{"domain": "northwind.example"}}, map[string]any{"id": "3", "properties": map[string]string{"domain": "else.example"}}},
		"deals": []any{
			map[string]any{"id": "7", "links": []any{map[string]any{"object": "company", "id": "2"}}},
			map[string]any{"id": "8", "properties": map[string]string{"deal_currency_code": "EUR"}, "links": []any{map[string]any{"object": "company", "id": "3"}}},
		},
		"exchange_rates": map[string]float64{"USD": 0.9},
		"properties": map[string]any{"deal": []any{
			map[string]any{"name": "seats", "type": "number"}, map[string]any{"name": "floor", "type": "string"}, map[string]any{"name": "amount", "type": "number"},
		}},
		"deal_pipelines": []any{map[string]any{"id": "p", "stages": []any{
			map[string]any{"id": "501", "metadata": map[string]string{"isClosed": "true"}}, map[string]any{"id": "502", "metadata": map[string]string{"isClosed": "false"}},
		}}},
	}
	update := func(target string, properties map[string]string) store.Draft {
		d := dealDraft(properties)
		d.TargetID = target
		return d
	}
	confident := func(d store.Draft, confidence float64) store.Draft {
		d.Content.Confidence = &confidence
		return d
	}
	for _, test := range []struct {
		name  string
		when  string
		draft store.Draft
		want  store.ActionState
	}{
		{"source", `source == "zoom"`, update("7", map[string]string{"dealname": "Renewal"}), store.ActionDenied},
		{"another source", `source == "teams"`, update("7", map[string]string{"dealname": "Renewal"}), store.ActionReady},
		{"an attendee's deal", "!target_of_attendee", update("7", map[string]string{"dealname": "Renewal"}), store.ActionReady},
		{"somebody else's deal", "!target_of_attendee", update("8", map[string]string{"dealname": "Renewal"}), store.ActionDenied},
		{"a deal that nobody read", "!target_of_attendee", update("9", map[string]string{"dealname": "Renewal"}), store.ActionAsking},
		{"an attendee", "!target_of_attendee", draft(createContact, "deal:7", map[string]string{"email": "jane@northwind.example"}), store.ActionReady},
		{"perhaps a colleague", "!target_of_attendee", draft(createContact, "deal:7", map[string]string{"email": "bob@northwind.example"}), store.ActionAsking},
		{"a stranger", "!target_of_attendee", draft(createContact, "deal:7", map[string]string{"email": "bob@else.example"}), store.ActionDenied},
		{"a closed stage", "closes_deal", update("7", map[string]string{"dealstage": "501"}), store.ActionDenied},
		{"an open stage", "closes_deal", update("7", map[string]string{"dealstage": "502"}), store.ActionReady},
		{"a stage that nobody knows", "closes_deal", update("7", map[string]string{"dealstage": "503"}), store.ActionAsking},
		{"company currency", "amount_in_company_currency > 100", update("7", map[string]string{"amount": "101", "deal_currency_code": "EUR"}), store.ActionDenied},
		{"less of it", "amount_in_company_currency > 100", update("7", map[string]string{"amount": "100", "deal_currency_code": "EUR"}), store.ActionReady},
		{"no currency", "false", update("7", map[string]string{"amount": "5"}), store.ActionAsking},
		{"the currency that the deal has", "new > 100", update("8", map[string]string{"amount": "101"}), store.ActionDenied},
		{"another of the account's", "amount_in_company_currency > 100", update("7", map[string]string{"amount": "111", "deal_currency_code": "USD"}), store.ActionReady},
		{"more of it", "amount_in_company_currency > 100", update("7", map[string]string{"amount": "112", "deal_currency_code": "USD"}), store.ActionDenied},
		{"the amount itself is compared in the company's", `property == "amount" && new > 100`, update("7", map[string]string{"amount": "111", "deal_currency_code": "usd"}), store.ActionReady},
		{"one without a rate", "amount_in_company_currency > 100", update("7", map[string]string{"amount": "5", "deal_currency_code": "GBP"}), store.ActionAsking},
		{"and without a rule that compares", "false", update("7", map[string]string{"amount": "5", "deal_currency_code": "GBP"}), store.ActionReady},
		{"a number by the account's definition", `property == "seats" && new >= 50`, update("7", map[string]string{"seats": "9"}), store.ActionReady},
		{"more of them", `property == "seats" && new >= 50`, update("7", map[string]string{"seats": "100"}), store.ActionDenied},
		{"a text that looks like one", `property == "floor" && new == "9"`, update("7", map[string]string{"floor": "9"}), store.ActionDenied},
		{"confident", "confidence < 0.8", confident(update("7", map[string]string{"seats": "9"}), 0.8), store.ActionReady},
		{"not quite", "confidence < 0.8", confident(update("7", map[string]string{"seats": "9"}), 0.79), store.ActionDenied},
		{"nobody says how much", "confidence < 0.8", update("7", map[string]string{"seats": "9"}), store.ActionAsking},
		{"none of the account's", "false", update("7", map[string]string{"amount": "5", "deal_currency_code": "JPY"}), store.ActionAsking},
		{"what asks the approver is not written", `property.startsWith("debrief_")`, update("7", map[string]string{"dealname": "Renewal", "debrief_target": "1"}), store.ActionReady},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{updateDeal: policy.Allow, createContact: policy.Allow})
			b.SetMeetingContentForTest(t, b.org, b.meeting, meeting.Meeting{Providers: []string{"zoom"}, Details: meeting.Details{Attendees: []meeting.Attendee{jane}}})
			b.ExecForTest(t, `update connections set currencies = '{EUR,USD,GBP}' where id = $1`, b.connection)
			b.rule(policy.Rule{Name: "the rule", When: test.when, Then: policy.Deny})
			b.ExecForTest(t, `update meetings set version = 2 where id = $1`, b.meeting)
			require.NoError(t, b.SavePlan(context.Background(), store.Plan{
				OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: 2, ConnectionID: b.connection, Resolution: resolution, Drafts: []store.Draft{test.draft},
			}))
			a := b.action("deal:7")
			require.Equal(t, test.want, a.State, a.Reason)
		})
	}
}

// TestAnAmountIsJudgedWithoutAnyRule: nothing but the deal's amount makes it matter
// what is known of the meeting, and it is asked about at the look and at the write
// as where the plan is made.
func TestAnAmountIsJudgedWithoutAnyRule(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
	b.ExecForTest(t, `update connections set currencies = '{EUR}' where id = $1`, b.connection)
	b.plan(dealDraft(map[string]string{"amount": "5", "deal_currency_code": "EUR"}))
	require.Equal(t, store.ActionReady, b.action("deal:7").State)
	require.Equal(t, store.WriteSend, b.check("deal:7").Step)

	b.ExecForTest(t, `update connections set currencies = '{USD}' where id = $1`, b.connection)
	w := b.check("deal:7")
	require.Equal(t, store.WriteAsk, w.Step)
	require.Equal(t, "the amount's currency is none of the account's", w.Reason)
}
