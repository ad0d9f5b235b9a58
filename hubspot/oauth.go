package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// DefaultAuthorizeURL is HubSpot's consent page.
const DefaultAuthorizeURL = "https://app.hubspot.com/oauth/authorize"

const maxOAuthResponseBytes = 1 << 20

// OAuth is one HubSpot app at HubSpot's OAuth endpoints. Parameters travel in
// the form, never in the query, where a proxy would log them.
type OAuth struct {
	ClientID     string
	ClientSecret string
	RedirectURL  string
	// AuthorizeURL is the consent page. Default: [DefaultAuthorizeURL].
	AuthorizeURL string
	// HubID chooses the account on the consent page; 0 leaves it to the user.
	HubID int64
	// CodeVerifier is PKCE's secret (RFC 7636), the same for the authorization
	// and the exchange; empty sends no challenge, which is what HubSpot documents
	// for its apps.
	CodeVerifier string
	// BaseURL is the API's root. Default: [DefaultBaseURL].
	BaseURL string
	// HTTPClient is copied as Options.HTTPClient is.
	HTTPClient *http.Client
	// OnResponse is told of every call as Options.OnResponse is.
	OnResponse func(context.Context, ResponseInfo)
}

// String names the app, without its secret.
func (o OAuth) String() string { return "hubspot.OAuth(" + o.ClientID + ")" }

// GoString is String: %#v must print no secret either.
func (o OAuth) GoString() string { return o.String() }

// Token is a grant: what a code or a refresh token was exchanged for. It
// prints and encodes without its secrets.
type Token struct {
	// AccessToken is good until ExpiresAt, 30 minutes as a rule.
	AccessToken string `json:"-"`
	// RefreshToken replaces the one that was used: HubSpot returns the same
	// one today and may return another.
	RefreshToken string    `json:"-"`
	ExpiresAt    time.Time `json:"expiresAt"`
	// HubID is the account; UserID who connected it. 0 if HubSpot left it out.
	HubID  int64 `json:"hubId"`
	UserID int64 `json:"userId"`
	// Scopes are those granted. An optional scope that the account's plan
	// lacks is dropped without a word: compare.
	Scopes []string `json:"scopes"`
}

// String tells about the token, without its secrets.
func (t Token) String() string {
	return fmt.Sprintf("hubspot.Token(hub %d, user %d, until %s)", t.HubID, t.UserID, t.ExpiresAt.UTC().Format(time.RFC3339))
}

// GoString is String: %#v must print no secret either.
func (t Token) GoString() string { return t.String() }

func (o OAuth) base() string {
	if o.BaseURL == "" {
		return DefaultBaseURL
	}
	return strings.TrimRight(o.BaseURL, "/")
}

func (o OAuth) tokenURL() string { return o.base() + "/oauth/" + APIVersion + "/token" }

func (o OAuth) config() *oauth2.Config {
	return &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURL,
		// Without a style, x/oauth2 would try the Authorization header first
		// and spend a single-use code on it.
		Endpoint: oauth2.Endpoint{TokenURL: o.tokenURL(), AuthStyle: oauth2.AuthStyleInParams},
	}
}

// AuthorizationURL is where to send the user's browser. scopes must hold every
// scope that the app requires, optionalScopes those that the account may not
// have. Spaces are written as %20, as HubSpot's own clients do.
func (o OAuth) AuthorizationURL(state string, scopes, optionalScopes []string) string {
	base := o.AuthorizeURL
	if base == "" {
		base = DefaultAuthorizeURL
	}
	if o.HubID != 0 {
		base = strings.Replace(base, "/oauth/authorize", "/oauth/"+strconv.FormatInt(o.HubID, 10)+"/authorize", 1)
	}
	q := url.Values{
		"client_id":    {o.ClientID},
		"redirect_uri": {o.RedirectURL},
		"scope":        {strings.Join(scopes, " ")},
		"state":        {state},
	}
	if len(optionalScopes) > 0 {
		q.Set("optional_scope", strings.Join(optionalScopes, " "))
	}
	if o.CodeVerifier != "" {
		q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(o.CodeVerifier))
		q.Set("code_challenge_method", "S256")
	}
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	// Encode writes a real plus as %2B, so every + here is a space.
	return base + separator + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// Exchange trades the code of a callback for a token. A code works once, for
// a short while.
func (o OAuth) Exchange(ctx context.Context, code string) (Token, error) {
	var options []oauth2.AuthCodeOption
	if o.CodeVerifier != "" {
		options = append(options, oauth2.VerifierOption(o.CodeVerifier))
	}
	t, err := o.config().Exchange(o.withHTTP(ctx), code, options...)
	return o.token(t, err, "exchanging the code")
}

// Refresh trades a refresh token for a new access token. Store the refresh
// token that comes back.
func (o OAuth) Refresh(ctx context.Context, refreshToken string) (Token, error) {
	t, err := o.config().TokenSource(o.withHTTP(ctx), &oauth2.Token{RefreshToken: refreshToken}).Token()
	return o.token(t, err, "refreshing the token")
}

// ClientCredentials gets a token of the app itself, which belongs to no
// account, has no refresh token and serves the webhooks journal with the
// scopes [JournalScopes].
func (o OAuth) ClientCredentials(ctx context.Context, scopes []string) (Token, error) {
	c := clientcredentials.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.tokenURL(), Scopes: scopes, AuthStyle: oauth2.AuthStyleInParams,
	}
	t, err := c.Token(o.withHTTP(ctx))
	return o.token(t, err, "getting the app's own token")
}

func (o OAuth) withHTTP(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, o.http())
}

func (o OAuth) http() *http.Client {
	h := safeHTTPClient(o.HTTPClient, 0)
	if o.OnResponse != nil {
		next := h.Transport
		if next == nil {
			next = http.DefaultTransport
		}
		h.Transport = observed{next, o.OnResponse}
	}
	return h
}

// observed tells of each call once its answer has begun: its body is x/oauth2's
// to read.
type observed struct {
	next http.RoundTripper
	tell func(context.Context, ResponseInfo)
}

func (o observed) RoundTrip(req *http.Request) (*http.Response, error) {
	started := time.Now()
	res, err := o.next.RoundTrip(req)
	info := ResponseInfo{RequestInfo: RequestInfo{Method: req.Method, Endpoint: tokenPath(req.URL.Path), Bucket: NoBucket}}
	info.Duration = time.Since(started)
	switch {
	case err != nil:
		info.Err = withoutURL(err)
	default:
		info.StatusCode = res.StatusCode
		info.RateLimit = parseRateLimit(res.Header)
		info.CorrelationID = plainToken(res.Header.Get("X-HubSpot-Correlation-Id"))
		if res.StatusCode < 200 || res.StatusCode > 299 {
			info.Err = &OAuthError{StatusCode: res.StatusCode, RetryAfter: parseRetryAfter(res.Header.Get("Retry-After")), doing: "a call of the token endpoint"}
		}
	}
	o.tell(req.Context(), info)
	return res, err
}

// tokenPath is the endpoint without what a base URL may have in front.
func tokenPath(path string) string {
	if at := strings.Index(path, "/oauth/"); at > 0 {
		return path[at:]
	}
	return path
}

func (o OAuth) token(t *oauth2.Token, err error, doing string) (Token, error) {
	if err != nil {
		return Token{}, oauthError(err, doing)
	}
	out := Token{
		AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, ExpiresAt: t.Expiry,
		HubID: extraInt(t, "hub_id"), UserID: extraInt(t, "user_id"),
	}
	switch scopes := t.Extra("scopes").(type) {
	case []any:
		for _, s := range scopes {
			if text, ok := s.(string); ok {
				out.Scopes = append(out.Scopes, text)
			}
		}
	case string:
		out.Scopes = strings.Fields(scopes)
	}
	if out.Scopes == nil {
		if text, ok := t.Extra("scope").(string); ok {
			out.Scopes = strings.Fields(text)
		}
	}
	return out, nil
}

func extraInt(t *oauth2.Token, name string) int64 {
	switch v := t.Extra(name).(type) {
	case float64:
		return int64(v)
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// OAuthError is a failure at the token endpoints. Exactly one of Refused,
// Misconfigured and Transient is true of it.
type OAuthError struct {
	// StatusCode is 0 if no usable answer came.
	StatusCode int
	// Code is the OAuth error, such as "invalid_grant".
	Code string
	// Status is HubSpot's own, such as "BAD_REFRESH_TOKEN".
	Status string
	// Description is HubSpot's sentence; it is not part of the error's text.
	Description string
	RetryAfter  time.Duration

	doing string
	cause error
}

// Error says what failed, without the description and without a body.
func (e *OAuthError) Error() string {
	var b strings.Builder
	b.WriteString("hubspot: " + e.doing + ":")
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, " %d", e.StatusCode)
	}
	for _, word := range []string{e.Code, e.Status} {
		if w := plainToken(word); w != "" {
			b.WriteString(" " + w)
		}
	}
	if e.cause != nil {
		fmt.Fprintf(&b, " %v", e.cause)
	}
	return b.String()
}

// Unwrap gives the cause of a failure without an answer.
func (e *OAuthError) Unwrap() error { return e.cause }

// Refused says that the grant is gone for good (uninstalled, revoked, the
// account deleted): only connecting again helps.
func (e *OAuthError) Refused() bool {
	if !e.answered4xx() {
		return false
	}
	switch e.Code {
	case "invalid_grant", "access_denied":
		return true
	}
	switch e.Status {
	case "BAD_REFRESH_TOKEN", "BAD_HUB":
		return true
	}
	return false
}

// Misconfigured says that HubSpot does not accept the app or the request
// (client ID, secret, redirect address): the operator must act, and the grant
// is not lost.
func (e *OAuthError) Misconfigured() bool { return e.answered4xx() && !e.Refused() }

// Transient says that trying again later may help. See [RetryDelay].
func (e *OAuthError) Transient() bool { return !e.answered4xx() }

// answered4xx is true of a 4xx that is an answer to the request itself.
func (e *OAuthError) answered4xx() bool {
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusLocked, statusMigrating:
		return false
	}
	return e.StatusCode >= 400 && e.StatusCode < 500
}

// oauthError takes what is needed out of an error of x/oauth2 and drops the
// rest: its RetrieveError prints the whole body.
func oauthError(err error, doing string) *OAuthError {
	var r *oauth2.RetrieveError
	if errors.As(err, &r) && r.Response != nil {
		return decodeOAuthError(r.Response.StatusCode, r.Response.Header, r.Body, doing)
	}
	cause := withoutURL(err)
	if cause == err && !isContextError(err) { //nolint:errorlint // whether withoutURL took anything off
		// x/oauth2's other errors are untyped, and may quote the answer.
		cause = errors.New("no usable answer")
	}
	return &OAuthError{doing: doing, cause: cause}
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func decodeOAuthError(status int, header http.Header, raw []byte, doing string) *OAuthError {
	var body struct {
		Error       lenient `json:"error"`
		Description lenient `json:"error_description"`
		Status      lenient `json:"status"`
		Message     lenient `json:"message"`
	}
	_ = json.Unmarshal(raw, &body)
	e := &OAuthError{
		StatusCode: status, Code: string(body.Error), Status: string(body.Status), Description: string(body.Description),
		RetryAfter: parseRetryAfter(header.Get("Retry-After")), doing: doing,
	}
	if e.Description == "" {
		e.Description = string(body.Message)
	}
	if e.StatusCode >= 200 && e.StatusCode < 300 {
		// x/oauth2 calls an answer without an access token an error too.
		// It is no refusal, whatever it says.
		e.StatusCode, e.cause = 0, errors.New("no usable answer")
	}
	return e
}

// Introspection is what HubSpot says of a token.
type Introspection struct {
	// Active is false for a token that is unknown, expired or revoked; then
	// nothing else is set.
	Active    bool
	HubID     int64
	HubDomain string
	UserID    int64
	// User is the e-mail address of who connected the app.
	User     string
	AppID    int64
	ClientID string
	Scopes   []string
	// UserLevel says that the token carries its user's rights, not the app's.
	UserLevel bool
}

// Kinds of token, for [OAuth.Introspect] and [OAuth.Revoke].
const (
	AccessTokenKind  = "access_token"
	RefreshTokenKind = "refresh_token"
)

// Introspect asks about a token of this app.
func (o OAuth) Introspect(ctx context.Context, token, kind string) (Introspection, error) {
	raw, err := o.post(ctx, "/introspect", token, kind, "introspecting a token")
	if err != nil {
		return Introspection{}, err
	}
	var body struct {
		Active    *bool     `json:"active"`
		HubID     lenient   `json:"hub_id"`
		HubDomain lenient   `json:"hub_domain"`
		UserID    lenient   `json:"user_id"`
		User      lenient   `json:"user"`
		AppID     lenient   `json:"app_id"`
		ClientID  lenient   `json:"client_id"`
		Scopes    []lenient `json:"scopes"`
		Signed    struct {
			IsUserLevel flag `json:"isUserLevel"`
		} `json:"signed_access_token"`
	}
	if json.Unmarshal(raw, &body) != nil || body.Active == nil {
		// An answer that does not say must not be taken for a dead token.
		return Introspection{}, &OAuthError{doing: "introspecting a token", cause: errors.New("the answer is not the JSON expected")}
	}
	if !*body.Active {
		return Introspection{}, nil
	}
	out := Introspection{
		Active: true, HubID: body.HubID.int64(), HubDomain: string(body.HubDomain), UserID: body.UserID.int64(), User: string(body.User),
		AppID: body.AppID.int64(), ClientID: string(body.ClientID), UserLevel: bool(body.Signed.IsUserLevel),
	}
	for _, s := range body.Scopes {
		out.Scopes = append(out.Scopes, string(s))
	}
	return out, nil
}

// Revoke ends a refresh token. Access tokens already issued go on working
// until they expire, and the app stays installed: see [Client.Uninstall].
func (o OAuth) Revoke(ctx context.Context, token, kind string) error {
	_, err := o.post(ctx, "/revoke", token, kind, "revoking a token")
	return err
}

func (o OAuth) post(ctx context.Context, path, token, kind, doing string) ([]byte, error) {
	form := url.Values{
		"client_id": {o.ClientID}, "client_secret": {o.ClientSecret},
		"token": {token}, "token_type_hint": {kind},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.tokenURL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &OAuthError{doing: doing, cause: errors.New("the base URL is not usable")}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	res, err := o.http().Do(req)
	if err != nil {
		return nil, &OAuthError{doing: doing, cause: withoutURL(err)}
	}
	defer res.Body.Close()
	raw, err := readBounded(io.Reader(res.Body), maxOAuthResponseBytes)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, decodeOAuthError(res.StatusCode, res.Header, raw, doing)
	}
	if err != nil {
		return nil, &OAuthError{doing: doing, cause: err}
	}
	return raw, nil
}
