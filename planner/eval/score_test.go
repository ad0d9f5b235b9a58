package eval

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/planner/model/modeltest"
)

// shortfall is by how much a half may miss the goals.
type shortfall struct{ notCaught, asked, wrongWrites int }

// keptFalls is what the kept half showed when it was measured for the first time,
// before anybody had read it: the goals are not reached there yet. It may shrink.
var keptFalls = shortfall{notCaught: 8, wrongWrites: 7}

// Both halves are held to the same: with a model that is wrong on purpose, every wrong
// claim is caught, nothing wrong is written without an answer, nine of ten right
// actions are proposed, and at most one of five of those is a question. make eval V=1
// says where the tuned half falls short.
func TestGoals(t *testing.T) {
	t.Parallel()
	cases, halves := loadSet(t)
	for _, half := range halves {
		t.Run(string(half), func(t *testing.T) {
			t.Parallel()
			may := shortfall{} // of the half that is worked with: none
			if half == Kept {
				may = keptFalls
			}
			results, err := MeasureAll(t.Context(), of(cases, half), Rules(), WithPlatform(), WithScript(), WithAgent())
			require.NoError(t, err)
			rules, scripted := results[0].Halves[half], results[2].Halves[half]
			for _, r := range results {
				s := r.Halves[half]
				require.LessOrEqual(t, s.WrongWrites, may.wrongWrites, "written without an answer by %s", r.Lineup)
			}
			for _, r := range results[2:] {
				s := r.Halves[half]
				require.Positive(t, s.Planted)
				require.Zero(t, s.NotHeard)
				require.LessOrEqual(t, s.Planted-s.Caught, may.notCaught, "planted claims not caught by %s", r.Lineup)
			}
			require.GreaterOrEqual(t, 10*scripted.Found, 9*scripted.Expected, "right actions proposed")
			require.LessOrEqual(t, 5*(scripted.Asked-may.asked), scripted.Found, "of which as a question")
			if half == Tuned {
				require.GreaterOrEqual(t, 5*rules.Found, 3*rules.Expected, "right actions that the rules alone propose")
			} else {
				require.GreaterOrEqual(t, 2*rules.Found, rules.Expected, "right actions that the rules alone propose")
			}
		})
	}
}

func of(cases []Case, half Half) []Case {
	return slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return c.Half != half })
}

// The scorer itself: what it must see, in a case that it is shown.
func TestScore(t *testing.T) {
	t.Parallel()
	silent := Lineup{Name: "nobody"}
	c := sound(t)
	clean, err := ScoreOf(t.Context(), c, silent)
	require.NoError(t, err)
	require.Zero(t, clean.WrongWrites)
	require.Len(t, c.Expect, clean.Expected)

	// What nobody expects, and was written, is a wrong write; what was expected is missed.
	spoiled := c
	spoiled.Expect = nil
	score, err := ScoreOf(t.Context(), spoiled, silent)
	require.NoError(t, err)
	require.Equal(t, clean.Right, score.Wrong)
	require.Equal(t, clean.Right, score.WrongWrites)
	require.Zero(t, score.Expected)

	// What has to be a question and is written is a wrong write.
	spoiled = c
	spoiled.Expect = append([]Action(nil), c.Expect...)
	spoiled.Expect[0].Mark = Ask
	score, err = ScoreOf(t.Context(), spoiled, silent)
	require.NoError(t, err)
	require.Equal(t, 1, score.WrongWrites)
	require.Equal(t, clean.Found, score.Found)

	// What never is to be is wrong, whoever expects it.
	spoiled = c
	spoiled.Never = []Never{{Tool: c.Expect[0].Tool, Why: "because"}}
	score, err = ScoreOf(t.Context(), spoiled, silent)
	require.NoError(t, err)
	require.Equal(t, 1, score.WrongWrites)

	// A planted claim of which something came is not caught: the model's right ones,
	// marked as wrong.
	spoiled = c
	spoiled.Expect, spoiled.May = nil, nil
	spoiled.Answer.Actions = nil
	for _, claim := range c.Answer.Actions {
		if claim.Planted == nil {
			claim.Planted = &Planted{Kind: "joke", Why: "for the test", AtMost: Nothing}
			spoiled.Answer.Actions = append(spoiled.Answer.Actions, claim)
		}
	}
	score, err = ScoreOf(t.Context(), spoiled, WithScript())
	require.NoError(t, err)
	require.Len(t, spoiled.Answer.Actions, score.Planted)
	require.Equal(t, 1, score.Caught, "of the one that repeats an action item, nothing came")
}

// A real model is measured by its own claims: none is planted. Where it is not heard,
// that is said, and the others' plan is measured.
func TestRealModel(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reply    modeltest.Reply
		notHeard int
	}{
		"nothing to say": {modeltest.Reply{Text: `{"actions": [], "recap": []}`}, 0},
		"a wrong key":    {modeltest.Reply{Status: 401}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := modeltest.Script(test.reply)
			m, err := model.New(model.Config{Kind: model.OpenAI, Endpoint: server.Start(t) + "/v1", Name: "small-1"})
			require.NoError(t, err)
			c := sound(t)
			score, err := ScoreOf(t.Context(), c, WithModel("small-1", m))
			require.NoError(t, err)
			require.Len(t, server.Asked(), 1)
			require.Equal(t, test.notHeard, score.NotHeard)
			require.Zero(t, score.Planted)
			alone, err := ScoreOf(t.Context(), c, WithPlatform())
			require.NoError(t, err)
			require.Equal(t, alone.Found, score.Found)
		})
	}
}
