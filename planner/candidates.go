package planner

import (
	"cmp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// Reasons of candidates are codes, some with what they are about behind a colon. A
// card puts them in the reader's words.
const (
	// ReasonAttendee: a contact who was there.
	ReasonAttendee = "attendee"
	// ReasonContact: linked to a contact who was there, by name.
	ReasonContact = "contact:"
	// ReasonCompany: of this company, by name.
	ReasonCompany = "company:"
	// ReasonOpen and ReasonClosed: the deal or ticket is.
	ReasonOpen   = "open"
	ReasonClosed = "closed"
	// ReasonStage: the deal's or ticket's, by label.
	ReasonStage = "stage:"
	// ReasonOwner: its owner was there, by name.
	ReasonOwner = "owner:"
	// ReasonNamed: what was said names the deal or ticket, and not all of those that are
	// offered.
	ReasonNamed = "named"
	// ReasonElsewhere: it belongs to nobody who was there, and was found by its name.
	ReasonElsewhere = "elsewhere"
	// ReasonActivity: the day of its last activity, YYYY-MM-DD.
	ReasonActivity = "activity:"
	// ReasonName and ReasonDomain: it has the proposed name, or this domain.
	ReasonName   = "name"
	ReasonDomain = "domain:"
)

// mostCandidates are shown; of more, nobody reads the last.
const mostCandidates = 10

// candidates are records that could be meant, the likeliest first: those whose owner
// was there, those linked to somebody who was, and those with the latest activity.
func (p *plan) candidates(object string, records []Record, more ...string) []store.Candidate {
	type rated struct {
		store.Candidate
		rank     int
		activity string
	}
	var named []Record
	if object == "deal" || object == "ticket" {
		words, _ := p.talk()
		named = p.saidIn(object, records, append(folded(p.title()), words...))
	}
	ofPresent := p.ofPresent(object)
	all := make([]rated, 0, len(records))
	for _, r := range records {
		c := rated{Candidate: store.Candidate{ID: r.ID, Label: firstOf(labelOf(object, r.Properties), object+" "+r.ID), Reasons: slices.Clone(more)}}
		add := func(weight int, reason string) {
			c.rank += weight
			c.Reasons = append(c.Reasons, reason)
		}
		if object == "contact" && p.isAttendee(r) {
			add(4, ReasonAttendee)
		}
		if owner, ok := p.res.ownerByID(r.Properties["hubspot_owner_id"]); ok && p.wasThere(owner.Email) {
			add(4, ReasonOwner+firstOf(owner.Name, owner.Email))
		}
		if name := p.attendeeOf(object, r); name != "" {
			add(2, ReasonContact+name)
		}
		if name := p.companyNameOf(object, r); name != "" {
			add(1, ReasonCompany+name)
		}
		if _, said := byID(named, r.ID); said && len(named) < len(records) {
			add(3, ReasonNamed)
		}
		if _, here := byID(ofPresent, r.ID); !here && (object == "contact" && !p.isAttendee(r) && !p.isColleague(r) || object == "deal" || object == "ticket") {
			add(-1, ReasonElsewhere)
		}
		if domain := bareDomain(r.Properties["domain"]); object == "company" && domain != "" {
			add(0, ReasonDomain+domain)
		}
		if open, stage := p.stageOf(object, r); open != "" {
			add(0, open)
			if stage != "" {
				add(0, ReasonStage+stage)
			}
		}
		if at, err := hubspot.ParseDateTime(firstOf(r.Properties["notes_last_updated"], r.Properties["hs_lastactivitydate"])); err == nil {
			c.activity = hubspot.DateOf(at).String()
			add(0, ReasonActivity+c.activity)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b rated) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(b.activity, a.activity), compareIDs(b.ID, a.ID))
	})
	out := make([]store.Candidate, 0, len(all))
	for _, c := range all[:min(len(all), mostCandidates)] {
		out = append(out, c.Candidate)
	}
	return out
}

func (p *plan) isAttendee(contact Record) bool {
	return slices.ContainsFunc(p.people.External, func(person Person) bool { return slices.Contains(addressesOf(contact), person.Email) })
}

func (p *plan) wasThere(email string) bool {
	return email != "" && (email == p.people.Host.Email ||
		slices.ContainsFunc(p.people.Internal, func(person Person) bool { return person.Email == email }))
}

// attendeeOf names somebody who was there and whom a record is linked to.
func (p *plan) attendeeOf(object string, r Record) string {
	if object == "contact" {
		return ""
	}
	for _, person := range p.people.External {
		contact, ok := p.res.contact(person.Email)
		if ok && (r.isLinked("contact", contact.ID) || contact.isLinked(object, r.ID)) {
			return person.display()
		}
	}
	return ""
}

// companyNameOf names the company that a record belongs to.
func (p *plan) companyNameOf(object string, r Record) string {
	if object == "company" {
		return ""
	}
	for _, l := range r.companies() {
		if c, ok := byID(p.res.Companies, l.ID); ok {
			if name := firstOf(c.Properties["name"], c.Properties["domain"]); name != "" {
				return name
			}
		}
	}
	return ""
}

// stageOf says whether a deal or ticket is open, and what its stage is called.
func (p *plan) stageOf(object string, r Record) (open, stage string) {
	id := r.Properties[stageOf(object)]
	if id == "" {
		return "", ""
	}
	for _, pipeline := range p.res.pipelines(object) {
		for _, s := range pipeline.Stages {
			if s.ID == id {
				if s.Closed() {
					return ReasonClosed, s.Label
				}
				return ReasonOpen, s.Label
			}
		}
	}
	return "", ""
}

// couldBeMeant are the records that a proposal may mean which does not say which, or
// names one that can't be told: those that share what it says, else those that the
// people of the meeting have.
func (p *plan) couldBeMeant(object string, target meeting.RecordRef) []Record {
	switch object {
	case "contact":
		var list []Record
		for _, person := range p.people.External {
			if c, ok := p.res.contact(person.Email); ok {
				list = append(list, c)
			}
		}
		return uniqueRecords(list)
	case "company":
		domain := bareDomain(target.Domain)
		if same := append(p.res.companies(domain), p.res.companies(p.lists.companyDomain("@"+domain))...); len(same) > 0 {
			return uniqueRecords(same)
		}
		var list []Record
		for _, person := range p.people.External {
			if c, found := companyOf(p.res, p.people, person); found == foundOne && c.Properties != nil {
				list = append(list, c)
			} else if found == foundMany {
				list = append(list, p.companiesOf(person)...)
			}
		}
		return uniqueRecords(list)
	default:
		return p.openOfPresent(object)
	}
}

// companiesOf are the companies of which each could be a person's.
func (p *plan) companiesOf(person Person) []Record {
	list := append(p.res.companies(domainOf(person.Email)), p.res.companies(person.Domain)...)
	for _, other := range p.people.External { // and those of colleagues
		contact, ok := p.res.contact(other.Email)
		if !ok || other.Email != person.Email && (person.Domain == "" || other.Domain != person.Domain) {
			continue
		}
		for _, l := range contact.companies() {
			if c, ok := byID(p.res.Companies, l.ID); ok {
				list = append(list, c)
			}
		}
	}
	return uniqueRecords(list)
}

func uniqueRecords(list []Record) []Record {
	var out []Record
	for _, r := range list {
		if _, there := byID(out, r.ID); !there {
			out = append(out, r)
		}
	}
	return out
}

// answered is what an approver wrote into a question of a draft.
func (p *plan) answered(key, property string) (id string, none bool) {
	id = p.in.Answers.value(key, property)
	if strings.EqualFold(id, store.NoneOfThese) {
		return "", true
	}
	return id, false
}
