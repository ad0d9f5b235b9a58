package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The object types that Debrief works with. Any other name, a type ID such as
// "0-1", a custom object's "2-123" or its "p{hub}_{name}" serve as well.
const (
	Contacts  = "contacts"
	Companies = "companies"
	Deals     = "deals"
	Tickets   = "tickets"
	Meetings  = "meetings"
	Notes     = "notes"
	Tasks     = "tasks"
	Calls     = "calls"
	Emails    = "emails"
)

// MaxBatch is the most inputs that one batch call on objects takes.
const MaxBatch = 100

// Record is one CRM record.
type Record struct {
	ID string
	// Properties are HubSpot's values: always strings. One that has no value
	// is absent. See values.go for what the strings mean.
	Properties map[string]string
	// History is by property, newest first; only what GetOptions asked for.
	History              map[string][]PropertyVersion
	CreatedAt, UpdatedAt time.Time
	Archived             bool
	ArchivedAt           time.Time
	// URL is the record's page in HubSpot, if HubSpot sent it.
	URL string
	// Associations are by the other end's object type, as HubSpot names it
	// ("companies"); only what GetOptions asked for.
	Associations map[string][]AssociatedID
	// MoreAssociations says which of Associations are cut, with the cursor
	// for [Client.ListAssociations].
	MoreAssociations map[string]string
	// New is set by [Client.BatchUpsert] alone: the record was created.
	New bool
	// ObjectWriteTraceID is the one that a batch input carried.
	ObjectWriteTraceID string
}

// AssociatedID is the other end of an association, as a record lists it: Type
// is a name such as "contact_to_company_unlabeled". A link with several types
// stands in the list once for each: the same ID comes more than once.
type AssociatedID struct{ ID, Type string }

// PropertyVersion is one value that a property has or had, and who set it.
type PropertyVersion struct {
	Value      string
	Timestamp  time.Time
	SourceType string
	SourceID   string
	// UpdatedByUserID is 0 if no user did it.
	UpdatedByUserID int64
}

type recordJSON struct {
	ID         lenient                    `json:"id"`
	Properties map[string]json.RawMessage `json:"properties"`
	History    map[string][]struct {
		Value           lenient `json:"value"`
		Timestamp       lenient `json:"timestamp"`
		SourceType      lenient `json:"sourceType"`
		SourceID        lenient `json:"sourceId"`
		UpdatedByUserID lenient `json:"updatedByUserId"`
	} `json:"propertiesWithHistory"`
	CreatedAt    lenient `json:"createdAt"`
	UpdatedAt    lenient `json:"updatedAt"`
	Archived     flag    `json:"archived"`
	ArchivedAt   lenient `json:"archivedAt"`
	URL          lenient `json:"url"`
	Associations map[string]struct {
		Results []struct {
			ID   lenient `json:"id"`
			Type lenient `json:"type"`
		} `json:"results"`
		Paging paging `json:"paging"`
	} `json:"associations"`
	New     flag    `json:"new"`
	TraceID lenient `json:"objectWriteTraceId"`
}

type paging struct {
	Next struct {
		After lenient `json:"after"`
	} `json:"next"`
}

func (p paging) after() string { return string(p.Next.After) }

// list is any answer with results. One without any list is none: nothing found
// is an empty list, and taking less for it would make duplicates.
type list[T any] struct {
	Results []T         `json:"results"`
	Errors  []errorBody `json:"errors"`
	Paging  paging      `json:"paging"`
	Total   int         `json:"total"`
}

func (l *list[T]) UnmarshalJSON(raw []byte) error {
	type plain list[T]
	var body plain
	if err := json.Unmarshal(raw, &body); err != nil {
		return err
	}
	if body.Results == nil && body.Errors == nil {
		return errors.New("a list without results")
	}
	*l = list[T](body)
	return nil
}

// Pages reads page after page of anything that comes in pages, one request for
// each turn of the loop, and ends after an error:
//
//	for page, err := range hubspot.Pages(func(after string) (hubspot.Page, error) {
//		return client.List(ctx, hubspot.Deals, hubspot.ListOptions{Limit: 100, After: after})
//	}) { … }
//
// It serves [Client.List], [Client.Search], [Client.Owners] and
// [Client.ListAssociations].
func Pages[P interface{ next() string }](read func(after string) (P, error)) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		for after := ""; ; {
			page, err := read(after)
			next := page.next()
			if err == nil && next != "" && next == after {
				// It would be read for ever.
				err = errors.New("hubspot: a page names itself as the next one")
			}
			if !yield(page, err) || err != nil || next == "" {
				return
			}
			after = next
		}
	}
}

func (r recordJSON) record() (Record, error) {
	if r.ID == "" {
		// A record without an ID cannot be followed up; taking it as written
		// would lose it.
		return Record{}, fmt.Errorf("a record without an ID")
	}
	out := Record{
		ID:                 string(r.ID),
		Properties:         make(map[string]string, len(r.Properties)),
		CreatedAt:          looseTime(string(r.CreatedAt)),
		UpdatedAt:          looseTime(string(r.UpdatedAt)),
		Archived:           bool(r.Archived),
		ArchivedAt:         looseTime(string(r.ArchivedAt)),
		URL:                string(r.URL),
		New:                bool(r.New),
		ObjectWriteTraceID: string(r.TraceID),
	}
	for name, raw := range r.Properties {
		if string(raw) == "null" {
			continue
		}
		var value lenient
		_ = value.UnmarshalJSON(raw)
		out.Properties[name] = string(value)
	}
	for name, versions := range r.History {
		for _, v := range versions {
			if out.History == nil {
				out.History = map[string][]PropertyVersion{}
			}
			out.History[name] = append(out.History[name], PropertyVersion{
				Value: string(v.Value), Timestamp: looseTime(string(v.Timestamp)),
				SourceType: string(v.SourceType), SourceID: string(v.SourceID), UpdatedByUserID: v.UpdatedByUserID.int64(),
			})
		}
	}
	for name, list := range r.Associations {
		if out.Associations == nil {
			out.Associations = map[string][]AssociatedID{}
		}
		for _, one := range list.Results {
			out.Associations[name] = append(out.Associations[name], AssociatedID{ID: string(one.ID), Type: string(one.Type)})
		}
		if after := list.Paging.after(); after != "" {
			if out.MoreAssociations == nil {
				out.MoreAssociations = map[string]string{}
			}
			out.MoreAssociations[name] = after
		}
	}
	return out, nil
}

// UnmarshalJSON reads HubSpot's form of a record.
func (r *Record) UnmarshalJSON(raw []byte) error {
	var body recordJSON
	if err := json.Unmarshal(raw, &body); err != nil {
		return err
	}
	record, err := body.record()
	if err != nil {
		return err
	}
	*r = record
	return nil
}

// looseTime is the zero time if s is none: a time is never worth losing a
// record for.
func looseTime(s string) time.Time {
	t, _ := ParseDateTime(s)
	return t
}

// Association links a record that is being created to one that exists.
type Association struct {
	ToID  string
	Types []AssociationType
}

// AssociationType is one kind of link. See [AssociationTypeID].
type AssociationType struct {
	// Category is [HubSpotDefined], [UserDefined] or [IntegratorDefined].
	Category string
	TypeID   int
}

// Who defined an association type.
const (
	HubSpotDefined    = "HUBSPOT_DEFINED"
	UserDefined       = "USER_DEFINED"
	IntegratorDefined = "INTEGRATOR_DEFINED"
)

// CreateInput is a record to be created.
type CreateInput struct {
	Properties   map[string]string
	Associations []Association
	// ObjectWriteTraceID, of batch inputs: if every input has its own, one
	// bad input fails alone instead of failing the batch.
	ObjectWriteTraceID string
}

type typeJSON struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

type idJSON struct {
	ID string `json:"id"`
}

type associationJSON struct {
	To    idJSON     `json:"to"`
	Types []typeJSON `json:"types"`
}

type createJSON struct {
	Properties   map[string]string `json:"properties"`
	Associations []associationJSON `json:"associations,omitempty"`
	TraceID      string            `json:"objectWriteTraceId,omitempty"`
}

func (in CreateInput) json() createJSON {
	out := createJSON{Properties: in.Properties, TraceID: in.ObjectWriteTraceID}
	if out.Properties == nil {
		out.Properties = map[string]string{}
	}
	for _, a := range in.Associations {
		out.Associations = append(out.Associations, associationJSON{To: idJSON{ID: a.ToID}, Types: typesJSON(a.Types)})
	}
	return out
}

func typesJSON(types []AssociationType) []typeJSON {
	out := make([]typeJSON, 0, len(types))
	for _, t := range types {
		if t.Category == "" {
			t.Category = HubSpotDefined
		}
		out = append(out, typeJSON(t))
	}
	return out
}

// objects is the endpoint of one object type. The type stands in it, so that
// OnResponse and errors tell contacts from deals.
func objects(objectType, rest string) string {
	return "/crm/objects/" + APIVersion + "/" + url.PathEscape(objectType) + rest
}

func checkType(objectType string) error {
	if objectType == "" || strings.ContainsAny(objectType, "{}/?#") || strings.Trim(objectType, ".") == "" {
		return fmt.Errorf("hubspot: %q is no object type", objectType)
	}
	return nil
}

func checkBatch(n, most int) error {
	if n == 0 || n > most {
		return fmt.Errorf("hubspot: a batch of %d inputs: it takes 1 to %d", n, most)
	}
	return nil
}

// Create creates a record. HubSpot has no idempotency key: see
// [OutcomeUnknown] before sending a create again. A contact whose e-mail
// exists is an [ErrConflict] with the existing ID; companies, deals and
// tickets are not deduplicated by HubSpot.
func (c *Client) Create(ctx context.Context, objectType string, in CreateInput) (Record, error) {
	if err := checkType(objectType); err != nil {
		return Record{}, err
	}
	var out Record
	err := c.do(ctx, call{method: http.MethodPost, endpoint: objects(objectType, ""), body: in.json(), write: true}, &out)
	return out, err
}

// GetOptions say what to read of a record.
type GetOptions struct {
	// Properties to read; none means HubSpot's default ones. A property that
	// does not exist is left out, without an error.
	Properties []string
	// PropertiesWithHistory to read with their earlier values.
	PropertiesWithHistory []string
	// Associations are object types whose associated records to list.
	Associations []string
	// IDProperty says that the ID given is that property's value ("email", or
	// one with unique values).
	IDProperty string
	// Archived reads from the recycle bin instead.
	Archived bool
}

func (o GetOptions) query() url.Values {
	q := url.Values{}
	set := func(name string, values []string) {
		if len(values) > 0 {
			q.Set(name, strings.Join(values, ","))
		}
	}
	set("properties", o.Properties)
	set("propertiesWithHistory", o.PropertiesWithHistory)
	set("associations", o.Associations)
	if o.IDProperty != "" {
		q.Set("idProperty", o.IDProperty)
	}
	if o.Archived {
		q.Set("archived", "true")
	}
	return q
}

// Get reads a record by its ID, or by a unique property.
func (c *Client) Get(ctx context.Context, objectType, id string, o GetOptions) (Record, error) {
	if err := checkType(objectType); err != nil {
		return Record{}, err
	}
	var out Record
	err := c.do(ctx, call{method: http.MethodGet, endpoint: objects(objectType, "/{id}"), args: []string{id}, query: o.query()}, &out)
	return out, err
}

// ListOptions say which page of a list to read.
type ListOptions struct {
	Properties   []string
	Associations []string
	Archived     bool
	// Limit is at most 100; 0 means HubSpot's 10.
	Limit int
	After string
}

// Page is one page of records.
type Page struct {
	Records []Record
	// After is the cursor of the next page; empty on the last.
	After string
}

func (p Page) next() string { return p.After }

// List reads one page of all records of a type.
func (c *Client) List(ctx context.Context, objectType string, o ListOptions) (Page, error) {
	if err := checkType(objectType); err != nil {
		return Page{}, err
	}
	q := GetOptions{Properties: o.Properties, Associations: o.Associations, Archived: o.Archived}.query()
	addPage(q, o.After, o.Limit)
	var out list[Record]
	err := c.do(ctx, call{method: http.MethodGet, endpoint: objects(objectType, ""), query: q}, &out)
	return Page{Records: out.Results, After: out.Paging.after()}, err
}

func addPage(q url.Values, after string, limit int) {
	if after != "" {
		q.Set("after", after)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
}

// Update sets properties of a record; an empty value clears one. To name the
// record by a unique property, use [Client.BatchUpdate].
func (c *Client) Update(ctx context.Context, objectType, id string, properties map[string]string) (Record, error) {
	if err := checkType(objectType); err != nil {
		return Record{}, err
	}
	var out Record
	body := map[string]any{"properties": properties}
	err := c.do(ctx, call{method: http.MethodPatch, endpoint: objects(objectType, "/{id}"), args: []string{id}, body: body, write: true}, &out)
	return out, err
}

// Archive puts a record into the recycle bin, where it stays for 90 days.
// Archiving an archived record succeeds.
func (c *Client) Archive(ctx context.Context, objectType, id string) error {
	if err := checkType(objectType); err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodDelete, endpoint: objects(objectType, "/{id}"), args: []string{id}, write: true}, nil)
}

// Merge folds one record into another and returns the one that remains. Its
// ID may be a new one.
func (c *Client) Merge(ctx context.Context, objectType, primaryID, mergedID string) (Record, error) {
	if err := checkType(objectType); err != nil {
		return Record{}, err
	}
	var out Record
	body := map[string]string{"primaryObjectId": primaryID, "objectIdToMerge": mergedID}
	err := c.do(ctx, call{method: http.MethodPost, endpoint: objects(objectType, "/merge"), body: body, write: true}, &out)
	return out, err
}

// GDPRDelete deletes a contact and what is known of it for good: there is no
// recycle bin behind it.
func (c *Client) GDPRDelete(ctx context.Context, contactID string) error {
	body := map[string]string{"objectId": contactID}
	return c.do(ctx, call{method: http.MethodPost, endpoint: objects(Contacts, "/gdpr-delete"), body: body, write: true}, nil)
}

// ItemError is what went wrong with some inputs of a batch while others went
// through (HTTP 207).
type ItemError struct {
	// Err has the category, the existing ID and the like; its StatusCode is
	// the one that the same failure has outside a batch.
	Err *Error
	// IDs are the inputs concerned, if HubSpot named them.
	IDs []string
	// ObjectWriteTraceIDs are those of the inputs concerned.
	ObjectWriteTraceIDs []string
}

// BatchResult is what a batch did.
type BatchResult struct {
	// Records are in no promised order, and an input may be missing from both
	// Records and Errors (a record that was merged away).
	Records []Record
	Errors  []ItemError
}

func result(out list[Record], endpoint string) BatchResult {
	return BatchResult{Records: out.Results, Errors: itemErrors(out.Errors, endpoint, true)}
}

func itemErrors(bodies []errorBody, endpoint string, write bool) []ItemError {
	var failed []ItemError
	for _, body := range bodies {
		failed = append(failed, itemError(body, endpoint, write))
	}
	return failed
}

func itemError(body errorBody, endpoint string, write bool) ItemError {
	e := body.toError()
	e.Method, e.Endpoint, e.write = http.MethodPost, endpoint, write
	switch e.Category {
	case "OBJECT_NOT_FOUND":
		e.StatusCode = http.StatusNotFound
	case "CONFLICT", "OBJECT_ALREADY_EXISTS":
		e.StatusCode = http.StatusConflict
	case "MISSING_SCOPES":
		e.StatusCode = http.StatusForbidden
	case "RATE_LIMITS", "RATE_LIMIT":
		e.StatusCode = http.StatusTooManyRequests
	default:
		e.StatusCode = http.StatusBadRequest
	}
	return ItemError{Err: e, IDs: body.Context["ids"], ObjectWriteTraceIDs: body.Context["objectWriteTraceId"]}
}

// batch writes a batch.
func (c *Client) batch(ctx context.Context, objectType, operation string, n int, body any) (BatchResult, error) {
	if err := checkType(objectType); err != nil {
		return BatchResult{}, err
	}
	if err := checkBatch(n, MaxBatch); err != nil {
		return BatchResult{}, err
	}
	endpoint := objects(objectType, "/batch/"+operation)
	var out list[Record]
	if err := c.do(ctx, call{method: http.MethodPost, endpoint: endpoint, body: body, write: true}, &out); err != nil {
		return BatchResult{}, err
	}
	return result(out, endpoint), nil
}

// BatchReadInput says which records to read.
type BatchReadInput struct {
	// IDProperty says that IDs are that property's values.
	IDProperty            string
	Properties            []string
	PropertiesWithHistory []string
	// IDs are at most [MaxBatch].
	IDs      []string
	Archived bool
}

// BatchReadResult is what was found.
type BatchReadResult struct {
	Records []Record
	// Missing are the IDs asked for that no record has: as HubSpot listed
	// them, or else those that no answer fits.
	Missing []string
}

// BatchRead reads up to [MaxBatch] records at once. One that does not exist
// is no error. A batch cannot read associations: use
// [Client.BatchReadAssociations].
func (c *Client) BatchRead(ctx context.Context, objectType string, in BatchReadInput) (BatchReadResult, error) {
	properties := append([]string{}, in.Properties...)
	if in.IDProperty != "" && len(properties) > 0 {
		// Without the property in the answer, nobody could tell which record
		// answers which ID.
		properties = append(properties, in.IDProperty)
	}
	body := struct {
		IDProperty string   `json:"idProperty,omitempty"`
		Properties []string `json:"properties"`
		History    []string `json:"propertiesWithHistory"`
		Inputs     []idJSON `json:"inputs"`
	}{in.IDProperty, properties, append([]string{}, in.PropertiesWithHistory...), ids(in.IDs)}
	if err := checkType(objectType); err != nil {
		return BatchReadResult{}, err
	}
	if err := checkBatch(len(in.IDs), MaxBatch); err != nil {
		return BatchReadResult{}, err
	}
	q := url.Values{}
	if in.Archived {
		q.Set("archived", "true")
	}
	var out list[Record]
	if err := c.do(ctx, call{method: http.MethodPost, endpoint: objects(objectType, "/batch/read"), query: q, body: body}, &out); err != nil {
		return BatchReadResult{}, err
	}
	return BatchReadResult{Records: out.Results, Missing: missing(in, out)}, nil
}

func missing(in BatchReadInput, out list[Record]) []string {
	var named []string
	for _, e := range out.Errors {
		named = append(named, e.Context["ids"]...)
	}
	if len(named) > 0 {
		return named
	}
	asked := map[string]bool{}
	for _, id := range in.IDs {
		asked[strings.ToLower(id)] = true
	}
	if len(out.Results) >= len(asked) {
		// As many answers as questions: an ID that was merged away answers
		// with the ID that it now has.
		return nil
	}
	for _, r := range out.Results {
		id := r.ID
		if in.IDProperty != "" {
			id = r.Properties[in.IDProperty]
		}
		delete(asked, strings.ToLower(id))
	}
	for _, id := range in.IDs {
		if key := strings.ToLower(id); asked[key] {
			named = append(named, id)
			delete(asked, key)
		}
	}
	return named
}

func ids(list []string) []idJSON {
	out := make([]idJSON, len(list))
	for i, id := range list {
		out[i] = idJSON{ID: id}
	}
	return out
}

type inputs[T any] struct {
	Inputs []T `json:"inputs"`
}

// BatchCreate creates up to [MaxBatch] records. Unless every input has its own
// ObjectWriteTraceID, the first bad one fails the whole batch.
func (c *Client) BatchCreate(ctx context.Context, objectType string, in []CreateInput) (BatchResult, error) {
	body := inputs[createJSON]{}
	for _, one := range in {
		body.Inputs = append(body.Inputs, one.json())
	}
	return c.batch(ctx, objectType, "create", len(in), body)
}

// UpdateInput is a change to one record of a batch, or a record to upsert.
type UpdateInput struct {
	ID string `json:"id"`
	// IDProperty says that ID is that property's value.
	IDProperty         string            `json:"idProperty,omitempty"`
	Properties         map[string]string `json:"properties"`
	ObjectWriteTraceID string            `json:"objectWriteTraceId,omitempty"`
}

// BatchUpdate changes up to [MaxBatch] records.
func (c *Client) BatchUpdate(ctx context.Context, objectType string, in []UpdateInput) (BatchResult, error) {
	return c.batch(ctx, objectType, "update", len(in), inputs[UpdateInput]{in})
}

// BatchUpsert creates or updates up to [MaxBatch] records by a property with
// unique values; each Record says whether it is New. Every input needs an
// IDProperty. By a contact's "email", HubSpot supports no partial upserts: use
// a property of your own (developers.hubspot.com, "Contacts").
func (c *Client) BatchUpsert(ctx context.Context, objectType string, in []UpdateInput) (BatchResult, error) {
	for _, one := range in {
		if one.IDProperty == "" || one.ID == "" {
			return BatchResult{}, fmt.Errorf("hubspot: an upsert needs an ID property and its value for every input")
		}
	}
	return c.batch(ctx, objectType, "upsert", len(in), inputs[UpdateInput]{in})
}

// BatchArchive archives up to [MaxBatch] records. It succeeds whatever state
// they are in.
func (c *Client) BatchArchive(ctx context.Context, objectType string, recordIDs []string) error {
	if err := checkType(objectType); err != nil {
		return err
	}
	if err := checkBatch(len(recordIDs), MaxBatch); err != nil {
		return err
	}
	return c.do(ctx, call{method: http.MethodPost, endpoint: objects(objectType, "/batch/archive"), body: inputs[idJSON]{ids(recordIDs)}, write: true}, nil)
}
