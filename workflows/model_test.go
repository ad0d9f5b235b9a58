package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTheModelIsAskedBeforeARoundIsPlanned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asks = true
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.True(t, w.asked)
	require.Equal(t, 1, w.planned)
	require.Zero(t, w.notHeard)
}

// What keeps failing is not waited for.
func TestAPlanGoesOnWithoutTheModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asks, w.consultFails = true, errors.New("the worker fell over")
	w.run()
	require.NoError(t, w.GetWorkflowError())
	require.Equal(t, 1, w.notHeard)
	require.Equal(t, 1, w.planned)
}

// A connection that is gone is waited for, and then the model is asked.
func TestTheModelWaitsForTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.asks, w.disconnected, w.connection = true, true, uuid.New()
	w.after(time.Hour, func() {
		w.disconnected, w.paused = false, false
		w.wake()
	})
	w.run()
	require.Equal(t, w.connection, w.pausedOn)
	require.Zero(t, w.notHeard)
	require.Zero(t, w.planned, "a long wait is a run of its own")
	w.continuedAsNew(t)
}
