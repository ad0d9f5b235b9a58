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
)

// strictly notes what else speaks against writing what another planner proposes at once.
// The phrases have heeded it by themselves, and where the talk is not here, nobody can.
func (p *plan) strictly(a *proposal) {
	if a.by == ByPhrases || !p.heard(a.by) {
		return
	}
	doubt := func(it bool, why string) {
		if it && !slices.Contains(a.doubts, why) {
			a.doubts = append(a.doubts, why)
		}
	}
	sentence := " " + strings.Join(wordsIn(p.sentencesOf(a)), " ") + " "
	doubt(p.laughed(*a), laughedAt)
	doubt(p.follows(*a), afterAnIf)
	if a.tool.Object == "task" {
		doubt(hasAny(sentence, supposed) && !hasAny(sentence, askedOfUs), onlySupposed)
		doubt(!hasAny(sentence, promising) && !hasAny(sentence, askedOfUs), notPromised)
		return
	}
	if a.tool.Operation == policy.Update {
		doubt(a.tool.Object == "deal" && hasAny(sentence, others3rd), ofOthers)
		doubt(a.Properties["jobtitle"] != "" && hasAny(sentence, toCome), notYet)
	}
	for _, name := range sortedKeys(a.Properties) {
		value := a.Properties[name]
		if value == "" || a.unsupported[name] != "" {
			continue
		}
		definition, _ := p.res.definition(a.tool.Object, name)
		if why := p.against(*a, definition, name, value, sentence); why != "" {
			a.unsupported[name] = p.res.label(a.tool.Object, name) + " " + why
		}
	}
}

// against says what speaks against a value of a property.
func (p *plan) against(a proposal, d hubspot.Property, name, value, sentence string) string {
	number := d.Type == "number" || name == "amount"
	switch {
	case number && hasAny(sentence, pastWords):
		return notToday
	case name == "amount" && p.sumLater(a, value), number && name != "amount" && p.anotherLater(a, value):
		return saidLater
	case !d.HubSpotDefined && d.Name != "" && !slices.Contains(chosenProperties, name) && (number && name != "amount" || d.Type == "date" || d.Type == "enumeration") && !p.namesProperty(a, d):
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

func (p *plan) sentencesOf(a *proposal) string {
	var texts []string
	for _, e := range a.Evidence {
		texts = append(texts, p.passageOf(e).sentence)
	}
	return strings.Join(texts, " . ")
}

// laughed says that somebody laughs where it was said, right before it or right after.
func (p *plan) laughed(a proposal) bool {
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		return slices.ContainsFunc(append([]string{in.segment, in.after}, in.before[:min(1, len(in.before))]...), laughter.MatchString)
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
		if other {
			if m := moodOf(segments[i].Text); !m.conditional && !m.hearsay {
				return true
			}
		}
	}
	return false
}

var currencyWord = regexp.MustCompile(`^` + currencies + `$`)

// namesProperty says that the words around a quotation name a property: one of its
// label's words, be it with another ending, or as a part of it.
func (p *plan) namesProperty(a proposal, d hubspot.Property) bool {
	var said []string
	for _, e := range a.Evidence {
		in := p.passageOf(e)
		for _, text := range append([]string{in.segment}, in.before[:min(1, len(in.before))]...) {
			said = append(said, folded(text)...)
		}
	}
	return slices.ContainsFunc(folded(d.Label+" "+strings.ReplaceAll(d.Name, "_", " ")), func(w string) bool {
		return len(w) >= 3 && !stopWords[w] && slices.ContainsFunc(said, func(s string) bool {
			same := 0
			for same < min(len(w), len(s)) && w[same] == s[same] {
				same++
			}
			return s == w || same >= 5 || same >= 4 && same == min(len(w), len(s))
		})
	})
}

// The words that tell that something was said of another time, of others, or was only
// supposed.
const (
	pastWords = `
last year|last year s|used to|previously|formerly|back then|at the time|in the past
letztes jahr|letzten jahr|früher|bisher|damals|vorher
l an dernier|l année dernière|auparavant|à l époque
el año pasado|antes era|anteriormente|en su día
ano passado|antigamente|anteriormente|na época`
	others3rd = `
paid|they pay|they paid|pays|competitor|competitors|competition|my friend|a friend|our neighbours|sister company|parent company|headquarters|head office|their budget|their offer|another customer|other customers
konkurrenz|wettbewerber|mitbewerber|nachbarn|mutterkonzern|die zentrale|andere kunden|schwesterfirma
concurrent|concurrents|concurrence|maison mère|le siège|autre client|nos voisins
competencia|competidor|la central|la matriz|otro cliente
concorrente|concorrência|a matriz|a sede|outro cliente`
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
