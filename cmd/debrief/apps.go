package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/debriefhq/debrief/store"
)

type appsCmd struct {
	Add    appsAddCmd    `cmd:"" help:"Add a HubSpot app. The client secret is read from standard input or a file, never from the command line."`
	List   appsListCmd   `cmd:"" help:"List HubSpot apps."`
	Secret appsSecretCmd `cmd:"" help:"Replace an app's client secret, such as one that HubSpot no longer accepts. It is read from standard input or a file."`
}

type appsAddCmd struct {
	jsonFlag

	Name       string `arg:"" help:"Short name, as commands will call it."`
	ClientID   string `help:"The app's client ID; without it, it is asked for."`
	Level      string `help:"account: installed once by an admin; user: acts as the user who connects." enum:"account,user" default:"account"`
	SecretFile string `help:"File with the client secret; without it the secret is read from standard input." type:"existingfile"`
}

func (c *appsAddCmd) Run(ctx context.Context, a *app) error {
	if c.ClientID == "" {
		id, err := a.ask("Client ID of the app at HubSpot: ")
		if err != nil {
			return err
		}
		c.ClientID = id
	}
	secret, err := a.readSecret(c.SecretFile, "client secret")
	if err != nil {
		return err
	}
	s, o, err := a.open(ctx, "apps")
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

type appsSecretCmd struct {
	jsonFlag

	Name       string `arg:"" help:"The app."`
	SecretFile string `help:"File with the client secret; without it the secret is read from standard input." type:"existingfile"`
}

func (c *appsSecretCmd) Run(ctx context.Context, a *app) error {
	secret, err := a.readSecret(c.SecretFile, "client secret")
	if err != nil {
		return err
	}
	s, o, err := a.open(ctx, "apps")
	if err != nil {
		return err
	}
	found, err := s.AppByName(ctx, o.ID, c.Name)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{fmt.Sprintf("there is no app named %q: `debrief apps list` shows them", c.Name)}
	}
	if err != nil {
		return err
	}
	if err := s.SetAppSecret(ctx, o.ID, found.ID, secret, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s has another client secret. Its connections use it from their next call on; nothing has to be connected again.", found.Name)
}

// readSecret reads a secret from a file, from a terminal without showing it, or
// the first line of standard input.
func (a *app) readSecret(file, what string) (store.Secret, error) {
	var raw string
	switch terminal := a.terminal(); {
	case file != "":
		content, err := os.ReadFile(file)
		if err != nil {
			return "", usagef("the %s can't be read: %s", what, err)
		}
		raw = string(content)
	case terminal != nil:
		_, _ = fmt.Fprintf(a.err, "The %s (it is not shown): ", what)
		typed, err := term.ReadPassword(int(terminal.Fd()))
		_, _ = fmt.Fprintln(a.err)
		if err != nil {
			return "", usagef("the %s can't be read from the terminal", what)
		}
		raw = string(typed)
	default:
		line, err := a.line()
		if err != nil {
			return "", usagef("the %s can't be read from standard input", what)
		}
		raw = line
	}
	if raw = strings.TrimSpace(raw); raw == "" {
		return "", usagef("no %s was given: pipe it to this command, or name a file", what)
	}
	return store.Secret(raw), nil
}

// ask asks a person for a line.
func (a *app) ask(question string) (string, error) {
	_, _ = fmt.Fprint(a.err, question)
	line, err := a.line()
	if err != nil {
		return "", usagef("there was no answer to: %s", strings.TrimSpace(question))
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", usagef("there was no answer to: %s", strings.TrimSpace(question))
	}
	return line, nil
}

// line reads a line of standard input. Lines that follow are left for the next.
func (a *app) line() (string, error) {
	if a.lines == nil {
		a.lines = bufio.NewReader(a.in)
	}
	line, err := a.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	return line, err
}

// terminal is where a person types; nil if standard input is something else.
func (a *app) terminal() *os.File {
	if f, ok := a.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

type appsListCmd struct{ jsonFlag }

func (c *appsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "apps")
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
