package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/policy"
)

// expressions that rules are drawn from: true, false, about each kind of
// variable, some that need what may be unknown, and some that fail.
var expressions = []string{
	"true", "false", `object == "deal"`, `operation == "update"`, `property == "amount" && new > 50000`, "new > 50000", "new > old",
	"fills", "replaces", "owner_change", "closes_deal", "!closes_deal", "target_of_attendee", "!target_of_attendee", `source == "zoom"`,
	"confidence < 0.8", "amount_in_company_currency > 50000", `"phone" in changed`, `changed.all(p, p != "amount")`, `double(new) > 1.0`,
	`old == ""`, "1 / 0 == 1",
}

func rule() *rapid.Generator[policy.Rule] {
	return rapid.Custom(func(t *rapid.T) policy.Rule {
		r := policy.Rule{
			Name: rapid.StringMatching(`[a-d]`).Draw(t, "name"), When: rapid.SampledFrom(expressions).Draw(t, "when"),
			Then: rapid.SampledFrom([]policy.Permission{policy.Deny, policy.Ask, policy.Allow}).Draw(t, "then"),
		}
		if r.Then == policy.Allow {
			r.Loosens = true
		} else if rapid.Bool().Draw(t, "narrow") {
			r.Host = rapid.SampledFrom([]string{"", "mara"}).Draw(t, "host")
			r.Team = rapid.SampledFrom([]string{"", "sales"}).Draw(t, "team")
		}
		return r
	})
}

func write() *rapid.Generator[*policy.Write] {
	return rapid.Custom(func(t *rapid.T) *policy.Write {
		w := &policy.Write{
			Source:           rapid.SampledFrom([]string{"", "zoom", "teams"}).Draw(t, "source"),
			Confidence:       rapid.Ptr(rapid.Float64Range(0, 1), true).Draw(t, "confidence"),
			TargetOfAttendee: rapid.Ptr(rapid.Bool(), true).Draw(t, "target"),
			ClosesDeal:       rapid.Ptr(rapid.Bool(), true).Draw(t, "closes"),
			Amount:           rapid.Ptr(rapid.Float64Range(0, 100_000), true).Draw(t, "amount"),
			AmountBefore:     rapid.Ptr(rapid.Float64Range(0, 100_000), true).Draw(t, "amount before"),
			Currency:         rapid.SampledFrom([]policy.Currency{"", policy.CurrencyKnown, policy.CurrencyUnknown, policy.CurrencyMissing}).Draw(t, "currency"),
		}
		value := rapid.SampledFrom([]string{"", "60000", "4e4", "NaN", "closedwon", "1238712"})
		for _, name := range []string{"amount", "dealstage", "phone", "hubspot_owner_id"} {
			if rapid.Bool().Draw(t, name) {
				w.Changes = append(w.Changes, policy.Change{
					Property: name, Old: rapid.Ptr(value, true).Draw(t, "old"), New: value.Draw(t, "new"),
					Type: rapid.SampledFrom([]policy.Type{"", policy.Text, policy.Number, policy.Bool, "enumeration"}).Draw(t, "type"),
				})
			}
		}
		return w
	})
}

func request() *rapid.Generator[policy.Request] {
	return rapid.Custom(func(t *rapid.T) policy.Request {
		r := policy.Request{Tool: tool().Draw(t, "tool"), Host: rapid.SampledFrom([]string{"", "mara", "ben"}).Draw(t, "host"), Team: rapid.SampledFrom([]string{"", "sales", "support"}).Draw(t, "team")}
		if rapid.IntRange(0, 4).Draw(t, "bare") > 0 {
			r.Write = write().Draw(t, "write")
		}
		return r
	})
}

func said() *rapid.Generator[policy.Policy] {
	return rapid.Custom(func(t *rapid.T) policy.Policy {
		return policy.Policy{
			Permissions: permissions().Draw(t, "permissions"),
			Hosts:       map[string]policy.Permissions{"mara": permissions().Draw(t, "host")},
			Teams:       map[string]policy.Permissions{"sales": permissions().Draw(t, "team")},
			Conditions:  policy.Conditions(rapid.SliceOfN(rule(), 0, 4).Draw(t, "rules")),
		}
	})
}

func TestAddingARuleOpensNothingUnlessItSaysSo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, r, added := said().Draw(t, "policy"), request().Draw(t, "request"), rule().Draw(t, "added")
		after := before
		after.Conditions = slices.Concat(before.Conditions, policy.Conditions([]policy.Rule{added}))
		was, is := before.Decide(r), after.Decide(r)
		if !added.Loosens {
			require.LessOrEqual(t, openness(is.Permission), openness(was.Permission))
		}
		if was.Permission == policy.Deny {
			require.Equal(t, policy.Deny, is.Permission, "deny can't be overridden")
		}
	})
}

func TestDenyIsFinal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := said().Draw(t, "policy"), request().Draw(t, "request")
		p.Permissions[r.Tool] = policy.Deny
		d := p.Decide(r)
		require.Equal(t, policy.Deny, d.Permission)
		require.Empty(t, d.Rule)
	})
}

func TestTheOrderOfRulesDecidesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := said().Draw(t, "policy"), request().Draw(t, "request")
		unique := policy.Conditions(rapid.SliceOfNDistinct(rule(), 2, 4, func(r policy.Rule) string { return r.Name }).Draw(t, "rules"))
		p.Conditions = unique
		want := p.Decide(r)
		shuffled := append([]policy.Condition{}, unique...)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		p.Conditions = shuffled
		require.Equal(t, want, p.Decide(r))
	})
}

func TestOfTwoRulesTheFirstByNameIsNamed(t *testing.T) {
	t.Parallel()
	tool := policy.Tool{Object: "note", Operation: policy.Create}
	p := policy.Policy{
		Permissions: policy.Permissions{tool: policy.Allow},
		Conditions:  policy.Conditions([]policy.Rule{{Name: "b", When: "true", Then: policy.Ask}, {Name: "a", When: "true", Then: policy.Ask}}),
	}
	d := p.Decide(policy.Request{Tool: tool})
	require.Equal(t, "a", d.Rule)
	require.Equal(t, []string{"a", "b"}, d.Matched)
}

// TestStrictestOfOrganizationTeamAndHost: without rules, the decision is the
// strictest of what was said, and a tool that the organization says nothing about
// is denied.
func TestStrictestOfOrganizationTeamAndHost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := said().Draw(t, "policy"), request().Draw(t, "request")
		p.Conditions = nil
		if r.Write != nil {
			r.Write.Currency = ""
		}
		want := openness(p.Permissions[r.Tool])
		for _, narrower := range []policy.Permissions{p.Teams[r.Team], p.Hosts[r.Host]} {
			if permission, ok := narrower[r.Tool]; ok {
				want = min(want, openness(permission))
			}
		}
		require.Equal(t, want, openness(p.Decide(r).Permission))
	})
}

// TestExplainAgreesWithDecide: who reads the steps and weighs them property by
// property (first what loosens, then the strictest) comes to the decision.
func TestExplainAgreesWithDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := said().Draw(t, "policy"), request().Draw(t, "request")
		d, steps := p.Explain(r)
		require.Equal(t, d, p.Decide(r))
		properties := []string{""}
		if r.Write != nil && len(r.Write.Changes) > 0 {
			properties = nil
			for _, c := range r.Write.Changes {
				properties = append(properties, c.Property)
			}
		}
		strictest := 2
		for _, property := range properties {
			strictest = min(strictest, weigh(steps, property))
		}
		for _, s := range steps {
			if s.Problem != "" {
				return // of what failed, a step doesn't say for which property
			}
			if s.Decided {
				require.Equal(t, s.Says, d.Permission)
				require.Equal(t, s.IsRule, d.Rule == s.By)
				require.True(t, s.Matched)
			}
		}
		require.Equal(t, strictest, openness(d.Permission), "%v", steps)
	})
}

func weigh(steps []policy.Step, property string) int {
	base, strictest := openness(steps[0].Says), 2
	for _, s := range steps[1:] {
		switch {
		case !s.Matched || len(s.Properties) > 0 && !slices.Contains(s.Properties, property):
		case s.Loosens:
			if base == openness(policy.Ask) {
				base = openness(policy.Allow)
			}
		default:
			strictest = min(strictest, openness(s.Says))
		}
	}
	return min(base, strictest)
}

func TestHostsTeamsAndOneThatFailsOnlyMakeStricter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := said().Draw(t, "policy"), request().Draw(t, "request")
		without := p
		without.Hosts, without.Teams = nil, nil
		require.LessOrEqual(t, openness(p.Decide(r).Permission), openness(without.Decide(r).Permission))
		d, steps := p.Explain(r)
		decided := 0
		for _, s := range steps {
			if s.Problem != "" {
				require.NotEqual(t, policy.Allow, d.Permission, "what fails asks")
			}
			if s.Decided {
				decided++
			}
		}
		require.Equal(t, 1, decided)
		require.NotEmpty(t, d.Reason)
	})
}

func TestRules(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	number := func(f float64) *float64 { return &f }
	yes, no := true, false
	update, create := policy.Tool{Object: "deal", Operation: policy.Update}, policy.Tool{Object: "deal", Operation: policy.Create}
	amount := func(old *string, next string) *policy.Write {
		return &policy.Write{Changes: []policy.Change{{Property: "amount", Old: old, New: next}}}
	}
	for _, test := range []struct {
		name  string
		base  policy.Permission
		rule  policy.Rule
		tool  policy.Tool
		write *policy.Write
		want  policy.Permission
	}{
		{"over the limit", policy.Allow, policy.Rule{When: `property == "amount" && new > 50000`, Then: policy.Ask}, update, amount(text("1"), "50000.01"), policy.Ask},
		{"at the limit", policy.Allow, policy.Rule{When: `property == "amount" && new > 50000`, Then: policy.Ask}, update, amount(text("1"), "50000"), policy.Allow},
		{"no number asks", policy.Allow, policy.Rule{When: `property == "amount" && new > 50000`, Then: policy.Deny}, update, amount(text("1"), "60,000"), policy.Ask},
		{"NaN is no number", policy.Allow, policy.Rule{When: `property == "amount" && new > 50000`, Then: policy.Ask}, update, amount(text("1"), "NaN"), policy.Ask},
		{"a hundredfold", policy.Allow, policy.Rule{When: `property == "amount" && new > old * 100.0`, Then: policy.Deny}, update, amount(text("100"), "10001"), policy.Deny},
		{"old not known", policy.Allow, policy.Rule{When: `property == "amount" && new > old`, Then: policy.Deny}, update, amount(nil, "5"), policy.Ask},
		{"stage IDs are text", policy.Allow, policy.Rule{When: `property == "dealstage" && new == "1238712"`, Then: policy.Deny}, update, &policy.Write{Changes: []policy.Change{{Property: "dealstage", New: "1238712"}}}, policy.Deny},
		{"a number by schema", policy.Allow, policy.Rule{When: `property == "seats" && new >= 5`, Then: policy.Deny}, update, &policy.Write{Changes: []policy.Change{{Property: "seats", New: "5", Type: policy.Number}}}, policy.Deny},
		{"a truth by schema", policy.Allow, policy.Rule{When: `property == "vip" && new == true`, Then: policy.Deny}, update, &policy.Write{Changes: []policy.Change{{Property: "vip", New: "true", Type: policy.Bool}}}, policy.Deny},
		{"won", policy.Allow, policy.Rule{When: "closes_deal", Then: policy.Ask}, create, &policy.Write{Changes: []policy.Change{{Property: "dealstage", New: "closedwon"}}}, policy.Ask},
		{"closed by pipeline", policy.Allow, policy.Rule{When: "closes_deal", Then: policy.Deny}, update, &policy.Write{ClosesDeal: &yes, Changes: []policy.Change{{Property: "dealstage", New: "7"}}}, policy.Deny},
		{"nobody knows whether it closes", policy.Allow, policy.Rule{When: "closes_deal", Then: policy.Deny}, update, &policy.Write{Changes: []policy.Change{{Property: "dealstage", New: "7"}}}, policy.Ask},
		{"no stage", policy.Allow, policy.Rule{When: "closes_deal", Then: policy.Deny}, update, amount(nil, "7"), policy.Allow},
		{"another owner", policy.Allow, policy.Rule{When: "owner_change", Then: policy.Ask}, update, &policy.Write{Changes: []policy.Change{{Property: "hubspot_owner_id", Old: text("1"), New: "2"}}}, policy.Ask},
		{"the same owner", policy.Allow, policy.Rule{When: "owner_change", Then: policy.Ask}, update, &policy.Write{Changes: []policy.Change{{Property: "hubspot_owner_id", Old: text("1"), New: "1"}}}, policy.Allow},
		{"an owner from the start", policy.Allow, policy.Rule{When: "owner_change", Then: policy.Ask}, create, &policy.Write{Changes: []policy.Change{{Property: "hubspot_owner_id", New: "1"}}}, policy.Allow},
		{"fills", policy.Ask, policy.Rule{When: "fills", Then: policy.Allow, Loosens: true}, update, amount(text(""), "5"), policy.Allow},
		{"replaces", policy.Ask, policy.Rule{When: "fills", Then: policy.Allow, Loosens: true}, update, amount(text("4"), "5"), policy.Ask},
		{"may replace", policy.Allow, policy.Rule{When: "replaces", Then: policy.Ask}, update, amount(nil, "5"), policy.Ask},
		{"a create fills nothing", policy.Ask, policy.Rule{When: "fills", Then: policy.Allow, Loosens: true}, create, amount(nil, "5"), policy.Ask},
		{"loosens no deny", policy.Deny, policy.Rule{When: "true", Then: policy.Allow, Loosens: true}, update, amount(text(""), "5"), policy.Deny},
		{"foreign target", policy.Allow, policy.Rule{When: "!target_of_attendee", Then: policy.Deny}, update, &policy.Write{TargetOfAttendee: &no}, policy.Deny},
		{"target not known", policy.Allow, policy.Rule{When: "!target_of_attendee", Then: policy.Deny}, update, &policy.Write{}, policy.Ask},
		{"source", policy.Allow, policy.Rule{When: `source == "zoom"`, Then: policy.Deny}, update, &policy.Write{Source: "zoom"}, policy.Deny},
		{"unsure", policy.Allow, policy.Rule{When: "confidence < 0.8", Then: policy.Ask}, update, &policy.Write{Confidence: number(0.79)}, policy.Ask},
		{"sure", policy.Allow, policy.Rule{When: "confidence < 0.8", Then: policy.Ask}, update, &policy.Write{Confidence: number(0.8)}, policy.Allow},
		{"nobody said how sure", policy.Allow, policy.Rule{When: "confidence < 0.8", Then: policy.Ask}, update, &policy.Write{}, policy.Ask},
		{
			"company currency", policy.Allow,
			policy.Rule{When: "amount_in_company_currency > 50000", Then: policy.Deny},
			update,
			&policy.Write{Amount: number(50001), Changes: []policy.Change{{Property: "amount", New: "50001"}}}, policy.Deny,
		},
		{"company currency not known", policy.Allow, policy.Rule{When: "amount_in_company_currency > 50000", Then: policy.Deny}, update, amount(nil, "1"), policy.Ask},
		{
			"no amount at all", policy.Allow,
			policy.Rule{When: "amount_in_company_currency > 50000", Then: policy.Deny},
			update,
			&policy.Write{Changes: []policy.Change{{Property: "dealname", New: "x"}}}, policy.Allow,
		},
		{
			"another currency alone", policy.Allow,
			policy.Rule{When: "amount_in_company_currency > 50000", Then: policy.Deny},
			update,
			&policy.Write{Changes: []policy.Change{{Property: "deal_currency_code", New: "USD"}}}, policy.Ask,
		},
		{
			"a currency that the account doesn't have", policy.Allow,
			policy.Rule{When: "false", Then: policy.Ask},
			update,
			&policy.Write{Currency: policy.CurrencyUnknown, Changes: []policy.Change{{Property: "amount", New: "5"}}}, policy.Ask,
		},
		{
			"an amount without a currency", policy.Allow,
			policy.Rule{When: "false", Then: policy.Ask},
			update,
			&policy.Write{Currency: policy.CurrencyMissing, Changes: []policy.Change{{Property: "amount", New: "5"}}}, policy.Ask,
		},
		{
			"an amount is compared in the company's currency", policy.Allow,
			policy.Rule{When: `property == "amount" && new > 50000`, Then: policy.Deny},
			update,
			&policy.Write{Currency: policy.CurrencyKnown, Amount: number(51_000), Changes: []policy.Change{{Property: "amount", New: "20000"}}}, policy.Deny,
		},
		{
			"and with the one before in it", policy.Allow,
			policy.Rule{When: `property == "amount" && new > old * 2.0`, Then: policy.Deny},
			update,
			&policy.Write{Currency: policy.CurrencyKnown, Amount: number(2_000), AmountBefore: number(900), Changes: []policy.Change{{Property: "amount", Old: text("1500"), New: "2000"}}}, policy.Deny,
		},
		{
			"an amount that can't be compared", policy.Allow,
			policy.Rule{When: `property == "amount" && new > 50000`, Then: policy.Deny},
			update,
			&policy.Write{Currency: policy.CurrencyKnown, Changes: []policy.Change{{Property: "amount", New: "20000"}}}, policy.Ask,
		},
		{
			"clearing an amount is no comparison", policy.Allow,
			policy.Rule{When: `property == "amount" && new == ""`, Then: policy.Deny},
			update,
			&policy.Write{Currency: policy.CurrencyKnown, Changes: []policy.Change{{Property: "amount", Old: text("5"), New: ""}}}, policy.Deny,
		},
		{"somebody else's team", policy.Allow, policy.Rule{When: "true", Then: policy.Deny, Team: "sales"}, update, &policy.Write{}, policy.Allow},
		{"taking back", policy.Allow, policy.Rule{When: `operation == "archive"`, Then: policy.Deny}, policy.Tool{Object: "deal", Operation: policy.Archive}, &policy.Write{}, policy.Deny},
		{"a read has no amount", policy.Allow, policy.Rule{When: "confidence < 0.8", Then: policy.Deny}, policy.Tool{Object: "deal", Operation: policy.Read}, nil, policy.Allow},
		{"a rule about reads", policy.Allow, policy.Rule{When: `operation == "read"`, Then: policy.Deny}, policy.Tool{Object: "deal", Operation: policy.Read}, nil, policy.Deny},
		{"somebody else's host", policy.Allow, policy.Rule{When: "true", Then: policy.Deny, Host: "mara"}, update, &policy.Write{}, policy.Allow},
		{"another spelling", policy.Allow, policy.Rule{When: `object == "deal"`, Then: policy.Deny}, policy.Tool{Object: "0-3", Operation: policy.Update}, &policy.Write{}, policy.Deny},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.rule.Name = "the rule"
			c, err := policy.Compile(test.rule)
			require.NoError(t, err)
			p := policy.Policy{Permissions: policy.Permissions{test.tool.Canonical(): test.base}, Conditions: []policy.Condition{c}}
			d := p.Decide(policy.Request{Tool: test.tool, Write: test.write})
			require.Equal(t, test.want, d.Permission, d.Reason)
		})
	}
}

// TestALooseningRuleHasToMatchEverything: one empty property lets no other one
// be replaced.
func TestALooseningRuleHasToMatchEverything(t *testing.T) {
	t.Parallel()
	empty, full := "", "Kiel"
	tool := policy.Tool{Object: "contact", Operation: policy.Update}
	p := policy.Policy{
		Permissions: policy.Permissions{tool: policy.Ask},
		Conditions:  policy.Conditions([]policy.Rule{{Name: "fills", When: "fills", Then: policy.Allow, Loosens: true}}),
	}
	phone, city := policy.Change{Property: "phone", Old: &empty, New: "1"}, policy.Change{Property: "city", Old: &full, New: "Ulm"}
	require.Equal(t, policy.Allow, p.Decide(policy.Request{Tool: tool, Write: &policy.Write{Changes: []policy.Change{phone}}}).Permission)
	d := p.Decide(policy.Request{Tool: tool, Write: &policy.Write{Changes: []policy.Change{phone, city}}})
	require.Equal(t, policy.Decision{Permission: policy.Ask, Reason: "Update Contact is set to ask", Matched: []string{"fills"}}, d)
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule policy.Rule
		want string
	}{
		{policy.Rule{Name: "x", When: "amount > 5", Then: policy.Ask}, `the rule "x" can't be used: line 1, column 1: there is no "amount"; if it is a property, write property == "amount" && new …; text stands in quotes`},
		{policy.Rule{Name: "x", When: `property == "amount" && confidenc < 0.5`, Then: policy.Ask}, `line 1, column 25: there is no "confidenc"; did you mean confidence?`},
		{policy.Rule{Name: "x", When: "property == amount", Then: policy.Ask}, `column 13: there is no "amount"`},
		{policy.Rule{Name: "x", When: `property = "amount"`, Then: policy.Ask}, "write == to compare"},
		{policy.Rule{Name: "x", When: "fills and replaces", Then: policy.Ask}, "write && for and"},
		{policy.Rule{Name: "x", When: "property", Then: policy.Ask}, "the expression is a string, not true or false"},
		{policy.Rule{Name: "x", When: "new", Then: policy.Ask}, "the expression is a value of any type, not true or false"},
		{policy.Rule{Name: "x", When: "property > 5", Then: policy.Ask}, "line 1, column 10"},
		{policy.Rule{Name: "x", When: "", Then: policy.Ask}, "the expression is empty"},
		{policy.Rule{Name: "x", When: strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 900), Then: policy.Ask}, "can't be used"},
		{policy.Rule{Name: "x", When: strings.Repeat("fills || ", 300) + "fills", Then: policy.Ask}, "longer than 2000 characters"},
		{policy.Rule{When: "fills", Then: policy.Ask}, "its name is empty"},
		{policy.Rule{Name: "a\nb", When: "fills", Then: policy.Ask}, "line breaks"},
		{policy.Rule{Name: "x", When: "fills", Then: policy.Allow}, "say that it loosens"},
		{policy.Rule{Name: "x", When: "fills", Then: policy.Ask, Loosens: true}, "a rule that loosens allows"},
		{policy.Rule{Name: "x", When: "fills", Then: policy.Allow, Loosens: true, Host: "h"}, "the strictest wins"},
		{policy.Rule{Name: "x", When: "fills", Then: policy.Allow, Loosens: true, Team: "sales"}, "one host or team"},
		{policy.Rule{Name: "x", When: "fills", Then: "maybe"}, "deny, ask or allow"},
	} {
		t.Run(fmt.Sprintf("%.40s", test.rule.When+test.want), func(t *testing.T) {
			t.Parallel()
			_, err := policy.Compile(test.rule)
			var wrong *policy.RuleError
			require.ErrorAs(t, err, &wrong)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestBrokenAndCostlyRulesAsk: a rule that can't be compiled any more, and one
// that would work too long, ask.
func TestBrokenAndCostlyRulesAsk(t *testing.T) {
	t.Parallel()
	tool := policy.Tool{Object: "note", Operation: policy.Create}
	w := &policy.Write{}
	for i := range 300 {
		w.Changes = append(w.Changes, policy.Change{Property: fmt.Sprint("p", i), New: "x"})
	}
	for _, when := range []string{"no_such_variable", "changed.all(a, changed.all(b, changed.all(c, a + b + c != \"\")))"} {
		p := policy.Policy{
			Permissions: policy.Permissions{tool: policy.Allow, {Object: "note", Operation: policy.Read}: policy.Allow},
			Conditions:  policy.Conditions([]policy.Rule{{Name: "old", When: when, Then: policy.Allow, Loosens: true}}),
		}
		d, steps := p.Explain(policy.Request{Tool: tool, Write: &policy.Write{Changes: w.Changes}})
		require.Equal(t, policy.Ask, d.Permission)
		require.Equal(t, "old", d.Rule)
		require.NotEmpty(t, steps[1].Problem)
		require.Equal(t, policy.Allow, p.Decide(policy.Request{Tool: policy.Tool{Object: "note", Operation: policy.Read}}).Permission)
	}
}

func TestCustomTools(t *testing.T) {
	t.Parallel()
	for _, object := range []string{"p4711_car", "2-1234567"} {
		tools, err := policy.CustomTools(object)
		require.NoError(t, err)
		require.Len(t, tools, 3)
		for _, info := range tools {
			parsed, err := policy.ParseTool(info.Tool.String())
			require.NoError(t, err)
			found, ok := policy.FindTool(parsed)
			require.True(t, ok)
			require.Equal(t, info, found)
			require.Contains(t, info.Description, object)
		}
	}
	for _, object := range []string{"", "car", "0-3", "deals", "2-x", "p_car", "p1_a b"} {
		_, err := policy.CustomTools(object)
		require.Error(t, err, object)
	}
	require.Equal(t, "Update Car", policy.Tool{Object: "p4711_car", Operation: policy.Update}.Title())
	_, ok := policy.FindTool(policy.Tool{Object: "p4711_car", Operation: policy.Archive})
	require.False(t, ok, "only what Debrief makes by itself can be taken back")
	for _, s := range []string{"0-3.update", "deals.update", "Deal.update"} {
		parsed, err := policy.ParseTool(s)
		require.NoError(t, err)
		require.Equal(t, "deal.update", parsed.String())
	}
}

// TestHandsOffAsksBeforeItReplaces: the promise of every preset.
func TestHandsOffAsksBeforeItReplaces(t *testing.T) {
	t.Parallel()
	old, empty := "x", ""
	for _, preset := range policy.Presets() {
		p := policy.Policy{Permissions: preset.Permissions, Conditions: policy.Conditions(preset.Rules)}
		for _, r := range preset.Rules {
			_, err := policy.Compile(r)
			require.NoError(t, err)
		}
		decide := func(object string, c policy.Change) policy.Permission {
			return p.Decide(policy.Request{Tool: policy.Tool{Object: object, Operation: policy.Update}, Write: &policy.Write{Changes: []policy.Change{c}}}).Permission
		}
		for _, object := range []string{"contact", "company", "deal", "ticket"} {
			require.NotEqual(t, policy.Allow, decide(object, policy.Change{Property: "p", Old: &old, New: "y"}), preset.Name)
			require.NotEqual(t, policy.Allow, decide(object, policy.Change{Property: "hubspot_owner_id", Old: &empty, New: "y"}), preset.Name)
		}
		require.NotEqual(t, policy.Allow, decide("deal", policy.Change{Property: "dealstage", Old: &empty, New: "closedlost"}), preset.Name)
		if preset.Name == "hands-off" {
			require.Equal(t, policy.Allow, decide("contact", policy.Change{Property: "p", Old: &empty, New: "y"}))
		}
		if preset.Name == "shadow" {
			require.Equal(t, policy.Deny, decide("note", policy.Change{Property: "p", Old: &empty, New: "y"}))
			require.Equal(t, policy.Allow, p.Decide(policy.Request{Tool: policy.Tool{Object: "deal", Operation: policy.Read}}).Permission)
			require.Equal(t, policy.Deny, p.Decide(policy.Request{Tool: policy.Tool{Object: "task", Operation: policy.Create}}).Permission, "whatever it would write")
		}
	}
}

// TestACompilerTakesNoRuleForAnother: what it keeps of one says nothing about one
// that differs in anything, also when many ask at once.
func TestACompilerTakesNoRuleForAnother(t *testing.T) {
	t.Parallel()
	tool := policy.Tool{Object: "note", Operation: policy.Create}
	rules := []policy.Rule{
		{Name: "a", When: "true", Then: policy.Ask},
		{Name: "a", When: "false", Then: policy.Ask},
		{Name: "a", When: "true", Then: policy.Deny},
		{Name: "b", When: "true", Then: policy.Ask},
		{Name: "a", When: "true", Then: policy.Deny, Host: "somebody"},
		{Name: "a", When: "true", Then: policy.Deny, Team: "sales"},
		{Name: "a", When: "no_such_variable", Then: policy.Deny},
	}
	var compiler policy.Compiler
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for _, r := range rules {
				decide := func(c []policy.Condition) policy.Decision {
					p := policy.Policy{Permissions: policy.Permissions{tool: policy.Allow}, Conditions: c}
					return p.Decide(policy.Request{Tool: tool, Write: &policy.Write{}})
				}
				assert.Equal(t, decide(policy.Conditions([]policy.Rule{r})), decide(compiler.Conditions([]policy.Rule{r})), r)
			}
		})
	}
	asking.Wait()
}
