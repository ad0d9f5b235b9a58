package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

type toolsCmd struct {
	List    toolsListCmd    `cmd:"" help:"List the tools with their permissions."`
	Set     toolsSetCmd     `cmd:"" help:"Give tools a permission."`
	Preset  toolsPresetCmd  `cmd:"" help:"Set all tools at once: locked, shadow, recommended, or hands-off."`
	Explain toolsExplainCmd `cmd:"" help:"Say what would be decided about a call, and which rule decides."`
	Rule    toolsRuleCmd    `cmd:"" help:"Conditions on top of the permissions."`
}

// findTool reads a tool that there is, a custom object's too.
func findTool(name string) (policy.ToolInfo, error) {
	tool, err := policy.ParseTool(name)
	if err != nil {
		return policy.ToolInfo{}, usagef("%s", err)
	}
	info, ok := policy.FindTool(tool)
	if !ok {
		return policy.ToolInfo{}, usagef("there is no tool %q: `debrief tools list` shows them; a custom object's is p4711_car.update or 2-1234567.update", name)
	}
	return info, nil
}

type toolsListCmd struct{ jsonFlag }

func (c *toolsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	p, err := s.Policy(ctx, o.ID)
	if err != nil {
		return err
	}
	type row struct {
		Tool        string            `json:"tool"`
		Title       string            `json:"title"`
		Description string            `json:"description"`
		Permission  policy.Permission `json:"permission"`
		// Hosts are those for whose meetings it is set apart.
		Hosts map[string]policy.Permission `json:"hosts,omitempty"`
	}
	var all []row
	for _, t := range toolsOf(p) {
		r := row{Tool: t.Tool.String(), Title: t.Title, Description: t.Description, Permission: p.Permissions.Decide(t.Tool)}
		for host, permissions := range p.Hosts {
			if permission, ok := permissions[t.Tool]; ok {
				if r.Hosts == nil {
					r.Hosts = map[string]policy.Permission{}
				}
				r.Hosts[host] = permission
			}
		}
		all = append(all, r)
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"TOOL", "PERMISSION", "WHEN"}}
		for _, r := range all {
			rows = append(rows, []string{r.Tool, string(r.Permission), r.Description})
			for _, host := range slices.Sorted(maps.Keys(r.Hosts)) {
				rows = append(rows, []string{"", string(r.Hosts[host]), "in the meetings of person " + host})
			}
		}
		a.table("", rows)
		if n := len(p.Conditions); n > 0 {
			a.say("\nRules on top of them: %d. `debrief tools rule list` shows them.", n)
		}
	})
}

// toolsOf are the tools that there are for everybody, and those of custom
// objects that were given a permission.
func toolsOf(p policy.Policy) []policy.ToolInfo {
	all := policy.Tools()
	custom := map[string]bool{}
	for tool := range p.Permissions {
		custom[tool.Object] = true
	}
	for _, object := range slices.Sorted(maps.Keys(custom)) {
		if tools, err := policy.CustomTools(object); err == nil {
			all = append(all, tools...)
		}
	}
	return all
}

type toolsSetCmd struct {
	jsonFlag

	Permission string   `arg:"" enum:"deny,ask,allow" help:"deny, ask or allow."`
	Tools      []string `arg:"" help:"Tools, such as deal.create, or p4711_car.update of a custom object."`
	Host       string   `help:"Only in the meetings of this person, by address or ID. It can only be stricter than for all." placeholder:"PERSON"`
}

func (c *toolsSetCmd) Run(ctx context.Context, a *app) error {
	permission, err := policy.ParsePermission(c.Permission)
	if err != nil {
		return usagef("%s", err)
	}
	var tools []policy.Tool
	for _, name := range c.Tools {
		info, err := findTool(name)
		if err != nil {
			return err
		}
		tools = append(tools, info.Tool)
	}
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	if c.Host == "" {
		for _, tool := range tools {
			if err := s.SetPermission(ctx, o.ID, tool, permission, store.Operator); err != nil {
				return err
			}
		}
		return a.done(c.JSON, "%s: %s", strings.Join(c.Tools, ", "), permission)
	}
	host, err := findPerson(ctx, s, o, c.Host)
	if err != nil {
		return err
	}
	for _, tool := range tools {
		if err := s.SetHostPermission(ctx, o.ID, host.ID, tool, permission, store.Operator); err != nil {
			return err
		}
	}
	return a.done(c.JSON, "%s: %s, or stricter, in the meetings of %s", strings.Join(c.Tools, ", "), permission, c.Host)
}

type toolsPresetCmd struct {
	jsonFlag

	Name string `arg:"" help:"locked, shadow, recommended or hands-off."`
}

func (c *toolsPresetCmd) Run(ctx context.Context, a *app) error {
	var names []string
	for _, preset := range policy.Presets() {
		names = append(names, preset.Name)
		if preset.Name != c.Name {
			continue
		}
		s, o, err := a.open(ctx, "tools")
		if err != nil {
			return err
		}
		if err := s.UsePreset(ctx, o.ID, preset, store.Operator); err != nil {
			return err
		}
		return a.done(c.JSON, "The preset %s is applied to %s. %s", preset.Name, o.Name, preset.Description)
	}
	return usagef("there is no preset %q: they are %s", c.Name, strings.Join(names, ", "))
}

type toolsRuleCmd struct {
	Add       toolsRuleAddCmd       `cmd:"" help:"Add a rule, or replace the one of its name."`
	List      toolsRuleListCmd      `cmd:"" help:"List the rules."`
	Remove    toolsRuleRemoveCmd    `cmd:"" help:"Remove a rule."`
	Variables toolsRuleVariablesCmd `cmd:"" help:"List what rules can be about."`
}

type toolsRuleAddCmd struct {
	jsonFlag

	Name    string `arg:"" help:"What it is called, such as \"big deals\"."`
	When    string `required:"" placeholder:"EXPRESSION" help:"When it has a say, such as 'property == \"amount\" && new > 50000'. See debrief tools rule variables."`
	Then    string `required:"" enum:"deny,ask,allow" help:"deny, ask, or allow with --loosens."`
	Loosens bool   `help:"Let through what would be asked about. What is denied stays denied."`
	Host    string `help:"Only in the meetings of this person, by address or ID." placeholder:"PERSON"`
}

func (c *toolsRuleAddCmd) Run(ctx context.Context, a *app) error {
	rule := policy.Rule{Name: c.Name, When: c.When, Then: policy.Permission(c.Then), Loosens: c.Loosens}
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	if c.Host != "" {
		host, err := findPerson(ctx, s, o, c.Host)
		if err != nil {
			return err
		}
		rule.Host = host.ID.String()
	}
	err = s.SetRule(ctx, o.ID, rule, store.Operator)
	var wrong *policy.RuleError
	if errors.As(err, &wrong) {
		return usagef("%s", wrong)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "The rule %q holds from now on. `debrief tools explain` shows what it does.", c.Name)
}

type toolsRuleListCmd struct{ jsonFlag }

func (c *toolsRuleListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	rules, err := s.Rules(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, rules, func() {
		rows := [][]string{{"NAME", "SAYS", "FOR", "WHEN"}}
		for _, r := range rules {
			host := "all"
			if r.Host != "" {
				host = "person " + r.Host
			}
			rows = append(rows, []string{r.Name, says(r.Then, r.Loosens), host, r.When})
		}
		a.table("No rules: permissions alone decide. `debrief tools rule add --help` says how to make one.", rows)
	})
}

func says(p policy.Permission, loosens bool) string {
	if loosens {
		return string(p) + ", loosens"
	}
	return string(p)
}

type toolsRuleRemoveCmd struct {
	jsonFlag

	Name string `arg:"" help:"The rule's name."`
}

func (c *toolsRuleRemoveCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	err = s.RemoveRule(ctx, o.ID, c.Name, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no rule %q: `debrief tools rule list` shows them", c.Name)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "The rule %q is gone.", c.Name)
}

type toolsRuleVariablesCmd struct{ jsonFlag }

func (c *toolsRuleVariablesCmd) Run(_ context.Context, a *app) error {
	return a.show(c.JSON, policy.Variables(), func() {
		rows := [][]string{{"NAME", "TYPE", "WHAT IT IS"}}
		for _, v := range policy.Variables() {
			rows = append(rows, []string{v.Name, v.Type, v.Description})
		}
		a.table("", rows)
		a.say("\nCompare with ==, !=, < and >, join with && and ||, turn around with !; text stands in quotes.\nA rule that needs what is not known of a write asks. The language is CEL: https://cel.dev")
	})
}

type toolsExplainCmd struct {
	jsonFlag

	Tool       string            `arg:"" help:"A tool, such as deal.update."`
	Property   map[string]string `short:"p" mapsep:"none" placeholder:"NAME=VALUE" help:"A property that would be written. Can be given several times."`
	Old        map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"What the record has; NAME= if it is empty. What is not given is not known."`
	Host       string            `help:"Whose meeting it is, by address or ID." placeholder:"PERSON"`
	Source     string            `help:"The platform that told of the meeting, such as zoom."`
	Confidence *float64          `help:"From 0 to 1, of who proposed it."`
	Attendee   string            `enum:"yes,no,unknown" default:"unknown" help:"Whether the record is an attendee's or their company's: yes, no or unknown."`
	Closed     string            `enum:"yes,no,unknown" default:"unknown" help:"Whether the deal's new stage is a closed one: yes, no or unknown."`
	Amount     *float64          `help:"The deal's amount in the company's currency."`
}

func (c *toolsExplainCmd) request(tool policy.Tool) policy.Request {
	known := map[string]*bool{"yes": new(true), "no": new(false)}
	w := &policy.Write{
		Source: c.Source, Confidence: c.Confidence, TargetOfAttendee: known[c.Attendee], ClosesDeal: known[c.Closed], Amount: c.Amount,
	}
	for _, name := range slices.Sorted(maps.Keys(c.Property)) {
		change := policy.Change{Property: name, New: c.Property[name]}
		if old, ok := c.Old[name]; ok {
			change.Old = &old
		}
		w.Changes = append(w.Changes, change)
	}
	r := policy.Request{Tool: tool}
	if tool.Operation != policy.Read {
		r.Write = w
	}
	return r
}

func (c *toolsExplainCmd) Run(ctx context.Context, a *app) error {
	info, err := findTool(c.Tool)
	if err != nil {
		return err
	}
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	p, err := s.Policy(ctx, o.ID)
	if err != nil {
		return err
	}
	r := c.request(info.Tool)
	if c.Host != "" {
		host, err := findPerson(ctx, s, o, c.Host)
		if err != nil {
			return err
		}
		r.Host = host.ID.String()
	}
	decision, steps := p.Explain(r)
	type explanation struct {
		policy.Decision
		Tool  policy.Tool   `json:"tool"`
		Steps []policy.Step `json:"steps"`
	}
	return a.show(c.JSON, explanation{decision, info.Tool, steps}, func() { explain(a.out, r, decision, steps) })
}

// explain prints a decision for people: first what and why, then what would be
// written, then everybody who could have had a say, with an arrow at whose was
// the last word.
func explain(out io.Writer, r policy.Request, d policy.Decision, steps []policy.Step) {
	a := &app{out: out}
	a.say("%s: %s, since %s.", r.Tool.Title(), d.Permission, d.Reason)
	if r.Write != nil {
		for _, c := range r.Write.Changes {
			a.say("  %s", change(r.Tool.Operation, c))
		}
	}
	a.say("")
	rows := [][]string{{"", "WHO", "SAYS", "ABOUT", "WHY"}}
	for _, s := range steps {
		arrow, about := "", "nothing here"
		if s.Decided {
			arrow = "→"
		}
		switch {
		case len(s.Properties) > 0:
			about = strings.Join(s.Properties, ", ")
		case s.Matched:
			about = "all of it"
		}
		who, said, why := s.By, says(s.Says, s.Loosens), s.Why
		if s.IsRule {
			who = fmt.Sprintf("rule %q", s.By)
		}
		if s.Problem != "" {
			said, why = "ask", why+" – can't be evaluated: "+s.Problem
		}
		rows = append(rows, []string{arrow, who, said, about, why})
	}
	a.table("", rows)
}

func change(operation policy.Operation, c policy.Change) string {
	value := func(s string) string {
		if s == "" {
			return "(empty)"
		}
		return s
	}
	switch {
	case operation == policy.Create:
		return c.Property + ": " + value(c.New)
	case c.Old == nil:
		return c.Property + ": (not known) → " + value(c.New)
	default:
		return c.Property + ": " + value(*c.Old) + " → " + value(c.New)
	}
}
