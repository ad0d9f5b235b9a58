package activities_test

import (
	"slices"
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

// hears has HubSpot tell of any record, and followed by all that the record's workflow
// does.
func (b *bundle) hears(object, id, kind string, change func(*hubspot.WebhookEvent)) store.CRMFollowed {
	b.t.Helper()
	e := hubspot.WebhookEvent{
		HubID: b.hub, AppID: 9, ObjectTypeID: object, ObjectID: id, OccurredAt: time.Now().Add(time.Second), ChangeSource: "CRM_UI", Kind: kind, Type: "object." + kind,
	}
	if change != nil {
		change(&e)
	}
	delivery, _, err := b.store.InsertDelivery(b.ctx, store.NewDelivery{Source: b.source, DedupeKey: uuid.NewString(), Body: []byte("[]"), ReceivedAt: time.Now()})
	require.NoError(b.t, err)
	_, err = b.store.UnderstoodCRM(b.ctx, delivery, []hubspot.WebhookEvent{e})
	require.NoError(b.t, err)
	claimed, err := b.store.ClaimCRMRecords(b.ctx, 10)
	require.NoError(b.t, err)
	var all store.CRMFollowed
	for _, r := range claimed {
		all, err = b.activities.FollowCRMRecord(b.ctx, r)
		require.NoError(b.t, err)
		if all.Created {
			b.step(func() error {
				met, err := b.activities.MeetCreations(b.ctx, r)
				all.Planned += met.Planned
				return err
			})
		}
	}
	return all
}

// Somebody creates in HubSpot what Debrief asks about: Debrief takes the record that
// there is, and creates none. A company that the search index has not got yet, too.
func TestWhatAUserCreatesIsTaken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		object, typeID string
		make           func(b *bundle) string
		permission     policy.Permission
		taken          bool
	}{
		"the contact":            {"contact", "0-1", func(b *bundle) string { return b.contact("new@harbor.example", "") }, policy.Allow, true},
		"the company":            {"company", "0-2", func(b *bundle) string { return b.company("harbor.example") }, policy.Allow, true},
		"another contact":        {"contact", "0-1", func(b *bundle) string { return b.contact("other@harbor.example", "") }, policy.Allow, false},
		"what may not be read":   {"contact", "0-1", func(b *bundle) string { return b.contact("new@harbor.example", "") }, policy.Deny, false},
		"what is asked about":    {"contact", "0-1", func(b *bundle) string { return b.contact("new@harbor.example", "") }, policy.Ask, false},
		"what is not there more": {"contact", "0-1", func(*bundle) string { return "987654" }, policy.Allow, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			create := policy.Tool{Object: tc.object, Operation: policy.Create}
			require.NoError(t, b.store.SetPermission(b.ctx, b.org.ID, create, policy.Ask, store.Operator))
			m := b.takesPlace(nil, "new@harbor.example")
			_, err := b.activities.Look(b.ctx, m)
			require.NoError(t, err)
			b.step(func() error { return b.activities.Plan(b.ctx, m) })
			require.Equal(t, 1, b.states(m)[create.String()][store.ActionAsking])

			id := tc.make(b)
			require.NoError(t, b.store.SetPermission(b.ctx, b.org.ID, policy.Tool{Object: tc.object, Operation: policy.Read}, tc.permission, store.Operator))
			followed := b.hears(tc.typeID, id, hubspot.EventCreation, nil)
			require.True(t, followed.Created)
			events, err := b.store.CRMEvents(b.ctx, b.org.ID, 10)
			require.NoError(t, err)
			require.Equal(t, store.CRMEventDone, events[0].State, "whatever was read")
			require.NotEmpty(t, events[0].Outcome)
			if !tc.taken {
				require.Zero(t, followed.Planned)
				require.Equal(t, 1, b.states(m)[create.String()][store.ActionAsking])
				return
			}
			require.Equal(t, 1, followed.Planned)
			b.step(func() error { return b.activities.Plan(b.ctx, m) })
			require.Zero(t, b.states(m)[create.String()][store.ActionAsking])
			require.Equal(t, 1, b.states(m)[create.String()][store.ActionWithdrawn])
			actions, err := b.store.ActionsOf(b.ctx, b.org.ID, m.MeetingID)
			require.NoError(t, err)
			log := actions[slices.IndexFunc(actions, func(a store.Action) bool { return a.Tool.String() == "meeting.create" })]
			require.True(t, slices.ContainsFunc(log.Content.Associations, func(r store.AssociationRef) bool { return r.Object == tc.object && r.RecordID == id }),
				"the meeting is logged on what there is")
		})
	}
}

// states counts a meeting's actions by tool and state.
func (b *bundle) states(m activities.Meeting) map[string]map[store.ActionState]int {
	b.t.Helper()
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, m.MeetingID)
	require.NoError(b.t, err)
	counted := map[string]map[store.ActionState]int{}
	for _, a := range actions {
		if counted[a.Tool.String()] == nil {
			counted[a.Tool.String()] = map[store.ActionState]int{}
		}
		counted[a.Tool.String()][a.State]++
	}
	return counted
}

// A deal that is won has its meeting looked through again: what is in HubSpot is
// written to no second time, though the company's next deal is the only open one by
// then.
func TestAWonDealsMeetingIsLookedThroughAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	organization, err := b.store.Organization(b.ctx, b.org.ID)
	require.NoError(t, err)
	organization.Settings.DealStages.Stages = []store.DealStage{{Pipeline: "default", Stage: "closedwon"}}
	organization.Settings.DealStages.Within = store.Duration(10 * 365 * 24 * time.Hour)
	require.NoError(t, b.store.UpdateSettings(b.ctx, b.org.ID, organization.Domains, organization.Settings, store.Operator))
	company := b.company("northwind.example")
	b.contact("ann@northwind.example", company)
	deal := b.deal(company)
	m := b.takesPlace(nil, "ann@northwind.example")
	b.followUp(m)
	closed, err := b.activities.Close(b.ctx, m)
	require.NoError(t, err)
	require.True(t, closed)
	before := b.states(m)

	require.NoError(t, b.sim.Edit(b.hub, "deals", deal, map[string]string{"dealstage": "closedwon"}))
	b.deal(company)
	followed := b.hears("0-3", deal, hubspot.EventPropertyChange, func(e *hubspot.WebhookEvent) { e.PropertyName, e.PropertyValue = "dealstage", "closedwon" })
	require.Equal(t, 1, followed.Begun)
	look, err := b.activities.Look(b.ctx, m)
	require.NoError(t, err)
	require.Equal(t, store.NextPlan, look.Next)
	b.step(func() error { return b.activities.Plan(b.ctx, m) })
	look, err = b.activities.Look(b.ctx, m)
	require.NoError(t, err)
	require.Equal(t, store.NextDone, look.Next)
	require.Equal(t, 2, look.Round)
	require.Equal(t, before, b.states(m))
}
