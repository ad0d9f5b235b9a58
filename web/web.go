package web

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

//go:embed pages assets
var files embed.FS

const (
	// SessionCookie holds the token of a signed-in browser.
	SessionCookie = "debrief_session"
	// browserCookie ties OAuth's state to the browser that began to connect
	// HubSpot, and signInCookie to the one that began to sign in.
	browserCookie = "debrief_connect"
	signInCookie  = "debrief_sign_in"
)

// Store is what the pages need of the store.
type Store interface {
	Sessions
	People
	IdentityProviders
	Grants
	Questions
	MeetingPages
	Changes
	Permitting
	Received
	Trail
	Settings
	BriefingSettings
	Briefings
	Models
}

// Sessions is what signing in and staying so needs.
type Sessions interface {
	CheckSignInLink(ctx context.Context, token store.Secret) error
	SignIn(ctx context.Context, token store.Secret) (store.Secret, store.SignedIn, error)
	Session(ctx context.Context, token store.Secret) (store.Session, error)
	EndSession(ctx context.Context, token store.Secret) error
	Organizations(ctx context.Context) ([]store.Organization, error)
	ChooseOrganization(ctx context.Context, token store.Secret, organizationID uuid.UUID) error
}

// Options say where the pages are and where they lead.
type Options struct {
	// PublicURL is this installation's address as browsers reach it. With https,
	// cookies are for https only.
	PublicURL string
	// AuthorizeURL is HubSpot's consent page; empty for HubSpot's own. A form may
	// lead there and nowhere else.
	AuthorizeURL string
	// Home is where the operator's browser goes after signing in; empty for "/".
	// Everybody else goes to "/".
	Home string
	// WorkflowURL is where the operator sees the workflow of a meeting; nil for
	// nowhere.
	WorkflowURL func(meetingID uuid.UUID) string
	// Preview says what would come of a delivery; nil shows nothing of it.
	Preview Preview
	// Schemas lists an organization's custom objects; nil where they are typed.
	Schemas Schemas
	// HTTPClient asks identity providers; nil for one with a timeout of 10 seconds.
	HTTPClient *http.Client
	// Closing ends the live updates of open pages when it is closed, so that the
	// server can shut down; nil for never.
	Closing <-chan struct{}
	// OnError is told of every failure that is not the browser's, with its cause;
	// nil for nobody.
	OnError func(ctx context.Context, doing string, err error)
}

// Web serves the pages. Make it with [New].
type Web struct {
	store       Store
	connections Connections
	options     Options
	// pages are the templates by the language that their words are printed in.
	pages map[string]*template.Template
	// printers are by language, too.
	printers map[string]words.Printer
	style    asset
	script   asset
	csp      string
	changes  *changes
	origins  *http.CrossOriginProtection
}

// New returns the pages over what they show.
func New(s Store, c Connections, o Options) (*Web, error) {
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
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, string, error) {}
	}
	w := &Web{store: s, connections: c, options: o, origins: http.NewCrossOriginProtection()}
	if err := w.readFiles(); err != nil {
		return nil, err
	}
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
	w.csp = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action " + targets
	w.changes = newChanges(s, o.OnError)
	if err := w.origins.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("the public URL %q is not one: %w", o.PublicURL, err)
	}
	return w, nil
}

// readFiles reads the templates, once for each language, and what pages load.
func (w *Web) readFiles() error {
	w.pages, w.printers = map[string]*template.Template{}, map[string]words.Printer{}
	for _, language := range words.Languages() {
		printer := words.In(language)
		pages, err := template.New("").Funcs(template.FuncMap{
			"known": printer.Known, "t": printer.T, "plural": printer.Plural,
			"when": func(at any) string { return when(printer, at) }, "day": func(at any) string { return day(printer, at) },
			"moment": func(at any) template.HTML { return moment(printer, at) },
			"join":   strings.Join,
		}).ParseFS(files, "pages/*.html")
		if err != nil {
			return fmt.Errorf("reading the pages: %w", err)
		}
		w.pages[language], w.printers[language] = pages, printer
	}
	var err error
	if w.style, err = readAsset("style", "css", "text/css; charset=utf-8"); err != nil {
		return err
	}
	w.script, err = readAsset("debrief", "js", "text/javascript; charset=utf-8")
	return err
}

// asset is a file that pages load.
type asset struct {
	// path changes with the content, so that it may be cached for ever.
	path        string
	contentType string
	content     []byte
}

func readAsset(name, extension, contentType string) (asset, error) {
	folder := map[string]string{"css": "pages", "js": "assets"}[extension]
	content, err := files.ReadFile(folder + "/" + name + "." + extension)
	if err != nil {
		return asset{}, fmt.Errorf("reading the file %s: %w", name, err)
	}
	sum := sha256.Sum256(content)
	return asset{path: "/static/" + name + "-" + hex.EncodeToString(sum[:6]) + "." + extension, contentType: contentType, content: content}, nil
}

func (a asset) serve(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, a.contentType, a.content)
}

// Register adds the pages to a router.
func (w *Web) Register(r gin.IRouter) {
	r.GET(w.style.path, w.style.serve)
	r.GET(w.script.path, w.script.serve)
	pages := r.Group("/", w.headers, w.sameSite, limitBody)
	pages.GET("/session/:token", w.showSignIn)
	pages.POST("/session/:token", w.signIn)
	pages.GET("/connect/:token", w.showConnect)
	pages.POST("/connect/:token", w.connect)
	pages.GET(connections.CallbackPath, w.callback)
	pages.POST(connections.CallbackPath, w.settle)

	pages.GET("/sign-in", w.showOpenID)
	pages.POST("/sign-in", w.beginOpenID)
	pages.GET(SignInCallbackPath, w.finishOpenID)
	pages.POST("/sign-out", w.signOut)

	in := pages.Group("/", w.signedIn)
	in.GET("/organization", w.showOrganizations)
	in.POST("/organization", w.chooseOrganization)

	inside := in.Group("/", w.inOrganization)
	inside.GET("/", w.home)
	inside.GET("/overview", w.start)
	w.registerInbox(inside)
	w.registerTools(inside)
	w.registerDeliveries(inside)
	w.registerAudit(inside)
	w.registerSettings(inside)
	w.registerBriefingSettings(inside)
	w.registerBriefings(inside)
	inside.GET("/people", w.showPeople)
	inside.GET("/people/:id", w.requireRole(store.RoleAdmin, store.RoleApprover, store.RoleMember), w.showPerson)
	inside.GET("/connections", w.showConnections)

	admin := inside.Group("/people", w.requireRole(store.RoleAdmin))
	admin.POST("", w.addPerson)
	admin.POST("/:id", w.changePerson)
	admin.POST("/:id/identities", w.addIdentity)
	admin.POST("/:id/identities/remove", w.removeIdentity)
	admin.POST("/:id/merge", w.mergePeople)
	admin.POST("/:id/deactivate", w.deactivatePerson)
	admin.POST("/:id/reactivate", w.reactivatePerson)

	hubspot := inside.Group("/connections", w.requireRole(store.RoleAdmin))
	hubspot.POST("", w.newConnection)
	hubspot.GET("/:id", w.showConnection)
	hubspot.POST("/:id/login", w.reconnect)
	hubspot.POST("/:id/default", w.makeDefault)
	hubspot.POST("/:id/any-environment", w.switchAnyEnvironment)
	hubspot.POST("/:id/reveal", w.switchReveal)
	hubspot.POST("/:id/rules", w.addRule)
	hubspot.POST("/:id/rules/remove", w.removeRule)
	hubspot.GET("/:id/disconnect", w.showDisconnect)
	hubspot.POST("/:id/disconnect", w.disconnect)
	hubspot.POST("/:id/uninstall", w.uninstall)
}

// Session returns who the request's browser is signed in as, or
// store.ErrNotFound.
func (w *Web) Session(r *http.Request) (store.Session, error) {
	cookie, err := r.Cookie(SessionCookie)
	if err != nil {
		return store.Session{}, store.ErrNotFound
	}
	return w.store.Session(r.Context(), store.Secret(cookie.Value))
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

func (w *Web) setCookie(c *gin.Context, name, value string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure where the public URL is: `make dev` has plain http
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: strings.HasPrefix(w.options.PublicURL, "https://"),
		// Lax, not Strict: the browser comes back from HubSpot by a link.
		SameSite: http.SameSiteLaxMode,
	})
}

// page is what every template gets. Session is who is signed in, if the page is
// for somebody who is.
type page struct {
	Title    string
	Language string
	CSS, JS  string
	Section  string
	// Wide is for a table.
	Wide bool
	// Live is the address of the changes that the page follows; empty for none.
	Live    string
	Session *store.Session
	Data    any
}

// liveKey is where a request keeps [page.Live].
const liveKey = "live"

// widePages have tables.
var widePages = []string{"connections.html", "meetings.html", "tools.html", "deliveries.html", "audit.html", "briefings.html"}

// printer writes in the reader's language: the person's, or before somebody has
// signed in the browser's.
func (w *Web) printer(c *gin.Context) words.Printer {
	if session, ok := c.Get(sessionKey); ok {
		if session, ok := session.(*store.Session); ok && !session.IsOperator {
			return w.printers[words.In(session.Language).Language()]
		}
	}
	for wanted := range strings.SplitSeq(c.GetHeader("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(wanted), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if p, ok := w.printers[base]; ok {
			return p
		}
	}
	return words.Printer{}
}

// render writes a page. The title is in the reader's language already.
func (w *Web) render(c *gin.Context, status int, name, title string, data any) {
	var b strings.Builder
	language := w.printer(c).Language()
	p := page{Title: title, Language: language, CSS: w.style.path, Section: section(c), Wide: slices.Contains(widePages, name), Live: c.GetString(liveKey), Data: data}
	if session, ok := c.Get(sessionKey); ok {
		p.Session, _ = session.(*store.Session)
		p.JS = w.script.path
	}
	if err := w.pages[language].ExecuteTemplate(&b, name, p); err != nil {
		w.options.OnError(c.Request.Context(), "rendering "+name, err)
		c.Data(http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("Something went wrong on our side."))
		return
	}
	c.Data(status, "text/html; charset=utf-8", []byte(b.String()))
}

// fail says that something was not done, and why, in English or in the reader's
// language already.
func (w *Web) fail(c *gin.Context, status int, title, sentence string) {
	p := w.printer(c)
	w.render(c, status, "error.html", p.Known(title), p.Known(sentence))
}

func (w *Web) showSignIn(c *gin.Context) {
	if err := w.store.CheckSignInLink(c.Request.Context(), store.Secret(c.Param("token"))); err != nil {
		w.signInFailed(c, err)
		return
	}
	w.render(c, http.StatusOK, "sign-in.html", w.printer(c).T("Sign in to Debrief"), c.Request.URL.EscapedPath())
}

func (w *Web) signIn(c *gin.Context) {
	session, who, err := w.store.SignIn(c.Request.Context(), store.Secret(c.Param("token")))
	if err != nil {
		w.signInFailed(c, err)
		return
	}
	to := "/"
	if who.IsOperator {
		to = w.options.Home
	}
	w.begin(c, session, to)
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
