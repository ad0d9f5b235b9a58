package planner

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How people call people and things. Case, accents, titles and the ways to write an
// umlaut make no difference; a word that is spelled otherwise is another word.

// fit is how well a name that was said is somebody's.
type fit int

const (
	noFit    fit = iota
	nickname     // a short form of the first name
	oneName      // the first name or the last
	whole        // both
)

// fold is a word as it is compared.
func fold(word string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(word)) {
		switch {
		case unicode.In(r, unicode.Mn):
		case r == 'ß':
			b.WriteString("ss")
		case r == 'ø':
			b.WriteByte('o')
		case r == 'ł':
			b.WriteByte('l')
		case r == 'đ':
			b.WriteByte('d')
		case r == 'ı':
			b.WriteByte('i')
		case r == 'æ':
			b.WriteByte('a')
		case r == 'œ':
			b.WriteByte('o')
		default:
			b.WriteRune(r)
		}
	}
	return umlauts.Replace(b.String())
}

var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

// folded are the words of a text, as they are compared.
func folded(text string) []string {
	words := wordsIn(text)
	for i, w := range words {
		words[i] = fold(w)
	}
	return words
}

// nameWords are those of a name: without titles and the s of a possessive.
func nameWords(name string) []string {
	words := slices.DeleteFunc(wordsIn(name), func(w string) bool { return isTitle(w) || w == "s" })
	for i, w := range words {
		words[i] = fold(w)
	}
	return words
}

// shortForms are how people are called who are written otherwise: those that
// everybody uses, in the languages that Debrief reads.
var shortForms = map[string][]string{
	"alexander": {"alex", "sascha", "sandy"}, "alexandra": {"alex", "sandra"}, "andreas": {"andi"}, "andrew": {"andy", "drew"}, "anthony": {"tony"},
	"benjamin": {"ben"}, "caroline": {"caro"}, "catherine": {"kate", "cathy"}, "charles": {"charlie"}, "christian": {"chris"}, "christina": {"chris", "tina"},
	"christine": {"chris"}, "christopher": {"chris"}, "christoph": {"chris"}, "daniel": {"dan", "dani"}, "david": {"dave"}, "edward": {"ed", "ted"},
	"elizabeth": {"liz", "beth", "lisa"}, "francisco": {"paco"}, "friedrich": {"fritz"}, "gregory": {"greg"}, "ignacio": {"nacho"}, "james": {"jim", "jamie"},
	"jennifer": {"jen", "jenny"}, "johannes": {"hannes"}, "john": {"jack"}, "jonathan": {"jon"}, "jose": {"pepe"}, "joseph": {"joe"}, "joshua": {"josh"},
	"katharina": {"kathi"}, "katherine": {"kate", "kathy"}, "margaret": {"maggie", "meg"}, "matthew": {"matt"}, "maximilian": {"max"}, "michael": {"mike", "michi"},
	"nicholas": {"nick"}, "nicolas": {"nico"}, "patricia": {"pat"}, "patrick": {"pat"}, "peter": {"pete"}, "philip": {"phil"}, "rebecca": {"becky"},
	"richard": {"rick", "dick"}, "robert": {"bob", "rob"}, "ronald": {"ron"}, "samantha": {"sam"}, "samuel": {"sam"}, "sebastian": {"basti", "seb"},
	"stephen": {"steve"}, "steven": {"steve"}, "susan": {"sue"}, "theodore": {"ted"}, "thomas": {"tom"}, "timothy": {"tim"}, "victoria": {"vicky"},
	"william": {"will", "bill"}, "wilhelm": {"willi"},
}

func isShortOf(said, name string) bool {
	for whole, short := range shortForms {
		if fold(whole) == name && slices.Contains(short, said) {
			return true
		}
	}
	return false
}

// personName is a person's name to compare with.
type personName struct{ first, last []string }

// nameOf is the name of a person, or what the address says of it.
func nameOf(p Person) personName {
	first, last := splitName(p.Name)
	if first == "" {
		local, _, _ := strings.Cut(p.Email, "@")
		first, last, _ = strings.Cut(strings.NewReplacer("_", ".", "-", ".").Replace(local), ".")
	}
	return personName{nameWords(first), nameWords(last)}
}

func nameOfContact(r Record) personName {
	n := personName{nameWords(r.Properties["firstname"]), nameWords(r.Properties["lastname"])}
	if len(n.first)+len(n.last) == 0 {
		return nameOf(Person{Email: address(r.Properties["email"])})
	}
	return n
}

// fits says how well words are the name: each of them has to be one of its own.
func (n personName) fits(words []string) fit {
	if len(words) == 0 {
		return noFit
	}
	first, last, short := false, false, false
	for _, w := range words {
		switch {
		case slices.Contains(n.first, w):
			first = true
		case slices.Contains(n.last, w):
			last = true
		case len(n.first) > 0 && isShortOf(w, n.first[0]):
			first, short = true, true
		default:
			return noFit
		}
	}
	switch {
	case first && last:
		return whole
	case short:
		return nickname
	default:
		return oneName
	}
}

// in says how well a text names the person, and by which words. What is written
// small is no name, unless nothing in the text has a capital.
func (n personName) in(t spokenText) (fit, string) {
	best, by := noFit, ""
	for i, w := range t.words {
		if !t.capital[i] {
			continue
		}
		f := n.fits([]string{w})
		name := w
		if i+1 < len(t.words) {
			if both := n.fits(t.words[i : i+2]); both == whole && t.capital[i+1] {
				f, name = whole, w+" "+t.words[i+1]
			}
		}
		if f > best {
			best, by = f, name
		}
	}
	return best, by
}

// spokenText is a text in words, and which of them begin with a capital.
type spokenText struct {
	words   []string
	capital []bool
}

func spokenOf(text string) spokenText {
	var t spokenText
	some := strings.ContainsFunc(text, unicode.IsUpper)
	for field := range strings.FieldsFuncSeq(norm.NFC.String(strings.Map(visible, text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	}) {
		t.words = append(t.words, fold(field))
		first, _ := utf8.DecodeRuneInString(field)
		t.capital = append(t.capital, !some || unicode.IsUpper(first))
	}
	return t
}

// sameName says that a word that was said is one of a thing's name: the same, or the
// same with another ending.
func sameName(said, word string) bool {
	said, word = kindOf(said), kindOf(word)
	if said == word {
		return true
	}
	if len(said) > len(word) {
		said, word = word, said
	}
	rest, ok := strings.CutPrefix(word, said)
	return ok && len(said) >= 3 && (slices.Contains([]string{"s", "es", "e", "en", "n", "er", "ern", "x", "ing"}, rest) || len(said) >= 6)
}

// kinds are what deals, languages and choices are called in the languages that Debrief
// reads, by one word.
var kinds = map[string][]string{
	"renewal":   {"renewals", "renewing", "verlangerung", "verlangerungen", "renouvellement", "renovacion", "renovacao"},
	"expansion": {"upsell", "erweiterung", "extension", "ampliacion", "expansao", "ampliacao"},
	"pilot":     {"pilote", "piloto", "pilotprojekt"},
	"training":  {"schulung", "formation", "formacion", "formacao", "treinamento", "capacitacion", "entrenamiento", "opleiding", "formazione"},

	"english":    {"englisch", "englische", "englischer", "anglais", "anglaise", "ingles", "inglesa", "engels", "inglese"},
	"german":     {"deutsch", "deutsche", "deutscher", "allemand", "allemande", "aleman", "alemana", "alemao", "alema", "duits", "tedesco"},
	"french":     {"franzosisch", "francais", "francaise", "frances", "francesa", "frans", "francese"},
	"spanish":    {"spanisch", "espagnol", "espagnole", "espanol", "espanola", "castellano", "espanhol", "spaans", "spagnolo"},
	"portuguese": {"portugiesisch", "portugais", "portugaise", "portugues", "portuguesa", "portugees", "portoghese"},
	"italian":    {"italienisch", "italien", "italienne", "italiano", "italiana", "italiaans"},
	"dutch":      {"niederlandisch", "neerlandais", "neerlandes", "holandes", "nederlands", "olandese"},

	"vehicle":     {"vehicles", "trucks", "truck", "vans", "van", "cars", "fahrzeuge", "fahrzeug", "lkw", "vehicules", "vehicule", "camions", "vehiculos", "camiones", "veiculos", "caminhoes"},
	"seat":        {"seats", "licences", "licenses", "users", "desks", "platze", "lizenzen", "nutzer", "licencias", "usuarios", "licencas", "utilisateurs", "werkplekken", "postazioni"},
	"participant": {"participants", "attendees", "teilnehmer", "participantes"},
	"handset":     {"handsets", "radios", "radio"},

	"high":   {"hoch", "hohe", "hohes", "eleve", "elevee", "haute", "alta", "alto"},
	"low":    {"niedrig", "gering", "geringes", "faible", "basse", "baja", "bajo", "baixa", "baixo"},
	"medium": {"mittel", "mittlere", "moyen", "moyenne", "media", "medio"},
	"buy":    {"buying", "bought", "kauf", "kaufen", "achat", "acheter", "compra", "comprar"},
	"lease":  {"leased", "leasing", "leasen"},
	"rent":   {"rented", "renting", "mieten", "miete", "louer", "alquilar", "alugar"},
}

var kindByWord = func() map[string]string {
	all := map[string]string{}
	for kind, words := range kinds {
		for _, w := range words {
			all[fold(w)] = kind
		}
	}
	return all
}()

func kindOf(word string) string {
	if kind, ok := kindByWord[word]; ok {
		return kind
	}
	return word
}

// emptyWords tell no record from another.
var emptyWords = func() map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(`
		the a an our your their his her this that these those my one ones new and or of for with to in on at by from it its
		deal deals opportunity opportunities ticket tickets case cases issue project projects business account company customer client contract
		der die das den dem des ein eine einen einem einer unser unsere unseren euer ihr ihre dieser diese dieses neu neue neuen neuer und oder von fur mit zu im in am
		geschaft auftrag vorgang kunde kunden firma unternehmen projekt vertrag
		le la les un une des du de notre votre leur ce cet cette nouveau nouvelle et ou pour avec a au aux sur affaire affaires dossier client entreprise projet contrat
		el los las una unos unas del nuestro nuestra vuestro su este esta ese esa nuevo nueva y o para con negocio negocios oportunidad cliente empresa proyecto contrato
		o os as um uma do da dos das nosso nossa seu sua essa esse novo nova e com negocio oportunidade chamado projeto
		gmbh ag kg se inc llc ltd limited corp co plc sa sas sarl sl bv nv spa srl group holding`) {
		all[fold(w)] = true
	}
	return all
}()

// telling are the words of a name that tell which one it is.
func telling(name string) []string {
	return slices.DeleteFunc(folded(name), func(w string) bool { return emptyWords[w] || len(w) < 2 })
}

// fitsThing says that everything telling in a name that was said stands in the words
// of a thing.
func fitsThing(said, words []string) bool {
	return !slices.ContainsFunc(said, func(s string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return sameName(s, w) })
	})
}

// others are words by which people speak of one of several without its name; of many,
// those that they hardly use for anything else.
var (
	others = [][]string{
		{"other"},
		{"others"},
		{"both"},
		{"all", "of", "them"},
		{"another"},
		{"second", "one"},
		{"anderen"},
		{"andere"},
		{"anderes"},
		{"beide"},
		{"beiden"},
		{"autre"},
		{"autres"},
		{"les", "deux"},
		{"laquelle"},
		{"lequel"},
		{"otro"},
		{"otra"},
		{"otros"},
		{"ambos"},
		{"ambas"},
		{"los", "dos"},
		{"outro"},
		{"outra"},
		{"outros"},
		{"os", "dois"},
	}
	ofMany = [][]string{
		{"other", "one"},
		{"other", "deal"},
		{"which", "one"},
		{"both", "deals"},
		{"all", "three"},
		{"alle", "drei"},
		{"beide", "deals"},
		{"anderen", "deal"},
		{"andere", "deal"},
		{"tous", "les", "trois"},
		{"les", "deux", "affaires"},
		{"los", "tres"},
		{"ambos", "negocios"},
		{"os", "tres"},
	}
)

// sayOne says that words have one of several phrases.
func sayOne(words []string, phrases ...[]string) bool {
	return slices.ContainsFunc(phrases, func(phrase []string) bool {
		for i := range words {
			if i+len(phrase) <= len(words) && slices.Equal(words[i:i+len(phrase)], phrase) {
				return true
			}
		}
		return false
	})
}
