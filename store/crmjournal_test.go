package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// byJournal is how the journal tells what a webhook tells: without a subscription,
// an app, an ID and a source.
func byJournal(e hubspot.WebhookEvent) hubspot.WebhookEvent {
	e.EventID, e.SubscriptionID, e.AppID, e.ChangeSource, e.Type = 0, 0, 0, "", "object."+e.Kind
	return e
}

func TestWebhookAndJournalTellOneEvent(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	at := time.Now().Truncate(time.Second).Add(120 * time.Millisecond)
	merge := func(gone ...string) hubspot.WebhookEvent {
		e := dealEvent(hubspot.EventMerge, at)
		e.PrimaryObjectID, e.MergedObjectIDs = "77", gone
		return e
	}
	later := func(e hubspot.WebhookEvent, d time.Duration) hubspot.WebhookEvent {
		e.OccurredAt = e.OccurredAt.Add(d)
		return e
	}
	anotherApp := func(e hubspot.WebhookEvent) hubspot.WebhookEvent {
		e.AppID, e.SubscriptionID, e.Type = 10, 6, "object."+e.Kind
		return e
	}
	for name, tc := range map[string]struct {
		webhook, journal []hubspot.WebhookEvent
		want             int
	}{
		"the same":                       {[]hubspot.WebhookEvent{amountBecomes("1", at)}, []hubspot.WebhookEvent{amountBecomes("1", at)}, 1},
		"to the second":                  {[]hubspot.WebhookEvent{amountBecomes("1", at)}, []hubspot.WebhookEvent{amountBecomes("1", at.Truncate(time.Second))}, 1},
		"another value at that time":     {[]hubspot.WebhookEvent{amountBecomes("1", at)}, []hubspot.WebhookEvent{amountBecomes("2", at.Truncate(time.Second))}, 2},
		"the same value later":           {[]hubspot.WebhookEvent{amountBecomes("1", at)}, []hubspot.WebhookEvent{later(amountBecomes("1", at), 3*time.Second)}, 2},
		"there and back within a second": {[]hubspot.WebhookEvent{amountBecomes("1", at), amountBecomes("2", at.Add(300*time.Millisecond)), amountBecomes("1", at.Add(600*time.Millisecond))}, nil, 3},
		"all of that to the second": {
			[]hubspot.WebhookEvent{amountBecomes("1", at), amountBecomes("2", at.Add(300*time.Millisecond)), amountBecomes("1", at.Add(600*time.Millisecond))},
			[]hubspot.WebhookEvent{amountBecomes("1", at.Truncate(time.Second)), amountBecomes("2", at.Truncate(time.Second))},
			5, // in doubt it is kept
		},
		"a deletion":                        {[]hubspot.WebhookEvent{dealEvent(hubspot.EventDeletion, at)}, []hubspot.WebhookEvent{later(dealEvent(hubspot.EventDeletion, at), time.Second)}, 1},
		"a deletion and a restoration":      {[]hubspot.WebhookEvent{dealEvent(hubspot.EventDeletion, at)}, []hubspot.WebhookEvent{dealEvent(hubspot.EventRestore, at)}, 2},
		"a merge":                           {[]hubspot.WebhookEvent{merge("78")}, []hubspot.WebhookEvent{later(merge("78"), time.Second)}, 1},
		"a merge that names less":           {[]hubspot.WebhookEvent{merge("78", "79")}, []hubspot.WebhookEvent{merge()}, 1},
		"a merge that names more":           {[]hubspot.WebhookEvent{merge("78")}, []hubspot.WebhookEvent{merge("78", "79")}, 2},
		"two apps' webhooks of one event":   {[]hubspot.WebhookEvent{amountBecomes("1", at), anotherApp(amountBecomes("1", at))}, nil, 1},
		"a record of another account":       {nil, []hubspot.WebhookEvent{func() hubspot.WebhookEvent { e := amountBecomes("1", at); e.HubID = 1002; return e }()}, 0},
		"an event that names no record":     {nil, []hubspot.WebhookEvent{func() hubspot.WebhookEvent { e := amountBecomes("1", at); e.ObjectID = ""; return e }()}, 1},
		"the journal's, twice in one file":  {nil, []hubspot.WebhookEvent{amountBecomes("1", at), amountBecomes("1", at)}, 1},
		"links, which nothing follows from": {[]hubspot.WebhookEvent{dealEvent(hubspot.EventAssociationChange, at)}, []hubspot.WebhookEvent{dealEvent(hubspot.EventAssociationChange, at)}, 1},
	} {
		for _, webhookFirst := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ctx := context.Background()
				org := storetest.Organization(t, s)
				s.NewConnectionForTest(t, org.ID, "connected")
				source, err := s.CreateSource(ctx, store.NewSource{OrganizationID: &org.ID, Platform: "hubspot", Name: "hubspot", Secrets: []store.Secret{"planted-client-secret"}}, store.Operator)
				require.NoError(t, err)
				app := store.App{ID: uuid.New(), OrganizationID: org.ID}
				journal := make([]hubspot.WebhookEvent, 0, len(tc.journal))
				for _, e := range tc.journal {
					journal = append(journal, byJournal(e))
				}
				tell := func(webhook bool) {
					if webhook && len(tc.webhook) > 0 {
						crmDelivery(t, s, source, tc.webhook...)
					}
					if !webhook {
						_, err := s.JournalCRM(ctx, app, journal)
						require.NoError(t, err)
					}
				}
				tell(webhookFirst)
				tell(!webhookFirst)
				_, err = s.JournalCRM(ctx, app, journal) // read again
				require.NoError(t, err)
				events, err := s.CRMEvents(ctx, org.ID, 100)
				require.NoError(t, err)
				want := tc.want
				if !webhookFirst && name == "a merge that names less" {
					want = 2 // what names more completes it
				}
				if !webhookFirst && name == "a merge that names more" {
					want = 1
				}
				require.Len(t, events, want, "webhook first: %t", webhookFirst)
			})
		}
	}
}

// An app's journal is its organization's.
func TestAJournalTellsItsOwnOrganization(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _ := storetest.New(t)
	first, second := storetest.Organization(t, s), storetest.Organization(t, s)
	s.NewConnectionForTest(t, first.ID, "connected")
	s.NewConnectionForTest(t, second.ID, "connected")
	waiting, err := s.JournalCRM(ctx, store.App{ID: uuid.New(), OrganizationID: second.ID}, []hubspot.WebhookEvent{byJournal(amountBecomes("1", time.Now()))})
	require.NoError(t, err)
	require.Equal(t, 1, waiting)
	for org, n := range map[uuid.UUID]int{first.ID: 0, second.ID: 1} {
		events, err := s.CRMEvents(ctx, org, 10)
		require.NoError(t, err)
		require.Len(t, events, n)
	}
}
