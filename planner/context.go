package planner

import (
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// passage is where a quotation stands.
type passage struct {
	// sentence and segment hold the quotation: who quotes may have left out the "if"
	// before it.
	sentence, segment string
	// before are the segments that lead to it, the nearest first.
	before []string
	after  string
	// at is its place in the talk, to tell what was said later.
	at int
}

// leadIn is how many segments before a quotation may say what it is about.
const leadIn = 3

// passageOf finds where a quotation stands; one that stands nowhere by itself, or
// goes over several segments, is its own passage.
func (p *plan) passageOf(e meeting.Evidence) passage {
	if known, ok := p.passages[e]; ok {
		return known
	}
	if p.passages == nil {
		p.passages = map[meeting.Evidence]passage{}
	}
	p.passages[e] = p.findPassage(e)
	return p.passages[e]
}

func (p *plan) findPassage(e meeting.Evidence) passage {
	words := " " + strings.Join(wordsIn(e.Quote), " ") + " "
	segments := p.in.Meeting.Transcript.Segments
	found := -1
	for i, s := range p.speech() {
		if strings.Contains(s, words) && (found < 0 || segments[i].Speaker == e.Speaker && int(segments[i].StartSeconds) == e.OffsetSeconds) {
			found = i
		}
	}
	if found < 0 {
		for _, text := range p.written() {
			if strings.Contains(" "+strings.Join(wordsIn(text), " ")+" ", words) {
				return passage{sentence: sentenceOf(text, words), segment: text, at: -1}
			}
		}
		return passage{sentence: e.Quote, segment: e.Quote, at: -1}
	}
	out := passage{sentence: sentenceOf(segments[found].Text, words), segment: segments[found].Text, at: found}
	for i := found - 1; i >= 0 && i >= found-leadIn; i-- {
		out.before = append(out.before, segments[i].Text)
	}
	if found+1 < len(segments) {
		out.after = segments[found+1].Text
	}
	return out
}

// speech are the segments of the talk, as words with a space before and behind each.
func (p *plan) speech() []string {
	if p.spoken == nil {
		p.spoken = []string{}
		for _, s := range p.in.Meeting.Transcript.Segments {
			p.spoken = append(p.spoken, " "+strings.Join(wordsIn(s.Text), " ")+" ")
		}
	}
	return p.spoken
}

// written are the lines that were made of the meeting.
func (p *plan) written() []string {
	var lines []string
	for _, item := range p.in.Meeting.ActionItems {
		lines = append(lines, item.Text)
	}
	for _, text := range []meeting.Text{p.in.Meeting.Summary, p.in.Meeting.NextSteps} {
		for _, l := range linesOf(text) {
			lines = append(lines, plain(l.text))
		}
	}
	return lines
}

// sentenceOf are the sentences of a text that hold words, which have a space before and
// behind each; all of it if that can't be told.
func sentenceOf(text, words string) string {
	sentences := strings.FieldsFunc(strings.NewReplacer(". ", ".\x00", "? ", "?\x00", "! ", "!\x00", "… ", "…\x00").Replace(text), func(r rune) bool { return r == 0 })
	var joined strings.Builder
	joined.WriteByte(' ')
	starts := make([]int, len(sentences))
	for i, sentence := range sentences {
		starts[i] = joined.Len() - 1
		for _, w := range wordsIn(sentence) {
			joined.WriteString(w)
			joined.WriteByte(' ')
		}
	}
	at := strings.Index(joined.String(), words)
	if at < 0 || len(sentences) == 0 {
		return text
	}
	first, last := 0, 0
	for i, start := range starts {
		if start <= at {
			first = i
		}
		if start < at+len(words)-1 {
			last = i
		}
	}
	return strings.Join(sentences[first:last+1], " ")
}

// mood is how the words of a proposal were said.
func (p *plan) moodOf(evidence []meeting.Evidence) mood {
	var all mood
	for _, e := range evidence {
		in := p.passageOf(e)
		sentence, segment := moodOf(in.sentence), moodOf(in.segment)
		all.conditional = all.conditional || sentence.conditional
		all.negated = all.negated || sentence.negated
		all.done = all.done || sentence.done
		all.hearsay = all.hearsay || segment.hearsay
		all.loose = all.loose || segment.loose
		all.machine = all.machine || segment.machine
		for _, before := range in.before[:min(2, len(in.before))] {
			all.machine = all.machine || toMachine(before)
		}
	}
	return all
}

// contentWords are the words of a text that say what it is about, for telling whether
// two texts are about the same.
func contentWords(text string) []string {
	var words []string
	for _, w := range wordsIn(text) {
		if len([]rune(w)) >= 4 && !stopWords[w] && !isDayWord(w) {
			words = append(words, w)
		}
	}
	return unique(words)
}

var stopWords = wordSet(`
send sends sending with will from this that have your them they then there about into over back next week also waiting until before after make what when
which would could should please just been were their here some more call today tomorrow tonight
schicke schicken schickt sende senden sendet ihnen euch eine einen einem einer dann noch auch wird werde werden über nach warten oder aber heute morgen bitte
envoyer envoie envoies envoyez attente pour avec dans vous nous leur votre notre cette aussi demain
enviar envío envía enviaré espera para pero este esta como mañana hasta
mando mandar manda envio envia espera você vocês amanhã
`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// shared counts the content words of two texts that are the same but for endings, and
// says how many the shorter one has.
func shared(a, b string) (n, of int) { return sharedWords(contentWords(a), contentWords(b)) }

func sharedWords(x, y []string) (n, of int) {
	for _, w := range x {
		if slices.ContainsFunc(y, func(v string) bool { return alike(w, v) }) {
			n++
		}
	}
	return n, min(len(x), len(y))
}

// alike says that two words are the same, but for an ending.
func alike(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a == b || len([]rune(a)) >= 3 && len(b)-len(a) <= 3 && strings.HasPrefix(b, a)
}
