package connections

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// Login is a way to connect that was begun: a link for whoever has to click.
type Login struct {
	// URL works once, in one browser, until ExpiresAt. Whoever has it can
	// connect an account of their own: hand it to nobody else.
	URL       string
	ExpiresAt time.Time
	AttemptID uuid.UUID
}

// LoginRequest says what somebody is to connect.
type LoginRequest struct {
	OrganizationID uuid.UUID
	AppID          uuid.UUID
	// Name is the connection's, new or one to reconnect.
	Name string
	// HubID is the account that is expected; 0 if any will do.
	HubID int64
	// OptionalScopes are asked for beside the app's own.
	OptionalScopes []string
	// TTL is how long the link works; 0 means [store.AttemptTTL].
	TTL time.Duration
}

// BeginLogin makes the link by which somebody connects a HubSpot account to the
// organization, under that name, through one of its apps.
func (s *Service) BeginLogin(ctx context.Context, r LoginRequest, actor store.Actor) (Login, error) {
	attempt, link, err := s.store.CreateAttempt(ctx, store.NewAttempt{
		OrganizationID: r.OrganizationID, AppID: r.AppID, ConnectionName: r.Name, ExpectedHubID: r.HubID, OptionalScopes: r.OptionalScopes, TTL: r.TTL,
	}, actor)
	if err != nil {
		return Login{}, fmt.Errorf("beginning to connect: %w", err)
	}
	return Login{URL: s.options.PublicURL + "/connect/" + link.Reveal(), ExpiresAt: attempt.ExpiresAt, AttemptID: attempt.ID}, nil
}

// Invitation is what a page tells before it sends somebody to HubSpot.
type Invitation struct {
	ConnectionName string
	App            store.App
	// HubID is the account that is expected; 0 if any will do.
	HubID          int64
	OptionalScopes []string
	ExpiresAt      time.Time
}

// Invitation reads what a link is about. It changes nothing. The error is a
// [*LoginError].
func (s *Service) Invitation(ctx context.Context, link store.Secret) (Invitation, error) {
	attempt, err := s.store.AttemptByLink(ctx, link)
	if err != nil {
		return Invitation{}, linkError(err)
	}
	app, err := s.store.App(ctx, attempt.OrganizationID, attempt.AppID)
	if err != nil {
		return Invitation{}, &LoginError{public: unexpected, cause: err}
	}
	return Invitation{
		ConnectionName: attempt.ConnectionName, App: app, HubID: attempt.ExpectedHubID, OptionalScopes: attempt.OptionalScopes, ExpiresAt: attempt.ExpiresAt,
	}, nil
}

// Authorize returns HubSpot's consent page for a link, with a fresh state that
// belongs to the browser with that token. The error is a [*LoginError].
func (s *Service) Authorize(ctx context.Context, link, browser store.Secret) (string, error) {
	attempt, state, err := s.store.AuthorizeAttempt(ctx, link, browser)
	if err != nil {
		return "", linkError(err)
	}
	app, err := s.store.App(ctx, attempt.OrganizationID, attempt.AppID)
	if err != nil {
		return "", &LoginError{public: unexpected, cause: err}
	}
	oauth := s.oauth(app, "")
	oauth.HubID = attempt.ExpectedHubID // if known, HubSpot offers no other account
	if s.options.Provider.PKCE {
		_, secret, err := s.store.AppWithSecret(ctx, attempt.OrganizationID, attempt.AppID)
		if err != nil {
			return "", &LoginError{public: unexpected, cause: err}
		}
		oauth.CodeVerifier = codeVerifier(secret, state)
	}
	return oauth.AuthorizationURL(state.Reveal(), s.options.Provider.Scopes, attempt.OptionalScopes), nil
}

// codeVerifier is PKCE's secret for a state (RFC 7636). It need not be stored:
// only who knows the app's secret can make it again.
func codeVerifier(clientSecret, state store.Secret) string {
	mac := hmac.New(sha256.New, []byte(clientSecret.Reveal()))
	mac.Write([]byte("code verifier:" + state.Reveal()))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Return is what HubSpot sends a browser back with.
type Return struct {
	State store.Secret
	Code  store.Secret
	// Error is OAuth's, such as "access_denied", in place of a code.
	Error string
	// Browser is the token of the browser, as given to [Service.Authorize].
	Browser store.Secret
}

// Result is how connecting ended well.
type Result struct {
	Connection store.Connection
	// Reconnected: the account was connected already, and that connection, of
	// whatever name, was renewed.
	Reconnected bool
	// Missing are the scopes that Debrief asked for and HubSpot did not grant.
	Missing []string
}

// Callback ends what [Service.Authorize] began: it exchanges the code, asks
// HubSpot what was granted and by whom, and stores it. Whatever is wrong is a
// [*LoginError], and nothing that was there before is touched.
func (s *Service) Callback(ctx context.Context, in Return) (Result, error) {
	// A browser that is closed now must not cost the code, which works once.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*callTimeout)
	defer cancel()
	attempt, err := s.store.ClaimAttempt(ctx, in.State, in.Browser)
	if err != nil {
		return Result{}, stateError(err)
	}
	result, refusal := s.finish(ctx, attempt, in)
	if refusal != nil {
		if _, ok := errors.AsType[*store.ExistsError](refusal); ok {
			return Result{}, refusal // the next word is the visitor's
		}
		if err := s.store.FailAttempt(ctx, attempt.ID, refusal.public); err != nil {
			return Result{}, &LoginError{public: refusal.public, cause: errors.Join(refusal, err)}
		}
		return Result{}, refusal
	}
	s.forget(result.Connection.ID)
	return result, nil
}

func (s *Service) finish(ctx context.Context, attempt store.Attempt, in Return) (Result, *LoginError) {
	if in.Error != "" || in.Code == "" {
		return Result{}, &LoginError{public: "HubSpot sent you back without connecting: it was canceled there, or not allowed. Nothing was changed. Open the link again to try once more."}
	}
	app, secret, err := s.store.AppWithSecret(ctx, attempt.OrganizationID, attempt.AppID)
	if err != nil {
		return Result{}, &LoginError{public: unexpected, cause: err}
	}
	oauth := s.oauth(app, secret)
	if s.options.Provider.PKCE {
		oauth.CodeVerifier = codeVerifier(secret, in.State)
	}
	token, err := withTimeout(ctx, func(ctx context.Context) (hubspot.Token, error) { return oauth.Exchange(ctx, in.Code.Reveal()) })
	if err != nil {
		return Result{}, exchangeError(err)
	}
	about, err := withTimeout(ctx, func(ctx context.Context) (hubspot.Introspection, error) {
		return oauth.Introspect(ctx, token.AccessToken, hubspot.AccessTokenKind)
	})
	if err != nil {
		return Result{}, exchangeError(err)
	}
	if err := checkIntrospection(app, token, about); err != nil {
		return Result{}, &LoginError{public: "HubSpot's answer does not fit this app, so nothing was connected. Open the link again; if it stays so, tell whoever runs Debrief.", cause: err}
	}
	if attempt.ExpectedHubID != 0 && attempt.ExpectedHubID != about.HubID {
		return Result{}, &LoginError{public: fmt.Sprintf(
			"This link is for HubSpot account %d, and you chose account %d, so nothing was connected. Open the link again and choose account %d.",
			attempt.ExpectedHubID, about.HubID, attempt.ExpectedHubID)}
	}
	scopes := about.Scopes
	if len(scopes) == 0 {
		scopes = token.Scopes
	}
	granted := store.Granted{
		HubID: about.HubID, HubDomain: about.HubDomain, UserID: about.UserID, UserEmail: about.User,
		IsUserLevel: about.UserLevel, Scopes: scopes, Grant: s.grant(token),
	}
	// Worth having, and no reason to refuse.
	if account, err := withTimeout(ctx, s.hubspot(token.AccessToken).AccountDetails); err == nil {
		granted.AccountType, granted.TimeZone = account.Type, account.TimeZone
		granted.Currencies = currencies(account)
	}
	return s.save(ctx, attempt, granted)
}

func currencies(a hubspot.Account) []string {
	all := a.AdditionalCurrencies
	if a.CompanyCurrency != "" {
		all = append([]string{a.CompanyCurrency}, all...)
	}
	return all
}

func (s *Service) save(ctx context.Context, attempt store.Attempt, granted store.Granted) (Result, *LoginError) {
	connection, reconnected, err := s.store.SaveGrant(ctx, attempt, granted)
	var taken *store.NameTakenError
	if errors.As(err, &taken) {
		return Result{}, &LoginError{cause: err, public: fmt.Sprintf(
			"The name %q belongs to a connection to another HubSpot account or user (account %d), so nothing was replaced. Choose account %d at HubSpot, or ask for a link with another name.",
			taken.Name, taken.HubID, taken.HubID)}
	}
	if exists, ok := errors.AsType[*store.ExistsError](err); ok {
		return Result{}, &LoginError{cause: err, public: fmt.Sprintf(
			"HubSpot account %d is connected already, as %q. Nothing was replaced.", exists.Connection.HubID, exists.Connection.Name)}
	}
	if refusal, ok := errors.AsType[*store.Refusal](err); ok {
		return Result{}, &LoginError{cause: err, public: "Nothing was connected: " + refusal.Sentence}
	}
	if err != nil {
		return Result{}, &LoginError{public: unexpected, cause: err}
	}
	return Result{Connection: connection, Reconnected: reconnected, Missing: s.options.Provider.Missing(connection.Scopes)}, nil
}

// Replace ends what a [Service.Callback] left open because the account is
// connected already (its error holds a [*store.ExistsError]): the connection
// that is there goes on with the new grant. The error is a [*LoginError].
func (s *Service) Replace(ctx context.Context, state, browser store.Secret) (Result, error) {
	attempt, granted, err := s.store.KeptGrant(ctx, state, browser)
	if err != nil {
		return Result{}, stateError(err)
	}
	result, refusal := s.save(ctx, attempt, granted)
	if refusal != nil {
		return Result{}, refusal // what was granted is deleted when its time is over
	}
	s.forget(result.Connection.ID)
	return result, nil
}

// Keep ends it the other way: the connection stays as it is, and what HubSpot
// granted now is forgotten. The error is a [*LoginError].
func (s *Service) Keep(ctx context.Context, state, browser store.Secret) error {
	attempt, _, err := s.store.KeptGrant(ctx, state, browser)
	if err != nil {
		return stateError(err)
	}
	if err := s.store.FailAttempt(ctx, attempt.ID, "the connection that was there was kept"); err != nil {
		return &LoginError{public: unexpected, cause: err}
	}
	return nil
}

func checkIntrospection(app store.App, token hubspot.Token, about hubspot.Introspection) error {
	switch {
	case !about.Active:
		return errors.New("HubSpot does not know the token that it just gave")
	case about.HubID == 0:
		return errors.New("HubSpot does not say which account the token belongs to")
	case token.HubID != 0 && token.HubID != about.HubID:
		return fmt.Errorf("HubSpot says both account %d and account %d", token.HubID, about.HubID)
	case about.ClientID != "" && about.ClientID != app.ClientID:
		return errors.New("the token belongs to another app")
	case about.UserLevel && about.UserID == 0:
		return errors.New("HubSpot does not say which user the token acts as")
	}
	return nil
}

func withTimeout[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx)
}

// Disconnect ends a connection: from here on nothing uses it and work that
// needs it waits; then HubSpot is told, asked whether it has obeyed, and the
// tokens are deleted. If HubSpot cannot be reached for that, the error is a
// [*LoginError] that says so: the connection is ended all the same, and
// disconnecting again finishes it. The app itself stays installed at HubSpot;
// [Service.Uninstall] removes it.
func (s *Service) Disconnect(ctx context.Context, organizationID, connectionID uuid.UUID, actor store.Actor) error {
	if err := s.store.SetConnectionState(ctx, organizationID, connectionID, store.Revoked, "disconnected", actor); err != nil {
		return fmt.Errorf("disconnecting %s: %w", connectionID, err)
	}
	s.forget(connectionID)
	err := s.store.DropGrant(ctx, organizationID, connectionID, actor, s.revoke)
	if err != nil {
		return &LoginError{
			public: "Debrief no longer uses this connection, but HubSpot has not confirmed that its grant ended. Disconnect once more; or remove the app in HubSpot under Settings → Integrations → Connected Apps.",
			cause:  fmt.Errorf("revoking connection %s at HubSpot: %w", connectionID, err),
		}
	}
	return nil
}

// Uninstall removes the app from the connection's HubSpot account, for everyone
// who uses it there, and ends the connection as [Service.Disconnect] does.
// HubSpot tells the account's admins by e-mail. The error is a [*LoginError] if
// HubSpot did not do it: then nothing has changed.
func (s *Service) Uninstall(ctx context.Context, organizationID, connectionID uuid.UUID, actor store.Actor) error {
	c, err := s.store.Connection(ctx, organizationID, connectionID)
	if err != nil {
		return err
	}
	if c.IsStatic() {
		return &LoginError{public: "This connection is an imported token: nothing was installed for it. Disconnect it, and delete the token in HubSpot."}
	}
	token, _, err := s.Token(ctx, connectionID)
	if err == nil {
		_, err = withTimeout(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.hubspot(token.Reveal()).Uninstall(ctx)
		})
	}
	if err != nil {
		return &LoginError{
			public: "HubSpot did not uninstall the app, and nothing was changed. Try again in a minute; or remove it in HubSpot under Settings → Integrations → Connected Apps.",
			cause:  fmt.Errorf("uninstalling from HubSpot account %d: %w", c.HubID, err),
		}
	}
	if err := s.Disconnect(ctx, organizationID, connectionID, actor); err != nil {
		return err
	}
	return s.store.SetConnectionState(ctx, organizationID, connectionID, store.Uninstalled, "uninstalled from our side", actor)
}

// revoke runs while the connection's row is held: both calls together take less
// than others wait for it.
func (s *Service) revoke(ctx context.Context, in store.Refreshing) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	oauth := s.oauth(in.App, in.ClientSecret)
	var refusal *hubspot.OAuthError
	err := oauth.Revoke(ctx, in.RefreshToken.Reveal(), hubspot.RefreshTokenKind)
	if err != nil && (!errors.As(err, &refusal) || !refusal.Refused()) {
		return err
	}
	about, err := oauth.Introspect(ctx, in.RefreshToken.Reveal(), hubspot.RefreshTokenKind)
	if err != nil {
		return err
	}
	if about.Active {
		return errors.New("HubSpot still accepts the refresh token")
	}
	return nil
}

const unexpected = "Something went wrong on our side, and nothing was connected. Try the link again in a minute; if it stays so, tell whoever runs Debrief."

func linkError(err error) *LoginError {
	public := unexpected
	switch {
	case errors.Is(err, store.ErrNotFound):
		public = "This link to connect HubSpot is not known here. Check that it was copied whole, or ask for a new one."
	case errors.Is(err, store.ErrExpired):
		public = "This link to connect HubSpot has expired. Ask for a new one."
	case errors.Is(err, store.ErrUsed):
		public = "This link to connect HubSpot was used already. If it was not you, tell whoever runs Debrief; else ask for a new one."
	case errors.Is(err, store.ErrForeign):
		public = "This link to connect HubSpot was opened in another browser first. Go on there, or ask for a new one."
	}
	return &LoginError{public: public, cause: err}
}

func stateError(err error) *LoginError {
	public := unexpected
	switch {
	case errors.Is(err, store.ErrNotFound):
		public = "HubSpot sent you back with something that Debrief did not begin, so nothing was connected. Open your link to connect again."
	case errors.Is(err, store.ErrExpired):
		public = "This took too long, so nothing was connected. Ask for a new link."
	case errors.Is(err, store.ErrUsed):
		public = "This answer of HubSpot's was used already, and nothing more was done. If you went back in your browser, there is nothing to do."
	case errors.Is(err, store.ErrForeign):
		public = "This was begun in another browser, so nothing was connected. Finish it where you began, or ask for a new link. (Cookies must be allowed.)"
	}
	return &LoginError{public: public, cause: err}
}

func exchangeError(err error) *LoginError {
	public := "HubSpot could not be reached just now, so nothing was connected. Open the link again in a minute."
	var refusal *hubspot.OAuthError
	if errors.As(err, &refusal) {
		switch {
		case refusal.Refused():
			public = "HubSpot did not accept its own code any more: it works once, and for a short while. Nothing was connected. Open the link again."
		case refusal.Misconfigured():
			public = "HubSpot does not accept this app: its client ID, its secret or its redirect address is not what HubSpot has. Nothing was connected. Whoever runs Debrief has to correct it; then open the link again."
		}
	}
	return &LoginError{public: public, cause: err}
}
