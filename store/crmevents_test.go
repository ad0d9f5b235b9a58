package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// hubspotSource is a source of the whole installation.
func hubspotSource(t testing.TB, s *store.Store) store.Source {
	t.Helper()
	source, err := s.CreateSource(context.Background(), store.NewSource{Platform: "hubspot", Name: "hubspot", Secrets: []store.Secret{"planted-client-secret"}}, store.Operator)
	require.NoError(t, err)
	return source
}

func crmDelivery(t testing.TB, s *store.Store, source store.Source, events ...hubspot.WebhookEvent) (id uuid.UUID, waiting int) {
	t.Helper()
	body, err := json.Marshal(events)
	require.NoError(t, err)
	id, _, err = s.InsertDelivery(context.Background(), store.NewDelivery{
		Source: source, DedupeKey: uuid.NewString(), Body: body, ReceivedAt: time.Now(), Header: http.Header{},
	})
	require.NoError(t, err)
	waiting, err = s.UnderstoodCRM(context.Background(), id, events)
	require.NoError(t, err)
	return id, waiting
}

// dealEvent is what HubSpot tells of deal 77, done by a user in its pages.
func dealEvent(kind string, at time.Time) hubspot.WebhookEvent {
	return hubspot.WebhookEvent{
		EventID: 1, SubscriptionID: 5, AppID: 9, HubID: 1001, OccurredAt: at, Type: "deal." + kind, Kind: kind, ObjectTypeID: "0-3", ObjectID: "77", ChangeSource: "CRM_UI",
	}
}

func amountBecomes(value string, at time.Time) hubspot.WebhookEvent {
	e := dealEvent(hubspot.EventPropertyChange, at)
	e.PropertyName, e.PropertyValue = "amount", value
	return e
}

func (b *bench) tell(events ...hubspot.WebhookEvent) store.CRMFollowed {
	b.t.Helper()
	source, err := b.SourceByName(context.Background(), nil, "hubspot")
	if err != nil {
		source = hubspotSource(b.t, b.Store)
	}
	crmDelivery(b.t, b.Store, source, events...)
	return b.follow()
}

// follow does what the workflows of all records with events do.
func (b *bench) follow() store.CRMFollowed {
	b.t.Helper()
	var all store.CRMFollowed
	claimed, err := b.ClaimCRMRecords(context.Background(), 100)
	require.NoError(b.t, err)
	for _, r := range claimed {
		require.NoError(b.t, b.TellCRMRecord(context.Background(), r))
		f, err := b.FollowCRMRecord(context.Background(), r)
		require.NoError(b.t, err)
		all.Events += f.Events
		all.Echoes += f.Echoes
		all.Withdrawn += f.Withdrawn
		all.Planned += f.Planned
		all.Begun += f.Begun
		all.Created = all.Created || f.Created
		all.Erase = all.Erase || f.Erase
	}
	return all
}

func dealUpdate(properties map[string]string) store.Draft {
	d := draft(updateDeal, "deal:77", properties)
	d.TargetID = "77"
	d.Content.Before = map[string]string{"amount": "40000"}
	return d
}

func TestCRMEventsAreKeptOnceForEachOrganizationOfTheAccount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _ := storetest.New(t)
	source := hubspotSource(t, s)
	first, second, stranger := storetest.Organization(t, s), storetest.Organization(t, s), storetest.Organization(t, s)
	s.NewConnectionForTest(t, first.ID, "connected")
	s.NewConnectionForTest(t, second.ID, "uninstalled")
	now := time.Now()
	events := []hubspot.WebhookEvent{dealEvent(hubspot.EventDeletion, now), amountBecomes("42000", now), dealEvent(hubspot.EventCreation, now)}

	id, waiting := crmDelivery(t, s, source, events...)
	require.Equal(t, 4, waiting, "a creation is kept, and nothing waits for it")
	d, err := s.DeliveryByID(ctx, id)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnderstood, d.State)
	require.False(t, d.HasBody, "its values would outlive the people that they are of")

	events[0].AttemptNumber, events[1].AttemptNumber = 1, 1
	_, waiting = crmDelivery(t, s, source, events[1], events[0], events[0])
	require.Zero(t, waiting, "another attempt, in another order, is the same events")
	for org, n := range map[uuid.UUID]int{first.ID: 3, second.ID: 3, stranger.ID: 0} {
		got, err := s.CRMEvents(ctx, org, 10)
		require.NoError(t, err)
		require.Len(t, got, n)
	}
	claimed, err := s.ClaimCRMRecords(ctx, 10)
	require.NoError(t, err)
	require.ElementsMatch(t, []store.CRMRecord{
		{OrganizationID: first.ID, HubID: 1001, Object: "deal", ID: "77"}, {OrganizationID: second.ID, HubID: 1001, Object: "deal", ID: "77"},
	}, claimed)
	again, err := s.ClaimCRMRecords(ctx, 10)
	require.NoError(t, err)
	require.Empty(t, again)
}

// A source of one organization brings events to that one alone: its secret is
// that one's, and would otherwise speak for others.
func TestAnOrganizationsSourceTellsNobodyElse(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	own, other := storetest.Organization(t, s), storetest.Organization(t, s)
	s.NewConnectionForTest(t, other.ID, "connected")
	source, err := s.CreateSource(context.Background(), store.NewSource{OrganizationID: &own.ID, Platform: "hubspot", Name: "hubspot", Secrets: []store.Secret{"planted-client-secret"}}, store.Operator)
	require.NoError(t, err)
	id, waiting := crmDelivery(t, s, source, dealEvent(hubspot.EventDeletion, time.Now()))
	require.Zero(t, waiting)
	d, err := s.DeliveryByID(context.Background(), id)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnrouted, d.State)
}

func TestEventsOfAnUnknownAccountWaitForTheConnection(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _ := storetest.New(t)
	source := hubspotSource(t, s)
	org := storetest.Organization(t, s)
	s.NewConnectionForTest(t, org.ID, "connected")
	foreign := dealEvent(hubspot.EventDeletion, time.Now())
	foreign.HubID = 2002

	id, waiting := crmDelivery(t, s, source, dealEvent(hubspot.EventDeletion, time.Now()), foreign)
	require.Equal(t, 1, waiting, "what can be routed is")
	d, err := s.DeliveryByID(ctx, id)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnrouted, d.State)
	require.Equal(t, "1 of 2 events are of HubSpot accounts that nobody connected", d.Reason)
	require.True(t, d.HasBody)

	_, err = s.ImportToken(ctx, org.ID, "second", store.Granted{HubID: 2002, Scopes: []string{"oauth"}}, "a token", store.Operator)
	require.NoError(t, err)
	due, err := s.ClaimDeliveries(ctx, 10)
	require.NoError(t, err)
	require.Len(t, due, 1)
	require.Equal(t, id, due[0].ID)
}

func TestAQuestionThatSomebodyAnswersInHubSpotIsWithdrawn(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour)
	for name, tc := range map[string]struct {
		events    []hubspot.WebhookEvent
		state     store.ActionState
		planned   int
		withdrawn int
	}{
		"the same value":                      {[]hubspot.WebhookEvent{amountBecomes("42000.0", soon)}, store.ActionWithdrawn, 0, 1},
		"the newer of two, told last":         {[]hubspot.WebhookEvent{amountBecomes("1", soon), amountBecomes("42000", soon.Add(time.Second))}, store.ActionWithdrawn, 0, 1},
		"the newer of two, told first":        {[]hubspot.WebhookEvent{amountBecomes("42000", soon.Add(time.Second)), amountBecomes("1", soon)}, store.ActionWithdrawn, 0, 1},
		"changed away again":                  {[]hubspot.WebhookEvent{amountBecomes("42000", soon), amountBecomes("1", soon.Add(time.Second))}, store.ActionAsking, 1, 0},
		"another value":                       {[]hubspot.WebhookEvent{amountBecomes("50000", soon)}, store.ActionAsking, 1, 0},
		"the value before":                    {[]hubspot.WebhookEvent{amountBecomes("40000", soon)}, store.ActionAsking, 0, 0},
		"the same value, before it was asked": {[]hubspot.WebhookEvent{amountBecomes("42000", soon.Add(-2*time.Hour))}, store.ActionAsking, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
			b.plan(dealUpdate(map[string]string{"amount": "42000"}))
			p := b.question("deal:77")
			got := b.tell(tc.events...)
			require.Equal(t, tc.withdrawn, got.Withdrawn)
			require.Equal(t, tc.planned, got.Planned)
			require.Equal(t, tc.state, b.action("deal:77").State)
			switch {
			case tc.withdrawn > 0:
				require.Equal(t, "answered in HubSpot: the record has these values already", b.action("deal:77").Reason)
				refused(t, b.decide(p, store.Approve, nil), "withdrawn")
				require.Equal(t, store.NextDone, b.look().Next)
			case tc.planned > 0:
				require.Equal(t, store.NextPlan, b.look().Next, "HubSpot is read before anybody is asked anything else")
			default:
				require.Equal(t, store.NextAnswer, b.look().Next)
			}
			require.Zero(t, b.tell().Events, "dealt with once")
		})
	}
}

func TestARecordThatIsGoneIsFollowed(t *testing.T) {
	t.Parallel()
	merge := dealEvent(hubspot.EventMerge, time.Now())
	merge.ObjectID, merge.PrimaryObjectID, merge.NewObjectID, merge.MergedObjectIDs = "88", "88", "88", []string{"77"}
	renamed := merge
	renamed.ObjectID, renamed.PrimaryObjectID, renamed.NewObjectID, renamed.MergedObjectIDs = "99", "77", "99", []string{"66"}
	note := draft(policy.Tool{Object: "note", Operation: policy.Create}, "note:1", map[string]string{"hs_note_body": "x"})
	note.Content.Associations = []store.AssociationRef{{Object: "deal", RecordID: "77"}}
	contact := draft(policy.Tool{Object: "contact", Operation: policy.Update}, "contact:77", map[string]string{"jobtitle": "CTO"})
	contact.TargetID = "77"
	for name, tc := range map[string]struct {
		event     hubspot.WebhookEvent
		withdrawn int
		planned   int
		reason    string
	}{
		"merged away":              {merge, 2, 1, "the deal was merged into 88 in HubSpot"},
		"merged into a new one":    {renamed, 2, 1, "the deal was merged into 99 in HubSpot"},
		"deleted":                  {dealEvent(hubspot.EventDeletion, time.Now()), 2, 1, "the deal was deleted in HubSpot"},
		"restored, and read again": {dealEvent(hubspot.EventRestore, time.Now()), 0, 1, ""},
		"a contact with that ID": {func() hubspot.WebhookEvent {
			e := dealEvent(hubspot.EventDeletion, time.Now())
			e.ObjectTypeID = "0-7"
			return e
		}(), 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{updateDeal: policy.Ask, note.Tool: policy.Ask, contact.Tool: policy.Ask, createContact: policy.Allow})
			ready := dealUpdate(map[string]string{"dealstage": "won"})
			ready.Key = "deal:77:stage"
			written := draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
			b.plan(dealUpdate(map[string]string{"amount": "42000"}), ready, note, contact, written)
			require.NoError(t, b.decide(b.question("deal:77:stage"), store.Approve, nil))
			b.written("contact:1", "501")

			got := b.tell(tc.event)
			require.Equal(t, tc.withdrawn, got.Withdrawn)
			require.Equal(t, tc.planned, got.Planned)
			require.Equal(t, store.ActionAsking, b.action("contact:77").State, "another type's record with the same ID")
			require.Equal(t, store.ActionAsking, b.action("note:1").State, "it can stand: the next round says how")
			require.Equal(t, store.ActionWritten, b.action("contact:1").State)
			if tc.withdrawn == 0 {
				require.Equal(t, store.ActionAsking, b.action("deal:77").State)
				return
			}
			for _, key := range []string{"deal:77", "deal:77:stage"} {
				require.Equal(t, store.ActionWithdrawn, b.action(key).State)
				require.Equal(t, tc.reason, b.action(key).Reason)
			}
			require.Equal(t, store.NextPlan, b.look().Next)
			woken := b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1 and reason = 'a record changed in HubSpot'`, b.meeting)
			require.Equal(t, 1, woken)

			// The next round asks again about the record that is left.
			_, seen, err := b.Answers(context.Background(), b.org, b.meeting)
			require.NoError(t, err)
			followed := dealUpdate(map[string]string{"amount": "42000"})
			followed.Key, followed.TargetID = "deal:88", "88"
			require.NoError(t, b.SavePlan(context.Background(), store.Plan{
				OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: seen, ConnectionID: b.connection,
				Drafts: []store.Draft{followed, written},
			}))
			require.Equal(t, store.ActionAsking, b.action("deal:88").State)
			require.Equal(t, store.ActionWritten, b.action("contact:1").State)
			require.Equal(t, store.NextAnswer, b.look().Next)
		})
	}
}

func TestOwnChangesAreEchoes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*hubspot.WebhookEvent)
		echo   bool
	}{
		"ours":                   {func(*hubspot.WebhookEvent) {}, true},
		"as HubSpot writes it":   {func(e *hubspot.WebhookEvent) { e.PropertyValue = "42000.00" }, true},
		"another value":          {func(e *hubspot.WebhookEvent) { e.PropertyValue = "1" }, false},
		"another property":       {func(e *hubspot.WebhookEvent) { e.PropertyName = "closedate" }, false},
		"long before":            {func(e *hubspot.WebhookEvent) { e.OccurredAt = e.OccurredAt.Add(-time.Hour) }, false},
		"a user, the same":       {func(e *hubspot.WebhookEvent) { e.ChangeSource = "CRM_UI" }, false},
		"another record":         {func(e *hubspot.WebhookEvent) { e.ObjectID = "78" }, false},
		"a deletion we made not": {func(e *hubspot.WebhookEvent) { e.Kind, e.PropertyName = hubspot.EventDeletion, "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{updateDeal: policy.Allow})
			err := b.Audit(context.Background(), store.AuditEntry{
				OrganizationID: b.org, Kind: store.AuditCall, Actor: store.Actor{Name: "follow-up"}, Origin: store.Origin{Kind: "meeting", ID: b.meeting},
				Tool: updateDeal, ConnectionID: &b.connection, RecordID: "77", Values: map[string]string{"amount": "42000"}, Outcome: store.Attempted,
			})
			require.NoError(t, err)
			e := amountBecomes("42000", time.Now())
			e.ChangeSource = "INTEGRATION"
			tc.change(&e)
			got := b.tell(e)
			require.Equal(t, 1, got.Events)
			require.Equal(t, tc.echo, got.Echoes == 1, fmt.Sprint(got))
			all, err := b.CRMEvents(context.Background(), b.org, 10)
			require.NoError(t, err)
			require.Equal(t, tc.echo, all[0].State == store.CRMEventEcho)
			require.NotEmpty(t, all[0].Outcome)
		})
	}
}
