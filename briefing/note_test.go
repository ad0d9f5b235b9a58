package briefing_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
)

// A note is for whoever reads HubSpot: it says nothing that HubSpot does not know.
func TestANoteSaysWhatHubSpotKnows(t *testing.T) {
	t.Parallel()
	b := told()
	b.People = []briefing.Person{{Guest: briefing.Guest{Name: "Jane <b>Roe</b>", Email: "jane@northwind.example"}, ContactID: "101"}}
	b.History = []briefing.Encounter{
		{Kind: briefing.FollowedUp, MeetingID: uuid.New(), At: at, Title: "Behind closed doors", With: []string{"Jane"}, Promises: []briefing.Promise{{Text: "Say nothing"}}},
		{Kind: briefing.Noted, RecordID: "9", ContactID: "101", At: at, Text: "They want <script>two</script>."},
	}
	b.Approvals = []briefing.Approval{{MeetingID: uuid.New(), Title: "Update Deal", Record: "A secret deal", Asked: at}}
	b.Points = []string{"Ask about the budget."}
	note := b.Note(view(t, "en"))
	require.Contains(t, note, "<li>Jane &lt;b&gt;Roe&lt;/b&gt;")
	require.Contains(t, note, "<br>They want &lt;script&gt;two&lt;/script&gt;.")
	for _, ours := range []string{"closed doors", "Say nothing", "secret deal", "budget", "href", "debrief.acme.example"} {
		require.NotContains(t, note, ours)
	}
	b.History = b.History[:1]
	require.NotContains(t, b.Note(view(t, "en")), "Last meetings and notes", "nobody says that there was nothing")
	require.Contains(t, b.Note(view(t, "de")), "Wer kommt")
}

func TestANoteFitsIntoHubSpot(t *testing.T) {
	t.Parallel()
	b := told()
	b.People = nil
	for range briefing.MostPeople {
		b.People = append(b.People, briefing.Person{Guest: briefing.Guest{Name: strings.Repeat("&", 1000), JobTitle: strings.Repeat("<", 1000)}, ContactID: "1"})
	}
	for range briefing.MostShown {
		b.History = append(b.History, briefing.Encounter{Kind: briefing.Noted, At: at, Text: strings.Repeat("\"", 1000)})
	}
	note := b.Note(view(t, "en"))
	require.LessOrEqual(t, len(note), 65_536)
	require.Contains(t, note, "As of ")
	require.Equal(t, strings.Count(note, "<ul>"), strings.Count(note, "</ul>"))
}
