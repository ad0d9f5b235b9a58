//go:build unix

package pgserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	self := account{uid: os.Geteuid(), gid: os.Getegid()}
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)

	dir := filepath.Join(base, "a", "b")
	got, err := place(dir, self)
	require.NoError(t, err)
	require.Equal(t, dir, got)
	info, err := os.Stat(got)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	again, err := place(dir, self)
	require.NoError(t, err, "a folder of one's own is used again")
	require.Equal(t, dir, again)

	link := filepath.Join(base, "link")
	require.NoError(t, os.Symlink(filepath.Join(base, "a"), link))
	linked, err := place(filepath.Join(link, "b"), self)
	require.NoError(t, err)
	require.Equal(t, dir, linked, "one folder has one name")

	file := filepath.Join(base, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = place(file, self)
	require.ErrorContains(t, err, "is in the way")
}

func TestCanReach(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	closed, open := filepath.Join(base, "closed"), filepath.Join(base, "open")
	require.NoError(t, os.Mkdir(closed, 0o700))
	require.NoError(t, os.Mkdir(open, 0o711))

	stranger := account{name: "stranger", uid: 1 << 30, gid: 1 << 30, other: true}
	for path, want := range map[string]bool{
		"/x":                       true,
		"/usr/x":                   true,
		filepath.Join(closed, "x"): false,
	} {
		got, err := stranger.canReach(path)
		require.NoError(t, err)
		require.Equal(t, want, got, path)
	}

	self := account{uid: os.Geteuid(), gid: os.Getegid(), other: true}
	info, err := os.Stat(closed)
	require.NoError(t, err)
	require.True(t, self.mayPass(info), "the owner may")
	require.False(t, stranger.mayPass(info))
	info, err = os.Stat(open)
	require.NoError(t, err)
	require.True(t, stranger.mayPass(info))
}

func TestElsewhereIsDecidedByTheFolder(t *testing.T) {
	t.Parallel()
	first := elsewhere("/a/b")
	require.Equal(t, first, elsewhere("/a/b"))
	require.NotEqual(t, first, elsewhere("/a/c"))
	require.True(t, strings.HasPrefix(first, "/var/tmp/pgserver-"))
}
