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
	ToObjectID lenient `json:"toObjectId"`
	Types      []struct {
		Category lenient `json:"category"`
		TypeID   lenient `json:"typeId"`
		Label    lenient `json:"label"`
	} `json:"associationTypes"`
}

func associated(list []associatedJSON) []AssociatedRecord {
	var out []AssociatedRecord
	for _, one := range list {
		if one.ToObjectID == "" {
			continue
		}
		r := AssociatedRecord{ID: string(one.ToObjectID)}
		for _, t := range one.Types {
			id, _ := strconv.Atoi(string(t.TypeID))
			r.Types = append(r.Types, AssociationLabel{Category: string(t.Category), TypeID: id, Label: string(t.Label)})
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

// ListAssociations reads one page of up to 500 of a record's associations to
// one object type; after is empty for the first.
func (c *Client) ListAssociations(ctx context.Context, fromType, fromID, toType, after string) (AssociationPage, error) {
	if err := checkTypes(fromType, toType); err != nil {
		return AssociationPage{}, err
	}
	q := url.Values{}
	addPage(q, after, 500)
	var out struct {
		Results []associatedJSON `json:"results"`
		Paging  paging           `json:"paging"`
	}
	err := c.do(ctx, call{
		method: http.MethodGet, endpoint: objects(fromType, "/{id}/associations/"+url.PathEscape(toType)),
		args: []string{fromID}, query: q,
	}, &out)
	return AssociationPage{Records: associated(out.Results), After: string(out.Paging.Next.After)}, err
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
// [MaxAssociationReads] records to one object type. It does not count against
// the ten-second limit.
func (c *Client) BatchReadAssociations(ctx context.Context, fromType, toType string, fromIDs []string) (AssociationsRead, error) {
	if err := checkTypes(fromType, toType); err != nil {
		return AssociationsRead{}, err
	}
	if err := checkBatch(len(fromIDs), MaxAssociationReads); err != nil {
		return AssociationsRead{}, err
	}
	endpoint := associations(fromType, toType, "/batch/read")
	var out struct {
		Results []struct {
			From struct {
				ID lenient `json:"id"`
			} `json:"from"`
			To     []associatedJSON `json:"to"`
			Paging paging           `json:"paging"`
		} `json:"results"`
		Errors []errorBody `json:"errors"`
	}
	if err := c.do(ctx, call{method: http.MethodPost, endpoint: endpoint, body: inputs[idJSON]{ids(fromIDs)}}, &out); err != nil {
		return AssociationsRead{}, err
	}
	read := AssociationsRead{Records: map[string][]AssociatedRecord{}, After: map[string]string{}}
	for _, r := range out.Results {
		id := string(r.From.ID)
		read.Records[id] = append(read.Records[id], associated(r.To)...)
		if after := string(r.Paging.Next.After); after != "" {
			read.After[id] = after
		}
	}
	for _, body := range out.Errors {
		read.Errors = append(read.Errors, itemError(body, endpoint, false))
	}
	return read, nil
}

// AssociateDefault links two records plainly. Doing it again changes nothing.
func (c *Client) AssociateDefault(ctx context.Context, fromType, fromID, toType, toID string) error {
	if err := checkTypes(fromType, toType); err != nil {
		return err
	}
	err := c.do(ctx, call{
		method: http.MethodPut, endpoint: objects(fromType, "/{id}/associations/default/"+url.PathEscape(toType)+"/{toId}"),
		args: []string{fromID, toID}, write: true,
	}, nil)
	return err
}

// Associate links two records with these types. It replaces the labels that
// the link had: pass every one that is to stay.
func (c *Client) Associate(ctx context.Context, fromType, fromID, toType, toID string, types []AssociationType) error {
	if err := checkTypes(fromType, toType); err != nil {
		return err
	}
	err := c.do(ctx, call{
		method: http.MethodPut, endpoint: objects(fromType, "/{id}/associations/"+url.PathEscape(toType)+"/{toId}"),
		args: []string{fromID, toID}, body: typesJSON(types), write: true,
	}, nil)
	return err
}

// Disassociate removes every link between two records.
func (c *Client) Disassociate(ctx context.Context, fromType, fromID, toType, toID string) error {
	if err := checkTypes(fromType, toType); err != nil {
		return err
	}
	err := c.do(ctx, call{
		method: http.MethodDelete, endpoint: objects(fromType, "/{id}/associations/"+url.PathEscape(toType)+"/{toId}"),
		args: []string{fromID, toID}, write: true,
	}, nil)
	return err
}

// Pair is the two ends of an association.
type Pair struct{ FromID, ToID string }

// BatchAssociateDefault links up to [MaxAssociationWrites] pairs plainly.
func (c *Client) BatchAssociateDefault(ctx context.Context, fromType, toType string, pairs []Pair) ([]ItemError, error) {
	if err := checkTypes(fromType, toType); err != nil {
		return nil, err
	}
	if err := checkBatch(len(pairs), MaxAssociationWrites); err != nil {
		return nil, err
	}
	type pairJSON struct {
		From idJSON `json:"from"`
		To   idJSON `json:"to"`
	}
	body := inputs[pairJSON]{}
	for _, p := range pairs {
		body.Inputs = append(body.Inputs, pairJSON{idJSON{p.FromID}, idJSON{p.ToID}})
	}
	endpoint := associations(fromType, toType, "/batch/associate/default")
	var out struct {
		Errors []errorBody `json:"errors"`
	}
	if err := c.do(ctx, call{method: http.MethodPost, endpoint: endpoint, body: body, write: true}, &out); err != nil {
		return nil, err
	}
	var failed []ItemError
	for _, e := range out.Errors {
		failed = append(failed, itemError(e, endpoint, true))
	}
	return failed, nil
}

// AssociationLabels lists the types of links that the account has between two
// object types.
func (c *Client) AssociationLabels(ctx context.Context, fromType, toType string) ([]AssociationLabel, error) {
	if err := checkTypes(fromType, toType); err != nil {
		return nil, err
	}
	var out struct {
		Results []struct {
			Category lenient `json:"category"`
			TypeID   lenient `json:"typeId"`
			Label    lenient `json:"label"`
		} `json:"results"`
	}
	if err := c.do(ctx, call{method: http.MethodGet, endpoint: associations(fromType, toType, "/labels")}, &out); err != nil {
		return nil, err
	}
	var labels []AssociationLabel
	for _, l := range out.Results {
		id, err := strconv.Atoi(string(l.TypeID))
		if err != nil {
			return nil, fmt.Errorf("hubspot: reading the association labels of %s and %s: a type without an ID", fromType, toType)
		}
		labels = append(labels, AssociationLabel{Category: string(l.Category), TypeID: id, Label: string(l.Label)})
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
