package briefing

import (
	"cmp"
	"slices"

	"github.com/debriefhq/debrief/hubspot"
)

// Entry is one meeting of a digest.
type Entry struct {
	Brief Brief
	// Path of the brief's page, below [View].BaseURL.
	Path string
}

// DigestPage is a day's meetings, or a week's: each in a few lines, with a link to its
// brief, under the days that they are on.
func DigestPage(title string, entries []Entry, v View) Page {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Brief.Meeting.Start.Compare(b.Brief.Meeting.Start), cmp.Compare(a.Path, b.Path))
	})
	p := Page{Title: title}
	if len(entries) == 0 {
		p.Head = []Line{{Kind: Fact, Text: v.T("No meetings with anybody from outside."), Link: v.BaseURL + "/"}}
	}
	var day hubspot.Date
	for _, e := range entries {
		start := e.Brief.Meeting.Start.In(v.zone())
		if d := hubspot.DateOf(start); d != day {
			day = d
			p.Sections = append(p.Sections, Section{Heading: v.Day(start)})
		}
		last := &p.Sections[len(p.Sections)-1]
		last.Lines = append(last.Lines, v.entry(e)...)
	}
	return p.clean()
}

func (v View) entry(e Entry) []Line {
	b, link := e.Brief, v.BaseURL+e.Path
	lines := []Line{{Kind: Fact, Text: v.Span(b.Meeting.Start.In(v.zone()), b.Meeting.End) + ": " + b.Title(v), Link: link}}
	add := func(kind Kind, text string) {
		if text != "" {
			lines = append(lines, Line{Kind: kind, Text: text, Link: link, Detail: true})
		}
	}
	var names, companies, strangers []string
	for _, p := range b.People {
		names = append(names, p.label())
		if p.ContactID == "" && p.Email != "" && !b.denies("contact") && b.CRMMissing == "" {
			strangers = append(strangers, p.label())
		}
	}
	for _, c := range b.Companies {
		companies = append(companies, c.Name)
	}
	who := v.some(names)
	if more := len(b.Others); more > 0 {
		who += " " + v.T("and %d more", more)
	}
	add(Fact, of(who, v.some(companies)))
	deals, tickets, late := 0, 0, 0
	for _, d := range b.Deals {
		if !d.Closed {
			deals++
		}
	}
	for _, t := range b.Tickets {
		if !t.Closed {
			tickets++
		}
	}
	for _, h := range b.History {
		for _, p := range h.Promises {
			if p.State == PromiseLate {
				late++
			}
		}
	}
	counted := func(n int, one, many string) string {
		if n == 0 {
			return ""
		}
		return v.Printer.Plural(n, one, many)
	}
	add(Fact, list(" · ", counted(deals, "%d open deal", "%d open deals"), counted(tickets, "%d open ticket", "%d open tickets"),
		counted(late, "%d promise is late", "%d promises are late")))
	if len(strangers) > 0 {
		add(Missing, v.T("not in HubSpot yet: %s", v.some(strangers)))
	}
	for _, l := range missing(b, v) {
		add(Missing, l.Text)
	}
	return lines
}
