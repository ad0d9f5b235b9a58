package hubspottest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

func inputs(n int, one string) string {
	return `{"inputs":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
}

func TestBatchCaps(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	s.create("contacts", `{"email":"a@x.example"}`)
	pair := "/crm/associations/2026-09/contacts/companies/batch/"
	tests := []struct {
		path, input string
		most        int
	}{
		{objects + "companies/batch/create", `{"properties":{"name":"C"}}`, 100},
		{objects + "companies/batch/read", `{"id":"1"}`, 100},
		{objects + "companies/batch/update", `{"id":"1","properties":{}}`, 100},
		{objects + "contacts/batch/upsert", `{"id":"a@x.example","idProperty":"email","properties":{}}`, 100},
		{objects + "companies/batch/archive", `{"id":"1"}`, 100},
		{pair + "read", `{"id":"1"}`, 1000},
		{pair + "create", `{"from":{"id":"1"},"to":{"id":"2"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]}`, 2000},
		{pair + "associate/default", `{"from":{"id":"1"},"to":{"id":"2"}}`, 2000},
		{pair + "archive", `{"from":{"id":"1"},"to":[{"id":"2"}]}`, 2000},
		{pair + "labels/archive", `{"from":{"id":"1"},"to":{"id":"2"},"types":[]}`, 2000},
	}
	for _, tt := range tests {
		require.Less(t, s.api("POST", tt.path, inputs(tt.most, tt.input)).status, 300, tt.path)
		over := s.api("POST", tt.path, inputs(tt.most+1, tt.input))
		require.Equal(t, 400, over.status, tt.path)
		require.Equal(t, "VALIDATION_ERROR", over.body["category"])
		require.Equal(t, 400, s.api("POST", tt.path, `{"inputs":[]}`).status, tt.path)
	}
}

func TestABatchCreateFailsWholeUnlessEveryInputIsTraced(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	known := s.create("contacts", `{"email":"a@x.example"}`)
	at := objects + "contacts/batch/create"
	for _, traces := range [][2]string{{"", ""}, {"t1", ""}, {"t1", "t1"}} {
		whole := s.api("POST", at, fmt.Sprintf(`{"inputs":[{"objectWriteTraceId":%q,"properties":{"email":"b@x.example"}},{"objectWriteTraceId":%q,"properties":{"email":"a@x.example"}}]}`, traces[0], traces[1]))
		require.Equal(t, 409, whole.status, traces)
		require.Equal(t, "Contact already exists. Existing ID: "+known, whole.body["message"])
		require.Len(t, s.Records(hub, "contacts"), 1, "nothing was made")
	}
	some := s.api("POST", at, `{"inputs":[{"objectWriteTraceId":"t1","properties":{"email":"b@x.example"}},{"objectWriteTraceId":"t2","properties":{"email":"a@x.example"}}]}`)
	require.Equal(t, 207, some.status)
	require.Equal(t, "COMPLETE", some.body["status"])
	require.EqualValues(t, 1, some.body["numErrors"])
	require.Equal(t, "t1", some.at("results.0.objectWriteTraceId"))
	require.Equal(t, "CONFLICT", some.at("errors.0.category"))
	require.Equal(t, "t2", some.at("errors.0.context.objectWriteTraceId.0"))
	require.Len(t, s.Records(hub, "contacts"), 2)
}

func TestMissingRecordsInABatchAreA207(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	id := s.create("contacts", `{"email":"a@x.example"}`)
	for path, body := range map[string]string{
		"batch/read":   `{"inputs":[{"id":"` + id + `"},{"id":"9"}]}`,
		"batch/update": `{"inputs":[{"id":"` + id + `","properties":{"firstname":"A"}},{"id":"9","properties":{"firstname":"A"},"objectWriteTraceId":"t9"}]}`,
	} {
		a := s.api("POST", objects+"contacts/"+path, body)
		require.Equal(t, 207, a.status, path)
		require.Equal(t, id, a.at("results.0.id"))
		require.Equal(t, "OBJECT_NOT_FOUND", a.at("errors.0.category"))
		require.Equal(t, "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.", a.at("errors.0.message"))
		require.Equal(t, "9", a.at("errors.0.context.ids.0"))
		if path == "batch/update" {
			require.Equal(t, "t9", a.at("errors.0.context.objectWriteTraceId.0"))
		}
	}
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	s.AddProperty(hub, "deals", "key!")
	at := objects + "deals/batch/upsert"
	one := `{"inputs":[{"id":"k1","idProperty":"key","properties":{"dealname":"D","dealstage":"contractsent"}}]}`
	first, second := s.api("POST", at, one), s.api("POST", at, one)
	require.Equal(t, 200, first.status, first.text)
	require.Equal(t, true, first.at("results.0.new"))
	require.Equal(t, false, second.at("results.0.new"))
	require.Equal(t, first.at("results.0.id"), second.at("results.0.id"))
	require.Equal(t, 400, s.api("POST", at, `{"inputs":[{"id":"D","idProperty":"dealname","properties":{}}]}`).status, "not a unique property")
	require.Equal(t, 400, s.api("POST", at, `{"inputs":[{"id":"D","properties":{}}]}`).status)

	partial := s.api("POST", at, `{"inputs":[{"id":"k2","idProperty":"key","objectWriteTraceId":"a","properties":{"dealname":"E","dealstage":"contractsent"}},{"id":"k3","idProperty":"key","objectWriteTraceId":"b","properties":{"amount":"x"}}]}`)
	require.Equal(t, 207, partial.status)
	email := s.api("POST", objects+"contacts/batch/upsert", `{"inputs":[{"id":"a@x.example","idProperty":"email","objectWriteTraceId":"a","properties":{}},{"id":"b@x.example","idProperty":"email","objectWriteTraceId":"b","properties":{"lifecyclestage":"x"}}]}`)
	require.Equal(t, 400, email.status, "no partial upserts by email")
	require.Empty(t, s.Records(hub, "contacts"))
}

func TestNumbersAndDates(t *testing.T) {
	t.Parallel()
	s := setup(t).with("crm.schemas.deals.write")
	require.Equal(t, 201, s.api("POST", "/crm/properties/2026-09/deals", `{"name":"due","label":"D","groupName":"dealinformation","type":"date","fieldType":"date"}`).status)
	tests := []struct {
		name, value string
		want        string // "" is refused
	}{
		{"amount", "12.50", "12.50"},
		{"amount", "-3", "-3"},
		{"amount", "1e3", "1e3"},
		{"amount", ".5", ".5"},
		{"amount", "NaN", ""},
		{"amount", "Inf", ""},
		{"amount", "0x10", ""},
		{"amount", "1_000", ""},
		{"amount", "1,000", ""},
		{"due", "2026-11-22", "2026-11-22"},
		{"due", "1795305600000", "2026-11-22"},
		{"due", "2026-11-22T00:00:00Z", "2026-11-22"},
		{"due", "2026-11-22T10:00:00Z", ""},
		{"due", "1795305600001", ""},
		{"due", "22/11/2026", ""},
		{"closedate", "2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00.000Z"},
		{"closedate", "1795305600000", "2026-11-22T00:00:00.000Z"},
	}
	for _, tt := range tests {
		a := s.api("POST", objects+"deals", fmt.Sprintf(`{"properties":{"dealname":"D","dealstage":"contractsent",%q:%q}}`, tt.name, tt.value))
		if tt.want == "" {
			require.Equal(t, 400, a.status, tt.value)
			continue
		}
		require.Equal(t, 201, a.status, a.text)
		require.Equal(t, tt.want, a.at("properties."+tt.name))
	}
}

func TestWhoMadeIt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		userLevel, named bool
		user             any
	}{"account-level": {user: nil}, "account-level, named": {named: true, user: "2"}, "user-level": {userLevel: true, user: "2"}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.Configure(hub, func(set *hubspottest.Settings) { set.InstallerNamed = tt.named })
			app := s.AddApp(hubspottest.App{ClientID: "a", Name: "Debrief", RequiredScopes: scopes, UserLevel: tt.userLevel})
			s.token, _ = s.Token("a", hub, sales)
			id := s.create("contacts", `{"email":"a@x.example"}`)
			s.api("PATCH", objects+"contacts/"+id, `{"properties":{"firstname":"Ines"}}`)
			require.NoError(t, s.Edit(hub, "contacts", id, map[string]string{"firstname": "Ida"}))
			a := s.api("GET", objects+"contacts/"+id+"?properties=hs_object_source,hs_object_source_id,hs_object_source_label,hs_object_source_detail_1,hs_object_source_user_id,hs_created_by_user_id,hs_updated_by_user_id&propertiesWithHistory=firstname", "")
			require.Equal(t, "INTEGRATION", a.at("properties.hs_object_source"))
			require.Equal(t, fmt.Sprint(app.AppID), a.at("properties.hs_object_source_id"))
			require.Equal(t, "INTEGRATION", a.at("properties.hs_object_source_label"))
			require.Equal(t, "Debrief", a.at("properties.hs_object_source_detail_1"))
			require.Equal(t, tt.user, a.at("properties.hs_object_source_user_id"))
			require.Equal(t, tt.user, a.at("properties.hs_created_by_user_id"))
			require.Equal(t, "1", a.at("properties.hs_updated_by_user_id"), "the user in HubSpot was last")
			history := a.at("propertiesWithHistory.firstname").([]any)
			require.Len(t, history, 2)
			require.Equal(t, "Ida", a.at("propertiesWithHistory.firstname.0.value"), "newest first")
			require.Equal(t, "CRM_UI", a.at("propertiesWithHistory.firstname.0.sourceType"))
			require.Equal(t, "userId:1", a.at("propertiesWithHistory.firstname.0.sourceId"))
			require.Equal(t, "Ines", a.at("propertiesWithHistory.firstname.1.value"))
			require.Equal(t, "INTEGRATION", a.at("propertiesWithHistory.firstname.1.sourceType"))
			require.Equal(t, fmt.Sprint(app.AppID), a.at("propertiesWithHistory.firstname.1.sourceId"))
			if tt.user == nil {
				require.Nil(t, a.at("propertiesWithHistory.firstname.1.updatedByUserId"))
			} else {
				require.EqualValues(t, 2, a.at("propertiesWithHistory.firstname.1.updatedByUserId"))
			}
			require.Equal(t, "READ_ONLY_VALUE", s.api("PATCH", objects+"contacts/"+id, `{"properties":{"hs_created_by_user_id":"1"}}`).at("errors.0.code"))
		})
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	kept, gone := s.create("contacts", `{"email":"a@x.example"}`), s.create("contacts", `{"email":"b@x.example","firstname":"Ines"}`)
	deal := s.create("deals", `{"dealname":"D","dealstage":"contractsent"}`)
	s.api("PUT", objects+"contacts/"+gone+"/associations/default/deals/"+deal, "")
	require.Equal(t, 400, s.api("POST", objects+"contacts/merge", `{"primaryObjectId":"`+kept+`","objectIdToMerge":"`+kept+`"}`).status)
	require.Equal(t, 404, s.api("POST", objects+"contacts/merge", `{"primaryObjectId":"`+kept+`","objectIdToMerge":"9"}`).status)
	require.Equal(t, 200, s.api("POST", objects+"contacts/merge", `{"primaryObjectId":"`+kept+`","objectIdToMerge":"`+gone+`"}`).status)

	followed := s.api("GET", objects+"contacts/"+gone+"?properties=firstname,hs_merged_object_ids&associations=deals", "")
	require.Equal(t, kept, followed.body["id"], "a read follows the old ID")
	require.Equal(t, "Ines", followed.at("properties.firstname"))
	require.Equal(t, gone, followed.at("properties.hs_merged_object_ids"))
	require.Equal(t, deal, followed.at("associations.deals.results.0.id"))
	require.Equal(t, kept, s.api("GET", objects+"contacts/b@x.example?idProperty=email", "").body["id"], "the other address leads there too")
	update := s.api("POST", objects+"contacts/batch/update", `{"inputs":[{"id":"`+gone+`","properties":{"firstname":"X"}},{"id":"`+kept+`","properties":{"lastname":"Y"}}]}`)
	require.Equal(t, 200, update.status)
	require.Len(t, update.body["results"], 1, "it vanishes from a batch update, without an error")
	require.Nil(t, update.body["errors"])
	require.Equal(t, 204, s.api("DELETE", objects+"contacts/"+gone, "").status)
	require.Equal(t, 200, s.api("GET", objects+"contacts/"+kept, "").status, "the old ID archives nothing")
	second := s.api("POST", objects+"contacts", `{"properties":{"email":"b@x.example"}}`)
	require.Equal(t, 400, second.status, "a secondary address is the other error")
	require.Contains(t, second.body["message"], kept+" already has that value.")
	require.Equal(t, 1, int(s.api("POST", objects+"contacts/search", `{}`).body["total"].(float64)))
	require.Empty(t, s.api("GET", objects+"contacts?archived=true", "").body["results"])
}

func TestArchiveAndRestore(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	id := s.create("contacts", `{"email":"a@x.example"}`)
	require.Equal(t, 204, s.api("DELETE", objects+"contacts/"+id, "").status)
	require.Equal(t, 204, s.api("DELETE", objects+"contacts/"+id, "").status, "it is idempotent")
	require.Equal(t, 204, s.api("POST", objects+"contacts/batch/archive", inputs(2, `{"id":"9"}`)).status, "whatever the state")
	missing := s.api("GET", objects+"contacts/"+id, "")
	require.Equal(t, 404, missing.status)
	require.Equal(t, "OBJECT_NOT_FOUND", missing.body["category"])
	require.Equal(t, "resource not found", missing.body["message"])
	require.Equal(t, 404, s.api("PATCH", objects+"contacts/"+id, `{"properties":{}}`).status)
	archived := s.api("GET", objects+"contacts/"+id+"?archived=true", "")
	require.Equal(t, true, archived.body["archived"])
	require.NotEmpty(t, archived.body["archivedAt"])
	require.Len(t, s.api("GET", objects+"contacts?archived=true", "").body["results"], 1)
	require.Len(t, s.api("POST", objects+"contacts/batch/read?archived=true", `{"inputs":[{"id":"`+id+`"}]}`).body["results"], 1)
	require.Empty(t, s.api("GET", objects+"contacts", "").body["results"])

	require.Equal(t, 200, s.send("POST", "/sim/portals/77/restore", "application/json", `{"type":"contacts","id":"`+id+`"}`, "").status)
	require.Equal(t, 200, s.api("GET", objects+"contacts/"+id, "").status)
	require.Equal(t, 409, s.api("POST", objects+"contacts", `{"properties":{"email":"a@x.example"}}`).status)
	require.Error(t, s.Restore(hub, "contacts", id))
	require.NoError(t, s.Archive(hub, "contacts", id))
	s.create("contacts", `{"email":"a@x.example"}`)
	require.Error(t, s.Restore(hub, "contacts", id), "its address is taken")
	late := s.create("contacts", `{"email":"b@x.example"}`)
	require.NoError(t, s.Archive(hub, "contacts", late))
	s.Advance(91 * 24 * time.Hour)
	require.Error(t, s.Restore(hub, "contacts", late), "the bin is emptied after 90 days")
}

func TestPrivacyDeletion(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	id := s.create("contacts", `{"email":"a@x.example"}`)
	company := s.create("companies", `{"name":"C"}`)
	s.api("PUT", objects+"contacts/"+id+"/associations/default/companies/"+company, "")
	require.Equal(t, 404, s.api("POST", objects+"companies/gdpr-delete", `{"objectId":"`+company+`"}`).status, "contacts alone")
	require.Equal(t, 400, s.api("POST", objects+"contacts/gdpr-delete", `{"objectId":"a","idProperty":"firstname"}`).status)
	require.Equal(t, 204, s.api("POST", objects+"contacts/gdpr-delete", `{"objectId":"a@x.example","idProperty":"email"}`).status)
	require.Equal(t, 404, s.api("GET", objects+"contacts/"+id+"?archived=true", "").status)
	require.Empty(t, s.api("GET", objects+"companies/"+company+"/associations/contacts", "").body["results"])
	require.Equal(t, 404, s.api("POST", objects+"contacts/gdpr-delete", `{"objectId":"`+id+`"}`).status)
	require.Zero(t, s.api("POST", objects+"contacts/search", `{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"a@x.example"}]}]}`).body["total"])
}

func TestListing(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	var ids []string
	for i := range 5 {
		ids = append(ids, s.create("companies", fmt.Sprintf(`{"name":"C%d"}`, i)))
	}
	s.api("DELETE", objects+"companies/"+ids[1], "")
	var got []string
	for after := ""; ; {
		a := s.api("GET", objects+"companies?limit=2&properties=name&after="+after, "")
		for _, r := range a.body["results"].([]any) {
			got = append(got, r.(map[string]any)["id"].(string))
		}
		if a.at("paging") == nil {
			break
		}
		require.Contains(t, a.at("paging.next.link"), "after=")
		after = a.at("paging.next.after").(string)
	}
	require.Equal(t, []string{ids[0], ids[2], ids[3], ids[4]}, got)
	require.Equal(t, 400, s.api("GET", objects+"companies?limit=101", "").status)
}

func TestUnsetPropertiesGoEitherWay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	id := s.create("contacts", `{"email":"a@x.example"}`)
	shown := func() map[string]any {
		return s.api("GET", objects+"contacts/"+id+"?properties=phone", "").body["properties"].(map[string]any)
	}
	require.Contains(t, shown(), "phone")
	s.Configure(hub, func(set *hubspottest.Settings) { set.OmitUnset = true })
	require.NotContains(t, shown(), "phone")
}

func TestTheCompanyOfANewContact(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		email  string
		before func(*sim) string // the ID of the company that is to be found
		linked bool              // the contact has it from the start
		want   int               // companies in the end
	}{
		"none is there":           {"a@new.example", nil, false, 1},
		"one is there":            {"a@harrow.example", func(s *sim) string { return s.create("companies", `{"domain":"harrow.example"}`) }, false, 1},
		"another domain":          {"a@new.example", func(s *sim) string { s.create("companies", `{"domain":"harrow.example"}`); return "" }, false, 2},
		"a mailbox provider":      {"a@gmail.com", nil, false, 0},
		"the contact has another": {"a@new.example", func(s *sim) string { return s.create("companies", `{"domain":"harrow.example"}`) }, true, 1},
		"an archived one does not count": {"a@harrow.example", func(s *sim) string {
			s.api("DELETE", objects+"companies/"+s.create("companies", `{"domain":"harrow.example"}`), "")
			return ""
		}, false, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.Configure(hub, func(set *hubspottest.Settings) { set.AutoCompany, set.AutoCompanyAfter = true, 3*time.Second })
			var company string
			if tt.before != nil {
				company = tt.before(s)
			}
			contact := s.create("contacts", `{"email":"`+tt.email+`"}`)
			if tt.linked {
				s.api("PUT", objects+"contacts/"+contact+"/associations/default/companies/"+company, "")
			}
			s.Advance(3 * time.Second)
			require.Len(t, s.Records(hub, "companies"), tt.want)
			rows := s.api("GET", objects+"contacts/"+contact+"/associations/companies", "")
			if tt.want == 0 {
				require.Empty(t, rows.body["results"])
				return
			}
			require.Len(t, rows.body["results"], 1)
			if company != "" {
				require.Equal(t, company, fmt.Sprintf("%.0f", rows.at("results.0.toObjectId")))
			}
			require.Equal(t, !tt.linked, strings.Contains(rows.text, `"label":"Primary"`))
		})
	}
}

func TestSearchWalls(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	for i := range 3 {
		s.create("companies", fmt.Sprintf(`{"name":"Müller & \"Söhne\" %d","domain":"m%d.example"}`, i, i))
	}
	find := func(body string) answer { return s.api("POST", objects+"companies/search", body) }
	// A letter of two bytes is one character.
	require.Equal(t, 200, find(`{"query":"`+strings.Repeat("ü", 3000-len(`{"query":""}`))+`"}`).status)
	require.Equal(t, 400, find(`{"query":"`+strings.Repeat("ü", 3001-len(`{"query":""}`))+`"}`).status)
	require.Equal(t, 400, find(`{"after":"10000"}`).status)
	require.EqualValues(t, 1, find(`{"filterGroups":[{"filters":[{"propertyName":"name","operator":"EQ","value":"m\u00fcller \u0026 \"S\u00f6hne\" 1"}]}]}`).body["total"], "escapes are read")
	require.EqualValues(t, 2, find(`{"filterGroups":[{"filters":[{"propertyName":"domain","operator":"IN","values":["m0.example","m2.example"]}]}]}`).body["total"])
	either := find(`{"filterGroups":[{"filters":[{"propertyName":"domain","operator":"EQ","value":"m2.example"}]},{"filters":[{"propertyName":"domain","operator":"EQ","value":"m0.example"}]},{"filters":[{"propertyName":"domain","operator":"EQ","value":"m0.example"}]}],"properties":["domain"]}`)
	require.EqualValues(t, 2, either.body["total"])
	require.Equal(t, "m0.example", either.at("results.0.properties.domain"), "the oldest first")
	require.Equal(t, 400, find(`{"filterGroups":[{"filters":[{"propertyName":"domain","operator":"IN"}]}]}`).status)
	require.Equal(t, 400, find(`{"filterGroups":[{"filters":[{"propertyName":"createdate","operator":"BETWEEN","value":"1"}]}]}`).status)
	require.Equal(t, 400, find(`{"filterGroups":[{"filters":[{"propertyName":"nothing","operator":"EQ","value":"1"}]}]}`).status)
	require.Equal(t, 400, find(`{"sorts":[{"propertyName":"name","direction":"ASCENDING"},{"propertyName":"domain","direction":"ASCENDING"}]}`).status)
	for _, sorts := range []string{`[{"propertyName":"domain","direction":"DESCENDING"}]`, `["-domain"]`} {
		a := find(`{"sorts":` + sorts + `,"properties":["domain"],"limit":2}`)
		require.Equal(t, "m2.example", a.at("results.0.properties.domain"))
		require.Equal(t, "2", a.at("paging.next.after"))
		require.Equal(t, "m0.example", find(`{"sorts":`+sorts+`,"properties":["domain"],"limit":2,"after":"2"}`).at("results.0.properties.domain"))
	}
	contact := s.create("contacts", `{"email":"a@x.example"}`)
	id := find(`{"limit":1}`).at("results.0.id").(string)
	s.api("PUT", objects+"companies/"+id+"/associations/default/contacts/"+contact, "")
	require.EqualValues(t, 1, find(`{"filterGroups":[{"filters":[{"propertyName":"associations.contact","operator":"EQ","value":"` + contact + `"}]}]}`).body["total"])
}
