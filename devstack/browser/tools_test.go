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
	admin.screenshot("permissions")
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

	// On a small screen nothing sticks out.
	admin.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true}, nil)
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
