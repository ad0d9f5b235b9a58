package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// The main job: what is allowed is written at once, what is asked waits for its
// answer, and every answer has its effect, once.
func TestFromAWebhookToApprovedRecords(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.post("msg-1", call("call-1"))

	pending := sc.asked(4) // company, contact, deal, ticket
	sc.run("approvals", "approve", about(t, pending, "company.create").ID.String())
	sc.run("approvals", "approve", about(t, pending, "contact.create").ID.String())
	sc.run("approvals", "edit", about(t, pending, "deal.create").ID.String(), "--set", "amount=45000")
	sc.run("approvals", "reject", about(t, pending, "ticket.create").ID.String(), "--reason", "they solved it")
	f := sc.closed(1)

	require.Equal(t, 1, f.Report.Decisions[store.ApprovalEdited])
	require.Equal(t, 2, f.Report.Decisions[store.ApprovalApproved])
	require.Equal(t, 1, f.Report.Decisions[store.ApprovalRejected])
	require.Len(t, sc.records("contacts", "email")["priya@tidewell.example"], 1)
	require.Len(t, sc.records("companies", "domain")["tidewell.example"], 1)
	deals := sc.records("deals", "dealname")["Harrow Mills: Lyon rollout"]
	require.Len(t, deals, 1)
	require.Equal(t, "45000", deals[0].Properties["amount"])
	require.Equal(t, "8801", deals[0].Properties["hubspot_owner_id"], "owned by the host's owner")
	require.Empty(t, sc.world.Simulator.Records(sc.HubID, "tickets"))
	require.Len(t, sc.world.Simulator.Records(sc.HubID, "meetings"), 1)
	require.Len(t, sc.world.Simulator.Records(sc.HubID, "tasks"), 1)
}
