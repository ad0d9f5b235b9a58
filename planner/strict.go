package planner

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// A quotation that stands in the talk, and a value that follows from it, do not yet say
// that the value is that property's. What is said of it has to name it; it has to be said
// of those whose record it is, now, in earnest, and for good.

// Why a value that follows from a quotation is asked about all the same.
const (
	notNamedHere  = "may be of something else: what was said does not name it"
	laughedAt     = "somebody laughed about it"
	saidLater     = "may be past: another one was said later"
	notToday      = "was said of another time"
	ofOthers      = "it may have been said of others"
	notPromised   = "nobody quite promised it"
	notYet        = "it was said of what is still to come"
	onlySupposed  = "it was only supposed"
	afterAnIf     = "it was said for a case that may not come"
	notInTheWords = "was not said like that"

	withdrawnAfter = "who spoke next may have taken it back"
	ownAffair      = "it may be your own affair, and not the customer's"
	ofOtherTimes   = "it was said of another time"
	unanswered     = "it was asked, and nobody said yes"
	ofNothing      = "may be no price: it was a manner of speaking"
)

// strictly notes what else speaks against writing what another planner proposes at once.
// The phrases have heeded it by themselves.
func (p *plan) strictly(a *proposal) {
	if a.by == ByPhrases {
		return
	}
	doubt := func(it bool, why string) {
		if it && !slices.Contains(a.doubts, why) {
			a.doubts = append(a.doubts, why)
		}
	}
	sentence := spaced(p.sentencesOf(a))
	doubt(p.laughed(*a), laughedAt)
	doubt(p.follows(*a), afterAnIf)
	if a.tool.Object == "task" {
		doubt(sayAny(p.clausesAbout(a.Evidence, p.withoutPeople(a.Properties["hs_task_subject"])), supposed) && !hasAny(sentence, askedOfUs), onlySupposed)
		doubt(!p.promised(a.Evidence), notPromised)
		doubt(hasAny(sentence, daysOver), "it may be done already")
		doubt(p.unansweredTask(*a), asksOnly)
		doubt(p.unrelated(*a, a.Properties["hs_task_subject"]), ofSomething)
		doubt(p.otherwiseLater(*a, a.Properties["hs_task_subject"]), cameUpAgain)
		doubt(p.otherDayLater(*a), otherLater)
		doubt(p.askedAmongThem(*a), ownAffair)
		doubt(p.waitsForAnother(*a), notOfSpeaker)
		doubt(p.amongOurs(a.Evidence) || p.amongThem(a.Evidence), ownAffair)
		return
	}
	if a.tool.Operation == policy.Update {
		doubt(p.onlyAsked(*a), unanswered)
		doubt(p.limitedAfter(a.Evidence), afterAnIf)
		doubt(a.tool.Object == "deal" && hasAny(sentence, hoped), onlySupposed)
		doubt((a.tool.Object == "deal" || a.tool.Object == "company") && (hasAny(p.withoutProperties(*a, sentence), others3rd) || hasAny(sentence, private) || p.tellsOfThem(*a) || p.isOffered(p.sentencesOf(a))), ofOthers)
		doubt(hasAny(sentence, reports), reportedOnly)
		doubt(a.Properties["jobtitle"] != "" && hasAny(sentence, toCome), notYet)
		doubt(a.Properties["jobtitle"] != "" && hasAny(sentence, wasOnce), ofOtherTimes)
		doubt(hasAny(sentence, refused), contrary)
		doubt(a.Properties["jobtitle"] != "" && sayAny(p.clausesAbout(a.Evidence, a.Properties["jobtitle"]), pastWords), ofOtherTimes)
	}
	for _, name := range sortedKeys(a.Properties) {
		value := a.Properties[name]
		if value == "" || a.unsupported[name] != "" {
			continue
		}
		definition, _ := p.res.definition(a.tool.Object, name)
		if why := p.against(*a, definition, name, value); why != "" {
			a.unsupported[name] = p.res.label(a.tool.Object, name) + " " + why
		}
	}
}

// against says what speaks against a value of a property.
func (p *plan) against(a proposal, d hubspot.Property, name, value string) string {
	number := d.Type == "number" || name == "amount"
	switch {
	case number && name != "amount" && sayAny(p.carrying(a, d, name, value), hadAlready):
		return notToday
	case name != "jobtitle" && name != "deal_currency_code" && (sayAny(p.carrying(a, d, name, value), pastWords) || p.beginsInThePast(a, value)):
		return notToday
	case p.carried(a, d, name, value) != "":
		return p.carried(a, d, name, value)
	case name == "closedate" && p.dayLater(a, value), p.optionLater(a, d, value):
		return saidLater
	case a.tool.Object == "deal" && !slices.Contains(chosenProperties, name) && (d.Type == "number" && name != "amount" || d.Type == "enumeration") && p.isOfAThing(p.carrying(a, d, name, value), d.Label):
		return notNamedHere
	case name == "closedate" && !p.closes(a, value):
		return notTheClose
	case name == "hs_next_step" && p.unrelated(a, value):
		return notInTheWords
	case name == "hs_next_step" && !p.isNext(a):
		return notTheNext
	case name == "amount" && sayAny(p.numberClauses(a.Evidence, value), wouldPay):
		return ofNothing
	case name == "amount" && !p.isASum(a):
		return notTheSum
	case name == "amount" && p.sumLater(a, value), number && name != "amount" && p.anotherLater(a, value):
		return saidLater
	case d.Name != "" && !slices.Contains(chosenProperties, name) && (number && name != "amount" || !d.HubSpotDefined && (d.Type == "date" || d.Type == "enumeration")) && !p.namesProperty(a, d) && !p.onlyHere(a, d, value):
		return notNamedHere
	case !number && (d.Type == "string" || name == "firstname" || name == "lastname" || name == "city") && !slices.Contains(freeText, name) && !p.saysMost(a.Evidence, value):
		return notInTheWords
	default:
		return ""
	}
}

// freeText are properties whose values are in their writer's words.
var freeText = []string{
	"dealname", "subject", "hs_task_subject", "hs_task_body", "hs_task_status", "hs_note_body", "description", "content", "email", "phone", "mobilephone", "domain", "website", "name", "amount", "closedate",
	"dealstage", "pipeline", "hs_pipeline", "hs_pipeline_stage", "deal_currency_code", "hubspot_owner_id", "hs_next_step",
}

// promised says that somebody says what they, or a colleague of whom they tell, will do;
// or is asked to do.
func (p *plan) promised(evidence []meeting.Evidence) bool {
	return slices.ContainsFunc(evidence, func(e meeting.Evidence) bool {
		sentence := p.passageOf(e).sentence
		words := spaced(sentence)
		text := spokenOf(sentence)
		own := ofTheirOwn(words)
		toUs := own || slices.ContainsFunc(youWords[:], func(line string) bool { return hasAny(words, line) })
		willDo := hasAny(words, goingTo) || slices.ContainsFunc(strings.Fields(words), func(w string) bool {
			return slices.ContainsFunc(verbsBy[:], func(t verbTable) bool { return delivering[t.other[w]] })
		})
		return own && !onlyPast.MatchString(words) || hasAny(words, askedOfUs) ||
			(toUs || willDo) && slices.ContainsFunc(p.everyone(), func(n personName) bool { f, _ := n.in(text); return f > nickname })
	})
}

// goingTo is how somebody tells what another will do.
const goingTo = `will|going to|gonna|wird|va|vai|va a`

// ofTheirOwn says that people say something of themselves. The words for it are others in
// another language ("on", "le"), so that it counts which one they speak.
func ofTheirOwn(words string) bool {
	may := tonguesOf(words)
	says := func(tongue int) bool { return hasAny(words, promisingIn[tongue]) }
	if len(may) > 1 && len(may) < len(tongues) {
		// In which language it was said can't be told: then it is a promise in each.
		return !slices.ContainsFunc(may, func(tongue int) bool { return !says(tongue) }) || hasAny(words, foreignPromise)
	}
	return slices.ContainsFunc(may, says) || hasAny(words, foreignPromise)
}

// foreignPromise are the words for it in the commonest other languages.
const foreignPromise = `ik|wij|mij|io|noi|vi mando|le mando|ti mando|vi invio|le invio|ti invio|mando|invio|preparo`

// tonguesOf are the languages that words may be of: those whose commonest words they have
// most of; all, if they have none.
func tonguesOf(words string) []int {
	most, may := 0, []int(nil)
	for tongue, common := range commonWords {
		n := 0
		for w := range strings.FieldsSeq(words) {
			if common[w] {
				n++
			}
		}
		if n > most {
			most, may = n, nil
		}
		if n == most {
			may = append(may, tongue)
		}
	}
	return may
}

var (
	promisingIn = lines(promising)
	commonWords = [len(tongues)]map[string]bool{
		wordSet("the to you is of and that it for i we ll will on this in your at by our about so"),
		wordSet("der die das und ich sie ist wir ein eine den dem zu mit am auf ihnen für im noch bis es das"),
		wordSet("le la les et est je j vous nous de un une que pour on du des à au en c d l"),
		wordSet("el la los las y que de en un una es lo os le te se por con al del yo les"),
		wordSet("o a e que de em um uma é com eu do da na te lhe para pra vou não"),
	}
)

// everyone are the names of those who were there, of the contacts and of the owners.
func (p *plan) everyone() []personName {
	var names []personName
	for _, person := range slices.Concat(p.people.External, p.people.Internal) {
		names = append(names, nameOf(person))
	}
	for _, c := range p.res.Contacts {
		names = append(names, nameOfContact(c))
	}
	for _, o := range p.res.Owners {
		names = append(names, nameOf(Person{Name: o.Name, Email: o.Email}))
	}
	return names
}

// onlyPast is an English sentence of what the speaker did, and not of what they will do.
var onlyPast = regexp.MustCompile(`^(?: (?:okay|ok|so|well|and|right|yeah|yes|then|oh))* (?:i|we) (?:\pL+ed|reset|sent|made|did|had|put|got|took|gave|told|wrote|set|found|ran|built|went|brought|fixed) (?:\S+ )*$`)

// amongOurs says that the organization's own people say something to each other: nobody
// from outside speaks right before or after, is spoken to, or is named.
func (p *plan) amongOurs(evidence []meeting.Evidence) bool {
	return !slices.ContainsFunc(evidence, func(e meeting.Evidence) bool { return !p.ownTalk(e) })
}

// amongThem says that one of theirs tells what they will do, and nothing of it is for you.
func (p *plan) amongThem(evidence []meeting.Evidence) bool {
	return !slices.ContainsFunc(evidence, func(e meeting.Evidence) bool {
		words := spaced(p.passageOf(e).sentence)
		theirs := slices.ContainsFunc(p.people.External, func(x Person) bool { return x.Name != "" && sameSpeaker(x.Name, e.Speaker) })
		if !theirs || hasAny(words, askedOfUs) || slices.ContainsFunc(youWords[:], func(line string) bool { return hasAny(words, line) }) {
			return true
		}
		return slices.ContainsFunc(strings.Fields(words), func(w string) bool {
			return slices.ContainsFunc(verbsBy[:], func(t verbTable) bool { return delivering[w] || delivering[t.self[w]] || delivering[t.other[w]] })
		})
	})
}

func (p *plan) ownTalk(e meeting.Evidence) bool {
	in := p.passageOf(e)
	if in.at < 0 || len(p.people.Internal) < 2 || !p.isOurs(e.Speaker) {
		return false
	}
	segments := p.in.Meeting.Transcript.Segments
	for i := max(0, in.at-1); i <= min(len(segments)-1, in.at+followOn); i++ {
		if !p.isOurs(segments[i].Speaker) {
			return false
		}
	}
	words := spaced(in.sentence)
	if slices.ContainsFunc(youWords[:], func(line string) bool { return hasAny(words, line) }) || hasAny(words, dealWords) {
		return false
	}
	return !p.namesRecord(folded(in.sentence))
}

// namesRecord says that words, as they are compared, have one of a record's name.
func (p *plan) namesRecord(words []string) bool {
	return slices.ContainsFunc([]string{"company", "contact", "deal", "ticket"}, func(object string) bool {
		return slices.ContainsFunc(p.res.of(object), func(r Record) bool {
			return slices.ContainsFunc(telling(labelOf(object, r.Properties)), func(w string) bool { return len(w) > 2 && slices.Contains(words, w) })
		})
	})
}

func (p *plan) isOurs(speaker string) bool {
	return slices.ContainsFunc(p.people.Internal, func(x Person) bool { return x.Name != "" && sameSpeaker(x.Name, speaker) })
}

func (p *plan) sentencesOf(a *proposal) string {
	var texts []string
	for _, e := range a.Evidence {
		texts = append(texts, p.passageOf(e).sentence)
	}
	return strings.Join(texts, " . ")
}

// onlyAsked says that a value stands in a question that nobody answered with a yes, or by
// repeating it.
func (p *plan) onlyAsked(a proposal) bool {
	return !slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		if !strings.HasSuffix(strings.TrimRight(in.sentence, " \"”»“"), "?") {
			return true
		}
		return len(in.after) > 0 && (slices.ContainsFunc(sortedKeys(a.Properties), func(name string) bool { return p.echoed(a, name, "") }) ||
			in.saysYes())
	})
}

// saysYes says that who speaks next begins with a yes.
func (in passage) saysYes() bool {
	return len(in.after) > 0 && slices.ContainsFunc(verbsBy[:], func(t verbTable) bool {
		return hasAny(" "+strings.Join(firstWords(spaced(in.after[0]), 3), " ")+" ", t.yes)
	})
}

// limitedAfter says that a short "if" follows: "We take forty. If the board agrees."
func (p *plan) limitedAfter(evidence []meeting.Evidence) bool {
	return slices.ContainsFunc(evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		next := in.rest
		if next == "" && len(in.after) > 0 {
			next = in.after[0]
		}
		if parts := cutUp(next).parts; len(parts) > 0 {
			next = parts[0]
		}
		return len(wordsIn(next)) <= 8 && !strings.HasSuffix(next, "?") && (moodOf(next).conditional || hasAny(spaced(next), "depends|it depends|kommt darauf an|ça dépend|depende"))
	})
}

// withoutProperties leaves out of words what a proposal's properties are called: who names
// "the main competitor" tells of none of its affairs.
func (p *plan) withoutProperties(a proposal, words string) string {
	for _, name := range sortedKeys(a.Properties) {
		d, _ := p.res.definition(a.tool.Object, name)
		for w := range strings.FieldsSeq(words) {
			if len(w) > 5 && slices.ContainsFunc(folded(d.Label), func(l string) bool { return alike(l, fold(w)) }) {
				words = strings.ReplaceAll(words, " "+w+" ", " ")
			}
		}
	}
	return words
}

// tellsOfThem says that a number is told of somebody else: of "them", and not of "us".
func (p *plan) tellsOfThem(a proposal) bool {
	return slices.ContainsFunc(sortedKeys(a.Properties), func(name string) bool {
		clauses := p.numberClauses(a.Evidence, a.Properties[name])
		return len(clauses) > 0 && sayAny(clauses, them) && !sayAny(clauses, us)
	})
}

const (
	them = `
they|their|them|he|his|she|her
die anderen|deren|denen|seine|ihm
ils|elles|leur|leurs|eux
ellos|ellas|él|ella
eles|elas|deles|delas|dele|dela`
	us = `
we|our|us|i|my|you|your|ll
wir|uns|unser|unsere|unserer|ich|mein|meine|ihnen|sie
nous|on|notre|nos|je|j|vous|votre
nosotros|nuestro|nuestra|nos|yo|mi|te|os|les|le
nós|nosso|nossa|nos|eu|meu|minha|te|vocês|você`
	// private is what people have at home.
	private = `
my uncle|my aunt|my brother|my sister|my wife|my husband|my son|my daughter|my kids|my cousin|my nephew|my niece|my father|my mother|my dad|my mum|my mom|my neighbour|my neighbor|my friend|my car|my boat|my house|my flat|my kitchen|my mortgage|my salary|my old job|my last job
mein bruder|meine schwester|meine frau|mein mann|mein sohn|meine tochter|meine kinder|mein neffe|meine nichte|mein vater|meine mutter|mein nachbar|meine nachbarin|mein freund|mein auto|mein boot|mein haus|meine wohnung|meine küche|mein gehalt|mein schwager|mein onkel
mon frère|ma sœur|ma soeur|ma femme|mon mari|mon fils|ma fille|mes enfants|mon neveu|ma nièce|mon père|ma mère|mon voisin|ma voisine|mon ami|ma voiture|mon bateau|ma maison|mon appartement|ma cuisine|mon salaire|mon oncle|mon beau frère
mi hermano|mi hermana|mi mujer|mi marido|mi hijo|mi hija|mis hijos|mi sobrino|mi sobrina|mi padre|mi madre|mi vecino|mi vecina|mi amigo|mi coche|mi barco|mi casa|mi piso|mi cocina|mi sueldo|mi tío|mi cuñado|mi primo
meu irmão|minha irmã|minha mulher|meu marido|meu filho|minha filha|meus filhos|meu sobrinho|minha sobrinha|meu pai|minha mãe|meu vizinho|minha vizinha|meu amigo|meu carro|meu barco|minha casa|meu apartamento|minha cozinha|meu salário|meu tio|meu cunhado|meu primo`
	// hadAlready is how people tell what they have, and not what they take.
	hadAlready = `
we already have|we ve already got|already got
haben schon|haben bereits
on a déjà|nous avons déjà
ya tenemos
já temos`
	// wasOnce is how people tell what they were, and refused that they turned something down.
	wasOnce = `
before this i was|before that i was|i was the|i was a|i was head
davor war ich|vorher war ich|ich war
avant j étais|j étais
yo era|antes era
eu era|antes eu era`
	refused = `
we said no|i said no|turned it down|turned them down|we refused
abgelehnt|haben wir nein gesagt
on a refusé|on a dit non|nous avons refusé
dijimos que no|lo rechazamos
dissemos que não|recusamos`
	hoped = `
hope|hopes|hoping|hopefully|wish|might|thinking of|thinking about|toying|dream of|dreaming
hoffe|hoffen|hoffentlich|überlegen|überlege|wünsche|wünschen|träumen
espère|espérons|on espère|aimerais|aimerions|envisage|envisageons|rêve
espero|esperamos|ojalá|me gustaría|nos gustaría|pensando en|soñar
espero|esperamos|tomara|gostaria|gostaríamos|pensando em|sonhar`
)

// laughed says that somebody laughs where it was said, right before it or right after.
func (p *plan) laughed(a proposal) bool {
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		return slices.ContainsFunc(slices.Concat([]string{in.segment}, in.after[:min(1, len(in.after))], in.before[:min(1, len(in.before))]), laughter.MatchString)
	})
}

// laughter is how it is written down.
var laughter = regexp.MustCompile(`(?i)(?:^|\PL)(?:haha(?:ha)*|ha ha|hehe|lol|jaja(?:ja)*|kkk+|rsrs|mdr|just kidding|i.m kidding|only joking|scherz|je plaisante|es broma|brincadeira)(?:\PL|$)|[\[(*](?:laugh\w*|lach\w*|rires?|risas?|risos?)[\])*]`)

// follows says that what was said follows on a condition, or on a question of what if.
func (p *plan) follows(a proposal) bool {
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		if !afterCondition.MatchString(" . " + strings.Join(wordsIn(in.sentence), " ") + " ") {
			return false
		}
		lead, _, _ := strings.Cut(in.segment, in.sentence)
		before := append([]string{lead}, in.before[:min(1, len(in.before))]...)
		return slices.ContainsFunc(before, func(text string) bool {
			return moodOf(text).conditional || strings.Contains(text, "?") && hasAny(" "+strings.Join(wordsIn(text), " ")+" ", "what if|if|was wenn|et si|y si|e se")
		})
	})
}

// anotherLater says that somebody says another number of the same later on.
func (p *plan) anotherLater(a proposal, value string) bool {
	target, err := hubspot.ParseNumber(value)
	if err != nil || a.said < 0 {
		return false
	}
	unit := ""
	for _, e := range a.Evidence {
		words := " " + strings.Join(wordsIn(e.Quote), " ") + " "
		for _, n := range AmountsIn(e.Quote) {
			if _, behind, ok := strings.Cut(words, " "+n.Text+" "); ok && math.Abs(n.Value-target) < 0.005 {
				unit = firstWord(behind)
			}
		}
	}
	if len(unit) < 3 || currencyWord.MatchString(unit) {
		return false
	}
	for i, words := range p.speech()[a.said+1:] {
		if !strings.Contains(words, " "+unit[:min(len(unit), 3)]) {
			continue
		}
		text := p.in.Meeting.Transcript.Segments[a.said+1+i].Text
		for _, n := range AmountsIn(text) {
			_, behind, ok := strings.Cut(words, " "+n.Text+" ")
			if ok && alike(firstWord(behind), unit) && math.Abs(n.Value-target) >= 0.005 && !moodOf(text).conditional {
				return true
			}
		}
	}
	return false
}

// sumLater says that somebody names another sum of that size later on, and not for a
// case that may not come.
func (p *plan) sumLater(a proposal, value string) bool {
	target, err := hubspot.ParseNumber(value)
	if err != nil || a.said < 0 {
		return false
	}
	segments := p.in.Meeting.Transcript.Segments
	if p.sums == nil {
		p.sums = make([][]float64, len(segments))
		for i, s := range segments {
			p.sums[i] = sums(s.Text)
		}
	}
	for i := a.said + 1; i < len(segments); i++ {
		other := slices.ContainsFunc(p.sums[i], func(n float64) bool { return math.Abs(n-target) > 0.005 && n > target/2 && n < 2*target })
		if other && !p.ofAnotherDeal(a, segments[i].Text) {
			if m := moodOf(segments[i].Text); !m.conditional && !m.hearsay {
				return true
			}
		}
	}
	return false
}

// ofAnotherDeal says that a text names another deal than the one of a proposal.
func (p *plan) ofAnotherDeal(a proposal, text string) bool {
	list := p.work("deal")
	if len(list) < 2 || a.Target.ID == "" {
		return false
	}
	said := p.saidIn("deal", list, folded(text))
	_, own := byID(said, a.Target.ID)
	return len(said) > 0 && !own
}

var currencyWord = regexp.MustCompile(`^` + currencies + `$`)

// namesProperty says that the words around a quotation name a property: one of its
// label's words, be it with another ending, or as a part of it.
func (p *plan) namesProperty(a proposal, d hubspot.Property) bool {
	var said []string
	for _, e := range a.Evidence {
		in := p.passageOf(e)
		for _, text := range slices.Concat([]string{in.segment}, in.before[:min(1, len(in.before))], in.after[:min(1, len(in.after))]) {
			for _, w := range folded(text) {
				said = append(said, w, strings.TrimPrefix(w, "ge")) // "geliefert"
			}
		}
	}
	return slices.ContainsFunc(folded(d.Label+" "+strings.ReplaceAll(d.Name, "_", " ")), func(w string) bool {
		return len(w) >= 3 && !stopWords[w] && slices.ContainsFunc(said, func(s string) bool {
			same := 0
			for same < min(len(w), len(s)) && w[same] == s[same] {
				same++
			}
			return s == w || kindOf(s) == kindOf(w) || len(w) >= 9 && len(s) >= 9 && same >= 4 && s[len(s)-5:len(s)-2] == w[len(w)-5:len(w)-2] || same >= 5 || same >= 4 && same == min(len(w), len(s))
		})
	})
}

const (
	// wouldPay are how somebody names a sum who does not mean it.
	wouldPay = `
i d pay|i would pay|i d give|we d pay|you d pay|i d kill
ich würde zahlen|würde ich zahlen|würde ich geben
je paierais|je donnerais
pagaría yo|yo pagaría|daría
eu pagaria|eu daria`
)

// onlyHere says that a choice has a name of several words, all of which were said, or is a
// language that no other property offers: whatever is called so, it is that. A name may be somebody's, and "high" could be said of many.
func (p *plan) onlyHere(a proposal, d hubspot.Property, value string) bool {
	isLanguage := func(text string) bool {
		return slices.ContainsFunc(folded(text), func(w string) bool { return slices.Contains(languages, kindOf(w)) })
	}
	if label := p.valueLabel(a.tool.Object, d.Name, value); d.Type == "enumeration" && len(telling(label)) > 1 && p.saysMost(a.Evidence, label) && fitsThing(telling(label), p.sentences(a.Evidence)) {
		return true // "I'm the budget holder" is said of nothing else
	}
	return d.Type == "enumeration" && isLanguage(p.valueLabel(a.tool.Object, d.Name, value)) && !slices.ContainsFunc(p.res.Properties[a.tool.Object], func(o hubspot.Property) bool {
		return o.Name != d.Name && slices.ContainsFunc(o.Options, func(x hubspot.PropertyOption) bool { return isLanguage(x.Label) })
	})
}

var languages = []string{"english", "german", "french", "spanish", "portuguese", "italian", "dutch"}

// The words that tell that something was said of another time, of others, or was only
// supposed.
const (
	pastWords = `
last year|last year s|used to|old contract|old deal|old order|previously|formerly|back then|at the time|in the past
letztes jahr|letzten jahr|alte vertrag|alten vertrag|alter vertrag|früher|bisher|damals|vorher
l an dernier|l année dernière|ancien contrat|auparavant|à l époque
el año pasado|contrato anterior|contrato viejo|contrato antiguo|antes era|anteriormente|en su día
ano passado|contrato antigo|contrato velho|antigamente|anteriormente|na época`
	others3rd = `
paid|they pay|they paid|pays|pay there|competitor|competitors|competition|my friend|a friend|our neighbours|the neighbours|the neighbors|sister company|parent company|headquarters|head office|their budget|their offer|another customer|other customers|other branch|other site|other plant
zahlt|zahlen die|zahlen da|hat gezahlt|haben gezahlt|bezahlt|konkurrenz|wettbewerber|mitbewerber|nachbarn|mutterkonzern|die zentrale|andere kunden|schwesterfirma|andere filiale|anderen filiale|anderes werk|anderen werk
paie|paient|a payé|ont payé|payait|concurrent|concurrents|concurrence|maison mère|le siège|autre client|nos voisins|autre agence|autre site
paga|pagan|pagó|pagaron|competencia|competidor|la central|la matriz|otro cliente|otra sucursal|otra sede
paga|pagam|pagou|pagaram|concorrente|concorrência|a matriz|a sede|outro cliente|outra filial|outra unidade`
	supposed = `
could|might|would|should|ought to|wish
könnte|könnten|würde|würden|müsste|müssten|sollte|sollten|hätte
pourrait|pourrais|pourrions|devrait|devrais|devrions|faudrait
podría|podríamos|debería|deberíamos|habría que
poderia|poderíamos|deveria|deveríamos|teria`
	toCome = `
will be|is going to be|becomes|from january|next month|next year|soon
wird|werde|demnächst|ab januar|nächstes jahr|nächsten monat
sera|va devenir|bientôt|l an prochain|le mois prochain
será|va a ser|pronto|el año que viene
vai ser|em breve|ano que vem|mês que vem`
)
