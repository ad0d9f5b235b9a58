package planner

import (
	"math"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// passage is where a quotation stands. Its texts are cut to what is near the quotation:
// whoever quotes a word of a speech of an hour is not held against all of it.
type passage struct {
	// sentence and segment hold the quotation: who quotes may have left out the "if"
	// before it. rest is what the speaker goes on with.
	sentence, segment, rest string
	// before are the segments that lead to it, and after those that follow, the nearest
	// first.
	before, after []string
	// at is its place in the talk, to tell what was said later.
	at int
}

const (
	// leadIn and followOn are how many segments before a quotation may say what it is
	// about, and how many behind it may take it back.
	leadIn, followOn = 3, 2
	// sameTopic is how many seconds apart they are at most.
	sameTopic = 90
	// mostPassage is how much of a text is near a quotation, in bytes.
	mostPassage = 2000
)

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
		for _, line := range p.written() {
			if strings.Contains(line.words, words) {
				out := line.around(words)
				out.at = -1
				return out
			}
		}
		return passage{sentence: e.Quote, segment: e.Quote, at: -1}
	}
	if p.cut == nil {
		p.cut = map[int]sentences{}
	}
	if _, ok := p.cut[found]; !ok {
		p.cut[found] = cutUp(segments[found].Text)
	}
	out := p.cut[found].around(words)
	out.at = found
	near := func(i int) bool {
		return i >= 0 && i < len(segments) && math.Abs(segments[i].StartSeconds-segments[found].StartSeconds) <= sameTopic
	}
	for i := found - 1; near(i) && i >= found-leadIn; i-- {
		text := segments[i].Text
		out.before = append(out.before, strings.ToValidUTF8(text[max(0, len(text)-mostPassage):], ""))
	}
	for i := found + 1; near(i) && i <= found+followOn; i++ {
		out.after = append(out.after, clipBytes(segments[i].Text))
	}
	return out
}

// around are the texts of a passage and what stands around it, without its own.
func (in passage) around() []string { return slices.Concat([]string{in.segment}, in.before, in.after) }

// speech are the segments of the talk, as words with a space before and behind each.
func (p *plan) speech() []string {
	if p.spoken == nil {
		p.spoken = []string{}
		for _, s := range p.in.Meeting.Transcript.Segments {
			p.spoken = append(p.spoken, spaced(s.Text))
		}
	}
	return p.spoken
}

// spaced are the words of a text with a space before and behind each.
func spaced(text string) string { return " " + strings.Join(wordsIn(text), " ") + " " }

// written are the lines that were made of the meeting.
func (p *plan) written() []sentences {
	if p.lines == nil {
		p.lines = []sentences{}
		for _, item := range p.in.Meeting.ActionItems {
			p.lines = append(p.lines, cutUp(item.Text))
		}
		for _, text := range []meeting.Text{p.in.Meeting.Summary, p.in.Meeting.NextSteps} {
			for _, l := range linesOf(text) {
				p.lines = append(p.lines, cutUp(plain(l.text)))
			}
		}
	}
	return p.lines
}

// sentences are those of a text, with all its words in a row, to find quotations in that
// go over several.
type sentences struct {
	parts  []string
	starts []int // where each part begins among the words
	words  string
}

var sentenceEnds = strings.NewReplacer(". ", ".\x00", "? ", "?\x00", "! ", "!\x00", "… ", "…\x00", "\n", "\x00")

// cutUp takes a text apart; what has no end is cut where it gets too long.
func cutUp(text string) sentences {
	var out sentences
	var joined strings.Builder
	joined.WriteByte(' ')
	for part := range strings.SplitSeq(sentenceEnds.Replace(text), "\x00") {
		for part != "" {
			piece := part
			if at := strings.LastIndexByte(part[:min(len(part), mostPassage/2)], ' '); len(part) > mostPassage/2 && at > 0 {
				piece = part[:at]
			}
			part = part[len(piece):]
			out.parts, out.starts = append(out.parts, strings.TrimSpace(piece)), append(out.starts, joined.Len()-1)
			for _, w := range wordsIn(piece) {
				joined.WriteString(w)
				joined.WriteByte(' ')
			}
		}
	}
	out.words = joined.String()
	return out
}

// around is where words stand, which have a space before and behind each: the sentences
// that hold them, and what is said around these.
func (s sentences) around(words string) passage {
	at := strings.Index(s.words, words)
	if at < 0 {
		return passage{sentence: s.near(0, len(s.parts)), segment: s.near(0, len(s.parts))}
	}
	first, _ := slices.BinarySearch(s.starts, at+1)
	end, _ := slices.BinarySearch(s.starts, at+len(words)-1)
	first--
	from, to, size := first, end, 0
	for _, part := range s.parts[first:end] {
		size += len(part)
	}
	for grown := true; grown; {
		grown = false
		if from > 0 && size+len(s.parts[from-1]) <= mostPassage {
			from, size, grown = from-1, size+len(s.parts[from-1]), true
		}
		if to < len(s.parts) && size+len(s.parts[to]) <= mostPassage {
			size, to, grown = size+len(s.parts[to]), to+1, true
		}
	}
	return passage{sentence: strings.Join(s.parts[first:end], " "), segment: strings.Join(s.parts[from:to], " "), rest: strings.Join(s.parts[end:to], " ")}
}

// near joins parts up to the bound.
func (s sentences) near(from, to int) string {
	text := strings.Join(s.parts[from:min(to, from+8)], " ")
	return clipBytes(text)
}

// clipBytes is the beginning of a text.
func clipBytes(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), mostPassage)], "")
}

// mood is how the words of a proposal were said.
func (p *plan) moodOf(evidence []meeting.Evidence) mood {
	var all mood
	for _, e := range evidence {
		in := p.passageOf(e)
		sentence, segment := moodOf(in.sentence), moodOf(in.segment)
		if in.at < 0 {
			// Who writes goes on with something else; who speaks may take it back.
			machine := segment.machine
			segment = sentence
			segment.machine = segment.machine || machine
		}
		all.conditional = all.conditional || sentence.conditional
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
