package hubspottest

import (
	"fmt"
	"net/http"
	"slices"
)

func (s *Server) addPropertyRoutes() {
	at := "/crm/properties/" + APIVersion + "/{type}"
	readers := func(q *request) []string {
		t := q.portal.typeOf(q.vars["type"])
		switch {
		case t == nil:
			return nil
		case t.custom():
			return slices.Concat([]string{"crm.schemas.custom.read", "crm.schemas.custom.write"}, t.Read, t.Write)
		}
		return slices.Concat([]string{"crm.schemas." + t.Name + ".read", "crm.schemas." + t.Name + ".write"}, t.Read, t.Write)
	}
	writers := func(q *request) []string {
		t := q.portal.typeOf(q.vars["type"])
		switch {
		case t == nil:
			return nil
		case t.Name == "tickets":
			return []string{"crm.schemas.tickets.write", "tickets"}
		case t.custom():
			return []string{"crm.schemas.custom.write"}
		}
		return []string{"crm.schemas." + t.Name + ".write"}
	}
	read := func(fn func(*request, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: readers, fn: withType(fn)}
	}
	change := func(fn func(*request, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: writers, fn: withType(fn)}
	}
	// The groups and batches stand before {id}, which would swallow them.
	s.handle("GET "+at+"/groups", read(listGroups))
	s.handle("POST "+at+"/groups", change(createGroup))
	s.handle("GET "+at+"/groups/{name}", read(readGroup))
	s.handle("PATCH "+at+"/groups/{name}", change(updateGroup))
	s.handle("DELETE "+at+"/groups/{name}", change(archiveGroup))
	s.handle("POST "+at+"/batch/read", read(batchReadProperties))
	s.handle("POST "+at+"/batch/create", change(batchCreateProperties))
	s.handle("POST "+at+"/batch/archive", change(batchArchiveProperties))
	s.handle("GET "+at, read(listProperties))
	s.handle("POST "+at, change(createProperty))
	s.handle("GET "+at+"/{id}", read(readProperty))
	s.handle("PATCH "+at+"/{id}", change(updateProperty))
	s.handle("DELETE "+at+"/{id}", change(archiveProperty))
}

// visible says that reads of properties know it already.
func (q *request) visible(p *property) bool {
	return p.HubSpotDefined || !q.now.Before(p.CreatedAt.Add(q.portal.Settings.PropertyLag))
}

func (p *property) render(portal *portal, t *objectType) map[string]any {
	options := p.Options
	switch p.Name {
	case "pipeline", "hs_pipeline":
		options = nil
		for i, one := range portal.Pipelines[t.ID] {
			options = append(options, option{Label: one.Label, Value: one.ID, DisplayOrder: i})
		}
	case "dealstage", "hs_pipeline_stage":
		options = nil
		for _, one := range portal.Pipelines[t.ID] {
			for _, s := range one.Stages {
				options = append(options, option{Label: s.Label, Value: s.ID, DisplayOrder: s.DisplayOrder})
			}
		}
	}
	if options == nil {
		options = []option{}
	}
	out := map[string]any{
		"name": p.Name, "label": p.Label, "description": p.Description, "groupName": p.GroupName, "type": p.Type, "fieldType": p.FieldType,
		"options": slices.Clone(options), "displayOrder": p.DisplayOrder, "calculated": p.Calculated, "externalOptions": p.Name == "hubspot_owner_id",
		"hasUniqueValue": p.HasUniqueValue, "hidden": p.Hidden, "hubspotDefined": p.HubSpotDefined, "formField": !p.HubSpotDefined, "archived": p.Archived,
		"modificationMetadata": map[string]any{"archivable": !p.HubSpotDefined, "readOnlyDefinition": p.HubSpotDefined, "readOnlyValue": p.ReadOnly},
		"createdAt":            formatTime(p.CreatedAt), "updatedAt": formatTime(p.UpdatedAt),
	}
	if p.Name == "hubspot_owner_id" {
		out["referencedObjectType"] = "OWNER"
	}
	return out
}

func listProperties(q *request, t *objectType) reply {
	results := []any{}
	archived := q.query.Get("archived") == "true"
	for _, name := range sortedKeys(t.Properties) {
		if p := t.Properties[name]; p.Archived == archived && q.visible(p) {
			results = append(results, p.render(q.portal, t))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func readProperty(q *request, t *objectType) reply {
	p := t.Properties[q.vars["id"]]
	if p == nil || p.Archived != (q.query.Get("archived") == "true") || !q.visible(p) {
		return notFound()
	}
	return reply{status: http.StatusOK, body: p.render(q.portal, t)}
}

var (
	propertyTypes = []string{"bool", "date", "datetime", "enumeration", "number", "phone_number", "string"}
	fieldTypes    = []string{"booleancheckbox", "calculation_equation", "checkbox", "date", "file", "html", "number", "phonenumber", "radio", "select", "text", "textarea"}
)

const maxUniqueProperties = 10

// define checks a new property and makes it. One that was archived comes back
// as the new definition says.
func (q *request) define(t *objectType, in property) (*property, *reply) {
	refuse := func(out reply) (*property, *reply) { return nil, &out }
	switch {
	case in.Name == "" || in.Label == "" || in.GroupName == "":
		return refuse(invalid("A property needs a name, a label and a groupName"))
	case !slices.Contains(propertyTypes, in.Type):
		return refuse(invalid("Invalid property type: %s", in.Type))
	case !slices.Contains(fieldTypes, in.FieldType):
		return refuse(invalid("Invalid field type: %s", in.FieldType))
	case in.Type == "enumeration" && len(in.Options) == 0:
		return refuse(invalid("An enumeration needs options"))
	}
	if known := t.Properties[in.Name]; known != nil && !known.Archived {
		return refuse(problem(http.StatusConflict, "OBJECT_ALREADY_EXISTS", fmt.Sprintf("A property named '%s' already exists.", in.Name),
			"subCategory", "Properties.PROPERTY_WITH_NAME_EXISTS"))
	}
	if in.HasUniqueValue {
		own := 0
		for _, p := range t.Properties {
			if p.HasUniqueValue && !p.HubSpotDefined && !p.Archived {
				own++
			}
		}
		if own >= maxUniqueProperties {
			return refuse(invalid("%s already has %d unique properties", t.Name, maxUniqueProperties))
		}
	}
	made := in
	made.HubSpotDefined, made.ReadOnly, made.Archived, made.Calculated = false, false, false, false
	made.CreatedAt, made.UpdatedAt = q.s.now(), q.s.now()
	q.portal.addProperty(q.s, t, &made)
	return &made, nil
}

// addProperty puts a property into a type, with what is looked up by it.
func (p *portal) addProperty(s *Server, t *objectType, made *property) {
	if made.Options == nil {
		made.Options = []option{}
	}
	t.Properties[made.Name] = made
	t.redefined()
	if !made.HasUniqueValue {
		return
	}
	for _, r := range p.ordered[t.ID] {
		// It may be back from the archive, with values.
		p.remember(t, r, r.Props)
		s.addToIndex(p, t, r)
	}
}

func createProperty(q *request, t *objectType) reply {
	var in property
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	made, refused := q.define(t, in)
	if refused != nil {
		return *refused
	}
	return reply{status: http.StatusCreated, body: made.render(q.portal, t)}
}

func updateProperty(q *request, t *objectType) reply {
	p := t.Properties[q.vars["id"]]
	if p == nil || p.Archived {
		return notFound()
	}
	var in struct {
		Label       *string   `json:"label"`
		Description *string   `json:"description"`
		GroupName   *string   `json:"groupName"`
		Options     *[]option `json:"options"`
		Hidden      *bool     `json:"hidden"`
		// hasUniqueValue is read and ignored: HubSpot answers 200 and changes nothing.
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	set(&p.Label, in.Label)
	set(&p.Description, in.Description)
	set(&p.GroupName, in.GroupName)
	set(&p.Options, in.Options)
	set(&p.Hidden, in.Hidden)
	p.UpdatedAt = q.s.now()
	return reply{status: http.StatusOK, body: p.render(q.portal, t)}
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func archiveProperty(q *request, t *objectType) reply {
	p := t.Properties[q.vars["id"]]
	if p == nil {
		return reply{status: http.StatusNoContent}
	}
	if p.HubSpotDefined {
		return invalid("The property %s is HubSpot's own and cannot be archived", p.Name)
	}
	p.Archived, p.UpdatedAt = true, q.s.now()
	t.redefined()
	return reply{status: http.StatusNoContent}
}

type nameInputs struct {
	Archived bool `json:"archived"`
	Inputs   []struct {
		Name string `json:"name"`
	} `json:"inputs"`
}

func batchReadProperties(q *request, t *objectType) reply {
	var in nameInputs
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	results := []any{}
	var missing []string
	for _, one := range in.Inputs {
		if p := t.Properties[one.Name]; p != nil && p.Archived == in.Archived && q.visible(p) {
			results = append(results, p.render(q.portal, t))
		} else {
			missing = append(missing, one.Name)
		}
	}
	var errors []any
	if len(missing) > 0 {
		errors = append(errors, map[string]any{
			"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some properties.", "context": map[string]any{"name": missing},
		})
	}
	return q.batchReply(http.StatusOK, results, errors)
}

func batchCreateProperties(q *request, t *objectType) reply {
	var in struct {
		Inputs []property `json:"inputs"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	results := []any{}
	var errors []any
	for _, one := range in.Inputs {
		made, refused := q.define(t, one)
		if refused != nil {
			body := refused.body.(map[string]any)
			delete(body, "correlationId")
			body["context"] = map[string]any{"name": []string{one.Name}}
			errors = append(errors, body)
			continue
		}
		results = append(results, made.render(q.portal, t))
	}
	return q.batchReply(http.StatusCreated, results, errors)
}

func batchArchiveProperties(q *request, t *objectType) reply {
	var in nameInputs
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkInputs(len(in.Inputs), maxObjectBatch); refused != nil {
		return *refused
	}
	for _, one := range in.Inputs {
		if p := t.Properties[one.Name]; p != nil && !p.HubSpotDefined {
			p.Archived = true
		}
	}
	t.redefined()
	return reply{status: http.StatusNoContent}
}

type propertyGroup struct {
	Name         string `json:"name"`
	Label        string `json:"label"`
	DisplayOrder int    `json:"displayOrder"`
	Archived     bool   `json:"archived"`
}

func (p *portal) group(t *objectType, name string) *propertyGroup {
	for _, g := range p.Groups[t.ID] {
		if g.Name == name {
			return g
		}
	}
	return nil
}

func listGroups(q *request, t *objectType) reply {
	results := []any{}
	for _, g := range q.portal.Groups[t.ID] {
		if !g.Archived {
			results = append(results, *g)
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func readGroup(q *request, t *objectType) reply {
	g := q.portal.group(t, q.vars["name"])
	if g == nil || g.Archived {
		return notFound()
	}
	return reply{status: http.StatusOK, body: *g}
}

func createGroup(q *request, t *objectType) reply {
	in := propertyGroup{DisplayOrder: -1}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if in.Name == "" || in.Label == "" {
		return invalid("A property group needs a name and a label")
	}
	in.Archived = false
	if known := q.portal.group(t, in.Name); known != nil {
		if !known.Archived {
			return problem(http.StatusConflict, "OBJECT_ALREADY_EXISTS", fmt.Sprintf("A property group named '%s' already exists.", in.Name))
		}
		*known = in
		return reply{status: http.StatusCreated, body: in}
	}
	q.portal.Groups[t.ID] = append(q.portal.Groups[t.ID], &in)
	return reply{status: http.StatusCreated, body: in}
}

func updateGroup(q *request, t *objectType) reply {
	var in struct {
		Label        *string `json:"label"`
		DisplayOrder *int    `json:"displayOrder"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	g := q.portal.group(t, q.vars["name"])
	if g == nil || g.Archived {
		return notFound()
	}
	set(&g.Label, in.Label)
	set(&g.DisplayOrder, in.DisplayOrder)
	return reply{status: http.StatusOK, body: *g}
}

func archiveGroup(q *request, t *objectType) reply {
	g := q.portal.group(t, q.vars["name"])
	if g == nil {
		return reply{status: http.StatusNoContent}
	}
	for _, p := range t.Properties {
		if p.GroupName == g.Name && !p.Archived {
			return invalid("The property group '%s' still has properties", g.Name)
		}
	}
	g.Archived = true
	return reply{status: http.StatusNoContent}
}

// builtinGroups are those that HubSpot's own properties are in.
func builtinGroups(types map[string]*objectType) map[string][]*propertyGroup {
	out := map[string][]*propertyGroup{}
	for id, t := range types {
		seen := map[string]bool{}
		for _, name := range sortedKeys(t.Properties) {
			group := t.Properties[name].GroupName
			if !seen[group] {
				seen[group] = true
				out[id] = append(out[id], &propertyGroup{Name: group, Label: t.Singular + " information", DisplayOrder: len(out[id])})
			}
		}
	}
	return out
}
