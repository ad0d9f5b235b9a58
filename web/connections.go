package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

const (
	// handedTTL is how long a link works that is made for somebody else.
	handedTTL = 72 * time.Hour
	// shownAttempts is how many attempts to connect are listed.
	shownAttempts = 20
	// maxConnectionName bounds a name, in bytes.
	maxConnectionName = 100
)

// Grants is what the pages about connections need of the store.
type Grants interface {
	Connections(ctx context.Context, organizationID uuid.UUID) ([]store.Connection, error)
	Connection(ctx context.Context, organizationID, id uuid.UUID) (store.Connection, error)
	Attempts(ctx context.Context, organizationID uuid.UUID, limit int) ([]store.AttemptReport, error)
	Apps(ctx context.Context, organizationID uuid.UUID) ([]store.App, error)
	Sources(ctx context.Context, organizationID *uuid.UUID) ([]store.Source, error)
	PeopleNames(ctx context.Context, organizationID uuid.UUID) (map[string]string, error)
	Permissions(ctx context.Context, organizationID uuid.UUID) (policy.Permissions, error)
	ConnectionRules(ctx context.Context, organizationID uuid.UUID) ([]store.ConnectionRule, error)
	AddConnectionRule(ctx context.Context, r store.ConnectionRule, actor store.Actor) (store.ConnectionRule, error)
	RemoveConnectionRule(ctx context.Context, organizationID, id uuid.UUID, actor store.Actor) error
	SetDefaultConnection(ctx context.Context, organizationID, id uuid.UUID, actor store.Actor) error
	SetAnyEnvironment(ctx context.Context, organizationID, id uuid.UUID, on bool, actor store.Actor) error
	SetReveal(ctx context.Context, organizationID, id uuid.UUID, on bool, actor store.Actor) error
}

// stateText is how a state reads on a page.
type stateText struct {
	Label, Meaning string
	// Bad: work waits, or will, until somebody does something.
	Bad bool
}

// Two states are of no connection: nothing there yet, and somebody on the way.
var (
	notConnected = stateText{Label: "not connected", Meaning: "There is no connection: work that needs one waits.", Bad: true}
	connecting   = stateText{Label: "connecting", Meaning: "A link is open, or somebody is at HubSpot."}
)

func stateOf(s store.ConnectionState) stateText {
	switch s {
	case store.Connected:
		return stateText{Label: "connected", Meaning: "It works; its tokens are renewed ahead of their end."}
	case store.Expired:
		return stateText{Label: "expired", Meaning: "Its token has run out, and HubSpot can't be reached for a new one. It is tried again by itself."}
	case store.NeedsReconnect:
		return stateText{Label: "needs reconnect", Meaning: "HubSpot refused the grant for good. Work waits, and goes on as soon as somebody connects again.", Bad: true}
	case store.Revoked:
		return stateText{Label: "revoked", Meaning: "It was disconnected from here. Work waits, and goes on as soon as somebody connects again.", Bad: true}
	case store.Uninstalled:
		return stateText{Label: "uninstalled", Meaning: "The app was removed from the HubSpot account. Work waits, and goes on as soon as somebody connects again.", Bad: true}
	case store.Misconfigured:
		return stateText{Label: "misconfigured", Meaning: "HubSpot does not accept the app's ID, secret or redirect address. Nothing is lost: whoever runs Debrief has to correct that.", Bad: true}
	}
	return stateText{Label: string(s), Bad: true}
}

// connectionView is a connection as the pages show it.
type connectionView struct {
	store.Connection
	Status stateText
	// Connecting: somebody is about to connect it again.
	Connecting  bool
	InstalledBy string
	// Missing are the scopes that are asked for and were not granted.
	Missing []string
}

// Kind says what it acts as.
func (v connectionView) Kind() string {
	switch {
	case v.IsStatic():
		return "static token"
	case v.IsUserLevel:
		return "user"
	default:
		return "account"
	}
}

// Type is the account's type in small letters; empty if HubSpot did not tell.
func (v connectionView) Type() string {
	return strings.ToLower(strings.ReplaceAll(v.AccountType, "_", " "))
}

// ScopesKnown: HubSpot says what a grant is good for, but not an imported token.
func (v connectionView) ScopesKnown() bool { return len(v.Scopes) > 0 }

// Ended says whether only connecting again helps.
func (v connectionView) Ended() bool { return v.State.Ended() }

// AppsURL is HubSpot's page Settings → Integrations → Connected Apps.
func (v connectionView) AppsURL() string {
	return fmt.Sprintf("https://app.hubspot.com/integrations-settings/%d/installed", v.HubID)
}

func (w *Web) view(c store.Connection, names map[string]string, open map[string]bool) connectionView {
	v := connectionView{Connection: c, Status: stateOf(c.State), Connecting: open[c.Name], InstalledBy: installedBy(c, names)}
	for _, scope := range w.connections.Provider().Scopes {
		if v.ScopesKnown() && !slices.Contains(c.Scopes, scope) {
			v.Missing = append(v.Missing, scope)
		}
	}
	return v
}

// installedBy is who granted a connection, as far as HubSpot said.
func installedBy(c store.Connection, names map[string]string) string {
	if c.PersonID != nil && names[c.PersonID.String()] != "" {
		return names[c.PersonID.String()]
	}
	if c.UserID != 0 {
		return "HubSpot user " + strconv.FormatInt(c.UserID, 10)
	}
	return "unknown"
}

type connectionsPage struct {
	Counts          []stateCount
	MaySee, IsAdmin bool
	Connections     []connectionView
	// Accounts has one connection for each HubSpot account.
	Accounts []connectionView
	// Coming are the names under which somebody is about to connect, without a
	// connection of that name.
	Coming           []string
	Connecting, None stateText
	Attempts         []attemptView
	Apps             []store.App
	Problem          string
	Name, App, HubID string
}

type stateCount struct {
	stateText
	Count int
}

type attemptView struct {
	store.AttemptReport
	// Lost: sent to HubSpot, and never seen again.
	Lost bool
}

// open says whether the attempt may still end well.
func (a attemptView) open() bool {
	return a.Outcome == "at HubSpot" || a.Outcome == "link waits"
}

func (w *Web) showConnections(c *gin.Context) {
	w.renderConnections(c, http.StatusOK, connectionsPage{})
}

func (w *Web) renderConnections(c *gin.Context, status int, data connectionsPage) {
	ctx, organizationID := c.Request.Context(), organization(c)
	all, err := w.store.Connections(ctx, organizationID)
	var names map[string]string
	if err == nil {
		names, err = w.store.PeopleNames(ctx, organizationID)
	}
	if err == nil {
		data.Attempts, err = w.attempts(ctx, organizationID)
	}
	if err == nil {
		data.Apps, err = w.store.Apps(ctx, organizationID)
	}
	if err != nil {
		w.broken(c, "reading connections", err)
		return
	}
	open := openNames(data.Attempts)
	for _, connection := range all {
		v := w.view(connection, names, open)
		data.Connections = append(data.Connections, v)
		if !slices.ContainsFunc(data.Accounts, func(a connectionView) bool { return a.HubID == v.HubID }) {
			data.Accounts = append(data.Accounts, v)
		}
	}
	for _, a := range data.Attempts {
		named := slices.ContainsFunc(all, func(c store.Connection) bool { return c.Name == a.ConnectionName })
		if a.open() && !named && !slices.Contains(data.Coming, a.ConnectionName) {
			data.Coming = append(data.Coming, a.ConnectionName)
		}
	}
	data.Connecting, data.None = connecting, notConnected
	data.Counts = countStates(data.Connections, len(data.Coming))
	role := sessionOf(c).Role
	data.MaySee, data.IsAdmin = role != store.RoleViewer, role == store.RoleAdmin
	w.render(c, status, "connections.html", w.printer(c).T("Connections to HubSpot"), data)
}

func (w *Web) attempts(ctx context.Context, organizationID uuid.UUID) ([]attemptView, error) {
	all, err := w.store.Attempts(ctx, organizationID, shownAttempts)
	out := make([]attemptView, 0, len(all))
	for _, a := range all {
		out = append(out, attemptView{AttemptReport: a, Lost: strings.HasPrefix(a.Outcome, "never came back")})
	}
	return out, err
}

func openNames(attempts []attemptView) map[string]bool {
	open := map[string]bool{}
	for _, a := range attempts {
		if a.open() {
			open[a.ConnectionName] = true
		}
	}
	return open
}

// countStates is what everybody may know, in the order in which states first
// occur.
func countStates(all []connectionView, coming int) []stateCount {
	var out []stateCount
	for _, v := range all {
		at := slices.IndexFunc(out, func(s stateCount) bool { return s.Label == v.Status.Label })
		if at < 0 {
			at, out = len(out), append(out, stateCount{stateText: v.Status})
		}
		out[at].Count++
	}
	if coming > 0 {
		out = append(out, stateCount{connecting, coming})
	}
	return out
}

func (w *Web) newConnection(c *gin.Context) {
	in := connectionsPage{Name: strings.TrimSpace(c.PostForm("name")), App: c.PostForm("app"), HubID: strings.TrimSpace(c.PostForm("account"))}
	refuse := func(problem string) {
		in.Problem = problem
		w.renderConnections(c, http.StatusConflict, in)
	}
	if in.Name == "" || len(in.Name) > maxConnectionName {
		refuse("Give the connection a name, of at most a hundred letters.")
		return
	}
	all, err := w.store.Connections(c.Request.Context(), organization(c))
	if err != nil {
		w.broken(c, "reading connections", err)
		return
	}
	if slices.ContainsFunc(all, func(c store.Connection) bool { return c.Name == in.Name }) {
		refuse("There is a connection of that name already. To connect it again, open it and reconnect; else choose another name.")
		return
	}
	r := connections.LoginRequest{OrganizationID: organization(c), Name: in.Name}
	if r.AppID, err = uuid.Parse(in.App); err != nil {
		refuse("Choose the app to connect through.")
		return
	}
	if in.HubID != "" {
		if r.HubID, err = strconv.ParseInt(in.HubID, 10, 64); err != nil || r.HubID <= 0 {
			refuse("A HubSpot account's ID is a number, as HubSpot shows it beside the account's name.")
			return
		}
	}
	w.beginLogin(c, r)
}

type linkPage struct {
	Name string
	connections.Login
}

// beginLogin makes a link to connect, and leads on to it or shows it once, for
// somebody else.
func (w *Web) beginLogin(c *gin.Context, r connections.LoginRequest) {
	handed := c.PostForm("for") == "somebody else"
	if handed {
		r.TTL = handedTTL
	}
	login, err := w.connections.BeginLogin(c.Request.Context(), r, actor(c))
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.fail(c, http.StatusNotFound, "There is no such app", "Your organization has no such app to connect through. The list is at /connections.")
	case err != nil:
		w.broken(c, "making a link to connect", err)
	case handed:
		w.render(c, http.StatusOK, "link.html", w.printer(c).T("A link to hand over"), linkPage{r.Name, login})
	default:
		c.Redirect(http.StatusSeeOther, login.URL)
	}
}

type connectionPage struct {
	connectionView
	App     store.App
	Rules   []ruleView
	Sources []store.Source
	People  []store.Person
	// Optional are the scopes that can be asked for beside the others.
	Optional []optionalScope
	Problem  string
	Done     string
}

type optionalScope struct {
	Name    string
	Granted bool
}

// ruleView is a rule in words.
type ruleView struct {
	ID   uuid.UUID
	When string
}

// connectionDones are what the page may say after a change, by the word in its
// address.
var connectionDones = map[string]string{
	"changed":      "The change is saved.",
	"disconnected": "It is disconnected, and its tokens are deleted, here and in every process.",
	"uninstalled":  "The app is removed from the HubSpot account, and the tokens are deleted, here and in every process.",
}

// connection returns the connection of the page's address, among those of the
// session's organization.
func (w *Web) connection(c *gin.Context) (store.Connection, bool) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		w.noConnection(c)
		return store.Connection{}, false
	}
	found, err := w.store.Connection(c.Request.Context(), organization(c), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.noConnection(c)
	case err != nil:
		w.broken(c, "reading a connection", err)
	}
	return found, err == nil
}

func (w *Web) noConnection(c *gin.Context) {
	w.fail(c, http.StatusNotFound, "There is no such connection", "Your organization has none at this address. The list is at /connections.")
}

func (w *Web) showConnection(c *gin.Context) {
	if connection, ok := w.connection(c); ok {
		w.renderConnection(c, http.StatusOK, connection, "")
	}
}

func (w *Web) renderConnection(c *gin.Context, status int, connection store.Connection, problem string) {
	data := connectionPage{Problem: problem}
	if problem == "" {
		data.Done = connectionDones[c.Query("done")]
	}
	if err := w.readConnection(c.Request.Context(), connection, &data); err != nil {
		w.broken(c, "reading a connection", err)
		return
	}
	w.render(c, status, "connection.html", connection.Name, data)
}

func (w *Web) readConnection(ctx context.Context, connection store.Connection, data *connectionPage) error {
	organizationID := connection.OrganizationID
	attempts, err := w.attempts(ctx, organizationID)
	if err != nil {
		return err
	}
	names, err := w.store.PeopleNames(ctx, organizationID)
	if err != nil {
		return err
	}
	data.connectionView = w.view(connection, names, openNames(attempts))
	apps, err := w.store.Apps(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, app := range apps {
		if app.ID == connection.AppID {
			data.App = app
		}
	}
	if data.People, err = w.store.People(ctx, organizationID); err != nil {
		return err
	}
	if data.Sources, err = w.store.Sources(ctx, &organizationID); err != nil {
		return err
	}
	rules, err := w.store.ConnectionRules(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if r.ConnectionID == connection.ID {
			data.Rules = append(data.Rules, ruleView{ID: r.ID, When: ruleWords(r, data.Sources, names)})
		}
	}
	for _, scope := range w.connections.Provider().OptionalScopes {
		data.Optional = append(data.Optional, optionalScope{scope, slices.Contains(connection.Scopes, scope)})
	}
	return nil
}

func ruleWords(r store.ConnectionRule, sources []store.Source, names map[string]string) string {
	var parts []string
	if r.SourceID != nil {
		name := r.SourceID.String()
		for _, s := range sources {
			if s.ID == *r.SourceID {
				name = s.Name
			}
		}
		parts = append(parts, "from the source "+name)
	}
	if r.HostPersonID != nil {
		name := names[r.HostPersonID.String()]
		if name == "" {
			name = "person " + r.HostPersonID.String()
		}
		parts = append(parts, "hosted by "+name)
	}
	if r.HostDomain != "" {
		parts = append(parts, "hosted by anybody at "+r.HostDomain)
	}
	return "Meetings " + strings.Join(parts, ", ")
}

func (w *Web) reconnect(c *gin.Context) {
	connection, ok := w.connection(c)
	if !ok {
		return
	}
	if connection.IsStatic() {
		w.renderConnection(c, http.StatusConflict, connection, "This is an imported token: there is no app to connect it through. Import a new token in its place.")
		return
	}
	scopes := c.PostFormArray("scope")
	if err := w.connections.Provider().CheckScopes(scopes); err != nil {
		w.renderConnection(c, http.StatusConflict, connection, "The app does not declare one of these scopes, so HubSpot would refuse them all.")
		return
	}
	w.beginLogin(c, connections.LoginRequest{
		OrganizationID: connection.OrganizationID, AppID: connection.AppID, Name: connection.Name, HubID: connection.HubID, OptionalScopes: scopes,
	})
}

// changeConnection does one thing to the connection of the page, and shows the
// page again.
func (w *Web) changeConnection(c *gin.Context, done string, do func(ctx context.Context, connection store.Connection) error) {
	connection, ok := w.connection(c)
	if !ok {
		return
	}
	err := do(c.Request.Context(), connection)
	var refusal *store.Refusal
	var refused *connections.LoginError
	switch {
	case errors.As(err, &refusal):
		w.renderConnection(c, http.StatusConflict, connection, sentence(refusal))
	case errors.As(err, &refused):
		w.options.OnError(c.Request.Context(), "ending a connection", err)
		// Its state may be another one by now.
		if connection, ok = w.connection(c); ok {
			w.renderConnection(c, http.StatusBadGateway, connection, refused.Public())
		}
	case errors.Is(err, store.ErrNotFound):
		w.noConnection(c)
	case err != nil:
		w.broken(c, "changing a connection", err)
	default:
		c.Redirect(http.StatusSeeOther, "/connections/"+connection.ID.String()+"?done="+done)
	}
}

func (w *Web) makeDefault(c *gin.Context) {
	w.changeConnection(c, "changed", func(ctx context.Context, connection store.Connection) error {
		return w.store.SetDefaultConnection(ctx, connection.OrganizationID, connection.ID, actor(c))
	})
}

func (w *Web) switchAnyEnvironment(c *gin.Context) {
	w.changeConnection(c, "changed", func(ctx context.Context, connection store.Connection) error {
		return w.store.SetAnyEnvironment(ctx, connection.OrganizationID, connection.ID, c.PostForm("on") == "yes", actor(c))
	})
}

func (w *Web) switchReveal(c *gin.Context) {
	w.changeConnection(c, "changed", func(ctx context.Context, connection store.Connection) error {
		return w.store.SetReveal(ctx, connection.OrganizationID, connection.ID, c.PostForm("on") == "yes", actor(c))
	})
}

func (w *Web) addRule(c *gin.Context) {
	w.changeConnection(c, "changed", func(ctx context.Context, connection store.Connection) error {
		r := store.ConnectionRule{OrganizationID: connection.OrganizationID, ConnectionID: connection.ID, HostDomain: strings.TrimSpace(c.PostForm("domain"))}
		for field, to := range map[string]**uuid.UUID{"source": &r.SourceID, "host": &r.HostPersonID} {
			chosen := c.PostForm(field)
			if chosen == "" {
				continue
			}
			id, err := uuid.Parse(chosen)
			if err != nil {
				return store.ErrNotFound
			}
			*to = &id
		}
		if r.SourceID == nil && r.HostPersonID == nil && r.HostDomain == "" {
			return &store.Refusal{Sentence: "say for which meetings: choose a source or a host, or name a host's domain. For everything else there is the default connection"}
		}
		_, err := w.store.AddConnectionRule(ctx, r, actor(c))
		return err
	})
}

func (w *Web) removeRule(c *gin.Context) {
	w.changeConnection(c, "changed", func(ctx context.Context, connection store.Connection) error {
		id, err := uuid.Parse(c.PostForm("rule"))
		if err != nil {
			return store.ErrNotFound
		}
		return w.store.RemoveConnectionRule(ctx, connection.OrganizationID, id, actor(c))
	})
}

type disconnectPage struct {
	connectionView
	Problem string
}

func (w *Web) showDisconnect(c *gin.Context) {
	if connection, ok := w.connection(c); ok {
		w.renderDisconnect(c, http.StatusOK, connection, "")
	}
}

func (w *Web) renderDisconnect(c *gin.Context, status int, connection store.Connection, problem string) {
	w.render(c, status, "disconnect.html", w.printer(c).T("Disconnect %s?", connection.Name), disconnectPage{w.view(connection, nil, nil), problem})
}

func (w *Web) disconnect(c *gin.Context) {
	w.changeConnection(c, "disconnected", func(ctx context.Context, connection store.Connection) error {
		return w.connections.Disconnect(ctx, connection.OrganizationID, connection.ID, actor(c))
	})
}

func (w *Web) uninstall(c *gin.Context) {
	connection, ok := w.connection(c)
	if !ok {
		return
	}
	if strings.TrimSpace(c.PostForm("name")) != connection.Name {
		w.renderDisconnect(c, http.StatusConflict, connection, "Nothing was done: type the connection's name, exactly as it is written here, to uninstall.")
		return
	}
	w.changeConnection(c, "uninstalled", func(ctx context.Context, connection store.Connection) error {
		return w.connections.Uninstall(ctx, connection.OrganizationID, connection.ID, actor(c))
	})
}

// when is a moment as words: the page's script, if there is one, says it in the
// reader's own time zone where it stands in [moment].
func when(p words.Printer, t any) string {
	switch at := t.(type) {
	case *time.Time:
		if at == nil {
			return p.T("never")
		}
		return when(p, *at)
	case time.Time:
		if p.Language() == "en" {
			return at.UTC().Format("2 Jan 2006, 15:04 UTC")
		}
		return p.DateTime(at.UTC())
	}
	return ""
}

// day is the day of a moment, in UTC.
func day(p words.Printer, t any) string {
	switch at := t.(type) {
	case *time.Time:
		if at == nil {
			return p.T("never")
		}
		return day(p, *at)
	case time.Time:
		return p.Date(at.UTC())
	}
	return ""
}

// moment is [when] as an element that the page's script can read.
func moment(p words.Printer, t any) template.HTML {
	at, ok := t.(time.Time)
	if pointer, isPointer := t.(*time.Time); isPointer && pointer != nil {
		at, ok = *pointer, true
	}
	if !ok {
		return template.HTML(template.HTMLEscapeString(when(p, t))) //nolint:gosec // escaped
	}
	//nolint:gosec // times alone, and escaped
	return template.HTML(`<time datetime="` + at.UTC().Format(time.RFC3339) + `">` + template.HTMLEscapeString(when(p, at)) + `</time>`)
}
