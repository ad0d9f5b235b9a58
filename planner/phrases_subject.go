package planner

import (
	"regexp"
	"slices"
	"strings"
)

// particles are what a German verb leaves at the end of its clause.
var (
	particles    = wordSet("an ab vor zu nach weiter ein aus mit zusammen fertig rüber durch hoch raus rein vorbei bei um zurück")
	prepositions = wordSet("mit bei wegen zu zum zur um nach für über an auf ob dass")
)

// subject says what is to be done.
type subject struct {
	text string
	// pointing: it says what only by pointing at what was said before. several: it
	// holds more than one promise.
	pointing, several bool
	// others: somebody else is made to do it.
	others bool
	// left marks the tokens that tell when, and to is where the clause ends.
	left []bool
	to   int
}

// subjectOf says what is to be done, as a title: the whole clause, without the day,
// without whom it is for, and without how people come to it and close it.
func (h *hearing) subjectOf(s sentence, p promise, owner string) subject {
	german := tongues[p.tongue] == "de"
	out := subject{left: h.dayMarks(s).all, to: s.endOf(p)}
	from := p.from
	if german {
		from = s.clauseOf(p.verb)
	}
	infinitive, particle := s.wholeVerb(p, out.to)
	table := verbsBy[p.tongue]
	dropped := func(j int) bool {
		word := s.tokens[j].word
		return out.left[j] || j == p.verb || j == particle ||
			table.drop[word] && infinitive != "let" && (german || j <= p.verb+2) || german && j < p.verb && owner != "" && h.isNameOf(owner, word)
	}
	rest := s.wordsOf(from, out.to, dropped)
	out.several = s.promisesMore(p, out.to)
	out.others = lets.MatchString(s.words)
	out.pointing = pointsOnly(rest) && (!calling[infinitive] || tongues[p.tongue] != "en")
	if !h.leads(s, p.first, out.left) {
		// What stands before it may be what it is about: "The offer, I'll send it".
		rest = strings.TrimSpace(rest + " (" + s.wordsOf(0, p.first, func(j int) bool { return out.left[j] }) + ")")
	}
	switch {
	case german:
		out.text = inGerman(infinitive, rest)
	default:
		if rest == "" && len(h.people.External) == 1 && s.voice.side != written {
			rest = h.people.External[0].display()
		}
		out.text = capitalised(strings.TrimSpace(infinitive + " " + rest))
	}
	out.text = clip(out.text, mostTitle)
	return out
}

// endOf is the token at which a promise ends: that of the sentence, or of what people
// close with.
func (s sentence) endOf(p promise) int {
	for j := p.verb; j < len(s.tokens); j++ {
		if s.tokens[j].word == "," && j+1 < len(s.tokens) && tails.MatchString(s.words[s.tokens[j+1].at-1:]) {
			return j
		}
	}
	return len(s.tokens)
}

// wordsOf are the words from a token to another as they stand, without those dropped.
func (s sentence) wordsOf(from, to int, dropped func(int) bool) string {
	var words []string
	pending := -1 // words in a row
	flush := func(end int) {
		if pending >= 0 {
			words = append(words, s.text[s.tokens[pending].start:s.tokens[end].end])
			pending = -1
		}
	}
	for j := from; j < to; j++ {
		switch {
		case dropped(j):
			flush(j - 1)
		case pending < 0:
			pending = j
		}
	}
	flush(to - 1)
	rest := strings.Trim(strings.Join(words, " "), " ,;:–—-.!?")
	return takenBack.ReplaceAllString(strings.NewReplacer(" ,", ",", ",,", ",").Replace(rest), "")
}

// takenBack is what people say to correct a day, which is left out.
var takenBack = regexp.MustCompile(`(?i)(?:, (?:no|sorry|nein|quatsch|entschuldigung|non|pardon|perdón|digo|não|desculpa))+$`)

// kept are the words of a sentence up to a token, without those marked.
func (s sentence) kept(left []bool, to int) string {
	var b strings.Builder
	b.WriteString(" . ")
	for j, t := range s.tokens[:to] {
		if !left[j] {
			b.WriteString(t.word + " ")
		}
	}
	b.WriteString(". ")
	return b.String()
}

// wholeVerb is the verb with what German puts behind: "leite … weiter".
func (s sentence) wholeVerb(p promise, to int) (infinitive string, particle int) {
	if tongues[p.tongue] != "de" {
		return p.infinitive, -1
	}
	for j := p.verb + 1; j < to; j++ {
		if particles[s.tokens[j].word] && (j == to-1 || s.tokens[j+1].word == ",") {
			return s.tokens[j].word + p.infinitive, j
		}
	}
	return p.infinitive, -1
}

// promisesMore says that a sentence promises something else, too.
func (s sentence) promisesMore(p promise, to int) bool {
	table := verbsBy[p.tongue]
	for j := p.verb + 1; j < to; j++ {
		word, joined := s.tokens[j].word, joining[s.wordAt(j-1)] || s.wordAt(j-1) == ","
		if joined && (table.infinitives[word] || table.self[word] != "" || oneself[word]) {
			return true
		}
	}
	return false
}

var oneself = wordSet("i we ich wir je j on nous yo nosotros eu nós he she they er sie il elle ils ella ellos ele ela")

// lets is how people say that they make another do something.
var lets = regexp.MustCompile(` get (?:\pL+ ){1,2}to (?:send|email|forward|share|prepare|draft|write|call|book|check|bring|deliver|update|confirm|provide|finish|get|do|look|sign|review|reach) | have (?:\pL+ ){1,2}(?:send|call|check|prepare|get|write|do) | make sure | (?:lasse|lass) ich | ich (?:lasse|lass) | (?:fais|fait|ferai) (?:envoyer|appeler|préparer) | que (?:te|le|les|lhe) (?:mande|envíe|envie) `)

// calling are the verbs that say by themselves what is to be done.
var calling = wordSet("call ring phone")

// pointing are words that point at what was said, or count it, and say nothing of it.
var pointing = wordSet(`it that this them those these one ones something everything anything stuff things thing all both two three same other others another rest first second latter former so there
	you me us him her back out up over on off in to with by for of from and the a an our your my their its as well too also again then asap soon please know together alors donc ensuite après aussi bien dann gerne también luego entonces pues também então depois
	das es dies diese dieses dieser alles etwas was beide beides eins den die der dem ein eine einen ihnen dir euch sie dich mich uns mal dann noch auch bescheid drum darum dazu davon damit bis und mit zu an auf
	ça cela ceci le la les l lui leur tout tous ce cette ces un une vous te t nous me y en et de du des à au aux pour point réponse
	lo la los las eso esto todo ello ese esa un una te le les os me nos y de del a al para con por
	o os as isso isto tudo aquilo um uma lhe lhes vos me nos e de do da para pra com por ao`)

// pointsOnly says that words name nothing.
func pointsOnly(words string) bool {
	return !slices.ContainsFunc(wordsIn(words), func(w string) bool { return len([]rune(w)) > 1 && !pointing[w] && strings.Trim(w, "0123456789") != "" })
}

// inGerman is a title whose verb stands at the end, behind what is done, unless that
// begins with a preposition.
func inGerman(infinitive, rest string) string {
	rest = articleFirst.ReplaceAllString(rest, "")
	first := strings.Fields(strings.ToLower(rest))
	if len(first) > 0 && prepositions[first[0]] {
		return capitalised(infinitive + " " + rest)
	}
	if before, after, ok := strings.Cut(rest, ", "); ok {
		return capitalised(strings.TrimSpace(before+" "+infinitive) + ", " + after)
	}
	return capitalised(strings.TrimSpace(rest + " " + infinitive))
}

// isNameOf says that a word is of the name of a colleague.
func (h *hearing) isNameOf(email, word string) bool {
	return slices.ContainsFunc(h.allNamed(word), func(v voice) bool { return v.email == email })
}
