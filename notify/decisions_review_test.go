package notify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
)

// "Approve all" never sends again what may be there already: that is a question of its
// own, about what HubSpot shows.
func TestApproveAllSendsNothingTwice(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	id := c.met()
	c.asks(id, deal("deal:1"), deal("deal:2"), deal("deal:3"))
	all, err := c.store.Approvals(t.Context(), c.org.ID, store.ApprovalFilter{MeetingID: id, State: store.ApprovalPending})
	require.NoError(t, err)
	lost := all[0]
	_, err = c.store.Decide(t.Context(), store.Decision{OrganizationID: c.org.ID, ApprovalID: lost.ID, Verdict: store.Approve, Actor: store.Operator, Via: store.ViaCommandLine})
	require.NoError(t, err)
	c.exec(`update actions set state = 'unknown', may_exist_since = now() where id = $1`, lost.ActionID)
	require.NoError(t, c.store.AskAgain(t.Context(), c.org.ID, lost.ActionID, "outcome", "nothing tells whether it was written", nil))
	c.send()
	card := c.slack.Cards("UHILDE")[0]
	require.Len(t, card.Button(notify.ActApprove), 3)
	together := strings.Split(card.Button(notify.ActApproveAll)[0], ",")
	require.ElementsMatch(t, []string{all[1].ID.String(), all[2].ID.String()}, together)
}

// Links are written, too: where they don't all fit nobody approves them unseen.
func TestLinksThatDoNotFitAreNotApprovedUnseen(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	id := c.met()
	linked := deal("deal:1")
	for i := range 40 {
		linked.Content.Associations = append(linked.Content.Associations, store.AssociationRef{Object: "contact", RecordID: fmt.Sprint(9000 + i)})
	}
	c.asks(id, linked)
	c.send()
	card := c.slack.Cards("UHILDE")[0]
	require.Empty(t, card.Button(notify.ActApprove))
	require.Contains(t, card.Raw, "too long for Slack")
	require.Len(t, card.Button(notify.ActReject), 1)
}
