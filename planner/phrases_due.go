package planner

import (
	"slices"
	"strings"
	"time"
)

// When something that was promised is due. A day is taken for it only where it is the
// only one in the sentence, one single day that comes, and said of the promise and not
// of what the promise is about; where it is none, there is no task; where that can't be
// told, it is a question.

// due is the day that was said with a promise, and why it may be another.
type due struct {
	Dated

	doubt string
}

func (d *due) orAsk(it bool) {
	if it {
		d.doubt = whichDay
	}
}

// dueIn is when the promise of a sentence is due, if it says so.
func (h *hearing) dueIn(i int, p promise) (due, bool) {
	s, all := h.sentences[i], h.datesIn(h.sentences[i])
	day, ok := h.dayIn(s.text)
	today := midnight(h.start(), h.start().Location())
	if !ok || day.To.Before(today) {
		return due{}, false
	}
	d := due{Dated: day}
	d.orAsk(len(all) > 1 && !h.sayOneDay(all))
	d.orAsk(!day.From.Equal(day.To) || !day.Other.IsZero())
	return d, h.saidOfPromise(&d, s, p, today)
}

// sayOneDay says that all days that a text names are one, said in several ways.
func (h *hearing) sayOneDay(all []Dated) bool {
	_, ok := sameDay(all)
	return ok
}

// sameDay says that a sentence names no other day than one.
func (h *hearing) sameDay(s sentence, day Dated) bool {
	return !slices.ContainsFunc(h.datesIn(s), func(d Dated) bool { return !d.MayBe(day.To) })
}

// datesIn are the days that a sentence names; each is read once, as often as it is asked.
func (h *hearing) datesIn(s sentence) []Dated {
	all, ok := h.dates[s.text]
	if !ok {
		if h.dates == nil {
			h.dates = map[string][]Dated{}
		}
		all = DatesIn(s.text, h.start())
		h.dates[s.text] = all
	}
	return all
}

// dayMarks mark words that tell of days, and with them those that lead to them.
type dayMarks struct{ core, all []bool }

func (h *hearing) dayMarks(s sentence) dayMarks {
	marks, ok := h.days[s.text]
	if !ok {
		if h.days == nil {
			h.days = map[string]dayMarks{}
		}
		marks.core, marks.all = s.dayWords(h.start())
		h.days[s.text] = marks
	}
	return marks
}

// What may stand before and behind a day, in all languages.
var (
	// dated make of a day one that things are of: "the slides from Monday".
	dated = [len(tongues)][]string{
		strings.Fields("for from of since about last to as after starting"), strings.Fields("für vom von seit letzten letzte auf ab nach"), strings.Fields("de du depuis dernier au après"),
		strings.Fields("del de desde pasado al tras"), strings.Fields("de da do desde após"),
	}
	// deadlines stand before the day by which something is done.
	deadlines = []string{"by", "until", "before", "bis", "bis zum", "bis am", "d ici", "d ici le", "avant", "avant le", "pour", "pour le", "antes del", "para el", "hasta el", "antes de", "até", "até a", "até o"}
	// notQuite stand before a day that is about it, and may be another.
	notQuite = wordSet("before until till around about approximately not earliest every each first second third last some or and vor frühestens gegen rund um jeden ersten zweiten letzten erst avant vers dès chaque premier dernier antes hasta hacia cada primer último por volta primeira última")
	// goesOnAs are behind a day that is told more of: "Friday or Monday", "Friday after next".
	goesOnAs = wordSet("or and of after before following week weeks fortnight earliest onwards ish next oder und nach vor woche wochen folgende folgenden ab frühestens ou et après avant au de o y del después antes ou e depois de da do em in if s")
	// ofWeeks near behind a day are those that it is counted from: "Friday the week after".
	ofWeeks = wordSet("week weeks month woche wochen monat semaine semaines mois semana semanas mes mês")
	// whenWords lead to a day, and go with it.
	whenWords = wordSet(`by on until till before at for the this next in bis zum am den der dem zur spätestens d ici le pour avant jusqu au jusqu à la el para hasta antes de del próximo até a o na no dia próxima end of in diesen nächsten kommenden coming first thing around`)
	articles  = wordSet("the this next coming den dem le el a o la próximo próxima nächsten kommenden diesen")
	// relative days say by themselves that they tell when.
	relative = wordSet("today tonight tomorrow heute morgen übermorgen demain aujourd hui hoy mañana hoje amanhã")
	// events are what takes place on a day, which then is the event's.
	events = wordSet(`meeting call demo workshop session visit review event training conference board committee webinar kickoff presentation appointment launch deadline party holiday trip flight delivery inspection audit interview lunch dinner
		termin treffen besprechung gespräch meeting call demo workshop schulung sitzung besuch abnahme messe präsentation vorstellung veranstaltung revision lieferung prüfung audit umzug umstellung termine anruf
		réunion rendez visite atelier formation appel démo présentation séance comité salon livraison inspection audit lancement conseil point
		reunión visita taller formación llamada demo presentación sesión cita comité feria entrega inspección auditoría lanzamiento consejo
		reunião oficina treinamento ligação chamada apresentação sessão comitê visita entrega inspeção auditoria lançamento encontro`)
	// dayLeads lead to the day on which something is done; behindDay follows it, where
	// a noun makes it a part of a name: "the Friday report".
	dayLeads  = wordSet("on at am zum an na no à en")
	behindDay = wordSet("the a an to with at from my our your morning afternoon evening noon midday die der das den dem ein eine einen mit früh vormittag nachmittag abend mittag le la les l un une votre mon matin soir midi el los las una su tu por o os as um uma seu via per spätestens")
	// arranging are the verbs with which a day is that of what is arranged.
	arranging = wordSet(`book schedule arrange set organise organize invite reserve visit show present buchen vereinbaren einplanen organisieren einladen besuchen planifier réserver organiser reservar organizar agendar marcar install run test present
		introduce apresentar presentar`)
)

// saidOfPromise says that the day is the one on which something is to be done, and not
// the one that it is about.
func (h *hearing) saidOfPromise(d *due, s sentence, p promise, today time.Time) bool {
	core := h.dayMarks(s).core
	first, last := slices.Index(core, true), len(core)-1
	for last > 0 && !core[last] {
		last--
	}
	if first < 0 {
		d.orAsk(true) // told by all of the sentence
		return true
	}
	at := first - 1
	for articles[s.wordAt(at)] {
		at--
	}
	before, leading, after := s.wordAt(at), s.wordAt(at-1), s.wordAt(last+1)
	if after == "s" && !relative[s.wordAt(last)] || slices.Contains(dated[p.tongue], before) && leading != "antes" {
		return false // "Friday's numbers", "the numbers of Friday"
	}
	by := slices.Contains(deadlines, before) || before == "ici" || before == "para" || leading == "bis"
	span := false // "this week"
	for j := first; j <= last; j++ {
		span = span || ofWeeks[s.wordAt(j)]
	}
	d.orAsk(span && !by)
	if arranging[p.infinitive] && !by && !span && d.To.After(today.AddDate(0, 0, 1)) {
		return false
	}
	// "On Friday", said on a Friday.
	_, weekday := weekdays[s.wordAt(first)]
	next := slices.ContainsFunc([]int{first - 2, first - 1, last, last + 1}, func(j int) bool { return slices.Contains(nextWords, s.wordAt(j)) })
	d.orAsk(weekday && !next && d.To.Equal(today.AddDate(0, 0, 7)))
	d.orAsk(arranging[p.infinitive] && (before == "pour" || before == "para"))
	d.orAsk(notQuite[before] || leading == "antes" || leading == "jusqu" || goesOnAs[after])
	for j := last + 2; j <= last+3; j++ {
		d.orAsk(ofWeeks[s.wordAt(j)])
	}
	d.orAsk(!by && !relative[s.wordAt(first)] && !dayLeads[before] && after != "" && after != "," && !behindDay[after])
	d.orAsk(!by && !relative[s.wordAt(first)] && (at != p.verb && events[before] || at-1 != p.verb && events[leading]))
	return true
}

// dayWords marks the words without which other days would be named, and with them
// those that lead to them.
func (s sentence) dayWords(at time.Time) (core, all []bool) {
	core = slices.Repeat([]bool{false}, len(s.tokens))
	days := daysOf(s.text, at)
	if len(days) == 0 {
		return core, slices.Clone(core)
	}
	for j, t := range s.tokens {
		core[j] = t.word != "," && !slices.Equal(days, daysOf(s.text[:t.start]+s.text[t.end:], at)) || t.word == "feira" && j > 0 && core[j-1]
	}
	all = slices.Clone(core)
	last := len(s.tokens)
	for j := len(s.tokens) - 1; j >= 0; j-- {
		if all[j] {
			last = j
		} else if last == j+1 && whenWords[s.tokens[j].word] {
			all[j], last = true, j
		}
	}
	return core, all
}

func daysOf(text string, at time.Time) []string {
	var days []string
	for _, d := range DatesIn(text, at) {
		days = append(days, d.From.Format(time.DateOnly)+d.To.Format(time.DateOnly)+d.Other.Format(time.DateOnly))
	}
	return days
}

// asksOrPromises says that a sentence asks for something or promises something.
func (h *hearing) asksOrPromises(s sentence) bool {
	for tongue := range tongues {
		if _, ok := s.promises(tongue); ok {
			return true
		}
		if verbsBy[tongue].ask.MatchString(s.words) {
			return true
		}
	}
	return false
}

// otherDay looks whether the day is changed by who speaks next: the speaker's own last
// word counts, and where it is another's, nothing does (at < 0).
func (h *hearing) otherDay(i int, day Dated) (other Dated, at int, changed bool) {
	s := h.sentences[i]
	for j := i + 1; j < len(h.sentences) && h.sentences[j].turn <= s.turn+2; j++ {
		next := h.sentences[j]
		if j > i+1 && h.asksOrPromises(h.sentences[j-1]) {
			return other, at, changed // who answers that speaks of that
		}
		if next.voice.side == written || len(next.tokens) > 12 || !h.near(i, j) {
			continue
		}
		all := h.datesIn(next)
		if len(all) == 0 {
			continue
		}
		if slices.ContainsFunc(all, func(d Dated) bool { return d.To.Equal(day.To) }) {
			return Dated{}, 0, false // it is said again
		}
		if h.asksOrPromises(next) {
			return other, at, changed // of something else
		}
		if one, ok := h.dayIn(next.text); ok && next.voice == s.voice && !next.question {
			other, at, changed = one, j, true
		} else {
			at, changed = -1, true
		}
	}
	return other, at, changed
}
