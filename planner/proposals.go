package planner

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// proposal is a proposed action with its tool understood.
type proposal struct {
	meeting.ProposedAction
	tool policy.Tool
	// name is the proposal's in keys: its ref, or else what it is about.
	name string
}

// proposals are those that Debrief plans, creates first. A tool that is none, or
// not for contacts, companies, deals and tickets, is nobody's business here.
func (p *plan) proposals() []proposal {
	var all []proposal
	for _, a := range p.in.Meeting.ProposedActions {
		tool, err := policy.ParseTool(a.Tool)
		if err != nil || !slices.Contains([]string{"contact", "company", "deal", "ticket"}, tool.Object) ||
			(tool.Operation != policy.Create && tool.Operation != policy.Update) {
			continue
		}
		a.Target.Object = tool.Object
		all = append(all, proposal{ProposedAction: a, tool: tool, name: p.proposalName(a, tool)})
	}
	slices.SortFunc(all, func(a, b proposal) int {
		x, _ := json.Marshal(a.ProposedAction)
		y, _ := json.Marshal(b.ProposedAction)
		return cmp.Or(cmp.Compare(rank(a.tool), rank(b.tool)), cmp.Compare(a.name, b.name), slices.Compare(x, y))
	})
	return slices.CompactFunc(all, func(a, b proposal) bool {
		x, _ := json.Marshal(a.ProposedAction)
		y, _ := json.Marshal(b.ProposedAction)
		return slices.Equal(x, y)
	})
}

func (p *plan) proposalName(a meeting.ProposedAction, tool policy.Tool) string {
	if a.Ref != "" {
		return p.in.Hash(string(tool.Operation) + " ref:" + a.Ref)
	}
	about := firstOf(a.Properties["dealname"], a.Properties["subject"], a.Properties["email"], a.Properties["domain"], a.Properties["name"])
	if tool.Operation == policy.Update {
		t := a.Target
		about = strings.Join(append([]string{t.ID, t.Email, t.Domain, t.Ref}, sortedKeys(a.Properties)...), "\x00")
	}
	return p.in.Hash(string(tool.Operation) + " about:" + strings.ToLower(about))
}

func (p *plan) planProposals() {
	proposals := p.proposals()
	made := map[int]string{} // the draft of each create
	for i, a := range proposals {
		if a.tool.Operation != policy.Create {
			continue
		}
		ref := p.propose(a)
		made[i] = ref.Key
		if a.Ref != "" {
			p.refs[a.Ref] = ref
		}
		if a.tool.Object == "deal" {
			p.dealsMeant = append(p.dealsMeant, ref)
		}
	}
	for i, a := range proposals {
		if key := made[i]; p.drafts[key] != nil {
			p.associate(p.drafts[key], a)
		}
		if a.tool.Operation == policy.Update {
			p.proposeUpdate(a)
		}
	}
}

// propose drafts a proposed create, or finds the record or draft that it means.
func (p *plan) propose(a proposal) store.AssociationRef {
	switch a.tool.Object {
	case "contact":
		return p.proposeContact(a)
	case "company":
		return p.proposeCompany(a)
	default:
		return p.proposeNew(a)
	}
}

// proposeContact merges a proposed contact with the one that is there, or that
// the rules make; else it drafts a contact.
func (p *plan) proposeContact(a proposal) store.AssociationRef {
	wanted, wrong := p.tidy(a, Record{})
	email := address(wanted["email"])
	if email == "" {
		wrong = append(wrong, "a contact without an e-mail address can't be told from others")
		d := p.merge(createKey("contact", a.name), a, wanted, wrong)
		return store.AssociationRef{Object: "contact", Key: d.Key}
	}
	if known, ok := p.res.contact(email); ok {
		p.fill(a, p.emailName(email), known, wanted, wrong)
		return p.contactOf(Person{Email: email}, "")
	}
	if ownDomains(p.in.Subject, p.lists)(domainOf(email)) {
		wrong = append(wrong, "the address is one of the organization's own")
	}
	person := Person{Name: strings.TrimSpace(wanted["firstname"] + " " + wanted["lastname"]), Email: email, Domain: p.lists.companyDomain(email)}
	ref, ok := p.contacts[email]
	if !ok {
		ref = p.contactOf(person, "proposed after the meeting")
		p.contacts[email] = ref
	}
	if w, ok := p.in.Written[ref.Key]; ok { // and not found in HubSpot yet
		p.fill(a, p.emailName(email), Record{ID: w.RecordID, Properties: w.Content.Properties}, wanted, wrong)
		return ref
	}
	p.merge(ref.Key, a, wanted, wrong)
	return ref
}

// proposeCompany does the same for a company, by its domain.
func (p *plan) proposeCompany(a proposal) store.AssociationRef {
	wanted, wrong := p.tidy(a, Record{})
	domain := p.lists.companyDomain("@" + bareDomain(wanted["domain"]))
	delete(wanted, "domain")
	if domain == "" {
		wrong = append(wrong, "without a domain of its own, nobody can tell whether HubSpot has this company")
		d := p.merge(createKey("company", a.name), a, wanted, wrong)
		return store.AssociationRef{Object: "company", Key: d.Key}
	}
	if ownDomains(p.in.Subject, p.lists)(domain) {
		wrong = append(wrong, "the domain is one of the organization's own")
	}
	var several []Record
	switch same := p.res.companies(domain); len(same) {
	case 0:
	case 1:
		p.fill(a, p.domainName(domain), same[0], wanted, wrong)
		ref := store.AssociationRef{Object: "company", Key: createKey("company", p.domainName(domain))}
		if p.recordID(ref) != same[0].ID {
			ref = store.AssociationRef{Object: "company", RecordID: same[0].ID}
		}
		return ref
	default:
		id, none := p.answered(createKey("company", p.domainName(domain)), store.TargetProperty)
		if known, ok := byID(same, id); ok {
			p.fill(a, p.domainName(domain), known, wanted, wrong)
			return store.AssociationRef{Object: "company", RecordID: known.ID}
		}
		if !none {
			several = same
			wrong = append(wrong, fmt.Sprintf("HubSpot has %d companies with this domain already", len(same)))
		}
	}
	ref := p.newCompany(domain)
	if w, ok := p.in.Written[ref.Key]; ok {
		p.fill(a, p.domainName(domain), Record{ID: w.RecordID, Properties: w.Content.Properties}, wanted, wrong)
		return ref
	}
	d := p.merge(ref.Key, a, wanted, wrong)
	p.askWhetherNew(d, several)
	if wanted["name"] != "" && wanted["name"] != toFill {
		d.Content.Label = fmt.Sprintf("%s (%s)", wanted["name"], domain)
	}
	if _, ofAttendees := p.companies[domain]; !ofAttendees {
		d.Content.Purpose = "proposed after the meeting"
	}
	return ref
}

// fill drafts an update of a record that a create proposed to make although it
// is there: what is empty is filled, and what HubSpot has stands.
func (p *plan) fill(a proposal, name string, known Record, wanted map[string]string, wrong []string) {
	empty := maps.Clone(wanted)
	maps.DeleteFunc(empty, func(property, value string) bool {
		return value == "" || value == toFill || known.Properties[property] != ""
	})
	d := p.update(a.tool.Object, name, known.ID, known.Properties, store.ActionContent{
		Label: labelOf(a.tool.Object, known.Properties), Purpose: "fills in what HubSpot does not have",
		Properties: empty, Evidence: a.Evidence, Confidence: a.Confidence, Doubt: joinDoubts(wrong...),
	})
	if d != nil {
		complain(d, false, p.res)
	}
}

// merge puts what a proposal wants into the draft of a create, which it makes if
// it is not there. Of two proposals that disagree the later one in the plan's
// order stands, with a doubt.
func (p *plan) merge(key string, a proposal, wanted map[string]string, wrong []string) *store.Draft {
	d, proposedBefore := p.drafts[key], false
	if d == nil {
		_, name, _ := strings.Cut(key, ":")
		d = p.add(a.tool.Object, name, store.ActionContent{Purpose: "proposed after the meeting", Properties: map[string]string{}})
		if owner := p.hostOwner(); owner != "" {
			d.Content.Properties["hubspot_owner_id"] = owner
		}
	} else {
		proposedBefore = len(d.Content.Evidence) > 0 || d.Content.Purpose == "proposed after the meeting"
	}
	for _, property := range sortedKeys(wanted) {
		old, had := d.Content.Properties[property]
		if wanted[property] == "" {
			continue
		}
		if wanted[property] == toFill {
			if !had {
				d.Content.Properties[property] = ""
			}
			continue
		}
		if had && proposedBefore && property != "hubspot_owner_id" && !same(property, old, wanted[property]) {
			wrong = append(wrong, "two proposals disagree about "+p.res.label(a.tool.Object, property))
		}
		d.Content.Properties[property] = wanted[property]
	}
	d.Content.Evidence = append(d.Content.Evidence, a.Evidence...)
	d.Content.Confidence = lowest(d.Content.Confidence, a.Confidence)
	if label := labelOf(a.tool.Object, d.Content.Properties); label != "" {
		d.Content.Label = label
	}
	d.Content.Doubt = joinDoubts(append(wrong, d.Content.Doubt)...)
	complain(d, true, p.res)
	return d
}

// complain adds what validation says to a draft's doubt.
func complain(d *store.Draft, create bool, r Resolution) {
	d.Content.Doubt = joinDoubts(append(Check(d.Tool.Object, create, d.Content.Properties, r), d.Content.Doubt)...)
}

func labelOf(object string, properties map[string]string) string {
	switch object {
	case "contact":
		return Person{Name: strings.TrimSpace(properties["firstname"] + " " + properties["lastname"]), Email: properties["email"]}.label()
	case "company":
		if name, domain := properties["name"], properties["domain"]; name != "" && domain != "" {
			return name + " (" + domain + ")"
		}
		return firstOf(properties["name"], properties["domain"])
	case "deal":
		return firstOf(properties["dealname"], "a deal without a name")
	case "ticket":
		return firstOf(properties["subject"], "a ticket without a subject")
	default:
		return ""
	}
}

// proposeNew drafts a deal or a ticket, or corrects the one that an earlier
// round made of the same proposal.
func (p *plan) proposeNew(a proposal) store.AssociationRef {
	object := a.tool.Object
	wanted, wrong := p.tidy(a, Record{})
	key := createKey(object, a.name)
	if w, ok := p.in.Written[key]; ok {
		now, _ := byID(p.res.of(object), w.RecordID)
		if d := p.update(object, a.name, w.RecordID, now.Properties, store.ActionContent{
			Label: labelOf(object, wanted), Purpose: "what was proposed has changed", Properties: properties(wanted),
			Evidence: a.Evidence, Confidence: a.Confidence, Doubt: joinDoubts(wrong...),
		}, w); d != nil {
			complain(d, false, p.res)
		}
		return store.AssociationRef{Object: object, Key: key}
	}
	id, none := p.answered(key, store.TargetProperty)
	if known, ok := byID(p.res.of(object), id); ok {
		return p.proposeFor(a, known)
	}
	for _, name := range []string{pipelineOf(object), stageOf(object)} {
		if wanted[name] == toFill {
			delete(wanted, name)
		}
	}
	complete(object, wanted, p.res)
	var same []Record
	for _, r := range p.res.open(object) {
		if title := titleOf(object); !none && wanted[title] != "" && strings.EqualFold(strings.TrimSpace(r.Properties[title]), wanted[title]) {
			same = append(same, r)
		}
	}
	if len(same) > 0 {
		wrong = append(wrong, fmt.Sprintf("HubSpot has an open %s with this name already", object))
	}
	d := p.merge(key, a, wanted, wrong)
	p.askWhetherNew(d, same, ReasonName)
	for _, name := range required(object) {
		if d.Content.Properties[name] == "" {
			d.Content.Properties[name] = "" // there, for the approver to fill in
		}
	}
	return store.AssociationRef{Object: object, Key: d.Key}
}

// proposeFor drafts what was proposed as a new record for the one that an approver
// said was meant. They did not see what stands there.
func (p *plan) proposeFor(a proposal, known Record) store.AssociationRef {
	ref := store.AssociationRef{Object: a.tool.Object, RecordID: known.ID}
	wanted, wrong := p.tidy(a, known)
	for _, name := range sortedKeys(wanted) {
		if old := known.Properties[name]; old != "" && wanted[name] != "" && wanted[name] != toFill && !same(name, old, wanted[name]) {
			wrong = append(wrong, "it would replace "+p.res.label(ref.Object, name)+" of the record that was picked")
		}
	}
	p.draftUpdate(a, ref, known, properties(wanted), wrong, "")
	return ref
}

// askWhetherNew makes a create a question, where the record may be there already.
// Approved as it is, it is created.
func (p *plan) askWhetherNew(d *store.Draft, known []Record, reasons ...string) {
	if len(known) == 0 {
		return
	}
	d.Content.Candidates = p.candidates(d.Tool.Object, known, reasons...)
	d.Content.CandidateProperty, d.Content.MayCreate = store.TargetProperty, true
	d.Content.Properties[store.TargetProperty] = store.NoneOfThese
}

func titleOf(object string) string {
	if object == "ticket" {
		return "subject"
	}
	return "dealname"
}

// associate links what a proposal creates as it says, else to those who were
// there.
func (p *plan) associate(d *store.Draft, a proposal) {
	if len(a.AssociateWith) == 0 {
		if a.tool.Object == "deal" || a.tool.Object == "ticket" {
			for _, ref := range p.present() {
				p.link(d.Key, ref)
			}
		}
		return
	}
	for _, to := range a.AssociateWith {
		ref, _, doubt := p.find(to)
		if doubt != "" {
			d.Content.Doubt = joinDoubts(d.Content.Doubt, "it can't be linked as proposed: "+doubt)
			continue
		}
		p.link(d.Key, ref)
	}
}

// find is the record that a reference means, or why it can't be told.
func (p *plan) find(r meeting.RecordRef) (store.AssociationRef, Record, string) {
	object := r.Object
	switch {
	case r.Ref != "":
		ref, ok := p.refs[r.Ref]
		if !ok {
			return ref, Record{}, "it refers to a proposal that there is not"
		}
		record, _ := byID(p.res.of(ref.Object), p.recordID(ref))
		return ref, record, ""
	case r.ID != "":
		if record, ok := byID(p.res.of(object), r.ID); ok {
			return store.AssociationRef{Object: object, RecordID: r.ID}, record, ""
		}
	case address(r.Email) != "":
		object = "contact"
		if record, ok := p.res.contact(address(r.Email)); ok {
			return store.AssociationRef{Object: object, RecordID: record.ID}, record, ""
		}
		if ref, ok := p.contacts[address(r.Email)]; ok {
			return ref, Record{}, ""
		}
	case p.lists.companyDomain("@"+bareDomain(r.Domain)) != "":
		object = "company"
		domain := p.lists.companyDomain("@" + bareDomain(r.Domain))
		same := p.res.companies(bareDomain(r.Domain))
		if len(same) == 0 {
			same = p.res.companies(domain)
		}
		if len(same) == 1 {
			return store.AssociationRef{Object: object, RecordID: same[0].ID}, same[0], ""
		}
		if len(same) > 1 {
			return store.AssociationRef{}, Record{}, fmt.Sprintf("HubSpot has %d companies with the domain", len(same))
		}
		if ref, ok := p.companies[domain]; ok {
			record, _ := byID(p.res.Companies, p.recordID(ref))
			return ref, record, ""
		}
		if key := createKey("company", p.domainName(domain)); p.drafts[key] != nil {
			return store.AssociationRef{Object: object, Key: key}, Record{}, ""
		}
	default:
		return store.AssociationRef{}, Record{}, "it does not say which " + firstOf(object, "record") + " is meant"
	}
	if p.res.denied(object) {
		return store.AssociationRef{}, Record{}, "Debrief may not look it up"
	}
	return store.AssociationRef{}, Record{}, "the " + firstOf(object, "record") + " can't be found in HubSpot"
}

// proposeUpdate drafts a proposed update, or merges it into the draft of the
// record that it means. Where an approver said that none of the records there is
// meant, it makes one.
func (p *plan) proposeUpdate(a proposal) {
	object := a.tool.Object
	_, key := p.revisions(object, a.name)
	var ref store.AssociationRef
	var record Record
	var doubt string
	answer, none := p.answered(key, store.TargetProperty)
	switch {
	case none && p.mayCreate(a):
		p.proposeInstead(a)
		return
	case answer != "":
		ref, record, doubt = p.find(meeting.RecordRef{Object: object, ID: answer})
	case a.Target == (meeting.RecordRef{Object: object}):
		ref, record, doubt = p.onlyOpen(object)
	default:
		ref, record, doubt = p.find(a.Target)
	}
	if ref.Object != "" && ref.Object != object {
		ref, record, doubt = store.AssociationRef{}, Record{}, "it refers to a "+ref.Object
	}
	wanted, wrong := p.tidy(a, record)
	if p.drafts[ref.Key] != nil {
		p.merge(ref.Key, a, wanted, append(wrong, doubt))
		return
	}
	p.draftUpdate(a, ref, record, wanted, wrong, doubt)
}

// tidy brings a proposal's properties to HubSpot's form: see the function.
func (p *plan) tidy(a proposal, record Record) (map[string]string, []string) {
	wanted, wrong := tidy(a.tool.Object, a.Properties, record, p.res)
	if doubt := p.inCurrency(a, wanted); doubt != "" {
		wrong = append(wrong, doubt)
	}
	return wanted, wrong
}

// mayCreate says whether a proposed update tells enough to make a record of it.
func (p *plan) mayCreate(a proposal) bool {
	switch a.tool.Object {
	case "deal", "ticket":
		return true
	case "contact":
		return address(firstOf(a.Properties["email"], a.Target.Email)) != ""
	case "company":
		return bareDomain(firstOf(a.Properties["domain"], a.Target.Domain)) != ""
	default:
		return false
	}
}

// proposeInstead drafts a create of what was proposed as an update.
func (p *plan) proposeInstead(a proposal) {
	a.tool.Operation = policy.Create
	a.Properties = maps.Clone(a.Properties)
	if a.Properties == nil {
		a.Properties = map[string]string{}
	}
	switch a.tool.Object {
	case "contact":
		a.Properties["email"] = firstOf(a.Properties["email"], a.Target.Email)
	case "company":
		a.Properties["domain"] = firstOf(a.Properties["domain"], a.Target.Domain)
	}
	ref := p.propose(a)
	if d := p.drafts[ref.Key]; d != nil {
		p.associate(d, a)
	}
	if ref.Object == "deal" {
		p.dealsMeant = append(p.dealsMeant, ref)
	}
}

// draftUpdate drafts a proposed update of a record, or asks which one is meant.
func (p *plan) draftUpdate(a proposal, ref store.AssociationRef, record Record, wanted map[string]string, wrong []string, doubt string) {
	object := a.tool.Object
	c := store.ActionContent{
		Label: labelOf(object, record.Properties), Purpose: "proposed after the meeting", Properties: wanted,
		Evidence: a.Evidence, Confidence: a.Confidence, Doubt: joinDoubts(append(wrong, doubt)...),
	}
	if doubt != "" {
		c.Properties[store.TargetProperty] = p.recordID(ref)
		c.Candidates, c.MayCreate = p.candidates(object, p.couldBeMeant(object, a.Target)), p.mayCreate(a)
		if len(c.Candidates) > 0 {
			c.CandidateProperty = store.TargetProperty
		}
	}
	if p.recordID(ref) == "" {
		c.Label = "a " + object + " that can't be found"
		if len(c.Candidates) > 0 {
			c.Label = "a " + object + " to be picked"
		}
	} else if object == "deal" && doubt == "" {
		p.dealsMeant = append(p.dealsMeant, ref)
	}
	for _, property := range sortedKeys(wanted) {
		if wanted[property] == "" && record.Properties[property] != "" {
			c.Doubt = joinDoubts(c.Doubt, "it would clear "+p.res.label(object, property))
		}
	}
	if stage, ok := wanted[stageOf(object)]; ok {
		if of, known := stageByID(p.res.pipelines(object), stage); known && of.ID != firstOf(wanted[pipelineOf(object)], record.Properties[pipelineOf(object)], of.ID) {
			c.Doubt = joinDoubts(c.Doubt, "the stage belongs to another pipeline than the "+object)
		}
	}
	for _, to := range a.AssociateWith {
		linked, _, doubt := p.find(to)
		if doubt != "" {
			c.Doubt = joinDoubts(c.Doubt, "it can't be linked as proposed: "+doubt)
		} else if p.recordID(linked) == "" || !record.isLinked(linked.Object, p.recordID(linked)) {
			c.Associations = append(c.Associations, linked)
		}
	}
	if d := p.update(object, a.name, p.recordID(ref), record.Properties, c); d != nil {
		complain(d, false, p.res)
		onlyQuestions := !slices.ContainsFunc(sortedKeys(d.Content.Properties), func(name string) bool { return !strings.HasPrefix(name, store.QuestionPrefix) })
		if onlyQuestions && len(d.Content.Associations) == 0 {
			delete(p.drafts, d.Key) // nothing would change, whichever is meant
		}
	}
}

// onlyOpen is the one open deal or ticket of those who were there. Even then a
// human is asked, since the proposal did not say which.
func (p *plan) onlyOpen(object string) (store.AssociationRef, Record, string) {
	if object == "deal" || object == "ticket" {
		if open := p.openOfPresent(object); len(open) == 1 {
			return store.AssociationRef{Object: object, RecordID: open[0].ID}, open[0],
				"the proposal does not say which " + object + " is meant; this is the only open one"
		}
	}
	return p.find(meeting.RecordRef{Object: object})
}

// openOfPresent are the open deals or tickets of those who were there.
func (p *plan) openOfPresent(object string) []Record {
	present := p.present()
	var open []Record
	for _, r := range p.res.open(object) {
		if slices.ContainsFunc(present, func(a store.AssociationRef) bool {
			id := p.recordID(a)
			return id != "" && r.isLinked(a.Object, id)
		}) {
			open = append(open, r)
		}
	}
	return open
}
