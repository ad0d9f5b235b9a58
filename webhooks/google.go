package webhooks

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/debriefhq/debrief/store"
)

// Google's origins. Its OpenID Connect keys are those of accounts.google.com's
// discovery document (read 2026-11).
const (
	googleIssuer   = "https://accounts.google.com"
	googleKeys     = "https://www.googleapis.com/oauth2/v3/certs"
	googleTokens   = "https://oauth2.googleapis.com"
	googleAPIs     = "https://www.googleapis.com" // Calendar, Drive, who somebody is
	googleMeet     = "https://meet.googleapis.com"
	workspaceEvent = "https://workspaceevents.googleapis.com"
)

// What Debrief asks for, each by itself: an administrator may grant some only.
const (
	scopeCalendar = "https://www.googleapis.com/auth/calendar.events.readonly"
	scopeMeet     = "https://www.googleapis.com/auth/meetings.space.readonly"
	scopeDrive    = "https://www.googleapis.com/auth/drive.meet.readonly"
	scopeWho      = "https://www.googleapis.com/auth/userinfo.email"
)

// googleEvery is below 600 calls a minute and person, the least of the APIs' limits.
const googleEvery = 100 * time.Millisecond

// pushIdentity is how Pub/Sub proves a push: by an OpenID Connect token of the
// service account that the push subscription was given. It covers neither the body
// nor the time of the message
// (cloud.google.com/pubsub/docs/authenticate-push-subscriptions, read 2026-11). The
// secret says whose token: the account's e-mail address and, where it is not the
// source's URL, the audience after a space. Anybody can have a token of their own
// account for our URL, so that it's the account that counts.
type pushIdentity struct{ keys *publishedKeys }

func (pushIdentity) expected(secret string) (account, audience string, err error) {
	const want = "give the e-mail address of the service account of the Pub/Sub push subscription, such as push@project.iam.gserviceaccount.com"
	parts := strings.Fields(secret)
	switch {
	case strings.TrimSpace(secret) != secret || len(parts) < 1 || len(parts) > 2:
		return "", "", errors.New(want + "; after a space, the audience if it is not the source's URL")
	case !strings.HasSuffix(parts[0], ".gserviceaccount.com") || strings.Count(parts[0], "@") != 1 || parts[0][0] == '@':
		return "", "", errors.New(want)
	case len(parts) == 2:
		audience = parts[1]
	}
	return parts[0], audience, nil
}

func (p pushIdentity) CheckSecret(secret string) error {
	_, _, err := p.expected(secret)
	return err
}

func (p pushIdentity) Verify(r Request, secret string, now time.Time) error {
	token, is := strings.CutPrefix(one(r.Header, "Authorization"), "Bearer ")
	if !is || token == "" {
		return MissingSignature
	}
	// Hashed as every other platform's body is: see sharedSecret.
	_ = mac([]byte(secret), string(r.Body))
	account, audience, err := p.expected(secret)
	if err != nil || len(token) > maxToken {
		return WrongSignature
	}
	// Looked at before the signature, which then covers it: who does not know the
	// account has us ask nobody for keys.
	var claims struct {
		Email    string          `json:"email"`
		Verified bool            `json:"email_verified"`
		Audience json.RawMessage `json:"aud"`
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Email != account || !claims.Verified {
		return WrongSignature
	}
	if audience == "" {
		if r.URL == nil {
			return WrongSignature
		}
		at := *r.URL
		at.RawQuery = ""
		audience = strings.TrimRight(at.String(), "/")
		if string(claims.Audience) == `"`+audience+`/"` {
			audience += "/"
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), keysPatience)
	defer cancel()
	_, err = p.keys.verify(ctx, token, googleIssuer, audience, now)
	return err
}

// keysPatience is how long a push waits for Google's keys: it is sent again.
const keysPatience = 3 * time.Second

func (pushIdentity) accepted() int { return http.StatusNoContent }

// googleAccount is a service account's key, as Google gives it in a JSON file. It
// acts for people of a Workspace to whom an administrator delegated it
// (developers.google.com/identity/protocols/oauth2/service-account, read 2026-11).
type googleAccount struct {
	Type  string `json:"type"`
	Email string `json:"client_email"`
	KeyID string `json:"private_key_id"`
	PEM   string `json:"private_key"`

	key *rsa.PrivateKey
}

func readGoogleAccount(raw store.Secret) (googleAccount, error) {
	var a googleAccount
	if json.Unmarshal([]byte(raw.Reveal()), &a) != nil || a.Type != "service_account" || a.Email == "" {
		return a, errors.New("service_account should be the JSON key of a service account, as Google gives it in a file")
	}
	block, _ := pem.Decode([]byte(a.PEM))
	if block == nil {
		return a, errors.New("service_account has no private key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, is := parsed.(*rsa.PrivateKey)
	if err != nil || !is || key.N.BitLen() < minRSABits {
		return a, errors.New("service_account should have an RSA key of at least 2048 bits")
	}
	a.key = key
	return a, nil
}

// googlePeople are who the service account acts for: e-mail addresses, as a JSON
// list or separated by commas or spaces.
func googlePeople(raw store.Secret) ([]string, error) {
	var people []string
	if json.Unmarshal([]byte(raw.Reveal()), &people) != nil {
		people = strings.FieldsFunc(raw.Reveal(), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
	}
	for i, p := range people {
		people[i] = strings.ToLower(strings.TrimSpace(p))
		local, domain, is := strings.Cut(people[i], "@")
		if !is || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(people[i], "<>/\\\" ") {
			return nil, errors.New("users should be e-mail addresses of your Workspace")
		}
	}
	slices.Sort(people)
	people = slices.Compact(people)
	if len(people) == 0 || len(people) > maxGooglePeople {
		return nil, errors.New("users should be from 1 to 100 e-mail addresses; use several sources for more")
	}
	return people, nil
}

// maxGooglePeople of one source: one look goes through all of them.
const maxGooglePeople = 100

var googleCredentials = []Credential{
	{Name: "service_account", Help: "the service account's key: the JSON object of the file that Google gave"},
	{Name: "users", Help: "the e-mail addresses of those of your Workspace whose meetings count, as a list or separated by commas"},
}

func checkGoogle(credentials map[string]store.Secret) error {
	if _, err := readGoogleAccount(credentials["service_account"]); err != nil {
		return err
	}
	_, err := googlePeople(credentials["users"])
	return err
}

// googleLimited: Google says that there were too many calls with 403 as well
// (developers.google.com/workspace/calendar/api/guides/errors, read 2026-11).
func googleLimited(status int, body []byte) bool {
	if status != http.StatusForbidden || checkShape(body) != nil {
		return false
	}
	var answer struct {
		Error struct {
			Status string `json:"status"`
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return false
	}
	if answer.Error.Status == "RESOURCE_EXHAUSTED" {
		return true
	}
	for _, e := range answer.Error.Errors {
		switch e.Reason {
		case "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded":
			return true
		}
	}
	return false
}

// google makes calls for people.
type google struct {
	api     API
	account googleAccount
	people  []string
}

func newGoogle(api API) (google, error) {
	account, err := readGoogleAccount(api.Credentials["service_account"])
	people, alsoErr := googlePeople(api.Credentials["users"])
	if err != nil || alsoErr != nil {
		// They were checked when they were given.
		return google{}, Refused{Platform: api.Platform, Status: http.StatusUnauthorized}
	}
	return google{api: api, account: account, people: people}, nil
}

// as returns an API at base that acts for a person and may do what scope says.
func (g google) as(person, scope, base string) API {
	return g.api.At(base).BearerFrom(person+" "+scope, func(ctx context.Context) (Token, error) {
		assertion, err := g.account.assertion(person, scope, time.Now())
		if err != nil {
			return Token{}, err
		}
		var answer struct {
			Token     store.Secret `json:"access_token"`
			ExpiresIn int64        `json:"expires_in"` // seconds
		}
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
		if err := g.api.At(googleTokens).Post(ctx, "/token", form, &answer); err != nil {
			return Token{}, err
		}
		return Token{Value: answer.Token, Lives: time.Duration(answer.ExpiresIn) * time.Second}, nil
	})
}

// assertion is what a service account gives for an access token. Google takes its
// times by its own clock, and no assertion of more than an hour.
func (a googleAccount) assertion(person, scope string, now time.Time) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if a.KeyID != "" {
		options = options.WithHeader("kid", a.KeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: a.key}, options)
	if err != nil {
		return "", errors.New("the service account's key can't sign")
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": a.Email, "sub": person, "scope": scope, "aud": googleTokens + "/token",
		"iat": now.Add(-10 * time.Second).Unix(), "exp": now.Add(50 * time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		return "", errors.New("the service account's key can't sign")
	}
	return token, nil
}

// refusedFor says whether a call failed for one person's sake: who left, or to whom
// nothing is delegated, must not keep the others from being looked after.
func refusedFor(err error) bool {
	var refused Refused
	return errors.As(err, &refused)
}

// passing says whether Google is in trouble with one person's things and does not
// ask for patience: the others are looked after meanwhile.
func passing(err error) bool {
	var later Later
	return errors.As(err, &later) && later.After == 0
}
