package web

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// One who opens page after page takes them from nobody else.
func TestOnePersonDoesNotTakeAllPagesThatFollow(t *testing.T) {
	t.Parallel()
	h := newChanges(announcer{make(chan announcing, 1)}, func(context.Context, string, error) {})
	var leaves []func()
	for range liveOwn {
		leave, ok := h.admit("mara")
		require.True(t, ok)
		leaves = append(leaves, leave)
	}
	_, ok := h.admit("mara")
	require.False(t, ok)
	leave, ok := h.admit("finn")
	require.True(t, ok)
	leave()
	leaves[0]()
	leave, ok = h.admit("mara")
	require.True(t, ok)
	leave()
	for _, leave := range leaves[1:] {
		leave()
	}
	require.Empty(t, h.own, "nobody is remembered")
}
