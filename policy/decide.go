package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Permissions are an organization's: what is not in them is denied.
type Permissions map[Tool]Permission

// Decide returns the permission of a tool whatever it is used for. Where there
// is more to know about the call, ask [Policy.Decide].
func (p Permissions) Decide(tool Tool) Permission { return Decide(p, Request{Tool: tool}).Permission }

// Policy is all that an organization has said about its tools. The zero value
// denies everything.
type Policy struct {
	// Permissions are the organization's own.
	Permissions Permissions
	// Teams are those of the meetings that a team's people host, by the team's name,
	// and Hosts those of single hosts, by the host's ID. They only make stricter;
	// what is not in them is as the organization says.
	Teams map[string]Permissions
	Hosts map[string]Permissions
	// Conditions in any order: the order decides nothing.
	Conditions []Condition
}

// Request is what somebody wants to do.
type Request struct {
	Tool Tool
	// Host is the ID of the person for whom it is done, Team that person's team;
	// empty if not known, or if there is none.
	Host string
	Team string
	// Write is what would be written. Nil of a read, and where only the tool is
	// asked about: rules about what is written say nothing then.
	Write *Write
}

// Decision is what may become of a request, and why.
type Decision struct {
	Permission Permission `json:"permission"`
	// Reason says what decided, as a sentence without a full stop. It holds names
	// of tools, rules and properties, and no values.
	Reason string `json:"reason"`
	// Rule is the name of the rule that decided; empty if none did.
	Rule string `json:"rule,omitempty"`
	// Matched are the names of the rules that had a say, in alphabetical order.
	Matched []string `json:"matched,omitempty"`
}

// Step is one voice in a decision.
type Step struct {
	// By is "organization", "team", "host", "currency", or the rule's name.
	By     string `json:"by"`
	IsRule bool   `json:"is_rule,omitempty"`
	// Says is what it says where it has a say.
	Says Permission `json:"says"`
	// Loosens: it says so to let through what else would be asked about.
	Loosens bool `json:"loosens,omitempty"`
	// Matched: it had a say in this request.
	Matched bool `json:"matched"`
	// Properties for which it had, if not for all.
	Properties []string `json:"properties,omitempty"`
	// Decided: the decision is what it says.
	Decided bool `json:"decided,omitempty"`
	// Why is the rule's expression, or a sentence.
	Why string `json:"why"`
	// Problem is why it could not be evaluated: it asks, then. It may quote values:
	// for whoever may see the request, and not for logs.
	Problem string `json:"problem,omitempty"`
}

// Decide says what may become of a request by permissions alone. Nothing
// configured denies, and so does a permission that it doesn't know.
func Decide(p Permissions, r Request) Decision { return Policy{Permissions: p}.Decide(r) }

// Decide says what may become of a request: the strictest of the organization's
// permission, the team's, the host's, and every rule that matches. A denied tool stays denied
// whatever rules say. Each property that would be written is judged by itself,
// and the strictest of them is the answer: a rule that loosens has to match all.
func (p Policy) Decide(r Request) Decision {
	d, _ := p.Explain(r)
	return d
}

// Explain is [Policy.Decide] with every voice that could have had a say: the
// organization's first, then the team's, the host's, then the rules by name.
func (p Policy) Explain(r Request) (Decision, []Step) {
	r.Tool = r.Tool.Canonical()
	permission, configured := p.Permissions[r.Tool]
	base := normal(permission)
	e := explanation{request: r, parts: r.parts()}
	e.steps = []Step{{By: "organization", Says: base, Matched: true, Why: baseReason(r.Tool, permission, configured)}}
	e.levels = slices.Repeat([]level{{base, 0}}, len(e.parts))
	e.narrower("team", p.Teams[r.Team])
	e.narrower("host", p.Hosts[r.Host])
	e.currency()
	conditions := slices.Clone(p.Conditions)
	slices.SortStableFunc(conditions, func(a, b Condition) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range conditions {
		if (c.Host == "" || c.Host == r.Host) && (c.Team == "" || c.Team == r.Team) {
			e.condition(c)
		}
	}
	return e.decision()
}

func baseReason(tool Tool, permission Permission, configured bool) string {
	switch {
	case !configured:
		return fmt.Sprintf("%s has no permission, which denies it", tool.Title())
	case permission == Ask:
		return fmt.Sprintf("%s is set to ask", tool.Title())
	case permission == Allow:
		return fmt.Sprintf("%s is allowed", tool.Title())
	case permission == Deny:
		return fmt.Sprintf("%s is denied", tool.Title())
	default:
		return fmt.Sprintf("%s has an unknown permission, which denies it", tool.Title())
	}
}

// explanation is a decision in the making.
type explanation struct {
	request Request
	parts   []Change
	steps   []Step
	says    []say
	// levels are how each part stands, and the step that brought it there.
	levels []level
}

// say is what a step says about a part.
type say struct {
	part, step int
	permission Permission
	loosens    bool
}

type level struct {
	permission Permission
	step       int
}

// narrower lets the permissions have their say that were set for a team or a host.
func (e *explanation) narrower(whose string, permissions Permissions) {
	permission, configured := permissions[e.request.Tool]
	if !configured {
		return
	}
	permission = normal(permission)
	e.steps = append(e.steps, Step{
		By: whose, Says: permission, Matched: true, Why: fmt.Sprintf("%s is set to %s for this %s", e.request.Tool.Title(), permission, whose),
	})
	for part := range e.parts {
		e.says = append(e.says, say{part, len(e.steps) - 1, permission, false})
	}
}

// currency asks about an amount without a currency, or in one that the account
// doesn't have.
func (e *explanation) currency() {
	if e.request.Write == nil {
		return
	}
	why := map[Currency]string{
		CurrencyUnknown: "the amount's currency is none of the account's", CurrencyMissing: "the amount has no currency",
	}[e.request.Write.Currency]
	if why == "" {
		return
	}
	e.steps = append(e.steps, Step{By: "currency", Says: Ask, Why: why})
	for i, part := range e.parts {
		if isMoney(part.Property) {
			e.matched(i, Ask, false)
		}
	}
}

// condition evaluates a rule for each part.
func (e *explanation) condition(c Condition) {
	e.steps = append(e.steps, Step{By: c.Name, IsRule: true, Says: normal(c.Then), Loosens: c.Loosens, Why: c.When})
	if e.request.Write == nil && c.aboutWrites() {
		return
	}
	var matched bool
	var err error
	for i, part := range e.parts {
		if c.uses[amountVariable] && !isMoney(part.Property) {
			continue
		}
		if i == 0 || c.aboutProperties() {
			matched, err = c.matches(e.request, part)
		}
		switch {
		case err != nil:
			e.steps[len(e.steps)-1].Problem = err.Error()
			e.matched(i, Ask, false)
		case matched:
			e.matched(i, normal(c.Then), c.Loosens)
		}
	}
}

// matched notes that the last step has a say about a part.
func (e *explanation) matched(part int, permission Permission, loosens bool) {
	step := len(e.steps) - 1
	e.says = append(e.says, say{part, step, permission, loosens})
	e.steps[step].Matched = true
	if property := e.parts[part].Property; property != "" {
		e.steps[step].Properties = append(e.steps[step].Properties, property)
	}
}

// weigh lets all have their say: first what loosens, then what makes stricter,
// which so has the last word. What the organization denies stays denied.
func (e *explanation) weigh() {
	for _, loosening := range []bool{true, false} {
		for _, s := range e.says {
			now := &e.levels[s.part]
			opens := s.loosens && now.permission == Ask && s.permission == Allow
			closes := !s.loosens && rank(s.permission) < rank(now.permission)
			if s.loosens == loosening && (opens || closes) {
				*now = level{s.permission, s.step}
			}
		}
	}
}

func (e *explanation) decision() (Decision, []Step) {
	e.weigh()
	decided := e.levels[0]
	for _, l := range e.levels {
		if rank(l.permission) < rank(decided.permission) {
			decided = l
		}
	}
	e.steps[decided.step].Decided = true
	step := e.steps[decided.step]
	d := Decision{Permission: decided.permission, Reason: step.Why}
	if step.IsRule {
		d.Rule, d.Reason = step.By, step.sentence(decided.permission)
	}
	names := map[string]bool{}
	for _, s := range e.steps {
		if s.IsRule && s.Matched {
			names[s.By] = true
		}
	}
	d.Matched = slices.Sorted(maps.Keys(names))
	return d, e.steps
}

// sentence says what a rule did, without values.
func (s Step) sentence(p Permission) string {
	about := ""
	if len(s.Properties) > 0 {
		about = " (" + strings.Join(s.Properties, ", ") + ")"
	}
	switch {
	case s.Problem != "" && p == Ask:
		return fmt.Sprintf("the rule %q can't be evaluated, so it asks%s", s.By, about)
	case p == Ask:
		return fmt.Sprintf("the rule %q asks%s", s.By, about)
	case p == Allow:
		return fmt.Sprintf("the rule %q allows it%s", s.By, about)
	default:
		return fmt.Sprintf("the rule %q denies it%s", s.By, about)
	}
}

// With is the policy with other permissions of the organization's for those tools.
func (p Policy) With(permissions Permissions) Policy {
	all := maps.Clone(p.Permissions)
	if all == nil {
		all = Permissions{}
	}
	for tool, permission := range permissions {
		all[tool.Canonical()] = permission
	}
	p.Permissions = all
	return p
}

// WithRule is the policy with a rule more, or in the place of the one of its name.
// It fails with a [*RuleError].
func (p Policy) WithRule(r Rule) (Policy, error) {
	c, err := Compile(r)
	if err != nil {
		return Policy{}, err
	}
	p = p.Without(r.Name)
	p.Conditions = append(p.Conditions, c)
	return p, nil
}

// Without is the policy without the rule of that name.
func (p Policy) Without(rule string) Policy {
	p.Conditions = slices.DeleteFunc(slices.Clone(p.Conditions), func(c Condition) bool { return c.Name == rule })
	return p
}

// ErrDenied is what errors.Is finds in every [*DeniedError].
var ErrDenied = errors.New("denied")

// DeniedError says that a tool was not used because its permission forbids it.
type DeniedError struct {
	Tool Tool
	// Reason is the [Decision]'s.
	Reason string
}

// Error returns the reason, or names the tool if there is none.
func (e *DeniedError) Error() string {
	if e.Reason != "" {
		return e.Reason
	}
	return e.Tool.Title() + " is denied"
}

// Is makes errors.Is(err, ErrDenied) true.
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }
