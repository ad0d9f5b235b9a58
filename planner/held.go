package planner

import (
	"regexp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// held holds the record that another planner picked against what it quotes: the record
// has to be the one that was spoken of.
func (p *plan) held(a proposal) meant {
	ref, record, doubt := p.find(a.Target)
	if doubt != "" || record.ID == "" || ref.Object != a.tool.Object {
		return meant{ref: ref, record: record} // what is not there is told elsewhere
	}
	switch ref.Object {
	case "deal", "ticket":
		return p.heldThing(a, record)
	case "contact":
		return p.heldPerson(record, a.Evidence)
	default:
		return p.heldCompany(record, a.Evidence)
	}
}

func (p *plan) heldThing(a proposal, picked Record) meant {
	object, quotes, list := a.tool.Object, a.Evidence, p.work(a.tool.Object)
	_, here := byID(list, picked.ID)
	if !here && a.by == ByPlatform {
		// A platform may name what is none of those who were there: then it is held
		// against the others that it names. One that is not called as the companies of those
		// who were there has to be spoken of.
		list = p.res.of(object)
		here = !p.words.Spoken() || p.isCalledLikeTheirs(object, picked) || p.isSpokenOf(object, picked, quotes)
	}
	if !here {
		if slices.ContainsFunc(p.in.Meeting.CRMHints, func(h meeting.CRMHint) bool { return h.ID == picked.ID }) {
			return one(object, picked)
		}
		return meant{doubt: worded(notNamed, object), several: append(slices.Clone(list), picked)}
	}
	if said := p.saidIn(object, list, p.sentences(quotes)); len(list) > 1 && len(said) > 0 {
		if _, ok := byID(said, picked.ID); ok {
			return one(object, picked)
		}
		return meant{dropped: DroppedOtherNamed}
	}
	if chosen, _ := p.spokenOf(object, list, quotes); len(chosen) == 1 && chosen[0].ID == picked.ID {
		return one(object, picked)
	}
	return meant{doubt: worded(severalMeant, object), several: list}
}

// isCalledLikeTheirs says that a record's name has a word of a company that was there.
func (p *plan) isCalledLikeTheirs(object string, r Record) bool {
	own := telling(labelOf(object, r.Properties))
	return len(p.people.External) == 0 || slices.ContainsFunc(p.people.External, func(x Person) bool {
		theirs := telling(nameOfDomain(x.Domain))
		for _, ref := range p.refsOf(x) {
			c, _ := byID(p.res.Companies, p.recordID(ref))
			theirs = append(theirs, p.companyWords(c)...)
		}
		return slices.ContainsFunc(own, func(w string) bool {
			return kinds[kindOf(w)] == nil && slices.ContainsFunc(theirs, func(t string) bool { return sameName(w, t) || len(w) > 4 && strings.Contains(t, w) })
		})
	})
}

// isSpokenOf says that a quotation, or what leads to it, has a word of a record's name,
// beside what many are called by.
func (p *plan) isSpokenOf(object string, r Record, quotes []meeting.Evidence) bool {
	own := slices.DeleteFunc(p.wordsOf(object, r), func(w string) bool { return kinds[kindOf(w)] != nil })
	return slices.ContainsFunc(quotes, func(e meeting.Evidence) bool {
		return slices.ContainsFunc(p.leadingTo(e), func(text string) bool {
			return slices.ContainsFunc(folded(text), func(said string) bool {
				return slices.ContainsFunc(own, func(w string) bool { return sameName(said, w) })
			})
		})
	})
}

// heldPerson holds a contact against the names in the words, and against who said
// them. A job or a number is that of whom the sentence tells, and not of who tells it, or
// was there.
func (p *plan) heldPerson(picked Record, quotes []meeting.Evidence) meant {
	type person struct {
		name   personName
		record Record
	}
	var rivals []person
	for _, x := range slices.Concat(p.people.External, p.people.Internal) {
		if _, known := p.res.contact(x.Email); !known {
			rivals = append(rivals, person{nameOf(x), Record{}})
		}
	}
	for _, c := range p.res.Contacts {
		if c.ID != picked.ID {
			rivals = append(rivals, person{nameOfContact(c), c})
		}
	}
	name := nameOfContact(picked)
	for _, e := range quotes {
		sentence := p.passageOf(e).sentence
		text := spokenOf(sentence)
		f, by := name.in(text)
		same, better, some := []Record{picked}, false, false
		for _, x := range rivals {
			g, how := x.name.in(text)
			some = some || g > nickname
			if f > noFit && g == f && how == by {
				same = append(same, x.record)
			}
			better = better || g == whole && f < whole && (f == noFit || slices.Contains(strings.Fields(how), by))
		}
		speaker := name.fits(nameWords(e.Speaker)) >= oneName
		words := " " + strings.Join(wordsIn(sentence), " ") + " "
		ofSpeaker := hasAny(words, firstPerson) && !ofMine(words)
		switch {
		case !speaker && ofSpeaker && iAm.MatchString(words):
			return p.unheard(picked) // "I'm the fleet manager now, Leota knows"
		case speaker && ofMine(words):
			return p.unheard(picked) // "my daughter is a doctor"
		case speaker && ofSpeaker && f == noFit:
			return one("contact", picked)
		case better:
			return meant{dropped: DroppedOtherNamed}
		case len(same) > 1:
			same = slices.DeleteFunc(same, func(r Record) bool { return r.ID == "" })
			return meant{doubt: worded(severalMeant, "contact"), several: same}
		case f > noFit:
			return one("contact", picked)
		case some || tellsOfNamed(sentence):
			return p.unheard(picked)
		case isOfAnother(sentence) || !p.isToldTo(picked, e, words):
			return p.spokenOfBefore(picked, name, quotes)
		}
	}
	// The words name nobody: the only one who was there is meant, or who was spoken of
	// just before.
	if len(p.people.External) < 2 && p.isAttendee(picked) {
		return one("contact", picked)
	}
	return p.spokenOfBefore(picked, name, quotes)
}

// isToldTo says that one of the organization's own tells somebody what they are: the only
// one who was there from outside.
func (p *plan) isToldTo(picked Record, e meeting.Evidence, words string) bool {
	return p.isOurs(e.Speaker) && len(p.people.External) == 1 && p.isAttendee(picked) &&
		slices.ContainsFunc(youWords[:], func(line string) bool { return hasAny(words, line) })
}

// spokenOfBefore is a contact if what leads to quotations names them.
func (p *plan) spokenOfBefore(picked Record, name personName, quotes []meeting.Evidence) meant {
	for _, e := range quotes {
		for _, text := range p.leadingTo(e) {
			if f, _ := name.in(spokenOf(text)); f > nickname {
				return one("contact", picked)
			}
		}
	}
	return p.unheard(picked)
}

// tellsOf is how a sentence begins that tells of somebody: by a name, or by "she".
var tellsOf = regexp.MustCompile(`(?i)^\PL*(?:(?:and|so|yes|also|but|oh|well|und|ja|also|et|oui|y|sí|e|sim|a|o|la|el|frau|herr|mr|mrs|ms|madame|monsieur|señora|señor)\P{L}+)*(?:(?P<she>he|she|er|sie|il|elle|él|ella|ele|ela)|(?P<name>\p{L}+(?:[ -]\p{L}+)?))(?:['’]s| (?:is|was|has|became|becomes|takes|took|got|now|will|ist|war|hat|wird|wurde|übernimmt|est|était|a été|devient|reprend|es|ha|fue|será|pasa|ahora|é|foi|vai|virou|agora|passou))(?:\P{L}|$)`)

// tellsOfNamed says that a sentence begins by telling of somebody whom it names, and
// isOfAnother that it tells of somebody.
func tellsOfNamed(sentence string) bool {
	name := tellsOf.ReplaceAllString(tellsOf.FindString(sentence), "$name")
	return name != "" && capital(name) && !pointing[strings.ToLower(strings.Fields(name)[0])] && !notNames[strings.ToLower(strings.Fields(name)[0])]
}

func isOfAnother(sentence string) bool {
	return tellsOfNamed(sentence) || tellsOf.ReplaceAllString(tellsOf.FindString(sentence), "$she") != ""
}

// notNames begin sentences as well, with a capital that makes no name of them.
var notNames = wordSet(`i we you he she they here there what who how why when where my our your his her their today now then everything everybody nobody
	ich wir du sie er es ihr mein meine unser unsere ihre dein deine hier da dort was wer wie jetzt heute alles
	je nous vous on ils elles mon ma notre votre ici là qui que quoi aujourd maintenant
	yo nosotros tú usted mi nuestro nuestra aquí allí quién qué ahora hoy
	eu nós você vocês meu minha nosso nossa aqui ali quem que agora hoje`)

// unheard is a contact whom nobody spoke of.
func (p *plan) unheard(picked Record) meant {
	several := p.couldBeMeant("contact", meeting.RecordRef{Object: "contact"})
	return meant{doubt: worded(notNamed, "contact"), several: uniqueRecords(append(several, picked))}
}

// iAm is how people tell what they are.
var iAm = regexp.MustCompile(` (?:i m|i am|i ve been|i was|i became|i took|ich bin|ich wurde|ich übernehme|je suis|j ai été|je deviens|yo soy|ahora soy|soy|eu sou|agora sou|sou|my new|meine neue|mein neuer|mon nouveau|ma nouvelle|mi nuevo|mi nueva|meu novo|minha nova) `)

// mine is how they tell of somebody or something of theirs.
var mine = regexp.MustCompile(` (?:my|our|mein|meine|unser|unsere|mon|ma|notre|mi|nuestro|nuestra|meu|minha|nosso|nossa) ((?:\pL+ ){1,3}?)(?:is|has|was|will|ist|hat|wird|war|est|a|sera|es|ha|será|é|foi|vai|moved|left|started) `)

// ofMine says that a sentence tells of the speaker's daughter, boss or house, and not of
// their own number or job.
func ofMine(words string) bool {
	for _, m := range mine.FindAllStringSubmatch(words, -1) {
		if !hasAny(" "+m[1], ownThings) || strings.Contains(m[1], " s ") { // "my neighbour's number"
			return true
		}
	}
	return false
}

const ownThings = `
title|role|job|position|number|mobile|cell|phone|email|mail|address|extension|name
titel|rolle|stelle|position|nummer|handy|handynummer|telefonnummer|durchwahl|telefon|adresse|mailadresse|name
titre|poste|rôle|fonction|numéro|portable|téléphone|adresse|courriel|nom
cargo|puesto|función|número|móvil|teléfono|correo|dirección|nombre
função|cargo|telemóvel|celular|telefone|endereço|nome`

// heldCompany: the only company that was there, or one that is named.
func (p *plan) heldCompany(picked Record, quotes []meeting.Evidence) meant {
	var present []Record
	for _, a := range p.present() {
		if r, ok := byID(p.res.Companies, p.recordID(a)); ok && a.Object == "company" {
			present = append(present, r)
		}
	}
	words := p.sentences(quotes)
	for _, e := range quotes {
		words = append(words, folded(p.passageOf(e).segment)...)
	}
	if _, ok := byID(present, picked.ID); ok && len(present) == 1 || slices.ContainsFunc(p.companyWords(picked), func(w string) bool {
		return slices.ContainsFunc(words, func(said string) bool { return sameName(said, w) })
	}) {
		return one("company", picked)
	}
	return meant{doubt: worded(notNamed, "company"), several: uniqueRecords(append(present, picked))}
}

// sentences are the words of the sentences that quotations stand in.
func (p *plan) sentences(quotes []meeting.Evidence) []string {
	var words []string
	for _, e := range quotes {
		words = append(words, folded(p.passageOf(e).sentence)...)
	}
	return words
}

// leadingTo are the texts that lead to a quotation, the nearest first: its own
// utterance and those before it.
func (p *plan) leadingTo(e meeting.Evidence) []string {
	in := p.passageOf(e)
	return append([]string{in.segment}, in.before...)
}

// firstPerson are the words by which people speak of themselves, a line for each
// language.
const firstPerson = `
i|i m|my|me|i ve|mine|mine s|ich|mein|meine|mir|meins|je|j|mon|ma|moi|yo|soy|mi|eu|sou|meu|minha`

// pointAt points at the record that a name means, if one can be told.
func (p *plan) pointAt(m meant) (meeting.RecordRef, bool) {
	of := func(all map[string]store.AssociationRef) string {
		for _, name := range sortedKeys(all) {
			if all[name] == m.ref {
				return name
			}
		}
		return ""
	}
	switch {
	case m.doubt != "" || m.dropped != "":
	case m.record.ID != "":
		return meeting.RecordRef{Object: m.ref.Object, ID: m.record.ID}, true
	case m.ref.Object == "contact" && m.ref != (store.AssociationRef{}):
		return meeting.RecordRef{Object: "contact", Email: of(p.contacts)}, true
	case m.ref.Object == "company" && m.ref != (store.AssociationRef{}):
		return meeting.RecordRef{Object: "company", Domain: of(p.companies)}, true
	}
	return meeting.RecordRef{}, false
}
