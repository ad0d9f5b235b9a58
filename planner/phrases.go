package planner

import (
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// ByPhrases is who proposes what was said in so many words.
const ByPhrases = "phrases"

// PhraseRule hears one kind of request or statement.
type PhraseRule struct {
	// Name switches it off: see Subject.RulesOff.
	Name string
	// Hears says what it hears, in a sentence.
	Hears string

	// cues are words of which a sentence has one, or the patterns aren't tried.
	cues string
	// by are those whose words count: of ours, theirs, and of what was written.
	by []side
	// patterns by language, in the order of tongues. See pattern.
	patterns [len(tongues)][]pattern
	// asks: a question is a request, and not a question.
	asks bool
	// propose makes of a match what is proposed; nil if it is nothing.
	propose func(*hearing, match) *heard
	// hear is in place of patterns.
	hear func(*hearing, int) *heard
}

// heard is what a rule makes of a sentence.
type heard struct {
	meeting.ProposedAction

	at int // the sentence that it was heard in
	// doubt says why a human is asked about it; empty where it was said so plainly that
	// it can be written.
	doubt string
}

// orAsk makes a question of it, if something speaks against writing it at once. The
// first reason stays.
func (a *heard) orAsk(it bool, why string) *heard {
	if a != nil && it && a.doubt == "" {
		a.doubt = why
	}
	return a
}

// PhraseRules are all rules, in the order of their documentation. They hear English,
// German, French, Spanish and Portuguese, and nothing in other languages.
func PhraseRules() []PhraseRule {
	return slices.Concat(recordRules, dealRules, contactRules, taskRules)
}

// Phrases proposes what a meeting's words ask for or state explicitly. It holds its
// tongue where something was negated, conditional, hearsay, a joke, a question or done
// already, and where somebody outside of the organization talks to the software. What
// was said explicitly but not plainly is a question ([Proposals.Doubts]). It is pure:
// the same subject gives the same proposals.
func Phrases(s Subject) Proposals {
	h := listen(s)
	out := Proposals{By: ByPhrases}
	for _, rule := range PhraseRules() {
		if slices.Contains(s.RulesOff, rule.Name) {
			continue
		}
		var all []*heard
		for i := range h.sentences {
			if len(all) == mostHeard {
				break
			}
			if a := rule.listen(h, i); a != nil {
				a.at = i
				all = append(all, a)
			}
		}
		for _, a := range oncePerMeeting(all) {
			out.add(a.ProposedAction, a.doubt)
		}
	}
	return out
}

// mostHeard is how often a rule hears something in one meeting: more is no talk of
// people, and would only cost time.
const mostHeard = 100

// oncePerMeeting leaves out what was said again: the same values, the same task in
// other words, the ticket that somebody confirms. Of one that was said once plainly and
// once not, the plain one stays.
func oncePerMeeting(all []*heard) []*heard {
	var out []*heard
	for _, a := range all {
		at := slices.IndexFunc(out, func(b *heard) bool { return again(b, a) })
		switch {
		case at < 0:
			out = append(out, a)
		case out[at].doubt != "" && a.doubt == "":
			out[at] = a
		}
	}
	return out
}

func again(x, y *heard) bool {
	if x.Tool != y.Tool || x.Target != y.Target {
		return false
	}
	switch x.Tool {
	case "task.create":
		n, of := shared(x.Properties["hs_task_subject"], y.Properties["hs_task_subject"])
		return x.Properties["hs_timestamp"] == y.Properties["hs_timestamp"] && x.Properties["hubspot_owner_id"] == y.Properties["hubspot_owner_id"] && 2*n >= max(1, of)
	case "ticket.create":
		n, _ := shared(x.Properties["subject"], y.Properties["subject"])
		return n > 0 || y.at-x.at <= 3
	case "deal.create":
		return strings.EqualFold(x.Properties["dealname"], y.Properties["dealname"])
	default:
		for name, value := range y.Properties {
			if !strings.EqualFold(x.Properties[name], value) {
				return false
			}
		}
		return true
	}
}

// mostTokens is how many words a sentence has at most that a rule listens to: who asks
// for something needs fewer.
const mostTokens = 120

// listen is what a rule proposes for a sentence.
func (r PhraseRule) listen(h *hearing, i int) *heard {
	s := h.sentences[i]
	if len(s.tokens) > mostTokens || !slices.Contains(r.by, s.voice.side) || h.toMachine(i) || h.quotes(i) {
		return nil
	}
	if r.hear != nil {
		return h.inTheTalk(i, r.hear(h, i))
	}
	if !hasAny(s.words, r.cues) {
		return nil
	}
	for tongue, patterns := range r.patterns {
		for _, p := range patterns {
			m, ok := p.find(s)
			if !ok {
				continue
			}
			m.at, m.tongue = i, tongue
			if s.question && !r.asks || !h.meant(i, tongue) {
				return nil
			}
			if a := r.propose(h, m); a != nil {
				return h.inTheTalk(i, a.orAsk(true, h.unplain(m)))
			}
		}
	}
	return nil
}

// propose is a proposal with the sentences as its quotation.
func (h *hearing) propose(tool string, target meeting.RecordRef, properties map[string]string, sentences ...int) *heard {
	a := &heard{ProposedAction: meeting.ProposedAction{Tool: tool, Target: target, Properties: properties}}
	for n := 0; n < len(sentences); {
		quote, last := h.sentences[sentences[n]].text, sentences[n]
		for n++; n < len(sentences) && sentences[n] == last+1 && h.sentences[last+1].turn == h.sentences[last].turn; n++ {
			last++
			quote += " " + h.sentences[last].text
		}
		if e, ok := h.words.Find(quote); ok {
			a.Evidence = append(a.Evidence, e)
		}
	}
	if len(a.Evidence) == 0 {
		return nil // too short to show anything, or too long to be read
	}
	return a
}

// start is when the meeting began, where it was.
func (h *hearing) start() time.Time { return h.subject.start().In(h.subject.location()) }

// tongues are the languages that the rules hear, in the order of all their tables.
var tongues = [...]string{"en", "de", "fr", "es", "pt"}

// dealOf is the target of what is said of a deal: the one of that name, or the only
// one that can be meant.
func dealOf(name string) meeting.RecordRef {
	name = strings.TrimSpace(name)
	if slices.Contains(strings.Fields("this that the our your new it den der die das dieser diesen unseren l le la cette el la este esta o a este esse"), strings.ToLower(name)) {
		name = ""
	}
	return meeting.RecordRef{Object: "deal", Name: name}
}

func capitalised(s string) string {
	for i, r := range s {
		return strings.ToUpper(string(r)) + s[i+len(string(r)):]
	}
	return s
}
