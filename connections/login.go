package connections

import (
	"context"
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

// BeginLogin makes the link by which somebody connects a HubSpot account to the
// organization, under that name, through one of its apps.
func (s *Service) BeginLogin(ctx context.Context, organizationID, appID uuid.UUID, connectionName string, actor store.Actor) (Login, error) {
	attempt, link, err := s.store.CreateAttempt(ctx, organizationID, appID, connectionName, actor)
	if err != nil {
		return Login{}, fmt.Errorf("beginning to connect: %w", err)
	}
	return Login{URL: s.options.PublicURL + "/connect/" + link.Reveal(), ExpiresAt: attempt.ExpiresAt, AttemptID: attempt.ID}, nil
}

// Invitation is what a page tells before it sends somebody to HubSpot.
type Invitation struct {
	ConnectionName string
	App            store.App
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
	return Invitation{ConnectionName: attempt.ConnectionName, App: app, ExpiresAt: attempt.ExpiresAt}, nil
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
	return s.oauth(app, "").AuthorizationURL(state.Reveal(), scopeNames(), nil), nil
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
	scopes := about.Scopes
	if len(scopes) == 0 {
		scopes = token.Scopes
	}
	connection, reconnected, err := s.store.SaveGrant(ctx, attempt, store.Granted{
		HubID: about.HubID, HubDomain: about.HubDomain, UserID: about.UserID, UserEmail: about.User,
		IsUserLevel: about.UserLevel, Scopes: scopes, Grant: s.grant(token),
	})
	var taken *store.NameTakenError
	if errors.As(err, &taken) {
		return Result{}, &LoginError{cause: err, public: fmt.Sprintf(
			"The name %q belongs to a connection to another HubSpot account or user (account %d), so nothing was replaced. Choose account %d at HubSpot, or ask for a link with another name.",
			taken.Name, taken.HubID, taken.HubID)}
	}
	if err != nil {
		return Result{}, &LoginError{public: unexpected, cause: err}
	}
	return Result{Connection: connection, Reconnected: reconnected, Missing: Missing(connection.Scopes)}, nil
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
// disconnecting again finishes it. The app itself stays installed at HubSpot.
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
		public = "This link to connect HubSpot has expired: it works for 15 minutes. Ask for a new one."
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
		public = "This took longer than 15 minutes, so nothing was connected. Ask for a new link."
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
