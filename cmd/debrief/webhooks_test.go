package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

func TestWebhooksCommands(t *testing.T) {
	t.Parallel()
	_, _, debrief := company(t)
	ok, fails := checks(t, debrief)
	var mu sync.Mutex
	secret, status := "", http.StatusOK
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil || verifier.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(endpoint.Close)
	secrets := regexp.MustCompile(`whsec_\S+`)
	use := func(printed string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		secret = secrets.FindString(printed)
		require.NotEmpty(t, secret)
	}

	require.Contains(t, ok("webhooks", "list"), "debrief webhooks add")
	fails(exitRefused, "https://", "webhooks", "add", "dashboards", "http://hooks.example.com/")
	use(ok("webhooks", "add", "dashboards", endpoint.URL, "--events", "briefing.ready"))
	list := ok("webhooks", "list")
	require.Contains(t, list, "never")
	require.NotRegexp(t, secrets, list)
	require.NotRegexp(t, secrets, ok("webhooks", "list", "--json"))
	fails(exitUsage, "not a public one", "webhooks", "test", "dashboards")
	ok("--webhooks-to-loopback", "webhooks", "test", "dashboards")
	require.Contains(t, ok("webhooks", "list"), "taken")

	old := secret
	printed := ok("webhooks", "rotate", "dashboards")
	ok("--webhooks-to-loopback", "webhooks", "test", "dashboards") // with the old secret
	use(printed)
	require.NotEqual(t, old, secret)
	ok("--webhooks-to-loopback", "webhooks", "test", "dashboards")
	mu.Lock()
	status = http.StatusGone
	mu.Unlock()
	fails(exitUsage, "gone (410)", "--webhooks-to-loopback", "webhooks", "test", "dashboards")
	require.Contains(t, ok("webhooks", "list"), "off since")
	fails(exitNotFound, "debrief webhooks list", "webhooks", "remove", "nothing")
	ok("webhooks", "remove", "dashboards")
	require.NotContains(t, ok("webhooks", "list"), "dashboards")
}
