package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// SuggestAfter is how many approvals in a row, none of them edited, make a tool one
// that might as well be allowed.
const SuggestAfter = 30

// Suggestion is a tool that people have approved so often and unedited that asking
// seems to add nothing. It is for an admin: nothing is ever switched by itself.
type Suggestion struct {
	Tool policy.Tool `json:"tool"`
	// Approved is how many of its questions were approved in a row, up to now, by
	// how many People, since when.
	Approved int       `json:"approved"`
	People   int       `json:"people"`
	Since    time.Time `json:"since"`
}

// Suggestions are the tools that are set to ask and were approved unedited
// [SuggestAfter] times in a row or more. An edit, a rejection and an expiry end a
// row. Approvals count that a known person gave; those of an operator, or of whom
// the Temporal UI can't name, neither count nor end it. Those that somebody
// dismissed are left out.
func (s *Store) Suggestions(ctx context.Context, organizationID uuid.UUID) ([]Suggestion, error) {
	rows, err := s.pool.Query(ctx, `
		with decided as (
			select a.object_type, a.operation, p.state, p.decided_at, p.decided_by_person_id as person
			from approvals p join actions a on a.id = p.action_id
			join permissions r on r.organization_id = p.organization_id and r.object_type = a.object_type and r.operation = a.operation
			 and r.host_person_id is null and r.permission = 'ask'
			where p.organization_id = $1 and p.kind = 'permission' and p.state in ('approved', 'edited', 'rejected', 'expired')
			  and not exists (select from dismissed_suggestions d
			    where d.organization_id = p.organization_id and d.object_type = a.object_type and d.operation = a.operation)
		), broken as (
			select object_type, operation, max(decided_at) as at from decided where state <> 'approved' group by object_type, operation
		)
		select d.object_type, d.operation, count(*), count(distinct d.person), min(d.decided_at)
		from decided d left join broken b using (object_type, operation)
		where d.state = 'approved' and d.person is not null and (b.at is null or d.decided_at > b.at)
		group by d.object_type, d.operation having count(*) >= $2 order by 1, 2`, organizationID, SuggestAfter)
	if err != nil {
		return nil, fmt.Errorf("reading which tools could be allowed: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g Suggestion, err error) {
		err = row.Scan(&g.Tool.Object, &g.Tool.Operation, &g.Approved, &g.People, &g.Since)
		return g, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading which tools could be allowed: %w", err)
	}
	return all, nil
}

// DismissSuggestion says that a tool is to stay as it is: it is suggested no more
// until its permission was changed. It fails with [ErrNotFound] if it is not
// suggested.
func (s *Store) DismissSuggestion(ctx context.Context, organizationID uuid.UUID, tool policy.Tool, actor Actor) error {
	tool = tool.Canonical()
	all, err := s.Suggestions(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.Tool != tool {
			continue
		}
		return s.inTx(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `
				insert into dismissed_suggestions (organization_id, object_type, operation) values ($1, $2, $3) on conflict do nothing`,
				organizationID, tool.Object, string(tool.Operation))
			if err != nil {
				return fmt.Errorf("dismissing the suggestion for %s: %w", tool, err)
			}
			if tag.RowsAffected() == 0 {
				return nil // somebody was quicker
			}
			return s.audit(ctx, tx, AuditEntry{
				OrganizationID: organizationID, Kind: AuditPermission, Actor: actor, Tool: tool,
				Reason: fmt.Sprintf("suggested for allow after %d approvals in a row: dismissed", g.Approved),
			})
		})
	}
	return fmt.Errorf("dismissing the suggestion for %s: %w", tool, ErrNotFound)
}
