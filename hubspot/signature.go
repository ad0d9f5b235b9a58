package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxSignatureAge is how old a request with a v3 signature may be
// (developers.hubspot.com, "Validating requests from HubSpot").
const MaxSignatureAge = 5 * time.Minute

var (
	// ErrSignature: the signature is missing, malformed or another one.
	ErrSignature = errors.New("hubspot: the signature does not match")
	// ErrSignatureTime: the timestamp is missing, malformed, older than
	// [MaxSignatureAge] or as far in the future.
	ErrSignatureTime = errors.New("hubspot: the signature's timestamp is outside the window")
)

// VerifyV1 checks X-HubSpot-Signature of version v1, as webhooks carry it: hex
// SHA-256 of secret and body.
func VerifyV1(clientSecret string, body []byte, signature string) error {
	return compareHex(clientSecret, "", "", body, signature)
}

// VerifyV2 checks X-HubSpot-Signature of version v2: hex SHA-256 of secret,
// method, address and body.
func VerifyV2(clientSecret, method, uri string, body []byte, signature string) error {
	return compareHex(clientSecret, method, uri, body, signature)
}

func compareHex(secret, method, uri string, body []byte, signature string) error {
	got, err := hex.DecodeString(strings.TrimSpace(signature))
	if err != nil || secret == "" {
		return ErrSignature
	}
	h := sha256.New()
	h.Write([]byte(secret + method + uri))
	h.Write(body)
	if !hmac.Equal(h.Sum(nil), got) {
		return ErrSignature
	}
	return nil
}

// VerifyV3 checks X-HubSpot-Signature-v3 with X-HubSpot-Request-Timestamp:
// base64 HMAC-SHA256 over method, address, body and timestamp. uri is the
// whole address that HubSpot called, as the world sees it (scheme, host, path,
// query in the original order), and body the raw bytes. HubSpot's page wants
// some escapes of the path decoded before signing and its own Node client
// decodes none: either is accepted. All comparisons take constant time.
func VerifyV3(clientSecret, method, uri string, body []byte, signature, timestamp string, now time.Time) error {
	ms, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || ms < 0 {
		return ErrSignatureTime
	}
	age := now.UnixMilli() - ms
	if age > MaxSignatureAge.Milliseconds() || age < -MaxSignatureAge.Milliseconds() {
		return ErrSignatureTime
	}
	// A + is a space once something has form-decoded the header.
	signature = strings.ReplaceAll(strings.TrimSpace(signature), " ", "+")
	got, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || clientSecret == "" {
		return ErrSignature
	}
	asIs := hmac.Equal(signV3(clientSecret, method, uri, body, timestamp), got)
	decoded := hmac.Equal(signV3(clientSecret, method, decodeURI(uri), body, timestamp), got)
	if !asIs && !decoded {
		return ErrSignature
	}
	return nil
}

func signV3(secret, method, uri string, body []byte, timestamp string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + uri))
	mac.Write(body)
	mac.Write([]byte(timestamp))
	return mac.Sum(nil)
}

// uriEscapes are the only escapes that HubSpot decodes before it signs.
var uriEscapes = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'",
	"%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

func decodeURI(uri string) string { return uriEscapes.Replace(uri) }
