package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// The categories of what Debrief itself answers, beside HubSpot's own.
const (
	// CategoryDenied: a permission or a rule says no, or somebody did.
	CategoryDenied = "DEBRIEF_DENIED"
	// CategoryAsked: somebody has to approve it; then the same request goes through.
	CategoryAsked = "DEBRIEF_APPROVAL_NEEDED"
	// CategoryUndescribed: no tool describes the request.
	CategoryUndescribed = "DEBRIEF_NO_TOOL"
	// CategoryMalformed: the request is not as HubSpot's API has it, or says more than
	// Debrief understands.
	CategoryMalformed = "DEBRIEF_NOT_UNDERSTOOD"
	// CategoryFailed: it was tried and did not happen.
	CategoryFailed = "DEBRIEF_FAILED"
	// CategoryLater: the same request may work later, and is not carried out twice.
	CategoryLater = "DEBRIEF_LATER"
)

// refusal is an answer that is none of HubSpot's, in HubSpot's shape.
type refusal struct {
	status   int
	category string
	// message is shown to whoever runs the script. No value of a record stands in it.
	message string
	context map[string][]string
	links   map[string]string
	// retry is how long to wait before the same request may work.
	retry time.Duration
}

func malformed(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, category: CategoryMalformed, message: fmt.Sprintf(format, args...)}
}

func undescribed(format string, args ...any) *refusal {
	const instead = " docs/running-scripts.md lists what goes through `debrief run`."
	return &refusal{status: http.StatusForbidden, category: CategoryUndescribed, message: fmt.Sprintf(format, args...) + instead}
}

// quoted shows a word of a request, bounded.
func quoted(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return strconv.QuoteToASCII(s)
}

// body is HubSpot's shape of an error (developers.hubspot.com, "Error handling").
func (r *refusal) body() map[string]any {
	b := map[string]any{"status": "error", "message": r.message, "correlationId": uuid.NewString(), "category": r.category}
	if r.context != nil {
		b["context"] = r.context
	}
	if r.links != nil {
		b["links"] = r.links
	}
	return b
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((r.retry+time.Second-1)/time.Second)))
	}
	writeJSON(w, r.status, r.body())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// refused turns what a call failed with into an answer. What HubSpot itself said is
// said again; of anything that callers are not told of, only that.
func refused(err error) (r *refusal, told bool) {
	var denied *policy.DeniedError
	var said *store.Refusal
	var later *crm.RetryError
	var hub *hubspot.Error
	var paused *connections.PausedError
	sentence, told := agents.Sentence(err)
	r = &refusal{status: http.StatusInternalServerError, category: CategoryFailed, message: sentence}
	switch {
	case errors.As(err, &denied):
		r.status, r.category = http.StatusForbidden, CategoryDenied
		r.message += " An admin sets permissions with `debrief tools set` or on the page of tools."
		r.context = map[string][]string{"tool": {denied.Tool.String()}}
	case errors.As(err, &said):
		r.status, r.category = http.StatusForbidden, CategoryDenied
	case errors.As(err, &paused), errors.Is(err, connections.ErrNoConnection), errors.Is(err, store.ErrNoConnection):
		r.status, r.category = http.StatusForbidden, CategoryDenied
	case errors.As(err, &later):
		r.status, r.category, r.retry = http.StatusServiceUnavailable, CategoryLater, later.After
		if errors.Is(err, hubspot.ErrRateLimited) || !errors.As(err, &hub) {
			// Clients know what to do about that one.
			r.status, r.category = http.StatusTooManyRequests, "RATE_LIMITS"
		}
	case errors.As(err, &hub) && hub.StatusCode >= 400 && hub.StatusCode < 500:
		r.status, r.category = hub.StatusCode, hub.Category
		if hub.Message != "" {
			r.message = hub.Message
		}
	}
	return r, told
}
