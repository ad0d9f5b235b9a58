package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/planner/model/modeltest"
)

func TestModel(t *testing.T) {
	t.Parallel()
	command := sourcesCommand(t)
	key := writeFile(t, "sk-no-command-shows-this\n")
	answers := modeltest.Script(modeltest.Reply{Text: `{"there":true}`, In: 20, Out: 5}, modeltest.Reply{Status: 401, Body: "sk-no-command-shows-this"})
	endpoint := answers.Start(t) + "/v1"
	playbook := writeFile(t, "Ask about the term.")
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"sources", "add", "calendly", "bookings", "--generate"}, exitOK, "Let calendly post to"},
		{[]string{"model", "show"}, exitOK, "No model: nothing is sent to one."},
		{[]string{"model", "off"}, exitUsage, "there is no model to switch off"},
		{[]string{"model", "set", "--name", "small-1"}, exitUsage, "name the model first"},
		{[]string{"model", "set", "--kind", "openai", "--endpoint", "http://models.example/v1", "--name", "small-1"}, exitUsage, "https, or http on this machine"},
		{[]string{"model", "set", "--kind", "openai", "--endpoint", "https://models.example/v1", "--name", "small-1", "--key-file", key, "--monthly-cost", "5"}, exitRefused, "needs both of the model's prices"},
		{[]string{"model", "set", "--kind", "openai", "--endpoint", "https://models.example/v1", "--name", "small-1", "--key-file", key, "--on", "unknown"}, exitUsage, `there is no source named "unknown"`},
		{[]string{"model", "set", "--kind", "openai", "--endpoint", "https://models.example/v1", "--name", "small-1", "--key-file", key, "--on", "bookings"}, exitOK, "small-1 at models.example"},
		{[]string{"model", "set", "--monthly-cost", "12.5", "--input-price", "0.15", "--output-price", "0.6"}, exitOK, "small-1 at models.example"},
		{[]string{"model", "show"}, exitOK, "with a key"},
		{[]string{"model", "show"}, exitOK, "at most 12.50"},
		{[]string{"model", "set", "--name", "large-1"}, exitRefused, "needs both of the model's prices"}, // which are not known
		{[]string{"model", "set", "--name", "large-1", "--input-price", "3", "--output-price", "15"}, exitOK, "large-1 at models.example"},
		{[]string{"model", "set", "--kind", "openai", "--endpoint", endpoint, "--name", "small-1", "--key-file", key, "--monthly-cost", "0"}, exitOK, "small-1 at 127.0.0.1"},
		{[]string{"model", "check"}, exitOK, "answered after"},
		{[]string{"model", "check"}, exitRefused, "did not take the request (HTTP 401)"},
		{[]string{"model", "set", "--endpoint", "https://models.example/v1", "--on", "bookings"}, exitOK, "small-1 at models.example"},
		{[]string{"model", "calls"}, exitOK, "No calls"},
		{[]string{"model", "off", "bookings"}, exitOK, "off for one source"},
		{[]string{"model", "off", "--forget"}, exitOK, "endpoint and key are forgotten"},
		{[]string{"playbooks", "list"}, exitOK, "No playbook yet"},
		{[]string{"playbooks", "set", "Renewal", "--file", playbook}, exitOK, "is set"},
		{[]string{"playbooks", "list"}, exitOK, "Ask about the term."},
		{[]string{"playbooks", "remove", "renewal"}, exitOK, "is removed"},
		{[]string{"playbooks", "remove", "renewal"}, exitUsage, "there is no playbook"},
	} {
		code, out, errs := command(tc.args...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
		require.NotContains(t, out+errs, "sk-no-command")
	}
	_, out, _ := command("model", "show", "--json")
	var shown struct{ Model *struct{} }
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	require.Nil(t, shown.Model)
}
