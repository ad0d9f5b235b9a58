package hubspottest

// The control API does for another process what the methods of [Server] do in
// this one. Bodies and answers are JSON; an error is a 400 {"error":"..."}; what
// answers nothing else answers {"ok":true}. Durations are nanoseconds, except
// where the table shows them as text ("31m"). {type} is a name or a type ID.
//
//	GET    /sim/                                     {"version","url","now","apps":[App],"portals":[{"portal":Portal,"users":[User]}]}
//	POST   /sim/apps                                 App -> App, secrets and IDs filled in. Replaces the one with its clientId
//	POST   /sim/portals                              Portal -> Portal. Replaces settings; keeps what is in it
//	DELETE /sim/portals/{hub}                        the account is gone: BAD_HUB
//	POST   /sim/portals/{hub}/users                  User -> User
//	GET    /sim/portals/{hub}/settings               Settings
//	PATCH  /sim/portals/{hub}/settings               Settings, in part -> Settings
//	POST   /sim/portals/{hub}/daily                  {"calls":1000}: used by the account's other private apps today
//	POST   /sim/portals/{hub}/types                  {"name":"cars","properties":["plate!","colour"]} -> {"objectTypeId"}; "!": unique
//	POST   /sim/portals/{hub}/properties/{type}      {"name","unique":true} or {"name","options":["a","b"],"several":true}
//	DELETE /sim/portals/{hub}/properties/{type}/{name}
//	PUT    /sim/portals/{hub}/rules/{type}           {"rules":[{"when":"dealstage","is":["closedlost"],"require":["closed_lost_reason"]}]}
//	GET    /sim/portals/{hub}/records/{type}         [Record], archived ones too
//	POST   /sim/portals/{hub}/records/{type}         {"properties":{},"associations":{"companies":["1"]}} -> Record, as if always there
//	PATCH  /sim/portals/{hub}/records/{type}/{id}    {"properties":{}}; this and what follows as a user in HubSpot
//	DELETE /sim/portals/{hub}/records/{type}/{id}    archives; with ?forget=true a contact is deleted for good
//	POST   /sim/portals/{hub}/restore                {"type":"contacts","id":"1"}
//	POST   /sim/portals/{hub}/merge                  {"type":"contacts","primaryId":"1","id":"2"}
//	POST   /sim/portals/{hub}/associate              {"type":"contacts","id":"1","toType":"deals","toId":"2","remove":false}
//	POST   /sim/portals/{hub}/uninstall              {"clientId":""}
//	POST   /sim/portals/{hub}/revoke                 {"clientId":""}: ends its refresh tokens
//	PUT    /sim/webhooks                             {"clientId":"", ...Webhooks} -> Webhooks
//	POST   /sim/webhooks/deliver                     sends what waits, retries before their time too, and returns when it is answered
//	GET    /sim/webhooks/deliveries                  [Delivery]
//	GET    /sim/writes?hub=                          [Write]
//	GET    /sim/calls    DELETE /sim/calls           [CallCount]
//	GET    /sim/faults   POST, DELETE                [Fault]; POST takes one, its durations as text
//	GET    /sim/clock    POST {"advance":"31m"}      {"now"}
//	POST   /sim/consent                              {"url","hubId":1,"userId":1,"connect":true} -> {"redirect"}; 400 says what HubSpot's page says
//	POST   /sim/token                                {"clientId","hubId":1,"userId":1,"scopes":[]} -> {"accessToken","refreshToken"}
//
// The fields of App, Portal, Settings, User, Record, Write, CallCount, Fault,
// Webhooks and Delivery are those of the types here, by their JSON names.

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Record is a record as a test sees it: everything, whoever asks.
type Record struct {
	ID         string            `json:"id"`
	ObjectType string            `json:"objectType"`
	Properties map[string]string `json:"properties"`
	CreatedAt  time.Time         `json:"createdAt"`
	UpdatedAt  time.Time         `json:"updatedAt"`
	Archived   bool              `json:"archived,omitempty"`
	MergedInto string            `json:"mergedInto,omitempty"`
	// Associations are the other ends' IDs by object type.
	Associations map[string][]string `json:"associations,omitempty"`
	URL          string              `json:"url"`
}

// Seed is a record to put into an account as if it had always been there: not
// in [Server.Writes], at once known to search, made by a user in HubSpot. It may have
// values that only HubSpot itself sets.
type Seed struct {
	Properties map[string]string `json:"properties"`
	// Associations are IDs of existing records by object type, linked plainly.
	Associations map[string][]string `json:"associations,omitempty"`
}

// Add puts a record into an account.
func (s *Server) Add(hubID int64, objectType string, in Seed) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.st.Portals[hubID]
	if p == nil {
		return Record{}, fmt.Errorf("there is no account %d", hubID)
	}
	t := p.typeOf(objectType)
	if t == nil {
		return Record{}, fmt.Errorf("account %d has no object type %q", hubID, objectType)
	}
	q := &request{s: s, portal: p, now: s.now()}
	q.silent = true
	do, refused := q.prepareCreate(t, createInput{Properties: in.Properties}, map[uniqueKey]bool{})
	if refused != nil {
		return Record{}, fmt.Errorf("adding to %s: %s", t.Name, refused.body.(map[string]any)["message"])
	}
	for name, ids := range in.Associations {
		to := p.typeOf(name)
		if to == nil {
			return Record{}, fmt.Errorf("account %d has no object type %q", hubID, name)
		}
		for _, id := range ids {
			if !q.exists(to, id) {
				return Record{}, fmt.Errorf("there is no record %s among %s", id, name)
			}
		}
	}
	r := do()
	for name, ids := range in.Associations {
		for _, id := range ids {
			q.link(t, r.ID, p.typeOf(name), id, nil, false)
		}
	}
	return s.record(p, t, r), nil
}

// inHubSpot is a request of a user in HubSpot itself, for what a test does with
// a record there; none of it is in [Server.Writes]. The user is the account's
// first.
func (s *Server) inHubSpot(hubID int64, objectType, id string) (*request, *objectType, *record, error) {
	p := s.st.Portals[hubID]
	if p == nil || p.typeOf(objectType) == nil {
		return nil, nil, nil, fmt.Errorf("account %d has no object type %q", hubID, objectType)
	}
	t := p.typeOf(objectType)
	r := p.Records[t.ID][id]
	if r == nil {
		return nil, nil, nil, fmt.Errorf("there is no record %s among %s", id, t.Name)
	}
	q := &request{s: s, portal: p, now: s.now()}
	for _, u := range p.sortedUsers() {
		if !u.Archived {
			q.actor = u.ID
			break
		}
	}
	return q, t, r, nil
}

// Edit changes a record as a user in HubSpot would: not in [Server.Writes].
func (s *Server) Edit(hubID int64, objectType, id string, properties map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, t, r, err := s.inHubSpot(hubID, objectType, id)
	if err != nil {
		return err
	}
	do, refused := q.prepareUpdate(t, r, properties, map[uniqueKey]bool{})
	if refused != nil {
		return fmt.Errorf("editing %s %s: %s", t.Name, id, refused.body.(map[string]any)["message"])
	}
	do()
	return nil
}

// Archive moves a record to the recycle bin, as a user in HubSpot would.
func (s *Server) Archive(hubID int64, objectType, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, t, r, err := s.inHubSpot(hubID, objectType, id)
	if err != nil {
		return err
	}
	q.archive(t, r)
	return nil
}

// Restore takes a record out of the recycle bin, as a user in HubSpot would,
// within 90 days. There is no API for it.
func (s *Server) Restore(hubID int64, objectType, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, t, r, err := s.inHubSpot(hubID, objectType, id)
	if err != nil {
		return err
	}
	if err := q.restore(t, r); err != nil {
		return fmt.Errorf("restoring %s %s: %w", t.Name, id, err)
	}
	return nil
}

// Merge merges a record into another of its type, as a user in HubSpot would.
func (s *Server) Merge(hubID int64, objectType, primaryID, goneID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, t, primary, err := s.inHubSpot(hubID, objectType, primaryID)
	if err != nil {
		return err
	}
	gone := q.portal.Records[t.ID][goneID]
	if gone == nil || gone == primary || gone.Archived || primary.Archived {
		return fmt.Errorf("%s %s and %s cannot be merged", t.Name, primaryID, goneID)
	}
	q.merge(t, primary, gone)
	return nil
}

// Forget deletes a contact for good, as a user in HubSpot would for GDPR.
func (s *Server) Forget(hubID int64, contactID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, t, r, err := s.inHubSpot(hubID, "contacts", contactID)
	if err != nil {
		return err
	}
	q.forget(t, r)
	return nil
}

// Associate links two records plainly, or ends it, as a user in HubSpot would.
func (s *Server) Associate(hubID int64, fromType, fromID, toType, toID string, linked bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, from, _, err := s.inHubSpot(hubID, fromType, fromID)
	if err != nil {
		return err
	}
	_, to, _, err := s.inHubSpot(hubID, toType, toID)
	if err != nil {
		return err
	}
	if linked {
		q.link(from, fromID, to, toID, nil, false)
	} else {
		q.disassociate(from, fromID, to, toID)
	}
	return nil
}

// Records lists the records of a type in an account, archived ones included,
// oldest first.
func (s *Server) Records(hubID int64, objectType string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	p := s.st.Portals[hubID]
	if p == nil || p.typeOf(objectType) == nil {
		return nil
	}
	t := p.typeOf(objectType)
	out := []Record{}
	for _, r := range p.ordered[t.ID] {
		out = append(out, s.record(p, t, r))
	}
	return out
}

func (s *Server) record(p *portal, t *objectType, r *record) Record {
	out := Record{
		ID: r.ID, ObjectType: t.Name, Properties: maps.Clone(r.Props), CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		Archived: r.Archived, MergedInto: r.MergedInto, URL: s.recordURL(p.HubID, t.ID, r.ID),
	}
	for _, to := range p.Types {
		if ids := p.linkedIDs(t, r.ID, to); len(ids) > 0 {
			if out.Associations == nil {
				out.Associations = map[string][]string{}
			}
			out.Associations[to.Name] = ids
		}
	}
	return out
}

// AddObjectType makes a custom object with text properties of these names; a
// name with "!" behind it has unique values. It returns the type ID.
func (s *Server) AddObjectType(hubID int64, name string, properties ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustPortal(hubID)
	if t := p.typeOf(name); t != nil {
		return t.ID
	}
	var list []property
	for _, one := range properties {
		list = append(list, textProperty(one))
	}
	return p.addType(s.st.newID(), name, nil, list, s.now()).ID
}

// AddProperty gives an object type a text property; a name with "!" behind it
// has unique values.
func (s *Server) AddProperty(hubID int64, objectType, name string) {
	if err := s.addProperty(hubID, objectType, textProperty(name)); err != nil {
		panic("hubspottest: " + err.Error())
	}
}

// AddEnumeration gives an object type an enumeration; several says that a
// record may have more than one of the options.
func (s *Server) AddEnumeration(hubID int64, objectType, name string, several bool, options ...string) error {
	p := property{Name: name, Label: name, GroupName: "custom", Type: "enumeration", FieldType: "select"}
	if several {
		p.FieldType = "checkbox"
	}
	for i, one := range options {
		p.Options = append(p.Options, option{Label: one, Value: one, DisplayOrder: i})
	}
	return s.addProperty(hubID, objectType, p)
}

// RemoveProperty archives a property of the account's own, as an admin would.
func (s *Server) RemoveProperty(hubID int64, objectType, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.st.Portals[hubID]
	if p == nil || p.typeOf(objectType) == nil {
		return fmt.Errorf("account %d has no object type %q", hubID, objectType)
	}
	t := p.typeOf(objectType)
	q := &request{s: s, portal: p, now: s.now(), vars: map[string]string{"id": name}}
	if out := archiveProperty(q, t); out.status != http.StatusNoContent {
		return fmt.Errorf("the property %s of %s is HubSpot's own", name, t.Name)
	}
	return nil
}

func (s *Server) addProperty(hubID int64, objectType string, made property) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.st.Portals[hubID]
	if p == nil || p.typeOf(objectType) == nil {
		return fmt.Errorf("account %d has no object type %q", hubID, objectType)
	}
	t := p.typeOf(objectType)
	made.CreatedAt, made.UpdatedAt = s.now(), s.now()
	p.addProperty(s, t, &made)
	return nil
}

func textProperty(name string) property {
	name, unique := strings.CutSuffix(name, "!")
	return property{Name: name, Label: name, GroupName: "custom", Type: "string", FieldType: "text", HasUniqueValue: unique, Options: []option{}}
}

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		http.Error(w, "the body is too large or could not be read", http.StatusRequestEntityTooLarge)
		return
	}
	out, err := s.control(r, body)
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(encode(map[string]string{"error": err.Error()}))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(out))
}

func (s *Server) control(r *http.Request, body []byte) (any, error) {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/sim/"), "/"), "/")
	read := func(into any) error {
		if len(body) == 0 {
			return nil
		}
		if err := json.Unmarshal(body, into); err != nil {
			return fmt.Errorf("reading the body: %w", err)
		}
		return nil
	}
	done := map[string]bool{"ok": true}
	if parts[0] == "portals" && len(parts) > 1 {
		return s.controlPortal(r, parts[1:], read) //nolint:contextcheck // webhooks go out in the background, whoever asked
	}
	switch r.Method + " " + strings.Join(parts, "/") {
	case "GET ":
		s.mu.Lock()
		defer s.mu.Unlock()
		portals := []any{}
		for _, p := range s.sortedPortals() {
			users := []any{}
			for _, u := range p.sortedUsers() {
				users = append(users, *u)
			}
			portals = append(portals, map[string]any{"portal": p.Portal, "users": users})
		}
		apps := []any{}
		for _, id := range sortedKeys(s.st.Apps) {
			a := *s.st.Apps[id]
			a.ClientSecret, a.DeveloperAPIKey = "", ""
			apps = append(apps, a)
		}
		return map[string]any{"version": APIVersion, "url": s.URL, "now": s.now(), "apps": apps, "portals": portals}, nil
	case "POST apps":
		var in App
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.AddApp(in), nil
	case "POST portals":
		var in Portal
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.AddPortal(in), nil
	case "PUT webhooks":
		var in struct {
			ClientID string `json:"clientId"`
			Webhooks
		}
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.SetWebhooks(in.ClientID, in.Webhooks) //nolint:contextcheck // webhooks go out in the background, whoever asked
	case "POST webhooks/deliver":
		return done, s.DeliverWebhooks(r.Context())
	case "GET webhooks/deliveries":
		return s.Deliveries(), nil
	case "GET writes":
		writes := s.Writes()
		hub, _ := strconv.ParseInt(r.URL.Query().Get("hub"), 10, 64)
		out := []Write{}
		for _, one := range writes {
			if hub == 0 || one.HubID == hub {
				out = append(out, one)
			}
		}
		return out, nil
	case "GET calls":
		return s.Calls(), nil
	case "DELETE calls":
		s.ResetCalls()
		return done, nil
	case "GET faults":
		return s.Faults(), nil
	case "POST faults":
		var in Fault
		if err := read(&in); err != nil {
			return nil, err
		}
		s.Inject(in)
		return done, nil
	case "DELETE faults":
		s.ClearFaults()
		return done, nil
	case "POST clock":
		var in struct {
			Advance string `json:"advance"`
		}
		if err := read(&in); err != nil {
			return nil, err
		}
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			return nil, fmt.Errorf("reading \"advance\": %w", err)
		}
		s.Advance(d)
		return map[string]any{"now": s.Now()}, nil
	case "GET clock":
		return map[string]any{"now": s.Now()}, nil
	case "POST consent":
		in := struct {
			URL     string `json:"url"`
			HubID   int64  `json:"hubId"`
			UserID  int64  `json:"userId"`
			Connect bool   `json:"connect"`
		}{Connect: true}
		if err := read(&in); err != nil {
			return nil, err
		}
		to, err := s.Consent(in.URL, in.HubID, in.UserID, in.Connect)
		return map[string]string{"redirect": to}, err
	case "POST token":
		var in struct {
			ClientID string   `json:"clientId"`
			HubID    int64    `json:"hubId"`
			UserID   int64    `json:"userId"`
			Scopes   []string `json:"scopes"`
		}
		if err := read(&in); err != nil {
			return nil, err
		}
		if !s.hasApp(in.ClientID) || !s.hasPortal(in.HubID) {
			return nil, fmt.Errorf("there is no such app or account")
		}
		access, refresh := s.Token(in.ClientID, in.HubID, in.UserID, in.Scopes...)
		return map[string]string{"accessToken": access, "refreshToken": refresh}, nil
	}
	return nil, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path)
}

func (s *Server) hasPortal(hubID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.Portals[hubID] != nil
}

func (s *Server) hasApp(clientID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st.Apps[clientID] != nil
}

func (s *Server) sortedPortals() []*portal {
	out := make([]*portal, 0, len(s.st.Portals))
	for _, p := range s.st.Portals {
		out = append(out, p)
	}
	sortBy(out, func(a, b *portal) bool { return a.HubID < b.HubID })
	return out
}

func (s *Server) controlPortal(r *http.Request, parts []string, read func(any) error) (any, error) {
	hub, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || !s.hasPortal(hub) {
		return nil, fmt.Errorf("there is no account %q", parts[0])
	}
	var in struct {
		ClientID   string            `json:"clientId"`
		Type       string            `json:"type"`
		ID         string            `json:"id"`
		PrimaryID  string            `json:"primaryId"`
		ToType     string            `json:"toType"`
		ToID       string            `json:"toId"`
		Remove     bool              `json:"remove"`
		Name       string            `json:"name"`
		Unique     bool              `json:"unique"`
		Several    bool              `json:"several"`
		Options    []string          `json:"options"`
		Calls      int               `json:"calls"`
		Rules      []Rule            `json:"rules"`
		Properties map[string]string `json:"properties"`
	}
	done := map[string]bool{"ok": true}
	if len(parts) == 1 && r.Method == http.MethodDelete {
		s.RemovePortal(hub)
		return done, nil
	}
	if len(parts) == 1 {
		return nil, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path)
	}
	// These have bodies of their own.
	switch what := r.Method + " " + parts[1]; {
	case what == "POST users" && len(parts) == 2:
		var in User
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.AddUser(hub, in), nil
	case what == "GET settings" && len(parts) == 2:
		var out Settings
		s.Configure(hub, func(set *Settings) { out = *set })
		return out, nil
	case what == "PATCH settings" && len(parts) == 2:
		var out Settings
		s.Configure(hub, func(set *Settings) {
			if err = read(set); err == nil {
				out = *set
			}
		})
		return out, err
	case what == "POST types" && len(parts) == 2:
		var in struct {
			Name       string   `json:"name"`
			Properties []string `json:"properties"`
		}
		if err := read(&in); err != nil {
			return nil, err
		}
		return map[string]string{"objectTypeId": s.AddObjectType(hub, in.Name, in.Properties...)}, nil
	case what == "GET records" && len(parts) == 3:
		return s.Records(hub, parts[2]), nil
	case what == "POST records" && len(parts) == 3:
		var in Seed
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.Add(hub, parts[2], in)
	}
	if err := read(&in); err != nil {
		return nil, err
	}
	switch what := r.Method + " " + parts[1]; {
	case what == "POST daily" && len(parts) == 2:
		s.UseDaily(hub, in.Calls)
		return done, nil
	case what == "POST uninstall" && len(parts) == 2:
		s.Uninstall(hub, in.ClientID)
		return done, nil
	case what == "POST revoke" && len(parts) == 2:
		s.RevokeGrants(hub, in.ClientID)
		return done, nil
	case what == "POST restore" && len(parts) == 2:
		return done, s.Restore(hub, in.Type, in.ID)
	case what == "POST merge" && len(parts) == 2:
		return done, s.Merge(hub, in.Type, in.PrimaryID, in.ID)
	case what == "POST associate" && len(parts) == 2:
		return done, s.Associate(hub, in.Type, in.ID, in.ToType, in.ToID, !in.Remove)
	case what == "PUT rules" && len(parts) == 3:
		return done, s.SetRules(hub, parts[2], in.Rules...)
	case what == "PATCH records" && len(parts) == 4:
		return done, s.Edit(hub, parts[2], parts[3], in.Properties)
	case what == "DELETE records" && len(parts) == 4:
		if r.URL.Query().Get("forget") == "true" {
			return done, s.Forget(hub, parts[3])
		}
		return done, s.Archive(hub, parts[2], parts[3])
	case what == "DELETE properties" && len(parts) == 4:
		return done, s.RemoveProperty(hub, parts[2], parts[3])
	case what == "POST properties" && len(parts) == 3:
		if in.Options != nil {
			return done, s.AddEnumeration(hub, parts[2], in.Name, in.Several, in.Options...)
		}
		if in.Unique {
			in.Name += "!"
		}
		return done, s.addProperty(hub, parts[2], textProperty(in.Name))
	}
	return nil, fmt.Errorf("there is no %s %s", r.Method, r.URL.Path)
}
