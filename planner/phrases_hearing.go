package planner

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/debriefhq/debrief/meeting"
)

// hearing is a meeting's words as sentences, with who said them.
type hearing struct {
	subject   Subject
	people    People
	words     Words
	sentences []sentence
	// contents and sums are those of the sentences, made when they are needed first.
	contents [][]string
	sums     [][]float64
	// dates and days are what DatesIn and dayWords say of a sentence's text, once asked.
	dates map[string][]Dated
	days  map[string]dayMarks
}

// side is whose words they are.
type side int

const (
	unknown side = iota // a voice that is nobody known
	ours
	theirs
	written // in notes that nobody spoke
)

type voice struct {
	side  side
	name  string
	email string
}

type sentence struct {
	text string // as it stands, on one line
	// words are those of the text between spaces, in lower case, with a comma where
	// something separates, and a full stop at either end.
	words    string
	tokens   []token
	voice    voice
	turn     int // sentences that one speaker says in a row are of one turn
	at       float64
	question bool
}

// token is a word: where it begins in sentence.words, and where it stands in the text.
type token struct {
	word           string
	at, start, end int
}

// mostSentences bounds what one meeting makes anyone do.
const mostSentences = 20_000

func listen(s Subject) *hearing {
	h := &hearing{subject: s, people: Who(s), words: WordsOf(s.Meeting.Details)}
	turn := -1
	segments := s.Meeting.Transcript.Segments
	for i := 0; i < len(segments); {
		if i == 0 || segments[i].Speaker != segments[i-1].Speaker || segments[i].Email != segments[i-1].Email {
			turn++
		}
		// A platform may cut a sentence in two: who goes on speaking goes on with it.
		text, j := segments[i].Text, i+1
		for j < len(segments) && segments[j].Speaker == segments[i].Speaker && segments[j].Email == segments[i].Email && !ended.MatchString(text) {
			text += " " + segments[j].Text
			j++
		}
		h.add(text, h.voiceOf(segments[i]), turn, segments[i].StartSeconds)
		i = j
	}
	for _, t := range []meeting.Text{s.Meeting.Summary, s.Meeting.NextSteps} {
		for _, l := range linesOf(t) {
			turn++
			h.add(plain(l.text), voice{side: written}, turn, 0)
		}
	}
	return h
}

// ended is a text that ends a sentence.
var ended = regexp.MustCompile(`[.!?…]["”»’' )]*\s*$`)

func (h *hearing) add(text string, v voice, turn int, at float64) {
	for _, text := range sentencesOf(text) {
		if len(h.sentences) == mostSentences {
			return
		}
		s := sentence{text: text, voice: v, turn: turn, at: at, question: strings.HasSuffix(strings.TrimRight(text, `"”»’' )`), "?")}
		s.tokens, s.words = tokensOf(text)
		h.sentences = append(h.sentences, s)
	}
}

// voiceOf says whose voice a segment's is: by its address, else by the name, if only
// one who was there has it.
func (h *hearing) voiceOf(s meeting.Segment) voice {
	if email := address(s.Email); email != "" {
		for _, p := range h.people.Internal {
			if p.Email == email {
				return voice{ours, p.display(), p.Email}
			}
		}
		for _, p := range h.people.External {
			if p.Email == email {
				return voice{theirs, p.display(), p.Email}
			}
		}
		return voice{name: s.Speaker}
	}
	return h.named(s.Speaker)
}

// named is the one who was there under a name; unknown if nobody was, or several.
func (h *hearing) named(name string) voice {
	all := h.allNamed(name)
	if len(all) == 1 {
		return all[0]
	}
	return voice{name: strings.TrimSpace(name)}
}

// allNamed are those who were there with a name, or with all words of it in theirs.
func (h *hearing) allNamed(name string) []voice {
	wanted := wordsIn(name)
	if len(wanted) == 0 {
		return nil
	}
	var whole, part []voice
	look := func(s side, name, email string) {
		v, words := voice{s, name, email}, wordsIn(name)
		switch {
		case slices.Equal(words, wanted):
			whole = append(whole, v)
		case !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(words, w) }):
			part = append(part, v)
		}
	}
	for _, p := range h.people.Internal {
		look(ours, p.display(), p.Email)
	}
	if host := h.people.Host; !slices.ContainsFunc(h.people.Internal, func(p Person) bool { return p.Email == host.Email }) {
		look(ours, host.Name, host.Email)
	}
	for _, p := range h.people.External {
		look(theirs, p.display(), p.Email)
	}
	if len(whole) > 0 {
		return whole
	}
	return part
}

// pause is how many seconds may pass between what is said and an answer to it, beside the
// time that it takes to say it.
const pause = 45

// near says that a sentence follows on another at once, as far as it is known when
// they were said.
func (h *hearing) near(i, j int) bool {
	i, j = min(i, j), max(i, j)
	return h.sentences[j].at-h.sentences[i].at <= pause+float64(len(h.sentences[i].text))/10
}

// before is the sentence that leads to another one: of the same turn, or the last of
// the turn before it.
func (h *hearing) before(i int) (int, bool) {
	if i == 0 || !h.near(i-1, i) || (h.sentences[i-1].voice.side == written) != (h.sentences[i].voice.side == written) {
		return 0, false
	}
	return i - 1, true
}

// reply are the sentences of the next one who speaks.
func (h *hearing) reply(i int) []sentence {
	turn := h.sentences[i].turn
	var out []sentence
	for j, s := range h.sentences[i+1:] {
		if s.turn == turn+1 && s.voice.side != written && h.near(i, i+1+j) {
			out = append(out, s)
		}
		if s.turn > turn+1 {
			break
		}
	}
	return out
}

var abbreviations = wordSet("mr mrs ms dr hr fr fa st no nr z b d h u a z.b bzw ca etc sr sra srta mme mlle vs inc ltd approx prof")

// sentencesOf takes a text apart: at full stops and marks, but not within numbers,
// dates and abbreviations.
func sentencesOf(text string) []string {
	text = strings.Join(strings.Fields(strings.Map(visible, norm.NFKC.String(text))), " ")
	var out []string
	from := 0
	for i, r := range text {
		if !strings.ContainsRune(".!?…", r) {
			continue
		}
		end := i + len(string(r))
		rest := text[end:]
		if strings.TrimLeft(rest, ".!?…") != rest {
			continue // more marks follow
		}
		if rest != "" {
			closing := len(rest) - len(strings.TrimLeft(rest, `"”»’)`))
			end, rest = end+closing, rest[closing:]
			if !strings.HasPrefix(rest, " ") {
				continue
			}
		}
		if r == '.' && rest != "" {
			before := wordsIn(strings.ToValidUTF8(text[max(from, i-24):i], ""))
			last := ""
			if len(before) > 0 {
				last = before[len(before)-1]
			}
			next := wordsIn(strings.ToValidUTF8(rest[:min(len(rest), 60)], ""))
			switch {
			case abbreviations[last]:
				continue
			case strings.Trim(last, "0123456789") == "" && last != "" && len(next) > 0 && (isDayWord(next[0]) || next[0] == "quartal"):
				continue // "30. April"
			}
		}
		if s := strings.TrimSpace(text[from:end]); s != "" {
			out = append(out, s)
		}
		from = end
	}
	if s := strings.TrimSpace(text[from:]); s != "" {
		out = append(out, s)
	}
	return out
}

// tokensOf takes a sentence apart as wordsIn does, but keeps where the words stand,
// and a comma for what separates its parts.
func tokensOf(text string) ([]token, string) {
	var tokens []token
	start := -1
	add := func(from, to int) {
		tokens = append(tokens, token{word: strings.ToLower(text[from:to]), start: from, end: to})
	}
	end := func(at int) {
		if start >= 0 {
			add(start, at)
			start = -1
		}
	}
	var last rune
	for i, r := range text {
		next := rune(0)
		for _, n := range text[i+len(string(r)):] {
			next = n
			break
		}
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r),
			strings.ContainsRune(".,'’", r) && unicode.IsDigit(last) && unicode.IsDigit(next):
			if start < 0 {
				start = i
			}
		case unicode.Is(unicode.Sc, r) || r == '%':
			end(i)
			add(i, i+len(string(r)))
		case strings.ContainsRune(",;:()–—", r) || r == '-' && last == ' ' && next == ' ':
			end(i)
			tokens = append(tokens, token{word: ",", start: i, end: i + len(string(r))})
		default:
			end(i)
		}
		last = r
	}
	end(len(text))
	var words strings.Builder
	words.WriteString(" . ")
	for i := range tokens {
		tokens[i].at = words.Len()
		words.WriteString(tokens[i].word)
		words.WriteByte(' ')
	}
	words.WriteString(". ")
	return tokens, words.String()
}

// pattern is one of whole words: "." is an end of the sentence and "," what separates
// its parts.
type pattern struct{ *regexp.Regexp }

// patterns compiles some. The words in braces are those of the vocabulary.
func patterns(vocabulary map[string]string, all ...string) []pattern {
	var out []pattern
	for _, p := range all {
		for range 2 { // words may be made of words
			for name, words := range vocabulary {
				p = strings.ReplaceAll(p, "{"+name+"}", words)
			}
		}
		out = append(out, pattern{regexp.MustCompile(" (?:" + p + ") ")})
	}
	return out
}

// match is what a pattern found in a sentence.
type match struct {
	sentence
	at, tongue int
	pattern    pattern
	index      []int
}

func (p pattern) find(s sentence) (match, bool) {
	index := p.FindStringSubmatchIndex(s.words)
	return match{sentence: s, pattern: p, index: index}, index != nil
}

// group are the words of a named group, as they stand in the text; and has says
// whether there are any.
func (m match) group(name string) string {
	i := m.pattern.SubexpIndex(name)
	if i < 0 || m.index[2*i] < 0 {
		return ""
	}
	return m.textOf(m.index[2*i], m.index[2*i+1])
}

// rest is the text behind a group, or behind the match, up to the end of that part of
// the sentence.
func (m match) rest() string {
	end := m.index[1] - 1
	to := len(m.words)
	if comma := strings.Index(m.words[end:], " , "); comma >= 0 {
		to = end + comma
	}
	return m.textOf(end, to)
}

// textOf is the text of the words from one place in sentence.words to another.
func (s sentence) textOf(from, to int) string {
	first, last := -1, -1
	for i, t := range s.tokens {
		if t.at >= from && t.at+len(t.word) <= to && t.word != "," {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return ""
	}
	return s.text[s.tokens[first].start:s.tokens[last].end]
}

// harmless are the words of a language that look like a negation, a condition or
// doubt, and are none.
var harmless = [len(tongues)]*regexp.Regexp{
	anyOf(`not a (?:cent|penny|dollar|pound|euro) (?:more|less)`, `no (?:problem|worries|rush|doubt)`, `not only`, `why not`, `(?:if|when) (?:that s|it s|you re) (?:ok|okay|fine|alright|happy)`,
		`(?:check|see|ask|know|find out|tell you|confirm|clarify|look|verify) (?:if|whether)`, `(?:could|would|can|will) you(?: please)?`, `(?:shall|should|can|may|could) (?:i|we)`, `(?:i|we) (?:d|would) (?:like|ask)`,
		`so (?:that )?(?:we|i|you|it|nothing|nobody) (?:don t|do not|won t|doesn t|gets?).*`, `same as last year`, `don t (?:worry|forget)`, `or so we`, `not (?:euros?|dollars?|pounds?|francs?)`, `no ,`),
	anyOf(`nicht (?:euro|franken|dollar|pfund)`, `kein(?:e)? (?:problem|sorge|thema)`, `(?:keinen )?cent mehr`, `nicht nur`, `damit (?:wir|ich|das|es|nichts).*`, `(?:könnten|würden|könntest|würdest) (?:sie|du)`,
		`ich würde sie bitten`, `(?:ich hätte|wir hätten) (?:gern|gerne)`, `nicht vergessen`, `wenn (?:das|es) (?:okay|ok|recht) ist`, `(?:nachsehen|schauen|prüfen|klären|fragen) ob`),
	anyOf(`pas un(?:e|)? (?:de plus|centime de plus|euro de plus)`, `pas de (?:souci|problème)s?`, `pour ne pas.*`, `(?:pourriez|pouvez|voudriez) vous`, `n oublie[zr]? pas`, `non (?:, )?pardon`, `voir si`, `vérifier si`, `ne (?:t|vous) inquiète[zs]? pas`),
	anyOf(`no (?:euros|dólares)`, `para (?:que )?no.*`, `no (?:hay problema|te preocupes|se preocupe)`, `podrías?`, `no (?:, )?perdón`, `no ,`, `ni un (?:euro|céntimo) más`, `sin problema`, `ver si`, `comprobar si`),
	anyOf(`não (?:euros|reais|dólares)`, `para não.*`, `não (?:tem problema|se preocupe)`, `poderia`, `não (?:, )?(?:desculpa|perdão)`, `não ,`, `nem um (?:centavo|real|euro) a mais`, `sem problemas?`, `ver se`, `verificar se`, `confirmar se`),
}

func anyOf(patterns ...string) *regexp.Regexp {
	return regexp.MustCompile(" (?:" + strings.Join(patterns, "|") + ") ")
}

// The words beside those of mood.go that keep a rule from hearing: what is unsure, and
// what is only planned or supposed.
const phraseUnsure = `
probably|might|could|would|should|approximately|hopefully|likely|thinking of|thinking about|considering|hope|hoping|try to|suppose|supposedly|imagine|pretend|hypothetically|one day|some day|eventually|at some point|in theory|would have|could have|i guess|dunno|until we|once|as soon as|when they|when you|when we|before we can|said they|said he|said she|told him|told her|told them|i said i|i was going to|i wanted to|we said we|he says|she says|they said|he said|she said
wahrscheinlich|vermutlich|könnte|könnten|würde|würden|wäre|wären|hätte|hätten|sollte|sollten|ungefähr|etwa|circa|ca|rund|hoffentlich|irgendwann|überlege|überlegen|angenommen|theoretisch|womöglich|möglicherweise|versuche|sagt er|sagte er|sagt sie|meinte|sobald|nachdem
probablement|sans doute|pourrait|pourrais|serait|devrait|environ|autour de|éventuellement|un jour|imaginons|en théorie|j espère|essayer|essaie|dès que|quand vous|quand ils|une fois que|il a dit|elle a dit|ils ont dit
probablemente|podría|podrían|sería|serían|debería|alrededor|aproximadamente|unos|unas|ojalá|algún día|en teoría|intentaré|espero|cuando|en cuanto|dijo que|dijeron|seguramente
provavelmente|poderia|poderiam|seria|seriam|deveria|cerca de|aproximadamente|uns|umas|quem sabe|um dia|em teoria|vou tentar|espero|quando|assim que|disse que|disseram|possivelmente`

const phraseNot = `
not|don t|doesn t|didn t|won t|isn t|aren t|wasn t|can t|cannot|never|no longer|haven t|hasn t|hold off|wait with|instead of|nobody|without|stop|cancel|forget|shouldn t|needn t|no need
nicht|nie|niemals|kein|keine|keinen|keiner|nichts|statt|ohne|abwarten|vergiss|vergessen sie
ne|n|pas|jamais|aucun|aucune|sans|oublie|oubliez|plutôt que
no|nunca|jamás|ningún|ninguna|tampoco|sin|olvida|olvídate
não|nem|nunca|jamais|nenhum|nenhuma|sem|esquece|esqueça`

// phraseNo are the words with which the next one takes something back.
const phraseNo = `
no no|no don t|don t|not yet|no need|wait|hold on|hang on|scratch that|actually no|never mind|i m kidding|just kidding|kidding|joking|i didn t say|didn t say that|not so fast|better not|please don t|that s wrong
nein|nicht nötig|noch nicht|moment|stopp|halt|bitte nicht|lieber nicht|scherz|spaß|hab ich nicht|habe ich nicht|stimmt nicht|doch nicht
non|pas encore|attends|attendez|surtout pas|je plaisante|je rigole|je n ai pas|pas la peine|c est faux|mieux vaut pas
no no|todavía no|aún no|espera|espere|mejor no|es broma|no hace falta|yo no he|no es cierto
não|ainda não|espera|espere|melhor não|brincadeira|não precisa|eu não|não é verdade`

// byTongue are the tables by language.
var byTongue = struct{ not, no, unsure, condition, hearsay, loose, done [len(tongues)]string }{
	not: lines(phraseNot), no: lines(phraseNo), unsure: lines(phraseUnsure), condition: lines(moodIf), hearsay: lines(moodHearsay), loose: lines(moodLoose), done: lines(moodDone),
}

// lines are a table's, one for each language.
func lines(table string) [len(tongues)]string {
	var out [len(tongues)]string
	for i, l := range strings.Split(strings.TrimSpace(table), "\n") {
		out[i] = l
	}
	return out
}

// plainWords are a sentence's words without what is harmless and without separators.
func plainWords(words string, tongue int) string {
	words = harmless[tongue].ReplaceAllString(words, "  ")
	words = strings.NewReplacer(" , ", " ", " . ", " ").Replace(words)
	return " " + strings.Join(strings.Fields(words), " ") + " "
}

// meant says that a sentence is what it says: not negated, conditional, hearsay, a
// joke or done already, and not taken back by who speaks next.
func (h *hearing) meant(i, tongue int) bool {
	s := h.sentences[i]
	words := plainWords(s.words, tongue)
	t := byTongue
	for _, table := range []string{t.not[tongue], t.unsure[tongue], t.condition[tongue], t.loose[tongue], t.done[tongue]} {
		if hasAny(words, table) {
			return false
		}
	}
	if s.voice.side == written {
		return true
	}
	// A joke is laughed at in any language, and hearsay told in the sentence before.
	if hasAny(words, moodHearsay) || hasAny(words, "haha|ha ha|hahaha|lol|jaja|kkk|rsrs") {
		return false
	}
	if b, ok := h.before(i); ok && h.sentences[b].turn == s.turn && hasAny(h.sentences[b].words, t.hearsay[tongue]) {
		return false
	}
	if i+1 < len(h.sentences) && h.sentences[i+1].turn == s.turn && h.near(i, i+1) {
		next := plainWords(h.sentences[i+1].words, tongue)
		if begins(next, t.condition[tongue]) || begins(next, t.no[tongue]) || begins(next, "only if|but only|but not|aber nur|aber nicht|mais seulement|pero solo|mas só") || hasAny(next, t.loose[tongue]) && h.sentences[i+1].voice.side == theirs {
			return false
		}
	}
	for n, r := range h.reply(i) {
		if n < 2 && (n == 0 && saysNo(r.words) || begins(plainWords(r.words, tongue), t.no[tongue]) || hasAny(r.words, "haha|just kidding|i m kidding|scherz|je plaisante|es broma|brincadeira")) {
			return false
		}
	}
	return true
}

// saysNo says that a sentence begins with a plain "no".
func saysNo(words string) bool {
	first := firstWords(strings.TrimPrefix(words, " . "), 2)
	return len(first) == 2 && slices.Contains([]string{"no", "nope", "nein", "nee", "non", "não"}, first[0]) && (first[1] == "," || first[1] == ".")
}

// begins says whether words begin with one of a table.
func begins(words, table string) bool {
	for p := range strings.SplitSeq(table, "|") {
		if strings.HasPrefix(words, " "+p+" ") {
			return true
		}
	}
	return false
}

// toMachine says that somebody who is none of the organization's own talks to the
// software, in the sentence or beside it in the same turn.
func (h *hearing) toMachine(i int) bool {
	s := h.sentences[i]
	if s.voice.side == ours {
		return false
	}
	if strings.ContainsAny(s.text, "[]{}<>|") {
		return true
	}
	for j := i; j >= 0 && h.sentences[j].turn == s.turn; j-- {
		if namesMachine(h.sentences[j].words) {
			return true
		}
	}
	for j := i + 1; j < len(h.sentences) && h.sentences[j].turn == s.turn; j++ {
		if namesMachine(h.sentences[j].words) {
			return true
		}
	}
	return false
}

// phraseMachine is how people address the software, or try what it does.
const phraseMachine = `debrief|bot|chatbot|notetaker|note taker|llm|gpt|chatgpt|claude|copilot|gemini|system prompt|system message|prompt|ignore all|ignore previous|ignore the previous|` +
	`ignore your|disregard|developer mode|override|jailbreak|tool call|json|ki|k i|assistent|assistentin|notizbot|protokollbot|ignoriere|ignoriert|ia|i a|ignore les|ignorez|` +
	`ignora las|ignora todo|asistente|assistente|ignore as|ignore todas|assistant|dear system|liebes system`

func namesMachine(words string) bool {
	// "J'ai" is no machine.
	return hasAny(words, phraseMachine) || hasAny(words, "ai|a i") && !hasAny(words, "j|je|vous|nous|t|l|n")
}
