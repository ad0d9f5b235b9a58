package store

import (
	"fmt"
	"io"
)

// Secret is a token or a client secret. However it is printed or encoded, it
// shows as asterisks: only Reveal gives the value.
type Secret string

const redacted = "***"

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// String returns asterisks.
func (s Secret) String() string { return redacted }

// Format writes asterisks, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText writes asterisks: JSON, logs and flags encode by it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
