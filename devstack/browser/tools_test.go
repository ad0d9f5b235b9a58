package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An admin works with the permission matrix: looks at a preset and applies it,
// changes a permission, and adds a condition after a mistake in it.
func TestAnAdminSetsPermissions(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.post()
	sc.asked(3, "deal.create")
	admin := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	tools := stack.PublicURL() + "/tools"
	permission := func(tool string) string {
		t.Helper()
		var all []struct{ Tool, Permission string }
		require.NoError(t, sc.JSON(sc.ctx, &all, "tools", "list"))
		for _, one := range all {
			if one.Tool == tool {
				return one.Permission
			}
		}
		return ""
	}

	admin.open(tools)
	admin.shows("Nothing runs without permission.")
	require.Contains(t, admin.text(), "1 asked", "what was planned of late is counted")
	admin.accessible()

	// A preset says first what it would change.
	admin.click(`a[href="/tools?preset=hands-off#preview"]`, "")
	admin.shows("What the preset “hands-off” would change")
	require.Contains(t, admin.text(), "Update Deal: ask → allow")
	require.Contains(t, admin.text(), "The condition “closes a deal” comes:")
	require.Equal(t, "ask", permission("deal.update"), "looking changes nothing")
	admin.accessible()
	admin.click("a", "Leave it")
	admin.until("the preview to be gone", `!document.querySelector("#preview")`)

	// A change in the matrix, looked at before it is saved.
	admin.click(`input[name="contact.create"][value="deny"]`, "")
	admin.click("button", "What would change?")
	admin.shows("What this would change")
	require.Contains(t, admin.text(), "Create Contact: ask → deny")
	admin.size(width, 1250)
	admin.screenshot("permissions")
	admin.size(width, height)
	admin.click("#preview button", "Save")
	admin.shows("The permissions are saved.")
	require.Equal(t, "deny", permission("contact.create"))

	// A condition with a mistake is shown where the mistake is.
	admin.typeInto("#rule-name", "big deals")
	admin.typeInto("#rule-when", `property = "amount"`)
	admin.click("button", "Save the condition")
	admin.shows("Line 1, column 10")
	require.Contains(t, admin.text(), "write == to compare")
	admin.accessible()
	require.NoError(t, admin.eval(`document.querySelector("#rule-when").value = ""`, nil))
	admin.typeInto("#rule-when", `property == "amount" && new > 50000`)
	admin.click("button", "What would it decide?")
	admin.shows("The condition “big deals” comes:")
	admin.click("#preview button", "Save")
	admin.shows("The rule holds from now on.")
	require.Contains(t, admin.text(), "big deals")

	// What was approved often enough is suggested, and never switched by itself.
	suggested := func(tool string) {
		t.Helper()
		sc.eventually("the question about "+tool, func() bool { return len(sc.pending(tool)) == 1 })
		sc.run("approvals", "approve", sc.pending(tool)[0].ID.String())
		sc.sql(`insert into approvals select (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'decided_by_person_id', (select id from people where organization_id = p.organization_id limit 1)))).*
			from approvals p, generate_series(1, 30) where p.organization_id = (select id from organizations where name = $1) and p.state = 'approved' and p.decided_by_person_id is null`)
		admin.open(tools)
	}
	suggested("company.create")
	admin.shows("Create Company was approved 30 times in a row without a change")
	admin.accessible()
	admin.click(`form[action="/tools/dismiss"] button`, "")
	admin.until("no suggestion", `!document.querySelector('form[action="/tools/dismiss"]')`)
	require.Equal(t, "ask", permission("company.create"))
	suggested("deal.create")
	admin.shows("Create Deal was approved")
	admin.click(`button[name="deal.create"][value="allow"]`, "")
	admin.until("no suggestion", `!document.querySelector('form[action="/tools/dismiss"]')`)
	require.Equal(t, "allow", permission("deal.create"))

	// On a small screen nothing sticks out.
	admin.phone()
	admin.until("no sideways scrolling", "document.documentElement.scrollWidth <= 360")
	admin.screenshot("permissions-small")
}

// Deliveries, the trail and settings, as an admin reads them.
func TestAnAdminLooksThroughDeliveriesAndTheTrail(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.post()
	sc.asked(3, "deal.create")
	admin := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	admin.open(stack.PublicURL() + "/deliveries")
	admin.shows("understood")
	admin.accessible()
	admin.screenshot("deliveries")
	admin.click("tbody th a", "")
	admin.shows("Headers that were kept")
	admin.accessible()

	admin.open(stack.PublicURL() + "/audit?kind=call")
	admin.shows("HubSpot: Create Note")
	admin.accessible()
	admin.screenshot("audit")
	admin.open(stack.PublicURL() + "/audit?tool=note.create")
	admin.click("tbody th a", "")
	admin.click("button", "Show what was written")
	admin.shows("That you looked at this stands in the trail.")
	admin.accessible()

	admin.open(stack.PublicURL() + "/settings")
	admin.shows("How many people have to approve")
	admin.accessible()
	admin.screenshot("settings")
}
