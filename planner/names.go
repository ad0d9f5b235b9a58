package planner

import (
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// What a proposal means that says a name instead of a record. A name is looked for among those
// who were there, then among the people and records of their companies, then in what
// a search found by it. The first of these that has it decides: one there is taken,
// several are a question.

// Why a proposal is left out that names somebody.
const (
	DroppedOtherNamed = "what it quotes names another record"
	DroppedColleague  = "it is about one of the organization's own people"
)

// meant is what a proposal means.
type meant struct {
	ref    store.AssociationRef
	record Record
	// several could be meant, and doubt says so, or why none can be told.
	several []Record
	doubt   string
	// dropped says why the proposal is to be left out.
	dropped string
	// likely: it was not named, and is the likeliest of several.
	likely bool
}

func one(object string, r Record) meant {
	return meant{ref: store.AssociationRef{Object: object, RecordID: r.ID}, record: r}
}

// told puts records into the places of names in a proposal: what it is about, what it
// is linked with, whom it is given to. It says whether anything is left of it.
func (p *plan) told(a *proposal) bool {
	object := a.tool.Object
	var m meant
	switch nothing := a.Target == (meeting.RecordRef{Object: object}); {
	case a.tool.Operation != policy.Update:
	case a.Target.Name != "" || nothing && a.by != ByPlatform && (object == "deal" || object == "ticket"):
		m = p.called(object, a.Target.Name, a.Evidence)
		if to, ok := p.pointAt(m); ok {
			a.Target = to
		}
	case nothing && a.by != ByPlatform && object == "contact":
		var name string
		if m, name = p.contactIn(a.Evidence); name == "" {
			break
		}
		a.Target.Name = name
		if to, ok := p.pointAt(m); ok {
			a.Target = to
			m = p.held(*a)
		}
	case !a.unheard && !nothing && a.Target.Ref == "":
		m = p.held(*a)
	}
	if m.dropped != "" {
		p.drop(a.by, a.Tool, m.dropped)
		return false
	}
	a.untold, a.several = m.doubt, m.several
	if m.likely && a.by == ByPhrases {
		a.untold, a.several = worded(severalMeant, object), p.work(object)
	}
	a.AssociateWith = slices.Clone(a.AssociateWith)
	for i, r := range a.AssociateWith {
		if r.Name != "" {
			if to, ok := p.pointAt(p.called(r.Object, r.Name, a.Evidence)); ok {
				a.AssociateWith[i] = to
			}
		}
	}
	return p.withOwner(a)
}

// called is the record that is called by a name; no name is "the deal".
func (p *plan) called(object, name string, quotes []meeting.Evidence) meant {
	switch object {
	case "contact":
		return p.contactCalled(name)
	case "company":
		return p.companyCalled(name)
	case "deal", "ticket":
		return p.thingCalled(object, name, quotes)
	default:
		ref, record, doubt := p.find(meeting.RecordRef{Object: object})
		return meant{ref: ref, record: record, doubt: doubt}
	}
}

const (
	severalMeant  = "more than one %s could be meant: pick one"
	notNamed      = "what was said does not tell that this %s is meant"
	nobodyCalled  = "nobody who was there, or at their companies, has the name that was said"
	nothingOf     = "no %s of those who were there has the name that was said"
	foundByName   = "the %s was found by its name alone, and belongs to nobody who was there"
	shortForm     = "the name that was said is a short form, and this person was not there"
	severalOwners = "more than one owner has the name that was said"
	notTheOwner   = "nobody said that it is the owner's who is proposed"
	noOwner       = "no owner in HubSpot has the name that was said, so it was left out"
)

func worded(format, object string) string { return strings.Replace(format, "%s", object, 1) }

// rated is somebody whom a name could mean.
type rated struct {
	meant
	fit fit
}

// pick takes the one that fits best, or says that several do.
func pick(object string, all []rated) (meant, fit) {
	best := noFit
	for _, r := range all {
		best = max(best, r.fit)
	}
	if best == noFit {
		return meant{}, noFit
	}
	var fitting []meant
	for _, r := range all {
		if r.fit == best {
			fitting = append(fitting, r.meant)
		}
	}
	if len(fitting) == 1 {
		return fitting[0], best
	}
	m := meant{doubt: worded(severalMeant, object)}
	for _, f := range fitting {
		if f.record.ID != "" {
			m.several = append(m.several, f.record)
		}
	}
	return m, best
}

func (p *plan) contactCalled(name string) meant {
	words := nameWords(name)
	var there, colleagues, found []rated
	for _, person := range p.people.External {
		contact, known := p.res.contact(person.Email)
		m := meant{ref: p.contacts[person.Email], record: contact}
		f := nameOf(person).fits(words)
		if known {
			f = max(f, nameOfContact(contact).fits(words))
		}
		there = append(there, rated{m, f})
	}
	if m, f := pick("contact", there); f > noFit {
		return m
	}
	if slices.ContainsFunc(p.people.Internal, func(person Person) bool { return nameOf(person).fits(words) > nickname }) {
		return meant{dropped: DroppedColleague}
	}
	for _, contact := range p.res.Contacts {
		if p.isAttendee(contact) {
			continue
		}
		r := rated{one("contact", contact), nameOfContact(contact).fits(words)}
		if p.isColleague(contact) {
			colleagues = append(colleagues, r)
		} else {
			found = append(found, r)
		}
	}
	if m, f := pick("contact", colleagues); f > noFit {
		if f == nickname && m.doubt == "" {
			m.doubt, m.several = shortForm, []Record{m.record}
		}
		return m
	}
	if m, f := pick("contact", found); f > noFit {
		return notThere("contact", m)
	}
	return meant{doubt: nobodyCalled}
}

// contactIn is the contact whom quotations name, where nobody said which is meant; nothing,
// if they name none.
func (p *plan) contactIn(quotes []meeting.Evidence) (found meant, called string) {
	for _, name := range namesIn(quotes) {
		m := p.contactCalled(name)
		switch {
		case m.doubt == nobodyCalled || m.dropped != "":
		case called == "" || found.ref == m.ref && m.doubt == "":
			found, called = m, name
		default:
			return meant{doubt: worded(severalMeant, "contact"), several: uniqueRecords(slices.Concat(found.several, m.several))}, name
		}
	}
	return found, called
}

// isColleague says whether a contact is of a company whose people were there.
func (p *plan) isColleague(contact Record) bool {
	return slices.ContainsFunc(p.present(), func(a store.AssociationRef) bool {
		id := p.recordID(a)
		return a.Object == "company" && id != "" && contact.isLinked("company", id)
	})
}

// notThere makes a question of what only a search found.
func notThere(object string, m meant) meant {
	if m.doubt == "" {
		m.several = []Record{m.record}
	}
	m.doubt = worded(foundByName, object)
	m.ref, m.record = store.AssociationRef{}, Record{}
	return m
}

func (p *plan) companyCalled(name string) meant {
	words := telling(name)
	var present, found []rated
	for _, a := range p.present() {
		if a.Object != "company" {
			continue
		}
		record, _ := byID(p.res.Companies, p.recordID(a))
		of := p.companyWords(record)
		for domain, ref := range p.companies {
			if ref == a {
				of = append(of, telling(nameOfDomain(domain))...)
			}
		}
		f := noFit
		if fitsThing(words, of) {
			f = oneName
		}
		present = append(present, rated{meant{ref: a, record: record}, f})
	}
	if m, f := pick("company", present); f > noFit {
		return m
	}
	for _, c := range p.res.Companies {
		if len(words) > 0 && fitsThing(words, p.companyWords(c)) {
			found = append(found, rated{one("company", c), oneName})
		}
	}
	if m, f := pick("company", found); f > noFit {
		return notThere("company", m)
	}
	return meant{doubt: worded(nothingOf, "company")}
}

// thingCalled is the deal or ticket that is called so. Where the name tells nothing,
// as in "the deal", what was said with it and before it may, and else which of them the
// meeting is about.
func (p *plan) thingCalled(object, name string, quotes []meeting.Evidence) meant {
	list, words := p.work(object), telling(name)
	if len(words) > 0 {
		fits := func(r Record) bool { return fitsThing(words, p.allWordsOf(object, r)) }
		var called, elsewhere []Record
		for _, r := range list {
			if fits(r) {
				called = append(called, r)
			}
		}
		for _, r := range p.res.of(object) {
			if _, here := byID(list, r.ID); !here && fits(r) {
				elsewhere = append(elsewhere, r)
			}
		}
		switch {
		case len(called) == 0 && len(elsewhere) > 0:
			return meant{doubt: worded(foundByName, object), several: elsewhere}
		case len(called) == 0:
			return meant{doubt: worded(nothingOf, object), several: list}
		}
		list = called
	}
	if len(list) == 0 {
		return meant{doubt: "the " + object + " can't be found in HubSpot"}
	}
	if chosen, named := p.spokenOf(object, list, quotes); len(chosen) == 1 {
		m := one(object, chosen[0])
		m.likely = !named
		return m
	}
	return meant{doubt: worded(severalMeant, object), several: list}
}

// spokenOf narrows deals or tickets to those that quotations are about: they are named
// there, or in the minute before, or else are what the meeting is likely about.
func (p *plan) spokenOf(object string, list []Record, quotes []meeting.Evidence) (chosen []Record, named bool) {
	if len(list) < 2 {
		return list, true
	}
	quoted := p.sentences(quotes)
	if said := p.saidIn(object, list, quoted); len(said) > 0 {
		return said, true
	}
	if sayOne(quoted, others...) {
		return list, true // one that was not spoken of before, and who knows which
	}
	for _, e := range quotes {
		for _, text := range p.leadingTo(e) {
			if said := p.saidIn(object, list, folded(text)); len(said) > 0 {
				return said, true
			}
		}
	}
	return p.likeliest(object, list), false
}

// withOwner puts the owner in the place of a name or an address, and takes one out whom
// the quoted words do not name, but another. Where they name nobody, a human is asked,
// unless the owner says it of themselves; whose a task is, [plan.ownerOf] tells. It says
// whether anything is left.
func (p *plan) withOwner(a *proposal) bool {
	const property = "hubspot_owner_id"
	value := strings.TrimSpace(a.Properties[property])
	if value == "" {
		return true
	}
	if strings.Trim(value, "0123456789") != "" {
		owner, doubt := p.ownerCalled(value)
		if email := address(value); email != "" {
			known, ok := p.res.Owner(email)
			if !ok {
				return true // tidy says so
			}
			owner, doubt = known, ""
		}
		if doubt != "" {
			delete(a.Properties, property)
			a.doubts = append(a.doubts, doubt)
			return true
		}
		a.Properties[property] = owner.ID
		if said := p.sentences(a.Evidence); address(value) == "" && slices.ContainsFunc(nameWords(value), func(w string) bool { return slices.Contains(said, w) }) {
			return true // the name was said, and it is that one's
		}
		value = owner.ID
	}
	if a.by == ByPhrases && a.tool.Object == "task" {
		return true
	}
	said := p.ownersIn(a.Evidence)
	switch {
	case len(said) == 1 && said[0].ID == value || len(said) == 0 && (a.tool.Object == "task" || p.ownWords(value, a.Evidence)):
		return true
	case len(said) == 0:
		a.doubts = append(a.doubts, notTheOwner)
		return true
	case slices.ContainsFunc(said, func(o Owner) bool { return o.ID == value }):
		a.doubts = append(a.doubts, severalOwners)
		return true
	case a.by == ByPlatform:
		a.doubts = append(a.doubts, notTheOwner)
		return true
	case a.tool.Object == "task":
		// Whose it is, the words tell; who proposed it did not listen well.
		delete(a.Properties, property)
		a.doubts = append(a.doubts, notTheOwner)
		return true
	default:
		delete(a.Properties, property)
		p.drop(a.by, a.Tool, DroppedOtherNamed)
		return len(a.Properties) > 0
	}
}

// ownWords says that an owner speaks of themselves in quotations.
func (p *plan) ownWords(owner string, quotes []meeting.Evidence) bool {
	known, ok := p.res.ownerByID(owner)
	return ok && slices.ContainsFunc(quotes, func(e meeting.Evidence) bool {
		return e.Speaker != "" && sameSpeaker(known.Name, e.Speaker) && hasAny(" "+strings.Join(wordsIn(p.passageOf(e).sentence), " ")+" ", firstPerson)
	})
}

// ownerCalled is the owner who is called by a name: of those who were there, else of
// all.
func (p *plan) ownerCalled(name string) (Owner, string) {
	words := nameWords(name)
	for _, there := range []bool{true, false} {
		best, fitting := noFit, []Owner(nil)
		for _, o := range p.res.Owners {
			f := nameOf(Person{Name: o.Name, Email: o.Email}).fits(words)
			if f == noFit || p.wasThere(o.Email) != there {
				continue
			}
			if f > best {
				best, fitting = f, nil
			}
			if f == best {
				fitting = append(fitting, o)
			}
		}
		switch {
		case len(fitting) == 1:
			return fitting[0], ""
		case len(fitting) > 1:
			return Owner{}, severalOwners
		}
	}
	return Owner{}, noOwner
}

// ownersIn are the owners whom quotations name, the whole names first: whoever has
// only a part of one is not meant by it.
func (p *plan) ownersIn(quotes []meeting.Evidence) []Owner {
	best, said := oneName, []Owner(nil)
	for _, e := range quotes {
		text := spokenOf(e.Quote)
		for _, o := range p.res.Owners {
			f, _ := nameOf(Person{Name: o.Name, Email: o.Email}).in(text)
			if f > best {
				best, said = f, nil
			}
			if f == best {
				said = append(said, o)
			}
		}
	}
	return said
}

// couldBe are the records that a proposal could mean, where that was told.
func (p *plan) couldBe(a proposal) []Record {
	if len(a.several) > 0 {
		return uniqueRecords(a.several)
	}
	return p.couldBeMeant(a.tool.Object, a.Target)
}
