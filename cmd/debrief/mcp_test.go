package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

func TestTokenCommands(t *testing.T) {
	t.Parallel()
	s, _, debrief := company(t)
	ok, fails := checks(t, debrief)
	ok("people", "add", "mara@acme.example")
	require.Contains(t, ok("tokens", "list"), "No tokens")
	var made struct {
		ID    uuid.UUID `json:"id"`
		Token string    `json:"token"`
		URL   string    `json:"url"`
	}
	require.NoError(t, json.Unmarshal([]byte(ok("tokens", "create", "mara@acme.example", "--name", "laptop", "--json")), &made))
	require.Equal(t, "https://debrief.example/mcp", made.URL)
	_, err := s.Bearer(context.Background(), made.Token)
	require.NoError(t, err)
	require.NotContains(t, ok("tokens", "list", "--json"), made.Token)
	require.Contains(t, ok("tokens", "list"), "works, expires in")
	require.Contains(t, ok("tokens", "revoke", made.ID.String()), "works no more")
	require.Contains(t, ok("tokens", "list"), "revoked")
	_, err = s.Bearer(context.Background(), made.Token)
	require.Error(t, err)
	fails(exitNotFound, "no token", "tokens", "revoke", uuid.NewString())
	fails(exitRefused, "a year at most", "tokens", "create", "mara@acme.example", "--name", "laptop", "--ttl", "100000h")
	fails(exitUsage, "nobody of", "tokens", "create", "nobody@acme.example", "--name", "laptop")
}

// TestMCPCommand speaks with `debrief mcp` over its standard input and output.
func TestMCPCommand(t *testing.T) {
	t.Parallel()
	x := newTerminal(t)
	added, _, problem := x.typed(x.app.ClientSecret+"\n", "apps", "add", "hubspot", "--client-id", x.app.ClientID)
	require.Equal(t, exitOK, added, problem)
	x.ok("people", "add", "mara@acme.example")
	code, _, stderr := x.run("mcp", "--person", "mara@acme.example")
	require.NotEqual(t, exitOK, code)
	require.Contains(t, stderr, "connect")
	x.login("main", browse(t))

	theirs, ours := io.Pipe()
	answers, out := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(context.Background(), []string{"--config", x.settings, "mcp", "--person", "mara@acme.example"}, theirs, out, &errs)
		_ = out.Close()
	}()
	client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "1"}, nil)
	session, err := client.Connect(context.Background(), &mcp.IOTransport{Reader: answers, Writer: ours}, nil)
	require.NoError(t, err)
	tools, err := session.ListTools(context.Background(), nil)
	require.NoError(t, err)
	require.Len(t, tools.Tools, 1, "nothing is configured, so all is denied")
	x.ok("tools", "set", "allow", "contact.read")
	tools, err = session.ListTools(context.Background(), nil)
	require.NoError(t, err)
	require.Len(t, tools.Tools, 3)
	require.NoError(t, session.Close())
	require.Equal(t, exitOK, <-ended, errs.String())
}
