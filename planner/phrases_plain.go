package planner

import (
	"regexp"
	"slices"
	"strings"
)

// What was said explicitly is not yet plain. A colleague who writes it down without
// asking has heard a statement or a request that stands for itself: it opens its
// sentence, nothing in the sentence limits it, who answers leaves it as it is, and
// nobody comes back to it later. What fails one of these is a question.

// Why a human is asked about what a rule heard.
const (
	aside        = "more was said in the same sentence, which may limit it"
	brokenOff    = "the sentence breaks off"
	answered     = "what was answered may change it"
	cameUpAgain  = "it came up again later, and otherwise"
	fromBefore   = "it depends on what was said just before"
	whoDoesIt    = "it is not clear who of yours does it"
	whoItIs      = "a first name alone does not tell who is meant"
	onlyOffered  = "it was offered, and nobody said yes"
	manyThings   = "more than one thing was promised in the same breath"
	whatItIs     = "what it is about was not said in the same sentence"
	whichDay     = "which day was meant is not quite clear"
	notOnTheList = "the meeting's own action items do not have it"
	onlyWritten  = "it stands in what was written of the talk, and was not heard in it"
	oneSideSays  = "only one side said so"
	notAgreed    = "nobody who answered agreed to it"
	halfHeard    = "the words for it may go on"
	notAsked     = "it was not asked for in so many words"
)

// openers are what people say before they come to it; what else stands there may make
// of a promise one that is reported, wished or denied.
var openers = regexp.MustCompile(`^ (?:(?:,|and|so|okay|ok|then|also|plus|yes|yeah|yep|yup|sure|well|right|great|perfect|alright|all right|good|fine|lovely|cool|awesome|super|brilliant|excellent|wonderful|now|oh|ah|um|uh|er|erm|hm|anyway|absolutely|definitely|certainly|thanks|thank you|` +
	`meanwhile|in the meantime|after (?:this|the|our) (?:call|meeting)|from (?:my|our) side|on (?:my|our) (?:side|end)|for (?:my|our) part|no problem|no worries|of course|got it|understood|agreed|noted|will do|as (?:promised|discussed|agreed)|again|first|next|finally|otherwise|` +
	`debrief|ich|wir|je|j|on|und|also|ja|jo|klar|gut|genau|alles klar|passt|prima|dann|danke|vielen dank|äh|ähm|na|na ja|nun|jetzt|noch|außerdem|zusätzlich|einverstanden|natürlich|gerne|gern|sehr gerne|selbstverständlich|wie (?:besprochen|versprochen)|mach ich|mache ich|in ordnung|von (?:meiner|unserer) seite|kein problem|` +
	`et|alors|donc|oui|bon|bien|très bien|parfait|d accord|entendu|super|merci|moi|nous|de (?:mon|notre) côté|bien sûr|c est noté|ensuite|puis|aussi|euh|ben|comme (?:prévu|convenu)|pas de (?:souci|problème)|avec plaisir|impeccable|` +
	`y|entonces|pues|sí|vale|claro|perfecto|de acuerdo|muy bien|bien|bueno|gracias|yo|nosotros|por (?:mi|nuestra) parte|además|también|luego|eh|genial|estupendo|por supuesto|sin problema|hecho|` +
	`e|então|sim|tá|ok|claro|perfeito|combinado|certo|ótimo|beleza|obrigad[oa]|eu|nós|da (?:minha|nossa) parte|também|depois|bom|tudo bem|sem problemas?|pode deixar|fechado) )*$`)

// opens says that nothing stands before a word of a sentence but what people say
// before they come to it: a day, a name that calls somebody, a yes.
func (h *hearing) opens(s sentence, first int) bool {
	return h.leads(s, first, h.dayMarks(s).all)
}

func (h *hearing) leads(s sentence, first int, day []bool) bool {
	var before strings.Builder
	before.WriteByte(' ')
	for j, t := range s.tokens[:first] {
		if day[j] {
			continue
		}
		if next := s.wordAt(j + 1); next == "," || j == first-1 {
			if len(h.allNamed(s.text[t.start:t.end])) > 0 {
				continue
			}
		}
		before.WriteString(t.word + " ")
	}
	return openers.MatchString(before.String())
}

// limits are words of each language that set a limit to what a sentence says, or take
// back a part of it.
var limits = lines(`
if|but|although|though|however|unless|except|otherwise|instead|rather|actually|sorry|i mean|or|or so|apparently|when|whenever|once|after|before|until|till|depending|subject to|pending|assuming|provided|given that|ideally|at the earliest|earliest|or something|i think|i believe|we think|supposed to|meant to|in case|so that|pretty sure|fairly sure|expect|expecting|plan to|planning to|aim|aiming|either|neither|every|each|usually|normally|always|generally|typically
wenn|falls|aber|obwohl|sonst|außer|statt|eigentlich|entschuldigung|beziehungsweise|oder|je nachdem|idealerweise|frühestens|nachdem|bevor|vorbehaltlich|notfalls|quasi|quatsch|glaube|glaub|denke|denk|meine|schätze|wohl|sagen wir|entweder|immer|jeden|jede|jedes|normalerweise|üblicherweise|meistens|allerdings|zumindest
si|mais|sauf|sinon|plutôt|enfin|pardon|ou|selon|idéalement|au plus tôt|après|avant|quand|lorsque|quitte à|normalement|en principe|je crois|je pense|on pense|disons|soit|chaque|toujours|d habitude|cependant|pourtant|dès
si|pero|salvo|excepto|si no|perdón|digo|o|según|idealmente|como pronto|después|antes|cuando|normalmente|en principio|creo|pienso|digamos|cada|siempre|aunque|sin embargo|hasta
se der|se puder|se possível|se conseguir|mas|salvo|exceto|senão|aliás|desculpa|quer dizer|ou|conforme|idealmente|depois|antes|quando|normalmente|em princípio|acho|penso|digamos|cada|toda|todo|sempre|embora|porém|a não ser`)

// tails are how people go on when all is said: what stands behind them gives a reason
// or is a courtesy.
var tails = regexp.MustCompile(`^ (?:as (?:promised|discussed|agreed|always|usual)|so (?:that )?(?:you|we|i|they|it)|because|since|cause|okay|ok|right|alright|no problem|no worries|promise|i promise|thanks|thank you|i m (?:off|out|away|on|in)|` +
	`vorher|davor|weil|damit|denn|wie (?:besprochen|versprochen|immer)|versprochen|kein problem|danke|dann (?:haben|hast|können|kannst)|` +
	`comme (?:prévu|promis|convenu)|parce que|car|pour que|afin|merci|pas de (?:souci|problème)|sans faute|promis|` +
	`como (?:quedamos|siempre|prometido)|porque|así|para que|gracias|sin falta|prometido|` +
	`como (?:combinado|sempre|prometido)|pois|assim|obrigad[oa]|sem falta) `)

// unplain says why a match is no plain statement or request; nothing if it is one.
func (h *hearing) unplain(m match) string {
	first := 0
	for j, t := range m.tokens {
		if t.at <= m.index[0] {
			first = j + 1
		}
	}
	switch words := plainWords(m.words, m.tongue); {
	case first < len(m.tokens) && !h.opens(m.sentence, first):
		return aside
	case hasAny(words, limits[m.tongue]):
		return aside
	default:
		return h.unsettled(m.at, m.tongue)
	}
}

// longest is how many words a plain sentence has at most.
const longest = 40

// unsettled says what around a sentence keeps it from being plain: that it breaks off
// or runs on, follows a condition, or is answered by a question or a "not".
func (h *hearing) unsettled(i, tongue int) string {
	s := h.sentences[i]
	if strings.HasSuffix(s.text, "…") || strings.HasSuffix(s.text, "...") || strings.HasSuffix(s.text, "—") || strings.HasSuffix(s.text, "–") || strings.HasSuffix(s.text, "-") {
		return brokenOff
	}
	if len(s.tokens) > longest {
		return aside
	}
	if s.voice.side == written {
		return ""
	}
	if b, ok := h.before(i); ok && afterCondition.MatchString(s.words) {
		before := h.sentences[b]
		if before.question || hasAny(before.words, moodIf) || hasAny(before.words, limits[tongue]) {
			return fromBefore
		}
	}
	for n, r := range h.reply(i) {
		words := plainWords(r.words, tongue)
		switch {
		case n > 1:
		case n == 0 && r.question,
			hasAny(words, byTongue.not[tongue]), hasAny(words, byTongue.condition[tongue]), hasAny(words, byTongue.done[tongue]),
			hasAny(words, buts), hasAny(words, byTongue.loose[tongue]):
			return answered
		case n == 0 && !s.question && r.voice.side == ours && r.voice != s.voice && s.voice.side == ours && hasAny(words, "i|i ll|me|ich|je|j|moi|yo|eu"):
			return whoDoesIt
		}
	}
	if i+1 < len(h.sentences) && h.sentences[i+1].turn == s.turn && h.near(i, i+1) {
		next := h.sentences[i+1]
		if hasAny(plainWords(next.words, tongue), buts) || corrects(next) {
			return answered
		}
	}
	return ""
}

// afterCondition begins a sentence that holds only where the one before it does.
var afterCondition = regexp.MustCompile(`^ \. (?:(?:and|so|okay|ok|yes|und|ja|et|y|e|,) )*(?:then|in that case|otherwise|dann|in dem fall|sonst|alors|dans ce cas|sinon|entonces|en ese caso|então|nesse caso|senão) `)

const buts = "but|however|although|though|unless|aber|allerdings|mais|sauf|pero|salvo|mas|exceto|except|instead|actually|wait|hold on|moment|attends|attendez|espera|espere"

// corrects says that a sentence takes back what was said before it.
func corrects(s sentence) bool {
	first := firstWords(strings.NewReplacer(" , ", " ", " . ", " ").Replace(s.words), 3)
	return slices.ContainsFunc(first, func(w string) bool { return slices.Contains(corrections, w) })
}

var quotation = regexp.MustCompile(`[“"„«]([^“”"„«»]+)[“”"»]`)

// quotes says that a sentence repeats somebody's words: with a name in quotation marks
// it does not.
func (h *hearing) quotes(i int) bool {
	for _, m := range quotation.FindAllStringSubmatch(h.sentences[i].text, -1) {
		if len(strings.Fields(m[1])) > 4 {
			return true
		}
	}
	return false
}

// inTheTalk asks about what was only written of a talk that is there to be heard.
func (h *hearing) inTheTalk(i int, a *heard) *heard {
	return a.orAsk(h.sentences[i].voice.side == written && h.words.Spoken(), onlyWritten)
}

// comesUpAgain says that somebody speaks later of what a title is about, and otherwise:
// with another day, a "not", a "done", a "but".
func (h *hearing) comesUpAgain(i, tongue int, title string, same func(sentence) bool) bool {
	if h.contents == nil {
		h.contents = make([][]string, len(h.sentences))
		for j, s := range h.sentences {
			h.contents[j] = contentWords(s.text)
		}
	}
	about := contentWords(title)
	for j := i + 1; j < len(h.sentences); j++ {
		s := h.sentences[j]
		if n, _ := sharedWords(about, h.contents[j]); n == 0 || s.voice.side == written {
			continue
		}
		words := plainWords(s.words, tongue)
		if !same(s) || hasAny(words, byTongue.not[tongue]) || hasAny(words, byTongue.done[tongue]) || hasAny(words, byTongue.loose[tongue]) || corrects(s) {
			return true
		}
	}
	return false
}
