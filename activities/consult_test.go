package activities_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner/model/modeltest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

const (
	modelKey = "sk-nobody-may-see-this"
	promised = "We take forty more seats from January on"
)

// listens names a model for the organization, and switches it on for the source.
func (b *bundle) listens(server *modeltest.Server) {
	b.t.Helper()
	require.NoError(b.t, b.store.SetModel(b.ctx, store.ModelSettings{
		OrganizationID: b.org.ID, Kind: "openai", Endpoint: server.Start(b.t) + "/v1", Name: "small-1", Key: modelKey, InputPrice: 2_000_000, OutputPrice: 8_000_000,
	}, store.Operator))
	require.NoError(b.t, b.store.SwitchModel(b.ctx, b.org.ID, b.source.ID, true, store.Operator))
}

// spoken is a meeting in which somebody wants more.
func (b *bundle) spoken(segments ...string) activities.Meeting {
	b.t.Helper()
	return b.takesPlace(func(e *meeting.Event) {
		e.ActionItems = nil
		for _, text := range append(segments, promised+".") {
			e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{Speaker: "Guest No1", Text: text})
		}
	}, "ann@lighthouse.example")
}

// wants is an answer that opens a deal for it, and one that nobody said.
func wants() string {
	raw, err := json.Marshal(map[string]any{
		"actions": []any{
			map[string]any{
				"tool": "deal.create", "target": "", "properties": []any{map[string]string{"name": "dealname", "value": "Forty more seats"}}, "associations": []any{},
				"quote": promised, "speaker": "Guest No1", "reason": "they buy", "confidence": 0.8,
			},
			map[string]any{
				"tool": "deal.create", "target": "", "properties": []any{map[string]string{"name": "dealname", "value": "A yacht"}}, "associations": []any{},
				"quote": "We also want to buy a yacht from you", "speaker": "Guest No1", "reason": "invented", "confidence": 1,
			},
		},
		"recap": []any{map[string]string{"text": "You take forty more seats from January on.", "quote": promised}},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// ready looks until the meeting has settled and is to be planned.
func (b *bundle) ready(m activities.Meeting) store.Look {
	b.t.Helper()
	var look store.Look
	require.Eventually(b.t, func() bool {
		var err error
		look, err = b.activities.Look(b.ctx, m)
		require.NoError(b.t, err)
		return look.Next == store.NextPlan
	}, 30*time.Second, 100*time.Millisecond)
	return look
}

// ask opens the follow-up and does what it says until a plan is made.
func (b *bundle) ask(m activities.Meeting) {
	b.t.Helper()
	look := b.ready(m)
	require.True(b.t, look.AskModel)
	b.step(func() error { return b.activities.Consult(b.ctx, m) })
	look = b.ready(m)
	require.False(b.t, look.AskModel, "it is recorded, whatever came of it")
	b.step(func() error { return b.activities.Plan(b.ctx, m) })
}

func (b *bundle) labels(m activities.Meeting, tool policy.Tool) []string {
	b.t.Helper()
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, m.MeetingID)
	require.NoError(b.t, err)
	var labels []string
	for _, a := range actions {
		if a.Tool == tool {
			labels = append(labels, a.Content.Label)
		}
	}
	return labels
}

var createDeal = policy.Tool{Object: "deal", Operation: policy.Create}

// What a model answers is planned like everybody's proposals, and what nobody said is
// left out; the plan can be made again from the record with nobody asked.
func TestAModelIsHeard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var log bytes.Buffer
	b.activities.Log = zerolog.New(&log)
	server := modeltest.Script(modeltest.Reply{Text: wants(), In: 1_000, Out: 100})
	b.listens(server)
	require.NoError(t, b.store.SetPlaybook(b.ctx, b.org.ID, store.Playbook{MeetingType: "Renewal", Instructions: "Look for more seats."}, store.Operator))
	require.NoError(t, b.store.SetPlaybook(b.ctx, b.org.ID, store.Playbook{MeetingType: "support", Instructions: "Look for faults."}, store.Operator))
	m := b.spoken()
	b.ask(m)
	require.Equal(t, []string{"Forty more seats"}, b.labels(m, createDeal))

	asked := server.Asked()
	require.Len(t, asked, 1)
	require.Equal(t, modelKey, asked[0].Key)
	require.Contains(t, asked[0].System, "Look for more seats.")
	require.NotContains(t, asked[0].System, "Look for faults.")
	require.NotContains(t, asked[0].Body, "ann@lighthouse.example")

	calls, err := b.store.ModelCalls(b.ctx, b.org.ID, &m.MeetingID, 10)
	require.NoError(t, err)
	require.Len(t, calls, 1)
	require.Equal(t, store.ModelAnswered, calls[0].Outcome)
	require.Equal(t, int64(1_000), calls[0].InputTokens)
	require.Equal(t, int64(100), calls[0].OutputTokens)
	require.Equal(t, "0.0028", calls[0].Cost.String())
	trail, err := b.store.AuditTrail(b.ctx, b.org.ID, store.AuditFilter{OriginID: m.MeetingID, Kind: store.AuditPlan})
	require.NoError(t, err)
	var reasons []string
	for _, e := range trail {
		require.Equal(t, "planner model", e.Actor.Name)
		reasons = append(reasons, string(e.Outcome)+": "+e.Reason)
	}
	require.Len(t, reasons, 2)
	require.Regexp(t, `^done: model small-1 at 127.0.0.1:[0-9]+ asked: part 1 of 1, call 1$`, reasons[0])
	require.Equal(t, "done: left out: what it quotes was not said in the meeting", reasons[1])
	for _, text := range append(reasons, log.String()) {
		require.NotContains(t, text, "seats")
		require.NotContains(t, text, modelKey)
	}

	replayed, err := (&activities.Activities{Store: b.store}).Replay(b.ctx, m)
	require.NoError(t, err)
	require.Len(t, server.Asked(), 1)
	require.False(t, replayed.Later)
	require.Equal(t, store.ModelAnswered, replayed.Model)
	require.NotEmpty(t, replayed.Actions)
	for _, action := range replayed.Actions {
		require.True(t, action.Recorded, action.Key)
	}
	require.Len(t, replayed.Dropped, 1)
	require.Empty(t, replayed.Missing)

	// Where the record has what does not follow from it any more, that is told.
	settings := b.org.Settings
	settings.IgnoredAddresses = []string{"ann@lighthouse.example"}
	require.NoError(t, b.store.UpdateSettings(b.ctx, b.org.ID, b.org.Domains, settings, store.Operator))
	replayed, err = (&activities.Activities{Store: b.store}).Replay(b.ctx, m)
	require.NoError(t, err)
	require.NotEmpty(t, replayed.Missing)

	// Asked again for the same version, it is not.
	require.NoError(t, b.activities.Consult(b.ctx, m))
	require.Len(t, server.Asked(), 1)
}

// Whatever a model does, a plan is made.
func TestAPlanIsMadeWithoutAModel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply   modeltest.Reply
		outcome string
	}{
		"a wrong key":  {modeltest.Reply{Status: 401, Body: promised}, "rejected"},
		"a long 429":   {modeltest.Reply{Status: 429, RetryAfter: 3600}, "rate_limited"},
		"a refusal":    {modeltest.Reply{Refused: true}, "refused"},
		"no JSON":      {modeltest.Reply{Text: "Certainly!"}, "invalid"},
		"half JSON":    {modeltest.Reply{Text: wants()[:50], Half: true}, "cut"},
		"a cut answer": {modeltest.Reply{Text: wants(), CutBody: true}, "cut"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.listens(modeltest.Script(c.reply))
			m := b.spoken()
			b.ask(m)
			require.Empty(t, b.labels(m, createDeal))
			require.NotEmpty(t, b.labels(m, policy.Tool{Object: "meeting", Operation: policy.Create}))
			var content json.RawMessage
			answer, err := b.store.ModelAnswer(b.ctx, b.org.ID, m.MeetingID, 0, &content)
			require.NoError(t, err)
			require.Equal(t, c.outcome, answer.Outcome)
			require.Zero(t, answer.Heard)
			calls, err := b.store.ModelCalls(b.ctx, b.org.ID, &m.MeetingID, 10)
			require.NoError(t, err)
			if c.outcome == "invalid" { // the endpoint answered, twice
				require.Len(t, calls, 2)
				c.outcome = store.ModelAnswered
			}
			require.Equal(t, c.outcome, calls[0].Outcome)
		})
	}
}

// Nothing is sent where the model is not switched on for everything that a meeting
// came from, nor for what is nobody's business, nor for a tool that is denied.
func TestAModelIsNotAsked(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *bundle) activities.Meeting{
		"off for the source": func(b *bundle) activities.Meeting {
			require.NoError(b.t, b.store.SwitchModel(b.ctx, b.org.ID, b.source.ID, false, store.Operator))
			return b.spoken()
		},
		"forgotten": func(b *bundle) activities.Meeting {
			require.NoError(b.t, b.store.ForgetModel(b.ctx, b.org.ID, store.Operator))
			return b.spoken()
		},
		"another endpoint": func(b *bundle) activities.Meeting {
			require.NoError(b.t, b.store.SetModel(b.ctx, store.ModelSettings{OrganizationID: b.org.ID, Kind: "openai", Endpoint: "http://127.0.0.1:9/v1", Name: "other"}, store.Operator))
			m, err := b.store.Model(b.ctx, b.org.ID)
			require.NoError(b.t, err)
			require.False(b.t, m.HasKey, "the key was given for another endpoint")
			return b.spoken()
		},
		"everything denied": func(b *bundle) activities.Meeting {
			for _, info := range policy.Tools() {
				if info.Tool.Operation != policy.Read {
					require.NoError(b.t, b.store.SetPermission(b.ctx, b.org.ID, info.Tool, policy.Deny, store.Operator))
				}
			}
			return b.spoken()
		},
		"over budget": func(b *bundle) activities.Meeting {
			m, err := b.store.Model(b.ctx, b.org.ID)
			require.NoError(b.t, err)
			m.MonthlyTokens = 8_100 // an answer alone may have 8,000
			require.NoError(b.t, b.store.SetModel(b.ctx, m, store.Operator))
			return b.spoken()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			server := modeltest.Script(modeltest.Reply{Text: wants()})
			b.listens(server)
			m := prepare(b)
			look := b.ready(m)
			if look.AskModel {
				b.step(func() error { return b.activities.Consult(b.ctx, m) })
			}
			b.step(func() error { return b.activities.Plan(b.ctx, m) })
			require.Empty(t, server.Asked())
			require.Empty(t, b.labels(m, createDeal))
			look, err := b.activities.Look(b.ctx, m)
			require.NoError(t, err)
			require.NotEqual(t, store.NextPlan, look.Next)
		})
	}
}

// What was said while the model was asked is asked about before anything is planned.
func TestWhatComesMeanwhileIsAskedAboutToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := modeltest.Script(modeltest.Reply{Text: wants()})
	b.listens(server)
	m := b.spoken()
	b.ready(m)
	b.step(func() error { return b.activities.Plan(b.ctx, m) })
	require.Empty(t, b.labels(m, createDeal))
	require.True(t, b.ready(m).AskModel, "nothing was planned")
}

// Deleting a meeting's key erases what the model made of it.
func TestErasingAMeetingErasesTheAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.listens(modeltest.Script(modeltest.Reply{Text: wants()}))
	m := b.spoken()
	b.ask(m)
	require.NoError(t, b.store.EraseMeeting(b.ctx, b.org.ID, m.MeetingID, store.Operator))
	var content json.RawMessage
	_, err := b.store.ModelAnswer(b.ctx, b.org.ID, m.MeetingID, 0, &content)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NotContains(t, string(content), "seats")
	require.NoError(t, b.activities.Consult(b.ctx, m))
	require.NoError(t, b.activities.NotHeard(b.ctx, activities.NotHeardInput{Meeting: m, MeetingVersion: 99}))
}
