// Command debrief is Debrief: the receiver, the worker, and the operator's tools.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // quiet hours and meetings have time zones, and images may have none

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

func main() {
	// The first SIGINT or SIGTERM asks everything to finish; a second one kills.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes, for scripts.
const (
	exitOK           = 0
	exitFailure      = 1 // it was tried and failed
	exitUsage        = 2 // the command or a setting makes no sense
	exitRefused      = 3 // Debrief's rules said no: the sentence says why
	exitNotFound     = 4 // what the command names is not there
	exitDisconnected = 5 // the connection has ended: connect again
	exitLater        = 6 // HubSpot can't be reached just now: the same command may work later
)

// usageError is a setting or an argument that makes no sense.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error {
	return &usageError{sentence: fmt.Sprintf(format, args...)}
}

// notFoundError is something that a command names and that is not there.
type notFoundError struct{ sentence string }

func (e *notFoundError) Error() string { return e.sentence }

// publicError is a sentence for people, with its cause for errors.Is.
type publicError struct {
	sentence string
	cause    error
}

func (e *publicError) Error() string { return e.sentence }
func (e *publicError) Unwrap() error { return e.cause }

// run is main without the process: what is printed goes to stdout, what went
// wrong as one sentence to stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("debrief"),
		kong.Description("Debrief does the work around meetings: it turns what was said into CRM changes, asks where the rules say ask, and writes them to HubSpot exactly once."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Configuration(yamlSettings, "/etc/debrief/debrief.yaml"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return fail(stderr, err, false)
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help has been printed
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "debrief: %s\n", settingSentence(err))
		return exitUsage
	}
	app := &app{globals: &c.globals, in: stdin, out: stdout, err: stderr}
	defer app.close()
	if err := k.Run(app); err != nil {
		if child, ok := errors.AsType[*childExit](err); ok {
			return child.code
		}
		return fail(stderr, err, slices.Contains(args, "--json"))
	}
	return exitOK
}

// yamlSettings reads a settings file: kong reads JSON, and YAML is kinder.
func yamlSettings(r io.Reader) (kong.Resolver, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the settings file: %w", err)
	}
	var settings map[string]any
	if err := yaml.Unmarshal(raw, &settings); err != nil {
		return nil, errors.New("the settings file is not YAML with one setting a line")
	}
	return settingsFile(settings), nil
}

// settingsFile has settings by their flags' names.
type settingsFile map[string]any

// Validate refuses a name that is no setting's: a misspelt one would be ignored.
func (f settingsFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	if err != nil {
		return fmt.Errorf("reading the settings' names: %w", err)
	}
	for name := range f {
		if !known[name] {
			return usagef("the settings file names %q, which is no setting: `debrief --help` lists them", name)
		}
	}
	return nil
}

// Resolve gives a flag its value from the file.
func (f settingsFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return f[flag.Name], nil
}

// settingSentence names the setting that is wrong, with its environment variable.
func settingSentence(err error) string {
	text := err.Error()
	rest, ok := strings.CutPrefix(text, "--")
	if !ok {
		return text
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') })
	if end <= 0 {
		return text
	}
	flag, why := rest[:end], strings.TrimSpace(strings.TrimPrefix(rest[end:], ":"))
	return fmt.Sprintf("the setting --%s (DEBRIEF_%s) is wrong: %s", flag, strings.ToUpper(strings.ReplaceAll(flag, "-", "_")), why)
}

// fail prints what went wrong, as a sentence or, for a script that asked for
// JSON, as an object with a code, and returns the exit code.
func fail(stderr io.Writer, err error, asJSON bool) int {
	code, name := exitCode(err)
	sentence := err.Error()
	if paused, ok := errors.AsType[*connections.PausedError](err); ok {
		sentence = paused.Public()
	}
	if !asJSON {
		_, _ = fmt.Fprintf(stderr, "debrief: %s\n", sentence)
		return code
	}
	_ = json.NewEncoder(stderr).Encode(map[string]any{"error": map[string]any{"code": name, "exit": code, "message": sentence}})
	return code
}

func exitCode(err error) (int, string) {
	var usage *usageError
	var missing *notFoundError
	switch {
	case errors.As(err, &usage):
		return exitUsage, "usage"
	case isRefusal(err):
		return exitRefused, "refused"
	case errors.As(err, &missing), errors.Is(err, store.ErrNotFound):
		return exitNotFound, "not_found"
	case errors.Is(err, connections.ErrPaused), errors.Is(err, connections.ErrNoConnection):
		return exitDisconnected, "disconnected"
	case errors.Is(err, connections.ErrTransient), errors.Is(err, hubspot.ErrUnavailable), errors.Is(err, hubspot.ErrRateLimited):
		return exitLater, "later"
	default:
		return exitFailure, "failed"
	}
}
