// Command debrief is Debrief: the receiver, the worker, and the operator's tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
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
	exitOK      = 0
	exitFailure = 1 // it was tried and failed
	exitUsage   = 2 // the command or a setting makes no sense
	exitRefused = 3 // Debrief's rules said no: the sentence says why
)

// usageError is a setting or an argument that makes no sense.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error {
	return &usageError{sentence: fmt.Sprintf(format, args...)}
}

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
		return fail(stderr, err)
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
		return fail(stderr, err)
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

func fail(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintf(stderr, "debrief: %s\n", err)
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case isRefusal(err):
		return exitRefused
	default:
		return exitFailure
	}
}
