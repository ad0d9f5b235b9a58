package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/debriefhq/debrief/proxy"
	"github.com/debriefhq/debrief/store"
)

type runCmd struct {
	Person     string   `help:"For whom the program works: e-mail address or ID." env:"DEBRIEF_PERSON" aliases:"as" required:"" placeholder:"PERSON"`
	Connection string   `help:"The connection to HubSpot to go through; without it the one that would act for the person's meetings." env:"DEBRIEF_CONNECTION" placeholder:"NAME"`
	Verbose    bool     `help:"Print a line for each request to HubSpot's API, to standard error." short:"v"`
	Command    []string `arg:"" passthrough:"" help:"The program with its arguments, after --."`
}

// childExit is the exit code of the program that was run: it is nobody's error.
type childExit struct{ code int }

func (e *childExit) Error() string { return fmt.Sprintf("the program ended with exit code %d", e.code) }

func (c *runCmd) Run(ctx context.Context, a *app) error {
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return usagef("name the program to run: debrief run --person EMAIL -- COMMAND")
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return usagef("the program %s is not there: %s", command[0], err)
	}
	if err := hide(); err != nil {
		return err
	}
	// The program decides what a signal means; Debrief is there for as long as it is.
	ctx = context.WithoutCancel(ctx)
	caller, service, err := a.caller(ctx, "run", c.Person, c.Connection, store.OriginScript)
	if err != nil {
		return err
	}
	caller.Client = filepath.Base(command[0])
	log := a.logger()
	server, err := proxy.Start(ctx, proxy.Options{
		Calls: service, Caller: caller,
		Report: c.report(a),
		Failed: func(err error) { log.Warn().Err(err).Msg("a script's request failed") },
	})
	if err != nil {
		return fmt.Errorf("starting the proxy: %w", err)
	}
	err = c.child(a, path, command, server.Env(os.Environ()))
	if closeErr := server.Close(); err == nil {
		err = closeErr
	}
	return err
}

// report prints what was asked of HubSpot: methods, tools and sentences, and no ID.
func (c *runCmd) report(a *app) func(proxy.Served) {
	if !c.Verbose {
		return nil
	}
	return func(s proxy.Served) {
		_, _ = fmt.Fprintln(a.err, strings.TrimSpace(fmt.Sprintf("debrief run: %s %s %d %s", s.Method, toolName(s), s.Status, s.Why)))
	}
}

func toolName(s proxy.Served) string {
	if s.Tool.Object == "" {
		return "-"
	}
	return s.Tool.String()
}

// child runs the program with these standard streams until it ends.
func (c *runCmd) child(a *app, path string, command, env []string) error {
	cmd := exec.Command(path, command[1:]...) //nolint:gosec,noctx // that is what the command is for; no signal to Debrief ends it
	cmd.Args[0], cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = command[0], env, a.in, a.out, a.err
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return usagef("the program %s can't be started: %s", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// A terminal tells both of Ctrl-C; once is enough.
	atTerminal := term.IsTerminal(int(os.Stdin.Fd()))
	for {
		select {
		case s := <-signals:
			if !atTerminal || s == syscall.SIGTERM || s == syscall.SIGHUP {
				_ = cmd.Process.Signal(s)
			}
		case err := <-ended:
			return exitOf(err)
		}
	}
}

// exitOf is how shells tell of a program's end.
func exitOf(err error) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &childExit{128 + int(status.Signal())}
	}
	return &childExit{exit.ExitCode()}
}
