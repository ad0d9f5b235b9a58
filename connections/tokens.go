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

// Token returns an access token that is good for some minutes, and its version
// for [Service.Invalidate]. It refreshes where it must.
//
// The error is a [*PausedError] if the connection has ended, a
// [*MisconfiguredError] or a [*TransientError] if no token could be had; or it
// says that the keys at hand do not open what is stored (vault.ErrCannotOpen),
// and then nothing was changed.
func (s *Service) Token(ctx context.Context, connectionID uuid.UUID) (store.Secret, int64, error) {
	if t, ok := s.cached(connectionID); ok {
		return t.access, t.version, nil
	}
	t, err := s.store.Token(ctx, connectionID)
	if err != nil {
		return "", 0, err
	}
	if t.Connection.State.Ended() {
		return "", 0, paused(t.Connection)
	}
	if s.good(t, ahead) {
		s.remember(t)
		return t.Access, t.Version, nil
	}
	if t.RestFor > 0 {
		// Those who wait don't queue for the row in vain.
		err = resting(connectionID, t.RestFor)
	} else {
		fresh, refreshErr := s.refresh(ctx, connectionID, t.Version)
		if refreshErr == nil {
			return fresh.Access, fresh.Version, nil
		}
		err = refreshErr
	}
	// It was refreshed ahead of its end: what there is may still do.
	passing := errors.Is(err, ErrTransient) || errors.Is(err, ErrMisconfigured)
	if passing && s.good(t, callTimeout) {
		return t.Access, t.Version, nil
	}
	if noted := t.RestFor > 0 && t.Connection.State == store.Expired; errors.Is(err, ErrTransient) && !s.good(t, 0) && !noted {
		// For people to see; whoever asked tries again in any case.
		noteErr := s.store.NoteExpired(context.WithoutCancel(ctx), connectionID, "HubSpot gives no new access token at the moment; it is tried again")
		if noteErr != nil && !errors.Is(noteErr, store.ErrLocked) {
			err = errors.Join(err, noteErr)
		}
	}
	return "", 0, err
}

// Invalidate is for who got a 401 with a token of this version: unless a newer
// one is there already, it makes one, once in the whole fleet. Ask for it with
// [Service.Token], and call once more, not for ever. Errors are as there.
func (s *Service) Invalidate(ctx context.Context, connectionID uuid.UUID, version int64) error {
	s.mu.Lock()
	if s.tokens[connectionID].version <= version {
		delete(s.tokens, connectionID)
	}
	s.mu.Unlock()
	_, err := s.refresh(ctx, connectionID, version)
	return err
}

// good says whether a token is there and lasts longer than margin.
func (s *Service) good(t store.Token, margin time.Duration) bool {
	return t.Access != "" && t.ExpiresAt.After(s.options.Now().Add(margin))
}

func paused(c store.Connection) error {
	return &PausedError{ConnectionID: c.ID, Name: c.Name, State: c.State}
}

func resting(id uuid.UUID, left time.Duration) error {
	return &TransientError{ConnectionID: id, RetryAfter: left, cause: errors.New("HubSpot asked to wait")}
}

func (s *Service) cached(id uuid.UUID) (cachedToken, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[id]
	return t, ok && s.options.Now().Before(t.until)
}

func (s *Service) remember(t store.Token) {
	until := s.options.Now().Add(trusted)
	if end := t.ExpiresAt.Add(-ahead); end.Before(until) {
		until = end
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[t.Connection.ID] = cachedToken{access: t.Access, version: t.Version, until: until}
}

func (s *Service) forget(id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, id)
}

// refresh gets a token newer than version, once for all that ask at the same
// time. Who asks may give up; the refresh goes on for the others, and because a
// refresh token that was spent must be replaced.
func (s *Service) refresh(ctx context.Context, id uuid.UUID, version int64) (store.Token, error) {
	flight := s.flights.DoChan(fmt.Sprintf("%s/%d", id, version), func() (any, error) {
		return s.refreshOnce(context.WithoutCancel(ctx), id, version)
	})
	select {
	case <-ctx.Done():
		return store.Token{}, fmt.Errorf("waiting for a token of connection %s: %w", id, ctx.Err())
	case r := <-flight:
		if r.Err != nil {
			return store.Token{}, r.Err
		}
		return r.Val.(store.Token), nil
	}
}

func (s *Service) refreshOnce(ctx context.Context, id uuid.UUID, version int64) (store.Token, error) {
	// Longer than the row lock is waited for and HubSpot is called together.
	ctx, cancel := context.WithTimeout(ctx, 28*time.Second)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return store.Token{}, &TransientError{ConnectionID: id, cause: errors.New("too many refreshes at once")}
	}
	var problem error
	t, err := s.store.RefreshLocked(ctx, id, version, s.options.Now().Add(ahead),
		func(ctx context.Context, in store.Refreshing) (out store.Refreshed, err error) {
			out, problem, err = s.askHubSpot(ctx, in)
			return out, err
		})
	switch {
	case errors.Is(err, store.ErrLocked):
		return store.Token{}, &TransientError{ConnectionID: id, RetryAfter: time.Second, cause: err}
	case err != nil:
		return store.Token{}, err
	case problem != nil:
		s.forget(id)
		return store.Token{}, problem
	case t.Connection.State.Ended():
		s.forget(id)
		return store.Token{}, paused(t.Connection)
	}
	s.remember(t)
	return t, nil
}

// askHubSpot refreshes. problem is what to report once the state that it led to
// is stored; err is what leaves everything as it was.
func (s *Service) askHubSpot(ctx context.Context, in store.Refreshing) (out store.Refreshed, problem, err error) {
	id := in.Connection.ID
	if in.RestFor > 0 {
		return out, nil, resting(id, in.RestFor)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	token, err := s.oauth(in.App, in.ClientSecret).Refresh(ctx, in.RefreshToken.Reveal())
	if err == nil {
		grant := s.grant(token)
		if grant.RefreshToken == "" {
			grant.RefreshToken = in.RefreshToken
		}
		return store.Refreshed{Grant: &grant}, nil, nil
	}
	var refusal *hubspot.OAuthError
	switch errors.As(err, &refusal); {
	case refusal != nil && refusal.Refused():
		ended := in.Connection
		ended.State = store.NeedsReconnect
		return store.Refreshed{State: store.NeedsReconnect, Reason: refusal.Error()}, paused(ended), nil
	case refusal != nil && refusal.Misconfigured():
		misconfigured := &MisconfiguredError{ConnectionID: id, Name: in.Connection.Name, cause: refusal}
		return store.Refreshed{State: store.Misconfigured, Reason: refusal.Error()}, misconfigured, nil
	}
	wait := hubspot.RetryDelay(err)
	transient := &TransientError{ConnectionID: id, RetryAfter: wait, cause: err}
	if wait > 0 {
		return store.Refreshed{RestFor: wait}, transient, nil
	}
	return out, nil, transient
}

// grant takes over what HubSpot gave. The token's end is counted on our clock,
// from how long it lasts.
func (s *Service) grant(t hubspot.Token) store.Grant {
	life := time.Until(t.ExpiresAt)
	if t.ExpiresAt.IsZero() {
		// Not said; HubSpot's last 30 minutes.
		life = 30 * time.Minute
	}
	return store.Grant{
		RefreshToken: store.Secret(t.RefreshToken), AccessToken: store.Secret(t.AccessToken), ExpiresAt: s.options.Now().Add(life),
		Scopes: t.Scopes,
	}
}
