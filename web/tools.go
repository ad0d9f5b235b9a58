package web

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// backtested is how far back the pages say what would have been decided.
const backtested = 7 * 24 * time.Hour

// schemasWithin bounds how long a page waits for HubSpot's list of custom objects.
const schemasWithin = 10 * time.Second

// Permitting is what the pages about tools need of the store.
type Permitting interface {
	Policy(ctx context.Context, organizationID uuid.UUID) (policy.Policy, error)
	ApplyPreset(ctx context.Context, organizationID uuid.UUID, preset policy.Permissions, actor store.Actor) error
	UsePreset(ctx context.Context, organizationID uuid.UUID, preset policy.Preset, actor store.Actor) error
	SetHostPermission(ctx context.Context, organizationID, host uuid.UUID, tool policy.Tool, to policy.Permission, actor store.Actor) error
	SetTeamPermission(ctx context.Context, organizationID uuid.UUID, team string, tool policy.Tool, to policy.Permission, actor store.Actor) error
	Teams(ctx context.Context, organizationID uuid.UUID) (map[string][]uuid.UUID, error)
	SetRule(ctx context.Context, organizationID uuid.UUID, rule policy.Rule, actor store.Actor) error
	RemoveRule(ctx context.Context, organizationID uuid.UUID, name string, actor store.Actor) error
	PolicyWithPreset(ctx context.Context, organizationID uuid.UUID, preset policy.Preset) (policy.Policy, error)
	Backtest(ctx context.Context, organizationID uuid.UUID, since time.Time, p *policy.Policy) (store.Backtest, error)
	Suggestions(ctx context.Context, organizationID uuid.UUID) ([]store.Suggestion, error)
	DismissSuggestion(ctx context.Context, organizationID uuid.UUID, tool policy.Tool, actor store.Actor) error
}

// Schemas lists the custom object types of an organization's HubSpot accounts.
type Schemas func(ctx context.Context, organizationID uuid.UUID) ([]hubspot.Schema, error)

// registerTools adds the permission matrix. Only admins change it.
func (w *Web) registerTools(inside *gin.RouterGroup) {
	inside.GET("/tools", w.showTools)
	admin := inside.Group("/tools", w.requireRole(store.RoleAdmin))
	admin.POST("", w.changeTools)
	admin.POST("/preset", w.usePreset)
	admin.POST("/narrower", w.changeNarrower)
	admin.POST("/dismiss", w.dismissSuggestion)
	admin.POST("/rules", w.setPermissionRule)
	admin.POST("/rules/remove", w.removePermissionRule)
}

// permissions in the order of the matrix's columns.
var permissions = []policy.Permission{policy.Deny, policy.Ask, policy.Allow}

type toolsPage struct {
	Counts          []permissionCount
	MaySee, IsAdmin bool
	// InShadow: nothing is written, whatever the matrix says.
	InShadow    bool
	Columns     []policy.Permission
	Objects     []objectView
	Presets     []policy.Preset
	Suggestions []suggestionView
	Rules       []policyRuleView
	Narrower    []narrowerView
	// Week is what was and would have been decided of late.
	Week weekView
	// Tools, Teams and People are what the forms offer.
	Tools  []policy.ToolInfo
	Teams  []string
	People []store.Person
	// Stricter are the permissions that a team or a host can be given.
	Stricter []policy.Permission
	// Schemas are the custom objects that are not in the matrix yet.
	Schemas        []hubspot.Schema
	CanPick        bool
	SchemasProblem bool
	Variables      []policy.Variable
	Preview        *previewView
	Rule           ruleForm
	Narrow         narrowForm
	Object         string
	ObjectProblem  string
	// Problem stands on top, where no field is to blame.
	Problem, Done string

	// wanted are the permissions that the matrix was sent with.
	wanted   policy.Permissions
	problems map[policy.Tool]string
}

type permissionCount struct {
	Permission policy.Permission
	Count      int
}

// objectView is the tools of one object.
type objectView struct {
	Object string
	// Name is what people call it.
	Name  string
	Tools []toolView
}

type toolView struct {
	policy.ToolInfo
	// Permission is what is chosen, Was what is stored.
	Permission, Was policy.Permission
	Blocked         []blockedView
	Problem         string
	Week            weekView
}

// weekView counts what would have been decided.
type weekView struct{ store.BacktestCounts }

// Any says whether there was anything to decide.
func (w weekView) Any() bool { return w.Allow+w.Ask+w.Deny > 0 }

type suggestionView struct {
	store.Suggestion
	Title string
	Was   policy.Permission
}

// Is says whether that permission is chosen, for the form.
func (t toolView) Is(p policy.Permission) bool { return t.Permission == p }

// blockedView is a connection that was not granted what a tool needs.
type blockedView struct {
	Connection string
	ID         uuid.UUID
	Scopes     []string
}

type policyRuleView struct {
	policy.Rule
	// Whose meetings it is about; empty for all.
	Whose string
	Week  weekView
}

// Edit is the address of the page with the rule in its form.
func (r policyRuleView) Edit() string {
	return "/tools?" + url.Values{"rule": {r.Name}}.Encode() + "#rule-form"
}

// narrowerView is a permission for the meetings of one team or one host.
type narrowerView struct {
	// Whose is as the form has it, Name as people call it.
	Whose, Name string
	Tool        policy.ToolInfo
	Permission  policy.Permission
}

// narrowForm is what the form for such a permission was sent with, and the field
// to blame: "whose", "tool" or "permission".
type narrowForm struct {
	Whose, Tool, Permission string
	Field, Problem          string
}

// teamPrefix stands before a team's name where a form says whose meetings are
// meant; a person is meant by their ID.
const teamPrefix = "team:"

// ruleForm is what the form for a rule was sent with.
type ruleForm struct {
	policy.Rule
	// Field is the one to blame: "name", "when", "then" or "whose"; empty for none.
	Field   string
	Problem *policy.RuleError
	// Refused is a sentence of the store's, where the rule itself is fine.
	Refused string
}

// Whose is whose meetings are meant, as the form has it.
func (f ruleForm) Whose() string {
	if f.Team != "" {
		return teamPrefix + f.Team
	}
	return f.Host
}

// Place is the line that can't be read, with a mark under the place.
func (f ruleForm) Place() string {
	lines := strings.Split(f.When, "\n")
	if f.Problem == nil || f.Problem.Line < 1 || f.Problem.Line > len(lines) {
		return ""
	}
	line := strings.TrimRight(lines[f.Problem.Line-1], "\r")
	return line + "\n" + strings.Repeat(" ", max(0, f.Problem.Column-1)) + "^"
}

// newRule is what the form for a rule begins with.
var newRule = ruleForm{Rule: policy.Rule{Then: policy.Ask}}

// previewView is what a change would change.
type previewView struct {
	Tools []toolChange
	Rules []ruleChange
	// Preset is the one that is looked at; Form is the form that saves anything
	// else.
	Preset, Form string
	// Week is what would have been decided, and of which tools otherwise than now.
	Week    weekView
	Changes []weekChange

	after policy.Policy
}

// weekChange is a tool about whose actions something else would have been decided.
type weekChange struct {
	Title    string
	Now, New weekView
}

type toolChange struct {
	policy.ToolInfo
	From, To policy.Permission
}

type ruleChange struct {
	policy.Rule
	Gone bool
}

// toolDones are what the page may say after a change, by the word in its address.
var toolDones = map[string]string{
	"saved":     "The permissions are saved.",
	"same":      "Nothing was changed: everything is as it was.",
	"preset":    "The preset is applied.",
	"rule":      "The rule holds from now on.",
	"removed":   "The rule is gone.",
	"dismissed": "It stays as it is, and is not suggested again.",
	"narrower":  "The permission for these meetings is saved.",
}

func (w *Web) showTools(c *gin.Context) {
	data := toolsPage{Object: strings.TrimSpace(c.Query("object")), Done: toolDones[c.Query("done")], Rule: newRule}
	before, ok := w.policy(c)
	if !ok {
		return
	}
	if preset, ok := findPreset(c.Query("preset")); ok && sessionOf(c).Role == store.RoleAdmin {
		after, err := w.store.PolicyWithPreset(c.Request.Context(), organization(c), preset)
		if err != nil {
			w.broken(c, "previewing a preset", err)
			return
		}
		data.Preview = &previewView{Preset: preset.Name, after: after}
	}
	if r, ok := findRule(before, c.Query("rule")); ok {
		data.Rule.Rule = r
	}
	w.renderTools(c, http.StatusOK, before, data)
}

func (w *Web) policy(c *gin.Context) (policy.Policy, bool) {
	p, err := w.store.Policy(c.Request.Context(), organization(c))
	if err != nil {
		w.broken(c, "reading permissions", err)
	}
	return p, err == nil
}

func (w *Web) renderTools(c *gin.Context, status int, p policy.Policy, data toolsPage) {
	if err := w.readTools(c, p, &data); err != nil {
		w.broken(c, "reading permissions", err)
		return
	}
	w.render(c, status, "tools.html", w.printer(c).T("Tools and permissions"), data)
}

func (w *Web) readTools(c *gin.Context, p policy.Policy, data *toolsPage) error {
	ctx, organizationID, role := c.Request.Context(), organization(c), sessionOf(c).Role
	data.MaySee, data.IsAdmin = role != store.RoleViewer, role == store.RoleAdmin
	all := toolsOf(p)
	data.Counts = countPermissions(p, all)
	_, data.InShadow = findRule(p, policy.ShadowRule)
	if !data.MaySee {
		return nil
	}
	if data.Object != "" {
		all = data.withObject(all)
	}
	data.Columns, data.Stricter = permissions, permissions[:2]
	data.Presets, data.Variables, data.Tools = policy.Presets(), policy.Variables(), all
	names, err := w.store.PeopleNames(ctx, organizationID)
	if err != nil {
		return err
	}
	grants, err := w.store.Connections(ctx, organizationID)
	if err != nil {
		return err
	}
	week, err := w.store.Backtest(ctx, organizationID, time.Now().Add(-backtested), &p)
	if err != nil {
		return err
	}
	data.Week = weekView{week.BacktestCounts}
	for _, info := range all {
		v := toolView{
			ToolInfo: info, Was: p.Permissions.Decide(info.Tool), Blocked: blocked(info, grants), Problem: data.problems[info.Tool],
			Week: weekView{week.Tools[info.Tool]},
		}
		v.Permission = v.Was
		if wanted, ok := data.wanted[info.Tool]; ok {
			v.Permission = wanted
		}
		data.add(v)
	}
	for _, condition := range p.Conditions {
		whose := condition.Team
		if condition.Host != "" {
			whose = nameOr(names, condition.Host)
		}
		data.Rules = append(data.Rules, policyRuleView{condition.Rule, whose, weekView{week.Rules[condition.Name]}})
	}
	slices.SortFunc(data.Rules, func(a, b policyRuleView) int { return strings.Compare(a.Name, b.Name) })
	data.Narrower = narrower(p, names)
	if !data.IsAdmin {
		return nil
	}
	if data.Preview != nil {
		if err := w.compare(ctx, organizationID, p, week, data.Preview); err != nil {
			return err
		}
	}
	suggested, err := w.store.Suggestions(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, s := range suggested {
		data.Suggestions = append(data.Suggestions, suggestionView{s, s.Tool.Title(), p.Permissions.Decide(s.Tool)})
	}
	if data.People, err = w.store.People(ctx, organizationID); err != nil {
		return err
	}
	data.People = slices.DeleteFunc(data.People, func(p store.Person) bool { return !p.Active() })
	teams, err := w.store.Teams(ctx, organizationID)
	if err != nil {
		return err
	}
	data.Teams = slices.Sorted(maps.Keys(teams))
	// HubSpot is asked on request alone: everything else here is ours and quick.
	if data.CanPick = w.options.Schemas != nil; data.CanPick && c.Query("pick") != "" {
		w.readSchemas(ctx, organizationID, data)
	}
	return nil
}

// add puts a tool among those of its object.
func (p *toolsPage) add(v toolView) {
	at := slices.IndexFunc(p.Objects, func(o objectView) bool { return o.Object == v.Tool.Object })
	if at < 0 {
		at, p.Objects = len(p.Objects), append(p.Objects, objectView{Object: v.Tool.Object, Name: objectName(v.Tool.Object)})
	}
	p.Objects[at].Tools = append(p.Objects[at].Tools, v)
}

// objectName is an object as people call it; a custom one as it is called.
func objectName(object string) string {
	switch object {
	case "contact":
		return "Contacts"
	case "company":
		return "Companies"
	case "deal":
		return "Deals"
	case "ticket":
		return "Tickets"
	case "note":
		return "Notes"
	case "task":
		return "Tasks"
	case "meeting":
		return "Meetings"
	case "owner":
		return "Owners"
	default:
		return object
	}
}

// withObject adds the tools of the custom object that somebody picked. They are
// there for everybody as soon as one of them has a permission.
func (p *toolsPage) withObject(all []policy.ToolInfo) []policy.ToolInfo {
	if slices.ContainsFunc(all, func(info policy.ToolInfo) bool { return info.Tool.Object == p.Object }) {
		return all
	}
	custom, err := policy.CustomTools(p.Object)
	if err != nil {
		p.ObjectProblem = "This is not a custom object: write its full name, such as p4711_car, or its type ID, such as 2-1234567."
	}
	return append(all, custom...)
}

// readSchemas lists the custom objects that can be picked. HubSpot may be away,
// or the scope to list them missing: then the name is typed.
func (w *Web) readSchemas(ctx context.Context, organizationID uuid.UUID, data *toolsPage) {
	ctx, cancel := context.WithTimeout(ctx, schemasWithin)
	defer cancel()
	all, err := w.options.Schemas(ctx, organizationID)
	if err != nil {
		w.options.OnError(ctx, "listing custom objects", err)
		data.SchemasProblem = true
	}
	data.Schemas = slices.DeleteFunc(all, func(s hubspot.Schema) bool {
		return slices.ContainsFunc(data.Objects, func(o objectView) bool { return o.Object == s.FullyQualifiedName || o.Object == s.ObjectTypeID })
	})
}

// toolsOf are the tools that there are for everybody, and those of custom
// objects that were given a permission.
func toolsOf(p policy.Policy) []policy.ToolInfo {
	all := policy.Tools()
	var custom []string
	for tool := range p.Permissions {
		if !slices.Contains(custom, tool.Object) {
			custom = append(custom, tool.Object)
		}
	}
	slices.Sort(custom)
	for _, object := range custom {
		if tools, err := policy.CustomTools(object); err == nil {
			all = append(all, tools...)
		}
	}
	return all
}

func countPermissions(p policy.Policy, tools []policy.ToolInfo) []permissionCount {
	var out []permissionCount
	for _, permission := range []policy.Permission{policy.Allow, policy.Ask, policy.Deny} {
		n := 0
		for _, info := range tools {
			if p.Permissions.Decide(info.Tool) == permission {
				n++
			}
		}
		out = append(out, permissionCount{permission, n})
	}
	return out
}

// blocked are the connections that work, and were not granted what a tool needs.
func blocked(info policy.ToolInfo, grants []store.Connection) []blockedView {
	var out []blockedView
	for _, g := range grants {
		// An imported token does not say what it may.
		if g.State.Ended() || len(g.Scopes) == 0 {
			continue
		}
		missing := slices.DeleteFunc(slices.Clone(info.Scopes), func(scope string) bool { return slices.Contains(g.Scopes, scope) })
		if len(missing) > 0 {
			out = append(out, blockedView{Connection: g.Name, ID: g.ID, Scopes: missing})
		}
	}
	return out
}

func nameOr(names map[string]string, id string) string {
	if name := names[id]; name != "" {
		return name
	}
	return id
}

// narrower lists what is stricter for some: teams first.
func narrower(p policy.Policy, names map[string]string) []narrowerView {
	var out []narrowerView
	add := func(whose, name string, own policy.Permissions) {
		for tool, permission := range own {
			// Allow is as the organization says.
			if info, ok := policy.FindTool(tool); ok && permission != policy.Allow {
				out = append(out, narrowerView{whose, name, info, permission})
			}
		}
	}
	for team, own := range p.Teams {
		add(teamPrefix+team, team, own)
	}
	for host, own := range p.Hosts {
		add(host, nameOr(names, host), own)
	}
	slices.SortFunc(out, func(a, b narrowerView) int {
		teams := func(v narrowerView) int { return len(v.Whose) - len(strings.TrimPrefix(v.Whose, teamPrefix)) }
		return cmp.Or(teams(b)-teams(a), strings.Compare(a.Name, b.Name), strings.Compare(a.Tool.Title, b.Tool.Title))
	})
	return out
}

func findPreset(name string) (policy.Preset, bool) {
	all := policy.Presets()
	i := slices.IndexFunc(all, func(p policy.Preset) bool { return p.Name == name })
	if i < 0 {
		return policy.Preset{}, false
	}
	return all[i], true
}

func findRule(p policy.Policy, name string) (policy.Rule, bool) {
	i := slices.IndexFunc(p.Conditions, func(c policy.Condition) bool { return c.Name == name })
	if i < 0 {
		return policy.Rule{}, false
	}
	return p.Conditions[i].Rule, true
}

// changeTools saves the matrix, or shows first what that would change. Only what
// somebody changed in the form is changed: what another admin saved meanwhile
// stays.
func (w *Web) changeTools(c *gin.Context) {
	before, ok := w.policy(c)
	if !ok {
		return
	}
	data := toolsPage{wanted: policy.Permissions{}, problems: map[policy.Tool]string{}, Object: c.PostForm("object"), Rule: newRule}
	for name, values := range c.Request.PostForm {
		if name, ok := strings.CutPrefix(name, "was:"); ok && len(values) == 1 {
			data.want(name, values[0], c.PostForm(name), before)
		}
	}
	switch {
	case len(data.problems) > 0 || data.Problem != "":
		w.renderTools(c, http.StatusConflict, before, data)
	case c.PostForm("do") == "preview":
		data.Preview = &previewView{Form: "matrix", after: before.With(data.wanted)}
		w.renderTools(c, http.StatusOK, before, data)
	case len(data.wanted) == 0:
		c.Redirect(http.StatusSeeOther, "/tools?done=same")
	default:
		if err := w.store.ApplyPreset(c.Request.Context(), organization(c), data.wanted, actor(c)); err != nil {
			w.broken(c, "changing permissions", err)
			return
		}
		c.Redirect(http.StatusSeeOther, "/tools?done=saved")
	}
}

// want reads one row of the matrix.
func (p *toolsPage) want(name, was, to string, before policy.Policy) {
	tool, err := policy.ParseTool(name)
	info, ok := policy.FindTool(tool)
	if err != nil || !ok {
		p.Problem = "Nothing was saved: the form names a tool that there is not. Open the page again."
		return
	}
	tool = info.Tool
	permission, err := policy.ParsePermission(to)
	if err != nil {
		p.problems[tool] = "Choose deny, ask or allow. Nothing was saved."
		return
	}
	if string(permission) == was {
		return
	}
	now := before.Permissions.Decide(tool)
	if now == permission {
		return
	}
	if string(now) != was {
		p.problems[tool] = "Somebody else changed this one meanwhile. Look at it as it is now, and choose again. Nothing was saved."
		return
	}
	p.wanted[tool] = permission
}

// compare fills in what the change would change, and what would have been decided.
func (w *Web) compare(ctx context.Context, organizationID uuid.UUID, before policy.Policy, now store.Backtest, v *previewView) error {
	for _, info := range toolsOf(v.after) {
		from, to := before.Permissions.Decide(info.Tool), v.after.Permissions.Decide(info.Tool)
		if from != to {
			v.Tools = append(v.Tools, toolChange{info, from, to})
		}
	}
	for _, condition := range v.after.Conditions {
		if r, ok := findRule(before, condition.Name); !ok || r != condition.Rule {
			v.Rules = append(v.Rules, ruleChange{Rule: condition.Rule})
		}
	}
	for _, condition := range before.Conditions {
		if _, ok := findRule(v.after, condition.Name); !ok {
			v.Rules = append(v.Rules, ruleChange{condition.Rule, true})
		}
	}
	then, err := w.store.Backtest(ctx, organizationID, now.Since, &v.after)
	if err != nil {
		return err
	}
	v.Week = weekView{then.BacktestCounts}
	for _, info := range toolsOf(v.after) {
		was, would := weekView{now.Tools[info.Tool]}, weekView{then.Tools[info.Tool]}
		if was.Allow != would.Allow || was.Ask != would.Ask || was.Deny != would.Deny {
			v.Changes = append(v.Changes, weekChange{info.Title, was, would})
		}
	}
	return nil
}

// dismissSuggestion leaves a tool as it is.
func (w *Web) dismissSuggestion(c *gin.Context) {
	tool, err := policy.ParseTool(c.PostForm("tool"))
	if err == nil {
		err = w.store.DismissSuggestion(c.Request.Context(), organization(c), tool, actor(c))
	} else {
		err = store.ErrNotFound
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.broken(c, "dismissing a suggestion", err)
		return
	}
	// One that is suggested no more is as it was wanted.
	c.Redirect(http.StatusSeeOther, "/tools?done=dismissed")
}

func (w *Web) usePreset(c *gin.Context) {
	preset, ok := findPreset(c.PostForm("name"))
	if !ok {
		w.fail(c, http.StatusNotFound, "There is no such preset", "The presets are listed at /tools.")
		return
	}
	if err := w.store.UsePreset(c.Request.Context(), organization(c), preset, actor(c)); err != nil {
		w.broken(c, "applying a preset", err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/tools?done=preset")
}

func (w *Web) changeNarrower(c *gin.Context) {
	in := narrowForm{Whose: c.PostForm("whose"), Tool: c.PostForm("tool"), Permission: c.PostForm("permission")}
	refuse := func(status int, field, problem string) {
		if before, ok := w.policy(c); ok {
			in.Field, in.Problem = field, problem
			w.renderTools(c, status, before, toolsPage{Narrow: in, Rule: newRule})
		}
	}
	team, isTeam := strings.CutPrefix(in.Whose, teamPrefix)
	host, err := uuid.Parse(in.Whose)
	if !isTeam && err != nil {
		refuse(http.StatusConflict, "whose", "Choose whose meetings it is about.")
		return
	}
	tool, err := policy.ParseTool(in.Tool)
	info, ok := policy.FindTool(tool)
	if err != nil || !ok {
		refuse(http.StatusConflict, "tool", "Choose a tool of the list.")
		return
	}
	permission, err := policy.ParsePermission(in.Permission)
	if err != nil {
		refuse(http.StatusConflict, "permission", "Choose a permission of the list.")
		return
	}
	ctx := c.Request.Context()
	if isTeam {
		err = w.store.SetTeamPermission(ctx, organization(c), team, info.Tool, permission, actor(c))
	} else {
		err = w.store.SetHostPermission(ctx, organization(c), host, info.Tool, permission, actor(c))
	}
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		refuse(http.StatusConflict, "whose", sentence(refusal))
	case errors.Is(err, store.ErrNotFound):
		refuse(http.StatusNotFound, "whose", "Nobody of your organization is this person.")
	case err != nil:
		w.broken(c, "changing the permission of a team or a host", err)
	default:
		c.Redirect(http.StatusSeeOther, "/tools?done=narrower")
	}
}

func (w *Web) setPermissionRule(c *gin.Context) {
	rule := policy.Rule{
		Name: strings.TrimSpace(c.PostForm("name")), When: strings.TrimSpace(c.PostForm("when")), Then: policy.Permission(c.PostForm("then")),
		Loosens: c.PostForm("loosens") == "yes",
	}
	if team, ok := strings.CutPrefix(c.PostForm("whose"), teamPrefix); ok {
		rule.Team = team
	} else {
		rule.Host = c.PostForm("whose")
	}
	before, ok := w.policy(c)
	if !ok {
		return
	}
	data := toolsPage{Rule: ruleForm{Rule: rule}}
	after, err := before.WithRule(rule)
	if err == nil && c.PostForm("do") != "preview" {
		err = w.store.SetRule(c.Request.Context(), organization(c), rule, actor(c))
	}
	var wrong *policy.RuleError
	var refusal *store.Refusal
	switch {
	case errors.As(err, &wrong):
		data.Rule.Field, data.Rule.Problem = blamed(rule, wrong), wrong
		w.renderTools(c, http.StatusConflict, before, data)
	case errors.As(err, &refusal):
		data.Rule.Field, data.Rule.Refused = "whose", sentence(refusal)
		w.renderTools(c, http.StatusConflict, before, data)
	case errors.Is(err, store.ErrNotFound):
		data.Rule.Field, data.Rule.Refused = "whose", "Nobody of your organization is this person."
		w.renderTools(c, http.StatusNotFound, before, data)
	case err != nil:
		w.broken(c, "changing a rule", err)
	case c.PostForm("do") == "preview":
		data.Preview = &previewView{Form: "rule-form", after: after}
		w.renderTools(c, http.StatusOK, before, data)
	default:
		c.Redirect(http.StatusSeeOther, "/tools?done=rule")
	}
}

// blamed is the field of the form that makes a rule unusable.
func blamed(r policy.Rule, wrong *policy.RuleError) string {
	if wrong.Line > 0 {
		return "when"
	}
	fine := policy.Rule{Name: "x", When: "true", Then: policy.Ask}
	named, expressed := fine, fine
	named.Name, expressed.When = r.Name, r.When
	if _, err := policy.Compile(named); err != nil {
		return "name"
	}
	if _, err := policy.Compile(expressed); err != nil {
		return "when"
	}
	fine.Then, fine.Loosens = r.Then, r.Loosens
	if _, err := policy.Compile(fine); err != nil {
		return "then"
	}
	return "whose"
}

func (w *Web) removePermissionRule(c *gin.Context) {
	err := w.store.RemoveRule(c.Request.Context(), organization(c), c.PostForm("name"), actor(c))
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.fail(c, http.StatusNotFound, "There is no such rule", "It may be gone already. The rules are listed at /tools.")
	case err != nil:
		w.broken(c, "removing a rule", err)
	default:
		c.Redirect(http.StatusSeeOther, "/tools?done=removed")
	}
}
