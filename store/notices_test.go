package store_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// told is an organization in which somebody has to be told something.
type told struct {
	*store.Store

	t   *testing.T
	org store.Organization
}

func newTold(t *testing.T) told {
	t.Helper()
	s, _ := storetest.New(t)
	return told{Store: s, t: t, org: storetest.Organization(t, s)}
}

func (b told) person(email, role string) uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	b.ExecForTest(b.t, `insert into people (id, organization_id, name, role) values ($1, $2, $3, $4)`, id, b.org.ID, email, role)
	b.ExecForTest(b.t, `insert into person_identities (organization_id, kind, value, person_id) values ($1, 'email', $2, $3)`, b.org.ID, email, id)
	return id
}

func (b told) connection(person *uuid.UUID) store.Connection {
	b.t.Helper()
	id := b.NewConnectionForTest(b.t, b.org.ID, "connected")
	b.ExecForTest(b.t, `update connections set person_id = $2 where id = $1`, id, person)
	c, err := b.Connection(b.t.Context(), b.org.ID, id)
	require.NoError(b.t, err)
	return c
}

func (b told) queue(c store.Connection, state store.ConnectionState) {
	b.t.Helper()
	require.NoError(b.t, b.QueueConnectionNoticeForTest(b.t.Context(), c, state))
}

// recipients are who is told of something of that kind.
func (b told) recipients(kind store.NoticeKind) []uuid.UUID {
	b.t.Helper()
	all, err := b.Notices(b.t.Context(), b.org.ID, store.NoticeQueued, 1000)
	require.NoError(b.t, err)
	ids := []uuid.UUID{}
	for _, n := range all {
		if n.Kind == kind {
			ids = append(ids, *n.PersonID)
		}
	}
	return ids
}

func TestEverybodyIsToldOnce(t *testing.T) {
	t.Parallel()
	b := newTold(t)
	ada, grace := b.person("ada@acme.example", "member"), b.person("grace@acme.example", "admin")
	alan := b.person("alan@acme.example", "admin")
	c := b.connection(&ada)

	for _, state := range []store.ConnectionState{store.Connected, store.Revoked} {
		b.queue(c, state)
	}
	require.Empty(t, b.recipients(store.NoticeReconnect), "nobody has to do anything")
	for range 3 {
		b.queue(c, store.NeedsReconnect)
	}
	require.Equal(t, []uuid.UUID{ada}, b.recipients(store.NoticeReconnect))
	c.TokenVersion++
	b.queue(c, store.NeedsReconnect)
	require.Equal(t, []uuid.UUID{ada, ada}, b.recipients(store.NoticeReconnect), "after a reconnect it is another thing")
	b.queue(c, store.Uninstalled)
	require.Equal(t, []uuid.UUID{ada}, b.recipients(store.NoticeUninstalled))

	// Two connections of one app that HubSpot does not accept.
	other := b.connection(&ada)
	other.AppID = c.AppID
	b.queue(c, store.Misconfigured)
	b.queue(other, store.Misconfigured)
	require.ElementsMatch(t, []uuid.UUID{grace, alan}, b.recipients(store.NoticeMisconfigured), "each admin, once for the app")
	token := b.connection(nil)
	token.AppID = uuid.Nil
	b.queue(token, store.Misconfigured)
	require.Contains(t, b.recipients(store.NoticeReconnect), grace, "a token without an app is its connection's business")

	another := newTold(t)
	require.Empty(t, another.recipients(store.NoticeReconnect), "organizations are apart")
}

func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	b := newTold(t)
	grace := b.person("grace@acme.example", "admin")
	b.ExecForTest(t, `update people set deactivated_at = now() where id = $1`, b.person("gone@acme.example", "admin"))
	b.person("outside@elsewhere.example", "admin")
	ada, bob := b.person("ada@acme.example", "member"), b.person("bob@acme.example", "member")
	eve := b.person("eve@evil.example", "member")
	subdomain := b.person("sub@evil.acme.example", "member")

	toldOf := func(person *uuid.UUID) []uuid.UUID {
		before := b.recipients(store.NoticeReconnect)
		b.queue(b.connection(person), store.NeedsReconnect)
		return b.recipients(store.NoticeReconnect)[:len(b.recipients(store.NoticeReconnect))-len(before)]
	}
	require.Equal(t, []uuid.UUID{grace}, toldOf(nil), "nobody granted it: the admins, of whom one is there and can be reached")
	require.Equal(t, []uuid.UUID{ada}, toldOf(&ada))
	require.Equal(t, []uuid.UUID{grace}, toldOf(&eve), "an address outside the organization is none")
	require.Equal(t, []uuid.UUID{grace}, toldOf(&subdomain))
	b.ExecForTest(t, `update people set deactivated_at = now() where id = $1`, ada)
	require.Equal(t, []uuid.UUID{grace}, toldOf(&ada))
	b.ExecForTest(t, `update people set stand_in_id = $2 where id = $1`, ada, bob)
	require.Equal(t, []uuid.UUID{bob}, toldOf(&ada))
	b.ExecForTest(t, `update people set stand_in_id = $2 where id = $1`, ada, eve)
	require.Equal(t, []uuid.UUID{grace}, toldOf(&ada), "a stand-in who can't be reached")
	b.ExecForTest(t, `update people set merged_into = $2, stand_in_id = null where id = $1`, ada, bob)
	require.Equal(t, []uuid.UUID{bob}, toldOf(&ada), "one who turned out to be somebody else")
}

func TestAStandInIsTold(t *testing.T) {
	t.Parallel()
	b := newTold(t)
	b.person("grace@acme.example", "admin")
	ada, bob := b.person("ada@acme.example", "member"), b.person("bob@acme.example", "member")
	require.NoError(t, b.QueueStandInNoticeForTest(t.Context(), b.org.ID, ada))
	require.Empty(t, b.recipients(store.NoticeStandIn), "who is active needs no stand-in")
	require.ErrorIs(t, b.QueueStandInNoticeForTest(t.Context(), b.org.ID, uuid.New()), store.ErrNotFound)
	b.ExecForTest(t, `update people set deactivated_at = now(), stand_in_id = $2 where id = $1`, ada, bob)
	for range 2 {
		require.NoError(t, b.QueueStandInNoticeForTest(t.Context(), b.org.ID, ada))
	}
	require.Equal(t, []uuid.UUID{bob}, b.recipients(store.NoticeStandIn))
	// Reactivated, and deactivated again later on.
	b.ExecForTest(t, `update people set deactivated_at = now() + interval '1 hour' where id = $1`, ada)
	require.NoError(t, b.QueueStandInNoticeForTest(t.Context(), b.org.ID, ada))
	require.Equal(t, []uuid.UUID{bob, bob}, b.recipients(store.NoticeStandIn))
}

// Where nobody can be told, that is kept, and somebody is looked for again when
// an operator asks.
func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	b := newTold(t)
	c := b.connection(nil)
	b.queue(c, store.NeedsReconnect)
	b.queue(c, store.NeedsReconnect)
	dropped, err := b.Notices(t.Context(), b.org.ID, store.NoticeDropped, 10)
	require.NoError(t, err)
	require.Len(t, dropped, 1)
	require.Nil(t, dropped[0].PersonID)
	require.Contains(t, dropped[0].Reason, "no admin")

	grace := b.person("grace@acme.example", "admin")
	n, err := b.RetryNotices(t.Context(), b.org.ID, nil)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []uuid.UUID{grace}, b.recipients(store.NoticeReconnect))
	n, err = b.RetryNotices(t.Context(), newTold(t).org.ID, nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestClaimsOfNoticesNeverOverlap(t *testing.T) {
	t.Parallel()
	b := newTold(t)
	ada := b.person("ada@acme.example", "member")
	for range 30 {
		b.queue(b.connection(&ada), store.NeedsReconnect)
	}
	claims := make(chan []store.Notice, 6)
	for range cap(claims) {
		go func() {
			claimed, _ := b.ClaimNotices(t.Context(), 7, false)
			claims <- claimed
		}()
	}
	var ids []uuid.UUID
	for range cap(claims) {
		for _, n := range <-claims {
			require.False(t, slices.Contains(ids, n.ID))
			ids = append(ids, n.ID)
		}
	}
	rest, err := b.ClaimNotices(t.Context(), 100, false)
	require.NoError(t, err)
	require.Len(t, append(ids, make([]uuid.UUID, len(rest))...), 30)
}
