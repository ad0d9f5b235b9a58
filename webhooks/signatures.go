package webhooks

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minSecret is the fewest characters of a secret that is used as it is: what
// platforms make is longer, and what is shorter can be guessed.
const minSecret = 8

// placeholders are what examples and forms say in a secret's place. Cal.com's
// literal stands for a webhook without any.
var placeholders = []string{
	"changeme", "change-me", "change_me", "password", "password1", "12345678", "no-secret-provided", "your-secret", "your_secret",
	"your-secret-here", "my-secret", "mysecret", "my-secret-key", "webhook-secret", "webhook_secret", "secretsecret", "testsecret", "test-secret",
}

// checkSecret refuses what can't be a secret that is used as it is; where says
// where the real one is found.
func checkSecret(secret, where string) error {
	switch {
	case strings.TrimSpace(secret) != secret:
		return errors.New("the secret begins or ends with a space")
	case len(secret) < minSecret:
		return errors.New("the secret is too short: " + where)
	case slices.Contains(placeholders, strings.ToLower(secret)) || strings.Count(secret, secret[:1]) == len(secret):
		return errors.New("the secret is a placeholder that anyone would try: " + where)
	}
	return nil
}

// bodySignature is an HMAC-SHA256 of the body alone, in one header. It carries no
// time: only the dedupe key stands against a replay.
type bodySignature struct {
	header string
	prefix string // before the signature, such as "sha256="
	// encoding of the signature; hex unless base64.
	base64 bool
	// keyBase64: the secret is the key in base64, not the key itself.
	keyBase64 bool
}

func (s bodySignature) key(secret string) ([]byte, error) {
	if err := checkSecret(secret, "copy the signing secret from the platform's webhook settings"); err != nil {
		return nil, err
	}
	if !s.keyBase64 {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return nil, errors.New("the secret should be base64")
	}
	if len(key) < minStandardSecret {
		return nil, errors.New("the secret is too short: it should be at least 16 bytes in base64")
	}
	return key, nil
}

func (s bodySignature) CheckSecret(secret string) error {
	_, err := s.key(secret)
	return err
}

func (s bodySignature) Verify(r Request, secret string, _ time.Time) error {
	signature := one(r.Header, s.header)
	if signature == "" {
		return MissingSignature
	}
	key, err := s.key(secret)
	if err != nil {
		return WrongSignature // such a secret signs nothing
	}
	want := mac(key, string(r.Body))
	encoded, prefixed := strings.CutPrefix(signature, s.prefix)
	decode := hex.DecodeString
	if s.base64 {
		decode = base64.StdEncoding.DecodeString
	}
	got, err := decode(encoded)
	if !prefixed || err != nil || !hmac.Equal(got, want) {
		return WrongSignature
	}
	return nil
}

func (s bodySignature) sign(secret string, body []byte) string {
	key, err := s.key(secret)
	if err != nil {
		return ""
	}
	sum := mac(key, string(body))
	if s.base64 {
		return s.prefix + base64.StdEncoding.EncodeToString(sum)
	}
	return s.prefix + hex.EncodeToString(sum)
}

// sharedSecret is a secret that is sent along as it is, in a header or, without
// one, in the URL's query as "token": for platforms that sign nothing. Whoever
// sees one request can send others, so it is the last choice.
type sharedSecret struct{ header string }

// Such a secret is no platform's but ours: there is no reason for a short one.
const minSharedSecret = 20

func (s sharedSecret) CheckSecret(secret string) error {
	const where = "take a long random one, as --generate makes"
	if len(secret) < minSharedSecret {
		return errors.New("the secret is too short: " + where)
	}
	return checkSecret(secret, where)
}

func (s sharedSecret) sent(r Request) string {
	if s.header != "" {
		return strings.TrimPrefix(one(r.Header, s.header), "Bearer ")
	}
	if r.URL == nil {
		return ""
	}
	if values := r.URL.Query()["token"]; len(values) == 1 {
		return values[0]
	}
	return ""
}

func (s sharedSecret) Verify(r Request, secret string, _ time.Time) error {
	sent := s.sent(r)
	if sent == "" {
		return MissingSignature
	}
	// The body is hashed as every other platform's is: how long an answer takes
	// must not tell which kind of source this is.
	key := []byte(secret)
	_ = mac(key, string(r.Body))
	if s.CheckSecret(secret) != nil || !hmac.Equal(mac(key, sent), mac(key, secret)) {
		return WrongSignature
	}
	return nil
}

// signedToken is a JSON Web Token that names the URL and the body's SHA-256
// (Gong: help.gong.io, "Prepare your receiving application to receive a webhook
// JWT header", read 2026). Its secret is the platform's public key, in PEM; RS256
// is the only algorithm, whatever the token says.
type signedToken struct{}

const (
	// For clocks that disagree a little.
	tokenLeeway = time.Minute
	maxToken    = 8 << 10
	minRSABits  = 2048
)

func rsaKey(secret string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(secret))
	if block == nil {
		return nil, errors.New("the platform's public key should be in PEM, from -----BEGIN PUBLIC KEY----- on")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, is := parsed.(*rsa.PublicKey)
	if err != nil || !is {
		return nil, errors.New("the platform's public key should be an RSA key")
	}
	if key.N.BitLen() < minRSABits {
		return nil, errors.New("the platform's public key is too short: it should have at least 2048 bits")
	}
	return key, nil
}

func (signedToken) CheckSecret(secret string) error {
	_, err := rsaKey(secret)
	return err
}

func (signedToken) Verify(r Request, secret string, now time.Time) error {
	token := strings.TrimPrefix(one(r.Header, "Authorization"), "Bearer ")
	if token == "" {
		return MissingSignature
	}
	sum := sha256.Sum256(r.Body)
	key, err := rsaKey(secret)
	if err != nil || len(token) > maxToken {
		return WrongSignature
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return WrongSignature
	}
	var raw [3][]byte
	for i, part := range parts {
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return WrongSignature
		}
	}
	var head struct {
		Algorithm string   `json:"alg"`
		Critical  []string `json:"crit"`
	}
	if json.Unmarshal(raw[0], &head) != nil || head.Algorithm != "RS256" || len(head.Critical) > 0 {
		return WrongSignature
	}
	signed := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, signed[:], raw[2]) != nil {
		return WrongSignature
	}
	var claims struct {
		URL       string  `json:"webhook_url"`
		Body      string  `json:"body_sha256"`
		ExpiresAt float64 `json:"exp"`
	}
	if json.Unmarshal(raw[1], &claims) != nil || r.URL == nil || claims.ExpiresAt <= 0 {
		return WrongSignature
	}
	body, err := hex.DecodeString(claims.Body)
	if err != nil || !hmac.Equal(body, sum[:]) || strings.TrimRight(claims.URL, "/") != strings.TrimRight(r.URL.String(), "/") {
		return WrongSignature
	}
	if claims.ExpiresAt < float64(now.Add(-tokenLeeway).Unix()) {
		return OutsideTimeWindow
	}
	return nil
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
