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

// Permissions returns what an organization's tools may do, as it stands now,
// whatever they are used for and for whom. What was never configured is not in
// it, and so is denied.
func (s *Store) Permissions(ctx context.Context, organizationID uuid.UUID) (policy.Permissions, error) {
	return permissionsOf(ctx, s.pool, organizationID)
}

// Policy returns all that an organization has said about its tools: permissions,
// those for single hosts, and rules.
func (s *Store) Policy(ctx context.Context, organizationID uuid.UUID) (policy.Policy, error) {
	return s.policyOf(ctx, s.pool, organizationID)
}

// Permission says what one tool may do and why, as it stands now.
func (s *Store) Permission(ctx context.Context, organizationID uuid.UUID, tool policy.Tool) (policy.Decision, error) {
	return s.decideCall(ctx, s.pool, organizationID, tool, Origin{})
}

// SetPermission changes one tool's permission, and records the change. Open
// follow-ups with an unsettled action of the tool are woken to look again.
func (s *Store) SetPermission(ctx context.Context, organizationID uuid.UUID, tool policy.Tool, to policy.Permission, actor Actor) error {
	return s.ApplyPreset(ctx, organizationID, policy.Permissions{tool: to}, actor)
}

// SetHostPermission does the same for the meetings of one host. It only makes
// stricter what the organization says; allow leaves it to the organization.
func (s *Store) SetHostPermission(ctx context.Context, organizationID, host uuid.UUID, tool policy.Tool, to policy.Permission, actor Actor) error {
	return s.changePolicy(ctx, organizationID, func(tx pgx.Tx, before policy.Policy) error {
		if err := ourPerson(ctx, tx, organizationID, &host); err != nil {
			return err
		}
		tool = tool.Canonical()
		was, configured := before.Hosts[host.String()][tool]
		if !configured {
			was = policy.Allow
		}
		to = policy.Stricter(to, policy.Allow)
		return s.setPermission(ctx, tx, organizationID, &host, tool, was, to, actor)
	})
}

// ApplyPreset changes the permissions of all tools named, in one transaction,
// with an audit row for each that is another one afterwards. Tools not named
// keep what they have, and so do rules: see [Store.UsePreset].
func (s *Store) ApplyPreset(ctx context.Context, organizationID uuid.UUID, preset policy.Permissions, actor Actor) error {
	return s.changePolicy(ctx, organizationID, func(tx pgx.Tx, before policy.Policy) error {
		return s.applyPermissions(ctx, tx, organizationID, before, preset, actor)
	})
}

// UsePreset applies a preset with its rules, in one transaction: there is no
// moment at which its permissions stand without their conditions. Rules of an
// earlier preset go; those that somebody set by name stay, and one of the same
// name makes way for the preset's.
func (s *Store) UsePreset(ctx context.Context, organizationID uuid.UUID, preset policy.Preset, actor Actor) error {
	return s.changePolicy(ctx, organizationID, func(tx pgx.Tx, before policy.Policy) error {
		gone, err := presetRules(ctx, tx, organizationID)
		if err != nil {
			return err
		}
		for _, rule := range preset.Rules {
			gone = slices.DeleteFunc(gone, func(name string) bool { return name == rule.Name })
			if err := s.setRule(ctx, tx, organizationID, before, rule, true, actor); err != nil {
				return err
			}
		}
		for _, name := range gone {
			if err := s.removeRule(ctx, tx, organizationID, before, name, actor); err != nil {
				return err
			}
		}
		return s.applyPermissions(ctx, tx, organizationID, before, preset.Permissions, actor)
	})
}

// presetRules are the names of the rules that came with a preset.
func presetRules(ctx context.Context, q querier, organizationID uuid.UUID) ([]string, error) {
	rows, err := q.Query(ctx, `select name from permission_rules where organization_id = $1 and of_preset`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading the rules of the preset before: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading the rules of the preset before: %w", err)
	}
	return names, nil
}

// Rules lists an organization's rules by name.
func (s *Store) Rules(ctx context.Context, organizationID uuid.UUID) ([]policy.Rule, error) {
	return rulesOf(ctx, s.pool, organizationID)
}

// SetRule adds a rule, or replaces the one of its name, and records the change.
// A rule that can't be used is refused with a [*policy.RuleError]. Open
// follow-ups with an unsettled action are woken to look again.
func (s *Store) SetRule(ctx context.Context, organizationID uuid.UUID, rule policy.Rule, actor Actor) error {
	return s.changePolicy(ctx, organizationID, func(tx pgx.Tx, before policy.Policy) error {
		return s.setRule(ctx, tx, organizationID, before, rule, false, actor)
	})
}

// RemoveRule removes the rule of that name. It fails with [ErrNotFound] if there
// is none.
func (s *Store) RemoveRule(ctx context.Context, organizationID uuid.UUID, name string, actor Actor) error {
	return s.changePolicy(ctx, organizationID, func(tx pgx.Tx, before policy.Policy) error {
		return s.removeRule(ctx, tx, organizationID, before, name, actor)
	})
}

// changePolicy makes one change at a time, so that "before" in the trail is what
// was.
func (s *Store) changePolicy(ctx context.Context, organizationID uuid.UUID, change func(pgx.Tx, policy.Policy) error) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var name string
		err := tx.QueryRow(ctx, `select name from organizations where id = $1 for no key update`, organizationID).Scan(&name)
		if err != nil {
			return notFound(err, "reading the organization")
		}
		before, err := s.policyOf(ctx, tx, organizationID)
		if err != nil {
			return err
		}
		return change(tx, before)
	})
	if err != nil {
		return fmt.Errorf("changing permissions of organization %s: %w", organizationID, err)
	}
	return nil
}

func (s *Store) applyPermissions(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, before policy.Policy, preset policy.Permissions, actor Actor) error {
	tools := slices.SortedFunc(maps.Keys(preset), func(a, b policy.Tool) int { return strings.Compare(a.String(), b.String()) })
	for _, tool := range tools {
		to := policy.Stricter(preset[tool], policy.Allow)
		tool = tool.Canonical()
		if err := s.setPermission(ctx, tx, organizationID, nil, tool, before.Permissions.Decide(tool), to, actor); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) setPermission(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, host *uuid.UUID, tool policy.Tool, before, after policy.Permission, actor Actor) error {
	_, err := tx.Exec(ctx, `
		insert into permissions (organization_id, object_type, operation, permission, host_person_id) values ($1, $2, $3, $4, $5)
		on conflict (organization_id, object_type, operation, host_person_id) do update set permission = excluded.permission, updated_at = now()`,
		organizationID, tool.Object, string(tool.Operation), string(after), host)
	if err != nil {
		return fmt.Errorf("setting %s: %w", tool, err)
	}
	whose := ""
	if host != nil {
		whose = " for the meetings of person " + host.String()
	}
	return s.permissionChanged(ctx, tx, organizationID, tool, before, after, whose, actor)
}

// permissionChanged wakes whom a change concerns, and records it.
func (s *Store) permissionChanged(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, tool policy.Tool, before, after policy.Permission, whose string, actor Actor) error {
	if before == after {
		return nil
	}
	if err := wakeUsers(ctx, tx, organizationID, tool); err != nil {
		return err
	}
	if whose == "" {
		// What was not wanted then may be now.
		_, err := tx.Exec(ctx, `delete from dismissed_suggestions where organization_id = $1 and object_type = $2 and operation = $3`,
			organizationID, tool.Object, string(tool.Operation))
		if err != nil {
			return fmt.Errorf("forgetting that a suggestion was dismissed: %w", err)
		}
	}
	return s.audit(ctx, tx, AuditEntry{
		OrganizationID: organizationID, Kind: AuditPermission, Actor: actor, Tool: tool, Reason: string(before) + " → " + string(after) + whose,
	})
}

func (s *Store) setRule(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, before policy.Policy, rule policy.Rule, ofPreset bool, actor Actor) error {
	if _, err := policy.Compile(rule); err != nil {
		return err //nolint:wrapcheck // it says all
	}
	host, err := hostOf(ctx, tx, organizationID, rule)
	if err != nil {
		return err
	}
	if rule.Team != "" {
		if rule.Team, err = ourTeam(ctx, tx, organizationID, rule.Team); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		insert into permission_rules (organization_id, name, expression, permission, loosens, host_person_id, team, of_preset)
		values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (organization_id, name) do update set expression = excluded.expression, permission = excluded.permission,
		  loosens = excluded.loosens, host_person_id = excluded.host_person_id, team = excluded.team, of_preset = excluded.of_preset`,
		organizationID, rule.Name, rule.When, string(rule.Then), rule.Loosens, host, rule.Team, ofPreset)
	if err != nil {
		return fmt.Errorf("storing the rule: %w", err)
	}
	was, is := ruleNamed(before, rule.Name), rule
	if was != nil && *was == is {
		return nil
	}
	return s.ruleChanged(ctx, tx, organizationID, was, &is, actor)
}

func (s *Store) removeRule(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, before policy.Policy, name string, actor Actor) error {
	tag, err := tx.Exec(ctx, `delete from permission_rules where organization_id = $1 and name = $2`, organizationID, name)
	if err != nil {
		return fmt.Errorf("removing the rule: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("removing the rule %q: %w", name, ErrNotFound)
	}
	return s.ruleChanged(ctx, tx, organizationID, ruleNamed(before, name), nil, actor)
}

func ruleNamed(p policy.Policy, name string) *policy.Rule {
	i := slices.IndexFunc(p.Conditions, func(c policy.Condition) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Conditions[i].Rule
}

// ruleChanged records what a rule was and is. Expressions may name customers:
// they stand beside the row.
func (s *Store) ruleChanged(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, was, is *policy.Rule, actor Actor) error {
	if err := wakeUsers(ctx, tx, organizationID, policy.Tool{}); err != nil {
		return err
	}
	values := map[string]string{}
	name := ""
	describe := func(when string, r *policy.Rule) string {
		if r == nil {
			return "none"
		}
		name, values[when] = r.Name, r.When
		text := string(r.Then)
		if r.Loosens {
			text += " (loosens)"
		}
		if r.Host != "" {
			text += " for the meetings of person " + r.Host
		}
		if r.Team != "" {
			text += fmt.Sprintf(" for the meetings of team %q", r.Team)
		}
		return text
	}
	change := describe("before", was) + " → " + describe("after", is)
	return s.audit(ctx, tx, AuditEntry{
		OrganizationID: organizationID, Kind: AuditPermission, Actor: actor, Reason: fmt.Sprintf("rule %q: %s", name, change), Values: values,
	})
}

// wakeUsers wakes the open follow-ups with an unsettled action of a tool; of any
// if it is zero.
func wakeUsers(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, tool policy.Tool) error {
	_, err := tx.Exec(ctx, `
		insert into wakeups (id, organization_id, meeting_id, reason)
		select gen_random_uuid(), f.organization_id, f.meeting_id, 'permission changed'
		from follow_ups f
		where f.organization_id = $1 and f.state = 'open'
		  and exists (select 1 from actions a where a.origin_id = f.meeting_id
		              -- The question whether to read is about all that is read.
		              and ($2 = '' or a.object_type in ($2, case when $3 = 'read' then $4 end) and a.operation = $3) and a.state in ('asking', 'ready'))`,
		organizationID, tool.Object, string(tool.Operation), readTool.Object)
	if err != nil {
		return fmt.Errorf("waking the follow-ups that use %s: %w", tool, err)
	}
	return nil
}

// hostOf reads a rule's host, who has to be one of the organization's people.
func hostOf(ctx context.Context, q querier, organizationID uuid.UUID, rule policy.Rule) (*uuid.UUID, error) {
	if rule.Host == "" {
		return nil, nil
	}
	id, err := uuid.Parse(rule.Host)
	if err != nil {
		return nil, &policy.RuleError{Rule: rule.Name, Problem: "its host is not a person's ID"}
	}
	return &id, ourPerson(ctx, q, organizationID, &id)
}

// ourPerson makes sure that somebody is one of the organization's people. One who
// was merged stands for who they are now.
func ourPerson(ctx context.Context, q querier, organizationID uuid.UUID, id *uuid.UUID) error {
	err := q.QueryRow(ctx, `select coalesce(merged_into, id) from people where organization_id = $1 and id = $2`, organizationID, *id).Scan(id)
	return notFound(err, "reading the host")
}

func permissionsOf(ctx context.Context, q querier, organizationID uuid.UUID) (policy.Permissions, error) {
	var batch pgx.Batch
	own, _ := queuePermissions(&batch, organizationID)
	if err := q.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("reading permissions: %w", err)
	}
	return own, nil
}

// queuePermissions reads the organization's own permissions and those of hosts.
// Of hosts who turned out to be one person the strictest holds.
func queuePermissions(batch *pgx.Batch, organizationID uuid.UUID) (policy.Permissions, map[string]policy.Permissions) {
	own, hosts := policy.Permissions{}, map[string]policy.Permissions{}
	batch.Queue(`
		select r.object_type, r.operation, r.permission, coalesce(coalesce(h.merged_into, h.id)::text, '')
		from permissions r left join people h on h.id = r.host_person_id
		where r.organization_id = $1`, organizationID).Query(func(rows pgx.Rows) error {
		var tool policy.Tool
		var p policy.Permission
		var host string
		_, err := pgx.ForEachRow(rows, []any{&tool.Object, &tool.Operation, &p, &host}, func() error {
			if host == "" {
				own[tool] = p
				return nil
			}
			if hosts[host] == nil {
				hosts[host] = policy.Permissions{}
			}
			if other, twice := hosts[host][tool]; twice {
				p = policy.Stricter(p, other)
			}
			hosts[host][tool] = p
			return nil
		})
		return err
	})
	return own, hosts
}

func rulesOf(ctx context.Context, q querier, organizationID uuid.UUID) ([]policy.Rule, error) {
	var batch pgx.Batch
	rules := queueRules(&batch, organizationID)
	if err := q.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	return *rules, nil
}

func queueRules(batch *pgx.Batch, organizationID uuid.UUID) *[]policy.Rule {
	rules := new([]policy.Rule)
	batch.Queue(`
		select r.name, r.expression, r.permission, r.loosens, coalesce(coalesce(h.merged_into, h.id)::text, ''), r.team
		from permission_rules r left join people h on h.id = r.host_person_id
		where r.organization_id = $1 order by r.name`, organizationID).Query(func(rows pgx.Rows) (err error) {
		*rules, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r policy.Rule, err error) {
			err = row.Scan(&r.Name, &r.When, &r.Then, &r.Loosens, &r.Host, &r.Team)
			return r, err
		})
		return err
	})
	return rules
}

// policyOf reads it all in one round trip: somebody may be waiting.
func (s *Store) policyOf(ctx context.Context, q querier, organizationID uuid.UUID) (policy.Policy, error) {
	var batch pgx.Batch
	own, hosts := queuePermissions(&batch, organizationID)
	rules := queueRules(&batch, organizationID)
	teams := queueTeamPermissions(&batch, organizationID)
	if err := q.SendBatch(ctx, &batch).Close(); err != nil {
		return policy.Policy{}, fmt.Errorf("reading permissions and rules: %w", err)
	}
	return policy.Policy{Permissions: own, Teams: teams, Hosts: hosts, Conditions: s.rules.Conditions(*rules)}, nil
}

// CallPermission says what one tool may do on behalf of an origin, as it stands
// now.
func (s *Store) CallPermission(ctx context.Context, organizationID uuid.UUID, origin Origin, tool policy.Tool) (policy.Decision, error) {
	return s.decideCall(ctx, s.pool, organizationID, tool, origin)
}

// CallPermissions is [Store.CallPermission] of several tools, in their order, read
// together.
func (s *Store) CallPermissions(ctx context.Context, organizationID uuid.UUID, origin Origin, tools []policy.Tool) ([]policy.Decision, error) {
	return s.decideCalls(ctx, s.pool, organizationID, origin, tools)
}

// decideCall decides about a call on behalf of a meeting, or of nothing. Where a
// read is asked about, it is what was answered about this meeting's reads.
func (s *Store) decideCall(ctx context.Context, q querier, organizationID uuid.UUID, tool policy.Tool, origin Origin) (policy.Decision, error) {
	decisions, err := s.decideCalls(ctx, q, organizationID, origin, []policy.Tool{tool})
	if err != nil {
		return policy.Decision{}, err
	}
	return decisions[0], nil
}

// decideCalls is decideCall of several tools.
func (s *Store) decideCalls(ctx context.Context, q querier, organizationID uuid.UUID, origin Origin, tools []policy.Tool) ([]policy.Decision, error) {
	p, err := s.policyOf(ctx, q, organizationID)
	if err != nil {
		return nil, err
	}
	var request policy.Request
	if origin.ofMeeting() && aboutMeetings(p) {
		err := q.QueryRow(ctx, `
			select h.id::text, h.team from people h
			where h.organization_id = $1 and (h.id = (select host_person_id from meetings where organization_id = $1 and id = $2)
			      -- A read for an agent's person, of which nothing else is kept.
			      or $3 and h.id = $2)`, organizationID, origin.ID, origin.ofCall()).Scan(&request.Host, &request.Team)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("reading the host: %w", err)
		}
	}
	decisions := make([]policy.Decision, 0, len(tools))
	for _, tool := range tools {
		request.Tool = tool
		d := p.Decide(request)
		if d.Permission == policy.Ask && tool.Operation == policy.Read && origin.ofMeeting() {
			approved, err := s.readApproved(ctx, q, origin, tool)
			if err != nil {
				return nil, err
			}
			if approved {
				d.Permission, d.Reason = policy.Allow, d.Reason+", and it was approved for this meeting"
			}
		}
		decisions = append(decisions, d)
	}
	return decisions, nil
}
