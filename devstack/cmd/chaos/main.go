// Command chaos runs the whole system under load while it breaks everything around it,
// and audits what is left: see package chaos.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/chaos"
	"github.com/debriefhq/debrief/devstack/story"
)

type cli struct {
	Run runCmd `cmd:"" default:"withargs" help:"Run it."`
	// Temporal is run by Run, to be killed.
	Temporal temporalCmd `cmd:"" hidden:""`
}

type runCmd struct {
	Seed          uint64        `help:"Draws the script and the faults; 0 draws one."`
	Duration      time.Duration `help:"How long load and faults last." default:"10m"`
	Rate          float64       `help:"How many follow-ups begin a second." default:"2"`
	Organizations int           `help:"How many organizations there are, with an account each." default:"10"`
	Settle        time.Duration `help:"How long it may take until nothing is left to do." default:"5m"`
	Faults        bool          `help:"Break things." default:"true" negatable:""`
	Schedule      bool          `help:"Print what would be done, and end."`
	Debrief       string        `help:"The debrief binary." default:"bin/debrief" env:"DEBRIEF_BINARY" placeholder:"FILE"`
	Log           string        `help:"Where the processes' log lines go; empty: a temporary file, kept when something is found." placeholder:"FILE"`
}

type temporalCmd struct{ devstack.TemporalProgram }

func (c *temporalCmd) Run(ctx context.Context) error { return c.TemporalProgram.Run(ctx) }

func (c *runCmd) Run(ctx context.Context) error {
	for c.Seed == 0 {
		c.Seed = uint64(rand.Uint32()) //nolint:gosec // a seed that is short to type
	}
	debrief, err := filepath.Abs(c.Debrief)
	if err != nil {
		return fmt.Errorf("finding the debrief binary: %w", err)
	}
	if _, err := os.Stat(debrief); err != nil {
		return fmt.Errorf("there is no debrief binary: build it (make build), or name it (--debrief): %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	o := chaos.Options{
		Seed: c.Seed, Duration: c.Duration, Rate: c.Rate, Organizations: c.Organizations, Settle: c.Settle,
		Debrief: debrief, TemporalProgram: []string{self, "temporal"}, Log: c.Log,
	}
	if c.Faults {
		o.Faults = chaos.Schedule(c.Seed, c.Organizations, c.Duration)
	}
	if c.Schedule {
		for _, f := range o.Faults {
			fmt.Println(f)
		}
		return nil
	}
	keep := c.Log != ""
	if !keep {
		file, err := os.CreateTemp("", "chaos-*.log")
		if err != nil {
			return fmt.Errorf("making a log file: %w", err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("making a log file: %w", err)
		}
		o.Log = file.Name()
	}
	tell := story.New(os.Stdout)
	result, err := chaos.Run(ctx, o, tell)
	if err != nil {
		return fmt.Errorf("SEED=%d: %w (log: %s)", c.Seed, err, o.Log)
	}
	if len(result.Findings) > 0 {
		tell.Say("SEED=%d DURATION=%s repeats it. The processes' log is %s", c.Seed, c.Duration, o.Log)
	} else if !keep {
		_ = os.Remove(o.Log)
	}
	fmt.Println(result)
	if len(result.Findings) > 0 {
		os.Exit(1)
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var c cli
	command := kong.Parse(&c, kong.Name("chaos"), kong.Description("Runs Debrief under load while everything around it breaks, and audits what is left."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	err := command.Run()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %s\n", err)
		os.Exit(1)
	}
}
