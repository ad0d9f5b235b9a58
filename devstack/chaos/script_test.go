package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The same seed is the same script and the same schedule, and another one is another.
func TestASeedDrawsTheSame(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) (Script, []Fault) {
		s, err := Draw(seed, 10, 10*time.Minute, 2, noon)
		require.NoError(t, err)
		return s, Schedule(seed, 10, 10*time.Minute)
	}
	script, faults := draw(1)
	again, same := draw(1)
	require.Equal(t, script, again)
	require.Equal(t, faults, same)
	other, others := draw(2)
	require.NotEqual(t, script, other)
	require.NotEqual(t, faults, others)
}

// A default run has what it promises, of every shape, by every entrance, and each kind of
// fault.
func TestADefaultRunHasEverything(t *testing.T) {
	t.Parallel()
	const load = 10 * time.Minute
	s, err := Draw(1, 10, load, 2, noon)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(s.Meetings), 1000)
	seen := map[string]bool{}
	for _, m := range s.Meetings {
		seen[m.Shape] = true
		seen[string(s.Organizations[m.Organization].Preset)] = true
		for _, a := range m.Answers {
			seen[string(a.Verdict)], seen[a.Way] = true, true
		}
		for _, d := range m.Deliveries {
			seen["again"] = seen["again"] || d.Again
			seen["copies"] = seen["copies"] || d.Copies > 1
		}
		seen[strings.Repeat("I", m.Rounds)] = true
	}
	for _, b := range s.Bookings {
		seen["by "+b.Channel] = true
		seen["moved"], seen["canceled"] = seen["moved"] || b.Moved, seen["canceled"] || b.Canceled
	}
	kills := 0
	for _, f := range Schedule(1, 10, load) {
		seen[f.Kind], seen[f.How] = true, true
		if isKill(f.Kind) {
			kills++
		}
		require.Less(t, f.At, load)
	}
	require.GreaterOrEqual(t, kills, 100)
	want := []string{"known", "newcomer", "deal", "ticket", "full", "shared", "update", "hands-off", "recommended", "ask", "approve", "edit", "reject", "expire", "again", "copies", "I", "II", "III"}
	want = append(want, ways...)
	want = append(want, "by email", "by webhook", "by slack", "moved", "canceled")
	want = append(want, Kill, Pause, Postgres, Connection, HubSpot, Grant, Permission, Cut, Slow, Reset, Stall)
	for _, a := range answers {
		want = append(want, a.name)
	}
	for _, w := range want {
		require.True(t, seen[w], w)
	}
}
