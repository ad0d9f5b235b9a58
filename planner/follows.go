package planner

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// supported keeps of a proposal's quotations those that were said, with who said
// them and when, and notes which values do not follow from them, and what else
// speaks against it. Where none is left, the proposal is dropped. A platform heard
// more than it tells: where it kept the transcript to itself, nobody can look its
// quotations up, and a human is asked.
func (p *plan) supported(a *proposal) bool {
	if len(a.Evidence) == 0 {
		p.drop(a.by, a.Tool, DroppedNoQuote)
		return false
	}
	var found []meeting.Evidence
	why := DroppedWrongQuote
	for _, e := range a.Evidence {
		said, ok := p.words.Find(e.Quote)
		switch {
		case !ok:
		case !p.saidBy(&said, e.Speaker):
			why = DroppedOtherSpeaker
		default:
			found = append(found, said)
		}
	}
	if len(found) == 0 && a.by == ByPlatform && !p.words.Spoken() {
		a.unheard = true
		a.doubts = []string{"the words that it quotes can't be looked up, since the transcript is not here"}
		return true
	}
	if len(found) == 0 {
		p.drop(a.by, a.Tool, why)
		return false
	}
	a.Evidence = found
	for _, e := range found {
		a.said = max(a.said, p.passageOf(e).at)
	}
	p.notFollowing(a)
	p.strictly(a)
	return p.asked(a)
}

// saidBy says whether the one who is quoted said it, and puts the place where they
// did. A name that is nobody's in the talk says nothing.
func (p *plan) saidBy(e *meeting.Evidence, claimed string) bool {
	if claimed == "" || e.Source != transcript || sameSpeaker(e.Speaker, claimed) {
		return true
	}
	words, known := " "+strings.Join(wordsIn(e.Quote), " ")+" ", false
	spoken := p.speech()
	for i, s := range p.in.Meeting.Transcript.Segments {
		if !sameSpeaker(s.Speaker, claimed) {
			continue
		}
		known = true
		if strings.Contains(spoken[i], words) {
			e.Speaker, e.OffsetSeconds = s.Speaker, int(s.StartSeconds)
			return true
		}
	}
	return !known
}

// sameSpeaker: one name holds the other.
func sameSpeaker(a, b string) bool {
	x, y := wordsIn(a), wordsIn(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	return len(x) > 0 && !slices.ContainsFunc(x, func(w string) bool { return !slices.Contains(y, w) })
}

// notFollowing notes the values that do not follow from the quotations.
func (p *plan) notFollowing(a *proposal) {
	s := support{words: p.words, quotes: a.Evidence, at: p.in.start().In(p.in.location()), known: p.isKnown, exact: p.isExact, counted: func(word string) bool { return p.counts(a.tool.Object, word) }}
	a.unsupported = map[string]string{}
	for _, name := range sortedKeys(a.Properties) {
		definition, _ := p.res.definition(a.tool.Object, name)
		value := strings.Map(unseen, a.Properties[name])
		why := s.doubt(definition, name, value)
		switch odd := oddText(name, value, value != a.Properties[name]); {
		case odd != "":
			why = odd
		case a.tool.Object == "task" && name == "hs_timestamp":
			why = "" // the task's own date is told by its words
		case name == "closedate" && why == "" && a.Properties[name] != "" && !p.speaksOf(a.Evidence, closingWords):
			why = "may be the day of something else"
		case strings.HasSuffix(why, severalSaid) && p.saidWithUnit(a.Evidence, definition, value):
			why = ""
		case why == "" && a.by != ByPhrases && definition.Type == "enumeration" && len(definition.Options) > 0 && value != "" && (!slices.Contains(chosenProperties, name) || strings.HasSuffix(name, "priority")) && !p.saysSome(a.Evidence, value, p.valueLabel(a.tool.Object, name, value)),
			why == "" && name == "jobtitle" && value != "" && !p.saysMost(a.Evidence, value):
			why = notSaid
		case name == "deal_currency_code" && a.Properties["amount"] != "":
			why = p.otherCurrency(a.Evidence, a.Properties["amount"], a.Properties[name])
		}
		a.Properties[name] = value
		if why != "" {
			a.unsupported[name] = p.res.label(a.tool.Object, name) + " " + why
		}
	}
}

// saysSome says that the sentences of quotations have a word of a value, or of what the
// account calls it, be it in another language.
func (p *plan) saysSome(evidence []meeting.Evidence, texts ...string) bool {
	return says(p.sentences(evidence), texts...)
}

// saysMost says that they have half of the words of a text that tell something, or more.
func (p *plan) saysMost(evidence []meeting.Evidence, text string) bool {
	text = strings.Join(folded(text), " ")
	n, _ := shared(text, strings.Join(p.sentences(evidence), " "))
	return 2*n >= len(contentWords(text))
}

// saidWithUnit says that a number was said right before what its property counts:
// "a hundred and twenty pieces".
func (p *plan) saidWithUnit(evidence []meeting.Evidence, d hubspot.Property, value string) bool {
	target, err := hubspot.ParseNumber(value)
	if err != nil || d.Name == "amount" || d.Name == "" {
		return false
	}
	return slices.ContainsFunc(evidence, func(e meeting.Evidence) bool {
		words := spaced(e.Quote)
		return slices.ContainsFunc(AmountsIn(e.Quote), func(n Amount) bool {
			_, behind, _ := strings.Cut(words, " "+n.Text+" ")
			unit := fold(firstWord(behind))
			return math.Abs(n.Value-target) < 0.005 && len(unit) > 2 && slices.ContainsFunc(folded(d.Label), func(w string) bool {
				return kindOf(w) == kindOf(unit) || alike(w, unit) || len(unit) > 4 && strings.HasPrefix(w, unit)
			})
		})
	})
}

// counts says that a word is the name of a property that holds numbers: "seats".
func (p *plan) counts(object, word string) bool {
	return len(word) > 2 && slices.ContainsFunc(p.res.Properties[object], func(d hubspot.Property) bool {
		return d.Type == "number" && d.Name != "amount" && slices.ContainsFunc(folded(d.Label), func(w string) bool { return alike(w, fold(word)) })
	})
}

// unseen drops what nobody sees of a value, but lines.
func unseen(r rune) rune {
	if r == '\n' || r == '\t' || r == '\r' {
		return r
	}
	return visible(r)
}

// markup is what a text could do more than be read: where it is shown some day, or
// where it leads those who click on it.
var markup = regexp.MustCompile(`(?i)<[a-z/!]|\]\(|javascript:|https?://|www\.|data:[a-z]+/`)

// oddText says what no value should hold that came from a talk.
func oddText(name, value string, hidden bool) string {
	isAddress := name == "email" || name == "domain"
	switch {
	case hidden:
		return "held characters that nobody sees"
	case isAddress && strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }):
		return "has letters that look like others"
	case !isAddress && name != "website" && markup.MatchString(value):
		return "holds a link, or markup"
	default:
		return ""
	}
}

// speaksOf says whether the segment of a quotation, or one beside it, has such words.
func (p *plan) speaksOf(evidence []meeting.Evidence, table string) bool {
	return slices.ContainsFunc(evidence, func(e meeting.Evidence) bool { return sayAny(p.passageOf(e).around(), table) })
}

// asked says whether anyone asked for what is proposed, and notes what in the way
// that it was said speaks against doing it at once.
func (p *plan) asked(a *proposal) bool {
	m := p.moodOf(a.Evidence)
	doubt := func(it bool, why string) {
		if it {
			a.doubts = append(a.doubts, why)
		}
	}
	var sentences []string
	for _, e := range a.Evidence {
		sentences = append(sentences, p.passageOf(e).sentence)
	}
	words := " " + strings.Join(wordsIn(strings.Join(sentences, " ")), " ") + " "
	if a.tool.Object == "ticket" {
		if !hasAny(words, ticketWords) || a.tool.Operation == policy.Create && (p.refusedTicket(*a) || p.ofOurOwn(a.Evidence)) {
			p.drop(a.by, a.Tool, DroppedNotAsked)
			return false
		}
		doubt(!hasAny(words, ticketWords) || a.tool.Operation == policy.Create && !hasAny(words, askingWords), "nobody quite asked for a ticket")
	}
	for _, e := range a.Evidence {
		doubt(p.impostor(e), "more than one of the name of who said it was there")
	}
	doubt(m.machine, "it seems to be said to a machine, and not to those who were there")
	if a.by == ByPhrases {
		return true // they heed how it was said by themselves
	}
	doubt(m.conditional, "it was said for a case that may not come")
	doubt(m.hearsay, "it was told of others")
	doubt(m.loose, "it was said loosely")
	doubt(m.done && a.tool.Object == "task", "it may be done already")
	doubt(a.tool == (policy.Tool{Object: "deal", Operation: policy.Create}) && !hasAny(words, dealWords), "nobody spoke of opening a deal")
	doubt(p.denies(*a), contrary)
	doubt(p.withdrawn(a.Evidence), withdrawnAfter)
	return true
}

// refusedTicket says that no ticket is asked for where one is spoken of: it is not
// wanted, or it is one that is there.
func (p *plan) refusedTicket(a proposal) bool {
	return p.refusedLater(a) || !slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		refuses := func(text string, most int) bool {
			return slices.ContainsFunc(clausesOf(text), func(c string) bool {
				return hasAny(spaced(c), ticketWords) && (hasAny(spaced(c), moodNot+elsewhereNot) || hasAny(spaced(c), offWords)) && len(contentWords(c)) <= most
			})
		}
		// Who answers "no ticket" says it of this one, and who says more may speak of another.
		if refuses(in.sentence, len(in.sentence)) || slices.ContainsFunc(append([]string{in.rest}, in.after...), func(text string) bool { return refuses(text, 2) }) {
			return false
		}
		return slices.ContainsFunc(append([]string{in.sentence}, in.around()...), func(text string) bool {
			words := spaced(text)
			return hasAny(words, ticketWords) && len(thatTicket.FindAllString(words, -1)) < len(anyTicket.FindAllString(words, -1))
		})
	})
}

// refusedLater says that somebody says later of the same thing that it needs no ticket.
func (p *plan) refusedLater(a proposal) bool {
	if a.said < 0 {
		return false
	}
	about := contentWords(a.Properties["subject"])
	return slices.ContainsFunc(p.in.Meeting.Transcript.Segments[a.said+1:], func(s meeting.Segment) bool {
		return slices.ContainsFunc(clausesOf(clipBytes(s.Text)), func(c string) bool {
			n, _ := sharedWords(about, contentWords(c))
			return n > 0 && hasAny(spaced(c), ticketWords) && isDenied([]string{c})
		})
	})
}

// ofOurOwn says that nobody from outside was there, and that the quoted sentences name
// nobody's record: what is asked for is for the house.
func (p *plan) ofOurOwn(evidence []meeting.Evidence) bool {
	return len(p.people.External) == 0 && !p.namesRecord(p.sentences(evidence))
}

// A ticket that is to be opened is any, and "the ticket" is one that is there.
var (
	anyTicket  = wordsPattern(`(?:ticket|case|incident|\pL*meldung|supportanfrage|\pL+fall|serviceauftrag|request|call|report|billet|demande|incidencia|tique|chamado|ocorrência)`)
	thatTicket = wordsPattern(`(?:the|that|this|your|my|das|dieses|le|ce|cette|el|este|ese|la|o|esse|este) (?:ticket|case|incident|billet|demande|incidencia|tique|chamado|ocorrência)`)
)

// impostor says that somebody else at the meeting goes by the name of the speaker: a
// name alone anyone can give themselves.
func (p *plan) impostor(e meeting.Evidence) bool {
	if e.Speaker == "" {
		return false
	}
	known := map[string]bool{}
	for _, a := range p.in.Meeting.Attendees {
		if strings.EqualFold(strings.TrimSpace(a.Name), e.Speaker) {
			known[address(a.Email)] = true
		}
	}
	return len(known) > 1
}

func (p *plan) drop(by, tool, why string) {
	if !toolForm.MatchString(tool) {
		tool = "" // whoever proposes it may write anything there
	}
	p.dropped = append(p.dropped, Dropped{By: by, Tool: tool, Why: why})
}

var toolForm = regexp.MustCompile(`^[a-z0-9_]{1,100}\.[a-z]{1,20}$`)

// isKnown says whether a name is one that the plan knows by itself: of who was there,
// of a record, of an owner.
func (p *plan) isKnown(name string) bool {
	if p.names == nil {
		p.names = p.knownNames()
	}
	words := wordsIn(name)
	return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !p.names[w] })
}

// isExact says whether an address or a domain is one that the plan knows.
func (p *plan) isExact(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	for _, person := range slices.Concat(p.people.Internal, p.people.External, []Person{{Email: p.people.Host.Email}}) {
		if person.Email != "" && (value == person.Email || person.Domain != "" && (bareDomain(value) == person.Domain || bareDomain(value) == domainOf(person.Email))) {
			return true
		}
	}
	for _, record := range slices.Concat(p.res.Contacts, p.res.Companies) {
		for _, property := range []string{"email", "phone", "mobilephone", "domain", "website"} {
			if strings.EqualFold(record.Properties[property], value) {
				return true
			}
		}
	}
	return false
}

func (p *plan) knownNames() map[string]bool {
	names := map[string]bool{}
	add := func(texts ...string) {
		for _, text := range texts {
			for _, word := range wordsIn(text) {
				names[word] = true
			}
		}
	}
	add(p.title())
	for _, person := range slices.Concat(p.people.Internal, p.people.External, []Person{{Name: p.people.Host.Name, Email: p.people.Host.Email}}) {
		add(person.Name, person.Email)
	}
	for _, record := range slices.Concat(p.res.Contacts, p.res.Companies, p.res.Deals, p.res.Tickets) {
		for _, property := range []string{"firstname", "lastname", "email", "phone", "mobilephone", "name", "domain", "website", "dealname", "subject"} {
			add(record.Properties[property])
		}
	}
	for _, owner := range p.res.Owners {
		add(owner.Name, owner.Email)
	}
	for _, a := range p.in.Answers.attendees() {
		add(a.Name, a.Email)
	}
	return names
}

// support is what a proposed value has to follow from.
type support struct {
	words Words
	// quotes are those that were found, as they stand in the meeting.
	quotes []meeting.Evidence
	// at is when it was said, where the meeting was.
	at time.Time
	// known says whether a name is somebody's or something's that the plan knows:
	// an attendee, a record, an owner.
	known func(word string) bool
	// counted says whether a word names what another property counts; nil is none.
	counted func(word string) bool
	// exact says whether an address, number or domain is one that the plan knows.
	exact func(value string) bool
}

// Why a value does not follow. They are for the approver, and name no value.
const (
	notSaid     = "was not said like that"
	otherNumber = "is another number than the one that was said"
	severalSaid = "could be one of several that were said"
	otherDay    = "is another day than the one that was said"
	unsureDay   = "could be another day: what was said leaves it open"
	unknownName = "has a name that nobody said"
	notMoney    = "is the number of something else"
)

// doubt says why a value of a property does not follow from what was quoted; nothing
// if it does. Numbers, days and addresses have to be the ones that were said; other
// text may be in other words, but its numbers and names not.
func (s support) doubt(d hubspot.Property, name, value string) string {
	if value == "" {
		return ""
	}
	switch {
	case name == "amount" && !s.isMoney(value):
		return notMoney
	case d.Type == "number" || name == "amount":
		return s.number(value)
	case d.Type == "date" || d.Type == "datetime" || name == "closedate" || name == "hs_timestamp":
		return s.day(value)
	case d.Type == "enumeration" || d.Type == "bool" || name == "hubspot_owner_id" || slices.Contains(chosenProperties, name):
		return "" // what it may be is checked elsewhere, and the words for it are not its own
	case name == "email" || name == "phone" || name == "mobilephone" || name == "domain" || name == "website":
		return s.literal(value)
	default:
		return s.text(value)
	}
}

// chosenProperties have values out of a list, whether or not it is known here.
var chosenProperties = []string{
	"dealstage", "pipeline", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "hs_ticket_category", "hs_priority", "hs_lead_status",
	"lifecyclestage", "deal_currency_code", "hs_task_status", "hs_task_priority", "hs_task_type",
}

// corrections stand between what was said first and what is meant.
var corrections = []string{
	"no", "sorry", "actually", "rather", "correction", "mean", "nein", "quatsch", "entschuldigung", "vielmehr", "beziehungsweise", "meine",
	"non", "pardon", "plutôt", "dire", "perdón", "digo", "mejor", "não", "desculpa", "aliás", "dizer", "wait", "moment",
}

// isMoney says that a number was said of money, or of nothing: "two hundred and fifty
// seats" are none, nor are 20 %. A number that was not said is another matter.
func (s support) isMoney(value string) bool {
	target, err := hubspot.ParseNumber(value)
	if err != nil {
		return true
	}
	counts := false
	for _, q := range s.quotes {
		words := " " + strings.Join(wordsIn(q.Quote), " ") + " "
		for _, a := range AmountsIn(q.Quote) {
			if math.Abs(a.Value-target) >= 0.005 {
				continue
			}
			_, behind, _ := strings.Cut(words, " "+a.Text+" ")
			if unit := firstWord(behind); moneyBeside(words, a.Text) || !units[unit] && (s.counted == nil || !s.counted(unit)) {
				return true
			}
			counts = true
		}
	}
	return !counts
}

// units are words behind a number that count something else than money.
var units = wordSet(`% percent seats seat users user licences licenses people persons pieces units items days months years weeks hours minutes trucks vehicles machines sites rooms employees times boxes sensors
	prozent plätze nutzer benutzer lizenzen leute personen mitarbeiter stück einheiten tage tagen monate monaten jahre jahren wochen stunden fahrzeuge maschinen standorte räume mal sensoren
	personnes places utilisateurs licences unités pièces jours mois ans semaines heures véhicules machines sites salles fois participants
	personas plazas usuarios licencias unidades piezas días meses años semanas horas vehículos máquinas sitios salas veces participantes
	pessoas lugares usuários licenças unidades peças dias meses anos semanas horas veículos máquinas salas vezes participantes`)

func (s support) number(value string) string {
	target, err := hubspot.ParseNumber(value)
	if err != nil {
		return "" // that it is no number is said elsewhere
	}
	var said []float64
	corrected := false
	for _, q := range s.quotes {
		amounts := AmountsIn(q.Quote)
		for i, a := range amounts {
			if i > 0 && correctedBetween(q.Quote, amounts[i-1].Text, a.Text) {
				said, corrected = nil, true
			}
			said = append(said, a.Value)
		}
	}
	if s.denied(target) {
		return otherNumber
	}
	if !slices.ContainsFunc(said, func(n float64) bool { return math.Abs(n-target) < 0.005 }) {
		if len(said) == 0 && !corrected {
			return notSaid
		}
		return otherNumber
	}
	// Others of its size: which one is meant, a human says.
	if slices.ContainsFunc(said, func(n float64) bool {
		return math.Abs(n-target) >= 0.005 && n >= target/20 && n <= target*20 && target >= 100
	}) {
		return severalSaid
	}
	return ""
}

// denied says that a number was said only to say that it is not that: "forty, not
// thirty".
func (s support) denied(target float64) bool {
	not, said := false, false
	for _, q := range s.quotes {
		words := " " + strings.Join(wordsIn(q.Quote), " ") + " "
		for _, a := range AmountsIn(q.Quote) {
			if math.Abs(a.Value-target) >= 0.005 {
				continue
			}
			before, _, _ := strings.Cut(words, " "+a.Text+" ")
			all := strings.Fields(before)
			if len(all) > 0 && slices.Contains([]string{"not", "nicht", "pas", "statt", "keine", "never"}, all[len(all)-1]) || strings.HasSuffix(before, " instead of") || strings.HasSuffix(before, " rather than") {
				not = true
			} else {
				said = true
			}
		}
	}
	return not && !said
}

// correctedBetween says that somebody took back the first of two, and said the
// second.
func correctedBetween(quote, first, second string) bool {
	words := strings.Join(wordsIn(quote), " ")
	_, rest, ok := strings.Cut(words, first)
	if !ok {
		return false
	}
	between, _, ok := strings.Cut(rest, second)
	return ok && slices.ContainsFunc(strings.Fields(between), func(w string) bool { return slices.Contains(corrections, w) })
}

func (s support) day(value string) string {
	wanted, ok := dayOf(value, s.at.Location())
	if !ok {
		return ""
	}
	some, maybe := false, false
	for _, q := range s.quotes {
		for _, d := range DatesIn(q.Quote, s.at) {
			if d.Is(wanted) {
				return ""
			}
			some, maybe = true, maybe || d.MayBe(wanted)
		}
	}
	switch {
	case maybe:
		return unsureDay
	case some:
		return otherDay
	default:
		return notSaid
	}
}

// dayOf is the day of a date as HubSpot takes it: a day of its own, or a moment.
func dayOf(value string, loc *time.Location) (time.Time, bool) {
	if d, err := time.Parse(time.DateOnly, value); err == nil {
		return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, loc), true
	}
	at, err := hubspot.ParseDateTime(value)
	if err != nil {
		return time.Time{}, false
	}
	if at.UTC().Equal(midnight(at, time.UTC)) {
		// Midnight in UTC is how HubSpot writes a day.
		return time.Date(at.UTC().Year(), at.UTC().Month(), at.UTC().Day(), 0, 0, 0, 0, loc), true
	}
	return midnight(at, loc), true
}

// literal is for what has to be right to the letter.
func (s support) literal(value string) string {
	if s.words.Has(value) || s.exact != nil && s.exact(value) {
		return ""
	}
	return notSaid
}

// text checks the numbers and names in a text.
func (s support) text(value string) string {
	var said []float64
	var quoted []string
	for _, q := range s.quotes {
		quoted = append(quoted, wordsIn(q.Quote)...)
		for _, a := range AmountsIn(q.Quote) {
			said = append(said, a.Value)
		}
	}
	for _, a := range AmountsIn(value) {
		if strings.IndexFunc(a.Text, unicode.IsLetter) == 0 {
			continue // "one", and all that is an article in another language
		}
		inQuote := slices.ContainsFunc(said, func(n float64) bool { return math.Abs(n-a.Value) < 0.005 })
		if !inQuote && !s.dayNumber(a.Value) {
			return otherNumber
		}
	}
	for i, field := range strings.Fields(value) {
		word := strings.TrimFunc(belonging.ReplaceAllString(field, ""), func(r rune) bool { return !unicode.IsLetter(r) })
		letters := []rune(word)
		// The first word of a text has a capital without being a name.
		if i == 0 || len(letters) < 3 || !unicode.IsUpper(letters[0]) || unicode.IsUpper(letters[1]) {
			continue
		}
		lower := strings.ToLower(word)
		if slices.Contains(quoted, lower) || s.words.hasAlike(lower) || s.known(word) || isDayWord(lower) {
			continue
		}
		return unknownName
	}
	return ""
}

// belonging is the ending of "Hollinsea's".
var belonging = regexp.MustCompile(`['’]s\PL*$`)

// dayNumber says that a number in a text is that of a day, month or year that was
// said in words: "by Friday" as "by 20 November 2026".
func (s support) dayNumber(n float64) bool {
	for _, q := range s.quotes {
		for _, d := range DatesIn(q.Quote, s.at) {
			for _, day := range []time.Time{d.From, d.To, d.Other} {
				if n == float64(day.Day()) || n == float64(day.Month()) || n == float64(day.Year()) {
					return true
				}
			}
		}
	}
	return false
}

func isDayWord(word string) bool {
	_, weekday := weekdays[word]
	_, month := months[word]
	return weekday || month
}
