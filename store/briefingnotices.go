package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NoticeProgress is how far a notice that briefs somebody has come: it is tried by one
// channel after the other. IDs and words of our own.
type NoticeProgress struct {
	// Channel is the one that is tried, Since when, so many times.
	Channel BriefingChannel `json:"channel,omitempty"`
	Since   time.Time       `json:"since,omitzero"`
	Tries   int             `json:"tries,omitempty"`
	// Doubt: the channel may have taken it. It stands before anything is sent, and is
	// taken back once it is sure that nothing was taken.
	Doubt bool `json:"doubt,omitempty"`
	// Failed are the channels that are tried no more.
	Failed []FailedChannel `json:"failed,omitempty"`
	// Took are the webhook endpoints that have it.
	Took []uuid.UUID `json:"took,omitempty"`
}

// FailedChannel is a channel that did not take a notice, and why. The reason is for
// people, and names nobody.
type FailedChannel struct {
	Channel BriefingChannel `json:"channel"`
	Reason  string          `json:"reason"`
}

// HasFailed says whether a channel is tried no more.
func (p NoticeProgress) HasFailed(channel BriefingChannel) bool {
	return slices.ContainsFunc(p.Failed, func(f FailedChannel) bool { return f.Channel == channel })
}

// ClaimBriefingNotices takes up to limit notices that are due and brief somebody, the
// longest due first, as [Store.ClaimNotices] takes the others.
func (s *Store) ClaimBriefingNotices(ctx context.Context, limit int) ([]Notice, error) {
	return s.claimNotices(ctx, `kind like 'briefing.%'`, limit)
}

func (s *Store) claimNotices(ctx context.Context, which string, limit int) ([]Notice, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
		  select id from notices where state = 'queued' and next_attempt_at <= now() and `+which+`
		  order by next_attempt_at limit $1 for update skip locked)
		update notices n set attempts = n.attempts + 1, next_attempt_at = now() + $2::interval,
		       first_attempt_at = coalesce(n.first_attempt_at, now())
		from due where n.id = due.id
		returning `+noticeColumns, limit, NoticeLease)
	if err != nil {
		return nil, fmt.Errorf("claiming notices: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, scanNotice)
	if err != nil {
		return nil, fmt.Errorf("claiming notices: %w", err)
	}
	return claimed, nil
}

// KeepNoticeProgress records how far a claimed notice has come. What is about to be
// sent is recorded before: whoever finds it so later can tell. It fails for who has lost
// the claim, and must not send any more.
func (s *Store) KeepNoticeProgress(ctx context.Context, n Notice, p NoticeProgress) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding how far a notice has come: %w", err)
	}
	tag, err := s.pool.Exec(ctx, `update notices set progress = $3 where id = $1 and attempts = $2 and state = 'queued'`, n.ID, n.Attempts, raw)
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("somebody else has claimed it meanwhile")
	}
	if err != nil {
		return fmt.Errorf("recording how far notice %s has come: %w", n.ID, err)
	}
	return nil
}

// HoldNotice puts a claimed notice back, to be tried again after that time. The reason
// is for people, and names nobody.
func (s *Store) HoldNotice(ctx context.Context, n Notice, p NoticeProgress, reason string, after time.Duration) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding how far a notice has come: %w", err)
	}
	return s.settleNotice(ctx, s.pool, n, `progress = $3, reason = $4, next_attempt_at = now() + $5::interval`, raw, reason, after)
}

// NoticeReached settles a claimed notice that a channel has taken. how is for people:
// by which, and why by no other.
func (s *Store) NoticeReached(ctx context.Context, n Notice, how string) error {
	return s.noticeReached(ctx, s.pool, n, how)
}

func (s *Store) noticeReached(ctx context.Context, q querier, n Notice, how string) error {
	return s.settleNotice(ctx, q, n, `state = 'sent', reason = $3, settled_at = now()`, how)
}
