package hubspottest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// APIVersion is the dated version that the simulator serves.
const APIVersion = "2026-09"

const maxRequestBytes = 10 << 20

// Options configure a [Server]. The zero value serves.
type Options struct {
	// Now is the real time beneath the simulator's clock. Default: time.Now.
	Now func() time.Time
	// URL is the address that records' links show when the handler is mounted
	// somewhere; a started server knows its own.
	URL string
}

// Server is one simulated HubSpot with any number of accounts.
type Server struct {
	// URL is the server's address once started, without a trailing slash.
	URL string

	realNow func() time.Time
	routes  []*route

	listener net.Listener
	http     *http.Server
	done     chan struct{}

	mu      sync.Mutex
	st      *state
	index   uniqueIndex
	faults  []*activeFault
	calls   map[callKey]int
	windows map[string][]time.Time
	pending []pendingWork
}

// NewServer starts a simulator on a free port of 127.0.0.1. It panics if it
// cannot listen, as httptest does. Close it.
func NewServer(o Options) *Server {
	s := NewUnstartedServer(o)
	if err := s.Start("127.0.0.1:0"); err != nil {
		panic("hubspottest: " + err.Error())
	}
	return s
}

// NewUnstartedServer makes a simulator that does not listen: mount its
// [Server.Handler], or [Server.Start] it on an address of your own.
func NewUnstartedServer(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		URL: strings.TrimRight(o.URL, "/"), realNow: o.Now, st: newState(), index: uniqueIndex{},
		calls: map[callKey]int{}, windows: map[string][]time.Time{},
	}
	s.addRoutes()
	return s
}

// Start listens on an address and serves until [Server.Close].
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", addr, err)
	}
	s.listener = l
	if s.URL == "" {
		s.URL = "http://" + l.Addr().String()
	}
	s.http = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l)
	}()
	return nil
}

// Close stops listening and drops open connections.
func (s *Server) Close() {
	if s.http == nil {
		return
	}
	_ = s.http.Close()
	<-s.done
}

// Shutdown stops listening and lets running requests end.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	<-s.done
	return err
}

// Handler serves everything: API, consent page, pages and control.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Now is the simulator's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return s.realNow().Add(s.st.ClockOffset).UTC() }

// Advance moves the simulator's clock forward; tokens age, search catches up,
// late writes happen.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.ClockOffset += max(d, 0)
	s.settle()
}

// pendingWork happens when its time has come; it holds the lock while it runs.
type pendingWork struct {
	at time.Time
	do func()
}

// settle does the work whose time has come. It runs before anything looks, so
// that no goroutine and no timer is needed.
func (s *Server) settle() {
	now := s.now()
	for {
		next := -1
		for i, w := range s.pending {
			if !w.at.After(now) && (next < 0 || w.at.Before(s.pending[next].at)) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		work := s.pending[next]
		s.pending = append(s.pending[:next:next], s.pending[next+1:]...)
		work.do()
	}
}

// reply is an answer before it is written.
type reply struct {
	status int
	header map[string]string
	body   any
}

// request is one API call on its way.
type request struct {
	s        *Server
	method   string
	segments []string
	query    url.Values
	header   http.Header
	body     []byte
	vars     map[string]string
	now      time.Time
	route    *route
	endpoint string
	// otherMethod: the path exists, with another method.
	otherMethod bool

	// Set by authentication.
	token  *accessToken
	app    *App
	portal *portal
}

type bucket int

const (
	noBucket bucket = iota
	burstBucket
	searchBucket
)

// route is one endpoint.
type route struct {
	method   string
	pattern  string
	segments []string
	bucket   bucket
	// public: no bearer token.
	public bool
	// scopes of which the token needs one; nil: none.
	scopes func(*request) []string
	fn     func(*request) reply
}

func (s *Server) handle(pattern string, r route) {
	r.method, r.pattern, _ = strings.Cut(pattern, " ")
	r.segments = strings.Split(strings.Trim(r.pattern, "/"), "/")
	s.routes = append(s.routes, &r)
}

func (s *Server) match(method string, segments []string) (found *route, vars map[string]string, otherMethod bool) {
next:
	for _, r := range s.routes {
		if len(r.segments) != len(segments) {
			continue
		}
		for i, want := range r.segments {
			if want[0] != '{' && want != segments[i] || segments[i] == "" {
				continue next
			}
		}
		if r.method != method {
			otherMethod = true
			continue
		}
		vars = map[string]string{}
		for i, want := range r.segments {
			if want[0] == '{' {
				vars[strings.Trim(want, "{}")] = segments[i]
			}
		}
		return r, vars, false
	}
	return nil, nil, otherMethod
}

// segmentsOf splits an escaped path and unescapes each part, and turns legacy
// and earlier dated paths into the current form.
func segmentsOf(escaped string) []string {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil {
			parts[i] = plain
		}
	}
	old := func(v string) bool { return v == "v3" || v == "v4" || v == "2026-03" }
	if len(parts) >= 3 && parts[0] == "crm" {
		switch {
		case old(parts[1]) && parts[2] == "schemas":
			return append([]string{"crm-object-schemas", APIVersion, "schemas"}, parts[3:]...)
		case old(parts[1]):
			parts[1], parts[2] = parts[2], APIVersion
		case old(parts[2]):
			parts[2] = APIVersion
		}
	}
	if len(parts) >= 2 {
		switch parts[0] {
		case "appinstalls", "account-info", "crm-object-schemas":
			if old(parts[1]) {
				parts[1] = APIVersion
			}
		case "oauth":
			if len(parts) >= 3 && parts[2] == "token" && (old(parts[1]) || parts[1] == "v1") {
				parts[1] = APIVersion
			}
		}
	}
	return parts
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/sim/"):
		s.serveControl(w, r)
		return
	case path == "/" || strings.HasPrefix(path, "/portal/") || strings.HasPrefix(path, "/contacts/"):
		s.servePage(w, r)
		return
	}
	segments := segmentsOf(r.URL.EscapedPath())
	if n := len(segments); n >= 2 && n <= 3 && segments[0] == "oauth" && segments[n-1] == "authorize" {
		s.serveConsent(w, r, segments)
		return
	}

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		write(w, problem(http.StatusRequestEntityTooLarge, "VALIDATION_ERROR", "The request body is too large or could not be read."))
		return
	}
	q := &request{s: s, method: r.Method, segments: segments, query: r.URL.Query(), header: r.Header, body: body}
	fault := s.arrive(q)
	if fault == nil {
		write(w, s.answer(q))
		return
	}
	if fault.Latency > 0 {
		select {
		case <-time.After(fault.Latency):
		case <-r.Context().Done():
			// The client has gone; HubSpot goes on all the same.
		}
	}
	switch {
	case fault.CutBeforeCommit:
		panic(http.ErrAbortHandler)
	case fault.CommitLate > 0:
		s.mu.Lock()
		q.now = s.now()
		at := q.now.Add(fault.CommitLate)
		s.pending = append(s.pending, pendingWork{at: at, do: func() { s.answerLocked(q) }})
		s.mu.Unlock()
		if fault.Status == 0 {
			panic(http.ErrAbortHandler)
		}
	case fault.CutAfterCommit:
		s.answer(q)
		panic(http.ErrAbortHandler)
	case fault.AnswerAfterCommit:
		s.answer(q)
	}
	if fault.Status == 0 && fault.Body == "" {
		out := s.answer(q)
		for k, v := range fault.Header {
			out.header = withHeader(out.header, k, v)
		}
		if fault.TruncateBody || fault.SlowBody > 0 {
			s.writeBadly(w, r, out, fault)
			return
		}
		write(w, out)
		return
	}
	fault.write(w)
}

// writeBadly answers with a body that is cut in the middle, or drips.
func (s *Server) writeBadly(w http.ResponseWriter, r *http.Request, out reply, f *Fault) {
	raw := encode(out.body)
	for k, v := range out.header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(out.status)
	_, _ = w.Write(raw[:len(raw)/2])
	_ = http.NewResponseController(w).Flush()
	if f.TruncateBody {
		panic(http.ErrAbortHandler)
	}
	select {
	case <-time.After(f.SlowBody):
	case <-r.Context().Done():
		return
	}
	_, _ = w.Write(raw[len(raw)/2:])
}

// arrive counts a call, whatever becomes of it, and says what is to go wrong.
func (s *Server) arrive(q *request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.route, q.vars, q.otherMethod = s.match(q.method, q.segments)
	var hub int64
	var p *portal
	if token := s.st.Access[bearer(q.header)]; token != nil {
		hub, p = token.HubID, s.st.Portals[token.HubID]
	}
	if q.route != nil {
		q.endpoint = q.template(p)
		s.calls[callKey{hub, q.method + " " + q.endpoint}]++
	}
	return s.takeFault(q, hub)
}

// answer runs a call to its end.
func (s *Server) answer(q *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = s.now()
	s.settle()
	return s.answerLocked(q)
}

func (s *Server) answerLocked(q *request) reply {
	route := q.route
	if route == nil {
		if q.otherMethod {
			return reply{status: http.StatusMethodNotAllowed}
		}
		return problem(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found")
	}
	if !route.public {
		if refused := q.authenticate(); refused != nil {
			return *refused
		}
		limited, headers := q.limit()
		if limited != nil {
			return *limited
		}
		if refused := q.authorize(); refused != nil {
			return *refused
		}
		out := route.fn(q)
		for k, v := range headers {
			out.header = withHeader(out.header, k, v)
		}
		return out
	}
	return route.fn(q)
}

// template is the route's pattern with the object types filled in and IDs left
// as placeholders.
func (q *request) template(p *portal) string {
	parts := make([]string, len(q.route.segments))
	for i, part := range q.route.segments {
		switch part {
		case "{type}", "{from}", "{to}":
			part = q.segments[i]
			if p != nil {
				if t := p.typeOf(part); t != nil {
					part = t.Name
				}
			}
		}
		parts[i] = part
	}
	return "/" + strings.Join(parts, "/")
}

func withHeader(h map[string]string, k, v string) map[string]string {
	if h == nil {
		h = map[string]string{}
	}
	h[k] = v
	return h
}

func encode(body any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic("hubspottest: encoding an answer: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func write(w http.ResponseWriter, out reply) {
	for k, v := range out.header {
		w.Header().Set(k, v)
	}
	if w.Header().Get("X-HubSpot-Correlation-Id") == "" {
		id := newUUID()
		if e, ok := out.body.(map[string]any); ok {
			if known, ok := e["correlationId"].(string); ok {
				id = known
			}
		}
		w.Header().Set("X-HubSpot-Correlation-Id", id)
	}
	if out.body == nil {
		w.WriteHeader(out.status)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(out.status)
	_, _ = w.Write(encode(out.body))
}

// problem is HubSpot's error body.
func problem(status int, category, message string, more ...any) reply {
	body := map[string]any{"status": "error", "message": message, "correlationId": newUUID(), "category": category}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return reply{status: status, body: body}
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

type callKey struct {
	hub      int64
	endpoint string
}
