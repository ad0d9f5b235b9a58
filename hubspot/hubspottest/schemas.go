package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *Server) addSchemaRoutes() {
	at := "/crm-object-schemas/" + APIVersion + "/schemas"
	readers := anyOf("crm.schemas.custom.read", "crm.schemas.custom.write", "crm.objects.custom.read", "crm.objects.contacts.read",
		"crm.objects.companies.read", "crm.objects.deals.read", "tickets")
	writers := anyOf("crm.schemas.custom.write")
	s.handle("GET "+at, route{bucket: burstBucket, scopes: readers, fn: listSchemas})
	s.handle("POST "+at, route{bucket: burstBucket, scopes: writers, fn: createSchema})
	s.handle("GET "+at+"/{type}", route{bucket: burstBucket, scopes: readers, fn: readSchema})
	s.handle("PATCH "+at+"/{type}", route{bucket: burstBucket, scopes: writers, fn: withCustomType(updateSchema)})
	s.handle("DELETE "+at+"/{type}", route{bucket: burstBucket, scopes: writers, fn: withCustomType(deleteSchema)})
	s.handle("POST "+at+"/{type}/associations", route{bucket: burstBucket, scopes: writers, fn: withCustomType(createSchemaAssociation)})
	s.handle("DELETE "+at+"/{type}/associations/{association}", route{bucket: burstBucket, scopes: writers, fn: withCustomType(deleteSchemaAssociation)})
}

func (t *objectType) custom() bool { return strings.HasPrefix(t.ID, "2-") }

func withCustomType(fn func(*request, *objectType) reply) func(*request) reply {
	return func(q *request) reply {
		t := q.portal.typeOf(q.vars["type"])
		if t == nil || !t.custom() {
			return notFound()
		}
		return fn(q, t)
	}
}

// schemaDetails are what only schemas show of a custom object.
type schemaDetails struct {
	Labels struct {
		Singular string `json:"singular"`
		Plural   string `json:"plural"`
	} `json:"labels"`
	Description string    `json:"description,omitempty"`
	Primary     string    `json:"primaryDisplayProperty"`
	Secondary   []string  `json:"secondaryDisplayProperties"`
	Searchable  []string  `json:"searchableProperties"`
	Associated  []string  `json:"associatedObjects,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

func (t *objectType) schema(p *portal) map[string]any {
	d := t.Schema
	if d == nil {
		d = &schemaDetails{CreatedAt: builtinSince, UpdatedAt: builtinSince}
		d.Labels.Singular, d.Labels.Plural = t.Singular, t.Name
	}
	properties := []any{}
	for _, name := range sortedKeys(t.Properties) {
		if def := t.Properties[name]; !def.Archived {
			properties = append(properties, def.render(p, t))
		}
	}
	associations := []any{}
	for _, to := range sortedKeys(p.Types) {
		if !t.custom() && !p.Types[to].custom() && len(builtinTypesOf[pair{t.ID, to}]) == 0 || t.custom() && !slices.Contains(d.Associated, to) && t.ID != to {
			continue
		}
		plain := p.plain(t.ID, to)
		associations = append(associations, map[string]any{
			"id": strconv.Itoa(plain.TypeID), "fromObjectTypeId": t.ID, "toObjectTypeId": to, "name": t.Singular + "_to_" + p.Types[to].Singular,
		})
	}
	fullName := t.Singular
	if t.custom() {
		fullName = "p" + strconv.FormatInt(p.HubID, 10) + "_" + t.Singular
	}
	out := map[string]any{
		"id": strings.TrimPrefix(strings.TrimPrefix(t.ID, "2-"), "0-"), "objectTypeId": t.ID, "name": t.Singular, "fullyQualifiedName": fullName,
		"requiredProperties": nonNil(slices.Clone(t.Required)), "labels": d.Labels, "primaryDisplayProperty": d.Primary,
		"secondaryDisplayProperties": nonNil(slices.Clone(d.Secondary)), "searchableProperties": nonNil(slices.Clone(d.Searchable)),
		"properties": properties, "associations": associations, "createdAt": formatTime(d.CreatedAt), "updatedAt": formatTime(d.UpdatedAt), "archived": false,
	}
	if d.Description != "" {
		out["description"] = d.Description
	}
	return out
}

func listSchemas(q *request) reply {
	results := []any{}
	for _, id := range sortedKeys(q.portal.Types) {
		if t := q.portal.Types[id]; t.custom() && q.query.Get("archived") != "true" {
			results = append(results, t.schema(q.portal))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

// readSchema knows HubSpot's own types too.
func readSchema(q *request) reply {
	t := q.portal.typeOf(q.vars["type"])
	if t == nil {
		return notFound()
	}
	return reply{status: http.StatusOK, body: t.schema(q.portal)}
}

type schemaInput struct {
	Name       string     `json:"name"`
	Required   []string   `json:"requiredProperties"`
	Properties []property `json:"properties"`
	schemaDetails
}

func createSchema(q *request) reply {
	var in schemaInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if in.Name == "" || len(in.Properties) == 0 || in.Labels.Singular == "" || in.Labels.Plural == "" || in.Primary == "" {
		return invalid("A schema needs a name, labels, properties and a primaryDisplayProperty")
	}
	has := func(name string) bool {
		return slices.ContainsFunc(in.Properties, func(p property) bool { return p.Name == name })
	}
	for _, name := range slices.Concat(in.Required, in.Searchable, in.Secondary, []string{in.Primary}) {
		if !has(name) {
			return invalid("The schema names the property %s, which is not among its properties", name)
		}
	}
	if q.portal.typeOf(in.Name) != nil {
		return problem(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "An object type of that name already exists")
	}
	details := in.schemaDetails
	details.CreatedAt, details.UpdatedAt = q.s.now(), q.s.now()
	details.Associated = nil
	for _, name := range in.Associated {
		to := q.portal.typeOf(name)
		if to == nil {
			return unknownType(name)
		}
		details.Associated = append(details.Associated, to.ID)
	}
	t := q.portal.addType(q.s.st.newID(), in.Name, in.Required, in.Properties, q.s.now())
	t.Schema = &details
	return reply{status: http.StatusCreated, body: t.schema(q.portal)}
}

func updateSchema(q *request, t *objectType) reply {
	var in struct {
		Labels *struct {
			Singular string `json:"singular"`
			Plural   string `json:"plural"`
		} `json:"labels"`
		Description *string   `json:"description"`
		Primary     *string   `json:"primaryDisplayProperty"`
		Secondary   *[]string `json:"secondaryDisplayProperties"`
		Searchable  *[]string `json:"searchableProperties"`
		Required    *[]string `json:"requiredProperties"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	for _, list := range []*[]string{in.Secondary, in.Searchable, in.Required} {
		if list == nil {
			continue
		}
		for _, name := range *list {
			if t.Properties[name] == nil {
				return invalid("%s has no property %s", t.Singular, name)
			}
		}
	}
	if t.Schema == nil {
		t.Schema = &schemaDetails{CreatedAt: q.s.now()}
		t.Schema.Labels.Singular, t.Schema.Labels.Plural = t.Singular, t.Name
	}
	if in.Labels != nil {
		t.Schema.Labels.Singular, t.Schema.Labels.Plural = in.Labels.Singular, in.Labels.Plural
	}
	set(&t.Schema.Description, in.Description)
	set(&t.Schema.Primary, in.Primary)
	set(&t.Schema.Secondary, in.Secondary)
	set(&t.Schema.Searchable, in.Searchable)
	set(&t.Required, in.Required)
	t.Schema.UpdatedAt = q.s.now()
	return reply{status: http.StatusOK, body: t.schema(q.portal)}
}

// deleteSchema needs an empty type. Archived records are in the way only of a
// purge (?archived=true), which frees the name; here the name is free at once.
func deleteSchema(q *request, t *objectType) reply {
	for _, r := range q.portal.Records[t.ID] {
		if !r.Archived {
			return invalid("%s still has records and cannot be deleted", t.Singular)
		}
	}
	p := q.portal
	for _, r := range p.ordered[t.ID] {
		p.unlinkAll(t, r.ID)
	}
	delete(p.Types, t.ID)
	delete(p.Records, t.ID)
	delete(p.ordered, t.ID)
	p.nameTypes()
	return reply{status: http.StatusNoContent}
}

func createSchemaAssociation(q *request, t *objectType) reply {
	var in struct {
		From string `json:"fromObjectTypeId"`
		To   string `json:"toObjectTypeId"`
		Name string `json:"name"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	to := q.portal.typeOf(in.To)
	if to == nil {
		return unknownType(in.To)
	}
	if t.Schema == nil {
		t.Schema = &schemaDetails{CreatedAt: q.s.now(), UpdatedAt: q.s.now()}
		t.Schema.Labels.Singular, t.Schema.Labels.Plural = t.Singular, t.Name
	}
	if !slices.Contains(t.Schema.Associated, to.ID) {
		t.Schema.Associated = append(t.Schema.Associated, to.ID)
	}
	plain := q.portal.plain(t.ID, to.ID)
	setDefault(&in.Name, t.Singular+"_to_"+to.Singular)
	return reply{status: http.StatusCreated, body: map[string]any{
		"id": strconv.Itoa(plain.TypeID), "fromObjectTypeId": t.ID, "toObjectTypeId": to.ID, "name": in.Name,
	}}
}

func deleteSchemaAssociation(q *request, t *objectType) reply {
	if t.Schema == nil {
		return notFound()
	}
	for i, to := range t.Schema.Associated {
		if strconv.Itoa(q.portal.plain(t.ID, to).TypeID) == q.vars["association"] {
			t.Schema.Associated = slices.Delete(t.Schema.Associated, i, i+1)
			return reply{status: http.StatusNoContent}
		}
	}
	return notFound()
}

func (p *portal) addType(n int64, name string, required []string, properties []property, now time.Time) *objectType {
	name = strings.ToLower(name)
	t := &objectType{
		ID: "2-" + strconv.FormatInt(n%100_000_000, 10), Name: name, Singular: name, Required: required,
		Read: []string{"crm.objects.custom.read"}, Write: []string{"crm.objects.custom.write"},
		Defaults:   []string{"hs_object_id", "hs_createdate", "hs_lastmodifieddate"},
		Properties: map[string]*property{},
	}
	for spec := range strings.SplitSeq("hs_createdate datetime!;hs_lastmodifieddate datetime!;"+commonProperties, ";") {
		builtin := builtinProperty(name, spec)
		t.Properties[builtin.Name] = builtin
	}
	for _, in := range properties {
		made := in
		made.CreatedAt, made.UpdatedAt = now, now
		if made.Options == nil {
			made.Options = []option{}
		}
		t.Properties[made.Name] = &made
	}
	p.Types[t.ID] = t
	p.Groups[t.ID] = builtinGroups(map[string]*objectType{t.ID: t})[t.ID]
	p.nameTypes()
	return t
}
