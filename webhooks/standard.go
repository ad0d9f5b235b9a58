package webhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// standardWebhooks is version 1 of Standard Webhooks (standardwebhooks.com,
// specification 1.0.0): an HMAC-SHA256, in base64, of "<id>.<timestamp>.<body>".
// Senders that use Svix, or did so once, name the headers svix-* instead of
// webhook-*; everything else is the same.
type standardWebhooks struct{}

// family is how the headers' names begin. One rule for verifying and for naming
// the delivery: else one ID could be signed and another one be used.
func family(header http.Header) string {
	if len(header.Values("Webhook-Id")) == 0 && len(header.Values("Svix-Id")) > 0 {
		return "Svix-"
	}
	return "Webhook-"
}

// messageID is the ID of the message, constant over attempts to deliver it.
func messageID(header http.Header) string { return one(header, family(header)+"Id") }

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

func (standardWebhooks) Verify(r Request, secret string, now time.Time) error {
	prefix := family(r.Header)
	id, timestamp := messageID(r.Header), one(r.Header, prefix+"Timestamp")
	signatures := strings.Join(r.Header.Values(prefix+"Signature"), " ")
	if id == "" || timestamp == "" || signatures == "" {
		return MissingSignature
	}
	key, err := standardKey(secret)
	if err != nil {
		return WrongSignature // such a secret signs nothing
	}
	want := mac(key, id, ".", timestamp, ".", string(r.Body))
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
