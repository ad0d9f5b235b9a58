package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// bundle is a receiver behind a real HTTP server, over a real PostgreSQL.
type bundle struct {
	store        *store.Store
	databaseURL  string
	organization store.Organization
	receiver     *Receiver
	url          string
	log          *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func setup(t *testing.T) *bundle {
	t.Helper()
	s, url := storetest.New(t)
	b := &bundle{store: s, databaseURL: url, organization: storetest.Organization(t, s), log: &lockedBuffer{}}
	b.receiver, b.url = b.serve(t, s)
	return b
}

// serve starts another receiver over the same database.
func (b *bundle) serve(t *testing.T, s *store.Store) (*Receiver, string) {
	t.Helper()
	r := NewReceiver(ReceiverOptions{Store: s, Platforms: Platforms(), Log: zerolog.New(b.log), Now: func() time.Time { return now }})
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	r.Register(engine)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return r, server.URL
}

func (b *bundle) source(t *testing.T, platform string, secrets ...store.Secret) store.Source {
	t.Helper()
	source, err := b.store.CreateSource(context.Background(), store.NewSource{
		OrganizationID: &b.organization.ID, Platform: platform, Name: platform + "-" + uuid.NewString()[:8], Secrets: secrets,
	}, store.Operator)
	require.NoError(t, err)
	return source
}

type response struct {
	status int
	body   string
	header http.Header
}

func send(t require.TestingT, url string, header http.Header, body io.Reader) response {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, body)
	require.NoError(t, err)
	request.Header = header.Clone()
	got, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	raw, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return response{got.StatusCode, string(raw), got.Header}
}

func (b *bundle) send(t require.TestingT, source store.Source, header http.Header, body []byte) response {
	return send(t, b.url+"/webhooks/"+source.ID.String(), header, bytes.NewReader(body))
}

func (b *bundle) stored(t *testing.T) []store.Delivery {
	t.Helper()
	all, err := b.store.Deliveries(context.Background(), store.DeliveryFilter{})
	require.NoError(t, err)
	return all
}

// understandAll does what the relay does, until there is nothing left.
func (b *bundle) understandAll(t *testing.T) {
	t.Helper()
	for {
		claimed, err := b.store.ClaimDeliveries(context.Background(), 100)
		require.NoError(t, err)
		if len(claimed) == 0 {
			return
		}
		for _, d := range claimed {
			_, err := understandStored(context.Background(), b.store, Platforms(), d)
			require.NoError(t, err)
		}
	}
}

// Every way in which a sender is not the platform gets one and the same answer,
// and leaves nothing behind.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	own := b.source(t, "debrief", standardSecret)
	body := zoomFixture(t, "meeting.ended")
	ownBody := example(t)
	path := "/webhooks/" + zoom.ID.String()

	oracle, err := json.Marshal(map[string]any{"event": "endpoint.url_validation", "payload": map[string]any{"plainToken": "h4rb0r_Token-0123456789"}})
	require.NoError(t, err)
	without := func(h http.Header, name string) http.Header { h.Del(name); return h }
	var want *response
	for _, tc := range []struct {
		name    string
		path    string
		header  http.Header
		body    []byte
		refusal Refusal
	}{
		{"unknown source", "/webhooks/" + uuid.NewString(), zoomHeader(zoomSecret, now, body), body, UnknownSource},
		{"no source's form", "/webhooks/zoom", zoomHeader(zoomSecret, now, body), body, UnknownSource},
		{"a source's ID in another form", "/webhooks/urn:uuid:" + zoom.ID.String(), zoomHeader(zoomSecret, now, body), body, UnknownSource},
		{"unsigned", path, http.Header{}, body, MissingSignature},
		{"without a timestamp", path, without(zoomHeader(zoomSecret, now, body), "X-Zm-Request-Timestamp"), body, MissingSignature},
		{"another secret", path, zoomHeader("another-secret-token", now, body), body, WrongSignature},
		{"an empty secret", path, zoomHeader("", now, body), body, WrongSignature},
		{"other bytes", path, zoomHeader(zoomSecret, now, body), bytes.TrimSpace(body), WrongSignature},
		{"stale", path, zoomHeader(zoomSecret, now.Add(-91*time.Minute), body), body, OutsideTimeWindow},
		{"from the future", path, zoomHeader(zoomSecret, now.Add(6*time.Minute), body), body, OutsideTimeWindow},
		{"another platform's signature", path, standardHeader(t, standardSecret, "msg_1", now, body), body, MissingSignature},
		{"an unsigned challenge", path, http.Header{}, oracle, MissingSignature},
		{"a challenge, wrongly signed", path, zoomHeader("another-secret-token", now, oracle), oracle, WrongSignature},
		{"standard, stale", "/webhooks/" + own.ID.String(), standardHeader(t, standardSecret, "msg_1", now.Add(-6*time.Minute), ownBody), ownBody, OutsideTimeWindow},
		{"standard, another secret", "/webhooks/" + own.ID.String(), standardHeader(t, otherSecret, "msg_1", now, ownBody), ownBody, WrongSignature},
	} {
		before := b.receiver.Counts()[tc.refusal.Error()]
		got := send(t, b.url+tc.path, tc.header, bytes.NewReader(tc.body))
		got.header.Del("Date")
		if want == nil {
			want = &got
		}
		require.Equal(t, http.StatusUnauthorized, got.status, tc.name)
		require.Equal(t, *want, got, tc.name)
		require.Equal(t, before+1, b.receiver.Counts()[tc.refusal.Error()], tc.name)
	}
	require.Empty(t, b.stored(t))
	require.Equal(t, 1, strings.Count(b.log.String(), "\n"), "the log is not the sender's to fill")
	require.NotContains(t, b.log.String(), "pwd")
}

// Genuine, and still not usable: kept, listed with the reason, answered with 2xx.
func TestUnprocessable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	compressed := zoomHeader(zoomSecret, now, []byte("\x1f\x8b compressed"))
	compressed.Set("Content-Encoding", "gzip")
	challenge := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1:planted"}}`)
	for _, tc := range []struct {
		name   string
		header http.Header
		body   []byte
		want   string
	}{
		{"not JSON", nil, []byte("planted-secret"), "the body is not JSON"},
		{"empty", nil, nil, "the body is not JSON"},
		{"unknown event", nil, []byte(`{"event":"meeting.alert","payload":{"object":{"uuid":"u"}}}`), "Debrief does not use Zoom's event meeting.alert"},
		{"wrong type", nil, []byte(`{"event":"meeting.ended","payload":{"object":{"topic":["planted-secret"]}}}`), "payload.object.topic has the wrong type: it should be text"},
		{"deep", nil, bytes.Repeat([]byte("["), 100_000), "the JSON is nested deeper than 64 levels"},
		{"compressed", compressed, []byte("\x1f\x8b compressed"), "the body is compressed: send it as it is"},
		{"a challenge that would sign an event", nil, challenge, "the challenge's token is not one of Zoom's"},
	} {
		header := tc.header
		if header == nil {
			header = zoomHeader(zoomSecret, now, tc.body)
		}
		got := b.send(t, zoom, header, tc.body)
		require.Equal(t, http.StatusOK, got.status, tc.name)
		var a answer
		require.NoError(t, json.Unmarshal([]byte(got.body), &a))
		require.Equal(t, answer{Status: "unprocessable", Reason: tc.want}, a, tc.name)
		require.NotContains(t, got.body, "planted", tc.name)

		d := b.stored(t)[0]
		require.Equal(t, store.DeliveryUnprocessable, d.State, tc.name)
		require.Equal(t, tc.want, d.Reason, tc.name)
		kept, err := b.store.Body(context.Background(), d.ID)
		require.NoError(t, err, tc.name)
		require.Equal(t, string(tc.body), string(kept), "kept byte for byte")
	}
	b.understandAll(t)
	require.Empty(t, b.meetings(t))
}

func (b *bundle) meetings(t *testing.T) []store.Meeting {
	t.Helper()
	found, err := b.store.Meetings(context.Background(), b.organization.ID, store.MeetingFilter{})
	require.NoError(t, err)
	return found
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", "a-newer-secret-token", zoomSecret)
	body := zoomFixture(t, "meeting.ended")
	header := zoomHeader(zoomSecret, now, body)
	header.Set("Content-Type", "text/plain")
	header.Set("Authorization", "planted-authorization")
	header.Set("Cookie", "planted=cookie")
	header.Set("X-Zm-Request-Id", "request_1")

	got := send(t, b.url+"/webhooks/"+zoom.ID.String()+"/?token=planted", header, bytes.NewReader(body))
	require.Equal(t, http.StatusOK, got.status, "the older of two secrets, an odd content type, a slash and a query")
	require.JSONEq(t, `{"status":"accepted"}`, got.body)
	// Zoom's retry: signed anew, the same bytes.
	got = b.send(t, zoom, zoomHeader("a-newer-secret-token", now.Add(-5*time.Minute), body), body)
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, `{"status":"duplicate"}`, got.body)

	all := b.stored(t)
	require.Len(t, all, 1)
	require.Equal(t, map[string]string{
		"Content-Type": "text/plain", "User-Agent": "Go-http-client/1.1", "X-Zm-Request-Id": "request_1",
		"X-Zm-Request-Timestamp": strconv.FormatInt(now.Unix(), 10),
	}, all[0].Headers, "no signature, authorization or cookie is kept")
	require.Equal(t, store.DeliveryReceived, all[0].State)
	kept, err := b.store.Body(context.Background(), all[0].ID)
	require.NoError(t, err)
	require.Equal(t, body, kept)
	require.NotContains(t, b.log.String(), "planted")
}

func TestHandshakeIsAnsweredAndNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	body := zoomFixture(t, "endpoint.url_validation")
	got := b.send(t, zoom, zoomHeader(zoomSecret, now, body), body)
	require.Equal(t, http.StatusOK, got.status)
	require.Contains(t, got.header.Get("Content-Type"), "application/json")
	require.JSONEq(t, `{"plainToken":"h4rb0r_Token-0123456789","encryptedToken":"`+opensslToken+`"}`, got.body)
	require.Empty(t, b.stored(t))
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source, err := b.store.CreateSource(context.Background(), store.NewSource{
		OrganizationID: &b.organization.ID, Platform: "zoom", Name: "small", Secrets: []store.Secret{zoomSecret},
		Settings: store.SourceSettings{BodyLimit: 600 << 10},
	}, store.Operator)
	require.NoError(t, err)
	padded := func(size int) []byte {
		body := zoomFixture(t, "meeting.ended")
		return append(body, bytes.Repeat([]byte(" "), size-len(body))...)
	}
	fits := padded(600 << 10)
	require.Equal(t, http.StatusOK, b.send(t, source, zoomHeader(zoomSecret, now, fits), fits).status)
	over := padded(600<<10 + 1)
	require.Equal(t, http.StatusRequestEntityTooLarge, b.send(t, source, zoomHeader(zoomSecret, now, over), over).status)
	chunked := struct{ io.Reader }{bytes.NewReader(over)} // no length known before
	require.Equal(t, http.StatusRequestEntityTooLarge,
		send(t, b.url+"/webhooks/"+source.ID.String(), zoomHeader(zoomSecret, now, over), chunked).status)
	huge := bytes.Repeat([]byte(" "), MaxBody+1)
	require.Equal(t, http.StatusRequestEntityTooLarge,
		send(t, b.url+"/webhooks/"+uuid.NewString(), http.Header{}, bytes.NewReader(huge)).status, "unsigned, of an unknown source")
	require.Len(t, b.stored(t), 1)
}

// slow sends bodies of which more than smallBody has come and whose end has not,
// straight to the receiver: when it returns, each has been read so far. It
// returns how to let them end, and the statuses that they get then.
func slow(t *testing.T, b *bundle, path string, header http.Header, n int) func() []int {
	t.Helper()
	engine := gin.New()
	b.receiver.Register(engine)
	statuses := make([]int, n)
	var writers []*io.PipeWriter
	var running sync.WaitGroup
	for i := range n {
		body, in := io.Pipe()
		writers = append(writers, in)
		running.Go(func() {
			recorder := httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodPost, path, body)
			request.Header = header.Clone()
			engine.ServeHTTP(recorder, request)
			_ = body.Close() // whoever still writes need not wait
			statuses[i] = recorder.Code
		})
		// A pipe's write returns when all of it was read.
		_, err := in.Write(bytes.Repeat([]byte(" "), smallBody+64<<10))
		require.NoError(t, err)
	}
	end := func() []int {
		for _, in := range writers {
			_ = in.Close()
		}
		running.Wait()
		return statuses
	}
	t.Cleanup(func() { end() })
	return end
}

// However many strangers send large bodies slowly, a transcript is taken; and
// who knows one source, and forges signatures for it, holds up that one alone.
func TestSlowStrangersHoldUpNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom, other := b.source(t, "zoom", zoomSecret), b.source(t, "zoom", zoomSecret)
	body := zoomFixture(t, "meeting.summary_completed")
	body = append(body, bytes.Repeat([]byte(" "), 400<<10)...)
	header := zoomHeader(zoomSecret, now, body)

	unknown := slow(t, b, "/webhooks/"+uuid.NewString(), header, largeBodies)
	unsigned := slow(t, b, "/webhooks/"+zoom.ID.String(), http.Header{}, largeBodies)
	require.Empty(t, b.receiver.large)
	require.Equal(t, http.StatusOK, b.send(t, zoom, header, body).status)

	forged := zoomHeader("another-secret-token", now, body)
	holding := slow(t, b, "/webhooks/"+other.ID.String(), forged, largeBodiesSource)
	require.Len(t, b.receiver.large, largeBodiesSource)
	got := b.send(t, other, header, body)
	require.Equal(t, http.StatusServiceUnavailable, got.status, "the platform sends it again")
	body[len(body)-1] = '\n' // another delivery
	require.Equal(t, http.StatusOK, b.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)

	for _, end := range []func() []int{unknown, unsigned, holding} {
		for _, status := range end() {
			require.Equal(t, http.StatusUnauthorized, status)
		}
	}
	require.Equal(t, uint64(largeBodies), b.receiver.Counts()[UnknownSource.Error()])
	require.Equal(t, uint64(largeBodies), b.receiver.Counts()[MissingSignature.Error()])
	require.Equal(t, http.StatusOK, b.send(t, other, zoomHeader(zoomSecret, now, body), body).status, "the slots are free again")
}

func TestDisabledSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	require.NoError(t, b.store.DisableSource(context.Background(), zoom.ID, store.Operator))
	body := zoomFixture(t, "meeting.ended")
	got := b.send(t, zoom, zoomHeader(zoomSecret, now, body), body)
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, `{"status":"excluded","reason":"the source is disabled"}`, got.body)
	require.False(t, b.stored(t)[0].HasBody, "its content is dropped")
}

// Promise 1: what can't be stored is not acknowledged.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	body := zoomFixture(t, "meeting.ended")
	// A proxy in front of PostgreSQL that can be cut.
	proxied, cut := b.behindProxy(t)
	_, url := b.serve(t, proxied)
	require.Equal(t, http.StatusOK, send(t, url+"/webhooks/"+zoom.ID.String(), zoomHeader(zoomSecret, now, body), bytes.NewReader(body)).status)
	cut()
	for _, id := range []uuid.UUID{zoom.ID, uuid.New()} { // one in the cache, one to be looked up
		got := send(t, url+"/webhooks/"+id.String(), zoomHeader(zoomSecret, now, body), bytes.NewReader(body))
		require.Equal(t, http.StatusServiceUnavailable, got.status)
	}
	require.NotContains(t, b.log.String(), "postgres:")
}

func (b *bundle) behindProxy(t *testing.T) (*store.Store, func()) {
	t.Helper()
	config, err := pgx.ParseConfig(b.databaseURL)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var open []net.Conn
	var pipes sync.WaitGroup
	down := false
	pipes.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
			mu.Lock()
			if err != nil || down {
				_ = in.Close()
				mu.Unlock()
				continue
			}
			open = append(open, in, out)
			mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				pipes.Go(func() { _, _ = io.Copy(pair[0], pair[1]); _ = pair[0].Close() })
			}
		}
	})
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		down = true
		for _, c := range open {
			_ = c.Close()
		}
	}
	t.Cleanup(func() { cut(); _ = listener.Close(); pipes.Wait() })
	s, err := store.Open(context.Background(), store.Options{
		URL:   fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", url.UserPassword(config.User, config.Password), listener.Addr(), config.Database),
		Vault: storetest.Vault(t),
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, cut
}

// Promise 2: the same event to two receivers, many times at once, is one row and
// one effect.
func TestDuplicatesAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	second, err := store.Open(context.Background(), store.Options{URL: b.databaseURL, Vault: storetest.Vault(t)})
	require.NoError(t, err)
	t.Cleanup(second.Close)
	_, secondURL := b.serve(t, second)
	body := zoomFixture(t, "meeting.ended")

	var all sync.WaitGroup
	statuses := make([]response, 24)
	for i := range statuses {
		all.Go(func() {
			url := []string{b.url, secondURL}[i%2]
			at := now.Add(-time.Duration(i) * time.Second)
			statuses[i] = send(t, url+"/webhooks/"+zoom.ID.String(), zoomHeader(zoomSecret, at, body), bytes.NewReader(body))
		})
	}
	all.Wait()
	accepted := 0
	for _, got := range statuses {
		require.Equal(t, http.StatusOK, got.status)
		if strings.Contains(got.body, "accepted") {
			accepted++
		}
	}
	require.Equal(t, 1, accepted)
	require.Len(t, b.stored(t), 1)

	b.understandAll(t)
	require.Len(t, b.meetings(t), 1)
	require.Equal(t, int64(1), b.meetings(t)[0].Version)
	require.NoError(t, b.store.ResumeDelivery(context.Background(), b.stored(t)[0].ID, store.Operator))
	b.understandAll(t)
	require.Equal(t, int64(1), b.meetings(t)[0].Version, "a replay changes nothing")
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
}

// Promise 2: all orders of a meeting's five deliveries, over HTTP and through
// Postgres, make one meeting with the same content.
func TestAllOrdersMakeOneMeeting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := []string{"meeting.created", "meeting.participant_joined.host", "meeting.participant_joined.guest", "meeting.ended", "meeting.summary_completed"}
	var orders [][]string
	var permute func(done, left []string)
	permute = func(done, left []string) {
		if len(left) == 0 {
			orders = append(orders, append([]string(nil), done...))
			return
		}
		for i := range left {
			rest := append(append([]string(nil), left[:i]...), left[i+1:]...)
			permute(append(done, left[i]), rest)
		}
	}
	permute(nil, names)
	require.Len(t, orders, 120)

	var want string
	for i, order := range orders {
		// Each order in an organization of its own: as good as a fresh database.
		b.organization = storetest.Organization(t, b.store)
		zoom := b.source(t, "zoom", zoomSecret)
		for _, name := range order {
			body := zoomFixture(t, name)
			require.Equal(t, http.StatusOK, b.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)
			if i%2 == 0 {
				b.understandAll(t) // one by one; else all at the end, as claimed
			}
		}
		b.understandAll(t)
		found := b.meetings(t)
		require.Len(t, found, 1, "%v", order)
		raw, err := json.Marshal(found[0].Content)
		require.NoError(t, err)
		if want == "" {
			want = string(raw)
			require.Equal(t, meeting.StateEnded, found[0].Content.State)
			require.Len(t, found[0].Content.Attendees, 2)
			require.Len(t, found[0].Content.ActionItems, 3)
		}
		require.Equal(t, want, string(raw), "%v", order)
		require.NotNil(t, found[0].FirstWordAt)
	}
}

func TestInstallationSourceRoutesByAccount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	shared, err := b.store.CreateSource(ctx, store.NewSource{Platform: "zoom", Name: "shared app", Secrets: []store.Secret{zoomSecret}}, store.Operator)
	require.NoError(t, err)
	body := zoomFixture(t, "meeting.ended")
	require.Equal(t, http.StatusOK, b.send(t, shared, zoomHeader(zoomSecret, now, body), body).status)
	b.understandAll(t)
	d := b.stored(t)[0]
	require.Equal(t, store.DeliveryUnrouted, d.State)
	require.True(t, d.HasBody)

	require.NoError(t, b.store.ConnectAccount(ctx, shared.ID, "HarborAcct_01", b.organization.ID, store.Operator))
	b.understandAll(t)
	require.Len(t, b.meetings(t), 1)
	d = b.stored(t)[0]
	require.Equal(t, store.DeliveryUnderstood, d.State)
	require.Equal(t, b.organization.ID, *d.OrganizationID)

	other := storetest.Organization(t, b.store)
	require.ErrorContains(t, b.store.ConnectAccount(ctx, shared.ID, "HarborAcct_01", other.ID, store.Operator), "another organization's")
}

// waker keeps what it is told; it can be away.
type waker struct {
	mu   sync.Mutex
	away bool
	told []uuid.UUID
}

func (w *waker) Wake(_ context.Context, _, meetingID uuid.UUID, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return serviceerror.NewUnavailable("Temporal is away")
	}
	w.told = append(w.told, meetingID)
	return nil
}

func (w *waker) set(away bool) { w.mu.Lock(); defer w.mu.Unlock(); w.away = away }

func (w *waker) count() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.told) }

// The whole way: received, understood at once, woken; with Temporal away nothing
// is lost, and it is woken when it is back.
func TestRelay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := &waker{away: true}
	relay := NewRelay(RelayOptions{Store: b.store, Platforms: Platforms(), Waker: w, Log: zerolog.New(b.log), Interval: 20 * time.Millisecond})
	b.receiver.received = relay.Poke
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { relay.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })

	zoom := b.source(t, "zoom", zoomSecret)
	for _, name := range []string{"meeting.created", "meeting.ended"} {
		body := zoomFixture(t, name)
		require.Equal(t, http.StatusOK, b.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)
	}
	require.Eventually(t, func() bool {
		for _, d := range b.stored(t) {
			if d.State != store.DeliveryUnderstood {
				return false
			}
		}
		return true
	}, 10*time.Second, 10*time.Millisecond)
	require.Zero(t, w.count())
	pending, _, err := b.store.PendingWakeups(context.Background())
	require.NoError(t, err)
	require.Positive(t, pending)

	w.set(false)
	require.Eventually(t, func() bool {
		pending, _, err := b.store.PendingWakeups(context.Background())
		require.NoError(t, err)
		return pending == 0
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, b.meetings(t)[0].ID, w.told[0])
}

func TestUnknownPlatformOrPanicKeepsTheDelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	body := zoomFixture(t, "meeting.ended")
	require.Equal(t, http.StatusOK, b.send(t, zoom, zoomHeader(zoomSecret, now, body), body).status)
	claimed, err := b.store.ClaimDeliveries(context.Background(), 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	broken, err := NewPlatform("zoom", zoomSignature{}, panicking{})
	require.NoError(t, err)
	_, err = understandStored(context.Background(), b.store, map[string]Platform{"zoom": broken}, claimed[0])
	require.ErrorContains(t, err, "panicked")
	require.NotContains(t, err.Error(), "planted")
	_, err = understandStored(context.Background(), b.store, nil, claimed[0])
	require.ErrorContains(t, err, "does not know the platform")
	require.Equal(t, store.DeliveryReceived, b.stored(t)[0].State)
}

type panicking struct{ zoomMapping }

func (panicking) Events(Delivery) ([]meeting.Event, error) { panic("planted") }
