package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CallerToken is what an agent signs in with for a person. Its value is shown once.
type CallerToken struct {
	ID             uuid.UUID  `json:"id"`
	OrganizationID uuid.UUID  `json:"organization_id"`
	PersonID       uuid.UUID  `json:"person_id"`
	Name           string     `json:"name"`
	CreatedAt      time.Time  `json:"created_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	LastUsedAt     *time.Time `json:"last_used_at,omitempty"`
	RevokedAt      *time.Time `json:"revoked_at,omitempty"`
}

// CallerTokenPrefix begins each token, so that one that leaked is found by what looks
// for secrets.
const CallerTokenPrefix = "dbf_"

// MaxCallerTokenTTL is the longest that a token works.
const MaxCallerTokenTTL = 366 * 24 * time.Hour

// CreateCallerToken makes a token for a person, who has to be active and no viewer.
// The name is for the list: where the token is used.
func (s *Store) CreateCallerToken(ctx context.Context, organizationID, personID uuid.UUID, name string, ttl time.Duration, actor Actor) (CallerToken, Secret, error) {
	if ttl <= 0 || ttl > MaxCallerTokenTTL {
		return CallerToken{}, "", refuse("A token works for a year at most.")
	}
	random, _ := newOneTimeToken()
	token := Secret(CallerTokenPrefix + random.Reveal())
	t := CallerToken{ID: newID(), OrganizationID: organizationID, PersonID: personID, Name: plain(name)}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var active bool
		var role Role
		err := tx.QueryRow(ctx, `select deactivated_at is null, role from people where organization_id = $1 and id = $2`, organizationID, personID).Scan(&active, &role)
		switch {
		case err != nil:
			return notFound(err, "reading the person")
		case !active:
			return refuse("That person is deactivated.")
		case role == RoleViewer:
			return refuse("A viewer sees counts alone, and so would their agents: give them another role first.")
		}
		err = tx.QueryRow(ctx, `
			insert into caller_tokens (id, organization_id, person_id, name, token_hash, expires_at) values ($1, $2, $3, $4, $5, now() + $6::interval)
			returning created_at, expires_at`, t.ID, organizationID, personID, t.Name, hashToken(token), ttl).Scan(&t.CreatedAt, &t.ExpiresAt)
		if err != nil {
			return fmt.Errorf("storing the token: %w", err)
		}
		return s.auditPerson(ctx, tx, organizationID, personID, actor, "token "+t.ID.String()+" made")
	})
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return CallerToken{}, "", refusal
	}
	if err != nil {
		return CallerToken{}, "", fmt.Errorf("making a token: %w", err)
	}
	return t, token, nil
}

// CallerTokens lists an organization's tokens, the newest first.
func (s *Store) CallerTokens(ctx context.Context, organizationID uuid.UUID) ([]CallerToken, error) {
	rows, err := s.pool.Query(ctx, `
		select id, organization_id, person_id, name, created_at, expires_at, last_used_at, revoked_at from caller_tokens
		where organization_id = $1 order by created_at desc, id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	tokens, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t CallerToken, err error) {
		err = row.Scan(&t.ID, &t.OrganizationID, &t.PersonID, &t.Name, &t.CreatedAt, &t.ExpiresAt, &t.LastUsedAt, &t.RevokedAt)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	return tokens, nil
}

// RevokeCallerToken ends a token at once. Revoking twice changes nothing.
func (s *Store) RevokeCallerToken(ctx context.Context, organizationID, id uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var person uuid.UUID
		var already bool
		err := tx.QueryRow(ctx, `select person_id, revoked_at is not null from caller_tokens where organization_id = $1 and id = $2 for update`, organizationID, id).Scan(&person, &already)
		if err != nil {
			return notFound(err, "reading the token")
		}
		if already {
			return nil
		}
		if _, err := tx.Exec(ctx, `update caller_tokens set revoked_at = now() where id = $1`, id); err != nil {
			return err
		}
		return s.auditPerson(ctx, tx, organizationID, person, actor, "token "+id.String()+" revoked")
	})
	if err != nil {
		return fmt.Errorf("revoking token %s: %w", id, err)
	}
	return nil
}

// Bearer finds whose token it is: of one that works, of a person who is active and no
// viewer. Anything else is [ErrNotFound], without telling which.
func (s *Store) Bearer(ctx context.Context, token string) (CallerToken, error) {
	var t CallerToken
	err := s.pool.QueryRow(ctx, `
		select t.id, t.organization_id, t.person_id, t.name, t.created_at, t.expires_at from caller_tokens t
		join people p on p.organization_id = t.organization_id and p.id = t.person_id
		where t.token_hash = $1 and t.revoked_at is null and t.expires_at > now() and p.deactivated_at is null and p.role <> 'viewer'`, hashToken(Secret(token))).
		Scan(&t.ID, &t.OrganizationID, &t.PersonID, &t.Name, &t.CreatedAt, &t.ExpiresAt)
	if err != nil {
		return CallerToken{}, notFound(err, "reading a token")
	}
	// To the minute: an agent calls often.
	_, err = s.pool.Exec(ctx, `
		update caller_tokens set last_used_at = now() where id = $1 and coalesce(last_used_at, '-infinity') < now() - interval '1 minute'`, t.ID)
	if err != nil {
		return CallerToken{}, fmt.Errorf("noting that a token was used: %w", err)
	}
	return t, nil
}
