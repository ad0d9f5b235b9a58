package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// A webhook that only names a meeting waits while the platform refuses the key, and is
// got as soon as there is another one. Neither the key nor a word of the meeting is in
// the workflow's history or in a log.
func TestWhatAWebhookOnlyNamesIsFetched(t *testing.T) {
	t.Parallel()
	const goodKey, badKey = "key-Plumquilter-good", "key-Plumquilter-bad"
	var refused atomic.Int64
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer "+goodKey {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"errors":[{"message":"` + wordReason + `","code":"auth_failed"}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"data":{"transcript":{"id":"01FETCHED","title":"About ` + wordTitle + `","date":1791295290000,"duration":30,
			"organizer_email":"mara@brightwater.example","participants":["mara@brightwater.example","` + wordEmail + `"],
			"sentences":[{"speaker_name":"` + wordSpeaker + `","text":"It is ` + wordQuote + `.","start_time":1.5}],
			"summary":{"overview":"They want ` + wordSummary + `."},"meeting_info":{"summary_status":"processed"}}}}`))
	}))
	t.Cleanup(platform.Close)

	sc := shared.unconnected(t)
	source, err := shared.store.CreateSource(sc.ctx, store.NewSource{
		OrganizationID: &sc.org, Platform: "fireflies", Name: "fireflies", Secrets: []store.Secret{"a-webhook-secret-of-this-test"},
		Settings: store.SourceSettings{APIURL: platform.URL},
	}, store.Operator)
	require.NoError(t, err)
	require.NoError(t, shared.store.SetSourceCredentials(sc.ctx, source.ID, map[string]store.Secret{"api_key": badKey}, store.Operator))

	body := []byte(`{"event":"meeting.summarized","timestamp":1791298200000,"meeting_id":"01FETCHED"}`)
	sum := hmac.New(sha256.New, []byte("a-webhook-secret-of-this-test"))
	sum.Write(body)
	request, err := http.NewRequestWithContext(sc.ctx, http.MethodPost, shared.PublicURL()+"/webhooks/"+source.ID.String(), bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("X-Hub-Signature", "sha256="+hex.EncodeToString(sum.Sum(nil)))
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)

	delivery := func() store.Delivery {
		all, err := shared.store.Deliveries(sc.ctx, store.DeliveryFilter{SourceID: source.ID})
		require.NoError(t, err)
		for _, d := range all {
			if d.Origin == store.OriginWebhook {
				return d
			}
		}
		return store.Delivery{}
	}
	sc.eventually("the platform to refuse the key", func() bool {
		now, err := shared.store.Source(sc.ctx, source.ID)
		require.NoError(t, err)
		return now.API.State() == "refused" && delivery().State == store.DeliveryFetching && delivery().Reason != ""
	})
	require.Contains(t, delivery().Reason, "fireflies refuses the credentials (401)")
	require.Contains(t, sc.run("sources", "list"), "refused")

	require.NoError(t, shared.store.SetSourceCredentials(sc.ctx, source.ID, map[string]store.Secret{"api_key": goodKey}, store.Operator))
	sc.eventually("the delivery to be understood", func() bool { return delivery().State == store.DeliveryUnderstood })
	d := delivery()
	require.NotNil(t, d.FetchedAt)
	require.Len(t, d.MeetingIDs, 1)
	met, err := shared.store.MeetingByID(sc.ctx, sc.org, d.MeetingIDs[0])
	require.NoError(t, err)
	require.Equal(t, "About "+wordTitle, met.Content.Title)

	temporal, err := client.DialContext(sc.ctx, client.Options{HostPort: shared.Temporal.FrontendAddr(), Namespace: devstack.Namespace})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	var history string
	events := temporal.GetWorkflowHistory(sc.ctx, workflows.DeliveryID(d.ID), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		raw, err := protojson.Marshal(event)
		require.NoError(t, err)
		history += string(raw)
	}
	require.NotEmpty(t, history)
	secret := append([]string{goodKey, badKey, "Plumquilter"}, words...)
	require.Empty(t, found(history, secret))
	require.Empty(t, found(shared.logs.String(), []string{goodKey, badKey, "Plumquilter"}))
}
