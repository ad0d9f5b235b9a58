package store_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestSignInOnce(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	link, err := s.CreateSignInLink(t.Context(), store.SignedIn{IsOperator: true})
	require.NoError(t, err)
	require.NoError(t, s.CheckSignInLink(t.Context(), link))
	require.NoError(t, s.CheckSignInLink(t.Context(), link), "looking uses nothing up")

	var wg sync.WaitGroup
	var in atomic.Int32
	for range 8 {
		wg.Go(func() {
			if _, _, err := s.SignIn(t.Context(), link); err == nil {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, in.Load())
	require.ErrorIs(t, s.CheckSignInLink(t.Context(), link), store.ErrUsed)
	require.Equal(t, 1, s.CountForTest(t, `select count(*) from sessions`))
	require.Zero(t, s.CountForTest(t, `select count(*) from sign_in_links where encode(token_hash, 'escape') like '%' || $1 || '%'`, link.Reveal()))
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	o := storetest.Organization(t, s)
	person := uuid.New()
	s.ExecForTest(t, `insert into people (id, organization_id, name, role) values ($1, $2, 'Ada', 'approver')`, person, o.ID)
	who := store.SignedIn{OrganizationID: &o.ID, PersonID: &person}

	link, err := s.CreateSignInLink(t.Context(), who)
	require.NoError(t, err)
	token, signedIn, err := s.SignIn(t.Context(), link)
	require.NoError(t, err)
	require.Equal(t, who, signedIn)
	session, err := s.Session(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, who, session.SignedIn)
	require.Equal(t, store.RoleApprover, session.Role)
	require.Equal(t, "Ada", session.Name)
	require.Equal(t, o.Name, session.Organization)
	require.ErrorIs(t, s.ChooseOrganization(t.Context(), token, o.ID), store.ErrNotFound, "a person has one")
	_, err = s.Session(t.Context(), link)
	require.ErrorIs(t, err, store.ErrNotFound, "a link is no session")
	_, err = s.Session(t.Context(), "")
	require.ErrorIs(t, err, store.ErrNotFound)

	// Somebody who leaves is out at once.
	late, err := s.CreateSignInLink(t.Context(), who)
	require.NoError(t, err)
	s.ExecForTest(t, `update people set deactivated_at = now()`)
	_, err = s.Session(t.Context(), token)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, _, err = s.SignIn(t.Context(), late)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.CreateSignInLink(t.Context(), who)
	require.ErrorIs(t, err, store.ErrNotFound)
	s.ExecForTest(t, `update people set deactivated_at = null`)

	require.NoError(t, s.EndSession(t.Context(), token))
	_, err = s.Session(t.Context(), token)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, s.EndSession(t.Context(), token))

	s.ExecForTest(t, `update sign_in_links set expires_at = now() - interval '1 second'`)
	_, _, err = s.SignIn(t.Context(), late)
	require.ErrorIs(t, err, store.ErrExpired)
	_, _, err = s.SignIn(t.Context(), "made-up")
	require.ErrorIs(t, err, store.ErrNotFound)

	stranger := storetest.Organization(t, s)
	for _, wrong := range []store.SignedIn{{}, {PersonID: &person}, {OrganizationID: &o.ID}, {OrganizationID: &stranger.ID, PersonID: &person}, {IsOperator: true, PersonID: &person}} {
		_, err := s.CreateSignInLink(t.Context(), wrong)
		require.Error(t, err)
	}
}

// The operator looks at one organization at a time.
func TestTheOperatorChoosesAnOrganization(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	o := storetest.Organization(t, s)
	link, err := s.CreateSignInLink(t.Context(), store.SignedIn{IsOperator: true})
	require.NoError(t, err)
	token, _, err := s.SignIn(t.Context(), link)
	require.NoError(t, err)
	session, err := s.Session(t.Context(), token)
	require.NoError(t, err)
	require.Nil(t, session.OrganizationID)
	require.Equal(t, store.RoleAdmin, session.Role)

	require.ErrorIs(t, s.ChooseOrganization(t.Context(), token, uuid.New()), store.ErrNotFound)
	require.ErrorIs(t, s.ChooseOrganization(t.Context(), "made-up", o.ID), store.ErrNotFound)
	require.NoError(t, s.ChooseOrganization(t.Context(), token, o.ID))
	session, err = s.Session(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, o.ID, *session.OrganizationID)
	require.Equal(t, o.Name, session.Organization)
	require.True(t, session.IsOperator)
}
