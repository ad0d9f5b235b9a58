package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Wakeup says that the workflow of a meeting has to look again. It stands in
// Postgres from the transaction that gave the reason until Temporal has it.
type Wakeup struct {
	ID             uuid.UUID
	OrganizationID uuid.UUID
	MeetingID      uuid.UUID
	// Reason is for people: "notes came", "decision …". IDs and states only.
	Reason    string
	Attempts  int
	CreatedAt time.Time
}

// Wake asks the workflow of a meeting to look again.
func (s *Store) Wake(ctx context.Context, organizationID, meetingID uuid.UUID, reason string) error {
	return s.wake(ctx, s.pool, organizationID, meetingID, reason)
}

// wake is [Store.Wake] inside a transaction: the workflow is woken if, and only
// if, the transaction commits. Each reason has a row of its own: one that comes
// while another is being sent must not be lost with it.
func (s *Store) wake(ctx context.Context, q querier, organizationID, meetingID uuid.UUID, reason string) error {
	_, err := q.Exec(ctx, `insert into wakeups (id, organization_id, meeting_id, reason) values ($1, $2, $3, $4)`,
		newID(), organizationID, meetingID, reason)
	if err != nil {
		return fmt.Errorf("asking to look at meeting %s again: %w", meetingID, err)
	}
	return nil
}

// ListenWakeups calls each once it listens, and then whenever there are new
// wakeups, until ctx ends or the connection that it takes for itself is lost: what
// comes in between is missed, so whoever listens also looks now and then. each must
// not block.
func (s *Store) ListenWakeups(ctx context.Context, each func()) error {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listening for wakeups: %w", err)
	}
	conn := pooled.Hijack()
	defer closeListener(ctx, conn)
	if _, err := conn.Exec(ctx, `listen debrief_wakeups`); err != nil {
		return fmt.Errorf("listening for wakeups: %w", err)
	}
	for {
		each()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listening for wakeups: %w", err)
		}
	}
}

// ClaimWakeups takes up to limit wakeups that are due, the longest due first. A
// claim lasts half a minute: who has not sent it by then, or died, loses it to
// the next. Claims of several processes never overlap.
func (s *Store) ClaimWakeups(ctx context.Context, limit int) ([]Wakeup, error) {
	// A claim that a power cut undoes is made again, so nothing waits for the disk.
	rows, err := s.pool.Query(ctx, `
		with hasty as materialized (select set_config('synchronous_commit', 'off', true)),
		due as materialized (
		  select id from wakeups, hasty where next_attempt_at <= now()
		  order by next_attempt_at limit $1 for update of wakeups skip locked)
		update wakeups w set attempts = w.attempts + 1, next_attempt_at = now() + interval '30 seconds'
		from due where w.id = due.id
		returning w.id, w.organization_id, w.meeting_id, w.reason, w.attempts, w.created_at`, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming wakeups: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Wakeup, error) {
		var w Wakeup
		err := row.Scan(&w.ID, &w.OrganizationID, &w.MeetingID, &w.Reason, &w.Attempts, &w.CreatedAt)
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming wakeups: %w", err)
	}
	return claimed, nil
}

// DeleteWakeup forgets a wakeup: Temporal has it, or nothing is left to wake. One
// that a power cut brings back is sent twice, so nothing waits for the disk.
func (s *Store) DeleteWakeup(ctx context.Context, id uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		with hasty as materialized (select set_config('synchronous_commit', 'off', true))
		delete from wakeups w using hasty where w.id = $1`, id)
	if err != nil {
		return fmt.Errorf("deleting wakeup %s: %w", id, err)
	}
	return nil
}

// RetryWakeup puts a wakeup back that could not be sent: it is due again after
// one second, then two, four and so on, a minute at most.
func (s *Store) RetryWakeup(ctx context.Context, id uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		update wakeups set next_attempt_at = now() + least(interval '1 minute', interval '1 second' * 2 ^ least(attempts - 1, 10))
		where id = $1`, id)
	if err != nil {
		return fmt.Errorf("putting wakeup %s back: %w", id, err)
	}
	return nil
}

// ReturnWakeup puts a wakeup back that nobody tried to send, as if it had not
// been claimed: it is due again after a second.
func (s *Store) ReturnWakeup(ctx context.Context, id uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		update wakeups set attempts = greatest(attempts - 1, 0), next_attempt_at = now() + interval '1 second' where id = $1`, id)
	if err != nil {
		return fmt.Errorf("putting wakeup %s back: %w", id, err)
	}
	return nil
}

// PendingWakeups counts the wakeups that Temporal does not have yet, and says
// since when the oldest waits (zero if none does).
func (s *Store) PendingWakeups(ctx context.Context) (count int, oldest time.Time, err error) {
	var since *time.Time
	if err := s.pool.QueryRow(ctx, `select count(*), min(created_at) from wakeups`).Scan(&count, &since); err != nil {
		return 0, time.Time{}, fmt.Errorf("counting wakeups: %w", err)
	}
	if since != nil {
		oldest = *since
	}
	return count, oldest, nil
}
