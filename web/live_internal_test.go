package web

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// announcer stands in for PostgreSQL.
type announcer struct {
	listeners chan announcing
}

type announcing struct {
	listening func()
	each      func(organizationID, meetingID uuid.UUID)
	lost      chan struct{}
}

func (announcer) Watch(context.Context, uuid.UUID) error { return nil }

func (a announcer) Listen(ctx context.Context, listening func(), each func(organizationID, meetingID uuid.UUID)) error {
	l := announcing{listening, each, make(chan struct{})}
	select {
	case a.listeners <- l:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.lost:
		return errors.New("the connection was lost")
	}
}

func heard(f *follower) bool {
	select {
	case <-f.changed:
		return true
	default:
		return false
	}
}

func TestChangesReachWhoTheyConcern(t *testing.T) {
	t.Parallel()
	a := announcer{make(chan announcing)}
	failed := make(chan error, 1)
	h := newChanges(a, func(_ context.Context, _ string, err error) { failed <- err })
	ours, theirs, one, another := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	all, leaveAll, err := h.follow(ours, uuid.Nil)
	require.NoError(t, err)
	only, leaveOnly, err := h.follow(ours, one)
	require.NoError(t, err)
	strange, leaveStrange, err := h.follow(theirs, uuid.Nil)
	require.NoError(t, err)
	listener := <-a.listeners
	pages := []*follower{all, only, strange}
	told := func() (got []bool) {
		for _, f := range pages {
			got = append(got, heard(f))
		}
		return got
	}
	require.Equal(t, []bool{true, true, true}, told(), "what was missed before")
	require.Equal(t, []bool{false, false, false}, told())
	listener.listening()
	require.Equal(t, []bool{true, true, true}, told(), "what was missed meanwhile")
	listener.each(ours, one)
	listener.each(ours, one)
	require.Equal(t, []bool{true, true, false}, told())
	require.Equal(t, []bool{false, false, false}, told(), "who has not looked yet looks once")
	listener.each(ours, another)
	require.Equal(t, []bool{true, false, false}, told())
	listener.each(theirs, another)
	require.Equal(t, []bool{false, false, true}, told())

	// A lost connection comes back, and nothing that was missed stays unseen.
	close(listener.lost)
	require.ErrorContains(t, <-failed, "lost")
	listener = <-a.listeners
	listener.listening()
	require.Equal(t, []bool{true, true, true}, told())

	// Without a page nobody listens, and the next page begins anew.
	leaveAll()
	leaveOnly()
	leaveStrange()
	_, leave, err := h.follow(ours, uuid.Nil)
	require.NoError(t, err)
	select {
	case <-a.listeners:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody listens")
	}
	leave()
}

func TestPagesThatFollowAreBounded(t *testing.T) {
	t.Parallel()
	h := newChanges(announcer{make(chan announcing, 1)}, func(context.Context, string, error) {})
	var leaves []func()
	for range livePages {
		_, leave, err := h.follow(uuid.New(), uuid.Nil)
		require.NoError(t, err)
		leaves = append(leaves, leave)
	}
	_, _, err := h.follow(uuid.New(), uuid.Nil)
	require.ErrorIs(t, err, errTooMany)
	for _, leave := range leaves {
		leave()
	}
	_, leave, err := h.follow(uuid.New(), uuid.Nil)
	require.NoError(t, err)
	leave()
}
