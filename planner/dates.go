package planner

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Dated is a day or a span of days that a text names.
type Dated struct {
	// From is the first day and To the last one, at midnight where the meeting was;
	// the same for a single day.
	From, To time.Time
	// Other is another day that may be meant as well: the Friday after "next Friday",
	// 4 May for "05/04". Zero if there is none.
	Other time.Time
	// Text is how it was said.
	Text string
}

// Is says that a day is surely meant: the day itself, or the last one of a span, by
// when something is done.
func (d Dated) Is(day time.Time) bool {
	return d.Other.IsZero() && d.To.Equal(midnight(day, d.To.Location()))
}

// MayBe says that a day may be meant.
func (d Dated) MayBe(day time.Time) bool {
	day = midnight(day, d.To.Location())
	return !day.Before(d.From) && !day.After(d.To) || day.Equal(d.Other)
}

func midnight(at time.Time, loc *time.Location) time.Time {
	y, m, d := at.In(loc).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, loc)
}

// The words for days and months of the languages that Debrief listens in: English,
// German, French, Spanish and Portuguese.
var (
	weekdays = weekdayWords(map[time.Weekday]string{
		time.Monday: "monday montag lundi lunes segunda maandag lunedì", time.Tuesday: "tuesday dienstag mardi martes terça dinsdag martedì", time.Wednesday: "wednesday mittwoch mercredi miércoles miercoles quarta woensdag mercoledì",
		time.Thursday: "thursday donnerstag jeudi jueves quinta donderdag giovedì", time.Friday: "friday freitag vendredi viernes sexta vrijdag venerdì",
		time.Saturday: "saturday samstag sonnabend samedi sábado sabado zaterdag sabato", time.Sunday: "sunday sonntag dimanche domingo zondag domenica",
	})
	months = monthWords(map[time.Month]string{
		time.January: "january jan januar jänner janvier enero janeiro januari gennaio", time.February: "february feb februar feber février fevrier febrero fevereiro februari febbraio",
		time.March: "march märz mars marzo março maart", time.April: "april apr avril abril aprile", time.May: "may mai mayo maio maggio", time.June: "june juni juin junio junho giugno",
		time.July: "july juli juillet julio julho luglio", time.August: "august aug août aout agosto augustus", time.September: "september sep sept septembre septiembre setembro settembre",
		time.October: "october oct oktober okt octobre octubre outubro ottobre", time.November: "november nov novembre noviembre novembro",
		time.December: "december dec dezember dez décembre diciembre dezembro dicembre",
	})
	// portugueseOrdinals are weekdays only with "-feira", or where a day is meant.
	portugueseOrdinals = []string{"segunda", "terça", "quarta", "quinta", "sexta"}
	dayBefore          = []string{"na", "até", "próxima", "proxima", "à", "nesta", "desta"}
	// verbs too, or names: months only beside a day, or behind one of these.
	doubtfulMonths = []string{"may", "march", "mars", "mai", "sept", "jan", "dec", "sep", "okt", "dez"}
	monthBefore    = []string{
		"in", "by", "of", "until", "till", "before", "since", "early", "late", "mid", "next", "this", "end", "im", "bis", "ende", "anfang", "mitte", "seit",
		"en", "de", "d", "fin", "début", "mi", "avant", "jusqu", "a", "à", "em", "até", "hasta", "finales", "final",
	}
	nextWords = []string{"next", "nächsten", "nächster", "nächste", "nächstes", "kommenden", "kommende", "prochain", "prochaine", "próximo", "próxima", "proximo", "proxima", "viene", "que"}
)

// afterNext are words beside a weekday by which it may be that of a week later.
var afterNext = []string{"after", "following", "übernächsten", "übernächster", "folgenden", "darauf", "suivant", "siguiente", "seguinte", "otro", "outro", "outra"}

func weekdayWords(table map[time.Weekday]string) map[string]time.Weekday {
	words := map[string]time.Weekday{}
	for day, all := range table {
		for _, word := range strings.Fields(all) {
			words[word] = day
		}
	}
	return words
}

func monthWords(table map[time.Month]string) map[string]time.Month {
	words := map[string]time.Month{}
	for month, all := range table {
		for _, word := range strings.Fields(all) {
			words[word] = month
		}
	}
	return words
}

// phrase is a pattern of whole words, for words with two spaces between and one at
// each end: so that of two matches each has its own, and letters of any language are
// letters (\b knows those of English alone).
func phrase(pattern string) *regexp.Regexp {
	return regexp.MustCompile(" (?:" + strings.ReplaceAll(pattern, " ", "  ") + ") ")
}

// datePhrases are days and spans that one pattern tells.
var datePhrases = []struct {
	pattern *regexp.Regexp
	days    func(at time.Time, match []string) (from, to time.Time, ok bool)
}{
	// A greeting, or a time of the day.
	{phrase(`(guten morgen|por la mañana|de la mañana|good morning)`), func(time.Time, []string) (from, to time.Time, ok bool) { return from, to, false }},
	{phrase(`((?:by |before )?(?:the )?end of (?:the )?(?:business )?(?:to)?day|close of (?:play|business)|later today|this (?:morning|afternoon|evening)|heute (?:morgen|früh|abend|nachmittag)|ce (?:matin|soir)|cet après midi|esta (?:tarde|noche|noite))`), daysOn(0)},
	{phrase(`(?:this (week)|diese (woche)|cette (semaine)|esta (semana))`), endOf},
	// "De hoy en ocho", "vendredi en huit", "heute in vierzehn Tagen": the days that weeks
	// are counted in have a first and a last one.
	{phrase(`(today|heute|aujourd hui|hoy|hoje|tomorrow|morgen|demain|mañana|amanhã|` + weekdayNames[1:len(weekdayNames)-1] + `)(?: feira)? (?:` +
		`in (?:(acht)|(vierzehn)) tagen|(?:d ici )?en (?:(huit|ocho)|(quinze|quince))(?: jours| días)?|a (?:(oito)|(quinze))(?: dias)?)`), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return inDaysOfWeeks(at, []string{m[0], m[1], m[2] + m[4] + m[6], m[3] + m[5] + m[7]})
	}},
	{phrase(`()(?:(week|fortnight) (today|tomorrow)|(today|tomorrow) (week|fortnight))`), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return inDaysOfWeeks(at, []string{m[0], m[3] + m[4], "", strings.TrimPrefix(m[2]+m[5], "week")})
	}},
	{phrase(`(?:` + weekdayNames + ` fortnight|(?:a )?fortnight (?:on|from) ` + weekdayNames + `)`), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return weekdayInWeeks(at, []string{m[0], m[1] + m[2], "two"})
	}},
	{phrase(`in a fortnight`), daysOn(14)},
	{phrase(weekdayNames + `(?: feira)? (?:in|dans|en|dentro de|em) (\S+) (?:weeks?|wochen?|semaines?|semanas?)`), weekdayInWeeks},
	{phrase(`(\S+) weeks (?:from|on) ` + weekdayNames), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return weekdayInWeeks(at, []string{m[0], m[2], m[1]})
	}},
	{phrase(`(?:` + weekdayNames + ` week|a week (?:on|from) ` + weekdayNames + `)`), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return weekdayInWeeks(at, []string{m[0], m[1] + m[2], "one"})
	}},
	{phrase(`(?:(?:the )?end of |ende (?:der )?|(?:la )?fin (?:de (?:la )?)?|(?:a )?(?:finales|final|fin) de (?:la )?|(?:fim|final) da )` + ofNextWeek), func(at time.Time, _ []string) (from, to time.Time, ok bool) {
		return weekdayOfNextWeek(at, "friday")
	}},
	{phrase(weekdayNames + `(?: feira)?(?: of| in| in der| der| de la| da| na)?(?: the)? ` + ofNextWeek), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return weekdayOfNextWeek(at, m[1])
	}},
	{phrase(ofNextWeek + `(?: on| am| le| el| o| na)? ` + weekdayNames), func(at time.Time, m []string) (from, to time.Time, ok bool) {
		return weekdayOfNextWeek(at, m[1])
	}},
	{phrase(`(the day after tomorrow|übermorgen|après demain|pasado mañana|depois de amanhã|overmorgen|dopodomani)`), daysOn(2)},
	{phrase(`(tomorrow|morgen|demain|mañana|amanhã|domani)`), daysOn(1)},
	{phrase(`(today|tonight|heute|aujourd hui|hoy|hoje|vandaag|oggi)`), daysOn(0)},
	{phrase(`(?:in|within|binnen|innerhalb von|dans|d ici|en|dentro de|em) (\S+) (days?|tagen?|jours?|días|dias?|weeks?|wochen?|semaines?|semanas?|months?|monaten?|mois|meses|mês)`), inSo},
	{phrase(`(?:(?:end|close) of (?:the|this) (week|month|quarter|year)|(?:bis )?ende (?:der|dieser|des|dieses) (woche|monats|quartals|jahres)|(?:la )?fin (?:de la|du|de l) (semaine|mois|trimestre|année)|(?:finales|final|fin) (?:de la|del|de) (semana|mes|trimestre|año)|(?:fim|final) (?:da|do) (semana|mês|trimestre|ano))`), endOf},
	{phrase(`(?:(next week)|(nächste(?:r|n)? woche|kommende(?:r|n)? woche)|(la semaine prochaine|semaine prochaine)|(la semana que viene|la próxima semana|próxima semana)|(na próxima semana|semana que vem))`), nextWeek},
	{phrase(`(?:(next month)|(nächsten monat)|(le mois prochain)|(el mes que viene|el próximo mes)|(mês que vem|no próximo mês))`), nextMonth},
	{phrase(`q([1-4])|(first|second|third|fourth|ersten|zweiten|dritten|vierten|premier|deuxième|troisième|quatrième|primer|segundo|tercer|cuarto|primeiro|terceiro|quarto) (?:quarter|quartal|trimestre)`), quarter},
}

// weekdayNames is a pattern of all weekdays.
var weekdayNames = "(" + strings.Join(sortedKeys(weekdays), "|") + ")"

// ofNextWeek is how the week after this one is called.
const ofNextWeek = `(?:next week|nächste(?:r|n)? woche|kommende(?:r|n)? woche|semaine prochaine|semana que viene|próxima semana|semana que vem)`

// weekdayOfNextWeek is "Friday of next week".
func weekdayOfNextWeek(at time.Time, weekday string) (from, to time.Time, ok bool) {
	monday, _, _ := nextWeek(at, nil)
	from = monday.AddDate(0, 0, (int(weekdays[weekday])+6)%7)
	return from, from, true
}

// weekdayInWeeks is "Friday in two weeks".
func weekdayInWeeks(at time.Time, match []string) (from, to time.Time, ok bool) {
	n, used := numberAt(match[2:3])
	if slices.Contains([]string{"a", "einer"}, match[2]) {
		n, used = 1, 1
	}
	if used == 0 || n < 1 || n > 52 {
		return from, to, false
	}
	from = coming(weekdays[match[1]], at).AddDate(0, 0, 7*int(n))
	return from, from, true
}

// inDaysOfWeeks is a day counted from another, where eight days are a week, and fourteen
// or fifteen are two.
func inDaysOfWeeks(at time.Time, match []string) (from, to time.Time, ok bool) {
	weekday, named := weekdays[match[1]]
	switch {
	case named:
		from = coming(weekday, at)
	case slices.Contains([]string{"tomorrow", "morgen", "demain", "mañana", "amanhã"}, match[1]):
		from = at.AddDate(0, 0, 1)
	default:
		from = at
	}
	from = from.AddDate(0, 0, 7)
	if match[3] != "" {
		from = from.AddDate(0, 0, 7)
	}
	return from, from, true
}

// inDays are those days where nothing says from when they count: they may be a day more.
var inDays = regexp.MustCompile(`^ (?:in|dans|d  ici|en|dentro  de|em)  (?:acht|huit|ocho|oito|8|quinze|quince|15)  (?:tagen|jours|días|dias) $`)

// coming is the next such day after another.
func coming(weekday time.Weekday, at time.Time) time.Time {
	return at.AddDate(0, 0, (int(weekday)-int(at.Weekday())+6)%7+1)
}

func daysOn(n int) func(time.Time, []string) (time.Time, time.Time, bool) {
	return func(at time.Time, _ []string) (time.Time, time.Time, bool) {
		day := at.AddDate(0, 0, n)
		return day, day, true
	}
}

func inSo(at time.Time, match []string) (from, to time.Time, ok bool) {
	n, err := strconv.Atoi(match[1])
	if err != nil {
		said, known := germanNumber(match[1])
		if match[1] == "a" || match[1] == "einem" || match[1] == "einer" {
			said, known = 1, true
		}
		if !known {
			return from, to, false
		}
		n = int(said)
	}
	if n < 0 || n > 400 {
		return from, to, false
	}
	switch unit := match[2]; {
	case strings.HasPrefix(unit, "w") || strings.HasPrefix(unit, "sem"):
		from = at.AddDate(0, 0, 7*n)
	case strings.HasPrefix(unit, "m"):
		from = at.AddDate(0, n, 0)
	default:
		from = at.AddDate(0, 0, n)
	}
	return from, from, true
}

func endOf(at time.Time, match []string) (from, to time.Time, ok bool) {
	year, month, _ := at.Date()
	var day time.Time
	switch unit := strings.Join(match[1:], ""); unit {
	case "week", "woche", "semaine", "semana":
		day = at.AddDate(0, 0, (int(time.Friday)-int(at.Weekday())+7)%7)
	case "month", "monats", "mois", "mes", "mês":
		day = lastOf(year, month, at.Location())
	case "year", "jahres", "année", "año", "ano":
		day = lastOf(year, time.December, at.Location())
	default:
		day = lastOf(year, (month-1)/3*3+3, at.Location())
	}
	return day, day, true
}

func nextWeek(at time.Time, _ []string) (from, to time.Time, ok bool) {
	monday := at.AddDate(0, 0, (int(time.Monday)-int(at.Weekday())+7)%7)
	if monday.Equal(at) {
		monday = monday.AddDate(0, 0, 7)
	}
	return monday, monday.AddDate(0, 0, 4), true
}

func nextMonth(at time.Time, _ []string) (from, to time.Time, ok bool) {
	first := time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, at.Location())
	return first, lastOf(first.Year(), first.Month(), at.Location()), true
}

func quarter(at time.Time, match []string) (from, to time.Time, ok bool) {
	n := 0
	if match[1] != "" {
		n = int(match[1][0] - '0')
	} else {
		for i, ordinals := range []string{"first ersten premier primer primeiro", "second zweiten deuxième segundo", "third dritten troisième tercer terceiro", "fourth vierten quatrième cuarto quarto"} {
			if slices.Contains(strings.Fields(ordinals), match[2]) {
				n = i + 1
			}
		}
	}
	first := time.Date(at.Year(), time.Month(3*n-2), 1, 0, 0, 0, 0, at.Location())
	last := lastOf(first.Year(), first.Month()+2, at.Location())
	if last.Before(at) { // it is over: the next one is meant
		first, last = first.AddDate(1, 0, 0), lastOf(first.Year()+1, first.Month()+2, at.Location())
	}
	return first, last, true
}

func lastOf(year int, month time.Month, loc *time.Location) time.Time {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, loc)
}

var (
	isoDay     = regexp.MustCompile(`\b(20\d\d)-(\d{1,2})-(\d{1,2})\b`)
	slashedDay = regexp.MustCompile(`\b(\d{1,2})([./])(\d{1,2})(?:[./](20\d\d|\d\d)?)?`)
	ordinalDay = regexp.MustCompile(`^(\d{1,2})(?:st|nd|rd|th|er|º|ª)?$`)
	theDay     = phrase(`(?:(?:on|by|until|till|for|before) the (\d{1,2})(?:st|nd|rd|th)|(?:am|zum|bis) (?:den )?(\d{1,2})th|(?:el|o|no|al|ao)? ?d[ií]a (\d{1,2})(?:º|ª|th)?)`)
)

// ordinals are the words for the day of a month, beside the numbers themselves.
var ordinals = ordinalWords()

func ordinalWords() map[string]int {
	words := map[string]int{"premier": 1, "1er": 1, "primero": 1, "primeiro": 1}
	for i, word := range strings.Fields(`first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
		sixteenth seventeenth eighteenth nineteenth twentieth`) {
		words[word] = i + 1
	}
	words["thirtieth"] = 30
	for i, word := range strings.Fields(`erst zweit dritt viert fünft sechst siebt acht neunt zehnt elft zwölft dreizehnt vierzehnt fünfzehnt sechzehnt
		siebzehnt achtzehnt neunzehnt zwanzigst einundzwanzigst zweiundzwanzigst dreiundzwanzigst vierundzwanzigst fünfundzwanzigst
		sechsundzwanzigst siebenundzwanzigst achtundzwanzigst neunundzwanzigst dreißigst einunddreißigst`) {
		for _, ending := range []string{"e", "en", "er"} {
			words[word+ending] = i + 1
		}
	}
	delete(words, "achter")
	return words
}

// notDays stand behind an ordinal that is none of a day.
var notDays = []string{"quarter", "quartal", "trimestre", "week", "woche", "semaine", "half", "thing", "time", "mal", "fois", "of", "schritt", "step"}

// withDays puts days in digits: "the twenty-sixth" is "the 26th", and before a month
// "trente novembre" is "30 novembre".
func withDays(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		n, used := ordinals[words[i]], 1
		next := ""
		if n == 0 && i+1 < len(words) && (words[i] == "twenty" || words[i] == "thirty") && ordinals[words[i+1]] > 0 && ordinals[words[i+1]] < 10 {
			n, used = int(spelled[words[i]])+ordinals[words[i+1]], 2
		}
		if i+used < len(words) {
			next = words[i+used]
		}
		_, ofMonth := months[next]
		if next == "of" && i+used+1 < len(words) {
			_, ofMonth = months[words[i+used+1]]
		}
		switch {
		case n > 0 && (ofMonth || !slices.Contains(notDays, next)):
			out = append(out, strconv.Itoa(n)+"th")
			i += used - 1
			continue
		case n > 0:
			out = append(out, words[i])
			continue
		}
		if n, used := numberAt(words[i:]); used > 0 && n >= 1 && n <= 31 && n == float64(int(n)) && !ordinalDay.MatchString(words[i]) {
			at := i + used
			if at < len(words) && (words[at] == "de" || words[at] == "of") {
				at++
			}
			before := ""
			if i > 0 {
				before = words[i-1]
			}
			_, month := months[wordAt(words, at)]
			if month || (before == "dia" || before == "día") {
				out = append(out, strconv.Itoa(int(n)))
				i += used - 1
				continue
			}
		}
		out = append(out, words[i])
	}
	return out
}

func wordAt(words []string, i int) string {
	if i < 0 || i >= len(words) {
		return ""
	}
	return words[i]
}

// DatesIn are the days that a text names, as of the day on which it was said, there.
// A weekday is the next one after it; "next Friday" may be the one after that. What
// has no year is in the next twelve months, or in the last two.
func DatesIn(text string, at time.Time) []Dated {
	day := midnight(at, at.Location())
	words := withDays(wordsIn(text))
	joined := " " + strings.Join(words, "  ") + " "
	var found []Dated
	add := func(d Dated) {
		if !slices.ContainsFunc(found, func(f Dated) bool { return f.From.Equal(d.From) && f.To.Equal(d.To) && f.Other.Equal(d.Other) }) {
			found = append(found, d)
		}
	}
	for _, m := range isoDay.FindAllStringSubmatch(text, -1) {
		if d, ok := date(number(m[1]), time.Month(number(m[2])), number(m[3]), day.Location()); ok {
			add(Dated{From: d, To: d, Text: m[0]})
		}
	}
	for _, m := range slashedDay.FindAllStringSubmatch(isoDay.ReplaceAllString(text, ""), -1) {
		slashed(m, day, add)
	}
	for _, p := range datePhrases {
		matches := p.pattern.FindAllStringSubmatch(joined, -1)
		if matches == nil {
			continue // most texts name no day: they are not copied for each phrase
		}
		for _, m := range matches {
			if from, to, ok := p.days(day, m); ok {
				d := Dated{From: from, To: to, Text: strings.Join(strings.Fields(m[0]), " ")}
				if inDays.MatchString(m[0]) {
					d.Other = to.AddDate(0, 0, -1)
				}
				add(d)
			}
		}
		joined = p.pattern.ReplaceAllString(joined, " · ")
	}
	for _, m := range theDay.FindAllStringSubmatch(joined, -1) {
		n := number(m[1] + m[2] + m[3])
		d, ok := date(day.Year(), day.Month(), n, day.Location())
		if ok && d.Before(day) {
			d, ok = date(day.Year(), day.Month()+1, n, day.Location())
		}
		if ok {
			add(Dated{From: d, To: d, Text: strings.Join(strings.Fields(m[0]), " ")})
		}
	}
	words = strings.Fields(joined)
	for i := range words {
		namedDay(words, i, day, add)
	}
	return found
}

// slashed reads "4.12.", "04/12/2026": a dot puts the day first, a slash may put
// either.
func slashed(m []string, at time.Time, add func(Dated)) {
	if m[2] == "." && !strings.HasSuffix(m[0], ".") && m[4] == "" {
		return // a number with decimals
	}
	year := number(m[4])
	if year > 0 && year < 100 {
		year += 2000
	}
	first, second := number(m[1]), number(m[3])
	dayFirst, ok := nearest(year, time.Month(second), first, at)
	monthFirst, ok2 := nearest(year, time.Month(first), second, at)
	ok2 = ok2 && m[2] == "/"
	switch {
	case ok && ok2 && !dayFirst.Equal(monthFirst):
		add(Dated{From: dayFirst, To: dayFirst, Other: monthFirst, Text: m[0]})
	case ok:
		add(Dated{From: dayFirst, To: dayFirst, Text: m[0]})
	case ok2:
		add(Dated{From: monthFirst, To: monthFirst, Text: m[0]})
	}
}

// namedDay reads the weekday or month at words[i].
func namedDay(words []string, i int, at time.Time, add func(Dated)) {
	word := strings.TrimSuffix(words[i], "feira")
	before, after := "", ""
	if i > 0 {
		before = words[i-1]
	}
	if i+1 < len(words) {
		after = words[i+1]
	}
	if weekday, ok := weekdays[word]; ok {
		if slices.Contains(portugueseOrdinals, word) && after != "feira" && !slices.Contains(dayBefore, before) {
			return
		}
		if behind := dayBehind(words, i); behind != "" {
			// "Monday the eleventh": the next day that is both; with a month behind it, the
			// month tells.
			for day := at; behind != "month" && day.Before(at.AddDate(1, 0, 0)); day = day.AddDate(0, 0, 1) {
				if day.Day() == number(behind) && day.Weekday() == weekday {
					add(Dated{From: day, To: day, Text: words[i] + " " + behind})
					break
				}
			}
			return
		}
		day := coming(weekday, at)
		d := Dated{From: day, To: day, Text: words[i]}
		// "Next Friday" leaves open which, while this week has one to come.
		ahead := (int(weekday)+6)%7 > (int(at.Weekday())+6)%7
		if ahead && (slices.Contains(nextWords, before) || slices.Contains(nextWords, after) && after != "que") || slices.Contains(afterNext, before) || slices.Contains(afterNext, after) {
			d.Other, d.Text = day.AddDate(0, 0, 7), strings.TrimSpace(before+" "+words[i])
		}
		add(d)
		return
	}
	month, ok := months[word]
	if !ok {
		return
	}
	// The day before it ("4 December", "4 de diciembre"), or behind ("December 4th").
	year, rest := 0, after
	if m := ordinalDay.FindStringSubmatch(after); m != nil && i+2 < len(words) {
		rest = words[i+2]
	}
	if len(rest) == 4 && strings.HasPrefix(rest, "20") {
		year = number(rest)
	}
	dayWord := before
	if (before == "de" || before == "of") && i > 1 {
		dayWord = words[i-2]
	}
	for _, candidate := range []string{dayWord, after} {
		if m := ordinalDay.FindStringSubmatch(candidate); m != nil {
			if day, ok := nearest(year, month, number(m[1]), at); ok {
				add(Dated{From: day, To: day, Text: candidate + " " + words[i]})
			}
			return // or a day that there is not
		}
	}
	if slices.Contains(doubtfulMonths, word) && !slices.Contains(monthBefore, before) && year == 0 {
		return
	}
	first, ok := nearest(year, month, 1, at)
	if !ok {
		return
	}
	if year == 0 && first.Year() == at.Year() && lastOf(at.Year(), month, at.Location()).Before(at) {
		first = first.AddDate(1, 0, 0) // a month that is over is next year's, unless it says so
	}
	add(Dated{From: first, To: lastOf(first.Year(), month, at.Location()), Text: words[i]})
}

// dayBehind is the day of the month that follows a weekday, "month" if a month does,
// too, or nothing.
func dayBehind(words []string, i int) string {
	at := i + 1
	for slices.Contains([]string{"the", "den", "dem", "le", "el", "o", "dia", "día", "feira"}, wordAt(words, at)) {
		at++
	}
	if _, month := months[wordAt(words, at)]; month && ordinalDay.MatchString(wordAt(words, at+1)) {
		return "month"
	}
	m := ordinalDay.FindStringSubmatch(wordAt(words, at))
	if len(m) < 2 || number(m[1]) < 1 || number(m[1]) > 31 {
		return ""
	}
	next := wordAt(words, at+1)
	if next == "de" || next == "of" {
		next = wordAt(words, at+2)
	}
	if _, month := months[next]; month {
		return "month"
	}
	if !strings.HasSuffix(m[0], "th") && !strings.HasSuffix(m[0], "st") && !strings.HasSuffix(m[0], "nd") && !strings.HasSuffix(m[0], "rd") && at == i+1 {
		return "" // "Friday 3 people come"
	}
	return m[1]
}

// nearest is the day without a year that is meant: of the next twelve months, or,
// where that is long ahead, of the last two.
func nearest(year int, month time.Month, day int, at time.Time) (time.Time, bool) {
	if year > 0 {
		return date(year, month, day, at.Location())
	}
	d, ok := date(at.Year(), month, day, at.Location())
	if ok && d.Before(at.AddDate(0, -2, 0)) {
		return date(at.Year()+1, month, day, at.Location())
	}
	if ok && d.After(at.AddDate(0, 10, 0)) {
		return date(at.Year()-1, month, day, at.Location())
	}
	return d, ok
}

func date(year int, month time.Month, day int, loc *time.Location) (time.Time, bool) {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, false
	}
	d := time.Date(year, month, day, 0, 0, 0, 0, loc)
	return d, d.Day() == day
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
