package planner

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

//go:embed people.txt
var peopleFile string

// Person is somebody who was at a meeting, under one name and one address.
type Person struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"` // in lower case
	// Domain of the address that may stand for a company: the registrable one
	// (northwind.example for jane@mail.northwind.example). Empty for free mail.
	Domain   string `json:"domain,omitempty"`
	JobTitle string `json:"job_title,omitempty"`
}

func (p Person) label() string {
	if p.Name == "" || p.Email == "" {
		return p.display()
	}
	return p.display() + " (" + p.Email + ")"
}

// display is the name as people say it, else the address.
func (p Person) display() string {
	first, last := splitName(p.Name)
	return cmp.Or(strings.TrimSpace(first+" "+last), p.Email)
}

// People says who was at a meeting. Rooms, notetakers, no-reply addresses and
// what the organization ignores are in none of its lists.
type People struct {
	// External are those with an address outside the organization.
	External []Person `json:"external,omitempty"`
	// Internal are those with an address of the organization's own.
	Internal []Person `json:"internal,omitempty"`
	// Unknown were there, but nobody knows their address: a name alone, or an
	// address that a group reads. The platform did not call them internal.
	Unknown []Person `json:"unknown,omitempty"`
	// Absent are external people who were invited and did not come.
	Absent []Person `json:"absent,omitempty"`
	// Host is who held the meeting for the organization, if that is known.
	Host Host `json:"host,omitzero"`
}

// Attendance says what kind of meeting it was, as far as its people tell.
type Attendance string

// What kind of meeting it was.
const (
	// WithExternals: somebody with a known address outside the organization came.
	WithExternals Attendance = "external"
	// Internal: the organization's own people were among themselves, or those
	// invited stayed away. There is nothing to do in the CRM.
	Internal Attendance = "internal"
	// Unclear: nobody's address outside the organization is known, and nothing
	// says that it was internal.
	Unclear Attendance = "unclear"
)

// Attendance says what kind of meeting it was. A host alone is no internal
// meeting: many platforms tell nobody but the host.
func (p People) Attendance() Attendance {
	switch {
	case len(p.External) > 0:
		return WithExternals
	case len(p.Unknown) > 0 || (len(p.Internal) < 2 && len(p.Absent) == 0):
		return Unclear
	default:
		return Internal
	}
}

// Who says who was at the meeting. An attendee who is known to have stayed away
// is not one who was there; one of whom nothing is known is.
func Who(in Subject) People {
	lists := readPeopleFile(peopleFile)
	own := ownDomains(in, lists)
	var people People
	seen := map[string]int{}
	var all []attendee
	add := func(a attendee) {
		key := "name:" + strings.ToLower(a.Name)
		if a.Email != "" {
			key = a.Email
		} else if a.Name == "" {
			return
		}
		if i, ok := seen[key]; ok {
			all[i] = all[i].merge(a)
			return
		}
		seen[key] = len(all)
		all = append(all, a)
	}
	add(attendee{Person: person(in.Meeting.Organizer.Name, in.Meeting.Organizer.Email, "")})
	for _, p := range in.Answers.attendees() {
		add(attendee{Person: person(p.Name, p.Email, ""), present: true})
	}
	for _, a := range in.Meeting.Attendees {
		came := a.Attended != nil && *a.Attended
		away := !came && (a.NoShow || a.Attended != nil || strings.EqualFold(a.Response, "declined"))
		add(attendee{
			Person: person(a.Name, a.Email, a.JobTitle), present: came, away: away,
			internal: a.External != nil && !*a.External,
		})
	}
	names := map[string]bool{strings.ToLower(strings.TrimSpace(in.Host.Name)): in.Host.Name != ""}
	for _, a := range all {
		if a.Email != "" && a.Name != "" {
			names[strings.ToLower(a.Name)] = true
		}
	}
	for _, a := range all {
		kind := lists.kindOf(a.Person, in.Ignored)
		isOwn := a.Email != "" && (a.Email == address(in.Host.Email) || own(domainOf(a.Email)))
		switch {
		case kind == kindNobody:
		case isOwn && kind == kindGroup:
		case isOwn:
			people.Internal = append(people.Internal, a.Person)
		case a.Email != "" && kind == kindPerson:
			a.Domain = lists.companyDomain(a.Email)
			if a.away && !a.present {
				people.Absent = append(people.Absent, a.Person)
			} else {
				people.External = append(people.External, a.Person)
			}
		case a.Email == "" && (a.internal || names[strings.ToLower(a.Name)]):
		case !a.away:
			people.Unknown = append(people.Unknown, a.Person)
		}
	}
	for _, list := range [][]Person{people.External, people.Internal, people.Unknown, people.Absent} {
		slices.SortFunc(list, func(a, b Person) int { return cmp.Or(cmp.Compare(a.Email, b.Email), cmp.Compare(a.Name, b.Name)) })
	}
	people.Host = hostOf(in, people.Internal)
	return people
}

// hostOf is who holds the meeting: whom the caller names, else the organizer if
// internal, else the only internal attendee.
func hostOf(in Subject, internal []Person) Host {
	h := in.Host
	h.Email = address(h.Email)
	if h.Email == "" && h.OwnerID == "" && h.Name == "" {
		organizer := address(in.Meeting.Organizer.Email)
		for _, p := range internal {
			if p.Email == organizer || len(internal) == 1 {
				h.Name, h.Email = p.Name, p.Email
			}
		}
	}
	if h.Name == "" {
		for _, p := range internal {
			if p.Email == h.Email {
				h.Name = p.Name
			}
		}
	}
	h.Name = strings.TrimSpace(h.Name)
	return h
}

type attendee struct {
	Person
	present, away, internal bool
}

// merge joins what two mentions of one person say, in either order.
func (a attendee) merge(b attendee) attendee {
	a.Name, a.JobTitle = fuller(a.Name, b.Name), fuller(a.JobTitle, b.JobTitle)
	a.present, a.away, a.internal = a.present || b.present, a.away || b.away, a.internal || b.internal
	return a
}

// fuller prefers the longer text, and among equally long ones the first of the
// alphabet, so that the order in which they came does not matter.
func fuller(a, b string) string {
	if len(a) != len(b) {
		if len(a) > len(b) {
			return a
		}
		return b
	}
	return min(a, b)
}

func person(name, email, jobTitle string) Person {
	p := Person{Name: strings.Join(strings.Fields(name), " "), Email: address(email), JobTitle: strings.TrimSpace(jobTitle)}
	if strings.EqualFold(p.Name, p.Email) {
		p.Name = ""
	}
	if p.Email == "" && address(p.Name) != "" {
		// Some platforms put the address where the name belongs.
		p.Email, p.Name = address(p.Name), ""
	}
	return p
}

// address is an e-mail address in lower case, or nothing if s is none.
func address(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || !strings.Contains(strings.Trim(domain, "."), ".") || strings.ContainsAny(s, " \t\r\n<>,;\"") || strings.Contains(domain, "@") {
		return ""
	}
	return s
}

func domainOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return strings.TrimSuffix(domain, ".")
}

// ownDomains says which domains are the organization's: those of its settings
// with everything below them, or, while it has none, the host's.
func ownDomains(in Subject, lists peopleLists) func(string) bool {
	own := slices.Clone(in.Domains)
	if len(own) == 0 {
		if d := domainOf(address(in.Host.Email)); d != "" && !lists.freeMail(d) {
			own = append(own, d)
		}
	}
	return func(domain string) bool {
		return slices.ContainsFunc(own, func(d string) bool {
			d = strings.Trim(strings.ToLower(strings.TrimSpace(d)), "@.")
			return d != "" && (domain == d || strings.HasSuffix(domain, "."+d))
		})
	}
}

type kind int

const (
	kindPerson kind = iota
	kindNobody      // a room, a notetaker, a no-reply address, or ignored
	kindGroup       // an address that a group reads
)

// peopleLists is people.txt, by section.
type peopleLists map[string][]string

func readPeopleFile(file string) peopleLists {
	lists := peopleLists{}
	var section string
	for line := range strings.Lines(file) {
		line = strings.ToLower(strings.TrimSpace(line))
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			lists[section] = append(lists[section], line)
		}
	}
	return lists
}

func (l peopleLists) kindOf(p Person, ignored []string) kind {
	local, _, _ := strings.Cut(p.Email, "@")
	matches := func(section string) bool {
		return slices.ContainsFunc(l[section], func(pattern string) bool {
			if strings.Contains(pattern, "@") {
				return glob(pattern, p.Email)
			}
			return glob(pattern, local)
		})
	}
	named := func() bool {
		return slices.ContainsFunc(l["name"], func(pattern string) bool { return glob(pattern, strings.ToLower(p.Name)) })
	}
	own := slices.ContainsFunc(ignored, func(pattern string) bool {
		pattern = strings.ToLower(strings.TrimSpace(pattern))
		if strings.HasPrefix(pattern, "@") {
			pattern = "*" + pattern
		}
		return glob(pattern, p.Email)
	})
	switch {
	case p.Name != "" && (named() || l.isMachine(p.Name, local)):
		return kindNobody
	case p.Email == "":
		return kindPerson
	case own, matches("room"), matches("notetaker"), matches("no-reply"):
		return kindNobody
	case matches("list"):
		return kindGroup
	default:
		return kindPerson
	}
}

// isMachine says that a name ends as machines' do. Somebody may be called so: then their
// address says the name as people's do, "ben.bot".
func (l peopleLists) isMachine(name, local string) bool {
	_, last := splitName(name)
	words := wordsIn(last)
	if len(words) == 0 || !slices.Contains(l["machine"], words[len(words)-1]) {
		return false
	}
	parts := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune("._-", r) })
	return len(parts) < 2 || !slices.Contains(parts, words[len(words)-1])
}

func (l peopleLists) freeMail(domain string) bool {
	return slices.ContainsFunc(l["free-mail"], func(pattern string) bool { return glob(pattern, domain) })
}

// companyDomain is the domain by which a company is known, or nothing if the
// address is free mail.
func (l peopleLists) companyDomain(email string) string {
	domain := domainOf(email)
	if l.freeMail(domain) {
		return ""
	}
	registrable, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil || l.freeMail(registrable) {
		return ""
	}
	return registrable
}

// glob matches s against a pattern in which * stands for any characters.
func glob(pattern, s string) bool {
	head, rest, found := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	if !found {
		return s == ""
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], next
	}
}

// splitName splits a display name into first and last name, as far as that is
// sane: "Roe, Jane" and "Dr. Jane Roe (Northwind)" are Jane Roe; the particles of
// "Jane van der Roe" stay with the last name; a single word is a first name.
func splitName(name string) (first, last string) {
	for _, cut := range []string{"(", "[", "|", " - ", " – ", " @ "} {
		if head, _, found := strings.Cut(name, cut); found && strings.TrimSpace(head) != "" {
			name = head
		}
	}
	if lastName, firstName, found := strings.Cut(name, ","); found {
		if isTitle(firstName) {
			name = lastName // "Jane Roe, PhD"
		} else {
			name = firstName + " " + lastName
			words := withoutTitles(strings.Fields(firstName))
			if len(words) > 0 {
				return strings.Join(words, " "), strings.Join(strings.Fields(lastName), " ")
			}
		}
	}
	words := withoutTitles(strings.Fields(name))
	switch len(words) {
	case 0:
		return "", ""
	case 1:
		return words[0], ""
	default:
		return words[0], strings.Join(words[1:], " ")
	}
}

func withoutTitles(words []string) []string {
	if rest := slices.DeleteFunc(slices.Clone(words), isTitle); len(rest) > 0 {
		return rest
	}
	return words
}

func isTitle(word string) bool {
	switch strings.ToLower(strings.Trim(word, " .")) {
	case "mr", "mrs", "ms", "mx", "dr", "prof", "herr", "frau", "phd", "ph.d", "mba", "msc":
		return true
	}
	return false
}

// nameOfDomain guesses a company's name from its domain: "Blue Harbor" for
// blue-harbor.example. It is only a guess, and the draft says so.
func nameOfDomain(domain string) string {
	label, _, _ := strings.Cut(domain, ".")
	words := strings.FieldsFunc(label, func(r rune) bool { return r == '-' || r == '_' })
	for i, w := range words {
		first, size := utf8.DecodeRuneInString(w)
		words[i] = string(unicode.ToUpper(first)) + w[size:]
	}
	return strings.Join(words, " ")
}
