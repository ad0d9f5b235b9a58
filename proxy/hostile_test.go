package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/agents/agentstest"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/proxy"
)

// A program that knows no base URL finds HubSpot's API where it always is.
func TestTheAPIsHostsAreAnsweredHere(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	c := b.through()
	for _, host := range []string{"api.hubapi.com", "api-eu1.hubapi.com", "API.HubAPI.com"} {
		got := b.send(c, "https://"+host, "GET", "/crm/v3/objects/contacts/"+id, "", nil)
		require.Equal(t, http.StatusOK, got.status, got.raw)
		require.Equal(t, id, got.body["id"])
	}
}

// Everything else goes through untouched: its own certificate, its own headers, and
// nothing of Debrief's but what the program itself sends.
func TestElsewhereIsTunnelled(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	seen := make(chan *http.Request, 1)
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Location", "https://api.hubapi.com/crm/v3/objects/contacts/1")
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(elsewhere.Close)
	c := b.through()
	transport, _ := c.Transport.(*http.Transport)
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(b.env["HTTPS_PROXY"]) }
	_, err := c.Get(elsewhere.URL)
	require.Error(t, err, "the run's authority vouches for nobody else")
	transport.TLSClientConfig.RootCAs.AddCert(elsewhere.Certificate())
	answer := b.send(c, elsewhere.URL, "GET", "/x", "", map[string]string{"Authorization": "Bearer theirs"})
	require.Equal(t, http.StatusFound, answer.status)
	got := <-seen
	require.Equal(t, "Bearer theirs", got.Header.Get("Authorization"))
	require.Empty(t, got.Header.Get("Proxy-Authorization"))
	require.NotContains(t, strings.Join(slices.Sorted(func(yield func(string) bool) {
		for _, v := range got.Header {
			if !yield(strings.Join(v, " ")) {
				return
			}
		}
	}), " "), b.Access)
	require.Empty(t, b.Sim.Calls())
}

func TestOtherTokensAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	other := setup(t)
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer x", "Bearer " + b.Access, "Bearer " + other.env["HUBSPOT_ACCESS_TOKEN"], "Basic " + b.env["HUBSPOT_ACCESS_TOKEN"], b.env["HUBSPOT_ACCESS_TOKEN"], "Bearer " + b.env["HUBSPOT_ACCESS_TOKEN"] + "x"} {
		got := b.send(http.DefaultClient, b.env["HUBSPOT_BASE_URL"], "GET", "/crm/v3/objects/contacts/"+id, "", map[string]string{"Authorization": authorization})
		require.Equal(t, http.StatusUnauthorized, got.status, authorization)
		got = b.send(b.through(), "https://api.hubapi.com", "GET", "/crm/v3/objects/contacts/"+id, "", map[string]string{"Authorization": authorization})
		require.Equal(t, http.StatusUnauthorized, got.status, authorization)
		require.Equal(t, "INVALID_AUTHENTICATION", got.category())
	}
	require.Empty(t, b.Sim.Calls())
}

func TestTheProxyServesOneProgram(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	address, err := url.Parse(b.env["HTTPS_PROXY"])
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", address.Hostname())
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody was let through") }))
	t.Cleanup(elsewhere.Close)
	for _, secret := range []string{"", "Basic " + base64.StdEncoding.EncodeToString([]byte("debrief:guess")), "Bearer " + b.env["HUBSPOT_ACCESS_TOKEN"]} {
		for _, request := range []string{
			"CONNECT api.hubapi.com:443 HTTP/1.1\r\nHost: api.hubapi.com:443\r\n",
			"CONNECT " + elsewhere.Listener.Addr().String() + " HTTP/1.1\r\nHost: x\r\n",
			"GET " + elsewhere.URL + "/ HTTP/1.1\r\nHost: x\r\n",
		} {
			if secret != "" {
				request += "Proxy-Authorization: " + secret + "\r\n"
			}
			require.Equal(t, http.StatusProxyAuthRequired, b.raw(request+"\r\n").StatusCode, request)
		}
	}
}

// raw sends bytes to the proxy's port, and reads one answer.
func (b *bundle) raw(request string) *http.Response {
	b.t.Helper()
	base, err := url.Parse(b.env["HUBSPOT_BASE_URL"])
	require.NoError(b.t, err)
	conn, err := new(net.Dialer).DialContext(b.ctx, "tcp", base.Host)
	require.NoError(b.t, err)
	return b.exchange(conn, request)
}

func (b *bundle) exchange(conn net.Conn, request string) *http.Response {
	b.t.Helper()
	b.t.Cleanup(func() { _ = conn.Close() })
	require.NoError(b.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := io.WriteString(conn, request)
	require.NoError(b.t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// inside sends bytes to what the program takes for a host of the API.
func (b *bundle) inside(host, serverName, request string) (*http.Response, error) {
	b.t.Helper()
	address, err := url.Parse(b.env["HTTPS_PROXY"])
	require.NoError(b.t, err)
	conn, err := new(net.Dialer).DialContext(b.ctx, "tcp", address.Host)
	require.NoError(b.t, err)
	password, _ := address.User.Password()
	secret := base64.StdEncoding.EncodeToString([]byte(address.User.Username() + ":" + password))
	res := b.exchange(conn, "CONNECT "+host+":443 HTTP/1.1\r\nHost: "+host+"\r\nProxy-Authorization: Basic "+secret+"\r\n\r\n")
	require.Equal(b.t, http.StatusOK, res.StatusCode)
	roots := x509.NewCertPool()
	raw, err := os.ReadFile(b.env["NODE_EXTRA_CA_CERTS"])
	require.NoError(b.t, err)
	roots.AppendCertsFromPEM(raw)
	secured := tls.Client(conn, &tls.Config{ServerName: serverName, RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	if err := secured.HandshakeContext(b.ctx); err != nil {
		return nil, err
	}
	require.Equal(b.t, "http/1.1", secured.ConnectionState().NegotiatedProtocol)
	return b.exchange(secured, request), nil
}

func TestRequestsInOddShapes(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "allow", "deal.read", "deny")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	auth := "Authorization: Bearer " + b.env["HUBSPOT_ACCESS_TOKEN"] + "\r\n"
	host := strings.TrimPrefix(b.env["HUBSPOT_BASE_URL"], "http://")
	path := "/crm/v3/objects/contacts/" + id
	create := `{"properties":{"email":"x@northwind.example"}}`
	for name, tc := range map[string]struct {
		request string
		status  []int
	}{
		"another host":             {"GET " + path + " HTTP/1.1\r\nHost: api.hubapi.com\r\n" + auth + "\r\n", []int{421}},
		"a name for this machine":  {"GET " + path + " HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", []int{421}},
		"no host":                  {"GET " + path + " HTTP/1.1\r\n" + auth + "\r\n", []int{400}},
		"two hosts":                {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nHost: evil.example\r\n" + auth + "\r\n", []int{400}},
		"two tokens":               {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + auth + "Authorization: Bearer x\r\n\r\n", []int{401}},
		"a page's request":         {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: https://evil.example\r\n" + auth + "\r\n", []int{400}},
		"an upgrade":               {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + auth + "\r\n", []int{400}},
		"two lengths":              {"POST /crm/v3/objects/contacts HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 3\r\nContent-Length: 60\r\n" + auth + "\r\n" + create, []int{400}},
		"an odd transfer encoding": {"POST /crm/v3/objects/contacts HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked, identity\r\n" + auth + "\r\n0\r\n\r\n", []int{400, 501}},
		"a folded header":          {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nX-A: 1\r\n b\x00\r\n" + auth + "\r\n", []int{400}},
		"spaces in the target":     {"GET " + path + " /x HTTP/1.1\r\nHost: " + host + "\r\n" + auth + "\r\n", []int{400}},
		"a form":                   {"POST /crm/v3/objects/contacts HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n" + auth + "\r\na=b", []int{400}},
		"a compressed body":        {"POST /crm/v3/objects/contacts HTTP/1.1\r\nHost: " + host + "\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n" + auth + "\r\na=b", []int{400}},
		"another method by header": {"POST /crm/v3/objects/deals/search HTTP/1.1\r\nHost: " + host + "\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 2\r\n" + auth + "\r\n{}", []int{403}},
		"another path by header":   {"GET /crm/v3/objects/deals/12 HTTP/1.1\r\nHost: " + host + "\r\nX-Original-URL: " + path + "\r\n" + auth + "\r\n", []int{403}},
		"dots":                     {"GET /crm/v3/objects/contacts/../deals/12 HTTP/1.1\r\nHost: " + host + "\r\n" + auth + "\r\n", []int{400}},
		"double slashes":           {"GET //crm/v3/objects/contacts/12 HTTP/1.1\r\nHost: " + host + "\r\n" + auth + "\r\n", []int{400}},
		"an absolute target":       {"GET http://api.hubapi.com" + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + auth + "\r\n", []int{407}},
	} {
		res := b.raw(tc.request)
		require.Contains(t, tc.status, res.StatusCode, name)
	}
	// Both a length and chunks: what came after is no second request that anybody else
	// would have seen; what is understood is put together anew.
	res := b.raw("POST /crm/v3/objects/contacts/search HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n" + auth + "\r\n2\r\n{}\r\n0\r\n\r\n" +
		"DELETE " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + auth + "\r\n")
	require.Contains(t, []int{200, 400}, res.StatusCode)
	require.Empty(t, b.Sim.Writes())

	for name, tc := range map[string]struct {
		host, serverName, request string
		status                    int
	}{
		"as it should be":   {"api.hubapi.com", "api.hubapi.com", "GET " + path + " HTTP/1.1\r\nHost: api.hubapi.com\r\n" + auth + "\r\n", 200},
		"another host":      {"api.hubapi.com", "api.hubapi.com", "GET " + path + " HTTP/1.1\r\nHost: evil.example\r\n" + auth + "\r\n", 421},
		"an absolute one":   {"api.hubapi.com", "api.hubapi.com", "GET https://evil.example" + path + " HTTP/1.1\r\nHost: api.hubapi.com\r\n" + auth + "\r\n", 421},
		"one of ours":       {"api.hubapi.com", "api.hubapi.com", "GET https://api.hubapi.com" + path + " HTTP/1.1\r\nHost: api.hubapi.com\r\n" + auth + "\r\n", 421},
		"a tunnel inside":   {"api.hubapi.com", "api.hubapi.com", "CONNECT evil.example:443 HTTP/1.1\r\nHost: api.hubapi.com\r\n" + auth + "\r\n", 421},
		"tokens of HubSpot": {"api.hubapi.com", "api.hubapi.com", "POST /oauth/v1/token HTTP/1.1\r\nHost: api.hubapi.com\r\nContent-Length: 0\r\n" + auth + "\r\n", 403},
	} {
		res, err := b.inside(tc.host, tc.serverName, tc.request)
		require.NoError(t, err, name)
		require.Equal(t, tc.status, res.StatusCode, name)
	}
	_, err := b.inside("api.hubapi.com", "evil.example", "")
	require.Error(t, err, "a certificate for the host of the connection alone")
}

// Names that only look like the API's get a tunnel, and never a token.
func TestOnlyTheAPIsOwnNames(t *testing.T) {
	t.Parallel()
	for host, is := range map[string]bool{
		"api.hubapi.com:443": true, "API.hubapi.com.:443": true, "api-eu1.hubapi.com": true, "api-na2.hubapi.com:443": true,
		"api.hubapi.com.evil.example:443": false, "evil-api.hubapi.com": false, "apixhubapi.com": false, "hubapi.com": false,
		"127.0.0.1:443": false, "localhost": false, "10.0.0.1:443": false, "[::1]:443": false, "api.hubapi.com@evil.example:443": false,
		"mcp.hubspot.com:443": false,
	} {
		require.Equal(t, is, proxy.IsAPIForTest(host), host)
	}
}

func TestTheProgramsEnvironment(t *testing.T) {
	t.Parallel()
	s, err := proxy.Start(context.Background(), proxy.Options{Caller: agents.Caller{}})
	require.NoError(t, err)
	env := s.Env([]string{
		"PATH=/bin", "DEBRIEF_DATABASE_URL=postgres://secret", "DEBRIEF_KEYSET=secret", "PGPASSWORD=secret", "HUBSPOT_ACCESS_TOKEN=secret",
		"NO_PROXY=corp.example,api.hubapi.com,*,.hubapi.com", "HTTPS_PROXY=http://corp.example:3128",
	})
	require.NotContains(t, strings.Join(env, "\n"), "secret")
	require.Contains(t, env, "PATH=/bin")
	require.Contains(t, env, "NO_PROXY=localhost,127.0.0.1,::1,corp.example")
	find := func(name string) string {
		i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		require.GreaterOrEqual(t, i, 0, name)
		return strings.TrimPrefix(env[i], name+"=")
	}
	file := find("NODE_EXTRA_CA_CERTS")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, s.Close())
	require.NoFileExists(t, file)
	_, err = net.DialTimeout("tcp", strings.TrimPrefix(find("HUBSPOT_BASE_URL"), "http://"), time.Second)
	require.Error(t, err, "it ends with the program")
}

// The trail and the report name tools and methods, and nothing of what was asked.
func TestTheReportHoldsNoValues(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	b.call("GET", "/crm/v3/objects/contacts/priya%40northwind.example?idProperty=email", "")
	b.call("POST", "/crm/v3/objects/contacts", `{"properties":{"email":"priya@northwind.example"}}`)
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Len(t, b.served, 2)
	for _, s := range b.served {
		require.NotContains(t, s.Why, "northwind")
		require.NotContains(t, s.Why, b.Access)
		require.Equal(t, "contact", s.Tool.Object)
	}
}

// What no tool describes is refused as that, whatever its body is: an upload is told
// that there is none, not that it should have been JSON.
func TestUploadsAreNotDescribed(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "allow")
	form := map[string]string{"Content-Type": "multipart/form-data; boundary=x"}
	got := b.send(http.DefaultClient, b.env["HUBSPOT_BASE_URL"], "POST", "/files/v3/files", "--x\r\n\r\n--x--", form)
	require.Equal(t, http.StatusForbidden, got.status, got.raw)
	require.Equal(t, "DEBRIEF_NO_TOOL", got.category())
	got = b.send(http.DefaultClient, b.env["HUBSPOT_BASE_URL"], "POST", "/crm/v3/objects/contacts", "--x\r\n\r\n--x--", form)
	require.Equal(t, http.StatusBadRequest, got.status, got.raw)
	require.Contains(t, got.body["message"], "application/json")
	large := `{"properties":{"email":"x@northwind.example","fax":"` + strings.Repeat("1", 9<<20) + `"}}`
	got = b.call("POST", "/crm/v3/objects/contacts", large)
	require.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	require.Empty(t, b.Sim.Calls())
}

// HTTP/2 without TLS, WebSockets and the like are answered by nobody.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	host := strings.TrimPrefix(b.env["HUBSPOT_BASE_URL"], "http://")
	auth := "Authorization: Bearer " + b.env["HUBSPOT_ACCESS_TOKEN"] + "\r\n"
	path := "/crm/v3/objects/contacts/" + id
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"HTTP/2 from the start":   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421},
		"HTTP/2 by an upgrade":    {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n" + auth + "\r\n", 400},
		"a WebSocket":             {"GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + auth + "\r\n", 400},
		"HTTP/1.0 without a host": {"GET " + path + " HTTP/1.0\r\n" + auth + "\r\n", 421},
	} {
		require.Equal(t, tc.status, b.raw(tc.request).StatusCode, name)
	}
	require.Empty(t, b.Sim.Calls())
	// With the port that it has anyway.
	res, err := b.inside("api.hubapi.com", "api.hubapi.com", "GET "+path+" HTTP/1.1\r\nHost: api.hubapi.com:443\r\n"+auth+"\r\n")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	for _, other := range []string{"api.hubapi.com:80", "api.hubapi.com:443:443", "api.hubapi.com.", "api-eu1.hubapi.com"} {
		res, err := b.inside("api.hubapi.com", "api.hubapi.com", "GET "+path+" HTTP/1.1\r\nHost: "+other+"\r\n"+auth+"\r\n")
		require.NoError(t, err)
		require.NotEqual(t, http.StatusOK, res.StatusCode, other)
	}
}

// The token does not travel to where an answer points.
func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	b.mayFail.Store(true)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody was sent elsewhere") }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		b.Sim.Inject(hubspottest.Fault{HubID: agentstest.HubID, Status: status, Header: map[string]string{"Location": elsewhere.URL + "/"}})
		got := b.call("GET", "/crm/v3/objects/contacts/12", "")
		require.GreaterOrEqual(t, got.status, http.StatusBadRequest, got.raw)
		require.Empty(t, got.header.Get("Location"))
		require.NotContains(t, got.raw, elsewhere.URL)
		require.NotContains(t, got.raw, b.Access)
	}
}
