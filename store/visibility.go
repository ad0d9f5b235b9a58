package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MaySee returns nil if a person may see what was said in a meeting and what comes
// of it: its host, and who answers for the host; who attended it of the
// organization's own; admins and approvers; who owns a record that somebody was
// asked about; and the delegates of all those. Otherwise it is a [*Refusal].
func (s *Store) MaySee(ctx context.Context, organizationID, meetingID, personID uuid.UUID) error {
	err := s.maySee(ctx, s.pool, organizationID, meetingID, personID)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	if err != nil {
		return fmt.Errorf("reading who may see meeting %s: %w", meetingID, err)
	}
	return nil
}

func (s *Store) maySee(ctx context.Context, q querier, organizationID, meetingID, personID uuid.UUID) error {
	f, err := s.peekFollowUp(ctx, q, organizationID, meetingID)
	if errors.Is(err, ErrNotFound) {
		return refuse("There is no such meeting.")
	}
	if err != nil {
		return err
	}
	all, err := s.answerers(ctx, q, f, personID)
	if err != nil {
		return err
	}
	me := slices.IndexFunc(all, func(w answerer) bool { return w.id == personID })
	switch {
	case me < 0:
		return refuse("There is no such meeting.") // of another organization
	case !all[me].active:
		return refuse("You have been deactivated.")
	case all[me].role == RoleViewer:
		return refuse("A viewer sees no meetings: ask an admin for another role.")
	}
	if slices.ContainsFunc(all, f.answersByRole) {
		return nil
	}
	facts, err := s.factsOf(ctx, q, f)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, facts.attendedBy) {
		return nil
	}
	var owns bool
	owners := []string{}
	for _, w := range all {
		owners = append(owners, w.owners...)
	}
	err = q.QueryRow(ctx, `
		select exists (select from approvals p join actions a on a.id = p.action_id where a.origin_id = $1 and p.record_owner = any($2))`,
		meetingID, owners).Scan(&owns)
	if err != nil {
		return fmt.Errorf("reading who owns what is asked about: %w", err)
	}
	if owns {
		return nil
	}
	return refuse("This meeting is for its host, for those who attended it, for the owners of its records, and for approvers.")
}

// peekFollowUp reads what a follow-up is judged by, without a lock, also before
// there is one.
func (s *Store) peekFollowUp(ctx context.Context, q querier, organizationID, meetingID uuid.UUID) (*followUp, error) {
	f := &followUp{organizationID: organizationID, meetingID: meetingID}
	var settings []byte
	err := q.QueryRow(ctx, `
		select f.connection_id, o.settings, now(), `+originKind+` from meetings m join organizations o on o.id = m.organization_id
		left join follow_ups f on f.meeting_id = m.id
		where m.organization_id = $1 and m.id = $2`, organizationID, meetingID).Scan(&f.connectionID, &settings, &f.now, &f.originKind)
	if err := notFound(err, "reading the meeting"); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(settings, &f.settings); err != nil {
		return nil, fmt.Errorf("decoding the organization's settings: %w", err)
	}
	return f, s.readConnection(ctx, q, f)
}

// Asked is somebody to be asked.
type Asked struct {
	PersonID uuid.UUID `json:"person_id"`
	Name     string    `json:"name"`
	// InsteadOf is whose delegate that is, if it is one.
	InsteadOf *uuid.UUID `json:"instead_of,omitempty"`
}

// Approvers lists whom to ask about a meeting, in this order: named approvers, or
// where there are none the host or who answers for the host; and where those are
// too few for the quorum approvers by role, then admins. Nobody is in it twice, nor
// anybody who may not approve. Once a question was escalated, all of them are in
// it. More people may answer than are asked: see [Store.Decide].
func (s *Store) Approvers(ctx context.Context, organizationID, meetingID uuid.UUID) ([]Asked, error) {
	asked, err := s.approvers(ctx, s.pool, organizationID, meetingID)
	if err != nil {
		return nil, fmt.Errorf("reading whom to ask about meeting %s: %w", meetingID, err)
	}
	return asked, nil
}

func (s *Store) approvers(ctx context.Context, q querier, organizationID, meetingID uuid.UUID) ([]Asked, error) {
	f, err := s.peekFollowUp(ctx, q, organizationID, meetingID)
	if err != nil {
		return nil, err
	}
	var escalated bool
	err = q.QueryRow(ctx, `
		select exists (select from approvals p join actions a on a.id = p.action_id
		               where a.origin_id = $1 and p.state = 'pending' and p.escalated_at is not null)`, meetingID).Scan(&escalated)
	if err != nil {
		return nil, err
	}
	selves := []uuid.UUID{}
	if f.settings.Approvals.NoSelfApproval {
		if selves, err = s.onBehalfOf(ctx, q, f, Action{Origin: f.origin()}); err != nil {
			return nil, err
		}
	}
	// A delegate takes the place of who delegates; nobody's of whoever may not
	// approve, and nobody's who may not either.
	rows, err := q.Query(ctx, `
		select p.id, p.role, exists (select from meetings m join responsible_people r on r.organization_id = $1 and r.person_id = m.host_person_id
		                             where m.id = $2 and r.responsible_id = p.id),
		       `+isNamed+`, taker.id, `+personLabel+`, coalesce((select `+personLabel+` from people p where p.id = taker.id), '')
		from people p
		left join approval_delegations d on d.organization_id = $1 and d.from_person_id = p.id and d.until > now()
		left join people named on named.id = d.to_person_id
		left join people taker on taker.id = coalesce(named.merged_into, named.id) and taker.deactivated_at is null and taker.role <> 'viewer' and taker.id <> all($3)
		where p.organization_id = $1 and p.deactivated_at is null and p.role <> 'viewer' and p.id <> all($3)
		order by p.created_at, p.id`, organizationID, meetingID, selves, notNil(f.settings.Approvals.Approvers))
	if err != nil {
		return nil, err
	}
	ranks := make([][]Asked, 4) // named approvers, the host's, approvers, admins
	var role Role
	var a Asked
	var own, delegate string
	var answersForHost, named bool
	var taker *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&a.PersonID, &role, &answersForHost, &named, &taker, &own, &delegate}, func() error {
		rank := 0
		switch anybody := len(f.settings.Approvals.Approvers) == 0; {
		case named:
		case answersForHost && anybody:
			rank = 1
		case role == RoleApprover && anybody:
			rank = 2
		case role == RoleAdmin:
			rank = 3
		default:
			return nil
		}
		asked := Asked{PersonID: a.PersonID, Name: own}
		if taker != nil {
			instead := a.PersonID
			asked = Asked{PersonID: *taker, Name: delegate, InsteadOf: &instead}
		}
		ranks[rank] = append(ranks[rank], asked)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var asked []Asked
	for _, rank := range ranks {
		if len(asked) >= f.settings.Approvals.quorum() && !escalated {
			break
		}
		for _, one := range rank {
			if !slices.ContainsFunc(asked, func(b Asked) bool { return b.PersonID == one.PersonID }) {
				asked = append(asked, one)
			}
		}
	}
	return asked, nil
}
