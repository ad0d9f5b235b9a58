package hubspottest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	hubspotDefined        = "HUBSPOT_DEFINED"
	maxAssociationReads   = 1000
	maxAssociationWrites  = 2000
	firstUserAssociation  = 36
	associationsPageLimit = 500
)

// builtinLink is an association type of HubSpot's own, seen from both ends.
type builtinLink struct {
	from, to         string
	typeID, inverse  int
	label, backLabel string
}

// builtinLinks are the plain types, then the primary and the parent ones.
var builtinLinks = []builtinLink{
	{from: "0-1", to: "0-1", typeID: 449, inverse: 449},
	{from: "0-1", to: "0-2", typeID: 279, inverse: 280},
	{from: "0-1", to: "0-3", typeID: 4, inverse: 3},
	{from: "0-1", to: "0-5", typeID: 15, inverse: 16},
	{from: "0-1", to: "0-47", typeID: 199, inverse: 200},
	{from: "0-1", to: "0-46", typeID: 201, inverse: 202},
	{from: "0-1", to: "0-27", typeID: 203, inverse: 204},
	{from: "0-1", to: "0-48", typeID: 193, inverse: 194},
	{from: "0-1", to: "0-49", typeID: 197, inverse: 198},
	{from: "0-2", to: "0-2", typeID: 450, inverse: 450},
	{from: "0-2", to: "0-3", typeID: 342, inverse: 341},
	{from: "0-2", to: "0-5", typeID: 340, inverse: 339},
	{from: "0-2", to: "0-47", typeID: 187, inverse: 188},
	{from: "0-2", to: "0-46", typeID: 189, inverse: 190},
	{from: "0-2", to: "0-27", typeID: 191, inverse: 192},
	{from: "0-2", to: "0-48", typeID: 181, inverse: 182},
	{from: "0-2", to: "0-49", typeID: 185, inverse: 186},
	{from: "0-3", to: "0-3", typeID: 451, inverse: 451},
	{from: "0-3", to: "0-5", typeID: 27, inverse: 28},
	{from: "0-3", to: "0-47", typeID: 211, inverse: 212},
	{from: "0-3", to: "0-46", typeID: 213, inverse: 214},
	{from: "0-3", to: "0-27", typeID: 215, inverse: 216},
	{from: "0-3", to: "0-48", typeID: 205, inverse: 206},
	{from: "0-3", to: "0-49", typeID: 209, inverse: 210},
	{from: "0-5", to: "0-5", typeID: 452, inverse: 452},
	{from: "0-5", to: "0-47", typeID: 225, inverse: 226},
	{from: "0-5", to: "0-46", typeID: 227, inverse: 228},
	{from: "0-5", to: "0-27", typeID: 229, inverse: 230},
	{from: "0-5", to: "0-48", typeID: 219, inverse: 220},
	{from: "0-5", to: "0-49", typeID: 223, inverse: 224},
	{from: "0-1", to: "0-2", typeID: 1, inverse: 2, label: "Primary", backLabel: "Primary"},
	{from: "0-3", to: "0-2", typeID: 5, inverse: 6, label: "Primary", backLabel: "Primary"},
	{from: "0-5", to: "0-2", typeID: 26, inverse: 25, label: "Primary", backLabel: "Primary"},
	{from: "0-2", to: "0-2", typeID: 13, inverse: 14, label: "Child Company", backLabel: "Parent Company"},
}

// pair is two object types in one direction.
type pair struct{ from, to string }

// builtinTypesOf are HubSpot's own types of each pair, the plain one first, and
// builtinPairs the pair of each.
var builtinTypesOf, builtinPairs = func() (map[pair][]label, map[int]pair) {
	of, pairs := map[pair][]label{}, map[int]pair{}
	add := func(p pair, l label) {
		of[p] = append(of[p], l)
		pairs[l.TypeID] = p
	}
	for _, b := range builtinLinks {
		add(pair{b.from, b.to}, label{Category: hubspotDefined, TypeID: b.typeID, Label: b.label, Inverse: b.inverse})
		if b.from != b.to || b.typeID != b.inverse {
			add(pair{b.to, b.from}, label{Category: hubspotDefined, TypeID: b.inverse, Label: b.backLabel, Inverse: b.typeID})
		}
	}
	return of, pairs
}()

// linkTypes are all types from one object type to another.
func (p *portal) linkTypes(from, to string) []label {
	out := builtinTypesOf[pair{from, to}]
	if len(out) == 0 {
		// A pair with a custom object: HubSpot makes the plain type by itself.
		out = []label{{Category: "USER_DEFINED", TypeID: customPlain(from, to), Inverse: customPlain(to, from)}}
	}
	if own := p.Labels[from+"/"+to]; len(own) > 0 {
		return slices.Concat(out, own)
	}
	return out
}

// customPlain is a stable number for the plain type of a pair that HubSpot's
// table does not have.
func customPlain(from, to string) int {
	n := 0
	for _, c := range from + ">" + to {
		n = (n*31 + int(c)) % 100_000
	}
	return 10_000 + n
}

// plain is the unlabelled type of a pair.
func (p *portal) plain(from, to string) label { return p.linkTypes(from, to)[0] }

func (p *portal) linkType(from, to string, in typeInput) (label, bool) {
	for _, l := range p.linkTypes(from, to) {
		if l.TypeID == in.TypeID && (l.Category == in.Category || in.Category == "") {
			return l, true
		}
	}
	return label{}, false
}

// targetOf finds which object type an association type leads to.
func (p *portal) targetOf(from *objectType, in typeInput) *objectType {
	if known := builtinPairs[in.TypeID]; in.Category != "USER_DEFINED" && known.from == from.ID {
		return p.Types[known.to]
	}
	for _, id := range sortedKeys(p.Types) {
		if _, ok := p.linkType(from.ID, id, in); ok {
			return p.Types[id]
		}
	}
	return nil
}

func linkKey(fromType, fromID, toType string) string { return fromType + "/" + fromID + "/" + toType }

func splitLinkKey(key string) (fromType, fromID, toType string) {
	parts := strings.SplitN(key, "/", 3)
	return parts[0], parts[1], parts[2]
}

// addLink stores one type of a link at both ends.
func (p *portal) addLink(fromType, fromID, toType, toID string, l link) {
	known, ok := p.linkType(fromType, toType, typeInput(l))
	if !ok {
		return
	}
	p.addOneEnd(fromType, fromID, toType, toID, l)
	p.addOneEnd(toType, toID, fromType, fromID, link{l.Category, known.Inverse})
}

func (p *portal) addOneEnd(fromType, fromID, toType, toID string, l link) {
	key := linkKey(fromType, fromID, toType)
	if p.Links[key] == nil {
		p.Links[key] = map[string][]link{}
	}
	if !slices.Contains(p.Links[key][toID], l) {
		p.Links[key][toID] = append(p.Links[key][toID], l)
	}
}

func (p *portal) unlink(fromType, fromID, toType, toID string) bool {
	key, back := linkKey(fromType, fromID, toType), linkKey(toType, toID, fromType)
	_, had := p.Links[key][toID]
	delete(p.Links[key], toID)
	delete(p.Links[back], fromID)
	return had
}

func (p *portal) unlinkAll(t *objectType, id string) {
	for toType := range p.Types {
		key := linkKey(t.ID, id, toType)
		for to := range p.Links[key] {
			delete(p.Links[linkKey(toType, to, t.ID)], id)
		}
		delete(p.Links, key)
	}
}

// link associates two records; the plain type always comes with the others,
// and a new primary one takes the place of the old.
func (q *request) link(from *objectType, fromID string, to *objectType, toID string, types []typeInput, replace bool) []string {
	p := q.portal
	key := linkKey(from.ID, fromID, to.ID)
	before := slices.Clone(p.Links[key][toID])
	if replace {
		p.unlink(from.ID, fromID, to.ID, toID)
	}
	plain := p.plain(from.ID, to.ID)
	p.addLink(from.ID, fromID, to.ID, toID, link{plain.Category, plain.TypeID})
	var labels []string
	primary := false
	w := Write{ObjectType: from.Name, ID: fromID, Operation: "associate", ToType: to.Name, ToID: toID}
	for _, ty := range types {
		l, ok := p.linkType(from.ID, to.ID, ty)
		if !ok {
			continue
		}
		if l.Label == "Primary" {
			primary = true
			q.dropPrimary(from, fromID, to, toID)
			q.notePrimary(from, fromID, to, toID)
		}
		p.addLink(from.ID, fromID, to.ID, toID, link{l.Category, l.TypeID})
		if l.Label != "" {
			labels = append(labels, l.Label)
		}
		w.TypeIDs = append(w.TypeIDs, l.TypeID)
	}
	if !sameLinks(before, p.Links[key][toID]) {
		q.tellBothEnds(from, fromID, to, toID, false, primary)
	}
	q.log(w)
	return labels
}

func sameLinks(a, b []link) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(l link) bool { return !slices.Contains(b, l) })
}

// notePrimary keeps a contact's associatedcompanyid.
func (q *request) notePrimary(from *objectType, fromID string, to *objectType, toID string) {
	if from.ID == "0-2" {
		from, fromID, to, toID = to, toID, from, fromID
	}
	if r := q.portal.Records["0-1"][fromID]; from.ID == "0-1" && to.ID == "0-2" && r != nil {
		r.Props["associatedcompanyid"] = toID
	}
}

// dropPrimary takes "primary" from the company that the record has had so far.
// The record is the end that is no company.
func (q *request) dropPrimary(from *objectType, fromID string, to *objectType, toID string) {
	p := q.portal
	if from.ID == "0-2" {
		from, fromID, to, toID = to, toID, from, fromID
	}
	for other, links := range p.Links[linkKey(from.ID, fromID, to.ID)] {
		if other == toID {
			continue
		}
		for _, l := range slices.Clone(links) {
			if known, ok := p.linkType(from.ID, to.ID, typeInput(l)); ok && known.Label == "Primary" {
				p.removeOneType(from.ID, fromID, to.ID, other, l)
				p.removeOneType(to.ID, other, from.ID, fromID, link{l.Category, known.Inverse})
			}
		}
	}
}

func (p *portal) removeOneType(fromType, fromID, toType, toID string, l link) {
	ends := p.Links[linkKey(fromType, fromID, toType)]
	if ends[toID] == nil {
		return
	}
	ends[toID] = slices.DeleteFunc(ends[toID], func(have link) bool { return have == l })
}

// linkedIDs are the other ends in the order of their IDs, archived ones left
// out.
func (p *portal) linkedIDs(from *objectType, id string, to *objectType) []string {
	ends := p.Links[linkKey(from.ID, id, to.ID)]
	out := make([]string, 0, len(ends))
	for other, links := range ends {
		if r := p.Records[to.ID][other]; len(links) > 0 && r != nil && !r.Archived {
			out = append(out, other)
		}
	}
	sortBy(out, func(a, b string) bool {
		if len(a) != len(b) {
			return len(a) < len(b)
		}
		return a < b
	})
	return out
}

// associationRows are the associations as a record's read shows them.
func (p *portal) associationRows(from *objectType, id string, to *objectType) []any {
	var rows []any
	for _, other := range p.linkedIDs(from, id, to) {
		for _, l := range p.Links[linkKey(from.ID, id, to.ID)][other] {
			name := from.Singular + "_to_" + to.Singular
			known, _ := p.linkType(from.ID, to.ID, typeInput(l))
			if known.Label == "" && len(p.linkTypes(from.ID, to.ID)) > 1 {
				name += "_unlabeled"
			} else if known.Label != "" && known.Label != "Primary" {
				name = strings.ToLower(strings.ReplaceAll(known.Label, " ", "_"))
			}
			rows = append(rows, map[string]any{"id": other, "type": name})
		}
	}
	return rows
}

// associationTypes are the types of one link as the association API shows
// them.
func (p *portal) associationTypes(from, id, to, other string) []any {
	var out []any
	for _, l := range p.Links[linkKey(from, id, to)][other] {
		known, _ := p.linkType(from, to, typeInput(l))
		var text any
		if known.Label != "" {
			text = known.Label
		}
		out = append(out, map[string]any{"category": l.Category, "typeId": l.TypeID, "label": text})
	}
	return out
}

func (s *Server) addAssociationRoutes() {
	record := "/crm/objects/" + APIVersion + "/{from}/{id}/associations/"
	// Any one object scope is enough: no check of either side is documented.
	any1 := func(q *request) []string {
		if q.portal.objectScopes == nil {
			for _, t := range q.portal.Types {
				q.portal.objectScopes = slices.Concat(q.portal.objectScopes, t.Read, t.Write)
			}
			slices.Sort(q.portal.objectScopes)
			q.portal.objectScopes = slices.Compact(q.portal.objectScopes)
		}
		return q.portal.objectScopes
	}
	one := func(fn func(*request, *objectType, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: any1, fn: withEnds(fn)}
	}
	many := func(fn func(*request, *objectType, *objectType) reply) route {
		// Batches of associations do not count against the burst: they have
		// one of their own.
		return route{bucket: associationBucket, scopes: any1, fn: withEnds(fn)}
	}
	// edit asks for the permission that users need since 2026-09.
	edit := func(fn func(*request, *objectType, *objectType) reply) func(*request, *objectType, *objectType) reply {
		return func(q *request, from, to *objectType) reply {
			if u := q.user(); u != nil && u.NoAssociations {
				return problem(http.StatusForbidden, "MISSING_SCOPES", "The user does not have the permission to edit associations.")
			}
			return fn(q, from, to)
		}
	}
	s.handle("PUT "+record+"default/{to}/{toId}", one(edit(associateDefault)))
	s.handle("GET "+record+"{to}", one(listAssociations))
	s.handle("PUT "+record+"{to}/{toId}", one(edit(associate)))
	s.handle("DELETE "+record+"{to}/{toId}", one(edit(disassociate)))
	pair := "/crm/associations/" + APIVersion + "/{from}/{to}/"
	s.handle("POST "+pair+"batch/read", many(batchReadAssociations))
	s.handle("POST "+pair+"batch/associate/default", many(edit(batchAssociateDefault)))
	s.handle("POST "+pair+"batch/create", many(edit(batchAssociate)))
	s.handle("POST "+pair+"batch/archive", many(edit(batchDisassociate)))
	s.handle("POST "+pair+"batch/labels/archive", many(edit(batchUnlabel)))
	s.handle("GET "+pair+"labels", one(listLabels))
	s.handle("POST "+pair+"labels", one(createLabel))
	s.handle("PUT "+pair+"labels", one(updateLabel))
	s.handle("DELETE "+pair+"labels/{typeId}", one(deleteLabel))
}

func withEnds(fn func(*request, *objectType, *objectType) reply) func(*request) reply {
	return func(q *request) reply {
		from, to := q.portal.typeOf(q.vars["from"]), q.portal.typeOf(q.vars["to"])
		if from == nil {
			return unknownType(q.vars["from"])
		}
		if to == nil {
			return unknownType(q.vars["to"])
		}
		return fn(q, from, to)
	}
}

func (q *request) exists(t *objectType, id string) bool {
	r := q.portal.Records[t.ID][id]
	return r != nil && !r.Archived
}

func (q *request) ends(from, to *objectType) *reply {
	for _, end := range []struct {
		t  *objectType
		id string
	}{{from, q.vars["id"]}, {to, q.vars["toId"]}} {
		if !q.exists(end.t, end.id) {
			out := problem(http.StatusNotFound, "OBJECT_NOT_FOUND", fmt.Sprintf("No %s with ID %s exists", end.t.Singular, end.id))
			return &out
		}
	}
	return nil
}

func (q *request) pairResult(fromID, toID string, l label) []any {
	end := func(aID, bID string, typeID int) map[string]any {
		return map[string]any{
			"from": map[string]any{"id": aID}, "to": map[string]any{"id": bID},
			"associationSpec": map[string]any{"associationCategory": l.Category, "associationTypeId": typeID},
		}
	}
	return []any{end(fromID, toID, l.TypeID), end(toID, fromID, l.Inverse)}
}

func associateDefault(q *request, from, to *objectType) reply {
	if refused := q.ends(from, to); refused != nil {
		return *refused
	}
	plain := q.portal.plain(from.ID, to.ID)
	q.link(from, q.vars["id"], to, q.vars["toId"], []typeInput{{plain.Category, plain.TypeID}}, false)
	return q.batchReply(http.StatusOK, q.pairResult(q.vars["id"], q.vars["toId"], plain), nil)
}

func associate(q *request, from, to *objectType) reply {
	var types []typeInput
	if refused := q.decode(&types); refused != nil {
		return *refused
	}
	if refused := q.ends(from, to); refused != nil {
		return *refused
	}
	for _, ty := range types {
		if _, ok := q.portal.linkType(from.ID, to.ID, ty); !ok {
			return invalid("Invalid association type: %s %d does not lead from %s to %s", ty.Category, ty.TypeID, from.Name, to.Name)
		}
	}
	if len(types) == 0 {
		return invalid("An association needs at least one type")
	}
	labels := q.link(from, q.vars["id"], to, q.vars["toId"], types, true)
	return reply{status: http.StatusCreated, body: q.labelled(from, q.vars["id"], to, q.vars["toId"], labels)}
}

// labelled is the answer to a labelled association.
func (q *request) labelled(from *objectType, fromID string, to *objectType, toID string, labels []string) map[string]any {
	if labels == nil {
		labels = []string{}
	}
	out := map[string]any{"fromObjectTypeId": from.ID, "fromObjectId": fromID, "toObjectTypeId": to.ID, "toObjectId": toID, "labels": labels}
	if q.portal.Settings.NumericPairIDs {
		out["fromObjectId"], out["toObjectId"] = number(fromID), number(toID)
	}
	return out
}

func disassociate(q *request, from, to *objectType) reply {
	q.disassociate(from, q.vars["id"], to, q.vars["toId"])
	return reply{status: http.StatusNoContent}
}

func (q *request) disassociate(from *objectType, fromID string, to *objectType, toID string) {
	if q.portal.unlink(from.ID, fromID, to.ID, toID) {
		q.tellBothEnds(from, fromID, to, toID, true, false)
		q.log(Write{ObjectType: from.Name, ID: fromID, Operation: "disassociate", ToType: to.Name, ToID: toID})
	}
}

func listAssociations(q *request, from, to *objectType) reply {
	if !q.exists(from, q.vars["id"]) {
		return notFound()
	}
	limit, refused := q.limitParam(associationsPageLimit, associationsPageLimit)
	if refused != nil {
		return *refused
	}
	results, next := q.associationPage(from, q.vars["id"], to, q.query.Get("after"), limit)
	out := map[string]any{"results": results}
	if next != "" {
		out["paging"] = map[string]any{"next": map[string]any{"after": next, "link": q.s.URL + "/" + strings.Join(q.segments, "/") + "?after=" + next}}
	}
	return reply{status: http.StatusOK, body: out}
}

func (q *request) associationPage(from *objectType, id string, to *objectType, after string, limit int) (results []any, next string) {
	results = []any{}
	least, _ := strconv.ParseInt(after, 10, 64)
	for _, other := range q.portal.linkedIDs(from, id, to) {
		number, _ := strconv.ParseInt(other, 10, 64)
		if number < least {
			continue
		}
		if len(results) == limit {
			return results, other
		}
		results = append(results, map[string]any{"toObjectId": number, "associationTypes": q.portal.associationTypes(from.ID, id, to.ID, other)})
	}
	return results, ""
}

func batchReadAssociations(q *request, from, to *objectType) reply {
	var in struct {
		Inputs []struct {
			ID    looseID `json:"id"`
			After looseID `json:"after"`
		} `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxAssociationReads); refused != nil {
		return *refused
	}
	results := []any{}
	var errors []any
	for _, one := range in.Inputs {
		list, next := q.associationPage(from, string(one.ID), to, string(one.After), associationsPageLimit)
		if len(list) == 0 {
			errors = append(errors, map[string]any{
				"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
				"message": fmt.Sprintf("No %s is associated with %s %s.", to.Singular, from.Singular, one.ID),
				"context": map[string]any{"fromObjectId": []string{string(one.ID)}, "fromObjectType": []string{from.Singular}, "toObjectType": []string{to.Singular}},
			})
			continue
		}
		result := map[string]any{"from": map[string]any{"id": string(one.ID)}, "to": list}
		if next != "" {
			result["paging"] = map[string]any{"next": map[string]any{"after": next}}
		}
		results = append(results, result)
	}
	return q.batchReply(http.StatusOK, results, errors)
}

type pairInput struct {
	From struct {
		ID looseID `json:"id"`
	} `json:"from"`
	To    looseEnds   `json:"to"`
	Types []typeInput `json:"types"`
}

// looseEnds is {"id":…}, or a list of them as an archive takes it.
type looseEnds []string

func (l *looseEnds) UnmarshalJSON(raw []byte) error {
	type end struct {
		ID looseID `json:"id"`
	}
	var list []end
	if len(raw) > 0 && raw[0] != '[' {
		raw = append(append([]byte{'['}, raw...), ']')
	}
	if err := unmarshal(raw, &list); err != nil {
		return err
	}
	for _, e := range list {
		*l = append(*l, string(e.ID))
	}
	return nil
}

func (q *request) pairs() ([]pairInput, *reply) {
	var in struct {
		Inputs []pairInput `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return nil, refused
	}
	if refused := checkInputs(len(in.Inputs), maxAssociationWrites); refused != nil {
		return nil, refused
	}
	return in.Inputs, nil
}

func batchAssociateDefault(q *request, from, to *objectType) reply {
	plain := q.portal.plain(from.ID, to.ID)
	return q.batchAssociate(from, to, http.StatusOK, func(pairInput) []typeInput { return []typeInput{{plain.Category, plain.TypeID}} },
		func(fromID, toID string, _ []string) []any { return q.pairResult(fromID, toID, plain) })
}

func batchAssociate(q *request, from, to *objectType) reply {
	return q.batchAssociate(from, to, http.StatusCreated, func(in pairInput) []typeInput { return in.Types },
		func(fromID, toID string, labels []string) []any {
			return []any{q.labelled(from, fromID, to, toID, labels)}
		})
}

func (q *request) batchAssociate(from, to *objectType, status int, types func(pairInput) []typeInput, result func(fromID, toID string, labels []string) []any) reply {
	inputs, refused := q.pairs()
	if refused != nil {
		return *refused
	}
	for _, in := range inputs {
		wanted := types(in)
		valid := len(wanted) > 0
		for _, ty := range wanted {
			_, ok := q.portal.linkType(from.ID, to.ID, ty)
			valid = valid && ok
		}
		if !valid {
			return invalid("Invalid association type from %s to %s", from.Name, to.Name)
		}
	}
	results := []any{}
	var errors []any
	for _, in := range inputs {
		for _, toID := range in.To {
			if !q.exists(from, string(in.From.ID)) || !q.exists(to, toID) {
				errors = append(errors, map[string]any{
					"status": "error", "category": "OBJECT_NOT_FOUND", "message": "One end of the association does not exist.",
					"context": map[string]any{"fromObjectId": []string{string(in.From.ID)}, "toObjectId": []string{toID}},
				})
				continue
			}
			labels := q.link(from, string(in.From.ID), to, toID, types(in), false)
			results = append(results, result(string(in.From.ID), toID, labels)...)
		}
	}
	return q.batchReply(status, results, errors)
}

func batchDisassociate(q *request, from, to *objectType) reply {
	inputs, refused := q.pairs()
	if refused != nil {
		return *refused
	}
	for _, in := range inputs {
		for _, toID := range in.To {
			q.disassociate(from, string(in.From.ID), to, toID)
		}
	}
	return reply{status: http.StatusNoContent}
}

// batchUnlabel takes labels away; the plain association stays.
func batchUnlabel(q *request, from, to *objectType) reply {
	inputs, refused := q.pairs()
	if refused != nil {
		return *refused
	}
	p := q.portal
	for _, in := range inputs {
		for _, toID := range in.To {
			fromID := string(in.From.ID)
			w := Write{ObjectType: from.Name, ID: fromID, Operation: "unlabel", ToType: to.Name, ToID: toID}
			for _, ty := range in.Types {
				l, ok := p.linkType(from.ID, to.ID, ty)
				if !ok || l == p.plain(from.ID, to.ID) || !slices.Contains(p.Links[linkKey(from.ID, fromID, to.ID)][toID], link{l.Category, l.TypeID}) {
					continue
				}
				p.removeOneType(from.ID, fromID, to.ID, toID, link{l.Category, l.TypeID})
				p.removeOneType(to.ID, toID, from.ID, fromID, link{l.Category, l.Inverse})
				w.TypeIDs = append(w.TypeIDs, l.TypeID)
			}
			if len(w.TypeIDs) > 0 {
				q.tellBothEnds(from, fromID, to, toID, true, false)
				q.log(w)
			}
		}
	}
	return reply{status: http.StatusNoContent}
}
