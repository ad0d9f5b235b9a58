package measure_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack/measure"
)

func TestPercentilesAreByTheNearestRank(t *testing.T) {
	t.Parallel()
	three := []time.Duration{1, 2, 3}
	require.Equal(t, time.Duration(2), measure.Percentile(three, 50))
	require.Equal(t, time.Duration(3), measure.Percentile(three, 99))
	require.Equal(t, time.Duration(3), measure.Percentile(three, 100))
	require.Equal(t, time.Duration(1), measure.Percentile(three[:1], 1))
	require.Zero(t, measure.Percentile(nil, 99))
}

func TestResultsAreWrittenDown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results", "some.json")
	require.NoError(t, measure.Write(path, map[string]int{"rate": 7}))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "{\n  \"rate\": 7\n}\n", string(raw))
	require.NoError(t, measure.Write("", 7))
}

func TestTheBinaryHasToBeThere(t *testing.T) {
	t.Parallel()
	_, err := measure.Binary(filepath.Join(t.TempDir(), "debrief"))
	require.ErrorContains(t, err, "make build")
}
