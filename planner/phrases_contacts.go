package planner

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/debriefhq/debrief/meeting"
)

// contactRules are those that change a person of the other side.
var contactRules = []PhraseRule{
	{
		Name:  "contact-job-title",
		Hears: "a new job title of somebody outside: “Mark Tansley is our new head of grid”, “I'm now Depot Director”",
		cues:  "now|new|promoted|appointed|becomes|became|takes over as|took over as|jetzt|nun|neue|neuer|neuen|befördert|ernannt|maintenant|désormais|nouveau|nouvelle|promu|promue|nommé|nommée|ahora|nuevo|nueva|ascendido|ascendida|nombrado|nombrada|agora|novo|nova|promovido|promovida|virou|nomeado|nomeada",
		by:    []side{ours, theirs, written},
		patterns: [...][]pattern{
			patterns(nil, `(?P<who>(?:\pL+ ){1,3})(?:is|s|m|am|has become|became|becomes) (?:now (?:our |the |a |an )?|our new |the new |their new )(?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})(?:was|has been|got|is being|s been) (?:just |recently )?(?:promoted to|appointed|appointed as|named|made) (?:our |the |a )?(?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})(?:takes over as|took over as|has taken over as) (?:our |the )?(?:new )?(?P<title>[^,.]+)`),
			patterns(nil, `(?P<who>(?:\pL+ ){1,3})(?:ist|bin|wird) (?:jetzt|nun|ab sofort|seit \pL+) (?:unsere?n? |die |der |zur |zum )?(?:neue[rn]? )?(?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})(?:ist|wird) (?:unsere?|die|der) neue[r]? (?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})(?:wurde|ist) (?:jetzt |gerade |kürzlich )?zu[mr] (?P<title>[^,.]+?) (?:befördert|ernannt)(?: worden)?`),
			patterns(nil, `(?P<who>(?:\pL+ ){1,3})(?:est|suis) (?:maintenant|désormais|à présent|dorénavant|devenue?) (?:notre |la |le )?(?:nouveau |nouvelle )?(?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})est (?:notre|la|le) (?:nouveau|nouvelle) (?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})(?:a été|vient d être) (?:nommée?|promue?) (?P<title>[^,.]+)`),
			patterns(nil, `(?P<who>(?:\pL+ ){1,3})(?:es ahora|ahora es|pasa a ser|ya es) (?:la |el |nuestr[oa] )?(?:nuev[oa] )?(?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})es (?:la|el|nuestr[oa]) nuev[oa] (?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})(?:ha sido|fue) (?:nombrad[oa]|ascendid[oa]) (?:a |como )?(?P<title>[^,.]+)`,
				`(?:ahora )(?P<who>)(?:soy) (?:la |el )?(?:nuev[oa] )?(?P<title>[^,.]+)`),
			patterns(nil, `(?P<who>(?:\pL+ ){1,3})(?:agora é|é agora|virou|passou a ser) (?:a |o |noss[oa] )?(?:nov[oa] )?(?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})é (?:a|o|noss[oa]) (?:nossa |nosso )?nov[oa] (?P<title>[^,.]+)`,
				`(?P<who>(?:\pL+ ){1,3})foi (?:promovid[oa] a|promovid[oa] para|nomead[oa]) (?P<title>[^,.]+)`,
				`(?:agora )(?P<who>)(?:sou) (?:a |o )?(?:nov[oa] )?(?P<title>[^,.]+)`),
		},
		propose: jobTitle,
	},
	{
		Name:  "contact-phone",
		Hears: "a new phone number that somebody outside gives: “my new mobile is +44 …”",
		cues:  "number|phone|mobile|cell|nummer|telefon|handy|handynummer|telefonnummer|durchwahl|numéro|téléphone|portable|número|teléfono|móvil|telefone|celular|telemóvel",
		by:    []side{theirs},
		hear:  newPhone,
	},
	{
		Name:  "contact-email",
		Hears: "a new e-mail address that somebody outside gives: “my new address is priya@…”",
		cues:  "email|mail|address|adresse|mailadresse|courriel|correo|dirección|endereço",
		by:    []side{theirs},
		hear:  newEmail,
	},
}

// roles are the words of which a job title has one.
var roles = regexp.MustCompile(`^(?:head|director|manager|lead|leader|chief|officer|president|vp|svp|evp|ceo|cto|cfo|coo|cio|cmo|ciso|owner|partner|engineer|counsel|coordinator|buyer|supervisor|administrator|controller|principal|secretary|architect|specialist|consultant|analyst|treasurer|foreman|superintendent|dispatcher|planner|developer|chair|chairman|chairwoman|` +
	`\pL*leiter(?:in)?|\pL*leitung|\pL*chefin?|geschäftsführer(?:in)?|vorstand|vorständin|\pL*direktor(?:in)?|\pL*manager(?:in)?|prokurist(?:in)?|\pL*einkäufer(?:in)?|inhaber(?:in)?|\pL*referent(?:in)?|\pL*koordinator(?:in)?|\pL*meister(?:in)?|\pL*verantwortlicher?|\pL*beauftragter?|\pL*ingenieur(?:in)?|\pL*vorsitzender?|betriebsrat|` +
	`directeur|directrice|responsable|cheffe?|gérante?|présidente?|pdg|dg|daf|dsi|drh|ingénieure?|acheteur|acheteuse|coordinateur|coordinatrice|associée?|secrétaire|` +
	`directora?|jef[ea]|gerente|presidenta?|encargad[oa]|coordinadora?|ingenier[oa]|soci[oa]|compradora?|supervisora?|administradora?|` +
	`diretora?|coordenadora?|responsável|presidente|sóci[oa]|engenheir[oa]|gestora?|supervisora?|compradora?|encarregad[oa])$`)

// endOfTitle are words at which what is told of a job goes on to something else.
var endOfTitle = wordSet(`and but since because as from starting so who which now after in at with und aber seit ab weil da bei mit et mais depuis car chez qui avec dès à y pero desde porque que con e mas porque em com
	here hier ici aquí aqui there over anyway then until congratulations too also today officially he she they i we`)

// jobTitle proposes a job title for the one who is named, if a name it is.
func jobTitle(h *hearing, m match) *heard {
	title, whole := titleIn(m.group("title"))
	if title == "" {
		return nil
	}
	target, ok := h.whose(m)
	if !ok {
		return nil
	}
	today := midnight(h.start(), h.start().Location())
	ahead := slices.ContainsFunc(DatesIn(m.text, h.start()), func(d Dated) bool { return d.To.After(today) })
	return h.propose("contact.update", target, map[string]string{"jobtitle": capitalised(title)}, m.at).
		orAsk(!whole, halfHeard).
		orAsk(target.Name != "" && !strings.Contains(target.Name, " "), whoItIs).
		orAsk(ahead && !hasAny(m.words, sinceWhen) || hasAny(m.words, "will|going to|soon|wird|werde|bald|sera|va|bientôt|será|va a|pronto|vai|em breve|interim|acting|kommissarisch|intérim|por intérim|interino|interina"), whichDay).
		orAsk(m.voice.side == ours, oneSideSays)
}

// sinceWhen tells of a day that is over.
const sinceWhen = "since|took|last|was|has been|seit|letzte|letzten|letzter|wurde|depuis|dernier|dernière|desde|pasado|pasada|passado|passada"

// goesOnTitle are words at which a title is cut that may be a part of it: "head of
// sales and marketing".
var goesOnTitle = wordSet("and in at with for und bei mit für in et chez avec pour en y con para e com")

// titleIn is the job title that words begin with, "head of grid", and whether it surely
// is all of it.
func titleIn(words string) (string, bool) {
	var title []string
	role, whole := false, true
	fields := strings.Fields(words)
	for i, w := range fields {
		lower := strings.ToLower(w)
		inside := slices.Contains([]string{"and", "und", "et", "y", "e"}, lower) && i+1 < len(fields) && capital(fields[i+1]) && capital(fields[max(0, i-1)])
		if i > 0 && endOfTitle[lower] && !inside {
			whole = !goesOnTitle[lower]
			break
		}
		if slices.ContainsFunc(strings.FieldsFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) }), roles.MatchString) {
			role = true
		}
		title = append(title, w)
	}
	if !role || len(title) > 7 {
		return "", false
	}
	// The role comes early, or it is told of something else.
	if !slices.ContainsFunc(title[:min(len(title), 3)], func(w string) bool { return roles.MatchString(strings.ToLower(w)) }) && len(title) > 3 {
		return "", false
	}
	return strings.Join(title, " "), whole
}

// whose is the contact that a match tells of: the speaker, an attendee by name, another
// by the whole name; "she", where the sentence before names just one.
func (h *hearing) whose(m match) (meeting.RecordRef, bool) {
	s := m.sentence
	who := strings.TrimSpace(m.group("who"))
	fields := strings.Fields(who)
	last := ""
	if len(fields) > 0 {
		last = strings.ToLower(fields[len(fields)-1])
	}
	switch {
	case who == "" || slices.Contains([]string{"i", "ich", "je", "yo", "eu"}, last):
		if s.voice.side != theirs || s.voice.email == "" {
			return meeting.RecordRef{}, false
		}
		return meeting.RecordRef{Object: "contact", Email: s.voice.email}, true
	case slices.Contains([]string{"he", "she", "er", "sie", "il", "elle", "él", "ella", "ele", "ela"}, last):
		return h.lastNamed(m.at)
	}
	// The name is what has a capital, right before the verb.
	from := len(fields)
	for from > 0 && capital(fields[from-1]) && !titles[strings.ToLower(fields[from-1])] {
		from--
	}
	name := fields[from:]
	if len(name) == 0 || slices.ContainsFunc(fields, func(w string) bool { return possessives[strings.ToLower(w)] }) {
		return meeting.RecordRef{}, false
	}
	if from > 0 && !slices.Contains([]string{"frau", "herr", "mr", "mrs", "ms", "dr", "madame", "monsieur", "señora", "señor", "a", "o", "la", "el", "and", "und", "et", "y", "e", "that", "dass", "que", "but", "aber", "so", "also", "die", "der"}, strings.ToLower(fields[from-1])) {
		return meeting.RecordRef{}, false // "my daughter Anna", "deren Leiter Max"
	}
	// A word at the beginning has a capital without being a name: "And Mark is now".
	for len(name) > 1 && slices.Contains([]string{"and", "also", "but", "so", "oh", "und", "also", "aber", "et", "mais", "y", "pero", "e", "mas", "a", "o", "la", "el", "frau", "herr"}, strings.ToLower(name[0])) {
		name = name[1:]
	}
	return h.contactNamed(strings.Join(name, " "))
}

// possessives make somebody one of another's: "my sister Anna".
var possessives = wordSet("my his her their your whose mein meine meiner dein deine sein seine ihr ihre deren dessen euer eure mon ma mes ton ta son sa leur mi mis tu su sus meu minha seu sua")

// contactNamed is the contact of a name: an attendee's from outside by the address; of
// two, or of one who is not there, by the name, if it is told in full.
func (h *hearing) contactNamed(name string) (meeting.RecordRef, bool) {
	all := h.allNamed(name)
	if slices.ContainsFunc(all, func(v voice) bool { return v.side == ours }) {
		if !slices.ContainsFunc(all, func(v voice) bool { return v.side == theirs }) {
			return meeting.RecordRef{}, false // a colleague
		}
	}
	switch {
	case len(all) == 1 && all[0].email != "":
		return meeting.RecordRef{Object: "contact", Email: all[0].email}, true
	default: // who is none of those who were there is looked for by the name
		return meeting.RecordRef{Object: "contact", Name: name}, true
	}
}

// lastNamed is the one of whom the sentence before tells, if it names just one.
func (h *hearing) lastNamed(i int) (meeting.RecordRef, bool) {
	b, ok := h.before(i)
	if !ok || h.sentences[b].turn != h.sentences[i].turn {
		return meeting.RecordRef{}, false
	}
	var named []voice
	for _, t := range h.sentences[b].tokens {
		word := h.sentences[b].text[t.start:t.end]
		if !capital(word) {
			continue
		}
		for _, v := range h.allNamed(word) {
			if !slices.Contains(named, v) {
				named = append(named, v)
			}
		}
	}
	if len(named) != 1 || named[0].side != theirs || len(fullNames.FindAllString(h.sentences[b].text, -1)) > 1 {
		return meeting.RecordRef{}, false
	}
	return meeting.RecordRef{Object: "contact", Email: named[0].email}, true
}

var (
	phoneNumber = regexp.MustCompile(`\+?\(?\d[\d ()/.\-]{5,20}\d`)
	mailAddress = regexp.MustCompile(`[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+`)
	mobileWords = "mobile|cell|handy|handynummer|mobilnummer|portable|móvil|celular|telemóvel"
	// myNew is how somebody gives what is new of theirs.
	myNew = pattern{regexp.MustCompile(` (?:my new|my (?:\pL+ ){0,2}(?:is now|has changed|changed)|(?:number|phone|mobile|email|mail|address) is now|meine neue|mein neues|meine (?:\pL+ ){0,2}(?:ist jetzt|hat sich geändert|lautet jetzt)|ma nouvelle|mon nouveau|mon nouvel|mi nuevo|mi nueva|meu novo|minha nova|o meu novo|a minha nova) `)}
)

// ownNews is the sentence's contact, where a known person from outside gives something
// new of their own.
func (h *hearing) ownNews(i int) (meeting.RecordRef, bool) {
	s := h.sentences[i]
	if _, ok := myNew.find(s); !ok || s.question || s.voice.email == "" {
		return meeting.RecordRef{}, false
	}
	for tongue := range tongues {
		words := plainWords(s.words, tongue)
		if hasAny(words, byTongue.condition[tongue]) || tongue != 0 && tongue < 3 && hasAny(words, byTongue.not[tongue]) {
			return meeting.RecordRef{}, false
		}
	}
	return meeting.RecordRef{Object: "contact", Email: s.voice.email}, h.meant(i, 0)
}

func newPhone(h *hearing, i int) *heard {
	s := h.sentences[i]
	all := phoneNumber.FindAllString(s.text, -1)
	target, ok := h.ownNews(i)
	if len(all) != 1 || !ok {
		return nil
	}
	number := strings.TrimSpace(all[0])
	if digits := len(regexpDigits.FindAllString(number, -1)); digits < 7 || digits > 15 {
		return nil
	}
	property := "phone"
	if hasAny(s.words, mobileWords) {
		property = "mobilephone"
	}
	return h.propose("contact.update", target, map[string]string{property: number}, i)
}

var regexpDigits = regexp.MustCompile(`\d`)

func newEmail(h *hearing, i int) *heard {
	s := h.sentences[i]
	all := mailAddress.FindAllString(s.text, -1)
	target, ok := h.ownNews(i)
	if len(all) != 1 || !ok || ownDomains(h.subject, readPeopleFile(peopleFile))(domainOf(address(all[0]))) {
		return nil
	}
	return h.propose("contact.update", target, map[string]string{"email": address(all[0])}, i)
}
