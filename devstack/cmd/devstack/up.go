package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	opts.Prepare = devstack.Prepare
	// People who run this read logs, not machines.
	opts.Env = []string{"DEBRIEF_LOG_FORMAT=console"}

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
	step := e.tell.Step("the organization " + organization)
	k, err := c.scene(ctx, stack)
	if err != nil {
		step.Failed(err)
		return err
	}
	step.Done("connected to the simulated HubSpot; permissions: recommended")
	if err := c.tell(ctx, e, stack, k); err != nil {
		return err
	}
	return stack.Wait(ctx)
}

// scene is the organization of an earlier run, or a new one.
func (c *upCmd) scene(ctx context.Context, stack *devstack.Stack) (kept, error) {
	k, found, err := readKept(c.State)
	if err != nil {
		return kept{}, err
	}
	if found {
		k.Scene.On(stack)
		return k, nil
	}
	scene, err := stack.NewScene(ctx, organization, devstack.DemoHub)
	if err != nil {
		return kept{}, err
	}
	// On a developer's machine whoever can click is the developer.
	if _, err := scene.Run(ctx, "organizations", "set", "--temporal-decisions"); err != nil {
		return kept{}, err
	}
	if _, err := scene.Run(ctx, "tools", "preset", "recommended"); err != nil {
		return kept{}, err
	}
	if err := scene.Connect(ctx); err != nil {
		return kept{}, err
	}
	k = kept{Scene: *scene, DealID: stack.Simulator.Records(devstack.DemoHub, "deals")[0].ID} // the account has one
	return k, k.write(c.State)
}

// tell shows where everything is, and what to do with it.
func (c *upCmd) tell(ctx context.Context, e *env, stack *devstack.Stack, k kept) error {
	settings, err := filepath.Abs(filepath.Join(c.State, "env"))
	if err != nil {
		return fmt.Errorf("finding the state: %w", err)
	}
	if err := os.WriteFile(settings, []byte(exports(stack)), 0o600); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	curl, err := k.curl(c.State)
	if err != nil {
		return err
	}
	var link struct{ URL string }
	if err := k.Scene.JSON(ctx, &link, "sign-in"); err != nil {
		return err
	}
	e.tell.Chapter("Everything is up. Ctrl-C ends it; the state stays in " + c.State + ".")
	e.tell.Table(
		[]string{"Debrief", stack.PublicURL()},
		[]string{"Temporal UI", stack.TemporalUIURL()},
		[]string{"HubSpot simulator", fmt.Sprintf("%s/portal/%d", stack.Simulator.URL, devstack.DemoHub)},
		[]string{"Temporal", stack.Temporal.FrontendAddr()},
		[]string{"PostgreSQL", fmt.Sprintf("127.0.0.1:%d", stack.Ports.Postgres)},
	)
	e.tell.Chapter("Sign your browser in, once, so that the Temporal UI shows what is sealed")
	e.tell.Say("%s", link.URL)
	e.tell.Chapter("Post a meeting, signed as its platform would (good for five minutes; `bin/devstack curl` makes a new one)")
	e.tell.Say("%s", curl)
	e.tell.Chapter("See what it asks, and answer; or answer in the Temporal UI")
	e.tell.Say(". %s", settings)
	e.tell.Say("bin/debrief approvals list")
	e.tell.Say("bin/debrief approvals approve APPROVAL")
	return nil
}

// exports are the settings by which commands reach this stack, for a shell. The
// file holds the database's password: it is for its owner's eyes.
func exports(stack *devstack.Stack) string {
	var b strings.Builder
	for _, entry := range stack.Env() {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "DEBRIEF_") && !strings.Contains(name, "LISTEN") {
			fmt.Fprintf(&b, "export %s='%s'\n", name, value)
		}
	}
	return b.String()
}

type cleanCmd struct {
	State string `help:"Folder that keeps the state." default:".debrief" placeholder:"DIR"`
}

func (c *cleanCmd) Run() error { return devstack.Clean(c.State) }
