package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store/storetest"
)

// A rotation by its commands, from the first key to the second alone.
func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	_, databaseURL := storetest.New(t)
	file := keysetFile(t)
	at := func(args ...string) []string {
		return append([]string{"--database-url", databaseURL, "--keyset-file", file}, args...)
	}
	ok := func(into any, args ...string) {
		t.Helper()
		code, stdout, stderr := runCommand(t, at(append(args, "--json")...)...)
		require.Equal(t, exitOK, code, stderr)
		require.NoError(t, json.Unmarshal([]byte(stdout), into), stdout)
	}
	type status struct {
		Keys []struct {
			ID      int64 `json:"id"`
			Primary bool  `json:"primary"`
			Held    bool  `json:"held"`
			Rows    int   `json:"rows"`
		} `json:"keys"`
		Unreadable int `json:"unreadable_count"`
	}
	var answer map[string]any
	var s status
	ok(&answer, "organizations", "create", "acme", "--domain", "acme.example")
	ok(&s, "keys", "status")
	require.Len(t, s.Keys, 1)
	require.Positive(t, s.Keys[0].Rows)
	oldKey, rows := s.Keys[0].ID, s.Keys[0].Rows

	var added struct {
		Key int64 `json:"key_id"`
	}
	ok(&added, "keys", "add")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "no copy of the keyset is left behind")

	code, _, stderr := runCommand(t, at("keys", "retire", itoa(oldKey))...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "still sealed under key "+itoa(oldKey))
	ok(&answer, "keys", "promote", itoa(added.Key))
	code, _, stderr = runCommand(t, at("keys", "retire", itoa(added.Key))...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "the key that seals")
	code, _, stderr = runCommand(t, at("keys", "promote", "12")...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "no such key")
	var resealed struct{ Done, Unreadable int }
	ok(&resealed, "keys", "reseal")
	require.Equal(t, rows, resealed.Done)
	ok(&answer, "keys", "retire", itoa(oldKey))
	s = status{}
	ok(&s, "keys", "status")
	require.Len(t, s.Keys, 1)
	require.Equal(t, added.Key, s.Keys[0].ID)
	require.Equal(t, rows, s.Keys[0].Rows)
	require.Zero(t, s.Unreadable)

	// With the keyset from before, the rows are named, and nothing is touched.
	old := keysetFile(t)
	code, stdout, stderr := runCommand(t, "--database-url", databaseURL, "--keyset-file", old, "keys", "status")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "missing")
	require.Contains(t, stdout, "data_keys.wrapped")
	require.Contains(t, stdout, "does not hold")
	code, _, stderr = runCommand(t, "--database-url", databaseURL, "--keyset-file", old, "keys", "reseal")
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "left as they are")
}

// A keyset that a KMS wraps is written, changed and read through its program.
func TestAWrappedKeyset(t *testing.T) {
	t.Parallel()
	_, databaseURL := storetest.New(t)
	dir := t.TempDir()
	program, file := filepath.Join(dir, "kms"), filepath.Join(dir, "keyset")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ncase \"$1\" in wrap|unwrap) tr 'A-Za-z' 'N-ZA-Mn-za-m' ;; *) exit 64 ;; esac\n"), 0o700))
	for _, args := range [][]string{{"keys", "generate", file}, {"keys", "add", file}, {"organizations", "create", "acme", "--domain", "acme.example"}, {"keys", "status"}} {
		code, _, stderr := runCommand(t, append([]string{"--database-url", databaseURL, "--keyset-file", file, "--keyset-kms-command", program}, args...)...)
		require.Equal(t, exitOK, code, "%v: %s", args, stderr)
	}
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "primaryKeyId")
	code, _, stderr := runCommand(t, "--database-url", databaseURL, "--keyset-file", file, "keys", "status")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--keyset-file")
}

func TestNoticesWithoutAMailServer(t *testing.T) {
	t.Parallel()
	_, databaseURL := storetest.New(t)
	at := []string{"--database-url", databaseURL, "--keyset-file", keysetFile(t)}
	code, _, stderr := runCommand(t, append(at, "organizations", "create", "acme", "--domain", "acme.example")...)
	require.Equal(t, exitOK, code, stderr)
	code, stdout, stderr := runCommand(t, append(at, "notices", "list")...)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "No mail server is set")
	code, _, stderr = runCommand(t, append(at, "notify", "test", "ada@acme.example")...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--smtp-url")
	at = append(at, "--smtp-url", "smtp://127.0.0.1:1", "--mail-from", "debrief@acme.example")
	code, _, stderr = runCommand(t, append(at, "notify", "test", "eve@evil.example")...)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "own domains alone")
	code, _, stderr = runCommand(t, append(at, "notify", "test", "ada@acme.example")...)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "can't be reached")
	require.NotContains(t, stderr, "ada@")
}
