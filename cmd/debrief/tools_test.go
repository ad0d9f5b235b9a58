package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
)

// TestExplain: ten decisions as `debrief tools explain` prints them.
func TestExplain(t *testing.T) {
	t.Parallel()
	deal := func(operation policy.Operation) policy.Tool { return policy.Tool{Object: "deal", Operation: operation} }
	dealUpdate, dealCreate := deal(policy.Update), deal(policy.Create)
	contactUpdate := policy.Tool{Object: "contact", Operation: policy.Update}
	p := policy.Policy{
		Permissions: policy.Permissions{
			dealUpdate: policy.Allow, dealCreate: policy.Allow, deal(policy.Read): policy.Allow,
			contactUpdate: policy.Ask,
			{Object: "ticket", Operation: policy.Update}: policy.Deny,
		},
		Hosts: map[string]policy.Permissions{"mara": {dealCreate: policy.Ask}},
		Conditions: policy.Conditions([]policy.Rule{
			{Name: "big deals", When: `property == "amount" && new > 50000`, Then: policy.Ask},
			{Name: "closing", When: "closes_deal", Then: policy.Ask},
			{Name: "fills", When: "fills", Then: policy.Allow, Loosens: true},
			{Name: "never zoom", When: `source == "zoom" && object == "contact"`, Then: policy.Deny},
			{Name: "sure", When: `object == "contact" && property == "jobtitle" && confidence < 0.8`, Then: policy.Ask},
		}),
	}
	for _, test := range []struct {
		name string
		tool policy.Tool
		host string
		cmd  toolsExplainCmd
		want string
	}{
		{"allowed", dealUpdate, "", toolsExplainCmd{Property: map[string]string{"amount": "40000"}, Old: map[string]string{"amount": "30000"}}, `
Update Deal: allow, since Update Deal is allowed.
  amount: 30000 → 40000

   WHO                SAYS            ABOUT         WHY
→  organization       allow           all of it     Update Deal is allowed
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
   rule "closing"     ask             nothing here  closes_deal
   rule "fills"       allow, loosens  nothing here  fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"big", dealUpdate, "", toolsExplainCmd{Property: map[string]string{"amount": "60000", "dealname": "Renewal"}, Old: map[string]string{"amount": "40000"}}, `
Update Deal: ask, since the rule "big deals" asks (amount).
  amount: 40000 → 60000
  dealname: (not known) → Renewal

   WHO                SAYS            ABOUT         WHY
   organization       allow           all of it     Update Deal is allowed
→  rule "big deals"   ask             amount        property == "amount" && new > 50000
   rule "closing"     ask             nothing here  closes_deal
   rule "fills"       allow, loosens  nothing here  fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"closing", dealUpdate, "", toolsExplainCmd{Property: map[string]string{"dealstage": "closedwon"}}, `
Update Deal: ask, since the rule "closing" asks (dealstage).
  dealstage: (not known) → closedwon

   WHO                SAYS            ABOUT         WHY
   organization       allow           all of it     Update Deal is allowed
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
→  rule "closing"     ask             dealstage     closes_deal
   rule "fills"       allow, loosens  nothing here  fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"unknown stage", dealUpdate, "", toolsExplainCmd{Property: map[string]string{"dealstage": "1238712"}}, `
Update Deal: ask, since the rule "closing" can't be evaluated, so it asks (dealstage).
  dealstage: (not known) → 1238712

   WHO                SAYS            ABOUT         WHY
   organization       allow           all of it     Update Deal is allowed
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
→  rule "closing"     ask             dealstage     closes_deal – can't be evaluated: closes_deal is not known of this
   rule "fills"       allow, loosens  nothing here  fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"another stage", dealUpdate, "", toolsExplainCmd{Property: map[string]string{"dealstage": "1238712"}, Closed: "no"}, `
Update Deal: allow, since Update Deal is allowed.
  dealstage: (not known) → 1238712

   WHO                SAYS            ABOUT         WHY
→  organization       allow           all of it     Update Deal is allowed
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
   rule "closing"     ask             nothing here  closes_deal
   rule "fills"       allow, loosens  nothing here  fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"fills", contactUpdate, "", toolsExplainCmd{Property: map[string]string{"phone": "123"}, Old: map[string]string{"phone": ""}, Source: "teams"}, `
Update Contact: allow, since the rule "fills" allows it (phone).
  phone: (empty) → 123

   WHO                SAYS            ABOUT         WHY
   organization       ask             all of it     Update Contact is set to ask
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
   rule "closing"     ask             nothing here  closes_deal
→  rule "fills"       allow, loosens  phone         fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"fills one of two", contactUpdate, "", toolsExplainCmd{Property: map[string]string{"phone": "123", "city": "Ulm"}, Old: map[string]string{"phone": "", "city": "Kiel"}, Source: "teams"}, `
Update Contact: ask, since Update Contact is set to ask.
  city: Kiel → Ulm
  phone: (empty) → 123

   WHO                SAYS            ABOUT         WHY
→  organization       ask             all of it     Update Contact is set to ask
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
   rule "closing"     ask             nothing here  closes_deal
   rule "fills"       allow, loosens  phone         fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"from zoom", contactUpdate, "", toolsExplainCmd{Property: map[string]string{"phone": "123"}, Old: map[string]string{"phone": ""}, Source: "zoom"}, `
Update Contact: deny, since the rule "never zoom" denies it (phone).
  phone: (empty) → 123

   WHO                SAYS            ABOUT         WHY
   organization       ask             all of it     Update Contact is set to ask
   rule "big deals"   ask             nothing here  property == "amount" && new > 50000
   rule "closing"     ask             nothing here  closes_deal
   rule "fills"       allow, loosens  phone         fills
→  rule "never zoom"  deny            phone         source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"denied stays denied", policy.Tool{Object: "ticket", Operation: policy.Update}, "", toolsExplainCmd{Property: map[string]string{"hs_ticket_priority": "HIGH"}, Old: map[string]string{"hs_ticket_priority": ""}}, `
Update Ticket: deny, since Update Ticket is denied.
  hs_ticket_priority: (empty) → HIGH

   WHO                SAYS            ABOUT               WHY
→  organization       deny            all of it           Update Ticket is denied
   rule "big deals"   ask             nothing here        property == "amount" && new > 50000
   rule "closing"     ask             nothing here        closes_deal
   rule "fills"       allow, loosens  hs_ticket_priority  fills
   rule "never zoom"  deny            nothing here        source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here        object == "contact" && property == "jobtitle" && confidence < 0.8
`},
		{"host", dealCreate, "mara", toolsExplainCmd{Property: map[string]string{"amount": "60 thousand"}}, `
Create Deal: ask, since Create Deal is set to ask for this host.
  amount: 60 thousand

   WHO                SAYS            ABOUT         WHY
   organization       allow           all of it     Create Deal is allowed
→  host               ask             all of it     Create Deal is set to ask for this host
   rule "big deals"   ask             amount        property == "amount" && new > 50000 – can't be evaluated: no such overload
   rule "closing"     ask             nothing here  closes_deal
   rule "fills"       allow, loosens  nothing here  fills
   rule "never zoom"  deny            nothing here  source == "zoom" && object == "contact"
   rule "sure"        ask             nothing here  object == "contact" && property == "jobtitle" && confidence < 0.8
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := test.cmd.request(test.tool)
			r.Host = test.host
			d, steps := p.Explain(r)
			var out bytes.Buffer
			explain(&out, r, d, steps)
			println("=== " + test.name + "\n" + out.String())
		})
	}
}

func TestToolsCommands(t *testing.T) {
	t.Parallel()
	_, _, debrief := company(t)
	ok := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := debrief(args...)
		require.Equal(t, exitOK, code, stderr)
		return stdout
	}
	fails := func(code int, part string, args ...string) {
		t.Helper()
		got, _, stderr := debrief(args...)
		require.Equal(t, code, got, stderr)
		require.Contains(t, stderr, part)
	}
	ok("people", "add", "mara@acme.example")
	require.Contains(t, ok("tools", "rule", "list"), "No rules")
	require.Contains(t, ok("tools", "preset", "hands-off"), "asks before it replaces a value")
	require.Contains(t, ok("tools", "rule", "list"), "closes a deal")
	require.Contains(t, ok("tools", "explain", "deal.update", "-p", "amount=60000", "--old", "amount=40000"), `Update Deal: ask, since the rule "replaces a value" asks (amount).`)
	require.Contains(t, ok("tools", "explain", "deal.update", "-p", "amount=60000", "--old", "amount="), "Update Deal: allow")
	require.Contains(t, ok("tools", "preset", "recommended"), "recommended")
	require.Contains(t, ok("tools", "rule", "list"), "No rules", "a preset's rules go with it")

	ok("tools", "rule", "add", "big deals", "--when", `property == "amount" && new > 50000`, "--then", "deny")
	ok("tools", "rule", "add", "Mara's", "--when", `object == "note"`, "--then", "ask", "--host", "mara@acme.example")
	fails(exitUsage, `line 1, column 1: there is no "amout"; if it is a property, write property == "amout" && new`, "tools", "rule", "add", "x", "--when", "amout > 5", "--then", "ask")
	fails(exitUsage, "write == to compare", "tools", "rule", "add", "x", "--when", `property = "amount"`, "--then", "ask")
	fails(exitUsage, "nobody of", "tools", "rule", "add", "x", "--when", "fills", "--then", "ask", "--host", "nobody@acme.example")
	require.Contains(t, ok("tools", "explain", "0-3.update", "-p", "amount=60000"), `Update Deal: deny, since the rule "big deals" denies it (amount).`)
	require.Contains(t, ok("tools", "explain", "note.create", "-p", "hs_note_body=a=b, c", "--host", "mara@acme.example"), "Create Note: ask")
	require.Contains(t, ok("tools", "explain", "note.create"), "Create Note: allow")
	var explained struct {
		Permission policy.Permission `json:"permission"`
		Rule       string            `json:"rule"`
		Steps      []policy.Step     `json:"steps"`
	}
	require.NoError(t, json.Unmarshal([]byte(ok("tools", "explain", "deal.update", "-p", "amount=60000", "--json")), &explained))
	require.Equal(t, policy.Deny, explained.Permission)
	require.Equal(t, "big deals", explained.Rule)
	require.True(t, explained.Steps[1].Decided)

	fails(exitUsage, "there is no tool", "tools", "set", "ask", "car.update")
	ok("tools", "set", "ask", "p4711_car.update", "deals.update")
	ok("tools", "set", "deny", "deal.create", "--host", "mara@acme.example")
	listed := ok("tools", "list")
	for _, part := range []string{"p4711_car.update", "in the meetings of person", "Rules on top of them: 2"} {
		require.Contains(t, listed, part)
	}
	require.Contains(t, ok("tools", "explain", "deal.create", "--host", "mara@acme.example"), "Create Deal: deny, since Create Deal is set to deny for this host")
	ok("tools", "rule", "remove", "big deals")
	fails(exitUsage, "there is no rule", "tools", "rule", "remove", "big deals")
	require.Contains(t, ok("tools", "rule", "variables"), "target_of_attendee")
	fails(exitUsage, "shadow", "tools", "preset", "open")
}
