package hubspottest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	// PrivateDistribution: the limits are those of a private app (100 or 190
	// calls in ten seconds, a day shared by the account's private apps, with
	// headers) and not those of the marketplace.
	PrivateDistribution bool `json:"privateDistribution,omitempty"`
	// DeveloperAPIKey opens /webhooks/v3/{appId}. Empty: the simulator chooses.
	DeveloperAPIKey string `json:"developerApiKey,omitempty"`
	// JournalEmptyIs404: nothing new in the webhooks journal is a 404 instead
	// of a 204; both are seen.
	JournalEmptyIs404 bool `json:"journalEmptyIs404,omitempty"`
	// JournalUpserts: making a journal subscription that exists answers 200
	// with it instead of 409; HubSpot's texts say both.
	JournalUpserts bool `json:"journalUpserts,omitempty"`
	// JournalMerges is what the journal tells of a merge, which is not documented:
	// "webhook" (the default) names the records as a webhook does, "property" only
	// tells hs_merged_object_ids, "bare" nothing but the record that is left.
	JournalMerges string `json:"journalMerges,omitempty"`
	// JournalUnruly: the journal tells each change of a record twice, and within a
	// file the latest first. HubSpot promises order; nothing should need it.
	JournalUnruly bool `json:"journalUnruly,omitempty"`
	// RotateRefreshTokens: each refresh returns a new refresh token and ends
	// the old one. HubSpot does not, and says that it might.
	RotateRefreshTokens bool `json:"rotateRefreshTokens,omitempty"`
	// RotateLeniently: each refresh returns a new refresh token; the old one
	// works until the new one is used.
	RotateLeniently bool `json:"rotateLeniently,omitempty"`
}

// Portal is a HubSpot account.
type Portal struct {
	HubID    int64  `json:"hubId"`
	Name     string `json:"name"`
	Domain   string `json:"domain"`
	Currency string `json:"currency"` // default: USD
	// Currencies are those beside Currency.
	Currencies []string `json:"additionalCurrencies,omitempty"`
	// ExchangeRates are what one unit of those is worth in Currency.
	ExchangeRates map[string]float64 `json:"exchangeRates,omitempty"`
	TimeZone      string             `json:"timeZone"` // default: UTC
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
	// Starter: the account's plan is Free or Starter, not Professional or
	// Enterprise; private apps and association batches have smaller limits.
	Starter bool `json:"starter,omitempty"`
	// BurstLimit per ten seconds and app. Default: 110 for apps of the
	// marketplace; for private ones 190, or 100 with Starter.
	BurstLimit int `json:"burstLimit,omitempty"`
	// DailyLimit of all private apps together. Default: 625,000, or 250,000
	// with Starter.
	DailyLimit int `json:"dailyLimit,omitempty"`
	// AssociationLimit is of association batches in ten seconds. Default: 150,
	// or 100 with Starter.
	AssociationLimit int `json:"associationLimit,omitempty"`
	// PlainSearchLimit: the 429 of a search has no policyName; both are seen.
	PlainSearchLimit bool `json:"plainSearchLimit,omitempty"`
	// SearchLimit per second and account. Default: 5.
	SearchLimit int `json:"searchLimit,omitempty"`
	// SearchLag is how long a written record stays unknown to search.
	SearchLag time.Duration `json:"searchLag,omitempty"`
	// PropertyLag is how long a new property stays unknown to reads of
	// properties. Seen at HubSpot: 250 to 700 ms.
	PropertyLag time.Duration `json:"propertyLag,omitempty"`
	// AutoCompany looks, when AutoCompanyAfter has passed, for the company of a
	// new contact's e-mail domain, makes it if there is none, and associates
	// both as primary. A contact that has a company by then, or whose address
	// is at a mailbox provider, is left alone.
	AutoCompany      bool          `json:"autoCompany,omitempty"`
	AutoCompanyAfter time.Duration `json:"autoCompanyAfter,omitempty"`
	// CancelShowsPage: "Cancel" on the consent page ends on a page of HubSpot
	// instead of going back with error=access_denied. Which of the two HubSpot
	// does is not documented.
	CancelShowsPage bool `json:"cancelShowsPage,omitempty"`
	// OmitUnset: a property that was asked for and has no value is absent
	// instead of null; HubSpot's guides say both.
	OmitUnset bool `json:"omitUnset,omitempty"`
	// NumericPairIDs: the answer that labels an association has numbers for
	// IDs instead of text; HubSpot's guide and its reference differ.
	NumericPairIDs bool `json:"numericPairIds,omitempty"`
	// LabelLimit is how many labels of its own an account may make between two
	// object types. Default: 50 (10 in HubSpot's text, 50 and more seen).
	LabelLimit int `json:"labelLimit,omitempty"`
	// RulesOnOldPaths: required and conditionally required properties bind
	// calls of versions before 2026-09 too.
	RulesOnOldPaths bool `json:"rulesOnOldPaths,omitempty"`
	// InstallerNamed: what an account-level app writes names the user who
	// installed it, as what a user-level app writes always names its user. As a
	// rule it names nobody; HubSpot does not say.
	InstallerNamed bool `json:"installerNamed,omitempty"`
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
	// HiddenProperties, as "contacts.phone", are neither shown to a user-level
	// app as this user nor written by it.
	HiddenProperties []string `json:"hiddenProperties,omitempty"`
	// NoAssociations: lacks the permission to edit associations, which binds
	// user-level apps.
	NoAssociations bool `json:"noAssociations,omitempty"`
	// Teams are shown with the owner.
	Teams []Team `json:"teams,omitempty"`
	// OwnerID is what hubspot_owner_id holds; empty: the simulator chooses.
	OwnerID string `json:"ownerId"`
	// Archived: no longer in the account; the owner stays, archived.
	Archived bool `json:"archived,omitempty"`
}

// Team is a team of an owner.
type Team struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Primary bool   `json:"primary"`
}

// Write is one change that was made, in the order of commits.
type Write struct {
	Seq        int       `json:"seq"`
	At         time.Time `json:"at"`
	HubID      int64     `json:"hubId"`
	ObjectType string    `json:"objectType"`
	ID         string    `json:"id"`
	// Operation is create, update, archive, merge, gdpr-delete, associate,
	// disassociate or unlabel.
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
	// Installs are by installKey.
	Installs map[string]bool `json:"installs"`
	// Hooks and Journal are by client ID.
	Hooks   map[string]*Webhooks              `json:"hooks"`
	Journal map[string][]*journalSubscription `json:"journal"`
	// PendingSeq keeps the order of what is due at one time.
	PendingSeq int `json:"-"`
}

func newState() *state {
	return &state{
		Apps: map[string]*App{}, Portals: map[int64]*portal{}, Codes: map[string]*authCode{},
		Refresh: map[string]*refreshToken{}, Access: map[string]*accessToken{}, NextID: 40_000_000_001,
		Installs: map[string]bool{}, Hooks: map[string]*Webhooks{}, Journal: map[string][]*journalSubscription{},
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
	// Groups are property groups by type ID.
	Groups map[string][]*propertyGroup `json:"groups"`
	// Rules are by type ID.
	Rules     map[string][]Rule `json:"rules,omitempty"`
	LastLabel int               `json:"lastLabel,omitempty"`

	names    map[string]*objectType
	location *time.Location
	// objectScopes are those that any association call takes one of.
	objectScopes []string
	// ordered are the records by type ID in the order of their creation.
	ordered map[string][]*record
	// known finds records by values that they have or had: search looks at
	// these alone where a filter allows it, and checks each.
	known map[knownKey][]*record
}

type knownKey struct{ objectType, name, value string }

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
	if known := s.st.Apps[a.ClientID]; a.DeveloperAPIKey == "" && known != nil {
		a.DeveloperAPIKey = known.DeveloperAPIKey
	}
	if a.DeveloperAPIKey == "" {
		a.DeveloperAPIKey = newUUID()
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
		Labels: map[string][]label{}, Pipelines: builtinPipelines(s.now()), Rules: map[string][]Rule{},
	}
	made.Groups = builtinGroups(made.Types)
	made.prepare()
	s.st.Portals[p.HubID] = made
	return p
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// RemovePortal ends an account: its tokens are worth nothing, and a refresh is
// answered with BAD_HUB.
func (s *Server) RemovePortal(hubID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.st.Portals, hubID)
	for key := range s.index {
		if key.hub == hubID {
			delete(s.index, key)
		}
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
	s.calls, s.tooMany = map[callKey]int{}, 0
}

// TooMany is how many calls were answered 429 since the last [Server.ResetCalls] because
// a limit was reached.
func (s *Server) TooMany() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tooMany
}

// Save writes the whole state to a file, by writing another and renaming it.
// What is still to happen (late commits, automatic companies, webhooks that
// wait) is not in it, and neither are faults, call counts and what the journal
// holds.
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
	s.hooks, s.journals = map[string]*hookQueue{}, map[string]*journal{}
	for _, p := range st.Portals {
		p.prepare()
		for typeID, records := range p.Records {
			for _, r := range records {
				s.addToIndex(p, p.Types[typeID], r)
			}
		}
	}
	return nil
}

// prepare builds what is looked things up in, and fills what a state saved by
// an earlier version lacks.
func (p *portal) prepare() {
	if p.Rules == nil {
		p.Rules = map[string][]Rule{}
	}
	if p.Groups == nil {
		p.Groups = builtinGroups(p.Types)
	}
	p.nameTypes()
	p.ordered, p.known = map[string][]*record{}, map[knownKey][]*record{}
	for typeID, records := range p.Records {
		t := p.Types[typeID]
		p.ordered[typeID] = sortedRecords(records)
		for _, r := range p.ordered[typeID] {
			p.remember(t, r, r.Indexed)
			p.remember(t, r, r.Props)
		}
	}
}

// findable are the properties whose values search has an index of, beside the
// unique ones.
func (t *objectType) findable(name string) bool {
	switch name {
	case "email", "domain", "name", "dealname", "subject":
		return true
	}
	def := t.Properties[name]
	return def != nil && def.HasUniqueValue
}

func (p *portal) remember(t *objectType, r *record, props map[string]string) {
	for name, value := range props {
		if value == "" || !t.findable(name) {
			continue
		}
		key := knownKey{t.ID, name, strings.ToLower(value)}
		if !slices.Contains(p.known[key], r) {
			p.known[key] = append(p.known[key], r)
		}
	}
}
