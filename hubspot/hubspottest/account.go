package hubspottest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func unmarshal(raw []byte, into any) error { return json.Unmarshal(raw, into) }

func (s *Server) addAccountRoutes() {
	scopes := func(list ...string) func(*request) []string {
		return func(*request) []string { return list }
	}
	owners := scopes("crm.objects.owners.read")
	s.handle("GET /crm/owners/"+APIVersion, route{bucket: burstBucket, scopes: owners, fn: listOwners})
	s.handle("GET /crm/owners/"+APIVersion+"/{ownerId}", route{bucket: burstBucket, scopes: owners, fn: readOwner})

	pipelines := "/crm/pipelines/" + APIVersion + "/{type}"
	readPipelines := scopes("crm.objects.contacts.read", "crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read",
		"crm.schemas.deals.read", "crm.schemas.deals.write", "tickets")
	s.handle("GET "+pipelines, route{bucket: burstBucket, scopes: readPipelines, fn: withType(listPipelines)})
	s.handle("GET "+pipelines+"/{id}", route{bucket: burstBucket, scopes: readPipelines, fn: withType(readPipeline)})
	s.handle("GET "+pipelines+"/{id}/stages", route{bucket: burstBucket, scopes: readPipelines, fn: withType(listStages)})

	properties := "/crm/properties/" + APIVersion + "/{type}"
	readProps := func(q *request) []string {
		t := q.portal.typeOf(q.vars["type"])
		if t == nil {
			return nil
		}
		return append(append([]string{"crm.schemas." + t.Name + ".read"}, t.Read...), t.Write...)
	}
	writeProps := func(q *request) []string {
		t := q.portal.typeOf(q.vars["type"])
		switch {
		case t == nil:
			return nil
		case t.Name == "tickets":
			return []string{"crm.schemas.tickets.write", "tickets"}
		case strings.HasPrefix(t.ID, "2-"):
			return []string{"crm.schemas.custom.write"}
		}
		return []string{"crm.schemas." + t.Name + ".write"}
	}
	s.handle("GET "+properties, route{bucket: burstBucket, scopes: readProps, fn: withType(listProperties)})
	s.handle("POST "+properties, route{bucket: burstBucket, scopes: writeProps, fn: withType(createProperty)})
	s.handle("GET "+properties+"/{id}", route{bucket: burstBucket, scopes: readProps, fn: withType(readProperty)})
	s.handle("PATCH "+properties+"/{id}", route{bucket: burstBucket, scopes: writeProps, fn: withType(updateProperty)})
	s.handle("DELETE "+properties+"/{id}", route{bucket: burstBucket, scopes: writeProps, fn: withType(archiveProperty)})

	schemas := "/crm-object-schemas/" + APIVersion + "/schemas"
	s.handle("GET "+schemas, route{bucket: burstBucket, scopes: scopes("crm.schemas.custom.read", "crm.schemas.custom.write"), fn: listSchemas})
	s.handle("POST "+schemas, route{bucket: burstBucket, scopes: scopes("crm.schemas.custom.write"), fn: createSchema})

	s.handle("GET /account-info/"+APIVersion+"/details", route{bucket: burstBucket, scopes: scopes("oauth"), fn: accountDetails})
}

func accountDetails(q *request) reply {
	p := q.portal
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	now := q.now.In(zone)
	_, seconds := now.Zone()
	return reply{status: http.StatusOK, body: map[string]any{
		"portalId": p.HubID, "accountType": p.Type, "timeZone": p.TimeZone, "companyCurrency": p.Currency, "additionalCurrencies": []string{},
		"utcOffset": now.Format("-07:00"), "utcOffsetMilliseconds": seconds * 1000, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
	}}
}

func (u *User) owner() map[string]any {
	out := map[string]any{
		"id": u.OwnerID, "email": u.Email, "type": "PERSON", "firstName": u.FirstName, "lastName": u.LastName,
		"userId": u.ID, "userIdIncludingInactive": u.ID, "archived": u.Archived, "teams": []any{},
		"createdAt": formatTime(builtinSince), "updatedAt": formatTime(builtinSince),
	}
	if u.Archived {
		out["userId"] = nil
	}
	return out
}

func (p *portal) sortedUsers() []*User {
	out := make([]*User, 0, len(p.Users))
	for _, u := range p.Users {
		out = append(out, u)
	}
	sortBy(out, func(a, b *User) bool {
		if len(a.OwnerID) != len(b.OwnerID) {
			return len(a.OwnerID) < len(b.OwnerID)
		}
		return a.OwnerID < b.OwnerID
	})
	return out
}

func listOwners(q *request) reply {
	limit, refused := q.limitParam(100, 500)
	if refused != nil {
		return *refused
	}
	email, archived := q.query.Get("email"), q.query.Get("archived") == "true"
	results := []any{}
	out := map[string]any{}
	started := q.query.Get("after") == ""
	for _, u := range q.portal.sortedUsers() {
		started = started || u.OwnerID == q.query.Get("after")
		if !started || u.Archived != archived || email != "" && !strings.EqualFold(u.Email, email) {
			continue
		}
		if len(results) == limit {
			out["paging"] = map[string]any{"next": map[string]any{"after": u.OwnerID, "link": q.s.URL + "/crm/owners/" + APIVersion + "?after=" + u.OwnerID}}
			break
		}
		results = append(results, u.owner())
	}
	out["results"] = results
	return reply{status: http.StatusOK, body: out}
}

func readOwner(q *request) reply {
	for _, u := range q.portal.Users {
		id := u.OwnerID
		if q.query.Get("idProperty") == "userId" {
			id = strconv.FormatInt(u.ID, 10)
		}
		if id == q.vars["ownerId"] && u.Archived == (q.query.Get("archived") == "true") {
			return reply{status: http.StatusOK, body: u.owner()}
		}
	}
	return notFound()
}

func listPipelines(q *request, t *objectType) reply {
	results := []any{}
	for _, p := range q.portal.Pipelines[t.ID] {
		if !p.Archived {
			results = append(results, clone(p))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

// clone takes a copy that may be encoded after the lock is released.
func clone(v any) any { return json.RawMessage(encode(v)) }

func (p *portal) pipeline(t *objectType, id string) *pipeline {
	for _, one := range p.Pipelines[t.ID] {
		if one.ID == id && !one.Archived {
			return one
		}
	}
	return nil
}

func readPipeline(q *request, t *objectType) reply {
	p := q.portal.pipeline(t, q.vars["id"])
	if p == nil {
		// A missing pipeline is a 404 without a body.
		return reply{status: http.StatusNotFound}
	}
	return reply{status: http.StatusOK, body: clone(p)}
}

func listStages(q *request, t *objectType) reply {
	p := q.portal.pipeline(t, q.vars["id"])
	if p == nil {
		return reply{status: http.StatusNotFound}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": clone(p.Stages)}}
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
		if p := t.Properties[name]; p.Archived == archived {
			results = append(results, p.render(q.portal, t))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func readProperty(q *request, t *objectType) reply {
	p := t.Properties[q.vars["id"]]
	if p == nil || p.Archived != (q.query.Get("archived") == "true") {
		return notFound()
	}
	return reply{status: http.StatusOK, body: p.render(q.portal, t)}
}

var (
	propertyTypes = []string{"bool", "date", "datetime", "enumeration", "number", "phone_number", "string"}
	fieldTypes    = []string{"booleancheckbox", "calculation_equation", "checkbox", "date", "file", "html", "number", "phonenumber", "radio", "select", "text", "textarea"}
)

const maxUniqueProperties = 10

func createProperty(q *request, t *objectType) reply {
	var in property
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	switch {
	case in.Name == "" || in.Label == "" || in.GroupName == "":
		return invalid("A property needs a name, a label and a groupName")
	case !slices.Contains(propertyTypes, in.Type):
		return invalid("Invalid property type: %s", in.Type)
	case !slices.Contains(fieldTypes, in.FieldType):
		return invalid("Invalid field type: %s", in.FieldType)
	}
	if known := t.Properties[in.Name]; known != nil && !known.Archived {
		return problem(http.StatusConflict, "OBJECT_ALREADY_EXISTS", fmt.Sprintf("A property named '%s' already exists.", in.Name),
			"subCategory", "Properties.PROPERTY_WITH_NAME_EXISTS")
	}
	if in.HasUniqueValue {
		own := 0
		for _, p := range t.Properties {
			if p.HasUniqueValue && !p.HubSpotDefined && !p.Archived {
				own++
			}
		}
		if own >= maxUniqueProperties {
			return invalid("%s already has %d unique properties", t.Name, maxUniqueProperties)
		}
	}
	made := in
	made.HubSpotDefined, made.ReadOnly, made.Archived, made.Calculated = false, false, false, false
	made.CreatedAt, made.UpdatedAt = q.s.now(), q.s.now()
	t.Properties[made.Name] = &made
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
	p.Archived = true
	return reply{status: http.StatusNoContent}
}

func (t *objectType) schema(p *portal) map[string]any {
	return map[string]any{
		"id": strings.TrimPrefix(t.ID, "2-"), "objectTypeId": t.ID, "name": t.Singular, "fullyQualifiedName": "p" + strconv.FormatInt(p.HubID, 10) + "_" + t.Singular,
		"requiredProperties": slices.Clone(t.Required), "labels": map[string]any{"singular": t.Singular, "plural": t.Name}, "archived": false,
	}
}

func listSchemas(q *request) reply {
	results := []any{}
	for _, id := range sortedKeys(q.portal.Types) {
		if strings.HasPrefix(id, "2-") {
			results = append(results, q.portal.Types[id].schema(q.portal))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func createSchema(q *request) reply {
	var in struct {
		Name   string `json:"name"`
		Labels struct {
			Singular string `json:"singular"`
			Plural   string `json:"plural"`
		} `json:"labels"`
		Required   []string   `json:"requiredProperties"`
		Properties []property `json:"properties"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if in.Name == "" || len(in.Properties) == 0 {
		return invalid("A schema needs a name and properties")
	}
	if q.portal.typeOf(in.Name) != nil {
		return problem(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "An object type of that name already exists")
	}
	t := q.portal.addType(q.s.st.newID(), in.Name, in.Required, in.Properties, q.s.now())
	return reply{status: http.StatusCreated, body: t.schema(q.portal)}
}

func (p *portal) addType(n int64, name string, required []string, properties []property, now time.Time) *objectType {
	name = strings.ToLower(name)
	t := &objectType{
		ID: "2-" + strconv.FormatInt(n%100_000_000, 10), Name: name, Singular: name, Required: required,
		Read: []string{"crm.objects.custom.read"}, Write: []string{"crm.objects.custom.write"},
		Defaults:   []string{"hs_object_id", "hs_createdate", "hs_lastmodifieddate"},
		Properties: map[string]*property{},
	}
	for _, spec := range strings.Split("hs_object_id number!;hs_object_source string!;hs_object_source_id string!;hs_object_source_label string!;hs_object_source_detail_1 string!;hs_object_source_user_id number!;hs_createdate datetime!;hs_lastmodifieddate datetime!;hubspot_owner_id owner", ";") {
		builtin := builtinProperty(name, spec)
		t.Properties[builtin.Name] = builtin
	}
	for _, in := range properties {
		made := in
		made.CreatedAt, made.UpdatedAt = now, now
		t.Properties[made.Name] = &made
	}
	p.Types[t.ID] = t
	p.nameTypes()
	return t
}
