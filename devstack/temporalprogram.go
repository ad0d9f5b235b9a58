package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/debriefhq/debrief/devstack/temporaldev"
)

// TemporalProgram is a Temporal server as a program of its own: the arguments are those
// that a stack gives to [Options.TemporalProgram].
type TemporalProgram struct {
	Dir    string `help:"Where the state is kept." required:""`
	Port   int    `help:"Of the frontend." required:""`
	Health int    `help:"Port on which /readyz answers once it is up." required:""`
}

// Run runs the server until ctx ends. What it logs goes to standard output.
func (p TemporalProgram) Run(ctx context.Context) (err error) {
	server, err := temporaldev.Start(ctx, temporaldev.Options{Dir: p.Dir, Port: p.Port, Namespaces: []string{Namespace}, Log: os.Stdout})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	health := &http.Server{Addr: addr(p.Health), ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	done := make(chan error, 1)
	go func() { done <- health.ListenAndServe() }()
	select {
	case <-ctx.Done():
		return health.Close()
	case err := <-done:
		return fmt.Errorf("answering whether Temporal is ready: %w", err)
	}
}
