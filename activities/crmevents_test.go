package activities_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// happened has HubSpot tell of a deal, and followed by what the record's workflow does.
func (b *bundle) happened(e hubspot.WebhookEvent) store.CRMFollowed {
	b.t.Helper()
	e.HubID, e.AppID, e.SubscriptionID, e.ObjectTypeID, e.OccurredAt, e.ChangeSource = b.hub, 9, 5, "0-3", time.Now().Add(time.Second), "CRM_UI"
	e.Type = "object." + e.Kind
	id, inserted, err := b.store.InsertDelivery(b.ctx, store.NewDelivery{Source: b.source, DedupeKey: uuid.NewString(), Body: []byte("[]"), ReceivedAt: time.Now()})
	require.NoError(b.t, err)
	require.True(b.t, inserted)
	_, err = b.store.UnderstoodCRM(b.ctx, id, []hubspot.WebhookEvent{e})
	require.NoError(b.t, err)
	claimed, err := b.store.ClaimCRMRecords(b.ctx, 10)
	require.NoError(b.t, err)
	require.Len(b.t, claimed, 1)
	followed, err := b.activities.FollowCRMRecord(b.ctx, claimed[0])
	require.NoError(b.t, err)
	return followed
}

// asking returns the actions on deals that are asked about, by target.
func (b *bundle) asking(m activities.Meeting) map[string]store.Action {
	b.t.Helper()
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, m.MeetingID)
	require.NoError(b.t, err)
	found := map[string]store.Action{}
	for _, a := range actions {
		if a.Tool.Object == "deal" && a.State == store.ActionAsking {
			found[a.TargetID] = a
		}
	}
	return found
}

// A question about a deal goes with the deal: to the one that it was merged into,
// to nobody where it was answered in HubSpot, and away with one that was deleted.
func TestAQuestionGoesWithItsRecord(t *testing.T) {
	t.Parallel()
	update := policy.Tool{Object: "deal", Operation: policy.Update}
	for name, tc := range map[string]struct {
		do   func(b *bundle, deal, other string) hubspot.WebhookEvent
		left func(deal, other string) []string
	}{
		"merged": {func(b *bundle, deal, other string) hubspot.WebhookEvent {
			require.NoError(b.t, b.sim.Merge(b.hub, "deals", other, deal))
			return hubspot.WebhookEvent{Kind: hubspot.EventMerge, ObjectID: other, PrimaryObjectID: other, NewObjectID: other, MergedObjectIDs: []string{deal}}
		}, func(_, other string) []string { return []string{other} }},
		"answered there": {func(b *bundle, deal, _ string) hubspot.WebhookEvent {
			require.NoError(b.t, b.sim.Edit(b.hub, "deals", deal, map[string]string{"amount": "48000"}))
			return hubspot.WebhookEvent{Kind: hubspot.EventPropertyChange, ObjectID: deal, PropertyName: "amount", PropertyValue: "48000"}
		}, func(string, string) []string { return nil }},
		"changed to something else": {func(b *bundle, deal, _ string) hubspot.WebhookEvent {
			require.NoError(b.t, b.sim.Edit(b.hub, "deals", deal, map[string]string{"amount": "50000"}))
			return hubspot.WebhookEvent{Kind: hubspot.EventPropertyChange, ObjectID: deal, PropertyName: "amount", PropertyValue: "50000"}
		}, func(deal, _ string) []string { return []string{deal} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			require.NoError(t, b.store.SetPermission(b.ctx, b.org.ID, update, policy.Ask, store.Operator))
			company := b.company("northwind.example")
			b.contact("ann@northwind.example", company)
			deal, other := b.deal(company), b.deal(company)
			m := b.takesPlace(func(e *meeting.Event) {
				e.ProposedActions = append(e.ProposedActions, meeting.ProposedAction{
					Tool: "deal.update", Target: meeting.RecordRef{Object: "deal", ID: deal}, Properties: map[string]string{"amount": "48000"},
				})
			}, "ann@northwind.example")
			_, err := b.activities.Look(b.ctx, m)
			require.NoError(t, err)
			b.step(func() error { return b.activities.Plan(b.ctx, m) })
			require.Contains(t, b.asking(m), deal)

			followed := b.happened(tc.do(b, deal, other))
			require.NotZero(t, followed.Withdrawn+followed.Planned)
			look, err := b.activities.Look(b.ctx, m)
			require.NoError(t, err)
			if followed.Planned > 0 {
				require.Equal(t, store.NextPlan, look.Next)
				b.step(func() error { return b.activities.Plan(b.ctx, m) })
			}
			open := b.asking(m)
			want := tc.left(deal, other)
			require.Len(t, open, len(want))
			for _, id := range want {
				require.Equal(t, "48000", open[id].Content.Properties["amount"])
			}
			if asked, still := open[deal]; still {
				require.Equal(t, "50000", asked.Content.Before["amount"], "what is shown is what HubSpot has now")
			}
		})
	}
}
