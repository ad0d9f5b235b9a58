package hubspottest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// with gives the simulator's caller these scopes beside the usual ones.
func (s *sim) with(more ...string) *sim {
	s.token, _ = s.Token(client, hub, admin, append(append([]string(nil), scopes...), more...)...)
	s.Configure(hub, func(set *hubspottest.Settings) { set.NoRateLimits = true })
	return s
}

const pipelinesAt = "/crm/pipelines/2026-09/"

func TestPipelines(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	require.Equal(t, 400, s.api("POST", pipelinesAt+"deals", `{"label":"P"}`).status, "stages are needed")
	require.Equal(t, 400, s.api("POST", pipelinesAt+"deals", `{"label":"P","stages":[{"label":"S","metadata":{}}]}`).status, "a deal stage needs its probability")
	require.Equal(t, 400, s.api("POST", pipelinesAt+"deals", `{"label":"P","stages":[{"label":"S","metadata":{"probability":"1.5"}}]}`).status)
	made := s.api("POST", pipelinesAt+"deals", `{"label":"P","pipelineId":"mine","displayOrder":3,"stages":[
		{"label":"Open","stageId":"open","metadata":{"probability":"0.3"}},{"label":"Won","metadata":{"probability":1.0}}]}`)
	require.Equal(t, 201, made.status, made.text)
	require.Equal(t, "mine", made.body["id"])
	require.Equal(t, "open", made.at("stages.0.id"))
	require.Nil(t, made.at("stages.0.metadata.isClosed"), "a create echoes metadata without isClosed")
	require.Equal(t, "false", s.api("GET", pipelinesAt+"deals/mine", "").at("stages.0.metadata.isClosed"))
	require.Equal(t, "true", s.api("GET", pipelinesAt+"deals/mine", "").at("stages.1.metadata.isClosed"))
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, made.body["createdAt"])
	require.Equal(t, 409, s.api("POST", pipelinesAt+"deals", `{"label":"Q","pipelineId":"mine","stages":[{"label":"S","metadata":{"probability":"0.3"}}]}`).status)
	taken := s.api("POST", pipelinesAt+"deals", `{"label":"Q","stages":[{"label":"S","stageId":"open","metadata":{"probability":"0.3"}}]}`)
	require.Equal(t, 409, taken.status)
	require.Equal(t, "PipelineError.STAGE_ID_EXISTS_IN_ANOTHER_PIPELINE", taken.body["subCategory"])

	require.Equal(t, "R", s.api("PATCH", pipelinesAt+"deals/mine", `{"label":"R"}`).body["label"])
	stage := s.api("POST", pipelinesAt+"deals/mine/stages", `{"label":"Lost","metadata":{"probability":"0.0"}}`)
	require.Equal(t, 201, stage.status, stage.text)
	lost := stage.body["id"].(string)
	require.Equal(t, 409, s.api("POST", pipelinesAt+"deals/mine/stages", `{"label":"lost","metadata":{"probability":"0.0"}}`).status, "labels are unique in a pipeline")
	require.Len(t, s.api("GET", pipelinesAt+"deals/mine/stages", "").body["results"], 3)
	require.Equal(t, "true", s.api("GET", pipelinesAt+"deals/mine/stages/"+lost, "").at("metadata.isClosed"))
	require.Equal(t, "Gone", s.api("PATCH", pipelinesAt+"deals/mine/stages/"+lost, `{"label":"Gone"}`).body["label"])
	require.Equal(t, 400, s.api("PUT", pipelinesAt+"deals/mine/stages/"+lost, `{"label":"Gone"}`).status)
	require.Equal(t, 200, s.api("PUT", pipelinesAt+"deals/mine/stages/"+lost, `{"label":"Gone","metadata":{"probability":"0.1"}}`).status)
	require.Equal(t, 204, s.api("DELETE", pipelinesAt+"deals/mine/stages/"+lost, "").status)
	require.Equal(t, 204, s.api("DELETE", pipelinesAt+"deals/mine/stages/"+lost, "").status, "204 even if absent")
	require.Equal(t, 404, s.api("GET", pipelinesAt+"deals/mine/stages/"+lost, "").status)

	replaced := s.api("PUT", pipelinesAt+"deals/mine", `{"label":"T","displayOrder":1,"stages":[{"label":"Only","stageId":"open","metadata":{"probability":"0.5"}}]}`)
	require.Equal(t, 200, replaced.status, replaced.text)
	require.Len(t, replaced.body["stages"], 1)
	require.Equal(t, 204, s.api("DELETE", pipelinesAt+"deals/mine", "").status)
	missing := s.api("GET", pipelinesAt+"deals/mine", "")
	require.Equal(t, 404, missing.status)
	require.Empty(t, missing.text, "a missing pipeline has an empty body")
}

func TestStagesInUseStay(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	deal := s.create("deals", `{"dealname":"D","dealstage":"contractsent"}`)
	refused := s.api("DELETE", pipelinesAt+"deals/default/stages/contractsent", "")
	require.Equal(t, 400, refused.status)
	require.Equal(t, "VALIDATION_ERROR", refused.body["category"])
	require.Equal(t, "PipelineError.STAGE_ID_IN_USE", refused.body["subCategory"])
	require.Equal(t, "Stage IDs: [contractsent] are being referenced by object IDs: ["+deal+"]", refused.body["message"])
	require.Equal(t, "contractsent", refused.at("context.stageIds.0"))
	require.Equal(t, deal, refused.at("context.objectIds.0"))
	require.Equal(t, 400, s.api("DELETE", pipelinesAt+"deals/default", "").status)
	require.Equal(t, 400, s.api("PUT", pipelinesAt+"deals/default", `{"label":"T","stages":[{"label":"Only","stageId":"closedwon","metadata":{"probability":"1"}}]}`).status)
	require.Equal(t, 400, s.api("DELETE", "/crm/v3/pipelines/deals/default?validateReferencesBeforeDelete=true", "").status)
	require.Equal(t, 204, s.api("DELETE", "/crm/v3/pipelines/deals/default/stages/contractsent", "").status, "earlier versions look only if asked to")
	require.Equal(t, 400, s.api("DELETE", pipelinesAt+"tickets/0/stages/4", "").status, "a ticket pipeline keeps a closed stage")
	require.Equal(t, 400, s.api("POST", pipelinesAt+"tickets", `{"label":"P","stages":[{"label":"S","metadata":{"ticketState":"OPEN"}}]}`).status)
	require.Equal(t, 201, s.api("POST", pipelinesAt+"tickets", `{"label":"P","stages":[{"label":"S","metadata":{"ticketState":"CLOSED"}}]}`).status)
}

func TestPropertyDefinitions(t *testing.T) {
	t.Parallel()
	s := setup(t).with("crm.schemas.contacts.write")
	at := "/crm/properties/2026-09/contacts"
	define := func(more string) answer {
		return s.api("POST", at, `{"name":"tier","label":"Tier","groupName":"contactinformation","type":"enumeration","fieldType":"checkbox"`+more+`}`)
	}
	require.Equal(t, 400, define("").status, "an enumeration needs options")
	made := define(`,"options":[{"label":"A","value":"a"},{"label":"B","value":"b"},{"label":"C","value":"c"}]`)
	require.Equal(t, 201, made.status, made.text)
	require.Equal(t, false, made.body["hubspotDefined"])
	again := define(`,"options":[{"label":"A","value":"a"}]`)
	require.Equal(t, 409, again.status)
	require.Equal(t, "OBJECT_ALREADY_EXISTS", again.body["category"])
	require.Equal(t, "Properties.PROPERTY_WITH_NAME_EXISTS", again.body["subCategory"])
	require.Equal(t, "A property named 'tier' already exists.", again.body["message"])

	id := s.create("contacts", `{"email":"a@x.example","tier":"a;b"}`)
	tier := func() any { return s.api("GET", objects+"contacts/"+id+"?properties=tier", "").at("properties.tier") }
	require.Equal(t, "a;b", tier())
	s.api("PATCH", objects+"contacts/"+id, `{"properties":{"tier":";c"}}`)
	require.Equal(t, "a;b;c", tier(), "a leading ; appends")
	s.api("PATCH", objects+"contacts/"+id, `{"properties":{"tier":"c"}}`)
	require.Equal(t, "c", tier())
	require.Equal(t, "INVALID_OPTION", s.api("PATCH", objects+"contacts/"+id, `{"properties":{"tier":"a;z"}}`).at("errors.0.code"))
	s.api("PATCH", objects+"contacts/"+id, `{"properties":{"tier":""}}`)
	require.Nil(t, tier(), "an empty value clears")

	changed := s.api("PATCH", at+"/tier", `{"label":"Level","hasUniqueValue":true,"options":[{"label":"Z","value":"z"}]}`)
	require.Equal(t, 200, changed.status)
	require.Equal(t, "Level", changed.body["label"])
	require.Equal(t, false, changed.body["hasUniqueValue"], "answered 200, changed nothing")
	require.Len(t, changed.body["options"], 1, "the list is replaced")
	require.Equal(t, 204, s.api("DELETE", at+"/tier", "").status)
	gone := s.api("GET", at+"/tier", "")
	require.Equal(t, 404, gone.status)
	require.Equal(t, "OBJECT_NOT_FOUND", gone.body["category"])
	require.Equal(t, 200, s.api("GET", at+"/tier?archived=true", "").status)
	require.Equal(t, 201, define(`,"options":[{"label":"A","value":"a"}]`).status, "a create of an archived name brings it back")
	require.Equal(t, 400, s.api("DELETE", at+"/email", "").status, "HubSpot's own")
	require.Equal(t, 403, s.api("POST", "/crm/properties/2026-09/deals", `{}`).status, "crm.schemas.deals.write is missing")

	for i := range 10 {
		require.Equal(t, 201, s.api("POST", at, fmt.Sprintf(`{"name":"u%d","label":"U","groupName":"contactinformation","type":"string","fieldType":"text","hasUniqueValue":true}`, i)).status)
	}
	require.Equal(t, 400, s.api("POST", at, `{"name":"u10","label":"U","groupName":"contactinformation","type":"string","fieldType":"text","hasUniqueValue":true}`).status, "ten unique ones per type")

	read := s.api("POST", at+"/batch/read", `{"inputs":[{"name":"email"},{"name":"nothing"}]}`)
	require.Equal(t, 207, read.status)
	require.Equal(t, "email", read.at("results.0.name"))
	created := s.api("POST", at+"/batch/create", `{"inputs":[{"name":"v1","label":"V","groupName":"contactinformation","type":"string","fieldType":"text"},{"name":"email","label":"V","groupName":"contactinformation","type":"string","fieldType":"text"}]}`)
	require.Equal(t, 207, created.status)
	require.Equal(t, "v1", created.at("results.0.name"))
	require.Equal(t, "OBJECT_ALREADY_EXISTS", created.at("errors.0.category"))
	require.Equal(t, 204, s.api("POST", at+"/batch/archive", `{"inputs":[{"name":"v1"}]}`).status)
	require.Equal(t, 404, s.api("GET", at+"/v1", "").status)
}

func TestANewPropertyIsSeenLate(t *testing.T) {
	t.Parallel()
	s := setup(t).with("crm.schemas.deals.write")
	s.Configure(hub, func(set *hubspottest.Settings) { set.PropertyLag = 700 * time.Millisecond })
	at := "/crm/properties/2026-09/deals"
	require.Equal(t, 201, s.api("POST", at, `{"name":"k","label":"K","groupName":"dealinformation","type":"string","fieldType":"text"}`).status)
	require.Equal(t, 404, s.api("GET", at+"/k", "").status)
	require.NotContains(t, s.api("GET", at, "").text, `"name":"k"`)
	s.Advance(700 * time.Millisecond)
	require.Equal(t, 200, s.api("GET", at+"/k", "").status)
}

func TestPropertyGroups(t *testing.T) {
	t.Parallel()
	s := setup(t).with("crm.schemas.contacts.write")
	at := "/crm/properties/2026-09/contacts/groups"
	require.Equal(t, "contactinformation", s.api("GET", at, "").at("results.0.name"))
	made := s.api("POST", at, `{"name":"debrief","label":"Debrief"}`)
	require.Equal(t, 201, made.status)
	require.Equal(t, map[string]any{"name": "debrief", "label": "Debrief", "displayOrder": -1.0, "archived": false}, made.body)
	require.Equal(t, "OBJECT_ALREADY_EXISTS", s.api("POST", at, `{"name":"debrief","label":"Debrief"}`).body["category"])
	require.Equal(t, 400, s.api("POST", at, `{"name":"x"}`).status)
	require.Equal(t, "D", s.api("PATCH", at+"/debrief", `{"label":"D"}`).body["label"])
	require.Equal(t, "D", s.api("GET", at+"/debrief", "").body["label"])
	s.api("POST", "/crm/properties/2026-09/contacts", `{"name":"k","label":"K","groupName":"debrief","type":"string","fieldType":"text"}`)
	require.Equal(t, 400, s.api("DELETE", at+"/debrief", "").status, "it has a property")
	s.api("DELETE", "/crm/properties/2026-09/contacts/k", "")
	require.Equal(t, 204, s.api("DELETE", at+"/debrief", "").status)
	require.Equal(t, 404, s.api("GET", at+"/debrief", "").status)
}

func TestSchemasAndCustomObjects(t *testing.T) {
	t.Parallel()
	s := setup(t).with("crm.schemas.custom.read", "crm.schemas.custom.write", "crm.objects.custom.read", "crm.objects.custom.write")
	at := "/crm-object-schemas/2026-09/schemas"
	property := `{"name":"plate","label":"Plate","type":"string","fieldType":"text","hasUniqueValue":true},{"name":"colour","label":"Colour","type":"string","fieldType":"text"}`
	body := `{"name":"car","labels":{"singular":"Car","plural":"Cars"},"primaryDisplayProperty":"plate","requiredProperties":["plate"],"searchableProperties":["plate"],"secondaryDisplayProperties":["colour"],"properties":[` + property + `],"associatedObjects":["0-1"]}`
	require.Equal(t, 400, s.api("POST", at, `{"name":"car"}`).status)
	require.Equal(t, 400, s.api("POST", at, strings.Replace(body, `"primaryDisplayProperty":"plate"`, `"primaryDisplayProperty":"wheels"`, 1)).status)
	made := s.api("POST", at, body)
	require.Equal(t, 201, made.status, made.text)
	typeID := made.body["objectTypeId"].(string)
	require.Regexp(t, `^2-\d+$`, typeID)
	require.Equal(t, "p77_car", made.body["fullyQualifiedName"])
	require.Equal(t, "Cars", made.at("labels.plural"))
	require.Equal(t, "plate", made.body["primaryDisplayProperty"])
	require.NotEmpty(t, made.body["properties"])
	require.Equal(t, 409, s.api("POST", at, body).status)

	require.Equal(t, 400, s.api("POST", objects+"cars", `{"properties":{"colour":"red"}}`).status)
	require.Equal(t, 400, s.api("POST", objects+"p77_car", `{"properties":{"colour":"red"}}`).status, "plate is required")
	car := s.create("p77_car", `{"plate":"K-1","colour":"red"}`)
	require.Equal(t, car, s.api("GET", objects+typeID+"/K-1?idProperty=plate", "").body["id"])
	require.Equal(t, "red", s.api("GET", objects+"car/"+car+"?properties=colour", "").at("properties.colour"))
	contact := s.create("contacts", `{"email":"a@x.example"}`)
	require.Equal(t, 200, s.api("PUT", objects+typeID+"/"+car+"/associations/default/contacts/"+contact, "").status)
	require.Equal(t, contact, fmt.Sprintf("%.0f", s.api("GET", objects+typeID+"/"+car+"/associations/contacts", "").at("results.0.toObjectId")))

	for _, name := range []string{typeID, "p77_car", "car"} {
		require.Equal(t, typeID, s.api("GET", at+"/"+name, "").body["objectTypeId"], name)
	}
	require.Equal(t, "0-1", s.api("GET", at+"/contacts", "").body["objectTypeId"])
	require.Equal(t, typeID, s.api("GET", "/crm/v3/schemas/"+typeID, "").body["objectTypeId"], "the legacy path")
	require.Len(t, s.api("GET", at, "").body["results"], 1, "HubSpot's own are not in the list")
	require.Equal(t, 404, s.api("GET", at+"/boat", "").status)
	require.Equal(t, "Wagon", s.api("PATCH", at+"/car", `{"labels":{"singular":"Wagon","plural":"Wagons"},"requiredProperties":[]}`).at("labels.singular"))
	require.Equal(t, 400, s.api("PATCH", at+"/car", `{"requiredProperties":["wheels"]}`).status)
	linked := s.api("POST", at+"/car/associations", `{"fromObjectTypeId":"`+typeID+`","toObjectTypeId":"0-3","name":"car_to_deal"}`)
	require.Equal(t, 201, linked.status)
	require.Equal(t, 204, s.api("DELETE", at+"/car/associations/"+linked.body["id"].(string), "").status)

	require.Equal(t, 400, s.api("DELETE", at+"/car", "").status, "it has a record")
	s.api("DELETE", objects+"car/"+car, "")
	require.Equal(t, 204, s.api("DELETE", at+"/car", "").status)
	require.Equal(t, 404, s.api("GET", at+"/car", "").status)
	require.Equal(t, 404, s.api("DELETE", at+"/contacts", "").status, "HubSpot's own stay")
	s.with()
	require.Equal(t, 403, s.api("POST", at, body).status)
}

func TestRules(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	require.NoError(t, s.SetRules(hub, "deals",
		hubspottest.Rule{Require: []string{"amount"}},
		hubspottest.Rule{When: "dealstage", Is: []string{"closedlost"}, Require: []string{"closed_lost_reason"}},
	))
	require.Error(t, s.SetRules(hub, "deals", hubspottest.Rule{Require: []string{"nothing"}}))
	code := func(a answer) any {
		require.Equal(t, 400, a.status, a.text)
		require.Equal(t, "VALIDATION_ERROR", a.body["category"])
		return a.at("errors.0.code")
	}
	post := func(at, properties string) answer { return s.api("POST", at, `{"properties":`+properties+`}`) }
	always := post(objects+"deals", `{"dealname":"D","dealstage":"contractsent"}`)
	require.Equal(t, "MISSING_REQUIRED_PROPERTY", code(always))
	require.Equal(t, "amount", always.at("errors.0.context.propertyName.0"))
	require.Equal(t, "MISSING_CONDITIONAL_REQUIRED_PROPERTY", code(post(objects+"deals", `{"dealname":"D","dealstage":"closedlost","amount":"1"}`)))
	id := s.create("deals", `{"dealname":"D","dealstage":"contractsent","amount":"1"}`)
	patch := func(properties string) answer {
		return s.api("PATCH", objects+"deals/"+id, `{"properties":`+properties+`}`)
	}
	require.Equal(t, "MISSING_REQUIRED_PROPERTY", code(patch(`{"amount":""}`)))
	require.Equal(t, "MISSING_CONDITIONAL_REQUIRED_PROPERTY", code(patch(`{"dealstage":"closedlost"}`)))
	require.Equal(t, 200, patch(`{"dealname":"E"}`).status)
	require.Equal(t, 200, patch(`{"dealstage":"closedlost","closed_lost_reason":"price"}`).status)
	require.Equal(t, "MISSING_CONDITIONAL_REQUIRED_PROPERTY", code(patch(`{"closed_lost_reason":""}`)))
	batch := s.api("POST", objects+"deals/batch/create", `{"inputs":[{"objectWriteTraceId":"t","properties":{"dealname":"D","dealstage":"contractsent"}}]}`)
	require.Equal(t, 207, batch.status, "batches too")

	require.Equal(t, 201, post("/crm/v3/objects/deals", `{"dealname":"D","dealstage":"contractsent"}`).status, "earlier versions are not held to it")
	s.Configure(hub, func(set *hubspottest.Settings) { set.RulesOnOldPaths = true })
	require.Equal(t, 400, post("/crm/v3/objects/deals", `{"dealname":"D","dealstage":"contractsent"}`).status)
	require.Equal(t, 200, s.send("PUT", "/sim/portals/77/rules/deals", "application/json", `{"rules":[]}`, "").status)
	require.Equal(t, 201, post(objects+"deals", `{"dealname":"D","dealstage":"contractsent"}`).status)
}

func TestOwners(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	s.AddUser(hub, hubspottest.User{ID: 3, OwnerID: "33", Email: "gone@acme.example", Archived: true, Teams: []hubspottest.Team{{ID: "5", Name: "North", Primary: true}}})
	list := s.api("GET", "/crm/owners/2026-09?limit=1", "")
	require.Equal(t, "31", list.at("results.0.id"))
	require.EqualValues(t, admin, list.at("results.0.userId"))
	require.Equal(t, "PERSON", list.at("results.0.type"))
	next := s.api("GET", "/crm/owners/2026-09?after="+list.at("paging.next.after").(string), "")
	require.Equal(t, "32", next.at("results.0.id"))
	require.Nil(t, next.at("paging"))
	require.Len(t, s.api("GET", "/crm/owners/2026-09?email=sam%40acme.example", "").body["results"], 1)
	require.Empty(t, s.api("GET", "/crm/owners/2026-09?email=nobody%40acme.example", "").body["results"])
	require.Equal(t, "32", s.api("GET", "/crm/owners/2026-09/2?idProperty=userId", "").body["id"])
	require.Equal(t, 404, s.api("GET", "/crm/owners/2026-09/2", "").status, "by owner ID unless said")
	archived := s.api("GET", "/crm/owners/2026-09?archived=true", "")
	require.Len(t, archived.body["results"], 1)
	require.Nil(t, archived.at("results.0.userId"))
	require.EqualValues(t, 3, archived.at("results.0.userIdIncludingInactive"))
	require.Equal(t, "North", archived.at("results.0.teams.0.name"))
	require.Equal(t, 404, s.api("GET", "/crm/owners/2026-09/33", "").status)
	require.Equal(t, 200, s.api("GET", "/crm/owners/2026-09/33?archived=true", "").status)
}

func TestAccountDetails(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.AddPortal(hubspottest.Portal{HubID: hub, TimeZone: "Europe/Berlin", Currency: "EUR", Currencies: []string{"USD"}, Type: "DEVELOPER_TEST"})
	a := s.api("GET", "/account-info/2026-09/details", "")
	require.EqualValues(t, hub, a.body["portalId"])
	require.Equal(t, "DEVELOPER_TEST", a.body["accountType"])
	require.Equal(t, "Europe/Berlin", a.body["timeZone"])
	require.Equal(t, "EUR", a.body["companyCurrency"])
	require.Equal(t, []any{"USD"}, a.body["additionalCurrencies"])
}
