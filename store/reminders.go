package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// expireQuestions ends the questions of a follow-up whose deadline has passed, or
// gives them another one, as the organization wants it.
func (s *Store) expireQuestions(ctx context.Context, tx pgx.Tx, f *followUp) error {
	rows, err := tx.Query(ctx, `
		select p.id, p.action_id, p.round, a.origin_kind, a.object_type, a.operation, a.may_exist_since, p.escalated_at is not null
		from approvals p join actions a on a.id = p.action_id
		where a.origin_id = $1 and p.state = 'pending' and p.expires_at <= now()
		order by a.position, p.id for update of p`, f.meetingID)
	if err != nil {
		return fmt.Errorf("looking for questions past their deadline: %w", err)
	}
	type overdue struct {
		id, actionID uuid.UUID
		round        int
		origin       string
		tool         policy.Tool
		mayExist     *time.Time
		escalated    bool
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o overdue, err error) {
		err = row.Scan(&o.id, &o.actionID, &o.round, &o.origin, &o.tool.Object, &o.tool.Operation, &o.mayExist, &o.escalated)
		return o, err
	})
	if err != nil {
		return fmt.Errorf("looking for questions past their deadline: %w", err)
	}
	escalated := false
	for _, o := range all {
		what := "expired"
		switch {
		case !f.extends(o.escalated):
			if _, err := tx.Exec(ctx, `update approvals set state = 'expired', decided_at = now(), decided_by = 'deadline' where id = $1`, o.id); err != nil {
				return fmt.Errorf("expiring a question: %w", err)
			}
			reason := Action{MayExistSince: o.mayExist}.because("nobody answered in time")
			if err := setActionState(ctx, tx, o.actionID, ActionExpired, reason); err != nil {
				return err
			}
		case f.settings.Approvals.OnExpiry == ExpiryEscalates:
			what, escalated = "nobody answered in time: escalated to admins and approvers", true
			if err := extend(ctx, tx, f, o.id, `escalated_at = now(), reminded = 0`); err != nil {
				return err
			}
		default:
			// The reminder before each new deadline is all that says so.
			what = "nobody answered in time: left open"
			if err := extend(ctx, tx, f, o.id, `reminded = 1`); err != nil {
				return err
			}
		}
		err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: f.organizationID, Kind: AuditDecision, Actor: Actor{Name: "deadline"}, Origin: Origin{Kind: o.origin, ID: f.meetingID},
			Round: o.round, ActionID: &o.actionID, ApprovalID: &o.id, Tool: o.tool, Reason: what,
		})
		if err != nil {
			return err
		}
	}
	if !escalated {
		return nil
	}
	return s.queueApprovalNotice(ctx, tx, f.organizationID, f.meetingID, NoticeEscalated, occasion(f))
}

// extend gives a question a new deadline.
func extend(ctx context.Context, q querier, f *followUp, id uuid.UUID, set string) error {
	_, err := q.Exec(ctx, `update approvals set expires_at = now() + $2, `+set+` where id = $1`, id, f.settings.ApprovalTTL.Or(defaultTTL))
	if err != nil {
		return fmt.Errorf("giving a question a new deadline: %w", err)
	}
	return nil
}

// occasion is the key of a notice about a follow-up: one for all of its questions
// that are due at this look.
func occasion(f *followUp) string { return fmt.Sprintf("%s:%d", f.meetingID, f.now.UnixMicro()) }

// remind has those told again who may answer the questions of a follow-up: once a
// while after they were asked (or escalated), and once before the deadline, where
// there is time for both. Each question counts its reminders, so looking twice
// tells nobody twice, and the slow timer is enough.
func (s *Store) remind(ctx context.Context, tx pgx.Tx, f *followUp) error {
	after := f.settings.Approvals.RemindAfter.Or(defaultRemindAfter)
	if after < 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, `
		with due as (
		  select p.id, coalesce(p.escalated_at, p.asked_at) + $2::interval as first, p.expires_at - $3::interval as last
		  from approvals p join actions a on a.id = p.action_id where a.origin_id = $1 and p.state = 'pending')
		update approvals p set reminded = case when due.last <= now() and due.last > due.first then 2 else 1 end
		from due
		where p.id = due.id and (
		  p.reminded < 1 and due.first <= now() and due.first < p.expires_at
		  or p.reminded < 2 and due.last <= now() and due.last > due.first)`,
		f.meetingID, after, lastReminder)
	if err != nil {
		return fmt.Errorf("reminding of questions: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	return s.queueApprovalNotice(ctx, tx, f.organizationID, f.meetingID, NoticeReminder, occasion(f))
}
