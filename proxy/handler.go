package proxy

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// mostBody is more than a full batch of long texts takes.
const mostBody = 8 << 20

// Calls carries out what requests mean; [*agents.Service] does.
type Calls interface {
	Reading(ctx context.Context, c agents.Caller, tools []policy.Tool, label string, asked []any, do func(*crm.Reader) error) (*agents.Result, error)
	Permission(ctx context.Context, c agents.Caller, tool policy.Tool) (policy.Permission, error)
	Begin(ctx context.Context, c agents.Caller, r agents.Request) (uuid.UUID, error)
	Await(ctx context.Context, c agents.Caller, callID uuid.UUID) (agents.Result, error)
	HandOver(ctx context.Context, c agents.Caller, callID uuid.UUID) error
}

// api answers requests to HubSpot's API.
type api struct {
	calls  Calls
	caller agents.Caller
	token  store.Secret
	// report is told of each request, by its path's shape, and what came of it.
	report func(Served)
	failed func(error)
}

// Served is one request, without any ID or value of it.
type Served struct {
	Method string
	// Tool is the first of those that the request needs; zero if it was not understood.
	Tool   policy.Tool
	Status int
	// Why says what was wrong with it.
	Why string
}

// serve answers a request that came for host.
func (a *api) serve(w http.ResponseWriter, r *http.Request, host string) {
	served := Served{Method: r.Method}
	answer := a.answer(r, host, &served)
	answer(w)
	a.report(served)
}

// answer finds out what to answer.
func (a *api) answer(r *http.Request, host string, served *Served) func(http.ResponseWriter) {
	refuse := func(x *refusal) func(http.ResponseWriter) {
		served.Status, served.Why = x.status, x.message
		return x.write
	}
	if x := a.admit(r, host); x != nil {
		return refuse(x)
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	m, x := understand(r.Method, path, query, payloadOf(r))
	if x != nil {
		return refuse(x)
	}
	var status int
	var out any
	var err error
	if m.read != nil {
		served.Tool = m.read.tools[0]
		status, out, err = a.show(r.Context(), m.read)
	} else {
		served.Tool = m.writes[0].tool
		status, out, err = a.write(r.Context(), m)
	}
	if err != nil {
		var said *refusalError
		if errors.As(err, &said) {
			return refuse(said.refusal)
		}
		x, told := refused(err)
		if !told && r.Context().Err() == nil {
			a.failed(err)
		}
		return refuse(x)
	}
	served.Status = status
	return func(w http.ResponseWriter) { writeJSON(w, status, out) }
}

// refusalError is a refusal among errors.
type refusalError struct{ *refusal }

func (e *refusalError) Error() string { return e.message }

// admit looks at what surrounds a request: nothing of it is passed on.
func (a *api) admit(r *http.Request, host string) *refusal {
	switch {
	case !strings.EqualFold(strings.TrimSuffix(r.Host, ":443"), host) || !strings.HasPrefix(r.RequestURI, "/"):
		return &refusal{status: http.StatusMisdirectedRequest, category: CategoryMalformed, message: "The request is for another host than its connection."}
	case r.Header.Get("Origin") != "" || r.Header.Get("Upgrade") != "":
		return malformed("Only plain requests of the program are answered here.")
	case !a.holds(r.Header.Values("Authorization")):
		return &refusal{
			status: http.StatusUnauthorized, category: "INVALID_AUTHENTICATION",
			message: "Requests of this run carry the token that stands in HUBSPOT_ACCESS_TOKEN, as `Authorization: Bearer …`. It is worth nothing elsewhere, and no other token is passed on.",
		}
	}
	return nil
}

// payloadOf reads a request's body, or says why it can't be.
func payloadOf(r *http.Request) payload {
	content, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case len(r.Header.Values("Content-Encoding")) > 0 && r.Header.Get("Content-Encoding") != "identity":
		return payload{problem: malformed("Compressed bodies are not read here.")}
	case r.ContentLength != 0 && r.Method != http.MethodGet && content != "" && !strings.EqualFold(strings.TrimSpace(content), "application/json"):
		return payload{problem: malformed("The body has to be application/json.")}
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, mostBody+1))
	if err != nil || len(raw) > mostBody {
		return payload{problem: &refusal{
			status: http.StatusRequestEntityTooLarge, category: CategoryMalformed, message: "The body can't be read, or is larger than 8 MiB.",
		}}
	}
	return payload{raw: raw}
}

func (a *api) holds(headers []string) bool {
	if len(headers) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(token), []byte(a.token.Reveal())) == 1
}

// show makes a read, or says that somebody has to approve it first.
func (a *api) show(ctx context.Context, in *read) (status int, body any, err error) {
	var answer hubspot.RawAnswer
	label := strings.TrimSuffix(in.what, " for a script")
	asked := []any{in.request.Method, in.request.Endpoint, in.request.Args, in.request.Query, in.request.Body}
	waiting, err := a.calls.Reading(ctx, a.caller, in.tools, label, asked, func(reader *crm.Reader) error {
		var err error
		answer, err = reader.Raw(ctx, in.what, in.tools, in.properties, in.request)
		return err
	})
	switch {
	case err != nil:
		return 0, nil, err
	case waiting != nil:
		return 0, nil, &refusalError{pending([]agents.Result{*waiting}, 0)}
	}
	return answer.StatusCode, answer.Body, nil
}

// done is one write of a request, and what became of it.
type done struct {
	write
	call   uuid.UUID
	result agents.Result
	// isNew: an upsert made the record. found: it was as wanted already.
	isNew, found bool
	err          error
}

// write has the writes of a request carried out. All of them begin before any is
// waited for; as long as one is not over, none counts as told, so that the same request
// again finds every one of them instead of repeating it.
func (a *api) write(ctx context.Context, m meaning) (status int, body any, err error) {
	all := make([]done, 0, len(m.writes))
	for _, w := range m.writes {
		d := done{write: w}
		if d.err = a.find(ctx, &d); d.err == nil && !d.found {
			d.call, d.err = a.calls.Begin(ctx, a.caller, agents.Request{
				Tool: d.tool, TargetID: d.id, Properties: d.properties, Associations: d.associations,
			})
		}
		if d.err != nil && len(m.writes) == 1 {
			return 0, nil, d.err
		}
		all = append(all, d)
	}
	var open []agents.Result
	for i := range all {
		d := &all[i]
		if d.call == uuid.Nil {
			continue
		}
		if d.result, err = a.calls.Await(ctx, a.caller, d.call); err != nil {
			return 0, nil, err
		}
		if !d.result.Done {
			open = append(open, d.result)
		}
	}
	if len(open) > 0 {
		return 0, nil, &refusalError{pending(open, len(all))}
	}
	status, body, err = a.told(ctx, m, all)
	for i := range all {
		if d := all[i]; d.call != uuid.Nil {
			if err := a.calls.HandOver(ctx, a.caller, d.call); err != nil {
				return 0, nil, err
			}
		}
	}
	return status, body, err
}

// find gives a record that is named by a property its ID, and an upsert its tool.
func (a *api) find(ctx context.Context, d *done) error {
	if d.idProperty == "" {
		return nil
	}
	by, value := d.idProperty, d.id
	names := append(slices.Sorted(maps.Keys(d.properties)), by)
	in := read{
		tools: []policy.Tool{d.kind.tool(policy.Read)}, what: "looking for a " + d.kind.ours + " for a script", properties: names,
		request: hubspot.RawRequest{
			Method: http.MethodGet, Endpoint: d.root + d.kind.theirs + "/{id}", Args: []string{value},
			Query: url.Values{"idProperty": {by}, "properties": {strings.Join(names, ",")}},
		},
	}
	_, body, err := a.show(ctx, &in)
	if errors.Is(err, hubspot.ErrNotFound) && d.upsert {
		d.tool, d.id, d.isNew = d.kind.tool(policy.Create), "", true
		d.properties = maps.Clone(d.properties)
		d.properties[by] = value
		return nil
	}
	if err != nil {
		return err
	}
	record, err := readRecord(body)
	if err != nil {
		return err
	}
	d.id = record.ID
	// An upsert that was asked about and carried out finds what it made.
	d.found = d.upsert
	for name, value := range d.properties {
		if record.Properties[name] != value {
			d.found = false
		}
	}
	if d.found {
		d.result = agents.Result{State: store.ActionUnchanged, Done: true, RecordID: d.id}
	}
	return nil
}

// pending says that writes, or a read, wait for people or for the worker.
func pending(open []agents.Result, of int) *refusal {
	r := &refusal{status: http.StatusForbidden, category: CategoryAsked, context: map[string][]string{}, links: map[string]string{}}
	var until time.Time
	for _, one := range open {
		r.context["callId"] = append(r.context["callId"], one.CallID.String())
		if one.ApprovalURL == "" {
			continue
		}
		r.context["approvalUrl"] = append(r.context["approvalUrl"], one.ApprovalURL)
		r.links["approval"] = one.ApprovalURL
		if one.ExpiresAt != nil && (until.IsZero() || one.ExpiresAt.Before(until)) {
			until = *one.ExpiresAt
		}
	}
	urls := r.context["approvalUrl"]
	if len(urls) == 0 {
		return &refusal{
			status: http.StatusServiceUnavailable, category: CategoryLater, retry: 5 * time.Second, context: r.context,
			message: "It is being carried out and not done yet. The same request again gives the result and does nothing twice. Is a worker running?",
		}
	}
	r.message = "Somebody has to approve this first: " + urls[0] + "."
	if of > 1 {
		r.message = fmt.Sprintf("Somebody has to approve %d of the %d inputs first: %s.", len(urls), of, strings.Join(urls, ", "))
	}
	r.message += " After that, the same request again goes through, once."
	if !until.IsZero() {
		r.message += " The question is open until " + until.UTC().Format(time.RFC3339) + "."
		r.context["expiresAt"] = []string{until.UTC().Format(time.RFC3339)}
	}
	return r
}
