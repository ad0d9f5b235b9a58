package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// MaxAssociationReads is the most records whose associations one batch reads;
// MaxAssociationWrites the most associations that one batch writes.
const (
	MaxAssociationReads  = 1000
	MaxAssociationWrites = 2000
)

// typeIDs are HubSpot's IDs of the object types.
var typeIDs = map[string]string{
	Contacts: "0-1", Companies: "0-2", Deals: "0-3", Tickets: "0-5", Tasks: "0-27",
	Notes: "0-46", Meetings: "0-47", Calls: "0-48", Emails: "0-49",
}

// ObjectTypeID is the ID of an object type that this package names, such as
// "0-1" for contacts.
func ObjectTypeID(name string) (string, bool) {
	id, ok := typeIDs[name]
	return id, ok
}

// unlabelled are the type IDs of a plain association, by from and to
// (developers.hubspot.com, "Associate records", type ID values).
var unlabelled = map[string]map[string]int{
	Contacts: {
		Contacts: 449, Companies: 279, Deals: 4, Tickets: 15,
		Meetings: 199, Notes: 201, Tasks: 203, Calls: 193, Emails: 197,
	},
	Companies: {
		Contacts: 280, Companies: 450, Deals: 342, Tickets: 340,
		Meetings: 187, Notes: 189, Tasks: 191, Calls: 181, Emails: 185,
	},
	Deals: {
		Contacts: 3, Companies: 341, Deals: 451, Tickets: 27,
		Meetings: 211, Notes: 213, Tasks: 215, Calls: 205, Emails: 209,
	},
	Tickets: {
		Contacts: 16, Companies: 339, Deals: 28, Tickets: 452,
		Meetings: 225, Notes: 227, Tasks: 229, Calls: 219, Emails: 223,
	},
	Meetings: {Contacts: 200, Companies: 188, Deals: 212, Tickets: 226},
	Notes:    {Contacts: 202, Companies: 190, Deals: 214, Tickets: 228},
	Tasks:    {Contacts: 204, Companies: 192, Deals: 216, Tickets: 230},
	Calls:    {Contacts: 194, Companies: 182, Deals: 206, Tickets: 220},
	Emails:   {Contacts: 198, Companies: 186, Deals: 210, Tickets: 224},
}

// AssociationTypeID is the type of a plain association from one object type to
// another, for a create's associations. Types are names ([Contacts]) or IDs
// ("0-1").
//
// The trap: 1 and 2 (contact and company), 5 and 6 (deal and company), 25 and
// 26 (company and ticket) look like the natural ones in many examples, and are
// the *primary* types. Writing one replaces whoever was the record's primary
// company. To just associate, it is 279, 280, 341, 342, 340 and 339: those are
// in this table, and the primary ones are not.
func AssociationTypeID(from, to string) (int, bool) {
	id, ok := unlabelled[typeName(from)][typeName(to)]
	return id, ok
}

// primary are the type IDs that make a company the primary one.
var primary = map[string]map[string]int{
	Contacts:  {Companies: 1},
	Companies: {Contacts: 2, Deals: 6, Tickets: 25},
	Deals:     {Companies: 5},
	Tickets:   {Companies: 26},
}

// PrimaryAssociationTypeID is the type that marks a record's primary company,
// by which a link that was read is told from a plain one. Write it only to
// replace the primary company: see [AssociationTypeID].
func PrimaryAssociationTypeID(from, to string) (int, bool) {
	id, ok := primary[typeName(from)][typeName(to)]
	return id, ok
}

func typeName(t string) string {
	for name, id := range typeIDs {
		if id == t {
			return name
		}
	}
	return t
}

// AssociatedRecord is a record at the other end, with all types of the link.
type AssociatedRecord struct {
	ID    string
	Types []AssociationLabel
}

// AssociationLabel is one type of a link. Label is empty for the plain one,
// which always stands beside labelled ones.
type AssociationLabel struct {
	Category string
	TypeID   int
	Label    string
}

type associatedJSON struct {
	ToObjectID lenient     `json:"toObjectId"`
	Types      []labelJSON `json:"associationTypes"`
}

type labelJSON struct {
	Category lenient `json:"category"`
	TypeID   lenient `json:"typeId"`
	Label    lenient `json:"label"`
}

func (l labelJSON) label() AssociationLabel {
	id, _ := strconv.Atoi(string(l.TypeID))
	return AssociationLabel{Category: string(l.Category), TypeID: id, Label: string(l.Label)}
}

func associated(list []associatedJSON) []AssociatedRecord {
	var out []AssociatedRecord
	for _, one := range list {
		if one.ToObjectID == "" {
			continue
		}
		r := AssociatedRecord{ID: string(one.ToObjectID)}
		for _, t := range one.Types {
			r.Types = append(r.Types, t.label())
		}
		out = append(out, r)
	}
	return out
}

// AssociationPage is one page of a record's associations.
type AssociationPage struct {
	Records []AssociatedRecord
	// After is the cursor of the next page; empty on the last.
	After string
}

func (p AssociationPage) next() string { return p.After }

// ListAssociations reads one page of up to 500 of a record's associations to
// one object type; after is empty for the first.
func (c *Client) ListAssociations(ctx context.Context, fromType, fromID, toType, after string) (AssociationPage, error) {
	if err := checkTypes(fromType, toType); err != nil {
		return AssociationPage{}, err
	}
	q := url.Values{}
	addPage(q, after, 500)
	var out list[associatedJSON]
	err := c.do(ctx, call{
		method: http.MethodGet, endpoint: objects(fromType, "/{id}/associations/"+url.PathEscape(toType)),
		args: []string{fromID}, query: q,
	}, &out)
	return AssociationPage{Records: associated(out.Results), After: out.Paging.after()}, err
}

// AssociationsRead is what a batch read of associations found, by the ID of
// the record asked for.
type AssociationsRead struct {
	Records map[string][]AssociatedRecord
	// After has the cursor of each record whose list is cut; go on with
	// [Client.ListAssociations].
	After map[string]string
	// Errors are HubSpot's remarks on IDs, such as that one has no
	// associations or does not exist: it does not tell the two apart.
	Errors []ItemError
}

// BatchReadAssociations reads the associations of up to
// [MaxAssociationReads] records to one object type. Like every batch of
// associations it counts against the [AssociationBucket].
func (c *Client) BatchReadAssociations(ctx context.Context, fromType, toType string, fromIDs []string) (AssociationsRead, error) {
	if err := checkTypes(fromType, toType); err != nil {
		return AssociationsRead{}, err
	}
	if err := checkBatch(len(fromIDs), MaxAssociationReads); err != nil {
		return AssociationsRead{}, err
	}
	endpoint := associations(fromType, toType, "/batch/read")
	var out list[struct {
		From struct {
			ID lenient `json:"id"`
		} `json:"from"`
		To     []associatedJSON `json:"to"`
		Paging paging           `json:"paging"`
	}]
	read := call{method: http.MethodPost, endpoint: endpoint, body: inputs[idJSON]{ids(fromIDs)}, bucket: AssociationBucket}
	if err := c.do(ctx, read, &out); err != nil {
		return AssociationsRead{}, err
	}
	found := AssociationsRead{Records: map[string][]AssociatedRecord{}, After: map[string]string{}}
	for _, r := range out.Results {
		id := string(r.From.ID)
		found.Records[id] = append(found.Records[id], associated(r.To)...)
		if after := r.Paging.after(); after != "" {
			found.After[id] = after
		}
	}
	found.Errors = itemErrors(out.Errors, endpoint, false)
	return found, nil
}

// AssociateDefault links two records plainly. Doing it again changes nothing.
func (c *Client) AssociateDefault(ctx context.Context, fromType, fromID, toType, toID string) error {
	if err := checkTypes(fromType, toType); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodPut, endpoint: objects(fromType, "/{id}/associations/default/"+url.PathEscape(toType)+"/{toId}"),
		args: []string{fromID, toID}, write: true,
	}, nil)
}

// Associate links two records with these types. It replaces the labels that
// the link had: pass every one that is to stay.
func (c *Client) Associate(ctx context.Context, fromType, fromID, toType, toID string, types []AssociationType) error {
	if err := checkTypes(fromType, toType); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodPut, endpoint: objects(fromType, "/{id}/associations/"+url.PathEscape(toType)+"/{toId}"),
		args: []string{fromID, toID}, body: typesJSON(types), write: true,
	}, nil)
}

// Disassociate removes every link between two records.
func (c *Client) Disassociate(ctx context.Context, fromType, fromID, toType, toID string) error {
	if err := checkTypes(fromType, toType); err != nil {
		return err
	}
	return c.do(ctx, call{
		method: http.MethodDelete, endpoint: objects(fromType, "/{id}/associations/"+url.PathEscape(toType)+"/{toId}"),
		args: []string{fromID, toID}, write: true,
	}, nil)
}

// Pair is the two ends of an association. Types serve
// [Client.BatchAssociate] alone.
type Pair struct {
	FromID, ToID string
	Types        []AssociationType
}

// BatchAssociateDefault links up to [MaxAssociationWrites] pairs plainly. The
// errors are of pairs that could not be linked while the others were.
func (c *Client) BatchAssociateDefault(ctx context.Context, fromType, toType string, pairs []Pair) ([]ItemError, error) {
	return c.batchPairs(ctx, fromType, toType, "/batch/associate/default", pairs, func(p Pair) pairJSON {
		return pairJSON{From: idJSON{p.FromID}, To: idJSON{p.ToID}}
	})
}

// BatchAssociate links up to [MaxAssociationWrites] pairs with the types of
// each, otherwise like [Client.BatchAssociateDefault].
func (c *Client) BatchAssociate(ctx context.Context, fromType, toType string, pairs []Pair) ([]ItemError, error) {
	return c.batchPairs(ctx, fromType, toType, "/batch/create", pairs, func(p Pair) pairJSON {
		return pairJSON{From: idJSON{p.FromID}, To: idJSON{p.ToID}, Types: typesJSON(p.Types)}
	})
}

// BatchDisassociate removes every link between the ends of each of up to
// [MaxAssociationWrites] pairs.
func (c *Client) BatchDisassociate(ctx context.Context, fromType, toType string, pairs []Pair) ([]ItemError, error) {
	return c.batchPairs(ctx, fromType, toType, "/batch/archive", pairs, func(p Pair) pairJSON {
		return pairJSON{From: idJSON{p.FromID}, To: []idJSON{{p.ToID}}}
	})
}

type pairJSON struct {
	From idJSON `json:"from"`
	// To is an ID, or a list of them where links are removed.
	To    any        `json:"to"`
	Types []typeJSON `json:"types,omitempty"`
}

func (c *Client) batchPairs(ctx context.Context, from, to, operation string, pairs []Pair, encode func(Pair) pairJSON) ([]ItemError, error) {
	if err := checkTypes(from, to); err != nil {
		return nil, err
	}
	if err := checkBatch(len(pairs), MaxAssociationWrites); err != nil {
		return nil, err
	}
	body := inputs[pairJSON]{}
	for _, p := range pairs {
		body.Inputs = append(body.Inputs, encode(p))
	}
	endpoint := associations(from, to, operation)
	var out struct {
		Errors []errorBody `json:"errors"`
	}
	write := call{method: http.MethodPost, endpoint: endpoint, body: body, write: true, bucket: AssociationBucket, mayBeEmpty: true}
	if err := c.do(ctx, write, &out); err != nil {
		return nil, err
	}
	return itemErrors(out.Errors, endpoint, true), nil
}

// AssociationLabels lists the types of links that the account has between two
// object types.
func (c *Client) AssociationLabels(ctx context.Context, fromType, toType string) ([]AssociationLabel, error) {
	return c.labels(ctx, fromType, toType, call{method: http.MethodGet})
}

// CreateAssociationLabel adds a label, such as "Champion", to the links between
// two object types. name is its name for programs; inverse is how the link
// reads from the other side, if not the same. The types in both directions
// come back. How many labels a pair of types may have depends on the account.
func (c *Client) CreateAssociationLabel(ctx context.Context, fromType, toType, name, label, inverse string) ([]AssociationLabel, error) {
	body := map[string]string{"name": name, "label": label}
	if inverse != "" {
		body["inverseLabel"] = inverse
	}
	return c.labels(ctx, fromType, toType, call{method: http.MethodPost, body: body, write: true})
}

func (c *Client) labels(ctx context.Context, from, to string, r call) ([]AssociationLabel, error) {
	if err := checkTypes(from, to); err != nil {
		return nil, err
	}
	r.endpoint = associations(from, to, "/labels")
	var out list[labelJSON]
	if err := c.do(ctx, r, &out); err != nil {
		return nil, err
	}
	var labels []AssociationLabel
	for _, l := range out.Results {
		label := l.label()
		if label.TypeID == 0 {
			return nil, fmt.Errorf("hubspot: the association types of %s and %s: one has no ID", from, to)
		}
		labels = append(labels, label)
	}
	return labels, nil
}

func associations(from, to, rest string) string {
	return "/crm/associations/" + APIVersion + "/" + url.PathEscape(from) + "/" + url.PathEscape(to) + rest
}

func checkTypes(from, to string) error {
	if err := checkType(from); err != nil {
		return err
	}
	return checkType(to)
}
