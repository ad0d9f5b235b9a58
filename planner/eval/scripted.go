package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/policy"
)

// ask asks a model about a case, as Debrief does before it plans.
func ask(ctx context.Context, c Case, j judge, subject planner.Subject, play func(Case, model.Handles) model.Model) (model.Answer, error) {
	tools := model.Tools(func(t policy.Tool) policy.Permission { return j.policy.Decide(policy.Request{Tool: t}).Permission })
	if !planner.Reads(subject) || c.Meeting.Private || len(tools) == 0 {
		return model.Answer{}, nil
	}
	resolution, err := planner.Resolve(ctx, reader{c}, subject)
	if err != nil {
		return model.Answer{}, fmt.Errorf("resolving %s: %w", c.Name, err)
	}
	account, err := model.ReadAccount(ctx, reader{c}, tools)
	if err != nil {
		return model.Answer{}, fmt.Errorf("reading the account of %s: %w", c.Name, err)
	}
	question := model.Ask(model.Input{Subject: subject, Resolution: resolution, Account: account, Tools: tools})
	answer, err := model.Asker{Model: play(c, question.Handles()), Ledger: noLedger{}}.Ask(ctx, question)
	if err != nil {
		return model.Answer{}, fmt.Errorf("asking the model about %s: %w", c.Name, err)
	}
	return answer, nil
}

// noLedger writes nothing down.
type noLedger struct{}

func (noLedger) Begin(context.Context, model.Call) (uuid.UUID, error) { return uuid.Nil, nil }
func (noLedger) End(context.Context, uuid.UUID, model.Result) error   { return nil }

// scripted is a model that answers what stands in a case. It names by handles what it
// was offered. What there is and it was not offered, it can't name and leaves out; what
// there is not, it names all the same.
type scripted struct {
	Case

	handles model.Handles
}

func script(c Case, h model.Handles) model.Model { return scripted{c, h} }

// Ask answers, whatever the request.
func (s scripted) Ask(context.Context, model.Request) (model.Reply, error) {
	type property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	type action struct {
		Claim

		Properties   []property `json:"properties"`
		Target       string     `json:"target"`
		Associations []string   `json:"associations"`
	}
	actions := []action{}
	for _, c := range s.Answer.Actions {
		a := action{Claim: c, Properties: []property{}, Associations: []string{}}
		a.Target = s.handle(c.Target)
		object, _, _ := strings.Cut(c.Tool, ".")
		for name, value := range c.Properties {
			if _, there := s.property(object, name); !there || slices.Contains(s.handles.Properties[object], name) {
				a.Properties = append(a.Properties, property{name, s.value(object, name, value)})
			}
		}
		slices.SortFunc(a.Properties, func(x, y property) int { return strings.Compare(x.Name, y.Name) })
		for _, to := range c.Associations {
			if handle := s.handle(to); handle != "" {
				a.Associations = append(a.Associations, handle)
			}
		}
		actions = append(actions, a)
	}
	raw, err := json.Marshal(map[string]any{"actions": actions, "recap": []any{}})
	if err != nil {
		return model.Reply{}, fmt.Errorf("encoding the answer to %s: %w", s.Name, err)
	}
	return model.Reply{Text: string(raw)}, nil
}

// handle is how the model names a record: empty for one that it was not offered.
func (s scripted) handle(name string) string {
	ref, err := parseRef(name)
	if err != nil {
		return name
	}
	for _, r := range s.CRM.Of(ref.Object) {
		if ref.Email != "" && strings.EqualFold(r.Properties["email"], ref.Email) || ref.Domain != "" && strings.EqualFold(r.Properties["domain"], ref.Domain) {
			ref = meeting.RecordRef{Object: ref.Object, ID: r.ID}
		}
	}
	there := ref.ID == "" || slices.ContainsFunc(s.CRM.Of(ref.Object), func(r planner.Record) bool { return r.ID == ref.ID })
	if handle := s.handles.Records[ref]; handle != "" || there {
		return handle
	}
	return name
}

func (s scripted) property(object, name string) (hubspot.Property, bool) {
	list := s.Account.Properties[object]
	i := slices.IndexFunc(list, func(p hubspot.Property) bool { return p.Name == name })
	if i < 0 {
		return hubspot.Property{}, false
	}
	return list[i], true
}

// value is how the model writes a value: what has a handle by that, what is chosen from
// a list by its label.
func (s scripted) value(object, name, value string) string {
	if handle, ok := s.handles.Stages[[2]string{object, value}]; ok && (name == "dealstage" || name == "hs_pipeline_stage") {
		return handle
	}
	if handle, ok := s.handles.Owners[value]; ok && name == "hubspot_owner_id" {
		return handle
	}
	p, _ := s.property(object, name)
	for _, o := range p.Options {
		if o.Value == value {
			return o.Label
		}
	}
	return value
}
