// Package modeltest is a scripted endpoint of a language model: an HTTP server that
// speaks OpenAI's chat completions and Anthropic's messages, with what goes wrong at
// such endpoints. It is for tests alone, knows no model, and keeps what it was asked.
package modeltest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Asked is one request that came.
type Asked struct {
	// Kind is "openai" or "anthropic", by the path.
	Kind  string
	Model string
	// Key is what the request proved itself with.
	Key    string
	System string
	// Turns are the texts, as question and answer alternate.
	Turns []string
	// Schema is the answer's, as JSON; empty if none was asked for.
	Schema string
	// Body is the whole request.
	Body string
}

// Last is the last question.
func (a Asked) Last() string {
	if len(a.Turns) == 0 {
		return ""
	}
	return a.Turns[len(a.Turns)-1]
}

// Reply is what the server answers.
type Reply struct {
	// Text is the model's.
	Text string
	// Status other than 200 is an error of the endpoint, with Body if there is one.
	Status int
	Body   string
	// RetryAfter in seconds goes with it; 0 is not said.
	RetryAfter int
	// Refused: the model declines. Half: the answer ends at the limit of its tokens.
	Refused, Half bool
	// CutBody: the connection ends in the middle of the response.
	CutBody bool
	// Silent: no answer comes until the client is gone.
	Silent bool
	// Location redirects there, with Status.
	Location string
	// In and Out are the tokens that it counts; 0 is a tenth of the text.
	In, Out int64
}

// Server answers by script.
type Server struct {
	// Answer is asked for each reply, one call after the other.
	Answer func(Asked) Reply

	mu    sync.Mutex
	asked []Asked
}

// Script answers with one reply after the other, and the last one again and again.
func Script(replies ...Reply) *Server {
	next := 0
	return &Server{Answer: func(Asked) Reply {
		r := replies[min(next, len(replies)-1)]
		next++
		return r
	}}
}

// Start serves on a loopback port until the test ends. The URL is the base of both
// APIs: OpenAI's has /v1 behind it.
func (s *Server) Start(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Asked returns what came so far.
func (s *Server) Asked() []Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Asked(nil), s.asked...)
}

// mostBody is more than any question has.
const mostBody = 16 << 20

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&raw); err != nil || r.Method != http.MethodPost {
		http.Error(w, `{"error":{"message":"no JSON"}}`, http.StatusBadRequest)
		return
	}
	asked := Asked{Body: string(raw)}
	switch {
	case strings.HasSuffix(r.URL.Path, "/chat/completions"):
		asked.Kind, asked.Key = "openai", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	case strings.HasSuffix(r.URL.Path, "/v1/messages"):
		asked.Kind, asked.Key = "anthropic", r.Header.Get("X-Api-Key")
	default:
		http.NotFound(w, r)
		return
	}
	asked.read(raw)
	s.mu.Lock()
	s.asked = append(s.asked, asked)
	reply := s.Answer(asked)
	s.mu.Unlock()
	s.write(w, r, asked, reply)
}

// text is a message's, as a string or as blocks.
func text(raw json.RawMessage) string {
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		return plain
	}
	var blocks []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(raw, &blocks) // what is neither has no text
	for _, b := range blocks {
		plain += b.Text
	}
	return plain
}

func (a *Asked) read(raw json.RawMessage) {
	var body struct {
		Model    string          `json:"model"`
		System   json.RawMessage `json:"system"`
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		ResponseFormat struct {
			JSONSchema struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"json_schema"`
		} `json:"response_format"`
		OutputConfig struct {
			Format struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"output_config"`
	}
	_ = json.Unmarshal(raw, &body) // fields of other kinds stay empty, and a test sees it
	a.Model, a.System = body.Model, text(body.System)
	for _, m := range body.Messages {
		if m.Role == "system" {
			a.System += text(m.Content)
			continue
		}
		a.Turns = append(a.Turns, text(m.Content))
	}
	a.Schema = string(body.ResponseFormat.JSONSchema.Schema) + string(body.OutputConfig.Format.Schema)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, asked Asked, reply Reply) {
	if reply.Silent {
		<-r.Context().Done()
		return
	}
	if reply.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(reply.RetryAfter))
	}
	if reply.Location != "" {
		w.Header().Set("Location", reply.Location)
	}
	w.Header().Set("Content-Type", "application/json")
	if reply.Status != 0 && reply.Status != http.StatusOK {
		w.WriteHeader(reply.Status)
		_, _ = w.Write([]byte(reply.Body)) // the client may be gone
		return
	}
	body, err := json.Marshal(asked.response(reply))
	if err != nil {
		http.Error(w, "{}", http.StatusInternalServerError)
		return
	}
	if reply.CutBody {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2]) // as above
		return                             // the server closes the connection, since more was promised
	}
	_, _ = w.Write(body) // as above
}

// response is the reply in the form of the API that was called.
func (a Asked) response(reply Reply) map[string]any {
	in, out := reply.In, reply.Out
	if in == 0 {
		in = int64(len(a.Body) / 10)
	}
	if out == 0 {
		out = int64(len(reply.Text)/10 + 1)
	}
	if a.Kind == "anthropic" {
		stop := "end_turn"
		switch {
		case reply.Refused:
			stop = "refusal"
		case reply.Half:
			stop = "max_tokens"
		}
		return map[string]any{
			"id": "msg_test", "type": "message", "role": "assistant", "model": a.Model, "stop_reason": stop,
			"content": []any{map[string]any{"type": "text", "text": reply.Text}},
			"usage":   map[string]any{"input_tokens": in, "output_tokens": out},
		}
	}
	message, finish := map[string]any{"role": "assistant", "content": reply.Text}, "stop"
	switch {
	case reply.Refused:
		message["refusal"] = "I can't help with that."
	case reply.Half:
		finish = "length"
	}
	return map[string]any{
		"id": "chatcmpl-test", "object": "chat.completion", "model": a.Model,
		"choices": []any{map[string]any{"index": 0, "finish_reason": finish, "message": message}},
		"usage":   map[string]any{"prompt_tokens": in, "completion_tokens": out, "total_tokens": in + out},
	}
}
