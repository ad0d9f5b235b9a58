package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentilesAreByTheNearestRank(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i)*time.Millisecond)
	}
	require.Equal(t, Latency{N: 100, P50: 50, P99: 99, Max: 100}, Took(hundred))
	require.Equal(t, Latency{N: 1, P50: 7, P99: 7, Max: 7}, Took([]time.Duration{7 * time.Millisecond}))
	require.Equal(t, Latency{}, Took(nil))
	require.InDelta(t, 2, Median([]float64{3, 1, 2}), 0)
	require.InDelta(t, 2, Median([]float64{4, 1, 2, 3}), 0, "the lower of both")
	require.InDelta(t, 0, Median(nil), 0)
}

func TestGoals(t *testing.T) {
	t.Parallel()
	require.True(t, AtMost("", 1.5, 1.5, "").Met)
	require.False(t, AtMost("", 1.501, 1.5, "").Met, "what is shown is rounded, what is judged is not")
	require.True(t, AtLeast("", 0.7, 0.7, "").Met)
	require.False(t, AtLeast("", 0.69, 0.7, "").Met)
}

func TestBusyCountsNoMomentTwice(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	call := func(begun, ended int) Call { return Call{Begun: at(begun), Ended: at(ended)} }
	for name, tc := range map[string]struct {
		calls []Call
		ms    int
	}{
		"none":              {nil, 0},
		"one after another": {[]Call{call(0, 100), call(150, 250)}, 200},
		"side by side":      {[]Call{call(0, 100), call(10, 120), call(20, 90)}, 120},
		"one within":        {[]Call{call(0, 100), call(10, 20), call(90, 110)}, 110},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, time.Duration(tc.ms)*time.Millisecond, Busy(tc.calls))
		})
	}
}

func TestCreatesAreToldFromOtherCalls(t *testing.T) {
	t.Parallel()
	for path, is := range map[string]bool{
		"/crm/objects/2026-09/notes":            true,
		"/crm/objects/2026-09/notes/batch/read": false,
		"/crm/objects/2026-09/deals/17":         false,
		"/crm/owners/2026-09":                   false,
		"/oauth/v1/token":                       false,
	} {
		require.Equal(t, is, isCreate(path), path)
	}
	require.Equal(t, []string{"7", "8"}, linksOf([]byte(`{"properties":{},"associations":[{"to":{"id":"7"},"types":[]},{"to":{"id":"8"}}]}`)))
	require.Empty(t, linksOf([]byte(`not JSON`)))
}
