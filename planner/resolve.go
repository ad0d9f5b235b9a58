package planner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// CRM is what [Resolve] reads from: the gate. Each read of records and owners passes
// the permission of its tool: one that is denied fails with an error that is
// [policy.ErrDenied].
type CRM interface {
	Get(ctx context.Context, objectType, id string, o hubspot.GetOptions) (hubspot.Record, error)
	BatchRead(ctx context.Context, objectType string, in hubspot.BatchReadInput) (hubspot.BatchReadResult, error)
	BatchReadAssociations(ctx context.Context, fromType, toType string, fromIDs []string) (hubspot.AssociationsRead, error)
	Search(ctx context.Context, objectType string, in hubspot.SearchRequest) (hubspot.SearchResult, error)
	Owners(ctx context.Context, in hubspot.OwnersQuery) (hubspot.OwnersPage, error)
	// Pipelines has those stages, if the account has them.
	Pipelines(ctx context.Context, objectType string, stages ...string) ([]hubspot.Pipeline, error)
	// Definitions describes properties by their names; those that it does not
	// return the account does not have. known is false where HubSpot does not tell.
	Definitions(ctx context.Context, objectType string, names []string) (found []hubspot.Property, known bool, err error)
}

const (
	// sameTime is how far apart two starts of one meeting may be: people join
	// early and late, and calendars round.
	sameTime = 15 * time.Minute
	// mostLinked bounds how many linked records of a type are read: three
	// batches. A large customer's thousands are of no use to anybody; the newest
	// are read, and Resolution.Cut says that there are more.
	mostLinked = 3 * hubspot.MaxBatch
	// A search's body may have 3,000 characters (developers.hubspot.com, "Search
	// the CRM"); this much of it may be domains.
	mostSearched = 2000
)

// types are HubSpot's plural names of the object types that Debrief plans with.
var types = map[string]string{
	"contact": hubspot.Contacts, "company": hubspot.Companies, "deal": hubspot.Deals,
	"ticket": hubspot.Tickets, "meeting": hubspot.Meetings, "note": hubspot.Notes, "task": hubspot.Tasks,
}

// read are the properties that planning needs of each object type, beside those
// that proposals want to write.
var read = map[string][]string{
	"contact": {"email", "hs_additional_emails", "firstname", "lastname", "jobtitle", "hubspot_owner_id", "notes_last_updated"},
	"company": {"name", "domain", "hubspot_owner_id", "notes_last_updated"},
	"deal":    {"dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "closedate", "createdate", "hubspot_owner_id", "notes_last_updated"},
	"ticket":  {"subject", "hs_pipeline", "hs_pipeline_stage", "hubspot_owner_id", "hs_lastactivitydate"},
	"task":    {"hs_task_subject", "hs_task_status", "hs_timestamp", "hubspot_owner_id"},
	"meeting": {"hs_meeting_title", "hs_meeting_body", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome", "hs_timestamp", "hubspot_owner_id"},
}

// Resolve asks the CRM what it knows of a meeting's people, in as few calls as
// possible and none for an internal meeting. What may not be read is left out
// and noted in Resolution.Denied; any other failure ends it.
func Resolve(ctx context.Context, crm CRM, in Subject) (Resolution, error) {
	people := Who(in)
	r := resolver{crm: crm, in: in, people: people, wanted: wantedBy(in)}
	if !Reads(in) {
		return Resolution{}, nil
	}
	for _, step := range []func(context.Context) error{
		r.contacts, r.namedDeals, r.linksOfContacts, r.companies, r.linksOfCompanies,
		r.dealsAndTickets, r.names, r.openTasks, r.meetings, r.owners, r.pipelines, r.definitions,
	} {
		if err := step(ctx); err != nil {
			return Resolution{}, err
		}
	}
	for _, list := range [][]Record{r.out.Contacts, r.out.Companies, r.out.Deals, r.out.Tickets, r.out.Meetings} {
		slices.SortFunc(list, func(a, b Record) int { return compareIDs(a.ID, b.ID) })
	}
	slices.SortFunc(r.out.Owners, func(a, b Owner) int { return cmp.Or(cmp.Compare(a.Email, b.Email), compareIDs(a.ID, b.ID)) })
	slices.Sort(r.out.Cut)
	r.out.Cut = slices.Compact(r.out.Cut)
	return r.out, nil
}

// Reads says whether [Resolve] asks the CRM anything about a meeting: of one that
// was called off or was among colleagues it doesn't.
func Reads(in Subject) bool {
	return in.Meeting.State != meeting.StateCanceled && Who(in).Attendance() != Internal
}

// ReadTools are the tools that [Resolve] reads with.
func ReadTools() []policy.Tool {
	tools := []policy.Tool{{Object: "owner", Operation: policy.Read}}
	for _, object := range slices.Sorted(maps.Keys(types)) {
		tools = append(tools, policy.Tool{Object: object, Operation: policy.Read})
	}
	return tools
}

// wanted is what proposals and answers name.
type wanted struct {
	ids        map[string][]string // by object
	emails     []string
	newcomers  []string // of emails: of contacts to be created
	domains    []string
	owners     []string
	properties map[string][]string // by object
	objects    map[string]bool     // of proposals
	// among are the objects of proposals that are judged by what else the
	// people of the meeting have: a create may repeat it, an update may mean it.
	among map[string]bool
	// deals are those that proposals or the platform name as the meeting's.
	deals []string
}

func wantedBy(in Subject) wanted {
	lists := readPeopleFile(peopleFile)
	w := wanted{ids: map[string][]string{}, properties: map[string][]string{}, objects: map[string]bool{}, among: map[string]bool{}}
	name := func(ref meeting.RecordRef) {
		if ref.Name != "" {
			w.among[ref.Object] = true
		}
		if ref.ID != "" {
			w.ids[ref.Object] = append(w.ids[ref.Object], ref.ID)
		}
		if email := address(ref.Email); email != "" {
			w.emails = append(w.emails, email)
		}
		if d := bareDomain(ref.Domain); d != "" {
			w.domains = append(w.domains, d, lists.companyDomain("@"+d))
		}
	}
	for _, list := range in.proposals() {
		for _, p := range list.Actions {
			if list.By != ByPlatform {
				// It is of what the transcript says, and may not choose records to read:
				// those that it may mean are read already.
				p.Target.ID, p.AssociateWith = "", withoutIDs(p.AssociateWith)
			}
			w.proposed(p, name)
		}
	}
	for _, edit := range in.Answers {
		for property, object := range map[string]string{DealProperty: "deal", CompanyProperty: "company"} {
			if id := strings.TrimSpace(edit[property]); id != "" {
				w.ids[object] = append(w.ids[object], id)
			}
		}
		if id := strings.TrimSpace(edit[store.TargetProperty]); id != "" {
			// Its object type is the draft's; an ID of another type is not found.
			for object := range w.objects {
				w.ids[object] = append(w.ids[object], id)
			}
		}
	}
	for _, ref := range in.Told {
		w.ids[ref.Object] = append(w.ids[ref.Object], ref.ID)
	}
	for _, hint := range in.Meeting.CRMHints {
		if hint.Object == "deal" && hint.ID != "" && (hint.CRM == "" || strings.EqualFold(hint.CRM, "hubspot")) {
			w.ids["deal"] = append(w.ids["deal"], hint.ID)
			w.deals = append(w.deals, hint.ID)
		}
	}
	return w
}

// proposed wants what a proposal needs.
func (w *wanted) proposed(p meeting.ProposedAction, name func(meeting.RecordRef)) {
	tool, err := policy.ParseTool(p.Tool)
	if err != nil {
		return
	}
	target := p.Target
	target.Object = tool.Object
	name(target)
	for _, ref := range p.AssociateWith {
		name(ref)
	}
	w.objects[tool.Object] = true
	if tool.Operation != policy.Update || target.ID == "" || len(p.AssociateWith) > 0 {
		w.among[tool.Object] = true
	} else if tool.Object == "deal" {
		w.deals = append(w.deals, target.ID)
	}
	for property, value := range p.Properties {
		if strings.HasPrefix(property, store.QuestionPrefix) {
			continue
		}
		w.properties[tool.Object] = append(w.properties[tool.Object], property)
		if email := address(value); property == "hubspot_owner_id" && email != "" {
			w.owners = append(w.owners, email)
		}
	}
	switch tool.Object {
	case "contact":
		name(meeting.RecordRef{Email: p.Properties["email"]})
		if email := address(p.Properties["email"]); tool.Operation == policy.Create && email != "" {
			w.newcomers = append(w.newcomers, email)
		}
	case "company":
		name(meeting.RecordRef{Domain: p.Properties["domain"]})
	}
}

func withoutIDs(refs []meeting.RecordRef) []meeting.RecordRef {
	return slices.DeleteFunc(slices.Clone(refs), func(r meeting.RecordRef) bool { return r.ID != "" })
}

type resolver struct {
	crm    CRM
	in     Subject
	people People
	wanted wanted
	out    Resolution
	// dealNamed: somebody named a deal as the meeting's, and it is there.
	dealNamed bool
	// links are what contacts and companies are linked to, by object and ID of
	// the other end.
	links map[string]map[string][]Link
}

// denied notes a refused permission, and says whether err was one.
func (r *resolver) denied(err error, object string) bool {
	if !errors.Is(err, policy.ErrDenied) {
		return false
	}
	tool := policy.Tool{Object: object, Operation: policy.Read}
	if denied, ok := errors.AsType[*policy.DeniedError](err); ok {
		tool = denied.Tool
	}
	if !slices.Contains(r.out.Denied, tool) {
		r.out.Denied = append(r.out.Denied, tool)
	}
	return true
}

// list is where the records of an object type are collected.
func (r *resolver) list(object string) *[]Record {
	switch object {
	case "contact":
		return &r.out.Contacts
	case "company":
		return &r.out.Companies
	case "deal":
		return &r.out.Deals
	case "ticket":
		return &r.out.Tickets
	case "task":
		return &r.out.Tasks
	default:
		return &r.out.Meetings
	}
}

func (r *resolver) properties(object string) []string {
	return unique(append(slices.Clone(read[object]), r.wanted.properties[object]...))
}

func (r *resolver) keep(object string, records []hubspot.Record) {
	list := r.list(object)
	for _, record := range records {
		if _, known := byID(*list, record.ID); known {
			continue
		}
		kept := Record{ID: record.ID, Properties: map[string]string{}}
		for _, name := range r.properties(object) {
			if value, ok := record.Properties[name]; ok {
				kept.Properties[name] = value
			}
		}
		*list = append(*list, kept)
	}
}

// batch reads records by ID, or by the property that idProperty names.
func (r *resolver) batch(ctx context.Context, object, idProperty string, ids []string) error {
	ids = unique(ids)
	if idProperty == "" {
		ids = slices.DeleteFunc(ids, func(id string) bool {
			_, known := byID(*r.list(object), id)
			return known || strings.Trim(id, "0123456789") != "" // no record has such an ID
		})
	}
	for chunk := range slices.Chunk(ids, hubspot.MaxBatch) {
		result, err := r.crm.BatchRead(ctx, types[object], hubspot.BatchReadInput{IDProperty: idProperty, Properties: r.properties(object), IDs: chunk})
		if r.denied(err, object) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", types[object], err)
		}
		r.keep(object, result.Records)
	}
	return nil
}

func (r *resolver) contacts(ctx context.Context) error {
	emails := slices.Clone(r.wanted.emails)
	for _, p := range r.people.External {
		emails = append(emails, p.Email)
	}
	if err := r.batch(ctx, "contact", "email", emails); err != nil {
		return err
	}
	return r.batch(ctx, "contact", "", r.wanted.ids["contact"])
}

// namedDeals reads the deals that are named as the meeting's, and whether they
// are there: then no other deal matters, unless a proposal is judged by those.
func (r *resolver) namedDeals(ctx context.Context) error {
	if r.wanted.among["deal"] || len(r.wanted.deals) == 0 {
		return nil
	}
	if err := r.batch(ctx, "deal", "", r.wanted.ids["deal"]); err != nil {
		return err
	}
	if err := r.pipelinesOf(ctx, "deal"); err != nil {
		return err
	}
	r.dealNamed = slices.ContainsFunc(r.out.open("deal"), func(d Record) bool { return slices.Contains(r.wanted.deals, d.ID) })
	return nil
}

// around are the objects whose records are read because they belong to those who
// were there. Tickets matter to proposals alone.
func (r *resolver) around() []string {
	var objects []string
	if !r.dealNamed {
		objects = append(objects, "deal")
	}
	if r.wanted.among["ticket"] {
		objects = append(objects, "ticket")
	}
	return objects
}

// companies reads the companies that contacts are linked to. A search is for
// those of whom no link tells the company, and for what proposals name by
// domain; it takes every domain along, since most linked companies are found by
// it, too.
func (r *resolver) companies(ctx context.Context) error {
	search := len(r.wanted.domains) > 0
	domains := slices.Clone(r.wanted.domains)
	about := func(email, domain string) {
		contact, known := r.out.contact(email)
		search = search || !known || len(contact.companies()) == 0
		domains = append(domains, domain, domainOf(email))
	}
	for _, p := range r.people.External {
		if p.Domain != "" {
			about(p.Email, p.Domain)
		}
	}
	lists := readPeopleFile(peopleFile)
	for _, email := range r.wanted.newcomers {
		// One who is there keeps the company that they have.
		if _, known := r.out.contact(email); !known && lists.companyDomain(email) != "" {
			about(email, lists.companyDomain(email))
		}
	}
	if search {
		if err := r.searchCompanies(ctx, domains); err != nil {
			return err
		}
	}
	linked, named := r.linkedIDs("company"), r.wanted.ids["company"]
	if len(linked) == 1 && len(named) == 0 && len(r.out.Companies) == 0 {
		return nil // linksOfCompanies reads the only one together with its links
	}
	return r.batch(ctx, "company", "", append(linked, named...))
}

func (r *resolver) searchCompanies(ctx context.Context, domains []string) error {
	domains = unique(domains)
	for len(domains) > 0 {
		n, size := 0, 0
		for n < len(domains) && n < hubspot.MaxBatch && (n == 0 || size+len(domains[n])+3 <= mostSearched) {
			size += len(domains[n]) + 3
			n++
		}
		result, err := r.crm.Search(ctx, hubspot.Companies, hubspot.SearchRequest{
			FilterGroups: []hubspot.FilterGroup{{Filters: []hubspot.Filter{{PropertyName: "domain", Operator: hubspot.In, Values: domains[:n]}}}},
			Properties:   r.properties("company"),
			Limit:        200,
		})
		if r.denied(err, "company") {
			return nil
		}
		if err != nil {
			return fmt.Errorf("searching companies by domain: %w", err)
		}
		if result.After != "" {
			r.out.Cut = append(r.out.Cut, "company")
		}
		r.keep("company", result.Records)
		domains = domains[n:]
	}
	return nil
}

// relate reads what records of one type are linked to, and those records
// themselves where they aren't read yet: by one batch read for each type, or by
// one read for each record, which brings all types along. Whichever is fewer.
func (r *resolver) relate(ctx context.Context, from string, ids []string, to ...string) error {
	unread := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, known := byID(*r.list(from), id)
		return known
	})
	batches := len(to)
	if len(unread) > 0 {
		batches++
	}
	if len(ids) < batches {
		for _, id := range ids {
			if err := r.relateOne(ctx, from, id, slices.Clone(to)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := r.batch(ctx, from, "", unread); err != nil {
		return err
	}
	for _, other := range to {
		if err := r.follow(ctx, from, other, ids); err != nil {
			return err
		}
	}
	return nil
}

// relateOne reads one record with its links to several types.
func (r *resolver) relateOne(ctx context.Context, from, id string, to []string) error {
	var record hubspot.Record
	for {
		o := hubspot.GetOptions{Properties: r.properties(from)}
		for _, other := range to {
			o.Associations = append(o.Associations, types[other])
		}
		var err error
		record, err = r.crm.Get(ctx, types[from], id, o)
		if err == nil {
			break
		}
		if errors.Is(err, hubspot.ErrNotFound) {
			return nil // merged or archived since it was found
		}
		if !r.denied(err, from) {
			return fmt.Errorf("reading one of the %s with what belongs to it: %w", types[from], err)
		}
		// Nothing was sent. What may be read is read without what may not.
		before := len(to)
		to = slices.DeleteFunc(to, r.out.denied)
		_, known := byID(*r.list(from), id)
		if len(to) == before || r.out.denied(from) || (len(to) == 0 && known) {
			return nil
		}
	}
	r.keep(from, []hubspot.Record{record})
	for _, other := range to {
		var linked []string
		for _, a := range record.Associations[types[other]] {
			linked = append(linked, a.ID)
		}
		linked = unique(linked)
		_, cut := record.MoreAssociations[types[other]]
		if choice := from == "contact" && other == "company" && len(linked) > 1; cut || choice {
			// Which company is the primary one, the record itself does not say.
			if err := r.follow(ctx, from, other, []string{id}); err != nil {
				return err
			}
			continue
		}
		for _, end := range linked {
			r.linkBoth(from, record.ID, Link{Object: other, ID: end})
		}
	}
	return nil
}

// linkBoth notes a link at its near end, and for the far one, which may not be
// read yet.
func (r *resolver) linkBoth(from, id string, to Link) {
	list := *r.list(from)
	for i := range list {
		if list[i].ID == id {
			list[i].link(to)
		}
	}
	if r.links == nil {
		r.links = map[string]map[string][]Link{}
	}
	if r.links[to.Object] == nil {
		r.links[to.Object] = map[string][]Link{}
	}
	r.links[to.Object][to.ID] = append(r.links[to.Object][to.ID], Link{Object: from, ID: id})
}

// follow reads the links of records of one type to another.
func (r *resolver) follow(ctx context.Context, from, to string, ids []string) error {
	for chunk := range slices.Chunk(ids, hubspot.MaxAssociationReads) {
		result, err := r.crm.BatchReadAssociations(ctx, types[from], types[to], chunk)
		if r.denied(err, to) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading which %s belong to %s: %w", types[to], types[from], err)
		}
		if len(result.After) > 0 {
			r.out.Cut = append(r.out.Cut, to)
		}
		for id, others := range result.Records {
			for _, other := range others {
				primary := slices.ContainsFunc(other.Types, func(t hubspot.AssociationLabel) bool { return isPrimary(from, to, t) })
				r.linkBoth(from, id, Link{Object: to, ID: other.ID, Primary: primary})
			}
		}
	}
	return nil
}

// isPrimary says whether a link is that of a contact to its primary company:
// type 1 (developers.hubspot.com, "Associate records").
func isPrimary(from, to string, t hubspot.AssociationLabel) bool {
	return from == "contact" && to == "company" && t.TypeID == 1 && (t.Category == hubspot.HubSpotDefined || t.Category == "")
}

// linkedIDs are the newest of the records that contacts and companies are
// linked to.
func (r *resolver) linkedIDs(object string) []string {
	var ids []string
	for id := range r.links[object] {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return compareIDs(b, a) })
	if len(ids) > mostLinked {
		r.out.Cut = append(r.out.Cut, object)
		ids = ids[:mostLinked]
	}
	return ids
}

// attending are the IDs of the contacts who were there.
func (r *resolver) attending() []string {
	var ids []string
	for _, p := range r.people.External {
		if c, ok := r.out.contact(p.Email); ok {
			ids = append(ids, c.ID)
		}
	}
	return unique(ids)
}

func (r *resolver) linksOfContacts(ctx context.Context) error {
	to := append([]string{"company"}, r.around()...)
	if !r.in.Meeting.Start().IsZero() { // without a time, no meeting can be told to be this one
		to = append(to, "meeting")
	}
	if r.makesTasks() {
		to = append(to, "task")
	}
	return r.relate(ctx, "contact", r.attending(), to...)
}

func (r *resolver) linksOfCompanies(ctx context.Context) error {
	var ids []string
	for _, p := range r.people.External {
		if c, found := companyOf(r.out, r.people, p); found == foundOne {
			ids = append(ids, c.ID)
		}
	}
	return r.relate(ctx, "company", unique(ids), r.around()...)
}

func (r *resolver) dealsAndTickets(ctx context.Context) error {
	for _, object := range []string{"deal", "ticket"} {
		if err := r.batch(ctx, object, "", append(r.linkedIDs(object), r.wanted.ids[object]...)); err != nil {
			return err
		}
		r.linkBack(object)
	}
	return nil
}

// linkBack tells the records of a type which contacts and companies they belong to.
func (r *resolver) linkBack(object string) {
	list := *r.list(object)
	for i := range list {
		for _, l := range r.links[object][list[i].ID] {
			list[i].link(l)
		}
	}
}

func (r *resolver) meetings(ctx context.Context) error {
	if err := r.batch(ctx, "meeting", "", r.linkedIDs("meeting")); err != nil {
		return err
	}
	start := r.in.Meeting.Start()
	r.out.Meetings = slices.DeleteFunc(r.out.Meetings, func(m Record) bool {
		at, ok := startOf(m)
		return !ok || at.Sub(start).Abs() > sameTime
	})
	r.linkBack("meeting")
	var ids []string
	for _, m := range r.out.Meetings {
		ids = append(ids, m.ID)
	}
	return r.relate(ctx, "meeting", ids, "company", "deal")
}

// startOf is when a HubSpot meeting starts.
func startOf(m Record) (time.Time, bool) {
	t, err := hubspot.ParseDateTime(cmp.Or(m.Properties["hs_meeting_start_time"], m.Properties["hs_timestamp"]))
	return t, err == nil
}

// allOwners asks for as many owners as one page has.
var allOwners = hubspot.OwnersQuery{Limit: 500}

// owners finds owners by address: in the list of all, which the gate keeps for
// every meeting of the account, and those that its first page misses by one
// query each.
func (r *resolver) owners(ctx context.Context) error {
	missing := slices.Clone(r.wanted.owners)
	if r.people.Host.OwnerID == "" {
		missing = append(missing, r.people.Host.Email)
	}
	own := ownDomains(r.in, readPeopleFile(peopleFile))
	for _, item := range r.in.Meeting.ActionItems {
		email := address(item.AssigneeEmail) // of a colleague, who need not have been there
		if email != "" && own(domainOf(email)) {
			missing = append(missing, email)
		}
	}
	missing = unique(missing)
	ask := func(q hubspot.OwnersQuery) (cut bool, err error) {
		page, err := r.crm.Owners(ctx, q)
		if r.denied(err, "owner") {
			missing = nil
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading owners: %w", err)
		}
		for _, o := range page.Owners {
			email := address(o.Email)
			i := slices.Index(missing, email)
			if i >= 0 {
				missing = slices.Delete(missing, i, i+1)
			}
			if _, known := r.out.ownerByID(o.ID); !known && !o.Archived && (i >= 0 || r.attended(email) || r.ownerNamed(ownerOf(o))) {
				r.out.Owners = append(r.out.Owners, ownerOf(o))
			}
		}
		return page.After != "", nil
	}
	if len(missing) == 0 && len(r.given()) == 0 {
		return nil
	}
	cut, err := ask(allOwners)
	if err != nil {
		return err
	}
	r.out.OwnersRead = !slices.Contains(r.out.Denied, policy.Tool{Object: "owner", Operation: policy.Read})
	if !cut {
		return nil
	}
	for _, email := range slices.Clone(missing) {
		if len(missing) == 0 {
			break // denied meanwhile
		}
		if _, err := ask(hubspot.OwnersQuery{Email: email}); err != nil {
			return err
		}
	}
	return nil
}

func ownerOf(o hubspot.Owner) Owner {
	return Owner{ID: o.ID, Email: address(o.Email), Name: strings.TrimSpace(o.FirstName + " " + o.LastName)}
}

// attended says whether one of the organization's own people was there.
func (r *resolver) attended(email string) bool {
	return email != "" && slices.ContainsFunc(r.people.Internal, func(p Person) bool { return p.Email == email })
}

// definitions reads what the account says of the properties that a plan would use,
// and who owns the records that it would show: by making that plan. Where it could
// not be judged, it is planned the same, and HubSpot has the last word.
func (r *resolver) definitions(ctx context.Context) error {
	names, owners := map[string][]string{}, []string(nil)
	for _, d := range Plan(Input{Subject: r.in, Resolution: r.out, Hash: func(s string) string { return strings.ReplaceAll(s, ":", "") }}).Drafts {
		object := d.Tool.Object
		for name := range d.Content.Properties {
			if !strings.HasPrefix(name, store.QuestionPrefix) {
				names[object] = append(names[object], name)
			}
			if object == "deal" && name == "amount" {
				names[object] = append(names[object], "deal_currency_code") // which the plan may add
			}
		}
		owners = append(owners, d.Content.Properties["hubspot_owner_id"], d.Content.Before["hubspot_owner_id"])
		for _, c := range d.Content.Candidates {
			record, _ := byID(r.out.of(d.Content.CandidateObject(d.Tool)), c.ID)
			owners = append(owners, record.Properties["hubspot_owner_id"])
		}
	}
	for _, object := range sortedKeys(names) {
		wanted := unique(names[object])
		found, known, err := r.crm.Definitions(ctx, types[object], wanted)
		if err != nil {
			return fmt.Errorf("reading what %s have for properties: %w", types[object], err)
		}
		if !known {
			continue
		}
		if r.out.Properties == nil {
			r.out.Properties, r.out.Undefined = map[string][]hubspot.Property{}, map[string][]string{}
		}
		slices.SortFunc(found, func(a, b hubspot.Property) int { return cmp.Compare(a.Name, b.Name) })
		r.out.Properties[object] = found
		for _, name := range wanted {
			if _, ok := r.out.definition(object, name); !ok {
				r.out.Undefined[object] = append(r.out.Undefined[object], name)
			}
		}
	}
	return r.ownersByID(ctx, unique(owners))
}

// ownersByID adds owners to those that are known, for their names: as far as they
// stand in the list that the gate keeps.
func (r *resolver) ownersByID(ctx context.Context, ids []string) error {
	if host := r.people.Host; slices.Contains(ids, host.OwnerID) && host.Name != "" {
		if _, known := r.out.ownerByID(host.OwnerID); !known {
			r.out.Owners = append(r.out.Owners, Owner{ID: host.OwnerID, Email: host.Email, Name: host.Name})
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		_, known := r.out.ownerByID(id)
		return known
	})
	if len(ids) == 0 || r.out.denied("owner") {
		return nil
	}
	page, err := r.crm.Owners(ctx, allOwners)
	if r.denied(err, "owner") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading owners: %w", err)
	}
	for _, o := range page.Owners {
		if slices.Contains(ids, o.ID) {
			r.out.Owners = append(r.out.Owners, ownerOf(o))
		}
	}
	return nil
}

func (r *resolver) pipelines(ctx context.Context) error {
	for _, object := range []string{"deal", "ticket"} {
		if err := r.pipelinesOf(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// pipelinesOf reads the pipelines of deals or tickets if there are any to judge.
func (r *resolver) pipelinesOf(ctx context.Context, object string) error {
	if (len(*r.list(object)) == 0 && !r.wanted.objects[object]) || len(r.out.pipelines(object)) > 0 {
		return nil
	}
	var stages []string
	for _, record := range *r.list(object) {
		stages = append(stages, record.Properties[stageOf(object)])
	}
	pipelines, err := r.crm.Pipelines(ctx, types[object], unique(stages)...)
	switch {
	case r.denied(err, object):
	case err != nil:
		return fmt.Errorf("reading the pipelines of %s: %w", types[object], err)
	case object == "deal":
		r.out.DealPipelines = pipelines
	default:
		r.out.TicketPipelines = pipelines
	}
	return nil
}

// unique sorts, and drops what is empty or there already.
func unique(list []string) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
	slices.Sort(list)
	return slices.Compact(list)
}

type found int

const (
	foundNone found = iota
	foundOne
	foundMany
)

// companyOf finds the company that a person belongs to: of the companies that
// HubSpot links the contact to, the one with the person's domain, else the
// primary, else the only one; without such a link, the company with the
// person's domain, else the one company of the person's colleagues at the
// meeting. Free mail says nothing about a company.
func companyOf(r Resolution, people People, p Person) (Record, found) {
	if contact, ok := r.contact(p.Email); ok {
		if links := contact.companies(); len(links) > 0 {
			return linkedCompany(r, links, p)
		}
	}
	if p.Domain == "" {
		return Record{}, foundNone
	}
	same := r.companies(domainOf(p.Email))
	if len(same) == 0 {
		same = r.companies(p.Domain)
	}
	switch len(same) {
	case 0:
	case 1:
		return same[0], foundOne
	default:
		return Record{}, foundMany
	}
	var colleagues []Link
	for _, other := range people.External {
		if contact, ok := r.contact(other.Email); ok && other.Domain == p.Domain {
			if c, f := linkedCompany(r, contact.companies(), other); f == foundOne {
				colleagues = append(colleagues, Link{ID: c.ID})
			}
		}
	}
	slices.SortFunc(colleagues, func(a, b Link) int { return compareIDs(a.ID, b.ID) })
	return linkedCompany(r, slices.Compact(colleagues), p)
}

func linkedCompany(r Resolution, links []Link, p Person) (Record, found) {
	var known, sameDomain, primary []Record
	for _, l := range links {
		c, ok := byID(r.Companies, l.ID)
		if !ok {
			c = Record{ID: l.ID} // linked, but its reading was denied or cut
		}
		known = append(known, c)
		if d := bareDomain(c.Properties["domain"]); p.Domain != "" && (d == p.Domain || d == domainOf(p.Email)) {
			sameDomain = append(sameDomain, c)
		}
		if l.Primary {
			primary = append(primary, c)
		}
	}
	for _, list := range [][]Record{sameDomain, primary, known} {
		switch len(list) {
		case 0:
		case 1:
			return list[0], foundOne
		default:
			return Record{}, foundMany
		}
	}
	return Record{}, foundNone
}
