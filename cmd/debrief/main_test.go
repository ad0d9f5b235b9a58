package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "debrief.yaml")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// A wrong setting is one sentence that names it, before anything starts.
func TestAWrongSettingIsOneSentence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no database":             {[]string{"serve"}, []string{"--database-url", "DEBRIEF_DATABASE_URL", "missing"}},
		"a database that is none": {[]string{"--database-url=postgres://h:x", "--keyset-file", keysetFile(t), "migrate"}, []string{"--database-url", "wrong"}},
		"no keyset":               {[]string{"--database-url=postgres://127.0.0.1/x", "migrate"}, []string{"--keyset-file", "missing", "keys generate"}},
		"a URL that is none":      {[]string{"--public-url=debrief", "serve"}, []string{"--public-url", "DEBRIEF_PUBLIC_URL", "not an http"}},
		"an unknown level":        {[]string{"--log-level=loud", "serve"}, []string{"--log-level", "DEBRIEF_LOG_LEVEL", "debug"}},
		"a misspelt file":         {[]string{"--config", writeFile(t, "databse-url: x\n"), "serve"}, []string{"databse-url", "no setting"}},
		"a file that is no YAML":  {[]string{"--config", writeFile(t, "\tx: [\n"), "serve"}, []string{"not YAML"}},
		"an unknown tool":         {[]string{"tools", "set", "allow", "deal.destroy"}, []string{"deal.destroy"}},
		"an unknown preset":       {[]string{"tools", "preset", "yolo"}, []string{"yolo", "recommended"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runCommand(t, c.args...)
			require.Equal(t, exitUsage, code, stderr)
			require.Empty(t, stdout)
			for _, part := range c.want {
				require.Contains(t, stderr, part)
			}
			require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		})
	}
}

func keysetFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keyset.json")
	require.NoError(t, os.WriteFile(file, storetest.Keyset(t), 0o600))
	return file
}

// The settings file, commands with --json, and the permissions of a fresh
// organization: everything is denied.
func TestCommandsOnAFreshInstallation(t *testing.T) {
	t.Parallel()
	_, databaseURL := storetest.New(t)
	settings := writeFile(t, "database-url: "+databaseURL+"\nkeyset-file: "+keysetFile(t)+"\n")

	code, _, stderr := runCommand(t, "--config", settings, "organizations", "create", "acme")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--domain")
	code, _, stderr = runCommand(t, "--config", settings, "organizations", "create", "acme", "--domain", "acme.example")
	require.Equal(t, exitOK, code, stderr)
	code, stdout, _ := runCommand(t, "--config", settings, "tools", "list", "--json")
	require.Equal(t, exitOK, code)
	require.NotContains(t, stdout, `"allow"`)
	require.Contains(t, stdout, `"deal.create"`)
	code, _, _ = runCommand(t, "--config", settings, "tools", "preset", "recommended")
	require.Equal(t, exitOK, code)
	code, stdout, _ = runCommand(t, "--config", settings, "sources", "add", "debrief", "--generate", "--json")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "whsec_")
	code, _, stderr = runCommand(t, "--config", settings, "approvals", "approve", "01a20340-e9c0-74f0-996c-2dd6e4832105")
	require.Equal(t, exitRefused, code)
	require.Contains(t, stderr, "no such question")
	code, stdout, _ = runCommand(t, "--config", settings, "audit", "list")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "deny → ask")
}
