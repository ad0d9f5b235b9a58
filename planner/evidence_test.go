package planner_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
)

func TestWordsFind(t *testing.T) {
	t.Parallel()
	words := planner.WordsOf(meeting.Details{
		Transcript: meeting.Transcript{Segments: []meeting.Segment{
			{Speaker: "Ines", StartSeconds: 12.7, Text: "So – our budget is €42,000, give or take."},
			{Speaker: "Ines", StartSeconds: 19, Text: "We decide on Friday."},
			{Speaker: "Mara", StartSeconds: 25, Text: "Good. We'll send the con\u00adtract then."},
			{Speaker: "Aiko", StartSeconds: 40, Text: "予算は四月に決まります。"},
		}},
		Summary:     meeting.Text{Format: "markdown", Text: "## Next\n- **Harrow Mills** wants a pilot in March\n"},
		ActionItems: []meeting.ActionItem{{Text: "Send the signed offer", AssigneeName: "Mara", OffsetSeconds: 300}, {Text: "Call the bank"}},
	})
	for name, tc := range map[string]struct {
		quote string
		want  meeting.Evidence // its Quote is the one that was given
	}{
		"as it was said":                 {"our budget is €42,000", meeting.Evidence{Speaker: "Ines", OffsetSeconds: 12, Source: "transcript"}},
		"other case and punctuation":     {"OUR BUDGET is € 42,000; give or take!", meeting.Evidence{Speaker: "Ines", OffsetSeconds: 12, Source: "transcript"}},
		"over two segments of one":       {"give or take. We decide on Friday", meeting.Evidence{Speaker: "Ines", OffsetSeconds: 12, Source: "transcript"}},
		"the second segment":             {"We decide on Friday.", meeting.Evidence{Speaker: "Ines", OffsetSeconds: 19, Source: "transcript"}},
		"typographic":                    {"We’ll send the contract", meeting.Evidence{Speaker: "Mara", OffsetSeconds: 25, Source: "transcript"}},
		"invisible characters":           {"We'll se\u200bnd the contract", meeting.Evidence{Speaker: "Mara", OffsetSeconds: 25, Source: "transcript"}},
		"a script without spaces":        {"予算は四月に決まり", meeting.Evidence{Speaker: "Aiko", OffsetSeconds: 40, Source: "transcript"}},
		"the summary, without its marks": {"Harrow Mills wants a pilot", meeting.Evidence{Source: "summary"}},
		"an action item":                 {"send the signed offer", meeting.Evidence{Speaker: "Mara", OffsetSeconds: 300, Source: "action_item"}},
	} {
		found, ok := words.Find(tc.quote)
		require.True(t, ok, name)
		require.NotEmpty(t, found.Quote, name)
		require.NotContains(t, found.Quote, "\u200b", name)
		found.Quote = ""
		require.Equal(t, tc.want, found, name)
	}
	for name, quote := range map[string]string{
		"nobody said it":           "our budget is €45,000",
		"a word left out":          "our budget €42,000",
		"a part of a word":         "ur budget is €42,000",
		"over two speakers":        "We decide on Friday. Good. We'll send",
		"over two action items":    "signed offer call the bank",
		"words left out by dots":   "our budget … give or take",
		"too short to show":        "Friday",
		"nothing":                  " … ",
		"longer than anyone reads": strings.Repeat("our budget is ", 400),
	} {
		_, ok := words.Find(quote)
		require.False(t, ok, name)
	}
	require.True(t, words.Spoken())
	require.True(t, words.Has("Harrow"))
	require.True(t, words.Has("Harrow Mills"))
	require.False(t, words.Has("Harrow Works"))
	written := planner.WordsOf(meeting.Details{Title: "A title is no evidence", Summary: meeting.Text{Text: "They want a pilot."}})
	require.False(t, written.Spoken())
	require.True(t, written.Has("pilot"))
	require.False(t, written.Has("evidence"))
}
