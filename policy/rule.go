package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// Rule is a condition on top of the permissions: where its expression is true of
// a write, it has a say.
type Rule struct {
	// Name is unique in an organization, at most 80 characters.
	Name string `json:"name"`
	// When is an expression of the Common Expression Language (cel.dev) over
	// [Variables] that is true or false; at most 2,000 characters.
	When string `json:"when"`
	// Then is what it says.
	Then Permission `json:"then"`
	// Loosens: it allows what else would be asked about. Only then may Then be
	// allow. What is denied stays denied.
	Loosens bool `json:"loosens,omitempty"`
	// Host is the ID of the person whose meetings it is about, Team the team whose;
	// empty for all. Such a rule can't loosen.
	Host string `json:"host,omitempty"`
	Team string `json:"team,omitempty"`
}

const (
	longestName       = 80
	longestExpression = 2_000
	deepestExpression = 50
	// mostWork bounds what evaluating an expression may cost, in CEL's units: a
	// comparison is one, looking through a text of ten characters is one. The
	// longest property of HubSpot's has 65,536 characters.
	mostWork = 20_000

	amountVariable = "amount_in_company_currency"
)

// Variable is something that rules can be about.
type Variable struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description"`

	cel *cel.Type
	// always: it is known of reads, too. each: every property has its own.
	always, each bool
}

// Variables are what rules can be about, in the order in which people should
// read them. One that is not known of a write makes a rule ask that needs it.
func Variables() []Variable {
	return []Variable{
		{"object", "text", `the object type, such as "deal"`, cel.StringType, true, false},
		{"operation", "text", `"read", "create", "update" or "archive"`, cel.StringType, true, false},
		{"property", "text", `the property by its internal name, such as "amount"; a rule is tried for each`, cel.StringType, false, true},
		{"old", "any", "what the record has: text or a number, an amount in the company's currency; \"\" if it is empty", cel.DynType, false, true},
		{"new", "any", "what would be written: text or a number, an amount in the company's currency", cel.DynType, false, true},
		{"changed", "list", "the names of all properties that would be written", cel.ListType(cel.StringType), false, false},
		{"fills", "yes or no", "the record is there, and the property is empty", cel.BoolType, false, true},
		{"replaces", "yes or no", "the record is there, and the property has another value, or may have one", cel.BoolType, false, true},
		{"owner_change", "yes or no", "a record that is there gets another owner", cel.BoolType, false, false},
		{"closes_deal", "yes or no", "a deal gets a closed stage", cel.BoolType, false, false},
		{"target_of_attendee", "yes or no", "the record belongs to an attendee or their company", cel.BoolType, false, false},
		{"source", "text", `the platform that told of the meeting, such as "zoom"`, cel.StringType, false, false},
		{"confidence", "number", "from 0 to 1, of who proposed it", cel.DoubleType, false, false},
		{amountVariable, "number", "the deal's amount; a rule with it is about amount and currency alone", cel.DoubleType, false, true},
	}
}

// Condition is a rule that was compiled.
type Condition struct {
	Rule

	program cel.Program
	// uses are the variables that the expression names.
	uses map[string]bool
	// broken is why there is no program.
	broken error
}

// RuleError says what is wrong with a rule, and where.
type RuleError struct {
	Rule string
	// Line and Column begin with 1; zero where it is not about a place in the
	// expression.
	Line, Column int
	Problem      string
	// Suggestion is what to write instead; may be empty.
	Suggestion string
}

// Error says it in one sentence.
func (e *RuleError) Error() string {
	s := fmt.Sprintf("the rule %q can't be used", e.Rule)
	if e.Line > 0 {
		s += fmt.Sprintf(": line %d, column %d", e.Line, e.Column)
	}
	s += ": " + e.Problem
	if e.Suggestion != "" {
		s += "; " + e.Suggestion
	}
	return s
}

// environment knows the variables. It is made once, since that takes a
// millisecond, and never changes.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true), cel.ParserExpressionSizeLimit(longestExpression), cel.ParserRecursionLimit(deepestExpression),
	}
	for _, v := range Variables() {
		options = append(options, cel.Variable(v.Name, v.cel))
	}
	return cel.NewEnv(options...)
})

// Compile checks a rule. It fails with a [*RuleError].
func Compile(r Rule) (Condition, error) {
	fail := func(problem, suggestion string) (Condition, error) {
		return Condition{}, &RuleError{Rule: r.Name, Problem: problem, Suggestion: suggestion}
	}
	switch {
	case strings.TrimSpace(r.Name) == "" || utf8.RuneCountInString(r.Name) > longestName || strings.ContainsFunc(r.Name, unicode.IsControl):
		return fail(fmt.Sprintf("its name is empty, longer than %d characters or has line breaks", longestName), "")
	case len(r.When) > longestExpression:
		return fail(fmt.Sprintf("its expression is longer than %d characters", longestExpression), "make several rules of it")
	case r.Then != Deny && r.Then != Ask && r.Then != Allow:
		return fail(fmt.Sprintf("%q is not a permission", r.Then), "it is deny, ask or allow")
	case r.Then == Allow && !r.Loosens:
		return fail("it allows, which makes nothing stricter", "say that it loosens if it should let through what else would be asked about")
	case r.Loosens && r.Then != Allow:
		return fail("it loosens, and doesn't allow", "a rule that loosens allows")
	case r.Loosens && (r.Host != "" || r.Team != ""):
		return fail("it loosens for one host or team, and the strictest wins", "loosen for all, and make a stricter rule for the others")
	}
	return compile(r)
}

// Conditions compiles stored rules. One that can't be compiled any more is no
// reason to forget it: it asks about every write.
func Conditions(rules []Rule) []Condition {
	all := make([]Condition, 0, len(rules))
	for _, r := range rules {
		c, err := Compile(r)
		if err != nil {
			c = Condition{Rule: r, broken: err}
		}
		all = append(all, c)
	}
	return all
}

// Compiler compiles rules as [Conditions] does, and keeps what it made: compiling
// takes longer than evaluating. The zero value is ready for use, by many at once.
type Compiler struct {
	mu       sync.Mutex
	compiled map[Rule]Condition
}

// mostCompiled bounds what a [Compiler] keeps. It forgets everything when it is
// full, which costs little and keeps it trivial.
const mostCompiled = 10_000

// Conditions compiles stored rules, see [Conditions].
func (c *Compiler) Conditions(rules []Rule) []Condition {
	all := make([]Condition, 0, len(rules))
	for _, r := range rules {
		all = append(all, c.condition(r))
	}
	return all
}

func (c *Compiler) condition(r Rule) Condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	condition, known := c.compiled[r]
	if !known {
		condition = Conditions([]Rule{r})[0]
		if c.compiled == nil || len(c.compiled) >= mostCompiled {
			c.compiled = map[Rule]Condition{}
		}
		c.compiled[r] = condition
	}
	return condition
}

func compile(r Rule) (Condition, error) {
	env, err := environment()
	if err != nil {
		return Condition{}, fmt.Errorf("preparing the rule language: %w", err)
	}
	parsed, issues := env.Parse(r.When)
	if err := firstIssue(r, issues); err != nil {
		return Condition{}, err
	}
	uses, err := variablesOf(r, parsed.NativeRep())
	if err != nil {
		return Condition{}, err
	}
	checked, issues := env.Check(parsed)
	if err := firstIssue(r, issues); err != nil {
		return Condition{}, err
	}
	if t := checked.OutputType(); !t.IsExactType(types.BoolType) {
		return Condition{}, &RuleError{
			Rule: r.Name, Line: 1, Column: 1, Problem: fmt.Sprintf("the expression is %s, not true or false", article(t.String())),
			Suggestion: "compare it with something, such as " + r.When + ` == "…"`,
		}
	}
	program, err := env.Program(checked, cel.CostLimit(mostWork), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return Condition{}, &RuleError{Rule: r.Name, Line: 1, Column: 1, Problem: err.Error()}
	}
	return Condition{Rule: r, program: program, uses: uses}, nil
}

func article(typeName string) string {
	if typeName == "dyn" {
		return "a value of any type"
	}
	return "a " + typeName
}

// firstIssue is the first thing that the parser or the checker complains about.
func firstIssue(r Rule, issues *cel.Issues) error {
	if issues == nil || issues.Err() == nil {
		return nil
	}
	e := &RuleError{Rule: r.Name, Line: 1, Column: 1, Problem: issues.Err().Error()}
	if all := issues.Errors(); len(all) > 0 {
		e.Line, e.Column, e.Problem = all[0].Location.Line(), all[0].Location.Column()+1, all[0].Message
	}
	switch at := singleEquals(r.When); {
	case strings.TrimSpace(r.When) == "":
		e.Problem, e.Suggestion = "the expression is empty", `write "true" if it should hold always`
	case at >= 0:
		e.Suggestion = "write == to compare"
	case strings.Contains(r.When, " and ") || strings.Contains(r.When, " or "):
		e.Suggestion = "write && for and, || for or"
	}
	return e
}

// singleEquals finds an = that should be ==; -1 if there is none.
func singleEquals(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '=' {
			i++
			continue
		}
		if i == 0 || !strings.ContainsRune("<>!", rune(s[i-1])) {
			return i
		}
	}
	return -1
}

// variablesOf lists the variables of an expression, and refuses what is none.
func variablesOf(r Rule, parsed *ast.AST) (map[string]bool, error) {
	known := map[string]bool{}
	for _, v := range Variables() {
		known[v.Name] = true
	}
	uses, local := map[string]bool{}, map[string]bool{}
	var unknown *RuleError
	// Comprehensions (exists, all, …) bring variables of their own.
	ast.PreOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind {
			c := e.AsComprehension()
			local[c.IterVar()], local[c.IterVar2()], local[c.AccuVar()] = true, true, true
		}
	}))
	ast.PreOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.IdentKind {
			return
		}
		name := e.AsIdent()
		switch {
		case known[name]:
			uses[name] = true
		case local[name] || slices.Contains([]string{"bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint", "google"}, name):
		case unknown == nil:
			at := parsed.SourceInfo().GetStartLocation(e.ID())
			unknown = &RuleError{
				Rule: r.Name, Line: at.Line(), Column: at.Column() + 1, Problem: fmt.Sprintf("there is no %q", name), Suggestion: instead(name),
			}
		}
	}))
	if unknown != nil {
		return nil, unknown
	}
	return uses, nil
}

// instead suggests what was meant by a name that is none.
func instead(name string) string {
	best, distance := "", 3
	for _, v := range Variables() {
		if d := editDistance(strings.ToLower(name), v.Name); d < distance {
			best, distance = v.Name, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return fmt.Sprintf("if it is a property, write property == %q && new …; text stands in quotes", name)
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// aboutWrites says whether a rule is about what would be written: it then says
// nothing about reads.
func (c Condition) aboutWrites() bool {
	if c.broken != nil {
		return true
	}
	return slices.ContainsFunc(Variables(), func(v Variable) bool { return !v.always && c.uses[v.Name] })
}

// aboutProperties says whether a rule can be true of one property and false of
// another.
func (c Condition) aboutProperties() bool {
	return slices.ContainsFunc(Variables(), func(v Variable) bool { return v.each && c.uses[v.Name] })
}

var errNotTrueOrFalse = errors.New("it is neither true nor false")

// matches evaluates the rule for one property of a request.
// It fails where the expression does: what it needs is not known, or is of another
// type than what it is compared with.
func (c Condition) matches(r Request, part Change) (bool, error) {
	if c.broken != nil {
		return false, c.broken
	}
	known := values(r, part)
	value, _, err := c.program.Eval(known)
	if err != nil {
		for _, v := range Variables() {
			if _, ok := known[v.Name]; c.uses[v.Name] && !ok {
				return false, fmt.Errorf("%s is not known of this", v.Name)
			}
		}
		return false, err //nolint:wrapcheck // it says what went wrong in the expression
	}
	matched, ok := value.Value().(bool)
	if !ok {
		return false, errNotTrueOrFalse
	}
	return matched, nil
}

// values are the variables as far as they are known.
func values(r Request, part Change) map[string]any {
	v := map[string]any{"object": r.Tool.Object, "operation": string(r.Tool.Operation)}
	w := r.Write
	if w == nil {
		return v
	}
	changed := make([]string, 0, len(w.Changes))
	for _, c := range w.Changes {
		changed = append(changed, c.Property)
	}
	slices.Sort(changed)
	update := r.Tool.Operation == Update
	empty := part.Old != nil && strings.TrimSpace(*part.Old) == ""
	v["property"], v["changed"] = part.Property, changed
	v["fills"] = update && part.Property != "" && empty
	v["replaces"] = update && part.Property != "" && !empty && !part.same()
	v["owner_change"] = r.ownerChange()
	if closes, known := r.closesDeal(); known {
		v["closes_deal"] = closes
	}
	switch {
	case part.Property == "":
	case r.Tool.Operation == Create:
		v["old"], v["new"] = "", part.value(part.New)
	default:
		v["new"] = part.value(part.New)
		if part.Old != nil {
			v["old"] = part.value(*part.Old)
		}
	}
	if part.Property == "amount" && w.Currency != "" {
		inCompanyCurrency(v, w)
	}
	if w.Source != "" {
		v["source"] = w.Source
	}
	if w.Confidence != nil {
		v["confidence"] = *w.Confidence
	}
	if w.TargetOfAttendee != nil {
		v["target_of_attendee"] = *w.TargetOfAttendee
	}
	if w.Amount != nil {
		v[amountVariable] = *w.Amount
	}
	return v
}

// inCompanyCurrency puts what can be compared in the place of an amount's numbers.
// What can't be told is not known, and a rule that needs it asks.
func inCompanyCurrency(v map[string]any, w *Write) {
	for name, amount := range map[string]*float64{"new": w.Amount, "old": w.AmountBefore} {
		raw, known := v[name]
		switch {
		case !known || raw == "":
		case amount != nil:
			v[name] = *amount
		default:
			delete(v, name)
		}
	}
}
