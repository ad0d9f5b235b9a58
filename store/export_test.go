package store

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/vault"
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

// ExplainConcernedForTest says how the follow-ups are found that it concerns when
// records were merged into one.
func (s *Store) ExplainConcernedForTest(t testing.TB, r CRMRecord, gone ...string) string {
	t.Helper()
	query, args := concernedQuery(recordChange{CRMRecord: r, gone: gone})
	rows, err := s.pool.Query(context.Background(), "explain "+query, args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
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

// BytesForTest returns the second column of what a query selects, by the first.
func (s *Store) BytesForTest(t testing.TB, sql string, args ...any) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	rows, err := s.pool.Query(context.Background(), sql, args...)
	require.NoError(t, err)
	var id string
	var raw []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &raw}, func() error { found[id] = slices.Clone(raw); return nil })
	require.NoError(t, err)
	return found
}

// AllDataKeysForTest are all data keys that there are, as a process that has just
// begun would open them.
func (s *Store) AllDataKeysForTest(t testing.TB) []*vault.DataKey {
	t.Helper()
	var keys []*vault.DataKey
	for id, wrapped := range s.BytesForTest(t, `select id::text, wrapped from data_keys`) {
		key, err := s.vault.Unwrap(wrapped, dataKeyPlace(uuid.MustParse(id)))
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// SealPayloadForTest seals a text as what is said to Temporal of a meeting is.
func (s *Store) SealPayloadForTest(ctx context.Context, meetingID uuid.UUID, text string) ([]byte, error) {
	_, key, err := s.DataKeyForMeeting(ctx, meetingID)
	if err != nil {
		return nil, err
	}
	return key.Seal([]byte(text), "temporal.payload")
}
