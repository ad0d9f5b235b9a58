package planner

import (
	"slices"
	"time"

	"github.com/debriefhq/debrief/hubspot"
)

// Which deal a meeting is about: of those that are open, were when it took place or
// closed within some days before it, the one that the talk names; else those of the contacts who
// were there, of these those whose owner was there, and of these those that were open
// that day. Each step is left out where it would leave nothing.

// DealChoice is which deals a meeting is put on.
type DealChoice struct {
	Deals []NamedDeal `json:"deals,omitempty"`
	// Asked: it could be several, which Among names, and a human is asked.
	Asked bool        `json:"asked,omitempty"`
	Among []NamedDeal `json:"among,omitempty"`
}

// NamedDeal is a deal with its name in HubSpot; one that the plan makes has no ID.
type NamedDeal struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// DealsOf says which deals [Plan] puts a meeting on.
func DealsOf(in Input) DealChoice {
	p, ok := begin(in)
	if !ok {
		return DealChoice{}
	}
	var c DealChoice
	refs, doubt := p.deals()
	for _, ref := range refs {
		d := NamedDeal{ID: p.recordID(ref)}
		if r, ok := byID(p.res.Deals, d.ID); ok {
			d.Name = r.Properties["dealname"]
		} else if draft := p.drafts[ref.Key]; draft != nil {
			d.Name = draft.Content.Properties["dealname"]
		}
		c.Deals = append(c.Deals, d)
	}
	if c.Asked = doubt != ""; c.Asked {
		for _, r := range p.work("deal") {
			c.Among = append(c.Among, NamedDeal{ID: r.ID, Name: r.Properties["dealname"]})
		}
	}
	return c
}

// work are the deals or tickets of those who were there that a meeting can be about.
func (p *plan) work(object string) []Record {
	if object != "deal" {
		return p.openOfPresent(object)
	}
	return slices.DeleteFunc(p.ofPresent("deal"), func(d Record) bool {
		then, near := p.lived(d)
		return !then && !near
	})
}

// ofPresent are the records of a type that belong to those who were there.
func (p *plan) ofPresent(object string) []Record {
	present := p.present()
	var list []Record
	for _, r := range p.res.of(object) {
		for _, a := range present {
			if id := p.recordID(a); id != "" && r.isLinked(a.Object, id) {
				list = append(list, r)
				break
			}
		}
	}
	return list
}

// lived says whether a deal was open when the meeting took place, and whether it was
// near it: it is open now, or closed by no more than the days of the settings before. A
// closed one whose close date is not known is not.
func (p *plan) lived(d Record) (then, near bool) {
	start := p.in.start()
	made, err := hubspot.ParseDateTime(d.Properties["createdate"])
	later := err == nil && made.After(start)
	if _, open := byID(p.res.open("deal"), d.ID); open {
		return !later, true
	}
	at, err := hubspot.ParseDateTime(d.Properties["closedate"])
	if err != nil {
		return false, false
	}
	// A close date is often a day, and the deal of a meeting is often closed on that day.
	at = at.Add(24 * time.Hour)
	return !later && at.After(start), at.After(start.Add(-p.in.Deals.Within()))
}

// likeliest narrows records that a meeting could be about to those that it is most
// likely about.
func (p *plan) likeliest(object string, list []Record) []Record {
	narrow := func(keep func(Record) bool) {
		if kept := slices.DeleteFunc(slices.Clone(list), func(r Record) bool { return !keep(r) }); len(kept) > 0 {
			list = kept
		}
	}
	if len(list) < 2 {
		return list
	}
	if said := p.saidIn(object, list, folded(p.title())); len(said) == 1 {
		return said
	}
	if words, many := p.talk(); !many {
		if said := p.saidIn(object, list, words); len(said) == 1 {
			return said
		}
	}
	if !p.in.Deals.AnyContact {
		narrow(func(r Record) bool { return p.attendeeOf(object, r) != "" })
	}
	if !p.in.Deals.AnyOwner {
		narrow(func(r Record) bool {
			owner, ok := p.res.ownerByID(r.Properties["hubspot_owner_id"])
			return ok && p.wasThere(owner.Email) || p.people.Host.OwnerID != "" && r.Properties["hubspot_owner_id"] == p.people.Host.OwnerID
		})
	}
	if object == "deal" {
		narrow(func(r Record) bool { then, _ := p.lived(r); return then })
	}
	return list
}

// talk are the words of all that was said and written in the meeting, each once, and
// whether it speaks of several of something.
func (p *plan) talk() (words []string, many bool) {
	if p.talked != nil {
		return p.talked, p.ofMany
	}
	m := p.in.Meeting
	texts := []string{plain(m.Summary.Text), plain(m.NextSteps.Text)}
	for _, item := range m.ActionItems {
		texts = append(texts, item.Text)
	}
	for _, s := range m.Transcript.Segments {
		texts = append(texts, s.Text)
	}
	all := []string{""}
	for _, text := range texts {
		words := folded(text)
		p.ofMany = p.ofMany || sayOne(words, ofMany...)
		all = append(all, words...)
	}
	slices.Sort(all)
	p.talked = slices.Compact(all)
	return p.talked, p.ofMany
}

// saidIn are those of several deals or tickets that words name: by one that is no
// other's.
func (p *plan) saidIn(object string, list []Record, words []string) []Record {
	var said []Record
	for _, r := range list {
		own := p.wordsOf(object, r)
		if len(list) > 1 {
			own = slices.DeleteFunc(own, func(w string) bool { return p.sharedWord(object, list, r, w) })
		}
		if slices.ContainsFunc(own, func(w string) bool {
			return slices.ContainsFunc(words, func(said string) bool { return sameName(said, w) })
		}) {
			said = append(said, r)
		}
	}
	return said
}

// sharedWord says whether a word does not tell a record from others: theirs have it,
// too, or it is the name of a company or a person who was there.
func (p *plan) sharedWord(object string, list []Record, of Record, word string) bool {
	if len(word) < 3 {
		return true
	}
	for _, r := range list {
		if r.ID != of.ID && slices.ContainsFunc(p.wordsOf(object, r), func(w string) bool { return sameName(word, w) }) {
			return true
		}
	}
	var companies []string
	for _, r := range list {
		for _, l := range r.companies() {
			companies = append(companies, l.ID)
		}
	}
	for _, c := range p.res.Companies {
		if len(unique(companies)) < 2 && slices.Contains(p.companyWords(c), word) {
			return true // everybody says it all the time
		}
	}
	return slices.ContainsFunc(slices.Concat(p.people.External, p.people.Internal), func(person Person) bool {
		n := nameOf(person)
		return slices.Contains(n.first, word) || slices.Contains(n.last, word)
	})
}

// wordsOf are the words by which a deal or ticket can be told: of its name, and of its
// pipeline's.
func (p *plan) wordsOf(object string, r Record) []string {
	words := telling(r.Properties[titleOf(object)])
	for _, pipeline := range p.res.pipelines(object) {
		if pipeline.ID == r.Properties[pipelineOf(object)] {
			words = append(words, telling(pipeline.Label)...)
		}
	}
	return unique(words)
}

// allWordsOf are those by which it can be called, its company's among them.
func (p *plan) allWordsOf(object string, r Record) []string {
	words := p.wordsOf(object, r)
	for _, l := range r.companies() {
		if c, ok := byID(p.res.Companies, l.ID); ok {
			words = append(words, p.companyWords(c)...)
		}
	}
	return words
}

// companyWords are those of a company's name and domain.
func (p *plan) companyWords(c Record) []string {
	return unique(append(telling(c.Properties["name"]), telling(nameOfDomain(c.Properties["domain"]))...))
}
