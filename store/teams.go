package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

const longestTeam = 80

func (s *Store) changeTeam(ctx context.Context, tx pgx.Tx, p Person, team string, actor Actor) error {
	team = strings.TrimSpace(team)
	if utf8.RuneCountInString(team) > longestTeam || strings.ContainsFunc(team, unicode.IsControl) {
		return refuse("the name of a team has %d characters at most, and no line breaks", longestTeam)
	}
	known, err := teamNamed(ctx, tx, p.OrganizationID, team)
	if err != nil {
		return err
	}
	if known != "" {
		team = known
	}
	if team == p.Team {
		return nil
	}
	if _, err := tx.Exec(ctx, `update people set team = $2 where id = $1`, p.ID, team); err != nil {
		return fmt.Errorf("changing the team: %w", err)
	}
	named := func(team string) string {
		if team == "" {
			return "none"
		}
		return fmt.Sprintf("%q", team)
	}
	return s.auditPerson(ctx, tx, p.OrganizationID, p.ID, actor, fmt.Sprintf("team %s → %s", named(p.Team), named(team)))
}

// teamNamed is a team as it is spelled where it was named first: in other letters
// it would be another one, and its permissions would not hold. Empty if there is
// none.
func teamNamed(ctx context.Context, q querier, organizationID uuid.UUID, team string) (string, error) {
	var known string
	err := q.QueryRow(ctx, `
		select team from (
			select team from team_permissions where organization_id = $1
			union select team from permission_rules where organization_id = $1
			union select team from people where organization_id = $1
		) named where team <> '' and lower(team) = lower($2) order by team limit 1`, organizationID, strings.TrimSpace(team)).Scan(&known)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the teams: %w", err)
	}
	return known, nil
}

// ourTeam is a team as it is spelled. One that nobody belongs to is refused: it
// would be a misspelt one, and what is said about it would hold for nobody.
func ourTeam(ctx context.Context, q querier, organizationID uuid.UUID, team string) (string, error) {
	known, err := teamNamed(ctx, q, organizationID, team)
	if err == nil && known == "" {
		err = refuse("nobody belongs to a team %q: put people into it first", team)
	}
	return known, err
}

// SetTeamPermission changes one tool's permission for the meetings that a team's
// people host, and records the change. It only makes stricter what the organization
// says; allow leaves it to the organization. A team that nobody belongs to is a
// [*Refusal].
func (s *Store) SetTeamPermission(ctx context.Context, organizationID uuid.UUID, team string, tool policy.Tool, to policy.Permission, actor Actor) error {
	return s.changePolicy(ctx, organizationID, func(tx pgx.Tx, before policy.Policy) error {
		team, err := ourTeam(ctx, tx, organizationID, team)
		if err != nil {
			return err
		}
		tool = tool.Canonical()
		was, configured := before.Teams[team][tool]
		if !configured {
			was = policy.Allow
		}
		to = policy.Stricter(to, policy.Allow)
		_, err = tx.Exec(ctx, `
			insert into team_permissions (organization_id, team, object_type, operation, permission) values ($1, $2, $3, $4, $5)
			on conflict (organization_id, team, object_type, operation) do update set permission = excluded.permission, updated_at = now()`,
			organizationID, team, tool.Object, string(tool.Operation), string(to))
		if err != nil {
			return fmt.Errorf("setting %s: %w", tool, err)
		}
		return s.permissionChanged(ctx, tx, organizationID, tool, was, to, fmt.Sprintf(" for the meetings of team %q", team), actor)
	})
}

// Teams lists an organization's teams with their people's IDs.
func (s *Store) Teams(ctx context.Context, organizationID uuid.UUID) (map[string][]uuid.UUID, error) {
	rows, err := s.pool.Query(ctx, `
		select team, array_agg(id order by id) from people
		where organization_id = $1 and team <> '' and merged_into is null group by team`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading the teams: %w", err)
	}
	teams := map[string][]uuid.UUID{}
	var team string
	var people []uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&team, &people}, func() error {
		teams[team] = slices.Clone(people)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the teams: %w", err)
	}
	return teams, nil
}

func queueTeamPermissions(batch *pgx.Batch, organizationID uuid.UUID) map[string]policy.Permissions {
	teams := map[string]policy.Permissions{}
	batch.Queue(`select team, object_type, operation, permission from team_permissions where organization_id = $1`, organizationID).Query(func(rows pgx.Rows) error {
		var team string
		var tool policy.Tool
		var p policy.Permission
		_, err := pgx.ForEachRow(rows, []any{&team, &tool.Object, &tool.Operation, &p}, func() error {
			if teams[team] == nil {
				teams[team] = policy.Permissions{}
			}
			maps.Copy(teams[team], policy.Permissions{tool: p})
			return nil
		})
		return err
	})
	return teams
}
