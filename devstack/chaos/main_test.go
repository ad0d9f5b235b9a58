//go:build sabotage

package chaos

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/debriefhq/debrief/devstack"
)

// The test binary plays Temporal, too: see TestMain.
const temporalRole = "temporal"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == temporalRole {
		if err := playTemporal(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func playTemporal(args []string) error {
	var p devstack.TemporalProgram
	flags := flag.NewFlagSet(temporalRole, flag.ContinueOnError)
	flags.StringVar(&p.Dir, "dir", "", "")
	flags.IntVar(&p.Port, "port", 0, "")
	flags.IntVar(&p.Health, "health", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return p.Run(ctx)
}
