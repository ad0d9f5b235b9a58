//go:build unix

package pgserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChooseBinaries(t *testing.T) {
	t.Parallel()
	install := func(version string, names ...string) string {
		dir := t.TempDir()
		for _, name := range names {
			script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
		}
		return dir
	}
	clientOnly := install("17.2", "psql")
	fifteen := install("15.18 (Debian 15.18-0+deb12u1)", "postgres", "initdb", "psql")
	seventeen := install("17.2", "postgres", "initdb", "psql")
	odd := install("devel", "postgres", "initdb", "psql")

	for _, tc := range []struct {
		name, major, want, err string
		dirs                   []string
	}{
		{name: "nothing", err: "not installed"},
		{name: "no folder", dirs: []string{"/nowhere"}, err: "not installed"},
		{name: "client only", dirs: []string{clientOnly}, err: "not installed"},
		{name: "first that has all", dirs: []string{clientOnly, seventeen, fifteen}, want: seventeen},
		{name: "the version of the data", dirs: []string{seventeen, fifteen}, major: "15", want: fifteen},
		{name: "another version than the data", dirs: []string{seventeen}, major: "15", err: "made by PostgreSQL 15, and only 17 is installed"},
		{name: "data and nothing installed", major: "15", err: "not installed"},
		{name: "unreadable version", dirs: []string{odd}, major: "15", err: "for its version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := chooseBinaries(t.Context(), tc.dirs, tc.major)
			require.Equal(t, tc.want, got)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.err)
			}
		})
	}
	_, err := chooseBinaries(t.Context(), nil, "")
	require.ErrorIs(t, err, ErrNotInstalled)
}

func TestInstallCommand(t *testing.T) {
	t.Parallel()
	require.Equal(t, "brew install postgresql@17", installCommand("darwin", false))
	require.Equal(t, "sudo apt-get install -y postgresql", installCommand("linux", false))
	require.Equal(t, "apt-get install -y postgresql", installCommand("linux", true))
}

func TestNumberIn(t *testing.T) {
	t.Parallel()
	require.Equal(t, 17, numberIn("/usr/lib/postgresql/17/bin"))
	require.Equal(t, 9, numberIn("/opt/homebrew/opt/postgresql@9/bin"))
	require.Equal(t, 0, numberIn("/usr/local/bin"))
}
