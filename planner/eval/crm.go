package eval

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/policy"
)

// reader answers from a case as the gate would: what is denied is not read.
type reader struct{ Case }

var (
	_ planner.CRM = reader{}
	_ model.CRM   = reader{}
)

var plural = map[string]string{
	"contact": hubspot.Contacts, "company": hubspot.Companies, "deal": hubspot.Deals, "ticket": hubspot.Tickets,
	"meeting": hubspot.Meetings, "note": hubspot.Notes, "task": hubspot.Tasks,
}

func objectOf(objectType string) string { return singular[objectType] }

func (r reader) may(objects ...string) error {
	for _, object := range objects {
		if tool := (policy.Tool{Object: object, Operation: policy.Read}); slices.Contains(r.Denied, tool) {
			return &policy.DeniedError{Tool: tool}
		}
	}
	return nil
}

func record(in planner.Record) hubspot.Record {
	return hubspot.Record{ID: in.ID, Properties: in.Properties}
}

func (r reader) Get(_ context.Context, objectType, id string, o hubspot.GetOptions) (hubspot.Record, error) {
	objects := []string{objectOf(objectType)}
	for _, other := range o.Associations {
		objects = append(objects, objectOf(other))
	}
	if err := r.may(objects...); err != nil {
		return hubspot.Record{}, err
	}
	list := r.CRM.Of(objectOf(objectType))
	i := slices.IndexFunc(list, func(x planner.Record) bool { return x.ID == id })
	if i < 0 {
		return hubspot.Record{}, fmt.Errorf("reading one of the %s: %w", objectType, hubspot.ErrNotFound)
	}
	out := record(list[i])
	out.Associations = map[string][]hubspot.AssociatedID{}
	for _, l := range list[i].Links {
		if slices.Contains(o.Associations, plural[l.Object]) {
			out.Associations[plural[l.Object]] = append(out.Associations[plural[l.Object]], hubspot.AssociatedID{ID: l.ID})
		}
	}
	return out, nil
}

func (r reader) BatchRead(_ context.Context, objectType string, in hubspot.BatchReadInput) (hubspot.BatchReadResult, error) {
	if err := r.may(objectOf(objectType)); err != nil {
		return hubspot.BatchReadResult{}, err
	}
	var out hubspot.BatchReadResult
	for _, x := range r.CRM.Of(objectOf(objectType)) {
		key := x.ID
		if in.IDProperty != "" {
			key = strings.ToLower(x.Properties[in.IDProperty])
		}
		if key != "" && slices.Contains(in.IDs, key) {
			out.Records = append(out.Records, record(x))
		}
	}
	return out, nil
}

func (r reader) BatchReadAssociations(_ context.Context, from, to string, ids []string) (hubspot.AssociationsRead, error) {
	if err := r.may(objectOf(from), objectOf(to)); err != nil {
		return hubspot.AssociationsRead{}, err
	}
	out := hubspot.AssociationsRead{Records: map[string][]hubspot.AssociatedRecord{}}
	for _, x := range r.CRM.Of(objectOf(from)) {
		for _, l := range x.Links {
			if !slices.Contains(ids, x.ID) || plural[l.Object] != to {
				continue
			}
			linked := hubspot.AssociatedRecord{ID: l.ID, Types: []hubspot.AssociationLabel{{Category: hubspot.HubSpotDefined, TypeID: 279}}}
			if l.Primary {
				linked.Types[0].TypeID = 1
			}
			out.Records[x.ID] = append(out.Records[x.ID], linked)
		}
	}
	return out, nil
}

// Search finds by the filters that planning uses; words are looked for in all
// properties, each of them.
func (r reader) Search(_ context.Context, objectType string, in hubspot.SearchRequest) (hubspot.SearchResult, error) {
	if err := r.may(objectOf(objectType)); err != nil {
		return hubspot.SearchResult{}, err
	}
	var out hubspot.SearchResult
	for _, x := range r.CRM.Of(objectOf(objectType)) {
		if searched(x, in.Query) && (len(in.FilterGroups) == 0 || slices.ContainsFunc(in.FilterGroups, func(g hubspot.FilterGroup) bool {
			return !slices.ContainsFunc(g.Filters, func(f hubspot.Filter) bool { return !filtered(x, f) })
		})) {
			out.Records = append(out.Records, record(x))
		}
	}
	if out.Total = len(out.Records); in.Limit > 0 && out.Total > in.Limit {
		out.Records, out.After = out.Records[:in.Limit], "more"
	}
	return out, nil
}

func searched(x planner.Record, query string) bool {
	var all []string
	for _, value := range x.Properties {
		all = append(all, strings.ToLower(value))
	}
	text := strings.Join(all, " ")
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(query)), func(w string) bool { return !strings.Contains(text, w) })
}

func filtered(x planner.Record, f hubspot.Filter) bool {
	value := strings.ToLower(x.Properties[f.PropertyName])
	switch wanted := strings.ToLower(f.Value); f.Operator {
	case hubspot.In:
		return slices.ContainsFunc(f.Values, func(v string) bool { return value != "" && strings.EqualFold(v, value) })
	case hubspot.ContainsToken:
		words := strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(" .,@-_/()", c) })
		return slices.ContainsFunc(words, func(w string) bool {
			return w == wanted || strings.HasSuffix(wanted, "*") && strings.HasPrefix(w, strings.TrimSuffix(wanted, "*"))
		})
	default:
		return value == wanted
	}
}

func (r reader) Owners(_ context.Context, in hubspot.OwnersQuery) (hubspot.OwnersPage, error) {
	if err := r.may("owner"); err != nil {
		return hubspot.OwnersPage{}, err
	}
	var out hubspot.OwnersPage
	for _, o := range r.Account.Owners {
		first, last, _ := strings.Cut(o.Name, " ")
		if in.Email == "" || strings.EqualFold(in.Email, o.Email) {
			out.Owners = append(out.Owners, hubspot.Owner{ID: o.ID, Email: o.Email, FirstName: first, LastName: last})
		}
	}
	return out, nil
}

func (r reader) Pipelines(_ context.Context, objectType string, _ ...string) ([]hubspot.Pipeline, error) {
	if err := r.may(objectOf(objectType)); err != nil {
		return nil, err
	}
	if objectType == hubspot.Deals {
		return r.Account.DealPipelines, nil
	}
	return r.Account.TicketPipelines, nil
}

// Properties are those that the files name, and some that every account has.
func (r reader) Properties(_ context.Context, objectType string) ([]hubspot.Property, bool, error) {
	var all []hubspot.Property
	for _, name := range []string{"hs_meeting_body", "hs_task_type", "hs_task_priority"} {
		if strings.HasPrefix(name, "hs_"+objectOf(objectType)) {
			all = append(all, hubspot.Property{Name: name, Type: "string", HubSpotDefined: true})
		}
	}
	return append(all, r.Account.Properties[objectOf(objectType)]...), true, nil
}

func (r reader) Definitions(ctx context.Context, objectType string, names []string) ([]hubspot.Property, bool, error) {
	all, known, err := r.Properties(ctx, objectType)
	return slices.DeleteFunc(all, func(p hubspot.Property) bool { return !slices.Contains(names, p.Name) }), known, err
}
