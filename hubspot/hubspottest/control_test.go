package hubspottest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverythingThatTheControlAPICan calls each line of its table once.
func TestEverythingThatTheControlAPICan(t *testing.T) {
	t.Parallel()
	s := setup(t)
	do := func(method, path, body string) answer {
		t.Helper()
		a := s.send(method, "/sim/"+path, "application/json", body, "")
		require.Equal(t, 200, a.status, "%s %s: %s", method, path, a.text)
		return a
	}
	app := do("POST", "apps", `{"clientId":"two","requiredScopes":["oauth","crm.objects.contacts.read"]}`)
	require.NotEmpty(t, app.body["clientSecret"])
	require.NotEmpty(t, app.body["developerApiKey"])
	require.NotContains(t, s.send("GET", "/sim/", "", "", "").text, app.body["developerApiKey"])
	at := "portals/77/"
	do("PATCH", at+"settings", `{"starter":true}`)
	require.Equal(t, true, do("GET", at+"settings", "").body["starter"])
	do("POST", at+"daily", `{"calls":5}`)
	require.Regexp(t, `^2-\d+$`, do("POST", at+"types", `{"name":"cars","properties":["plate!"]}`).body["objectTypeId"])
	do("POST", at+"properties/cars", `{"name":"colours","options":["red","blue"],"several":true}`)
	do("POST", at+"properties/cars", `{"name":"note"}`)
	do("DELETE", at+"properties/cars/note", "")
	do("PUT", at+"rules/cars", `{"rules":[{"require":["plate"]}]}`)
	car := do("POST", at+"records/cars", `{"properties":{"plate":"K-1","colours":"red;blue"}}`).body["id"].(string)
	contact := do("POST", at+"records/contacts", `{"properties":{"email":"a@x.example"}}`).body["id"].(string)
	other := do("POST", at+"records/contacts", `{"properties":{"email":"b@x.example"}}`).body["id"].(string)
	do("PATCH", at+"records/cars/"+car, `{"properties":{"plate":"K-2"}}`)
	do("POST", at+"associate", `{"type":"cars","id":"`+car+`","toType":"contacts","toId":"`+contact+`"}`)
	require.Contains(t, do("GET", at+"records/cars", "").text, `"contacts":["`+contact+`"]`)
	do("POST", at+"associate", `{"type":"cars","id":"`+car+`","toType":"contacts","toId":"`+contact+`","remove":true}`)
	require.NotContains(t, do("GET", at+"records/cars", "").text, contact)
	do("DELETE", at+"records/cars/"+car, "")
	require.Contains(t, do("GET", at+"records/cars", "").text, `"archived":true`)
	do("POST", at+"restore", `{"type":"cars","id":"`+car+`"}`)
	do("POST", at+"merge", `{"type":"contacts","primaryId":"`+contact+`","id":"`+other+`"}`)
	require.Contains(t, do("GET", at+"records/contacts", "").text, `"mergedInto":"`+contact+`"`)
	do("DELETE", at+"records/contacts/"+contact+"?forget=true", "")
	require.NotContains(t, do("GET", at+"records/contacts", "").text, "a@x.example")
	require.Equal(t, "[]", do("GET", "writes", "").text, "what users and seeds do is no write")
	do("POST", at+"revoke", `{"clientId":"two"}`)
	do("GET", "clock", "")
	do("GET", "webhooks/deliveries", "")
	do("DELETE", "calls", "")
	do("DELETE", "portals/77", "")
	for _, gone := range []string{"portals/77/settings", "portals/x/settings", "weather"} {
		require.Equal(t, 400, s.send("GET", "/sim/"+gone, "", "", "").status, gone)
	}
	require.Equal(t, 401, s.api("GET", objects+"contacts", "").status)
}
