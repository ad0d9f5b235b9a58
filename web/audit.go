package web

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// Trail is what the pages about the trail need of the store.
type Trail interface {
	AuditTrail(ctx context.Context, organizationID uuid.UUID, f store.AuditFilter) ([]store.AuditEntry, error)
	AuditRow(ctx context.Context, organizationID uuid.UUID, id int64) (store.AuditEntry, error)
	OpenAuditValues(ctx context.Context, organizationID uuid.UUID, id int64, actor store.Actor) (map[string]string, error)
}

// registerAudit adds the pages about the trail: rows of IDs and names of
// properties for admins and approvers. What was written is for admins, and looking
// at it is a row of the trail itself. That takes a click of its own, not a visit,
// so that nothing which follows links looks at it.
func (w *Web) registerAudit(inside *gin.RouterGroup) {
	audit := inside.Group("/audit", w.requireRole(store.RoleAdmin, store.RoleApprover))
	audit.GET("", w.showAudit)
	audit.GET("/:id", w.showAuditRow)
	audit.POST("/:id/values", w.requireRole(store.RoleAdmin), w.openAuditValues)
}

type auditPage struct {
	Rows   []auditView
	Kinds  []store.AuditKind
	People []store.Person
	Tools  []policy.ToolInfo

	// What was asked for, as it was written, and what is wrong with it by field.
	Kind, Person, Tool, Meeting, Record string
	Problems                            map[string]string
	Older, Newest                       string
}

// auditView is a row with names in the place of people's IDs.
type auditView struct {
	store.AuditEntry
	Who, Behalf, What, Why string
	// Before and After are the two sides of a change, where the row is about one.
	Before, After string
}

// Meeting is the meeting that it belongs to, if any.
func (v auditView) Meeting() *uuid.UUID {
	if v.Origin.Kind != "meeting" {
		return nil
	}
	return &v.Origin.ID
}

// Bad says whether somebody may want to look.
func (v auditView) Bad() bool {
	return v.Outcome == store.Failed || v.Outcome == store.Unknown || v.Outcome == store.Refused
}

// auditKinds are the kinds that the page can be filtered by.
func auditKinds() []store.AuditKind {
	return []store.AuditKind{
		store.AuditCall, store.AuditDecision, store.AuditPermission, store.AuditConnection, store.AuditPerson, store.AuditSource,
		store.AuditVisibility, store.AuditOrganization, store.AuditPlan,
	}
}

var personID = regexp.MustCompile(`person [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func viewAudit(p words.Printer, e store.AuditEntry, names map[string]string) auditView {
	name := func(id string) string {
		if names[id] != "" {
			return names[id]
		}
		return id
	}
	v := auditView{AuditEntry: e, Who: e.Actor.Name, Behalf: name(e.OnBehalfOf), What: p.T(string(e.Kind))}
	if e.Actor.PersonID != nil {
		// The name in the row is the entrance: "web page".
		v.Who = name(e.Actor.PersonID.String())
		if e.Actor.Name != v.Who {
			v.Who += " (" + p.Known(e.Actor.Name) + ")"
		}
	}
	if e.Kind == store.AuditCall {
		v.What = "HubSpot"
	}
	if e.Tool.Object != "" {
		v.What += ": " + p.Known(e.Tool.Title())
	}
	v.Why = personID.ReplaceAllStringFunc(e.Reason, func(found string) string { return name(strings.TrimPrefix(found, "person ")) })
	if e.Kind != store.AuditCall {
		if before, after, ok := strings.Cut(v.Why, " → "); ok {
			v.Before, v.After = before, after
		}
	}
	return v
}

func (w *Web) showAudit(c *gin.Context) {
	ctx, organizationID := c.Request.Context(), organization(c)
	data := auditPage{
		Kinds: auditKinds(), Problems: map[string]string{},
		Kind: c.Query("kind"), Person: c.Query("person"), Tool: c.Query("tool"),
		Meeting: strings.TrimSpace(c.Query("meeting")), Record: strings.TrimSpace(c.Query("record")),
	}
	p, err := w.store.Policy(ctx, organizationID)
	if err == nil {
		data.People, err = w.store.People(ctx, organizationID)
	}
	var names map[string]string
	if err == nil {
		names, err = w.store.PeopleNames(ctx, organizationID)
	}
	if err != nil {
		w.broken(c, "reading the trail", err)
		return
	}
	data.Tools = toolsOf(p)
	filter := data.filter(c.Query("before"))
	if len(data.Problems) > 0 {
		w.render(c, http.StatusConflict, "audit.html", w.printer(c).T("Audit trail"), data)
		return
	}
	filter.Limit = onPage + 1
	rows, err := w.store.AuditTrail(ctx, organizationID, filter)
	if err != nil {
		w.broken(c, "reading the trail", err)
		return
	}
	slices.Reverse(rows) // the newest first
	if len(rows) > onPage {
		rows = rows[:onPage]
		data.Older = data.address(strconv.FormatInt(rows[onPage-1].ID, 10))
	}
	if filter.Before != 0 {
		data.Newest = data.address("")
	}
	for _, row := range rows {
		data.Rows = append(data.Rows, viewAudit(w.printer(c), row, names))
	}
	w.render(c, http.StatusOK, "audit.html", w.printer(c).T("Audit trail"), data)
}

// filter reads what was asked for.
func (p *auditPage) filter(before string) store.AuditFilter {
	f := store.AuditFilter{Kind: store.AuditKind(p.Kind), RecordID: p.Record}
	if f.Kind != "" && !slices.Contains(p.Kinds, f.Kind) {
		p.Problems["kind"] = "Choose a kind of the list."
	}
	var err error
	if p.Person != "" {
		if f.PersonID, err = uuid.Parse(p.Person); err != nil {
			p.Problems["person"] = "Choose a person of the list."
		}
	}
	if p.Meeting != "" {
		if f.OriginID, err = uuid.Parse(p.Meeting); err != nil {
			p.Problems["meeting"] = "A meeting's ID has 36 characters, as in the address of its page."
		}
	}
	if p.Tool != "" {
		if f.Tool, err = policy.ParseTool(p.Tool); err != nil {
			p.Problems["tool"] = "Choose a tool of the list."
		}
	}
	// A place that is none is the newest end.
	if f.Before, err = strconv.ParseInt(before, 10, 64); err != nil || f.Before < 0 {
		f.Before = 0
	}
	return f
}

func (p *auditPage) address(before string) string {
	return address("/audit", "kind", p.Kind, "person", p.Person, "tool", p.Tool, "meeting", p.Meeting, "record", p.Record, "before", before)
}

type auditRowPage struct {
	auditView
	IsAdmin bool
	// Values are what was written, by property, once somebody opened them.
	Values  []auditValue
	Opened  bool
	Problem string
}

type auditValue struct{ Name, Value string }

func (w *Web) showAuditRow(c *gin.Context) { w.renderAuditRow(c, http.StatusOK, auditRowPage{}) }

func (w *Web) renderAuditRow(c *gin.Context, status int, data auditRowPage) {
	id, ok := w.auditID(c)
	if !ok {
		return
	}
	ctx := c.Request.Context()
	row, err := w.store.AuditRow(ctx, organization(c), id)
	if errors.Is(err, store.ErrNotFound) {
		w.noAuditRow(c)
		return
	}
	var names map[string]string
	if err == nil {
		names, err = w.store.PeopleNames(ctx, organization(c))
	}
	if err != nil {
		w.broken(c, "reading a row of the trail", err)
		return
	}
	data.auditView, data.IsAdmin = viewAudit(w.printer(c), row, names), sessionOf(c).Role == store.RoleAdmin
	w.render(c, status, "auditrow.html", w.printer(c).T("Row %s of the trail", strconv.FormatInt(id, 10)), data)
}

func (w *Web) auditID(c *gin.Context) (int64, bool) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id <= 0 {
		w.noAuditRow(c)
		return 0, false
	}
	return id, true
}

func (w *Web) noAuditRow(c *gin.Context) {
	w.fail(c, http.StatusNotFound, w.printer(c).T("There is no such row"), w.printer(c).T("Your organization's trail has none of this number. It is at /audit."))
}

func (w *Web) openAuditValues(c *gin.Context) {
	id, ok := w.auditID(c)
	if !ok {
		return
	}
	values, err := w.store.OpenAuditValues(c.Request.Context(), organization(c), id, actor(c))
	switch {
	case errors.Is(err, store.ErrErased):
		w.renderAuditRow(c, http.StatusGone, auditRowPage{Problem: "What was written was erased, together with the meeting's words."})
		return
	case errors.Is(err, store.ErrNotFound):
		w.noAuditRow(c)
		return
	case err != nil:
		w.broken(c, "opening the values of a row of the trail", err)
		return
	}
	data := auditRowPage{Opened: true}
	for name, value := range values {
		data.Values = append(data.Values, auditValue{name, value})
	}
	slices.SortFunc(data.Values, func(a, b auditValue) int { return strings.Compare(a.Name, b.Name) })
	w.renderAuditRow(c, http.StatusOK, data)
}
