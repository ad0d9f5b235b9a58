package planner

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/debriefhq/debrief/meeting"
)

// Words are what was said and written in a meeting, to look quotations up in. What
// nobody said or wrote supports nothing.
type Words struct {
	sources []wordSource
	// words are all that stand anywhere, each once.
	words []string
}

// wordSource is one text, as its words with a space before and behind each.
type wordSource struct {
	name string
	text string
	// places say, by where they begin in the text, who said it and when.
	places []wordPlace
}

type wordPlace struct {
	at      int
	speaker string
	offset  int
}

// speakerChange stands between two speakers: no quotation goes over it.
const speakerChange = "\x00 "

// WordsOf are the words of a meeting: its transcript first, which knows who said
// what and when, then what was made of it.
func WordsOf(d meeting.Details) Words {
	var w Words
	spoken := builder{name: transcript}
	for i, s := range d.Transcript.Segments {
		if i > 0 && s.Speaker != d.Transcript.Segments[i-1].Speaker {
			spoken.text.WriteString(speakerChange)
		}
		spoken.add(s.Text, s.Speaker, int(s.StartSeconds))
	}
	w.keep(spoken)
	items := builder{name: "action_item"}
	for _, item := range d.ActionItems {
		items.text.WriteString(speakerChange)
		items.add(item.Text, item.AssigneeName, item.OffsetSeconds)
	}
	w.keep(items)
	for _, t := range []struct {
		name string
		text meeting.Text
	}{{"summary", d.Summary}, {"notes", d.NextSteps}} {
		written := builder{name: t.name}
		for _, l := range linesOf(t.text) {
			written.add(plain(l.text), "", 0)
		}
		w.keep(written)
	}
	answers := builder{name: "notes"}
	for _, a := range d.Answers {
		answers.text.WriteString(speakerChange)
		answers.add(a.Question+" "+a.Answer, "", 0)
	}
	w.keep(answers)
	for _, s := range w.sources {
		w.words = append(w.words, strings.Fields(s.text)...)
	}
	w.words = unique(w.words)
	return w
}

type builder struct {
	name   string
	text   strings.Builder
	places []wordPlace
}

func (b *builder) add(text, speaker string, offset int) {
	words := wordsIn(text)
	if len(words) == 0 {
		return
	}
	if b.text.Len() == 0 {
		b.text.WriteByte(' ')
	}
	b.places = append(b.places, wordPlace{b.text.Len(), speaker, offset})
	for _, word := range words {
		b.text.WriteString(word)
		b.text.WriteByte(' ')
	}
}

func (w *Words) keep(b builder) {
	if len(b.places) > 0 {
		w.sources = append(w.sources, wordSource{b.name, " " + b.text.String(), b.places})
	}
}

// Spoken says that the transcript is known, and not only what was made of it.
func (w Words) Spoken() bool {
	return slices.ContainsFunc(w.sources, func(s wordSource) bool { return s.name == transcript })
}

const transcript = "transcript"

const (
	// leastQuote is how many letters a quotation has at least, where a digit counts as
	// two: a "yes" stands everywhere and shows nothing.
	leastQuote = 8
	// mostQuote keeps a quotation to what a person reads on a card.
	mostQuote = 1000
)

// Find looks a quotation up, and returns it with who said it and when, as the
// meeting knows it and not as the one who quotes claims. Letter case, punctuation,
// spaces, typographic forms and invisible characters make no difference; every word
// does, and they stand together, said by one speaker.
func (w Words) Find(quote string) (meeting.Evidence, bool) {
	if len(quote) > 4*mostQuote {
		return meeting.Evidence{}, false
	}
	words := strings.Join(wordsIn(quote), " ")
	length := 0
	for _, r := range words {
		switch {
		case unicode.IsLetter(r):
			length++
		case unicode.IsDigit(r):
			length += 2
		}
	}
	if length < leastQuote || length > mostQuote {
		return meeting.Evidence{}, false
	}
	for _, s := range w.sources {
		at := strings.Index(s.text, " "+words+" ")
		if at < 0 && unspaced(words) {
			at = strings.Index(s.text, words)
		}
		if at < 0 {
			continue
		}
		i, found := slices.BinarySearchFunc(s.places, at, func(p wordPlace, at int) int { return p.at - at })
		if !found && i > 0 {
			i--
		}
		return meeting.Evidence{Quote: tidyQuote(quote), Speaker: s.places[i].speaker, OffsetSeconds: s.places[i].offset, Source: s.name}, true
	}
	return meeting.Evidence{}, false
}

// Has says whether a word stands anywhere.
func (w Words) Has(word string) bool {
	words := strings.Join(wordsIn(word), " ")
	return words != "" && slices.ContainsFunc(w.sources, func(s wordSource) bool {
		return strings.Contains(s.text, " "+words+" ") || unspaced(words) && strings.Contains(s.text, words)
	})
}

// hasAlike says whether a word stands anywhere, be it with another ending.
func (w Words) hasAlike(word string) bool {
	return w.Has(word) || slices.ContainsFunc(w.words, func(v string) bool { return alike(v, word) })
}

// tidyQuote is a quotation as it is shown: on one line, without what nobody sees.
func tidyQuote(quote string) string {
	return strings.Join(strings.Fields(strings.Map(visible, quote)), " ")
}

// visible drops what has no look of its own and could hide something: soft hyphens,
// joiners, marks of direction, control characters.
func visible(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return ' '
	case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar:
		return -1
	default:
		return r
	}
}

// wordsIn takes a text apart into words: letters and digits in lower case, numbers
// with what stands inside of them, and the signs of currencies and per cent.
func wordsIn(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	runes := []rune(strings.Map(visible, norm.NFKC.String(text)))
	for i, r := range runes {
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r):
			word.WriteRune(unicode.ToLower(r))
		case unicode.IsDigit(r):
			word.WriteRune(r)
		case strings.ContainsRune(".,'’", r) && i > 0 && unicode.IsDigit(runes[i-1]) && i+1 < len(runes) && unicode.IsDigit(runes[i+1]):
			word.WriteRune(r)
		case unicode.Is(unicode.Sc, r) || r == '%':
			end()
			words = append(words, string(r))
		default:
			end()
		}
	}
	end()
	return words
}

// unspaced says that a text is in a script that does not put spaces between words.
func unspaced(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer)
	})
}
