package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
)

// TestExplain: ten decisions as `debrief tools explain` prints them, each worked out
// from what was set: the strictest of organization, team, host and rules, property by
// property. `go test -v -run TestExplain ./cmd/debrief` prints them as people see them.
func TestExplain(t *testing.T) {
	t.Parallel()
	_, _, debrief := company(t)
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := debrief(args...)
		require.Equal(t, exitOK, code, stderr)
		return stdout
	}
	run("people", "add", "mara@acme.example")
	run("people", "set", "mara@acme.example", "--team", "Sales")
	run("tools", "set", "allow", "deal.update", "deal.create", "note.create")
	run("tools", "set", "ask", "contact.update")
	run("tools", "set", "deny", "ticket.update")
	run("tools", "set", "ask", "note.create", "--team", "sales")
	run("tools", "set", "deny", "note.create", "--host", "mara@acme.example")
	run("tools", "rule", "add", "big deals", "--when", `property == "amount" && new > 50000`, "--then", "ask")
	run("tools", "rule", "add", "closing", "--when", "closes_deal", "--then", "ask")
	run("tools", "rule", "add", "fills", "--when", "fills", "--then", "allow", "--loosens")
	run("tools", "rule", "add", "unsure", "--when", `object == "contact" && confidence < 0.8`, "--then", "ask")

	const (
		header = "WHO | SAYS | ABOUT | WHY"
		big    = `rule "big deals" | ask | nothing here | property == "amount" && new > 50000`
		closes = `rule "closing" | ask | nothing here | closes_deal`
		fills  = `rule "fills" | allow, loosens | nothing here | fills`
		unsure = `rule "unsure" | ask | nothing here | object == "contact" && confidence < 0.8`
	)
	for i, test := range []struct {
		args string
		want []string
	}{
		// Allowed, and no rule has a say: 40,000 is not more than 50,000, nothing is
		// closed, the amount was not empty, and it is no contact.
		{"deal.update -p amount=40000 --old amount=30000", []string{
			"Update Deal: allow, since Update Deal is allowed.", "amount: 30000 → 40000", header,
			"→ | organization | allow | all of it | Update Deal is allowed", big, closes, fills, unsure,
		}},
		// The amount alone trips the rule; nothing is known of the name before.
		{"deal.update -p amount=60000 -p dealname=Renewal --old amount=40000", []string{
			`Update Deal: ask, since the rule "big deals" asks (amount).`, "amount: 40000 → 60000", "dealname: (not known) → Renewal", header,
			"organization | allow | all of it | Update Deal is allowed",
			`→ | rule "big deals" | ask | amount | property == "amount" && new > 50000`, closes, fills, unsure,
		}},
		// HubSpot's own closedwon is closed in every pipeline.
		{"deal.update -p dealstage=closedwon", []string{
			`Update Deal: ask, since the rule "closing" asks (dealstage).`, "dealstage: (not known) → closedwon", header,
			"organization | allow | all of it | Update Deal is allowed", big, `→ | rule "closing" | ask | dealstage | closes_deal`, fills, unsure,
		}},
		// Nobody knows what stage 1238712 is: the rule can't tell, so it asks.
		{"deal.update -p dealstage=1238712", []string{
			`Update Deal: ask, since the rule "closing" can't be evaluated, so it asks (dealstage).`, "dealstage: (not known) → 1238712", header,
			"organization | allow | all of it | Update Deal is allowed", big,
			`→ | rule "closing" | ask | dealstage | closes_deal – can't be evaluated: closes_deal is not known of this`, fills, unsure,
		}},
		// What is loosened is let through where else it would be asked about.
		{"contact.update -p phone=123 --old phone= --confidence 0.9", []string{
			`Update Contact: allow, since the rule "fills" allows it (phone).`, "phone: (empty) → 123", header,
			"organization | ask | all of it | Update Contact is set to ask", big, closes, `→ | rule "fills" | allow, loosens | phone | fills`, unsure,
		}},
		// One empty property lets no other one be replaced.
		{"contact.update -p phone=123 -p city=Ulm --old phone= --old city=Kiel --confidence 0.9", []string{
			"Update Contact: ask, since Update Contact is set to ask.", "city: Kiel → Ulm", "phone: (empty) → 123", header,
			"→ | organization | ask | all of it | Update Contact is set to ask", big, closes, `rule "fills" | allow, loosens | phone | fills`, unsure,
		}},
		// The rule that makes stricter has the last word over the one that loosens.
		{"contact.update -p phone=123 --old phone= --confidence 0.5", []string{
			`Update Contact: ask, since the rule "unsure" asks (phone).`, "phone: (empty) → 123", header,
			"organization | ask | all of it | Update Contact is set to ask", big, closes, `rule "fills" | allow, loosens | phone | fills`,
			`→ | rule "unsure" | ask | phone | object == "contact" && confidence < 0.8`,
		}},
		// Denied stays denied, whatever loosens.
		{"ticket.update -p hs_ticket_priority=HIGH --old hs_ticket_priority=", []string{
			"Update Ticket: deny, since Update Ticket is denied.", "hs_ticket_priority: (empty) → HIGH", header,
			"→ | organization | deny | all of it | Update Ticket is denied", big, closes,
			`rule "fills" | allow, loosens | hs_ticket_priority | fills`, unsure,
		}},
		// The strictest of organization, team and host.
		{"note.create -p hs_note_body=Hello --host mara@acme.example", []string{
			"Create Note: deny, since Create Note is set to deny for this host.", "hs_note_body: Hello", header,
			"organization | allow | all of it | Create Note is allowed", "team | ask | all of it | Create Note is set to ask for this team",
			"→ | host | deny | all of it | Create Note is set to deny for this host", big, closes, fills, unsure,
		}},
		// An amount without a currency is a question even where no rule minds it; what
		// can't be compared in the company's currency makes a rule ask, too.
		{"deal.create -p amount=60000 --currency missing", []string{
			"Create Deal: ask, since the amount has no currency.", "amount: 60000", header,
			"organization | allow | all of it | Create Deal is allowed", "→ | currency | ask | amount | the amount has no currency",
			`rule "big deals" | ask | amount | property == "amount" && new > 50000 – can't be evaluated: new is not known of this`, closes, fills, unsure,
		}},
	} {
		printed := run(append([]string{"tools", "explain"}, strings.Fields(test.args)...)...)
		t.Logf("%d. debrief tools explain %s\n\n%s", i+1, test.args, printed)
		require.Equal(t, test.want, cells(printed), test.args)
	}
}

// cells are the lines of what was printed, with bars for the gaps between columns.
func cells(printed string) []string {
	var lines []string
	for line := range strings.Lines(printed) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, regexp.MustCompile(` {2,}`).ReplaceAllString(line, " | "))
		}
	}
	return lines
}

func TestToolsCommands(t *testing.T) {
	t.Parallel()
	_, _, debrief := company(t)
	ok, fails := checks(t, debrief)
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

	fails(exitRefused, `nobody belongs to a team "sales"`, "tools", "set", "ask", "task.create", "--team", "sales")
	require.Contains(t, ok("people", "set", "mara@acme.example", "--team", "sales"), "is changed")
	require.Contains(t, ok("people", "show", "mara@acme.example"), "sales")
	ok("tools", "set", "ask", "task.create", "--team", "Sales")
	ok("tools", "rule", "add", "of sales", "--when", `object == "meeting"`, "--then", "ask", "--team", "sales")
	require.Contains(t, ok("tools", "list"), "in the meetings of team sales")
	require.Contains(t, ok("tools", "rule", "list"), "team sales")
	require.Contains(t, ok("tools", "explain", "task.create", "--host", "mara@acme.example"), "Create Task: ask, since Create Task is set to ask for this team.")

	require.Contains(t, ok("tools", "preview"), "Nothing was planned in the last 7 days.")
	require.Contains(t, ok("tools", "preview", "--preset", "hands-off", "--set", "deal.create=deny", "--without", "of sales", "--rule", "x", "--when", "fills", "--then", "deny"), "Nothing was planned")
	fails(exitUsage, "there is no preset", "tools", "preview", "--preset", "open")
	fails(exitUsage, "it is deny, ask or allow", "tools", "preview", "--rule", "x", "--when", "fills")
	fails(exitUsage, "is not a permission", "tools", "preview", "--set", "deal.create=maybe")
	require.Contains(t, ok("tools", "suggestions"), "Nothing to suggest")
	fails(exitUsage, "is not suggested", "tools", "suggestions", "--dismiss", "deal.create")
	require.Contains(t, ok("shadow", "report"), "Nothing was planned in shadow in the last 7 days")
	fails(exitNotFound, "nothing is connected yet", "tools", "objects")
}

// TestPickingACustomObject: the account's custom objects are listed; the one that is
// picked has three tools, denied until somebody says otherwise, and the scopes that
// they lack are named with the way to have them granted.
func TestPickingACustomObject(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	code, _, stderr := x.typed(x.app.ClientSecret+"\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, code, stderr)
	x.login("main", browse(t))
	require.Contains(t, x.ok("tools", "objects"), "The account has no custom objects.")
	typeID := x.sim.AddObjectType(simHub, "cars", "plate!")

	require.Equal(t, []string{
		"OBJECT | TYPE ID | LABEL | TOOLS | MISSING SCOPES",
		"p4711_cars | " + typeID + " | cars | not picked | crm.objects.custom.read crm.objects.custom.write",
		"`debrief tools objects NAME` makes tools of one.",
	}, cells(x.ok("tools", "objects")))
	require.NotContains(t, x.ok("tools", "list"), "p4711_cars")
	require.Equal(t, []string{
		"p4711_cars.read: deny", "p4711_cars.create: deny", "p4711_cars.update: deny",
		"`debrief tools set ask p4711_cars.read p4711_cars.create p4711_cars.update` lets Debrief use them after asking.",
		"Connection main lacks crm.objects.custom.read and crm.objects.custom.write: `debrief connections login main --scopes crm.objects.custom.read,crm.objects.custom.write` makes a link to consent again.",
	}, cells(x.ok("tools", "objects", typeID)))
	require.Contains(t, x.ok("tools", "list"), "p4711_cars.update")
	x.ok("tools", "set", "allow", "p4711_cars.read")
	require.Contains(t, x.ok("tools", "objects"), "create deny, read allow, update deny")
	require.Contains(t, x.ok("tools", "objects", "p4711_cars"), "p4711_cars.read: allow", "who picks again takes nothing back")
	code, _, stderr = x.run("tools", "objects", "boats")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, `no custom object "boats"`)
	require.Contains(t, x.ok("audit", "list"), "permission: Read Cars", "giving leave is in the trail")
}
