package hubspottest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

type delivered struct {
	header http.Header
	raw    string
	events []map[string]any
}

// receiver takes webhooks and answers what it is told to.
type receiver struct {
	url string

	mu     sync.Mutex
	got    []delivered
	status int
	hang   chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: 200}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, _ := io.ReadAll(req.Body)
		d := delivered{header: req.Header, raw: string(raw)}
		_ = json.Unmarshal(raw, &d.events)
		r.mu.Lock()
		r.got = append(r.got, d)
		status, hang := r.status, r.hang
		r.mu.Unlock()
		if hang != nil {
			<-hang
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL + "/hooks?a=1&b=2%2F3"
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) deliveries() []delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivered(nil), r.got...)
}

func (r *receiver) events() []map[string]any {
	var out []map[string]any
	for _, d := range r.deliveries() {
		out = append(out, d.events...)
	}
	return out
}

func (s *sim) hooks(r *receiver, change func(*hubspottest.Webhooks), subscriptions ...hubspottest.Subscription) hubspottest.Webhooks {
	s.t.Helper()
	w := hubspottest.Webhooks{TargetURL: r.url, Manual: true, Subscriptions: subscriptions}
	if change != nil {
		change(&w)
	}
	w, err := s.SetWebhooks(client, w)
	require.NoError(s.t, err)
	return w
}

func (s *sim) deliver() { s.t.Helper(); require.NoError(s.t, s.DeliverWebhooks(s.t.Context())) }

func (s *sim) create(objectType, properties string) string {
	s.t.Helper()
	a := s.api("POST", objects+objectType, `{"properties":`+properties+`}`)
	require.Equal(s.t, 201, a.status, a.text)
	return a.body["id"].(string)
}

func sub(kind, objectType, property string) hubspottest.Subscription {
	return hubspottest.Subscription{Type: kind, ObjectType: objectType, PropertyName: property}
}

func TestWebhooksTellOfEachKindOfChange(t *testing.T) {
	t.Parallel()
	type kind struct {
		subscription hubspottest.Subscription
		do           func(*sim, string)
		want         map[string]any
	}
	tests := map[string]kind{
		"creation":         {sub("contact.creation", "", ""), func(s *sim, _ string) { s.create("contacts", `{"email":"new@x.example"}`) }, map[string]any{"changeFlag": "CREATED"}},
		"generic creation": {sub("object.creation", "0-2", ""), func(s *sim, _ string) { s.create("companies", `{"name":"N"}`) }, map[string]any{"changeFlag": "CREATED", "objectTypeId": "0-2"}},
		"deletion":         {sub("contact.deletion", "", ""), func(s *sim, id string) { s.api("DELETE", objects+"contacts/"+id, "") }, map[string]any{"changeFlag": "DELETED"}},
		"property": {sub("contact.propertyChange", "", "firstname"), func(s *sim, id string) {
			s.api("PATCH", objects+"contacts/"+id, `{"properties":{"firstname":"Ines","lastname":"Castell"}}`)
		}, map[string]any{"propertyName": "firstname", "propertyValue": "Ines"}},
		"by a user": {sub("object.propertyChange", "contacts", "firstname"), func(s *sim, id string) {
			require.NoError(s.t, s.Edit(hub, "contacts", id, map[string]string{"firstname": "Ida"}))
		}, map[string]any{"propertyValue": "Ida", "changeSource": "CRM_UI", "sourceId": "userId:1", "objectTypeId": "0-1"}},
		"restore": {sub("contact.restore", "", ""), func(s *sim, id string) {
			require.NoError(s.t, s.Archive(hub, "contacts", id))
			require.NoError(s.t, s.Restore(hub, "contacts", id))
		}, map[string]any{"changeFlag": "RESTORED", "changeSource": "CRM_UI"}},
		"privacy": {sub("contact.privacyDeletion", "", ""), func(s *sim, id string) {
			require.Equal(s.t, 204, s.api("POST", objects+"contacts/gdpr-delete", `{"objectId":"`+id+`"}`).status)
		}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := setup(t), newReceiver(t)
			id := s.create("contacts", `{"email":"a@x.example"}`)
			w := s.hooks(r, nil, tt.subscription)
			before := s.Now()
			tt.do(s, id)
			s.deliver()
			events := r.events()
			require.Len(t, events, 1)
			e := events[0]
			require.Equal(t, tt.subscription.Type, e["subscriptionType"])
			require.EqualValues(t, w.Subscriptions[0].ID, e["subscriptionId"])
			require.EqualValues(t, hub, e["portalId"])
			require.EqualValues(t, 0, e["attemptNumber"])
			require.NotZero(t, e["eventId"])
			require.NotZero(t, e["appId"])
			require.GreaterOrEqual(t, int64(e["occurredAt"].(float64)), before.UnixMilli())
			require.NotZero(t, e["objectId"])
			if tt.want["changeSource"] == nil {
				require.Equal(t, "INTEGRATION", e["changeSource"])
				require.Equal(t, fmt.Sprintf("%.0f", e["appId"]), e["sourceId"])
			}
			for k, v := range tt.want {
				require.Equal(t, v, e[k], k)
			}
		})
	}
}

func TestWebhooksOfAssociationsAndMerges(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	contact, other := s.create("contacts", `{"email":"a@x.example"}`), s.create("contacts", `{"email":"b@x.example","firstname":"B"}`)
	company := s.create("companies", `{"name":"C"}`)
	s.hooks(r, nil, sub("contact.associationChange", "", ""), sub("company.associationChange", "", ""), sub("object.merge", "contact", ""))
	at := objects + "contacts/" + contact + "/associations/companies/" + company
	s.api("PUT", at, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`)
	s.api("PUT", at, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`) // changes nothing
	s.api("DELETE", at, "")
	require.Equal(t, 200, s.api("POST", objects+"contacts/merge", `{"primaryObjectId":"`+contact+`","objectIdToMerge":"`+other+`"}`).status)
	s.deliver()
	events := r.events()
	require.Len(t, events, 5)
	require.Equal(t, "CONTACT_TO_COMPANY", events[0]["associationType"])
	require.Equal(t, contact, fmt.Sprintf("%.0f", events[0]["fromObjectId"]))
	require.Equal(t, company, fmt.Sprintf("%.0f", events[0]["toObjectId"]))
	require.Equal(t, true, events[0]["isPrimaryAssociation"])
	require.Equal(t, false, events[0]["associationRemoved"])
	require.NotContains(t, events[0], "objectId")
	require.Equal(t, "COMPANY_TO_CONTACT", events[1]["associationType"])
	require.Equal(t, true, events[2]["associationRemoved"])
	m := events[4]
	require.Equal(t, contact, fmt.Sprintf("%.0f", m["primaryObjectId"]))
	require.Equal(t, other, fmt.Sprintf("%.0f", m["mergedObjectIds"].([]any)[0]))
	require.Equal(t, m["primaryObjectId"], m["newObjectId"])
	require.EqualValues(t, 2, m["numberOfPropertiesMoved"], "firstname and the other address")
}

func TestWebhooksAreSigned(t *testing.T) {
	t.Parallel()
	for _, v2 := range []bool{false, true} {
		t.Run(fmt.Sprint("v2 ", v2), func(t *testing.T) {
			t.Parallel()
			s, r := setup(t), newReceiver(t)
			s.hooks(r, func(w *hubspottest.Webhooks) { w.SignV2 = v2 }, sub("contact.creation", "", ""))
			s.create("contacts", `{"email":"a@x.example"}`)
			s.deliver()
			d := r.deliveries()[0]
			older, version := secret+d.raw, "v1"
			if v2 {
				older, version = secret+"POST"+r.url+d.raw, "v2"
			}
			sum := sha256.Sum256([]byte(older))
			require.Equal(t, hex.EncodeToString(sum[:]), d.header.Get("X-HubSpot-Signature"))
			require.Equal(t, version, d.header.Get("X-HubSpot-Signature-Version"))
			mac := hmac.New(sha256.New, []byte(secret))
			decoded := r.url[:len(r.url)-len("2%2F3")] + "2/3"
			_, _ = io.WriteString(mac, "POST"+decoded+d.raw+d.header.Get("X-HubSpot-Request-Timestamp"))
			require.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), d.header.Get("X-HubSpot-Signature-v3"))
			require.Len(t, d.header.Get("X-HubSpot-Request-Timestamp"), 13, "milliseconds")
		})
	}
}

func TestWebhooksComeInBatchesOfAHundred(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	s.hooks(r, nil, sub("company.creation", "", ""))
	input := `{"properties":{"name":"C"}}`
	for _, n := range []int{100, 50} {
		body := `{"inputs":[` + input
		for range n - 1 {
			body += "," + input
		}
		require.Equal(t, 201, s.api("POST", objects+"companies/batch/create", body+`]}`).status)
	}
	s.deliver()
	var sizes []int
	for _, d := range r.deliveries() {
		sizes = append(sizes, len(d.events))
	}
	require.Equal(t, []int{100, 50}, sizes)
}

func TestWebhooksAreRepeatedAndTurnedAround(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	s.hooks(r, func(w *hubspottest.Webhooks) { w.NewestFirst, w.Duplicates, w.OlderShape = true, 2, true }, sub("contact.creation", "", ""))
	first, second := s.create("contacts", `{"email":"a@x.example"}`), s.create("contacts", `{"email":"b@x.example"}`)
	for range 5 {
		s.deliver()
	}
	got := r.deliveries()
	require.Len(t, got, 3, "once and twice more")
	require.Equal(t, second, fmt.Sprintf("%.0f", got[0].events[0]["objectId"]))
	require.Equal(t, first, fmt.Sprintf("%.0f", got[0].events[1]["objectId"]))
	require.Equal(t, got[0].raw, got[1].raw)
	require.Equal(t, "contact.creation", got[0].events[0]["eventType"])
	require.NotContains(t, got[0].events[0], "subscriptionType")
	require.Equal(t, "NEW", got[0].events[0]["changeFlag"])
}

func TestWebhooksAreRetriedTenTimesWithin24Hours(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	r.answer(500)
	s.hooks(r, func(w *hubspottest.Webhooks) { w.Manual = false }, sub("contact.creation", "", ""))
	s.create("contacts", `{"email":"a@x.example"}`)
	count := func(n int) func() bool { return func() bool { return len(s.Deliveries()) >= n } }
	require.Eventually(t, count(1), 5*time.Second, time.Millisecond)
	s.Advance(50 * time.Second)
	s.Advance(10 * time.Second)
	require.Eventually(t, count(2), 5*time.Second, time.Millisecond, "the first retry is due after a minute")
	s.Advance(24 * time.Hour)
	require.Eventually(t, count(11), 5*time.Second, time.Millisecond)
	s.Advance(24 * time.Hour)
	s.deliver()
	all := s.Deliveries()
	require.Len(t, all, 11, "then it is given up")
	for i, d := range all {
		require.Equal(t, i, d.Attempt)
		require.Equal(t, 500, d.Status)
		require.Equal(t, i == 10, d.GaveUp)
		require.EqualValues(t, i, r.deliveries()[i].events[0]["attemptNumber"])
	}
}

func TestAWebhookThatIsTakenIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	r.answer(404)
	s.hooks(r, nil, sub("contact.creation", "", ""))
	s.create("contacts", `{"email":"a@x.example"}`)
	s.deliver()
	r.answer(204)
	s.deliver()
	s.deliver()
	require.Len(t, r.deliveries(), 2)
	require.EqualValues(t, 1, r.events()[1]["attemptNumber"])
}

func TestASlowOrAbsentReceiverCountsAsAFailure(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	r.hang = make(chan struct{})
	t.Cleanup(func() { close(r.hang) })
	s.hooks(r, func(w *hubspottest.Webhooks) { w.Timeout = 20 * time.Millisecond }, sub("contact.creation", "", ""))
	s.create("contacts", `{"email":"a@x.example"}`)
	s.deliver()
	require.Zero(t, s.Deliveries()[0].Status)
	require.Contains(t, s.Deliveries()[0].Error, "deadline")
	s.hooks(r, func(w *hubspottest.Webhooks) { w.TargetURL = "http://127.0.0.1:1/" })
	s.deliver()
	require.Equal(t, 1, s.Deliveries()[1].Attempt)
	require.Zero(t, s.Deliveries()[1].Status)
}

// TestAnAnswerMayTakeFiveSeconds waits for them.
func TestAnAnswerMayTakeFiveSeconds(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	r.hang = make(chan struct{})
	t.Cleanup(func() { close(r.hang) })
	s.hooks(r, nil, sub("contact.creation", "", ""))
	s.create("contacts", `{"email":"a@x.example"}`)
	began := time.Now()
	s.deliver()
	require.InDelta(t, 5, time.Since(began).Seconds(), 2)
	require.Zero(t, s.Deliveries()[0].Status)
}

func TestWebhooksGoOnlyWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	s.AddPortal(hubspottest.Portal{HubID: 88})
	paused := sub("contact.creation", "", "")
	paused.Paused = true
	s.hooks(r, nil, sub("company.creation", "", ""), paused, sub("contact.propertyChange", "", "phone"), sub("object.creation", "0-3", ""))
	s.create("contacts", `{"email":"a@x.example"}`)
	_, err := s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "a seed is not told"}})
	require.NoError(t, err)
	elsewhere, err := s.Add(88, "companies", hubspottest.Seed{Properties: map[string]string{"name": "C"}})
	require.NoError(t, err)
	s.AddUser(88, hubspottest.User{ID: 9, Email: "z@z.example"})
	require.NoError(t, s.Edit(88, "companies", elsewhere.ID, map[string]string{"name": "D"}))
	s.deliver()
	require.Empty(t, r.events())

	s.create("companies", `{"name":"C"}`)
	s.Uninstall(hub, client)
	s.deliver()
	require.Empty(t, r.events(), "an app that was uninstalled hears nothing more")

	for _, bad := range []hubspottest.Subscription{{Type: "contact.explosion"}, {Type: "contact.propertyChange"}, {Type: "object.creation"}, {Type: "company.privacyDeletion"}, {Type: "product.associationChange"}} {
		_, err := s.SetWebhooks(client, hubspottest.Webhooks{TargetURL: r.url, Subscriptions: []hubspottest.Subscription{bad}})
		require.Error(t, err, bad.Type)
	}
	_, err = s.SetWebhooks("nobody", hubspottest.Webhooks{})
	require.Error(t, err)
}

func TestWebhooksByTheLegacyAPI(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	app := s.AddApp(hubspottest.App{ClientID: "legacy", ClientSecret: secret, RequiredScopes: scopes, DeveloperAPIKey: "dev-key"})
	call := func(method, path, body string) answer {
		return s.send(method, fmt.Sprintf("/webhooks/v3/%d/%s?hapikey=dev-key", app.AppID, path), "application/json", body, "")
	}
	require.Equal(t, 401, s.send("GET", fmt.Sprintf("/webhooks/v3/%d/settings", app.AppID), "", "", "").status)
	require.Equal(t, 404, call("GET", "settings", "").status)
	require.Equal(t, 400, call("PUT", "settings", `{"targetUrl":"nonsense"}`).status)
	require.Equal(t, 200, call("PUT", "settings", `{"targetUrl":"`+r.url+`","throttling":{"maxConcurrentRequests":6,"period":"SECONDLY"}}`).status)
	require.EqualValues(t, 6, call("GET", "settings", "").at("throttling.maxConcurrentRequests"))
	made := call("POST", "subscriptions", `{"eventType":"contact.creation","active":false}`)
	require.Equal(t, 201, made.status, made.text)
	require.Equal(t, 409, call("POST", "subscriptions", `{"eventType":"contact.creation","active":true}`).status)
	require.Equal(t, 400, call("POST", "subscriptions", `{"eventType":"contact.nothing","active":true}`).status)
	id := made.body["id"].(string)
	require.Equal(t, false, call("GET", "subscriptions/"+id, "").body["active"])
	require.Equal(t, true, call("PATCH", "subscriptions/"+id, `{"active":true}`).body["active"])
	require.Len(t, call("GET", "subscriptions", "").body["results"], 1)
	require.Equal(t, 207, call("POST", "subscriptions/batch/update", `{"inputs":[{"id":`+id+`,"active":true},{"id":1,"active":true}]}`).status)

	s.token, _ = s.Token("legacy", hub, admin)
	s.create("contacts", `{"email":"a@x.example"}`)
	require.Eventually(t, func() bool { return len(r.events()) == 1 }, 5*time.Second, time.Millisecond, "it goes out by itself")
	require.Equal(t, 204, call("DELETE", "subscriptions/"+id, "").status)
	require.Equal(t, 404, call("GET", "subscriptions/"+id, "").status)
	require.Equal(t, 204, call("DELETE", "settings", "").status)
}

func TestWebhooksByTheControlAPI(t *testing.T) {
	t.Parallel()
	s, r := setup(t), newReceiver(t)
	set := s.send("PUT", "/sim/webhooks", "application/json", `{"clientId":"app-1","targetUrl":"`+r.url+`","manual":true,"subscriptions":[{"subscriptionType":"object.creation","objectType":"contact"}]}`, "")
	require.Equal(t, 200, set.status, set.text)
	s.create("contacts", `{"email":"a@x.example"}`)
	require.Empty(t, r.events())
	require.Equal(t, 200, s.send("POST", "/sim/webhooks/deliver", "", "", "").status)
	require.Len(t, r.events(), 1)
	require.Contains(t, s.send("GET", "/sim/webhooks/deliveries", "", "", "").text, `"status":200`)
	require.Equal(t, 400, s.send("PUT", "/sim/webhooks", "application/json", `{"clientId":"nobody"}`, "").status)
}
