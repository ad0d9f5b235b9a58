package planner

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// taskRules are those that make tasks: for one of the organization's own people what
// they promise, and for the host what the other side does.
var taskRules = []PhraseRule{
	{
		Name:  "task-promised",
		Hears: "what one of yours promises, with a day: “I'll send you the offer by Friday”, “Chris will call you tomorrow”",
		by:    []side{ours},
		hear:  promised,
	},
	{
		Name:  "task-awaited",
		Hears: "what one of theirs promises you, with a day, for the host to wait for: “I'll send you the purchase order by Friday”",
		by:    []side{theirs},
		hear:  awaited,
	},
	{
		Name:  "task-offered",
		Hears: "what one of yours offers with a day, where the answer is yes: “Can I send you the case study by Friday?” – “Friday's good”",
		by:    []side{ours},
		hear:  offered,
	},
	{
		Name:  "task-asked",
		Hears: "what one of yours is asked for with a day, and agrees to: “Can you send the offer by Monday?” – “Sure”",
		by:    []side{ours, theirs},
		hear:  asked,
	},
	{
		Name:  "task-noted",
		Hears: "what notes say that one of yours does, with a day: “Priya sends the form by 20 November”",
		by:    []side{written},
		hear:  noted,
	},
}

// promise is what somebody does, with where it stands among the tokens.
type promise struct {
	infinitive string
	tongue     int
	first      int // the first word of it: "I", or in German the first of its clause
	from       int // where what is done begins
	verb       int
	// we: it was said of several. can: it was said that one can, and not that one does.
	we, can bool
}

// promised hears who of the organization's own says what they, or a colleague, will do,
// and when.
func promised(h *hearing, i int) *heard {
	s := h.sentences[i]
	if s.question {
		return nil
	}
	for tongue := range tongues {
		if p, ok := s.promises(tongue); ok {
			if s.ofAll(p) {
				return nil
			}
			return h.task(s.voice.email, i, p).
				orAsk(p.we && len(h.people.Internal) > 1, whoDoesIt).
				orAsk(p.can && !h.agreed(i), onlyOffered)
		}
	}
	for tongue := range tongues {
		if a := h.others(i, tongue); a != nil {
			return a
		}
	}
	return nil
}

// awaited hears what the other side will do for the organization. What they do for
// themselves is their own affair.
func awaited(h *hearing, i int) *heard {
	s := h.sentences[i]
	if s.question {
		return nil
	}
	for tongue := range tongues {
		p, ok := s.promises(tongue)
		if !ok {
			continue
		}
		toUs := hasAny(s.words, youWords[tongue])
		if s.ofAll(p) || !delivering[p.infinitive] && !toUs {
			return nil
		}
		return h.task(hostWaits, i, p).
			orAsk(!delivering[p.infinitive], whatItIs).
			orAsk(p.can, onlyOffered)
	}
	return nil
}

// hostWaits leaves a task to the plan, which gives it to the host.
const hostWaits = ""

// carriedOut are the verbs of which "we" tells what the house will do, and not what
// one of it has to.
var carriedOut = wordSet(`deliver ship install build run test fix finish complete sign order liefern bestellen testen livrer commander entregar`)

// delivering are the verbs of what one does for another.
var delivering = wordSet(`send email forward share get mail bring deliver upload resend submit provide confirm come reply let return text message circulate have pass follow
	schicken senden zusenden mailen leiten weiterleiten zuschicken nachreichen melden geben reichen bestätigen liefern bringen informieren
	envoyer renvoyer transmettre transférer adresser fournir confirmer partager rappeler recontacter
	enviar mandar pasar reenviar facilitar confirmar compartir entregar
	passar encaminhar compartilhar partilhar`)

// youWords are for those who are spoken to.
var youWords = [len(tongues)]string{"you|your", "ihnen|sie|dir|dich|euch|ihr|ihre|ihren", "vous|te|t|toi|votre|vos", "te|le|les|os|usted|ustedes|vosotros", "te|lhe|lhes|vos|você|vocês|ti"}

// ofAll says that a promise is what the house will do.
func (s sentence) ofAll(p promise) bool { return carriedOut[p.infinitive] && p.we }

// noted hears what notes say that one of the organization's own does, where there is
// nothing else to hear it from.
func noted(h *hearing, i int) *heard {
	if h.words.Spoken() || len(h.subject.Meeting.ActionItems) > 0 {
		return nil // it was heard there: what notes make of it would be the same again
	}
	for tongue := range tongues {
		if a := h.others(i, tongue); a != nil {
			return a
		}
	}
	return nil
}

// offered hears an offer that is taken: "Can I send you …?", "I'll send you …, okay?"
func offered(h *hearing, i int) *heard {
	s := h.sentences[i]
	if !s.question || !h.agreed(i) {
		return nil
	}
	for tongue := range tongues {
		if m := verbsBy[tongue].offer.FindStringIndex(s.words); m != nil {
			if p, ok := s.infinitive(tongue, m[1]-1); ok {
				p.first = s.tokenAt(m[0])
				return h.task(s.voice.email, i, p)
			}
		}
		if p, ok := s.promises(tongue); ok && !s.ofAll(p) {
			return h.task(s.voice.email, i, p).orAsk(p.we && len(h.people.Internal) > 1, whoDoesIt)
		}
	}
	return nil
}

// asked hears what one of the organization's own is asked for, and agrees to.
func asked(h *hearing, i int) *heard {
	s := h.sentences[i]
	for tongue := range tongues {
		table := verbsBy[tongue]
		m := table.ask.FindStringSubmatchIndex(s.words)
		if m == nil || tongue == 0 && !s.question && !strings.Contains(s.words, " please ") {
			continue
		}
		p, ok := s.infinitive(tongue, m[1]-1)
		if !ok {
			if p, ok = s.infinitive(tongue, 0); !ok {
				continue
			}
		}
		p.first = s.tokenAt(m[0])
		if s.voice.side == ours && !h.calls(s) {
			return nil // who could be one of the other side
		}
		reply := h.reply(i)
		if len(reply) == 0 || reply[0].voice.side != ours || reply[0].voice.email == "" || !h.agreed(i) {
			return nil
		}
		return h.task(reply[0].voice.email, i, p)
	}
	return nil
}

// calls says that a sentence calls a colleague by the name.
func (h *hearing) calls(s sentence) bool {
	for j, t := range s.tokens {
		if s.wordAt(j+1) != "," && s.wordAt(j-1) != "," {
			continue
		}
		all := h.allNamed(s.text[t.start:t.end])
		if len(all) == 1 && all[0].side == ours {
			return true
		}
	}
	return false
}

// agreed says that who speaks next says yes.
func (h *hearing) agreed(i int) bool {
	reply := h.reply(i)
	if len(reply) == 0 {
		return false
	}
	words := plainWords(reply[0].words, 0)
	first := " " + strings.Join(firstWords(words, 4), " ") + " "
	if saysNo(reply[0].words) || begins(words, "no|nope|nein|nee|non|não") {
		return false
	}
	for tongue := range verbsBy {
		if hasAny(first, verbsBy[tongue].yes) && !hasAny(plainWords(reply[0].words, tongue), byTongue.not[tongue]) && !hasAny(words, buts) {
			return true
		}
	}
	return false
}

func firstWords(words string, n int) []string {
	all := strings.Fields(words)
	return all[:min(n, len(all))]
}

// promises finds what the speaker promises.
func (s sentence) promises(tongue int) (promise, bool) {
	table := verbsBy[tongue]
	if m := table.will.FindStringIndex(s.words); m != nil {
		if p, ok := s.infinitive(tongue, m[1]-1); ok {
			said := s.words[m[0]:m[1]]
			p.first = s.tokenAt(m[0])
			if tongues[tongue] == "de" {
				p.first = s.clauseOf(p.first)
			}
			p.we, p.can = hasAny(said, "we|wir|nous|on|vamos|podemos"), hasAny(said, "kann|können|peux|peut|puedo|podemos|posso")
			return p, true
		}
	}
	for at, t := range s.tokens {
		infinitive, ok := table.self[t.word]
		if !ok {
			continue
		}
		first, mine := s.saidOfOneself(tongue, at)
		if mine {
			we := hasAny(" "+s.words, " wir|nous|on") && slices.Contains([]string{"wir", "nous", "on"}, s.wordAt(first)) || tongues[tongue] == "de" && s.wordAt(at+1) == "wir" || strings.HasSuffix(t.word, "mos")
			return promise{infinitive: infinitive, tongue: tongue, first: first, from: at, verb: at, we: we}, true
		}
	}
	return promise{}, false
}

// saidOfOneself says whether the verb at a token is said by the speaker of themselves,
// and which is the first word of it: "je vous les envoie".
func (s sentence) saidOfOneself(tongue, at int) (first int, mine bool) {
	table := verbsBy[tongue]
	before, after := s.wordAt(at-1), s.wordAt(at+1)
	switch tongues[tongue] {
	case "de":
		if slices.Contains(table.me, after) {
			return s.clauseOf(at), true
		}
		return at - 1, slices.Contains(table.me, before)
	case "fr":
		for j := at - 1; j >= 0 && j >= at-4; j-- {
			word := s.wordAt(j)
			if slices.Contains([]string{"je", "j", "on"}, word) || word == "nous" && j == at-1 {
				return j, true
			}
			if !slices.Contains([]string{"nous", "vous", "te", "t", "le", "la", "les", "l", "lui", "leur", "y", "en"}, word) {
				return 0, false
			}
		}
		return 0, false
	case "es", "pt": // a verb alone says who
		first = at
		for first > 0 && slices.Contains(table.me, s.wordAt(first-1)) {
			first--
		}
		if slices.Contains([]string{"el", "un", "del", "este", "tu", "su", "o", "do", "um", "la", "a"}, before) && !slices.Contains([]string{"te", "le", "lhe", "eu", "yo"}, s.wordAt(at-2)) {
			return 0, false
		}
		opened := first == 0 || slices.Contains([]string{",", "y", "e", "pues", "entonces", "então", "mañana", "amanhã", "hoy", "hoje"}, s.wordAt(first-1))
		return first, slices.Contains(table.me, before) || opened
	default:
		return 0, false
	}
}

// tokenAt is the first token behind a place in the words.
func (s sentence) tokenAt(place int) int {
	for j, t := range s.tokens {
		if t.at > place {
			return j
		}
	}
	return len(s.tokens)
}

// clauseOf is the first token of the part of the sentence that a token stands in.
func (s sentence) clauseOf(at int) int {
	for at > 0 && s.tokens[at-1].word != "," {
		at--
	}
	return at
}

func (s sentence) wordAt(i int) string {
	if i < 0 || i >= len(s.tokens) {
		return ""
	}
	return s.tokens[i].word
}

// infinitive finds the verb behind a place in the words: right there in most
// languages, at the end of its part of the sentence in German.
func (s sentence) infinitive(tongue, behind int) (promise, bool) {
	table := verbsBy[tongue]
	first, seen := -1, 0
	for at, t := range s.tokens {
		if t.at < behind {
			continue
		}
		if first < 0 {
			first = at
		}
		word := t.word
		if tongues[tongue] == "es" || tongues[tongue] == "pt" {
			for _, ending := range []string{"selo", "sela", "telo", "los", "las", "les", "te", "le", "os", "lo", "la", "nos", "me"} {
				if cut, ok := strings.CutSuffix(word, ending); ok && table.infinitives[cut] {
					word = cut
				}
			}
		}
		if tongues[tongue] == "de" && strings.HasPrefix(word, "zu") && table.infinitives[strings.TrimPrefix(word, "zu")] && !table.infinitives[word] {
			word = strings.TrimPrefix(word, "zu")
		}
		if table.infinitives[word] {
			return promise{infinitive: word, tongue: tongue, first: first, from: first, verb: at}, true
		}
		seen++
		if tongues[tongue] != "de" && (seen > 4 || word == ",") {
			break
		}
	}
	return promise{}, false
}

// others hears what a colleague is said to do: "Chris will send you the agreement".
func (h *hearing) others(i, tongue int) *heard {
	s, table := h.sentences[i], verbsBy[tongue]
	if s.question {
		return nil
	}
	if m := table.willOther.FindStringSubmatchIndex(s.words); m != nil {
		who := s.textOf(m[2*table.willOther.SubexpIndex("who")], m[2*table.willOther.SubexpIndex("who")+1])
		if p, ok := s.infinitive(tongue, m[1]-1); ok {
			return h.taskOf(who, s.tokenAt(m[0]), i, p)
		}
	}
	for at, t := range s.tokens {
		if infinitive, ok := table.other[t.word]; ok && at > 0 && s.tokens[at-1].word != "," {
			from := max(0, at-2)
			if a := h.taskOf(s.text[s.tokens[from].start:s.tokens[at-1].end], from, i, promise{infinitive: infinitive, tongue: tongue, from: at, verb: at}); a != nil {
				return a
			}
		}
	}
	return nil
}

// taskOf is a task of the colleague whose name ends some words, which begin at a token,
// if only one of those who were there has that name.
func (h *hearing) taskOf(who string, at, i int, p promise) *heard {
	fields := strings.Fields(who)
	for n := min(2, len(fields)); n > 0; n-- {
		name := nameAt(strings.Join(fields[len(fields)-n:], " "))
		if name == "" || len(strings.Fields(name)) != n {
			continue
		}
		if all := h.allNamed(name); len(all) > 0 {
			if len(all) == 1 && all[0].side == ours && all[0].email != "" {
				p.first = at + len(fields) - n
				return h.task(all[0].email, i, p)
			}
			return nil
		}
	}
	return nil
}

// task proposes what was promised, where a day is named and all is meant; as a question,
// where it is not plain.
func (h *hearing) task(owner string, i int, p promise) *heard {
	s := h.sentences[i]
	if owner == "" && s.voice.side != theirs {
		return nil
	}
	if whole := halves[p.infinitive]; whole != nil && !whole.MatchString(s.words) || !h.meant(i, p.tongue) {
		return nil
	}
	due, ok := h.dueIn(i, p)
	if !ok {
		return nil
	}
	quoted := []int{i}
	if other, at, ok := h.otherDay(i, due.Dated); ok {
		if at < 0 {
			return nil
		}
		due.Dated, due.doubt, quoted = other, whichDay, append(quoted, at)
	}
	subject := h.subjectOf(s, p, owner)
	if b, ok := h.before(i); ok && subject.pointing && h.sentences[b].voice.side != written {
		// "I'll send it": what it is was said before.
		subject.text = clip(subject.text+" ("+strings.TrimRight(h.sentences[b].text, ".!?… ")+")", mostTitle)
		if h.sentences[b].turn == s.turn {
			quoted = append([]int{b}, quoted...)
		}
	}
	properties := map[string]string{"hs_task_subject": subject.text, "hs_timestamp": due.To.Format(time.DateOnly)}
	if owner != "" {
		properties["hubspot_owner_id"] = owner
	}
	words := plainWords(s.kept(subject.left, subject.to), p.tongue)
	return h.propose("task.create", meeting.RecordRef{}, properties, quoted...).
		orAsk(subject.pointing, whatItIs).
		orAsk(subject.several, manyThings).
		orAsk(subject.others, whoDoesIt).
		orAsk(!h.leads(s, p.first, subject.left) || hasAny(words, limits[p.tongue]), aside).
		orAsk(due.doubt != "", due.doubt).
		orAsk(true, h.unsettled(i, p.tongue)).
		orAsk(len(h.items()) > 0, notOnTheList).
		orAsk(h.comesUpAgain(i, p.tongue, subject.text, func(later sentence) bool { return h.sameDay(later, due.Dated) }), cameUpAgain)
}

// items are the platform's open action items: whoever made them heard the whole talk.
func (h *hearing) items() []meeting.ActionItem {
	return slices.DeleteFunc(slices.Clone(h.subject.Meeting.ActionItems), func(item meeting.ActionItem) bool { return item.Completed })
}

// halves are verbs that promise only with what stands behind them: "I'll come back to
// you", and not "I'll come on Friday".
var halves = map[string]*regexp.Regexp{
	"come": wordsPattern(`come back (?:to|with)`), "get": wordsPattern(`get (?:back to|you|the|a|an|that|this|it|our|your|someone|somebody|\pL+ to)`), "drop": wordsPattern(`drop (?:\pL+ )*off`),
	"look": wordsPattern(`look (?:into|at)`), "reach": wordsPattern(`reach out`), "follow": wordsPattern(`follow up`), "let": wordsPattern(`let (?:you|them|him|her|\pL+) know`),
	"have": wordsPattern(`have (?:the|your|our|that|those|these|it|them) (?:\pL+ ){0,6}?(?:to you|over|ready|with you|for you)`), "set": wordsPattern(`set up`),
	"pass": wordsPattern(`pass (?:\pL+ ){1,5}?(?:on|along)`), "put": wordsPattern(`put (?:\pL+ ){0,5}?together`), "pull": wordsPattern(`pull (?:\pL+ ){0,5}?together`),
	"hand": wordsPattern(`hand (?:\pL+ ){0,5}?(?:over|in)`), "return": wordsPattern(`return (?:the|your|that|this|those|these)`), "sign": wordsPattern(`sign (?:the|your|that|this|those|these)`),
	"faire":  wordsPattern(`(?:vous|te|t|lui|leur) (?:le |la |les )?(?:fais|ferai|faisons)|faire (?:le|la|les|l|un|une|votre|vos)`),
	"hacer":  wordsPattern(`(?:te|le|les|os) (?:lo |la )?(?:hago|haré)|hacer(?:te|le|les|os)? (?:el|la|los|las|un|una)`),
	"fazer":  wordsPattern(`(?:te|lhe|lhes|vos) (?:faço|farei)|fazer (?:o|a|os|as|um|uma)`),
	"pasar":  wordsPattern(`(?:te|le|les|os) (?:lo |la |los |las )?(?:paso|pasaré|pasamos)|pasar\pL+`),
	"passar": wordsPattern(`(?:te|lhe|lhes|vos) (?:passo|passarei)|(?:passo|passar) (?:te|lhe|lhes)`),
}
