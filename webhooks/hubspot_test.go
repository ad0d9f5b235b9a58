package webhooks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

const (
	hubspotSecret = "hs-client-secret-3f1c9a"
	hubspotURL    = "https://debrief.example/webhooks/0190f7a1-0000-7000-8000-000000000001"
)

func hubspotV1(secret string, body []byte) string {
	sum := sha256.Sum256(append([]byte(secret), body...))
	return hex.EncodeToString(sum[:])
}

func hubspotV3(secret, uri string, at time.Time, body []byte) string {
	return base64.StdEncoding.EncodeToString(mac([]byte(secret), "POST", uri, string(body), strconv.FormatInt(at.UnixMilli(), 10)))
}

// hubspotHeader carries both signatures, as HubSpot may send them.
func hubspotHeader(secret, uri string, at time.Time, body []byte) http.Header {
	h := http.Header{}
	h.Set("X-HubSpot-Signature", hubspotV1(secret, body))
	h.Set("X-HubSpot-Signature-Version", "v1")
	h.Set("X-HubSpot-Signature-v3", hubspotV3(secret, uri, at, body))
	h.Set("X-HubSpot-Request-Timestamp", strconv.FormatInt(at.UnixMilli(), 10))
	return h
}

func TestVerifyHubSpot(t *testing.T) {
	t.Parallel()
	body := []byte(`[{"eventId":1}]`)
	at, err := url.Parse(hubspotURL)
	require.NoError(t, err)
	only := func(names ...string) func(http.Header) {
		return func(h http.Header) {
			kept := http.Header{}
			for _, name := range names {
				kept.Set(name, h.Get(name))
			}
			clear(h)
			maps.Copy(h, kept)
		}
	}
	v1, v3 := only("X-HubSpot-Signature", "X-HubSpot-Signature-Version"), only("X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp")
	then := func(all ...func(http.Header)) func(http.Header) {
		return func(h http.Header) {
			for _, f := range all {
				f(h)
			}
		}
	}
	set := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	for name, tc := range map[string]struct {
		change func(http.Header)
		secret string
		at     time.Time
		body   []byte
		want   error
	}{
		"both":                          {},
		"v1 alone":                      {change: v1},
		"v3 alone":                      {change: v3},
		"v3 wrong, v1 right":            {change: set("X-HubSpot-Signature-v3", "AAAA")},
		"v1 wrong, v3 right":            {change: set("X-HubSpot-Signature", "00")},
		"both, late, as a retry may be": {at: now.Add(-time.Hour)},
		"v3 alone, late":                {change: v3, at: now.Add(-6 * time.Minute), want: OutsideTimeWindow},
		"v3 alone, from the future":     {change: v3, at: now.Add(6 * time.Minute), want: OutsideTimeWindow},
		"v3 alone, without a time":      {change: then(v3, func(h http.Header) { h.Del("X-HubSpot-Request-Timestamp") }), want: OutsideTimeWindow},
		"v3 late, v1 wrong":             {change: set("X-HubSpot-Signature", "00"), at: now.Add(-time.Hour), want: WrongSignature},
		"none":                          {change: only("Content-Type"), want: MissingSignature},
		"twice":                         {change: then(v1, func(h http.Header) { h.Add("X-HubSpot-Signature", "00") }), want: MissingSignature},
		"a version that is not":         {change: then(v1, set("X-HubSpot-Signature-Version", "v9")), want: WrongSignature},
		"v1 that says v2":               {change: then(v1, set("X-HubSpot-Signature-Version", "v2")), want: WrongSignature},
		"no version":                    {change: then(v1, func(h http.Header) { h.Del("X-HubSpot-Signature-Version") }), want: WrongSignature},
		"another body":                  {body: []byte(`[{"eventId":2}]`), want: WrongSignature},
		"another app's secret":          {secret: "another-app's-secret", want: WrongSignature},
		"an empty secret signs nothing": {secret: " ", want: WrongSignature},
		"v2": {change: then(v1, set("X-HubSpot-Signature", func() string {
			s := sha256.Sum256([]byte(hubspotSecret + "POST" + hubspotURL + string(body)))
			return hex.EncodeToString(s[:])
		}()), set("X-HubSpot-Signature-Version", "v2"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := tc.at
			if sent.IsZero() {
				sent = now
			}
			header := hubspotHeader(hubspotSecret, hubspotURL, sent, body)
			if tc.change != nil {
				tc.change(header)
			}
			got, secret := body, hubspotSecret
			if tc.body != nil {
				got = tc.body
			}
			if tc.secret != "" {
				secret = tc.secret
			}
			err := hubspotSignature{}.Verify(Request{URL: at, Header: header, Body: got}, secret, now)
			if tc.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tc.want, err)
		})
	}
}

func TestHubSpotBodies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		n    int
	}{
		"one":                        {`[{"eventId":1,"portalId":33,"subscriptionType":"deal.deletion","objectId":7}]`, 1},
		"numbers as strings":         {`[{"eventId":"1","portalId":"33","subscriptionType":"deal.deletion","objectId":"7"}]`, 1},
		"a type of the older name":   {`[{"portalId":33,"eventType":"deal.deletion","objectId":7}]`, 1},
		"one of two without account": {`[{"subscriptionType":"deal.deletion"},{"portalId":33,"subscriptionType":"deal.deletion"}]`, 1},
		"none with an account":       {`[{"subscriptionType":"deal.deletion"}]`, 0},
		"empty":                      {`[]`, 0},
		"an object":                  {`{"portalId":33}`, 0},
		"truncated":                  {`[{"portalId":33`, 0},
		"null":                       {`null`, 0},
		"nested":                     {string(bytes.Repeat([]byte("["), 100_000)), 0},
		"too many":                   {"[" + string(bytes.Repeat([]byte(`{"portalId":33,"subscriptionType":"deal.deletion"},`), hubspotEvents)) + `{"portalId":33,"subscriptionType":"deal.deletion"}]`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := hubspotMapping{}.changes([]byte(tc.body))
			if tc.n == 0 {
				var unfit Unfit
				require.ErrorAs(t, err, &unfit)
				return
			}
			require.NoError(t, err)
			require.Len(t, events, tc.n)
		})
	}
}

func FuzzHubSpot(f *testing.F) {
	f.Add([]byte(`[{"eventId":1,"portalId":33,"appId":9,"subscriptionType":"contact.propertyChange","objectId":7,"propertyName":"email","propertyValue":"a@b.example","occurredAt":1760000000000}]`))
	f.Add([]byte(`[{"portalId":33,"subscriptionType":"object.merge","objectTypeId":"0-3","primaryObjectId":1,"mergedObjectIds":[2],"newObjectId":3}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := hubspotMapping{}.changes(body)
		var unfit Unfit
		require.True(t, err == nil || errors.As(err, &unfit))
		for _, e := range events {
			require.NotZero(t, e.HubID)
			require.NotEmpty(t, e.Key())
		}
	})
}

type tellerFunc func(context.Context, store.CRMRecord) error

func (f tellerFunc) TellCRM(ctx context.Context, r store.CRMRecord) error { return f(ctx, r) }

// What users do in HubSpot reaches the workflows of the records: from the simulator
// through the endpoint and the relay, every batch twice and the newest event first.
func TestHubSpotTellsOfRecords(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	sim := hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(sim.Close)
	const client, hub = "debrief", 4711
	sim.AddApp(hubspottest.App{ClientID: client, ClientSecret: hubspotSecret, Name: "Debrief", RequiredScopes: []string{"oauth", "crm.objects.contacts.read", "crm.objects.deals.read"}})
	sim.AddPortal(hubspottest.Portal{HubID: hub, Settings: hubspottest.Settings{NoRateLimits: true}})
	user := sim.AddUser(hub, hubspottest.User{Email: "ada@acme.example", SuperAdmin: true})
	sim.Token(client, hub, user.ID, "oauth", "crm.objects.contacts.read", "crm.objects.deals.read")
	source, err := b.store.CreateSource(ctx, store.NewSource{Platform: "hubspot", Name: "hubspot", Secrets: []store.Secret{hubspotSecret}}, store.Operator)
	require.NoError(t, err)

	receiver := NewReceiver(ReceiverOptions{Store: b.store, Platforms: Platforms(), Log: zerolog.Nop()})
	engine := gin.New()
	receiver.Register(engine)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	receiver.publicURL = server.URL
	_, err = sim.SetWebhooks(client, hubspottest.Webhooks{
		TargetURL: server.URL + "/webhooks/" + source.ID.String(), Manual: true, Duplicates: 1, NewestFirst: true,
		Subscriptions: []hubspottest.Subscription{
			{Type: "object.propertyChange", ObjectType: "deal", PropertyName: "amount"},
			{Type: "object.merge", ObjectType: "deal"},
			{Type: "object.deletion", ObjectType: "contact"},
			{Type: "contact.privacyDeletion"},
		},
	})
	require.NoError(t, err)
	add := func(objectType string, properties map[string]string) string {
		r, err := sim.Add(hub, objectType, hubspottest.Seed{Properties: properties})
		require.NoError(t, err)
		return r.ID
	}
	deal, gone, contact := add("deals", map[string]string{"dealname": "Renewal", "dealstage": "appointmentscheduled", "pipeline": "default"}), add("deals", map[string]string{"dealname": "Renewal again", "dealstage": "appointmentscheduled", "pipeline": "default"}), add("contacts", map[string]string{"email": "jane@northwind.example"})
	require.NoError(t, sim.Edit(hub, "deals", deal, map[string]string{"amount": "42000"}))
	require.NoError(t, sim.Merge(hub, "deals", deal, gone))
	require.NoError(t, sim.Forget(hub, contact))
	require.NoError(t, sim.DeliverWebhooks(ctx))
	for _, d := range sim.Deliveries() {
		require.Equal(t, http.StatusOK, d.Status)
	}

	// Nobody has connected the account: it is kept, and listed.
	b.understandAll(t)
	stored := b.stored(t)
	require.NotEmpty(t, stored)
	for _, d := range stored {
		require.Equal(t, store.DeliveryUnrouted, d.State)
	}
	_, err = b.store.ImportToken(ctx, b.organization.ID, "main", store.Granted{HubID: hub, Scopes: []string{"oauth"}}, "a token", store.Operator)
	require.NoError(t, err)

	var mu sync.Mutex
	told := map[store.CRMRecord]int{}
	record := func(object, id string) store.CRMRecord {
		return store.CRMRecord{OrganizationID: b.organization.ID, HubID: hub, Object: object, ID: id}
	}
	away := true
	relay := NewRelay(RelayOptions{Store: b.store, Platforms: Platforms(), Log: zerolog.Nop(), Interval: 20 * time.Millisecond, CRM: tellerFunc(func(_ context.Context, r store.CRMRecord) error {
		mu.Lock()
		defer mu.Unlock()
		if away {
			away = false
			return fmt.Errorf("Temporal is away")
		}
		told[r]++
		return nil
	})})
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); relay.Run(running) }()
	defer func() { stop(); <-done }()
	require.Eventually(t, func() bool {
		b.sql(t, `update crm_events set next_attempt_at = now() where state = 'received' and attempts = 1 and next_attempt_at < now() + interval '1 minute'`)
		mu.Lock()
		defer mu.Unlock()
		return told[record("deal", deal)] > 0 && told[record("contact", contact)] > 0
	}, 20*time.Second, 50*time.Millisecond, "also after the first could not be told")

	events, err := b.store.CRMEvents(ctx, b.organization.ID, 100)
	require.NoError(t, err)
	kinds := map[string]int{}
	for _, e := range events {
		kinds[e.Kind]++
	}
	require.Equal(t, 1, kinds[hubspot.EventPrivacyDeletion], "once, however often it was delivered")
	require.Equal(t, 1, kinds[hubspot.EventMerge])
	for _, d := range b.stored(t) {
		require.Equal(t, store.DeliveryUnderstood, d.State)
		raw, err := json.Marshal(d)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "northwind")
	}
}
