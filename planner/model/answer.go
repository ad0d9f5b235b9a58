package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
)

// By is who proposes what a model answered.
const By = "model"

// Answer is what a model made of a meeting. It holds words: store it sealed.
type Answer struct {
	Actions []meeting.ProposedAction `json:"actions,omitempty"`
	// Recap are the lines of a draft for the attendees.
	Recap []planner.Promise `json:"recap,omitempty"`
	// Strange is how many actions named what was not offered, and are left out.
	Strange int `json:"strange,omitempty"`
	// Parts is how many parts the meeting has, and Heard to how many of them there is
	// an answer; Failure says why not to all.
	Parts   int     `json:"parts"`
	Heard   int     `json:"heard"`
	Failure Failure `json:"failure,omitempty"`
}

// Proposals are the answer's, as a plan takes them.
func (a Answer) Proposals() planner.Proposals {
	return planner.Proposals{By: By, Actions: a.Actions}
}

// Bounds of what is taken of one part's answer.
const (
	mostActions = 40
	mostRecap   = 12
	mostValue   = 4_000
	mostLine    = 400
)

// rawAnswer is the answer as the schema has it.
type rawAnswer struct {
	Actions []rawAction       `json:"actions"`
	Recap   []planner.Promise `json:"recap"`
}

type rawAction struct {
	Tool       string `json:"tool"`
	Target     string `json:"target"`
	Properties []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"properties"`
	Associations []string `json:"associations"`
	Quote        string   `json:"quote"`
	Speaker      string   `json:"speaker"`
	Reason       string   `json:"reason"`
	Confidence   *float64 `json:"confidence"`
}

// parse reads an answer: JSON of the schema, and nothing around it but what models
// put around JSON. strange says what was wrong with actions that named what was not
// offered; they are not in the answer.
func (o offer) parse(text string) (answer Answer, strange []string, err error) {
	var raw rawAnswer
	decoder := json.NewDecoder(strings.NewReader(unfenced(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return Answer{}, nil, fmt.Errorf("it is not JSON of the schema: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Answer{}, nil, errors.New("something follows the JSON object")
	}
	if raw.Actions == nil || raw.Recap == nil {
		return Answer{}, nil, errors.New(`"actions" and "recap" both have to be there, as lists`)
	}
	if len(raw.Actions) > mostActions || len(raw.Recap) > mostRecap {
		return Answer{}, nil, fmt.Errorf("there are more than %d actions or %d lines of recap", mostActions, mostRecap)
	}
	for i, a := range raw.Actions {
		action, wrong := o.action(a)
		if wrong != "" {
			strange = append(strange, fmt.Sprintf("action %d: %s", i+1, wrong))
			continue
		}
		answer.Actions = append(answer.Actions, action)
	}
	for _, line := range raw.Recap {
		if line.Text = clean(line.Text, len(line.Text)); line.Text != "" && len(line.Text) <= mostLine && len(line.Quote) <= mostValue {
			answer.Recap = append(answer.Recap, line)
		}
	}
	answer.Strange = len(strange)
	return answer, strange, nil
}

// unfenced takes off the Markdown fence that some models put around JSON.
func unfenced(text string) string {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "```"); ok {
		rest = strings.TrimPrefix(rest, "json")
		if rest, ok = strings.CutSuffix(rest, "```"); ok {
			return rest
		}
	}
	return text
}

// action is what an action of an answer means, or what is wrong with it. What is
// wrong is told to the model alone.
func (o offer) action(a rawAction) (meeting.ProposedAction, string) {
	tool, err := policy.ParseTool(a.Tool)
	if err != nil || !slices.Contains(o.tools, tool) {
		return meeting.ProposedAction{}, "its tool is not in the list"
	}
	out := meeting.ProposedAction{Tool: tool.String(), Properties: map[string]string{}}
	switch {
	case tool.Operation == policy.Create && a.Target != "":
		return out, "a create has no target"
	case tool.Operation == policy.Update && a.Target != "":
		r, ok := o.record(a.Target)
		if !ok || r.object != tool.Object {
			return out, "its target is no " + tool.Object + " in the list"
		}
		out.Target = r.ref
	case tool.Operation == policy.Update:
		out.Target = meeting.RecordRef{Object: tool.Object}
	}
	for _, p := range a.Properties {
		value, wrong := o.value(tool.Object, p.Name, p.Value)
		if wrong != "" {
			return out, wrong
		}
		if old, ok := out.Properties[p.Name]; ok && old != value {
			return out, "it has two values for one property"
		}
		if value != "" {
			out.Properties[p.Name] = value
		}
	}
	for _, handle := range a.Associations {
		r, ok := o.record(handle)
		if !ok {
			return out, "an association is not in the list"
		}
		if r.ref != out.Target && !slices.Contains(out.AssociateWith, r.ref) {
			out.AssociateWith = append(out.AssociateWith, r.ref)
		}
	}
	if len(out.Properties) == 0 && len(out.AssociateWith) == 0 {
		return out, "it changes nothing"
	}
	if strings.TrimSpace(a.Quote) == "" || len(a.Quote) > mostValue {
		return out, "its quote is missing or too long"
	}
	out.Evidence = []meeting.Evidence{{Quote: a.Quote, Speaker: clean(a.Speaker, mostFact)}}
	if c := a.Confidence; c != nil && *c >= 0 && *c <= 1 {
		out.Confidence = c
	}
	return out, ""
}

// value is a property's value as HubSpot takes it, or what is wrong with it.
func (o offer) value(object, name, value string) (string, string) {
	value = strings.TrimSpace(value)
	switch {
	case !slices.Contains(o.names[object], name):
		return "", "a property of it is not in the list of a " + object
	case len(value) > mostValue:
		return "", "a value is too long"
	case value == "":
		return "", "" // nothing is cleared on a model's word
	}
	switch name {
	case "dealstage", "hs_pipeline_stage":
		i := slices.IndexFunc(o.stages, func(s offeredStage) bool { return s.object == object && s.handle == value })
		if i < 0 {
			return "", "a stage is not in the list"
		}
		return o.stages[i].stage, ""
	case "hubspot_owner_id":
		i := slices.IndexFunc(o.owners, func(owner offeredOwner) bool { return owner.handle == value })
		if i < 0 {
			return "", "an owner is not in the list"
		}
		return o.owners[i].id, ""
	}
	switch kind := o.types[object+"."+name]; {
	case name == "closedate" || name == "hs_timestamp" || kind == "date" || kind == "datetime":
		if _, err := hubspot.ParseDateTime(value); err != nil {
			return "", "a day has to be written as YYYY-MM-DD"
		}
	case name == "amount" || kind == "number":
		if _, err := hubspot.ParseNumber(value); err != nil {
			return "", "a number has to be a plain one"
		}
	}
	return value, ""
}

// merge adds the answer to another part. What was said where the parts overlap is
// taken once.
func (a *Answer) merge(b Answer) {
	for _, action := range b.Actions {
		if !slices.ContainsFunc(a.Actions, func(other meeting.ProposedAction) bool { return sameAction(other, action) }) {
			a.Actions = append(a.Actions, action)
		}
	}
	for _, line := range b.Recap {
		if !slices.ContainsFunc(a.Recap, func(other planner.Promise) bool {
			return strings.EqualFold(other.Text, line.Text) || strings.EqualFold(other.Quote, line.Quote)
		}) {
			a.Recap = append(a.Recap, line)
		}
	}
	a.Strange += b.Strange
}

// sameAction says that two actions do the same, whatever they quote.
func sameAction(a, b meeting.ProposedAction) bool {
	a.Evidence, b.Evidence, a.Confidence, b.Confidence = nil, nil, nil, nil
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
