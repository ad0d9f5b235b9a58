package webhooks

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

// zeros is a body that takes no memory.
type zeros struct{ left, read int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	z.read += n
	return int(n), nil
}

// dial returns a connection to the receiver.
func (b *bundle) dial(t *testing.T) net.Conn {
	t.Helper()
	at, err := url.Parse(b.url)
	require.NoError(t, err)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

// statusLine is the first line of the answer.
func statusLine(t *testing.T, conn net.Conn) string {
	t.Helper()
	answer := make([]byte, 256)
	n, err := io.ReadAtLeast(conn, answer, len("HTTP/1.1 413"))
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(answer[:n]), "\r\n")
	return line
}

// A gigabyte is refused when the largest body that is taken has come, or before
// where its length is told; the rest is not read.
func TestAGigabyteIsNotRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	const gigabyte = 1 << 30
	for name, length := range map[string]int64{"its length is told": gigabyte, "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := b.dial(t)
			body := &zeros{left: gigabyte}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/webhooks/"+zoom.ID.String(), body)
			require.NoError(t, err)
			request.Header = zoomHeader(zoomSecret, now, []byte("{}"))
			request.ContentLength = length
			sent := make(chan struct{})
			go func() { defer close(sent); _ = request.Write(conn) }() // the receiver hangs up on it
			require.Contains(t, statusLine(t, conn), " 413 ")
			_ = conn.Close()
			<-sent
			require.Less(t, body.read, int64(gigabyte/8))
		})
	}
	t.Cleanup(func() { require.Empty(t, b.stored(t)) })
}

// A body that does not come on is waited for until its deadline, and not longer.
func TestASlowBodyHasADeadline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zoom := b.source(t, "zoom", zoomSecret)
	b.receiver.patience = 50 * time.Millisecond
	conn := b.dial(t)
	body := zoomFixture(t, "meeting.ended")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/webhooks/"+zoom.ID.String(),
		io.MultiReader(strings.NewReader(string(body[:len(body)-1])), neverMore{t.Context().Done()}))
	require.NoError(t, err)
	request.Header = zoomHeader(zoomSecret, now, body)
	request.ContentLength = int64(len(body))
	go func() { _ = request.Write(conn) }() // ends with the test
	require.Contains(t, statusLine(t, conn), " 408 ")
	require.Equal(t, uint64(1), b.receiver.Counts()["unreadable"])
	require.Empty(t, b.stored(t))
}

// neverMore is a body whose end does not come.
type neverMore struct{ over <-chan struct{} }

func (n neverMore) Read([]byte) (int, error) { <-n.over; return 0, io.ErrUnexpectedEOF }

// However deep the JSON is, whatever platform sends it: it is kept, and nobody
// tries to understand it.
func TestDeepBodiesOfEveryPlatform(t *testing.T) {
	t.Parallel()
	for name, platform := range Platforms() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				strings.Repeat("[", 100_000),
				strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
			} {
				d := Delivery{Header: http.Header{"Webhook-Id": {"msg_1"}}, Body: []byte(body)}
				_, err := platform.understand(d)
				require.Equal(t, Unfit{"the JSON is nested deeper than 64 levels"}, err)
				require.LessOrEqual(t, len(platform.key(d)), 512)
			}
		})
	}
}

// A meeting that ends before it starts is told by no platform: every delivery that
// tells both is kept and not understood when the two are exchanged.
func TestEndBeforeStartOnEveryPlatform(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.json"))
	require.NoError(t, err)
	tried := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		platform, known := Platforms()[name]
		if !known {
			continue
		}
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		header := http.Header{"Webhook-Id": {"msg_1"}}
		events, err := platform.understand(Delivery{Header: header, Body: raw})
		if err != nil || len(events) == 0 || !bothTold(events[0]) {
			continue
		}
		var body any
		require.NoError(t, json.Unmarshal(raw, &body))
		if !exchange(body) {
			continue
		}
		turned, err := json.Marshal(body)
		require.NoError(t, err)
		_, err = platform.understand(Delivery{Header: header, Body: turned})
		var unfit Unfit
		require.ErrorAs(t, err, &unfit, file)
		require.Contains(t, unfit.Reason, "is before the start", file)
		tried[name] = true
	}
	for _, name := range []string{"zoom", "fathom", "calendly", "calcom"} {
		require.True(t, tried[name], "%s was not tried", name)
	}
}

func bothTold(e meeting.Event) bool {
	return (!e.ScheduledStart.IsZero() && !e.ScheduledEnd.IsZero()) || (!e.ActualStart.IsZero() && !e.ActualEnd.IsZero())
}

// exchange swaps every start with the end beside it, and says whether there was one.
func exchange(v any) bool {
	found := false
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			found = exchange(one) || found
		}
	case map[string]any:
		for key, value := range v {
			found = exchange(value) || found
			other := strings.NewReplacer("start", "end", "Start", "End").Replace(key)
			if end, is := v[other].(string); is && other != key {
				if start, is := value.(string); is {
					v[key], v[other] = end, start
					found = true
				}
			}
		}
	}
	return found
}
