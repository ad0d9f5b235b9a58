package hubspottest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// App is a HubSpot app.
type App struct {
	ClientID       string   `json:"clientId"`
	ClientSecret   string   `json:"clientSecret"`
	AppID          int64    `json:"appId"` // 0: the simulator chooses
	Name           string   `json:"name"`
	RedirectURIs   []string `json:"redirectUris"`
	RequiredScopes []string `json:"requiredScopes"`
	OptionalScopes []string `json:"optionalScopes,omitempty"`
	// UserLevel: tokens carry the rights of the user who connected.
	UserLevel bool `json:"userLevel,omitempty"`
	// RotateRefreshTokens: each refresh returns a new refresh token and ends
	// the old one. HubSpot does not, and says that it might.
	RotateRefreshTokens bool `json:"rotateRefreshTokens,omitempty"`
}

// Portal is a HubSpot account.
type Portal struct {
	HubID    int64  `json:"hubId"`
	Name     string `json:"name"`
	Domain   string `json:"domain"`
	Currency string `json:"currency"` // default: USD
	TimeZone string `json:"timeZone"` // default: UTC
	// Type is the account type. Default: STANDARD.
	Type string `json:"type"`
	// UnavailableScopes are those that the account's plan lacks: a required
	// one blocks the install, an optional one is dropped without a word.
	UnavailableScopes []string `json:"unavailableScopes,omitempty"`
	Settings          Settings `json:"settings"`
}

// Settings switch an account's behaviours. The zero value is HubSpot as it
// mostly is.
type Settings struct {
	// NoRateLimits switches off the limits (and their headers).
	NoRateLimits bool `json:"noRateLimits,omitempty"`
	// BurstLimit per ten seconds and app. Default: 110.
	BurstLimit int `json:"burstLimit,omitempty"`
	// SearchLimit per second and account. Default: 5.
	SearchLimit int `json:"searchLimit,omitempty"`
	// SearchLag is how long a written record stays unknown to search.
	SearchLag time.Duration `json:"searchLag,omitempty"`
	// AutoCompany makes a company from a new contact's e-mail domain, and
	// associates both, when AutoCompanyAfter has passed.
	AutoCompany      bool          `json:"autoCompany,omitempty"`
	AutoCompanyAfter time.Duration `json:"autoCompanyAfter,omitempty"`
	// CancelShowsPage: "Cancel" on the consent page ends on a page of HubSpot
	// instead of going back with error=access_denied. Which of the two HubSpot
	// does is not documented.
	CancelShowsPage bool `json:"cancelShowsPage,omitempty"`
}

// User is a person with a seat in an account, and its owner.
type User struct {
	ID        int64  `json:"id"` // 0: the simulator chooses
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	// SuperAdmin or InstallApps is needed to connect an app.
	SuperAdmin  bool `json:"superAdmin,omitempty"`
	InstallApps bool `json:"installApps,omitempty"`
	// DeniedScopes are taken from what a user-level app may do as this user.
	DeniedScopes []string `json:"deniedScopes,omitempty"`
	// ReadOnlyProperties, as "contacts.email", may not be written by a
	// user-level app as this user.
	ReadOnlyProperties []string `json:"readOnlyProperties,omitempty"`
	// OwnerID is what hubspot_owner_id holds; empty: the simulator chooses.
	OwnerID string `json:"ownerId"`
	// Archived: no longer in the account; the owner stays, archived.
	Archived bool `json:"archived,omitempty"`
}

// Write is one change that was made, in the order of commits.
type Write struct {
	Seq        int       `json:"seq"`
	At         time.Time `json:"at"`
	HubID      int64     `json:"hubId"`
	ObjectType string    `json:"objectType"`
	ID         string    `json:"id"`
	// Operation is create, update, archive, merge, gdpr-delete, associate or
	// disassociate.
	Operation  string            `json:"operation"`
	Properties map[string]string `json:"properties,omitempty"`
	// ToType, ToID and TypeIDs are of associations, those made in a create
	// included (each its own Write, after the create's).
	ToType  string `json:"toType,omitempty"`
	ToID    string `json:"toId,omitempty"`
	TypeIDs []int  `json:"typeIds,omitempty"`
	// ClientID is the app; empty: the simulator itself (AutoCompany).
	ClientID string `json:"clientId"`
	// UserID is who connected the app.
	UserID   int64  `json:"userId"`
	Endpoint string `json:"endpoint"`
}

type state struct {
	Apps        map[string]*App          `json:"apps"`
	Portals     map[int64]*portal        `json:"portals"`
	Codes       map[string]*authCode     `json:"codes"`
	Refresh     map[string]*refreshToken `json:"refresh"`
	Access      map[string]*accessToken  `json:"access"`
	NextID      int64                    `json:"nextId"`
	Writes      []Write                  `json:"writes"`
	ClockOffset time.Duration            `json:"clockOffset"`
}

func newState() *state {
	return &state{
		Apps: map[string]*App{}, Portals: map[int64]*portal{}, Codes: map[string]*authCode{},
		Refresh: map[string]*refreshToken{}, Access: map[string]*accessToken{}, NextID: 40_000_000_001,
	}
}

func (st *state) newID() int64 {
	st.NextID++
	return st.NextID
}

// portal is an account with what is in it.
type portal struct {
	Portal
	Users map[int64]*User `json:"users"`
	// Types are by type ID.
	Types map[string]*objectType `json:"types"`
	// Records are by type ID and ID.
	Records map[string]map[string]*record `json:"records"`
	// Links are by "fromType/fromID/toType", then by the other end's ID.
	Links map[string]map[string][]link `json:"links"`
	// Labels are the association types of the account's own, by "from/to".
	Labels    map[string][]label     `json:"labels"`
	Pipelines map[string][]*pipeline `json:"pipelines"`

	names map[string]*objectType
}

type link struct {
	Category string `json:"category"`
	TypeID   int    `json:"typeId"`
}

type label struct {
	Category string `json:"category"`
	TypeID   int    `json:"typeId"`
	Name     string `json:"name,omitempty"`
	Label    string `json:"label"`
	// Inverse is the type of the same link seen from the other end.
	Inverse int `json:"inverse"`
}

type record struct {
	ID         string               `json:"id"`
	Props      map[string]string    `json:"props"`
	History    map[string][]version `json:"history"`
	CreatedAt  time.Time            `json:"createdAt"`
	UpdatedAt  time.Time            `json:"updatedAt"`
	Archived   bool                 `json:"archived,omitempty"`
	ArchivedAt time.Time            `json:"archivedAt,omitzero"`
	MergedInto string               `json:"mergedInto,omitempty"`
	// Indexed is what search still believes until UpdatedAt plus the lag; nil
	// if search does not know the record yet.
	Indexed map[string]string `json:"indexed,omitempty"`
	// Seeded records were put there by a test: search knows them at once.
	Seeded bool `json:"seeded,omitempty"`
}

type version struct {
	Value     string    `json:"value"`
	At        time.Time `json:"at"`
	Source    string    `json:"source"`
	SourceID  string    `json:"sourceId,omitempty"`
	UpdatedBy int64     `json:"updatedBy,omitempty"`
}

// uniqueIndex finds records by unique values: hub, type, property, value.
type uniqueIndex map[uniqueKey]string

type uniqueKey struct {
	hub                       int64
	objectType, name, content string
}

// AddApp registers an app, or replaces the one with the same client ID; its
// grants stay.
func (s *Server) AddApp(a App) App {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.ClientID == "" {
		a.ClientID = newUUID()
	}
	if a.ClientSecret == "" {
		a.ClientSecret = newUUID()
	}
	if a.Name == "" {
		a.Name = "Test app"
	}
	if known := s.st.Apps[a.ClientID]; a.AppID == 0 && known != nil {
		a.AppID = known.AppID
	}
	if a.AppID == 0 {
		a.AppID = s.st.newID() % 100_000_000
	}
	s.st.Apps[a.ClientID] = &a
	return a
}

// AddPortal makes an account with the usual object types, properties and
// pipelines. One that exists keeps what is in it.
func (s *Server) AddPortal(p Portal) Portal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.HubID == 0 {
		p.HubID = s.st.newID() % 100_000_000
	}
	setDefault(&p.Name, "Test account")
	setDefault(&p.Domain, strconv.FormatInt(p.HubID, 10)+".example")
	setDefault(&p.Currency, "USD")
	setDefault(&p.TimeZone, "UTC")
	setDefault(&p.Type, "STANDARD")
	if known := s.st.Portals[p.HubID]; known != nil {
		known.Portal = p
		return p
	}
	made := &portal{
		Portal: p, Users: map[int64]*User{}, Types: builtinTypes(),
		Records: map[string]map[string]*record{}, Links: map[string]map[string][]link{},
		Labels: map[string][]label{}, Pipelines: builtinPipelines(s.now()),
	}
	made.nameTypes()
	s.st.Portals[p.HubID] = made
	return p
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// AddUser puts a person into an account, and makes the owner. The account must
// exist.
func (s *Server) AddUser(hubID int64, u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustPortal(hubID)
	for _, known := range p.Users {
		if u.ID == 0 && strings.EqualFold(known.Email, u.Email) {
			u.ID = known.ID
			setDefault(&u.OwnerID, known.OwnerID)
		}
	}
	if u.ID == 0 {
		u.ID = s.st.newID() % 100_000_000
	}
	if u.OwnerID == "" {
		u.OwnerID = strconv.FormatInt(s.st.newID()%1_000_000_000, 10)
	}
	p.Users[u.ID] = &u
	return u
}

// Configure changes an account's settings.
func (s *Server) Configure(hubID int64, change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.mustPortal(hubID).Settings)
}

func (s *Server) mustPortal(hubID int64) *portal {
	p := s.st.Portals[hubID]
	if p == nil {
		panic(fmt.Sprintf("hubspottest: there is no account %d", hubID))
	}
	return p
}

// Writes lists every write in the order of commits.
func (s *Server) Writes() []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return append([]Write(nil), s.st.Writes...)
}

// CallCount is how often an endpoint was called.
type CallCount struct {
	// HubID is 0 for calls without a token.
	HubID int64 `json:"hubId"`
	// Endpoint is such as "POST /crm/objects/2026-09/contacts/batch/read".
	Endpoint string `json:"endpoint"`
	Count    int    `json:"count"`
}

// Calls counts the calls by account and endpoint since the last
// [Server.ResetCalls], when they arrive: those refused, and those that a fault
// meets, included.
func (s *Server) Calls() []CallCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]CallCount, 0, len(s.calls))
	for k, n := range s.calls {
		out = append(out, CallCount{k.hub, k.endpoint, n})
	}
	sortBy(out, func(a, b CallCount) bool {
		if a.HubID != b.HubID {
			return a.HubID < b.HubID
		}
		return a.Endpoint < b.Endpoint
	})
	return out
}

// ResetCalls starts counting anew.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = map[callKey]int{}
}

// Save writes the whole state to a file, by writing another and renaming it.
// What is still to happen (late commits, automatic companies) is not in it, and
// neither are faults and call counts.
func (s *Server) Save(path string) error {
	s.mu.Lock()
	s.settle()
	raw, err := json.Marshal(s.st)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("encoding the simulator's state: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("saving the simulator's state: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("saving the simulator's state: %w", err)
	}
	return nil
}

// Load replaces the state by one that [Server.Save] wrote. The error wraps
// fs.ErrNotExist if there is none.
func (s *Server) Load(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("loading the simulator's state: %w", err)
	}
	st := newState()
	if err := json.Unmarshal(raw, st); err != nil {
		return fmt.Errorf("loading the simulator's state from %s: %w", path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st, s.index, s.pending = st, uniqueIndex{}, nil
	for _, p := range st.Portals {
		p.nameTypes()
		for typeID, records := range p.Records {
			for _, r := range records {
				s.addToIndex(p, p.Types[typeID], r)
			}
		}
	}
	return nil
}
