package hubspottest

import (
	"encoding/json"
	"net/http"
)

func unmarshal(raw []byte, into any) error { return json.Unmarshal(raw, into) }

// anyOf is a route's scopes when they are always the same.
func anyOf(list ...string) func(*request) []string {
	return func(*request) []string { return list }
}

func (s *Server) addAccountRoutes() {
	owners := anyOf("crm.objects.owners.read")
	s.handle("GET /crm/owners/"+APIVersion, route{bucket: burstBucket, scopes: owners, fn: listOwners})
	s.handle("GET /crm/owners/"+APIVersion+"/{ownerId}", route{bucket: burstBucket, scopes: owners, fn: readOwner})

	s.handle("GET /account-info/"+APIVersion+"/details", route{bucket: burstBucket, scopes: anyOf("oauth"), fn: accountDetails})
}

func accountDetails(q *request) reply {
	p := q.portal
	now := q.now.In(p.zone())
	_, seconds := now.Zone()
	return reply{status: http.StatusOK, body: map[string]any{
		"portalId": p.HubID, "accountType": p.Type, "timeZone": p.TimeZone, "companyCurrency": p.Currency, "additionalCurrencies": nonNil(p.Currencies),
		"utcOffset": now.Format("-07:00"), "utcOffsetMilliseconds": seconds * 1000, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
	}}
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
