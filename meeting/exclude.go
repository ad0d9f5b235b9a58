package meeting

import (
	"slices"
	"strings"
	"unicode"
)

// Exclusions are what an organization does not want Debrief to keep. The zero
// value excludes what is private and what is among colleagues alone.
type Exclusions struct {
	// KeepInternal keeps meetings in which nobody is from outside.
	KeepInternal bool `json:"keep_internal,omitempty"`
	// KeepPrivate keeps meetings that their host marked as private.
	KeepPrivate bool `json:"keep_private,omitempty"`
	// TitleWords exclude a meeting with one of them in its title, as whole words
	// and whatever their case.
	TitleWords []string `json:"title_words,omitempty"`
	// Hosts exclude the meetings of whoever has one of these addresses.
	Hosts []string `json:"hosts,omitempty"`
	// Domains exclude a meeting with anyone of one of them or of a subdomain.
	Domains []string `json:"domains,omitempty"`
}

// Exclusion is a rule that applies: "internal", "private", or a kind with its
// value, such as "title word: salary".
type Exclusion string

// The exclusions without a value.
const (
	ExcludedInternal Exclusion = "internal"
	ExcludedPrivate  Exclusion = "private"
)

// Of says why the meeting is not to be kept, or "". The organization's own
// domains say who is internal.
func (x Exclusions) Of(m Meeting, own []string) Exclusion {
	if m.Private && !x.KeepPrivate {
		return ExcludedPrivate
	}
	title := words(m.Title)
	for _, phrase := range x.TitleWords {
		if contains(title, words(phrase)) {
			return titleWord(phrase)
		}
	}
	for _, host := range x.Hosts {
		host = strings.ToLower(strings.TrimSpace(host))
		if host != "" && (m.Organizer.Email == host || slices.ContainsFunc(m.Attendees, func(a Attendee) bool { return a.Role == "host" && a.Email == host })) {
			return hostIs(host)
		}
	}
	for _, d := range x.Domains {
		d = cleanDomain(d)
		if slices.ContainsFunc(m.emails(), func(email string) bool { return within(domain(email), d) }) {
			return domainIs(d)
		}
	}
	if !x.KeepInternal && m.settled() && m.internal(own) == yes {
		return ExcludedInternal
	}
	return ""
}

// Still says whether a meeting that was excluded before has to stay so, although
// what is now told of it would not say so by itself: most events carry neither
// title nor people.
func (x Exclusions) Still(e Exclusion, m Meeting, own []string) bool {
	switch e {
	case "":
		return false
	case ExcludedInternal:
		return !x.KeepInternal && m.internal(own) != no // somebody from outside came
	case ExcludedPrivate:
		return !x.KeepPrivate
	}
	all := make([]Exclusion, 0, len(x.TitleWords)+len(x.Hosts)+len(x.Domains))
	for _, v := range x.TitleWords {
		all = append(all, titleWord(v))
	}
	for _, v := range x.Hosts {
		all = append(all, hostIs(strings.ToLower(strings.TrimSpace(v))))
	}
	for _, v := range x.Domains {
		all = append(all, domainIs(cleanDomain(v)))
	}
	return slices.Contains(all, e)
}

func titleWord(phrase string) Exclusion {
	return Exclusion("title word: " + strings.Join(words(phrase), " "))
}
func hostIs(email string) Exclusion { return Exclusion("host: " + email) }
func domainIs(d string) Exclusion   { return Exclusion("domain: " + d) }

func cleanDomain(d string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(d)), "@")
}

func within(d, parent string) bool {
	return parent != "" && (d == parent || strings.HasSuffix(d, "."+parent))
}

// words are the words of a text in lower case.
func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
}

func contains(all, phrase []string) bool {
	for i := 0; len(phrase) > 0 && i+len(phrase) <= len(all); i++ {
		if slices.Equal(all[i:i+len(phrase)], phrase) {
			return true
		}
	}
	return false
}

func (m Meeting) emails() []string {
	var all []string
	for _, email := range append([]string{m.Organizer.Email}, emailsOf(m.Attendees)...) {
		if email != "" && !slices.Contains(all, email) {
			all = append(all, email)
		}
	}
	return all
}

func emailsOf(attendees []Attendee) []string {
	var all []string
	for _, a := range attendees {
		all = append(all, a.Email)
	}
	return all
}

// settled says whether it is known who is meant: there is a list of who is
// invited, or it is over. People who join one by one are no list.
func (m Meeting) settled() bool {
	return m.HasEnded || slices.ContainsFunc(m.Attendees, func(a Attendee) bool { return a.Role == "invitee" || a.Role == "guest" })
}

type answer int

const (
	unknown answer = iota
	yes
	no
)

// internal says whether all are colleagues: yes only if at least two are known
// and nobody is unknown; no if somebody is from outside.
func (m Meeting) internal(own []string) answer {
	if len(own) == 0 {
		return unknown // nobody said who the colleagues are
	}
	emails := m.emails()
	for _, email := range emails {
		if !slices.ContainsFunc(own, func(d string) bool { return within(domain(email), d) }) {
			return no
		}
	}
	for _, a := range m.Attendees {
		if a.Email == "" && (a.External == nil || *a.External) {
			return unknown // a guest whom the platform knows by name alone
		}
	}
	if len(emails) < 2 {
		return unknown
	}
	return yes
}
