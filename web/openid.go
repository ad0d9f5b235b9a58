package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"github.com/debriefhq/debrief/store"
)

// SignInCallbackPath is where identity providers send a browser back to: the
// redirect URL to register there is the public URL with this path.
const SignInCallbackPath = "/sign-in/callback"

// IdentityProviders is what signing in by OpenID Connect needs of the store.
type IdentityProviders interface {
	IdentityProviders(ctx context.Context) ([]store.IdentityProvider, error)
	IdentityProviderFor(ctx context.Context, email string) (store.IdentityProvider, error)
	IdentityProviderWithSecret(ctx context.Context, organizationID uuid.UUID) (store.IdentityProvider, store.Secret, error)
	BeginSignIn(ctx context.Context, organizationID uuid.UUID, browser store.Secret, returnTo string) (store.Secret, error)
	UseSignIn(ctx context.Context, state, browser store.Secret) (store.SignInAttempt, error)
	SignInAs(ctx context.Context, in store.Subject) (store.Secret, error)
}

// signInError is a sign-in that failed at the identity provider, with a sentence
// for the person and a cause for whoever runs Debrief.
type signInError struct {
	sentence string
	cause    error
}

func (e *signInError) Error() string { return fmt.Sprintf("%s (%v)", e.sentence, e.cause) }
func (e *signInError) Unwrap() error { return e.cause }

type openIDPage struct {
	To string
	// Provider is the host of the only provider; empty where the address has to
	// tell which one it is.
	Provider string
	// None: nobody can sign in by a provider here.
	None    bool
	Problem string
	Email   string
}

func (w *Web) showOpenID(c *gin.Context) {
	to := ownPath(c.Query("to"))
	if _, err := w.Session(c.Request); err == nil {
		c.Redirect(http.StatusSeeOther, to)
		return
	}
	w.renderOpenID(c, http.StatusOK, openIDPage{To: to})
}

// renderOpenID shows the page to sign in. It never says more of the installation's
// organizations than whether there is one provider or several.
func (w *Web) renderOpenID(c *gin.Context, status int, data openIDPage) {
	all, err := w.store.IdentityProviders(c.Request.Context())
	if err != nil {
		w.broken(c, "listing identity providers", err)
		return
	}
	data.None = len(all) == 0
	if len(all) == 1 {
		data.Provider = host(all[0].Issuer)
	}
	w.render(c, status, "openid.html", w.printer(c).T("Sign in to Debrief"), data)
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// beginOpenID sends the browser to its organization's provider. It is a page that
// goes on by itself, not a redirect: browsers hold a form's redirects to the
// policy of the page that it was on, and that must not list everybody's providers.
func (w *Web) beginOpenID(c *gin.Context) {
	ctx := c.Request.Context()
	data := openIDPage{To: ownPath(c.PostForm("to")), Email: c.PostForm("email")}
	all, err := w.store.IdentityProviders(ctx)
	if err != nil {
		w.broken(c, "listing identity providers", err)
		return
	}
	var p store.IdentityProvider
	if len(all) == 1 {
		p = all[0]
	} else if p, err = w.store.IdentityProviderFor(ctx, data.Email); err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			w.broken(c, "looking for an identity provider", err)
			return
		}
		// One answer for all of it: an unknown domain, an organization that does
		// not sign in by a provider, and nonsense.
		data.Problem = "Nobody can sign in with that address here. Check that it is the address that your organization gave you."
		w.renderOpenID(c, http.StatusUnprocessableEntity, data)
		return
	}
	to, err := w.authorizeURL(c, p.OrganizationID, data.To)
	if err != nil {
		w.openIDFailed(c, err)
		return
	}
	c.Header("Refresh", "0; url="+to)
	w.render(c, http.StatusOK, "going.html", w.printer(c).T("On to %s", host(p.Issuer)), to)
}

func (w *Web) authorizeURL(c *gin.Context, organizationID uuid.UUID, returnTo string) (string, error) {
	ctx := c.Request.Context()
	r, err := w.relyingParty(ctx, organizationID)
	if err != nil {
		return "", err
	}
	// One token a browser, so that two tabs opened side by side both work.
	browser, err := c.Cookie(signInCookie)
	if err != nil || len(browser) < 26 || len(browser) > 64 {
		browser = rand.Text()
	}
	state, err := w.store.BeginSignIn(ctx, organizationID, store.Secret(browser), returnTo)
	if err != nil {
		return "", err
	}
	w.setCookie(c, signInCookie, browser, int(store.SignInTTL.Seconds()))
	return r.oauth.AuthCodeURL(state.Reveal(), oauth2.S256ChallengeOption(derive("verifier", browser, state.Reveal())),
		oidc.Nonce(derive("nonce", browser, state.Reveal()))), nil
}

// derive makes the nonce and PKCE's verifier out of what only this browser has
// and what only this sign-in has: 256 bits that need not be stored, and that no
// other browser can come by.
func derive(what, browser, state string) string {
	mac := hmac.New(sha256.New, []byte(browser))
	mac.Write([]byte(what + ":" + state))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// relyingParty is Debrief as one organization's provider knows it.
type relyingParty struct {
	store.IdentityProvider

	provider *oidc.Provider
	oauth    oauth2.Config
	// namesItself: the provider says who it is when it sends a browser back.
	namesItself bool
}

// relyingParty asks the provider where its endpoints are, each time anew: people
// sign in rarely, and a provider that moves or changes its keys needs no restart.
func (w *Web) relyingParty(ctx context.Context, organizationID uuid.UUID) (*relyingParty, error) {
	p, secret, err := w.store.IdentityProviderWithSecret(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	r := &relyingParty{IdentityProvider: p}
	if r.provider, r.oauth.Endpoint, r.namesItself, err = discover(ctx, w.options.HTTPClient, p.Issuer); err != nil {
		return nil, &signInError{"Your identity provider does not answer as it should. Try again in a minute; if it stays so, tell whoever runs Debrief.", err}
	}
	r.oauth.ClientID, r.oauth.ClientSecret = p.ClientID, secret.Reveal()
	r.oauth.RedirectURL = SignInRedirectURL(w.options.PublicURL)
	r.oauth.Scopes = []string{oidc.ScopeOpenID, "profile", "email"}
	return r, nil
}

// SignInRedirectURL is what to register at an identity provider, for an
// installation with that public URL.
func SignInRedirectURL(publicURL string) string {
	return strings.TrimRight(publicURL, "/") + SignInCallbackPath
}

// CheckIdentityProvider says whether an issuer answers as an OpenID Connect
// provider does that Debrief can use.
func CheckIdentityProvider(ctx context.Context, client *http.Client, issuer string) error {
	_, _, _, err := discover(ctx, client, issuer)
	return err
}

func discover(ctx context.Context, client *http.Client, issuer string) (*oidc.Provider, oauth2.Endpoint, bool, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuer)
	if err != nil {
		return nil, oauth2.Endpoint{}, false, fmt.Errorf("reading the identity provider's configuration: %w", err)
	}
	var says struct {
		AuthMethods  []string `json:"token_endpoint_auth_methods_supported"`
		IssInAnswers bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&says); err != nil {
		return nil, oauth2.Endpoint{}, false, fmt.Errorf("reading the identity provider's configuration: %w", err)
	}
	endpoint := provider.Endpoint()
	// Left to find out by itself, the library would send a code twice. Absent
	// means client_secret_basic (OpenID Connect Discovery 1.0, section 3).
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if len(says.AuthMethods) > 0 && !slices.Contains(says.AuthMethods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return provider, endpoint, says.IssInAnswers, nil
}

// finishOpenID is where a provider sends the browser back to.
func (w *Web) finishOpenID(c *gin.Context) {
	ctx := c.Request.Context()
	browser, _ := c.Cookie(signInCookie)
	state := c.Query("state")
	attempt, err := w.store.UseSignIn(ctx, store.Secret(state), store.Secret(browser))
	if err != nil {
		w.openIDFailed(c, err)
		return
	}
	subject, err := w.subject(c, attempt.OrganizationID, browser, state)
	if err != nil {
		w.openIDFailed(c, err)
		return
	}
	session, err := w.store.SignInAs(ctx, subject)
	if err != nil {
		w.openIDFailed(c, err)
		return
	}
	w.begin(c, session, ownPath(attempt.ReturnTo))
}

// subject exchanges the code that the browser brought for who it is.
func (w *Web) subject(c *gin.Context, organizationID uuid.UUID, browser, state string) (store.Subject, error) {
	ctx := oidc.ClientContext(c.Request.Context(), w.options.HTTPClient)
	r, err := w.relyingParty(ctx, organizationID)
	if err != nil {
		return store.Subject{}, err
	}
	// An answer that another provider had asked for must not count here (RFC 9207).
	if iss := c.Query("iss"); iss != r.Issuer && (iss != "" || r.namesItself) {
		return store.Subject{}, &signInError{"The answer came from another identity provider than you were sent to. Begin again.", errors.New("the parameter iss names another issuer, or is missing")}
	}
	if c.Query("error") != "" {
		return store.Subject{}, &signInError{"Your identity provider did not let you in. Nothing was changed here; ask whoever runs it, or try again.", errors.New("the provider answered with an error")}
	}
	const unusable = "What your identity provider answered can't be trusted, so you were not signed in. Begin again; if it stays so, tell whoever runs Debrief."
	token, err := r.oauth.Exchange(ctx, c.Query("code"), oauth2.VerifierOption(derive("verifier", browser, state)))
	if err != nil {
		return store.Subject{}, &signInError{unusable, exchangeError(err)}
	}
	raw, _ := token.Extra("id_token").(string)
	// The library checks signature (never "none"), issuer, audience and expiry.
	verified, err := r.provider.Verifier(&oidc.Config{ClientID: r.ClientID}).Verify(ctx, raw)
	if err != nil {
		return store.Subject{}, &signInError{unusable, fmt.Errorf("verifying the ID token: %w", err)}
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(derive("nonce", browser, state))) != 1 {
		return store.Subject{}, &signInError{unusable, errors.New("the ID token is of another sign-in: its nonce is wrong")}
	}
	var said claims
	if err := verified.Claims(&said); err != nil {
		return store.Subject{}, &signInError{unusable, fmt.Errorf("reading the ID token: %w", err)}
	}
	if len(verified.Audience) > 1 && said.AuthorizedParty != r.ClientID {
		return store.Subject{}, &signInError{unusable, errors.New("the ID token is for several, and we are not the one that it was issued to")}
	}
	if said.Email == "" && r.provider.UserInfoEndpoint() != "" {
		info, err := r.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return store.Subject{}, &signInError{unusable, fmt.Errorf("asking for the user's information: %w", err)}
		}
		if info.Subject != verified.Subject {
			return store.Subject{}, &signInError{unusable, errors.New("the user's information is about another subject")}
		}
		hosted := said.HostedDomain
		if err := info.Claims(&said); err != nil {
			return store.Subject{}, &signInError{unusable, fmt.Errorf("reading the user's information: %w", err)}
		}
		said.HostedDomain = hosted
	}
	if err := said.vouched(r.Issuer); err != nil {
		return store.Subject{}, err
	}
	return store.Subject{OrganizationID: organizationID, Issuer: r.Issuer, ID: verified.Subject, Email: said.Email, Name: said.Name}, nil
}

// exchangeError leaves out what the provider answered, which may quote the code.
func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		status := 0
		if refused.Response != nil {
			status = refused.Response.StatusCode
		}
		return fmt.Errorf("exchanging the code: the provider answered %d %q", status, refused.ErrorCode)
	}
	return fmt.Errorf("exchanging the code: %w", err)
}

// claims are what a provider says of somebody (OpenID Connect Core 1.0, section
// 5.1).
type claims struct {
	Email           string `json:"email"`
	EmailVerified   maybe  `json:"email_verified"`
	Name            string `json:"name"`
	AuthorizedParty string `json:"azp"`
	// HostedDomain is Google's: the Workspace domain that the account belongs to.
	HostedDomain string `json:"hd"`
}

// maybe is a claim that may be absent: some providers write it as text.
type maybe struct{ no bool }

func (m *maybe) UnmarshalJSON(raw []byte) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("reading a claim: %w", err)
	}
	switch v {
	case true, "true", nil:
		m.no = false
	default:
		m.no = true
	}
	return nil
}

// googleIssuer serves all of Google's accounts, and anybody can make one with a
// foreign address: what names the organization is the claim hd
// (developers.google.com/identity/openid-connect/openid-connect, "hd").
const googleIssuer = "https://accounts.google.com"

// vouched says whether the provider stands for the address.
func (c claims) vouched(issuer string) error {
	if c.EmailVerified.no {
		return &store.Refusal{Sentence: "your identity provider says that your e-mail address is not verified. Verify it there, and sign in again."}
	}
	_, domain, _ := strings.Cut(strings.ToLower(c.Email), "@")
	if issuer == googleIssuer && !strings.EqualFold(c.HostedDomain, domain) {
		return &store.Refusal{Sentence: "this Google account does not belong to the Workspace of its e-mail domain. Sign in with the account that your organization gave you."}
	}
	return nil
}

func (w *Web) openIDFailed(c *gin.Context, err error) {
	const title = "You were not signed in"
	var refusal *store.Refusal
	var failed *signInError
	switch {
	case errors.As(err, &refusal):
		w.fail(c, http.StatusForbidden, title, sentence(refusal))
	case errors.As(err, &failed):
		w.options.OnError(c.Request.Context(), "signing in", failed.cause)
		w.fail(c, http.StatusBadGateway, title, failed.sentence)
	case errors.Is(err, store.ErrForeign):
		w.fail(c, http.StatusForbidden, title, "This sign-in was begun in another browser. Begin again in this one.")
	case errors.Is(err, store.ErrUsed):
		w.fail(c, http.StatusGone, title, "This sign-in was finished already. If it was not you, tell whoever runs Debrief. Begin again.")
	case errors.Is(err, store.ErrExpired):
		w.fail(c, http.StatusGone, title, "It took longer than ten minutes. Begin again.")
	case errors.Is(err, store.ErrNotFound):
		w.fail(c, http.StatusNotFound, title, "This sign-in is not known here. Begin again.")
	default:
		w.broken(c, "signing in", err)
	}
}

// sentence is a refusal as a sentence of its own.
func sentence(r *store.Refusal) string {
	if r.Sentence == "" {
		return ""
	}
	s := strings.ToUpper(r.Sentence[:1]) + r.Sentence[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
