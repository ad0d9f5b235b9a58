package notify_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// opened is a modal as it comes back when nothing was touched but these fields.
func opened(t *testing.T, s *slacktest.Server, request slack.ModalViewRequest, said map[string]string) slack.View {
	t.Helper()
	raw, err := json.Marshal(request)
	require.NoError(t, err)
	var view slack.View
	require.NoError(t, json.Unmarshal(raw, &view))
	raw, err = json.Marshal(s.Submit("U1", view, said)["view"])
	require.NoError(t, err)
	var back slack.View
	require.NoError(t, json.Unmarshal(raw, &back))
	return back
}

func line() card.Line {
	id := uuid.New()
	options := []card.Option{{Value: "s1", Label: "Qualified"}, {Value: "s2", Label: "Won"}}
	var many []card.Option
	for i := range 250 {
		many = append(many, card.Option{Value: fmt.Sprint(i), Label: fmt.Sprintf("Owner %d", i)})
	}
	return card.Line{
		ApprovalID: &id, Title: "Update Deal", Record: "Northwind", State: store.ActionAsking,
		CandidateProperty: store.TargetProperty, MayCreate: true,
		Candidates: []card.Candidate{{ID: "900", Label: "Northwind, seats"}, {ID: "901", Label: "Northwind, training"}},
		Changes: []card.Change{
			{Property: "dealname", Label: "Deal name", Input: card.Input{Kind: card.InputText, Value: "Northwind"}},
			{Property: "description", Label: "Description", Input: card.Input{Kind: card.InputTextarea, Value: "two\nlines"}},
			{Property: "amount", Label: "Amount", Input: card.Input{Kind: card.InputNumber, Value: "42000"}},
			{Property: "closedate", Label: "Close date", Input: card.Input{Kind: card.InputDate, Value: "2026-12-01"}},
			{Property: "next_call", Label: "Next call", Input: card.Input{Kind: card.InputDateTime, Value: "2026-12-01T09:00:30Z"}},
			{Property: "dealstage", Label: "Stage", Input: card.Input{Kind: card.InputChoice, Value: "s1", Options: options}},
			{Property: "owner", Label: "Owner", Input: card.Input{Kind: card.InputChoice, Value: "170", Options: many}},
			{Property: "tags", Label: "Tags", Input: card.Input{Kind: card.InputChoices, Value: "s2;s1", Options: options}},
			{Property: "empty", Label: "Empty", Input: card.Input{Kind: card.InputText}},
			{Property: "novel", Label: "Novel", Input: card.Input{Kind: card.InputTextarea, Value: strings.Repeat("x", 3001)}},
			{Property: "legacy", Label: "Legacy", Input: card.Input{Kind: card.InputChoice, Value: "gone", Options: options}},
		},
	}
}

func TestWhatIsSaidInAModal(t *testing.T) {
	t.Parallel()
	s := slacktest.New()
	t.Cleanup(s.Close)
	meeting := uuid.New()
	for name, c := range map[string]struct {
		said map[string]string
		want map[string]string
	}{
		"nothing touched":    {nil, map[string]string{}},
		"a text":             {map[string]string{"property:dealname": "Northwind 2"}, map[string]string{"dealname": "Northwind 2"}},
		"a text of lines":    {map[string]string{"property:description": "one\nline more"}, map[string]string{"description": "one\nline more"}},
		"a number":           {map[string]string{"property:amount": "43000.5"}, map[string]string{"amount": "43000.5"}},
		"a date":             {map[string]string{"property:closedate": "2026-12-24"}, map[string]string{"closedate": "2026-12-24"}},
		"a time":             {map[string]string{"property:next_call": fmt.Sprint(time.Date(2026, 12, 2, 10, 0, 0, 0, time.UTC).Unix())}, map[string]string{"next_call": "2026-12-02T10:00:00Z"}},
		"the same minute":    {map[string]string{"property:next_call": fmt.Sprint(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC).Unix())}, map[string]string{}},
		"a stage":            {map[string]string{"property:dealstage": "s2"}, map[string]string{"dealstage": "s2"}},
		"one of many":        {map[string]string{"property:owner": "249"}, map[string]string{"owner": "249"}},
		"others of several":  {map[string]string{"property:tags": "s1"}, map[string]string{"tags": "s1"}},
		"the same of them":   {map[string]string{"property:tags": "s1;s2"}, map[string]string{}},
		"an empty one":       {map[string]string{"property:empty": "full"}, map[string]string{"empty": "full"}},
		"a candidate":        {map[string]string{"property:" + store.TargetProperty: "901"}, map[string]string{store.TargetProperty: "901"}},
		"none of them":       {map[string]string{"property:" + store.TargetProperty: store.NoneOfThese}, map[string]string{store.TargetProperty: store.NoneOfThese}},
		"no field of it":     {map[string]string{"property:hs_object_id": "1"}, map[string]string{}},
		"one without a room": {map[string]string{"property:novel": "short", "property:legacy": "s1"}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := line()
			request := notify.EditModal(meeting, l, words.In("de"))
			require.LessOrEqual(t, len([]rune(request.Title.Text)), 24)
			view := opened(t, s, request, c.said)
			require.Equal(t, c.want, notify.ReadEdit(view, l))
			about, err := notify.ReadModalAbout(view)
			require.NoError(t, err)
			require.Equal(t, notify.ModalAbout{MeetingID: meeting, ApprovalID: *l.ApprovalID}, about)
		})
	}
	_, err := notify.ReadModalAbout(slack.View{PrivateMetadata: `{"meeting_id": 1}`})
	require.Error(t, err)
}
