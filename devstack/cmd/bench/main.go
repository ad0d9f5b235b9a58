package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/debriefhq/debrief/devstack/bench"
	"github.com/debriefhq/debrief/devstack/story"
)

type cli struct {
	Debrief string `help:"The debrief binary, built without the race detector." default:"bin/debrief" env:"DEBRIEF_BINARY" placeholder:"FILE"`

	Overhead overheadCmd `cmd:"" help:"Measure a follow-up beside a bare program that makes the same calls."`
	Waiting  waitingCmd  `cmd:"" help:"Measure follow-ups that wait for people."`
	Calls    callsCmd    `cmd:"" help:"Count the calls of a meeting and of a brief."`
	Fairness fairnessCmd `cmd:"" help:"Measure a quiet account beside a busy one."`
	Growth   growthCmd   `cmd:"" help:"Measure some of that with many meetings in the store."`

	Bare     bareCmd     `cmd:"" hidden:"" help:"The bare program."`
	Temporal temporalCmd `cmd:"" hidden:"" help:"Temporal, as the items run it."`
}

// temporalCmd is [bench.TemporalProgram].
type temporalCmd struct{ bench.TemporalProgram }

func (c *temporalCmd) Run(ctx context.Context) error { return c.TemporalProgram.Run(ctx) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// The simulator has a large heap, which is not what is measured.
	debug.SetGCPercent(400)
	var c cli
	parser, err := kong.New(&c, kong.Name("bench"), kong.Description("Measures Debrief, an item at a time."), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return fmt.Errorf("reading the arguments: %w", err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("reading the arguments: %w", err)
	}
	return parsed.Run(&c, story.New(os.Stdout))
}

// start brings a world up for an item.
func (c *cli) start(ctx context.Context, o bench.Options) (*bench.World, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	o.Debrief, o.Temporal = c.Debrief, []string{self, "temporal"}
	return bench.Start(ctx, o)
}
