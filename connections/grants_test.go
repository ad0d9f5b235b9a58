package connections_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// ask connects an account that is connected already, up to the question.
func (b *bundle) ask(t *testing.T, name string) connections.Return {
	t.Helper()
	_, authorize := b.begin(t, name, "browser-1")
	back := b.click(t, authorize, hubID, "browser-1")
	_, err := b.Callback(t.Context(), back)
	var found *store.ExistsError
	require.ErrorAs(t, err, &found)
	return back
}

// What HubSpot granted lies about for a quarter of an hour at most, however long
// the link works, and for no longer if nobody answers.
func TestAnUnansweredGrantIsDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.connect(t, "main", hubID)
	back := b.ask(t, "second name")
	b.exec(t, `update connection_attempts set expires_at = expires_at + interval '7 days' where sealed_grant is null`)
	require.Equal(t, 1, b.count(t, `select count(*) from connection_attempts where sealed_grant is not null and expires_at <= now() + interval '15 minutes'`))
	require.NoError(t, b.store.SweepTokens(t.Context()))
	require.Equal(t, 1, b.count(t, `select count(*) from connection_attempts where sealed_grant is not null`))

	b.exec(t, `update connection_attempts set expires_at = now() - interval '1 second' where sealed_grant is not null`)
	_, err := b.Replace(t.Context(), back.State, back.Browser)
	require.ErrorIs(t, err, store.ErrExpired)
	require.NoError(t, b.store.SweepTokens(t.Context()))
	require.Zero(t, b.count(t, `select count(*) from connection_attempts where sealed_grant is not null`))
	_, err = b.Replace(t.Context(), back.State, back.Browser)
	require.ErrorIs(t, err, store.ErrNotFound)

	// So is an access token that has run out.
	require.Equal(t, 1, b.count(t, `select count(*) from access_tokens`))
	b.exec(t, `update access_tokens set expires_at = now() - interval '2 minutes'`)
	require.NoError(t, b.store.SweepTokens(t.Context()))
	require.Zero(t, b.count(t, `select count(*) from access_tokens`))
}

// "Replace it" is about the grant that was there when it was asked, and not about
// one that somebody else made since.
func TestReplacingIsAboutWhatWasAskedAbout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	ada := b.user
	b.user = b.sim.AddUser(hubID, hubspottest.User{Email: "bob@acme.example", SuperAdmin: true})
	back := b.ask(t, "main")

	b.user = ada
	b.connect(t, "main", hubID) // meanwhile
	_, err := b.Replace(t.Context(), back.State, back.Browser)
	var found *store.ExistsError
	require.ErrorAs(t, err, &found)
	c, err := b.store.Connection(t.Context(), b.org.ID, id)
	require.NoError(t, err)
	require.Equal(t, ada.ID, c.UserID)
}

// A wrong client secret takes nothing of a grant, so that it is as little to be
// replaced as one that works.
func TestAMisconfiguredGrantIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	require.NoError(t, b.store.SetConnectionState(t.Context(), b.org.ID, id, store.Misconfigured, "", store.Operator))
	b.user = b.sim.AddUser(hubID, hubspottest.User{Email: "bob@acme.example", SuperAdmin: true})
	b.ask(t, "main")
}

// Who left can't connect again by a link that is still about.
func TestWhoLeftCantConnect(t *testing.T) {
	t.Parallel()
	b := setup(t, func(a *hubspottest.App) { a.UserLevel = true })
	c := b.connect(t, "ada's", hubID).Connection
	require.NotNil(t, c.PersonID, "who connects for themselves is one of the organization's people")
	p, err := b.store.PersonByEmail(t.Context(), b.org.ID, "ada@acme.example")
	require.NoError(t, err)
	require.Equal(t, *c.PersonID, p.ID)
	require.Len(t, p.Values(store.IdentityHubSpotUser), 1)

	_, authorize := b.begin(t, "ada's", "browser-1")
	_, err = b.store.DeactivatePerson(t.Context(), b.org.ID, p.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.Equal(t, store.Revoked, b.state(t, c.ID))
	_, err = b.Callback(t.Context(), b.click(t, authorize, hubID, "browser-1"))
	var refused *connections.LoginError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Public(), "you are deactivated here")
	require.Equal(t, store.Revoked, b.state(t, c.ID))

	// Not by another address at HubSpot either: it is the same user.
	_, err = b.store.AddPerson(t.Context(), store.Person{
		OrganizationID: b.org.ID, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "new@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	b.exec(t, `update person_identities set value = 'old@acme.example' where kind = 'email' and value = 'ada@acme.example'`)
	b.exec(t, `update person_identities set value = 'ada@acme.example' where kind = 'email' and value = 'new@acme.example'`)
	_, authorize = b.begin(t, "ada's", "browser-1")
	_, err = b.Callback(t.Context(), b.click(t, authorize, hubID, "browser-1"))
	require.ErrorAs(t, err, &refused)
	require.Equal(t, store.Revoked, b.state(t, c.ID))
}

// The trail has each refresh, with who asked for it and without a token.
func TestRefreshesAreInTheTrail(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.clock.advance(time.Hour)
	for range 3 {
		_, _, err := b.Token(t.Context(), id)
		require.NoError(t, err)
	}
	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditConnection})
	require.NoError(t, err)
	refreshed := 0
	for _, e := range trail {
		if e.Reason == "access token refreshed" {
			refreshed++
			require.Equal(t, "token refresh", e.Actor.Name)
			require.Equal(t, id, *e.ConnectionID)
		}
	}
	require.Equal(t, 1, refreshed)
}
