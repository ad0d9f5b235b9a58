package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Delegation says that one person answers in the place of another for a while: in
// everything that the other may answer, and in nothing else. It does not pass on
// what was passed on, and ends when who delegates is deactivated (then a stand-in
// answers).
type Delegation struct {
	FromID   uuid.UUID `json:"from_id"`
	FromName string    `json:"from_name"`
	ToID     uuid.UUID `json:"to_id"`
	ToName   string    `json:"to_name"`
	Until    time.Time `json:"until"`
}

// longestDelegation bounds them: who is away for longer needs a stand-in.
const longestDelegation = 366 * 24 * time.Hour

// Delegate has one person answer in the place of another until a date, instead of
// whoever did before. A person may do so for themselves, an admin for everybody;
// what makes no sense is a [*Refusal]. Open follow-ups look again.
func (s *Store) Delegate(ctx context.Context, organizationID, from, to uuid.UUID, until time.Time, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		giver, err := s.delegating(ctx, tx, organizationID, from, actor)
		if err != nil {
			return err
		}
		taker, err := lockPerson(ctx, tx, organizationID, to)
		if err != nil {
			return err
		}
		var now time.Time
		if err := tx.QueryRow(ctx, `select now()`).Scan(&now); err != nil {
			return fmt.Errorf("reading the time: %w", err)
		}
		switch {
		case from == to:
			return refuse("Nobody is their own delegate.")
		case !giver.Active() || giver.Role == RoleViewer:
			return refuse("Who is deactivated or a viewer answers nothing, so there is nothing to delegate. (For those who left there are stand-ins.)")
		case !taker.Active() || taker.Role == RoleViewer:
			return refuse("A delegate can't be somebody who is deactivated or a viewer.")
		case !until.After(now):
			return refuse("A delegation ends in the future.")
		case until.After(now.Add(longestDelegation)):
			return refuse("A delegation is for a year at most.")
		}
		_, err = tx.Exec(ctx, `
			insert into approval_delegations (organization_id, from_person_id, to_person_id, until) values ($1, $2, $3, $4)
			on conflict (organization_id, from_person_id) do update set to_person_id = excluded.to_person_id, until = excluded.until, created_at = now()`,
			organizationID, from, to, until)
		if err != nil {
			return fmt.Errorf("storing the delegation: %w", err)
		}
		return s.auditPerson(ctx, tx, organizationID, from, actor, fmt.Sprintf("approvals delegated to person %s until %s", to, until.UTC().Format(time.RFC3339)))
	})
	return delegated(err)
}

// EndDelegation has a person answer for themselves again. It fails with
// [ErrNotFound] if nobody does in their place.
func (s *Store) EndDelegation(ctx context.Context, organizationID, from uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := s.delegating(ctx, tx, organizationID, from, actor); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `delete from approval_delegations where organization_id = $1 and from_person_id = $2`, organizationID, from)
		if err != nil {
			return fmt.Errorf("deleting the delegation: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return s.auditPerson(ctx, tx, organizationID, from, actor, "approvals no longer delegated")
	})
	return delegated(err)
}

func delegated(err error) error {
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal
	case err != nil:
		return fmt.Errorf("delegating approvals: %w", err)
	default:
		return nil
	}
}

// delegating reads who delegates, and refuses whoever may not say so for them.
func (s *Store) delegating(ctx context.Context, tx pgx.Tx, organizationID, from uuid.UUID, actor Actor) (Person, error) {
	giver, err := lockPerson(ctx, tx, organizationID, from)
	if err != nil || actor.PersonID == nil || *actor.PersonID == from {
		return giver, err
	}
	by, err := lockPerson(ctx, tx, organizationID, *actor.PersonID)
	if err != nil {
		return Person{}, err
	}
	if !by.Active() || by.Role != RoleAdmin {
		return Person{}, refuse("You may delegate your own approvals; those of others only an admin can.")
	}
	return giver, nil
}

// Delegations lists an organization's delegations that count now, by name.
func (s *Store) Delegations(ctx context.Context, organizationID uuid.UUID) ([]Delegation, error) {
	rows, err := s.pool.Query(ctx, `
		select giver.id, coalesce(nullif(giver.name, ''), giver.id::text), taker.id, coalesce(nullif(taker.name, ''), taker.id::text), d.until
		from approval_delegations d
		join people f on f.id = d.from_person_id join people giver on giver.id = coalesce(f.merged_into, f.id)
		join people t on t.id = d.to_person_id join people taker on taker.id = coalesce(t.merged_into, t.id)
		where d.organization_id = $1 and d.until > now() and giver.deactivated_at is null order by 2, 1`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing delegations: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Delegation])
	if err != nil {
		return nil, fmt.Errorf("listing delegations: %w", err)
	}
	return all, nil
}
