package hubspottest

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
// in [Server.Writes], at once known to search, made by a user in HubSpot.
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

// Edit changes a record as a user in HubSpot would: not in [Server.Writes].
func (s *Server) Edit(hubID int64, objectType, id string, properties map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.st.Portals[hubID]
	if p == nil || p.typeOf(objectType) == nil {
		return fmt.Errorf("account %d has no object type %q", hubID, objectType)
	}
	t := p.typeOf(objectType)
	r := p.Records[t.ID][id]
	if r == nil {
		return fmt.Errorf("there is no record %s among %s", id, t.Name)
	}
	q := &request{s: s, portal: p, now: s.now()}
	do, refused := q.prepareUpdate(t, r, properties, map[uniqueKey]bool{})
	if refused != nil {
		return fmt.Errorf("editing %s %s: %s", t.Name, id, refused.body.(map[string]any)["message"])
	}
	do()
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
	for _, r := range sortedRecords(p.Records[t.ID]) {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.mustPortal(hubID).typeOf(objectType)
	if t == nil {
		panic("hubspottest: there is no object type " + objectType)
	}
	p := textProperty(name)
	p.CreatedAt, p.UpdatedAt = s.now(), s.now()
	t.Properties[p.Name] = &p
}

func textProperty(name string) property {
	name, unique := strings.CutSuffix(name, "!")
	return property{Name: name, Label: name, GroupName: "custom", Type: "string", FieldType: "text", HasUniqueValue: unique, Options: []option{}}
}

// serveControl is the control API, for whoever is not in this process:
//
//	GET    /sim/                                      what there is
//	POST   /sim/apps                                  App
//	POST   /sim/portals                               Portal
//	POST   /sim/portals/{hub}/users                   User
//	PATCH  /sim/portals/{hub}/settings                Settings, in part; durations in nanoseconds
//	GET    /sim/portals/{hub}/records/{type}          [Record]
//	POST   /sim/portals/{hub}/records/{type}          Seed
//	PATCH  /sim/portals/{hub}/records/{type}/{id}     {"properties":{}}
//	POST   /sim/portals/{hub}/properties/{type}       {"name":"x","unique":true}
//	POST   /sim/portals/{hub}/uninstall               {"clientId":""}
//	POST   /sim/portals/{hub}/revoke                  {"clientId":""}
//	GET    /sim/writes                                [Write]
//	GET    /sim/calls      DELETE /sim/calls          [CallCount]
//	GET    /sim/faults     POST, DELETE               [Fault]
//	GET    /sim/clock      POST {"advance":"31m"}     {"now":""}
//	POST   /sim/consent                               {"url":"","hubId":1,"userId":1,"connect":true}
//	POST   /sim/token                                 {"clientId":"","hubId":1,"userId":1,"scopes":[]}
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
	if parts[0] == "portals" && len(parts) > 2 {
		return s.controlPortal(r.Method, parts[1:], read)
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
			a.ClientSecret = ""
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

func (s *Server) controlPortal(method string, parts []string, read func(any) error) (any, error) {
	hub, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || !s.hasPortal(hub) {
		return nil, fmt.Errorf("there is no account %q", parts[0])
	}
	var app struct {
		ClientID string `json:"clientId"`
	}
	done := map[string]bool{"ok": true}
	switch what := method + " " + parts[1]; {
	case what == "POST users" && len(parts) == 2:
		var in User
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.AddUser(hub, in), nil
	case what == "PATCH settings" && len(parts) == 2:
		var out Settings
		s.Configure(hub, func(set *Settings) {
			if err = read(set); err == nil {
				out = *set
			}
		})
		return out, err
	case what == "POST uninstall" && len(parts) == 2:
		if err := read(&app); err != nil {
			return nil, err
		}
		s.Uninstall(hub, app.ClientID)
		return done, nil
	case what == "POST revoke" && len(parts) == 2:
		if err := read(&app); err != nil {
			return nil, err
		}
		s.RevokeGrants(hub, app.ClientID)
		return done, nil
	case what == "GET records" && len(parts) == 3:
		return s.Records(hub, parts[2]), nil
	case what == "POST records" && len(parts) == 3:
		var in Seed
		if err := read(&in); err != nil {
			return nil, err
		}
		return s.Add(hub, parts[2], in)
	case what == "PATCH records" && len(parts) == 4:
		var in Seed
		if err := read(&in); err != nil {
			return nil, err
		}
		return done, s.Edit(hub, parts[2], parts[3], in.Properties)
	case what == "POST properties" && len(parts) == 3:
		var in struct {
			Name   string `json:"name"`
			Unique bool   `json:"unique"`
		}
		if err := read(&in); err != nil {
			return nil, err
		}
		if in.Unique {
			in.Name += "!"
		}
		s.mu.Lock()
		known := s.st.Portals[hub].typeOf(parts[2]) != nil
		s.mu.Unlock()
		if !known {
			return nil, fmt.Errorf("there is no object type %q", parts[2])
		}
		s.AddProperty(hub, parts[2], in.Name)
		return done, nil
	}
	return nil, fmt.Errorf("there is no %s /sim/portals/%s", method, strings.Join(parts, "/"))
}
