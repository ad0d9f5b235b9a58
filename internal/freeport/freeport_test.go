package freeport

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	t.Parallel()
	ports, err := Find(50)
	require.NoError(t, err)
	require.Len(t, ports, 50)
	seen := map[int]bool{}
	for _, port := range ports {
		require.False(t, seen[port], "each once")
		seen[port] = true
		require.GreaterOrEqual(t, port, lowest)
		require.LessOrEqual(t, port, highest)
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", ports[0]))
	require.NoError(t, err, "it was let go")
	require.NoError(t, listener.Close())
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	_, err := Find(tries + 1)
	require.ErrorContains(t, err, "free ports")
}
