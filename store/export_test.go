package store

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// NewMeetingForTest adds a meeting that has ended a while ago, with notes.
func (s *Store) NewMeetingForTest(t testing.TB, organizationID uuid.UUID) uuid.UUID {
	t.Helper()
	ctx := context.Background()
	keyID, err := s.newDataKey(ctx, s.pool)
	require.NoError(t, err)
	id := newID()
	_, err = s.pool.Exec(ctx, `
		insert into meetings (id, organization_id, data_key_id, state, has_ended, has_notes, first_word_at, version, updated_at)
		values ($1, $2, $3, 'ended', true, true, now() - interval '1 hour', 1, now() - interval '1 hour')`, id, organizationID, keyID)
	require.NoError(t, err)
	return id
}

// NewConnectionForTest adds a connection in that state.
func (s *Store) NewConnectionForTest(t testing.TB, organizationID uuid.UUID, state string) uuid.UUID {
	t.Helper()
	ctx := context.Background()
	app, connection := newID(), newID()
	_, err := s.pool.Exec(ctx, `
		insert into apps (id, organization_id, name, level, client_id, sealed_client_secret) values ($1, $2, $3, 'account', $3, '')`,
		app, organizationID, app.String())
	require.NoError(t, err)
	_, err = s.pool.Exec(ctx, `
		insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state) values ($1, $2, $3, $4, 1001, false, '{}', $5)`,
		connection, organizationID, app, connection.String(), state)
	require.NoError(t, err)
	return connection
}

// ExecForTest runs SQL that forces what time or another process would do.
func (s *Store) ExecForTest(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := s.pool.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

// CountForTest returns the number that a query selects.
func (s *Store) CountForTest(t testing.TB, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, s.pool.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// Settle times, for tests that wait for them.
const SettleForTest = settleFor + time.Second

// SealedColumnsForTest are those that an erasure searches.
func SealedColumnsForTest() []string {
	var names []string
	for _, c := range sealedColumns {
		names = append(names, c.name)
	}
	return names
}
