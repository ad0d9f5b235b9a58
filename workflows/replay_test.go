package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/debriefhq/debrief/workflows"
)

// What ran under a released version goes on under this one: runs that are open
// when a new version is deployed are replayed by it. Nobody mends a failure here
// by recording anew; see CONTRIBUTING.md.
func TestHistoriesOfReleasedVersionsReplay(t *testing.T) {
	t.Parallel()
	const dir = "testdata/replay"
	versions, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, versions, "no version's histories are in %s", dir)
	for _, version := range versions {
		histories, err := filepath.Glob(filepath.Join(dir, version.Name(), "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, histories, "%s holds no histories", version.Name())
		for _, history := range histories {
			t.Run(version.Name()+"/"+filepath.Base(history), func(t *testing.T) {
				t.Parallel()
				replayer := worker.NewWorkflowReplayer()
				workflows.Register(replayer)
				require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history))
			})
		}
	}
}
