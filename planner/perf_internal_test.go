package planner

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

// One utterance of a megabyte, quoted two hundred times: each quotation is held against
// what stands around it, and not against all of it.
//
//nolint:paralleltest // It counts what is allocated, and others would be counted, too.
func TestPassagesAreBounded(t *testing.T) {
	var talk strings.Builder
	for i := 0; talk.Len() < 1<<20; i++ {
		fmt.Fprintf(&talk, "The order of site %d is %d seats for the harbour. ", i, 100+i%900)
	}
	long := strings.Repeat("and so on ", 2000) // a sentence without an end
	in := Input{Hash: func(s string) string { return fmt.Sprintf("%x", s) }}
	in.Host = Host{Name: "Dana Host", Email: "dana@ours.example"}
	in.Domains = []string{"ours.example"}
	in.Meeting.Attendees = []meeting.Attendee{{Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}}}
	in.Meeting.Transcript.Segments = []meeting.Segment{{Speaker: "Jane Roe", Text: long}, {Speaker: "Jane Roe", Text: talk.String()}, {Speaker: "Dana Host", Text: long}}
	in.HeardAt = time.Date(2026, time.November, 20, 9, 0, 0, 0, time.UTC)
	in.Resolution.Properties = map[string][]hubspot.Property{"deal": {{Name: "seats", Label: "Seats", Type: "number"}}}
	in.Resolution.Deals = []Record{{ID: "1", Properties: map[string]string{"dealname": "Harbour"}}}
	proposed := Proposals{By: "model"}
	for i := range 50 {
		proposed.Actions = append(proposed.Actions, meeting.ProposedAction{
			Tool: "deal.update", Target: meeting.RecordRef{ID: "1"}, Properties: map[string]string{"seats": fmt.Sprint(100 + i)},
			Evidence: []meeting.Evidence{{Quote: fmt.Sprintf("The order of site %d is %d seats", i, 100+i)}},
		})
	}
	in.Proposed = []Proposals{proposed}

	p := &plan{in: in, res: in.Resolution, people: Who(in.Subject), words: WordsOf(in.Meeting.Details)}
	for _, a := range proposed.Actions {
		at := p.passageOf(a.Evidence[0])
		require.Equal(t, 1, at.at)
		require.True(t, strings.HasPrefix(at.sentence, a.Evidence[0].Quote+" for the harbour."), at.sentence)
		for _, text := range append([]string{at.sentence, at.segment, at.rest}, append(at.before, at.after...)...) {
			require.LessOrEqual(t, len(text), mostPassage+len(at.sentence))
		}
	}
	require.LessOrEqual(t, len(p.findPassage(meeting.Evidence{Quote: "so on and so on and so on"}).sentence), mostPassage)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NotEmpty(t, Plan(in).Drafts)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(400<<20))
}
