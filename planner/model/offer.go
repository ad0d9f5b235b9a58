package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
)

// properties are what a model is asked about, by object type, beside those that are the
// account's own; what an account does not have of them is not offered. A stage says its
// pipeline.
var properties = map[string][]string{
	"contact": {"firstname", "lastname", "email", "phone", "mobilephone", "jobtitle", "hs_lead_status", "lifecyclestage", "hubspot_owner_id"},
	"company": {"name", "domain", "industry", "numberofemployees", "city", "country", "description", "hubspot_owner_id"},
	"deal": {
		"dealname", "dealstage", "amount", "deal_currency_code", "closedate", "hs_next_step", "hs_priority", "dealtype", "closed_lost_reason", "closed_won_reason",
		"description", "hubspot_owner_id",
	},
	"ticket": {"subject", "content", "hs_pipeline_stage", "hs_ticket_priority", "hs_ticket_category", "hubspot_owner_id"},
	"task":   {"hs_task_subject", "hs_task_body", "hs_timestamp", "hs_task_priority", "hubspot_owner_id"},
	"note":   {"hs_note_body"},
}

// offered are the tools that a model may propose with, in the order in which it reads
// them.
var offered = []policy.Tool{
	{Object: "contact", Operation: policy.Create},
	{Object: "contact", Operation: policy.Update},
	{Object: "company", Operation: policy.Create},
	{Object: "company", Operation: policy.Update},
	{Object: "deal", Operation: policy.Create},
	{Object: "deal", Operation: policy.Update},
	{Object: "ticket", Operation: policy.Create},
	{Object: "ticket", Operation: policy.Update},
	{Object: "task", Operation: policy.Create},
	{Object: "note", Operation: policy.Create},
}

// Tools are those that a model may propose with: none that is denied.
func Tools(permission func(policy.Tool) policy.Permission) []policy.Tool {
	return slices.DeleteFunc(slices.Clone(offered), func(t policy.Tool) bool { return permission(t) == policy.Deny })
}

// Account is what HubSpot's account has to choose from.
type Account struct {
	// Properties by object type. An object that is not in it could not be looked up:
	// then its usual properties are offered.
	Properties map[string][]hubspot.Property `json:"properties,omitempty"`
	// Pipelines of deals and tickets.
	Pipelines map[string][]hubspot.Pipeline `json:"pipelines,omitempty"`
	Owners    []planner.Owner               `json:"owners,omitempty"`
}

// mostOwners bounds how many people something may be handed to: of more, only those
// who were there are named.
const mostOwners = 60

var plural = map[string]string{
	"contact": hubspot.Contacts, "company": hubspot.Companies, "deal": hubspot.Deals,
	"ticket": hubspot.Tickets, "task": hubspot.Tasks, "note": hubspot.Notes,
}

// CRM is what an account is read from.
type CRM interface {
	// Properties describes all properties of an object type; known is false where they
	// can't be read.
	Properties(ctx context.Context, objectType string) (all []hubspot.Property, known bool, err error)
	Pipelines(ctx context.Context, objectType string, ids ...string) ([]hubspot.Pipeline, error)
	Owners(ctx context.Context, in hubspot.OwnersQuery) (hubspot.OwnersPage, error)
}

// ReadAccount reads what an account has for tools. What may not be read is left out.
func ReadAccount(ctx context.Context, crm CRM, tools []policy.Tool) (Account, error) {
	account := Account{Properties: map[string][]hubspot.Property{}, Pipelines: map[string][]hubspot.Pipeline{}}
	for _, object := range objectsOf(tools) {
		all, known, err := crm.Properties(ctx, plural[object])
		if err != nil {
			return account, fmt.Errorf("reading what %s have for properties: %w", plural[object], err)
		}
		if known {
			account.Properties[object] = mentionable(object, all)
		}
		if object != "deal" && object != "ticket" {
			continue
		}
		pipelines, err := crm.Pipelines(ctx, plural[object])
		if err != nil && !errors.Is(err, policy.ErrDenied) {
			return account, fmt.Errorf("reading the pipelines of %s: %w", plural[object], err)
		}
		account.Pipelines[object] = pipelines
	}
	page, err := crm.Owners(ctx, hubspot.OwnersQuery{Limit: 500})
	if err != nil && !errors.Is(err, policy.ErrDenied) {
		return account, fmt.Errorf("reading owners: %w", err)
	}
	for _, o := range page.Owners {
		if name := strings.TrimSpace(o.FirstName + " " + o.LastName); name != "" && o.Email != "" {
			account.Owners = append(account.Owners, planner.Owner{ID: o.ID, Email: strings.ToLower(o.Email), Name: name})
		}
	}
	slices.SortFunc(account.Owners, func(a, b planner.Owner) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Email, b.Email))
	})
	return account, nil
}

// Bounds of what is offered of an account's own properties, of an object type: a model
// has to read them all, with what they may be.
const (
	mostOwn     = 40
	mostOwnText = 8_000 // bytes
)

// spokenTypes are the types of properties whose values people say.
var spokenTypes = []string{"string", "number", "date", "datetime", "bool", "enumeration"}

// mentionable are the properties that a meeting may say something about: the usual ones,
// and of the account's own those that people fill in.
func mentionable(object string, all []hubspot.Property) []hubspot.Property {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b hubspot.Property) int { return cmp.Compare(a.Name, b.Name) })
	own, text := 0, 0
	return slices.DeleteFunc(all, func(p hubspot.Property) bool {
		if slices.Contains(properties[object], p.Name) {
			return false
		}
		// What is unique names a record in another system.
		if p.HubSpotDefined || p.Hidden || p.HasUniqueValue || p.FieldType == "file" || !slices.Contains(spokenTypes, p.Type) || !writable(p) {
			return true
		}
		size := len(p.Name) + len(p.Label)
		for _, o := range p.Options[:min(len(p.Options), mostOptions)] {
			size += len(o.Label)
		}
		if own == mostOwn || text+size > mostOwnText {
			return true
		}
		own, text = own+1, text+size
		return false
	})
}

func writable(p hubspot.Property) bool {
	return !p.Calculated && !p.Archived && (p.Modification == nil || !p.Modification.ReadOnlyValue)
}

func objectsOf(tools []policy.Tool) []string {
	var objects []string
	for _, t := range tools {
		if !slices.Contains(objects, t.Object) {
			objects = append(objects, t.Object)
		}
	}
	return objects
}

// offer is what a model may name, by handles that mean something in one question
// alone.
type offer struct {
	tools   []policy.Tool
	records []offeredRecord
	stages  []offeredStage
	owners  []offeredOwner
	names   map[string][]string // of properties, by object type
	types   map[string]string   // HubSpot's, by object type and name
}

type offeredRecord struct {
	handle, object string
	ref            meeting.RecordRef
	facts          []string
}

type offeredStage struct {
	handle, object, pipeline, stage string // by HubSpot's IDs
	label                           string
}

type offeredOwner struct{ handle, id, name string }

// Bounds of what is offered.
const (
	mostRecords = 60
	mostOptions = 40
)

// offerOf is what may be named in a question.
func offerOf(in Input) offer {
	o := offer{tools: in.Tools, names: map[string][]string{}, types: map[string]string{}}
	o.addRecords(in)
	for _, object := range objectsOf(in.Tools) {
		o.addStages(object, in.Account.Pipelines[object])
		definitions, known := in.Account.Properties[object]
		if !known {
			o.names[object] = properties[object]
		}
		for _, name := range properties[object] {
			if slices.ContainsFunc(definitions, func(d hubspot.Property) bool { return d.Name == name && writable(d) }) {
				o.names[object] = append(o.names[object], name)
			}
		}
		for _, d := range definitions {
			o.types[object+"."+d.Name] = d.Type
			if !slices.Contains(properties[object], d.Name) {
				o.names[object] = append(o.names[object], d.Name)
			}
		}
	}
	people := planner.Who(in.Subject)
	for _, owner := range in.Account.Owners {
		there := slices.ContainsFunc(people.Internal, func(p planner.Person) bool { return p.Email == owner.Email })
		if len(in.Account.Owners) <= mostOwners || there {
			o.owners = append(o.owners, offeredOwner{fmt.Sprintf("o%d", len(o.owners)+1), owner.ID, owner.Name})
		}
	}
	return o
}

func (o *offer) add(object string, ref meeting.RecordRef, facts ...string) {
	if len(o.records) < mostRecords {
		facts = slices.DeleteFunc(facts, func(f string) bool { return f == "" })
		o.records = append(o.records, offeredRecord{fmt.Sprintf("r%d", len(o.records)+1), object, ref, facts})
	}
}

func (o *offer) addRecords(in Input) {
	people := planner.Who(in.Subject)
	taken := map[string]bool{}
	for _, person := range people.External {
		ref := meeting.RecordRef{Object: "contact", Email: person.Email}
		facts := []string{fact("name", called(person.Name)), fact("job title", person.JobTitle), "was there", "new in the CRM"}
		for _, c := range in.Resolution.Contacts {
			if strings.EqualFold(c.Properties["email"], person.Email) {
				ref = meeting.RecordRef{Object: "contact", ID: c.ID}
				taken[c.ID] = true
				facts = []string{fact("name", called(cmp.Or(nameOf(c), person.Name))), fact("job title", c.Properties["jobtitle"]), "was there"}
			}
		}
		o.add("contact", ref, facts...)
	}
	for _, c := range in.Resolution.Contacts {
		if !taken[c.ID] {
			o.add("contact", meeting.RecordRef{Object: "contact", ID: c.ID}, fact("name", called(nameOf(c))), fact("job title", c.Properties["jobtitle"]), "was not there")
		}
	}
	for _, c := range in.Resolution.Companies {
		o.add("company", meeting.RecordRef{Object: "company", ID: c.ID}, fact("name", cmp.Or(c.Properties["name"], c.Properties["domain"])))
	}
	for _, d := range in.Resolution.Deals {
		o.add("deal", meeting.RecordRef{Object: "deal", ID: d.ID}, fact("name", d.Properties["dealname"]), fact("amount", d.Properties["amount"]+" "+d.Properties["deal_currency_code"]),
			fact("closes", day(d.Properties["closedate"])), fact("stage", stageLabel(in, "deal", d.Properties["dealstage"])))
	}
	for _, t := range in.Resolution.Tickets {
		o.add("ticket", meeting.RecordRef{Object: "ticket", ID: t.ID}, fact("subject", t.Properties["subject"]), fact("stage", stageLabel(in, "ticket", t.Properties["hs_pipeline_stage"])))
	}
}

func day(value string) string {
	if at, err := hubspot.ParseDateTime(value); err == nil {
		return at.UTC().Format("2006-01-02")
	}
	return value
}

// called is a name as it is sent. Calendars have the address where they know no name,
// and addresses are not sent.
func called(name string) string {
	name, _, _ = strings.Cut(name, "@")
	return clean(name, mostFact)
}

func nameOf(contact planner.Record) string {
	return strings.TrimSpace(contact.Properties["firstname"] + " " + contact.Properties["lastname"])
}

// mostFact keeps what somebody wrote into a record to a line.
const mostFact = 120

func fact(what, value string) string {
	if value = clean(value, mostFact); value == "" {
		return ""
	}
	return what + ": " + value
}

func (o *offer) addStages(object string, pipelines []hubspot.Pipeline) {
	for _, p := range pipelines {
		for _, s := range p.Stages {
			if !p.Archived && !s.Archived {
				o.stages = append(o.stages, offeredStage{fmt.Sprintf("s%d", len(o.stages)+1), object, p.ID, s.ID, clean(p.Label, mostFact) + " / " + clean(s.Label, mostFact)})
			}
		}
	}
}

func stageLabel(in Input, object, id string) string {
	for _, pipelines := range [][]hubspot.Pipeline{in.Account.Pipelines[object], in.Resolution.DealPipelines, in.Resolution.TicketPipelines} {
		for _, p := range pipelines {
			for _, s := range p.Stages {
				if s.ID == id && id != "" {
					return p.Label + " / " + s.Label
				}
			}
		}
	}
	return ""
}

func (o offer) record(handle string) (offeredRecord, bool) {
	i := slices.IndexFunc(o.records, func(r offeredRecord) bool { return r.handle == handle })
	if i < 0 {
		return offeredRecord{}, false
	}
	return o.records[i], true
}
