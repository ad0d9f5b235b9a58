package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func (b *bundle) settings(t *testing.T) store.Settings {
	t.Helper()
	o, err := b.store.Organization(t.Context(), b.org.ID)
	require.NoError(t, err)
	return o.Settings
}

func TestRolesOnTheSettingsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, role := range store.Roles() {
		person := b.as(t, string(role)+"@acme.example", role)
		page := person.do(t, http.MethodGet, b.server.URL+"/settings")
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, `action="/settings/language"`, role)
		require.Equal(t, role != store.RoleViewer, strings.Contains(page.body, `action="/settings/delegation"`), role)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(page.body, `action="/settings/approvals"`), role)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(page.body, `name="from"`), role)
		if role != store.RoleAdmin {
			require.Equal(t, http.StatusForbidden, person.post(t, b.server.URL+"/settings/approvals", "quorum", "2").status, role)
		}
	}
	require.Equal(t, store.Settings{}, b.settings(t))
}

func TestApprovalSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	b.as(t, "abe@acme.example", store.RoleApprover)
	abe := b.id(t, "abe@acme.example")
	b.as(t, "vi@acme.example", store.RoleViewer)
	require.NoError(t, b.store.UpdateSettings(t.Context(), b.org.ID, []string{"acme.example"}, store.Settings{NotesWait: store.Duration(time.Hour)}, store.Operator))
	path := b.server.URL + "/settings/approvals"
	page := admin.do(t, http.MethodGet, b.server.URL+"/settings").body
	for field, value := range map[string]string{"quorum": "1", "remind": "24", "deadline": "168"} {
		require.Regexp(t, `name="`+field+`"[^>]* value="`+value+`"`, page)
	}
	require.NotContains(t, page, "vi@acme.example</label>", "a viewer approves nothing")

	good := url.Values{"quorum": {"2"}, "no_self_approval": {"yes"}, "remind": {"4"}, "deadline": {"48,5"}, "on_expiry": {"escalate"}}
	for field, test := range map[string]struct{ value, says string }{
		"quorum":   {"many", "is a whole number, from 1 on"},
		"remind":   {"-1", "0 for no reminder"},
		"deadline": {"0", "more than 0"},
		"approver": {"x", "Choose people of the list."},
	} {
		wrong := url.Values{}
		maps.Copy(wrong, good)
		wrong.Set(field, test.value)
		out := admin.post(t, path, pairs(wrong)...)
		require.Equal(t, http.StatusConflict, out.status, field)
		require.Contains(t, out.body, test.says, field)
		if field != "approver" {
			require.Regexp(t, `name="`+field+`"[^>]* value="`+test.value+`" aria-invalid="true" aria-describedby="wrong-`+field+`"`, out.body)
		}
	}
	// One who is not theirs to name, and more than there are.
	for _, test := range []struct{ field, value, says string }{
		{"approver", uuid.NewString(), "An approver is somebody of the organization"}, {"quorum", "9", "Too few people could approve"}, {"on_expiry", "forget", "There is no expiry policy"},
	} {
		wrong := url.Values{}
		maps.Copy(wrong, good)
		wrong.Set(test.field, test.value)
		out := admin.post(t, path, pairs(wrong)...)
		require.Equal(t, http.StatusConflict, out.status, test.says)
		require.Contains(t, out.body, `<p class="problem" role="alert">`+test.says)
	}
	require.Zero(t, b.settings(t).Approvals)

	good.Set("quorum", "1")
	good.Set("approver", abe.String())
	saved := admin.post(t, path, pairs(good)...)
	require.Equal(t, "/settings?done=approvals", saved.location, saved.body)
	require.Equal(t, store.Settings{
		NotesWait: store.Duration(time.Hour), ApprovalTTL: store.Duration(48*time.Hour + 30*time.Minute),
		Approvals: store.ApprovalSettings{
			Quorum: 1, NoSelfApproval: true, Approvers: []uuid.UUID{abe}, RemindAfter: store.Duration(4 * time.Hour), OnExpiry: store.ExpiryEscalates,
		},
	}, b.settings(t))
	page = admin.do(t, http.MethodGet, b.server.URL+saved.location).body
	require.Contains(t, page, "The settings for approvals are saved.")
	require.Contains(t, page, `name="approver" value="`+abe.String()+`" checked`)
	require.Regexp(t, `name="deadline"[^>]* value="48.5"`, page)
	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: store.AuditOrganization})
	require.NoError(t, err)
	last := trail[len(trail)-1]
	require.Contains(t, last.Reason, "quorum 1 → quorum 1, no self-approval, approvers person "+abe.String())
	require.Equal(t, b.id(t, "ada@acme.example"), *last.Actor.PersonID)
	good.Set("remind", "0")
	admin.post(t, path, pairs(good)...)
	require.Equal(t, store.Duration(-1), b.settings(t).Approvals.RemindAfter)
	require.Regexp(t, `name="remind"[^>]* value="0"`, admin.do(t, http.MethodGet, b.server.URL+"/settings").body)
}

func TestDelegatingApprovals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin, member := b.as(t, "ada@acme.example", store.RoleAdmin), b.as(t, "mo@acme.example", store.RoleMember)
	ada, mo := b.id(t, "ada@acme.example"), b.id(t, "mo@acme.example")
	other := storetest.Organization(t, b.store)
	stranger, err := b.store.AddPerson(t.Context(), store.Person{
		OrganizationID: other.ID, Name: "Stranger", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "s@stranger.example"}},
	}, store.Operator)
	require.NoError(t, err)
	path := b.server.URL + "/settings/delegation"
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for _, test := range []struct{ from, to, until, field, says string }{
		{"", "", tomorrow, "to", "Choose a person of the list."},
		{"x", ada.String(), tomorrow, "", "Choose a person of the list."},
		{"", ada.String(), "soon", "until", "Write the day as 2026-11-22."},
		{"", ada.String(), "2020-01-01", "until", "ends in the future"},
		{"", mo.String(), tomorrow, "until", "Nobody is their own delegate."},
		{"", stranger.ID.String(), tomorrow, "to", "Nobody of your organization is this person."},
		{stranger.ID.String(), mo.String(), tomorrow, "to", "Nobody of your organization is this person."},
		{ada.String(), mo.String(), tomorrow, "until", "those of others only an admin can"},
	} {
		out := member.post(t, path, "from", test.from, "to", test.to, "until", test.until)
		require.Contains(t, []int{http.StatusConflict, http.StatusNotFound}, out.status, test.says)
		if test.field != "" {
			require.Contains(t, out.body, test.says)
			require.Regexp(t, `id="`+test.field+`"[^>]* aria-describedby="wrong-delegation"`, out.body)
		}
	}
	require.Equal(t, http.StatusNotFound, member.post(t, path+"/end").status)
	require.Equal(t, "/settings?done=delegated", member.post(t, path, "to", ada.String(), "until", tomorrow).location)
	all, err := b.store.Delegations(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, [2]uuid.UUID{mo, ada}, [2]uuid.UUID{all[0].FromID, all[0].ToID})
	day, err := time.Parse(time.DateOnly, tomorrow)
	require.NoError(t, err)
	require.True(t, all[0].Until.Equal(day.AddDate(0, 0, 1)), "the day itself counts")
	require.Contains(t, member.do(t, http.MethodGet, b.server.URL+"/settings").body, "Ms ada@acme.example answers for you until")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/settings").body, "Ms ada@acme.example answers for Ms mo@acme.example until")

	require.Equal(t, "/settings?done=delegated", admin.post(t, path, "to", mo.String(), "until", tomorrow).location)
	require.Equal(t, http.StatusConflict, member.post(t, path+"/end", "from", ada.String()).status, "not theirs to end")
	require.Equal(t, "/settings?done=ended", admin.post(t, path+"/end", "from", mo.String()).location)
	require.Equal(t, "/settings?done=ended", admin.post(t, path+"/end").location)
	all, err = b.store.Delegations(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestEverybodysLanguage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	member := b.as(t, "mo@acme.example", store.RoleMember)
	path := b.server.URL + "/settings/language"
	require.Contains(t, member.do(t, http.MethodGet, b.server.URL+"/settings").body, `<html lang="en">`)
	out := member.post(t, path, "language", "tlh")
	require.Equal(t, http.StatusConflict, out.status)
	require.Contains(t, out.body, "Choose a language of the list.")
	require.Equal(t, "/settings?done=language", member.post(t, path, "language", "de").location)
	page := member.do(t, http.MethodGet, b.server.URL+"/settings?done=language").body
	require.Contains(t, page, `<html lang="de">`)
	require.Contains(t, page, "Ab jetzt sind die Seiten in dieser Sprache.")
	tools := member.do(t, http.MethodGet, b.server.URL+"/tools").body
	require.Contains(t, tools, "<h1>Werkzeuge und Berechtigungen</h1>")
	require.Contains(t, tools, "<strong>verbieten</strong>")
}
