package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Input is everything that a plan is made from.
type Input struct {
	Subject
	Resolution Resolution
	// OnBehalf says that the connection acts for the whole account, so that what
	// it logs has to say for whom.
	OnBehalf bool
	// Currencies are the account's, the company currency first; empty if they are
	// not known.
	Currencies []string
	// Written is what earlier rounds of this meeting wrote, by draft key.
	Written map[string]Written
	// Permission is a tool's. What is proposed for a denied one is dropped, and new
	// records don't wait for a log that is asked about. Nil allows every tool.
	Permission func(policy.Tool) policy.Permission
	// Hash is a keyed hash: it makes keys of what identifies people. Its result
	// must not hold a colon.
	Hash func(string) string
}

// Written is an action of an earlier round that happened.
type Written struct {
	RecordID string
	// Content as it was planned: the action's.
	Content store.ActionContent
	// Edit is what the approver wrote instead.
	Edit map[string]string
}

// Planned is a plan.
type Planned struct {
	// Drafts in the order to read and to run them in: nothing depends on what comes
	// after it.
	Drafts []store.Draft
	// Dropped are the proposals that are not in it.
	Dropped []Dropped
}

// Plan makes a plan of a meeting. It is empty for an internal or cancelled one.
// Of what Input.Written holds it drafts only what has changed since.
func Plan(in Input) Planned {
	p, ok := begin(in)
	if !ok {
		return Planned{}
	}
	if p.people.Attendance() == Unclear {
		p.askWhoWasThere()
	} else {
		p.planLog()
		p.planTasks()
	}
	return Planned{Drafts: p.finish(), Dropped: p.dropped}
}

// begin plans who was there and what is proposed. Of an internal or cancelled meeting
// there is nothing to plan, nor of one with somebody who wants to work for the house.
func begin(in Input) (*plan, bool) {
	p := &plan{
		in: in, res: in.Resolution, people: Who(in.Subject), lists: readPeopleFile(peopleFile), drafts: map[string]*store.Draft{},
		words: WordsOf(in.Meeting.Details), companies: map[string]store.AssociationRef{}, contacts: map[string]store.AssociationRef{}, refs: map[string]store.AssociationRef{},
	}
	if in.Meeting.State == meeting.StateCanceled || p.people.Attendance() == Internal || p.hires() {
		return nil, false
	}
	p.planCompanies()
	p.planContacts()
	p.planProposals()
	return p, true
}

// hires says that a meeting is a job interview: it is called so, and who came from
// outside writes from free mail and is nobody to the CRM.
func (p *plan) hires() bool {
	return hasAny(spaced(p.in.Meeting.Title), hiring) && len(p.people.External) > 0 && !slices.ContainsFunc(p.people.External, func(x Person) bool {
		_, known := p.res.contact(x.Email)
		return known || x.Domain != ""
	})
}

const hiring = `
interview|hiring|candidate|applicant|recruiting|phone screen
bewerbungsgespräch|vorstellungsgespräch|bewerber|bewerberin|bewerbung
entretien d embauche|entretien de recrutement|candidat|candidature|recrutement
entrevista|candidato|candidata|proceso de selección
entrevista|candidato|candidata|processo seletivo|recrutamento`

type plan struct {
	in      Input
	res     Resolution
	people  People
	lists   peopleLists
	words   Words
	names   map[string]bool // see isKnown
	drafts  map[string]*store.Draft
	dropped []Dropped
	// companies by domain and contacts by address: where they are, or will be.
	companies, contacts map[string]store.AssociationRef
	// refs are the records of proposals, by the proposals' names.
	refs map[string]store.AssociationRef
	// links are associations between drafts that are settled at the end.
	links []draftLink
	// dealsMeant are the deals that proposals are about.
	dealsMeant []store.AssociationRef
	// talked and ofMany: see talk.
	talked []string
	ofMany bool
	// dealUnclear: a proposal is about a deal, and nobody can tell which.
	dealUnclear bool
	// spoken are the transcript's segments as words: see passageOf.
	spoken   []string
	passages map[meeting.Evidence]passage
	// cut are the segments that were quoted, in sentences, and lines what was written.
	cut   map[int]sentences
	lines []sentences
	// sums and contents are those of the segments, and peopleWords are of the names of those
	// who were there; made when they are needed first.
	sums        [][]float64
	contents    [][]string
	peopleWords map[string]bool
	// capitals says of the words that were said whether one had a capital.
	capitals map[string]bool
	// tasksProposed are drafted with the action items.
	tasksProposed []proposal
}

type draftLink struct {
	key string
	to  store.AssociationRef
}

// rank is the order of the plan.
func rank(t policy.Tool) int {
	if t.Operation == policy.Update && t.Object != "meeting" && t.Object != "note" && t.Object != "task" {
		return 4
	}
	switch t.Object {
	case "company":
		return 0
	case "contact":
		return 1
	case "deal":
		return 2
	case "ticket":
		return 3
	case "meeting":
		return 5
	case "note":
		return 6
	default:
		return 7
	}
}

func compareDrafts(a, b *store.Draft) int {
	return cmp.Or(cmp.Compare(rank(a.Tool), rank(b.Tool)), cmp.Compare(a.Content.Label, b.Content.Label), cmp.Compare(a.Key, b.Key))
}

func createKey(object, name string) string { return object + ".create:" + name }

// emailName and domainName name a contact and a company in keys.
func (p *plan) emailName(email string) string   { return p.in.Hash("email:" + email) }
func (p *plan) domainName(domain string) string { return p.in.Hash("domain:" + domain) }

// add puts a draft of a create into the plan.
func (p *plan) add(object, name string, c store.ActionContent) *store.Draft {
	d := &store.Draft{Key: createKey(object, name), Tool: policy.Tool{Object: object, Operation: policy.Create}, Content: c}
	p.drafts[d.Key] = d
	return d
}

// revisions are the updates of a name that earlier rounds wrote, in order, and
// the key of the next one. Revisions are numbered, not named by content: so a
// text that changes back is written back, and a pending one is amended.
func (p *plan) revisions(object, name string) (written []Written, next string) {
	for n := 1; ; n++ {
		next = fmt.Sprintf("%s.update:%s:%d", object, name, n)
		w, ok := p.in.Written[next]
		if !ok {
			return written, next
		}
		written = append(written, w)
	}
}

// planned is the last value that was planned for each property by what was
// written, and the last that was really written.
func planned(written []Written) (wanted, actual map[string]string) {
	wanted, actual = map[string]string{}, map[string]string{}
	for _, w := range written {
		maps.Copy(wanted, w.Content.Properties)
		maps.Copy(actual, w.Content.Properties)
		for name, value := range w.Edit {
			if _, ok := w.Content.Properties[name]; ok {
				actual[name] = value
			}
		}
	}
	return wanted, actual
}

// update drafts what is different about a record, if anything is. name is the
// update's own; earlier are the creates that made the record, if Debrief did.
func (p *plan) update(object, name, recordID string, before map[string]string, c store.ActionContent, earlier ...Written) *store.Draft {
	revisions, key := p.revisions(object, name)
	written := append(slices.Clone(earlier), revisions...)
	wanted, actual := planned(written)
	properties, was := map[string]string{}, map[string]string{}
	for property, value := range c.Properties {
		last, planned := wanted[property]
		if planned && (value == toFill || same(property, last, value)) {
			continue // it was planned like this before: what people made of it since stands
		}
		old, known := before[property]
		if last, ok := actual[property]; ok && !known {
			old, known = last, true
		}
		// The record was read, and HubSpot leaves out what is empty.
		known = known || before != nil
		if value == toFill {
			properties[property], was[property] = old, old // for the approver to write over
			continue
		}
		if same(property, old, value) && !strings.HasPrefix(property, store.QuestionPrefix) {
			continue
		}
		properties[property] = value
		if known {
			was[property] = old
		}
		if last, ok := actual[property]; ok && last != wanted[property] {
			c.Doubt = joinDoubts(c.Doubt, fmt.Sprintf("%s was edited when it was approved, and what was said later differs", p.res.label(object, property)))
		}
	}
	c.Properties, c.Before = properties, was
	c.Associations = slices.DeleteFunc(slices.Clone(c.Associations), func(a store.AssociationRef) bool {
		id := p.recordID(a)
		return id != "" && slices.ContainsFunc(written, func(w Written) bool {
			return slices.ContainsFunc(w.Content.Associations, func(b store.AssociationRef) bool { return b.Object == a.Object && p.recordID(b) == id })
		})
	})
	if len(properties) == 0 && len(c.Associations) == 0 {
		return nil
	}
	d := p.drafts[key]
	if d == nil {
		d = &store.Draft{Key: key, Tool: policy.Tool{Object: object, Operation: policy.Update}, TargetID: recordID, Content: c}
		p.drafts[key] = d
		return d
	}
	// Two proposals under one name: one action.
	for _, property := range sortedKeys(properties) {
		if old, ok := d.Content.Properties[property]; ok && !same(property, old, properties[property]) {
			c.Doubt = joinDoubts(c.Doubt, "two proposals disagree about "+p.res.label(object, property))
		}
	}
	maps.Copy(d.Content.Properties, properties)
	maps.Copy(d.Content.Before, was)
	d.Content.Associations = p.uniqueRefs(append(d.Content.Associations, c.Associations...))
	d.Content.Evidence = uniqueEvidence(append(d.Content.Evidence, c.Evidence...))
	d.Content.Confidence = lowest(d.Content.Confidence, c.Confidence)
	d.Content.Doubt = joinDoubts(d.Content.Doubt, c.Doubt)
	return d
}

// companyOf is the company of a person. One that an earlier round made goes by
// its key, as it did then, so that what refers to it stays word for word the same
// and no question is asked anew for it.
func (p *plan) companyOf(person Person) (store.AssociationRef, found) {
	company, found := companyOf(p.res, p.people, person)
	if found == foundMany {
		// Unless an approver said which.
		id, _ := p.answered(createKey("contact", p.emailName(person.Email)), CompanyProperty)
		if r, ok := byID(p.res.Companies, id); ok {
			company, found = r, foundOne
		}
	}
	key := createKey("company", p.domainName(person.Domain))
	if w, ok := p.in.Written[key]; ok && (found == foundNone || found == foundOne && w.RecordID == company.ID) {
		return store.AssociationRef{Object: "company", Key: key}, foundOne
	}
	return store.AssociationRef{Object: "company", RecordID: company.ID}, found
}

// recordID is the record that a reference points at, if it is there.
func (p *plan) recordID(a store.AssociationRef) string {
	if a.RecordID != "" {
		return a.RecordID
	}
	return p.in.Written[a.Key].RecordID
}

// link associates a draft with a record, or with that of another draft.
func (p *plan) link(key string, to store.AssociationRef) {
	if to.RecordID != "" || to.Key != "" {
		p.links = append(p.links, draftLink{key, to})
	}
}

func addAssociation(d *store.Draft, to store.AssociationRef) {
	if d.Key == to.Key {
		return
	}
	for i, a := range d.Content.Associations {
		if a.Object == to.Object && a.RecordID == to.RecordID && a.Key == to.Key {
			d.Content.Associations[i].Required = a.Required || to.Required
			return
		}
	}
	d.Content.Associations = append(d.Content.Associations, to)
}

// finish settles links, answers, dependencies and order.
func (p *plan) finish() []store.Draft {
	p.contradictions()
	for _, key := range sortedKeys(p.drafts) {
		p.keepEdit(p.drafts[key])
	}
	for _, l := range p.links {
		from, to := p.drafts[l.key], p.drafts[l.to.Key]
		switch {
		case from == nil:
		case to == nil || (compareDrafts(to, from) <= 0 && !p.goesAhead(from)):
			addAssociation(from, l.to)
		default:
			// The other record comes later: the later create carries the link.
			// What goes ahead waits for no draft, so there is no cycle.
			addAssociation(to, store.AssociationRef{Object: from.Tool.Object, Key: from.Key})
		}
	}
	drafts := slices.SortedFunc(maps.Values(p.drafts), compareDrafts)
	out := make([]store.Draft, 0, len(drafts))
	for _, d := range drafts {
		slices.SortFunc(d.Content.Associations, func(a, b store.AssociationRef) int {
			return cmp.Or(
				cmp.Compare(rank(policy.Tool{Object: a.Object}), rank(policy.Tool{Object: b.Object})),
				cmp.Compare(a.Key, b.Key), compareIDs(a.RecordID, b.RecordID))
		})
		if isLog := d.Tool.Object == "meeting" || d.Tool.Object == "note"; isLog && len(d.Content.Associations) == 1 && d.TargetID == "" {
			// On nobody's timeline it would be lost.
			d.Content.Associations[0].Required = true
		}
		for _, a := range d.Content.Associations {
			d.DependsOn = append(d.DependsOn, a.Key)
		}
		d.DependsOn = unique(append(d.DependsOn, d.Content.TargetKey))
	}
	for len(drafts) > 0 {
		// The first that waits for nothing that is left.
		at := max(0, slices.IndexFunc(drafts, func(d *store.Draft) bool {
			return !slices.ContainsFunc(drafts, func(other *store.Draft) bool { return slices.Contains(d.DependsOn, other.Key) })
		}))
		out = append(out, *drafts[at])
		drafts = slices.Delete(drafts, at, at+1)
	}
	return out
}

// goesAhead says whether a meeting, note or task need not wait for the records
// that this plan makes: it has a record that is there to be logged on, and asks
// nothing. New records then take the link along when they are created, and what
// people may take days to answer does not keep the meeting out of HubSpot.
//
// What a round has made wait goes on waiting in the next, since a link more on a
// new record would ask its open question anew. So a record that an earlier round
// made does not count as there, and neither does an answer about the deal.
func (p *plan) goesAhead(d *store.Draft) bool {
	if d.Tool.Operation != policy.Create || d.Content.Doubt != "" || len(d.DependsOn) > 0 {
		return false
	}
	switch d.Tool.Object {
	case "meeting", "note":
		if _, asked := p.in.Answers[createKey("meeting", logName)][DealProperty]; asked {
			return false
		}
	case "task":
	default:
		return false
	}
	if p.permission(d.Tool) != policy.Allow {
		return false // a question about it would hold up the new records
	}
	return slices.ContainsFunc(p.links, func(l draftLink) bool { return l.key == d.Key && l.to.RecordID != "" })
}

func (p *plan) permission(tool policy.Tool) policy.Permission {
	if p.in.Permission == nil {
		return policy.Allow
	}
	return p.in.Permission(tool)
}

// keepEdit lets what an approver wrote stand when the plan is made again to
// answer a question of the same draft.
func (p *plan) keepEdit(d *store.Draft) {
	edit := p.in.Answers[d.Key]
	for name, value := range edit {
		if _, ok := d.Content.Properties[name]; ok && !strings.HasPrefix(name, store.QuestionPrefix) {
			d.Content.Properties[name] = value
		}
	}
}

// contradictions finds updates that want different values of one property.
func (p *plan) contradictions() {
	type place struct{ object, id, property string }
	wanted := map[place][]*store.Draft{}
	for _, key := range sortedKeys(p.drafts) {
		if d := p.drafts[key]; d.TargetID != "" {
			for name := range d.Content.Properties {
				at := place{d.Tool.Object, d.TargetID, name}
				wanted[at] = append(wanted[at], d)
			}
		}
	}
	places := slices.SortedFunc(maps.Keys(wanted), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.object, b.object), cmp.Compare(a.id, b.id), cmp.Compare(a.property, b.property))
	})
	for _, at := range places {
		drafts := wanted[at]
		for _, d := range drafts {
			if !same(at.property, d.Content.Properties[at.property], drafts[0].Content.Properties[at.property]) {
				for _, d := range drafts {
					d.Content.Doubt = joinDoubts(d.Content.Doubt, "two proposals disagree about "+p.res.label(at.object, at.property))
				}
				break
			}
		}
	}
}

// joinDoubts adds doubts to each other, each once.
func joinDoubts(doubts ...string) string {
	var all []string
	for _, d := range doubts {
		if d != "" && !slices.ContainsFunc(all, func(known string) bool { return strings.Contains(known, d) }) {
			all = append(all, d)
		}
	}
	return strings.Join(all, "; ")
}

// hostOwner is the host's owner in HubSpot, or nothing.
func (p *plan) hostOwner() string {
	if p.people.Host.OwnerID != "" {
		return p.people.Host.OwnerID
	}
	owner, _ := p.res.Owner(p.people.Host.Email)
	return owner.ID
}

// properties drops what has no value.
func properties(pairs map[string]string) map[string]string {
	maps.DeleteFunc(pairs, func(_, value string) bool { return value == "" })
	return pairs
}

func mayNotRead(plural string) string {
	return fmt.Sprintf("Debrief may not read %s, so it can't tell whether this one exists", plural)
}

// planCompanies finds the company of each external attendee, and drafts those
// that HubSpot does not have.
func (p *plan) planCompanies() {
	for _, person := range p.people.External {
		if person.Domain == "" {
			continue
		}
		company, found := p.companyOf(person)
		switch found {
		case foundOne:
			// Of two attendees of one domain, each may have a company of its own;
			// the draft of a domain's company is made only if none has.
			if _, known := p.companies[person.Domain]; !known {
				p.companies[person.Domain] = company
			}
		case foundMany:
		case foundNone:
			p.companies[person.Domain] = p.newCompany(person.Domain)
		}
	}
	// Contacts that HubSpot knows without a company join the new one.
	for _, person := range p.people.External {
		contact, known := p.res.contact(person.Email)
		to := p.companies[person.Domain]
		if known && p.drafts[to.Key] != nil && len(contact.companies()) == 0 {
			p.link(to.Key, store.AssociationRef{Object: "contact", RecordID: contact.ID})
		}
	}
}

// newCompany is the company of a domain that HubSpot does not have: written
// already, or a draft.
func (p *plan) newCompany(domain string) store.AssociationRef {
	key := createKey("company", p.domainName(domain))
	if _, written := p.in.Written[key]; !written && p.drafts[key] == nil {
		name := nameOfDomain(domain)
		d := p.add("company", p.domainName(domain), store.ActionContent{
			Label:      fmt.Sprintf("%s (%s)", name, domain),
			Purpose:    "the company of someone who attended is not in HubSpot yet; its name is guessed from the domain",
			NaturalKey: "domain:" + domain,
			Properties: properties(map[string]string{"domain": domain, "name": name, "hubspot_owner_id": p.hostOwner()}),
		})
		if p.res.denied("company") {
			d.Content.Doubt = mayNotRead("companies")
		}
		ofDomain := slices.DeleteFunc(slices.Clone(p.people.External), func(x Person) bool { return x.Domain != domain })
		if len(ofDomain) > 0 && !slices.ContainsFunc(ofDomain, func(x Person) bool { return !oddName(x) }) {
			d.Content.Doubt = joinDoubts(d.Content.Doubt, "the name of the only one from there does not look like a person's")
		}
	}
	return store.AssociationRef{Object: "company", Key: key}
}

// planContacts finds the contact of each external attendee, and drafts those
// that HubSpot does not have.
func (p *plan) planContacts() {
	for _, person := range p.people.External {
		p.contacts[person.Email] = p.contactOf(person, "attended and is not in HubSpot yet")
	}
}

func (p *plan) contactOf(person Person, purpose string) store.AssociationRef {
	key := createKey("contact", p.emailName(person.Email))
	w, written := p.in.Written[key]
	if known, ok := p.res.contact(person.Email); ok && (!written || w.RecordID != known.ID) {
		return store.AssociationRef{Object: "contact", RecordID: known.ID}
	}
	if !written && p.drafts[key] == nil {
		d := p.add("contact", p.emailName(person.Email), store.ActionContent{
			Label:      person.label(),
			Purpose:    purpose,
			NaturalKey: "email:" + person.Email,
			Properties: p.contactProperties(person),
		})
		if p.res.denied("contact") {
			d.Content.Doubt = mayNotRead("contacts")
		}
		if oddName(person) {
			d.Content.Doubt = joinDoubts(d.Content.Doubt, "the name does not look like a person's")
		}
		if slices.ContainsFunc(p.res.Contacts, func(c Record) bool { return nameOfContact(c).fits(nameWords(person.Name)) == whole }) {
			d.Content.Doubt = joinDoubts(d.Content.Doubt, "HubSpot has a contact of this name with another address")
		}
		company, found := p.companyOf(person)
		switch found {
		case foundOne:
			p.link(key, company)
		case foundMany:
			if _, none := p.answered(key, CompanyProperty); none {
				break
			}
			several := p.companiesOf(person)
			d.Content.Doubt = joinDoubts(d.Content.Doubt, "several companies could be this person's: pick one, or none is linked")
			d.Content.Candidates, d.Content.CandidateProperty = p.candidates("company", several), CompanyProperty
			d.Content.Properties[CompanyProperty] = ""
		case foundNone:
			p.link(key, p.companies[person.Domain])
		}
	}
	if written {
		p.completeContact(person, w)
	}
	return store.AssociationRef{Object: "contact", Key: key}
}

// oddName says that a name does not look like a person's.
func oddName(p Person) bool {
	return moodOf(p.Name).machine || len(wordsIn(p.Name)) > mostNameWords || strings.ContainsAny(p.Name, "<>{}[]=")
}

// mostNameWords is how many words a person's name has at most, with titles and the like.
const mostNameWords = 7

func (p *plan) contactProperties(person Person) map[string]string {
	first, last := splitName(person.Name)
	return properties(map[string]string{
		"email": person.Email, "firstname": first, "lastname": last, "jobtitle": person.JobTitle, "hubspot_owner_id": p.hostOwner(),
	})
}

// completeContact fills what a contact that this meeting added still lacks: which
// event told the name first must make no difference in the end. What stands
// there, whoever wrote it, stands.
func (p *plan) completeContact(person Person, w Written) {
	known, _ := p.res.contact(person.Email)
	missing := p.contactProperties(person)
	maps.DeleteFunc(missing, func(name, _ string) bool {
		return w.Content.Properties[name] != "" || w.Edit[name] != "" || known.Properties[name] != ""
	})
	p.update("contact", p.emailName(person.Email), w.RecordID, known.Properties, store.ActionContent{
		Label: person.label(), Purpose: "more is known of the person whom this meeting added", Properties: missing,
	})
}

// present are the records that the meeting is about: its external contacts and
// their companies.
func (p *plan) present() []store.AssociationRef {
	var refs []store.AssociationRef
	for _, person := range p.people.External {
		refs = append(refs, p.refsOf(person)...)
	}
	return p.uniqueRefs(refs)
}

// refsOf are the records of one who was there: contact and company.
func (p *plan) refsOf(person Person) []store.AssociationRef {
	refs := []store.AssociationRef{p.contacts[person.Email]}
	if company, found := p.companyOf(person); found == foundOne {
		refs = append(refs, company)
	} else if found == foundNone && person.Domain != "" {
		refs = append(refs, p.companies[person.Domain])
	}
	return refs
}

// uniqueRefs drops what points nowhere, or at what is there already.
func (p *plan) uniqueRefs(refs []store.AssociationRef) []store.AssociationRef {
	var out []store.AssociationRef
	for _, r := range refs {
		same := func(o store.AssociationRef) bool {
			return o == r || (o.Object == r.Object && p.recordID(o) != "" && p.recordID(o) == p.recordID(r))
		}
		if (r.RecordID != "" || r.Key != "") && !slices.ContainsFunc(out, same) {
			out = append(out, r)
		}
	}
	return out
}
