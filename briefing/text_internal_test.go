package briefing

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                                     "",
		"as it is":                             "as it is",
		"3 < 4 & 5 > 4":                        "3 < 4 & 5 > 4",
		"<p>one</p><p>two</p>":                 "one two",
		"one<br>two<br/>three":                 "one two three",
		"<ul><li>a</li><li>b</li></ul>":        "a b",
		"wo<b>r</b>d &amp; &lt;b&gt; &nbsp;x":  "word & <b> x",
		"a<script>alert(1)</script>b":          "ab",
		"a<style>p {color: red}</style>b":      "ab",
		"a<!-- hidden -->b":                    "ab",
		"<a href='https://evil.example'>x</a>": "x",
		"<img src=x onerror=alert(1)>y":        "y",
		"unclosed <p":                          "unclosed",
		"left\u202eright\x00\x1b[2J":           "leftright[2J",
	} {
		require.Equal(t, want, oneLine(plain(value), 100), "%q", value)
	}
	require.Equal(t, strings.Repeat("ä", 9)+"…", oneLine(strings.Repeat("ä", 11), 10))
	require.Equal(t, strings.Repeat("ä", 10), oneLine(strings.Repeat("ä", 10), 10))
}

func TestWebAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://meet.example/a?b=c": true, "HTTP://meet.example": true, "": false, "javascript:alert(1)": false, "//meet.example": false,
		"https://meet.example/a b": false, "https://meet.example/\"x": false, "tel:123": false, "https://" + strings.Repeat("a", 3000): false,
	} {
		require.Equal(t, want, web(address) != "", "%q", address)
	}
}

func TestMostLinked(t *testing.T) {
	t.Parallel()
	require.Equal(t, 300, mostLinked(1))
	require.Equal(t, 2000, mostLinked(50))
	require.Equal(t, 2000, mostLinked(5000))
}
