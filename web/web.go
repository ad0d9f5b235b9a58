package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/store"
)

//go:embed pages
var files embed.FS

const (
	// SessionCookie holds the token of a signed-in browser.
	SessionCookie = "debrief_session"
	// browserCookie ties OAuth's state to the browser that began.
	browserCookie = "debrief_connect"
)

// Sessions is what the pages need of the store.
type Sessions interface {
	CheckSignInLink(ctx context.Context, token store.Secret) error
	SignIn(ctx context.Context, token store.Secret) (store.Secret, error)
	Session(ctx context.Context, token store.Secret) (store.Session, error)
}

// Connections is what the pages need of package connections.
type Connections interface {
	Invitation(ctx context.Context, link store.Secret) (connections.Invitation, error)
	Authorize(ctx context.Context, link, browser store.Secret) (string, error)
	Callback(ctx context.Context, in connections.Return) (connections.Result, error)
}

// Options say where the pages are and where they lead.
type Options struct {
	// PublicURL is this installation's address as browsers reach it. With https,
	// cookies are for https only.
	PublicURL string
	// AuthorizeURL is HubSpot's consent page; empty for HubSpot's own. A form may
	// lead there and nowhere else.
	AuthorizeURL string
	// Home is where a browser goes after signing in; empty for "/".
	Home string
	// OnError is told of every failure that is not the browser's, with its cause;
	// nil for nobody.
	OnError func(ctx context.Context, doing string, err error)
}

// Web serves the pages. Make it with [New].
type Web struct {
	sessions    Sessions
	connections Connections
	options     Options
	pages       *template.Template
	css         []byte
	cssPath     string
	csp         string
	origins     *http.CrossOriginProtection
}

// New returns the pages over what they show.
func New(s Sessions, c Connections, o Options) (*Web, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" || (public.Scheme != "http" && public.Scheme != "https") {
		return nil, fmt.Errorf("the public URL %q is not one: write it as browsers reach Debrief, such as https://debrief.example.com", o.PublicURL)
	}
	if o.AuthorizeURL == "" {
		o.AuthorizeURL = "https://app.hubspot.com/oauth/authorize"
	}
	authorize, err := url.Parse(o.AuthorizeURL)
	if err != nil || authorize.Host == "" {
		return nil, fmt.Errorf("HubSpot's authorize URL %q is not one", o.AuthorizeURL)
	}
	if o.Home == "" {
		o.Home = "/"
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, string, error) {}
	}
	pages, err := template.ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	css, err := files.ReadFile("pages/style.css")
	if err != nil {
		return nil, fmt.Errorf("reading the style: %w", err)
	}
	sum := sha256.Sum256(css)
	// A browser checks a form's target again when the answer redirects: without
	// these origins, "Continue" to HubSpot and "Sign in" with a home elsewhere
	// would do nothing in Chrome.
	targets := "'self' " + authorize.Scheme + "://" + authorize.Host
	home, err := url.Parse(o.Home)
	if err != nil {
		return nil, fmt.Errorf("the address %q to go to after signing in is not one", o.Home)
	}
	if home.Host != "" {
		targets += " " + home.Scheme + "://" + home.Host
	}
	w := &Web{
		sessions: s, connections: c, options: o, pages: pages, css: css,
		// The name changes with the content, so that it may be cached for ever.
		cssPath: "/static/style-" + hex.EncodeToString(sum[:6]) + ".css",
		csp:     "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action " + targets,
		origins: http.NewCrossOriginProtection(),
	}
	if err := w.origins.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("the public URL %q is not one: %w", o.PublicURL, err)
	}
	return w, nil
}

// Register adds the pages to a router.
func (w *Web) Register(r gin.IRouter) {
	r.GET(w.cssPath, w.style)
	pages := r.Group("/", w.headers, w.sameSite)
	pages.GET("/session/:token", w.showSignIn)
	pages.POST("/session/:token", w.signIn)
	pages.GET("/connect/:token", w.showConnect)
	pages.POST("/connect/:token", w.connect)
	pages.GET(connections.CallbackPath, w.callback)
}

// Session returns who the request's browser is signed in as, or
// store.ErrNotFound.
func (w *Web) Session(r *http.Request) (store.Session, error) {
	cookie, err := r.Cookie(SessionCookie)
	if err != nil {
		return store.Session{}, store.ErrNotFound
	}
	return w.sessions.Session(r.Context(), store.Secret(cookie.Value))
}

// IsOperator says whether the request's browser is signed in as the operator of
// this installation, who may read what is in Temporal.
func (w *Web) IsOperator(r *http.Request) bool {
	session, err := w.Session(r)
	return err == nil && session.IsOperator
}

func (w *Web) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", w.csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	// The addresses of these pages are secrets. (Not no-referrer: browsers then
	// send "Origin: null" with our own forms, too.)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
}

// sameSite refuses forms that another site's page sends.
func (w *Web) sameSite(c *gin.Context) {
	if err := w.origins.Check(c.Request); err != nil {
		w.fail(c, http.StatusForbidden, "This came from another site", "The form was not sent from Debrief's own page, so nothing was done. Open the link itself and click there.")
		c.Abort()
	}
}

func (w *Web) style(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, "text/css; charset=utf-8", w.css)
}

func (w *Web) setCookie(c *gin.Context, name, value string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure where the public URL is: `make dev` has plain http
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: strings.HasPrefix(w.options.PublicURL, "https://"),
		// Lax, not Strict: the browser comes back from HubSpot by a link.
		SameSite: http.SameSiteLaxMode,
	})
}

// page is what every template gets.
type page struct {
	Title string
	CSS   string
	Data  any
}

func (w *Web) render(c *gin.Context, status int, name, title string, data any) {
	var b strings.Builder
	if err := w.pages.ExecuteTemplate(&b, name, page{Title: title, CSS: w.cssPath, Data: data}); err != nil {
		w.options.OnError(c.Request.Context(), "rendering "+name, err)
		c.Data(http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("Something went wrong on our side."))
		return
	}
	c.Data(status, "text/html; charset=utf-8", []byte(b.String()))
}

func (w *Web) fail(c *gin.Context, status int, title, sentence string) {
	w.render(c, status, "error.html", title, sentence)
}

func (w *Web) showSignIn(c *gin.Context) {
	if err := w.sessions.CheckSignInLink(c.Request.Context(), store.Secret(c.Param("token"))); err != nil {
		w.signInFailed(c, err)
		return
	}
	w.render(c, http.StatusOK, "sign-in.html", "Sign in to Debrief", c.Request.URL.EscapedPath())
}

func (w *Web) signIn(c *gin.Context) {
	session, err := w.sessions.SignIn(c.Request.Context(), store.Secret(c.Param("token")))
	if err != nil {
		w.signInFailed(c, err)
		return
	}
	w.setCookie(c, SessionCookie, session.Reveal(), int(store.SessionTTL.Seconds()))
	c.Redirect(http.StatusSeeOther, w.options.Home)
}

func (w *Web) signInFailed(c *gin.Context, err error) {
	title := "This link does not sign you in"
	switch {
	case errors.Is(err, store.ErrExpired):
		w.fail(c, http.StatusGone, title, "It has expired: a sign-in link works for 15 minutes. Ask for a new one.")
	case errors.Is(err, store.ErrUsed):
		w.fail(c, http.StatusGone, title, "It was used already: a sign-in link works once. If it was not you who used it, tell whoever runs Debrief. Ask for a new one.")
	case errors.Is(err, store.ErrNotFound):
		w.fail(c, http.StatusNotFound, title, "It is not known here. Check that it was copied whole, or ask for a new one.")
	default:
		w.options.OnError(c.Request.Context(), "signing in", err)
		w.fail(c, http.StatusServiceUnavailable, "Signing in does not work just now", "Something went wrong on our side. Try the link again in a minute.")
	}
}

type connectPage struct {
	connections.Invitation
	Action string
	Scopes []connections.Scope
}

func (w *Web) showConnect(c *gin.Context) {
	invitation, err := w.connections.Invitation(c.Request.Context(), store.Secret(c.Param("token")))
	if err != nil {
		w.connectFailed(c, "reading a link to connect", err)
		return
	}
	w.render(c, http.StatusOK, "connect.html", "Connect HubSpot", connectPage{
		Invitation: invitation, Action: c.Request.URL.EscapedPath(), Scopes: connections.Scopes(),
	})
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
	w.setCookie(c, browserCookie, browser, int(store.AttemptTTL.Seconds()))
	c.Redirect(http.StatusSeeOther, to)
}

func (w *Web) callback(c *gin.Context) {
	browser, _ := c.Cookie(browserCookie)
	result, err := w.connections.Callback(c.Request.Context(), connections.Return{
		State: store.Secret(c.Query("state")), Code: store.Secret(c.Query("code")), Error: c.Query("error"), Browser: store.Secret(browser),
	})
	if err != nil {
		w.connectFailed(c, "connecting", err)
		return
	}
	w.render(c, http.StatusOK, "connected.html", "HubSpot is connected", result)
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
