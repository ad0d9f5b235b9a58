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
	var kept keeper
	if format == "html" {
		htmlLines(text, kept.add)
	} else {
		markdownLines(text, kept.add)
	}
	if kept.cut {
		kept.lines = append(kept.lines, line{text: "…"})
	}
	return kept.lines
}

// mostLines of one text are kept; of more, an ellipsis tells. As HTML a line has
// seven bytes at least, so that these are more than a body holds.
const mostLines = 10_000

// keeper keeps lines in their order. It drops private lines, and private
// sections up to the next heading of the same or a higher rank.
type keeper struct {
	lines   []line
	private int  // the rank of the private section's heading, 0 outside of one
	cut     bool // whether lines were left out for being too many
}

func (k *keeper) add(l line) {
	if l.kind == heading && (k.private == 0 || l.level <= k.private) {
		k.private = 0
		if privateHeading.MatchString(l.text) {
			k.private = l.level
		}
	}
	switch {
	case k.private > 0 || isPrivateLine(l.text):
	case len(k.lines) == mostLines:
		k.cut = true
	default:
		k.lines = append(k.lines, l)
	}
}

// privateReach is how far into a paragraph, in bytes, it is looked for the marks
// of a private line. They stand at its beginning; and to look at all of it again
// for each line that joins it would take a minute for a long one.
const privateReach = 1024

func markdownLines(text string, add func(line)) {
	var open strings.Builder // the paragraph that the next line may join
	private := false         // whether that paragraph is a private line so far
	end := func() {
		if open.Len() > 0 {
			add(line{text: open.String()})
			open.Reset()
		}
	}
	for raw := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		s := strings.TrimSpace(raw)
		switch level := len(s) - len(strings.TrimLeft(s, "#")); {
		case s == "", strings.HasPrefix(s, "```"), strings.Trim(s, "-*_= ") == "":
			end()
		case s[0] == '>':
			end() // a quotation
		case level > 0 && level <= 6 && strings.HasPrefix(s[level:], " "):
			end()
			add(line{heading, level, strings.Trim(s, "# ")})
		case isBoldLine(s):
			end()
			add(line{heading, 6, strings.Trim(s, "*_: ")})
		case bulletPattern.MatchString(s):
			end()
			add(line{bullet, 0, bulletPattern.ReplaceAllString(s, "")})
		case numberPattern.MatchString(s):
			end()
			add(line{numbered, 0, numberPattern.ReplaceAllString(s, "")})
		case open.Len() > 0 && !private && !isPrivateLine(s):
			before := open.Len()
			open.WriteByte(' ')
			open.WriteString(s)
			if before < privateReach {
				private = isPrivateLine(open.String())
			}
		default:
			end()
			open.WriteString(s)
			private = isPrivateLine(s)
		}
	}
	end()
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

// htmlLines reads the text out of HTML; its formatting beyond paragraphs,
// headings and lists is dropped, and so is everything that is no text.
func htmlLines(text string, add func(line)) {
	current, written := line{}, false // written: more than spaces stand in words
	var words strings.Builder         // the text of current
	write := func(s string) {
		words.WriteString(s)
		written = written || strings.TrimSpace(s) != ""
	}
	flush := func(next line) {
		if written {
			current.text = strings.Join(strings.Fields(words.String()), " ")
			add(current)
		}
		words.Reset()
		current, written = next, false
	}
	skipped, list := 0, bullet
	tokens := nethtml.NewTokenizer(strings.NewReader(text))
	for {
		switch tokens.Next() {
		case nethtml.ErrorToken:
			flush(line{})
			return
		case nethtml.TextToken:
			if skipped == 0 {
				write(html.UnescapeString(string(tokens.Raw())))
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
				if written || current.kind == paragraph {
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
				write(" ")
			}
		default: // no text
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
