package webhooks

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Graph's OAEP has SHA-1, which is sound there
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/debriefhq/debrief/store"
)

// graphPublisher is the app that Graph's notifications come from: without looking
// at it, any app of the tenant could make a token for ours
// (learn.microsoft.com/graph/change-notifications-with-resource-data, read 2026-11).
const graphPublisher = "0bf30f3b-4a52-48df-9a82-234910c4a086"

// maxGraphKeys: the current one, and the one before it.
const maxGraphKeys = 2

// graphKeys are the private keys of the credentials, newest first.
func graphKeys(secret store.Secret) ([]*rsa.PrivateKey, error) {
	var keys []*rsa.PrivateKey
	for rest := []byte(secret.Reveal()); len(keys) <= maxGraphKeys; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			var is bool
			if key, is = parsed.(*rsa.PrivateKey); err != nil || !is {
				return nil, errors.New("encryption_key should be an RSA private key in PEM")
			}
		}
		if bits := key.N.BitLen(); bits < minRSABits || bits > 4096 {
			return nil, errors.New("encryption_key should have from 2048 to 4096 bits")
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 || len(keys) > maxGraphKeys {
		return nil, errors.New("encryption_key should be one RSA private key in PEM, or two while they are exchanged")
	}
	return keys, nil
}

// graphCertificateID names a key to Graph, and says nothing of it.
func graphCertificateID(key *rsa.PrivateKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	return "debrief-" + hex.EncodeToString(sum[:16])
}

// reveal returns the transcript's description that a notification brings encrypted,
// or nil: what is not proven is asked for instead, so that a forgery gains nothing,
// and keys that can't be had for now cost nothing. Tokens count as of the receipt.
func (s *graphSession) reveal(ctx context.Context, api API, received time.Time, n graphNotice, tokens []string) *graphTranscript {
	if n.Encrypted == nil || api.Credentials[graphKey] == "" || !s.published(ctx, api, received, n.TenantID, tokens) {
		return nil
	}
	keys, err := graphKeys(api.Credentials[graphKey])
	if err != nil {
		return nil
	}
	plain, err := n.Encrypted.open(keys)
	if err != nil {
		return nil
	}
	var t graphTranscript
	_, meetingID, id := n.names()
	if decodeGraph(plain, &t) != nil || t.ID != id || t.MeetingID != meetingID {
		return nil // genuine, of something else
	}
	return &t
}

// published says whether Graph itself made one of the tokens, for this app and the
// tenant that the notification is of.
func (s *graphSession) published(ctx context.Context, api API, at time.Time, tenant string, tokens []string) bool {
	c := api.Credentials
	if !strings.EqualFold(tenant, c[graphTenant].Reveal()) || len(tokens) > 50 {
		return false
	}
	issuer := "https://sts.windows.net/" + strings.ToLower(tenant) + "/"
	for _, token := range tokens {
		//nolint:contextcheck // keys outlive the call that wants them first
		verified, err := s.keysAt(api.At(graphLogin).BaseURL).verify(ctx, token, issuer, c[graphClient].Reveal(), at)
		if err != nil {
			continue
		}
		var claims struct {
			AppID string `json:"appid"`
		}
		if verified.Claims(&claims) == nil && hmac.Equal([]byte(claims.AppID), []byte(graphPublisher)) {
			return true
		}
	}
	return false
}

func (s *graphSession) keysAt(login string) *publishedKeys {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, found := s.keys[login]
	if !found {
		keys = newPublishedKeys(strings.TrimRight(login, "/")+"/common/discovery/v2.0/keys", nil)
		s.keys[login] = keys
	}
	return keys
}

var errNotOurs = errors.New("the content can't be opened")

// open decrypts the content. Its signature is looked at before its padding.
func (c graphEncrypted) open(keys []*rsa.PrivateKey) ([]byte, error) {
	wrapped, err := base64.StdEncoding.DecodeString(c.DataKey)
	if err != nil {
		return nil, errNotOurs
	}
	data, err := base64.StdEncoding.DecodeString(c.Data)
	if err != nil || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errNotOurs
	}
	signature, err := base64.StdEncoding.DecodeString(c.DataSignature)
	if err != nil {
		return nil, errNotOurs
	}
	for _, key := range keys {
		if graphCertificateID(key) != c.CertificateID {
			continue
		}
		once, err := rsa.DecryptOAEP(sha1.New(), nil, key, wrapped, nil) //nolint:gosec // see the import
		if err != nil || len(once) != 32 || !hmac.Equal(mac(once, string(data)), signature) {
			return nil, errNotOurs
		}
		block, err := aes.NewCipher(once)
		if err != nil {
			return nil, errNotOurs
		}
		plain := make([]byte, len(data))
		cipher.NewCBCDecrypter(block, once[:aes.BlockSize]).CryptBlocks(plain, data)
		padding := int(plain[len(plain)-1])
		if padding == 0 || padding > aes.BlockSize {
			return nil, errNotOurs
		}
		for _, b := range plain[len(plain)-padding:] {
			if int(b) != padding {
				return nil, errNotOurs
			}
		}
		return plain[:len(plain)-padding], nil
	}
	return nil, errNotOurs
}
