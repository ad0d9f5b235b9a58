package planner

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/meeting"
)

func TestBody(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ format, text, want string }{
		"paragraphs":         {"markdown", "One\nline.\n\nAnother.", "<p>One line.</p><p>Another.</p>"},
		"headings and lists": {"markdown", "## Plan\n- one\n* [ ] two\n1. first\n2) second\nend", "<p><strong>Plan</strong></p><ul><li>one</li><li>two</li></ul><ol><li>first</li><li>second</li></ol><p>end</p>"},
		"strong":             {"markdown", "a **b** and __c__, 2*3*4", "<p>a <strong>b</strong> and <strong>c</strong>, 2*3*4</p>"},
		"links":              {"markdown", "[the offer](https://x.example/?token=s) ![chart](data:x)", "<p>the offer chart</p>"},
		"hostile markdown":   {"markdown", "<script>alert(1)</script> [x](javascript:alert(1)) <b onclick=x>", "<p>&lt;script&gt;alert(1)&lt;/script&gt; x) &lt;b onclick=x&gt;</p>"},
		"entities":           {"markdown", "R&amp;D & <3", "<p>R&amp;D &amp; &lt;3</p>"},
		"rules and fences":   {"markdown", "a\n---\n```\nb\n```", "<p>a</p><p>b</p>"},
		"quotations":         {"markdown", "She agrees.\n> I'd sign today\n>and tell no one\nDone.", "<p>She agrees.</p><p>Done.</p>"},
		"transcript section": {"markdown", "# Summary\nAll good.\n# Full transcript\nJane: hi\n## Part two\nBob: ho\n# Decisions\nNone.", "<p><strong>Summary</strong></p><p>All good.</p><p><strong>Decisions</strong></p><p>None.</p>"},
		"transcript lines":   {"text", "All good.\n00:12:31 Jane Roe: we could pay\n[1:02] Bob: never\nDone.", "<p>All good.</p><p>Done.</p>"},
		"transcript, folded": {"text", "All good.\n\n10:15 Jane\nRoe: we could pay\n\nDone.", "<p>All good.</p><p>Done.</p>"},
		"internal, folded":   {"text", "Internal\n: squeeze them\nDone.", "<p>Done.</p>"},
		"internal section":   {"markdown", "Fine.\n**Internal notes:**\n- they are desperate\n**Next**\n- call", "<p>Fine.</p><p><strong>Next</strong></p><ul><li>call</li></ul>"},
		"internal lines":     {"markdown", "Fine.\nInternal: squeeze them\n- [internal] drop the price\n(Internal remark) never\nInternal tools were shown.", "<p>Fine.</p><p>Internal tools were shown.</p>"},
		"international":      {"markdown", "# International rollout\nIn May.", "<p><strong>International rollout</strong></p><p>In May.</p>"},
		"html":               {"html", "<h2>Plan</h2><p>One<br>two &amp; three</p><ul><li><p>a <b>b</b></p></li><li>c</li></ul><ol><li>d</li></ol>", "<p><strong>Plan</strong></p><p>One</p><p>two &amp; three</p><ul><li>a b</li><li>c</li></ul><ol><li>d</li></ol>"},
		"hostile html":       {"", "<p onclick='x'>ok</p><script>alert(1)</script><style>p{}</style><img src=x onerror=y><blockquote>she said</blockquote>&lt;script&gt;", "<p>ok</p><p>&lt;script&gt;</p>"},
		"nothing":            {"markdown", " \n\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, htmlBody(linesOf(meeting.Text{Format: test.format, Text: test.text})))
		})
	}
}

func TestBodyIsCutBetweenLines(t *testing.T) {
	t.Parallel()
	body := htmlBody(linesOf(meeting.Text{Text: strings.Repeat("- "+strings.Repeat("ä", 500)+"\n", 200)}))
	require.LessOrEqual(t, len(body), mostBody)
	require.Greater(t, len(body), mostBody-1100)
	require.True(t, strings.HasSuffix(body, "</li></ul><p>(shortened)</p>"))
}

// A long text of short lines is read in one go: what is allocated grows with the
// text and not with its square. It is not parallel, so that nobody else allocates meanwhile.
func TestLongTextsOfShortLines(t *testing.T) { //nolint:paralleltest // see above
	const runes = 100_000
	for name, test := range map[string]struct {
		format, piece string
		lines         int // that come of the whole text; mostLines+1 with the ellipsis
	}{
		"one paragraph":      {"markdown", "a\n", 1},
		"paragraphs":         {"markdown", "a\n\n", mostLines + 1},
		"bullets":            {"markdown", "- a\n", mostLines + 1},
		"spoken lines":       {"markdown", "1:02 A: b\n", 0},
		"folded, then told":  {"markdown", "10:15\na\n\n", mostLines + 1},
		"one HTML paragraph": {"html", "a<b>b</b>", 1},
		"HTML entities":      {"html", "a&amp;<i>", 1},
		"HTML paragraphs":    {"html", "<p>a", mostLines + 1},
		"an empty HTML item": {"html", "<br> ", 0},
		"table cells":        {"html", "<td>a</td>", 1},
	} {
		text := strings.Repeat(test.piece, runes/len(test.piece))
		if name == "an empty HTML item" {
			text = "<ul><li>" + text
		}
		allocated := func(text string) (lines []line, bytes uint64) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			lines = linesOf(meeting.Text{Format: test.format, Text: text})
			runtime.ReadMemStats(&after)
			return lines, after.TotalAlloc - before.TotalAlloc
		}
		lines, whole := allocated(text)
		_, half := allocated(text[:len(text)/2])
		require.Len(t, lines, test.lines, name)
		// Twice the text, twice the work: gluing line to line would make it four
		// times. (How much it is depends on the race detector.)
		require.Less(t, whole, 3*half+1<<20, name)
		if test.lines > mostLines {
			require.Equal(t, line{text: "…"}, lines[mostLines], name)
			require.True(t, strings.HasSuffix(htmlBody(lines), shortened), "%s: the body is full before", name)
		}
	}
}

var allowedTag = regexp.MustCompile(`</?(p|strong|ul|ol|li)>`)

func TestBodyIsAlwaysSafe(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		"<", ">", "&", "\"", "'", "**", "__", "`", "\n", "\n\n", "- ", "# ", "> ", "1. ", "[a](b)", "![", "](", "javascript:", "<script>", "</p>", "<li>",
		"<b>", "</b>", "&lt;", "&#60;", "x", "Jane ", "\x00", "\u202e", "é",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(pieces, 0, 60).Draw(t, "pieces"), "")
		format := rapid.SampledFrom([]string{"", "markdown", "html", "text"}).Draw(t, "format")
		body := htmlBody(linesOf(meeting.Text{Format: format, Text: text}))
		require.LessOrEqual(t, len(body), mostBody)
		require.NotContains(t, allowedTag.ReplaceAllString(body, ""), "<")
		for _, tag := range []string{"p", "ul", "ol", "li", "strong"} {
			require.Equal(t, strings.Count(body, "<"+tag+">"), strings.Count(body, "</"+tag+">"), body)
		}
	})
}

func TestSplitName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"Jane Roe": {"Jane", "Roe"}, "Roe, Jane": {"Jane", "Roe"}, "van der Roe, Jane M.": {"Jane M.", "van der Roe"}, "Jane van der Roe": {"Jane", "van der Roe"},
		"Dr. Jane Roe": {"Jane", "Roe"}, "Prof. Dr. Roe, Jane": {"Jane", "Prof. Dr. Roe"}, "Jane Roe, PhD": {"Jane", "Roe"}, "Jane Roe (Northwind)": {"Jane", "Roe"},
		"Jane Roe | Northwind": {"Jane", "Roe"}, "Jane Roe - Northwind": {"Jane", "Roe"}, "Anne-Marie Roe": {"Anne-Marie", "Roe"}, "Jane": {"Jane", ""}, "": {"", ""}, "Ms": {"Ms", ""},
	} {
		first, last := splitName(name)
		require.Equal(t, want, [2]string{first, last}, name)
	}
}

func TestNameOfDomain(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Blue Harbor", nameOfDomain("blue-harbor.example"))
	require.Equal(t, "Northwind", nameOfDomain("northwind.co.uk"))
	require.Equal(t, "Ärzte", nameOfDomain("ärzte.example"))
}

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abc", true},
		{"a*b*c", "aXbYc", true},
		{"a*a", "a", false},
		{"*ab*ab", "ab", false},
		{"*ab*", "xaby", true},
		{"yahoo.*", "yahoo.co.uk", true},
		{"yahoo.*", "notyahoo.com", false},
	} {
		require.Equal(t, c.want, glob(c.pattern, c.s), "%s %s", c.pattern, c.s)
	}
}

func TestPeopleFile(t *testing.T) {
	t.Parallel()
	lists := readPeopleFile(peopleFile)
	for section, patterns := range lists {
		require.Contains(t, []string{"room", "notetaker", "name", "machine", "no-reply", "list", "free-mail"}, section)
		require.Len(t, unique(patterns), len(patterns), "%s has a line twice", section)
	}
	require.Len(t, lists, 7)
	require.Greater(t, len(lists["free-mail"]), 200)
	for _, domain := range []string{"northwind.example", "hubspot.com", "example.com"} {
		require.False(t, lists.freeMail(domain))
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	require.True(t, same("amount", "2500", "2500.00"))
	require.False(t, same("phone", "0123", "123"))
	require.True(t, same("closedate", "2026-11-20", "2026-11-20T00:00:00.000Z"))
	require.False(t, same("closedate", "2026-11-20", ""))
	require.True(t, same("domain", "Northwind.example", "northwind.example"))
}
