package agents_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/agents/agentstest"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// bundle is an account with the service of its person's agent.
type bundle struct {
	*agentstest.Account

	t       *testing.T
	ctx     context.Context
	service *agents.Service
	errors  func() []string
}

func setup(t *testing.T, permissions ...string) *bundle {
	t.Helper()
	b := &bundle{t: t, ctx: context.Background(), Account: agentstest.New(t, permissions...)}
	var mu sync.Mutex
	var failed []string
	b.errors = func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(failed) }
	options := b.Options()
	options.Wait = 10 * time.Second
	options.OnError = func(_ context.Context, doing string, err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = append(failed, doing+": "+err.Error())
	}
	b.service = agents.New(options)
	t.Cleanup(func() { require.Empty(t, b.errors()) })
	return b
}

func (b *bundle) caller() agents.Caller { return b.Caller(store.OriginAgent, "tests 1.0") }

func (b *bundle) writes() int { return len(b.Sim.Writes()) }

func (b *bundle) approve(callID uuid.UUID, verdict store.Verdict) {
	b.t.Helper()
	approvals, err := b.Store.Approvals(b.ctx, b.Org, store.ApprovalFilter{State: store.ApprovalPending, MeetingID: callID})
	require.NoError(b.t, err)
	require.Len(b.t, approvals, 1)
	_, err = b.Store.Decide(b.ctx, store.Decision{OrganizationID: b.Org, ApprovalID: approvals[0].ID, Verdict: verdict, Actor: store.Operator, Via: "test"})
	require.NoError(b.t, err)
}

// session is a client's of the SDK.
type session struct {
	*mcp.ClientSession

	t *testing.T
}

// inMemory connects a client to a server of the caller's.
func (b *bundle) inMemory() *session {
	b.t.Helper()
	caller := b.caller()
	caller.Client = ""
	near, far := mcp.NewInMemoryTransports()
	server, err := b.service.Server(caller).Connect(b.ctx, far, nil)
	require.NoError(b.t, err)
	return b.connect(near, func() { _ = server.Wait() })
}

// overHTTP connects one over HTTP with a token.
func (b *bundle) overHTTP(bearer string) (*session, error) {
	server := httptest.NewServer(b.service.Handler())
	b.t.Cleanup(server.Close)
	httpClient := &http.Client{Transport: authorized(bearer)}
	client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "2.1"}, nil)
	s, err := client.Connect(b.ctx, &mcp.StreamableClientTransport{Endpoint: server.URL, HTTPClient: httpClient, MaxRetries: -1, DisableStandaloneSSE: true}, nil)
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return &session{s, b.t}, nil
}

type authorized string

func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(a))
	return http.DefaultTransport.RoundTrip(r)
}

func (b *bundle) connect(transport mcp.Transport, closed func()) *session {
	b.t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "2.1"}, nil)
	s, err := client.Connect(b.ctx, transport, nil)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = s.Close(); closed() })
	return &session{s, b.t}
}

func (s *session) names() []string {
	s.t.Helper()
	list, err := s.ListTools(context.Background(), nil)
	require.NoError(s.t, err)
	var names []string
	for _, t := range list.Tools {
		names = append(names, t.Name)
	}
	return names
}

// call calls a tool and decodes its answer; an error of the tool is returned as text.
func (s *session) call(name string, arguments map[string]any, into any) (problem string) {
	s.t.Helper()
	res, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		return "protocol: " + err.Error()
	}
	require.NotEmpty(s.t, res.Content)
	text, ok := res.Content[0].(*mcp.TextContent)
	require.True(s.t, ok)
	if res.IsError {
		return text.Text
	}
	require.NoError(s.t, json.Unmarshal([]byte(text.Text), into))
	return ""
}
