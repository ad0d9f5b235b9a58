package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Owner is a user, or a queue, that records can belong to. A record's
// hubspot_owner_id is the owner's ID; its UserID there is an error.
type Owner struct {
	ID                  string
	Email               string
	Type                string // "PERSON" or "QUEUE"
	FirstName, LastName string
	// UserID is 0 for an archived owner.
	UserID   int64
	Archived bool
}

type ownerJSON struct {
	ID        lenient `json:"id"`
	Email     lenient `json:"email"`
	Type      lenient `json:"type"`
	FirstName lenient `json:"firstName"`
	LastName  lenient `json:"lastName"`
	UserID    lenient `json:"userId"`
	Archived  flag    `json:"archived"`
}

func (o ownerJSON) owner() Owner {
	return Owner{
		ID: string(o.ID), Email: string(o.Email), Type: string(o.Type),
		FirstName: string(o.FirstName), LastName: string(o.LastName), UserID: o.UserID.int64(), Archived: bool(o.Archived),
	}
}

// OwnersQuery says which owners to list. Email is an exact match.
type OwnersQuery struct {
	Email    string
	Archived bool
	After    string
	// Limit is at most 500; 0 means HubSpot's 100.
	Limit int
}

// OwnersPage is one page of owners.
type OwnersPage struct {
	Owners []Owner
	// After is the cursor of the next page; empty on the last.
	After string
}

func (p OwnersPage) next() string { return p.After }

// Owners lists owners, one page per call.
func (c *Client) Owners(ctx context.Context, in OwnersQuery) (OwnersPage, error) {
	q := url.Values{}
	if in.Email != "" {
		q.Set("email", in.Email)
	}
	if in.Archived {
		q.Set("archived", "true")
	}
	addPage(q, in.After, in.Limit)
	var out list[ownerJSON]
	if err := c.do(ctx, call{method: http.MethodGet, endpoint: "/crm/owners/" + APIVersion, query: q}, &out); err != nil {
		return OwnersPage{}, err
	}
	page := OwnersPage{After: out.Paging.after()}
	for _, o := range out.Results {
		page.Owners = append(page.Owners, o.owner())
	}
	return page, nil
}

// Owner reads one owner by owner ID.
func (c *Client) Owner(ctx context.Context, id string) (Owner, error) {
	return c.owner(ctx, id, nil)
}

// OwnerOfUser reads the owner that a user is, such as the one who connected
// the app ([Token.UserID]).
func (c *Client) OwnerOfUser(ctx context.Context, userID int64) (Owner, error) {
	return c.owner(ctx, strconv.FormatInt(userID, 10), url.Values{"idProperty": {"userId"}})
}

func (c *Client) owner(ctx context.Context, id string, q url.Values) (Owner, error) {
	var out ownerJSON
	err := c.do(ctx, call{method: http.MethodGet, endpoint: "/crm/owners/" + APIVersion + "/{ownerId}", args: []string{id}, query: q}, &out)
	return out.owner(), err
}

// Pipeline is a sequence of stages of deals or tickets.
type Pipeline struct {
	ID           string  `json:"id"`
	Label        string  `json:"label"`
	DisplayOrder int     `json:"displayOrder"`
	Archived     bool    `json:"archived"`
	Stages       []Stage `json:"stages"`
}

// Stage is one step of a pipeline.
type Stage struct {
	ID           string `json:"id"`
	Label        string `json:"label"`
	DisplayOrder int    `json:"displayOrder"`
	Archived     bool   `json:"archived"`
	// Metadata values are strings: "isClosed", and "probability" for deals
	// (0.0 is lost, 1.0 is won) or "ticketState" for tickets.
	Metadata StageMetadata `json:"metadata"`
}

// StageMetadata are a stage's settings: strings, whatever HubSpot sends.
type StageMetadata map[string]string

// UnmarshalJSON reads values of any kind.
func (m *StageMetadata) UnmarshalJSON(raw []byte) error {
	var fields map[string]lenient
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	*m = nil
	for name, value := range fields {
		if *m == nil {
			*m = StageMetadata{}
		}
		(*m)[name] = string(value)
	}
	return nil
}

// Closed says that a deal or ticket in this stage is done.
func (s Stage) Closed() bool {
	if s.Metadata["isClosed"] == "true" || s.Metadata["ticketState"] == "CLOSED" {
		return true
	}
	// The answer to a stage's creation lacks isClosed.
	p, err := ParseNumber(s.Metadata["probability"])
	return err == nil && (p == 0 || p == 1)
}

// Pipelines lists the pipelines of deals, tickets or another object type.
func (c *Client) Pipelines(ctx context.Context, objectType string) ([]Pipeline, error) {
	if err := checkType(objectType); err != nil {
		return nil, err
	}
	var out list[Pipeline]
	err := c.do(ctx, call{method: http.MethodGet, endpoint: "/crm/pipelines/" + APIVersion + "/" + url.PathEscape(objectType)}, &out)
	return out.Results, err
}

// Property describes a property of an object type.
type Property struct {
	Name        string           `json:"name"`
	Label       string           `json:"label"`
	Description string           `json:"description,omitempty"`
	GroupName   string           `json:"groupName"`
	Type        string           `json:"type"`      // "string", "number", "date", "datetime", "bool", "enumeration", …
	FieldType   string           `json:"fieldType"` // "text", "select", "checkbox" (several values), …
	Options     []PropertyOption `json:"options,omitempty"`
	// HasUniqueValue can be set when the property is created, and never later.
	HasUniqueValue bool `json:"hasUniqueValue,omitempty"`
	// HubSpotDefined: every account has it. Others are the account's own, or an app's.
	HubSpotDefined bool `json:"hubspotDefined,omitempty"`
	Hidden         bool `json:"hidden,omitempty"`
	Calculated     bool `json:"calculated,omitempty"`
	Archived       bool `json:"archived,omitempty"`
	// Modification says what may be changed; nil if HubSpot did not say.
	Modification *PropertyModification `json:"modificationMetadata,omitempty"`
}

// PropertyOption is one value of an enumeration.
type PropertyOption struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// PropertyModification says what may be changed of a property.
type PropertyModification struct {
	ReadOnlyValue      bool `json:"readOnlyValue"`
	ReadOnlyDefinition bool `json:"readOnlyDefinition"`
	Archivable         bool `json:"archivable"`
}

// Properties lists the properties of an object type.
func (c *Client) Properties(ctx context.Context, objectType string) ([]Property, error) {
	if err := checkType(objectType); err != nil {
		return nil, err
	}
	var out list[Property]
	err := c.do(ctx, call{method: http.MethodGet, endpoint: properties(objectType, "")}, &out)
	return out.Results, err
}

// Property reads one property.
func (c *Client) Property(ctx context.Context, objectType, name string) (Property, error) {
	if err := checkType(objectType); err != nil {
		return Property{}, err
	}
	var out Property
	err := c.do(ctx, call{method: http.MethodGet, endpoint: properties(objectType, "/{name}"), args: []string{name}}, &out)
	return out, err
}

// CreateProperty adds a property to an object type. It needs the scope
// crm.schemas.{type}.write. A name that exists is an [ErrConflict]; one that
// was archived comes back. Reads may not show it for a second.
func (c *Client) CreateProperty(ctx context.Context, objectType string, p Property) (Property, error) {
	if err := checkType(objectType); err != nil {
		return Property{}, err
	}
	var out Property
	err := c.do(ctx, call{method: http.MethodPost, endpoint: properties(objectType, ""), body: p, write: true}, &out)
	return out, err
}

// PropertyGroup is a heading under which properties are shown.
type PropertyGroup struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// CreatePropertyGroup adds a group, for properties to be created in. A name
// that exists is an [ErrConflict]. Scope as [Client.CreateProperty].
func (c *Client) CreatePropertyGroup(ctx context.Context, objectType string, g PropertyGroup) error {
	if err := checkType(objectType); err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodPost, endpoint: properties(objectType, "/groups"), body: g, write: true}, nil)
}

func properties(objectType, rest string) string {
	return "/crm/properties/" + APIVersion + "/" + url.PathEscape(objectType) + rest
}

// Schema describes a custom object type.
type Schema struct {
	// ObjectTypeID, such as "2-123", and FullyQualifiedName, such as
	// "p991_cars", serve as object types in every call.
	ObjectTypeID       string `json:"objectTypeId"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Name               string `json:"name"`
	Labels             struct {
		Singular string `json:"singular"`
		Plural   string `json:"plural"`
	} `json:"labels"`
	PrimaryDisplayProperty string     `json:"primaryDisplayProperty"`
	RequiredProperties     []string   `json:"requiredProperties"`
	SearchableProperties   []string   `json:"searchableProperties"`
	Properties             []Property `json:"properties"`
	Archived               bool       `json:"archived"`
}

const schemas = "/crm-object-schemas/" + APIVersion + "/schemas"

// Schemas lists the custom object types that the account has. It needs the
// scope crm.schemas.custom.read.
func (c *Client) Schemas(ctx context.Context) ([]Schema, error) {
	var out list[Schema]
	err := c.do(ctx, call{method: http.MethodGet, endpoint: schemas}, &out)
	return out.Results, err
}

// Schema reads one object type by its type ID or fully qualified name.
func (c *Client) Schema(ctx context.Context, objectType string) (Schema, error) {
	var out Schema
	err := c.do(ctx, call{method: http.MethodGet, endpoint: schemas + "/{type}", args: []string{objectType}}, &out)
	return out, err
}

// Account describes the HubSpot account that the token belongs to.
type Account struct {
	HubID int64 `json:"portalId"`
	// Type is "STANDARD", "DEVELOPER_TEST", "SANDBOX" or "APP_DEVELOPER".
	Type                 string   `json:"accountType"`
	TimeZone             string   `json:"timeZone"`
	CompanyCurrency      string   `json:"companyCurrency"`
	AdditionalCurrencies []string `json:"additionalCurrencies"`
	UTCOffset            string   `json:"utcOffset"`
	UIDomain             string   `json:"uiDomain"`
	DataHostingLocation  string   `json:"dataHostingLocation"`
}

// Location is the account's time zone, or UTC if Go does not know it.
func (a Account) Location() *time.Location {
	if loc, err := time.LoadLocation(a.TimeZone); err == nil {
		return loc
	}
	return time.UTC
}

// AccountDetails reads the account.
func (c *Client) AccountDetails(ctx context.Context) (Account, error) {
	var out Account
	err := c.do(ctx, call{method: http.MethodGet, endpoint: "/account-info/" + APIVersion + "/details"}, &out)
	return out, err
}

// Uninstall removes the app from the account that the token belongs to: its
// grants end, its webhooks stop, and HubSpot mails the account's admins
// (developers.hubspot.com, "App uninstalls").
func (c *Client) Uninstall(ctx context.Context) error {
	return c.do(ctx, call{method: http.MethodDelete, endpoint: "/appinstalls/" + APIVersion + "/external-install", write: true}, nil)
}
