package hubspottest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

const (
	journalAt       = "/webhooks-journal/journal/2026-09"
	subscriptionsAt = "/webhooks-journal/subscriptions/2026-09"
	journalScopes   = "developer.webhooks_journal.read developer.webhooks_journal.subscriptions.read developer.webhooks_journal.subscriptions.write"
)

func (s *sim) appToken(scope string) string {
	s.t.Helper()
	a := s.form("/oauth/2026-09/token", "grant_type", "client_credentials", "client_id", client, "client_secret", secret, "scope", scope)
	require.Equal(s.t, 200, a.status, a.text)
	require.NotContains(s.t, a.body, "refresh_token")
	require.EqualValues(s.t, 1800, a.body["expires_in"])
	return a.body["access_token"].(string)
}

// file follows an answer of the journal to its events.
func (s *sim) file(a answer) answer {
	s.t.Helper()
	require.Equal(s.t, 200, a.status, a.text)
	return s.send("GET", strings.TrimPrefix(a.body["url"].(string), s.URL), "", "", "")
}

func TestJournalOfInstallations(t *testing.T) {
	t.Parallel()
	s := setup(t)
	token := s.appToken(journalScopes)
	get := func(path string) answer { return s.send("GET", path, "", "", token) }
	post := func(body string) answer { return s.send("POST", subscriptionsAt, "application/json", body, token) }
	made := post(`{"subscriptionType":"APP_LIFECYCLE_EVENT","eventTypeId":"4-1916193","properties":[]}`)
	require.Equal(t, 201, made.status, made.text)
	require.Equal(t, 409, post(`{"subscriptionType":"APP_LIFECYCLE_EVENT","eventTypeId":"4-1916193","properties":[]}`).status)
	require.Equal(t, 201, post(`{"subscriptionType":"APP_LIFECYCLE_EVENT","eventTypeId":"4-1909196","properties":[]}`).status)
	require.Equal(t, 400, post(`{"subscriptionType":"APP_LIFECYCLE_EVENT","eventTypeId":"4-1"}`).status)
	require.Equal(t, 400, post(`{"subscriptionType":"WEATHER"}`).status)
	require.Len(t, get(subscriptionsAt).body["results"], 2)

	none := get(journalAt + "/earliest")
	require.Equal(t, 204, none.status)
	require.Empty(t, none.text)

	s.AddPortal(hubspottest.Portal{HubID: 88})
	s.Token(client, 88, 1)
	s.Token(client, 88, 1) // the second is no installation
	first := get(journalAt + "/earliest")
	file := s.file(first)
	require.Equal(t, first.body["currentOffset"], file.body["offset"])
	require.NotEmpty(t, file.body["publishedAt"])
	require.Len(t, file.body["journalEvents"], 1)
	require.Equal(t, "app_lifecycle_event", file.at("journalEvents.0.type"))
	require.Equal(t, "APP_INSTALL", file.at("journalEvents.0.action"))
	require.EqualValues(t, 88, file.at("journalEvents.0.portalId"))

	next := journalAt + "/offset/" + first.body["currentOffset"].(string) + "/next"
	require.Equal(t, 204, get(next).status)
	s.Uninstall(88, client)
	second := s.file(get(next))
	require.Equal(t, "APP_UNINSTALL", second.at("journalEvents.0.action"))
	require.Equal(t, second.body["offset"], s.file(get(journalAt + "/latest")).body["offset"])
	require.Equal(t, first.body["currentOffset"], get(journalAt + "/earliest").body["currentOffset"], "it can be read again")
	require.Equal(t, 404, get(journalAt+"/offset/nothing/next").status)

	address := strings.TrimPrefix(get(journalAt + "/earliest").body["url"].(string), s.URL)
	require.Equal(t, 400, s.send("GET", address, "", "", token).status, "a token is not wanted there")
	s.Advance(5 * time.Minute)
	require.Equal(t, 403, s.send("GET", address, "", "", "").status, "the address has expired")
	s.Advance(15 * time.Minute)
	again := s.appToken(journalScopes)
	require.Equal(t, 200, s.send("GET", journalAt+"/earliest", "", "", again).status)
	s.Advance(73 * time.Hour)
	late := s.appToken(journalScopes)
	require.Equal(t, 204, s.send("GET", journalAt+"/earliest", "", "", late).status, "it goes back three days")

	id := made.text[strings.Index(made.text, `"id":`)+5:]
	id = id[:strings.IndexAny(id, ",}")]
	require.Equal(t, 200, s.send("GET", subscriptionsAt+"/"+id, "", "", late).status)
	require.Equal(t, 204, s.send("DELETE", subscriptionsAt+"/"+id, "", "", late).status)
	require.Equal(t, 404, s.send("GET", subscriptionsAt+"/"+id, "", "", late).status)
}

func TestJournalOfRecords(t *testing.T) {
	t.Parallel()
	s := setup(t)
	token := s.appToken(journalScopes + " crm.objects.contacts.read")
	post := func(body string) answer { return s.send("POST", subscriptionsAt, "application/json", body, token) }
	require.Equal(t, 201, post(`{"subscriptionType":"OBJECT","portalId":77,"objectTypeId":"0-1","actions":["CREATE","UPDATE"],"properties":["firstname"],"objectIds":[]}`).status)
	require.Equal(t, 201, post(`{"subscriptionType":"ASSOCIATION","portalId":77,"objectTypeId":"0-1","actions":["ASSOCIATION_ADDED","ASSOCIATION_REMOVED"],"associatedObjectTypeIds":["0-2"],"objectIds":[]}`).status)
	require.Equal(t, 201, post(`{"subscriptionType":"GDPR_PRIVACY_DELETION","portalId":77,"objectTypeId":"0-1","actions":["GDPR_DELETE"]}`).status)
	for body, status := range map[string]int{
		`{"subscriptionType":"OBJECT","objectTypeId":"0-1","actions":["CREATE"],"properties":[]}`:                400, // an account is needed
		`{"subscriptionType":"OBJECT","objectTypeId":"0-1","portalId":5,"actions":["CREATE"],"properties":[]}`:   403, // where it is installed
		`{"subscriptionType":"OBJECT","objectTypeId":"0-2","portalId":77,"actions":["CREATE"],"properties":[]}`:  403, // and with the scope of the records
		`{"subscriptionType":"OBJECT","objectTypeId":"0-99","portalId":77,"actions":["CREATE"],"properties":[]}`: 400,
		`{"subscriptionType":"OBJECT","objectTypeId":"0-1","portalId":77,"actions":["CREATE"]}`:                  400,
		`{"subscriptionType":"OBJECT","objectTypeId":"0-1","portalId":77,"properties":[]}`:                       400,
		`{"subscriptionType":"ASSOCIATION","portalId":77,"objectTypeId":"0-1","actions":["ASSOCIATION_ADDED"]}`:  400,
	} {
		require.Equal(t, status, post(body).status, body)
	}

	contact := s.create("contacts", `{"email":"a@x.example","firstname":"Ines","lastname":"Mora"}`)
	company := s.create("companies", `{"name":"C"}`)
	s.api("PUT", objects+"contacts/"+contact+"/associations/default/companies/"+company, "")
	s.api("POST", objects+"contacts/gdpr-delete", `{"objectId":"`+contact+`"}`)
	file := s.file(s.send("GET", journalAt+"/earliest", "", "", token))
	var got []string
	for _, e := range file.body["journalEvents"].([]any) {
		event := e.(map[string]any)
		got = append(got, event["type"].(string)+" "+event["action"].(string))
	}
	require.Equal(t, []string{"object CREATE", "object UPDATE", "association ASSOCIATION_ADDED", "gdpr_privacy_deletion GDPR_DELETE"}, got, file.text)
	require.Equal(t, "Ines", file.at("journalEvents.1.propertyChanges.firstname"))
	require.Equal(t, "0-2", file.at("journalEvents.2.toObjectTypeId"))

	require.Equal(t, 204, s.send("DELETE", subscriptionsAt+"/portals/77", "", "", token).status)
	require.Empty(t, s.send("GET", subscriptionsAt, "", "", token).body["results"])
}

func TestJournalOfMerges(t *testing.T) {
	t.Parallel()
	for shape, want := range map[string]string{"": "mergedObjectIds", "property": "propertyChanges", "bare": ""} {
		s := setup(t)
		s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes, JournalMerges: shape, JournalUnruly: true})
		token := s.appToken(journalScopes + " crm.objects.contacts.read")
		body := `{"subscriptionType":"OBJECT","portalId":77,"objectTypeId":"0-1","actions":["CREATE","MERGE"],"properties":[]}`
		require.Equal(t, 201, s.send("POST", subscriptionsAt, "application/json", body, token).status)
		kept, gone := s.create("contacts", `{"email":"a@x.example"}`), s.create("contacts", `{"email":"b@x.example"}`)
		s.api("POST", objects+"contacts/merge", `{"primaryObjectId":"`+kept+`","objectIdToMerge":"`+gone+`"}`)
		events := s.file(s.send("GET", journalAt+"/earliest", "", "", token)).body["journalEvents"].([]any)
		require.Len(t, events, 6, "each twice")
		merge := events[0].(map[string]any)
		require.Equal(t, "MERGE", merge["action"], "the latest first")
		for _, name := range []string{"mergedObjectIds", "propertyChanges"} {
			require.Equal(t, name == want, merge[name] != nil, "%s: %s", shape, name)
		}
	}
}

func TestJournalTakesTheAppsOwnTokenAlone(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Equal(t, 401, s.api("GET", journalAt+"/earliest", "").status, "an account's token")
	token := s.appToken("developer.webhooks_journal.subscriptions.read")
	refused := s.send("GET", journalAt+"/earliest", "", "", token)
	require.Equal(t, 403, refused.status)
	require.Equal(t, "MISSING_SCOPES", refused.body["category"])
	require.Equal(t, 401, s.send("GET", objects+"contacts", "", "", token).status, "it opens no account")
	bad := s.form("/oauth/2026-09/token", "grant_type", "client_credentials", "client_id", client, "client_secret", secret, "scope", "nonsense")
	require.Equal(t, 400, bad.status)
	require.Equal(t, "BAD_SCOPES", bad.body["status"])
}

func TestJournalSwitches(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes, JournalEmptyIs404: true, JournalUpserts: true})
	token := s.appToken(journalScopes)
	require.Equal(t, 404, s.send("GET", journalAt+"/earliest", "", "", token).status)
	body := `{"subscriptionType":"APP_LIFECYCLE_EVENT","eventTypeId":"4-1909196"}`
	require.Equal(t, 201, s.send("POST", subscriptionsAt, "application/json", body, token).status)
	require.Equal(t, 200, s.send("POST", subscriptionsAt, "application/json", body, token).status)
}

func TestJournalHasALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	s := frozen(t, hubspottest.Settings{BurstLimit: 1})
	token := s.appToken(journalScopes)
	for range 100 {
		require.Equal(t, 204, s.send("GET", journalAt+"/earliest", "", "", token).status)
	}
	require.Equal(t, 429, s.send("GET", journalAt+"/earliest", "", "", token).status)
	for range 50 {
		require.Equal(t, 200, s.send("GET", subscriptionsAt, "", "", token).status)
	}
	require.Equal(t, 429, s.send("GET", subscriptionsAt, "", "", token).status)
	require.Equal(t, 200, s.api("GET", objects+"contacts", "").status, "the account's limits are untouched")
}
