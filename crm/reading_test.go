package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Where reading is asked about, the gate lets the reads of a meeting through once
// somebody approved them, and no others; a denial ends that at once.
func TestAnApprovedMeetingIsReadFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := b.add("contacts", map[string]string{"email": email})
	b.permit("contact.read", "ask")
	r := b.gate.Reader(b.scope())
	get := func() error { _, err := r.Get(b.ctx, "contact", person.ID, getNothing); return err }
	require.ErrorIs(t, get(), policy.ErrDenied)

	contact := policy.Tool{Object: "contact", Operation: policy.Read}
	wait, err := b.store.AskToRead(b.ctx, b.org.ID, b.meeting, b.conn, []policy.Tool{contact})
	require.NoError(t, err)
	require.True(t, wait)
	require.ErrorIs(t, get(), policy.ErrDenied, "asked is not answered")
	questions, err := b.store.Approvals(b.ctx, b.org.ID, store.ApprovalFilter{State: store.ApprovalPending})
	require.NoError(t, err)
	require.Len(t, questions, 1)
	_, err = b.store.Decide(b.ctx, store.Decision{
		OrganizationID: b.org.ID, ApprovalID: questions[0].ID, Verdict: store.Approve, Actor: store.Operator, Via: store.ViaCommandLine,
	})
	require.NoError(t, err)
	require.NoError(t, get())

	elsewhere := b.scope()
	elsewhere.Origin = store.Origin{}
	_, err = b.gate.Reader(elsewhere).Get(b.ctx, "contact", person.ID, getNothing)
	require.ErrorIs(t, err, policy.ErrDenied, "that was said of one meeting")
	b.permit("contact.read", "deny")
	require.ErrorIs(t, get(), policy.ErrDenied)
	require.Equal(t, []string{"refused", "refused", "done", "refused", "refused"}, outcomes(b))
}
