package hubspottest

import (
	"fmt"
	"maps"
	"net/http"
)

// batchReply is the envelope of every batch answer; with errors it is a 207.
func (q *request) batchReply(status int, results []any, errors []any) reply {
	now := formatTime(q.s.now())
	body := map[string]any{"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
	if len(errors) > 0 {
		status = http.StatusMultiStatus
		body["numErrors"], body["errors"] = len(errors), errors
	}
	return reply{status: status, body: body}
}

// checkInputs applies the caps that all batches have.
func checkInputs(n, most int) *reply {
	if n == 0 || n > most {
		out := invalid("The batch holds %d inputs; it must hold between 1 and %d", n, most)
		return &out
	}
	return nil
}

// missingRecords is the error that a batch reports for IDs without a record.
func missingRecords(t *objectType, ids []string, traces []string) map[string]any {
	context := map[string]any{"ids": ids}
	if len(traces) > 0 {
		context["objectWriteTraceId"] = traces
	}
	return map[string]any{
		"status": "error", "category": "OBJECT_NOT_FOUND",
		"message": fmt.Sprintf("Could not get some %s objects, they may be deleted or not exist. Check that ids are valid.", upperSingular(t)),
		"context": context,
	}
}

// itemProblem turns a refusal of one input into an entry of a 207.
func itemProblem(refused *reply, trace string) map[string]any {
	body := refused.body.(map[string]any)
	delete(body, "correlationId")
	body["context"] = map[string]any{"objectWriteTraceId": []string{trace}}
	return body
}

// allTraced says that every input has its own objectWriteTraceId: only then
// does one bad input fail alone.
func allTraced[T any](inputs []T, trace func(T) string) bool {
	seen := map[string]bool{}
	for _, in := range inputs {
		id := trace(in)
		if id == "" || seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

func withTrace(body map[string]any, trace string) map[string]any {
	if trace != "" {
		body["objectWriteTraceId"] = trace
	}
	return body
}

func batchRead(q *request, t *objectType) reply {
	var in struct {
		IDProperty string   `json:"idProperty"`
		Properties []string `json:"properties"`
		History    []string `json:"propertiesWithHistory"`
		Inputs     []struct {
			ID looseID `json:"id"`
		} `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	if refused := checkIDProperty(t, in.IDProperty); refused != nil {
		return *refused
	}
	archived := q.query.Get("archived") == "true"
	results, seen := []any{}, map[string]bool{}
	var missing []string
	for _, one := range in.Inputs {
		r := q.s.find(q.portal, t, in.IDProperty, string(one.ID))
		switch {
		case r == nil || r.Archived != archived:
			missing = append(missing, string(one.ID))
		case !seen[r.ID]:
			seen[r.ID] = true
			results = append(results, q.render(t, r, view{properties: in.Properties, history: in.History}))
		}
	}
	var errors []any
	if len(missing) > 0 {
		errors = append(errors, missingRecords(t, missing, nil))
	}
	return q.batchReply(http.StatusOK, results, errors)
}

func batchCreate(q *request, t *objectType) reply {
	var in struct {
		Inputs []createInput `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	each := allTraced(in.Inputs, func(c createInput) string { return c.TraceID })
	taken := map[uniqueKey]bool{}
	deeds := make([]func() *record, len(in.Inputs))
	var errors []any
	for i, one := range in.Inputs {
		do, refused := q.prepareCreate(t, one, taken)
		if refused != nil {
			if !each {
				return *refused
			}
			errors = append(errors, itemProblem(refused, one.TraceID))
			continue
		}
		deeds[i] = do
	}
	results := []any{}
	for i, do := range deeds {
		if do != nil {
			r := do()
			results = append(results, withTrace(q.render(t, r, view{properties: sortedKeys(r.Props)}), in.Inputs[i].TraceID))
		}
	}
	return q.batchReply(http.StatusCreated, results, errors)
}

func batchUpdate(q *request, t *objectType) reply {
	var in struct {
		Inputs []updateInput `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	each := allTraced(in.Inputs, func(u updateInput) string { return u.TraceID })
	taken := map[uniqueKey]bool{}
	deeds := make([]func() *record, len(in.Inputs))
	var errors []any
	var missing, traces []string
	for i, one := range in.Inputs {
		if refused := checkIDProperty(t, one.IDProperty); refused != nil {
			return *refused
		}
		if known := q.portal.Records[t.ID][string(one.ID)]; one.IDProperty == "" && known != nil && known.MergedInto != "" {
			// A record that was merged away is left out, without an error.
			continue
		}
		r := q.s.find(q.portal, t, one.IDProperty, string(one.ID))
		if r == nil || r.Archived {
			missing = append(missing, string(one.ID))
			if one.TraceID != "" {
				traces = append(traces, one.TraceID)
			}
			continue
		}
		do, refused := q.prepareUpdate(t, r, one.Properties, taken)
		if refused != nil {
			if !each {
				return *refused
			}
			errors = append(errors, itemProblem(refused, one.TraceID))
			continue
		}
		deeds[i] = do
	}
	if len(missing) > 0 {
		errors = append(errors, missingRecords(t, missing, traces))
	}
	results := []any{}
	for i, do := range deeds {
		if do != nil {
			names := append(sortedKeys(in.Inputs[i].Properties), t.Defaults...)
			results = append(results, withTrace(q.render(t, do(), view{properties: names}), in.Inputs[i].TraceID))
		}
	}
	return q.batchReply(http.StatusOK, results, errors)
}

func batchUpsert(q *request, t *objectType) reply {
	var in struct {
		Inputs []updateInput `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	each := allTraced(in.Inputs, func(u updateInput) string { return u.TraceID })
	taken := map[uniqueKey]bool{}
	type deed struct {
		do  func() *record
		new bool
	}
	deeds := make([]deed, len(in.Inputs))
	var errors []any
	for i, one := range in.Inputs {
		if one.IDProperty == "" {
			return invalid("idProperty is required for an upsert")
		}
		if refused := checkIDProperty(t, one.IDProperty); refused != nil {
			return *refused
		}
		if one.IDProperty == "email" {
			// "Partial upserts are not supported when using email."
			each = false
		}
		r := q.s.find(q.portal, t, one.IDProperty, string(one.ID))
		var do func() *record
		var refused *reply
		if r != nil {
			do, refused = q.prepareUpdate(t, r, one.Properties, taken)
		} else {
			create := createInput{Properties: values{}}
			maps.Copy(create.Properties, one.Properties)
			if one.IDProperty != "hs_object_id" {
				create.Properties[one.IDProperty] = string(one.ID)
			}
			do, refused = q.prepareCreate(t, create, taken)
		}
		if refused != nil {
			if !each {
				return *refused
			}
			errors = append(errors, itemProblem(refused, one.TraceID))
			continue
		}
		deeds[i] = deed{do, r == nil}
	}
	results := []any{}
	for i, d := range deeds {
		if d.do != nil {
			r := d.do()
			body := withTrace(q.render(t, r, view{properties: sortedKeys(r.Props)}), in.Inputs[i].TraceID)
			body["new"] = d.new
			results = append(results, body)
		}
	}
	return q.batchReply(http.StatusOK, results, errors)
}

func batchArchive(q *request, t *objectType) reply {
	var in struct {
		Inputs []struct {
			ID looseID `json:"id"`
		} `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	for _, one := range in.Inputs {
		q.archive(t, q.portal.Records[t.ID][string(one.ID)])
	}
	return reply{status: http.StatusNoContent}
}
