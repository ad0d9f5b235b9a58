package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

func TestStagesAreShownWithTheirNames(t *testing.T) {
	t.Parallel()
	pipelines := []hubspot.Pipeline{{ID: "default", Label: "Sales", Stages: []hubspot.Stage{
		{ID: "new", Label: "New"}, {ID: "closedwon", Label: "Won", Metadata: map[string]string{"isClosed": "true"}},
	}}}
	set := store.DealStages{Stages: []store.DealStage{{Pipeline: "default", Stage: "closedwon"}, {Pipeline: "4711", Stage: "4712"}}}
	require.Equal(t, []stageShown{
		{Stage: "default/new", Pipeline: "Sales", Name: "New"},
		{Stage: "default/closedwon", Pipeline: "Sales", Name: "Won", Closed: true, Begins: true},
		{Stage: "4711/4712", Begins: true, Gone: true},
	}, stagesShown(pipelines, set))
	require.NotNil(t, stagesShown(nil, store.DealStages{}), "an empty list, for whoever reads JSON")
}

func TestStagesAreSet(t *testing.T) {
	t.Parallel()
	was := store.DealStages{Stages: []store.DealStage{{Pipeline: "default", Stage: "new"}}, Meetings: 5}
	two := 2
	for name, tc := range map[string]struct {
		flags stageFlags
		want  store.DealStages
	}{
		"nothing said":      {stageFlags{}, was},
		"others, each once": {stageFlags{DealStage: []string{"default/closedwon", "4711/4712", "default/closedwon"}}, store.DealStages{Stages: []store.DealStage{{Pipeline: "default", Stage: "closedwon"}, {Pipeline: "4711", Stage: "4712"}}, Meetings: 5}},
		"none":              {stageFlags{DealStage: []string{""}}, store.DealStages{Meetings: 5}},
		"how many":          {stageFlags{StageMeetings: &two}, store.DealStages{Stages: was.Stages, Meetings: 2}},
	} {
		is := was
		require.NoError(t, tc.flags.apply(&is), name)
		require.Equal(t, tc.want, is, name)
	}
	is := was
	var refusal *store.Refusal
	require.ErrorAs(t, stageFlags{DealStage: []string{"closedwon"}}.apply(&is), &refusal)
}
