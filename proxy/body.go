package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// decode reads the body. A field that nobody here knows could widen what is asked for.
func (p *parser) decode(into any) *refusal {
	p.took = true
	if p.body.problem != nil {
		return p.body.problem
	}
	d := json.NewDecoder(bytes.NewReader(p.body.raw))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			return malformed("The body holds more than one JSON value.")
		}
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return malformed("Debrief does not know the field %s here: leave it out.", quoted(strings.Trim(name, `"`)))
	}
	return malformed("The body is not the JSON that HubSpot's API has here.")
}

// scalar is text, or a number or a bool, which HubSpot takes for the same. null is
// empty.
type scalar string

func (s *scalar) UnmarshalJSON(raw []byte) error {
	var text string
	switch {
	case string(raw) == "null":
	case raw[0] == '{' || raw[0] == '[':
		return errors.New("no scalar")
	case json.Unmarshal(raw, &text) != nil:
		text = string(raw)
	}
	*s = scalar(text)
	return nil
}

type values map[string]scalar

func (v values) plain() (map[string]string, *refusal) {
	out := make(map[string]string, len(v))
	for name, value := range v {
		if !propertyName.MatchString(name) {
			return nil, malformed("%s is no property's name.", quoted(name))
		}
		out[name] = string(value)
	}
	return out, nil
}

type recordInput struct {
	ID           scalar           `json:"id"`
	IDProperty   string           `json:"idProperty"`
	Properties   values           `json:"properties"`
	Associations []associateInput `json:"associations"`
	TraceID      string           `json:"objectWriteTraceId"`
}

type associateInput struct {
	To struct {
		ID scalar `json:"id"`
	} `json:"to"`
	Types []struct {
		Category string `json:"associationCategory"`
		TypeID   int    `json:"associationTypeId"`
	} `json:"types"`
}

// written makes a write of an input.
func (in recordInput) written(root string, t objectType, o policy.Operation) (write, *refusal) {
	w := write{tool: t.tool(o), kind: t, root: root, id: string(in.ID), idProperty: in.IDProperty, traceID: in.TraceID}
	var r *refusal
	if w.properties, r = in.Properties.plain(); r != nil {
		return w, r
	}
	if in.TraceID != "" && !traceID.MatchString(in.TraceID) {
		return w, malformed("objectWriteTraceId is not as HubSpot's API has it.")
	}
	for _, a := range in.Associations {
		ref, r := t.link(a)
		if r != nil {
			return w, r
		}
		w.associations = append(w.associations, ref)
	}
	switch {
	case o == policy.Create && (w.id != "" || w.idProperty != ""):
		return w, malformed("A record that is to be created has no ID yet.")
	case o != policy.Create && len(w.associations) > 0:
		return w, malformed("An update links nothing: …/associations/default/… does.")
	case w.idProperty != "" && !propertyName.MatchString(w.idProperty):
		return w, malformed("%s is no property's name.", quoted(w.idProperty))
	case o != policy.Create:
		return w, checkID(w.id, w.idProperty)
	}
	return w, nil
}

// link reads one link of a record that is to be created: a plain one, by the type IDs
// of hubspot.AssociationTypeID.
func (t objectType) link(a associateInput) (store.AssociationRef, *refusal) {
	if !number.MatchString(string(a.To.ID)) || len(a.Types) != 1 {
		return store.AssociationRef{}, malformed("A link names one record by its ID, and one type.")
	}
	if c := a.Types[0].Category; c == "" || c == hubspot.HubSpotDefined {
		for _, other := range known {
			if id, ok := hubspot.AssociationTypeID(t.theirs, other.theirs); ok && id == a.Types[0].TypeID {
				return store.AssociationRef{Object: other.ours, RecordID: string(a.To.ID), Required: true}, nil
			}
		}
	}
	return store.AssociationRef{}, undescribed("Debrief links a new %s plainly, and association type %d is not that: a label or a primary company is set in HubSpot.", t.ours, a.Types[0].TypeID)
}

func (p *parser) create(root string, t objectType) (meaning, *refusal) {
	var in recordInput
	if r := p.decode(&in); r != nil {
		return meaning{}, r
	}
	w, r := in.written(root, t, policy.Create)
	return meaning{writes: []write{w}}, r
}

func (p *parser) update(root string, t objectType, id string) (meaning, *refusal) {
	var in struct {
		Properties values `json:"properties"`
		TraceID    string `json:"objectWriteTraceId"`
	}
	if r := p.decode(&in); r != nil {
		return meaning{}, r
	}
	by, r := p.one("idProperty", propertyName)
	if r != nil {
		return meaning{}, r
	}
	w, r := recordInput{ID: scalar(id), IDProperty: by, Properties: in.Properties, TraceID: in.TraceID}.written(root, t, policy.Update)
	return meaning{writes: []write{w}}, r
}

func (p *parser) batchWrite(root string, t objectType, what string) (meaning, *refusal) {
	var body struct {
		Inputs []recordInput `json:"inputs"`
	}
	if r := p.decode(&body); r != nil {
		return meaning{}, r
	}
	if len(body.Inputs) == 0 || len(body.Inputs) > hubspot.MaxBatch {
		return meaning{}, malformed("A batch takes 1 to %d inputs.", hubspot.MaxBatch)
	}
	m := meaning{batch: true}
	seen := map[string]bool{}
	for _, in := range body.Inputs {
		o := policy.Update
		if what == "create" {
			o = policy.Create
		}
		w, r := in.written(root, t, o)
		if r != nil {
			return meaning{}, r
		}
		w.upsert = what == "upsert"
		if w.upsert && w.idProperty == "" {
			return meaning{}, malformed("An upsert says by idProperty what its id is.")
		}
		// The same call twice is one: a batch that wants it twice wants something else.
		same, err := json.Marshal([]any{w.id, w.idProperty, w.properties, w.associations})
		if err != nil || seen[string(same)] {
			return meaning{}, malformed("Two inputs of the batch are the same.")
		}
		seen[string(same)] = true
		m.writes = append(m.writes, w)
	}
	return m, nil
}

func (p *parser) batchRead(root string, t objectType) (meaning, *refusal) {
	var body struct {
		Properties []string `json:"properties"`
		History    []string `json:"propertiesWithHistory"`
		IDProperty string   `json:"idProperty,omitempty"`
		Inputs     []struct {
			ID scalar `json:"id"`
		} `json:"inputs"`
	}
	if r := p.decode(&body); r != nil {
		return meaning{}, r
	}
	if len(body.Inputs) == 0 || len(body.Inputs) > hubspot.MaxBatch {
		return meaning{}, malformed("A batch takes 1 to %d inputs.", hubspot.MaxBatch)
	}
	names := append(append([]string{}, body.Properties...), body.History...)
	if body.IDProperty != "" {
		names = append(names, body.IDProperty)
	}
	if r := checkNames(names); r != nil {
		return meaning{}, r
	}
	for _, in := range body.Inputs {
		if r := checkID(string(in.ID), body.IDProperty); r != nil {
			return meaning{}, r
		}
	}
	body.Properties, body.History = notNil(body.Properties), notNil(body.History)
	q := map[string][]string{}
	if r := p.archived(q); r != nil {
		return meaning{}, r
	}
	return shows("reading "+t.theirs+" for a script", []policy.Tool{t.tool(policy.Read)}, names, hubspot.RawRequest{
		Method: http.MethodPost, Endpoint: root + t.theirs + "/batch/read", Query: q, Body: body,
	})
}

func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

type filter struct {
	PropertyName string   `json:"propertyName"`
	Operator     string   `json:"operator"`
	Value        *scalar  `json:"value,omitempty"`
	HighValue    *scalar  `json:"highValue,omitempty"`
	Values       []scalar `json:"values,omitempty"`
}

func (p *parser) search(root string, t objectType) (meaning, *refusal) {
	var body struct {
		Query        string `json:"query,omitempty"`
		FilterGroups []struct {
			Filters []filter `json:"filters"`
		} `json:"filterGroups,omitempty"`
		// Sorts are names, or names with a direction.
		Sorts      []order  `json:"sorts,omitempty"`
		Properties []string `json:"properties,omitempty"`
		Limit      int      `json:"limit,omitempty"`
		After      scalar   `json:"after,omitempty"`
	}
	if r := p.decode(&body); r != nil {
		return meaning{}, r
	}
	names, tools := append([]string{}, body.Properties...), []policy.Tool{t.tool(policy.Read)}
	for _, group := range body.FilterGroups {
		for _, f := range group.Filters {
			names = append(names, f.PropertyName)
			// Such a filter tells what a record is linked to.
			name, linked := strings.CutPrefix(strings.ToLower(f.PropertyName), "associations.")
			if !linked {
				continue
			}
			other, r := findType(name)
			if r != nil {
				return meaning{}, r
			}
			tools = with(tools, other.tool(policy.Read))
		}
	}
	for _, s := range body.Sorts {
		names = append(names, s.PropertyName)
	}
	switch r := checkNames(names); {
	case r != nil:
		return meaning{}, r
	case body.Limit < 0 || body.Limit > 200:
		return meaning{}, malformed("The limit of a search is 200 at most.")
	case body.After != "" && !cursor.MatchString(string(body.After)):
		return meaning{}, malformed("The cursor is not one of HubSpot's.")
	}
	return shows("searching "+t.theirs+" for a script", tools, names, hubspot.RawRequest{
		Method: http.MethodPost, Endpoint: root + t.theirs + "/search", Body: body, Bucket: hubspot.SearchBucket,
	})
}

// order is a property to sort by, as HubSpot's API has it in two ways.
type order struct {
	PropertyName string `json:"propertyName"`
	Direction    string `json:"direction,omitempty"`
}

func (o *order) UnmarshalJSON(raw []byte) error {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		o.PropertyName = name
		if rest, ok := strings.CutPrefix(name, "-"); ok {
			o.PropertyName, o.Direction = rest, "DESCENDING"
		}
		return nil
	}
	type plain order
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(o))
}
