package webhooks

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tokenKey is a fresh key, and its public half as an operator pastes it.
func tokenKey(t testing.TB) (public string, private *rsa.PrivateKey) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	raw, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw})), private
}

func part(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func signRS256(t testing.TB, key *rsa.PrivateKey, head, claims map[string]any) string {
	t.Helper()
	text := part(t, head) + "." + part(t, claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestVerifyToken(t *testing.T) {
	t.Parallel()
	public, private := tokenKey(t)
	otherPublic, _ := tokenKey(t)
	const here = "https://debrief.example/webhooks/6f"
	at, err := url.Parse(here)
	require.NoError(t, err)
	body := []byte(`{"isTest":false}`)
	sum := sha256.Sum256(body)
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{"webhook_url": here, "body_sha256": hex.EncodeToString(sum[:]), "exp": now.Add(5 * time.Minute).Unix()}
		if change != nil {
			change(c)
		}
		return c
	}
	rs := map[string]any{"alg": "RS256", "typ": "JWT"}
	good := signRS256(t, private, rs, claims(nil))
	head, rest, _ := strings.Cut(good, ".")
	payload, _, _ := strings.Cut(rest, ".")
	confused := part(t, map[string]any{"alg": "HS256"}) + "." + payload
	for name, tc := range map[string]struct {
		token  string
		public string
		body   string
		want   error
	}{
		"as signed":                     {token: good},
		"with the word Bearer":          {token: "Bearer " + good},
		"the URL with a slash":          {token: signRS256(t, private, rs, claims(func(c map[string]any) { c["webhook_url"] = here + "/" }))},
		"none":                          {want: MissingSignature},
		"no token":                      {token: "planted", want: WrongSignature},
		"algorithm none":                {token: part(t, map[string]any{"alg": "none"}) + "." + payload + ".", want: WrongSignature},
		"the public key as an HMAC key": {token: confused + "." + base64.RawURLEncoding.EncodeToString(mac([]byte(public), confused)), want: WrongSignature},
		"RS256 said of an HMAC":         {token: head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(mac([]byte(public), head+"."+payload)), want: WrongSignature},
		"another RSA algorithm":         {token: signRS256(t, private, map[string]any{"alg": "RS512"}, claims(nil)), want: WrongSignature},
		"something critical":            {token: signRS256(t, private, map[string]any{"alg": "RS256", "crit": []string{"x"}}, claims(nil)), want: WrongSignature},
		"another key":                   {token: good, public: otherPublic, want: WrongSignature},
		"another audience":              {token: signRS256(t, private, rs, claims(func(c map[string]any) { c["webhook_url"] = "https://elsewhere.example/webhooks/6f" })), want: WrongSignature},
		"no audience":                   {token: signRS256(t, private, rs, claims(func(c map[string]any) { delete(c, "webhook_url") })), want: WrongSignature},
		"another body":                  {token: good, body: `{"isTest":true}`, want: WrongSignature},
		"no hash of the body":           {token: signRS256(t, private, rs, claims(func(c map[string]any) { delete(c, "body_sha256") })), want: WrongSignature},
		"over":                          {token: signRS256(t, private, rs, claims(func(c map[string]any) { c["exp"] = now.Add(-61 * time.Second).Unix() })), want: OutsideTimeWindow},
		"just over, by another clock":   {token: signRS256(t, private, rs, claims(func(c map[string]any) { c["exp"] = now.Add(-59 * time.Second).Unix() }))},
		"without an end":                {token: signRS256(t, private, rs, claims(func(c map[string]any) { delete(c, "exp") })), want: WrongSignature},
		"an end that is a text":         {token: signRS256(t, private, rs, claims(func(c map[string]any) { c["exp"] = "never" })), want: WrongSignature},
		"cut off":                       {token: good[:len(good)-4], want: WrongSignature},
		"a fourth part":                 {token: good + ".AAAA", want: WrongSignature},
		"very long":                     {token: strings.Repeat("a", maxToken+1), want: WrongSignature},
	} {
		header := http.Header{}
		if tc.token != "" {
			header.Set("Authorization", tc.token)
		}
		key, got := public, body
		if tc.public != "" {
			key = tc.public
		}
		if tc.body != "" {
			got = []byte(tc.body)
		}
		require.Equal(t, tc.want, signedToken{}.Verify(Request{URL: at, Header: header, Body: got}, key, now), name)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	raw, err := x509.MarshalPKIXPublicKey(&small.PublicKey)
	require.NoError(t, err)
	for key, want := range map[string]string{
		"": "should be in PEM", "secret": "should be in PEM",
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})): "should be an RSA key",
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw})):         "too short",
	} {
		require.ErrorContains(t, signedToken{}.CheckSecret(key), want)
		require.Equal(t, WrongSignature, signedToken{}.Verify(Request{URL: at, Header: http.Header{"Authorization": {good}}, Body: body}, key, now))
	}
}

func TestVerifyBodySignature(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1}`)
	const secret = "harbor-body-secret"
	for name, tc := range map[string]struct {
		s      bodySignature
		values []string
		secret string
		want   error
	}{
		"hex":                 {s: bodySignature{}, values: []string{bodySignature{}.sign(secret, body)}},
		"upper case":          {s: bodySignature{}, values: []string{strings.ToUpper(bodySignature{}.sign(secret, body))}},
		"with a prefix":       {s: bodySignature{prefix: "sha256="}, values: []string{"sha256=" + bodySignature{}.sign(secret, body)}},
		"base64":              {s: bodySignature{base64: true}, values: []string{bodySignature{base64: true}.sign(secret, body)}},
		"without the prefix":  {s: bodySignature{prefix: "sha256="}, values: []string{bodySignature{}.sign(secret, body)}, want: WrongSignature},
		"another secret":      {values: []string{bodySignature{}.sign("another-body-secret", body)}, want: WrongSignature},
		"a shorter signature": {values: []string{bodySignature{}.sign(secret, body)[:32]}, want: WrongSignature},
		"no hex":              {values: []string{"no-secret-provided"}, want: WrongSignature},
		"empty":               {values: []string{""}, want: MissingSignature},
		"none":                {want: MissingSignature},
		"two":                 {values: []string{bodySignature{}.sign(secret, body), "00"}, want: MissingSignature},
		"a key in base64":     {s: bodySignature{keyBase64: true}, secret: "a2V5LW9mLXNpeHRlZW4tYnl0ZXMh", values: []string{hex.EncodeToString(mac([]byte("key-of-sixteen-bytes!"), string(body)))}},
		"a key not decoded":   {s: bodySignature{keyBase64: true}, secret: "a2V5LW9mLXNpeHRlZW4tYnl0ZXMh", values: []string{hex.EncodeToString(mac([]byte("a2V5LW9mLXNpeHRlZW4tYnl0ZXMh"), string(body)))}, want: WrongSignature},
	} {
		tc.s.header = "X-Signature"
		if tc.secret == "" {
			tc.secret = secret
		}
		require.Equal(t, tc.want, tc.s.Verify(Request{Header: http.Header{"X-Signature": tc.values}, Body: body}, tc.secret, now), name)
	}
	// Whatever anybody would try signs nothing, even where it is configured.
	for _, weak := range []string{"", "short", " spaced-secret", "no-secret-provided", "changeme", "ChangeMe", "aaaaaaaaaaaa", "00000000"} {
		require.Error(t, bodySignature{}.CheckSecret(weak), weak)
		require.Error(t, calendlySignature{}.CheckSecret(weak), weak)
		require.Error(t, zoomSignature{}.CheckSecret(weak), weak)
		require.Error(t, sharedSecret{}.CheckSecret(weak), weak)
		header := http.Header{"X-Signature": {hex.EncodeToString(mac([]byte(weak), string(body)))}}
		require.Equal(t, WrongSignature, bodySignature{header: "X-Signature"}.Verify(Request{Header: header, Body: body}, weak, now))
		header = http.Header{"Calendly-Webhook-Signature": {SignCalendly(weak, now, body)}}
		require.Equal(t, WrongSignature, calendlySignature{}.Verify(Request{Header: header, Body: body}, weak, now))
	}
	require.ErrorContains(t, bodySignature{keyBase64: true}.CheckSecret("AAAAAAAAAAA="), "too short")
	require.ErrorContains(t, bodySignature{keyBase64: true}.CheckSecret("not base64 at all"), "should be base64")
}

func TestVerifySharedSecret(t *testing.T) {
	t.Parallel()
	const secret = "harbor-token-of-thirty-two-chars"
	at := func(query string) *url.URL {
		u, err := url.Parse("https://debrief.example/webhooks/6f?" + query)
		require.NoError(t, err)
		return u
	}
	inHeader, inURL := sharedSecret{header: "X-Debrief-Secret"}, sharedSecret{}
	for name, tc := range map[string]struct {
		s    sharedSecret
		r    Request
		want error
	}{
		"in the header":              {inHeader, Request{Header: http.Header{"X-Debrief-Secret": {secret}}}, nil},
		"with the word Bearer":       {inHeader, Request{Header: http.Header{"X-Debrief-Secret": {"Bearer " + secret}}}, nil},
		"another in the header":      {inHeader, Request{Header: http.Header{"X-Debrief-Secret": {secret + "x"}}}, WrongSignature},
		"a beginning of it":          {inHeader, Request{Header: http.Header{"X-Debrief-Secret": {secret[:20]}}}, WrongSignature},
		"twice in the header":        {inHeader, Request{Header: http.Header{"X-Debrief-Secret": {secret, secret}}}, MissingSignature},
		"in the URL, not the header": {inHeader, Request{URL: at("token=" + secret)}, MissingSignature},
		"in the URL":                 {inURL, Request{URL: at("token=" + secret)}, nil},
		"among others in the URL":    {inURL, Request{URL: at("a=b&token=" + secret)}, nil},
		"another in the URL":         {inURL, Request{URL: at("token=" + secret + "x")}, WrongSignature},
		"empty in the URL":           {inURL, Request{URL: at("token=")}, MissingSignature},
		"twice in the URL":           {inURL, Request{URL: at("token=x&token=" + secret)}, MissingSignature},
		"no URL":                     {inURL, Request{}, MissingSignature},
	} {
		require.Equal(t, tc.want, tc.s.Verify(tc.r, secret, now), name)
	}
}

func TestVerifyCalendly(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1}`)
	good := SignCalendly(calendlySecret, now, body)
	unix := strconv.FormatInt(now.Unix(), 10)
	_, v1, _ := strings.Cut(good, ",")
	for name, tc := range map[string]struct {
		value string
		want  error
	}{
		"as signed":        {good, nil},
		"with a space":     {"t=" + unix + ", " + v1, nil},
		"the other way":    {v1 + ",t=" + unix, nil},
		"second one":       {"t=" + unix + ",v1=00," + v1, nil},
		"five minutes old": {SignCalendly(calendlySecret, now.Add(-5*time.Minute), body), nil},
		"older":            {SignCalendly(calendlySecret, now.Add(-5*time.Minute-time.Second), body), OutsideTimeWindow},
		"from the future":  {SignCalendly(calendlySecret, now.Add(5*time.Minute+time.Second), body), OutsideTimeWindow},
		"another secret":   {SignCalendly("another-signing-key", now, body), WrongSignature},
		"no time":          {v1, WrongSignature},
		"two times":        {"t=" + unix + ",t=1," + v1, WrongSignature},
		"unknown version":  {strings.Replace(good, "v1=", "v2=", 1), WrongSignature},
		"nothing":          {"", MissingSignature},
		"time alone":       {"t=" + unix, WrongSignature},
	} {
		require.Equal(t, tc.want, calendlySignature{}.Verify(Request{Header: http.Header{"Calendly-Webhook-Signature": {tc.value}}, Body: body}, calendlySecret, now), name)
	}
}
