package hubspot_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

func TestTheJournalTellsTheEventsOfWebhooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	var told []hubspot.WebhookEvent
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		events, err := hubspot.ParseWebhook(body)
		if err == nil {
			told = append(told, events...)
		}
	}))
	t.Cleanup(receiver.Close)
	webhooks := hubspottest.Webhooks{TargetURL: receiver.URL, Manual: true, Subscriptions: []hubspottest.Subscription{
		{Type: "contact.privacyDeletion"}, {Type: "contact.associationChange"}, {Type: "object.propertyChange", ObjectType: "contact", PropertyName: "firstname"},
	}}
	for _, kind := range []string{"creation", "deletion", "merge"} {
		webhooks.Subscriptions = append(webhooks.Subscriptions, hubspottest.Subscription{Type: "object." + kind, ObjectType: "contact"})
	}
	_, err := b.sim.SetWebhooks(b.oauth.ClientID, webhooks)
	require.NoError(t, err)
	token, err := b.oauth.ClientCredentials(ctx, append(hubspot.JournalScopes(), "crm.objects.contacts.read"))
	require.NoError(t, err)
	journal := b.client.As(token.AccessToken)
	for _, s := range []hubspot.JournalSubscription{
		{Type: hubspot.JournalObjects, HubID: hub, ObjectTypeID: "0-1", Properties: []string{"firstname"}},
		{Type: hubspot.JournalAssociations, HubID: hub, ObjectTypeID: "0-1", AssociatedTypeIDs: []string{"0-2"}},
		{Type: hubspot.JournalPrivacyDeletions, HubID: hub, ObjectTypeID: "0-1"},
	} {
		require.NoError(t, journal.SubscribeJournal(ctx, s))
		require.ErrorIs(t, journal.SubscribeJournal(ctx, s), hubspot.ErrConflict)
		s.HubID++
		require.ErrorIs(t, journal.SubscribeJournal(ctx, s), hubspot.ErrMissingScopes, "another account's")
	}

	create := func(object string, properties map[string]string) string {
		record, err := b.client.Create(ctx, object, hubspot.CreateInput{Properties: properties})
		require.NoError(t, err)
		return record.ID
	}
	kept, gone := create(hubspot.Contacts, map[string]string{"email": "ines@nord.example", "firstname": "Ines"}), create(hubspot.Contacts, map[string]string{"email": "i@nord.example"})
	company := create(hubspot.Companies, map[string]string{"name": "Nord"})
	require.NoError(t, b.sim.Associate(hub, "contacts", kept, "companies", company, true))
	require.NoError(t, b.sim.Merge(hub, "contacts", kept, gone))
	require.NoError(t, b.sim.Forget(hub, kept))
	require.NoError(t, b.sim.DeliverWebhooks(ctx))

	byWebhook, byJournal := map[string]string{}, map[string]string{}
	for _, e := range told {
		byWebhook[e.Key()] = e.Kind
	}
	entry, found, err := journal.NextJournalEntry(ctx, "")
	require.NoError(t, err)
	require.True(t, found)
	file, err := journal.JournalFile(ctx, entry)
	require.NoError(t, err)
	for _, e := range file.Events {
		for _, c := range e.Changes {
			byJournal[c.Key()] = c.Kind
		}
	}
	require.NotEmpty(t, byWebhook)
	require.Equal(t, byWebhook, byJournal)
	kinds := slices.Compact(slices.Sorted(maps.Values(byJournal)))
	require.Equal(t, []string{"associationChange", "creation", "deletion", "merge", "privacyDeletion", "propertyChange"}, kinds)
}

func TestWhatAFileOfTheJournalSays(t *testing.T) {
	t.Parallel()
	const at = `"portalId":991,"occurredAt":"2026-11-22T09:00:00.000Z"`
	for name, test := range map[string]struct {
		event string
		want  []string // kind, object type, object, and what else
	}{
		"changes, by property":          {`"action":"UPDATE","objectTypeId":"0-3","objectId":7,"propertyChanges":{"dealstage":"won","amount":100,"closed":true,"note":null}`, []string{"propertyChange 0-3 7 amount=100", "propertyChange 0-3 7 closed=true", "propertyChange 0-3 7 dealstage=won", "propertyChange 0-3 7 note="}},
		"values in objects":             {`"action":"UPDATE","objectTypeId":"0-3","objectId":"7","propertyChanges":{"amount":{"value":"5"},"dealstage":{"newValue":"won"}}`, []string{"propertyChange 0-3 7 amount=5", "propertyChange 0-3 7 dealstage=won"}},
		"changes of an odd shape":       {`"action":"UPDATE","objectTypeId":"0-3","objectId":7,"propertyChanges":["amount"]`, nil},
		"a creation with its values":    {`"action":"CREATE","objectTypeId":"0-1","objectId":7,"propertyChanges":{"email":"a@b.example"}`, []string{"creation 0-1 7", "propertyChange 0-1 7 email=a@b.example"}},
		"a merge that says what merged": {`"action":"MERGE","objectTypeId":"0-1","objectId":7,"mergedObjectIds":[8,"9"],"propertyChanges":{"hs_merged_object_ids":"8;9;5"}`, []string{"merge 0-1 7 8,9"}},
		"a merge by its property":       {`"action":"MERGE","objectTypeId":"0-1","objectId":7,"propertyChanges":{"hs_merged_object_ids":"8; 9"}`, []string{"merge 0-1 7 8,9"}},
		"a merge that says nothing":     {`"action":"MERGE","objectTypeId":"0-1","objectId":7`, []string{"merge 0-1 7 "}},
		"a privacy deletion":            {`"action":"GDPR_DELETE","objectId":7`, []string{"privacyDeletion 0-1 7"}},
		"one by its type":               {`"type":"gdpr_privacy_deletion","action":"DELETE","objectTypeId":"0-1","objectId":7`, []string{"privacyDeletion 0-1 7"}},
		"a link":                        {`"action":"ASSOCIATION_ADDED","fromObjectTypeId":"0-47","fromObjectId":7,"toObjectTypeId":"0-1","toObjectId":8`, []string{"associationChange 0-47  0-47_TO_CONTACT 7>8"}},
		"restored":                      {`"action":"RESTORE","objectTypeId":"0-2","objectId":7`, []string{"restore 0-2 7"}},
		"of a list":                     {`"action":"ADDED_TO_LIST","objectTypeId":"0-1","objectId":7`, nil},
		"a snapshot":                    {`"action":"SNAPSHOT","objectTypeId":"0-1","objectId":7,"propertyChanges":{"email":"a@b.example"}`, nil},
	} {
		client, _ := against(t, answer(http.StatusOK, `{"publishedAt":"2026-11-22T09:01:00Z","journalEvents":[{`+at+`,`+test.event+`}]}`))
		base := strings.TrimSuffix(strings.TrimPrefix(client.String(), "hubspot.Client("), ")")
		file, err := client.JournalFile(t.Context(), hubspot.JournalEntry{URL: base})
		require.NoError(t, err, name)
		require.Equal(t, 2026, file.PublishedAt.Year())
		require.Len(t, file.Events, 1, name)
		var got []string
		for _, c := range file.Events[0].Changes {
			require.EqualValues(t, 991, c.HubID)
			require.False(t, c.OccurredAt.IsZero())
			said := c.Kind + " " + c.ObjectTypeID + " " + c.ObjectID
			switch c.Kind {
			case hubspot.EventPropertyChange:
				said += " " + c.PropertyName + "=" + c.PropertyValue
			case hubspot.EventMerge:
				said += " " + strings.Join(c.MergedObjectIDs, ",")
			case hubspot.EventAssociationChange:
				said += " " + c.AssociationType + " " + c.FromObjectID + ">" + c.ToObjectID
			}
			got = append(got, said)
		}
		require.Equal(t, test.want, got, name)
	}
}
