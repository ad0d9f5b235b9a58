package devstack

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func hold(t *testing.T, port int) {
	t.Helper()
	listener, err := net.Listen("tcp4", addr(port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
}

// Not beside other tests: a process that one of them is just starting holds
// copies of this test's sockets until it runs, and a port looks taken.
func TestChoosePorts(t *testing.T) { //nolint:paralleltest // see above
	last := somePorts(t)

	chosen, moved, err := choosePorts(Ports{}, last)
	require.NoError(t, err)
	require.Equal(t, last, chosen, "those of the last run")
	require.Empty(t, moved)

	wanted := Ports{Temporal: last.Debrief} // a swap with what was remembered
	chosen, moved, err = choosePorts(wanted, last)
	require.NoError(t, err)
	require.Equal(t, last.Debrief, chosen.Temporal)
	require.NotEqual(t, chosen.Temporal, chosen.Debrief)
	require.Len(t, moved, 1)
	require.Contains(t, moved[0], fmt.Sprintf("Port %d is taken; Debrief is on %d.", last.Debrief, chosen.Debrief))

	hold(t, last.Postgres)
	chosen, moved, err = choosePorts(Ports{}, last)
	require.NoError(t, err)
	require.NotEqual(t, last.Postgres, chosen.Postgres)
	require.NotZero(t, chosen.Postgres)
	require.Equal(t, []string{fmt.Sprintf("Port %d is taken; PostgreSQL is on %d.", last.Postgres, chosen.Postgres)}, moved)

	_, _, err = choosePorts(Ports{Postgres: last.Postgres}, Ports{})
	require.EqualError(t, err, fmt.Sprintf("port %d, asked for PostgreSQL, is taken", last.Postgres))
}

func TestPortsAreRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got, err := readPorts(dir)
	require.NoError(t, err)
	require.Equal(t, Ports{}, got, "there was no run")

	want := Ports{Postgres: 1, Simulator: 2, Temporal: 3, TemporalUI: 4, Debrief: 5, Worker: 6}
	require.NoError(t, writePorts(dir, want))
	got, err = readPorts(dir)
	require.NoError(t, err)
	require.Equal(t, want, got)

	require.NoError(t, os.WriteFile(portsFile(dir), []byte("not JSON"), 0o600))
	_, err = readPorts(dir)
	require.ErrorContains(t, err, "reading the ports of the last run")
}
