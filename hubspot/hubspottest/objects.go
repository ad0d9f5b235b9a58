package hubspottest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxObjectBatch = 100
	// recycleBinKeeps is HubSpot's.
	recycleBinKeeps = 90 * 24 * time.Hour
)

func (s *Server) addRoutes() {
	s.addOAuthRoutes()
	at := "/crm/objects/" + APIVersion + "/{type}"
	read := func(fn func(*request, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: typeScopes("type", false), fn: withType(fn)}
	}
	change := func(fn func(*request, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: typeScopes("type", true), fn: withType(fn)}
	}
	search := read(searchRecords)
	search.bucket = searchBucket
	s.handle("POST "+at+"/search", search)
	s.handle("POST "+at+"/merge", change(mergeRecords))
	s.handle("POST "+at+"/gdpr-delete", change(gdprDelete))
	s.handle("POST "+at+"/batch/read", read(batchRead))
	s.handle("POST "+at+"/batch/create", change(batchCreate))
	s.handle("POST "+at+"/batch/update", change(batchUpdate))
	s.handle("POST "+at+"/batch/upsert", change(batchUpsert))
	s.handle("POST "+at+"/batch/archive", change(batchArchive))
	s.handle("POST "+at, change(createRecord))
	s.handle("GET "+at, read(listRecords))
	s.handle("GET "+at+"/{id}", read(readRecord))
	s.handle("PATCH "+at+"/{id}", change(updateRecord))
	s.handle("DELETE "+at+"/{id}", change(archiveRecord))
	s.addAssociationRoutes()
	s.addAccountRoutes()
	s.addCurrencyRoutes()
	s.addPipelineRoutes()
	s.addPropertyRoutes()
	s.addSchemaRoutes()
	s.addWebhookRoutes()
	s.addJournalRoutes()
}

// typeScopes are the scopes of the object type in a path.
func typeScopes(name string, write bool) func(*request) []string {
	return func(q *request) []string {
		t := q.portal.typeOf(q.vars[name])
		switch {
		case t == nil:
			return nil
		case write:
			return t.Write
		}
		return t.Read
	}
}

func withType(fn func(*request, *objectType) reply) func(*request) reply {
	return func(q *request) reply {
		t := q.portal.typeOf(q.vars["type"])
		if t == nil {
			return unknownType(q.vars["type"])
		}
		return fn(q, t)
	}
}

func unknownType(name string) reply {
	return problem(http.StatusBadRequest, "VALIDATION_ERROR", "Unable to infer object type from: "+name)
}

func notFound() reply {
	return problem(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found")
}

func invalid(format string, args ...any) reply {
	return problem(http.StatusBadRequest, "VALIDATION_ERROR", fmt.Sprintf(format, args...))
}

// decode reads the body as JSON.
func (q *request) decode(into any) *reply {
	if err := json.Unmarshal(q.body, into); err != nil {
		out := invalid("Invalid input JSON: the body could not be read")
		return &out
	}
	return nil
}

// values are properties as a caller sends them. HubSpot turns numbers and
// bools into text; null clears, as "" does.
type values map[string]string

func (v *values) UnmarshalJSON(raw []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	*v = make(values, len(fields))
	for name, field := range fields {
		var text string
		switch {
		case string(field) == "null":
		case json.Unmarshal(field, &text) == nil:
		case len(field) > 0 && (field[0] == '{' || field[0] == '['):
			return fmt.Errorf("property %s is no scalar", name)
		default:
			text = string(field)
		}
		(*v)[name] = text
	}
	return nil
}

type createInput struct {
	Properties   values `json:"properties"`
	Associations []struct {
		To    struct{ ID looseID } `json:"to"`
		Types []typeInput          `json:"types"`
	} `json:"associations"`
	TraceID string `json:"objectWriteTraceId"`
}

type typeInput struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// looseID takes "1" and 1.
type looseID string

func (l *looseID) UnmarshalJSON(raw []byte) error {
	var text string
	switch {
	case string(raw) == "null":
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	case raw[0] == '{' || raw[0] == '[':
		return fmt.Errorf("neither text nor a number")
	default:
		text = string(raw)
	}
	*l = looseID(text)
	return nil
}

// propertyProblem is one refused property.
type propertyProblem struct {
	IsValid               bool   `json:"isValid"`
	Message               string `json:"message"`
	Error                 string `json:"error"`
	Name                  string `json:"name"`
	LocalizedErrorMessage string `json:"localizedErrorMessage"`
	PortalID              int64  `json:"portalId"`
}

func (p *portal) propertyProblem(name, code, message string) propertyProblem {
	return propertyProblem{Message: message, Error: code, Name: name, LocalizedErrorMessage: message, PortalID: p.HubID}
}

func invalidProperties(list []propertyProblem) reply {
	var errors []any
	for _, p := range list {
		errors = append(errors, map[string]any{
			"message": p.Message, "code": p.Error, "context": map[string]any{"propertyName": []string{p.Name}},
		})
	}
	return problem(http.StatusBadRequest, "VALIDATION_ERROR",
		"Property values were not valid: "+string(encode(list)), "errors", errors)
}

// check looks at each value to be written, and gives it back as HubSpot
// would store it.
func (q *request) check(t *objectType, in values, old map[string]string) (values, []propertyProblem) {
	out := make(values, len(in))
	var bad []propertyProblem
	for _, name := range sortedKeys(in) {
		value := in[name]
		def := t.Properties[name]
		if def == nil || def.Archived {
			bad = append(bad, q.portal.propertyProblem(name, "PROPERTY_DOESNT_EXIST", fmt.Sprintf("Property %q does not exist", name)))
			continue
		}
		if def.ReadOnly && !q.silent {
			bad = append(bad, q.portal.propertyProblem(name, "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", name)))
			continue
		}
		if u := q.user(); u != nil && (slices.Contains(u.ReadOnlyProperties, t.Name+"."+name) || u.hides(t, name)) {
			bad = append(bad, q.portal.propertyProblem(name, "PROPERTY_NOT_EDITABLE", fmt.Sprintf("The user may not edit %q.", name)))
			continue
		}
		if value == "" {
			out[name] = ""
			continue
		}
		stored, code := q.portal.allowed(t, def, value, in, old)
		if code != "" {
			bad = append(bad, q.portal.propertyProblem(name, code, fmt.Sprintf("%q was not valid for property %q.", value, name)))
			continue
		}
		out[name] = stored
	}
	return out, bad
}

// allowed checks one value; code is empty if it is.
func (p *portal) allowed(t *objectType, def *property, value string, in values, old map[string]string) (stored, code string) {
	switch def.Name {
	case "email":
		if t.ID == "0-1" {
			address, err := mail.ParseAddress(value)
			if err != nil || address.Address != value || !strings.Contains(value[strings.LastIndex(value, "@"):], ".") {
				return "", "INVALID_EMAIL"
			}
			return strings.ToLower(value), ""
		}
	case "hubspot_owner_id":
		for _, u := range p.Users {
			if u.OwnerID == value {
				return value, ""
			}
		}
		return "", "INVALID_OWNER_ID"
	case "pipeline", "hs_pipeline":
		for _, one := range p.Pipelines[t.ID] {
			if one.ID == value && !one.Archived {
				return value, ""
			}
		}
		return "", "INVALID_OPTION"
	case "dealstage", "hs_pipeline_stage":
		name := "pipeline"
		if t.ID == "0-5" {
			name = "hs_pipeline"
		}
		want := in[name]
		if want == "" {
			want = old[name]
		}
		for _, one := range p.Pipelines[t.ID] {
			if want != "" && one.ID != want {
				continue
			}
			for _, s := range one.Stages {
				if s.ID == value && !s.Archived {
					return value, ""
				}
			}
		}
		return "", "INVALID_OPTION"
	}
	switch def.Type {
	case "number":
		if !decimal.MatchString(value) {
			return "", "INVALID_INTEGER"
		}
	case "bool":
		if value != "true" && value != "false" {
			return "", "INVALID_BOOLEAN"
		}
	case "date", "datetime":
		at, ok := parseTime(value)
		if !ok {
			return "", "INVALID_DATE"
		}
		if def.Type == "datetime" {
			return formatTime(at), ""
		}
		if at != at.Truncate(24*time.Hour) {
			return "", "INVALID_DATE"
		}
		return at.Format("2006-01-02"), ""
	case "enumeration":
		if len(def.Options) == 0 {
			return value, ""
		}
		wanted := []string{value}
		if def.FieldType == "checkbox" {
			wanted = splitMulti(value)
			if strings.HasPrefix(value, ";") {
				wanted = append(splitMulti(old[def.Name]), wanted...)
			}
		}
		var kept []string
		for _, w := range wanted {
			if !slices.ContainsFunc(def.Options, func(o option) bool { return o.Value == w }) {
				return "", "INVALID_OPTION"
			}
			if !slices.Contains(kept, w) {
				kept = append(kept, w)
			}
		}
		return strings.Join(kept, ";"), ""
	case "string":
		if len(value) > 65536 {
			return "", "PROPERTY_VALUE_TOO_LONG"
		}
	}
	return value, ""
}

// decimal is how a number may be written: not as Go may (NaN, 0x1p-2, 1_000).
var decimal = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$`)

// hides says that the user may not see a property.
func (u *User) hides(t *objectType, name string) bool {
	return slices.Contains(u.HiddenProperties, t.Name+"."+name)
}

func splitMulti(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ';' })
}

func parseTime(value string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02"} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC(), true
		}
	}
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	return time.Time{}, false
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// uniqueNames are the properties of a type whose values must be unique; they
// are worked out anew after redefined.
func (t *objectType) uniqueNames() []string {
	if t.unique == nil {
		t.unique = []string{}
		for name, p := range t.Properties {
			if p.HasUniqueValue {
				t.unique = append(t.unique, name)
			}
		}
		slices.Sort(t.unique)
	}
	return t.unique
}

// redefined must follow every change to a type's properties.
func (t *objectType) redefined() { t.unique = nil }

func (s *Server) find(p *portal, t *objectType, name, value string) *record {
	if name == "" || name == "hs_object_id" {
		r := p.Records[t.ID][value]
		// A merged record answers as the one that it went into.
		for r != nil && r.MergedInto != "" {
			r = p.Records[t.ID][r.MergedInto]
		}
		return r
	}
	id := s.index[uniqueKey{p.HubID, t.ID, name, strings.ToLower(value)}]
	return p.Records[t.ID][id]
}

func (s *Server) addToIndex(p *portal, t *objectType, r *record) {
	if r.Archived || t == nil {
		return
	}
	s.eachUnique(p, t, r, func(k uniqueKey) { s.index[k] = r.ID })
}

func (s *Server) removeFromIndex(p *portal, t *objectType, r *record) {
	s.eachUnique(p, t, r, func(k uniqueKey) {
		if s.index[k] == r.ID {
			delete(s.index, k)
		}
	})
}

func (s *Server) eachUnique(p *portal, t *objectType, r *record, do func(uniqueKey)) {
	for _, name := range t.uniqueNames() {
		if v := r.Props[name]; v != "" {
			do(uniqueKey{p.HubID, t.ID, name, strings.ToLower(v)})
		}
	}
	if t.ID == "0-1" {
		for _, v := range splitMulti(r.Props["hs_additional_emails"]) {
			do(uniqueKey{p.HubID, t.ID, "email", strings.ToLower(v)})
		}
	}
}

// clash answers a write of a value that another record has. A contact's e-mail
// on create is a 409; everything else is a 400 that names two records.
func (q *request) clash(t *objectType, in values, self string, taken map[uniqueKey]bool) *reply {
	for _, name := range t.uniqueNames() {
		value := in[name]
		if value == "" {
			continue
		}
		key := uniqueKey{q.portal.HubID, t.ID, name, strings.ToLower(value)}
		holder := q.s.index[key]
		if taken[key] && holder == "" {
			holder = "0"
		}
		if holder == "" || holder == self {
			taken[key] = true
			continue
		}
		var out reply
		if t.ID == "0-1" && name == "email" && self == "" && !q.secondary(holder, value) {
			out = problem(http.StatusConflict, "CONFLICT", "Contact already exists. Existing ID: "+holder)
		} else {
			// HubSpot names a half-made record first, then the holder.
			mine := self
			if mine == "" {
				mine = strconv.FormatInt(q.s.st.newID(), 10)
			}
			out = invalid("Cannot set PropertyValueCoordinates{portalId=%d, objectTypeId=ObjectTypeId{legacyObjectType=%s}, propertyName=%s, value=%s} on %s. %s already has that value.",
				q.portal.HubID, upperSingular(t), name, value, mine, holder)
		}
		return &out
	}
	return nil
}

func (q *request) secondary(id, email string) bool {
	r := q.portal.Records["0-1"][id]
	return r != nil && !strings.EqualFold(r.Props["email"], email)
}

// prepareCreate checks everything about a create and returns the deed.
func (q *request) prepareCreate(t *objectType, in createInput, taken map[uniqueKey]bool) (func() *record, *reply) {
	props := maps.Clone(in.Properties)
	if props == nil {
		props = values{}
	}
	if t.ID == "0-3" && props["pipeline"] == "" {
		props["pipeline"] = "default"
	}
	if t.ID == "0-5" && props["hs_pipeline"] == "" {
		props["hs_pipeline"] = "0"
	}
	stored, bad := q.check(t, props, nil)
	missing := func(name string) {
		bad = append(bad, q.portal.propertyProblem(name, "MISSING_REQUIRED_PROPERTY", fmt.Sprintf("Property %q is required.", name)))
	}
	for _, name := range t.Required {
		if props[name] == "" {
			missing(name)
		}
	}
	if len(t.RequiredAny) > 0 && !slices.ContainsFunc(t.RequiredAny, func(n string) bool { return props[n] != "" }) {
		missing(t.RequiredAny[0])
	}
	bad = append(bad, q.broken(t, nil, props)...)
	if len(bad) > 0 {
		out := invalidProperties(bad)
		return nil, &out
	}
	type end struct {
		to    *objectType
		id    string
		types []typeInput
	}
	var ends []end
	for _, a := range in.Associations {
		for _, ty := range a.Types {
			to := q.portal.targetOf(t, ty)
			if to == nil {
				out := invalid("Invalid association type: %s %d is not an association type from %s", ty.Category, ty.TypeID, t.Name)
				return nil, &out
			}
			if r := q.portal.Records[to.ID][string(a.To.ID)]; r == nil || r.Archived {
				out := invalid("No %s with ID %s exists to associate with", to.Singular, a.To.ID)
				return nil, &out
			}
			ends = append(ends, end{to, string(a.To.ID), []typeInput{ty}})
		}
	}
	if refused := q.clash(t, stored, "", taken); refused != nil {
		return nil, refused
	}
	return func() *record {
		r := q.insert(t, stored)
		for _, e := range ends {
			q.link(t, r.ID, e.to, e.id, e.types, false)
		}
		return r
	}, nil
}

// insert stores a new record.
func (q *request) insert(t *objectType, props values) *record {
	now := q.s.now()
	r := &record{
		ID: strconv.FormatInt(q.s.st.newID(), 10), Props: make(map[string]string, len(props)+12), History: make(map[string][]version, len(props)),
		CreatedAt: now, UpdatedAt: now, Seeded: q.silent,
	}
	source, sourceID, label, detail := q.source()
	r.Props["hs_object_id"] = r.ID
	for name, value := range map[string]string{
		"hs_object_source": source, "hs_object_source_id": sourceID, "hs_object_source_label": label, "hs_object_source_detail_1": detail,
	} {
		if value != "" {
			r.Props[name] = value
		}
	}
	if by := q.author(); by != 0 {
		r.Props["hs_object_source_user_id"] = strconv.FormatInt(by, 10)
		r.Props["hs_created_by_user_id"] = r.Props["hs_object_source_user_id"]
	}
	r.Props[t.created()] = formatTime(now)
	p := q.portal
	if p.Records[t.ID] == nil {
		p.Records[t.ID] = map[string]*record{}
	}
	p.Records[t.ID][r.ID] = r
	// IDs only grow, so that the order of creation is kept by appending.
	p.ordered[t.ID] = append(p.ordered[t.ID], r)
	q.tell(change{kind: created, t: t, id: r.ID})
	q.apply(t, r, props)
	q.log(Write{ObjectType: t.Name, ID: r.ID, Operation: "create", Properties: props})
	if t.ID == "0-1" && p.Settings.AutoCompany && !q.silent {
		q.s.later(now.Add(p.Settings.AutoCompanyAfter), q.autoCompany(r.ID))
	}
	return r
}

// mailboxDomains are of nobody's company. HubSpot's list is longer.
var mailboxDomains = []string{"gmail.com", "googlemail.com", "yahoo.com", "outlook.com", "hotmail.com", "icloud.com", "aol.com", "gmx.de", "gmx.net", "web.de"}

// autoCompany does what an account does by itself for a new contact.
func (q *request) autoCompany(contactID string) func() {
	s, p := q.s, q.portal
	return func() {
		contact := p.Records["0-1"][contactID]
		if contact == nil || contact.Archived {
			return
		}
		_, domain, ok := strings.Cut(contact.Props["email"], "@")
		if !ok || slices.Contains(mailboxDomains, domain) || len(p.Links[linkKey("0-1", contactID, "0-2")]) > 0 {
			return
		}
		self := &request{s: s, portal: p, endpoint: "automatic company"}
		companies := p.Types["0-2"]
		var company *record
		for _, r := range p.known[knownKey{"0-2", "domain", strings.ToLower(domain)}] {
			if !r.Archived && strings.EqualFold(r.Props["domain"], domain) && (company == nil || number(r.ID) < number(company.ID)) {
				company = r
			}
		}
		if company == nil {
			name, _, _ := strings.Cut(domain, ".")
			company = self.insert(companies, values{"domain": domain, "name": name})
		}
		self.link(p.Types["0-1"], contactID, companies, company.ID, []typeInput{{hubspotDefined, 1}}, false)
	}
}

// apply sets values of a record, with history and search's lag.
func (q *request) apply(t *objectType, r *record, props values) {
	now := q.s.now()
	if lag := q.portal.Settings.SearchLag; lag > 0 {
		if !now.Before(r.UpdatedAt.Add(lag)) && r.CreatedAt != now {
			r.Indexed = maps.Clone(r.Props)
		}
	} else {
		r.Indexed = nil
	}
	q.s.removeFromIndex(q.portal, t, r)
	source, sourceID, _, _ := q.source()
	by := q.author()
	for _, name := range sortedKeys(props) {
		value := props[name]
		if r.Props[name] == value {
			continue
		}
		if value == "" {
			delete(r.Props, name)
		} else {
			r.Props[name] = value
		}
		r.History[name] = append([]version{{Value: value, At: now, Source: source, SourceID: sourceID, UpdatedBy: by}}, r.History[name]...)
		q.tell(change{kind: propertyChanged, t: t, id: r.ID, property: name, value: value})
	}
	if t.ID == "0-1" {
		if _, domain, ok := strings.Cut(r.Props["email"], "@"); ok {
			r.Props["hs_email_domain"] = domain
		}
	}
	r.UpdatedAt = now
	r.Props[t.modified()] = formatTime(now)
	delete(r.Props, "hs_updated_by_user_id")
	if by != 0 {
		r.Props["hs_updated_by_user_id"] = strconv.FormatInt(by, 10)
	}
	q.s.addToIndex(q.portal, t, r)
	q.portal.remember(t, r, props)
}

func (q *request) log(w Write) {
	if q.endpoint == "" {
		return // seeded, or done by a user in HubSpot
	}
	w.Seq, w.At, w.HubID, w.Endpoint = len(q.s.st.Writes)+1, q.s.now(), q.portal.HubID, strings.TrimSpace(q.method+" "+q.endpoint)
	if q.app != nil {
		w.ClientID, w.UserID = q.app.ClientID, q.token.UserID
	}
	w.Properties = maps.Clone(w.Properties)
	q.s.st.Writes = append(q.s.st.Writes, w)
}

type view struct {
	properties, history, associations []string
}

func (q *request) view() view {
	list := func(name string) []string {
		var out []string
		for _, v := range q.query[name] {
			out = append(out, strings.FieldsFunc(v, func(r rune) bool { return r == ',' })...)
		}
		return out
	}
	return view{list("properties"), list("propertiesWithHistory"), list("associations")}
}

func (s *Server) recordURL(hub int64, typeID, id string) string {
	return fmt.Sprintf("%s/contacts/%d/record/%s/%s", s.URL, hub, typeID, id)
}

func (q *request) render(t *objectType, r *record, v view) map[string]any {
	u := q.user()
	props := make(map[string]any, len(v.properties)+len(v.history)+8)
	show := func(name string) {
		def := t.Properties[name]
		if def == nil || def.Archived || u != nil && u.hides(t, name) {
			return
		}
		if value, ok := r.Props[name]; ok {
			props[name] = value
		} else if !q.portal.Settings.OmitUnset {
			props[name] = nil
		}
	}
	for _, list := range [][]string{v.properties, v.history, t.always()} {
		for _, name := range list {
			show(name)
		}
	}
	if len(v.properties)+len(v.history) == 0 {
		for _, name := range t.Defaults {
			show(name)
		}
	}
	out := map[string]any{
		"id": r.ID, "properties": props, "createdAt": formatTime(r.CreatedAt), "updatedAt": formatTime(r.UpdatedAt),
		"archived": r.Archived, "url": q.s.recordURL(q.portal.HubID, t.ID, r.ID),
	}
	if r.Archived {
		out["archivedAt"] = formatTime(r.ArchivedAt)
	}
	if len(v.history) > 0 {
		history := map[string]any{}
		for _, name := range v.history {
			if def := t.Properties[name]; def == nil || u != nil && u.hides(t, name) {
				continue
			}
			versions := []any{}
			for _, h := range r.History[name] {
				one := map[string]any{"value": h.Value, "timestamp": formatTime(h.At), "sourceType": h.Source}
				if h.SourceID != "" {
					one["sourceId"] = h.SourceID
				}
				if h.UpdatedBy != 0 {
					one["updatedByUserId"] = h.UpdatedBy
				}
				versions = append(versions, one)
			}
			history[name] = versions
		}
		out["propertiesWithHistory"] = history
	}
	if len(v.associations) > 0 {
		found := map[string]any{}
		for _, name := range v.associations {
			if to := q.portal.typeOf(name); to != nil {
				if rows := q.portal.associationRows(t, r.ID, to); len(rows) > 0 {
					found[to.Name] = map[string]any{"results": rows}
				}
			}
		}
		if len(found) > 0 {
			out["associations"] = found
		}
	}
	return out
}

func createRecord(q *request, t *objectType) reply {
	var in createInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	do, refused := q.prepareCreate(t, in, map[uniqueKey]bool{})
	if refused != nil {
		return *refused
	}
	r := do()
	return reply{status: http.StatusCreated, body: q.render(t, r, view{properties: sortedKeys(r.Props)})}
}

func readRecord(q *request, t *objectType) reply {
	name := q.query.Get("idProperty")
	if refused := checkIDProperty(t, name); refused != nil {
		return *refused
	}
	r := q.s.find(q.portal, t, name, q.vars["id"])
	if r == nil || r.Archived != (q.query.Get("archived") == "true") {
		return notFound()
	}
	return reply{status: http.StatusOK, body: q.render(t, r, q.view())}
}

func checkIDProperty(t *objectType, name string) *reply {
	if name == "" || name == "hs_object_id" {
		return nil
	}
	if p := t.Properties[name]; p == nil || p.Archived || !p.HasUniqueValue {
		out := invalid("The property %s is not a unique property of %s and cannot be used as idProperty", name, t.Name)
		return &out
	}
	return nil
}

func listRecords(q *request, t *objectType) reply {
	limit, refused := q.limitParam(10, 100)
	if refused != nil {
		return *refused
	}
	after, _ := strconv.ParseInt(q.query.Get("after"), 10, 64)
	archived := q.query.Get("archived") == "true"
	results := []any{}
	out := map[string]any{}
	shown := q.view()
	all := q.portal.ordered[t.ID]
	from, _ := slices.BinarySearchFunc(all, after, func(r *record, n int64) int { return cmp.Compare(number(r.ID), n) })
	for _, r := range all[from:] {
		if r.Archived != archived || r.MergedInto != "" {
			continue
		}
		if len(results) == limit {
			out["paging"] = map[string]any{"next": map[string]any{"after": r.ID, "link": q.s.URL + "/" + strings.Join(q.segments, "/") + "?after=" + r.ID}}
			break
		}
		results = append(results, q.render(t, r, shown))
	}
	out["results"] = results
	return reply{status: http.StatusOK, body: out}
}

func (q *request) limitParam(usual, most int) (int, *reply) {
	text := q.query.Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		out := invalid("limit must be between 1 and %d", most)
		return 0, &out
	}
	return n, nil
}

// sortedRecords are in the order of their creation.
func sortedRecords(m map[string]*record) []*record {
	out := make([]*record, 0, len(m))
	for _, r := range m {
		out = append(out, r)
	}
	slices.SortFunc(out, byID)
	return out
}

func byID(a, b *record) int {
	if n := len(a.ID) - len(b.ID); n != 0 {
		return n
	}
	return strings.Compare(a.ID, b.ID)
}

type updateInput struct {
	ID         looseID `json:"id"`
	IDProperty string  `json:"idProperty"`
	Properties values  `json:"properties"`
	TraceID    string  `json:"objectWriteTraceId"`
}

// prepareUpdate checks everything about an update and returns the deed.
func (q *request) prepareUpdate(t *objectType, r *record, in values, taken map[uniqueKey]bool) (func() *record, *reply) {
	stored, bad := q.check(t, in, r.Props)
	bad = append(bad, q.broken(t, r.Props, in)...)
	if len(bad) > 0 {
		out := invalidProperties(bad)
		return nil, &out
	}
	if refused := q.clash(t, stored, r.ID, taken); refused != nil {
		return nil, refused
	}
	return func() *record {
		q.apply(t, r, stored)
		q.log(Write{ObjectType: t.Name, ID: r.ID, Operation: "update", Properties: stored})
		return r
	}, nil
}

func updateRecord(q *request, t *objectType) reply {
	var in struct {
		Properties values `json:"properties"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	name := q.query.Get("idProperty")
	if refused := checkIDProperty(t, name); refused != nil {
		return *refused
	}
	r := q.s.find(q.portal, t, name, q.vars["id"])
	if r == nil || r.Archived {
		return notFound()
	}
	do, refused := q.prepareUpdate(t, r, in.Properties, map[uniqueKey]bool{})
	if refused != nil {
		return *refused
	}
	do()
	return reply{status: http.StatusOK, body: q.render(t, r, view{properties: append(sortedKeys(in.Properties), t.Defaults...)})}
}

func (q *request) archive(t *objectType, r *record) {
	if r == nil || r.Archived {
		return
	}
	q.s.removeFromIndex(q.portal, t, r)
	r.Archived, r.ArchivedAt = true, q.s.now()
	r.UpdatedAt = r.ArchivedAt
	q.tell(change{kind: deleted, t: t, id: r.ID})
	q.log(Write{ObjectType: t.Name, ID: r.ID, Operation: "archive"})
}

// restore takes a record out of the recycle bin; only users can.
func (q *request) restore(t *objectType, r *record) error {
	switch {
	case r == nil || !r.Archived || r.MergedInto != "":
		return fmt.Errorf("it is not in the recycle bin")
	case q.s.now().After(r.ArchivedAt.Add(recycleBinKeeps)):
		return fmt.Errorf("it was archived more than 90 days ago")
	}
	for _, name := range t.uniqueNames() {
		if v := r.Props[name]; v != "" && q.s.find(q.portal, t, name, v) != nil {
			return fmt.Errorf("another record has its %s by now", name)
		}
	}
	r.Archived, r.ArchivedAt, r.UpdatedAt = false, time.Time{}, q.s.now()
	q.s.addToIndex(q.portal, t, r)
	q.tell(change{kind: restored, t: t, id: r.ID})
	return nil
}

func archiveRecord(q *request, t *objectType) reply {
	// Not find: a merged record's old ID must not archive the one it went into.
	q.archive(t, q.portal.Records[t.ID][q.vars["id"]])
	return reply{status: http.StatusNoContent}
}

func gdprDelete(q *request, t *objectType) reply {
	var in struct {
		ObjectID   looseID `json:"objectId"`
		IDProperty string  `json:"idProperty"`
	}
	if t.ID != "0-1" {
		// Only contacts have it.
		return notFound()
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := checkIDProperty(t, in.IDProperty); refused != nil {
		return *refused
	}
	r := q.s.find(q.portal, t, in.IDProperty, string(in.ObjectID))
	if r == nil {
		return notFound()
	}
	q.forget(t, r)
	return reply{status: http.StatusNoContent}
}

// forget deletes a record for good.
func (q *request) forget(t *objectType, r *record) {
	p := q.portal
	q.s.removeFromIndex(p, t, r)
	delete(p.Records[t.ID], r.ID)
	p.ordered[t.ID] = slices.DeleteFunc(p.ordered[t.ID], func(one *record) bool { return one == r })
	for key, list := range p.known {
		if slices.Contains(list, r) {
			p.known[key] = slices.DeleteFunc(slices.Clone(list), func(one *record) bool { return one == r })
		}
	}
	p.unlinkAll(t, r.ID)
	q.tell(change{kind: deleted, t: t, id: r.ID})
	q.tell(change{kind: privacyDeleted, t: t, id: r.ID})
	q.log(Write{ObjectType: t.Name, ID: r.ID, Operation: "gdpr-delete"})
}

func mergeRecords(q *request, t *objectType) reply {
	var in struct {
		Primary looseID `json:"primaryObjectId"`
		Merged  looseID `json:"objectIdToMerge"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	primary, gone := q.s.find(q.portal, t, "", string(in.Primary)), q.s.find(q.portal, t, "", string(in.Merged))
	if primary == nil || gone == nil || primary.Archived || gone.Archived {
		return notFound()
	}
	if primary == gone {
		return invalid("A record cannot be merged into itself")
	}
	q.merge(t, primary, gone)
	return reply{status: http.StatusOK, body: q.render(t, primary, view{})}
}

// merge gives a record's values (where the other has none), addresses and
// associations to another; the old ID goes on to lead there.
func (q *request) merge(t *objectType, primary, gone *record) {
	p := q.portal
	q.s.removeFromIndex(p, t, gone)
	add := values{}
	for name, value := range gone.Props {
		if def := t.Properties[name]; primary.Props[name] == "" && def != nil && !def.ReadOnly {
			add[name] = value
		}
	}
	if t.ID == "0-1" && gone.Props["email"] != "" && primary.Props["email"] != "" {
		more := append(splitMulti(primary.Props["hs_additional_emails"]), gone.Props["email"])
		more = append(more, splitMulti(gone.Props["hs_additional_emails"])...)
		add["hs_additional_emails"] = strings.Join(more, ";")
	}
	for toType := range p.Types {
		for id, links := range p.Links[linkKey(t.ID, gone.ID, toType)] {
			for _, l := range links {
				if toType != t.ID || id != primary.ID {
					p.addLink(t.ID, primary.ID, toType, id, l)
				}
			}
		}
	}
	p.unlinkAll(t, gone.ID)
	gone.Archived, gone.ArchivedAt, gone.MergedInto = true, q.s.now(), primary.ID
	q.apply(t, primary, add)
	primary.Props["hs_merged_object_ids"] = strings.Join(append(splitMulti(primary.Props["hs_merged_object_ids"]), gone.ID), ";")
	q.tell(change{kind: merged, t: t, id: primary.ID, mergedIDs: []string{gone.ID}, moved: len(add)})
	q.log(Write{ObjectType: t.Name, ID: primary.ID, Operation: "merge", ToID: gone.ID, ToType: t.Name})
}
