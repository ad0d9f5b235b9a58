package main

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// Who approves, and who answers in whose place, as an operator says it.
func TestApprovalSettingsByCommand(t *testing.T) {
	t.Parallel()
	s, databaseURL := storetest.New(t)
	settings := writeFile(t, "database-url: "+databaseURL+"\nkeyset-file: "+keysetFile(t)+"\norganization: acme\n")
	cli := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := runCommand(t, append([]string{"--config", settings}, args...)...)
		require.Equal(t, want, code, "%v: %s", args, stderr)
		return stdout + stderr
	}
	cli(exitOK, "organizations", "create", "acme", "--domain", "acme.example")
	for _, name := range []string{"ada", "finn", "mara"} {
		cli(exitOK, "people", "add", name+"@acme.example", "--role", "approver")
	}
	require.Contains(t, cli(exitRefused, "organizations", "set", "--quorum", "4"), "4 are needed, and there are 3")
	require.Contains(t, cli(exitUsage, "organizations", "set", "--approver", "nobody@acme.example"), "nobody of acme")
	require.Contains(t, cli(exitUsage, "organizations", "set", "--on-expiry", "approve"), "on-expiry")
	cli(exitOK, "organizations", "set", "--quorum", "2", "--no-self-approval", "--on-expiry", "escalate", "--remind-after", "0",
		"--approver", "ada@acme.example", "--approver", "finn@acme.example", "--approver", "mara@acme.example")
	o, err := s.OrganizationByName(t.Context(), "acme")
	require.NoError(t, err)
	require.Len(t, o.Settings.Approvals.Approvers, 3)
	require.Equal(t, store.ApprovalSettings{
		Quorum: 2, NoSelfApproval: true, OnExpiry: store.ExpiryEscalates, RemindAfter: -1, Approvers: o.Settings.Approvals.Approvers,
	}, o.Settings.Approvals)
	cli(exitOK, "organizations", "set", "--approver", "", "--self-approval")
	o, err = s.OrganizationByName(t.Context(), "acme")
	require.NoError(t, err)
	require.Empty(t, o.Settings.Approvals.Approvers)
	require.False(t, o.Settings.Approvals.NoSelfApproval)
	require.Equal(t, 2, o.Settings.Approvals.Quorum, "what is not named stays")

	require.Contains(t, cli(exitRefused, "approvals", "delegate", "--from", "ada@acme.example", "--to", "finn@acme.example", "--until", "2020-01-31"), "in the future")
	day := o.CreatedAt.AddDate(0, 0, 7).Local()
	cli(exitOK, "approvals", "delegate", "--from", "ada@acme.example", "--to", "finn@acme.example", "--until", day.Format("2006-01-02"))
	var all []store.Delegation
	require.NoError(t, json.Unmarshal([]byte(cli(exitOK, "approvals", "delegations", "--json")), &all))
	require.Len(t, all, 1)
	require.Equal(t, day.AddDate(0, 0, 1).Format("2006-01-02 00:00"), all[0].Until.Local().Format("2006-01-02 15:04"), "to the end of that day")
	cli(exitOK, "approvals", "undelegate", "--from", "ada@acme.example")
	require.Contains(t, cli(exitNotFound, "approvals", "undelegate", "--from", "ada@acme.example"), "Nobody answers in the place of")
	require.Contains(t, cli(exitUsage, "approvals", "approve", uuid.NewString(), "--as", "nobody@acme.example"), "nobody of acme")
	require.Contains(t, cli(exitRefused, "approvals", "approve", uuid.NewString(), "--as", "ada@acme.example"), "no such question")
}
