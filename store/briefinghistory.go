package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MetBefore is an earlier meeting with people who are coming again.
type MetBefore struct {
	Meeting Meeting
	// Host is the host's name; empty where nobody knows it.
	Host string
	// Actions are what came of it.
	Actions []Action
	// Open are its questions that the person may see and that still wait; Mine are the
	// IDs of those that the person may answer.
	Open []Approval
	Mine map[uuid.UUID]bool
}

// MetBefore finds meetings that took place before a time with people of these
// addresses, the newest first: at most that many of each address, and only what the
// person may see, as [Store.MaySee] has it for lists.
func (s *Store) MetBefore(ctx context.Context, k BriefingKey, addresses []string, before time.Time, most int) ([]MetBefore, error) {
	met, err := s.metBefore(ctx, k, addresses, before, most)
	if err != nil {
		return nil, fmt.Errorf("reading when they met before meeting %s: %w", k.MeetingID, err)
	}
	return met, nil
}

func (s *Store) metBefore(ctx context.Context, k BriefingKey, addresses []string, before time.Time, most int) ([]MetBefore, error) {
	v, err := s.sightOf(ctx, k.OrganizationID, &k.PersonID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // a viewer sees no meetings
	}
	if err != nil {
		return nil, err
	}
	key, err := s.organizationKey(ctx, s.pool, k.OrganizationID)
	if err != nil {
		return nil, err
	}
	macs := make([][]byte, 0, len(addresses))
	for _, a := range addresses {
		macs = append(macs, key.MAC(attendeeName(a)))
	}
	rows, err := s.pool.Query(ctx, `
		with met as (
		  select distinct last.id from unnest($6::bytea[]) as a (mac), lateral (
		    select m.id from meeting_attendees w join meetings m on m.id = w.meeting_id
		    where w.organization_id = $1 and w.address_mac = a.mac and m.id <> $7 and m.starts_at < $8 and (m.has_ended or m.has_notes)
		      and m.merged_into is null and m.erased_at is null and m.excluded = '' and `+seen+`
		    order by m.starts_at desc, m.id limit $9) last)
		select m.id, coalesce(p.name, '') from met join meetings m on m.id = met.id left join people h on h.id = m.host_person_id
		left join people p on p.id = coalesce(h.merged_into, h.id)
		order by m.starts_at desc, m.id`, v.args(k.OrganizationID, macs, k.MeetingID, before, most)...)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m MetBefore, err error) {
		err = row.Scan(&m.Meeting.ID, &m.Host)
		return m, err
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := s.recall(ctx, k, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// recall reads what there is to say of an earlier meeting.
func (s *Store) recall(ctx context.Context, k BriefingKey, m *MetBefore) (err error) {
	if m.Meeting, err = s.MeetingByID(ctx, k.OrganizationID, m.Meeting.ID); err != nil {
		return err
	}
	if m.Actions, err = s.ActionsOf(ctx, k.OrganizationID, m.Meeting.ID); err != nil {
		return err
	}
	open, err := s.Approvals(ctx, k.OrganizationID, ApprovalFilter{MeetingID: m.Meeting.ID, State: ApprovalPending})
	if err != nil || len(open) == 0 {
		return err
	}
	var refusal *Refusal
	err = s.MaySee(ctx, k.OrganizationID, m.Meeting.ID, k.PersonID)
	if errors.As(err, &refusal) {
		return nil // a list can't tell as exactly
	}
	if err != nil {
		return err
	}
	f, err := s.peekFollowUp(ctx, s.pool, k.OrganizationID, m.Meeting.ID)
	if err != nil {
		return err
	}
	m.Open, m.Mine = open, map[uuid.UUID]bool{}
	for _, p := range open {
		may, err := s.rightsOfPerson(ctx, s.pool, f, p.Action, k.PersonID)
		switch {
		case errors.As(err, &refusal):
		case err != nil:
			return err
		default:
			m.Mine[p.ID] = may.refusal == nil
		}
	}
	return nil
}
