package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
)

// A link that was mailed goes on working when its meeting turned out to be another
// one: it leads to what is asked now.
func TestAMailedLinkLeadsToWhatIsAskedNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f, into := b.met(t, "Northwind"), b.met(t, "Northwind, too")
	f.plan(t, usual()...)
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	link := b.server.URL + "/inbox/" + f.meeting.String()
	asked := f.question(t, "deal:900")
	changed := usual()
	changed[1].Content.Properties["amount"] = "43000"
	f.plan(t, changed...)
	page := approver.do(t, http.MethodGet, link)
	require.Equal(t, http.StatusOK, page.status, "asked anew")
	require.Contains(t, page.body, f.question(t, "deal:900").ID.String())
	require.NotContains(t, page.body, asked.ID.String())

	f.exec(t, fmt.Sprintf(`update meetings set merged_into = '%s', sealed = null where id = '%s'`, into.meeting, f.meeting))
	page = approver.do(t, http.MethodGet, link)
	require.Equal(t, http.StatusSeeOther, page.status)
	require.Equal(t, "/inbox/"+into.meeting.String(), page.header.Get("Location"))
}

// What Slack sends back from a form that this version does not know decides nothing:
// least of all does it reject.
func TestAnUnknownModalDecidesNothing(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	view := s.modal(t, "UHILDE", notify.ActReject, "deal:900")
	view.CallbackID = "of_another_version"
	answer := s.send(t, s.slack.Submit("UHILDE", view, map[string]string{}))
	require.Contains(t, fmt.Sprint(answer.Errors()), "no longer open")
	require.Equal(t, store.ApprovalPending, s.state(t, "deal:900"))
}

// Whoever opened a form while they might answer, and may not any more when they send
// it, decides nothing: the form is no second way past who may answer.
func TestAnOpenModalIsNoRightToAnswer(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	edit, reject := s.modal(t, "UHILDE", notify.ActEdit, "deal:900"), s.modal(t, "UHILDE", notify.ActReject, "contact:jane")
	viewer := store.RoleViewer
	require.NoError(t, s.store.UpdatePerson(t.Context(), s.org.ID, uuid.MustParse(s.id(t, "hilde@acme.example").String()), store.PersonChange{Role: &viewer}, store.Operator))
	for _, view := range []struct {
		slack.View
		values map[string]string
	}{{edit, map[string]string{"property:amount": "5"}}, {reject, nil}} {
		answer := s.send(t, s.slack.Submit("UHILDE", view.View, view.values))
		require.Contains(t, strings.ToLower(fmt.Sprint(answer.Errors())), "viewer")
	}
	require.Equal(t, store.ApprovalPending, s.state(t, "deal:900"))
	require.Equal(t, store.ApprovalPending, s.state(t, "contact:jane"))
}
