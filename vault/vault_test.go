package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/debriefhq/debrief/vault"
)

func newKeyset(t *testing.T) []byte {
	t.Helper()
	raw, err := vault.NewKeyset()
	require.NoError(t, err)
	return raw
}

func newVault(t *testing.T, raw []byte) *vault.Vault {
	t.Helper()
	v, err := vault.New(raw)
	require.NoError(t, err)
	return v
}

// rotate adds a key to a keyset and makes it the one that seals.
func rotate(t *testing.T, raw []byte) (both, newOnly []byte) {
	t.Helper()
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	require.NoError(t, err)
	manager := keyset.NewManagerFromHandle(handle)
	oldID := handle.KeysetInfo().PrimaryKeyId
	newID, err := manager.Add(aead.AES256GCMKeyTemplate())
	require.NoError(t, err)
	require.NoError(t, manager.SetPrimary(newID))
	write := func() []byte {
		h, err := manager.Handle()
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&out)))
		return out.Bytes()
	}
	both = write()
	require.NoError(t, manager.Delete(oldID))
	return both, write()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	v := newVault(t, newKeyset(t))
	k, err := vault.NewDataKey()
	require.NoError(t, err)
	type cipher interface {
		Seal(plaintext []byte, place string) ([]byte, error)
		Open(sealed []byte, place string) ([]byte, error)
	}
	for name, c := range map[string]cipher{"vault": v, "data key": k} {
		for _, plaintext := range []string{"", "x", "a refresh token", strings.Repeat("long ", 100_000)} {
			sealed, err := c.Seal([]byte(plaintext), "table.column:1")
			require.NoError(t, err, name)
			if len(plaintext) >= 8 { // a single letter stands in many a ciphertext
				require.NotContains(t, string(sealed), plaintext[:8], name)
			}
			opened, err := c.Open(sealed, "table.column:1")
			require.NoError(t, err, name)
			require.Equal(t, plaintext, string(opened), name)

			again, err := c.Seal([]byte(plaintext), "table.column:1")
			require.NoError(t, err, name)
			require.NotEqual(t, sealed, again, "%s: equal plaintexts must not show as equal ciphertexts", name)
		}
	}
}

func TestOnlyTheRightPlaceAndBytesOpen(t *testing.T) {
	t.Parallel()
	v := newVault(t, newKeyset(t))
	sealed, err := v.Seal([]byte("secret"), "connections.refresh_token:1")
	require.NoError(t, err)

	changed := func(at int) []byte {
		c := bytes.Clone(sealed)
		c[at] ^= 1
		return c
	}
	for name, try := range map[string]struct {
		sealed []byte
		place  string
	}{
		"another row":      {sealed, "connections.refresh_token:2"},
		"another column":   {sealed, "access_tokens.token:1"},
		"no place":         {sealed, ""},
		"key ID changed":   {changed(1), "connections.refresh_token:1"},
		"nonce changed":    {changed(6), "connections.refresh_token:1"},
		"tag changed":      {changed(len(sealed) - 1), "connections.refresh_token:1"},
		"cut":              {sealed[:len(sealed)-1], "connections.refresh_token:1"},
		"lengthened":       {append(bytes.Clone(sealed), 0), "connections.refresh_token:1"},
		"nothing":          {nil, "connections.refresh_token:1"},
		"not a ciphertext": {[]byte("secret"), "connections.refresh_token:1"},
	} {
		opened, err := v.Open(try.sealed, try.place)
		require.ErrorIs(t, err, vault.ErrCannotOpen, name)
		require.Nil(t, opened, name)
	}
	_, err = newVault(t, newKeyset(t)).Open(sealed, "connections.refresh_token:1")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "other keys")
}

func TestRotation(t *testing.T) {
	t.Parallel()
	oldKeys := newKeyset(t)
	bothKeys, newKeys := rotate(t, oldKeys)
	before, both, after := newVault(t, oldKeys), newVault(t, bothKeys), newVault(t, newKeys)

	old, err := before.Seal([]byte("sealed before"), "p")
	require.NoError(t, err)
	opened, err := both.Open(old, "p")
	require.NoError(t, err, "every key of the set opens")
	require.Equal(t, "sealed before", string(opened))

	fresh, err := both.Seal([]byte("sealed after"), "p")
	require.NoError(t, err)
	opened, err = after.Open(fresh, "p")
	require.NoError(t, err, "the newest key seals")
	require.Equal(t, "sealed after", string(opened))

	_, err = before.Open(fresh, "p")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "the old key alone does not open what the new one sealed")
	_, err = after.Open(old, "p")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "the dropped key is gone")

	// A data key lives through it by being wrapped anew.
	k, err := vault.NewDataKey()
	require.NoError(t, err)
	words, err := k.Seal([]byte("words"), "m")
	require.NoError(t, err)
	wrapped, err := before.Wrap(k, "data_keys.wrapped:1")
	require.NoError(t, err)
	unwrapped, err := both.Unwrap(wrapped, "data_keys.wrapped:1")
	require.NoError(t, err)
	rewrapped, err := both.Wrap(unwrapped, "data_keys.wrapped:1")
	require.NoError(t, err)
	unwrapped, err = after.Unwrap(rewrapped, "data_keys.wrapped:1")
	require.NoError(t, err)
	opened, err = unwrapped.Open(words, "m")
	require.NoError(t, err)
	require.Equal(t, "words", string(opened))
}

func TestDataKeys(t *testing.T) {
	t.Parallel()
	v := newVault(t, newKeyset(t))
	mine, err := vault.NewDataKey()
	require.NoError(t, err)
	other, err := vault.NewDataKey()
	require.NoError(t, err)

	sealed, err := mine.Seal([]byte("words"), "meetings.sealed:1")
	require.NoError(t, err)
	_, err = other.Open(sealed, "meetings.sealed:1")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "another meeting's key")
	_, err = mine.Open(sealed, "meetings.sealed:2")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "another row")

	// A wrapped key is bound to its row.
	wrapped, err := v.Wrap(mine, "data_keys.wrapped:1")
	require.NoError(t, err)
	_, err = v.Unwrap(wrapped, "data_keys.wrapped:2")
	require.ErrorIs(t, err, vault.ErrCannotOpen)

	// A delivery's key is handed from its source to its meeting.
	handed, err := other.WrapKey(mine, "deliveries.body_key:1")
	require.NoError(t, err)
	got, err := other.UnwrapKey(handed, "deliveries.body_key:1")
	require.NoError(t, err)
	opened, err := got.Open(sealed, "meetings.sealed:1")
	require.NoError(t, err)
	require.Equal(t, "words", string(opened))
	_, err = mine.UnwrapKey(handed, "deliveries.body_key:1")
	require.ErrorIs(t, err, vault.ErrCannotOpen, "by its new owner only")

	// Hashes: the same under one key, another under another, and of another
	// length than what would leak.
	require.Equal(t, mine.MAC([]byte("a@x.example")), got.MAC([]byte("a@x.example")))
	require.NotEqual(t, mine.MAC([]byte("a@x.example")), other.MAC([]byte("a@x.example")))
	require.NotEqual(t, mine.MAC([]byte("a")), mine.MAC([]byte("b")))
	require.Len(t, mine.MAC(nil), 32)
}

// An erased key is a nil one to who asks for it: nothing opens, nothing panics.
func TestErasedKey(t *testing.T) {
	t.Parallel()
	var erased *vault.DataKey
	_, err := erased.Open([]byte("whatever"), "p")
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	_, err = erased.Seal([]byte("words"), "p")
	require.Error(t, err)
	_, err = (&vault.DataKey{}).Seal([]byte("words"), "p")
	require.Error(t, err)
}

func TestLoad(t *testing.T) {
	t.Parallel()
	raw := newKeyset(t)
	sealed, err := newVault(t, raw).Seal([]byte("x"), "p")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "keyset.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	for name, in := range map[string][2]string{
		"file":   {file, ""},
		"inline": {"", string(raw)},
		"base64": {"", base64.StdEncoding.EncodeToString(raw)},
	} {
		v, err := vault.Load(in[0], in[1])
		require.NoError(t, err, name)
		_, err = v.Open(sealed, "p")
		require.NoError(t, err, name)
	}
	_, err = vault.Load("", "")
	require.ErrorContains(t, err, "debrief keys generate")
	_, err = vault.Load(filepath.Join(t.TempDir(), "absent"), "")
	require.Error(t, err)
}

// A keyset that is not quite right is still key material: no part of it may come
// back in an error.
func TestErrorsHoldNoKeyMaterial(t *testing.T) {
	t.Parallel()
	raw := newKeyset(t)
	value := keyValue(t, raw)
	broken := map[string][]byte{
		"cut":            raw[:len(raw)-2],
		"wrong type":     bytes.Replace(raw, []byte("AesGcmKey"), []byte("NoSuchKey"), 1),
		"field renamed":  bytes.Replace(raw, []byte(`"value"`), []byte(`"eulav"`), 1),
		"value repeated": bytes.Replace(raw, []byte(`"value"`), []byte(`"`+value+`":1,"value"`), 1),
		"base64 of half": []byte(base64.StdEncoding.EncodeToString(raw[:len(raw)/2])),
		"not a keyset":   []byte(`{"value":"` + value + `"}`),
	}
	for name, bad := range broken {
		for _, load := range []func() error{
			func() error { _, err := vault.New(bad); return err },
			func() error { _, err := vault.Load("", string(bad)); return err },
			func() error { _, err := vault.Load("", base64.StdEncoding.EncodeToString(bad)); return err },
		} {
			err := load()
			require.Error(t, err, name)
			require.NotContains(t, err.Error(), value[:8], name)
			require.NotContains(t, err.Error(), string(bad[:min(len(bad), 20)]), name)
		}
	}
	v := newVault(t, raw)
	_, err := v.Open([]byte("the ciphertext itself"), "the place")
	require.NotContains(t, err.Error(), "the ciphertext itself")
}

func keyValue(t *testing.T, raw []byte) string {
	t.Helper()
	_, rest, found := strings.Cut(string(raw), `"value":"`)
	require.True(t, found, "the keyset's JSON has changed its form")
	value, _, _ := strings.Cut(rest, `"`)
	require.Greater(t, len(value), 40)
	return value
}

// A keyset that was set where its file's name belongs is not told in the error.
func TestLoadDoesNotQuoteAKeyset(t *testing.T) {
	t.Parallel()
	raw := newKeyset(t)
	var parsed struct {
		Key []struct {
			KeyData struct{ Value string }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &parsed))
	value := parsed.Key[0].KeyData.Value
	require.NotEmpty(t, value)
	encoded := base64.StdEncoding.EncodeToString(raw)
	for name, file := range map[string]string{
		"JSON":             string(raw),
		"JSON in a folder": "/run/" + string(raw),
		"a part of it":     `"value":"` + value + `"`,
		"base64":           encoded,
	} {
		_, err := vault.Load(file, "")
		require.ErrorContains(t, err, "reading the keyset", name)
		require.NotContains(t, err.Error(), value, name)
		require.NotContains(t, err.Error(), encoded[:32], name)
		require.NotContains(t, err.Error(), "primaryKeyId", name)
	}
	_, err := vault.Load("testdata/no-such-keyset.json", "")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "testdata/no-such-keyset.json")
}
