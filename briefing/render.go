package briefing

import (
	"html"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// Page is what one message or page says, in words and without any markup yet.
type Page struct {
	Title string
	// Head says when, where and who.
	Head     []Line
	Sections []Section
	// Foot says how old it is; may be empty.
	Foot string
}

// Page puts a brief into words.
func (b Brief) Page(v View) Page {
	return Page{Title: b.Title(v), Head: head(b, v), Sections: sections(b, v), Foot: asOf(b, v)}.clean()
}

// ChangesPage says what changed since somebody was told. after is the brief as it is now.
func ChangesPage(changes []Change, after Brief, v View) Page {
	return Page{
		Title: after.Title(v), Head: head(after, v)[:1], Foot: asOf(after, v),
		Sections: []Section{{Heading: v.T("What changed"), Lines: ChangeLines(changes, after, v)}},
	}.clean()
}

// longestLine is how long a line of a page may be.
const longestLine = 1000

// clean makes each text one line without control characters, wherever it is from.
func (p Page) clean() Page {
	p.Title = oneLine(p.Title, longestText)
	cleaned := func(lines []Line) {
		for i := range lines {
			lines[i].Text = oneLine(lines[i].Text, longestLine)
		}
	}
	cleaned(p.Head)
	for i := range p.Sections {
		p.Sections[i].Heading = oneLine(p.Sections[i].Heading, longestText)
		cleaned(p.Sections[i].Lines)
	}
	return p
}

// Text is a page as plain text, for mails and terminals.
func (p Page) Text() string {
	var out strings.Builder
	out.WriteString(p.Title + "\n")
	for _, l := range p.Head {
		out.WriteString(l.Text + "\n")
	}
	for _, s := range p.Sections {
		out.WriteString("\n" + strings.ToUpper(s.Heading) + "\n\n")
		for i, l := range s.Lines {
			bullet := "* "
			if l.Detail {
				bullet = "  "
			}
			out.WriteString(bullet + l.Text + "\n")
			// A line and its details stand on one page.
			if l.Link != "" && (i+1 == len(s.Lines) || !s.Lines[i+1].Detail || s.Lines[i+1].Link != l.Link) {
				out.WriteString("  " + l.Link + "\n")
			}
		}
	}
	if p.Foot != "" {
		out.WriteString("\n" + p.Foot + "\n")
	}
	return out.String()
}

// HTML is a page as a piece of HTML: headings, paragraphs, lists, and links to HubSpot and
// to this installation. It loads nothing, and all that people wrote is text in it.
func (p Page) HTML() string {
	var out strings.Builder
	out.WriteString("<h2>" + html.EscapeString(p.Title) + "</h2>\n")
	for _, l := range p.Head {
		out.WriteString("<p style=\"margin: 0\">" + htmlLine(l) + "</p>\n")
	}
	for _, s := range p.Sections {
		out.WriteString("<h3>" + html.EscapeString(s.Heading) + "</h3>\n<ul>\n")
		open := false
		for _, l := range s.Lines {
			text := htmlLine(l)
			if l.Detail && open {
				out.WriteString("<br>\n" + text)
				continue
			}
			if open {
				out.WriteString("</li>\n")
			}
			out.WriteString("<li>" + text)
			open = true
		}
		if open {
			out.WriteString("</li>\n")
		}
		out.WriteString("</ul>\n")
	}
	if p.Foot != "" {
		out.WriteString("<p><small>" + html.EscapeString(p.Foot) + "</small></p>\n")
	}
	return out.String()
}

func htmlLine(l Line) string {
	text := html.EscapeString(l.Text)
	switch {
	case l.Kind != Fact:
		return "<em>" + text + "</em>"
	case l.Link != "" && !l.Detail:
		return "<a href=\"" + html.EscapeString(l.Link) + "\">" + text + "</a>"
	default:
		return text
	}
}

// What Slack takes (docs.slack.dev/reference/block-kit/blocks and …/composition-objects,
// read in November 2026): 3,000 characters a text, 150 a header, 50 blocks a message. How
// much a whole message may be is not documented.
const (
	slackHeader = 150
	slackText   = 2800
	slackBlocks = 40
	slackSize   = 12_000 // bytes
	// A line is at most this long before it is escaped, which makes it up to five times
	// as long; one of the head's is shorter, since they are one text.
	slackLine     = 300
	slackHeadLine = 110
)

// Slack is a page as blocks, without buttons: at most 40, so that there is room for them.
// What is more than a message takes is left out at the end, and more says so: the page has
// it all.
func (p Page) Slack() (blocks []slack.Block, more bool) {
	blocks = append(blocks, slack.NewHeaderBlock(plainText(p.Title, slackHeader)))
	var head []string
	for _, l := range p.Head {
		head = append(head, slackMarkdown(l, slackHeadLine))
	}
	if len(head) > 0 {
		blocks = append(blocks, section(strings.Join(head, "\n")))
	}
	size := 0
	// add adds a text, and says whether there was room.
	add := func(text string, generated bool) bool {
		size += len(text)
		if size > slackSize || len(blocks) >= slackBlocks-1 {
			return false
		}
		if generated {
			// Not even emphasis is made of what a model wrote.
			blocks = append(blocks, slack.NewSectionBlock(plainText(text, slackText), nil, nil))
		} else {
			blocks = append(blocks, section(text))
		}
		return true
	}
	for _, s := range p.Sections {
		text, generated := "*"+escape(s.Heading)+"*", false
		for _, l := range s.Lines {
			line := slackLineOf(l)
			if isGenerated := l.Kind == Generated; isGenerated != generated || utf8.RuneCountInString(text)+utf8.RuneCountInString(line) >= slackText {
				if !add(text, generated) {
					return p.slackFoot(blocks), true
				}
				text, generated = line, isGenerated
				continue
			}
			text += "\n" + line
		}
		if !add(text, generated) {
			return p.slackFoot(blocks), true
		}
	}
	return p.slackFoot(blocks), false
}

func (p Page) slackFoot(blocks []slack.Block) []slack.Block {
	if p.Foot == "" {
		return blocks
	}
	return append(blocks, slack.NewContextBlock("", markdown(escape(p.Foot))))
}

// slackLineOf is a line of a list.
func slackLineOf(l Line) string {
	switch {
	case l.Kind == Generated:
		return "• " + oneLine(l.Text, slackLine)
	case l.Detail:
		return "      " + slackMarkdown(l, slackLine)
	default:
		return "• " + slackMarkdown(l, slackLine)
	}
}

func slackMarkdown(l Line, most int) string {
	text := escape(oneLine(l.Text, most))
	switch {
	case l.Kind == Missing:
		return "_" + text + "_"
	case l.Link != "" && !l.Detail:
		return "<" + escapeURL(l.Link) + "|" + text + ">"
	default:
		return text
	}
}

// escape makes text that says nothing to Slack but itself: no mention, and no link with
// another face (docs.slack.dev/messaging/formatting-message-text, read in November 2026).
// After a mark of emphasis stands a space of no width.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "*\u200b", "_", "_\u200b", "~", "~\u200b", "`", "`\u200b").Replace(s)
}

func escapeURL(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C").Replace(s)
}

func section(s string) *slack.SectionBlock { return slack.NewSectionBlock(markdown(s), nil, nil) }

func markdown(s string) *slack.TextBlockObject {
	// verbatim: an address in a text does not become a link, nor a name a mention.
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, true)
}

func plainText(s string, most int) *slack.TextBlockObject {
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most-1]) + "…"
	}
	return &slack.TextBlockObject{Type: slack.PlainTextType, Text: s, Emoji: new(bool)}
}
