package web_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// received stores a delivery with words in it that no page may show.
func (b *bundle) received(t *testing.T, source store.Source, key string, at time.Time) uuid.UUID {
	t.Helper()
	id, inserted, err := b.store.InsertDelivery(t.Context(), store.NewDelivery{
		Source: source, DedupeKey: key, Body: []byte("planted words " + key), ReceivedAt: at,
		Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"planted"}, "User-Agent": {"<b>Robot</b>"}},
	})
	require.NoError(t, err)
	require.True(t, inserted)
	return id
}

func (b *bundle) source(t *testing.T, organizationID *uuid.UUID, name string) store.Source {
	t.Helper()
	source, err := b.store.CreateSource(t.Context(), store.NewSource{OrganizationID: organizationID, Platform: "debrief", Name: name, Secrets: []store.Secret{"planted-secret"}}, store.Operator)
	require.NoError(t, err)
	return source
}

// listed are the deliveries of a page, in its order.
func listed(body string) []string {
	var out []string
	for _, found := range regexp.MustCompile(`<a href="/deliveries/([0-9a-f-]{36})">`).FindAllStringSubmatch(body, -1) {
		out = append(out, found[1])
	}
	return out
}

func link(t *testing.T, body, text string) string {
	t.Helper()
	found := regexp.MustCompile(`<a href="([^"]*)"[^>]*>` + text + `</a>`).FindStringSubmatch(body)
	require.NotNil(t, found, "%s in %s", text, body)
	return html.UnescapeString(found[1])
}

func TestDeliveriesAreForAdmins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.received(t, b.source(t, &b.org.ID, "zoom"), "1", time.Now())
	for _, role := range store.Roles() {
		person := b.as(t, string(role)+"@acme.example", role)
		want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[role == store.RoleAdmin]
		for _, path := range []string{"/deliveries", "/deliveries/" + id.String()} {
			out := person.do(t, http.MethodGet, b.server.URL+path)
			require.Equal(t, want, out.status, "%s %s", role, path)
			require.NotContains(t, out.body, "planted")
		}
	}
}

// Fifty a page, and those of one and the same moment are neither lost nor shown
// twice, nor is anything moved by what comes in meanwhile.
func TestDeliveriesArePaged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	source := b.source(t, &b.org.ID, "zoom")
	at := time.Date(2026, 11, 20, 9, 0, 0, 123456000, time.UTC)
	all := map[string]bool{}
	for i := range 120 {
		all[b.received(t, source, fmt.Sprint(i), at.Add(time.Duration(i/60)*time.Microsecond)).String()] = true
	}
	first := admin.do(t, http.MethodGet, b.server.URL+"/deliveries?state=received")
	require.Len(t, listed(first.body), 50)
	require.NotContains(t, first.body, ">Newest<")
	late := b.received(t, source, "late", at.Add(time.Hour)).String()
	second := admin.do(t, http.MethodGet, b.server.URL+link(t, first.body, "Older"))
	third := admin.do(t, http.MethodGet, b.server.URL+link(t, second.body, "Older"))
	require.NotContains(t, third.body, ">Older<")
	seen := map[string]bool{}
	for _, page := range []string{first.body, second.body, third.body} {
		for _, id := range listed(page) {
			require.False(t, seen[id], "twice")
			seen[id] = true
		}
	}
	require.Equal(t, all, seen)
	require.Equal(t, late, listed(admin.do(t, http.MethodGet, b.server.URL+link(t, third.body, "Newest")).body)[0])
	require.Equal(t, late, listed(admin.do(t, http.MethodGet, b.server.URL+"/deliveries?before=nonsense").body)[0])
}

func TestDeliveriesAreSearched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	zoom, fathom := b.source(t, &b.org.ID, "zoom"), b.source(t, &b.org.ID, "fathom")
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	early, last := b.received(t, zoom, "1", day), b.received(t, zoom, "2", day.Add(24*time.Hour-time.Second))
	next, other := b.received(t, zoom, "3", day.Add(24*time.Hour)), b.received(t, fathom, "4", day.Add(time.Hour))
	require.NoError(t, b.store.SettleDelivery(t.Context(), last, store.DeliveryUnprocessable, "it is <i>no</i> event"))
	require.NoError(t, b.store.SettleDelivery(t.Context(), next, store.DeliveryExcluded, "internal only"))
	for query, want := range map[string][]uuid.UUID{
		"":                                  {next, last, other, early},
		"?source=" + zoom.ID.String():       {next, last, early},
		"?state=unprocessable":              {last},
		"?state=excluded":                   {next},
		"?from=2026-11-20&until=2026-11-20": {last, other, early},
		"?from=2026-11-21":                  {next},
		"?source=" + uuid.NewString():       {},
		"?meeting=" + uuid.NewString():      {},
	} {
		out := admin.do(t, http.MethodGet, b.server.URL+"/deliveries"+query)
		require.Equal(t, http.StatusOK, out.status, query)
		ids := []string{}
		for _, id := range want {
			ids = append(ids, id.String())
		}
		require.Equal(t, ids, append([]string{}, listed(out.body)...), query)
	}
	body := admin.do(t, http.MethodGet, b.server.URL+"/deliveries").body
	require.Contains(t, body, "it is &lt;i&gt;no&lt;/i&gt; event")
	require.Contains(t, body, "content dropped")
	for query, wrong := range map[string]string{
		"source=x": "source", "state=lost": "state", "from=yesterday": "from", "until=2026-13-01": "until", "meeting=42": "meeting",
		"from=2026-11-21&until=2026-11-20": "until",
	} {
		out := admin.do(t, http.MethodGet, b.server.URL+"/deliveries?"+query)
		require.Equal(t, http.StatusConflict, out.status, query)
		require.Regexp(t, `id="`+wrong+`"[^>]* aria-invalid="true" aria-describedby="wrong-`+wrong+`"`, out.body, query)
		require.Contains(t, out.body, `<span class="wrong" id="wrong-`+wrong+`">`, query)
		require.Empty(t, listed(out.body))
	}
}

// A delivery's page has its envelope, its verdict and what it told of, and never
// what it says.
func TestADelivery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	f := b.met(t, "Planted title")
	found, err := b.store.SearchDeliveries(t.Context(), store.DeliverySearch{OrganizationID: b.org.ID, MeetingID: f.meeting})
	require.NoError(t, err)
	require.Len(t, found, 1)
	list := admin.do(t, http.MethodGet, b.server.URL+"/deliveries?meeting="+f.meeting.String())
	require.Equal(t, []string{found[0].ID.String()}, listed(list.body))
	require.Contains(t, list.body, `<a href="/meetings/`+f.meeting.String()+`">20 Nov 2026, 09:00 UTC</a>`)
	page := admin.do(t, http.MethodGet, b.server.URL+"/deliveries/"+found[0].ID.String())
	require.Equal(t, http.StatusOK, page.status)
	require.Contains(t, page.body, `<span class="tag">understood</span>`)
	require.Contains(t, page.body, `The meeting of 20 Nov 2026, 09:00 UTC`)
	for _, secret := range []string{"Planted title", "two hundred", "jane@northwind.example", "as spoken"} {
		require.NotContains(t, page.body+list.body, secret)
	}

	// The same key with another body is a revision.
	source := b.source(t, &b.org.ID, "zoom")
	id := b.received(t, source, "twice", time.Now())
	_, inserted, err := b.store.InsertDelivery(t.Context(), store.NewDelivery{Source: source, DedupeKey: "twice", Body: []byte("other"), ReceivedAt: time.Now(), Header: http.Header{}})
	require.NoError(t, err)
	require.True(t, inserted)
	page = admin.do(t, http.MethodGet, b.server.URL+"/deliveries/"+id.String())
	require.Contains(t, page.body, "It came with 2 different contents")
	require.Contains(t, page.body, "&lt;b&gt;Robot&lt;/b&gt;")
	require.NotContains(t, page.body, "planted")
	require.NotContains(t, page.body, "Authorization")
}

// Looking again is asked for on a page that changes nothing; doing it as new takes
// a tick, and a second click does nothing more.
func TestADeliveryIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin, member := b.as(t, "ada@acme.example", store.RoleAdmin), b.as(t, "may@acme.example", store.RoleMember)
	source := b.source(t, &b.org.ID, "zoom")
	id := b.received(t, source, "1", time.Now())
	require.NoError(t, b.store.SettleDelivery(t.Context(), id, store.DeliveryUnprocessable, "it is no event"))
	address := b.server.URL + "/deliveries/" + id.String() + "/replay"
	require.Equal(t, http.StatusForbidden, member.do(t, http.MethodGet, address).status)
	require.Equal(t, http.StatusForbidden, member.post(t, address, "as", "missing").status)

	page := admin.do(t, http.MethodGet, address)
	require.Equal(t, http.StatusOK, page.status)
	redo := regexp.MustCompile(`name="redo" value="([0-9a-f-]{36})"`).FindStringSubmatch(page.body)
	require.NotNil(t, redo)
	require.Contains(t, page.body, "meeting.ended, meeting.notes_ready")
	require.Contains(t, page.body, "Its meeting would change")
	require.NotContains(t, page.body, "planted")
	state := func() string { return b.first(t, `select state from deliveries where dedupe_key = '1'`) }
	copies := func() string { return b.first(t, `select count(*)::text from deliveries where redo_id is not null`) }
	require.Equal(t, "unprocessable", state())

	require.Equal(t, http.StatusConflict, admin.post(t, address, "as", "all").status)
	require.Equal(t, http.StatusConflict, admin.post(t, address, "as", "new", "redo", redo[1]).status)
	require.Equal(t, http.StatusNotFound, admin.post(t, address, "as", "new", "redo", "x", "sure", "yes").status)
	require.Equal(t, "0", copies())
	for range 2 {
		require.Equal(t, http.StatusSeeOther, admin.post(t, address, "as", "new", "redo", redo[1], "sure", "yes").status)
	}
	require.Equal(t, "1", copies())
	require.Equal(t, "unprocessable", state())

	out := admin.post(t, address, "as", "missing")
	require.Equal(t, http.StatusSeeOther, out.status)
	require.Equal(t, "received", state())
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+out.header.Get("Location")).body, "what is missing is done")

	// What has no content any more says so.
	require.NoError(t, b.store.SettleDelivery(t.Context(), id, store.DeliveryExcluded, "internal only"))
	require.NotContains(t, admin.do(t, http.MethodGet, address).body, "<form method=\"post\" action=\"/deliveries")
	out = admin.post(t, address, "as", "missing")
	require.Equal(t, http.StatusConflict, out.status)
	require.Contains(t, out.body, "nothing that could be read again")
	require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, b.server.URL+"/deliveries/"+uuid.NewString()+"/replay").status)
}

func TestNobodySeesAnotherOrganizationsDeliveries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.as(t, "ada@acme.example", store.RoleAdmin)
	other := storetest.Organization(t, b.store)
	foreign := b.source(t, &other.ID, "theirs")
	theirs := b.received(t, foreign, "1", time.Now())
	shared := b.source(t, nil, "shared")
	nobodys := b.received(t, shared, "2", time.Now())
	require.NoError(t, b.store.SettleDelivery(t.Context(), nobodys, store.DeliveryUnrouted, "no account"))
	for _, query := range []string{"", "?state=unrouted", "?source=" + foreign.ID.String(), "?source=" + shared.ID.String()} {
		out := admin.do(t, http.MethodGet, b.server.URL+"/deliveries"+query)
		require.Empty(t, listed(out.body), query)
		require.NotContains(t, out.body, "theirs")
	}
	for _, id := range []string{theirs.String(), nobodys.String(), uuid.NewString(), "x"} {
		require.Equal(t, http.StatusNotFound, admin.do(t, http.MethodGet, b.server.URL+"/deliveries/"+id).status, id)
	}

	// Whoever runs Debrief finds those that are nobody's, and chooses an organization
	// for all others.
	operator := newBrowser(t)
	require.Equal(t, http.StatusSeeOther, operator.do(t, http.MethodPost, b.signInLink(t)).status)
	operator.post(t, b.server.URL+"/organization", "organization", b.org.ID.String())
	out := operator.do(t, http.MethodGet, b.server.URL+"/deliveries?state=unrouted")
	require.Equal(t, []string{nobodys.String()}, listed(out.body), out.body)
	require.Contains(t, out.body, "only whoever runs Debrief sees them")
	seen := operator.do(t, http.MethodGet, b.server.URL+"/deliveries/"+nobodys.String())
	require.Equal(t, http.StatusOK, seen.status)
	require.Contains(t, seen.body, "It is of an account that no organization connected")
	require.NotContains(t, seen.body, "planted")
	require.Equal(t, http.StatusNotFound, operator.do(t, http.MethodGet, b.server.URL+"/deliveries/"+theirs.String()).status)
}
