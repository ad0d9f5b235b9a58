package hubspottest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// Fault makes calls go wrong. Which: Method, Path, HubID, then Skip and Times.
// How: any one of the cuts, CommitLate, or Status and Body, each after Latency.
type Fault struct {
	// Method is "" for any.
	Method string `json:"method,omitempty"`
	// Path is a path.Match pattern for the call's path in its dated form, such
	// as "/crm/objects/2026-09/contacts" or "/crm/objects/2026-09/*/batch/*";
	// "" is any path.
	Path string `json:"path,omitempty"`
	// HubID is the account; 0 is any.
	HubID int64 `json:"hubId,omitempty"`
	// Skip lets that many matching calls pass first.
	Skip int `json:"skip,omitempty"`
	// Times is how many calls go wrong: 0 is one, -1 is all until
	// [Server.ClearFaults].
	Times int `json:"times,omitempty"`

	// Latency is real time before anything else happens.
	Latency time.Duration `json:"-"`
	// Status is answered instead of doing the call.
	Status int `json:"status,omitempty"`
	// Body is answered with Status. Empty: an error body that fits the status.
	Body string `json:"body,omitempty"`
	// Header is added to the answer.
	Header map[string]string `json:"header,omitempty"`
	// AnswerAfterCommit does the call and then answers Status (which it needs)
	// and Body.
	AnswerAfterCommit bool `json:"answerAfterCommit,omitempty"`
	// CutBeforeCommit drops the connection without doing the call.
	CutBeforeCommit bool `json:"cutBeforeCommit,omitempty"`
	// CutAfterCommit does the call, then drops the connection.
	CutAfterCommit bool `json:"cutAfterCommit,omitempty"`
	// CommitLate answers Status, or drops the connection if that is 0, and does
	// the call when so much of the simulator's time has passed.
	CommitLate time.Duration `json:"-"`
	// TruncateBody does the call and cuts its answer in the middle.
	TruncateBody bool `json:"truncateBody,omitempty"`
	// SlowBody does the call and pauses for so long in the middle of the answer.
	SlowBody time.Duration `json:"-"`
}

// faultJSON writes durations as "1.5s".
type faultJSON struct {
	Latency    string `json:"latency,omitempty"`
	CommitLate string `json:"commitLate,omitempty"`
	SlowBody   string `json:"slowBody,omitempty"`
}

// UnmarshalJSON reads durations as "1.5s".
func (f *Fault) UnmarshalJSON(raw []byte) error {
	type plain Fault
	var durations faultJSON
	if err := json.Unmarshal(raw, (*plain)(f)); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &durations); err != nil {
		return err
	}
	for _, d := range []struct {
		text string
		into *time.Duration
	}{{durations.Latency, &f.Latency}, {durations.CommitLate, &f.CommitLate}, {durations.SlowBody, &f.SlowBody}} {
		if d.text == "" {
			continue
		}
		parsed, err := time.ParseDuration(d.text)
		if err != nil {
			return fmt.Errorf("a fault's duration: %w", err)
		}
		*d.into = parsed
	}
	return nil
}

// MarshalJSON writes durations as "1.5s".
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return json.Marshal(struct {
		plain
		faultJSON
	}{plain(f), faultJSON{text(f.Latency), text(f.CommitLate), text(f.SlowBody)}})
}

type activeFault struct {
	Fault
	skip, left int
	endless    bool
}

// Inject adds a fault. Faults are tried in the order in which they were added;
// one that is used up is gone.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &activeFault{Fault: f, skip: f.Skip, left: max(f.Times, 1), endless: f.Times < 0}
	s.faults = append(s.faults, a)
}

// ClearFaults removes every fault.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults lists the faults that are not used up.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, f.Fault)
	}
	return out
}

func (s *Server) takeFault(q *request, hub int64) *Fault {
	if len(s.faults) == 0 {
		return nil
	}
	at := "/" + strings.Join(q.segments, "/")
	for i, f := range s.faults {
		if f.Method != "" && !strings.EqualFold(f.Method, q.method) || f.HubID != 0 && f.HubID != hub {
			continue
		}
		if f.Path != "" {
			if ok, err := path.Match(f.Path, at); err != nil || !ok {
				continue
			}
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		if !f.endless {
			if f.left--; f.left <= 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		chosen := f.Fault
		return &chosen
	}
	return nil
}

func (f *Fault) write(w http.ResponseWriter) {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	if f.Body != "" {
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json;charset=utf-8")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(f.Body))
		return
	}
	switch status {
	case http.StatusTooManyRequests:
		write(w, burstExceeded())
	case http.StatusLocked:
		write(w, problem(status, "LOCKED", "The resource is locked. Wait at least two seconds."))
	case 477:
		if w.Header().Get("Retry-After") == "" {
			w.Header().Set("Retry-After", "60")
		}
		write(w, problem(status, "MIGRATION_IN_PROGRESS", "The account is being migrated."))
	case http.StatusUnauthorized:
		write(w, problem(status, "INVALID_AUTHENTICATION", "Authentication credentials not found."))
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, 521, 522, 523, 524:
		// These come from the edge, not from the API, and are no JSON.
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html><body><h1>%d</h1></body></html>", status)
	default:
		write(w, problem(status, "INTERNAL_ERROR", "internal error"))
	}
}
