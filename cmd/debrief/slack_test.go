package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/store"
)

func TestSlackCommands(t *testing.T) {
	t.Parallel()
	s, o, debrief := company(t)
	slack := slacktest.New()
	t.Cleanup(slack.Close)
	everything := ""
	run := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := debrief(append([]string{"--slack-api-url", slack.APIURL()}, args...)...)
		require.Equal(t, want, code, stderr)
		everything += stdout + stderr
		return stdout + stderr
	}
	token, secret := writeFile(t, slack.Token+"\n"), writeFile(t, slack.SigningSecret)
	require.Contains(t, run(exitUsage, "slack", "status"), "debrief slack connect")
	require.Contains(t, run(exitUsage, "slack", "connect", "--token-file", writeFile(t, "xoxb-wrong"), "--secret-file", secret), "invalid_auth")
	slack.Scopes("chat:write,im:write")
	require.Contains(t, run(exitUsage, "slack", "connect", "--token-file", token, "--secret-file", secret), "im:history, users:read")
	slack.Scopes("chat:write,im:write,im:history,users:read,users:read.email,channels:read,groups:read")
	require.Contains(t, run(exitOK, "slack", "connect", "--token-file", token, "--secret-file", secret), "https://debrief.example/slack/interactions")
	status := run(exitOK, "slack", "status")
	for _, part := range []string{"Acme", slack.TeamID, slack.AppID, "accepts it", "none has come yet"} {
		require.Contains(t, status, part)
	}
	run(exitOK, "slack", "status", "--json")

	run(exitOK, "people", "add", "ada@acme.example")
	run(exitOK, "people", "add", "eve@elsewhere.example")
	slack.AddUser(slacktest.User{ID: "UADA", Email: "ada@acme.example"})
	slack.AddUser(slacktest.User{ID: "UEVE", Email: "eve@elsewhere.example"})
	run(exitOK, "slack", "test", "ada@acme.example")
	require.Len(t, slack.Cards("UADA"), 1)
	require.Contains(t, run(exitUsage, "slack", "test", "eve@elsewhere.example"), "no address in the organization's domains")
	require.Contains(t, run(exitUsage, "slack", "test", "nobody@acme.example"), "nobody in the organization")
	require.Empty(t, slack.Cards("UEVE"))

	slack.AddChannel(slacktest.Channel{ID: "CSALES", Name: "sales", Members: []string{"UADA"}})
	slack.AddChannel(slacktest.Channel{ID: "CMIXED", Name: "mixed", Members: []string{"UADA", "UEVE"}})
	require.Contains(t, run(exitOK, "slack", "channel", "CSALES"), "#sales")
	require.Contains(t, run(exitUsage, "slack", "channel", "CMIXED"), "a guest, or not of the organization")
	require.Contains(t, run(exitUsage, "slack", "channel", "CNONE"), "channel_not_found")
	run(exitUsage, "slack", "channel")
	require.Contains(t, run(exitOK, "slack", "status"), "#sales")
	run(exitOK, "slack", "channel", "--none")

	run(exitOK, "notify", "when", "--time-zone", "Europe/Berlin", "--quiet-hours", "20:00-08:00")
	require.Contains(t, run(exitOK, "notify", "when", "ada@acme.example", "--digest", "09:00"), "as the organization says")
	require.Contains(t, run(exitOK, "notify", "when"), "20:00-08:00")
	require.Contains(t, run(exitRefused, "notify", "when", "--quiet-hours", "at night"), "20:00-08:00, or off")

	slack.Revoke()
	require.Contains(t, run(exitOK, "slack", "status"), "token_revoked")
	run(exitOK, "slack", "disconnect")
	run(exitUsage, "slack", "status")

	require.NotContains(t, everything, slack.Token)
	require.NotContains(t, everything, slack.SigningSecret)
	trail, err := s.AuditTrail(t.Context(), o.ID, store.AuditFilter{Kind: store.AuditConnection})
	require.NoError(t, err)
	var reasons []string
	for _, e := range trail {
		reasons = append(reasons, e.Reason)
	}
	require.Equal(t, []string{
		"Slack: app A0DEBRIEF of workspace T0ACME connected", "Slack: channel set to CSALES", "Slack: channel removed", "Slack: app disconnected",
	}, reasons)
}
