package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// rows are the numbers of a page's rows, in its order.
func rows(body string) []string {
	var out []string
	for _, found := range regexp.MustCompile(`<a href="/audit/(\d+)">`).FindAllStringSubmatch(body, -1) {
		out = append(out, found[1])
	}
	return out
}

// wrote is a call with values beside its row, and the row's number.
func (b *bundle) wrote(t *testing.T, organizationID uuid.UUID, e store.AuditEntry) string {
	t.Helper()
	e.OrganizationID, e.Kind = organizationID, store.AuditCall
	if e.Actor.Name == "" {
		e.Actor.Name = "follow-up"
	}
	require.NoError(t, b.store.Audit(t.Context(), e))
	trail, err := b.store.AuditTrail(t.Context(), organizationID, store.AuditFilter{Limit: 1})
	require.NoError(t, err)
	return strconv.FormatInt(trail[0].ID, 10)
}

func TestTheTrailIsFiltered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	ada := b.id(t, "ada@acme.example")
	b.as(t, "mo@acme.example", store.RoleMember)
	mo := b.id(t, "mo@acme.example")
	meeting := uuid.New()
	deal := policy.Tool{Object: "deal", Operation: policy.Update}
	require.NoError(t, b.store.SetPermission(t.Context(), b.org.ID, deal, policy.Ask, store.Actor{Name: store.ViaWeb, PersonID: &ada}))
	permission := rows(admin.do(t, http.MethodGet, b.server.URL+"/audit?kind=permission").body)
	require.Len(t, permission, 1)
	first := b.wrote(t, b.org.ID, store.AuditEntry{Tool: deal, RecordID: "900", Origin: store.Origin{Kind: "meeting", ID: meeting}, OnBehalfOf: mo.String(), Values: map[string]string{"amount": "42000"}})
	second := b.wrote(t, b.org.ID, store.AuditEntry{Tool: policy.Tool{Object: "contact", Operation: policy.Create}, RecordID: "901", Outcome: store.Failed, Reason: "HubSpot <i>said</i> no"})
	for query, want := range map[string][]string{
		"?kind=call":                              {second, first},
		"?tool=deal.update":                       {first, permission[0]},
		"?kind=call&tool=deal.update":             {first},
		"?record=901":                             {second},
		"?meeting=" + meeting.String():            {first},
		"?person=" + mo.String():                  {first},
		"?person=" + uuid.NewString():             nil,
		"?kind=permission&person=" + ada.String(): permission,
	} {
		out := admin.do(t, http.MethodGet, b.server.URL+"/audit"+query)
		require.Equal(t, http.StatusOK, out.status, query)
		require.Equal(t, want, rows(out.body), query)
		require.NotContains(t, out.body, "42000", "values stand elsewhere")
	}
	body := admin.do(t, http.MethodGet, b.server.URL+"/audit").body
	require.Contains(t, body, "Ms ada@acme.example (web page)")
	require.Contains(t, body, `deny → <strong class="name">ask</strong>`)
	require.Contains(t, body, "for Ms mo@acme.example")
	require.NotContains(t, body, mo.String()+"<", "a name in the place of the ID")
	require.Contains(t, body, `<span class="tag warn">failed</span>`)
	require.Contains(t, body, "HubSpot &lt;i&gt;said&lt;/i&gt; no")
	for query, wrong := range map[string]string{"kind=gossip": "kind", "person=x": "person", "tool=deal": "tool", "meeting=42": "meeting"} {
		out := admin.do(t, http.MethodGet, b.server.URL+"/audit?"+query)
		require.Equal(t, http.StatusConflict, out.status, query)
		require.Regexp(t, `id="`+wrong+`"[^>]* aria-invalid="true" aria-describedby="wrong-`+wrong+`"`, out.body, query)
		require.Empty(t, rows(out.body))
	}

	// Who turned out to be another is found under that one.
	require.NoError(t, b.store.MergePeople(t.Context(), b.org.ID, ada, mo, store.Operator))
	require.Contains(t, rows(admin.do(t, http.MethodGet, b.server.URL+"/audit?person="+ada.String()).body), first)
}

func TestTheTrailIsPaged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	var all []string
	for i := range 101 {
		all = append([]string{b.wrote(t, b.org.ID, store.AuditEntry{RecordID: fmt.Sprint(i)})}, all...)
	}
	first := admin.do(t, http.MethodGet, b.server.URL+"/audit?kind=call")
	second := admin.do(t, http.MethodGet, b.server.URL+link(t, first.body, "Older"))
	b.wrote(t, b.org.ID, store.AuditEntry{})
	third := admin.do(t, http.MethodGet, b.server.URL+link(t, second.body, "Older"))
	require.NotContains(t, third.body, ">Older<")
	require.Equal(t, all, append(append(rows(first.body), rows(second.body)...), rows(third.body)...))
	require.Equal(t, all[0], rows(admin.do(t, http.MethodGet, b.server.URL+"/audit?kind=call&before=x").body)[1])
}

// Rows are for admins and approvers, what was written for admins, and looking at
// it is a row of its own that no GET writes.
func TestWhoSeesWhatWasWritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := storetest.Organization(t, b.store)
	theirs := b.wrote(t, other.ID, store.AuditEntry{Values: map[string]string{"email": "secret@stranger.example"}})
	empty := b.wrote(t, b.org.ID, store.AuditEntry{})
	row := b.wrote(t, b.org.ID, store.AuditEntry{RecordID: "900", Values: map[string]string{"email": "jane@northwind.example", "note": "<b>two</b>"}})
	path := b.server.URL + "/audit/" + row
	for _, role := range store.Roles() {
		person := b.as(t, string(role)+"@acme.example", role)
		list, page := person.do(t, http.MethodGet, b.server.URL+"/audit"), person.do(t, http.MethodGet, path)
		want := http.StatusForbidden
		if role == store.RoleAdmin || role == store.RoleApprover {
			want = http.StatusOK
		}
		require.Equal(t, want, list.status, role)
		require.Equal(t, want, page.status, role)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(page.body, "Show what was written"), role)
		require.NotContains(t, list.body+page.body, "jane@")
		if role != store.RoleAdmin {
			out := person.post(t, path+"/values")
			require.Equal(t, http.StatusForbidden, out.status, role)
			require.NotContains(t, out.body, "jane@")
		}
	}
	require.Empty(t, b.reasons(t, store.AuditVisibility))
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	require.Equal(t, http.StatusForbidden, admin.do(t, http.MethodPost, path+"/values", "Sec-Fetch-Site", "cross-site").status)
	require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, path+"/values").status, "no GET opens them")
	require.Empty(t, b.reasons(t, store.AuditVisibility))
	opened := admin.post(t, path+"/values")
	require.Equal(t, http.StatusOK, opened.status)
	require.Contains(t, opened.body, "<dt><code>email</code></dt><dd class=\"value\">jane@northwind.example</dd>")
	require.Contains(t, opened.body, "&lt;b&gt;two&lt;/b&gt;")
	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditVisibility})
	require.NoError(t, err)
	require.Len(t, trail, 1)
	require.Equal(t, "values of row "+row+" of the trail shown", trail[0].Reason)
	require.Equal(t, b.id(t, "ada@acme.example"), *trail[0].Actor.PersonID)

	for _, number := range []string{theirs, "0", "-1", "x", "999999999"} {
		require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, b.server.URL+"/audit/"+number).status, number)
		require.Equal(t, http.StatusNotFound, admin.post(t, b.server.URL+"/audit/"+number+"/values").status, number)
	}
	require.Equal(t, http.StatusNotFound, admin.post(t, b.server.URL+"/audit/"+empty+"/values").status)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/audit/"+empty).body, "Show what was written")

	// What was erased is gone, and opening it writes nothing.
	b.exec(t, `update audit_details set sealed = null`)
	require.NotContains(t, admin.do(t, http.MethodGet, path).body, "Show what was written")
	gone := admin.post(t, path+"/values")
	require.Equal(t, http.StatusGone, gone.status)
	require.Contains(t, gone.body, "was erased")
	require.Len(t, b.reasons(t, store.AuditVisibility), 1)
}
