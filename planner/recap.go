package planner

import (
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// Promise is one line of a draft for the attendees, with the words that it follows
// from.
type Promise struct {
	Text  string `json:"text"`
	Quote string `json:"quote"`
}

// KeptPromise is a line that follows from what was said.
type KeptPromise struct {
	Text     string
	Evidence meeting.Evidence
}

// Recap keeps of a draft for the attendees what was said: each line's quotation has
// to stand in the meeting's words, it has to speak of what is quoted, its numbers and
// names have to follow from it, and it holds neither links nor markup. Debrief never sends it.
func Recap(in Subject, r Resolution, lines []Promise) []KeptPromise {
	p := &plan{in: Input{Subject: in, Resolution: r}, res: r, people: Who(in), lists: readPeopleFile(peopleFile), words: WordsOf(in.Meeting.Details)}
	var kept []KeptPromise
	for _, line := range lines {
		e, ok := p.words.Find(line.Quote)
		if !ok {
			continue
		}
		s := support{words: p.words, quotes: []meeting.Evidence{e}, at: in.start().In(in.location()), known: p.isKnown}
		if n, _ := shared(line.Text, e.Quote); n > 0 && s.text(line.Text) == "" && oddText("", line.Text, strings.Map(unseen, line.Text) != line.Text) == "" {
			kept = append(kept, KeptPromise{line.Text, e})
		}
	}
	return kept
}
