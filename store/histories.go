package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// HistoriesToForget are the meetings of an organization whose follow-ups' histories
// at Temporal may hold words of somebody who was erased since.
func (s *Store) HistoriesToForget(ctx context.Context, organizationID uuid.UUID) ([]uuid.UUID, error) {
	rows, err := s.pool.Query(ctx, `select meeting_id from erased_histories where organization_id = $1 order by since, meeting_id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading which histories are to be deleted: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// HistoryForgotten says that Temporal has no history any more of a meeting's
// follow-up. One that is open begins anew: all that it knows stands here.
func (s *Store) HistoryForgotten(ctx context.Context, organizationID, meetingID uuid.UUID) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from erased_histories where organization_id = $1 and meeting_id = $2`, organizationID, meetingID)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		var open bool
		if err := tx.QueryRow(ctx, `select exists (select from follow_ups where organization_id = $1 and meeting_id = $2 and state = 'open')`,
			organizationID, meetingID).Scan(&open); err != nil || !open {
			return err
		}
		return s.wake(ctx, tx, organizationID, meetingID, "its history was erased")
	})
	if err != nil {
		return fmt.Errorf("noting that the history of meeting %s is deleted: %w", meetingID, err)
	}
	return nil
}
