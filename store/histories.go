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
// follow-up. One that has something to do begins anew: all that it knows stands here.
// That is one that is open, and a closed one whose run was just begun for the next
// round and went with the others.
func (s *Store) HistoryForgotten(ctx context.Context, organizationID, meetingID uuid.UUID) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from erased_histories where organization_id = $1 and meeting_id = $2`, organizationID, meetingID)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		var begins bool
		if err := tx.QueryRow(ctx, `
			select exists (select from meetings m left join follow_ups f on f.meeting_id = m.id
			  where m.organization_id = $1 and m.id = $2 and (m.first_word_at is not null or f.state = 'open') and m.merged_into is null and m.erased_at is null
			  and (f.meeting_id is null or f.state = 'open' or f.planned_version < m.version or f.planned_answers < f.answers or f.undo_planned < f.undo_requested))`,
			organizationID, meetingID).Scan(&begins); err != nil || !begins {
			return err
		}
		return s.wake(ctx, tx, organizationID, meetingID, "its history was erased")
	})
	if err != nil {
		return fmt.Errorf("noting that the history of meeting %s is deleted: %w", meetingID, err)
	}
	return nil
}
