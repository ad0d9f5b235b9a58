package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
)

const usualLabelLimit = 50

func (l label) render() map[string]any {
	var text any
	if l.Label != "" {
		text = l.Label
	}
	return map[string]any{"category": l.Category, "typeId": l.TypeID, "label": text}
}

func listLabels(q *request, from, to *objectType) reply {
	results := []any{}
	for _, l := range q.portal.linkTypes(from.ID, to.ID) {
		results = append(results, l.render())
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

type labelInput struct {
	TypeID       int    `json:"associationTypeId"`
	Name         string `json:"name"`
	Label        string `json:"label"`
	InverseLabel string `json:"inverseLabel"`
}

func createLabel(q *request, from, to *objectType) reply {
	var in labelInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if in.Name == "" || in.Label == "" {
		return invalid("A label needs a name and a label")
	}
	p := q.portal
	there, back := from.ID+"/"+to.ID, to.ID+"/"+from.ID
	most := usualLabelLimit
	if p.Settings.LabelLimit > 0 {
		most = p.Settings.LabelLimit
	}
	if len(p.Labels[there]) >= most {
		return invalid("There are already %d labels from %s to %s", most, from.Name, to.Name)
	}
	if slices.ContainsFunc(p.Labels[there], func(l label) bool { return l.Name == in.Name || l.Label == in.Label }) {
		return problem(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A label of that name already exists")
	}
	p.LastLabel = max(p.LastLabel, firstUserAssociation-1)
	next := func() int { p.LastLabel++; return p.LastLabel }
	forth := label{Category: "USER_DEFINED", TypeID: next(), Name: in.Name, Label: in.Label}
	forth.Inverse = forth.TypeID
	results := []any{forth.render()}
	if in.InverseLabel != "" || from != to {
		reverse := label{Category: "USER_DEFINED", TypeID: next(), Name: in.Name + "_inverse", Label: in.InverseLabel, Inverse: forth.TypeID}
		setDefault(&reverse.Label, in.Label)
		forth.Inverse = reverse.TypeID
		p.Labels[back] = append(p.Labels[back], reverse)
		results = append(results, reverse.render())
	}
	p.Labels[there] = append(p.Labels[there], forth)
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

// label finds a label of the account's own.
func (p *portal) label(from, to string, typeID int) *label {
	list := p.Labels[from+"/"+to]
	for i := range list {
		if list[i].TypeID == typeID {
			return &list[i]
		}
	}
	return nil
}

func updateLabel(q *request, from, to *objectType) reply {
	var in labelInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	known := q.portal.label(from.ID, to.ID, in.TypeID)
	if known == nil || in.Label == "" {
		return invalid("There is no label %d of the account's own from %s to %s", in.TypeID, from.Name, to.Name)
	}
	known.Label = in.Label
	if reverse := q.portal.label(to.ID, from.ID, known.Inverse); reverse != nil && reverse != known && in.InverseLabel != "" {
		reverse.Label = in.InverseLabel
	}
	return reply{status: http.StatusNoContent}
}

// deleteLabel takes a label away, its inverse too, and from every association
// that has it.
func deleteLabel(q *request, from, to *objectType) reply {
	p := q.portal
	typeID, _ := strconv.Atoi(q.vars["typeId"])
	known := p.label(from.ID, to.ID, typeID)
	if known == nil {
		if slices.ContainsFunc(p.linkTypes(from.ID, to.ID), func(l label) bool { return l.TypeID == typeID }) {
			return invalid("The association type %d is HubSpot's own", typeID)
		}
		return notFound()
	}
	gone := []int{known.TypeID, known.Inverse}
	for key, ends := range p.Links {
		fromType, _, toType := splitLinkKey(key)
		if (fromType != from.ID || toType != to.ID) && (fromType != to.ID || toType != from.ID) {
			continue
		}
		for other := range ends {
			ends[other] = slices.DeleteFunc(ends[other], func(l link) bool { return l.Category == "USER_DEFINED" && slices.Contains(gone, l.TypeID) })
		}
	}
	for _, key := range []string{from.ID + "/" + to.ID, to.ID + "/" + from.ID} {
		p.Labels[key] = slices.DeleteFunc(p.Labels[key], func(l label) bool { return slices.Contains(gone, l.TypeID) })
	}
	return reply{status: http.StatusNoContent}
}
