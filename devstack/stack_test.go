package devstack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// What is around Debrief comes up, keeps its state and its ports over a
// restart, and goes down. The binary is proven in the end-to-end tests.
func TestStackKeepsItsState(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	t.Cleanup(func() { require.NoError(t, Clean(dir)) })
	const hub = 77
	var told []string
	opts := Options{
		Dir: dir, Fast: true, Ports: somePorts(t),
		Prepare: func(simulator *hubspottest.Server, fresh bool, publicURL string) error {
			if fresh {
				simulator.AddPortal(hubspottest.Portal{HubID: hub, Name: "Kept"})
			}
			return nil
		},
		Progress: func(title string) func(string, error) {
			return func(_ string, err error) { told = append(told, fmt.Sprint(title, ": ", err)) }
		},
	}
	first, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = first.Stop() })
	require.Equal(t, []string{"PostgreSQL: <nil>", "HubSpot simulator: <nil>", "Temporal server: <nil>"}, told)
	require.Empty(t, first.Moved)

	_, err = Start(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "another stack runs on "+dir)
	require.ErrorContains(t, Clean(dir), "another stack runs on "+dir)

	_, err = first.Simulator.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "Harrow Mills"}})
	require.NoError(t, err)
	startWorkflow(t, first)
	url := first.DatabaseURL()
	require.NoError(t, first.Stop())
	require.NoError(t, first.Stop(), "a second time")

	opts.Ports = Ports{} // those of the last run
	second, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = second.Stop() })
	require.Equal(t, first.Ports, second.Ports)
	require.Equal(t, url, second.DatabaseURL())
	require.Len(t, second.Simulator.Records(hub, "companies"), 1)
	c := dial(t, second)
	_, err = c.DescribeWorkflowExecution(t.Context(), "kept", "")
	require.NoError(t, err)

	response, err := http.Get(second.TemporalUIURL() + "/healthz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)

	// PostgreSQL goes and comes back where it was.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, second.Postgres.Stop())
	require.ErrorContains(t, second.Wait(ctx), "PostgreSQL ended by itself")
	require.NoError(t, second.StartPostgres(t.Context()))
	require.Equal(t, url, second.DatabaseURL())
	require.NoError(t, second.Stop())
}

func TestStackWithoutAFolder(t *testing.T) {
	t.Parallel()
	stack, err := Start(t.Context(), Options{Fast: true, NoUI: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = stack.Stop() })
	usual := usualPorts()
	require.NotEqual(t, usual.Temporal, stack.Ports.Temporal)
	startWorkflow(t, stack)
	require.NoError(t, stack.Stop())
	require.NoDirExists(t, stack.dir)
	require.NoDirExists(t, stack.Postgres.Dir())
}

func TestStackThatFailsGoesDown(t *testing.T) {
	t.Parallel()
	ports := somePorts(t)
	_, err := Start(t.Context(), Options{
		Fast: true, NoUI: true, Ports: ports, Debrief: filepath.Join(t.TempDir(), "nothing"),
	})
	require.ErrorContains(t, err, "debrief keys")
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, port := range []int{ports.Postgres, ports.Simulator, ports.Temporal} {
		listener, err := net.Listen("tcp4", addr(port))
		require.NoError(t, err, "nothing is left running")
		require.NoError(t, listener.Close())
	}
}

func somePorts(t *testing.T) Ports {
	t.Helper()
	p, err := anyPorts()
	require.NoError(t, err)
	return p
}

func dial(t *testing.T, stack *Stack) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: stack.Temporal.FrontendAddr(), Namespace: Namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func startWorkflow(t *testing.T, stack *Stack) {
	t.Helper()
	_, err := dial(t, stack).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "kept", TaskQueue: "nobody"}, "nothing")
	require.NoError(t, err)
}
