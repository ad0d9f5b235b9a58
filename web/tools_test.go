package web_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/web"
	"github.com/debriefhq/debrief/words"
)

// fields are what a browser would send with a form: of radio buttons the one that
// is checked.
func fields(t *testing.T, body, form string) url.Values {
	t.Helper()
	_, rest, found := strings.Cut(body, `id="`+form+`"`)
	require.True(t, found, body)
	inside, _, _ := strings.Cut(rest, "</form>")
	out := url.Values{}
	for _, input := range regexp.MustCompile(`<input [^>]*>`).FindAllString(inside, -1) {
		name := regexp.MustCompile(`name="([^"]*)"`).FindStringSubmatch(input)
		value := regexp.MustCompile(`value="([^"]*)"`).FindStringSubmatch(input)
		if strings.Contains(input, `type="radio"`) && !strings.Contains(input, " checked") {
			continue
		}
		out.Set(html.UnescapeString(name[1]), html.UnescapeString(value[1]))
	}
	return out
}

func pairs(v url.Values) []string {
	var out []string
	for name := range v {
		out = append(out, name, v.Get(name))
	}
	return out
}

// serve puts pages with other options in the place of the bundle's.
func (b *bundle) serve(t *testing.T, o web.Options) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	o.PublicURL, o.AuthorizeURL = "http://"+server.Listener.Addr().String(), b.sim.URL+"/oauth/authorize"
	pages, err := web.New(b.store, b.service, o)
	require.NoError(t, err)
	engine := gin.New()
	pages.Register(engine)
	server.Config.Handler = engine
	server.Start()
	t.Cleanup(server.Close)
	b.server = server
}

func (b *bundle) preset(t *testing.T, name string) {
	t.Helper()
	for _, p := range policy.Presets() {
		if p.Name == name {
			require.NoError(t, b.store.UsePreset(t.Context(), b.org.ID, p, store.Operator))
		}
	}
}

func (b *bundle) permission(t *testing.T, tool string) policy.Permission {
	t.Helper()
	parsed, err := policy.ParseTool(tool)
	require.NoError(t, err)
	p, err := b.store.Permissions(t.Context(), b.org.ID)
	require.NoError(t, err)
	return p.Decide(parsed)
}

func (b *bundle) reasons(t *testing.T, kind store.AuditKind) []string {
	t.Helper()
	trail, err := b.store.AuditTrail(t.Context(), b.org.ID, store.AuditFilter{Kind: kind})
	require.NoError(t, err)
	var out []string
	for _, e := range trail {
		out = append(out, e.Reason)
	}
	return out
}

func TestRolesOnTheToolsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.preset(t, "recommended")
	require.NoError(t, b.store.SetRule(t.Context(), b.org.ID, policy.Rule{Name: "big deals", When: `property == "amount" && new > 50000`, Then: policy.Ask}, store.Operator))
	posts := []string{"", "/preset", "/narrower", "/rules", "/rules/remove", "/dismiss"}
	for _, role := range store.Roles() {
		person := b.as(t, string(role)+"@acme.example", role)
		page := person.do(t, http.MethodGet, b.server.URL+"/tools")
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, "Nothing runs without permission.")
		// Allowed are 8 reads, and 6 writes of notes, tasks and meetings; asked about
		// 8 other writes, and 7 that take something back.
		require.Contains(t, page.body, "14 allow, 15 ask, 0 deny.", role)
		require.Equal(t, role != store.RoleViewer, strings.Contains(page.body, "big deals"), role)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(page.body, `type="radio"`), role)
		require.Equal(t, role == store.RoleAdmin, strings.Contains(page.body, `<form method="post" action="/tools`), role)
		if role == store.RoleAdmin {
			require.Equal(t, http.StatusForbidden, person.do(t, http.MethodPost, b.server.URL+"/tools", "Sec-Fetch-Site", "cross-site").status)
			continue
		}
		require.NotContains(t, person.do(t, http.MethodGet, b.server.URL+"/tools?preset=locked").body, `id="preview"`)
		for _, path := range posts {
			out := person.post(t, b.server.URL+"/tools"+path, "was:deal.update", "ask", "deal.update", "allow", "name", "hands-off")
			require.Equal(t, http.StatusForbidden, out.status, "%s %s", role, path)
		}
	}
	require.Equal(t, policy.Ask, b.permission(t, "deal.update"))
}

// What was changed in the form is changed, and nothing else, whatever another
// admin has saved since the form was opened.
func TestTheMatrixIsSaved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	b.preset(t, "recommended")
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools")
	form := fields(t, page.body, "matrix")
	require.Equal(t, "ask", form.Get("deal.update"))
	require.Equal(t, "ask", form.Get("was:deal.update"))
	require.Equal(t, "/tools?done=same", admin.post(t, b.server.URL+"/tools", pairs(form)...).location)

	form.Set("deal.update", "allow")
	form.Set("contact.create", "deny")
	form.Set("do", "preview")
	preview := admin.post(t, b.server.URL+"/tools", pairs(form)...)
	require.Equal(t, http.StatusOK, preview.status)
	require.Contains(t, preview.body, `<li>Update Deal: ask → <strong class="name">allow</strong></li>`)
	require.Contains(t, preview.body, `<li>Create Contact: ask → <strong class="name">deny</strong></li>`)
	require.Equal(t, policy.Ask, b.permission(t, "deal.update"), "looking changes nothing")
	require.Equal(t, "allow", fields(t, preview.body, "matrix").Get("deal.update"), "the form still has what was chosen")
	require.Equal(t, "ask", fields(t, preview.body, "matrix").Get("was:deal.update"))

	// Another admin is quicker: with another tool, and with one of these.
	tool := policy.Tool{Object: "ticket", Operation: policy.Create}
	require.NoError(t, b.store.SetPermission(t.Context(), b.org.ID, tool, policy.Deny, store.Operator))
	deal := policy.Tool{Object: "deal", Operation: policy.Update}
	require.NoError(t, b.store.SetPermission(t.Context(), b.org.ID, deal, policy.Deny, store.Operator))
	form.Set("do", "save")
	late := admin.post(t, b.server.URL+"/tools", pairs(form)...)
	require.Equal(t, http.StatusConflict, late.status)
	require.Contains(t, late.body, `<p class="wrong" id="wrong-deal.update">Somebody else changed this one meanwhile.`)
	require.Contains(t, late.body, `aria-describedby="wrong-deal.update"`)
	require.Equal(t, policy.Deny, b.permission(t, "deal.update"))
	require.Equal(t, policy.Ask, b.permission(t, "contact.create"), "all or nothing")

	form.Set("was:deal.update", "deny")
	saved := admin.post(t, b.server.URL+"/tools", pairs(form)...)
	require.Equal(t, "/tools?done=saved", saved.location, saved.body)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+saved.location).body, "The permissions are saved.")
	require.Equal(t, policy.Allow, b.permission(t, "deal.update"))
	require.Equal(t, policy.Deny, b.permission(t, "contact.create"))
	require.Equal(t, policy.Deny, b.permission(t, "ticket.create"), "what the other one said stays")
	reasons := b.reasons(t, store.AuditPermission)
	require.ElementsMatch(t, []string{"ask → deny", "deny → allow"}, reasons[len(reasons)-2:])
}

func TestAMatrixThatMakesNoSense(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	for _, test := range []struct {
		name, says string
		fields     []string
	}{
		{"no such permission", "Choose deny, ask or allow.", []string{"was:deal.update", "deny", "deal.update", "perhaps"}},
		{"none chosen", "Choose deny, ask or allow.", []string{"was:deal.update", "deny"}},
		{"no such tool", "the form names a tool that there is not", []string{"was:deal.destroy", "deny", "deal.destroy", "allow"}},
		{"no tool", "the form names a tool that there is not", []string{"was:%s", "deny", "%s", "allow"}},
	} {
		out := admin.post(t, b.server.URL+"/tools", test.fields...)
		require.Equal(t, http.StatusConflict, out.status, test.name)
		require.Contains(t, out.body, test.says, test.name)
	}
	require.Empty(t, b.reasons(t, store.AuditPermission))
}

func TestPresetsArePreviewedAndApplied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools?preset=hands-off")
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, "What the preset “hands-off” would change")
	require.Contains(t, page.body, `<li>Update Deal: deny → <strong class="name">allow</strong></li>`)
	require.Contains(t, page.body, `The condition “closes a deal” comes: <code>closes_deal</code> → ask`)
	require.Equal(t, policy.Deny, b.permission(t, "deal.update"), "no GET changes anything")

	require.Equal(t, "/tools?done=preset", admin.post(t, b.server.URL+"/tools/preset", "name", "hands-off").location)
	require.Equal(t, policy.Allow, b.permission(t, "deal.update"))
	page = admin.do(t, http.MethodGet, b.server.URL+"/tools?preset=shadow")
	require.Contains(t, page.body, "The condition “closes a deal” goes.")
	require.NotContains(t, page.body, "In shadow:")
	require.Equal(t, "/tools?done=preset", admin.post(t, b.server.URL+"/tools/preset", "name", "shadow").location)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools").body, "In shadow: plans and cards are made, and nothing is written")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools?preset=shadow").body, "Nothing: everything is like that already.")
	require.Equal(t, http.StatusNotFound, admin.post(t, b.server.URL+"/tools/preset", "name", "yolo").status)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools?preset=yolo").body, `id="preview"`)
}

func TestConditionsOnThePage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	path := b.server.URL + "/tools/rules"
	for _, test := range []struct {
		name   string
		fields []string
		field  string
		says   string
	}{
		{"a single =", []string{"name", "won", "when", `property = "x"`, "then", "ask"}, "rule-when", "Line 1, column 10: "},
		{"a misspelt variable", []string{"name", "won", "when", "true &&\n  amuont > 3", "then", "ask"}, "rule-when", "Line 2, column 3: there is no &#34;amuont&#34;"},
		{"no expression", []string{"name", "won", "when", "", "then", "ask"}, "rule-when", "the expression is empty"},
		{"no name", []string{"name", " ", "when", "true", "then", "ask"}, "rule-name", "its name is empty"},
		{"no such permission", []string{"name", "won", "when", "true", "then", "perhaps"}, "rule-then", "is not a permission"},
		{"allow without loosening", []string{"name", "won", "when", "true", "then", "allow"}, "rule-then", "it allows, which makes nothing stricter"},
		{"nobody's meetings", []string{"name", "won", "when", "true", "then", "ask", "whose", uuid.NewString()}, "rule-whose", "Nobody of your organization is this person."},
		{"no team", []string{"name", "won", "when", "true", "then", "ask", "whose", "team:East"}, "rule-whose", "Nobody belongs to a team"},
		{"loosens for a team", []string{"name", "won", "when", "true", "then", "allow", "loosens", "yes", "whose", "team:East"}, "rule-whose", "it loosens for one host or team"},
	} {
		out := admin.post(t, path, test.fields...)
		require.Contains(t, []int{http.StatusConflict, http.StatusNotFound}, out.status, test.name)
		require.Contains(t, out.body, test.says, test.name)
		require.Regexp(t, `id="`+test.field+`"[^>]* aria-invalid="true" aria-describedby="wrong-rule"`, out.body, test.name)
		require.Equal(t, 1, strings.Count(out.body, `id="wrong-rule"`), test.name)
	}
	out := admin.post(t, path, "name", "won", "when", "true &&\n  amuont > 3", "then", "ask")
	require.Contains(t, out.body, "<pre aria-hidden=\"true\">  amuont &gt; 3\n  ^</pre>")
	require.Contains(t, out.body, "true &amp;&amp;\n  amuont &gt; 3</textarea>", "what was typed is still there")
	require.Empty(t, b.reasons(t, store.AuditPermission))

	rule := []string{"name", "big <b>deals</b>", "when", `property == "amount" && new > 50000`, "then", "ask", "whose", b.id(t, "ada@acme.example").String()}
	preview := admin.post(t, path, append(rule, "do", "preview")...)
	require.Equal(t, http.StatusOK, preview.status, preview.body)
	require.Contains(t, preview.body, "The condition “big &lt;b&gt;deals&lt;/b&gt;” comes:")
	require.Contains(t, preview.body, `<button form="rule-form" name="do" value="save">`)
	rules, err := b.store.Rules(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Empty(t, rules)

	require.Equal(t, "/tools?done=rule", admin.post(t, path, rule...).location)
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools?done=rule").body
	require.Contains(t, page, "big &lt;b&gt;deals&lt;/b&gt;")
	require.Contains(t, page, "in the meetings of Ms ada@acme.example")
	edit := regexp.MustCompile(`<a href="(/tools\?rule=[^"]*)">Change`).FindStringSubmatch(page)
	require.NotNil(t, edit, page)
	edited := admin.do(t, http.MethodGet, b.server.URL+strings.TrimSuffix(html.UnescapeString(edit[1]), "#rule-form")).body
	require.Contains(t, edited, `value="big &lt;b&gt;deals&lt;/b&gt;"`)
	require.Contains(t, edited, `new &gt; 50000</textarea>`)

	require.Equal(t, "/tools?done=removed", admin.post(t, path+"/remove", "name", "big <b>deals</b>").location)
	require.Equal(t, http.StatusNotFound, admin.post(t, path+"/remove", "name", "big <b>deals</b>").status)
	require.Len(t, b.reasons(t, store.AuditPermission), 2)
}

func TestStricterForTeamsAndHosts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	b.preset(t, "hands-off")
	ada := b.id(t, "ada@acme.example")
	east := "East"
	require.NoError(t, b.store.UpdatePerson(t.Context(), b.org.ID, ada, store.PersonChange{Team: &east}, store.Operator))
	path := b.server.URL + "/tools/narrower"
	for _, test := range []struct{ whose, tool, permission, field, says string }{
		{"", "deal.update", "ask", "whose", "Choose whose meetings it is about."},
		{uuid.NewString(), "deal.update", "ask", "whose", "Nobody of your organization is this person."},
		{"team:West", "deal.update", "ask", "whose", "Nobody belongs to a team"},
		{ada.String(), "deal.destroy", "ask", "tool", "Choose a tool of the list."},
		{ada.String(), "deal.update", "perhaps", "permission", "Choose a permission of the list."},
	} {
		out := admin.post(t, path, "whose", test.whose, "tool", test.tool, "permission", test.permission)
		require.Contains(t, []int{http.StatusConflict, http.StatusNotFound}, out.status, test.says)
		require.Contains(t, out.body, test.says)
		require.Regexp(t, `id="narrow-`+test.field+`"[^>]* aria-describedby="wrong-narrow"`, out.body)
	}
	require.Equal(t, "/tools?done=narrower", admin.post(t, path, "whose", ada.String(), "tool", "deal.update", "permission", "deny").location)
	require.Equal(t, "/tools?done=narrower", admin.post(t, path, "whose", "team:East", "tool", "deal.create", "permission", "ask").location)
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools").body
	require.Contains(t, page, `Ms ada@acme.example: Update Deal <span class="tag">deny</span>`)
	require.Contains(t, page, `East: Create Deal <span class="tag">ask</span>`)
	require.Equal(t, "/tools?done=narrower", admin.post(t, path, "whose", "team:East", "tool", "deal.create", "permission", "allow").location)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools").body, "East: Create Deal")
}

// Nothing that an organization says reaches another one's page.
func TestNobodySeesAnotherOrganizationsPermissions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	other := storetest.Organization(t, b.store)
	require.NoError(t, b.store.SetRule(t.Context(), other.ID, policy.Rule{Name: "secret plan", When: "true", Then: policy.Ask}, store.Operator))
	stranger, err := b.store.AddPerson(t.Context(), store.Person{
		OrganizationID: other.ID, Name: "Stranger", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "s@stranger.example"}},
	}, store.Operator)
	require.NoError(t, err)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools").body, "secret plan")
	require.Equal(t, http.StatusNotFound, admin.post(t, b.server.URL+"/tools/rules/remove", "name", "secret plan").status)
	require.Equal(t, http.StatusNotFound, admin.post(t, b.server.URL+"/tools/narrower", "whose", stranger.ID.String(), "tool", "deal.read", "permission", "deny").status)
	rules, err := b.store.Rules(t.Context(), other.ID)
	require.NoError(t, err)
	require.Len(t, rules, 1)
}

func TestMissingScopesAndCustomObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.connect(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	b.exec(t, `update connections set scopes = array_remove(scopes, 'tickets')`)
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools").body
	require.Equal(t, 4, strings.Count(page, `Blocked in “main”: not granted <code>tickets</code>. <a href="/connections/`+c.ID.String()+`#reconnect">`))
	require.Equal(t, 4, strings.Count(page, "Blocked in"))

	wrong := admin.do(t, http.MethodGet, b.server.URL+"/tools?object=cars")
	require.Contains(t, wrong.body, `aria-describedby="wrong-object"`)
	require.Contains(t, wrong.body, "This is not a custom object")
	page = admin.do(t, http.MethodGet, b.server.URL+"/tools?object=p4711_car").body
	require.Contains(t, page, "Blocked in “main”: not granted <code>crm.objects.custom.read</code>")
	form := fields(t, page, "matrix")
	for _, operation := range []string{"read", "create", "update"} {
		require.Equal(t, "deny", form.Get("p4711_car."+operation))
	}
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools").body, "p4711_car.", "looking adds nothing")
	form.Set("p4711_car.read", "allow")
	require.Equal(t, "/tools?done=saved", admin.post(t, b.server.URL+"/tools", pairs(form)...).location)
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools").body, `name="p4711_car.update"`)
}

// What HubSpot lists is picked; where it does not, the name is typed.
func TestPickingACustomObject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var fails error
	schema := hubspot.Schema{ObjectTypeID: "2-77", FullyQualifiedName: "p4711_boat", Name: "boat"}
	schema.Labels.Plural = "Boats & ships"
	b.serve(t, web.Options{Schemas: func(_ context.Context, organizationID uuid.UUID) ([]hubspot.Schema, error) {
		require.Equal(t, b.org.ID, organizationID)
		return []hubspot.Schema{schema}, fails
	}})
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools").body, "Boats", "HubSpot is asked on request alone")
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools?pick=list").body, `<option value="p4711_boat">Boats &amp; ships</option>`)
	picked := admin.do(t, http.MethodGet, b.server.URL+"/tools?object=p4711_boat").body
	require.Contains(t, picked, `name="p4711_boat.read"`)
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/tools?pick=list&object=p4711_boat").body, `<option value="p4711_boat">`)
	fails = errors.New("planted cause")
	away := admin.do(t, http.MethodGet, b.server.URL+"/tools?pick=list")
	require.Equal(t, http.StatusOK, away.status)
	require.Contains(t, away.body, "HubSpot does not list its custom objects just now.")
	require.NotContains(t, away.body, "planted")
}

// Thirty approvals in a row suggest it, and an admin says so with one click.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin, member := b.as(t, "ada@acme.example", store.RoleAdmin), b.as(t, "mo@acme.example", store.RoleMember)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	action := f.question(t, "deal:900").ActionID
	b.exec(t, `insert into approvals (id, organization_id, action_id, state, content_mac, round, expires_at, decided_at, decided_by_person_id)
		select gen_random_uuid(), o.id, '`+action.String()+`', 'approved', '', 1, now(), now() - interval '1 hour', '`+b.id(t, "mo@acme.example").String()+`'
		from organizations o, generate_series(1, 30) where o.id = '`+b.org.ID.String()+`'`)
	require.NotContains(t, member.do(t, http.MethodGet, b.server.URL+"/tools").body, "Worth allowing?")
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools").body
	require.Contains(t, page, "Update Deal was approved 30 times in a row without a change since ")
	require.Equal(t, policy.Ask, b.permission(t, "deal.update"), "nothing is switched by itself")
	require.Equal(t, "/tools?done=saved", admin.post(t, b.server.URL+"/tools", "was:deal.update", "ask", "deal.update", "allow").location)
	require.Equal(t, policy.Allow, b.permission(t, "deal.update"))
}

// The page says what would have been decided about what was planned of late.
func TestTheLastSevenDays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	f := b.met(t, "Northwind")
	f.plan(t, usual()...)
	week := func(body, tool string) string {
		_, rest, found := strings.Cut(body, `name="was:`+tool+`"`)
		require.True(t, found, tool)
		_, rest, _ = strings.Cut(rest, ">")
		cell, _, _ := strings.Cut(rest, "</td>")
		return strings.TrimSpace(cell)
	}
	page := admin.do(t, http.MethodGet, b.server.URL+"/tools").body
	require.Equal(t, "1 asked", week(page, "deal.update"))
	require.Equal(t, "1 allowed", week(page, "note.create"))
	require.Equal(t, `<span class="quiet">not used</span>`, week(page, "ticket.create"))
	preview := admin.post(t, b.server.URL+"/tools/rules", "name", "big deals", "when", `property == "dealstage" && new == "s2"`, "then", "deny", "do", "preview")
	require.Equal(t, http.StatusOK, preview.status)
	require.Contains(t, preview.body, "<li>Update Deal: 1 asked → 1 denied</li>")
	require.Contains(t, preview.body, "Of what was planned in the last seven days: 1 allowed, 2 asked, 1 denied.")
}

// What comes out of other packages and is shown translated has a translation.
func TestEveryToolIsDescribedInGerman(t *testing.T) {
	t.Parallel()
	p := words.In("de")
	var sentences []string
	for _, tool := range policy.Tools() {
		sentences = append(sentences, tool.Title, tool.Description)
	}
	for _, preset := range policy.Presets() {
		sentences = append(sentences, preset.Description)
	}
	for _, v := range policy.Variables() {
		sentences = append(sentences, v.Type, v.Description)
	}
	for _, s := range sentences {
		require.NotEqual(t, s, p.Known(s), "not translated")
	}
}
