package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrCannotOpen is what [Vault.Open] and [DataKey.Open] report when a
// ciphertext does not belong to the keys at hand or to the place named: a wrong
// or missing key, a ciphertext that was changed, or one moved from another row.
// Which of these it was can't be told apart, by design of the cipher.
var ErrCannotOpen = errors.New("the ciphertext does not open with these keys at this place")

// Vault seals and opens small secrets. It is safe for concurrent use.
type Vault struct {
	aead tink.AEAD
}

// New returns a vault over a Tink JSON keyset with AEAD keys, as written by
// [NewKeyset]. It fails where the keyset can't be parsed or holds no AEAD key.
func New(keysetJSON []byte) (*Vault, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(keysetJSON)))
	if err != nil {
		// Tink's error may quote what it was given, and that is key material.
		return nil, errors.New("the keyset is not a Tink JSON keyset: write one with `debrief keys generate`")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("the keyset holds no usable AEAD keys: write one with `debrief keys generate`")
	}
	return &Vault{aead: primitive}, nil
}

// Load returns a vault over the keyset in the named file, or, where file is
// empty, over inline: the same JSON, plain or in base64, as an environment
// variable would carry it.
func Load(file, inline string) (*Vault, error) {
	switch {
	case file != "":
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, unreadable(file, err)
		}
		return New(raw)
	case strings.HasPrefix(strings.TrimSpace(inline), "{"):
		return New([]byte(inline))
	case inline != "":
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(inline))
		if err != nil {
			return nil, errors.New("the keyset is neither JSON nor base64 of it")
		}
		return New(raw)
	default:
		return nil, errors.New("no keyset is configured: write one with `debrief keys generate` and point the setting at it")
	}
}

// unreadable says why the keyset's file can't be read. Its name is told only if
// it can't be a keyset: somebody may have set the one where the other belongs,
// and os.PathError quotes what it was given.
func unreadable(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	// The shortest keyset is longer than this, as JSON and in base64.
	const longestName = 128
	if len(file) > longestName || strings.ContainsAny(file, "{}\"\r\n") {
		return fmt.Errorf("reading the keyset: its file's name does not look like one (it is not shown, since it may be the keyset itself): %w", err)
	}
	return fmt.Errorf("reading the keyset from %s: %w", file, err)
}

// NewKeyset returns a fresh keyset with one AES-256-GCM key as JSON. It is key
// material in clear: store it where only Debrief can read it.
func NewKeyset() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generating a keyset: %w", err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("writing a keyset: %w", err)
	}
	return out.Bytes(), nil
}

// Seal encrypts plaintext with the vault's primary key and binds it to place: a
// name of the column and the row's ID, such as "connections.refresh_token:<id>".
func (v *Vault) Seal(plaintext []byte, place string) ([]byte, error) {
	sealed, err := v.aead.Encrypt(plaintext, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return sealed, nil
}

// Open reverses [Vault.Seal] for the same place, or fails with [ErrCannotOpen].
func (v *Vault) Open(sealed []byte, place string) ([]byte, error) {
	plaintext, err := v.aead.Decrypt(sealed, []byte(place))
	if err != nil {
		return nil, ErrCannotOpen
	}
	return plaintext, nil
}
