package activities

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/card"
)

func TestQuestions(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("01930000-0000-7000-8000-000000000001")
	until := time.Date(2026, time.November, 27, 14, 0, 0, 0, time.FixedZone("", 3600))
	earlier := "500 EUR"
	line := card.Line{
		ApprovalID: &id, Title: "Update Deal", Record: "Northwind *200* seats", Why: "proposed after the meeting", ExpiresAt: &until,
		Changes: []card.Change{
			{Property: "amount", Label: "Amount", Old: "1,000 EUR", New: "42,000 EUR", Amended: true, Earlier: &earlier},
			{Property: "internal_only", Label: "internal_only", New: "(empty)"},
		},
		Links: []string{"Jane Roe"}, Doubt: "it would clear [x](https://evil.example)", Automation: "May start the account's own automation: Stage.",
		Evidence:   []card.Evidence{{Quote: "We take\n200 seats", Speaker: "Jane Roe", At: "12:04"}, {Quote: "not shown"}},
		Candidates: []card.Candidate{{ID: "301`", Label: "Renewal", Reasons: []string{"open", "of Northwind"}}}, CandidateProperty: "debrief_target", MayCreate: true,
		FallsWith: []string{"Create Note: Summary"},
	}
	want := `**1 question waits for an answer**

**Update Deal: Northwind \*200\* seats**

- Amount (amount): 1,000 EUR → 42,000 EUR (was 500 EUR when first asked) **changed** · internal\_only: (empty)
- with Jane Roe
- why: proposed after the meeting
- **doubt**: it would clear \[x\](https:` + "\u200b" + `//evil.example)
- ` + "`debrief_target` = `301`: Renewal (open, of Northwind)" + `
- ` + "`debrief_target` = `new`: none of these, make a new one" + `
- May start the account's own automation: Stage.
- “We take 200 seats” Jane Roe, 12:04
- falls with it: Create Note: Summary
- until 2026-11-27 13:00 UTC
- approval ` + "`01930000-0000-7000-8000-000000000001`" + `

Answer with ` + "`debrief approvals approve|edit|reject APPROVAL`" + `.
`
	require.Equal(t, want, questions([]card.Line{line}, false))
	require.Contains(t, questions([]card.Line{line}, true), "*Send an Update*")
	require.Empty(t, questions(nil, true))

	line.Doubt = strings.Repeat("long ", 500)
	many := questions([]card.Line{line, line, line, line, line, line}, false)
	require.Less(t, len(many), cardLimit+500, "Temporal stores 20,000 bytes, sealed")
	shown := strings.Count(many, "approval `")
	require.Contains(t, many, fmt.Sprintf("…and %d more", 6-shown))
	require.Contains(t, many, "6 questions wait for an answer")
}
