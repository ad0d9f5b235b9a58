package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// People is what the pages about people need of the store.
type People interface {
	People(ctx context.Context, organizationID uuid.UUID) ([]store.Person, error)
	Person(ctx context.Context, organizationID, id uuid.UUID) (store.Person, error)
	AddPerson(ctx context.Context, p store.Person, actor store.Actor) (store.Person, error)
	UpdatePerson(ctx context.Context, organizationID, id uuid.UUID, c store.PersonChange, actor store.Actor) error
	AddIdentity(ctx context.Context, organizationID, personID uuid.UUID, i store.Identity, actor store.Actor) error
	RemoveIdentity(ctx context.Context, organizationID, personID uuid.UUID, i store.Identity, actor store.Actor) error
	MergePeople(ctx context.Context, organizationID, keep, other uuid.UUID, actor store.Actor) error
	DeactivatePerson(ctx context.Context, organizationID, id uuid.UUID, why string, actor store.Actor) (store.Deactivated, error)
	ReactivatePerson(ctx context.Context, organizationID, id uuid.UUID, actor store.Actor) error
}

// peopleCounts is what everybody may know, viewers included.
type peopleCounts struct {
	Active, Deactivated int
	// Roles counts the active ones, in the order of store.Roles.
	Roles []roleCount
	// WithoutOwner counts the active ones who are no active owner in some account.
	WithoutOwner int
}

type roleCount struct {
	Role  store.Role
	Count int
}

func countPeople(people []store.Person) peopleCounts {
	var out peopleCounts
	roles := map[store.Role]int{}
	for _, p := range people {
		if !p.Active() {
			out.Deactivated++
			continue
		}
		out.Active++
		roles[p.Role]++
		if ownerProblem(p) {
			out.WithoutOwner++
		}
	}
	for _, r := range store.Roles() {
		out.Roles = append(out.Roles, roleCount{r, roles[r]})
	}
	return out
}

func ownerProblem(p store.Person) bool {
	return slices.ContainsFunc(p.Owners, func(o store.Owner) bool { return o.Problem() != "" })
}

type peoplePage struct {
	Counts peopleCounts
	// People is nil for who may see counts only.
	People  []store.Person
	MaySee  bool
	IsAdmin bool
	Query   string
	Show    string
	Roles   []store.Role
	Problem string
	// Name, Email and Role are what the form to add somebody was sent with.
	Name, Email string
	Role        store.Role
}

// The filters of the list.
const (
	showActive      = "active"
	showDeactivated = "deactivated"
	showOwners      = "owners" // those with an owner problem
	showAll         = "all"
)

func (w *Web) showPeople(c *gin.Context) {
	w.renderPeople(c, http.StatusOK, peoplePage{Query: c.Query("q"), Show: c.Query("show"), Role: store.RoleMember})
}

func (w *Web) renderPeople(c *gin.Context, status int, data peoplePage) {
	all, err := w.store.People(c.Request.Context(), organization(c))
	if err != nil {
		w.broken(c, "reading people", err)
		return
	}
	session := sessionOf(c)
	data.Counts, data.Roles = countPeople(all), store.Roles()
	data.MaySee, data.IsAdmin = session.Role != store.RoleViewer, session.Role == store.RoleAdmin
	if !slices.Contains([]string{showDeactivated, showOwners, showAll}, data.Show) {
		data.Show = showActive
	}
	if data.MaySee {
		data.People = slices.DeleteFunc(all, func(p store.Person) bool { return !shown(p, data.Show, data.Query) })
	}
	w.render(c, status, "people.html", w.printer(c).T("People"), data)
}

func shown(p store.Person, show, query string) bool {
	switch show {
	case showActive:
		if !p.Active() {
			return false
		}
	case showDeactivated:
		if p.Active() {
			return false
		}
	case showOwners:
		if !p.Active() || !ownerProblem(p) {
			return false
		}
	}
	query = strings.ToLower(strings.TrimSpace(query))
	if query == "" || strings.Contains(strings.ToLower(p.Name), query) {
		return true
	}
	return slices.ContainsFunc(p.Identities, func(i store.Identity) bool { return strings.Contains(strings.ToLower(i.Value), query) })
}

func (w *Web) addPerson(c *gin.Context) {
	in := peoplePage{Name: strings.TrimSpace(c.PostForm("name")), Email: c.PostForm("email"), Role: store.Role(c.PostForm("role"))}
	p, err := w.store.AddPerson(c.Request.Context(), store.Person{
		OrganizationID: organization(c), Name: in.Name, Role: in.Role,
		Identities: []store.Identity{{Kind: store.IdentityEmail, Value: in.Email}},
	}, actor(c))
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		in.Problem = sentence(refusal)
		w.renderPeople(c, http.StatusConflict, in)
	case err != nil:
		w.broken(c, "adding a person", err)
	default:
		c.Redirect(http.StatusSeeOther, "/people/"+p.ID.String())
	}
}

type personPage struct {
	Person  store.Person
	IsAdmin bool
	// Others are the organization's other people, to stand in or to merge with.
	Others  []store.Person
	StandIn string
	Roles   []store.Role
	Kinds   []store.IdentityKind
	Problem string
	Done    string
}

// StandInIs says whether that one stands in, for the form.
func (p personPage) StandInIs(id uuid.UUID) bool {
	return p.Person.StandInID != nil && *p.Person.StandInID == id
}

// dones are what a page may say after a change, by the word in its address: the
// words themselves never come from there.
var dones = map[string]string{
	"changed": "The change is saved.", "merged": "The two are one now.", "reactivated": "This person may sign in again.",
	"deactivated": "This person is signed out everywhere and can't sign in. Whoever stands in answers for what is open.",
}

func (w *Web) showPerson(c *gin.Context) { w.renderPerson(c, http.StatusOK, "") }

func (w *Web) renderPerson(c *gin.Context, status int, problem string) {
	id, ok := w.personID(c)
	if !ok {
		return
	}
	all, err := w.store.People(c.Request.Context(), organization(c))
	if err != nil {
		w.broken(c, "reading people", err)
		return
	}
	data := personPage{IsAdmin: sessionOf(c).Role == store.RoleAdmin, Roles: store.Roles(), Kinds: store.IdentityKinds(), Problem: problem}
	if problem == "" {
		data.Done = dones[c.Query("done")]
	}
	at := slices.IndexFunc(all, func(p store.Person) bool { return p.ID == id })
	if at < 0 {
		w.notMerged(c, id)
		return
	}
	data.Person = all[at]
	data.Others = slices.Delete(all, at, at+1)
	for _, p := range data.Others {
		if data.StandInIs(p.ID) {
			data.StandIn = p.Label()
		}
	}
	w.render(c, status, "person.html", data.Person.Label(), data)
}

// notMerged leads from somebody who turned out to be another to that one.
func (w *Web) notMerged(c *gin.Context, id uuid.UUID) {
	p, err := w.store.Person(c.Request.Context(), organization(c), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.noPerson(c)
	case err != nil:
		w.broken(c, "reading a person", err)
	case p.MergedInto != nil:
		c.Redirect(http.StatusSeeOther, "/people/"+p.MergedInto.String())
	default:
		w.noPerson(c)
	}
}

func (w *Web) noPerson(c *gin.Context) {
	w.fail(c, http.StatusNotFound, "There is no such person", "Nobody of your organization has this address. The list is at /people.")
}

func (w *Web) personID(c *gin.Context) (uuid.UUID, bool) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		w.noPerson(c)
	}
	return id, err == nil
}

// change does one thing to the person of the page, and shows the page again.
func (w *Web) change(c *gin.Context, done string, do func(ctx context.Context, organizationID, id uuid.UUID) error) {
	id, ok := w.personID(c)
	if !ok {
		return
	}
	err := do(c.Request.Context(), organization(c), id)
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		w.renderPerson(c, http.StatusConflict, sentence(refusal))
	case errors.Is(err, store.ErrNotFound):
		w.noPerson(c)
	case err != nil:
		w.broken(c, "changing a person", err)
	default:
		c.Redirect(http.StatusSeeOther, "/people/"+id.String()+"?done="+done)
	}
}

func (w *Web) changePerson(c *gin.Context) {
	w.change(c, "changed", func(ctx context.Context, organizationID, id uuid.UUID) error {
		name, role, standIn := c.PostForm("name"), store.Role(c.PostForm("role")), uuid.Nil
		if chosen := c.PostForm("stand_in"); chosen != "" {
			var err error
			if standIn, err = uuid.Parse(chosen); err != nil {
				return store.ErrNotFound
			}
		}
		change := store.PersonChange{Name: &name, Role: &role, StandInID: &standIn}
		if team, ok := c.GetPostForm("team"); ok {
			change.Team = &team
		}
		return w.store.UpdatePerson(ctx, organizationID, id, change, actor(c))
	})
}

func identityOf(c *gin.Context) store.Identity {
	return store.Identity{Kind: store.IdentityKind(c.PostForm("kind")), Value: c.PostForm("value")}
}

func (w *Web) addIdentity(c *gin.Context) {
	w.change(c, "changed", func(ctx context.Context, organizationID, id uuid.UUID) error {
		return w.store.AddIdentity(ctx, organizationID, id, identityOf(c), actor(c))
	})
}

func (w *Web) removeIdentity(c *gin.Context) {
	w.change(c, "changed", func(ctx context.Context, organizationID, id uuid.UUID) error {
		return w.store.RemoveIdentity(ctx, organizationID, id, identityOf(c), actor(c))
	})
}

func (w *Web) mergePeople(c *gin.Context) {
	w.change(c, "merged", func(ctx context.Context, organizationID, id uuid.UUID) error {
		other, err := uuid.Parse(c.PostForm("other"))
		if err != nil {
			return &store.Refusal{Sentence: "choose who is the same person"}
		}
		return w.store.MergePeople(ctx, organizationID, id, other, actor(c))
	})
}

func (w *Web) deactivatePerson(c *gin.Context) {
	w.change(c, "deactivated", func(ctx context.Context, organizationID, id uuid.UUID) error {
		out, err := w.store.DeactivatePerson(ctx, organizationID, id, store.DeactivatedByAdmin, actor(c))
		if err != nil {
			return err
		}
		left := 0
		for _, connection := range out.Connections {
			if err := w.connections.Disconnect(ctx, organizationID, connection, actor(c)); err != nil {
				w.options.OnError(ctx, "revoking the grant of somebody who was deactivated", err)
				left++
			}
		}
		if left > 0 {
			return &store.Refusal{Sentence: "this person is deactivated, but HubSpot did not confirm that their own grant is revoked (" + words.Printer{}.Plural(left, "%d connection", "%d connections") + "). Deactivate them once more in a minute: that tries it again"}
		}
		return nil
	})
}

func (w *Web) reactivatePerson(c *gin.Context) {
	w.change(c, "reactivated", func(ctx context.Context, organizationID, id uuid.UUID) error {
		return w.store.ReactivatePerson(ctx, organizationID, id, actor(c))
	})
}
