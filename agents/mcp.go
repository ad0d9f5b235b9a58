package agents

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// statusTool looks again at a call.
const statusTool = "call_status"

const instructions = `These tools read and change an organization's HubSpot account through Debrief.
What you are not offered is denied. A write may have to be approved by a human first: then the answer has a call_id and an approval_url. Tell your user the link; you can't approve it yourself. Ask call_status with the call_id now and then, not more often than every ten seconds. It is carried out once approved, whether or not you still ask.
Making the same call again does not do it twice until its result was told to you; give a key of your own where you want that for good.`

// server is an MCP server for one caller. What it offers is looked up whenever it is
// asked for, so that a permission that changes counts at once.
type server struct {
	service *Service
	caller  Caller
	mcp     *mcp.Server
	// more says whether another call is let in, beside the one that a request over HTTP
	// is for: older versions of the protocol have batches. nil: any number is.
	more func() bool

	mu sync.Mutex
	// offered are the tools that it has, as they were last described.
	offered map[string]string
}

// Server makes an MCP server for one caller. Client may be empty: then it is what the
// client says of itself.
func (s *Service) Server(c Caller) *mcp.Server { return s.server(c, nil) }

func (s *Service) server(c Caller, more func() bool) *mcp.Server {
	m := &server{service: s, caller: c, more: more, offered: map[string]string{}}
	m.mcp = mcp.NewServer(&mcp.Implementation{Name: "debrief", Title: "Debrief", Version: "1"}, &mcp.ServerOptions{
		Instructions: instructions,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
		// The tools are this person's, as they are now: for nobody else, and not for later.
		SetCacheable: func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.CacheScope, c.TTLMs = "private", 0 },
	})
	m.mcp.AddTool(&mcp.Tool{
		Name: statusTool, Title: "Status of a call", Description: "Say how a call stands that was not carried out at once.",
		InputSchema: map[string]any{
			"type": "object", "required": []string{"call_id"}, "additionalProperties": false,
			"properties": map[string]any{"call_id": map[string]any{"type": "string", "description": "The call_id of an earlier answer."}},
		},
		Annotations: annotations(policy.Read),
	}, m.answered(m.status))
	m.mcp.AddReceivingMiddleware(m.current)
	return m.mcp
}

// current brings the tools up to date before they are listed or one is called.
func (m *server) current(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if (method == "tools/list" || method == "tools/call") && m.more != nil && !m.more() {
			return nil, &store.Refusal{Sentence: "Too many calls: try again in two seconds."}
		}
		switch method {
		case "tools/list":
			tools, err := m.service.Tools(ctx, m.caller)
			if err != nil {
				return nil, m.problem(ctx, "listing tools", err)
			}
			m.offer(tools)
		case "tools/call":
			call, ok := req.(*mcp.CallToolRequest)
			if !ok {
				break
			}
			if err := m.offerOne(ctx, call.Params.Name); err != nil {
				return nil, m.problem(ctx, "looking for a tool", err)
			}
		}
		return next(ctx, method, req)
	}
}

func (m *server) offer(tools []Tool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := map[string]bool{}
	for _, t := range tools {
		now[t.Name] = true
		m.add(t)
	}
	for name := range m.offered {
		if !now[name] {
			m.mcp.RemoveTools(name)
			delete(m.offered, name)
		}
	}
}

// add offers a tool, unless it is offered like that already: clients are told of each
// change.
func (m *server) add(t Tool) {
	schema, _ := json.Marshal(t.Schema) // of maps and strings
	described := fmt.Sprintf("%s\x00%s\x00%s", t.Title, t.Description, schema)
	if m.offered[t.Name] == described {
		return
	}
	m.offered[t.Name] = described
	m.mcp.AddTool(&mcp.Tool{
		Name: t.Name, Title: t.Title, Description: t.Description, InputSchema: json.RawMessage(schema), Annotations: annotations(t.Uses.Operation),
	}, m.answered(m.call))
}

// offerOne makes sure that a tool can be called just if it may be. What its arguments
// are was said when it was listed.
func (m *server) offerOne(ctx context.Context, name string) error {
	tool, kind, ok := find(name)
	if !ok {
		return nil
	}
	connection, err := m.service.Connection(ctx, m.caller)
	if err != nil {
		return err
	}
	offered, err := m.service.offered(ctx, m.caller, connection)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	permission, may := offered[tool]
	_, has := m.offered[name]
	switch {
	case may && !has:
		m.add(Tool{Name: name, Title: title(tool, kind), Uses: tool, Asks: permission == policy.Ask, Schema: map[string]any{"type": "object"}})
	case !may && has:
		m.mcp.RemoveTools(name)
		delete(m.offered, name)
	}
	return nil
}

func annotations(operation policy.Operation) *mcp.ToolAnnotations {
	yes, no := true, false
	a := &mcp.ToolAnnotations{ReadOnlyHint: operation == policy.Read, OpenWorldHint: &no, DestructiveHint: &no}
	if operation == policy.Update {
		a.DestructiveHint = &yes // it replaces values
		a.IdempotentHint = true
	}
	return a
}

// answered makes a tool's handler of what answers with a value.
func (m *server) answered(do func(context.Context, *mcp.CallToolRequest) (any, error)) mcp.ToolHandler {
	return func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		value, err := do(ctx, req)
		if err != nil {
			return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: m.problem(ctx, "calling "+clip(req.Params.Name, 100), err).Error()}}}, nil
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encoding an answer: %w", err)
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}, StructuredContent: json.RawMessage(text)}, nil
	}
}

// problem is what the caller is told of an error.
func (m *server) problem(ctx context.Context, doing string, err error) error {
	sentence, told := Sentence(err)
	if !told {
		m.service.options.OnError(ctx, doing, err)
	}
	return &store.Refusal{Sentence: sentence}
}

func (m *server) status(ctx context.Context, req *mcp.CallToolRequest) (any, error) {
	var in struct {
		CallID string `json:"call_id"`
	}
	if err := decode(req, &in); err != nil {
		return nil, err
	}
	id, err := uuid.Parse(in.CallID)
	if err != nil {
		return nil, &store.Refusal{Sentence: "That is no call's ID."}
	}
	return m.service.Status(ctx, m.caller, id)
}

// values are properties as a model writes them: numbers and truths, too.
type values map[string]string

func (v *values) UnmarshalJSON(raw []byte) error {
	var loose map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&loose); err != nil {
		return fmt.Errorf("decoding properties: %w", err)
	}
	*v = values{}
	for name, value := range loose {
		switch value := value.(type) {
		case string:
			(*v)[name] = value
		case json.Number:
			(*v)[name] = value.String()
		case bool:
			(*v)[name] = fmt.Sprint(value)
		case nil:
			(*v)[name] = ""
		default:
			return &store.Refusal{Sentence: fmt.Sprintf("The value of %q is neither text nor a number.", clip(name, 100))}
		}
	}
	return nil
}

type link struct {
	Object string `json:"object"`
	ID     string `json:"id"`
}

type readArguments struct {
	ID           string   `json:"id"`
	Properties   []string `json:"properties"`
	Associations []string `json:"associations"`
}

type searchArguments struct {
	Query   string `json:"query"`
	Filters []struct {
		Property string `json:"property"`
		Operator string `json:"operator"`
		Value    string `json:"value"`
	} `json:"filters"`
	Properties []string `json:"properties"`
	Limit      int      `json:"limit"`
	After      string   `json:"after"`
	Email      string   `json:"email"` // of owners
}

type writeArguments struct {
	ID           string `json:"id"`
	Properties   values `json:"properties"`
	Associations []link `json:"associations"`
	Reason       string `json:"reason"`
	Key          string `json:"key"`
}

// decode reads a call's arguments. What no argument is called is refused: a client
// that misspells one would not learn that it was ignored.
func decode(req *mcp.CallToolRequest, into any) error {
	if len(req.Params.Arguments) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(req.Params.Arguments))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &store.Refusal{Sentence: "The arguments are not as the tool's schema says: " + clip(err.Error(), 200) + "."}
	}
	return nil
}

// call carries out one call of a tool. Whether it may is looked at again where it
// happens: by the store that keeps the call, and by the gate.
func (m *server) call(ctx context.Context, req *mcp.CallToolRequest) (any, error) {
	tool, kind, ok := find(req.Params.Name)
	if !ok {
		return nil, &store.Refusal{Sentence: "There is no such tool."}
	}
	caller := m.caller
	if caller.Client == "" && req.Session != nil {
		if init := req.Session.InitializeParams(); init != nil && init.ClientInfo != nil {
			caller.Client = cmp.Or(init.ClientInfo.Title, init.ClientInfo.Name) + " " + init.ClientInfo.Version
		}
	}
	switch kind {
	case kindGet:
		var in readArguments
		if err := decode(req, &in); err != nil {
			return nil, err
		}
		return m.service.Get(ctx, caller, tool.Object, in.ID, in.Properties, in.Associations)
	case kindSearch:
		var in searchArguments
		if err := decode(req, &in); err != nil {
			return nil, err
		}
		if tool.Object == "owner" {
			return m.service.Owners(ctx, caller, in.Email)
		}
		search := hubspot.SearchRequest{Query: in.Query, Properties: in.Properties, Limit: in.Limit, After: in.After}
		if len(in.Filters) > 0 {
			var group hubspot.FilterGroup
			for _, f := range in.Filters {
				group.Filters = append(group.Filters, hubspot.Filter{PropertyName: f.Property, Operator: f.Operator, Value: f.Value})
			}
			search.FilterGroups = []hubspot.FilterGroup{group}
		}
		return m.service.Search(ctx, caller, tool.Object, search)
	default:
		var in writeArguments
		if err := decode(req, &in); err != nil {
			return nil, err
		}
		r := Request{Tool: tool, TargetID: in.ID, Properties: in.Properties, Reason: in.Reason, Key: in.Key}
		for _, l := range in.Associations {
			other := policy.Tool{Object: l.Object, Operation: policy.Update}.Canonical()
			if _, known := policy.FindTool(other); !known {
				return nil, &store.Refusal{Sentence: fmt.Sprintf("There is no object type %q to link with.", clip(l.Object, 60))}
			}
			r.Associations = append(r.Associations, store.AssociationRef{Object: other.Object, RecordID: l.ID})
		}
		return m.service.Do(ctx, caller, r)
	}
}

// Handler answers MCP over HTTP. Each request stands for itself: with a token it is its
// person's, without one it is nobody's.
func (s *Service) Handler() http.Handler {
	limits := newLimits()
	h := mcp.NewStreamableHTTPHandler(func(r *http.Request) *mcp.Server {
		token := tokenOf(r)
		var first atomic.Bool
		return s.server(callerOf(token), func() bool {
			// The first was counted with the request.
			return first.CompareAndSwap(false, true) || limits.of(token.ID).Allow()
		})
	}, &mcp.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, MaxRequestBodyBytes: 1 << 20, PropagateRequestCancellation: true,
		// Behind a proxy on the same machine, the host is the public one: guard checks it.
		DisableLocalhostProtection: true,
	})
	return s.guard(h, limits)
}
