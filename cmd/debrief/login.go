package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/store"
)

type connectionsLoginCmd struct {
	jsonFlag

	Name     string        `arg:"" help:"Name of the connection, new or one to reconnect."`
	App      string        `help:"The app to connect through, by name; needed where there are several."`
	Account  int64         `help:"The HubSpot account that it has to be, by its ID." placeholder:"HUBID"`
	Scopes   []string      `help:"Optional scopes to ask for as well; the app has to declare them."`
	ValidFor time.Duration `help:"How long the link works: give it hours or days to hand it to an admin; a week at most." default:"15m"`
	Replace  bool          `help:"With --terminal, where the account is connected already: let the connection that is there go on with the new grant."`
	Terminal bool          `help:"Do it here: HubSpot's answer comes back to http://localhost:PORT, or is pasted (on a machine without a browser)."`
	Port     int           `help:"The port of --terminal. The app has to declare http://localhost:PORT/oauth/hubspot/callback." default:"8737"`
}

func (c *connectionsLoginCmd) Run(ctx context.Context, a *app) error {
	if err := a.hubSpot().CheckScopes(c.Scopes); err != nil {
		return usagef("%s", err)
	}
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	hubspotApp, err := c.app(ctx, a, s, o)
	if err != nil {
		return err
	}
	if c.Replace && !c.Terminal {
		return usagef("--replace goes with --terminal: the page that the link leads to asks by itself")
	}
	if c.Scopes, err = c.keepOptional(ctx, a, s, o); err != nil {
		return err
	}
	request := connections.LoginRequest{
		OrganizationID: o.ID, AppID: hubspotApp.ID, Name: c.Name, HubID: c.Account, OptionalScopes: c.Scopes, TTL: c.ValidFor,
	}
	if c.Terminal {
		return c.here(ctx, a, s, request)
	}
	login, err := a.connectionsService(s).BeginLogin(ctx, request, store.Operator)
	if err != nil {
		return err
	}
	shown := struct {
		URL       string `json:"url"`
		ExpiresAt string `json:"expires_at"`
	}{login.URL, login.ExpiresAt.UTC().Format(time.RFC3339)}
	return a.show(c.JSON, shown, func() {
		a.say("Open this in a browser, once, before %s:\n\n  %s\n\nWho clicks has to be a Super Admin of the HubSpot account, or to have App Marketplace access.",
			login.ExpiresAt.Local().Format("2006-01-02 15:04"), login.URL)
	})
}

// keepOptional returns the optional scopes to ask for: those that were named, and
// those that the connection has. What is not asked for again would be lost.
func (c *connectionsLoginCmd) keepOptional(ctx context.Context, a *app, s *store.Store, o store.Organization) ([]string, error) {
	known, err := s.ConnectionByName(ctx, o.ID, c.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	scopes := slices.Clone(c.Scopes)
	for _, scope := range a.hubSpot().OptionalScopes {
		if slices.Contains(known.Scopes, scope) && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

func (c *connectionsLoginCmd) app(ctx context.Context, a *app, s *store.Store, o store.Organization) (store.App, error) {
	if c.App != "" {
		found, err := s.AppByName(ctx, o.ID, c.App)
		if errors.Is(err, store.ErrNotFound) {
			return store.App{}, &notFoundError{fmt.Sprintf("there is no app named %q: `debrief apps list` shows them", c.App)}
		}
		return found, err
	}
	apps, err := s.Apps(ctx, o.ID)
	switch {
	case err != nil:
		return store.App{}, err
	case len(apps) == 0 && a.terminal() != nil:
		// Asked for once, and never on the command line.
		id, err := a.ask("There is no HubSpot app yet. Client ID of yours: ")
		if err != nil {
			return store.App{}, err
		}
		secret, err := a.readSecret("", "client secret")
		if err != nil {
			return store.App{}, err
		}
		return s.CreateApp(ctx, store.App{OrganizationID: o.ID, Name: "hubspot", Level: store.AccountLevel, ClientID: id}, secret, store.Operator)
	case len(apps) == 0:
		return store.App{}, usagef("there is no HubSpot app yet: `debrief apps add NAME`")
	case len(apps) > 1:
		return store.App{}, usagef("there are several apps: name one with --app")
	default:
		return apps[0], nil
	}
}

// here connects without Debrief's own pages: what HubSpot sends the browser back
// with comes to a port of this machine, which is the only plain http that
// HubSpot allows, or is pasted by whoever has the browser elsewhere.
func (c *connectionsLoginCmd) here(ctx context.Context, a *app, s *store.Store, request connections.LoginRequest) error {
	base := fmt.Sprintf("http://localhost:%d", c.Port)
	service := connections.New(s, connections.Options{PublicURL: base, Provider: a.hubSpot(), HTTPClient: a.httpClient()})
	login, err := service.BeginLogin(ctx, request, store.Operator)
	if err != nil {
		return err
	}
	browser := store.Secret(rand.Text())
	authorize, err := service.Authorize(ctx, store.Secret(strings.TrimPrefix(login.URL, base+"/connect/")), browser)
	if err != nil {
		return publicly(err)
	}
	ctx, cancel := context.WithDeadline(ctx, login.ExpiresAt)
	defer cancel()
	answers := make(chan answer)
	stop, err := c.listen(ctx, answers)
	if err != nil {
		// A pasted address does without it. Who has the port gets a code that is
		// worth nothing without the app's secret.
		_, _ = fmt.Fprintf(a.err, "Nothing can listen on port %d (%s). If you don't know what does, end this and name another --port that the app declares; else paste the address.\n", c.Port, err)
	} else {
		defer stop()
	}
	_, _ = fmt.Fprintf(a.err, "Open this in a browser:\n\n  %s\n\nOn another machine: the browser ends at an address that begins with %s and does not load.\nPaste that address here and press Enter.\n", authorize, base)
	go a.pasted(ctx, answers)

	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody came back from HubSpot. If HubSpot said %q, docs/connecting-hubspot.md says what that means", roleRefusal)
		case in := <-answers:
			in.Browser = browser
			result, err := c.finish(ctx, service, in.Return)
			if in.done != nil {
				in.done <- err
			}
			if strayAnswer(err) {
				// Any page and any user of this machine can call this address: what
				// is not HubSpot's answer to this login does not end it.
				_, _ = fmt.Fprintln(a.err, "That was no answer to this login. Waiting for HubSpot's.")
				continue
			}
			if err != nil {
				return publicly(err)
			}
			return a.show(c.JSON, result.Connection, func() {
				a.say("%s is connected to HubSpot account %d %s. Everything is still off: `debrief tools list` shows what may be allowed.",
					result.Connection.Name, result.Connection.HubID, result.Connection.HubDomain)
				if len(result.Missing) > 0 {
					a.say("HubSpot did not grant: %s", strings.Join(result.Missing, ", "))
				}
			})
		}
	}
}

// finish ends the login, and answers the question what should become of a
// connection that is there: it is kept, unless --replace said otherwise.
func (c *connectionsLoginCmd) finish(ctx context.Context, service *connections.Service, in connections.Return) (connections.Result, error) {
	result, err := service.Callback(ctx, in)
	exists, ok := errors.AsType[*store.ExistsError](err)
	switch {
	case !ok:
		return result, err
	case c.Replace:
		return service.Replace(ctx, in.State, in.Browser)
	}
	refusal := &store.Refusal{Sentence: fmt.Sprintf(
		"HubSpot account %d is connected already, as %q, and nothing was replaced: log in with --replace to let that connection go on with the new grant", exists.Connection.HubID, exists.Connection.Name)}
	if err := service.Keep(ctx, in.State, in.Browser); err != nil {
		return result, errors.Join(refusal, err)
	}
	return result, refusal
}

// strayAnswer says whether an answer carried a state that is not this login's.
func strayAnswer(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrForeign) || errors.Is(err, store.ErrUsed)
}

// answer is what HubSpot sent a browser back with; done, if there is one, is
// told how that ended.
type answer struct {
	connections.Return

	done chan error
}

func readAnswer(q url.Values) answer {
	return answer{Return: connections.Return{State: store.Secret(q.Get("state")), Code: store.Secret(q.Get("code")), Error: q.Get("error")}}
}

// listen answers on the callback's port, on this machine alone.
func (c *connectionsLoginCmd) listen(ctx context.Context, answers chan<- answer) (stop func(), err error) {
	listeners, err := listenLocally(ctx, c.Port)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+connections.CallbackPath, func(w http.ResponseWriter, r *http.Request) {
		// A name of somebody else's that leads here (DNS rebinding) is not ours.
		if r.Host != fmt.Sprintf("localhost:%d", c.Port) {
			http.Error(w, "This address is not Debrief's.", http.StatusMisdirectedRequest)
			return
		}
		in := readAnswer(r.URL.Query())
		in.done = make(chan error, 1)
		text := "It took too long."
		select {
		case answers <- in:
			text = "HubSpot is connected. You can close this page."
			if err := <-in.done; err != nil {
				text = publicly(err).Error()
			}
		case <-ctx.Done():
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = fmt.Fprintf(w, "<!doctype html><title>Debrief</title><p>%s</p>", html.EscapeString(text))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	for _, listener := range listeners {
		go func() { _ = server.Serve(listener) }()
	}
	return func() {
		// The page's last words may still be on their way.
		quick, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(quick)
	}, nil
}

// listenLocally listens on both addresses that a browser may take "localhost" for,
// or on neither: on the other one, somebody else could wait for the answer.
func listenLocally(ctx context.Context, port int) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range []string{"127.0.0.1", "::1"} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // a machine without IPv6
		}
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, listener)
	}
	if len(listeners) == 0 {
		return nil, errors.New("this machine has no loopback address")
	}
	return listeners, nil
}

// pasted reads addresses from standard input.
func (a *app) pasted(ctx context.Context, answers chan<- answer) {
	for {
		line, err := a.line()
		if err != nil {
			return
		}
		u, err := url.Parse(strings.TrimSpace(line))
		if err != nil || u.Query().Get("state") == "" {
			_, _ = fmt.Fprintln(a.err, "That is not the address: it holds state=… and code=….")
			continue
		}
		select {
		case answers <- readAnswer(u.Query()):
		case <-ctx.Done():
			return
		}
	}
}
