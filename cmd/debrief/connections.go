package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/store"
)

type appsCmd struct {
	Add  appsAddCmd  `cmd:"" help:"Add a HubSpot app. The client secret is read from standard input or a file, never from the command line."`
	List appsListCmd `cmd:"" help:"List HubSpot apps."`
}

type appsAddCmd struct {
	jsonFlag

	Name       string `arg:"" help:"Short name, as commands will call it."`
	ClientID   string `help:"The app's client ID." required:""`
	Level      string `help:"account: installed once by an admin; user: acts as the user who connects." enum:"account,user" default:"account"`
	SecretFile string `help:"File with the client secret; without it the secret is read from standard input." type:"existingfile"`
}

func (c *appsAddCmd) Run(ctx context.Context, a *app) error {
	secret, err := a.readSecret(c.SecretFile, "client secret")
	if err != nil {
		return err
	}
	s, err := a.store(ctx, "apps")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	created, err := s.CreateApp(ctx, store.App{OrganizationID: o.ID, Name: c.Name, Level: store.AppLevel(c.Level), ClientID: c.ClientID}, secret, store.Operator)
	if err != nil {
		return err
	}
	return a.show(c.JSON, created, func() {
		a.say("The app %s is known. Its redirect URL in HubSpot has to be %s. Connect with `debrief connections login NAME --app %s`.",
			created.Name, a.connectionsService(s).RedirectURL(), created.Name)
	})
}

// readSecret reads a secret from a file, or the first line of standard input.
func (a *app) readSecret(file, what string) (store.Secret, error) {
	var raw string
	if file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", usagef("the %s can't be read: %s", what, err)
		}
		raw = string(content)
	} else {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", usagef("the %s can't be read from standard input", what)
		}
		raw = line
	}
	if raw = strings.TrimSpace(raw); raw == "" {
		return "", usagef("no %s was given: pipe it to this command, or name a file", what)
	}
	return store.Secret(raw), nil
}

type appsListCmd struct{ jsonFlag }

func (c *appsListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "apps")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	apps, err := s.Apps(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, apps, func() {
		rows := [][]string{{"NAME", "LEVEL", "CLIENT ID", "ADDED"}}
		for _, app := range apps {
			rows = append(rows, []string{app.Name, string(app.Level), app.ClientID, ago(app.CreatedAt)})
		}
		a.table("No app yet: `debrief apps add NAME --client-id …`", rows)
	})
}

type connectionsCmd struct {
	Login  connectionsLoginCmd  `cmd:"" help:"Print a one-time link by which somebody connects a HubSpot account."`
	List   connectionsListCmd   `cmd:"" help:"List connections with their state and scopes."`
	Logout connectionsLogoutCmd `cmd:"" help:"Disconnect: revoke at HubSpot and delete the tokens. Work that needs it waits."`
}

type connectionsLoginCmd struct {
	jsonFlag

	Name string `arg:"" help:"Name of the connection, new or one to reconnect."`
	App  string `help:"The app to connect through, by name; needed where there are several."`
}

func (c *connectionsLoginCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "connections")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	hubspotApp, err := c.app(ctx, s, o)
	if err != nil {
		return err
	}
	login, err := a.connectionsService(s).BeginLogin(ctx, o.ID, hubspotApp.ID, c.Name, store.Operator)
	if err != nil {
		return err
	}
	shown := struct {
		URL       string `json:"url"`
		ExpiresAt string `json:"expires_at"`
	}{login.URL, login.ExpiresAt.UTC().Format("2006-01-02T15:04:05Z")}
	return a.show(c.JSON, shown, func() {
		a.say("Open this in a browser, once, before %s:\n\n  %s\n", login.ExpiresAt.Local().Format("15:04"), login.URL)
	})
}

func (c *connectionsLoginCmd) app(ctx context.Context, s *store.Store, o store.Organization) (store.App, error) {
	if c.App != "" {
		found, err := s.AppByName(ctx, o.ID, c.App)
		if errors.Is(err, store.ErrNotFound) {
			return store.App{}, usagef("there is no app named %q: `debrief apps list` shows them", c.App)
		}
		return found, err
	}
	apps, err := s.Apps(ctx, o.ID)
	switch {
	case err != nil:
		return store.App{}, err
	case len(apps) == 0:
		return store.App{}, usagef("there is no HubSpot app yet: `debrief apps add NAME --client-id …`")
	case len(apps) > 1:
		return store.App{}, usagef("there are several apps: name one with --app")
	default:
		return apps[0], nil
	}
}

type connectionsListCmd struct{ jsonFlag }

func (c *connectionsListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "connections")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	all, err := s.Connections(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"NAME", "ACCOUNT", "ACTS AS", "STATE", "SCOPES", "MISSING", "LAST SUCCESS"}}
		for _, connection := range all {
			acts := "account"
			if connection.IsUserLevel {
				acts = "user " + strconv.FormatInt(connection.UserID, 10)
			}
			lastSuccess := "never"
			if connection.LastSuccessAt != nil {
				lastSuccess = ago(*connection.LastSuccessAt)
			}
			missing := strings.Join(connections.Missing(connection.Scopes), " ")
			if missing == "" {
				missing = "none"
			}
			rows = append(rows, []string{
				connection.Name, strconv.FormatInt(connection.HubID, 10) + " " + connection.HubDomain, acts, string(connection.State),
				strconv.Itoa(len(connection.Scopes)), missing, lastSuccess,
			})
		}
		a.table("Nothing is connected yet: `debrief connections login NAME`", rows)
	})
}

type connectionsLogoutCmd struct {
	jsonFlag

	Name string `arg:"" help:"The connection."`
}

func (c *connectionsLogoutCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "connections")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	connection, err := s.ConnectionByName(ctx, o.ID, c.Name)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no connection named %q: `debrief connections list` shows them", c.Name)
	}
	if err != nil {
		return err
	}
	if err := a.connectionsService(s).Disconnect(ctx, o.ID, connection.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s is disconnected: HubSpot has revoked the grant, and its tokens are deleted. An access token that HubSpot issued before stays valid there for up to 30 minutes; Debrief has no copy.", c.Name)
}

type signInCmd struct{ jsonFlag }

func (c *signInCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "sign-in")
	if err != nil {
		return err
	}
	token, err := s.CreateSignInLink(ctx, store.SignedIn{IsOperator: true})
	if err != nil {
		return err
	}
	shown := struct {
		URL string `json:"url"`
	}{strings.TrimRight(a.PublicURL, "/") + "/session/" + token.Reveal()}
	return a.show(c.JSON, shown, func() { a.say("Open this in a browser, once, within 15 minutes:\n\n  %s\n", shown.URL) })
}
