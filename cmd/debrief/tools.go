package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

type toolsCmd struct {
	List        toolsListCmd        `cmd:"" help:"List the tools with their permissions."`
	Set         toolsSetCmd         `cmd:"" help:"Give tools a permission."`
	Preset      toolsPresetCmd      `cmd:"" help:"Set all tools at once: locked, shadow, recommended, or hands-off."`
	Explain     toolsExplainCmd     `cmd:"" help:"Say what would be decided about a call, and which rule decides."`
	Preview     toolsPreviewCmd     `cmd:"" help:"Say what would have been decided last week, as things stand or after a change that is not made yet."`
	Suggestions toolsSuggestionsCmd `cmd:"" help:"List the tools that people approved so often that they could be allowed."`
	Objects     toolsObjectsCmd     `cmd:"" help:"List the connected account's custom objects, or pick one, to make tools of it."`
	Rule        toolsRuleCmd        `cmd:"" help:"Conditions on top of the permissions."`
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
		// Teams and Hosts are those for whose meetings it is set apart.
		Teams map[string]policy.Permission `json:"teams,omitempty"`
		Hosts map[string]policy.Permission `json:"hosts,omitempty"`
	}
	var all []row
	for _, t := range toolsOf(p) {
		all = append(all, row{
			Tool: t.Tool.String(), Title: t.Title, Description: t.Description, Permission: p.Permissions.Decide(t.Tool),
			Teams: setApart(p.Teams, t.Tool), Hosts: setApart(p.Hosts, t.Tool),
		})
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"TOOL", "PERMISSION", "WHEN"}}
		for _, r := range all {
			rows = append(rows, []string{r.Tool, string(r.Permission), r.Description})
			for _, team := range slices.Sorted(maps.Keys(r.Teams)) {
				rows = append(rows, []string{"", string(r.Teams[team]), "in the meetings of team " + team})
			}
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

// setApart is what was said about a tool for some: teams, or hosts.
func setApart(some map[string]policy.Permissions, tool policy.Tool) map[string]policy.Permission {
	apart := map[string]policy.Permission{}
	for name, permissions := range some {
		if permission, ok := permissions[tool]; ok {
			apart[name] = permission
		}
	}
	return apart
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
	Host       string   `help:"Only in the meetings of this person, by address or ID. It can only be stricter than for all." placeholder:"PERSON" xor:"whose"`
	Team       string   `help:"Only in the meetings of this team's people. It can only be stricter than for all." xor:"whose"`
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
	if c.Team != "" {
		for _, tool := range tools {
			if err := s.SetTeamPermission(ctx, o.ID, c.Team, tool, permission, store.Operator); err != nil {
				return err
			}
		}
		return a.done(c.JSON, "%s: %s, or stricter, in the meetings of team %s", strings.Join(c.Tools, ", "), permission, c.Team)
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
	Host    string `help:"Only in the meetings of this person, by address or ID." placeholder:"PERSON" xor:"whose"`
	Team    string `help:"Only in the meetings of this team's people." xor:"whose"`
}

func (c *toolsRuleAddCmd) Run(ctx context.Context, a *app) error {
	rule := policy.Rule{Name: c.Name, When: c.When, Then: policy.Permission(c.Then), Loosens: c.Loosens, Team: c.Team}
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
			switch {
			case r.Host != "":
				host = "person " + r.Host
			case r.Team != "":
				host = "team " + r.Team
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
	Host       string            `help:"Whose meeting it is, by address or ID; it is their team's, too." placeholder:"PERSON"`
	Source     string            `help:"The platform that told of the meeting, such as zoom."`
	Confidence *float64          `help:"From 0 to 1, of who proposed it."`
	Attendee   string            `enum:"yes,no,unknown" default:"unknown" help:"Whether the record is an attendee's or their company's: yes, no or unknown."`
	Closed     string            `enum:"yes,no,unknown" default:"unknown" help:"Whether the deal's new stage is a closed one: yes, no or unknown."`
	Amount     *float64          `help:"The deal's amount in the company's currency."`
	Currency   string            `enum:"known,unknown,missing,not-judged" default:"not-judged" help:"Whether the account has the amount's currency: known, unknown, missing or not-judged."`
}

func (c *toolsExplainCmd) request(tool policy.Tool) policy.Request {
	known := map[string]*bool{"yes": new(true), "no": new(false)}
	w := &policy.Write{
		Source: c.Source, Confidence: c.Confidence, TargetOfAttendee: known[c.Attendee], ClosesDeal: known[c.Closed], Amount: c.Amount,
	}
	if c.Currency != "not-judged" {
		w.Currency = policy.Currency(c.Currency)
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
		r.Host, r.Team = host.ID.String(), host.Team
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

type toolsPreviewCmd struct {
	jsonFlag

	Days    int               `default:"7" help:"How many days back."`
	Set     map[string]string `placeholder:"TOOL=PERMISSION" help:"With another permission of a tool. Can be given several times."`
	Preset  string            `help:"With another preset: locked, shadow, recommended or hands-off."`
	Without []string          `placeholder:"NAME" help:"Without a rule."`
	Rule    string            `placeholder:"NAME" help:"With a rule more, or another one of that name; needs --when and --then."`
	When    string            `placeholder:"EXPRESSION" help:"When that rule has a say."`
	Then    string            `enum:"deny,ask,allow," default:"" help:"What it says: deny, ask, or allow with --loosens."`
	Loosens bool              `help:"That rule lets through what would be asked about."`
}

// change is the policy with what the flags say, or nil if they say nothing.
func (c *toolsPreviewCmd) change(ctx context.Context, s *store.Store, o store.Organization) (*policy.Policy, error) {
	if len(c.Set)+len(c.Without) == 0 && c.Preset == "" && c.Rule == "" {
		return nil, nil
	}
	p, err := s.Policy(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	if c.Preset != "" {
		all := policy.Presets()
		i := slices.IndexFunc(all, func(preset policy.Preset) bool { return preset.Name == c.Preset })
		if i < 0 {
			return nil, usagef("there is no preset %q", c.Preset)
		}
		if p, err = s.PolicyWithPreset(ctx, o.ID, all[i]); err != nil {
			return nil, err
		}
	}
	for name, to := range c.Set {
		info, err := findTool(name)
		if err != nil {
			return nil, err
		}
		permission, err := policy.ParsePermission(to)
		if err != nil {
			return nil, usagef("%s", err)
		}
		p = p.With(policy.Permissions{info.Tool: permission})
	}
	for _, name := range c.Without {
		p = p.Without(name)
	}
	if c.Rule != "" {
		if p, err = p.WithRule(policy.Rule{Name: c.Rule, When: c.When, Then: policy.Permission(c.Then), Loosens: c.Loosens}); err != nil {
			return nil, usagef("%s", err)
		}
	}
	return &p, nil
}

func (c *toolsPreviewCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	p, err := c.change(ctx, s, o)
	if err != nil {
		return err
	}
	test, err := s.Backtest(ctx, o.ID, time.Now().AddDate(0, 0, -c.Days), p)
	if err != nil {
		return err
	}
	return a.show(c.JSON, test, func() {
		counts := func(name string, n store.BacktestCounts) []string {
			return []string{name, strconv.Itoa(n.Deny), strconv.Itoa(n.Ask), strconv.Itoa(n.Allow), strconv.Itoa(n.Changed)}
		}
		rows := [][]string{{"TOOL", "DENY", "ASK", "ALLOW", "DECIDED OTHERWISE THEN"}}
		byName := func(a, b policy.Tool) int { return strings.Compare(a.String(), b.String()) }
		for _, tool := range slices.SortedFunc(maps.Keys(test.Tools), byName) {
			rows = append(rows, counts(tool.String(), test.Tools[tool]))
		}
		if len(rows) > 1 {
			rows = append(rows, counts("all", test.BacktestCounts))
		}
		a.table(fmt.Sprintf("Nothing was planned in the last %d days.", c.Days), rows)
		if len(test.Rules) > 0 {
			a.say("")
			rows = [][]string{{"WHERE THIS RULE HAD A SAY", "DENY", "ASK", "ALLOW", "DECIDED OTHERWISE THEN"}}
			for _, rule := range slices.Sorted(maps.Keys(test.Rules)) {
				rows = append(rows, counts(rule, test.Rules[rule]))
			}
			a.table("", rows)
		}
		if test.Cut {
			a.say("\nOnly the newest %d were judged.", test.Actions)
		}
		if test.Erased > 0 {
			a.say("\n%d could not be judged: what was said is erased.", test.Erased)
		}
	})
}

type toolsSuggestionsCmd struct {
	jsonFlag

	Dismiss string `placeholder:"TOOL" help:"Suggest this one no more."`
}

func (c *toolsSuggestionsCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	if c.Dismiss != "" {
		info, err := findTool(c.Dismiss)
		if err != nil {
			return err
		}
		err = s.DismissSuggestion(ctx, o.ID, info.Tool, store.Operator)
		if errors.Is(err, store.ErrNotFound) {
			return usagef("%s is not suggested", c.Dismiss)
		}
		if err != nil {
			return err
		}
		return a.done(c.JSON, "%s stays as it is, and is suggested no more until its permission is changed.", c.Dismiss)
	}
	all, err := s.Suggestions(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"TOOL", "APPROVED IN A ROW", "BY", "SINCE"}}
		for _, g := range all {
			people := fmt.Sprintf("%d people", g.People)
			if g.People == 1 {
				people = "1 person"
			}
			rows = append(rows, []string{g.Tool.String(), strconv.Itoa(g.Approved), people, g.Since.Format(time.DateOnly)})
		}
		a.table(fmt.Sprintf("Nothing to suggest: no tool was approved %d times in a row without an edit.", store.SuggestAfter), rows)
		if len(all) > 0 {
			a.say("\nNothing is switched by itself: `debrief tools set allow TOOL` does it.")
		}
	})
}

type toolsObjectsCmd struct {
	jsonFlag

	Object     string `arg:"" optional:"" help:"One to pick, by its full name (p4711_car) or type ID (2-1234567)."`
	Connection string `help:"The connection; without it the default, or the only one." placeholder:"NAME"`
}

// customObject is a custom object as the command shows it.
type customObject struct {
	Name   string `json:"name"`
	TypeID string `json:"type_id"`
	Label  string `json:"label"`
	// Tools are its tools' permissions; empty where it was not picked yet.
	Tools map[string]policy.Permission `json:"tools,omitempty"`
	// Missing are the scopes that HubSpot did not grant for them.
	Missing []string `json:"missing_scopes,omitempty"`
}

func (c *toolsObjectsCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tools")
	if err != nil {
		return err
	}
	connection, err := connectionFlag{Connection: c.Connection}.find(ctx, s, o)
	if err != nil {
		return err
	}
	schemas, err := schemasThrough(ctx, a.gate(s, a.connectionsService(s)), connection)
	if errors.Is(err, hubspot.ErrMissingScopes) {
		return &publicError{"HubSpot has not granted the scope to list custom objects. " + askFor(connection, []string{"crm.schemas.custom.read"}), err}
	}
	if err != nil {
		return err
	}
	if c.Object != "" {
		return c.pick(ctx, a, s, o, connection, schemas)
	}
	p, err := s.Policy(ctx, o.ID)
	if err != nil {
		return err
	}
	objects := make([]customObject, 0, len(schemas))
	for _, schema := range schemas {
		objects = append(objects, objectOf(schema, connection, p))
	}
	return a.show(c.JSON, objects, func() {
		rows := [][]string{{"OBJECT", "TYPE ID", "LABEL", "TOOLS", "MISSING SCOPES"}}
		for _, object := range objects {
			var tools []string
			for _, name := range slices.Sorted(maps.Keys(object.Tools)) {
				tools = append(tools, strings.TrimPrefix(name, object.Name+".")+" "+string(object.Tools[name]))
			}
			rows = append(rows, []string{object.Name, object.TypeID, object.Label, or(strings.Join(tools, ", "), "not picked"), or(strings.Join(object.Missing, " "), "none")})
		}
		a.table("The account has no custom objects.", rows)
		if len(objects) > 0 {
			a.say("\n`debrief tools objects NAME` makes tools of one.")
		}
	})
}

// schemasOf lists the custom objects of an organization's default or only
// connection, for the page about tools.
func schemasOf(s *store.Store, gate *crm.Gate) func(context.Context, uuid.UUID) ([]hubspot.Schema, error) {
	return func(ctx context.Context, organizationID uuid.UUID) ([]hubspot.Schema, error) {
		connection, err := connectionFlag{}.find(ctx, s, store.Organization{ID: organizationID})
		if err != nil {
			return nil, err
		}
		return schemasThrough(ctx, gate, connection)
	}
}

func schemasThrough(ctx context.Context, gate *crm.Gate, c store.Connection) ([]hubspot.Schema, error) {
	return gate.Reader(crm.Scope{OrganizationID: c.OrganizationID, ConnectionID: c.ID, Actor: store.Operator, Waited: true}).Schemas(ctx)
}

func objectOf(schema hubspot.Schema, connection store.Connection, p policy.Policy) customObject {
	object := customObject{Name: schema.FullyQualifiedName, TypeID: schema.ObjectTypeID, Label: schema.Labels.Singular}
	tools, err := policy.CustomTools(object.Name)
	if err != nil {
		return object
	}
	for _, info := range tools {
		if permission, ok := p.Permissions[info.Tool]; ok {
			if object.Tools == nil {
				object.Tools = map[string]policy.Permission{}
			}
			object.Tools[info.Tool.String()] = permission
		}
		if scope := connection.Missing(info.Tool); scope != "" && !slices.Contains(object.Missing, scope) {
			object.Missing = append(object.Missing, scope)
		}
	}
	return object
}

// pick makes read, create and update of a custom object appear among the tools,
// each denied until somebody says otherwise.
func (c *toolsObjectsCmd) pick(ctx context.Context, a *app, s *store.Store, o store.Organization, connection store.Connection, schemas []hubspot.Schema) error {
	i := slices.IndexFunc(schemas, func(schema hubspot.Schema) bool {
		return schema.FullyQualifiedName == c.Object || schema.ObjectTypeID == c.Object || schema.Name == c.Object
	})
	if i < 0 {
		return usagef("the account has no custom object %q: `debrief tools objects` lists them", c.Object)
	}
	tools, err := policy.CustomTools(schemas[i].FullyQualifiedName)
	if err != nil {
		return usagef("%s", err)
	}
	p, err := s.Policy(ctx, o.ID)
	if err != nil {
		return err
	}
	picked := policy.Permissions{}
	var names []string
	for _, info := range tools {
		picked[info.Tool] = p.Permissions.Decide(info.Tool)
		names = append(names, info.Tool.String())
	}
	if err := s.ApplyPreset(ctx, o.ID, picked, store.Operator); err != nil {
		return err
	}
	if p, err = s.Policy(ctx, o.ID); err != nil {
		return err
	}
	object := objectOf(schemas[i], connection, p)
	return a.show(c.JSON, object, func() {
		for _, info := range tools {
			a.say("%s: %s", info.Tool, p.Permissions[info.Tool])
		}
		a.say("\n`debrief tools set ask %s` lets Debrief use them after asking.", strings.Join(names, " "))
		if len(object.Missing) > 0 {
			a.say("\n%s", askFor(connection, object.Missing))
		}
	})
}

// askFor says how to have a connection's missing scopes granted.
func askFor(connection store.Connection, scopes []string) string {
	return fmt.Sprintf("Connection %s lacks %s: `debrief connections login %s --scopes %s` makes a link to consent again.",
		connection.Name, strings.Join(scopes, " and "), connection.Name, strings.Join(scopes, ","))
}
