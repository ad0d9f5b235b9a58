package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// HubSpot is a simulator that sees when what is done there is done, and answers after a
// while if it is told to.
type HubSpot struct {
	*hubspottest.Server

	// URL is where it is; the simulator itself listens nowhere.
	URL string

	http    *http.Server
	done    chan struct{}
	latency atomic.Int64 // nanoseconds

	mu       sync.Mutex
	expected map[string]*expectation // by a record's ID
	calls    []Call
	keep     bool
}

// Call is one call of HubSpot's API.
type Call struct {
	Method, Path string
	Begun, Ended time.Time
}

// expectation is for a number of records that are made with a link to one.
type expectation struct {
	left int
	done chan time.Time
}

// StartHubSpot starts one on a free port. Its accounts are made without limits of
// HubSpot's where they would be measured instead.
func StartHubSpot() (*HubSpot, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return nil, fmt.Errorf("starting HubSpot: %w", err)
	}
	h := &HubSpot{URL: "http://" + listener.Addr().String(), done: make(chan struct{}), expected: map[string]*expectation{}}
	h.Server = hubspottest.NewUnstartedServer(hubspottest.Options{URL: h.URL})
	h.http = &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: 5 * time.Second}
	go func() { defer close(h.done); _ = h.http.Serve(listener) }()
	return h, nil
}

// Stop ends it.
func (h *HubSpot) Stop() {
	_ = h.http.Close()
	<-h.done
}

// Answer after so long, each call; 0 is at once.
func (h *HubSpot) Answer(after time.Duration) { h.latency.Store(int64(after)) }

// Expect says when so many records have been made with a link to that one.
func (h *HubSpot) Expect(id string, records int) <-chan time.Time {
	e := &expectation{left: records, done: make(chan time.Time, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expected[id] = e
	return e.done
}

// Listen keeps the calls from now on, for [HubSpot.Heard].
func (h *HubSpot) Listen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls, h.keep = nil, true
}

// Heard returns the calls since [HubSpot.Listen] in the order in which they began.
func (h *HubSpot) Heard() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep = false
	slices.SortFunc(h.calls, func(a, b Call) int { return a.Begun.Compare(b.Begun) })
	return h.calls
}

// Busy is for how long one call or more was under way.
func Busy(calls []Call) (busy time.Duration) {
	var until time.Time
	for _, c := range calls {
		begun := c.Begun
		if begun.Before(until) {
			begun = until
		}
		if c.Ended.After(begun) {
			busy += c.Ended.Sub(begun)
			until = c.Ended
		}
	}
	return busy
}

func (h *HubSpot) serve(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	var linked []string
	if r.Method == http.MethodPost && isCreate(r.URL.Path) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // nobody waits for the answer
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		linked = linksOf(body)
	}
	if after := time.Duration(h.latency.Load()); after > 0 {
		time.Sleep(after)
	}
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	h.Server.Handler().ServeHTTP(answer, r)
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keep {
		h.calls = append(h.calls, Call{r.Method, r.URL.Path, begun, now})
	}
	if answer.status != http.StatusCreated {
		return
	}
	for _, id := range linked {
		if e := h.expected[id]; e != nil {
			if e.left--; e.left == 0 {
				e.done <- now
				delete(h.expected, id)
			}
		}
	}
}

type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// isCreate says whether a path is that of making one record.
func isCreate(path string) bool {
	rest, found := strings.CutPrefix(path, "/crm/")
	return found && strings.Count(rest, "/") == 2 && strings.Contains(rest, "objects/")
}

// linksOf are the records that a new one is linked to.
func linksOf(body []byte) []string {
	var made struct {
		Associations []struct {
			To struct {
				ID string `json:"id"`
			} `json:"to"`
		} `json:"associations"`
	}
	if json.Unmarshal(body, &made) != nil {
		return nil
	}
	ids := make([]string, 0, len(made.Associations))
	for _, a := range made.Associations {
		ids = append(ids, a.To.ID)
	}
	return ids
}

// await waits for a moment that somebody tells.
func await(ctx context.Context, told <-chan time.Time) (time.Time, error) {
	select {
	case at := <-told:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}
