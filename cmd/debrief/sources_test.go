package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store/storetest"
)

// command runs a command on a database of its own organization.
func sourcesCommand(t *testing.T) func(args ...string) (int, string, string) {
	t.Helper()
	s, databaseURL := storetest.New(t)
	storetest.Organization(t, s)
	keyset := filepath.Join(t.TempDir(), "keyset")
	require.NoError(t, os.WriteFile(keyset, storetest.Keyset(t), 0o600))
	return func(args ...string) (int, string, string) {
		return runCommand(t, append([]string{"--database-url", databaseURL, "--keyset-file", keyset, "--public-url", "https://debrief.example"}, args...)...)
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	command := sourcesCommand(t)
	definition := writeFile(t, "name: acme-notes\ntitle: Acme\nverify: {scheme: url-token}\nevents: [{type: meeting.notes_ready}]\nmeeting: {instance_id: id}\n")
	broken := writeFile(t, "name: acme-notes\ntitle: Acme\nverify: {}\n")
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"sources", "platforms"}, exitOK, "a signed token (RS256) over the URL and the body"},
		{[]string{"sources", "add", "calendly", "bookings", "--generate"}, exitOK, "Let calendly post to"},
		{[]string{"sources", "add", "--platform", "otter", "--generate"}, exitOK, "Add ?token= and the secret to the URL."},
		{[]string{"sources", "add", "--definition", definition, "acme", "--generate"}, exitOK, "Let acme-notes post to"},
		{[]string{"sources", "add", "--definition", broken, "--generate"}, exitUsage, "unsigned webhooks are never accepted"},
		{[]string{"sources", "add", "hubspot-meetings"}, exitOK, "Nothing posts anything"},
		{[]string{"sources", "add", "hubspot-meetings", "--installation"}, exitUsage, "for one organization"},
		{[]string{"sources", "add", "imagined", "--generate"}, exitUsage, `there is no platform "imagined"`},
		{[]string{"sources", "add", "read-ai", "--generate"}, exitUsage, "the signing secret does not fit read-ai"},
		{[]string{"sources", "set", "bookings", "--rate-limit", "60", "--body-limit", "65536"}, exitOK, "bookings is set."},
		{[]string{"sources", "set", "bookings", "--body-limit", "99999999"}, exitUsage, "--body-limit should be from 0 to 10485760"},
		{[]string{"sources", "set", "bookings", "--definition", definition}, exitUsage, "the definition is of the platform acme-notes"},
		{[]string{"sources", "show", "bookings"}, exitOK, "https://debrief.example/webhooks/"},
		{[]string{"sources", "show", "imagined"}, exitUsage, `there is no source named "imagined"`},
		{[]string{"sources", "rotate", "acme", "--generate"}, exitOK, "Both secrets are valid now"},
		{[]string{"sources", "retire", "acme"}, exitOK, "retired"},
	} {
		code, out, errs := command(tc.args...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
	}
}

// One source for all: it is nobody's in particular, and an account is one
// organization's.
func TestSourcesOfTheInstallation(t *testing.T) {
	t.Parallel()
	command := sourcesCommand(t)
	_, organizations, _ := command("organizations", "list", "--json")
	var made []struct{ Name string }
	require.NoError(t, json.Unmarshal([]byte(organizations), &made))
	ours := made[0].Name
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"organizations", "create", "another", "--domain", "another.example"}, exitOK, "another"},
		{[]string{"sources", "add", "zoom", "--installation", "--generate"}, exitOK, "Let zoom post to"},
		{[]string{"sources", "list", "--installation"}, exitOK, "zoom"},
		{[]string{"sources", "add", "microsoft", "--installation", "--generate"}, exitUsage, "add a source for each organization"},
		{[]string{"sources", "list", "-o", ours}, exitOK, "No source yet"},
		{[]string{"sources", "disable", "zoom", "-o", ours}, exitUsage, `there is no source named "zoom"`},
		{[]string{"sources", "set", "zoom", "--installation", "--rate-limit", "600"}, exitOK, "zoom is set."},
		{[]string{"sources", "connect", "zoom", "Acct_1", "-o", ours}, exitOK, "what it told before included"},
		{[]string{"sources", "connect", "zoom", "Acct_1", "-o", "another"}, exitRefused, "another organization's"},
		{[]string{"sources", "disconnect", "zoom", "Acct_1", "-o", "another"}, exitUsage, "is not connected with another"},
		{[]string{"sources", "disconnect", "zoom", "Acct_1", "-o", ours}, exitOK, "nobody's from now on"},
		{[]string{"sources", "connect", "zoom", "Acct_1", "-o", "another"}, exitOK, "goes to another now"},
		{[]string{"sources", "connect", "imagined", "Acct_1", "-o", "another"}, exitUsage, "sources list --installation"},
	} {
		code, out, errs := command(tc.args...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
	}
}

func TestExclusions(t *testing.T) {
	t.Parallel()
	command := sourcesCommand(t)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list"}, exitOK, "internal"},
		{[]string{"add", "title-word", "Salary"}, exitOK, "From now on"},
		{[]string{"add", "host", "dana"}, exitUsage, "a host is an e-mail address"},
		{[]string{"add", "domain", "https://x.example"}, exitUsage, "a domain is written as in"},
		{[]string{"add", "internal", "yes"}, exitUsage, "takes no value"},
		{[]string{"remove", "internal"}, exitOK, "From now on"},
		{[]string{"remove", "host", "dana@acme.example"}, exitNotFound, "there is no such rule"},
		{[]string{"preview"}, exitOK, "would have dropped nothing"},
		{[]string{"preview", "--with", "title-word=board meeting", "--with", "internal"}, exitOK, "would have dropped nothing"},
		{[]string{"preview", "--with", "mood=bad"}, exitUsage, "the rules are"},
		{[]string{"preview", "--days", "0"}, exitUsage, "--days"},
	} {
		code, out, errs := command(append([]string{"exclusions"}, tc.args...)...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
	}
	_, out, _ := command("exclusions", "list", "--json")
	var rules meeting.Exclusions
	require.NoError(t, json.Unmarshal([]byte(out), &rules))
	require.Equal(t, meeting.Exclusions{KeepInternal: true, TitleWords: []string{"salary"}}, rules)
}

// Credentials come from a file or from standard input, and are shown nowhere.
func TestSourcesCredentials(t *testing.T) {
	t.Parallel()
	command := sourcesCommand(t)
	good := writeFile(t, "{\n \"account_id\": \"planted-account\",\n \"client_id\": \"planted-client\",\n \"client_secret\": \"planted-secret\"\n}\n")
	short := writeFile(t, `{"account_id": "planted-account"}`)
	empty := writeFile(t, "\n")
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"sources", "platforms"}, exitOK, "account_id, client_id, client_secret"},
		{[]string{"sources", "add", "zoom", "calls", "--generate", "--api-url", "https://zoom.example/"}, exitOK, "Let zoom post to"},
		{[]string{"sources", "add", "fathom", "--generate"}, exitOK, "Let fathom post to"},
		{[]string{"sources", "credentials", "calls", "--file", short}, exitUsage, "client_id is missing: the app's client ID"},
		{[]string{"sources", "credentials", "calls", "--file", empty}, exitUsage, "no credentials were given"},
		{[]string{"sources", "credentials", "calls"}, exitUsage, "no credentials were given"},
		{[]string{"sources", "credentials", "nobody", "--file", good}, exitUsage, `there is no source named "nobody"`},
		{[]string{"sources", "credentials", "fathom", "--file", good}, exitUsage, "Debrief does not use an API of fathom"},
		{[]string{"sources", "list"}, exitOK, "enabled       https"},
		{[]string{"sources", "credentials", "calls", "--file", good}, exitOK, "The API credentials of calls are set"},
		{[]string{"sources", "list", "--json"}, exitOK, `"api_url": "https://zoom.example"`},
		{[]string{"sources", "list"}, exitOK, "enabled  set"},
		{[]string{"sources", "set", "calls", "--api-url", "http://zoom.example"}, exitUsage, "--api-url can't be used: it should begin with https://"},
		{[]string{"sources", "set", "calls", "--api-url", ""}, exitOK, "calls is set."},
		{[]string{"sources", "credentials", "calls", "--remove"}, exitOK, "calls has no API credentials any more."},
		{[]string{"deliveries", "list", "--state", "fetching"}, exitOK, "Nothing was received"},
	} {
		code, out, errs := command(tc.args...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
		require.NotContains(t, out+errs, "planted", "%v", tc.args)
	}
}
