package vault_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/vault"
)

func TestRotationInSteps(t *testing.T) {
	t.Parallel()
	first := newKeyset(t)
	before := newVault(t, first)
	oldKey := before.Primary()
	require.Equal(t, []vault.Key{{ID: oldKey, Primary: true}}, before.Keys())
	sealed, err := before.Seal([]byte("secret"), "p")
	require.NoError(t, err)
	under, ok := vault.KeyOf(sealed)
	require.True(t, ok)
	require.Equal(t, oldKey, under)
	require.Equal(t, oldKey.Prefix(), sealed[:5])

	// The new key opens before it seals: processes with the old keyset lose nothing.
	both, newKey, err := vault.AddKey(first)
	require.NoError(t, err)
	added := newVault(t, both)
	require.Equal(t, oldKey, added.Primary())
	require.ElementsMatch(t, []vault.Key{{ID: oldKey, Primary: true}, {ID: newKey}}, added.Keys())

	promotedSet, err := vault.PromoteKey(both, newKey)
	require.NoError(t, err)
	promoted := newVault(t, promotedSet)
	require.Equal(t, newKey, promoted.Primary())
	fresh, err := promoted.Seal([]byte("fresh"), "p")
	require.NoError(t, err)
	opened, err := added.Open(fresh, "p")
	require.NoError(t, err, "who has not been restarted opens what the new key sealed")
	require.Equal(t, "fresh", string(opened))

	resealed, changed, err := promoted.Reseal(sealed, "p")
	require.NoError(t, err)
	require.True(t, changed)
	again, changed, err := promoted.Reseal(resealed, "p")
	require.NoError(t, err)
	require.False(t, changed, "what is under the primary key is left alone")
	require.Equal(t, resealed, again)
	_, _, err = promoted.Reseal(sealed, "another place")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "sealing anew must not free it from its place")

	_, err = vault.RetireKey(promotedSet, newKey)
	require.ErrorIs(t, err, vault.ErrPrimaryKey)
	_, err = vault.RetireKey(promotedSet, 1)
	require.ErrorIs(t, err, vault.ErrNoSuchKey)
	_, err = vault.PromoteKey(promotedSet, 1)
	require.ErrorIs(t, err, vault.ErrNoSuchKey)
	rest, err := vault.RetireKey(promotedSet, oldKey)
	require.NoError(t, err)
	after := newVault(t, rest)
	opened, err = after.Open(resealed, "p")
	require.NoError(t, err)
	require.Equal(t, "secret", string(opened))
	_, err = after.Open(sealed, "p")
	var unknown *vault.UnknownKeyError
	require.ErrorAs(t, err, &unknown, "a missing key is named")
	require.Equal(t, oldKey, unknown.Key)
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	require.Contains(t, err.Error(), oldKey.String())
}

func TestKeyOfWhatIsNoCiphertext(t *testing.T) {
	t.Parallel()
	for _, sealed := range [][]byte{nil, {}, {1}, {1, 2, 3, 4, 5}, []byte("a token in clear")} {
		_, ok := vault.KeyOf(sealed)
		require.False(t, ok, "%q", sealed)
	}
	for _, text := range []string{"", "x", "-1", "4294967296", "1 "} {
		_, err := vault.ParseKeyID(text)
		require.Error(t, err, text)
	}
	id, err := vault.ParseKeyID("4294967295")
	require.NoError(t, err)
	require.Equal(t, "4294967295", id.String())
}

// program writes a shell script that stands in for one which asks a KMS.
func program(t *testing.T, body string) vault.Command {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kms")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\nset -eu\n"+body), 0o700))
	return vault.Command{Path: file}
}

// The stand-in's cipher is a toy: what matters is that the bytes go through a
// real program.
const rot13 = `case "$1" in
wrap) printf 'wrapped:'; tr 'A-Za-z' 'N-ZA-Mn-za-m' ;;
unwrap) in=$(cat); case "$in" in wrapped:*) printf '%s' "${in#wrapped:}" | tr 'A-Za-z' 'N-ZA-Mn-za-m' ;; *) exit 1 ;; esac ;;
*) exit 64 ;;
esac
`

func TestAKeysetWrappedByAProgram(t *testing.T) {
	t.Parallel()
	kms := program(t, rot13)
	raw := newKeyset(t)
	wrapped, err := kms.Wrap(t.Context(), raw)
	require.NoError(t, err)
	require.NotContains(t, string(wrapped), "primaryKeyId")
	file := filepath.Join(t.TempDir(), "keyset")
	require.NoError(t, os.WriteFile(file, wrapped, 0o600))

	_, err = vault.Load(file, "")
	require.ErrorContains(t, err, "not a Tink JSON keyset", "without the program it is no keyset")
	unwrapped, err := vault.ReadKeyset(t.Context(), file, "", kms)
	require.NoError(t, err)
	sealed, err := newVault(t, raw).Seal([]byte("secret"), "p")
	require.NoError(t, err)
	opened, err := newVault(t, unwrapped).Open(sealed, "p")
	require.NoError(t, err)
	require.Equal(t, "secret", string(opened))

	_, err = kms.Unwrap(t.Context(), []byte("something:else"))
	require.ErrorContains(t, err, "code 1")
}

func TestAProgramThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"a refusal":    {"echo 'AKIAEXAMPLE may not' >&2; exit 3", "code 3"},
		"nothing":      {"exit 0", "wrote nothing"},
		"without end":  {"cat /dev/zero", "more than 1048576 bytes"},
		"reads little": {"exit 5", "code 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := program(t, c.body).Unwrap(t.Context(), []byte(strings.Repeat("secret", 100_000)))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "AKIAEXAMPLE", "what it says may be anything")
			require.NotContains(t, err.Error(), "secret")
		})
	}
	_, err := vault.Command{Path: filepath.Join(t.TempDir(), "none")}.Unwrap(t.Context(), []byte("x"))
	require.ErrorContains(t, err, "no such file")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	begun := time.Now()
	_, err = program(t, "sleep 60").Unwrap(ctx, []byte("x"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begun), 20*time.Second, "nor do its children hold it up")
}
