package briefing

import (
	"html"
	"slices"
	"strings"
)

// mostNote is how long the body of a note may be, in characters (developers.hubspot.com,
// "Notes", November 2026). Bytes are counted here.
const mostNote = 65_536

// Note is a brief as the body of a note in HubSpot: HTML without links, for whoever reads
// the timelines of those who are coming. It says what HubSpot itself knows: what Debrief
// knows of other meetings, what it asks, and what a model wrote are for the host alone.
func (b Brief) Note(v View) string {
	b.History = slices.DeleteFunc(slices.Clone(b.History), func(e Encounter) bool { return e.Kind == FollowedUp })
	w := writer{View: v, b: b}
	w.people()
	w.companies()
	w.deals()
	w.tickets()
	if len(b.History) > 0 {
		w.history()
	}
	page := Page{Title: v.T("Briefing: %s", b.Title(v)), Head: head(b, v)[:1], Sections: w.out, Foot: asOf(b, v)}.clean()
	var out strings.Builder
	out.WriteString("<p><strong>" + html.EscapeString(page.Title) + "</strong><br>" + html.EscapeString(page.Head[0].Text) + "</p>")
	foot := "<p>" + html.EscapeString(page.Foot) + "</p>"
	for _, s := range page.Sections {
		var piece strings.Builder
		piece.WriteString("<p><strong>" + html.EscapeString(s.Heading) + "</strong></p><ul>")
		for i, l := range s.Lines {
			switch {
			case i == 0:
				piece.WriteString("<li>")
			case l.Detail:
				piece.WriteString("<br>")
			default:
				piece.WriteString("</li><li>")
			}
			piece.WriteString(html.EscapeString(l.Text))
		}
		piece.WriteString("</li></ul>")
		if out.Len()+piece.Len()+len(foot) > mostNote {
			break
		}
		out.WriteString(piece.String())
	}
	return out.String() + foot
}
