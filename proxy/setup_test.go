package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/agents/agentstest"
	"github.com/debriefhq/debrief/proxy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// bundle is an account with a proxy for a program of its person's.
type bundle struct {
	*agentstest.Account

	t      *testing.T
	ctx    context.Context
	server *proxy.Server
	// env is the program's.
	env map[string]string

	mu     sync.Mutex
	served []proxy.Served
	// mayFail: what Debrief itself can't explain is expected.
	mayFail atomic.Bool
}

func setup(t *testing.T, permissions ...string) *bundle {
	t.Helper()
	b := &bundle{t: t, ctx: context.Background(), Account: agentstest.New(t, permissions...)}
	options := b.Options()
	options.Wait = 3 * time.Second
	var err error
	b.server, err = proxy.Start(b.ctx, proxy.Options{
		Calls: agents.New(options), Caller: b.Caller(store.OriginScript, "tests"),
		Report: func(s proxy.Served) { b.mu.Lock(); defer b.mu.Unlock(); b.served = append(b.served, s) },
		Failed: func(err error) {
			if !b.mayFail.Load() {
				t.Errorf("a request failed: %s", err)
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.server.Close()) })
	b.env = map[string]string{}
	for _, entry := range b.server.Env(nil) {
		name, value, _ := strings.Cut(entry, "=")
		b.env[name] = value
	}
	return b
}

// approve answers all open questions.
func (b *bundle) approve(verdict store.Verdict) {
	b.t.Helper()
	approvals, err := b.Store.Approvals(b.ctx, b.Org, store.ApprovalFilter{State: store.ApprovalPending})
	require.NoError(b.t, err)
	require.NotEmpty(b.t, approvals)
	for _, a := range approvals {
		_, err = b.Store.Decide(b.ctx, store.Decision{OrganizationID: b.Org, ApprovalID: a.ID, Verdict: verdict, Actor: store.Operator, Via: "test"})
		require.NoError(b.t, err)
	}
}

// answer is one, with its body as JSON.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) links() map[string]any    { m, _ := a.body["links"].(map[string]any); return m }
func (a answer) results() []any           { l, _ := a.body["results"].([]any); return l }
func (a answer) values() map[string]any   { m, _ := a.body["properties"].(map[string]any); return m }
func (a answer) category() (category any) { return a.body["category"] }

// call makes a request to the base URL, as a program would.
func (b *bundle) call(method, path, body string) answer {
	b.t.Helper()
	return b.send(http.DefaultClient, b.env["HUBSPOT_BASE_URL"], method, path, body, nil)
}

// send makes a request with a client; headers replace those that a program sends.
func (b *bundle) send(c *http.Client, base, method, path, body string, headers map[string]string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.ctx, method, base+path, strings.NewReader(body))
	require.NoError(b.t, err)
	r.Header.Set("Authorization", "Bearer "+b.env["HUBSPOT_ACCESS_TOKEN"])
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	return b.do(c, r)
}

func (b *bundle) do(c *http.Client, r *http.Request) answer {
	b.t.Helper()
	res, err := c.Do(r)
	require.NoError(b.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.NewDecoder(bytes.NewReader(raw)).Decode(&a.body)
	return a
}

// direct asks HubSpot itself, with the token.
func (b *bundle) direct(method, path, body string) answer {
	b.t.Helper()
	return b.send(http.DefaultClient, b.Sim.URL, method, path, body, map[string]string{"Authorization": "Bearer " + b.Access})
}

// through is a client like those that know the usual variables.
func (b *bundle) through() *http.Client {
	b.t.Helper()
	roots := x509.NewCertPool()
	raw, err := os.ReadFile(b.env["NODE_EXTRA_CA_CERTS"])
	require.NoError(b.t, err)
	require.True(b.t, roots.AppendCertsFromPEM(raw))
	address, err := url.Parse(b.env["HTTPS_PROXY"])
	require.NoError(b.t, err)
	transport := &http.Transport{Proxy: http.ProxyURL(address), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
