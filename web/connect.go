package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Connections is what the pages need of package connections.
type Connections interface {
	BeginLogin(ctx context.Context, r connections.LoginRequest, actor store.Actor) (connections.Login, error)
	Invitation(ctx context.Context, link store.Secret) (connections.Invitation, error)
	Authorize(ctx context.Context, link, browser store.Secret) (string, error)
	Callback(ctx context.Context, in connections.Return) (connections.Result, error)
	Replace(ctx context.Context, state, browser store.Secret) (connections.Result, error)
	Keep(ctx context.Context, state, browser store.Secret) error
	Disconnect(ctx context.Context, organizationID, connectionID uuid.UUID, actor store.Actor) error
	Uninstall(ctx context.Context, organizationID, connectionID uuid.UUID, actor store.Actor) error
	Provider() connections.Provider
}

type connectPage struct {
	connections.Invitation
	Action string
	Scopes []connections.Scope
}

// IsUserLevel says whether whoever clicks connects for themselves alone.
func (p connectPage) IsUserLevel() bool { return p.App.Level == store.UserLevel }

func (w *Web) showConnect(c *gin.Context) {
	invitation, err := w.connections.Invitation(c.Request.Context(), store.Secret(c.Param("token")))
	if err != nil {
		w.connectFailed(c, "reading a link to connect", err)
		return
	}
	w.render(c, http.StatusOK, "connect.html", w.printer(c).T("Connect HubSpot"), connectPage{
		Invitation: invitation, Action: c.Request.URL.EscapedPath(), Scopes: w.scopes(),
	})
}

// scopes are those that are asked for, each with what for. One that only this
// installation's own definition names has no reason that we know.
func (w *Web) scopes() []connections.Scope {
	why := map[string]string{}
	for _, s := range connections.Scopes() {
		why[s.Name] = s.Why
	}
	var out []connections.Scope
	for _, name := range w.connections.Provider().Scopes {
		s := connections.Scope{Name: name, Why: why[name]}
		if s.Why == "" {
			s.Why = "Whoever runs Debrief added it to what is asked for."
		}
		out = append(out, s)
	}
	return out
}

func (w *Web) connect(c *gin.Context) {
	// One token a browser, so that two links opened side by side both work.
	browser, err := c.Cookie(browserCookie)
	if err != nil || len(browser) < 26 || len(browser) > 64 {
		browser = rand.Text()
	}
	to, err := w.connections.Authorize(c.Request.Context(), store.Secret(c.Param("token")), store.Secret(browser))
	if err != nil {
		w.connectFailed(c, "beginning to connect", err)
		return
	}
	// As long as any link works: it belongs to this browser from here on, and
	// without the cookie it would belong to nobody.
	w.setCookie(c, browserCookie, browser, int(store.AttemptTTLMost.Seconds()))
	c.Redirect(http.StatusSeeOther, to)
}

func (w *Web) callback(c *gin.Context) {
	browser, _ := c.Cookie(browserCookie)
	state := store.Secret(c.Query("state"))
	result, err := w.connections.Callback(c.Request.Context(), connections.Return{
		State: state, Code: store.Secret(c.Query("code")), Error: c.Query("error"), Browser: store.Secret(browser),
	})
	if exists, ok := errors.AsType[*store.ExistsError](err); ok {
		w.askWhatStays(c, exists, state)
		return
	}
	w.connected(c, result, err)
}

type existsPage struct {
	store.ExistsError
	InstalledBy string
	Action      string
	// State is OAuth's: a secret, which the form gives back.
	State string
}

// askWhatStays asks what should become of the connection that is there. Nothing
// has been replaced, and looking at the page replaces nothing.
func (w *Web) askWhatStays(c *gin.Context, exists *store.ExistsError, state store.Secret) {
	names, err := w.store.PeopleNames(c.Request.Context(), exists.Connection.OrganizationID)
	if err != nil {
		// The question can be asked without the name.
		w.options.OnError(c.Request.Context(), "reading who connected", err)
	}
	w.render(c, http.StatusOK, "exists.html", w.printer(c).T("This account is connected already"), existsPage{
		ExistsError: *exists, InstalledBy: installedBy(exists.Connection, names), Action: connections.CallbackPath, State: state.Reveal(),
	})
}

// settle is the answer to that question.
func (w *Web) settle(c *gin.Context) {
	cookie, _ := c.Cookie(browserCookie)
	state, browser := store.Secret(c.PostForm("state")), store.Secret(cookie)
	switch c.PostForm("do") {
	case "replace":
		result, err := w.connections.Replace(c.Request.Context(), state, browser)
		w.connected(c, result, err)
	case "keep":
		if err := w.connections.Keep(c.Request.Context(), state, browser); err != nil {
			w.connectFailed(c, "keeping a connection", err)
			return
		}
		w.render(c, http.StatusOK, "kept.html", w.printer(c).T("Nothing was changed"), nil)
	default:
		w.fail(c, http.StatusBadRequest, "Nothing was done", "Go back and choose one of the two.")
	}
}

type connectedPage struct {
	connections.Result
	// On is how many of the organization's tools are not denied; -1 if that could
	// not be read, which undoes nothing.
	On int
}

func (w *Web) connected(c *gin.Context, result connections.Result, err error) {
	if err != nil {
		w.connectFailed(c, "connecting", err)
		return
	}
	data := connectedPage{Result: result}
	permissions, err := w.store.Permissions(c.Request.Context(), result.Connection.OrganizationID)
	if err != nil {
		w.options.OnError(c.Request.Context(), "reading the permissions", err)
		data.On = -1
	}
	for tool := range permissions {
		if permissions.Decide(tool) != policy.Deny {
			data.On++
		}
	}
	w.render(c, http.StatusOK, "connected.html", w.printer(c).T("HubSpot is connected"), data)
}

func (w *Web) connectFailed(c *gin.Context, doing string, err error) {
	const title = "HubSpot was not connected"
	var refused *connections.LoginError
	if !errors.As(err, &refused) {
		w.options.OnError(c.Request.Context(), doing, err)
		w.fail(c, http.StatusServiceUnavailable, title, "Something went wrong on our side. Try the link again in a minute.")
		return
	}
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, store.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, store.ErrExpired), errors.Is(err, store.ErrUsed):
		status = http.StatusGone
	case errors.Is(err, store.ErrForeign):
		status = http.StatusForbidden
	default:
		// Somebody's doing at HubSpot, or a failure: whoever runs Debrief may
		// want to know which.
		w.options.OnError(c.Request.Context(), doing, err)
	}
	w.fail(c, status, title, refused.Public())
}
