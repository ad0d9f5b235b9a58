package chaos

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A broken connection is broken while it is, in each way, and whole again afterwards.
func TestConnectionsBreakAndMend(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	t.Cleanup(server.Close)
	for _, how := range []string{Cut, Reset, Stall} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := newProxies()
			t.Cleanup(p.close)
			addr, err := p.through("worker", toHubSpot, strings.TrimPrefix(server.URL, "http://"))
			require.NoError(t, err)
			again, err := p.through("worker", toHubSpot, "elsewhere")
			require.NoError(t, err)
			require.Equal(t, addr, again, "one proxy for each")
			get := func() error {
				client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
				response, err := client.Get("http://" + addr)
				if err != nil {
					return err
				}
				defer response.Body.Close()
				_, err = io.Copy(io.Discard, response.Body)
				return err
			}
			require.NoError(t, get())
			ctx, mend := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.breakFor(ctx, "worker", toHubSpot, how, 500, time.Hour) }()
			require.Eventually(t, func() bool { return get() != nil }, 30*time.Second, 10*time.Millisecond)
			mend()
			require.NoError(t, <-done)
			require.Eventually(t, func() bool { return get() == nil }, 30*time.Second, 10*time.Millisecond)
		})
	}
	require.Error(t, newProxies().breakFor(t.Context(), "worker", toHubSpot, Cut, 0, time.Second))
}
