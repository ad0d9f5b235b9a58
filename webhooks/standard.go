package webhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// standardWebhooks is version 1 of Standard Webhooks (standardwebhooks.com,
// specification 1.0.0): an HMAC-SHA256, in base64, of "<id>.<timestamp>.<body>".
type standardWebhooks struct{}

// The specification leaves the window to the receiver; its libraries use five
// minutes in both directions.
const standardWindow = 5 * time.Minute

// The specification asks for 24 to 64 bytes. Some senders give fewer; below 16 a
// secret is no secret.
const minStandardSecret = 16

const standardPrefix = "whsec_"

// NewStandardSecret returns a fresh signing secret: 32 random bytes as
// Standard Webhooks writes them.
func NewStandardSecret() (string, error) {
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", errors.New("no random bytes for a signing secret")
	}
	return standardPrefix + base64.StdEncoding.EncodeToString(raw[:]), nil
}

func standardKey(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(secret), standardPrefix))
	if err != nil {
		return nil, errors.New("the secret should be whsec_ and base64")
	}
	if len(key) < minStandardSecret {
		return nil, errors.New("the secret is too short: Standard Webhooks asks for at least 24 bytes")
	}
	return key, nil
}

func (standardWebhooks) CheckSecret(secret string) error {
	_, err := standardKey(secret)
	return err
}

func (standardWebhooks) Verify(header http.Header, body []byte, secret string, now time.Time) error {
	id, timestamp, signatures := one(header, "Webhook-Id"), one(header, "Webhook-Timestamp"), strings.Join(header.Values("Webhook-Signature"), " ")
	if id == "" || timestamp == "" || signatures == "" {
		return MissingSignature
	}
	key, err := standardKey(secret)
	if err != nil {
		return WrongSignature // such a secret signs nothing
	}
	want := mac(key, id, ".", timestamp, ".", string(body))
	matched := false
	for _, signature := range strings.Fields(signatures) {
		version, encoded, _ := strings.Cut(signature, ",")
		if version != "v1" {
			continue // unknown versions may stand beside ours
		}
		got, err := base64.StdEncoding.DecodeString(encoded)
		matched = (err == nil && hmac.Equal(got, want)) || matched
	}
	// An ID with a dot could be read as another ID with another timestamp.
	if !matched || strings.Contains(id, ".") {
		return WrongSignature
	}
	return within(timestamp, now, standardWindow, standardWindow)
}

// SignStandard returns the webhook-signature header of a request, as a sender
// makes it. It fails where the secret is not one of Standard Webhooks.
func SignStandard(secret, id string, timestamp time.Time, body []byte) (string, error) {
	key, err := standardKey(secret)
	if err != nil {
		return "", err
	}
	sum := mac(key, id, ".", strconv.FormatInt(timestamp.Unix(), 10), ".", string(body))
	return "v1," + base64.StdEncoding.EncodeToString(sum), nil
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// one returns a header that must not be repeated: of two values, the signed one
// and the used one could be different.
func one(header http.Header, name string) string {
	if values := header.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// within says whether a timestamp in seconds lies in the window around now.
func within(timestamp string, now time.Time, past, future time.Duration) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return OutsideTimeWindow
	}
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-past)) || at.After(now.Add(future)) {
		return OutsideTimeWindow
	}
	return nil
}
