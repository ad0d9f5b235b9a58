package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// id finds somebody of the bundle's organization.
func (b *bundle) id(t *testing.T, email string) uuid.UUID {
	t.Helper()
	p, err := b.store.PersonByEmail(t.Context(), b.org.ID, email)
	require.NoError(t, err)
	return p.ID
}

// Who may see and do what. Each role's refusal stands at the handler.
func TestRolesOnThePeoplePages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	browsers := map[store.Role]*browser{}
	for _, role := range store.Roles() {
		browsers[role] = b.as(t, string(role)+"@acme.example", role)
	}
	somebody := "/people/" + b.id(t, "member@acme.example").String()
	posts := []string{"/people", somebody, somebody + "/identities", somebody + "/identities/remove", somebody + "/merge", somebody + "/deactivate", somebody + "/reactivate"}
	for role, person := range browsers {
		list := person.do(t, http.MethodGet, b.server.URL+"/people")
		require.Equal(t, http.StatusOK, list.status)
		require.Contains(t, list.body, "4 people: 1 admin, 1 approver, 1 member, 1 viewer.")
		require.Equal(t, role != store.RoleViewer, strings.Contains(list.body, "approver@acme.example"), role)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(list.body, "Add somebody"), role)
		seen := person.do(t, http.MethodGet, b.server.URL+somebody)
		require.Equal(t, map[bool]int{true: http.StatusForbidden, false: http.StatusOK}[role == store.RoleViewer], seen.status)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(seen.body, "Deactivate"), role)
		if role == store.RoleAdmin {
			continue
		}
		for _, path := range posts {
			out := person.post(t, b.server.URL+path, "email", "eve@acme.example", "role", "admin")
			require.Equal(t, http.StatusForbidden, out.status, "%s %s", role, path)
			require.Contains(t, out.body, "this is for: admin")
		}
	}
	for _, path := range posts {
		require.Equal(t, http.StatusForbidden, browsers[store.RoleAdmin].do(t, http.MethodPost, b.server.URL+path, "Sec-Fetch-Site", "cross-site").status, path)
		require.Equal(t, http.StatusUnauthorized, newBrowser(t).post(t, b.server.URL+path).status, path)
	}
	people, err := b.store.People(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Len(t, people, 4)
}

// The organization comes from the session: somebody of another one is not there.
func TestNobodySeesAnotherOrganizationsPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	other := storetest.Organization(t, b.store)
	stranger, err := b.store.AddPerson(t.Context(), store.Person{
		OrganizationID: other.ID, Name: "Stranger", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "s@stranger.example"}},
	}, store.Operator)
	require.NoError(t, err)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/people?show=all").body, "Stranger")
	path := b.server.URL + "/people/" + stranger.ID.String()
	require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, path).status)
	for _, do := range []string{"", "/identities", "/identities/remove", "/merge", "/deactivate", "/reactivate"} {
		out := admin.post(t, path+do, "name", "x", "role", "viewer", "kind", "email", "value", "s@stranger.example", "other", b.id(t, "ada@acme.example").String())
		require.Equal(t, http.StatusNotFound, out.status, do)
	}
	mine := b.server.URL + "/people/" + b.id(t, "ada@acme.example").String()
	require.Equal(t, http.StatusNotFound, admin.post(t, mine+"/merge", "other", stranger.ID.String()).status)
	require.Equal(t, http.StatusNotFound, admin.post(t, mine, "name", "Ada", "role", "admin", "stand_in", stranger.ID.String()).status)
	require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, b.server.URL+"/people/x").status)
}

// What an admin does on the pages, and how the trail names it.
func TestAnAdminCorrectsPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	ada := b.id(t, "ada@acme.example")

	added := admin.post(t, b.server.URL+"/people", "name", "Mara <b>Lindqvist</b>", "email", "Mara@acme.example", "role", "approver")
	require.Equal(t, http.StatusSeeOther, added.status, added.body)
	mara := b.id(t, "mara@acme.example")
	require.Equal(t, "/people/"+mara.String(), added.location)
	path := b.server.URL + added.location
	page := admin.do(t, http.MethodGet, path)
	require.Contains(t, page.body, "Mara &lt;b&gt;Lindqvist&lt;/b&gt;")
	require.NotContains(t, page.body, "<b>")
	again := admin.post(t, b.server.URL+"/people", "name", "Twice", "email", "mara@acme.example", "role", "member")
	require.Equal(t, http.StatusConflict, again.status)
	require.Contains(t, again.body, "belongs to somebody else")
	require.Contains(t, again.body, `value="Twice"`, "what was typed is kept")

	require.Contains(t, admin.post(t, path, "name", "Mara Lindqvist", "role", "member", "stand_in", ada.String()).location, "done=changed")
	require.Contains(t, admin.do(t, http.MethodGet, path+"?done=changed").body, "The change is saved.")
	require.NotContains(t, admin.do(t, http.MethodGet, path+"?done=Send+money").body, "money")
	require.Equal(t, ada, *mustPerson(t, b, mara).StandInID)
	require.Equal(t, http.StatusSeeOther, admin.post(t, path+"/identities", "kind", "slack_user", "value", "T1:U1").status)
	wrong := admin.post(t, path+"/identities", "kind", "hubspot_owner", "value", "x")
	require.Equal(t, http.StatusConflict, wrong.status)
	require.Contains(t, wrong.body, "That is no hubspot_owner")
	require.Equal(t, http.StatusSeeOther, admin.post(t, path+"/identities/remove", "kind", "slack_user", "value", "T1:U1").status)
	require.Equal(t, http.StatusNotFound, admin.post(t, path+"/identities/remove", "kind", "slack_user", "value", "T1:U1").status)

	for do, part := range map[string]string{"/deactivate": "last admin", "": "last admin", "/merge": "Choose who"} {
		refused := admin.post(t, b.server.URL+"/people/"+ada.String()+do, "name", "Ada", "role", "member")
		require.Equal(t, http.StatusConflict, refused.status, do)
		require.Contains(t, refused.body, part)
	}

	double := b.as(t, "mara@old-acme.example", store.RoleMember)
	gone := b.id(t, "mara@old-acme.example")
	require.Contains(t, admin.post(t, path+"/merge", "other", gone.String()).location, "done=merged")
	require.False(t, b.signedIn(t, double))
	require.Equal(t, "/people/"+mara.String(), admin.do(t, http.MethodGet, b.server.URL+"/people/"+gone.String()).location)

	require.Contains(t, admin.post(t, path+"/deactivate").location, "done=deactivated")
	require.Contains(t, admin.do(t, http.MethodGet, path).body, "Reactivate")
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/people").body, "Mara Lindqvist")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/people?show=deactivated").body, "Mara Lindqvist")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/people?show=all&q=OLD-acme").body, "Mara Lindqvist")
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/people?show=all&q=zebra").body, "Mara Lindqvist")
	require.Contains(t, admin.post(t, path+"/reactivate").location, "done=reactivated")

	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditPerson})
	require.NoError(t, err)
	var reasons []string
	for _, e := range trail {
		reasons = append(reasons, e.Reason)
		require.NotContains(t, e.Reason, "@")
		require.NotContains(t, e.Reason, "Lindqvist")
	}
	last := trail[len(trail)-1]
	require.Equal(t, "web page", last.Actor.Name)
	require.Equal(t, ada, *last.Actor.PersonID)
	for _, want := range []string{"added as approver", "role approver → member", "name changed", "stand-in none → person " + ada.String(), "slack_user removed", "deactivated: by an admin", "reactivated"} {
		require.Contains(t, reasons, "person "+mara.String()+": "+want)
	}
}

// A host whom HubSpot does not know as an owner, or no longer, is seen.
func TestOwnersAreShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	b.exec(t, `insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state)
		select gen_random_uuid(), organization_id, id, 'main', 4711, false, '{}', 'connected' from apps`)
	ada := b.id(t, "ada@acme.example")
	page := func() string { return admin.do(t, http.MethodGet, b.server.URL+"/people/"+ada.String()).body }
	require.Contains(t, page(), "HubSpot account 4711: not looked up yet")
	_, err := b.store.RecordOwner(t.Context(), b.org.ID, ada, store.OwnerSeen{HubID: 4711})
	require.NoError(t, err)
	require.Contains(t, page(), "host: no owner found in HubSpot")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/people?show=owners").body, "host: no owner found in HubSpot")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/overview").body, "1 without an active owner")
	_, err = b.store.RecordOwner(t.Context(), b.org.ID, ada, store.OwnerSeen{HubID: 4711, OwnerID: "88"})
	require.NoError(t, err)
	require.Contains(t, page(), "HubSpot account 4711: owner 88, as of ")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/people?show=owners").body, "Nobody is like that.")
	_, err = b.store.RecordOwner(t.Context(), b.org.ID, ada, store.OwnerSeen{HubID: 4711, OwnerID: "88", Archived: true})
	require.NoError(t, err)
	require.Contains(t, page(), "host: owner deactivated in HubSpot")
}

// Whoever leaves takes no grant along: HubSpot is told.
func TestDeactivatingRevokesTheirOwnGrants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	leaver := b.as(t, "mara@acme.example", store.RoleMember)
	going := leaver.do(t, http.MethodPost, b.connectLink(t))
	back, err := b.sim.Consent(going.location, hubID, b.user.ID, true)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, leaver.do(t, http.MethodGet, back).status)
	mara := b.id(t, "mara@acme.example")
	b.exec(t, `update connections set is_user_level = true, person_id = '`+mara.String()+`'`)

	require.Contains(t, admin.post(t, b.server.URL+"/people/"+mara.String()+"/deactivate").location, "done=deactivated")
	all, err := b.store.Connections(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, store.Revoked, all[0].State)
}
