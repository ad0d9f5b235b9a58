package hubspot_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

func TestParseWebhook(t *testing.T) {
	t.Parallel()
	events, err := hubspot.ParseWebhook([]byte(`[
		{"eventId":7001,"subscriptionId":25,"portalId":991,"appId":31,"occurredAt":1700000000123,"subscriptionType":"contact.propertyChange",
		 "attemptNumber":2,"objectId":501,"propertyName":"lifecyclestage","propertyValue":"lead","changeSource":"CRM_UI","sourceId":"userId:12","isSensitive":true},
		{"eventType":"object.creation","objectTypeId":"2-77","objectId":"502","portalId":"991","changeFlag":"CREATED","occurredAt":"2026-11-22T09:00:00Z"},
		{"subscriptionType":"company.merge","portalId":991,"primaryObjectId":1,"mergedObjectIds":[2,3],"newObjectId":4,"numberOfPropertiesMoved":9},
		{"subscriptionType":"deal.associationChange","portalId":991,"associationType":"DEAL_TO_CONTACT","fromObjectId":8,"toObjectId":9,"associationRemoved":true,"isPrimaryAssociation":false}
	]`))
	require.NoError(t, err)
	require.Equal(t, []hubspot.WebhookEvent{
		{
			EventID: 7001, SubscriptionID: 25, AppID: 31, HubID: 991, OccurredAt: time.Date(2023, 11, 14, 22, 13, 20, 123_000_000, time.UTC),
			Type: "contact.propertyChange", Kind: hubspot.EventPropertyChange, ObjectTypeID: "0-1", ObjectID: "501", AttemptNumber: 2,
			PropertyName: "lifecyclestage", PropertyValue: "lead", ChangeSource: "CRM_UI", SourceID: "userId:12", Sensitive: true,
		},
		{
			HubID: 991, OccurredAt: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Type: "object.creation", Kind: hubspot.EventCreation,
			ObjectTypeID: "2-77", ObjectID: "502", ChangeFlag: "CREATED",
		},
		{
			HubID: 991, Type: "company.merge", Kind: hubspot.EventMerge, ObjectTypeID: "0-2",
			PrimaryObjectID: "1", MergedObjectIDs: []string{"2", "3"}, NewObjectID: "4",
		},
		{
			HubID: 991, Type: "deal.associationChange", Kind: hubspot.EventAssociationChange, ObjectTypeID: "0-3",
			AssociationType: "DEAL_TO_CONTACT", FromObjectID: "8", ToObjectID: "9", AssociationRemoved: true,
		},
	}, events)

	for _, body := range []string{"", "null", "{}", `"x"`, `[1]`, `[{}`, `{"subscriptionType":"contact.creation"}`} {
		events, err := hubspot.ParseWebhook([]byte(body))
		require.ErrorIs(t, err, hubspot.ErrWebhookBody, body)
		require.Empty(t, events)
	}
	none, err := hubspot.ParseWebhook([]byte(`[]`))
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestTheSimulatorsWebhooks: signed, delivered twice and read.
func TestTheSimulatorsWebhooks(t *testing.T) {
	t.Parallel()
	for _, older := range []bool{false, true} {
		b := setup(t)
		type received struct {
			v1, v3 error
			events []hubspot.WebhookEvent
		}
		deliveries := make(chan received, 100)
		var target string
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			events, _ := hubspot.ParseWebhook(body)
			deliveries <- received{
				v1:     hubspot.VerifyV1(secret, body, r.Header.Get("X-HubSpot-Signature")),
				v3:     hubspot.VerifyV3(secret, r.Method, target, body, r.Header.Get("X-HubSpot-Signature-v3"), r.Header.Get("X-HubSpot-Request-Timestamp"), b.sim.Now()),
				events: events,
			}
		}))
		t.Cleanup(srv.Close)
		target = srv.URL + "/hooks?from=hubspot"
		_, err := b.sim.SetWebhooks(clientID, hubspottest.Webhooks{
			TargetURL: target, Manual: true, Duplicates: 1, OlderShape: older,
			Subscriptions: []hubspottest.Subscription{
				{Type: "contact.creation"},
				{Type: "contact.propertyChange", PropertyName: "firstname"},
				{Type: "object.deletion", ObjectType: "contacts"},
				{Type: "contact.associationChange"},
			},
		})
		require.NoError(t, err)

		ctx := t.Context()
		company := b.add(t, "companies", map[string]string{"name": "Harrow"})
		made, err := b.client.Create(ctx, hubspot.Contacts, hubspot.CreateInput{Properties: map[string]string{"email": "a@x.example"}})
		require.NoError(t, err)
		_, err = b.client.Update(ctx, hubspot.Contacts, made.ID, map[string]string{"firstname": "Ines"})
		require.NoError(t, err)
		require.NoError(t, b.client.AssociateDefault(ctx, hubspot.Contacts, made.ID, hubspot.Companies, company))
		require.NoError(t, b.client.Archive(ctx, hubspot.Contacts, made.ID))
		for range 2 { // the second time, what was taken comes again
			require.NoError(t, b.sim.DeliverWebhooks(ctx))
		}

		total, byKey := 0, map[string]hubspot.WebhookEvent{}
		for len(deliveries) > 0 {
			d := <-deliveries
			require.NoError(t, d.v1)
			require.NoError(t, d.v3)
			for _, e := range d.events {
				total++
				byKey[e.Key()] = e
				require.EqualValues(t, hub, e.HubID)
				require.Equal(t, "0-1", e.ObjectTypeID, e.Type)
				require.False(t, e.OccurredAt.IsZero())
			}
		}
		require.Equal(t, 2*len(byKey), total, "each came twice, under one key")
		kinds := map[string]hubspot.WebhookEvent{}
		for _, e := range byKey {
			kinds[e.Kind] = e
		}
		require.Equal(t, made.ID, kinds[hubspot.EventCreation].ObjectID)
		require.Equal(t, made.ID, kinds[hubspot.EventDeletion].ObjectID)
		require.Equal(t, "Ines", kinds[hubspot.EventPropertyChange].PropertyValue)
		require.NotEmpty(t, kinds[hubspot.EventAssociationChange].FromObjectID)
	}
}

func TestWebhookEventKey(t *testing.T) {
	t.Parallel()
	change := `{"eventId":1,"subscriptionId":25,"portalId":991,"appId":31,"occurredAt":1700000000123,"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":501,"propertyName":"phone","propertyValue":"1"}`
	association := `{"eventId":1,"subscriptionId":26,"portalId":991,"occurredAt":1700000000123,"subscriptionType":"contact.associationChange","associationType":"CONTACT_TO_COMPANY","fromObjectId":1,"toObjectId":2,"associationRemoved":false}`
	key := func(event string) string {
		events, err := hubspot.ParseWebhook([]byte("[" + event + "]"))
		require.NoError(t, err)
		return events[0].Key()
	}
	require.Equal(t, "991/propertyChange/0-1/501/1700000000123/phone", key(change))

	same := [][2]string{
		{`"attemptNumber":0`, `"attemptNumber":3`},
		{`"eventId":1`, `"eventId":2`},
		{`"objectId":501`, `"objectId":"501"`},
		{`"subscriptionId":25`, `"subscriptionId":27`},
		{`"appId":31`, `"appId":32`},
		{`"contact.propertyChange"`, `"object.propertyChange","objectTypeId":"0-1"`},
	}
	for _, s := range same {
		require.Equal(t, key(change), key(strings.Replace(change, s[0], s[1], 1)), s[1])
	}
	other := map[string][][2]string{
		change: {
			{`"portalId":991`, `"portalId":992`},
			{`"contact.propertyChange"`, `"deal.propertyChange"`},
			{`"objectId":501`, `"objectId":502`},
			{`"phone"`, `"mobilephone"`},
			{`1700000000123`, `1700000000124`},
		},
		association: {
			{`"fromObjectId":1`, `"fromObjectId":3`},
			{`"toObjectId":2`, `"toObjectId":3`},
			{`CONTACT_TO_COMPANY`, `CONTACT_TO_DEAL`},
			{`"associationRemoved":false`, `"associationRemoved":true`},
		},
		`{"eventId":1,"portalId":991,"subscriptionType":"contact.creation","objectId":1}`: {{`"eventId":1`, `"eventId":2`}},
		`{"portalId":991,"subscriptionType":"contact.merge","occurredAt":1,"primaryObjectId":1,"mergedObjectIds":[2],"newObjectId":3}`: {
			{`[2]`, `[4]`}, {`[2]`, `[2,4]`}, {`"newObjectId":3`, `"newObjectId":5`},
		},
		`{"portalId":991,"subscriptionType":"contact.propertyChange","objectId":"1/2","propertyName":"b","occurredAt":1}`: {{`"1/2"`, `"1\\/2"`}},
	}
	for event, changes := range other {
		for _, s := range changes {
			require.Contains(t, event, s[0])
			require.NotEqual(t, key(event), key(strings.Replace(event, s[0], s[1], 1)), s[1])
		}
	}
}
