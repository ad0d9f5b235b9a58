package hubspottest

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
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
	// routes are by the number of their segments and the first of them.
	routes map[routeKey][]*route

	listener net.Listener
	http     *http.Server
	done     chan struct{}

	// sender delivers webhooks; see webhooks.go.
	sender sender

	mu       sync.Mutex
	st       *state
	index    uniqueIndex
	faults   []*activeFault
	calls    map[callKey]int
	tooMany  int
	windows  map[windowKey]*window
	daily    map[int64]*dailyUse
	pending  pendingQueue
	hooks    map[string]*hookQueue
	journals map[string]*journal
	// tokensAtPrune is how many access tokens the last clearing left.
	tokensAtPrune int
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
		URL: strings.TrimRight(o.URL, "/"), realNow: o.Now, routes: map[routeKey][]*route{}, st: newState(), index: uniqueIndex{},
		calls: map[callKey]int{}, windows: map[windowKey]*window{}, daily: map[int64]*dailyUse{},
		hooks: map[string]*hookQueue{}, journals: map[string]*journal{},
	}
	s.sender.wake = make(chan struct{}, 1)
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

// Close stops listening, drops open connections and ends the delivery of
// webhooks.
func (s *Server) Close() {
	s.sender.stop()
	if s.http == nil {
		return
	}
	_ = s.http.Close()
	<-s.done
}

// Shutdown stops listening, ends the delivery of webhooks and lets running
// requests end.
func (s *Server) Shutdown(ctx context.Context) error {
	s.sender.stop()
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
// late writes happen, and webhooks whose time has come go out in the background.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	s.st.ClockOffset += max(d, 0)
	s.settle()
	s.mu.Unlock()
	s.sender.poke()
}

// pendingWork happens when its time has come; it holds the lock while it runs.
type pendingWork struct {
	at  time.Time
	seq int
	do  func()
}

// pendingQueue is a heap: the earliest first, and of one time the first added.
type pendingQueue []pendingWork

func (p pendingQueue) Len() int { return len(p) }
func (p pendingQueue) Less(i, j int) bool {
	if p[i].at.Equal(p[j].at) {
		return p[i].seq < p[j].seq
	}
	return p[i].at.Before(p[j].at)
}
func (p pendingQueue) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *pendingQueue) Push(x any)   { *p = append(*p, x.(pendingWork)) }
func (p *pendingQueue) Pop() any {
	last := len(*p) - 1
	w := (*p)[last]
	(*p)[last] = pendingWork{}
	*p = (*p)[:last]
	return w
}

func (s *Server) later(at time.Time, do func()) {
	s.st.PendingSeq++
	heap.Push(&s.pending, pendingWork{at: at, seq: s.st.PendingSeq, do: do})
}

// settle does the work whose time has come. It runs before anything looks, so
// that no goroutine and no timer is needed.
func (s *Server) settle() {
	if len(s.pending) == 0 {
		return
	}
	for now := s.now(); len(s.pending) > 0 && !s.pending[0].at.After(now); {
		heap.Pop(&s.pending).(pendingWork).do()
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
	// version is the one that the caller's path named.
	version  string
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

	// silent: a seed, of which nobody is told.
	silent bool
	// actor is the user who acts in HubSpot itself.
	actor int64
}

// route is one endpoint.
type route struct {
	method   string
	pattern  string
	segments []string
	bucket   bucket
	// public: no bearer token.
	public bool
	// app: the token is the app's own (client credentials), of no account.
	app bool
	// scopes of which the token needs one; nil: none.
	scopes func(*request) []string
	fn     func(*request) reply

	// templates are the pattern with object types filled in, by the types.
	templates map[[2]string]string
}

type routeKey struct {
	segments int
	first    string
}

// handle adds an endpoint; the first two segments of its path are words.
func (s *Server) handle(pattern string, r route) {
	r.method, r.pattern, _ = strings.Cut(pattern, " ")
	r.segments = strings.Split(strings.Trim(r.pattern, "/"), "/")
	r.templates = map[[2]string]string{}
	key := routeKey{len(r.segments), strings.Join(r.segments[:min(2, len(r.segments))], "/")}
	s.routes[key] = append(s.routes[key], &r)
}

func (s *Server) match(method string, segments []string) (found *route, vars map[string]string, otherMethod bool) {
	if len(segments) < 2 {
		return nil, nil, false
	}
next:
	for _, r := range s.routes[routeKey{len(segments), segments[0] + "/" + segments[1]}] {
		for i, want := range r.segments {
			if want[0] != '{' && want != segments[i] || segments[i] == "" {
				continue next
			}
		}
		if r.method != method {
			otherMethod = true
			continue
		}
		vars = make(map[string]string, 4)
		for i, want := range r.segments {
			if want[0] == '{' {
				vars[want[1:len(want)-1]] = segments[i]
			}
		}
		return r, vars, false
	}
	return nil, nil, otherMethod
}

// segmentsOf splits an escaped path and unescapes each part, turns legacy and
// earlier dated paths into the current form, and says which version was called.
func segmentsOf(escaped string) (parts []string, version string) {
	parts = strings.Split(strings.Trim(escaped, "/"), "/")
	for i, p := range parts {
		if plain, err := url.PathUnescape(p); err == nil {
			parts[i] = plain
		}
	}
	at := -1
	switch {
	case len(parts) < 2:
	case parts[0] == "crm" && isVersion(parts[1]) && len(parts) > 2:
		// /crm/v3/objects/... has the version in front of the family.
		parts[1], parts[2] = parts[2], parts[1]
		at = 2
	case parts[0] == "crm" && len(parts) > 2, parts[0] == "webhooks-journal" && len(parts) > 2:
		at = 2
	case parts[0] == "oauth" && len(parts) > 2 && parts[2] != "token":
		// /oauth/v1/access-tokens/... is of v1 alone.
	case parts[0] == "oauth", parts[0] == "appinstalls", parts[0] == "account-info", parts[0] == "crm-object-schemas", parts[0] == "webhooks":
		at = 1
	}
	if at < 0 || !isVersion(parts[at]) {
		return parts, ""
	}
	version, parts[at] = parts[at], APIVersion
	if parts[0] == "crm" && parts[1] == "schemas" {
		parts = append([]string{"crm-object-schemas", APIVersion, "schemas"}, parts[3:]...)
	}
	return parts, version
}

// isVersion knows the current version and those whose paths are aliases of it.
func isVersion(v string) bool {
	switch v {
	case APIVersion, "2026-03", "v1", "v3", "v4":
		return true
	}
	return false
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
	segments, version := segmentsOf(r.URL.EscapedPath())
	if n := len(segments); n >= 2 && n <= 3 && segments[0] == "oauth" && segments[n-1] == "authorize" {
		s.serveConsent(w, r, segments)
		return
	}

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		write(w, problem(http.StatusRequestEntityTooLarge, "VALIDATION_ERROR", "The request body is too large or could not be read."))
		return
	}
	q := &request{s: s, method: r.Method, segments: segments, version: version, query: r.URL.Query(), header: r.Header, body: body}
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
		s.later(at, func() { s.answerLocked(q) })
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
	out := s.answerLocked(q)
	if out.status == http.StatusTooManyRequests {
		s.tooMany++
	}
	return out
}

func (s *Server) answerLocked(q *request) reply {
	route := q.route
	if route == nil {
		if q.otherMethod {
			return reply{status: http.StatusMethodNotAllowed}
		}
		return problem(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found")
	}
	if route.app {
		if refused := q.authenticateApp(); refused != nil {
			return *refused
		}
		if refused := q.limitApp(); refused != nil {
			return *refused
		}
		return route.fn(q)
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
	var types [2]string
	n := 0
	for i, part := range q.route.segments {
		switch part {
		case "{type}", "{from}", "{to}":
			types[n] = q.segments[i]
			if p != nil {
				if t := p.typeOf(types[n]); t != nil {
					types[n] = t.Name
				}
			}
			n++
		}
	}
	if n == 0 {
		return q.route.pattern
	}
	if known, ok := q.route.templates[types]; ok {
		return known
	}
	parts := slices.Clone(q.route.segments)
	n = 0
	for i, part := range parts {
		switch part {
		case "{type}", "{from}", "{to}":
			parts[i] = types[n]
			n++
		}
	}
	made := "/" + strings.Join(parts, "/")
	if len(q.route.templates) < 1000 {
		q.route.templates[types] = made
	}
	return made
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
