package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// sessionKey is where a request keeps who is signed in.
const sessionKey = "session"

// maxForm bounds what a form may send, in bytes.
const maxForm = 64 << 10

func limitBody(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
}

// begin makes the browser signed in and sends it on. Whoever was signed in there
// before no longer is.
func (w *Web) begin(c *gin.Context, session store.Secret, to string) {
	w.endSession(c)
	w.setCookie(c, SessionCookie, session.Reveal(), int(store.SessionTTL.Seconds()))
	c.Redirect(http.StatusSeeOther, to)
}

func (w *Web) endSession(c *gin.Context) {
	old, err := c.Cookie(SessionCookie)
	if err != nil {
		return
	}
	if err := w.store.EndSession(c.Request.Context(), store.Secret(old)); err != nil {
		w.options.OnError(c.Request.Context(), "ending a session", err)
	}
}

func (w *Web) signOut(c *gin.Context) {
	w.endSession(c)
	w.setCookie(c, SessionCookie, "", -1)
	c.Redirect(http.StatusSeeOther, "/sign-in")
}

// signedIn lets only those through who are signed in, and sends the others to
// sign in first.
func (w *Web) signedIn(c *gin.Context) {
	session, err := w.Session(c.Request)
	switch {
	case err == nil:
		c.Set(sessionKey, &session)
		// The one script, and what it asks for. Pages before signing in have none.
		c.Header("Content-Security-Policy", w.csp+"; script-src 'self'; connect-src 'self'")
	case !errors.Is(err, store.ErrNotFound):
		w.broken(c, "reading a session", err)
		c.Abort()
	case c.Request.Method == http.MethodGet:
		c.Redirect(http.StatusSeeOther, "/sign-in?to="+url.QueryEscape(c.Request.URL.RequestURI()))
		c.Abort()
	default:
		w.fail(c, http.StatusUnauthorized, "You are not signed in", "Nothing was done: sign in, and do it again. (A session ends after twelve hours, or when an admin ends it.)")
		c.Abort()
	}
}

// inOrganization lets those through whose session looks at an organization. The
// operator has to choose one where there are several.
func (w *Web) inOrganization(c *gin.Context) {
	session := sessionOf(c)
	if session.OrganizationID != nil {
		return
	}
	all, err := w.store.Organizations(c.Request.Context())
	switch {
	case err != nil:
		w.broken(c, "listing organizations", err)
		c.Abort()
	case len(all) == 1:
		session.OrganizationID, session.Organization = &all[0].ID, all[0].Name
	case c.Request.Method == http.MethodGet:
		c.Redirect(http.StatusSeeOther, "/organization?to="+url.QueryEscape(c.Request.URL.RequestURI()))
		c.Abort()
	default:
		w.fail(c, http.StatusConflict, "Which organization?", "Nothing was done: choose the organization first, at /organization.")
		c.Abort()
	}
}

// requireRole lets only those roles through.
func (w *Web) requireRole(roles ...store.Role) gin.HandlerFunc {
	return func(c *gin.Context) {
		if slices.Contains(roles, sessionOf(c).Role) {
			return
		}
		p, names := w.printer(c), make([]string, 0, len(roles))
		for _, r := range roles {
			names = append(names, p.Known(string(r)))
		}
		w.fail(c, http.StatusForbidden, "Your role does not allow that", p.T("You are signed in as %s; this is for: %s. An admin of your organization can change roles.", p.Known(string(sessionOf(c).Role)), strings.Join(names, ", ")))
		c.Abort()
	}
}

func sessionOf(c *gin.Context) *store.Session {
	session, _ := c.MustGet(sessionKey).(*store.Session)
	return session
}

// organization is the one that the page is about.
func organization(c *gin.Context) uuid.UUID { return *sessionOf(c).OrganizationID }

// actor is who does what the page does, for the trail.
func actor(c *gin.Context) store.Actor {
	session := sessionOf(c)
	if session.PersonID == nil {
		return store.Operator
	}
	return store.Actor{Name: "web page", PersonID: session.PersonID}
}

// section is the part of the site that a page belongs to.
func section(c *gin.Context) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(c.FullPath(), "/"), "/")
	return first
}

// broken says that something failed on our side, and tells whoever runs Debrief.
func (w *Web) broken(c *gin.Context, doing string, err error) {
	if c.Request.Context().Err() != nil {
		return // the browser has gone: nobody failed, and nobody reads the answer
	}
	w.options.OnError(c.Request.Context(), doing, err)
	w.fail(c, http.StatusServiceUnavailable, "This does not work just now", "Something went wrong on our side. Try again in a minute.")
}

type organizationsPage struct {
	To            string
	Organizations []store.Organization
}

func (w *Web) showOrganizations(c *gin.Context) {
	if !sessionOf(c).IsOperator {
		c.Redirect(http.StatusSeeOther, "/")
		return
	}
	all, err := w.store.Organizations(c.Request.Context())
	if err != nil {
		w.broken(c, "listing organizations", err)
		return
	}
	w.render(c, http.StatusOK, "organizations.html", w.printer(c).T("Which organization?"), organizationsPage{To: ownPath(c.Query("to")), Organizations: all})
}

func (w *Web) chooseOrganization(c *gin.Context) {
	token, _ := c.Cookie(SessionCookie)
	id, err := uuid.Parse(c.PostForm("organization"))
	if err == nil {
		err = w.store.ChooseOrganization(c.Request.Context(), store.Secret(token), id)
	} else {
		err = store.ErrNotFound
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.fail(c, http.StatusNotFound, "There is no such organization", "Only whoever runs Debrief chooses between organizations: everybody else has one.")
	case err != nil:
		w.broken(c, "choosing an organization", err)
	default:
		c.Redirect(http.StatusSeeOther, ownPath(c.PostForm("to")))
	}
}

// home leads those who may answer to what waits for them.
func (w *Web) home(c *gin.Context) {
	if session := sessionOf(c); session.PersonID != nil && session.Role != store.RoleViewer {
		c.Redirect(http.StatusSeeOther, "/inbox")
		return
	}
	w.start(c)
}

type startPage struct {
	People      peopleCounts
	Connections []stateCount
	TemporalURL string
}

func (w *Web) start(c *gin.Context) {
	people, err := w.store.People(c.Request.Context(), organization(c))
	if err != nil {
		w.broken(c, "reading people", err)
		return
	}
	all, err := w.store.Connections(c.Request.Context(), organization(c))
	if err != nil {
		w.broken(c, "reading connections", err)
		return
	}
	views := make([]connectionView, 0, len(all))
	for _, connection := range all {
		views = append(views, w.view(connection, nil, nil))
	}
	data := startPage{People: countPeople(people), Connections: countStates(views, 0)}
	if sessionOf(c).IsOperator && w.options.Home != "/" {
		data.TemporalURL = w.options.Home
	}
	w.render(c, http.StatusOK, "start.html", w.printer(c).T("Overview"), data)
}

// ownPath returns a path of our own site, and "/" for everything else: a browser
// is never sent elsewhere because a request said so.
func ownPath(to string) string {
	if len(to) > 1000 || !strings.HasPrefix(to, "/") || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) {
		return "/"
	}
	u, err := url.Parse(to)
	// "//host" is a host, and so is "/../" + "/host" once a browser has cleaned it.
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "..") || strings.Contains(u.Path, `\`) {
		return "/"
	}
	return u.RequestURI()
}
