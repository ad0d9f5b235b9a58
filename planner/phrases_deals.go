package planner

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

const dealCues = "deal|deals|opportunity|affaire|opportunité|transaction|dossier|negocio|oportunidad|trato|negócio|oportunidade|move it|set it"

// dealRules are those that change a deal.
var dealRules = []PhraseRule{
	{
		Name:  "deal-stage",
		Hears: "the stage that one of yours moves a deal to, by its name: “move the Northwind deal to Negotiation”",
		cues:  dealCues,
		by:    []side{ours, written}, asks: true,
		patterns: [...][]pattern{
			patterns(english, `{lead}{adv}(?:move|set|put|push|advance|change|shift|bring) {the} (?P<deal>(?:\pL+ ){0,4}?){deal}(?: stage| over| up)*(?: to| into| in)(?: the)?(?: stage)?(?P<stage>(?: [^ ,.]+){1,4}?)(?: stage)?(?: please| now)* [,.]`,
				`(?P<deal>(?:\pL+ ){1,4}), {adv}(?:move|set|put) it (?:to|into)(?: the)?(?: stage)?(?P<stage>(?: [^ ,.]+){1,4}?)(?: stage)?(?: please| now)* [,.]`,
				`mark {the} (?P<deal>(?:\pL+ ){0,4}?){deal} as(?P<stage>(?: [^ ,.]+){1,3}) [,.]`,
				`{the} (?P<deal>(?:\pL+ ){0,4}?){deal} is (?:now )?(?:in )?(?P<stage>closed won|closed lost)(?: for (?:me|us)| then| now)* [,.]`),
			patterns(german, `(?:schieb|schiebe|schieben|verschieb|verschiebe|verschieben|setz|setze|setzen|stell|stelle|stellen|zieh|ziehe|ziehen|nimm|nehme|nehmen) {adv}{den} (?P<deal>(?:\pL+ ){0,3}?)deal (?:\pL+ ){0,2}?(?:auf|in|nach)(?: die| den)?(?: phase| stufe)?(?P<stage>(?: [^ ,.]+){1,3}?)(?: setzen| schieben| stellen| ziehen| um| bitte)* [,.]`,
				`{den} (?P<deal>(?:\pL+ ){0,3}?)deal (?:bitte |dann |jetzt |mal )*(?:auf|in|nach)(?: die| den)?(?: phase| stufe)?(?P<stage>(?: [^ ,.]+){1,3}?) (?:setzen|schieben|verschieben|stellen|ziehen) [,.]`,
				`(?:setze|schiebe|stelle|ziehe) ich {den} (?P<deal>(?:\pL+ ){0,3}?)deal (?:auf|in|nach)(?: die| den)?(?: phase| stufe)?(?P<stage>(?: [^ ,.]+){1,3}?) [,.]`),
			patterns(french, `{lead}{adv}(?:passe|passez|passer|mets|mettez|mettre|déplace|déplacez|déplacer|bascule|basculer) {deal}(?P<deal>(?: \pL+){0,3}?) (?:à|en|au|dans|sur)(?: la| l| le)?(?: étape)?(?P<stage>(?: [^ ,.]+){1,3}?) [,.]`,
				`je (?:passe|mets|déplace|bascule) {deal}(?P<deal>(?: \pL+){0,3}?) (?:à|en|au|dans|sur)(?: la| l| le)?(?: étape)?(?P<stage>(?: [^ ,.]+){1,3}?) [,.]`),
			patterns(spanish, `{lead}{adv}(?:mueve|mueva|mover|muevo|pasa|pase|pasar|paso|pon|ponga|poner|pongo|cambia|cambie|cambiar|cambio) {deal}(?P<deal>(?: (?:de )?\pL+){0,2}?) (?:a|en)(?: la| el)?(?: etapa| fase)?(?: de)?(?P<stage>(?: [^ ,.]+){1,3}?) [,.]`),
			patterns(portuguese, `{lead}{adv}(?:move|mova|mover|movo|passa|passe|passar|passo|coloca|coloque|colocar|coloco|muda|mude|mudar|mudo) {deal}(?P<deal>(?: (?:d[aeo] )?\pL+){0,2}?) (?:para|pra|em|no|na|a)(?: a| o)?(?: etapa| fase)?(?: de)?(?P<stage>(?: [^ ,.]+){1,3}?) [,.]`),
		},
		propose: dealStage,
	},
	{
		Name:  "deal-amount",
		Hears: "what a deal comes to, said as such and with its currency: “the deal is 42,000 euros”, “forty-two thousand euros it is”",
		by:    []side{ours, theirs, written},
		hear:  dealAmount,
	},
	{
		Name:  "deal-close-date",
		Hears: "the day on which a deal closes or is signed: “close date 30 October”",
		cues: "close|closes|closing|sign|signing|signature|purchase order|abschluss|abschlussdatum|abschlusstermin|unterschrift|unterschreiben|unterzeichnen|bestellung|bestellen|auftrag|signature|signe|signons|clôture|commande|" +
			"firma|firmamos|cierre|cerramos|pedido|assinatura|assinamos|fechamento|fechamos",
		by: []side{ours, theirs, written},
		patterns: [...][]pattern{
			patterns(english, `(?:close|closing|signature|signing) date`, `(?:signature|signing)(?: ,)?(?: we)?(?: (?:put|is|s|on|by|for|will be|said))`, `{the} {deal} (?:closes|will close|is closing)`, `(?:we|we ll|we will|we re going to) (?:sign|close (?:it|this|the deal)|place the order|send the purchase order)(?: (?:it|this|the contract|the order))?(?: on| by)?`),
			patterns(german, `(?:abschlussdatum|abschlusstermin|unterschriftstermin)`, `(?:der abschluss|die unterschrift|die bestellung|der auftrag) (?:ist|kommt|erfolgt|steht|erwarten wir|machen wir|bekommen sie|kriegen sie)`, `(?:unterschreiben|unterzeichnen|bestellen) wir`, `wir (?:unterschreiben|unterzeichnen|bestellen)`),
			patterns(french, `date de (?:clôture|signature)`, `la (?:signature|commande)(?: ,)?(?: c)? (?:est|sera|se fera|aura lieu)`, `(?:on|nous) (?:signe|signons|signera|signerons|commande|commandons)`),
			patterns(spanish, `fecha de (?:cierre|firma)`, `la firma (?:es|será)`, `(?:firmamos|cerramos|firmaremos|cerraremos)`),
			patterns(portuguese, `data (?:de|do|da) (?:fechamento|assinatura)`, `a assinatura (?:é|será|fica)`, `(?:assinamos|fechamos|assinaremos|fecharemos)`),
		},
		propose: closeDate,
	},
	{
		Name:  "deal-next-step",
		Hears: "the next step, said as such: “the next step is the security review”",
		cues:  "next step|nächster schritt|nächste schritt|prochaine étape|siguiente paso|próximo paso|próximo passo",
		by:    []side{ours, theirs, written},
		patterns: [...][]pattern{
			patterns(english, `(?:{the} )?next step(?: (?:for|on) {the} {deal})?(?: (?:is|will be)| ,)`),
			patterns(german, `nächster? schritt(?: (?:ist|wird)| ,)`),
			patterns(french, `(?:la )?prochaine étape(?: ,)?(?: (?:c )?(?:est|sera)| ,)`),
			patterns(spanish, `(?:el )?(?:siguiente|próximo) paso(?: (?:es|será)| ,)`),
			patterns(portuguese, `(?:o )?próximo passo(?: (?:é|será)| ,)`),
		},
		propose: nextStep,
	},
	{
		Name:  "deal-owner",
		Hears: "the colleague whom a deal is handed to: “I'll hand this deal to Chris”",
		cues:  dealCues,
		by:    []side{ours, written}, asks: true,
		patterns: [...][]pattern{
			patterns(english, `{lead}{adv}(?:hand|pass|transfer|give|assign|reassign|turn) {the} (?P<deal>(?:\pL+ ){0,4}?){deal}(?: over| off)?(?: to)(?P<who>(?: \pL+){1,2})`,
				`(?P<who>(?:\pL+ ){1,2})(?:takes|will take|is taking|is going to take) over {the} (?P<deal>(?:\pL+ ){0,4}?){deal}`,
				`(?P<who>(?:\pL+ ){1,2})(?:takes|will take|is taking) {the} (?P<deal>(?:\pL+ ){0,4}?){deal} over`),
			patterns(german, `(?:übergeb|übergebe|übergeben|gebe|geben|gib|reiche|reich) {adv}{den} (?P<deal>(?:\pL+ ){0,3}?)deal (?:dann |jetzt |ab |weiter )*(?:an |der |dem )(?P<who>(?:frau |herrn? )?\pL+(?: \pL+)?)`,
				`(?P<who>(?:\pL+ ){1,2})übernimmt (?:ab \pL+ )?{den} (?P<deal>(?:\pL+ ){0,3}?)deal`),
			patterns(french, `(?:je |on |nous )?(?:confie|transfère|passe|transmets|transmet|confions|confiez) {deal}(?P<deal>) à(?P<who>(?: \pL+){1,2})`,
				`(?P<who>(?:\pL+ ){1,2})(?:reprend|reprendra) {deal}(?P<deal>(?: de)?(?: \pL+){0,3}?) [,.]`),
			patterns(spanish, `(?:paso|pasamos|asigno|asignamos|traspaso|pasa|asigna) {deal}(?P<deal>) a(?P<who>(?: \pL+){1,2})`, `(?P<who>(?:\pL+ ){1,2})(?:se encarga de|se queda con|llevará|asume) {deal}(?P<deal>)`),
			patterns(portuguese, `(?:passo|passamos|transfiro|transferimos|atribuo|passa) {deal}(?P<deal>) (?:para|pra|à|ao|a)(?: o| a)?(?P<who>(?: \pL+){1,2})`, `(?P<who>(?:\pL+ ){1,2})(?:assume|vai assumir|fica com) {deal}(?P<deal>)`),
		},
		propose: dealOwner,
	},
}

func updateDeal(h *hearing, m match, target meeting.RecordRef, property, value string) *heard {
	return h.propose("deal.update", target, map[string]string{property: value}, m.at)
}

// notStages follow "move the deal to" without being a stage.
var notStages = wordSet(`next later another somebody someone him her them me you us the our my your it end new team side spreadsheet calendar
	nächste nächsten später mich dich ihn semaine mois plus moi toi semana mes próxima próximo frente`)

func dealStage(h *hearing, m match) *heard {
	if m.question && !strings.Contains(m.words, " you ") {
		return nil
	}
	stage := strings.TrimSpace(m.group("stage"))
	words := wordsIn(stage)
	if len(words) == 0 || notStages[words[0]] || len(DatesIn(stage, h.start())) > 0 || len(AmountsIn(stage)) > 0 || len(h.allNamed(stage)) > 0 {
		return nil
	}
	// Somebody's name is a deal's where it has a capital, or else the sentence before
	// says what "it" is.
	target := dealOf(m.group("deal"))
	if target.Name != "" && !strings.Contains(m.words, " deal ") && !capital(target.Name) {
		return nil
	}
	return updateDeal(h, m, target, "dealstage", stage)
}

// moneyContext are words of which a sentence has one that tells what a deal comes to.
var moneyContext = [len(tongues)]string{
	`deal|contract|order|project|offer|renewal|quote|price|budget|total|volume|extension|subscription|we ll take it|we take it|it is|agreed|settled|we renew|we sign|we buy|amount|value`,
	`deal|vertrag|auftrag|projekt|angebot|verlängerung|preis|budget|summe|betrag|volumen|gesamtpreis|auftragswert|auftragssumme|gesamtsumme|einigen|bleibt bei|festpreis`,
	`affaire|contrat|commande|projet|offre|renouvellement|prix|budget|total|montant|devis|d accord|va pour|on part`,
	`negocio|contrato|pedido|proyecto|oferta|renovación|precio|presupuesto|total|importe|valor|quedamos|cerramos|lo dejamos`,
	`negócio|contrato|pedido|projeto|proposta|renovação|preço|orçamento|total|valor|ficamos|fechamos|fica em|fica por`,
}

// amountPatterns say that a sum is the deal's. “#” stands for it.
var amountPatterns = [len(tongues)][]pattern{
	patterns(english, `(?:(?:{deal}|contract|order|project|offer|renewal|quote|price|budget|total|extension|subscription|amount|volume) (?:(?:value|amount|price|size|volume) )?(?:(?:is|s|comes to|will be|stands at|amounts to|was confirmed|was agreed|is confirmed|is agreed|is now|is fine|s fine|now|of) )+(?:(?:now|at|on|for|then) )*#)`,
		`# it is`, `(?:we|we ll|we will|i ll|let s) (?:take|buy|sign|order|renew|extend|go|settle|agree|close) (?:(?:it|this|that|the deal|ahead|again) )*(?:at|for|on|with) #`,
		`(?:agreed|settled|confirmed) (?:at|on|for) #`, `(?:set|put|change|update|raise|lower|increase|reduce) {the} (?:{deal}|amount|value|deal amount|deal value)(?: (?:amount|value))? (?:to|at) #`),
	patterns(german, `(?:deal|vertrag|auftrag|angebot|verlängerung|preis|budget|summe|betrag|volumen|gesamtpreis|auftragswert|auftragssumme|gesamtsumme|festpreis) (?:(?:ist|liegt|beträgt|bleibt|sind|steht|lautet|jetzt|nun|dann|bei|auf|von|also|damit|insgesamt) )+#`,
		`(?:verlängerung|auftrag|vertrag|deal|projekt) (?:machen|nehmen|unterschreiben|schließen) wir (?:(?:für|bei|zu|in \pL+|auf|dann) )*(?:, )?#`, `(?:einigen|verständigen) (?:wir )?uns (?:also |dann )?auf #`, `es bleibt (?:also |dann )?bei #`,
		`(?:setz|setze|setzen|stell|stelle|ändere|trag|trage) (?:bitte )?(?:den betrag|die summe|den auftragswert|den deal) (?:auf|mit) #`, `wir (?:nehmen|machen|verlängern) (?:es|das|den vertrag) (?:für|zu|mit) #`),
	patterns(french, `(?:total|montant|budget|prix|devis|contrat|affaire|offre|renouvellement|commande) (?:, )?(?:(?:c |ce )?(?:est|était|sera|s élève|passe|reste|tourne|fait|maintenant|désormais|donc|bien|de|à) )+#`,
		`(?:va|on part|on signe|on se met d accord|on est d accord|d accord) (?:pour|sur|à) #`, `(?:mets|mettez|passe|passez) (?:le montant|l affaire) à #`),
	patterns(spanish, `(?:total|importe|presupuesto|precio|valor|contrato|oferta|renovación|negocio|pedido) (?:(?:es|son|será|serán|queda|asciende|ahora|en|de|a|entonces) )+#`, `(?:quedamos|cerramos|lo dejamos|firmamos|renovamos) (?:en|por) #`, `(?:pon|ponga|cambia|sube|baja) (?:el importe|el negocio|el valor) (?:a|en) #`),
	patterns(portuguese, `(?:total|valor|orçamento|preço|contrato|proposta|renovação|negócio|pedido) (?:(?:é|são|será|fica|ficou|agora|em|de|por|então) )+#`, `(?:fechamos|ficamos|fica|renovamos|assinamos) (?:em|por) #`, `(?:coloca|põe|muda|atualiza) (?:o valor|o negócio) (?:para|pra|em) #`),
}

// notTheDeals are sums that are a part of a deal's, or another's, or were.
const notTheDeals = `
about|around|per|each|a month|monthly|per month|a year|a seat|a user|a truck|a piece|option|optional|discount|setup|set up fee|installation|deposit|down payment|penalty|fee|fees|minus|plus|less|off|between|range|paid|competitor|their|theirs|his|her|at least|at most|up to|minimum|maximum|more than|less than|training|shipping|list price|already
pro|je|jeweils|monatlich|im monat|im jahr|jährlich|option|rabatt|nachlass|einrichtung|installation|anzahlung|gebühr|minus|plus|abzüglich|zuzüglich|zwischen|deren|seine|ihr|mindestens|höchstens|maximal|bis zu|mehr als|weniger als|versand|listenpreis|stück
par|chacun|chaque|par mois|mensuel|par an|l option|option|en option|remise|réduction|installation|acompte|frais|moins|plus|entre|leur|au moins|au maximum|jusqu à|plus de|moins de|livraison
por|cada|al mes|mensual|al año|opción|opcional|descuento|instalación|anticipo|tarifa|menos|más|entre|su competidor|al menos|como máximo|hasta|envío
cada|por mês|mensal|por ano|opção|opcional|desconto|instalação|entrada|taxa|menos|mais|entre|deles|pelo menos|no máximo|até|frete`

// noMore are the words before a sum that was, and is no longer.
const noMore = `old|previous|previously|used to|last year|alt|alte|alten|alter|bisher|bisherige|früher|letztes jahr|vorher|ancien|ancienne|avant|l an dernier|antiguo|antigua|anterior|antes|año pasado|antigo|antiga|ano passado|was|were|war|waren|` +
	`had|hatte|hatten|avait|era|eran|eram|tenía|tinha`

var notTheDealsBy = lines(notTheDeals)

// dealAmount hears a sum of money that is said to be a deal's: the only one in the
// sentence, but for those that were taken back.
func dealAmount(h *hearing, i int) *heard {
	s := h.sentences[i]
	if s.question {
		return nil
	}
	if !slices.ContainsFunc(moneyContext[:], func(context string) bool { return hasAny(s.words, context) }) {
		return nil
	}
	sum, ok := sumIn(s.text)
	if !ok {
		return nil
	}
	tongue, summed := -1, withSum(s)
	for t, context := range moneyContext {
		if tongue < 0 && hasAny(s.words, context) && slices.ContainsFunc(amountPatterns[t], func(p pattern) bool { return p.MatchString(summed.words) }) {
			tongue = t
		}
	}
	if tongue < 0 || !h.meant(i, tongue) || hasAny(plainWords(s.words, tongue), notTheDealsBy[tongue]) {
		return nil
	}
	before, _, _ := strings.Cut(summed.words, " # ")
	if hasAny(confirmedWords.Replace(before+" "), noMore) {
		return nil
	}
	sameSum := func(o sentence) bool {
		return !o.question && slices.ContainsFunc(AmountsIn(o.text), func(a Amount) bool {
			return math.Abs(a.Value-sum) < 0.005 || math.Abs(1000*a.Value-sum) < 0.005 // "Sixty-two, right"
		})
	}
	words := plainWords(s.words, tongue)
	return h.propose("deal.update", meeting.RecordRef{Object: "deal", Name: dealNamed(s)}, map[string]string{"amount": hubspot.FormatNumber(sum)}, i).
		orAsk(len(sums(s.text)) > 1 || strings.Count(summed.words, " # ") > 1 || slices.ContainsFunc(AmountsIn(s.text), func(a Amount) bool { return a.Value >= 100 && a.Value != sum }), severalSums).
		orAsk(hasAny(words, limits[tongue]) || hasAny(words, perTime[tongue]), aside).
		orAsk(!h.bothSay(i, sameSum) && !h.otherSideAgrees(i), oneSideSays).
		orAsk(true, h.unsettled(i, tongue)).
		orAsk(h.anotherSumLater(i, sum), cameUpAgain)
}

const severalSums = "more than one sum was named with it"

// perTime are words with which a sum is that of a part of the time, or before or after
// something is added to it.
var perTime = lines(`
year|years|annual|annually|month|quarter|phase|net|gross|vat|tax|taxes|including|excluding|excl|incl|with
jahr|jahre|jahren|phase|netto|brutto|zzgl|inklusive|exklusive|mwst|mehrwertsteuer|mit
an|année|annuel|phase|ht|ttc|hors taxes|hors taxe|tva|avec
año|años|anual|fase|neto|bruto|iva|con
ano|anos|anual|fase|líquido|com|impostos`)

// anotherSumLater says that somebody names a sum of that size later, which may be what
// it came to.
func (h *hearing) anotherSumLater(i int, sum float64) bool {
	if h.sums == nil {
		h.sums = make([][]float64, len(h.sentences))
		for j, s := range h.sentences {
			h.sums[j] = sums(s.text)
		}
	}
	for j := i + 1; j < len(h.sentences); j++ {
		if h.sentences[j].voice.side != written && slices.ContainsFunc(h.sums[j], func(n float64) bool { return math.Abs(n-sum) > 0.005 && n > sum/3 && n < 3*sum }) {
			return true
		}
	}
	return false
}

// sums are the amounts of a text that are surely money.
func sums(text string) []float64 {
	words := " " + strings.Join(wordsIn(text), " ") + " "
	var out []float64
	for _, a := range AmountsIn(text) {
		if a.Value >= 20 && moneyBeside(words, a.Text) && !slices.Contains(out, a.Value) {
			out = append(out, a.Value)
		}
	}
	return out
}

// confirmedWords are of what was, and still is.
var confirmedWords = strings.NewReplacer(" was confirmed ", " ", " was agreed ", " ", " was set ", " ")

// sumIn is the one amount that a text says to be money, of at least a hundred: of
// several, the last one, if it corrects the others.
func sumIn(text string) (float64, bool) {
	amounts := AmountsIn(text)
	var sum Amount
	for i, a := range amounts {
		if i > 0 && sum.Text != "" && math.Abs(sum.Value-a.Value) > 0.005 && a.Value >= 20 {
			if !correctedBetween(text, sum.Text, a.Text) {
				return 0, false
			}
			sum = Amount{}
		}
		if a.Value >= 20 {
			sum = a
		}
	}
	if sum.Value < 100 || math.IsInf(sum.Value, 0) {
		return 0, false
	}
	words := " " + strings.Join(wordsIn(text), " ") + " "
	return sum.Value, moneyBeside(words, sum.Text)
}

const currencies = `(?:[€$£¥]|r\$|eur|usd|gbp|chf|cad|aud|brl|euros?|pounds?|dollars?|dólares|dólar|francs?|franken|francos|pfund|livres|libras|reais|quid|bucks)`

var (
	currencyBehind = regexp.MustCompile(`^ (?:(?:us|canadian|american|australian|swiss|schweizer) )?` + currencies + ` `)
	currencyBefore = regexp.MustCompile(` ` + currencies + ` $`)
)

// moneyBeside says that a currency stands beside an amount.
func moneyBeside(words, amount string) bool {
	for rest, done := words, ""; ; {
		before, after, ok := strings.Cut(rest, " "+amount+" ")
		if !ok {
			return false
		}
		if currencyBehind.MatchString(" "+after) || currencyBefore.MatchString(done+before+" ") {
			return true
		}
		done, rest = done+before+" "+amount, " "+after
	}
}

// withSum puts "#" where an amount stands with its currency, and leaves out amounts
// that were taken back for it.
func withSum(s sentence) sentence {
	words := s.words
	amounts := AmountsIn(s.text)
	for i, a := range amounts {
		if a.Value < 20 {
			continue
		}
		if i+1 < len(amounts) && correctedBetween(s.text, a.Text, amounts[i+1].Text) {
			if from := strings.Index(words, " "+a.Text+" "); from >= 0 {
				if to := strings.Index(words[from:], " "+amounts[i+1].Text+" "); to > 0 {
					words = words[:from] + words[from+to:]
				}
			}
			continue
		}
		words = strings.ReplaceAll(words, " "+a.Text+" ", " # ")
	}
	s.words = sumWithCurrency.ReplaceAllString(words, " # ")
	return s
}

var sumWithCurrency = regexp.MustCompile(` (?:` + currencies + ` )?#(?: (?:us|canadian|american|australian|swiss|schweizer))?(?: ` + currencies + `)? `)

// namedDeal is how a deal is named in a sentence: "the bus deal".
var namedDeal = regexp.MustCompile(` (?:the|our|this|den|der|die|im) ((?:\pL+ ){1,3})(?:deal|renewal|extension|opportunity|verlängerung) `)

func dealNamed(s sentence) string {
	m := namedDeal.FindStringSubmatchIndex(s.words)
	if m == nil {
		return ""
	}
	name := s.textOf(m[2], m[3])
	if len(contentWords(name)) == 0 {
		return ""
	}
	return dealOf(name).Name
}

// closeDate proposes the one day that is named, if it is one that comes.
func closeDate(h *hearing, m match) *heard {
	day, ok := h.dayIn(m.text)
	if !ok || day.To.Before(midnight(h.start(), h.start().Location())) {
		return nil
	}
	all := DatesIn(m.text, h.start())
	onThatDay := func(s sentence) bool {
		return slices.ContainsFunc(DatesIn(s.text, h.start()), func(d Dated) bool { return d.Is(day.To) })
	}
	return h.propose("deal.update", meeting.RecordRef{Object: "deal", Name: dealNamed(m.sentence)}, map[string]string{"closedate": day.To.Format(time.DateOnly)}, m.at).
		orAsk(len(all) > 1 || !day.From.Equal(day.To) || !day.Other.IsZero(), whichDay).
		orAsk(!h.bothSay(m.at, onThatDay), oneSideSays).
		orAsk(hasAny(m.words, otherThings), aside)
}

// otherThings are signed or close as well, and are no deals.
const otherThings = "nda|lease|office|shop|store|holiday|holidays|books|gate|door|for the holidays|vertraulichkeitserklärung|geheimhaltungsvereinbarung|mietvertrag|büro|laden|feiertag|bail|bureau|magasin|férié|oficina|tienda|festivo|alquiler|escritório|loja|feriado|aluguel"

// otherSideAgrees says that who answers is of the other side, and says yes.
func (h *hearing) otherSideAgrees(i int) bool {
	reply, side := h.reply(i), h.sentences[i].voice.side
	return len(reply) > 0 && (side == ours && reply[0].voice.side == theirs || side == theirs && reply[0].voice.side == ours) && h.agreed(i)
}

// bothSay says that what a sentence says is said by the other side, too, right before or
// right after it; in notes it need not be.
func (h *hearing) bothSay(i int, same func(sentence) bool) bool {
	s := h.sentences[i]
	if s.voice.side == written {
		return true
	}
	for j := max(0, i-12); j < min(len(h.sentences), i+12); j++ {
		o := h.sentences[j]
		near := o.turn >= s.turn-2 && o.turn <= s.turn+2 && h.near(i, j)
		if near && (o.voice.side == ours && s.voice.side == theirs || o.voice.side == theirs && s.voice.side == ours) && same(o) {
			return true
		}
	}
	return false
}

// dayIn is the one day that a text names: of several, the one by which it says that
// something is done.
func (h *hearing) dayIn(text string) (Dated, bool) {
	all := DatesIn(text, h.start())
	if len(all) == 1 {
		return all[0], true
	}
	if n := len(all); n > 1 && correctedBetween(text, all[n-2].Text, all[n-1].Text) {
		return all[n-1], true
	}
	words := " " + strings.Join(wordsIn(text), " ") + " "
	var by []Dated
	for _, d := range all {
		if slices.ContainsFunc(deadlines, func(w string) bool { return strings.Contains(words, " "+w+" "+d.Text+" ") }) {
			by = append(by, d)
		}
	}
	if len(by) == 1 {
		return by[0], true
	}
	return sameDay(all)
}

// sameDay is the day that all can mean: "at the end of the month, the thirty-first".
func sameDay(all []Dated) (Dated, bool) {
	for _, d := range all {
		if d.From.Equal(d.To) && d.Other.IsZero() && !slices.ContainsFunc(all, func(o Dated) bool { return !o.MayBe(d.To) }) {
			return d, true
		}
	}
	return Dated{}, false
}

// nextStep proposes what stands behind the words.
func nextStep(h *hearing, m match) *heard {
	text := strings.TrimRight(m.text[m.behind():], ".!… ")
	text = strings.TrimLeft(text, ":,;–— ")
	for _, that := range []string{"that ", "dass ", "que ", "de "} {
		text = strings.TrimPrefix(text, that)
	}
	if n := len(strings.Fields(text)); n < 2 || n > 25 || len(contentWords(text)) == 0 {
		return nil
	}
	// People speak of next steps all the time; a deal's own is one that is said to be so.
	return updateDeal(h, m, meeting.RecordRef{Object: "deal"}, "hs_next_step", capitalised(text)).
		orAsk(!hasAny(m.words, dealCues) || m.voice.side == theirs, notAsked)
}

// behind is where the text goes on behind a match.
func (m match) behind() int {
	for _, t := range m.tokens {
		if t.at >= m.index[1]-1 {
			return t.start
		}
	}
	return len(m.text)
}

// dealOwner proposes a colleague: by the address, if it is clear who is meant.
func dealOwner(h *hearing, m match) *heard {
	if m.question && !strings.Contains(m.words, " you ") {
		return nil
	}
	who := strings.TrimSpace(m.group("who"))
	name := nameAt(who)
	if name == "" {
		return nil
	}
	// "Chris on our side, Chris Abernathy": who says more of the name says who is meant.
	first := strings.Fields(name)[0]
	for _, full := range fullNames.FindAllString(m.text, -1) {
		if strings.HasPrefix(full, first+" ") && len(full) > len(name) {
			name = full
		}
	}
	value := name
	switch all := h.allNamed(name); {
	case len(all) == 1 && all[0].side == ours && all[0].email != "":
		value = all[0].email
	case slices.ContainsFunc(all, func(v voice) bool { return v.side == theirs }) && !slices.ContainsFunc(all, func(v voice) bool { return v.side == ours }):
		return nil // a customer owns no deal
	}
	return updateDeal(h, m, dealOf(m.group("deal")), "hubspot_owner_id", value)
}

var fullNames = regexp.MustCompile(`\p{Lu}\pL+ \p{Lu}\pL+(?:-\p{Lu}\pL+)?`)

// capital says that a word has one.
func capital(word string) bool {
	first, _ := utf8.DecodeRuneInString(word)
	return unicode.IsUpper(first)
}

// titles stand before names.
var titles = wordSet("frau herr herrn mr mrs ms dr madame monsieur señora señor dona senhor senhora")

// nameAt is the name that words begin with, by their capitals; nothing if they begin
// with none.
func nameAt(words string) string {
	var name []string
	for i, w := range strings.Fields(words) {
		if i == 0 && titles[strings.ToLower(w)] {
			continue
		}
		if !capital(w) {
			break
		}
		name = append(name, w)
	}
	return strings.Join(name, " ")
}
