package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ReconnectForTest says that a connection is back.
func (s *Store) ReconnectForTest(ctx context.Context, id uuid.UUID) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		c, _, err := lockConnection(ctx, tx, id)
		if err != nil {
			return err
		}
		return s.setConnectionState(ctx, tx, c, Connected, "", Operator)
	})
}
