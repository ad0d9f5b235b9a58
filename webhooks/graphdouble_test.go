package webhooks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

const (
	graphClientID  = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f"
	graphAppSecret = "the-app-s-own-client-secret"
)

// graphTestKeys: one that the directory signs with, one that contents are encrypted
// for, and one that is nobody's.
var graphTestKeys = sync.OnceValue(func() [3]*rsa.PrivateKey {
	var keys [3]*rsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

func pemOf(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// graphDouble is Graph's side, over real HTTP: the directory with its tokens and
// keys, the subscriptions with their challenge, and what can be read.
type graphDouble struct {
	*httptest.Server
	t *testing.T

	mu        sync.Mutex
	at        time.Time // its clock
	tokens    map[string]bool
	issued    int
	keysAsked int
	keysDown  bool
	resources map[string]string // path → JSON or text
	statuses  map[string]int    // path → what is answered instead
	throttled map[string]int    // path → how often with 429
	subs      map[string]map[string]any
	order     []string
	next      int
	calls     []string
	// toOurs sends what Graph posts to the receiver, whatever its public URL is.
	toOurs func(to string, header http.Header, body []byte) (int, string, string)
}

func newGraphDouble(t *testing.T) *graphDouble {
	t.Helper()
	g := &graphDouble{
		t: t, at: now, tokens: map[string]bool{}, resources: map[string]string{}, statuses: map[string]int{}, throttled: map[string]int{},
		subs: map[string]map[string]any{},
	}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	return g
}

func (g *graphDouble) set(f func()) { g.mu.Lock(); defer g.mu.Unlock(); f() }

func (g *graphDouble) called(prefix string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, c := range g.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func (g *graphDouble) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	g.calls = append(g.calls, r.Method+" "+r.URL.EscapedPath())
	g.mu.Unlock()
	switch {
	case r.URL.Path == "/"+graphTenantID+"/oauth2/v2.0/token":
		g.token(w, body)
	case r.URL.Path == "/common/discovery/v2.0/keys":
		g.keys(w)
	case strings.HasPrefix(r.URL.Path, "/v1.0/"):
		g.mu.Lock()
		known := g.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		g.mu.Unlock()
		if !known {
			g.fail(w, http.StatusUnauthorized, "InvalidAuthenticationToken")
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v1.0/subscriptions") {
			g.subscriptions(w, r, body)
			return
		}
		g.read(w, r)
	default:
		g.fail(w, http.StatusNotFound, "NotFound")
	}
}

func (g *graphDouble) fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"…"}}`, code)
}

func (g *graphDouble) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (g *graphDouble) token(w http.ResponseWriter, body []byte) {
	form, _ := url.ParseQuery(string(body))
	if form.Get("grant_type") != "client_credentials" || form.Get("client_id") != graphClientID || form.Get("client_secret") != graphAppSecret ||
		form.Get("scope") != "https://graph.microsoft.com/.default" {
		g.fail(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issued++
	token := "access-token-" + strconv.Itoa(g.issued)
	g.tokens[token] = true
	g.json(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": token})
}

func (g *graphDouble) keys(w http.ResponseWriter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keysAsked++
	if g.keysDown {
		g.fail(w, http.StatusServiceUnavailable, "down")
		return
	}
	public := graphTestKeys()[0].PublicKey
	g.json(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "kid": "harbor-key", "n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

// read answers with what stands under the path; lists come in pages of one.
func (g *graphDouble) read(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1.0")
	if g.throttled[path] > 0 {
		g.throttled[path]--
		w.Header().Set("Retry-After", "7")
		g.fail(w, http.StatusTooManyRequests, "TooManyRequests")
		return
	}
	if status := g.statuses[path]; status != 0 {
		g.fail(w, status, "error")
		return
	}
	found, is := g.resources[path]
	if !is || strings.Contains(path, "/events/") && !strings.Contains(r.Header.Get("Prefer"), `IdType="ImmutableId"`) {
		g.fail(w, http.StatusNotFound, "ErrorItemNotFound")
		return
	}
	if strings.HasPrefix(found, "WEBVTT") {
		if r.URL.Query().Get("$format") != "text/vtt" {
			g.fail(w, http.StatusBadRequest, "format")
			return
		}
		w.Header().Set("Content-Type", "text/vtt")
		_, _ = io.WriteString(w, found)
		return
	}
	var list []json.RawMessage
	if json.Unmarshal([]byte(found), &list) == nil {
		g.page(w, r, list)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, found)
}

func (g *graphDouble) page(w http.ResponseWriter, r *http.Request, list []json.RawMessage) {
	skip, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	page := map[string]any{"value": []json.RawMessage{}}
	if skip < len(list) {
		page["value"] = list[skip : skip+1]
	}
	if skip+1 < len(list) {
		page["@odata.nextLink"] = g.URL + r.URL.Path + "?$skiptoken=" + strconv.Itoa(skip+1)
	}
	g.json(w, http.StatusOK, page)
}

// subscriptions: as Graph, it makes none before both URLs have answered the challenge.
func (g *graphDouble) subscriptions(w http.ResponseWriter, r *http.Request, body []byte) {
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1.0/subscriptions"), "/")
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	until, _ := time.Parse(time.RFC3339, fmt.Sprint(in["expirationDateTime"]))
	g.mu.Lock()
	at := g.at
	sub := g.subs[id]
	denied := g.statuses["/subscriptions:"+fmt.Sprint(in["resource"])]
	g.mu.Unlock()
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		if !until.After(at) || until.Sub(at) > 4230*time.Minute {
			g.fail(w, http.StatusBadRequest, "expiration")
			return
		}
	}
	switch {
	case r.Method == http.MethodPost && denied != 0:
		g.fail(w, denied, "denied")
	case r.Method == http.MethodPost:
		for _, name := range []string{"notificationUrl", "lifecycleNotificationUrl"} {
			token := "Validation: Testing client application reachability for subscription Request-Id: " + uuid.NewString()
			status, kind, answer := g.toOurs(fmt.Sprint(in[name])+"?validationToken="+url.QueryEscape(token), http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, nil)
			if status != http.StatusOK || !strings.HasPrefix(kind, "text/plain") || answer != token {
				g.fail(w, http.StatusBadRequest, "ValidationError")
				return
			}
		}
		if in["includeResourceData"] == true && (in["encryptionCertificate"] == nil || in["encryptionCertificateId"] == nil) || fmt.Sprint(in["clientState"]) == "" {
			g.fail(w, http.StatusBadRequest, "certificate")
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.next++
		in["id"] = fmt.Sprintf("subscription-%d", g.next)
		in["preferred"] = r.Header.Get("Prefer")
		g.subs[in["id"].(string)] = in
		g.order = append(g.order, in["id"].(string))
		g.json(w, http.StatusCreated, in)
	case r.Method == http.MethodGet && id == "":
		g.mu.Lock()
		defer g.mu.Unlock()
		var list []json.RawMessage
		for _, id := range g.order {
			if s := g.subs[id]; s != nil {
				one, _ := json.Marshal(map[string]any{"id": id, "resource": s["resource"], "notificationUrl": s["notificationUrl"], "expirationDateTime": s["expirationDateTime"]})
				list = append(list, one)
			}
		}
		g.page(w, r, list)
	case sub == nil:
		g.fail(w, http.StatusNotFound, "ResourceNotFound")
	case r.Method == http.MethodPatch:
		g.mu.Lock()
		defer g.mu.Unlock()
		sub["expirationDateTime"] = in["expirationDateTime"]
		g.json(w, http.StatusOK, sub)
	case r.Method == http.MethodDelete:
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.subs, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

// standing are the resources that are subscribed to.
func (g *graphDouble) standing() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := []string{}
	for _, s := range g.subs {
		all = append(all, fmt.Sprint(s["resource"]))
	}
	slices.Sort(all)
	return all
}

func (g *graphDouble) subscription(resource string) map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.subs {
		if s["resource"] == resource {
			return s
		}
	}
	g.t.Fatalf("nothing is subscribed to %s", resource)
	return nil
}

// notify posts a notification as the subscription's, encrypted if that wants it.
func (g *graphDouble) notify(resource, changed, changeType, etag string, content any) int {
	s := g.subscription(resource)
	item := map[string]any{
		"subscriptionId": s["id"], "clientState": s["clientState"], "changeType": changeType, "tenantId": graphTenantID, "resource": changed,
		"subscriptionExpirationDateTime": s["expirationDateTime"], "resourceData": map[string]any{"@odata.etag": etag, "id": changed[strings.LastIndexAny(changed, "/(")+1:]},
	}
	batch := map[string]any{"value": []any{item}}
	if s["includeResourceData"] == true {
		raw, err := base64.StdEncoding.DecodeString(fmt.Sprint(s["encryptionCertificate"]))
		require.NoError(g.t, err)
		certificate, err := x509.ParseCertificate(raw)
		require.NoError(g.t, err)
		plain, err := json.Marshal(content)
		require.NoError(g.t, err)
		item["EncryptedContent"] = encryptedFor(g.t, certificate.PublicKey.(*rsa.PublicKey), fmt.Sprint(s["encryptionCertificateId"]), plain)
		batch["validationTokens"] = []string{graphToken(g.t, nil, nil)}
	}
	raw, err := json.Marshal(batch)
	require.NoError(g.t, err)
	status, _, _ := g.toOurs(fmt.Sprint(s["notificationUrl"]), graphHeader, raw)
	return status
}

// encryptedFor encrypts as Graph does.
func encryptedFor(t testing.TB, key *rsa.PublicKey, id string, plain []byte) map[string]string {
	t.Helper()
	once := make([]byte, 32)
	_, err := rand.Read(once)
	require.NoError(t, err)
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, err := aes.NewCipher(once)
	require.NoError(t, err)
	cipher.NewCBCEncrypter(block, once[:16]).CryptBlocks(data, data)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, once, nil)
	require.NoError(t, err)
	encode := base64.StdEncoding.EncodeToString
	return map[string]string{"data": encode(data), "dataSignature": encode(mac(once, string(data))), "dataKey": encode(wrapped), "encryptionCertificateId": id}
}

// graphToken is a validation token of Graph's, or with changes none.
func graphToken(t testing.TB, head, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"typ": "JWT", "alg": "RS256", "kid": "harbor-key"}
	c := map[string]any{
		"aud": graphClientID, "iss": "https://sts.windows.net/" + graphTenantID + "/", "appid": graphPublisher, "tid": graphTenantID, "ver": "1.0",
		"iat": now.Add(-time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for _, change := range []struct{ of, with map[string]any }{{h, head}, {c, claims}} {
		for name, v := range change.with {
			if change.of[name] = v; v == nil {
				delete(change.of, name)
			}
		}
	}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signing := part(h) + "." + part(c)
	sum := sha256.Sum256([]byte(signing))
	key := graphTestKeys()[0]
	if h["alg"] == "HS256" {
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		require.NoError(t, err)
		block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
		return signing + "." + base64.RawURLEncoding.EncodeToString(mac(block, signing))
	}
	if h["alg"] == "none" {
		return signing + "."
	}
	if h["forged"] != nil {
		key = graphTestKeys()[2]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return signing + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// graphBundle is a source that follows Graph's double, and a receiver that it posts to.
type graphBundle struct {
	*bundle
	graph  *graphDouble
	id     uuid.UUID
	apis   *APIs
	states [][]byte // what was kept, in order
}

func setupGraph(t *testing.T, credentials map[string]store.Secret) *graphBundle {
	t.Helper()
	g := &graphBundle{bundle: setup(t), graph: newGraphDouble(t)}
	g.apis = NewAPIs(g.store, nil)
	g.graph.toOurs = func(to string, header http.Header, body []byte) (int, string, string) {
		u, err := url.Parse(to)
		require.NoError(t, err)
		got := send(t, g.url+u.RequestURI(), header, bytes.NewReader(body))
		return got.status, got.header.Get("Content-Type"), got.body
	}
	source := g.source(t, "microsoft", graphSecret)
	g.id = source.ID
	all := map[string]store.Secret{graphTenant: graphTenantID, graphClient: graphClientID, graphClientSecret: graphAppSecret}
	maps.Copy(all, credentials)
	require.NoError(t, graphMapping{}.API().Check(all))
	require.NoError(t, g.store.SetSource(t.Context(), g.id, store.SourceSettings{APIURL: g.graph.URL}, store.Operator))
	require.NoError(t, g.store.SetSourceCredentials(t.Context(), g.id, all, store.Operator))
	return g
}

func (g *graphBundle) api(t *testing.T) API {
	t.Helper()
	source, err := g.store.Source(t.Context(), g.id)
	require.NoError(t, err)
	api, is := g.apis.Of(source, Platforms()["microsoft"])
	require.True(t, is)
	return api
}

func (g *graphBundle) tend(t *testing.T, at time.Time, change func(*Tending)) (Tended, error) {
	t.Helper()
	g.graph.set(func() { g.graph.at = at })
	source, err := g.store.Source(t.Context(), g.id)
	require.NoError(t, err)
	tending := Tending{
		SourceID: g.id, URL: "https://debrief.example/webhooks/" + g.id.String(), Secret: source.Secrets[0], Begun: now, Now: at,
		Keep: func(_ context.Context, state []byte) error { g.states = append(g.states, state); return nil },
	}
	if len(g.states) > 0 {
		tending.State = g.states[len(g.states)-1]
	}
	if change != nil {
		change(&tending)
	}
	tended, err := newGraphMapping().Tend(t.Context(), g.api(t), tending)
	if tended.State != nil {
		g.states = append(g.states, tended.State)
	}
	return tended, err
}

// received is the last delivery as a mapping sees it.
func (g *graphBundle) received(t *testing.T) Delivery {
	t.Helper()
	all, err := g.store.Deliveries(t.Context(), store.DeliveryFilter{SourceID: g.id})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	newest := slices.MaxFunc(all, func(a, b store.Delivery) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	body, err := g.store.Body(t.Context(), newest.ID)
	require.NoError(t, err)
	return Delivery{SourceID: g.id, ReceivedAt: now, Body: body}
}
