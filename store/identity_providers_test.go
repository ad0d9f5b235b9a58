package store_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

const issuer = "https://login.acme.example"

func TestIdentityProviders(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	p := store.IdentityProvider{OrganizationID: s.org, Issuer: issuer, ClientID: "debrief"}
	for _, wrong := range []string{"", "login.acme.example", "http://login.acme.example", "ftp://127.0.0.1", "https://login.acme.example?x=1", "https://user@login.acme.example"} {
		s.refused(s.SetIdentityProvider(ctx, store.IdentityProvider{OrganizationID: s.org, Issuer: wrong, ClientID: "x"}, "y", store.Operator), "issuer")
	}
	s.refused(s.SetIdentityProvider(ctx, p, "", store.Operator), "client secret")
	require.ErrorIs(t, s.SetIdentityProvider(ctx, store.IdentityProvider{OrganizationID: uuid.New(), Issuer: issuer, ClientID: "x"}, "y", store.Operator), store.ErrNotFound)

	require.NoError(t, s.SetIdentityProvider(ctx, p, "quince-secret", store.Operator))
	got, secret, err := s.IdentityProviderWithSecret(ctx, s.org)
	require.NoError(t, err)
	require.Equal(t, "quince-secret", secret.Reveal())
	require.Equal(t, issuer, got.Issuer)
	require.Zero(t, s.CountForTest(t, `select count(*) from identity_providers where encode(sealed_client_secret, 'escape') like '%quince%'`))

	found, err := s.IdentityProviderFor(ctx, " Somebody@ACME.example")
	require.NoError(t, err)
	require.Equal(t, s.org, found.OrganizationID)
	for _, nobody := range []string{"", "acme.example", "@acme.example", "a@acme.example.evil.example", "a@sub.acme.example"} {
		_, err := s.IdentityProviderFor(ctx, nobody)
		require.ErrorIs(t, err, store.ErrNotFound, nobody)
	}

	// A domain leads to one provider, and a secret opens in its own row only.
	other := storetest.Organization(t, s.Store)
	s.refused(s.SetIdentityProvider(ctx, store.IdentityProvider{OrganizationID: other.ID, Issuer: issuer, ClientID: "x"}, "y", store.Operator), "domain")
	s.ExecForTest(t, `insert into identity_providers (organization_id, issuer, client_id, sealed_client_secret) select $1, issuer, client_id, sealed_client_secret from identity_providers`, other.ID)
	_, _, err = s.IdentityProviderWithSecret(ctx, other.ID)
	require.Error(t, err)
	_, err = s.IdentityProviderFor(ctx, "a@acme.example")
	require.ErrorIs(t, err, store.ErrNotFound, "of two, neither")
	require.NoError(t, s.RemoveIdentityProvider(ctx, other.ID, store.Operator))

	p.Issuer = "https://sso.acme.example"
	require.NoError(t, s.SetIdentityProvider(ctx, p, "another", store.Operator))
	require.NoError(t, s.RemoveIdentityProvider(ctx, s.org, store.Operator))
	require.ErrorIs(t, s.RemoveIdentityProvider(ctx, s.org, store.Operator), store.ErrNotFound)
	trail, err := s.AuditTrail(ctx, s.org, store.AuditFilter{Kind: store.AuditOrganization})
	require.NoError(t, err)
	require.Equal(t, "identity provider changed: "+issuer+" → https://sso.acme.example", trail[len(trail)-2].Reason)
	require.Equal(t, "identity provider removed: https://sso.acme.example", trail[len(trail)-1].Reason)
}

// A state works once, in the browser that began, for ten minutes.
func TestSignInState(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	state, err := s.BeginSignIn(ctx, s.org, "browser", "/people")
	require.NoError(t, err)
	_, err = s.UseSignIn(ctx, state, "another browser")
	require.ErrorIs(t, err, store.ErrForeign)
	_, err = s.UseSignIn(ctx, "made-up", "browser")
	require.ErrorIs(t, err, store.ErrNotFound)

	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			var a store.SignInAttempt
			if a, errs[i] = s.UseSignIn(ctx, state, "browser"); errs[i] == nil {
				require.Equal(t, store.SignInAttempt{OrganizationID: s.org, ReturnTo: "/people"}, a)
			}
		})
	}
	wg.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		require.ErrorIs(t, err, store.ErrUsed)
	}
	require.Equal(t, 1, good)

	late, err := s.BeginSignIn(ctx, s.org, "browser", "/")
	require.NoError(t, err)
	s.ExecForTest(t, `update sign_in_attempts set expires_at = now() - interval '1 second'`)
	_, err = s.UseSignIn(ctx, late, "browser")
	require.ErrorIs(t, err, store.ErrExpired)
	s.ExecForTest(t, `update sign_in_attempts set expires_at = now() - interval '2 days'`)
	_, err = s.BeginSignIn(ctx, s.org, "browser", "/")
	require.NoError(t, err)
	require.Equal(t, 1, s.CountForTest(t, `select count(*) from sign_in_attempts`))
}

func TestWhoSignsIn(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	in := func(id, email string) store.Subject {
		return store.Subject{OrganizationID: s.org, Issuer: issuer, ID: id, Email: email, Name: "From the provider"}
	}
	person := func(subject store.Subject) store.Person {
		token, err := s.SignInAs(ctx, subject)
		require.NoError(t, err)
		session, err := s.Session(ctx, token)
		require.NoError(t, err)
		return s.get(*session.PersonID)
	}
	refused := func(subject store.Subject, part string) {
		_, err := s.SignInAs(ctx, subject)
		s.refused(err, part)
	}

	require.Equal(t, s.mara.ID, person(in("sub-1", "Mara@acme.example")).ID, "found by address")
	require.Equal(t, s.mara.ID, person(in("sub-1", "mara@elsewhere.example")).ID, "and from then on by subject, whatever the address")
	require.Equal(t, s.mara.ID, person(in("sub-1", "")).ID)
	require.Equal(t, "Ms mara@acme.example", s.get(s.mara.ID).Name, "a name that is there stays")

	newcomer := person(in("sub-2", "new@acme.example"))
	require.Equal(t, store.RoleMember, newcomer.Role)
	require.Equal(t, "From the provider", newcomer.Name)
	require.Equal(t, []string{issuer + "|sub-2"}, newcomer.Values(store.IdentitySignIn))

	refused(in("sub-3", "eve@other.example"), "not in a domain")
	refused(in("sub-3", "eve@acme.example.other.example"), "not in a domain")
	refused(in("sub-3", ""), "verified e-mail")
	// Providers give a leaver's address to a newcomer.
	refused(in("sub-4", "mara@acme.example"), "another account")
	// Another provider's subject of the same name is somebody else.
	other := in("sub-1", "eve@other.example")
	other.Issuer = "https://evil.example"
	refused(other, "not in a domain")
	// After a change of provider the address finds them again.
	moved := in("sub-9", "mara@acme.example")
	moved.Issuer = "https://sso.acme.example"
	require.Equal(t, s.mara.ID, person(moved).ID)

	_, err := s.DeactivatePerson(ctx, s.org, s.mara.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	refused(in("sub-1", "mara@acme.example"), "deactivated")
	refused(store.Subject{OrganizationID: s.org, Issuer: "https://third.example", ID: "x", Email: "mara@acme.example"}, "deactivated")
	_, err = s.SignInAs(ctx, store.Subject{OrganizationID: s.org, Email: "new@acme.example"})
	require.Error(t, err)

	trail := s.trail()
	require.Contains(t, trail, "person "+s.mara.ID.String()+": sign_in added")
	require.Contains(t, trail, "person "+newcomer.ID.String()+": added as member")
	require.Equal(t, 7, s.CountForTest(t, `select count(*) from audit where kind = 'person' and outcome = 'refused'`))
	for _, reason := range trail {
		require.NotContains(t, reason, "@")
	}
}

// Somebody who signs in for the first time in two browsers is one person.
func TestTwoFirstSignInsMakeOnePerson(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			_, err := s.SignInAs(t.Context(), store.Subject{OrganizationID: s.org, Issuer: issuer, ID: "sub", Email: "new@acme.example"})
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, 3, s.CountForTest(t, `select count(*) from people`))
	require.Equal(t, 6, s.CountForTest(t, `select count(*) from sessions`))
}
