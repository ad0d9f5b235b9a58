package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/core/cryptofmt"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
)

// KeyID names one key of a keyset. It stands in clear in front of every
// ciphertext and is no secret.
type KeyID uint32

// String writes the ID in decimal, as the keyset's JSON has it.
func (id KeyID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ParseKeyID reads what [KeyID.String] writes.
func ParseKeyID(text string) (KeyID, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no key ID: `debrief keys status` shows them", text)
	}
	return KeyID(n), nil
}

// Key is one key of a keyset, without its material.
type Key struct {
	ID KeyID `json:"id"`
	// Primary: it seals. Every key opens.
	Primary bool `json:"primary"`
}

// Errors of changing a keyset.
var (
	ErrNoSuchKey  = errors.New("the keyset holds no such key")
	ErrPrimaryKey = errors.New("it is the key that seals: promote another one before")
)

// KeyOf returns the ID of the key that a ciphertext was sealed under. Tink writes
// it in front: a one, and the ID in big-endian order (cryptofmt.TinkPrefixSize,
// tink-go v2.9.0). It is false for what can't be such a ciphertext.
func KeyOf(sealed []byte) (KeyID, bool) {
	if len(sealed) <= cryptofmt.TinkPrefixSize || sealed[0] != cryptofmt.TinkStartByte {
		return 0, false
	}
	return KeyID(binary.BigEndian.Uint32(sealed[1:cryptofmt.TinkPrefixSize])), true
}

// Prefix is what each ciphertext under the key begins with: see [KeyOf].
func (id KeyID) Prefix() []byte {
	return binary.BigEndian.AppendUint32([]byte{cryptofmt.TinkStartByte}, uint32(id))
}

// Keys are the keys of the vault's keyset, in its order.
func (v *Vault) Keys() []Key { return slices.Clone(v.keys) }

// Primary is the key that seals.
func (v *Vault) Primary() KeyID {
	for _, k := range v.keys {
		if k.Primary {
			return k.ID
		}
	}
	return 0
}

func (v *Vault) holds(id KeyID) bool {
	return slices.ContainsFunc(v.keys, func(k Key) bool { return k.ID == id })
}

func keysOf(handle *keyset.Handle) []Key {
	info := handle.KeysetInfo()
	keys := make([]Key, 0, len(info.GetKeyInfo()))
	for _, k := range info.GetKeyInfo() {
		// Tink neither seals nor opens with a key that is disabled.
		if k.GetStatus() == tinkpb.KeyStatusType_ENABLED {
			keys = append(keys, Key{ID: KeyID(k.GetKeyId()), Primary: k.GetKeyId() == info.GetPrimaryKeyId()})
		}
	}
	return keys
}

// NewKeyset returns a fresh keyset with one AES-256-GCM key as JSON. It is key
// material in clear: store it where only Debrief can read it.
func NewKeyset() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("generating a keyset: %w", err)
	}
	return writeKeyset(handle)
}

// AddKey returns the keyset with a fresh key that opens, and does not seal yet.
// Once every process has that keyset, [PromoteKey] makes it seal: in one step, a
// process with the old keyset would meet ciphertexts that it can't open.
func AddKey(keysetJSON []byte) ([]byte, KeyID, error) {
	var id uint32
	changed, err := changeKeyset(keysetJSON, func(m *keyset.Manager) (err error) {
		id, err = m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
	return changed, KeyID(id), err
}

// PromoteKey returns the keyset with that key as the one that seals, or
// [ErrNoSuchKey].
func PromoteKey(keysetJSON []byte, id KeyID) ([]byte, error) {
	return changeKeyset(keysetJSON, func(m *keyset.Manager) error { return m.SetPrimary(uint32(id)) }, id)
}

// RetireKey returns the keyset without that key. What is still sealed under it
// does not open any more. The error is [ErrNoSuchKey], or [ErrPrimaryKey] for
// the key that seals.
func RetireKey(keysetJSON []byte, id KeyID) ([]byte, error) {
	v, err := New(keysetJSON)
	if err != nil {
		return nil, err
	}
	if v.Primary() == id {
		return nil, fmt.Errorf("retiring key %s: %w", id, ErrPrimaryKey)
	}
	return changeKeyset(keysetJSON, func(m *keyset.Manager) error { return m.Delete(uint32(id)) }, id)
}

// changeKeyset applies change to a keyset that holds the keys that are needed.
func changeKeyset(keysetJSON []byte, change func(*keyset.Manager) error, needed ...KeyID) ([]byte, error) {
	handle, err := readKeyset(keysetJSON)
	if err != nil {
		return nil, err
	}
	for _, id := range needed {
		if !slices.ContainsFunc(keysOf(handle), func(k Key) bool { return k.ID == id }) {
			return nil, fmt.Errorf("key %s: %w", id, ErrNoSuchKey)
		}
	}
	manager := keyset.NewManagerFromHandle(handle)
	if err := change(manager); err != nil {
		return nil, fmt.Errorf("changing the keyset: %w", err)
	}
	changed, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("changing the keyset: %w", err)
	}
	return writeKeyset(changed)
}

func readKeyset(keysetJSON []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(keysetJSON)))
	if err != nil {
		// Tink's error may quote what it was given, and that is key material.
		return nil, errors.New("the keyset is not a Tink JSON keyset: write one with `debrief keys generate`")
	}
	return handle, nil
}

func writeKeyset(handle *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("writing a keyset: %w", err)
	}
	return out.Bytes(), nil
}
