package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/debriefhq/debrief/devstack"
)

type upCmd struct {
	stackFlags
	State string `help:"Folder that keeps the state." default:".debrief" placeholder:"DIR"`
}

func (c *upCmd) Run(ctx context.Context, e *env) (err error) {
	opts, err := c.options(e.tell)
	if err != nil {
		return err
	}
	opts.Dir = c.State
	opts.Output = e.tell

	e.tell.Chapter("The stack comes up")
	stack, err := devstack.Start(ctx, opts)
	if err != nil {
		return err
	}
	defer func() {
		e.tell.Chapter("The stack goes down")
		step := e.tell.Step("State kept in " + c.State)
		if stopErr := stack.Stop(); stopErr != nil {
			step.Failed(stopErr)
			err = errors.Join(err, stopErr)
			return
		}
		step.Done("")
	}()
	for _, sentence := range stack.Moved {
		e.tell.Say("%s", sentence)
	}
	e.tell.Chapter("Everything is up. Ctrl-C ends it.")
	e.tell.Table(
		[]string{"Debrief", stack.PublicURL()},
		[]string{"Temporal UI", stack.TemporalUIURL()},
		[]string{"HubSpot simulator", stack.Simulator.URL},
		[]string{"Temporal", stack.Temporal.FrontendAddr()},
		[]string{"PostgreSQL", fmt.Sprintf("127.0.0.1:%d", stack.Ports.Postgres)},
	)
	return stack.Wait(ctx)
}

type cleanCmd struct {
	State string `help:"Folder that keeps the state." default:".debrief" placeholder:"DIR"`
}

func (c *cleanCmd) Run() error { return devstack.Clean(c.State) }
