package planner

import (
	"cmp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
)

// Resolution is what the CRM knew when a plan was made. It holds people's names
// and addresses: store it sealed. Its lists are sorted by ID.
type Resolution struct {
	Contacts  []Record `json:"contacts,omitempty"`
	Companies []Record `json:"companies,omitempty"`
	// Deals and Tickets are those that proposals name, and those of the contacts
	// and companies, open or not: deals unless an open one is named, tickets
	// where a proposal is judged by them.
	Deals   []Record `json:"deals,omitempty"`
	Tickets []Record `json:"tickets,omitempty"`
	// Meetings are those that HubSpot has of the contacts near the same time.
	Meetings []Record `json:"meetings,omitempty"`
	// Tasks are those of the contacts, where a task is to be made that may repeat one.
	Tasks  []Record `json:"tasks,omitempty"`
	Owners []Owner  `json:"owners,omitempty"`
	// OwnersRead: whoever is not among Owners is none, of those who were looked
	// for.
	OwnersRead bool `json:"owners_read,omitempty"`

	DealPipelines   []hubspot.Pipeline `json:"deal_pipelines,omitempty"`
	TicketPipelines []hubspot.Pipeline `json:"ticket_pipelines,omitempty"`

	// Properties are the account's definitions of those that drafts use, by object;
	// Undefined names those that the account does not have. An object that is in
	// neither could not be looked up.
	Properties map[string][]hubspot.Property `json:"properties,omitempty"`
	Undefined  map[string][]string           `json:"undefined,omitempty"`

	// ExchangeRates are what one unit of the account's other currencies is worth in
	// its company currency, as far as Debrief may read it.
	ExchangeRates map[string]float64 `json:"exchange_rates,omitempty"`

	// Denied are the tools whose permission kept something from being read.
	Denied []policy.Tool `json:"denied,omitempty"`
	// Cut names object types of which more was linked than Debrief reads.
	Cut []string `json:"cut,omitempty"`
}

// Record is a CRM record with what was read of it.
type Record struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties,omitempty"`
	Links      []Link            `json:"links,omitempty"`
}

// Link is an association of a record, as far as it was read.
type Link struct {
	Object  string `json:"object"` // contact, company, …
	ID      string `json:"id"`
	Primary bool   `json:"primary,omitempty"` // HubSpot's primary company
}

// Owner is who records can belong to.
type Owner struct {
	ID    string `json:"id"`
	Email string `json:"email"` // in lower case
	Name  string `json:"name,omitempty"`
}

// companies are the links to companies.
func (r Record) companies() []Link {
	var links []Link
	for _, l := range r.Links {
		if l.Object == "company" {
			links = append(links, l)
		}
	}
	return links
}

func (r Record) isLinked(object, id string) bool {
	return slices.ContainsFunc(r.Links, func(l Link) bool { return l.Object == object && l.ID == id })
}

func (r *Record) link(l Link) {
	for i, known := range r.Links {
		if known.Object == l.Object && known.ID == l.ID {
			r.Links[i].Primary = known.Primary || l.Primary
			return
		}
	}
	r.Links = append(r.Links, l)
	slices.SortFunc(r.Links, func(a, b Link) int { return cmp.Or(cmp.Compare(a.Object, b.Object), compareIDs(a.ID, b.ID)) })
}

// compareIDs orders HubSpot's IDs, which are numbers, by their size: the older
// record first, nearly always.
func compareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func byID(list []Record, id string) (Record, bool) {
	for _, r := range list {
		if r.ID == id && id != "" {
			return r, true
		}
	}
	return Record{}, false
}

// of are the records of an object type, by its singular name.
func (r Resolution) of(object string) []Record {
	switch object {
	case "contact":
		return r.Contacts
	case "company":
		return r.Companies
	case "deal":
		return r.Deals
	case "ticket":
		return r.Tickets
	case "meeting":
		return r.Meetings
	default:
		return nil
	}
}

func (r Resolution) definition(object, name string) (hubspot.Property, bool) {
	list := r.Properties[object]
	if i := slices.IndexFunc(list, func(d hubspot.Property) bool { return d.Name == name }); i >= 0 {
		return list[i], true
	}
	return hubspot.Property{}, false
}

// label is what the account calls a property, else its internal name.
func (r Resolution) label(object, name string) string {
	d, _ := r.definition(object, name)
	return cmp.Or(strings.TrimSpace(d.Label), printable(name))
}

func (r Resolution) denied(object string) bool {
	return slices.Contains(r.Denied, policy.Tool{Object: object, Operation: policy.Read})
}

// contact finds a contact by any of its addresses.
func (r Resolution) contact(email string) (Record, bool) {
	for _, c := range r.Contacts {
		if email != "" && slices.Contains(addressesOf(c), email) {
			return c, true
		}
	}
	return Record{}, false
}

func addressesOf(contact Record) []string {
	all := append([]string{contact.Properties["email"]}, hubspot.SplitMulti(contact.Properties["hs_additional_emails"])...)
	for i, a := range all {
		all[i] = address(a)
	}
	return all
}

// companies finds companies by their domain.
func (r Resolution) companies(domain string) []Record {
	var found []Record
	for _, c := range r.Companies {
		if domain != "" && bareDomain(c.Properties["domain"]) == domain {
			found = append(found, c)
		}
	}
	return found
}

func bareDomain(d string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(d)), "www.")
}

// Owner returns the owner with an address, in lower case.
func (r Resolution) Owner(email string) (Owner, bool) {
	for _, o := range r.Owners {
		if email != "" && o.Email == email {
			return o, true
		}
	}
	return Owner{}, false
}

func (r Resolution) ownerByID(id string) (Owner, bool) {
	for _, o := range r.Owners {
		if o.ID == id && id != "" {
			return o, true
		}
	}
	return Owner{}, false
}

func (r Resolution) pipelines(object string) []hubspot.Pipeline {
	switch object {
	case "deal":
		return r.DealPipelines
	case "ticket":
		return r.TicketPipelines
	default:
		return nil
	}
}

// open are the records that are not in a closed stage. One whose stage no
// pipeline knows counts as open: a question too many rather than one too few.
func (r Resolution) open(object string) []Record {
	stageProperty := stageOf(object)
	closed := map[string]bool{}
	for _, p := range r.pipelines(object) {
		for _, s := range p.Stages {
			closed[s.ID] = s.Closed()
		}
	}
	var open []Record
	for _, d := range r.of(object) {
		if !closed[d.Properties[stageProperty]] {
			open = append(open, d)
		}
	}
	return open
}

// stageOf and pipelineOf name the properties of deals and tickets; other object types
// have none.
func stageOf(object string) string {
	return map[string]string{"deal": "dealstage", "ticket": "hs_pipeline_stage"}[object]
}

func pipelineOf(object string) string {
	return map[string]string{"deal": "pipeline", "ticket": "hs_pipeline"}[object]
}
