package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

const (
	// mostBacktested bounds how many actions a backtest judges, the newest first:
	// a page waits for it.
	mostBacktested  = 2_000
	mostDifferences = 200
)

// Backtest is what a policy would have decided about the actions of some time.
// It holds counts, IDs and names of rules and tools, and no words.
type Backtest struct {
	Since time.Time `json:"since"`
	// Actions were judged. Erased ones could not be: their words are gone. Cut says
	// that there were more, older ones.
	Actions int  `json:"actions"`
	Erased  int  `json:"erased"`
	Cut     bool `json:"cut"`

	BacktestCounts

	// Tools by tool, and Rules by rule: the decisions about the actions that the
	// rule had a say in.
	Tools map[policy.Tool]BacktestCounts `json:"tools"`
	Rules map[string]BacktestCounts      `json:"rules"`
	// Differences are the newest actions that were decided otherwise, at most 200.
	Differences []BacktestDifference `json:"differences,omitempty"`
}

// BacktestCounts counts decisions. What is in doubt is asked about even where it is
// allowed, and counts so. Changed is how many of them were decided otherwise when
// they were planned.
type BacktestCounts struct {
	Deny    int `json:"deny"`
	Ask     int `json:"ask"`
	Allow   int `json:"allow"`
	Changed int `json:"changed"`
}

func (c BacktestCounts) plus(p policy.Permission, changed bool) BacktestCounts {
	switch p {
	case policy.Allow:
		c.Allow++
	case policy.Ask:
		c.Ask++
	default:
		c.Deny++
	}
	if changed {
		c.Changed++
	}
	return c
}

// BacktestDifference is one action that would be decided otherwise.
type BacktestDifference struct {
	ActionID  uuid.UUID         `json:"action_id"`
	MeetingID uuid.UUID         `json:"meeting_id"`
	Tool      policy.Tool       `json:"tool"`
	Was       policy.Permission `json:"was"`
	Would     policy.Permission `json:"would"`
	// Rule is the name of the rule that would decide; empty if none did.
	Rule string `json:"rule,omitempty"`
}

// Backtest says what a policy would have decided about the actions that were
// planned for meetings since a time: nil stands for the policy as it is now. They
// are judged as they stand, by what was known of their meetings when they were
// planned last. Nothing is changed.
func (s *Store) Backtest(ctx context.Context, organizationID uuid.UUID, since time.Time, p *policy.Policy) (Backtest, error) {
	b, err := s.backtest(ctx, organizationID, since, p)
	if err != nil {
		return Backtest{}, fmt.Errorf("judging the actions of organization %s anew: %w", organizationID, err)
	}
	return b, nil
}

func (s *Store) backtest(ctx context.Context, organizationID uuid.UUID, since time.Time, p *policy.Policy) (Backtest, error) {
	b := Backtest{Since: since, Tools: map[policy.Tool]BacktestCounts{}, Rules: map[string]BacktestCounts{}}
	if p == nil {
		now, err := s.Policy(ctx, organizationID)
		if err != nil {
			return Backtest{}, err
		}
		p = &now
	}
	actions, err := s.queryActions(ctx, s.pool, `
		where a.organization_id = $1 and a.origin_kind in ('meeting', 'undo') and a.created_at >= $2 order by a.created_at desc, a.id limit $3`,
		organizationID, since, mostBacktested+1)
	if err != nil {
		return Backtest{}, err
	}
	if b.Cut = len(actions) > mostBacktested; b.Cut {
		actions = actions[:mostBacktested]
	}
	asked, err := s.everAsked(ctx, actions)
	if err != nil {
		return Backtest{}, err
	}
	judges := map[uuid.UUID]*judge{}
	for _, a := range actions {
		if a.Content.Properties == nil && a.Content.Label == "" {
			b.Erased++
			continue
		}
		j := judges[a.Origin.ID]
		if j == nil {
			if j, err = s.judgeBy(ctx, s.pool, *p, organizationID, a.Origin); err != nil {
				return Backtest{}, err
			}
			judges[a.Origin.ID] = j
		}
		b.add(a, j, asked[a.ID])
	}
	return b, nil
}

func (b *Backtest) add(a Action, j *judge, asked bool) {
	d := j.action(a, nil)
	would := d.Permission
	if would == policy.Allow && a.Content.Doubt != "" {
		would = policy.Ask
	}
	was := a.decided(asked)
	changed := was != "" && was != would
	b.Actions++
	b.BacktestCounts = b.plus(would, changed)
	b.Tools[a.Tool] = b.Tools[a.Tool].plus(would, changed)
	for _, rule := range d.Matched {
		b.Rules[rule] = b.Rules[rule].plus(would, changed)
	}
	if changed && len(b.Differences) < mostDifferences {
		b.Differences = append(b.Differences, BacktestDifference{
			ActionID: a.ID, MeetingID: a.Origin.ID, Tool: a.Tool, Was: was, Would: would, Rule: d.Rule,
		})
	}
}

// decided is what was decided about an action when it was planned; empty where
// nothing was, since its connection could not have carried it out.
func (a Action) decided(asked bool) policy.Permission {
	switch {
	case asked:
		return policy.Ask
	case a.State == ActionDenied:
		return policy.Deny
	case strings.HasPrefix(a.Reason, "blocked: "):
		return ""
	default:
		return policy.Allow
	}
}

// everAsked says which of the actions somebody was asked to permit.
func (s *Store) everAsked(ctx context.Context, actions []Action) (map[uuid.UUID]bool, error) {
	ids := make([]uuid.UUID, 0, len(actions))
	for _, a := range actions {
		ids = append(ids, a.ID)
	}
	rows, err := s.pool.Query(ctx, `select distinct action_id from approvals where action_id = any($1) and kind <> 'outcome'`, ids)
	if err != nil {
		return nil, fmt.Errorf("reading which actions were asked about: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("reading which actions were asked about: %w", err)
	}
	asked := make(map[uuid.UUID]bool, len(found))
	for _, id := range found {
		asked[id] = true
	}
	return asked, nil
}

// PolicyWithPreset is what would be said about the organization's tools if a preset
// were used now, without using it: see [Store.UsePreset].
func (s *Store) PolicyWithPreset(ctx context.Context, organizationID uuid.UUID, preset policy.Preset) (policy.Policy, error) {
	p, err := s.Policy(ctx, organizationID)
	if err != nil {
		return policy.Policy{}, err
	}
	gone, err := presetRules(ctx, s.pool, organizationID)
	if err != nil {
		return policy.Policy{}, err
	}
	p.Conditions = slices.DeleteFunc(slices.Clone(p.Conditions), func(c policy.Condition) bool { return slices.Contains(gone, c.Name) })
	for _, rule := range preset.Rules {
		if p, err = p.WithRule(rule); err != nil {
			return policy.Policy{}, err //nolint:wrapcheck // it says all
		}
	}
	return p.With(preset.Permissions), nil
}
