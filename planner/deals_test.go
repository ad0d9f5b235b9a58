package planner_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

func titled(title string) func(*planner.Input) {
	return func(in *planner.Input) { in.Meeting.Title = title }
}

func said(lines ...string) func(*planner.Input) {
	return func(in *planner.Input) {
		for i, line := range lines {
			in.Meeting.Transcript.Segments = append(in.Meeting.Transcript.Segments, meeting.Segment{Speaker: "Jane Roe", StartSeconds: float64(60 * i), Text: line})
		}
	}
}

// with puts properties on the last deal, and links it.
func with(properties map[string]string, links ...planner.Link) func(*planner.Input) {
	return func(in *planner.Input) {
		d := &in.Resolution.Deals[len(in.Resolution.Deals)-1]
		maps.Copy(d.Properties, properties)
		d.Links = append(d.Links, links...)
	}
}

func days(n int) string { return hubspot.FormatDateTime(friday.Add(time.Duration(n) * 24 * time.Hour)) }

// Which deal a meeting is put on; "ask" is a question.
func TestWhichDeal(t *testing.T) {
	t.Parallel()
	jane := planner.Link{Object: "contact", ID: "101"}
	ofDana := map[string]string{"hubspot_owner_id": "77"}
	closed := func(n int) map[string]string { return map[string]string{"closedate": days(n)} }
	made := func(n int) map[string]string { return map[string]string{"createdate": days(n)} }
	quiet := []func(*planner.Input){deal("301", "Rollout", "new"), deal("302", "Night desk", "offer")}
	tests := map[string]struct {
		in       []func(*planner.Input)
		settings store.DealSettings
		want     string
	}{
		"two that nothing tells apart":                 {in: quiet, want: "ask"},
		"the title names one":                          {in: append(quiet, titled("Rollout, next steps")), want: "301"},
		"the talk names one":                           {in: append(quiet, said("The night desks go ahead.")), want: "302"},
		"the talk names both":                          {in: append(quiet, said("The night desk first, then the rollout.")), want: "ask"},
		"the title names one, the talk both":           {in: append(quiet, titled("Rollout"), said("The night desk first, then the rollout.")), want: "301"},
		"the talk speaks of several":                   {in: append(quiet, said("The night desk goes ahead.", "And the other one, too.")), want: "ask"},
		"a word of both names none":                    {in: []func(*planner.Input){deal("301", "Desk east", "new"), deal("302", "Desk Leeds", "new"), said("The desk is fine.")}, want: "ask"},
		"the company's name names none":                {in: []func(*planner.Input){deal("301", "Northwind rollout", "new"), deal("302", "Night desk", "new"), said("We at Northwind agree.")}, want: "ask"},
		"in another language":                          {in: []func(*planner.Input){deal("301", "Renewal 2027", "new"), deal("302", "Night desk", "new"), titled("Gespräch"), said("Die Verlängerung geht in Ordnung.")}, want: "301"},
		"one is linked to who was there":               {in: []func(*planner.Input){deal("301", "Rollout", "new"), deal("302", "Night desk", "new"), with(nil, jane)}, want: "302"},
		"contacts make no difference":                  {in: []func(*planner.Input){deal("301", "Rollout", "new"), deal("302", "Night desk", "new"), with(nil, jane)}, settings: store.DealSettings{AnyContact: true}, want: "ask"},
		"one is the host's":                            {in: []func(*planner.Input){deal("301", "Rollout", "new"), with(ofDana), deal("302", "Night desk", "new")}, want: "301"},
		"contacts count before owners":                 {in: []func(*planner.Input){deal("301", "Rollout", "new"), with(ofDana), deal("302", "Night desk", "new"), with(nil, jane)}, want: "302"},
		"owners make no difference":                    {in: []func(*planner.Input){deal("301", "Rollout", "new"), with(ofDana), deal("302", "Night desk", "new")}, settings: store.DealSettings{AnyOwner: true}, want: "ask"},
		"only one, closed last week":                   {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(-7))}, want: "301"},
		"only one, closed three weeks ago":             {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(-21))}, want: ""},
		"three weeks are near":                         {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(-21))}, settings: store.DealSettings{Days: 30}, want: "301"},
		"nothing is near":                              {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(-3))}, settings: store.DealSettings{Days: -1}, want: ""},
		"one open, one closed last week":               {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(-7)), deal("302", "Night desk", "new")}, want: "302"},
		"one open, the closed one is spoken of":        {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(-7)), deal("302", "Night desk", "new"), said("The rollout has begun.")}, want: "301"},
		"one open, one won since: both were open then": {in: []func(*planner.Input){deal("301", "Rollout", "won"), with(closed(2)), deal("302", "Night desk", "new")}, want: "ask"},
		"only one, made since":                         {in: []func(*planner.Input){deal("301", "Rollout", "new"), with(made(31))}, want: "301"},
		"one made after, one open then":                {in: []func(*planner.Input){deal("301", "Rollout", "new"), with(made(7)), deal("302", "Night desk", "new"), with(made(-90))}, want: "302"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input(append([]func(*planner.Input){known, pipelines, titled("Catch-up")}, test.in...)...)
			in.Deals = test.settings
			log := one(t, plan(t, in), "meeting.create")
			var on string
			for _, a := range log.Content.Associations {
				if a.Object == "deal" {
					on += a.RecordID
				}
			}
			if log.Content.Doubt != "" {
				on = "ask"
				require.Len(t, log.Content.Candidates, 2)
			}
			require.Equal(t, test.want, on)
		})
	}
}
