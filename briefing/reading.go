package briefing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
)

// CRM is what a brief reads from: the gate. Each read passes the permission of its tool:
// one that is denied fails with an error that is [policy.ErrDenied].
type CRM interface {
	Get(ctx context.Context, objectType, id string, o hubspot.GetOptions) (hubspot.Record, error)
	BatchRead(ctx context.Context, objectType string, in hubspot.BatchReadInput) (hubspot.BatchReadResult, error)
	BatchReadAssociations(ctx context.Context, fromType, toType string, fromIDs []string) (hubspot.AssociationsRead, error)
	Search(ctx context.Context, objectType string, in hubspot.SearchRequest) (hubspot.SearchResult, error)
	Owners(ctx context.Context, in hubspot.OwnersQuery) (hubspot.OwnersPage, error)
	// Pipelines has those stages, if the account has them.
	Pipelines(ctx context.Context, objectType string, stages ...string) ([]hubspot.Pipeline, error)
	// Definitions describes properties by their names; known is false where HubSpot does
	// not tell.
	Definitions(ctx context.Context, objectType string, names []string) (found []hubspot.Property, known bool, err error)
}

const (
	// mostHistories is how many records a batch takes that also asks for histories
	// (HubSpot's own words when it refused more, in activepieces/activepieces#9359 of
	// September 2025).
	mostHistories = 50
	// newest is how many of the newest meetings and notes of a contact are read to find
	// the last [MostPast]: some are yet to come, or Debrief's own.
	newest = 3 * MostPast
)

// mostLinked bounds how many records of a type are read: those of one meeting, and a few
// more for each further one that shares the reading.
func mostLinked(meetings int) int {
	return min(3*hubspot.MaxBatch+60*(meetings-1), 20*hubspot.MaxBatch)
}

// properties are what is read of each.
var properties = map[string][]string{
	"contact": {"email", "hs_additional_emails", "firstname", "lastname", "jobtitle", "associatedcompanyid", "hubspot_owner_id", "notes_last_contacted"},
	"company": {"name", "domain", "industry", "numberofemployees", "lifecyclestage", "hubspot_owner_id"},
	"deal":    {"dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "closedate", "hs_next_step", "hubspot_owner_id"},
	"ticket":  {"subject", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "createdate", "hubspot_owner_id"},
	"meeting": {"hs_meeting_title", "hs_meeting_start_time", "hs_timestamp", "hs_meeting_outcome", "hubspot_owner_id"},
	"note":    {"hs_note_body", "hs_timestamp", "hubspot_owner_id"},
	"task":    {"hs_task_status"},
}

// ReadTools are the tools that a brief is read with.
func ReadTools() []policy.Tool {
	tools := []policy.Tool{readTool("owner")}
	for _, object := range slices.Sorted(maps.Keys(properties)) {
		tools = append(tools, readTool(object))
	}
	return tools
}

func readTool(object string) policy.Tool { return policy.Tool{Object: object, Operation: policy.Read} }

// Reading is what the CRM knows of those who are coming to one meeting or several. It is
// of one connection, and of what its reader was allowed.
type Reading struct {
	records map[string]map[string]hubspot.Record // by object and ID
	emails  map[string]string                    // contacts' IDs by their addresses
	// links are the newest first, by the record and the type at the other end.
	links map[Record]map[string][]string
	// partial are links of which HubSpot has more than it told; left are records that
	// were linked, and more than are read.
	partial map[Record]map[string]bool
	left    map[Record]bool
	owners  map[string]string // names by ID
	stages  map[string]map[string]stage
	labels  map[string]map[string]string // of companies' properties, by name and value
	denied  []policy.Tool
	refused []string
}

// NoteIDs are the notes that were read, in any order.
func (r *Reading) NoteIDs() []string { return slices.Collect(maps.Keys(r.records["note"])) }

type stage struct {
	label  string
	closed bool
}

// Compose makes the brief of one meeting.
func Compose(ctx context.Context, crm CRM, in Input) (Brief, error) {
	reading, err := Read(ctx, crm, in)
	if err != nil {
		return Brief{}, err
	}
	return reading.Brief(in), nil
}

// Expected is how many calls [Read] makes as a rule, by what they count against, with what
// changes rarely in the caches: contacts and companies have some of all that is read, and
// nobody's company has to be searched.
func Expected(ins ...Input) map[hubspot.Bucket]int {
	emails, domains, promised := map[string]bool{}, map[string]bool{}, false
	for _, in := range ins {
		if in.CRMMissing != "" {
			continue
		}
		for _, g := range lookedUp(in) {
			if g.Email != "" {
				emails[g.Email], domains[g.Domain] = true, true
			}
		}
		promised = promised || slices.ContainsFunc(in.Past, func(p Past) bool {
			return slices.ContainsFunc(p.Promises, func(p Promise) bool { return p.TaskID != "" })
		})
	}
	people, companies := len(emails), len(domains)
	burst, links := (people+hubspot.MaxBatch-1)/hubspot.MaxBatch, 0
	// As [reader.relate] chooses.
	if people < 4 {
		burst += people
	} else {
		links += 4
	}
	if companies < 3 {
		burst += companies
	} else {
		burst, links = burst+1, links+2
	}
	// Of deals, tickets, meetings and notes, few people have all.
	burst += min(people+1, 4)
	if promised {
		burst++
	}
	return map[hubspot.Bucket]int{hubspot.BurstBucket: burst, hubspot.AssociationBucket: links}
}

// Read asks the CRM what it knows of those who are coming to these meetings, in as few
// calls as possible: what several of them share is read once. What may not be read is left
// out and noted; any other failure ends it, wrapped.
func Read(ctx context.Context, crm CRM, ins ...Input) (*Reading, error) {
	r := reader{crm: crm, most: mostLinked(len(ins)), out: &Reading{
		records: map[string]map[string]hubspot.Record{}, emails: map[string]string{}, links: map[Record]map[string][]string{},
		partial: map[Record]map[string]bool{}, left: map[Record]bool{}, owners: map[string]string{},
		stages: map[string]map[string]stage{}, labels: map[string]map[string]string{},
	}}
	for _, in := range ins {
		if in.CRMMissing == "" {
			r.ins = append(r.ins, in)
		}
	}
	for _, tool := range ReadTools() {
		if len(r.ins) > 0 && !slices.ContainsFunc(r.ins, func(in Input) bool { return !slices.Contains(in.Denied, tool) }) {
			r.out.denied = append(r.out.denied, tool)
		}
	}
	for _, step := range []func(context.Context) error{
		r.contacts, r.linksOfContacts, r.companies, r.linksOfCompanies, r.linked, r.tasks, r.ownerNames, r.pipelines, r.definitions,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

type reader struct {
	crm  CRM
	ins  []Input
	most int
	out  *Reading
}

// guests are those of all meetings who are looked up.
func (r *reader) guests() []Guest {
	var all []Guest
	for _, in := range r.ins {
		all = append(all, lookedUp(in)...)
	}
	return all
}

func lookedUp(in Input) []Guest { return in.External[:min(len(in.External), MostPeople)] }

// absent notes what may not be read, and says whether err was about that. object is whose
// read it was.
func (r *reader) absent(err error, object string) bool {
	switch {
	case errors.Is(err, policy.ErrDenied):
		tool := readTool(object)
		if denied, ok := errors.AsType[*policy.DeniedError](err); ok {
			tool = denied.Tool
		}
		if !slices.Contains(r.out.denied, tool) {
			r.out.denied = append(r.out.denied, tool)
		}
		return true
	case errors.Is(err, hubspot.ErrMissingScopes):
		if !slices.Contains(r.out.refused, object) {
			r.out.refused = append(r.out.refused, object)
		}
		return true
	default:
		return false
	}
}

// may says that nothing is known to keep an object type from being read.
func (r *reader) may(object string) bool {
	return !slices.Contains(r.out.denied, readTool(object)) && !slices.Contains(r.out.refused, object)
}

func (r *reader) keep(object string, records []hubspot.Record) {
	if r.out.records[object] == nil {
		r.out.records[object] = map[string]hubspot.Record{}
	}
	for _, record := range records {
		r.out.records[object][record.ID] = record
	}
}

// batch reads records by ID, or by the property that idProperty names; histories are of
// the properties that are named.
func (r *reader) batch(ctx context.Context, object, idProperty string, ids []string, histories ...string) error {
	ids = unique(ids)
	if idProperty == "" {
		ids = slices.DeleteFunc(ids, func(id string) bool {
			_, known := r.out.records[object][id]
			return known || !hubspot.IsID(id) // no record has such an ID
		})
	}
	size := hubspot.MaxBatch
	if len(histories) > 0 {
		size = mostHistories
	}
	for chunk := range slices.Chunk(ids, size) {
		if !r.may(object) {
			return nil
		}
		result, err := r.crm.BatchRead(ctx, hubspot.Plural(object), hubspot.BatchReadInput{
			IDProperty: idProperty, Properties: properties[object], PropertiesWithHistory: histories, IDs: chunk,
		})
		if r.absent(err, object) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", hubspot.Plural(object), err)
		}
		r.keep(object, result.Records)
	}
	return nil
}

func (r *reader) contacts(ctx context.Context) error {
	var emails []string
	for _, g := range r.guests() {
		emails = append(emails, g.Email)
	}
	if err := r.batch(ctx, "contact", "email", emails); err != nil {
		return err
	}
	// A primary address goes before one that another contact has besides.
	for _, name := range []string{"hs_additional_emails", "email"} {
		for _, id := range slices.SortedFunc(maps.Keys(r.out.records["contact"]), hubspot.CompareIDs) {
			for _, email := range hubspot.SplitMulti(r.out.records["contact"][id].Properties[name]) {
				r.out.emails[strings.ToLower(email)] = id
			}
		}
	}
	return nil
}

// companies searches by the domains of those of whom nothing else tells the company: no
// contact of their own, and no colleague's.
func (r *reader) companies(ctx context.Context) error {
	var domains []string
	for _, in := range r.ins {
		for _, g := range lookedUp(in) {
			if g.Domain != "" && len(r.out.ownCompanies(g)) == 0 && len(r.out.colleagues(in, g)) != 1 {
				domains = append(domains, g.Domain)
			}
		}
	}
	for _, request := range hubspot.CompaniesByDomain(unique(domains), properties["company"]) {
		if !r.may("company") {
			return nil
		}
		result, err := r.crm.Search(ctx, hubspot.Companies, request)
		if r.absent(err, "company") {
			return nil
		}
		if err != nil {
			return fmt.Errorf("searching companies by domain: %w", err)
		}
		r.keep("company", result.Records)
	}
	return nil
}

// linksOfContacts reads what belongs to the contacts. The primary company stands in the
// contact itself; only where somebody has none there, companies are read like the rest: one
// that was linked plainly, as by Debrief, is no primary one.
func (r *reader) linksOfContacts(ctx context.Context) error {
	to := []string{"deal", "ticket", "meeting", "note"}
	for _, contact := range r.out.records["contact"] {
		if contact.Properties["associatedcompanyid"] == "" {
			to = append(to, "company")
			break
		}
	}
	return r.relate(ctx, "contact", slices.Collect(maps.Keys(r.out.records["contact"])), to...)
}

func (r *reader) linksOfCompanies(ctx context.Context) error {
	var ids []string
	for _, in := range r.ins {
		for _, g := range lookedUp(in) {
			ids = append(append(ids, r.out.ownCompanies(g)...), r.out.companyOf(in, g))
		}
	}
	return r.relate(ctx, "company", ids, "deal", "ticket")
}

// relate reads what records of one type are linked to, and those records themselves where
// they aren't read yet: by one batch for each type, or by one read for each record, which
// brings all types along. Whichever is fewer.
func (r *reader) relate(ctx context.Context, from string, ids []string, to ...string) error {
	ids = unique(ids)
	to = slices.DeleteFunc(to, func(object string) bool { return !r.may(object) })
	batches := len(to)
	unread := slices.ContainsFunc(ids, func(id string) bool {
		_, known := r.out.records[from][id]
		return !known
	})
	if unread {
		batches++
	}
	if len(ids) >= batches || !r.may(from) {
		return r.relateAll(ctx, from, ids, to)
	}
	for i, id := range ids {
		done, err := r.relateOne(ctx, from, id, to)
		if err != nil {
			return err
		}
		if !done {
			return r.relateAll(ctx, from, ids[i:], to) // it finds out which of them may not be read
		}
	}
	return nil
}

func (r *reader) relateAll(ctx context.Context, from string, ids, to []string) error {
	if err := r.batch(ctx, from, "", ids); err != nil {
		return err
	}
	for _, other := range to {
		if err := r.follow(ctx, from, other, ids); err != nil {
			return err
		}
	}
	return nil
}

// relateOne reads one record with its links; done is false where something of it may not
// be read, and nothing was.
func (r *reader) relateOne(ctx context.Context, from, id string, to []string) (done bool, err error) {
	o := hubspot.GetOptions{Properties: properties[from]}
	for _, other := range to {
		o.Associations = append(o.Associations, hubspot.Plural(other))
	}
	record, err := r.crm.Get(ctx, hubspot.Plural(from), id, o)
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		return true, nil // merged or archived since it was found
	case errors.Is(err, policy.ErrDenied):
		r.absent(err, from)
		return false, nil
	case errors.Is(err, hubspot.ErrMissingScopes):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading one of the %s with what belongs to it: %w", hubspot.Plural(from), err)
	}
	r.keep(from, []hubspot.Record{record})
	for _, other := range to {
		if _, cut := record.MoreAssociations[hubspot.Plural(other)]; cut {
			if err := r.follow(ctx, from, other, []string{id}); err != nil {
				return false, err
			}
			continue
		}
		var linked []string
		for _, a := range record.Associations[hubspot.Plural(other)] {
			linked = append(linked, a.ID)
		}
		r.link(Record{Object: from, ID: id}, other, linked)
	}
	return true, nil
}

// follow reads the links of records of one type to another.
func (r *reader) follow(ctx context.Context, from, to string, ids []string) error {
	for chunk := range slices.Chunk(unique(ids), hubspot.MaxAssociationReads) {
		if !r.may(from) || !r.may(to) {
			return nil
		}
		result, err := r.crm.BatchReadAssociations(ctx, hubspot.Plural(from), hubspot.Plural(to), chunk)
		if r.absent(err, to) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading which %s belong to %s: %w", hubspot.Plural(to), hubspot.Plural(from), err)
		}
		for id, others := range result.Records {
			var linked []string
			for _, other := range others {
				linked = append(linked, other.ID)
			}
			r.link(Record{Object: from, ID: id}, to, linked)
		}
		for id := range result.After {
			at := Record{Object: from, ID: id}
			if r.out.partial[at] == nil {
				r.out.partial[at] = map[string]bool{}
			}
			r.out.partial[at][to] = true
		}
	}
	return nil
}

func (r *reader) link(from Record, to string, ids []string) {
	if r.out.links[from] == nil {
		r.out.links[from] = map[string][]string{}
	}
	ids = unique(ids)
	slices.SortFunc(ids, func(a, b string) int { return hubspot.CompareIDs(b, a) })
	r.out.links[from][to] = ids
}

// linked reads the deals, tickets, meetings and notes.
func (r *reader) linked(ctx context.Context) error {
	for _, object := range []string{"deal", "ticket", "meeting", "note"} {
		var histories []string
		if object == "deal" {
			histories = []string{"dealstage"} // since when it is in its stage
		}
		if err := r.batch(ctx, object, "", r.choose(object), histories...); err != nil {
			return err
		}
	}
	return nil
}

// choose says which records of a type are read of those that are linked: the newest of
// each contact and company in turn, so that a large customer's thousands don't keep
// another's few from being read.
func (r *reader) choose(object string) []string {
	most := r.most
	if object == "meeting" || object == "note" {
		most = newest
	}
	var chosen []string
	seen := map[string]bool{}
	froms := slices.SortedFunc(maps.Keys(r.out.links), compareRecords)
	for rank := range most {
		more := false
		for _, from := range froms {
			ids := r.out.links[from][object]
			if rank >= len(ids) {
				continue
			}
			more = true
			if id := ids[rank]; !seen[id] && len(chosen) < r.most {
				seen[id] = true
				chosen = append(chosen, id)
			}
		}
		if !more {
			break
		}
	}
	if object == "deal" || object == "ticket" {
		for _, from := range froms {
			for _, id := range r.out.links[from][object] {
				if !seen[id] {
					r.out.left[Record{Object: object, ID: id}] = true
				}
			}
		}
	}
	return chosen
}

// tasks reads what became of promises.
func (r *reader) tasks(ctx context.Context) error {
	var ids []string
	for _, in := range r.ins {
		for _, past := range in.Past {
			for _, p := range past.Promises {
				ids = append(ids, p.TaskID)
			}
		}
	}
	ids = unique(ids)
	return r.batch(ctx, "task", "", ids[:min(len(ids), r.most)])
}

// ownerNames takes owners' names from the list that the gate keeps, as far as it goes.
func (r *reader) ownerNames(ctx context.Context) error {
	anybody := false
	for _, records := range r.out.records {
		for _, record := range records {
			anybody = anybody || record.Properties["hubspot_owner_id"] != ""
		}
	}
	if !anybody || !r.may("owner") {
		return nil
	}
	page, err := r.crm.Owners(ctx, hubspot.OwnersQuery{Limit: 500})
	if r.absent(err, "owner") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading owners: %w", err)
	}
	for _, o := range page.Owners {
		r.out.owners[o.ID] = cmp.Or(strings.TrimSpace(o.FirstName+" "+o.LastName), o.Email)
	}
	return nil
}

// stageOf names the property with the stage.
var stageOf = map[string]string{"deal": "dealstage", "ticket": "hs_pipeline_stage"}

func (r *reader) pipelines(ctx context.Context) error {
	for _, object := range []string{"deal", "ticket"} {
		var seen []string
		for _, record := range r.out.records[object] {
			seen = append(seen, record.Properties[stageOf[object]])
		}
		if seen = unique(seen); len(seen) == 0 {
			continue
		}
		pipelines, err := r.crm.Pipelines(ctx, hubspot.Plural(object), seen...)
		if r.absent(err, object) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the pipelines of %s: %w", hubspot.Plural(object), err)
		}
		r.out.stages[object] = map[string]stage{}
		for _, p := range pipelines {
			for _, s := range p.Stages {
				r.out.stages[object][s.ID] = stage{label: cmp.Or(strings.TrimSpace(s.Label), s.ID), closed: s.Closed()}
			}
		}
	}
	return nil
}

// definitions reads what the account calls industries and lifecycle stages.
func (r *reader) definitions(ctx context.Context) error {
	names := []string{"industry", "lifecyclestage"}
	wanted := false
	for _, company := range r.out.records["company"] {
		for _, name := range names {
			wanted = wanted || company.Properties[name] != ""
		}
	}
	if !wanted {
		return nil
	}
	found, _, err := r.crm.Definitions(ctx, hubspot.Companies, names)
	if err != nil {
		return fmt.Errorf("reading what companies have for properties: %w", err)
	}
	for _, p := range found {
		r.out.labels[p.Name] = map[string]string{}
		for _, o := range p.Options {
			r.out.labels[p.Name][o.Value] = o.Label
		}
	}
	return nil
}

// ownCompanies are those of a guest's contact: the primary one ("Associated company ID", a
// contact's default property), else all that it is linked to.
func (r *Reading) ownCompanies(g Guest) []string {
	contact, ok := r.records["contact"][r.emails[g.Email]]
	if !ok {
		return nil
	}
	if id := contact.Properties["associatedcompanyid"]; id != "" {
		return []string{id}
	}
	return r.links[Record{Object: "contact", ID: contact.ID}]["company"]
}

// colleagues are the companies of those at the meeting with the same domain.
func (r *Reading) colleagues(in Input, g Guest) []string {
	var ids []string
	for _, other := range lookedUp(in) {
		if g.Domain != "" && other.Domain == g.Domain {
			ids = append(ids, r.ownCompanies(other)...)
		}
	}
	return unique(ids)
}

// companyOf is the company of a guest: their contact's own, of several the one with their
// domain or else the oldest; else their colleagues'; else the only one with their domain.
func (r *Reading) companyOf(in Input, g Guest) string {
	own := r.ownCompanies(g)
	for _, id := range own {
		if len(own) == 1 || r.domainOf(id) == g.Domain && g.Domain != "" {
			return id
		}
	}
	if len(own) > 0 {
		return own[len(own)-1]
	}
	if ids := r.colleagues(in, g); len(ids) == 1 {
		return ids[0]
	}
	var same []string
	for id := range r.records["company"] {
		if g.Domain != "" && r.domainOf(id) == g.Domain {
			same = append(same, id)
		}
	}
	if len(same) == 1 {
		return same[0]
	}
	return ""
}

func (r *Reading) domainOf(company string) string {
	domain := r.records["company"][company].Properties["domain"]
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(domain)), "www.")
}

// unique sorts, and drops what is empty or there already.
func unique(list []string) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
	slices.Sort(list)
	return slices.Compact(list)
}
