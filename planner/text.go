package planner

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"

	nethtml "golang.org/x/net/html"

	"github.com/debriefhq/debrief/meeting"
)

// mostBody is how long HubSpot lets a note's body be, in characters
// (developers.hubspot.com, "Notes"); the same is kept for a meeting's. Bytes are
// counted here: never fewer than characters, however those are counted.
const mostBody = 65_536

// line is one paragraph, heading or list item of a text.
type line struct {
	kind  lineKind
	level int // of a heading
	text  string
}

type lineKind int

const (
	paragraph lineKind = iota
	heading
	bullet
	numbered
)

// linesOf takes a text apart and leaves out what does not belong in the CRM:
// quotations, transcripts, and what is marked as internal.
func linesOf(t meeting.Text) []line {
	format, text := strings.ToLower(t.Format), strings.TrimSpace(t.Text)
	if format == "" && strings.HasPrefix(text, "<") && strings.Contains(text, "</") {
		format = "html"
	}
	var lines []line
	if format == "html" {
		lines = htmlLines(text)
	} else {
		lines = markdownLines(text)
	}
	return withoutPrivate(lines)
}

func markdownLines(text string) []line {
	var lines []line
	joins := false // whether the next line of text goes on with the last paragraph
	for raw := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		s := strings.TrimSpace(raw)
		l := line{text: s}
		switch level := len(s) - len(strings.TrimLeft(s, "#")); {
		case s == "", strings.HasPrefix(s, "```"), strings.Trim(s, "-*_= ") == "":
			joins = false
			continue
		case s[0] == '>':
			joins = false
			continue // a quotation
		case level > 0 && level <= 6 && strings.HasPrefix(s[level:], " "):
			l = line{heading, level, strings.Trim(s, "# ")}
		case isBoldLine(s):
			l = line{heading, 6, strings.Trim(s, "*_: ")}
		case bulletPattern.MatchString(s):
			l = line{bullet, 0, bulletPattern.ReplaceAllString(s, "")}
		case numberPattern.MatchString(s):
			l = line{numbered, 0, numberPattern.ReplaceAllString(s, "")}
		case joins && len(lines) > 0 && !isPrivateLine(s) && !isPrivateLine(lines[len(lines)-1].text):
			lines[len(lines)-1].text += " " + s
			continue
		}
		lines = append(lines, l)
		joins = l.kind == paragraph
	}
	return lines
}

var (
	bulletPattern = regexp.MustCompile(`^[-*+•–] +(\[[ xX]\] +)?`)
	numberPattern = regexp.MustCompile(`^\d{1,3}[.)] +`)
	strongPattern = regexp.MustCompile(`(\*\*|__)(\S|\S.*?\S)(\*\*|__)`)
	linkPattern   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)\s]*\)`)
	// A line of a transcript: a time, a speaker, a colon.
	spokenPattern = regexp.MustCompile(`^[\[(]?\d{1,2}:\d{2}(:\d{2})?[\])]?\s*[-–]?\s*\S[^:]{0,60}:`)
	// Headings of sections that stay out, and lines that say it of themselves.
	privateHeading = regexp.MustCompile(`(?i)^((full|meeting|key|notable|raw)\s+)*(transcripts?|transcription|transkript|wortprotokoll|verbatim|quotes|quotations|zitate)\b` +
		`|\b(internal|interne?|private|confidential)\s+(notes?|remarks?|comments?|only|use|discussion|notizen|anmerkungen|bemerkungen)\b` +
		`|^(internal|intern|confidential|vertraulich|private|privat)\W*$`)
	privateLine = regexp.MustCompile(`(?i)^[\[(*_]*(internal|intern|confidential|vertraulich)(\s+(only|notes?|remarks?|comments?))?[*_]*\s*[:\])]`)
)

func isBoldLine(s string) bool {
	inner, ok := strings.CutPrefix(s, "**")
	if !ok {
		return false
	}
	inner, ok = strings.CutSuffix(strings.TrimSuffix(inner, ":"), "**")
	return ok && inner != "" && !strings.Contains(inner, "**")
}

func isPrivateLine(s string) bool { return privateLine.MatchString(s) || spokenPattern.MatchString(s) }

// withoutPrivate drops private lines, and private sections up to the next
// heading of the same or a higher rank.
func withoutPrivate(lines []line) []line {
	var kept []line
	private := 0 // the rank of the private section's heading, 0 outside of one
	for _, l := range lines {
		if l.kind == heading && (private == 0 || l.level <= private) {
			private = 0
			if privateHeading.MatchString(l.text) {
				private = l.level
			}
		}
		if private == 0 && !isPrivateLine(l.text) {
			kept = append(kept, l)
		}
	}
	return kept
}

// htmlLines reads the text out of HTML; its formatting beyond paragraphs,
// headings and lists is dropped, and so is everything that is no text.
func htmlLines(text string) []line {
	var lines []line
	current := line{}
	flush := func(next line) {
		current.text = strings.Join(strings.Fields(current.text), " ")
		if current.text != "" {
			lines = append(lines, current)
		}
		current = next
	}
	skipped, list := 0, bullet
	tokens := nethtml.NewTokenizer(strings.NewReader(text))
	for {
		switch tokens.Next() {
		case nethtml.ErrorToken:
			flush(line{})
			return lines
		case nethtml.TextToken:
			if skipped == 0 {
				current.text += html.UnescapeString(string(tokens.Raw()))
			}
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken:
			name, _ := tokens.TagName()
			switch tag := string(name); tag {
			case "script", "style", "template", "head", "blockquote", "q":
				skipped++
			case "ul", "ol":
				list = bullet
				if tag == "ol" {
					list = numbered
				}
				flush(line{})
			case "li":
				flush(line{kind: list})
			case "h1", "h2", "h3", "h4", "h5", "h6":
				flush(line{kind: heading, level: int(tag[1] - '0')})
			case "p", "div", "br", "tr", "table", "section", "hr", "pre":
				// A paragraph inside a list item belongs to the item.
				if strings.TrimSpace(current.text) != "" || current.kind == paragraph {
					flush(line{})
				}
			}
		case nethtml.EndTagToken:
			name, _ := tokens.TagName()
			switch string(name) {
			case "script", "style", "template", "head", "blockquote", "q":
				skipped = max(0, skipped-1)
			case "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "tr", "table", "section", "pre":
				flush(line{})
			case "td", "th":
				current.text += " "
			}
		}
	}
}

// inline makes one line safe as HTML. Of Markdown it knows strong text and
// links; of a link it keeps the text alone, since addresses can carry secrets.
func inline(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	s = linkPattern.ReplaceAllString(s, "$1")
	s = html.EscapeString(html.UnescapeString(s))
	s = strings.ReplaceAll(s, "`", "")
	return strongPattern.ReplaceAllString(s, "<strong>$2</strong>")
}

// plain is a line without Markdown, as text.
func plain(s string) string {
	s = linkPattern.ReplaceAllString(strings.Join(strings.Fields(s), " "), "$1")
	return strings.ReplaceAll(strongPattern.ReplaceAllString(s, "$2"), "`", "")
}

const shortened = "<p>(shortened)</p>"

// htmlBody writes lines as HTML of at most mostBody bytes, cut between lines.
func htmlBody(lines []line) string {
	var b strings.Builder
	open := "" // the list that is open
	closing := func() string {
		if open == "" {
			return ""
		}
		return "</" + open + ">"
	}
	for _, l := range lines {
		tag := map[lineKind]string{bullet: "ul", numbered: "ol"}[l.kind]
		var piece strings.Builder
		if tag != open {
			piece.WriteString(closing())
			if tag != "" {
				fmt.Fprintf(&piece, "<%s>", tag)
			}
		}
		switch l.kind {
		case bullet, numbered:
			fmt.Fprintf(&piece, "<li>%s</li>", inline(l.text))
		case heading:
			fmt.Fprintf(&piece, "<p><strong>%s</strong></p>", strings.NewReplacer("<strong>", "", "</strong>", "").Replace(inline(l.text)))
		default:
			fmt.Fprintf(&piece, "<p>%s</p>", inline(l.text))
		}
		if b.Len()+piece.Len()+len("</ul>")+len(shortened) > mostBody {
			return b.String() + closing() + shortened
		}
		b.WriteString(piece.String())
		open = tag
	}
	return b.String() + closing()
}

// clip cuts a text to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:n-1])) + "…"
}
