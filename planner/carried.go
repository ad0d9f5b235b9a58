package planner

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// The part of a sentence that carries a value may say of it that it is not so, was so, is
// about so, or is the price of one: a number that was said is not yet the number.

const (
	contrary     = "what was said may mean the contrary"
	notExactly   = "was said to be about that"
	ofOneOrAPart = "may be of one, or of a part of it"
	refusedPrice = "was named to say that it is too much"
	reportedOnly = "it was told of what somebody else says"
	ofSomething  = "what it is about was not said where it is quoted"
	asksOnly     = "it was asked or offered, and nobody said yes"
)

// carrying are the parts of the quoted sentences that say a value.
func (p *plan) carrying(a proposal, d hubspot.Property, name, value string) []string {
	if d.Type == "number" || name == "amount" {
		return p.numberClauses(a.Evidence, value)
	}
	if day, ok := dayOf(value, p.in.location()); ok && (d.Type == "date" || d.Type == "datetime" || name == "closedate") {
		return p.dayClauses(a.Evidence, day)
	}
	return p.clausesAbout(a.Evidence, value, p.valueLabel(a.tool.Object, name, value))
}

// dayClauses are the parts of the quoted sentences that name a day.
func (p *plan) dayClauses(evidence []meeting.Evidence, day time.Time) []string {
	var all []string
	for _, e := range evidence {
		all = append(all, naming(clausesOf(p.passageOf(e).sentence), func(c string) bool {
			return slices.ContainsFunc(DatesIn(c, p.in.start().In(p.in.location())), func(d Dated) bool { return d.MayBe(day) })
		})...)
	}
	return all
}

// carried says what the words that carry a value have against it.
func (p *plan) carried(a proposal, d hubspot.Property, name, value string) string {
	clauses := p.carrying(a, d, name, value)
	number := d.Type == "number" || name == "amount"
	target, err := hubspot.ParseNumber(value)
	said := func(test func(before, behind string) bool) bool {
		return err == nil && slices.ContainsFunc(clauses, func(c string) bool {
			words := spaced(c)
			return slices.ContainsFunc(AmountsIn(c), func(n Amount) bool {
				before, behind, ok := strings.Cut(words, " "+n.Text+" ")
				return ok && n.Value > target-0.005 && n.Value < target+0.005 && test(before+" ", " "+behind)
			})
		})
	}
	switch {
	case number && said(func(before, behind string) bool {
		return aboutBefore.MatchString(before) || aboutBehind.MatchString(behind)
	}):
		return notExactly
	case number && said(func(before, behind string) bool { return orBefore.MatchString(before) || orBehind.MatchString(behind) }):
		return severalSaid
	case name == "amount" && (said(func(_, behind string) bool { return perOne.MatchString(behind) }) || sayAny(clauses, parts)):
		return ofOneOrAPart
	case name == "amount" && hasAny(spaced(p.sentencesOf(&a)), tooMuch):
		return refusedPrice
	case name == "amount" && sayAny(clauses, anotherTime):
		return notToday
	case name == "closedate" && sayAny(clauses, aboutADay):
		return notExactly
	default:
		return ""
	}
}

// isDenied says that what carries a value denies it.
func isDenied(clauses []string) bool {
	return slices.ContainsFunc(clauses, func(c string) bool {
		said := tonguesOf(spaced(c))
		portuguese := len(said) == 1 && tongues[said[0]] == "pt" // in which "no" is "in the"
		words := inThePortuguese.ReplaceAllString(spaced(c), " ")
		for tongue, not := range notIn {
			if (!portuguese || tongues[tongue] != "es") && hasAny(plainWords(words, tongue), not) {
				return true
			}
		}
		return hasAny(words, elsewhereNot)
	})
}

// inThePortuguese is "on the day", and no "no".
var inThePortuguese = wordsPattern(`no (?:dia|fim|final|total|ano|mês|começo|início|máximo|primeiro|último|próximo)`)

// The words around a number by which it is about that, one of two, or of one of many.
var (
	aboutBefore = regexp.MustCompile(` (?:about|around|roughly|approximately|nearly|almost|under|up to|at least|at most|more than|less than|fewer than|maybe|like|some|towards|closer to|` +
		`ungefähr|etwa|circa|ca|rund|knapp|fast|unter|bis zu|mindestens|höchstens|maximal|mehr als|weniger als|gegen|um die|vielleicht|` +
		`environ|à peu près|presque|autour de|autour des|près de|plus de|moins de|au moins|au plus|au maximum|jusqu à|dans les|peut être|` +
		`unos|unas|alrededor de|cerca de|casi|más de|menos de|al menos|por lo menos|como máximo|como mucho|hasta|aproximadamente|quizás|` +
		`uns|umas|por volta de|quase|mais de|menos de|pelo menos|no máximo|até|talvez) (?:(?:the|a|an|os|as|` + currencies + `) )?$`)
	aboutBehind = regexp.MustCompile(`^ (?:` + currencies + ` )?(?:\pL+ )?(?:or so|ish|give or take|or thereabouts|odd|oder so|oder mehr|oder weniger|or more|or less|plus ou moins|ou plus|ou moins|o así|o más|o menos|más o menos|ou mais|ou menos|mais ou menos|e tal|y pico|e pouco) `)
	orBehind    = regexp.MustCompile(`^ (?:(?:` + currencies + `|\pL+) )?(?:or|oder|ou|o|to|bis|à|a|até) (?:\d|` + numberWords() + ` )`)
	orBefore    = regexp.MustCompile(` (?:\d\S*|` + numberWords() + `) (?:(?:` + currencies + `|\pL+) )?(?:or|oder|ou|o|to|bis|à|até) (?:` + currencies + ` )?$| (?:between|zwischen|entre|from|von|de) (?:\S+ ){1,4}(?:and|und|et|y|e|bis|to|à|a) $`)
	perOne      = regexp.MustCompile(`^ (?:` + currencies + ` )?(?:per (?:\pL+)|each|apiece|a (?:seat|head|user|month|week|day|piece|unit|person|room|truck|vehicle|van|desk|licen[cs]e)|monthly|pro \pL+|je \pL+|im monat|monatlich|die woche|am tag|` +
		`par (?:personne|tête|mois|poste|place|participant|chambre|jour|semaine|utilisateur|unité)|chacun|chacune|pièce|l unité|le mois|por (?:persona|cabeza|mes|plaza|usuario|unidad|habitación|día|pessoa|mês|usuário|unidade|quarto|dia|participante)|cada|al mes|la unidad|ao mês|cada um) `)
)

var notIn = lines(moodNot)

func numberWords() string { return strings.Join(sortedKeys(spelled), "|") }

const (
	// parts are sums that are a part of one, or taken off it.
	parts = `
discount|rebate|deposit|down payment|instalment|installment|setup fee|set up fee|penalty|saving|savings|refund|credit note|shipping
rabatt|nachlass|anzahlung|skonto|vertragsstrafe|gutschrift|ersparnis|versandkosten|einrichtungsgebühr
remise|réduction|rabais|acompte|pénalité|avoir de|frais de port
descuento|rebaja|anticipo|fianza|penalización|gastos de envío
desconto|abatimento|adiantamento|caução|multa|frete`
	// tooMuch is how a price is refused, and anotherTime are the words of one that was, or
	// is to come.
	tooMuch = `
too much|too expensive|too high|too steep|won t do|not enough|doesn t cover
zu viel|zu teuer|zu hoch|reicht nicht|reichen nicht
trop|trop cher|trop élevé|ne suffit pas|suffit pas
demasiado|muy caro|muy alto|no alcanza|no basta
muito caro|caro demais|muito alto|não chega|não basta`
	anotherTime = `
old price|old rate|previous|next year|second phase|phase two|later on
alte preis|alten preis|bisherige|nächstes jahr|zweite phase|später
ancien prix|ancien tarif|l an prochain|deuxième phase|plus tard
precio antiguo|precio anterior|el año que viene|segunda fase|más adelante
preço antigo|preço anterior|ano que vem|segunda fase|mais tarde`
	// anOrder are the words by which somebody notes what another would buy, mostly in jest.
	anOrder = `
put you down for|put them down for|sign you up for|mark you down for
schreibe sie auf für|schreib sie auf für|schreib dich auf für|notiere ihnen|notiere dir
vous inscris pour|vous note pour|te mets pour|vous mets pour
te apunto|le apunto|os apunto|te anoto|le anoto
te anoto|te ponho|vou te pôr|lhe anoto`
	// aboutADay are the words by which a day is near another, or only a bound.
	aboutADay = `
around|about|roughly|approximately|sometime|some time|mid|early|late|before|not before|earliest|no earlier
etwa|ungefähr|circa|rund um|gegen|anfang|mitte|vor|frühestens|irgendwann
vers|environ|autour|courant|début|mi|avant|pas avant
hacia|sobre el|alrededor|a mediados|mediados|principios|antes|no antes
por volta|meados|início|lá pelo|lá para|antes`
	// reports are how people tell what somebody else says or thinks.
	reports = `
he says|she says|they say|he said|she said|they said|says|he thinks|she thinks|thinks|he reckons|reckons|claims|he claims|keeps saying|is saying|according to
sagt|sagte|sagten|meint|meinte|behauptet|behaupten|erzählt|erzählte|glaubt|denkt|vermutet|laut
dit que|dit qu|disent que|a dit|ont dit|pense que|pensent que|croit|prétend|raconte|racontait|selon
dice|dicen|dijo|dijeron|piensa|cree|cuenta|contó|afirma|según
diz|dizem|disse|pensa|acha|acham|acredita|contou|afirma|segundo o|segundo a`
	// daysOver are the words for what was done on a day that is over.
	daysOver = `
yesterday|last week|last month|the other day|this morning i|earlier today
gestern|vorgestern|letzte woche|vorige woche|neulich
hier|avant hier|la semaine dernière|l autre jour
ayer|anteayer|la semana pasada|el otro día
ontem|anteontem|na semana passada|outro dia`
)

// unrelated says that a text shares no word with what was said where it is quoted, and is
// no translation of it: its words were said elsewhere, or it is in the same language.
func (p *plan) unrelated(a proposal, text string) bool {
	about := contentWords(p.withoutPeople(text))
	said, written := tonguesOf(spaced(p.sentencesOf(&a))), tonguesOf(spaced(text))
	sameTongue := max(len(said), len(written)) < len(tongues) && slices.ContainsFunc(written, func(t int) bool { return slices.Contains(said, t) })
	if len(about) == 0 || !sameTongue && !slices.ContainsFunc(about, p.words.hasAlike) {
		return false
	}
	for i, w := range about {
		about[i] = string([]rune(w)[:min(5, len([]rune(w)))])
	}
	return !slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		for _, around := range p.leadingTo(e) {
			if slices.ContainsFunc(about, func(stem string) bool {
				return slices.ContainsFunc(contentWords(around), func(w string) bool { return strings.HasPrefix(w, stem) })
			}) {
				return true
			}
		}
		return false
	})
}

// unansweredTask says that what is to be done stands in a question to which nobody said
// yes.
func (p *plan) unansweredTask(a proposal) bool {
	return !slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		return !strings.HasSuffix(strings.TrimRight(in.sentence, " \"”»“"), "?") || in.saysYes()
	})
}

// otherwiseLater says that what a task is about comes up again, with another day, called
// off, or done.
func (p *plan) otherwiseLater(a proposal, subject string) bool {
	about := contentWords(p.withoutPeople(subject))
	if a.said < 0 || len(about) == 0 {
		return false
	}
	contents := p.segmentContents()
	for i := a.said + 1; i < len(contents); i++ {
		n, _ := sharedWords(about, contents[i])
		if n == 0 || n < min(2, len(about)) {
			continue
		}
		if hasAny(p.speech()[i], offWords) {
			return true
		}
	}
	return false
}

// dayLater says that somebody names another day for the same later on.
func (p *plan) dayLater(a proposal, value string) bool {
	day, ok := dayOf(value, p.in.location())
	if !ok || a.said < 0 {
		return false
	}
	for i, words := range p.speech()[a.said+1:] {
		if !hasAny(words, closingWords) {
			continue
		}
		text := p.in.Meeting.Transcript.Segments[a.said+1+i].Text
		days := DatesIn(clipBytes(text), p.in.start().In(p.in.location()))
		if m := moodOf(text); len(days) > 0 && !m.conditional && !m.hearsay && !p.ofAnotherDeal(a, text) && !slices.ContainsFunc(days, func(d Dated) bool { return d.MayBe(day) }) {
			return true
		}
	}
	return false
}

// optionLater says that somebody names another choice of the same later on.
func (p *plan) optionLater(a proposal, d hubspot.Property, value string) bool {
	if a.said < 0 || d.Type != "enumeration" || a.tool.Operation != policy.Update {
		return false
	}
	own := p.valueLabel(a.tool.Object, d.Name, value)
	for i := a.said + 1; i < len(p.speech()); i++ {
		text := clipBytes(p.in.Meeting.Transcript.Segments[i].Text)
		words := folded(text)
		if says(words, own) {
			continue
		}
		for _, o := range d.Options {
			if o.Value != value && fitsThing(telling(o.Label), words) && len(telling(o.Label)) > 0 && !isDenied(clausesOf(text)) && !moodOf(text).conditional && !strings.HasSuffix(text, "?") && !p.ofAnotherDeal(a, text) {
				return true
			}
		}
	}
	return false
}
