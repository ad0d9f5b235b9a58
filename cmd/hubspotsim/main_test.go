package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// start runs the command and returns its URL and how to stop it.
func start(t *testing.T, args ...string) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, func(string) string { return "" }, w)
		_ = w.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(r)
	require.True(t, lines.Scan(), "it printed nothing")
	_, url, ok := strings.Cut(lines.Text(), "simulator: ")
	require.True(t, ok, lines.Text())
	go func() { _, _ = io.Copy(io.Discard, r) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(10 * time.Second):
			t.Fatal("it did not stop")
			return nil
		}
	}
	t.Cleanup(func() { require.NoError(t, stop()) })
	return url, stop
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

func TestItServesTheDemoAccountAndKeepsItsState(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	url, stop := start(t, "-state", file)
	require.Contains(t, get(t, url+"/portal/4242001"), "Harrow Mills")

	res, err := http.Post(url+"/sim/portals/4242001/records/contacts", "application/json", strings.NewReader(`{"properties":{"email":"kept@harrowmills.example"}}`))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, stop())

	url, _ = start(t, "-state", file)
	page := get(t, url+"/portal/4242001")
	require.Contains(t, page, "kept@harrowmills.example")
	require.Equal(t, 1, strings.Count(page, "ines@harrowmills.example"), "seeded twice")
}

func TestItListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "nonsense"} {
		require.Error(t, run(t.Context(), []string{"-listen", address}, func(string) string { return "" }, io.Discard), address)
	}
}
