package proxy

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// toolsOf are the tools that a meaning needs.
func toolsOf(m meaning) []string {
	names := []string{}
	if m.read != nil {
		for _, t := range m.read.tools {
			names = append(names, t.String())
		}
	}
	for _, w := range m.writes {
		names = append(names, w.tool.String())
	}
	return names
}

func TestReadsMean(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, path, query, body string
		tools                     []string
		endpoint                  string
	}{
		{"GET", "/crm/v3/objects/contacts/12", "", "", []string{"contact.read"}, "/crm/v3/objects/contacts/{id}"},
		{"GET", "/crm/objects/2026-09/contacts/12", "", "", []string{"contact.read"}, "/crm/objects/2026-09/contacts/{id}"},
		{"GET", "/crm/v3/objects/0-3/12", "", "", []string{"deal.read"}, "/crm/v3/objects/deals/{id}"},
		{"GET", "/crm/v3/objects/contact/12", "", "", []string{"contact.read"}, "/crm/v3/objects/contacts/{id}"},
		{"GET", "/crm/v3/objects/2-77/12", "", "", []string{"2-77.read"}, "/crm/v3/objects/2-77/{id}"},
		{"GET", "/crm/v3/objects/contacts/ada%40northwind.example", "idProperty=email", "", []string{"contact.read"}, "/crm/v3/objects/contacts/{id}"},
		{"GET", "/crm/v3/objects/deals/12", "associations=contacts,companies&properties=amount", "", []string{"deal.read", "contact.read", "company.read"}, "/crm/v3/objects/deals/{id}"},
		{"GET", "/crm/v3/objects/deals/12", "associations=contacts&associations=0-2", "", []string{"deal.read", "contact.read", "company.read"}, "/crm/v3/objects/deals/{id}"},
		{"GET", "/crm/v3/objects/contacts", "limit=100&after=abc&archived=false", "", []string{"contact.read"}, "/crm/v3/objects/contacts"},
		{"POST", "/crm/v3/objects/contacts/search", "", `{"query":"ada","limit":3,"after":"10","sorts":["lastname"]}`, []string{"contact.read"}, "/crm/v3/objects/contacts/search"},
		{"POST", "/crm/v3/objects/deals/search", "", `{"filterGroups":[{"filters":[{"propertyName":"associations.contact","operator":"EQ","value":"12"}]}]}`, []string{"deal.read", "contact.read"}, "/crm/v3/objects/deals/search"},
		{"POST", "/crm/v3/objects/contacts/batch/read", "archived=false", `{"properties":["email"],"inputs":[{"id":"12"}]}`, []string{"contact.read"}, "/crm/v3/objects/contacts/batch/read"},
		{"GET", "/crm/v4/objects/contacts/12/associations/deals", "limit=500", "", []string{"contact.read", "deal.read"}, "/crm/v4/objects/contacts/{id}/associations/deals"},
		{"POST", "/crm/v4/associations/contacts/companies/batch/read", "", `{"inputs":[{"id":12}]}`, []string{"contact.read", "company.read"}, "/crm/v4/associations/contacts/companies/batch/read"},
		{"POST", "/crm/associations/2026-09/0-1/0-2/batch/read", "", `{"inputs":[{"id":"12"}]}`, []string{"contact.read", "company.read"}, "/crm/associations/2026-09/contacts/companies/batch/read"},
		{"GET", "/crm/v4/associations/contacts/companies/labels", "", "", []string{"contact.read", "company.read"}, "/crm/v4/associations/contacts/companies/labels"},
		{"GET", "/crm/v3/owners/", "email=a%40b.example&limit=100&archived=false", "", []string{"owner.read"}, "/crm/v3/owners"},
		{"GET", "/crm/v3/owners/5", "idProperty=userId", "", []string{"owner.read"}, "/crm/v3/owners/{ownerId}"},
		{"GET", "/crm/v3/pipelines/deals", "", "", []string{"deal.read"}, "/crm/v3/pipelines/deals"},
		{"GET", "/crm/v3/pipelines/deals/default/stages/closedwon", "", "", []string{"deal.read"}, "/crm/v3/pipelines/deals/{pipelineId}/stages/{stageId}"},
		{"GET", "/crm/v3/properties/contacts", "archived=false", "", []string{"contact.read"}, "/crm/v3/properties/contacts"},
		{"GET", "/crm/properties/2026-09/contacts/email", "", "", []string{"contact.read"}, "/crm/properties/2026-09/contacts/{name}"},
	} {
		t.Run(tc.method+" "+tc.path+"?"+tc.query, func(t *testing.T) {
			t.Parallel()
			m, r := understand(tc.method, tc.path, tc.query, payload{raw: []byte(tc.body)})
			require.Nil(t, r)
			require.NotNil(t, m.read)
			require.Equal(t, tc.tools, toolsOf(m))
			require.Equal(t, tc.endpoint, m.read.request.Endpoint)
		})
	}
}

func TestWritesMean(t *testing.T) {
	t.Parallel()
	contact := objectType{"contact", "contacts"}
	deal := objectType{"deal", "deals"}
	create := policy.Tool{Object: "contact", Operation: policy.Create}
	update := policy.Tool{Object: "contact", Operation: policy.Update}
	const root = "/crm/v3/objects/"
	for name, tc := range map[string]struct {
		method, path, query, body string
		writes                    []write
		batch                     bool
	}{
		"a create": {
			"POST", "/crm/v3/objects/contacts", "", `{"properties":{"email":"a@b.example","age":7,"vip":true,"fax":null}}`,
			[]write{{tool: create, kind: contact, root: root, properties: map[string]string{"email": "a@b.example", "age": "7", "vip": "true", "fax": ""}}},
			false,
		},
		"a create with a plain link": {
			"POST", "/crm/v3/objects/deals", "", `{"properties":{"dealname":"Buses"},"associations":[{"to":{"id":12},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":3}]}]}`,
			[]write{{
				tool: policy.Tool{Object: "deal", Operation: policy.Create}, kind: deal, root: root, properties: map[string]string{"dealname": "Buses"},
				associations: []store.AssociationRef{{Object: "contact", RecordID: "12", Required: true}},
			}},
			false,
		},
		"an update": {
			"PATCH", "/crm/v3/objects/contacts/12", "", `{"properties":{"jobtitle":"Buyer"}}`,
			[]write{{tool: update, kind: contact, root: root, id: "12", properties: map[string]string{"jobtitle": "Buyer"}}},
			false,
		},
		"an update by e-mail": {
			"PATCH", "/crm/v3/objects/contacts/a%40b.example", "idProperty=email", `{"properties":{"jobtitle":"Buyer"}}`,
			[]write{{tool: update, kind: contact, root: root, id: "a@b.example", idProperty: "email", properties: map[string]string{"jobtitle": "Buyer"}}},
			false,
		},
		"a batch of updates": {
			"POST", "/crm/v3/objects/contacts/batch/update", "", `{"inputs":[{"id":"12","properties":{"fax":"1"}},{"id":"13","properties":{"fax":"1"},"objectWriteTraceId":"b"}]}`,
			[]write{
				{tool: update, kind: contact, root: root, id: "12", properties: map[string]string{"fax": "1"}},
				{tool: update, kind: contact, root: root, id: "13", properties: map[string]string{"fax": "1"}, traceID: "b"},
			},
			true,
		},
		"a batch of upserts": {
			"POST", "/crm/v3/objects/contacts/batch/upsert", "", `{"inputs":[{"id":"a@b.example","idProperty":"email","properties":{"fax":"1"}}]}`,
			[]write{{tool: update, kind: contact, root: root, id: "a@b.example", idProperty: "email", upsert: true, properties: map[string]string{"fax": "1"}}},
			true,
		},
		"a link": {
			"PUT", "/crm/v4/objects/contacts/12/associations/default/companies/34", "", "",
			[]write{{tool: update, kind: contact, id: "12", associations: []store.AssociationRef{{Object: "company", RecordID: "34", Required: true}}}},
			false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, r := understand(tc.method, tc.path, tc.query, payload{raw: []byte(tc.body)})
			require.Nil(t, r)
			require.Nil(t, m.read)
			require.Equal(t, tc.writes, m.writes)
			require.Equal(t, tc.batch, m.batch)
		})
	}
}

// What no tool describes, or what could be read in two ways, means nothing.
func TestNothingElseMeansAnything(t *testing.T) {
	t.Parallel()
	const forbidden, bad = http.StatusForbidden, http.StatusBadRequest
	long := string(slices.Repeat([]byte("a"), 3000))
	for _, tc := range []struct {
		method, path, query, body string
		status                    int
	}{
		{"DELETE", "/crm/v3/objects/contacts/12", "", "", forbidden},
		{"POST", "/crm/v3/objects/contacts/batch/archive", "", `{"inputs":[{"id":"12"}]}`, forbidden},
		{"POST", "/crm/v3/objects/contacts/gdpr-delete", "", `{"objectId":"12"}`, forbidden},
		{"POST", "/crm/v3/objects/contacts/merge", "", `{"primaryObjectId":"12","objectIdToMerge":"13"}`, forbidden},
		{"GET", "/crm/v3/objects/contacts/merge", "", "", forbidden},
		{"POST", "/oauth/v1/token", "", "grant_type=refresh_token", forbidden},
		{"POST", "/oauth/2026-09/token", "", "", forbidden},
		{"GET", "/oauth/v1/access-tokens/abc", "", "", forbidden},
		{"GET", "/account-info/v3/details", "", "", forbidden},
		{"GET", "/crm/v3/schemas", "", "", forbidden},
		{"POST", "/crm/v3/properties/contacts", "", `{"name":"x"}`, forbidden},
		{"DELETE", "/crm/v3/properties/contacts/email", "", "", forbidden},
		{"POST", "/crm/v3/pipelines/deals", "", `{}`, forbidden},
		{"GET", "/crm/v3/objects/quotes/12", "", "", forbidden},
		{"GET", "/crm/v3/objects/CONTACTS/12", "", "", forbidden},
		{"GET", "/crm/v3/objects/contacts/12", "associations=quotes", "", forbidden},
		{"POST", "/crm/v3/objects/deals/search", "", `{"filterGroups":[{"filters":[{"propertyName":"associations.quote","operator":"EQ","value":"1"}]}]}`, forbidden},
		{"POST", "/crm/v3/objects/deals/search", "", `{"filterGroups":[{"filters":[{"propertyName":"Associations.quote","operator":"EQ","value":"1"}]}]}`, forbidden},
		{"GET", "/contacts/v1/lists/all/contacts/all", "", "", forbidden},
		{"POST", "/collector/graphql", "", `{"query":"{ CRM { contact_collection { items { email } } } }"}`, forbidden},
		{"POST", "/files/v3/files", "", "--x", forbidden},
		{"POST", "/crm/v3/imports", "", `{}`, forbidden},
		{"POST", "/crm/v3/exports/export/async", "", `{}`, forbidden},
		{"POST", "/crm/v3/extensions/cards/1", "", `{}`, forbidden},
		{"GET", "/webhooks/v3/1/settings", "", "", forbidden},
		{"POST", "/marketing/v3/transactional/single-email/send", "", `{}`, forbidden},
		{"POST", "/automation/v4/actions/callbacks/1/complete", "", `{}`, forbidden},
		{"GET", "/%6Fauth/v1/access-tokens/abc", "", "", forbidden},
		{"DELETE", "/crm/v3/objects/contacts/12", "", `{"x":1}`, forbidden},
		{"GET", "/crm/v2/objects/contacts/12", "", "", forbidden},
		{"PUT", "/crm/v4/objects/contacts/12/associations/companies/34", "", `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`, forbidden},
		{"POST", "/crm/v4/associations/contacts/companies/batch/create", "", `{"inputs":[]}`, forbidden},
		{"POST", "/crm/v4/associations/contacts/companies/batch/archive", "", `{"inputs":[]}`, forbidden},
		// The primary company: who links so replaces one.
		{"POST", "/crm/v3/objects/contacts", "", `{"properties":{"email":"a@b.example"},"associations":[{"to":{"id":"12"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]}]}`, forbidden},
		{"POST", "/crm/v3/objects/contacts", "", `{"properties":{"email":"a@b.example"},"associations":[{"to":{"id":"12"},"types":[{"associationCategory":"USER_DEFINED","associationTypeId":279}]}]}`, forbidden},
		{"TRACE", "/crm/v3/objects/contacts/12", "", "", forbidden},
		{"HEAD", "/crm/v3/objects/contacts/12", "", "", forbidden},
		// Paths.
		{"GET", "", "", "", bad},
		{"GET", "/", "", "", bad},
		{"GET", "*", "", "", bad},
		{"GET", "//crm/v3/objects/contacts/12", "", "", bad},
		{"GET", "/crm/v3//objects/contacts/12", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/./12", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/../deals/12", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/%2e%2e/deals/12", "", "", bad},
		{"GET", "/crm/v3/objects/contacts%2f12", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12%2fassociations%2fdeals", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12%5c..", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12%3fassociations=deals", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12%23", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12%00", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12%0d%0aX:y", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/%2531", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/12;a=b", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/{id}", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/１２", "", "", bad},
		{"GET", "/crm/v3/objects/contacts/" + long, "", "", bad},
		{"GET", "/crm/v3/objects/contacts/ada", "", "", bad},
		{"PATCH", "/crm/v3/objects/contacts/ada", "", `{"properties":{"fax":"1"}}`, bad},
		{"GET", "https://api.hubapi.com/crm/v3/objects/contacts/12", "", "", bad},
		// What would widen a request.
		{"GET", "/crm/v3/objects/contacts/12", "hapikey=abc", "", bad},
		{"GET", "/crm/v3/objects/contacts/12", "access_token=abc", "", bad},
		{"GET", "/crm/v3/objects/contacts/12", "idProperty=email&idProperty=phone", "", bad},
		{"GET", "/crm/v3/objects/contacts/12", "properties=a;b", "", bad},
		{"GET", "/crm/v3/objects/contacts/12", "properties=a%26archived%3Dtrue", "", bad},
		{"GET", "/crm/v3/objects/contacts", "limit=100000", "", bad},
		{"GET", "/crm/v3/objects/contacts", "limit=-1", "", bad},
		{"GET", "/crm/v3/objects/contacts/12", "", `{"x":1}`, bad},
		{"POST", "/crm/v3/objects/contacts", "hapikey=abc", `{"properties":{"email":"a@b.example"}}`, bad},
		{"POST", "/crm/v3/objects/contacts", "", `{"properties":{"email":"a@b.example"},"delete":true}`, bad},
		{"POST", "/crm/v3/objects/contacts", "", `{"id":"12","properties":{"email":"a@b.example"}}`, bad},
		{"POST", "/crm/v3/objects/contacts", "", `{"properties":{"email":"a@b.example"}}{"properties":{}}`, bad},
		{"POST", "/crm/v3/objects/contacts", "", `{"properties":{"email":{"a":1}}}`, bad},
		{"POST", "/crm/v3/objects/contacts", "", `{"properties":{"a b":"x"}}`, bad},
		{"POST", "/crm/v3/objects/contacts", "", `not JSON`, bad},
		{"POST", "/crm/v3/objects/contacts", "", ``, bad},
		{"PATCH", "/crm/v3/objects/contacts/12", "", `{"properties":{"fax":"1"},"associations":[]}`, bad},
		{"POST", "/crm/v3/objects/contacts/search", "", `{"query":"a","associationFilters":[]}`, bad},
		{"POST", "/crm/v3/objects/contacts/search", "", `{"query":"a","limit":5000}`, bad},
		{"POST", "/crm/v3/objects/contacts/search", "", `{"sorts":[{"propertyName":"a","direction":"ASCENDING","x":1}]}`, bad},
		{"POST", "/crm/v3/objects/contacts/batch/read", "", `{"inputs":[]}`, bad},
		{"POST", "/crm/v3/objects/contacts/batch/read", "", `{"inputs":[{"id":"ada"}]}`, bad},
		{"POST", "/crm/v3/objects/contacts/batch/update", "", `{"inputs":[{"id":"12","properties":{"fax":"1"}},{"id":"12","properties":{"fax":"1"}}]}`, bad},
		{"POST", "/crm/v3/objects/contacts/batch/upsert", "", `{"inputs":[{"id":"12","properties":{"fax":"1"}}]}`, bad},
	} {
		t.Run(tc.method+" "+tc.path[:min(len(tc.path), 80)]+"?"+tc.query+" "+tc.body, func(t *testing.T) {
			t.Parallel()
			_, r := understand(tc.method, tc.path, tc.query, payload{raw: []byte(tc.body)})
			require.NotNil(t, r)
			require.Equal(t, tc.status, r.status, r.message)
			require.NotEmpty(t, r.message)
			require.NotContains(t, r.message, "b.example", "no value in a message")
		})
	}
}
