package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/debriefhq/debrief/devstack"
)

type demoCmd struct {
	stackFlags
}

func (c *demoCmd) Run(ctx context.Context, e *env) (err error) {
	opts, err := c.options(e.tell)
	if err != nil {
		return err
	}
	opts.Fast = true // nothing of it is kept
	opts.Prepare = devstack.Prepare

	e.tell.Chapter("The stack comes up")
	stack, err := devstack.Start(ctx, opts)
	if err != nil {
		return err
	}
	res, err := tellStory(ctx, e, stack)
	if err = errors.Join(err, stack.Stop()); err != nil {
		return err
	}
	// Last, so that nothing comes after it.
	line, err := json.Marshal(res)
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	_, err = fmt.Fprintln(e.out, string(line))
	return err
}
