package web_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

func TestBriefingSettingsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	admin, member := b.as(t, "ada@acme.example", store.RoleAdmin), b.as(t, "mo@acme.example", store.RoleMember)
	mo := b.id(t, "mo@acme.example")
	path := b.server.URL + "/settings/briefings"
	require.Contains(t, member.do(t, http.MethodGet, b.server.URL+"/settings").body, `href="/settings/briefings"`)
	page := member.do(t, http.MethodGet, path)
	require.Equal(t, http.StatusOK, page.status)
	require.Regexp(t, `id="mine-lead" name="lead"[^>]* value="" placeholder="1h"`, page.body)
	require.NotContains(t, page.body, "/settings/briefings/organization")
	require.Equal(t, http.StatusForbidden, member.post(t, path+"/organization", "lead", "2h").status)

	require.NoError(t, b.store.SetNotifySettings(ctx, b.org.ID, store.NotifySettings{Digest: "09:00"}, store.Operator))
	saved := admin.post(t, path+"/organization", "lead", "2h", "channels", "email, page", "time_zone", "Europe/Berlin", "quiet_hours", "20:00-08:00", "briefings", "")
	require.Equal(t, "/settings/briefings?done=all", saved.location, saved.body)
	require.Equal(t, store.BriefingSettings{Lead: "2h", Channels: "email,page"}, b.settings(t).Briefing)
	require.Equal(t, store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00", Digest: "09:00"}, b.settings(t).Notify)
	page = admin.do(t, http.MethodGet, b.server.URL+saved.location)
	require.Contains(t, page.body, "Everybody who does not say otherwise is briefed like this")
	require.Regexp(t, `id="all-lead" name="lead"[^>]* value="2h"`, page.body)
	require.Regexp(t, `id="mine-lead" name="lead"[^>]* value="" placeholder="2h"`, page.body)

	saved = member.post(t, path, "briefings", "off", "talking_points", "on", "digest", "07:30")
	require.Equal(t, "/settings/briefings?done=mine", saved.location, saved.body)
	own, err := b.store.PersonBriefing(ctx, b.org.ID, mo)
	require.NoError(t, err)
	require.Equal(t, store.BriefingSettings{Briefings: "off", TalkingPoints: "on", Digest: "07:30"}, own)
	require.Contains(t, member.do(t, http.MethodGet, path).body, `<option value="off" selected>`)
	trail, err := b.store.AuditTrail(ctx, b.org.ID, store.AuditFilter{Kind: store.AuditPerson})
	require.NoError(t, err)
	require.Equal(t, mo, *trail[len(trail)-1].Actor.PersonID)

	for field, test := range map[string]struct{ value, says string }{
		"lead": {"soon", "How long before a meeting is written as 45m or 2h"}, "quiet_hours": {"night", "Quiet hours are written as"}, "channels": {"fax", "Channels are written as"},
	} {
		out := member.post(t, path, field, test.value)
		require.Equal(t, http.StatusConflict, out.status, field)
		require.Contains(t, out.body, `<p class="problem" role="alert">`+test.says, field)
		require.Contains(t, out.body, `value="`+test.value+`"`, "what was written is still there")
	}
	require.NoError(t, b.store.SetPersonLanguage(ctx, b.org.ID, mo, "de"))
	require.Contains(t, member.post(t, path, "lead", "soon").body, "Wie lange vor einem Meeting schreibt man als 45m")
}
