package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// meaning is what a request asks for: one read, or writes.
type meaning struct {
	read   *read
	writes []write
	// batch: the answer is a list, even of one.
	batch bool
	// links: the writes link records, and the answer says so.
	links *links
}

// read is one request that shows something, through all of its tools.
type read struct {
	tools []policy.Tool
	// what is for the trail: no value, no address.
	what       string
	properties []string
	request    hubspot.RawRequest
}

// write is one record to be created or updated.
type write struct {
	tool policy.Tool
	// kind is HubSpot's name of the object type, and version the API's, to read the
	// record by.
	kind objectType
	root string
	// id is the record's, or, with idProperty, that property's value. An upsert's tool
	// is known when it was looked for.
	id, idProperty string
	upsert         bool
	properties     map[string]string
	associations   []store.AssociationRef
	traceID        string
}

// links are the ends of plain associations.
type links struct {
	from, to objectType
	pairs    [][2]string
	// single: the request was about one pair.
	single bool
}

// objectType is a type of records by our name and HubSpot's.
type objectType struct{ ours, theirs string }

func (t objectType) tool(o policy.Operation) policy.Tool {
	return policy.Tool{Object: t.ours, Operation: o}
}

// known are the object types that there are tools for.
var known = []objectType{
	{"contact", hubspot.Contacts},
	{"company", hubspot.Companies},
	{"deal", hubspot.Deals},
	{"ticket", hubspot.Tickets},
	{"note", hubspot.Notes},
	{"task", hubspot.Tasks},
	{"meeting", hubspot.Meetings},
}

// findType knows a type by any name that HubSpot takes for it.
func findType(name string) (objectType, *refusal) {
	for _, t := range known {
		id, _ := hubspot.ObjectTypeID(t.theirs)
		if name == t.ours || name == t.theirs || name == id {
			return t, nil
		}
	}
	if _, err := policy.CustomTools(name); err == nil {
		return objectType{name, name}, nil
	}
	return objectType{}, undescribed("No tool of Debrief's is about the object type %s.", quoted(name))
}

// What may stand in places of a request.
var (
	number       = regexp.MustCompile(`^[0-9]{1,20}$`)
	propertyName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,200}$`)
	cursor       = regexp.MustCompile(`^[A-Za-z0-9_=+/.%-]{1,500}$`)
	pipelineID   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	traceID      = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,200}$`)
)

const (
	dated = hubspot.APIVersion
	// mostValue bounds a value by which a record is looked for.
	mostValue = 500
)

// understand says what a request means, or why nobody can tell. The path and the query
// are as they came.
func understand(method, path, query string, body payload) (meaning, *refusal) {
	segments, r := split(path)
	if r != nil {
		return meaning{}, r
	}
	q, r := parseQuery(query)
	if r != nil {
		return meaning{}, r
	}
	p := &parser{method: method, query: q, body: body}
	m, r := p.route(segments)
	if r != nil {
		return meaning{}, r
	}
	if r := p.rest(); r != nil {
		return meaning{}, r
	}
	return m, nil
}

// split takes a path apart. What could be read in two ways is refused.
func split(path string) ([]string, *refusal) {
	odd := malformed("The path is not written as HubSpot's API has it: no empty parts, no dots, nothing encoded that means something in a path.")
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || len(path) > 2000 {
		return nil, odd
	}
	// HubSpot's own client ends its list of owners so.
	rest = strings.TrimSuffix(rest, "/")
	var segments []string
	for _, raw := range strings.Split(rest, "/") {
		s, err := url.PathUnescape(raw)
		if err != nil || s == "" || strings.Trim(s, ".") == "" || strings.ContainsAny(s, "/\\?#%;{}") || strings.ContainsFunc(s, notPlain) {
			return nil, odd
		}
		segments = append(segments, s)
	}
	if path != "/" && strings.HasSuffix(path, "/") && !slices.Contains(segments, "owners") {
		return nil, odd
	}
	return segments, nil
}

func notPlain(r rune) bool { return r <= ' ' || r == 0x7f || r > 0x7e }

func parseQuery(raw string) (url.Values, *refusal) {
	q, err := url.ParseQuery(raw)
	if err != nil || len(raw) > 20_000 {
		return nil, malformed("The query can't be read.")
	}
	return q, nil
}

// parser reads one request.
type parser struct {
	method string
	query  url.Values
	body   payload
	took   bool // the body was read
}

// payload is a request's body, or what is wrong with it: that is said where one is
// wanted. What no tool describes is refused for that, whatever it sends.
type payload struct {
	raw     []byte
	problem *refusal
}

// route finds out what the path is about.
func (p *parser) route(s []string) (meaning, *refusal) {
	switch {
	case s[0] == "oauth":
		return meaning{}, undescribed("Tokens are Debrief's own affair: a script neither gets, inspects nor revokes one.")
	case starts(s, "crm", "v3", "objects"):
		return p.objects("/crm/v3/objects/", s[3:])
	case starts(s, "crm", "objects", dated):
		return p.objects("/crm/objects/"+dated+"/", s[3:])
	case starts(s, "crm", "v4", "objects") && len(s) > 5 && s[5] == "associations":
		return p.objects("/crm/v4/objects/", s[3:])
	case starts(s, "crm", "v4", "associations"), starts(s, "crm", "associations", dated):
		return p.associations("/"+strings.Join(s[:3], "/")+"/", s[3:])
	case starts(s, "crm", "v3", "owners"), starts(s, "crm", "owners", dated):
		return p.owners("/"+strings.Join(s[:3], "/"), s[3:])
	case starts(s, "crm", "v3", "pipelines"), starts(s, "crm", "pipelines", dated):
		return p.pipelines("/"+strings.Join(s[:3], "/")+"/", s[3:])
	case starts(s, "crm", "v3", "properties"), starts(s, "crm", "properties", dated):
		return p.properties("/"+strings.Join(s[:3], "/")+"/", s[3:])
	}
	return p.none()
}

func starts(s []string, with ...string) bool {
	return len(s) >= len(with) && slices.Equal(s[:len(with)], with)
}

// none is for what no tool describes.
func (p *parser) none() (meaning, *refusal) {
	if p.method == http.MethodDelete {
		return meaning{}, undescribed("Scripts delete and archive nothing through Debrief.")
	}
	return meaning{}, undescribed("No tool of Debrief's describes this request.")
}

// rest refuses what was not read: it could have meant something.
func (p *parser) rest() *refusal {
	for name := range p.query {
		return malformed("Debrief does not know the query parameter %s here: leave it out.", quoted(name))
	}
	if (len(p.body.raw) > 0 || p.body.problem != nil) && !p.took {
		return malformed("This request takes no body.")
	}
	return nil
}

func (p *parser) objects(root string, s []string) (meaning, *refusal) {
	if len(s) == 0 {
		return p.none()
	}
	t, r := findType(s[0])
	if r != nil {
		return meaning{}, r
	}
	v4 := strings.HasPrefix(root, "/crm/v4/")
	switch {
	case len(s) >= 4 && s[2] == "associations":
		return p.recordAssociations(root, t, s[1], s[3:])
	case v4:
		return p.none()
	case len(s) == 1 && p.method == http.MethodGet:
		return p.list(root, t)
	case len(s) == 1 && p.method == http.MethodPost:
		return p.create(root, t)
	case len(s) == 2 && s[1] == "search" && p.method == http.MethodPost:
		return p.search(root, t)
	case len(s) == 2 && (s[1] == "search" || s[1] == "batch" || s[1] == "merge" || s[1] == "gdpr-delete"):
		return p.none()
	case len(s) == 2 && p.method == http.MethodGet:
		return p.get(root, t, s[1])
	case len(s) == 2 && p.method == http.MethodPatch:
		return p.update(root, t, s[1])
	case len(s) == 3 && s[1] == "batch" && p.method == http.MethodPost:
		switch s[2] {
		case "read":
			return p.batchRead(root, t)
		case "create", "update", "upsert":
			return p.batchWrite(root, t, s[2])
		}
	}
	return p.none()
}

// shows makes the meaning of a read.
func shows(what string, tools []policy.Tool, properties []string, in hubspot.RawRequest) (meaning, *refusal) {
	return meaning{read: &read{tools: tools, what: what, properties: properties, request: in}}, nil
}

func (p *parser) get(root string, t objectType, id string) (meaning, *refusal) {
	q, tools, properties, r := p.readQuery(t)
	if r != nil {
		return meaning{}, r
	}
	if r := p.recordID(id, q); r != nil {
		return meaning{}, r
	}
	return shows("reading a "+t.ours+" for a script", tools, properties, hubspot.RawRequest{
		Method: http.MethodGet, Endpoint: root + t.theirs + "/{id}", Args: []string{id}, Query: q,
	})
}

// recordID checks how a record is named, and takes idProperty over.
func (p *parser) recordID(id string, q url.Values) *refusal {
	by, r := p.one("idProperty", propertyName)
	if r != nil {
		return r
	}
	if by != "" {
		q.Set("idProperty", by)
	}
	return checkID(id, by)
}

func checkID(id, by string) *refusal {
	switch {
	case by == "" && !number.MatchString(id):
		return malformed("A record's ID is a number, or else idProperty says which property's value it is.")
	case len(id) > mostValue:
		return malformed("The value by which a record is named is too long.")
	}
	return nil
}

func (p *parser) list(root string, t objectType) (meaning, *refusal) {
	q, tools, properties, r := p.readQuery(t)
	if r != nil {
		return meaning{}, r
	}
	if r := p.page(q, 100); r != nil {
		return meaning{}, r
	}
	return shows("listing "+t.theirs+" for a script", tools, properties, hubspot.RawRequest{
		Method: http.MethodGet, Endpoint: root + t.theirs, Query: q,
	})
}

// readQuery reads what a read of records may say, and finds the tools that it needs.
func (p *parser) readQuery(t objectType) (q url.Values, tools []policy.Tool, properties []string, r *refusal) {
	q, tools = url.Values{}, []policy.Tool{t.tool(policy.Read)}
	for _, name := range []string{"properties", "propertiesWithHistory"} {
		names, r := p.names(name)
		if r != nil {
			return nil, nil, nil, r
		}
		if len(names) > 0 {
			q.Set(name, strings.Join(names, ","))
			properties = append(properties, names...)
		}
	}
	others, r := p.names("associations")
	if r != nil {
		return nil, nil, nil, r
	}
	var linked []string
	for _, name := range others {
		other, r := findType(name)
		if r != nil {
			return nil, nil, nil, r
		}
		linked = append(linked, other.theirs)
		tools = with(tools, other.tool(policy.Read))
	}
	if len(linked) > 0 {
		q.Set("associations", strings.Join(linked, ","))
	}
	return q, tools, properties, p.archived(q)
}

func with(tools []policy.Tool, t policy.Tool) []policy.Tool {
	if slices.Contains(tools, t) {
		return tools
	}
	return append(tools, t)
}

// one takes a query parameter that stands once at most.
func (p *parser) one(name string, shape *regexp.Regexp) (string, *refusal) {
	values := p.query[name]
	delete(p.query, name)
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || values[0] != "" && !shape.MatchString(values[0]):
		return "", malformed("The query parameter %s is not as HubSpot's API has it.", quoted(name))
	}
	return values[0], nil
}

// names takes a query parameter that lists names, by commas or repeated.
func (p *parser) names(parameter string) ([]string, *refusal) {
	var names []string
	for _, value := range p.query[parameter] {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	delete(p.query, parameter)
	return names, checkNames(names)
}

func checkNames(names []string) *refusal {
	for _, name := range names {
		if !propertyName.MatchString(name) {
			return malformed("%s is no name.", quoted(name))
		}
	}
	if len(names) > 500 {
		return malformed("That is more names than Debrief passes on at once: 500.")
	}
	return nil
}

func (p *parser) archived(q url.Values) *refusal {
	value, r := p.one("archived", regexp.MustCompile(`^(true|false)$`))
	if value == "true" {
		q.Set("archived", "true")
	}
	return r
}

func (p *parser) page(q url.Values, most int) *refusal {
	after, r := p.one("after", cursor)
	if r != nil {
		return r
	}
	if after != "" {
		q.Set("after", after)
	}
	limit, r := p.one("limit", number)
	if r != nil || limit == "" {
		return r
	}
	if n, err := strconv.Atoi(limit); err != nil || n < 0 || n > most {
		return malformed("The limit is %d at most.", most)
	}
	q.Set("limit", limit)
	return nil
}

func (p *parser) recordAssociations(root string, t objectType, id string, s []string) (meaning, *refusal) {
	v3 := strings.HasPrefix(root, "/crm/v3/")
	switch {
	case len(s) == 1 && p.method == http.MethodGet:
		other, r := findType(s[0])
		if r != nil {
			return meaning{}, r
		}
		q := url.Values{}
		if r := p.page(q, 500); r != nil {
			return meaning{}, r
		}
		if r := checkID(id, ""); r != nil {
			return meaning{}, r
		}
		return shows(fmt.Sprintf("reading which %s belong to a %s for a script", other.theirs, t.ours),
			with([]policy.Tool{t.tool(policy.Read)}, other.tool(policy.Read)), nil,
			hubspot.RawRequest{Method: http.MethodGet, Endpoint: root + t.theirs + "/{id}/associations/" + other.theirs, Args: []string{id}, Query: q})
	case !v3 && len(s) == 3 && s[0] == "default" && p.method == http.MethodPut:
		other, r := findType(s[1])
		if r != nil {
			return meaning{}, r
		}
		return linking(links{from: t, to: other, pairs: [][2]string{{id, s[2]}}, single: true})
	case p.method == http.MethodPut:
		return meaning{}, undescribed("Debrief links records plainly (…/associations/default/…): a label or a primary company is set in HubSpot.")
	}
	return p.none()
}

// linking makes an update of each record at one end.
func linking(l links) (meaning, *refusal) {
	if _, ok := hubspot.AssociationTypeID(l.from.theirs, l.to.theirs); !ok {
		return meaning{}, undescribed("Debrief does not link %s with %s.", l.from.theirs, l.to.theirs)
	}
	m := meaning{links: &l, batch: !l.single}
	for _, pair := range l.pairs {
		if !number.MatchString(pair[0]) || !number.MatchString(pair[1]) {
			return meaning{}, malformed("A record's ID is a number.")
		}
		m.writes = append(m.writes, write{
			tool: l.from.tool(policy.Update), kind: l.from, id: pair[0],
			associations: []store.AssociationRef{{Object: l.to.ours, RecordID: pair[1], Required: true}},
		})
	}
	return m, nil
}

func (p *parser) associations(root string, s []string) (meaning, *refusal) {
	if len(s) < 3 {
		return p.none()
	}
	from, r := findType(s[0])
	if r != nil {
		return meaning{}, r
	}
	to, r := findType(s[1])
	if r != nil {
		return meaning{}, r
	}
	both := with([]policy.Tool{from.tool(policy.Read)}, to.tool(policy.Read))
	switch {
	case slices.Equal(s[2:], []string{"labels"}) && p.method == http.MethodGet:
		return shows(fmt.Sprintf("reading the labels between %s and %s for a script", from.theirs, to.theirs), both, nil,
			hubspot.RawRequest{Method: http.MethodGet, Endpoint: root + from.theirs + "/" + to.theirs + "/labels"})
	case slices.Equal(s[2:], []string{"batch", "read"}) && p.method == http.MethodPost:
		var body struct {
			Inputs []struct {
				ID    scalar `json:"id"`
				After scalar `json:"after,omitempty"`
			} `json:"inputs"`
		}
		if r := p.decode(&body); r != nil {
			return meaning{}, r
		}
		if len(body.Inputs) == 0 || len(body.Inputs) > hubspot.MaxAssociationReads {
			return meaning{}, malformed("A batch takes 1 to %d inputs.", hubspot.MaxAssociationReads)
		}
		for _, in := range body.Inputs {
			if !number.MatchString(string(in.ID)) || in.After != "" && !cursor.MatchString(string(in.After)) {
				return meaning{}, malformed("A record's ID is a number.")
			}
		}
		return shows(fmt.Sprintf("reading which %s belong to %s for a script", to.theirs, from.theirs), both, nil, hubspot.RawRequest{
			Method: http.MethodPost, Endpoint: root + from.theirs + "/" + to.theirs + "/batch/read", Body: body, Bucket: hubspot.AssociationBucket,
		})
	case slices.Equal(s[2:], []string{"batch", "associate", "default"}) && p.method == http.MethodPost:
		var body struct {
			Inputs []struct {
				From struct {
					ID scalar `json:"id"`
				} `json:"from"`
				To struct {
					ID scalar `json:"id"`
				} `json:"to"`
			} `json:"inputs"`
		}
		if r := p.decode(&body); r != nil {
			return meaning{}, r
		}
		l := links{from: from, to: to}
		for _, in := range body.Inputs {
			l.pairs = append(l.pairs, [2]string{string(in.From.ID), string(in.To.ID)})
		}
		if len(l.pairs) == 0 || len(l.pairs) > hubspot.MaxBatch {
			return meaning{}, malformed("A batch takes 1 to %d inputs.", hubspot.MaxBatch)
		}
		return linking(l)
	case p.method == http.MethodPost && s[len(s)-1] == "create":
		return meaning{}, undescribed("Debrief links records plainly (…/batch/associate/default): a label or a primary company is set in HubSpot.")
	}
	return p.none()
}

func (p *parser) owners(root string, s []string) (meaning, *refusal) {
	if len(s) > 1 || p.method != http.MethodGet {
		return p.none()
	}
	q, in := url.Values{}, hubspot.RawRequest{Method: http.MethodGet, Endpoint: root}
	if r := p.archived(q); r != nil {
		return meaning{}, r
	}
	if len(s) == 1 {
		by, r := p.one("idProperty", regexp.MustCompile(`^(id|userId)$`))
		if r != nil {
			return meaning{}, r
		}
		if by != "" {
			q.Set("idProperty", by)
		}
		if !number.MatchString(s[0]) {
			return meaning{}, malformed("An owner's ID is a number.")
		}
		in.Endpoint, in.Args = root+"/{ownerId}", s
	} else {
		if r := p.page(q, 500); r != nil {
			return meaning{}, r
		}
		email, r := p.one("email", regexp.MustCompile(`^[^\s]{1,254}$`))
		if r != nil {
			return meaning{}, r
		}
		if email != "" {
			q.Set("email", email)
		}
	}
	in.Query = q
	return shows("reading owners for a script", []policy.Tool{{Object: "owner", Operation: policy.Read}}, nil, in)
}

func (p *parser) pipelines(root string, s []string) (meaning, *refusal) {
	if p.method != http.MethodGet || len(s) == 0 || len(s) > 4 || len(s) > 2 && s[2] != "stages" {
		return p.none()
	}
	t, r := findType(s[0])
	if r != nil {
		return meaning{}, r
	}
	in := hubspot.RawRequest{Method: http.MethodGet, Endpoint: root + t.theirs}
	for i, place := range []string{"/{pipelineId}", "/stages", "/{stageId}"} {
		switch {
		case len(s) <= i+1:
		case i == 1:
			in.Endpoint += place
		case !pipelineID.MatchString(s[i+1]):
			return meaning{}, malformed("%s names no pipeline or stage.", quoted(s[i+1]))
		default:
			in.Endpoint += place
			in.Args = append(in.Args, s[i+1])
		}
	}
	return shows("reading the pipelines of "+t.theirs+" for a script", []policy.Tool{t.tool(policy.Read)}, nil, in)
}

func (p *parser) properties(root string, s []string) (meaning, *refusal) {
	if p.method != http.MethodGet || len(s) == 0 || len(s) > 2 || len(s) == 2 && (s[1] == "groups" || s[1] == "batch") {
		return p.none()
	}
	t, r := findType(s[0])
	if r != nil {
		return meaning{}, r
	}
	q, in := url.Values{}, hubspot.RawRequest{Method: http.MethodGet, Endpoint: root + t.theirs}
	if r := p.archived(q); r != nil {
		return meaning{}, r
	}
	names, r := p.names("properties")
	if r != nil {
		return meaning{}, r
	}
	if len(names) > 0 {
		q.Set("properties", strings.Join(names, ","))
	}
	if len(s) == 2 {
		if !propertyName.MatchString(s[1]) {
			return meaning{}, malformed("%s is no property's name.", quoted(s[1]))
		}
		in.Endpoint, in.Args = in.Endpoint+"/{name}", s[1:]
	}
	in.Query = q
	return shows("reading the properties of "+t.theirs+" for a script", []policy.Tool{t.tool(policy.Read)}, nil, in)
}
