package store_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := storetest.New(t)
	org := storetest.Organization(t, s)
	added, err := s.AddWebhookEndpoint(ctx, store.WebhookEndpoint{OrganizationID: org.ID, Name: "dashboards", URL: "https://hooks.acme.example/x?key=planted"}, store.Operator)
	require.NoError(t, err)
	require.Equal(t, store.WebhookEvents(), added.Events, "all, where none is named")
	require.Len(t, added.Secrets, 1)
	encoded, ok := strings.CutPrefix(added.Secrets[0].Reveal(), "whsec_")
	require.True(t, ok)
	key, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	require.Len(t, key, 32)
	shown, err := json.Marshal(added)
	require.NoError(t, err)
	require.NotContains(t, string(shown), encoded)
	require.Empty(t, s.TextsForTest(t, `select 'clear' from webhook_endpoints e where e::text like '%`+encoded+`%'`))

	_, err = s.AddWebhookEndpoint(ctx, store.WebhookEndpoint{OrganizationID: org.ID, Name: "dashboards", URL: "https://hooks.acme.example/"}, store.Operator)
	refused(t, err, "of that name already")
	fresh, err := s.RotateWebhookSecret(ctx, org.ID, added.ID, store.Operator)
	require.NoError(t, err)
	all, err := s.WebhookEndpoints(ctx, org.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, added.Events, all[0].Events)
	require.Equal(t, []store.Secret{fresh, added.Secrets[0]}, all[0].Secrets, "for a day both sign")

	require.NoError(t, s.WebhookTried(ctx, all[0], "the endpoint is gone (410)", true))
	all, err = s.WebhookEndpoints(ctx, org.ID)
	require.NoError(t, err)
	require.NotNil(t, all[0].DisabledAt)
	require.NoError(t, s.WebhookTried(ctx, all[0], "the endpoint answered 500", false))
	all, err = s.WebhookEndpoints(ctx, org.ID)
	require.NoError(t, err)
	require.NotNil(t, all[0].DisabledAt, "it stays off until it takes something")
	require.NoError(t, s.WebhookTried(ctx, all[0], "", false))
	all, err = s.WebhookEndpoints(ctx, org.ID)
	require.NoError(t, err)
	require.Nil(t, all[0].DisabledAt)
	require.Empty(t, all[0].Problem)

	other, err := s.CreateOrganization(ctx, "other", []string{"other.example"}, store.Settings{}, store.Operator)
	require.NoError(t, err)
	theirs, err := s.WebhookEndpoints(ctx, other.ID)
	require.NoError(t, err)
	require.Empty(t, theirs)
	require.ErrorIs(t, s.RemoveWebhookEndpoint(ctx, other.ID, added.ID, store.Operator), store.ErrNotFound)
	_, err = s.RotateWebhookSecret(ctx, org.ID, uuid.New(), store.Operator)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, s.RemoveWebhookEndpoint(ctx, org.ID, added.ID, store.Operator))

	trail, err := s.AuditTrail(ctx, org.ID, store.AuditFilter{Kind: store.AuditOrganization})
	require.NoError(t, err)
	reasons := ""
	for _, e := range trail {
		reasons += e.Reason + "\n"
	}
	for _, part := range []string{" added, for briefing.ready", "another secret", "switched off", "switched on again", " removed"} {
		require.Contains(t, reasons, part)
	}
	require.NotContains(t, reasons, "planted")
}

func TestWhatIsNoWebhookEndpoint(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	org := storetest.Organization(t, s)
	for _, test := range []struct{ name, url, says string }{
		{"", "https://a.example/", "short name"},
		{"a\nb", "https://a.example/", "short name"},
		{strings.Repeat("a", 61), "https://a.example/", "short name"},
		{"a", "", "not one"},
		{"a", "a.example", "not one"},
		{"a", "https://", "not one"},
		{"a", "https://:443/", "not one"},
		{"a", "mailto:a@b.example", "not one"},
		{"a", "http://a.example/", "begin with https"},
		{"a", "ftp://a.example/", "begin with https"},
		{"a", "https://u:p@a.example/", "no user"},
		{"a", "https://a.example/#x", "no fragment"},
	} {
		_, err := s.AddWebhookEndpoint(t.Context(), store.WebhookEndpoint{OrganizationID: org.ID, Name: test.name, URL: test.url}, store.Operator)
		refused(t, err, test.says)
	}
	_, err := s.AddWebhookEndpoint(t.Context(), store.WebhookEndpoint{OrganizationID: org.ID, Name: "a", URL: "http://127.0.0.1:8000/x", Events: []store.NoticeKind{"briefing.lost"}}, store.Operator)
	refused(t, err, "there is no event")
	_, err = s.AddWebhookEndpoint(t.Context(), store.WebhookEndpoint{OrganizationID: org.ID, Name: "a", URL: "http://127.0.0.1:8000/x"}, store.Operator)
	require.NoError(t, err, "this machine")
}
