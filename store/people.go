package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// EnsureHost makes the person with that e-mail address the host of a meeting,
// and adds the person to the organization if nobody there has the address. It
// is for addresses in the organization's own domains. One transaction.
func (s *Store) EnsureHost(ctx context.Context, organizationID, meetingID uuid.UUID, email, name string) error {
	email = strings.ToLower(strings.TrimSpace(email))
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// One at a time for each address, so that two meetings don't make two people.
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, organizationID.String()+email); err != nil {
			return fmt.Errorf("waiting for others who add that person: %w", err)
		}
		var id uuid.UUID
		err := tx.QueryRow(ctx, `
			select person_id from person_identities where organization_id = $1 and kind = 'email' and value = $2`, organizationID, email).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			id = newID()
			if _, err := tx.Exec(ctx, `insert into people (id, organization_id, name) values ($1, $2, $3)`, id, organizationID, name); err != nil {
				return fmt.Errorf("adding a person: %w", err)
			}
			_, err = tx.Exec(ctx, `insert into person_identities (organization_id, kind, value, person_id) values ($1, 'email', $2, $3)`, organizationID, email, id)
		}
		if err != nil {
			return fmt.Errorf("finding the person: %w", err)
		}
		_, err = tx.Exec(ctx, `update meetings set host_person_id = $3 where organization_id = $1 and id = $2`, organizationID, meetingID, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("naming the host of meeting %s: %w", meetingID, err)
	}
	return nil
}

// PeopleNames returns the names of an organization's people by their IDs.
func (s *Store) PeopleNames(ctx context.Context, organizationID uuid.UUID) (map[string]string, error) {
	rows, err := s.pool.Query(ctx, `select id::text, name from people where organization_id = $1`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	names := map[string]string{}
	var id, name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil }); err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	return names, nil
}
