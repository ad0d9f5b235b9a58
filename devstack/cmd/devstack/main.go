// Command devstack brings up Debrief with everything around it on one machine:
// to look at it (up), or to see it do its main job once (demo).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/story"
)

type cli struct {
	Up    upCmd    `cmd:"" help:"Bring the stack up and keep it up until Ctrl-C. State survives."`
	Demo  demoCmd  `cmd:"" help:"Bring a fresh stack up, do the main job once, and take it down. The last line on standard output is JSON."`
	Curl  curlCmd  `cmd:"" help:"Print a command that posts a meeting, signed now, to the stack that is up."`
	Clean cleanCmd `cmd:"" help:"Forget the state that 'up' kept."`
}

// stackFlags are the settings of every command that brings a stack up.
type stackFlags struct {
	Debrief string `help:"The debrief binary." default:"bin/debrief" env:"DEBRIEF_BINARY" placeholder:"FILE"`

	PostgresPort   int `help:"Port of PostgreSQL."`
	SimulatorPort  int `help:"Port of the HubSpot simulator."`
	TemporalPort   int `help:"Port of Temporal."`
	TemporalUIPort int `name:"temporal-ui-port" help:"Port of Temporal's UI."`
	DebriefPort    int `help:"Port of Debrief."`
	WorkerPort     int `help:"Port where the worker's health is."`
}

func (f *stackFlags) options(tell *story.Story) (devstack.Options, error) {
	binary, err := filepath.Abs(f.Debrief)
	if err != nil {
		return devstack.Options{}, fmt.Errorf("finding %s: %w", f.Debrief, err)
	}
	if _, err := os.Stat(binary); err != nil {
		return devstack.Options{}, fmt.Errorf("there is no debrief binary at %s: build it (make build), or name it (--debrief)", binary)
	}
	return devstack.Options{
		Debrief: binary,
		Ports: devstack.Ports{
			Postgres: f.PostgresPort, Simulator: f.SimulatorPort, Temporal: f.TemporalPort,
			TemporalUI: f.TemporalUIPort, Debrief: f.DebriefPort, Worker: f.WorkerPort,
		},
		Progress: func(title string) func(string, error) {
			step := tell.Step(title)
			return func(detail string, err error) {
				if err != nil {
					step.Failed(err)
				} else {
					step.Done(detail)
				}
			}
		},
	}, nil
}

func main() {
	// The first signal asks everything to finish. A second one ends the process
	// at once, and the kernel ends its children.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, story.New(os.Stderr)))
}

// env is what commands write to: what programs read, and the story for people.
type env struct {
	out  io.Writer
	tell *story.Story
}

func run(ctx context.Context, args []string, out io.Writer, tell *story.Story) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("devstack"),
		kong.Description("Debrief and everything around it, on one machine: PostgreSQL, Temporal with its UI, and a simulated HubSpot. Everything listens on 127.0.0.1."),
		kong.Writers(out, tell),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		tell.Say("devstack: %s", err)
		return 1
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help has been printed
	}
	if err == nil {
		err = command.Run(&env{out: out, tell: tell})
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 130 // interrupted, as shells say it
	default:
		tell.Say("devstack: %s", err)
		return 1
	}
}
