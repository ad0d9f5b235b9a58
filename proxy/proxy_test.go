package proxy_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents/agentstest"
	"github.com/debriefhq/debrief/store"
)

// Where everything that an answer shows may be read, it is HubSpot's own, byte for byte.
func TestReadsAreHubSpots(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "company.read", "allow", "owner.read", "allow", "deal.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example", "firstname": "Priya"})
	b.Add("companies", map[string]string{"name": "Northwind", "domain": "northwind.example"})
	for _, tc := range [][3]string{
		{"GET", "/crm/v3/objects/contacts/" + id + "?properties=email,jobtitle&associations=companies", ""},
		{"GET", "/crm/v3/objects/contacts/priya%40northwind.example?idProperty=email", ""},
		{"GET", "/crm/v3/objects/contacts?limit=10", ""},
		{"POST", "/crm/v3/objects/contacts/search", `{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"priya@northwind.example"}]}],"limit":5}`},
		{"POST", "/crm/v3/objects/contacts/batch/read", `{"properties":["email"],"inputs":[{"id":"` + id + `"}]}`},
		{"GET", "/crm/v4/objects/contacts/" + id + "/associations/companies", ""},
		{"GET", "/crm/v3/owners/?limit=10", ""},
		{"GET", "/crm/v3/pipelines/deals", ""},
		{"GET", "/crm/v3/properties/contacts/email", ""},
	} {
		want, got := b.direct(tc[0], tc[1], tc[2]), b.call(tc[0], tc[1], tc[2])
		require.Equal(t, http.StatusOK, want.status, tc[1])
		require.Equal(t, want.status, got.status, "%s: %s", tc[1], got.raw)
		for _, clock := range []string{"startedAt", "completedAt"} {
			delete(want.body, clock)
			delete(got.body, clock)
		}
		require.Equal(t, want.body, got.body, tc[1])
	}
	require.Equal(t, 9, b.Count(`select count(*) from audit where kind = 'call' and outcome = 'done' and origin_kind = 'script' and on_behalf_of = $1`, b.Person.ID.String()))
	require.Equal(t, 1, b.Count(`select count(*) from audit where kind = 'call' and record_id = $1 and properties @> '{jobtitle}'`, id))
}

// A batch of which some records are missing keeps its status.
func TestAnswersKeepTheirStatus(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	got := b.call("POST", "/crm/v3/objects/contacts/batch/read", `{"inputs":[{"id":"`+id+`"},{"id":"999999"}]}`)
	require.Equal(t, http.StatusMultiStatus, got.status, got.raw)
	got = b.call("GET", "/crm/v3/objects/contacts/999999", "")
	require.Equal(t, http.StatusNotFound, got.status)
	require.Equal(t, "OBJECT_NOT_FOUND", got.category())
	got = b.call("POST", "/crm/v3/objects/contacts/search", `{"filterGroups":[{"filters":[{"propertyName":"email","operator":"SOUNDS_LIKE","value":"x"}]}]}`)
	require.Equal(t, http.StatusBadRequest, got.status)
	require.NotEmpty(t, got.body["message"])
}

func TestWhatIsDeniedIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "deal.create", "deny")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	for _, tc := range [][3]string{
		{"GET", "/crm/v3/objects/deals/12", ""},
		{"GET", "/crm/v3/objects/contacts/" + id + "?associations=deals", ""},
		{"POST", "/crm/v3/objects/deals", `{"properties":{"dealname":"Buses"}}`},
		{"PATCH", "/crm/v3/objects/contacts/" + id, `{"properties":{"jobtitle":"Buyer"}}`},
		{"POST", "/crm/v3/objects/contacts/batch/create", `{"inputs":[{"properties":{"email":"a@b.example"}},{"properties":{"email":"c@b.example"}}]}`},
		{"DELETE", "/crm/v3/objects/contacts/" + id, ""},
	} {
		got := b.call(tc[0], tc[1], tc[2])
		require.Equal(t, http.StatusForbidden, got.status, got.raw)
		require.Equal(t, "error", got.body["status"])
		require.NotEmpty(t, got.body["message"])
		require.NotEmpty(t, got.body["correlationId"])
	}
	require.Empty(t, b.Sim.Calls())
	got := b.call("POST", "/crm/v3/objects/deals", `{"properties":{"dealname":"Buses"}}`)
	require.Equal(t, "DEBRIEF_DENIED", got.category())
	require.Equal(t, map[string]any{"tool": []any{"deal.create"}}, got.body["context"])
	require.Zero(t, b.Count(`select count(*) from calls`))
}

func TestAllowedWritesAreMade(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "allow", "contact.update", "allow", "company.update", "allow", "deal.create", "allow")
	b.Worker()
	made := b.call("POST", "/crm/v3/objects/contacts", `{"properties":{"email":"priya@northwind.example","firstname":"Priya"}}`)
	require.Equal(t, http.StatusCreated, made.status, made.raw)
	id, _ := made.body["id"].(string)
	require.Equal(t, "priya@northwind.example", made.values()["email"])
	require.Equal(t, "Priya", b.direct("GET", "/crm/v3/objects/contacts/"+id, "").values()["firstname"])

	changed := b.call("PATCH", "/crm/v3/objects/contacts/priya%40northwind.example?idProperty=email", `{"properties":{"jobtitle":"Buyer"}}`)
	require.Equal(t, http.StatusOK, changed.status, changed.raw)
	require.Equal(t, id, changed.body["id"])
	require.Equal(t, "Buyer", b.direct("GET", "/crm/v3/objects/contacts/"+id+"?properties=jobtitle", "").values()["jobtitle"])

	again := b.call("POST", "/crm/v3/objects/contacts", `{"properties":{"email":"priya@northwind.example","firstname":"Someone"}}`)
	require.Equal(t, http.StatusConflict, again.status, again.raw)
	require.Equal(t, "Contact already exists. Existing ID: "+id, again.body["message"])

	// Deals may not be read: the answer is what was written.
	deal := b.call("POST", "/crm/v3/objects/deals", `{"properties":{"dealname":"Buses","pipeline":"default","dealstage":"appointmentscheduled"},"associations":[{"to":{"id":"`+id+`"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":3}]}]}`)
	require.Equal(t, http.StatusCreated, deal.status, deal.raw)
	require.Equal(t, "Buses", deal.values()["dealname"])
	dealID, _ := deal.body["id"].(string)
	require.Len(t, b.direct("GET", "/crm/v4/objects/deals/"+dealID+"/associations/contacts", "").results(), 1)

	company := b.Add("companies", map[string]string{"name": "Northwind"})
	link := b.call("PUT", "/crm/v4/objects/companies/"+company+"/associations/default/contacts/"+id, "")
	require.Equal(t, http.StatusOK, link.status, link.raw)
	require.Len(t, link.results(), 2)
	require.Len(t, b.direct("GET", "/crm/v4/objects/companies/"+company+"/associations/contacts", "").results(), 1)
}

// Asked about, a request is refused with the question's address; the same again, once
// approved, gives what was written, once.
func TestAskedWritesWaitForAHuman(t *testing.T) {
	t.Parallel()
	b := setup(t, "deal.create", "ask")
	b.Worker()
	request := func() answer {
		return b.call("POST", "/crm/v3/objects/deals", `{"properties":{"dealname":"Buses","pipeline":"default","dealstage":"appointmentscheduled"}}`)
	}
	asked := request()
	require.Equal(t, http.StatusForbidden, asked.status, asked.raw)
	require.Equal(t, "DEBRIEF_APPROVAL_NEEDED", asked.category())
	url, _ := asked.links()["approval"].(string)
	require.Contains(t, url, agentstest.PublicURL+"/inbox/")
	require.Contains(t, asked.body["message"], url)
	require.Equal(t, url, request().links()["approval"], "the same question")
	require.Empty(t, b.Sim.Writes())

	b.approve(store.Approve)
	made := request()
	require.Equal(t, http.StatusCreated, made.status, made.raw)
	require.Len(t, b.Sim.Writes(), 1)

	third := request()
	require.Equal(t, http.StatusForbidden, third.status, "told once: that is another deal")
	require.NotEqual(t, url, third.links()["approval"])
	b.approve(store.Reject)
	rejected := request()
	require.Equal(t, http.StatusForbidden, rejected.status)
	require.Equal(t, "DEBRIEF_DENIED", rejected.category(), rejected.raw)
	require.Len(t, b.Sim.Writes(), 1)
}

// A batch is told when all of it is over: no input of it is carried out twice.
func TestABatchIsToldAsAWhole(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "allow", "contact.update", "ask")
	b.Worker()
	known := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	request := func() answer {
		return b.call("POST", "/crm/v3/objects/contacts/batch/upsert", `{"inputs":[
			{"id":"priya@northwind.example","idProperty":"email","properties":{"jobtitle":"Buyer"}},
			{"id":"marc@northwind.example","idProperty":"email","properties":{"jobtitle":"Clerk"}}]}`)
	}
	asked := request()
	require.Equal(t, http.StatusForbidden, asked.status, asked.raw)
	require.Contains(t, asked.body["message"], "1 of the 2 inputs")
	b.approve(store.Approve)
	made := request()
	require.Equal(t, http.StatusOK, made.status, made.raw)
	require.Len(t, made.results(), 2)
	require.Equal(t, "Buyer", b.direct("GET", "/crm/v3/objects/contacts/"+known+"?properties=jobtitle", "").values()["jobtitle"])
	require.Len(t, b.Sim.Writes(), 2, "one create and one update")

	mixed := b.call("POST", "/crm/v3/objects/contacts/batch/create", `{"inputs":[
		{"properties":{"email":"new@northwind.example"},"objectWriteTraceId":"a"},
		{"properties":{"email":"priya@northwind.example"},"objectWriteTraceId":"b"}]}`)
	require.Equal(t, http.StatusMultiStatus, mixed.status, mixed.raw)
	require.Len(t, mixed.results(), 1)
	require.InDelta(t, 1, mixed.body["numErrors"], 0)
}

func TestAskedReadsWaitForAHuman(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "ask")
	id := b.Add("contacts", map[string]string{"email": "priya@northwind.example"})
	read := func() answer { return b.call("GET", "/crm/v3/objects/contacts/"+id, "") }
	asked := read()
	require.Equal(t, http.StatusForbidden, asked.status, asked.raw)
	require.NotEmpty(t, asked.links()["approval"])
	require.Empty(t, b.Sim.Calls())
	b.approve(store.Approve)
	require.Equal(t, http.StatusOK, read().status)
	require.Equal(t, http.StatusForbidden, read().status, "approved once")
}

// Without a worker nothing is lost: the same request gives the result later.
func TestNobodyIsThereToWrite(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.create", "allow")
	request := func() answer {
		return b.call("POST", "/crm/v3/objects/contacts", `{"properties":{"email":"priya@northwind.example"}}`)
	}
	got := request()
	require.Equal(t, http.StatusServiceUnavailable, got.status, got.raw)
	require.Equal(t, "DEBRIEF_LATER", got.category())
	require.NotEmpty(t, got.header.Get("Retry-After"))
	b.Worker()
	require.Equal(t, http.StatusCreated, request().status)
	require.Len(t, b.Sim.Writes(), 1)
}
