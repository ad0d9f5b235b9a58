package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// transcript writes down for people what goes over the wire between an agent and
// Debrief, beside what is said about it.
type transcript struct {
	next http.RoundTripper

	mu     sync.Mutex
	text   strings.Builder
	begun  bool
	paused bool
}

// RoundTrip writes down a message and its answer.
func (s *transcript) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.paused && r.Method == http.MethodPost {
		s.message("The agent", sent)
		if len(answer) > 0 {
			s.message("Debrief", answer)
		}
	}
	return response, nil
}

// say writes a sentence between the messages.
func (s *transcript) say(sentence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.text, "\n---\n\n%s\n", sentence)
}

// pause leaves out what follows, until resume: what the test makes sure of beside the
// story.
func (s *transcript) pause()  { s.mu.Lock(); defer s.mu.Unlock(); s.paused = true }
func (s *transcript) resume() { s.mu.Lock(); defer s.mu.Unlock(); s.paused = false }

func (s *transcript) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.text.String() }

func (s *transcript) message(who string, raw []byte) {
	var message map[string]any
	if json.Unmarshal(raw, &message) != nil {
		fmt.Fprintf(&s.text, "\n**%s:** `%s`\n", who, raw)
		return
	}
	what := ""
	if method, ok := message["method"].(string); ok {
		what = " `" + method + "`"
	}
	abridge(message, s.begun)
	s.begun = true
	pretty, err := json.MarshalIndent(message, "", "  ")
	if err != nil {
		return
	}
	fmt.Fprintf(&s.text, "\n**%s:**%s\n\n```json\n%s\n```\n", who, what, pretty)
}

// What a reader is shown of long lists.
const (
	shownProperties = 4
	shownOptions    = 2
	shownSchema     = "deal_create"
)

// abridge takes out what is there twice, and cuts what is long.
func abridge(message map[string]any, begun bool) {
	params, _ := message["params"].(map[string]any)
	result, ok := message["result"].(map[string]any)
	if begun {
		delete(message, "jsonrpc")
		delete(result, "_meta")
		delete(result, "resultType")
		about, _ := params["_meta"].(map[string]any)
		maps.DeleteFunc(about, func(name string, _ any) bool { return strings.HasPrefix(name, "io.modelcontextprotocol/") })
		if len(about) == 0 {
			delete(params, "_meta")
		}
	}
	if !ok {
		return
	}
	if result["structuredContent"] != nil {
		delete(result, "content")
	}
	tools, _ := result["tools"].([]any)
	for _, one := range tools {
		tool, _ := one.(map[string]any)
		delete(tool, "annotations")
		if tool["name"] == shownSchema {
			shorten(tool["inputSchema"])
		} else {
			tool["inputSchema"] = "…"
		}
	}
}

func shorten(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		if options, ok := schema["oneOf"].([]any); ok && len(options) > shownOptions {
			schema["oneOf"] = append(slices.Clone(options[:shownOptions]), fmt.Sprintf("… and %d more", len(options)-shownOptions))
		}
		properties, ok := schema["properties"].(map[string]any)
		if ok && len(properties) > 2*shownProperties {
			names := slices.Sorted(maps.Keys(properties))
			kept := map[string]any{"…": fmt.Sprintf("and %d more", len(properties)-shownProperties)}
			for _, name := range []string{"dealname", "dealstage", "renewal_risk", "amount"} {
				if slices.Contains(names, name) {
					kept[name] = properties[name]
				}
			}
			schema["properties"] = kept
		}
		for _, value := range schema {
			shorten(value)
		}
	case []any:
		for _, value := range schema {
			shorten(value)
		}
	}
}

const preamble = `# An agent's conversation

What an agent and Debrief said to each other over MCP (streamable HTTP), as it went over the
wire, recorded by an end-to-end test with the real binary, PostgreSQL, Temporal and a
simulated HubSpot account. ` + "`make runs`" + ` records it anew.

The agent is the official Go SDK's client. It calls for Mara, a member; Iris is an approver.
Permissions: contacts and companies may be read, a contact may be changed and a deal made;
making a contact asks, and so does reading deals; all else is denied. Left out here are what
each message says anew of its client, server and version, the text of answers that also have
their content as JSON, annotations, all schemas but one, and most of that one. What differs
from run to run (IDs, moments, the port) has another name.
`

var anyMoment = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)

// page is the transcript without what differs from run to run.
func (s *transcript) page(sc *scene) string {
	text := strings.ReplaceAll(s.String(), fmt.Sprint(sc.HubID), "HUB")
	calls := map[string]string{}
	text = anyID.ReplaceAllStringFunc(text, func(id string) string {
		if calls[id] == "" {
			calls[id] = fmt.Sprintf("CALL-%d", len(calls)+1)
		}
		return calls[id]
	})
	for _, objectType := range []string{"companies", "contacts", "deals"} {
		for i, r := range sc.world.Simulator.Records(sc.HubID, objectType) {
			text = regexp.MustCompile(`\b`+r.ID+`\b`).ReplaceAllString(text, fmt.Sprintf("%s-%d", strings.ToUpper(objectType), i+1))
		}
	}
	return preamble + anyMoment.ReplaceAllString(anyPort.ReplaceAllString(text, "127.0.0.1:PORT"), "TIME")
}
