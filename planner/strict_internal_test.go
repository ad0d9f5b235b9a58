package planner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

func inSpaces(text string) string { return " " + strings.Join(wordsIn(text), " ") + " " }

func TestIsMoney(t *testing.T) {
	t.Parallel()
	for quote, want := range map[string]bool{
		"we pay two hundred and fifty euros":       true,
		"two hundred and fifty it is":              true,
		"two hundred and fifty seats":              false,
		"zweihundertfünfzig Plätze":                false,
		"a discount of 250 % on that":              false,
		"250 widgets for the line":                 false,
		"250 seats, which makes 250 euros in all":  true,
		"nobody said a number, so another says it": true,
	} {
		s := support{quotes: []meeting.Evidence{{Quote: quote}}, counted: func(word string) bool { return word == "widgets" }}
		require.Equal(t, want, s.isMoney("250"), quote)
	}
}

func TestANumberThatIsDenied(t *testing.T) {
	t.Parallel()
	s := support{quotes: []meeting.Evidence{{Quote: "Make that forty vehicles, not thirty."}}}
	require.Empty(t, s.number("40"))
	require.Equal(t, otherNumber, s.number("30"))
	s = support{quotes: []meeting.Evidence{{Quote: "Vierzig statt dreißig Stück."}}}
	require.Equal(t, otherNumber, s.number("30"))
}

func TestOfWhomASentenceTells(t *testing.T) {
	t.Parallel()
	for sentence, named := range map[string]bool{
		"Anna is now head of dispatch.": true, "And Anna Loft has left.": true, "Anna ist jetzt Leiterin.": true, "A Marisa agora é diretora.": true,
		"I am now head of dispatch.": false, "The contract's with me.": false, "It is fine.": false, "My number is new.": false, "Now is the time.": false,
	} {
		require.Equal(t, named, tellsOfNamed(sentence), sentence)
	}
	require.True(t, isOfAnother("She is now head of dispatch."))
	require.False(t, isOfAnother("I am now head of dispatch."))
	for sentence, mine := range map[string]bool{
		"Meine Tochter ist jetzt Ärztin.": true, "My boss has a new number.": true, "Mi jefa es nueva.": true,
		"My new mobile is 555 0100.": false, "Mein Titel ist jetzt Leiter.": false, "I'm the boss.": false,
	} {
		require.Equal(t, mine, ofMine(inSpaces(sentence)), sentence)
	}
}

func TestLaughter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Haha, sure.": true, "[laughs] a million": true, "(lacht)": true, "Jaja, claro.": true, "Je plaisante !": true,
		"The Haharat deal.": false, "We laughed at first.": false, "Ah, ha.": false,
	} {
		require.Equal(t, want, laughter.MatchString(text), text)
	}
}

func TestWhatOpensAndClosesASentence(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]bool{
		"": true, "okay so": true, "yes , and": true, "ja , klar , also": true, "parfait , et": true, "sí , claro , y": true, "tá , e": true,
		"tobias thinks": false, "if": false, "he said": false, "what": false, "der chef meint ,": false, "je crois que": false,
	} {
		require.Equal(t, want, openers.MatchString(" "+before+map[bool]string{true: " "}[before != ""]), before)
	}
	require.True(t, tails.MatchString(" so you have it before friday . "))
	require.False(t, tails.MatchString(" and the floor plan . "))
}
