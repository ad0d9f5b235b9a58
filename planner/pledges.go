package planner

import (
	"regexp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// That a sentence speaks of something to be done makes no promise of it. What another
// planner proposes as a task is written where the phrases' reader hears one in the same
// sentence: who does it, and a verb behind it that the rules know, or else one of which
// the task tells.

// pledge is what a sentence says that somebody does.
type pledge struct {
	tongue int
	// known is said of a verb that the rules know; others have to be told by the task.
	known bool
	// words are those that tell what is done.
	words string
}

// heard are the meeting's words as the phrases hear them.
func (p *plan) heard() *hearing {
	if p.hearing == nil {
		p.hearing = listen(p.in.Subject)
	}
	return p.hearing
}

// heardIn are the sentences that a quotation is of.
func (p *plan) heardIn(e meeting.Evidence) []int {
	in := p.passageOf(e)
	around, quote := spaced(in.sentence), spaced(e.Quote)
	var found []int
	for i, s := range p.heard().sentences {
		if (s.voice.side == written) != (in.at < 0) || in.at >= 0 && int(s.at) > e.OffsetSeconds {
			continue
		}
		if words := spaced(s.text); strings.Contains(words, quote) || strings.Contains(around, words) && strings.Contains(quote, words) {
			found = append(found, i)
		}
	}
	return found
}

// unpledged says why what a task is proposed of is no promise of it in so many words, or
// does not stay one.
func (p *plan) unpledged(a proposal) string {
	h, subject, why := p.heard(), contentWords(p.withoutPeople(a.Properties["hs_task_subject"])), notPromised
	for _, e := range a.Evidence {
		around := contentWords(p.passageOf(e).segment)
		for _, i := range p.heardIn(e) {
			for _, said := range p.pledges(i) {
				if !said.tells(subject, around) {
					continue
				}
				if why = h.unsettled(i, said.tongue); why == "" || why == answered && !h.objects(i, said.tongue) {
					return ""
				}
			}
		}
	}
	return why
}

// tells says whether a pledge is what a task is about: it says some of it, and who says it
// most. A verb of which the rules don't know whether it is a deed has to stand in the task.
func (said pledge) tells(subject, around []string) bool {
	words := contentWords(said.words)
	count := func(said []string) (n int) {
		for _, w := range subject {
			if slices.ContainsFunc(said, func(v string) bool { return alike(v, w) || sameStem(v, w) }) {
				n++
			}
		}
		return n
	}
	if said.known {
		return 2*count(around) >= len(subject) && (count(words) > 0 || len(subject) == 0 || pointsOnly(said.words))
	}
	return count(words) >= min(2, len(subject))
}

// sameStem says that two words are forms of one, or that one is a part of the other: "lern"
// and "anlernen".
func sameStem(a, b string) bool {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	return same >= 5 || strings.Contains(b, strings.TrimSuffix(a, "e"))
}

// pledges are those that a sentence says, in the languages that it may be of.
func (p *plan) pledges(i int) []pledge {
	h := p.heard()
	s := h.sentences[i]
	if s.voice.side == unknown || s.question && !h.agreed(i) {
		return nil
	}
	var all []pledge
	for _, tongue := range tonguesOf(spaced(s.text)) {
		if whole := plainWords(s.words, tongue); !h.leftAsItIs(i, tongue) || hasAny(whole, byTongue.unsure[tongue]) || hasAny(whole, byTongue.condition[tongue]) || hasAny(whole, byTongue.loose[tongue]) {
			continue
		}
		parts := clausesOf(s.text)
		for k, part := range parts {
			// Beside it, something else may be denied, or done.
			said := s
			said.text = part
			said.tokens, said.words = tokensOf(part)
			if !unmeant(said.words, tongue) {
				all = append(all, p.pledgesIn(said, tongue, s.text, strings.Join(parts[k:], " "), h.agreed(i))...)
			}
		}
	}
	return all
}

// pledgesIn are those of a part of a sentence. What is done is told by the sentence, where
// the verb is known, and else by what follows on it.
func (p *plan) pledgesIn(s sentence, tongue int, whole, rest string, agreed bool) []pledge {
	var found []pledge
	table := verbsBy[tongue]
	add := func(it, known bool) {
		if it {
			found = append(found, pledge{tongue, known, map[bool]string{true: whole, false: rest}[known]})
		}
	}
	leads := func(pattern *regexp.Regexp, heeded bool) {
		if m := pattern.FindStringIndex(s.words); m != nil && heeded {
			_, known := s.infinitive(tongue, m[1]-1)
			add(true, known)
		}
	}
	_, promises := s.promises(tongue)
	add(promises || gettingBy[tongue].MatchString(s.words), true)
	leads(table.will, true)
	leads(table.ask, agreed)
	leads(table.offer, s.question)
	if m := oneselfBy[tongue].FindStringIndex(s.words); m != nil {
		add(!slices.ContainsFunc(strings.Fields(s.words[m[0]:m[1]]), func(w string) bool { return states[w] }), false)
	}
	if m := table.willOther.FindStringIndex(s.words); m != nil {
		leads(table.willOther, p.namesSomebody(s.textOf(m[0], m[1])))
	}
	for j, t := range s.tokens {
		near := s.tokens[max(0, j-3):min(len(s.tokens), j+4)]
		add(table.other[t.word] != "" && p.namesSomebody(s.text[near[0].start:near[len(near)-1].end]), true)
	}
	return found
}

// states are what people are, have or think, which is nothing that they do for anybody.
var states = wordSet(`going thinking hoping looking trying wondering saying having being asking
	bin war wäre habe hab hatte hätte weiß glaube glaub denke denk finde find hoffe meine mein kenne brauche möchte muss soll darf kann wollte sollte konnte sehe höre verstehe freue
	ai suis étais avais pense crois sais trouve espère est a avait peut peux veux voudrais doit dois
	soy estoy era tengo he creo sé quiero puedo pienso espero voy sou estou tenho acho sei quero posso penso vou`)

// answeredWithNo says that what is to be done was offered or asked for, and the answer is
// a plain no.
func (p *plan) answeredWithNo(a proposal) bool {
	h := p.heard()
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		return slices.ContainsFunc(p.heardIn(e), func(i int) bool {
			reply := h.reply(i)
			return h.sentences[i].question && len(reply) > 0 && saysNo(reply[0].words)
		})
	})
}

// isForeign says that words are of no language that the phrases hear.
func isForeign(words string) bool { return hasAny(words, foreignWords) }

// foreignWords are commonest in other languages, and none of those that the phrases hear.
const foreignWords = `het|een|ik|wij|jullie|voor|niet|dat|che|gli|della|sono|per`

// foreignAsking is how people ask for something in them.
const foreignAsking = `vroeg|vraagt|vragen|graag|maak|maken|aanmaken|apri|aprite|aprire|apriamo|vorrei|chiede|chiedono`

// namesSomebody says that a sentence names one of those whom the plan knows.
func (p *plan) namesSomebody(sentence string) bool {
	text := spokenOf(sentence)
	return slices.ContainsFunc(p.everyone(), func(n personName) bool { f, _ := n.in(text); return f > nickname })
}

var (
	// oneselfBy is how people say of themselves what they are about to do, whatever it is.
	oneselfBy = [len(tongues)]*regexp.Regexp{
		wordsPattern(`(?:i|we) (?:m|am|re|are) \pL+ing`), wordsPattern(`ich \pL+|\pL+ ich`), wordsPattern(`moi qui \pL+|(?:je|j|on)(?: (?:vous|te|t|le|la|les|l|lui|leur|y|en))* \pL+|nous(?: (?:vous|te|t|le|la|les|l|lui|leur|y|en))* \pL+ons`),
		wordsPattern(`yo(?: (?:te|le|les|os|lo|la|los|las|se))* \pL+|\pL+o yo|\pL+(?:ré|remos)`), wordsPattern(`eu(?: (?:te|lhe|lhes|vos|o|a|os|as))* \pL+|\pL+o (?:lhe|lhes|te|vos)|\pL+rei`),
	}
	// gettingBy is how they say what somebody gets of them.
	gettingBy = [len(tongues)]*regexp.Regexp{
		wordsPattern(`you (?:ll|will) (?:get|have|receive)`), wordsPattern(`(?:bekommen|kriegen|erhalten) sie|(?:bekommst|kriegst) du|sie (?:bekommen|kriegen|erhalten)|du (?:bekommst|kriegst)`),
		wordsPattern(`vous (?:aurez|recevrez)|vous (?:l|les) avez de (?:ma|notre) part|tu (?:auras|recevras)`), wordsPattern(`(?:tendrá|tendrás|recibirá|recibirás|tendrán|recibirán)`), wordsPattern(`(?:terá|receberá|vai ter|vai receber)`),
	}
)
