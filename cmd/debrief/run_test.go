package main

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store/storetest"
)

// A program under `debrief run` ends as it would alone, finds what it needs, and
// nothing of Debrief's.
func TestRunAProgram(t *testing.T) {
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
	cli(exitOK, "people", "add", "mara@acme.example")
	cli(exitDisconnected, "run", "--person", "mara@acme.example", "--", "true")

	o, err := s.OrganizationByName(t.Context(), "acme")
	require.NoError(t, err)
	db, err := pgxpool.New(context.Background(), databaseURL)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	storetest.Connection(t, db, o.ID, 4711)

	run := func(want int, command ...string) string {
		t.Helper()
		return cli(want, append([]string{"run", "--as", "mara@acme.example", "--connection", "main", "--"}, command...)...)
	}
	run(exitOK, "true")
	run(7, "sh", "-c", "exit 7")
	run(128+9, "sh", "-c", "kill -9 $$")
	require.Equal(t, "a --json -b\n", run(exitOK, "echo", "a", "--json", "-b"))
	require.Contains(t, run(exitUsage, "no-such-program"), "is not there")
	cli(exitUsage, "run", "--person", "mara@acme.example")
	cli(exitUsage, "run", "--", "true")
	env := run(exitOK, "env")
	require.Contains(t, env, "HUBSPOT_ACCESS_TOKEN=debrief-run-")
	require.Contains(t, env, "HUBSPOT_BASE_URL=http://127.0.0.1:")
	for entry := range strings.Lines(env) {
		require.False(t, strings.HasPrefix(entry, "DEBRIEF_"), entry)
	}
}
