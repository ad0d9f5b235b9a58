package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// another is an organization beside, with an account of its own.
func (b *bench) another(hubID int64, permissions policy.Permissions) *bench {
	b.t.Helper()
	org := storetest.Organization(b.t, b.Store)
	require.NoError(b.t, b.ApplyPreset(context.Background(), org.ID, permissions, store.Operator))
	other := &bench{Store: b.Store, t: b.t, org: org.ID, meeting: b.NewMeetingForTest(b.t, org.ID), connection: b.NewConnectionForTest(b.t, org.ID, "connected")}
	b.ExecForTest(b.t, `update connections set hub_id = $2 where id = $1`, other.connection, hubID)
	return other
}

// in are the events in another account.
func in(hubID int64, events []hubspot.WebhookEvent) []hubspot.WebhookEvent {
	events = slices.Clone(events)
	for i := range events {
		events[i].HubID = hubID
	}
	return events
}

// Whatever order HubSpot tells a merge, a deletion, changes and a restoration in, one
// by one or in batches, and however often, the same questions are left once the
// follow-up has planned anew with what HubSpot has.
func TestAnyOrderOfWhatHappenedEndsTheSame(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Minute)
	merge := dealEvent(hubspot.EventMerge, at.Add(2*time.Second))
	merge.ObjectID, merge.PrimaryObjectID, merge.NewObjectID, merge.MergedObjectIDs = "88", "88", "88", []string{"77"}
	of88 := amountBecomes("50000", at.Add(3*time.Second))
	of88.ObjectID = "88"
	for name, tc := range map[string]struct {
		events []hubspot.WebhookEvent
		// left is the deal that HubSpot has in the end.
		left string
	}{
		"merged away, and both changed": {[]hubspot.WebhookEvent{amountBecomes("41000", at), merge, of88, dealEvent(hubspot.EventDeletion, at.Add(2*time.Second))}, "88"},
		"deleted and restored": {[]hubspot.WebhookEvent{
			amountBecomes("41000", at), dealEvent(hubspot.EventDeletion, at.Add(time.Second)), dealEvent(hubspot.EventRestore, at.Add(2*time.Second)), amountBecomes("43000", at.Add(3*time.Second)),
		}, "77"},
		"deleted, restored and deleted": {[]hubspot.WebhookEvent{
			dealEvent(hubspot.EventDeletion, at), dealEvent(hubspot.EventRestore, at.Add(time.Second)), dealEvent(hubspot.EventDeletion, at.Add(2*time.Second)),
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			all := newBench(t, nil)
			for i, order := range orders(len(tc.events)) {
				hub := int64(5000 + i)
				told := in(hub, tc.events)
				b := all.another(hub, policy.Permissions{updateDeal: policy.Ask, {Object: "note", Operation: policy.Create}: policy.Ask, createContact: policy.Allow})
				note, contact := b.noteOn("77"), draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
				b.plan(dealUpdate(map[string]string{"amount": "42000"}), note, contact)
				b.written("contact:1", "501")
				switch i % 3 {
				case 0: // one by one
					for _, n := range order {
						b.tell(told[n])
					}
				case 1: // in one batch, twice
					for range 2 {
						var batch []hubspot.WebhookEvent
						for _, n := range order {
							batch = append(batch, told[n])
						}
						b.tell(batch...)
					}
				default: // each batch with one that was told before
					for at, n := range order {
						b.tell(told[n], told[order[max(0, at-1)]])
					}
				}
				require.Equal(t, store.NextPlan, b.look().Next, "%v", order)
				require.Zero(t, b.CountForTest(t, `select count(*) from crm_events where state = 'received'`))

				drafts := []store.Draft{contact}
				if tc.left != "" {
					left := dealUpdate(map[string]string{"amount": "42000"})
					left.Key, left.TargetID = "deal:"+tc.left, tc.left
					on := b.noteOn(tc.left)
					drafts = append(drafts, left, on)
				}
				_, seen, err := b.Answers(ctx, b.org, b.meeting)
				require.NoError(t, err)
				require.NoError(t, b.SavePlan(ctx, store.Plan{
					OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: seen, ConnectionID: b.connection, Drafts: drafts,
				}))
				actions, err := b.ActionsOf(ctx, b.org, b.meeting)
				require.NoError(t, err)
				for _, a := range actions {
					want := store.ActionWithdrawn
					switch {
					case a.Key == "contact:1":
						want = store.ActionWritten
					case tc.left != "" && (a.Key == "note:1" || a.TargetID == tc.left):
						want = store.ActionAsking
					}
					require.Equal(t, want, a.State, "%s %v", a.Key, order)
				}
				if tc.left == "" {
					require.Equal(t, store.NextDone, b.look().Next)
					continue
				}
				require.Equal(t, []store.AssociationRef{{Object: "deal", RecordID: tc.left}}, b.action("note:1").Content.Associations)
				require.Len(t, b.questions(store.ApprovalPending), 2)
			}
		})
	}
}

// Two organizations have connected one account. Each is told for itself; what one's
// Debrief writes is to the other what anybody writes; and a source of one's own tells
// the other nothing.
func TestOneAccountOfTwoOrganizations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	ours := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	other := storetest.Organization(t, ours.Store)
	require.NoError(t, ours.ApplyPreset(ctx, other.ID, policy.Permissions{updateDeal: policy.Ask}, store.Operator))
	theirs := &bench{Store: ours.Store, t: t, org: other.ID, meeting: ours.NewMeetingForTest(t, other.ID), connection: ours.NewConnectionForTest(t, other.ID, "connected")}
	for _, b := range []*bench{ours, theirs} {
		b.plan(dealUpdate(map[string]string{"amount": "42000"}))
	}
	require.NoError(t, ours.Audit(ctx, store.AuditEntry{
		OrganizationID: ours.org, Kind: store.AuditCall, Actor: store.Actor{Name: "follow-up"}, Origin: store.Origin{Kind: "meeting", ID: ours.meeting},
		Tool: updateDeal, ConnectionID: &ours.connection, RecordID: "77", Values: map[string]string{"amount": "42000"}, Outcome: store.Attempted,
	}))
	e := amountBecomes("42000", time.Now().Add(time.Second))
	e.ChangeSource = "INTEGRATION"
	got := ours.tell(e) // follows both records: one of each organization
	require.Equal(t, 2, got.Events)
	require.Equal(t, 1, got.Echoes)
	require.Equal(t, store.ActionAsking, ours.action("deal:77").State, "our own")
	require.Equal(t, store.ActionWithdrawn, theirs.action("deal:77").State, "answered in HubSpot")

	// Of a source of ours, theirs hear nothing, and neither does an account that only
	// they have connected.
	own, err := ours.CreateSource(ctx, store.NewSource{OrganizationID: &ours.org, Platform: "hubspot", Name: "own", Secrets: []store.Secret{"planted-client-secret"}}, store.Operator)
	require.NoError(t, err)
	only := theirs.NewConnectionForTest(t, theirs.org, "connected")
	ours.ExecForTest(t, `update connections set hub_id = 3003 where id = $1`, only)
	gone, foreign := dealEvent(hubspot.EventDeletion, time.Now()), dealEvent(hubspot.EventDeletion, time.Now())
	foreign.HubID = 3003
	_, waiting := crmDelivery(t, ours.Store, own, gone, foreign)
	require.Equal(t, 1, waiting)
	before := ours.CountForTest(t, `select count(*) from crm_events where organization_id = $1`, theirs.org)
	ours.follow()
	require.Equal(t, before, ours.CountForTest(t, `select count(*) from crm_events where organization_id = $1`, theirs.org))
	require.Equal(t, store.ActionWithdrawn, ours.action("deal:77").State)
}
