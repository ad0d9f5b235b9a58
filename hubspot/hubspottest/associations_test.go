package hubspottest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// types are "label:typeId" of the first association of a list.
func types(a answer) []string {
	var out []string
	list, _ := a.at("results.0.associationTypes").([]any)
	for _, one := range list {
		row := one.(map[string]any)
		out = append(out, fmt.Sprintf("%v:%.0f", row["label"], row["typeId"]))
	}
	return out
}

// TestAssociationTypes holds the table against HubSpot's numbers, from the side
// of a record that is linked plainly.
func TestAssociationTypes(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]int{
		"contacts":  {"contacts": 449, "companies": 279, "deals": 4, "tickets": 15, "meetings": 199, "notes": 201, "tasks": 203, "calls": 193, "emails": 197},
		"companies": {"contacts": 280, "companies": 450, "deals": 342, "tickets": 340, "meetings": 187, "notes": 189, "tasks": 191, "calls": 181, "emails": 185},
		"deals":     {"contacts": 3, "companies": 341, "deals": 451, "tickets": 27, "meetings": 211, "notes": 213, "tasks": 215, "calls": 205, "emails": 209},
		"tickets":   {"contacts": 16, "companies": 339, "deals": 28, "tickets": 452, "meetings": 225, "notes": 227, "tasks": 229, "calls": 219, "emails": 223},
		"meetings":  {"contacts": 200, "companies": 188, "deals": 212, "tickets": 226},
		"notes":     {"contacts": 202, "companies": 190, "deals": 214, "tickets": 228},
		"tasks":     {"contacts": 204, "companies": 192, "deals": 216, "tickets": 230},
	}
	s := setup(t).with()
	for from, row := range want {
		for to, id := range row {
			a := s.api("GET", "/crm/associations/2026-09/"+from+"/"+to+"/labels", "")
			require.EqualValues(t, id, a.at("results.0.typeId"), "%s to %s", from, to)
			require.Nil(t, a.at("results.0.label"))
			require.Equal(t, "HUBSPOT_DEFINED", a.at("results.0.category"))
		}
	}
	for pair, id := range map[string]int{"contacts/companies": 1, "companies/contacts": 2, "deals/companies": 5, "companies/deals": 6, "companies/tickets": 25, "tickets/companies": 26} {
		a := s.api("GET", "/crm/associations/2026-09/"+pair+"/labels", "")
		require.EqualValues(t, id, a.at("results.1.typeId"), pair)
		require.Equal(t, "Primary", a.at("results.1.label"))
	}
}

func TestPrimaryCompanies(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	contact := s.create("contacts", `{"email":"a@x.example"}`)
	first, second := s.create("companies", `{"name":"A"}`), s.create("companies", `{"name":"B"}`)
	at := objects + "contacts/" + contact + "/associations/companies/"
	made := s.api("PUT", at+first, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`)
	require.Equal(t, 201, made.status)
	require.Equal(t, map[string]any{"fromObjectTypeId": "0-1", "fromObjectId": contact, "toObjectTypeId": "0-2", "toObjectId": first, "labels": []any{"Primary"}}, made.body)
	list := s.api("GET", objects+"contacts/"+contact+"/associations/companies", "")
	require.Equal(t, []string{"<nil>:279", "Primary:1"}, types(list), "the unlabelled row always accompanies")
	require.Equal(t, []string{"<nil>:280", "Primary:2"}, types(s.api("GET", objects+"companies/"+first+"/associations/contacts", "")))
	read := s.api("GET", objects+"contacts/"+contact+"?associations=companies&properties=associatedcompanyid", "")
	require.Equal(t, "contact_to_company_unlabeled", read.at("associations.companies.results.0.type"))
	require.Equal(t, "contact_to_company", read.at("associations.companies.results.1.type"))
	require.Equal(t, first, read.at("properties.associatedcompanyid"))

	s.api("PUT", at+second, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`)
	require.Equal(t, []string{"<nil>:279"}, types(s.api("GET", objects+"contacts/"+contact+"/associations/companies", "")), "there is one primary company")
	s.Configure(hub, func(set *hubspottest.Settings) { set.NumericPairIDs = true })
	require.Equal(t, contact, fmt.Sprintf("%.0f", s.api("PUT", at+second, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]`).body["fromObjectId"]))
	require.Equal(t, 400, s.api("PUT", at+second, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":280}]`).status, "280 leads the other way")
	require.Equal(t, 400, s.api("PUT", at+second, `[]`).status)
	require.Equal(t, 404, s.api("PUT", at+"9", `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279}]`).status)
	require.Equal(t, 204, s.api("DELETE", at+second, "").status)
	require.Equal(t, 204, s.api("DELETE", at+second, "").status)
	require.Len(t, s.api("GET", objects+"contacts/"+contact+"/associations/companies", "").body["results"], 1)
}

func TestLabels(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	at := "/crm/associations/2026-09/contacts/companies/"
	require.Equal(t, 400, s.api("POST", at+"labels", `{"name":"adviser"}`).status)
	made := s.api("POST", at+"labels", `{"name":"adviser","label":"Adviser","inverseLabel":"Advised by"}`)
	require.Equal(t, 200, made.status)
	require.Len(t, made.body["results"], 2, "both directions")
	there, back := int(made.at("results.0.typeId").(float64)), int(made.at("results.1.typeId").(float64))
	require.Equal(t, 409, s.api("POST", at+"labels", `{"name":"adviser","label":"Adviser"}`).status)
	require.Equal(t, 204, s.api("PUT", at+"labels", fmt.Sprintf(`{"associationTypeId":%d,"label":"Counsel","inverseLabel":"Counselled by"}`, there)).status)
	require.Equal(t, 400, s.api("PUT", at+"labels", `{"associationTypeId":279,"label":"X"}`).status, "HubSpot's own")

	contact, company := s.create("contacts", `{"email":"a@x.example"}`), s.create("companies", `{"name":"A"}`)
	from := fmt.Sprintf(`{"from":{"id":%q},"to":{"id":%q}`, contact, company)
	labelled := s.api("POST", at+"batch/create", fmt.Sprintf(`{"inputs":[%s,"types":[{"associationCategory":"USER_DEFINED","associationTypeId":%d},{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]}]}`, from, there))
	require.Equal(t, 201, labelled.status, labelled.text)
	require.Equal(t, []any{"Counsel", "Primary"}, labelled.at("results.0.labels"))
	require.Equal(t, contact, labelled.at("results.0.fromObjectId"))
	list := func() []string {
		return types(s.api("GET", objects+"contacts/"+contact+"/associations/companies", ""))
	}
	require.Equal(t, []string{"<nil>:279", fmt.Sprintf("Counsel:%d", there), "Primary:1"}, list())
	require.Contains(t, types(s.api("GET", objects+"companies/"+company+"/associations/contacts", "")), fmt.Sprintf("Counselled by:%d", back))
	require.Equal(t, 204, s.api("POST", at+"batch/labels/archive", fmt.Sprintf(`{"inputs":[%s,"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]}]}`, from)).status)
	require.Equal(t, []string{"<nil>:279", fmt.Sprintf("Counsel:%d", there)}, list(), "that label only; the association stays")
	// A labelled PUT replaces the labels.
	s.api("PUT", objects+"contacts/"+contact+"/associations/companies/"+company, `[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]`)
	require.Equal(t, []string{"<nil>:279", "Primary:1"}, list())
	s.api("PUT", objects+"contacts/"+contact+"/associations/companies/"+company, fmt.Sprintf(`[{"associationCategory":"USER_DEFINED","associationTypeId":%d}]`, there))
	require.Equal(t, 204, s.api("DELETE", fmt.Sprintf("%slabels/%d", at, there), "").status)
	require.Equal(t, []string{"<nil>:279"}, list())
	require.Equal(t, 404, s.api("DELETE", fmt.Sprintf("%slabels/%d", at, there), "").status)
	require.Equal(t, 400, s.api("DELETE", at+"labels/279", "").status)
	require.Equal(t, 400, s.api("POST", at+"batch/create", fmt.Sprintf(`{"inputs":[%s,"types":[{"associationCategory":"USER_DEFINED","associationTypeId":%d}]}]}`, from, there)).status)
	next := s.api("POST", at+"labels", `{"name":"again","label":"Again"}`)
	require.Greater(t, int(next.at("results.0.typeId").(float64)), back, "numbers are not used twice")
	s.Configure(hub, func(set *hubspottest.Settings) { set.LabelLimit = 1 })
	require.Equal(t, 400, s.api("POST", at+"labels", `{"name":"more","label":"More"}`).status)
}

func TestAssociationBatches(t *testing.T) {
	t.Parallel()
	s := setup(t).with()
	at := "/crm/associations/2026-09/contacts/companies/batch/"
	contact, company := s.create("contacts", `{"email":"a@x.example"}`), s.create("companies", `{"name":"A"}`)
	lonely := s.create("contacts", `{"email":"b@x.example"}`)
	both := s.api("POST", at+"associate/default", fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":{"id":%q}},{"from":{"id":%q},"to":{"id":"9"}}]}`, contact, company, contact))
	require.Equal(t, 207, both.status)
	require.Equal(t, "OBJECT_NOT_FOUND", both.at("errors.0.category"))
	require.EqualValues(t, 279, both.at("results.0.associationSpec.associationTypeId"))
	require.EqualValues(t, 280, both.at("results.1.associationSpec.associationTypeId"))
	read := s.api("POST", at+"read", fmt.Sprintf(`{"inputs":[{"id":%q},{"id":%q}]}`, contact, lonely))
	require.Equal(t, 207, read.status)
	require.Equal(t, contact, read.at("results.0.from.id"))
	require.Equal(t, company, fmt.Sprintf("%.0f", read.at("results.0.to.0.toObjectId")))
	require.Equal(t, lonely, read.at("errors.0.context.fromObjectId.0"))
	require.Equal(t, 204, s.api("POST", at+"archive", fmt.Sprintf(`{"inputs":[{"from":{"id":%q},"to":[{"id":%q}]}]}`, contact, company)).status)
	require.Empty(t, s.api("GET", objects+"contacts/"+contact+"/associations/companies", "").body["results"])
	narrow, _ := s.Token(client, hub, admin, "oauth")
	require.Equal(t, 403, s.send("POST", at+"read", "application/json", `{"inputs":[{"id":"1"}]}`, narrow).status)
	one, _ := s.Token(client, hub, admin, "tickets")
	require.Equal(t, 207, s.send("POST", at+"read", "application/json", `{"inputs":[{"id":"1"}]}`, one).status, "any one object scope does")
}
