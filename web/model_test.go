package web_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/store"
)

const modelKey = "sk-no-page-shows-this"

// The page says which model is asked, where, for which sources, and what is sent; it
// never shows the key.
func TestTheModelOnTheSettingsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	member := b.as(t, "mia@acme.example", store.RoleMember)
	require.Contains(t, member.do(t, http.MethodGet, b.server.URL+"/settings").body, "No language model is asked")
	b.met(t, "Renewal") // from the source "notes"
	require.NoError(t, b.store.SetModel(t.Context(), store.ModelSettings{
		OrganizationID: b.org.ID, Kind: "openai", Endpoint: "https://models.example/v1", Name: "small-1", Key: modelKey, MonthlyTokens: 5000,
	}, store.Operator))
	require.Contains(t, member.do(t, http.MethodGet, b.server.URL+"/settings").body, "switched on for no source: nothing is sent")
	source, err := b.store.SourceByName(t.Context(), &b.org.ID, "notes")
	require.NoError(t, err)
	require.NoError(t, b.store.SwitchModel(t.Context(), b.org.ID, source.ID, true, store.Operator))
	page := member.do(t, http.MethodGet, b.server.URL+"/settings").body
	for _, says := range []string{"The model small-1 at models.example is asked", "What is sent:", "At most 5,000 tokens a month."} {
		require.Contains(t, page, says)
	}
	require.NotContains(t, page, modelKey)
}

// The meeting's page says when a model was not heard, and has the recap's lines that
// were said, with what was said.
func TestWhatTheModelMadeOfAMeeting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Renewal")
	hilde := b.as(t, "hilde@acme.example", store.RoleMember)
	address := b.server.URL + "/meetings/" + f.meeting.String()
	require.NotContains(t, hilde.do(t, http.MethodGet, address).body, "language model")
	save := func(version int64, as store.ModelAnswer, answer model.Answer) {
		as.MeetingVersion = version
		require.NoError(t, b.store.SaveModelAnswer(t.Context(), b.org.ID, f.meeting, as, answer))
	}
	save(1, store.ModelAnswer{Outcome: string(model.Refused), Parts: 1}, model.Answer{})
	require.Contains(t, hilde.do(t, http.MethodGet, address).body, "The language model was not heard: the model declined to answer.")
	b.exec(t, "update meetings set version = 2 where id = '"+f.meeting.String()+"'")
	save(2, store.ModelAnswer{Outcome: store.ModelAnswered, Parts: 1, Heard: 1}, model.Answer{Recap: []planner.Promise{
		{Text: "You take two hundred seats.", Quote: "We take two hundred seats, as spoken"},
		{Text: "You pay a bonus.", Quote: "We pay a bonus to all of you"},
		{Text: "You take 300 seats.", Quote: "We take two hundred seats, as spoken"},
	}})
	page := hilde.do(t, http.MethodGet, address).body
	require.NotContains(t, page, "not heard")
	require.Contains(t, page, "- You take two hundred seats.")
	require.Contains(t, page, "We take two hundred seats, as spoken")
	require.NotContains(t, page, "bonus")
	require.NotContains(t, page, "300 seats")
}
