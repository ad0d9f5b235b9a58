package hubspottest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hub      = 77
	admin    = 1
	sales    = 2
	client   = "app-1"
	secret   = "not-a-real-secret"
	redirect = "https://debrief.example/callback"
	objects  = "/crm/objects/2026-09/"
)

var scopes = []string{
	"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read", "crm.objects.companies.write",
	"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
}

// sim is a simulator seen through plain HTTP, so that a mistake that it shares
// with the client is seen.
type sim struct {
	*hubspottest.Server
	t     *testing.T
	http  *http.Client
	token string
}

func setup(t *testing.T) *sim {
	t.Helper()
	s := hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(s.Close)
	s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, Name: "Debrief & Co", RedirectURIs: []string{redirect}, RequiredScopes: scopes, OptionalScopes: []string{"crm.schemas.deals.write"}})
	s.AddPortal(hubspottest.Portal{HubID: hub, Name: "Acme", Domain: "acme.example"})
	s.AddUser(hub, hubspottest.User{ID: admin, OwnerID: "31", Email: "ada@acme.example", SuperAdmin: true})
	s.AddUser(hub, hubspottest.User{ID: sales, OwnerID: "32", Email: "sam@acme.example"})
	token, _ := s.Token(client, hub, admin)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &sim{Server: s, t: t, token: token, http: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// path walks the body: "errors.0.code".
func (a answer) at(path string) any {
	var v any = a.body
	for part := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

func (s *sim) send(method, path, contentType, body, bearer string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := s.http.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	a := answer{status: res.StatusCode, header: res.Header, text: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (s *sim) api(method, path, body string) answer {
	s.t.Helper()
	return s.send(method, path, "application/json", body, s.token)
}

func (s *sim) form(path string, pairs ...string) answer {
	s.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return s.send("POST", path, "application/x-www-form-urlencoded", v.Encode(), "")
}

func (s *sim) authorize(scope, optional string) string {
	q := url.Values{"client_id": {client}, "redirect_uri": {redirect}, "scope": {scope}, "state": {"s t"}}
	if optional != "" {
		q.Set("optional_scope", optional)
	}
	return "/oauth/authorize?" + q.Encode()
}

func (s *sim) decide(address, account, decision string) answer {
	s.t.Helper()
	_, query, _ := strings.Cut(address, "?")
	v, err := url.ParseQuery(query)
	require.NoError(s.t, err)
	v.Set("account", account)
	v.Set("decision", decision)
	return s.send("POST", "/oauth/authorize", "application/x-www-form-urlencoded", v.Encode(), "")
}

func TestConsentPage(t *testing.T) {
	t.Parallel()
	s := setup(t)
	page := s.send("GET", s.authorize(strings.Join(scopes, " "), "crm.schemas.deals.write"), "", "", "")
	require.Equal(t, 200, page.status)
	for _, want := range []string{"Connect Debrief &amp; Co to HubSpot", "crm.objects.deals.write", "crm.schemas.deals.write", "Connect app", "Cancel", `value="77:1"`, "sam@acme.example"} {
		require.Contains(t, page.text, want)
	}
	back := s.decide(s.authorize(strings.Join(scopes, " "), "crm.schemas.deals.write"), "77:1", "connect")
	require.Equal(t, 302, back.status)
	to, err := url.Parse(back.header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "debrief.example", to.Host)
	require.Equal(t, "s t", to.Query().Get("state"))

	token := s.form("/oauth/2026-09/token", "grant_type", "authorization_code", "client_id", client, "client_secret", secret, "redirect_uri", redirect, "code", to.Query().Get("code"))
	require.Equal(t, 200, token.status)
	require.Equal(t, "bearer", token.body["token_type"])
	require.EqualValues(t, 1800, token.body["expires_in"])
	require.EqualValues(t, hub, token.body["hub_id"])
	require.EqualValues(t, admin, token.body["user_id"])
	require.Len(t, token.body["scopes"], 10)
	require.True(t, strings.HasPrefix(token.body["refresh_token"].(string), "na1-"))
}

func TestConsentRefusalsStayOnHubSpotsPage(t *testing.T) {
	t.Parallel()
	all := strings.Join(scopes, " ")
	tests := map[string]struct {
		address func(*sim) string
		account string
		before  func(*sim)
		want    string
	}{
		"a user without the role":    {func(s *sim) string { return s.authorize(all, "") }, "77:2", nil, "You do not have the correct role to grant these permissions"},
		"an account without a tool":  {func(s *sim) string { return s.authorize(all, "") }, "77:1", func(s *sim) { s.lack("tickets") }, "You do not have the correct role to grant these permissions"},
		"a required scope not asked": {func(s *sim) string { return s.authorize("oauth", "") }, "77:1", nil, "mismatch between the scopes"},
		"a scope not configured":     {func(s *sim) string { return s.authorize(all+" forms", "") }, "77:1", nil, "forms is not configured"},
		"another redirect": {func(s *sim) string {
			return strings.Replace(s.authorize(all, ""), url.QueryEscape(redirect), url.QueryEscape("https://evil.example/"), 1)
		}, "77:1", nil, "redirect URL"},
		"an unknown app": {func(s *sim) string { return strings.Replace(s.authorize(all, ""), client, "nobody", 1) }, "77:1", nil, "client ID"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			if tt.before != nil {
				tt.before(s)
			}
			got := s.decide(tt.address(s), tt.account, "connect")
			require.GreaterOrEqual(t, got.status, 400)
			require.Empty(t, got.header.Get("Location"), "nothing goes back to the app")
			require.Contains(t, got.header.Get("Content-Type"), "text/html")
			require.Contains(t, got.text, tt.want)
		})
	}
}

func (s *sim) lack(scope string) {
	s.AddPortal(hubspottest.Portal{HubID: hub, Name: "Acme", UnavailableScopes: []string{scope}})
}

func TestAnOptionalScopeThatThePlanLacksIsDropped(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.lack("crm.schemas.deals.write")
	back, err := s.Consent(s.URL+s.authorize(strings.Join(scopes, " "), "crm.schemas.deals.write"), hub, admin, true)
	require.NoError(t, err)
	to, err := url.Parse(back)
	require.NoError(t, err)
	token := s.form("/oauth/2026-09/token", "grant_type", "authorization_code", "client_id", client, "client_secret", secret, "redirect_uri", redirect, "code", to.Query().Get("code"))
	require.Equal(t, 200, token.status)
	require.NotContains(t, token.text, "crm.schemas.deals.write")
}

func TestCancelGoesEitherWay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	address := s.authorize(strings.Join(scopes, " "), "")
	require.Contains(t, s.decide(address, "77:1", "cancel").header.Get("Location"), "error=access_denied")
	s.Configure(hub, func(set *hubspottest.Settings) { set.CancelShowsPage = true })
	require.Empty(t, s.decide(address, "77:1", "cancel").header.Get("Location"))
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	s := setup(t)
	_, refresh := s.Token(client, hub, admin)
	at := "/oauth/2026-09/token"
	asJSON := s.send("POST", at, "application/json", fmt.Sprintf(`{"grant_type":"refresh_token","client_id":%q,"client_secret":%q,"refresh_token":%q}`, client, secret, refresh), "")
	require.Equal(t, 415, asJSON.status)
	inQuery := s.form(at+"?client_id="+client+"&client_secret="+secret, "grant_type", "refresh_token", "refresh_token", refresh)
	require.Equal(t, "BAD_CLIENT_ID", inQuery.body["status"], "nothing counts in the query")

	good := s.form(at, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", refresh)
	require.Equal(t, 200, good.status)
	require.Equal(t, refresh, good.body["refresh_token"], "refresh tokens do not rotate")
	for _, legacy := range []string{"/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-03/token"} {
		require.Equal(t, 200, s.form(legacy, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", refresh).status, legacy)
	}

	bad := s.form(at, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", "na1-nothing")
	require.Equal(t, 400, bad.status)
	require.Equal(t, map[string]any{
		"error": "invalid_grant", "error_description": "refresh token is invalid, expired or revoked",
		"status": "BAD_REFRESH_TOKEN", "message": "refresh token is invalid, expired or revoked",
	}, bad.body)
	require.Equal(t, "BAD_CLIENT_SECRET", s.form(at, "grant_type", "refresh_token", "client_id", client, "client_secret", "x", "refresh_token", refresh).body["status"])
	require.Equal(t, "unsupported_grant_type", s.form(at, "grant_type", "password", "client_id", client, "client_secret", secret).body["error"])

	about := s.form(at+"/introspect", "client_id", client, "client_secret", secret, "token", refresh, "token_type_hint", "refresh_token")
	require.Equal(t, true, about.body["active"])
	require.Equal(t, "refresh_token", about.body["token_use"])
	require.Equal(t, map[string]any{"active": false}, s.form(at+"/introspect", "client_id", client, "client_secret", secret, "token", "unknown").body)

	access := good.body["access_token"].(string)
	require.Equal(t, 200, s.form(at+"/revoke", "client_id", client, "client_secret", secret, "token", refresh, "token_type_hint", "refresh_token").status)
	require.Equal(t, 200, s.send("GET", "/account-info/2026-09/details", "", "", access).status, "the access token keeps working")
	require.Equal(t, "BAD_REFRESH_TOKEN", s.form(at, "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", refresh).body["status"])
	require.Equal(t, 204, s.send("DELETE", "/appinstalls/2026-09/external-install", "", "", access).status)
	require.Equal(t, 401, s.send("GET", "/account-info/2026-09/details", "", "", access).status)
}

func TestAuthenticationErrors(t *testing.T) {
	t.Parallel()
	s := setup(t)
	none := s.send("GET", objects+"contacts", "", "", "")
	require.Equal(t, 401, none.status)
	require.Equal(t, "INVALID_AUTHENTICATION", none.body["category"])
	require.Equal(t, "Authentication credentials not found.", none.body["message"])

	unreadable := s.send("GET", objects+"contacts", "", "", "nonsense")
	require.Equal(t, "EXPIRED_AUTHENTICATION", unreadable.body["category"])
	require.Equal(t, "1970-01-01T00:00:00.000Z", unreadable.at("context.expire time.0"))

	s.Advance(30*time.Minute + 75*time.Second)
	expired := s.api("GET", objects+"contacts", "")
	require.Equal(t, 401, expired.status)
	require.Regexp(t, `^The OAuth token used to make this call expired 7[5-9] second\(s\) ago\.$`, expired.body["message"])
	require.Equal(t, expired.body["correlationId"], expired.header.Get("X-HubSpot-Correlation-Id"))

	narrow, _ := s.Token(client, hub, admin, "oauth")
	refused := s.send("GET", objects+"deals", "", "", narrow)
	require.Equal(t, 403, refused.status)
	require.Equal(t, "MISSING_SCOPES", refused.body["category"])
	require.Equal(t, "crm.objects.deals.read", refused.at("errors.0.context.requiredGranularScopes.0"))
}

func TestValidation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ objectType, properties, name, code string }{
		"unknown property":      {"contacts", `{"nope":"1"}`, "nope", "PROPERTY_DOESNT_EXIST"},
		"e-mail":                {"contacts", `{"email":"a@b"}`, "email", "INVALID_EMAIL"},
		"e-mail with a name":    {"contacts", `{"email":"A <a@b.example>"}`, "email", "INVALID_EMAIL"},
		"enumeration":           {"contacts", `{"lifecyclestage":"LEAD"}`, "lifecyclestage", "INVALID_OPTION"},
		"owner by user ID":      {"contacts", `{"hubspot_owner_id":"1"}`, "hubspot_owner_id", "INVALID_OWNER_ID"},
		"read only":             {"contacts", `{"hs_object_id":"1"}`, "hs_object_id", "READ_ONLY_VALUE"},
		"number":                {"deals", `{"dealname":"d","dealstage":"closedwon","amount":"many"}`, "amount", "INVALID_INTEGER"},
		"date":                  {"deals", `{"dealname":"d","dealstage":"closedwon","closedate":"22.11."}`, "closedate", "INVALID_DATE"},
		"stage of no pipeline":  {"deals", `{"dealname":"d","dealstage":"1"}`, "dealstage", "INVALID_OPTION"},
		"a deal without a name": {"deals", `{"dealstage":"closedwon"}`, "dealname", "MISSING_REQUIRED_PROPERTY"},
		"a company of nothing":  {"companies", `{"city":"Bonn"}`, "name", "MISSING_REQUIRED_PROPERTY"},
		"a ticket without":      {"tickets", `{"hs_pipeline_stage":"1"}`, "subject", "MISSING_REQUIRED_PROPERTY"},
		"a note without a time": {"notes", `{"hs_note_body":"x"}`, "hs_timestamp", "MISSING_REQUIRED_PROPERTY"},
		"a meeting's outcome":   {"meetings", `{"hs_timestamp":"2026-11-22T10:00:00Z","hs_meeting_outcome":"GOOD"}`, "hs_meeting_outcome", "INVALID_OPTION"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			got := s.api("POST", objects+tt.objectType, `{"properties":`+tt.properties+`}`)
			require.Equal(t, 400, got.status, got.text)
			require.Equal(t, "VALIDATION_ERROR", got.body["category"])
			message, list, ok := strings.Cut(got.body["message"].(string), ": ")
			require.True(t, ok)
			require.Equal(t, "Property values were not valid", message)
			var embedded []map[string]any
			require.NoError(t, json.Unmarshal([]byte(list), &embedded))
			require.Len(t, embedded, 1)
			require.Equal(t, tt.name, embedded[0]["name"])
			require.Equal(t, tt.code, embedded[0]["error"])
			require.Equal(t, false, embedded[0]["isValid"])
			require.EqualValues(t, hub, embedded[0]["portalId"])
			require.Equal(t, tt.code, got.at("errors.0.code"))
			require.Empty(t, s.Writes())
		})
	}
}

func TestValuesAreStrings(t *testing.T) {
	t.Parallel()
	s := setup(t)
	made := s.api("POST", objects+"deals", `{"properties":{"dealname":"D","dealstage":"closedwon","amount":1200.5,"closedate":"2026-11-22","hubspot_owner_id":31}}`)
	require.Equal(t, 201, made.status, made.text)
	id := made.body["id"].(string)
	got := s.api("GET", objects+"0-3/"+id+"?properties=amount,closedate,pipeline,description,unheard", "")
	require.Equal(t, "1200.5", got.at("properties.amount"))
	require.Equal(t, "2026-11-22T00:00:00.000Z", got.at("properties.closedate"))
	require.Equal(t, "default", got.at("properties.pipeline"), "the default pipeline")
	properties := got.body["properties"].(map[string]any)
	require.Contains(t, properties, "description")
	require.Nil(t, properties["description"])
	require.NotContains(t, properties, "unheard")
	require.Equal(t, id, properties["hs_object_id"])
	require.NotEmpty(t, properties["hs_lastmodifieddate"])
}

func TestContactsAreUniqueByEmailAndCompaniesAreNotByDomain(t *testing.T) {
	t.Parallel()
	s := setup(t)
	first := s.api("POST", objects+"contacts", `{"properties":{"email":"Ines@x.example"}}`)
	require.Equal(t, 201, first.status)
	second := s.api("POST", objects+"contacts", `{"properties":{"email":"ines@X.example"}}`)
	require.Equal(t, 409, second.status)
	require.Equal(t, "CONFLICT", second.body["category"])
	require.Equal(t, "Contact already exists. Existing ID: "+first.body["id"].(string), second.body["message"])
	for range 2 {
		require.Equal(t, 201, s.api("POST", objects+"companies", `{"properties":{"domain":"x.example"}}`).status)
	}
	require.Len(t, s.Records(hub, "companies"), 2)

	// An archived contact's e-mail is free again.
	require.Equal(t, 204, s.api("DELETE", objects+"contacts/"+first.body["id"].(string), "").status)
	require.Equal(t, 201, s.api("POST", objects+"contacts", `{"properties":{"email":"ines@x.example"}}`).status)
}

func TestACustomUniqueValueIsA400ThatNamesTheHolderSecond(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddProperty(hub, "deals", "key!")
	first := s.api("POST", objects+"deals", `{"properties":{"dealname":"D","dealstage":"closedwon","key":"k"}}`)
	require.Equal(t, 201, first.status, first.text)
	second := s.api("POST", objects+"deals", `{"properties":{"dealname":"E","dealstage":"closedwon","key":"k"}}`)
	require.Equal(t, 400, second.status)
	require.Regexp(t, `propertyName=key, value=k} on \d+\. `+first.body["id"].(string)+` already has that value\.$`, second.body["message"])
}

func TestAssociationsInACreate(t *testing.T) {
	t.Parallel()
	s := setup(t)
	contact := s.api("POST", objects+"contacts", `{"properties":{"email":"a@x.example"}}`).body["id"].(string)
	note := s.api("POST", objects+"notes", `{"properties":{"hs_timestamp":"2026-11-22T10:00:00Z"},"associations":[{"to":{"id":`+contact+`},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":202}]}]}`)
	require.Equal(t, 201, note.status, note.text)
	got := s.api("GET", objects+"contacts/"+contact+"?associations=notes,deals", "")
	require.Equal(t, note.body["id"], got.at("associations.notes.results.0.id"))
	require.Nil(t, got.at("associations.deals"))

	wrong := s.api("POST", objects+"notes", `{"properties":{"hs_timestamp":"2026-11-22T10:00:00Z"},"associations":[{"to":{"id":"`+contact+`"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":201}]}]}`)
	require.Equal(t, 400, wrong.status, "201 leads from contact to note, not back")
	gone := s.api("POST", objects+"notes", `{"properties":{"hs_timestamp":"2026-11-22T10:00:00Z"},"associations":[{"to":{"id":"5"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":202}]}]}`)
	require.Equal(t, 400, gone.status)
	require.Len(t, s.Records(hub, "notes"), 1)

	list := s.api("GET", objects+"contacts/"+contact+"/associations/notes", "")
	require.Equal(t, fmt.Sprintf("%.0f", list.at("results.0.toObjectId")), note.body["id"])
	require.EqualValues(t, 201, list.at("results.0.associationTypes.0.typeId"))
}

func TestSearchLagsBehind(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Configure(hub, func(set *hubspottest.Settings) { set.SearchLag, set.NoRateLimits = 5*time.Second, true })
	total := func(city string) any {
		a := s.api("POST", objects+"companies/search", `{"filterGroups":[{"filters":[{"propertyName":"city","operator":"EQ","value":"`+city+`"}]}]}`)
		require.Equal(t, 200, a.status, a.text)
		return a.body["total"]
	}
	id := s.api("POST", objects+"companies", `{"properties":{"name":"C","city":"Bonn"}}`).body["id"].(string)
	require.EqualValues(t, 0, total("Bonn"))
	require.Equal(t, 200, s.api("GET", objects+"companies/"+id, "").status, "a read by ID does not lag")
	s.Advance(5 * time.Second)
	require.EqualValues(t, 1, total("Bonn"))
	s.api("PATCH", objects+"companies/"+id, `{"properties":{"city":"Kiel"}}`)
	require.EqualValues(t, 1, total("Bonn"), "search still believes the old value")
	require.EqualValues(t, 0, total("Kiel"))
	s.Advance(5 * time.Second)
	require.EqualValues(t, 1, total("Kiel"))
	s.api("DELETE", objects+"companies/"+id, "")
	require.EqualValues(t, 0, total("Kiel"), "archived records never appear")
}

func TestSearchOperators(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Configure(hub, func(set *hubspottest.Settings) { set.NoRateLimits = true })
	_, err := s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "Blue Harbor GmbH", "domain": "blue.example", "numberofemployees": "9", "industry": "RETAIL"}})
	require.NoError(t, err)
	_, err = s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "Green", "numberofemployees": "10"}})
	require.NoError(t, err)
	tests := []struct {
		filter string
		want   int
	}{
		{`"propertyName":"name","operator":"EQ","value":"blue harbor gmbh"`, 1},
		{`"propertyName":"industry","operator":"EQ","value":"retail"`, 0},
		{`"propertyName":"industry","operator":"NEQ","value":"RETAIL"`, 1},
		{`"propertyName":"numberofemployees","operator":"LT","value":"10"`, 1},
		{`"propertyName":"numberofemployees","operator":"GTE","value":9`, 2},
		{`"propertyName":"numberofemployees","operator":"BETWEEN","value":"9","highValue":"9.5"`, 1},
		{`"propertyName":"domain","operator":"IN","values":["blue.example"]`, 1},
		{`"propertyName":"name","operator":"IN","values":["Green"]`, 0},
		{`"propertyName":"name","operator":"NOT_IN","values":["green"]`, 1},
		{`"propertyName":"domain","operator":"HAS_PROPERTY"`, 1},
		{`"propertyName":"domain","operator":"NOT_HAS_PROPERTY"`, 1},
		{`"propertyName":"name","operator":"CONTAINS_TOKEN","value":"harbor"`, 1},
		{`"propertyName":"name","operator":"CONTAINS_TOKEN","value":"harb"`, 0},
		{`"propertyName":"name","operator":"CONTAINS_TOKEN","value":"harb*"`, 1},
		{`"propertyName":"name","operator":"NOT_CONTAINS_TOKEN","value":"harbor"`, 1},
	}
	for _, tt := range tests {
		a := s.api("POST", objects+"companies/search", `{"filterGroups":[{"filters":[{`+tt.filter+`}]}]}`)
		require.Equal(t, 200, a.status, a.text)
		require.EqualValues(t, tt.want, a.body["total"], tt.filter)
	}
	filter := `{"propertyName":"name","operator":"HAS_PROPERTY"}`
	group := func(n int) string {
		return `{"filters":[` + strings.TrimSuffix(strings.Repeat(filter+",", n), ",") + `]}`
	}
	groups := func(n, each int) string {
		return `{"filterGroups":[` + strings.TrimSuffix(strings.Repeat(group(each)+",", n), ",") + `]}`
	}
	for body, status := range map[string]int{
		groups(3, 6): 200, groups(1, 7): 400, groups(6, 1): 400, groups(4, 5): 400,
		`{"limit":200}`: 200, `{"limit":201}`: 400, `{"after":"9990"}`: 200, `{"after":"9991"}`: 400,
		`{"filterGroups":[{"filters":[{"propertyName":"name","operator":"LIKE"}]}]}`: 400,
		`{"query":"` + strings.Repeat("x", 3000) + `"}`:                              400,
	} {
		require.Equal(t, status, s.api("POST", objects+"companies/search", body).status, body)
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := setup(t)
	frozen := hubspottest.NewServer(hubspottest.Options{Now: func() time.Time { return now }})
	t.Cleanup(frozen.Close)
	frozen.AddApp(hubspottest.App{ClientID: client, RequiredScopes: scopes})
	frozen.AddPortal(hubspottest.Portal{HubID: hub})
	s.Server = frozen
	s.token, _ = frozen.Token(client, hub, admin)
	for i := range 110 {
		a := s.api("GET", objects+"contacts", "")
		require.Equal(t, 200, a.status)
		require.Equal(t, "110", a.header.Get("X-HubSpot-RateLimit-Max"))
		require.Equal(t, fmt.Sprint(109-i), a.header.Get("X-HubSpot-RateLimit-Remaining"))
		require.Equal(t, "10000", a.header.Get("X-HubSpot-RateLimit-Interval-Milliseconds"))
		require.Empty(t, a.header.Get("X-HubSpot-RateLimit-Daily"), "an OAuth app sees no daily limit")
	}
	over := s.api("GET", objects+"contacts", "")
	require.Equal(t, 429, over.status)
	require.Equal(t, "TEN_SECONDLY_ROLLING", over.body["policyName"])
	require.Equal(t, "RATE_LIMIT", over.body["errorType"])
	for range 5 {
		a := s.api("POST", objects+"contacts/search", `{}`)
		require.Equal(t, 200, a.status, "search has a bucket of its own")
		require.Empty(t, a.header.Get("X-HubSpot-RateLimit-Max"))
	}
	require.Equal(t, "SECONDLY", s.api("POST", objects+"contacts/search", `{}`).body["policyName"])
	s.Advance(10 * time.Second)
	require.Equal(t, 200, s.api("GET", objects+"contacts", "").status)
}

func TestLegacyPaths(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, path := range []string{
		"/crm/v3/objects/contacts", "/crm/objects/2026-03/contacts", "/crm/v4/objects/contacts", "/crm/v3/owners", "/crm/owners/2026-03", "/crm/v3/pipelines/deals",
		"/crm/v3/properties/contacts", "/crm/v4/associations/contacts/companies/labels", "/account-info/v3/details", "/crm/v3/owners/",
	} {
		require.Equal(t, 200, s.api("GET", path, "").status, path)
	}
	require.Equal(t, 404, s.api("GET", "/crm/v2/objects/contacts", "").status)
	require.Equal(t, 405, s.api("PUT", objects+"contacts", "{}").status)
	require.Equal(t, 400, s.api("GET", objects+"unicorns", "").status)
}

func TestAutoCompany(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.Configure(hub, func(set *hubspottest.Settings) { set.AutoCompany, set.AutoCompanyAfter = on, 3*time.Second })
			contact := s.api("POST", objects+"contacts", `{"properties":{"email":"a@new.example"}}`).body["id"].(string)
			require.Empty(t, s.Records(hub, "companies"))
			s.Advance(3 * time.Second)
			companies := s.Records(hub, "companies")
			if !on {
				require.Empty(t, companies)
				return
			}
			require.Len(t, companies, 1)
			require.Equal(t, "new.example", companies[0].Properties["domain"])
			require.Equal(t, []string{contact}, companies[0].Associations["contacts"])
			writes := s.Writes()
			require.Equal(t, client, writes[0].ClientID)
			require.Empty(t, writes[1].ClientID, "the account itself made the company")
		})
	}
}

func TestUserLevelAppsActWithTheUsersRights(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddApp(hubspottest.App{ClientID: "personal", RequiredScopes: scopes, UserLevel: true})
	s.AddUser(hub, hubspottest.User{ID: sales, OwnerID: "32", Email: "sam@acme.example", DeniedScopes: []string{"crm.objects.deals.write"}, ReadOnlyProperties: []string{"contacts.phone"}})
	token, _ := s.Token("personal", hub, sales)
	post := func(path, body string) answer { return s.send("POST", path, "application/json", body, token) }
	require.Equal(t, 403, post(objects+"deals", `{"properties":{"dealname":"D","dealstage":"closedwon"}}`).status)
	require.Equal(t, "PROPERTY_NOT_EDITABLE", post(objects+"contacts", `{"properties":{"phone":"1"}}`).at("errors.0.code"))
	made := post(objects+"contacts", `{"properties":{"email":"a@x.example"}}`)
	require.Equal(t, 201, made.status)
	require.Equal(t, "2", made.at("properties.hs_object_source_user_id"))
	require.EqualValues(t, sales, s.Writes()[0].UserID)
}

func TestWritesTellWhoMadeThem(t *testing.T) {
	t.Parallel()
	s := setup(t)
	company, err := s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "Seeded"}})
	require.NoError(t, err)
	id := s.api("POST", objects+"contacts", `{"properties":{"email":"a@x.example"},"associations":[{"to":{"id":"`+company.ID+`"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]}]}`).body["id"].(string)
	s.api("PATCH", objects+"contacts/"+id, `{"properties":{"firstname":"A"}}`)
	s.api("POST", objects+"contacts", `{"properties":{"email":"a@x.example"}}`)
	s.api("DELETE", objects+"contacts/"+id, "")
	s.api("DELETE", objects+"contacts/"+id, "")
	var got []string
	for _, w := range s.Writes() {
		require.Equal(t, client, w.ClientID)
		require.EqualValues(t, admin, w.UserID)
		require.EqualValues(t, hub, w.HubID)
		got = append(got, w.Operation+" "+w.ObjectType+" by "+w.Endpoint)
	}
	require.Equal(t, []string{
		"create contacts by POST /crm/objects/2026-09/contacts",
		"associate contacts by POST /crm/objects/2026-09/contacts",
		"update contacts by PATCH /crm/objects/2026-09/contacts/{id}",
		"archive contacts by DELETE /crm/objects/2026-09/contacts/{id}",
	}, got)
	require.Equal(t, []hubspottest.CallCount{
		{HubID: hub, Endpoint: "DELETE /crm/objects/2026-09/contacts/{id}", Count: 2},
		{HubID: hub, Endpoint: "PATCH /crm/objects/2026-09/contacts/{id}", Count: 1},
		{HubID: hub, Endpoint: "POST /crm/objects/2026-09/contacts", Count: 2},
	}, s.Calls())
}

func TestFaultsOverTheControlAPI(t *testing.T) {
	t.Parallel()
	s := setup(t)
	fault := func(body string) {
		require.Equal(t, 200, s.send("POST", "/sim/faults", "application/json", body, "").status)
	}
	create := func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+objects+"companies", strings.NewReader(`{"properties":{"name":"C"}}`))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+s.token)
		res, err := s.http.Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		return res.StatusCode, err
	}
	fault(`{"method":"POST","path":"/crm/objects/2026-09/companies","skip":1,"cutAfterCommit":true}`)
	status, err := create()
	require.NoError(t, err)
	require.Equal(t, 201, status)
	_, err = create()
	require.Error(t, err, "the second is cut")
	require.Len(t, s.Records(hub, "companies"), 2)

	fault(`{"cutBeforeCommit":true}`)
	_, err = create()
	require.Error(t, err)
	require.Len(t, s.Records(hub, "companies"), 2)

	fault(`{"commitLate":"90s","status":524}`)
	status, err = create()
	require.NoError(t, err)
	require.Equal(t, 524, status)
	require.Len(t, s.Records(hub, "companies"), 2)
	require.Equal(t, 200, s.send("POST", "/sim/clock", "application/json", `{"advance":"90s"}`, "").status)
	require.Len(t, s.Records(hub, "companies"), 3)

	fault(`{"status":502,"answerAfterCommit":true,"times":2,"hubId":77}`)
	for want := 4; want <= 5; want++ {
		status, err = create()
		require.NoError(t, err)
		require.Equal(t, 502, status)
		require.Len(t, s.Records(hub, "companies"), want)
	}
	status, err = create()
	require.NoError(t, err)
	require.Equal(t, 201, status, "the fault is used up")
	require.Equal(t, []hubspottest.CallCount{{HubID: hub, Endpoint: "POST /crm/objects/2026-09/companies", Count: 7}}, s.Calls(), "each arrival counts once")

	fault(`{"path":"/crm/owners/2026-09/*","status":503,"times":-1,"latency":"1ms"}`)
	require.Equal(t, 200, s.api("GET", "/crm/owners/2026-09", "").status, "a * does not stand for nothing")
	require.Equal(t, 503, s.api("GET", "/crm/owners/2026-09/31", "").status)
	require.Len(t, s.Faults(), 1, "-1 is for good")
	require.Equal(t, 200, s.send("DELETE", "/sim/faults", "", "", "").status)
	require.Empty(t, s.Faults())
	require.Equal(t, 400, s.send("POST", "/sim/faults", "application/json", `{"latency":"soon"}`, "").status)
}

func TestControlAPI(t *testing.T) {
	t.Parallel()
	s := setup(t)
	post := func(path, body string) answer {
		a := s.send("POST", "/sim/"+path, "application/json", body, "")
		require.Equal(t, 200, a.status, a.text)
		return a
	}
	post("portals", `{"hubId":88,"name":"Second"}`)
	post("portals/88/users", `{"id":5,"email":"z@second.example","superAdmin":true}`)
	post("apps", `{"clientId":"two","clientSecret":"s","redirectUris":["http://localhost/cb"],"requiredScopes":["oauth","crm.objects.contacts.write"]}`)
	back := post("consent", `{"url":"http://any/oauth/authorize?client_id=two&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&scope=oauth%20crm.objects.contacts.write&state=x","hubId":88,"userId":5}`)
	require.Contains(t, back.body["redirect"], "http://localhost/cb?code=")
	token := post("token", `{"clientId":"two","hubId":88,"userId":5}`).body["accessToken"].(string)
	require.Equal(t, 201, s.send("POST", objects+"contacts", "application/json", `{"properties":{"email":"q@x.example"}}`, token).status)
	post("portals/88/records/companies", `{"properties":{"name":"Seeded"}}`)
	require.Contains(t, s.send("GET", "/sim/portals/88/records/contacts", "", "", "").text, "q@x.example")
	require.Contains(t, s.send("GET", "/sim/writes?hub=88", "", "", "").text, `"clientId":"two"`)
	require.Equal(t, "[]", s.send("GET", "/sim/writes?hub=77", "", "", "").text)
	require.Contains(t, s.send("GET", "/sim/calls", "", "", "").text, "POST /crm/objects/2026-09/contacts")
	require.NotContains(t, s.send("GET", "/sim/", "", "", "").text, secret)
	post("portals/88/properties/deals", `{"name":"key","unique":true}`)
	require.Equal(t, 200, s.send("PATCH", "/sim/portals/88/settings", "application/json", `{"noRateLimits":true}`, "").status)
	post("portals/88/uninstall", `{"clientId":"two"}`)
	require.Equal(t, 401, s.send("GET", objects+"contacts", "", "", token).status)
	require.Equal(t, 400, s.send("POST", "/sim/portals/1/users", "application/json", `{}`, "").status)
	require.Equal(t, 400, s.send("GET", "/sim/nothing", "", "", "").status)
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddProperty(hub, "deals", "key!")
	_, refresh := s.Token(client, hub, admin)
	id := s.api("POST", objects+"contacts", `{"properties":{"email":"a@x.example"}}`).body["id"].(string)
	company, err := s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "C"}, Associations: map[string][]string{"contacts": {id}}})
	require.NoError(t, err)
	s.Advance(time.Minute)
	file := filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, s.Save(file))

	again := setup(t)
	require.NoError(t, again.Load(file))
	again.token = s.token
	require.Equal(t, 409, again.api("POST", objects+"contacts", `{"properties":{"email":"a@x.example"}}`).status, "the index is rebuilt")
	require.Equal(t, company.ID, again.api("GET", objects+"contacts/"+id+"?associations=companies", "").at("associations.companies.results.0.id"))
	require.Equal(t, 200, again.form("/oauth/2026-09/token", "grant_type", "refresh_token", "client_id", client, "client_secret", secret, "refresh_token", refresh).status)
	require.Len(t, again.Writes(), 1)
	made := again.api("POST", objects+"deals", `{"properties":{"dealname":"D","dealstage":"closedwon","key":"k"}}`)
	require.Equal(t, 201, made.status, made.text)
	require.NotEqual(t, id, made.body["id"])
	require.Error(t, again.Load(filepath.Join(t.TempDir(), "none.json")))
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := setup(t)
	company, err := s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "<script>alert(1)</script>Harrow"}})
	require.NoError(t, err)
	contact, err := s.Add(hub, "contacts", hubspottest.Seed{Properties: map[string]string{"email": "a@x.example", "firstname": "Ines"}, Associations: map[string][]string{"companies": {company.ID}}})
	require.NoError(t, err)
	require.Contains(t, s.send("GET", "/", "", "", "").text, `href="/portal/77"`)
	page := s.send("GET", "/portal/77", "", "", "")
	require.Contains(t, page.text, "a@x.example")
	require.NotContains(t, page.text, "<script>alert")
	require.True(t, strings.HasPrefix(contact.URL, s.URL))
	record := s.send("GET", strings.TrimPrefix(contact.URL, s.URL), "", "", "")
	require.Equal(t, 200, record.status)
	require.Contains(t, record.text, "<h1>Ines")
	require.Contains(t, record.text, "Harrow")
	require.Equal(t, 404, s.send("GET", "/portal/1", "", "", "").status)
	require.Equal(t, 404, s.send("GET", "/contacts/77/record/0-1/1", "", "", "").status)
}

// TestManyAtOnce is for the race detector, and shows that of many creates of
// one e-mail address one wins.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Configure(hub, func(set *hubspottest.Settings) { set.NoRateLimits = true })
	var wg sync.WaitGroup
	statuses := make([]int, 40)
	for i := range statuses {
		wg.Go(func() {
			for range 5 {
				req, err := http.NewRequest(http.MethodPost, s.URL+objects+"contacts", strings.NewReader(`{"properties":{"email":"one@x.example"}}`))
				if err != nil {
					return
				}
				req.Header.Set("Authorization", "Bearer "+s.token)
				res, err := s.http.Do(req)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode == http.StatusCreated {
					statuses[i]++
				}
				s.Writes()
				s.Records(hub, "contacts")
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range statuses {
		sum += n
	}
	require.Equal(t, 1, sum)
	require.Len(t, s.Records(hub, "contacts"), 1)
}

func ExampleServer() {
	sim := hubspottest.NewServer(hubspottest.Options{})
	defer sim.Close()
	sim.AddApp(hubspottest.App{ClientID: "app", RequiredScopes: []string{"oauth", "crm.objects.contacts.write"}})
	sim.AddPortal(hubspottest.Portal{HubID: 1})
	token, _ := sim.Token("app", 1, 0)

	// The next create happens, and its answer is lost.
	sim.Inject(hubspottest.Fault{Method: "POST", CutAfterCommit: true})
	req, _ := http.NewRequest(http.MethodPost, sim.URL+"/crm/objects/2026-09/contacts", strings.NewReader(`{"properties":{"email":"a@x.example"}}`))
	req.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	_, err := (&http.Client{Transport: transport}).Do(req)
	fmt.Println(err != nil, len(sim.Writes()))
	// Output: true 1
}
