package planner

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/debriefhq/debrief/meeting"
)

// english are words that patterns share; what begins with "lead" is what may stand
// before a request, so that talk of tickets and deals in general is none.
var (
	english = map[string]string{
		"adv":    `(?:(?:please|just|also|then|now|quickly|already|go ahead and|maybe) )*`,
		"lead":   `(?:[.,] (?:(?:so|okay|ok|yes|and|then|also|right|sure|alright|great) (?:, )?)*|please |i ll |we ll |i will |we will |i m going to |can you |could you |would you |will you |let s |let me |(?:shall|should|can) (?:i|we) |(?:asked|asks|want|wants|wanted|told|need|needs|like) (?:us|me|you) to |please )`,
		"deal":   `(?:deal|opportunity)`,
		"ticket": `(?:ticket|(?:support|service|trouble) (?:ticket|case|request)|bug report)`,
		"about":  ` (?:for|about|on|regarding|because of)`,
		"the":    `(?:the|this|that|our|your)`,
	}
	german = map[string]string{
		"adv": `(?:(?:bitte|noch|gleich|dann|mal|auch|jetzt|dafür|dazu|hierzu|hierfür|deswegen|deshalb|daraus|mir|uns|dir|ihnen|euch|sie|ich|wir|du) )*`,
		"den": `(?:den|diesen|unseren|der|das)`,
	}
	french = map[string]string{
		"adv":  `(?:(?:s il vous plaît|s il te plaît|aussi|alors|donc|nous|moi|vous|en|y|me|te) )*`,
		"lead": `(?:[.,] (?:(?:alors|donc|et|oui|ok|bon|d accord) (?:, )?)*|(?:pouvez|pourriez|pouvons) (?:vous|nous) |(?:peux|pourrais) tu |tu peux |vous pouvez |je vais |on va |nous allons |il faut |je voudrais |(?:demande|demandé) (?:d |de ))`,
		"deal": `(?:l affaire|la transaction|le deal|l opportunité|cette affaire|ce deal|cette opportunité|cette transaction)`,
	}
	spanish = map[string]string{
		"adv":  `(?:(?:por favor|también|entonces|ya|nos|me|te|le) )*`,
		"lead": `(?:[.,] (?:(?:entonces|pues|y|sí|vale|bueno) (?:, )?)*|(?:puedes|puede|podéis|pueden|podrías|podría) |voy a |vamos a |hay que |quiero |queremos |(?:pidió|pide) |por favor (?:, )?|te |le |os |me |nos )`,
		"deal": `(?:el negocio|la oportunidad|el trato|el deal|este negocio|esta oportunidad|este deal)`,
	}
	portuguese = map[string]string{
		"adv":  `(?:(?:por favor|também|então|já|me|te|nos|pra mim|para nós) )*`,
		"lead": `(?:[.,] (?:(?:então|e|sim|tá|bom|ok) (?:, )?)*|(?:pode|podes|podem|poderia|poderias) |vou |vamos |tem que |quero |queremos |(?:pediu|pede) (?:para |pra )?|por favor (?:, )?|eu |você pode |te |me |nos )`,
		"deal": `(?:o negócio|a oportunidade|o deal|este negócio|esse negócio|esta oportunidade|essa oportunidade)`,
	}
)

// recordRules are those that make records.
var recordRules = []PhraseRule{
	{
		Name:  "ticket-new",
		Hears: "a ticket that is asked for: “please open a ticket for the frozen clock”",
		cues:  "ticket|tickets|serviceticket|supportticket|case|support request|service request|bug report|chamado|incidencia|tique|tíquete",
		by:    []side{ours, theirs, written}, asks: true,
		patterns: [...][]pattern{
			patterns(english, `{lead}{adv}(?:open|create|raise|log|file|make|submit|set up|put in|write|get|start) (?:me |us |you )?(?:a|an|another|one more) (?:new |urgent |high priority |separate |proper )*{ticket}(?P<about>{about})?`,
				`{lead}{adv}(?:open|raise|log) (?:a|an|another) (?:new |urgent |high priority )*case(?P<about>{about})`,
				`{lead}{adv}(?:put|get|have) (?:a|an|another) {ticket} (?:in|opened|open|raised|logged|created)(?P<about>{about})?`,
				`{lead}{adv}(?:put|log|raise|file|record|treat|open|turn|make) (?P<subject>(?:\pL+ ){1,6}?)(?:(?:in |down )?as a|into a) {ticket}`,
				`(?:i|we) (?:(?:d|would) like|want|need|ll need) (?:a|an|another) (?:new |urgent |high priority |separate )*{ticket}(?P<about>{about})?`,
				`(?:i m|we re|i am|we are) (?:opening|creating|raising|logging|filing) (?:a|an|another) (?:new )?{ticket}(?P<about>{about})?`),
			patterns(german, `(?:leg|lege|legen|legst|mach|mache|machen|machst|erstell|erstelle|erstellen|eröffne|eröffnen|öffne|schreib|schreibe|schreiben) {adv}(?:ein|eins|noch ein|ein neues|ein eigenes) (?:neues |eigenes |dringendes )*(?:service|support)?ticket(?P<about> (?:zu|zur|zum|für|wegen|über|mit))?`,
				`(?:bitte|können sie|könnten sie|kannst du|könntest du|soll|sollen|werde|werden|möchte|hat gebeten) {adv}(?:ein|noch ein) (?:neues |eigenes |dringendes )*(?:service|support)?ticket(?P<about> (?:zu|zur|zum|für|wegen|über))? (?P<subject>(?:[^ ,.]+ ){0,10}?)(?:an ?zu ?legen|anlegen|anzulegen|erstellen|zu erstellen|eröffnen|zu eröffnen|aufmachen|aufzumachen|öffnen|schreiben|machen)`,
				`(?:brauche|brauchen|bräuchte|bräuchten|möchte|möchten|hätte|hätten|wollen|will|bitte) {adv}(?:gern |gerne )?(?:ein|noch ein) (?:neues |eigenes |dringendes )*(?:service|support)?ticket(?P<about> (?:zu|zur|zum|für|wegen|über|mit))?`,
				`(?:mach|mache|machen) (?:ich |wir |sie )?(?:da |daraus )*(?:ein )?(?:neues )?ticket (?:draus|daraus)`, `(?:nehme|nehmen|nimm) (?:ich |wir |sie )?(?P<subject>(?:\pL+ ){0,4}?)als ticket auf`),
			patterns(french, `(?:il (?:me |nous )?faut|je veux|nous voulons|je voudrais|on voudrait|j ai besoin d|il nous faudrait) un (?:nouveau )?ticket(?: urgent)?(?P<about> (?:pour|sur|concernant|au sujet de|au sujet du|à propos de|à propos du))?`,
				`(?:on|vous|nous) (?:ouvre|ouvrez|ouvrons|crée|créez|créons) un (?:nouveau )?ticket(?: urgent)?(?P<about> (?:pour|sur|concernant|au sujet de|au sujet du|à propos de|à propos du))?`,
				`{lead}{adv}(?:créez|créer|crée|créons|ouvrez|ouvrir|ouvre|ouvrons|faites|faire|fais|enregistrez) {adv}un (?:nouveau )?(?:ticket|billet)(?: urgent)?(?P<about> (?:pour|sur|concernant|au sujet de|au sujet du|à propos de|à propos du))?`,
				`je? (?:ouvre|crée) un (?:nouveau )?ticket(?: urgent)?(?P<about> (?:pour|sur|concernant|au sujet de|au sujet du|à propos de|à propos du))?`),
			patterns(spanish, `(?:necesito|necesitamos|quiero|queremos) (?:un|una) (?:nuev[oa] )?(?:ticket|tique|incidencia)(?: urgente)?(?P<about> (?:para|por|sobre|de))?`,
				`{lead}{adv}(?:crea|cree|crear|crearé|creamos|creo|créame|abre|abra|abrir|abriré|abrimos|abro|ábreme|ábrenos|ábrame|ábranos|créanos|levanta|levantar|genera|generar) {adv}(?:un|una) (?:nuev[oa] )?(?:ticket|tique|incidencia)(?: urgente)?(?P<about> (?:para|por|sobre|de))?`),
			patterns(portuguese, `(?:preciso|precisamos|quero|queremos) (?:de )?(?:um|uma) (?:nov[oa] )?(?:ticket|chamado|tíquete)(?: urgente)?(?P<about> (?:para|pra|sobre|por causa do|por causa da|do|da))?`,
				`{lead}{adv}(?:cria|crie|criar|crio|criamos|abre|abra|abrir|abro|abrimos|registra|registrar|registre) {adv}(?:um|uma) (?:nov[oa] )?(?:ticket|chamado|tíquete)(?: urgente)?(?P<about> (?:para|pra|sobre|por causa do|por causa da|do|da))?`),
		},
		propose: newTicket,
	},
	{
		Name:  "deal-new",
		Hears: "a deal that one of yours opens or asks for by name: “I'll open a deal, Tidewell locks”",
		cues:  "deal|opportunity|affaire|opportunité|negocio|oportunidad|negócio|oportunidade",
		by:    []side{ours, written}, asks: true,
		patterns: [...][]pattern{
			patterns(english, `{lead}{adv}(?:open|create|add|set up|start|make) (?:a|another|one more) (?:new |separate |second )*{deal}(?: (?:on (?:my|our) (?:side|end)|in (?:the|our) (?:crm|system|pipeline)|in hubspot))*(?P<about>(?: ,)?(?: (?:for|called|named)(?: (?:the|them|it))?)?)`),
			patterns(german, `(?:leg|lege|legen|mach|mache|machen|erstell|erstelle|erstellen|eröffne|eröffnen) {adv}(?:einen|noch einen|einen neuen) (?:neuen |eigenen )?deal(?: an)?(?P<about>(?: ,)?(?: (?:für|namens|mit dem namen)(?: (?:die|den|das))?)?)`),
			patterns(french, `{lead}{adv}(?:créez|créer|crée|ouvrez|ouvrir|ouvre|ajoute|ajouter) {adv}(?:une|un) (?:nouvelle |nouveau )?(?:affaire|deal|opportunité)(?P<about>(?: ,)?(?: (?:pour|appelée?|nommée?)(?: (?:le|la|les))?)?)`,
				`je? (?:ouvre|crée|ajoute) (?:une|un) (?:nouvelle |nouveau )?(?:affaire|deal|opportunité)(?P<about>(?: ,)?(?: (?:pour|appelée?|nommée?)(?: (?:le|la|les))?)?)`),
			patterns(spanish, `{lead}{adv}(?:crea|cree|crear|creo|abre|abra|abrir|abro|añade|añadir) {adv}(?:un|una) (?:nuev[oa] )?(?:negocio|oportunidad|deal)(?P<about>(?: ,)?(?: (?:para|llamad[oa]|de nombre)(?: (?:el|la))?)?)`),
			patterns(portuguese, `{lead}{adv}(?:cria|crie|criar|crio|abre|abra|abrir|abro) {adv}(?:um|uma) (?:nov[oa] )?(?:negócio|oportunidade|deal)(?P<about>(?: ,)?(?: (?:para|pra|chamad[oa]|de nome)(?: (?:o|a))?)?)`),
		},
		propose: newDeal,
	},
}

// thatThing stands for what was said before.
var thatThing = regexp.MustCompile(`(?i)^(?:this|that|it|these|those|the issue|the problem|das|dies|dieses|diese|ça|cela|ceci|eso|esto|ello|isso|isto)(?: too| one| please| auch)?$`)

// thatFirst points at what is said right behind it: "for that, the frozen clock".
var thatFirst = regexp.MustCompile(`(?i)^(?:this|that|it|das|dies|ça|cela|eso|esto|isso|isto), `)

const mostTitle = 120

// newTicket proposes a ticket about what it is asked for. Where that was said before,
// nobody who answers takes it on, or it was told and not asked, it is a question.
func newTicket(h *hearing, m match) *heard {
	said := m.words[m.index[0]:m.index[1]]
	switch {
	case m.question && m.voice.side == ours && !h.agreed(m.at):
		return nil // who asks whether to open one has to be answered
	case m.voice.side == theirs && hasAny(said, doingIt):
		return nil // they open one themselves
	}
	subject, quoted, before := m.group("subject"), []int{m.at}, false
	if subject == "" && m.group("about") != "" {
		subject = m.tail()
		subject = particleAtEnd.ReplaceAllString(subject, "")
		subject = thatFirst.ReplaceAllString(h.withoutCall(subject), "")
	}
	if subject == "" || thatThing.MatchString(subject) {
		b, ok := h.before(m.at)
		if !ok || h.sentences[b].question || len(contentWords(h.sentences[b].text)) < 2 {
			return nil
		}
		subject, before = strings.TrimRight(h.sentences[b].text, ".!… "), true
		if h.sentences[b].turn == m.turn {
			quoted = []int{b, m.at}
		}
	}
	if len(contentWords(subject)) == 0 {
		return nil
	}
	if !before { // a title, and no sentence
		subject = articleFirst.ReplaceAllString(subject, "")
	}
	properties := map[string]string{"subject": capitalised(clip(subject, mostTitle))}
	priority, told := priorityIn(m.words)
	if priority != "" {
		properties["hs_ticket_priority"] = priority
	}
	return h.propose("ticket.create", meeting.RecordRef{}, properties, quoted...).
		orAsk(before || pointsOnly(subject), whatItIs).
		orAsk(m.voice.side == theirs && !h.takenOn(m.at), notAgreed).
		orAsk(m.voice.side != written && hasAny(said, "asked|asks|want|wants|wanted|told|pidió|pide|pediu|pede|demandé|hat gebeten") && !hasAny(said, "i want|we want|ich möchte|wir möchten"), notAsked).
		orAsk(told, aside)
}

// doingIt is how people say that they do it themselves.
const doingIt = "i ll|we ll|i will|we will|i m|we re|i m going to|we re going to|let me|ich mache|ich lege|ich erstelle|ich eröffne|mache ich|lege ich|erstelle ich|machen wir|legen wir|je vais|on va|nous allons|j ouvre|je crée|on ouvre|on crée|nous ouvrons|nous créons|voy a|vamos a|abro|creo|crearé|abriré|abrimos|creamos|vou|vamos|crio|criamos"

// takenOn says that one of the organization's own who answers agrees to open a ticket.
func (h *hearing) takenOn(i int) bool {
	reply := h.reply(i)
	if len(reply) == 0 || reply[0].voice.side != ours {
		return false
	}
	words := plainWords(reply[0].words, 0)
	return h.agreed(i) || !reply[0].question && (hasAny(words, "will do|mach ich|je m en occupe|me encargo|pode deixar") || hasAny(words, doingIt) && hasAny(words, opening))
}

// opening is what one does with a ticket.
const opening = "open|raise|log|create|file|lege|anlegen|mache|erstelle|ouvre|ouvrir|crée|créer|abro|abrir|creo|crear|crio|criar"

var (
	urgentTicket = regexp.MustCompile(` (?:urgent (?:support |service )?(?:ticket|case|request)|dringendes (?:\pL+)?ticket|(?:ticket|billet|incidencia|tique|chamado) urgente?) `)
	highTicket   = regexp.MustCompile(` (?:high priority (?:support |service )?(?:ticket|case|request)|ticket (?:with|mit|avec|avec une|con|com) (?:high|hoher|haute|alta) (?:priority|priorität|priorité|prioridad|prioridade)) `)
)

// priorityIn is the priority that is said of a ticket, and told says that there is talk
// of one that can't be read.
func priorityIn(words string) (priority string, told bool) {
	switch {
	case urgentTicket.MatchString(words):
		return "URGENT", false
	case highTicket.MatchString(words):
		return "HIGH", false
	default:
		return "", hasAny(words, "urgent|urgently|priority|critical|asap|dringend|eilig|priorität|kritisch|urgence|priorité|critique|urgente|prioridad|crítico|crítica|prioridade")
	}
}

// withoutCall is a text without the name at its end that calls somebody.
func (h *hearing) withoutCall(text string) string {
	if at := strings.LastIndex(text, ", "); at >= 0 && len(h.allNamed(text[at+2:])) > 0 {
		return text[:at]
	}
	return text
}

// tail is the text behind the match, up to what people close with.
func (m match) tail() string {
	end := m.index[1] - 1
	for _, t := range m.tokens {
		if t.at > end && t.word == "," && tails.MatchString(m.words[t.at+1:]) {
			return m.textOf(end, t.at)
		}
	}
	return strings.TrimRight(m.textOf(end, len(m.words)), ".!? ")
}

// particleAtEnd is what a German verb leaves at the end: "leg ein Ticket … an".
var particleAtEnd = regexp.MustCompile(`(?i) (?:an|auf)$|(?:^|,? )(?:please|thanks|thank you|bitte|danke|s['’]il (?:vous|te) plaît|merci|por favor|gracias|(?:se )?(?:faz|fizer) favor|obrigad[oa])$`)

// articleFirst is the article that a title does without.
var articleFirst = regexp.MustCompile(`^(?i:the|an?|our|das|die|der|den|dem|eine?n?|le|la|les|une?|el|los|las|una?|o|os|as|uma?|nossa?) |^(?i:l)['’]`)

// newDeal proposes a deal by the name that it is given.
func newDeal(h *hearing, m match) *heard {
	if m.question && !h.agreed(m.at) {
		return nil
	}
	name := m.rest()
	name = strings.TrimSpace(particleAtEnd.ReplaceAllString(name, ""))
	if n := len(strings.Fields(name)); n == 0 || n > 6 || thatThing.MatchString(name) || !strings.ContainsFunc(name, unicode.IsUpper) {
		return nil // a deal without a name of its own is one that a human names
	}
	return h.propose("deal.create", meeting.RecordRef{}, map[string]string{"dealname": capitalised(name)}, m.at).
		orAsk(m.tail() != m.rest() || hasAny(" "+strings.ToLower(name)+" ", "with|and|mit|und|avec|et|con|y|com|e"), halfHeard).
		orAsk(counted(m.text) > counted(name) || len(DatesIn(m.text, h.start())) > 0, aside)
}

// counted is how many numbers a text says, but for those that are articles, too.
func counted(text string) int {
	return len(slices.DeleteFunc(AmountsIn(text), func(a Amount) bool { return a.Value < 2 }))
}
