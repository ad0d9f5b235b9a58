package briefing

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// oneLine makes text one line of at most limit characters, without control characters or
// those that turn the direction of writing.
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
	if utf8.RuneCountInString(s) > limit {
		return string([]rune(s)[:limit-1]) + "…"
	}
	return s
}

func lines(list []string, limit int) []string {
	var out []string
	for _, s := range list {
		if s = oneLine(s, limit); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// plain is what HTML says: its text, and a space where a block ends.
func plain(value string) string {
	var b strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(value))
	hidden := ""
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if hidden == "" {
				b.WriteString(html.UnescapeString(string(tokens.Raw())))
			}
		case html.StartTagToken:
			if name, _ := tokens.TagName(); string(name) == "script" || string(name) == "style" {
				hidden = string(name)
			} else if isBlock(string(name)) {
				b.WriteByte(' ')
			}
		case html.EndTagToken:
			if name, _ := tokens.TagName(); string(name) == hidden {
				hidden = ""
			} else if isBlock(string(name)) {
				b.WriteByte(' ')
			}
		case html.SelfClosingTagToken:
			if name, _ := tokens.TagName(); isBlock(string(name)) {
				b.WriteByte(' ')
			}
		case html.CommentToken, html.DoctypeToken:
		}
	}
}

func isBlock(name string) bool {
	switch name {
	case "p", "br", "div", "ul", "ol", "li", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre":
		return true
	}
	return false
}
