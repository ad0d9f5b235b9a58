//go:build sabotage

package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/internal/sabotage"
)

// worldsAtOnce bounds how many whole systems run side by side.
const worldsAtOnce = 3

// breaksAll does the same to each of n organizations.
func breaksAll(n int, faults ...Fault) []Fault {
	var all []Fault
	for i := range n {
		for _, f := range faults {
			f.Target = fmt.Sprint(i)
			all = append(all, f)
		}
	}
	return all
}

// The audit sees each promise that is broken on purpose, as what it is; and with none
// broken, the same binary under the same faults passes.
func TestTheAuditSeesEachBrokenPromise(t *testing.T) {
	t.Parallel()
	debrief := filepath.Join(t.TempDir(), "debrief")
	build := exec.Command("go", "build", "-tags", "sabotage", "-o", debrief, "./cmd/debrief")
	build.Dir, build.Env = root(), append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	const organizations = 3 // of each preset one
	// Writes fail for some seconds, and meanwhile their tools are denied.
	denied := breaksAll(organizations,
		Fault{At: time.Second, Kind: HubSpot, How: "500 to a create", Amount: 25},
		Fault{At: 5 * time.Second, Kind: Permission, How: "task.create", For: 12 * time.Second},
	)
	unanswered := breaksAll(organizations, Fault{At: time.Second, Kind: HubSpot, How: "502 after a create", Amount: 6}, Fault{At: 5 * time.Second, Kind: HubSpot, How: "cut after a create", Amount: 6})
	ended := breaksAll(organizations, Fault{At: 3 * time.Second, Kind: Grant, How: "uninstalled", For: 6 * time.Second})
	cases := []struct {
		breaks sabotage.Switch
		faults []Fault
		want   Kind
	}{
		{"", nil, ""},
		{"", denied, ""},
		{"", append(unanswered, ended...), ""},
		{sabotage.ForgetDelivery, nil, Lost},
		{sabotage.Twice, nil, Duplicated},
		{sabotage.Unpermitted, denied, Wrong},
		{sabotage.AskAsAllow, nil, Wrong},
		{sabotage.WriteAgain, unanswered, Duplicated},
		{sabotage.LoseDecision, nil, Lost},
		{sabotage.DropOnDeadGrant, ended, Lost},
		{sabotage.OtherTenant, nil, Wrong},
		{sabotage.NoTrail, nil, Wrong},
		{sabotage.ClearText, nil, Wrong},
		{sabotage.LogToken, nil, Wrong},
		{sabotage.Stuck, nil, Stuck},
	}
	seen := map[sabotage.Switch]bool{"": true}
	room := make(chan struct{}, worldsAtOnce)
	for i, tc := range cases {
		seen[tc.breaks] = true
		t.Run(fmt.Sprintf("%d %s", i, tc.breaks), func(t *testing.T) {
			t.Parallel()
			room <- struct{}{}
			defer func() { <-room }()
			o := Options{
				Seed: 1, Duration: 12 * time.Second, Rate: 2, Organizations: organizations, Faults: tc.faults, Debrief: debrief,
				Settle: 25 * time.Second, Env: []string{sabotage.Variable + "=" + string(tc.breaks)},
			}
			if tc.breaks == "" {
				o.Settle = 4 * time.Minute
			}
			result := run(t, o)
			if tc.breaks == "" {
				require.Empty(t, result.Findings)
				return
			}
			require.NotZero(t, result.Count(tc.want), "%v", result.Findings)
		})
	}
	for _, s := range sabotage.All() {
		require.True(t, seen[s], "%s is never broken", s)
	}
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
