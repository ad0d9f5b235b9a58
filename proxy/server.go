package proxy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http and goproxy want one, to say nothing by
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/store"
)

// apiHost are the hosts of HubSpot's API: the one, and those of its regions.
var apiHost = regexp.MustCompile(`^api(-[a-z]{2,4}[0-9]{1,2})?\.hubapi\.com$`)

// proxyUser is who the program is to the proxy.
const proxyUser = "debrief"

// Options are what a proxy is made of.
type Options struct {
	Calls  Calls
	Caller agents.Caller
	// Report is told of each request to HubSpot's API; nil: nobody is.
	Report func(Served)
	// Failed is told of what a program is not; nil: nobody is.
	Failed func(error)
}

// Server is a proxy for one run of a program. It listens on this machine's own
// address, and only to who knows its secret.
type Server struct {
	listener  net.Listener
	authority *authority
	api       *api
	secret    store.Secret
	directory string
	// files for the program to trust the proxy by: the certificate with the system's,
	// empty where those were not found, and with what Node has besides.
	bundle, extra string

	outer, inner *http.Server
	intercepted  *handedOver
	serving      sync.WaitGroup
}

// Start starts a proxy. [Server.Close] ends it.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Report == nil {
		o.Report = func(Served) {}
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	s := &Server{secret: store.Secret(rand.Text()), api: &api{
		calls: o.Calls, caller: o.Caller, token: store.Secret("debrief-run-" + rand.Text()), report: o.Report, failed: o.Failed,
	}}
	var err error
	if s.authority, err = newAuthority(); err != nil {
		return nil, err
	}
	if err := s.writeFiles(); err != nil {
		return nil, err
	}
	if s.listener, err = new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(fmt.Errorf("listening on this machine: %w", err), os.RemoveAll(s.directory))
	}
	s.intercepted = &handedOver{conns: make(chan net.Conn), closed: make(chan struct{}), address: s.listener.Addr()}
	quiet := log.New(io.Discard, "", 0)
	// A request that began is answered even if the first signal has come: the program
	// decides when it is over.
	base := func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	s.outer = &http.Server{Handler: s.proxy(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, ErrorLog: quiet, BaseContext: base}
	s.inner = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.serve(w, r, hostOf(r.Context())) }),
		ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, ErrorLog: quiet, BaseContext: base,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if secured, ok := c.(*tls.Conn); ok {
				if named, ok := secured.NetConn().(*namedConn); ok {
					return context.WithValue(ctx, hostKey{}, named.host)
				}
			}
			return ctx
		},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2: one way to read a request
	}
	s.serving.Go(func() { _ = s.outer.Serve(s.listener) })
	s.serving.Go(func() { _ = s.inner.Serve(s.intercepted) })
	return s, nil
}

// Close ends the proxy, what it still answers and what it wrote to disk.
func (s *Server) Close() error {
	err := errors.Join(s.outer.Close(), s.inner.Close(), os.RemoveAll(s.directory))
	s.serving.Wait()
	return err
}

// address is where the proxy listens.
func (s *Server) address() string { return s.listener.Addr().String() }

// BaseURL is where HubSpot's API is for programs that take an address for it.
func (s *Server) BaseURL() string { return "http://" + s.address() }

// proxy answers what comes to the listener: requests to the API by its address here,
// and those of who takes it for a proxy.
func (s *Server) proxy() http.Handler {
	p := goproxy.NewProxyHttpServer()
	p.Logger = log.New(io.Discard, "", 0)
	// goproxy's own transport trusts every certificate.
	p.Tr = &http.Transport{Proxy: http.ProxyFromEnvironment}
	p.NonproxyHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.serve(w, r, s.address()) })
	p.OnRequest().HandleConnectFunc(func(host string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
		if !s.knows(ctx.Req) {
			ctx.Resp = stranger(ctx.Req) //nolint:bodyclose // whoever writes it does
			return goproxy.RejectConnect, host
		}
		if name := hostname(host); apiHost.MatchString(name) {
			return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: func(_ *http.Request, client net.Conn, _ *goproxy.ProxyCtx) {
				s.intercept(name, client)
			}}, host
		}
		return goproxy.OkConnect, host
	})
	p.OnRequest().DoFunc(func(r *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		switch {
		case !s.knows(r):
			return r, stranger(r)
		case apiHost.MatchString(hostname(r.URL.Host)), apiHost.MatchString(hostname(r.Host)):
			return r, goproxy.NewResponse(r, "text/plain", http.StatusForbidden, "HubSpot's API is called by https.\n")
		}
		return r, nil
	})
	return p
}

// hostname is a host without its port, as names are compared.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// knows says whether a request comes from the program.
func (s *Server) knows(r *http.Request) bool {
	values := r.Header.Values("Proxy-Authorization")
	if len(values) != 1 {
		return false
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(proxyUser+":"+s.secret.Reveal()))
	return subtle.ConstantTimeCompare([]byte(values[0]), []byte(want)) == 1
}

func stranger(r *http.Request) *http.Response {
	answer := goproxy.NewResponse(r, "text/plain", http.StatusProxyAuthRequired, "This proxy serves one program.\n")
	answer.ProtoMajor, answer.ProtoMinor = 1, 1
	answer.Header.Set("Proxy-Authenticate", `Basic realm="debrief run"`)
	answer.Close = true
	return answer
}

// intercept is the API's host to a connection of the program's.
func (s *Server) intercept(host string, client net.Conn) {
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = client.Close()
		return
	}
	s.intercepted.hand(tls.Server(&namedConn{client, host}, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName != "" && hostname(hello.ServerName) != host {
				return nil, errors.New("the connection is for another host")
			}
			return s.authority.leaf(host)
		},
	}))
}

// namedConn is a connection to a host that it does not lead to.
type namedConn struct {
	net.Conn
	host string
}

type hostKey struct{}

func hostOf(ctx context.Context) string {
	host, _ := ctx.Value(hostKey{}).(string)
	return host
}

// handedOver is a listener of connections that came another way.
type handedOver struct {
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	address net.Addr
}

func (h *handedOver) hand(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close()
	}
}

func (h *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handedOver) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *handedOver) Addr() net.Addr { return h.address }

// systemRoots is where systems keep the certificates that they trust.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// writeFiles writes what the program trusts the proxy by.
func (s *Server) writeFiles() (err error) {
	if s.directory, err = os.MkdirTemp("", "debrief-run-"); err != nil {
		return fmt.Errorf("making a directory for certificates: %w", err)
	}
	var roots, more []byte
	for _, name := range append([]string{os.Getenv("SSL_CERT_FILE")}, systemRoots...) {
		if raw, err := os.ReadFile(name); err == nil && len(raw) > 0 {
			roots = raw
			break
		}
	}
	if raw, err := os.ReadFile(os.Getenv("NODE_EXTRA_CA_CERTS")); err == nil {
		more = raw
	}
	s.extra = filepath.Join(s.directory, "extra.pem")
	err = os.WriteFile(s.extra, slices.Concat(more, []byte("\n"), s.authority.pem), 0o600)
	if err == nil && len(roots) > 0 {
		s.bundle = filepath.Join(s.directory, "all.pem")
		err = os.WriteFile(s.bundle, slices.Concat(roots, []byte("\n"), s.authority.pem), 0o600)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing certificates: %w", err), os.RemoveAll(s.directory))
	}
	return nil
}

// Env is what the program's environment is to be, of that of whoever runs it: how it
// finds the proxy, and nothing by which it could get at Debrief's database, its keys or
// a token.
func (s *Server) Env(parent []string) []string {
	proxy := "http://" + proxyUser + ":" + s.secret.Reveal() + "@" + s.address()
	set := map[string]string{
		"HUBSPOT_ACCESS_TOKEN": s.api.token.Reveal(), "HUBSPOT_BASE_URL": s.BaseURL(),
		"HTTPS_PROXY": proxy, "https_proxy": proxy, "NODE_USE_ENV_PROXY": "1",
		"NODE_EXTRA_CA_CERTS": s.extra,
	}
	if s.bundle != "" {
		for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "DENO_CERT"} {
			set[name] = s.bundle
		}
	}
	past := []string{"localhost", "127.0.0.1", "::1"}
	var env []string
	for _, entry := range parent {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "DEBRIEF_"), strings.HasPrefix(name, "PG"), set[name] != "":
		case name == "NO_PROXY" || name == "no_proxy":
			for host := range strings.SplitSeq(value, ",") {
				// What goes past the proxy has no token.
				if host = strings.TrimSpace(host); host != "" && host != "*" && !strings.HasSuffix(hostname(host), hubSpotDomain) {
					past = append(past, host)
				}
			}
		default:
			env = append(env, entry)
		}
	}
	set["NO_PROXY"] = strings.Join(past, ",")
	set["no_proxy"] = set["NO_PROXY"]
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env
}
