package card

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// Text writes the card's lines as plain text, for terminals and e-mails: what is said
// stands in a column of its own. Properties show their internal names beside the
// labels, since that is how they are edited there. To show some lines alone, give a
// card with those.
func Text(c Card, p words.Printer) string {
	var b strings.Builder
	head := []string{c.Title}
	if c.StartsAt != nil {
		head = append(head, p.DateTime(*c.StartsAt))
	}
	if c.Host != "" {
		head = append(head, c.Host)
	}
	b.WriteString(oneLine(strings.Join(head, " · "), 200) + "\n")
	if warning := c.Account.Warning(p); warning != "" {
		b.WriteString(oneLine(warning, 200) + "\n")
	}
	for _, l := range c.Lines {
		b.WriteString("\n" + oneLine(l.Title+": "+l.Record, 200) + "\n")
		rows := l.rows(p)
		width := 0
		for _, row := range rows {
			width = max(width, utf8.RuneCountInString(row[0]))
		}
		for _, row := range rows {
			b.WriteString("  " + row[0] + strings.Repeat(" ", width-utf8.RuneCountInString(row[0])) + "  " + row[1] + "\n")
		}
	}
	return b.String()
}

// Warning marks a test account, and what comes from a test source and goes to a real
// one; empty for neither.
func (a Account) Warning(p words.Printer) string {
	switch {
	case a.HubID == 0:
		return ""
	case a.FromTest:
		return p.T("FROM A TEST SOURCE: this goes to the real HubSpot account %s (%s).", hubID(a.HubID), a.Name)
	case a.IsTest:
		return p.T("TEST ACCOUNT: this goes to the HubSpot account %s (%s).", hubID(a.HubID), a.Name)
	default:
		return ""
	}
}

// rows are what a line says, each under its heading. Both are one line, without
// control characters: what people wrote must not move a terminal's cursor.
func (l Line) rows(p words.Printer) [][2]string {
	var rows [][2]string
	add := func(heading, text string) {
		if text != "" {
			rows = append(rows, [2]string{oneLine(heading, 60), oneLine(text, 400)})
		}
	}
	add(p.T("state"), l.StateText)
	add(p.T("record"), l.URL)
	add(p.T("why"), l.Why)
	add(p.T("asked because"), l.Asks)
	add(p.T("doubt"), l.Doubt)
	for _, c := range l.Changes {
		text := oneLine(c.New, 160)
		if c.Old != "" {
			text = oneLine(c.Old, 120) + " → " + text
		}
		if c.Earlier != nil {
			text += " (" + p.T("was %s when first asked", oneLine(*c.Earlier, 80)) + ")"
		}
		if c.Amended {
			text += " *" + p.T("changed") + "*"
		}
		add(nameOf(c), text)
	}
	add(p.T("with"), strings.Join(l.Links, ", "))
	add(p.T("automation"), l.Automation)
	for _, e := range l.Evidence {
		add(p.T("said"), strings.TrimSpace("“"+oneLine(e.Quote, 240)+"” "+strings.Trim(e.Speaker+", "+e.At, ", ")))
	}
	for _, c := range l.Candidates {
		mark := ""
		if c.ID == l.CandidatePicked {
			mark = " *"
		}
		text := c.Label
		if len(c.Reasons) > 0 {
			text += " (" + strings.Join(c.Reasons, ", ") + ")"
		}
		add(l.CandidateProperty+"="+c.ID+mark, text)
	}
	if l.MayCreate {
		mark := ""
		if l.CandidatePicked == store.NoneOfThese {
			mark = " *"
		}
		property := l.CandidateProperty
		if property == "" {
			property = store.TargetProperty
		}
		add(property+"="+store.NoneOfThese+mark, p.T("none of these: make a new one"))
	}
	for _, other := range l.FallsWith {
		add(p.T("falls with it"), other)
	}
	if d := l.Decision; d != nil {
		text := p.T("%s by %s, %s", p.Known(string(d.State)), d.By, p.DateTime(d.At))
		if d.Via != "" {
			text += ", " + d.Via
		}
		add(p.T("decision"), text)
		add(p.T("reason"), d.Reason)
	}
	if l.Quorum > 1 {
		add(p.T("approved by"), p.T("%d of %d", len(l.Votes), l.Quorum)+strings.TrimRight(": "+strings.Join(l.Votes, ", "), ": "))
	}
	if l.Open() {
		id := l.ApprovalID.String()
		if l.ExpiresAt != nil {
			id += ", " + p.T("until %s", p.DateTime(*l.ExpiresAt))
		}
		add(p.T("question"), id)
	}
	return rows
}

// nameOf is a property's label with the name by which it is edited.
func nameOf(c Change) string {
	if c.Label == c.Property {
		return c.Property
	}
	return c.Label + " (" + c.Property + ")"
}

// oneLine makes text one line of at most limit characters, without control
// characters or those that turn the direction of writing.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}
