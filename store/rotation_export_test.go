package store

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// VaultColumns are the columns that the vault seals, as "table.column".
func VaultColumns() []string {
	var names []string
	for _, c := range vaultColumns {
		names = append(names, c.name())
	}
	return names
}

// GrantForTest gives a connection tokens, with the lock that a refresh takes.
func (s *Store) GrantForTest(ctx context.Context, connection uuid.UUID, refresh, access Secret) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if _, _, err := lockConnection(ctx, tx, connection); err != nil {
			return err
		}
		return s.storeGrant(ctx, tx, connection, Grant{RefreshToken: refresh, AccessToken: access, ExpiresAt: time.Now().Add(time.Hour)})
	})
}

// RefreshTokenForTest opens a connection's refresh token.
func (s *Store) RefreshTokenForTest(ctx context.Context, connection uuid.UUID) (Secret, error) {
	var sealed []byte
	if err := s.pool.QueryRow(ctx, `select sealed_refresh_token from connections where id = $1`, connection).Scan(&sealed); err != nil {
		return "", err
	}
	opened, err := s.vault.Open(sealed, refreshTokenPlace(connection))
	return Secret(opened), err
}

// HoldForTest holds a connection's row until release is called.
func (s *Store) HoldForTest(t testing.TB, connection uuid.UUID) (release func()) {
	t.Helper()
	tx, err := s.pool.Begin(context.Background())
	require.NoError(t, err)
	_, _, err = lockConnection(context.Background(), tx, connection)
	require.NoError(t, err)
	return func() { _ = tx.Rollback(context.Background()) }
}

// NewDataKeysForTest adds n data keys of nobody.
func (s *Store) NewDataKeysForTest(t testing.TB, n int) (ids []uuid.UUID) {
	t.Helper()
	for range n {
		id, err := s.newDataKey(context.Background(), s.pool)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return ids
}

// TextsForTest returns what a query selects.
func (s *Store) TextsForTest(t testing.TB, sql string) []string {
	t.Helper()
	rows, err := s.pool.Query(context.Background(), sql)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return texts
}

// QueueConnectionNoticeForTest queues what a change to that state would.
func (s *Store) QueueConnectionNoticeForTest(ctx context.Context, c Connection, state ConnectionState) error {
	return s.inTx(ctx, func(tx pgx.Tx) error { return queueConnectionNotice(ctx, tx, c, state) })
}

// QueueStandInNoticeForTest queues what deactivating a person would.
func (s *Store) QueueStandInNoticeForTest(ctx context.Context, organizationID, personID uuid.UUID) error {
	return s.inTx(ctx, func(tx pgx.Tx) error { return queueStandInNotice(ctx, tx, organizationID, personID) })
}

// ResealAfterForTest reads all refresh tokens, lets something happen, and then
// seals them anew as they were read. It returns how many it could not.
func (s *Store) ResealAfterForTest(t testing.TB, happens func()) (held int) {
	t.Helper()
	for _, c := range vaultColumns {
		if c.name() != "connections.sealed_refresh_token" {
			continue
		}
		batch, err := s.readSealed(context.Background(), c, `where %[3]s is not null`)
		require.NoError(t, err)
		happens()
		ids, err := s.resealSome(context.Background(), c, batch, &ResealProgress{}, true)
		require.NoError(t, err)
		held += len(ids)
	}
	return held
}
