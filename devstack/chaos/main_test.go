package chaos

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/story"
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

// binary is the debrief that ships, as for the end-to-end tests.
func binary() string {
	if path := os.Getenv("DEBRIEF_BINARY"); path != "" {
		return path
	}
	return filepath.Join(root(), "bin", "debrief")
}

func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// run is a short run of a test's.
func run(t *testing.T, o Options) Result {
	t.Helper()
	require.FileExists(t, o.Debrief, "`make build` makes it")
	self, err := os.Executable()
	require.NoError(t, err)
	o.TemporalProgram, o.Log = []string{self, temporalRole}, filepath.Join(t.TempDir(), "log")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	told, err := os.Create(filepath.Join(t.TempDir(), "told"))
	require.NoError(t, err)
	defer told.Close()
	result, err := Run(ctx, o, story.Plain(told))
	if err != nil || len(result.Findings) > 0 {
		raw, _ := os.ReadFile(told.Name())
		t.Logf("%s", raw)
		_ = eachLine(o.Log, func(line string) {
			if strings.HasPrefix(line, "chaos | ") { // the faults, and what is known of each finding
				t.Log(line)
			}
		})
	}
	require.NoError(t, err)
	return result
}

// Seeds that once failed, each with what had been wrong.
func TestSeedsThatOnceFailed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		seed     uint64
		duration time.Duration
	}{
		{"what is denied when it is planned is no action, and not lost", 3, 15 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			result := run(t, Options{
				Seed: tc.seed, Duration: tc.duration, Rate: 1, Organizations: 8, Settle: 4 * time.Minute, Debrief: binary(),
				Faults: Schedule(tc.seed, 8, tc.duration),
			})
			require.Empty(t, result.Findings)
			require.NotZero(t, result.FollowUps)
		})
	}
}
