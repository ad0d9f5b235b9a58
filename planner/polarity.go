package planner

import (
	"regexp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// Whether something is said or denied is told by the part of the sentence that names
// it: "we buy, the county doesn't lease" says that they buy. And what is said is not
// always what is left standing: who speaks next may take it back.

// clauseEnds are where one part of a sentence ends and another begins.
var clauseEnds = regexp.MustCompile(`(?i)[;:.!?…—–]+(?:\s|$)|\s[—–-]+\s|,\s+|\s(?:but|sondern|aber|mais|sino|pero|mas|senão|ma|maar|although|though|obwohl|bien que|aunque|embora)\s`)

// dotInADay is that of "30. April", which ends nothing.
var dotInADay = regexp.MustCompile(`(?i)(\d)\.\s+(` + strings.Join(sortedKeys(months), "|") + `)`)

// onlyNot is a part of a sentence that says nothing but that what stood before is not so,
// or not yet.
var onlyNot = regexp.MustCompile(`^ (?:not|not yet|or not|noch nicht|nicht|pas encore|ou pas|todavía no|aún no|ainda não|não ainda|nog niet|non ancora) $`)

// clausesOf takes sentences apart.
func clausesOf(text string) []string {
	var out []string
	for _, part := range clauseEnds.Split(dotInADay.ReplaceAllString(text, "$1 $2"), -1) {
		switch {
		case strings.TrimSpace(part) == "":
		case onlyNot.MatchString(spaced(part)) && len(out) > 0:
			out[len(out)-1] += " " + part
		default:
			out = append(out, part)
		}
	}
	return out
}

// naming are the clauses for which a test holds; all of them, if it holds for none.
func naming(clauses []string, names func(clause string) bool) []string {
	some := slices.DeleteFunc(slices.Clone(clauses), func(c string) bool { return !names(c) })
	if len(some) == 0 {
		return clauses
	}
	return some
}

// clausesAbout are the parts of the quoted sentences that say one of some texts.
func (p *plan) clausesAbout(evidence []meeting.Evidence, texts ...string) []string {
	var all []string
	for _, e := range evidence {
		all = append(all, naming(clausesOf(p.passageOf(e).sentence), func(c string) bool { return says(folded(c), texts...) })...)
	}
	return all
}

// says tells whether words that were said have one of those that texts are made of.
func says(said []string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		return slices.ContainsFunc(folded(text), func(w string) bool {
			return !stopWords[w] && (len(w) > 3 || !emptyWords[w]) && slices.ContainsFunc(said, func(s string) bool { return alike(s, w) || kindOf(s) == kindOf(w) })
		})
	})
}

// sayAny says that one of some texts has one of the words of a table.
func sayAny(texts []string, table string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return hasAny(spaced(text), table) })
}

// denies says that what is quoted says of one of a proposal's values that it is not so.
func (p *plan) denies(a proposal) bool {
	if a.tool.Object == "task" {
		return sayAny(p.clausesAbout(a.Evidence, p.withoutPeople(a.Properties["hs_task_subject"])), moodNot+elsewhereNot)
	}
	return a.tool.Operation == policy.Update && slices.ContainsFunc(sortedKeys(a.Properties), func(name string) bool {
		d, _ := p.res.definition(a.tool.Object, name)
		value := a.Properties[name]
		return name != "deal_currency_code" && value != "" && (d.Name != "" || slices.Contains([]string{"jobtitle", "closedate", "hs_next_step"}, name)) && isDenied(p.carrying(a, d, name, value))
	})
}

// numberClauses are the parts of the quoted sentences that say a number.
func (p *plan) numberClauses(evidence []meeting.Evidence, value string) []string {
	target, err := hubspot.ParseNumber(value)
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range evidence {
		all = append(all, naming(clausesOf(p.passageOf(e).sentence), func(c string) bool { return saysNumber(c, target) })...)
	}
	return all
}

func saysNumber(text string, target float64) bool {
	return slices.ContainsFunc(AmountsIn(text), func(n Amount) bool { return n.Value > target-0.005 && n.Value < target+0.005 })
}

// withdrawn says that right behind what is quoted somebody takes it back: who said it in
// the same breath, or in the next two utterances.
func (p *plan) withdrawn(evidence []meeting.Evidence) bool {
	return slices.ContainsFunc(evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		stops := func(c string) bool {
			words := wordsIn(c)
			return len(words) < 4 && hasAny(spaced(c), breathing) || len(words) == 1 && slices.Contains(plainNo, words[0])
		}
		quoted := clausesOf(in.sentence)
		if in.at >= 0 && (slices.ContainsFunc(clausesOf(strings.Join(firstWords(in.rest, 8), " ")), stops) || len(quoted) > 1 && stops(quoted[len(quoted)-1])) {
			return true
		}
		if goesOn := goesOn(in, e.Quote); hasAny(goesOn, breathing) || slices.ContainsFunc(firstWords(goesOn, 1), func(w string) bool { return slices.Contains(plainNo, w) }) {
			return true
		}
		return sayAny(append([]string{in.rest}, in.after...), takingBack)
	})
}

var plainNo = []string{"no", "nope", "nein", "nee", "non", "não"}

const (
	// breathing is how people stop in mid-speech to say something else.
	breathing = `
wait|no wait|scratch that|correction|hang on|hold on|i mean
moment|warte|quatsch|stopp|ich meine
attends|attendez|pardon|je veux dire
espera|espere|perdón|digo|no no
espera|espere|desculpa|quer dizer
wacht|aspetta|aspetti`
	// takingBack are what takes back what was said shortly before.
	takingBack = `
scratch that|forget that|forget it|forget i|never mind|i take it back|strike that|just playing|only playing|just kidding|i m kidding|only joking|i m joking|just teasing|i haven t said|i didn t say|i never said|that s not what|don t write that|don t put that|leave it out|nowhere near|we re not doing that|i can t promise
vergessen sie das|vergiss das|nehme ich zurück|nehm ich zurück|war nur spaß|nur spaß|nur ein scherz|war ein scherz|das habe ich nicht gesagt|hab ich nicht gesagt|nicht aufschreiben|streichen sie das|streich das|kommando zurück|doch nicht
laisse tomber|laissez tomber|oubliez ça|oublie ça|je plaisante|je rigole|je n ai pas dit|j ai pas dit|ne notez pas|ne note pas|je retire
olvídalo|olvídelo|olvida eso|es broma|era broma|estoy bromeando|no he dicho|no dije|no lo apuntes|no lo anote|lo retiro|retiro lo dicho
esquece isso|esqueça isso|estou brincando|tô brincando|é brincadeira|era brincadeira|não falei isso|eu não disse|não anota|não anote|retiro o que disse`
)
