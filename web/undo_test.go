package web_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// wrote does what the gate does when a write goes through.
func (f *followUp) wrote(t *testing.T, key, recordID string) {
	t.Helper()
	ctx := t.Context()
	facts, err := f.store.CardFacts(ctx, f.org.ID, f.meeting)
	require.NoError(t, err)
	for _, a := range facts.Actions {
		if a.Key != key {
			continue
		}
		begun, err := f.store.BeginWrite(ctx, a.ID, store.WriteIntent{})
		require.NoError(t, err)
		require.Equal(t, store.WriteSend, begun.Step, begun.Reason)
		_, err = f.store.EndWrite(ctx, store.WriteEnd{ActionID: a.ID, CallID: begun.CallID, State: store.ActionWritten, RecordID: recordID, Call: store.CallResult{Outcome: store.Done}})
		require.NoError(t, err)
		return
	}
	t.Fatalf("there is no action %s", key)
}

func TestUndoIsLookedAtAndAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	b.as(t, "hilde@acme.example", store.RoleMember)
	f.hosts(t, "hilde@acme.example")
	host, at := b.again(t, "hilde@acme.example"), b.server.URL+"/meetings/"+f.meeting.String()
	require.NotContains(t, host.do(t, http.MethodGet, at).body, "Undo…", "nothing is written yet")
	nothing := host.post(t, at+"/undo")
	require.Equal(t, http.StatusConflict, nothing.status)
	require.Contains(t, nothing.body, `role="alert">Nothing was written`)

	require.Equal(t, http.StatusSeeOther, host.post(t, f.at(f.question(t, "deal:900")), "verdict", "approve").status)
	f.wrote(t, "note:1", "5001")
	f.wrote(t, "deal:900", "900")
	before := b.answers(t)
	page := host.do(t, http.MethodGet, at).body
	for _, part := range []string{
		"Undo…", "Update Deal: Northwind, seats", "is asked about", "42,000 EUR</del>", "1,000 EUR</ins>", "Order form sent</del>", "Qualified</ins>", "Archive Note: Notes of the meeting", "denied",
	} {
		require.Contains(t, page, part)
	}
	require.Equal(t, before, b.answers(t), "looking undoes nothing")

	// Not for those who may not see the meeting, nor from elsewhere.
	require.Equal(t, http.StatusNotFound, b.as(t, "nora@acme.example", store.RoleMember).post(t, at+"/undo").status)
	require.Equal(t, http.StatusNotFound, b.stranger(t).post(t, at+"/undo").status)
	require.Equal(t, http.StatusForbidden, host.do(t, http.MethodPost, at+"/undo", "Sec-Fetch-Site", "cross-site").status)
	require.Equal(t, before, b.answers(t))

	done := host.post(t, at+"/undo")
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, "/meetings/"+f.meeting.String()+"?done=undo", done.location)
	u, err := b.store.UndoPreview(t.Context(), b.org.ID, f.meeting)
	require.NoError(t, err)
	require.Equal(t, store.UndoRequested, u.State)
	page = host.do(t, http.MethodGet, at+"?done=undo").body
	require.Contains(t, page, "An undo is asked for, and planned now.")
	require.NotContains(t, page, "Undo…")
	again := host.post(t, at+"/undo")
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, again.body, "being undone already")
}

func TestAnAdminChoosesTheConnectionOfAMeeting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.met(t, "Northwind")
	b.exec(t, fmt.Sprintf(`insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state, currencies)
		select '%s', organization_id, app_id, name || ' <two>', hub_id + 1, is_user_level, scopes, state, currencies from connections`, uuid.New()))
	f.plan(t, usual()...)
	require.NoError(t, b.store.PauseForChoice(t.Context(), b.org.ID, f.meeting, "Several connections could act: main, main <two>."))
	paused := func() *string {
		t.Helper()
		followUp, err := b.store.FollowUpOf(t.Context(), b.org.ID, f.meeting)
		require.NoError(t, err)
		if followUp.PausedSince == nil {
			return nil
		}
		return &followUp.PausedReason
	}
	admin, at := b.as(t, "ada@acme.example", store.RoleAdmin), b.server.URL+"/meetings/"+f.meeting.String()
	approver := b.as(t, "approver@acme.example", store.RoleApprover)
	page := admin.do(t, http.MethodGet, at).body
	require.Contains(t, page, "The follow-up waits for a choice between connections.")
	require.Contains(t, page, `<option value="`+f.connection.String()+`">main</option>`)
	require.Contains(t, page, "main &lt;two&gt;")
	seen := approver.do(t, http.MethodGet, at).body
	require.Contains(t, seen, "waits for a choice")
	require.NotContains(t, seen, "Write through", "that is for admins")

	require.Equal(t, http.StatusForbidden, approver.post(t, at+"/connection", "connection", f.connection.String()).status)
	require.Equal(t, http.StatusNotFound, b.stranger(t).post(t, at+"/connection", "connection", f.connection.String()).status)
	for _, value := range []string{"", "main", uuid.NewString()} {
		out := admin.post(t, at+"/connection", "connection", value)
		require.Equal(t, http.StatusConflict, out.status, value)
		require.Contains(t, out.body, "Choose one of the connections.")
	}
	require.NotNil(t, paused())

	done := admin.post(t, at+"/connection", "connection", f.connection.String())
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Nil(t, paused())
	choice, err := b.store.ChoiceFor(t.Context(), b.org.ID, f.meeting)
	require.NoError(t, err)
	require.Equal(t, f.connection, *choice.Chosen)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+done.location).body, "The connection is chosen; the follow-up goes on.")
}
