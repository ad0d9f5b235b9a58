package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// record is what of a record's answer is looked into.
type record struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
}

func readRecord(body any) (record, error) {
	var r record
	raw, ok := body.(json.RawMessage)
	if !ok || json.Unmarshal(raw, &r) != nil || !number.MatchString(r.ID) {
		return r, errors.New("reading a record: HubSpot answered with something else")
	}
	return r, nil
}

// told is the answer to writes that are over.
func (a *api) told(ctx context.Context, m meaning, all []done) (int, any, error) {
	if m.links != nil {
		return linked(m, all)
	}
	if !m.batch {
		d := all[0]
		if r := d.refused(); r != nil {
			return 0, nil, &refusalError{r}
		}
		record, err := a.record(ctx, d)
		if d.tool.Operation == policy.Create {
			return http.StatusCreated, record, err
		}
		return http.StatusOK, record, err
	}
	started := time.Now().UTC()
	results, problems := []any{}, []any{}
	status := http.StatusOK
	for _, d := range all {
		if r := d.refused(); r != nil {
			problem := r.body()
			if d.traceID != "" {
				problem["context"] = map[string][]string{"objectWriteTraceId": {d.traceID}}
			} else if d.id != "" {
				problem["context"] = map[string][]string{"ids": {d.id}}
			}
			problems = append(problems, problem)
			continue
		}
		record, err := a.record(ctx, d)
		if err != nil {
			return 0, nil, err
		}
		if d.tool.Operation == policy.Create && !d.upsert {
			status = http.StatusCreated
		}
		if d.upsert {
			record["new"] = d.isNew
		}
		if d.traceID != "" {
			record["objectWriteTraceId"] = d.traceID
		}
		results = append(results, record)
	}
	return list(status, started, results, problems)
}

// list is HubSpot's answer to a batch; of one of which nothing happened, the first
// problem.
func list(status int, started time.Time, results, problems []any) (int, any, error) {
	if len(results) == 0 && len(problems) > 0 {
		first, _ := problems[0].(map[string]any)
		r := &refusal{status: http.StatusForbidden}
		r.category, _ = first["category"].(string)
		r.message, _ = first["message"].(string)
		return 0, nil, &refusalError{r}
	}
	body := map[string]any{
		"status": "COMPLETE", "results": results, "startedAt": stamp(started), "completedAt": stamp(time.Now()),
	}
	if len(problems) > 0 {
		status = http.StatusMultiStatus
		body["numErrors"], body["errors"] = len(problems), problems
	}
	return status, body, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// refused says why a write that is over did not happen.
func (d done) refused() *refusal {
	if d.err != nil {
		var said *refusalError
		if errors.As(d.err, &said) {
			return said.refusal
		}
		r, _ := refused(d.err)
		return r
	}
	if d.result.State == store.ActionUnchanged && d.tool.Operation == policy.Create && d.call != uuid.Nil {
		// It was there already: HubSpot would have refused the second one.
		return &refusal{
			status: http.StatusConflict, category: "CONFLICT",
			message: fmt.Sprintf("%s already exists. Existing ID: %s", strings.ToUpper(d.kind.ours[:1])+d.kind.ours[1:], d.result.RecordID),
		}
	}
	if d.result.Happened() {
		return nil
	}
	r := &refusal{
		status: http.StatusBadRequest, category: CategoryFailed,
		message: "It did not happen", context: map[string][]string{"callId": {d.result.CallID.String()}},
	}
	switch d.result.State {
	case store.ActionDenied, store.ActionRejected, store.ActionExpired, store.ActionWithdrawn:
		r.status, r.category = http.StatusForbidden, CategoryDenied
		r.message = fmt.Sprintf("It was not approved (%s)", d.result.State)
	case store.ActionFailed:
		r.category = "VALIDATION_ERROR"
	default: // its reason says it
	}
	if d.result.Reason != "" {
		r.message += ": " + d.result.Reason
	}
	return r
}

// record is a record after a write: as HubSpot has it where that may be read, else
// what was written.
func (a *api) record(ctx context.Context, d done) (map[string]any, error) {
	permission, err := a.calls.Permission(ctx, a.caller, d.kind.tool(policy.Read))
	if err != nil {
		return nil, err
	}
	if permission == policy.Allow {
		names := slices.Sorted(maps.Keys(d.properties))
		in := read{
			tools: []policy.Tool{d.kind.tool(policy.Read)}, what: "reading a " + d.kind.ours + " that a script wrote", properties: names,
			request: hubspot.RawRequest{
				Method: http.MethodGet, Endpoint: d.root + d.kind.theirs + "/{id}", Args: []string{d.result.RecordID},
				Query: url.Values{"properties": {strings.Join(names, ",")}},
			},
		}
		var record map[string]any
		// It is written: that it can't be read is no reason to say otherwise.
		if _, body, err := a.show(ctx, &in); err == nil {
			if raw, ok := body.(json.RawMessage); ok && json.Unmarshal(raw, &record) == nil && record["id"] == d.result.RecordID {
				return record, nil
			}
		}
	}
	properties := map[string]any{"hs_object_id": d.result.RecordID}
	for name, value := range d.properties {
		properties[name] = value
	}
	now := stamp(time.Now())
	return map[string]any{"id": d.result.RecordID, "properties": properties, "createdAt": now, "updatedAt": now, "archived": false}, nil
}

// linked is the answer to writes that link records.
func linked(m meaning, all []done) (int, any, error) {
	results, problems := []any{}, []any{}
	started := time.Now()
	there, _ := hubspot.AssociationTypeID(m.links.from.theirs, m.links.to.theirs)
	back, _ := hubspot.AssociationTypeID(m.links.to.theirs, m.links.from.theirs)
	for i, d := range all {
		if r := d.refused(); r != nil {
			if m.links.single {
				return 0, nil, &refusalError{r}
			}
			problems = append(problems, r.body())
			continue
		}
		pair := m.links.pairs[i]
		one := func(from, to string, id int) map[string]any {
			return map[string]any{
				"from": map[string]string{"id": from}, "to": map[string]string{"id": to},
				"associationSpec": map[string]any{"associationCategory": hubspot.HubSpotDefined, "associationTypeId": id},
			}
		}
		results = append(results, one(pair[0], pair[1], there), one(pair[1], pair[0], back))
	}
	return list(http.StatusOK, started, results, problems)
}
