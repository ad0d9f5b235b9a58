package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// Permissions returns what an organization's tools may do, as it stands now.
// What was never configured is not in it, and so is denied.
func (s *Store) Permissions(ctx context.Context, organizationID uuid.UUID) (policy.Permissions, error) {
	return permissionsOf(ctx, s.pool, organizationID)
}

// Permission says what one tool may do and why, as it stands now.
func (s *Store) Permission(ctx context.Context, organizationID uuid.UUID, tool policy.Tool) (policy.Decision, error) {
	return decidePermission(ctx, s.pool, organizationID, tool)
}

// SetPermission changes one tool's permission, and records the change. Open
// follow-ups with an unsettled action of the tool are woken to look again.
func (s *Store) SetPermission(ctx context.Context, organizationID uuid.UUID, tool policy.Tool, to policy.Permission, actor Actor) error {
	return s.ApplyPreset(ctx, organizationID, policy.Permissions{tool: to}, actor)
}

// ApplyPreset changes the permissions of all tools named, in one transaction,
// with an audit row for each that is another one afterwards. Tools not named
// keep what they have.
func (s *Store) ApplyPreset(ctx context.Context, organizationID uuid.UUID, preset policy.Permissions, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// One change at a time, so that "before" in the trail is what was.
		var name string
		err := tx.QueryRow(ctx, `select name from organizations where id = $1 for no key update`, organizationID).Scan(&name)
		if err != nil {
			return notFound(err, "reading the organization")
		}
		before, err := permissionsOf(ctx, tx, organizationID)
		if err != nil {
			return err
		}
		tools := slices.SortedFunc(maps.Keys(preset), func(a, b policy.Tool) int { return strings.Compare(a.String(), b.String()) })
		for _, tool := range tools {
			if err := s.setPermission(ctx, tx, organizationID, tool, before.Decide(tool), preset.Decide(tool), actor); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("changing permissions of organization %s: %w", organizationID, err)
	}
	return nil
}

func (s *Store) setPermission(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, tool policy.Tool, before, after policy.Permission, actor Actor) error {
	_, err := tx.Exec(ctx, `
		insert into permissions (organization_id, object_type, operation, permission) values ($1, $2, $3, $4)
		on conflict (organization_id, object_type, operation) do update set permission = excluded.permission, updated_at = now()`,
		organizationID, tool.Object, string(tool.Operation), string(after))
	if err != nil {
		return fmt.Errorf("setting %s: %w", tool, err)
	}
	if before == after {
		return nil
	}
	_, err = tx.Exec(ctx, `
		insert into wakeups (id, organization_id, meeting_id, reason)
		select gen_random_uuid(), f.organization_id, f.meeting_id, 'permission changed'
		from follow_ups f
		where f.organization_id = $1 and f.state = 'open'
		  and exists (select 1 from actions a where a.origin_kind = 'meeting' and a.origin_id = f.meeting_id
		              and a.object_type = $2 and a.operation = $3 and a.state in ('asking', 'ready'))`,
		organizationID, tool.Object, string(tool.Operation))
	if err != nil {
		return fmt.Errorf("waking the follow-ups that use %s: %w", tool, err)
	}
	return s.audit(ctx, tx, AuditEntry{
		OrganizationID: organizationID, Kind: AuditPermission, Actor: actor, Tool: tool,
		Reason: string(before) + " → " + string(after),
	})
}

func permissionsOf(ctx context.Context, q querier, organizationID uuid.UUID) (policy.Permissions, error) {
	rows, err := q.Query(ctx, `select object_type, operation, permission from permissions where organization_id = $1`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	all := policy.Permissions{}
	var tool policy.Tool
	var p policy.Permission
	_, err = pgx.ForEachRow(rows, []any{&tool.Object, &tool.Operation, &p}, func() error {
		all[tool] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	return all, nil
}

func decidePermission(ctx context.Context, q querier, organizationID uuid.UUID, tool policy.Tool) (policy.Decision, error) {
	configured := policy.Permissions{}
	var p policy.Permission
	err := q.QueryRow(ctx, `select permission from permissions where organization_id = $1 and object_type = $2 and operation = $3`,
		organizationID, tool.Object, string(tool.Operation)).Scan(&p)
	switch {
	case err == nil:
		configured[tool] = p
	case !errors.Is(err, pgx.ErrNoRows):
		return policy.Decision{}, fmt.Errorf("reading the permission of %s: %w", tool, err)
	}
	return policy.Decide(configured, policy.Request{Tool: tool}), nil
}
