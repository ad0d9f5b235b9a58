package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrCannotOpen is what [Vault.Open] and [DataKey.Open] report when a
// ciphertext does not belong to the keys at hand or to the place named: a wrong
// or missing key, a ciphertext that was changed, or one moved from another row.
// Which of these it was can't be told apart, by design of the cipher.
var ErrCannotOpen = errors.New("the ciphertext does not open with these keys at this place")

// UnknownKeyError says that a ciphertext was sealed under a key that the keyset
// does not hold. It is an [ErrCannotOpen]: the right keyset opens it.
type UnknownKeyError struct {
	Key KeyID
}

// Error names the key, which is no secret.
func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("it was sealed under key %s, which this keyset does not hold", e.Key)
}

// Is makes errors.Is(err, ErrCannotOpen) true.
func (e *UnknownKeyError) Is(target error) bool { return target == ErrCannotOpen }

// Vault seals and opens small secrets. It is safe for concurrent use.
type Vault struct {
	aead tink.AEAD
	keys []Key
}

// New returns a vault over a Tink JSON keyset with AEAD keys, as written by
// [NewKeyset]. It fails where the keyset can't be parsed or holds no AEAD key.
func New(keysetJSON []byte) (*Vault, error) {
	handle, err := readKeyset(keysetJSON)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("the keyset holds no usable AEAD keys: write one with `debrief keys generate`")
	}
	return &Vault{aead: primitive, keys: keysOf(handle)}, nil
}

// Load returns a vault over the keyset in the named file, or, where file is
// empty, over inline: the same JSON, plain or in base64, as an environment
// variable would carry it. See [ReadKeyset] for one that a KMS has wrapped.
func Load(file, inline string) (*Vault, error) {
	raw, err := ReadKeyset(context.Background(), file, inline, nil)
	if err != nil {
		return nil, err
	}
	return New(raw)
}

// ReadKeyset returns the keyset, in clear, that stands in the named file or,
// where file is empty, in inline (plain or in base64, as an environment variable
// would carry it). With a wrapper, what stands there is wrapped, and the wrapper
// opens it.
func ReadKeyset(ctx context.Context, file, inline string, w KeyWrapper) ([]byte, error) {
	var raw []byte
	switch {
	case file != "":
		var err error
		if raw, err = os.ReadFile(file); err != nil {
			return nil, unreadable(file, err)
		}
	case strings.HasPrefix(strings.TrimSpace(inline), "{"):
		raw = []byte(inline)
	case inline != "":
		var err error
		if raw, err = base64.StdEncoding.DecodeString(strings.TrimSpace(inline)); err != nil {
			return nil, errors.New("the keyset is neither JSON nor base64 of it")
		}
	default:
		return nil, errors.New("no keyset is configured: write one with `debrief keys generate` and point the setting at it")
	}
	if w == nil {
		return raw, nil
	}
	unwrapped, err := w.Unwrap(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("unwrapping the keyset: %w", err)
	}
	return unwrapped, nil
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
	if err == nil {
		return plaintext, nil
	}
	if id, ok := KeyOf(sealed); ok && !v.holds(id) {
		return nil, &UnknownKeyError{Key: id}
	}
	return nil, ErrCannotOpen
}

// Reseal seals what opens at place anew under the primary key. What is under it
// already comes back as it is, and changed is false. The error is as of
// [Vault.Open].
func (v *Vault) Reseal(sealed []byte, place string) (resealed []byte, changed bool, err error) {
	if id, ok := KeyOf(sealed); ok && id == v.Primary() {
		return sealed, false, nil
	}
	plaintext, err := v.Open(sealed, place)
	if err != nil {
		return nil, false, err
	}
	defer clear(plaintext)
	resealed, err = v.Seal(plaintext, place)
	return resealed, err == nil, err
}
