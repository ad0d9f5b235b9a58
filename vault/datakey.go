package vault

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

const dataKeySize = 32

// DataKey seals what belongs to one owner (a meeting, an organization, a
// source) and makes keyed hashes of it. It exists in memory only; at rest it is
// wrapped, see [Vault.Wrap]. The zero value seals nothing. It is safe for
// concurrent use.
type DataKey struct {
	raw  [dataKeySize]byte
	aead *subtle.AESGCM
	mac  []byte
}

// NewDataKey returns a fresh random key.
func NewDataKey() (*DataKey, error) {
	var raw [dataKeySize]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, fmt.Errorf("generating a data key: %w", err)
	}
	return newDataKey(raw[:])
}

func newDataKey(raw []byte) (*DataKey, error) {
	if len(raw) != dataKeySize {
		return nil, ErrCannotOpen
	}
	// Two keys out of one, so that sealing and hashing never share one.
	sealing, err := hkdf.Key(sha256.New, raw, nil, "debrief data key: seal", dataKeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the sealing key: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, raw, nil, "debrief data key: mac", dataKeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the hashing key: %w", err)
	}
	aead, err := subtle.NewAESGCM(sealing)
	if err != nil {
		return nil, fmt.Errorf("using the sealing key: %w", err)
	}
	k := &DataKey{aead: aead, mac: mac}
	copy(k.raw[:], raw)
	return k, nil
}

// Seal encrypts plaintext and binds it to place, as [Vault.Seal] does.
func (k *DataKey) Seal(plaintext []byte, place string) ([]byte, error) {
	if k == nil || k.aead == nil {
		return nil, errors.New("sealing: there is no data key")
	}
	sealed, err := k.aead.Encrypt(plaintext, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return sealed, nil
}

// Open reverses [DataKey.Seal] for the same place, or fails with [ErrCannotOpen].
func (k *DataKey) Open(sealed []byte, place string) ([]byte, error) {
	if k == nil || k.aead == nil {
		return nil, ErrCannotOpen
	}
	plaintext, err := k.aead.Decrypt(sealed, []byte(place))
	if err != nil {
		return nil, ErrCannotOpen
	}
	return plaintext, nil
}

// MAC returns the keyed hash (HMAC-SHA256) of value: equal values of one owner
// can be recognized, and nobody without the key can guess a value from it.
func (k *DataKey) MAC(value []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(value)
	return h.Sum(nil)
}

// Wrap returns the key sealed by the vault and bound to place, for storing.
func (v *Vault) Wrap(k *DataKey, place string) ([]byte, error) {
	return v.Seal(k.raw[:], place)
}

// Unwrap reverses [Vault.Wrap], or fails with [ErrCannotOpen].
func (v *Vault) Unwrap(wrapped []byte, place string) (*DataKey, error) {
	raw, err := v.Open(wrapped, place)
	if err != nil {
		return nil, err
	}
	return newDataKey(raw)
}

// WrapKey returns other sealed by k and bound to place: how the key of one
// delivery is handed to the meeting that it turned out to belong to, without
// sealing the delivery's body anew.
func (k *DataKey) WrapKey(other *DataKey, place string) ([]byte, error) {
	return k.Seal(other.raw[:], place)
}

// UnwrapKey reverses [DataKey.WrapKey], or fails with [ErrCannotOpen].
func (k *DataKey) UnwrapKey(wrapped []byte, place string) (*DataKey, error) {
	raw, err := k.Open(wrapped, place)
	if err != nil {
		return nil, err
	}
	return newDataKey(raw)
}
